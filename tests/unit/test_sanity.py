"""Networks that are forgotten block by block, and maps that are compared by rank."""

from copy import deepcopy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from hypnolens.explanations.attributions import FAST_METHODS, Decisions, attribute, explain_recording
from hypnolens.explanations.maps import GRAD_CAM, LAYER_IG
from hypnolens.explanations.sanity import SHIFTS_S, blocks, measure_sanity, randomised, shifted, similarity
from hypnolens.network.model import Architecture, BasicBlock, SEResNetBiLSTM, to_microvolts
from tests.conftest import make_epochs

EPOCHS = make_epochs([0, 1, 2, 3, 4, 0, 1, 2, 3], index=[0, 1, 2, 3, 5, 6, 7, 8, 9])

ORDER = ["head", "context", "stage 4", "stage 3", "stage 2", "stage 1", "stem"]

COLUMNS = ["recording", "subject", "check", "level", "method", "similarity", "epochs"]


def _network(seed=100, **options):
    """A network of which no tensor is as when it was drawn, as after training."""
    small = {"width": 2, "lstm_layers": 1, "lstm_hidden": 3, "head_hidden": (4,), "window": 3, "feature_norm": True}
    torch.manual_seed(seed)
    model = SEResNetBiLSTM(Architecture(**{**small, **options}))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    for module in model.modules():
        if isinstance(module, BasicBlock):
            nn.init.normal_(module.norm2.weight)
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model.eval()


def _of_block(name):
    """The block to which a parameter belongs, from its name."""
    part, *rest = name.split(".")
    return {"head": "head", "lstm": "context", "feature_norm": "context", "stem": "stem"}.get(part) or (
        f"stage {int(rest[0]) + 1}"
    )


@pytest.mark.parametrize("options", [{}, {"context": "none", "feature_norm": False}])
def test_blocks_are_all_of_the_network_from_top_to_bottom(options):
    model = _network(**options)
    found = blocks(model)
    assert list(found) == ORDER
    own = [id(parameter) for parts in found.values() for part in parts for parameter in part.parameters()]
    assert len(own) == len(set(own)) and set(own) == {id(parameter) for parameter in model.parameters()}


def _changed(first, second):
    """Blocks of which a parameter differs."""
    theirs = dict(second.named_parameters())
    return {_of_block(name) for name, own in first.named_parameters() if not torch.equal(own, theirs[name])}


@pytest.mark.parametrize("options", [{}, {"dropout": 0.0, "lstm_layers": 2}])
def test_parameters_are_drawn_anew_from_the_top_down(options):
    model = _network(**options)
    before = deepcopy(model.state_dict())
    decisions = Decisions(model, EPOCHS, across_gaps=False)
    features = decisions.features.clone()
    networks = list(randomised(decisions, across_gaps=False, seed=0))
    assert [name for name, _ in networks] == ORDER
    for number, (_, other) in enumerate(networks):  # kept until now: a later step has not changed an earlier network
        assert _changed(model, other.model) == set(ORDER[: number + 1])
        assert not other.model.training and other.epochs is EPOCHS
    for (_, one), (name, following) in pairwise(networks):
        assert _changed(one.model, following.model) == {name}  # what is drawn stays as it was drawn
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(features, decisions.features) and not model.training


def test_every_tensor_of_a_block_is_drawn_and_not_one_of_them():
    model = _network()
    *_, (_, last) = randomised(Decisions(model, EPOCHS, across_gaps=False), across_gaps=False, seed=0)
    theirs = dict(last.model.named_parameters())
    assert not [name for name, own in model.named_parameters() if (own == theirs[name]).any()]
    # Not as a network begins: norms of zero would leave nothing but shortcuts.
    assert all((m.norm2.weight == 1).all() for m in last.model.modules() if isinstance(m, BasicBlock))


def test_the_seed_decides_what_is_drawn():
    decisions = Decisions(_network(dropout=0.0), EPOCHS, across_gaps=False)
    one, same, other = (
        [network.features for _, network in randomised(decisions, across_gaps=False, seed=seed)] for seed in (3, 3, 4)
    )
    assert all(map(torch.equal, one, same)) and not any(map(torch.equal, one[2:], other[2:]))


