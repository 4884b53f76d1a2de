"""What a stager is: a card, probabilities for the epochs of a channel, and what it may say of its reasons.

A stager of one's own is a class with these names in a package of one's own, see docs/stagers.md.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from hypnolens.errors import HypnolensError, RecordingError, one_line
from hypnolens.recordings.epochs import Epochs
from hypnolens.stages import STAGES

SUMS_TO_ONE = 1e-3
"""How far the five probabilities of an epoch may be from one together: arithmetic of half precision is that rough."""


@dataclass(frozen=True)
class StagerCard:
    """What a person must know of a stager before believing its stages.

    Attributes
    ----------
    models
        Names and versions of all that stages; several where networks vote.
    trained_on
        The data it learnt from, in words.
    licence, citation
        Of its weights, and of what is to be cited.
    caution
        What it is not fit for, in one sentence; empty where there is nothing to say.
    needs
        Rates, lengths and channels that it needs, in words.
    rate_hz
        Rate at which it is given epochs.
    highpass_hz
        What is taken off a recording before, see `hypnolens.recordings.drift.without_drift`.
    channels
        Channels that it was trained on, by which one is chosen where nobody names one.
    beside
        Channels that it can use beside an EEG: ``eog``, ``emg``.
    person
        What it can use of the person: ``age`` in years, ``male`` (1 or 0).
    fingerprint
        What changes with what it gives, such as checksums of weights; names say that of a stager of one version.
    """

    models: tuple[str, ...]
    trained_on: str
    licence: str
    citation: str
    caution: str
    needs: str
    rate_hz: float = 100.0
    highpass_hz: float | None = None
    channels: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    person: tuple[str, ...] = ()
    fingerprint: str = ""

    def __post_init__(self) -> None:
        """Words of a card may be anybody's, and go to terminals and pages."""
        for key, value in vars(self).items():
            if isinstance(value, str):
                object.__setattr__(self, key, one_line(value))
            elif isinstance(value, tuple):
                object.__setattr__(self, key, tuple(map(one_line, value)))


@dataclass(frozen=True)
class Channel:
    """One EEG channel of a night, as a stager is given it.

    Attributes
    ----------
    epochs
        Epochs that carry an EEG, int16 times ``scale_uv`` in µV, at `StagerCard.rate_hz`, drift taken off;
        ``epoch_index`` says which of the night they are, ``typical`` what the night is like around sleep.
    signal
        All samples of the channel as the file has them, float32 µV ``(n_samples,)``, all finite.
    rate
        Of ``signal``, in Hz.
    n_epochs
        Whole epochs of the night, with or without an EEG.
    beside
        Other channels, by ``eog`` and ``emg``: all samples at the same rate, float32 µV.
    person
        What is known of the person, see `StagerCard.person`.
    """

    epochs: Epochs
    signal: np.ndarray
    rate: float
    n_epochs: int
    beside: Mapping[str, np.ndarray] = field(default_factory=dict)
    person: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Reasons:
    """What spoke for the stage of each epoch, against the second most probable one, feature by feature.

    Attributes
    ----------
    features
        Names of features; ``words`` and ``groups`` say what they are and which belong together.
    share
        What each adds to the log-odds of the stage against the second, float32 ``(n_epochs, n_features)``, NaN where
        there is no stage. With ``base`` they add up to the log-odds.
    base
        What is left if nothing is known of the epoch, float32 ``(n_epochs,)``.
    level
        How far the feature is from the night's median, in robust standard deviations, as ``share``; NaN where that has
        no meaning.
    second
        Codes of the second stages, int8 ``(n_epochs,)``.
    """

    features: tuple[str, ...]
    words: tuple[str, ...]
    groups: tuple[str, ...]
    share: np.ndarray
    base: np.ndarray
    level: np.ndarray
    second: np.ndarray


class Stager(ABC):
    """What stages nights."""

    card: StagerCard

    @abstractmethod
    def probabilities(self, channel: Channel) -> np.ndarray:
        """Probabilities of W, N1, N2, N3 and R, ``(n, 5)``: a row each epoch of ``channel.epochs``."""

    def doubts(self, channels: Sequence[Channel]) -> Sequence[str]:
        """In what a night lies outside of what the stager was trained on, in sentences."""
        return ()

    def maps(self, channel: Channel, stage: np.ndarray, *, method: str, n_bins: int) -> np.ndarray | None:
        """What in each epoch speaks for its stage, log-odds ``(n, n_bins)``, for codes ``(n,)``; `None` without any."""
        return None

    def reasons(self, channel: Channel, stage: np.ndarray) -> Reasons | None:
        """Which features spoke for the stages ``(n,)`` of ``channel.epochs``; `None` for what has no features."""
        return None


def asked(stager: Stager, channel: Channel) -> np.ndarray:
    """Probabilities of a stager that are what they should be, float32 ``(n, 5)``.

    Raises
    ------
    RecordingError
        It fails, or gives rubbish.
    """
    name, n = stager.card.models[0], len(channel.epochs.stage)
    recording = channel.epochs.recording
    try:
        found = np.asarray(stager.probabilities(channel), dtype=np.float64)
    except HypnolensError:
        raise
    except Exception as error:  # whatever somebody else's code raises
        reason = one_line(str(error))[:200]
        what = f"the stager {name} failed ({type(error).__name__}: {reason})"
        raise RecordingError(recording, what, "take another with --model, or tell its maker") from error
    odd = ""
    if found.shape != (n, len(STAGES)):
        odd = f"an array of shape {found.shape} in place of {(n, len(STAGES))}"
    elif bad := int((~np.isfinite(found)).any(axis=1).sum()):
        odd = f"values that are not finite in place of probabilities in {bad} of {n} epochs"
    elif (found < -SUMS_TO_ONE).any() or (abs(found.sum(axis=1) - 1) > SUMS_TO_ONE).any():
        odd = "probabilities that are negative, or are not 1 together"
    if odd:
        raise RecordingError(recording, f"the stager {name} gives {odd}", "take another with --model:")
    return found.clip(0.0, 1.0).astype(np.float32)
