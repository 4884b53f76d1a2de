"""Training one fold: every window of the training subjects in each pass, the best pass on validation subjects kept."""

import hashlib
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from hypnolens.epochs import Epochs
from hypnolens.errors import HypnolensError
from hypnolens.inference import arithmetic, pick_device, probabilities
from hypnolens.logs import logger
from hypnolens.metrics import confusion_matrix, scores
from hypnolens.model import Architecture, SEResNetBiLSTM, to_microvolts
from hypnolens.stages import STAGES
from hypnolens.windows import Batch, batches


@dataclass(frozen=True)
class Options:
    """Options of training; see config/README.md for each."""

    stride: int = 1
    across_gaps: bool = False
    passes: int = 60
    patience: int | None = 15
    batch_windows: int = 128
    stretch: int = 32
    learning_rate: float = 1e-3
    schedule: str = "constant"
    class_weights: str = "none"
    seed: int = 0
    torch_threads: int = 2
    precision: str = "auto"


class TrainingError(HypnolensError):
    """Training cannot go on."""


def options_of(experiment: Mapping[str, Any]) -> tuple[Architecture, Options]:
    """The network's and the training's options among the keys of an experiment."""

    def chosen(kind: type) -> dict[str, Any]:
        return {field.name: experiment[field.name] for field in fields(kind) if field.name in experiment}

    return Architecture(**chosen(Architecture)), Options(**chosen(Options))


def training_key(experiment: Mapping[str, Any], fold: int, code: str, sides: Sequence[Sequence[Epochs]]) -> str:
    """Hash of all that decides what a fold's training gives: experiment, fold, code, torch and every epoch."""
    digest = hashlib.sha256(json.dumps([dict(experiment), fold, code, torch.__version__], sort_keys=True).encode())
    for side in sides:
        for epochs in side:
            digest.update(f"{epochs.recording} {epochs.scale_uv!r}".encode())
            for array in (epochs.signal, epochs.stage, epochs.epoch_index):
                digest.update(np.ascontiguousarray(array).data)
        digest.update(b"next side")
    return digest.hexdigest()


def train(
    training: Sequence[Epochs],
    validation: Sequence[Epochs],
    *,
    architecture: Architecture,
    options: Options,
    fold: int,
    checkpoint: Path,
    key: str,
    name: str,
) -> tuple[SEResNetBiLSTM, list[dict[str, float]]]:
    """Train one fold, going on from its checkpoint where a killed run left one.

    Parameters
    ----------
    training, validation
        Recordings of the two sides.
    architecture, options
        The network and how it is trained.
    fold
        Number of the fold, which enters the seed.
    checkpoint
        Where the state after each pass is kept. One of another ``key`` is discarded with a line in the log. When
        training has ended the file keeps the best network only, so that a step killed before Snakemake saw its
        outputs repeats nothing.
    key
        See `training_key`.
    name
        What to call the fold in the log and the progress bar.

    Returns
    -------
    model, history
        The network of the best pass, in evaluation mode, and a row for each pass: ``pass``, ``windows``,
        ``train_loss``, ``validation_loss``, ``validation_accuracy``, ``validation_macro_f1``, ``best``, ``seconds``.

    Raises
    ------
    TrainingError
        The loss is no longer finite.
    """
    torch.set_num_threads(options.torch_threads)
    device = pick_device()
    seed = int(np.random.SeedSequence([options.seed, fold]).generate_state(1)[0])
    torch.manual_seed(seed)
    model = SEResNetBiLSTM(architecture).to(device)
    weights = class_weights(training, options.class_weights).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=options.learning_rate)
    state = _load(checkpoint, key, name)
    if state is None:
        history: list[dict[str, float]] = []
        best = _copy(model)
    else:
        history, best = state["history"], state["best"]
        if not state["finished"]:
            model.load_state_dict(state["model"])
            optimiser.load_state_dict(state["optimiser"])
            torch.set_rng_state(state["rng"])
            if device.type == "cuda" and len(state["cuda_rng"]):
                torch.cuda.set_rng_state(state["cuda_rng"], device)
    finished = state is not None and state["finished"]
    bar = tqdm(total=options.passes, initial=len(history), desc=name, unit="pass", disable=None, leave=False)
    while not finished and not _enough(history, options):
        began = time.monotonic()
        number = len(history) + 1
        for group in optimiser.param_groups:
            group["lr"] = _rate(options, number)
        loss, windows = _one_pass(model, optimiser, training, weights, options, [seed, number], device)
        if not np.isfinite(loss):
            raise TrainingError(
                f"{name}: the loss is {loss} in pass {number}; lower learning_rate: of the experiment "
                f"(the state after pass {number - 1} is kept in {checkpoint})"
            )
        row = {"pass": number, "windows": windows, "train_loss": loss, **_validate(model, validation, options)}
        row["best"] = float(row["validation_macro_f1"] > max((r["validation_macro_f1"] for r in history), default=-1))
        row["seconds"] = round(time.monotonic() - began, 3)
        if row["best"]:
            best = _copy(model)
        history.append(row)
        _save(checkpoint, key, model, optimiser, best, history, device)
        left = (options.passes - number) * float(np.mean([r["seconds"] for r in history]))
        words = f"loss {loss:.3f}, validation macro-F1 {row['validation_macro_f1']:.3f}"
        bar.set_postfix_str(words)
        bar.update()
        logger.info("%s: pass %d of %d, %s, at most %.0f s left", name, number, options.passes, words, left)
    bar.close()
    if not finished:
        _write(checkpoint, {"key": key, "finished": True, "best": best, "history": history})
    model.load_state_dict(best)
    return model.eval(), history


