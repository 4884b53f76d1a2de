"""The epochs of many recordings as one table of rows, as stored (int16) until the network asks for them in µV.

On a GPU the whole table lies in its memory where it fits: 6 kB an epoch at 100 Hz, 1.2 GB for Sleep-EDF-78, 2.0 GB for
the 329 of SHHS, 34 GB for visit 1 whole. Where it does not fit, and on a CPU, rows are read from the files, so
that memory holds the rows of a step and what the system caches; stages and windows of visit 1 whole take 0.3 GB.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from hypnolens.network.windows import Batch
from hypnolens.recordings.epochs import Epochs

SHARE = 0.5
"""Share of a GPU's free memory that signals may take; the rest is for the network and its activations."""


class Store:
    """Epochs by row; the rows of one recording follow each other.

    Parameters
    ----------
    recordings
        What to hold; one sampling rate.
    device
        Where epochs are wanted.
    resident
        Whether the table lies on the device; by default on a GPU in whose memory it fits.

    Attributes
    ----------
    stage
        Codes 0-4, int64 ``(n_epochs,)``, on the device.
    epoch_index
        For each recording, the positions of its epochs.
    """

    def __init__(self, recordings: Sequence[Epochs], device: torch.device, *, resident: bool | None = None) -> None:
        self.device = device
        self.epoch_index = [epochs.epoch_index for epochs in recordings]
        self.stage = torch.from_numpy(np.concatenate([epochs.stage for epochs in recordings])).long().to(device)
        self._starts = np.cumsum([0, *(len(index) for index in self.epoch_index)])
        self._signals = [epochs.signal for epochs in recordings]
        scales = np.repeat([epochs.scale_uv for epochs in recordings], np.diff(self._starts)).astype(np.float32)
        self._scale = torch.from_numpy(scales).to(device)
        self.resident = _fits(self._signals, device) if resident is None else resident
        self._table: Tensor | None = None
        if self.resident:
            self._table = torch.empty((self._starts[-1], self._signals[0].shape[1]), dtype=torch.int16, device=device)
            for start, signal in zip(self._starts, self._signals, strict=False):
                self._table[start : start + len(signal)] = torch.from_numpy(np.array(signal))

    def take(self, rows: np.ndarray, fetched: Tensor | None = None) -> Tensor:
        """Epochs in µV, float32 ``(n, n_samples)`` on the device, from rows ``(n,)`` or what `fetch` gave for them."""
        if self._table is None and fetched is None:
            fetched = self.fetch(rows)
        where = torch.from_numpy(rows).to(self.device, non_blocking=True)
        stored = self._table[where] if self._table is not None else fetched.to(self.device, non_blocking=True)  # type: ignore[union-attr]
        return stored.float().mul_(self._scale[where, None])

    def fetch(self, rows: np.ndarray) -> Tensor:
        """Stored epochs int16 ``(n, n_samples)`` in the host's memory, read file by file."""
        order = np.argsort(rows, kind="stable")
        cuts = np.searchsorted(rows[order], self._starts)
        shape = (len(rows), self._signals[0].shape[1])
        gathered = torch.empty(shape, dtype=torch.int16, pin_memory=self.device.type == "cuda")
        into = gathered.numpy()
        for number in np.flatnonzero(np.diff(cuts)):
            chosen = order[cuts[number] : cuts[number + 1]]
            into[chosen] = self._signals[number][rows[chosen] - self._starts[number]]
        return gathered

    def prefetched(self, batches: Iterator[Batch]) -> Iterator[tuple[Batch, Tensor | None]]:
        """Batches with their rows fetched while the step before is computed, where a GPU waits for files."""
        if self.resident or self.device.type != "cuda":
            yield from ((batch, None) for batch in batches)
            return
        with ThreadPoolExecutor(1) as reader:
            waiting = None
            for batch in batches:
                begun = (batch, reader.submit(self.fetch, batch.rows))
                if waiting:
                    yield waiting[0], waiting[1].result()
                waiting = begun
            if waiting:
                yield waiting[0], waiting[1].result()


def _fits(signals: Sequence[np.ndarray], device: torch.device) -> bool:
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return sum(signal.nbytes for signal in signals) < SHARE * free
