"""A night read from its file: formats, channels, units, human stages, lights, and what is refused."""

import pickle
import re
from datetime import UTC, datetime
from pathlib import Path

import edfio
import numpy as np
import pytest

from hypnolens.errors import RecordingError
from hypnolens.scoring import sources
from hypnolens.scoring.names import clashes, night_name
from hypnolens.scoring.reading import read_night
from hypnolens.stages import CODE, UNSCORED
from tests.conftest import pink, write_hypnogram, write_psg

mne = pytest.importorskip("mne")

N_EPOCHS = 4
EEG = pink(N_EPOCHS, uv=20.0).clip(-190, 190)


def _edf(path, signal=EEG, **options):
    return write_psg(path, {"EEG Fpz-Cz": signal}, **options)


def _raw(channels, rate=100.0, types="eeg", start=None):
    info = mne.create_info(list(channels), rate, types, verbose="error")
    raw = mne.io.RawArray(np.stack(list(channels.values())) * 1e-6, info, verbose="error")
    return raw.set_meas_date(start and start.replace(tzinfo=UTC))


def _refused(path, words, **options):
    with pytest.raises(RecordingError, match=words) as found:
        read_night(path, **options)
    assert "\n" not in str(found.value) and "; " in str(found.value)


# Formats


def test_edf_gives_what_mne_reads_from_it(tmp_path):
    path = _edf(tmp_path / "n.edf")
    night = read_night(path)
    expected = mne.io.read_raw_edf(path, verbose="error").get_data()[0] * 1e6
    assert night.signals.shape == (1, N_EPOCHS * 3000) and np.abs(night.signals[0] - expected).max() < 1e-3
    assert (night.rate, night.channels, night.start) == (100.0, ("EEG Fpz-Cz",), datetime(1989, 4, 24, 16, 13))
    assert night.human is None and night.warnings == () and night.lights == (None, None)


@pytest.mark.parametrize("record_s", [1.0, 10.0, 7.5])
def test_a_night_at_128_hz_with_records_of_any_length(tmp_path, record_s):
    signal = pink(N_EPOCHS, rate=128.0).clip(-190, 190)
    night = read_night(_edf(tmp_path / "n.edf", signal, rate=128.0, record_s=record_s))
    assert night.rate == 128.0 and np.abs(night.signals[0] - signal).max() < 0.01


def test_bdf_fif_brainvision_and_eeglab_give_the_same(tmp_path):
    raw = _raw({"C4-M1": EEG, "EOG": EEG}, types=["eeg", "eog"])
    raw.save(tmp_path / "n_raw.fif", verbose="error")
    bdf = edfio.Bdf([edfio.BdfSignal(EEG, 100.0, label="C4-M1", physical_dimension="uV", physical_range=(-200, 200))])
    bdf.write(tmp_path / "n.bdf")
    for path in (tmp_path / "n_raw.fif", tmp_path / "n.bdf"):
        night = read_night(path)
        assert np.abs(night.signals[0] - EEG).max() < 1e-2 and night.channels == ("C4-M1",) and night.warnings == ()
        pickle.loads(pickle.dumps(night))  # nights are scored in processes of their own


def test_a_cropped_fif_begins_where_it_was_cut_and_keeps_its_stages(tmp_path):
    raw = _raw({"C4": pink(6)}, start=datetime(2020, 1, 1, 22))
    raw.set_annotations(mne.Annotations(30.0 * np.arange(6), 30.0, [f"Sleep stage {s}" for s in "W12R23"]))
    raw.crop(60.0, 179.99).save(tmp_path / "n_raw.fif", verbose="error")
    night = read_night(tmp_path / "n_raw.fif")
    assert [int(code) for code in night.human] == [CODE["N2"], CODE["R"], CODE["N2"], CODE["N3"]]


def test_only_the_wanted_channels_are_read(tmp_path, monkeypatch):
    path = write_psg(tmp_path / "n.edf", {"EEG Fpz-Cz": EEG, "EOG": EEG, "EMG": EEG})
    read, real = [], sources.read_place
    monkeypatch.setattr(sources, "read_place", lambda *given: read.append(given[1]) or real(*given))
    read_night(path)
    assert read == [0]


