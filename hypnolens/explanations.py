"""The clearest epoch of each stage with its attribution, and the file that holds them."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import safetensors
from safetensors.numpy import save_file

from hypnolens.stages import STAGES


@dataclass(frozen=True)
class Explained:
    """One explained epoch: where it lies, how sure the network was, its signal in µV and its attribution."""

    stage: str
    recording: str
    subject: str
    epoch_index: int
    onset_s: float
    fold: int
    probability: float
    rate: float
    signal: np.ndarray
    attribution: np.ndarray


def clearest(predictions: pd.DataFrame) -> pd.DataFrame:
    """For each stage the correctly staged epoch of highest probability; a stage without one has no row."""
    correct = predictions[predictions["stage_true"] == predictions["stage_pred"]]
    rows = []
    for stage in STAGES:
        of_stage = correct[correct["stage_true"] == stage]
        if len(of_stage):
            rows.append(of_stage.iloc[int(of_stage[f"p_{stage}"].to_numpy().argmax())])
    return pd.DataFrame(rows, columns=predictions.columns)


def write_explained(explained: Sequence[Explained], path: Path) -> None:
    """Write explained epochs as safetensors, two tensors each and a table of the rest as metadata."""
    tensors = {}
    for epoch in explained:
        tensors[f"{epoch.stage}.signal"] = epoch.signal.astype(np.float32)
        tensors[f"{epoch.stage}.attribution"] = epoch.attribution.astype(np.float32)
    rows = [{k: v for k, v in asdict(e).items() if k not in ("signal", "attribution")} for e in explained]
    save_file(tensors, path, {"epochs": json.dumps(rows)})


def read_explained(path: Path) -> dict[str, Explained]:
    """Explained epochs by stage."""
    with safetensors.safe_open(path, framework="numpy") as file:
        rows = json.loads(file.metadata()["epochs"])
        return {
            row["stage"]: Explained(
                **row,
                signal=file.get_tensor(f"{row['stage']}.signal"),
                attribution=file.get_tensor(f"{row['stage']}.attribution"),
            )
            for row in rows
        }
