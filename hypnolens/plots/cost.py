"""Macro-F1 against the time of a training pass: strides and both samplings."""

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from hypnolens.io.frames import read_table
from hypnolens.plots.style import new

MARKERS = {
    "shared": ("o", "#0072B2", "one CNN run an epoch"),
    "windows": ("s", "#D55E00", "one CNN run a window's place"),
}


def draw(cost: str) -> Figure:
    """Draw from ``cost.tsv``."""
    table = read_table(cost)
    several = table["stride"].nunique() > 1  # one number beside every point says nothing, and they overlap
    figure, axis = new(3.2, width=5.6)
    for sampling, rows in table.groupby("sampling"):
        marker, colour, label = MARKERS[str(sampling)]
        rows = rows.sort_values("seconds_a_pass")
        error = [rows["macro_f1"] - rows["macro_f1_low"], rows["macro_f1_high"] - rows["macro_f1"]]
        axis.errorbar(
            rows["seconds_a_pass"], rows["macro_f1"], yerr=error, marker=marker, color=colour, linestyle="none",
            elinewidth=0.7, capsize=2, label=f"{sampling}: {label}",
        )  # fmt: skip
        for row in rows.itertuples() if several else ():
            axis.annotate(
                f"{row.stride}", (row.seconds_a_pass, row.macro_f1), xytext=(5, 3), textcoords="offset points"
            )
    axis.set_xscale("log")
    for formatted in (axis.xaxis.set_major_formatter, axis.xaxis.set_minor_formatter):
        formatted(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set(xlabel="seconds a training pass (validation included)", ylabel="macro-F1")
    strides = "numbers: stride" if several else f"all with stride {table['stride'].iloc[0]}"
    axis.set_title(f"{strides}; bars: 95 % interval over subjects", fontsize="small", loc="left")
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    axis.grid(alpha=0.3)
    return figure
