"""Train the network of one fold."""

import time
from functools import partial
from importlib import import_module
from pathlib import Path

import pandas as pd

from hypnolens.network.cards import card_of
from hypnolens.network.files import write_model
from hypnolens.network.training_range import training_range_of
from hypnolens.pipeline.logs import logged
from hypnolens.pipeline.progress import write_progress
from hypnolens.pipeline.provenance import record
from hypnolens.recordings.epochs import read_epochs
from hypnolens.recordings.normalisation import normalise
from hypnolens.training.fold import SELECTS, options_of, train, training_key
from hypnolens.training.folds import read_folds

with logged(snakemake.log[0]):
    wildcards, experiment, fold = snakemake.wildcards, dict(snakemake.params.experiment), int(snakemake.wildcards.fold)
    folder, checkpoint = Path(snakemake.params.epochs), Path(snakemake.params.checkpoint)
    options = options_of(experiment)
    # What an earlier training said is no longer so, and reading takes its time.
    write_progress(checkpoint, [], made=0, of=options.passes, since=time.time())
    recordings = read_folds(Path(snakemake.input.folds), fold)
    raw = [
        [read_epochs(folder / f"{name}.safetensors", mapped=True) for name in recordings[split]]
        for split in ("train", SELECTS[experiment["protocol"]])
    ]
    sides = [[normalise(epochs, experiment["normalisation"]) for epochs in side] for side in raw]
    rate = sides[0][0].rate
    build = partial(import_module(snakemake.params.networks).build, experiment, rate)
    key = training_key(experiment, fold, snakemake.params.code, sides)
    name = f"{wildcards.dataset}/{wildcards.experiment} fold {fold}"
    model, history = train(*sides, build=build, options=options, fold=fold, checkpoint=checkpoint, key=key, name=name)
    pd.DataFrame(history).to_csv(snakemake.output.history, sep="\t", index=False)
    card = card_of(
        dataset=wildcards.dataset, experiment_name=wildcards.experiment, fold=fold, experiment=experiment, rate=rate,
        origin=snakemake.params.origin, recordings=recordings, subjects=len({epochs.subject for epochs in raw[0]}),
        usual=training_range_of(raw[0]), history=history, made=record(),
    )  # fmt: skip
    write_model(model, card, weights=Path(snakemake.output.model), path=Path(snakemake.output.card))
