"""A small chain to predictions and tables, run by this machine itself or through profiles/slurm."""

import re
import subprocess
from pathlib import Path
from typing import Self

import pandas as pd

from tests.cluster.slurm import Cluster
from tests.conftest import ROOT
from tests.workflow.conftest import SIMULATED, TINY, Pipeline

SITE = ROOT / "profiles" / "slurm" / "site.yaml"
FOLDS = range(3)
TABLES = [f"reports/mini/tiny/tables/{name}.tsv" for name in ("scores", "stages", "confusion_matrix", "recordings")]
PREDICTIONS = [f"results/mini/tiny/fold-{fold}/predictions.parquet" for fold in FOLDS]
PASSES = 16
"""So many that training lasts some seconds, in which something can happen to it."""

IMPATIENT = """\
from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor
Executor.next_seconds_between_status_checks = property(lambda executor: 1, lambda executor, seconds: None)
main()
"""
"""Snakemake that asks for the state of its jobs every second, where the plugin waits ever longer."""


class Chain(Pipeline):
    """Three simulated half-hours in a folder of their own.

    Parameters
    ----------
    cluster, site
        Where jobs go, with which file in place of site.yaml; without a cluster, a site's file is for dry runs.
    """

    def __init__(self, folder: Path, cluster: Cluster | None = None, site: Path | None = None) -> None:
        super().__init__(folder)
        self.environment = cluster.environment if cluster else None
        self.site = site or (SITE if cluster else None)

    @classmethod
    def made(cls, folder: Path, cluster: Cluster | None = None, site: Path | None = None) -> Self:
        """The chain, with its folder and configuration."""
        chain = cls(folder, cluster, site)
        folder.mkdir(exist_ok=True)
        chain.configure(datasets={"mini": SIMULATED}, experiments={"tiny": {**TINY, "passes": PASSES}})
        return chain

    def command(self, *arguments, cores=2, root=ROOT) -> list[str]:
        python, _, _, *rest = command = super().command(*arguments, cores=cores, root=root)
        if self.site is None:
            return command
        at = rest.index("--cores")
        del rest[at : at + 2]
        return [python, "-c", IMPATIENT, *rest, "--profile", str(SITE.parent), "--workflow-profile", str(self.site)]

    def start(self, *arguments, log: Path, cores=2) -> subprocess.Popen:
        """Run without waiting; what is printed goes to the end of a file."""
        with log.open("a") as out:
            return subprocess.Popen(self.command(*arguments, cores=cores), cwd=self.folder, env=self.environment,
                                    stdout=out, stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip

    def run(self, *arguments, cores=2, root=ROOT) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(*arguments, cores=cores, root=root), cwd=self.folder, env=self.environment, text=True,
            timeout=900, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def differences(self, other: "Chain") -> list[str]:
        """Tables and predictions that another run has not got with the same contents, to the last bit."""

        def same(name: str) -> bool:
            paths = [chain.folder / name for chain in (self, other)]
            if not all(path.is_file() for path in paths):
                return False
            if name.endswith(".tsv"):
                return paths[0].read_bytes() == paths[1].read_bytes()
            return pd.read_parquet(paths[0]).equals(pd.read_parquet(paths[1]))

        return [name for name in (*TABLES, *PREDICTIONS) if not same(name)]

    def passes(self) -> set[tuple[int, str, int]]:
        """Passes of training of which the logs tell at this moment: fold, time, number of the pass."""
        found = set()
        for fold in FOLDS:
            log = self.folder / f"results/mini/logs/train/tiny/fold-{fold}.log"
            text = log.read_text() if log.is_file() else ""
            found |= {(fold, at, int(number)) for at, number in re.findall(r"^(\S+ \S+) .*: pass (\d+) of", text, re.M)}
        return found
