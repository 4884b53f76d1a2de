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
from hypnolens.evaluation.metrics import RATIO, SHARE, paired_difference, subject_interval
from hypnolens.explanations.events import KIND_BANDS_HZ, KIND_STAGES, mask
from hypnolens.explanations.maps import LAYER_IG, RecordingMaps, binned
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

SHUFFLED, UNTRAINED, LABELS = "shuffled ", "untrained", "labels "
"""How the names of controls begin: maps of other epochs, of networks as they are drawn, of those of shuffled labels."""

CONTRAST_COLUMNS = (
    "events", "stage", "kind", "map", "sign", "control", "epochs", "subjects", "auroc", "difference", "low", "high",
    "p",
)  # fmt: skip


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


def controls(signal: np.ndarray, n_bins: int, rate: float, kind: str, *, seed: int) -> dict[str, np.ndarray]:
    """Maps that know nothing of the network, of the same epochs: float64 ``(n, n_bins)`` each.

    ``random`` is noise as smooth as an envelope; ``amplitude`` and ``band amplitude`` are envelopes.

    Parameters
    ----------
    signal
        µV ``(n, n_samples)``.
    n_bins
        Bins of an epoch.
    rate, kind
        Sampling rate in Hz, and the kind of event whose band is meant.
    seed
        Of what is drawn.
    """
    noise = np.abs(np.random.default_rng(seed).standard_normal((len(signal), n_bins)))
    return {
        "random": uniform_filter1d(noise, round(SMOOTH_S / BIN_S), axis=1),
        "amplitude": binned(envelope(signal, rate), n_bins),
        "band amplitude": binned(envelope(signal, rate, KIND_BANDS_HZ[kind]), n_bins),
    }


def shuffled(maps: np.ndarray, *, seed: int) -> np.ndarray:
    """For each epoch the map of another: it keeps whatever a method always prefers. NaN if there is one epoch only.

    Parameters
    ----------
    maps
        ``(n, n_bins)``, of one stage.
    seed
        Of the order.
    """
    # A random order that is rolled by one gives no epoch its own map.
    order = np.random.default_rng(seed).permutation(len(maps))
    given = np.full(maps.shape, np.nan)
    if len(maps) > 1:
        given[order] = maps[np.roll(order, 1)]
    return given


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
        limits = RATIO if name == "ratio" else SHARE
        low, high = subject_interval(of_epochs[known], subjects[known], seed=seed, limits=limits)
        mean = float(of_epochs[known].mean()) if known.any() else float("nan")
        row |= {name: mean, f"{name}_low": low, f"{name}_high": high}
    return row


Aligned = Mapping[Key, Mapping[str, np.ndarray]]
"""Measures by what they are of, each ``(n,)``; the maps of a kind and stage have the same epochs, in the same order."""


