"""Embed the features of the test epochs of the first fold by t-SNE."""

from pathlib import Path

import torch

from hypnolens.network.embedding import embed_recordings
from hypnolens.network.files import read_model
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.epochs import read_epochs
from hypnolens.recordings.normalisation import normalise
from hypnolens.training.folds import read_folds

with logged(snakemake.log[0]):
    options = snakemake.params.options
    torch.set_num_threads(options["torch_threads"])
    folder = Path(snakemake.params.epochs)
    names = read_folds(Path(snakemake.input.folds), 0)["test"]
    model = read_model(Path(snakemake.input.model), Path(snakemake.input.card))
    tested = (normalise(read_epochs(folder / f"{name}.safetensors"), options["normalisation"]) for name in names)
    table = embed_recordings(model, tested, precision=options["precision"])
    table.to_csv(snakemake.output[0], sep="\t", index=False)
