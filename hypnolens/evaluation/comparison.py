"""Runs of several experiments compared on one dataset, from the confusion matrices of their subjects.

A family is an experiment; its runs differ in the seed alone. Scores are those of pooled epochs; intervals are over
subjects, for the networks that were trained, and say nothing of other seeds, of which the deviation over runs does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hypnolens.errors import DamagedError, HypnolensError
from hypnolens.evaluation import metrics
from hypnolens.evaluation.tables import OVERALL
from hypnolens.io.frames import read_table
from hypnolens.stages import STAGES

CELLS = tuple(f"{true}_{predicted}" for true in STAGES for predicted in STAGES)
"""Columns of ``confusion_by_subject.tsv`` beside ``subject``."""

TESTED = ("kappa", "macro_f1")
"""Scores of a subject that are tested; kappa is the main test."""

SELECTION = "macro_f1"
"""Score by which a pass is chosen."""

_OF_FAMILIES = (
    "family", "runs", *(f"{score}{end}" for score in OVERALL for end in ("", "_low", "_high", "_sd")),
    *(f"f1_{stage}{end}" for stage in STAGES for end in ("", "_low", "_high")), "subjects", "epochs",
)  # fmt: skip
_OF_DIFFERENCES = (
    "family", "reference", "subjects",
    *(f"{score}_{end}" for score in OVERALL for end in ("difference", "low", "high")),
    *(f"{score}_{end}" for score in TESTED for end in ("p", "p_holm")),
)  # fmt: skip
_OF_OPTIMISM = (
    "clean", "test_selected", "subjects",
    *(f"{score}_{end}" for score in OVERALL for end in ("clean", "test_selected", "difference", "low", "high")),
    "folds", "folds_below",
)  # fmt: skip
_OF_FOLDS = (
    "clean", "test_selected", "run", "fold",
    *(f"{score}_{end}" for score in OVERALL for end in ("clean", "test_selected", "difference")),
)  # fmt: skip


@dataclass(frozen=True)
class Family:
    """An experiment's runs on the same subjects.

    Attributes
    ----------
    name
        Name of the experiment.
    subjects
        Names, sorted.
    confusions
        Counts of true against predicted stages ``(n_runs, n_subjects, 5, 5)``.
    """

    name: str
    subjects: tuple[str, ...]
    confusions: np.ndarray

    def of(self, subjects: Sequence[str]) -> np.ndarray:
        """Confusion matrices of some of the subjects ``(n_runs, n, 5, 5)``."""
        place = {subject: number for number, subject in enumerate(self.subjects)}
        return self.confusions[:, [place[subject] for subject in subjects]]


def write_confusions(subjects: Sequence[str], confusions: np.ndarray, path: str | Path) -> None:
    """Write the confusion matrix of each subject ``(n, 5, 5)``, a line a subject."""
    table = pd.DataFrame(np.asarray(confusions).reshape(-1, len(CELLS)), columns=list(CELLS))
    table.insert(0, "subject", list(subjects))
    table.to_csv(path, sep="\t", index=False)


def read_confusions(path: str | Path) -> tuple[list[str], np.ndarray]:
    """Subjects of a file of `write_confusions`, and their confusion matrices, int64 ``(n, 5, 5)``."""
    table = read_table(path)
    absent = [column for column in ("subject", *CELLS) if column not in table]
    if absent or table["subject"].duplicated().any():
        what = f"it has no column {', '.join(absent)}" if absent else "a subject on two lines"
        raise DamagedError(path, what)
    counts = table[list(CELLS)].to_numpy(dtype=np.int64)
    return table["subject"].tolist(), counts.reshape(-1, len(STAGES), len(STAGES))


def family_table(families: Mapping[str, Sequence[Path]], *, seed: int) -> pd.DataFrame:
    """A line a family: means of scores over runs, their intervals over subjects and deviations over runs.

    Parameters
    ----------
    families
        Files of `write_confusions` of each family, one a run.
    seed
        Seed of the bootstrap.

    Returns
    -------
    DataFrame
        ``family``, ``runs``; accuracy, macro-F1 and kappa with ``_low`` and ``_high`` (95 %) and ``_sd`` (NaN for one
        run); the F1 of each stage with ``_low`` and ``_high``; ``subjects``, and ``epochs`` of a run.

    Raises
    ------
    HypnolensError
        If runs of a family were not tested on the same epochs of the same subjects, or it has none.
    """
    rows = [_family_row(_read(name, paths), seed=seed) for name, paths in families.items()]
    return pd.DataFrame(rows, columns=list(_OF_FAMILIES))


def paired_table(families: Mapping[str, Sequence[Path]], reference: str, *, seed: int) -> pd.DataFrame:
    """Each other family against the reference, on the subjects that both have: a line a family.

    Parameters
    ----------
    families
        Files of `write_confusions` of each family, one a run.
    reference
        Family with which the others are compared.
    seed
        Seed of the bootstrap.

    Returns
    -------
    DataFrame
        ``family``, ``reference``, ``subjects``; of accuracy, macro-F1 and kappa the ``_difference`` (family minus
        reference) of the means over runs of pooled scores, with ``_low`` and ``_high`` (95 %, the same subjects drawn
        of both). ``kappa_p`` and ``macro_f1_p`` are two-sided Wilcoxon signed-rank tests over subjects; a subject's
        value is the mean over runs of its kappa, or of its macro-F1 over stages that truly occur in it. A subject
        without kappa, whose epochs and predictions are all of one stage, is left out of that test. ``_p_holm`` is
        corrected over all rows, by Holm's method.

    Raises
    ------
    HypnolensError
        If the reference is no family or shares no subject with another, and as `family_table`.
    """
    if reference not in families:
        raise HypnolensError(f"there is no family '{reference}' to compare with; there are {', '.join(families)}")
    read = {name: _read(name, paths) for name, paths in families.items()}
    rows = []
    for name, family in read.items():
        if name == reference:
            continue
        first, second, n_subjects = _common(read[reference], family)
        row: dict[str, Any] = {"family": name, "reference": reference, "subjects": n_subjects}
        for score, (difference, low, high) in _differences(first, second, seed=seed).items():
            row |= {f"{score}_difference": difference, f"{score}_low": low, f"{score}_high": high}
        values, others = _by_subject(second), _by_subject(first)
        rows.append({**row, **{f"{score}_p": signed_rank(values[score] - others[score]) for score in TESTED}})
    table = pd.DataFrame(rows, columns=list(_OF_DIFFERENCES))
    corrected = {f"{score}_p_holm": holm(table[f"{score}_p"].to_numpy(dtype=np.float64)) for score in TESTED}
    return table.assign(**corrected)


def optimism_table(
    pairs: Sequence[tuple[str, str]],
    families: Mapping[str, Sequence[Path]],
    folds: Mapping[str, Sequence[Path]],
    *,
    seed: int,
) -> pd.DataFrame:
    """What choosing passes by their test score adds to it: a line a pair.

    Parameters
    ----------
    pairs
        A family whose passes were chosen on validation subjects, and the same with passes chosen on test subjects.
    families
        Files of `write_confusions` of each family, one a run.
    folds
        ``metrics_by_fold.tsv`` of each family, one a run, in the same order of seeds in both families of a pair.
    seed
        Seed of the bootstrap.

    Returns
    -------
    DataFrame
        ``clean`` and ``test_selected`` (names), ``subjects`` that both have; of accuracy, macro-F1 and kappa
        ``_clean``, ``_test_selected`` and ``_difference`` (test-selected minus clean) of the means over runs of pooled
        scores, with ``_low`` and ``_high`` (95 %, the same subjects drawn of both); ``folds`` of all runs, and
        ``folds_below``, in which the test-selected macro-F1 is below the clean one.

    Raises
    ------
    HypnolensError
        As `family_table` and `fold_table`.
    """
    rows = []
    for clean, test_selected in pairs:
        families_of = [_read(name, _paths(name, families)) for name in (clean, test_selected)]
        first, second, n_subjects = _common(*families_of)
        row: dict[str, Any] = {"clean": clean, "test_selected": test_selected, "subjects": n_subjects}
        scores = [metrics.mean_scores(confusions) for confusions in (first, second)]
        for score, (difference, low, high) in _differences(first, second, seed=seed).items():
            row |= {f"{score}_clean": float(scores[0][score]), f"{score}_test_selected": float(scores[1][score])}
            row |= {f"{score}_difference": difference, f"{score}_low": low, f"{score}_high": high}
        by_fold = fold_table([(clean, test_selected)], folds)
        below = int((by_fold[f"{SELECTION}_difference"] < 0).sum())
        rows.append({**row, "folds": len(by_fold), "folds_below": below})
    return pd.DataFrame(rows, columns=list(_OF_OPTIMISM))


def fold_table(pairs: Sequence[tuple[str, str]], folds: Mapping[str, Sequence[Path]]) -> pd.DataFrame:
    """Scores of both families of each pair, and test-selected minus clean: a line a run and fold.

    Parameters
    ----------
    pairs
        Clean and test-selected families.
    folds
        ``metrics_by_fold.tsv`` of each family, one a run, in the same order of seeds in both families of a pair.

    Returns
    -------
    DataFrame
        ``clean`` and ``test_selected`` (names), ``run`` (from 1), ``fold``; of accuracy, macro-F1 and kappa ``_clean``,
        ``_test_selected`` and ``_difference``.

    Raises
    ------
    HypnolensError
        If the families of a pair do not have equally many runs, or a run not the same folds.
    """
    rows = []
    for clean, test_selected in pairs:
        paths = [_paths(name, folds) for name in (clean, test_selected)]
        if len(paths[0]) != len(paths[1]):
            raise HypnolensError(
                f"{clean} has {len(paths[0])} runs and {test_selected} {len(paths[1])}; give both the same seeds"
            )
        for run, files in enumerate(zip(*paths, strict=True), start=1):
            first, second = (read_table(path).set_index("fold").sort_index() for path in files)
            if not first.index.equals(second.index):
                raise HypnolensError(f"{files[0]} and {files[1]} have other folds; make both anew, with the same folds")
            for fold in first.index:
                row = {"clean": clean, "test_selected": test_selected, "run": run, "fold": fold}
                for score in OVERALL:
                    values = float(first.loc[fold, score]), float(second.loc[fold, score])
                    row |= {f"{score}_clean": values[0], f"{score}_test_selected": values[1]}
                    row[f"{score}_difference"] = values[1] - values[0]
                rows.append(row)
    return pd.DataFrame(rows, columns=list(_OF_FOLDS))


def signed_rank(differences: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test; NaN are left out, and where no value differs from zero it is 1."""
    defined = differences[~np.isnan(differences)]
    if not np.any(defined):
        return 1.0
    from scipy.stats import wilcoxon  # a second, which most that needs this module need not wait for

    return float(wilcoxon(defined).pvalue)


