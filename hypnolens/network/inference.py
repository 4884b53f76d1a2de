"""Scoring: probabilities and features of the epochs of a recording, the CNN running once an epoch."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from hypnolens.errors import RecordingError
from hypnolens.network.devices import arithmetic
from hypnolens.network.model import Network, fused, slide, to_microvolts
from hypnolens.network.windows import window_positions
from hypnolens.recordings.epochs import Epochs

CHUNK = 128
"""Epochs at a time: enough to keep a device busy, little enough for any memory."""

WINDOWS = 1024
"""Windows of features at a time: 20 MB of them, and the fewer steps of the BiLSTM the faster."""

PLACES = 36 * 1024
"""Places in all windows at a time: fewer windows where each is far longer than the paper's of 9 epochs."""

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
def probabilities(
    model: Network, epochs: Epochs, *, across_gaps: bool, precision: str, name: str = "the network"
) -> np.ndarray:
    """Probabilities of the five stages for every epoch of a recording at the network's temperature, float32
    ``(n_epochs, 5)``.

    Parameters
    ----------
    model, epochs
        A network, and a recording as it was trained to see it.
    across_gaps
        See `hypnolens.network.windows.window_positions`.
    precision
        See `hypnolens.network.devices.arithmetic`.
    name
        What the network is called if it fails.

    Raises
    ------
    RecordingError
        The network gives values that are not finite: its weights are, but not what they make of this recording.
    """
    extracted = features(model, epochs, precision=precision)
    positions = positions_of(model, epochs, across_gaps=across_gaps)
    with arithmetic(extracted.device, precision):
        chunks = [
            model.classify(slide(extracted, positions[rows])).float()
            for rows in _chunks(len(positions), max(1, min(WINDOWS, PLACES // model.window)))
        ]
    found = (torch.cat(chunks) / model.temperature).softmax(dim=1).cpu().numpy()
    if odd := int((~np.isfinite(found).all(axis=1)).sum()):
        what = f"{name} gives values that are not finite in place of probabilities in {odd} of {len(found)} epochs"
        raise RecordingError(epochs.recording, what, "take another network, or train it with a lower learning_rate:")
    return found


def positions_of(model: Network, epochs: Epochs, *, across_gaps: bool) -> Tensor:
    """Windows around every epoch of a recording as the model wants them, int64 ``(n_epochs, W)``."""
    positions = window_positions(epochs.epoch_index, model.window, across_gaps=across_gaps)
    return torch.from_numpy(positions).to(next(model.parameters()).device)


def _chunks(n: int, size: int) -> Iterator[slice]:
    return (slice(begin, begin + size) for begin in range(0, n, size))
