"""Descriptions of networks, against counts by hand and torch's own, and the pictures that are drawn of them."""

import json
from itertools import combinations, pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch.utils.flop_counter import FlopCounterMode

from hypnolens.network.architecture import describe_network
from hypnolens.network.model import Architecture, SEResNetBiLSTM, cell_geometry, n_parameters
from hypnolens.plots import architecture, f1_bars
from hypnolens.plots.style import FULL_WIDTH
from hypnolens.stages import STAGES

SMALL = {"width": 2, "lstm_layers": 1, "lstm_hidden": 3, "head_hidden": (4,), "window": 5}

VARIANTS = {
    "default": {},
    "no squeeze": {"se": False},
    "no context": {"context": "none"},
    "linear": {"head_hidden": ()},
    "six layers": {"lstm_layers": 6, "head": "non-linear"},
    "small": {"width": 8, "feature_norm": True, "lstm_layers": 1, "lstm_hidden": 32, "head_hidden": (32,), "window": 5},
    "bare": {"se": False, "context": "none", "head_hidden": (), "dropout": 0.0, "window": 1},
    "large": {"width": 128, "window": 21, "head_hidden": (2000, 400, 200, 50), "feature_norm": True},
    "three epochs": {"window": 3, "lstm_layers": 2},
}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def _network(**options):
    return SEResNetBiLSTM(Architecture(**options))


def _described(rate=100.0, **options):
    return describe_network(_network(**options), rate)


# Numbers.


def test_the_papers_network_has_the_numbers_that_are_known_of_it():
    found = _described()
    totals = found["totals"]
    assert totals["parameters"] == n_parameters(_network()) and round(totals["parameters"] / 1e6, 1) == 10.6
    assert round(totals["macs_epoch"] / 1e9, 3) == 1.165
    assert found["cell"] == pytest.approx({"first_s": 0.0, "step_s": 0.32, "field_s": 12.91})
    assert [block["output"] for block in found["blocks"]] == [
        [64, 1500], [64, 750], [64, 750], [64, 750], [128, 375], [128, 375], [256, 188], [256, 188], [512, 94],
        [512, 94], [512, 1],
    ]  # fmt: skip
    assert found["head"]["sizes"] == [200, 2000, 200, 5] and found["features"] == 512
    assert json.loads(json.dumps(found)) == found


def test_a_tiny_network_counted_by_hand():
    """Width 2: stages of 2, 2, 4, 8, 16 channels; every reduction of 16 leaves one unit."""
    found = _described(**SMALL)
    by_hand = [15 * 2 + 4, 0]
    # Two convolutions, two norms, and the two matrices of squeeze-and-excitation with one unit between them.
    by_hand += [7 * 2 * 2 * 2 + 8 + 4] * 2
    for channels in (4, 8, 16):
        half = channels // 2
        after = 7 * channels * channels + 4 * channels + 2 * channels
        by_hand += [7 * half * channels + after + half * channels + 2 * channels, 7 * channels * channels + after]
    assert [block["parameters"] for block in found["blocks"]] == [*by_hand, 0]
    assert found["bilstm"]["parameters"] == 2 * (4 * 3 * 16 + 4 * 3 * 3 + 8 * 3)
    assert found["head"]["parameters"] == 6 * 4 + 4 + 4 * 5 + 5
    # 1,500, 750, 750, 375, 188 and 94 cells.
    macs = [1500 * 15 * 2, 0] + [750 * 7 * 2 * 2 * 2 + 4] * 2
    for channels, cells in ((4, 375), (8, 188), (16, 94)):
        half, whole = channels // 2, 7 * channels * channels * cells
        macs += [7 * half * channels * cells + whole + half * channels * cells + 2 * channels, 2 * whole + 2 * channels]
    assert [block["macs"] for block in found["blocks"]] == [*macs, 0]
    assert found["bilstm"]["macs"] == 5 * 2 * 4 * 3 * (16 + 3)
    assert found["head"]["macs"] == 6 * 4 + 4 * 5
    totals = found["totals"]
    assert totals["macs_stage"] == sum(macs) + 5 * 24 * 19 + 44
    assert totals["macs_stage_separate"] == 5 * sum(macs) + 5 * 24 * 19 + 44


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_parameters_add_up(options):
    model = _network(**options)
    found = describe_network(model, 100.0)
    parts = [*found["blocks"], found["head"], *([found["bilstm"]] if found["bilstm"] else [])]
    assert sum(part["parameters"] for part in parts) == found["totals"]["parameters"] == n_parameters(model)
    for block in found["blocks"]:
        assert sum(layer["parameters"] for layer in block["layers"]) == block["parameters"]
    for name in ("parameters", "macs"):
        in_parts = sum(part[name] for part in found["parts"])
        assert in_parts == sum(block[name] for block in found["blocks"] if block["part"] != "features")


