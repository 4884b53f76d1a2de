"""Normalisation: takes what a recording has in common with itself, and nothing that epochs differ in."""

import numpy as np
from scipy.signal import lfilter, welch

from hypnolens.recordings.normalisation import normalise
from tests.conftest import make_epochs

EPOCHS = make_epochs(np.tile([0, 1, 2, 3, 4], 8), seed=3)


def _coloured(gain=1.0):
    """The same recording through another amplifier: tilted, and louder."""
    signal = lfilter([gain], [1, -0.6], EPOCHS.signal.astype(float), axis=1)
    return make_epochs(EPOCHS.stage), signal


def _normalised(signal):
    epochs = make_epochs(EPOCHS.stage)
    scale = np.abs(signal).max() / 32767
    object.__setattr__(epochs, "signal", np.round(signal / scale).astype(np.int16))
    object.__setattr__(epochs, "scale_uv", float(scale))
    done = normalise(epochs, "spectrum")
    return done.signal * done.scale_uv


def test_none_changes_nothing():
    assert normalise(EPOCHS, "none") is EPOCHS


def test_amplifiers_do_not_matter():
    plain = _normalised(EPOCHS.signal.astype(float))
    for gain in (1.0, 30.0):
        tilted = _normalised(_coloured(gain)[1])
        powers = [np.log(welch(x, 100, nperseg=256)[1][:, 3:-3]) for x in (plain, tilted)]
        assert np.abs(powers[0].mean(axis=0) - powers[1].mean(axis=0)).max() < 0.02  # flat, whatever it was
        assert np.abs(powers[0] - powers[1]).mean() < 0.1


def test_the_mean_log_spectrum_is_flat_and_epochs_keep_their_differences():
    x = _normalised(_coloured()[1])
    power = np.log(welch(x, 100, nperseg=256)[1][:, 3:-3])
    assert np.abs(power.mean(axis=0)).max() < 0.05
    loud = {stage: power[EPOCHS.stage == stage].mean() for stage in range(5)}
    for stage in range(1, 5):  # amplitudes of the stages are 1 to 5 times the same
        assert abs((loud[stage] - loud[0]) - 2 * np.log(1 + stage)) < 0.05
