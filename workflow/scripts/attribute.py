"""Explain the test recordings of one fold: every epoch by the fast methods, a sample by all."""

from pathlib import Path

import torch

from hypnolens.evaluation.predictions import codes, read_predictions
from hypnolens.explanations.alignment import N_BINS
from hypnolens.explanations.attributions import Decisions, explain_recording
from hypnolens.explanations.maps import write_maps
from hypnolens.network.files import read_model
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.epochs import read_epochs
from hypnolens.recordings.normalisation import normalise

with logged(snakemake.log[0]) as log:
    options = snakemake.params.options
    torch.set_num_threads(options["torch_threads"])
    model = read_model(Path(snakemake.input.model), Path(snakemake.input.card))
    explained = []
    for name, rows in read_predictions([snakemake.input.predictions]).groupby("recording", sort=True):
        epochs = normalise(read_epochs(Path(snakemake.params.epochs) / f"{name}.safetensors"), options["normalisation"])
        decisions = Decisions(model, epochs, across_gaps=options["across_gaps"])
        predicted = codes(rows.sort_values("epoch_index")["stage_pred"])
        explained.append(explain_recording(decisions, predicted, n_bins=N_BINS, **snakemake.params.sample))
        log.info("%s: %d epochs, %d of them by all methods", name, len(rows), len(explained[-1].sample))
    write_maps(explained, Path(snakemake.output[0]))
