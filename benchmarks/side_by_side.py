"""Real and simulated nights side by side, in one figure: spectra, kurtosis, amplitudes, hypnograms, epochs.

Real recordings are `NAME-PSG.edf` and `NAME-Hypnogram.edf` of ``FOLDER/real``, hypnograms `SC*-Hypnogram.edf` of
``FOLDER/hypnograms`` (not part of this repository; DREAMS, pyDYNAM-O, Sleep-EDF).

    python benchmarks/side_by_side.py --data FOLDER --out docs/simulation.png
"""

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import mne
import numpy as np
from scipy.signal import welch
from simulation import AASM, STAGES, sigma_kurtosis

from hypnolens.simulation.night import simulate_night

COLOURS = {"W": "#0072b2", "N1": "#e69f00", "N2": "#009e73", "N3": "#cc79a7", "R": "#d55e00"}
REAL, SIMULATED = "real (DREAMS, pyDYNAM-O)", "simulated (EEG C4-M1)"
LEVEL = {"W": 4, "R": 3, "N1": 2, "N2": 1, "N3": 0}
LABEL = "EEG C4-M1"


def labels_of(hypnogram: Path, n_epochs: int) -> np.ndarray:
    labels, found = np.full(n_epochs, "", dtype=object), mne.read_annotations(hypnogram)
    for onset, duration, text in zip(found.onset, found.duration, found.description, strict=True):
        labels[round(onset / 30) : round((onset + duration) / 30)] = AASM.get(text[-1], "")
    return labels


def real_ones(folder: Path) -> list[tuple[np.ndarray, float, np.ndarray]]:
    found = []
    for psg in sorted(folder.glob("*-PSG.edf")):
        raw = mne.io.read_raw_edf(psg, verbose="error")
        rate = raw.info["sfreq"]
        signal = raw.get_data()[0] * 1e6
        labels = labels_of(psg.with_name(psg.name.replace("PSG", "Hypnogram")), int(len(signal) / rate / 30))
        found.append((signal[: int(len(labels) * 30 * rate)].reshape(len(labels), -1), rate, labels))
    return found


def simulated_ones() -> list[tuple[np.ndarray, float, np.ndarray]]:
    nights = [simulate_night(seed=0, subject=s, night=1, hours=8, derivations=(LABEL,)) for s in range(5)]
    return [
        (
            night.signals[LABEL].reshape(-1, 3000),
            100.0,
            np.array([AASM.get(one, "") for one in night.stages], dtype=object),
        )
        for night in nights
    ]


def spectra(axes: plt.Axes, nights: list, title: str) -> None:
    for stage in STAGES:
        curves = []
        for epochs, rate, labels in nights:
            if rate > 50 and (labels == stage).sum() >= 5:
                hz, density = welch(epochs[labels == stage], rate, nperseg=int(4 * rate), axis=1)
                curves.append(np.interp(np.arange(0.5, 35, 0.25), hz, np.log10(np.median(density, axis=0))))
        if curves:
            axes.plot(np.arange(0.5, 35, 0.25), np.mean(curves, axis=0), color=COLOURS[stage], label=stage)
    axes.set(
        title=title, xlabel="frequency (Hz)", ylabel="log10 power density (µV²/Hz)", ylim=(-2.5, 3.5), xlim=(0, 35)
    )
    axes.legend(fontsize=7, frameon=False, ncols=2)


def boxes(axes: plt.Axes, groups: list[list[np.ndarray]], ylabel: str, **options: object) -> None:
    """Two boxes a stage, real and simulated."""
    for number, values in enumerate(groups):
        shown = axes.boxplot(values, positions=np.arange(len(STAGES)) + 0.36 * number - 0.18, widths=0.3, whis=(5, 95),
                             showfliers=False, patch_artist=True, medianprops={"color": "black"})  # fmt: skip
        for box in shown["boxes"]:
            box.set_facecolor(("white", "#9ecae1")[number])
    axes.set_xticks(range(len(STAGES)), STAGES)
    axes.set(ylabel=ylabel, **options)
    handles = [plt.Rectangle((0, 0), 1, 1, facecolor=colour, edgecolor="black") for colour in ("white", "#9ecae1")]
    axes.legend(handles, [REAL, SIMULATED], fontsize=7, frameon=False)


