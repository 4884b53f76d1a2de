"""Many tasks side by side, each in a process of its own, so that one whose process is killed takes no other along.

`concurrent.futures` has one queue for all processes, and gives up all that wait there when one of them dies. Here each
process has a pipe of its own and says when it begins, so that it is known which task a process died of.
"""

import logging
import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Generic, TypeVar

Task = TypeVar("Task", bound=Hashable)
Result = TypeVar("Result")

MOST_KILLED = 2
"""Times that a task may lose its process before it is given up: once may be bad luck."""

MOST_UNBEGUN = 5
"""Times that a process may die before it begins with its task. That says nothing of the task, but must have an end."""


@dataclass(frozen=True)
class Killed:
    """What came of a task whose processes were killed, and by what, such as ``SIGKILL``."""

    by: str


class _Worker(Generic[Task]):
    """A process, and the task that it has."""

    def __init__(self, work: Callable[[Task], object], prepare: Callable[[], object], task: Task) -> None:
        # Forked processes would share torch's threads, which then wait for each other for ever.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, work, prepare))
        self.process.start()
        theirs.close()
        self.give(task)

    def give(self, task: Task | None) -> None:
        """Give it its next task; without one, it ends."""
        self.task, self.begun = task, False
        with suppress(OSError):  # it was killed in between, which reading from it will tell
            self.pipe.send(None if task is None else (task,))

    def end(self) -> str:
        """Wait until it has ended, and say how."""
        self.pipe.close()
        self.process.join()
        code = self.process.exitcode or 0
        names = {-number: number.name for number in signal.Signals}
        return names.get(code, f"exit status {code}")


def each_apart(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    jobs: int,
    prepare: Callable[[], object] = tuple,
) -> Iterator[tuple[Task, Result | Killed]]:
    """Work on tasks, several at a time, each in a process that works on nothing else meanwhile.

    A task whose process is killed has its turn again when all others have had theirs.

    Parameters
    ----------
    work
        What makes a result of a task, and raises nothing. It and both can be pickled.
    tasks
        All different.
    jobs
        Processes at a time.
    prepare
        What each process does first, such as to load what work needs. Where that fails, so will work, and say why.

    Yields
    ------
    task, result
        As they are done.
    """
    waiting, killed, unbegun = deque(tasks), Counter[Task](), Counter[Task]()
    workers: list[_Worker[Task]] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < jobs:
                workers.append(_Worker(work, prepare, waiting.popleft()))
            ready = wait([worker.pipe for worker in workers])
            for worker in [worker for worker in workers if worker.pipe in ready]:
                task = worker.task
                try:
                    said = worker.pipe.recv()
                except (EOFError, OSError):
                    workers.remove(worker)
                    how = worker.end()
                    if task is None:
                        continue
                    (killed if worker.begun else unbegun)[task] += 1
                    if killed[task] < MOST_KILLED and unbegun[task] < MOST_UNBEGUN:
                        waiting.append(task)
                    else:
                        yield task, Killed(how)
                else:
                    if said is None:
                        worker.begun = True
                    elif task is not None:
                        worker.give(waiting.popleft() if waiting else None)
                        yield task, said[0]
    finally:
        for worker in workers:
            worker.process.terminate()
            worker.end()


def _serve(pipe: Connection, work: Callable[[Task], Result], prepare: Callable[[], object]) -> None:
    """Work on what comes through a pipe, until nothing comes or the process at its other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all of them, and is for the one that began
    logging.captureWarnings(True)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(Exception):
        prepare()
    while (given := pipe.recv()) is not None:
        pipe.send(None)
        pipe.send((work(given[0]),))


def _end_with_parent() -> None:
    """Nobody would know of what a process writes whose parent was killed."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
