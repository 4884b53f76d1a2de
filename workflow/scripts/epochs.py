"""Cut one recording into scored epochs."""

from pathlib import Path

from hypnolens.epochs import extract, summary, write_epochs
from hypnolens.errors import RecordingError
from hypnolens.logs import logged

with logged(snakemake.log[0]) as log:
    options = snakemake.params.options
    files = {"psg": "-PSG.edf", "hypnogram": "-Hypnogram.edf"}
    for kind, ending in files.items():
        if not snakemake.input.get(kind):
            name = options["recording"]
            raise RecordingError(name, f"has no {kind} {name}{ending}", "add the file or take its partner away")
    epochs = extract(Path(snakemake.input.psg), Path(snakemake.input.hypnogram), **options)
    write_epochs(epochs, Path(snakemake.output[0]))
    log.info("%s", summary(epochs))
