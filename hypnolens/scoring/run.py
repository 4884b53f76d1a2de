"""One night from file to files, and many nights side by side."""

import logging
import os
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hypnolens.errors import HypnolensError, RecordingError, quoted
from hypnolens.explanations.maps import LAYER_IG
from hypnolens.scoring.folder import check_same, foreign
from hypnolens.scoring.names import clashes, night_name
from hypnolens.scoring.workers import Killed, each_apart

REVIEW_BELOW = 0.6
"""Confidence below which an epoch is listed for review: two stages share nearly all of the probability."""

ALONE = "try it alone, with --jobs 1"


@dataclass(frozen=True)
class ScoringOptions:
    """How nights are scored.

    Attributes
    ----------
    model
        Folder, file or release of the model, see `network.files.load_models`; `None` for the one that is shipped.
    ensemble
        Whether all folds of the model stage together.
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
    """

    model: Path | None = None
    ensemble: bool = False
    channels: tuple[str, ...] = ()
    hypnogram: Path | None = None
    stage_codes: str | None = None
    lights: tuple[str | None, str | None] = (None, None)
    below: float = REVIEW_BELOW
    precision: str = "fp32"
    page: bool = True
    method: str = LAYER_IG


def score_file(path: Path, out: Path, options: ScoringOptions, *, threads: int) -> dict[str, Any]:
    """Score one night.

    Returns
    -------
    dict
        As `hypnolens.scoring.summaries.summary`.

    Raises
    ------
    HypnolensError
        The night or the model cannot be used, or the results not be written, or only over those of another recording.
    """
    # Torch, MNE and YASA take seconds to load, and have no part in a question for help.
    import torch

    from hypnolens.network.files import load_models
    from hypnolens.scoring.outputs import write_outputs
    from hypnolens.scoring.reading import read_night
    from hypnolens.scoring.staging import detail_of, stage_night
    from hypnolens.scoring.summaries import summary

    torch.set_num_threads(threads)
    scorers = load_models(options.model, ensemble=options.ensemble)
    night = read_night(
        path,
        channels=options.channels,
        lights=options.lights,
        hypnogram=options.hypnogram,
        stage_codes=options.stage_codes,
        preferred=scorers[0].card["usual"]["channels"],
    )
    check_same(night.name, night.sha256, night.place, out)
    scored = stage_night(night, scorers, precision=options.precision, below=options.below)
    detail = detail_of(scored, scorers[0], method=options.method) if options.page else None
    write_outputs(scored, out, detail)
    return summary(scored, page=options.page)


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
    import hypnolens.network.files
    import hypnolens.scoring.outputs
    import hypnolens.scoring.reading
    import hypnolens.scoring.staging  # noqa: F401
