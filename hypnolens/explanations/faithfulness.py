"""Is a map true of the network: does the decision follow when what the map points to is taken away?

What is taken away is replaced by noise of the epoch's own spectrum (see `surrogates`): zeros, or a flat line, would be
an event of their own.
"""

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import convolve1d
from scipy.signal import butter, sosfiltfilt

from hypnolens.explanations.alignment import envelope
from hypnolens.explanations.attributions import Decisions, attribute, log_odds
from hypnolens.explanations.events import KIND_BANDS_HZ, mask
from hypnolens.explanations.maps import ABSENT, RecordingMaps, binned
from hypnolens.explanations.surrogates import phase_randomised
from hypnolens.network.inference import CHUNK
from hypnolens.network.model import fused
from hypnolens.stages import CODE, STAGES

SEGMENTS = 60
"""Pieces of an epoch that are taken away one after the other: half a second each."""

STEPS = 20
"""Steps from the whole epoch to none of it."""

TAPER_S = 0.2
"""Over which an event's removal fades in and out."""

REMOVED = {"spindle": ("N2",), "k-complex": ("N2",), "slow-wave": ("N3",), "alpha": ("W",)}
"""Kinds of events that are taken away, and from epochs of which stages."""

CURVE_COLUMNS = ("recording", "subject", "stage", "order", "epochs", "step", "deletion", "insertion")

REMOVAL_COLUMNS = (
    "recording", "subject", "epoch_index", "source", "stage", "kind", "at_event", "matched_at_event",
    "matched_elsewhere", "matched", "share_before", "share_after", "cover",
)  # fmt: skip


