"""Write the table of one fold, with the hash of the epochs of each recording."""

from pathlib import Path

from hypnolens.pipeline.logs import logged
from hypnolens.training.folds import write_fold

with logged(snakemake.log[0]):
    tables = (Path(snakemake.input[name]) for name in ("folds", "recordings"))
    write_fold(*tables, int(snakemake.wildcards.fold), Path(snakemake.output[0]))
