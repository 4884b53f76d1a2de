"""The network: a one-dimensional SE-ResNet-18 reads each epoch, a BiLSTM reads a window of epochs.

After Sharma et al. 2023, "A Deep Dive into Sleep: Single-Channel EEG-Based Sleep Stage Classification with Model
Interpretability" (arXiv 2309.07156), whose values are the defaults. Shapes at width 64 and 100 Hz stand behind the
lines: n epochs, B windows of W epochs, C = 512 features.

A signal is an image of height one: torch computes the same convolutions faster in two dimensions with channels last
than in one dimension (training steps took 0.76, 0.80 and 0.89 of the time at width 8, 16 and 64 on one core of a Xeon).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from hypnolens.stages import STAGES


@dataclass(frozen=True)
class Architecture:
    """Options of the network; see config/README.md for each."""

    width: int = 64
    se: bool = True
    dropout: float = 0.2
    feature_norm: bool = False
    context: str = "bilstm"
    lstm_layers: int = 3
    lstm_hidden: int = 100
    lstm_dropout: float = 0.0
    head: str = "linear"
    head_hidden: Sequence[int] = (2000, 200)
    window: int = 9


def convolution(channels_in: int, channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution over time that keeps the length but for its stride, without bias: a norm follows."""
    return nn.Conv2d(channels_in, channels, (1, kernel), (1, stride), padding=(0, kernel // 2), bias=False)


class SqueezeExcitation(nn.Module):
    """Channel weights from channel means (Hu et al. 2018), with a reduction of 16 and no bias."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        squeezed = max(1, channels // reduction)
        self.weigh = nn.Sequential(
            nn.Linear(channels, squeezed, bias=False),
            nn.ReLU(),
            nn.Linear(squeezed, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Weigh ``(n, channels, 1, n_cells)``."""
        return x * self.weigh(x.mean(dim=(2, 3)))[:, :, None, None]


class FeatureNorm(nn.BatchNorm1d):
    """Batch norm of features; one epoch alone has no statistics of its own and gets the running ones."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(n, C)``."""
        if len(x) > 1 or not self.training:
            return super().forward(x)
        return nn.functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)


class BasicBlock(nn.Module):
    """Two convolutions of kernel 7 with dropout between them, squeeze-and-excitation, and a shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int, *, se: bool, dropout: float) -> None:
        super().__init__()
        self.conv1 = convolution(channels_in, channels, 7, stride)
        self.norm1 = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = convolution(channels, channels, 7)
        self.norm2 = nn.BatchNorm2d(channels)
        self.se = SqueezeExcitation(channels) if se else nn.Identity()
        # The shortcut's stride is taken before its convolution, which gives the same: of strided ones with one tap and
        # few channels in, oneDNN computes gradients past the end of its memory (its issue 6035; torch 2.13 crashes).
        self.stride = stride
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels:
            self.shortcut = nn.Sequential(convolution(channels_in, channels, 1), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """From ``(n, channels_in, 1, n_cells)`` to ``(n, channels, 1, n_cells / stride)``."""
        y = torch.relu(self.norm1(self.conv1(x)))
        y = self.se(self.norm2(self.conv2(self.dropout(y))))
        return torch.relu(y + self.shortcut(x[..., :: self.stride]))


class Network(nn.Module, ABC):
    """What training and scoring need of a network: features of each epoch, and stages of windows of features.

    The parts are separate methods, because training and scoring run the first once an epoch and slide windows over
    what it gives.

    Attributes
    ----------
    window
        Epochs in a window, odd; the middle one is staged.
    temperature
        What logits are divided by before they become probabilities, see `hypnolens.training.temperature`.
    """

    window: int
    temperature: float = 1.0

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """Features of epochs in µV ``(n, n_samples)``: ``(n, C)``."""

    @abstractmethod
    def classify(self, windows: Tensor) -> Tensor:
        """Logits ``(B, 5)`` of the middle epochs of windows of features ``(B, W, C)``."""

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """Logits of windows over shared epochs.

        Parameters
        ----------
        x
            Epochs in µV ``(n, n_samples)``, each of which is read once.
        positions
            Row of ``x`` at each place of each window, int64 ``(B, W)``; -1 where there is no epoch, whose
            features are then zero.

        Returns
        -------
        Tensor
            ``(B, 5)``
        """
        return self.classify(slide(self.features(x), positions))


class SEResNetBiLSTM(Network):
    """Stages from raw epochs in µV, at any sampling rate. Explanations start at its feature map."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = a = architecture
        self.window = a.window
        self.stem = nn.Sequential(
            convolution(1, a.width, 15, 2),
            nn.BatchNorm2d(a.width),
            nn.ReLU(),
            nn.MaxPool2d((1, 3), (1, 2), padding=(0, 1)),
        )
        widths = [a.width * factor for factor in (1, 1, 2, 4, 8)]
        self.stages = nn.ModuleList(
            nn.Sequential(
                BasicBlock(before, after, 1 if number == 0 else 2, se=a.se, dropout=a.dropout),
                BasicBlock(after, after, 1, se=a.se, dropout=a.dropout),
            )
            for number, (before, after) in enumerate(pairwise(widths))
        )
        self.n_features = widths[-1]
        self.feature_norm = FeatureNorm(self.n_features) if a.feature_norm else nn.Identity()
        if a.context == "bilstm":
            self.lstm = nn.LSTM(
                self.n_features,
                a.lstm_hidden,
                a.lstm_layers,
                batch_first=True,
                bidirectional=True,
                dropout=a.lstm_dropout if a.lstm_layers > 1 else 0.0,
            )
        sizes = [2 * a.lstm_hidden if a.context == "bilstm" else self.n_features, *a.head_hidden]
        layers: list[nn.Module] = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after)] + [nn.ReLU()] * (a.head == "non-linear")
        self.head = nn.Sequential(*layers, nn.Linear(sizes[-1], len(STAGES)))
        self._initialise()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def feature_map(self, x: Tensor, stage: int = 4) -> Tensor:
        """Output of a stage of blocks for epochs in µV ``(n, n_samples)``: ``(n, channels, n_cells)``."""
        x = self.stem(x[:, None, None].contiguous(memory_format=torch.channels_last))  # (n, 64, 1, 750)
        for blocks in self.stages[:stage]:
            x = blocks(x)  # (n, 64, 1, 750), (n, 128, 1, 375), (n, 256, 1, 188), (n, 512, 1, 94)
        return x.squeeze(2)

    def features_of_map(self, feature_map: Tensor, stage: int = 4) -> Tensor:
        """Features ``(n, C)`` from the output of a stage of blocks, as `feature_map` gives it."""
        x = feature_map.unsqueeze(2)
        for blocks in self.stages[stage:]:
            x = blocks(x)
        return self.feature_norm(x.mean(dim=(2, 3)))

    def features(self, x: Tensor) -> Tensor:
        """Features of epochs in µV ``(n, n_samples)``: ``(n, C)``."""
        return self.features_of_map(self.feature_map(x))

    def classify(self, windows: Tensor) -> Tensor:
        """Logits ``(B, 5)`` of the middle epochs of windows of features ``(B, W, C)``; W is odd."""
        middle = windows.shape[1] // 2
        if self.architecture.context == "bilstm":
            windows, _ = self.lstm(windows)  # (B, W, 200)
        return self.head(windows[:, middle])

    def layers(self, stage: int = 4) -> Iterator[tuple[int, int, int]]:
        """Kernel, stride and padding of the layers along the longest path from a sample to the output of a stage."""
        for part in (self.stem, *self.stages[:stage]):
            for module in part.modules():
                if isinstance(module, nn.Conv2d | nn.MaxPool2d) and module.kernel_size[1] > 1:  # type: ignore[index]
                    yield tuple(size[1] for size in (module.kernel_size, module.stride, module.padding))  # type: ignore

    def _initialise(self) -> None:
        """He initialisation; the last norm of a block starts at zero, so that the block begins as its shortcut."""
        if self.stem[0].weight.is_meta:  # shapes alone, of whose initial values torch would load its compiler to know
            return
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, BasicBlock):
                nn.init.zeros_(module.norm2.weight)


