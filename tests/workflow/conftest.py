"""Runs of the whole pipeline on recordings and a network as small as they can be."""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hypnolens.plots.catalogue import FIGURES
from tests.conftest import ROOT

TINY = {"from": "demo", "width": 1, "lstm_hidden": 4, "window": 3, "passes": 2, "patience": None, "batch_windows": 32}
SIMULATED = {"kind": "simulate", "subjects": 3, "hours": 0.5, "experiments": ["tiny"]}

OF_DATASET = tuple(figure.name for figure in FIGURES if figure.of == "dataset")
OF_RUN = tuple(figure.name for figure in FIGURES if figure.of == "run")
"""Figures of a dataset, and of a run of hypnolens's own network."""


class Pipeline:
    """Snakemake in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def configure(self, *, datasets, experiments=None, **more) -> None:
        config = {
            "run": list(datasets), "datasets": datasets, "experiments": {"tiny": TINY, **(experiments or {})}, **more
        }  # fmt: skip
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config))

    def run(self, *arguments, cores=2, root=ROOT) -> subprocess.CompletedProcess:
        """Run, and return what was printed, standard output and error together, as ``stdout``."""
        return subprocess.run(
            self.command(*arguments, cores=cores, root=root),
            cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900,
        )  # fmt: skip

    def command(self, *arguments, cores=2, root=ROOT) -> list[str]:
        # Targets come first: several options take all words that follow them.
        command = [sys.executable, "-m", "snakemake", *arguments, "--snakefile", root / "Snakefile", "--cores", cores]
        configured = ["--configfile", "config.yaml"] if (self.folder / "config.yaml").exists() else []
        return [*map(str, command), *configured]

    def planned(self, *arguments, root=ROOT) -> dict[str, int]:
        """Jobs that would run, by rule."""
        run = self.run(*arguments, "--dry-run", "--quiet", "rules", root=root)
        assert run.returncode == 0, run.stdout
        counts = {}
        for line in run.stdout.splitlines():
            words = line.split()
            if len(words) == 2 and words[1].isdigit() and words[0] != "total":
                counts[words[0]] = int(words[1])
        return counts


def copy_of_the_project(folder: Path) -> Path:
    """A copy of what runs, to be changed."""
    root = folder / "copy"
    for name in ("Snakefile", "workflow", "hypnolens", "config", "profiles", "envs"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            root.mkdir(exist_ok=True)
            shutil.copy(source, root / name)
    return root


@pytest.fixture
def pipeline(tmp_path) -> Pipeline:
    return Pipeline(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, worker_id) -> Pipeline:
    """A chain run to its report on three simulated half-hours. Tests leave it as they find it.

    It is run by the first process of tests that needs it; each has a copy.
    """
    common = tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent
    original = Pipeline(common / "chain")
    with (common / "chain.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (original.folder / "reports/paper.html").exists():
            original.folder.mkdir(exist_ok=True)
            original.configure(datasets={"mini": SIMULATED})
            run = original.run()
            assert run.returncode == 0, run.stdout
        return Pipeline(shutil.copytree(original.folder, tmp_path_factory.mktemp("finished") / "chain"))
