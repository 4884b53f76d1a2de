"""Every script of the workflow, run as Snakemake runs it: with an object `snakemake` among its globals."""

import json
import re
import runpy
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from hypnolens import configuration
from hypnolens.epochs import read_epochs
from tests.conftest import ROOT, write_pair

SCRIPTS = ROOT / "workflow" / "scripts"
EXPERIMENT = {
    **configuration.load({}, ROOT).experiments["demo"],
    **{"width": 1, "lstm_hidden": 4, "window": 3, "passes": 1, "batch_windows": 8},
}
SUBJECTS = ("a", "b", "c")


class Files(dict):
    """Named files, as Snakemake gives them: by name, by number, and with `items`."""

    def __getattr__(self, name):
        return self[name]

    def __getitem__(self, key):
        return list(self.values())[key] if isinstance(key, int) else dict.__getitem__(self, key)


def _run(script, folder, *, input=None, output=None, params=None, wildcards=None):
    """Run a script; returns the text of its log."""
    log = folder / "logs" / f"{script}.log"
    fake = SimpleNamespace(
        input=Files(input or {}),
        output=Files(output or {}),
        params=SimpleNamespace(**(params or {})),
        wildcards=Files(wildcards or {}),
        log=[str(log)],
    )
    runpy.run_path(str(SCRIPTS / f"{script}.py"), init_globals={"snakemake": fake})
    return log.read_text()


def _options(name):
    return {
        "options": {
            "recording": name, "subject": name, "night": 1, "channel": ["EEG Fpz-Cz"], "sampling_rate_hz": 100,
            "trim_wake_min": 30, "trim_rule": "drop-then-trim", "rates": (), "sha1": {},
        }
    }  # fmt: skip


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """The scripts from EDF files to predictions, run one after the other on three recordings."""
    folder = tmp_path_factory.mktemp("rules")
    epochs = {}
    for number, name in enumerate(SUBJECTS):
        psg, hypnogram = write_pair(folder, name, "W122M3344RRW" + "2" * number, seed=number)
        epochs[name] = str(folder / f"{name}.safetensors")
        files = {"psg": str(psg), "hypnogram": str(hypnogram)}
        _run("epochs", folder, input=files, output={"epochs": epochs[name]}, params=_options(name))
    f = {
        name: str(folder / name)
        for name in ("recordings.tsv", "hypnograms", "folds.tsv", "metrics.json", "by_recording.tsv")
    }
    paths = list(epochs.values())
    _run(
        "recordings", folder, input={"epochs": paths}, params={"origin": {"licence": "-", "citation": "-"}},
        output={"table": f["recordings.tsv"], "hypnograms": f["hypnograms"]}, wildcards={"dataset": "d"},
    )  # fmt: skip
    options = {"folds": "leave-one-subject-out", "validation": 0.1, "fold_seed": 0}
    _run("folds", folder, input={"recordings": f["recordings.tsv"]}, output={"folds": f["folds.tsv"]},
         params={"options": options}, wildcards={"dataset": "d"})  # fmt: skip
    of_fold = {"models": [], "cards": [], "histories": [], "predictions": []}
    keys = ("normalisation", "across_gaps", "precision", "torch_threads")
    scoring = {"options": {key: EXPERIMENT[key] for key in keys}, "epochs": str(folder)}
    for fold in range(3):
        wildcards = {"dataset": "d", "experiment": "e", "fold": str(fold)}
        names = {"model": "model.safetensors", "card": "model.json", "history": "history.tsv"}
        out = {key: str(folder / f"{fold}-{name}") for key, name in names.items()}
        inputs = {"folds": f["folds.tsv"]}
        params = {
            "experiment": EXPERIMENT,
            "checkpoint": str(folder / f"{fold}.pt"),
            "code": "c",
            "epochs": str(folder),
        }
        _run("train", folder, input=inputs, output=out, params=params, wildcards=wildcards)
        predictions = str(folder / f"{fold}.parquet")
        _run("predict", folder, input={**inputs, "model": out["model"], "card": out["card"]},
             output={"predictions": predictions}, params=scoring, wildcards=wildcards)  # fmt: skip
        for key, value in zip(of_fold, (*out.values(), predictions), strict=True):
            of_fold[key].append(value)
    _run("evaluate", folder, input={"predictions": of_fold["predictions"]}, params={"seed": 0},
         output={"metrics": f["metrics.json"], "by_recording": f["by_recording.tsv"]})  # fmt: skip
    return SimpleNamespace(folder=folder, epochs=paths, scoring=scoring, **of_fold, files=f)


