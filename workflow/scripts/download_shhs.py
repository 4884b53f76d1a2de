"""Fetch the two files of a recording of SHHS."""

from pathlib import Path

from hypnolens.errors import RecordingError
from hypnolens.fetch import Patience, fetch_files
from hypnolens.logs import logged
from hypnolens.nsrr import LOCAL_COPY, addresses
from hypnolens.tsv import read_rows

with logged(snakemake.log[0], echo=True):
    # From the configuration and not from params: another address or more patience makes no verified file old.
    options = snakemake.config["download"]
    name = snakemake.wildcards.recording
    targets = {Path(path).name: Path(path) for path in (snakemake.output.hypnogram, snakemake.output.psg)}
    listed = {Path(row["path"]).name: row for row in read_rows(Path(snakemake.input.files))}
    if absent := [file for file in targets if file not in listed]:
        raise RecordingError(name, f"the NSRR has no {' and no '.join(absent)}", "take it out of recordings:")
    fetch_files(
        {file: f"md5:{listed[file]['md5']}" for file in targets},
        {file: addresses(options["shhs"], "shhs", listed[file]["path"], recording=name) for file in targets},
        targets,
        Path(snakemake.output.source),
        recording=name,
        remedy=LOCAL_COPY,
        patience=Patience.of(options),
    )
