"""Cut one recording into scored epochs."""

from pathlib import Path

from hypnolens.errors import RecordingError
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.epochs import recording_row, write_epochs
from hypnolens.recordings.extraction import extract, read_source

with logged(snakemake.log[0]) as log:
    options = {**snakemake.params.about, **snakemake.params.options}
    files = {kind: Path(snakemake.input[kind]) for kind in ("psg", "hypnogram") if snakemake.input.get(kind)}
    for kind in {"psg", "hypnogram"} - files.keys():
        (partner,) = files.values()
        what = f"has no {kind} to go with {partner.name}"
        raise RecordingError(options["recording"], what, "add the file, or leave the recording out with exclude:")
    source = read_source(snakemake.input.get("source"), files["psg"], options["recording"])
    epochs = extract(files["psg"], files["hypnogram"], source=source, **options)
    write_epochs(epochs, Path(snakemake.output[0]))
    log.info("%s", recording_row(epochs))
