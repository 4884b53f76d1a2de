"""Work that loses its process, for tests of who is taken along. It is imported by other processes, so it is small."""

import os
import signal
import time
from pathlib import Path


def _nth_time(folder, name):
    """How often this was asked before, counted by files, as processes die of it."""
    Path(folder).mkdir(exist_ok=True)
    marks = [int(mark.suffix[1:]) for mark in Path(folder).glob(f"{name}.*")]
    n = max(marks, default=0)
    Path(folder, f"{name}.{n + 1}").touch()
    return n


def dies(folder, name, times, number=signal.SIGKILL):
    """Die the first few times."""
    if _nth_time(folder, name) < times:
        os.kill(os.getpid(), number)


def work(task):
    """A task is its name, a folder, and how often its process is killed."""
    name, folder, times = task
    dies(folder, name, times)
    return name.upper()


def leaves(task):
    os._exit(3)


def crashes(task):
    dies(task[1], task[0], task[2], signal.SIGSEGV)


def sleeps(folder):
    """Say which process sleeps, for as long as a test may need."""
    Path(folder, str(os.getpid())).touch()
    time.sleep(600)


def dies_at_first(folder, times):
    dies(folder, "start", times)
