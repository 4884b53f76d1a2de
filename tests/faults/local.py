"""Faults of one machine, injected into running chains: killed processes, disks that cannot be written."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from tests.cluster.chain import TABLES, Chain

SNAKEMAKE = "SIGKILL of Snakemake, its jobs living on"
EVERYTHING = "SIGKILL of Snakemake and of its jobs"
JOB = "SIGKILL of a job"
KILLS = (SNAKEMAKE, EVERYTHING, JOB)
FULL, READ_ONLY = "full disk", "results that are read-only"
PAUSE_S = (1.0, 14.0)
"""Seconds from a start to a kill; an undisturbed run takes some 40."""
MISSING = "mini/tiny/metrics.json"
"""What is still to be made where results are read-only."""
STARTS = 4
"""How often a run may be started after its last fault."""
SIZE_KB = (400, 4000)
"""Of a disk that fills up before the chain is through: it writes 5 MB."""


def kills(folder: Path, reference: Chain, plan: Sequence[str], rng: random.Random) -> list[tuple[str, str]]:
    """Kill at random moments, one kill after the other until a chain is through, then in the next chain.

    Returns
    -------
    list of (fault, lost)
        One a kill; what its run lost, in words, or nothing.
    """
    left, outcomes, number = list(plan), [], count()
    while left:
        run = Disturbed(Chain.made(folder / f"killed-{next(number)}"), rng)
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
        self.log = chain.folder.with_suffix(".log")  # elsewhere, as the disk may be full
        self._unexplained = 0
        self._passes: set[tuple[int, str, int]] = set()

    def kill(self, kind: str) -> bool:
        """Start, and kill at a random moment; whether that came before the end."""
        process = self._start()
        time.sleep(self.rng.uniform(*PAUSE_S))
        while process.poll() is None:
            found = victims(kind, process.pid)
            with suppress(ProcessLookupError):  # it has ended meanwhile
                for victim in found:
                    os.kill(victim, signal.SIGKILL)
                if found:
                    self.hit.append(kind)
                    self._wait(process)
                    return True
            time.sleep(0.05)
        return False

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
        made = Counter((fold, number) for fold, _, number in self._passes)
        lost += [f"pass {number} of fold {fold} made {n} times" for (fold, number), n in made.items() if n > 1]
        return "; ".join(lost)

    def stopped_by(self, *reasons: str) -> str:
        """Start, on a disk that cannot be written; says what is wrong if none of these reasons ends the run."""
        status, said = self._start().wait(), self.log.read_text()
        return (
            ""
            if status != 0 and any(reason in said for reason in reasons)
            else f"ended with {status} and: {said[-2000:]}"
        )

    def _start(self) -> subprocess.Popen:
        if list((self.chain.folder / ".snakemake/locks").glob("*")):
            refused = self.chain.run(*TABLES)
            self._unexplained += refused.returncode == 0 or "--unlock" not in refused.stdout
            self.chain.run("--unlock")
        return self.chain.start(*TABLES, log=self.log)

    def _wait(self, process: subprocess.Popen) -> int:
        """Wait, and collect what the trainings logged: Snakemake removes the log of a step that starts again."""
        status = process.wait()
        self._passes |= self.chain.passes()
        return status


def victims(kind: str, snakemake: int) -> list[int]:
    """Processes that a kill of some kind ends, of a Snakemake and the steps that it runs now."""
    steps = _steps_of(snakemake)
    return {SNAKEMAKE: [snakemake], EVERYTHING: [snakemake, *steps], JOB: steps[:1]}[kind]


def _steps_of(snakemake: int) -> list[int]:
    """Processes of the steps that a Snakemake runs."""
    command = ["pgrep", "--parent", str(snakemake), "--full", r"/scripts/.*\.py$"]
    return [int(word) for word in subprocess.run(command, text=True, capture_output=True).stdout.split()]


def disks(folder: Path, reference: Chain, times: int, rng: random.Random) -> list[tuple[str, str]]:
    """Run chains on a disk that is too small, or with results that are read-only, and again when that has changed.

    Returns
    -------
    list of (fault, lost)
        See `kills`.

    Raises
    ------
    PermissionError
        Only root may mount a disk.
    """
    if os.geteuid() != 0:
        raise PermissionError("only root may mount the disks that fill up")
    outcomes = []
    for number in range(times):
        with _disk(folder / f"full-{number}", f"size={rng.randint(*SIZE_KB)}k") as disk:
            run = Disturbed(Chain.made(disk), rng)
            lost = run.stopped_by("No space left on device")
            _mount(disk, "remount,size=1g")
            outcomes.append((FULL, lost or run.finish(reference)))
        chain = Chain(folder / f"read-only-{number}")
        shutil.copytree(reference.folder, chain.folder, ignore=shutil.ignore_patterns("results", "reports"))
        with _disk(chain.folder / "results", "size=1g") as disk:
            shutil.copytree(reference.folder / "results", disk, dirs_exist_ok=True)
            (disk / MISSING).unlink()
            _mount(disk, "remount,ro")
            run = Disturbed(chain, rng)
            lost = run.stopped_by("Read-only file system", "Write-protected output files")
            _mount(disk, "remount,rw")
            outcomes.append((READ_ONLY, lost or run.finish(reference)))
    return outcomes


@contextmanager
def _disk(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    _mount(folder, options)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _mount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "hypnolens", folder], check=True)
