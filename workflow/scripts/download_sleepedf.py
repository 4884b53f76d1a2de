"""Fetch the two files of a night of Sleep-EDF."""

from pathlib import Path

from hypnolens.datasets.fetch import Address, Patience, fetch_files
from hypnolens.pipeline.logs import logged

with logged(snakemake.log[0], echo=True):
    # From the configuration and not from params: another address or more patience makes no verified file old.
    options = snakemake.config["download"]
    targets = {Path(path).name: Path(path) for path in (snakemake.output.hypnogram, snakemake.output.psg)}
    urls = {file: [f"{folder.rstrip('/')}/{file}" for folder in options["sleepedf"]] for file in targets}
    fetch_files(
        snakemake.params.checksums,
        {file: [Address(url, url) for url in urls[file]] for file in targets},
        targets,
        Path(snakemake.output.source),
        recording=Path(snakemake.output.psg).name.removesuffix("-PSG.edf"),
        remedy="try again later, or set path: of the dataset to a local copy",
        patience=Patience.of(options),
    )
