"""Make the table of recordings."""

import csv
from pathlib import Path

from hypnolens.epochs import check_rates, read_epochs, summary
from hypnolens.logs import logged

with logged(snakemake.log[0]) as log:
    rows = [summary(read_epochs(Path(path), signal=False)) for path in snakemake.input.epochs]
    check_rates(rows, snakemake.wildcards.dataset)
    with open(snakemake.output[0], "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        if row["flags"] != "none":
            log.warning("%s: %s", row["recording"], row["flags"])
