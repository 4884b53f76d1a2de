"""Do maps point to what the network used, where that is known? Prints JSON; fails if a bar is missed.

    python benchmarks/planted.py                    # a minute or two on two cores
    python benchmarks/planted.py --peak 1.0         # reported, no bars

A network learns to tell epochs with a planted 0.8-s spindle from epochs with the same energy spread out
(hypnolens/simulation/planted.py). A map hits if its maximum lies within the spindle or half a second beside it; the
energy ratio is the share of the map there over the share of time. A map that is zero everywhere misses.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from hypnolens.explanations.alignment import (
    N_BINS,
    TOLERANCE_S,
    align_recording,
    contrast_table,
    envelope,
    pooled,
)
from hypnolens.explanations.attributions import FAST_METHODS, METHODS, Decisions, attribute
from hypnolens.explanations.maps import GRAD_CAM, LAYER_IG, RecordingMaps, binned
from hypnolens.explanations.sanity import control_maps, drawn_anew
from hypnolens.explanations.verdicts import map_verdicts
from hypnolens.network.inference import probabilities
from hypnolens.network.model import Architecture, SEResNetBiLSTM, to_microvolts
from hypnolens.pipeline.provenance import record
from hypnolens.simulation.planted import RATE_HZ, SPINDLE_S, Planted, plant
from hypnolens.stages import CODE, EPOCH_S
from hypnolens.training.engine import TrainingOptions
from hypnolens.training.fold import train

ARCHITECTURE = Architecture(width=8, dropout=0.0, lstm_layers=1, lstm_hidden=32, head_hidden=())
PEOPLE = 6
"""Recordings for the verdict, which is over subjects."""

FEW = 40
"""Epochs that the costly methods explain."""


def trained(peak: float, *, epochs: int, passes: int, seed: int, threads: int) -> SEResNetBiLSTM:
    """A network that has learnt the task, in evaluation mode."""
    first = 100 * seed
    training = [plant(epochs // 4, peak=peak, seed=first + number).as_epochs(f"T{number}") for number in range(4)]
    validation = [plant(200, peak=peak, seed=first + 10).as_epochs("V")]
    options = TrainingOptions(
        passes=passes, patience=None, batch_windows=32, stretch=16, learning_rate=0.005, schedule="cosine",
        seed=seed, torch_threads=threads, precision="fp32",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        model, _ = train(
            training, validation, build=lambda: SEResNetBiLSTM(ARCHITECTURE), options=options, fold=0,
            checkpoint=Path(folder, "c.pt"),
            key="planted", name="planted",
        )  # fmt: skip
    return model


def untrained(seed: int, epochs: Planted) -> SEResNetBiLSTM:
    """A network as it is drawn, with running statistics of batch norm from the epochs."""
    torch.manual_seed(seed)
    model = drawn_anew(ARCHITECTURE).train()
    some = epochs.as_epochs("U")
    with torch.no_grad():
        for _ in range(20):
            model.features(to_microvolts(some.signal[:100], some.scale_uv))
    return model.eval()


def measures(maps: np.ndarray, onset_s: np.ndarray) -> dict[str, float]:
    """Hit rate, energy ratio and median distance in s of maps ``(n, n_samples)`` of spindles from ``onset_s`` on."""
    seconds = np.arange(maps.shape[1]) / RATE_HZ
    end = onset_s + SPINDLE_S
    peak, total = seconds[maps.argmax(axis=1)], maps.sum(axis=1)
    hit = (total > 0) & (peak >= onset_s - TOLERANCE_S) & (peak <= end + TOLERANCE_S)
    near = (seconds >= (onset_s - TOLERANCE_S)[:, None]) & (seconds <= (end + TOLERANCE_S)[:, None])
    share = np.divide((maps * near).sum(axis=1), total, out=np.zeros(len(maps)), where=total > 0)
    return {
        "hit": float(hit.mean()),
        "ratio": float((share / near.mean(axis=1)).mean()),
        "median_error_s": float(np.median(np.abs(peak - onset_s - SPINDLE_S / 2))),
        "epochs": len(maps),
    }


def judged(model: SEResNetBiLSTM, *, peak: float, seed: int) -> dict[str, object]:
    """What the page would say of the default maps of six recordings of a hundred epochs: the verdict and its p."""
    aligned = []
    for number in range(PEOPLE):
        planted = plant(100, peak=peak, seed=100 * seed + 40 + number)
        epochs = planted.as_epochs(f"P{number}")
        decisions, rows = Decisions(model, epochs, across_gaps=False), np.flatnonzero(planted.present)
        own = binned(attribute(decisions, rows, np.full(len(rows), CODE["N2"])), N_BINS)
        maps = RecordingMaps(
            epochs.recording, epochs.subject, np.empty((0, 1)), rows, {LAYER_IG: rows}, {LAYER_IG: own}
        )
        events = pd.DataFrame({"onset_s": epochs.onset_s[rows] + planted.onset_s[rows], "duration_s": SPINDLE_S,
                               "kind": "spindle", "source": "true"})  # fmt: skip
        others = control_maps(decisions, maps, {}, across_gaps=False)
        aligned.append((epochs.subject, align_recording(epochs, maps, others, events)))
    (row,) = map_verdicts(contrast_table(pooled(aligned)), sign=True).to_dict("records")
    return {"points": bool(row["points"]), "p_holm": float(f"{row['p_holm']:.2g}")}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peak", type=float, default=1.5, help="of the spindle, in units of the background's RMS")
    parser.add_argument("--epochs", type=int, default=4000, help="to train on")
    parser.add_argument("--passes", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    model = trained(given.peak, epochs=given.epochs, passes=given.passes, seed=given.seed, threads=given.threads)
    planted = plant(400, peak=given.peak, seed=100 * given.seed + 20)
    tested = planted.as_epochs("P")
    predicted = probabilities(model, tested, across_gaps=False, precision="fp32").argmax(axis=1)
    rows = np.flatnonzero(planted.present & (predicted == CODE["N2"]))
    stages = np.full(len(rows), CODE["N2"])
    decisions = Decisions(model, tested, across_gaps=False)
    found = {}
    for method in METHODS:
        n = len(rows) if method in FAST_METHODS else FEW
        maps = attribute(decisions, rows[:n], stages[:n], method=method)
        found[method] = measures(maps, planted.onset_s[rows[:n]])
    found["amplitude"] = measures(envelope(planted.signal[rows], RATE_HZ), planted.onset_s[rows])
    drawn: dict[str, list[float]] = {method: [] for method in FAST_METHODS}
    for seed in range(3):
        other = Decisions(untrained(seed, planted), tested, across_gaps=False)
        for method, hits in drawn.items():
            hits.append(measures(attribute(other, rows, stages, method=method), planted.onset_s[rows])["hit"])
    verdict = judged(model, peak=given.peak, seed=given.seed)
    accuracy = float((predicted == tested.stage).mean())
    base = (SPINDLE_S + 2 * TOLERANCE_S) / EPOCH_S
    missed = [] if given.peak < 1.5 else [
        name for name, bad in {
            "accuracy": accuracy < 0.95, "epochs": len(rows) < 100,
            "default": found[LAYER_IG]["hit"] < 0.90 or found[LAYER_IG]["ratio"] < 5,
            "grad-cam": found[GRAD_CAM]["hit"] < 0.80 or found[GRAD_CAM]["ratio"] < 3,
            "amplitude": found["amplitude"]["hit"] > 0.20,
            "verdict": not verdict["points"],
            "untrained": max(np.mean(drawn[method]) for method in (LAYER_IG, GRAD_CAM)) > 0.25,
        }.items() if bad
    ]  # fmt: skip
    rounded = {name: {key: round(value, 3) for key, value in row.items()} for name, row in found.items()}
    untrained_hits = {method: [round(hit, 3) for hit in hits] for method, hits in drawn.items()}
    print(json.dumps({
        "device": record()["processor"], "peak": given.peak, "seed": given.seed, "accuracy": round(accuracy, 4),
        "base_rate": round(base, 3), **rounded, "untrained_hit": untrained_hits,
        "verdict": verdict, "missed": missed,
    }, indent=1))  # fmt: skip
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
