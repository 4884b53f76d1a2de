"""What is planned: every shipped configuration, what reruns after which change, and mistakes in the configuration."""

import re
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.conftest import ROOT
from tests.workflow.conftest import SIMULATED, copy_of_the_project


def test_the_demo_is_planned_in_full(pipeline):
    shutil.copy(ROOT / "config" / "demo.yaml", pipeline.folder / "config.yaml")
    sim = yaml.safe_load((ROOT / "config" / "datasets" / "sim.yaml").read_text())
    assert sim["subjects"] * sim["nights"] >= 6
    plan = pipeline.planned()
    folds = sim["folds"]["k"] if "folds" in sim else sim["subjects"]
    assert plan["simulate"] == plan["epochs"] == sim["subjects"] * sim["nights"]
    assert plan["train"] == plan["predict"] == folds and plan["report"] == plan["all"] == 1
    assert sum(rule.startswith("figure_") for rule in plan) == 3 + 6


def test_explanations_are_a_target_of_their_own_and_compare_with_shuffled_labels(pipeline):
    shutil.copy(ROOT / "config" / "explanations.yaml", pipeline.folder / "config.yaml")
    plan = pipeline.planned("explanations")
    assert plan["explanation_report"] == 1 and plan["sanity"] == plan["attribute"] == plan["faithfulness"] == 6
    assert plan["train"] == 6 + 6  # the network, and the one that is trained on shuffled labels
    assert plan["events"] == 6 and "report" not in plan and "attribute" not in pipeline.planned()


def test_the_papers_run_fetches_sleep_edf_once_and_leaves_shhs_out_without_a_token(pipeline, monkeypatch):
    monkeypatch.delenv("NSRR_TOKEN", raising=False)
    plan = pipeline.planned()
    assert plan["download_sleepedf"] == 153 and plan["epochs"] == 153 + 39 and plan["train"] == 20 + 10
    assert plan["report"] == 2 and "download_shhs" not in plan
    printed = pipeline.run("--dry-run", "--quiet", "rules").stdout
    assert re.search(r"^left out: shhs: 329 of 329 recordings are not here .* NSRR_TOKEN .* path:", printed, flags=re.M)


def test_with_a_token_all_three_datasets_are_run(pipeline, monkeypatch):
    monkeypatch.setenv("NSRR_TOKEN", "1-secret")
    plan = pipeline.planned()
    assert plan["download_shhs"] == 329 and plan["list_shhs"] == 1 and plan["train"] == 40 and plan["report"] == 3


@pytest.mark.parametrize("target", [[], ["results/shhs/recordings.tsv"]])
def test_nothing_but_what_cannot_be_had_is_an_error(pipeline, monkeypatch, target):
    monkeypatch.delenv("NSRR_TOKEN", raising=False)
    (pipeline.folder / "config.yaml").write_text("run: [shhs]")
    run = pipeline.run(*target)
    assert run.returncode != 0 and "Traceback" not in run.stdout
    assert "no token for the NSRR; set the environment variable NSRR_TOKEN" in run.stdout.splitlines()[-1]


@pytest.mark.parametrize("option", ["--lint", "--list"])
def test_lint_and_list_need_no_data(option):
    run = subprocess.run([sys.executable, "-m", "snakemake", option], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "train" in run.stdout if option == "--list" else "good condition" in run.stdout + run.stderr


@pytest.mark.parametrize(
    "config, words",
    [
        ({"run": ["simm"]}, "run: 'simm' is not defined (did you mean 'sim'?)"),
        ({"rum": ["sim"]}, "unknown key 'rum' (did you mean 'run'?); allowed are run, datasets, experiments"),
        ({"run": ["sim"], "datasets": {"sim": {"hours": -1}}}, "datasets.sim.hours: value -1 is not allowed"),
        (
            {"run": ["sim"], "datasets": {"sim": {"fold": 3}}},
            "datasets.sim: unknown key 'fold' (did you mean 'folds'?)",
        ),
        ({"run": ["sim"], "experiments": {"demo": {"window": 4}}}, "experiments.demo.window: value 4 is not allowed"),
        ({"run": ["x"], "datasets": {"x": {"kind": "folder", "path": "nowhere"}}}, "there is no folder 'nowhere'"),
        ({"run": ["x"], "datasets": {"x": {**SIMULATED, "experiments": ["demo"], "subjects": 1}}}, "x: has 1 subject,"),
    ],
)
def test_a_mistake_is_the_last_line_and_names_what_is_allowed(pipeline, config, words):
    (pipeline.folder / "config.yaml").write_text(yaml.safe_dump(config))
    run = pipeline.run()
    last = run.stdout.splitlines()[-1]
    assert run.returncode != 0 and words in last and "Traceback" not in run.stdout
    assert last.startswith(("configuration: ", "x: "))


def test_a_second_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished.run().stdout


def test_another_experiment_extracts_and_retrains_nothing(finished):
    original = (finished.folder / "config.yaml").read_text()
    try:
        finished.configure(
            datasets={"mini": {**SIMULATED, "experiments": ["tiny", "other"]}},
            experiments={"other": {"from": "tiny", "seeds": [1, 2]}},
        )
        plan = finished.planned()
    finally:
        (finished.folder / "config.yaml").write_text(original)
    assert plan["train"] == 6 and plan["report"] == 1
    assert not {"simulate", "epochs", "recordings", "folds"} & plan.keys()


@pytest.mark.parametrize(
    "change, reruns, keeps",
    [
        ({"mini": {**SIMULATED, "fold_seed": 1}}, {"folds", "train", "report"}, {"simulate", "epochs", "recordings"}),
        ({"mini": {**SIMULATED, "trim_wake_min": 5}}, {"epochs", "folds", "train"}, {"simulate"}),
    ],
)
def test_a_changed_key_reruns_what_reads_it(finished, change, reruns, keeps):
    original = (finished.folder / "config.yaml").read_text()
    try:
        finished.configure(datasets=change)
        plan = finished.planned()
    finally:
        (finished.folder / "config.yaml").write_text(original)
    assert reruns <= plan.keys() and not keeps & plan.keys()


@pytest.mark.parametrize(
    "file, rerun",
    [
        ("hypnolens/plots/tsne.py", {"figure_tsne", "report", "all"}),
        ("hypnolens/metrics.py", {"train", "evaluate", "report"}),
        ("hypnolens/quality.py", {"epochs", "train", "report"}),
        ("workflow/scripts/tables.py", {"tables", "report", "all"}),
        ("hypnolens/logs.py", set()),
    ],
)
def test_a_change_of_code_reruns_what_runs_it(finished, tmp_path, file, rerun):
    root = copy_of_the_project(tmp_path)
    assert finished.planned(root=root) == {}  # other folder, other modification times, same code
    with (root / file).open("a") as source:
        source.write("\nCHANGED = True\n")
    plan = finished.planned(root=root)
    assert rerun <= plan.keys() and (len(rerun) > 0) == bool(plan)
    if file != "hypnolens/quality.py" and file != "hypnolens/metrics.py":
        assert plan.keys() == rerun
    assert "simulate" not in plan
