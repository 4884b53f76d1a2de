"""Stage the test recordings of one fold by the mean probability of several networks."""

from pathlib import Path

from hypnolens.baselines.classifiers import write_card
from hypnolens.evaluation.predictions import mean_predictions, read_predictions
from hypnolens.io.parquet import write_parquet
from hypnolens.network.cards import read_card
from hypnolens.pipeline.logs import logged
from hypnolens.pipeline.provenance import record
from hypnolens.training.folds import about_fold, of_sides, read_folds

with logged(snakemake.log[0]):
    wildcards, params, table = snakemake.wildcards, snakemake.params, snakemake.input.folds
    about = about_fold(table, wildcards)
    of_members = [
        read_predictions([path], [{**of_sides(about, "test"), "experiment_name": name}]).drop(columns="fold")
        for path, name in zip(snakemake.input.predictions, params.members, strict=True)
    ]
    write_parquet(mean_predictions(of_members), snakemake.output.predictions, of_sides(about, "test"))
    rate = read_card(Path(snakemake.input.card), sealed=False)["sampling_rate_hz"]
    tested = read_folds(Path(table), int(wildcards.fold))["test"]
    made = {"recordings": {"test": tested}, "sampling_rate_hz": rate, "made": record()}
    write_card(Path(snakemake.output.card), {**of_sides(about, "test"), "experiment": dict(params.experiment), **made})
