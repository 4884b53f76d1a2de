"""Put together what the jobs of a dataset took, by rule and by fold of each run."""

from pathlib import Path

from hypnolens.io.tables import read_rows, write_rows
from hypnolens.pipeline.jobs import FOLD_COLUMNS, RULE_COLUMNS, by_fold, by_rule, read_jobs
from hypnolens.pipeline.logs import logged

with logged(snakemake.log[0]):
    folder, runs = Path(snakemake.input.folds).parent, list(snakemake.params.runs)
    recordings = {row["recording"] for row in read_rows(Path(snakemake.input.recordings))}
    n_folds = len({row["fold"] for row in read_rows(Path(snakemake.input.folds))})
    jobs = read_jobs(folder / "benchmarks", runs=runs, recordings=recordings, n_folds=n_folds)
    write_rows(Path(snakemake.output.jobs), RULE_COLUMNS, by_rule(jobs))
    folds = by_fold(jobs, folder, runs=runs, n_folds=n_folds)
    write_rows(Path(snakemake.output.folds), FOLD_COLUMNS, folds)
