"""Sleep microstructure as a table: known from a simulation, marked by experts, or found (see `detectors`).

Events are a table with the columns ``onset_s`` (seconds from the start of the recording), ``duration_s`` and ``kind``,
by onset.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hypnolens.errors import DamagedError, OtherError, RecordingError, quoted
from hypnolens.io.checksums import digest_of_file
from hypnolens.io.frames import read_table
from hypnolens.io.tables import read_user_table
from hypnolens.stages import EPOCH_S

KINDS = ("spindle", "k-complex", "slow-wave", "alpha", "vertex", "theta", "sawtooth")
"""What `detect` looks for."""

KIND_BANDS_HZ = {
    "spindle": (11.0, 16.0),
    "k-complex": (0.5, 4.0),
    "slow-wave": (0.5, 4.0),
    "alpha": (8.0, 13.0),
    "vertex": (2.0, 8.0),
    "theta": (4.0, 8.0),
    "sawtooth": (2.0, 6.0),
}
"""Band of each kind of event in Hz, for the control that knows it (AASM manual; a vertex wave lasts under 0.5 s)."""

KIND_STAGES = {
    "spindle": ("N2", "N3"),
    "k-complex": ("N2",),
    "slow-wave": ("N3",),
    "alpha": ("W", "N1"),
    "vertex": ("N1",),
    "theta": ("N1", "R"),
    "sawtooth": ("R",),
}
"""Stages for which each kind of event is a sign, by the AASM manual."""


def read_events(path: Path) -> pd.DataFrame:
    """Read the true events beside a simulated night, ``NAME-events.tsv``.

    Raises
    ------
    RecordingError
        The table is missing or damaged.
    """
    spans, kinds = _read(Path(path), "kind", f"delete it and make it again with `snakemake {path}`")
    return as_table(kinds, spans)


def read_marks(path: Path) -> dict[str, pd.DataFrame]:
    """Read experts' marks, ``NAME-KINDs.tsv`` with the columns ``onset_s``, ``duration_s`` and ``scorer``.

    Returns
    -------
    dict
        Events of each scorer, all of the kind that the file is named after, and as ``union`` those of any: marks that
        overlap or touch become one.

    Raises
    ------
    RecordingError
        The table is missing or damaged, or an expert is called like another source of events.
    """
    path = Path(path)
    spans, scorers = _read(path, "scorer", "put right its columns onset_s, duration_s and scorer, separated by tabs")
    if taken := sorted({"detected", "true", "union"} & set(scorers)):
        raise RecordingError(path.stem, f"'{path}' has a scorer called '{taken[0]}'", "give the expert another name")
    kind = path.stem.rpartition("-")[2].removesuffix("s")
    marks = {str(scorer): spans[:, scorers == scorer] for scorer in np.unique(scorers)}
    return {scorer: as_table([kind] * own.shape[1], own) for scorer, own in (marks | {"union": _union(spans)}).items()}


def known_events(path: Path) -> dict[str, pd.DataFrame]:
    """Known events by source: ``true`` ones of a simulated night, or those of each expert and their union.

    Raises
    ------
    RecordingError
        As `read_events` and `read_marks`.
    """
    if path.stem.endswith("-events"):
        return {"true": read_events(path)}
    return read_marks(path)


def write_found(events: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Write events of several sources as one table, with the columns ``source`` and ``recording`` (the file's name)."""
    frames = [table.assign(source=source, recording=path.stem) for source, table in events.items()]
    pd.concat(frames, ignore_index=True).to_csv(path, sep="\t", index=False, float_format="%.3f")


def read_found(path: Path) -> pd.DataFrame:
    """Events of all sources, as `write_found` wrote them: ``onset_s duration_s kind source``.

    Raises
    ------
    DamagedError
        The table is damaged, or gone.
    OtherError
        It is of another recording than it is called after.
    """
    try:
        table = read_table(path)
        if others := {*table["recording"]} - {path.stem}:
            raise OtherError(path, f"holds the events of {quoted(others.pop())}")
        return table[["onset_s", "duration_s", "kind", "source"]].astype({"onset_s": float, "duration_s": float})
    except DamagedError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise DamagedError(path, error) from error


def count_table(paths: Mapping[str, Path]) -> pd.DataFrame:
    """Events of many recordings by source and kind: ``recording source kind events``, and ``sha256`` of their files.

    Steps that read events depend on this table alone: its bytes change with any event.

    Parameters
    ----------
    paths
        The table of `write_found` of each recording, by name.
    """
    frames = [
        read_found(path)
        .groupby(["source", "kind"])
        .size()
        .reset_index(name="events")
        .assign(recording=name, sha256=digest_of_file(path))
        for name, path in paths.items()
    ]
    return pd.concat(frames, ignore_index=True)[["recording", "source", "kind", "events", "sha256"]]


def mask(
    events: pd.DataFrame, onset_s: np.ndarray, n_samples: int, rate: float, *, kind: str, margin_s: float = 0.0
) -> np.ndarray:
    """Which samples of epochs lie in an event of a kind.

    Parameters
    ----------
    onset_s
        Seconds from the start of the recording to each epoch ``(n_epochs,)``.
    n_samples, rate
        Samples of an epoch, and their rate in Hz.
    margin_s
        Seconds by which an event is widened on both sides.

    Returns
    -------
    numpy.ndarray
        Bool ``(n_epochs, n_samples)``. An event holds the sample at its onset and none at its end.
    """
    edges = _union(_spans(events, kind) + np.array([[-margin_s], [margin_s]])).T.ravel()
    time = np.asarray(onset_s, dtype=float)[:, None] + np.arange(n_samples) / rate
    # Disjoint spans: after an odd number of edges one is inside. A microsecond keeps rounding off the edges.
    return np.searchsorted(edges - 1e-6, time, side="right") % 2 == 1


