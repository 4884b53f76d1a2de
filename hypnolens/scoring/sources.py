"""The channels of a recording's file that are scored, as they stand in it.

EDF and EDF+ are read as the pipeline reads them. BDF, FIF and the other formats are MNE's to read.
"""

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from hypnolens.errors import HypnolensError, RecordingError
from hypnolens.recordings.edf import Annotations, list_annotations, list_channels, read_place
from hypnolens.recordings.edf_file import EDF, check_bdf
from hypnolens.recordings.units import microvolts
from hypnolens.scoring.channels import Choice, choose
from hypnolens.scoring.files import brainvision_header, further_files

SKIP = "BAD_ACQ_SKIP"
"""Annotation of a pause in FIF, with its length; MNE reads zeros there."""

GAP = re.compile(r"(EDGE|BAD)[ _]boundary|boundary|New Segment/.*", re.I)
"""Annotations of places where a recording was cut, and nobody says for how long: MNE, EEGLAB, BrainVision."""

DAMAGED = re.compile(r"truncated|incomplete|corrupt|could not be read|mismatch|cut short|missing sample", re.I)
"""Warnings of MNE that a file is not whole."""

HARMLESS = re.compile(r"filename|naming convention|coordinate|location|montage|filter|boundary", re.I)
"""Warnings of MNE that say nothing of the samples; for ``boundary`` there is `GAP`."""

SAMPLE_BYTES = {"INT_16": 2, "UINT_16": 2, "INT_32": 4, "IEEE_FLOAT_32": 4}
"""Bytes of a sample in BrainVision's formats."""

MNE_UNITS = ("eeg", "ecog", "seeg", "dbs", "misc", "bio", "eog", "emg", "ecg")
"""Types of MNE's channels that are voltages."""

DAMAGE = "fetch or export the file again"


@dataclass(frozen=True)
class Part:
    """One of the two channels of a difference, in µV by the header, and its limits."""

    label: str
    signal: np.ndarray
    limits: tuple[float, float] | None


@dataclass(frozen=True)
class Source:
    """The chosen channels of a file as they stand in it.

    Attributes
    ----------
    signals
        µV by the header, float32 ``(n_channels, n_samples)``.
    rate, start
        In Hz; of the first sample, with year 1 where there is no date.
    limits, units
        What each channel can hold in µV, `None` where the format has no limits, and its unit by the header.
    annotations
        All of the file.
    choices
        How each channel was chosen.
    warnings
        What is odd about the file, in sentences.
    parts
        Of a difference its two channels, and `None` of others.
    files
        All that hold the recording; one may be named twice, in two ways.
    pauses
        From when to when nothing was recorded, in seconds from the first sample; a straight line stands there.
    """

    signals: np.ndarray
    rate: float
    limits: tuple[tuple[float, float] | None, ...]
    units: tuple[str, ...]
    start: datetime
    annotations: Annotations
    choices: tuple[Choice, ...]
    warnings: tuple[str, ...]
    parts: tuple[tuple[Part, Part] | None, ...]
    files: tuple[Path, ...]
    pauses: tuple[tuple[float, float], ...] = ()


def read_source(
    path: Path,
    name: str,
    channels: Sequence[str],
    preferred: Sequence[str],
    watch: Callable[..., object],
) -> Source:
    """Choose and read channels of a file.

    Parameters
    ----------
    path
        An existing file.
    name
        Of the recording, for error messages.
    channels, preferred
        See `hypnolens.scoring.channels.choose`.
    watch
        Called with all files that hold the recording, as soon as they are known and before their samples are read.

    Raises
    ------
    RecordingError
        A file that is damaged, discontinuous without saying for how long, or of no known format; no such channel, or
        channels of different rates.
    """
    files = (path, *further_files(path))
    watch(*files)
    if path.suffix.lower() == ".edf" or _begins_as_edf(path):
        return _read_edf(path, name, channels, preferred)
    return _read_other(files, name, channels, preferred, watch)


def _begins_as_edf(path: Path) -> bool:
    """Whether a file is EDF by its content, whatever it is called (``.rec``)."""
    try:
        with path.open("rb") as file:
            return file.read(len(EDF)) == EDF
    except OSError:
        return False


