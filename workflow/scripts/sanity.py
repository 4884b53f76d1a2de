"""Compare the maps of one fold with those of networks that know less, and with those of a shifted signal."""

from pathlib import Path

import pandas as pd
import torch

from hypnolens.explanations.attributions import Decisions
from hypnolens.explanations.maps import read_maps, write_maps
from hypnolens.explanations.sanity import control_maps, measure_sanity
from hypnolens.network.files import read_model, weights_of
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.listed import Listed
from hypnolens.recordings.normalisation import normalise
from hypnolens.training.folds import about_fold, of_sides

with logged(snakemake.log[0]):
    options = snakemake.params.options
    torch.set_num_threads(options["torch_threads"])
    table, card = snakemake.input.folds, Path(snakemake.input.card)
    listed, about = Listed(snakemake.params.epochs, table), about_fold(table, snakemake.wildcards)
    model = read_model(Path(snakemake.input.model), card, about)
    label_shuffled = {
        (name := Path(weights).parent.parent.name): read_model(
            Path(weights), Path(its_card), {**about, "experiment_name": name}
        )
        for weights, its_card in zip(snakemake.input.label_shuffled, snakemake.input.label_shuffled_cards, strict=True)
    }
    about = {**of_sides(about, "test"), **weights_of(card)}
    found, controls, across_gaps = [], [], options["across_gaps"]
    for maps in read_maps(Path(snakemake.input.maps), about):
        epochs = normalise(listed.read(maps.recording), options["normalisation"])
        decisions = Decisions(model, epochs, across_gaps=across_gaps)
        found.append(measure_sanity(decisions, maps, label_shuffled=label_shuffled, across_gaps=across_gaps))
        controls.append(control_maps(decisions, maps, label_shuffled, across_gaps=across_gaps))
    pd.concat(found, ignore_index=True).to_csv(snakemake.output.table, sep="\t", index=False, float_format="%.4f")
    write_maps(controls, Path(snakemake.output.controls), about)
