"""Stage the test recordings of one fold with YASA's pre-trained stager; the other sides are not used."""

from pathlib import Path

import pandas as pd

from hypnolens.baselines.classifiers import write_card
from hypnolens.baselines.yasa_stager import pretrained, probabilities
from hypnolens.evaluation.predictions import predictions_of
from hypnolens.io.parquet import write_parquet
from hypnolens.pipeline.logs import logged
from hypnolens.pipeline.provenance import record
from hypnolens.recordings.epochs import read_epochs
from hypnolens.training.folds import read_folds

with logged(snakemake.log[0]):
    wildcards, folder = snakemake.wildcards, Path(snakemake.params.epochs)
    names = read_folds(Path(snakemake.input.folds), int(wildcards.fold))["test"]
    psg = dict(zip(snakemake.params.recordings, snakemake.input.psg, strict=True))
    tested = [read_epochs(folder / f"{name}.safetensors", signal=False) for name in names]
    frames = [predictions_of(epochs, probabilities(Path(psg[epochs.recording]), epochs)) for epochs in tested]
    write_parquet(pd.concat(frames, ignore_index=True), snakemake.output.predictions)
    made = {"recordings": {"test": names}, "sampling_rate_hz": tested[0].rate, "made": record()}
    card = {"dataset": wildcards.dataset, "fold": int(wildcards.fold), "experiment": dict(snakemake.params.experiment)}
    write_card(Path(snakemake.output.card), {**card, "pretrained": pretrained(), **made})
