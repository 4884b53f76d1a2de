"""What is wrong with a signal that could be read: one short line of flags a recording."""

import numpy as np
from scipy.signal import welch

FLAT_UV = 0.5
"""An epoch whose standard deviation is below this (µV) carries no EEG: a lead that is off or shorted."""

RMS_UV = (1.0, 500.0)
"""Root mean square of a scalp EEG in µV; outside it the unit or the gain is probably wrong."""


def quality_flags(epochs: np.ndarray, *, rate: float, limits: tuple[float, float] | None, missing: int) -> list[str]:
    """Flags of a recording, each with the number of epochs or the value that raised it.

    Parameters
    ----------
    epochs
        Kept epochs in µV ``(n_epochs, n_samples)``.
    rate
        Sampling rate in Hz.
    limits
        Lowest and highest value in µV that the file can hold; `None` where that is not known.
    missing
        Epochs between the first and the last kept one that were dropped.

    Returns
    -------
    list of str
        ``flat=N`` (standard deviation below 0.5 µV), ``clipped=N`` (1 % of samples or more at the limits),
        ``amplitude=X`` (median RMS in µV outside 1-500), ``mains=H`` (a line at H Hz 10 times above its
        surroundings; looked for where the rate allows), ``missing=N``.
    """
    flags = []
    spread = epochs.std(axis=1)
    if flat := int((spread < FLAT_UV).sum()):
        flags.append(f"flat={flat}")
    if limits is not None:
        step = 1e-3 * (limits[1] - limits[0])
        at_limit = (epochs <= limits[0] + step) | (epochs >= limits[1] - step)
        if clipped := int((at_limit.mean(axis=1) >= 0.01).sum()):
            flags.append(f"clipped={clipped}")
    median = float(np.median(spread))
    if not RMS_UV[0] <= median <= RMS_UV[1]:
        flags.append(f"amplitude={median:.3g}")
    flags += [f"mains={line}" for line in (50, 60) if _has_line(epochs, rate, line)]
    if missing:
        flags.append(f"missing={missing}")
    return flags


def _has_line(epochs: np.ndarray, rate: float, line: float) -> bool:
    if rate < 2 * (line + 5):
        return False
    sample = epochs[:: max(1, len(epochs) // 100)]  # a hundred epochs tell as much as a thousand
    frequency, power = welch(sample, fs=rate, nperseg=int(4 * rate), axis=1)
    spectrum = np.median(power, axis=0)
    peak = spectrum[np.abs(frequency - line) <= 0.5].max()
    around = spectrum[(np.abs(frequency - line) > 1) & (np.abs(frequency - line) <= 5)]
    return bool(peak > 10 * np.median(around))
