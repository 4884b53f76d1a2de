"""The pre-flight of a run: in a dozen lines, what it fetches and needs, what there is, and how long it takes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hypnolens.errors import ConfigurationError
from hypnolens.io.shipped import HOME, TABLES
from hypnolens.pipeline import configuration
from hypnolens.pipeline.progress import duration
from hypnolens.plan import Plan
from hypnolens.preflight import machine
from hypnolens.preflight.needs import Training, epochs_mb, fetches, networks_mb, trainings
from hypnolens.preflight.speed import Speed, measure

SPARE = 1.2
"""What is needed is known to a fifth."""

STEP_S = 6.0
"""Seconds of a core that a step takes beside trainings, the start of Python among them: a guess above the 3.2 s of 941
extractions and searches for events of a rehearsal, whose recordings last a quarter of an hour."""

NO_TIME = ("seed", "passes", "patience", "protocol", "learning_rate", "schedule", "class_weights")
"""Keys of an experiment on which the time of a step does not depend."""

STEPS = (2, 2, 70)
"""About how many such steps there are a recording, a training, and a dataset."""


def read_configuration(paths: Sequence[Path]) -> dict[str, Any]:
    """Files of configuration, merged over the shipped one as Snakemake does with ``--configfile``.

    Raises
    ------
    ConfigurationError
        A file cannot be read.
    """
    from snakemake.utils import update_config  # takes a second

    merged: dict[str, Any] = {}
    for path in [HOME / "config" / "config.yaml", *paths]:
        try:
            found = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeError, yaml.YAMLError) as error:
            raise ConfigurationError(f"{path}: no configuration that can be read ({error})") from error
        if not isinstance(found, dict):
            raise ConfigurationError(f"{path}: a configuration is a mapping of keys, see config/README.md")
        update_config(merged, found)
    return merged


def preflight(
    paths: Sequence[Path], *, cores: int, tell: Callable[[str], object] = lambda _: None
) -> tuple[list[str], bool]:
    """Lines that say what a run would need, and whether it can be begun.

    Parameters
    ----------
    paths
        Files of configuration.
    cores
        How many it would have.
    tell
        Told which network is timed, which takes seconds.

    Raises
    ------
    HypnolensError
        The configuration cannot be used, or there is nothing to run.
    """
    left_out: list[str] = []
    plan = Plan(configuration.load(read_configuration(paths), HOME), TABLES, left_out.append)
    names = plan.run
    wanted = trainings(plan)
    speeds = _speeds(wanted, tell)
    needed = _needed(plan, wanted, speeds)
    free = machine.free_mb(Path())
    enough = SPARE * sum(needed.values()) <= free
    return [
        *(_data(plan, name) for name in names),
        *(_line("", words) for words in left_out),
        _line("to fetch", _fetched(plan)),
        _line("disk", _disk(needed, free, enough)),
        _line("GPU", machine.gpu()),
        _line("conda", machine.conda()),
        _line("token", machine.token()),
        *_trainings(wanted, speeds),
        _line("time", _time(plan, wanted, speeds, cores)),
    ], enough


def _line(head: str, words: str) -> str:
    return f"{head:<10} {words}"


def _data(plan: Plan, name: str) -> str:
    recordings, subjects = len(plan.recordings(name)), plan.n_subjects(name)
    return _line("data", f"{name}: {recordings} recordings of {subjects} subjects, {len(plan.folds(name))} folds")


def _fetched(plan: Plan) -> str:
    download = plan.configuration.download
    words = {"sleepedf": f"from {', else '.join(download['sleepedf'])}", "shhs": f"from {download['shhs']}"}
    parts = [
        f"{kind}: {found.absent} of {found.recordings} recordings, about {_size(found.megabytes)}, "
        f"{words.get(kind, 'simulated here')}"
        for kind, found in fetches(plan).items()
        if found.absent
    ]
    return "; ".join(parts) or "nothing: all recordings are here"


def _needed(plan: Plan, wanted: list[Training], speeds: Mapping[str, Speed]) -> dict[str, float]:
    parameters = {one.run: speeds[one.experiment].parameters for one in wanted}
    return {
        "recordings": sum(found.megabytes for found in fetches(plan).values()),
        "epochs": epochs_mb(plan),
        "networks": networks_mb(parameters, wanted),
    }


def _disk(needed: Mapping[str, float], free: float, enough: bool) -> str:
    parts = ", ".join(f"{kind} {_size(size)}" for kind, size in needed.items() if size >= 1)
    words = (
        f"about {_size(sum(needed.values()))} to be written ({parts or 'nothing'}), {_size(free)} free in {Path.cwd()}"
    )
    return words if enough else f"{words}: too little; make room, or run in a folder on a larger disk"


def _speeds(wanted: Iterable[Training], tell: Callable[[str], object]) -> dict[str, Speed]:
    """Speed of each experiment; those that differ only in what takes no time are timed once."""
    timed: dict[tuple[Any, ...], Speed] = {}
    speeds = {}
    for one in wanted:
        key = (one.rate, *sorted((name, str(value)) for name, value in one.options.items() if name not in NO_TIME))
        if key not in timed:
            tell(one.experiment)
            timed[key] = measure(one.options, one.rate)
        speeds[one.experiment] = timed[key]
    return speeds


def hours(one: Training, speed: Speed) -> float:
    """Hours that the trainings of a run still take, one after the other."""
    return (one.windows * speed.window_s + one.staged * speed.epoch_s) / 3600


def _trainings(wanted: list[Training], speeds: Mapping[str, Speed]) -> Iterator[str]:
    """A line an experiment, over datasets and seeds."""
    for name in dict.fromkeys(one.experiment for one in wanted):
        its = [one for one in wanted if one.experiment == name]
        n, left = sum(one.folds for one in its), sum(len(one.sizes) for one in its)
        runs = len({one.run for one in its})
        what = (
            f"{n} trainings"
            + (f" ({runs} seeds)" if runs > 1 else "")
            + (f", {left} still to be made" if left < n else "")
        )
        took = sum(hours(one, speeds[name]) for one in its)
        yield _line("", f"{name}: {what}, at most {its[0].options['passes']} passes each, {duration(3600 * took)}")


def side_by_side(one: Training, cores: int) -> int:
    """Trainings of a run that are made at a time."""
    return 1 if machine.gpus.wanted() else max(1, cores // one.options["torch_threads"])


def _time(plan: Plan, wanted: list[Training], speeds: Mapping[str, Speed], cores: int) -> str:
    trained = sum(3600 * hours(one, speeds[one.experiment]) / side_by_side(one, cores) for one in wanted)
    a_recording, a_training, a_dataset = STEPS
    steps = a_dataset * len(plan.run) + a_recording * sum(len(plan.recordings(name)) for name in plan.run)
    steps += a_training * sum(one.folds for one in wanted)
    where = "this GPU" if machine.gpus.wanted() else f"{cores} cores of this machine"
    return (
        f"trainings at most about {duration(trained)} on {where}, as measured just now, all passes counted; "
        f"other steps about {duration(steps * STEP_S / cores)}, and what is fetched beside"
    )


def _size(megabytes: float) -> str:
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 100 else f"{megabytes:.0f} MB"
