"""An EDF or BDF file as its header describes it, found to agree with its size, and its data records as they stand.

Cells are ASCII texts of fixed width. Every number that counts must be written as one.
"""

import logging
import os
import re
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np

from hypnolens.errors import RecordingError
from hypnolens.io.kinds import FILE, kind_of

logger = logging.getLogger(__name__)

FETCH_AGAIN = "fetch or export the file again, or leave this recording out (exclude: in a configuration)"

CORRECT = "correct its header, or leave this recording out (exclude: in a configuration)"
"""Where another copy of the file would be as wrong."""

EDF = b"0       "
"""With which an EDF file begins."""

LEAST_RECORDS = 0.9
"""Share of the promised data records that must be there where nobody looks at what is read."""

LONGEST_RECORD_S = 86_400.0
"""A data record holds seconds, not days; where one does, its header lies, and an hour's file is a century long."""

ANNOTATIONS = "EDF Annotations"
"""Label of a signal whose bytes are annotations."""

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SECONDS = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)
THREE_NUMBERS = re.compile(r" ?(\d{1,2})[.:'/ -] ?(\d{1,2})[.:'/ -] ?(\d{1,2})", re.ASCII)
_DATE = re.compile(r"(\d{2})-([A-Z]{3})-(\d{4})", re.ASCII)


@dataclass(frozen=True)
class Signal:
    """A signal by the header: its ranges as they are written, and which samples of a data record are its own."""

    label: str
    unit: str
    physical: tuple[str, str]
    digital: tuple[str, str]
    span: slice


@dataclass(frozen=True)
class File:
    """A file whose header makes sense, with as many data records as there are and as its header promises."""

    path: Path
    recording: str
    n_bytes: int
    n_records: int
    record_s: float
    reserved: str
    startdate: str
    starttime: str
    identification: str
    every: tuple[Signal, ...]
    promised: int = -1
    misfit: str = ""
    doubts: list[str] = field(default_factory=list)

    @property
    def plus(self) -> bool:
        """Whether the file says that it is EDF+."""
        return self.reserved.startswith(("EDF+C", "EDF+D"))

    @property
    def signals(self) -> list[Signal]:
        """Signals other than annotations."""
        return [signal for signal in self.every if signal.label != ANNOTATIONS]

    @property
    def annotations(self) -> list[Signal]:
        """Signals of annotations, also of a file that does not say that it is EDF+."""
        return [signal for signal in self.every if signal.label == ANNOTATIONS]

    def records(self, signal: Signal, most: int | None = None) -> np.ndarray:
        """The part of a signal in each data record, or in so many of them, int16 ``(n_records, n_samples)``.

        The other signals stay on disk.
        """
        step, n_samples = 2 * self.every[-1].span.stop, signal.span.stop - signal.span.start
        first = self.n_bytes + 2 * signal.span.start
        places = range(first, first + step * self.n_records, step)[:most]
        try:
            with self.path.open("rb", buffering=0) as file:
                content = b"".join(os.pread(file.fileno(), 2 * n_samples, place) for place in places)
        except OSError as error:
            raise self.refuse(f"{self.path.name} cannot be read ({error.strerror})") from error
        if len(content) != 2 * n_samples * len(places):
            raise self.refuse(f"{self.path.name} became shorter while it was read")
        return np.frombuffer(content, "<i2").reshape(len(places), n_samples)

    def check_whole(self) -> None:
        """Refuse a file with far fewer data records than its header promises."""
        if self.misfit and self.n_records < LEAST_RECORDS * self.promised:
            raise self.refuse(self.misfit)

    def refuse(self, what: str, remedy: str = FETCH_AGAIN) -> RecordingError:
        """The error that names the recording."""
        return RecordingError(self.recording, what, remedy)

    def doubt(self, what: str) -> None:
        """Keep what is odd about the file, and say it once."""
        if what not in self.doubts:
            self.doubts.append(what)
            logger.warning("%s: %s", self.recording, what)


def open_edf(path: Path, recording: str) -> File:
    """Open a file whose header makes sense; no sample is read. Where its size is another, `File.misfit` says so."""
    if (kind := kind_of(path)) != FILE:
        what = f"is {kind}, no file" if kind else "does not exist"
        raise RecordingError(recording, f"{path} {what}", "correct the path, or fetch the file")
    try:
        size = path.stat().st_size
        if size < 256:
            raise RecordingError(
                recording, f"{path.name} is {'empty' if size == 0 else 'shorter than an EDF header'}", FETCH_AGAIN
            )
        file = _header(path, recording, EDF, "EDF")
        if file.record_s == 0 and file.signals:
            raise ValueError("its data records last 0 s")
    except PermissionError as error:
        raise RecordingError(recording, f"{path} may not be read", "give yourself read permission") from error
    except (OSError, ValueError) as error:
        raise RecordingError(recording, f"{path.name} is not a readable EDF file ({error})", FETCH_AGAIN) from error
    return _sized(file, size, 2)


def check_bdf(path: Path, recording: str) -> None:
    """Refuse a BDF file (EDF of 24 bits) that its header contradicts, or that has gaps.

    Raises
    ------
    RecordingError
        The header makes no sense, its number of data records is not that of the file, or the file is discontinuous.
    """
    try:
        file = _sized(_header(path, recording, b"\xffBIOSEMI", "BDF"), path.stat().st_size, 3)
    except (OSError, ValueError) as error:
        raise RecordingError(recording, f"{path.name} is not a readable BDF file ({error})", FETCH_AGAIN) from error
    if file.misfit:
        raise file.refuse(file.misfit)
    if file.reserved.startswith("BDF+D"):
        raise file.refuse(f"{path.name} is discontinuous (BDF+D)", "export it as one continuous recording")


