"""EDF and EDF+ files: one channel in microvolts, and annotations, with the damage found before it does harm.

The format is that of Kemp et al. 1992 and 2003 (https://www.edfplus.info/specs): ASCII fields of fixed width, then data
records, each with a stretch of every signal as 16-bit integers. Reading is our own, because files from elsewhere are
not to be trusted: every number that counts must be written as one, annotations that do not follow the grammar are
refused rather than passed over (edfio's pattern skips them, and takes minutes for some), nothing takes more than one
look at each byte, and no file is mapped, as one that becomes shorter meanwhile would end the process without a word.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np

from hypnolens.errors import RecordingError
from hypnolens.recordings.edf_file import (
    CORRECT,
    THREE_NUMBERS,
    WHOLE,
    File,
    date_of,
    decimal,
    matching,
    open_edf,
)
from hypnolens.recordings.units import LOST_MICRO, MICROVOLTS, microvolts, unit_factor

JITTER_S = 0.01
"""By how much a data record may follow late or early after the one before it: clocks of recorders jitter. A sample is
more where the rate is low."""

ROUNDED = 2e-6
"""Share by which a duration of eight characters, such as ``0.333333``, may be off."""

LONGEST_PAUSE_S = 86_400.0
"""Pauses of a night are minutes; a day of them is a clock that was set, or another night."""

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
        Lowest and highest value in µV that the file can hold: a signal that stays there is clipped. `None` of a
        difference, which reaches its limits where one of the two does, and its values do not tell.
    start
        Date and time of the first sample; the year is 1 where the file gives no date.
    unit
        Physical dimension by the file's header.
    pauses
        From when to when nothing was recorded (EDF+D), in s from the first sample. A straight line stands there.
    excess
        Data records that the file has more than its header promises; less, with a minus.
    doubts
        What is odd about the file and was settled, in sentences.
    """

    signal: np.ndarray
    rate: float
    label: str
    limits: tuple[float, float] | None
    start: datetime
    unit: str
    pauses: tuple[tuple[float, float], ...] = ()
    excess: int = 0
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Annotations:
    """Annotations of an EDF+ file: ``(onset in s, duration in s or None, text)`` each, the file's start, and doubts."""

    entries: tuple[tuple[float, float | None, str], ...]
    start: datetime
    doubts: tuple[str, ...] = ()


def read_channel(path: Path, labels: Sequence[str], recording: str) -> Channel:
    """Read the first of the wanted channels that a file has; the others stay on disk.

    Parameters
    ----------
    path
        EDF or EDF+ file.
    labels
        In order of preference: a label, compared exactly; one with its place among those of one label, such as
        ``C4-M1#2``; or two labels with a minus between them, whose difference is taken.
    recording
        Name for error messages.

    Raises
    ------
    RecordingError
        No such file or channel; a damaged file, or one with less than 90 % of the data records that its header
        promises; a unit that is not a voltage; data records that begin before the one before them has ended.
    """
    file = open_edf(path, recording)
    file.check_whole()
    present = [signal.label.strip(" ") for signal in file.signals]
    for label in labels:
        if present.count(label) > 1:
            what = f"{path.name} has {present.count(label)} channels '{label}'"
            raise file.refuse(what, f"choose one by its place among them, such as channel: ['{label}#1']")
        place = present.index(label) if label in present else place_of(label, present)
        if place is not None:
            return _in_microvolts(file, replace(_channel(file, place), label=label))
        if pair := _difference(label, present):
            return _in_microvolts(file, _minus(file, label, *(_channel(file, place) for place in pair)))
    wanted = " or ".join(f"'{label}'" for label in labels)
    found = ", ".join(map(repr, present[:20])) or "no signal at all"
    more = f" and {len(present) - 20} more" if len(present) > 20 else ""
    what = f"channel {wanted} not found; {path.name} has {found}{more}"
    raise file.refuse(what, "set channel: of the dataset to one of these, or to a difference of two ('C4-M1')")


