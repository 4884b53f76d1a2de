"""Stage the test recordings of one fold."""

from importlib import import_module
from pathlib import Path

import pandas as pd
import torch

from hypnolens.evaluation.predictions import predictions_of
from hypnolens.io.parquet import write_parquet
from hypnolens.network.files import read_network
from hypnolens.network.inference import probabilities
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.epochs import read_epochs
from hypnolens.recordings.normalisation import normalise
from hypnolens.training.folds import read_folds

with logged(snakemake.log[0]):
    options = dict(snakemake.params.options)
    torch.set_num_threads(options.pop("torch_threads"))
    folder = Path(snakemake.params.epochs)
    names = read_folds(Path(snakemake.input.folds), int(snakemake.wildcards.fold))["test"]
    build = import_module(snakemake.params.networks).build
    model = read_network(Path(snakemake.input.model), Path(snakemake.input.card), build)
    kind = options.pop("normalisation")
    tested = (normalise(read_epochs(folder / f"{name}.safetensors"), kind) for name in names)
    frames = [predictions_of(epochs, probabilities(model, epochs, **options)) for epochs in tested]
    write_parquet(pd.concat(frames, ignore_index=True), snakemake.output[0])
