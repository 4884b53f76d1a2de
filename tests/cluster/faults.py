"""Faults of a cluster, injected into running chains, and what became of them."""

import logging
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from tests.cluster.chain import SITE, TABLES, Chain
from tests.cluster.slurm import NODE, Cluster, Job, Unavailable, install
from tests.conftest import ROOT

__all__ = ["Unavailable", "counts"]

GROUPS = ("simulate", "epochs")
STAGES = (*GROUPS, "train", "predict", "evaluate")
"""Groups and rules whose jobs are hit."""
BUSY = ("PENDING", "RUNNING", "COMPLETING")
"""States of jobs that are not over."""
LIMIT_S = 600
"""A run that takes longer has lost something."""
WAYS = {
    "train": {"gpu": 0, "gres": "gpu:1", "slurm_partition": "gpu"},
    "predict": {"gpu": 0},
}
"""Other ways to ask for a GPU, and not to; undisturbed runs take the file as it is shipped."""


def kill_step(cluster: Cluster, job: Job) -> None:
    """SIGKILL to all processes of the step in which a rule runs; the plugin's own outside it goes on."""
    end = time.monotonic() + 10  # the job may be before its first step, or a group between two
    while not cluster.kill(lambda given: given.get("SLURM_JOB_ID") == job.id and "SLURM_STEP_ID" in given):
        if time.monotonic() > end:
            return
        time.sleep(0.1)


def hang(cluster: Cluster, job: Job) -> None:
    """Its steps stop, and its time is up."""
    cluster.command("scancel", "--full", f"--signal={signal.SIGSTOP.name[3:]}", job.id)
    cluster.command("scontrol", "update", f"JobId={job.id}", "EndTime=now+1")


def cancel(cluster: Cluster, job: Job) -> None:
    """Somebody cancels it."""
    cluster.command("scancel", job.id)


def kill_daemon(cluster: Cluster, job: Job) -> None:
    """SIGKILL to its node's daemon, which comes back before the node is given up; what runs there runs on."""
    cluster.kill_node(job.node)
    time.sleep(1)
    cluster.start_node(job.node)


def lose_node(cluster: Cluster, job: Job) -> None:
    """SIGKILL to its node's daemon and all that runs there."""
    cluster.kill_node(job.node)
    cluster.kill(lambda given: job.node in (given.get(NODE), given.get("SLURMD_NODENAME")))


def set_down(cluster: Cluster, job: Job) -> None:
    """Somebody sets its node down."""
    cluster.command("scontrol", "update", f"NodeName={job.node}", "State=down", "Reason=test")


def resume(cluster: Cluster, job: Job) -> None:
    """Somebody sets its node up again."""
    cluster.command("scontrol", "update", f"NodeName={job.node}", "State=resume")


def preempt(cluster: Cluster, job: Job) -> None:
    """A job of a partition of higher rank takes its node."""
    cluster.command("sbatch", "--partition=urgent", "--exclusive", f"--nodelist={job.node}", "--output=/dev/null",
                    "--wrap=sleep 2")  # fmt: skip


def nothing(cluster: Cluster, job: Job) -> None:
    """Nothing is to be done."""


@dataclass(frozen=True)
class Fault:
    """Something that happens to a job.

    Attributes
    ----------
    inject
        Makes it happen.
    ends
        How SLURM says that the job ended; empty where it is to go on.
    mend
        What somebody does when it has ended.
    """

    inject: Callable[[Cluster, Job], None]
    ends: str = ""
    mend: Callable[[Cluster, Job], None] = nothing


KILLED, STARVED = "SLURM: SIGKILL of Snakemake", "SLURM: out of memory"
FAULTS = {
    KILLED: Fault(nothing),
    "SLURM: SIGKILL of a job": Fault(kill_step, "FAILED"),
    "SLURM: SIGKILL of slurmd": Fault(kill_daemon),
    "SLURM: SIGKILL of a node": Fault(lose_node, "NODE_FAIL", lambda cluster, job: cluster.start_node(job.node)),
    STARVED: Fault(nothing, "FAILED"),
    "SLURM: over its time": Fault(hang, "TIMEOUT"),
    "SLURM: cancelled": Fault(cancel, "CANCELLED"),
    "SLURM: node set down": Fault(set_down, "NODE_FAIL", resume),
    "SLURM: preempted": Fault(preempt, "PREEMPTED"),
}
ONCE = {
    "simulate": ["SLURM: SIGKILL of slurmd"],
    "epochs": ["SLURM: cancelled"],
    "train": ["SLURM: SIGKILL of a job", "SLURM: preempted", "SLURM: over its time", KILLED],
    "predict": ["SLURM: node set down", "SLURM: SIGKILL of a node"],
    "evaluate": [STARVED],
}
"""One run's faults, by the stage that each hits."""
TIDY = re.search(r"^squeue --me .*$", (ROOT / "docs" / "cluster.md").read_text(), re.M)[0]
"""What is said to end the jobs of a Snakemake that was killed."""