def agreement(
    found: pd.DataFrame, true: pd.DataFrame, *, kinds: Sequence[str] | None = None
) -> list[dict[str, float | str]]:
    """How well found events match true ones; two events match if they overlap by half of the shorter one or more.

    Parameters
    ----------
    kinds
        Kinds to compare; all that occur by default.

    Returns
    -------
    list of dict
        A row a kind: ``kind``, ``n_true``, ``n_found``, ``recall`` (share of true events that match a found one; NaN if
        there is none), ``precision`` (share of found events that match a true one; NaN if there is none) and ``f1``
        (their harmonic mean; 0 if nothing matches, NaN if there are neither true nor found events).
    """
    rows: list[dict[str, float | str]] = []
    for kind in sorted({*found["kind"], *true["kind"]}) if kinds is None else kinds:
        ours, theirs = _spans(found, kind), _spans(true, kind)
        n_found, n_true = ours.shape[1], theirs.shape[1]
        recall = float(matched(theirs, ours).mean()) if n_true else np.nan
        precision = float(matched(ours, theirs).mean()) if n_found else np.nan
        f1 = 0.0 if n_found or n_true else np.nan
        if recall > 0 and precision > 0:
            f1 = 2 * recall * precision / (recall + precision)
        numbers = {"n_true": n_true, "n_found": n_found, "recall": recall, "precision": precision, "f1": f1}
        rows.append({"kind": kind, **numbers})
    return rows


def within(events: pd.DataFrame, onset_s: np.ndarray) -> pd.DataFrame:
    """Events that begin in one of the epochs with onsets ``(n_epochs,)``, ascending, in seconds."""
    begin = events["onset_s"].to_numpy(dtype=float)
    epoch = np.searchsorted(onset_s, begin + 1e-6, side="right") - 1
    return events[(epoch >= 0) & (begin < np.asarray(onset_s)[epoch] + EPOCH_S)]


def agreement_table(recordings: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """How well detected events match those of every other source, all recordings together.

    Parameters
    ----------
    recordings
        Events of each, as `read_found` gives them.

    Returns
    -------
    pandas.DataFrame
        ``source`` and the columns of `agreement`; kinds that a source never has are left out.
    """
    joined: list[pd.DataFrame] = []
    begin = 0.0
    for number, events in enumerate(recordings):  # one after the other, so that no two recordings overlap
        joined.append(events.assign(onset_s=events["onset_s"] + begin, recording=number))
        begin += float((events["onset_s"] + events["duration_s"]).max() if len(events) else 0.0) + 1.0
    every = pd.concat(joined, ignore_index=True)
    found = every[every["source"] == "detected"]
    rows = [
        {"source": source, **row}
        for source, true in every.groupby("source", sort=True)
        if source != "detected"
        for row in agreement(
            found[found["recording"].isin(true["recording"])],  # others this source has not looked at
            true,
            kinds=[kind for kind in KINDS if kind in set(true["kind"])],
        )
    ]
    return pd.DataFrame(rows, columns=["source", "kind", "n_true", "n_found", "recall", "precision", "f1"])


# Below, events of one kind are spans: where they start and stop in seconds, (2, n_events), by onset.


def _read(path: Path, label: str, remedy: str) -> tuple[np.ndarray, np.ndarray]:
    """Spans of a table's rows, and their labels ``(n_rows,)``."""
    columns = ["onset_s", "duration_s", label]
    try:
        rows = pd.DataFrame(read_user_table(path, required=columns, numbers=(), empty=True), columns=columns)
        times = rows[columns[:2]].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
        wrong = ~(np.isfinite(times) & (times >= 0)).all(axis=1)
        if wrong.any():
            raise ValueError(f"line {wrong.argmax() + 2} of '{path}' lacks an onset_s and a duration_s in seconds")
    except ValueError as error:
        raise RecordingError(path.stem, str(error), remedy) from error
    return times.cumsum(axis=1).T, rows[label].to_numpy(dtype=str)


def as_table(kinds: Sequence[str] | np.ndarray, spans: np.ndarray) -> pd.DataFrame:
    """Events of kinds ``(n,)`` from where they start and stop in seconds ``(2, n)``."""
    kind = pd.Series(kinds, dtype="str")
    table = pd.DataFrame({"onset_s": spans[0], "duration_s": spans[1] - spans[0], "kind": kind})
    return table.sort_values(["onset_s", "kind"], ignore_index=True)


def _spans(events: pd.DataFrame, kind: str) -> np.ndarray:
    own = events[events["kind"] == kind].sort_values("onset_s")
    return own[["onset_s", "duration_s"]].to_numpy(dtype=float).cumsum(axis=1).T


def _union(spans: np.ndarray) -> np.ndarray:
    """Disjoint spans that cover what the given ones cover."""
    start, stop = spans[:, np.argsort(spans[0], kind="stable")]
    reach = np.maximum.accumulate(stop)
    new = np.ones(len(start), dtype=bool)
    new[1:] = start[1:] > reach[:-1]
    return np.stack([start[new], reach[np.roll(new, -1)]])


def matched(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Which of our spans overlap one of theirs by half of the shorter or more."""
    longest = (theirs[1] - theirs[0]).max(initial=0.0)
    low, high = np.searchsorted(theirs[0], [ours[0] - longest, ours[1]])
    matched = np.zeros(ours.shape[1], dtype=bool)
    for i, (start, stop) in enumerate(ours.T):
        first, last = theirs[:, low[i] : high[i]]
        overlap = np.minimum(last, stop) - np.maximum(first, start)
        matched[i] = (overlap >= 0.5 * np.minimum(last - first, stop - start)).any()
    return matched
