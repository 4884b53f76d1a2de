"""One-dimensional Grad-CAM of the epoch being staged (Selvaraju et al. 2017), with every cell where it belongs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hypnolens.epochs import Epochs
from hypnolens.explanations import Explained
from hypnolens.inference import features, positions_of
from hypnolens.model import SEResNetBiLSTM, cell_geometry, slide, to_microvolts
from hypnolens.normalisation import normalise
from hypnolens.stages import CODE


def grad_cam(
    model: SEResNetBiLSTM, epochs: Epochs, rows: Sequence[int] | np.ndarray, stages: np.ndarray, *, across_gaps: bool
) -> np.ndarray:
    """Attribution of each sample of staged epochs to the logit of a stage.

    The map is that of the last block for the staged epoch itself. Its neighbours in the window enter the logit
    but not the map, and the logit depends on the epoch's map through its place in the middle of the window
    only, so the gradient is that of one window position and never mixes two.

    Parameters
    ----------
    model
        The network; it is put in evaluation mode, as attributions in training mode are unreliable.
    epochs
        Recording.
    rows
        Epochs to explain, rows of ``epochs.signal`` ``(n,)``.
    stages
        Code of the stage to explain for each ``(n,)``.
    across_gaps
        As the model was trained.

    Returns
    -------
    numpy.ndarray
        Float32 ``(n, n_samples)``, not negative, in units of the logit; zero where nothing speaks for the stage.
    """
    rows = np.asarray(rows)
    cells = cell_attributions(model, epochs, rows, stages, across_gaps=across_gaps)
    return to_samples(cells, epochs.signal.shape[1], cell_geometry(model))


def explain(
    model: SEResNetBiLSTM, epochs: Epochs, prediction: Any, *, normalisation: str, across_gaps: bool
) -> Explained:
    """Grad-CAM of one predicted epoch for the stage that was predicted.

    Parameters
    ----------
    model, epochs
        The network that predicted, and the recording.
    prediction
        A row of the predictions with the column ``fold``, as a named tuple.
    normalisation, across_gaps
        As the model was trained.
    """
    stage = prediction.stage_pred
    row = int(np.flatnonzero(epochs.epoch_index == prediction.epoch_index)[0])
    seen = normalise(epochs, normalisation)
    (attribution,) = grad_cam(model, seen, [row], np.array([CODE[stage]]), across_gaps=across_gaps)
    return Explained(
        stage=stage,
        recording=epochs.recording,
        subject=epochs.subject,
        epoch_index=int(prediction.epoch_index),
        onset_s=float(prediction.onset_s),
        fold=int(prediction.fold),
        probability=float(getattr(prediction, f"p_{stage}")),
        rate=epochs.rate,
        signal=epochs.signal[row] * epochs.scale_uv,
        attribution=attribution,
    )


def cell_attributions(
    model: SEResNetBiLSTM, epochs: Epochs, rows: np.ndarray, stages: np.ndarray, *, across_gaps: bool
) -> np.ndarray:
    """Grad-CAM by cell of the last block's feature map, float32 ``(n, n_cells)``."""
    model.eval()
    device = next(model.parameters()).device
    shared = features(model, epochs, precision="fp32")
    positions = positions_of(model, epochs, across_gaps=across_gaps)
    wanted = torch.as_tensor(np.asarray(stages, dtype=np.int64), device=device)
    maps = []
    for begin in range(0, len(rows), 64):
        part = slice(begin, begin + 64)
        with torch.no_grad():
            x = to_microvolts(epochs.signal[rows[part]], epochs.scale_uv, device)
            activation = model.feature_map(x)  # (n, C, n_cells)
        activation.requires_grad_()
        windows = slide(shared, positions[torch.as_tensor(rows[part], device=device)])
        middle = windows.shape[1] // 2
        own = model.pool(activation)[:, None]  # (n, 1, C)
        windows = torch.cat([windows[:, :middle], own, windows[:, middle + 1 :]], dim=1)
        # cuDNN has no backward pass for an LSTM in evaluation mode.
        with torch.backends.cudnn.flags(enabled=False):
            logit = model.classify(windows).gather(1, wanted[part, None]).sum()
        (gradient,) = torch.autograd.grad(logit, activation)
        maps.append(_combine(activation.detach(), gradient))
    return torch.cat(maps).cpu().numpy() if maps else np.empty((0, 0), dtype=np.float32)


def to_samples(cells: np.ndarray, n_samples: int, geometry: tuple[float, int, int]) -> np.ndarray:
    """Cells ``(n, n_cells)`` brought to samples ``(n, n_samples)``: each at the centre of what it sees.

    Between centres the value is interpolated; beyond the outer ones it is held. Stretching the cells over the epoch
    from end to end, as is common, would shift them by up to half a cell.
    """
    first, step, _ = geometry
    centres = first + step * np.arange(cells.shape[1])
    samples = np.arange(n_samples)
    return np.stack([np.interp(samples, centres, row) for row in cells]).astype(np.float32)


def _combine(activation: Tensor, gradient: Tensor) -> Tensor:
    """Channels weighed by their mean gradient, and only what speaks for the stage: ``(n, n_cells)``."""
    weight = gradient.mean(dim=2, keepdim=True)
    return torch.relu((weight * activation).sum(dim=1))