class Disturbed:
    """A run of the chain through the profile while faults happen to it.

    Attributes
    ----------
    plan
        What is still to happen, by stage.
    hits
        Names of the faults that hit a job.
    wrong
        What is not as it should be at the end.
    """

    def __init__(self, folder: Path, cluster: Cluster, plan: Mapping[str, Sequence[str]], seed: int) -> None:
        self.cluster, self.rng = cluster, random.Random(seed)
        self.plan = {stage: list(names) for stage, names in plan.items()}
        self.hits: list[str] = []
        self.wrong: list[str] = []
        self._passes: set[tuple[int, str, int]] = set()
        self.chain = Chain.made(folder, cluster, folder / "site.yaml")
        self.chain.site.write_text(yaml.safe_dump(_site([stage for stage in plan if STARVED in plan[stage]])))

    def run(self, reference: Chain) -> None:
        """Run to the end, again by the same command where Snakemake was killed, and compare."""
        end = time.monotonic() + LIMIT_S
        while True:
            process = self.chain.start(*TABLES, log=self.chain.folder / "snakemake.txt")
            try:
                killed = self._watch(process, end)
            finally:
                process.kill()
                status = process.wait()
            if not killed:
                break
            self._tidy()
        if status != 0:
            self.wrong.append(f"status {status}")
            self._cancel()
        self.wrong += [f"{name} differs" for name in self.chain.differences(reference)]
        times = Counter((fold, number) for fold, _, number in self._passes)
        if again := [each for each, number in times.items() if number > 1]:
            self.wrong.append(f"passes trained again: {again}")
        if locks := list(self.chain.folder.glob(".snakemake/locks/*")):
            self.wrong.append(f"locks left: {locks}")

    def jobs(self) -> list[Job]:
        """Jobs of the run that SLURM has not forgotten."""
        return [job for job in self.cluster.jobs() if job.folder == str(self.chain.folder)]

    def _watch(self, process: subprocess.Popen, end: float) -> bool:
        """Look for jobs to hit until the run is over; whether Snakemake was killed."""
        moment = self.rng.uniform(1.0, 3.5)
        while process.poll() is None and time.monotonic() < end:
            self._passes |= self.chain.passes()
            due = self._due(moment)
            if due is not None:
                stage, job = due
                if self._inject(self.plan[stage][0], job, process):
                    self.hits.append(name := self.plan[stage].pop(0))
                    if name == KILLED:
                        return True
                moment = self.rng.uniform(1.0, 3.5)
            time.sleep(0.2)
        return False

    def _due(self, moment: float) -> tuple[str, Job] | None:
        """A stage and a job of it whose time has come: after so many seconds, or half as many passes of training."""
        jobs, passes = self.jobs(), Counter(fold for fold, _, _ in self.chain.passes())
        for stage, names in self.plan.items():
            of = [job for job in jobs if stage_of(job) == stage]
            if names[:1] == [STARVED] and self._starved() & {job.id for job in of}:
                self.hits.append(names.pop(0))
            if names and any(job.state in BUSY for job in of):
                for job in of:
                    age = 2 * passes[int(job.comment[-1])] if stage == "train" else job.seconds
                    if names[0] != STARVED and job.state == "RUNNING" and age >= moment:
                        return stage, job
                return None  # later stages can wait; what takes long there would let these jobs get away
        return None

    def _inject(self, name: str, job: Job, process: subprocess.Popen) -> bool:
        """Have a fault hit a job; whether it did before the job was over."""
        fault, before = FAULTS[name], len(self._ends(job))
        if name == KILLED:
            process.kill()
        fault.inject(self.cluster, job)
        hit = not fault.ends or (self._until(lambda: len(self._ends(job)) > before, 90)
                                 and self._ends(job)[before] == fault.ends)  # fmt: skip
        fault.mend(self.cluster, job)
        return hit

    def _ends(self, job: Job) -> list[str]:
        return self.cluster.ends().get(job.id, [])

    def _starved(self) -> set[str]:
        """Jobs that the nodes ended for their memory."""
        logs = [self.cluster.log(node) for node in (*self.cluster.cpu, *self.cluster.gpu)]
        return {job for text in logs for job in re.findall(r"StepId=(\d+)\.\w+ exceeded memory limit", text)}

    def _tidy(self) -> None:
        """What docs/cluster.md says to do after Snakemake was killed."""
        if "--unlock" not in self.chain.run(*TABLES).stdout:
            self.wrong.append("a lock that nobody explains")
        self._cancel()
        self.chain.run("--unlock")

    def _cancel(self) -> None:
        """End the run's jobs, and wait until they have."""
        subprocess.run(["bash", "-c", TIDY], cwd=self.chain.folder, env=self.cluster.environment, check=True)
        self._until(lambda: not [job for job in self.jobs() if job.state in BUSY], 60)

    def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._passes |= self.chain.passes()
            if condition():
                return True
            time.sleep(0.2)
        return False


