"""Valid files that no program writes twice alike: each is read as pyedflib and MNE read it, in both ways in."""

import warnings
from datetime import datetime

import mne
import numpy as np
import pyedflib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hypnolens.recordings.edf import list_annotations, read_channel
from hypnolens.recordings.units import microvolts
from hypnolens.scoring.reading import read_night
from tests.conftest import pink
from tests.odd import annotation, write_odd

EEG = pink(6, uv=30.0, rate=128.0, seed=5)
RATE = 128
UNITS = {"uV": 1.0, "µV": 1.0, "mV": 1e-3, "V": 1e-6, "nV": 1e3, "uv": 1.0, "µv": 1.0}
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

files = st.fixed_dictionaries(
    {
        "unit": st.sampled_from(sorted(UNITS)),
        "label": st.sampled_from(["EEG C4-A1", "C4", "EEG", "C4-M1", "EEG Fpz-Cz", "c4:m1", "EEG(sec)", "F4/M1"]),
        "limits": st.tuples(st.integers(-5000, -300), st.integers(300, 5000)),
        "form": st.sampled_from(["{:g}", "{:.4f}", "{:+.1f}", "{:.3e}", " {:g}"]),
        "turned": st.booleans(),
        "digital": st.sampled_from([(-32_768, 32_767), (-32_767, 32_767), (0, 32_767), (-2048, 2047), (0, 4095)]),
        "record_s": st.sampled_from(["0.25", "0.5", "1", "2", "5", "10", "30", "60", "1.0", "0.125000"]),
        "plus": st.sampled_from(["", "EDF+C", "EDF+D", "EDF+C, and more", "                    "]),
        "notes": st.sampled_from(["none", "times", "stages"]),
        "first": st.booleans(),
        "start": st.datetimes(datetime(1985, 1, 2), datetime(2080, 12, 31)),
        "colons": st.sampled_from([".", ":", "-"]),
        "dated": st.booleans(),
        "patient": st.sampled_from(["X X X X", "", "M F 02-AUG-1951 Nobody", "\u00e9t\u00e9"]),
    }
)


def _number(form, value):
    """A number in eight characters, in a form of its own where that holds it."""
    forms = (form.format(value), f"{value:.6g}", f"{value:.4g}", f"{value:.0e}")
    return next(text for text in forms if len(text) <= 8 and abs(float(text) - value) <= 0.4 * abs(value))


def _write(folder, how):
    """A file of six epochs, its samples in µV by its own header, and the time of its first sample."""
    scale = UNITS[how["unit"]]
    low, high = (_number(how["form"], limit * scale) for limit in how["limits"])
    limits = (high, low) if how["turned"] else (low, high)
    record_s = float(how["record_s"])
    n_samples = round(RATE * record_s)
    n = len(EEG) // n_samples
    plus = how["plus"] if how["notes"] != "none" else ""
    notes = []
    if how["notes"] != "none":
        stages = [annotation(30.0 * place, 30.0, f"Sleep stage {'W12R32'[place]}") for place in range(6)]
        notes = [annotation(round(number * record_s, 6), None, "") for number in range(n)]
        if how["notes"] == "stages" and plus.startswith("EDF+"):
            notes[0] += b"".join(stages)
    start, sign = how["start"].replace(microsecond=0), how["colons"]
    dated = f"Startdate {start.day:02d}-{MONTHS[start.month - 1]}-{start.year} X X X"
    path = write_odd(
        folder / "n.edf", [(how["label"], EEG * scale)], n_samples, record_s=how["record_s"], unit=how["unit"],
        limits=limits, digital=how["digital"], reserved=plus, annotations=notes, first=how["first"],
        date=f"{start.day:02d}.{start.month:02d}.{start.year % 100:02d}", clock=f"{start:%H{sign}%M{sign}%S}",
        identification=dated if how["dated"] or plus else "a recorder, and where it stood", patient=how["patient"],
    )  # fmt: skip
    bottom, top = map(float, limits)
    step = (top - bottom) / (how["digital"][1] - how["digital"][0])
    steps = np.round((EEG * scale - bottom) / step)
    return path, (bottom + steps * step) / scale, start, abs(step) / scale


def _others_that_read_it(folder, how):
    """How many other readers read a file, all of them and both of our ways in as it was written."""
    path, expected, start, step = _write(folder, how)
    channel, night = read_channel(path, [how["label"]], "n"), read_night(path, channels=[how["label"]])
    assert channel.rate == night.rate == RATE and channel.start == night.start == start
    np.testing.assert_array_equal(channel.signal, night.signals[0])
    # Our own arithmetic is in single precision; the limits of a header have few digits.
    np.testing.assert_allclose(channel.signal, expected, atol=step / 4 + 1e-3, rtol=1e-5)
    stages = [text for _, _, text in list_annotations(path, "n").entries]
    assert len(stages) == (6 if how["notes"] == "stages" and how["plus"].startswith("EDF+") else 0)
    read = 0
    try:
        with pyedflib.EdfReader(str(path)) as other:
            place = [label.strip() for label in other.getSignalLabels()].index(how["label"])
            theirs, unit = other.readSignal(place), microvolts(other.getPhysicalDimension(place).strip())
            read += 1
        np.testing.assert_allclose(channel.signal, theirs * (unit or 1.0), atol=step / 4 + 1e-3, rtol=1e-5)
    except OSError:  # what it will not read, such as a time with other signs
        pass
    if how["unit"] in ("uV", "µV", "mV", "V"):  # others MNE takes for V
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                theirs = mne.io.read_raw_edf(path, verbose="error").get_data(picks=[0])[0] * 1e6
            read += 1
        except Exception:  # whatever it will not read
            theirs = None
        if theirs is not None:
            np.testing.assert_allclose(channel.signal, theirs, atol=step / 4 + 1e-3, rtol=1e-5)
    return read


def test_valid_files_are_read_as_other_readers_read_them(tmp_path):
    had = []

    @settings(max_examples=200, deadline=None, derandomize=True, database=None)
    @given(how=files)
    def check(how):
        had.append(_others_that_read_it(tmp_path, how))

    check()
    assert len(had) >= 200 and np.mean(np.array(had) > 0) > 0.5


@pytest.mark.parametrize("sides", ["training", "scoring"])
def test_nothing_of_the_person_is_in_any_output(tmp_path, sides):
    """Name, birth date and code of the header stay in the file."""
    from hypnolens.recordings.epochs import recording_row, write_epochs
    from hypnolens.recordings.extraction import extract
    from hypnolens.scoring.run import ScoringOptions, score_file
    from tests.conftest import write_hypnogram
    from tests.unit.test_odd_files import OPTIONS

    secrets = ("QX7731", "Dornroschen", "02-AUG-1951", "1951", "Kammer9")
    path = write_odd(
        tmp_path / "a-PSG.edf", [("EEG C4-A1", pink(12, uv=20.0))], 100, patient="QX7731 F 02-AUG-1951 Dornroschen",
        identification="Startdate 24-APR-2020 Kammer9 X X",
    )  # fmt: skip
    out = tmp_path / "out"
    out.mkdir()
    if sides == "training":
        stages = write_hypnogram(tmp_path / "a-Hypnogram.edf", "W1223322RRWW", start=datetime(2020, 4, 24, 22))
        epochs = extract(path, stages, channel=["EEG C4-A1"], **OPTIONS)
        write_epochs(epochs, out / "a.safetensors")
        (out / "row.txt").write_text(str(recording_row(epochs)))
    else:
        score_file(path, out, ScoringOptions(), threads=1)
    for file in out.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        assert not [secret for secret in secrets if secret.encode() in content], file
