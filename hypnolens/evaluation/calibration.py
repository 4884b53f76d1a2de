"""Whether probabilities mean what they say: confidence against accuracy, and scores of the probabilities themselves.

Predictions are as `hypnolens.evaluation.predictions.read_predictions` gives them; a seed is that of the bootstrap of
subjects.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from hypnolens.evaluation.metrics import SHARE, subject_interval
from hypnolens.evaluation.predictions import PROBABILITIES, codes
from hypnolens.stages import STAGES

BINS = 15
"""Bins of equal width from 0 to 1, as in Guo et al. (2017)."""

KEPT = tuple(round(0.05 * step, 2) for step in range(1, 21))
"""Shares of epochs that are kept where the rest is left to a person."""

LEAST = float(np.finfo(np.float32).tiny)
"""Probability that a lower one counts as in the log-likelihood, as float32 rounds what is much smaller to 0."""


def reliability(predictions: pd.DataFrame, bins: int = BINS) -> pd.DataFrame:
    """Confidence and accuracy of epochs in bins of confidence, which is the probability of the predicted stage.

    Parameters
    ----------
    bins
        Number of bins of equal width from 0 to 1; a border belongs to the bin below it (Guo et al. 2017, section 2).

    Returns
    -------
    pandas.DataFrame
        A line a bin: ``low high`` (its borders), ``epochs`` in it, their mean ``confidence`` and ``accuracy``, which
        are NaN for a bin without an epoch.
    """
    confidence, right = _top_label(predictions)
    epochs, mean, accuracy = _binned(confidence, right, bins)
    edges = np.linspace(0, 1, bins + 1)
    table = {"low": edges[:-1], "high": edges[1:], "epochs": epochs, "confidence": mean, "accuracy": accuracy}
    return pd.DataFrame(table).round(4)


def calibration_table(predictions: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Errors of calibration and scores of the probabilities, over all epochs.

    A line each of

    - ``ece``: expected calibration error, the mean of \\|accuracy - confidence\\| over bins, weighed by their epochs
      (Guo et al. 2017, On calibration of modern neural networks, ICML);
    - ``overconfidence``: mean confidence minus accuracy; below 0 where probabilities are too modest;
    - ``classwise_ece``: of the probability of a stage, whatever was predicted, against that stage's share, in bins of
      that probability; of ``all`` stages, their mean (Kull et al. 2019, Beyond temperature scaling, NeurIPS);
    - ``brier``: multiclass Brier score, the sum of squared errors of the five probabilities, from 0 to 2, averaged over
      epochs (Brier 1950, Monthly Weather Review 78, 1-3);
    - ``nll``: negative log-likelihood, the mean of -ln of the probability of the true stage; probabilities below
      `LEAST` count as that.

    An error in bins has no interval. A sum of absolute values can only grow by chance, so that already the value is
    too high of few epochs, and a sample of it, drawn a second time, even more: bootstrap intervals of perfectly
    calibrated probabilities leave out the truth, 0, always. The intervals of ``overconfidence``, ``brier`` and ``nll``,
    which are means over epochs, have no such fault.

    Returns
    -------
    pandas.DataFrame
        Columns ``quantity stage value low high``; stage is ``all`` or a stage. ``low`` and ``high`` are the 95 %
        interval over subjects, NaN where there is none and for a single subject.
    """
    confidence, right = _top_label(predictions)
    subjects = predictions["subject"].to_numpy()
    true = codes(predictions["stage_true"])
    probabilities = predictions[PROBABILITIES].to_numpy(dtype=np.float64)
    is_stage = true[:, None] == np.arange(len(STAGES))
    by_stage = [_error(p, is_one) for p, is_one in zip(probabilities.T, is_stage.T, strict=True)]
    means: dict[str, tuple[np.ndarray, tuple[float, float] | None]] = {
        "overconfidence": (confidence - right, (-1.0, 1.0)),
        "brier": (((probabilities - is_stage) ** 2).sum(axis=1), (0.0, 2.0)),
        "nll": (-np.log(np.maximum(probabilities[is_stage], LEAST)), None),
    }
    none = float("nan")
    rows: list[tuple[str, str, float, float, float]] = [("ece", "all", _error(confidence, right), none, none)]
    for quantity, (values, limits) in means.items():
        low, high = subject_interval(values, subjects, seed=seed, limits=limits)
        rows.append((quantity, "all", float(values.mean()), low, high))
    rows.append(("classwise_ece", "all", float(np.mean(by_stage)), none, none))
    rows += [("classwise_ece", stage, error, none, none) for stage, error in zip(STAGES, by_stage, strict=True)]
    return pd.DataFrame(rows, columns=["quantity", "stage", "value", "low", "high"]).round(4)


