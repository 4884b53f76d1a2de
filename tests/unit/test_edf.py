"""EDF files: values against an independent reader, and damage that must be refused."""

import errno
import os

import mne
import numpy as np
import pytest

from hypnolens.errors import RecordingError
from hypnolens.recordings.edf import list_annotations, read_annotations, read_channel
from tests.conftest import write_hypnogram, write_pair, write_psg


@pytest.mark.parametrize("unit, factor", [("uV", 1.0), ("mV", 1e3)])
def test_values_are_those_of_mne_in_microvolts(tmp_path, unit, factor):
    x = np.random.default_rng(0).uniform(-1, 1, 6000)
    path = write_psg(tmp_path / "a.edf", {"EEG Fpz-Cz": x, "EOG": -x}, unit=unit, limits=(-1, 1))
    channel = read_channel(path, ["nothing", "EEG Fpz-Cz"], "a")
    with_mne = mne.io.read_raw_edf(path, include=["EEG Fpz-Cz"], verbose="error").get_data()[0]
    np.testing.assert_allclose(channel.signal, with_mne * 1e6, rtol=1e-6, atol=1e-6 * factor)
    assert np.abs(channel.signal - x * factor).max() < factor * 2 / 65535
    assert (channel.label, channel.rate, channel.limits) == ("EEG Fpz-Cz", 100.0, (-factor, factor))


def test_real_recordings_agree_with_mne(data):
    for name, label in {"dreams1": "C3-A1", "dreams2": "CZ-A1", "dynamo1": "EEG"}.items():
        path = data / "real" / f"{name}-PSG.edf"
        channel = read_channel(path, ["C3-A1", "CZ-A1", "EEG"], name)
        raw = mne.io.read_raw_edf(path, verbose="error")
        assert (channel.label, channel.rate) == (label, raw.info["sfreq"])
        np.testing.assert_allclose(channel.signal, raw.get_data()[0] * 1e6, rtol=1e-6, atol=1e-4)


def test_records_of_sixty_seconds_have_their_rate_per_second(tmp_path):
    path, _ = write_pair(tmp_path, "a", "WW22", record_s=60.0)
    assert read_channel(path, ["EEG Fpz-Cz"], "a").rate == 100.0


def test_a_missing_channel_names_those_present(tmp_path):
    path, _ = write_pair(tmp_path, "a", "WW")
    with pytest.raises(RecordingError, match=r"^a: channel 'C3' or 'EEG' not found; a-PSG.edf has 'EEG Fpz-Cz'; set"):
        read_channel(path, ["C3", "EEG"], "a")


def test_only_the_wanted_channel_is_read(tmp_path, monkeypatch):
    x = np.random.default_rng(0).uniform(-1, 1, 300_000)
    path = write_psg(tmp_path / "a.edf", {f"C{number}": x for number in range(8)}, limits=(-1, 1))
    real, read = os.pread, []
    monkeypatch.setattr(os, "pread", lambda file, n, place: read.append(n) or real(file, n, place))
    assert len(read_channel(path, ["C5"], "a").signal) == len(x)
    assert sum(read) < 1.1 * 2 * len(x)


@pytest.mark.parametrize("left", [0.0, 0.1, 0.5, 0.999])
@pytest.mark.parametrize("kind", ["PSG", "Hypnogram"])
def test_a_file_that_becomes_shorter_while_it_is_read_is_refused(tmp_path, monkeypatch, left, kind):
    """A mapped one ends the process without a word (SIGBUS)."""
    path = dict(zip(("PSG", "Hypnogram"), write_pair(tmp_path, "a", "WW22" * 20), strict=True))[kind]
    size, real = path.stat().st_size, os.pread

    def pread(file, n, place):
        os.truncate(path, int(left * size))
        return real(file, n, place)

    monkeypatch.setattr(os, "pread", pread)
    with pytest.raises(RecordingError, match=rf"^a: a-{kind}\.edf became shorter while it was read; "):
        read_channel(path, ["EEG Fpz-Cz"], "a") if kind == "PSG" else list_annotations(path, "a")


def test_a_disk_that_fails_is_said_in_one_line(tmp_path, monkeypatch):
    def pread(*_):
        raise OSError(errno.EIO, "Input/output error")

    path, _ = write_pair(tmp_path, "a", "WW22")
    monkeypatch.setattr(os, "pread", pread)
    with pytest.raises(RecordingError, match=r"a-PSG\.edf cannot be read \(Input/output error\)"):
        read_channel(path, ["EEG Fpz-Cz"], "a")


