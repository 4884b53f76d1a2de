"""The network: size, shapes, and where the cells of its map lie."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from hypnolens.network.model import Architecture, BasicBlock, SEResNetBiLSTM, build, cell_geometry, fused, n_parameters

SMALL = {"width": 2, "lstm_layers": 1, "lstm_hidden": 3, "head_hidden": (4,), "window": 5}


def _by_hand(width=64, se=True, hidden=100, layers=3, head=(2000, 200), feature_norm=False):
    """Parameters counted from the paper's description."""
    widths = [width, width, 2 * width, 4 * width, 8 * width]
    count = 15 * width + 2 * width + (2 * 8 * width if feature_norm else 0)
    for before, after in pairwise(widths):
        for c_in in (before, after):
            count += 7 * c_in * after + 7 * after * after + 4 * after
            count += 2 * after * max(1, after // 16) if se else 0
            count += c_in * after + 2 * after if c_in != after else 0
    sizes = 8 * width
    for _ in range(layers):
        count += 2 * 4 * hidden * (sizes + hidden + 2)
        sizes = 2 * hidden
    for units in (*head, 5):
        count += (sizes + 1) * units
        sizes = units
    return count


def test_the_papers_network_has_10_59_million_parameters():
    model = SEResNetBiLSTM(Architecture())
    assert n_parameters(model) == _by_hand() and round(n_parameters(model) / 1e6, 2) == 10.59


@pytest.mark.parametrize(
    "options, by_hand",
    [({"se": False}, {"se": False}), ({"lstm_layers": 1}, {"layers": 1}), ({"width": 8}, {"width": 8}),
     ({"context": "none"}, {"layers": 0}), ({"feature_norm": True}, {"feature_norm": True}),
     ({"head_hidden": ()}, {"head": ()})],
)  # fmt: skip
def test_options_change_the_parts_that_they_name(options, by_hand):
    assert n_parameters(SEResNetBiLSTM(Architecture(**options))) == _by_hand(**by_hand)


def test_every_parameter_is_used():
    torch.manual_seed(0)
    for options in ({}, {"context": "none"}, {"se": False}, {"feature_norm": True}):
        # Wide enough that not all units behind a ReLU are silent by chance.
        model = SEResNetBiLSTM(Architecture(**{**SMALL, "width": 32, **options}))
        for block in model.modules():
            if isinstance(block, BasicBlock):
                torch.nn.init.ones_(block.norm2.weight)  # at zero it hides what is before it
        model(torch.randn(7, 3000), torch.arange(5)[None] + torch.arange(3)[:, None]).sum().backward()
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize("rate, cells", [(50, 47), (100, 94), (125, 118), (128, 120)])
def test_any_sampling_rate(rate, cells):
    model = SEResNetBiLSTM(Architecture(**SMALL)).eval()
    x = torch.randn(5, 30 * rate)
    assert model.feature_map(x).shape == (5, 16, cells)
    assert model(x, torch.arange(5)[None]).shape == (1, 5)


def test_the_middle_of_the_window_is_staged():
    """Without context, the logits of a window are those of its middle epoch, whatever stands around it."""
    model = SEResNetBiLSTM(Architecture(**{**SMALL, "context": "none"})).eval()
    x = torch.randn(9, 3000)
    in_window = model(x, torch.tensor([[0, 1, 2, 3, 4], [8, 7, 2, -1, -1]]))
    torch.testing.assert_close(in_window, model.classify(model.features(x[[2, 2]])[:, None]))


def test_places_without_an_epoch_have_zero_features():
    model = SEResNetBiLSTM(Architecture(**SMALL)).eval()
    x = torch.randn(3, 3000)
    features = model.features(x)
    window = torch.stack([torch.zeros(16), torch.zeros(16), features[0], features[1], features[2]])[None]
    torch.testing.assert_close(model(x, torch.tensor([[-1, -1, 0, 1, 2]])), model.classify(window))


def test_shared_features_give_what_the_published_way_gives():
    """The CNN once for each place of each window, as published, against once an epoch."""
    model = SEResNetBiLSTM(Architecture(**SMALL)).eval()
    x = torch.randn(12, 3000)
    positions = torch.arange(8)[:, None] + torch.arange(5)
    published = torch.stack([model.features(x[positions[:, place]]) for place in range(5)], dim=1)
    torch.testing.assert_close(model(x, positions), model.classify(published), atol=1e-5, rtol=1e-5)


def test_blocks_begin_as_their_shortcut_and_a_head_may_be_linear():
    model = SEResNetBiLSTM(Architecture(**SMALL))
    assert all((m.norm2.weight == 0).all() for m in model.modules() if isinstance(m, BasicBlock))
    relu = [sum(isinstance(m, torch.nn.ReLU) for m in SEResNetBiLSTM(Architecture(**SMALL, head=head)).head)
            for head in ("linear", "non-linear")]  # fmt: skip
    assert relu == [0, 1]


def test_cells_lie_where_a_pulse_shows_that_they_do():
    """Centre and width of receptive fields from the gradient of single cells to the samples."""
    model = SEResNetBiLSTM(Architecture(width=1, se=False)).double().eval()
    for module in model.modules():  # all-positive weights: no path to a sample cancels or is cut by a ReLU
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.constant_(module.weight, 0.1)
        elif isinstance(module, BasicBlock):
            torch.nn.init.ones_(module.norm2.weight)
    for module in model.modules():
        if isinstance(module, torch.nn.MaxPool2d):  # the maximum passes one sample only; its mean passes all
            model.stem[3] = torch.nn.AvgPool2d(module.kernel_size, module.stride, module.padding)
    first, step, field = 0.0, 32, 1291
    x = torch.ones(1, 3000, dtype=torch.float64, requires_grad=True)
    feature_map = model.feature_map(x)
    for cell in (30, 47, 60):
        (gradient,) = torch.autograd.grad(feature_map[0, :, cell].sum(), x, retain_graph=True)
        reached = np.flatnonzero(gradient[0].numpy())
        assert reached[-1] - reached[0] + 1 == field
        assert (reached[-1] + reached[0]) / 2 == first + step * cell
    assert cell_geometry(SEResNetBiLSTM(Architecture(width=1, se=False))) == (first, step, field)


def test_one_epoch_alone_can_be_trained_on_with_a_norm_of_features():
    model = SEResNetBiLSTM(Architecture(**SMALL, feature_norm=True)).train()
    model(torch.randn(1, 3000), torch.tensor([[-1, -1, 0, -1, -1]])).sum().backward()
    x = torch.randn(6, 16)
    expected = (x - x.mean(dim=0)) / (x.var(dim=0, unbiased=False) + 1e-5).sqrt()
    torch.testing.assert_close(model.feature_norm(x), expected)


def test_no_convolution_of_one_tap_has_a_stride():
    """Of such ones with few channels in, oneDNN writes past its memory in the backward pass with two threads."""
    for module in SEResNetBiLSTM(Architecture(width=8)).modules():
        if isinstance(module, torch.nn.Conv2d):
            assert module.kernel_size[1] > 1 or module.stride == (1, 1)


@pytest.mark.parametrize("width", [1, 4, 8, 16])
def test_gradients_are_right_with_two_threads(width):
    """Against float64, which has another implementation."""
    torch.manual_seed(0)
    block = SEResNetBiLSTM(Architecture(width=width, dropout=0.0)).stages[1].eval()
    reference = copy.deepcopy(block).double()
    x = torch.randn(48, width, 1, 750).contiguous(memory_format=torch.channels_last)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        for one, given in ((block, x), (reference, x.double())):
            (one(given) ** 2).sum().backward()
    finally:
        torch.set_num_threads(threads)
    for own, expected in zip(block.parameters(), reference.parameters(), strict=True):
        assert (own.grad.double() - expected.grad).norm() <= 1e-4 * expected.grad.norm()


@pytest.mark.parametrize("feature_norm", [False, True])
def test_norms_within_convolutions_give_the_same(feature_norm):
    torch.manual_seed(0)
    network = build({"width": 4, "feature_norm": feature_norm}, 100.0).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):  # as if it had been trained
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fast, x = fused(network), 20 * torch.randn(5, 3000)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    torch.testing.assert_close(fast.features(x), network.features(x), rtol=1e-4, atol=1e-5)
    assert fused(fast) is fast
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
