"""Attributions: how much each moment of an epoch speaks for a stage, by four methods behind one interface.

What is explained is the log-odds of a stage, its logit minus the log-sum-exp of the others'. A logit by itself has no
meaning, as softmax does not change when all five rise together: a network may decide by what speaks against the other
stages, which a map of the one logit does not see (docs/architecture.md has the figures). Log-probabilities would fade
where the network is sure; log-odds do not.

They depend on the signal of the staged epoch, in the middle of the window, and on those of its neighbours. A map is of
one of them: everything else in the window is held as it is, so that no map can mix one epoch's activation with
another's gradient.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import convolve1d, uniform_filter1d
from torch import Tensor

from hypnolens.explanations.examples import Explained, events_within
from hypnolens.explanations.maps import GRAD_CAM, LAYER_IG, RecordingMaps, binned, neighbours_part
from hypnolens.explanations.surrogates import phase_randomised
from hypnolens.network.inference import features, positions_of
from hypnolens.network.model import SEResNetBiLSTM, cell_geometry, slide, to_microvolts
from hypnolens.recordings.epochs import Epochs
from hypnolens.stages import CODE, STAGES

LAYER_STAGE, LAYER_STEPS = 3, 8
"""Stage of blocks at which gradients are integrated (at 100 Hz its cells step 0.16 s and see 6.2 s), and in how many
steps where none are named."""

LAYER_CAM_STAGE = 2
"""Stage of layer-CAM: its cells step 0.08 s and see 2.8 s."""

LAST_STAGE = 4
"""Stage of Grad-CAM: its cells step 0.32 s and see 12.9 s."""

SMOOTH_S = 0.5
"""Width of the Hann window that takes the sample-to-sample noise of integrated gradients."""

OCCLUDED_S, OCCLUSION_STEP_S = 1.0, 0.2
"""Length of the stretch that is occluded at a time, and the step from one to the next."""

CHUNK = 64
"""Epochs explained at a time."""


class Decisions:
    """The logits of a recording's staged epochs, as functions of one epoch of each window.

    Parameters
    ----------
    model
        The network; it is put in evaluation mode, as attributions in training mode are unreliable.
    epochs
        Recording, normalised as the network was trained.
    across_gaps
        As the network was trained.
    steps
        In how many steps layer integrated gradients are integrated.

    Attributes
    ----------
    positions
        Rows of each epoch's window, ``(n_epochs, W)``, -1 for none.
    """

    def __init__(self, model: SEResNetBiLSTM, epochs: Epochs, *, across_gaps: bool, steps: int = LAYER_STEPS) -> None:
        self.model, self.epochs, self.steps = model.eval(), epochs, steps
        self.positions = positions_of(model, epochs, across_gaps=across_gaps)

    @cached_property
    def features(self) -> Tensor:
        """Of every epoch ``(n_epochs, C)``, when they are first asked for."""
        return features(self.model, self.epochs, precision="fp32")

    @cached_property
    def mean_cell(self) -> Tensor:
        """Mean output of stage 3 over all cells of the recording ``(channels, 1)``."""
        chunks = np.array_split(np.arange(len(self.epochs.signal)), -(-len(self.epochs.signal) // CHUNK))
        with torch.no_grad():
            totals = [
                self.model.feature_map(self._microvolts(rows), LAYER_STAGE).mean(dim=2).sum(dim=0) for rows in chunks
            ]
        return (torch.stack(totals).sum(dim=0) / len(self.epochs.signal))[:, None]

    def signal(self, rows: Tensor, offset: int) -> Tensor:
        """Epochs at an offset from staged ones ``(n,)``, in µV ``(n, n_samples)``; anything where there is none."""
        at = self.at(rows, offset).clamp(min=0).cpu().numpy()
        return self._microvolts(at)

    def logits(self, own: Tensor, rows: Tensor, offset: int = 0) -> Tensor:
        """Logits ``(n, 5)`` of staged epochs ``(n,)`` when the epoch at an offset has the features ``(n, C)``.

        Where the window has no epoch at that offset, the features have no effect.
        """
        windows = slide(self.features, self.positions[rows])
        place = windows.shape[1] // 2 + offset
        own = torch.where((self.at(rows, offset) >= 0)[:, None], own, 0.0)[:, None]
        windows = torch.cat([windows[:, :place], own, windows[:, place + 1 :]], dim=1)
        # cuDNN has no backward pass for an LSTM in evaluation mode.
        with torch.backends.cudnn.flags(enabled=False):
            return self.model.classify(windows)

    def log_odds(self, own: Tensor, rows: Tensor, stages: Tensor, offset: int = 0) -> Tensor:
        """Log-odds ``(n,)`` of a stage each, otherwise as `logits`."""
        return log_odds(self.logits(own, rows, offset), stages)

    def _microvolts(self, rows: np.ndarray) -> Tensor:
        return to_microvolts(self.epochs.signal[rows], self.epochs.scale_uv, self.features.device)

    def at(self, rows: Tensor, offset: int) -> Tensor:
        """Rows of the epochs at an offset from staged ones ``(n,)``, -1 where there is none."""
        middle = self.positions.shape[1] // 2
        if abs(offset) > middle:
            raise ValueError(f"a window of {self.positions.shape[1]} epochs has none at offset {offset}")
        return self.positions[rows, middle + offset]


def log_odds(logits: Tensor, stages: Tensor) -> Tensor:
    """Log-odds ``(n,)`` of stages ``(n,)`` from logits ``(n, 5)``."""
    others = logits.scatter(1, stages[:, None], -torch.inf)
    return logits.gather(1, stages[:, None])[:, 0] - others.logsumexp(dim=1)


def attribute(
    decisions: Decisions,
    rows: Sequence[int] | np.ndarray,
    stages: Sequence[int] | np.ndarray,
    *,
    method: str = LAYER_IG,
    offset: int = 0,
    signal: np.ndarray | None = None,
) -> np.ndarray:
    """Attribution of each sample to the log-odds of a stage.

    Parameters
    ----------
    decisions
        Network and recording.
    rows
        Staged epochs to explain, rows of the recording ``(n,)``.
    stages
        Code of the stage to explain for each ``(n,)``.
    method
        - ``layer-integrated-gradients`` (Sundararajan et al. 2017) at stage 3: what its cells add to the log-odds on
          the way from their mean over the recording to what they are. A gradient at one point says little where the
          network is sure of itself; along the way it does.
        - ``grad-cam`` (Selvaraju et al. 2017) at the last block, as in the paper: coarse.
        - ``layer-cam`` (Jiang et al. 2021) at stage 2: positive gradient times activation, cell by cell.
        - ``integrated-gradients`` of the signal, from a flat line, smoothed over 0.5 s.
        - ``occlusion``: the fall of the log-odds when 1 s is filled with noise of the epoch's own spectrum.
    offset
        Whose signal the map is of: 0 for the staged epoch, -1 for the one before it, and so on.
    signal
        What to explain in place of the recording's own epochs at that offset, ``(n, n_samples)``.

    Returns
    -------
    numpy.ndarray
        Float32 ``(n, n_samples)``, not negative, in units of the log-odds; zero where nothing speaks for the stage, and
        where the window has no epoch at ``offset``.
    """
    device = decisions.features.device
    rows, stages = np.asarray(rows), np.asarray(stages, dtype=np.int64)
    maps = [np.empty((0, decisions.epochs.signal.shape[1]), dtype=np.float32)]
    for begin in range(0, len(rows), CHUNK):
        part = slice(begin, begin + CHUNK)
        chosen, wanted = (torch.as_tensor(array[part], device=device) for array in (rows, stages))
        x = decisions.signal(chosen, offset) if signal is None else torch.from_numpy(signal[part]).to(device).float()
        found = METHODS[method](decisions, x, chosen, wanted, offset)
        # What is no part of the decision leaves the rounding of other batches behind, on some processors.
        found[(decisions.at(chosen, offset) < 0).cpu().numpy()] = 0
        maps.append(found)
    return np.concatenate(maps)


def context(decisions: Decisions, rows: Sequence[int] | np.ndarray, stages: Sequence[int] | np.ndarray) -> np.ndarray:
    """How much the epoch at each place of a window speaks for a stage: integrated gradients over features.

    The path begins where every epoch of the window has the mean features of the recording, so that the places' sum is
    what the log-odds gain by knowing these epochs. A place without an epoch has 0.

    Returns
    -------
    numpy.ndarray
        Float32 ``(n, W)``, signed, in units of the log-odds; the staged epoch's own part is that of place ``W // 2``.
    """
    from captum.attr import IntegratedGradients

    device = decisions.features.device
    chosen = torch.as_tensor(np.asarray(rows), device=device)
    windows = slide(decisions.features, decisions.positions[chosen])
    there = (decisions.positions[chosen] >= 0)[:, :, None]
    blank = torch.where(there, decisions.features.mean(dim=0), 0.0)
    with torch.backends.cudnn.flags(enabled=False):
        found = IntegratedGradients(lambda x, stage: log_odds(decisions.model.classify(x), stage)).attribute(
            windows, blank, additional_forward_args=(torch.as_tensor(np.asarray(stages), device=device).long(),),
            n_steps=32, internal_batch_size=1024,
        )  # fmt: skip
    return found.sum(dim=2).float().cpu().numpy()


def drawn(recordings: Iterable[str], *, most: int, seed: int) -> set[str]:
    """Of at most so many recordings of a fold a sample is explained by every method: half of SHHS would take days."""
    names = sorted(recordings)
    return set(random.Random(f"explained-{seed}").sample(names, min(most, len(names))))


def explain_recording(
    decisions: Decisions, predicted: np.ndarray, *, n_bins: int, sample: int, seed: int
) -> RecordingMaps:
    """Maps of a recording, each epoch explained for the stage that was predicted.

    Methods that start from a layer explain every epoch. The others, which cost tens of times as much, explain a
    sample: of each stage up to ``sample`` epochs that were staged as the expert did, drawn with ``seed``.

    Parameters
    ----------
    decisions
        Network and recording.
    predicted
        Codes ``(n_epochs,)``.
    n_bins
        Bins of an epoch in which maps are kept.
    sample, seed
        Size of the sample, and what it is drawn from.
    """
    rng, epochs = np.random.default_rng(seed), decisions.epochs
    correct = [np.flatnonzero((epochs.stage == code) & (predicted == code)) for code in range(len(STAGES))]
    sampled = np.sort(np.concatenate([rng.choice(rows, min(sample, len(rows)), replace=False) for rows in correct]))
    every = np.arange(len(predicted))
    rows = {method: every if method in FAST_METHODS else sampled for method in METHODS}
    maps = {
        method: binned(attribute(decisions, of, predicted[of], method=method), n_bins).astype(np.float32)
        for method, of in rows.items()
    }
    whole = context(decisions, every, predicted)
    return RecordingMaps(epochs.recording, epochs.subject, whole, sampled, rows, maps)


def explain(decisions: Decisions, epochs: Epochs, events: pd.DataFrame, prediction: Any) -> Explained:
    """One predicted epoch with its maps by the fast methods, for the stage that was predicted.

    Parameters
    ----------
    decisions
        The network that predicted, and the recording as it sees it.
    epochs
        The recording in µV.
    events
        ``onset_s duration_s kind``.
    prediction
        A row of `hypnolens.explanations.examples.choose`, as a named tuple.
    """
    stage = prediction.stage_pred
    row, code = np.flatnonzero(epochs.epoch_index == prediction.epoch_index), [CODE[stage]]
    return Explained(
        group=prediction.group,
        stage=stage,
        stage_true=prediction.stage_true,
        recording=epochs.recording,
        subject=epochs.subject,
        epoch_index=int(prediction.epoch_index),
        onset_s=float(prediction.onset_s),
        fold=int(prediction.fold),
        probability=float(getattr(prediction, f"p_{stage}")),
        context=float(neighbours_part(context(decisions, row, code))[0]),
        rate=epochs.rate,
        events=events_within(events, float(prediction.onset_s)),
        signal=epochs.signal[row[0]] * epochs.scale_uv,
        maps={method: attribute(decisions, row, code, method=method)[0] for method in FAST_METHODS},
    )


def to_samples(cells: np.ndarray, n_samples: int, geometry: tuple[float, int, int]) -> np.ndarray:
    """Cells ``(n, n_cells)`` brought to samples ``(n, n_samples)``: each at the centre of what it sees.

    Between centres the value is interpolated; beyond the outer ones it is held. Stretching the cells over the epoch
    from end to end, as is common, would shift them by up to half a cell.
    """
    first, step, _ = geometry
    centres = first + step * np.arange(cells.shape[1])
    samples = np.arange(n_samples)
    return np.stack([np.interp(samples, centres, row) for row in cells]).astype(np.float32)


def _cam(
    decisions: Decisions,
    x: Tensor,
    rows: Tensor,
    stages: Tensor,
    offset: int,
    *,
    stage: int,
    combine: Callable[[Tensor, Tensor], Tensor],
) -> np.ndarray:
    """A class activation map from the output of a stage of blocks and its gradient, by sample."""
    model = decisions.model
    with torch.no_grad():
        activation = model.feature_map(x, stage)  # (n, channels, n_cells)
    activation.requires_grad_()
    odds = decisions.log_odds(model.features_of_map(activation, stage), rows, stages, offset)
    (gradient,) = torch.autograd.grad(odds.sum(), activation)
    cells = combine(activation.detach(), gradient).cpu().numpy()
    return _even(model, to_samples(cells, x.shape[1], cell_geometry(model, stage)))


def _even(model: SEResNetBiLSTM, maps: np.ndarray) -> np.ndarray:
    """Mean of maps over the step of the last stage.

    A cell reaches later stages by strided convolutions, every second one by more ways than its neighbours (Odena et
    al. 2016): without this every map, also that of a network that has learnt nothing, is striped at that step.
    """
    return uniform_filter1d(maps, cell_geometry(model)[1], axis=1, mode="nearest")


def _of_signal(decisions: Decisions, offset: int) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Log-odds as a function of the signal, for Captum, which hands on rows and stages beside it."""
    return lambda x, rows, stages: decisions.log_odds(decisions.model.features(x), rows, stages, offset)


