"""What the jobs of a dataset took: Snakemake's benchmark files, by rule, and by fold of each run.

A benchmark file tells of the last time that its job ran to its end; of a training that was killed and went on, of the
part since then. Memory and CPU time are what Snakemake saw when it looked: twice a second at first, every half minute
from the 15th second on. CPU time thus lacks up to half a minute at the end, and what was seen of jobs shorter than a
second (Snakemake writes ``NA``, or what it saw at the very beginning) is left out.

Source: ``snakemake/benchmark.py`` of Snakemake 9.27.1.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from hypnolens.errors import DamagedError
from hypnolens.io.tables import read_rows

LATER = ("jobs", "report")
"""Rules that run after these tables are made: their benchmark files, if any, are of an earlier time."""

RULE_COLUMNS = ("rule", "jobs", "wall_s", "median_wall_s", "longest_wall_s", "memory_mb", "cpu_s")
FOLD_COLUMNS = (
    "experiment", "fold", "passes", "passes_s", "train_wall_s", "train_cpu_s", "train_memory_mb", "predict_wall_s",
    "predict_cpu_s", "predict_memory_mb",
)  # fmt: skip
RUN_COLUMNS = ("experiment", "folds", "all_folds_wall_s", *FOLD_COLUMNS[2:])

STEPS = ("train", "predict")
"""How the names of rules begin that train, and that stage the test side."""

SEEN_S = 1.0
"""Of a job that ended before this, Snakemake saw its process when that had hardly begun, or not at all."""

MOST = 1e12
"""More seconds, and more MB, than any job takes."""

NONE = "-"
"""What is not known."""


@dataclass(frozen=True)
class Job:
    """What one job took.

    Attributes
    ----------
    rule
        Its rule.
    wildcards
        The other parts of the path of its benchmark file, such as ``("demo", "fold-0")``.
    wall_s
        Seconds from beginning to end.
    memory_mb
        Largest resident memory of its processes together, in MB (2^20 bytes); NaN where it was not seen.
    cpu_s
        Seconds of CPU time; NaN where it was not seen.
    """

    rule: str
    wildcards: tuple[str, ...]
    wall_s: float
    memory_mb: float
    cpu_s: float


NOTHING = Job("", (), math.nan, math.nan, math.nan)
"""Where there is no job."""


def read_jobs(folder: Path, *, runs: Collection[str], recordings: Collection[str], n_folds: int) -> list[Job]:
    """Jobs of which a benchmark file lies in a folder, and which belong to the present configuration; oldest first.

    Parameters
    ----------
    folder
        ``results/DATASET/benchmarks``. A job without a file, or with one that cannot be read, is left out.
    runs, recordings, n_folds
        What there is of the dataset: files of other runs, recordings and folds are older.
    """
    names = {*runs, *recordings, *(f"fold-{fold}" for fold in range(n_folds))}
    jobs = []
    for path in sorted(folder.rglob("*.tsv"), key=lambda path: path.stat().st_mtime):
        rule, wildcards = job_of(path.relative_to(folder))
        if rule not in LATER and names.issuperset(wildcards):
            jobs += read_benchmark(path, rule, wildcards)
    return jobs


def read_benchmark(path: Path, rule: str, wildcards: tuple[str, ...] = ()) -> list[Job]:
    """The job of a benchmark file, or several, if Snakemake was told to repeat it; none of a file cut short or gone."""
    jobs = []
    try:
        for row in read_rows(path):
            wall = _number(row["s"])
            seen = [_number(row[key]) if wall >= SEEN_S else math.nan for key in ("max_rss", "cpu_time")]
            jobs.append(Job(rule, wildcards, wall, *seen))
    except (OSError, KeyError, TypeError, ValueError):
        return []
    return jobs


def job_of(path: Path) -> tuple[str, tuple[str, ...]]:
    """Rule and wildcards of a benchmark file, by its path in the folder of benchmarks.

    ``RULE.tsv``, ``RULE/RUN.tsv``, ``RULE/RECORDING.tsv``, ``RULE/RUN/fold-N.tsv``; of figures ``figures/NAME.tsv`` and
    ``figures/RUN/NAME.tsv``, whose rule is ``figure_NAME``.
    """
    *folders, name = path.with_suffix("").parts
    if folders[:1] == ["figures"]:
        return f"figure_{name}", tuple(folders[1:])
    rule, *wildcards = *folders, name
    return rule, tuple(wildcards)


def by_rule(jobs: Iterable[Job]) -> list[dict[str, Any]]:
    """A line a rule: jobs, seconds in all, median and longest, highest memory, CPU time; the longest in all first."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.rule, []).append(job)
    rows = []
    for rule, group in sorted(groups.items(), key=lambda item: -sum(job.wall_s for job in item[1])):
        walls, memory, cpu = ([getattr(job, what) for job in group] for what in ("wall_s", "memory_mb", "cpu_s"))
        numbers = [sum(walls), median(walls), max(walls), _over(max, memory), _over(sum, cpu)]
        rows.append(dict(zip(RULE_COLUMNS, [rule, len(group), *map(_written, numbers)], strict=True)))
    return rows


