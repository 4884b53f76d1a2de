"""Train the network of one fold."""

from functools import partial
from importlib import import_module
from pathlib import Path

import pandas as pd

from hypnolens.epochs import read_epochs
from hypnolens.folds import read_folds
from hypnolens.logs import logged
from hypnolens.models import write_model
from hypnolens.normalisation import normalise
from hypnolens.provenance import record
from hypnolens.training import SELECTS, options_of, train, training_key

with logged(snakemake.log[0]):
    wildcards, experiment = snakemake.wildcards, dict(snakemake.params.experiment)
    folder = Path(snakemake.params.epochs)
    recordings = read_folds(Path(snakemake.input.folds), int(wildcards.fold))
    sides = [
        [
            normalise(read_epochs(folder / f"{name}.safetensors", mapped=True), experiment["normalisation"])
            for name in recordings[split]
        ]
        for split in ("train", SELECTS[experiment["protocol"]])
    ]
    rate = sides[0][0].rate
    model, history = train(
        *sides,
        build=partial(import_module(snakemake.params.networks).build, experiment, rate),
        options=options_of(experiment),
        fold=int(wildcards.fold),
        checkpoint=Path(snakemake.params.checkpoint),
        key=training_key(experiment, int(wildcards.fold), snakemake.params.code, sides),
        name=f"{wildcards.dataset}/{wildcards.experiment} fold {wildcards.fold}",
    )
    pd.DataFrame(history).to_csv(snakemake.output.history, sep="\t", index=False)
    made = {"recordings": recordings, "sampling_rate_hz": rate, "made": record()}
    card = {"dataset": wildcards.dataset, "fold": int(wildcards.fold), "experiment": experiment, **made}
    write_model(model, card, weights=Path(snakemake.output.model), path=Path(snakemake.output.card))
