"""Hypnograms: annotated stages of Rechtschaffen & Kales or AASM brought to one stage an epoch, and trimmed."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hypnolens.errors import RecordingError, quoted
from hypnolens.recordings.edf import Annotations
from hypnolens.recordings.stage_files import read_stage_file
from hypnolens.recordings.vocabulary import STANDARD, lights_in, looks_like_stage, stage_of, unread
from hypnolens.stages import CODE, EPOCH_S, UNSCORED

TOLERANCE_S = 1e-3
"""Times are decimal fractions in the files and binary ones here: within a millisecond they are the same."""

ROUNDED_S = 0.01
"""By how much bouts may miss the grid of epochs, as programs round times to hundredths of a second or to samples."""

LEAST_STAGES, LEAST_MARKS = 2, 4
"""Marks without durations are stages if they name so many different ones, or are so many; fewer may be notes."""

STEPS_S = {"dreams": 5}
"""Steps other than an epoch in which programs write stages without times, by the name of their table of codes."""

MOST_EXCESS = 0.1
"""Share of a signal's epochs by which stages without times may be too many or too few."""

ERAS = (1900, 1970, 1980, 1985, 2000)
"""Years on whose first day programs put a date that they take away: those of clocks, and EDF's own first one."""

LONGEST_S = 366 * 86_400.0
"""No signal lasts longer than a year; a header that says so lies, and stages for it would fill the memory."""

TRIM_RULES = ("drop-then-trim", "trim-then-drop")


class Hypnogram(NamedTuple):
    """Stages of a signal.

    Attributes
    ----------
    stages
        Codes of every whole epoch, int8 ``(n_epochs,)``: 0-4, `UNSCORED` or `MOVEMENT`.
    first_s
        Seconds from the signal's start to the first epoch, at least 0 and below 30.
    flags
        ``stages=N``: the file has stages for N epochs more than the signal has (or, with a minus, for fewer).
    doubts
        What is odd about the file and how it was settled, in sentences.
    lights
        Lights off and on in seconds from the signal's start, where the file has them.
    """

    stages: np.ndarray
    first_s: float
    flags: list[str]
    doubts: Sequence[str] = ()
    lights: tuple[float | None, float | None] = (None, None)


