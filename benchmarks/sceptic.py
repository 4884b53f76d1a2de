"""What else tells a simulated epoch's stage, or it from a real one? Prints JSON; fails if a bar is missed.

Stages by features that physiology does not explain: phases of the spectrum, the lowest bits of the samples, periods of
the synthesis (frames of 5 s, every 2.5 s), steps between epochs, and the number of the epoch modulo 2, 3, 5, 10 and 20.
Trees learn from other subjects; what they know is Cohen's kappa, which must stay at chance.

With ``--data FOLDER`` (``NAME-PSG.edf``, one EEG channel, such as half-hours of DREAMS and pyDYNAM-O) trees also learn
to tell real from simulated epochs, recordings left out one by one, and the features that they use most are listed: what
the simulation still lacks.

    python benchmarks/sceptic.py --data FOLDER
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import mne
import numpy as np
from scipy.signal import butter, hilbert, resample_poly, sosfiltfilt
from scipy.stats import kurtosis, skew
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import permutation_importance
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from hypnolens.simulation.night import simulate_night

AASM = {"W": "W", "1": "N1", "2": "N2", "3": "N3", "4": "N3", "R": "R"}
BANDS = {"delta": (0.5, 4), "theta": (4, 8), "alpha": (8, 11), "sigma": (11, 16), "beta": (16, 30)}
"""Up to where no recorder of the real ones has filtered: above, a low-pass alone tells them from the simulation."""
RATE, SAMPLES, STEP_UV = 100, 3000, 2 * 192 / 65535
KAPPA_AT_MOST = 0.05


def odd_features(signal: np.ndarray) -> np.ndarray:
    """What physiology does not explain, of each epoch: ``(n_epochs, n_features)``."""
    epochs = signal.reshape(-1, SAMPLES)
    stored = np.round(signal.clip(-192, 192) / STEP_UV).astype(np.int64).reshape(-1, SAMPLES)
    spectrum = np.fft.rfft(epochs, axis=1)
    phases = np.angle(spectrum[:, [15, 30, 60, 150, 300, 375, 600, 900]])
    bits = [((stored >> bit) & 1).mean(axis=1) for bit in range(4)]
    size = np.abs(epochs)
    frames = size[:, :2750].reshape(len(epochs), -1, 250).mean(axis=1)  # by place within a hop of the synthesis
    periods = [frames[:, part : part + 50].mean(axis=1) / frames.mean(axis=1) for part in range(0, 250, 50)]
    centred = epochs / epochs.std(axis=1, keepdims=True)
    repeats = [(centred[:, :-lag] * centred[:, lag:]).mean(axis=1) for lag in (250, 500, 1000, 1500)]
    jumps = np.abs(np.diff(signal, prepend=signal[0])).reshape(-1, SAMPLES)  # the first is that from the epoch before
    steps = jumps[:, 0] / jumps[:, 1:].mean(axis=1)
    number = np.arange(len(epochs))
    return np.column_stack([
        np.sin(phases), np.cos(phases), *bits, *periods, *repeats, steps,
        *(number % modulus for modulus in (2, 3, 5, 10, 20)),
    ])  # fmt: skip


def plain_features(signal: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """What an epoch is like, whatever explains it, amplitudes relative to the recording's: and the names."""
    epochs = signal.reshape(-1, SAMPLES)
    columns: dict[str, np.ndarray] = {}
    power = np.abs(np.fft.rfft(epochs * np.hanning(SAMPLES), axis=1)) ** 2
    hz = np.fft.rfftfreq(SAMPLES, 1 / RATE)
    for name, (low, high) in BANDS.items():
        log_power = np.log10(power[:, (hz >= low) & (hz < high)].mean(axis=1) + 1e-9)
        columns[f"{name} power over the recording's"] = log_power - np.median(log_power)
        band = sosfiltfilt(butter(2, (low, high), "bandpass", fs=RATE, output="sos"), signal).reshape(-1, SAMPLES)
        columns[f"{name} kurtosis"], columns[f"{name} skew"] = kurtosis(band, axis=1), skew(band, axis=1)
        envelope = np.abs(hilbert(band, axis=1))
        envelope = (envelope - envelope.mean(axis=1, keepdims=True)) / envelope.std(axis=1, keepdims=True)
        columns[f"{name} envelope after 1 s"] = (envelope[:, :-RATE] * envelope[:, RATE:]).mean(axis=1)
        inside = power[:, (hz >= low) & (hz < high)]
        columns[f"{name} flatness"] = np.exp(np.log(inside + 1e-9).mean(axis=1)) / inside.mean(axis=1)
    columns["peak-to-peak over RMS"] = np.ptp(epochs, axis=1) / epochs.std(axis=1)
    columns["zero crossings"] = (np.diff(np.sign(epochs), axis=1) != 0).mean(axis=1)
    columns["sharpest turn over RMS"] = np.abs(np.diff(epochs, 2, axis=1)).max(axis=1) / epochs.std(axis=1)
    return np.column_stack(list(columns.values())), list(columns)