def probabilities_of(decisions: Decisions, signal: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Logits and probabilities ``(n, 5)`` of staged epochs ``(n,)`` whose own signal is ``(n, n_samples)``."""
    device, given = decisions.features.device, [decisions.features.new_empty(0, len(STAGES))]
    fast = fused(decisions.model)
    with torch.no_grad():
        for begin in range(0, len(rows), CHUNK):
            part = slice(begin, begin + CHUNK)
            x = torch.from_numpy(np.ascontiguousarray(signal[part])).to(device).float()
            features = fast.features(x)
            given.append(decisions.logits(features, torch.as_tensor(rows[part], device=device)))
    logits = torch.cat(given)
    return logits.cpu().numpy(), logits.softmax(dim=1).cpu().numpy()


def curves(
    decisions: Decisions, signal: np.ndarray, rows: np.ndarray, stages: np.ndarray, order: np.ndarray, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Deletion and insertion (Petsiuk et al. 2018): the stage's probability as an epoch goes, or comes, piece by piece.

    Parameters
    ----------
    decisions
        Network and recording.
    signal
        Staged epochs as the network sees them ``(n, n_samples)``.
    rows, stages
        Which epochs they are, and the code of the stage that is followed ``(n,)``.
    order
        What decides which half second goes first: the highest value does, ``(n, n_bins)`` of any number of bins.
    seed
        Of the noise.

    Returns
    -------
    deletion, insertion
        Probabilities ``(n, STEPS + 1)``, from nothing taken away or put in to everything. The area under the first is
        small, and that under the second large, where the order is that of importance.
    """
    n, n_samples = signal.shape
    fill = phase_randomised(signal, seed=seed)
    rank = np.argsort(np.argsort(-binned(order, SEGMENTS), axis=1, kind="stable"), axis=1)
    segment = np.arange(n_samples) * SEGMENTS // n_samples
    chosen = np.stack([(rank < step * SEGMENTS / STEPS)[:, segment] for step in range(STEPS + 1)])
    rows, stages = np.tile(rows, STEPS + 1), np.tile(stages, STEPS + 1)

    def along(put: np.ndarray, left: np.ndarray) -> np.ndarray:
        x = np.where(chosen, put, left).reshape(-1, n_samples)
        followed = probabilities_of(decisions, x, rows)[1][np.arange(len(rows)), stages]
        return followed.reshape(STEPS + 1, n).T

    return along(fill, signal), along(signal, fill)


def in_band(signal: np.ndarray, inside: np.ndarray, rate: float, band: tuple[float, float]) -> np.ndarray:
    """What signals have of a band (Hz) where ``inside`` is true, fading at its ends, ``(n, n_samples)`` each."""
    sos = butter(2, (band[0], min(band[1], 0.45 * rate)), "bandpass", fs=rate, output="sos")
    kernel = np.hanning(max(3, round(TAPER_S * rate)) + 2)
    weight = convolve1d(inside.astype(float), kernel / kernel.sum(), axis=1, mode="nearest")
    return weight * sosfiltfilt(sos, signal, axis=1)


def matched(here: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two parts of each signal made smaller to one energy, the lesser of both.

    At an event its band has many times the energy that as much time has elsewhere, so that taking both away
    compares much with little. All of the band elsewhere in the epoch is about as much.

    Parameters
    ----------
    here, there
        ``(n, n_samples)`` each.

    Returns
    -------
    here, there
        The same with equal energy in each row.
    share
        Of the energy of ``here`` that is left ``(n,)``; 0 where one of them is nothing.
    """
    energies = [(part**2).sum(axis=1) for part in (here, there)]
    least = np.minimum(*energies)
    share, other = (np.divide(least, e, out=np.zeros_like(least), where=e > 0) for e in energies)
    return here * np.sqrt(share)[:, None], there * np.sqrt(other)[:, None], share


def measure_curves(decisions: Decisions, maps: RecordingMaps, *, seed: int = 0) -> pd.DataFrame:
    """Deletion and insertion on the sampled epochs of a recording, in the order of each method and of the controls.

    Returns
    -------
    pandas.DataFrame
        Means over epochs: ``recording subject stage order epochs step deletion insertion``; ``step`` is the share
        of the epoch that was taken away or put in. The order `ABSENT` is the floor at all steps: the probability when
        the epoch has the mean features of the recording in place of its own.
    """
    epochs, rows = decisions.epochs, maps.sample
    if not len(rows):
        return pd.DataFrame(columns=list(CURVE_COLUMNS))
    signal, stages = epochs.signal[rows] * np.float32(epochs.scale_uv), epochs.stage[rows].astype(np.int64)
    orders = {method: maps.of(method, rows) for method in maps.maps}
    orders["amplitude"] = envelope(signal, epochs.rate)
    orders["random"] = np.random.default_rng(seed).random((len(rows), SEGMENTS))
    followed = {name: curves(decisions, signal, rows, stages, order, seed=seed) for name, order in orders.items()}
    floor = np.repeat(_without_own(decisions, rows)[np.arange(len(rows)), stages, None], STEPS + 1, axis=1)
    frames = []
    for name, (deletion, insertion) in {**followed, ABSENT: (floor, floor)}.items():
        for code in np.unique(stages):
            own = stages == code
            frames.append(pd.DataFrame({
                "recording": epochs.recording, "subject": epochs.subject, "stage": STAGES[code], "order": name,
                "epochs": int(own.sum()), "step": np.linspace(0, 1, STEPS + 1),
                "deletion": deletion[own].mean(axis=0), "insertion": insertion[own].mean(axis=0),
            }))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def measure_removal(decisions: Decisions, maps: RecordingMaps, events: pd.DataFrame) -> pd.DataFrame:
    """Take an event's band away where the event is, and as much energy of it elsewhere: do decision and map follow?

    Parameters
    ----------
    decisions, maps
        Network and recording, and its maps; the sampled epochs are changed.
    events
        ``onset_s duration_s kind source``.

    Returns
    -------
    pandas.DataFrame
        A row an epoch: ``recording subject epoch_index source stage kind``; the log-odds lost by removal at the events
        (``at_event``), and by removal of one energy at the events and from all other places of the epoch
        (``matched_at_event``, ``matched_elsewhere``; see `matched`, whose share is ``matched``); the share of the map
        at the events before and after their removal, and that of time (``cover``).
    """
    epochs, frames = decisions.epochs, []
    for source, of_source in events.groupby("source", sort=True):
        for kind, stages in REMOVED.items():
            inside = mask(of_source, epochs.onset_s, epochs.signal.shape[1], epochs.rate, kind=kind)
            for stage in stages:
                chosen = maps.sample[(epochs.stage[maps.sample] == CODE[stage]) & inside[maps.sample].any(axis=1)]
                rows = chosen[inside[chosen].mean(axis=1) < 0.5]  # there must be an elsewhere
                if not len(rows):
                    continue
                here, codes = inside[rows], np.full(len(rows), CODE[stage])
                signal = epochs.signal[rows] * np.float32(epochs.scale_uv)
                at, rest = (in_band(signal, where, epochs.rate, KIND_BANDS_HZ[kind]) for where in (here, ~here))
                at_matched, rest_matched, share = matched(at, rest)
                whole = _odds(decisions, signal, rows, codes)
                lost, at_lost, rest_lost = (
                    whole - _odds(decisions, signal - part.astype(signal.dtype), rows, codes)
                    for part in (at, at_matched, rest_matched)
                )
                before, after = (
                    _share(attribute(decisions, rows, codes, signal=x), here)
                    for x in (signal, signal - at.astype(signal.dtype))
                )
                frames.append(pd.DataFrame({
                    "recording": epochs.recording, "subject": epochs.subject,
                    "epoch_index": epochs.epoch_index[rows], "source": source, "stage": stage, "kind": kind,
                    "at_event": lost, "matched_at_event": at_lost, "matched_elsewhere": rest_lost, "matched": share,
                    "share_before": before, "share_after": after, "cover": here.mean(axis=1),
                }))  # fmt: skip
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(REMOVAL_COLUMNS))


def _without_own(decisions: Decisions, rows: np.ndarray) -> np.ndarray:
    """Probabilities ``(n, 5)`` of staged epochs that have the mean features of the recording."""
    blank = decisions.features.mean(dim=0).expand(len(rows), -1)
    with torch.no_grad():
        logits = decisions.logits(blank, torch.as_tensor(rows, device=decisions.features.device))
    return logits.softmax(dim=1).cpu().numpy()


def _odds(decisions: Decisions, signal: np.ndarray, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
    logits, _ = probabilities_of(decisions, signal, rows)
    return log_odds(torch.from_numpy(logits), torch.from_numpy(codes)).numpy()


def _share(maps: np.ndarray, inside: np.ndarray) -> np.ndarray:
    total = maps.sum(axis=1)
    return np.divide((maps * inside).sum(axis=1), total, out=np.zeros(len(maps)), where=total > 0)
