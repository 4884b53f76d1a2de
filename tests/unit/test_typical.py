"""What a night is like comes from a span of sleep that no label tells, whatever lies around it."""

from dataclasses import replace

import numpy as np
import pytest

from hypnolens.recordings.epochs import read_epochs, write_epochs
from hypnolens.recordings.extraction import extract
from hypnolens.recordings.normalisation import normalise
from hypnolens.recordings.typical import span_of_sleep, typical_of
from tests.conftest import pink, write_hypnogram, write_psg
from tests.unit.test_odd_files import OPTIONS

HOUR = 120
T = np.arange(3000) / 100


def _asleep(n, seed=0):
    """Epochs with spindles and little above them."""
    rng = np.random.default_rng(seed)
    spindles = 15 * np.sin(2 * np.pi * 13 * T) * (np.sin(2 * np.pi * 0.1 * T) > 0.8)
    return pink(n, uv=30.0, seed=seed).reshape(n, -1) + spindles + rng.normal(0, 1.0, (n, 3000))


def _awake(n, seed=1):
    """Epochs with muscle, and with slow movements."""
    rng = np.random.default_rng(seed)
    return pink(n, uv=60.0, seed=seed).reshape(n, -1) + rng.normal(0, 12.0, (n, 3000))


@pytest.mark.parametrize("before, after, gain", [(60, 60, 1.0), (200, 200, 10.0), (1, 400, 0.1)])
def test_wake_around_a_night_changes_nothing(before, after, gain):
    night = np.concatenate([_awake(60), _asleep(2 * HOUR), _awake(60, seed=2)])
    around = gain * np.concatenate([_awake(before, seed=3), night, _awake(after, seed=4)])
    span = span_of_sleep(around, 100)
    assert span[before + 60 : before + 60 + 2 * HOUR].all()
    assert span.sum() <= 2 * HOUR + 2 * 75  # half an hour on each side, and what the mean over half an hour blurs
    alone, amid = typical_of(gain * night, 100), typical_of(around, 100)
    np.testing.assert_allclose(amid.log_power, alone.log_power, atol=0.1)
    assert amid.sd == pytest.approx(alone.sd, rel=0.1)
    everything = typical_of(around, 100, np.ones(len(around), dtype=bool))
    assert before + after < 300 or np.abs(everything.log_power - alone.log_power).max() > 0.5


def test_short_recordings_slow_ones_and_dead_epochs_are_no_obstacle():
    assert span_of_sleep(_asleep(20), 100).all()
    assert span_of_sleep(pink(300, rate=50.0).reshape(300, -1), 50).all()
    whole = _asleep(HOUR)
    dead = np.concatenate([np.zeros((HOUR, 3000)), whole])
    np.testing.assert_allclose(typical_of(dead, 100).log_power, typical_of(whole, 100).log_power, atol=1e-9)
    flat = typical_of(np.zeros((5, 3000)), 100)
    assert np.isfinite(flat.log_power).all() and flat.sd == 0.0


@pytest.mark.parametrize("kind", ["spectrum", "standard"])
def test_labels_have_no_part_in_it(tmp_path, kind):
    """What an expert scored decides which epochs are kept, and not what they are divided by."""
    signal = np.concatenate([_awake(60), _asleep(2 * HOUR), _awake(60, seed=2)]).ravel()
    psg = write_psg(tmp_path / "a-PSG.edf", {"EEG C4-A1": signal}, limits=(-500.0, 500.0))
    stages = "W" * 60 + "2" * 240 + "W" * 60
    seen = []
    for scored in (stages, "?" * 100 + stages[100:200] + "?" * 160):
        hypnogram = write_hypnogram(tmp_path / "a-Hypnogram.edf", scored)
        epochs = extract(psg, hypnogram, channel=["EEG C4-A1"], **{**OPTIONS, "trim_wake_min": 30})
        done = normalise(epochs, kind)
        common = np.isin(done.epoch_index, np.arange(100, 200))
        seen.append(done.signal[common] * done.scale_uv)
    assert len(seen[0]) == len(seen[1]) == 100
    np.testing.assert_allclose(seen[0], seen[1], atol=2e-3 * np.abs(seen[0]).max())


def test_it_is_kept_with_the_epochs(tmp_path):
    psg = write_psg(tmp_path / "a-PSG.edf", {"EEG C4-A1": pink(12)})
    hypnogram = write_hypnogram(tmp_path / "a-Hypnogram.edf", "W1223322RRWW")
    epochs = extract(psg, hypnogram, channel=["EEG C4-A1"], **OPTIONS)
    for typical in (epochs.typical, None):
        write_epochs(replace(epochs, typical=typical), tmp_path / "a.safetensors")
        again = read_epochs(tmp_path / "a.safetensors").typical
        if typical is None:
            assert again is None
        else:
            np.testing.assert_array_equal(again.log_power, typical.log_power)
            assert again[1:] == typical[1:]
