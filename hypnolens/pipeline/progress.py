"""Where training is: a line a fold, and when all of them will be done, from what lies under ``results/``.

Whatever runs the jobs, here or on a cluster, they write the same files: a log, a checkpoint, a history. Only those are
read. What is planned but has not begun is Snakemake's knowledge, and is not known here.
"""

import heapq
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median

from hypnolens.errors import HypnolensError
from hypnolens.io.tables import read_rows
from hypnolens.pipeline.passes import Pass, read_pass

RULES = ("train", "train_published")
"""Rules that train in passes, each with a log a fold; other methods take minutes and have none."""

RECENT = 5
"""Passes from whose time the next ones' is told: what else a machine does changes."""

SILENT_S = (60.0, 1800.0)
"""Silence that says nothing, as files on shared storage appear late, and silence that no training keeps: its state is
kept every quarter of an hour (`training.SAVE_S`). Between the two, three passes are too long."""

HISTORY = ("seconds", "validation_macro_f1", "best")
"""Columns of ``history.tsv`` that are read here."""

COUNTED = {
    "running": "running",
    "waits": "waiting",
    "failed": "failed (run snakemake again)",
    "silent": "silent (if it was killed, run snakemake again)",
}
"""States other than done, in order, and the words for them."""

UNKNOWN = "Runs of which no fold has begun are not known here."
"""What only Snakemake knows."""

_TIMED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} ")
_GOING_ON = re.compile(r"going on after pass (\d+)")


@dataclass(frozen=True)
class Fold:
    """What is known of the training of one fold.

    Attributes
    ----------
    number
        Number of the fold.
    state
        ``done``, ``running``, ``failed``, ``silent`` (for so long that it was probably killed), or ``waits``.
    made, of
        Passes made, and made at most (`None` where no pass has ended yet).
    macro_f1
        Of the validation side: of a fold that is done in the pass that was kept, else in the last one.
    pass_s
        Seconds a pass; `None` where no pass has ended yet.
    left_s
        Seconds that the passes not yet made take at most; `None` where no pass has ended yet.
    took_s
        Seconds that a fold took that is done, all passes and what was around them.
    silent_s
        Seconds since the last sign of life: a line of the log, or a state that was kept.
    reason
        Last line of the log of a training that ended with an error.
    """

    number: int
    state: str
    made: int = 0
    of: int | None = None
    macro_f1: float | None = None
    pass_s: float | None = None
    left_s: float | None = None
    took_s: float | None = None
    silent_s: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Run:
    """Folds of an experiment on a dataset, in order."""

    dataset: str
    experiment: str
    folds: tuple[Fold, ...]


def read_runs(folder: Path, now: float) -> list[Run]:
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
    runs = []
    for table in sorted(results.glob("*/folds.tsv")):
        n_folds = 1 + max((int(row["fold"]) for row in read_rows(table)), default=-1)
        for experiment in _begun(table.parent):
            folds = tuple(_fold(table.parent, experiment, number, now) for number in range(n_folds))
            runs.append(Run(table.parent.name, experiment, folds))
    return runs


def time_left(runs: Iterable[Run]) -> float | None:
    """Seconds until all folds of these runs are done, with as many at once as are running now, as fast as now.

    A fold that waits is taken to make as many passes as the run's folds that are done (the median), or else all; one
    that failed or is silent goes on from its checkpoint. With none running, one at a time. `None`: of a run no pass has
    ended yet.
    """
    slots: list[float] = []
    waiting: list[float] = []
    for run in runs:
        usual = _usual(run.folds)
        for fold in run.folds:
            if fold.state == "done":
                continue
            left = fold.left_s
            if left is None:
                if usual is None:
                    return None
                passes, each, around = usual
                left = max(passes - fold.made, 0.0) * each + around
            (slots if fold.state == "running" else waiting).append(left)
    return makespan(slots or [0.0], waiting)


def makespan(slots: Sequence[float], waiting: Sequence[float]) -> float:
    """Seconds until all is done, if what waits takes in order the place that is free first.

    Parameters
    ----------
    slots
        Seconds until each place is free.
    waiting
        Seconds that each of those that wait takes.
    """
    free, last = list(slots), max(slots)
    heapq.heapify(free)
    for seconds in waiting:
        end = heapq.heappop(free) + seconds
        heapq.heappush(free, end)
        last = max(last, end)
    return last


def describe(runs: Sequence[Run], now: float) -> list[str]:
    """Lines for a person: each fold of each run, and all together."""
    if not runs:
        return ["No training has begun."]
    lines = []
    for run in runs:
        lines += [f"{run.dataset}/{run.experiment}", *(f"  fold {fold.number}  {_words(fold)}" for fold in run.folds)]
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


def _begun(dataset: Path) -> list[str]:
    """Runs of a dataset of which something was trained in passes."""
    logs = {path.parent.name for rule in RULES for path in dataset.glob(f"logs/{rule}/*/fold-*.log")}
    done = {path.parent.parent.name for path in dataset.glob("*/fold-*/history.tsv")}
    return sorted(logs | done)


def _fold(dataset: Path, experiment: str, number: int, now: float) -> Fold:
    folder, name = dataset / experiment / f"fold-{number}", f"{experiment}/fold-{number}"
    history = _history(folder)
    if history:
        walls = [_rows(dataset / "benchmarks" / rule / f"{name}.tsv") for rule in RULES]
        return _done(number, history, [row.get("s", "") for rows in walls for row in rows])
    logs = [path for rule in RULES if (path := dataset / "logs" / rule / f"{name}.log").is_file()]
    if not logs:
        return Fold(number, "waits")
    log = max(logs, key=lambda path: path.stat().st_mtime)
    signs = [log, folder / "checkpoint.pt", folder / "checkpoint.partial"]
    silent = max(0.0, now - max(filter(None, map(_changed, signs))))
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return _under_way(number, lines, silent_s=silent, written_s=max(0.0, now - (_changed(log) or now)))


