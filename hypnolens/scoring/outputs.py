"""The files that a scored night leaves behind: stages, statistics, and the same for other programs.

Nothing in them depends on when they were written: the same night gives the same bytes. Each is written under another
name and gets its own when all are complete, the summary last, so that where ``NAME.json`` is, the rest is too.

In every table of stages epochs are counted from 1, as sleep viewers count them; ``onset_s`` counts seconds from the
first sample of the recording.
"""

import errno
import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from hypnolens.errors import RecordingError
from hypnolens.evaluation.predictions import PROBABILITIES
from hypnolens.scoring.bids import description, events
from hypnolens.scoring.classes import class_codes, counted
from hypnolens.scoring.folder import UNFINISHED
from hypnolens.scoring.hypnograms import edf_hypnogram, yasa_hypnogram
from hypnolens.scoring.names import file_names
from hypnolens.scoring.night_page import write_page
from hypnolens.scoring.night_statistics import names, statistics_of, unit, with_latencies
from hypnolens.scoring.scored import Detail, Scored
from hypnolens.scoring.summaries import clock, has_clock, summary
from hypnolens.stagers.interface import Reasons
from hypnolens.stages import MOVEMENT, STAGES, UNSCORED

SHOWN = {**dict(enumerate(STAGES)), UNSCORED: "?", MOVEMENT: "MT"}
"""Codes of stages as tables show them. A ``?`` is a text to every reader; pandas takes ``n/a`` for a missing number."""

OTHERWISE = "or choose another folder"

REMEDIES = {
    errno.ENOSPC: f"make room there, {OTHERWISE}",
    errno.EDQUOT: f"make room there, {OTHERWISE}",
    errno.EFBIG: f"raise the limit of file sizes, {OTHERWISE}",
    errno.EACCES: f"give yourself permission to write there, {OTHERWISE}",
    errno.EPERM: f"give yourself permission to write there, {OTHERWISE}",
    errno.EROFS: f"make it writable, {OTHERWISE}",
    errno.EEXIST: f"move away what has this name and is no folder, {OTHERWISE}",
    errno.ENOTDIR: f"move away what is no folder in this path, {OTHERWISE}",
    errno.EISDIR: f"move away the folder that has the name of an output, {OTHERWISE}",
    errno.ENAMETOOLONG: "give the recording a shorter name",
}
"""What to do where writing fails, by the system's number of the reason."""


