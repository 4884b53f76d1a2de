"""Explain the test recordings of one fold: every epoch by the fast methods, a sample by all."""

from pathlib import Path

import torch

from hypnolens.evaluation.predictions import codes, read_predictions
from hypnolens.explanations.alignment import N_BINS
from hypnolens.explanations.attributions import Decisions, drawn, explain_recording
from hypnolens.explanations.maps import write_maps
from hypnolens.network.files import read_model, weights_of
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.listed import Listed
from hypnolens.recordings.normalisation import normalise
from hypnolens.training.folds import about_fold, of_sides

with logged(snakemake.log[0]) as log:
    options = snakemake.params.options
    torch.set_num_threads(options["torch_threads"])
    table, card = snakemake.input.folds, Path(snakemake.input.card)
    about = about_fold(table, snakemake.wildcards)
    model = read_model(Path(snakemake.input.model), card, about)
    about = {**of_sides(about, "test"), **weights_of(card)}
    listed, explained, of = Listed(snakemake.params.epochs, table), [], snakemake.params.sample
    predictions = read_predictions([snakemake.input.predictions], [about])
    by_all = drawn(predictions["recording"].unique(), most=of["recordings"], seed=of["seed"])
    for name, rows in predictions.groupby("recording", sort=True):
        epochs = normalise(listed.read(name), options["normalisation"])
        decisions = Decisions(model, epochs, across_gaps=options["across_gaps"])
        predicted = codes(rows.sort_values("epoch_index")["stage_pred"])
        sample = of["sample"] if name in by_all else 0
        explained.append(explain_recording(decisions, predicted, n_bins=N_BINS, sample=sample, seed=of["seed"]))
        log.info("%s: %d epochs, %d of them by all methods", name, len(rows), len(explained[-1].sample))
    write_maps(explained, Path(snakemake.output[0]), about)