def test_a_bdf_file_that_is_cut_short_is_refused(tmp_path):
    path = tmp_path / "n.bdf"
    edfio.Bdf([edfio.BdfSignal(EEG, 100.0, label="C4", physical_range=(-200, 200))]).write(path)
    path.write_bytes(path.read_bytes()[:-5000])
    _refused(path, r"n\.bdf is cut short: the header promises")


def test_gaps_are_refused(tmp_path):
    bdf = edfio.Bdf([edfio.BdfSignal(EEG, 100.0, label="C4", physical_range=(-200, 200))])
    bdf.write(tmp_path / "n.bdf")
    content = bytearray((tmp_path / "n.bdf").read_bytes())
    content[192:197] = b"BDF+D"
    (tmp_path / "n.bdf").write_bytes(content)
    _refused(tmp_path / "n.bdf", "discontinuous")


def test_a_pause_of_a_fif_file_is_one(tmp_path):
    eeg = EEG.copy()
    eeg[3000:3500] = 0.0  # as MNE reads what was skipped
    raw = _raw({"C4": eeg + 100.0})
    raw.set_annotations(mne.Annotations(30.0, 5.0, "BAD_ACQ_SKIP"))
    raw.save(tmp_path / "n_raw.fif", verbose="error")
    night = read_night(tmp_path / "n_raw.fif")
    assert night.pauses == ((30.0, 35.0),)
    line = night.signals[0, 2999:3501]
    np.testing.assert_allclose(np.diff(line[1:-1]), (line[-1] - line[0]) / 500, atol=0.05)


@pytest.mark.parametrize("name", ["n.edf", "n.bdf", "n_raw.fif", "n.vhdr", "n.txt", "n", "n.docx"])
def test_what_is_no_recording_is_refused_in_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(b"hello" * 200)
    _refused(tmp_path / name, r"^n(_raw)?: n")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    _refused(tmp_path / "gone.edf", "does not exist; correct the path")
    (tmp_path / "folder.edf").mkdir()
    _refused(tmp_path / "folder.edf", "is a folder, not a recording; give its recordings, such as ")


def test_less_than_an_epoch_is_refused(tmp_path):
    _refused(_edf(tmp_path / "n.edf", EEG[:2900], record_s=1.0), "lasts 29 s, less than one epoch of 30 s")


def test_a_rate_too_low_for_an_eeg_is_refused(tmp_path):
    _refused(_edf(tmp_path / "n.edf", EEG[:300], rate=1.0), "1 Hz, too few for an EEG")


# Channels


def test_a_difference_is_that_of_its_channels(tmp_path):
    c4, m1 = EEG / 2, pink(N_EPOCHS, uv=10.0, seed=3).clip(-190, 190)
    night = read_night(write_psg(tmp_path / "n.edf", {"M1": m1, "C4": c4, "ECG": EEG}))
    assert night.channels == ("C4-M1",) and np.abs(night.signals[0] - (c4 - m1)).max() < 0.02
    assert any("computed as 'C4' minus 'M1'" in note for note in night.notes)


def test_several_channels_must_have_one_rate(tmp_path):
    signals = [
        edfio.EdfSignal(
            EEG[:: round(100 / rate)], rate, label=label, physical_dimension="uV", physical_range=(-200, 200)
        )
        for label, rate in (("C4-M1", 100.0), ("C3-M2", 50.0))
    ]
    edfio.Edf(signals, data_record_duration=1).write(tmp_path / "n.edf")
    _refused(tmp_path / "n.edf", "'C4-M1' 100 Hz, 'C3-M2' 50 Hz", channels=["C4-M1", "C3-M2"])
    assert read_night(tmp_path / "n.edf").rate == 100.0


# Units


@pytest.mark.parametrize("unit, factor", [("uV", 1.0), ("mV", 1e-3), ("V", 1e-6), ("nV", 1e3)])
def test_every_unit_of_a_header_gives_microvolts(tmp_path, unit, factor):
    limits = (float(f"{-200 * factor:.1g}"), float(f"{200 * factor:.1g}"))
    path = _edf(tmp_path / "n.edf", EEG * factor, unit=unit, limits=limits)
    night = read_night(path)
    assert np.abs(night.signals[0] - EEG).max() < 0.01 and night.warnings == ()


