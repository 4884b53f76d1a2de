"""What the baselines' classifiers have in common: stages that training did not see, and the card of a model."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from hypnolens.errors import HypnolensError
from hypnolens.stages import STAGES


class Classifier(Protocol):
    """A classifier of scikit-learn that was fitted to codes of stages."""

    classes_: np.ndarray

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities ``(n, len(classes_))``."""
        ...


def probabilities(model: Classifier, features: np.ndarray) -> np.ndarray:
    """Probabilities of the five stages, float32 ``(n, 5)``; zero for a stage that training did not see.

    Parameters
    ----------
    model
        What `fit` of a baseline gave.
    features
        ``(n, n_features)``
    """
    all_five = np.zeros((len(features), len(STAGES)), dtype=np.float32)
    all_five[:, model.classes_] = model.predict_proba(features)
    return all_five


def check_stages(stages: np.ndarray) -> None:
    """Check that there is something to tell apart.

    Raises
    ------
    HypnolensError
        All epochs are of one stage.
    """
    if len(found := np.unique(stages)) < 2:
        names = " and ".join(STAGES[code] for code in found) or "no stage"
        raise HypnolensError(f"the training recordings have epochs of {names} only; add recordings, or use fewer folds")


def write_card(path: Path, card: Mapping[str, Any]) -> None:
    """Write how a model came about, as JSON with the keys of a network's card."""
    path.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
