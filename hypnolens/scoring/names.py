"""Names of nights and of their files. Imported by the Snakefile, so it needs only what Python brings."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from hypnolens.errors import ConfigurationError, RecordingError
from hypnolens.io.checksums import sha256
from hypnolens.io.kinds import FOLDER, instead, kind_of

ENDINGS = (".edf", ".bdf", ".fif", ".fif.gz", ".vhdr", ".set")
"""Files that are taken for nights where a folder is given."""

STAGES_ONLY = "-Hypnogram.edf"
"""How files of human stages end, which are no nights."""

OVERVIEW = "nights.html"
"""The page of all nights of a folder of results."""

TASK = "sleep"
"""Label of the task, where a night's name has none."""

ENTITIES = re.compile(
    r"(?P<who>sub-[0-9A-Za-z]+(?:_ses-[0-9A-Za-z]+)?)(?P<task>_task-[0-9A-Za-z]+)?"
    r"(?P<rest>(?:_acq-[0-9A-Za-z]+)?(?:_run-[0-9]+)?)(?:_[A-Za-z]+)?"
)
"""Names that BIDS gives to recordings, with or without the suffix of a kind of data, such as ``_eeg``."""


def file_names(name: str, *, page: bool = True, reasons: bool = True) -> dict[str, str]:
    """Names of the files of a night, by kind, in the order in which they are written, with page and reasons or without.

    Names of different nights may give one file the same name, see `bids_name`.
    """
    bids = bids_name(name)
    return {
        "stages": f"{name}-stages.tsv",
        "hypnogram": f"{name}-hypnogram.edf",
        "events": f"{bids}_events.tsv",
        "events_description": f"{bids}_events.json",
        "yasa": f"{name}-yasa.json",
        "statistics": f"{name}-statistics.tsv",
        "transitions": f"{name}-transitions.tsv",
        **({"reasons": f"{name}-reasons.tsv"} if reasons else {}),
        **({"page": f"{name}.html"} if page else {}),
        "summary": f"{name}.json",
    }


def bids_name(name: str) -> str:
    """Name of a night as BIDS wants it, to which suffixes such as ``_events.tsv`` are added.

    A name that follows BIDS keeps its entities (and gets a task where it has none). Of any other the letters and digits
    become the subject's label; where it has none of those that BIDS allows, which are ASCII's, a hash of the name does.
    Different names may thus get the same one.
    """
    if found := ENTITIES.fullmatch(name):
        return f"{found['who']}{found['task'] or f'_task-{TASK}'}{found['rest']}"
    label = re.sub(r"[^0-9A-Za-z]", "", name) or sha256(name.encode())[:8]
    return f"sub-{label}_task-{TASK}"


def night_name(path: Path) -> str:
    """Name of a night: that of its file, without its ending and what only says that it is a recording.

    Raises
    ------
    RecordingError
        Nothing that could name a file is left.
    """
    if path.name in ("", ".."):  # the former as of "." and "/"
        raise RecordingError(str(path), "is a folder", "give the files in it")
    name = path.name
    for ending in (*ENDINGS, path.suffix):
        if ending and name.lower().endswith(ending):
            name = name[: -len(ending)]
            break
    if name.startswith("sub-"):
        name = re.sub(r"_(eeg|ieeg|meg)$", "", name)
    name = re.sub(r"[-_]PSG$", "", name)
    if name.casefold() == OVERVIEW.removesuffix(".html"):
        raise RecordingError(path.name, f"would write the page of all nights, {OVERVIEW}", "rename it")
    if not name or name.startswith(".") or not path.name.isprintable() or set(name) & set('/\\:*?"<>|'):
        raise RecordingError(path.name, "cannot name files", "rename it")
    return name


def clashes(paths: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Pairs of nights that would write the same files, also where a file system ignores case."""
    taken: dict[str, Path] = {}
    for path in paths:
        name = night_name(path)
        others = [taken.setdefault(own.casefold(), path) for own in file_names(name).values()]
        yield from ((other, path) for other in dict.fromkeys(others) if other != path)


def nights_in(folder: Path) -> list[Path]:
    """Recordings of a folder by their names, without those of folders in it.

    Raises
    ------
    OSError
        It cannot be read.
    """
    files = sorted(folder.iterdir())
    return [f for f in files if f.name.lower().endswith(ENDINGS) and not f.name.lower().endswith(STAGES_ONLY.lower())]


def nights_by_name(nights: str | Sequence[str]) -> dict[str, Path]:
    """Nights of a folder, or of a list of files, by name.

    Raises
    ------
    ConfigurationError
        There is no such folder, or two nights would write the same files.
    RecordingError
        A file cannot name others.
    """
    if isinstance(nights, str):
        folder = Path(nights)
        if kind_of(folder) != FOLDER:
            what = f"there is no folder '{nights}'{instead(folder)}"
            raise ConfigurationError(f"score.nights: {what}; give one with recordings")
        try:
            paths = nights_in(folder)
        except OSError as error:
            raise ConfigurationError(f"score.nights: '{nights}' cannot be read ({error.strerror})") from error
    else:
        paths = [Path(night) for night in nights]
    if clash := next(clashes(paths), None):
        raise ConfigurationError(f"score.nights: {clash[0]} and {clash[1]} would write the same files; rename one")
    return {night_name(path): path for path in paths}