def class_weights(training: Sequence[Epochs], kind: str) -> Tensor:
    """Weight of each stage in the loss, float32 ``(5,)``, 1 for an average epoch; a stage without an epoch has 0.

    ``balanced`` weighs a stage by the inverse of its frequency, ``sqrt`` by the root of that, ``none`` all alike.
    """
    counts = np.bincount(np.concatenate([epochs.stage for epochs in training]), minlength=len(STAGES))
    power = {"none": 0.0, "sqrt": 0.5, "balanced": 1.0}[kind]
    weights = np.where(counts > 0, np.maximum(counts, 1.0) ** -power, 0.0)
    return torch.tensor(weights * counts.sum() / (weights * counts).sum(), dtype=torch.float32)


def _enough(history: Sequence[Mapping[str, float]], options: Options) -> bool:
    if not history or len(history) >= options.passes:
        return bool(history)
    last_best = max(row["pass"] for row in history if row["best"])
    return options.patience is not None and len(history) - last_best >= options.patience


def _rate(options: Options, number: int) -> float:
    """Learning rate of a pass: always the same, or falling from it to nearly nothing along half a cosine."""
    if options.schedule == "constant":
        return options.learning_rate
    return options.learning_rate * (1 + math.cos(math.pi * (number - 1) / options.passes)) / 2


def _one_pass(
    model: SEResNetBiLSTM,
    optimiser: torch.optim.Optimizer,
    training: Sequence[Epochs],
    weights: Tensor,
    options: Options,
    seed: Sequence[int],
    device: torch.device,
) -> tuple[float, int]:
    """Mean loss and number of windows of a pass over the training recordings."""
    model.train()
    total, windows = 0.0, 0
    for batch in batches(
        training,
        window=model.architecture.window,
        stride=options.stride,
        stretch=options.stretch,
        batch_windows=options.batch_windows,
        across_gaps=options.across_gaps,
        generator=np.random.default_rng(list(seed)),
    ):
        x, positions, target = _to_device(batch, training, device)
        with arithmetic(device, options.precision):
            loss = nn.functional.cross_entropy(model(x, positions), target, weight=weights)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        total += float(loss.detach()) * len(target)
        windows += len(target)
    return total / windows, windows


def _to_device(batch: Batch, recordings: Sequence[Epochs], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Epochs in µV ``(n, n_samples)``, positions ``(B, W)`` and stage codes ``(B,)`` of a batch."""
    x = torch.cat([to_microvolts(recordings[r].signal[rows], recordings[r].scale_uv, device) for r, rows in batch.rows])
    stages = np.array([recordings[r].stage[row] for r, row in batch.targets], dtype=np.int64)
    return x, torch.from_numpy(batch.positions).to(device), torch.from_numpy(stages).to(device)


def _validate(model: SEResNetBiLSTM, validation: Sequence[Epochs], options: Options) -> dict[str, float]:
    given = [
        probabilities(model, epochs, across_gaps=options.across_gaps, precision=options.precision)
        for epochs in validation
    ]
    predicted, true = np.concatenate(given), np.concatenate([epochs.stage for epochs in validation])
    score = scores(confusion_matrix(true, predicted.argmax(axis=1)))
    likelihood = np.maximum(predicted[np.arange(len(true)), true], np.finfo(np.float32).tiny)
    return {
        "validation_loss": float(-np.log(likelihood).mean()),
        "validation_accuracy": float(score["accuracy"]),
        "validation_macro_f1": float(score["macro_f1"]),
    }


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}


def _save(
    path: Path,
    key: str,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    best: Mapping[str, Tensor],
    history: list[dict[str, float]],
    device: torch.device,
) -> None:
    cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.empty(0, dtype=torch.uint8)
    state = {"key": key, "finished": False, "model": model.state_dict(), "optimiser": optimiser.state_dict()}
    _write(path, {**state, "best": best, "history": history, "rng": torch.get_rng_state(), "cuda_rng": cuda})


def _write(path: Path, state: Mapping[str, Any]) -> None:
    """Replace the checkpoint in one step: a kill at any moment leaves the old one or the new one, whole."""
    partial = path.with_suffix(".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("wb") as file:
        torch.save(dict(state), file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _load(path: Path, key: str, name: str) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = state["key"]
    except Exception as error:  # a damaged file can make torch raise nearly anything; the fold is trained anew
        logger.warning("%s: checkpoint discarded: it is damaged (%s)", name, type(error).__name__)
        return None
    if found != key:
        logger.warning("%s: checkpoint discarded: experiment, folds, code or inputs have changed since", name)
        return None
    logger.info("%s: going on after pass %d of a checkpoint", name, len(state["history"]))
    return state
