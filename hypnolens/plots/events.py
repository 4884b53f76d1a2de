"""Events of an epoch as labelled boxes."""

from collections.abc import Sequence
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from hypnolens.stages import EPOCH_S

LABELS = {
    "spindle": "spindle", "k-complex": "K-complex", "slow-wave": "slow waves", "alpha": "alpha",
    "vertex": "vertex wave", "theta": "theta", "sawtooth": "sawtooth",
}  # fmt: skip
"""What stands beside a box of each kind, or a train of them."""

COLOUR = "#00724F"

JOINED_S = 1.0
"""Events of a kind that are closer than this are one box."""


LETTER_S = 0.3
"""Seconds that a letter of a label takes in a figure of full width."""


def boxes(axis: Axes, events: Sequence[tuple[float, float, str]], *, low: float, high: float) -> None:
    """Draw events (start and duration in s, kind) as boxes between two heights, with their labels above them."""
    trains = []
    for kind, of_kind in groupby(sorted(events, key=lambda event: (event[2], event[0])), key=lambda event: event[2]):
        train: list[float] = []
        for start, duration, _ in of_kind:
            if train and start - train[1] < JOINED_S:
                train[1] = max(train[1], start + duration)
            else:
                train = [start, start + duration]
                trains.append((kind, train))
    free = float("-inf")
    for kind, (start, end) in sorted(trains, key=lambda one: one[1]):
        axis.add_patch(Rectangle((start, low), end - start, high - low, fill=False, edgecolor=COLOUR, linewidth=0.9))
        label = LABELS.get(kind, kind)
        width = LETTER_S * len(label)
        left = min(start, EPOCH_S - width)
        if left >= free:  # a box whose label would cover the one before it has none: most often it is of the same kind
            free = left + width
            axis.text(left, high, label, color=COLOUR, fontsize=7, va="bottom")