@pytest.mark.parametrize(
    "unit, factor, words",
    [
        ("uV", 1e-6, "multiplied by 1e+06"),  # volts, called microvolts
        ("uV", 1e-3, "multiplied by 1000"),
        ("mV", 1.0, "multiplied by 0.001"),  # microvolts, called millivolts
        ("V", 1.0, "multiplied by 1e-06"),
        ("", 1e-6, "gives no unit"),
    ],
)
def test_a_wrong_unit_is_noticed_mended_and_said(tmp_path, unit, factor, words):
    limits = (float(f"{-200 * factor:.1g}"), float(f"{200 * factor:.1g}"))
    night = read_night(_edf(tmp_path / "n.edf", EEG * factor, unit=unit, limits=limits))
    assert np.abs(night.signals[0] - EEG).max() < 0.05
    assert len(night.warnings) == 1 and words in night.warnings[0] and "cannot be scalp EEG" in night.warnings[0]
    assert night.limits[0][1] == pytest.approx(200.0, rel=1e-3)


def test_an_amplitude_that_no_unit_explains_is_refused(tmp_path):
    path = _edf(tmp_path / "n.edf", EEG * 0.02, limits=(-4, 4))  # 0.4 µV; a thousand times as much is 400
    _refused(path, "median amplitude of 0.4 µV by its header")


def test_a_plausible_signal_without_a_unit_is_taken_with_a_warning(tmp_path):
    night = read_night(_edf(tmp_path / "n.edf", unit="AU"))
    assert "gives 'AU' as its unit" in night.warnings[0] and np.abs(night.signals[0] - EEG).max() < 0.01


def test_a_dead_channel_is_refused(tmp_path):
    _refused(_edf(tmp_path / "n.edf", np.full(N_EPOCHS * 3000, 50.0)), "flat throughout")


# Human stages


def test_stages_beside_the_recording(tmp_path):
    path = _edf(tmp_path / "n-PSG.edf")
    write_hypnogram(tmp_path / "n-Hypnogram.edf", ["W", "1", "R", "?"])
    night = read_night(path)
    assert night.name == "n" and night.human.tolist() == [CODE["W"], CODE["N1"], CODE["R"], UNSCORED]


def test_sleep_edf_names_find_their_hypnogram_by_six_letters(tmp_path):
    path = _edf(tmp_path / "SC4001E0-PSG.edf")
    write_hypnogram(tmp_path / "SC4001EC-Hypnogram.edf", ["W", "1", "2", "3"])
    assert read_night(path).human.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("texts", [["Sleep stage W", "Sleep stage N1", "Sleep stage N2", "Sleep stage R"],
                                   ["Wake", "N1", "N2", "REM"]])  # fmt: skip
@pytest.mark.parametrize("length", [30.0, None])
def test_stages_among_the_annotations_of_the_recording(tmp_path, texts, length):
    entries = [edfio.EdfAnnotation(30.0 * place, length, text) for place, text in enumerate(texts)]
    entries += [edfio.EdfAnnotation(12.5, 3.0, "Obstructive apnea"), edfio.EdfAnnotation(0.0, None, "Montage")]
    signal = edfio.EdfSignal(EEG, 100.0, label="C4-M1", physical_dimension="uV", physical_range=(-200, 200))
    edfio.Edf([signal], annotations=entries).write(tmp_path / "n.edf")
    assert read_night(tmp_path / "n.edf").human.tolist() == [CODE["W"], CODE["N1"], CODE["N2"], CODE["R"]]


def test_the_grid_is_that_of_the_human_stages(tmp_path):
    path = _edf(tmp_path / "n-PSG.edf", start=datetime(2020, 1, 1, 22, 0, 0))
    write_hypnogram(tmp_path / "n-Hypnogram.edf", ["W", "1", "2"], start=datetime(2020, 1, 1, 22, 0, 10))
    night = read_night(path)
    assert night.first_s == 10.0 and night.human.tolist() == [0, 1, 2]


def test_a_damaged_companion_is_a_warning_and_a_named_one_an_error(tmp_path):
    path = _edf(tmp_path / "n-PSG.edf")
    (tmp_path / "n-Hypnogram.edf").write_bytes(b"0       " + b"x" * 500)
    night = read_night(path)
    assert night.human is None and "human stages are left out" in night.warnings[0]
    _refused(path, "n-Hypnogram.edf", hypnogram=tmp_path / "n-Hypnogram.edf")


