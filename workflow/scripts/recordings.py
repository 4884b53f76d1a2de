"""Make the table of recordings, and the hypnograms of all of them side by side."""

from pathlib import Path

from hypnolens.io.tables import write_rows
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.epochs import check_rates, read_epochs, recording_row, side_by_side, write_hypnograms

with logged(snakemake.log[0]) as log:
    epochs = [read_epochs(Path(path), signal=False) for path in snakemake.input.epochs]
    rows = [{**recording_row(one), **snakemake.params.origin} for one in epochs]
    check_rates(rows, snakemake.wildcards.dataset)
    write_rows(Path(snakemake.output.table), list(rows[0]), rows)
    write_hypnograms(side_by_side(epochs), Path(snakemake.output.hypnograms))
    for row in rows:
        if row["flags"] != "none":
            log.warning("%s: %s", row["recording"], row["flags"])
