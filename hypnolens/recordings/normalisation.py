"""Making recordings alike before the network sees them: an option, as the paper's network reads raw epochs."""

from dataclasses import replace

import numpy as np

from hypnolens.recordings.epochs import SEGMENT, Epochs, Typical


def normalise(epochs: Epochs, kind: str) -> Epochs:
    """Epochs of a recording, as the network is to see them.

    What is taken off is that of the span of sleep (`hypnolens.recordings.typical`), which looks at no stage, so that
    hours of wake around a night, and which epochs an expert scored, change nothing.

    Parameters
    ----------
    epochs
        Epochs of one recording. Where they do not tell what the whole recording is like, they are taken for all of it.
    kind
        ``none`` leaves them as they are, in µV. ``spectrum`` divides the recording's spectrum by its own
        geometric mean: what people and nights differ in (amplitude, tilt, skull) goes, what epochs of a night differ in
        stays. It is the filter that takes the mean of a night from the logarithm of its spectral power, as
        feature-based stagers do. ``standard`` takes the mean and divides by the standard deviation. Neither result has
        a unit.
    """
    if kind == "none":
        return epochs
    from hypnolens.recordings.typical import typical_of  # takes a second, and raw epochs do not need it

    signal = epochs.signal.astype(np.float32) * np.float32(epochs.scale_uv)
    typical = epochs.typical or typical_of(signal, epochs.rate)
    # Of a signal that is flat throughout, the deviation is zero.
    changed = (
        (signal - typical.mean) / (typical.sd or 1.0) if kind == "standard" else _flat(signal, epochs.rate, typical)
    )
    scale = float(np.abs(changed).max()) / np.iinfo(np.int16).max or 1.0
    return replace(epochs, signal=np.round(changed / scale).astype(np.int16), scale_uv=scale)


def _flat(signal: np.ndarray, rate: float, typical: Typical) -> np.ndarray:
    frequency = np.fft.rfftfreq(min(SEGMENT, signal.shape[1]), 1 / rate)
    # The first two bins are what the recorder's high-pass left: the gain there is that of the third.
    gain = np.interp(np.fft.rfftfreq(signal.shape[1], 1 / rate), frequency[2:], np.exp(-0.5 * typical.log_power[2:]))
    return np.fft.irfft(np.fft.rfft(signal, axis=1) * gain, n=signal.shape[1], axis=1)
