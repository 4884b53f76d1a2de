"""A folder of one's own before it is a dataset: what its files hold, what would be refused, what to configure."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from hypnolens.datasets.folder import list_recordings, told
from hypnolens.datasets.recording import Recording
from hypnolens.errors import ConfigurationError, HypnolensError, RecordingError, printable
from hypnolens.io.shipped import HOME
from hypnolens.pipeline import configuration
from hypnolens.plan import SIGNAL_KEYS
from hypnolens.recordings.edf import list_channels, list_rates
from hypnolens.recordings.extraction import extract
from hypnolens.recordings.stage_files import texts_of
from hypnolens.recordings.vocabulary import OFTEN, looks_like_stage, stage_of
from hypnolens.scoring.channels import ORDER, is_eeg, parse
from hypnolens.stages import STAGES

MOST = 10
"""Names, and kinds of a thing, that are told; the others are counted."""

LEAST_SUBJECTS, GROUPS = 3, 5
"""A fold needs one subject to train on, one to validate and one to test; from two a group on, five groups are made."""


class Found(NamedTuple):
    """A recording of the folder.

    Attributes
    ----------
    name, subject
        What it is called, and whose it is.
    channels
        Its EEG channels with their rates in Hz.
    hours
        Its length.
    epochs
        Epochs that would be kept of each stage; `None` where it would be refused.
    why_not
        Why it would be refused, in one line.
    odd
        Flags and doubts of its epochs.
    """

    name: str
    subject: str
    channels: tuple[tuple[str, float], ...]
    hours: float
    epochs: tuple[int, ...] | None
    why_not: str
    odd: tuple[str, ...] = ()


def look(folder: Path, tell: Callable[[str], object] = lambda _: None) -> tuple[list[str], bool]:
    """Lines that say what a folder holds and how to configure it, and whether all of it can be used.

    Every recording is read and cut into epochs as the pipeline would, so that what it would refuse is refused here.

    Parameters
    ----------
    folder
        With pairs ``NAME-PSG.edf`` and ``NAME-Hypnogram.edf``.
    tell
        Told which recording is read, which takes about a second.

    Raises
    ------
    ConfigurationError
        The folder does not exist or has no recording, or names clash.
    """
    try:
        recordings = list_recordings("mine", folder)
    except ConfigurationError as error:
        raise ConfigurationError(" ".join([str(error).removeprefix("configuration: "), *told(folder, [])])) from error
    labels = Counter(label for one in recordings for label in dict.fromkeys(_eeg_of(one)))
    order = _ordered(labels)
    found, texts = [], Counter[str]()
    logging.getLogger("hypnolens").setLevel(logging.ERROR)  # doubts about headers stand in the logs of a run
    mine = configuration.load({"datasets": {"mine": {"kind": "folder", "path": str(folder)}}}, HOME).datasets["mine"]
    options = {**{key: mine[key] for key in SIGNAL_KEYS}, "channel": order}
    for one in recordings:
        tell(one.name)
        found.append(_read(one, options))
        counts = Counter(_texts(one))
        texts.update({text: n for text, n in counts.items() if n >= OFTEN or _is_stage(text)})
    good = [one for one in found if one.epochs]
    bad = [one for one in found if not one.epochs]
    return [
        f"{len(found)} recordings of {len({one.subject for one in found})} subjects in {folder}",
        *_table(good),
        *(f"{one.name}: {odd}" for one in good for odd in one.odd),
        *(f"would be refused: {one.why_not}" for one in bad),
        f"EEG channels (in so many recordings): {_counted(labels) or 'none'}",
        f"texts of hypnograms (so many annotations): {_counted(texts) or 'none'}",
        *told(folder, recordings),
        *_configuration(folder, good, bad, order),
    ], not bad


def _eeg_of(recording: Recording) -> list[str]:
    """Labels of the EEG channels of a recording; none of one that cannot be opened."""
    try:
        return [label for label in list_channels(recording.psg or Path(), recording.name) if is_eeg(label)]
    except RecordingError:
        return []


def _ordered(labels: Counter[str]) -> list[str]:
    """Channels in order of preference: those of most recordings first, then by the order of scoring."""
    places = {parse(name): place for place, name in enumerate(ORDER)}
    return sorted(labels, key=lambda label: (-labels[label], places.get(parse(label), len(ORDER)), label))


def _read(one: Recording, options: dict[str, Any]) -> Found:
    """What a recording gives, read as the pipeline reads it."""
    try:
        if one.psg is None or one.hypnogram is None:
            lacks = "hypnogram (NAME-Hypnogram.edf)" if one.psg else "signal (NAME-PSG.edf)"
            raise RecordingError(one.name, f"there is no {lacks}", "add it, or leave the recording out with exclude:")
        rates, seconds = list_rates(one.psg, one.name)
        its = zip(list_channels(one.psg, one.name), rates, strict=True)
        eeg = tuple((label, rate) for label, rate in its if label in options["channel"])
        if not eeg:
            names = ", ".join(map(repr, list_channels(one.psg, one.name)[:MOST])) or "no signal"
            raise RecordingError(one.name, f"no EEG channel is known among {names}", "name one as channel:")
        about: dict[str, Any] = {"recording": one.name, "subject": one.subject, "night": one.night, "rates": []}
        epochs = extract(one.psg, one.hypnogram, **about, source=str(one.psg), sha1={}, **options)
    except HypnolensError as error:
        return Found(one.name, one.subject, (), 0.0, None, str(error))
    counts = tuple(int((epochs.stage == code).sum()) for code in range(len(STAGES)))
    return Found(one.name, one.subject, eeg, seconds / 3600, counts, "", (*epochs.doubts, *epochs.flags))


def _texts(one: Recording) -> list[str]:
    """Texts of a recording's hypnogram, as they are."""
    try:
        return texts_of(one.hypnogram, one.name) if one.hypnogram else []
    except RecordingError:
        return []


