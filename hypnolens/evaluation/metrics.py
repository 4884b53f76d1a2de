"""Scores of predicted stages, always over the five labels, from a confusion matrix; intervals over subjects."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, logit, stdtr, stdtrit

from hypnolens.stages import STAGES

DRAWS = 10_000
"""Bootstrap samples of a score; 10,000 of 78 subjects take some hundredths of a second."""

SHARE = (0.0, 1.0)
"""Between what a share lies, such as accuracy and F1."""

AGREEMENT = (-1.0, 1.0)
"""Between what kappa lies."""

RATIO = (0.0, math.inf)
"""Between what a ratio lies."""

COVERED = {3: (0.91, 0.96), 6: (0.88, 0.96), 10: (0.88, 0.95), 20: (0.91, 0.95), 40: (0.92, 0.95), 78: (0.94, 0.94)}
"""By number of subjects, the share of samples of simulated subjects in which the 95 % intervals of accuracy, macro-F1
and kappa held the truth: least where a few people are much harder to stage than the others, and most where difficulty
is even (``benchmarks/results/intervals.json``)."""

BLOCK = 1_000_000
"""Subjects that are drawn at once, in all samples of a block: some tens of MB, however many subjects there are."""


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
    """Precision, recall, specificity, F1 and support of each stage; NaN where there is nothing to divide by."""
    confusion = np.asarray(confusion, dtype=np.float64)
    true, predicted, hit = confusion.sum(axis=1), confusion.sum(axis=0), np.diagonal(confusion)
    other = confusion.sum() - true
    f1 = scores(confusion)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = hit / predicted, hit / true
        specificity = (other - (predicted - hit)) / other
    return {
        stage: {
            "precision": float(precision[code]),
            "recall": float(recall[code]),
            "specificity": float(specificity[code]),
            "f1": float(f1[f"f1_{stage}"]),
            "support": int(true[code]),
        }
        for code, stage in enumerate(STAGES)
    }


def absent_stages(confusion: np.ndarray) -> list[str]:
    """Stages with no true and no predicted epoch, whose F1 does not exist."""
    counts = np.asarray(confusion).sum(axis=0) + np.asarray(confusion).sum(axis=1)
    return [stage for stage, count in zip(STAGES, counts, strict=True) if count == 0]


def mean_scores(confusions: np.ndarray) -> dict[str, np.ndarray]:
    """Each score of pooled subjects, of ``(n_subjects, 5, 5)``; of ``(n_runs, n_subjects, 5, 5)``, its mean over runs.

    A score that does not exist in one of the runs has no mean.
    """
    return {name: values.mean(axis=0) for name, values in scores(_by_run(confusions).sum(axis=1)).items()}


def drawn_scores(confusions: np.ndarray, *, seed: int, draws: int = DRAWS) -> dict[str, np.ndarray]:
    """`mean_scores` of ``draws`` bootstrap samples of the subjects, float64 ``(draws,)`` each.

    Subjects are drawn with replacement, alike in all runs, and alike for equally many subjects and the same seed, so
    that the difference of what two experiments give is that of paired samples.
    """
    by_run = _by_run(confusions).astype(np.float64)
    n_runs, n_subjects, n, _ = by_run.shape
    flat = by_run.reshape(n_runs, n_subjects, n * n)
    blocks = [
        {name: values.mean(axis=0) for name, values in scores((weights @ flat).reshape(n_runs, -1, n, n)).items()}
        for weights in _weights(n_subjects, seed=seed, draws=draws)
    ]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def bootstrap_intervals(confusions: np.ndarray, *, seed: int, draws: int = DRAWS) -> dict[str, tuple[float, float]]:
    """95 % intervals of every score, drawing subjects with replacement: `interval` with the limits of the score.

    Epochs of one night resemble each other, so that subjects, not epochs, are the sample. On simulated subjects the
    intervals cover the truth in about 95 % of cases from three subjects on, and percentiles of the draws do not below
    forty (``benchmarks/intervals.py``).

    Parameters
    ----------
    confusions
        Confusion matrix of each subject ``(n_subjects, 5, 5)``, or of each in several runs of an experiment
        ``(n_runs, n_subjects, 5, 5)``; the interval is then that of the mean over these runs.
    seed
        Seed of the draws.
    draws
        Bootstrap samples.

    Returns
    -------
    dict
        Low and high of each score of `scores`. NaN for a single subject, and for a score that does not exist.
    """
    estimates, n_subjects = mean_scores(confusions), np.shape(confusions)[-3]
    return {
        name: interval(float(estimates[name]), values, n_subjects, limits=AGREEMENT if name == "kappa" else SHARE)
        for name, values in drawn_scores(confusions, seed=seed, draws=draws).items()
    }


def interval(
    estimate: float, drawn: np.ndarray, n_subjects: int, *, limits: tuple[float, float] | None = None
) -> tuple[float, float]:
    """95 % interval by Student's t of what was estimated from few subjects, with the bootstrap's standard error.

    The standard error is the standard deviation of the draws, times the square root of n / (n - 1), as draws spread
    like a sample whose variance was divided by n. Percentiles of the draws are too narrow by that, and by a normal
    distribution in place of t (Hesterberg 2015, The American Statistician 69, 371-386). With ``limits`` the interval
    is symmetric on a logit scale between them, or on a log scale where there is none above, and cannot leave them. The
    standard error is brought there by the slope of that scale (the delta method), so that a draw at a limit does no
    harm.

    Where all subjects are alike, or the estimate lies at a limit, no draw can say how far others may be: a share of 1 -
    0.025^(1/n) of all people can be otherwise, and by all that the limits allow, without any of n being so (Clopper &
    Pearson 1934, Biometrika 26, 404-413): 20 hits of 20 subjects give 0.83 to 1.

    Parameters
    ----------
    estimate
        Value over all subjects.
    drawn
        Values of bootstrap samples ``(draws,)``; those that are NaN are left out.
    n_subjects
        Number of subjects that were drawn from.
    limits
        Least and greatest possible value; the latter may be infinite.

    Returns
    -------
    tuple
        Low and high. NaN for fewer than two subjects, of whom there is nothing to draw, or where ``estimate`` is NaN;
        the estimate itself where all draws are equal and there are no limits.
    """
    error = _standard_error(drawn, n_subjects)
    if np.isnan(estimate) or np.isnan(error):
        return (float("nan"), float("nan"))
    reach = float(stdtrit(n_subjects - 1, 0.975)) * error
    if limits is None:
        return (estimate - reach, estimate + reach)
    least, greatest = limits
    if reach == 0 or not least < estimate < greatest:
        unseen = 1 - 0.025 ** (1 / n_subjects)
        above = greatest - estimate
        return (estimate - unseen * (estimate - least), estimate + unseen * above if above else estimate)
    if math.isinf(greatest):
        factor = math.exp(reach / (estimate - least))
        return (least + (estimate - least) / factor, least + (estimate - least) * factor)
    width = greatest - least
    place = (estimate - least) / width
    centre, half = logit(place), reach / width / (place * (1 - place))
    return (float(least + width * expit(centre - half)), float(least + width * expit(centre + half)))


def subject_interval(
    values: np.ndarray,
    subjects: np.ndarray,
    *,
    seed: int,
    weights: np.ndarray | None = None,
    limits: tuple[float, float] | None = None,
    draws: int = 2000,
) -> tuple[float, float]:
    """95 % `interval` of the mean of values ``(n,)``, drawing subjects ``(n,)`` with replacement.

    NaN for fewer than two subjects, of whom there is nothing to draw. ``weights`` ``(n,)`` are all 1 by default;
    ``limits`` are those of the values, where they have any, such as `SHARE`.
    """
    mean, means, n_subjects = _drawn_means(values, subjects, seed=seed, weights=weights, draws=draws)
    return interval(mean, means, n_subjects, limits=limits)


class Difference(NamedTuple):
    """A mean difference, its 95 % interval, and the two-sided p of its being zero."""

    difference: float
    low: float
    high: float
    p: float


def paired_difference(values: np.ndarray, subjects: np.ndarray, *, seed: int, draws: int = 2000) -> Difference:
    """Mean of differences, whether it is zero, by Student's t over subjects with the bootstrap's standard error.

    Parameters
    ----------
    values
        One thing minus another on the same epochs ``(n,)``; or, where the other is one of several networks that were
        drawn at random, ``(n_networks, n)``. Then the networks are a sample as well: the interval is that of the
        difference to one more of them, the variances of subjects and of networks are added, and the degrees of freedom
        are Satterthwaite's (1946, Biometrics Bulletin 2, 110-114).
    subjects
        Whose epochs they are ``(n,)``.
    seed, draws
        Of the bootstrap of subjects.

    Returns
    -------
    Difference
        All but the mean NaN for fewer than two subjects.
    """
    values = np.atleast_2d(np.asarray(values, dtype=np.float64))  # beside an empty table pandas has objects
    n_networks = len(values)
    mean, means, n_subjects = _drawn_means(values.mean(axis=0), subjects, seed=seed, draws=draws)
    error, freedom = _standard_error(means, n_subjects), float(n_subjects - 1)
    if np.isnan(error) or np.isnan(mean):
        return Difference(mean, *[float("nan")] * 3)
    if n_networks > 1:
        of_networks = values.mean(axis=1).var(ddof=1) * (1 + 1 / n_networks)
        both = error**2 + of_networks
        parts = error**4 / freedom + of_networks**2 / (n_networks - 1)
        freedom, error = float(both**2 / parts) if parts > 0 else freedom, float(both**0.5)
    reach = float(stdtrit(freedom, 0.975)) * error
    p = 2 * float(stdtr(freedom, -abs(mean) / error)) if error > 0 else float(mean == 0)
    return Difference(mean, mean - reach, mean + reach, p)


def _drawn_means(
    values: np.ndarray, subjects: np.ndarray, *, seed: int, draws: int, weights: np.ndarray | None = None
) -> tuple[float, np.ndarray, int]:
    """Mean of values ``(n,)``, means of bootstrap samples of the subjects ``(draws,)``, and number of subjects."""
    names, of = np.unique(subjects, return_inverse=True)
    if not len(names):
        return (float("nan"), np.empty(0), 0)
    weights = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    sums = np.stack([np.bincount(of, weights=values * weights), np.bincount(of, weights=weights)], axis=1)
    total, count = np.concatenate([drawn @ sums for drawn in _weights(len(names), seed=seed, draws=draws)]).T
    with np.errstate(invalid="ignore", divide="ignore"):
        return (float(sums[:, 0].sum() / sums[:, 1].sum()), total / count, len(names))


def _standard_error(drawn: np.ndarray, n_subjects: int) -> float:
    """Standard error by values of bootstrap samples; NaN of fewer than two subjects, or where no value is defined."""
    defined = drawn[~np.isnan(drawn)]
    if n_subjects < 2 or len(defined) == 0:
        return float("nan")
    # Of equal values the mean, and with it the deviation, is off by a rounding.
    return float(defined.std()) * (n_subjects / (n_subjects - 1)) ** 0.5 if np.ptp(defined) > 0 else 0.0


def covered(n_subjects: int) -> tuple[int, float, float]:
    """The measured number of subjects at or below this one, and the least and greatest share of `COVERED`."""
    size = max((size for size in COVERED if size <= n_subjects), default=min(COVERED))
    return (size, *COVERED[size])


def without_nan(value: object) -> object:
    """The value with `None` for each NaN, as JSON has no NaN."""
    if isinstance(value, Mapping):
        return {key: without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(entry) for entry in value]
    if isinstance(value, float | np.floating):
        return None if np.isnan(value) else float(value)
    return value


def _by_run(confusions: np.ndarray) -> np.ndarray:
    confusions = np.asarray(confusions)
    return confusions[None] if confusions.ndim == 3 else confusions


def _weights(n_subjects: int, *, seed: int, draws: int) -> Iterator[np.ndarray]:
    """How often each subject is in each bootstrap sample, float64 ``(some draws, n_subjects)`` at a time."""
    rng = np.random.default_rng(seed)
    step = max(1, BLOCK // n_subjects)
    for first in range(0, draws, step):
        n = min(step, draws - first)
        chosen = rng.integers(n_subjects, size=(n, n_subjects)) + n_subjects * np.arange(n)[:, None]
        yield np.bincount(chosen.ravel(), minlength=n * n_subjects).reshape(n, n_subjects).astype(np.float64)
