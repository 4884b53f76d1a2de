"""What became of the faults that were injected, as a table."""

from collections.abc import Mapping

Counts = Mapping[str, tuple[int, int]]
"""Times that each fault was injected, and times that the run recovered from it with nothing lost."""


def table(counts: Counts) -> str:
    """Lines that a person reads: fault, times injected, recovered, lost."""
    width = max(map(len, counts)) + 2
    lines = [f"{'fault':<{width}}injected  recovered  lost"]
    rows = [*counts.items(), ("all", tuple(map(sum, zip(*counts.values(), strict=True))))]
    lines += [f"{name:<{width}}{injected:8d}  {well:9d}  {injected - well:4d}" for name, (injected, well) in rows]
    return "\n".join(lines)
