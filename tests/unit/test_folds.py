"""Folds: every subject tested once, no subject on two sides, the same folds from the same seed."""

import pytest

from hypnolens.errors import DatasetError
from hypnolens.io.tables import read_rows
from hypnolens.training.folds import absent_stages, make_folds, read_folds, write_folds

SUBJECTS = [f"S{i:02d}" for i in range(20)]


def _make(subjects=SUBJECTS, scheme="leave-one-subject-out", validation=0.1, seed=0):
    return make_folds(subjects, scheme=scheme, validation=validation, seed=seed, dataset="d")


@pytest.mark.parametrize("scheme", ["leave-one-subject-out", {"k": 3}, {"k": 7}, {"k": 20}])
def test_every_subject_is_tested_once_and_stands_on_one_side(scheme):
    folds = _make(scheme=scheme)
    assert len(folds) == (20 if isinstance(scheme, str) else scheme["k"])
    assert sorted(subject for fold in folds for subject in fold.test) == SUBJECTS
    for fold in folds:
        sides = [set(fold.train), set(fold.validation), set(fold.test)]
        assert sum(map(len, sides)) == 20 == len(set.union(*sides)) and all(sides)


def test_groups_are_of_about_equal_size():
    assert sorted(len(fold.test) for fold in _make(scheme={"k": 6})) == [3, 3, 3, 3, 4, 4]


def test_validation_takes_its_share_of_the_training_subjects_and_at_least_one():
    assert {len(fold.validation) for fold in _make()} == {2}  # a tenth of 19, as published splits have it
    assert {len(fold.validation) for fold in _make(validation=0.001)} == {1}
    assert {len(fold.validation) for fold in _make(SUBJECTS[:3], validation=0.9)} == {1}


def test_the_seed_decides_and_nothing_else():
    assert _make() == _make(reversed(SUBJECTS * 2))
    assert _make(seed=1) != _make() and _make(scheme={"k": 4}, seed=1) != _make(scheme={"k": 4})


@pytest.mark.parametrize("subjects", [["A"], ["A", "A"], ["A", "B"]])
def test_too_few_subjects_are_an_error(subjects):
    with pytest.raises(DatasetError, match=r"^d: has \d subjects?, and a fold needs"):
        _make(subjects)


def test_more_folds_than_subjects_are_an_error():
    with pytest.raises(DatasetError, match="fewer than its 5 folds"):
        _make(["A", "B", "C"], {"k": 5})


def _table(tmp_path, text):
    path = tmp_path / "folds.tsv"
    path.write_text(text.replace(" ", "\t"))
    return str(path)


def test_a_table_says_who_is_tested_when(tmp_path):
    path = _table(tmp_path, "subject fold\nA 0\nB 1\nC 1\nD 0\nunused 5\n")
    folds = _make("ABCD", path)
    assert [fold.test for fold in folds] == [("A", "D"), ("B", "C")]


def test_a_table_with_splits_says_all(tmp_path):
    text = "fold subject split\n0 A test\n0 B validation\n0 C train\n1 B test\n1 A train\n1 C validation\n"
    folds = _make("ABC", _table(tmp_path, text))
    assert [(f.train, f.validation, f.test) for f in folds] == [(("C",), ("B",), ("A",)), (("A",), ("C",), ("B",))]


@pytest.mark.parametrize(
    "text, words",
    [
        ("subject fold\nA 0\nB 1\n", "does not list subject C"),
        ("person fold\nA 0\n", "has no column subject"),
        ("subject fold\nA x\nB 1\nC 2\n", "fold 'x' in line 2 of"),
        ("subject fold\nA 0\nB\nC 2\n", "line 3 of .* has no fold"),
        ("subject fold split\nA 0 test\nB 0 valid\nC 0 train\n", "the split 'valid'"),
        ("subject fold split\nA 0 test\nA 0 train\nB 0 validation\nC 0 train\n", "subject A on two sides"),
        ("subject fold split\nA 0 test\nB 0 train\nC 0 train\n", "no validation subject"),
        ("subject fold\nA 0\nA 1\nB 2\nC 3\n", "tested in more than one fold"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path, text, words):
    with pytest.raises(DatasetError, match=words):
        _make("ABC", _table(tmp_path, text))


def _recordings():
    counts = {"W": 5, "N1": 5, "N2": 5, "N3": 5, "R": 5}
    rows = [{"recording": f"{s}{n}", "subject": s, **counts} for s in "ABC" for n in (1, 2)]
    return [{**row, "R": 0} if row["subject"] != "A" else row for row in rows]


def test_folds_go_through_their_file(tmp_path):
    folds = _make("ABC")
    write_folds(folds, _recordings(), tmp_path / "folds.tsv")
    rows = read_rows(tmp_path / "folds.tsv")
    assert len(rows) == 3 * 6 and list(rows[0]) == ["recording", "subject", "fold", "split"]
    for number, fold in enumerate(folds):
        for split, names in read_folds(tmp_path / "folds.tsv", number).items():
            assert sorted(names) == sorted(f"{s}{n}" for s in fold.side(split) for n in (1, 2))


def test_a_stage_missing_from_a_side_is_told():
    sentences = absent_stages(_make("ABC"), _recordings())
    assert len(sentences) == 6  # R is on the one side of each fold on which A stands
    assert "fold 1: no epoch of R on the test side" in sentences
