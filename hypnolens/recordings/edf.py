"""EDF and EDF+ files: one channel in microvolts, and annotations, with the damage found before it does harm.

The format is that of Kemp et al. 1992 and 2003 (https://www.edfplus.info/specs): ASCII fields of fixed width, then data
records, each with a stretch of every signal as 16-bit integers. Reading is our own, because files from elsewhere are
not to be trusted: every number that counts must be written as one, annotations that do not follow the grammar are
refused rather than passed over (edfio's pattern skips them, and takes minutes for some), nothing takes more than one
look at each byte, and no file is mapped, as one that becomes shorter meanwhile would end the process without a word.
"""

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np

from hypnolens.errors import RecordingError
from hypnolens.io.kinds import FILE, kind_of
from hypnolens.recordings.units import LOST_MICRO, MICROVOLTS, microvolts, unit_factor

logger = logging.getLogger(__name__)

FETCH_AGAIN = "fetch the file again, or leave this recording out (exclude: in a configuration)"

LONGEST_RECORD_S = 86_400.0
"""A data record holds seconds, not days; where one does, its header lies, and an hour's file is a century long."""

JITTER_S = 0.01
"""By how much a data record may follow late or early after the one before it: clocks of recorders jitter. A sample is
more where the rate is low."""

ROUNDED = 2e-6
"""Share by which a duration of eight characters, such as ``0.333333``, may be off."""

ANNOTATIONS = "EDF Annotations"
"""Label of a signal whose bytes are annotations."""

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SECONDS = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)
_THREE_NUMBERS = re.compile(r" ?(\d{1,2})[.:'/ -] ?(\d{1,2})[.:'/ -] ?(\d{1,2})", re.ASCII)
_DATE = re.compile(r"(\d{2})-([A-Z]{3})-(\d{4})", re.ASCII)
_ONSET = re.compile(rb"([+-]\d{1,10}(?:\.\d+)?)(?:\x15(\d{1,10}(?:\.\d+)?))?")


@dataclass(frozen=True)
class Channel:
    """One channel of a recording.

    Attributes
    ----------
    signal
        Samples in µV, float32 ``(n_samples,)``.
    rate
        Sampling rate in Hz.
    label
        Label of the channel in the file.
    limits
        Lowest and highest value in µV that the file can hold: a signal that stays there is clipped.
    start
        Date and time of the first sample; the year is 1 where the file gives no date.
    unit
        Physical dimension by the file's header.
    doubts
        What is odd about the file and was settled, in sentences.
    """

    signal: np.ndarray
    rate: float
    label: str
    limits: tuple[float, float]
    start: datetime
    unit: str
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Annotations:
    """Annotations of an EDF+ file: ``(onset in s, duration in s or None, text)`` each, the file's start, and doubts."""

    entries: tuple[tuple[float, float | None, str], ...]
    start: datetime
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Signal:
    """A signal by the header: its ranges as they are written, and which samples of a data record are its own."""

    label: str
    unit: str
    physical: tuple[str, str]
    digital: tuple[str, str]
    span: slice


@dataclass(frozen=True)
class _File:
    """A file whose header and size agree."""

    path: Path
    recording: str
    n_bytes: int
    n_records: int
    record_s: float
    reserved: str
    startdate: str
    starttime: str
    identification: str
    every: tuple[_Signal, ...]
    doubts: list[str] = field(default_factory=list)

    @property
    def plus(self) -> bool:
        return self.reserved.startswith(("EDF+C", "EDF+D"))

    @property
    def signals(self) -> list[_Signal]:
        return [signal for signal in self.every if signal.label != ANNOTATIONS]

    @property
    def annotations(self) -> list[_Signal]:
        """Signals of annotations, also of a file that does not say that it is EDF+."""
        return [signal for signal in self.every if signal.label == ANNOTATIONS]

    def records(self, signal: _Signal, most: int | None = None) -> np.ndarray:
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

    def refuse(self, what: str, remedy: str = FETCH_AGAIN) -> RecordingError:
        return RecordingError(self.recording, what, remedy)

    def doubt(self, what: str) -> None:
        if what not in self.doubts:
            self.doubts.append(what)
            logger.warning("%s: %s", self.recording, what)


