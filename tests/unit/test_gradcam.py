"""Grad-CAM against autograd on the whole network, at the middle and at the edges of a night."""

import numpy as np
import pytest
import torch

from hypnolens.gradcam import cell_attributions, grad_cam, to_samples
from hypnolens.inference import positions_of
from hypnolens.model import Architecture, BasicBlock, SEResNetBiLSTM, to_microvolts
from tests.conftest import make_epochs


def _network(**options):
    torch.manual_seed(0)
    model = SEResNetBiLSTM(
        Architecture(**{"width": 4, "lstm_layers": 2, "lstm_hidden": 5, "head_hidden": (6,), "window": 5, **options})
    )
    for module in model.modules():  # as after training: blocks do something, norms have seen data
        if isinstance(module, BasicBlock):
            torch.nn.init.normal_(module.norm2.weight)
        elif isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model


EPOCHS = make_epochs([0, 1, 2, 3, 4, 0, 1, 2, 3], index=[0, 1, 2, 3, 5, 6, 7, 8, 9])


@pytest.mark.parametrize("options", [{}, {"context": "none"}, {"feature_norm": True}])
def test_attribution_is_that_of_autograd_without_hooks(options):
    model = _network(**options)
    rows, stages = np.repeat([0, 4, 8], 5), np.tile(range(5), 3)
    found = cell_attributions(model, EPOCHS, rows, stages, across_gaps=False)
    positions = positions_of(model, EPOCHS, across_gaps=False)
    x = to_microvolts(EPOCHS.signal, EPOCHS.scale_uv)
    for row, stage, cells in zip(rows, stages, found, strict=True):
        feature_map = model.eval().feature_map(x)  # of all epochs, the neighbours among them
        features = torch.cat([model.pool(feature_map), torch.zeros(1, feature_map.shape[1])])
        logit = model.classify(features[positions[row]][None])[0, stage]
        (gradient,) = torch.autograd.grad(logit, feature_map)
        weight = gradient[row].mean(dim=1)
        expected = torch.relu(weight @ feature_map[row]).detach()
        np.testing.assert_allclose(cells, expected, rtol=1e-3, atol=1e-5 * float(found.max()))
    assert all(found[rows == row].any() for row in (0, 4, 8))  # for some stage there is something to compare


def test_the_map_is_of_the_staged_epoch_and_not_of_its_neighbours():
    """A neighbour's signal may change the size of a map through the logit, but not move it."""
    model = _network(head_hidden=())
    changed = make_epochs(EPOCHS.stage, index=EPOCHS.epoch_index, seed=1)
    changed.signal[4] = EPOCHS.signal[4]
    maps = [cell_attributions(model, e, np.array([4]), np.array([2]), across_gaps=False)[0] for e in (EPOCHS, changed)]
    with torch.no_grad():
        own = [model.feature_map(to_microvolts(e.signal[[4]], e.scale_uv)) for e in (EPOCHS, changed)]
    torch.testing.assert_close(*own)
    assert not np.array_equal(*maps)
    # The same epoch staged among other neighbours: both maps are combinations of the same channels.
    channels = own[0][0].numpy()
    for cells in maps:
        positive = cells > 0
        residual = np.linalg.lstsq(channels[:, positive].T, cells[positive], rcond=None)[1]
        assert residual.size == 0 or residual[0] < 1e-6 * (cells**2).sum()


def test_cells_are_put_at_their_centres_and_not_stretched():
    cells = np.zeros((1, 94), dtype=np.float32)
    cells[0, 40] = 1
    samples = to_samples(cells, 3000, (0.0, 32, 1291))
    assert samples.shape == (1, 3000) and samples[0].argmax() == 40 * 32
    assert samples[0, 40 * 32 + 16] == pytest.approx(0.5) and (samples[0, : 39 * 32] == 0).all()
    ends = to_samples(np.arange(94, dtype=np.float32)[None], 3000, (0.0, 32, 1291))[0]
    assert ends[0] == 0 and (ends[93 * 32 :] == 93).all()


def test_maps_are_taken_in_evaluation_mode():
    model = _network().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first = grad_cam(model, EPOCHS, [1, 2], np.array([0, 1]), across_gaps=False)
    np.testing.assert_array_equal(first, grad_cam(model.train(), EPOCHS, [1, 2], np.array([0, 1]), across_gaps=False))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert first.shape == (2, 3000) and (first >= 0).all()
