"""Scoring: probabilities and features of the epochs of a recording, the CNN running once an epoch."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from hypnolens.network.devices import arithmetic
from hypnolens.network.model import Network, fused, slide, to_microvolts
from hypnolens.network.windows import window_positions
from hypnolens.recordings.epochs import Epochs

CHUNK = 128
"""Epochs at a time: enough to keep a device busy, little enough for any memory."""

WINDOWS = 1024
"""Windows of features at a time: 20 MB of them, and the fewer steps of the BiLSTM the faster."""

CPU_CHUNK = 32
"""Epochs whose features a CPU computes at a time: its caches hold them (at width 64, 128 took 1.07 times as long)."""


@torch.no_grad()
def features(model: Network, epochs: Epochs, *, precision: str) -> Tensor:
    """Features of every epoch of a recording, float32 ``(n_epochs, C)``, in evaluation mode."""
    device = next(model.parameters()).device
    fast = fused(model.eval())
    with arithmetic(device, precision):
        chunks = [
            fast.features(to_microvolts(epochs.signal[rows], epochs.scale_uv, device)).float()
            for rows in _chunks(len(epochs.signal), CPU_CHUNK if device.type == "cpu" else CHUNK)
        ]
    return torch.cat(chunks)


@torch.no_grad()
def probabilities(model: Network, epochs: Epochs, *, across_gaps: bool, precision: str) -> np.ndarray:
    """Probabilities of the five stages for every epoch of a recording, float32 ``(n_epochs, 5)``."""
    extracted = features(model, epochs, precision=precision)
    positions = positions_of(model, epochs, across_gaps=across_gaps)
    with arithmetic(extracted.device, precision):
        chunks = [
            model.classify(slide(extracted, positions[rows])).float() for rows in _chunks(len(positions), WINDOWS)
        ]
    return torch.cat(chunks).softmax(dim=1).cpu().numpy()


def positions_of(model: Network, epochs: Epochs, *, across_gaps: bool) -> Tensor:
    """Windows around every epoch of a recording as the model wants them, int64 ``(n_epochs, W)``."""
    positions = window_positions(epochs.epoch_index, model.window, across_gaps=across_gaps)
    return torch.from_numpy(positions).to(next(model.parameters()).device)


def _chunks(n: int, size: int) -> Iterator[slice]:
    return (slice(begin, begin + size) for begin in range(0, n, size))
