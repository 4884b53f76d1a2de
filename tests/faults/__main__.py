"""Injects faults into running chains, and prints what became of them: fault, times injected, recovered, lost.

    python -m tests.faults [damage] [swaps] [updates] [kills] [disks] [cluster] [--seed N]

Damaged files; files that are exchanged; thirty updates of data, options or code that are interrupted; twenty kills of
each kind at random moments; disks that are full or read-only; and on a SLURM of its own each fault of a cluster at each
stage of the chain. Disks and SLURM need root; what is left out is said. The status says whether anything was lost.
`make test-all` takes a few of them, by the same functions.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.cluster import faults as cluster
from tests.cluster.chain import TABLES, Chain
from tests.cluster.slurm import Unavailable
from tests.faults.damage import FILES, damage
from tests.faults.local import KILLS, disks, kills
from tests.faults.swaps import swaps
from tests.faults.table import counted, table
from tests.faults.updates import plan_of, updates

KINDS = ["damage", "swaps", "updates", "kills", "disks", "cluster"]
TIMES, N_UPDATES = 20, 30


def main() -> int:
    """Inject those that are asked for; the status is 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", default=KINDS, metavar="KIND", help=f"of {', '.join(KINDS)}; all if none")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    kinds, rng = arguments.kinds, random.Random(arguments.seed)
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}")
    outcomes: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory(prefix="hypnolens-faults-") as name:
        folder = Path(name)
        undisturbed = Chain.made(folder / "undisturbed")
        run = undisturbed.run(*TABLES)
        if run.returncode:
            sys.exit(run.stdout)
        if "damage" in kinds:
            outcomes += damage(folder, undisturbed, FILES, rng)
        if "swaps" in kinds:
            outcomes += swaps(folder, undisturbed)
        if "updates" in kinds:
            outcomes += updates(folder / "updates", plan_of(N_UPDATES, rng), rng)
        if "kills" in kinds:
            outcomes += kills(folder, undisturbed, [kind for _ in range(TIMES) for kind in KILLS], rng)
        if "disks" in kinds:
            try:
                outcomes += disks(folder, undisturbed, TIMES // 4, rng)
            except PermissionError as error:
                print(f"left out: {error}", file=sys.stderr)
    for fault, lost in outcomes:
        if lost:
            print(f"{fault}: {lost}", file=sys.stderr)
    counts = counted(outcomes)
    if "cluster" in kinds:
        try:
            counts |= cluster.counts(arguments.seed, every=True)
        except Unavailable as error:
            print(f"left out: faults of a cluster, as {error}", file=sys.stderr)
    print(table(counts) if counts else "nothing was injected")
    return int(any(injected != recovered for injected, recovered in counts.values()))


if __name__ == "__main__":
    sys.exit(main())
