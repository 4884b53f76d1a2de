"""Damage to files that steps of a finished chain wrote: noticed, named, and made anew by the command that is named."""

import random
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tests.cluster.chain import TABLES, Chain

FOLD = "results/mini/tiny/fold-0"
PREDICTIONS, SCORES = f"{FOLD}/predictions.parquet", "results/mini/tiny/metrics.json"


def cut(raw: bytes, rng: random.Random) -> bytes:
    """The beginning of a file, as of a copy that was interrupted."""
    return raw[: rng.randrange(len(raw))]


def flipped(raw: bytes, rng: random.Random) -> bytes:
    """A file with a wrong bit."""
    place = rng.randrange(len(raw))
    return raw[:place] + bytes([raw[place] ^ 1 << rng.randrange(8)]) + raw[place + 1 :]


KINDS: dict[str, Callable[[bytes, random.Random], bytes]] = {"truncated": cut, "with a flipped bit": flipped}


class File(NamedTuple):
    """A file to damage, and what is taken away and asked for, so that a step has to read it. Text has no checksum."""

    what: str
    path: str
    taken: Sequence[str]
    kinds: Sequence[str] = tuple(KINDS)


FILES = (
    File("epochs", "results/mini/epochs/{tested}.safetensors", [PREDICTIONS]),
    File("weights", f"{FOLD}/model.safetensors", [PREDICTIONS]),
    File("card of a network", f"{FOLD}/model.json", [PREDICTIONS], ["truncated"]),
    File("checkpoint", f"{FOLD}/checkpoint.pt", [f"{FOLD}/model.safetensors", f"{FOLD}/model.json"]),
    File("predictions", PREDICTIONS, [SCORES]),
    File("scores", SCORES, [TABLES[1]], ["truncated"]),
)


def damage(folder: Path, reference: Chain, files: Sequence[File], rng: random.Random) -> list[tuple[str, str]]:
    """Damage files of a finished chain, have each read, and do what the message says.

    Returns
    -------
    list of (fault, lost)
        See `tests.faults.local.kills`.
    """
    chain = Chain(folder / "damaged")
    shutil.copytree(reference.folder, chain.folder)
    tested = pd.read_parquet(chain.folder / PREDICTIONS).recording[0]
    outcomes = []
    for file in files:
        path = chain.folder / file.path.format(tested=tested)
        for kind in file.kinds:
            path.write_bytes(KINDS[kind](path.read_bytes(), rng))
            for each in file.taken:
                (chain.folder / each).unlink()
            outcomes.append((f"{file.what} {kind}", _mended(chain, path, file.taken, reference)))
    return outcomes


def _mended(chain: Chain, path: Path, wanted: Sequence[str], reference: Chain) -> str:
    """Run, do what the last line says, run again; says what went wrong."""
    run, name = chain.run(*wanted), str(path.relative_to(chain.folder))
    if path.name == "checkpoint.pt":  # without it nothing is lost but time
        log = (path.parents[2] / "logs/train/tiny/fold-0.log").read_text()
        runs, told = [run, chain.run(*TABLES)], "fold 0: checkpoint discarded: it is damaged" in log
    else:
        last = run.stdout.strip().splitlines()[-1]
        command = re.search(r"`snakemake (--force \S+)`", last)
        told = run.returncode != 0 and name in last and command is not None
        runs = [chain.run(*words) for words in (command[1].split() if command else (), TABLES)] if told else []
    if not told:
        return f"status {run.returncode}, not told of {name}: {run.stdout[-1500:]}"
    lost = [each.stdout[-1500:] for each in runs if each.returncode]
    return "; ".join([*lost, *(f"differs: {other}" for other in chain.differences(reference))])
