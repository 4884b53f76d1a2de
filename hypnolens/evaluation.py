"""Scores of an experiment: over all test epochs, by stage, by recording, with intervals over subjects."""

from typing import Any

import numpy as np
import pandas as pd

from hypnolens import metrics
from hypnolens.predictions import codes
from hypnolens.stages import STAGES

PROTOCOL = "clean"
"""The pass that is kept was chosen on validation subjects; no test recording was opened before the end."""


def evaluate(predictions: pd.DataFrame, *, seed: int) -> dict[str, Any]:
    """The contents of ``metrics.json``; a value that does not exist is `None`.

    Parameters
    ----------
    predictions
        As `hypnolens.predictions.read_predictions` gives them.
    seed
        Seed of the bootstrap.
    """
    confusion = _confusion(predictions)
    by_subject = np.stack([_confusion(rows) for _, rows in predictions.groupby("subject", sort=True)])
    pooled = metrics.scores(confusion)
    absent = metrics.absent_stages(confusion)
    return metrics.without_nan(
        {
            **{name: float(pooled[name]) for name in ("accuracy", "macro_f1", "kappa")},
            "per_class": metrics.per_class(confusion),
            "confusion_matrix": confusion.tolist(),
            "stages": list(STAGES),
            "n_epochs": len(predictions),
            "n_subjects": len(by_subject),
            "n_recordings": int(predictions["recording"].nunique()),
            "n_folds": int(predictions["fold"].nunique()),
            "ci95": metrics.bootstrap_intervals(by_subject, seed=seed),
            "protocol": PROTOCOL,
            "seed": seed,
            "notes": [f"{stage}: no true and no predicted epoch; left out of macro-F1" for stage in absent],
        }
    )  # type: ignore[return-value]


def evaluate_recordings(predictions: pd.DataFrame) -> pd.DataFrame:
    """A line for each recording: epochs, stages without an epoch, accuracy, macro-F1, kappa and F1 by stage."""
    rows = []
    for (recording, subject, fold), epochs in predictions.groupby(["recording", "subject", "fold"], sort=True):
        confusion = _confusion(epochs)
        values = {name: float(value) for name, value in metrics.scores(confusion).items()}
        absent = " ".join(metrics.absent_stages(confusion)) or "none"
        rows.append(
            {
                "recording": recording,
                "subject": subject,
                "fold": fold,
                "epochs": len(epochs),
                **values,
                "absent": absent,
            }
        )
    return pd.DataFrame(rows)


def _confusion(predictions: pd.DataFrame) -> np.ndarray:
    return metrics.confusion_matrix(codes(predictions["stage_true"]), codes(predictions["stage_pred"]))