def write_outputs(
    scored: Scored, folder: Path, detail: Detail | None = None, reasons: Reasons | None = None
) -> dict[str, Path]:
    """Write all files of a night, over those of an earlier run.

    Parameters
    ----------
    scored
        The night, of at least one epoch.
    folder
        Where to; made if it is not there.
    detail
        What the page shows of single epochs; without it there is none, and that of an earlier run goes, as it would
        contradict the rest.
    reasons
        What spoke for each stage; `None` for no such table.

    Returns
    -------
    dict
        The files, by the kinds of `hypnolens.scoring.names.file_names`.

    Raises
    ------
    RecordingError
        The folder cannot be made or written to, or is full. Files of an earlier run are then still whole, and so is
        each new one.
    """
    every = file_names(scored.night.name)
    has = {"page": detail is not None, "reasons": reasons is not None}
    files = file_names(scored.night.name, **has)
    writers: dict[str, Callable[[Path], object]] = {
        "stages": lambda path: _table(stages_table(scored), path),
        "hypnogram": edf_hypnogram(scored).write,
        "events": lambda path: _table(events(scored), path, missing="n/a"),
        "events_description": lambda path: _json(description(scored), path),
        "yasa": yasa_hypnogram(scored).to_json,
        "statistics": lambda path: _table(statistics_table(scored), path),
        "transitions": lambda path: _table(transitions_table(scored), path),
        "summary": lambda path: _json(summary(scored, **has), path),
    }
    if detail is not None:
        writers["page"] = partial(write_page, scored, detail)
    if reasons is not None:
        writers["reasons"] = lambda path: _table(reasons_table(scored, reasons), path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Beside their places, as only within a file system is a renaming one step.
        with TemporaryDirectory(prefix=UNFINISHED, dir=folder, ignore_cleanup_errors=True) as unfinished:
            for kind, name in files.items():
                writers[kind](Path(unfinished, name))
                _to_disk(Path(unfinished, name))
            for kind in ("summary", "page", "reasons"):  # an old summary must not vouch for a mixture
                (folder / every[kind]).unlink(missing_ok=True)
            for name in files.values():
                Path(unfinished, name).replace(folder / name)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise RecordingError(
            scored.night.name,
            f"results cannot be written to {folder} ({reason})",
            REMEDIES.get(error.errno or 0, "choose another folder"),
        ) from error
    return {kind: folder / name for kind, name in files.items()}


def stages_table(scored: Scored) -> pd.DataFrame:
    """A line an epoch, usable or not.

    Columns: ``epoch`` (from 1) ``onset_s``, ``clock`` (time of day, where it is known), ``stage`` (`STAGES`, or ``?``),
    ``confidence p_W p_N1 p_N2 p_N3 p_R`` (NaN where unusable), ``review`` (``yes`` or ``no``), ``unusable`` (the
    reason, or ``no``), ``class`` (where fewer than five are asked for), ``human`` (where there are human stages; ``?``
    where unscored, ``MT`` for movement), ``model``.
    """
    night, onset = scored.night, np.round(scored.onset_s, 6)
    probability = np.round(scored.probability.astype(np.float64), 6)
    table: dict[str, Any] = {"epoch": np.arange(1, scored.n_epochs + 1), "onset_s": onset}
    if has_clock(night):
        table["clock"] = [clock(night.start, seconds) for seconds in onset]
    table |= {
        "stage": [SHOWN[int(code)] for code in scored.stage],
        "confidence": np.round(scored.confidence.astype(np.float64), 6),
        **dict(zip(PROBABILITIES, probability.T, strict=True)),
        "review": np.where(np.isin(np.arange(scored.n_epochs), scored.review), "yes", "no"),
        "unusable": [reason or "no" for reason in scored.unusable],
    }
    if scored.classes:
        names = [*scored.classes, SHOWN[UNSCORED]]
        table["class"] = [names[place] for place in class_codes(scored, scored.classes)]
    if night.human is not None:
        table["human"] = [SHOWN[int(code)] for code in night.human]
    return pd.DataFrame({**table, "model": scored.model})


def reasons_table(scored: Scored, reasons: Reasons) -> pd.DataFrame:
    """A line an epoch: ``epoch``, ``onset_s``, ``stage`` and ``second``, the log-odds of the one against the other
    (``log_odds``), ``base``, and what each feature adds to it, by the stager's own name of the feature."""
    total = reasons.base + reasons.share.sum(axis=1)
    share = pd.DataFrame(np.round(reasons.share.astype(np.float64), 4), columns=list(reasons.features))
    table = {
        "epoch": np.arange(1, scored.n_epochs + 1),
        "onset_s": np.round(scored.onset_s, 6),
        "stage": [SHOWN[int(code)] for code in scored.stage],
        "second": [SHOWN.get(int(code), SHOWN[UNSCORED]) for code in reasons.second],
        "log_odds": np.round(total.astype(np.float64), 4),
        "base": np.round(reasons.base.astype(np.float64), 4),
    }
    return pd.concat([pd.DataFrame(table), share], axis=1)


def statistics_table(scored: Scored) -> pd.DataFrame:
    """A line a statistic: ``statistic name value unit``, ``human`` (where there are human stages), ``model``.

    Statistics are those of `hypnolens.scoring.night_statistics.with_latencies`; NaN where undefined.
    """
    night = scored.night
    values = with_latencies(scored.statistics)
    words = names(night.lights)
    table: dict[str, Any] = {
        "statistic": list(values),
        "name": [words[name] for name in values],
        "value": np.round(list(values.values()), 4),
        "unit": [unit(name) for name in values],
    }
    if night.human is not None:
        human = with_latencies(statistics_of(night.human, first_s=night.first_s, lights=night.lights)[0])
        table["human"] = np.round(list(human.values()), 4)
    found = pd.DataFrame(table)
    if scored.classes:
        minutes = counted(scored, scored.classes)["minutes"]
        more = {"statistic": [f"class_{name}_min" for name in minutes], "name": [f"class {name}" for name in minutes]}
        found = pd.concat([found, pd.DataFrame({**more, "value": list(minutes.values()), "unit": "min"})])
    return found.assign(model=scored.model)


def transitions_table(scored: Scored) -> pd.DataFrame:
    """A line each pair of stages: ``from to count probability model``.

    The probability is that of the second stage in the next epoch, given the first, and that the next epoch is scored;
    NaN where the first has no next epoch.
    """
    counts = scored.transitions.loc[list(STAGES), list(STAGES)].to_numpy(dtype=np.int64)
    with np.errstate(invalid="ignore"):
        probability = counts / counts.sum(axis=1, keepdims=True)
    n = len(STAGES)
    return pd.DataFrame({
        "from": np.repeat(STAGES, n), "to": np.tile(STAGES, n), "count": counts.ravel(),
        "probability": np.round(probability.ravel(), 6), "model": scored.model,
    })  # fmt: skip


def _table(table: pd.DataFrame, path: Path, *, missing: str = "nan") -> None:
    table.to_csv(path, sep="\t", index=False, na_rep=missing, lineterminator="\n")


def _json(content: Mapping[str, Any], path: Path) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def _to_disk(path: Path) -> None:
    """Wait until the file is on the disk: on a network's, a full one may be noticed only then."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())
