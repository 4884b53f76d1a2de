"""Scores against scikit-learn, and what happens where a stage is missing."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import (
    accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from hypnolens import metrics
from hypnolens.evaluation import evaluate, evaluate_recordings
from hypnolens.predictions import PROBABILITIES
from hypnolens.stages import STAGES
from hypnolens.tables import read_table

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


def test_a_stage_that_does_not_occur_has_no_f1_and_is_left_out():
    confusion = metrics.confusion_matrix(np.array([0, 0, 2]), np.array([0, 2, 2]))
    score = metrics.scores(confusion)
    assert np.isnan([score["f1_N1"], score["f1_N3"], score["f1_R"]]).all()
    assert score["macro_f1"] == pytest.approx(2 / 3) and metrics.absent_stages(confusion) == ["N1", "N3", "R"]


def test_a_stage_that_is_only_predicted_or_only_true_has_an_f1_of_zero():
    score = metrics.scores(metrics.confusion_matrix(np.array([0, 1]), np.array([0, 4])))
    assert (score["f1_N1"], score["f1_R"]) == (0, 0) and score["macro_f1"] == pytest.approx(1 / 3)


def test_intervals_draw_subjects_not_epochs():
    good, bad = np.diag([50] * 5), np.roll(np.diag([50] * 5), 1, axis=1)
    low, high = metrics.bootstrap_intervals(np.stack([good, good, bad, bad]), seed=0)["accuracy"]
    assert (low, high) == (0.0, 1.0)  # with epochs drawn it would be 0.45 to 0.55
    same = metrics.bootstrap_intervals(np.stack([good + bad] * 4), seed=0)["accuracy"]
    assert same == (0.5, 0.5)


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
    result = evaluate(predictions, seed=0)
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