def left_out(x: np.ndarray, y: np.ndarray, owner: np.ndarray, give: Callable) -> np.ndarray:
    """What trees say of each owner's epochs, learnt from the others."""
    parts = {}
    for one in np.unique(owner):
        trees = HistGradientBoostingClassifier(max_iter=100, random_state=0).fit(x[owner != one], y[owner != one])
        parts[one] = give(trees, x[owner == one])
    return np.concatenate([parts[one] for one in np.unique(owner)])


def stages_told(seeds: list[int], subjects: int) -> dict:
    """Kappa of stages by `odd_features`."""
    kappas = []
    for seed in seeds:
        x, y, owner = [], [], []
        for subject in range(subjects):
            night = simulate_night(seed=seed, subject=subject, night=1, hours=8, derivations=("EEG Fpz-Cz",))
            kept = np.array([label in AASM for label in night.stages])
            x.append(odd_features(night.signals["EEG Fpz-Cz"])[kept])
            y += [AASM[label] for label in night.stages if label in AASM]
            owner.append(np.full(kept.sum(), subject))
        labels = np.array(y)
        said = left_out(np.concatenate(x), labels, np.concatenate(owner), lambda trees, its: trees.predict(its))
        kappas.append(round(float(cohen_kappa_score(labels, said)), 4))
    return {"kappa": kappas, "bar": KAPPA_AT_MOST}


def real_told(folder: Path, seed: int) -> dict:
    """AUROC of real against simulated epochs, and the features that it rests on."""
    x, y, owner = [], [], []
    for psg in sorted(folder.glob("*-PSG.edf")):
        raw = mne.io.read_raw_edf(psg, verbose="error")
        rate = round(raw.info["sfreq"])
        if rate < RATE:
            continue
        signal = resample_poly(raw.get_data()[0] * 1e6, RATE, rate)
        x.append(plain_features(signal[: len(signal) // SAMPLES * SAMPLES])[0])
        y.append(np.ones(len(x[-1])))
        owner.append(np.full(len(x[-1]), len(owner)))
    for number, label in enumerate(["EEG C4-M1", "EEG Cz-A1", "EEG C4-M1", "EEG Cz-A1", "EEG Fpz-Cz", "EEG Cz-A1"]):
        signal = simulate_night(seed=seed, subject=number, night=1, hours=8, derivations=(label,)).signals[label]
        start = 120 * (1 + number) * SAMPLES
        found, names = plain_features(signal[start : start + 80 * SAMPLES])
        x.append(found)
        y.append(np.zeros(len(found)))
        owner.append(np.full(len(found), len(owner)))
    features, real, owners = map(np.concatenate, (x, y, owner))
    told = left_out(features, real, owners, lambda trees, its: trees.predict_proba(its)[:, 1])
    trees = HistGradientBoostingClassifier(max_iter=100, random_state=0).fit(features, real)
    used = permutation_importance(trees, features, real, scoring="neg_log_loss", n_repeats=5, random_state=0)
    order = np.argsort(used.importances_mean)[::-1][:12]
    medians = [np.median(features[real == which], axis=0) for which in (1, 0)]
    return {
        "real_epochs": int(real.sum()), "simulated_epochs": int((1 - real).sum()),
        "auroc_recordings_left_out": round(float(roc_auc_score(real, told)), 3),
        "used": [
            {"feature": names[i], "importance_nat": round(float(used.importances_mean[i]), 3),
             "median_real": round(float(medians[0][i]), 3), "median_simulated": round(float(medians[1][i]), 3)}
            for i in order
        ],
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="real recordings")
    parser.add_argument("--seed", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--subjects", type=int, default=6)
    given = parser.parse_args()
    result = {"stages_by_what_physiology_does_not_explain": stages_told(given.seed, given.subjects)}
    if given.data:
        result["real_against_simulated"] = real_told(given.data, given.seed[0])
    print(json.dumps(result, indent=1))
    return int(max(result["stages_by_what_physiology_does_not_explain"]["kappa"]) > KAPPA_AT_MOST)


if __name__ == "__main__":
    sys.exit(main())
