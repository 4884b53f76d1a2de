"""A folder of one's own recordings: pairs of a PSG and a hypnogram by name, or those listed in a table."""

import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePath

from hypnolens.datasets.recording import Recording
from hypnolens.errors import ConfigurationError, quoted
from hypnolens.io.kinds import FOLDER, instead, kind_of
from hypnolens.io.tables import read_user_table

SLEEP_EDF = re.compile(r"(SC4|ST7)(\d\d)(\d)")
"""Names of Sleep-EDF: study, two digits of subject, one of night; what follows differs between PSG and hypnogram."""

SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Names that can be a file name anywhere, with what is added to them (file systems allow 255 bytes), and that cannot
leave the folder of results."""

BIDS = re.compile(r"(sub-[A-Za-z0-9]+)(?:_ses-([A-Za-z0-9]+))?_")
"""Names of BIDS: subject, and session, which is taken for the night where it is a number."""

SIGNALS = (".edf", ".bdf", ".rec", ".fif", ".vhdr", ".set", ".xml")
"""Endings of files that may be meant to be recordings, or stages of one."""

PSG, HYPNOGRAM = "-PSG", "-Hypnogram"
"""With what the names of the two files of a recording end, in small letters or capitals, before the endings below."""

PSG_ENDINGS, HYPNOGRAM_ENDINGS = (".edf", ".rec"), (".edf", ".xml", ".tsv", ".csv", ".txt")
"""Endings that are looked for; how a file is read is decided by its content, when it is."""

PSGS, HYPNOGRAMS = (tuple(PSG + one for one in PSG_ENDINGS), tuple(HYPNOGRAM + one for one in HYPNOGRAM_ENDINGS))

MARKS = "-spindles.tsv"
"""Ending of a table of experts' marks beside a recording (``onset_s duration_s scorer``)."""

COLUMNS = ("recording", "psg", "hypnogram", "subject", "night")


def list_recordings(name: str, path: Path, table: Path | None = None) -> list[Recording]:
    """Recordings of a folder; other files in it are ignored.

    ``NAME-PSG.edf`` goes with ``NAME-Hypnogram.edf``, or with another of the endings above; for Sleep-EDF's names the
    first six characters decide, as the rest differs within a pair. ``NAME-spindles.tsv`` holds experts' marks, where
    there are some. Each recording is its own subject, except that names of Sleep-EDF and of BIDS give subject and
    night.

    Parameters
    ----------
    name
        Name of the dataset, for error messages.
    path
        The folder.
    table
        Tab-separated table with the columns ``recording psg hypnogram subject night`` (paths from ``path``) that
        replaces the search by name.

    Raises
    ------
    ConfigurationError
        No such folder or table, no recording in it, names that clash or cannot be file names, files outside the folder.
    """
    if kind_of(path) != FOLDER:
        what = f"there is no folder '{path}'{instead(path)}"
        raise ConfigurationError(f"datasets.{name}.path: {what}; give the one with the EDF files")
    recordings = _from_table(name, path, table) if table else _by_name(name, path)
    if not recordings:
        raise ConfigurationError(
            f"datasets.{name}: no recording found in '{path}'; "
            "expected are pairs NAME-PSG.edf and NAME-Hypnogram.edf, or a table given with recordings:"
        )
    for recording in recordings:
        for word in (recording.name, recording.subject):
            if not SAFE.fullmatch(word):
                raise ConfigurationError(
                    f"datasets.{name}: {quoted(word)} cannot name a recording or subject; use letters, digits, '.', "
                    "'_', '-', up to 100 of them"
                )
    return recordings


def _by_name(name: str, path: Path) -> list[Recording]:
    try:
        files = sorted(path.iterdir())
    except OSError as error:
        raise ConfigurationError(f"datasets.{name}.path: '{path}' cannot be read ({error.strerror})") from error
    marks = {stem: file for file in files if (stem := _stem(file.name, (MARKS,)))}
    psgs, hypnograms = (_by_key(name, files, endings) for endings in (PSGS, HYPNOGRAMS))
    recordings = []
    for key in sorted(psgs.keys() | hypnograms.keys()):
        psg, hypnogram = psgs.get(key), hypnograms.get(key)
        stem = _stem(psg.name, PSGS) if psg else key
        subject, night = _whose(stem)
        recordings.append(Recording(stem, subject, night, psg, hypnogram, events=marks.get(stem)))
    return recordings


