"""What a person's night is like as a whole, estimated from where sleep is, which no label says.

A recorder may run for a day. What people and nights differ in (skull, electrodes, amplifier) is then to be taken from
the hours around sleep, as in training, and not from an afternoon of wake.
"""

import numpy as np
from scipy.ndimage import binary_dilation, uniform_filter1d
from scipy.signal import welch

from hypnolens.recordings.epochs import SEGMENT, Typical
from hypnolens.recordings.quality import FLAT_UV

SIGMA_HZ, FAST_HZ = (11.0, 16.0), (25.0, 45.0)
"""Bands whose ratio is several times as high in N2 and N3 as in wake, whatever the gain is: spindles beside little
muscle and beta. Slow waves are no such sign, as movements have them."""

HALF_HOUR = 61
"""Epochs over which the ratio is averaged, and which belong to the span on each side of certain sleep."""

BELOW = 1.0
"""By how much (natural logarithm) the ratio of half an hour may be below that of the half hour with most of it, which
is asleep however long the recording is. Of twelve simulated nights, each alone and amid the wake of 22 hours, the spans
were the same but for five epochs; with percentiles of the ratio for limits, or with a band of 20 to 35 Hz, the wake got
into some."""

LOUD = 10.0
"""By how much an epoch exceeds the median that is no EEG but an electrode being handled."""

CHUNK = 512
"""Epochs whose spectra are computed at a time."""


def typical_of(signal: np.ndarray, rate: float, span: np.ndarray | None = None) -> Typical:
    """What the span of sleep of a recording is like.

    Parameters
    ----------
    signal
        Epochs of the recording in order, µV ``(n_epochs, n_samples)``, at least one; all of them, whatever their stage.
    rate
        In Hz.
    span
        Which of them belong to it, bool ``(n_epochs,)``; `None` to find it in this signal.
    """
    frequency, power = _spectra(signal, rate)
    # Epoch by epoch, as a copy of a day's samples is not needed.
    level, spread = (np.array([of(epoch) for epoch in signal], dtype=np.float64) for of in (np.mean, np.std))
    # Neither a lead that is off nor one that is being glued says what a person's EEG is like.
    eeg = spread >= FLAT_UV
    eeg &= spread <= LOUD * np.median(spread[eeg]) if eeg.any() else True
    span = _span(frequency, power) if span is None else span
    for chosen in (span & eeg, eeg, np.ones(len(signal), dtype=bool)):
        if chosen.any():
            break
    mean = float(level[chosen].mean())
    sd = float(np.sqrt((spread[chosen] ** 2 + (level[chosen] - mean) ** 2).mean()))
    return Typical(np.log(power[chosen]).mean(axis=0, dtype=np.float64), mean, sd)


def span_of_sleep(signal: np.ndarray, rate: float) -> np.ndarray:
    """Which epochs are within half an hour of certain sleep, by their spectra alone.

    Parameters
    ----------
    signal
        As for `typical_of`, at the rate of the file: a network's may be too low to tell.
    rate
        In Hz.

    Returns
    -------
    numpy.ndarray
        bool ``(n_epochs,)``; all of a recording that is shorter than an hour, or whose rate is below 56 Hz.
    """
    return _span(*_spectra(signal, rate))


def _span(frequency: np.ndarray, power: np.ndarray) -> np.ndarray:
    bands = [(frequency >= low) & (frequency <= min(high, 0.9 * frequency[-1])) for low, high in (SIGMA_HZ, FAST_HZ)]
    if not all(band.any() for band in bands):
        return np.ones(len(power), dtype=bool)
    sigma, fast = (np.log(power[:, band].mean(axis=1)) for band in bands)
    ratio = uniform_filter1d(sigma - fast, HALF_HOUR, mode="nearest")
    return binary_dilation(ratio >= ratio.max() - BELOW, iterations=HALF_HOUR - 1)


def _spectra(signal: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    parts = [
        welch(signal[place : place + CHUNK], fs=rate, nperseg=min(SEGMENT, signal.shape[1]), axis=1)
        for place in range(0, len(signal), CHUNK)
    ]
    # A dead epoch has no spectrum; 1e-6 µV²/Hz is far below any amplifier's noise.
    return parts[0][0], np.maximum(np.concatenate([power for _, power in parts]), 1e-6)
