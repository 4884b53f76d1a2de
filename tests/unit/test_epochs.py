"""Epochs: the right samples under the right stage, at any rate, with gaps left visible."""

import hashlib
import subprocess
import sys
from dataclasses import replace

import mne
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from hypnolens.errors import DamagedError, DatasetError, OtherError, RecordingError
from hypnolens.io.tensors import Stored, opened
from hypnolens.recordings import extraction
from hypnolens.recordings.epochs import (
    check_rates,
    read_epochs,
    read_hypnograms,
    recording_row,
    write_epochs,
    write_hypnograms,
)
from hypnolens.recordings.extraction import extract
from hypnolens.recordings.listed import Listed
from tests.conftest import make_epochs, write_hypnogram, write_pair, write_psg

OPTIONS = {"recording": "a", "subject": "s", "night": 1, "channel": ["EEG Fpz-Cz"], "sampling_rate_hz": 100,
           "highpass_hz": None, "trim_wake_min": 30, "trim_rule": "drop-then-trim", "source": "a-PSG.edf", "rates": (),
           "sha1": {}}  # fmt: skip


def _numbered(tmp_path, labels, *, rate=100.0, **psg):
    """A recording whose epoch i is a constant i µV: what is under a stage can be read off."""
    x = np.repeat(np.arange(len(labels), dtype=float), round(30 * rate))
    psg = write_psg(tmp_path / "a-PSG.edf", {"EOG": -x, "EEG Fpz-Cz": x}, rate=rate, **psg)
    return psg, write_hypnogram(tmp_path / "a-Hypnogram.edf", labels)


def _levels(epochs):
    """Of each epoch, from that of the first: the median of the night is taken off."""
    levels = epochs.signal.mean(axis=1) * epochs.scale_uv
    return (levels - levels[0] + epochs.epoch_index[0]).round(1).tolist()


@pytest.mark.parametrize("record_s", [1.0, 10.0, 30.0, 60.0])
def test_each_stage_has_its_own_samples_and_gaps_stay(tmp_path, record_s):
    epochs = extract(*_numbered(tmp_path, "W1M2?3R4", record_s=record_s), **OPTIONS)
    assert epochs.epoch_index.tolist() == [0, 1, 3, 5, 6, 7]
    assert epochs.stage.tolist() == [0, 1, 2, 3, 4, 3]
    assert _levels(epochs) == [0.0, 1.0, 3.0, 5.0, 6.0, 7.0]
    assert epochs.onset_s.tolist() == [0.0, 30.0, 90.0, 150.0, 180.0, 210.0]
    assert epochs.dropped == {"movement": 1, "unscored": 1, "paused": 0, "trimmed": 0}
    assert "missing=2" in epochs.flags


def test_wake_far_from_sleep_is_trimmed(tmp_path):
    epochs = extract(*_numbered(tmp_path, "WWWWW22WWWWW"), **{**OPTIONS, "highpass_hz": None, "trim_wake_min": 1})
    assert epochs.epoch_index.tolist() == [3, 4, 5, 6, 7, 8] and epochs.dropped["trimmed"] == 6
    assert _levels(epochs) == [3.0, 4.0, 5.0, 6.0, 7.0, 8.0]


@pytest.mark.parametrize("rate", [50.0, 125.0, 128.0, 200.0, 256.0])
def test_resampling_keeps_a_tone_and_its_place(tmp_path, rate):
    seconds = np.arange(round(120 * rate)) / rate
    tone = 50 * np.sin(2 * np.pi * 7 * seconds)
    psg = write_psg(tmp_path / "a-PSG.edf", {"EEG Fpz-Cz": tone}, rate=rate)
    epochs = extract(psg, write_hypnogram(tmp_path / "a-Hypnogram.edf", "W222"), **OPTIONS)
    assert epochs.signal.shape == (4, 3000)
    wanted = 50 * np.sin(2 * np.pi * 7 * np.arange(12000) / 100)
    np.testing.assert_allclose(epochs.signal[1:3].ravel() * epochs.scale_uv, wanted[3000:9000], atol=0.5)


