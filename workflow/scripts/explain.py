"""Explain some epochs: the clearest and the least sure of each stage, and errors by kind."""

from pathlib import Path

import torch

from hypnolens.attributions import Decisions, explain
from hypnolens.detectors import detect
from hypnolens.epochs import read_epochs
from hypnolens.explanations import choose, write_explained
from hypnolens.logs import logged
from hypnolens.models import read_model
from hypnolens.normalisation import normalise
from hypnolens.predictions import read_predictions

with logged(snakemake.log[0]) as log:
    options = snakemake.params.options
    torch.set_num_threads(options["torch_threads"])
    folder = Path(snakemake.params.epochs)
    explained = {}
    chosen = choose(read_predictions(snakemake.input.predictions))
    for (fold, recording), rows in chosen.groupby(["fold", "recording"], sort=False):
        model = read_model(Path(snakemake.input.models[fold]), Path(snakemake.input.cards[fold]))
        epochs = read_epochs(folder / f"{recording}.safetensors")
        events = detect(epochs)
        decisions = Decisions(model, normalise(epochs, options["normalisation"]), across_gaps=options["across_gaps"])
        explained |= {row.Index: explain(decisions, epochs, events, row) for row in rows.itertuples()}
        log.info("%s: %s", recording, ", ".join(f"epoch {row.epoch_index} ({row.group})" for row in rows.itertuples()))
    write_explained([explained[place] for place in chosen.index], Path(snakemake.output[0]))
