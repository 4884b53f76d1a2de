"""Where recordings come from: each kind of dataset lists its recordings without opening any of them.

These modules are imported while Snakemake plans, so they need the standard library only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypnolens.datasets import folder, shhs, simulate, sleepedf
from hypnolens.datasets.recording import Recording
from hypnolens.errors import ConfigurationError, DatasetError
from hypnolens.io.names import check_braces
from hypnolens.io.tables import read_rows


@dataclass(frozen=True)
class Listing:
    """The recordings of a dataset.

    Attributes
    ----------
    recordings
        Sorted by name.
    missing
        Names of recordings that the dataset has and a local copy lacks altogether, and of those left out on purpose.
    published
        Name of the published set of recordings that the dataset is, such as ``sleep-edf-20``; `None` for any other.
        It is what the configuration asks for that counts, whether or not recordings are missing.
    unavailable
        Why the dataset cannot be had, in one line; `None` if it can.
    told
        What a person must know of its files, in sentences.
    """

    recordings: list[Recording]
    missing: list[str]
    published: str | None
    unavailable: str | None
    told: tuple[str, ...] = ()

    @property
    def subjects(self) -> list[str]:
        """Subject of each recording."""
        return [recording.subject for recording in self.recordings]


def list_recordings(name: str, dataset: Mapping[str, Any], tables: Path) -> Listing:
    """All recordings of a dataset.

    Parameters
    ----------
    name
        Name of the dataset, for error messages.
    dataset
        Its validated configuration.
    tables
        Folder of the tables of recordings and folds that come with hypnolens.

    Raises
    ------
    ConfigurationError
        The dataset has no recordings, or its folder or list cannot be read.
    """
    path = Path(dataset["path"]).expanduser() if dataset.get("path") else None
    table = dataset.get("recordings")
    missing: list[str] = []
    published = unavailable = None
    told: tuple[str, ...] = ()
    match dataset["kind"]:
        case "folder":
            recordings = folder.list_recordings(name, path or Path(), table and Path(table))
            told = () if table else tuple(folder.told(path or Path(), recordings))
        case "simulate":
            recordings = simulate.list_recordings(**{key: dataset[key] for key in simulate.KEYS})
        case "sleepedf":
            recordings, missing = sleepedf.list_recordings(name, dataset["subjects"], path, tables)
            published = sleepedf.published_set([*(r.name for r in recordings), *missing], tables)
        case _:
            recordings, missing = shhs.list_recordings(name, table, path, tables)
            published = shhs.published_set([*(r.name for r in recordings), *missing], tables)
            unavailable = shhs.unavailable(recordings) if path is None else None
    if unavailable:
        unavailable = f"{name}: {unavailable}"
    excluded = set(dataset["exclude"])
    if unknown := sorted(excluded - {recording.name for recording in recordings} - set(missing)):
        raise ConfigurationError(f"datasets.{name}.exclude: there is no recording '{unknown[0]}' to leave out")
    missing = sorted({*missing, *excluded})
    recordings = [recording for recording in recordings if recording.name not in excluded]
    if not recordings:
        raise ConfigurationError(f"datasets.{name}.exclude: no recording is left")
    check_braces(f"datasets.{name}", (file for one in recordings for file in (one.psg, one.hypnogram, one.events)))
    recordings.sort(key=lambda recording: recording.name)
    return Listing(recordings, missing, published, unavailable, told)


def published_folds(name: str, listing: Listing, tables: Path) -> Path:
    """Table of the folds that papers share for a dataset.

    Raises
    ------
    DatasetError
        There is none: another set of recordings, or a local copy that lacks subjects.
    """
    path = tables / f"folds-{listing.published}.tsv"
    others = "leave-one-subject-out, {k: N} or FILE.tsv"
    if listing.published is None or not path.is_file():
        raise DatasetError(name, "has no published folds", f"set folds: {others}")
    if absent := sorted({row["subject"] for row in read_rows(path)} - set(listing.subjects)):
        raise DatasetError(
            name,
            f"lacks all recordings of subject {', '.join(absent[:5])}{' …' * (len(absent) > 5)}, whom its published "
            "folds need",
            f"complete the local copy, or set folds: {others}",
        )
    return path
