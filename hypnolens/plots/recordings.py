"""A whole dataset at a glance: a row a recording, its hypnogram as colours and its quality flags beside it."""

from pathlib import Path

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hypnolens.io.tables import read_rows
from hypnolens.plots.colours import STAGE_COLOURS
from hypnolens.plots.style import new
from hypnolens.recordings.epochs import NOTHING, read_hypnograms
from hypnolens.stages import EPOCH_S, STAGES

MOST_ROWS = 400
"""Rows that a page can show; of more recordings one in n is drawn, and the title says so."""

WORDS = {
    "flat": "{} flat", "clipped": "{} clipped", "missing": "{} not kept", "amplitude": "amplitude {} µV",
    "mains": "{} Hz of the mains", "stages": "stages {} s", "records": "records {}", "other-file": "header: other {}",
}  # fmt: skip
"""Flags in words, numbers being epochs where nothing else is said."""

GAP, ENDED = "#D9D9D9", "white"
"""Within a night an epoch was not kept; after it there is none."""

NAMED = 60
"""Up to so many rows each has its name and its flags in words; flags of more are a mark."""


def draw(hypnograms: str, recordings: str) -> Figure:
    """Draw from ``hypnograms.safetensors`` and ``recordings.tsv``."""
    stages, rows = read_hypnograms(Path(hypnograms)), read_rows(Path(recordings))
    step = -(-len(rows) // MOST_ROWS)
    shown, stages = rows[::step], stages[::step]
    named = len(shown) <= NAMED
    figure, axis = new(min(0.9 + (0.16 if named else 0.05) * len(shown), 10.5))
    colours = ListedColormap([ENDED, GAP, *(STAGE_COLOURS[stage] for stage in STAGES)])
    after = np.cumsum(stages[:, ::-1] != NOTHING, axis=1)[:, ::-1] == 0
    hours = stages.shape[1] * EPOCH_S / 3600
    axis.imshow(
        np.where(after, NOTHING - 1, stages), cmap=colours, vmin=NOTHING - 1, vmax=len(STAGES) - 1, aspect="auto",
        interpolation="nearest",
        extent=(0, hours, len(shown), 0),
    )  # fmt: skip
    every = 1 if named else -(-len(shown) // NAMED)
    size = 6 if len(shown) > 20 else 8
    axis.set_yticks(np.arange(0, len(shown), every) + 0.5, [row["recording"] for row in shown[::every]], fontsize=size)
    flagged = [(place + 0.5, row["flags"]) for place, row in enumerate(shown) if row["flags"] != "none"]
    for place, flags in flagged:
        axis.annotate(
            in_words(flags) if named else "◂", (1, place), xycoords=("axes fraction", "data"), xytext=(3, 0),
            textcoords="offset points", va="center", fontsize=size,
            color="#666666" if of_stages_alone(flags) else "#A33B00",
        )  # fmt: skip
    axis.set_xlabel("hours from the first epoch kept")
    n_flagged = sum(row["flags"] != "none" and not of_stages_alone(row["flags"]) for row in rows)
    title = f"{len(rows):,} recordings, {n_flagged:,} with something odd about the signal"
    axis.set_title(title + (f"; one in {step} is drawn" if step > 1 else ""), fontsize="medium", loc="left")
    axis.tick_params(axis="y", length=0)
    patches = [Patch(color=STAGE_COLOURS[stage], label=stage) for stage in STAGES]
    patches.append(Patch(color=GAP, label="not kept"))
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), frameon=False)
    return figure


def in_words(flags: str) -> str:
    """Flags of a recording as a person reads them."""
    pairs = (flag.partition("=") for flag in flags.split())
    return ", ".join(WORDS[name].format(value) if name in WORDS else f"{name} {value}" for name, _, value in pairs)


def of_stages_alone(flags: str) -> bool:
    """Whether all that is flagged are epochs without a stage, such as movement, which says nothing of the signal."""
    return all(flag.startswith("missing=") for flag in flags.split())