def _difference(name: str, labels: Sequence[str]) -> tuple[int, int] | None:
    """Places of the two channels of a difference; a minus may also stand within a label."""
    parts = [(name[:place].strip(), name[place + 1 :].strip()) for place, sign in enumerate(name) if sign == "-"]
    return next(
        ((labels.index(a), labels.index(b)) for a, b in parts if labels.count(a) == 1 and labels.count(b) == 1), None
    )


def _minus(file: File, name: str, plus: Channel, minus: Channel) -> Channel:
    """The difference of two channels."""
    if plus.rate != minus.rate:
        rates = f"'{plus.label}' has {plus.rate:g} Hz, '{minus.label}' {minus.rate:g} Hz"
        raise file.refuse(f"channel '{name}' cannot be computed: {rates}", "choose channels of one rate")
    if dead := [one.label for one in (plus, minus) if np.ptp(one.signal) == 0]:
        what = f"channel '{name}' cannot be computed: '{dead[0]}' is flat throughout"
        raise file.refuse(what, "choose another channel:, or the other one alone, if this is its reference")
    file.doubt(f"channel '{name}' is computed as '{plus.label}' minus '{minus.label}'")
    return replace(plus, signal=plus.signal - minus.signal, label=name, limits=None, doubts=tuple(file.doubts))


def place_of(name: str, labels: Sequence[str]) -> int | None:
    """Place of a channel that is named with its number among those of one label, such as ``C4-M1#2`` for the second."""
    label, _, number = name.rpartition("#")
    places = [place for place, one in enumerate(labels) if one.strip() == label.strip()]
    return places[int(number) - 1] if number.isdecimal() and label and 0 < int(number) <= len(places) else None


def list_channels(path: Path, recording: str) -> list[str]:
    """Labels of the signals of a file, in its order; for what is raised see `read_channel`."""
    return [signal.label.strip(" ") for signal in open_edf(path, recording).signals]


def list_rates(path: Path, recording: str) -> tuple[list[float], float]:
    """Sampling rates in Hz of those signals, and seconds that they last; for what is raised see `read_channel`."""
    file = open_edf(path, recording)
    rates = [(signal.span.stop - signal.span.start) / file.record_s for signal in file.signals]
    number, begin_s = _stretches(file)[-1]
    return rates, begin_s + (file.n_records - number) * file.record_s


def read_place(path: Path, place: int, recording: str) -> Channel:
    """Read the channel at a place of `list_channels`, as `read_channel` does.

    A unit other than a voltage is taken for µV, and a file that is cut short is read to its end: the caller looks at
    `Channel.unit`, at `Channel.doubts` and at the values.
    """
    return _channel(open_edf(path, recording), place, any_unit=True)


def _channel(file: File, place: int, *, any_unit: bool = False) -> Channel:
    source, name = file.signals[place], file.path.name
    n_samples = source.span.stop - source.span.start
    stretches = _stretches(file, n_samples)
    label, unit = source.label.strip(" "), source.unit.strip(" ")
    try:
        low, high = (int(matching(WHOLE, cell)) for cell in source.digital)
        bottom, top = map(decimal, source.physical)
    except ValueError as error:
        raise file.refuse(f"channel {label!r} of {name} has a range that is not a number ({error})", CORRECT) from error
    if "," in "".join(source.physical):
        file.doubt(f"{name} writes numbers with a decimal comma")
    if not -32768 <= low < high <= 32767 or bottom == top:
        raise file.refuse(f"channel {label!r} of {name} has an empty or impossible range", CORRECT)
    known = microvolts(unit)
    factor = 1.0 if known is None else known
    ends = sorted((bottom * factor, top * factor))
    # What single precision cannot hold is no voltage either.
    if not np.abs(ends).max() < 1e30:
        raise file.refuse(f"channel {label!r} of {name} has an infinite range", CORRECT)
    gain = (top - bottom) / (high - low) * factor
    # In place and in single precision, which holds 16 bits exactly: a day at 100 Hz is 8 million samples.
    signal = file.records(source).ravel().astype(np.float32)
    signal *= gain
    signal += bottom * factor - low * gain
    rate = _rate(n_samples, file.record_s)
    signal, pauses = _laid_out(signal, [(n_samples * number, round(begin * rate)) for number, begin in stretches])
    if pauses:
        long = f"{sum(end - begin for begin, end in pauses) / rate:.6g} s in all"
        file.doubt(f"{name} was paused {len(pauses)} times, {long}; no epoch that a pause touches is used")
    if known is None and not any_unit:
        _check_unit(file, signal, rate, label, unit)
    elif unit not in MICROVOLTS and LOST_MICRO.fullmatch(unit):
        file.doubt(f"channel {label!r} of {name} writes its unit as {unit!r}, which is taken for µV")
    return Channel(
        signal, rate, label, (ends[0], ends[1]), _start(file), unit,
        tuple((begin / rate, end / rate) for begin, end in pauses),
        file.n_records - file.promised if file.misfit else 0, tuple(file.doubts),
    )  # fmt: skip


