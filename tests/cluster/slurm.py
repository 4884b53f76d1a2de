"""A SLURM of several nodes on this machine, from Debian's packages, for the time of a test.

Configuration, key, socket, state and logs lie in a folder of its own; ports are free ones. The one thing outside is a
link to its configuration in /etc/slurm, as the executor plugin takes SLURM_CONF away from the steps that it starts.
Daemons die with the process that started them, however that ends, and `stop` kills what the jobs left.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins", "munge")
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged")
PERMISSION = "HYPNOLENS_TEST_CLUSTER"
"""Variable that has to say ``install`` before packages are installed."""
MARK = "HYPNOLENS_CLUSTER_FOLDER"
"""Variable that all processes of a cluster inherit."""
CONFIGURATION = Path("/etc/slurm")
NODE_TIMEOUT_S = 10
"""After so many seconds without its daemon a node is taken for lost."""
LOST, GONE = ("DOWN", "NOT_RESPONDING"), ("slurmctld", "slurmd", "munged")

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
ReturnToService=1
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
DefMemPerCPU=1000
MinJobAge=600
KillWait=3
SlurmctldTimeout=30
SlurmdTimeout={node_timeout}
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/log/jobs.log
AccountingStorageType=accounting_storage/none
{nodes}
PartitionName=cpu Nodes={cpu} Default=YES MaxTime=1-0 DefaultTime=10 PriorityTier=1 State=UP
PartitionName=gpu Nodes={gpu} MaxTime=1-0 DefaultTime=10 PriorityTier=1 State=UP
PartitionName=urgent Nodes={cpu} MaxTime=1-0 DefaultTime=10 PriorityTier=9 PreemptMode=off State=UP
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
    if "SLURM_CONF" in os.environ or any(_foreign(name) for name in ("slurm.conf", "gres.conf")):
        raise Unavailable("this machine is configured for a SLURM, which the tests do not touch")
    if running := sorted({name for name in GONE for _ in _named(name)}):
        raise Unavailable(f"{running[0]} runs on this machine, and the tests do not touch it")
    if all(shutil.which(program) for program in PROGRAMS):
        return
    if shutil.which("apt-get") is None:
        raise Unavailable("SLURM is not installed, and there is no apt-get to install it with")
    if os.environ.get(PERMISSION) != "install":
        raise Unavailable(f"SLURM is not installed; {PERMISSION}=install has it installed by apt-get, as root")
    # Nothing is to be started by the packages themselves, on a machine that would.
    settings = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in ("update", "install --yes --no-install-recommends " + " ".join(PACKAGES)):
        run = subprocess.run(
            ["apt-get", "-qq", *command.split()],
            env=settings,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if run.returncode:
            raise Unavailable(f"apt-get {command.split()[0]} failed: {(run.stdout.strip() or '?').splitlines()[-1]}")


class Cluster:
    """Nodes ``c1``, ``c2``, … of partition ``cpu`` (``urgent`` takes them away from it), ``g1``, … of ``gpu``.

    A node claims four cores and 16 GB whatever the machine has; one of ``gpu`` has two devices besides, which are as
    good as /dev/null.
    """

    def __init__(self, *, nodes: int = 2, gpu_nodes: int = 1) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hypnolens-slurm-"))
        self.environment = {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf"), MARK: str(self.folder)}
        self.cpu = [f"c{number}" for number in range(1, nodes + 1)]
        self.gpu = [f"g{number}" for number in range(1, gpu_nodes + 1)]
        self.daemons: dict[str, subprocess.Popen] = {}

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
        """Bring all daemons up, and wait until every node is idle."""
        for name in ("state", "spool", "log", "devices", "private"):
            (self.folder / name).mkdir()
        self.folder.chmod(0o755)
        (self.folder / "private").chmod(0o700)
        self._configure()
        key = self.folder / "private" / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        private = self.folder / "private"
        self._daemon(
            "munged", "--foreground", "--force", f"--key-file={key}", f"--socket={self.folder}/munge.socket",
            f"--pid-file={private}/pid", f"--seed-file={private}/seed", f"--log-file={private}/log",
        )  # fmt: skip
        self._wait(lambda: (self.folder / "munge.socket").exists(), 10, "munged makes no socket")
        self._daemon("slurmctld", "-D", "-i")
        for node in (*self.cpu, *self.gpu):
            self.start_node(node)
        self._wait(lambda: set(self.states().values()) == {"idle"}, 60, "nodes do not come up")

    def stop(self) -> None:
        """End all that belongs to the cluster, and remove what it wrote."""
        if "slurmctld" in self.daemons:
            subprocess.run(["scancel", "--user=root"], env=self.environment, timeout=30, capture_output=True)
            self._wait(lambda: not self.running(), 10)
        for daemon in reversed(list(self.daemons.values())):
            daemon.kill()
            daemon.wait()
        # Steps are children of no daemon any more: they are known by the variable that they inherited.
        for process in self.processes():
            _kill(process)
        for name in ("slurm.conf", "gres.conf"):
            if (CONFIGURATION / name).is_symlink() and not _foreign(name, self.folder):
                (CONFIGURATION / name).unlink()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, *arguments: str) -> str:
        """Run a command of SLURM; returns what it printed."""
        run = subprocess.run(arguments, env=self.environment, text=True, capture_output=True, timeout=60, check=True)
        return run.stdout.strip()

    def states(self) -> dict[str, str]:
        """State of each node, such as `idle`, `mixed`, `down`."""
        run = subprocess.run(["sinfo", "--noheader", "--Node", "--format=%N %T"], env=self.environment,
                             text=True, capture_output=True, timeout=60)  # fmt: skip
        return dict(line.split() for line in run.stdout.splitlines())

    def jobs(self) -> list[dict[str, str]]:
        """All jobs that SLURM has not forgotten: id, state, node, seconds that it has run, and rule."""
        fields = {
            "id": "%i",
            "state": "%T",
            "node": "%N",
            "partition": "%P",
            "rule": "%k",
            "name": "%j",
            "elapsed": "%M",
        }
        lines = self.command("squeue", "--noheader", "--states=all", "--format=" + "|".join(fields.values()))
        return [dict(zip(fields, line.split("|"), strict=True)) for line in lines.splitlines()]

    def running(self) -> list[dict[str, str]]:
        """Jobs that hold a node."""
        return [job for job in self.jobs() if job["state"] in ("RUNNING", "COMPLETING")]

    def start_node(self, node: str) -> None:
        """Start the daemon of a node."""
        self._daemon("slurmd", "-D", "-N", node, name=node)

    def kill_node(self, node: str, *, steps: bool) -> None:
        """SIGKILL to the daemon of a node, and with ``steps`` to all that runs on the node."""
        self.daemons[node].kill()
        self.daemons[node].wait()
        if steps:
            for process in self.processes():
                if _variable(process, "SLURMD_NODENAME") == node:
                    _kill(process)

    def processes(self) -> list[int]:
        """Numbers of all processes of the cluster's jobs that are alive."""
        return [process for process in _all_processes() if _variable(process, MARK) == str(self.folder)]

    def log(self) -> str:
        """What the controller has to say."""
        path = self.folder / "log" / "slurmctld.log"
        return path.read_text() if path.exists() else ""

    def _configure(self) -> None:
        host = socket.gethostname().split(".")[0]
        ports = iter(_free_ports(1 + len(self.cpu) + len(self.gpu)))
        port = next(ports)
        line = "NodeName={} NodeHostname={} NodeAddr=127.0.0.1 Port={} CPUs=4 RealMemory=16000 State=UNKNOWN{}"
        nodes = [line.format(node, host, next(ports), "") for node in self.cpu]
        nodes += [line.format(node, host, next(ports), " Gres=gpu:fake:2") for node in self.gpu]
        devices = []
        for node in self.gpu:
            for number in range(2):
                os.mknod(self.folder / "devices" / f"{node}-{number}", 0o20666, os.makedev(1, 3))
            devices.append(
                f"NodeName={node} Name=gpu Type=fake File={self.folder}/devices/{node}-[0-1] Flags=nvidia_gpu_env"
            )
        text = SLURM_CONF.format(
            host=host, port=port, folder=self.folder, nodes="\n".join(nodes), node_timeout=NODE_TIMEOUT_S,
            cpu=",".join(self.cpu), gpu=",".join(self.gpu),
        )  # fmt: skip
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text("\n".join(devices) + "\n")
        CONFIGURATION.mkdir(exist_ok=True)
        for name in ("slurm.conf", "gres.conf"):
            (CONFIGURATION / name).unlink(missing_ok=True)  # a link of a cluster that was killed
            (CONFIGURATION / name).symlink_to(self.folder / name)

    def _daemon(self, *command: str, name: str | None = None) -> None:
        name = name or command[0]
        with (self.folder / "log" / f"{name}.out").open("a") as out:
            self.daemons[name] = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True, preexec_fn=_die_with_parent,
            )  # fmt: skip

    def _wait(self, condition: Callable[[], bool], seconds: float, otherwise: str = "") -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for name, daemon in self.daemons.items():
                if daemon.poll() is not None and otherwise:
                    out = (self.folder / "log" / f"{name}.out").read_text().strip()
                    raise Unavailable(f"{name} ended with status {daemon.returncode}: {out[-500:]}")
            if condition():
                return
            time.sleep(0.2)
        if otherwise:
            raise Unavailable(f"{otherwise} within {seconds:.0f} s; states {self.states()}; {self.log()[-500:]}")


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _foreign(name: str, folder: Path | None = None) -> bool:
    """Whether a file of configuration is somebody else's: no link of this or of an earlier, killed cluster."""
    path = CONFIGURATION / name
    if not path.is_symlink():
        return path.exists()
    target = path.readlink()
    return target.parent != folder if folder else not target.parent.name.startswith("hypnolens-slurm-")


def _all_processes() -> Iterator[int]:
    return (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit())


def _named(name: str) -> Iterator[int]:
    for process in _all_processes():
        try:
            if (Path("/proc") / str(process) / "comm").read_text().strip().startswith(name):
                yield process
        except OSError:
            continue


def _variable(process: int, name: str) -> str | None:
    if process == os.getpid():
        return None
    try:
        pairs = (Path("/proc") / str(process) / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    found = [pair.split(b"=", 1)[1] for pair in pairs if pair.startswith(name.encode() + b"=")]
    return found[0].decode() if found else None


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