def test_native_rate_is_kept(tmp_path):
    epochs = extract(*_numbered(tmp_path, "W22", rate=128.0), **{**OPTIONS, "sampling_rate_hz": "native"})
    assert epochs.signal.shape == (3, 3840) and epochs.rate == 128.0


def test_stored_values_are_within_half_a_step_of_those_mne_reads(data):
    psg, hypnogram = (data / "real" / f"dynamo1-{kind}.edf" for kind in ("PSG", "Hypnogram"))
    epochs = extract(psg, hypnogram, **{**OPTIONS, "channel": ["EEG"]})
    raw = mne.io.read_raw_edf(psg, verbose="error").get_data()[0] * 1e6
    difference = epochs.signal.ravel() * epochs.scale_uv - (raw - np.median(raw))[: epochs.signal.size]
    assert epochs.signal.shape == (167, 3000) and np.abs(difference).max() <= 0.51 * epochs.scale_uv


def test_written_epochs_come_back(tmp_path):
    epochs = extract(*write_pair(tmp_path, "a", "W122R"), **OPTIONS)
    write_epochs(epochs, tmp_path / "a.safetensors")
    again = read_epochs(tmp_path / "a.safetensors")
    for field in ("signal", "stage", "epoch_index"):
        np.testing.assert_array_equal(getattr(again, field), getattr(epochs, field))
    assert recording_row(again) == recording_row(replace(epochs, sha256=again.sha256))
    assert again.scale_uv == epochs.scale_uv and len(again.sha256) == 64
    assert recording_row(epochs) == {
        "recording": "a", "subject": "s", "night": 1, "channel": "EEG Fpz-Cz", "sampling_rate_hz": 100.0,
        "highpass_hz": "none", "epochs": 5,
        "W": 1, "N1": 1, "N2": 2, "N3": 0, "R": 1,
        "dropped_movement": 0, "dropped_unscored": 0, "dropped_paused": 0, "dropped_trimmed": 0,
        "flags": "none", "doubts": "none", "source": "a-PSG.edf", "source_sha256": epochs.source_sha256,
        "epochs_sha256": "",
    }  # fmt: skip


def test_a_rate_that_the_dataset_does_not_have_is_refused(tmp_path):
    pair = write_pair(tmp_path, "a", "W2", rate=50.0)
    with pytest.raises(
        RecordingError, match="'EEG Fpz-Cz' of a-PSG.edf has 50 Hz; this dataset has 125 or 128 Hz; take"
    ):
        extract(*pair, **{**OPTIONS, "rates": (125.0, 128.0)})
    assert extract(*pair, **{**OPTIONS, "rates": (100.0, 50.0)}).rate == 100


def test_a_file_that_is_not_the_published_one_is_flagged(tmp_path):
    psg, hypnogram = write_pair(tmp_path, "a", "W2")
    sha1 = {"psg": hashlib.sha1(psg.read_bytes()).hexdigest(), "hypnogram": "0" * 40}
    assert extract(psg, hypnogram, **{**OPTIONS, "sha1": sha1}).flags == ["other-file=hypnogram"]


