"""Features of epochs as stagers without a network read them: band powers and Hjorth parameters, and the neighbours'."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.signal import welch
from scipy.stats import kurtosis

from hypnolens.bands import BANDS_HZ, SEGMENT_S
from hypnolens.errors import RecordingError, again
from hypnolens.io.parquet import read_parquet
from hypnolens.network.windows import window_positions
from hypnolens.recordings.epochs import Epochs
from hypnolens.recordings.quality import FLAT_UV

NEIGHBOURS = 4
"""Epochs on each side whose features are joined to an epoch's: two minutes, as scorers look around too."""

OWN = (
    *(f"log_{band}" for band in BANDS_HZ),
    *(f"log_relative_{band}" for band in BANDS_HZ),
    "log_activity",
    "mobility",
    "complexity",
    "kurtosis",
)
"""Names of an epoch's own features, see `own_features`. On six simulated nights zero crossings and a quantile of the
amplitude added nothing to these; without kurtosis macro-F1 was 0.06 lower, as simulated events stand out."""

FEATURES = tuple(f"{name}{place:+d}" for place in range(-NEIGHBOURS, NEIGHBOURS + 1) for name in OWN)
"""Names of what `features_of` gives: a feature, and from how many positions later it is."""


def features_of(epochs: Epochs) -> np.ndarray:
    """Features of a recording's epochs and of their neighbours, float32 ``(n_epochs, 126)``, named by `FEATURES`."""
    return with_neighbours(own_features(epochs), epochs.epoch_index)


def own_features(epochs: Epochs) -> np.ndarray:
    """Features of each epoch of a recording alone, standardised over its kept epochs; no stage is looked at.

    Returns
    -------
    numpy.ndarray
        float32 ``(n_epochs, 14)``, named by `OWN`: log10 of the power in each band in µV² (Welch) and of its share of
        all five, Hjorth's activity (log10, µV²), mobility and complexity (Hjorth 1970, doi
        10.1016/0013-4694(70)90143-4), and excess kurtosis, which tells waves that stand out from an even background.
        NaN in a flat epoch, and for a band above half the sampling rate.
    """
    signal = epochs.signal.astype(np.float32) * np.float32(epochs.scale_uv)
    signal -= signal.mean(axis=1, keepdims=True)
    # An epoch without EEG has no features. A number in their place would spread the standardisation of all others.
    alive = signal.std(axis=1) >= FLAT_UV
    features = np.full((len(signal), len(OWN)), np.nan)
    features[alive] = _features(signal[alive], epochs.rate)
    return _standardised(features).astype(np.float32)


def with_neighbours(features: np.ndarray, epoch_index: np.ndarray) -> np.ndarray:
    """Join each epoch's features with those of the epochs up to `NEIGHBOURS` positions before and after it.

    Parameters
    ----------
    features
        ``(n_epochs, n)``
    epoch_index
        Position of each epoch on the recording's grid, ascending ``(n_epochs,)``.

    Returns
    -------
    numpy.ndarray
        ``(n_epochs, 9 n)``, from the earliest neighbour to the latest; NaN at a position without an epoch.
    """
    places = window_positions(epoch_index, 2 * NEIGHBOURS + 1)
    # A place without an epoch is -1, which is the row that is added.
    padded = np.vstack([features, np.full((1, features.shape[1]), np.nan, dtype=features.dtype)])
    return padded[places].reshape(len(places), -1)


def table_of(epochs: Epochs) -> pd.DataFrame:
    """A line for each epoch: ``recording epoch_index epochs_sha256``, and its own features as float32.

    Neighbours are joined when the table is read, as they would make it nine times as large.
    """
    place = {"recording": epochs.recording, "epoch_index": epochs.epoch_index, "epochs_sha256": epochs.sha256}
    return pd.DataFrame({**place, **dict(zip(OWN, own_features(epochs).T, strict=True))})


def read_features(path: Path, recordings: Sequence[Epochs]) -> list[np.ndarray]:
    """Features of recordings as `features_of` gives them, from the parquet file of their tables.

    Parameters
    ----------
    path
        Tables of `table_of`, one after the other.
    recordings
        Epochs whose features are wanted; their signal is not looked at.

    Raises
    ------
    HypnolensError
        The file is damaged, or was made of other epochs.
    """
    table = read_parquet(path)
    wanted = table["recording"].isin([epochs.recording for epochs in recordings])
    parts = dict(list(table[wanted].groupby("recording")))
    joined = []
    for epochs in recordings:
        part = parts.get(epochs.recording)
        own = part is not None and np.array_equal(part["epoch_index"], epochs.epoch_index)
        if part is None or not own or set(part["epochs_sha256"]) != {epochs.sha256}:
            raise RecordingError(epochs.recording, f"{path} has features of other epochs", again(path))
        joined.append(with_neighbours(part[list(OWN)].to_numpy(np.float32), epochs.epoch_index))
    return joined


def _features(signal: np.ndarray, rate: float) -> np.ndarray:
    """Features ``(n, 14)`` of epochs in µV ``(n, n_samples)``, each of mean zero and none of them flat."""
    frequency, density = welch(signal, fs=rate, nperseg=min(round(SEGMENT_S * rate), signal.shape[1]), axis=1)
    powers = np.full((len(signal), len(BANDS_HZ)), np.nan)
    for column, (low, high) in enumerate(BANDS_HZ.values()):
        inside = (frequency >= low) & (frequency < high)
        if inside.any():
            powers[:, column] = density[:, inside].sum(axis=1) * (frequency[1] - frequency[0])
    powers = np.log10(np.maximum(powers, np.finfo(np.float32).tiny))
    total = np.log10(np.nansum(10**powers, axis=1, keepdims=True))
    activity, slope, bend = (np.diff(signal, n=order, axis=1).var(axis=1) for order in range(3))
    mobility = np.sqrt(slope / activity)
    others = (
        np.log10(activity),
        mobility * rate,
        np.sqrt(bend / np.maximum(slope, np.finfo(np.float32).tiny)) / np.maximum(mobility, 1e-6),
        kurtosis(signal, axis=1),
    )
    return np.hstack([powers, powers - total, np.stack(others, axis=1)])


def _standardised(features: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and standard deviation 1 over the rows that have a value; a constant column is 0."""
    there = np.isfinite(features)
    n = np.maximum(there.sum(axis=0), 1)
    centred = features - np.where(there, features, 0.0).sum(axis=0) / n
    spread = np.sqrt(np.where(there, centred**2, 0.0).sum(axis=0) / n)
    # A constant column's spread is rounding, or nothing.
    return np.where(spread > 1e-9, centred / np.where(spread > 1e-9, spread, 1.0), np.where(there, 0.0, np.nan))
