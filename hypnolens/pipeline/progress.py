"""Where training is: what it says beside its checkpoint, and a line a fold for a person, with the time that is left.

Whatever runs the jobs, here or on a cluster, they write the same files. What is planned but has not begun is
Snakemake's knowledge, and is not known here; that it lives, it says by a lock.
"""

import fcntl
import heapq
import json
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any, BinaryIO

from hypnolens.errors import DamagedError, HypnolensError
from hypnolens.io.kinds import FILE, FOLDER, instead, kind_of
from hypnolens.io.tables import read_json, read_rows
from hypnolens.pipeline.jobs import read_benchmark
from hypnolens.pipeline.logs import logger, reason

PROGRESS = "progress.json"
"""Name of the file in which a training says how far it is."""

ALIVE = Path(".snakemake", "hypnolens.alive")
"""A file that Snakemake holds a lock on as long as it lives; in it stands on which machine."""

MOST = 1e10
"""More passes than a training makes, and more seconds than a pass takes or since 1970: beyond is damage."""

LONGEST_S = 1e9
"""Beyond 30 years nobody asks for the date."""

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
    "not begun": "not begun (run snakemake, unless it runs)",
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
        ``done``, ``running``, ``failed``, ``silent`` (for so long that it was probably killed), ``waits``, or ``not
        begun`` where no Snakemake is known to live that would begin it.
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


_held: list[BinaryIO] = []


def stay_alive(folder: Path) -> None:
    """Say for as long as this process lives that Snakemake works in a folder, where its file system has locks.

    The system lets go of a lock when its process ends, however it does.
    """
    path = folder / ALIVE
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        _held.append(path.open("ab+"))
        fcntl.lockf(_held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
        _held[-1].truncate(0)
        _held[-1].write(platform.node().encode())
        _held[-1].flush()


def is_alive(folder: Path) -> bool | None:
    """Whether Snakemake works in a folder; `None` where that is not known, as locks may not reach another machine."""
    path = folder / ALIVE
    if kind_of(path) != FILE:
        return None
    with suppress(OSError), path.open("rb") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return True
        return False if file.read() == platform.node().encode() else None
    return None


def read_runs(folder: Path, now: float, warn: Callable[[str], object] = logger.warning) -> Runs:
    """What was trained, is trained, and waits, of all runs of which at least one fold has begun.

    Parameters
    ----------
    folder
        Where Snakemake was started; it holds ``results/``.
    now
        Seconds since 1970.
    warn
        Told in one line of a table of folds that is damaged; the runs on its dataset are left out.

    Raises
    ------
    HypnolensError
        There are no results.
    """
    results = folder / "results"
    if kind_of(results) != FOLDER:
        what = f"there is no folder results/ in it{instead(results)}"
        raise HypnolensError(f"{folder}: {what}; name the one in which snakemake was started")
    runs = {}
    unbegun = Fold("waits" if is_alive(folder) else "not begun")
    for table in sorted(results.glob("*/folds.tsv")):
        try:
            dataset, n_folds = table.parent, _n_folds(table)
        except DamagedError as error:
            warn(str(error))
            continue
        begun = {path.parent.name for rule in RULES for path in dataset.glob(f"logs/{rule}/*/fold-*.log")}
        begun |= {path.parent.parent.name for path in dataset.glob("*/fold-*/history.tsv")}
        for run in sorted(begun):
            folds = [_fold(dataset, f"{run}/fold-{fold}", now) for fold in range(n_folds)]
            runs[f"{dataset.name}/{run}"] = [fold or unbegun for fold in folds]
    return runs


def _n_folds(table: Path) -> int:
    try:
        numbers = {row["fold"] for row in read_rows(table)}
    except (OSError, KeyError) as error:
        raise DamagedError(table, error) from error
    if numbers != {str(number) for number in range(len(numbers))}:
        raise DamagedError(table, "its folds are not numbered from 0 on")
    return len(numbers)


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
        seconds = [_within(float(row["seconds"])) for row in rows]
        kept = [_score(float(row["validation_macro_f1"])) for row in rows if float(row["best"])]
        pass_s, f1 = fmean(seconds), kept[-1] if kept else None
    except (OSError, KeyError, ValueError):
        return None
    # The job's own time holds its start, but of a training that went on, the last part only.
    walls = [job.wall_s for rule in RULES for job in read_benchmark(dataset / f"benchmarks/{rule}/{name}.tsv", rule)]
    return Fold("done", made=len(rows), of=len(rows), macro_f1=f1, pass_s=pass_s, took_s=max([sum(seconds), *walls]))


def _within(number: Any, kind: Any = (int, float)) -> Any:
    """A number that a training can say; ValueError for anything else, such as one that is not finite."""
    if isinstance(number, bool) or not isinstance(number, kind) or not 0 <= number <= MOST:
        raise ValueError(f"{type(number).__name__} of no sense")
    return number


def _score(number: Any) -> float | None:
    """A score; `None` where it has none."""
    return float(number) if number is not None and 0 <= number <= 1 else None


def _fold(dataset: Path, name: str, now: float) -> Fold | None:
    """A fold that has begun, `None` of any other."""
    if (done := _done(dataset, name)) is not None:
        return done
    signs = []
    for rule in RULES:
        with suppress(OSError):
            signs.append(((log := dataset / f"logs/{rule}/{name}.log").stat().st_mtime, log))
    if not signs:
        return None
    sign, log = max(signs)
    told = dataset / name / PROGRESS
    try:
        said, sign = read_json(told), max(sign, told.stat().st_mtime)
        known: dict[str, Any] = {key: _within(said[key], int) for key in ("made", "of")}
        each, since = None if said["pass_s"] is None else _within(said["pass_s"]), _within(said["time"])
        known |= {"macro_f1": _score(said["macro_f1"]), "pass_s": each}
        if known["made"] > known["of"]:
            raise ValueError("more passes than there are")
    except (OSError, KeyError, TypeError, ValueError, OverflowError):
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
    if fold.state in ("waits", "not begun"):
        return fold.state
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
    until = ""
    if {"waits", "running"}.isdisjoint(states):
        until = ", once snakemake runs"
    elif left < LONGEST_S:
        until = time.strftime(", until %d %b %H:%M", time.localtime(now + left))
    at_once = f"{running} at once, as now" if running > 1 else "one after the other"
    about = f"Time left for training: about {duration(left)}{until} ({at_once}). It may end sooner (patience:)"
    return [counts, f"{about} and takes longer beside other work.", UNKNOWN]
