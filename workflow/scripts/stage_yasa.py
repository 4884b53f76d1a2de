"""Stage the test recordings of one fold with YASA's pre-trained stager; the other sides are not used."""

from pathlib import Path

import pandas as pd

from hypnolens.baselines.classifiers import write_card
from hypnolens.baselines.yasa_stager import pretrained, probabilities
from hypnolens.epochs import read_epochs
from hypnolens.folds import read_folds
from hypnolens.logs import logged
from hypnolens.parquet import write_parquet
from hypnolens.predictions import predictions_of
from hypnolens.provenance import record

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
