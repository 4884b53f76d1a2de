"""Does wake around a night change its stages? Prints one JSON object; fails if macro-F1 falls by more than 0.02.

Simulated nights that the shipped network has not seen are scored trimmed to half an hour of wake on each side of
sleep, and with their own wake repeated before and after up to 22 hours; macro-F1 is of the same epochs both times.
Half-hours of mostly one stage are scored alone as well, beside the same epochs in the whole night.

    python benchmarks/wake_around.py > benchmarks/results/wake-around.json
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from perturbations import CHANNEL, staged
from sklearn.metrics import f1_score

from hypnolens.recordings.hypnogram import kept_epochs
from hypnolens.recordings.vocabulary import AFTER_STAGE
from hypnolens.simulation.night import simulate_night
from hypnolens.stagers.known import load_stager
from hypnolens.stagers.names import DEMO
from hypnolens.stages import CODE, EPOCH_S, STAGES

RATE, MARGIN, HALF_HOUR = 100, 60, 60
MOST_LOST = 0.02


def night_of(seed: int, subject: int) -> tuple[np.ndarray, np.ndarray]:
    """Epochs of a night in µV, from half an hour before sleep to half an hour after, and their stages."""
    night = simulate_night(seed=seed, subject=subject, night=1, hours=9.0)
    codes = np.array([AFTER_STAGE[stage.lower()] for stage in night.stages])
    kept = kept_epochs(codes, margin=MARGIN, rule="drop-then-trim")
    return night.signals[CHANNEL].reshape(-1, RATE * EPOCH_S)[kept], codes[kept]


def macro_f1(truth: np.ndarray, found: np.ndarray) -> float:
    """Over the stages that the night has, of epochs that have one."""
    return float(f1_score(truth, found, labels=sorted(set(truth.tolist())), average="macro", zero_division=0))


def _mean(values: list[float]) -> float:
    return round(float(np.mean(values)), 3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nights", type=int, default=6)
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--model", default=DEMO)
    given = parser.parse_args()
    stager = load_stager(given.model)
    scores: dict[str, list[float]] = {"trimmed": [], "in_22_hours": []}
    alone: dict[str, list[float]] = {stage: [] for stage in STAGES}
    within: dict[str, list[float]] = {stage: [] for stage in STAGES}
    with tempfile.TemporaryDirectory() as folder:
        for subject in range(given.nights):
            epochs, truth = night_of(given.seed, subject)
            trimmed = staged(Path(folder), epochs.ravel(), RATE, stager).stage
            more = 22 * 120 - len(truth)
            wake = np.resize(np.flatnonzero(truth == CODE["W"]), more)
            before = more // 2
            padded = np.concatenate([epochs[wake[:before]], epochs, epochs[wake[before:]]])
            around = staged(Path(folder), padded.ravel(), RATE, stager).stage[before : before + len(truth)]
            scores["trimmed"].append(macro_f1(truth, trimmed))
            scores["in_22_hours"].append(macro_f1(truth, around))
            for code, stage in enumerate(STAGES):
                share = np.convolve(truth == code, np.ones(HALF_HOUR), "valid") / HALF_HOUR
                begin = int(share.argmax())
                span = slice(begin, begin + HALF_HOUR)
                alone[stage].append(
                    float((staged(Path(folder), epochs[span].ravel(), RATE, stager).stage == truth[span]).mean())
                )
                within[stage].append(float((trimmed[span] == truth[span]).mean()))
            print(subject, {key: round(of[-1], 3) for key, of in scores.items()}, file=sys.stderr, flush=True)
    means = {key: float(np.mean(of)) for key, of in scores.items()}
    found = {
        "nights": given.nights,
        "macro_f1": {key: round(mean, 3) for key, mean in means.items()},
        "largest_loss_of_a_night": round(max(np.subtract(scores["trimmed"], scores["in_22_hours"])), 3),
        "accuracy_of_the_half_hour_with_most_of_a_stage": {
            stage: {"alone": _mean(alone[stage]), "in_its_night": _mean(within[stage])}
            for stage in STAGES
        },
    }  # fmt: skip
    print(json.dumps(found, indent=1))
    return int(means["trimmed"] - means["in_22_hours"] > MOST_LOST)


if __name__ == "__main__":
    sys.exit(main())
