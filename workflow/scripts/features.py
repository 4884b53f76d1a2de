"""Measure band features of all recordings of a dataset."""

from pathlib import Path

import pandas as pd

from hypnolens.baselines.band_features import table_of
from hypnolens.io.parquet import write_parquet
from hypnolens.io.tables import read_rows
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.epochs import read_epochs

with logged(snakemake.log[0]):
    folder = Path(snakemake.params.epochs)
    names = [row["recording"] for row in read_rows(Path(snakemake.input.recordings))]
    tables = [table_of(read_epochs(folder / f"{name}.safetensors", mapped=True)) for name in names]
    write_parquet(pd.concat(tables, ignore_index=True), snakemake.output[0])
