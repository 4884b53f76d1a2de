"""What jobs took: which files count, sums that can be checked by hand, and Snakemake's ``NA``."""

import os
import re
from pathlib import Path

import pytest

from hypnolens.errors import DamagedError
from hypnolens.pipeline.jobs import (
    FOLD_COLUMNS,
    NONE,
    RULE_COLUMNS,
    RUN_COLUMNS,
    by_fold,
    by_rule,
    by_run,
    job_of,
    read_jobs,
)
from tests.planning import rules

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time"
BELONGS = {"runs": ["net", "trees"], "recordings": ["a", "b.1"], "n_folds": 2}


def _benchmark(folder, path, wall, memory="100.00", cpu="5.00", *, age=0):
    file = folder / "benchmarks" / f"{path}.tsv"
    file.parent.mkdir(parents=True, exist_ok=True)
    rest = f"{memory}\t1\t1\t1\t0\t0\t50.0\t{cpu}" if memory != "NA" else "\t".join(["NA"] * 8)
    file.write_text(f"{HEADER}\n{wall}\t0:00:01\t{rest}\n")
    os.utime(file, (1e9 - age, 1e9 - age))
    return file


@pytest.fixture
def dataset(tmp_path):
    _benchmark(tmp_path, "epochs/a", 2.0, "50.00", "1.00")
    _benchmark(tmp_path, "epochs/b.1", 4.0, "70.00", "2.50")
    _benchmark(tmp_path, "folds", 0.2, "0.30", "0.00")
    _benchmark(tmp_path, "counts", 0.1, "NA")
    _benchmark(tmp_path, "figures/stages", 3.0)
    _benchmark(tmp_path, "figures/net/tsne", 6.0)
    for fold, wall in enumerate([60.0, 80.0]):
        _benchmark(tmp_path, f"train/net/fold-{fold}", wall, f"{900 + fold}.00", "50.00")
        _benchmark(tmp_path, f"predict/net/fold-{fold}", 4.0, "400.00", "3.00")
        _benchmark(tmp_path, f"train_boosting/trees/fold-{fold}", 7.0, "300.00", "9.00")
        history = tmp_path / "net" / f"fold-{fold}" / "history.tsv"
        history.parent.mkdir(parents=True)
        history.write_text("pass\tseconds\n1\t25.5\n2\t24.5\n")
    return tmp_path


def _read(folder):
    return read_jobs(folder / "benchmarks", **BELONGS)


def _folds(folder):
    return by_fold(_read(folder), folder, runs=BELONGS["runs"], n_folds=2)


def test_jobs_are_summed_by_rule_the_longest_first(dataset):
    rows = by_rule(_read(dataset))
    assert [tuple(row) for row in rows] == [RULE_COLUMNS] * len(rows)
    assert [row["rule"] for row in rows][:2] == ["train", "train_boosting"]
    of = {row["rule"]: row for row in rows}
    assert of.keys() == {"epochs", "folds", "counts", "figure_stages", "figure_tsne", "train", "predict",
                         "train_boosting"}  # fmt: skip
    assert list(of["epochs"].values()) == ["epochs", 2, "6.0", "3.0", "4.0", "70.0", "3.5"]
    assert list(of["train"].values()) == ["train", 2, "140.0", "70.0", "80.0", "901.0", "100.0"]


@pytest.mark.parametrize("rule, wall", [("folds", "0.2"), ("counts", "0.1")])
def test_memory_of_a_job_too_short_to_be_seen_is_not_known(dataset, rule, wall):
    (row,) = (row for row in by_rule(_read(dataset)) if row["rule"] == rule)
    assert (row["wall_s"], row["memory_mb"], row["cpu_s"]) == (wall, NONE, NONE)


def test_what_is_known_counts_beside_what_is_not(dataset):
    _benchmark(dataset, "epochs/a", 5.0, "NA")
    (row,) = (row for row in by_rule(_read(dataset)) if row["rule"] == "epochs")
    assert (row["jobs"], row["wall_s"], row["memory_mb"], row["cpu_s"]) == (2, "9.0", "70.0", "2.5")


@pytest.mark.parametrize(
    "path",
    ["epochs/gone", "train/net/fold-2", "train/old/fold-0", "figures/old/tsne", "evaluate/old", "jobs", "report"],
)
def test_files_of_what_is_no_longer_there_or_comes_later_do_not_count(dataset, path):
    before = by_rule(_read(dataset))
    _benchmark(dataset, path, 1000.0)
    assert by_rule(_read(dataset)) == before


