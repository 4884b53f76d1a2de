"""Accuracy and kappa by distance from the expert's nearest change of stage, and the part of epochs at each distance."""

from matplotlib.figure import Figure

from hypnolens.evaluation.transitions import AT, DISTANCES, INSIDE, NEAR
from hypnolens.io.frames import read_table
from hypnolens.plots.style import new

PLACES = {name: float(place) for place, name in enumerate(DISTANCES)}
PLACES |= {AT: len(DISTANCES) + 1.0, INSIDE: len(DISTANCES) + 2.5}
"""Where each line of the table stands; the groups apart from the distances, of which they are made."""

LABELS = {AT: f"at a\ntransition\n(0 to {NEAR})", INSIDE: f"inside\na bout\n({NEAR + 1} or more)"}

BESIDE = 0.2
"""How far kappa stands beside accuracy, so that neither hides the other."""


def draw(transitions: str) -> Figure:
    """Draw from ``transitions.tsv``."""
    table = read_table(transitions)
    table["place"] = table["distance"].map(PLACES)
    is_group = table["distance"].isin([AT, INSIDE])
    n, subjects = int(table.loc[is_group, "epochs"].sum()), int(table["subjects"].max())
    figure, (above, below) = new(4.6, width=5.6, nrows=2, sharex=True, gridspec_kw={"height_ratios": [2.2, 1]})
    # Colours that differ in lightness too.
    for part, colour, marker, line in (
        (table[~is_group], "#0B3C6F", "o", True),
        (table[is_group], "#E69F00", "s", False),
    ):
        reach = [part["accuracy"] - part["accuracy_low"], part["accuracy_high"] - part["accuracy"]]
        above.errorbar(
            part["place"], part["accuracy"], yerr=reach, marker=marker, markersize=5, capsize=3, color=colour,
            linestyle="-" if line else "none", linewidth=1.2,
            label="accuracy" + (", 95 % interval over subjects" if subjects > 1 else ""),
        )  # fmt: skip
        above.plot(
            part["place"] + BESIDE, part["kappa"], marker="^", markersize=5, color=colour, markerfacecolor="white",
            linestyle=":" if line else "none", linewidth=1.0, label="Cohen's kappa",
        )  # fmt: skip
        bars = below.bar(part["place"], 100 * part["share"], 0.7, color=colour, edgecolor="black", linewidth=0.5)
        below.bar_label(bars, [f"{epochs:,}" for epochs in part["epochs"]], fontsize=7, padding=1)
    lowest = table[["accuracy", "accuracy_low", "kappa"]].min().min()
    above.set(ylabel="score", ylim=(lowest - 0.05 if lowest < 0 else 0, 1.02))
    below.set_xticks(table["place"], [LABELS.get(name, name) for name in table["distance"]])
    below.set(ylabel="% of epochs", ylim=(0, 118), yticks=[0, 50, 100])
    below.set_xlabel("epochs between an epoch and the nearest change of the expert's stage (0: beside it)", fontsize=8)
    people = f"{subjects:,} subject{'s' * (subjects != 1)}"
    above.set_title(f"n = {n:,} epochs, {people}; numbers on bars: epochs", fontsize="small", loc="left")
    handles, labels = above.get_legend_handles_labels()
    # The groups' marks are those of the distances in another colour, and come after them.
    first = {label: handle for handle, label in zip(handles[::-1], labels[::-1], strict=True)}
    figure.legend(first.values(), first, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    for axis in (above, below):
        axis.grid(alpha=0.3, axis="y")
        axis.set_axisbelow(True)
    figure.align_ylabels([above, below])
    return figure
