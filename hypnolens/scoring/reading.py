"""A night read from its file: the channels to score in µV, human stages and lights where there are any."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hypnolens.errors import RecordingError, one_line
from hypnolens.io.checksums import unchanged
from hypnolens.io.kinds import FILE, FOLDER, kind_of
from hypnolens.recordings.extraction import LEAST_RATE_HZ, resample, touched
from hypnolens.recordings.hypnogram import Hypnogram, place_stages, read_stages
from hypnolens.recordings.stage_files import with_codes
from hypnolens.recordings.units import microvolts, unit_factor
from hypnolens.recordings.vocabulary import lights_in, looks_like_stage, stage_of, unread
from hypnolens.scoring.files import companion, names_in, place_of
from hypnolens.scoring.names import night_name
from hypnolens.scoring.scored import Night
from hypnolens.scoring.sources import Part, Source, read_source
from hypnolens.scoring.usable import places_of_epochs, unusable_reasons
from hypnolens.stages import EPOCH_S

NOT_AS_A_PART = ("flat", "clipped", "not finite")
"""Why an epoch of one of two channels makes their difference unusable. Mains and drift that both have cancel out."""


def read_night(
    path: Path,
    *,
    channels: Sequence[str] = (),
    lights: tuple[str | None, str | None] = (None, None),
    hypnogram: Path | None = None,
    stage_codes: str | None = None,
    preferred: Sequence[str] = (),
    beside: Mapping[str, str] | None = None,
) -> Night:
    """Read a night.

    Parameters
    ----------
    path
        EDF, EDF+, BDF, FIF, BrainVision, EEGLAB or another file that MNE reads; continuous.
    channels
        Channels by name, alias or difference; empty to choose one, see `hypnolens.scoring.channels.choose`.
    lights
        Lights off and lights on: ``HH:MM[:SS]``, or seconds from the first sample. `None` to look for annotations.
    hypnogram
        File with human stages. `None` to look for them among the annotations, or in ``NAME-Hypnogram.edf`` or
        ``NAME.xml`` beside ``NAME-PSG.edf`` or ``NAME.edf``.
    stage_codes
        What numbers mean in a table of stages, see `hypnolens.recordings.vocabulary.CODES`.
    preferred
        Channels that the stager was trained on.
    beside
        Names of channels that it is to be given beside the EEG, by ``eog`` and ``emg``.

    Raises
    ------
    RecordingError
        A file that is damaged, discontinuous, shorter than an epoch or of no known format, no such channel, channels of
        different rates, values that cannot be EEG; a file that changes while it is read.
    """
    name = night_name(path)
    if (kind := kind_of(path)) != FILE:
        what = f"{path} is {kind}, not a recording" if kind else f"{path} does not exist"
        remedy = f"give its recordings, such as {path}/*.edf" if kind == FOLDER else "correct the path"
        raise RecordingError(name, what, remedy)
    by_name = companion(path, names_in(path.parent)) if hypnogram is None else None
    with unchanged(name) as sha256_of:
        sha256_of(*(file for file in (hypnogram, by_name) if file))
        source = read_source(path, name, channels, preferred, sha256_of)
        others = {kind: _beside(path, name, label, source, sha256_of) for kind, label in (beside or {}).items()}
        night = _night(path, name, source, sha256_of(*source.files), lights, hypnogram, by_name, stage_codes)
        return replace(night, beside=others)


def _beside(path: Path, name: str, label: str, source: Source, watch: Callable[..., object]) -> np.ndarray:
    """Another channel of the file, in µV and at the rate of the EEG, float32 ``(n_samples,)``."""
    other = read_source(path, name, [label], (), watch)
    if microvolts(other.units[0]) is None:
        what = f"channel '{label}' is in '{other.units[0]}', which is no voltage"
        raise RecordingError(name, what, "correct the header, or leave the channel out")
    signal, n = resample(np.nan_to_num(other.signals[0]), other.rate, source.rate), source.signals.shape[1]
    return np.pad(signal[:n], (0, max(n - len(signal), 0)), mode="edge").astype(np.float32)


def _night(
    path: Path,
    name: str,
    source: Source,
    sha256: str,
    lights: tuple[str | None, str | None],
    hypnogram: Path | None,
    beside: Path | None,
    codes: str | None,
) -> Night:
    duration_s = source.signals.shape[1] / source.rate
    if source.rate < LEAST_RATE_HZ:
        raise RecordingError(
            name, f"{source.choices[0].name} has {source.rate:g} Hz, too few for an EEG", "choose another --channel"
        )
    if duration_s < EPOCH_S:
        raise RecordingError(
            name, f"{path.name} lasts {duration_s:g} s, less than one epoch of {EPOCH_S} s", "give a longer recording"
        )
    found = list(source.warnings)
    signals, limits = source.signals, list(source.limits)
    factors = []
    for place, choice in enumerate(source.choices):
        factor, sentence = unit_factor(signals[place], source.rate, source.units[place], choice.name, name)
        factors.append(factor)
        if sentence:
            found.append(sentence)
        if factor != 1.0:
            signals[place] *= factor
            limits[place] = None if (ends := limits[place]) is None else (ends[0] * factor, ends[1] * factor)
    human, sentences, doubts = _human(path, name, source, duration_s, hypnogram, beside, codes)
    first_s = human.first_s if human else 0.0
    for place, parts in enumerate(source.parts):
        if parts:
            of, factor = source.choices[place].name, factors[place]
            found += _without_dead_parts(signals[place], parts, factor, source.rate, first_s, of, source.pauses)
    if broken := int((~np.isfinite(signals)).any(axis=0).sum()):
        found.append(f"{broken} samples are no finite numbers; their epochs get no stage")
    spoken = [f"channel {choice.name}: {choice.how}" for choice in source.choices]
    off_on, said, doubtful = _lights(lights, source, human, duration_s, name)
    return Night(
        name=name,
        source=path.name,
        sha256=sha256,
        place=place_of(path),
        channels=tuple(choice.name for choice in source.choices),
        signals=signals,
        rate=source.rate,
        limits=tuple(limits),
        start=source.start,
        first_s=first_s,
        human=human.stages if human else None,
        lights=off_on,
        notes=tuple(map(one_line, (*spoken, *sentences, *said))),
        warnings=tuple(dict.fromkeys(map(one_line, (*found, *doubts, *doubtful)))),
        pauses=source.pauses,
    )


def _without_dead_parts(
    signal: np.ndarray,
    parts: tuple[Part, Part],
    factor: float,
    rate: float,
    first_s: float,
    channel: str,
    pauses: Sequence[tuple[float, float]],
) -> list[str]:
    """Make epochs of a difference flat in which one of its two channels is dead; the other alone would be staged.

    A channel that is flat throughout may be the reference itself, which many programs store, so that it is told and
    nothing else.

    Parameters
    ----------
    signal
        The difference in µV ``(n_samples,)``, changed in place.
    parts
        What it is the difference of.
    factor
        By what the parts are to be multiplied.
    first_s
        Where the grid of epochs begins.
    pauses
        See `Source.pauses`; of them nothing is said here.
    """
    places = places_of_epochs(len(signal), rate, first_s)
    said, dead = [], np.zeros(len(places), dtype=bool)
    for place, part in enumerate(parts):
        ends = None if part.limits is None else (part.limits[0] * factor, part.limits[1] * factor)
        reasons = np.array(unusable_reasons(part.signal[places] * np.float32(factor), rate, ends))
        reasons[touched(pauses, len(places), first_s)] = ""
        # Noise of an electrode that is off would hide below the other one's EEG; a mastoid may be silent.
        gone = np.isin(reasons, NOT_AS_A_PART if place else (*NOT_AS_A_PART, "noise"))
        if place and gone.all() and set(reasons) == {"flat"}:
            said.append(
                f"{channel}: '{part.label}' is flat throughout; right if it is the reference of the recording, and "
                f"else '{parts[0].label}' alone was staged"
            )
        elif gone.any():
            said.append(
                f"{channel}: '{part.label}' carries no signal in {int(gone.sum())} of {len(places)} epochs "
                f"({', '.join(sorted(set(reasons[gone].tolist())))}), where the difference is none"
            )
            dead |= gone
    signal[places[dead]] = 0.0
    return said


def _human(
    path: Path,
    name: str,
    source: Source,
    duration_s: float,
    hypnogram: Path | None,
    beside: Path | None,
    codes: str | None,
) -> tuple[Hypnogram | None, list[str], list[str]]:
    """Human stages, and what to say of them (notes, warnings)."""
    where: dict[str, Any] = {"start": source.start, "duration_s": duration_s, "recording": name}
    beside_it = {**where, "codes": codes, "pauses": source.pauses}
    if hypnogram is not None:
        found = read_stages(hypnogram, **beside_it)
        return found, [f"human stages: {hypnogram.name}"], _excess(found)
    ways: dict[str, Callable[[], Hypnogram]] = {}
    if beside is not None:
        ways[beside.name] = partial(read_stages, beside, **beside_it)
    inside = with_codes(source.annotations, codes)
    texts = [text for _, _, text in inside.entries]
    if any(stage_of(text) is not None for text in texts):
        ways[f"annotations of {path.name}"] = partial(place_stages, inside, path.name, **where)
    doubts: list[str] = []
    for place, read in ways.items():
        try:
            found = read()
        except RecordingError as error:
            doubts.append(f"human stages are left out: {str(error).removeprefix(f'{name}: ')}")
        else:
            return found, [f"human stages: {place}"], [*doubts, *_excess(found)]
    if not ways and any(map(looks_like_stage, texts)):
        doubts += [f"{path.name}: {sentence}" for sentence in unread(texts)]
    return None, [], doubts


def _excess(found: Hypnogram) -> list[str]:
    return [*(f"human stages do not end where the signal does ({flag})" for flag in found.flags), *found.doubts]


def _lights(
    given: tuple[str | None, str | None], source: Source, human: Hypnogram | None, duration_s: float, name: str
) -> tuple[tuple[float | None, float | None], list[str], list[str]]:
    """Lights off and on in seconds from the first sample, and what to say of them."""
    found: list[float | None] = [None, None]
    notes: list[str] = []
    doubts: list[str] = []
    inside = lights_in(source.annotations.entries)
    marked = human.lights if human and inside == (None, None) else inside
    for which, (word, text) in enumerate(zip(("off", "on"), given, strict=True)):
        if text is not None:
            found[which] = _seconds(text, source.start, word, name)
        elif marked[which] is not None:
            found[which] = marked[which]
            notes.append(f"lights {word}: annotation at {found[which]:g} s")
    off, on = found
    if off is not None and on is not None and on <= off:
        if given == (None, None):
            return (None, None), [], [f"lights on ({on:g} s) are marked before lights off ({off:g} s); both left out"]
        raise RecordingError(name, f"lights on ({on:g} s) are not after lights off ({off:g} s)", "correct one of them")
    if (off is not None and off >= duration_s) or (on is not None and on <= 0):
        raise RecordingError(
            name,
            "lights off to lights on has nothing in common with the recording",
            "correct --lights-off, --lights-on",
        )
    for word, value in (("off", off), ("on", on)):
        if value is not None and not 0 <= value <= duration_s:
            doubts.append(f"lights {word} ({value:g} s) lie outside of the recording ({duration_s:g} s)")
    return (off, on), notes, doubts


def _seconds(text: str, start: datetime, word: str, name: str) -> float:
    try:
        if ":" not in text:
            if not math.isfinite(seconds := float(text)):
                raise ValueError(text)
            return seconds
        if start == datetime.min:
            raise RecordingError(
                name, f"--lights-{word} {text}: the file does not say when it begins", "give seconds from its start"
            )
        from hypnolens.evaluation.sleep_statistics import seconds_after

        return seconds_after(start.isoformat(), text)
    except ValueError as error:
        raise RecordingError(
            name, f"--lights-{word} '{text}' is no time", "write HH:MM, HH:MM:SS or seconds from the start"
        ) from error
