"""Measure band features of all recordings of a dataset."""

import pandas as pd

from hypnolens.baselines.band_features import table_of
from hypnolens.io.parquet import write_parquet
from hypnolens.io.tables import read_rows
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.listed import Listed

with logged(snakemake.log[0]):
    table = snakemake.input.recordings
    listed, names = Listed(snakemake.params.epochs, table), [row["recording"] for row in read_rows(table)]
    tables = [table_of(listed.read(name, mapped=True)) for name in names]
    write_parquet(pd.concat(tables, ignore_index=True), snakemake.output[0])
