"""Epochs to look at with their maps and events, and the file that holds them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hypnolens.io.tensors import opened, write_tensors
from hypnolens.stages import EPOCH_S, STAGES

CLEAREST, UNSURE = "clearest", "least sure"
"""Groups of correctly staged epochs; a group of errors is named like ``N1 as R``."""

N_ERRORS = 5
"""Kinds of errors that are shown: the most frequent."""


@dataclass(frozen=True)
class Explained:
    """One explained epoch.

    Attributes
    ----------
    group
        Why it was chosen.
    stage, stage_true
        The predicted stage, which is the one explained, and the expert's.
    recording, subject, epoch_index, onset_s, fold
        Which epoch it is, and whose network staged it.
    probability
        Of the predicted stage.
    context
        Share of the window's neighbours in the decision, 0 to 1.
    rate
        Sampling rate in Hz.
    events
        Detected events: seconds from the start of the epoch, duration in s, kind.
    signal
        µV ``(n_samples,)``.
    maps
        Attribution by method ``(n_samples,)``.
    """

    group: str
    stage: str
    stage_true: str
    recording: str
    subject: str
    epoch_index: int
    onset_s: float
    fold: int
    probability: float
    context: float
    rate: float
    events: Sequence[tuple[float, float, str]]
    signal: np.ndarray
    maps: Mapping[str, np.ndarray]


def choose(predictions: pd.DataFrame) -> pd.DataFrame:
    """Epochs to show, with their ``group``.

    For each stage the correctly staged epochs of highest and of lowest probability, and for each of the most frequent
    kinds of errors the one of highest probability. What there is none of has no row.

    Parameters
    ----------
    predictions
        As `hypnolens.evaluation.predictions.read_predictions` gives them.
    """
    sure = predictions[[f"p_{stage}" for stage in STAGES]].max(axis=1)
    right = predictions["stage_true"] == predictions["stage_pred"]
    rows = []
    for group, last in ((CLEAREST, -1), (UNSURE, 0)):
        for stage in STAGES:
            own = sure[right & (predictions["stage_true"] == stage)]
            if len(own):
                order = own.sort_values(kind="stable").index
                rows.append((group, order[last]))
    wrong = predictions[~right]
    kinds = wrong.groupby(["stage_true", "stage_pred"], sort=True).size().sort_values(ascending=False, kind="stable")
    for true, predicted in kinds.index[:N_ERRORS]:
        own = sure[(predictions["stage_true"] == true) & (predictions["stage_pred"] == predicted)]
        rows.append((f"{true} as {predicted}", own.idxmax()))
    chosen = predictions.loc[[row for _, row in rows]]
    return chosen.assign(group=[group for group, _ in rows]).reset_index(drop=True)


def events_within(events: pd.DataFrame, onset_s: float) -> list[tuple[float, float, str]]:
    """Events of the 30 s from an onset on, cut to them: start in the epoch and duration in s, and kind."""
    begin = (events["onset_s"] - onset_s).clip(lower=0)
    end = (events["onset_s"] + events["duration_s"] - onset_s).clip(upper=EPOCH_S)
    inside = events[begin < end].index
    return [(round(float(begin[i]), 3), round(float(end[i] - begin[i]), 3), str(events.loc[i, "kind"])) for i in inside]


def write_explained(explained: Sequence[Explained], path: Path) -> None:
    """Write explained epochs as tensors, signal and maps of each, and a table of the rest beside them."""
    tensors, rows = {}, []
    for number, epoch in enumerate(explained):
        tensors[f"{number}/signal"] = epoch.signal.astype(np.float32)
        tensors |= {f"{number}/{method}": values.astype(np.float32) for method, values in epoch.maps.items()}
        row = {key: value for key, value in asdict(epoch).items() if key not in ("signal", "maps")}
        rows.append({**row, "methods": list(epoch.maps)})
    write_tensors(tensors, {"epochs": json.dumps(rows)}, path)


def read_explained(path: Path) -> list[Explained]:
    """Read what `write_explained` wrote; a damaged file is refused as by `hypnolens.io.tensors.opened`."""
    with opened(path) as file:
        found = []
        for number, row in enumerate(json.loads(file.texts["epochs"])):
            maps = {method: file[f"{number}/{method}"] for method in row.pop("methods")}
            found.append(Explained(**row, signal=file[f"{number}/signal"], maps=maps))
        return found