def by_fold(jobs: Iterable[Job], folder: Path, *, runs: Sequence[str], n_folds: int) -> list[dict[str, Any]]:
    """A line a fold of each run: passes, and what training it and predicting its test side took.

    Parameters
    ----------
    jobs
        See `read_jobs`. What trains is called ``train…``, what predicts ``predict…``: a method that does both in one
        job has no time of its own for predicting, one that comes trained none for training.
    folder
        ``results/DATASET``; what is trained in passes has ``RUN/fold-N/history.tsv`` in it.
    runs, n_folds
        The runs in their order, and folds of the dataset.
    """
    found: dict[tuple[str, ...], Job] = {}
    for job in jobs:
        for step in STEPS:
            if job.rule.startswith(step):
                found[step, *job.wildcards] = job  # the last of several, if the run had another model once
    rows = []
    for run, fold in product(runs, range(n_folds)):
        seconds = _seconds_of_passes(folder / run / f"fold-{fold}" / "history.tsv")
        row = {"experiment": run, "fold": fold, "passes": len(seconds) or NONE}
        row["passes_s"] = _written(sum(seconds) if seconds else math.nan)
        for step in STEPS:
            job = found.get((step, run, f"fold-{fold}"), NOTHING)
            row |= {f"{step}_{what}": _written(getattr(job, what)) for what in ("wall_s", "cpu_s", "memory_mb")}
        rows.append(row)
    return rows


def by_run(rows: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
    """A line a run: medians over its folds, memory the highest, and training and predicting of all folds together.

    Parameters
    ----------
    rows
        As `by_fold` gives them, or as they are read from their table.
    """
    groups: dict[str, list[Mapping[str, str]]] = {}
    for row in rows:
        groups.setdefault(row["experiment"], []).append(row)
    table = []
    for run, group in groups.items():
        walls = (row[f"{step}_wall_s"] for row in group for step in STEPS)
        line: dict[str, Any] = {"experiment": run, "folds": len(group), "all_folds_wall_s": _written(_over(sum, walls))}
        for column in FOLD_COLUMNS[2:]:
            line[column] = _written(_over(max if column.endswith("_mb") else median, (row[column] for row in group)))
        table.append(line)
    return table


def _seconds_of_passes(history: Path) -> list[float]:
    try:
        return [_number(row["seconds"]) for row in read_rows(history)] if history.is_file() else []
    except (KeyError, ValueError) as error:
        raise DamagedError(history, error) from error


def _over(function: Callable[[list[float]], float], values: Iterable[Any]) -> float:
    """Sum, median or largest of those values that are known, NaN of none."""
    known = [number for number in map(_number, values) if not math.isnan(number)]
    return function(known) if known else math.nan


def _number(value: Any) -> float:
    number = math.nan if value in ("NA", NONE) else float(value)
    if abs(number) > MOST:
        raise ValueError(f"{number:g} is more than a job can take")
    return number


def _written(value: float) -> str:
    """A tenth of a second or of a MB is more than is known."""
    return NONE if math.isnan(value) else f"{value:.1f}"
