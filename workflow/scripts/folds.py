"""Split subjects into folds."""

from pathlib import Path

from hypnolens.io.tables import read_rows
from hypnolens.pipeline.logs import logged
from hypnolens.training.folds import absent_stages, make_folds, write_folds

with logged(snakemake.log[0]) as log:
    recordings = read_rows(Path(snakemake.input.recordings))
    options = snakemake.params.options
    folds = make_folds(
        [row["subject"] for row in recordings],
        scheme=snakemake.input.get("table") or options["folds"],
        validation=options["validation"],
        seed=options["fold_seed"],
        dataset=snakemake.wildcards.dataset,
    )
    write_folds(folds, recordings, Path(snakemake.output[0]))
    for sentence in absent_stages(folds, recordings):
        log.warning("%s", sentence)