def holm(p: np.ndarray) -> np.ndarray:
    """P-values ``(n,)`` corrected for their number (Holm 1979, Scandinavian Journal of Statistics 6, 65-70)."""
    order = np.argsort(p)
    steps = np.maximum.accumulate(np.minimum(p[order] * np.arange(len(p), 0, -1), 1))
    return steps[np.argsort(order)]


def _paths(name: str, files: Mapping[str, Sequence[Path]]) -> Sequence[Path]:
    if not files.get(name):
        raise HypnolensError(f"family {name}: no run was given; give the files of at least one")
    return files[name]


def _read(name: str, paths: Sequence[Path]) -> Family:
    _paths(name, {name: paths})
    runs = []
    for path in paths:
        subjects, confusions = read_confusions(path)
        order = sorted(range(len(subjects)), key=subjects.__getitem__)
        runs.append((tuple(subjects[number] for number in order), confusions[order]))
    (subjects_of_first, first), *others = runs
    for path, (subjects_of_run, confusions) in zip(paths[1:], others, strict=True):
        different = sorted(set(subjects_of_run) ^ set(subjects_of_first))
        if not different:
            unequal = (confusions.sum(axis=-1) != first.sum(axis=-1)).any(axis=-1)
            different = [subject for subject, other in zip(subjects_of_first, unequal, strict=True) if other]
        if different:
            some = ", ".join(different[:3]) + (f" and {len(different) - 3} more" if len(different) > 3 else "")
            raise HypnolensError(
                f"family {name}: {path} was not tested on the epochs of {paths[0]} (subject {some}); "
                "make both anew, from the same recordings"
            )
    return Family(name, subjects_of_first, np.stack([confusions for _, confusions in runs]))


