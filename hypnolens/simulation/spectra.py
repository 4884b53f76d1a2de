"""Band powers of the epochs of a simulated night: what its EEG is synthesised to have."""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import ndtri

from hypnolens.simulation.table import SPECTRUM, calibration, square_root

STAGES: tuple[str, ...] = ("W", "N1", "N2", "N3", "R")
N3 = STAGES.index("N3")

# Standard normal deviates of the table's quantiles (0.01, 0.05, 0.5, 0.95, 0.99), and of a thousand equal steps.
DEVIATES = ndtri([0.01, 0.05, 0.5, 0.95, 0.99])
GRID = ndtri((np.arange(1000) + 0.5) / 1000)

# Sleep drifts from one stage into the next, whereas a scorer must name one. The share of the neighbouring stage is a
# half at a boundary and falls off exponentially, over so many epochs on average; deep sleep comes and goes quicker.
# With these two, the spread and the memory below, the same trees stage simulated nights as well as real ones. The
# table's model alone (no drift, spread 1, memory ended by each bout) is too easy: 0.88 accuracy instead of 0.82.
DRIFT = 12.0
DEEP_DRIFT = 0.8

# Standard deviation within a stage relative to the table's.
SPREAD = 1.08

# Lag-1 autocorrelation of the slow part of the deviations within a stage; the rest is white, in such a proportion that
# the sum has the table's lag-1 autocorrelation. Slow parts last over several bouts, so that looking at neighbouring
# epochs helps no more than it does on real nights.
MEMORY = 0.97


def draw_offset(name: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the offset ``(5,)``, log10, of a ``"subject"`` or a ``"night"`` from the table's normal distribution."""
    root = square_root(calibration()["spectra"][f"{name}_offset_cov"])
    # Limited, so that the mean of ten simulated people stays near that of the ten real ones.
    return (root * rng.standard_normal(5).clip(-1.5, 1.5)).sum(axis=1)


def simulate_band_powers(
    stages: list[str], *, offset: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw the band powers of each epoch at Fpz-Cz.

    The model is the one that the table was fitted with: a mean by stage, an offset of the subject, the night and the
    stage in that night, and a deviation within the stage that is first-order autoregressive over time and whose
    distribution follows the real quantiles (a long upper tail: arousals, muscle).

    Parameters
    ----------
    stages
        R&K label of each epoch.
    offset
        Sum of subject's and night's offset, log10, ``(5,)``.
    rng
        Source of chance.

    Returns
    -------
    powers : ndarray
        log10 of the mean power density in µV²/Hz, delta to gamma, ``(n_epochs, 5)``.
    shares : ndarray
        Share of each of ``STAGES`` in each epoch, ``(n_epochs, 5)``: 1 for its own far from any boundary.
    """
    table = calibration()["spectra"]["stages"]
    codes = np.array([STAGES.index(SPECTRUM[label]) for label in stages])
    means = np.array([table[stage]["mean"] for stage in STAGES])
    means = means + np.array(
        [(square_root(table[stage]["stage_offset_cov"]) * rng.standard_normal(5)).sum(axis=1) for stage in STAGES]
    )
    # einsum, not @: its result cannot depend on the number of BLAS threads.
    shares = _drift(codes, rng)
    level = np.einsum("es,sb->eb", shares, means)
    for code in np.unique(codes):  # drifting has pulled the stages' means together: put them back
        level[codes == code] += means[code] - level[codes == code].mean(axis=0)
    return level + offset + SPREAD * _deviations(codes, rng), shares


def _drift(codes: NDArray[np.int_], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the share ``(n_epochs, 5)`` of each stage in each epoch: mostly the scored one, less at boundaries."""
    shares = np.eye(len(STAGES))[codes]
    mixed = shares.copy()
    for boundary in np.flatnonzero(np.diff(codes)) + 1:
        before, after = codes[boundary - 1], codes[boundary]
        width = DEEP_DRIFT if N3 in (before, after) else DRIFT
        for other, epochs in ((before, range(boundary, len(codes))), (after, range(boundary - 1, -1, -1))):
            slope = rng.exponential(width)  # a transition may be early or late, sharp or slow
            for distance, epoch in enumerate(epochs):
                part = 0.5 * np.exp(-(distance + 0.5) / slope)
                if part < 0.01 or codes[epoch] != codes[epochs[0]]:
                    break
                mixed[epoch] *= 1.0 - part
                mixed[epoch, other] += part
    return mixed


def _deviations(codes: NDArray[np.int_], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the deviations ``(n_epochs, 5)`` from the stages' means, log10."""
    fast = rng.standard_normal((len(codes), 5))
    slow = lfilter([np.sqrt(1.0 - MEMORY**2)], [1.0, -MEMORY], rng.standard_normal((len(codes) + 100, 5)), axis=0)[100:]
    deviations = np.empty_like(fast)
    for code, stage in enumerate(STAGES):
        table = calibration()["spectra"]["stages"][stage]
        covariance = np.array(table["within_cov"])
        scale = np.sqrt(np.diag(covariance))
        root = square_root(covariance / np.outer(scale, scale))
        share = np.array(table["lag1_autocorrelation"]) / MEMORY
        chosen = codes == code
        normal = np.sqrt(share) * np.einsum("ek,bk->eb", slow[chosen], root)
        normal += np.sqrt(1.0 - share) * np.einsum("ek,bk->eb", fast[chosen], root)
        for band, quantiles in enumerate(np.array(list(table["within_quantiles"].values())).T):
            # Interpolation alone would overstate the mean and spread of long-tailed bands.
            standard = _interpolate(GRID, quantiles)
            mapped = (_interpolate(normal[:, band], quantiles) - standard.mean()) / standard.std()
            deviations[chosen, band] = scale[band] * mapped
    return deviations


def _interpolate(normal: NDArray[np.float64], quantiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map standard normal deviates to a distribution of the given quantiles, linear between and beyond."""
    inner = np.interp(normal, DEVIATES, quantiles)
    low = (quantiles[1] - quantiles[0]) / (DEVIATES[1] - DEVIATES[0])
    high = (quantiles[-1] - quantiles[-2]) / (DEVIATES[-1] - DEVIATES[-2])
    limited = np.clip(normal, -3.0, 3.0)
    below, above = np.minimum(limited - DEVIATES[0], 0.0), np.maximum(limited - DEVIATES[-1], 0.0)
    return np.asarray(inner + low * below + high * above)
