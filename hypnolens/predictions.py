"""Predictions of test recordings, read back: a line for each kept epoch. `hypnolens.inference` makes them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from hypnolens.errors import HypnolensError
from hypnolens.stages import CODE, STAGES

PROBABILITIES = [f"p_{stage}" for stage in STAGES]


def read_predictions(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Predictions of several folds, with the number of the file in the column ``fold``.

    Raises
    ------
    HypnolensError
        A file is damaged, or an epoch was predicted twice.
    """
    frames = []
    for number, path in enumerate(paths):
        try:
            frames.append(pd.read_parquet(path).assign(fold=number))
        except Exception as error:  # pyarrow raises a dozen kinds for a damaged file
            raise HypnolensError(f"{path}: damaged ({error}); delete it and run again") from error
    predictions = pd.concat(frames, ignore_index=True)
    twice = predictions.duplicated(["recording", "epoch_index"])
    if twice.any():
        recording = predictions.loc[twice, "recording"].iloc[0]
        raise HypnolensError(f"{recording}: predicted in more than one fold; correct the table of folds")
    return predictions


def codes(stages: pd.Series) -> np.ndarray:
    """Stage names as codes, int64 ``(n,)``."""
    return stages.map(CODE).to_numpy(dtype=np.int64)
