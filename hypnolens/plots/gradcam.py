"""The paper's figure, and better: a raw epoch of each stage with its attribution and its events, five panels."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from hypnolens.explanations.examples import CLEAREST, Explained, read_explained
from hypnolens.explanations.maps import GRAD_CAM, LAYER_IG
from hypnolens.plots.events import boxes
from hypnolens.plots.style import new
from hypnolens.stages import EPOCH_S, STAGES

TICKS_UV = (50, 100, 200, 500, 1000)
"""Amplitudes that an axis may name."""

STRIP = 0.16
"""Height of the strip that holds Grad-CAM, as a share of the panel."""


def draw(explained: str) -> Figure:
    """Draw from the explained epochs of `hypnolens.explanations.examples.write_explained`."""
    found = {epoch.stage: epoch for epoch in read_explained(Path(explained)) if epoch.group == CLEAREST}
    figure, axes = new(8.2, nrows=len(STAGES), sharex=True)
    for letter, axis, stage in zip("abcde", axes, STAGES, strict=True):
        if stage in found:
            epoch = found[stage]
            panel(axis, epoch)
            where = f"{epoch.recording}, epoch {epoch.epoch_index}, p = {epoch.probability:.2f}"
            axis.set_title(f"({letter}) {stage}: {where}", loc="left", fontsize="medium")
        else:
            axis.text(0.5, 0.5, "no correct epoch", transform=axis.transAxes, ha="center", va="center")
            axis.set_title(f"({letter}) {stage}", loc="left", fontsize="medium")
            axis.set_yticks([])
    axes[-1].set(xlabel="seconds from the start of the epoch", xlim=(0, EPOCH_S))
    figure.align_ylabels(axes)
    colour_bar(figure, list(axes))
    return figure


def panel(axis: Axes, epoch: Explained) -> None:
    """One epoch: the signal, the default method as shading behind it, Grad-CAM as a strip below, events as boxes."""
    seconds = np.arange(len(epoch.signal)) / epoch.rate
    reach = max(75.0, 1.25 * float(np.abs(epoch.signal).max()))
    low = -reach * (1 + 2 * STRIP)
    for method, bottom, top in ((LAYER_IG, -reach, reach), (GRAD_CAM, low, -reach)):
        peak = float(epoch.maps[method].max())
        shade = epoch.maps[method] / peak if peak > 0 else epoch.maps[method]
        axis.imshow(
            shade[None], aspect="auto", cmap="Reds", vmin=0, vmax=1, alpha=0.8, interpolation="nearest",
            extent=(0, EPOCH_S, bottom, top), rasterized=True,
        )  # fmt: skip
    axis.axhline(-reach, color="grey", linewidth=0.5)
    axis.plot(seconds, epoch.signal, color="black", linewidth=0.5)
    boxes(axis, epoch.events, low=-0.9 * reach, high=0.8 * reach)
    axis.set(ylabel="µV", ylim=(low, reach), xlim=(0, EPOCH_S))
    tick = max(value for value in TICKS_UV if value <= 0.8 * reach)
    axis.set_yticks([-tick, 0, tick])


def colour_bar(figure: Figure, axes: list[Axes]) -> None:
    """The key to the shading."""
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), "Reds"), ax=axes, shrink=0.5, pad=0.01)
    bar.set_label("attribution, share of the epoch's maximum")
