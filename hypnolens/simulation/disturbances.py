"""What is in a recording besides the brain: the heart, breathing and sweat, electrodes that jump.

None of it depends on the stage. There is no mains: 50 Hz cannot be told at 100 Hz, and Sleep-EDF's is filtered away.
"""

import numpy as np
from numpy.typing import NDArray

from hypnolens.simulation.events import EPOCH_SAMPLES, RATE_HZ

Signal = NDArray[np.float64]

POPS = 1.5
"""Jumps of an electrode in an hour."""


def disturbances(n_samples: int, *, heart_uv: float, beats: Signal, rng: np.random.Generator) -> Signal:
    """Draw the disturbances of one channel, µV, ``(n_samples,)``; ``beats`` are seconds of R peaks."""
    signal = _heart(n_samples, heart_uv * float(np.exp(rng.normal(0.0, 0.7))), beats)
    signal += _sway(n_samples, rng)
    for at in rng.integers(0, n_samples, rng.poisson(POPS * n_samples / RATE_HZ / 3600)):
        _pop(signal, at, rng)
    return signal


def heartbeats(n_samples: int, rng: np.random.Generator) -> Signal:
    """Seconds of R peaks: 50 to 75 a minute, quicker when breathing in, with a slow drift over the night."""
    length = n_samples / RATE_HZ
    mean = 60.0 / rng.uniform(50.0, 75.0)
    count = round(length / mean * 1.3) + 10
    at = mean * np.arange(count)
    breathing = 0.04 * np.sin(2.0 * np.pi * rng.uniform(0.2, 0.3) * at + rng.uniform(0.0, 6.3))
    drift = 0.06 * np.sin(2.0 * np.pi * at / rng.uniform(2000.0, 6000.0) + rng.uniform(0.0, 6.3))
    intervals = mean * (1.0 + breathing + drift + 0.02 * rng.standard_normal(count))
    beats = np.cumsum(intervals)
    return np.asarray(beats[beats < length - 1.0])


def _heart(n_samples: int, peak_uv: float, beats: Signal) -> Signal:
    """R peak of 40 ms and a T wave a quarter of a second later."""
    wave_s = np.arange(-10, 50) / RATE_HZ
    wave = np.exp(-0.5 * (wave_s / 0.015) ** 2) + 0.2 * np.exp(-0.5 * ((wave_s - 0.25) / 0.05) ** 2)
    impulses = np.zeros(n_samples)
    impulses[np.round(beats * RATE_HZ).astype(int)] = peak_uv
    return np.asarray(np.convolve(impulses, wave)[10 : 10 + n_samples])


def _sway(n_samples: int, rng: np.random.Generator) -> Signal:
    """Breathing and sweat: what the recorder's high-pass leaves of it, in some stretches of a third of nights."""
    n_epochs = n_samples // EPOCH_SAMPLES
    envelope = np.zeros(n_epochs + 1)
    if rng.random() < 1 / 3:
        for start in rng.integers(0, n_epochs, 1 + rng.poisson(2)):
            envelope[start : start + int(rng.uniform(10, 80))] = rng.uniform(2.0, 10.0)
    seconds = np.arange(n_samples) / RATE_HZ
    smooth = np.interp(seconds / 30.0, np.arange(n_epochs + 1), envelope)
    knots = np.arange(0.0, seconds[-1] + 20.0, 20.0)
    wander = np.interp(seconds, knots, np.cumsum(rng.normal(0.0, 0.3, len(knots))))
    return np.asarray(smooth * np.sin(2.0 * np.pi * rng.uniform(0.2, 0.35) * seconds + wander))


def _pop(signal: Signal, at: int, rng: np.random.Generator) -> None:
    """A step that the recorder's high-pass takes back within a second."""
    length = min(3 * RATE_HZ, len(signal) - at)
    size = rng.choice([-1.0, 1.0]) * rng.uniform(40.0, 160.0)
    signal[at : at + length] += size * np.exp(-np.arange(length) / RATE_HZ / 0.32)