def _is_stage(text: str) -> bool:
    return stage_of(text) is not None or looks_like_stage(text)


def _table(good: Sequence[Found]) -> Iterator[str]:
    """A line a recording: its length, its channel and rate, and epochs by stage."""
    if not good:
        return
    width = max(len(one.name) for one in good)
    yield f"{'recording':<{width}}  hours  {'  '.join(f'{stage:>4}' for stage in STAGES)}  EEG channels, Hz"
    for one in good:
        counts = "  ".join(f"{n:4d}" for n in one.epochs or ())
        channels = ", ".join(f"{label} {rate:g}" for label, rate in one.channels)
        yield f"{one.name:<{max(width, 9)}}  {one.hours:5.1f}  {counts}  {channels}"


def _counted(counts: Counter[str]) -> str:
    parts = [f"{printable(word)!r} {n}" for word, n in counts.most_common(MOST)]
    return ", ".join(parts) + f" and {len(counts) - MOST} more" * (len(counts) > MOST)


def _configuration(folder: Path, good: Sequence[Found], bad: Iterable[Found], channels: list[str]) -> Iterator[str]:
    """A file to start from."""
    subjects = {one.subject for one in good}
    if len(subjects) < LEAST_SUBJECTS:
        yield f"{len(subjects)} subjects can be used, and training needs {LEAST_SUBJECTS}: add recordings of others"
        return
    used = [label for label in channels if any(label in dict(one.channels) for one in good)]
    mine: dict[str, Any] = {"kind": "folder", "path": str(folder.absolute()), "channel": used, "experiments": ["demo"]}
    if len(subjects) >= 2 * GROUPS:
        mine["folds"] = {"k": GROUPS}
    if names := [one.name for one in bad]:
        mine["exclude"] = names
    text = yaml.safe_dump({"run": ["mine"], "datasets": {"mine": mine}}, sort_keys=False, allow_unicode=True)
    yield "to start from, as mine.yaml (config/README.md explains each key; `paper` in place of `demo`: have a GPU):"
    yield ""
    yield from text.splitlines()
