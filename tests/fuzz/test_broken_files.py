"""Broken recordings through the pipeline's own extraction: refused in one line, or read as pyedflib reads them.

A hundred by default; ``HYPNOLENS_FUZZ=1000 pytest tests/fuzz`` takes a thousand, and ``HYPNOLENS_FUZZ_SEED`` others.
"""

import json
import os
import selectors
import subprocess
import sys
import time
import warnings
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT, write_hypnogram, write_profusion, write_psg
from tests.fuzz.mutations import CHANNEL

NUMBER = int(os.environ.get("HYPNOLENS_FUZZ", "100"))
SEED = int(os.environ.get("HYPNOLENS_FUZZ_SEED", "0"))

PATIENCE_S = 60.0
MOST_BYTES = 1024**3

STAGES = "WW12342RRW"
CODES = [0, 0, 1, 2, 3, 4, 2, 5, 5, 0]


@pytest.fixture(scope="module")
def bases(tmp_path_factory) -> Path:
    """Three whole recordings of five minutes: EDF and EDF+ with a hypnogram by time, EDF with stages in XML."""
    folder = tmp_path_factory.mktemp("bases")
    noise = np.random.default_rng(0).normal(0, 20, (3, 30_000)).clip(-190, 190)
    channels = dict(zip((CHANNEL, "EOG horizontal", "EMG submental"), noise, strict=True))
    start = datetime(1989, 4, 24, 16, 13)
    write_psg(folder / "plain.edf", channels, start=start)
    write_psg(folder / "xml.edf", channels, start=start)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # edfio says that parts of a second make it EDF+
        write_psg(folder / "plus.edf", channels, start=start.replace(microsecond=500_000))
        # The first half second of the hypnogram is before the signal.
    write_hypnogram(folder / "plain-stages.edf", STAGES, start=start)
    write_hypnogram(folder / "plus-stages.edf", STAGES, start=start, onset=0.5)
    write_profusion(folder / "xml-stages.xml", CODES)
    return folder


class Worker:
    """A process that reads broken recordings, started anew when one of them hangs or kills it."""

    def __init__(self, bases: Path, seed: int, errors: Path) -> None:
        self._command = [sys.executable, "-m", "tests.fuzz.worker", str(bases), str(seed)]
        self._errors = errors
        self._process: subprocess.Popen[str] | None = None

    def ask(self, number: int) -> dict[str, Any]:
        process = self._process or self._start()
        assert process.stdin
        process.stdin.write(f"{number}\n")
        process.stdin.flush()
        begun = time.monotonic()
        line = self._line(PATIENCE_S)
        if line:
            return json.loads(line)
        seconds = time.monotonic() - begun
        self.stop()
        outcome = "hang" if seconds >= PATIENCE_S else "crash"
        return {"number": number, "name": "?", "outcome": outcome, "said": "", "seconds": seconds, "peak": 0}

    def _start(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        with self._errors.open("a") as errors:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT,
                env=environment,
            )  # fmt: skip
        assert self._line(PATIENCE_S), self._errors.read_text()
        return self._process

    def _line(self, most_s: float) -> str:
        assert self._process and self._process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            return self._process.stdout.readline() if selector.select(most_s) else ""

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


def test_broken_files_are_refused_reported_or_read_as_pyedflib_reads_them(bases, tmp_path):
    worker = Worker(bases, SEED, tmp_path / "errors.txt")
    try:
        answers = [worker.ask(number) for number in range(NUMBER)]
    finally:
        worker.stop()
    counts = Counter(answer["outcome"] for answer in answers)
    slowest = max(answers, key=lambda answer: answer["seconds"])
    peak = max(answer["peak"] for answer in answers)
    print(f"\n{NUMBER} broken recordings, seed {SEED}:")
    for outcome, n in counts.most_common():
        print(f"{n:6d} {outcome}")
    print(f"slowest {slowest['seconds']:.2f} s ({slowest['name']}); most memory {peak / 1e6:.0f} MB")
    bad = [answer for answer in answers if answer["outcome"] in ("wrong", "hang", "crash")]
    assert not bad, "\n".join("{number} {name}: {outcome} {said}".format(**answer) for answer in bad)
    assert peak < MOST_BYTES
    # A reader that refused everything would pass too.
    assert NUMBER < 100 or 0.05 < 1 - counts["refused"] / NUMBER < 0.6
