"""Nights that look well and are not: damage, gaps, dead halves of a difference, units of a recorder left running."""

from datetime import datetime
from pathlib import Path

import edfio
import numpy as np
import pytest

from hypnolens.errors import RecordingError
from hypnolens.io.checksums import sha256
from hypnolens.scoring import reading, sources
from hypnolens.scoring.channels import is_eeg
from hypnolens.scoring.reading import read_night
from hypnolens.scoring.usable import unusable_reasons
from tests.conftest import pink, write_hypnogram, write_psg

mne = pytest.importorskip("mne")

N = 12
C4, M1 = pink(N, uv=20.0).clip(-190, 190), pink(N, uv=8.0, seed=1).clip(-190, 190)


def _reasons(night, channel=0):
    n = round(30 * night.rate)
    return unusable_reasons(night.signals[channel][: N * n].reshape(N, n), night.rate, night.limits[channel])


def _brainvision(folder, *, points=None, markers=(), signal=C4):
    (folder / "n.eeg").write_bytes(np.round(np.stack([signal, M1]).T / 0.1).astype("<i2").tobytes())
    (folder / "n.vhdr").write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nCodepage=UTF-8\nDataFile=n.eeg\n"
        "MarkerFile=n.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\nNumberOfChannels=2\n"
        f"SamplingInterval=10000\n{f'DataPoints={points}' if points else ''}\n"
        "[Binary Infos]\nBinaryFormat=INT_16\n[Channel Infos]\nCh1=C4,,0.1,µV\nCh2=EOG,,0.1,µV\n",
        encoding="utf-8",
    )
    marks = [("New Segment", "", 1), *markers]
    lines = [f"Mk{i}={kind},{text},{place},1,0" for i, (kind, text, place) in enumerate(marks, 1)]
    (folder / "n.vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nCodepage=UTF-8\nDataFile=n.eeg\n"
        "[Marker Infos]\n" + "\n".join(lines) + "\n"
    )
    return folder / "n.vhdr"


def _bdf(path, channels, rates):
    edfio.Bdf([edfio.BdfSignal(x, rate, label=label, physical_dimension="uV", physical_range=(-200, 200))
               for (label, x), rate in zip(channels.items(), rates, strict=True)]).write(path)  # fmt: skip
    return path


def _annotated(path, entries):
    signal = edfio.EdfSignal(C4, 100.0, label="C4-M1", physical_dimension="uV", physical_range=(-200, 200))
    edfio.Edf([signal], annotations=[edfio.EdfAnnotation(*entry) for entry in entries],
              starttime=datetime(1989, 4, 24, 16, 13).time()).write(path)  # fmt: skip
    return path


def test_brainvision_gives_what_mne_reads_and_both_files_are_named(tmp_path):
    path = _brainvision(tmp_path, points=len(C4))
    night = read_night(path)
    expected = mne.io.read_raw_brainvision(path, verbose="error").get_data(picks=["C4"])[0] * 1e6
    assert night.channels == ("C4",) and np.abs(night.signals[0] - expected).max() < 1e-3 and night.warnings == ()
    before = night.sha256
    assert read_night(_brainvision(tmp_path, points=len(C4), signal=-C4)).sha256 != before  # the header is the same


def test_a_recording_has_one_checksum_however_its_files_are_named(tmp_path, monkeypatch):
    path = _brainvision(tmp_path)
    raw = mne.io.RawArray(C4[None] * 1e-6, mne.create_info(["C4"], 100.0, "eeg", verbose="error"), verbose="error")
    raw.save(tmp_path / "m_raw.fif", verbose="error")
    (tmp_path / "link_raw.fif").symlink_to("m_raw.fif")
    sums = [read_night(path).sha256, read_night(tmp_path / "m_raw.fif").sha256]
    monkeypatch.chdir(tmp_path)
    assert [read_night(Path("n.vhdr")).sha256, read_night(Path("m_raw.fif")).sha256] == sums
    assert read_night(Path("link_raw.fif")).sha256 == sums[1] == sha256((tmp_path / "m_raw.fif").read_bytes())
    _brainvision(tmp_path, markers=[("Comment", "Lights off", 2)])  # markers are part of what is scored
    assert read_night(path).sha256 != sums[0]


def _alter(path):
    """Another file of the same name and length."""
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("name", ["n.vhdr", "n.eeg", "n.vmrk"])
def test_brainvision_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch, name):
    path, real = _brainvision(tmp_path), sources.choose
    monkeypatch.setattr(sources, "choose", lambda *given, **more: _alter(tmp_path / name) or real(*given, **more))
    with pytest.raises(RecordingError, match=rf"^n: {name} was changed while it was read; try again when nothing"):
        read_night(path)


