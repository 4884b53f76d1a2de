"""Score a run."""

import json
from pathlib import Path

from hypnolens.evaluation.comparison import write_confusions
from hypnolens.evaluation.predictions import read_predictions
from hypnolens.evaluation.scores import confusions_by_subject, evaluate, evaluate_folds, evaluate_recordings
from hypnolens.pipeline.logs import logged
from hypnolens.training.folds import about_folds

with logged(snakemake.log[0]) as log:
    about = about_folds(snakemake.input.folds, snakemake.wildcards)
    predictions = read_predictions(snakemake.input.predictions, about)
    metrics = evaluate(predictions, seed=snakemake.params.seed, protocol=snakemake.params.protocol)
    for note in metrics["notes"]:
        log.warning("%s", note)
    Path(snakemake.output.metrics).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    evaluate_recordings(predictions).to_csv(snakemake.output.by_recording, sep="\t", index=False, na_rep="nan")
    evaluate_folds(predictions).to_csv(snakemake.output.by_fold, sep="\t", index=False, na_rep="nan")
    write_confusions(*confusions_by_subject(predictions), Path(snakemake.output.by_subject))
