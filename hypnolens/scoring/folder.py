"""The folder that results go to: one command at a time writes there, and none over the results of another recording."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from hypnolens.errors import HypnolensError, RecordingError, quoted
from hypnolens.scoring.names import file_names, night_name

LOCK = ".hypnolens-lock"

UNFINISHED = ".hypnolens-unfinished-"
"""How folders begin in which results are written before they get their names."""

OURS = b"p_n1"
"""What a table of events, and what describes its columns, begin with among other things if they are of hypnolens."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Be the only command that writes results to a folder, which is made if need be, while a block runs.

    The system gives the lock back when a process ends, however it ends; what a killed one left unfinished is removed.
    Where the file system has no locks, or nothing may be written (as the first night will say), the block runs without.

    Raises
    ------
    HypnolensError
        Another command writes there.
    """
    lock = _locked(folder)
    try:
        if lock:
            _clean(folder)
        yield
    finally:
        if lock:
            _clean(folder)
            (folder / LOCK).unlink(missing_ok=True)
            lock.close()


def _locked(folder: Path) -> BinaryIO | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            with ExitStack() as opened:
                file = opened.enter_context((folder / LOCK).open("ab"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_still(folder / LOCK, file):
                    opened.pop_all()
                    return file
    except BlockingIOError:
        what = f"{folder}: another hypnolens writes results there; wait until it has ended, or choose another folder"
        raise HypnolensError(what) from None
    except OSError:
        return None


def _is_still(path: Path, file: BinaryIO) -> bool:
    """Whether a name is that of an opened file: who had the lock before may have removed it in between."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _clean(folder: Path) -> None:
    for left in folder.glob(f"{UNFINISHED}*"):
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def foreign(paths: Sequence[Path], folder: Path) -> dict[Path, RecordingError]:
    """Nights some of whose files would have the names of another night's that lie in a folder, and what to say of them.

    Whether results of the same name are of the same recording, only its content says: see `check_same`.
    """
    there = {file.name for file in folder.glob("*")} if folder.is_dir() else set()
    nights = [name.removesuffix(".json") for name in there if name.endswith(".json")]
    owners = {
        file.casefold(): night
        for night in nights
        if f"{night}-stages.tsv" in there
        for file in file_names(night).values()
    }
    found = {}
    for path in paths:
        name = night_name(path)
        for file in file_names(name).values():
            if (owner := owners.get(file.casefold(), name)) != name:
                what = f"{folder / file} is of another night, {owner}"
                found[path] = RecordingError(name, what, "rename the recording, or choose another folder")
    return found


def check_same(name: str, sha256: str, place: str, folder: Path) -> None:
    """Refuse to write over results that are not of the same recording.

    The same recording has the same bytes, or lies at the same place: then it is a new version of the file.

    Parameters
    ----------
    name
        Of the night.
    sha256, place
        See `hypnolens.scoring.scored.Night`.

    Raises
    ------
    RecordingError
        Results of this name are of another recording, or not of hypnolens.
    """
    files = {kind: folder / file for kind, file in file_names(name).items()}
    said = said_in(files["summary"])
    if sha256 == said.get("sha256") or place == said.get("place"):
        return
    strange = [files[kind] for kind in ("events", "events_description") if _is_strange(files[kind])]
    if said:
        what = f"{files['summary']} is of another recording, {quoted(str(said.get('file')))}"
    elif files["summary"].exists() or strange:
        what = f"{[*strange, files['summary']][0]} is no result of hypnolens"
    else:
        return
    raise RecordingError(name, f"{what}, and would be overwritten", "move it away, or choose another folder")


def said_in(summary: Path) -> dict[str, Any]:
    """What a summary says; nothing of one that is none."""
    try:
        said = json.loads(summary.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) and {"hypnolens", "sha256"} <= said.keys() else {}


def _is_strange(events: Path) -> bool:
    """Whether there are events that hypnolens did not write, such as those of the dataset that a recording lies in."""
    try:
        with events.open("rb") as file:
            return OURS not in file.read(10_000)
    except OSError:
        return False
