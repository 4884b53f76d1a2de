"""A SLURM of several nodes on this machine, from Debian's packages, for the time of a test.

Configuration, key, sockets, state and logs lie in a folder of its own, and ports are free ones: nothing of the
machine's own is read or written. All its processes, daemons and jobs alike, carry that folder in their environment. By
it a janitor ends them when whoever started the cluster closes a pipe, which the kernel does too if that is killed.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins", "munge")
DAEMONS = ("munged", "slurmctld", "slurmd")
COMMANDS = ("sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")
PERMISSION = "HYPNOLENS_TEST_CLUSTER"
"""Variable that has to say ``install`` before packages are installed."""
MARK, NODE = "HYPNOLENS_CLUSTER_FOLDER", "HYPNOLENS_CLUSTER_NODE"
"""Variables in the environment of all processes of a cluster, and of a node's daemons."""

SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/state/slurmctld.pid
SlurmdPidFile={folder}/spool/%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/%n.log
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# Nodes claim what the machine need not have; one that comes back is used again; one is lost after six seconds.
SlurmdParameters=config_overrides
ReturnToService=1
SlurmctldTimeout=30
SlurmdTimeout=6
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
DefMemPerCPU=1000
MinJobAge=600
KillWait=3
# Memory is enforced by looking every second, as control groups need not be at hand.
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/log/jobs.log
AccountingStorageType=accounting_storage/none
{nodes}
PartitionName=cpu Nodes={cpu} Default=YES MaxTime=1-0 DefaultTime=10 PriorityTier=1
PartitionName=gpu Nodes={gpu} MaxTime=1-0 DefaultTime=10 PriorityTier=1
PartitionName=urgent Nodes={cpu},{gpu} MaxTime=1-0 DefaultTime=10 PriorityTier=9 PreemptMode=off
"""


class Unavailable(Exception):
    """Why there can be no cluster of the tests' own here."""


def install() -> None:
    """Have Debian's packages, installing them where that is allowed.

    Raises
    ------
    Unavailable
        They are not there, and may or can not be installed; or the machine has a SLURM of its own.
    """
    if os.geteuid() != 0:
        raise Unavailable("daemons of SLURM want root")
    if "SLURM_CONF" in os.environ or Path("/etc/slurm/slurm.conf").exists():
        raise Unavailable("this machine is configured for a SLURM, which the tests do not touch")
    if any(name in DAEMONS[1:] and MARK not in given for _, name, given in _processes()):
        raise Unavailable("a SLURM runs on this machine, and the tests do not touch it")
    if all(shutil.which(program) for program in (*DAEMONS, *COMMANDS)):
        return
    if shutil.which("apt-get") is None:
        raise Unavailable("SLURM is not installed, and there is no apt-get to install it with")
    if os.environ.get(PERMISSION) != "install":
        raise Unavailable(f"SLURM is not installed; {PERMISSION}=install has it installed by apt-get, as root")
    # Nothing is to be started by the packages themselves, on a machine that would.
    settings = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
        run = subprocess.run(["apt-get", "-qq", *arguments], env=settings, text=True, capture_output=True)
        if run.returncode:
            raise Unavailable(f"apt-get {arguments[0]} failed: {(run.stderr.strip() or '?').splitlines()[-1]}")


@dataclass(frozen=True)
class Job:
    """A job as `squeue` shows it; ``comment`` is the plugin's, and names rule and wildcards."""

    id: str
    state: str
    node: str
    partition: str
    elapsed: str
    name: str
    folder: str
    comment: str

    @property
    def seconds(self) -> int:
        """How long it has run since it was started last; tests end within a day."""
        return sum(int(part) * 60**place for place, part in enumerate(reversed(self.elapsed.split(":"))))


