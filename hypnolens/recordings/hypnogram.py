"""Hypnograms: annotated stages of Rechtschaffen & Kales or AASM brought to one stage an epoch, and trimmed."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hypnolens.errors import RecordingError, quoted
from hypnolens.recordings.edf import Annotations, read_annotations
from hypnolens.recordings.profusion import read_profusion
from hypnolens.stages import CODE, EPOCH_S, MOVEMENT, UNSCORED

LABELS = {
    "Sleep stage W": CODE["W"],
    "Sleep stage 1": CODE["N1"],
    "Sleep stage 2": CODE["N2"],
    "Sleep stage 3": CODE["N3"],
    "Sleep stage 4": CODE["N3"],
    "Sleep stage R": CODE["R"],
    "Sleep stage N1": CODE["N1"],
    "Sleep stage N2": CODE["N2"],
    "Sleep stage N3": CODE["N3"],
    "Sleep stage ?": UNSCORED,
    "Movement time": MOVEMENT,
}
"""Texts of the EDF+ standard for sleep stages. Stages 3 and 4 of Rechtschaffen & Kales are AASM's N3."""

TOLERANCE_S = 1e-3
"""Times are decimal fractions in the files and binary ones here: within a millisecond they are the same."""

MOST_EXCESS = 0.1
"""Share of a signal's epochs by which stages without times may be too many or too few."""

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
    """

    stages: np.ndarray
    first_s: float
    flags: list[str]


def read_stages(path: Path, *, start: datetime, duration_s: float, recording: str) -> Hypnogram:
    """Stage of every whole epoch of a signal: from an EDF+ file by time, from Profusion's XML by position.

    Epochs lie on the hypnogram's own grid: where the hypnogram starts at another moment than the signal, the
    first epoch is the first one of the hypnogram that lies wholly in the signal. Stages after the signal's end are
    cut off, and epochs that no annotation covers are unscored.

    Parameters
    ----------
    path
        EDF+ file with one annotation a bout of stages, or XML of Profusion, whose first epoch is the signal's.
    start
        Date and time of the signal's first sample.
    duration_s
        Length of the signal in seconds.
    recording
        Name for error messages.

    Raises
    ------
    RecordingError
        Labels that are not known, bouts that are no whole epochs or that contradict each other, a hypnogram of
        another night than its signal, a signal longer than a year.
    """
    _check_length(duration_s, recording)
    if path.suffix == ".xml":
        return _by_position(path, int((duration_s + TOLERANCE_S) // EPOCH_S), recording)
    annotations = read_annotations(path, recording)
    return place_stages(annotations, path.name, start=start, duration_s=duration_s, recording=recording)


def place_stages(
    annotations: Annotations, file: str, *, start: datetime, duration_s: float, recording: str
) -> Hypnogram:
    """Stage of every whole epoch of a signal from annotations, all of which are of `LABELS`; see `read_stages`.

    Parameters
    ----------
    annotations
        At least one; their start is that of the file that they are of.
    file
        Its name, for error messages.
    """
    unknown = sorted({text for _, _, text in annotations.entries if text not in LABELS})
    if unknown:
        raise RecordingError(
            recording,
            f"{file} has the unknown label{'s' * (len(unknown) > 1)} {', '.join(map(quoted, unknown[:5]))}",
            f"rename or remove them; known are {', '.join(map(repr, LABELS))}",
        )
    _check_length(duration_s, recording)
    offset = _offset_s(annotations.start, start)
    origin = annotations.entries[0][0]
    first_s = (offset + origin) % EPOCH_S
    if EPOCH_S - first_s < TOLERANCE_S:
        first_s = 0.0
    n_epochs = int((duration_s - first_s + TOLERANCE_S) // EPOCH_S)
    stages = np.full(max(n_epochs, 0), UNSCORED, dtype=np.int8)
    covered = np.zeros(len(stages), dtype=bool)
    n_scored = n_outside = 0
    for onset, duration, text in annotations.entries:
        if not duration or not _whole(duration):
            raise RecordingError(
                recording,
                f"'{text}' at {onset:g} s of {file} lasts {duration or 0:g} s, not whole {EPOCH_S}-s epochs",
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
        if (covered[span] & (stages[span] != LABELS[text])).any():
            raise RecordingError(recording, f"{file} gives two stages to one epoch at {onset:g} s", "leave one of them")
        stages[span] = LABELS[text]
        covered[span] = True
        if LABELS[text] < len(CODE):
            n_scored += end - begin
            n_outside += end - begin - max(min(end, len(stages)) - max(begin, 0), 0)
    n_common = int((stages < len(CODE)).sum())
    if not covered.any() or 2 * n_common < n_scored:
        # A hypnogram may be longer than its signal, but not so that most of what it says lies beyond.
        raise RecordingError(
            recording,
            f"{file} (from {_moment(annotations.start)}) and its signal ({duration_s / 3600:.1f} h from "
            f"{_moment(start)}) have {n_common} of {n_scored} scored epochs in common",
            "pair the signal with the hypnogram of the same night",
        )
    return Hypnogram(stages, first_s, [f"stages={n_outside:+d}"] if n_outside else [])


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


def _by_position(path: Path, n_epochs: int, recording: str) -> Hypnogram:
    """Stages of a file that has no times; a few epochs too many or too few are told, more are another recording's."""
    given = read_profusion(path, recording)
    excess = len(given) - n_epochs
    if abs(excess) > MOST_EXCESS * n_epochs:
        raise RecordingError(
            recording,
            f"{path.name} has {len(given)} stages, and its signal has {n_epochs} epochs",
            "pair the signal with the stages of the same recording",
        )
    stages = np.full(n_epochs, UNSCORED, dtype=np.int8)
    stages[: len(given)] = given[:n_epochs]
    return Hypnogram(stages, 0.0, [f"stages={excess:+d}"] if excess else [])


def _check_length(duration_s: float, recording: str) -> None:
    if not duration_s <= LONGEST_S:
        what = f"its signal lasts {duration_s / 86_400:.3g} days by its header"
        raise RecordingError(recording, what, "correct the header, or fetch the file again")


def _moment(time: datetime) -> str:
    return f"{time:%H:%M:%S}" if time.year == 1 else f"{time:%Y-%m-%d %H:%M:%S}"


def _whole(seconds: float) -> bool:
    """Whether a time is a whole number of epochs."""
    return abs(seconds - EPOCH_S * round(seconds / EPOCH_S)) < TOLERANCE_S


def _span(not_wake: np.ndarray, margin: int | None) -> slice:
    edges = np.flatnonzero(not_wake)
    if margin is None or len(edges) == 0:
        return slice(None)
    return slice(max(edges[0] - margin, 0), edges[-1] + margin + 1)


def _offset_s(hypnogram: datetime, signal: datetime) -> float:
    """Seconds by which the hypnogram starts after the signal; by the time of day where a date is missing."""
    difference = hypnogram - signal
    if 1 in (hypnogram.year, signal.year):
        day = timedelta(days=1)
        difference = (difference + day / 2) % day - day / 2
    return difference.total_seconds()
