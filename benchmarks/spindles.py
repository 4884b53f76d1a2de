"""Do maps point to the spindles that experts marked? Prints a table, tab-separated; no bar, whatever comes out.

    python benchmarks/spindles.py --data FOLDER --model results/sim/demo/fold-0

FOLDER holds pairs ``NAME-PSG.edf`` and ``NAME-Hypnogram.edf`` and marks ``NAME-spindles.tsv`` (columns
``onset_s duration_s scorer``), such as those of the DREAMS spindle database. The network may come from any experiment;
it has not seen these recordings. Epochs of N2 and N3 that it stages as the expert did are explained; rows are those of
docs/explanations.md, each expert and their union by itself.
"""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd
import torch

from hypnolens.explanations.alignment import N_BINS, align_recording, alignment_table
from hypnolens.explanations.attributions import Decisions, explain_recording
from hypnolens.explanations.detectors import detect
from hypnolens.explanations.events import agreement_table, known_events
from hypnolens.explanations.maps import LAYER_IG
from hypnolens.network.files import read_model
from hypnolens.network.inference import probabilities
from hypnolens.recordings.extraction import extract
from hypnolens.recordings.normalisation import normalise

CHANNELS = ["C3-A1", "CZ-A1", "EEG", "EEG Fpz-Cz"]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--sample", type=int, default=60, help="epochs of a stage of a recording, at most")
    given = parser.parse_args()
    torch.set_num_threads(1)
    card = given.model / "model.json"
    model = read_model(given.model / "model.safetensors", card)
    told = json.loads(card.read_text())
    experiment, across_gaps = told["experiment"], told["experiment"]["across_gaps"]
    aligned, found = [], []
    for marks in sorted(given.data.glob("*-spindles.tsv")):
        name = marks.name.removesuffix("-spindles.tsv")
        epochs = extract(
            given.data / f"{name}-PSG.edf", given.data / f"{name}-Hypnogram.edf", recording=name, subject=name, night=1,
            channel=CHANNELS, sampling_rate_hz=told["sampling_rate_hz"], trim_wake_min=None, trim_rule="drop-then-trim",
            rates=(), sha1={}, source=name, highpass_hz=told.get("highpass_hz"),
        )  # fmt: skip
        decisions = Decisions(model, normalise(epochs, experiment["normalisation"]), across_gaps=across_gaps)
        predicted = probabilities(model, decisions.epochs, across_gaps=across_gaps, precision="fp32").argmax(axis=1)
        maps = explain_recording(decisions, predicted, n_bins=N_BINS, sample=given.sample, seed=0)
        sources = {"detected": detect(epochs), **known_events(marks)}
        events = pd.concat([table.assign(source=source) for source, table in sources.items()], ignore_index=True)
        aligned.append((name, align_recording(epochs, maps, events[events["kind"] == "spindle"], reference=LAYER_IG)))
        found.append(events)
        print(f"{name}: {(predicted == epochs.stage).sum()} of {len(predicted)} epochs staged right", file=sys.stderr)
    alignment_table(aligned).round(3).to_csv(sys.stdout, sep="\t", index=False)
    agreement_table(found).round(3).to_csv(sys.stderr, sep="\t", index=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
