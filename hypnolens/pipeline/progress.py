"""Where training is: what it says beside its checkpoint, and a line a fold for a person, with the time that is left.

Whatever runs the jobs, here or on a cluster, they write the same files. What is planned but has not begun is
Snakemake's knowledge, and is not known here.
"""

import heapq
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

from hypnolens.errors import HypnolensError
from hypnolens.io.tables import read_json, read_rows
from hypnolens.pipeline.jobs import read_benchmark
from hypnolens.pipeline.logs import reason

PROGRESS = "progress.json"
"""Name of the file in which a training says how far it is."""

RULES = ("train", "train_published")
"""Rules that train in passes, each with a log a fold; other methods take minutes and have none."""

RECENT = 5
"""Passes from whose time the next ones' is told: what else a machine does changes."""

SILENT_S = (60.0, 1800.0)
"""Silence that says nothing, as files on shared storage appear late, and silence that no training keeps: its state is
kept every quarter of an hour (`training.fold.SAVE_S`). Between the two, three passes are too long."""

COUNTED = {
    "running": "running",
    "waits": "waiting",
    "failed": "failed (run snakemake again)",
    "silent": "silent (if it was killed, run snakemake again)",
}
"""States other than done, in order, and the words for them."""

UNKNOWN = "Runs of which no fold has begun are not known here."
"""What only Snakemake knows."""


@dataclass(frozen=True)
class Fold:
    """What is known of the training of one fold.

    Attributes
    ----------
    state
        ``done``, ``running``, ``failed``, ``silent`` (for so long that it was probably killed), or ``waits``.
    made, of
        Passes made, and made at most (`None` before training has said so).
    macro_f1
        Of the validation side: of a fold that is done in the pass that was kept, else in the last one.
    pass_s, left_s
        Seconds a pass, and that the passes not yet made take at most; `None` where no pass has ended yet.
    took_s
        Seconds that a fold took that is done, all passes and what was around them.
    silent_s
        Seconds since the last sign of life: something in the log, or in what training says.
    reason
        Last line of the log of a training that ended with an error.
    """

    state: str
    made: int = 0
    of: int | None = None
    macro_f1: float | None = None
    pass_s: float | None = None
    left_s: float | None = None
    took_s: float = 0.0
    silent_s: float = 0.0
    reason: str = ""


Runs = dict[str, list[Fold]]
"""Folds of ``DATASET/EXPERIMENT``, in order."""


def write_progress(beside: Path, passes: Sequence[Mapping[str, float]], *, made: int, of: int, since: float) -> None:
    """Say beside its checkpoint how far a training is; the file is replaced in one step.

    What cannot be written is not said: on a full disk it is the checkpoint's own failure that ends the training.

    Parameters
    ----------
    beside
        The checkpoint, which need not be there.
    passes
        Rows of the history since this process began: earlier ones were made at another time, perhaps elsewhere.
    made, of
        Passes made in all, and at most.
    since
        When the pass under way began, in seconds since 1970.
    """
    recent, last = [row["seconds"] for row in passes[-RECENT:]], passes[-1] if passes else {}
    said = {"made": made, "of": of, "pass_s": fmean(recent) if recent else None, "loss": last.get("train_loss")}
    said |= {"macro_f1": last.get("validation_macro_f1"), "time": since}
    path = beside.with_name(PROGRESS)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(said) + "\n", encoding="utf-8")
        partial.replace(path)


def read_runs(folder: Path, now: float) -> Runs:
    """What was trained, is trained, and waits, of all runs of which at least one fold has begun.

    Parameters
    ----------
    folder
        Where Snakemake was started; it holds ``results/``.
    now
        Seconds since 1970.

    Raises
    ------
    HypnolensError
        There are no results.
    """
    results = folder / "results"
    if not results.is_dir():
        raise HypnolensError(
            f"{folder}: there is no folder results/ in it; name the one in which snakemake was started"
        )
    runs = {}
    for table in sorted(results.glob("*/folds.tsv")):
        dataset, n_folds = table.parent, 1 + max((int(row["fold"]) for row in read_rows(table)), default=-1)
        begun = {path.parent.name for rule in RULES for path in dataset.glob(f"logs/{rule}/*/fold-*.log")}
        begun |= {path.parent.parent.name for path in dataset.glob("*/fold-*/history.tsv")}
        for run in sorted(begun):
            runs[f"{dataset.name}/{run}"] = [_fold(dataset, f"{run}/fold-{fold}", now) for fold in range(n_folds)]
    return runs


def time_left(runs: Runs) -> float | None:
    """Seconds until all folds of these runs are done, with as many at once as are running now, as fast as now.

    A fold that waits is taken to make as many passes as the run's folds that are done (the median), or else all; one
    that failed or is silent goes on from its checkpoint. With none running, one at a time. `None`: of a run no pass has
    ended yet.
    """
    slots: list[float] = []
    waiting: list[float] = []
    for folds in runs.values():
        done, going = [fold for fold in folds if fold.state == "done"], [fold for fold in folds if fold.state != "done"]
        # How long a pass is depends on what runs beside it: folds that are done may tell of another time.
        each = [fold.pass_s for fold in going if fold.pass_s] or [fold.pass_s for fold in done if fold.pass_s]
        passes = [fold.of for fold in done or going if fold.of]
        around = [fold.took_s - fold.made * (fold.pass_s or 0.0) for fold in done]
        for fold in going:
            left = fold.left_s
            if left is None and not each:
                return None
            if left is None:
                left = max(median(passes) - fold.made, 0.0) * fmean(each) + median(around or [0.0])
            (slots if fold.state == "running" else waiting).append(left)
    return makespan(slots or [0.0], waiting)


