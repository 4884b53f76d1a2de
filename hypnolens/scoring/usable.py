"""Which epochs carry no EEG, so that no stage may be given to them: a dead, loose or saturated electrode."""

import numpy as np
from scipy.signal import welch

from hypnolens.quality import FLAT_UV, RMS_UV

MOST_CLIPPED = 0.1
"""Share of samples at the limits of what the file can hold. Movements clip an epoch for a second or two."""

LINE_SHARE = 0.8
"""Share of the power, from 0.5 Hz on, within 1 Hz of one frequency from `LINE_FROM_HZ` on: mains, or its alias where
the rate is low. It was 0.05 at most in 407 epochs of five people (DREAMS, pyDYNAM-O), 0.16 in six simulated nights."""

LINE_FROM_HZ = 16.0
"""Below it, rhythms of sleep dominate epochs: alpha in wake, spindles in N2."""

FLATNESS = 0.93
"""Geometric over arithmetic mean of the power from 0.5 to 30 Hz: about 0.97 of white noise, which an open input gives;
0.02 to 0.59 in the same epochs, and up to 0.90 in simulated wake with muscle activity."""

FAINT = 0.1
"""Share of the night's median amplitude below which an epoch is what an electrode picks up without skin; the least
was 0.34 in the same epochs, and 0.26 in the simulated ones."""


def unusable_reasons(signal: np.ndarray, rate: float, limits: tuple[float, float] | None) -> tuple[str, ...]:
    """Why each epoch cannot be staged; an empty text where it can.

    Parameters
    ----------
    signal
        µV ``(n_epochs, n_samples)``, at the rate of the file.
    rate
        In Hz.
    limits
        Lowest and highest value in µV that the file can hold; `None` where there are none.

    Returns
    -------
    tuple of str
        ``not finite``; ``flat`` (standard deviation below 0.5 µV); ``clipped``; ``amplitude`` (standard deviation above
        500 µV); ``mains``; ``noise`` (a white spectrum); ``faint``.
    """
    reasons = np.full(len(signal), "", dtype=object)

    def give(where: np.ndarray, reason: str) -> None:
        reasons[where & (reasons == "")] = reason

    finite = np.isfinite(signal).all(axis=1)
    give(~finite, "not finite")
    signal = np.where(finite[:, None], signal, 0.0)
    spread = signal.std(axis=1)
    give(spread < FLAT_UV, "flat")
    if limits is not None:
        step = 1e-3 * (limits[1] - limits[0])
        at_limit = (signal <= limits[0] + step) | (signal >= limits[1] - step)
        give(at_limit.mean(axis=1) >= MOST_CLIPPED, "clipped")
    give(spread > RMS_UV[1], "amplitude")
    frequency, power = welch(signal, fs=rate, nperseg=min(round(2 * rate), signal.shape[1]), axis=1)
    power = np.maximum(power, 1e-12)  # of a flat epoch, which has its reason
    give(_line_share(frequency, power) > LINE_SHARE, "mains")
    band = power[:, (frequency >= 0.5) & (frequency <= min(30.0, 0.4 * rate))]
    give(np.exp(np.log(band).mean(axis=1)) / band.mean(axis=1) > FLATNESS, "noise")
    if (reasons == "").any():
        give(spread < FAINT * np.median(spread[reasons == ""]), "faint")
    return tuple(reasons)


def _line_share(frequency: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Largest share of the power within 1 Hz of one frequency, from `LINE_FROM_HZ` on."""
    width = frequency[1] - frequency[0]
    window = np.ones(2 * max(1, round(1 / width)) + 1)
    shown = frequency >= 0.5
    total = power[:, shown].sum(axis=1)
    near = np.apply_along_axis(np.convolve, 1, power[:, shown], window, "same")
    high = frequency[shown] >= LINE_FROM_HZ
    return near[:, high].max(axis=1, initial=0.0) / total
