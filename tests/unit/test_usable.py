"""Epochs that carry no EEG are found, and those of sleeping people are kept."""

import numpy as np
import pytest

from hypnolens.scoring.reading import read_night
from hypnolens.scoring.usable import unusable_reasons
from tests.conftest import pink

RATE = 128.0
N = round(30 * RATE)
SECONDS = np.arange(N) / RATE


def _hum(frequency, uv=80.0):
    return uv * np.sin(2 * np.pi * frequency * SECONDS)


def _noise(uv, seed=0):
    return np.random.default_rng(seed).normal(0, uv, N)


DEAD = {
    "zeros": (np.zeros(N), "flat"),
    "a constant": (np.full(N, 130.0), "flat"),
    "amplifier noise below half a microvolt": (_noise(0.3), "flat"),
    "white noise": (_noise(3.0), "noise"),
    "loud white noise": (_noise(60.0), "noise"),
    "hum of 50 Hz": (_hum(50.0) + _noise(1.0), "mains"),
    "hum of 60 Hz": (_hum(60.0) + _noise(1.0), "mains"),
    "an alias of mains at 28 Hz": (_hum(28.0) + _noise(1.0), "mains"),
    "both rails in turn": (200.0 * np.sign(_hum(0.5)), "clipped"),
    "millivolts of drift": (_hum(0.05, 3000.0), "amplitude"),
    "a faint EEG from across the head box": (pink(1, uv=1.5, rate=RATE), "faint"),
    "NaN": (np.where(SECONDS > 29, np.nan, 10.0), "not finite"),
    "infinity": (np.where(SECONDS > 29, np.inf, 10.0), "not finite"),
}


@pytest.mark.parametrize("name", DEAD)
def test_an_electrode_that_is_off_for_an_hour_is_found(name):
    signal, reason = DEAD[name]
    night = pink(240, uv=30.0, rate=RATE).reshape(240, -1)
    night[60:180] = signal
    found = unusable_reasons(night, RATE, (-200.0, 200.0) if reason == "clipped" else (-4000.0, 4000.0))
    assert set(found[60:180]) == {reason}
    assert not any(found[:60]) and not any(found[180:])


def test_a_movement_of_seconds_is_no_reason():
    night = pink(20, uv=30.0, rate=RATE).reshape(20, -1)
    night[5, :256] = 200.0
    assert not any(unusable_reasons(night, RATE, (-200.0, 200.0)))


def test_alpha_and_spindles_may_dominate_an_epoch():
    night = pink(20, uv=10.0, rate=RATE).reshape(20, -1)
    night[3] += _hum(10.0, 60.0)
    night[4] += _hum(13.5, 60.0)
    assert not any(unusable_reasons(night, RATE, None))


def test_every_epoch_of_real_recordings_is_kept(data):
    for path in sorted((data / "real").glob("*-PSG.edf")):
        night = read_night(path)
        n = int(30 * night.rate)
        signal = night.signals[0][: night.signals.shape[1] // n * n].reshape(-1, n)
        assert not any(unusable_reasons(signal, night.rate, night.limits[0])), path.name


def test_an_hour_off_in_a_real_recording_is_found(data):
    night = read_night(data / "real" / "dynamo1-PSG.edf")
    signal = night.signals[0][: 167 * 3000].reshape(167, 3000)
    signal[40:160] = np.random.default_rng(0).normal(0, 2.0, (120, 3000))
    found = unusable_reasons(signal, night.rate, night.limits[0])
    assert [bool(reason) for reason in found] == [40 <= place < 160 for place in range(167)]