def makespan(slots: Iterable[float], waiting: Iterable[float]) -> float:
    """Seconds until all is done: until each place is free, and those of what waits, which takes the first in turn."""
    free = list(slots)
    heapq.heapify(free)
    for seconds in waiting:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)


def progress_lines(runs: Runs, now: float) -> list[str]:
    """Lines for a person: each fold of each run, and all together."""
    if not runs:
        return ["No training has begun."]
    lines = []
    for name, folds in runs.items():
        lines += [name, *(f"  fold {number}  {_words(fold)}" for number, fold in enumerate(folds))]
    return [*lines, "", *_altogether(runs, now)]


def duration(seconds: float) -> str:
    """Time in two units at most: ``40 s``, ``12 min``, ``3 h 20 min``, ``2 d 4 h``."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h" + f" {minutes % 60} min" * (minutes % 60 > 0)
    hours = round(minutes / 60)
    return f"{hours // 24} d" + f" {hours % 24} h" * (hours % 24 > 0)


def _done(dataset: Path, name: str) -> Fold | None:
    """A fold that is done, `None` of any other. The card is what training writes last."""
    if not (dataset / name / "model.json").is_file():
        return None
    try:
        rows = read_rows(dataset / name / "history.tsv")
        seconds = [float(row["seconds"]) for row in rows]
        kept = [float(row["validation_macro_f1"]) for row in rows if float(row["best"])]
        pass_s, f1 = fmean(seconds), kept[-1] if kept else None
    except (FileNotFoundError, KeyError, ValueError):
        return None
    # The job's own time holds its start, but of a training that went on, the last part only.
    walls = [job.wall_s for rule in RULES for job in read_benchmark(dataset / f"benchmarks/{rule}/{name}.tsv", rule)]
    return Fold("done", made=len(rows), of=len(rows), macro_f1=f1, pass_s=pass_s, took_s=max([sum(seconds), *walls]))


def _fold(dataset: Path, name: str, now: float) -> Fold:
    if (done := _done(dataset, name)) is not None:
        return done
    logs = [path for rule in RULES if (path := dataset / f"logs/{rule}/{name}.log").is_file()]
    if not logs:
        return Fold("waits")
    sign, log = max((path.stat().st_mtime, path) for path in logs)
    told = dataset / name / PROGRESS
    try:
        said, sign = read_json(told), max(sign, told.stat().st_mtime)
        known, since = {key: said[key] for key in ("made", "of", "macro_f1", "pass_s")}, said["time"]
    except (OSError, KeyError, ValueError):
        known, since = {"pass_s": None}, now
    silent, each = max(0.0, now - sign), known["pass_s"]
    longest = SILENT_S[1] if each is None else min(max(SILENT_S[0], 3 * each), SILENT_S[1])
    why = reason(log)
    state = "failed" if why else "silent" if silent > longest else "running"
    left = None
    if each is not None:
        # Some of the pass under way is over.
        gone = min(max(0.0, now - since), each) if state == "running" else 0.0
        left = max(0.0, (known["of"] - known["made"]) * each - gone)
    return Fold(state, **known, left_s=left, silent_s=silent, reason=why)


def _words(fold: Fold) -> str:
    if fold.state == "waits":
        return "waits"
    score = "" if fold.macro_f1 is None else f", validation macro-F1 {fold.macro_f1:.3f}"
    if fold.state == "done":
        return f"done, {fold.made} passes{score}, took {duration(fold.took_s)}"
    made = f"in pass {fold.made + 1}" if fold.left_s is None else f"pass {fold.made} of {fold.of} made{score}"
    sign = f"last sign of life {duration(fold.silent_s)} ago"
    if fold.state == "running":
        return made + (f", at most {duration(fold.left_s)} left" if fold.left_s is not None else "") + f"; {sign}"
    return f"failed, {made}; {fold.reason}" if fold.state == "failed" else f"silent, {made}; {sign}: was it killed?"


def _altogether(runs: Runs, now: float) -> list[str]:
    states = [fold.state for folds in runs.values() for fold in folds]
    if set(states) == {"done"}:
        return [f"All {len(states)} folds are trained. {UNKNOWN}"]
    running, left = states.count("running"), time_left(runs)
    more = [f"{states.count(state)} {word}" for state, word in COUNTED.items() if state in states]
    counts = f"{states.count('done')} of {len(states)} folds trained, {', '.join(more)}."
    if left is None:
        return [counts, f"Time left for training: not known before a pass of each run has ended. {UNKNOWN}"]
    until = time.strftime("%d %b %H:%M", time.localtime(now + left))
    at_once = f"{running} at once, as now" if running > 1 else "one after the other"
    about = f"Time left for training: about {duration(left)}, until {until} ({at_once}). It may end sooner (patience:)"
    return [counts, f"{about} and takes longer beside other work.", UNKNOWN]
