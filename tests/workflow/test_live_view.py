"""Where a run is and what it took: the live view, the command, and the tables of jobs beside Snakemake's plan."""

import os
import pty
import re
import subprocess
import sys
from importlib.util import find_spec

import pandas as pd
import pytest

from tests.conftest import ROOT, write_pair
from tests.workflow.conftest import SIMULATED

needs_the_live_view = pytest.mark.skipif(
    find_spec("snakemake_logger_plugin_rich") is None, reason="snakemake-logger-plugin-rich is not installed"
)


def _three_recordings_one_cut_short(pipeline):
    folder = pipeline.folder / "psg"
    for number, name in enumerate(["bad", "good1", "good2"]):
        write_pair(folder, name, "W122R3", seed=number)
    (folder / "bad-PSG.edf").write_bytes((folder / "bad-PSG.edf").read_bytes()[:-5000])
    pipeline.configure(datasets={"mine": {"kind": "folder", "path": "psg", "experiments": ["tiny"]}})
    return [*pipeline.command("results/mine/recordings.tsv"), "--logger", "rich"]


def _on_a_terminal(command, folder):
    """Run in a pseudo-terminal; exit status and what it showed, without the terminal's control sequences."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200", "LINES": "40"}
    process = subprocess.Popen(command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other side was closed
            break
        if not part:
            break
        shown += part
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode("utf-8", errors="replace"))
    return process.wait(timeout=60), text.replace("\r", "\n")


@needs_the_live_view
def test_in_the_live_view_rules_have_bars_and_the_reason_comes_last(pipeline):
    status, shown = _on_a_terminal(_three_recordings_one_cut_short(pipeline), pipeline.folder)
    assert status != 0 and "Traceback" not in shown
    assert "Workflow Progress" in shown and re.search(r"epochs +━+.* 67%", shown)
    lines = [line for line in shown.splitlines() if line.strip()]
    assert lines[-1].startswith("bad: bad-PSG.edf is cut short")
    assert {path.stem for path in (pipeline.folder / "results/mine/epochs").glob("*")} == {"good1", "good2"}


@needs_the_live_view
def test_the_live_view_in_a_file_ends_with_the_reason_too(pipeline):
    _three_recordings_one_cut_short(pipeline)
    run = pipeline.run("results/mine/recordings.tsv", "--logger", "rich")
    assert run.returncode != 0 and "\x1b" not in run.stdout
    # rich ends with empty lines where there is no terminal.
    assert run.stdout.rstrip().splitlines()[-1].startswith("bad: bad-PSG.edf is cut short")


def test_tables_of_jobs_count_what_snakemake_planned(finished, pipeline):
    pipeline.configure(datasets={"mini": SIMULATED})
    plan = pipeline.planned()
    # Simulated recordings belong to no dataset, and the tables are made before the report.
    for rule in ("all", "simulate", "jobs", "report", "paper"):
        assert plan.pop(rule) >= 1
    tables = finished.folder / "reports/mini/tables"
    jobs = pd.read_table(tables / "jobs.tsv").set_index("rule")
    # What tests asked for besides, such as explanations, may have been there before.
    assert {rule: jobs["jobs"].get(rule) for rule in plan} == plan
    walls = pd.read_table(finished.folder / "results/mini/benchmarks/train/tiny/fold-1.tsv")["s"]
    folds = pd.read_table(tables / "fold_costs.tsv").set_index(["experiment", "fold"])
    assert len(folds) == 3 and (folds["passes"] == 2).all()
    assert float(folds.loc[("tiny", 1), "train_wall_s"]) == pytest.approx(walls[0], abs=0.051)
    assert (folds["passes_s"].astype(float) < folds["train_wall_s"].astype(float)).all()
    page = (finished.folder / "reports/mini/report.html").read_text()
    assert '<h2 id="What-it-took">' in page and "figure_confusion_matrix" in page


def test_a_benchmark_file_that_is_gone_reruns_nothing(finished):
    file = finished.folder / "results/mini/benchmarks/evaluate/tiny.tsv"
    text = file.read_text()
    file.unlink()
    try:
        assert finished.planned() == {}
    finally:
        file.write_text(text)


def test_the_command_finds_all_folds_of_a_chain_trained(finished):
    command = [sys.executable, "-m", "hypnolens.cli", "progress", finished.folder]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    first, *folds, _, last = run.stdout.splitlines()
    assert first == "mini/tiny" and len(folds) == 3 and last.startswith("All 3 folds are trained.")
    for fold, line in enumerate(folds):
        best = pd.read_table(finished.folder / f"results/mini/tiny/fold-{fold}/history.tsv")[
            "validation_macro_f1"
        ].max()
        assert line.startswith(f"  fold {fold}  done, 2 passes, validation macro-F1 {best:.3f}, took ")
