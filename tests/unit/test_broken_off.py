"""Recordings with pauses, and with other numbers of data records than their header promises, in both ways in."""

from datetime import datetime

import edfio
import numpy as np
import pytest

from hypnolens.errors import RecordingError
from hypnolens.recordings.edf import list_rates, read_channel
from hypnolens.recordings.extraction import extract, touched
from hypnolens.scoring.reading import read_night
from tests.conftest import pink, write_hypnogram
from tests.odd import annotation, write_odd
from tests.unit.test_odd_files import CODES, EEG, OPTIONS, STAGES, STEP

LABEL = "EEG C4-A1"
START = datetime(2020, 4, 24, 22)
"""Of files of `tests.odd`."""


def _paused(path, pauses, *, reserved="EDF+D", **how):
    """A file of seconds-long records with pauses: after how many records, and for how many seconds."""
    times = np.arange(len(EEG) // 100, dtype=float)
    for after, seconds in pauses:
        times[after:] += seconds
    said = [annotation(float(time), None, "") for time in times]
    return write_odd(path, [(LABEL, EEG)], 100, reserved=reserved, annotations=said, **how)


@pytest.mark.parametrize("seconds", [0.25, 7, 30, 95.5])
def test_what_was_recorded_stands_at_its_time_and_a_pause_is_a_line(tmp_path, seconds):
    path = _paused(tmp_path / "a-PSG.edf", [(100, seconds), (200, 30)])
    channel, night = read_channel(path, [LABEL], "a"), read_night(path)
    gap = round(100 * seconds)
    assert channel.pauses == night.pauses == ((100.0, 100.0 + seconds), (200.0 + seconds, 230.0 + seconds))
    parts = np.split(channel.signal, [10_000, 10_000 + gap, 20_000 + gap, 23_000 + gap])
    np.testing.assert_allclose(np.concatenate([parts[0], parts[2], parts[4]]), EEG, atol=STEP)
    assert np.ptp(np.diff(parts[1])) < 1e-3 and len(parts[3]) == 3000
    np.testing.assert_array_equal(night.signals[0], channel.signal)
    assert any("was paused 2 times" in doubt for doubt in channel.doubts)
    assert any("was paused 2 times" in warning for warning in night.warnings)
    assert list_rates(path, "a")[1] == pytest.approx(390 + seconds)


def test_epochs_that_a_pause_touches_are_gaps_in_training_and_in_scoring(tmp_path):
    from hypnolens.scoring.staging import stage_night
    from hypnolens.stagers.known import load_stager

    path = _paused(tmp_path / "a-PSG.edf", [(100, 40)])  # from 100 to 140 s: the fourth and the fifth epoch
    stages = write_hypnogram(tmp_path / "a-Hypnogram.edf", f"{STAGES}?", start=START)
    epochs = extract(path, stages, channel=[LABEL], **OPTIONS)
    assert epochs.epoch_index.tolist() == [0, 1, 2, 5, 6, 7, 8, 9, 10, 11]
    assert epochs.stage.tolist() == [code for place, code in enumerate(CODES) if place not in (3, 4)]
    assert epochs.dropped == {"movement": 0, "unscored": 1, "paused": 2, "trimmed": 0}
    assert any("was paused" in doubt for doubt in epochs.doubts)
    scored = stage_night(read_night(path), load_stager("demo"), below=0.5)
    assert [place for place, why in enumerate(scored.unusable) if why] == [3, 4]
    assert scored.unusable[3] == "pause" and any("2 of 13 epochs carry no EEG (pause)" in w for w in scored.warnings)


def test_pauses_reach_epochs_by_their_time():
    reached = touched(((0.0, 10.0), (60.0, 90.0), (299.0, 500.0)), 10, 5.0)
    assert np.flatnonzero(reached).tolist() == [0, 1, 2, 9]


@pytest.mark.parametrize(
    "pauses, how, words",
    [
        ([(100, -5)], {}, "contradicts itself: data record 100 begins at 95 s, and by the one before it at 100 s"),
        ([(100, 5)], {"reserved": "EDF+C"}, "contradicts itself"),
        ([(100, 90_000)], {}, r"was paused for 25.0 h by data record 100 .EDF.D.; export each part"),
    ],
)
def test_records_that_overlap_and_pauses_of_a_day_are_refused(tmp_path, pauses, how, words):
    path = _paused(tmp_path / "n.edf", pauses, **how)
    with pytest.raises(RecordingError, match=words):
        read_channel(path, [LABEL], "a")
    with pytest.raises(RecordingError, match=words):
        read_night(path)


@pytest.mark.parametrize("promised, taken", [(400, True), (401, False), (355, True), (100, True)])
def test_other_records_than_promised_are_told_and_too_few_are_no_training(tmp_path, promised, taken):
    path = write_odd(tmp_path / "a-PSG.edf", [(LABEL, EEG)], 100, n_records=promised)
    words = f"the header promises {promised} data records, the file holds 360"
    night = read_night(path)
    np.testing.assert_allclose(night.signals[0], EEG, atol=STEP)
    assert any(words in warning for warning in night.warnings)
    stages = write_hypnogram(tmp_path / "a-Hypnogram.edf", STAGES, start=START)
    if taken:
        epochs = extract(path, stages, channel=[LABEL], **OPTIONS)
        assert len(epochs.stage) == len(STAGES) and f"records={360 - promised:+d}" in epochs.flags
        assert any(words in doubt for doubt in epochs.doubts)
    else:
        with pytest.raises(RecordingError, match=words):
            extract(path, stages, channel=[LABEL], **OPTIONS)


@pytest.mark.parametrize("bytes_more", [-150, 77, 201])
def test_a_part_of_a_record_is_left_out_and_told(tmp_path, bytes_more):
    path = write_odd(tmp_path / "n.edf", [(LABEL, EEG)], 100)
    content = path.read_bytes()
    path.write_bytes(content[:bytes_more] if bytes_more < 0 else content + b"\1" * bytes_more)
    for doubts, signal in (
        ((found := read_channel(path, [LABEL], "a")).doubts, found.signal),
        ((night := read_night(path)).warnings, night.signals[0]),
    ):
        n = 35_900 if bytes_more < 0 else 36_000 + 100 * (bytes_more > 200)
        assert len(signal) == n and any("the header promises 360 data records" in doubt for doubt in doubts)
        np.testing.assert_allclose(signal[:n], EEG[:n] if n <= 36_000 else [*EEG, *signal[36_000:]], atol=STEP)


def test_a_file_without_a_whole_record_is_refused(tmp_path):
    path = write_odd(tmp_path / "n.edf", [(LABEL, pink(1, uv=20.0))], 3000)
    path.write_bytes(path.read_bytes()[:-2])
    for read in (lambda: read_channel(path, [LABEL], "a"), lambda: read_night(path)):
        with pytest.raises(RecordingError, match="the header promises 1 data records, the file holds 0.9"):
            read()


def test_a_difference_of_two_channels_is_read_in_training_as_in_scoring(tmp_path):
    other = pink(12, uv=9.0, seed=3)
    path = write_odd(tmp_path / "n.edf", [("C4", EEG), ("M1", other / 1000), ("Fp1-A2", other)], 100,
                     units=["uV", "mV", "uV"], limits=("-500", "500"))  # fmt: skip
    channel = read_channel(path, ["C3-M2", "C4-M1"], "a")
    night = read_night(path, channels=["C4-M1"])
    np.testing.assert_array_equal(channel.signal, night.signals[0])
    assert channel.label == "C4-M1" and channel.limits is None
    assert channel.doubts == ("channel 'C4-M1' is computed as 'C4' minus 'M1'",)
    # The exact label first, also where it has a minus, and a minus within a label of a difference.
    assert read_channel(path, ["Fp1-A2"], "a").doubts == ()
    np.testing.assert_allclose(read_channel(path, ["C4-Fp1-A2"], "a").signal, EEG - other, atol=3 * STEP)
    with pytest.raises(RecordingError, match="channel 'c4-m1' not found"):
        read_channel(path, ["c4-m1"], "a")


@pytest.mark.parametrize("kind", ["rates", "flat"])
def test_a_difference_that_is_none_is_refused(tmp_path, kind):
    if kind == "flat":
        path = write_odd(tmp_path / "n.edf", [("C4", EEG), ("M1", np.zeros_like(EEG))], 100)
        words = "channel 'C4-M1' cannot be computed: 'M1' is flat throughout"
    else:
        path = tmp_path / "n.edf"
        signals = [("C4", EEG, 100.0), ("M1", EEG[::2], 50.0)]
        edfio.Edf(
            [edfio.EdfSignal(x, rate, label=label, physical_range=(-200, 200)) for label, x, rate in signals]
        ).write(path)
        words = "'C4' has 100 Hz, 'M1' 50 Hz; choose channels of one rate"
    with pytest.raises(RecordingError, match=words):
        read_channel(path, ["C4-M1"], "a")
