"""How does a network stage real people, and is it as sure as it may be? Prints JSON; fails if a bar is missed.

Recordings are `NAME-PSG.edf` with one EEG channel and `NAME-Hypnogram.edf`, such as half-hours of DREAMS and pyDYNAM-O
(not part of this repository), and are read and staged as `hypnolens score` does. Intervals are Student's t over people.
YASA's accuracy was measured by hand on the same five recordings.

    python benchmarks/real.py --data FOLDER [--model MODEL] [--out RELIABILITY.png]
"""

import argparse
import json
import sys
from pathlib import Path

import mne
import numpy as np
from sklearn.metrics import accuracy_score, cohen_kappa_score, f1_score

from hypnolens.scoring.reading import read_night
from hypnolens.scoring.staging import stage_night
from hypnolens.stagers.interface import Stager
from hypnolens.stagers.known import load_stager
from hypnolens.stagers.names import DEMO
from hypnolens.stages import CODE, STAGES

AASM = {"W": "W", "1": "N1", "2": "N2", "3": "N3", "4": "N3", "R": "R"}
YASA = {"dreams1": 0.70, "dreams2": 0.88, "dreams3": 0.43, "dreams4": 0.73, "dynamo1": 0.87}
"""Accuracy of YASA 0.8.1 on one EEG channel."""

LEAST_ACCURACY, LEAST_KAPPA, OVERCONFIDENCE, OF_A_RECORDING = 0.62, 0.45, 0.10, 0.20


def true_stages(hypnogram: Path, n_epochs: int) -> np.ndarray:
    """Codes of the expert's stages, -1 where there is none, ``(n_epochs,)``."""
    codes, found = np.full(n_epochs, -1), mne.read_annotations(hypnogram)
    for onset, duration, text in zip(found.onset, found.duration, found.description, strict=True):
        codes[round(onset / 30) : round((onset + duration) / 30)] = CODE.get(AASM.get(text[-1], ""), -1)
    return codes


def staged(folder: Path, stager: Stager) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """True stages and probabilities of the epochs of each recording that have both."""
    found = {}
    for psg in sorted(folder.glob("*-PSG.edf")):
        name = psg.name.removesuffix("-PSG.edf")
        scored = stage_night(read_night(psg), stager, below=0.5)
        truth = true_stages(psg.with_name(f"{name}-Hypnogram.edf"), scored.n_epochs)
        kept = (truth >= 0) & scored.usable
        found[name] = truth[kept], scored.probability[kept]
        print(name, *scored.warnings, sep="\n  ", file=sys.stderr)
    return found


def scores(truth: np.ndarray, probability: np.ndarray) -> dict[str, float]:
    predicted = probability.argmax(axis=1)
    present = sorted(set(truth.tolist()))
    return {
        "epochs": len(truth), "accuracy": accuracy_score(truth, predicted), "kappa": cohen_kappa_score(truth,
        predicted), "macro_f1": f1_score(truth, predicted, labels=present, average="macro", zero_division=0),
        "confidence": float(probability.max(axis=1).mean()), "always_n2": float((truth == CODE["N2"]).mean()),
    }  # fmt: skip


def interval(values: list[float]) -> list[float]:
    """Mean over people with 95 % limits."""
    from scipy.stats import t

    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return [round(float(v), 3) for v in (np.mean(values), np.mean(values) - half, np.mean(values) + half)]


def draw(found: dict[str, tuple[np.ndarray, np.ndarray]], path: Path) -> None:
    """Reliability: accuracy by confidence, all epochs, and each recording as a point."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(4.6, 4.4), layout="constrained")
    confidence = np.concatenate([p.max(axis=1) for _, p in found.values()])
    right = np.concatenate([p.argmax(axis=1) == t for t, p in found.values()])
    edges = np.linspace(0.2, 1.0, 9)
    bins = np.digitize(confidence, edges[1:-1])
    shown = [b for b in range(8) if (bins == b).sum() >= 10]
    axes.plot([0.2, 1], [0.2, 1], color="0.6", linewidth=1, linestyle=":", label="as sure as right")
    axes.plot([confidence[bins == b].mean() for b in shown], [right[bins == b].mean() for b in shown], marker="o",
              label=f"{len(right)} epochs, bins of 10 or more")  # fmt: skip
    for name, (truth, p) in found.items():
        at = p.max(axis=1).mean(), (p.argmax(axis=1) == truth).mean()
        axes.plot(*at, marker="s", linestyle="", markersize=5, label=f"{name}, whole")
    axes.set(xlabel="confidence (probability of the stage given)", ylabel="accuracy", xlim=(0.2, 1), ylim=(0, 1))
    axes.legend(fontsize=7, frameon=False, loc="upper left")
    figure.savefig(path, dpi=150)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--model", default=DEMO)
    parser.add_argument("--out", type=Path, metavar="PNG", help="draw the reliability diagram")
    given = parser.parse_args()
    found = staged(given.data, load_stager(given.model))
    by_person = {name: scores(*one) for name, one in found.items()}
    pooled = scores(*(np.concatenate(parts) for parts in zip(*found.values(), strict=True)))
    keys = ("accuracy", "kappa", "macro_f1", "confidence")
    missed = [
        f"pooled {key}" for key, least in (("accuracy", LEAST_ACCURACY), ("kappa", LEAST_KAPPA)) if pooled[key] < least
    ]
    if pooled["confidence"] - pooled["accuracy"] > OVERCONFIDENCE:
        missed.append("pooled confidence")
    missed += [
        f"confidence of {n}" for n, one in by_person.items() if one["confidence"] - one["accuracy"] > OF_A_RECORDING
    ]
    result = {
        "by_person": {name: {**one, "yasa_accuracy": YASA.get(name)} for name, one in by_person.items()},
        "mean_of_people_and_95_percent_limits": {key: interval([one[key] for one in by_person.values()]) for key in
        keys}, "pooled": pooled, "share_of_stages": {
            stage: {"true": float(np.mean([*map(float, np.concatenate([t for t, _ in found.values()]) == code)])),
                    "given": float(np.mean(np.concatenate([p.argmax(axis=1) for _, p in found.values()]) == code))}
            for code, stage in enumerate(STAGES)
        },
        "missed": missed,
    }  # fmt: skip
    print(json.dumps(json.loads(json.dumps(result), parse_float=lambda text: round(float(text), 3)), indent=1))
    if given.out:
        draw(found, given.out)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
