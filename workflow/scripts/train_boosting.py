"""Grow the trees of one fold and stage its test recordings; the validation side is not used, as nothing is chosen."""

from pathlib import Path

import numpy as np
import pandas as pd

from hypnolens.baselines.band_features import read_features
from hypnolens.baselines.boosting import fit, probabilities
from hypnolens.baselines.classifiers import write_card
from hypnolens.evaluation.predictions import predictions_of
from hypnolens.io.parquet import write_parquet
from hypnolens.pipeline.logs import logged
from hypnolens.pipeline.provenance import record
from hypnolens.recordings.listed import Listed
from hypnolens.training.folds import about_fold, of_sides, read_folds

with logged(snakemake.log[0]):
    wildcards, experiment = snakemake.wildcards, dict(snakemake.params.experiment)
    table = snakemake.input.folds
    recordings, listed = read_folds(Path(table), int(wildcards.fold)), Listed(snakemake.params.epochs, table)
    train, test = ([listed.read(name, signal=False) for name in recordings[side]] for side in ("train", "test"))
    about = about_fold(table, wildcards)
    features, tested = (read_features(Path(snakemake.input.features), side) for side in (train, test))
    stages = np.concatenate([epochs.stage for epochs in train])
    model = fit(np.concatenate(features), stages, seed=experiment["seed"])
    frames = [predictions_of(epochs, probabilities(model, x)) for epochs, x in zip(test, tested, strict=True)]
    write_parquet(pd.concat(frames, ignore_index=True), snakemake.output.predictions, of_sides(about, "test"))
    made = {"recordings": recordings, "sampling_rate_hz": train[0].rate, "made": record()}
    write_card(Path(snakemake.output.card), {**of_sides(about, "train"), "experiment": experiment, **made})