def _family_row(family: Family, *, seed: int) -> dict[str, Any]:
    by_run = metrics.scores(family.confusions.sum(axis=1))
    intervals = metrics.bootstrap_intervals(family.confusions, seed=seed)
    n_runs, n_subjects = family.confusions.shape[:2]
    row: dict[str, Any] = {"family": family.name, "runs": n_runs}
    for score in (*OVERALL, *(f"f1_{stage}" for stage in STAGES)):
        low, high = intervals[score]
        row |= {score: float(by_run[score].mean()), f"{score}_low": low, f"{score}_high": high}
        if score in OVERALL:
            row[f"{score}_sd"] = float(by_run[score].std(ddof=1)) if n_runs > 1 else float("nan")
    return {**row, "subjects": n_subjects, "epochs": int(family.confusions[0].sum())}


def _common(first: Family, second: Family) -> tuple[np.ndarray, np.ndarray, int]:
    """Confusion matrices ``(n_runs, n, 5, 5)`` of the subjects that both have, in one order, and their number."""
    subjects = sorted(set(first.subjects) & set(second.subjects))
    if not subjects:
        raise HypnolensError(
            f"{first.name} and {second.name} have no subject in common; compare experiments of one dataset"
        )
    return first.of(subjects), second.of(subjects), len(subjects)


def _differences(first: np.ndarray, second: np.ndarray, *, seed: int) -> dict[str, tuple[float, float, float]]:
    """Second minus first, low and high of each score of `OVERALL`; both have the same subjects."""
    means = [metrics.mean_scores(confusions) for confusions in (first, second)]
    # The same seed and number of subjects give both the same draws.
    drawn = [metrics.drawn_scores(confusions, seed=seed) for confusions in (first, second)]
    found = {}
    for score in OVERALL:
        difference = float(means[1][score] - means[0][score])
        interval = metrics.interval(difference, drawn[1][score] - drawn[0][score], first.shape[1])
        found[score] = (difference, *interval)
    return found


def _by_subject(confusions: np.ndarray) -> dict[str, np.ndarray]:
    """Means over runs ``(n_subjects,)`` of `TESTED`; NaN where a run has no kappa."""
    scores = metrics.scores(confusions)
    f1 = np.stack([scores[f"f1_{stage}"] for stage in STAGES], axis=-1)
    occurs = confusions.sum(axis=-1) > 0
    with np.errstate(invalid="ignore"):
        macro = np.where(occurs, f1, 0).sum(axis=-1) / occurs.sum(axis=-1)
    return {"kappa": scores["kappa"].mean(axis=0), "macro_f1": macro.mean(axis=0)}
