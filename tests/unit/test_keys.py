"""Keys of rules, and what files say of themselves."""

import json
import os

import pandas as pd
import pytest

from hypnolens import plan
from hypnolens.errors import DamagedError, HypnolensError, OtherError
from hypnolens.io.about import check_about
from hypnolens.io.tables import write_rows
from hypnolens.pipeline import keys
from hypnolens.training.folds import (
    COLUMNS,
    about_fold,
    about_folds,
    make_folds,
    of_sides,
    read_sides,
    write_fold,
    write_folds,
)

FOLDS = [("a", 0, "test"), ("b", 0, "validation"), ("c", 0, "train"), ("a", 1, "train"), ("b", 1, "test")]


def test_a_key_is_written_anew_only_where_it_says_something_else(tmp_path):
    path = tmp_path / "results" / "keys" / "r.json"
    keys.keep(path, {"width": 4, "recordings": ("a", "b")})
    os.utime(path, (1, 1))
    keys.keep(path, {"recordings": ["a", "b"], "width": 4})
    assert path.stat().st_mtime == 1 and json.loads(path.read_text()) == {"width": 4, "recordings": ["a", "b"]}
    keys.keep(path, {"recordings": ["a", "b"], "width": 5})
    assert path.stat().st_mtime > 1 and [file.name for file in path.parent.iterdir()] == ["r.json"]


def test_a_key_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "results").write_text("")
    with pytest.raises(HypnolensError, match="r.json: cannot be written"):
        keys.keep(tmp_path / "results" / "r.json", {})


def test_a_key_lies_beside_what_it_is_of():
    assert str(keys.place("r")) == "results/keys/r.json"
    assert str(keys.place("r", dataset="d", experiment="e")) == "results/d/keys/e/r.json"


def test_what_decides_is_told_as_far_as_wildcards_are_known():
    params = {"code": "1", "of_dataset": lambda dataset: dataset, "of_fold": lambda dataset, fold: fold}
    overs = [{"fold": lambda dataset: range(3)}, {"run": ["x", "y"]}, {"other": lambda fold: [fold]}]
    assert plan.said(params, overs, {"dataset": "d"}) == {
        "code": "1", "of_dataset": "d", "inputs": [["0", "1", "2"], ["x", "y"]]
    }  # fmt: skip


@pytest.mark.parametrize(
    "said, error",
    [
        ({"dataset": "d", "fold": 0, "sides_sha256": {"test": "1"}}, None),
        ({"dataset": "d", "fold": 0, "sides_sha256": {"test": "1", "train": "2"}, "more": 3}, None),
        (
            {"dataset": "d", "fold": 1, "sides_sha256": {"test": "1"}},
            "p: is of the fold 1, and .* of the fold 0; ",
        ),
        ({"dataset": "c", "fold": 0, "sides_sha256": {}}, "p: is of the dataset c, and should be of the dataset d; "),
        ({"fold": 0}, "p: does not say of what it is, and should be of the dataset d; "),
        ({"dataset": "d", "fold": 0, "sides_sha256": {"test": "3"}}, r"p: was made of other epochs .* \(test side\); "),
        ({"dataset": "d", "fold": 0}, "p: was made of other epochs than there are now"),
    ],
)
def test_a_file_that_is_of_something_else_is_refused(said, error):
    wanted = {"dataset": "d", "fold": 0, "sides_sha256": {"test": "1", "train": "2", "validation": "3"}}
    if error is None:
        check_about("p", said, wanted)
        return
    with pytest.raises(OtherError, match=f"^{error}") as raised:
        check_about("p", said, wanted)
    assert "make it again with `snakemake --force p`" in str(raised.value)


@pytest.fixture
def tables(tmp_path):
    """Tables of folds and of recordings; a function that writes the latter and gives the table of fold 0."""
    folds = [{"recording": name, "subject": name, "fold": fold, "split": split} for name, fold, split in FOLDS]
    write_rows(tmp_path / "folds.tsv", COLUMNS, folds)

    def fold(**hashes):
        rows = [{"recording": name, "epochs_sha256": hashes.get(name, "0"), "flags": "-"} for name in "abc"]
        write_rows(tmp_path / "recordings.tsv", list(rows[0]), rows)
        write_fold(tmp_path / "folds.tsv", tmp_path / "recordings.tsv", 0, tmp_path / "fold-0.tsv")
        return tmp_path / "fold-0.tsv"

    return fold


def test_the_table_of_a_fold_changes_with_its_epochs(tables):
    assert read_sides(tables(a="1"), 0) == {"test": {"a": "1"}, "validation": {"b": "0"}, "train": {"c": "0"}}
    before = tables(a="1").read_bytes()
    assert tables(a="1").read_bytes() == before and tables(a="2").read_bytes() != before


def test_sides_of_a_fold_are_told_apart(tables):
    wildcards = {"dataset": "d", "experiment": "e", "fold": "0"}
    one, other = about_fold(tables(), wildcards), about_fold(tables(a="1"), wildcards)
    assert one == {**other, "sides_sha256": one["sides_sha256"]} and one["experiment_name"] == "e" and one["fold"] == 0
    assert of_sides(one, "train", "validation") == of_sides(other, "train", "validation")
    assert of_sides(one, "test") != of_sides(other, "test")
    assert about_folds([tables(a="1")], {"dataset": "d", "experiment": "e"}) == [other]


def test_tables_of_other_folds_or_recordings_are_refused(tables, tmp_path):
    with pytest.raises(DamagedError, match="fold 1 has no recording"):
        read_sides(tables(), 1)
    with pytest.raises(DamagedError, match="does not say of which epochs"):
        read_sides(tmp_path / "folds.tsv", 0)
    text = (tmp_path / "recordings.tsv").read_text()
    (tmp_path / "recordings.tsv").write_text(text.replace("a\t", "z\t"))
    with pytest.raises(OtherError, match="has recordings that are not in .*, such as a; make it again"):
        write_fold(tmp_path / "folds.tsv", tmp_path / "recordings.tsv", 0, tmp_path / "fold-0.tsv")


def test_write_folds_and_write_fold_agree(tmp_path):
    recordings = [{"recording": name, "subject": name, "epochs_sha256": name * 3} for name in "abcd"]
    folds = make_folds("abcd", scheme="leave-one-subject-out", validation=0.1, seed=0, dataset="d")
    write_folds(folds, recordings, tmp_path / "folds.tsv")
    write_rows(tmp_path / "recordings.tsv", list(recordings[0]), recordings)
    for number, fold in enumerate(folds):
        write_fold(tmp_path / "folds.tsv", tmp_path / "recordings.tsv", number, tmp_path / "fold.tsv")
        sides = read_sides(tmp_path / "fold.tsv", number)
        assert {side: tuple(of_side) for side, of_side in sides.items()} == {
            side: fold.side(side) for side in ("train", "validation", "test")
        }
        assert pd.read_table(tmp_path / "fold.tsv")["epochs_sha256"].str.len().eq(3).all()