def read_channel(path: Path, labels: Sequence[str], recording: str) -> Channel:
    """Read the first of the wanted channels that a file has; the others stay on disk.

    Parameters
    ----------
    path
        EDF or EDF+ file (continuous).
    labels
        Labels in order of preference, compared exactly.
    recording
        Name for error messages.

    Raises
    ------
    RecordingError
        No such file or channel; a damaged file; a unit that is not a voltage; a recording with gaps (EDF+D).
    """
    file = _open(path, recording)
    present = [signal.label.strip(" ") for signal in file.signals]
    for label in labels:
        if present.count(label) > 1:
            what = f"{path.name} has {present.count(label)} channels '{label}'"
            raise file.refuse(what, f"choose one by its place among them, such as channel: ['{label}#1']")
        place = present.index(label) if label in present else place_of(label, present)
        if place is not None:
            return replace(_channel(file, place), label=label)
    wanted = " or ".join(f"'{label}'" for label in labels)
    found = ", ".join(map(repr, present[:20])) or "no signal at all"
    more = f" and {len(present) - 20} more" if len(present) > 20 else ""
    what = f"channel {wanted} not found; {path.name} has {found}{more}"
    raise file.refuse(what, "set channel: of the dataset to one of these")


def place_of(name: str, labels: Sequence[str]) -> int | None:
    """Place of a channel that is named with its number among those of one label, such as ``C4-M1#2`` for the second."""
    label, _, number = name.rpartition("#")
    places = [place for place, one in enumerate(labels) if one.strip() == label.strip()]
    return places[int(number) - 1] if number.isdecimal() and label and 0 < int(number) <= len(places) else None


def list_channels(path: Path, recording: str) -> list[str]:
    """Labels of the signals of a file, in its order; for what is raised see `read_channel`."""
    return [signal.label.strip(" ") for signal in _open(path, recording).signals]


def list_rates(path: Path, recording: str) -> tuple[list[float], float]:
    """Sampling rates in Hz of those signals, and seconds that they last; for what is raised see `read_channel`."""
    file = _open(path, recording)
    rates = [(signal.span.stop - signal.span.start) / file.record_s for signal in file.signals]
    return rates, file.n_records * file.record_s


def read_place(path: Path, place: int, recording: str) -> Channel:
    """Read the channel at a place of `list_channels`, as `read_channel` does.

    A unit that is no voltage is taken for µV: it is for the caller to look at `Channel.unit` and at the values.
    """
    return _channel(_open(path, recording), place, any_unit=True)


def _channel(file: _File, place: int, *, any_unit: bool = False) -> Channel:
    source, name = file.signals[place], file.path.name
    _check_continuity(file, source.span.stop - source.span.start)
    label, unit = source.label.strip(" "), source.unit.strip(" ")
    try:
        low, high = (int(_matching(_WHOLE, cell)) for cell in source.digital)
        bottom, top = map(_number, source.physical)
    except ValueError as error:
        raise file.refuse(f"channel {label!r} of {name} has a range that is no number ({error})") from error
    if "," in "".join(source.physical):
        file.doubt(f"{name} writes numbers with a decimal comma")
    if not -32768 <= low < high <= 32767 or bottom == top:
        raise file.refuse(f"channel {label!r} of {name} has an empty or impossible range")
    known = microvolts(unit)
    factor = 1.0 if known is None else known
    ends = sorted((bottom * factor, top * factor))
    # What single precision cannot hold is no voltage either.
    if not np.abs(ends).max() < 1e30:
        raise file.refuse(f"channel {label!r} of {name} has an infinite range")
    gain = (top - bottom) / (high - low) * factor
    # In place and in single precision, which holds 16 bits exactly: a day at 100 Hz is 8 million samples.
    signal = file.records(source).ravel().astype(np.float32)
    signal *= gain
    signal += bottom * factor - low * gain
    rate = _rate(source.span.stop - source.span.start, file.record_s)
    if known is None and not any_unit:
        _check_unit(file, signal, rate, label, unit)
    elif unit not in MICROVOLTS and LOST_MICRO.fullmatch(unit):
        file.doubt(f"channel {label!r} of {name} writes its unit as {unit!r}, which is taken for µV")
    return Channel(signal, rate, label, (ends[0], ends[1]), _start(file), unit, tuple(file.doubts))


