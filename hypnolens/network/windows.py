"""Windows over a recording, by index: which epoch stands at each place of each window. Nothing is copied or stored."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


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
    """Windows of one training step over the epochs that they share. Rows count through all recordings.

    Attributes
    ----------
    rows
        Epochs that the CNN reads, each once, int64 ``(n_rows,)``, ascending.
    positions
        Place of each window's epochs in ``rows``, int64 ``(n_windows, window)``; -1 for none.
    targets
        Row of the epoch staged by each window, int64 ``(n_windows,)``.
    """

    rows: np.ndarray
    positions: np.ndarray
    targets: np.ndarray

    def part(self, chosen: slice) -> "Batch":
        """Some of the windows, with the epochs that they need."""
        wanted = np.where(self.positions[chosen] >= 0, self.rows[self.positions[chosen]], -1)
        return _batch(self.targets[chosen], wanted)


class Windows:
    """The windows of many recordings, whose rows are counted through.

    Parameters
    ----------
    epoch_index
        Positions of the epochs of each recording.
    window, across_gaps
        See `window_positions`.
    """

    def __init__(self, epoch_index: Sequence[np.ndarray], *, window: int, across_gaps: bool) -> None:
        self.starts = np.cumsum([0, *(len(index) for index in epoch_index)])
        # int32, as these are the largest tables that training keeps: 0.2 GB for 5,793 recordings.
        self.positions = np.empty((self.starts[-1], window), dtype=np.int32)
        for start, index in zip(self.starts, epoch_index, strict=False):
            within = window_positions(index, window, across_gaps=across_gaps)
            self.positions[start : start + len(index)] = np.where(within >= 0, within + start, -1)

    def batches(
        self, *, stride: int, stretch: int, batch_windows: int, generator: np.random.Generator, offset: int = 0
    ) -> Iterator[Batch]:
        """One training pass: every target once, in stretches that are shuffled across recordings.

        Parameters
        ----------
        stride
            Every ``stride``-th kept epoch of a recording is a target, from the one at ``offset`` on.
        stretch
            Targets that follow each other within a step. Their windows overlap, so that the CNN reads
            ``stride * stretch + window - 1`` epochs for them instead of ``window * stretch``. Where stretches begin
            moves from pass to pass.
        batch_windows
            Windows in a step, at most; the last step of a pass may have fewer.
        generator
            Source of all randomness.
        """
        stretches = []
        for start, end in pairwise(self.starts):
            targets = np.arange(start + offset, end, stride)
            cuts = np.arange(generator.integers(stretch) + 1, len(targets), stretch)
            stretches += [rows for rows in np.split(targets, cuts) if len(rows)]
        shuffled = np.concatenate([stretches[i] for i in generator.permutation(len(stretches))])
        for begin in range(0, len(shuffled), batch_windows):
            targets = shuffled[begin : begin + batch_windows]
            yield _batch(targets, self.positions[targets])


def _batch(targets: np.ndarray, wanted: np.ndarray) -> Batch:
    """Windows of wanted rows ``(n_windows, window)``; stretches that touch share epochs."""
    rows, places = np.unique(wanted, return_inverse=True)
    places = places.reshape(wanted.shape)
    if rows[0] == -1:
        rows, places = rows[1:], places - 1
    return Batch(rows.astype(np.int64), places.astype(np.int64), targets)
