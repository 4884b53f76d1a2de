"""A night as it is read, and as it is scored: what passes between the modules of this room."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pandas as pd

from hypnolens.stagers.interface import Channel, Reasons, StagerCard
from hypnolens.stages import EPOCH_S, UNSCORED


@dataclass(frozen=True)
class Night:
    """A night as read from its file, before any network saw it.

    Attributes
    ----------
    name
        Name of the night, from which outputs are named.
    source, sha256, place
        Name of the file, its SHA-256, and where it is, see `hypnolens.scoring.files.place_of`.
    channels
        Channels that are scored, one or several, such as ``C4-M1``, which may be a difference of two of the file.
    signals
        Samples of each in µV, float32 ``(n_channels, n_samples)``.
    rate
        Sampling rate of the file in Hz.
    limits
        Lowest and highest value in µV that each channel can hold, `None` where the format has no limits.
    start
        Date and time of the first sample; the year is 1 where the file gives no date.
    first_s
        Seconds from the first sample to the first epoch: 0, or where the grid of the human stages begins.
    human
        Human stages of every whole epoch, int8 ``(n_epochs,)``, codes of `hypnolens.stages` with `UNSCORED` and
        `MOVEMENT`; `None` where the file has none.
    lights
        Lights off and lights on in seconds from the first sample, `None` where unknown.
    notes
        What was chosen or found while reading, in sentences.
    warnings
        What a person must know before believing the stages, in sentences.
    pauses
        From when to when nothing was recorded, in seconds from the first sample.
    beside
        Other channels that a stager may use, by ``eog`` and ``emg``: µV, float32 ``(n_samples,)``, at the same rate.
    """

    name: str
    source: str
    sha256: str
    place: str
    channels: tuple[str, ...]
    signals: np.ndarray
    rate: float
    limits: tuple[tuple[float, float] | None, ...]
    start: datetime
    first_s: float
    human: np.ndarray | None
    lights: tuple[float | None, float | None]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    pauses: tuple[tuple[float, float], ...] = ()
    beside: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Scored:
    """A scored night. Arrays have one entry for each whole epoch of the recording, usable or not.

    Attributes
    ----------
    night
        What was read.
    rate
        Rate in Hz at which the network saw the signal.
    signal
        Epochs in µV, float32 ``(n_channels, n_epochs, n_samples)``, at ``rate``.
    probability
        float32 ``(n_epochs, 5)``, mean over channels and networks; NaN where no channel is usable.
    usable_by_channel
        Which epochs of each channel carry an EEG, bool ``(n_channels, n_epochs)``.
    unusable
        Why an epoch got no stage, such as ``flat``; an empty text where it has one.
    card
        Of what staged.
    below
        Confidence below which an epoch is listed for review.
    statistics
        As `evaluation.sleep_statistics.sleep_statistics` gives them, from lights off to lights on as far as known.
    transitions
        Counts of transitions from one epoch to the next, rows from, columns to, in the order of the stages.
    warnings
        Those of the night, and what was found while scoring; the most important one first.
    channels
        As the stager saw them; `None` for one without an EEG.
    classes
        Stages that are one class for who needs fewer, see `hypnolens.scoring.classes`.
    made_from
        See `hypnolens.scoring.complete`.
    """

    night: Night
    rate: float
    signal: np.ndarray
    probability: np.ndarray
    usable_by_channel: np.ndarray
    unusable: tuple[str, ...]
    card: StagerCard
    below: float
    statistics: Mapping[str, float]
    transitions: pd.DataFrame
    warnings: tuple[str, ...]
    channels: tuple[Channel | None, ...] = ()
    classes: Mapping[str, list[int]] = field(default_factory=dict)
    made_from: str = ""

    @property
    def n_epochs(self) -> int:
        """Whole epochs of the recording."""
        return len(self.probability)

    @property
    def usable(self) -> np.ndarray:
        """Which epochs have a stage, bool ``(n_epochs,)``."""
        return ~np.isnan(self.probability[:, 0])

    @property
    def stage(self) -> np.ndarray:
        """Codes, int8 ``(n_epochs,)``, `UNSCORED` where unusable."""
        return stages_of(self.probability)

    @property
    def confidence(self) -> np.ndarray:
        """Probability of the stage, float32 ``(n_epochs,)``, NaN where unusable."""
        return self.probability.max(axis=1)

    @property
    def review(self) -> np.ndarray:
        """Positions of epochs whose confidence is low, ascending."""
        return np.flatnonzero(self.confidence < self.below)

    @property
    def onset_s(self) -> np.ndarray:
        """Seconds from the first sample to each epoch, float64 ``(n_epochs,)``."""
        return self.night.first_s + EPOCH_S * np.arange(self.n_epochs, dtype=np.float64)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of what staged; the network that is shipped for trials says in it that it is not fit for use."""
        return self.card.models

    @property
    def model(self) -> str:
        """Name of the stager; of networks that voted, the first one's."""
        return self.models[0]

    @property
    def caution(self) -> str:
        """What the model's maker warns of, in one sentence; empty where there is nothing."""
        return self.card.caution


def stages_of(probability: np.ndarray) -> np.ndarray:
    """Codes of the most probable stages, int8 ``(n_epochs,)``: `UNSCORED` where ``(n_epochs, 5)`` is NaN."""
    found = np.nan_to_num(probability, nan=-1.0).argmax(axis=1)
    return np.where(np.isnan(probability[:, 0]), UNSCORED, found).astype(np.int8)


@dataclass(frozen=True)
class Detail:
    """What a page shows of single epochs, beyond their stages.

    Attributes
    ----------
    method
        Method of attribution, see `hypnolens.explanations.attributions.attribute`.
    maps
        Attribution of each epoch of the first channel for its stage, not negative, float32 ``(n_epochs, n_bins)``,
        NaN where unusable. Log-odds. `None` where the stager has no maps.
    events
        Events found in the first channel: ``onset_s`` (from the first sample), ``duration_s``, ``kind``.
    reasons
        Which features spoke for the stages; `None` where the stager has none.
    """

    method: str
    maps: np.ndarray | None
    events: pd.DataFrame
    reasons: Reasons | None = None
