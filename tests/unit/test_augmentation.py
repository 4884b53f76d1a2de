"""Random changes of training epochs: what each does, that they stay in training, and that a run can be repeated."""

import numpy as np
import pytest
import torch

from hypnolens.network.model import Architecture, SEResNetBiLSTM
from hypnolens.training.augmentation import Augmentation, augment
from hypnolens.training.engine import Engine, TrainingOptions
from hypnolens.training.store import Store
from tests.conftest import make_epochs

X = torch.from_numpy(np.random.default_rng(0).normal(0, 30, (400, 600)).astype(np.float32))  # 20 Hz


def _augmented(**options):
    torch.manual_seed(0)
    return augment(X, Augmentation(**options))


def test_nothing_is_changed_by_default():
    assert torch.equal(_augmented(), X)


def test_a_gain_is_one_an_epoch_and_within_its_range():
    gains = _augmented(amplitude_scaling=0.5) / X
    assert torch.allclose(gains.min(dim=1).values, gains.max(dim=1).values, rtol=1e-4)
    first = gains[:, 0].log()
    assert first.abs().max() <= np.log(1.5) + 1e-5 and first.abs().max() > 0.9 * np.log(1.5)
    assert abs(float(first.mean())) < 0.05


def test_a_shift_moves_an_epoch_round_by_at_most_so_many_seconds():
    shifted = _augmented(time_shift_s=2.0)
    spectrum = torch.fft.rfft(shifted).conj() * torch.fft.rfft(X)
    shifts = torch.fft.irfft(spectrum, n=600).argmax(dim=1)
    shifts = torch.where(shifts > 300, shifts - 600, shifts)
    assert 35 <= shifts.abs().max() <= 40 and shifts.min() < 0 < shifts.max()
    assert torch.equal(shifted.sort(dim=1).values, X.sort(dim=1).values)


def test_noise_is_a_share_of_each_epochs_rms():
    loud = X * torch.linspace(1, 10, 400)[:, None]
    torch.manual_seed(0)
    added = augment(loud, Augmentation(noise=0.2)) - loud
    ratio = added.square().mean(dim=1).sqrt() / loud.square().mean(dim=1).sqrt()
    assert ratio.numpy() == pytest.approx(np.full(400, 0.2), rel=0.2)


def test_a_mask_is_one_piece_of_at_most_so_many_seconds():
    empty = _augmented(masking_s=6.0) == 0
    lengths = empty.sum(dim=1)
    assert 110 < lengths.max() <= 121
    edges = (empty[:, 1:] != empty[:, :-1]).sum(dim=1)
    assert edges.max() <= 2  # one piece


def test_a_share_of_epochs_is_turned_round():
    signs = (_augmented(polarity=0.3) / X).round()
    assert torch.equal(signs, signs[:, :1].expand_as(signs)) and set(signs[:, 0].tolist()) == {-1.0, 1.0}
    assert float((signs[:, 0] < 0).float().mean()) == pytest.approx(0.3, abs=0.08)


def test_scoring_sees_epochs_as_they_are():
    model = SEResNetBiLSTM(Architecture(width=1, lstm_layers=1, lstm_hidden=4, head_hidden=(), window=1))
    options = TrainingOptions(batch_windows=8, noise=1.0, torch_threads=1)
    store = Store([make_epochs([0, 1, 2, 3], rate=20)], torch.device("cpu"))
    engine = Engine(model, torch.optim.Adam(model.parameters()), store, torch.ones(5), options)
    rows = np.arange(4)
    model.eval()
    assert torch.equal(engine._epochs(rows), store.take(rows))
    model.train()
    assert not torch.equal(engine._epochs(rows), store.take(rows))