def read_stages(
    path: Path,
    *,
    start: datetime,
    duration_s: float,
    recording: str,
    codes: str | None = None,
    pauses: Sequence[tuple[float, float]] = (),
) -> Hypnogram:
    """Stage of every whole epoch of a signal: from a file with times by these, from one without by position.

    Epochs lie on the hypnogram's own grid: where the hypnogram starts at another moment than the signal, the
    first epoch is the first one of the hypnogram that lies wholly in the signal. Stages after the signal's end are
    cut off, and epochs that no annotation covers are unscored.

    Parameters
    ----------
    path
        See `hypnolens.recordings.stage_files.read_stage_file`. The first epoch of a file without times is the signal's.
    start
        Date and time of the signal's first sample.
    duration_s
        Length of the signal in seconds.
    recording
        Name for error messages.
    codes
        What numbers mean, see `hypnolens.recordings.vocabulary.CODES`.
    pauses
        Of the signal; stages without times cannot be laid beside one that has some.

    Raises
    ------
    RecordingError
        Labels that are not known, bouts that are no whole epochs or that contradict each other, a hypnogram of
        another night than its signal, a signal longer than a year.
    """
    _check_length(duration_s, recording)
    found = read_stage_file(path, recording, start=start, codes=codes)
    if isinstance(found, np.ndarray):
        if pauses:
            what = f"{path.name} has stages without times, and its signal was paused: which epochs they are of is open"
            raise RecordingError(recording, what, "give a table with the columns onset and stage")
        return _by_position(found, path, int((duration_s + TOLERANCE_S) // EPOCH_S), recording, codes)
    return place_stages(found, path.name, start=start, duration_s=duration_s, recording=recording)


def place_stages(
    annotations: Annotations, file: str, *, start: datetime, duration_s: float, recording: str
) -> Hypnogram:
    """Stage of every whole epoch of a signal from annotations; see `read_stages`.

    Texts that are no stages are counted, see `hypnolens.recordings.vocabulary`. Marks without a duration hold until the
    next one.

    Parameters
    ----------
    annotations
        Their start is that of the file that they are of.
    file
        Its name, for error messages.
    """
    texts = [text for _, _, text in annotations.entries]
    try:
        bouts, n_marks = _bouts(annotations)
        bouts, partial = _whole_bouts(bouts)
    except ValueError as error:
        raise RecordingError(recording, f"{file} {error}", "leave one of them") from None
    if not bouts:
        if words := [text for text in texts if stage_of(text) is not None]:
            what = f"{file} holds no stages but {quoted(words[0])} without a duration, as a note would be"
            raise RecordingError(recording, what, "give stages their durations, if it is none")
        what = "; ".join([f"{file} holds no stages", *unread(texts)])
        remedy = f"rename them to those of the EDF+ standard, such as {', '.join(map(repr, STANDARD))}"
        raise RecordingError(recording, what, remedy)
    doubts = [*annotations.doubts, *(f"{file}: {sentence}" for sentence in unread(texts))]
    _check_length(duration_s, recording)
    if n_marks:
        doubts.append(f"{file}: {n_marks} stages have no duration, where others have one, and are not read")
    if partial:
        doubts.append(f"{file}: its {partial} bout is not of whole epochs; what is less than one is unscored")
    try:
        offset, doubt = _offset_s(annotations.start, start, _length(bouts), duration_s)
    except ValueError as error:
        raise RecordingError(recording, f"{file}: {error}", "give both files their clocks, or cut them alike") from None
    if doubt:
        doubts.append(f"{file}: {doubt}")
    origin = bouts[0][0]
    first_s = (offset + origin) % EPOCH_S
    if EPOCH_S - first_s < TOLERANCE_S:
        first_s = 0.0
    n_epochs = int((duration_s - first_s + TOLERANCE_S) // EPOCH_S)
    stages = np.full(max(n_epochs, 0), UNSCORED, dtype=np.int8)
    covered = np.zeros(len(stages), dtype=bool)
    n_scored = n_outside = 0
    for onset, length, text, code in bouts:
        duration = (n_epochs * EPOCH_S - offset + first_s - onset) if length is None else length
        if length is None:  # the last mark
            duration = EPOCH_S * max(1, (duration + TOLERANCE_S) // EPOCH_S)
        if not duration or not _whole(duration):
            raise RecordingError(
                recording,
                f"'{text}' at {onset:g} s of {file} lasts {duration:g} s, not whole {EPOCH_S}-s epochs",
                f"score in epochs of {EPOCH_S} s",
            )
        if not _whole(onset - origin):
            raise RecordingError(
                recording,
                f"'{text}' of {file} begins at {onset:g} s, not a whole number of epochs after the first one",
                f"score in epochs of {EPOCH_S} s",
            )
        begin = round((onset + offset - first_s) / EPOCH_S)
        end = begin + round(duration / EPOCH_S)
        span = slice(max(begin, 0), max(end, 0))
        if (covered[span] & (stages[span] != code)).any():
            raise RecordingError(recording, f"{file} gives two stages to one epoch at {onset:g} s", "leave one of them")
        stages[span] = code
        covered[span] = True
        if code < len(CODE):
            n_scored += end - begin
            n_outside += end - begin - max(min(end, len(stages)) - max(begin, 0), 0)
    n_common = int((stages < len(CODE)).sum())
    if not covered.any() or (2 * n_common < n_scored and 2 * n_common < len(stages)):
        # A hypnogram may be of the whole night, and its signal a part of it; but what they share is most of one.
        raise RecordingError(
            recording,
            f"{file} (from {_moment(annotations.start)}) and its signal ({duration_s / 3600:.1f} h from "
            f"{_moment(start)}) have {n_common} of {n_scored} scored epochs in common",
            "pair the signal with the hypnogram of the same night",
        )
    if 2 * n_common < n_scored:
        doubts.append(f"{file}: {n_common} of its {n_scored} scored epochs lie in the signal")
    lights = tuple(None if onset is None else onset + offset for onset in lights_in(annotations.entries))
    return Hypnogram(stages, first_s, [f"stages={n_outside:+d}"] if n_outside else [], doubts, (lights[0], lights[1]))


def kept_epochs(stages: np.ndarray, *, margin: int | None, rule: str) -> np.ndarray:
    """Positions of the epochs to keep: those with one of the five stages, around sleep.

    Two rules are in use for "30 min of wake on each side" and papers mix them. *drop-then-trim* (DeepSleepNet,
    AttnSleep): movement and unscored epochs go first, so that the edges are set by stages and the margin
    counts kept epochs. *trim-then-drop* (TinySleepNet, SleePyCo): they count as not W when the edges are
    found, and go afterwards. Most nights give the same; SC4012 of Sleep-EDF gives 1,186 and 2,265 epochs.

    Parameters
    ----------
    stages
        Codes of all epochs within the signal ``(n_epochs,)``.
    margin
        Epochs to keep before the first and after the last epoch that is not W; `None` keeps all.
    rule
        One of `TRIM_RULES`.

    Returns
    -------
    numpy.ndarray
        Positions in ``stages``, ascending. A recording without sleep has no edges and is kept whole.
    """
    if rule not in TRIM_RULES:
        raise ValueError(f"unknown rule {rule!r}; known are {TRIM_RULES}")
    scored = stages < len(CODE)
    if rule == "drop-then-trim":
        positions = np.flatnonzero(scored)
        return positions[_span(stages[positions] != CODE["W"], margin)]
    span = _span(stages != CODE["W"], margin)
    return np.arange(len(stages))[span][scored[span]]


def _by_position(given: np.ndarray, path: Path, n_epochs: int, recording: str, codes: str | None) -> Hypnogram:
    """Stages of a file that has no times; a few epochs too many or too few are told, more are another recording's."""
    doubts = []
    n = EPOCH_S // STEPS_S.get(codes or "", EPOCH_S)
    if n > 1 and abs(len(given) / n - n_epochs) <= MOST_EXCESS * n_epochs:
        given = _together(given, n)
        mixed = f"{int((given == UNSCORED).sum())} epochs of more than one stage, or of none, are unscored"
        doubts.append(f"{path.name} gives a stage each {EPOCH_S // n} s; {mixed}")
    excess = len(given) - n_epochs
    if abs(excess) > MOST_EXCESS * n_epochs:
        what = f"{path.name} has {len(given)} stages, and its signal has {n_epochs} epochs of {EPOCH_S} s"
        raise RecordingError(recording, what, f"pair both of one recording, and write one stage each {EPOCH_S} s")
    stages = np.full(n_epochs, UNSCORED, dtype=np.int8)
    stages[: len(given)] = given[:n_epochs]
    return Hypnogram(stages, 0.0, [f"stages={excess:+d}"] if excess else [], doubts)


def _together(given: np.ndarray, n: int) -> np.ndarray:
    """Stages of epochs of which each has ``n`` in a file; those that differ are none."""
    rows = given[: len(given) // n * n].reshape(-1, n)
    return np.where((rows == rows[:, :1]).all(axis=1), rows[:, 0], UNSCORED).astype(np.int8)


def _check_length(duration_s: float, recording: str) -> None:
    if not duration_s <= LONGEST_S:
        what = f"its signal lasts {duration_s / 86_400:.3g} days by its header"
        raise RecordingError(recording, what, "correct the header, or fetch the file again")


def _moment(time: datetime) -> str:
    return f"{time:%H:%M:%S}" if time.year == 1 else f"{time:%Y-%m-%d %H:%M:%S}"


def _whole(seconds: float) -> bool:
    """Whether a time is a whole number of epochs."""
    return abs(seconds - EPOCH_S * round(seconds / EPOCH_S)) < ROUNDED_S


def _span(not_wake: np.ndarray, margin: int | None) -> slice:
    edges = np.flatnonzero(not_wake)
    if margin is None or len(edges) == 0:
        return slice(None)
    return slice(max(edges[0] - margin, 0), edges[-1] + margin + 1)


def _offset_s(hypnogram: datetime, signal: datetime, length_s: float, duration_s: float) -> tuple[float, str]:
    """Seconds by which the hypnogram starts after the signal, by the time of day where a date is missing; and a doubt.

    A clock that a program took away, such as midnight without a date, is no measurement: files of the same length then
    begin together, and others are refused with a ValueError.
    """
    taken = [_no_clock(start) for start in (hypnogram, signal)]
    if taken[0] != taken[1]:
        which = "its clock was" if taken[0] else "the signal's clock was"
        if abs(length_s - duration_s) > MOST_EXCESS * duration_s:
            lengths = f"{length_s / 3600:.1f} h of stages, {duration_s / 3600:.1f} h of signal"
            raise ValueError(f"{which} taken away, and lengths do not say that both begin together ({lengths})")
        return 0.0, f"{which} taken away; both are as long, and are taken to begin together"
    difference = hypnogram - signal
    day, dateless = timedelta(days=1), 1 in (hypnogram.year, signal.year)
    placeholders = [start for start in (hypnogram, signal) if _no_date(start)]
    if not placeholders or (not dateless and timedelta() <= difference < day):
        return difference.total_seconds(), ""
    of_day = (difference + day / 2) % day - day / 2
    if of_day == difference or dateless:
        return of_day.total_seconds(), ""
    return of_day.total_seconds(), f"{placeholders[0]:%Y-%m-%d} is a placeholder; the files are aligned by time of day"


def _no_clock(start: datetime) -> bool:
    """Whether a start is what programs write that take away dates and times: midnight of no day."""
    return start.time() == time() and _no_date(start)


def _no_date(start: datetime) -> bool:
    """Whether a date is none, or the first day of an era, which programs write that take away dates."""
    return start.year == 1 or ((start.month, start.day) == (1, 1) and start.year in ERAS)


Bout = tuple[float, float | None, str, int]
"""Onset and duration in s, text, code."""


def _bouts(annotations: Annotations) -> tuple[list[Bout], int]:
    """Those annotations that are stages, and how many have no duration where others have one, and are left out.

    Where none has a duration (or only that of a sample) each holds until the next one, or until a text that looks like
    a stage and is not read, where the stage is then unknown. That of the last is `None`, unless all are an epoch apart.

    Raises
    ------
    ValueError
        Two such marks give different stages to one moment.
    """
    found = [
        (onset, duration, text, code)
        for onset, duration, text in annotations.entries
        if (code := stage_of(text)) is not None
    ]
    if long := [one for one in found if (one[1] or 0.0) >= 1.0]:
        return long, len(found) - len(long)
    if len({code for *_, code in found if code < len(CODE)}) < LEAST_STAGES and len(found) < LEAST_MARKS:
        return [], 0
    marks = [
        (onset, text, UNSCORED if code is None else code)
        for onset, _, text in annotations.entries
        if (code := stage_of(text)) is not None or looks_like_stage(text)
    ]
    at: dict[float, tuple[float, str, int]] = {}
    for mark in marks:
        if at.setdefault(mark[0], mark)[2] != mark[2]:
            raise ValueError(f"gives two stages to one epoch at {mark[0]:g} s")
    marks = list(at.values())
    steps = [later[0] - earlier[0] for earlier, later in pairwise(marks)]
    last = float(EPOCH_S) if steps and all(abs(step - EPOCH_S) < ROUNDED_S for step in steps) else None
    bouts = zip(marks, [*steps, last], strict=True) if marks else ()
    return [(onset, step, text, code) for (onset, text, code), step in bouts], 0


def _whole_bouts(bouts: list[Bout]) -> tuple[list[Bout], str]:
    """The first and the last bout without what is less than an epoch, and which of them had some.

    A recording begins and ends within an epoch of its scorer; others that are not whole are another program's epochs.
    """
    partial = []
    if len(bouts) > 2 and (length := bouts[0][1]) and not _whole(length) and _whole(bouts[1][0] - bouts[-1][0]):
        onset, _, text, code = bouts[0]
        whole = EPOCH_S * (length // EPOCH_S)
        bouts = [*([(onset + length - whole, whole, text, code)] if whole else []), *bouts[1:]]
        partial.append("first")
    if len(bouts) > 1 and (length := bouts[-1][1]) and not _whole(length):
        onset, _, text, code = bouts[-1]
        whole = EPOCH_S * (length // EPOCH_S)
        bouts = [*bouts[:-1], *([(onset, whole, text, code)] if whole else [])]
        partial.append("last")
    return bouts, " and ".join(partial)


def _length(bouts: Sequence[Bout]) -> float:
    """Seconds from the first bout to the end of the last."""
    onset, duration = bouts[-1][0], bouts[-1][1]
    return onset + (duration or 0.0) - bouts[0][0]
