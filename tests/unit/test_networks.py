"""Published networks in hypnolens's harness: same answers as by themselves, trained by the same engine."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hypnolens.errors import HypnolensError
from hypnolens.network.inference import probabilities
from hypnolens.training.engine import TrainingOptions
from hypnolens.training.fold import train
from tests.conftest import make_epochs

pytest.importorskip("braindecode")

from hypnolens.baselines.networks import build
from hypnolens.pipeline.configuration import NETWORKS

EPOCHS = make_epochs([0, 1, 2, 3, 4, 2, 2], index=[0, 1, 2, 3, 5, 6, 7])


def _microvolts(epochs):
    return torch.from_numpy(epochs.signal.astype(np.float32) * np.float32(epochs.scale_uv))


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "usleep"])
def test_a_network_of_one_epoch_answers_as_by_itself(name):
    model = build({"model": name}, 100.0).eval()
    with torch.no_grad():
        alone = model.network(_microvolts(EPOCHS)[:, None]).softmax(dim=1).numpy()
    given = probabilities(model, EPOCHS, across_gaps=False, precision="fp32")
    assert given == pytest.approx(alone, abs=1e-6)


def test_usleep_reads_a_window_and_gives_its_middle():
    model = build({"model": "usleep", "window": 3}, 100.0).eval()
    x = _microvolts(EPOCHS)
    zero = torch.zeros_like(x[0])
    windows = torch.stack([torch.stack(w) for w in ([zero, x[0], x[1]], [x[2], x[3], zero], [zero, x[4], x[5]])])
    with torch.no_grad():
        alone = model.network(windows[:, :, None])[:, :, 1].softmax(dim=1).numpy()
    given = probabilities(model, EPOCHS, across_gaps=False, precision="fp32")
    assert given[[0, 3, 4]] == pytest.approx(alone, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_each_learns_by_the_same_engine(name, tmp_path):
    # Two stages that differ in loudness alone: a few passes lower the loss.
    stages = np.tile([0, 4], 16)
    training = replace(make_epochs(stages, name="a"), scale_uv=0.001)
    options = TrainingOptions(passes=4, patience=None, batch_windows=8, stretch=1, learning_rate=1e-3, torch_threads=1)
    model, history = train(
        [training], [training], build=lambda: build({"model": name, "window": 3}, 100.0), options=options, fold=0,
        checkpoint=tmp_path / "c.pt", key="k", name="t",
    )  # fmt: skip
    assert history[-1]["train_loss"] < history[0]["train_loss"] and model.window == (3 if name == "usleep" else 1)


@pytest.mark.parametrize("name", ["deepsleepnet", "attnsleep"])
def test_a_rate_that_a_network_cannot_read_is_refused_in_one_line(name):
    with pytest.raises(HypnolensError, match=rf"{name}: cannot be built for 125 Hz .*; set sampling_rate_hz: 100"):
        build({"model": name}, 125.0)


def test_building_says_nothing(capfd, recwarn):
    for name in NETWORKS:
        build({"model": name, "window": 3}, 100.0)
    assert not recwarn.list and capfd.readouterr() == ("", "")
