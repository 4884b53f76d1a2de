"""Recordings in the names, layout and labels of Sleep-EDF and SHHS, with simulated signals, and what they say.

Stages are the truth of the signal below them, but for what is put in to be peculiar.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import groupby
from pathlib import Path

import numpy as np
from edfio import Edf, EdfAnnotation, EdfSignal, Recording
from scipy.signal import resample_poly

from hypnolens.simulation.night import Night, simulate_night
from hypnolens.stages import STAGES
from tests.conftest import RK, write_profusion

MERGED = {"W": "W", "1": "N1", "2": "N2", "3": "N3", "4": "N3", "R": "R"}
"""Stages by their label; movement and unscored epochs have none."""

CODES = {"W": 0, "1": 1, "2": 2, "3": 3, "4": 4, "R": 5, "M": 6, "?": 9}
"""Profusion's."""

MARGIN = 60
"""Epochs of wake that are kept on each side of sleep."""

SHORT_H, NIGHT_H = 0.25, 8.0
"""Hours of most recordings, and of a whole night."""

DAY, NIGHTS = "SC4001E0", ("SC4362F0", "shhs1-200010")
"""Recordings of their full length: an untrimmed day, the one with records of 60 s, and one of SHHS."""

DAY_EPOCHS, BEYOND = 2880, 6
"""Epochs of a hypnogram that ends with ``Sleep stage ?``, and beyond the signal of one that ends with W."""

AWAKE = 840
"""Epochs of the day before its night, and after it."""

LONG_RECORDS = {"SC4362F0": 60.0}
"""Seconds of a data record, where they are not 30."""


@dataclass(frozen=True)
class Written:
    """A recording as it was written.

    Attributes
    ----------
    recording
        Its name.
    stages
        Stage of each epoch that the paper keeps, by its number from the start of the signal.
    """

    recording: str
    stages: Mapping[int, str]

    def counts(self) -> list[int]:
        """Epochs of each stage, in the order of `STAGES`."""
        return [sum(stage == known for known in self.stages.values()) for stage in STAGES]


def kept(labels: Sequence[str]) -> dict[int, str]:
    """Stage by epoch, of what is left without movement and unscored epochs, and of wake at most 60 on each side."""
    known = [(number, MERGED[label]) for number, label in enumerate(labels) if label in MERGED]
    asleep = [place for place, (_, stage) in enumerate(known) if stage != "W"]
    return dict(known[max(0, asleep[0] - MARGIN) : asleep[-1] + MARGIN + 1])


def write_sleepedf(row: Mapping[str, str], number: int, folder: Path) -> Written:
    """Write the two files of a recording of the table of Sleep-EDF.

    The hypnogram is longer than the signal, as the genuine ones are. Most end with ``Sleep stage ?``; every seventh
    ends with W, and others have movement or unscored epochs in the night.
    """
    name = row["recording"]
    night = _night(name, number)
    labels = _peculiar(night.stages, number)
    clock = time.fromisoformat(row["lights_off"])
    start = datetime(1989, 4, 24 + int(row["night"]), clock.hour, clock.minute) - timedelta(minutes=2)
    head = {"starttime": start.time(), "recording": Recording(startdate=start.date())}
    seconds, rng = 30 * len(labels), np.random.default_rng(number)
    signals = [_signal(label, x, 100, limit=192 if "EEG" in label else 1008) for label, x in night.signals.items()]
    for label, unit in (("Resp oro-nasal", ""), ("EMG submental", "uV"), ("Temp rectal", "DegC"), ("Event marker", "")):
        signals.append(_signal(label, rng.normal(0, 1, seconds), 1, limit=10, unit=unit))
    Edf(signals, data_record_duration=LONG_RECORDS.get(name, 30.0), **head).write(folder / f"{name}-PSG.edf")
    tail = ["W"] * BEYOND if number % 7 == 3 else ["?"] * (DAY_EPOCHS - len(labels))
    hypnogram = Edf([], annotations=list(_bouts([*labels, *tail])), **head)
    hypnogram.write(folder / f"{row['hypnogram']}-Hypnogram.edf")
    return Written(name, kept(labels))


