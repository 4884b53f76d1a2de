"""Do stages hang on which way round a channel was recorded? A network learns that from nights that all had one way."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from hypnolens.network.inference import probabilities
from hypnolens.network.model import Network
from hypnolens.recordings.epochs import Epochs

MOST_RECORDINGS = 20
"""How many recordings are turned round, spread evenly: enough to tell 0.85 from 0.9."""

STEADY = 0.9
"""Share of epochs that must keep their stage for polarity not to matter."""


def kept_when_turned(model: Network, recordings: Sequence[Epochs], experiment: Mapping[str, Any]) -> float:
    """Share of epochs that have the same stage when the signal is multiplied by -1.

    Parameters
    ----------
    model
        A trained network.
    recordings
        As the network sees them, at least one; best of people that it was not trained on.
    experiment
        Its ``across_gaps`` and ``precision``, see `hypnolens.network.inference.probabilities`.
    """
    places = np.unique(np.linspace(0, len(recordings) - 1, MOST_RECORDINGS).round().astype(int))
    how = {key: experiment[key] for key in ("across_gaps", "precision")}
    same = []
    for epochs in (recordings[place] for place in places):
        both = (epochs, replace(epochs, signal=-np.asarray(epochs.signal)))
        one, turned = (probabilities(model, of, **how) for of in both)
        same.append(one.argmax(axis=1) == turned.argmax(axis=1))
    return round(float(np.concatenate(same).mean()), 4)


def doubt(kept: float) -> str | None:
    """What to say of a night that is staged by a network of which `kept_when_turned` is known."""
    if kept >= STEADY:
        return None
    return (
        f"stages depend on which way round a channel is: of nights that were turned round {100 * kept:.1f} % of epochs "
        "kept theirs; make sure that it is the electrode minus its reference, as its label says"
    )
