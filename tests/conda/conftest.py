"""Snakemake alone in an environment of its own, and a stand-in for conda beside it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conda import standin, venvs
from tests.conftest import ROOT
from tests.workflow.conftest import Pipeline


class Controlled(Pipeline):
    """Snakemake in a folder of its own, started from an environment that holds Snakemake alone."""

    controller: Path
    prefix: Path
    environments: Path

    def command(self, *arguments, cores=2, root=ROOT) -> list[str]:
        command = super().command(*arguments, cores=cores, root=root)
        return [str(self.controller / "bin" / "python"), *command[1:], "--conda-prefix", str(self.environments)]

    def run(self, *arguments, cores=2, root=ROOT, **variables) -> subprocess.CompletedProcess:
        # Nothing of the environment in which the tests run, on no path.
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        path = [str(self.prefix / "bin"), *(p for p in os.get_exec_path() if not p.startswith(sys.prefix))]
        return subprocess.run(
            self.command(*arguments, cores=cores, root=root), cwd=self.folder, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=900, env={**kept, "PATH": os.pathsep.join(path), **variables},
        )  # fmt: skip


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """Folders of the stand-in, of Snakemake's environment, and of those that conda makes, shared by all tests."""
    folder = tmp_path_factory.mktemp("conda")
    try:
        venvs.build(folder / "controller", ["snakemake"])
    except (venvs.PinError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no environments can be made of the tests' own here: {error}")
    standin.install(folder / "standin", Path(sys.executable))
    return folder


@pytest.fixture
def controlled(installed, tmp_path) -> Controlled:
    pipeline = Controlled(tmp_path)
    pipeline.controller, pipeline.prefix = installed / "controller", installed / "standin"
    pipeline.environments = installed / "environments"
    return pipeline
