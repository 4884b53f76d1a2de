"""Probabilities against how often they are right, by loops over epochs, by hand, and on calibrated ones."""

import math

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from hypnolens.evaluation.calibration import (
    BINS,
    abstention_table,
    calibration_table,
    corrected,
    reliability,
    with_correction,
)
from hypnolens.evaluation.predictions import PROBABILITIES
from hypnolens.plots import calibration as plot
from hypnolens.stages import CODE, STAGES

RNG = np.random.default_rng(0)
COLUMNS = ["quantity", "stage", "value", "low", "high"]


def _calibrated(n, *, subjects=10, seed=0):
    """Predictions whose true stages are drawn from their own probabilities."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(5, 0.4), n)
    true = (p.cumsum(axis=1) < rng.random(n)[:, None]).sum(axis=1).clip(max=4)
    return _frame(p, true, np.repeat(np.arange(subjects), -(-n // subjects))[:n])


def _frame(p, true, subject=0):
    frame = pd.DataFrame(np.asarray(p, dtype=np.float32), columns=PROBABILITIES)
    names, n = np.array(STAGES), len(frame)
    return frame.assign(
        recording="R", subject=[f"S{one}" for one in np.broadcast_to(subject, n)], epoch_index=np.arange(n),
        onset_s=30.0 * np.arange(n), stage_true=names[true], stage_pred=names[frame.to_numpy().argmax(axis=1)], fold=0,
    )  # fmt: skip


def _values(table):
    return {(row.quantity, row.stage): row.value for row in table.itertuples()}


def _error(pairs):
    """Calibration error of pairs of probability and hit, an epoch after the other."""
    bins = {}
    for probability, hit in pairs:
        number = next(k for k in range(BINS) if probability <= (k + 1) / BINS or k == BINS - 1)
        bins.setdefault(number, []).append((probability, hit))
    return sum(
        len(rows) / len(pairs) * abs(sum(hit for _, hit in rows) / len(rows) - sum(p for p, _ in rows) / len(rows))
        for rows in bins.values()
    )


def test_all_quantities_as_a_loop_over_epochs_makes_them():
    frame = _calibrated(700)
    frame["stage_true"] = RNG.permutation(frame["stage_true"])  # anything but calibrated
    rows = [
        ([float(row[name]) for name in PROBABILITIES], CODE[row["stage_true"]], CODE[row["stage_pred"]])
        for _, row in frame.iterrows()
    ]
    classwise = [_error([(p[code], true == code) for p, true, _ in rows]) for code in range(5)]
    expected = {
        ("ece", "all"): _error([(p[predicted], true == predicted) for p, true, predicted in rows]),
        ("overconfidence", "all"): np.mean([p[predicted] - (true == predicted) for p, true, predicted in rows]),
        ("brier", "all"): np.mean([sum((p[k] - (k == true)) ** 2 for k in range(5)) for p, true, _ in rows]),
        ("nll", "all"): np.mean([-math.log(max(p[true], 1.1754943508222875e-38)) for p, true, _ in rows]),
        ("classwise_ece", "all"): np.mean(classwise),
        **{("classwise_ece", stage): error for stage, error in zip(STAGES, classwise, strict=True)},
    }
    table = calibration_table(frame, seed=0)
    assert list(table.columns) == COLUMNS and list(_values(table)) == list(expected)
    assert _values(table) == pytest.approx(expected, abs=6e-5)
    bins = reliability(frame)
    filled = bins[bins["epochs"] > 0]
    gaps = (filled["accuracy"] - filled["confidence"]).abs()
    assert np.average(gaps, weights=filled["epochs"]) == pytest.approx(expected["ece", "all"], abs=1e-4)


def test_calibrated_probabilities_have_the_scores_that_theory_says():
    frame = _calibrated(100_000)
    p = frame[PROBABILITIES].to_numpy(dtype=np.float64)
    table = calibration_table(frame, seed=0)
    values = _values(table)
    assert all(values["classwise_ece", stage] < 0.01 for stage in (*STAGES, "all")) and values["ece", "all"] < 0.01
    assert values["brier", "all"] == pytest.approx((1 - (p**2).sum(axis=1)).mean(), abs=0.01)
    entropy = -(p * np.log(p, where=p > 0, out=np.zeros_like(p))).sum(axis=1).mean()
    assert values["nll", "all"] == pytest.approx(entropy, abs=0.01)
    modest = table.set_index("quantity").loc["overconfidence"]
    assert modest["low"] < 0 < modest["high"] and modest["high"] - modest["low"] < 0.02


def test_overconfidence_is_above_0_where_probabilities_are_sharpened():
    frame = _calibrated(20_000)
    sharp = frame[PROBABILITIES].to_numpy(dtype=np.float64) ** 3
    frame[PROBABILITIES] = sharp / sharp.sum(axis=1, keepdims=True)
    row = calibration_table(frame, seed=0).set_index("quantity").loc["overconfidence"]
    bins = reliability(frame)
    assert row["low"] > 0.05 and bins[bins["epochs"] > 500].eval("accuracy < confidence").all()


def test_bins_by_hand():
    p = [[0.4, 0.3, 0.3, 0, 0], [0.2, 0.5, 0.3, 0, 0], [0, 0, 0, 0.4, 0.6], [1, 0, 0, 0, 0]]
    table = reliability(_frame(p, [0, 2, 4, 0]), bins=5)
    assert list(table.columns) == ["low", "high", "epochs", "confidence", "accuracy"]
    assert table["low"].tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    assert table["high"].tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    # 0.4 and 0.6 are borders, but as float32 just above them.
    assert table["epochs"].tolist() == [0, 0, 2, 1, 1]
    assert table["confidence"].tolist() == pytest.approx([np.nan, np.nan, 0.45, 0.6, 1.0], nan_ok=True)
    assert table["accuracy"].tolist() == pytest.approx([np.nan, np.nan, 0.5, 1.0, 1.0], nan_ok=True)


def test_a_border_belongs_to_the_bin_below_it():
    p = np.array([[0.5, 0.25, 0.25, 0, 0], [0.75, 0.25, 0, 0, 0]])  # exact in float32
    assert reliability(_frame(p, [0, 0]), bins=4)["epochs"].tolist() == [0, 1, 1, 0]


@pytest.mark.filterwarnings("error")
def test_a_sure_network_that_is_wrong_has_a_finite_likelihood():
    p = np.array([[1, 0, 0, 0, 0], [1 + 1e-7, 0, 0, 0, 0]])
    table = calibration_table(_frame(p, [4, 4]), seed=0)
    values = _values(table)
    assert values["nll", "all"] == pytest.approx(-math.log(2.0**-126), abs=1e-4)
    assert (values["ece", "all"], values["brier", "all"]) == pytest.approx((1, 2))
    assert table[["low", "high"]].isna().all().all()  # one subject
    assert _values(calibration_table(_frame(p, [0, 0]), seed=0)) == pytest.approx(dict.fromkeys(values, 0), abs=1e-6)


def test_errors_in_bins_have_no_interval_as_samples_of_them_are_too_high():
    frame = _calibrated(1000, subjects=20)
    table = calibration_table(frame, seed=0)
    has = table.set_index(["quantity", "stage"])["low"].notna()
    assert has[has].index.tolist() == [("overconfidence", "all"), ("brier", "all"), ("nll", "all")]
    assert table.dropna().eval("low < value < high").all()
    own = table["value"][0]
    parts = [part for _, part in frame.groupby("subject")]
    drawn = []
    for _ in range(100):
        bins = reliability(pd.concat([parts[number] for number in RNG.integers(20, size=20)])).dropna()
        drawn.append(np.average((bins["accuracy"] - bins["confidence"]).abs(), weights=bins["epochs"]))
    assert own > 0.005 and np.mean(drawn) > 1.15 * own  # and the truth is 0


def test_a_temperature_changes_probabilities_and_no_stage():
    frame = _calibrated(3000, subjects=10).assign(fold=RNG.integers(2, size=3000))
    sharp = corrected(frame, {0: 0.5, 1: 0.25})  # twice, and four times, as sure
    assert (sharp[PROBABILITIES].to_numpy().argmax(axis=1) == frame[PROBABILITIES].to_numpy().argmax(axis=1)).all()
    np.testing.assert_allclose(sharp[PROBABILITIES].sum(axis=1), 1)
    power = frame["fold"].map({0: 2.0, 1: 4.0}).to_numpy()[:, None]
    expected = frame[PROBABILITIES].to_numpy(dtype=float) ** power
    np.testing.assert_allclose(sharp[PROBABILITIES], expected / expected.sum(axis=1, keepdims=True), rtol=1e-6)
    back = with_correction(sharp, {0: 2.0, 1: 4.0}, seed=0).set_index(["corrected", "quantity", "stage"])["value"]
    assert back[0, "ece", "all"] > 0.1 and back[1, "ece", "all"] < 0.05  # it was too sure, and is not when corrected
    own = _values(calibration_table(frame, seed=0))
    assert back[1, "nll", "all"] == pytest.approx(own["nll", "all"], abs=1e-4)
    assert back[1, "temperature", "all"] == 3
    assert set(with_correction(frame, {}, seed=0)["corrected"]) == {0}


def test_of_the_surest_epochs_more_are_right_where_probabilities_mean_what_they_say():
    frame = _calibrated(4000, subjects=20)
    table = abstention_table(frame, seed=0)
    assert table["kept"].tolist() == [round(0.05 * step, 2) for step in range(1, 21)]
    confidence = frame[PROBABILITIES].to_numpy().max(axis=1)
    right = (frame["stage_true"] == frame["stage_pred"]).to_numpy()
    half = np.argsort(-confidence, kind="stable")[:2000]
    row = table.set_index("kept").loc[0.5]
    assert (row["epochs"], row["accuracy"]) == (2000, pytest.approx(right[half].mean(), abs=1e-4))
    assert row["confidence"] == pytest.approx(confidence[half].min(), abs=1e-4)
    assert table["accuracy"].iloc[-1] == pytest.approx(right.mean(), abs=1e-4)
    assert table["accuracy"].iloc[0] > table["accuracy"].iloc[-1] + 0.1
    assert (table["accuracy_low"] < table["accuracy"]).all() and (table["accuracy"] < table["accuracy_high"]).all()
    running = np.cumsum(right[np.argsort(-confidence, kind="stable")]) / np.arange(1, 4001)
    assert table["area"].iloc[0] == pytest.approx(running.mean(), abs=1e-4)
    # Probabilities that say nothing: a flat line.
    turned = frame["stage_pred"].map(dict(zip(STAGES, np.roll(STAGES, 1), strict=True)))
    mixed = frame.assign(stage_true=frame["stage_pred"].where(RNG.random(4000) < 0.7, turned))
    flat = abstention_table(mixed, seed=0)["accuracy"]
    assert flat.iloc[3:].between(0.65, 0.75).all()


@pytest.mark.parametrize("subjects", [1, 6, 300])
def test_the_diagram_says_of_how_many_epochs_it_is(tmp_path, subjects):
    frame = _calibrated(10 * subjects, subjects=subjects)
    paths = [str(tmp_path / name) for name in ("reliability.tsv", "calibration.tsv")]
    tables = (reliability(frame), with_correction(frame, {}, seed=0))
    for path, table in zip(paths, tables, strict=True):
        table.to_csv(path, sep="\t", index=False, na_rep="nan")
    figure = plot.draw(reliability=paths[0], calibration=paths[1])
    figure.canvas.draw()
    above, below = figure.axes
    title = above.get_title(loc="left")
    assert f"n = {10 * subjects:,} epochs" in title and f"ECE {tables[1]['value'][0]:.3f}" in title
    assert (" to " in title) == (subjects > 1)
    heights = [patch.get_height() for patch in below.patches]
    assert heights == pytest.approx((tables[0]["epochs"] / (10 * subjects) * 100).tolist())
    plt.close(figure)
