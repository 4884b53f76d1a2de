"""Faults of one machine, injected into running chains: processes that are killed, disks that fill up or turn read-only."""

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.chain import TABLES, Chain
from tests.workflow.conftest import SIMULATED, TINY

SNAKEMAKE = "SIGKILL of Snakemake, its jobs living on"
EVERYTHING = "SIGKILL of Snakemake and of its jobs"
JOB = "SIGKILL of a job"
KILLS = (SNAKEMAKE, EVERYTHING, JOB)
FULL, READ_ONLY = "full disk", "disk that turns read-only"
PAUSE_S = (1.0, 14.0)
"""Seconds from a start to a kill; an undisturbed run takes some 40."""
STARTS = 4
"""How often a run may be started after its last fault."""
SIZE_MB = (3, 12)
"""Of a disk that fills up before the chain is through: it writes some 15 MB."""


def made(folder: Path) -> Chain:
    """A chain whose trainings take long enough to be hit."""
    chain = Chain.made(folder)
    chain.configure(datasets={"mini": SIMULATED}, experiments={"tiny": {**TINY, "passes": 20}})
    return chain


def kills(folder: Path, reference: Chain, plan: Sequence[str], rng: random.Random) -> list[tuple[str, str]]:
    """Kill at random moments, one kill after the other until a chain is through, then in the next chain.

    Returns
    -------
    list of (fault, lost)
        One a kill; what its run lost, in words, or nothing.
    """
    left, outcomes = list(plan), []
    while left:
        run = Disturbed(made(folder / f"killed-{len(outcomes)}"), rng)
        while left and run.kill(left[0]):
            left.pop(0)
        lost = run.finish(reference)
        outcomes += [(kind, lost) for kind in run.hit]
    return outcomes


class Disturbed:
    """A chain that is started again and again by the same command.

    Attributes
    ----------
    hit
        Faults that came before the end.
    """

    def __init__(self, chain: Chain, rng: random.Random) -> None:
        self.chain, self.rng, self.hit = chain, rng, list[str]()
        self.log = chain.folder / "snakemake.log"
        self._unexplained = 0
        self._passes: dict[tuple[str, str], list[str]] = {}

    def kill(self, kind: str) -> bool:
        """Start, and kill at a random moment; whether that came before the end."""
        process = self._start()
        end = time.monotonic() + self.rng.uniform(*PAUSE_S)
        victims: list[int] = []
        while process.poll() is None and (time.monotonic() < end or not victims):
            time.sleep(0.05)
            victims = _steps_of(process.pid) if kind == JOB else [process.pid]
        if process.poll() is not None:
            return False
        (os.killpg if kind == EVERYTHING else os.kill)(self.rng.choice(victims), signal.SIGKILL)
        self.hit.append(kind)
        self._wait(process)
        return True

    def finish(self, reference: Chain) -> str:
        """Start until all is there; says what is not as in an undisturbed run."""
        for _ in range(STARTS):
            if self._wait(self._start()) == 0:
                break
        else:
            return f"not through after {STARTS} starts: {self.log.read_text()[-2000:]}"
        differing = self.chain.differences(reference)
        lost = [f"differs: {', '.join(differing)}"] * bool(differing)
        lost += [f"again to be made: {rule}" for rule in self.chain.planned(*TABLES)]
        lost += [f"{self._unexplained} locks without a word on how to remove them"] * bool(self._unexplained)
        lost += [f"{n} passes of {fold} made twice" for fold, n in self._repeated().items() if n > 1]
        return "; ".join(lost)

    def _start(self) -> subprocess.Popen:
        if list((self.chain.folder / ".snakemake/locks").glob("*")):
            refused = self.chain.run(*TABLES)
            self._unexplained += refused.returncode == 0 or "--unlock" not in refused.stdout
            self.chain.run("--unlock")
        return self.chain.start(*TABLES, log=self.log)

    def _wait(self, process: subprocess.Popen) -> int:
        """Wait, and collect what the trainings logged: Snakemake removes the log of a step that starts again."""
        status = process.wait()
        for path in self.chain.folder.glob("results/mini/logs/train/tiny/fold-*.log"):
            text = path.read_text()
            self._passes[path.stem, text.partition("\n")[0]] = re.findall(r": pass (\d+) of ", text)
        return status

    def _repeated(self) -> dict[str, int]:
        """Training passes that more than one process of a fold logged."""
        passes: dict[str, list[str]] = {}
        for (fold, _), numbers in self._passes.items():
            passes.setdefault(fold, []).extend(numbers)
        return {fold: len(numbers) - len(set(numbers)) for fold, numbers in passes.items()}


def _steps_of(snakemake: int) -> list[int]:
    """Processes of the steps that a Snakemake runs."""
    command = ["pgrep", "--parent", str(snakemake), "--full", r"/scripts/.*\.py$"]
    return [int(word) for word in subprocess.run(command, text=True, capture_output=True).stdout.split()]
