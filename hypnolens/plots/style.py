"""How every figure looks: stage colours that colour-blind people tell apart, one font size, files that repeat."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hypnolens.plots.colours import HYPNOGRAM_ORDER

FULL_WIDTH = 7.2
"""Inches: two columns of a paper."""


def new(height: float, *, width: float = FULL_WIDTH, **subplots: Any) -> tuple[Figure, Any]:
    """Figure and axes in the common style; sizes in inches."""
    sns.set_theme(context="paper", style="ticks", font_scale=1.0, rc={"svg.hashsalt": "hypnolens"})
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
