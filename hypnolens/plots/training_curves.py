"""Training curves of all folds: loss, and validation macro-F1 with the pass that was kept."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hypnolens.io.frames import read_table
from hypnolens.plots.style import new

TRAIN, VALIDATION = "#0072B2", "#D55E00"


def draw(histories: list[str]) -> Figure:
    """Draw from ``history.tsv`` of every fold."""
    tables = [read_table(path) for path in histories]
    figure, (left, right) = new(2.8, ncols=2)
    strength = max(0.25, 0.9 / len(tables) ** 0.5)
    for number, table in enumerate(tables):
        first = number == 0
        left.plot(table["pass"], table["train_loss"], color=TRAIN, alpha=strength, label="training" if first else None)
        left.plot(
            table["pass"], table["validation_loss"], color=VALIDATION, alpha=strength, linestyle="--",
            label="validation" if first else None,
        )  # fmt: skip
        right.plot(table["pass"], table["validation_macro_f1"], color=VALIDATION, alpha=strength, linestyle="--")
        kept = table[table["best"] == 1].iloc[-1]
        right.plot(kept["pass"], kept["validation_macro_f1"], "o", color="black", markersize=4,
                   label="pass kept" if first else None)  # fmt: skip
    left.set(xlabel="training pass", ylabel="cross-entropy (nat an epoch)", ylim=(0, None))
    right.set(xlabel="training pass", ylabel="validation macro-F1", ylim=(0, 1))
    for axis in (left, right):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.legend(frameon=False)
        axis.grid(axis="y", alpha=0.3)
    folds = f"{len(tables)} fold{'s' * (len(tables) != 1)}, a line each"
    figure.suptitle(folds, fontsize="medium")
    return figure
