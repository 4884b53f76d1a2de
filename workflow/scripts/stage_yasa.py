"""Stage the test recordings of one fold with YASA's pre-trained stager; the other sides are not used."""

from pathlib import Path

import pandas as pd

from hypnolens.baselines.classifiers import write_card
from hypnolens.evaluation.predictions import predictions_of
from hypnolens.io.parquet import write_parquet
from hypnolens.pipeline.logs import logged
from hypnolens.pipeline.provenance import record
from hypnolens.recordings.listed import Listed
from hypnolens.stagers.yasa_stager import of_recording, pretrained
from hypnolens.training.folds import about_fold, of_sides, read_folds

with logged(snakemake.log[0]):
    wildcards, table = snakemake.wildcards, snakemake.input.folds
    names, listed = read_folds(Path(table), int(wildcards.fold))["test"], Listed(snakemake.params.epochs, table)
    psg = dict(zip(snakemake.params.recordings, snakemake.input.psg, strict=True))
    tested = [listed.read(name, signal=False) for name in names]
    frames = [predictions_of(epochs, of_recording(Path(psg[epochs.recording]), epochs)) for epochs in tested]
    about = of_sides(about_fold(table, wildcards), "test")
    write_parquet(pd.concat(frames, ignore_index=True), snakemake.output.predictions, about)
    made = {"recordings": {"test": names}, "sampling_rate_hz": tested[0].rate, "made": record()}
    card = {**about, "experiment": dict(snakemake.params.experiment)}
    write_card(Path(snakemake.output.card), {**card, "pretrained": pretrained(), **made})