def _change(path, offset, value):
    raw = bytearray(path.read_bytes())
    raw[offset : offset + len(value)] = value
    path.write_bytes(raw)


# One signal, and the annotation signal that keeps time: per-signal fields are of 2 x width bytes from 256 on.
@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda p: p.write_bytes(p.read_bytes()[:-1000]), "cut short"),
        (lambda p: p.write_bytes(b""), "is empty"),
        (lambda p: p.write_bytes(b"0       "), "shorter than an EDF header"),
        (lambda p: p.write_bytes(b"x" * 4000), "not a readable EDF"),
        (lambda p: p.unlink(), "does not exist"),
        (lambda p: _change(p, 236, b"-2      "), "not a readable EDF"),
        (lambda p: _change(p, 236, b"9999    "), "cut short"),
        (lambda p: _change(p, 244, b"-30     "), "not a readable EDF"),
        (lambda p: _change(p, 244, b"0       "), "not a readable EDF"),
        (lambda p: _change(p, 252, b"77  "), "not a readable EDF"),
    ],
)
def test_damage_is_refused_in_one_line(tmp_path, damage, words):
    path, _ = write_pair(tmp_path, "a", "WW22")
    damage(path)
    with pytest.raises(RecordingError, match=words) as caught:
        read_channel(path, ["EEG Fpz-Cz"], "a")
    assert str(caught.value).startswith("a: ") and "\n" not in str(caught.value) and ";" in str(caught.value)


@pytest.mark.parametrize(
    "field, value, words",
    [
        ("dimension", b"degC", "is in 'degC'"),
        ("dimension", b"mmHg", "is in 'mmHg'"),
        ("digital", b"0", "impossible range"),
    ],
)
def test_what_cannot_be_microvolts_is_refused(tmp_path, field, value, words):
    path, _ = write_pair(tmp_path, "a", "WW")
    n_signals = int(path.read_bytes()[252:256])
    if field == "dimension":
        _change(path, 256 + n_signals * 96, value.ljust(8))
    else:
        for start in (120, 128):
            _change(path, 256 + n_signals * start, value.ljust(8))
    with pytest.raises(RecordingError, match=words):
        read_channel(path, ["EEG Fpz-Cz"], "a")


@pytest.mark.parametrize(
    "offset, value, words",
    [(104, b"abc", "range that is not a number"), (104, b"-2,00,5", "range that is not a number"),
     (120, b"1.5", "range that is not a number"), (128, b"99999", "impossible range")],
)  # fmt: skip
def test_ranges_that_are_no_numbers_are_refused(tmp_path, offset, value, words):
    path, _ = write_pair(tmp_path, "a", "WW")
    _change(path, 256 + int(path.read_bytes()[252:256]) * offset, value.ljust(8))
    with pytest.raises(RecordingError, match=words):
        read_channel(path, ["EEG Fpz-Cz"], "a")


def test_an_unreadable_start_time_is_refused_rather_than_taken_for_midnight(tmp_path):
    path, _ = write_pair(tmp_path, "a", "WW")
    _change(path, 168, b"xx.yy.zz")
    assert read_channel(path, ["EEG Fpz-Cz"], "a").start.isoformat().endswith("16:13:00")
    _change(path, 176, b"aa.bb.cc")
    with pytest.raises(RecordingError, match="no readable start time"):
        read_channel(path, ["EEG Fpz-Cz"], "a")


def test_two_channels_of_the_wanted_name_are_refused(tmp_path):
    x = np.random.default_rng(0).uniform(-1, 1, 6000)
    path = write_psg(tmp_path / "a.edf", {"EEG 1": x, "EEG 2": -x, "EOG": x})
    path.write_bytes(path.read_bytes().replace(b"EEG 2", b"EEG 1", 1))
    assert read_channel(path, ["EOG"], "a").label == "EOG"
    with pytest.raises(RecordingError, match="2 channels 'EEG 1'"):
        read_channel(path, ["EEG 1"], "a")


def test_annotations_come_in_order_with_their_start(tmp_path):
    path = write_hypnogram(tmp_path / "h.edf", "W12")
    annotations = read_annotations(path, "h")
    assert [text for _, _, text in annotations.entries] == ["Sleep stage W", "Sleep stage 1", "Sleep stage 2"]
    assert annotations.start.isoformat() == "1989-04-24T16:13:00"


def test_a_signal_file_is_no_hypnogram(tmp_path):
    path, _ = write_pair(tmp_path, "a", "WW")
    with pytest.raises(RecordingError, match="holds no annotations"):
        read_annotations(path, "a")
