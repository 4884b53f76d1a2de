"""List the files of visit 1 of SHHS, with their checksums, as the NSRR has them."""

from pathlib import Path

from hypnolens.datasets.fetch import Patience
from hypnolens.datasets.nsrr import list_files
from hypnolens.datasets.shhs import FOLDERS
from hypnolens.pipeline.logs import logged

with logged(snakemake.log[0], echo=True) as log:
    # From the configuration and not from params: another address or more patience makes no verified file old.
    options = snakemake.config["download"]
    path = Path(snakemake.output[0])
    n_files = list_files(options["shhs"], "shhs", FOLDERS.values(), path, patience=Patience.of(options))
    log.info("%d files", n_files)