def _read_edf(path: Path, name: str, channels: Sequence[str], preferred: Sequence[str]) -> Source:
    labels = list_channels(path, name)
    chosen = choose(labels, channels, preferred=preferred, recording=name)
    parts = {place: read_place(path, place, name) for place in _places(chosen)}
    some = parts[chosen[0].plus]
    _same_rates({labels[place]: part.rate for place, part in parts.items()}, name)
    signals = _derived(chosen, {place: part.signal for place, part in parts.items()})
    # A difference reaches its limits where one of the two does, which its values do not tell.
    limits = tuple(parts[choice.plus].limits if choice.minus is None else None for choice in chosen)
    units = tuple(parts[choice.plus].unit for choice in chosen)
    for choice in chosen:
        if choice.minus is not None:
            its = [parts[choice.plus].unit, parts[choice.minus].unit]
            if its[0] != its[1] and None in map(microvolts, its):
                what = f"{choice.name} cannot be computed: its two channels are in '{its[0]}' and '{its[1]}'"
                raise RecordingError(name, what, "correct the header of the file")
    doubts = list(dict.fromkeys(doubt for part in parts.values() for doubt in part.doubts))
    try:
        annotations = list_annotations(path, name)
        doubts = list(dict.fromkeys([*doubts, *annotations.doubts]))
    except RecordingError as error:  # such as Latin-1 texts; they are not needed
        annotations = Annotations((), some.start)
        doubts.append(f"annotations are left out: {str(error).removeprefix(f'{name}: ').split(';')[0]}")
    pairs = _pairs(chosen, labels, {place: part.signal for place, part in parts.items()}, lambda n: parts[n].limits)
    return Source(
        signals, some.rate, limits, units, some.start, annotations, tuple(chosen), tuple(doubts), pairs, (path,),
        some.pauses,
    )  # fmt: skip


def _read_other(
    files: tuple[Path, ...],
    name: str,
    channels: Sequence[str],
    preferred: Sequence[str],
    watch: Callable[..., object],
) -> Source:
    path = files[0]
    bdf = path.suffix.lower() == ".bdf"
    if bdf:
        check_bdf(path, name)
    if path.suffix.lower() == ".vhdr":
        _check_brainvision(path, name)
    import mne  # takes a second

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            # MNE gives no warnings below this level of its log.
            raw: Any = mne.io.read_raw(path, preload=False, verbose="warning")
            files = (*files, *(Path(file) for file in raw.filenames if file is not None))
            watch(*files)
            labels, types, bads = _as_written(raw.ch_names), raw.get_channel_types(), set(raw.info["bads"])
            eeg = None if bdf else [kind == "eeg" for kind in types]
            if eeg is not None and not any(eeg):
                eeg = None  # the file does not say; labels may
            elif eeg is not None and any(
                good := [one and label not in bads for one, label in zip(eeg, labels, strict=True)]
            ):
                eeg = good
            chosen = choose(labels, channels, preferred=preferred, recording=name, eeg=eeg)
            places = _places(chosen)
            if odd := [labels[place] for place in places if types[place] not in MNE_UNITS]:
                raise RecordingError(name, f"channel '{odd[0]}' is no voltage", "choose another --channel")
            signals, rates = {}, {}
            for place in places:
                # Of channels of several rates, MNE brings all to the highest, unless they are read alone.
                alone = bdf and raw.ch_names[place] == labels[place]
                one = mne.io.read_raw_bdf(path, include=[labels[place]], verbose="warning") if alone else raw
                rates[labels[place]] = float(one.info["sfreq"])
                picks = [0] if alone else [place]
                signals[place] = (one.get_data(picks=picks, verbose="warning")[0] * 1e6).astype(np.float32)
            _same_rates(rates, name)
    except HypnolensError:
        raise
    except Exception as error:  # readers of a score of formats raise what they like
        reason = " ".join(str(error).split())[:200]
        raise RecordingError(
            name,
            f"{path.name} cannot be read ({type(error).__name__}: {reason})",
            "give an EDF, EDF+, BDF, FIF, BrainVision (.vhdr) or EEGLAB (.set) file",
        ) from error
    start = raw.info["meas_date"]
    start = datetime.min if start is None else start.replace(tzinfo=None)
    entries = tuple(
        (float(onset) - float(raw.first_time), float(duration) or None, str(text))
        for onset, duration, text in zip(
            raw.annotations.onset, raw.annotations.duration, raw.annotations.description, strict=True
        )
    )
    if raw.annotations.orig_time is not None:
        start += timedelta(seconds=float(raw.first_time))
    skipped = list(dict.fromkeys((onset, onset + (length or 0.0)) for onset, length, text in entries if text == SKIP))
    if gaps := [text for onset, _, text in entries if GAP.fullmatch(text) and onset > 0]:
        raise RecordingError(
            name, f"{path.name} is discontinuous ('{gaps[0]}')", "export it as one continuous recording"
        )
    marked = [f"{path.name} marks channel '{labels[place]}' as bad" for place in places if labels[place] in bads]
    texts = dict.fromkeys(" ".join(str(one.message).split())[:200] for one in caught if _of_damage(one))
    if worst := [text for text in texts if DAMAGED.search(text)]:
        raise RecordingError(name, f"{path.name} is damaged, as MNE says: {worst[0]}", DAMAGE)
    for signal in signals.values():
        _bridge(signal, skipped, rates[labels[places[0]]])
    return Source(
        _derived(chosen, signals),
        rates[labels[places[0]]],
        (None,) * len(chosen),
        ("V",) * len(chosen),
        start,
        Annotations(entries, start),
        tuple(chosen),
        (*marked, *(f"MNE says of {path.name}: {text}" for text in texts)),
        _pairs(chosen, labels, signals, lambda place: None),
        files,
        tuple(skipped),
    )


