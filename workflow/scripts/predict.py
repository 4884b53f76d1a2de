"""Stage the test recordings of one fold."""

from importlib import import_module
from pathlib import Path

import pandas as pd
import torch

from hypnolens.evaluation.predictions import predictions_of
from hypnolens.io.parquet import write_parquet
from hypnolens.network.files import read_network, weights_of
from hypnolens.network.inference import probabilities
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.listed import Listed
from hypnolens.recordings.normalisation import normalise
from hypnolens.training.folds import about_fold, of_sides, read_folds

with logged(snakemake.log[0]):
    options = dict(snakemake.params.options)
    torch.set_num_threads(options.pop("torch_threads"))
    table, card = snakemake.input.folds, Path(snakemake.input.card)
    names = read_folds(Path(table), int(snakemake.wildcards.fold))["test"]
    listed = Listed(snakemake.params.epochs, table)
    about = about_fold(table, snakemake.wildcards)
    model = read_network(Path(snakemake.input.model), card, import_module(snakemake.params.networks).build, about)
    kind = options.pop("normalisation")
    tested = (normalise(listed.read(name), kind) for name in names)
    frames = [predictions_of(epochs, probabilities(model, epochs, **options)) for epochs in tested]
    about = {**of_sides(about, "test"), **weights_of(card)}
    write_parquet(pd.concat(frames, ignore_index=True), snakemake.output[0], about)
