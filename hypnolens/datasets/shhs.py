"""Sleep Heart Health Study, visit 1 (NSRR): polysomnograms at home, staged in Profusion.

Zhang et al. 2018, doi:10.1093/jamia/ocy064. ``EEG`` is C4-A1; ``EEG(sec)``, ``EEG (sec)``, ``EEG2`` and ``EEG sec``
are C3-A2.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from hypnolens.datasets.local import check_writable, find_files
from hypnolens.datasets.recording import Recording
from hypnolens.errors import ConfigurationError
from hypnolens.io.tables import read_rows, read_user_table

TABLE = "shhs1-329.tsv"
RATES_HZ = (125.0, 128.0)
TOKEN = "NSRR_TOKEN"
"""The environment variable that holds a user's token; its value goes to the NSRR and nowhere else."""

FOLDERS = {".edf": "polysomnography/edfs/shhs1", "-profusion.xml": "polysomnography/annotations-events-profusion/shhs1"}
"""Where the NSRR keeps the two files of a recording, by the ending of their names."""

NAME = re.compile(r"shhs1-\d{6}")


def list_recordings(
    name: str, recordings: str | None, path: Path | None, tables: Path
) -> tuple[list[Recording], list[str]]:
    """Recordings of a list, and the names of those that a local copy lacks altogether.

    Parameters
    ----------
    name
        Name of the dataset, for error messages.
    recordings
        A table with the column ``recording``, ``"all"`` for whatever the local copy has, or `None` for the 329 that
        AttnSleep and the paper use.
    path
        Folder with a local copy; without it the files are fetched to ``data/shhs``.
    tables
        Folder of the table of the 329.

    Raises
    ------
    ConfigurationError
        A list that cannot be read or that names something else, or a local copy without any of its recordings.
    """
    if recordings == "all" and path is None:
        raise ConfigurationError(f"datasets.{name}.recordings: 'all' needs path:; give a table of the recordings")
    names = [] if recordings == "all" else _names(name, Path(recordings) if recordings else tables / TABLE)
    if path is None:
        folder = Path("data/shhs")
        check_writable(name, folder)
        return [_recording(n, *(folder / f"{n}{ending}" for ending in FOLDERS), folder=folder) for n in names], []
    files = find_files(name, path, r"shhs1-\d{6}(\.edf|-profusion\.xml)")
    if recordings == "all":
        names = sorted({file[: len("shhs1-200001")] for file in files})
    listed = [_recording(n, *(files.get(f"{n}{ending}") for ending in FOLDERS)) for n in names]
    present = [recording for recording in listed if recording.psg or recording.hypnogram]
    if not present:
        raise ConfigurationError(
            f"datasets.{name}.path: '{path}' has none of the recordings, such as shhs1-200001.edf with "
            "shhs1-200001-profusion.xml; give the folder of the local copy"
        )
    return present, [recording.name for recording in listed if not (recording.psg or recording.hypnogram)]


def unavailable(recordings: Sequence[Recording]) -> str | None:
    """Why recordings cannot be had, or `None`: what is not there yet can only be fetched with a token."""
    if os.environ.get(TOKEN, "").strip():
        return None
    absent = sum(not (r.psg and r.psg.is_file() and r.hypnogram and r.hypnogram.is_file()) for r in recordings)
    if not absent:
        return None
    return (
        f"{absent} of {len(recordings)} recordings are not here and there is no token for the NSRR; set the "
        f"environment variable {TOKEN} (https://sleepdata.org/token), or path: of the dataset to a local copy"
    )


def published_set(names: Sequence[str], tables: Path) -> str | None:
    """``"shhs1-329"`` if these are its recordings."""
    rows = read_rows(tables / TABLE)
    return TABLE.removesuffix(".tsv") if set(names) == {row["recording"] for row in rows} else None


def _names(name: str, table: Path) -> list[str]:
    try:
        rows = read_user_table(table, required=("recording",), numbers=())
    except ValueError as error:
        raise ConfigurationError(f"datasets.{name}.recordings: {error}") from error
    names = [row["recording"] for row in rows]
    if odd := [word for word in names if not NAME.fullmatch(word)]:
        raise ConfigurationError(f"datasets.{name}.recordings: '{odd[0]}' in '{table}' is no name such as shhs1-200001")
    if len(set(names)) < len(names):
        raise ConfigurationError(f"datasets.{name}.recordings: '{table}' lists a recording more than once")
    return names


def _recording(name: str, psg: Path | None, hypnogram: Path | None, *, folder: Path | None = None) -> Recording:
    return Recording(
        name=name,
        subject=name.removeprefix("shhs1-"),
        night=1,
        psg=psg,
        hypnogram=hypnogram,
        source=folder / f"{name}-source.tsv" if folder else None,
        rates=RATES_HZ,
    )