def _check_unit(file: _File, signal: np.ndarray, rate: float, label: str, unit: str) -> None:
    """Refuse a channel in no voltage, unless its header gives none at all and its values are those of an EEG in µV."""
    factor = 0.0
    if not unit:
        factor, _ = unit_factor(signal, rate, unit, label, file.recording)
    if factor != 1.0:
        what = f"channel {label!r} is in {unit!r}, which is no voltage"
        raise file.refuse(what, f"correct the header of {file.path.name} to one of {', '.join(MICROVOLTS)}")
    file.doubt(f"channel {label!r} of {file.path.name} has no unit; by its amplitude it is in µV")


def _rate(n_samples: int, record_s: float) -> float:
    """Sampling rate in Hz; eight characters of a header cannot say a third of a second."""
    rate = n_samples / record_s
    return float(round(rate)) if abs(rate - round(rate)) < ROUNDED * rate else rate


def read_annotations(path: Path, recording: str) -> Annotations:
    """Read the annotations of an EDF+ file, in order of onset.

    Raises
    ------
    RecordingError
        No such file, a damaged file, or one without annotations.
    """
    found = list_annotations(path, recording)
    if not found.entries:
        raise RecordingError(recording, f"{path.name} holds no annotations", "give the EDF+ file that holds the stages")
    return found


def list_annotations(path: Path, recording: str) -> Annotations:
    """Read the annotations of a file, of which there may be none, otherwise as `read_annotations`."""
    file = _open(path, recording)
    _check_plus(file)
    if file.record_s and file.reserved.startswith("EDF+C"):
        _check_continuity(file)
    entries: list[tuple[float, float | None, str]] = []
    for number, signal in enumerate(file.annotations):
        for place, record in enumerate(file.records(signal)):
            try:
                found = parse_annotations(record.tobytes())
                if number == 0 and found and (file.plus or _is_onset(found)):
                    # The first of a data record is empty and tells when the record begins.
                    _record_onset(found)
                    found[0][2].pop(0)
            except ValueError as error:
                what = f"annotations of {path.name} are damaged (data record {place}: {error})"
                if file.plus:
                    raise file.refuse(what) from error
                file.doubt(f"{what} and left out, as it does not say that it is EDF+")
                return Annotations((), _start(file), tuple(file.doubts))
            entries += [(onset, duration, text) for onset, duration, texts in found for text in texts]
    offset = _offset_s(file)
    entries = [(round(onset - offset, 12), duration, text) for onset, duration, text in entries]
    entries.sort(key=lambda entry: (entry[0], -1.0 if entry[1] is None else entry[1], entry[2]))
    return Annotations(tuple(entries), _start(file), tuple(file.doubts))


def parse_annotations(record: bytes) -> list[tuple[float, float | None, list[str]]]:
    """Annotations of one data record: onset in s, duration in s or None, texts.

    The bytes are lists of the form ``+onset[\\x15duration]\\x14text\\x14[text\\x14…]\\x00`` and zeros
    (https://www.edfplus.info/specs/edfplus.html#tal).

    Raises
    ------
    ValueError
        Anything else; the message is short, whatever the bytes are.
    """
    found = []
    if record and record[-1] != 0:
        raise ValueError("the last annotation has no end")
    for piece in record.split(b"\0"):
        if not piece:
            continue
        times, _, texts = piece.partition(b"\x14")
        match = _ONSET.fullmatch(times)
        if match is None:
            raise ValueError(f"{times[:20].decode('latin-1')!r} is no time")
        if not texts.endswith(b"\x14"):
            raise ValueError(f"the text at {match[1][:20].decode()} s has no end")
        try:
            words = texts[:-1].decode("utf-8").split("\x14")
        except UnicodeDecodeError:
            raise ValueError(f"the text at {match[1][:20].decode()} s is not UTF-8") from None
        found.append((float(match[1]), float(match[2]) if match[2] else None, words))
    return found


