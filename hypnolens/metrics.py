"""Scores of predicted stages, always over the five labels, from a confusion matrix."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hypnolens.stages import STAGES


def confusion_matrix(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Counts of true (rows) against predicted (columns) stage codes 0-4, int64 ``(5, 5)``."""
    n = len(STAGES)
    codes = np.asarray(true, dtype=np.int64) * n + np.asarray(predicted, dtype=np.int64)
    return np.bincount(codes, minlength=n * n).reshape(n, n)


def scores(confusion: np.ndarray) -> dict[str, Any]:
    """Accuracy, macro-F1, Cohen's kappa and the F1 of each stage.

    Parameters
    ----------
    confusion
        Counts ``(..., 5, 5)``; leading axes, such as one of bootstrap draws, are kept.

    Returns
    -------
    dict
        ``accuracy``, ``macro_f1``, ``kappa`` and ``f1_W`` to ``f1_R``, each of the shape of the leading axes. What
        is undefined is NaN: the F1 of a stage with no true and no predicted epoch, which the macro-F1 leaves
        out, and kappa where chance alone agrees perfectly.
    """
    confusion = np.asarray(confusion, dtype=np.float64)
    total = confusion.sum(axis=(-2, -1))
    hit = np.diagonal(confusion, axis1=-2, axis2=-1)
    true, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracy = hit.sum(axis=-1) / total
        chance = (true * predicted).sum(axis=-1) / total**2
        kappa = (accuracy - chance) / (1 - chance)
        f1 = 2 * hit / (true + predicted)
    present = ~np.isnan(f1)
    macro = np.where(present, f1, 0).sum(axis=-1) / np.maximum(present.sum(axis=-1), 1)
    by_stage = {f"f1_{stage}": f1[..., code] for code, stage in enumerate(STAGES)}
    return {"accuracy": accuracy, "macro_f1": macro, "kappa": kappa, **by_stage}


def per_class(confusion: np.ndarray) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of each stage; NaN where there is nothing to divide by."""
    confusion = np.asarray(confusion, dtype=np.float64)
    true, predicted, hit = confusion.sum(axis=1), confusion.sum(axis=0), np.diagonal(confusion)
    f1 = scores(confusion)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = hit / predicted, hit / true
    return {
        stage: {
            "precision": float(precision[code]),
            "recall": float(recall[code]),
            "f1": float(f1[f"f1_{stage}"]),
            "support": int(true[code]),
        }
        for code, stage in enumerate(STAGES)
    }


def absent_stages(confusion: np.ndarray) -> list[str]:
    """Stages with no true and no predicted epoch, whose F1 does not exist."""
    counts = np.asarray(confusion).sum(axis=0) + np.asarray(confusion).sum(axis=1)
    return [stage for stage, count in zip(STAGES, counts, strict=True) if count == 0]


def bootstrap_intervals(confusions: np.ndarray, *, seed: int, draws: int = 2000) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of every score, drawing subjects with replacement.

    Epochs of one night resemble each other, so that subjects, not epochs, are the sample. With fewer than about
    twenty subjects such an interval covers the truth in less than 95 % of cases.

    Parameters
    ----------
    confusions
        Confusion matrix of each subject ``(n_subjects, 5, 5)``.
    seed
        Seed of the draws.
    draws
        Bootstrap samples.
    """
    n_subjects = len(confusions)
    chosen = np.random.default_rng(seed).integers(n_subjects, size=(draws, n_subjects))
    drawn = scores(confusions[chosen].sum(axis=1))
    return {name: _percentiles(values) for name, values in drawn.items()}


def subject_interval(
    values: np.ndarray, subjects: np.ndarray, *, seed: int, weights: np.ndarray | None = None, draws: int = 2000
) -> tuple[float, float]:
    """95 % percentile interval of the mean of values ``(n,)``, drawing subjects ``(n,)`` with replacement.

    NaN for fewer than two subjects, of whom there is nothing to draw. ``weights`` ``(n,)`` are all 1 by default.
    """
    names, of = np.unique(subjects, return_inverse=True)
    if len(names) < 2:
        return (float("nan"), float("nan"))
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    totals, counts = np.bincount(of, weights=values * weights), np.bincount(of, weights=weights)
    chosen = np.random.default_rng(seed).integers(len(names), size=(draws, len(names)))
    return _percentiles(totals[chosen].sum(axis=1) / counts[chosen].sum(axis=1))


def without_nan(value: object) -> object:
    """The value with `None` for each NaN, as JSON has no NaN."""
    if isinstance(value, Mapping):
        return {key: without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(entry) for entry in value]
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else float(value)
    return value


def _percentiles(values: np.ndarray) -> tuple[float, float]:
    defined = values[~np.isnan(values)]
    if len(defined) == 0:
        return (float("nan"), float("nan"))
    low, high = np.percentile(defined, [2.5, 97.5])
    return (float(low), float(high))