def _grad_cam(decisions: Decisions, x: Tensor, rows: Tensor, stages: Tensor, offset: int) -> np.ndarray:
    def combine(activation: Tensor, gradient: Tensor) -> Tensor:
        return torch.relu((gradient.mean(dim=2, keepdim=True) * activation).sum(dim=1))

    return _cam(decisions, x, rows, stages, offset, stage=LAST_STAGE, combine=combine)


def _layer_cam(decisions: Decisions, x: Tensor, rows: Tensor, stages: Tensor, offset: int) -> np.ndarray:
    def combine(activation: Tensor, gradient: Tensor) -> Tensor:
        return (torch.relu(gradient) * activation).sum(dim=1)  # activations follow a ReLU

    return _cam(decisions, x, rows, stages, offset, stage=LAYER_CAM_STAGE, combine=combine)


def _layer_integrated_gradients(
    decisions: Decisions, x: Tensor, rows: Tensor, stages: Tensor, offset: int
) -> np.ndarray:
    from captum.attr import IntegratedGradients

    def odds(activation: Tensor, rows: Tensor, stages: Tensor) -> Tensor:
        return decisions.log_odds(model.features_of_map(activation, LAYER_STAGE), rows, stages, offset)

    model = decisions.model
    with torch.no_grad():
        activation = model.feature_map(x, LAYER_STAGE)
    found = IntegratedGradients(odds).attribute(
        activation, decisions.mean_cell.expand_as(activation), additional_forward_args=(rows, stages),
        n_steps=decisions.steps, internal_batch_size=4 * CHUNK,
    )  # fmt: skip
    cells = torch.relu(found.sum(dim=1)).float().cpu().numpy()
    return _even(model, to_samples(cells, x.shape[1], cell_geometry(model, LAYER_STAGE)))


