"""How every figure looks: stage colours that colour-blind people tell apart, one font size, files that repeat."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hypnolens.plots.colours import HYPNOGRAM_ORDER

FULL_WIDTH = 7.2
"""Inches: two columns of a paper."""

DEEP = ("#4C72B0", "#DD8452", "#55A868", "#C44E52", "#8172B3", "#937860", "#DA8BC3", "#8C8C8C", "#CCB974", "#64B5CD")
"""Seaborn's colours."""

PAPER = 0.8
"""Seaborn's scale of everything in a paper; the sizes below are those of its notebooks."""

STYLE: dict[Any, Any] = {
    **dict.fromkeys(("font.size", "axes.labelsize", "axes.titlesize", "legend.title_fontsize"), 12 * PAPER),
    **dict.fromkeys(("legend.fontsize", "xtick.labelsize", "ytick.labelsize"), 11 * PAPER),
    "font.sans-serif": ["Arial", "DejaVu Sans", "Liberation Sans", "Bitstream Vera Sans", "sans-serif"],
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), ".15"),
    **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 1.25 * PAPER),
    **dict.fromkeys(("xtick.minor.width", "ytick.minor.width", "patch.linewidth"), 1.0 * PAPER),
    **dict.fromkeys(("xtick.major.size", "ytick.major.size", "lines.markersize"), 6 * PAPER),
    **dict.fromkeys(("xtick.minor.size", "ytick.minor.size"), 4 * PAPER),
    "lines.linewidth": 1.5 * PAPER, "lines.solid_capstyle": "round",
    "patch.edgecolor": "w", "patch.force_edgecolor": True,
    "axes.prop_cycle": plt.cycler(color=DEEP), "axes.axisbelow": True, "grid.color": ".8",
    "svg.hashsalt": "hypnolens",
}  # fmt: skip
"""Seaborn's style `ticks` for papers, written out, as importing seaborn costs each figure seconds."""


def new(height: float, *, width: float = FULL_WIDTH, **subplots: Any) -> tuple[Figure, Any]:
    """Figure and axes in the common style; sizes in inches."""
    matplotlib.rcParams.update(STYLE)
    return plt.subplots(figsize=(width, height), layout="constrained", **subplots)


def hypnogram(axis: Axes, hours: list[float], stages: list[str], *, colour: str = "black") -> None:
    """Draw a hypnogram; ``hours`` are epoch onsets, and a gap between epochs is left white."""
    level = {stage: height for height, stage in enumerate(HYPNOGRAM_ORDER)}
    epoch_h = 30 / 3600
    x: list[float] = []
    y: list[float] = []
    for onset, stage in zip(hours, stages, strict=True):
        if x and onset - x[-1] > epoch_h / 2:
            x.append(x[-1])
            y.append(float("nan"))
        x += [onset, onset + epoch_h]
        y += [level[stage]] * 2
    axis.plot(x, y, color=colour, linewidth=0.9)
    axis.set_yticks(range(len(HYPNOGRAM_ORDER)), HYPNOGRAM_ORDER)
    axis.set_ylim(-0.4, len(HYPNOGRAM_ORDER) - 0.6)


def save(figure: Figure, *, png: str | Path, svg: str | Path) -> None:
    """Write a figure as PNG (200 dots an inch) and SVG, with no date in them."""
    figure.savefig(png, dpi=200)
    figure.savefig(svg, metadata={"Date": None})
    plt.close(figure)