def _sized(file: File, size: int, sample_bytes: int) -> File:
    """The file with the whole data records that it holds, and a doubt where its header promises another number.

    A recorder writes -1 while it records, and leaves it there when it is switched off or dies.
    """
    declared, actual = file.n_records, (size - file.n_bytes) / (sample_bytes * file.every[-1].span.stop)
    found = replace(file, n_records=int(actual), promised=declared)
    if declared == -1:
        part = "" if actual == int(actual) else ", and a part of another, which is left out"
        found.doubt(
            f"{file.path.name} was never closed (its header says -1 data records); it holds {int(actual)}{part}"
        )
    elif declared != actual:
        kind = "cut short" if actual < declared else "longer than its header says"
        holds = f"the header promises {declared} data records, the file holds {actual:.12g}"
        found = replace(found, misfit=f"{file.path.name} is {kind}: {holds}")
    if actual < 1:
        raise found.refuse(found.misfit or f"{file.path.name} holds no whole data record")
    return found


def _header(path: Path, recording: str, magic: bytes, kind: str) -> File:
    """What a header says; ValueError for numbers that are none, or that no file can have."""
    with path.open("rb") as stream:
        # Latin-1 decodes every byte, also a µ in a unit, which is outside the standard and common.
        head, zeros = _blanks(stream.read(256).decode("latin-1"))
        if not head.startswith(magic.decode("latin-1")):
            raise ValueError(f"it does not begin as {kind} does")
        n_bytes, n_records, n = (int(matching(WHOLE, head[a:b])) for a, b in ((184, 192), (236, 244), (252, 256)))
        record_s = float(matching(_SECONDS, head[244:252].replace(",", ".")))
        if (
            n < 1
            or n_bytes != 256 * (1 + n)
            or (n_records < 1 and n_records != -1)
            or not 0 <= record_s <= LONGEST_RECORD_S
        ):
            raise ValueError("header size, number of records, their duration and number of signals do not fit")
        fields, more = _blanks(stream.read(256 * n).decode("latin-1"))
    if len(fields) < 256 * n:
        raise ValueError("it ends within its header")

    def cells(begin: int, width: int) -> list[str]:
        """A field of every signal; those of one kind follow each other."""
        return [fields[start : start + width] for start in range(n * begin, n * (begin + width), width)]

    counts = [int(matching(WHOLE, cell)) for cell in cells(216, 8)]
    if min(counts) < 1:
        raise ValueError("a signal without samples")
    ends = np.cumsum([0, *counts]).tolist()
    labels = [label.rstrip(" ") for label in cells(0, 16)]
    if any(label != ANNOTATIONS and label.strip() == ANNOTATIONS for label in labels):
        raise ValueError(f"a signal that is nearly called {ANNOTATIONS!r}")
    every = zip(
        labels,
        cells(96, 8),
        zip(cells(104, 8), cells(112, 8), strict=True),
        zip(cells(120, 8), cells(128, 8), strict=True),
        (slice(begin, end) for begin, end in pairwise(ends)),
        strict=True,
    )
    signals = tuple(Signal(*one) for one in every)
    about, day, clock, reserved = head[88:168], head[168:176], head[176:184], head[192:236]
    file = File(path, recording, n_bytes, n_records, record_s, reserved, day, clock, about, signals)
    if "," in head[244:252]:
        file.doubt(f"{path.name} writes numbers with a decimal comma")
    if zeros or more:
        file.doubt(f"{path.name} has zero bytes in its header, which are taken for blanks")
    return file


def _blanks(text: str) -> tuple[str, bool]:
    """A text of a header with blanks for zero bytes, and whether there were any."""
    return text.replace("\0", " "), "\0" in text


def decimal(cell: str) -> float:
    """A number of a header, which programs in some languages write with a comma."""
    return float(matching(_NUMBER, cell.replace(",", ".")))


def matching(form: re.Pattern[str], cell: str) -> str:
    """A cell of a header without the spaces around it; Python would also read ``1_0``, ``nan`` and the like."""
    text = cell.strip(" ")
    if not form.fullmatch(text):
        raise ValueError(f"{text!r} where a number is expected")
    return text


def date_of(file: File) -> tuple[date | None, str]:
    """Date of a file by its two fields, of which the one of EDF+ has four digits for the year, and what is wrong."""
    short = _short_date(file.startdate)
    unread = f"has an unreadable date, {file.startdate.strip()!r}"
    words = file.identification.split()
    if words[:1] != ["Startdate"] or len(words) < 2:
        if file.plus and short:
            return short, "has no date in the manner of EDF+"
        return short, "" if short else f"{unread}, and is aligned by the time of day"
    if words[1] == "X":
        return None, ""
    try:
        match = _DATE.fullmatch(words[1].upper())
        if match is None:
            raise ValueError
        long = date(int(match[3]), MONTHS.index(match[2]) + 1, int(match[1]))
    except ValueError:
        return short, f"has an unreadable date, {words[1]!r}"
    if short is None:
        return long, f"{unread}; {words[1]} is taken"
    return long, "" if short == long else f"has two dates, {file.startdate.strip()} and {words[1]}; the latter is taken"


def _short_date(cell: str) -> date | None:
    match = THREE_NUMBERS.fullmatch(cell.rstrip())
    if match is None:
        return None
    day, month, year = map(int, match.groups())
    try:
        return date(year + (1900 if year >= 85 else 2000), month, day)
    except ValueError:
        return None
