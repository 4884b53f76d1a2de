"""Does running the CNN once an epoch cost accuracy? Prints JSON; fails if the bar is missed.

    snakemake --cores all --configfile config/sampling.yaml && python benchmarks/sampling.py

Macro-F1 over all subjects of `sampling: shared` minus `windows`, both with stride 1, a pair a seed; the interval of the
mean over seeds is a percentile bootstrap over subjects, the same draw for every run.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from hypnolens import metrics
from hypnolens.predictions import codes
from hypnolens.provenance import record

RESULTS = Path("results/sampling-study")
SEEDS = (0, 1, 2)
LEAST, DRAWS = -0.01, 2000


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
    drawn = np.random.default_rng(0).integers(n_subjects, size=(DRAWS, n_subjects))
    by_draw = {way: metrics.scores(matrices[:, drawn].sum(axis=2))["macro_f1"] for way, matrices in runs.items()}
    difference = (macro_f1["shared"] - macro_f1["windows"]).mean()
    low, high = np.percentile((by_draw["shared"] - by_draw["windows"]).mean(axis=0), [2.5, 97.5])
    found = {
        "device": record()["processor"], "subjects": n_subjects, "seeds": list(SEEDS),
        **{way: [round(float(value), 4) for value in values] for way, values in macro_f1.items()},
        "shared_minus_windows": round(float(difference), 4), "ci95": [round(float(low), 4), round(float(high), 4)],
        "missed": bool(difference < LEAST),
    }  # fmt: skip
    print(json.dumps(found, indent=1))
    return int(found["missed"])


if __name__ == "__main__":
    sys.exit(main())
