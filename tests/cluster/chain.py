"""The tiny chain of tests/workflow, run by this machine itself or through profiles/slurm by a cluster."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pandas as pd

from tests.cluster.slurm import Cluster
from tests.conftest import ROOT
from tests.workflow.conftest import SIMULATED, Pipeline

TABLES = [f"reports/mini/tiny/tables/{name}.tsv" for name in ("scores", "stages", "confusion_matrix", "recordings")]
"""What a short run ends with."""
PROFILE = ROOT / "profiles" / "slurm"
QUICK = ("--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "15")
"""So that a test does not wait as long as is polite on a cluster of many."""
FOLDS = range(3)


class Chain(Pipeline):
    """Three simulated half-hours to predictions and tables, in a folder of its own."""

    def __init__(self, folder: Path, cluster: Cluster | None = None, *, site: Path = PROFILE / "site.yaml",
                 profile: bool = False) -> None:  # fmt: skip
        super().__init__(folder)
        self.cluster, self.site, self.profile = cluster, site, profile or cluster is not None
        folder.mkdir(exist_ok=True)

    @classmethod
    def made(cls, folder: Path, cluster: Cluster | None = None, **options) -> Self:
        """The chain, with its configuration written."""
        chain = cls(folder, cluster, **options)
        chain.configure(datasets={"mini": SIMULATED})
        return chain

    def command(self, *arguments, cores=2, root=ROOT) -> list[str]:
        command = super().command(*arguments, cores=cores, root=root)
        if not self.profile:
            return command
        at = command.index("--cores")
        del command[at : at + 2]
        return [*command, "--profile", str(PROFILE), "--workflow-profile", str(self.site), *QUICK]

    def start(self, *arguments, log: Path) -> subprocess.Popen:
        """Run without waiting, output to a file."""
        environment = self.cluster.environment if self.cluster else None
        with log.open("a") as out:
            return subprocess.Popen(
                self.command(*arguments), cwd=self.folder, env=environment, stdout=out, stderr=subprocess.STDOUT
            )

    def run(self, *arguments, cores=2, root=ROOT) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(*arguments, cores=cores, root=root), cwd=self.folder, text=True, timeout=900,
            env=self.cluster.environment if self.cluster else None, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def predictions(self) -> list[pd.DataFrame]:
        """Predictions of each fold."""
        return [pd.read_parquet(self.folder / f"results/mini/tiny/fold-{fold}/predictions.parquet") for fold in FOLDS]

    def tables(self, names: Sequence[str] = TABLES) -> dict[str, str]:
        """Text of the tables at the end; one that is missing is missing."""
        return {name: (self.folder / name).read_text() for name in names if (self.folder / name).is_file()}

    def differences(self, other: "Chain") -> list[str]:
        """What is not the same as in another run, with the same names and values to the last bit."""
        differing = [name for name in TABLES if self.tables().get(name) != other.tables().get(name)]
        for fold in FOLDS:
            name = f"results/mini/tiny/fold-{fold}/predictions.parquet"
            both = [chain.folder / name for chain in (self, other)]
            if not all(path.is_file() for path in both) or not pd.read_parquet(both[0]).equals(
                pd.read_parquet(both[1])
            ):
                differing.append(name)
        return differing