@pytest.mark.parametrize("rate", [100, 125])
@pytest.mark.parametrize("options", [{}, {"se": False}, {"width": 8, "feature_norm": True}])
def test_multiply_accumulates_are_half_of_torchs_operations(options, rate):
    model = _network(**options).eval()
    found = describe_network(model, rate)
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        features = model.features(torch.randn(1, 30 * rate))
    assert found["totals"]["macs_epoch"] == counted.get_total_flops() / 2
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        model.head(torch.randn(1, 200))
    assert found["head"]["macs"] == counted.get_total_flops() / 2
    assert features.shape[1] == found["features"]


def test_a_cell_of_the_bilstm_is_four_products_in_each_direction():
    """Against torch's count for single cells, as it does not see into the fused layers."""
    found = _described(width=1, lstm_layers=2, lstm_hidden=7, window=3)["bilstm"]
    counted = 0.0
    for inputs in (8, 14):
        cell = torch.nn.LSTMCell(inputs, 7)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            cell(torch.randn(1, inputs))
        counted += 2 * 3 * counter.get_total_flops() / 2
    assert found["macs"] == counted and (found["inputs"], found["outputs"]) == (8, 14)


@pytest.mark.parametrize("rate", [100.0, 125.0, 128.0])
def test_shapes_are_those_of_the_maps_and_places_those_of_the_cells(rate):
    model = _network(**SMALL)
    found = describe_network(model, rate)
    x = torch.randn(1, round(30 * rate))
    assert found["samples"] == x.shape[1]
    for number, part in enumerate(found["parts"]):
        assert part["output"] == list(model.eval().feature_map(x, number).shape[1:])
        assert part["name"] == (f"stage {number}" if number else "stem")
        placed = np.array([part["first_s"], part["step_s"], part["field_s"]]) * rate
        np.testing.assert_allclose(placed, cell_geometry(model, number))
        assert part["output"] == [b for b in found["blocks"] if b["part"] == part["name"]][-1]["output"]
    assert np.prod([part["stride"] for part in found["parts"]]) == cell_geometry(model)[1]


def test_a_network_is_left_as_it_is():
    model = _network(**SMALL, feature_norm=True).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    describe_network(model, 100.0)
    assert model.training and all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules()) and torch.equal(state, torch.get_rng_state())


# Options.


def test_options_are_followed():
    default = _described()
    assert all(block["se"] for block in default["blocks"] if block["kind"] == "residual block")
    assert [part["squeezed"] for part in default["parts"]] == [None, 4, 8, 16, 32]
    shortcuts = [block["shortcut"] for block in default["blocks"] if block["kind"] == "residual block"]
    assert shortcuts == ["identity", "identity"] + ["convolution", "identity"] * 3
    assert default["bilstm"]["layers"] == 3 and default["bilstm"]["hidden"] == 100
    assert default["bilstm"]["directions"] == 2 and default["window"] == 9
    assert {layer["activation"] for layer in default["head"]["layers"]} == {None}

    plain = _described(se=False)
    assert not any(block["se"] or block["squeezed"] for block in plain["blocks"])
    assert plain["totals"]["parameters"] < default["totals"]["parameters"]

    alone = _described(context="none")
    assert alone["bilstm"] is None and alone["head"]["sizes"] == [512, 2000, 200, 5]
    assert alone["totals"]["macs_stage_separate"] == alone["totals"]["macs_stage"]

    assert _described(head_hidden=[])["head"]["sizes"] == [200, 5]
    activations = [layer["activation"] for layer in _described(head="non-linear")["head"]["layers"]]
    assert activations == ["ReLU", "ReLU", None]
    assert [part["channels"] for part in _described(width=8)["parts"]] == [8, 8, 16, 32, 64]
    assert _described(lstm_layers=6)["bilstm"]["layers"] == 6
    normed = _described(feature_norm=True)["blocks"][-1]
    assert (normed["name"], normed["kind"], normed["parameters"]) == ("feature norm", "batch norm", 1024)
    assert _described(dropout=0.5)["blocks"][2]["dropout"] == 0.5
    assert describe_network(_network(**SMALL), 100.0, window=7)["bilstm"]["macs"] == 7 * 2 * 12 * 19