class Cluster:
    """Nodes ``c1`` and ``c2`` of partition ``cpu``, ``g1`` of ``gpu``; jobs of ``urgent`` take any of them away.

    A node claims four cores and 32 GB whatever the machine has; ``g1`` has two devices besides, which are as good as
    /dev/null.

    Attributes
    ----------
    environment
        For what is to use the cluster.
    """

    cpu, gpu = ("c1", "c2"), ("g1",)

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hypnolens-slurm-"))
        self.environment = {
            **os.environ,
            MARK: str(self.folder),
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
        }
        self.daemons: dict[str, subprocess.Popen] = {}
        self.janitor = subprocess.Popen(
            [sys.executable, __file__, str(self.folder)], stdin=subprocess.PIPE, start_new_session=True
        )

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Bring all daemons up, and wait until every node is idle.

        Raises
        ------
        RuntimeError
            One did not come up; its last words.
        """
        for name in ("bin", "state", "spool", "log", "devices", "private"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        private = self.folder / "private"
        private.chmod(0o700)
        self._configure()
        key = private / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self._daemon(
            "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={self.folder}/munge.socket",
            f"--pid-file={private}/pid", f"--seed-file={private}/seed", f"--log-file={private}/log",
        )  # fmt: skip
        self._up((self.folder / "munge.socket").exists)
        self._daemon("slurmctld", "-D", "-i")
        for node in (*self.cpu, *self.gpu):
            self.start_node(node)
        self._up(lambda: set(self.command("sinfo", "--noheader", "--Node", "--format=%T").split()) == {"idle"})

    def stop(self) -> None:
        """End all that belongs to the cluster, and remove what it wrote."""
        assert self.janitor.stdin is not None
        self.janitor.stdin.close()
        for process in (self.janitor, *self.daemons.values()):
            process.wait(timeout=60)

    def command(self, *arguments: str) -> str:
        """Run a command of SLURM; returns what it printed."""
        run = subprocess.run(arguments, env=self.environment, text=True, capture_output=True, timeout=60)
        return run.stdout.strip()

    def jobs(self) -> list[Job]:
        """All jobs that SLURM has not forgotten."""
        lines = self.command("squeue", "--noheader", "--states=all", "--format=%i|%T|%N|%P|%M|%j|%Z|%k").splitlines()
        return [Job(*line.split("|")) for line in lines]

    def ends(self) -> dict[str, list[str]]:
        """How each job ended, each time that it did: one that went back into the queue ends more than once."""
        path = self.folder / "log" / "jobs.log"
        ends: dict[str, list[str]] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            values = dict(pair.split("=", 1) for pair in line.split() if "=" in pair)
            ends.setdefault(values["JobId"], []).append(values["JobState"])
        return ends

    def log(self, node: str) -> str:
        """What a node's daemon and the processes that watch its jobs have to say."""
        return (self.folder / "log" / f"{node}.log").read_text()

    def start_node(self, node: str) -> None:
        """Start the daemon of a node."""
        self._daemon("slurmd", "-D", "-N", node, name=node, environment={NODE: node})

    def kill_node(self, node: str) -> None:
        """SIGKILL to the daemon of a node; what runs there runs on."""
        self.daemons[node].kill()
        self.daemons[node].wait()

    def kill(self, chosen: Callable[[dict[str, str]], bool]) -> int:
        """SIGKILL to the processes of the cluster that are chosen by their environments; how many those were."""
        mine = [(process, given) for process, _, given in _processes() if given.get(MARK) == str(self.folder)]
        victims = [process for process, given in mine if chosen(given)]
        for process in victims:
            _kill(process)
        return len(victims)

    def _configure(self) -> None:
        ports = _free_ports(1 + len(self.cpu) + len(self.gpu))
        host = socket.gethostname().split(".")[0]
        line = "NodeName={} NodeHostname={} NodeAddr=127.0.0.1 Port={} CPUs=4 RealMemory=32000{}"
        nodes = [line.format(node, host, ports.pop(), "") for node in self.cpu]
        nodes += [line.format(node, host, ports.pop(), " Gres=gpu:fake:2") for node in self.gpu]
        for number in range(2):
            os.mknod(self.folder / "devices" / f"gpu{number}", 0o20666, os.makedev(1, 3))
        files = self.folder / "devices" / "gpu[0-1]"
        (self.folder / "gres.conf").write_text(
            f"NodeName={','.join(self.gpu)} Name=gpu Type=fake File={files} Flags=nvidia_gpu_env\n"
        )
        (self.folder / "slurm.conf").write_text(
            SLURM_CONF.format(host=host, port=ports.pop(), folder=self.folder, nodes="\n".join(nodes),
                              cpu=",".join(self.cpu), gpu=",".join(self.gpu))
        )  # fmt: skip
        # The executor plugin takes SLURM_CONF away from what it starts, and SLURM would look in /etc/slurm.
        for name in COMMANDS:
            command = self.folder / "bin" / name
            command.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {shutil.which(name)} "$@"\n')
            command.chmod(0o755)

    def _daemon(self, *command: str, name: str = "", environment: Mapping[str, str] | None = None) -> None:
        with (self.folder / "log" / f"{name or command[0]}.out").open("a") as out:
            self.daemons[name or command[0]] = subprocess.Popen(
                command, env={**self.environment, **(environment or {})}, stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def _up(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not condition():
            time.sleep(0.2)
            for name, daemon in self.daemons.items():
                if daemon.poll() is not None or time.monotonic() > end:
                    words = (self.folder / "log" / f"{name}.out").read_text().strip()
                    raise RuntimeError(f"{name} does not come up, status {daemon.returncode}: {words[-500:]}")


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _processes() -> Iterator[tuple[int, str, dict[str, str]]]:
    """Number, name and environment of each process that is alive."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            name = (path / "comm").read_text().strip()
            pairs = (path / "environ").read_bytes().decode(errors="replace").split("\0")
            given = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
            if name == "slurmstepd":  # has overwritten its environment, but holds the log of its node
                files = [file.readlink() for file in (path / "fd").iterdir()]
                given |= {
                    key: value
                    for file in files
                    if file.parent.name == "log"
                    for key, value in {MARK: str(file.parent.parent), NODE: file.stem}.items()
                }
            yield int(path.name), name, given


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _sweep(folder: Path) -> None:
    """End whatever belongs to a cluster, and remove its folder."""
    while left := [process for process, _, given in _processes() if given.get(MARK) == str(folder)]:
        for process in left:
            _kill(process)
        time.sleep(0.1)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.stdin.read()
    _sweep(Path(sys.argv[1]))
