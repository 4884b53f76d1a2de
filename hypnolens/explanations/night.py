"""One night from end to end: its spectrogram, and on which bands the maps lie."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.signal import welch

from hypnolens.bands import BANDS_HZ
from hypnolens.explanations.maps import RecordingMaps, neighbours_part
from hypnolens.io.tensors import opened, write_tensors
from hypnolens.recordings.epochs import Epochs

HIGHEST_HZ = 30.0
"""Upper edge of the spectrogram: EEG of sleep has little above it."""

TEXTS = ("recording", "method", "names")


@dataclass(frozen=True)
class NightStrip:
    """A night by epoch.

    Attributes
    ----------
    recording, method
        Which night, and whose maps.
    names
        Bands.
    onset_s, stage_true, stage_pred
        Seconds from the start of the recording, and codes ``(n_epochs,)``.
    frequency_hz, power_db
        Spectrogram: ``(n_frequencies,)``, and dB of µV²/Hz ``(n_epochs, n_frequencies)``.
    bands
        Amplitude of each band where the map is over its mean in the epoch ``(n_epochs, n_bands)``.
    context
        Share of the window's neighbours in each decision ``(n_epochs,)``.
    """

    recording: str
    method: str
    names: list[str]
    onset_s: np.ndarray
    stage_true: np.ndarray
    stage_pred: np.ndarray
    frequency_hz: np.ndarray
    power_db: np.ndarray
    bands: np.ndarray
    context: np.ndarray


def night_strip(
    epochs: Epochs, maps: RecordingMaps, preference: pd.DataFrame, predicted: np.ndarray, *, method: str
) -> NightStrip:
    """Put a night together.

    Parameters
    ----------
    epochs, maps
        The recording in µV, and its maps.
    preference
        As `hypnolens.explanations.alignment.preference_of_recording` gives it, of any recordings.
    predicted
        Codes ``(n_epochs,)``.
    method
        Whose maps.
    """
    signal = epochs.signal * epochs.scale_uv
    frequency, power = welch(signal, fs=epochs.rate, nperseg=round(4 * epochs.rate), axis=1)
    shown = (frequency >= 0.5) & (frequency <= HIGHEST_HZ)
    own = preference[(preference["recording"] == epochs.recording) & (preference["method"] == method)]
    return NightStrip(
        recording=epochs.recording,
        method=method,
        names=list(BANDS_HZ),
        onset_s=epochs.onset_s,
        stage_true=epochs.stage.astype(np.int64),
        stage_pred=predicted,
        frequency_hz=frequency[shown],
        # An epoch without a signal has no decibels: 1e-6 µV²/Hz is below any amplifier's noise.
        power_db=10 * np.log10(np.maximum(power[:, shown], 1e-6)),
        bands=own.sort_values("epoch_index")[list(BANDS_HZ)].to_numpy(dtype=np.float64),
        context=neighbours_part(maps.context),
    )


def write_night_strip(strip: NightStrip, path: Path) -> None:
    """Write a night as tensors, with texts beside them."""
    values = asdict(strip)
    texts = {name: json.dumps(values.pop(name)) for name in TEXTS}
    write_tensors(values, texts, path)


def read_strip(path: Path) -> NightStrip:
    """Read what `write_night_strip` wrote; a damaged file is refused as by `hypnolens.io.tensors.opened`."""
    with opened(path) as file:
        texts = {name: json.loads(file.texts[name]) for name in TEXTS}
        values: dict[str, Any] = {name: file[name] for name in file.sha256_of}
        return NightStrip(**texts, **values)