def _as_written(labels: Sequence[str]) -> list[str]:
    """Labels as a file has them: MNE numbers those that stand in it several times (``C4-0``, ``C4-1``)."""
    parts = [label.rpartition("-") for label in labels]
    numbers: dict[str, list[str]] = {}
    for base, _, number in parts:
        numbers.setdefault(base, []).append(number)
    return [
        base if len(of := numbers[base]) > 1 and of == [str(n) for n in range(len(of))] else label
        for label, (base, _, _) in zip(labels, parts, strict=True)
    ]


def _bridge(signal: np.ndarray, pauses: Sequence[tuple[float, float]], rate: float) -> None:
    """Draw a straight line through each pause, in place: zeros beside an offset would ring in every filter."""
    for begin, end in pauses:
        first, last = max(round(begin * rate), 0), min(round(end * rate), len(signal))
        edges = [signal[place] for place in (first - 1, last) if 0 <= place < len(signal)]
        if edges and last > first:
            signal[first:last] = np.linspace(edges[0], edges[-1], last - first)


def _of_damage(caught: warnings.WarningMessage) -> bool:
    return issubclass(caught.category, RuntimeWarning | UserWarning) and not HARMLESS.search(str(caught.message))


def _check_brainvision(path: Path, name: str) -> None:
    """Refuse a recording of BrainVision whose samples do not fill its file, which MNE reads without a word."""
    said = brainvision_header(path)
    data = path.parent / said.get("datafile", "")
    if "numberofchannels" not in said or said.get("binaryformat") not in SAMPLE_BYTES or not data.is_file():
        return
    try:
        samples = data.stat().st_size / (int(said["numberofchannels"]) * SAMPLE_BYTES[said["binaryformat"]])
        promised = int(said["datapoints"]) if "datapoints" in said else int(samples)
    except (ValueError, ZeroDivisionError) as error:
        raise RecordingError(name, f"the header {path.name} makes no sense ({error})", DAMAGE) from error
    if samples != promised:
        short = "cut short" if samples < promised or "datapoints" not in said else "longer than its header says"
        raise RecordingError(name, f"{data.name} is {short}: {samples:g} samples, not {promised}", DAMAGE)


def _pairs(
    chosen: Sequence[Choice],
    labels: Sequence[str],
    signals: Mapping[int, np.ndarray],
    limits: Callable[[int], tuple[float, float] | None],
) -> tuple[tuple[Part, Part] | None, ...]:
    def part(place: int) -> Part:
        return Part(labels[place].strip(), signals[place], limits(place))

    return tuple(None if one.minus is None else (part(one.plus), part(one.minus)) for one in chosen)


def _places(chosen: Sequence[Choice]) -> list[int]:
    every = [place for choice in chosen for place in (choice.plus, choice.minus) if place is not None]
    return list(dict.fromkeys(every))


def _same_rates(rates: dict[str, float], name: str) -> None:
    if len(set(rates.values())) > 1:
        listed = ", ".join(f"'{label}' {rate:g} Hz" for label, rate in rates.items())
        raise RecordingError(name, f"channels have different rates ({listed})", "score channels of one rate together")


def _derived(chosen: Sequence[Choice], signals: dict[int, np.ndarray]) -> np.ndarray:
    return np.stack(
        [
            signals[choice.plus] - signals[choice.minus] if choice.minus is not None else signals[choice.plus]
            for choice in chosen
        ]
    )
