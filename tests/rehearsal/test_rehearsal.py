"""The small form of the rehearsal, and that its checks see what is wrong."""

import shutil

import pandas as pd
import pytest
from PIL import Image

from tests.rehearsal.checks import faults, inside, plan_of
from tests.rehearsal.course import course
from tests.rehearsal.rehearsal import SMALL, TOKEN, Rehearsal


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    """A rehearsal at its end, and what was wrong in its course."""
    rehearsal = Rehearsal.prepared(tmp_path_factory.mktemp("rehearsal") / "small", SMALL, seed=0)
    return rehearsal, course(rehearsal, disturbed=True)


def test_the_papers_run_comes_to_its_end_whatever_happens_on_the_way(rehearsed):
    assert rehearsed[1] == []


def _count(folder):
    path = folder / "results/shhs/recordings.tsv"
    table = pd.read_table(path)
    table.loc[0, "N2"] += 1
    table.to_csv(path, sep="\t", index=False)


def _twice(folder):
    base = folder / "results/sleep-edf-20/paper"
    shutil.copy(base / "fold-0/predictions.parquet", base / "fold-1/predictions.parquet")


def _blank(folder):
    path = folder / "reports/sleep-edf-20/paper/figures/gradcam.png"
    Image.new("RGB", (100, 100), "white").save(path)


def _empty(folder):
    path = folder / "reports/tables/overall.tsv"
    path.write_text(path.read_text().splitlines()[0] + "\n")


WRONG = {
    "epochs by stage": _count,
    "sleep-edf-20, paper: ": _twice,
    "of one colour": _blank,
    "overall.tsv has no line": _empty,
    "is not there": lambda folder: (folder / "reports/shhs/paper/figures/tsne.png").unlink(),
    "the token is in": lambda folder: (folder / "results/note.txt").write_text(f"a {TOKEN} b"),
    "beside its folders": lambda folder: (folder / "left.txt").touch(),
}


@pytest.mark.parametrize("said", WRONG)
def test_the_checks_see_what_is_wrong(rehearsed, tmp_path, said):
    rehearsal, _ = rehearsed
    folder, whole = rehearsal.folder, tmp_path / "whole"
    shutil.copytree(folder, whole, symlinks=True)
    try:
        WRONG[said](folder)
        with inside(rehearsal):
            found = faults(rehearsal, plan_of(rehearsal))
    finally:
        shutil.rmtree(folder)
        shutil.move(whole, folder)
    assert any(said in line for line in found) and len(found) < 4, found