def test_every_script_is_run_here_and_is_thin():
    text = (ROOT / "tests" / "rules" / "test_scripts.py").read_text()
    # The report needs the folders of a whole run, and downloads a server: tests/workflow has them.
    elsewhere = {"report", "download_sleepedf", "download_shhs", "list_shhs"}
    for path in SCRIPTS.glob("*.py"):
        assert path.stem in elsewhere or re.search(rf'_run\(\s*"{path.stem}"', text), path
        assert len(path.read_text().splitlines()) <= 45, path


def test_scripts_read_params_and_only_downloads_the_configuration():
    reading = {path.stem for path in SCRIPTS.glob("*.py") if "snakemake.config" in path.read_text()}
    assert reading == {"download_sleepedf", "download_shhs", "list_shhs"}


def test_recordings_lists_every_recording(chain):
    table = pd.read_table(chain.files["recordings.tsv"])
    assert table["recording"].tolist() == list(SUBJECTS)
    assert table["epochs"].tolist() == [11, 12, 13] and table["dropped_movement"].tolist() == [1, 1, 1]
    assert table["N2"].tolist() == [2, 3, 4]


def test_counts_add_up_and_both_figures_of_a_dataset_are_drawn(chain, tmp_path):
    out = {name: str(tmp_path / f"{name}.tsv") for name in ("stages", "differing")}
    stages = {"W": 8, "N1": 3, "N2": 9, "N3": 12, "R": 7}
    published = {"name": "set", "counts": stages, "source": "us", "by_recording": {"a": 12}}
    _run("counts", tmp_path, input={"recordings": chain.files["recordings.tsv"]}, output=out,
         params={"published": published, "missing": ["z"]})  # fmt: skip
    counts = pd.read_table(out["stages"]).set_index("stage")
    assert counts.loc["all", ["epochs", "published", "difference"]].tolist() == [36, 39, -3]
    differing = pd.read_table(out["differing"]).set_index("recording")["what"].to_dict()
    assert differing == {"z": "not here", "a": "11 epochs, published 12"}
    _figure("stages", tmp_path, counts=out["stages"])
    _figure("recordings", tmp_path, hypnograms=chain.files["hypnograms"], recordings=chain.files["recordings.tsv"])


def test_time_and_score_side_by_side(chain, tmp_path):
    """Two experiments of the same files, in the folders in which the pipeline has them."""
    histories, metrics = [], []
    for name in ("one", "two"):
        for fold, history in enumerate(chain.histories):
            path = tmp_path / name / f"fold-{fold}" / "history.tsv"
            path.parent.mkdir(parents=True)
            shutil.copy(history, path)
            histories.append(str(path))
        metrics.append(str(shutil.copy(chain.files["metrics.json"], tmp_path / name / "metrics.json")))
    out = str(tmp_path / "cost.tsv")
    experiments = {"one": {"sampling": "shared", "stride": 1}, "two": {"sampling": "windows", "stride": 8}}
    _run("cost", tmp_path, input={"histories": histories, "metrics": metrics}, output={"table": out},
         params={"experiments": experiments})  # fmt: skip
    table = pd.read_table(out)
    assert table["sampling"].tolist() == ["shared", "windows"] and table["stride"].tolist() == [1, 8]
    windows = [pd.read_table(history)["windows"][0] for history in chain.histories]
    assert table["windows_a_pass"].tolist() == [sorted(windows)[1]] * 2 and (table["passes_a_fold"] == 1).all()
    assert (table["macro_f1_low"] <= table["macro_f1"]).all() and (table["macro_f1"] <= table["macro_f1_high"]).all()
    _figure("cost", tmp_path, cost=out)


def test_folds_cover_every_recording(chain):
    table = pd.read_table(chain.files["folds.tsv"])
    assert sorted(table.loc[table["split"] == "test", "recording"]) == list(SUBJECTS)


def test_predictions_are_of_the_test_side_in_order(chain):
    for fold, path in enumerate(chain.predictions):
        rows = pd.read_parquet(path)
        epochs = read_epochs(chain.folder / f"{SUBJECTS[fold]}.safetensors")
        assert rows["epoch_index"].tolist() == epochs.epoch_index.tolist()
        assert list(rows.columns) == ["recording", "subject", "epoch_index", "onset_s", "stage_true", "stage_pred",
                                      "p_W", "p_N1", "p_N2", "p_N3", "p_R"]  # fmt: skip
        assert rows["p_R"].dtype == np.float32


def test_metrics_and_tables_agree(chain, tmp_path):
    metrics = json.loads((chain.folder / "metrics.json").read_text())
    names = ("scores", "stages", "confusion", "recordings")
    out = {name: str(tmp_path / f"{name}.tsv") for name in names}
    _run("tables", tmp_path, input={"metrics": chain.files["metrics.json"],
         "by_recording": chain.files["by_recording.tsv"]}, output=out, wildcards={"experiment": "e"})  # fmt: skip
    scores = pd.read_table(out["scores"])
    assert scores.loc[0, "accuracy"] == pytest.approx(metrics["accuracy"], abs=5e-4)
    confusion = pd.read_table(out["confusion"], index_col=0).to_numpy()
    assert np.trace(confusion) / confusion.sum() == pytest.approx(metrics["accuracy"])
    assert pd.read_table(out["stages"])["epochs"].sum() == metrics["n_epochs"] == 36
    assert len(pd.read_table(out["recordings"])) == 3


