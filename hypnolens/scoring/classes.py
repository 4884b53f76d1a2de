"""Fewer classes than five stages, for those who need them: which stages are one, and what of the night follows."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hypnolens.errors import HypnolensError, one_line
from hypnolens.evaluation.metrics import confusion_matrix, scores
from hypnolens.scoring.scored import Scored
from hypnolens.stages import CODE, EPOCH_S, STAGES

FEWEST, MOST = 2, 4


def classes_of(text: str) -> dict[str, list[int]]:
    """Codes of stages by the name of their class, of a text such as ``W,N1+N2,N3,R``; empty for an empty one.

    Raises
    ------
    HypnolensError
        A stage is missing, unknown or there twice, or there are not two to four classes.
    """
    if not text:
        return {}
    parts = [part.strip().upper() for part in text.split(",")]
    stages = [stage for part in parts for stage in part.split("+")]
    if sorted(stages) != sorted(STAGES) or not FEWEST <= len(parts) <= MOST:
        what = f"--classes '{one_line(text)}' does not have each of {', '.join(STAGES)} once, in two to four classes"
        raise HypnolensError(f"{what}; write them as in W,N1+N2,N3,R")
    return {part: [CODE[stage] for stage in part.split("+")] for part in parts}


def class_codes(scored: Scored, classes: Mapping[str, list[int]]) -> np.ndarray:
    """Place of the most probable class of each epoch, int64 ``(n_epochs,)``, -1 where it is unusable.

    The probability of a class is that of its stages together, so that an epoch of W 0.4, N1 0.3, N2 0.3 is N1+N2.
    """
    probability = np.stack([scored.probability[:, codes].sum(axis=1) for codes in classes.values()], axis=1)
    return np.where(scored.usable, np.nan_to_num(probability).argmax(axis=1), -1)


def counted(scored: Scored, classes: Mapping[str, list[int]]) -> dict[str, Any]:
    """Minutes of each class in the whole recording, and the agreement with the human stages where there are any."""
    found, names = class_codes(scored, classes), list(classes)
    minutes = {name: float((found == place).sum() * EPOCH_S / 60) for place, name in enumerate(names)}
    return {
        "minutes": minutes,
        "human": None if scored.night.human is None else _agreement(found, scored.night.human, classes),
    }


def _agreement(found: np.ndarray, codes: np.ndarray, classes: Mapping[str, list[int]]) -> dict[str, Any]:
    place_of = {code: place for place, its in enumerate(classes.values()) for code in its}
    human = np.array([place_of.get(int(code), -1) for code in codes])
    both = (found >= 0) & (human >= 0)
    # Of five places those that no class has are empty, and count for nothing.
    its = {key: float(value) for key, value in scores(confusion_matrix(human[both], found[both])).items()}
    rounded = {key: round(value, 4) if np.isfinite(value) and both.any() else None for key, value in its.items()}
    return {
        "n_epochs": int(both.sum()),
        "accuracy": rounded["accuracy"],
        "kappa": rounded["kappa"],
        "f1": {name: rounded[f"f1_{STAGES[place]}"] for place, name in enumerate(classes)},
    }
