"""Are simulated nights as hard to stage as real ones, for as good reasons? Prints JSON; fails if a bar is missed.

Whole nights are simulated, trimmed to half an hour around sleep, and staged from log band powers of EEG Fpz-Cz by
gradient-boosted trees, leaving one subject out. Accuracy and F1 are compared with those of the same procedure on
real Sleep-EDF nights, band powers by stage and lengths of bouts with the table of real figures. What band powers do not
tell is compared with short real recordings (DREAMS, pyDYNAM-O): how peaked the spindle band is within an epoch, whether
that gives N2 away, whether trees gain by kurtosis and skew, and how peak-to-peak amplitudes are spread.

    python benchmarks/simulation.py --subjects 10 --nights 2 --seed 0 1 2 3 4
    python benchmarks/simulation.py --real FOLDER         # the figures of real recordings, from EDF+ pairs
"""

import argparse
import json
import sys
from itertools import groupby
from pathlib import Path

import mne
import numpy as np
from scipy.signal import butter, get_window, sosfiltfilt
from scipy.stats import kurtosis, skew
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from hypnolens.simulation.night import simulate_night

TABLE = json.loads((Path(__file__).parents[1] / "hypnolens/data/sleepedf_statistics.json").read_text())
STAGES = ("W", "N1", "N2", "N3", "R")
AASM = {"W": "W", "1": "N1", "2": "N2", "3": "N3", "4": "N3", "R": "R"}
CONTEXT, TRIM = 4, 60
SIGMA_HZ = (11.0, 16.0)

ACCURACY = (0.78, 0.87)
F1_WITHIN, LOG_POWER_WITHIN, BOUT_WITHIN = 0.12, 0.3, 0.25

REAL_KURTOSIS = {"W": 1.39, "N1": 1.32, "N2": 3.00, "N3": 2.11, "R": 0.78}
"""Excess kurtosis in the spindle band, median of all epochs of a stage; the recording at 50 Hz left out."""
REAL_PEAKS = {"N1": (0.72, 1.82), "N2": (0.65, 1.59), "N3": (0.77, 1.28), "R": (0.71, 1.52)}
"""5th and 95th percentile of epochs' peak-to-peak amplitude over the median, averaged over recordings (four half-hours
and 84 minutes) with at least ten epochs of the stage. W is left out: no person has more than 18 epochs of
it, and half of those have movement."""
EXPERTS_SPINDLES = {"W": (0.0, 1.8), "N1": (0.0, 1.3), "R": (0.0, 1.3)}
"""Range of spindles an epoch that experts marked (DREAMS); R, of which there is none, as N1."""
KURTOSIS_WITHIN, AUROC_AT_MOST, GAIN_AT_MOST, PEAKS_WITHIN = 1.0, 0.70, 0.03, 0.25
LEAST_EPOCHS = 10


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


def sigma_kurtosis(signal: np.ndarray, rate: float = 100.0) -> np.ndarray:
    """Excess kurtosis of each 30-s epoch in the spindle band: fourth-order Butterworth, both ways."""
    sos = butter(4, SIGMA_HZ, "bandpass", fs=rate, output="sos")
    return kurtosis(sosfiltfilt(sos, signal).reshape(-1, round(30 * rate)), axis=1)


def shapes(signal: np.ndarray) -> np.ndarray:
    """Kurtosis and skew of each epoch in each band: ``(n_epochs, 10)``."""
    found = []
    for low, high in TABLE["spectra"]["bands"].values():
        sos = butter(4, (low, min(high, 49.0)), "bandpass", fs=100, output="sos")
        epochs = sosfiltfilt(sos, signal).reshape(-1, 3000)
        found += [kurtosis(epochs, axis=1), skew(epochs, axis=1)]
    return np.stack(found, axis=1)


def peaks(
    signal: np.ndarray, stages: np.ndarray, rate: float = 100.0, stretch: int = 60
) -> dict[str, list[np.ndarray]]:
    """5th, 50th and 95th percentile of epochs' peak-to-peak amplitude, µV, by stage with enough epochs.

    Of each half-hour, as that is what most of the real recordings are: amplitudes drift over a night.
    """
    sizes = np.ptp(signal.reshape(-1, round(30 * rate)), axis=1)
    found: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(stages), stretch):
        part, its = sizes[start : start + stretch], stages[start : start + stretch]
        for stage in STAGES:
            if np.sum(its == stage) >= LEAST_EPOCHS:
                found.setdefault(stage, []).append(np.percentile(part[its == stage], [5, 50, 95]))
    return found


