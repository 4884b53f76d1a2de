"""Staging of a night: each channel by each network, and the mean of what they say; and what single epochs show."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hypnolens.errors import RecordingError, one_line
from hypnolens.explanations.attributions import Decisions, attribute
from hypnolens.explanations.detectors import detect
from hypnolens.explanations.maps import LAYER_IG, binned
from hypnolens.network.files import Scorer
from hypnolens.network.inference import probabilities
from hypnolens.network.model import fused
from hypnolens.network.polarity import doubt
from hypnolens.network.training_range import out_of_range
from hypnolens.recordings.drift import without_drift
from hypnolens.recordings.epochs import Epochs, Typical
from hypnolens.recordings.extraction import cut, resample, touched
from hypnolens.recordings.normalisation import normalise
from hypnolens.recordings.typical import span_of_sleep, typical_of
from hypnolens.scoring.disturbances import disturbances
from hypnolens.scoring.night_statistics import statistics_of
from hypnolens.scoring.scored import Detail, Night, Scored, stages_of
from hypnolens.scoring.usable import places_of_epochs, unusable_reasons
from hypnolens.stages import STAGES

MAP_BINS = 300
"""Bins of a map on a page: a tenth of a second each."""

STEPS = 4
"""Steps in which gradients are integrated: half of the time of eight. On a simulated and a real night maps had rank
correlations of 0.996 and 0.998 with those of 32 steps (eight: 0.999 and 1.000)."""

MOST_UNUSABLE = 0.1
"""Share of epochs without a stage from which a night's statistics are called doubtful."""


def stage_night(night: Night, scorers: Sequence[Scorer], *, precision: str, below: float) -> Scored:
    """Stage a night.

    Epochs that carry no EEG get no stage, and leave a gap in the windows of their neighbours, as dropped epochs did in
    training. Of several channels those count that are usable in an epoch.

    Parameters
    ----------
    night
        What to stage.
    scorers
        Networks that see a recording in the same way; their probabilities are averaged.
    precision
        Arithmetic, see `hypnolens.network.devices.arithmetic`.
    below
        Confidence below which an epoch is listed for review.

    Raises
    ------
    RecordingError
        No epoch of any channel carries an EEG, or a network gives values that are not finite.
    """
    rate = float(scorers[0].card["sampling_rate_hz"])
    places = places_of_epochs(night.signals.shape[1], night.rate, night.first_s)
    # And it would spread what is no number over its neighbours, of whose epochs nothing else is wrong.
    finite = np.nan_to_num(night.signals, nan=0.0, posinf=0.0, neginf=0.0)
    centred = without_drift(resample(finite, night.rate, rate), rate, scorers[0].card.get("highpass_hz"))
    signal = cut(centred, rate, night.first_s)[:, : len(places)]  # it may round up to an epoch
    signal = signal.astype(np.float32, copy=False)
    of_channel = zip(night.signals, night.limits, strict=True)
    reasons = np.array([unusable_reasons(raw[places], night.rate, ends) for raw, ends in of_channel], dtype=object)
    reasons[:, touched(night.pauses, len(places), night.first_s)] = "pause"
    usable_by_channel = reasons == ""
    if not usable_by_channel.any():
        what = f"no epoch of {' or '.join(night.channels)} carries an EEG ({', '.join(sorted(set(reasons.ravel())))})"
        raise RecordingError(night.name, what, "choose another channel with --channel")
    total = np.zeros((signal.shape[1], len(STAGES)))
    typical = []
    for raw, one, good in zip(night.signals, signal, usable_by_channel, strict=True):
        # Where sleep is, the file's own rate tells best.
        span = span_of_sleep(raw[places][good], night.rate) if good.any() and night.rate != rate else None
        typical.append(typical_of(one[good], rate, span) if good.any() else None)
        if good.any():
            epochs = seen(epochs_of(night, one, good, rate, typical=typical[-1]), scorers[0])
            for scorer in scorers:
                across = scorer.card["experiment"]["across_gaps"]
                total[good] += probabilities(
                    scorer.network, epochs, across_gaps=across, precision=precision, name=scorer.source
                )
    with np.errstate(invalid="ignore"):
        probability = (total / total.sum(axis=1, keepdims=True)).astype(np.float32)
    unusable = tuple(
        "" if good else ", ".join(dict.fromkeys(why))
        for good, why in zip(usable_by_channel.any(axis=0), reasons.T, strict=True)
    )
    statistics, transitions = statistics_of(stages_of(probability), first_s=night.first_s, lights=night.lights)
    doubts = _doubts(night, signal, rate, usable_by_channel, unusable, scorers[0].card)
    for channel, raw, good in zip(night.channels, night.signals, usable_by_channel, strict=True):
        if good.any():
            doubts += [f"{channel}: {sentence}" for sentence in disturbances(raw[places][good], night.rate)]
    if said := doubt(min(float(scorer.card.get("kept_when_turned", 1.0)) for scorer in scorers)):
        doubts.append(said)
    return Scored(
        night=night,
        rate=rate,
        signal=signal,
        probability=probability,
        usable_by_channel=usable_by_channel,
        typical=tuple(typical),
        unusable=unusable,
        cards=tuple(scorer.card for scorer in scorers),
        below=below,
        statistics=statistics,
        transitions=transitions,
        warnings=(*map(one_line, doubts), *night.warnings),
    )


