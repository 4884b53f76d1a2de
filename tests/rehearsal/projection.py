"""What the paper's run will take, by step: from the rehearsal's times, and from the speed of its networks here."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hypnolens.pipeline.configuration import NETWORKS
from hypnolens.pipeline.jobs import Job
from hypnolens.plan import Plan
from hypnolens.preflight.needs import Training, epochs_mb, fetches, networks_mb, trainings
from hypnolens.preflight.run import hours
from hypnolens.preflight.speed import Speed, measure

GPU_TFLOPS, STAGING = 20.0, 3.0
"""Operations a second (10^12) that a GPU is taken to sustain, and how many times fewer staging an epoch takes than
training on it."""

LINE_MB_S = 10.0
"""Megabytes a second of the line and the server together."""

BY_RECORDING = {"epochs", "events"}
"""Rules whose time is that of reading a whole recording: of those rehearsed, the longest counts."""

TRAINED = {"train", "train_published", "predict", "predict_published"}


def speeds_of(real: Plan) -> dict[str, Speed]:
    """Speed of each experiment on this machine."""
    return {name: measure(one.options, one.rate) for name, one in {t.experiment: t for t in trainings(real)}.items()}


def projected(real: Plan, speeds: Mapping[str, Speed], rehearsed: Iterable[Job]) -> Iterator[dict[str, Any]]:
    """A row a step of the real run: jobs, hours if one is made after the other here, and with trainings on a GPU.

    Steps other than downloads, extraction and trainings take what they took in the rehearsal, a job for a job, which is
    the least: most of their time is the start of Python, and what grows with epochs does not show there.

    Parameters
    ----------
    real
        The plan of the paper's run.
    speeds
        See `speeds_of`.
    rehearsed
        What the jobs of the rehearsal took.
    """
    jobs, wanted, fetched = list(rehearsed), trainings(real), fetches(real).values()
    megabytes = sum(found.megabytes for found in fetched)
    yield _row("downloads", sum(found.absent for found in fetched), megabytes / LINE_MB_S / 3600)
    recordings = sum(len(real.recordings(dataset)) for dataset in real.run)
    for rule in sorted(BY_RECORDING & {job.rule for job in jobs}):
        yield _row(rule, recordings, recordings * max(job.wall_s for job in jobs if job.rule == rule) / 3600)
    for title, published in (("trainings of our networks", False), ("trainings of published ones", True)):
        its = [one for one in wanted if (one.options["model"] in NETWORKS) == published]
        here = sum(hours(one, speeds[one.experiment]) for one in its)
        gpu = sum(_on_a_gpu(one, speeds[one.experiment]) for one in its)
        yield _row(title, sum(one.folds for one in its), here, gpu)
    others = [job for job in jobs if job.rule not in TRAINED | BY_RECORDING]
    by_fold = [job for job in others if any(word.startswith("fold-") for word in job.wildcards)]
    more = sum(len(real.folds(dataset)) for dataset in real.run) / max(1, sum(job.rule == "fold" for job in jobs))
    for title, its, times in (("other steps of folds", by_fold, more), ("all others", [*{*others} - {*by_fold}], 1.0)):
        yield _row(title, round(len(its) * times), sum(job.wall_s for job in its) * times / 3600)


def disk_of(real: Plan, speeds: Mapping[str, Speed]) -> list[dict[str, Any]]:
    """Gigabytes of the real run, by kind."""
    wanted = trainings(real)
    networks = networks_mb({one.run: speeds[one.experiment].parameters for one in wanted}, wanted)
    sizes = {
        "downloads": sum(found.megabytes for found in fetches(real).values()), "epochs": epochs_mb(real),
        "networks and checkpoints": networks,
    }  # fmt: skip
    return [{"kind": kind, "gigabytes": f"{size / 1000:.1f}"} for kind, size in sizes.items()]


def _on_a_gpu(one: Training, speed: Speed) -> float:
    """Hours of the trainings of a run on a GPU of the stated speed."""
    epoch_gflop = speed.window_gflop / one.options["stride"] / STAGING
    return (one.windows * speed.window_gflop + one.staged * epoch_gflop) / GPU_TFLOPS / 1e3 / 3600


def _row(step: str, jobs: int, here: float, gpu: float | None = None) -> dict[str, Any]:
    return {
        "step": step,
        "jobs": jobs,
        "hours here": f"{here:.1f}",
        "hours on a GPU": f"{here if gpu is None else gpu:.1f}",
    }
