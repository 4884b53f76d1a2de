"""What is planned: every shipped configuration, what reruns after which change, and mistakes in the configuration."""

import os
import re
import subprocess
import sys
from collections import Counter

import pytest
import yaml
from snakemake.utils import update_config

from hypnolens.pipeline import configuration
from hypnolens.plots.catalogue import FIGURES
from tests.conftest import ROOT
from tests.planning import begin, counted, planned
from tests.workflow.conftest import SIMULATED, copy_of_the_project

TRAINED_BY = {
    "se-resnet-bilstm": ("train", "predict"), "gradient-boosting": ("train_boosting",),
    "linear-probe": ("train_probe",), "yasa": ("predict_yasa",), "ensemble": ("ensemble",),
    **dict.fromkeys(configuration.NETWORKS, ("train_published", "predict_published")),
}  # fmt: skip
"""Rules that run once a fold of each model."""

PUBLISHED = {"sleep-edf-20": 20, "sleep-edf-78": 10}
"""Folds by the lists of subjects that others use too."""

SHIPPED = {
    "config": [], "demo": ["demo"], "explanations": ["explanations"], "sampling": ["sampling"], "stride": ["stride"],
    "ablations": ["ablations"], "small": ["ablations", "small"], "first-nights": ["first-nights"],
    "shipped": ["shipped"], "recipes": ["recipes"],
}  # fmt: skip
"""Files in ``config/``, and those with which each is given."""


def _files(*names):
    return [str(ROOT / "config" / f"{name}.yaml") for name in names]


def _loaded(*names, **over):
    """The configuration of shipped files, as Snakemake merges them."""
    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    for name in names:
        update_config(config, yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text()))
    return configuration.load({**config, **over}, ROOT)


def _runs(loaded, dataset):
    return [*loaded.datasets[dataset]["experiments"], *loaded.datasets[dataset]["compared"]]


def _trainings(loaded, datasets):
    """How often each rule of `TRAINED_BY` is to run, and `evaluate` and `features`."""
    counts = Counter()
    for dataset in datasets:
        folds = loaded.datasets[dataset]["folds"]
        number = PUBLISHED[dataset] if folds == "published" else folds["k"]
        models = [loaded.experiments[run]["model"] for run in _runs(loaded, dataset)]
        counts.update({"evaluate": len(models), "features": int("gradient-boosting" in models)})
        for model in models:
            counts.update(dict.fromkeys(TRAINED_BY[model], number))
    return counts


def _figures(plan):
    return {rule.removeprefix("figure_"): n for rule, n in plan.items() if rule.startswith("figure_")}


def _named(*of):
    return [figure.name for figure in FIGURES if figure.of in of]


def _plan(folder, *targets, **given):
    return counted(planned(folder, *targets, **given))


def test_the_demo_is_planned_in_full(tmp_path):
    sim = yaml.safe_load((ROOT / "config" / "datasets" / "sim.yaml").read_text())
    assert sim["subjects"] * sim["nights"] >= 6
    plan = _plan(tmp_path, configfiles=_files("config", "demo"))
    folds = sim["folds"]["k"] if "folds" in sim else sim["subjects"]
    assert folds >= 3
    assert plan["simulate"] == plan["epochs"] == sim["subjects"] * sim["nights"]
    assert plan["train"] == plan["predict"] == folds and plan["report"] == plan["paper"] == plan["all"] == 1
    assert _figures(plan) == dict.fromkeys(_named("dataset", "run"), 1)


def test_explanations_are_a_target_of_their_own_and_compare_with_shuffled_labels(tmp_path):
    files = _files("config", "explanations")
    plan = _plan(tmp_path, "explanations", configfiles=files)
    folds = plan["train"] / 2  # the network, and the one that is trained on shuffled labels
    assert plan["explanation_report"] == 1 and plan["sanity"] == plan["attribute"] == plan["faithfulness"] == folds >= 3
    assert set(_named("explanations")) < set(_figures(plan))
    assert plan["events"] == 9 and "report" not in plan and "attribute" not in _plan(tmp_path, configfiles=files)


