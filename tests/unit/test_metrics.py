"""Scores against scikit-learn, what happens where a stage is missing, and how often intervals hold the truth."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import (
    accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from benchmarks.intervals import coverage
from hypnolens.evaluation import metrics
from hypnolens.evaluation.predictions import PROBABILITIES
from hypnolens.evaluation.scores import evaluate, evaluate_recordings
from hypnolens.io.frames import read_table
from hypnolens.stages import STAGES

RNG = np.random.default_rng(0)


def _draw(n=500, stages=5):
    true = RNG.integers(0, stages, n)
    return true, np.where(RNG.random(n) < 0.7, true, RNG.integers(0, stages, n))


@pytest.mark.parametrize("stages", [5, 3])
def test_scores_are_those_of_scikit_learn(stages):
    true, predicted = _draw(stages=stages)
    confusion = metrics.confusion_matrix(true, predicted)
    np.testing.assert_array_equal(confusion, confusion_matrix(true, predicted, labels=range(5)))
    score = metrics.scores(confusion)
    assert score["accuracy"] == pytest.approx(accuracy_score(true, predicted), abs=1e-12)
    assert score["kappa"] == pytest.approx(cohen_kappa_score(true, predicted), abs=1e-12)
    assert score["macro_f1"] == pytest.approx(f1_score(true, predicted, average="macro"), abs=1e-12)
    expected = precision_recall_fscore_support(true, predicted, labels=range(stages), zero_division=np.nan)
    for code in range(stages):
        row = metrics.per_class(confusion)[STAGES[code]]
        for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
            assert row[name] == pytest.approx(values[code], abs=1e-12)


@pytest.mark.parametrize("seed", range(25))
def test_scores_of_random_confusions_are_those_of_scikit_learn(seed):
    # Most draws lack a stage, of the true ones, of the predicted, or of both. A stage of neither is left out of the
    # macro-F1, as scikit-learn does by itself; with `labels=range(5)` it would count it as zero.
    rng = np.random.default_rng(seed)
    confusion = rng.integers(0, 60, (5, 5)) * (rng.random((5, 1)) < 0.8) * (rng.random((1, 5)) < 0.8)
    confusion[0, 0] += 1
    codes = np.repeat(np.arange(25), confusion.ravel())
    true, predicted = codes // 5, codes % 5
    score, rows = metrics.scores(confusion), metrics.per_class(confusion)
    assert score["accuracy"] == pytest.approx(accuracy_score(true, predicted), abs=1e-12)
    assert score["macro_f1"] == pytest.approx(f1_score(true, predicted, average="macro"), abs=1e-12)
    if len(set(codes)) > 1:  # else chance alone agrees perfectly, and there is no kappa
        assert score["kappa"] == pytest.approx(cohen_kappa_score(true, predicted), abs=1e-12)
    expected = precision_recall_fscore_support(true, predicted, labels=range(5), zero_division=np.nan)
    for code, stage in enumerate(STAGES):
        for name, values in zip(("precision", "recall", "f1", "support"), expected, strict=True):
            assert rows[stage][name] == pytest.approx(values[code], abs=1e-12, nan_ok=True)
        others = [(t, p) for t, p in zip(true, predicted, strict=True) if t != code]
        rejected = sum(p != code for _, p in others)
        specificity = rejected / len(others) if others else float("nan")
        assert rows[stage]["specificity"] == pytest.approx(specificity, abs=1e-12, nan_ok=True)


def test_a_stage_that_is_all_there_is_has_no_specificity():
    rows = metrics.per_class(metrics.confusion_matrix(np.array([2, 2, 2]), np.array([2, 2, 0])))
    assert np.isnan(rows["N2"]["specificity"]) and rows["W"]["specificity"] == pytest.approx(2 / 3)


def test_a_stage_that_does_not_occur_has_no_f1_and_is_left_out():
    confusion = metrics.confusion_matrix(np.array([0, 0, 2]), np.array([0, 2, 2]))
    score = metrics.scores(confusion)
    assert np.isnan([score["f1_N1"], score["f1_N3"], score["f1_R"]]).all()
    assert score["macro_f1"] == pytest.approx(2 / 3) and metrics.absent_stages(confusion) == ["N1", "N3", "R"]


def test_a_stage_that_is_only_predicted_or_only_true_has_an_f1_of_zero():
    score = metrics.scores(metrics.confusion_matrix(np.array([0, 1]), np.array([0, 4])))
    assert (score["f1_N1"], score["f1_R"]) == (0, 0) and score["macro_f1"] == pytest.approx(1 / 3)


def _confusions(n_subjects, seed=0, n_runs=None):
    shape = (n_subjects, 5, 5) if n_runs is None else (n_runs, n_subjects, 5, 5)
    rng = np.random.default_rng(seed)
    return rng.integers(0, 20, shape) + np.diag([60, 20, 90, 40, 50]) * rng.integers(1, 4, (*shape[:-2], 1, 1))


def test_intervals_draw_subjects_not_epochs():
    good, bad = np.diag([50] * 5), np.roll(np.diag([50] * 5), 1, axis=1)
    low, high = metrics.bootstrap_intervals(np.stack([good, good, bad, bad]), seed=0)["accuracy"]
    assert low < 0.1 and high > 0.9  # with epochs drawn it would be 0.45 to 0.55
    assert low + high == pytest.approx(1)
    same = metrics.bootstrap_intervals(np.stack([good + bad] * 4), seed=0)["accuracy"]
    unseen = 1 - 0.025 ** (1 / 4)  # the share of people who can be otherwise without any of four being so
    assert same == pytest.approx((0.5 - 0.5 * unseen, 0.5 + 0.5 * unseen))


def test_the_interval_of_a_mean_is_the_one_of_a_textbook():
    values, subjects = RNG.normal(3, 2, 12), np.arange(12)
    interval = metrics.subject_interval(values, subjects, seed=0, draws=50_000)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert interval == pytest.approx((expected.low, expected.high), abs=0.02 * (expected.high - expected.low))


@pytest.mark.parametrize("n_runs", [None, 3])
def test_draws_are_those_of_a_loop(n_runs, monkeypatch):
    confusions = _confusions(7, n_runs=n_runs)
    expected = []
    for chosen in np.random.default_rng(5).integers(7, size=(40, 7)):
        by_run = [run[chosen].sum(axis=0) for run in (confusions if n_runs else [confusions])]
        expected.append(np.mean([metrics.scores(pooled)["kappa"] for pooled in by_run]))
    np.testing.assert_allclose(metrics.drawn_scores(confusions, seed=5, draws=40)["kappa"], expected, atol=1e-12)
    monkeypatch.setattr(metrics, "BLOCK", 25)  # three draws at a time
    np.testing.assert_allclose(metrics.drawn_scores(confusions, seed=5, draws=40)["kappa"], expected, atol=1e-12)
    estimate = np.mean([metrics.scores(run.sum(axis=0))["kappa"] for run in (confusions if n_runs else [confusions])])
    assert metrics.mean_scores(confusions)["kappa"] == pytest.approx(estimate, abs=1e-12)
    low, high = metrics.bootstrap_intervals(confusions, seed=5, draws=40)["kappa"]
    # On the scale of Fisher's z, of which the slope is 1 / (1 - kappa^2).
    reach = stats.t.ppf(0.975, 6) * np.std(expected) * np.sqrt(7 / 6) / (1 - estimate**2)
    assert (low, high) == pytest.approx(tuple(np.tanh(np.arctanh(estimate) + reach * np.array([-1, 1]))), abs=1e-12)


def test_the_same_run_twice_has_the_interval_of_one():
    confusions = _confusions(9)
    once, twice = (
        metrics.bootstrap_intervals(matrices, seed=1) for matrices in (confusions, np.stack([confusions] * 2))
    )
    assert once.keys() == twice.keys() == metrics.scores(confusions).keys()
    for name, bounds in once.items():
        assert twice[name] == pytest.approx(bounds, abs=1e-12)


def test_intervals_stay_where_scores_do():
    # Two subjects, one staged without an error: on the scale of the score itself the upper end is far above 1.
    confusions = np.stack([np.diag([50] * 5), np.diag([50] * 5) + np.eye(5, k=1, dtype=int)])
    plain = metrics.interval(0.99, metrics.drawn_scores(confusions, seed=0)["accuracy"], 2)
    assert plain[1] > 1
    for name, (low, high) in metrics.bootstrap_intervals(confusions, seed=0).items():
        least = -1 if name == "kappa" else 0
        assert least <= low < metrics.mean_scores(confusions)[name] < high <= 1
    values, subjects = np.array([1.0, 1.0, 0.8]), np.array(list("abc"))
    assert metrics.subject_interval(values, subjects, seed=0, limits=metrics.SHARE)[1] < 1
    assert metrics.subject_interval(values, subjects, seed=0)[1] > 1


def test_one_subject_and_a_score_that_does_not_exist_have_no_interval():
    assert np.isnan(list(metrics.bootstrap_intervals(_confusions(1), seed=0).values())).all()
    without_n1 = _confusions(4)
    without_n1[:, 1], without_n1[:, :, 1] = 0, 0
    intervals = metrics.bootstrap_intervals(without_n1, seed=0)
    assert np.isnan(intervals.pop("f1_N1")).all() and not np.isnan(list(intervals.values())).any()
    one = evaluate(_predictions().query("subject == 'a'"), seed=0, protocol="clean")
    assert one["ci95"]["kappa"] == [None, None]


def test_a_stage_of_one_subject_has_an_interval_though_some_draws_lack_it():
    confusions = _confusions(5)
    confusions[1:, 1], confusions[1:, :, 1] = 0, 0
    low, high = metrics.bootstrap_intervals(confusions, seed=0)["f1_N1"]
    assert low <= metrics.mean_scores(confusions)["f1_N1"] <= high


def test_intervals_over_few_subjects_hold_the_truth_as_often_as_they_say():
    # Of 300 samples: two deviations of a share of 0.95 are 0.025.
    found = coverage((6, 40), samples=300, draws=500, seed=1, skewed=False)["coverage"]
    for n_subjects in ("6", "40"):
        for name, of_score in found[n_subjects].items():
            assert 0.915 <= of_score["student"] <= 0.985, (n_subjects, name)
    assert np.mean([of_score["percentile"] for of_score in found["6"].values()]) < 0.9


def _predictions():
    rows = []
    for fold, (recording, subject) in enumerate([("a1", "a"), ("b1", "b"), ("c1", "c")]):
        true, predicted = _draw(200, 4)
        frame = pd.DataFrame(0.2, index=range(200), columns=PROBABILITIES)
        rows.append(
            frame.assign(recording=recording, subject=subject, fold=fold, epoch_index=range(200),
                         stage_true=np.array(STAGES)[true], stage_pred=np.array(STAGES)[predicted])
        )  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def test_an_evaluation_pools_epochs_and_says_what_is_missing():
    predictions = _predictions()
    result = evaluate(predictions, seed=0, protocol="clean")
    assert result["accuracy"] == pytest.approx(accuracy_score(predictions["stage_true"], predictions["stage_pred"]))
    assert (result["n_epochs"], result["n_subjects"], result["n_folds"], result["protocol"]) == (600, 3, 3, "clean")
    assert result["per_class"]["R"]["f1"] is None and result["notes"] == [
        "R: no true and no predicted epoch; left out of macro-F1"
    ]
    low, high = result["ci95"]["macro_f1"]
    assert low <= result["macro_f1"] <= high
    by_recording = evaluate_recordings(predictions)
    for row in by_recording.itertuples():
        rows = predictions[predictions["recording"] == row.recording]
        assert row.accuracy == pytest.approx(accuracy_score(rows["stage_true"], rows["stage_pred"]))
        assert row.absent == "R" and np.isnan(row.f1_R)


def test_names_stay_text_in_the_table_of_recordings(tmp_path):
    path = tmp_path / "by_recording.tsv"
    path.write_text(
        "recording\tsubject\tfold\taccuracy\tf1_R\tabsent\n001\tNA\t0\t0.5\tnan\tR\nnan\t7\t1\t1.0\t0.25\tnone\n"
    )
    table = read_table(path)
    assert table["recording"].tolist() == ["001", "nan"] and table["subject"].tolist() == ["NA", "7"]
    assert table["fold"].tolist() == [0, 1] and table["fold"].dtype.kind == "i"
    assert np.isnan(table.loc[0, "f1_R"]) and table.loc[1, "f1_R"] == 0.25
