"""Are simulated nights as hard to stage as real ones, for as good reasons? Prints JSON; fails if a bar is missed.

Whole nights are simulated, trimmed to half an hour around sleep, and staged from log band powers of EEG Fpz-Cz by
gradient-boosted trees, leaving one subject out. Accuracy and F1 are compared with those of the same procedure on
real Sleep-EDF nights, band powers by stage and lengths of bouts with the table of real figures.

    python benchmarks/simulation.py --subjects 10 --nights 2 --seed 0
"""

import argparse
import json
import sys
from itertools import groupby
from pathlib import Path

import numpy as np
from scipy.signal import get_window
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, f1_score

from hypnolens.simulation.night import simulate_night

TABLE = json.loads((Path(__file__).parents[1] / "hypnolens/data/sleepedf_statistics.json").read_text())
STAGES = ("W", "N1", "N2", "N3", "R")
AASM = {"W": "W", "1": "N1", "2": "N2", "3": "N3", "4": "N3", "R": "R"}
CONTEXT, TRIM = 4, 60

ACCURACY = (0.78, 0.87)
F1_WITHIN, LOG_POWER_WITHIN, BOUT_WITHIN = 0.12, 0.3, 0.25


def log_band_powers(signal: np.ndarray) -> np.ndarray:
    """Welch by hand (256 samples, Hann, half overlap), so that the simulator is not judged by its own code."""
    epochs = signal.reshape(-1, 3000)
    window = get_window("hann", 256)
    segments = np.lib.stride_tricks.sliding_window_view(epochs, 256, axis=1)[:, ::128]
    segments = segments - segments.mean(axis=2, keepdims=True)
    density = (np.abs(np.fft.rfft(segments * window)) ** 2).mean(axis=1) * 2 / (100 * (window**2).sum())
    hz = np.fft.rfftfreq(256, 0.01)
    bands = TABLE["spectra"]["bands"].values()
    return np.log10(np.stack([density[:, (hz >= low) & (hz <= high)].mean(axis=1) for low, high in bands], axis=1))


def trimmed(stages: list[str], around: int = TRIM) -> slice:
    """From ``around`` epochs before the first to as many after the last epoch of sleep."""
    asleep = [i for i, stage in enumerate(stages) if stage != "W"]
    return slice(max(0, asleep[0] - around), asleep[-1] + around + 1)


def bouts(stages: list[str]) -> dict[str, list[int]]:
    """Lengths of the bouts of each stage, in epochs; stages 3 and 4 are one."""
    lengths: dict[str, list[int]] = {stage: [] for stage in STAGES}
    for stage, run in groupby(AASM.get(label, label) for label in stages):
        lengths.setdefault(stage, []).append(len(list(run)))
    return lengths


def real_bouts() -> dict[str, float]:
    """Mean length of bouts on real nights. N3 from the transitions out of stages 3 and 4 together."""
    table = TABLE["hypnogram"]
    lengths = {AASM[label]: table["bout_length_epochs"][label]["mean"] for label in "W12R"}
    counts, deep = np.array(table["transition_counts"]), [table["labels"].index(label) for label in "34"]
    left = counts[deep].sum() - counts[np.ix_(deep, deep)].sum()
    return lengths | {"N3": counts[deep].sum() / left}


def neighbours(powers: np.ndarray) -> np.ndarray:
    """Standardise over the night and join each epoch with its neighbours: ``(n_epochs, 45)``."""
    standard = (powers - powers.mean(axis=0)) / powers.std(axis=0)
    padded = np.pad(standard, ((CONTEXT, CONTEXT), (0, 0)), mode="edge")
    return np.hstack([padded[i : i + len(standard)] for i in range(2 * CONTEXT + 1)])


def measure(*, subjects: int, nights: int, seed: int, hours: float) -> dict:
    features, labels, owners, powers = [], [], [], []
    lengths: dict[str, list[int]] = {}
    for subject in range(subjects):
        for number in range(1, nights + 1):
            night = simulate_night(seed=seed, subject=subject, night=number, hours=hours)
            for stage, found in bouts(night.stages[trimmed(night.stages)]).items():
                lengths.setdefault(stage, []).extend(found)
            kept = np.array([label in AASM for label in night.stages])
            stages = [AASM[label] for label in night.stages if label in AASM]
            part = trimmed(stages)
            power = log_band_powers(night.signals["EEG Fpz-Cz"])[kept][part]
            powers.append(power)
            features.append(neighbours(power))
            labels.append(np.array(stages[part]))
            owners.append(np.full(len(power), subject))
    x, y, owner, power = map(np.concatenate, (features, labels, owners, powers))

    predicted = np.empty_like(y)
    for subject in range(subjects):
        trees = HistGradientBoostingClassifier(max_iter=120, random_state=0).fit(
            x[owner != subject], y[owner != subject]
        )
        predicted[owner == subject] = trees.predict(x[owner == subject])
    f1 = f1_score(y, predicted, average=None, labels=list(STAGES))

    real_f1, spectra, real_length = TABLE["benchmark"]["f1"], TABLE["spectra"]["stages"], real_bouts()
    accuracy = accuracy_score(y, predicted)
    off_f1 = {stage: value - real_f1[stage] for stage, value in zip(STAGES, f1, strict=True)}
    off_power = {stage: power[y == stage].mean(axis=0) - spectra[stage]["mean"] for stage in STAGES}
    off_bout = {stage: float(np.mean(lengths[stage]) / real_length[stage] - 1.0) for stage in STAGES}
    missed = []
    if not ACCURACY[0] <= accuracy <= ACCURACY[1]:
        missed.append("accuracy")
    missed += [f"F1 of {stage}" for stage in STAGES if abs(off_f1[stage]) > F1_WITHIN]
    missed += [f"band powers of {stage}" for stage in STAGES if np.abs(off_power[stage]).max() > LOG_POWER_WITHIN]
    missed += [f"bouts of {stage}" for stage in STAGES if abs(off_bout[stage]) > BOUT_WITHIN]
    return {
        "subjects": subjects,
        "nights": nights,
        "seed": seed,
        "hours": hours,
        "n_epochs": len(y),
        "share": {stage: round(float(np.mean(y == stage)), 3) for stage in STAGES},
        "accuracy": round(float(accuracy), 4),
        "macro_f1": round(float(f1.mean()), 4),
        "f1": {stage: round(float(value), 3) for stage, value in zip(STAGES, f1, strict=True)},
        "f1_minus_real": {stage: round(float(value), 3) for stage, value in off_f1.items()},
        "log10_power_minus_real": {stage: [round(float(v), 3) for v in values] for stage, values in off_power.items()},
        "bout_length_relative_to_real": {stage: round(value, 3) for stage, value in off_bout.items()},
        "missed": missed,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=10)
    parser.add_argument("--nights", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hours", type=float, default=11.0)
    result = measure(**vars(parser.parse_args()))
    print(json.dumps(result, indent=1))
    return 1 if result["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
