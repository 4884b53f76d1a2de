"""Attributions against autograd on the whole network, at the middle and at the edges of a night."""

import numpy as np
import pytest
import torch

from hypnolens.explanations.attributions import (
    FAST_METHODS,
    METHODS,
    Decisions,
    attribute,
    context,
    drawn,
    explain_recording,
    log_odds,
    to_samples,
)
from hypnolens.explanations.surrogates import phase_randomised
from hypnolens.network.inference import positions_of, probabilities
from hypnolens.network.model import Architecture, BasicBlock, SEResNetBiLSTM, cell_geometry, to_microvolts
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
    return model.eval()


EPOCHS = make_epochs([0, 1, 2, 3, 4, 0, 1, 2, 3], index=[0, 1, 2, 3, 5, 6, 7, 8, 9])
ROWS, STAGES = np.repeat([0, 4, 8], 5), np.tile(range(5), 3)


def _whole_window(model, row, stage, at, layer):
    """Activation and gradient of row ``at`` where all epochs run through the network at once, without any hook."""
    x = to_microvolts(EPOCHS.signal, EPOCHS.scale_uv)
    maps = model.feature_map(x, layer)
    features = torch.cat([model.features_of_map(maps, layer), torch.zeros(1, model.n_features)])
    positions = positions_of(model, EPOCHS, across_gaps=False)
    odds = log_odds(model.classify(features[positions[row]][None]), torch.tensor([stage]))
    (gradient,) = torch.autograd.grad(odds.sum(), maps)
    return maps[at].detach(), gradient[at]


def _expected(method, activation, gradient):
    if method == "grad-cam":
        return torch.relu(gradient.mean(dim=1) @ activation)
    return (torch.relu(gradient) * activation).sum(dim=0)


def _averaged(samples):
    """Mean over 32 samples, the step of the last stage."""
    padded = np.concatenate([np.repeat(samples[0], 16), samples, np.repeat(samples[-1], 15)])
    return np.array([padded[i : i + 32].mean() for i in range(len(samples))])


@pytest.mark.parametrize("options", [{}, {"context": "none"}, {"feature_norm": True}])
@pytest.mark.parametrize("method, layer", [("grad-cam", 4), ("layer-cam", 2)])
def test_cams_are_those_of_autograd_without_hooks(options, method, layer):
    model = _network(**options)
    found = attribute(Decisions(model, EPOCHS, across_gaps=False), ROWS, STAGES, method=method)
    for row, stage, samples in zip(ROWS, STAGES, found, strict=True):
        cells = _expected(method, *_whole_window(model, row, stage, row, layer))
        expected = _averaged(to_samples(cells[None].numpy(), 3000, cell_geometry(model, layer))[0])
        np.testing.assert_allclose(samples, expected, rtol=1e-3, atol=1e-5 * float(found.max()))
    assert all(found[row == ROWS].any() for row in (0, 4, 8))  # for some stage there is something to compare


@pytest.mark.parametrize("offset", [-2, -1, 1])
@pytest.mark.parametrize("method, layer", [("grad-cam", 4), ("layer-cam", 2)])
def test_a_neighbours_map_is_its_own(method, layer, offset):
    model = _network()
    row, stages = 6, np.arange(5)  # the window of row 6 is whole
    found = attribute(Decisions(model, EPOCHS, across_gaps=False), [row] * 5, stages, method=method, offset=offset)
    for stage, samples in zip(stages, found, strict=True):
        cells = _expected(method, *_whole_window(model, row, stage, row + offset, layer))
        expected = _averaged(to_samples(cells[None].numpy(), 3000, cell_geometry(model, layer))[0])
        np.testing.assert_allclose(samples, expected, rtol=1e-3, atol=1e-5 * float(found.max()))
    assert found.any()


@pytest.mark.parametrize("method", METHODS)
def test_where_the_window_has_no_epoch_there_is_no_map(method):
    decisions = Decisions(_network(), EPOCHS, across_gaps=False)
    for row, offset in ((0, -1), (3, 1), (8, 2)):  # before the start, in the gap, after the end
        assert not attribute(decisions, [row], [1], method=method, offset=offset).any()
    assert attribute(decisions, [3] * 5, range(5), method=method, offset=-1).any()
    with pytest.raises(ValueError, match="a window of 5 epochs has none at offset 3"):
        attribute(decisions, [3], [1], method=method, offset=3)


