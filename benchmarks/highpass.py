"""What does the high-pass filter for drift do to files that a recorder has filtered already? Prints a table.

Each recording is staged with its median taken off alone and with `highpass_hz` of 0.1, the default of folders and of
simulated nights. `uv_median` and `uv_largest` are of the difference of the two signals without their slowest part, that
is of what stands in 0.5 to 4 Hz, where slow waves are: the filter must not change their shape. `uv_slow_waves` is that
band's own 99th percentile, to compare with. Fails where fewer than 98 % of epochs keep their stage or where slow waves
change by more than a hundredth. Nights are simulated, passed through a recorder's high-pass, and with `--data` also
real (see `perturbations.py`).

    python benchmarks/highpass.py --data FOLDER
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from perturbations import PERTURBATIONS, originals, write
from scipy.signal import butter, sosfiltfilt

from hypnolens.network.files import load_models
from hypnolens.recordings.drift import without_drift
from hypnolens.scoring.reading import read_night
from hypnolens.scoring.staging import stage_night
from hypnolens.stagers.networks import NetworkStager

HIGHPASS_HZ = 0.1
SLOW_WAVES_HZ = (0.5, 4.0)
LEAST_SAME, MOST_CHANGE = 0.98, 0.01
"""Epochs of which the network is undecided (a probability below 0.5) may turn by a thousandth of a microvolt."""

RECORDERS = ("recorder's high-pass of 0.3 Hz", "recorder's high-pass of 0.5 Hz")


def recordings(folder: Path | None) -> Iterator[tuple[str, str, np.ndarray, float]]:
    """Name, what filtered it, samples in µV, and rate in Hz."""
    for kind, name, x, rate in originals(folder):
        if kind == "real":
            yield name, "its recorder", x, rate
            continue
        for filtered in RECORDERS:
            yield name, filtered, *PERTURBATIONS[filtered](x, rate, np.random.default_rng(0))


def measured(folder: Path, x: np.ndarray, rate: float) -> dict[str, float]:
    """One row of the table."""
    (scorer,) = load_models(None, ensemble=False)
    night = read_night(write(folder, x, rate))
    scorers = [replace(scorer, card={**scorer.card, "highpass_hz": hz}) for hz in (None, HIGHPASS_HZ)]
    stages = [stage_night(night, NetworkStager([one]), below=0.5).stage for one in scorers]
    sos = butter(2, SLOW_WAVES_HZ, "band", fs=rate, output="sos")
    stored, filtered = (sosfiltfilt(sos, without_drift(x, rate, hz)) for hz in (None, HIGHPASS_HZ))
    off = np.abs(stored - filtered)
    return {
        "uv_median": float(np.median(off)), "uv_largest": float(off.max()),
        "uv_slow_waves": float(np.percentile(np.abs(stored), 99)), "same_stage": float((stages[0] == stages[1]).mean()),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            {"recording": name, "filtered_by": by, **measured(Path(folder), x, rate)}
            for name, by, x, rate in recordings(given.data)
        ]
    table = pd.DataFrame(rows)
    print(table.to_csv(sep="\t", index=False, float_format="%.4g"))
    changed = table["uv_median"] > MOST_CHANGE * table["uv_slow_waves"]
    return int(((table["same_stage"] < LEAST_SAME) | changed).any())


if __name__ == "__main__":
    sys.exit(main())
