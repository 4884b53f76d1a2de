"""Is the demo's network as good as it must be? Prints JSON; fails if a bar is missed. Run `make demo` first.

Gradient-boosted trees on log band powers (benchmarks/simulation.py) stage the demo's test recordings on the demo's
folds, trained on the training side alone, and on training and validation side together. They read the nights at their
full 100 Hz, whatever rate the demo trains at. The network must reach a macro-F1 of 0.68 and stay within 0.05 of the
better one; over 0.90 the simulation would be too easy or something leaks.

    python benchmarks/demo.py
"""

import json
import sys
from pathlib import Path

import numpy as np
from simulation import log_band_powers, neighbours
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import f1_score

from hypnolens.io.tables import read_rows
from hypnolens.recordings.epochs import Epochs
from hypnolens.recordings.extraction import extract
from hypnolens.training.folds import read_folds

RESULTS = Path("results/sim")
LEAST, MOST, WITHIN = 0.68, 0.90, 0.05


def trees(sides: tuple[str, ...], features: dict, stages: dict, n_folds: int) -> float:
    true, predicted = [], []
    for fold in range(n_folds):
        recordings = read_folds(RESULTS / "folds.tsv", fold)
        names = [name for side in sides for name in recordings[side]]
        model = HistGradientBoostingClassifier(max_iter=120, random_state=0)
        model.fit(np.concatenate([features[n] for n in names]), np.concatenate([stages[n] for n in names]))
        for name in recordings["test"]:
            true.append(stages[name])
            predicted.append(model.predict(features[name]))
    return float(f1_score(np.concatenate(true), np.concatenate(predicted), average="macro"))


def as_simulated(recording: dict[str, str]) -> Epochs:
    """The demo's epochs at the rate of the night's file, as the trees' bands reach beyond what the demo keeps."""
    psg = Path(recording["source"])
    epochs = extract(
        psg, psg.with_name(psg.name.replace("PSG", "Hypnogram")), night=int(recording["night"]), rates=(100,), sha1={},
        **{key: recording[key] for key in ("recording", "subject", "source")}, channel=[recording["channel"]],
        sampling_rate_hz="native", trim_wake_min=30, trim_rule="drop-then-trim",
        highpass_hz=None if recording["highpass_hz"] == "none" else float(recording["highpass_hz"]),
    )  # fmt: skip
    if len(epochs.stage) != int(recording["epochs"]):
        sys.exit("the demo trims its nights in another way than this benchmark")
    return epochs


def main() -> int:
    metrics = json.loads((RESULTS / "demo" / "metrics.json").read_text())
    features, stages = {}, {}
    for recording in read_rows(RESULTS / "recordings.tsv"):
        epochs = as_simulated(recording)
        features[epochs.recording] = neighbours(log_band_powers(epochs.signal * epochs.scale_uv))
        stages[epochs.recording] = epochs.stage
    found = {
        "network": metrics["macro_f1"],
        "trees_on_training_side": trees(("train",), features, stages, metrics["n_folds"]),
        "trees_on_training_and_validation_side": trees(("train", "validation"), features, stages, metrics["n_folds"]),
    }
    least = max(LEAST, *(value - WITHIN for name, value in found.items() if name != "network"))
    missed = not least <= found["network"] <= MOST
    print(
        json.dumps({**{k: round(v, 4) for k, v in found.items()}, "least": round(least, 4), "missed": missed}, indent=1)
    )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
