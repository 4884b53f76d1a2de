"""Environments name what their rules need, in the versions that the tests run; pip agrees with the stand-in."""

import json
import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.conda import venvs
from tests.conda.conftest import ENVIRONMENTS, dependencies
from tests.conda.test_use_conda import imports, its_sources
from tests.conftest import ROOT

LINES = [line.split("==") for line in (ROOT / "requirements.lock").read_text().splitlines()]
LOCK = {canonicalize_name(name): version for name, version in LINES}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WANTED = [Requirement(line) for line in PROJECT["dependencies"]] + [
    Requirement(line) for lines in PROJECT["optional-dependencies"].values() for line in lines
]

NAMES = {"sklearn": "scikit-learn", "yaml": "pyyaml"}
NOT_IMPORTED = {
    "pyarrow": r"_parquet\(",  # pandas reads and writes these tables by it
    "ipykernel": r"papermill\.execute_notebook\(",  # notebooks run in its kernel
    "lightgbm": r"yasa\.SleepStaging\(",  # what YASA's stager is made of
    "scikit-learn": r"yasa\.SleepStaging\(",
}
"""What is needed without being imported, and the calls that need it."""
CUDA = re.compile("nvidia-|cuda-|triton")


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_pins_what_the_lock_file_does_and_the_project_allows(name):
    of_conda, pins = dependencies(name)
    assert pins == {pin: LOCK[pin] for pin in pins}
    for requirement in WANTED:
        assert requirement.name not in pins or requirement.specifier.contains(pins[requirement.name]), requirement
    # One Python and one pip for all, to the patch.
    assert of_conda == dependencies(ENVIRONMENTS[0])[0] and of_conda.keys() == {"python", "pip"}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in of_conda.values())
    assert Version(of_conda["python"]) in SpecifierSet(PROJECT["requires-python"])


def test_the_lock_file_pins_what_the_project_allows():
    for requirement in WANTED:
        assert requirement.specifier.contains(LOCK[canonicalize_name(requirement.name)]), requirement


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_is_minimal(name):
    imported = {module.split(".")[0] for module in imports(name)}
    text = "".join(path.read_text() for path in its_sources(name))
    called = {package for package, call in NOT_IMPORTED.items() if re.search(call, text)}
    assert {*dependencies(name)[1]} <= {NAMES.get(module, module) for module in imported} | called


def test_no_environment_installs_hypnolens_or_asks_another_index():
    for name in ENVIRONMENTS:
        text = (ROOT / "envs" / f"{name}.yaml").read_text()
        assert not re.search(r"^\s*- (-|hypnolens|\.|git|http)", text, re.M), name


@pytest.mark.parametrize("names", [["signal"], ["boosting"], ENVIRONMENTS], ids=["signal", "boosting", "all"])
def test_pip_chooses_what_the_stand_in_links(names, tmp_path):
    pins = {f"{pin}=={version}" for name in names for pin, version in dependencies(name)[1].items()}
    try:
        found = venvs.closure(pins)
    except venvs.PinError as error:
        pytest.skip(f"the tests run other versions: {error}")
    one = f"safetensors=={LOCK['safetensors']}"
    if _resolved([one], tmp_path, "--no-deps").returncode:
        pytest.skip("pip reaches no index from here that has the tested versions")
    run = _resolved(sorted(pins), tmp_path, "--constraint", str(ROOT / "requirements.lock"))
    assert run.returncode == 0, run.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    chosen = {canonicalize_name(each["metadata"]["name"]): each["metadata"]["version"] for each in report["install"]}
    # The tests may run the CPU build of torch where the index prefers the one with CUDA.
    extra = {name for name in chosen.keys() - found.keys() if not CUDA.match(name)}
    assert not extra and found.keys() <= chosen.keys()
    locked = {name: LOCK[name] for name in found if name in LOCK}
    assert {name: Version(chosen[name]).public for name in locked} == locked


def _resolved(pins, folder, *options):
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    command += ["--report", str(folder / "report.json"), *options, *pins]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)