@pytest.mark.parametrize("name", ["n-PSG.edf", "n-Hypnogram.edf"])
@pytest.mark.parametrize("given", [False, True])
def test_a_night_or_its_stages_that_change_while_they_are_read_are_refused(tmp_path, monkeypatch, name, given):
    path = write_psg(tmp_path / "n-PSG.edf", {"C4": C4})
    stages = write_hypnogram(tmp_path / "n-Hypnogram.edf", "W" * N)
    real = reading.read_stages
    monkeypatch.setattr(
        reading, "read_stages", lambda *given, **more: (real(*given, **more), _alter(tmp_path / name))[0]
    )
    with pytest.raises(RecordingError, match=rf"^n: {name} was changed while it was read"):
        read_night(path, hypnogram=stages if given else None)


@pytest.mark.parametrize("points, left", [(len(C4), 100_000), (None, 100_001)])
def test_a_brainvision_file_that_is_cut_short_is_refused(tmp_path, points, left):
    path = _brainvision(tmp_path, points=points)
    data = tmp_path / "n.eeg"
    data.write_bytes(data.read_bytes()[:left])
    with pytest.raises(RecordingError, match="n.eeg is cut short"):
        read_night(path)


def test_a_second_segment_is_a_gap(tmp_path):
    with pytest.raises(RecordingError, match="discontinuous"):
        read_night(_brainvision(tmp_path, markers=[("New Segment", "", 15001)]))


def test_markers_of_one_sample_are_stages(tmp_path):
    path = _brainvision(tmp_path, markers=[("Comment", "N2", 1 + 3000 * place) for place in range(N)])
    assert read_night(path).human.tolist() == [2] * N


def test_what_mne_says_of_damage_is_no_secret(tmp_path, monkeypatch):
    path = _bdf(tmp_path / "n.bdf", {"C4": C4}, [100.0])
    reader = mne.io.read_raw
    monkeypatch.setattr(mne.io, "read_raw", lambda *a, **o: _with_level(reader, "odd calibration", *a, **o))
    assert any("odd calibration" in text for text in read_night(path).warnings)
    monkeypatch.setattr(mne.io, "read_raw", lambda *a, **o: _with_level(reader, "data were truncated", *a, **o))
    with pytest.raises(RecordingError, match="damaged, as MNE says: data were truncated"):
        read_night(path)


def _with_level(reader, text, *args, **options):
    with mne.utils.use_log_level(options["verbose"]):
        mne.utils.warn(text)
    return reader(*args, **options)


def test_a_bdf_channel_keeps_its_own_rate(tmp_path):
    path = _bdf(
        tmp_path / "n.bdf", {"C4-M1": pink(N, rate=128.0).clip(-190, 190), "ECG": pink(N, rate=512.0)}, (128.0, 512.0)
    )
    night = read_night(path)
    assert night.rate == 128.0 and night.signals.shape == (1, N * 30 * 128)


DEAD = {"a rail": np.full(9000, 200.0), "zeros": np.zeros(9000), "noise": np.random.default_rng(0).normal(0, 2.0, 9000)}


@pytest.mark.parametrize("kind", DEAD)
def test_a_difference_is_not_staged_where_its_electrode_is_off(tmp_path, kind):
    c4 = C4.copy()
    c4[9000:18000] = DEAD[kind]  # three epochs; what is left of the difference is the mastoid's own EEG
    night = read_night(write_psg(tmp_path / "n.edf", {"C4": c4, "M1": M1, "EOG": C4}))
    assert night.channels == ("C4-M1",)
    assert [bool(why) for why in _reasons(night)] == [3 <= place < 6 for place in range(N)]
    assert any("'C4' carries no signal in 3 of 12 epochs" in text for text in night.warnings)


def test_a_reference_that_is_stored_as_zeros_is_said(tmp_path):
    night = read_night(write_psg(tmp_path / "n.edf", {"C4": C4, "M1": np.zeros_like(C4), "EOG": C4}))
    assert np.abs(night.signals[0] - C4).max() < 0.01 and "'M1' is flat throughout" in night.warnings[0]


def test_a_recorder_left_running_is_no_wrong_unit(tmp_path):
    signal = C4.copy()
    signal[12000:] = np.random.default_rng(0).normal(0, 0.1, len(signal) - 12000)  # two thirds of the recording
    night = read_night(write_psg(tmp_path / "n.edf", {"C4-M1": signal}))
    assert night.warnings == () and np.abs(night.signals[0] - signal).max() < 0.01


def test_annotations_in_another_encoding_take_no_stage_with_them(tmp_path):
    stages = [(30.0 * place, 30.0, "Sleep stage W") for place in range(N)]
    path = _annotated(tmp_path / "n.edf", [(5.0, None, "Xugen zu"), *stages])
    path.write_bytes(path.read_bytes().replace(b"Xugen", b"\xc4ugen"))
    night = read_night(path)
    assert night.human.tolist() == [0] * N and night.start.hour == 16


