"""Stages as people write them into tables: events with a time each, or one stage a line."""

import csv
import math
from pathlib import Path

import numpy as np

from hypnolens.errors import RecordingError, quoted
from hypnolens.recordings.edf_file import FETCH_AGAIN
from hypnolens.recordings.stage_xml import MOST_BYTES
from hypnolens.recordings.vocabulary import CODES, STANDARD, stage_of
from hypnolens.stages import STAGES

ONSET, DURATION, EPOCH = ("onset", "onset_s", "start", "start_s"), ("duration", "duration_s"), ("epoch",)
STAGE = ("stage", "sleep_stage", "stages", "hypnogram", "trial_type", "description")
"""Names of columns, in small letters: our own, those of BIDS, and those of MNE."""

TEXTS = (*(f"Sleep stage {stage}" for stage in STAGES), "Sleep stage ?", "Movement time")
"""Texts of codes, in the order of `hypnolens.stages`."""

DELIMITERS = "\t,;"


def read_table(path: Path, recording: str, codes: str | None) -> np.ndarray | list[tuple[float, float | None, str]]:
    """Stages of a table.

    Parameters
    ----------
    path
        Text with tabs, commas or semicolons between its columns: onset and stage, and a duration, in seconds from the
        signal's first sample; or a stage a line, from the first sample on. Blank lines and those with a # are left out.
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
        The file is not a text, or has other columns, a time that cannot be read, numbers without a table of codes, or,
        with a stage a line, a line without one.
    """
    rows = _rows(path, recording)
    names = [cell.lower() for cell in rows[0][1]]
    onset, duration, epoch, stage = (
        next((place for place, name in enumerate(names) if name in known), None)
        for known in (ONSET, DURATION, EPOCH, STAGE)
    )
    if stage is None:
        if len(names) > 1:
            what = f"{path.name} has the columns {', '.join(map(quoted, names[:8]))}"
            raise RecordingError(recording, what, "call them onset, duration and stage, or write one stage a line")
        stage = 0  # a list without a name
    else:
        rows = rows[1:]
    if short := [line for line, cells in rows if len(cells) != len(names)]:
        raise RecordingError(recording, f"{path.name}: line {short[0]} has not {len(names)} columns", FETCH_AGAIN)
    texts = [_text(cells[stage], codes, path, line, recording) for line, cells in rows]
    if onset is not None:
        begins = [_seconds(cells[onset], path, line, recording) for line, cells in rows]
        lengths = [
            None if duration is None else _length(cells[duration], path, line, recording) for line, cells in rows
        ]
        return sorted(zip(begins, lengths, texts, strict=True), key=lambda event: event[0])
    if epoch is not None:
        numbers = [cells[epoch] for _, cells in rows]
        first = int(numbers[0]) if numbers and numbers[0].isdecimal() else 0
        if first not in (0, 1) or numbers != [str(first + n) for n in range(len(numbers))]:
            what = f"{path.name} does not count its epochs one by one from 0 or 1"
            raise RecordingError(recording, what, "write every epoch of the signal, those without a stage as ?")
    found = [stage_of(text) for text in texts]
    for (line, cells), code in zip(rows, found, strict=True):
        if code is None:
            what = f"{path.name}: line {line} gives the stage {quoted(cells[stage])}"
            raise RecordingError(recording, what, f"known are {', '.join(map(repr, STANDARD))}, W, N1, N2, N3 and R")
    return np.array(found, dtype=np.int8)


def _rows(path: Path, recording: str) -> list[tuple[int, list[str]]]:
    """Cells of each line, and its number."""
    if (size := path.stat().st_size) > MOST_BYTES:
        what = f"{path.name} has {size / 1e6:.0f} MB, too many for stages"
        raise RecordingError(recording, what, "give an EDF+ file, XML, or a table of stages")
    content = path.read_bytes()
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip() and line.lstrip()[0] != "#"]
    if not lines or "\0" in text:
        what = f"{path.name} {'has no line' if not lines else 'is neither EDF+, nor XML, nor a table'}"
        raise RecordingError(recording, what, "give an EDF+ file, XML, or a table of stages")
    delimiter = max(DELIMITERS, key=lines[0][1].count)
    cells = csv.reader([line for _, line in lines], delimiter=delimiter)
    try:
        return [(n, [cell.strip() for cell in row]) for (n, _), row in zip(lines, cells, strict=True)]
    except (csv.Error, ValueError) as error:
        raise RecordingError(recording, f"{path.name} is not a readable table ({error})", FETCH_AGAIN) from error


def _text(cell: str, codes: str | None, path: Path, line: int, recording: str) -> str:
    """A stage as EDF+ writes it, of a number by its table; texts as they are."""
    number = cell.removesuffix(".0")
    if not number.removeprefix("-").isdecimal():
        return cell
    if codes is None:
        what = f"{path.name} writes stages as numbers, which mean other stages in other programs"
        raise RecordingError(recording, what, f"say which, {' or '.join(CODES)}, with stage_codes: or --stage-codes")
    code = CODES[codes].get(int(number))
    if code is None:
        known = ", ".join(map(str, CODES[codes]))
        what = f"{path.name}: line {line} gives the stage {quoted(cell)}, which '{codes}' does not have ({known})"
        raise RecordingError(recording, what, "correct it, or name another table of codes")
    return TEXTS[code]


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
