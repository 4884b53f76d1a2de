"""Stages as people write them into tables: events with a time each, or one stage a line."""

import csv
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hypnolens.errors import RecordingError, quoted
from hypnolens.recordings.edf_file import FETCH_AGAIN
from hypnolens.recordings.stage_xml import MOST_BYTES
from hypnolens.recordings.vocabulary import CODES, NO_STAGE, STANDARD, TEXTS, is_number, numbered, stage_of
from hypnolens.stages import UNSCORED

COLUMNS = {
    "onset": ("onset", "start", "start_time", "begin", "time"),
    "duration": ("duration", "length"),
    "end": ("end", "end_time", "stop", "offset"),
    "epoch": ("epoch", "epochs", "epoch_number", "epoch_index", "epoch_no"),
    "stage": ("stage", "sleep_stage", "stages", "hypnogram", "trial_type", "description"),
}
"""Names of columns, in small letters and without their unit: our own, those of BIDS, of MNE and of YASA."""

UNIT = re.compile(r"[\s_]*(?:[\[(]\s*(?:s|sec|seconds?)\s*[\])]|_s|_sec)$")
"""A unit of seconds at the end of a column's name."""

BESIDE = re.compile(r"p_.*|prob.*|conf.*|scorer|rater")
"""Columns that may stand beside a stage an epoch, as they say nothing of when it was."""

DELIMITERS = "\t,;"

HEAD = re.compile(r"\[.*\]")
"""What DREAMS writes above its lists: ``[hypnogram]``."""

Event = tuple[float, float | None, str]
"""Onset and duration in s, and text."""

Rows = list[tuple[int, list[str]]]
"""Cells of each line, with its number."""


def read_table(path: Path, recording: str, codes: str | None) -> np.ndarray | list[Event]:
    """Stages of a table.

    Parameters
    ----------
    path
        Text with tabs, commas or semicolons between its columns: onset and stage, and a duration or an end, in seconds
        from the signal's first sample; or a stage a line, from the first sample on. Lines with a # are left out.
    recording
        Name for error messages.
    codes
        Which of `hypnolens.recordings.vocabulary.CODES` says what numbers mean; `None` where stages are texts.

    Returns
    -------
    numpy.ndarray or list
        Codes of epochs, int8 ``(n_epochs,)``; or onset, duration and text, each.

    Raises
    ------
    RecordingError
        The file is not a text, or has other columns, a time that cannot be read, a blank line within, numbers without a
        table of codes, or, with a stage a line, a line without one.
    """
    rows, blank = _rows(path, recording)
    names = [UNIT.sub("", cell.lower()).replace(" ", "_") for cell in rows[0][1]]
    found = {what: _column(names, known, path, recording) for what, known in COLUMNS.items()}
    at = {what: place for what, place in found.items() if place is not None}
    if "stage" not in at:
        if len(names) > 1:
            what = f"{path.name}: its first line names no column of stages"
            raise RecordingError(recording, what, "call them onset, duration and stage, or write one stage a line")
        at = {"stage": 0}  # a list without a name
        rows = rows[HEAD.fullmatch(rows[0][1][0]) is not None :]
    else:
        rows = rows[1:]
    rows = [(line, cells[: len(names)] if not any(cells[len(names) :]) else cells) for line, cells in rows]
    if short := [line for line, cells in rows if len(cells) != len(names)]:
        raise RecordingError(recording, f"{path.name}: line {short[0]} has not {len(names)} columns", FETCH_AGAIN)
    texts = [_text(cells[at["stage"]], codes, path, line, recording) for line, cells in rows]
    if "onset" in at:
        return _with_times(rows, at, texts, path, recording)
    if beside := [name for name in names if names.index(name) not in at.values() and not BESIDE.fullmatch(name)]:
        what = f"{path.name} has other columns than that of stages ({len(beside)}), and none that says when they were"
        raise RecordingError(recording, what, "call it onset, with seconds from the signal's start, or leave it out")
    if blank:
        what = f"line {blank} of {path.name} is blank, which may be an epoch without a stage or nothing"
        raise RecordingError(recording, what, "write ? for an epoch without a stage, or take the line out")
    if "epoch" in at:
        numbers = [cells[at["epoch"]] for _, cells in rows]
        first = int(numbers[0]) if numbers and numbers[0].isdecimal() else 0
        if first not in (0, 1) or numbers != [str(first + n) for n in range(len(numbers))]:
            what = f"{path.name} does not count its epochs one by one from 0 or 1"
            raise RecordingError(recording, what, "write every epoch of the signal, those without a stage as ?")
    stages = [stage_of(text) for text in texts]
    for (line, cells), code in zip(rows, stages, strict=True):
        if code is None:
            what = f"{path.name}: line {line} gives the stage {quoted(cells[at['stage']])}"
            raise RecordingError(recording, what, f"known are {', '.join(map(repr, STANDARD))}, W, N1, N2, N3 and R")
    return np.array(stages, dtype=np.int8)


