"""Units of signals as files write them, and whether what they say can be a scalp EEG."""

import re

import numpy as np

from hypnolens.errors import RecordingError
from hypnolens.recordings.quality import FLAT_UV, RMS_UV
from hypnolens.stages import EPOCH_S

MICROVOLTS = {"uV": 1.0, "µV": 1.0, "μV": 1.0, "mV": 1e3, "V": 1e6, "nV": 1e-3}
"""Physical dimensions of EDF headers, in µV. The two letters that look like µ are different characters."""

SPELLED = ("uv", "µv", "μv", "microv", "microvolt", "microvolts")
"""Other spellings of µV, in small letters; those of mV and MV would differ in their case."""

LOST_MICRO = re.compile(r"(?:[^A-Za-z0-9\s]{1,3}|Âµ|Î¼|\x83Ê)[vV]")
"""A micro sign in another encoding, or what a program put in its place (``.V``, ``?V``)."""

PLAUSIBLE_UV = (2.0, 300.0)
"""Median standard deviation of a night's epochs of scalp EEG in µV, with room on both sides: it is 13 to 26 in five
real recordings (DREAMS, pyDYNAM-O) and 12 to 18 in six simulated nights."""

FACTORS = (1e3, 1e6, 1e-3, 1e-6, 1e9, 1e-9)
"""By what the values of a file with a wrong unit are wrong: mV, V, nV for µV, and the other way round."""

LEAST_PLAUSIBLE = 0.1
"""Share of epochs that can be EEG by the header's unit from which on the unit is believed. The rest of the night may be
without electrodes, when a recorder was left running."""


def microvolts(unit: str) -> float | None:
    """µV of one of a unit as a header writes it; `None` of what is no voltage."""
    if unit in MICROVOLTS:
        return MICROVOLTS[unit]
    return 1.0 if unit.lower() in SPELLED or LOST_MICRO.fullmatch(unit) else None


def unit_factor(signal: np.ndarray, rate: float, unit: str, channel: str, name: str) -> tuple[float, str]:
    """By what to multiply a channel so that it can be scalp EEG, and the sentence that says so.

    Parameters
    ----------
    signal
        In µV by its unit, or as it stands in the file where that is no voltage, ``(n_samples,)``.
    rate
        In Hz.
    unit
        As the header writes it.
    channel, name
        Of the channel and the recording, for sentences.

    Raises
    ------
    RecordingError
        The channel is flat, or of an amplitude that no unit explains.
    """
    n_samples = int(rate * EPOCH_S)
    cut = signal[: len(signal) // n_samples * n_samples].reshape(-1, n_samples)
    spread = np.nan_to_num(cut.std(axis=1, dtype=np.float64), nan=0.0, posinf=0.0)
    # A constant has rounding errors of a ten-millionth of its value.
    alive = spread[spread > 1e-6 * np.nan_to_num(np.abs(cut).max(axis=1), posinf=0.0)]
    if len(alive) == 0:
        raise RecordingError(name, f"channel '{channel}' is flat throughout", "choose another channel")
    median = float(np.median(alive))
    plausible = float(((alive >= PLAUSIBLE_UV[0]) & (alive <= PLAUSIBLE_UV[1])).mean())
    known = microvolts(unit) is not None
    odd = "" if known else f"the header gives '{unit}' as its unit, which is no voltage; taken for µV"
    if FLAT_UV <= median <= RMS_UV[1] or plausible >= LEAST_PLAUSIBLE:
        return 1.0, f"{channel}: {odd}" if odd else ""
    fits = [factor for factor in FACTORS if PLAUSIBLE_UV[0] <= median * factor <= PLAUSIBLE_UV[1]]
    if not fits:
        raise RecordingError(
            name,
            f"channel '{channel}' has a median amplitude of {median:.3g} µV by its header ('{unit}'), and no factor of "
            "a thousand makes a scalp EEG of it",
            "correct the unit and the range in the header, or choose another channel",
        )
    said = f"its header gives '{unit}'" if unit else "its header gives no unit"
    return fits[0], (
        f"{channel}: median amplitude {median:.3g} µV by the header cannot be scalp EEG ({said}); multiplied by "
        f"{fits[0]:g}, which gives {median * fits[0]:.3g} µV. Correct the unit in the file"
    )
