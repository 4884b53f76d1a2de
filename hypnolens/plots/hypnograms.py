"""Hypnograms, true against predicted, with probabilities: the best, the median and the worst recording."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hypnolens.evaluation.predictions import PROBABILITIES, read_predictions
from hypnolens.evaluation.tables import ranked
from hypnolens.io.frames import read_table
from hypnolens.plots.colours import STAGE_COLOURS
from hypnolens.plots.style import hypnogram, new
from hypnolens.stages import STAGES


def draw(predictions: list[str], by_recording: str) -> Figure:
    """Draw from the predictions of all folds and ``metrics_by_recording.tsv``."""
    frame = read_predictions(predictions)
    rows = ranked(read_table(by_recording))
    chosen = {"best": 0, "median": (len(rows) - 1) // 2, "worst": len(rows) - 1}
    wanted = {name: rows.iloc[place] for name, place in chosen.items()}
    if len(rows) < 3:
        wanted = {"best": rows.iloc[0]} if len(rows) == 1 else {k: wanted[k] for k in ("best", "worst")}
    figure, axes = new(2.7 * len(wanted) + 0.4, nrows=3 * len(wanted), squeeze=False,
                       gridspec_kw={"height_ratios": [1, 1, 0.8] * len(wanted)})  # fmt: skip
    for number, (name, row) in enumerate(wanted.items()):
        night = frame[frame["recording"] == row["recording"]].sort_values("epoch_index")
        title = f"{name}: {row['recording']}, accuracy {row['accuracy']:.2f}, {len(night):,} epochs"
        _night(list(axes[3 * number : 3 * number + 3, 0]), night, title)
    axes[-1, 0].set_xlabel("hours from the start of the recording")
    patches = [Patch(color=STAGE_COLOURS[stage], label=stage) for stage in STAGES]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(STAGES), title="probability", frameon=False)
    return figure


def _night(axes: list[Axes], night: pd.DataFrame, title: str) -> None:
    hours = (night["onset_s"] / 3600).to_numpy()
    for axis, column, label in zip(axes, ("stage_true", "stage_pred"), ("expert", "predicted"), strict=False):
        hypnogram(axis, list(hours), list(night[column]))
        axis.set_ylabel(label)
    wrong = night["stage_true"] != night["stage_pred"]
    axes[1].plot(hours[wrong] + 15 / 3600, [-0.75] * int(wrong.sum()), "|", color="#D55E00", markersize=4)
    axes[1].set_ylim(-1.0, 4.4)
    axes[0].set_title(title, fontsize="medium", loc="left")
    # A missing epoch is a column of zeros, so that a gap stays white.
    index = night["epoch_index"].to_numpy()
    whole = night.set_index("epoch_index")[PROBABILITIES].reindex(range(index[0], index[-1] + 1), fill_value=0.0)
    shares = whole.to_numpy().T[:, [*range(len(whole)), -1]]  # the last epoch too has an end
    onsets = hours[0] + np.arange(shares.shape[1]) * 30 / 3600
    axes[2].stackplot(onsets, shares, colors=[STAGE_COLOURS[stage] for stage in STAGES], step="post", linewidth=0)
    axes[2].set(ylim=(0, 1), ylabel="prob.", yticks=[0, 1])
    for axis in axes:
        axis.set_xlim(hours[0], hours[-1] + 30 / 3600)
    for axis in axes[:2]:
        axis.set_xticklabels([])
    figure = axes[0].figure
    figure.align_ylabels(axes)
