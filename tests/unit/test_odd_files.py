"""Files as recorders, converters and de-identifying programs write them, read alike for training and for scoring."""

from datetime import datetime

import numpy as np
import pytest

from hypnolens.datasets.folder import list_recordings, told
from hypnolens.errors import RecordingError
from hypnolens.recordings.edf import Annotations, list_annotations, read_channel
from hypnolens.recordings.extraction import extract
from hypnolens.recordings.hypnogram import place_stages
from hypnolens.recordings.units import microvolts
from hypnolens.recordings.vocabulary import looks_like_stage, stage_of, unread
from hypnolens.scoring.reading import read_night
from hypnolens.stages import CODE, MOVEMENT, UNSCORED
from tests.conftest import pink, write_hypnogram, write_psg
from tests.odd import annotation, record_times, write_odd

N = 12
EEG = pink(N, uv=20.0)
OPTIONS = {"recording": "a", "subject": "s", "night": 1, "source": "-", "rates": (), "sha1": {},
           "sampling_rate_hz": "native", "highpass_hz": None, "trim_wake_min": None,
           "trim_rule": "drop-then-trim"}  # fmt: skip
STAGES = "W1223322RRWW"
CODES = [0, 1, 2, 2, 3, 3, 2, 2, 4, 4, 0, 0]
STEP = 1000 / 65_535
"""µV between two values of a file."""


def _both(path, label="EEG C4-A1", **options):
    """A file as training and as scoring read it."""
    channel, night = read_channel(path, [label], "a"), read_night(path, **options)
    np.testing.assert_array_equal(channel.signal, night.signals[0])
    assert channel.rate == night.rate
    return channel, night


def _read(folder, *, doubt="", x=EEG, n_samples=100, **how):
    """A file of one channel that is read as it was before it was made odd, with a doubt in both ways in."""
    channel, night = _both(write_odd(folder / "n.edf", [("EEG C4-A1", x)], n_samples, **how))
    assert np.abs(channel.signal - x[: len(channel.signal)]).max() <= STEP
    for said in (channel.doubts, night.warnings):
        assert any(doubt in sentence for sentence in said) if doubt else said == ()
    return channel


@pytest.mark.parametrize(
    "unit", ["uV", "uv", "UV", "microV", "µV", "µV".encode(), "μV".encode(), b"\xe6V", b"\x83\xcaV", ".V", "?V"]
)
def test_microvolts_are_known_however_they_are_spelt(tmp_path, unit):
    lost = unit in (b"\xe6V", b"\x83\xcaV", ".V", "?V", "µV".encode(), "μV".encode())
    path = write_odd(tmp_path / "n.edf", [("EEG C4-A1", EEG)], 100, unit=unit)
    channel, _ = _both(path)
    assert np.abs(channel.signal - EEG).max() <= STEP
    assert bool(channel.doubts) == lost


@pytest.mark.parametrize("unit, factor", [("mV", 1e3), ("V", 1e6), ("nV", 1e-3)])
def test_other_voltages_keep_their_case(unit, factor):
    assert microvolts(unit) == factor and microvolts("degC") is None and microvolts("MV") is None


def test_no_unit_is_taken_for_microvolts_only_where_the_values_are_those_of_an_eeg(tmp_path):
    channel = _read(tmp_path, unit="", doubt="unit")
    assert "no unit" in channel.doubts[0]
    path = write_odd(tmp_path / "v.edf", [("EEG C4-A1", EEG / 1e3)], 100, unit="", limits=("-0.5", "0.5"))
    with pytest.raises(RecordingError, match="is in '', which is no voltage"):
        read_channel(path, ["EEG C4-A1"], "a")
    with pytest.raises(RecordingError, match="is in 'degC', which is no voltage"):
        read_channel(write_odd(tmp_path / "c.edf", [("EEG C4-A1", EEG)], 100, unit="degC"), ["EEG C4-A1"], "a")


