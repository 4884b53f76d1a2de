"""Files of the same kind that are exchanged: noticed, named, and made anew by the command that is named."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.cluster.chain import PREDICTIONS, TABLES, Chain


class Swap(NamedTuple):
    """Pairs of files to exchange, and what is taken away and asked for, so that a step has to read them."""

    what: str
    pairs: Sequence[tuple[str, str]]
    taken: Sequence[str]


RUN = "results/mini/tiny"
EPOCHS = "results/mini/epochs/{}.safetensors"
SWAPS = (
    Swap("epochs of two recordings", [(EPOCHS.format("{0}"), EPOCHS.format("{1}"))], PREDICTIONS),
    Swap(
        "networks of two folds",
        [(f"{RUN}/fold-0/{name}", f"{RUN}/fold-1/{name}") for name in ("model.safetensors", "model.json")],
        PREDICTIONS,
    ),
    Swap("predictions of two folds", [(PREDICTIONS[0], PREDICTIONS[1])], [f"{RUN}/metrics.json"]),
)


def swaps(folder: Path, reference: Chain) -> list[tuple[str, str]]:
    """Exchange files of a finished chain, times of modification and all, and do what the messages say.

    Returns
    -------
    list of (fault, lost)
        See `tests.faults.local.kills`.
    """
    chain = Chain(folder / "swapped")
    shutil.copytree(reference.folder, chain.folder)
    names = sorted(path.stem for path in (chain.folder / "results/mini/epochs").glob("*.safetensors"))
    outcomes = []
    for swap in SWAPS:
        pairs = [tuple(chain.folder / path.format(*names) for path in pair) for pair in swap.pairs]
        for pair in pairs:
            _exchange(*pair)
        for path in swap.taken:
            (chain.folder / path).unlink()
        outcomes.append((f"{swap.what} exchanged", _mended(chain, pairs, swap.taken, reference)))
    return outcomes


def _exchange(one: Path, other: Path) -> None:
    """Exchange two files; each has then the time of the one before it in its place."""
    spare = one.with_suffix(".spare")
    times = {path: path.stat() for path in (one, other)}
    one.rename(spare)
    other.rename(one)
    spare.rename(other)
    for path, its in times.items():
        os.utime(path, ns=(its.st_atime_ns, its.st_mtime_ns))


def _mended(chain: Chain, pairs: Sequence[tuple[Path, ...]], taken: Sequence[str], reference: Chain) -> str:
    """Run until it is through, doing what the last line says; says what went wrong."""
    told = set()
    for _ in range(8):
        run = chain.run(*TABLES, *taken)
        if run.returncode == 0:
            break
        last = run.stdout.strip().splitlines()[-1]
        command = re.search(r"`snakemake --force (\S+)`", last)
        if command is None:
            return f"no command is named: {run.stdout[-1500:]}"
        told.add(chain.folder / command[1])
        again = chain.run("--force", command[1])
        if again.returncode:
            told.add(chain.folder / again.stdout.strip().splitlines()[-1].rpartition("--force ")[2].split("`")[0])
    else:
        return f"not through: {run.stdout[-1500:]}"
    exchanged = {path for pair in pairs for path in pair}
    lost = ["no file of these was named"] * (not told & exchanged)
    return "; ".join([*lost, *(f"differs: {other}" for other in chain.differences(reference))])
