"""What became of the faults that were injected, as a table."""

from collections.abc import Iterable, Mapping


def counted(outcomes: Iterable[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """How often each fault was injected and recovered from, of pairs of fault and what was lost, in words."""
    counts: dict[str, tuple[int, int]] = {}
    for fault, lost in outcomes:
        injected, recovered = counts.get(fault, (0, 0))
        counts[fault] = injected + 1, recovered + (not lost)
    return counts


def table(counts: Mapping[str, tuple[int, int]]) -> str:
    """Lines that a person reads: fault, times injected, recovered, lost."""
    width = max(map(len, counts)) + 2
    rows = [*counts.items(), ("all", (sum(n for n, _ in counts.values()), sum(n for _, n in counts.values())))]
    lines = [f"{'fault':<{width}}injected  recovered  lost"]
    lines += [f"{name:<{width}}{injected:8d}  {well:9d}  {injected - well:4d}" for name, (injected, well) in rows]
    return "\n".join(lines)
