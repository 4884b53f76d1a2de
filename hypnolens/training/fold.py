"""Training one fold: every window of the training subjects in each pass, the best pass on validation subjects kept."""

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from hypnolens.evaluation.metrics import confusion_matrix, scores
from hypnolens.io.checksums import canonical, sha256_of_parts
from hypnolens.io.tensors import digest
from hypnolens.network.devices import pick_device
from hypnolens.network.inference import probabilities
from hypnolens.network.model import AnyNetwork, Network
from hypnolens.pipeline.progress import write_progress
from hypnolens.recordings.epochs import Epochs
from hypnolens.stages import STAGES
from hypnolens.training.checkpoints import read_checkpoint, write_checkpoint
from hypnolens.training.engine import Engine, Progress, TrainingError, TrainingOptions
from hypnolens.training.store import Store

logger = logging.getLogger(__name__)

EXPLODED = 100.0
"""Cross-entropy in nat that no network reaches that still learns: guessing among five stages costs 1.6."""

SAVE_S = 900.0
"""Seconds after which the state is kept in the middle of a pass."""

PASS_MADE = "pass %d of %d in %.1f s, loss %.3f, validation macro-F1 %.3f, at most %.0f s left"
"""What the log says of a pass, for people: `hypnolens.pipeline.progress` is what programs read."""

SELECTS = {"clean": "validation", "test-selected": "test"}
"""The side of a fold on which the pass that is kept is chosen, by protocol."""


def options_of(experiment: Mapping[str, Any]) -> TrainingOptions:
    """The training's options among the keys of an experiment."""
    return TrainingOptions(
        **{field.name: experiment[field.name] for field in fields(TrainingOptions) if field.name in experiment}
    )


def training_key(experiment: Mapping[str, Any], fold: int, code: str, sides: Sequence[Sequence[Epochs]]) -> str:
    """Hash of all that decides what a fold's training gives: experiment, fold, code, torch and every epoch.

    Of epochs that were read their hash stands for them: how it was normalised since, experiment and code say.
    """

    def parts() -> Iterator[bytes | memoryview]:
        yield canonical([dict(experiment), fold, code, torch.__version__])
        for side in sides:
            for epochs in side:
                yield f"{epochs.recording} {epochs.scale_uv!r} {epochs.sha256 or digest(epochs.signal)}".encode()
                yield from (np.ascontiguousarray(array).data for array in (epochs.stage, epochs.epoch_index))
            yield b"next side"

    return sha256_of_parts(parts())


def train(
    training: Sequence[Epochs],
    validation: Sequence[Epochs],
    *,
    build: Callable[[], AnyNetwork],
    options: TrainingOptions,
    fold: int,
    checkpoint: Path,
    key: str,
    name: str,
) -> tuple[AnyNetwork, list[dict[str, float]]]:
    """Train one fold, going on from its checkpoint where a killed run left one.

    Parameters
    ----------
    training, validation
        Recordings to learn from, and those on which the pass that is kept is chosen.
    build, options
        What makes the network, and how it is trained.
    fold
        Number of the fold, which enters the seed.
    checkpoint
        Where the state after each pass is kept, and beside it how far training is (`write_progress`). One of another
        ``key`` is discarded with a line in the log. When training has ended the file keeps the best network only, so
        that a step killed before Snakemake saw its outputs repeats nothing.
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
    model = build().to(device)
    if options.shuffle_labels:
        shuffle = np.random.default_rng(seed).permutation
        training = [replace(epochs, stage=shuffle(epochs.stage)) for epochs in training]
    weights = class_weights(training, options.class_weights).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=options.learning_rate)
    engine = Engine(model, optimiser, Store(training, device), weights, options, name=name)
    best, progress = _copy(model), Progress()
    state = read_checkpoint(checkpoint, key, name)
    if state is not None:
        best, progress = state["best"], Progress(**state["progress"])
        if not state["finished"]:
            engine.restore(state)
    history = progress.history
    finished = state is not None and state["finished"]
    before, since = len(history), time.time()
    bar = tqdm(total=options.passes, initial=len(history), desc=name, unit="pass", disable=None, leave=False)

    def tell() -> None:
        write_progress(checkpoint, history[before:], made=len(history), of=options.passes, since=since)

    def keep() -> None:
        write_checkpoint(checkpoint, {"key": key, "finished": False, "best": best, **engine.state(progress)})
        tell()

    tell()
    with _asked_to_stop() as asked:
        while not finished and not _enough(history, options):
            began = saved = time.monotonic()
            number = len(history) + 1
            for _ in engine.one_pass(progress, [seed, number], _rate(options, number)):
                if asked:
                    keep()
                    raise TrainingError(
                        f"{name}: stopped by {asked[0]} after step {progress.step} of pass {number}; the state is kept "
                        f"in {checkpoint}; run again to go on"
                    )
                if time.monotonic() - saved > SAVE_S:
                    keep()
                    saved = time.monotonic()
            loss = progress.loss / progress.windows
            if not loss < EXPLODED:  # true of a NaN too
                raise TrainingError(
                    f"{name}: the loss is {loss:.3g} in pass {number}; lower learning_rate: of the experiment "
                    f"(the state after pass {number - 1} is kept in {checkpoint})"
                )
            row = {
                "pass": number,
                "windows": progress.windows,
                "train_loss": loss,
                **_validate(engine.kept, validation, options),
            }
            row["best"] = float(
                row["validation_macro_f1"] > max((r["validation_macro_f1"] for r in history), default=-1)
            )
            row["seconds"] = round(time.monotonic() - began, 3)
            if row["best"]:
                best = _copy(engine.kept)
            history.append(row)
            progress, since = Progress(history), time.time()
            keep()
            left = (options.passes - number) * float(np.mean([r["seconds"] for r in history]))
            bar.set_postfix_str(f"loss {loss:.3f}, validation macro-F1 {row['validation_macro_f1']:.3f}")
            bar.update()
            said = (number, options.passes, row["seconds"], loss, row["validation_macro_f1"], left)
            logger.info(f"%s: {PASS_MADE}", name, *said)
    bar.close()
    if not finished:
        write_checkpoint(checkpoint, {"key": key, "finished": True, "best": best, "progress": vars(Progress(history))})
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


def _enough(history: Sequence[Mapping[str, float]], options: TrainingOptions) -> bool:
    if not history or len(history) >= options.passes:
        return bool(history)
    last_best = max(row["pass"] for row in history if row["best"])
    return options.patience is not None and len(history) - last_best >= options.patience


def _rate(options: TrainingOptions, number: int) -> float:
    """Learning rate of a pass: always the same, or falling from it to nearly nothing along half a cosine."""
    if options.schedule == "constant":
        return options.learning_rate
    return options.learning_rate * (1 + math.cos(math.pi * (number - 1) / options.passes)) / 2


def _validate(model: Network, validation: Sequence[Epochs], options: TrainingOptions) -> dict[str, float]:
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


@contextmanager
def _asked_to_stop() -> Iterator[list[str]]:
    """Collect the signals by which Snakemake, a user or SLURM (`--signal`) ask a job to end, and do not die of them."""
    asked: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked  # only the main thread may listen
        return
    wanted = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
    before = {number: signal.signal(number, lambda n, _: asked.append(signal.Signals(n).name)) for number in wanted}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
