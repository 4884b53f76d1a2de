"""A few of the faults that `python -m tests.faults` injects, always the same."""

import random

import pytest

from tests.faults.damage import FILES, damage
from tests.faults.local import EVERYTHING, JOB, SNAKEMAKE, disks, kills
from tests.faults.swaps import swaps
from tests.faults.table import counted, table
from tests.faults.updates import CTRL_C, KILL, updates


def _all_well(outcomes) -> None:
    print(f"\n{table(counted(outcomes))}")
    assert [outcome for outcome in outcomes if outcome[1]] == []


def test_kills_lose_nothing(undisturbed, tmp_path):
    outcomes = kills(tmp_path, undisturbed, [SNAKEMAKE, EVERYTHING, JOB, SNAKEMAKE], random.Random(0))
    assert [fault for fault, _ in outcomes] == [SNAKEMAKE, EVERYTHING, JOB, SNAKEMAKE]
    _all_well(outcomes)


def test_full_and_read_only_disks_lose_nothing(undisturbed, tmp_path):
    try:
        _all_well(disks(tmp_path, undisturbed, 1, random.Random(0)))
    except PermissionError as error:
        pytest.skip(str(error))


def test_damaged_files_are_noticed_named_and_made_again(undisturbed, tmp_path):
    kinds = {"epochs": "truncated", "checkpoint": "with a flipped bit", "predictions": "truncated"}
    files = [file._replace(kinds=[kinds[file.what]]) for file in FILES if file.what in kinds]
    _all_well(damage(tmp_path, undisturbed, files, random.Random(0)))


def test_files_that_are_exchanged_are_noticed_named_and_made_again(undisturbed, tmp_path):
    _all_well(swaps(tmp_path, undisturbed))


def test_updates_that_are_interrupted_leave_nothing_stale(tmp_path):
    plan = [("another channel", CTRL_C), ("a key of training", KILL), ("replaced files", CTRL_C)]
    _all_well(updates(tmp_path / "updates", plan, random.Random(0)))


def test_what_was_lost_is_counted():
    assert counted([("a", ""), ("b", "x"), ("a", "y")]) == {"a": (2, 1), "b": (1, 0)}
    assert table({"a": (2, 1), "b": (1, 0)}).splitlines()[-1].split() == ["all", "3", "1", "2"]
