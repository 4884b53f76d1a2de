"""How sure a network may be: one number by which its logits are divided (Guo et al. 2017, ICML)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hypnolens.network.inference import probabilities
from hypnolens.network.model import Network
from hypnolens.recordings.epochs import Epochs
from hypnolens.training.crops import FURTHER, pieces_of

RANGE = (0.5, 10.0)
"""Of temperatures: 1 leaves probabilities as they are, a higher one makes them more alike."""

TINY = 1e-30


def fitted(given: np.ndarray, stage: np.ndarray) -> float:
    """The temperature at which true stages are least surprising.

    Parameters
    ----------
    given
        Probabilities at temperature 1, ``(n, 5)``.
    stage
        True stages, codes 0-4, ``(n,)``.
    """
    from scipy.optimize import minimize_scalar  # takes a second, and few trainings need it

    logits = np.log(np.maximum(given.astype(np.float64), TINY))

    def surprise(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        return float((np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(stage)), stage]).mean())

    found = minimize_scalar(surprise, bounds=tuple(np.log(RANGE)), method="bounded", options={"xatol": 1e-4})
    return round(float(np.exp(found.x)), 4)


def correction_of(model: Network, validation: Sequence[Epochs], experiment: Mapping[str, Any]) -> float | None:
    """By what logits would be divided, besides the network's own temperature, to fit validation recordings best.

    No prediction is changed by it: it tells how much of a miscalibration could be mended in that way.

    Parameters
    ----------
    model
        The network, in evaluation mode.
    validation
        Recordings on which its pass was chosen, normalised as it was trained.
    experiment
        Its keys. Where a pass is chosen on test recordings there are no others, and no correction.
    """
    if experiment["protocol"] == "test-selected":
        return None
    how = {key: experiment[key] for key in ("across_gaps", "precision")}
    given = np.concatenate([probabilities(model, epochs, **how) for epochs in validation])
    return fitted(given, np.concatenate([epochs.stage for epochs in validation]))


def temperature_of(model: Network, validation: Sequence[Epochs], experiment: Mapping[str, Any]) -> float:
    """The temperature of a trained network; 1 if none is asked for.

    Parameters
    ----------
    model
        The network, in evaluation mode.
    validation
        Recordings on which its pass was chosen, in µV: it is fitted on pieces of them from recorders that differ more
        than those it has learnt from, as those of other laboratories do.
    experiment
        Its keys.
    """
    if experiment["calibration"] == "none":
        return 1.0
    seen = [piece for epochs in validation for piece in pieces_of(epochs, experiment, further=FURTHER)]
    how = {key: experiment[key] for key in ("across_gaps", "precision")}
    given = np.concatenate([probabilities(model, epochs, **how) for epochs in seen])
    return fitted(given, np.concatenate([epochs.stage for epochs in seen]))
