"""An ECG and breathing in a channel are found, and an EEG has neither."""

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from hypnolens.scoring.disturbances import MOST_BEATS, MOST_BREATHS, breaths, disturbances, heartbeats
from tests.conftest import pink

N = 20


def _beats(rate, *, uv, every_s=0.92, seed=0):
    onsets = np.cumsum(np.random.default_rng(seed).normal(every_s, 0.03, int(30 * N / every_s)))
    t = np.arange(30 * N * rate) / rate
    return sum(uv * np.exp(-(((t - onset) / 0.012) ** 2)) for onset in onsets)


@pytest.mark.parametrize("uv", [30.0, 60.0])
@pytest.mark.parametrize("rate", [50, 100, 256])
def test_a_heart_is_heard_and_how_fast(rate, uv):
    eeg = pink(N, uv=20.0, rate=float(rate))
    clean, heart = (x.reshape(N, -1) for x in (eeg, eeg + _beats(rate, uv=uv)))
    assert disturbances(clean, rate) == []
    beats, seconds = heartbeats(heart, rate)
    assert beats > MOST_BEATS and seconds == pytest.approx(0.92, abs=0.05)
    assert [said for said in disturbances(heart, rate) if "as an ECG does" in said]


@pytest.mark.parametrize("hz", [0.2, 0.3])
def test_breathing_is_seen(hz):
    eeg = pink(N, uv=20.0)
    t = np.arange(len(eeg)) / 100
    strength, found = breaths((eeg + 30 * np.sin(2 * np.pi * hz * t)).reshape(N, -1), 100)
    assert strength > MOST_BREATHS and found == pytest.approx(hz, abs=0.01)
    assert breaths(eeg.reshape(N, -1), 100)[0] < MOST_BREATHS
    assert breaths(eeg.reshape(N, -1)[:3], 100) == (0.0, 0.0)


@pytest.mark.parametrize("hz", [0.3, 0.5, 1.0])
def test_the_edge_of_a_filter_is_no_breathing(hz):
    drift = np.cumsum(np.random.default_rng(0).normal(0, 1, 30 * N * 100))
    filtered = sosfiltfilt(butter(2, hz, "highpass", fs=100, output="sos"), pink(N, uv=20.0) + drift)
    assert breaths(filtered.reshape(N, -1), 100)[0] < MOST_BREATHS


def test_rates_too_low_for_a_beat_are_left():
    assert heartbeats(np.ones((2, 30 * 16)), 16) == (0.0, 0.0)
