"""Accuracy near the expert's changes of stage, where experts disagree most too, and inside of bouts.

Predictions are as `hypnolens.evaluation.predictions.read_predictions` gives them; a seed is that of the bootstrap of
subjects.
"""

import numpy as np
import pandas as pd

from hypnolens.evaluation.metrics import SHARE, confusion_matrix, scores, subject_interval
from hypnolens.evaluation.predictions import codes
from hypnolens.stages import STAGES

FARTHEST = 5
"""Distance from a transition from which on epochs are one class."""

NEAR = 1
"""Greatest distance at which an epoch counts as at a transition: two epochs on either side of the change."""

AT, INSIDE = "at a transition", "inside a bout"

NEVER = 2**31 - 1
"""Distance in a run of epochs without a transition."""

DISTANCES = (*(str(distance) for distance in range(FARTHEST)), f"{FARTHEST}+")
"""Names of the distances in epochs."""


def transition_table(predictions: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Scores of epochs by their distance from the nearest change of the expert's stage.

    Returns
    -------
    pandas.DataFrame
        A line each of `DISTANCES`, then of the groups `AT` (distance up to `NEAR`) and `INSIDE` (all others). Columns:

        - ``distance``: name of the distance, or of the group;
        - ``epochs``, ``subjects``: their numbers; ``share``: part of all epochs;
        - ``accuracy accuracy_low accuracy_high``: accuracy with its 95 % interval over subjects;
        - ``kappa``: Cohen's.

        What is undefined is NaN: scores of no epoch, and intervals of a single subject.
    """
    distance = np.minimum(distances(predictions), FARTHEST)
    groups = {name: distance == number for number, name in enumerate(DISTANCES)}
    groups |= {AT: distance <= NEAR, INSIDE: distance > NEAR}
    true, predicted = codes(predictions["stage_true"]), codes(predictions["stage_pred"])
    subjects = predictions["subject"].to_numpy()
    rows = []
    for name, of in groups.items():
        found = scores(confusion_matrix(true[of], predicted[of]))
        right = (true[of] == predicted[of]).astype(np.float64)
        low, high = subject_interval(right, subjects[of], seed=seed, limits=SHARE)
        rows.append({
            "distance": name, "epochs": int(of.sum()), "subjects": len(np.unique(subjects[of])), "share": of.mean(),
            "accuracy": float(found["accuracy"]), "accuracy_low": low, "accuracy_high": high,
            "kappa": float(found["kappa"]),
        })  # fmt: skip
    return pd.DataFrame(rows).round(4)


def transition_pairs(predictions: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of the two epochs that touch a transition, by the stages before and after it.

    Returns
    -------
    pandas.DataFrame
        A line a pair of stages that occurs: ``from to``; ``epochs`` (two a transition) and their ``accuracy``; that of
        the last epoch ``before`` and of the first ``after`` the change alone; and the part of transitions of which
        ``both`` are right. An epoch between two changes is in the line of either.
    """
    ordered = predictions.sort_values(["recording", "epoch_index"])
    true, predicted = codes(ordered["stage_true"]), codes(ordered["stage_pred"])
    last = np.flatnonzero(_changes(ordered))
    right = true == predicted
    rows = []
    for one, other in np.unique(np.stack([true[last], true[last + 1]], axis=1), axis=0):
        here = last[(true[last] == one) & (true[last + 1] == other)]
        before, after = right[here], right[here + 1]
        rows.append({
            "from": STAGES[one], "to": STAGES[other], "epochs": 2 * len(here),
            "accuracy": (before.mean() + after.mean()) / 2, "before": before.mean(), "after": after.mean(),
            "both": (before & after).mean(),
        })  # fmt: skip
    return pd.DataFrame(rows, columns=["from", "to", "epochs", "accuracy", "before", "after", "both"]).round(4)


def distances(predictions: pd.DataFrame) -> np.ndarray:
    """Epochs between each epoch and the nearest change of the expert's stage, int64 ``(n,)``.

    0 is the first epoch on either side of a change. Changes count only where both epochs were kept, and only within
    an epoch's own run of contiguous epochs: what happened in a gap is not known. An epoch beside a gap can therefore
    be nearer to a transition than this says. Those of a run without a change are `NEVER`. Any order will do.
    """
    n = len(predictions)
    ordered = predictions.reset_index(drop=True).sort_values(["recording", "epoch_index"])
    run = np.concatenate([[0], np.cumsum(~_contiguous(ordered))]) if n else np.zeros(0, dtype=np.int64)
    last = np.flatnonzero(_changes(ordered))
    rows = np.arange(n)
    nearest = np.full(n, NEVER)
    # The change before a row and the one after it, where they exist and lie in the same run.
    for ends, place in (
        (last + 1, np.searchsorted(last + 1, rows, side="right") - 1),
        (last, np.searchsorted(last, rows, side="left")),
    ):
        there = (place >= 0) & (place < len(ends))
        end = ends[place[there]]
        apart = np.where(run[end] == run[rows[there]], np.abs(rows[there] - end), NEVER)
        nearest[there] = np.minimum(nearest[there], apart)
    found = np.empty(n, dtype=np.int64)
    found[ordered.index.to_numpy()] = nearest
    return found


def _contiguous(ordered: pd.DataFrame) -> np.ndarray:
    """Whether a row and the next are neighbours in one recording, bool ``(n - 1,)``."""
    recording, index = ordered["recording"].to_numpy(), ordered["epoch_index"].to_numpy()
    return (recording[1:] == recording[:-1]) & (np.diff(index) == 1)


def _changes(ordered: pd.DataFrame) -> np.ndarray:
    """Whether the expert's stage changes between a row and the next, bool ``(n - 1,)``."""
    stage = ordered["stage_true"].to_numpy()
    return _contiguous(ordered) & (stage[1:] != stage[:-1])