def align_recording(
    epochs: Epochs, maps: RecordingMaps, others: RecordingMaps, events: pd.DataFrame, *, seed: int = 0
) -> Aligned:
    """Measures of every method and control on the sampled epochs of a recording that have an event of a kind.

    This covers every stage. Where an event is not typical of the stage, a map that still lies on it follows the event
    itself, not the evidence for the stage.

    Parameters
    ----------
    epochs, maps
        The recording in µV, and its maps.
    others
        The default method's maps of the same sample by networks that know less, see
        `hypnolens.explanations.sanity.control_maps`.
    events
        ``onset_s duration_s kind source``; each source (detected, true, an expert) is compared by itself.
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
                given = {
                    **ours,
                    **{SHUFFLED + method: shuffled(own, seed=seed) for method, own in ours.items()},
                    **{name: others.of(name, rows).astype(np.float64) for name in others.maps},
                    **controls(signal, N_BINS, epochs.rate, kind, seed=seed),
                }
                for name, of_map in given.items():
                    found[Key(str(source), stage, kind, name)] = measures(of_map, inside[rows], near[rows])
    return found


def pooled(recordings: Iterable[tuple[str, Aligned]]) -> dict[Key, dict[str, np.ndarray]]:
    """Measures of all recordings, given by subject, and beside them ``subject``: ``(n,)`` each."""
    parts: dict[Key, dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    for subject, found in recordings:
        for key, values in found.items():
            for name, of_epochs in values.items():
                parts[key][name].append(of_epochs)
            parts[key]["subject"].append(np.full(len(of_epochs), subject))
    return {key: {name: np.concatenate(part) for name, part in of_key.items()} for key, of_key in sorted(parts.items())}


def alignment_table(found: Aligned) -> pd.DataFrame:
    """A row for each source of events, stage, kind and map or control, from what `pooled` gives.

    ``sign`` says whether the kind is a sign of the stage (`KIND_STAGES`). Untrained networks have one row, of the mean
    over them.
    """
    rows = []
    for key, values in _untrained_as_one(found).items():
        of_measures = {name: values[name] for name in MEASURES}
        sign = key.stage in KIND_STAGES[key.kind]
        rows.append({**key._asdict(), "sign": sign, **means_over_epochs(of_measures, values["subject"])})
    return pd.DataFrame(rows, columns=[*Key._fields, "sign", "epochs", "subjects", *_interval_columns()]).round(4)


def contrast_table(found: Aligned) -> pd.DataFrame:
    """How much better maps are than their controls, on the same epochs, from what `pooled` gives.

    Each method is compared with its own maps of other epochs, and the default one also with networks that know less and
    with plain amplitude. What is compared is the area under the ROC curve, for which all maps have a value, and which
    does not hang on one place as a hit does.

    Returns
    -------
    pandas.DataFrame
        A row a comparison: ``events stage kind sign map control``, number of ``epochs`` and ``subjects``, the ``auroc``
        of the map, its ``difference`` from the control with ``low`` and ``high`` (95 %), and the two-sided ``p`` of no
        difference (`hypnolens.evaluation.metrics.paired_difference`).
    """
    rows = []
    for key, values in found.items():
        own, subjects = values["auroc"], values["subject"]
        theirs = {other.map: of_other["auroc"] for other, of_other in found.items() if other[:3] == key[:3]}
        if SHUFFLED + key.map not in theirs:
            continue  # a control itself
        compared = {name: [of_map] for name, of_map in theirs.items() if name == SHUFFLED + key.map}
        if key.map == LAYER_IG:
            compared |= {name: [theirs[name]] for name in ("amplitude", "band amplitude")}
            compared |= {name: [of_map] for name, of_map in theirs.items() if name.startswith(LABELS)}
            if drawn := [of_map for name, of_map in theirs.items() if name.startswith(UNTRAINED)]:
                compared[UNTRAINED] = drawn
        for name, given in compared.items():
            differences = own - np.stack(given)
            known = ~np.isnan(differences).any(axis=0)
            result = paired_difference(differences[:, known], subjects[known], seed=0)
            rows.append({
                **key._asdict(), "sign": key.stage in KIND_STAGES[key.kind], "control": name,
                "epochs": int(known.sum()), "subjects": len(np.unique(subjects[known])),
                "auroc": own[known].mean() if known.any() else np.nan, **result._asdict(),
            })  # fmt: skip
    return pd.DataFrame(rows, columns=list(CONTRAST_COLUMNS))


def _untrained_as_one(found: Aligned) -> Aligned:
    """Measures in which the untrained networks are one map, with the mean over them."""
    drawn: dict[Key, list[Mapping[str, np.ndarray]]] = defaultdict(list)
    for key, values in found.items():
        drawn[key._replace(map=UNTRAINED if key.map.startswith(UNTRAINED) else key.map)].append(values)
    return {
        key: {
            name: first if name == "subject" else np.mean([values[name] for values in given], axis=0)
            for name, first in given[0].items()
        }
        for key, given in sorted(drawn.items())
    }


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
