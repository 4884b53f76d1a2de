"""Train the network of one fold."""

import time
from functools import partial
from importlib import import_module
from pathlib import Path

import pandas as pd

from hypnolens.network.cards import card_of
from hypnolens.network.files import write_model
from hypnolens.network.polarity import kept_when_turned
from hypnolens.network.training_range import training_range_of
from hypnolens.pipeline.logs import logged
from hypnolens.pipeline.progress import write_progress
from hypnolens.pipeline.provenance import record
from hypnolens.recordings.listed import Listed
from hypnolens.training.crops import pieces_of
from hypnolens.training.fold import SELECTS, options_of, train, training_key
from hypnolens.training.folds import about_fold, of_sides, read_folds
from hypnolens.training.temperature import correction_of, temperature_of

with logged(snakemake.log[0]):
    wildcards, experiment, fold = snakemake.wildcards, dict(snakemake.params.experiment), int(snakemake.wildcards.fold)
    table, checkpoint = snakemake.input.folds, Path(snakemake.params.checkpoint)
    options, used = options_of(experiment), ("train", SELECTS[experiment["protocol"]])
    # What an earlier training said is no longer so, and reading takes its time.
    write_progress(checkpoint, [], made=0, of=options.passes, since=time.time())
    recordings, listed = read_folds(Path(table), fold), Listed(snakemake.params.epochs, table)
    raw = [[listed.read(name, mapped=True) for name in recordings[side]] for side in used]
    sides = [[piece for epochs in side for piece in pieces_of(epochs, experiment)] for side in raw]
    rate, name = sides[0][0].rate, f"{wildcards.dataset}/{wildcards.experiment} fold {fold}"
    build = partial(import_module(snakemake.params.networks).build, experiment, rate)
    key = training_key(experiment, fold, snakemake.params.code, sides)
    model, history = train(*sides, build=build, options=options, fold=fold, checkpoint=checkpoint, key=key, name=name)
    pd.DataFrame(history).to_csv(snakemake.output.history, sep="\t", index=False)
    model.temperature = temperature_of(model, raw[1], experiment)
    card = card_of(
        about=of_sides(about_fold(table, wildcards), *used), experiment=experiment, rate=rate, recordings=recordings,
        highpass_hz=raw[0][0].highpass_hz, origin=snakemake.params.origin, subjects=len({e.subject for e in raw[0]}),
        usual=training_range_of(raw[0]), temperature=model.temperature,
        correction=correction_of(model, sides[1], experiment),
        kept_when_turned=kept_when_turned(model, sides[1], experiment), history=history, made=record(),
    )  # fmt: skip
    write_model(model, card, weights=Path(snakemake.output.model), path=Path(snakemake.output.card))
