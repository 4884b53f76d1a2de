"""Compare the maps of one fold with those of networks that know less, and with those of a shifted signal."""

from pathlib import Path

import pandas as pd
import torch

from hypnolens.explanations.attributions import Decisions
from hypnolens.explanations.maps import read_maps
from hypnolens.explanations.sanity import measure_sanity
from hypnolens.network.files import read_model
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.epochs import read_epochs
from hypnolens.recordings.normalisation import normalise

with logged(snakemake.log[0]):
    options = snakemake.params.options
    torch.set_num_threads(options["torch_threads"])
    model = read_model(Path(snakemake.input.model), Path(snakemake.input.card))
    label_shuffled = {
        Path(weights).parent.parent.name: read_model(Path(weights), Path(card))
        for weights, card in zip(snakemake.input.label_shuffled, snakemake.input.label_shuffled_cards, strict=True)
    }
    found = []
    for maps in read_maps(Path(snakemake.input.maps)):
        epochs = normalise(
            read_epochs(Path(snakemake.params.epochs) / f"{maps.recording}.safetensors"), options["normalisation"]
        )
        decisions = Decisions(model, epochs, across_gaps=options["across_gaps"])
        found.append(measure_sanity(decisions, maps, label_shuffled=label_shuffled, across_gaps=options["across_gaps"]))
    pd.concat(found, ignore_index=True).to_csv(snakemake.output[0], sep="\t", index=False, float_format="%.4f")
