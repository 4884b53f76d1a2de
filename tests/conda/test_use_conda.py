"""Every step runs with what its environment declares and no more, started by a Snakemake that has nothing to lend."""

import ast
import hashlib
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest
from packaging.utils import canonicalize_name

from hypnolens import __version__
from hypnolens.io.tables import read_rows, write_rows
from tests.conda import standin, venvs
from tests.conda.conftest import ENVIRONMENTS, dependencies
from tests.conftest import ROOT, write_pair
from tests.planning import environment_of, rules, sources_of
from tests.workflow.conftest import SIMULATED, Pipeline, copy_of_the_project

ALL_HEAVY = ("torch", "mne", "sklearn", "numpy", "pandas", "scipy", "edfio", "matplotlib", "yasa", "hypnolens")


def its_sources(environment: str) -> set[Path]:
    """Files of the project that run in an environment."""
    return {path for rule in rules().values() if environment_of(rule) == environment for path in sources_of(rule)}


def imports(environment: str) -> set[str]:
    """Modules from outside of the standard library that these files import."""
    nodes = [node for path in its_sources(environment) for node in ast.walk(ast.parse(path.read_text()))]
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name for name in found if name.split(".")[0] not in {*sys.stdlib_module_names, "hypnolens"}}


def activated(pipeline, printed: str) -> set[str]:
    """Environments in which the jobs of a run were, by the name of their file."""
    prefixes = re.findall(r"Activating conda environment: (\S+)", printed)
    texts = [(pipeline.environments / f"{Path(prefix).name}.yaml").read_text() for prefix in prefixes]
    return {re.search(r"^name: hypnolens-(\w+)$", text, re.M)[1] for text in texts}


def test_the_controller_holds_snakemake_alone(installed):
    code = (
        "import sys, json; from importlib import metadata, util\n"
        "found = [name for name in sys.argv[1:] if util.find_spec(name)]\n"
        "print(json.dumps([found, [each.name for each in metadata.distributions()]]))"
    )
    command = [installed / "controller" / "bin" / "python", "-c", code, *ALL_HEAVY]
    run = subprocess.run(command, cwd=installed, capture_output=True, text=True, check=True)
    found, distributions = json.loads(run.stdout)
    assert found == [] and "snakemake" in distributions
    assert {canonicalize_name(name) for name in distributions} == venvs.closure(["snakemake"]).keys()


PROBE = """\
import importlib, importlib.util, json, sys

def origin(name):
    spec = importlib.util.find_spec(name)
    return spec and (spec.origin or list(spec.submodule_search_locations)[0])

imported = {name: importlib.import_module(name).__file__ for name in snakemake.params.imports}
visible = {name: origin(name) for name in snakemake.params.names}
with open(snakemake.output[0], "w") as file:
    json.dump({"imported": imported, "visible": visible, "path": sys.path, "python": sys.executable}, file)
"""
PROBES = """\
rule all:
    input: expand("{name}.json", name=config["imports"])

for name in config["imports"]:
    rule:
        name: f"probe_{name}"
        output: f"{name}.json"
        conda: f"{config['root']}/envs/{name}.yaml"
        params: imports=config["imports"][name], names=config["names"]
        script: "probe.py"
"""


def test_a_step_finds_what_it_imports_in_its_environment_and_nothing_of_the_tests(controlled):
    owners = metadata.packages_distributions()
    here = {name for name in owners if name.isidentifier()}
    config = {"root": str(ROOT), "imports": {name: sorted(imports(name)) for name in ENVIRONMENTS}}
    config["names"] = sorted(here - set(sys.stdlib_module_names))
    (controlled.folder / "config.yaml").write_text(json.dumps(config))
    (controlled.folder / "Snakefile").write_text(PROBES)
    (controlled.folder / "probe.py").write_text(PROBE)
    run = controlled.run("--use-conda", "--workflow-profile", "none", root=controlled.folder)
    assert run.returncode == 0, run.stdout[-4000:]
    of_snakemake = venvs.closure(["snakemake"])
    of_tests = Path(metadata.distribution("torch").locate_file("")).resolve()
    for name in ENVIRONMENTS:
        found = json.loads((controlled.folder / f"{name}.json").read_text())
        prefix = Path(found["python"]).parent.parent
        assert prefix.parent == controlled.environments and of_tests not in map(Path, found["path"])
        for module, file in found["imported"].items():
            assert Path(file).is_relative_to(prefix), (name, module, file)
        # Of all that the tests have, a step sees its own environment and what Snakemake brings.
        held = venvs.closure(f"{pin}=={version}" for pin, version in dependencies(name)[1].items())
        for module, file in found["visible"].items():
            names = {canonicalize_name(each) for each in owners[module]}
            expected = prefix if names & held.keys() else controlled.controller if names & of_snakemake.keys() else None
            assert bool(file) == bool(expected), (name, module, file)
            assert not file or Path(file).is_relative_to(expected), (name, module, file)


