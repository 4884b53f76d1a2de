"""Write the tables of an experiment."""

from hypnolens.evaluation.tables import confusion_table, score_table, stage_table
from hypnolens.io.frames import read_table
from hypnolens.io.tables import read_json
from hypnolens.pipeline.logs import logged

with logged(snakemake.log[0]):
    metrics = read_json(snakemake.input.metrics)
    score_table({snakemake.wildcards.experiment: metrics}).to_csv(snakemake.output.scores, sep="\t", index=False)
    stage_table(metrics).to_csv(snakemake.output.stages, sep="\t", index=False, na_rep="nan")
    confusion_table(metrics).to_csv(snakemake.output.confusion, sep="\t")
    by_recording = read_table(snakemake.input.by_recording)
    by_recording.to_csv(snakemake.output.recordings, sep="\t", index=False, na_rep="nan", float_format="%.3f")
