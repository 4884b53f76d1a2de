"""Epochs of which the network was least sure, and its most confident errors by kind."""

from pathlib import Path

from matplotlib.figure import Figure

from hypnolens.explanations.examples import CLEAREST, read_explained
from hypnolens.plots.gradcam import colour_bar, panel
from hypnolens.plots.style import new


def draw(explained: str) -> Figure:
    """Draw from the explained epochs of `hypnolens.explanations.examples.write_explained`."""
    shown = [epoch for epoch in read_explained(Path(explained)) if epoch.group != CLEAREST]
    figure, axes = new(1.45 * max(1, len(shown)) + 0.8, nrows=max(1, len(shown)), sharex=True, squeeze=False)
    for axis, epoch in zip(axes[:, 0], shown, strict=False):
        panel(axis, epoch)
        what = f"least sure {epoch.stage}" if epoch.stage == epoch.stage_true else f"{epoch.group}"
        where = f"{epoch.recording}, epoch {epoch.epoch_index}, p({epoch.stage}) = {epoch.probability:.2f}"
        axis.set_title(f"{what}: {where}, neighbours' part {epoch.context:.0%}", loc="left", fontsize="small")
    axes[-1, 0].set_xlabel("seconds from the start of the epoch")
    if shown:
        figure.align_ylabels(axes[:, 0])
        colour_bar(figure, list(axes[:, 0]))
    else:
        axes[0, 0].text(0.5, 0.5, "no epoch", transform=axes[0, 0].transAxes, ha="center")
    return figure
