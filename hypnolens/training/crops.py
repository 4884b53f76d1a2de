"""Training on pieces of nights, each as another recorder would keep it: an option for networks that are to travel."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hypnolens.recordings.epochs import Epochs
from hypnolens.recordings.normalisation import normalise
from hypnolens.stages import EPOCH_S

KNOTS_HZ = np.geomspace(0.3, 60.0, 6)
"""Where the logarithm of a random filter is drawn; between them it is straight over log frequency."""

HIGHPASS_HZ, LOWPASS_HZ = (0.1, 0.8), (15.0, 60.0)
"""Ranges of a recorder's filters, uniform in the logarithm. A low-pass above four fifths of Nyquist's rate is none."""

GAIN, NOISE = np.log(2.0), (0.005, 0.1)
"""Standard deviation of the logarithm of a recorder's gain, and range of its noise, as a share of the crop's RMS."""


FURTHER = 4.0
"""How much more recorders differ from each other where a network's temperature is fitted than where it learns. In a
trial on simulated nights accuracy fell from 0.73 to 0.65 there."""


def pieces_of(epochs: Epochs, experiment: Mapping[str, Any], *, further: float = 1.0) -> list[Epochs]:
    """What a network learns from a recording, by the keys of an experiment: its `crops`, each normalised by itself.

    ``further`` is a factor of ``recorder_db``.
    """
    between, recorder_db = experiment["crops_min"], further * experiment["recorder_db"]
    cut = crops(epochs, between_min=between and tuple(between), recorder_db=recorder_db, seed=experiment["seed"])
    return [normalise(piece, experiment["normalisation"]) for piece in cut]


def crops(epochs: Epochs, *, between_min: tuple[float, float] | None, recorder_db: float, seed: int) -> list[Epochs]:
    """Cut a recording into pieces, one after the other, and change each as another recorder would.

    What a recording is like is estimated from each piece alone, as it is when somebody stages a nap or half a night.

    Parameters
    ----------
    epochs
        A recording in µV, not normalised yet.
    between_min
        Shortest and longest piece in minutes, lengths uniform in their logarithm; `None` for the whole recording. What
        is left at the end and shorter than the shortest belongs to the piece before.
    recorder_db
        Standard deviation of a smooth random filter, in dB; above 0 there are also another gain, a high-pass, a low-
        pass, white noise, and every second piece is upside down. 0 leaves signals as they are.
    seed
        What all is drawn from, together with the name of the recording.

    Returns
    -------
    list of Epochs
        By time; together they have every epoch once.
    """
    rng = np.random.default_rng([seed, *epochs.recording.encode()])
    n, starts = len(epochs.stage), [0]
    if between_min is not None:
        least, most = (60.0 * minutes / EPOCH_S for minutes in between_min)
        while (start := starts[-1] + round(float(np.exp(rng.uniform(np.log(least), np.log(most)))))) <= n - least:
            starts.append(start)
    pieces = []
    for start, stop in zip(starts, [*starts[1:], n], strict=True):
        part = slice(start, stop)
        one = replace(
            epochs, signal=epochs.signal[part], stage=epochs.stage[part], epoch_index=epochs.epoch_index[part],
            typical=epochs.typical if (start, stop) == (0, n) and not recorder_db else None,
        )  # fmt: skip
        pieces.append(_recorded(one, recorder_db, rng) if recorder_db else one)
    return pieces


def _recorded(epochs: Epochs, recorder_db: float, rng: np.random.Generator) -> Epochs:
    """The same epochs through another recorder. Each is filtered by itself, in ignorance of its neighbours."""
    from scipy.signal import butter, sosfiltfilt  # takes a second, and few trainings need it

    nyquist = epochs.rate / 2
    signal = epochs.signal.astype(np.float64) * epochs.scale_uv
    hz = np.fft.rfftfreq(signal.shape[1], 1 / epochs.rate)
    decibels = np.interp(
        np.log(np.maximum(hz, 0.1)), np.log(KNOTS_HZ), recorder_db * rng.standard_normal(len(KNOTS_HZ))
    )
    signal = np.fft.irfft(np.fft.rfft(signal, axis=1) * 10 ** (decibels / 20), n=signal.shape[1], axis=1)
    low, high = (float(np.exp(rng.uniform(*np.log(ends)))) for ends in (HIGHPASS_HZ, LOWPASS_HZ))
    signal = sosfiltfilt(butter(1, low, "highpass", fs=epochs.rate, output="sos"), signal, axis=1)
    if high < 0.8 * nyquist:
        signal = sosfiltfilt(butter(2, high, fs=epochs.rate, output="sos"), signal, axis=1)
    share = float(np.exp(rng.uniform(*np.log(NOISE))))
    signal += share * signal.std() * rng.standard_normal(signal.shape)
    signal *= rng.choice([-1.0, 1.0]) * np.exp(GAIN * rng.standard_normal())
    scale = float(np.abs(signal).max()) / np.iinfo(np.int16).max or 1.0
    return replace(epochs, signal=np.round(signal / scale).astype(np.int16), scale_uv=scale)
