"""One night from file to files, and many nights side by side."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypnolens.errors import HypnolensError, RecordingError
from hypnolens.explanations.maps import LAYER_IG
from hypnolens.scoring.names import clashes, night_name

REVIEW_BELOW = 0.6
"""Confidence below which an epoch is listed for review: two stages share nearly all of the probability."""


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
        The night or the model cannot be used, or the results not be written.
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
        preferred=scorers[0].card["usual"]["channels"],
    )
    scored = stage_night(night, scorers, precision=options.precision, below=options.below)
    detail = detail_of(scored, scorers[0], method=options.method) if options.page else None
    write_outputs(scored, out, detail)
    return summary(scored, page=options.page)


def score_files(
    paths: Sequence[Path], out: Path, options: ScoringOptions, *, jobs: int
) -> Iterator[tuple[Path, dict[str, Any] | HypnolensError]]:
    """Score nights, several at a time, each in a process of its own; one that fails stops no other.

    Yields
    ------
    path, result
        Of each night as it is done: its summary, or the error that it ended with.
    """
    cores = available_cores()
    if jobs == 1 or len(paths) == 1:
        for path in paths:
            try:
                yield path, score_file(path, out, options, threads=cores)
            except HypnolensError as error:
                yield path, error
        return
    # Forked processes would share torch's threads, which then wait for each other for ever.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        waiting = {pool.submit(score_file, path, out, options, threads=max(1, cores // jobs)): path for path in paths}
        for done in as_completed(waiting):
            yield waiting[done], _result(done, waiting[done])


def check_names(paths: Sequence[Path]) -> None:
    """Refuse nights whose outputs would overwrite each other.

    Raises
    ------
    RecordingError
        Two of them would write the same files, or one cannot name files.
    """
    if clash := clashes(paths):
        what = f"{clash[0]} and {clash[1]} would write the same files"
        raise RecordingError(night_name(clash[1]), what, "rename one, or score them with an --out of their own")


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _result(done: "Future[dict[str, Any]]", path: Path) -> dict[str, Any] | HypnolensError:
    try:
        return done.result()
    except HypnolensError as error:
        return error
    except BrokenProcessPool:
        what = "its process was killed, perhaps for want of memory"
        return RecordingError(night_name(path), what, "try again with --jobs 1")
