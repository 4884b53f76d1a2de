"""Scoring: probabilities and features of the epochs of a recording, the CNN running once an epoch."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hypnolens.devices import arithmetic
from hypnolens.epochs import Epochs
from hypnolens.model import SEResNetBiLSTM, slide, to_microvolts
from hypnolens.predictions import PROBABILITIES
from hypnolens.stages import STAGES
from hypnolens.windows import window_positions

CHUNK = 128
"""Epochs or windows at a time: enough to keep a device busy, little enough for any memory."""


@torch.no_grad()
def features(model: SEResNetBiLSTM, epochs: Epochs, *, precision: str) -> Tensor:
    """Features of every epoch of a recording, float32 ``(n_epochs, C)``, in evaluation mode."""
    model.eval()
    device = next(model.parameters()).device
    with arithmetic(device, precision):
        chunks = [
            model.features(to_microvolts(epochs.signal[rows], epochs.scale_uv, device)).float()
            for rows in _chunks(len(epochs.signal))
        ]
    return torch.cat(chunks)


@torch.no_grad()
def probabilities(model: SEResNetBiLSTM, epochs: Epochs, *, across_gaps: bool, precision: str) -> np.ndarray:
    """Probabilities of the five stages for every epoch of a recording, float32 ``(n_epochs, 5)``."""
    extracted = features(model, epochs, precision=precision)
    positions = positions_of(model, epochs, across_gaps=across_gaps)
    with arithmetic(extracted.device, precision):
        chunks = [model.classify(slide(extracted, positions[rows])).float() for rows in _chunks(len(positions))]
    return torch.cat(chunks).softmax(dim=1).cpu().numpy()


def positions_of(model: SEResNetBiLSTM, epochs: Epochs, *, across_gaps: bool) -> Tensor:
    """Windows around every epoch of a recording as the model wants them, int64 ``(n_epochs, W)``."""
    positions = window_positions(epochs.epoch_index, model.architecture.window, across_gaps=across_gaps)
    return torch.from_numpy(positions).to(next(model.parameters()).device)


def predictions_of(epochs: Epochs, probabilities: np.ndarray) -> pd.DataFrame:
    """Predictions of one recording, from probabilities ``(n_epochs, 5)``.

    Columns: ``recording subject epoch_index onset_s stage_true stage_pred p_W p_N1 p_N2 p_N3 p_R``.
    """
    names = np.array(STAGES)
    frame = {
        "recording": epochs.recording,
        "subject": epochs.subject,
        "epoch_index": epochs.epoch_index,
        "onset_s": epochs.onset_s,
        "stage_true": names[epochs.stage],
        "stage_pred": names[probabilities.argmax(axis=1)],
    }
    columns = dict(zip(PROBABILITIES, probabilities.astype(np.float32).T, strict=True))
    return pd.DataFrame({**frame, **columns})


def _chunks(n: int) -> Iterator[slice]:
    return (slice(begin, begin + CHUNK) for begin in range(0, n, CHUNK))
