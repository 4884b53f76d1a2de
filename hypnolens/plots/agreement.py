"""Bland-Altman plots: sleep statistics of predicted stages minus those of the expert's, by recording."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hypnolens.io.frames import read_table
from hypnolens.plots.style import new

PANELS = {
    "tst_min": "total sleep time",
    "se_percent": "sleep efficiency",
    "waso_min": "wake after sleep onset",
    "sol_min": "sleep onset latency",
    "rem_latency_min": "REM latency",
    "N3_min": "N3",
    "N2_min": "N2",
    "R_min": "R",
    "N1_min": "N1",
}
"""Statistics that are drawn, in their order, and what they are called: the first six that a recording has."""

N_PANELS = 6

APART = 0.1
"""Parts of a panel's height that two numbers at its side are apart, at least."""


def draw(statistics: str, agreement: str) -> Figure:
    """Draw from ``statistics.tsv`` and ``agreement.tsv``."""
    values, table = read_table(statistics), read_table(agreement)
    recordings = values["recording"].nunique()
    subjects = values["subject"].nunique()
    figure, axes = new(5.6, nrows=2, ncols=3)
    for axis, (statistic, name) in zip(axes.flat, chosen(table).items(), strict=True):
        _panel(axis, values[values["statistic"] == statistic], table[table["statistic"] == statistic].iloc[0], name)
    for axis in axes[:, 0]:
        axis.set_ylabel("predicted − expert")
    figure.supxlabel("mean of predicted and expert", fontsize="medium")
    people = f"{recordings:,} recording{'s' * (recordings != 1)} of {subjects:,} subject{'s' * (subjects != 1)}"
    lines = "solid: bias; dashed: limits of agreement (1.96 SD)"
    spans = [f"{span}: {count:,}" for span, count in _spans(values).items()]
    shown = "\n".join("; ".join(spans[first : first + 2]) for first in range(0, len(spans), 2))  # two fit into a line
    figure.suptitle(f"{people}; {lines}\n{shown}", fontsize="small", x=0.01, ha="left")
    figure.align_ylabels(axes[:, 0])
    return figure


def chosen(table: pd.DataFrame) -> dict[str, str]:
    """The statistics of `PANELS` that are drawn, those that no recording has only where there are too few others."""
    known = set(table[table["n"] > 0]["statistic"])
    drawn = sorted(PANELS, key=lambda statistic: statistic not in known)[:N_PANELS]
    return {statistic: name for statistic, name in PANELS.items() if statistic in drawn}


def _panel(axis: Axes, rows: pd.DataFrame, row: pd.Series, name: str) -> None:
    left_out = int(row["only_true"] + row["only_predicted"])
    title = f"{name} ({row['unit']})\nn = {int(row['n']):,}" + (f" (in one only: {left_out:,})" if left_out else "")
    axis.set_title(title, fontsize=8, loc="left")
    axis.tick_params(labelsize=7)
    if row["n"] == 0:
        axis.set(xticks=[], yticks=[])
        what = "undefined in one of both\nfor all " if left_out else "undefined for all\n"
        words = f"{what}n = {len(rows):,} recording{'s' * (len(rows) != 1)}"
        axis.text(0.5, 0.5, words, ha="center", va="center", transform=axis.transAxes, fontsize=8)
        return
    mean, difference = (rows["true"] + rows["predicted"]) / 2, rows["predicted"] - rows["true"]
    many = len(rows) > 100
    axis.plot(mean, difference, "o", color="#0072B2", markersize=2.5 if many else 4, alpha=0.4 if many else 0.9,
              markeredgewidth=0)  # fmt: skip
    axis.axhline(0, color="grey", linewidth=0.6)
    lines = {end: float(row[column]) for end, column in ((1, "loa_high"), (0, "bias"), (-1, "loa_low"))}
    for end, height in lines.items():
        if not np.isnan(height):
            axis.axhline(height, color="black", linestyle="-" if end == 0 else "--", linewidth=1.1)
    axis.margins(x=0.1, y=0.12)
    axis.locator_params(axis="x", nbins=4)
    if len(set(difference.dropna())) == 1:  # of equal values matplotlib makes an axis of some thousandths
        reach = max(1.0, 0.25 * abs(lines[0]))
        axis.set_ylim(min(0.0, lines[0]) - reach, max(0.0, lines[0]) + reach)
    low, high = axis.get_ylim()
    middle = (lines[0] - low) / (high - low)
    for end, height in lines.items():
        if not np.isnan(height):
            place = (height - low) / (high - low)
            place = max(place, middle + APART) if end > 0 else min(place, middle - APART) if end < 0 else place
            axis.annotate(f"{height:+.1f}".replace("-", "−"), (1, place), xycoords="axes fraction", xytext=(3, 0),
                          textcoords="offset points", va="center", fontsize=7)  # fmt: skip


def _spans(values: pd.DataFrame) -> pd.Series:
    """Recordings by the name of their span."""
    return values.drop_duplicates("recording")["span"].value_counts()
