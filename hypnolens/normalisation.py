"""Making recordings alike before the network sees them: an option, as the paper's network reads raw epochs."""

from dataclasses import replace

import numpy as np
from scipy.signal import welch

from hypnolens.epochs import Epochs

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
        spectral power, as feature-based stagers do; it looks at no stage. The result has no unit.
    """
    if kind == "none":
        return epochs
    signal = epochs.signal.astype(np.float32) * np.float32(epochs.scale_uv)
    frequency, power = welch(signal, fs=epochs.rate, nperseg=min(SEGMENT, signal.shape[1]), axis=1)
    # A dead epoch has no spectrum; 1e-6 µV²/Hz is far below any amplifier's noise. The first two bins are what the
    # recorder's high-pass left: the gain there is that of the third.
    mean = np.exp(np.log(np.maximum(power, 1e-6)).mean(axis=0))[2:]
    gain = np.interp(np.fft.rfftfreq(signal.shape[1], 1 / epochs.rate), frequency[2:], mean**-0.5)
    flat = np.fft.irfft(np.fft.rfft(signal, axis=1) * gain, n=signal.shape[1], axis=1)
    scale = float(np.abs(flat).max()) / np.iinfo(np.int16).max or 1.0
    return replace(epochs, signal=np.round(flat / scale).astype(np.int16), scale_uv=scale)
