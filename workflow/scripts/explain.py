"""Compute Grad-CAM of the clearest epoch of each stage."""

from pathlib import Path

import torch

from hypnolens.epochs import read_epochs
from hypnolens.explanations import clearest, write_explained
from hypnolens.gradcam import explain
from hypnolens.logs import logged
from hypnolens.models import read_model
from hypnolens.predictions import read_predictions

with logged(snakemake.log[0]) as log:
    options = snakemake.params.options
    torch.set_num_threads(options["torch_threads"])
    folder = Path(snakemake.params.epochs)
    chosen = clearest(read_predictions(snakemake.input.predictions))
    explained = []
    for row in chosen.itertuples():
        model = read_model(Path(snakemake.input.models[row.fold]), Path(snakemake.input.cards[row.fold]))
        epochs = read_epochs(folder / f"{row.recording}.safetensors")
        kind, across_gaps = options["normalisation"], options["across_gaps"]
        explained.append(explain(model, epochs, row, normalisation=kind, across_gaps=across_gaps))
        log.info("%s: epoch %d of %s", row.stage_true, row.epoch_index, row.recording)
    write_explained(explained, Path(snakemake.output[0]))