def _laid_out(signal: np.ndarray, begins: Sequence[tuple[int, int]]) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Samples where they were recorded, with a straight line through each pause, and the pauses in samples.

    Parameters
    ----------
    signal
        All samples ``(n_samples,)``.
    begins
        First sample of each stretch without a pause, and where it is to stand.
    """
    if len(begins) == 1:
        return signal, []
    pieces = np.split(signal, [first for first, _ in begins[1:]])
    parts, pauses, end = [pieces[0]], [], len(pieces[0])
    for piece, (_, place) in zip(pieces[1:], begins[1:], strict=True):
        n = max(place - end, 0)
        parts += [np.linspace(parts[-1][-1], piece[0], n, dtype=np.float32), piece]
        pauses.append((end, end + n))
        end += n + len(piece)
    return np.concatenate(parts), pauses


def _check_unit(file: File, signal: np.ndarray, rate: float, label: str, unit: str) -> None:
    """Refuse a channel in no voltage, unless its header gives none at all and its values are those of an EEG in µV."""
    factor = 0.0
    if not unit:
        factor, _ = unit_factor(signal, rate, unit, label, file.recording)
    if factor != 1.0:
        what = f"channel {label!r} is in {unit!r}, which is no voltage"
        raise file.refuse(what, f"correct the header of {file.path.name} to one of {', '.join(MICROVOLTS)}")
    file.doubt(f"channel {label!r} of {file.path.name} has no unit; by its amplitude it is in µV")


def _in_microvolts(file: File, channel: Channel) -> Channel:
    """A channel whose unit makes it a thousand times too large, divided as scoring does it.

    One that is too small may be dead, and making its noise larger would be a guess; flags of its epochs tell of it. A
    reference may be silent, so a difference is looked at as a whole.
    """
    try:
        factor, said = unit_factor(channel.signal, channel.rate, channel.unit, channel.label, file.recording)
    except RecordingError:  # of an amplitude that no unit explains
        return channel
    if factor >= 1.0:
        return channel
    file.doubt(said)
    ends = channel.limits and (channel.limits[0] * factor, channel.limits[1] * factor)
    return replace(channel, signal=channel.signal * np.float32(factor), limits=ends, doubts=tuple(file.doubts))


def _rate(n_samples: int, record_s: float) -> float:
    """Sampling rate in Hz; eight characters of a header cannot say a third of a second."""
    rate = n_samples / record_s
    return float(round(rate)) if abs(rate - round(rate)) < ROUNDED * rate else rate


def read_annotations(path: Path, recording: str) -> Annotations:
    """Read the annotations of an EDF+ file, in order of onset.

    Raises
    ------
    RecordingError
        No such file, a damaged or short file, or one without annotations.
    """
    file = open_edf(path, recording)
    file.check_whole()
    found = _annotations(file)
    if not found.entries:
        raise RecordingError(recording, f"{path.name} holds no annotations", "give the EDF+ file that holds the stages")
    return found


def list_annotations(path: Path, recording: str) -> Annotations:
    """Read the annotations of a file, of which there may be none, otherwise as `read_annotations`."""
    return _annotations(open_edf(path, recording))


def _annotations(file: File) -> Annotations:
    _check_plus(file)
    if file.misfit:
        file.doubt(file.misfit)
    if file.record_s and file.reserved.startswith("EDF+C"):
        _stretches(file)
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
                what = f"annotations of {file.path.name} are damaged (data record {place}: {error})"
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
            words = texts[:-1].decode("utf-8")
        except UnicodeDecodeError:  # as many programs write it; no stage has such letters
            words = texts[:-1].decode("latin-1")
        found.append((float(match[1]), float(match[2]) if match[2] else None, words.split("\x14")))
    return found


def _check_plus(file: File) -> None:
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


def _onsets(file: File, most: int | None = None) -> list[tuple[int, float]]:
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


def _stretches(file: File, n_samples: int = 1) -> list[tuple[int, float]]:
    """First data record of each stretch without a pause, and when it begins, in s from the first one.

    Data records must follow each other, as far as they say when they begin; only EDF+D may have pauses.

    Parameters
    ----------
    file
        A file.
    n_samples
        Of the signal that is read, in a data record.
    """
    name, found = file.path.name, [(0, 0.0)]
    if file.misfit:
        file.doubt(file.misfit)
    if file.plus and not file.annotations:
        file.doubt(f"{name} says that it is EDF+ and holds no annotations, which tell where data records begin")
    _check_plus(file)
    onsets = _onsets(file)
    if file.plus and file.annotations and len(onsets) < file.n_records:
        said = f"{len(onsets)} of {file.n_records} data records of {name} say when they begin"
        file.doubt(f"{said}; the others are taken to follow each other")
    # Steps and not times: a clock that runs late adds up to seconds in a night.
    off = max(JITTER_S, file.record_s / n_samples)
    paused_s = 0.0
    for (before, earlier), (number, later) in pairwise(onsets):
        expected = earlier + (number - before) * file.record_s
        if abs(later - expected) <= off * (number - before):
            continue
        paused_s += later - expected
        paused = later > expected and file.reserved.startswith("EDF+D") and number == before + 1
        if not paused:
            raise file.refuse(
                f"{name} contradicts itself: data record {number} begins at {later:.12g} s, and by the one before it "
                f"at {expected:.12g} s",
                "export it as one continuous recording, or leave it out (exclude: in a configuration)",
            )
        if paused_s > LONGEST_PAUSE_S:
            what = f"{name} was paused for {paused_s / 3600:.1f} h by data record {number} (EDF+D)"
            raise file.refuse(what, "export each part as a recording of its own")
        found.append((number, later - onsets[0][1] + onsets[0][0] * file.record_s))
    return found


def _offset_s(file: File) -> float:
    """Seconds from the start by the header, which has no fractions of them, to the first sample."""
    return next((onset for _, onset in _onsets(file, most=1)), 0.0)


def _start(file: File) -> datetime:
    """Date and time of the first sample; year 1 where there is no date."""
    name = file.path.name
    match = THREE_NUMBERS.fullmatch(file.starttime.rstrip())
    try:
        if match is None:
            raise ValueError(f"{file.starttime!r} is no time")
        hour, minute, second = map(int, match.groups())
        clock = time(hour, minute, second)
        day, doubt = date_of(file)
        start = datetime.combine(day or date.min, clock) + timedelta(seconds=_offset_s(file))
    except (ValueError, OverflowError) as error:
        what = f"{name} has no readable start time, without which it cannot be aligned ({error})"
        raise file.refuse(what, "correct the time in its header") from error
    if doubt:
        file.doubt(f"{name} {doubt}")
    return start