def test_a_chain_runs_to_its_report_each_step_in_its_own_environment(by_conda):
    reports = by_conda.folder / "reports"
    assert (reports / "paper.html").is_file() and "Simulated nights" in (reports / "mini/report.html").read_text()
    made = json.loads((by_conda.folder / "results/mini/tiny/fold-0/model.json").read_text())["made"]
    assert made["version_torch"].split("+")[0] == dependencies("train")[1]["torch"]
    assert activated(by_conda, by_conda.printed) == {"signal", "train", "figures", "explain", "yasa"}
    # What is not in its environment was not there.
    assert made["version_edfio"] == "not installed" and made["version_hypnolens"] == __version__


def test_a_run_by_conda_gives_the_predictions_of_a_run_without(by_conda, tmp_path):
    wanted, pipeline = "results/mini/tiny/fold-0/predictions.parquet", Pipeline(tmp_path)
    pipeline.configure(datasets={"mini": SIMULATED})
    run = pipeline.run(wanted)
    assert run.returncode == 0, run.stdout[-4000:]
    pd.testing.assert_frame_equal(pd.read_parquet(pipeline.folder / wanted), pd.read_parquet(by_conda.folder / wanted))


def test_downloads_baselines_and_nights_of_ones_own_run_in_theirs(by_conda, server, tmp_path):
    """What the chain to the report has no need of; with the newer name of the same option."""
    root = copy_of_the_project(tmp_path)
    rows = [row for row in read_rows(root / "config/tables/sleep-edf.tsv") if row["recording"] == "SC4001E0"]
    paths = write_pair(tmp_path / "published", "SC4001E0", "W122R3")
    for path, name, column in zip(paths, ("SC4001E0-PSG", "SC4001EC-Hypnogram"), ("psg_sha1", "hypnogram_sha1"),
                                  strict=True):  # fmt: skip
        server.files[f"/{name}.edf"] = path.read_bytes()
        rows[0][column] = hashlib.sha1(path.read_bytes()).hexdigest()
    write_rows(root / "config/tables/sleep-edf.tsv", list(rows[0]), rows)
    quick = {"from": "chambon2018", "passes": 1, "patience": None, "batch_windows": 32, "torch_threads": 1}
    night = next(by_conda.folder.glob("data/simulate/*/SIM000N1-PSG.edf"))
    by_conda.configure(
        datasets={"mini": {**SIMULATED, "compared": ["boosting", "quick"]}}, experiments={"quick": quick},
        download={"sleepedf": [server.address]},
        score={"nights": [str(night.relative_to(by_conda.folder))], "model": "results/mini/tiny"},
    )  # fmt: skip
    wanted = {
        "download": "data/sleepedf/SC4001EC/SC4001E0-PSG.edf",
        "boosting": "results/mini/boosting/fold-0/predictions.parquet",
        "published": "results/mini/quick/fold-0/predictions.parquet",
        "score": "reports/scores/scores.tsv",
    }
    run = by_conda.run(*wanted.values(), "--sdm", "conda", root=root)
    by_conda.configure(datasets={"mini": SIMULATED})
    assert run.returncode == 0, run.stdout[-4000:]
    assert all((by_conda.folder / path).is_file() for path in wanted.values())
    assert activated(by_conda, run.stdout) >= wanted.keys()


def test_a_rule_whose_environment_lacks_a_package_fails(controlled):
    root = copy_of_the_project(controlled.folder)
    path = root / "envs" / "signal.yaml"
    whole = path.read_text()
    path.write_text(re.sub(r" *- edfio==.*\n", "", whole))
    assert path.read_text() != whole
    controlled.configure(datasets={"mini": SIMULATED})
    run = controlled.run("results/mini/recordings.tsv", "--use-conda", root=root)
    assert run.returncode != 0 and "No module named 'edfio'" in run.stdout and "Error in rule simulate" in run.stdout


def test_what_pip_adds_to_the_pins_is_held_to_the_lock_file(controlled):
    controlled.environments = controlled.folder / "environments"
    controlled.configure(datasets={"mini": SIMULATED})
    before = len(standin.calls(controlled.conda))
    run = controlled.run("results/mini/recordings.tsv", "--use-conda", "--conda-create-envs-only")
    assert run.returncode == 0, run.stdout
    calls = standin.calls(controlled.conda)[before:]
    constraints = [call["pip"].get("PIP_CONSTRAINT") for call in calls if call["arguments"][:2] == ["env", "create"]]
    assert set(constraints) == {(ROOT / "requirements.lock").as_uri()}


@pytest.mark.parametrize("form, word", [("dockerfile", "COPY"), ("apptainer", "%post")])
def test_a_container_of_all_environments_is_described(controlled, form, word):
    run = controlled.run("--containerize", form)
    assert run.returncode == 0 and word in run.stdout, run.stdout
    for name in ENVIRONMENTS:
        (prefix,) = re.findall(rf"# +source: .*envs/{name}\.yaml\n# +prefix: (/conda-envs/\w+)", run.stdout)
        assert f"conda env create --prefix {prefix} --file {prefix}/environment.yaml" in run.stdout
    assert not [line for line in run.stdout.splitlines() if re.search(r"pip install (-e|--editable)", line)]
