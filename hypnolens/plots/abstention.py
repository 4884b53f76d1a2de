"""Accuracy of the epochs that a stager is surest of, against the share of them that is kept."""

from matplotlib.figure import Figure

from hypnolens.io.frames import read_table
from hypnolens.plots.style import new

COLOUR = "#0072B2"


def draw(abstention: str) -> Figure:
    """Draw from ``abstention.tsv``."""
    table = read_table(abstention)
    figure, axis = new(3.4, width=4.4)
    kept = 100 * table["kept"]
    axis.fill_between(kept, table["accuracy_low"], table["accuracy_high"], color=COLOUR, alpha=0.2, linewidth=0,
                      label="95 % interval over subjects")  # fmt: skip
    axis.plot(
        kept, table["accuracy"], "o-", color=COLOUR, markersize=3, linewidth=1.2, label="accuracy of what is kept"
    )
    every = float(table["accuracy"].iloc[-1])
    axis.axhline(every, color="black", linestyle="--", linewidth=0.9, label="of all epochs")
    axis.set(xlabel="% of epochs kept, the surest first", ylabel="accuracy", xlim=(0, 100))
    axis.set_ylim(min(0.5, float(table["accuracy"].min()) - 0.05), 1.0)
    n, area = int(table["epochs"].iloc[-1]), float(table["area"].iloc[0])
    axis.set_title(f"mean over all shares {area:.3f}, n = {n:,} epochs", fontsize="small", loc="left")
    axis.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure
