"""Embed the features of the test epochs of the first fold by t-SNE."""

from pathlib import Path

import torch

from hypnolens.network.embedding import embed_recordings
from hypnolens.network.files import read_model
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.listed import Listed
from hypnolens.recordings.normalisation import normalise
from hypnolens.training.folds import about_fold, read_folds

with logged(snakemake.log[0]):
    options = snakemake.params.options
    torch.set_num_threads(options["torch_threads"])
    table = snakemake.input.folds
    names, listed = read_folds(Path(table), 0)["test"], Listed(snakemake.params.epochs, table)
    about = about_fold(table, snakemake.wildcards, 0)
    model = read_model(Path(snakemake.input.model), Path(snakemake.input.card), about)
    tested = (normalise(listed.read(name), options["normalisation"]) for name in names)
    table = embed_recordings(model, tested, precision=options["precision"])
    table.to_csv(snakemake.output[0], sep="\t", index=False)