def test_a_difference_of_two_units_is_computed(tmp_path):
    mastoid = pink(N, uv=8.0, seed=1)
    # Limits are the same cells for both, so that the first one's values are a thousandth.
    signals = [("C4", EEG / 1000), ("M1", mastoid)]
    path = write_odd(tmp_path / "n.edf", signals, 100, units=["mV", "uV"], limits=("-100", "100"))
    night = read_night(path, channels=["C4-M1"])
    assert np.abs(night.signals[0] - (EEG - mastoid)).max() < 2 * 200 / 65_535 * 1000
    path = write_odd(tmp_path / "m.edf", [("C4", EEG), ("M1", mastoid)], 100, units=["uV", "µV"])
    assert np.abs(read_night(path, channels=["C4-M1"]).signals[0] - (EEG - mastoid)).max() <= 2 * STEP
    path = write_odd(tmp_path / "o.edf", [("C4", EEG), ("M1", mastoid)], 100, units=["uV", "bar"])
    with pytest.raises(RecordingError, match="cannot be computed"):
        read_night(path, channels=["C4-M1"])


def test_decimal_commas_and_zero_bytes_for_blanks_are_read(tmp_path):
    _read(tmp_path, limits=("-500,0", "500,0"), doubt="decimal comma")
    _read(tmp_path, fill=b"\0", doubt="zero bytes")


@pytest.mark.parametrize("more", [0, 77])
def test_a_recording_that_was_never_closed_has_as_many_records_as_it_holds(tmp_path, more):
    channel = _read(tmp_path, n_records=-1, doubt="it holds 360")
    path = tmp_path / "n.edf"
    path.write_bytes(path.read_bytes()[:-more] if more else path.read_bytes())
    again, _ = _both(path)
    assert len(again.signal) == 36_000 - 100 * bool(more) and ("part of another" in again.doubts[0]) == bool(more)
    np.testing.assert_array_equal(again.signal, channel.signal[: len(again.signal)])
    # Of one that was closed, many records fewer than it promises are still another file.
    path = write_odd(tmp_path / "p.edf", [("EEG C4-A1", EEG)], 100, n_records=401)
    with pytest.raises(RecordingError, match="cut short"):
        read_channel(path, ["EEG C4-A1"], "a")


@pytest.mark.parametrize(
    "rate, n_samples, record_s", [(300, 100, "0.333333"), (256, 85, "0.332031"), (128, 30, "0.234375")]
)
def test_durations_of_records_that_eight_characters_cannot_say_are_no_gaps(tmp_path, rate, n_samples, record_s):
    true_s, seconds = n_samples / rate, 600
    n = int(seconds / true_s)
    x = np.random.default_rng(0).normal(0, 20, n * n_samples).clip(-400, 400)
    channel = _read(tmp_path, x=x, n_samples=n_samples, record_s=record_s, reserved="EDF+C",
                    annotations=record_times(n, true_s))  # fmt: skip
    assert channel.rate == rate and len(channel.signal) == len(x)
    # And without annotations, which would tell the time.
    assert _read(tmp_path, x=x, n_samples=n_samples, record_s=record_s).rate == rate


@pytest.mark.parametrize("kind", ["drift", "jitter"])
def test_a_clock_that_drifts_or_jitters_makes_no_gap_and_a_pause_does(tmp_path, kind):
    n = len(EEG) // 100
    jitter = np.random.default_rng(0).uniform(-0.004, 0.004, n)
    times = np.arange(n) * (1.0005 if kind == "drift" else 1.0) + (jitter if kind == "jitter" else 0)
    said = [annotation(round(float(max(time, 0)), 4), None, "").replace(b"\x14\x14\0", b"\x14\x14\0") for time in times]
    assert _read(tmp_path, reserved="EDF+C", annotations=said).rate == 100
    later = [annotation(time + 5.0 * (time > 100), None, "") for time in range(n)]
    path = write_odd(tmp_path / "gap.edf", [("EEG C4-A1", EEG)], 100, reserved="EDF+C", annotations=later)
    with pytest.raises(RecordingError, match="data record 101 begins at 106 s, and by the one before it at 101 s"):
        read_channel(path, ["EEG C4-A1"], "a")


@pytest.mark.parametrize("first", [b"", b"+0\x14\x14\0"])
def test_annotations_of_zeros_are_a_continuous_recording(tmp_path, first):
    n = len(EEG) // 100
    empty = [first, *[b""] * (n - 1)]
    channel = _read(tmp_path, reserved="EDF+C", annotations=[one.ljust(60, b"\0") for one in empty], doubt="follow")
    assert channel.start == datetime(2020, 4, 24, 22)
    assert list_annotations(tmp_path / "n.edf", "a").entries == ()