def test_the_papers_run_fetches_sleep_edf_once_and_leaves_shhs_out_without_a_token(pipeline, monkeypatch):
    monkeypatch.delenv("NSRR_TOKEN", raising=False)
    plan = _plan(pipeline.folder)
    expected = _trainings(_loaded(), ["sleep-edf-20", "sleep-edf-78"])
    assert plan["download_sleepedf"] == 153 and plan["epochs"] == 153 + 39
    assert {rule: plan[rule] for rule in expected} == expected
    assert plan["report"] == 2 and plan["paper"] == 1 and "download_shhs" not in plan
    printed = pipeline.run("--dry-run", "--quiet", "rules").stdout
    assert re.search(r"^left out: shhs: 329 of 329 recordings are not here .* NSRR_TOKEN .* path:", printed, flags=re.M)


def test_with_a_token_all_that_the_page_shows_of_three_datasets_is_planned(tmp_path, monkeypatch):
    monkeypatch.setenv("NSRR_TOKEN", "1-secret")
    plan = _plan(tmp_path)
    loaded = _loaded()
    assert loaded.run == ["sleep-edf-20", "sleep-edf-78", "shhs"]
    for dataset in loaded.run:
        runs = {run: loaded.experiments[run] for run in _runs(loaded, dataset)}
        assert {options["model"] for options in runs.values()} == TRAINED_BY.keys()
        assert {options.get("protocol") for options in runs.values()} >= {"clean", "test-selected"}
        assert len(loaded.families(list(runs))["paper"]) == 3  # seeds
    expected = _trainings(loaded, loaded.run)
    assert expected.keys() == {"evaluate", "features", *(rule for rules in TRAINED_BY.values() for rule in rules)}
    assert {rule: plan[rule] for rule in expected} == expected
    assert _figures(plan) == dict.fromkeys(_named("dataset", "run"), 3)
    assert plan["download_shhs"] == 329 and plan["list_shhs"] == 1 and plan["report"] == 3 and plan["paper"] == 1


@pytest.mark.parametrize(
    "model, rules", [("yasa", {"predict_yasa": 3}), ("boosting", {"train_boosting": 3, "features": 1})]
)
def test_a_dataset_without_a_network_is_planned_without_what_needs_one(tmp_path, model, rules):
    plan = _plan(tmp_path, config={"run": ["mini"], "datasets": {"mini": {**SIMULATED, "experiments": [model]}}})
    of_run = ("confusion_matrix", "hypnograms", "calibration", "abstention", "transitions", "agreement")
    assert _figures(plan) == dict.fromkeys(["recordings", "stages", "f1_bars", *of_run], 1)
    assert {rule: plan.get(rule) for rule in rules} == rules and plan["report"] == plan["paper"] == 1
    unwanted = {rule for each in TRAINED_BY.values() for rule in each} | {"features", "cost", "explain", "architecture"}
    assert not plan.keys() & (unwanted - rules.keys())


def test_all_that_the_page_can_show_is_planned_on_simulated_nights(tmp_path):
    jobs = planned(tmp_path, configfiles=_files("config", *SHIPPED["small"]))
    loaded = _loaded(*SHIPPED["small"])
    evaluated = [job.wildcards.experiment for job in jobs if job.rule.name == "evaluate"]
    assert sorted(evaluated) == sorted(_runs(loaded, "sim-study")) and loaded.run == ["sim-study"]
    families = loaded.families(evaluated)
    assert len(families["small"]) == 3 and len(families) == len(evaluated) - 2  # seeds; nothing else is run twice
    options = {name: loaded.experiments[runs[0]] for name, runs in families.items()}
    assert {each["model"] for each in options.values()} == TRAINED_BY.keys()
    own = {name for name, each in options.items() if each["model"] == "se-resnet-bilstm"}
    selected = {name for name in own if options[name]["protocol"] == "test-selected"}
    clean = {**options["small"], "seed": 0, "protocol": "test-selected"}
    assert len(selected) == 1 and options[selected.pop()] == clean and len(own) >= 1 + 1 + 5


def test_ablations_are_planned_on_a_dataset_of_ones_choice(tmp_path):
    loaded = _loaded("ablations", run=["sleep-edf-78"])
    plan = _plan(tmp_path, configfiles=_files("config", "ablations"), config={"run": ["sleep-edf-78"]})
    expected = _trainings(loaded, ["sleep-edf-78"])
    compared = yaml.safe_load((ROOT / "config" / "ablations.yaml").read_text())["compared"]
    assert {*compared, "paper"} <= {*_runs(loaded, "sleep-edf-78")} and len(compared) >= 5
    assert {rule: plan[rule] for rule in expected} == expected and plan["report"] == 1
    # What is listed differs from the main experiment, or it would share its line of the tables.
    assert {*compared} <= loaded.families(_runs(loaded, "sleep-edf-78")).keys()


