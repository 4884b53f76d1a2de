"""Maps of the test recordings of a fold, as a file: attributions by method, in bins of a tenth of a second."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hypnolens.io.tensors import opened, write_tensors

LAYER_IG = "layer-integrated-gradients"
"""The method whose maps are shown first; see `hypnolens.explanations.attributions.attribute` for all."""

GRAD_CAM = "grad-cam"
"""The paper's method."""

ABSENT = "absent"
"""Among the orders in which an epoch is taken away: it is not there at all, and its neighbours alone decide."""


@dataclass(frozen=True)
class RecordingMaps:
    """Attributions of one recording, each epoch explained for the stage that was predicted.

    Attributes
    ----------
    recording, subject
        Whose they are.
    context
        Part of each place of the window in the logit, float32 ``(n_epochs, W)``.
    sample
        Rows that every method has explained, int64 ``(n,)``: correctly staged epochs.
    rows
        Rows that a method has explained, int64 ``(n_rows,)``.
    maps
        What it gave, float32 ``(n_rows, n_bins)``, not negative.
    """

    recording: str
    subject: str
    context: np.ndarray
    sample: np.ndarray
    rows: Mapping[str, np.ndarray]
    maps: Mapping[str, np.ndarray]

    def of(self, method: str, rows: np.ndarray) -> np.ndarray:
        """Maps of some of the rows that a method has explained."""
        return self.maps[method][np.searchsorted(self.rows[method], rows)]


def binned(maps: np.ndarray, n_bins: int) -> np.ndarray:
    """Means of maps ``(n, n_samples)`` over bins, float64 ``(n, n_bins)``; samples are dealt to bins by their time."""
    n_samples = maps.shape[1]
    edges = np.ceil(np.linspace(0, n_samples, n_bins + 1) - 1e-9).astype(int)
    sums = np.add.reduceat(maps.astype(np.float64), edges[:-1], axis=1)
    return sums / np.diff(edges)


def neighbours_part(context: np.ndarray) -> np.ndarray:
    """Share of the neighbours in decisions ``(n,)``, from the parts of the window's places ``(n, W)``; NaN for none."""
    parts = np.abs(context)
    total = parts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - parts[:, parts.shape[1] // 2] / total


def write_maps(recordings: Sequence[RecordingMaps], path: Path, about: Mapping[str, Any] | None = None) -> None:
    """Write maps and what they are of; a map is kept as float16 shares of its maximum, and the maximum as float32."""
    tensors = {}
    for one in recordings:
        tensors[f"{one.recording}/context"] = one.context.astype(np.float32)
        tensors[f"{one.recording}/sample"] = one.sample.astype(np.int64)
        for method, maps in one.maps.items():
            peak = maps.max(axis=1, keepdims=True, initial=0.0)
            shares = np.divide(maps, peak, out=np.zeros_like(maps), where=peak > 0)
            tensors[f"{one.recording}/{method}/rows"] = one.rows[method].astype(np.int64)
            tensors[f"{one.recording}/{method}/shares"] = shares.astype(np.float16)
            tensors[f"{one.recording}/{method}/peak"] = peak.astype(np.float32)
    index = [{"recording": r.recording, "subject": r.subject, "methods": list(r.maps)} for r in recordings]
    write_tensors(tensors, {"recordings": json.dumps(index)}, path, about)


def read_maps(
    path: Path, wanted: Mapping[str, Any] | None = None, *, recording: str | None = None, maps: bool = True
) -> list[RecordingMaps]:
    """Read what `write_maps` wrote, of one recording or of all, with or without the maps themselves.

    Raises
    ------
    DamagedError
        The file is damaged; of what is not read nothing is said.
    OtherError
        The file is not of what is ``wanted``, see `hypnolens.io.about`.
    """
    with opened(path, wanted=wanted) as file:
        found = []
        for entry in json.loads(file.texts["recordings"]):
            name, methods = entry["recording"], entry["methods"] if maps else ()
            if recording not in (None, name):
                continue
            given = {
                method: file[f"{name}/{method}/shares"].astype(np.float32) * file[f"{name}/{method}/peak"]
                for method in methods
            }
            rows = {method: file[f"{name}/{method}/rows"] for method in methods}
            context, sample = file[f"{name}/context"], file[f"{name}/sample"]
            found.append(RecordingMaps(name, entry["subject"], context, sample, rows, given))
        return found
