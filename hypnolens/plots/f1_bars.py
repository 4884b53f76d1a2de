"""F1 of each stage and macro-F1 of a dataset's main family, beside the paper's values and those of other families."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import BarContainer
from matplotlib.figure import Figure

from hypnolens.io.frames import read_table
from hypnolens.plots.style import new
from hypnolens.stages import STAGES

SCORES = {**{f"f1_{stage}": stage for stage in STAGES}, "macro_f1": "macro-F1"}
"""Columns that are drawn, and what they are called."""

PLACES = np.array([*np.arange(len(STAGES)), len(STAGES) + 0.25])
"""Where each score stands; macro-F1 a little apart from the stages of which it is the mean."""

OURS, PAPER = "#5C9CCC", "white"
"""Colours of the bars; they differ in lightness, and the paper's is hatched too."""

MARKERS = {
    "o": "#E69F00", "s": "#56B4E9", "^": "#009E73", "D": "#CC79A7",
    "v": "#D55E00", "P": "#F0E442", "X": "#999999", "*": "white",
}  # fmt: skip
"""Marker and colour of each other family; of more, the last are left out."""

BAR, STEP = 0.26, 0.05
"""Widths of a bar and of a family's column of markers; scores are one apart."""


def draw(families: str, paper: str) -> Figure:
    """Draw from ``families.tsv``, whose first line is the main family, and the paper's line for the same dataset.

    Parameters
    ----------
    families, paper
        Tables; the paper's F1 are in per cent, and its table may be without a line.
    """
    table, published = read_table(families), read_table(paper)
    figure, axis = new(3.6)
    axis.set(ylabel="F1", ylim=(0, 1), xlim=(PLACES[0] - 0.55, PLACES[-1] + 0.55))
    axis.set_xticks(PLACES, list(SCORES.values()))
    axis.tick_params(axis="x", length=0)
    axis.grid(alpha=0.3, axis="y")
    axis.set_axisbelow(True)
    if table.empty:
        axis.text(0.5, 0.5, "no experiment", transform=axis.transAxes, ha="center")
        return figure
    main, others = table.iloc[0], table.iloc[1 : 1 + len(MARKERS)]
    # What stands at a score is centred on it as a whole.
    left = -(BAR * (1 + len(published[:1])) + STEP * len(others)) / 2
    _main(axis, main, PLACES + left + BAR / 2)
    left += BAR
    for row in published[:1].to_dict("records"):
        values = np.array([row[score] for score in SCORES], dtype=float) / 100
        style = {"color": PAPER, "hatch": "/////", "edgecolor": "black", "linewidth": 0.6}
        where = PLACES + left + BAR / 2
        axis.bar(where, values, BAR, label=f"as published ({_cited(row['source'])})", **style)
        _values(axis, where, values)
        left += BAR
    _others(axis, others, left)
    axis.set_title(_title(main, len(table) - 1 - len(others)), fontsize="small", loc="left")
    handles, labels = axis.get_legend_handles_labels()
    # Bars before markers; matplotlib has them the other way.
    order = sorted(range(len(labels)), key=lambda number: not isinstance(handles[number], BarContainer))
    handles, labels = [handles[number] for number in order], [labels[number] for number in order]
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=7.5)
    return figure


def _main(axis: Axes, main: pd.Series, where: np.ndarray) -> None:
    """Bars of the main family with their intervals, and their values at their feet."""
    values, low, high = (
        main[[f"{score}{end}" for score in SCORES]].to_numpy(dtype=float) for end in ("", "_low", "_high")
    )
    label = f"here, experiment {main['family']}" + ("" if np.isnan(low).all() else "; 95 % interval over subjects")
    axis.bar(where, values, BAR, color=OURS, edgecolor="black", linewidth=0.6, label=label)
    reach = np.maximum([values - low, high - values], 0)  # an interval of no width may miss its middle by rounding
    axis.errorbar(where, values, yerr=reach, fmt="none", ecolor="black", elinewidth=0.9, capsize=2.5)
    _values(axis, where, values)


def _values(axis: Axes, where: np.ndarray, values: np.ndarray) -> None:
    """Values at the feet of bars, where no marker or interval can be."""
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
    for x, value in zip(where, values, strict=True):
        if not np.isnan(value):
            axis.text(x, 0.025, f"{value:.2f}", ha="center", fontsize=6.2, bbox=paper)


def _others(axis: Axes, others: pd.DataFrame, left: float) -> None:
    """A column of markers a family beside the bars."""
    for number, (row, (marker, colour)) in enumerate(zip(others.to_dict("records"), MARKERS.items(), strict=False)):
        axis.plot(
            PLACES + left + STEP * (number + 0.9), [row[score] for score in SCORES], marker, color=colour, markersize=4,
            markeredgecolor="black", markeredgewidth=0.5, label=row["family"],
            clip_on=False,  # a marker at 0 or 1 is seen whole
        )  # fmt: skip


def _title(main: pd.Series, left_out: int) -> str:
    """How much there is behind the main family's values, and what is not drawn."""
    counts = [
        f"{int(main[what]):,} {what[:-1]}{'s' * (int(main[what]) != 1)}" for what in ("epochs", "subjects", "runs")
    ]
    words = f"n = {', '.join(counts)}"
    if left_out:
        words += f"; {left_out} other famil{'y' if left_out == 1 else 'ies'} not drawn"
    return words


def _cited(source: str) -> str:
    """Where the paper's values are from, without remarks in brackets."""
    return str(source).split(" (")[0]