def detects(kurtoses: np.ndarray, stages: np.ndarray) -> float:
    """AUROC of a feature for N2 against W, N1 and R."""
    light = np.isin(stages, ["W", "N1", "R"])
    chosen = light | (stages == "N2")
    return float(roc_auc_score(stages[chosen] == "N2", kurtoses[chosen]))


def relative(percentiles: list[np.ndarray]) -> list[float]:
    """5th and 95th percentile over the median, averaged over stretches."""
    return [round(float(v), 3) for v in np.mean([(q[[0, 2]] / q[1]) for q in percentiles], axis=0)]


def staged(x: np.ndarray, y: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """Stages that trees give each subject, learnt from the others."""
    predicted = np.empty_like(y)
    for subject in np.unique(owner):
        trees = HistGradientBoostingClassifier(max_iter=120, random_state=0)
        predicted[owner == subject] = trees.fit(x[owner != subject], y[owner != subject]).predict(x[owner == subject])
    return predicted


def measure(*, subjects: int, nights: int, seed: int, hours: float) -> dict:
    columns: dict[str, list[np.ndarray]] = {key: [] for key in ("x", "shape", "y", "owner", "power", "kurtosis")}
    lengths: dict[str, list[int]] = {}
    aurocs, spread = [], {stage: [] for stage in STAGES}
    spindles, n_epochs = dict.fromkeys(STAGES, 0), dict.fromkeys(STAGES, 0)
    for subject in range(subjects):
        for number in range(1, nights + 1):
            night = simulate_night(seed=seed, subject=subject, night=number, hours=hours)
            for stage, found in bouts(night.stages[trimmed(night.stages)]).items():
                lengths.setdefault(stage, []).extend(found)
            kept = np.array([label in AASM for label in night.stages])
            stages = [AASM[label] for label in night.stages if label in AASM]
            part = trimmed(stages)
            signal, y = night.signals["EEG Fpz-Cz"], np.array(stages[part])
            for event in night.events:
                label = night.stages[int(event.onset_s // 30)]
                if event.kind == "spindle" and label in AASM:
                    spindles[AASM[label]] += 1
            for stage in stages:
                n_epochs[stage] += 1
            recorded = signal.clip(-192, 192)
            power, peaked = log_band_powers(signal)[kept][part], sigma_kurtosis(recorded)[kept][part]
            for stage, found in peaks(recorded.reshape(-1, 3000)[kept][part].ravel(), y).items():
                spread[stage] += found
            aurocs.append(detects(peaked, y))
            for key, value in {
                "x": neighbours(power), "shape": neighbours(shapes(recorded)[kept][part]), "y": y, "power": power,
                "owner": np.full(len(y), subject), "kurtosis": peaked,
            }.items():  # fmt: skip
                columns[key].append(value)
    x, shape, y, owner, power, peaked = (np.concatenate(columns[key]) for key in
                                         ("x", "shape", "y", "owner", "power", "kurtosis"))  # fmt: skip
    predicted = staged(x, y, owner)
    f1 = f1_score(y, predicted, average=None, labels=list(STAGES))
    gain = f1_score(y, staged(np.hstack([x, shape]), y, owner), average="macro") - f1.mean()

    real_f1, spectra, real_length = TABLE["benchmark"]["f1"], TABLE["spectra"]["stages"], real_bouts()
    accuracy = accuracy_score(y, predicted)
    off_f1 = {stage: value - real_f1[stage] for stage, value in zip(STAGES, f1, strict=True)}
    off_power = {stage: power[y == stage].mean(axis=0) - spectra[stage]["mean"] for stage in STAGES}
    off_bout = {stage: float(np.mean(lengths[stage]) / real_length[stage] - 1.0) for stage in STAGES}
    medians = {stage: float(np.median(peaked[y == stage])) for stage in STAGES}
    an_epoch = {stage: spindles[stage] / n_epochs[stage] for stage in STAGES}
    sizes = {stage: relative(found) for stage, found in spread.items()}
    missed = []
    if not ACCURACY[0] <= accuracy <= ACCURACY[1]:
        missed.append("accuracy")
    missed += [f"F1 of {stage}" for stage in STAGES if abs(off_f1[stage]) > F1_WITHIN]
    missed += [f"band powers of {stage}" for stage in STAGES if np.abs(off_power[stage]).max() > LOG_POWER_WITHIN]
    missed += [f"bouts of {stage}" for stage in STAGES if abs(off_bout[stage]) > BOUT_WITHIN]
    missed += [f"kurtosis of {s}" for s in STAGES if abs(medians[s] - REAL_KURTOSIS[s]) > KURTOSIS_WITHIN]
    if np.mean(aurocs) > AUROC_AT_MOST:
        missed.append("kurtosis tells N2")
    if gain > GAIN_AT_MOST:
        missed.append("gain by kurtosis and skew")
    missed += [f"spindles of {s}" for s, (low, high) in EXPERTS_SPINDLES.items() if not low < an_epoch[s] <= high]
    missed += [
        f"peaks of {stage}" for stage, real in REAL_PEAKS.items()
        if np.abs(np.array(sizes[stage]) / real - 1.0).max() > PEAKS_WITHIN
    ]  # fmt: skip
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
        "sigma_kurtosis": {stage: round(value, 2) for stage, value in medians.items()},
        "sigma_kurtosis_auroc_of_n2": round(float(np.mean(aurocs)), 3),
        "macro_f1_gained_by_kurtosis_and_skew": round(float(gain), 4),
        "spindles_an_epoch": {stage: round(value, 2) for stage, value in an_epoch.items()},
        "peaks_relative_to_median": sizes,
        "median_peaks_uv": {s: round(float(np.mean([q[1] for q in found]))) for s, found in spread.items()},
        "missed": missed,
    }


def real(folder: Path) -> dict:
    """The same figures of real recordings: ``NAME-PSG.edf`` with one EEG channel and ``NAME-Hypnogram.edf``."""
    kurtoses: dict[str, list[float]] = {stage: [] for stage in STAGES}
    spread: dict[str, list[np.ndarray]] = {stage: [] for stage in STAGES}
    aurocs = {}
    for psg in sorted(folder.glob("*-PSG.edf")):
        name = psg.name.removesuffix("-PSG.edf")
        raw = mne.io.read_raw_edf(psg, verbose="error")
        rate, signal = raw.info["sfreq"], raw.get_data()[0] * 1e6
        stages = np.full(int(len(signal) / rate / 30), "?", dtype=object)
        found = mne.read_annotations(psg.with_name(f"{name}-Hypnogram.edf"))
        for onset, duration, text in zip(found.onset, found.duration, found.description, strict=True):
            stages[round(onset / 30) : round((onset + duration) / 30)] = AASM.get(text[-1], "?")
        signal = signal[: round(len(stages) * 30 * rate)]
        for stage, sizes in peaks(signal, stages, rate, len(stages)).items():
            spread[stage] += sizes
        if rate < 3 * SIGMA_HZ[1] + 3:  # the upper part of the band is not there, or filtered
            continue
        peaked = sigma_kurtosis(signal, rate)
        for stage in STAGES:
            kurtoses[stage] += list(peaked[stages == stage])
        aurocs[name] = round(detects(peaked, stages), 3)
    return {
        "sigma_kurtosis": {stage: round(float(np.median(values)), 2) for stage, values in kurtoses.items()},
        "sigma_kurtosis_auroc_of_n2": aurocs,
        "peaks_relative_to_median": {stage: relative(found) for stage, found in spread.items() if found},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=10)
    parser.add_argument("--nights", type=int, default=2)
    parser.add_argument("--seed", type=int, nargs="+", default=[0])
    parser.add_argument("--hours", type=float, default=11.0)
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="measure real recordings and nothing else")
    given = parser.parse_args()
    if given.real:
        print(json.dumps(real(given.real), indent=1))
        return 0
    missed = []
    for seed in given.seed:
        result = measure(subjects=given.subjects, nights=given.nights, seed=seed, hours=given.hours)
        print(json.dumps(result, indent=1), flush=True)
        missed += result["missed"]
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