def test_kernels_and_strides_are_those_of_the_modules():
    found = _described(**SMALL)
    shown = [(block["kernel"], block["stride"]) for block in found["blocks"]]
    assert shown == [(15, 2), (3, 2), (7, 1), (7, 1), *[(7, 2), (7, 1)] * 3, (94, 94)]
    kinds = [layer["kind"] for layer in found["blocks"][4]["layers"]]
    assert kinds == ["convolution", "batch norm", "dropout", "convolution", "batch norm", "linear", "ReLU", "linear",
                     "sigmoid", "convolution", "batch norm"]  # fmt: skip


# The picture of the network.


def _drawn(tmp_path, rate=100.0, **options):
    path = tmp_path / "architecture.json"
    path.write_text(json.dumps(_described(rate, **options)))
    return architecture.draw(str(path))


def _texts(figure: Figure):
    return [text.get_text() for axis in figure.axes for text in axis.texts if text.get_text()]


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_pictures_of_all_variants_are_readable(options, tmp_path):
    figure = _drawn(tmp_path, **options)
    assert figure.get_size_inches()[0] == FULL_WIDTH
    renderer = figure.canvas.get_renderer()
    texts = [text for text in figure.axes[0].texts if text.get_text()]
    assert min(text.get_fontsize() for text in texts) >= 6
    extents = [(text.get_text(), text.get_window_extent(renderer)) for text in texts]
    page = figure.bbox
    for words, extent in extents:
        assert page.x0 <= extent.x0 and extent.x1 <= page.x1 and page.y0 <= extent.y0 and extent.y1 <= page.y1, words
    for (words, first), (others, second) in combinations(extents, 2):
        assert not first.overlaps(second), (words, others)
    # A text whose middle is in a box stays in it; that of a stage shares its box with that of SE.
    for box in figure.axes[0].patches:
        if isinstance(box, FancyBboxPatch) and box.get_edgecolor()[3] > 0:
            frame = box.get_window_extent(renderer)
            for words, extent in extents:
                if frame.contains(*(extent.min + extent.max) / 2):
                    assert frame.x0 <= extent.x0 and extent.x1 <= frame.x1, words


def test_the_picture_says_what_the_network_has(tmp_path):
    texts = _texts(_drawn(tmp_path))
    for words in ("x(t−4)", "x(t−1)", "x(t)", "x(t+1)", "x(t+4)", "…", *STAGES, "512 × 94", "64 × 1,500", "15 / 2",
                  "10,591,493", "6,624,256", "1.175 G", "12.91", "BiLSTM, 3 layers", "linear 200 → 2,000",
                  "linear 200 → 5", "temporal context\nencoder", "dropout\n0.2"):  # fmt: skip
        assert words in texts, words
    assert texts.count("LSTM") == 2 * 3 * 5 and texts.count("SE") == 4 and texts.count("SE-\nResNet") == 5
    assert any("1.165 G" in text and "12.91 s" in text and "0.32 s" in text for text in texts)


def test_the_picture_has_nothing_that_the_network_has_not(tmp_path):
    texts = _texts(_drawn(tmp_path, **VARIANTS["bare"]))
    assert not any("LSTM" in text or "SE" in text or "squeeze" in text or "dropout" in text for text in texts)
    assert texts.count("ResNet") == 1 and "linear 512 → 5" in texts and "x(t)" in texts and "×" not in texts
    assert "LSTM" not in " ".join(_texts(_drawn(tmp_path, context="none")))
    many = _texts(_drawn(tmp_path, **VARIANTS["six layers"]))
    assert many.count("LSTM") == 2 * 2 * 5 and many.count("⋮") == 5 and "BiLSTM, 6 layers" in many
    assert "linear 200 → 2,000, ReLU" in many
    small = _texts(_drawn(tmp_path, rate=125.0, **VARIANTS["small"]))
    assert "feature norm" in small and "1 × 3,750" in small and any("At 125 Hz" in text for text in small)
    assert "…" not in small and small.count("LSTM") == 2 * 5


