"""Rehearses the paper's run on simulated recordings in the names and layout of the real ones, and checks what came out.

    python -m tests.rehearsal [FOLDER] [--small] [--seed N] [--cores N] [--undisturbed] [--continued]
                                [--against FOLDER]

The unchanged command, with a configuration that says where the files are and makes networks narrow. It is killed three
times and continued, made again after a change of one baseline's key, and with one damaged and one missing recording.
Prints times by rule, disk by kind, and what the real run will take by that. The status says
whether anything was not as it should be.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.rehearsal.course import KILLS, course, project
from tests.rehearsal.rehearsal import SMALL, WHOLE, Rehearsal


def main() -> int:
    """Rehearse; the status is 1 if anything was not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="an empty or new folder, kept; default: a temporary one")
    parser.add_argument("--small", action="store_true", help="some recordings, minutes")
    parser.add_argument("--seed", type=int, default=0, help="of what the server does, and of the kills")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--undisturbed", action="store_true", help="one run, without kills, changes and damage")
    parser.add_argument(
        "--continued", action="store_true", help="go on in the folder of one that was broken off; no further kills"
    )
    parser.add_argument(
        "--against", type=Path, metavar="FOLDER", help="another rehearsal, whose tables must be the same"
    )
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="hypnolens-rehearsal-"))
    rehearsal = Rehearsal.prepared(folder.absolute(), SMALL if given.small else WHOLE, seed=given.seed,
                                   cores=given.cores)  # fmt: skip
    against = given.against and given.against / "run"
    wrong = course(rehearsal, kills={} if given.continued else KILLS, disturbed=not given.undisturbed, against=against)
    if not given.small:
        project(rehearsal)
    print(*(wrong or ["all as it should be"]), sep="\n")
    print(f"in {folder}: rehearsal.log, run/reports/paper.html")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