def test_layer_integrated_gradients_are_a_path_integral():
    model = _network()
    decisions, row, stage = Decisions(model, EPOCHS, across_gaps=False, steps=64), 4, 2
    found = attribute(decisions, [row], [stage])[0]
    rows, stages = torch.tensor([row]), torch.tensor([stage])
    maps = model.feature_map(to_microvolts(EPOCHS.signal, EPOCHS.scale_uv), 3).detach()
    base, own = maps.mean(dim=(0, 2))[:, None], maps[row]
    total = torch.zeros_like(own)
    for step in (np.arange(400) + 0.5) / 400:
        point = (base + step * (own - base))[None].requires_grad_()
        odds = decisions.log_odds(model.features_of_map(point, 3), rows, stages)
        total += torch.autograd.grad(odds.sum(), point)[0][0] / 400
    parts = ((own - base) * total).sum(dim=0)
    # Complete: the parts add up to what the log-odds gain on the way.
    with torch.no_grad():
        ends = [
            decisions.log_odds(model.features_of_map(point.expand_as(own)[None], 3), rows, stages)
            for point in (base, own)
        ]
    assert float(parts.sum()) == pytest.approx(float(ends[1] - ends[0]), abs=1e-3 * float(parts.abs().sum()))
    expected = _averaged(to_samples(torch.relu(parts)[None].numpy(), 3000, cell_geometry(model, 3))[0])
    np.testing.assert_allclose(found, expected, atol=0.02 * float(expected.max()))


def test_occlusion_is_the_fall_when_a_second_is_filled():
    model = _network()
    decisions, row, stage = Decisions(model, EPOCHS, across_gaps=False), 4, 2
    found = attribute(decisions, [row], [stage], method="occlusion")[0]
    x = EPOCHS.signal[[row]] * np.float32(EPOCHS.scale_uv)
    fill = phase_randomised(x, seed=0)

    def odds(signal):
        with torch.no_grad():
            features = model.features(torch.from_numpy(signal))
            return float(decisions.log_odds(features, torch.tensor([row]), torch.tensor([stage])))

    falls, counts = np.zeros(3000), np.zeros(3000)
    for begin in range(0, 2901, 20):
        changed = x.copy()
        changed[:, begin : begin + 100] = fill[:, begin : begin + 100]
        falls[begin : begin + 100] += odds(x) - odds(changed)
        counts[begin : begin + 100] += 1
    expected = np.maximum(falls / counts, 0)
    np.testing.assert_allclose(found, expected, atol=1e-3 * expected.max() + 1e-5)
    assert found.any()


