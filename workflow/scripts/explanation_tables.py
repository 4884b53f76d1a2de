"""Tables of measured explanations."""

from pathlib import Path

import pandas as pd

from hypnolens.evaluation.predictions import read_predictions
from hypnolens.explanations import tables as make
from hypnolens.explanations.maps import read_maps
from hypnolens.io.frames import read_table
from hypnolens.pipeline.logs import logged
from hypnolens.training.folds import about_folds


def rows(paths):
    """Rows of a table of each fold, or of one."""
    return pd.concat([read_table(path) for path in paths])


with logged(snakemake.log[0]):
    given, out = snakemake.input, snakemake.output
    about = about_folds(given.folds, snakemake.wildcards)
    each = zip(map(Path, given.maps), about, strict=True)
    maps = [one for path, its in each for one in read_maps(path, its, maps=False)]
    tables = {
        out.alignment: rows([given.alignment]),
        out.detectors: rows([given.detectors]),
        out.contrasts: rows([given.contrasts]),
        out.faithfulness: make.faithfulness_table(rows(given.curves)),
        out.curves: make.curve_table(rows(given.curves)),
        out.spectrum: make.spectrum_table(rows(given.curves)),
        out.removal: make.removal_table(rows(given.removal)),
        out.sanity: make.sanity_table(rows(given.sanity)),
        out.bands: make.band_table(rows([given.bands])),
        out.context: make.context_table(maps, read_predictions(given.predictions, about)),
    }
    for path, table in tables.items():
        table.to_csv(path, sep="\t", index=False, na_rep="nan")
