"""Which epochs carry no EEG, so that no stage may be given to them: a dead, loose or saturated electrode."""

import numpy as np
from scipy.ndimage import median_filter
from scipy.signal import welch

from hypnolens.recordings.hypnogram import TOLERANCE_S
from hypnolens.recordings.quality import FLAT_UV, RMS_UV
from hypnolens.stages import EPOCH_S

MOST_CLIPPED = 0.25
"""Share of samples at the limits of what the file can hold. Movements clip an epoch for some seconds; it was 0.03 at
most in 407 epochs of five people (DREAMS, pyDYNAM-O)."""

MOST_FLAT = 0.5
"""Share of an epoch's seconds that may be flat; no second of these 407 epochs was."""

LINE_SHARE, ALL_LINE = 0.8, 0.98
"""Share of the power, from 0.5 Hz on, within 1 Hz of one frequency from `LINE_FROM_HZ` on, or of mains' alias where
the rate is low. It was 0.06 at most in the same epochs, 0.16 in six simulated nights. From the first on, an epoch is
kept if there is an EEG below the hum, as there is in recordings without a notch filter; from the second on, never."""

LINE_FROM_HZ = 16.0
"""Below it, rhythms of sleep dominate epochs: alpha in wake, spindles in N2."""

MAINS_HZ = (50.0, 60.0)

LEAST_UV = 3.0
"""Least root mean square below 30 Hz of what is an EEG beside hum; in the same epochs it was 6.3."""

FLATNESS = 0.87
"""Geometric over arithmetic mean of the power from 0.5 to 30 Hz, median of five epochs in a row: 0.98 of white noise,
which an open input gives, 0.90 and more of an amplifier's whose noise rises below 2 Hz. It was 0.59 at most in the same
epochs, and 0.82 in twelve simulated nights, of which single epochs of wake reached 0.96."""

FAINT = 0.1
"""Share of the night's median amplitude below which an epoch is what an electrode picks up without skin; the least
was 0.34 in the same epochs, and 0.26 in the simulated ones."""


def places_of_epochs(n_samples: int, rate: float, first_s: float) -> np.ndarray:
    """Samples of each epoch at the file's own rate, at which mains is still mains, int ``(n_epochs, n_samples)``.

    The last epoch may lack a millisecond, and repeats the last sample then.
    """
    n_epochs = int((n_samples / rate - first_s + TOLERANCE_S) // EPOCH_S)
    begins = np.floor((first_s + EPOCH_S * np.arange(n_epochs)) * rate + 1e-6).astype(int)
    return np.minimum(begins[:, None] + np.arange(int(rate * EPOCH_S)), n_samples - 1)


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
        ``not finite``; ``flat`` (below 0.5 µV for half of the epoch); ``clipped``; ``amplitude`` (above 500 µV for half
        of the epoch, so that a movement of some seconds is none); ``mains``; ``noise`` (a white spectrum, for
        minutes); ``faint``.
    """
    reasons = np.full(len(signal), "", dtype=object)

    def give(where: np.ndarray, reason: str) -> None:
        reasons[where & (reasons == "")] = reason

    finite = np.isfinite(signal).all(axis=1)
    give(~finite, "not finite")
    signal = np.where(finite[:, None], signal, 0.0)
    spread = signal.std(axis=1)
    seconds = signal[:, : int(rate) * (signal.shape[1] // int(rate))].reshape(len(signal), -1, int(rate))
    flat = (seconds.std(axis=2) < FLAT_UV).mean(axis=1)
    give(spread < FLAT_UV, "flat")
    if limits is not None:
        step = 1e-3 * (limits[1] - limits[0])
        at_limit = (signal <= limits[0] + step) | (signal >= limits[1] - step)
        give(at_limit.mean(axis=1) >= MOST_CLIPPED, "clipped")
    give(flat >= MOST_FLAT, "flat")
    centred = seconds - np.median(signal, axis=1)[:, None, None]
    give(np.median(np.sqrt((centred**2).mean(axis=2)), axis=1) > RMS_UV[1], "amplitude")
    frequency, power = welch(signal, fs=rate, nperseg=min(round(2 * rate), signal.shape[1]), axis=1)
    power = np.maximum(power, 1e-12)  # of a flat epoch, which has its reason
    width = frequency[1] - frequency[0]
    share, line = _strongest_line(frequency, power, rate)
    low = (frequency >= 0.5) & (frequency <= min(30.0, 0.4 * rate))
    beside = np.where(np.abs(frequency - line[:, None]) > 1.0, power, np.nan)[:, low]
    below = np.sqrt(np.nansum(beside, axis=1) * width)
    hum = (below < LEAST_UV) | (_flatness(beside) > FLATNESS)
    give((share > ALL_LINE) | ((share > LINE_SHARE) & hum), "mains")
    white = np.where(reasons == "", _flatness(power[:, low]), 0.0)
    give(median_filter(white, 5, mode="nearest") > FLATNESS, "noise")
    if (reasons == "").any():
        give(spread < FAINT * np.median(spread[reasons == ""]), "faint")
    return tuple(reasons)


def _flatness(power: np.ndarray) -> np.ndarray:
    """Geometric over arithmetic mean of each row; what is NaN is left out."""
    return np.exp(np.nanmean(np.log(power), axis=1)) / np.nanmean(power, axis=1)


def _strongest_line(frequency: np.ndarray, power: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Largest share of the power within 1 Hz of one frequency, and which: from `LINE_FROM_HZ` on, or mains' alias."""
    width = frequency[1] - frequency[0]
    window = np.ones(2 * max(1, round(1 / width)) + 1)
    shown = frequency >= 0.5
    total = power[:, shown].sum(axis=1)
    near = np.apply_along_axis(np.convolve, 1, power[:, shown], window, "same")
    high = frequency[shown] >= LINE_FROM_HZ
    for mains in MAINS_HZ:
        alias = abs(mains - rate * round(mains / rate))
        # Nearer to 0 Hz it is a drift, and no line.
        high |= np.abs(frequency[shown] - alias) <= width / 2 if alias > 1.5 else False
    strongest = np.where(high, near, 0.0).argmax(axis=1)
    return near[np.arange(len(near)), strongest] / total, frequency[shown][strongest]
