"""Fit a linear probe to the features of another experiment's network of the same fold; validation is not used."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from hypnolens.baselines.classifiers import write_card
from hypnolens.baselines.linear_probe import fit, frozen, probabilities
from hypnolens.evaluation.predictions import predictions_of
from hypnolens.io.parquet import write_parquet
from hypnolens.network.files import read_model
from hypnolens.pipeline.logs import logged
from hypnolens.pipeline.provenance import record
from hypnolens.recordings.listed import Listed
from hypnolens.recordings.normalisation import normalise
from hypnolens.training.folds import about_fold, of_sides, read_folds

with logged(snakemake.log[0]):
    wildcards, source = snakemake.wildcards, dict(snakemake.params.source)
    torch.set_num_threads(source["torch_threads"])
    table = snakemake.input.folds
    recordings, listed = read_folds(Path(table), int(wildcards.fold)), Listed(snakemake.params.epochs, table)
    train, test = ([listed.read(name, mapped=True) for name in recordings[side]] for side in ("train", "test"))
    about = about_fold(table, wildcards)
    features_of = {**about, "experiment_name": snakemake.params.experiment["features_of"]}
    network = read_model(Path(snakemake.input.model), Path(snakemake.input.card), features_of)
    features, tested = (
        frozen(network, (normalise(epochs, source["normalisation"]) for epochs in side), precision=source["precision"])
        for side in (train, test)
    )
    model = fit(np.concatenate(features), np.concatenate([epochs.stage for epochs in train]))
    frames = [predictions_of(epochs, probabilities(model, x)) for epochs, x in zip(test, tested, strict=True)]
    write_parquet(pd.concat(frames, ignore_index=True), snakemake.output.predictions, of_sides(about, "test"))
    made = {"recordings": recordings, "sampling_rate_hz": train[0].rate, "made": record()}
    card = {**of_sides(about, "train"), "experiment": dict(snakemake.params.experiment)}
    write_card(Path(snakemake.output.card), {**card, **made})
