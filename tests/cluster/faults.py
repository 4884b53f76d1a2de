"""Faults of a cluster, injected into running chains, and what became of them.

    python tests/cluster/faults.py [--all] [--seed N]

brings up a cluster, runs the tiny chain of tests/workflow undisturbed on this machine and then disturbed through
profiles/slurm, compares tables and predictions, and prints a line a fault: how often it was injected, how often the
step that it hit ended well and the run with the same results, and how often not. One run takes each fault once; with
``--all`` runs go on until each fault has hit each stage of the chain that it can.
"""

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
from tests.cluster.chain import PROFILE, TABLES, Chain
from tests.cluster.slurm import Cluster, Unavailable, install

STAGES = ("simulate", "epochs", "train", "predict", "evaluate")
"""Rules whose jobs are hit; the first two are groups."""
LIMIT_S = 600
"""A run that takes longer has lost something."""


@dataclass(frozen=True)
class Fault:
    """Something that happens to a job.

    Attributes
    ----------
    inject
        Makes it happen to a job, given the cluster and the job; does not return before it can be over.
    ends
        How SLURM says that the job ended; empty where the job is to go on.
    stages
        Where it can happen.
    """

    name: str
    inject: Callable[[Cluster, dict[str, str]], None]
    ends: tuple[str, ...]
    stages: tuple[str, ...] = STAGES


@dataclass
class Injection:
    """A fault, where it is to hit, and what it hit."""

    fault: Fault
    stage: str
    job: dict[str, str] = field(default_factory=dict)

    def took_effect(self, ends: dict[str, list[str]]) -> bool:
        """Whether the job ended as the fault ends jobs."""
        return bool(self.job) and (not self.fault.ends or bool({*self.fault.ends} & {*ends.get(self.job["id"], [])}))


def over_time(cluster: Cluster, job: dict[str, str]) -> None:
    """Its steps hang, and its time is up."""
    _signal(cluster, job, signal.SIGSTOP)
    cluster.command("scontrol", "update", f"JobId={job['id']}", "EndTime=now+1")
    _until(lambda: _state(cluster, job) != "RUNNING", 60)


def cancelled(cluster: Cluster, job: dict[str, str]) -> None:
    """Somebody cancels it."""
    cluster.command("scancel", job["id"])


def daemon_killed(cluster: Cluster, job: dict[str, str]) -> None:
    """SIGKILL to its node's daemon, which comes back before the node is given up; what runs there runs on."""
    cluster.kill_node(job["node"], steps=False)
    time.sleep(3)
    cluster.start_node(job["node"])


def node_lost(cluster: Cluster, job: dict[str, str]) -> None:
    """SIGKILL to its node's daemon and all that runs there; the node comes back after it was given up."""
    cluster.kill_node(job["node"], steps=True)
    _until(lambda: _state(cluster, job) != "RUNNING", 90)
    cluster.start_node(job["node"])


def node_down(cluster: Cluster, job: dict[str, str]) -> None:
    """Somebody sets its node down, and up again."""
    cluster.command("scontrol", "update", f"NodeName={job['node']}", "State=down", "Reason=test")
    time.sleep(3)
    cluster.command("scontrol", "update", f"NodeName={job['node']}", "State=resume")


def preempted(cluster: Cluster, job: dict[str, str]) -> None:
    """A job of a partition of higher rank takes its node."""
    cluster.command(
        "sbatch",
        "--partition=urgent",
        "--exclusive",
        f"--nodelist={job['node']}",
        "--output=/dev/null",
        "--wrap=sleep 2",
    )
    _until(lambda: _state(cluster, job) != "RUNNING", 20)


FAULTS = (
    Fault("over its time", over_time, ("TIMEOUT",)),
    Fault("cancelled (scancel)", cancelled, ("CANCELLED",)),
    Fault("SIGKILL of slurmd", daemon_killed, ()),
    Fault("SIGKILL of slurmd and all on its node", node_lost, ("NODE_FAIL",)),
    Fault("node set down", node_down, ("NODE_FAIL",)),
    Fault("preempted", preempted, ("PREEMPTED",), ("simulate", "epochs", "evaluate")),
)
OUT_OF_MEMORY, SNAKEMAKE_KILLED = "out of memory", "SIGKILL of Snakemake, same command again"
SHORT = dict(
    zip(
        STAGES, ("preempted", "cancelled (scancel)", "over its time", "node set down", "SIGKILL of slurmd"), strict=True
    )
)
"""One run's faults, by the stage that each hits; training runs out of memory before."""


