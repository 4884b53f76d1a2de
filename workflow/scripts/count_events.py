"""Count the events of all recordings by source and kind."""

from pathlib import Path

from hypnolens.explanations.events import count_table
from hypnolens.pipeline.logs import logged

with logged(snakemake.log[0]):
    table = count_table({Path(path).stem: Path(path) for path in snakemake.input.events})
    table.to_csv(snakemake.output[0], sep="\t", index=False)