def counts(seed: int, *, every: bool) -> dict[str, tuple[int, int]]:
    """Faults injected into the chain on a cluster of its own, and those from which it recovered.

    The chain is run undisturbed on this machine, then through profiles/slurm: once with each fault, or with ``every``
    until each fault has hit each of `STAGES`. A fault that hit counts as recovered from if its run ended well, with
    predictions and tables the same to the last bit, no finished pass of training trained again, and no lock left.

    Parameters
    ----------
    seed
        Of the moments at which faults hit, and of which come together.

    Returns
    -------
    counts
        Times that each fault hit a job, and times that it was recovered from.

    Raises
    ------
    Unavailable
        Why there can be no cluster here.
    """
    install()
    total = dict.fromkeys(FAULTS, (0, 0))
    with TemporaryDirectory(prefix="hypnolens-faults-") as name, Cluster() as cluster:
        reference = Chain.made(Path(name) / "undisturbed")
        run = reference.run(*TABLES)
        if run.returncode:
            raise RuntimeError(run.stdout)
        for number, plan in enumerate(plans(seed) if every else [ONCE]):
            began = time.monotonic()
            disturbed = Disturbed(Path(name) / f"run{number}", cluster, plan, seed + number)
            disturbed.run(reference)
            for fault in disturbed.hits:
                injected, recovered = total[fault]
                total[fault] = injected + 1, recovered + (not disturbed.wrong)
            level = logging.WARNING if disturbed.wrong else logging.INFO
            logging.getLogger(__name__).log(
                level, "run %d: %.0f s, hit by %s; not by %s; wrong: %s", number + 1, time.monotonic() - began,
                disturbed.hits, disturbed.plan, disturbed.wrong,
            )  # fmt: skip
    return total


def plans(seed: int) -> list[dict[str, list[str]]]:
    """Runs in which each fault hits each stage once, two a stage and run; want of memory comes first."""
    names = list(FAULTS)
    random.Random(seed).shuffle(names)
    turned = {stage: names[shift:] + names[:shift] for shift, stage in enumerate(STAGES)}
    return [
        {stage: sorted(turned[stage][at : at + 2], key=lambda name: name != STARVED) for stage in STAGES}
        for at in range(0, len(names), 2)
    ]


def stage_of(job: Job) -> str | None:
    """The rule or group of a job, from the comment that the plugin gives it."""
    return next((stage for stage in STAGES if re.match(f"rule_{stage}(_|$)", job.comment)), None)


def _site(starved: Sequence[str]) -> dict:
    """The site's file with other ways to GPUs, and too little memory at first for some rules."""
    site = yaml.safe_load(SITE.read_text())
    resources = {**site["set-resources"], **WAYS}
    for rule in starved:
        # A Snakemake alone takes 180 MB, and a group asks for as much as two of its steps.
        too_little = 100 if rule in GROUPS else 200
        resources[rule] = {**resources.get(rule, {}), "mem_mb": f"{too_little} if attempt == 1 else 2000 * attempt"}
    return {**site, "set-resources": resources}
