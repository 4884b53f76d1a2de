"""Networks of hypnolens's own as a stager: one, or all folds of a cross-validation together."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hypnolens.explanations.attributions import Decisions, attribute
from hypnolens.explanations.maps import binned
from hypnolens.network.files import Scorer
from hypnolens.network.inference import probabilities
from hypnolens.network.model import fused
from hypnolens.network.polarity import doubt
from hypnolens.network.training_range import out_of_range
from hypnolens.recordings.epochs import Epochs
from hypnolens.recordings.normalisation import normalise
from hypnolens.stagers.interface import Channel, Stager, StagerCard

STEPS = 4
"""Steps in which gradients are integrated: half of the time of eight. On a simulated and a real night maps had rank
correlations of 0.996 and 0.998 with those of 32 steps (eight: 0.999 and 1.000)."""


class NetworkStager(Stager):
    """Networks that see a recording in the same way; their probabilities are averaged.

    Parameters
    ----------
    scorers
        As `hypnolens.network.files.load_models` gives them.
    precision
        Arithmetic, see `hypnolens.network.devices.arithmetic`.
    """

    def __init__(self, scorers: Sequence[Scorer], *, precision: str = "fp32") -> None:
        self.scorers, self.precision = tuple(scorers), precision
        self.first = self.scorers[0]
        self.card = card_of([scorer.card for scorer in scorers])

    def probabilities(self, channel: Channel) -> np.ndarray:
        """Mean over the networks."""
        epochs, across = self._seen(channel.epochs), self.first.card["experiment"]["across_gaps"]
        how = {"across_gaps": across, "precision": self.precision}
        each = [probabilities(one.network, epochs, **how, name=one.source) for one in self.scorers]
        return np.array(each, dtype=np.float64).mean(axis=0)

    def doubts(self, channels: Sequence[Channel]) -> list[str]:
        """What is unlike the nights of the training, and what the network is known to depend on."""
        usual, found = self.first.card["usual"], []
        for channel in channels:
            of, signal = channel.epochs, channel.epochs.signal * np.float32(channel.epochs.scale_uv)
            its = out_of_range(signal, of.rate, file_rate=channel.rate, channel=of.channel, usual=usual)
            found += [f"{of.channel}: {sentence}" for sentence in its]
        n_epochs, window = channels[0].n_epochs, int(self.first.card["experiment"]["window"])
        if n_epochs < window:
            epochs_there = f"{n_epochs} epoch{'s' * (n_epochs > 1)}"
            found.append(f"the recording has {epochs_there}, fewer than the {window} that the network reads at once")
        kept = min(float(scorer.card.get("kept_when_turned", 1.0)) for scorer in self.scorers)
        return [*found, *filter(None, [doubt(kept)])]

    def maps(self, channel: Channel, stage: np.ndarray, *, method: str, n_bins: int) -> np.ndarray:
        """Of the first network, see `hypnolens.explanations.attributions.attribute`."""
        across = self.first.card["experiment"]["across_gaps"]
        decisions = Decisions(fused(self.first.network), self._seen(channel.epochs), across_gaps=across, steps=STEPS)
        return binned(attribute(decisions, np.arange(len(stage)), stage, method=method), n_bins)

    def _seen(self, epochs: Epochs) -> Epochs:
        """Epochs as the networks were trained to see them."""
        return normalise(epochs, self.first.card["experiment"]["normalisation"])


def card_of(cards: Sequence[Mapping[str, Any]]) -> StagerCard:
    """What the cards of networks that stage together say, in the words of stagers."""
    card = cards[0]
    training = card.get("training", {})
    return StagerCard(
        models=tuple(str(one["name"]) for one in cards),
        trained_on=_trained_on(card),
        licence=str(card.get("licence", "not said")),
        citation=str(training.get("citation", "not said")),
        caution=str(card["caution"]),
        needs=f"an EEG that was sampled at {card['sampling_rate_hz']:g} Hz or more",
        rate_hz=float(card["sampling_rate_hz"]),
        highpass_hz=card.get("highpass_hz"),
        channels=tuple(card["usual"]["channels"]),
        fingerprint=" ".join(str(one.get("weights_sha256", "")) for one in cards),
    )


def _trained_on(card: Mapping[str, Any]) -> str:
    training = card.get("training", {})
    people = f"{training['subjects']} people" if "subjects" in training else "people that its card does not count"
    channels = ", ".join(card["usual"]["channels"])
    return f"{people} of {card.get('dataset', 'a dataset that its card does not name')}, {channels}"
