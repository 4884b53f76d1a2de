"""The paper's figure: a raw epoch of each stage with its Grad-CAM, five panels."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from hypnolens.explanations import Explained, read_explained
from hypnolens.plots.style import new
from hypnolens.stages import EPOCH_S, STAGES


def draw(gradcam: str) -> Figure:
    """Draw from the explained epochs of `hypnolens.explanations.write_explained`."""
    explained = read_explained(Path(gradcam))
    figure, axes = new(7.0, nrows=len(STAGES), sharex=True)
    for letter, axis, stage in zip("abcde", axes, STAGES, strict=True):
        if stage in explained:
            _panel(axis, explained[stage], letter)
        else:
            axis.text(0.5, 0.5, "no correct epoch", transform=axis.transAxes, ha="center", va="center")
            axis.set_title(f"({letter}) {stage}", loc="left", fontsize="medium")
            axis.set_yticks([])
    axes[-1].set(xlabel="seconds from the start of the epoch", xlim=(0, EPOCH_S))
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), "Reds"), ax=list(axes), shrink=0.5, pad=0.01)
    bar.set_label("Grad-CAM, share of the epoch's maximum")
    return figure


def _panel(axis: Axes, epoch: Explained, letter: str) -> None:
    seconds = np.arange(len(epoch.signal)) / epoch.rate
    reach = max(75.0, 1.1 * float(np.abs(epoch.signal).max()))
    peak = float(epoch.attribution.max())
    shade = epoch.attribution / peak if peak > 0 else epoch.attribution
    axis.imshow(
        shade[None], aspect="auto", cmap="Reds", vmin=0, vmax=1, alpha=0.8, interpolation="nearest",
        extent=(0, EPOCH_S, -reach, reach), rasterized=True,
    )  # fmt: skip
    axis.plot(seconds, epoch.signal, color="black", linewidth=0.5)
    where = f"{epoch.recording}, epoch {epoch.epoch_index}, p = {epoch.probability:.2f}"
    axis.set_title(
        f"({letter}) {epoch.stage}: {where}{'' if peak > 0 else ', map empty'}", loc="left", fontsize="medium"
    )
    axis.set(ylabel="µV", ylim=(-reach, reach))