def corrected(predictions: pd.DataFrame, temperatures: Mapping[int, float]) -> pd.DataFrame:
    """Predictions whose probabilities are brought to a temperature a fold (Guo et al. 2017): no stage changes."""
    logits = np.log(np.maximum(predictions[PROBABILITIES].to_numpy(dtype=np.float64), LEAST))
    logits /= predictions["fold"].map(temperatures).to_numpy()[:, None]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return predictions.assign(**dict(zip(PROBABILITIES, (odds / odds.sum(axis=1, keepdims=True)).T, strict=True)))


def with_correction(predictions: pd.DataFrame, temperatures: Mapping[int, float], *, seed: int) -> pd.DataFrame:
    """`calibration_table`, and what it would be at temperatures that were fitted on validation subjects.

    Parameters
    ----------
    temperatures
        One a fold; empty where there are none.

    Returns
    -------
    pandas.DataFrame
        With a column ``corrected``, 0 or 1, and for 1 a line more: ``temperature``, the mean over folds.
    """
    before = calibration_table(predictions, seed=seed).assign(corrected=0)
    if not temperatures:
        return before
    after = calibration_table(corrected(predictions, temperatures), seed=seed)
    mean = {"quantity": "temperature", "stage": "all", "value": round(float(np.mean([*temperatures.values()])), 4)}
    return pd.concat([before, pd.concat([after, pd.DataFrame([mean])]).assign(corrected=1)], ignore_index=True)


def abstention_table(predictions: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Accuracy of the epochs that a stager is surest of, by how many of them are kept.

    Source: El-Yaniv & Wiener 2010, Journal of Machine Learning Research 11, 1605-1641.

    Returns
    -------
    pandas.DataFrame
        A line a share that is kept, `KEPT`: ``kept``, the least ``confidence`` that is kept, ``epochs``, their
        ``accuracy`` with ``accuracy_low`` and ``accuracy_high`` (95 %, over subjects), and ``area``: the mean accuracy
        over all shares, alike in all lines.
    """
    confidence, right = _top_label(predictions)
    subjects = predictions["subject"].to_numpy()
    order = np.argsort(-confidence, kind="stable")
    area = float((np.cumsum(right[order]) / np.arange(1, len(order) + 1)).mean())
    rows = []
    for kept in KEPT:
        chosen = order[: max(1, round(kept * len(order)))]
        low, high = subject_interval(right[chosen].astype(float), subjects[chosen], seed=seed, limits=SHARE)
        rows.append({
            "kept": kept, "confidence": float(confidence[chosen[-1]]), "epochs": len(chosen),
            "accuracy": float(right[chosen].mean()), "accuracy_low": low, "accuracy_high": high, "area": area,
        })  # fmt: skip
    return pd.DataFrame(rows).round(4)


def _top_label(predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Probability of the predicted stage, float64 ``(n,)``, and whether it is the true one, bool ``(n,)``."""
    predicted = codes(predictions["stage_pred"])
    probabilities = predictions[PROBABILITIES].to_numpy(dtype=np.float64)
    return probabilities[np.arange(len(predicted)), predicted], predicted == codes(predictions["stage_true"])


def _binned(probability: np.ndarray, hit: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number of epochs, mean probability and share of hits of each bin, ``(bins,)`` each."""
    edges = np.linspace(0, 1, bins + 1)
    # A float32 softmax can be above 1 by a rounding, and 0 belongs to no bin that is open below.
    place = np.clip(np.searchsorted(edges, probability, side="left") - 1, 0, bins - 1)
    epochs = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, weights=probability, minlength=bins) / epochs
        share = np.bincount(place, weights=hit, minlength=bins) / epochs
    return epochs, mean, share


def _error(probability: np.ndarray, hit: np.ndarray) -> float:
    """Mean distance of probability and share of hits over bins, weighed by their epochs."""
    epochs, mean, share = _binned(probability, hit, BINS)
    return float(np.nansum(epochs * np.abs(mean - share)) / epochs.sum())
