"""Training: the published way against hypnolens, in one process on the same data. Prints one JSON object.

    python benchmarks/training.py                  # a CPU with two threads in under 8 minutes, or a GPU
    python benchmarks/training.py --fold 3         # and passes over a fold of Sleep-EDF-20's size, projected

Width 64, window 9, stride 1, steps of 128 windows; noise for signals, as time does not depend on what they say. See
benchmarks/published.py for the published way, whose steps have fewer windows where 128 do not fit into memory (a window
costs about the same); ``tuned`` is the same in steps of 16 windows, which is what one gets without changing the method.
Each time is the median of repeated steps after one that is not counted.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from published import (
    BATCH,
    WindowFiles,
    bf16_pays,
    ceilings,
    counted,
    median_seconds,
    peak_memory_mb,
    published_step,
)

from hypnolens.network.devices import pick_device
from hypnolens.network.model import Architecture, SEResNetBiLSTM
from hypnolens.pipeline.provenance import record
from hypnolens.recordings.epochs import Epochs
from hypnolens.training.engine import Engine, Progress, TrainingOptions
from hypnolens.training.store import Store

# Epochs of the paper's datasets, folds, and the share of them that a fold trains on.
PAPER = {"sleep-edf-20": (42308, 20, 17 / 20), "sleep-edf-78": (195479, 10, 0.81), "shhs": (324854, 10, 0.81)}


def noise(n_epochs: int, seed: int = 0) -> Epochs:
    """Noise that is louder the higher the stage's code, so that a few steps of training tell stages apart."""
    rng = np.random.default_rng(seed)
    stage = rng.integers(0, 5, n_epochs, dtype=np.int8)
    return Epochs(
        signal=(rng.normal(0, 500, (n_epochs, 3000)) * (1 + stage[:, None])).astype(np.int16),
        stage=stage,
        epoch_index=np.arange(n_epochs, dtype=np.int32),
        scale_uv=0.02,
        rate=100.0,
        first_s=0.0,
        **dict.fromkeys(("recording", "subject", "channel", "start_time", "source", "source_sha256"), f"noise{seed}"),
        night=1,
        dropped={},
        flags=[],
    )


def network(device: torch.device) -> tuple[SEResNetBiLSTM, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = SEResNetBiLSTM(Architecture()).to(device).train()
    return model, torch.optim.Adam(model.parameters(), lr=1e-3)


def batch_that_fits(device: torch.device) -> int:
    """Windows in a step of the published way: 128, which keep 21 GB of activations, or as many halvings as must be."""
    if device.type == "cuda":
        return BATCH
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return next(size for size in (BATCH, 64, 32, 16) if size == 16 or 0.17e9 * size < 0.8 * free)


def published_ms(files: WindowFiles, device: torch.device, size: int, repeats: int) -> float:
    """Milliseconds a window of training the published way, reading included."""
    model, optimiser = network(device)
    batches = files.endless(size)
    published_step(model, optimiser, next(files.endless(4)))  # warms up; a whole step is too long for that
    step = median_seconds(lambda: published_step(model, optimiser, next(batches)), repeats=repeats, warm_up=0)
    return 1e3 * step / size


def engine(store: Store, precision: str, stretch: int) -> Engine:
    options = TrainingOptions(batch_windows=BATCH, stretch=stretch, precision=precision)
    return Engine(*network(store.device), store, torch.ones(5, device=store.device), options)


def steps(of: Engine) -> object:
    """Endless batches of an engine, each call of the result a step."""

    def batches():
        for seed in range(1_000_000):
            yield from of.windows.batches(stride=1, stretch=of.options.stretch, batch_windows=BATCH,
                                          generator=np.random.default_rng(seed))  # fmt: skip

    full = (batch for batch in batches() if len(batch.targets) == BATCH)
    return lambda: of.step(next(full))


def fold(device: torch.device, passes: int, stretch: int) -> dict[str, float]:
    """Passes over as many epochs as a fold of Sleep-EDF-20 trains on, and what the paper would take at that speed."""
    n_epochs = round(PAPER["sleep-edf-20"][0] * PAPER["sleep-edf-20"][2])
    store = Store([noise(1058, seed) for seed in range(n_epochs // 1058)], device)
    of = engine(store, "auto", stretch)
    seconds = []
    for number in range(passes):
        progress, began = Progress(), time.perf_counter()
        for _ in of.one_pass(progress, [0, number], 1e-3):
            pass
        seconds.append(time.perf_counter() - began)
    per_window = min(seconds) / progress.windows
    windows = sum(n * folds * share for n, folds, share in PAPER.values())
    return {
        "fold_seconds_a_pass": min(seconds), "fold_windows_a_second": 1 / per_window,
        "projected_hours_paper_60_passes": 60 * windows * per_window / 3600,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--stretch", type=int, default=TrainingOptions().stretch)
    parser.add_argument(
        "--repeats", type=int, default=2, help="steps of the published way; ours are repeated five times"
    )
    parser.add_argument("--fold", type=int, default=0, metavar="PASSES")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    device = pick_device()
    epochs = noise(2 * BATCH + 8)
    found: dict[str, object] = {"windows_a_step": BATCH, "stretch": given.stretch}
    with tempfile.TemporaryDirectory() as folder:
        files = WindowFiles(Path(folder), epochs, 9)
        size = batch_that_fits(device)
        found |= {
            "published_batch": size,
            "published_fp32_ms_per_window": published_ms(files, device, size, given.repeats),
        }
        found["published_peak_memory_mb"] = peak_memory_mb(device)
        found["tuned_fp32_ms_per_window"] = published_ms(files, device, 16, 3)
    store = Store([noise(600, seed) for seed in range(4)], device)
    for precision in ("fp32", "bf16"):
        if precision == "bf16" and not bf16_pays(device):
            found["shared_bf16_ms_per_window"] = found["ratio_bf16"] = None
            continue
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        step = steps(engine(store, precision, given.stretch))
        seconds = median_seconds(step, repeats=5)
        operations, copied = ceilings(device, torch.bfloat16 if precision == "bf16" else torch.float32)
        flops, moved = counted(step)
        found[f"shared_{precision}_ms_per_window"] = 1e3 * seconds / BATCH
        found[f"ratio_{precision}"] = found["published_fp32_ms_per_window"] / (1e3 * seconds / BATCH)
        found[f"roofline_{precision}"] = {
            "gigaflop_a_window": flops / BATCH / 1e9, "megabytes_a_window": moved / BATCH / 1e6,
            "matrix_product_gigaflops": operations / 1e9, "copy_gigabytes_a_second": copied / 1e9,
            "share_of_matrix_product": flops / seconds / operations, "share_of_copy": moved / seconds / copied,
        }  # fmt: skip
    found["peak_memory_mb"] = peak_memory_mb(device)
    if given.fold:
        found |= fold(device, given.fold, given.stretch)
    made = record()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else made["processor"]
    rounded = {key: round(value, 4) if isinstance(value, float) else value for key, value in found.items()}
    print(
        json.dumps({"device": f"{name}, {given.threads} threads", "torch": made["version_torch"], **rounded}, indent=1)
    )


if __name__ == "__main__":
    main()
