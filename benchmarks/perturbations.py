"""What of a recording changes its stages, and is it said? Prints a table; fails where stages change without a warning.

Each night is staged as it is and after a perturbation, both from EDF files that are read as any other. Agreement is the
share of epochs with the same stage, of those that have one both times; where it is below 0.9, at least one warning must
have come that the unperturbed night did not have, or one that names the perturbation: no signal tells its polarity, and
a night that was filtered before is warned of before. Nights are simulated, and with `--data` also what `NAME-PSG.edf`
of a folder hold, such as half-hours of real people (DREAMS, pyDYNAM-O; not part of this repository).

    python benchmarks/perturbations.py --data FOLDER --out benchmarks/results/perturbations.tsv
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import edfio
import numpy as np
import pandas as pd
from scipy.signal import butter, iirnotch, resample_poly, sosfiltfilt, tf2sos

from hypnolens.scoring.reading import read_night
from hypnolens.scoring.scored import Scored
from hypnolens.scoring.staging import stage_night
from hypnolens.simulation.night import simulate_night
from hypnolens.stagers.interface import Stager
from hypnolens.stagers.known import load_stager
from hypnolens.stagers.names import DEMO

LEAST = 0.9
NIGHTS, HOURS, SEED = 3, 6.0, 77
CHANNEL = "EEG Fpz-Cz"

Change = Callable[[np.ndarray, float, np.random.Generator], tuple[np.ndarray, float]]


def _t(x: np.ndarray, rate: float) -> np.ndarray:
    return np.arange(len(x)) / rate


def _filtered(band: str, hz: float) -> Change:
    def change(x: np.ndarray, rate: float, rng: np.random.Generator) -> tuple[np.ndarray, float]:
        return (sosfiltfilt(butter(2, hz, band, fs=rate, output="sos"), x), rate) if hz < rate / 2 else (x, rate)

    return change


def _notch(x: np.ndarray, rate: float, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    hz = min(50.0, 0.49 * rate)
    return sosfiltfilt(tf2sos(*iirnotch(hz, 30, fs=rate)), x), rate


def _added(of: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]) -> Change:
    return lambda x, rate, rng: (x + of(x, rate, rng), rate)


def _line(hz: float, uv: float) -> Change:
    """A line as a recorder without a filter before its converter stores it: above half the rate it is an alias."""
    return _added(lambda x, rate, rng: uv * np.sin(2 * np.pi * hz * _t(x, rate) + 0.3))


def _heart(uv: float) -> Change:
    def beats(x: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
        onsets = np.cumsum(rng.normal(0.9, 0.05, int(len(x) / rate)))
        train = np.zeros(len(x))
        places = (onsets[onsets < len(x) / rate - 1] * rate).astype(int)
        train[places] = 1.0
        width = np.arange(-0.06, 0.06, 1 / rate)
        return uv * np.convolve(
            train, np.exp(-((width / 0.012) ** 2)) - 0.3 * np.exp(-(((width - 0.03) / 0.015) ** 2)), "same"
        )

    return _added(beats)


def _slow_noise(low: float, high: float, uv: float) -> Change:
    def noise(x: np.ndarray, rate: float, rng: np.random.Generator) -> np.ndarray:
        n = sosfiltfilt(butter(2, (low, high), "band", fs=rate, output="sos"), rng.standard_normal(len(x)))
        return uv * n / n.std()

    return _added(noise)


def _resampled(wanted: float) -> Change:
    def change(x: np.ndarray, rate: float, rng: np.random.Generator) -> tuple[np.ndarray, float]:
        return (resample_poly(x, int(wanted), int(rate), padtype="line"), wanted) if wanted < rate else (x, rate)

    return change


def _dead(share: float) -> Change:
    """An electrode that falls off for good."""

    def change(x: np.ndarray, rate: float, rng: np.random.Generator) -> tuple[np.ndarray, float]:
        n = int(share * len(x))
        return np.concatenate([x[: len(x) - n], 0.1 * rng.standard_normal(n)]), rate

    return change


PERTURBATIONS: dict[str, Change] = {
    **{f"offset of {uv:g} µV": _added(lambda x, rate, rng, uv=uv: np.full_like(x, uv)) for uv in (20.0, 200.0, 4000.0)},
    "ramp of 300 µV": _added(lambda x, rate, rng: np.linspace(0, 300, len(x))),
    "drift of 100 µV in 50 s": _line(0.02, 100.0),
    "polarity turned round": lambda x, rate, rng: (-x, rate),
    **{f"gain of {gain:g}": lambda x, rate, rng, gain=gain: (gain * x, rate) for gain in (0.25, 0.5, 2.0, 4.0)},
    **{f"clipped at {uv:g} µV": lambda x, rate, rng, uv=uv: (x.clip(-uv, uv), rate) for uv in (100.0, 50.0, 25.0)},
    **{f"recorder's high-pass of {hz:g} Hz": _filtered("highpass", hz) for hz in (0.3, 0.5, 1.0)},
    **{f"recorder's low-pass of {hz:g} Hz": _filtered("lowpass", hz) for hz in (35.0, 25.0, 15.0)},
    "notch at 50 Hz": _notch,
    **{f"resampled from {hz:g} Hz": _resampled(hz) for hz in (64.0, 50.0, 32.0)},
    **{f"white noise of {uv:g} µV": _added(lambda x, _, rng, uv=uv: rng.normal(0, uv, len(x))) for uv in (5.0, 15.0)},
    **{f"mains of {hz:g} Hz, {uv:g} µV": _line(hz, uv) for hz in (50.0, 60.0) for uv in (10.0, 50.0)},
    **{f"ECG of {uv:g} µV": _heart(uv) for uv in (20.0, 60.0)},
    "sweat of 60 µV, 0.1 to 0.5 Hz": _slow_noise(0.1, 0.5, 60.0),
    "breathing of 30 µV, 0.25 Hz": _line(0.25, 30.0),
    "steps of 2 µV": lambda x, rate, rng: (2.0 * np.round(x / 2.0), rate),
    "dead for the last half": _dead(0.5),
}  # fmt: skip


NAMED = {
    "polarity turned round": "which way round", "recorder's high-pass": "another high-pass filter",
    "ECG of": "as an ECG does", "white noise": ": noise",
}  # fmt: skip
"""Words of the warnings that name a perturbation, by how it begins."""

BEGINNING = 40
"""Letters of a warning that are the same whatever its numbers."""


def originals(folder: Path | None) -> Iterator[tuple[str, str, np.ndarray, float]]:
    """Kind and name of each night, its samples in µV, and its rate in Hz."""
    for subject in range(NIGHTS):
        night = simulate_night(seed=SEED, subject=subject, night=1, hours=HOURS)
        yield "simulated", f"simulated {subject}", np.asarray(night.signals[CHANNEL], dtype=np.float64), 100.0
    for path in sorted(folder.glob("*-PSG.edf")) if folder else ():
        night = read_night(path)
        yield "real", path.stem.removesuffix("-PSG"), night.signals[0].astype(np.float64), night.rate


def write(folder: Path, x: np.ndarray, rate: float) -> Path:
    """Write a signal as an EDF file."""
    path = folder / "night.edf"
    reach = max(float(np.abs(x).max()), 1.0)
    top = float(f"{1.001 * reach:.6g}")
    n = int(len(x) / rate) * int(rate)
    signal = edfio.EdfSignal(x[:n], rate, label=CHANNEL, physical_dimension="uV", physical_range=(-top, top))
    start = datetime(2020, 4, 24, 22)
    edfio.Edf([signal], starttime=start.time(), recording=edfio.Recording(startdate=start.date())).write(path)
    return path


def staged(folder: Path, x: np.ndarray, rate: float, stager: Stager) -> Scored:
    """A signal staged as a file gives it."""
    return stage_night(read_night(write(folder, x, rate)), stager, below=0.5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", default=DEMO)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    stager = load_stager(given.model)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, name, x, rate in originals(given.data):
            before = staged(Path(folder), x, rate, stager)
            for what, change in PERTURBATIONS.items():
                after = staged(Path(folder), *change(x, rate, np.random.default_rng(0)), stager)
                n = min(before.n_epochs, after.n_epochs)
                both = before.usable[:n] & after.usable[:n]
                same = float((before.stage[:n] == after.stage[:n])[both].mean()) if both.any() else np.nan
                old = {one[:BEGINNING] for one in before.warnings}
                names = next((words for begin, words in NAMED.items() if what.startswith(begin)), "no warning")
                new = [one for one in after.warnings if one[:BEGINNING] not in old or names in one]
                rows.append({"kind": kind, "night": name, "perturbation": what, "agreement": same,
                             "without_stage": float((~after.usable[:n]).mean()), "warnings": len(new),
                             "first": new[0] if new else ""})  # fmt: skip
            print(name, file=sys.stderr, flush=True)
    found = pd.DataFrame(rows)
    found["silent"] = (found["agreement"] < LEAST) & (found["warnings"] == 0)
    table = pd.concat({kind: of.groupby("perturbation", sort=False).agg(
        nights=("night", "size"), agreement=("agreement", "mean"), lowest=("agreement", "min"),
        without_stage=("without_stage", "mean"), warned=("warnings", lambda n: int((n > 0).sum())),
        silent=("silent", "sum"), warning=("first", "max"),
    ) for kind, of in found.groupby("kind", sort=False)}, names=["kind"]).reset_index()  # fmt: skip
    text = table.to_csv(sep="\t", index=False, float_format="%.3f")
    print(text)
    if given.out:
        given.out.write_text(text)
    return int(table["silent"].sum() > 0)


if __name__ == "__main__":
    sys.exit(main())
