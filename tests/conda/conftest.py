"""Snakemake alone in an environment of its own, and a stand-in for conda beside it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conda import standin, venvs
from tests.conftest import ROOT
from tests.workflow.conftest import SIMULATED, Pipeline

ENVIRONMENTS = sorted(path.stem for path in (ROOT / "envs").glob("*.yaml"))


def dependencies(name: str, root: Path = ROOT) -> tuple[dict[str, str], dict[str, str]]:
    """Versions by name that an environment takes from the channel, and from the index of Python packages."""
    *of_conda, last = yaml.safe_load((root / "envs" / f"{name}.yaml").read_text())["dependencies"]
    return dict(spec.split("=") for spec in of_conda), dict(pin.split("==") for pin in last["pip"])


class Controlled(Pipeline):
    """Snakemake in a folder of its own, started from an environment that holds Snakemake alone."""

    def __init__(self, folder: Path, installed: Path) -> None:
        super().__init__(folder)
        self.controller, self.conda = installed / "controller", installed / "standin"
        self.environments, self.printed = installed / "environments", ""

    def command(self, *arguments, cores=2, root=ROOT) -> list[str]:
        command = super().command(*arguments, cores=cores, root=root)
        return [str(self.controller / "bin" / "python"), *command[1:], "--conda-prefix", str(self.environments)]

    def run(self, *arguments, cores=2, root=ROOT) -> subprocess.CompletedProcess:
        # Nothing of the environment in which the tests run, on no path.
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        path = [str(self.conda / "bin"), *(p for p in os.get_exec_path() if not p.startswith(sys.prefix))]
        return subprocess.run(
            self.command(*arguments, cores=cores, root=root), cwd=self.folder, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=900, env={**kept, "PATH": os.pathsep.join(path)},
        )  # fmt: skip


@pytest.fixture(scope="session")
def installed(tmp_path_factory) -> Path:
    """Folders of the stand-in, of Snakemake's environment, and of those that conda makes, shared by all tests."""
    folder = tmp_path_factory.mktemp("conda")
    wanted, running = dependencies("signal")[0]["python"], "{}.{}.{}".format(*sys.version_info)
    if wanted.split(".")[:2] != running.split(".")[:2]:
        pytest.skip(f"environments of Python {wanted} cannot be made of one of Python {running}")
    try:
        venvs.build(folder / "controller", ["snakemake"])
    except (venvs.PinError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no environments can be made of the one in which the tests run: {error}")
    standin.install(folder / "standin", Path(sys.executable))
    return folder


@pytest.fixture
def controlled(installed, tmp_path) -> Controlled:
    return Controlled(tmp_path, installed)


@pytest.fixture(scope="session")
def by_conda(installed, tmp_path_factory) -> Controlled:
    """A chain run to its report, each step in its environment. Tests leave what they find as it is."""
    pipeline = Controlled(tmp_path_factory.mktemp("by_conda"), installed)
    pipeline.configure(datasets={"mini": SIMULATED})
    run = pipeline.run("--use-conda")
    assert run.returncode == 0, run.stdout[-4000:]
    pipeline.printed = run.stdout
    return pipeline
