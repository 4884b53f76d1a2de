"""Compare sleep statistics of predicted hypnograms with those of the expert's."""

from pathlib import Path

from hypnolens.evaluation.predictions import read_predictions
from hypnolens.evaluation.sleep_statistics import agreement_table, seconds_after, statistics_table
from hypnolens.pipeline.logs import logged
from hypnolens.recordings.epochs import read_epochs

with logged(snakemake.log[0]):
    predictions, folder = read_predictions(snakemake.input.predictions), Path(snakemake.params.epochs)
    lights = {}
    for name, clock in snakemake.params.lights_off.items():
        start = read_epochs(folder / f"{name}.safetensors", signal=False).start_time
        lights[name] = (seconds_after(start, clock), None)
    statistics = statistics_table(predictions, lights)
    statistics.to_csv(snakemake.output.statistics, sep="\t", index=False, na_rep="nan")
    agreement_table(statistics).to_csv(snakemake.output.agreement, sep="\t", index=False, na_rep="nan")
