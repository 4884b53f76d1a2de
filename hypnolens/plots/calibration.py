"""Reliability diagram: accuracy against confidence, and below it how many epochs have which confidence."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from hypnolens.io.frames import read_table
from hypnolens.plots.style import new

ACCURACY, GAP = "#56B4E9", "#D55E00"


def draw(reliability: str, calibration: str) -> Figure:
    """Draw from ``reliability.tsv`` and ``calibration.tsv``."""
    bins, table = read_table(reliability), read_table(calibration)
    every = table[table["stage"] == "all"]
    values, after = (
        {row["quantity"]: row for row in every[every["corrected"] == corrected].to_dict("records")}
        for corrected in (0, 1)
    )
    filled = bins[bins["epochs"] > 0]
    n = int(bins["epochs"].sum())
    figure, (above, below) = new(5.0, width=4.4, nrows=2, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    width = filled["high"] - filled["low"]
    above.bar(filled["low"], filled["accuracy"], width, align="edge", color=ACCURACY, edgecolor="black", linewidth=0.5,
              label="accuracy of the bin")  # fmt: skip
    above.vlines(filled["confidence"], filled["accuracy"], filled["confidence"], color=GAP, linewidth=1.6,
                 label="gap to its confidence")  # fmt: skip
    above.plot(filled["confidence"], filled["accuracy"], "o", color="black", markersize=3.5, clip_on=False,
               label="accuracy at its mean confidence")  # fmt: skip
    above.plot([0, 1], [0, 1], "--", color="black", linewidth=0.9, label="perfect calibration")
    above.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    first = f"ECE {values['ece']['value']:.3f} ({len(bins)} bins), n = {n:,} epochs"
    second = ", ".join(
        f"{name} {_with_interval(values[quantity])}" for quantity, name in (("brier", "Brier score"), ("nll", "NLL"))
    )
    third = f"\nat the temperature of validation subjects: ECE {after['ece']['value']:.3f}" if after else ""
    above.set_title(f"{first}\n{second}{third}", fontsize="small", loc="left")
    below.bar(bins["low"], 100 * bins["epochs"] / n, bins["high"] - bins["low"], align="edge", color="#888888",
              edgecolor="black", linewidth=0.5)  # fmt: skip
    below.set(xlabel="confidence: probability of the predicted stage", ylabel="% of epochs")
    for axis in (above, below):
        axis.grid(alpha=0.3)
        axis.set_axisbelow(True)
    handles, labels = above.get_legend_handles_labels()
    # Outside: a bin of few epochs may reach to the top anywhere.
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    figure.align_ylabels([above, below])
    return figure


def _with_interval(row: Mapping[Hashable, Any]) -> str:
    return f"{row['value']:.3f}" + ("" if pd.isna(row["low"]) else f" ({row['low']:.3f} to {row['high']:.3f})")
