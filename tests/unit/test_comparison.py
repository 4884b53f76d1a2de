"""Comparisons of experiments, against loops, scikit-learn, scipy and figures worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wilcoxon
from sklearn.metrics import cohen_kappa_score, f1_score

from hypnolens.errors import HypnolensError
from hypnolens.evaluation import metrics
from hypnolens.evaluation.comparison import (
    family_table,
    fold_table,
    holm,
    optimism_table,
    paired_table,
    read_confusions,
    signed_rank,
    write_confusions,
)
from hypnolens.stages import STAGES

SUBJECTS = ["007", "NA", "S10", "S2", "S3", "S4", "S5", "S6"]
TRUE = np.random.default_rng(0).integers(20, 200, (len(SUBJECTS), 5))
TRUE[2, 3] = 0
"""Epochs of each stage of each subject; S10 has no N3."""


def _confusions(right, seed, true=TRUE):
    """Matrices with these true epochs, of which about a share ``right`` is predicted right."""
    rng = np.random.default_rng(seed)
    rates = np.full((5, 5), (1 - right) / 4) + np.eye(5) * (right - (1 - right) / 4)
    gammas = rng.standard_gamma(np.broadcast_to(30 * rates, (len(true), 5, 5)))
    return rng.multinomial(true, gammas / gammas.sum(axis=-1, keepdims=True))


@pytest.fixture
def runs():
    return {
        "paper": [_confusions(0.7, seed) for seed in (1, 2, 3)],
        "better": [_confusions(0.8, seed) for seed in (4, 5)],
        "alike": [_confusions(0.7, seed) for seed in (6,)],
    }


@pytest.fixture
def families(runs, tmp_path):
    return {name: _written(tmp_path, name, matrices) for name, matrices in runs.items()}


def _written(folder, name, matrices, subjects=SUBJECTS):
    paths = [folder / f"{name}-{number}.tsv" for number in range(len(matrices))]
    for path, of_run in zip(paths, matrices, strict=True):
        write_confusions(subjects, of_run, path)
    return paths


def _labels(confusion):
    codes = np.repeat(np.arange(25), confusion.ravel())
    return codes // 5, codes % 5


def _pooled(matrices, name, chosen=slice(None)):
    return np.mean([metrics.scores(of_run[chosen].sum(axis=0))[name] for of_run in matrices])


def _drawn(matrices, name, seed):
    chosen = np.random.default_rng(seed).integers(len(SUBJECTS), size=(metrics.DRAWS, len(SUBJECTS)))
    return np.mean([metrics.scores(of_run[chosen].sum(axis=1))[name] for of_run in matrices], axis=0)


# Files.


def test_confusions_are_read_as_they_were_written(tmp_path):
    confusions = _confusions(0.7, 0)
    write_confusions(SUBJECTS, confusions, tmp_path / "c.tsv")
    subjects, read = read_confusions(tmp_path / "c.tsv")
    assert subjects == SUBJECTS and read.dtype == np.int64
    np.testing.assert_array_equal(read, confusions)
    header, first, *_ = (tmp_path / "c.tsv").read_text().splitlines()
    assert header.split("\t")[:3] == ["subject", "W_W", "W_N1"] and header.endswith("\tR_R")
    assert first.split("\t")[:3] == ["007", str(confusions[0, 0, 0]), str(confusions[0, 0, 1])]


def test_a_file_that_is_no_such_table_is_refused(tmp_path):
    (tmp_path / "c.tsv").write_text("subject\tW_W\na\t1\n")
    with pytest.raises(HypnolensError, match="c.tsv: damaged .it has no column W_N1, .*; make it"):
        read_confusions(tmp_path / "c.tsv")
    write_confusions(["a", "a"], _confusions(0.7, 0)[:2], tmp_path / "c.tsv")
    with pytest.raises(HypnolensError, match="a subject on two lines"):
        read_confusions(tmp_path / "c.tsv")


# Families.


def test_a_family_has_means_over_runs_and_intervals_over_subjects(runs, families):
    table = family_table(families, seed=3)
    assert table["family"].tolist() == list(runs) and table["runs"].tolist() == [3, 2, 1]
    assert (table["subjects"] == 8).all() and (table["epochs"] == TRUE.sum()).all()
    for row, matrices in zip(table.to_dict("records"), runs.values(), strict=True):
        labels = [_labels(of_run.sum(axis=0)) for of_run in matrices]
        kappas = [cohen_kappa_score(true, predicted) for true, predicted in labels]
        assert row["kappa"] == pytest.approx(np.mean(kappas), abs=1e-12)
        assert row["macro_f1"] == pytest.approx(np.mean([f1_score(*pair, average="macro") for pair in labels]))
        assert row["f1_R"] == pytest.approx(np.mean([f1_score(*pair, average=None)[4] for pair in labels]))
        deviation = pd.Series(kappas).std()
        assert row["kappa_sd"] == pytest.approx(deviation, nan_ok=True)
        bounds = metrics.interval(row["macro_f1"], _drawn(matrices, "macro_f1", 3), 8, limits=(0, 1))
        assert (row["macro_f1_low"], row["macro_f1_high"]) == pytest.approx(bounds, abs=1e-12)
        for stage in STAGES:
            assert row[f"f1_{stage}_low"] < row[f"f1_{stage}"] < row[f"f1_{stage}_high"]
    assert np.isnan(table.loc[2, "kappa_sd"])


def test_the_order_of_lines_does_not_matter(runs, families, tmp_path):
    order = [5, 2, 0, 7, 1, 3, 6, 4]
    shuffled = _written(tmp_path, "s", [of_run[order] for of_run in runs["paper"]], [SUBJECTS[i] for i in order])
    mixed = {"paper": [shuffled[0], *families["paper"][1:]]}
    pd.testing.assert_frame_equal(family_table(mixed, seed=0), family_table({"paper": families["paper"]}, seed=0))


def test_runs_of_a_family_must_have_the_same_epochs_of_the_same_subjects(runs, families, tmp_path):
    (short,) = _written(tmp_path, "short", [runs["paper"][0][1:]], SUBJECTS[1:])
    with pytest.raises(HypnolensError, match=r"^family paper: .*short-0.tsv .* \(subject 007\); .*$"):
        family_table({"paper": [families["paper"][0], short]}, seed=0)
    (other,) = _written(tmp_path, "other", [_confusions(0.7, 9, true=TRUE + np.eye(8, 5, dtype=int))])
    with pytest.raises(HypnolensError, match=r"\(subject 007, NA, S10 and 2 more\)"):
        family_table({"paper": [families["paper"][0], other]}, seed=0)
    with pytest.raises(HypnolensError, match="family paper: no run"):
        family_table({"paper": []}, seed=0)


# Pairs.


def test_differences_are_paired_by_subject(runs, families):
    table = paired_table(families, "paper", seed=3)
    assert table["family"].tolist() == ["better", "alike"] and (table["reference"] == "paper").all()
    for row in table.to_dict("records"):
        for name in ("accuracy", "macro_f1", "kappa"):
            difference = _pooled(runs[row["family"]], name) - _pooled(runs["paper"], name)
            drawn = _drawn(runs[row["family"]], name, 3) - _drawn(runs["paper"], name, 3)
            expected = (difference, *metrics.interval(difference, drawn, 8))
            found = tuple(row[f"{name}_{end}"] for end in ("difference", "low", "high"))
            assert found == pytest.approx(expected, abs=1e-12)
    assert table.loc[0, "kappa_low"] > 0


def test_subjects_are_tested_by_scores_of_their_own(runs, families):
    table = paired_table(families, "paper", seed=0)
    tested = {"kappa": [], "macro_f1": []}
    for name in ("better", "alike"):
        values = {score: [] for score in tested}
        for family in ("paper", name):
            kappas, f1s = [], []
            for number in range(len(SUBJECTS)):
                labels = [_labels(of_run[number]) for of_run in runs[family]]
                kappas.append(np.mean([cohen_kappa_score(*pair) for pair in labels]))
                f1s.append(np.mean([f1_score(*pair, labels=np.unique(pair[0]), average="macro") for pair in labels]))
            values["kappa"].append(kappas)
            values["macro_f1"].append(f1s)
        for score, (first, second) in values.items():
            tested[score].append(wilcoxon(second, first).pvalue)
    for score, p in tested.items():
        assert table[f"{score}_p"].tolist() == pytest.approx(p)
        smaller, larger = sorted(p)
        corrected = {smaller: min(1, 2 * smaller), larger: max(larger, min(1, 2 * smaller))}
        assert table[f"{score}_p_holm"].tolist() == pytest.approx([corrected[value] for value in p])
    # All eight subjects are better: the least p that eight signs can have is 2 / 2 ** 8.
    assert table.loc[0, "kappa_p"] == pytest.approx(2 / 2**8)


def test_an_experiment_against_itself_differs_by_nothing(families):
    (row,) = paired_table({"a": families["paper"], "b": families["paper"]}, "a", seed=0).to_dict("records")
    assert (row["kappa_difference"], row["kappa_low"], row["kappa_high"]) == (0, 0, 0)
    assert row["kappa_p"] == row["kappa_p_holm"] == row["macro_f1_p"] == 1


def test_families_of_other_subjects_are_compared_on_those_they_share(runs, families, tmp_path):
    some = _written(tmp_path, "some", [of_run[2:] for of_run in runs["better"]], SUBJECTS[2:])
    (row,) = paired_table({"paper": families["paper"], "some": some}, "paper", seed=0).to_dict("records")
    assert row["subjects"] == 6
    expected = _pooled(runs["better"], "kappa", slice(2, None)) - _pooled(runs["paper"], "kappa", slice(2, None))
    assert row["kappa_difference"] == pytest.approx(expected, abs=1e-12)
    none = _written(tmp_path, "none", [runs["better"][0]], [f"T{number}" for number in range(8)])
    with pytest.raises(HypnolensError, match="paper and none have no subject in common"):
        paired_table({"paper": families["paper"], "none": none}, "paper", seed=0)
    with pytest.raises(HypnolensError, match="no family 'papers' to compare with; there are paper, better, alike"):
        paired_table(families, "papers", seed=0)


def test_a_table_of_no_pair_has_its_columns(families):
    nothing = paired_table({"paper": families["paper"]}, "paper", seed=0)
    assert nothing.empty and list(nothing.columns) == list(paired_table(families, "paper", seed=0).columns)
    assert optimism_table([], {}, {}, seed=0).columns[0] == fold_table([], {}).columns[0] == "clean"


def test_holm_by_hand():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04, and none less than the one before it.
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])) == pytest.approx([1, 1]) and holm(np.array([0.2])) == pytest.approx([0.2])


def test_a_subject_without_a_value_is_left_out_of_the_test():
    assert signed_rank(np.array([0.1, 0.2, np.nan, 0.3])) == signed_rank(np.array([0.1, 0.2, 0.3])) == 0.25
    assert signed_rank(np.array([np.nan])) == signed_rank(np.zeros(4)) == 1


# Passes that were chosen on test subjects.


def _folds(folder, name, macro_f1s):
    """A table a run, with folds in an order of their own."""
    paths = []
    for run, values in enumerate(macro_f1s):
        table = pd.DataFrame({"fold": range(len(values)), "epochs": 900, "accuracy": 0.8, "macro_f1": values,
                              "kappa": 0.7, **{f"f1_{stage}": 0.7 for stage in STAGES}})  # fmt: skip
        paths.append(folder / f"{name}-folds-{run}.tsv")
        table.iloc[:: -1 if run else 1].to_csv(paths[-1], sep="\t", index=False, na_rep="nan")
    return paths


@pytest.fixture
def folds(tmp_path):
    return {"paper": _folds(tmp_path, "paper", [[0.7, 0.72, 0.74], [0.71, 0.73, 0.75]]),
            "better": _folds(tmp_path, "better", [[0.8, 0.71, 0.74], [0.7, 0.8, 0.7]])}  # fmt: skip


def test_folds_are_matched_by_run_and_number(folds):
    table = fold_table([("paper", "better")], folds)
    assert table[["run", "fold"]].to_numpy().tolist() == [[1, 0], [1, 1], [1, 2], [2, 0], [2, 1], [2, 2]]
    assert table["macro_f1_clean"].tolist() == [0.7, 0.72, 0.74, 0.71, 0.73, 0.75]
    assert table["macro_f1_test_selected"].tolist() == [0.8, 0.71, 0.74, 0.7, 0.8, 0.7]
    assert table["macro_f1_difference"].tolist() == pytest.approx([0.1, -0.01, 0, -0.01, 0.07, -0.05])
    assert (table["kappa_clean"] == 0.7).all() and (table["accuracy_difference"] == 0).all()


def test_optimism_is_the_paired_difference_and_counts_folds_below(runs, families, folds):
    (row,) = optimism_table([("paper", "better")], families, folds, seed=2).to_dict("records")
    (expected,) = paired_table({name: families[name] for name in ("paper", "better")}, "paper", seed=2).to_dict(
        "records"
    )
    for name in ("accuracy", "macro_f1", "kappa"):
        assert row[f"{name}_clean"] == pytest.approx(_pooled(runs["paper"], name), abs=1e-12)
        assert row[f"{name}_test_selected"] == pytest.approx(_pooled(runs["better"], name), abs=1e-12)
        for end in ("difference", "low", "high"):
            assert row[f"{name}_{end}"] == expected[f"{name}_{end}"]
    assert (row["clean"], row["test_selected"], row["subjects"]) == ("paper", "better", 8)
    assert (row["folds"], row["folds_below"]) == (6, 3)


def test_folds_that_do_not_match_are_refused(folds, tmp_path):
    with pytest.raises(HypnolensError, match="paper has 2 runs and better 1"):
        fold_table([("paper", "better")], {**folds, "better": folds["better"][:1]})
    with pytest.raises(HypnolensError, match="other folds"):
        fold_table([("paper", "two")], {**folds, "two": _folds(tmp_path, "two", [[0.7, 0.7]] * 2)})
    with pytest.raises(HypnolensError, match="family three: no run"):
        fold_table([("paper", "three")], folds)
