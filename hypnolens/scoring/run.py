"""One night from file to files, and many nights side by side."""

import logging
import os
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypnolens.errors import HypnolensError, RecordingError, quoted
from hypnolens.explanations.maps import LAYER_IG
from hypnolens.scoring.folder import check_same, foreign
from hypnolens.scoring.names import clashes, night_name
from hypnolens.scoring.workers import Killed, each_apart

if TYPE_CHECKING:
    from hypnolens.stagers.interface import StagerCard

REVIEW_BELOW = 0.6
"""Confidence below which an epoch is listed for review: two stages share nearly all of the probability."""

ALONE = "try it alone, with --jobs 1"


@dataclass(frozen=True)
class ScoringOptions:
    """How nights are scored.

    Attributes
    ----------
    model
        Name of a stager, or folder, file or release of a network, see `hypnolens.stagers.known.load_stager`; `None`
        for YASA.
    ensemble
        Whether all folds of the network stage together.
    channels
        Channels to score, see `hypnolens.scoring.reading.read_night`; empty to choose.
    hypnogram
        File with human stages; `None` to look beside the night.
    stage_codes
        What numbers mean in a table of human stages, see `hypnolens.recordings.vocabulary.CODES`.
    lights
        Lights off and lights on, ``HH:MM[:SS]`` or seconds from the start of the recording; `None` where unknown.
    below
        Confidence below which an epoch is listed for review.
    precision
        ``fp32``, ``bf16``, or ``auto``.
    page
        Whether a page is made.
    method
        Method of attribution on the page.
    beside
        Names of channels that the stager is given beside the EEG, by ``eog`` and ``emg``.
    person
        Age in years and sex (``male``: 1 or 0), where the stager can use them.
    classes
        Classes of stages that are counted too, see `hypnolens.scoring.classes.classes_of`; empty for none.
    reasons
        Whether a table is written of what each feature added in each epoch.
    again
        Whether nights are staged that are complete.
    """

    model: str | None = None
    ensemble: bool = False
    channels: tuple[str, ...] = ()
    hypnogram: Path | None = None
    stage_codes: str | None = None
    lights: tuple[str | None, str | None] = (None, None)
    below: float = REVIEW_BELOW
    precision: str = "fp32"
    page: bool = True
    method: str = LAYER_IG
    beside: Mapping[str, str] = field(default_factory=dict)
    person: Mapping[str, float] = field(default_factory=dict)
    classes: str = ""
    reasons: bool = False
    again: bool = False


def score_file(path: Path, out: Path, options: ScoringOptions, *, threads: int) -> dict[str, Any]:
    """Score one night.

    Returns
    -------
    dict
        As `hypnolens.scoring.summaries.summary`; of a night that is complete and was left as it is, with ``left``.

    Raises
    ------
    HypnolensError
        The night or the model cannot be used, or the results not be written, or only over those of another recording.
    """
    # Torch, MNE and YASA take seconds to load, and have no part in a question for help.
    import torch

    from hypnolens.scoring.classes import classes_of
    from hypnolens.scoring.complete import complete, made_from
    from hypnolens.scoring.outputs import write_outputs
    from hypnolens.scoring.reading import read_night
    from hypnolens.scoring.staging import detail_of, stage_night
    from hypnolens.scoring.summaries import summary
    from hypnolens.stagers.known import load_stager

    torch.set_num_threads(threads)
    stager = load_stager(options.model, ensemble=options.ensemble, precision=options.precision)
    classes = classes_of(options.classes)
    _check_known(options, stager.card)
    key = made_from(path, options, stager.card)
    if not options.again and (said := complete(night_name(path), out, key)):
        return {**said, "left": True}
    night = read_night(
        path,
        channels=options.channels,
        lights=options.lights,
        hypnogram=options.hypnogram,
        stage_codes=options.stage_codes,
        preferred=stager.card.channels,
        beside=options.beside,
    )
    check_same(night.name, night.sha256, night.place, out)
    scored = stage_night(night, stager, below=options.below, person=options.person)
    scored = replace(scored, classes=classes, made_from=key)
    detail = detail_of(scored, stager, method=options.method) if options.page or options.reasons else None
    reasons = detail.reasons if detail and options.reasons else None
    write_outputs(scored, out, detail if options.page else None, reasons)
    return summary(scored, page=options.page, reasons=reasons is not None)


def score_files(
    paths: Sequence[Path], out: Path, options: ScoringOptions, *, jobs: int
) -> Iterator[tuple[Path, dict[str, Any] | HypnolensError]]:
    """Score nights, several at a time and each in a process of its own; one that fails stops no other.

    Yields
    ------
    path, result
        Of each night as it is done: its summary, or the error that it ended with.
    """
    refused = foreign(paths, out)
    yield from refused.items()
    rest = [path for path in paths if path not in refused]
    score = partial(_tried, out=out, options=options, threads=max(1, available_cores() // jobs))
    if len(rest) == 1:
        yield rest[0], score(rest[0])
        return
    for path, result in each_apart(score, rest, jobs=jobs, prepare=_load):
        yield path, _given_up(path, result) if isinstance(result, Killed) else result


def _check_known(options: ScoringOptions, card: "StagerCard") -> None:
    """Refuse what the stager could not use: whoever gives it believes that it matters."""
    useless = [f"--{kind}" for kind in options.beside if kind not in card.beside]
    if useless := useless + ["--age and --sex"] * bool(options.person and not card.person):
        raise HypnolensError(f"{card.models[0]} makes no use of {', '.join(useless)}; leave them out")


def unnamed(paths: Sequence[Path]) -> dict[Path, RecordingError]:
    """Why some nights cannot be scored together: their outputs would overwrite each other, or have no usable name."""
    found = {}
    for path in paths:
        try:
            night_name(path)
        except RecordingError as error:
            found[path] = error
    for pair in clashes([path for path in paths if path not in found]):
        what = f"{pair[0]} and {pair[1]} would write the same files"
        for path in pair:
            remedy = "rename one, or score them with an --out of their own"
            found.setdefault(path, RecordingError(night_name(pair[1]), what, remedy))
    return found


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _tried(path: Path, out: Path, options: ScoringOptions, threads: int) -> dict[str, Any] | HypnolensError:
    """Summary of a night, or what it ended with, whatever that is: the other nights are no worse for it."""
    try:
        with _told_once():
            return score_file(path, out, options, threads=threads)
    except HypnolensError as error:
        return error
    except MemoryError:
        return RecordingError(night_name(path), "there is not enough memory for it", ALONE)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        what = f"unexpected {type(error).__name__} ({quoted(str(error))}, {Path(where.filename).name}:{where.lineno})"
        return RecordingError(night_name(path), what, "this is a fault of hypnolens: please report this line")


@contextmanager
def _told_once() -> Iterator[None]:
    """What is odd about a file stands in the summary; the log would say it again at each look at the file."""
    log = logging.getLogger("hypnolens.recordings")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _given_up(path: Path, killed: Killed) -> RecordingError:
    why = ", perhaps for want of memory" if killed.by == "SIGKILL" else ""
    return RecordingError(night_name(path), f"its process ended again and again ({killed.by}){why}", ALONE)


def _load() -> None:
    """Load what scoring needs, which takes seconds, so that a process that has begun with a night is about that."""
    import hypnolens.scoring.outputs
    import hypnolens.scoring.reading
    import hypnolens.scoring.staging
    import hypnolens.stagers.known  # noqa: F401