def _history(folder: Path) -> list[dict[str, float]]:
    """Passes of a fold that is done; none of any other. The card is what training writes last."""
    if not (folder / "model.json").is_file():
        return []
    try:
        return [{key: float(row[key]) for key in HISTORY} for row in _rows(folder / "history.tsv")]
    except (KeyError, TypeError, ValueError):
        return []


def _done(number: int, history: Sequence[Mapping[str, float]], walls: Sequence[str]) -> Fold:
    seconds, made = sum(row["seconds"] for row in history), len(history)
    kept = [row["validation_macro_f1"] for row in history if row["best"]]
    # The job's own time holds its start, but of a training that went on, the last part only.
    took = max([seconds, *(float(wall) for wall in walls if wall.replace(".", "", 1).isdigit())])
    f1 = kept[-1] if kept else None
    return Fold(number, "done", made=made, of=made, macro_f1=f1, pass_s=seconds / made, took_s=took)


def _under_way(number: int, lines: Sequence[str], *, silent_s: float, written_s: float) -> Fold:
    """A fold that has a log and is not done.

    Parameters
    ----------
    number
        Number of the fold.
    lines
        The log.
    silent_s, written_s
        Seconds since the last sign of life, and since the last line of the log.
    """
    passes = [found for line in lines if (found := read_pass(line))]
    went_on = [int(words[1]) for line in lines if (words := _GOING_ON.search(line))]
    # Lines of a training that lives begin with a time; what a library warns of may end in an indented one.
    reason = lines[-1] if lines and not _TIMED.match(lines[-1]) and not lines[-1].startswith(" ") else ""
    each = fmean(one.seconds for one in passes[-RECENT:]) if passes else None
    longest = SILENT_S[1] if each is None else min(max(SILENT_S[0], 3 * each), SILENT_S[1])
    state = "failed" if reason else "silent" if silent_s > longest else "running"
    fold = Fold(number, state, made=max(went_on, default=0), silent_s=silent_s, reason=reason)
    if not passes or each is None:
        return fold
    last = passes[-1]
    left = _left(last, each, written_s if state == "running" else 0.0)
    return replace(fold, made=last.number, of=last.of, macro_f1=last.macro_f1, pass_s=each, left_s=left)


def _left(last: Pass, each: float, since: float) -> float:
    """Seconds left, some seconds after a pass: the rest of the present one, and all that come after it."""
    after = last.of - last.number
    return 0.0 if after == 0 else (after - 1) * each + max(each - since, 0.0)


def _usual(folds: Sequence[Fold]) -> tuple[float, float, float] | None:
    """Passes, seconds a pass and seconds around them of a fold of a run, judged by those that have made some.

    Passes are those of folds that are done; time is that of folds that are not, as it depends on what runs beside them.
    """
    done = [fold for fold in folds if fold.state == "done"]
    going = [fold for fold in folds if fold.state != "done"]
    each = [fold.pass_s for fold in going if fold.pass_s is not None]
    each = each or [fold.pass_s for fold in done if fold.pass_s is not None]
    passes = [fold.of for fold in done or going if fold.of is not None]
    if not each:
        return None
    around = [fold.took_s - fold.made * fold.pass_s for fold in done if fold.took_s and fold.pass_s]
    return median(passes), fmean(each), median(around) if around else 0.0


def _words(fold: Fold) -> str:
    if fold.state == "waits":
        return "waits"
    score = "" if fold.macro_f1 is None else f", validation macro-F1 {fold.macro_f1:.3f}"
    if fold.state == "done":
        return f"done, {fold.made} passes{score}, took {duration(fold.took_s or 0.0)}"
    made = f"pass {fold.made} of {fold.of} made{score}" if fold.of else f"in pass {fold.made + 1}"
    sign = f"last sign of life {duration(fold.silent_s or 0.0)} ago"
    if fold.state == "running":
        return made + (f", at most {duration(fold.left_s)} left" if fold.left_s is not None else "") + f"; {sign}"
    return f"failed, {made}; {fold.reason}" if fold.state == "failed" else f"silent, {made}; {sign}: was it killed?"


def _altogether(runs: Sequence[Run], now: float) -> list[str]:
    states = [fold.state for run in runs for fold in run.folds]
    if set(states) == {"done"}:
        return [f"All {len(states)} folds are trained. {UNKNOWN}"]
    running, left = states.count("running"), time_left(runs)
    more = [f"{states.count(state)} {word}" for state, word in COUNTED.items() if state in states]
    counts = f"{states.count('done')} of {len(states)} folds trained, {', '.join(more)}."
    if left is None:
        return [counts, f"Time left for training: not known before a pass of each run has ended. {UNKNOWN}"]
    until = time.strftime("%d %b %H:%M", time.localtime(now + left))
    at_once = f"{running} at once, as now" if running > 1 else "one after the other"
    return [
        counts,
        f"Time left for training: about {duration(left)}, until {until} ({at_once}). It may end sooner (patience:) and "
        "takes longer beside other work.",
        UNKNOWN,
    ]


def _changed(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _rows(path: Path) -> list[dict[str, str]]:
    """Rows of a table; none while it is not there, or not there as a whole."""
    try:
        return read_rows(path)
    except (FileNotFoundError, ValueError):
        return []
