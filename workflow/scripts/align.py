"""Measure maps against events, and against the bands of the signal."""

from pathlib import Path

import pandas as pd

from hypnolens.explanations.alignment import align_recording, alignment_table, preference_of_recording
from hypnolens.explanations.events import agreement_table, read_found, within
from hypnolens.explanations.maps import LAYER_IG, read_maps
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.listed import Listed
from hypnolens.training.folds import about_folds

with logged(snakemake.log[0]):
    aligned, preferred, found = [], [], []
    tables = snakemake.input.folds
    listed, about = Listed(snakemake.params.epochs, *tables), about_folds(tables, snakemake.wildcards)
    for path, its in zip(snakemake.input.maps, about, strict=True):
        for maps in read_maps(Path(path), its):
            epochs = listed.read(maps.recording)
            events = read_found(Path(snakemake.params.events) / f"{maps.recording}.tsv")
            aligned.append((maps.subject, align_recording(epochs, maps, events, reference=LAYER_IG)))
            preferred.append(preference_of_recording(epochs, maps))
            found.append(within(events, epochs.onset_s))
    alignment_table(aligned).to_csv(snakemake.output.alignment, sep="\t", index=False, na_rep="nan")
    agreement_table(found).to_csv(snakemake.output.detectors, sep="\t", index=False, na_rep="nan")
    pd.concat(preferred).to_csv(snakemake.output.bands, sep="\t", index=False, na_rep="nan", float_format="%.4f")