def test_a_file_of_epochs_that_is_gone_says_how_to_make_it(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(DamagedError, match=r"^a: .*a.safetensors does not exist; make it again") as found:
        read_epochs(path)
    assert f"`snakemake --force {path}`" in str(found.value)


@pytest.mark.parametrize("options", [{}, {"mapped": True}, {"signal": False}])
def test_epochs_of_an_older_hypnolens_are_refused(tmp_path, options):
    path = tmp_path / "a.safetensors"
    write_epochs(extract(*write_pair(tmp_path, "a", "W2"), **OPTIONS), path)
    with safe_open(path, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        texts = {name: text for name, text in file.metadata().items() if not name.startswith("sha256")}
    save_file(tensors, path, texts)
    with pytest.raises(DamagedError, match="an older hypnolens wrote it"):
        read_epochs(path, **options)


def test_every_way_of_reading_gives_the_same(tmp_path):
    path = tmp_path / "a.safetensors"
    write_epochs(extract(*write_pair(tmp_path, "a", "W122R"), **OPTIONS), path)
    whole, mapped, without = (read_epochs(path, **options) for options in ({}, {"mapped": True}, {"signal": False}))
    np.testing.assert_array_equal(mapped.signal, whole.signal)
    assert isinstance(mapped.signal, Stored) and not without.signal.size
    rows = np.array([4, 0, 0, 3])
    for some in (rows, slice(1, 3), slice(None), 2, rows[:0], [1], -1):
        np.testing.assert_array_equal(mapped.signal[some], whole.signal[some])
    assert (mapped.signal.shape, mapped.signal.nbytes) == (whole.signal.shape, whole.signal.nbytes)
    assert whole.sha256 == mapped.sha256 == without.sha256


@pytest.mark.parametrize("name, value, same", [("stage", 1, False), ("scale_uv", 0.07, False), ("source", "b", True)])
def test_the_hash_of_epochs_is_of_what_later_steps_read(tmp_path, name, value, same):
    epochs = make_epochs([0, 2, 2, 4], name="a")
    other = np.array([0, 2, value, 4], dtype=np.int8) if name == "stage" else value
    hashes = []
    for number, one in enumerate((epochs, replace(epochs, **{name: other}))):
        (tmp_path / str(number)).mkdir()
        write_epochs(one, tmp_path / str(number) / "a.safetensors")
        hashes.append(read_epochs(tmp_path / str(number) / "a.safetensors").sha256)
    assert (hashes[0] == hashes[1]) == same


def test_epochs_in_another_recordings_place_are_refused(tmp_path):
    for seed, name in enumerate("ab"):
        write_epochs(make_epochs([0, 2, 4], name=name, seed=seed), tmp_path / f"{name}.safetensors")
    table = tmp_path / "folds.tsv"
    rows = [f"{name}\t{read_epochs(tmp_path / f'{name}.safetensors').sha256}\n" for name in "ab"]
    table.write_text("recording\tepochs_sha256\n" + "".join(rows))
    listed = Listed(tmp_path, table)
    assert listed.read("a").recording == "a"
    (tmp_path / "a.safetensors").write_bytes((tmp_path / "b.safetensors").read_bytes())
    again = "; make it again with `snakemake --force "
    with pytest.raises(OtherError, match=f"a.safetensors: holds the epochs of 'b'{again}"):
        listed.read("a")
    write_epochs(make_epochs([0, 2, 4], name="a", seed=7), tmp_path / "a.safetensors")
    with pytest.raises(OtherError, match=f"a.safetensors: holds other epochs than .*folds.tsv lists{again}"):
        listed.read("a")
    write_epochs(make_epochs([0], name="c"), tmp_path / "c.safetensors")
    with pytest.raises(OtherError, match="c.safetensors: is of no recording"):
        listed.read("c")


def _kept(tmp_path, labels, seed=0):
    epochs = extract(*write_pair(tmp_path, "a", labels, seed=seed), **OPTIONS)
    write_epochs(epochs, tmp_path / "a.safetensors")
    return epochs


def test_a_signal_that_stays_in_its_file_is_never_another_one(tmp_path):
    epochs, path = _kept(tmp_path, "W122R"), tmp_path / "a.safetensors"
    stored = read_epochs(path, mapped=True).signal
    path.write_bytes(path.read_bytes())  # the same once more, as by a restored backup
    np.testing.assert_array_equal(stored[1:3], epochs.signal[1:3])
    _kept(tmp_path, "W122R", seed=1)
    with pytest.raises(DamagedError, match="a.safetensors: damaged \\('signal' does not have its SHA-256"):
        stored[1:3]
    path.unlink()
    with pytest.raises(DamagedError, match="there is no such file"):
        stored[0]


@pytest.mark.parametrize("left", [0, 8, 100, 5000, 20000])
def test_a_file_of_epochs_that_became_shorter_is_damaged_and_ends_no_process(tmp_path, left):
    _kept(tmp_path, "W122R")
    path = tmp_path / "a.safetensors"
    stored = read_epochs(path, mapped=True).signal
    with path.open("rb+") as file, opened(path) as whole:
        file.truncate(left)
        with pytest.raises(DamagedError, match="does not have its SHA-256"):
            stored[0]
        with pytest.raises(ValueError, match="became shorter"):
            whole["signal"]


@pytest.mark.parametrize("damage", ["long", "short"])
def test_a_file_of_another_length_than_its_header_says_is_refused(tmp_path, damage):
    _kept(tmp_path, "W122R")
    path = tmp_path / "a.safetensors"
    raw = path.read_bytes()
    path.write_bytes(raw + b"\0" if damage == "long" else raw[:-1])
    with pytest.raises(DamagedError, match="it does not end where|outside of the file"):
        read_epochs(path, signal=False)


def test_a_recording_that_changes_while_it_is_extracted_is_refused(tmp_path, monkeypatch):
    pair = write_pair(tmp_path, "a", "W122R")
    real = extraction.read_channel

    def read_channel(*given):
        found = real(*given)
        write_pair(tmp_path, "a", "W122R", seed=1)
        return found

    monkeypatch.setattr(extraction, "read_channel", read_channel)
    with pytest.raises(RecordingError, match="a-PSG.edf was changed while it was read; try again"):
        extract(*pair, **OPTIONS)
    monkeypatch.undo()
    assert extract(*pair, **OPTIONS).source_sha256 == hashlib.sha256(pair[0].read_bytes()).hexdigest()


def test_the_same_epochs_are_the_same_bytes_which_all_may_read(tmp_path):
    epochs = extract(*write_pair(tmp_path, "a", "W122R"), **OPTIONS)
    for name in "bc":
        write_epochs(epochs, tmp_path / name)
    assert (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()
    (tmp_path / "other").touch()
    assert (tmp_path / "b").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_hypnograms_come_back_or_are_refused(tmp_path):
    path = tmp_path / "h.safetensors"
    stages = np.arange(12, dtype=np.int8).reshape(3, 4)
    write_hypnograms(stages, path)
    np.testing.assert_array_equal(read_hypnograms(path), stages)
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(DamagedError, match="h.safetensors: damaged \\('stage' does not have its SHA-256"):
        read_hypnograms(path)


def test_no_scored_epoch_is_an_error(tmp_path):
    with pytest.raises(RecordingError, match="has no scored epoch"):
        extract(*write_pair(tmp_path, "a", "??M?"), **OPTIONS)


def test_a_rate_without_whole_epochs_is_refused(tmp_path):
    with pytest.raises(RecordingError, match="no whole number of samples"):
        extract(*write_pair(tmp_path, "a", "W2"), **{**OPTIONS, "sampling_rate_hz": 100.01})


def test_quality_flags(tmp_path):
    rng = np.random.default_rng(0)
    seconds = np.arange(12000) / 200
    x = rng.normal(0, 20, 12000) + 30 * np.sin(2 * np.pi * 50 * seconds)
    flat = np.concatenate([x, np.zeros(6000), np.where(rng.random(6000) < 0.5, 200.0, -200.0)])
    psg = write_psg(tmp_path / "a-PSG.edf", {"EEG Fpz-Cz": flat.clip(-200, 200)}, rate=200.0)
    hypnogram = write_hypnogram(tmp_path / "a-Hypnogram.edf", "W222")
    epochs = extract(psg, hypnogram, **{**OPTIONS, "sampling_rate_hz": "native"})
    assert epochs.flags == ["flat=1", "clipped=1", "mains=50"]
    loud = write_psg(tmp_path / "b-PSG.edf", {"EEG Fpz-Cz": 50 * x}, rate=200.0, limits=(-1e4, 1e4))
    assert any(flag.startswith("amplitude=") for flag in extract(loud, hypnogram, **OPTIONS).flags)


def test_a_wrong_unit_is_mended_and_said(tmp_path):
    x = np.random.default_rng(0).normal(0, 20, 12000)
    right = write_psg(tmp_path / "a-PSG.edf", {"EEG Fpz-Cz": x}, rate=200.0, limits=(-200, 200))
    wrong = write_psg(tmp_path / "b-PSG.edf", {"EEG Fpz-Cz": 1e3 * x}, rate=200.0, limits=(-2e5, 2e5))
    hypnogram = write_hypnogram(tmp_path / "a-Hypnogram.edf", "W2")
    one, other = (extract(psg, hypnogram, **OPTIONS) for psg in (right, wrong))
    np.testing.assert_allclose(other.signal * other.scale_uv, one.signal * one.scale_uv, atol=0.01)
    assert any("cannot be scalp EEG" in doubt and "multiplied by 0.001" in doubt for doubt in other.doubts)
    assert not other.flags and not one.doubts


def test_a_dead_channel_is_not_made_an_eeg_and_a_silent_reference_not_made_loud(tmp_path):
    rng = np.random.default_rng(0)
    x, silent = rng.normal(0, 20, 12000), rng.normal(0, 0.1, 12000)
    channels = {"EEG Fpz-Cz": x, "M1": silent}
    psg = write_psg(tmp_path / "a-PSG.edf", channels, rate=200.0, limits=(-200, 200))
    hypnogram = write_hypnogram(tmp_path / "a-Hypnogram.edf", "W2")
    alone, dead, difference = (
        extract(psg, hypnogram, **{**OPTIONS, "channel": [label]}) for label in ("EEG Fpz-Cz", "M1", "EEG Fpz-Cz-M1")
    )
    assert "flat=2" in dead.flags and not any("multiplied" in doubt for doubt in dead.doubts)
    np.testing.assert_allclose(difference.signal * difference.scale_uv, alone.signal * alone.scale_uv, atol=1.0)


def test_twenty_two_hours_take_under_300_mb(tmp_path):
    n_epochs = 22 * 120
    noise = np.random.default_rng(0).normal(0, 20, n_epochs * 3000).clip(-190, 190)
    channels = {"EEG Fpz-Cz": noise, **{f"other {i}": noise for i in range(2)}}
    psg = write_psg(tmp_path / "a-PSG.edf", channels)
    hypnogram = write_hypnogram(tmp_path / "a-Hypnogram.edf", "W" * 1000 + "2" * 900 + "W" * (n_epochs - 1900))
    # In a process of its own, as in the pipeline: imports count, what pytest holds does not. Seconds are a matter of
    # the machine: benchmarks/extraction.py.
    code = (
        "from pathlib import Path\n"
        "from hypnolens.recordings.epochs import write_epochs\nfrom hypnolens.recordings.extraction import extract\n"
        f"epochs = extract(Path({str(psg)!r}), Path({str(hypnogram)!r}), **{OPTIONS!r})\n"
        f"write_epochs(epochs, Path({str(tmp_path / 'a.safetensors')!r}))\n"
        # Not getrusage, whose peak a process inherits from its parent.
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1]\n"
        "print(int(peak) / 1024, len(epochs.stage))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    megabytes, kept = map(float, run.stdout.split())
    assert kept == 1020 and megabytes < 300


@pytest.mark.parametrize("wanted", [100, "native"])
def test_a_rate_that_is_a_fraction_loses_no_epoch(tmp_path, wanted):
    labels = "W2" * 60
    epochs = extract(*_numbered(tmp_path, labels, rate=100 / 3), **{**OPTIONS, "sampling_rate_hz": wanted})
    assert len(epochs.stage) == 120 and epochs.signal.shape[1] == (3000 if wanted == 100 else 1000)


@pytest.mark.parametrize("rate, labels, words", [(100.0, 0.7, "shorter than one epoch"), (1.0, 2, "too few for")])
def test_what_is_no_eeg_is_refused(tmp_path, rate, labels, words):
    psg = write_psg(tmp_path / "a-PSG.edf", {"EEG Fpz-Cz": np.zeros(round(labels * 30 * rate))}, rate=rate, record_s=1)
    with pytest.raises(RecordingError, match=words):
        extract(psg, write_hypnogram(tmp_path / "a-Hypnogram.edf", "WW"), **OPTIONS)


def test_recordings_of_different_rates_cannot_be_one_dataset():
    check_rates([{"sampling_rate_hz": 100.0}, {"sampling_rate_hz": "100.0"}], "d")
    with pytest.raises(DatasetError, match=r"^d: .*100, 128 Hz.*; set sampling_rate_hz: of the dataset to 100"):
        check_rates([{"sampling_rate_hz": 128.0}, {"sampling_rate_hz": 100.0}], "d")
