"""Simulated nights as files: EDF+ pairs in the manner of Sleep-EDF, and the true events beside them."""

from datetime import date, time, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
from edfio import Edf, EdfAnnotation, EdfSignal, Patient, Recording

from hypnolens.simulation.derivations import range_uv
from hypnolens.simulation.events import RATE_HZ
from hypnolens.simulation.night import Night

PREFILTER = "HP:0.5Hz LP:50Hz [simulated]"
START = date(2001, 1, 1), time(22, 0, 0)

DAY_EPOCHS = 2880
TEXTS = {"M": "Movement time"}


def write_night(night: Night, *, psg: Path, hypnogram: Path, events: Path, subject: str = "X", number: int = 1) -> None:
    """Write a night as three files, the same bytes each time.

    The hypnogram spans 24 hours, as Sleep-EDF's do, or one epoch more than its signal: beyond the signal's end it
    says ``Sleep stage ?``.

    Parameters
    ----------
    night
        What to write. Signals beyond the recorder's range (192 µV for Sleep-EDF's EEG) are cut off.
    psg, hypnogram, events
        Files to write; their folders must exist. ``events`` is a TSV of ``onset_s``, ``duration_s`` and ``kind``.
    subject
        Code of the person, for the header.
    number
        Number of the night, which sets the date (the n-th of January 2001); the recording starts at 22:00.
    """
    day, clock = START
    edf = partial(
        Edf,
        patient=Patient(code=subject, name="simulated"),
        recording=Recording(startdate=day + timedelta(days=number - 1), equipment_code="simulated"),
        starttime=clock,
    )
    signals = [
        EdfSignal(
            np.clip(signal, -range_uv(label), range_uv(label)),
            RATE_HZ,
            label=label,
            transducer_type="simulated",
            physical_dimension="uV",
            physical_range=(-range_uv(label), range_uv(label)),
            prefiltering=PREFILTER,
        )
        for label, signal in night.signals.items()
    ]
    edf(signals, data_record_duration=30).write(psg)
    edf([], annotations=_annotations(night.stages)).write(hypnogram)
    lines = ["onset_s\tduration_s\tkind"]
    lines += [f"{event.onset_s:.2f}\t{event.duration_s:.2f}\t{event.kind}" for event in night.events]
    events.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _annotations(stages: list[str]) -> list[EdfAnnotation]:
    """Return an annotation a bout, the last one beyond the signal's end."""
    labels = stages + ["?"] * max(1, DAY_EPOCHS - len(stages))
    annotations, epoch = [], 0
    for label, bout in groupby(labels):
        length = len(list(bout))
        annotations.append(EdfAnnotation(epoch * 30.0, length * 30.0, TEXTS.get(label, f"Sleep stage {label}")))
        epoch += length
    return annotations
