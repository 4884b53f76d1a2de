"""What a run needs that is not there yet: files to fetch, room on the disk, trainings. Nothing is opened."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hypnolens.pipeline.configuration import NETWORKS
from hypnolens.plan import OWN, Plan
from hypnolens.stages import EPOCH_S


class Size(NamedTuple):
    """A typical recording: megabytes (10^6 bytes) of its files, and epochs that are kept of it."""

    megabytes: float
    epochs: float


TYPICAL = {
    "sleepedf": Size(48.2, 195_479 / 153),
    "shhs": Size(44.4, 324_854 / 329),
    "folder": Size(0.0, 960.0),
}
"""By kind of dataset; simulated ones follow from their hours. 22 h of seven channels take 48.2 MB; the NSRR's 8,444
recordings of SHHS take 375 GB; epochs are those published of Sleep-EDF-78 and the 329 of SHHS; 960 are eight hours."""

HOUR_MB = 0.73
"""An hour of a channel of a simulated night."""

SAMPLE_BYTES, WEIGHT_BYTES, COPIES = 2, 4, 2
"""Samples are kept as int16 and weights as float32; of a network there are its file and its checkpoint."""


class Fetch(NamedTuple):
    """Recordings that are fetched or simulated: how many of them are not here yet, and how much they take."""

    recordings: int
    absent: int
    megabytes: float


@dataclass(frozen=True)
class Training:
    """The trainings of one run on one dataset.

    Attributes
    ----------
    dataset, run, experiment
        What is trained on what, and the experiment that the run is a seed of.
    options
        Keys of the run.
    rate
        Of the epochs in Hz.
    folds
        How many there are.
    sizes
        Of each fold whose network is not there yet, about how many epochs its sides have: training, validation, test.
    """

    dataset: str
    run: str
    experiment: str
    options: Mapping[str, Any]
    rate: float
    folds: int
    sizes: tuple[tuple[float, float, float], ...]

    @property
    def windows(self) -> float:
        """Windows that are still to be trained on, in all passes of all folds, if none ends early."""
        return sum(self.options["passes"] * training / self.options["stride"] for training, _, _ in self.sizes)

    @property
    def staged(self) -> float:
        """Epochs that are staged: of validation recordings after each pass, of test recordings at the end."""
        return sum(self.options["passes"] * validation + test for _, validation, test in self.sizes)


def typical(plan: Plan, dataset: str) -> Size:
    """A recording of a dataset, as large as they usually are; by published counts of epochs where there are some."""
    options = plan.options(dataset)
    if known := plan.published_counts(dataset):
        return TYPICAL[options["kind"]]._replace(epochs=sum(known["counts"].values()) / len(plan.recordings(dataset)))
    if options["kind"] == "simulate":
        return Size(HOUR_MB * len(options["derivations"]) * options["hours"], 3600 / EPOCH_S * options["hours"])
    return TYPICAL[options["kind"]]


def fetches(plan: Plan) -> dict[str, Fetch]:
    """What is fetched, by kind of dataset; a recording that several datasets have counts once."""
    found: dict[str, dict[str, float]] = {}
    for dataset in plan.run:
        kind = plan.kind(dataset)
        for recording in plan.recordings(dataset):
            files = plan.recording_files(dataset, recording)
            if "source" in files or kind == "simulate":
                found.setdefault(kind, {})[files["psg"]] = typical(plan, dataset).megabytes
    fetched = {}
    for kind, sizes in found.items():
        absent = [size for psg, size in sizes.items() if not Path(psg).is_file()]
        fetched[kind] = Fetch(len(sizes), len(absent), sum(absent))
    return fetched


def rate_of(plan: Plan, dataset: str) -> float:
    """Rate in Hz of the epochs of a dataset; those that keep the files' own are taken for SHHS's 125."""
    rate = plan.options(dataset)["sampling_rate_hz"]
    return 125.0 if rate == "native" else float(rate)


def epochs_mb(plan: Plan) -> float:
    """Megabytes of the epochs that are not extracted yet."""
    total = 0.0
    for dataset in plan.run:
        absent = [
            n for n in plan.recordings(dataset) if not Path(f"results/{dataset}/epochs/{n}.safetensors").is_file()
        ]
        total += len(absent) * typical(plan, dataset).epochs * EPOCH_S * rate_of(plan, dataset) * SAMPLE_BYTES / 1e6
    return total


def trainings(plan: Plan) -> list[Training]:
    """All trainings of networks, with those folds that are still to be trained."""
    named = {run: name for name, runs in plan.configuration.runs.items() for run in runs}
    found = []
    for dataset in plan.run:
        each = typical(plan, dataset).epochs
        sides = [tuple(each * n for n in counts) for counts in plan.recordings_by_side(dataset)]
        for run in plan.runs(dataset):
            options = plan.experiments[run]
            if options["model"] in (OWN, *NETWORKS):
                absent = [
                    size
                    for fold, size in enumerate(sides)
                    if not Path(f"results/{dataset}/{run}/fold-{fold}/model.safetensors").is_file()
                ]
                given = (dataset, run, named[run], options, rate_of(plan, dataset), len(sides))
                found.append(Training(*given, tuple((a, b, c) for a, b, c in absent)))
    return found


def networks_mb(parameters: Mapping[str, int], wanted: list[Training]) -> float:
    """Megabytes of the networks that are not there yet, by the number of their parameters by run."""
    return sum(parameters[one.run] * WEIGHT_BYTES * COPIES * len(one.sizes) for one in wanted) / 1e6
