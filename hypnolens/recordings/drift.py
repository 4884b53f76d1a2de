"""What a file holds beside the EEG and below it: an electrode's offset, and slow drift.

Recorders that are coupled to direct current store both, hundreds of times as large as an EEG. Stages must not depend on
them, nor the step of 16 bits in which epochs are kept.
"""

import numpy as np
from scipy.signal import butter, sosfiltfilt

SLOW_HZ = 4.0
"""Rate at which drift is looked at: means of a quarter of a second hold all of it, and a day is then a small table."""

CHUNK = 1_000_000
"""Samples that are looked at together."""

ORDER = 2
"""Of the filter, which runs forward and backward, so that waves keep their places."""


def without_drift(signal: np.ndarray, rate: float, highpass_hz: float | None) -> np.ndarray:
    """A signal without its median, and without what is slower than some frequency.

    Parameters
    ----------
    signal
        µV ``(..., n_samples)``, finite.
    rate
        In Hz.
    highpass_hz
        Frequency at which half of the amplitude is left; `None` takes off the median alone.

    Returns
    -------
    numpy.ndarray
        As given, in shape and precision.
    """
    centred = signal - np.median(signal, axis=-1, keepdims=True)
    if highpass_hz is None:
        return centred
    return centred - slow_part(centred, rate, highpass_hz).astype(signal.dtype)


def slow_part(signal: np.ndarray, rate: float, below_hz: float) -> np.ndarray:
    """What of a signal is slower than a frequency, without delay: the low-pass that goes with `without_drift`."""
    n_samples, block = signal.shape[-1], max(1, int(rate / SLOW_HZ))
    n_blocks = n_samples // block
    if n_blocks == 0:
        return np.zeros(signal.shape, dtype=np.float32)
    blocks = (
        signal[..., : n_blocks * block].reshape(*signal.shape[:-1], n_blocks, block).mean(axis=-1, dtype=np.float64)
    )
    # An offset and a trend go on beyond both ends, as far as the filter sees.
    padding = min(n_blocks - 1, round(3 * rate / block / below_hz))
    sections = butter(ORDER, below_hz, "lowpass", fs=rate / block, output="sos")
    smooth = sosfiltfilt(sections, blocks, axis=-1, padtype="odd", padlen=padding)
    middles = (np.arange(n_blocks) + 0.5) * block - 0.5
    slow = np.empty((smooth.size // n_blocks, n_samples), dtype=np.float32)
    for begin in range(0, n_samples, CHUNK):  # in double precision a day would take ten times its memory
        places = np.arange(begin, min(begin + CHUNK, n_samples))
        for row, means in zip(slow, smooth.reshape(-1, n_blocks), strict=True):
            row[places] = np.interp(places, middles, means)
    return slow.reshape(signal.shape)
