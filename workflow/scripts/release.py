"""Put the networks of a cross-validation, and what is said of them, into one archive."""

from pathlib import Path

from hypnolens.io.shipped import HOME
from hypnolens.network.release import write_release
from hypnolens.pipeline.logs import logged

with logged(snakemake.log[0]):
    files = {
        name: [Path(path) for path in snakemake.input[name]] for name in ("models", "cards", "predictions", "project")
    }
    tables = {name: Path(snakemake.input[name]) for name in ("metrics", "folds", "recordings")}
    write_release(Path(snakemake.output[0]), **files, **tables, root=HOME)
