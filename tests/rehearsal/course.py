"""The course of a rehearsal: killed and continued, changed, damaged, and what was wrong at each station."""

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from hypnolens.pipeline import configuration
from hypnolens.pipeline.jobs import Job, by_rule, read_jobs
from hypnolens.plan import Plan
from tests.faults.local import EVERYTHING, JOB, SNAKEMAKE
from tests.rehearsal.checks import disk, faults, inside, plan_of
from tests.rehearsal.projection import disk_of, projected, speeds_of
from tests.rehearsal.rehearsal import Rehearsal

KILLS = {SNAKEMAKE: (0.1, 0.4), JOB: (0.1, 0.5), EVERYTHING: (0.3, 0.8)}
"""Shares of the steps that were left at a start between which a kill comes. The last is as near as one gets to a
machine that loses power."""

OF_EPOCHS = {"download_sleepedf", "list_shhs", "download_shhs", "epochs", "recordings", "counts", "folds", "fold",
             "features", "train", "train_published", "train_probe", "predict", "predict_published", "predict_yasa",
             "explain", "embedding", "release"}  # fmt: skip
"""Rules that no change of a baseline may make run."""

COMPARED = ("reports/tables/*.tsv", "reports/*/tables/*.tsv", "reports/*/*/tables/*.tsv")
"""Tables whose bytes two runs have in common, but those of times."""

OF_TIMES = {"jobs.tsv", "fold_costs.tsv", "cost.tsv", "stride.tsv"}


def course(
    rehearsal: Rehearsal,
    *,
    disturbed: bool,
    kills: Mapping[str, tuple[float, float]] = KILLS,
    against: Path | None = None,
) -> list[str]:
    """Run to the end, with what can happen on the way; returns all that was not as it should be.

    Parameters
    ----------
    rehearsal
        As `Rehearsal.prepared` gives it.
    disturbed
        Whether it is changed and damaged, and killed as ``kills`` says.
    kills
        What is killed, and between which shares of the steps.
    against
        The folder ``run`` of another one, whose tables must be the same.
    """
    with inside(rehearsal):
        return _course(rehearsal, disturbed, kills, against)


def _course(
    rehearsal: Rehearsal, disturbed: bool, kills: Mapping[str, tuple[float, float]], against: Path | None
) -> list[str]:
    wrong = []
    if disturbed:
        rng = random.Random(rehearsal.seed)
        for kind, between in kills.items():
            rehearsal.go(kind, rng.uniform(*between))
    if rehearsal.go():
        return [f"the run did not come to its end:\n{rehearsal.said()}"]
    wrong += faults(rehearsal, plan_of(rehearsal))
    if left := rehearsal.planned(*rehearsal.form.targets):
        wrong.append(f"still to be made: {left}")
    _say("jobs", by_rule(_jobs(rehearsal)))
    _say("disk", disk(rehearsal.folder))
    before = tables(rehearsal.folder)
    if against:
        wrong += differences("without kills", tables(against), before)
    if disturbed:
        wrong += _changed_and_damaged(rehearsal)
        wrong += differences("after change and damage", before, tables(rehearsal.folder))
    print(f"{len(rehearsal.starts)} starts, {sum(s for _, s in rehearsal.starts) / 60:.1f} minutes", flush=True)
    return wrong


def tables(folder: Path) -> dict[str, str]:
    """SHA-256 of the tables of a run, by path, without those of times."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for pattern in COMPARED
        for path in sorted(folder.glob(pattern))
        if path.name not in OF_TIMES
    }


def differences(what: str, one: dict[str, str], other: dict[str, str]) -> list[str]:
    """Tables that two runs have not both, or with other bytes."""
    differing = sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
    print(f"tables {what}: {len(one)}, of which {len(differing)} differ", flush=True)
    return [f"{what}, {len(differing)} tables differ, such as {differing[0]}"] if differing else []


def _changed_and_damaged(rehearsal: Rehearsal) -> Iterator[str]:
    """Another seed of one baseline, and of SHHS a recording cut short and one that neither folder nor server has.

    Nothing is made that does not depend on the baseline; all is made that does not need these two, and each has a line.
    """
    rehearsal.configure_with({"boosting": {"seed": 1}})
    planned = rehearsal.planned(*rehearsal.form.targets)
    print(f"after a change of one baseline's key: {planned}", flush=True)
    if "train_boosting" not in planned:
        yield "a change of the boosting's key makes no boosting"
    if much := sorted(OF_EPOCHS & set(planned)):
        yield f"a change of the boosting's key makes {', '.join(much)}"
    cut, gone = (one.recording for one in rehearsal.written["shhs"][1:3])
    path = rehearsal.folder / f"data/shhs/{cut}.edf"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for file in (f"data/shhs/{gone}.edf", f"results/shhs/epochs/{gone}.safetensors"):
        (rehearsal.folder / file).unlink()
    asked = next(path for path in rehearsal.server.files if path.endswith(f"/{gone}.edf"))
    rehearsal.server.manner[asked] = lambda _: "404"
    if rehearsal.go() == 0:
        yield "a damaged and a missing recording went unnoticed"
    lines = [line for line in rehearsal.said().splitlines() if line.startswith((f"{cut}:", f"{gone}:"))]
    print(*lines, sep="\n", flush=True)
    if sorted(line.split(":")[0] for line in lines) != sorted([cut, gone]):
        yield f"not one line each of {cut} and {gone}, but: {lines}"
    pages = [f"reports/{dataset}/report.html" for dataset in plan_of(rehearsal).run if dataset != "shhs"]
    if left := rehearsal.planned(*pages):
        yield f"with damage in SHHS, of Sleep-EDF was left: {left}"
    path.unlink()  # as the line says
    rehearsal.server.manner.clear()
    rehearsal.configure_with({})
    if rehearsal.go():
        yield f"the run did not come to its end when all was there again:\n{rehearsal.said()}"


def project(rehearsal: Rehearsal) -> None:
    """Print what the paper's run will take, by what the rehearsal took."""
    with inside(rehearsal):
        jobs = _jobs(rehearsal)
    configured = yaml.safe_load((rehearsal.root / "config" / "config.yaml").read_text())
    with inside(replace(rehearsal, folder=rehearsal.temporary)):  # where nothing of it is yet, and with the token
        real = Plan(configuration.load(configured, rehearsal.root), rehearsal.root / "config" / "tables", print)
        speeds = speeds_of(real)
        _say("the paper's run, projected", projected(real, speeds, jobs))
        _say("its disk", disk_of(real, speeds))


def _jobs(rehearsal: Rehearsal) -> list[Job]:
    plan, jobs = plan_of(rehearsal), list[Job]()
    for dataset in plan.run:
        folder = rehearsal.folder / "results" / dataset / "benchmarks"
        names = {"runs": plan.runs(dataset), "recordings": plan.recordings(dataset)}
        jobs += read_jobs(folder, **names, n_folds=len(plan.folds(dataset)))
    return jobs


def _say(title: str, rows: Iterable[dict[str, Any]]) -> None:
    rows = list(rows)
    widths = {key: max(len(key), *(len(str(row[key])) for row in rows)) for key in rows[0]}
    print(f"\n{title}")
    print("  ".join(f"{key:<{width}}" for key, width in widths.items()))
    for row in rows:
        print("  ".join(f"{row[key]!s:<{width}}" for key, width in widths.items()), flush=True)