def _stem(file: str, endings: Sequence[str]) -> str:
    """A name without one of some endings, whatever the case of its letters; empty where it has none of them."""
    return next((file[: -len(ending)] for ending in endings if file.lower().endswith(ending.lower())), "")


def _whose(stem: str) -> tuple[str, int]:
    """Subject and night by a recording's name."""
    if match := SLEEP_EDF.match(stem):
        return match[1] + match[2], int(match[3])
    if match := BIDS.match(f"{stem}_"):
        return match[1], int(match[2]) if (match[2] or "").isdecimal() else 1
    return stem, 1


def told(path: Path, recordings: Sequence[Recording]) -> list[str]:
    """What a person must know of a folder whose recordings were found by their names.

    Parameters
    ----------
    path
        The folder.
    recordings
        What `list_recordings` found in it, without a table.
    """
    used = {file for one in recordings for file in (one.psg, one.hypnogram)}
    files = sorted(path.iterdir()) if os.access(path, os.R_OK | os.X_OK) else []
    unused = [file for file in files if file.name.lower().endswith(SIGNALS) and file not in used]
    lines = []
    if unused:
        names = ", ".join(quoted(file.name)[1:-1] for file in unused[:10]) + f" and {len(unused) - 10} more" * (
            len(unused) > 10
        )
        lines.append(
            f"not used, as their names end neither with {PSGS[0]} nor with {HYPNOGRAMS[0]}: {names}; a table given as "
            "recordings: takes any names"
        )
    if len(alone := [one for one in recordings if one.subject == one.name]) > 1:
        lines.append(
            f"each of {len(alone)} recordings is taken for another person's, such as {alone[0].name}; where two are of "
            "one, list all in a table given as recordings:, or call them sub-NAME_ses-NUMBER_…"
        )
    return lines


def _by_key(name: str, files: list[Path], endings: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in files:
        if stem := _stem(file.name, endings):
            if not file.name.isprintable():
                raise ConfigurationError(f"datasets.{name}: {quoted(file.name)} cannot be shown; rename it")
            key = stem[:6] if SLEEP_EDF.match(stem) else stem
            if key in found:
                raise ConfigurationError(
                    f"datasets.{name}: {found[key].name} and {file.name} are of the same night; keep one of them"
                )
            found[key] = file
    return found


def _from_table(name: str, path: Path, table: Path) -> list[Recording]:
    try:
        rows = read_user_table(table, required=COLUMNS, numbers=["night"])
    except ValueError as error:
        raise ConfigurationError(f"datasets.{name}.recordings: {error}") from error
    for row in rows:
        for column in ("psg", "hypnogram"):
            if not _inside(row[column]):
                raise ConfigurationError(
                    f"datasets.{name}.recordings: '{table}' gives {quoted(row['recording'])} the {column} "
                    f"{quoted(row[column])}, which does not lie in '{path}'; give paths from that folder, without '..'"
                )
    names = [row["recording"] for row in rows]
    if twice := sorted({row for row in names if names.count(row) > 1}):
        listed = ", ".join(quoted(row)[1:-1] for row in twice[:5])
        raise ConfigurationError(f"datasets.{name}.recordings: '{table}' lists {listed} more than once")
    return [
        Recording(
            row["recording"],
            row["subject"],
            int(row["night"]),
            psg := path / row["psg"],
            path / row["hypnogram"],
            events=marks if (marks := psg.with_name((_stem(psg.name, PSGS) or psg.name) + MARKS)).is_file() else None,
        )
        for row in rows
    ]


def _inside(file: str) -> bool:
    """Whether a path of a table leads to something below the folder that it is from, and can be a path at all."""
    parts = PurePath(file).parts
    return bool(parts) and file.isprintable() and ".." not in parts and not PurePath(file).is_absolute()
