"""What came out of a rehearsal, looked at apart from the code that made it."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from hypnolens.io.parquet import read_parquet
from hypnolens.io.tables import read_rows
from hypnolens.pipeline import configuration
from hypnolens.plan import Plan
from hypnolens.plots.catalogue import FIGURES
from hypnolens.stages import STAGES
from tests.rehearsal.archives import Written
from tests.rehearsal.rehearsal import TOKEN, Rehearsal

ARCHIVE = {"sleep-edf-20": "sleep-edf", "sleep-edf-78": "sleep-edf", "shhs": "shhs"}

OURS = {"data", "results", "reports", ".snakemake", "rehearsal.yaml", "shhs.tsv"}
"""What may lie in the folder of a run: what it makes, Snakemake's own, and what it was given."""

OF_OTHERS = ("snakemake", "torchinductor_")
"""How names in the temporary folder begin that Snakemake leaves when it is killed, and torch always."""

EMPTY = {"", "-", "nan"}
"""Cells without a value."""

KINDS = {
    "downloads": "data/**/*", "epochs": "results/*/epochs/*", "networks": "results/*/*/fold-*/model.safetensors",
    "checkpoints": "results/*/*/fold-*/checkpoint.pt", "predictions": "results/*/*/fold-*/predictions.parquet",
    "features": "results/*/features.parquet", "releases": "reports/*/*/release.zip", "reports": "reports/**/*",
    "results": "results/**/*", "Snakemake's own": ".snakemake/**/*",
}  # fmt: skip
"""Files by kind; each is counted with the first that it matches."""


@contextmanager
def inside(rehearsal: Rehearsal) -> Iterator[None]:
    """Be where the run is, with the token that it has: paths of a plan are from there."""
    before = os.environ.get("NSRR_TOKEN")
    os.environ["NSRR_TOKEN"] = TOKEN
    try:
        with chdir(rehearsal.folder):
            yield
    finally:
        del os.environ["NSRR_TOKEN"]
        if before is not None:
            os.environ["NSRR_TOKEN"] = before


def plan_of(rehearsal: Rehearsal) -> Plan:
    """The plan of the run, as its rules see it; to be asked `inside`."""
    shipped, own = (
        yaml.safe_load(path.read_text())
        for path in (rehearsal.root / "config" / "config.yaml", rehearsal.folder / "rehearsal.yaml")
    )
    made = configuration.load({**shipped, **own}, rehearsal.root)
    return Plan(made, rehearsal.root / "config" / "tables", lambda _: None)


def faults(rehearsal: Rehearsal, plan: Plan) -> list[str]:
    """All that is not as it should be, a line each; none is what one hopes for."""
    looks = (_counts, _predictions, _folds, _tables, _figures, _pages, _releases, _elsewhere, _token)
    return [line for look in looks for line in look(rehearsal, plan)]


def _written(rehearsal: Rehearsal, plan: Plan, dataset: str) -> dict[str, Written]:
    names = plan.recordings(dataset)
    return {one.recording: one for one in rehearsal.written[ARCHIVE[dataset]] if one.recording in names}


def _counts(rehearsal: Rehearsal, plan: Plan) -> Iterator[str]:
    """Epochs by stage of each recording, and of all of them, are those that were written."""
    for dataset in plan.run:
        written = _written(rehearsal, plan, dataset)
        table = pd.read_table(rehearsal.folder / f"results/{dataset}/recordings.tsv").set_index("recording")
        if set(table.index) != set(written):
            yield f"{dataset}: recordings.tsv has {len(table)} recordings, {len(written)} were written"
            continue
        for name, one in written.items():
            if list(table.loc[name, list(STAGES)]) != one.counts():
                yield f"{dataset}, {name}: {list(table.loc[name, list(STAGES)])} epochs by stage, not {one.counts()}"
        counts = pd.read_table(rehearsal.folder / f"reports/{dataset}/tables/counts.tsv").set_index("stage")
        total = np.sum([one.counts() for one in written.values()], axis=0)
        if list(counts.loc[list(STAGES), "epochs"]) != list(total):
            yield f"{dataset}: counts.tsv has {list(counts.loc[list(STAGES), 'epochs'])}, not {list(total)}"


def _predictions(rehearsal: Rehearsal, plan: Plan) -> Iterator[str]:
    """Every kept epoch is predicted once by each run, beside the stage that was written."""
    for dataset in plan.run:
        wanted = {
            (name, epoch): stage
            for name, one in _written(rehearsal, plan, dataset).items()
            for epoch, stage in one.stages.items()
        }
        for run in plan.runs(dataset):
            paths = [
                rehearsal.folder / f"results/{dataset}/{run}/fold-{n}/predictions.parquet" for n in plan.folds(dataset)
            ]
            table = pd.concat([read_parquet(path) for path in paths])
            keys = list(zip(table["recording"], table["epoch_index"], strict=True))
            found = dict(zip(keys, table["stage_true"], strict=True))
            if len(keys) != len(found) or found != wanted:
                yield f"{dataset}, {run}: {len(keys)} epochs predicted, {len(found)} different, {len(wanted)} written"
            sums = table[[f"p_{stage}" for stage in STAGES]].sum(axis=1)
            if not np.allclose(sums, 1, atol=1e-4):
                yield f"{dataset}, {run}: probabilities add up to {sums.min():g} to {sums.max():g}"


