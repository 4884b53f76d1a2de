"""Shared by all tests: small recordings made on the spot, and where real ones may be found."""

import os
from datetime import datetime
from pathlib import Path

import edfio
import numpy as np
import pandas as pd
import pytest
import torch

from hypnolens.evaluation.predictions import PROBABILITIES
from hypnolens.recordings.epochs import Epochs
from tests.server import Server

# Tiny networks are slower on two threads, and many times so where something else computes. `make arithmetic` asks for
# two.
torch.set_num_threads(int(os.environ.get("HYPNOLENS_TEST_THREADS", "1")))

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("HYPNOLENS_TEST_DATA", ROOT.parent / "shared" / "data"))

MACHINE = ("cluster", "conda", "faults", "rehearsal")
"""Folders whose tests take a whole machine."""

CHAINS = {"finished", "pipeline", "fetched"}
"""What runs Snakemake."""


def pytest_itemcollected(item):
    """Mark what `make test` leaves out, and of that what needs both cores and is run by one process."""
    folder, fixtures = item.path.relative_to(ROOT / "tests").parts[0], set(item.fixturenames)
    if folder in MACHINE or (folder == "workflow" and fixtures & CHAINS):
        item.add_marker(pytest.mark.machine)
    if item.get_closest_marker("machine") or folder == "fuzz" or "tab" in fixtures:
        item.add_marker(pytest.mark.slow)


RK = {"W": "Sleep stage W", "1": "Sleep stage 1", "2": "Sleep stage 2", "3": "Sleep stage 3", "4": "Sleep stage 4",
      "R": "Sleep stage R", "M": "Movement time", "?": "Sleep stage ?"}  # fmt: skip


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder with real recordings and hypnograms, which are not part of the project."""
    if not DATA.is_dir():
        pytest.skip(f"no real data at {DATA}; set HYPNOLENS_TEST_DATA to the folder that holds them")
    return DATA


def write_psg(path, channels, *, rate=100.0, record_s=30.0, unit="uV", start=None, limits=(-200.0, 200.0)):
    """Write an EDF+ file; ``channels`` maps labels to µV ``(n_samples,)``."""
    start = start or datetime(1989, 4, 24, 16, 13)
    signals = [
        edfio.EdfSignal(x, rate, label=label, physical_dimension=unit, physical_range=limits)
        for label, x in channels.items()
    ]
    edf = edfio.Edf(
        signals,
        data_record_duration=record_s,
        starttime=start.time(),
        recording=edfio.Recording(startdate=start.date()),
    )
    edf.write(path)
    return path


def write_hypnogram(path, labels, *, start=None, onset=0.0, texts=RK):
    """Write an EDF+ annotation file, one annotation an epoch of ``labels`` (keys of ``texts``)."""
    start = start or datetime(1989, 4, 24, 16, 13)
    entries = [edfio.EdfAnnotation(onset + 30.0 * i, 30.0, texts[label]) for i, label in enumerate(labels)]
    edf = edfio.Edf([], starttime=start.time(), recording=edfio.Recording(startdate=start.date()), annotations=entries)
    edf.write(path)
    return path


def write_profusion(path, codes, *, length=30):
    """Write stages as Profusion does, a code an epoch."""
    stages = "".join(f"<SleepStage>{code}</SleepStage>" for code in codes)
    path.write_text(
        f'<?xml version="1.0" encoding="utf-8"?><CMPStudyConfig><EpochLength>{length}</EpochLength><ScoredEvents/>'
        f"<SleepStages>{stages}</SleepStages></CMPStudyConfig>"
    )
    return path


def write_pair(folder, name, labels, *, seed=0, **psg):
    """A PSG of noise and its hypnogram, as long as ``labels``; returns both paths."""
    rate = psg.get("rate", 100.0)
    noise = np.random.default_rng(seed).normal(0, 20, round(len(labels) * 30 * rate)).clip(-190, 190)
    folder.mkdir(parents=True, exist_ok=True)
    return (
        write_psg(folder / f"{name}-PSG.edf", {"EEG Fpz-Cz": noise}, **psg),
        write_hypnogram(folder / f"{name}-Hypnogram.edf", labels),
    )


def make_epochs(stages, *, index=None, name="R1", rate=100.0, seed=0) -> Epochs:
    """Epochs whose loudness depends on the stage, so that a network has something to learn."""
    rng = np.random.default_rng(seed)
    stages = np.asarray(stages, dtype=np.int8)
    loud = 200.0 * (1 + stages[:, None].astype(float))
    return Epochs(
        signal=(rng.standard_normal((len(stages), round(30 * rate))) * loud).astype(np.int16),
        stage=stages,
        epoch_index=np.arange(len(stages), dtype=np.int32) if index is None else np.asarray(index, dtype=np.int32),
        scale_uv=0.05,
        rate=rate,
        first_s=0.0,
        recording=name,
        subject=name,
        night=1,
        channel="EEG",
        start_time="1989-04-24T16:13:00",
        source="R-PSG.edf",
        source_sha256="0" * 64,
        dropped={"movement": 0, "unscored": 0, "trimmed": 0},
        flags=[],
    )


def pink(n_epochs, *, uv=30.0, rate=100.0, seed=0):
    """Noise with the slope of an EEG, of a given standard deviation in each epoch."""
    rng, n = np.random.default_rng(seed), round(30 * rate)
    spectrum = np.fft.rfft(rng.standard_normal((n_epochs, n)), axis=1)
    frequency = np.fft.rfftfreq(n, 1 / rate)
    spectrum *= np.where(frequency > 0.4, np.maximum(frequency, 0.4) ** -1.0, 0.0)
    signal = np.fft.irfft(spectrum, n=n, axis=1)
    return (signal / signal.std(axis=1, keepdims=True) * np.reshape(uv, (-1, 1))).ravel()


def make_predictions(rows):
    """Predictions from true stage, predicted stage, and probability of the latter."""
    frame = pd.DataFrame(0.0, index=range(len(rows)), columns=PROBABILITIES)
    for row, (_, predicted, sure) in enumerate(rows):
        frame.loc[row] = (1 - sure) / 4
        frame.loc[row, f"p_{predicted}"] = sure
    true, predicted, _ = zip(*rows, strict=True)
    index = np.arange(len(rows))
    return frame.assign(
        recording="R1", subject="s", epoch_index=index, onset_s=30.0 * index, stage_true=true, stage_pred=predicted,
        fold=0,
    )  # fmt: skip


@pytest.fixture
def server():
    """A server of files that can be told to misbehave."""
    server = Server()
    yield server
    server.close()
