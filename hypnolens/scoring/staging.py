"""Staging of a night: each channel by a stager, and the mean of what it says; and what single epochs show."""

from collections.abc import Mapping, Sequence

import numpy as np

from hypnolens.errors import RecordingError, one_line
from hypnolens.explanations.detectors import detect
from hypnolens.explanations.maps import LAYER_IG
from hypnolens.recordings.drift import without_drift
from hypnolens.recordings.epochs import Epochs, Typical
from hypnolens.recordings.extraction import cut, resample, touched
from hypnolens.recordings.typical import span_of_sleep, typical_of
from hypnolens.scoring.disturbances import disturbances
from hypnolens.scoring.night_statistics import statistics_of
from hypnolens.scoring.scored import Detail, Night, Scored, stages_of
from hypnolens.scoring.usable import places_of_epochs, unusable_reasons
from hypnolens.stagers.interface import Channel, Stager, asked
from hypnolens.stages import STAGES

MAP_BINS = 300
"""Bins of a map on a page: a tenth of a second each."""

MOST_UNUSABLE = 0.1
"""Share of epochs without a stage from which a night's statistics are called doubtful."""


def stage_night(night: Night, stager: Stager, *, below: float, person: Mapping[str, float] | None = None) -> Scored:
    """Stage a night.

    Epochs that carry no EEG get no stage, and leave a gap in the windows of their neighbours, as dropped epochs did in
    training. Of several channels those count that are usable in an epoch.

    Parameters
    ----------
    night
        What to stage.
    stager
        What stages it.
    below
        Confidence below which an epoch is listed for review.
    person
        What is known of the person and the stager can use, see `hypnolens.stagers.interface.StagerCard`.

    Raises
    ------
    RecordingError
        No epoch of any channel carries an EEG, or the stager fails or gives rubbish.
    """
    rate = stager.card.rate_hz
    places = places_of_epochs(night.signals.shape[1], night.rate, night.first_s)
    # And it would spread what is no number over its neighbours, of whose epochs nothing else is wrong.
    finite = np.nan_to_num(night.signals, nan=0.0, posinf=0.0, neginf=0.0)
    centred = without_drift(resample(finite, night.rate, rate), rate, stager.card.highpass_hz)
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
    channels: list[Channel | None] = []
    doubts: list[str] = []
    for place, (raw, good) in enumerate(zip(night.signals, usable_by_channel, strict=True)):
        if not good.any():
            channels.append(None)
            continue
        # Where sleep is, the file's own rate tells best.
        span = span_of_sleep(raw[places][good], night.rate) if night.rate != rate else None
        typical = typical_of(signal[place][good], rate, span)
        epochs = epochs_of(night, place, signal[place], good, rate, typical=typical)
        known = {name: value for name, value in (person or {}).items() if name in stager.card.person}
        channel = Channel(epochs, finite[place], night.rate, len(places), night.beside, known)
        total[good] += asked(stager, channel)
        channels.append(channel)
        doubts += [f"{epochs.channel}: {sentence}" for sentence in disturbances(raw[places][good], night.rate)]
    with np.errstate(invalid="ignore"):
        probability = (total / total.sum(axis=1, keepdims=True)).astype(np.float32)
    unusable = tuple(
        "" if good else ", ".join(dict.fromkeys(why))
        for good, why in zip(usable_by_channel.any(axis=0), reasons.T, strict=True)
    )
    statistics, transitions = statistics_of(stages_of(probability), first_s=night.first_s, lights=night.lights)
    doubts = [
        *_silent(night, usable_by_channel, unusable), *stager.doubts([one for one in channels if one]), *doubts,
    ]  # fmt: skip
    return Scored(
        night=night,
        rate=rate,
        signal=signal,
        probability=probability,
        usable_by_channel=usable_by_channel,
        channels=tuple(channels),
        unusable=unusable,
        card=stager.card,
        below=below,
        statistics=statistics,
        transitions=transitions,
        warnings=(*map(one_line, doubts), *night.warnings),
    )


def detail_of(scored: Scored, stager: Stager, *, method: str = LAYER_IG) -> Detail:
    """What single epochs of the first channel show: events, and why they got their stages.

    Parameters
    ----------
    scored
        A night.
    stager
        What staged it.
    method
        Of maps, see `hypnolens.explanations.attributions.attribute`.
    """
    good, channel = scored.usable_by_channel[0], scored.channels[0]
    epochs = epochs_of(scored.night, 0, scored.signal[0], good, scored.rate, scored.stage)
    if channel is None:
        return Detail(method, None, detect(epochs))
    found = stager.maps(channel, epochs.stage, method=method, n_bins=MAP_BINS)
    maps = None
    if found is not None:
        maps = np.full((scored.n_epochs, MAP_BINS), np.nan, dtype=np.float32)
        maps[good] = found
    return Detail(method, maps, detect(epochs), stager.reasons(channel, epochs.stage))


def epochs_of(
    night: Night,
    place: int,
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
    night, place
        Where they come from, and which channel they are of.
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
        channel=night.channels[place],
        start_time=night.start.isoformat(),
        source=night.source,
        source_sha256=night.sha256,
        dropped={},
        flags=[],
        typical=typical,
    )


def _silent(night: Night, usable_by_channel: np.ndarray, unusable: Sequence[str]) -> list[str]:
    """Which epochs and channels have no part in the stages."""
    found = []
    n_epochs, without = len(unusable), sum(map(bool, unusable))
    if without:
        reasons = ", ".join(sorted(set(unusable) - {""}))
        many = "; statistics of the night are doubtful" if without >= MOST_UNUSABLE * n_epochs else ""
        found.append(f"{without} of {n_epochs} epochs carry no EEG ({reasons}) and got no stage{many}")
    for channel, good in zip(night.channels, usable_by_channel, strict=True):
        if (silent := int((~good).sum())) > without:
            found.append(f"{channel} is unusable in {silent} of {n_epochs} epochs, and has no vote there")
    return found
