"""Sanity of attributions: a map that stays when the network is forgotten does not explain the network.

After Adebayo et al. 2018, "Sanity checks for saliency maps": parameters are drawn anew, block by block from the top.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata
from torch import nn

from hypnolens.explanations.alignment import LABELS, N_BINS, UNTRAINED
from hypnolens.explanations.attributions import FAST_METHODS, Decisions, attribute
from hypnolens.explanations.maps import RecordingMaps, binned
from hypnolens.network.inference import CHUNK
from hypnolens.network.model import Architecture, BasicBlock, SEResNetBiLSTM, to_microvolts

SHIFTS_S = (0.04, 0.08, 0.16, 0.32)
"""Shifts in time under which a map should move along, in seconds. At 100 Hz the last is the network's own step, under
which it does; strided convolutions without a low-pass filter need not give the same for shorter ones (Zhang 2019)."""

DRAWN = 5
"""Untrained networks that a map is compared with: with fewer, what one of them happens to prefer could not be told."""

COLUMNS = ("recording", "subject", "check", "level", "method", "similarity", "epochs")


def randomised(decisions: Decisions, *, across_gaps: bool, seed: int) -> Iterator[tuple[str, Decisions]]:
    """The same recording seen by networks of which more and more is drawn anew, from the last layer to the first.

    Running statistics of batch norm are taken anew from the recording, as those of the trained network do not fit
    other weights.

    Yields
    ------
    block, decisions
        The block down to which all is random: ``head``, ``context``, ``stage 4`` to ``stage 1``, ``stem``.
    """
    model = copy.deepcopy(decisions.model)
    torch.manual_seed(seed)
    fresh = drawn_anew(model.architecture)
    for name, modules in blocks(model).items():
        for module, drawn in zip(modules, blocks(fresh)[name], strict=True):
            module.load_state_dict(drawn.state_dict())
        _adapt(model, decisions)
        yield name, Decisions(copy.deepcopy(model), decisions.epochs, across_gaps=across_gaps)


def drawn_anew(architecture: Architecture) -> SEResNetBiLSTM:
    """A network with random parameters all of which have an effect.

    Training begins with a zero in the last norm of each block, which leaves its shortcut alone: such a network would
    have forgotten more than its weights.
    """
    model = SEResNetBiLSTM(architecture)
    for module in model.modules():
        if isinstance(module, BasicBlock):
            nn.init.ones_(module.norm2.weight)
    return model


def untrained(decisions: Decisions, *, across_gaps: bool, seed: int) -> Decisions:
    """The recording seen by a network as it is drawn, with running statistics of batch norm from the recording."""
    torch.manual_seed(seed)
    model = drawn_anew(decisions.model.architecture).to(decisions.features.device)
    _adapt(model, decisions)
    return Decisions(model, decisions.epochs, across_gaps=across_gaps)


def control_maps(
    decisions: Decisions, maps: RecordingMaps, twins: Mapping[str, SEResNetBiLSTM], *, across_gaps: bool
) -> RecordingMaps:
    """Maps of the sampled epochs, by the default method, of networks that know less: what a trained one is to be above.

    Parameters
    ----------
    decisions, maps
        Network and recording, and its maps.
    twins
        Networks trained on shuffled labels, by the name of their experiment.
    across_gaps
        As the networks were trained.

    Returns
    -------
    RecordingMaps
        In the place of methods ``untrained 1`` and so on, networks that are drawn alike for all recordings, and
        ``labels NAME``.
    """
    rows, stages = maps.sample, decisions.epochs.stage[maps.sample].astype(np.int64)
    networks = {f"{UNTRAINED} {n}": untrained(decisions, across_gaps=across_gaps, seed=n) for n in range(1, DRAWN + 1)}
    networks |= {
        LABELS + name: Decisions(twin, decisions.epochs, across_gaps=across_gaps) for name, twin in twins.items()
    }
    found = {
        name: binned(attribute(other, rows, stages), N_BINS).astype(np.float32) for name, other in networks.items()
    }
    nothing = np.empty((0, maps.context.shape[1]), dtype=np.float32)
    return RecordingMaps(maps.recording, maps.subject, nothing, rows, dict.fromkeys(found, rows), found)


def blocks(model: SEResNetBiLSTM) -> dict[str, list[nn.Module]]:
    """Parts of a network by name, from the last to the first."""
    context = [model.lstm] if model.architecture.context == "bilstm" else []
    parts: dict[str, list[nn.Module]] = {"head": [model.head], "context": [model.feature_norm, *context]}
    for number in range(len(model.stages), 0, -1):
        parts[f"stage {number}"] = [model.stages[number - 1]]
    return {**parts, "stem": [model.stem]}


def similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of two maps of each epoch, ``(n, n_bins)`` both: ``(n,)``; NaN where one is flat."""
    a, b = (rankdata(maps, axis=1) for maps in (first, second))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))


