"""Cut one recording into scored epochs."""

from pathlib import Path

from hypnolens.epochs import summary, write_epochs
from hypnolens.errors import RecordingError
from hypnolens.extraction import extract
from hypnolens.logs import logged
from hypnolens.tsv import read_rows

with logged(snakemake.log[0]) as log:
    options = snakemake.params.options
    files = {"psg": "-PSG.edf", "hypnogram": "-Hypnogram.edf"}
    for kind, ending in files.items():
        if not snakemake.input.get(kind):
            name = options["recording"]
            raise RecordingError(name, f"has no {kind} {name}{ending}", "add the file or take its partner away")
    psg, hypnogram = Path(snakemake.input.psg), Path(snakemake.input.hypnogram)
    fetched = read_rows(Path(snakemake.input.source)) if snakemake.input.get("source") else []
    source = next((row["address"] for row in fetched if row["file"] == psg.name), str(psg))
    epochs = extract(psg, hypnogram, source=source, **options)
    write_epochs(epochs, Path(snakemake.output[0]))
    log.info("%s", summary(epochs))
