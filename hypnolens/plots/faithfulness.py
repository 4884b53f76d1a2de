"""Deletion and insertion curves: the stage's probability as an epoch goes, or comes, piece by piece."""

from matplotlib.figure import Figure

from hypnolens.explanations.maps import ABSENT
from hypnolens.io.frames import read_table
from hypnolens.plots.style import new

COLOURS = {
    "layer-integrated-gradients": "#D55E00", "grad-cam": "#CC79A7", "layer-cam": "#E69F00",
    "integrated-gradients": "#0072B2", "occlusion": "#009E73", "amplitude": "#888888", "random": "black",
    ABSENT: "black",
}  # fmt: skip
"""A colour a method, from Okabe and Ito's palette; controls are grey and black, and dashed."""

STYLES = {"amplitude": "--", "random": "--", ABSENT: ":"}


def draw(curves: str) -> Figure:
    """Draw from ``curves.tsv`` of the tables."""
    table = read_table(curves)
    figure, axes = new(3.4, ncols=2, sharey=True)
    for axis, column in zip(axes, ("deletion", "insertion"), strict=True):
        for order, colour in COLOURS.items():
            rows = table[table["order"] == order]
            label = "neighbours alone" if order == ABSENT else order
            axis.plot(
                100 * rows["step"], rows[column], STYLES.get(order, "-"), color=colour, linewidth=1.1, label=label
            )
        axis.set_xlabel("% of the epoch " + ("replaced by noise" if column == "deletion" else "put back"))
        axis.set_title(column, loc="left", fontsize="medium")
        axis.set(xlim=(0, 100))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("probability of the stage")
    handles, labels = axes[0].get_legend_handles_labels()
    title = f"{int(table['epochs'].max()):,} epochs, half a second at a time, in the order of"
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, title=title)
    return figure
