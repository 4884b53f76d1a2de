"""Snakemake in a few lines: what is done as it is done, rule by rule, and where the whole log is.

python -m hypnolens.pipeline.brief snakemake --cores all …
"""

import re
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Any

from hypnolens.pipeline.progress import duration
from hypnolens.terminal import heard, say

LAST = 40
"""Lines of Snakemake's that are shown after a fault; its reason stands at the end of them."""

_COUNT = re.compile(r"(\w+) +(\d{1,9})", re.ASCII)
_FINISHED = re.compile(r"Finished jobid: \d+ \(Rule: (\w+)\)")
_LOG = re.compile(r"Complete log\(s\): (.+)")


def told(lines: Iterable[str]) -> Iterator[str]:
    """What a person is told of Snakemake's output: each rule when its last job is done, and at last the log."""
    planned: Counter[str] = Counter()
    done: Counter[str] = Counter()
    for line in lines:
        if (found := _COUNT.fullmatch(line.strip())) and found[1] not in ("total", *planned):
            planned[found[1]] += int(found[2])
        elif found := _FINISHED.search(line):
            rule = found[1]
            done[rule] += 1
            if done[rule] == planned[rule]:
                yield f"{done.total():3} of {planned.total()} steps done: {rule.replace('_', ' ')}"
        elif found := _LOG.search(line):
            yield f"The whole log: {found[1]}"


def main(command: list[str]) -> int:
    """Run Snakemake, say what is done, and after a fault show the end of what it said."""
    began, last = time.monotonic(), deque[str](maxlen=LAST)
    snakemake: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "bufsize": 1}
    with heard(), subprocess.Popen(command, **snakemake, text=True, errors="backslashreplace") as running:

        def lines() -> Iterator[str]:
            for line in running.stdout or ():
                last.append(line.rstrip("\n"))
                yield line

        try:
            for words in told(lines()):
                say(f"{duration(time.monotonic() - began):>9}  {words}")
        except KeyboardInterrupt:  # which Snakemake has heard too
            running.wait()
        if running.wait():
            say(*last, file=sys.stderr)
    return running.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
