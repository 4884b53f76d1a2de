"""How sure a network may be: the temperature of known logits is found again, and applied where stages are given."""

import numpy as np
import pytest
import torch

from hypnolens.network.inference import probabilities
from hypnolens.network.model import Architecture, SEResNetBiLSTM
from hypnolens.training.temperature import fitted, temperature_of
from tests.unit.test_crops import recording


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.5])
def test_a_known_temperature_is_found(temperature):
    rng = np.random.default_rng(0)
    true = softmax(2 * rng.standard_normal((20_000, 5)))
    stage = (true.cumsum(axis=1) < rng.random((len(true), 1))).sum(axis=1).clip(0, 4)
    said = softmax(temperature * np.log(true))  # too sure where the temperature is above 1
    assert fitted(said, stage) == pytest.approx(temperature, rel=0.05)


def test_probabilities_are_those_at_the_temperature_of_the_network():
    torch.manual_seed(0)
    model = SEResNetBiLSTM(Architecture(width=2, lstm_layers=1, lstm_hidden=4, head_hidden=(), window=3)).eval()
    how = {"across_gaps": False, "precision": "fp32"}
    cold = probabilities(model, recording(), **how)
    model.temperature = 3.0
    warm = probabilities(model, recording(), **how)
    np.testing.assert_allclose(warm, softmax(np.log(cold) / 3.0), atol=1e-5)
    np.testing.assert_array_equal(warm.argmax(axis=1), cold.argmax(axis=1))
    model.temperature = 1.0
    keys = {
        **how,
        "calibration": "temperature",
        "normalisation": "none",
        "seed": 0,
        "crops_min": None,
        "recorder_db": 0.0,
    }
    assert temperature_of(model, [recording()], keys) == fitted(cold, recording().stage)
    assert temperature_of(model, [recording()], {**keys, "calibration": "none"}) == 1.0
