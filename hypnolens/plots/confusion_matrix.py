"""Confusion matrix: counts, and per cent of each true stage."""

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from hypnolens.io.tables import read_json
from hypnolens.plots.style import new
from hypnolens.stages import STAGES


def draw(metrics: str) -> Figure:
    """Draw from ``metrics.json``."""
    values = read_json(metrics)
    counts = np.array(values["confusion_matrix"])
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(100.0 * counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    words = [
        [f"{n:,}" + ("" if np.isnan(p) else f"\n{p:.0f} %") for n, p in zip(*row, strict=True)]
        for row in zip(counts, share, strict=True)
    ]
    figure, axis = new(4.0, width=4.8)
    sns.heatmap(
        share, annot=np.array(words), fmt="", cmap="Blues", vmin=0, vmax=100, ax=axis, square=True, linewidths=0.5,
        xticklabels=STAGES, yticklabels=STAGES, cbar_kws={"label": "% of the true stage"},
    )  # fmt: skip
    axis.set(xlabel="predicted stage", ylabel="expert's stage")
    axis.tick_params(rotation=0)
    axis.set_title(f"{values['n_epochs']:,} epochs, {values['n_subjects']} subjects", fontsize="medium")
    return figure
