"""Networks that hypnolens gave away before its modules moved: they load, and say what they said then."""

import json
from pathlib import Path

import numpy as np
import pytest

from hypnolens.network.files import load_models
from hypnolens.network.inference import probabilities
from hypnolens.recordings.normalisation import normalise
from tests.conftest import ROOT, make_epochs, pink

BEFORE = ROOT / "tests" / "data" / "before-rooms"
SAID = json.loads((BEFORE / "said.json").read_text())
"""Probabilities on a made-up recording, computed by commit 429f79a."""


def _epochs():
    epochs = make_epochs([0] * 12)
    epochs.signal[:] = np.round(pink(12, seed=3).reshape(12, -1) / epochs.scale_uv)
    return epochs


@pytest.mark.parametrize("name, file", [("shipped", "shipped.safetensors"), ("release", "release.zip")])
def test_what_was_given_away_before_still_says_the_same(name, file):
    first, *others = load_models(Path(BEFORE / file), ensemble=name == "release")
    said = SAID[name]
    assert (first.card["name"], 1 + len(others)) == (said["name"], said["networks"])
    epochs = normalise(_epochs(), first.card["experiment"]["normalisation"])
    found = probabilities(first.network, epochs, across_gaps=False, precision="fp32")
    # Written with four digits; other processors sum in another order.
    np.testing.assert_allclose(found, said["probability"], atol=2e-3)


def test_cards_of_then_do_not_say_their_bands():
    assert "bands_hz" not in json.loads((BEFORE / "shipped.json").read_text())["usual"]
