"""The one way to a terminal: clean lines, and a quiet end where nobody reads them any more.

Snakemake imports it with the rules, and so it needs the standard library only.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from hypnolens.errors import printable

BROKEN_PIPE = 141
"""Exit status of a program whose reader went away, as a shell tells of those that SIGPIPE ends (128 + 13)."""

_lost: list[OSError] = []


def say(*lines: str, file: TextIO | None = None) -> None:
    """Print lines, to standard output if no other file is given, with what must not reach a terminal made visible.

    What cannot be written is dropped from then on, so that the work goes on; `heard` tells of it at the end.
    """
    stream = sys.stdout if file is None else file
    if stream is None:  # it was closed before Python began
        return
    encoding = stream.encoding or "utf-8"
    try:
        for line in lines:
            print(printable(line).encode(encoding, "backslashreplace").decode(encoding), file=stream)
        stream.flush()
    except OSError as error:
        _lost.append(error)
        # Python writes what is left when it ends, and would fail once more.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def heard() -> Iterator[None]:
    """Run a command, and end as other programs do where what it printed could not be written.

    Raises
    ------
    SystemExit
        Quietly where the reader went away, as ``head`` does; with one line where a disk is full.
    """
    _lost.clear()
    try:
        yield
    finally:
        say()  # what argparse printed
        if any(isinstance(error, BrokenPipeError) for error in _lost):
            raise SystemExit(BROKEN_PIPE)
        if _lost:
            say(f"what is printed cannot be written ({_lost[0].strerror}); send it elsewhere", file=sys.stderr)
            raise SystemExit(1)