def test_annotations_that_contradict_each_other_are_left_out_with_a_warning(tmp_path):
    entries = [edfio.EdfAnnotation(0.0, 60.0, "Sleep stage W"), edfio.EdfAnnotation(30.0, 30.0, "Sleep stage 2")]
    signal = edfio.EdfSignal(EEG, 100.0, label="C4-M1", physical_dimension="uV", physical_range=(-200, 200))
    edfio.Edf([signal], annotations=entries).write(tmp_path / "n.edf")
    assert "two stages to one epoch" in read_night(tmp_path / "n.edf").warnings[0]


# Lights


def _marked(path, entries):
    signal = edfio.EdfSignal(EEG, 100.0, label="C4-M1", physical_dimension="uV", physical_range=(-200, 200))
    start = datetime(2020, 1, 1, 22, 0, 0)
    edfio.Edf([signal], annotations=[edfio.EdfAnnotation(*entry) for entry in entries], starttime=start.time(),
              recording=edfio.Recording(startdate=start.date())).write(path)  # fmt: skip
    return path


def test_lights_by_annotation_clock_and_seconds(tmp_path):
    path = _marked(tmp_path / "n.edf", [(10.0, None, "Lights Off"), (100.0, None, "lights on")])
    assert read_night(path).lights == (10.0, 100.0)
    assert read_night(path, lights=("22:00:30", "22:01")).lights == (30.0, 60.0)
    assert read_night(path, lights=("30", None)).lights == (30.0, 100.0)
    assert read_night(path, lights=("21:59", None)).lights[0] == -60.0
    assert any("outside of the recording" in text for text in read_night(path, lights=("21:59", None)).warnings)


@pytest.mark.parametrize(
    "lights, words",
    [(("22:01", "22:00:30"), "not after lights off"), (("25:00", None), "is no time"), (("late", None), "is no time"),
     (("23:00", None), "nothing in common"), ((None, "21:00"), "nothing in common")],
)  # fmt: skip
def test_lights_that_make_no_sense_are_refused(tmp_path, lights, words):
    _refused(_marked(tmp_path / "n.edf", [(1.0, None, "x")]), words, lights=lights)


# Names


@pytest.mark.parametrize(
    "file, name",
    [("night.edf", "night"), ("a-PSG.edf", "a"), ("sub-01_task-sleep_eeg.edf", "sub-01_task-sleep"),
     ("x_raw.fif.gz", "x_raw"), ("SC4001E0-PSG.EDF", "SC4001E0"), ("two.dots.edf", "two.dots"),
     ("Ärztin 1.edf", "Ärztin 1")],
)  # fmt: skip
def test_nights_are_named_after_their_files(tmp_path, file, name):
    assert night_name(tmp_path / file) == name


@pytest.mark.parametrize("file", [".edf", "..edf", "a\nb.edf", "-PSG.edf", "a\\b.edf"])
def test_names_that_could_not_name_files_are_refused(tmp_path, file):
    with pytest.raises(RecordingError, match="cannot name files"):
        night_name(tmp_path / file)


@pytest.mark.parametrize("path", [".", "..", "/", "a/.."])
def test_folders_without_a_name_are_called_folders(path):
    with pytest.raises(RecordingError, match=f"^{re.escape(str(Path(path)))}: is a folder; give the files in it$"):
        night_name(Path(path))


def test_nights_that_would_write_the_same_files_are_noticed(tmp_path):
    one, other = tmp_path / "a" / "n.edf", tmp_path / "b" / "n.bdf"
    assert list(clashes([one, other])) == [(one, other)]
    assert list(clashes([tmp_path / "a-1.edf", tmp_path / "a1.edf"]))  # one BIDS name
    assert list(clashes([tmp_path / "x.edf", tmp_path / "x-yasa.edf"]))
    assert not list(clashes([tmp_path / "x.edf", tmp_path / "y.edf"]))


def test_real_recordings_are_read_with_their_stages(data):
    for path in sorted((data / "real").glob("*-PSG.edf")):
        night = read_night(path)
        raw = mne.io.read_raw_edf(path, verbose="error")
        assert np.abs(night.signals[0] - raw.get_data(picks=[0])[0] * 1e6).max() < 1e-2
        assert night.warnings == () and (night.human < 5).all()