def _column(names: Sequence[str], known: Sequence[str], path: Path, recording: str) -> int | None:
    """Place of a column by the first of its names that there is."""
    name = next((name for name in known if name in names), None)
    if name is not None and names.count(name) > 1:
        what = f"{path.name} has {names.count(name)} columns '{name}'"
        raise RecordingError(recording, what, "leave one of them")
    return None if name is None else names.index(name)


def _with_times(rows: Rows, at: Mapping[str, int], texts: Sequence[str], path: Path, recording: str) -> list[Event]:
    """Events by onset; a duration is given or is the time to their end."""
    found = []
    for (line, cells), text in zip(rows, texts, strict=True):
        onset = _seconds(cells[at["onset"]], path, line, recording)
        if "duration" in at:
            length = _length(cells[at["duration"]], path, line, recording)
        else:
            end = _length(cells[at["end"]], path, line, recording) if "end" in at else None
            length = None if end is None else end - onset
        found.append((onset, length, text))
    return sorted(found, key=lambda event: event[0])


def _rows(path: Path, recording: str) -> tuple[Rows, int | None]:
    """Cells of each line, and its number; and the number of the first line between them that is blank."""
    if (size := path.stat().st_size) > MOST_BYTES:
        what = f"{path.name} has {size / 1e6:.0f} MB, too many for stages"
        raise RecordingError(recording, what, "give an EDF+ file, XML, or a table of stages")
    content = path.read_bytes()
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    every = list(enumerate(text.splitlines(), 1))
    lines = [(n, line) for n, line in every if line.strip() and line.lstrip()[0] != "#"]
    if not lines or "\0" in text:
        what = f"{path.name} {'has no line' if not lines else 'is neither EDF+, nor XML, nor a table'}"
        raise RecordingError(recording, what, "give an EDF+ file, XML, or a table of stages")
    delimiter = max(DELIMITERS, key=lines[0][1].count)
    cells = csv.reader([line for _, line in lines], delimiter=delimiter)
    try:
        rows = [(n, [cell.strip() for cell in row]) for (n, _), row in zip(lines, cells, strict=True)]
    except (csv.Error, ValueError) as error:
        raise RecordingError(recording, f"{path.name} is not a readable table ({error})", FETCH_AGAIN) from error
    return rows, next((n for n, line in every if rows[0][0] < n < rows[-1][0] and not line.strip()), None)


def _text(cell: str, codes: str | None, path: Path, line: int, recording: str) -> str:
    """A stage as EDF+ writes it, of a number by its table; texts as they are."""
    if cell.lower() in NO_STAGE:
        return TEXTS[UNSCORED]
    if not is_number(cell):
        return cell
    if codes is None:
        what = f"{path.name} writes stages as numbers, which mean other stages in other programs"
        raise RecordingError(recording, what, f"say which, {' or '.join(CODES)}, with stage_codes: or --stage-codes")
    if (text := numbered(cell, codes)) == cell:
        known = ", ".join(map(str, CODES[codes]))
        what = f"{path.name}: line {line} gives the stage {quoted(cell)}, which '{codes}' does not have ({known})"
        raise RecordingError(recording, what, "correct it, or name another table of codes")
    return text


def _seconds(cell: str, path: Path, line: int, recording: str) -> float:
    try:
        if math.isfinite(seconds := float(cell.replace(",", "."))):
            return seconds
    except ValueError:
        pass
    what = f"{path.name}: line {line} gives the time {quoted(cell)}"
    raise RecordingError(recording, what, "write seconds from the signal's first sample")


def _length(cell: str, path: Path, line: int, recording: str) -> float | None:
    return None if cell.lower() in ("", "n/a", "nan") else _seconds(cell, path, line, recording)