@pytest.mark.parametrize("text", ["", HEADER, f"{HEADER}\n3.0", f"{HEADER}\nx\ty\n", "a\tb\n1\t2\n"])
def test_a_missing_or_damaged_file_is_a_job_less(dataset, text):
    (dataset / "benchmarks/epochs/a.tsv").write_text(text)
    (dataset / "benchmarks/epochs/b.1.tsv").unlink()
    assert "epochs" not in {row["rule"] for row in by_rule(_read(dataset))}


@pytest.mark.parametrize("number", ["inf", "1e300", "-1e300", "\u00b2"])
def test_numbers_that_no_job_takes_are_not_believed(dataset, number):
    before = by_rule(_read(dataset))
    _benchmark(dataset, "figures/net/gallery", number)
    assert by_rule(_read(dataset)) == before
    (dataset / "net/fold-0/history.tsv").write_text(f"pass\tseconds\n1\t{number}\n")
    with pytest.raises(DamagedError, match="history.tsv: damaged"):
        _folds(dataset)


def test_without_any_file_the_tables_have_no_numbers(tmp_path):
    assert by_rule(_read(tmp_path)) == []
    (row, *others) = _folds(tmp_path)
    assert len(others) == 3 and set(list(row.values())[2:]) == {NONE}


def test_longer_lines_of_an_extended_benchmark_are_read_too(dataset):
    more, values = "jobid\trule_name\twildcards", "3\tepochs\t{'a': \"b\"}"
    row = "2.0\t0:00:02\t50.0\t1\t1\t1\t0\t0\t50.0\t1.0"
    (dataset / "benchmarks/epochs/a.tsv").write_text(f"{HEADER}\t{more}\n{row}\t{values}\n")
    (row,) = (row for row in by_rule(_read(dataset)) if row["rule"] == "epochs")
    assert (row["jobs"], row["wall_s"]) == (2, "6.0")


def test_a_fold_has_its_passes_and_both_its_jobs(dataset):
    rows = _folds(dataset)
    assert [tuple(row) for row in rows] == [FOLD_COLUMNS] * 4
    assert list(rows[1].values()) == ["net", 1, 2, "50.0", "80.0", "50.0", "901.0", "4.0", "3.0", "400.0"]
    # One job trains the trees and predicts, and they have no passes.
    assert list(rows[2].values()) == ["trees", 0, NONE, NONE, "7.0", "9.0", "300.0", NONE, NONE, NONE]


def test_of_two_models_of_a_run_the_later_one_counts(dataset):
    _benchmark(dataset, "train_published/net/fold-0", 5000.0, age=1000)
    assert _folds(dataset)[0]["train_wall_s"] == "60.0"
    _benchmark(dataset, "train_published/net/fold-0", 30.0, age=-1000)
    assert _folds(dataset)[0]["train_wall_s"] == "30.0"


def test_folds_of_a_run_together(dataset):
    net, trees = by_run(_folds(dataset))
    assert tuple(net) == RUN_COLUMNS
    assert (net["experiment"], net["folds"], net["passes"], net["passes_s"]) == ("net", 2, "2.0", "50.0")
    assert (net["train_wall_s"], net["train_memory_mb"], net["all_folds_wall_s"]) == ("70.0", "901.0", "148.0")
    assert (trees["predict_wall_s"], trees["passes"], trees["all_folds_wall_s"]) == (NONE, NONE, "14.0")


def test_every_rule_of_a_dataset_is_told_by_the_place_of_its_benchmark_file():
    found = 0
    for name, rule in rules().items():
        place = re.sub(r"\{(\w+),(?:[^{}]|\{[^}]*\})*\}", r"{\1}", str(rule.benchmark or ""))
        if not place.startswith("results/{dataset}/benchmarks/"):
            continue
        values = {"experiment": "net", "recording": "b.1", "fold": "0"}
        told, wildcards = job_of(Path(place.removeprefix("results/{dataset}/benchmarks/").format(**values)))
        assert told == name, place
        assert {*wildcards} <= {"net", "b.1", "fold-0"}, place
        found += 1
    assert found > 30