def _integrated_gradients(decisions: Decisions, x: Tensor, rows: Tensor, stages: Tensor, offset: int) -> np.ndarray:
    from captum.attr import IntegratedGradients

    found = IntegratedGradients(_of_signal(decisions, offset)).attribute(
        x, additional_forward_args=(rows, stages), n_steps=32, internal_batch_size=4 * CHUNK
    )
    kernel = np.hanning(max(3, round(SMOOTH_S * decisions.epochs.rate)) + 2)[1:-1]
    smooth = convolve1d(found.cpu().numpy(), kernel / kernel.sum(), axis=1, mode="constant")
    return np.maximum(smooth, 0).astype(np.float32)


def _occlusion(decisions: Decisions, x: Tensor, rows: Tensor, stages: Tensor, offset: int) -> np.ndarray:
    from captum.attr import Occlusion

    rate = decisions.epochs.rate
    fill = torch.from_numpy(phase_randomised(x.cpu().numpy(), seed=0)).to(x.device)
    with torch.no_grad():
        found = Occlusion(_of_signal(decisions, offset)).attribute(
            x, (round(OCCLUDED_S * rate),), (round(OCCLUSION_STEP_S * rate),), baselines=fill,
            additional_forward_args=(rows, stages), perturbations_per_eval=4,
        )  # fmt: skip
    return np.maximum(found.cpu().numpy(), 0).astype(np.float32)


METHODS: dict[str, Callable[[Decisions, Tensor, Tensor, Tensor, int], np.ndarray]] = {
    LAYER_IG: _layer_integrated_gradients,
    GRAD_CAM: _grad_cam,
    "layer-cam": _layer_cam,
    "integrated-gradients": _integrated_gradients,
    "occlusion": _occlusion,
}
"""The default; the paper's; one between them; and two that look at the signal, as independent checks."""

FAST_METHODS = (LAYER_IG, GRAD_CAM, "layer-cam")
"""Methods that explain a whole night in seconds; the others run the CNN over a hundred times an epoch."""
