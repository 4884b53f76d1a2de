"""The line that a training writes into its log after each pass: written, and read again, here and nowhere else."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Pass:
    """What is known after a training pass.

    Attributes
    ----------
    number, of
        Number of the pass, and passes that are made at most.
    seconds
        What the pass took, validation included.
    loss
        Mean loss of the training side.
    macro_f1
        Of the validation side.
    left_s
        Seconds that the passes to come take at most, if they are as fast as those before.
    """

    number: int
    of: int
    seconds: float
    loss: float
    macro_f1: float
    left_s: float


def pass_line(done: Pass) -> str:
    """The line of the log, without the name of the fold."""
    return (
        f"pass {done.number} of {done.of} in {done.seconds:.1f} s, loss {done.loss:.3f}, "
        f"validation macro-F1 {done.macro_f1:.3f}, at most {done.left_s:.0f} s left"
    )


_NUMBER = r"(nan|inf|\d+(?:\.\d+)?)"
_LINE = re.compile(
    rf"pass (\d+) of (\d+) in {_NUMBER} s, loss {_NUMBER}, validation macro-F1 {_NUMBER}, at most {_NUMBER} s left$"
)


def read_pass(line: str) -> Pass | None:
    """What a line of the log says of a pass, whatever stands before it; `None` for a line of another kind."""
    found = _LINE.search(line.rstrip())
    if found is None:
        return None
    number, of, *values = found.groups()
    return Pass(int(number), int(of), *map(float, values))
