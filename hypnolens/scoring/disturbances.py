"""What else than an EEG a channel holds, that a network was not trained on and that changes stages unseen.

Found by `benchmarks/perturbations.py`: the heart and breathing change stages without a network becoming less sure.
"""

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, sosfiltfilt, welch

from hypnolens.stages import EPOCH_S

BEATS_HZ = (18.0, 40.0)
"""Band of a QRS complex that is above most of an EEG's power."""

BEAT_S = (0.45, 1.5)
"""Times from beat to beat: 40 to 133 a minute."""

MOST_BEATS = 0.15
"""Autocorrelation of the band's envelope at the time from beat to beat, above that at other times; the median of
stretches of five minutes. It was 0.02 in three simulated nights and 0.03 to 0.07 in four of five real half-hours (0.54
in the fifth, in which something does beat); with an ECG of 60 µV added, 0.39 to 0.74. One of 20 µV gave 0.06 to 0.28:
it is not found where there is much fast activity."""

TOGETHER = 10
"""Epochs whose autocorrelations are averaged."""

BREATHS_HZ = (0.12, 0.6)
"""Breathing and its neighbourhood."""

BELOW, ABOVE = (0.5, 0.8), (1.25, 2.0)
"""Neighbours of a frequency, as multiples of it: beside breathing there is less on both sides, at the edge of a filter
only on one."""

MOST_BREATHS = 12.0
"""Largest ratio of the power at a frequency to that of its neighbours. It was 1 to 2 in three simulated nights and 1 to
6 in five real half-hours, also after a recorder's high-pass; with 30 µV of breathing added, 39 and more, and 21 and
more where its rate varied."""


def disturbances(epochs: np.ndarray, rate: float) -> list[str]:
    """Sentences on what a channel holds besides an EEG.

    Parameters
    ----------
    epochs
        Those that carry an EEG, in order, µV ``(n_epochs, n_samples)``, at the rate of the file.
    rate
        In Hz.
    """
    found = []
    beats, seconds = heartbeats(epochs, rate)
    if beats > MOST_BEATS:
        found.append(
            f"something beats in it every {seconds:.2f} s, as an ECG does ({beats:.2f}; told from {MOST_BEATS} on); "
            "stages may follow it: choose another reference, or a channel without it"
        )
    strength, hz = breaths(epochs, rate)
    if strength > MOST_BREATHS:
        found.append(
            f"a slow wave of {hz:.2f} Hz, as of breathing, is {strength:.0f} times above its surroundings; stages may "
            "follow it"
        )
    return found


def heartbeats(epochs: np.ndarray, rate: float) -> tuple[float, float]:
    """How much of a channel repeats itself from heartbeat to heartbeat (0 to 1), and after how many seconds."""
    if rate < 2.2 * BEATS_HZ[0]:
        return 0.0, 0.0
    high = min(BEATS_HZ[1], 0.45 * rate)
    band = sosfiltfilt(butter(2, (BEATS_HZ[0], high), "band", fs=rate, output="sos"), epochs, axis=1)
    envelope = uniform_filter1d(np.abs(band), int(0.02 * rate) | 1, axis=1)
    # A movement is no beat, however strong.
    envelope = np.minimum(envelope, 6 * np.median(envelope, axis=1, keepdims=True) + 1e-9)
    envelope -= envelope.mean(axis=1, keepdims=True)
    power = np.abs(np.fft.rfft(envelope, 2 * envelope.shape[1], axis=1)) ** 2
    alike = np.fft.irfft(power, axis=1)[:, : int(BEAT_S[1] * rate)]
    alike /= np.maximum(alike[:, :1], 1e-12)
    means = np.stack([part.mean(axis=0) for part in np.array_split(alike, max(1, len(alike) // TOGETHER))])
    lags = means[:, int(BEAT_S[0] * rate) :]
    beats = lags.max(axis=1) - np.median(lags, axis=1)
    seconds = BEAT_S[0] + np.median(lags.argmax(axis=1)) / rate
    return float(np.median(beats)), float(seconds)


def breaths(epochs: np.ndarray, rate: float) -> tuple[float, float]:
    """By how much one slow frequency stands out from its neighbours, and which; nothing of less than two minutes."""
    n_samples = int(4 * EPOCH_S * rate)
    if epochs.size < n_samples:
        return 0.0, 0.0
    frequency, power = welch(epochs.ravel() - np.median(epochs), fs=rate, nperseg=n_samples)
    band = np.flatnonzero((frequency >= BREATHS_HZ[0]) & (frequency <= BREATHS_HZ[1]))
    beside = [
        max(np.median(power[(frequency >= low * hz) & (frequency <= high * hz)]) for low, high in (BELOW, ABOVE))
        for hz in frequency[band]
    ]
    strength = power[band] / np.maximum(beside, 1e-12)
    strongest = strength.argmax()
    return float(strength[strongest]), float(frequency[band][strongest])