def test_statistics_of_norms_are_those_of_the_recording():
    """By hand, forward through the first two norms, of the trained and of the random network."""
    decisions = Decisions(_network(dropout=0.0), EPOCHS, across_gaps=False)
    x = to_microvolts(EPOCHS.signal, EPOCHS.scale_uv)[:, None, None]
    for _, other in randomised(decisions, across_gaps=False, seed=0):
        model = other.model
        with torch.no_grad():
            y = model.stem[0](x)
            _compare(model.stem[1], y)
            mean, variance = y.mean(dim=(0, 2, 3), keepdim=True), y.var(dim=(0, 2, 3), keepdim=True, unbiased=False)
            weight, bias = (t[:, None, None] for t in (model.stem[1].weight, model.stem[1].bias))
            y = torch.relu((y - mean) / (variance + 1e-5).sqrt() * weight + bias)
            y = nn.functional.max_pool2d(y, (1, 3), (1, 2), padding=(0, 1))
            _compare(model.stages[0][0].norm1, model.stages[0][0].conv1(y))
    assert decisions.model.stem[1].momentum == 0.1  # of the trained network nothing is set


def _compare(norm, y):
    torch.testing.assert_close(norm.running_mean, y.mean(dim=(0, 2, 3)), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(norm.running_var, y.var(dim=(0, 2, 3)), rtol=1e-3, atol=1e-4)


def test_statistics_of_a_long_recording_are_means_over_its_parts():
    """256 epochs are two chunks of one size: the mean of their means is the mean of all."""
    epochs = make_epochs(np.full(256, 2))
    decisions = Decisions(_network(dropout=0.0), epochs, across_gaps=False)
    _, first = next(iter(randomised(decisions, across_gaps=False, seed=0)))
    with torch.no_grad():
        y = first.model.stem[0](to_microvolts(epochs.signal, epochs.scale_uv)[:, None, None])
    torch.testing.assert_close(first.model.stem[1].running_mean, y.mean(dim=(0, 2, 3)), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(first.model.stem[1].running_var, y.var(dim=(0, 2, 3)), rtol=1e-3, atol=1e-3)


def test_similarity_is_spearmans():
    rng = np.random.default_rng(0)
    first = rng.random((20, 60))
    second = first + rng.uniform(0, 3, (20, 1)) * rng.random((20, 60))
    second[3] = first[3] ** 3  # the same order
    second[4] = -first[4]
    first[5:12] = rng.integers(0, 4, (7, 60))  # ties
    second[8:14] = rng.integers(0, 3, (6, 60))
    found = similarity(first, second)
    assert found.shape == (20,)
    for row in range(20):
        assert found[row] == pytest.approx(spearmanr(first[row], second[row]).statistic, abs=1e-12)
    assert (found[3], found[4]) == pytest.approx((1, -1))


def test_a_flat_map_is_like_nothing():
    rng = np.random.default_rng(0)
    first, second = rng.random((3, 300)), rng.random((3, 300))
    first[0], second[1] = 0.0, 0.7
    found = similarity(first, second)
    assert np.isnan(found[:2]).all() and np.isfinite(found[2])
    assert similarity(first[:0], second[:0]).shape == (0,)


@pytest.fixture(scope="module")
def explained():
    """A network, its decisions, and maps of two epochs of each stage at most, predicted as the expert did."""
    model = _network()
    decisions = Decisions(model, EPOCHS, across_gaps=False)
    maps = explain_recording(decisions, EPOCHS.stage.astype(np.int64), n_bins=300, sample=1, seed=0)
    return model, decisions, maps


@pytest.mark.parametrize("method", FAST_METHODS)
def test_a_shift_by_nothing_gives_the_plain_map(explained, method):
    _, decisions, _ = explained
    rows, stages = np.array([0, 3, 7]), np.array([0, 3, 2])
    plain = attribute(decisions, rows, stages, method=method)
    found = shifted(decisions, rows, stages, method=method, shift_s=0)
    np.testing.assert_allclose(found, plain, rtol=1e-4, atol=1e-5 * plain.max())


def test_a_map_is_turned_back_by_as_much_as_the_signal_was_turned(monkeypatch):
    """With an attribution that gives the signal back, nothing is left of any shift."""
    epochs = make_epochs([2, 3], rate=125.0)
    seen = {}

    def itself(decisions, rows, stages, *, method, signal):
        seen.update(signal=signal, method=method)
        return signal

    monkeypatch.setattr("hypnolens.explanations.sanity.attribute", itself)
    decisions = Decisions(_network(), epochs, across_gaps=False)
    own = epochs.signal[[1]] * np.float32(epochs.scale_uv)
    found = shifted(decisions, np.array([1]), np.array([3]), method=GRAD_CAM, shift_s=0.4)
    np.testing.assert_array_equal(found, own)
    np.testing.assert_array_equal(seen["signal"][0, 50:], own[0, :-50])  # 0.4 s later
    assert seen["method"] == GRAD_CAM


def test_a_twin_that_is_the_network_itself_is_alike_and_another_is_not(explained):
    model, decisions, maps = explained
    label_shuffled = {"same": deepcopy(model), "other": _network(seed=101)}
    table = measure_sanity(decisions, maps, label_shuffled=label_shuffled, across_gaps=False)
    assert list(table.columns) == COLUMNS
    assert set(zip(table["recording"], table["subject"], strict=True)) == {("R1", "R1")}
    levels = table.groupby("check", sort=False)["level"].unique().map(list)
    assert list(levels.index) == ["parameters", "labels", "shift"]
    # What a method does not explain at all has no row, so that a level may lack one.
    assert [level for level in ORDER if level in levels["parameters"]] == levels["parameters"]
    assert levels["labels"] == ["same", "other"] and [float(level) for level in levels["shift"]] == list(SHIFTS_S)
    assert set(table["method"]) == set(FAST_METHODS) and table["epochs"].between(1, len(maps.sample)).all()
    rows = table.set_index(["level", "method"])
    for method in FAST_METHODS:
        given = maps.of(method, maps.sample)
        assert rows.loc[("same", method), "similarity"] == pytest.approx(1, abs=1e-3)
        assert rows.loc[("same", method), "epochs"] == (np.ptp(given, axis=1) > 0).sum()
    assert rows.loc[("other", LAYER_IG), "similarity"] < 0.95
    assert (table["similarity"].abs() <= 1 + 1e-9).all()


def test_rows_are_means_over_the_sampled_epochs(explained):
    _, decisions, maps = explained
    twin = _network(seed=101)
    table = measure_sanity(decisions, maps, label_shuffled={"twin": twin}, across_gaps=False)
    theirs = attribute(Decisions(twin, EPOCHS, across_gaps=False), maps.sample, EPOCHS.stage[maps.sample])
    alike = [
        spearmanr(own, other.reshape(300, 10).mean(axis=1)).statistic
        for own, other in zip(maps.of(LAYER_IG, maps.sample), theirs, strict=True)
        if np.ptp(own) > 0 and np.ptp(other) > 0
    ]
    (row,) = table[(table["level"] == "twin") & (table["method"] == LAYER_IG)].itertuples()
    assert (row.similarity, row.epochs) == (pytest.approx(np.mean(alike), abs=1e-3), len(alike))


def test_maps_that_are_flat_have_no_row(explained):
    _, decisions, maps = explained
    flat = {**maps.maps, GRAD_CAM: np.zeros_like(maps.maps[GRAD_CAM])}
    table = measure_sanity(decisions, replace(maps, maps=flat), label_shuffled={}, across_gaps=False)
    assert set(table["method"]) == set(FAST_METHODS) - {GRAD_CAM} and set(table["check"]) == {"parameters", "shift"}


def test_a_recording_without_correct_epochs_has_a_table_without_rows(explained):
    _, decisions, maps = explained
    none = replace(maps, sample=np.array([], dtype=np.int64))
    table = measure_sanity(decisions, none, label_shuffled={}, across_gaps=False)
    assert table.empty and list(table.columns) == COLUMNS
