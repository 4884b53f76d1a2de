"""Measure band features of all recordings of a dataset."""

from pathlib import Path

import pandas as pd

from hypnolens.baselines.band_features import table_of
from hypnolens.epochs import read_epochs
from hypnolens.logs import logged
from hypnolens.parquet import write_parquet
from hypnolens.tsv import read_rows

with logged(snakemake.log[0]):
    folder = Path(snakemake.params.epochs)
    names = [row["recording"] for row in read_rows(Path(snakemake.input.recordings))]
    tables = [table_of(read_epochs(folder / f"{name}.safetensors", mapped=True)) for name in names]
    write_parquet(pd.concat(tables, ignore_index=True), snakemake.output[0])
