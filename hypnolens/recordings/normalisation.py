"""Making recordings alike before the network sees them: an option, as the paper's network reads raw epochs."""

from dataclasses import replace

import numpy as np
from scipy.signal import welch

from hypnolens.recordings.epochs import Epochs

SEGMENT = 256
"""Samples of a Welch segment: the gain it gives is smooth, so that epochs can be filtered one by one."""


def normalise(epochs: Epochs, kind: str) -> Epochs:
    """Epochs of a recording, as the network is to see them.

    Parameters
    ----------
    epochs
        Epochs of one recording.
    kind
        ``none`` leaves them as they are, in µV. ``spectrum`` divides the recording's spectrum by its own
        geometric mean over all kept epochs: what people and nights differ in (amplitude, tilt, skull) goes, what epochs
        of a night differ in stays. It is the filter that takes the mean of a night from the logarithm of its
        spectral power, as feature-based stagers do; it looks at no stage. ``standard`` takes the recording's mean
        and divides by its standard deviation, both over all kept epochs. Neither result has a unit.
    """
    if kind == "none":
        return epochs
    signal = epochs.signal.astype(np.float32) * np.float32(epochs.scale_uv)
    changed = _standard(signal) if kind == "standard" else _flat(signal, epochs.rate)
    scale = float(np.abs(changed).max()) / np.iinfo(np.int16).max or 1.0
    return replace(epochs, signal=np.round(changed / scale).astype(np.int16), scale_uv=scale)


def _standard(signal: np.ndarray) -> np.ndarray:
    # Of a signal that is flat throughout, the deviation is zero.
    return (signal - signal.mean(dtype=np.float64)) / (signal.std(dtype=np.float64) or 1.0)


def _flat(signal: np.ndarray, rate: float) -> np.ndarray:
    frequency, power = welch(signal, fs=rate, nperseg=min(SEGMENT, signal.shape[1]), axis=1)
    # A dead epoch has no spectrum; 1e-6 µV²/Hz is far below any amplifier's noise. The first two bins are what the
    # recorder's high-pass left: the gain there is that of the third.
    mean = np.exp(np.log(np.maximum(power, 1e-6)).mean(axis=0))[2:]
    gain = np.interp(np.fft.rfftfreq(signal.shape[1], 1 / rate), frequency[2:], mean**-0.5)
    return np.fft.irfft(np.fft.rfft(signal, axis=1) * gain, n=signal.shape[1], axis=1)
