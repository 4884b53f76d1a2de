"""Compare all runs on a dataset, subject by subject."""

from pathlib import Path

from hypnolens.evaluation.comparison import family_table, fold_table, optimism_table, paired_table
from hypnolens.io.frames import read_table
from hypnolens.io.shipped import TABLES
from hypnolens.pipeline.logs import logged

with logged(snakemake.log[0]):
    files = {Path(path).parent.name: Path(path) for path in snakemake.input.by_subject}
    by_fold = {Path(path).parent.name: [Path(path)] for path in snakemake.input.by_fold}
    families = {name: [files[run] for run in runs] for name, runs in snakemake.params.families.items()}
    runs, pairs = {name: [path] for name, path in files.items()}, [tuple(pair) for pair in snakemake.params.pairs]
    paper = read_table(TABLES / "paper.tsv")
    tables = {
        "families": family_table(families, seed=0),
        "paired": paired_table(families, next(iter(families)), seed=0),
        "optimism": optimism_table(pairs, runs, by_fold, seed=0),
        "optimism_by_fold": fold_table(pairs, by_fold),
        "published": paper[paper["dataset"] == snakemake.wildcards.dataset] if snakemake.params.papers else paper[:0],
    }
    for name, table in tables.items():
        table.to_csv(snakemake.output[name], sep="\t", index=False, na_rep="nan")