AnyNetwork = TypeVar("AnyNetwork", bound=Network)
"""A kind of network, in signatures that give back what they take."""


def build(experiment: Mapping[str, Any], rate: float) -> SEResNetBiLSTM:
    """The network of an experiment, freshly initialised; the sampling rate is free."""
    options = {field.name: experiment[field.name] for field in fields(Architecture) if field.name in experiment}
    return SEResNetBiLSTM(Architecture(**options))


def fused(model: AnyNetwork) -> AnyNetwork:
    """A copy of a network in evaluation mode whose batch norms of two dimensions are part of the convolutions before.

    It gives the same to six digits, and on a CPU takes 0.95 of the time at width 64 (bf16: 0.95 or less). Networks that
    are not of hypnolens's own kind, and such copies, are given back as they are.
    """
    if not isinstance(model, SEResNetBiLSTM) or isinstance(model.stem[1], nn.Identity):
        return model
    copy = deepcopy(model)
    for block in (module for module in copy.modules() if isinstance(module, BasicBlock)):
        block.conv1, block.norm1 = _fold(block.conv1, block.norm1)
        block.conv2, block.norm2 = _fold(block.conv2, block.norm2)
        if isinstance(block.shortcut, nn.Sequential):
            block.shortcut = _fold(block.shortcut[0], block.shortcut[1])[0]
    copy.stem[0], copy.stem[1] = _fold(copy.stem[0], copy.stem[1])
    return copy.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _fold(convolution: Any, norm: Any) -> tuple[Any, Any]:
    return fuse_conv_bn_eval(convolution, norm), nn.Identity()


def slide(features: Tensor, positions: Tensor) -> Tensor:
    """Windows of features ``(B, W, C)``, from features ``(n, C)`` and rows ``(B, W)``; row -1 gives zeros."""
    return torch.cat([features, features.new_zeros(1, features.shape[1])])[positions]


def cell_geometry(model: SEResNetBiLSTM, stage: int = 4) -> tuple[float, int, int]:
    """Where the cells of a stage's output lie, computed from kernels, strides and paddings.

    Returns
    -------
    first, step, field
        Sample at the centre of the first cell's receptive field, samples from one centre to the next, and samples
        that a cell sees.
    """
    first, step, field = 0.0, 1, 1
    for kernel, stride, padding in model.layers(stage):
        first += ((kernel - 1) / 2 - padding) * step
        field += (kernel - 1) * step
        step *= stride
    return first, step, field


def n_parameters(model: nn.Module) -> int:
    """Trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def to_microvolts(signal: np.ndarray, scale_uv: float, device: torch.device | str = "cpu") -> Tensor:
    """Stored int16 epochs as float32 in µV on a device."""
    return torch.from_numpy(np.array(signal)).to(device).float() * scale_uv