def test_log_odds_are_those_of_the_probability():
    logits = torch.randn(20, 5, generator=torch.Generator().manual_seed(0)) * 3
    stages = torch.arange(20) % 5
    p = logits.softmax(dim=1).gather(1, stages[:, None])[:, 0]
    torch.testing.assert_close(log_odds(logits, stages), torch.log(p / (1 - p)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(log_odds(logits + 7, stages), log_odds(logits, stages), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_logits_that_rise_together_change_no_map(method):
    """Softmax does not see a number that is added to all logits, whatever it depends on; nor may a map."""
    model, other = _network(head_hidden=()), _network(head_hidden=())
    with torch.no_grad():
        other.head[-1].weight += torch.randn(1, other.head[-1].weight.shape[1])
    maps = [attribute(Decisions(m, EPOCHS, across_gaps=False), [4, 5], [1, 3], method=method) for m in (model, other)]
    np.testing.assert_allclose(*maps, atol=1e-3 * maps[0].max() + 1e-6)


def test_the_parts_of_a_window_add_up_to_what_its_epochs_change():
    model = _network()
    decisions, rows = Decisions(model, EPOCHS, across_gaps=False), np.arange(9)
    parts = context(decisions, rows, np.full(9, 3))
    positions = positions_of(model, EPOCHS, across_gaps=False).numpy()
    assert parts.shape == (9, 5) and not parts[positions < 0].any() and parts[positions >= 0].all()
    mean = decisions.features.mean(dim=0)
    for row in rows:
        there = torch.from_numpy(positions[row] >= 0)[:, None]
        blank = torch.where(there, mean, 0.0)[None]
        own = torch.where(there, decisions.features[positions[row]], 0.0)[None]
        with torch.no_grad():
            gain = log_odds(model.classify(own), torch.tensor([3])) - log_odds(model.classify(blank), torch.tensor([3]))
        assert float(parts[row].sum()) == pytest.approx(float(gain), abs=1e-3)
    alone = Decisions(_network(context="none"), EPOCHS, across_gaps=False)
    assert not context(alone, rows, np.full(9, 3))[:, [0, 1, 3, 4]].any()


def test_a_recording_is_explained_whole_by_the_fast_methods_and_in_part_by_all():
    epochs = make_epochs([0, 0, 0, 1, 1, 1, 2, 2, 2, 3], name="R7")
    predicted = np.array([0, 0, 0, 1, 2, 1, 2, 2, 2, 0])
    found = explain_recording(Decisions(_network(), epochs, across_gaps=False), predicted, n_bins=300, sample=2, seed=0)
    assert found.recording == "R7" and found.context.shape == (10, 5)
    right = np.flatnonzero(epochs.stage == predicted)
    assert set(found.sample) <= set(right) and np.bincount(epochs.stage[found.sample]).tolist() == [2, 2, 2]
    for method in METHODS:
        assert found.rows[method].tolist() == (list(range(10)) if method in FAST_METHODS else found.sample.tolist())
        assert found.maps[method].shape == (len(found.rows[method]), 300)
    # Bins are means of ten samples each, of the stage that was predicted.
    own = attribute(Decisions(_network(), epochs, across_gaps=False), [4], [2], method="grad-cam")
    np.testing.assert_allclose(found.of("grad-cam", np.array([4])), own.reshape(1, 300, 10).mean(axis=2), rtol=1e-2)


def test_of_a_large_fold_some_recordings_are_drawn_whatever_their_order():
    names = [f"R{number:03d}" for number in range(100)]
    found = drawn(names, most=40, seed=0)
    assert len(found) == 40 and found == drawn(names[::-1], most=40, seed=0) != drawn(names, most=40, seed=1)
    assert drawn(names[:3], most=40, seed=0) == set(names[:3])


def test_cells_are_put_at_their_centres_and_not_stretched():
    cells = np.zeros((1, 94), dtype=np.float32)
    cells[0, 40] = 1
    samples = to_samples(cells, 3000, (0.0, 32, 1291))
    assert samples.shape == (1, 3000) and samples[0].argmax() == 40 * 32
    assert samples[0, 40 * 32 + 16] == pytest.approx(0.5) and (samples[0, : 39 * 32] == 0).all()
    ends = to_samples(np.arange(94, dtype=np.float32)[None], 3000, (0.0, 32, 1291))[0]
    assert ends[0] == 0 and (ends[93 * 32 :] == 93).all()


@pytest.mark.parametrize("stage, step, field", [(1, 4, 119), (2, 8, 279), (3, 16, 615), (4, 32, 1287)])
def test_the_geometry_of_each_stage(stage, step, field):
    """Step and receptive field by hand: what one cell depends on, found by moving one sample."""
    model = _network(se=False)
    first, found_step, found_field = cell_geometry(model, stage)
    assert found_step == step
    x = torch.randn(1, 3000, requires_grad=True)
    maps = model.feature_map(x, stage)
    middle = maps.shape[2] // 2
    (gradient,) = torch.autograd.grad(maps[0, :, middle].sum(), x)
    touched = np.flatnonzero(gradient[0].numpy())
    assert (touched[0] + touched[-1]) / 2 == pytest.approx(first + step * middle, abs=step)
    assert 0.8 * found_field <= touched[-1] - touched[0] + 1 <= found_field


@pytest.mark.parametrize("method", METHODS)
def test_maps_are_taken_in_evaluation_mode_and_change_nothing(method):
    model = _network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    first = attribute(Decisions(model.train(), EPOCHS, across_gaps=False), [1, 2], [0, 1], method=method)
    again = attribute(Decisions(model.train(), EPOCHS, across_gaps=False), [1, 2], [0, 1], method=method)
    np.testing.assert_array_equal(first, again)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert first.shape == (2, 3000) and (first >= 0).all() and first.dtype == np.float32
    assert attribute(Decisions(model, EPOCHS, across_gaps=False), [], [], method=method).shape == (0, 3000)


def test_another_signal_can_be_explained_in_place_of_the_recordings():
    decisions = Decisions(_network(), EPOCHS, across_gaps=False)
    own = EPOCHS.signal[[4]] * np.float32(EPOCHS.scale_uv)
    np.testing.assert_allclose(attribute(decisions, [4], [2], signal=own), attribute(decisions, [4], [2]), rtol=1e-5)
    given = attribute(decisions, [4], [2], signal=own[:, ::-1].copy())
    assert not np.allclose(given, attribute(decisions, [4], [2]), rtol=1e-2)


def test_the_logits_of_a_recordings_own_features_are_those_of_scoring():
    model = _network()
    decisions, rows = Decisions(model, EPOCHS, across_gaps=False), torch.arange(9)
    with torch.no_grad():
        given = decisions.logits(decisions.features, rows).softmax(dim=1).numpy()
    np.testing.assert_allclose(given, probabilities(model, EPOCHS, across_gaps=False, precision="fp32"), atol=1e-6)
