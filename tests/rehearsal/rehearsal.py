"""The paper's run on everything but the real signals: archives, servers that misbehave, and the unchanged command."""

import hashlib
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hypnolens.datasets.shhs import FOLDERS
from hypnolens.datasets.sleepedf import parse_subjects
from hypnolens.io.tables import read_rows, write_rows
from tests.conftest import ROOT
from tests.faults.local import victims
from tests.rehearsal.archives import Written, write_shhs, write_sleepedf
from tests.server import Server
from tests.workflow.conftest import Pipeline, copy_of_the_project

TOKEN = "nobodys-token-of-a-rehearsal"
"""What is asked for as the token of the NSRR; it must be found in no file."""

MIRROR, ORIGIN = "/mirror", "/physionet"
"""Folders of Sleep-EDF on the server: the first lacks some files."""

MOODS = ("cut", "stall", "wrong", "short", "503", "drop", "garbage")
"""What the server does at the first request for one file in eight, see `tests.server.Handler`."""

NARROW = {
    "width": 4, "passes": 2, "window": 3, "lstm_layers": 1, "lstm_hidden": 8, "head_hidden": [], "batch_windows": 64,
    "torch_threads": 1,
}  # fmt: skip
"""Keys of the paper's experiment that are other than in its run."""

PUBLISHED = ("chambon2018", "deepsleepnet", "usleep", "attnsleep")


@dataclass(frozen=True)
class Form:
    """How much is rehearsed.

    Attributes
    ----------
    subjects
        Of Sleep-EDF, for whom recordings are written.
    shhs
        Recordings of SHHS, from the beginning of the list.
    config
        Keys of the configuration that are other than in the paper's run.
    targets
        What is made.
    lacks
        Tables and columns that have nothing in them: nobody knows the events of real recordings, with which detectors
        are compared, and the small form has neither published sets of recordings nor several seeds.
    """

    subjects: str
    shhs: int
    config: Mapping[str, Any]
    targets: tuple[str, ...] = ("all", "release", "explanations")
    lacks: frozenset[str] = frozenset({"detectors.tsv"})


TWO = {"k": 2}
WHOLE = Form("0-82", 329, {"datasets": {"sleep-edf-78": {"folds": TWO}, "shhs": {"folds": TWO}}})
SMALL = Form(
    "0-3", 4,
    {
        "run": ["sleep-edf-20", "shhs"],
        "datasets": {
            "sleep-edf-20": {
                "folds": TWO, "subjects": "0-3", "experiments": ["paper"],
                "compared": ["paper-test-selected", "linear-probe", "boosting", "yasa", "chambon2018"],
            },
            "shhs": {"folds": TWO, "recordings": "shhs.tsv", "experiments": ["paper"], "compared": ["boosting"]},
        },
    },
    ("all", "release", "reports/sleep-edf-20/paper/explanations.html"),
    frozenset({
        "detectors.tsv", "paper.tsv", "paper_in_ci95", "published", "difference", "source", "accuracy_sd",
        "macro_f1_sd", "kappa_sd", "seeds.tsv", "optimism.tsv", "optimism_by_fold.tsv",
    }),
)  # fmt: skip
"""Two datasets and a few of their experiments, in minutes."""


