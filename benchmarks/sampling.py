"""Does running the CNN once an epoch cost accuracy? Prints JSON; fails if the bar is missed.

    snakemake --cores all --configfile config/sampling.yaml && python benchmarks/sampling.py

Macro-F1 over all subjects of `sampling: shared` minus `windows`, both with stride 1, a pair a seed; the interval of the
mean over seeds is over subjects (`hypnolens.evaluation.metrics.interval`), the same draws for every run.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from hypnolens.evaluation import metrics
from hypnolens.evaluation.predictions import codes
from hypnolens.pipeline.provenance import record

RESULTS = Path("results/sampling-study")
SEEDS = (0, 1, 2)
LEAST = -0.01


def confusions(experiment: str) -> np.ndarray:
    """Confusion matrix of each subject ``(n_subjects, 5, 5)``."""
    paths = sorted((RESULTS / experiment).glob("fold-*/predictions.parquet"))
    predictions = pd.concat(map(pd.read_parquet, paths))
    by_subject = predictions.groupby("subject", sort=True)
    return np.stack([metrics.confusion_matrix(codes(r["stage_true"]), codes(r["stage_pred"])) for _, r in by_subject])


def main() -> int:
    runs = {way: np.stack([confusions(f"by-{way}-seed{seed}") for seed in SEEDS]) for way in ("shared", "windows")}
    n_subjects = runs["shared"].shape[1]
    macro_f1 = {way: metrics.scores(matrices.sum(axis=1))["macro_f1"] for way, matrices in runs.items()}
    drawn = {way: metrics.drawn_scores(matrices, seed=0)["macro_f1"] for way, matrices in runs.items()}
    difference = float((macro_f1["shared"] - macro_f1["windows"]).mean())
    low, high = metrics.interval(difference, drawn["shared"] - drawn["windows"], n_subjects)
    found = {
        "device": record()["processor"], "subjects": n_subjects, "seeds": list(SEEDS),
        **{way: [round(float(value), 4) for value in values] for way, values in macro_f1.items()},
        "shared_minus_windows": round(difference, 4), "ci95": [round(low, 4), round(high, 4)],
        "missed": difference < LEAST,
    }  # fmt: skip
    print(json.dumps(found, indent=1))
    return int(found["missed"])


if __name__ == "__main__":
    sys.exit(main())