def shifted(decisions: Decisions, rows: np.ndarray, stages: np.ndarray, *, method: str, shift_s: float) -> np.ndarray:
    """Maps ``(n, n_samples)`` of epochs whose own signal was turned by a shift in seconds, turned back."""
    samples = round(shift_s * decisions.epochs.rate)
    signal = decisions.epochs.signal[rows] * np.float32(decisions.epochs.scale_uv)
    found = attribute(decisions, rows, stages, method=method, signal=np.roll(signal, samples, axis=1))
    return np.roll(found, -samples, axis=1)


def measure_sanity(
    decisions: Decisions,
    maps: RecordingMaps,
    *,
    label_shuffled: Mapping[str, SEResNetBiLSTM],
    across_gaps: bool,
    seed: int = 0,
) -> pd.DataFrame:
    """How like a method's maps are to those of other networks, and to those of a shifted signal.

    Parameters
    ----------
    decisions, maps
        Network and recording, and its maps; the sampled epochs are compared.
    label_shuffled
        Networks trained on shuffled labels, by the name of their experiment.
    across_gaps
        As the networks were trained.
    seed
        Of what is drawn anew.

    Returns
    -------
    pandas.DataFrame
        ``recording subject check level method similarity epochs``: Spearman's correlation, mean over epochs. Checks:
        ``parameters`` (drawn anew down to the level), ``labels`` (the level names the experiment) and ``shift`` (by
        the level, in s).
    """
    epochs, rows, found = decisions.epochs, maps.sample, list[dict[str, Any]]()
    if not len(rows):
        return pd.DataFrame(columns=list(COLUMNS))
    stages = epochs.stage[rows].astype(np.int64)
    others = [("parameters", *one) for one in randomised(decisions, across_gaps=across_gaps, seed=seed)]
    others += [
        ("labels", name, Decisions(twin, epochs, across_gaps=across_gaps)) for name, twin in label_shuffled.items()
    ]
    for method in FAST_METHODS:
        own = maps.of(method, rows)

        def compare(check: str, level: str, given: np.ndarray, own: np.ndarray = own, method: str = method) -> None:
            alike = similarity(own, binned(given, own.shape[1]))
            if (~np.isnan(alike)).any():
                found.append({
                    "recording": epochs.recording, "subject": epochs.subject, "check": check, "level": level,
                    "method": method, "similarity": float(np.nanmean(alike)), "epochs": int((~np.isnan(alike)).sum()),
                })  # fmt: skip

        for check, level, other in others:
            compare(check, level, attribute(other, rows, stages, method=method))
        for shift in SHIFTS_S:
            compare("shift", f"{shift:g}", shifted(decisions, rows, stages, method=method, shift_s=shift))
    return pd.DataFrame(found, columns=list(COLUMNS))


def _adapt(model: SEResNetBiLSTM, decisions: Decisions) -> None:
    """Take the running statistics of every batch norm from the recording."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over chunks
    model.train()
    signal = decisions.epochs.signal
    with torch.no_grad():
        # Chunks of one size: each weighs the same in the mean.
        for part in np.array_split(signal, -(-len(signal) // CHUNK)):
            model.features(to_microvolts(part, decisions.epochs.scale_uv, decisions.features.device))
    model.eval()
