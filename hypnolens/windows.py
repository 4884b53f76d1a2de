"""Windows over a recording, by index: which epoch stands at each place of each window. Nothing is copied or stored."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hypnolens.epochs import Epochs


def window_positions(epoch_index: np.ndarray, window: int, *, across_gaps: bool = False) -> np.ndarray:
    """Row of the epoch at each place of the window around each epoch.

    Parameters
    ----------
    epoch_index
        Position of each kept epoch in its recording, ascending ``(n_epochs,)``.
    window
        Epochs in a window, odd; the epoch being staged is the one at ``window // 2``.
    across_gaps
        Count kept epochs, so that a window joins the two sides of a dropped epoch, as published codes do. By
        default a place is a position in the recording, and a dropped epoch is a place without an epoch.

    Returns
    -------
    numpy.ndarray
        int64 ``(n_epochs, window)``; -1 before the start, after the end and where an epoch was dropped.
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(f"a window of {window} epochs has no middle; take an odd number")
    n_epochs = len(epoch_index)
    place = np.arange(n_epochs) if across_gaps else np.asarray(epoch_index, dtype=np.int64)
    row = np.full(place[-1] + 1 if n_epochs else 0, -1, dtype=np.int64)
    row[place] = np.arange(n_epochs)
    wanted = place[:, None] + np.arange(window) - window // 2
    inside = (wanted >= 0) & (wanted < len(row))
    return np.where(inside, row[np.where(inside, wanted, 0)], -1) if n_epochs else wanted


@dataclass(frozen=True)
class Batch:
    """Windows of one training step over the epochs that they share.

    Attributes
    ----------
    rows
        ``(recording, rows)`` pairs: the epochs that the CNN reads, each once, in this order.
    positions
        Place of each window's epochs in that order, int64 ``(n_windows, window)``; -1 for none.
    targets
        ``(recording, row)`` of the epoch staged by each window, int64 ``(n_windows, 2)``.
    """

    rows: tuple[tuple[int, np.ndarray], ...]
    positions: np.ndarray
    targets: np.ndarray


def batches(
    recordings: Sequence[Epochs],
    *,
    window: int,
    stride: int,
    stretch: int,
    batch_windows: int,
    across_gaps: bool,
    generator: np.random.Generator,
) -> Iterator[Batch]:
    """One training pass: every target once, in stretches that are shuffled across recordings.

    Parameters
    ----------
    recordings
        Training recordings.
    window, across_gaps
        See `window_positions`.
    stride
        Every ``stride``-th kept epoch of a recording is a target.
    stretch
        Targets that follow each other within a step. Their windows overlap, so that the CNN reads
        ``stride * stretch + window - 1`` epochs for them instead of ``window * stretch``. Where stretches begin
        moves from pass to pass.
    batch_windows
        Windows in a step, at most; the last step of a pass may have fewer.
    generator
        Source of all randomness.
    """
    positions = [window_positions(r.epoch_index, window, across_gaps=across_gaps) for r in recordings]
    stretches = []
    for number, recording in enumerate(recordings):
        targets = np.arange(0, len(recording.epoch_index), stride)
        cuts = np.arange(generator.integers(stretch) + 1, len(targets), stretch)
        stretches += [(number, rows) for rows in np.split(targets, cuts) if len(rows)]
    for step in _steps([stretches[i] for i in generator.permutation(len(stretches))], batch_windows):
        yield _batch(step, positions)


def _steps(stretches: Sequence[tuple[int, np.ndarray]], batch_windows: int) -> Iterator[list[tuple[int, np.ndarray]]]:
    """Stretches dealt out to steps of ``batch_windows`` targets; one that does not fit is cut."""
    step: list[tuple[int, np.ndarray]] = []
    room = batch_windows
    for number, rows in stretches:
        while len(rows):
            step.append((number, rows[:room]))
            rows = rows[room:]
            room = batch_windows - sum(len(taken) for _, taken in step)
            if room == 0:
                yield step
                step, room = [], batch_windows
    if step:
        yield step


def _batch(step: Sequence[tuple[int, np.ndarray]], positions: Sequence[np.ndarray]) -> Batch:
    rows, places, targets, offset = [], [], [], 0
    for number in sorted({number for number, _ in step}):
        # Stretches of one recording may touch, and share epochs then.
        target = np.concatenate([taken for recording, taken in step if recording == number])
        wanted = positions[number][target]
        needed, inverse = np.unique(wanted, return_inverse=True)
        inverse = inverse.reshape(wanted.shape)
        if needed[0] == -1:
            needed, inverse = needed[1:], inverse - 1
        rows.append((number, needed))
        places.append(np.where(inverse >= 0, inverse + offset, -1))
        targets.append(np.column_stack([np.full(len(target), number), target]))
        offset += len(needed)
    return Batch(tuple(rows), np.concatenate(places), np.concatenate(targets))
