"""Updates that are interrupted: other data, options or code, a run that is cut off, and the same command again."""

import os
import random
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.cluster.chain import TABLES, Chain
from tests.conftest import ROOT, write_hypnogram, write_psg
from tests.workflow.conftest import TINY, copy_of_the_project

LABELS = "WW11222233332222RRRR" * 3
"""Stages of a recording: half an hour."""

NIGHTS = ("a", "b", "c", "d")

MORE = ("results/mini/recordings.tsv", "results/mini/folds.tsv", "results/mini/tiny/metrics.json")
"""What is compared besides predictions and tables."""

CTRL_C, KILL, UNTIL, MEANWHILE = "Ctrl-C", "SIGKILL of all", "--until a rule", "another while it runs"
INTERRUPTIONS = (CTRL_C, KILL, UNTIL, MEANWHILE)

SOURCE = "hypnolens/evaluation/predictions.py"
"""A module that training does not import, and scores do."""


class Updated(Chain):
    """A folder of recordings of one's own, and a copy of the project, both of which can change."""

    def __init__(self, folder: Path, root: Path | None = None) -> None:
        super().__init__(folder)
        self.root = root or ROOT
        self.versions = dict.fromkeys(NIGHTS, 0)
        self.nights = list(NIGHTS[:3])
        self.keys: dict[str, Any] = {}
        self.network: dict[str, Any] = {}

    def write(self) -> None:
        """Write recordings that are not there as they should be, and the configuration."""
        data = self.folder / "nights"
        data.mkdir(parents=True, exist_ok=True)
        for name in NIGHTS:
            files = data / f"{name}-PSG.edf", data / f"{name}-Hypnogram.edf"
            mark = data / f"{name}.version"
            if name not in self.nights:
                for file in (*files, mark):
                    file.unlink(missing_ok=True)
            elif not mark.is_file() or mark.read_text() != str(self.versions[name]):
                _write_night(*files, seed=100 * NIGHTS.index(name) + self.versions[name])
                mark.write_text(str(self.versions[name]))
        dataset = {"kind": "folder", "path": str(data), "experiments": ["tiny"], "channel": ["EEG Fpz-Cz"], **self.keys}
        self.configure(datasets={"mini": dataset}, experiments={"tiny": {**TINY, **self.network}})

    def command(self, *arguments, cores=2, root=None) -> list[str]:
        return super().command(*arguments, cores=cores, root=self.root)

    def anew(self, folder: Path) -> "Updated":
        """The same data, options and code, run from nothing."""
        other = Updated(folder, self.root)
        other.versions, other.nights = dict(self.versions), list(self.nights)
        other.keys, other.network = dict(self.keys), dict(self.network)
        folder.mkdir(parents=True)
        other.write()
        run = other.run(*TABLES)
        assert run.returncode == 0, run.stdout[-3000:]
        return other


def _write_night(psg: Path, hypnogram: Path, *, seed: int) -> None:
    """Noise on two channels, louder in deeper stages, and stages in an order of their own."""
    rng = np.random.default_rng(seed)
    labels = "".join(rng.permutation(list(LABELS)))
    loud = np.repeat([{"W": 30.0, "1": 20.0, "R": 15.0}.get(label, 40.0) for label in labels], 3000)
    channels = {name: (rng.normal(0, 1, len(loud)) * loud).clip(-190, 190) for name in ("EEG Fpz-Cz", "EEG Pz-Oz")}
    write_psg(psg, channels)
    write_hypnogram(hypnogram, labels)


def _seed(chain: Updated, rng: random.Random) -> None:
    chain.keys["fold_seed"] = rng.randrange(1, 1000)


def _channel(chain: Updated, rng: random.Random) -> None:
    now = chain.keys.get("channel")
    chain.keys["channel"] = ["EEG Fpz-Cz"] if now == ["EEG Pz-Oz"] else ["EEG Pz-Oz"]


def _trim(chain: Updated, rng: random.Random) -> None:
    chain.keys["trim_wake_min"] = 0 if chain.keys.get("trim_wake_min") else 5


def _rate(chain: Updated, rng: random.Random) -> None:
    chain.keys["sampling_rate_hz"] = 100 if chain.keys.get("sampling_rate_hz") == 50 else 50


def _replaced(chain: Updated, rng: random.Random) -> None:
    chain.versions[rng.choice(chain.nights)] += 1


def _recordings(chain: Updated, rng: random.Random) -> None:
    chain.nights = list(NIGHTS[: 7 - len(chain.nights)])  # one more, or one fewer


def _experiment(chain: Updated, rng: random.Random) -> None:
    chain.network["learning_rate"] = round(rng.uniform(1e-4, 1e-2), 6)


