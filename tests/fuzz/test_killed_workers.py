"""`hypnolens score` while its processes are killed at random: no night is lost but those that were killed twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import ROOT, pink, write_psg

NIGHTS, KILLS, JOBS = 12, 20, 2


def _workers(parent):
    """Processes of a command that score; its others keep count of what it has open."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            stat, command = (path / "stat").read_text(), (path / "cmdline").read_bytes()
        except OSError:
            continue
        if stat.rpartition(")")[2].split()[1] == str(parent) and b"spawn_main" in command:
            found.append(int(path.name))
    return found


def _score(nights, out):
    command = [sys.executable, "-m", "hypnolens.cli", "score", *nights, "--out", out, "--jobs", str(JOBS)]
    return subprocess.Popen(
        [*command, "--no-page", "--json", "--quiet"],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_twenty_kills_lose_no_night_that_was_not_killed_twice(tmp_path):
    chance = random.Random(0)
    nights = [write_psg(tmp_path / f"n{n:02}.edf", {"C4-M1": pink(12, seed=n).clip(-190, 190)}) for n in range(NIGHTS)]
    undisturbed = _score(nights, tmp_path / "before")
    assert undisturbed.wait() == 0, undisturbed.stderr.read()
    command, kills = _score(nights, tmp_path / "after"), 0
    while command.poll() is None and kills < KILLS:
        time.sleep(chance.uniform(0, 2))
        if workers := _workers(command.pid):
            try:
                os.kill(chance.choice(workers), signal.SIGKILL)
            except ProcessLookupError:
                continue
            kills += 1
    said, errors = command.communicate()
    found = json.loads(said)
    scored, lost = [night["name"] for night in found["nights"]], [failure["error"] for failure in found["failed"]]
    print(f"{kills} kills, {len(scored)} nights scored, lost: {lost}")
    assert len(scored) + len(lost) == NIGHTS and 2 * len(lost) <= kills
    assert errors.splitlines() == lost and command.returncode == (1 if lost else 0)
    assert all("ended again and again (SIGKILL)" in line for line in lost)
    kept = list((tmp_path / "after").iterdir())
    assert {path.name for path in kept if path.suffix == ".edf"} == {f"{name}-hypnogram.edf" for name in scored}
    for path in kept:
        assert path.read_bytes() == (tmp_path / "before" / path.name).read_bytes()
