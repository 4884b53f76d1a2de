"""Tasks side by side: of a process that is killed, its own task is tried again, and no other is lost."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from hypnolens.scoring.workers import MOST_UNBEGUN, Killed, each_apart
from tests import killed
from tests.conftest import ROOT


def _tasks(folder, **times):
    return [(name, str(folder), n) for name, n in times.items()]


@pytest.mark.parametrize("jobs", [1, 2])
def test_all_are_done_but_what_killed_its_process_twice(tmp_path, jobs):
    tasks = _tasks(tmp_path, a=0, b=1, c=9, d=0, e=1, f=0)
    found = dict(each_apart(killed.work, tasks, jobs=jobs))
    assert [found[task] for task in tasks] == ["A", "B", Killed("SIGKILL"), "D", "E", "F"]
    attempts = {name: len(list(tmp_path.glob(f"{name}.*"))) for name in "abcdef"}
    assert attempts == {"a": 1, "b": 2, "c": 2, "d": 1, "e": 2, "f": 1}  # nothing is done twice that was done


def test_what_was_killed_has_its_turn_after_the_others(tmp_path):
    tasks = _tasks(tmp_path, a=1, b=0, c=0)
    assert [task[0] for task, _ in each_apart(killed.work, tasks, jobs=1)] == ["b", "c", "a"]


def test_how_a_process_ended_is_told(tmp_path):
    (task,) = _tasks(tmp_path, a=9)
    assert dict(each_apart(killed.leaves, [task], jobs=1)) == {task: Killed("exit status 3")}
    assert dict(each_apart(killed.crashes, [task], jobs=1)) == {task: Killed("SIGSEGV")}


def test_a_process_that_dies_before_it_begins_says_nothing_of_its_task(tmp_path):
    tasks = _tasks(tmp_path, a=0, b=0)
    prepare = partial(killed.dies_at_first, str(tmp_path), MOST_UNBEGUN - 1)
    assert {result for _, result in each_apart(killed.work, tasks, jobs=1, prepare=prepare)} == {"A", "B"}
    never = partial(killed.dies_at_first, str(tmp_path), 99)
    assert [result for _, result in each_apart(killed.work, tasks, jobs=1, prepare=never)] == [Killed("SIGKILL")] * 2


def test_a_process_that_is_killed_between_two_tasks_takes_none_along(tmp_path):
    found = []
    for task, result in each_apart(killed.work, _tasks(tmp_path, **dict.fromkeys("abcdef", 0)), jobs=2):
        found.append((task[0], result))
        for process in multiprocessing.active_children():  # one works, the other may wait
            process.kill()
    assert sorted(dict(found)) == sorted({name for name, _ in found})
    assert all(result in (name.upper(), Killed("SIGKILL")) for name, result in found) and len(found) == 6


def test_who_stops_listening_leaves_no_process(tmp_path):
    results = each_apart(killed.work, _tasks(tmp_path, a=0, b=0, c=0), jobs=2)
    next(results)
    results.close()
    assert multiprocessing.active_children() == []


def test_processes_end_with_the_one_that_began_them(tmp_path):
    code = (
        "from hypnolens.scoring.workers import each_apart\nfrom tests import killed\n"
        f"if __name__ == '__main__':\n    list(each_apart(killed.sleeps, {[str(tmp_path)]!r}, jobs=1))\n"
    )
    script = tmp_path / "begin.py"
    script.write_text(code)
    began = subprocess.Popen([sys.executable, script], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        (sleeping,) = _until(lambda: [int(path.name) for path in tmp_path.iterdir() if path.name.isdigit()])
    finally:
        began.send_signal(signal.SIGKILL)
        began.wait()
    _until(lambda: not _runs(sleeping))


def _until(question):
    """Wait for an answer; a test that never gets one fails."""
    for _ in range(6000):
        if answer := question():
            return answer
        time.sleep(0.01)
    pytest.fail("it did not happen")


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
