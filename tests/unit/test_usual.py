"""In what a night departs from those that a network was trained on."""

import numpy as np
import pytest

from hypnolens.epochs import Epochs
from hypnolens.usual import MOST_EPOCHS, MOST_RECORDINGS, departures, usual_of
from tests.conftest import make_epochs
from tests.unit.test_staging import pink


def _recording(seed, uv=20.0):
    signal = pink(60, uv=uv, seed=seed).reshape(60, -1)
    scale = float(np.abs(signal).max()) / 32767
    base = make_epochs([0] * 60)
    return Epochs(**{**vars(base), "signal": np.round(signal / scale).astype(np.int16), "scale_uv": scale})


USUAL = usual_of([_recording(seed, uv) for seed, uv in enumerate((15.0, 18.0, 20.0, 24.0, 30.0))])


def _departures(signal, *, file_rate=100.0, channel="EEG"):
    return departures(signal.reshape(-1, 3000), 100.0, file_rate=file_rate, channel=channel, usual=USUAL)


def test_amplitudes_of_training_are_those_that_went_in():
    assert [10 ** USUAL["amplitude"][end] for end in ("low", "high")] == pytest.approx([15.0, 30.0], rel=1e-3)
    assert (USUAL["recordings"], USUAL["channels"], USUAL["rate_hz"]) == (5, ["EEG"], 100.0)


@pytest.mark.parametrize("uv", [12.0, 20.0, 40.0])
def test_a_night_like_those_of_training_passes(uv):
    assert _departures(pink(60, uv=uv, seed=9)) == []


@pytest.mark.parametrize("uv", [3.0, 90.0])
def test_an_unusual_amplitude_is_said_with_numbers(uv):
    (sentence,) = _departures(pink(60, uv=uv, seed=9))
    assert sentence == f"median amplitude {uv:g} µV; nights of the training had 15 to 30 µV"


def test_an_unusual_spectrum_is_said():
    signal = pink(60, uv=20.0, seed=9)
    white = np.random.default_rng(0).normal(0, 20.0, len(signal))
    assert any("beta (16 to 30 Hz)" in sentence for sentence in _departures(white))
    smooth = np.convolve(signal, np.ones(11) / 11, "same")  # a low-pass of about 4 Hz
    assert any("beta (16 to 30 Hz)" in sentence for sentence in _departures(smooth))


def test_a_low_rate_and_another_channel_are_said_and_what_the_file_cannot_hold_is_not_judged():
    signal = pink(60, uv=20.0, seed=9).reshape(60, -1)
    low = np.fft.rfft(signal, axis=1)
    low[:, np.fft.rfftfreq(3000, 0.01) > 25] = 0
    found = _departures(np.fft.irfft(low, n=3000, axis=1), file_rate=50.0, channel="O2")
    assert len(found) == 2 and "trained on EEG, not on this channel" in found[0] and "50 Hz, fewer than" in found[1]


def test_a_large_dataset_is_sampled(monkeypatch):
    class Counted(list):
        taken = 0

        def __getitem__(self, place):
            Counted.taken += 1
            return super().__getitem__(place)

    many = Counted([_recording(0)] * 1000)
    assert usual_of(many)["recordings"] == MOST_RECORDINGS and Counted.taken < 3 * MOST_RECORDINGS
    assert MOST_EPOCHS == 50


def test_a_flat_recording_says_nothing_of_what_is_usual():
    flat = Epochs(**{**vars(make_epochs([0] * 5)), "signal": np.zeros((5, 3000), dtype=np.int16)})
    assert usual_of([flat, _recording(0)])["recordings"] == 1
