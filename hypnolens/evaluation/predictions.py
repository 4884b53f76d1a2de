"""Predictions of test recordings, as a table and read back: a line for each kept epoch, whatever staged it."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hypnolens.errors import HypnolensError
from hypnolens.io.parquet import read_parquet
from hypnolens.recordings.epochs import Epochs
from hypnolens.stages import CODE, STAGES

PROBABILITIES = [f"p_{stage}" for stage in STAGES]


def predictions_of(epochs: Epochs, probabilities: np.ndarray) -> pd.DataFrame:
    """Predictions of one recording, from probabilities ``(n_epochs, 5)``.

    Columns: ``recording subject epoch_index onset_s stage_true stage_pred p_W p_N1 p_N2 p_N3 p_R``.
    """
    names = np.array(STAGES)
    frame = {
        "recording": epochs.recording,
        "subject": epochs.subject,
        "epoch_index": epochs.epoch_index,
        "onset_s": epochs.onset_s,
        "stage_true": names[epochs.stage],
        "stage_pred": names[probabilities.argmax(axis=1)],
    }
    columns = dict(zip(PROBABILITIES, probabilities.astype(np.float32).T, strict=True))
    return pd.DataFrame({**frame, **columns})


def read_predictions(paths: Iterable[str | Path], wanted: Iterable[Mapping[str, Any]] | None = None) -> pd.DataFrame:
    """Predictions of several folds, with the number of the file in the column ``fold``.

    Parameters
    ----------
    paths
        Files of the folds.
    wanted
        What each should be of, see `hypnolens.io.about`; by default of the folds from 0 on.

    Raises
    ------
    HypnolensError
        A file is damaged (`DamagedError`) or of something else (`OtherError`), or an epoch was predicted twice.
    """
    each = zip(paths, ({"fold": number} for number in count()) if wanted is None else wanted, strict=wanted is not None)
    frames = [read_parquet(path, about).assign(fold=number) for number, (path, about) in enumerate(each)]
    predictions = pd.concat(frames, ignore_index=True)
    twice = predictions.duplicated(["recording", "epoch_index"])
    if twice.any():
        recording = predictions.loc[twice, "recording"].iloc[0]
        raise HypnolensError(f"{recording}: predicted in more than one fold; correct the table of folds")
    return predictions


def mean_predictions(members: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Predictions by the mean probability of several stagers, in the order of the first.

    Raises
    ------
    HypnolensError
        They are not of the same epochs.
    """
    keys = ["recording", "epoch_index"]
    first = members[0]
    ordered = [first[keys].merge(member, on=keys, how="left", validate="one_to_one") for member in members]
    for member, of_first in zip(members, ordered, strict=True):
        if len(member) != len(first) or list(of_first["stage_true"]) != list(first["stage_true"]):
            raise HypnolensError("members of an ensemble staged other epochs; make their predictions again")
    mean = np.mean([of_first[PROBABILITIES].to_numpy(dtype=np.float64) for of_first in ordered], axis=0)
    of_stages = dict(zip(PROBABILITIES, mean.astype(np.float32).T, strict=True))
    return first.assign(stage_pred=np.array(STAGES)[mean.argmax(axis=1)], **of_stages)


def codes(stages: pd.Series) -> np.ndarray:
    """Stage names as codes, int64 ``(n,)``."""
    return stages.map(CODE).to_numpy(dtype=np.int64)
