"""In what a night departs from those that a network was trained on."""

import re

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from hypnolens.network.training_range import MOST_EPOCHS, MOST_RECORDINGS, out_of_range, training_range_of
from hypnolens.recordings.epochs import Epochs
from hypnolens.simulation.night import simulate_night
from tests.conftest import make_epochs, pink


def as_epochs(signal):
    scale = float(np.abs(signal).max()) / 32767
    base = make_epochs([0] * len(signal))
    return Epochs(**{**vars(base), "signal": np.round(signal / scale).astype(np.int16), "scale_uv": scale})


def _recording(seed, uv=20.0):
    return as_epochs(pink(60, uv=uv, seed=seed).reshape(60, -1))


USUAL = training_range_of([_recording(seed, uv) for seed, uv in enumerate((15.0, 18.0, 20.0, 24.0, 30.0))])


def _departures(signal, *, file_rate=100.0, channel="EEG"):
    return out_of_range(signal.reshape(-1, 3000), 100.0, file_rate=file_rate, channel=channel, usual=USUAL)


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


def test_a_card_says_its_bands_and_one_that_does_not_keeps_those_of_before():
    # What is strong at 11.5 Hz is sigma today, and was alpha.
    strong = pink(60, uv=20.0, seed=9) + 60 * np.sin(2 * np.pi * 11.5 * np.arange(180_000) / 100)
    assert USUAL["bands_hz"]["alpha"] == [8.0, 11.0] and USUAL["bands_hz"]["sigma"] == [11.0, 16.0]
    before = {key: value for key, value in USUAL.items() if key != "bands_hz"}
    given = {"file_rate": 100.0, "channel": "EEG"}
    today, old = (out_of_range(strong.reshape(-1, 3000), 100.0, **given, usual=usual) for usual in (USUAL, before))
    assert _share(today, "sigma (11 to 16 Hz)") > 50 > _share(today, "alpha (8 to 11 Hz)")
    assert _share(old, "alpha (8 to 12 Hz)") > 50 > _share(old, "sigma (12 to 16 Hz)")


def _share(sentences, band):
    """Per cent of the power that is said to be in a band."""
    (sentence,) = (sentence for sentence in sentences if band in sentence)
    return float(sentence.split(" %")[0])


@pytest.fixture(scope="module")
def nights():
    """What is usual of five simulated people, and nights of two others, µV ``(n_epochs, 3000)``."""
    simulated = (simulate_night(seed=2, subject=subject, night=1, hours=3) for subject in range(7))
    signals = [night.signals["EEG Fpz-Cz"].reshape(-1, 3000) for night in simulated]
    return training_range_of([as_epochs(signal) for signal in signals[:5]]), signals[5:]


def _noisy(night):
    return night + np.random.default_rng(0).normal(0, 2 * np.median(night.std(axis=1)), night.shape)


def _filtered(band, hz):
    """As a recorder does it, to the whole night."""
    sos = butter(2, hz, band, fs=100, output="sos")
    return lambda night: sosfiltfilt(sos, night.ravel()).reshape(night.shape)


CHANGES = {
    "as it is": (lambda night: night, None),
    "three times": (lambda night: 3 * night, "median amplitude"),
    "a third": (lambda night: night / 3, "median amplitude"),
    "low-passed": (lambda night: sosfiltfilt(butter(4, 12, fs=100, output="sos"), night, axis=1), "beta"),
    "high-passed": (lambda night: sosfiltfilt(butter(4, 4, "high", fs=100, output="sos"), night, axis=1), "delta"),
    "drowned in white noise": (_noisy, "beta"),
    "with 10 µV of noise": (lambda night: night + np.random.default_rng(0).normal(0, 10, night.shape), ": noise$"),
    "after a low-pass of 15 Hz": (_filtered("lowpass", 15), "another low-pass filter"),
    "after a high-pass of 0.5 Hz": (_filtered("highpass", 0.5), "another high-pass filter"),
    "with breathing": (lambda night: night + 30 * np.sin(0.5 * np.pi * np.arange(3000) / 100), "or slow artefacts"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_nights_of_other_people_pass_until_they_are_changed(nights, change):
    usual, others = nights
    change, words = CHANGES[change]
    for night in others:
        found = out_of_range(change(night), 100.0, file_rate=100.0, channel="EEG", usual=usual)
        assert any(re.search(words, sentence) for sentence in found) if words else found == []


def test_case_separators_and_the_word_eeg_make_no_other_channel():
    usual = {**USUAL, "channels": ["EEG Fpz-Cz"]}
    signal = pink(60, uv=20.0, seed=9).reshape(60, -1)
    for channel, n in (("Fpz-Cz", 0), ("EEG FPZ_CZ", 0), ("Pz-Oz", 1), ("EEG", 1)):
        assert len(out_of_range(signal, 100.0, file_rate=100.0, channel=channel, usual=usual)) == n


def test_a_signal_of_which_nothing_is_left_is_said():
    assert _departures(np.zeros(6000)) == ["nothing of the signal is left at the 100 Hz of the model"]


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
    assert training_range_of(many)["recordings"] == MOST_RECORDINGS and Counted.taken < 3 * MOST_RECORDINGS
    assert MOST_EPOCHS == 50


def test_a_flat_recording_says_nothing_of_what_is_usual():
    flat = Epochs(**{**vars(make_epochs([0] * 5)), "signal": np.zeros((5, 3000), dtype=np.int16)})
    assert training_range_of([flat, _recording(0)])["recordings"] == 1