def test_markers_that_are_no_stages_do_not_hide_the_hypnogram_beside(tmp_path):
    path = _annotated(tmp_path / "n-PSG.edf", [(1.3, None, "R"), (2.2, None, "R")])
    write_hypnogram(tmp_path / "n-Hypnogram.edf", "W" * N)
    assert read_night(path).human.tolist() == [0] * N


def test_scores_of_a_program_are_no_human_stages(tmp_path, monkeypatch):
    path = write_psg(tmp_path / "n-PSG.edf", {"C4-M1": C4})
    write_hypnogram(tmp_path / "n-hypnogram.edf", "W" * N)
    kind = type(path)
    is_file = kind.is_file  # a file system that ignores case
    monkeypatch.setattr(kind, "is_file", lambda self: is_file(self) or self.name.lower() == "n-hypnogram.edf")
    night = read_night(path)
    assert night.human is None and night.warnings == ()


@pytest.mark.parametrize("seconds", ["nan", "inf", "-inf"])
def test_lights_are_finite(tmp_path, seconds):
    with pytest.raises(RecordingError, match="is no time"):
        read_night(write_psg(tmp_path / "n.edf", {"C4-M1": C4}), lights=(seconds, None))


@pytest.mark.parametrize("label", ["EEG EKG-Ref", "EEG EOG L", "EEG LOC-A2", "EEG EMG1", "EEG SpO2"])
def test_a_word_before_every_label_makes_no_eeg(label):
    assert not is_eeg(label)


def test_a_channel_that_a_format_calls_eeg_may_be_none(tmp_path):
    raw = mne.io.RawArray(C4[None] * 1e-6, mne.create_info(["ECG"], 100.0, "eeg"), verbose="error")
    raw.save(tmp_path / "n_raw.fif", verbose="error")
    with pytest.raises(RecordingError, match="no EEG channel found"):
        read_night(tmp_path / "n_raw.fif")


@pytest.mark.parametrize("rate, line", [(256.0, 50.0), (256.0, 60.0), (128.0, 50.0), (50.0, 60.0)])
def test_hum_alone_is_found_and_an_eeg_below_hum_is_kept(rate, line):
    time = np.arange(round(30 * rate)) / rate
    hum = np.sqrt(2) * np.sin(2 * np.pi * line * time)
    night = pink(N, uv=20.0, rate=rate).reshape(N, -1)
    night[2:6] = 60 * hum + np.random.default_rng(0).normal(0, 1.0, (4, len(time)))
    if rate > 2 * line:
        night[8] += 60 * hum
    assert [place for place, why in enumerate(unusable_reasons(night, rate, None)) if why] == [2, 3, 4, 5]


def test_seconds_of_movement_are_kept_and_half_an_epoch_of_nothing_is_not():
    night = pink(N, uv=30.0).reshape(N, -1)
    night[3, :100] = 5000.0  # an electrode pops
    night[4, :500] = 2000.0 * np.sin(np.arange(500) / 8)  # of 2 Hz
    night[6, :1500] = 40.0
    assert [place for place, why in enumerate(unusable_reasons(night, 100.0, (-8000.0, 8000.0))) if why] == [6]


def test_single_white_epochs_are_wake_and_minutes_of_them_an_open_input():
    night = pink(60, uv=20.0).reshape(60, -1)
    noise = np.random.default_rng(0).normal(0, 10.0, night.shape)
    night[[5, 20]] = noise[[5, 20]]
    night[30:50] = noise[30:50]
    found = unusable_reasons(night, 100.0, None)
    assert [place for place, why in enumerate(found) if why] == list(range(30, 50))


def test_of_two_channels_of_one_label_in_a_bdf_one_is_chosen_by_its_place(tmp_path):
    signals = [
        edfio.BdfSignal(x, 100, label="C4-M1", physical_dimension="uV", physical_range=(-200, 200)) for x in (C4, M1)
    ]
    edfio.Bdf(signals).write(tmp_path / "n.bdf")
    for place, x in enumerate((C4, M1), 1):
        night = read_night(tmp_path / "n.bdf", channels=[f"C4-M1#{place}"])
        np.testing.assert_allclose(night.signals[0], x, atol=0.01)
    with pytest.raises(RecordingError, match="such as 'C4-M1#1'"):
        read_night(tmp_path / "n.bdf")


def test_a_channel_that_is_marked_as_bad_is_the_last_choice_and_said(tmp_path):
    info = mne.create_info(["C4-M1", "C3-M2"], 100, ["eeg", "eeg"])
    info["bads"] = ["C4-M1"]
    mne.io.RawArray(np.stack([C4, M1]) * 1e-6, info, verbose="error").save(tmp_path / "n_raw.fif", verbose="error")
    night = read_night(tmp_path / "n_raw.fif")
    assert night.channels == ("C3-M2",) and not night.warnings
    night = read_night(tmp_path / "n_raw.fif", channels=["C4-M1"])
    assert night.warnings == ("n_raw.fif marks channel 'C4-M1' as bad",)
