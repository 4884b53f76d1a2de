"""Epochs by stage, beside the published counts of the same set of recordings."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from hypnolens.io.tables import read_rows
from hypnolens.plots.colours import STAGE_COLOURS
from hypnolens.plots.style import new
from hypnolens.stages import STAGES


def draw(counts: str) -> Figure:
    """Draw from ``counts.tsv``."""
    *rows, total = read_rows(Path(counts))
    here = np.array([int(row["epochs"]) for row in rows])
    published = [row["published"] for row in rows]
    compared = "-" not in published
    figure, axis = new(2.8, width=5.8)
    places, width = np.arange(len(STAGES)), 0.4 if compared else 0.6
    colours = [STAGE_COLOURS[stage] for stage in STAGES]
    bars = axis.bar(places - compared * width / 2, here, width, color=colours, label="here")
    labels = [f"{n:,}\n{row['per_cent']} %" for n, row in zip(here, rows, strict=True)]
    axis.bar_label(bars, labels, fontsize=7)
    title = f"{int(total['epochs']):,} epochs"
    if compared:
        there = np.array([int(n) for n in published])
        hatched = axis.bar(
            places + width / 2, there, width, color="white", edgecolor=colours, hatch="////", label="published"
        )
        axis.bar_label(hatched, [f"{n:,}" for n in there], fontsize=7)
        axis.legend(frameon=False)
        title += f"; published {int(total['published']):,}"
    axis.set_xticks(places, STAGES)
    axis.margins(y=0.15)
    axis.set(xlabel="stage", ylabel="epochs")
    axis.set_title(title, fontsize="medium", loc="left")
    return figure