def write_shhs(name: str, number: int, folder: Path) -> Written:
    """Write the two files of a recording of SHHS: fourteen channels of 1 to 250 Hz, and stages in Profusion's XML.

    Every seventh has 128 Hz in place of 125, every fifth stages beyond its signal, every third some seconds of signal
    that fill no epoch.
    """
    night = _night(name, number)
    labels = _peculiar(night.stages, number)
    rate = 128 if number % 7 == 0 else 125
    eeg = resample_poly(night.signals["EEG Fpz-Cz"], rate, 100)
    more = 17 if number % 3 == 0 else 0
    write_shhs_psg(folder / f"{name}.edf", rate, 30 * len(labels) + more, eeg=np.pad(eeg, (0, more * rate)))
    beyond = ["W"] * 2 if number % 5 == 0 else []
    write_profusion(folder / f"{name}-profusion.xml", [CODES[label] for label in [*labels, *beyond]])
    return Written(name, kept(labels))


def write_shhs_psg(path: Path, rate: int, seconds: int, *, eeg: np.ndarray | None = None) -> None:
    """Write a file in the shape of SHHS: records of 1 s, fourteen channels at 1 to 250 Hz, EEG among them twice."""
    labels = {"SaO2": 1, "H.R.": 1, "EEG(sec)": rate, "ECG": 250, "EMG": rate, "EOG(L)": 50, "EOG(R)": 50, "EEG": rate,
              "SOUND": 10, "AIRFLOW": 10, "THOR RES": 10, "ABDO RES": 10, "POSITION": 1, "LIGHT": 1}  # fmt: skip
    rng = np.random.default_rng(0)
    noise = {label: rng.normal(0, 20, n * seconds) for label, n in labels.items()}
    if eeg is not None:
        noise["EEG"] = eeg
    signals = [_signal(label, noise[label], n, limit=125) for label, n in labels.items()]
    Edf(signals, data_record_duration=1).write(path)


def _night(name: str, number: int) -> Night:
    whole = name == DAY or name in NIGHTS
    night = simulate_night(seed=7, subject=number, night=1, hours=NIGHT_H if whole else SHORT_H)
    if name != DAY:
        return night
    # Whoever is simulated sleeps as long as there is time: what is awake in the day is the beginning of the night.
    awake = night.stages[: next(n for n, stage in enumerate(night.stages) if stage != "W")]
    day = {label: np.resize(x[: 3000 * len(awake)], 3000 * AWAKE) for label, x in night.signals.items()}
    signals = {label: np.concatenate([day[label], x, day[label]]) for label, x in night.signals.items()}
    return Night(signals, ["W"] * AWAKE + night.stages + ["W"] * AWAKE, night.events)


def _peculiar(stages: Sequence[str], number: int) -> list[str]:
    """Labels with movement or unscored epochs put in: two in a row in the middle of every fifth, and of every sixth."""
    labels, middle = list(stages), len(stages) // 2
    if number % 5 == 1:
        labels[middle : middle + 2] = "MM"
    if number % 6 == 2:
        labels[middle : middle + 2] = "??"
    return labels


def _bouts(labels: Sequence[str]) -> Iterator[EdfAnnotation]:
    """An annotation a bout of the same label."""
    epoch = 0
    for label, bout in groupby(labels):
        length = len(list(bout))
        yield EdfAnnotation(30.0 * epoch, 30.0 * length, RK[label])
        epoch += length


def _signal(label: str, x: np.ndarray, rate: int, *, limit: float, unit: str = "uV") -> EdfSignal:
    return EdfSignal(x.clip(-limit, limit), rate, label=label, physical_dimension=unit, physical_range=(-limit, limit))