@pytest.mark.parametrize("lost", [None, "R"])
def test_explanations_and_their_figure(chain, tmp_path, lost):
    predictions = chain.predictions
    if lost:  # no epoch of this stage is right: its panel says so
        predictions = []
        for number, path in enumerate(chain.predictions):
            frame = pd.read_parquet(path)
            frame.loc[frame["stage_true"] == lost, "stage_pred"] = "W"
            predictions.append(str(tmp_path / f"{number}.parquet"))
            frame.to_parquet(predictions[-1])
    out = str(tmp_path / "gradcam.safetensors")
    inputs = {"models": chain.models, "cards": chain.cards, "predictions": predictions}
    log = _run("explain", tmp_path, input=inputs, output={"gradcam": out}, params=chain.scoring)
    correct = pd.concat(map(pd.read_parquet, predictions)).query("stage_true == stage_pred")["stage_true"].unique()
    assert set(re.findall(r"INFO (\w+): epoch", log)) == set(correct) and lost not in correct
    _figure("gradcam", tmp_path, gradcam=out)
    assert len(re.findall("<!-- no correct epoch -->", (tmp_path / "f.svg").read_text())) == 5 - len(correct)


def test_embedding_and_its_figure(chain, tmp_path):
    out = str(tmp_path / "embedding.tsv")
    inputs = {"folds": chain.files["folds.tsv"], "model": chain.models[0], "card": chain.cards[0]}
    _run("embedding", tmp_path, input=inputs, output={"table": out}, params=chain.scoring)
    table = pd.read_table(out)
    assert len(table) == 11 and table[["x", "y"]].notna().all().all()
    _figure("tsne", tmp_path, embedding=out)


def _figure(name, folder, **inputs):
    out = {"png": str(folder / "f.png"), "svg": str(folder / "f.svg")}
    _run("figure", folder, input=inputs, output=out, params={"figure": name})
    assert (folder / "f.png").read_bytes().startswith(b"\x89PNG") and "<svg" in (folder / "f.svg").read_text()


def test_other_figures(chain, tmp_path):
    _figure("confusion_matrix", tmp_path, metrics=chain.files["metrics.json"])
    _figure("training_curves", tmp_path, histories=chain.histories)
    by_recording = {"by_recording": chain.files["by_recording.tsv"]}
    _figure("hypnograms", tmp_path, predictions=chain.predictions, **by_recording)


@pytest.mark.parametrize("n", [1, 2])
def test_hypnograms_of_fewer_recordings_than_panels(chain, tmp_path, n):
    table = pd.read_table(chain.files["by_recording.tsv"]).head(n)
    table.to_csv(tmp_path / "few.tsv", sep="\t", index=False)
    _figure("hypnograms", tmp_path, predictions=chain.predictions[:n], by_recording=str(tmp_path / "few.tsv"))


def test_simulate_writes_the_three_files(tmp_path):
    out = {key: str(tmp_path / f"SIM000N1-{key}") for key in ("psg.edf", "hypnogram.edf", "events.tsv")}
    named = dict(zip(("psg", "hypnogram", "events"), out.values(), strict=True))
    wildcards = {"seed": "0", "hours": "0.25", "subject": "000", "night": "1"}
    _run("simulate", tmp_path, output=named, wildcards=wildcards)
    assert pd.read_table(named["events"]).columns.tolist() == ["onset_s", "duration_s", "kind"]


def test_an_error_of_the_input_is_one_line_and_a_status(tmp_path):
    with pytest.raises(SystemExit) as ended:
        _run("epochs", tmp_path, input={"psg": "x"}, output={"epochs": "y"}, params=_options("night"))
    assert ended.value.code == 1
    lines = (tmp_path / "logs" / "epochs.log").read_text().splitlines()
    assert lines == ["night: has no hypnogram to go with x; add the file, or leave the recording out with exclude:"]


def test_a_defect_of_the_program_leaves_its_traceback_in_the_log(tmp_path):
    with pytest.raises(TypeError):
        _run("epochs", tmp_path, input={"psg": "x", "hypnogram": "y"}, params={"options": {"recording": "x"}})
    text = (tmp_path / "logs" / "epochs.log").read_text()
    assert "Traceback" in text and text.rstrip().splitlines()[-1].startswith("unexpected ")