def test_every_shipped_file_is_known():
    assert SHIPPED.keys() == {path.stem for path in (ROOT / "config").glob("*.yaml")}


@pytest.mark.parametrize("name", ["sampling", "stride", "ablations", "small", "first-nights", "shipped"])
def test_other_shipped_files_are_planned(tmp_path, name):
    loaded = _loaded(*SHIPPED[name])
    plan = _plan(tmp_path, configfiles=_files("config", *SHIPPED[name]))
    expected = +_trainings(loaded, loaded.run)
    assert {rule: plan[rule] for rule in expected} == expected and plan["report"] == plan["paper"] == 1


@pytest.mark.parametrize("targets", [[], ["results/shhs/recordings.tsv"]])
def test_nothing_but_what_cannot_be_had_is_an_error(tmp_path, monkeypatch, targets):
    monkeypatch.delenv("NSRR_TOKEN", raising=False)
    with pytest.raises(SystemExit, match="no token for the NSRR; set the environment variable NSRR_TOKEN"):
        planned(tmp_path, *targets, config={"run": ["shhs"]})


ALIVE = "from pathlib import Path; from hypnolens.pipeline.progress import is_alive; print(is_alive(Path()))"


def test_snakemake_says_that_it_lives_before_its_first_job(tmp_path):
    begin(tmp_path, config={"run": ["sim"]})
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", ALIVE]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == "True\n"


def test_programs_of_slurm_are_looked_for_before_its_first_job(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="^SLURM: there is no program `sbatch`, which submits jobs"):
        begin(tmp_path, executor="slurm", config={"run": ["sim"]})
    assert not (tmp_path / ".snakemake" / "hypnolens.alive").exists()


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
def test_a_mistake_ends_the_plan_with_one_line_that_names_what_is_allowed(tmp_path, config, words):
    with pytest.raises(SystemExit) as caught:
        planned(tmp_path, config=config)
    line = str(caught.value)
    assert words in line and "\n" not in line and line.startswith(("configuration: ", "x: "))


def test_a_mistake_is_the_last_line(pipeline):
    (pipeline.folder / "config.yaml").write_text("run: [shhs, simm]")
    run = pipeline.run()
    last = run.stdout.splitlines()[-1]
    assert run.returncode != 0 and last.startswith("configuration: run: 'simm'") and "Traceback" not in run.stdout


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
        ("hypnolens/plots/tsne.py", {"figure_tsne", "jobs", "report", "paper", "all"}),
        ("hypnolens/evaluation/metrics.py", {"train", "evaluate", "report"}),
        ("hypnolens/recordings/quality.py", {"epochs", "train", "report"}),
        ("workflow/scripts/tables.py", {"tables", "jobs", "report", "paper", "all"}),
        ("hypnolens/pipeline/logs.py", set()),
        ("hypnolens/pipeline/progress.py", set()),
    ],
)
def test_a_change_of_code_reruns_what_runs_it(finished, tmp_path, file, rerun):
    root = copy_of_the_project(tmp_path)
    assert finished.planned(root=root) == {}  # other folder, other modification times, same code
    with (root / file).open("a") as source:
        source.write("\nCHANGED = True\n")
    plan = finished.planned(root=root)
    assert rerun <= plan.keys() and (len(rerun) > 0) == bool(plan)
    if file != "hypnolens/recordings/quality.py" and file != "hypnolens/evaluation/metrics.py":
        assert plan.keys() == rerun
    assert "simulate" not in plan


@pytest.mark.parametrize("seed", [3, 4, 5, 6])
def test_keys_are_there_in_whatever_order_a_first_run_is_planned(pipeline, seed):
    """Snakemake lists a folder once; a key that is written there later was missing, by the order of a set."""
    pipeline.configure(datasets={"mini": SIMULATED})
    targets = ("tables/counts.tsv", "figures/recordings.png", "figures/stages.png")
    command = pipeline.command(*(f"reports/mini/{name}" for name in targets), "--dry-run", "--quiet", "rules")
    run = subprocess.run(command, cwd=pipeline.folder, env={**os.environ, "PYTHONHASHSEED": str(seed)},
                         capture_output=True, text=True)  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