class Disturbed:
    """A run of the chain through the profile while faults happen to it."""

    def __init__(self, folder: Path, cluster: Cluster, injections: Sequence[Injection], rng: random.Random, *,
                 starved: str | None = None, kill_snakemake: bool = False) -> None:  # fmt: skip
        self.cluster, self.pending, self.rng = cluster, list(injections), rng
        self.starved, self.kill_snakemake = starved, kill_snakemake
        self.chain = Chain.made(folder, cluster, site=_site(folder, starved))
        self.log = folder / "snakemake.log"
        self.reruns, self.kills, self.seconds, self.status = 0, 0, 0.0, -1
        self.seen: dict[str, dict[str, str]] = {}

    def run(self) -> None:
        """Run to the end: again, by the same command, where Snakemake is killed or gives up."""
        began = time.monotonic()
        while self.reruns < 3:
            process = self.chain.start(*TABLES, log=self.log)
            try:
                self._watch(process, began + LIMIT_S)
            finally:
                if process.poll() is None:
                    process.kill()
                self.status = process.wait()
            if self.status == 0 or time.monotonic() > began + LIMIT_S:
                break
            self.reruns += 1
            self._tidy()
        self.seconds = time.monotonic() - began

    def _watch(self, process: subprocess.Popen, end: float) -> None:
        after = self.rng.uniform(2.0, 5.0)
        while process.poll() is None and time.monotonic() < end:
            jobs = self.cluster.jobs()
            self.seen |= {job["id"]: job for job in jobs}
            for job in jobs:
                if job["state"] != "RUNNING" or _seconds(job["elapsed"]) < after:
                    continue
                stage = stage_of(job)
                if self.kill_snakemake and stage == "train":
                    self.kill_snakemake = False
                    self.kills += 1
                    process.kill()
                    process.wait()
                    return
                due = next((each for each in self.pending if each.stage == stage and not each.job), None)
                if due is not None:
                    due.job = job
                    due.fault.inject(self.cluster, job)
                    after = self.rng.uniform(2.0, 5.0)
                    break
            time.sleep(0.3)

    def _tidy(self) -> None:
        """What docs/cluster.md says to do after Snakemake was killed."""
        for job in self.cluster.jobs():
            if job["name"].startswith("hypnolens_") and job["state"] in ("PENDING", "RUNNING"):
                self.cluster.command("scancel", job["id"])
        _until(lambda: not self.cluster.running(), 60)
        self.chain.run("--unlock")


def disturb(cluster: Cluster, reference: Chain, folder: Path, plan: dict[str, Fault], seed: int, *,
            starved: str | None = None, kill_snakemake: bool = False) -> tuple[dict[str, list[int]], str]:  # fmt: skip
    """Run the chain with a fault at each stage of a plan.

    Returns
    -------
    counts, words
        Times that each fault was injected and recovered from; a line on the run.
    """
    injections = [Injection(fault, stage) for stage, fault in plan.items()]
    before = ends_of(cluster)
    run = Disturbed(folder, cluster, injections, random.Random(seed), starved=starved, kill_snakemake=kill_snakemake)
    run.run()
    differing = run.chain.differences(reference)
    well = run.status == 0 and not differing
    ends = {job: states for job, states in ends_of(cluster).items() if job not in before}
    counts = {fault.name: [0, 0] for fault in plan.values()}
    for injection in injections:
        if injection.took_effect(ends):
            counts[injection.fault.name][0] += 1
            counts[injection.fault.name][1] += well
    if starved:
        killed = len([job for job in out_of_memory(cluster) if stage_of(run.seen.get(job, {})) == starved])
        counts[OUT_OF_MEMORY] = [killed, killed * well]
    if run.kills:
        counts[SNAKEMAKE_KILLED] = [run.kills, run.kills * well]
    missed = [f"{each.fault.name} at {each.stage}" for each in injections if not each.took_effect(ends)]
    words = f"{run.seconds:.0f} s, {len(run.seen)} jobs, status {run.status}, {run.reruns} reruns"
    words += f", differs: {differing}" * bool(differing) + f", without effect: {missed}" * bool(missed)
    return counts, words


def plans(seed: int) -> Iterator[dict[str, Fault]]:
    """Runs in which each fault hits each stage that it can once."""
    rng = random.Random(seed)
    faults = list(FAULTS)
    rng.shuffle(faults)
    for shift in range(len(faults)):
        turned = faults[shift:] + faults[:shift]
        yield {stage: fault for stage, fault in zip(STAGES, turned, strict=False) if stage in fault.stages}


