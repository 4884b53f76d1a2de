"""Take away what the maps of one fold point to, and what events are, and see whether decisions follow."""

from pathlib import Path

import pandas as pd
import torch

from hypnolens.explanations.attributions import Decisions
from hypnolens.explanations.events import read_found
from hypnolens.explanations.faithfulness import measure_curves, measure_removal
from hypnolens.explanations.maps import read_maps
from hypnolens.network.files import read_model, weights_of
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.listed import Listed
from hypnolens.recordings.normalisation import normalise
from hypnolens.training.folds import about_fold

with logged(snakemake.log[0]):
    options = snakemake.params.options
    torch.set_num_threads(options["torch_threads"])
    table, card = snakemake.input.folds, Path(snakemake.input.card)
    listed, about = Listed(snakemake.params.epochs, table), about_fold(table, snakemake.wildcards)
    model = read_model(Path(snakemake.input.model), card, about)
    curves, removals = [], []
    for maps in read_maps(Path(snakemake.input.maps), {**about, **weights_of(card)}):
        epochs = listed.read(maps.recording)
        events = read_found(Path(snakemake.params.events) / f"{maps.recording}.tsv")
        seen = normalise(epochs, options["normalisation"])
        decisions = Decisions(model, seen, across_gaps=options["across_gaps"])
        curves.append(measure_curves(decisions, maps))
        removals.append(measure_removal(decisions, maps, events))
    for frames, path in ((curves, snakemake.output.curves), (removals, snakemake.output.removal)):
        pd.concat(frames, ignore_index=True).to_csv(path, sep="\t", index=False, float_format="%.5f")
