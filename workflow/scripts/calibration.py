"""Compare probabilities with how often they were right."""

from hypnolens.evaluation.calibration import calibration_table, reliability
from hypnolens.evaluation.predictions import read_predictions
from hypnolens.pipeline.logs import logged
from hypnolens.training.folds import about_folds

with logged(snakemake.log[0]):
    about = about_folds(snakemake.input.folds, snakemake.wildcards)
    predictions = read_predictions(snakemake.input.predictions, about)
    reliability(predictions).to_csv(snakemake.output.reliability, sep="\t", index=False, na_rep="nan")
    calibration_table(predictions, seed=0).to_csv(snakemake.output.calibration, sep="\t", index=False, na_rep="nan")