def stage_of(job: dict[str, str]) -> str | None:
    """The rule of a job, from the comment that the plugin gives it."""
    return next((stage for stage in STAGES if job.get("rule", "").startswith(f"rule_{stage}_")), None)


def ends_of(cluster: Cluster) -> dict[str, list[str]]:
    """How each job ended, each time that it did: one that went back into the queue ends more than once."""
    path = cluster.folder / "log" / "jobs.log"
    ends: dict[str, list[str]] = {}
    for job, state in re.findall(r"^JobId=(\d+) .*? JobState=(\w+)", path.read_text() if path.exists() else "", re.M):
        ends.setdefault(job, []).append(state)
    return ends


def out_of_memory(cluster: Cluster) -> set[str]:
    """Jobs that the nodes ended for their memory."""
    logs = [path.read_text() for path in (cluster.folder / "log").glob("[cg][0-9]*.log")]
    return {job for text in logs for job in re.findall(r"StepId=(\d+)\.\w+ exceeded memory limit", text)}


def _site(folder: Path, starved: str | None) -> Path:
    """The site's file as it is shipped, with too little memory at first for the jobs of a rule."""
    site = yaml.safe_load((PROFILE / "site.yaml").read_text())
    if starved:
        resources = dict(site["set-resources"].get(starved, {}))
        site["set-resources"][starved] = {**resources, "mem_mb": "300 if attempt == 1 else 2000 * attempt"}
    folder.mkdir(exist_ok=True)
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump(site))
    return path


def _signal(cluster: Cluster, job: dict[str, str], number: int) -> None:
    """A signal to a job's processes, other than SLURM's own."""
    cluster.command("scancel", "--full", f"--signal={signal.Signals(number).name[3:]}", job["id"])


def _state(cluster: Cluster, job: dict[str, str]) -> str:
    return next((each["state"] for each in cluster.jobs() if each["id"] == job["id"]), "GONE")


def _until(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.3)


def _seconds(elapsed: str) -> int:
    """Seconds of SLURM's `[days-[hours:]]minutes:seconds`."""
    parts = re.split("[-:]", elapsed)
    return sum(int(part) * unit for part, unit in zip(reversed(parts), (1, 60, 3600, 86400), strict=False))


def table(counts: dict[str, list[int]]) -> str:
    """Counts as lines that a person reads."""
    width = max(map(len, counts)) + 2
    lines = [f"{'fault':<{width}}injected  recovered  lost"]
    lines += [
        f"{name:<{width}}{injected:8d}  {recovered:9d}  {injected - recovered:4d}"
        for name, (injected, recovered) in counts.items()
    ]
    return "\n".join(lines)


def main() -> int:
    """Run from the command line; the status says whether anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="each fault at each stage, in several runs")
    parser.add_argument("--seed", type=int, default=0, help="of the moments, and with --all of the order")
    arguments = parser.parse_args()
    os.environ.setdefault("HYPNOLENS_TEST_CLUSTER", "")
    try:
        install()
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 2
    total: dict[str, list[int]] = {}
    with tempfile.TemporaryDirectory(prefix="hypnolens-faults-") as name, Cluster() as cluster:
        folder = Path(name)
        reference = Chain.made(folder / "undisturbed")
        run = reference.run(*TABLES)
        if run.returncode:
            print(run.stdout, file=sys.stderr)
            return 1
        named = {fault.name: fault for fault in FAULTS}
        runs = [{stage: named[fault] for stage, fault in SHORT.items()}]
        runs = list(plans(arguments.seed)) if arguments.all else runs
        for number, plan in enumerate(runs):
            starved = STAGES[number % len(STAGES)] if arguments.all else "train"
            counts, words = disturb(
                cluster, reference, folder / f"run{number}", plan, arguments.seed + number, starved=starved,
                kill_snakemake=arguments.all,
            )  # fmt: skip
            print(f"run {number + 1} of {len(runs)}: {words}", file=sys.stderr, flush=True)
            for fault, (injected, recovered) in counts.items():
                before = total.get(fault, [0, 0])
                total[fault] = [before[0] + injected, before[1] + recovered]
    print(table(total))
    return int(any(injected != recovered or not injected for injected, recovered in total.values()))


if __name__ == "__main__":
    sys.exit(main())
