"""Scores of an experiment: over all test epochs, by stage, by recording, with intervals over subjects."""

from typing import Any

import numpy as np
import pandas as pd

from hypnolens.evaluation import metrics
from hypnolens.evaluation.predictions import codes
from hypnolens.stages import STAGES


def evaluate(predictions: pd.DataFrame, *, seed: int, protocol: str) -> dict[str, Any]:
    """The contents of ``metrics.json``; a value that does not exist is `None`.

    Parameters
    ----------
    predictions
        As `hypnolens.evaluation.predictions.read_predictions` gives them.
    seed
        Seed of the bootstrap.
    protocol
        On what the network was trained and chosen: ``clean`` (no test recording was opened before the end),
        ``test-selected``, ``pre-trained``.
    """
    confusion = _confusion(predictions)
    _, by_subject = confusions_by_subject(predictions)
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
            "protocol": protocol,
            "seed": seed,
            "notes": [f"{stage}: no true and no predicted epoch; left out of macro-F1" for stage in absent],
        }
    )  # type: ignore[return-value]


def evaluate_recordings(predictions: pd.DataFrame) -> pd.DataFrame:
    """A line for each recording: epochs, stages without an epoch, accuracy, macro-F1, kappa and F1 by stage."""
    return _by(predictions, ["recording", "subject", "fold"])


def evaluate_folds(predictions: pd.DataFrame) -> pd.DataFrame:
    """The same, a line for each fold."""
    return _by(predictions, ["fold"])


def confusions_by_subject(predictions: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """Subjects in order, and the confusion matrix of each, int64 ``(n_subjects, 5, 5)``."""
    groups = [(str(subject), _confusion(rows)) for subject, rows in predictions.groupby("subject", sort=True)]
    subjects, confusions = zip(*groups, strict=True)
    return list(subjects), np.stack(confusions)


def _by(predictions: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    rows = []
    for names, epochs in predictions.groupby(columns, sort=True):
        confusion = _confusion(epochs)
        values = {name: float(value) for name, value in metrics.scores(confusion).items()}
        absent = " ".join(metrics.absent_stages(confusion)) or "none"
        which = dict(zip(columns, names, strict=True))
        rows.append({**which, "epochs": len(epochs), **values, "absent": absent})
    return pd.DataFrame(rows)


def _confusion(predictions: pd.DataFrame) -> np.ndarray:
    return metrics.confusion_matrix(codes(predictions["stage_true"]), codes(predictions["stage_pred"]))