def _folds(rehearsal: Rehearsal, plan: Plan) -> Iterator[str]:
    """Folds are the published ones where those are asked for, and no subject is on two sides of one."""
    for dataset in plan.run:
        rows = read_rows(rehearsal.folder / f"results/{dataset}/folds.tsv")
        sides = {(row["fold"], row["subject"], row["split"]) for row in rows}
        if len(sides) != len({(fold, subject) for fold, subject, _ in sides}):
            yield f"{dataset}: a subject is on two sides of a fold"
        tested = Counter(subject for _, subject, split in sides if split == "test")
        if set(tested.values()) != {1} or set(tested) != {row["subject"] for row in rows}:
            yield f"{dataset}: not every subject is tested once"
        if plan.options(dataset)["folds"] == "published":
            table = read_rows(rehearsal.root / "config" / "tables" / f"folds-{dataset}.tsv")
            if sides != {(row["fold"], row["subject"], row["split"]) for row in table}:
                yield f"{dataset}: folds are not the published ones"


def _tables(rehearsal: Rehearsal, plan: Plan) -> Iterator[str]:
    """No table of the pages is without lines, and no column of one without a value."""
    for path in sorted((rehearsal.folder / "reports").glob("**/tables/*.tsv")):
        table = pd.read_table(path, dtype=str, keep_default_na=False)
        where = path.relative_to(rehearsal.folder)
        lacks = {"differing.tsv", *rehearsal.form.lacks}
        if table.empty and path.name not in lacks:
            yield f"{where} has no line"
        for column in table.columns if len(table) else ():
            if set(table[column]) <= EMPTY and column not in lacks:
                yield f"{where}: nothing in the column '{column}'"


def _figures(rehearsal: Rehearsal, plan: Plan) -> Iterator[str]:
    """Every figure of the catalogue is there, and something is drawn in it."""
    wanted = [figure for dataset in plan.run for figure in plan.figures_of_dataset(dataset)]
    wanted += [
        figure.png.format(dataset=dataset, experiment=run)
        for dataset, run in _explained(rehearsal, plan)
        for figure in FIGURES
        if figure.of == "explanations"
    ]
    for name in wanted:
        path = rehearsal.folder / name
        if not path.is_file():
            yield f"{name} is not there"
        elif np.asarray(Image.open(path).convert("L")).std() < 3:
            yield f"{name} is nearly of one colour"


def _explained(rehearsal: Rehearsal, plan: Plan) -> list[tuple[str, str]]:
    """Datasets and runs whose measured explanations are made."""
    targets = rehearsal.form.targets
    every = [(dataset, run) for dataset in plan.run for run in plan.explained(dataset)]
    return [one for one in every if {"explanations", "reports/{}/{}/explanations.html".format(*one)} & {*targets}]


def _pages(rehearsal: Rehearsal, plan: Plan) -> Iterator[str]:
    """The pages are there, without an error in a cell, and the paper's says of what was not run that it was not."""
    names = ["reports/paper.html", *(f"reports/{dataset}/report.html" for dataset in plan.run)]
    names += [f"reports/{dataset}/{run}/explanations.html" for dataset, run in _explained(rehearsal, plan)]
    for name in names:
        path = rehearsal.folder / name
        text = path.read_text() if path.is_file() else ""
        if not text:
            yield f"{name} is not there"
        yield from (f"{name} says '{word}'" for word in ("Traceback", ">nan<") if word in text)
        left_out = "".join(re.findall(r"Not run: [^<]*", text))
        for dataset in plan.missing_datasets() if name == names[0] else ():
            if f"{dataset} (" not in left_out:
                yield f"{name} does not say that {dataset} was not run"


def _releases(rehearsal: Rehearsal, plan: Plan) -> Iterator[str]:
    for dataset in plan.run:
        for run in plan.explained(dataset):
            if not (rehearsal.folder / f"reports/{dataset}/{run}/release.zip").is_file():
                yield f"{dataset}, {run}: no release"


def _elsewhere(rehearsal: Rehearsal, plan: Plan) -> Iterator[str]:
    """Nothing lies where nobody would look for it: beside the folders of a run, at home, or in the temporary folder."""
    yield from (f"made {path.name} beside its folders" for path in _others(rehearsal.folder.iterdir(), OURS))
    left = [path for path in sorted(rehearsal.temporary.iterdir()) if not path.name.startswith(OF_OTHERS)]
    yield from (f"left {path} in the temporary folder" for path in left)
    caches = {".cache", ".config", ".ipython", ".local"}
    yield from (f"left {path.name} at home" for path in _others(rehearsal.home.iterdir(), caches))


def _others(paths: Iterable[Path], known: Iterable[str]) -> list[Path]:
    return [path for path in sorted(paths) if path.name not in {*known}]


def _token(rehearsal: Rehearsal, plan: Plan) -> Iterator[str]:
    """The token is in no file and in no name of one, but those that the rehearsal wrote for itself."""
    for root in (rehearsal.folder, rehearsal.home, rehearsal.temporary, rehearsal.root):
        for path in root.rglob("*"):
            if TOKEN in path.name or (path.is_file() and not path.is_symlink() and TOKEN.encode() in path.read_bytes()):
                yield f"the token is in {path}"
    if TOKEN in rehearsal.log.read_text(errors="replace"):
        yield "the token is in Snakemake's output"


def disk(folder: Path) -> list[dict[str, Any]]:
    """Files and MB (10^6 bytes) by kind, of the folder of a run."""
    sizes: dict[str, list[int]] = {}
    seen: set[Path] = set()
    for kind, pattern in KINDS.items():
        files = {path for path in folder.glob(pattern) if path.is_file() and not path.is_symlink()} - seen
        seen |= files
        sizes[kind] = [path.stat().st_size for path in files]
    return [{"kind": kind, "files": len(its), "megabytes": round(sum(its) / 1e6, 1)} for kind, its in sizes.items()]
