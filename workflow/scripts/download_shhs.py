"""Fetch the two files of a recording of SHHS."""

from pathlib import Path

from hypnolens.datasets.fetch import Patience, fetch_files
from hypnolens.datasets.nsrr import LOCAL_COPY, addresses, read_list
from hypnolens.errors import RecordingError
from hypnolens.pipeline.logs import logged

with logged(snakemake.log[0], echo=True):
    # From the configuration and not from params: another address or more patience makes no verified file old.
    options = snakemake.config["download"]
    name = snakemake.wildcards.recording
    targets = {Path(path).name: Path(path) for path in (snakemake.output.hypnogram, snakemake.output.psg)}
    listed = read_list(Path(snakemake.input.files), name)
    again = f"if the NSRR has changed since, delete {snakemake.input.files} and run again"
    if absent := [file for file in targets if file not in listed]:
        what = f"{snakemake.input.files}, the NSRR's list, has no {' and no '.join(absent)}"
        raise RecordingError(name, what, f"leave the recording out with exclude:, or {again}")
    fetch_files(
        {file: f"md5:{listed[file]['md5']}" for file in targets},
        {file: addresses(options["shhs"], "shhs", listed[file]["path"], recording=name) for file in targets},
        targets,
        Path(snakemake.output.source),
        recording=name,
        remedy=f"{LOCAL_COPY}; {again}",
        patience=Patience.of(options),
    )
