"""YASA's pre-trained stager (Vallat & Walker 2021, eLife 10:e70092), from one EEG channel, on the grid of our epochs.

YASA standardises over the recording and smooths over neighbours, so it reads the whole signal, also where no epoch
was kept. Age and sex, which it can use too, are not known of every recording and are left out.

Trees have thresholds, and some features count, so that the last bit of a sample can matter: on one of four real
recordings MNE's own values times 1e6 and back moved a probability by 0.006. That far results may differ from YASA's
on a file that MNE has read; the stages of all four were the same.
"""

import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np

from hypnolens.errors import RecordingError
from hypnolens.recordings.edf import read_channel
from hypnolens.recordings.epochs import Epochs
from hypnolens.stages import EPOCH_S, STAGES

LEAST_RATE_HZ = 80.0
"""YASA refuses rates that are not above this."""

LEAST_S = 300.0
"""YASA calls results of less than five minutes unreliable."""

NAMES = {"W": "WAKE", "R": "REM"}
"""YASA's names of stages where they differ from ours."""


def pretrained() -> str:
    """What staged, in words for a card."""
    return f"YASA {version('yasa')}, one EEG channel, without age and sex (LightGBM {version('lightgbm')})"


def probabilities(psg: Path, epochs: Epochs) -> np.ndarray:
    """Probabilities of the five stages for every kept epoch of a recording, float32 ``(n_epochs, 5)``.

    Parameters
    ----------
    psg
        EDF file that the epochs were cut from; the channel is theirs, at the file's own rate.
    epochs
        Kept epochs; their signal is not looked at.

    Raises
    ------
    RecordingError
        The file cannot be read, its rate is too low for YASA, or it is too short.
    """
    channel = read_channel(psg, [epochs.channel], epochs.recording)
    staged = stage(channel.signal, channel.rate, channel.label, first_s=epochs.first_s, recording=epochs.recording)
    rows = epochs.epoch_index + int(epochs.first_s // EPOCH_S)
    if rows[-1] >= len(staged):
        what = f"{psg.name} ends before its last kept epoch"
        raise RecordingError(epochs.recording, what, "delete its file of epochs and run again")
    return staged[rows]


def stage(signal_uv: np.ndarray, rate: float, channel: str, *, first_s: float, recording: str) -> np.ndarray:
    """Probabilities of the five stages on a grid of 30 s through a whole signal.

    Parameters
    ----------
    signal_uv
        All samples of the channel in µV ``(n_samples,)``, neither filtered nor standardised.
    rate
        Sampling rate in Hz.
    channel
        Its label.
    first_s
        Seconds from the first sample to any epoch of the grid. What comes before the first whole epoch is left out.
    recording
        Name for error messages.

    Returns
    -------
    numpy.ndarray
        float32 ``(n, 5)``; row k is of the epoch that begins ``first_s % 30 + 30 k`` seconds after the first sample.

    Raises
    ------
    RecordingError
        The rate is too low for YASA, or the signal too short.
    """
    if rate <= LEAST_RATE_HZ:
        what = f"channel '{channel}' has {rate:g} Hz, and YASA's stager needs more than {LEAST_RATE_HZ:g} Hz"
        raise RecordingError(recording, what, "leave it out with exclude:, or do not run yasa on this dataset")
    # As extraction cuts epochs: a grid that begins between two samples begins with the earlier one.
    signal = signal_uv[int(first_s % EPOCH_S * rate + 1e-6) :]
    if len(signal) < LEAST_S * rate:
        what = f"{len(signal) / rate:.0f} s of signal, and YASA's stager needs {LEAST_S:g} s"
        raise RecordingError(recording, what, "leave it out with exclude:")
    # They take seconds to load, and are in the way of nobody who only asks for a version.
    import mne
    import yasa

    with warnings.catch_warnings():
        # The classifier was pickled by an older scikit-learn, of which it holds the encoder of five names; and flat
        # epochs make ratios of zeros.
        warnings.filterwarnings("ignore", "Trying to unpickle estimator LabelEncoder")
        warnings.filterwarnings("ignore", category=RuntimeWarning)
        info = mne.create_info([channel], rate, "eeg", verbose="error")
        raw = mne.io.RawArray(signal[None].astype(np.float64) * 1e-6, info, verbose="error")
        proba = yasa.SleepStaging(raw, eeg_name=channel).predict().proba
    # By name, as the classifier's own order is alphabetical.
    return proba[[NAMES.get(name, name) for name in STAGES]].to_numpy(np.float32)