def hypnograms(axes: plt.Axes, nights: list[list[str]], title: str) -> None:
    for number, labels in enumerate(nights):
        kept = [label for label in labels if label in LEVEL]
        asleep = [i for i, label in enumerate(kept) if label != "W"]
        shown = kept[max(0, asleep[0] - 20) : asleep[-1] + 20]
        axes.step(np.arange(len(shown)) / 120, [LEVEL[one] / 5 + number for one in shown], linewidth=0.7, color="black")
    axes.set(title=title, xlabel="hours", xlim=(0, 10), yticks=[])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    real, made = real_ones(given.data / "real"), simulated_ones()
    figure, axes = plt.subplot_mosaic("aabbccdd;eeefffgg;hhhhhhhh;iiiiiiii", figsize=(15, 13), layout="constrained",
                                      height_ratios=[3, 3, 1.4, 1.4])  # fmt: skip
    spectra(axes["a"], real, f"Spectra, {REAL}")
    spectra(axes["b"], made, f"Spectra, {SIMULATED}")
    gathered = {}
    for key, value in (("kurtosis", lambda x, rate: sigma_kurtosis(x.ravel(), rate)),
                       ("peaks", lambda x, rate: np.ptp(x, axis=1))):  # fmt: skip
        gathered[key] = [
            [np.concatenate([value(x, r)[labels == stage] for x, r, labels in nights if r > 50]) for stage in STAGES]
            for nights in (real, made)
        ]
    boxes(
        axes["c"], gathered["kurtosis"], "excess kurtosis, 11–16 Hz", title="Bursts in the spindle band", ylim=(-1, 20)
    )
    boxes(axes["d"], gathered["peaks"], "peak-to-peak (µV)", title="Amplitude of epochs", yscale="log")
    files = sorted((given.data / "hypnograms").glob("SC*-Hypnogram.edf"))[:6]
    hypnograms(axes["e"], [list(labels_of(file, 2880)) for file in files], "Hypnograms, six of Sleep-EDF (W above N3)")
    nights = [simulate_night(seed=0, subject=s, night=1, hours=11, derivations=("EEG Fpz-Cz",)) for s in range(6)]
    hypnograms(
        axes["f"], [[AASM.get(one, "") for one in night.stages] for night in nights], "Hypnograms, six simulated"
    )
    shares = [
        [100 * np.mean([label == stage for night in of for label in night if label in LEVEL]) for stage in STAGES]
        for of in ([list(labels_of(file, 2880)) for file in sorted((given.data / "hypnograms").glob("SC*"))],
                   [[AASM.get(one, "") for one in night.stages] for night in nights])
    ]  # fmt: skip
    asleep = [[value / sum(of[1:]) * 100 for value in of[1:]] for of in shares]
    for number, (of, colour) in enumerate(zip(asleep, ("white", "#9ecae1"), strict=True)):
        axes["g"].bar(np.arange(4) + 0.36 * number - 0.18, of, 0.34, facecolor=colour, edgecolor="black",
                      label=("Sleep-EDF, 11 nights", "simulated, 6 nights")[number])  # fmt: skip
    axes["g"].set_xticks(range(4), STAGES[1:])
    axes["g"].set(ylabel="% of sleep", title="Stages")
    axes["g"].legend(fontsize=7, frameon=False)
    for key, nights_, title in (("h", real, f"Epochs, {REAL}"), ("i", made, f"Epochs, {SIMULATED}")):
        place = 0
        for stage in STAGES:
            for epochs, rate, labels in nights_[: 1 if key == "i" else None]:
                found = np.flatnonzero(labels == stage)
                if rate >= 100 and len(found) > 3:
                    x = epochs[found[len(found) // 2]]
                    axes[key].plot(place + np.arange(len(x)) / rate / 30 * 0.95, x, color=COLOURS[stage], linewidth=0.4)
                    axes[key].text(place + 0.02, 130, stage, color=COLOURS[stage])
                    place += 1
                    break
        axes[key].set(title=title, ylabel="µV", ylim=(-160, 160), xlim=(0, 5), xticks=range(6),
                      xticklabels=[f"{30 * tick} s" for tick in range(6)])  # fmt: skip
    figure.savefig(given.out, dpi=110)
    return 0


if __name__ == "__main__":
    sys.exit(main())