def _check_plus(file: _File) -> None:
    """Tell of a file that has annotations and does not say that it is EDF+."""
    if not file.plus and file.annotations:
        said = "has annotations and does not say that it is EDF+; they are read as EDF+ writes them"
        file.doubt(f"{file.path.name} {said}")


def _is_onset(found: list[tuple[float, float | None, list[str]]]) -> bool:
    """Whether a data record begins with the empty annotation that tells when it begins."""
    return bool(found) and not found[0][2][0] and found[0][1] is None


def _record_onset(found: list[tuple[float, float | None, list[str]]]) -> float:
    """When a data record begins, in s, by the annotation that must come first in it."""
    if not _is_onset(found):
        raise ValueError("it does not begin with its time")
    return found[0][0]


def _onsets(file: _File, most: int | None = None) -> list[tuple[int, float]]:
    """Numbers of data records with when they begin, in s from the file's start; those that do not say are left out."""
    onsets = []
    for signal in file.annotations[:1]:
        for number, record in enumerate(file.records(signal, most)):
            if not record.any():  # some recorders reserve the place and write nothing there
                continue
            first = record.tobytes().partition(b"\0")[0]
            try:
                onsets.append((number, _record_onset(parse_annotations(first + b"\0"))))
            except ValueError as error:
                if not file.plus:
                    return []
                what = f"annotations of {file.path.name} are damaged (data record {number}: {error})"
                raise file.refuse(what) from error
    return onsets


def _check_continuity(file: _File, n_samples: int = 1) -> None:
    """Refuse a file with gaps: its data records must follow each other, as far as they say when they begin.

    Parameters
    ----------
    file
        A file.
    n_samples
        Of the signal that is read, in a data record.
    """
    name = file.path.name
    if file.plus and not file.annotations:
        file.doubt(f"{name} says that it is EDF+ and holds no annotations, which tell where data records begin")
    _check_plus(file)
    onsets = _onsets(file)
    if file.plus and file.annotations and len(onsets) < file.n_records:
        said = f"{len(onsets)} of {file.n_records} data records of {name} say when they begin"
        file.doubt(f"{said}; the others are taken to follow each other")
    # Steps and not times: a clock that runs late adds up to seconds in a night.
    off = max(JITTER_S, file.record_s / n_samples)
    for (before, earlier), (number, later) in pairwise(onsets):
        expected = earlier + (number - before) * file.record_s
        if abs(later - expected) <= off * (number - before):
            continue
        if file.reserved.startswith("EDF+D"):
            raise file.refuse(f"{name} is discontinuous (EDF+D)", "export it as one continuous recording")
        raise file.refuse(
            f"{name} contradicts itself: data record {number} begins at {later:.12g} s, and by the one before it at "
            f"{expected:.12g} s",
            "export it as one continuous recording, or leave it out (exclude: in a configuration)",
        )


def _open(path: Path, recording: str) -> _File:
    """Open a file and refuse it if its header and its size disagree; no sample is read."""
    if (kind := kind_of(path)) != FILE:
        what = f"is {kind}, no file" if kind else "does not exist"
        raise RecordingError(recording, f"{path} {what}", "correct the path, or fetch the file")
    try:
        size = path.stat().st_size
        if size < 256:
            raise RecordingError(
                recording, f"{path.name} is {'empty' if size == 0 else 'shorter than an EDF header'}", FETCH_AGAIN
            )
        file = _header(path, recording, b"0       ", "EDF")
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
        file = _header(path, recording, b"\xffBIOSEMI", "BDF")
        _sized(file, path.stat().st_size, 3)
    except (OSError, ValueError) as error:
        raise RecordingError(recording, f"{path.name} is not a readable BDF file ({error})", FETCH_AGAIN) from error
    if file.reserved.startswith("BDF+D"):
        raise file.refuse(f"{path.name} is discontinuous (BDF+D)", "export it as one continuous recording")


