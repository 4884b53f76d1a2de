"""Explain some epochs: the clearest and the least sure of each stage, and errors by kind."""

from pathlib import Path

import torch

from hypnolens.evaluation.predictions import read_predictions
from hypnolens.explanations.attributions import Decisions, explain
from hypnolens.explanations.detectors import detect
from hypnolens.explanations.examples import choose, write_explained
from hypnolens.network.files import read_model, weights_of
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.listed import Listed
from hypnolens.recordings.normalisation import normalise
from hypnolens.training.folds import about_folds

with logged(snakemake.log[0]) as log:
    options = snakemake.params.options
    torch.set_num_threads(options["torch_threads"])
    given, explained = snakemake.input, {}
    listed, about = Listed(snakemake.params.epochs, *given.folds), about_folds(given.folds, snakemake.wildcards)
    weights = map(weights_of, map(Path, given.cards))
    predictions = read_predictions(given.predictions, [{**a, **w} for a, w in zip(about, weights, strict=True)])
    chosen = choose(predictions)
    for (fold, recording), rows in chosen.groupby(["fold", "recording"], sort=False):
        model = read_model(Path(given.models[fold]), Path(given.cards[fold]), about[fold])
        epochs = listed.read(recording)
        events = detect(epochs)
        decisions = Decisions(model, normalise(epochs, options["normalisation"]), across_gaps=options["across_gaps"])
        explained |= {row.Index: explain(decisions, epochs, events, row) for row in rows.itertuples()}
        log.info("%s: %s", recording, ", ".join(f"epoch {row.epoch_index} ({row.group})" for row in rows.itertuples()))
    write_explained([explained[place] for place in chosen.index], Path(snakemake.output[0]))
