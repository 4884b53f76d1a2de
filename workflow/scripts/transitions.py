"""Look at accuracy around changes of stage."""

from hypnolens.evaluation.predictions import read_predictions
from hypnolens.evaluation.transitions import transition_pairs, transition_table
from hypnolens.pipeline.logs import logged

with logged(snakemake.log[0]):
    predictions = read_predictions(snakemake.input.predictions)
    transition_table(predictions, seed=0).to_csv(snakemake.output.transitions, sep="\t", index=False, na_rep="nan")
    transition_pairs(predictions).to_csv(snakemake.output.pairs, sep="\t", index=False, na_rep="nan")
