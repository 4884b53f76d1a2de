"""Stage the test recordings of one fold."""

from importlib import import_module
from pathlib import Path

import pandas as pd
import torch

from hypnolens.epochs import read_epochs
from hypnolens.folds import read_folds
from hypnolens.inference import probabilities
from hypnolens.logs import logged
from hypnolens.models import read_network
from hypnolens.normalisation import normalise
from hypnolens.parquet import write_parquet
from hypnolens.predictions import predictions_of

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
