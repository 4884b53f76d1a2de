"""A network described by itself: one epoch goes through it, and hooks note what each module makes of it.

Nothing is listed by hand, so that the description, and the figure that is drawn from it, follow the options. Only what
the network computes outside its modules has no line: the ReLUs of residual blocks, their sums, and the products with
the weights of squeeze-and-excitation. None of them is a multiply-accumulate of a matrix product.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from hypnolens.network.model import BasicBlock, SEResNetBiLSTM, SqueezeExcitation, cell_geometry, n_parameters
from hypnolens.stages import EPOCH_S

KINDS: Mapping[type[nn.Module], str] = {
    nn.Conv2d: "convolution", nn.MaxPool2d: "max pooling", nn.BatchNorm2d: "batch norm", nn.BatchNorm1d: "batch norm",
    nn.ReLU: "ReLU", nn.Sigmoid: "sigmoid", nn.Dropout: "dropout", nn.Linear: "linear", nn.LSTM: "LSTM",
}  # fmt: skip
"""What modules without parts are called; one that is not here goes by the name of its class."""


@dataclass(frozen=True)
class _Run:
    """What went into a module and what came out, without the dimension of examples."""

    module: nn.Module
    before: tuple[int, ...]
    after: tuple[int, ...]


def describe_network(model: SEResNetBiLSTM, rate_hz: float, window: int | None = None) -> dict[str, Any]:
    """Layers, shapes, parameters and multiply-accumulates of a network.

    Parameters
    ----------
    model
        It is copied: neither its mode nor its weights and running statistics change.
    rate_hz
        Sampling rate of the epochs.
    window
        Epochs in a window, by default the network's own.

    Returns
    -------
    dict
        For JSON. ``blocks`` are the CNN's, from the signal to the features; ``parts`` are the stem and each stage of
        blocks, with the place and field of their cells in seconds; ``bilstm`` is None without one. A shape is
        ``[channels, cells]``; ``macs`` are multiply-accumulates of matrix products and convolutions: of one epoch
        in the CNN, of a window in BiLSTM and head. Of ``totals``, ``macs_epoch`` are the CNN's, ``macs_window`` those
        of BiLSTM and head, ``macs_stage`` those of a stage where windows share features, and ``macs_stage_separate``
        where the CNN reads each place of each window.
    """
    model = deepcopy(model).eval()
    window = model.window if window is None else window
    samples = round(rate_hz * EPOCH_S)
    runs = _run(model, samples, window)
    blocks = _blocks(model, runs)
    parts = [_part(model, number, blocks, rate_hz) for number in range(len(model.stages) + 1)]
    bilstm, head = _bilstm(runs), _head(model, runs)
    macs_epoch = sum(block["macs"] for block in blocks)
    macs_after = head["macs"] + (bilstm["macs"] if bilstm else 0)
    return {
        "sampling_rate_hz": rate_hz,
        "epoch_s": EPOCH_S,
        "samples": samples,
        "window": window,
        "features": runs[model.feature_norm].after[0],
        "blocks": blocks,
        "parts": parts,
        "cell": {key: parts[-1][key] for key in ("first_s", "step_s", "field_s")},
        "bilstm": bilstm,
        "head": head,
        "totals": {
            "parameters": n_parameters(model),
            "parameters_cnn": sum(block["parameters"] for block in blocks),
            "macs_epoch": macs_epoch,
            "macs_window": macs_after,
            "macs_stage": macs_epoch + macs_after,
            "macs_stage_separate": (window if bilstm else 1) * macs_epoch + macs_after,
        },
    }


def _run(model: SEResNetBiLSTM, samples: int, window: int) -> dict[nn.Module, _Run]:
    """Send one epoch, in the middle of a window of its own, through a network; modules in the order of their end."""
    runs: dict[nn.Module, _Run] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor | tuple[Tensor, ...]) -> None:
        after = output[0] if isinstance(output, tuple) else output  # an LSTM also gives its last state
        runs[module] = _Run(module, tuple(inputs[0].shape[1:]), tuple(after.shape[1:]))

    for module in model.modules():
        module.register_forward_hook(note)
    device = next(model.parameters()).device
    positions = torch.full((1, window), -1, device=device)
    positions[0, window // 2] = 0
    with torch.no_grad():
        model(torch.zeros(1, samples, device=device), positions)
    return runs


def _blocks(model: SEResNetBiLSTM, runs: Mapping[nn.Module, _Run]) -> list[dict[str, Any]]:
    """Blocks of the CNN, the mean over cells and the norm of features, where there is one."""
    blocks = []
    for modules in _groups(model.stem):
        kind = _kind(modules[0])
        name = {"convolution": "stem convolution", "max pooling": "stem pooling"}.get(kind, f"stem {kind}")
        blocks.append(_block(name, "stem", kind, modules, runs))
    for number, stage in enumerate(model.stages, start=1):
        for place, block in enumerate(stage.children(), start=1):
            name = f"stage {number}, block {place}"
            blocks.append(_block(name, f"stage {number}", "residual block", [block], runs))
    # The mean is no module; the norm of features reads it, or an identity in its place.
    norm = runs[model.feature_norm]
    cells = runs[model.stages[-1]].after[-1]
    mean = _block("mean", "features", "mean over cells", [], runs)
    blocks.append({**mean, "kernel": cells, "stride": cells, **_shape(norm.before)})
    if not isinstance(model.feature_norm, nn.Identity):
        blocks.append(_block("feature norm", "features", _kind(norm.module), [norm.module], runs))
    return blocks


def _groups(stem: nn.Sequential) -> list[list[nn.Module]]:
    """Modules of the stem, each with kernel together with those behind it that have none."""
    groups: list[list[nn.Module]] = []
    for module in stem:
        if hasattr(module, "kernel_size") or not groups:
            groups.append([])
        groups[-1].append(module)
    return groups


def _block(name: str, part: str, kind: str, modules: list[nn.Module], runs: Mapping[nn.Module, _Run]) -> dict[str, Any]:
    """A line of ``blocks``, of modules that follow each other."""
    inner = [module for parent in modules for module in parent.modules()]
    within = set(inner)
    layers = [_layer(run) for module, run in runs.items() if module in within and _is_layer(module)]
    residual = [module for module in inner if isinstance(module, BasicBlock)]
    squeezes = [module for module in inner if isinstance(module, SqueezeExcitation)]
    # A shortcut's convolution has one tap and lies beside the path that the kernel is of.
    along = [layer for layer in layers if (layer["kernel"] or 1) > 1]
    return {
        "name": name,
        "part": part,
        "kind": kind,
        "kernel": along[0]["kernel"] if along else None,
        "stride": prod(layer["stride"] for layer in along) if along else None,
        **_shape(runs[modules[-1]].after if modules else (0,)),
        "parameters": sum(n_parameters(module) for module in modules),
        "macs": sum(layer["macs"] for layer in layers),
        "se": bool(squeezes),
        "squeezed": next((m.out_features for s in squeezes for m in s.modules() if isinstance(m, nn.Linear)), None),
        "dropout": next((module.p for module in inner if isinstance(module, nn.Dropout)), None),
        "shortcut": next((_shortcut(module) for module in residual), None),
        "layers": layers,
    }


def _part(model: SEResNetBiLSTM, number: int, blocks: list[dict[str, Any]], rate_hz: float) -> dict[str, Any]:
    """The stem (0) or a stage as a whole, and where its cells lie."""
    name = "stem" if number == 0 else f"stage {number}"
    own = [block for block in blocks if block["part"] == name]
    first, step, field = cell_geometry(model, number)
    return {
        "name": name,
        "blocks": len(own),
        "kernel": own[0]["kernel"],
        "stride": prod(block["stride"] for block in own),
        **{key: own[-1][key] for key in ("channels", "cells", "output", "squeezed", "dropout")},
        "se": all(block["se"] for block in own),
        "parameters": sum(block["parameters"] for block in own),
        "macs": sum(block["macs"] for block in own),
        "first_s": first / rate_hz,
        "step_s": step / rate_hz,
        "field_s": field / rate_hz,
    }


def _bilstm(runs: Mapping[nn.Module, _Run]) -> dict[str, Any] | None:
    """The recurrent layers, if the network has any."""
    for module, run in runs.items():
        if isinstance(module, nn.LSTM):
            return {
                "layers": module.num_layers,
                "hidden": module.hidden_size,
                "directions": 2 if module.bidirectional else 1,
                "inputs": run.before[-1],
                "outputs": run.after[-1],
                "dropout": module.dropout,
                "parameters": n_parameters(module),
                "macs": _macs(run),
            }
    return None


def _head(model: SEResNetBiLSTM, runs: Mapping[nn.Module, _Run]) -> dict[str, Any]:
    """The linear layers behind the context, with what is applied to their outputs."""
    layers: list[dict[str, Any]] = []
    for module in model.head:
        if isinstance(module, nn.Linear):
            own = {"inputs": module.in_features, "outputs": module.out_features, "activation": None}
            layers.append({**own, "parameters": n_parameters(module), "macs": _macs(runs[module])})
        else:
            layers[-1]["activation"] = _kind(module)
    return {
        "sizes": [layers[0]["inputs"], *(layer["outputs"] for layer in layers)],
        "layers": layers,
        "parameters": n_parameters(model.head),
        "macs": sum(layer["macs"] for layer in layers),
    }


def _layer(run: _Run) -> dict[str, Any]:
    """A module without parts."""
    module = run.module
    has_kernel = isinstance(module, nn.Conv2d | nn.MaxPool2d)
    return {
        "kind": _kind(module),
        "kernel": _along_time(module.kernel_size) if has_kernel else None,
        "stride": _along_time(module.stride) if has_kernel else None,
        **_shape(run.after),
        "parameters": n_parameters(module),
        "macs": _macs(run),
    }


def _macs(run: _Run) -> int:
    """Multiply-accumulates of a module for one example; biases and element-wise steps are not counted."""
    module = run.module
    if isinstance(module, nn.Conv2d):
        taps = prod(module.kernel_size)
        return prod(run.after) * taps * module.in_channels // module.groups
    if isinstance(module, nn.Linear):
        return prod(run.after) * module.in_features
    if isinstance(module, nn.LSTM):
        # Its matrices, of inputs and of states, are used once a place of the window.
        matrices = [p.numel() for name, p in module.named_parameters() if name.startswith("weight")]
        return run.before[0] * sum(matrices)
    return 0


def _is_layer(module: nn.Module) -> bool:
    """Whether a module has no parts and does something."""
    return not isinstance(module, nn.Identity) and next(module.children(), None) is None


def _kind(module: nn.Module) -> str:
    """What a module is called."""
    return next((kind for known, kind in KINDS.items() if isinstance(module, known)), type(module).__name__)


def _shortcut(block: BasicBlock) -> str:
    """What lies beside the path of a residual block."""
    return "identity" if isinstance(block.shortcut, nn.Identity) else "convolution"


def _shape(after: tuple[int, ...]) -> dict[str, Any]:
    """Channels and cells of ``(channels, 1, cells)`` or of features ``(channels,)``."""
    channels, cells = after[0], after[-1] if len(after) > 1 else 1
    return {"channels": channels, "cells": cells, "output": [channels, cells]}


def _along_time(size: Any) -> int:
    """The second of two sizes; the first is along an image's height, which is one."""
    return int(size[1])
