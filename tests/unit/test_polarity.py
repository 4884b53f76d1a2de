"""Whether stages hang on which way round a channel is."""

import numpy as np
import torch

from hypnolens.network.model import build
from hypnolens.network.polarity import MOST_RECORDINGS, doubt, kept_when_turned
from tests.conftest import make_epochs
from tests.rules.conftest import EXPERIMENT

OPTIONS = {"across_gaps": False, "precision": "fp32"}


class Sees(torch.nn.Module):
    """W where the middle sample is above zero, or where its square is above 100; N3 elsewhere."""

    window, temperature = 1, 1.0

    def __init__(self, *, sign: bool) -> None:
        super().__init__()
        self.weight, self.sign = torch.nn.Parameter(torch.zeros(1)), sign

    def features(self, x):
        middle = x[:, 1500:1501]
        return middle if self.sign else middle**2 - 100.0

    def classify(self, windows):
        found = windows.new_full((len(windows), 5), -9.0)
        found[:, 0], found[:, 3] = windows[:, 0, 0], -windows[:, 0, 0]
        return found


def test_what_looks_at_signs_keeps_nothing_and_what_squares_keeps_all():
    night = make_epochs([0, 1, 2, 3] * 10)
    assert kept_when_turned(Sees(sign=True), [night], OPTIONS) == 0.0
    assert kept_when_turned(Sees(sign=False), [night] * (2 * MOST_RECORDINGS), OPTIONS) == 1.0


def test_the_recording_is_left_as_it_is():
    night = make_epochs([0, 1, 2, 3] * 10)
    before = night.signal.copy()
    torch.manual_seed(0)
    assert 0 <= kept_when_turned(build(EXPERIMENT, 100.0), [night], OPTIONS) <= 1
    np.testing.assert_array_equal(night.signal, before)


def test_it_is_said_where_it_matters():
    assert doubt(0.9) is None
    assert "of nights that were turned round 85.1 % of epochs kept theirs" in doubt(0.851)
