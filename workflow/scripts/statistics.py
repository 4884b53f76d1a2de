"""Compare sleep statistics of predicted hypnograms with those of the expert's."""

from hypnolens.evaluation.predictions import read_predictions
from hypnolens.evaluation.sleep_statistics import agreement_table, seconds_after, statistics_table
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.listed import Listed
from hypnolens.training.folds import about_folds

with logged(snakemake.log[0]):
    tables = snakemake.input.folds
    predictions = read_predictions(snakemake.input.predictions, about_folds(tables, snakemake.wildcards))
    listed = Listed(snakemake.params.epochs, *tables)
    lights = {}
    for name, clock in snakemake.params.lights_off.items():
        start = listed.read(name, signal=False).start_time
        lights[name] = (seconds_after(start, clock), None)
    statistics = statistics_table(predictions, lights, trimmed=snakemake.params.trimmed)
    statistics.to_csv(snakemake.output.statistics, sep="\t", index=False, na_rep="nan")
    agreement_table(statistics).to_csv(snakemake.output.agreement, sep="\t", index=False, na_rep="nan")