@dataclass
class Rehearsal(Pipeline):
    """The paper's run in a folder of its own, with a copy of the project whose table of checksums is another.

    Attributes
    ----------
    folder
        Where Snakemake runs: ``data/``, ``results/`` and ``reports/`` come there.
    work
        The copy, what the server holds, and home and temporary folders of the run, beside it.
    form
        How much is rehearsed.
    written
        Recordings of each archive, as they were written.
    seed
        Of what the server does, and of the kills.
    root, cores
        The copy of the project, and how many steps run at a time.
    starts
        Times at which Snakemake was started, and seconds that it ran.
    """

    folder: Path
    work: Path
    form: Form
    server: Server
    seed: int
    root: Path = ROOT
    cores: int = 2
    written: dict[str, list[Written]] = field(default_factory=dict)
    starts: list[tuple[float, float]] = field(default_factory=list)

    @classmethod
    def prepared(cls, folder: Path, form: Form, *, seed: int, cores: int = 2) -> "Rehearsal":
        """Write archives, checksums and configuration, and start the server.

        In the folder of a rehearsal that did not come to its end the same is written again, and all else is left.
        """
        before = folder / "run" / "rehearsal.yaml"
        port = int(before.read_text().partition("http://127.0.0.1:")[2].split()[0]) if before.is_file() else 0
        made = cls(folder / "run", folder, form, Server(port), seed, cores=cores)
        for path in (made.folder, made.home, made.temporary):
            path.mkdir(parents=True, exist_ok=True)
        made.root = folder / "copy" if before.is_file() else copy_of_the_project(folder)
        made._archives()
        made._misbehave(random.Random(seed))
        made.configure_with({})
        return made

    @property
    def home(self) -> Path:
        return self.work / "home"

    @property
    def temporary(self) -> Path:
        return self.work / "tmp"

    @property
    def log(self) -> Path:
        return self.work / "rehearsal.log"

    def configure_with(self, experiments: Mapping[str, Mapping[str, Any]]) -> None:
        """Write the configuration that is merged over the paper's; ``experiments`` has keys of more of them."""
        few = {"passes": 1, "stride": 4}  # of the published networks, which have the width that was published
        config = {
            **self.form.config,
            "experiments": {"paper": NARROW, **{name: dict(few) for name in PUBLISHED}, **experiments},
            "download": {
                "sleepedf": [self.server.address + MIRROR, self.server.address + ORIGIN], "shhs": self.server.address,
                "wait_s": 0.1, "timeout_s": 4,
            },
        }  # fmt: skip
        # What is the same must stay the same text.
        (self.folder / "rehearsal.yaml").write_text(yaml.safe_dump(config, default_flow_style=None))
        names = [written.recording for written in self.written["shhs"]]
        (self.folder / "shhs.tsv").write_text("\n".join(["recording", *names]) + "\n")

    def command(self, *arguments: str, cores: int | None = None, root: Path | None = None) -> list[str]:
        """The paper's command; a file of configuration is all that it has beside."""
        more = [
            "--snakefile",
            self.root / "Snakefile",
            "--configfile",
            "rehearsal.yaml",
            "--cores",
            cores or self.cores,
        ]
        return [*map(str, [sys.executable, "-m", "snakemake", *arguments, *more])]

    @property
    def environment(self) -> dict[str, str]:
        """Of the run: a token, and nowhere to write but what is looked at afterwards."""
        given = {"NSRR_TOKEN": TOKEN, "HOME": str(self.home), "TMPDIR": str(self.temporary)}
        return {**{key: value for key, value in os.environ.items() if not key.startswith("XDG_")}, **given}

    def run(self, *arguments: str, cores: int | None = None, root: Path | None = None) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(*arguments), cwd=self.folder, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def go(self, kind: str = "", share: float = 2.0) -> int:
        """Start, or go on; at a share of the steps a kill of `tests.faults.local`. Returns Snakemake's exit status."""
        if list((self.folder / ".snakemake/locks").glob("*")):
            self.run("--unlock")
        began, size = time.time(), self.log.stat().st_size if self.log.is_file() else 0
        with self.log.open("a") as out:
            command = self.command(*self.form.targets)
            print(f"\n$ {shlex.join(command)}", file=out, flush=True)
            process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=out,
                                       stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
        while process.poll() is None:
            time.sleep(0.5)
            if kind and self._share_done(size) >= share and (found := victims(kind, process.pid)):
                print(f"{kind} at {100 * self._share_done(size):.0f} % of the steps", flush=True)
                for victim in found:
                    with suppress(ProcessLookupError):
                        os.kill(victim, signal.SIGKILL)
                kind = ""
        self.starts.append((began, time.time() - began))
        return process.wait()

    def said(self, last: int = 30) -> str:
        """The end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-last:])

    def _share_done(self, since: int) -> float:
        with self.log.open(errors="replace") as file:
            file.seek(since)
            found = re.findall(r"^(\d+) of (\d+) steps \(", file.read(), re.MULTILINE)
        return int(found[-1][0]) / int(found[-1][1]) if found else 0.0

    def _archives(self) -> None:
        """Write both archives and the table of checksums of the copy; let the server hold them."""
        archive = self.work / "archive"
        archive.mkdir(exist_ok=True)
        table = self.root / "config" / "tables" / "sleep-edf.tsv"
        rows = read_rows(table)
        wanted = parse_subjects(self.form.subjects)
        self.written = {"sleep-edf": [], "shhs": []}
        for number, row in enumerate(rows):
            if int(row["subject"][3:]) in wanted:
                self.written["sleep-edf"].append(write_sleepedf(row, number, archive))
                for key, column in (("recording", "psg"), ("hypnogram", "hypnogram")):
                    file = archive / f"{row[key]}-{'PSG' if column == 'psg' else 'Hypnogram'}.edf"
                    row[f"{column}_sha1"] = _digest(file, "sha1")
                    self.server.files[f"{MIRROR}/{file.name}"] = self.server.files[f"{ORIGIN}/{file.name}"] = file
        write_rows(table, list(rows[0]), rows)
        names = [row["recording"] for row in read_rows(self.root / "config" / "tables" / "shhs1-329.tsv")]
        lists: dict[str, list[dict[str, object]]] = {folder: [] for folder in FOLDERS.values()}
        for number, name in enumerate(names[: self.form.shhs]):
            self.written["shhs"].append(write_shhs(name, number, archive))
            for ending, folder in FOLDERS.items():
                file, path = archive / f"{name}{ending}", f"{folder}/{name}{ending}"
                self.server.files[f"/datasets/shhs/files/a/{TOKEN}/m/hypnolens/{path}"] = file
                entry = {"full_path": path, "file_size": file.stat().st_size, "file_checksum_md5": _digest(file, "md5")}
                lists[folder].append({**entry, "is_file": True})
        self.server.lists = lists

    def _misbehave(self, rng: random.Random) -> None:
        """Cut, stall and lie at the first request for some files; others are not on the mirror at all."""
        for number, path in enumerate(rng.sample(sorted(self.server.files), len(self.server.files) // 8)):
            mood = MOODS[number % len(MOODS)]
            self.server.manner[path] = lambda times, mood=mood: mood if times == 0 else None
        for path in rng.sample([path for path in sorted(self.server.files) if path.startswith(MIRROR)], 3):
            self.server.manner[path] = lambda _: "404"
        self.server.manner["/api/v1/datasets/shhs/files.json"] = lambda times: "503" if times == 0 else None


def _digest(path: Path, kind: str) -> str:
    return hashlib.new(kind, path.read_bytes()).hexdigest()
