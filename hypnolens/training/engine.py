"""The training engine: steps of the optimiser over every window of a store of epochs."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from hypnolens.errors import HypnolensError
from hypnolens.network.devices import arithmetic
from hypnolens.network.model import Network
from hypnolens.network.windows import Batch, Windows
from hypnolens.training.augmentation import Augmentation, augment
from hypnolens.training.store import Store

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingOptions(Augmentation):
    """Options of training; see config/README.md for each."""

    sampling: str = "shared"
    stride: int = 1
    targets: str = "fixed"
    across_gaps: bool = False
    passes: int = 60
    patience: int | None = 15
    batch_windows: int = 128
    stretch: int = 16
    learning_rate: float = 1e-3
    schedule: str = "constant"
    class_weights: str = "none"
    label_smoothing: float = 0.0
    weight_average: float = 0.0
    shuffle_labels: bool = False
    seed: int = 0
    torch_threads: int = 2
    precision: str = "auto"


class TrainingError(HypnolensError):
    """Training cannot go on."""


@dataclass
class Progress:
    """How far a training has come: rows of finished passes, and the step reached in the one under way."""

    history: list[dict[str, float]] = field(default_factory=list)
    step: int = 0
    windows: int = 0
    loss: float = 0.0


class Engine:
    """Steps of training over a store of epochs.

    ``sampling: shared`` runs the CNN once an epoch and slides a step's windows over its features. ``windows`` is the
    published way, kept as the reference: single windows from everywhere, and the CNN over each of their places in turn.
    """

    def __init__(
        self,
        model: Network,
        optimiser: torch.optim.Optimizer,
        store: Store,
        weights: Tensor,
        options: TrainingOptions,
        *,
        name: str = "training",
    ) -> None:
        self.model, self.optimiser, self.store, self.weights = model, optimiser, store, weights
        self.options, self.name = options, name
        self.windows = Windows(store.epoch_index, window=model.window, across_gaps=options.across_gaps)
        self.parts = 1
        self.average: AveragedModel | None = None
        if options.weight_average:
            decay = get_ema_multi_avg_fn(options.weight_average)
            self.average = AveragedModel(model, multi_avg_fn=decay, use_buffers=True)

    @property
    def kept(self) -> Network:
        """What is validated and kept: the network, or the moving average of its weights over steps."""
        return self.model if self.average is None else cast(Network, self.average.module)

    def one_pass(self, progress: Progress, seed: Sequence[int], rate: float) -> Iterator[None]:
        """Train on every window of the store once, from the step that ``progress`` has reached; yield after each step.

        The sum of the losses stays on the device until the end, so that a GPU waits for nobody.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        options = self.options
        self.model.train()
        total = torch.tensor(progress.loss, dtype=torch.float64, device=self.store.device)
        batches = self.windows.batches(
            stride=options.stride,
            offset=len(progress.history) % options.stride if options.targets == "rotated" else 0,
            stretch=options.stretch if options.sampling == "shared" else 1,
            batch_windows=options.batch_windows,
            generator=np.random.default_rng(list(seed)),
        )
        done = progress.step
        for number, (batch, fetched) in enumerate(self.store.prefetched(batches)):
            if number < done:
                continue
            total += self.step(batch, fetched) * len(batch.targets)
            progress.step, progress.windows = number + 1, progress.windows + len(batch.targets)
            self._total = total
            yield
        progress.loss = float(total)

    def step(self, batch: Batch, fetched: Tensor | None = None) -> Tensor:
        """One step of the optimiser; returns the mean loss, float64, on the device.

        Where the memory of a GPU does not hold the batch it goes in two parts, and so on from then on, with a warning:
        the gradients of the parts add up to the batch's, but batch norm has the statistics of each part.
        """
        while True:
            self.optimiser.zero_grad(set_to_none=True)
            try:
                loss = self._gradients(batch, fetched)
                break
            except torch.OutOfMemoryError as error:
                if self.parts >= len(batch.targets):
                    raise TrainingError(f"{self.name}: not even one window fits into memory; lower width:") from error
                self.parts *= 2
            torch.cuda.empty_cache()
            logger.warning(
                "%s: out of memory; steps go in %d parts from now on, and batch norm sees fewer epochs at a time",
                self.name, self.parts,
            )  # fmt: skip
        self.optimiser.step()
        if self.average is not None:
            self.average.update_parameters(self.model)
        return loss

    def logits(self, batch: Batch, fetched: Tensor | None = None) -> Tensor:
        """Logits ``(B, 5)`` of a batch's windows."""
        positions = torch.from_numpy(batch.positions).to(self.store.device, non_blocking=True)
        if self.options.sampling == "shared":
            return self.model(self._epochs(batch.rows, fetched), positions)
        places = []
        for place in batch.positions.T:
            known = np.flatnonzero(place >= 0)
            features = self.model.features(self._epochs(batch.rows[place[known]]))
            empty = features.new_zeros(len(place), features.shape[1])
            places.append(empty.index_copy(0, torch.from_numpy(known).to(features.device), features))
        return self.model.classify(torch.stack(places, dim=1))

    def _epochs(self, rows: np.ndarray, fetched: Tensor | None = None) -> Tensor:
        """Epochs in µV ``(n, n_samples)``, changed at random in training where the options say so."""
        x = self.store.take(rows, fetched)
        return augment(x, self.options) if self.model.training else x

    def state(self, progress: Progress) -> dict[str, Any]:
        """All that the next step depends on."""
        if progress.step:
            progress.loss = float(self._total)
        device = self.store.device
        cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.empty(0, dtype=torch.uint8)
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "progress": vars(progress),
            "rng": torch.get_rng_state(),
            "cuda_rng": cuda,
            "parts": self.parts,
            "average": None if self.average is None else self.average.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.parts = state["parts"]
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        torch.set_rng_state(state["rng"])
        if self.store.device.type == "cuda" and len(state["cuda_rng"]):
            torch.cuda.set_rng_state(state["cuda_rng"], self.store.device)

    def _gradients(self, batch: Batch, fetched: Tensor | None) -> Tensor:
        target = self.store.stage[torch.from_numpy(batch.targets).to(self.store.device)]
        whole = self.weights[target].sum()
        total = torch.zeros((), dtype=torch.float64, device=self.store.device)
        size = -(-len(target) // self.parts)
        for begin in range(0, len(target), size):
            chosen = slice(begin, begin + size)
            part, own = (batch, fetched) if self.parts == 1 else (batch.part(chosen), None)
            with arithmetic(self.store.device, self.options.precision):
                loss = nn.functional.cross_entropy(
                    self.logits(part, own), target[chosen], weight=self.weights,
                    label_smoothing=self.options.label_smoothing,
                )  # fmt: skip
            # The mean over a part is weighed so that the parts add up to the mean over the batch.
            loss = loss * (self.weights[target[chosen]].sum() / whole)
            loss.backward()
            total += loss.detach()
        return total
