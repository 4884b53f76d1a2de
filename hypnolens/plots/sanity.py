"""Similarity of maps to those of networks that are random from the top down to a block, and to shifted ones."""

from matplotlib.figure import Figure

from hypnolens.io.frames import read_table
from hypnolens.plots.faithfulness import COLOURS
from hypnolens.plots.style import new


def draw(sanity: str) -> Figure:
    """Draw from ``sanity.tsv`` of the tables."""
    table = read_table(sanity)
    parts = [(check, rows) for check, rows in table.groupby("check", sort=False)]
    widths = [max(3, rows["level"].nunique()) for _, rows in parts]
    figure, axes = new(3.2, ncols=len(parts), sharey=True, squeeze=False, gridspec_kw={"width_ratios": widths})
    words = {"parameters": "random down to", "labels": "shuffled labels", "shift": "signal shifted by (s)"}
    for axis, (check, rows) in zip(axes[0], parts, strict=True):
        levels = list(dict.fromkeys(rows["level"]))
        for method, own in rows.groupby("method", sort=False):
            values = own.set_index("level").reindex(levels)  # a method may have no map at a level
            spread = [values["similarity"] - values["similarity_low"], values["similarity_high"] - values["similarity"]]
            axis.errorbar(
                range(len(levels)), values["similarity"], yerr=spread, marker="o", markersize=3, capsize=2,
                linewidth=1, color=COLOURS[str(method)], label=method,
            )  # fmt: skip
        axis.set_xticks(range(len(levels)), levels, rotation=35, ha="right")
        axis.set(xlabel=words[str(check)], xlim=(-0.5, len(levels) - 0.5))
        axis.axhline(0, color="grey", linewidth=0.5)
        axis.grid(alpha=0.3)
    axes[0, 0].set(ylabel="rank correlation of maps", ylim=(-0.3, 1.05))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    return figure
