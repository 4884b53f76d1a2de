"""Scripts run as Snakemake runs them, with an object `snakemake` among their globals, and a chain of them."""

import runpy
from types import SimpleNamespace

import pandas as pd
import pytest

from hypnolens.io.parquet import write_parquet
from hypnolens.pipeline import configuration
from tests.conftest import ROOT, write_pair

SCRIPTS = ROOT / "workflow" / "scripts"
EXPERIMENT = {
    **configuration.load({}, ROOT).experiments["demo"],
    **{"width": 1, "lstm_hidden": 4, "window": 3, "passes": 1, "batch_windows": 8},
}
ORIGIN = {"kind": "folder", "licence": "-", "citation": "-"}
SUBJECTS = ("a", "b", "c")


class Files(dict):
    """Named files, as Snakemake gives them: by name, by number, and with `items`."""

    def __getattr__(self, name):
        return self[name]

    def __getitem__(self, key):
        return list(self.values())[key] if isinstance(key, int) else dict.__getitem__(self, key)


def run_script(script, folder, *, input=None, output=None, params=None, wildcards=None, threads=1):
    """Run a script; returns the text of its log."""
    log = folder / "logs" / f"{script}.log"
    fake = SimpleNamespace(
        input=Files(input or {}),
        output=Files(output or {}),
        params=SimpleNamespace(**(params or {})),
        wildcards=Files(wildcards or {"dataset": "d", "experiment": "e"}),
        log=[str(log)],
        threads=threads,
        scriptdir=str(SCRIPTS),
    )
    runpy.run_path(str(SCRIPTS / f"{script}.py"), init_globals={"snakemake": fake})
    return log.read_text()


def draw_figure(name, folder, **inputs):
    """Draw a figure as ``f.png`` and ``f.svg``; returns the text of the SVG."""
    out = {"png": str(folder / "f.png"), "svg": str(folder / "f.svg")}
    run_script("figure", folder, input=inputs, output=out, params={"figure": name})
    svg = (folder / "f.svg").read_text()
    assert (folder / "f.png").read_bytes().startswith(b"\x89PNG") and "<svg" in svg
    return svg


def extraction(name):
    """Params of the script that extracts epochs."""
    return {
        "options": {
            "channel": ["EEG Fpz-Cz"], "sampling_rate_hz": 100,
            "highpass_hz": None, "trim_wake_min": 30, "trim_rule": "drop-then-trim",
        },
        "about": {"recording": name, "subject": name, "night": 1, "rates": (), "sha1": {}},
    }  # fmt: skip


def evaluated(predictions, folds, folder, *, protocol="clean"):
    """Run the script `evaluate` into a folder; returns its files."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {"metrics": "metrics.json", "by_recording": "metrics_by_recording.tsv", "by_fold": "metrics_by_fold.tsv",
             "by_subject": "confusion_by_subject.tsv"}  # fmt: skip
    out = {key: str(folder / name) for key, name in names.items()}
    params = {"seed": 0, "protocol": protocol}
    run_script("evaluate", folder, input={"predictions": predictions, "folds": folds}, output=out, params=params)
    return out


def say(chain, folder, stages):
    """Copies of the predictions with other stages: those that a function of fold and frame gives."""
    folder.mkdir(exist_ok=True)
    paths = []
    for fold, path in enumerate(chain.predictions):
        frame = pd.read_parquet(path)
        paths.append(str(folder / f"{fold}.parquet"))
        write_parquet(frame.assign(stage_pred=stages(fold, frame)), paths[-1], frame.attrs["about"])
    return paths


@pytest.fixture(scope="session")
def chain(tmp_path_factory):
    """The scripts from EDF files to scores, run one after the other on three recordings. Tests leave it as it is."""
    folder = tmp_path_factory.mktemp("rules")
    epochs = {}
    for number, name in enumerate(SUBJECTS):
        psg, hypnogram = write_pair(folder, name, "W122M3344RRW" + "2" * number, seed=number)
        epochs[name] = str(folder / f"{name}.safetensors")
        files = {"psg": str(psg), "hypnogram": str(hypnogram)}
        run_script("epochs", folder, input=files, output={"epochs": epochs[name]}, params=extraction(name))
    f = {name: str(folder / name) for name in ("recordings.tsv", "hypnograms", "folds.tsv")}
    paths = list(epochs.values())
    run_script(
        "recordings", folder, input={"epochs": paths}, params={"origin": ORIGIN},
        output={"table": f["recordings.tsv"], "hypnograms": f["hypnograms"]}, wildcards={"dataset": "d"},
    )  # fmt: skip
    options = {"folds": "leave-one-subject-out", "validation": 0.1, "fold_seed": 0}
    run_script("folds", folder, input={"recordings": f["recordings.tsv"]}, output={"folds": f["folds.tsv"]},
               params={"options": options}, wildcards={"dataset": "d"})  # fmt: skip
    folds = [str(folder / f"fold-{fold}.tsv") for fold in range(3)]
    for fold, path in enumerate(folds):
        tables = {"folds": f["folds.tsv"], "recordings": f["recordings.tsv"]}
        run_script("fold", folder, input=tables, output={"fold": path}, wildcards={"dataset": "d", "fold": str(fold)})
    of_fold = {"models": [], "cards": [], "histories": [], "predictions": []}
    keys = ("normalisation", "across_gaps", "precision", "torch_threads")
    scoring = {"options": {key: EXPERIMENT[key] for key in keys}, "epochs": str(folder)}
    for fold in range(3):
        wildcards = {"dataset": "d", "experiment": "e", "fold": str(fold)}
        names = {"model": "model.safetensors", "card": "model.json", "history": "history.tsv"}
        out = {key: str(folder / f"{fold}-{name}") for key, name in names.items()}
        inputs = {"folds": folds[fold]}
        params = {
            "experiment": EXPERIMENT, "networks": "hypnolens.network.model", "checkpoint": str(folder / f"{fold}.pt"),
            "code": "c", "epochs": str(folder), "origin": ORIGIN,
        }  # fmt: skip
        run_script("train", folder, input=inputs, output=out, params=params, wildcards=wildcards)
        predictions = str(folder / f"{fold}.parquet")
        run_script("predict", folder, input={**inputs, "model": out["model"], "card": out["card"]},
                   output={"predictions": predictions}, params={**scoring, "networks": "hypnolens.network.model"},
                   wildcards=wildcards)  # fmt: skip
        for key, value in zip(of_fold, (*out.values(), predictions), strict=True):
            of_fold[key].append(value)
    scores = evaluated(of_fold["predictions"], folds, folder / "scores")
    return SimpleNamespace(folder=folder, epochs=paths, folds=folds, scoring=scoring, **of_fold, files=f, scores=scores)
