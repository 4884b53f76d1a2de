"""The table of figures that simulated nights are calibrated on."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

BANDS: dict[str, tuple[float, float]] = {
    "delta": (0.5, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 13.0),
    "beta": (13.0, 30.0),
    "gamma": (30.0, 50.0),
}

# Rechtschaffen & Kales labels of a hypnogram, in the order of the table's transition matrix.
LABELS: tuple[str, ...] = ("W", "1", "2", "3", "4", "R", "M", "?")

# The AASM stage whose spectrum an epoch of a label has. Movement and unscored epochs are drawn as wakefulness:
# in Sleep-EDF they are mostly arousals and moments in which the recorder was being handled.
SPECTRUM: dict[str, str] = {
    "W": "W", "1": "N1", "2": "N2", "3": "N3", "4": "N3", "R": "R", "M": "W", "?": "W",
}  # fmt: skip


@cache
def calibration() -> dict[str, Any]:
    """Return the figures of real Sleep-EDF nights in ``hypnolens/data/sleepedf_statistics.json``."""
    text = (files("hypnolens") / "data" / "sleepedf_statistics.json").read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


def square_root(covariance: Any) -> NDArray[np.float64]:
    """Return L with L @ L.T equal to a covariance, its rounding errors below zero taken as zero."""
    values, vectors = np.linalg.eigh(np.asarray(covariance, dtype=np.float64))
    root: NDArray[np.float64] = vectors * np.sqrt(np.clip(values, 0.0, None))
    return root
