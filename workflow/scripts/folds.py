"""Split subjects into folds."""

from pathlib import Path

from hypnolens.folds import absent_stages, make_folds, read_table, write_folds
from hypnolens.logs import logged

with logged(snakemake.log[0]) as log:
    recordings = read_table(Path(snakemake.input.recordings))
    options = snakemake.params.options
    folds = make_folds(
        [row["subject"] for row in recordings],
        scheme=options["folds"],
        validation=options["validation"],
        seed=options["fold_seed"],
        dataset=snakemake.wildcards.dataset,
    )
    write_folds(folds, recordings, Path(snakemake.output[0]))
    for sentence in absent_stages(folds, recordings):
        log.warning("%s", sentence)