def detail_of(scored: Scored, scorer: Scorer, *, method: str = LAYER_IG) -> Detail:
    """Attributions and events of the epochs of the first channel, for the stages that were given.

    Parameters
    ----------
    scored
        A night.
    scorer
        The network that is explained; of an ensemble, one of them.
    method
        See `hypnolens.explanations.attributions.attribute`.
    """
    good = scored.usable_by_channel[0]
    epochs = epochs_of(
        scored.night, scored.signal[0], good, scored.rate, scored.stage, typical=next(iter(scored.typical), None)
    )
    maps = np.full((scored.n_epochs, MAP_BINS), np.nan, dtype=np.float32)
    if good.any():
        across = scorer.card["experiment"]["across_gaps"]
        decisions = Decisions(fused(scorer.network), seen(epochs, scorer), across_gaps=across, steps=STEPS)
        found = attribute(decisions, np.arange(len(epochs.stage)), epochs.stage, method=method)
        maps[good] = binned(found, MAP_BINS)
    return Detail(method, maps, detect(epochs))


def epochs_of(
    night: Night,
    signal: np.ndarray,
    usable: np.ndarray,
    rate: float,
    codes: np.ndarray | None = None,
    *,
    typical: Typical | None = None,
) -> Epochs:
    """Epochs of one channel as networks, detectors and attributions want them; unusable ones leave gaps.

    Parameters
    ----------
    night
        Where they come from.
    signal
        µV ``(n_epochs, n_samples)``.
    usable
        Which to keep, bool ``(n_epochs,)``.
    rate
        In Hz.
    codes
        Stages of all, int8 ``(n_epochs,)``, 0-4 where usable; W by default, for what does not look at stages.
    typical
        What the night is like, see `hypnolens.recordings.typical`.
    """
    kept = signal[usable]
    scale = float(np.abs(kept).max(initial=0.0)) / np.iinfo(np.int16).max or 1.0
    return Epochs(
        signal=np.round(kept / scale).astype(np.int16),
        stage=np.zeros(len(kept), dtype=np.int8) if codes is None else codes[usable],
        epoch_index=np.flatnonzero(usable).astype(np.int32),
        scale_uv=scale,
        rate=rate,
        first_s=night.first_s,
        recording=night.name,
        subject=night.name,
        night=1,
        channel=night.channels[0],
        start_time=night.start.isoformat(),
        source=night.source,
        source_sha256=night.sha256,
        dropped={},
        flags=[],
        typical=typical,
    )


def seen(epochs: Epochs, scorer: Scorer) -> Epochs:
    """Epochs as a network was trained to see them."""
    return normalise(epochs, scorer.card["experiment"]["normalisation"])


def _doubts(
    night: Night,
    signal: np.ndarray,
    rate: float,
    usable_by_channel: np.ndarray,
    unusable: Sequence[str],
    card: Mapping[str, Any],
) -> list[str]:
    """What a person must know before believing the stages, found while staging."""
    found = []
    n_epochs, without = len(unusable), sum(map(bool, unusable))
    if without:
        reasons = ", ".join(sorted(set(unusable) - {""}))
        many = "; statistics of the night are doubtful" if without >= MOST_UNUSABLE * n_epochs else ""
        found.append(f"{without} of {n_epochs} epochs carry no EEG ({reasons}) and got no stage{many}")
    for channel, epochs, good in zip(night.channels, signal, usable_by_channel, strict=True):
        if (silent := int((~good).sum())) > without:
            found.append(f"{channel} is unusable in {silent} of {n_epochs} epochs, and has no vote there")
        if good.any():
            its = out_of_range(epochs[good], rate, file_rate=night.rate, channel=channel, usual=card["usual"])
            found += [f"{channel}: {sentence}" for sentence in its]
    window = int(card["experiment"]["window"])
    if n_epochs < window:
        epochs_there = f"{n_epochs} epoch{'s' * (n_epochs > 1)}"
        found.append(f"the recording has {epochs_there}, fewer than the {window} that the network reads at once")
    return found
