"""What the two benchmarks of speed share: the published way, timing, and the ceilings of a device.

The published way (the manner of much of the field's code) writes every window to disk as a file of its own, reads them
back by a DataLoader, and runs the CNN on each of a window's places in turn. It has hypnolens's own network here, whose
two-dimensional convolutions are faster than the one-dimensional ones of published code.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from hypnolens.network.model import SEResNetBiLSTM
from hypnolens.network.windows import window_positions
from hypnolens.recordings.epochs import Epochs

BATCH = 128


class WindowFiles(Dataset):
    """A window a file, as published: signals in µV ``(window, n_samples)`` float32, and the middle epoch's stage."""

    def __init__(self, folder: Path, epochs: Epochs, window: int) -> None:
        positions = window_positions(epochs.epoch_index, window)
        inside = (positions >= 0).all(axis=1)
        self.paths = [folder / f"{number}.npz" for number in range(int(inside.sum()))]
        signal = epochs.signal * np.float32(epochs.scale_uv)
        for path, rows, stage in zip(self.paths, positions[inside], epochs.stage[inside], strict=True):
            np.savez(path, x=signal[rows], y=stage)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.int64]:
        with np.load(self.paths[number]) as file:
            return file["x"], np.int64(file["y"])

    def batches(self, *, shuffle: bool, size: int = BATCH) -> DataLoader:
        """Batches of windows; the loader works in the main process, as two cores have no room for more."""
        return DataLoader(self, batch_size=size, shuffle=shuffle, drop_last=shuffle)

    def endless(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Shuffled batches, pass after pass."""
        while True:
            yield from self.batches(shuffle=True, size=size)


def published_logits(model: SEResNetBiLSTM, windows: Tensor) -> Tensor:
    """Logits ``(B, 5)`` of windows of signals ``(B, W, n_samples)``: the CNN for each place in turn."""
    features = [model.features(windows[:, place]) for place in range(windows.shape[1])]
    return model.classify(torch.stack(features, dim=1))


def published_step(model: SEResNetBiLSTM, optimiser: torch.optim.Optimizer, batch: tuple[Tensor, Tensor]) -> int:
    """One step of training the published way; returns the number of windows."""
    device = next(model.parameters()).device
    windows, stages = (tensor.to(device) for tensor in batch)
    loss = nn.functional.cross_entropy(published_logits(model, windows), stages)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return len(stages)


def median_seconds(call: Callable[[], object], *, repeats: int, warm_up: int = 1) -> float:
    """Median time of a call, after calls that are not timed; a GPU is waited for."""
    seconds = []
    for number in range(warm_up + repeats):
        began = time.perf_counter()
        call()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if number >= warm_up:
            seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def ceilings(device: torch.device, dtype: torch.dtype) -> tuple[float, float]:
    """Operations a second of a large matrix product, and bytes a second of a large copy (read and written)."""
    n = 8192 if device.type == "cuda" else 2048
    a = torch.randn(n, n, device=device).to(dtype)
    operations = 2 * n**3 / median_seconds(lambda: a @ a, repeats=5)
    b = torch.empty(64_000_000, device=device)
    c = torch.empty_like(b)
    copied = 2 * b.nbytes / median_seconds(lambda: c.copy_(b), repeats=5)
    return operations, copied


class _Bytes(TorchDispatchMode):
    """Bytes of all tensors that operations read and write, as if no two operations were fused."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        name = str(func)
        if not any(
            word in name for word in ("view", "t.default", "detach", "expand", "transpose", "permute", "select")
        ):
            tensors = [t for t in (*args, *(out if isinstance(out, (tuple, list)) else (out,))) if torch.is_tensor(t)]
            self.total += sum(t.nbytes for t in tensors)
        return out


def counted(call: Callable[[], object]) -> tuple[int, int]:
    """Operations (two a multiply-add) and bytes of a call."""
    flops = FlopCounterMode(display=False)
    with flops:
        call()
    with _Bytes() as bytes_:
        call()
    return flops.get_total_flops(), bytes_.total


def peak_memory_mb(device: torch.device) -> float:
    """Largest memory of the device's tensors, or of this process on a CPU (VmHWM), in MB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    status = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6


def bf16_pays(device: torch.device) -> bool:
    """Whether the device has instructions for bf16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    info = Path("/proc/cpuinfo")
    return info.is_file() and any(flag in info.read_text() for flag in ("avx512_bf16", "amx_bf16", " bf16"))
