"""A task whose answer is known: epochs with a spindle at a known place, and epochs with its energy spread out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from hypnolens.recordings.epochs import Epochs
from hypnolens.stages import CODE, EPOCH_S

RATE_HZ = 100
SPINDLE_S, SPINDLE_HZ = 0.8, 13.0
RMS_UV = 20.0
"""Of the background."""


@dataclass(frozen=True)
class Planted:
    """Epochs of background, some with a spindle.

    Attributes
    ----------
    signal
        µV, float64 ``(n, 3000)`` at 100 Hz.
    present
        Whether an epoch has a spindle, bool ``(n,)``; the others have the same energy from 12 to 14 Hz all over.
    onset_s
        Where the spindle begins, ``(n,)``; NaN without one.
    """

    signal: NDArray[np.float64]
    present: NDArray[np.bool_]
    onset_s: NDArray[np.float64]

    def as_epochs(self, name: str) -> Epochs:
        """One recording of these epochs, those with a spindle being N2 and the others W."""
        scale_uv = 0.01
        return Epochs(
            signal=np.round(self.signal / scale_uv).astype(np.int16),
            stage=np.where(self.present, CODE["N2"], CODE["W"]).astype(np.int8),
            epoch_index=np.arange(len(self.signal), dtype=np.int32),
            scale_uv=scale_uv,
            rate=float(RATE_HZ),
            first_s=0.0,
            recording=name,
            subject=name,
            night=1,
            channel="planted",
            start_time="",
            source="",
            source_sha256="",
            dropped={},
            flags=[],
        )


def plant(n_epochs: int, *, peak: float, seed: int) -> Planted:
    """Draw epochs, half of them with a 0.8-s 13-Hz spindle at a random place.

    Where broadband amplitude is highest says nothing about where the spindle is, and whether there is one cannot be
    told from the energy of any band: what is left to learn, and to point at, is the event.

    Parameters
    ----------
    n_epochs
        How many.
    peak
        Peak of the spindle in units of the background's RMS; single ones vary by 30 %.
    seed
        What they are drawn from.
    """
    rng = np.random.default_rng(seed)
    n_samples, length = RATE_HZ * EPOCH_S, round(SPINDLE_S * RATE_HZ)
    background = _falling(rng.standard_normal((n_epochs, n_samples)))
    present = rng.permutation(n_epochs) % 2 == 0
    t = np.arange(length) / RATE_HZ
    phase = rng.uniform(0, 2 * np.pi, (n_epochs, 1))
    amplitude = peak * RMS_UV * rng.uniform(0.7, 1.3, (n_epochs, 1))
    spindles = amplitude * np.hanning(length) * np.sin(2 * np.pi * SPINDLE_HZ * t + phase)
    starts = rng.integers(0, n_samples - length + 1, n_epochs)
    band = butter(2, (12, 14), "bandpass", fs=RATE_HZ, output="sos")
    spread = sosfiltfilt(band, rng.standard_normal((n_epochs, n_samples)), axis=1)
    spread *= np.sqrt((spindles**2).sum(axis=1) / (spread**2).sum(axis=1))[:, None]
    for row in np.flatnonzero(present):
        background[row, starts[row] : starts[row] + length] += spindles[row]
    background[~present] += spread[~present]
    return Planted(background, present, np.where(present, starts / RATE_HZ, np.nan))


def _falling(white: NDArray[np.float64]) -> NDArray[np.float64]:
    """Noise whose power falls with frequency to the power of 1.5, as that of the sleeping EEG does or more."""
    frequency = np.fft.rfftfreq(white.shape[1], 1 / RATE_HZ)
    shaped = np.fft.irfft(np.fft.rfft(white, axis=1) / np.maximum(frequency, 0.5) ** 0.75, n=white.shape[1], axis=1)
    return np.asarray(RMS_UV * shaped / shaped.std(axis=1, keepdims=True))