def test_annotations_of_a_file_that_does_not_say_that_it_is_edf_plus_are_read(tmp_path):
    times = record_times(len(EEG) // 100, 1.0)
    for place, stage in enumerate(STAGES):
        times[30 * place] += annotation(30 * place, 30, f"Sleep stage {stage}")
    path = write_odd(tmp_path / "n.edf", [("EEG C4-A1", EEG)], 100, annotations=times)
    channel, night = _both(path)
    assert night.human.tolist() == CODES and "does not say that it is EDF+" in channel.doubts[0]
    # What cannot be read there is left out and said; the signal has nothing to do with it.
    path = write_odd(tmp_path / "m.edf", [("EEG C4-A1", EEG)], 100, annotations=[b"\x01garbage"] * 360)
    assert any("left out" in doubt for doubt in list_annotations(path, "a").doubts)
    np.testing.assert_array_equal(read_channel(path, ["EEG C4-A1"], "a").signal, channel.signal)


def test_one_of_two_channels_of_a_label_is_chosen_by_its_place(tmp_path):
    other = pink(N, uv=20.0, seed=1)
    path = write_odd(tmp_path / "n.edf", [("C4-M1", EEG), ("C4-M1", other), ("EOG", EEG)], 100)
    with pytest.raises(RecordingError, match=r"'C4-M1#1'"):
        read_channel(path, ["C4-M1"], "a")
    with pytest.raises(RecordingError, match=r"--channel, such as 'C4-M1#1'"):
        read_night(path)
    for name, x in (("C4-M1#1", EEG), ("C4-M1#2", other)):
        channel, night = read_channel(path, ["C3", name], "a"), read_night(path, channels=[name])
        np.testing.assert_array_equal(channel.signal, night.signals[0])
        assert np.abs(channel.signal - x).max() <= STEP and channel.label == name == night.channels[0]
    for wrong in ("C4-M1#3", "C4-M1#0", "C4-M1#x", "#1"):
        with pytest.raises(RecordingError):
            read_channel(path, [wrong], "a")


# Stages


@pytest.mark.parametrize(
    "words",
    [
        {s: f"Stage - {s}" for s in ("W", "N1", "N2", "N3", "R")},
        {"W": "SLEEP-S0", "N1": "SLEEP-S1", "N2": "SLEEP-S2", "N3": "SLEEP-S4", "R": "SLEEP-REM"},
        {s: s for s in ("W", "N1", "N2", "N3", "R")},
        {"W": "WAKE", "N1": "NREM1", "N2": "nrem 2", "N3": "NREM3", "R": "REM"},
        {s: f" sleep  stage {s.lower()} " for s in ("W", "N1", "N2", "N3", "R")},
        {s: f"Sleep stage {s}@@EEG C4-A1" for s in ("W", "N1", "N2", "N3", "R")},
        dict(zip(("W", "N1", "N2", "N3", "R"), (f"Sleep stage {n}" for n in (0, 1, 2, 3, 5)), strict=True)),
        {s: f"Comment/{s}" for s in ("W", "N1", "N2", "N3", "R")},
    ],
)  # fmt: skip
def test_one_vocabulary_inside_and_beside_in_training_and_scoring(tmp_path, words):
    texts = dict(zip("W123R", (words[stage] for stage in ("W", "N1", "N2", "N3", "R")), strict=True))
    psg = write_psg(tmp_path / "n-PSG.edf", {"EEG C4-A1": EEG})
    beside = write_hypnogram(tmp_path / "n-Hypnogram.edf", STAGES, texts=texts)
    epochs = extract(psg, beside, channel=["EEG C4-A1"], **OPTIONS)
    assert epochs.stage.tolist() == CODES == read_night(psg).human.tolist() and epochs.doubts == []
    times = record_times(len(EEG) // 100, 1.0)
    for place, stage in enumerate(STAGES):
        times[30 * place] += annotation(30 * place, 30, texts[stage])
    path = write_odd(tmp_path / "inside.edf", [("EEG C4-A1", EEG)], 100, reserved="EDF+C", annotations=times)
    assert read_night(path).human.tolist() == CODES


@pytest.mark.parametrize("text, code", [
    ("Sleep stage ?", UNSCORED), ("Movement time", MOVEMENT), ("Stage MT", MOVEMENT), ("Sleep stage 4", CODE["N3"]),
    ("Unscored", UNSCORED), ("4", None), ("1", None), ("Obstructive apnea", None), ("Lights off", None),
    ("Arousal", None),
])  # fmt: skip
def test_numbers_alone_and_events_are_no_stages(text, code):
    assert stage_of(text) == code


def test_what_looks_like_a_stage_and_is_none_is_counted_and_named():
    sentences = unread(["Sleep stage X", "Sleep stage X", "Lights off", "N2", "N9"])
    assert sentences == ["3 annotations look like stages and are not read: 'Sleep stage X' 2, 'N9' 1"]
    # What stands there once may name a person.
    assert unread(["Hans Mueller", *["Snoring"] * 3]) == ["4 annotations beside the stages, such as 'Snoring' 3"]
    assert (
        looks_like_stage("REM 2")
        and not looks_like_stage("Snore")
        and not looks_like_stage("Stage")
        and unread([]) == []
    )


@pytest.mark.parametrize("duration", [None, 0.0, 0.004])
@pytest.mark.parametrize("every", [True, False])
def test_marks_without_a_duration_hold_until_the_next(tmp_path, duration, every):
    times, before = record_times(len(EEG) // 100, 1.0), ""
    for place, stage in enumerate(STAGES):
        if every or stage != before:
            times[30 * place] += annotation(30 * place, duration, f"Sleep stage {stage}")
        before = stage
    path = write_odd(tmp_path / "n.edf", [("EEG C4-A1", EEG)], 100, reserved="EDF+C", annotations=times)
    epochs = extract(path, path, channel=["EEG C4-A1"], **OPTIONS)
    assert read_night(path).human.tolist() == CODES == epochs.stage.tolist()


def test_lights_and_other_events_beside_stages_are_counted(tmp_path):
    times = record_times(len(EEG) // 100, 1.0)
    for place, stage in enumerate(STAGES):
        times[30 * place] += annotation(30 * place, 30, f"Sleep stage {stage}")
    times[5] += annotation(5, None, "Lights off@@EEG C4-A1") + annotation(5.5, 10, "Arousal")
    path = write_odd(tmp_path / "n.edf", [("EEG C4-A1", EEG)], 100, reserved="EDF+C", annotations=times)
    epochs = extract(path, path, channel=["EEG C4-A1"], **OPTIONS)
    assert epochs.stage.tolist() == CODES
    assert epochs.doubts == ["n.edf: 1 annotations beside the stages"]
    assert read_night(path).lights[0] == 5.0


def test_of_a_part_of_a_night_what_overlaps_is_used_and_said(tmp_path):
    psg = write_psg(tmp_path / "n-PSG.edf", {"EEG C4-A1": EEG})
    beside = write_hypnogram(tmp_path / "n-Hypnogram.edf", STAGES * 3)
    epochs, night = extract(psg, beside, channel=["EEG C4-A1"], **OPTIONS), read_night(psg)
    assert epochs.stage.tolist() == CODES == night.human.tolist() and epochs.flags == ["stages=+24"]
    for said in (epochs.doubts, night.warnings):
        assert any("12 of its 36 scored epochs lie in the signal" in sentence for sentence in said)


MIDNIGHT = datetime(1985, 1, 1)


@pytest.mark.parametrize("signal, stages, who", [
    (datetime(2020, 4, 24, 22), MIDNIGHT, "its clock was"),
    (MIDNIGHT, datetime(2020, 4, 24, 22), "the signal's clock was"),
])  # fmt: skip
def test_a_clock_that_was_taken_away_lays_no_stage_hours_away(tmp_path, signal, stages, who):
    psg = write_psg(tmp_path / "n-PSG.edf", {"EEG C4-A1": EEG}, start=signal)
    beside = write_hypnogram(tmp_path / "n-Hypnogram.edf", STAGES, start=stages)
    epochs, night = extract(psg, beside, channel=["EEG C4-A1"], **OPTIONS), read_night(psg)
    assert epochs.stage.tolist() == CODES == night.human.tolist()
    for said in (epochs.doubts, night.warnings):
        assert any(who in sentence and "begin together" in sentence for sentence in said)
    # Where lengths do not say that they belong together, nothing is guessed.
    write_hypnogram(tmp_path / "n-Hypnogram.edf", STAGES[:4], start=stages)
    with pytest.raises(RecordingError, match="taken away, and lengths do not say"):
        extract(psg, beside, channel=["EEG C4-A1"], **OPTIONS)
    assert read_night(psg).human is None


@pytest.mark.parametrize("day", [datetime(1985, 1, 1), datetime(2000, 1, 1)])
def test_of_a_date_that_was_taken_away_the_time_of_day_is_left(tmp_path, day):
    signal, stages = day.replace(hour=23, minute=58, second=30), datetime(2020, 4, 25, 0, 0, 0)
    psg = write_psg(tmp_path / "n-PSG.edf", {"EEG C4-A1": EEG}, start=signal)
    beside = write_hypnogram(tmp_path / "n-Hypnogram.edf", STAGES[3:], start=stages)
    epochs, night = extract(psg, beside, channel=["EEG C4-A1"], **OPTIONS), read_night(psg)
    assert epochs.stage.tolist() == CODES[3:] and epochs.epoch_index[0] == 3
    assert night.human[3:].tolist() == CODES[3:]
    for said in (epochs.doubts, night.warnings):
        assert any(f"{day:%Y-%m-%d} is a placeholder; the files are aligned by time of day" in one for one in said)


@pytest.mark.parametrize("stages, onset_h", [(datetime(2000, 1, 1, 23, 30), 13.5), (datetime(2000, 1, 1, 9), -1.0)])
def test_dates_that_agree_are_believed_even_on_the_first_day_of_an_era(stages, onset_h):
    bouts = tuple((30.0 * n, 30.0, "Sleep stage 2") for n in range(480))
    found = place_stages(
        Annotations(bouts, stages), "h", start=datetime(2000, 1, 1, 10), duration_s=86400, recording="h"
    )
    scored = np.flatnonzero(found.stages == 2)
    assert scored[0] == max(120 * onset_h, 0) and len(scored) == 480 + min(120 * onset_h, 0) and not found.doubts


def test_marks_beside_bouts_are_counted(tmp_path):
    times = record_times(len(EEG) // 100, 1.0)
    times[0] += annotation(0, 300, "Sleep stage 2")
    times[310] += annotation(310, None, "Sleep stage W")
    path = write_odd(tmp_path / "n.edf", [("EEG C4-A1", EEG)], 100, reserved="EDF+C", annotations=times)
    epochs = extract(path, path, channel=["EEG C4-A1"], **OPTIONS)
    assert epochs.stage.tolist() == [2] * 10
    assert epochs.doubts == ["n.edf: 1 stages have no duration, where others have one, and are not read"]


# Folders


def test_endings_in_capitals_are_read_and_what_is_not_used_is_named(tmp_path):
    for name, ending in (("a", ".EDF"), ("b", ".edf"), ("c", ".Edf")):
        write_psg(tmp_path / f"{name}-PSG{ending}", {"EEG C4-A1": EEG})
        write_hypnogram(tmp_path / f"{name}-Hypnogram.edf", STAGES)
    for other in ("night 4.edf", "d.REC", "notes.txt"):
        (tmp_path / other).touch()
    found = list_recordings("mine", tmp_path)
    assert [one.name for one in found] == ["a", "b", "c"] and all(one.psg and one.hypnogram for one in found)
    unused, persons = told(tmp_path, found)
    assert "night 4.edf" in unused and "d.REC" in unused and "notes.txt" not in unused and "a-PSG" not in unused
    assert "each of 3 recordings is taken for another person's" in persons
    assert read_night(found[0].psg).human.tolist() == CODES


def test_names_of_bids_give_subject_and_night(tmp_path):
    for name in ("sub-01_ses-1_task-sleep", "sub-01_ses-2_task-sleep", "sub-02"):
        (tmp_path / f"{name}-PSG.edf").touch()
        (tmp_path / f"{name}-Hypnogram.edf").touch()
    found = list_recordings("mine", tmp_path)
    assert [(one.subject, one.night) for one in found] == [("sub-01", 1), ("sub-01", 2), ("sub-02", 1)]
    assert told(tmp_path, found) == []
