"""Explain some epochs: the clearest and the least sure of each stage, and errors by kind."""

from pathlib import Path

import torch

from hypnolens.evaluation.predictions import read_predictions
from hypnolens.explanations.attributions import Decisions, explain
from hypnolens.explanations.detectors import detect
from hypnolens.explanations.examples import choose, write_explained
from hypnolens.network.files import read_model
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.epochs import read_epochs
from hypnolens.recordings.normalisation import normalise

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