def _sized(file: _File, size: int, sample_bytes: int) -> _File:
    """The file with the number of data records that it holds; refused where its header promises another one.

    A recorder writes -1 while it records, and leaves it there when it is switched off or dies.
    """
    declared, actual = file.n_records, (size - file.n_bytes) / (sample_bytes * file.every[-1].span.stop)
    if declared == -1 and actual >= 1:
        found = replace(file, n_records=int(actual))
        part = "" if actual == int(actual) else ", and a part of another, which is left out"
        found.doubt(
            f"{file.path.name} was never closed (its header says -1 data records); it holds {int(actual)}{part}"
        )
        return found
    if declared != actual:
        raise file.refuse(
            f"{file.path.name} is {'cut short' if actual < declared else 'longer than its header says'}: the header "
            f"promises {declared} data records, the file holds {actual:g}"
        )
    return file


def _header(path: Path, recording: str, magic: bytes, kind: str) -> _File:
    """What a header says; ValueError for numbers that are none, or that no file can have."""
    with path.open("rb") as stream:
        # Latin-1 decodes every byte, so that a µ in a unit (outside the standard, yet common) is no damage.
        head, zeros = _blanks(stream.read(256).decode("latin-1"))
        if not head.startswith(magic.decode("latin-1")):
            raise ValueError(f"it does not begin as {kind} does")
        n_bytes, n_records, n = (int(_matching(_WHOLE, head[a:b])) for a, b in ((184, 192), (236, 244), (252, 256)))
        record_s = float(_matching(_SECONDS, head[244:252].replace(",", ".")))
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

    counts = [int(_matching(_WHOLE, cell)) for cell in cells(216, 8)]
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
    signals = tuple(_Signal(*one) for one in every)
    about, day, clock, reserved = head[88:168], head[168:176], head[176:184], head[192:236]
    file = _File(path, recording, n_bytes, n_records, record_s, reserved, day, clock, about, signals)
    if "," in head[244:252]:
        file.doubt(f"{path.name} writes numbers with a decimal comma")
    if zeros or more:
        file.doubt(f"{path.name} has zero bytes in its header, which are taken for blanks")
    return file


def _blanks(text: str) -> tuple[str, bool]:
    """A text of a header with blanks for zero bytes, and whether there were any."""
    return text.replace("\0", " "), "\0" in text


def _number(cell: str) -> float:
    """A number of a header, which programs in some languages write with a comma."""
    return float(_matching(_NUMBER, cell.replace(",", ".")))


def _matching(form: re.Pattern[str], cell: str) -> str:
    """A cell of a header without the spaces around it; Python would also read ``1_0``, ``nan`` and the like."""
    text = cell.strip(" ")
    if not form.fullmatch(text):
        raise ValueError(f"{text!r} where a number is expected")
    return text


def _offset_s(file: _File) -> float:
    """Seconds from the start by the header, which has no fractions of them, to the first sample."""
    return next((onset for _, onset in _onsets(file, most=1)), 0.0)


def _start(file: _File) -> datetime:
    """Date and time of the first sample; year 1 where there is no date."""
    name = file.path.name
    match = _THREE_NUMBERS.fullmatch(file.starttime.rstrip())
    try:
        if match is None:
            raise ValueError(f"{file.starttime!r} is no time")
        hour, minute, second = map(int, match.groups())
        clock = time(hour, minute, second)
        day, doubt = _date(file)
        start = datetime.combine(day or date.min, clock) + timedelta(seconds=_offset_s(file))
    except (ValueError, OverflowError) as error:
        what = f"{name} has no readable start time, without which it cannot be aligned ({error})"
        raise file.refuse(what, "correct the time in its header") from error
    if doubt:
        file.doubt(f"{name} {doubt}")
    return start


def _date(file: _File) -> tuple[date | None, str]:
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
    match = _THREE_NUMBERS.fullmatch(cell.rstrip())
    if match is None:
        return None
    day, month, year = map(int, match.groups())
    try:
        return date(year + (1900 if year >= 85 else 2000), month, day)
    except ValueError:
        return None
