"""t-SNE of the network's features: all stages in one panel, and each stage in a panel of its own."""

import pandas as pd
from matplotlib.figure import Figure

from hypnolens.io.frames import read_table
from hypnolens.plots.colours import STAGE_COLOURS
from hypnolens.plots.style import new
from hypnolens.stages import STAGES


def draw(embedding: str) -> Figure:
    """Draw from the table of `hypnolens.network.embedding.embed_recordings`."""
    table = read_table(embedding)
    mosaic = [
        ["all", "all", STAGES[0], STAGES[1]],
        ["all", "all", STAGES[2], STAGES[3]],
        ["all", "all", STAGES[4], "."],
    ]
    figure, _ = new(4.6)
    figure.clear()
    axes = figure.subplot_mosaic(mosaic)  # type: ignore[arg-type]
    size = 14 if len(table) < 500 else 5
    for name, axis in axes.items():
        axis.set(xticks=[], yticks=[], xlim=_limits(table["x"]), ylim=_limits(table["y"]))
        if name != "all":
            axis.scatter(table["x"], table["y"], s=size / 3, color="#DDDDDD", linewidths=0, rasterized=True)
        for stage in STAGES if name == "all" else [name]:
            rows = table[table["stage"] == stage]
            axis.scatter(
                rows["x"], rows["y"], s=size if name == "all" else size / 2, color=STAGE_COLOURS[stage], linewidths=0,
                label=f"{stage} (n = {len(rows):,})", rasterized=True,
            )  # fmt: skip
        if name != "all":
            axis.set_title(name, fontsize="small", pad=2)
    axes["all"].set(xlabel="t-SNE 1 (no unit)", ylabel="t-SNE 2 (no unit)")
    figure.legend(
        *axes["all"].get_legend_handles_labels(), loc="outside lower center", ncols=len(STAGES), frameon=False,
        markerscale=2.5, handletextpad=0.1,
    )  # fmt: skip
    recordings = ", ".join(sorted(table["recording"].unique())[:3])
    perplexity = table["perplexity"].iloc[0]
    title = f"features of {len(table):,} test epochs of fold 0 ({recordings}), perplexity {perplexity:.0f}"
    figure.suptitle(title, fontsize="medium")
    return figure


def _limits(values: pd.Series) -> tuple[float, float]:
    margin = 0.05 * (values.max() - values.min()) or 1.0
    return values.min() - margin, values.max() + margin
