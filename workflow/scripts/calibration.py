"""Compare probabilities with how often they were right."""

from pathlib import Path

from hypnolens.evaluation.calibration import abstention_table, reliability, with_correction
from hypnolens.evaluation.predictions import read_predictions
from hypnolens.network.cards import read_card
from hypnolens.pipeline.logs import logged
from hypnolens.training.folds import about_folds

with logged(snakemake.log[0]):
    about = about_folds(snakemake.input.folds, snakemake.wildcards)
    predictions = read_predictions(snakemake.input.predictions, about)
    found = [read_card(Path(card), sealed=False).get("correction") for card in snakemake.input.cards]
    temperatures = dict(enumerate(found)) if all(found) else {}
    tables = {
        "reliability": reliability(predictions),
        "calibration": with_correction(predictions, temperatures, seed=0),
        "abstention": abstention_table(predictions, seed=0),
    }
    for name, table in tables.items():
        table.to_csv(snakemake.output[name], sep="\t", index=False, na_rep="nan")