def _staging(chain: Updated, rng: random.Random) -> None:
    chain.network["normalisation"] = "standard" if chain.network.get("normalisation") != "standard" else "none"


def _library(chain: Updated, rng: random.Random) -> None:
    with (chain.root / SOURCE).open("a") as file:
        file.write(f"\nX{rng.randrange(10**6)} = 1\n")


UPDATES: Mapping[str, Callable[[Updated, random.Random], None]] = {
    "other folds": _seed,
    "another channel": _channel,
    "other trimming": _trim,
    "another rate": _rate,
    "replaced files": _replaced,
    "another recording more or fewer": _recordings,
    "a key of training": _experiment,
    "a key of staging": _staging,
    "an edit of the library": _library,
}


def updates(folder: Path, plan: Sequence[tuple[str, str]], rng: random.Random) -> list[tuple[str, str]]:
    """Update a finished chain and interrupt the run at a random rule, then the same command; the next update follows.

    Parameters
    ----------
    folder
        For the chain, and for those from nothing that it is compared with.
    plan
        Pairs of `UPDATES` and `INTERRUPTIONS`.

    Returns
    -------
    list of (fault, lost)
        See `tests.faults.local.kills`.
    """
    folder.mkdir(exist_ok=True)
    chain = Updated(folder / "updated", copy_of_the_project(folder))
    chain.folder.mkdir()
    chain.write()
    run = chain.run(*TABLES)
    assert run.returncode == 0, run.stdout[-3000:]
    outcomes = []
    for number, (update, interruption) in enumerate(plan):
        for _ in range(rng.choice([1, 1, 2])):  # sometimes data change again before a run is through
            _again(chain, update, rng)
            rule = _interrupt(chain, interruption, rng, partial(_again, chain, update, rng))
        lost = _finish(chain, folder / f"nothing-{number}")
        outcomes.append((f"{update}, {interruption}", lost and f"at {rule}: {lost}"))
        what = f"{number + 1} of {len(plan)}: {update}, {interruption} at {rule}"
        print(f"{what}: {lost or 'recovered'}", file=sys.stderr)
        shutil.rmtree(folder / f"nothing-{number}", ignore_errors=True)
    return outcomes


def _again(chain: Updated, update: str, rng: random.Random) -> None:
    UPDATES[update](chain, rng)
    chain.write()


def _interrupt(chain: Updated, interruption: str, rng: random.Random, again: Callable[[], None]) -> str:
    """Run up to a random rule and cut the run off there, or update again and let it run; the rule's name."""
    planned = [rule for rule in chain.planned(*TABLES) if rule not in ("all", "tables")]
    if not planned:
        return "nothing"
    rule = rng.choice(planned)
    if interruption == UNTIL:
        chain.run(*TABLES, "--until", rule)
        return rule
    log = chain.folder.with_suffix(".log")
    log.write_text("")
    process = chain.start(*TABLES, log=log)
    while process.poll() is None and not re.search(rf"^(local)?rule {rule}:$", log.read_text(), re.MULTILINE):
        time.sleep(0.05)
    time.sleep(rng.uniform(0, 3))  # from before its script has begun
    if interruption == MEANWHILE:
        again()
        process.wait()
        return rule
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT if interruption == CTRL_C else signal.SIGKILL)
    process.wait()
    return rule


def _finish(chain: Updated, folder: Path) -> str:
    """The same command again; says what is not as in a run from nothing."""
    if list((chain.folder / ".snakemake/locks").glob("*")):
        chain.run("--unlock")
    run = chain.run(*TABLES)
    if run.returncode:
        return run.stdout[-1500:]
    other = chain.anew(folder)
    differing = chain.differences(other)
    differing += [name for name in MORE if _said(chain, name) != _said(other, name)]
    lost = [f"differs: {', '.join(differing)}"] * bool(differing)
    return "; ".join([*lost, *(f"again to be made: {rule}" for rule in chain.planned(*TABLES))])


def _said(chain: Updated, name: str) -> str:
    """Text of a file, without the folder of the chain."""
    return (chain.folder / name).read_text().replace(str(chain.folder), "")


def plan_of(n: int, rng: random.Random) -> list[tuple[str, str]]:
    """Pairs of update and interruption: all updates in turn, and all interruptions."""
    kinds = [name for _ in range(1 + n // len(UPDATES)) for name in rng.sample(list(UPDATES), len(UPDATES))]
    return [(kind, INTERRUPTIONS[number % len(INTERRUPTIONS)]) for number, kind in enumerate(kinds[:n])]
