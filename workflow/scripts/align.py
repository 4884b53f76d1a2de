"""Measure maps against events, and against the bands of the signal."""

from pathlib import Path

import pandas as pd

from hypnolens.explanations.alignment import (
    align_recording,
    alignment_table,
    contrast_table,
    pooled,
    preference_of_recording,
)
from hypnolens.explanations.events import agreement_table, read_found, within
from hypnolens.explanations.maps import read_maps
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.listed import Listed
from hypnolens.training.folds import about_folds

with logged(snakemake.log[0]):
    aligned, preferred, found = [], [], []
    tables = snakemake.input.folds
    listed, about = Listed(snakemake.params.epochs, *tables), about_folds(tables, snakemake.wildcards)
    for path, theirs, its in zip(snakemake.input.maps, snakemake.input.controls, about, strict=True):
        for maps, others in zip(read_maps(Path(path), its), read_maps(Path(theirs), its), strict=True):
            epochs = listed.read(maps.recording)
            events = read_found(Path(snakemake.params.events) / f"{maps.recording}.tsv")
            aligned.append((maps.subject, align_recording(epochs, maps, others, events)))
            preferred.append(preference_of_recording(epochs, maps))
            found.append(within(events, epochs.onset_s))
    measured = pooled(aligned)
    alignment_table(measured).to_csv(snakemake.output.alignment, sep="\t", index=False, na_rep="nan")
    contrast_table(measured).to_csv(
        snakemake.output.contrasts, sep="\t", index=False, na_rep="nan", float_format="%.6g"
    )
    agreement_table(found).to_csv(snakemake.output.detectors, sep="\t", index=False, na_rep="nan")
    pd.concat(preferred).to_csv(snakemake.output.bands, sep="\t", index=False, na_rep="nan", float_format="%.4f")
