"""How fast networks are trained on this machine: a few steps of each, on noise."""

import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from hypnolens.network.devices import pick_device
from hypnolens.network.inference import probabilities
from hypnolens.network.model import n_parameters
from hypnolens.pipeline.configuration import NETWORKS
from hypnolens.recordings.epochs import Epochs
from hypnolens.stages import EPOCH_S
from hypnolens.training.engine import Engine
from hypnolens.training.fold import options_of
from hypnolens.training.store import Store

ENOUGH_S = 1.0
"""Steps are repeated for so long."""

ON_A_CPU = 16
"""Windows in a step that is timed on a CPU, where a step of the paper's takes many seconds."""


class Speed(NamedTuple):
    """What a network takes here.

    Attributes
    ----------
    window_s
        Seconds of training on a window.
    epoch_s
        Seconds of staging an epoch.
    window_gflop
        Operations (10^9, of products and sums) of training on a window.
    parameters
        Number of its weights.
    """

    window_s: float
    epoch_s: float
    window_gflop: float
    parameters: int


def measure(experiment: Mapping[str, Any], rate: float) -> Speed:
    """Time training and staging of the network of an experiment, at a sampling rate in Hz."""
    options = options_of(experiment)
    torch.set_num_threads(options.torch_threads)
    device = pick_device()
    networks = "hypnolens.baselines.networks" if experiment["model"] in NETWORKS else "hypnolens.network.model"
    model = import_module(networks).build(experiment, rate).to(device)
    size = options.batch_windows if device.type == "cuda" else min(options.batch_windows, ON_A_CPU)
    epochs = _noise(options.stride * (4 * size + model.window), rate)
    optimiser = torch.optim.Adam(model.parameters(), lr=options.learning_rate)
    engine = Engine(model, optimiser, Store([epochs], device), torch.ones(5, device=device), options)
    batches = engine.windows.batches(
        stride=options.stride,
        stretch=min(options.stretch, size) if options.sampling == "shared" else 1,
        batch_windows=size,
        generator=np.random.default_rng(0),
    )
    batch = next(batches)
    model.train()
    with FlopCounterMode(display=False) as counter:
        engine.step(batch)  # and warms up

    def step() -> None:
        float(engine.step(batch))  # a GPU has then done it

    few = _noise(ON_A_CPU if device.type == "cpu" else 1024, rate)

    def staged() -> np.ndarray:
        return probabilities(model, few, across_gaps=options.across_gaps, precision=options.precision)

    window_s = _seconds(step) / len(batch.targets)
    epoch_s = _seconds(staged) / len(few.stage)
    return Speed(window_s, epoch_s, counter.get_total_flops() / 1e9 / len(batch.targets), n_parameters(model))


def _seconds(call: Callable[[], object]) -> float:
    """The shortest of several calls: what else the machine does makes others longer."""
    took, began = list[float](), time.perf_counter()
    while not took or time.perf_counter() - began < ENOUGH_S:
        start = time.perf_counter()
        call()
        took.append(time.perf_counter() - start)
    return min(took)


def _noise(n: int, rate: float) -> Epochs:
    """Epochs whose time does not depend on what they say."""
    rng = np.random.default_rng(0)
    words: dict[str, Any] = dict.fromkeys(
        ("recording", "subject", "channel", "start_time", "source", "source_sha256"), "noise"
    )
    return Epochs(
        signal=rng.normal(0, 500, (n, round(rate * EPOCH_S))).astype(np.int16),
        stage=rng.integers(0, 5, n, dtype=np.int8),
        epoch_index=np.arange(n, dtype=np.int32),
        scale_uv=0.02, rate=rate, first_s=0.0, night=1, dropped={}, flags=[], **words,
    )  # fmt: skip
