"""Attribution against frequency band, by stage."""

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from hypnolens.io.frames import read_table
from hypnolens.plots.style import new
from hypnolens.stages import STAGES


def draw(bands: str) -> Figure:
    """Draw from ``bands.tsv`` of the tables."""
    table = read_table(bands)
    methods = list(dict.fromkeys(table["method"]))
    names = list(dict.fromkeys(table["band"]))
    reach = max(0.1, float(np.abs(np.log2(table["preference"])).max()))
    figure, axes = new(2.6, ncols=len(methods), sharey=True, squeeze=False)
    for number, (axis, method) in enumerate(zip(axes[0], methods, strict=True)):
        own = table[table["method"] == method].pivot(index="stage", columns="band", values="preference")
        own = own.reindex(index=list(STAGES), columns=names)
        sns.heatmap(
            np.log2(own), annot=own, fmt=".2f", cmap="RdBu_r", vmin=-reach, vmax=reach, ax=axis,
            linewidths=0.5, annot_kws={"fontsize": 6}, cbar=number == len(methods) - 1,
            cbar_kws={"label": "log2 of the ratio"},
        )  # fmt: skip
        axis.set(xlabel="", ylabel="stage" if number == 0 else "")
        axis.set_title(method, fontsize="small")
        axis.tick_params(rotation=0, labelsize=7)
    figure.supxlabel("band: amplitude where the map is, over its mean in the epoch", fontsize="small")
    return figure
