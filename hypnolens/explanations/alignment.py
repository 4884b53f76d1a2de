"""Attributions against events: how far what a network used is what sleep experts name, and how far chance would be.

Times are compared in bins of 0.1 s. A filter that knows an event's band does as well as a good map at finding it: the
question here is what the network used, and not which method finds events best.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.ndimage import uniform_filter1d
from scipy.signal import butter, hilbert, sosfiltfilt
from scipy.stats import rankdata

from hypnolens.bands import BANDS_HZ
from hypnolens.evaluation.metrics import SHARE, subject_interval
from hypnolens.explanations.events import KIND_BANDS_HZ, KIND_STAGES, mask
from hypnolens.explanations.maps import RecordingMaps, binned
from hypnolens.recordings.epochs import Epochs
from hypnolens.stages import CODE, EPOCH_S, STAGES

BIN_S = 0.1
"""Length of a bin: no map is finer."""

TOLERANCE_S = 0.5
"""The maximum of a map may lie so far outside an event and still point to it."""

SMOOTH_S = 0.5
"""Width over which amplitude is averaged."""

MEASURES = ("share", "cover", "ratio", "hit", "base", "auroc", "average_precision")

N_BINS = round(EPOCH_S / BIN_S)


class Key(NamedTuple):
    """What a row of the table of alignment is about."""

    events: str
    stage: str
    kind: str
    map: str


def envelope(signal: np.ndarray, rate: float, band: tuple[float, float] | None = None) -> np.ndarray:
    """Amplitude of epochs, smoothed over 0.5 s: a control that knows nothing of the network.

    Parameters
    ----------
    signal
        µV ``(n, n_samples)``.
    rate
        In Hz.
    band
        Hz; `None` for the signal as it is.
    """
    if band is None:
        amplitude = np.abs(signal)
    else:
        low, high = band[0], min(band[1], 0.45 * rate)
        sos = butter(2, (low, high), "bandpass", fs=rate, output="sos")
        amplitude = np.abs(hilbert(sosfiltfilt(sos, signal, axis=1), axis=1))
    return uniform_filter1d(amplitude, max(1, round(SMOOTH_S * rate)), axis=1)


def controls(maps: np.ndarray, signal: np.ndarray, rate: float, kind: str, *, seed: int) -> dict[str, np.ndarray]:
    """What a map is to be compared with, on the same epochs: float64 ``(n, n_bins)`` each.

    ``random`` is noise as smooth as an envelope; ``shuffled`` the map of another of the epochs, which keeps whatever a
    method always prefers (NaN where there is no other); ``amplitude`` and ``band amplitude`` are envelopes.

    Parameters
    ----------
    maps
        ``(n, n_bins)``, of one stage.
    signal
        µV ``(n, n_samples)``.
    rate, kind
        Sampling rate in Hz, and the kind of event whose band is meant.
    seed
        Of the two that are drawn.
    """
    n, n_bins = maps.shape
    rng = np.random.default_rng(seed)
    noise = uniform_filter1d(np.abs(rng.standard_normal((n, n_bins))), round(SMOOTH_S / BIN_S), axis=1)
    # Turning a shuffled order by one leaves no epoch its own map; where there is one epoch only there is no other.
    order = rng.permutation(n)
    shuffled = np.full(maps.shape, np.nan)
    if n > 1:
        shuffled[order] = maps[np.roll(order, 1)]
    return {
        "random": noise,
        "shuffled": shuffled,
        "amplitude": binned(envelope(signal, rate), n_bins),
        "band amplitude": binned(envelope(signal, rate, KIND_BANDS_HZ[kind]), n_bins),
    }


def measures(maps: np.ndarray, inside: np.ndarray, near: np.ndarray) -> dict[str, np.ndarray]:
    """How each map agrees with the events of its epoch.

    Parameters
    ----------
    maps
        Not negative, ``(n, n_bins)``.
    inside, near
        Bins within an event, and within an event or the tolerance around it; bool ``(n, n_bins)``.

    Returns
    -------
    dict
        Float64 ``(n,)`` each. ``share`` of the map that lies inside, ``cover``: share of time that is inside, their
        ``ratio``; ``hit``: whether the maximum is near, with its ``base`` rate, that of a random place; ``auroc`` and
        ``average_precision`` of the map as a detector of bins inside. NaN where an epoch is covered wholly or not at
        all. A map that is zero everywhere hits nothing and holds nothing.
    """
    known = ~np.isnan(maps).any(axis=1)
    maps = np.nan_to_num(np.asarray(maps, dtype=np.float64))
    total, n_inside, n_bins = maps.sum(axis=1), inside.sum(axis=1), maps.shape[1]
    cover = inside.mean(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(total > 0, (maps * inside).sum(axis=1) / total, 0.0)
        ratio = share / cover
        ranks = rankdata(maps, axis=1)
        auroc = ((ranks * inside).sum(axis=1) - n_inside * (n_inside + 1) / 2) / (n_inside * (n_bins - n_inside))
    hit = (np.take_along_axis(near, maps.argmax(axis=1)[:, None], axis=1)[:, 0] & (total > 0)).astype(float)
    found = {
        "share": share, "cover": cover, "ratio": ratio, "hit": hit, "base": near.mean(axis=1),
        "auroc": auroc, "average_precision": _average_precision(maps, inside),
    }  # fmt: skip
    defined = known & (n_inside > 0) & (n_inside < n_bins)
    return {name: np.where(defined, values, np.nan) for name, values in found.items()}


def means_over_epochs(values: Mapping[str, np.ndarray], subjects: np.ndarray, *, seed: int = 0) -> dict[str, float]:
    """Means over epochs, each with a 95 % interval over subjects, and how many epochs and subjects there were."""
    known = ~np.isnan(values["ratio"])
    row: dict[str, float] = {"epochs": int(known.sum()), "subjects": len(np.unique(subjects[known]))}
    for name, of_epochs in values.items():
        limits = None if name == "ratio" else SHARE
        low, high = subject_interval(of_epochs[known], subjects[known], seed=seed, limits=limits)
        mean = float(of_epochs[known].mean()) if known.any() else float("nan")
        row |= {name: mean, f"{name}_low": low, f"{name}_high": high}
    return row


def align_recording(
    epochs: Epochs, maps: RecordingMaps, events: pd.DataFrame, *, reference: str, seed: int = 0
) -> dict[Key, dict[str, np.ndarray]]:
    """Measures of every method and control on the sampled epochs of a recording that have an event of a kind.

    This covers every stage. Where an event is not typical of the stage, a map that still lies on it follows the event
    itself, not the evidence for the stage.

    Parameters
    ----------
    epochs, maps
        The recording in µV, and its maps.
    events
        ``onset_s duration_s kind source``; each source (detected, true, an expert) is compared by itself.
    reference
        Method whose maps are shuffled for the control.
    seed
        Of the controls that are drawn.
    """
    found = {}
    onset_s = epochs.onset_s + BIN_S / 2
    for source, of_source in events.groupby("source", sort=True):
        for kind in KIND_STAGES:
            if kind not in set(of_source["kind"]):
                continue
            inside, near = (
                mask(of_source, onset_s, N_BINS, 1 / BIN_S, kind=kind, margin_s=margin) for margin in (0, TOLERANCE_S)
            )
            for stage in STAGES:
                rows = maps.sample[(epochs.stage[maps.sample] == CODE[stage]) & inside[maps.sample].any(axis=1)]
                if not len(rows):
                    continue
                signal = epochs.signal[rows] * epochs.scale_uv
                ours = {method: maps.of(method, rows).astype(np.float64) for method in maps.maps}
                theirs = controls(ours[reference], signal, epochs.rate, kind, seed=seed)
                for name, given in {**ours, **theirs}.items():
                    found[Key(str(source), stage, kind, name)] = measures(given, inside[rows], near[rows])
    return found


def alignment_table(recordings: Iterable[tuple[str, Mapping[Key, Mapping[str, np.ndarray]]]]) -> pd.DataFrame:
    """Pool recordings: a row for each source of events, stage, kind and map or control.

    ``sign`` says whether the kind is a sign of the stage (`KIND_STAGES`).

    Parameters
    ----------
    recordings
        Subject, and what `align_recording` gave.
    """
    pooled: dict[Key, dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    for subject, found in recordings:
        for key, values in found.items():
            for name, of_epochs in values.items():
                pooled[key][name].append(of_epochs)
            pooled[key]["subject"].append(np.full(len(of_epochs), subject))
    rows = []
    for key, parts in sorted(pooled.items()):
        values = {name: np.concatenate(part) for name, part in parts.items()}
        subjects = values.pop("subject")
        sign = key.stage in KIND_STAGES[key.kind]
        rows.append({**key._asdict(), "sign": sign, **means_over_epochs(values, subjects)})
    return pd.DataFrame(rows, columns=[*Key._fields, "sign", "epochs", "subjects", *_interval_columns()]).round(4)


def _interval_columns() -> list[str]:
    return [f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")]


def preference_of_recording(epochs: Epochs, maps: RecordingMaps) -> pd.DataFrame:
    """Which bands of the signal the map of each epoch lies on.

    Parameters
    ----------
    epochs
        The recording in µV.
    maps
        Its maps, each of the stage that was predicted.

    Returns
    -------
    pandas.DataFrame
        A row an epoch and method: ``recording subject epoch_index stage method``, and for each band of `BANDS_HZ`
        its amplitude where the map is over its mean in the epoch (1: the map does not care). NaN where a map is zero
        everywhere, and for bands that the sampling rate cannot hold. Methods are those that explain every epoch.
    """
    signal = epochs.signal * epochs.scale_uv
    amplitudes = {
        name: binned(envelope(signal, epochs.rate, band), N_BINS)
        for name, band in BANDS_HZ.items()
        if band[0] < 0.4 * epochs.rate
    }
    frames = []
    for method, given in maps.maps.items():
        if len(maps.rows[method]) < len(epochs.stage):
            continue
        frame = pd.DataFrame({
            "recording": epochs.recording, "subject": epochs.subject, "epoch_index": epochs.epoch_index,
            "stage": np.array(STAGES)[epochs.stage], "method": method,
        })  # fmt: skip
        for name in BANDS_HZ:
            frame[name] = _on_band(given, amplitudes[name]) if name in amplitudes else np.nan
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _on_band(maps: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return (maps * amplitude).sum(axis=1) / maps.sum(axis=1) / amplitude.mean(axis=1)


def _average_precision(maps: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Average precision of each row; equal values are one threshold."""
    order = np.argsort(-maps, axis=1, kind="stable")
    ordered = np.take_along_axis(maps, order, axis=1)
    hits = np.cumsum(np.take_along_axis(inside, order, axis=1), axis=1)
    rank = np.arange(1, maps.shape[1] + 1)
    last = np.ones(maps.shape, dtype=bool)  # of a run of equal values
    last[:, :-1] = ordered[:, 1:] < ordered[:, :-1]
    # Recall gained at a threshold: hits there minus hits at the threshold before.
    before = np.maximum.accumulate(np.where(last, hits, 0), axis=1)
    gained = np.where(last, hits - np.concatenate([np.zeros((len(maps), 1)), before[:, :-1]], axis=1), 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (gained * hits / rank).sum(axis=1) / hits[:, -1]
