"""Look at accuracy around changes of stage."""

from hypnolens.evaluation.predictions import read_predictions
from hypnolens.evaluation.transitions import transition_pairs, transition_table
from hypnolens.pipeline.logs import logged
from hypnolens.training.folds import about_folds

with logged(snakemake.log[0]):
    about = about_folds(snakemake.input.folds, snakemake.wildcards)
    predictions = read_predictions(snakemake.input.predictions, about)
    transition_table(predictions, seed=0).to_csv(snakemake.output.transitions, sep="\t", index=False, na_rep="nan")
    transition_pairs(predictions).to_csv(snakemake.output.pairs, sep="\t", index=False, na_rep="nan")
