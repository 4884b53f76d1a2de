"""Pieces of nights for training: each epoch once, each piece on its own, as another recorder would keep it."""

import numpy as np
import pytest

from hypnolens.recordings.epochs import Epochs
from hypnolens.training.crops import crops, pieces_of

RATE, N = 50.0, 600


def recording(name="A"):
    rng = np.random.default_rng(0)
    signal = np.cumsum(rng.standard_normal((N, 1500)), axis=1)
    signal -= signal.mean(axis=1, keepdims=True)
    dropped = np.delete(np.arange(N + 5), [100, 101, 102, 103, 104])
    return Epochs(
        signal=np.round(signal / 0.05).clip(-32767, 32767).astype(np.int16),
        stage=(np.arange(N) // 7 % 5).astype(np.int8), epoch_index=dropped.astype(np.int32), scale_uv=0.05, rate=RATE,
        first_s=0.0, recording=name, subject=name, night=1, channel="EEG", start_time="", source="", source_sha256="",
        dropped={}, flags=[],
    )  # fmt: skip


def test_pieces_hold_every_epoch_once_and_none_is_too_short():
    whole = recording()
    pieces = crops(whole, between_min=(30, 120), recorder_db=0.0, seed=1)
    assert len(pieces) > 3
    assert all(60 <= len(piece.stage) <= 240 + 60 for piece in pieces)
    np.testing.assert_array_equal(np.concatenate([piece.signal for piece in pieces]), whole.signal)
    np.testing.assert_array_equal(np.concatenate([piece.stage for piece in pieces]), whole.stage)
    np.testing.assert_array_equal(np.concatenate([piece.epoch_index for piece in pieces]), whole.epoch_index)


def test_the_same_seed_gives_the_same_pieces_and_another_recording_others():
    def lengths(name="A", seed=1):
        return [len(piece.stage) for piece in crops(recording(name), between_min=(30, 120), recorder_db=0.0, seed=seed)]

    assert lengths() == lengths()
    assert lengths() != lengths(seed=2) and lengths() != lengths("B")


def test_a_piece_is_normalised_by_itself():
    whole = recording()
    loud = (whole.signal.astype(np.int32) * (1 + np.arange(N)[:, None] // 300)).clip(-32767, 32767).astype(np.int16)
    whole = Epochs(**{**vars(whole), "signal": loud})
    keys = {"crops_min": (150, 150), "recorder_db": 0.0, "seed": 0, "normalisation": "standard"}
    first, *_, last = pieces_of(whole, keys)
    spreads = [(piece.signal * piece.scale_uv).std() for piece in (first, last)]
    assert spreads[0] == pytest.approx(spreads[1], rel=0.05)


def test_without_the_keys_a_recording_is_what_it_was():
    whole = recording()
    (only,) = pieces_of(whole, {"crops_min": None, "recorder_db": 0.0, "seed": 0, "normalisation": "none"})
    assert only.signal.base is whole.signal or only.signal is whole.signal
    assert len(only.stage) == N


def test_another_recorder_changes_gain_and_spectrum_but_no_stage():
    whole = recording()
    pieces = crops(whole, between_min=(30, 60), recorder_db=6.0, seed=0)
    np.testing.assert_array_equal(np.concatenate([piece.stage for piece in pieces]), whole.stage)
    microvolts = [piece.signal * piece.scale_uv for piece in pieces]
    gains = np.array([signal.std() for signal in microvolts])
    assert gains.max() > 1.5 * gains.min()
    hz = np.fft.rfftfreq(1500, 1 / RATE)

    def shape(signal):
        power = (np.abs(np.fft.rfft(signal, axis=1)) ** 2).mean(axis=0)
        return 10 * np.log10(power[(hz >= 6) & (hz < 7)].mean() / power[(hz >= 2) & (hz < 3)].mean())

    tilts = np.array([shape(signal) for signal in microvolts])
    assert tilts.std() > 1.5 and np.isfinite(tilts).all()
    signs = {np.sign(np.corrcoef(p.signal.ravel(), whole.signal[s : s + len(p.signal)].ravel())[0, 1])
             for p, s in zip(pieces, np.cumsum([0, *(len(p.signal) for p in pieces[:-1])]), strict=True)}  # fmt: skip
    assert signs == {-1.0, 1.0}
