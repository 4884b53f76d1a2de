"""Time of `hypnolens score` for a night of 1,000 epochs. Prints one JSON object.

    python benchmarks/night.py [--width 16]

A night of noise with the spectrum of an EEG, and an untrained network: times do not depend on what it has learnt.
After import: from the file to stages, probabilities and statistics; then the page with attributions and events. With
start-up: the command as a process of its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import edfio
import numpy as np
import torch
from published import bf16_pays, median_seconds

from hypnolens.network.cards import card_of
from hypnolens.network.devices import pick_device
from hypnolens.network.files import load_models, write_model
from hypnolens.network.model import build
from hypnolens.pipeline import configuration
from hypnolens.pipeline.provenance import record
from hypnolens.scoring.night_page import write_page
from hypnolens.scoring.outputs import write_outputs
from hypnolens.scoring.reading import read_night
from hypnolens.scoring.staging import detail_of, stage_night
from hypnolens.stagers.known import load_stager

ROOT = Path(__file__).parent.parent


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=1000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    found = {"width": given.width, "epochs": given.epochs, "threads": given.threads}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file, model = night_of_noise(folder, given.epochs), untrained(folder, given.width)
        stagers = {precision: load_stager(str(model), precision=precision) for precision in ("fp32", "bf16")}
        for precision in ("fp32", "bf16"):
            if precision == "fp32" or bf16_pays(pick_device()):
                found[f"stages_{precision}_s"] = median_seconds(
                    lambda p=precision: stage_night(read_night(file), stagers[p], below=0.6),
                    repeats=given.repeats,
                )
        scored = stage_night(read_night(file), stagers["fp32"], below=0.6)
        found["files_s"] = median_seconds(lambda: write_outputs(scored, folder / "o"), repeats=given.repeats)
        for method in ("layer-integrated-gradients", "grad-cam"):
            began = time.perf_counter()
            write_page(scored, detail_of(scored, stagers["fp32"], method=method), folder / "page.html")
            found[f"page_{method}_s"] = time.perf_counter() - began
        found["page_mb"] = (folder / "page.html").stat().st_size / 1e6
        began = time.perf_counter()
        command = [sys.executable, "-m", "hypnolens.cli", "score", file, "--out", folder / "c", "--model", model]
        subprocess.run([*map(str, command), "--no-page", "--quiet"], check=True, cwd=ROOT)
        found["command_without_page_s"] = time.perf_counter() - began
    print(json.dumps({**{k: round(v, 2) for k, v in found.items()}, "made": record()}, indent=2))


def night_of_noise(folder: Path, n_epochs: int) -> Path:
    """An EDF file of noise whose amplitude falls with its frequency, 20 µV."""
    rng = np.random.default_rng(0)
    frequency = np.fft.rfftfreq(3000, 0.01)
    spectrum = np.fft.rfft(rng.standard_normal((n_epochs, 3000)), axis=1) / np.maximum(frequency, 0.5)
    signal = np.fft.irfft(spectrum, n=3000, axis=1).ravel()
    channel = edfio.EdfSignal(
        (signal / signal.std() * 20).clip(-190, 190), 100, label="EEG Fpz-Cz", physical_dimension="uV",
        physical_range=(-200, 200),
    )  # fmt: skip
    edfio.Edf([channel], data_record_duration=30).write(folder / "night.edf")
    return folder / "night.edf"


def untrained(folder: Path, width: int) -> Path:
    """The paper's network of some width, and its card."""
    experiment = {**configuration.load({}, ROOT).experiments["paper"], "width": width}
    card = card_of(
        about={"dataset": "none", "experiment_name": "untrained", "fold": 0},
        experiment=experiment,
        rate=100.0,
        highpass_hz=None,
        made=record(),
        subjects=0,
        kept_when_turned=1.0,
        temperature=1.0,
        origin={"kind": "simulate", "licence": "-", "citation": "-"},
        history=[],
        usual=load_models(None, ensemble=False)[0].card["usual"],
        recordings={"train": [], "validation": [], "test": []},
    )
    write_model(build(experiment, 100.0), card, weights=folder / "model.safetensors", path=folder / "model.json")
    return folder


if __name__ == "__main__":
    main()