# The bars.


def _families(path, n, *, intervals=True, runs=3):
    rng = np.random.default_rng(0)
    rows = []
    for number in range(n):
        scores = dict(zip((f"f1_{stage}" for stage in STAGES), rng.uniform(0.4, 0.95, len(STAGES)), strict=True))
        scores |= {"macro_f1": float(np.mean(list(scores.values()))), "accuracy": 0.85, "kappa": 0.8}
        row = {"family": f"family{number}", "runs": runs, "subjects": 20, "epochs": 42308}
        for score, value in scores.items():
            low, high = (value - 0.04, value + 0.03) if intervals else (np.nan, np.nan)
            row |= {score: value, f"{score}_low": low, f"{score}_high": high}
        rows.append(row)
    table = pd.DataFrame(rows, columns=list(rows[0]) if rows else ["family", "runs"])
    table.to_csv(path, sep="\t", index=False, na_rep="nan")
    return table


def _paper(path, lines):
    values = {"dataset": "sleep-edf-20", "accuracy": 87.5, "macro_f1": 82.5, "kappa": 0.82, "f1_W": 92.0, "f1_N1": 56.9,
              "f1_N2": 89.9, "f1_N3": 87.9, "f1_R": 85.9, "source": "arXiv 2309.07156 (a remark)"}  # fmt: skip
    pd.DataFrame([values] * lines, columns=list(values)).to_csv(path, sep="\t", index=False)


def _bars(tmp_path, n, lines, **options):
    table = _families(tmp_path / "families.tsv", n, **options)
    _paper(tmp_path / "paper.tsv", lines)
    figure = f1_bars.draw(str(tmp_path / "families.tsv"), str(tmp_path / "paper.tsv"))
    figure.draw_without_rendering()
    labels = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return table, figure.axes[0], labels


@pytest.mark.parametrize("lines", [0, 1])
@pytest.mark.parametrize("n", [1, 9, 12])
def test_bars_have_the_heights_of_the_tables(n, lines, tmp_path):
    table, axis, labels = _bars(tmp_path, n, lines)
    columns = [*(f"f1_{stage}" for stage in STAGES), "macro_f1"]
    heights = [bar.get_height() for bar in axis.patches]
    published = [0.92, 0.569, 0.899, 0.879, 0.859, 0.825] if lines else []
    np.testing.assert_allclose(heights, [*table.loc[0, columns], *published])
    assert [text.get_text() for text in axis.get_xticklabels()] == [*STAGES, "macro-F1"] and axis.get_ylim() == (0, 1)
    shown = min(n - 1, 8)
    points = [line.get_ydata() for line in axis.lines if line.get_label() in set(table["family"])]
    np.testing.assert_allclose(np.reshape(points, (shown, 6)), table.loc[1:shown, columns])
    named = ["here, experiment family0; 95 % interval over subjects"] + ["as published (arXiv 2309.07156)"] * lines
    assert labels == [*named, *table.loc[1:shown, "family"]]
    left_out = "; 3 other families not drawn" if n == 12 else ""
    assert axis.get_title("left") == f"n = 42,308 epochs, 20 subjects, 3 runs{left_out}"
    hatched = [bar.get_hatch() is not None for bar in axis.patches]
    assert hatched == [False] * 6 + [True] * 6 * lines
    # Nothing at one score reaches into the next.
    xs = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for bar in axis.patches)
    assert all(end <= start + 1e-9 for (_, end), (start, _) in pairwise(xs))


def test_bars_of_one_subject_have_no_interval_and_no_experiment_is_said_to_be_none(tmp_path):
    _, axis, labels = _bars(tmp_path, 1, 1, intervals=False, runs=1)
    assert labels[0] == "here, experiment family0" and axis.get_title("left").endswith("1 run")
    _, axis, labels = _bars(tmp_path, 0, 0)
    assert "no experiment" in [text.get_text() for text in axis.texts] and labels == []
