"""Every script of the workflow, from recordings to tables, figures and errors."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from hypnolens.baselines.networks import build
from hypnolens.evaluation.predictions import PROBABILITIES
from hypnolens.network.inference import probabilities
from hypnolens.pipeline.configuration import NETWORKS
from hypnolens.pipeline.provenance import record
from hypnolens.recordings.epochs import read_epochs
from hypnolens.recordings.normalisation import normalise
from tests.conftest import ROOT
from tests.rules.conftest import EXPERIMENT, ORIGIN, SCRIPTS, SUBJECTS, draw_figure, extraction, run_script


def test_every_script_is_run_in_this_folder_and_is_thin():
    text = "".join(path.read_text() for path in (ROOT / "tests" / "rules").glob("*.py"))
    # Reports and pages need the folders of a whole run, and downloads a server: tests/workflow has them.
    elsewhere = {"report", "paper", "explanation_report", "download_sleepedf", "download_shhs", "list_shhs"}
    for path in SCRIPTS.glob("*.py"):
        # By `run_script`, or by a function of a file of tests that ends in `_run`.
        assert path.stem in elsewhere or re.search(rf'run\w*\(\s*"{path.stem}"', text), path
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
    run_script("counts", tmp_path, input={"recordings": chain.files["recordings.tsv"]}, output=out,
               params={"published": published, "missing": ["z"]})  # fmt: skip
    counts = pd.read_table(out["stages"]).set_index("stage")
    assert counts.loc["all", ["epochs", "published", "difference"]].tolist() == [36, 39, -3]
    differing = pd.read_table(out["differing"]).set_index("recording")["what"].to_dict()
    assert differing == {"z": "not here", "a": "11 epochs, published 12"}
    draw_figure("stages", tmp_path, counts=out["stages"])
    draw_figure("recordings", tmp_path, hypnograms=chain.files["hypnograms"], recordings=chain.files["recordings.tsv"])


def test_time_and_score_side_by_side(chain, tmp_path):
    """Two experiments of the same files, in the folders in which the pipeline has them."""
    histories, metrics = [], []
    for name in ("one", "two"):
        for fold, history in enumerate(chain.histories):
            path = tmp_path / name / f"fold-{fold}" / "history.tsv"
            path.parent.mkdir(parents=True)
            shutil.copy(history, path)
            histories.append(str(path))
        metrics.append(str(shutil.copy(chain.scores["metrics"], tmp_path / name / "metrics.json")))
    out = str(tmp_path / "cost.tsv")
    experiments = {"one": {"sampling": "shared", "stride": 1}, "two": {"sampling": "windows", "stride": 8}}
    run_script("cost", tmp_path, input={"histories": histories, "metrics": metrics}, output={"table": out},
               params={"experiments": experiments})  # fmt: skip
    table = pd.read_table(out)
    assert table["sampling"].tolist() == ["shared", "windows"] and table["stride"].tolist() == [1, 8]
    windows = [pd.read_table(history)["windows"][0] for history in chain.histories]
    assert table["windows_a_pass"].tolist() == [sorted(windows)[1]] * 2 and (table["passes_a_fold"] == 1).all()
    assert (table["macro_f1_low"] <= table["macro_f1"]).all() and (table["macro_f1"] <= table["macro_f1_high"]).all()
    draw_figure("cost", tmp_path, cost=out)


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


@pytest.mark.parametrize("model", NETWORKS)
def test_published_networks_are_trained_written_and_read_back(chain, tmp_path, model):
    names = {"model": "model.safetensors", "card": "model.json", "history": "history.tsv"}
    out = {key: str(tmp_path / name) for key, name in names.items()}
    networks, folds = {"networks": "hypnolens.baselines.networks"}, {"folds": chain.folds[0]}
    wildcards = {"dataset": "d", "experiment": "e", "fold": "0"}
    own = {
        "experiment": {**EXPERIMENT, "model": model, "stretch": 1},
        "checkpoint": str(tmp_path / "c.pt"),
        "code": "c",
        "origin": ORIGIN,
    }
    params = {**networks, **own, "epochs": str(chain.folder)}
    run_script("train", tmp_path, input=folds, output=out, params=params, wildcards=wildcards)
    predictions = {"predictions": str(tmp_path / "p.parquet")}
    inputs = {**folds, "model": out["model"], "card": out["card"]}
    scoring = {**chain.scoring, **networks}
    run_script("predict", tmp_path, input=inputs, output=predictions, params=scoring, wildcards=wildcards)
    rows = pd.read_parquet(predictions["predictions"])
    epochs = normalise(read_epochs(chain.folder / "a.safetensors"), EXPERIMENT["normalisation"])
    kept = torch.load(tmp_path / "c.pt", weights_only=True)["best"]
    network = build(json.loads(Path(out["card"]).read_text())["experiment"], 100.0)
    network.load_state_dict(kept)
    expected = probabilities(network, epochs, across_gaps=False, precision="fp32")
    np.testing.assert_array_equal(rows[PROBABILITIES].to_numpy(), expected)


def test_metrics_and_tables_agree(chain, tmp_path):
    metrics = json.loads(Path(chain.scores["metrics"]).read_text())
    names = ("scores", "stages", "confusion", "recordings")
    out = {name: str(tmp_path / f"{name}.tsv") for name in names}
    run_script("tables", tmp_path, input={"metrics": chain.scores["metrics"],
               "by_recording": chain.scores["by_recording"]}, output=out, wildcards={"experiment": "e"})  # fmt: skip
    scores = pd.read_table(out["scores"])
    assert scores.loc[0, "accuracy"] == pytest.approx(metrics["accuracy"], abs=5e-4)
    confusion = pd.read_table(out["confusion"], index_col=0).to_numpy()
    assert np.trace(confusion) / confusion.sum() == pytest.approx(metrics["accuracy"])
    assert pd.read_table(out["stages"])["epochs"].sum() == metrics["n_epochs"] == 36
    assert len(pd.read_table(out["recordings"])) == 3


def test_other_figures(chain, tmp_path):
    draw_figure("confusion_matrix", tmp_path, metrics=chain.scores["metrics"])
    draw_figure("training_curves", tmp_path, histories=chain.histories)
    by_recording = {"by_recording": chain.scores["by_recording"]}
    draw_figure("hypnograms", tmp_path, predictions=chain.predictions, **by_recording)


@pytest.mark.parametrize("n", [1, 2])
def test_hypnograms_of_fewer_recordings_than_panels(chain, tmp_path, n):
    table = pd.read_table(chain.scores["by_recording"]).head(n)
    table.to_csv(tmp_path / "few.tsv", sep="\t", index=False)
    draw_figure("hypnograms", tmp_path, predictions=chain.predictions[:n], by_recording=str(tmp_path / "few.tsv"))


def test_simulate_writes_the_three_files(tmp_path):
    out = {key: str(tmp_path / f"SIM000N1-{key}") for key in ("psg.edf", "hypnogram.edf", "events.tsv")}
    named = dict(zip(("psg", "hypnogram", "events"), out.values(), strict=True))
    wildcards = {"seed": "0", "hours": "0.25", "subject": "000", "night": "1", "derivations": ""}
    run_script("simulate", tmp_path, output=named, wildcards=wildcards)
    assert pd.read_table(named["events"]).columns.tolist() == ["onset_s", "duration_s", "kind"]


def test_an_error_of_the_input_is_one_line_and_a_status(tmp_path):
    with pytest.raises(SystemExit) as ended:
        run_script("epochs", tmp_path, input={"psg": "x"}, output={"epochs": "y"}, params=extraction("night"))
    assert ended.value.code == 1
    made, *lines = (tmp_path / "logs" / "epochs.log").read_text().splitlines()
    assert all(f"{what} {of}" in made for what, of in record().items() if what != "time")
    assert lines == ["night: has no hypnogram to go with x; add the file, or leave the recording out with exclude:"]


def _refused(script, folder, **given):
    """The last line of the log of a script that ends with it."""
    with pytest.raises(SystemExit):
        run_script(script, folder, **given)
    return (folder / "logs" / f"{script}.log").read_text().splitlines()[-1]


def test_files_of_another_fold_in_a_folds_place_are_refused(chain, tmp_path):
    wildcards = {"dataset": "d", "experiment": "e", "fold": "0"}
    params = {**chain.scoring, "networks": "hypnolens.network.model"}
    one, other = chain.predictions[:2]
    inputs = {"predictions": [other, one, chain.predictions[2]], "folds": chain.folds}
    line = _refused("evaluate", tmp_path, input=inputs, output={}, params={"seed": 0, "protocol": "clean"})
    assert line.startswith(f"{other}: is of the fold 1, and should be of the fold 0; make it again with `snakemake ")
    inputs = {"folds": chain.folds[0], "model": chain.models[1], "card": chain.cards[1]}
    line = _refused("predict", tmp_path, input=inputs, output={}, params=params, wildcards=wildcards)
    assert line.startswith(f"{chain.cards[1]}: is of the fold 1, and should be of the fold 0; ")
    inputs = {"folds": chain.folds[1], "model": chain.models[0], "card": chain.cards[0]}
    line = _refused("predict", tmp_path, input=inputs, output={}, params=params, wildcards=wildcards)
    assert line.startswith(f"{chain.folds[1]}: damaged (fold 0 has no recording on its ")


def test_networks_and_predictions_of_earlier_data_are_refused(chain, tmp_path):
    wildcards = {"dataset": "d", "experiment": "e", "fold": "0"}
    table = pd.read_table(chain.folds[0], dtype=str)
    changed = str(tmp_path / "fold-0.tsv")
    table.assign(epochs_sha256=table["epochs_sha256"].where(table["split"] != "train", "0" * 64)).to_csv(
        changed, sep="\t", index=False
    )
    inputs = {"folds": changed, "model": chain.models[0], "card": chain.cards[0]}
    params = {**chain.scoring, "networks": "hypnolens.network.model"}
    line = _refused("predict", tmp_path, input=inputs, output={}, params=params, wildcards=wildcards)
    assert line.startswith(f"{chain.cards[0]}: was made of other epochs than there are now (train side); make it again")
    table.assign(epochs_sha256=table["epochs_sha256"].where(table["split"] != "test", "0" * 64)).to_csv(
        changed, sep="\t", index=False
    )
    inputs = {"predictions": chain.predictions, "folds": [changed, *chain.folds[1:]]}
    line = _refused("evaluate", tmp_path, input=inputs, output={}, params={"seed": 0, "protocol": "clean"})
    assert line.startswith(f"{chain.predictions[0]}: was made of other epochs than there are now (test side); ")


def test_a_defect_of_the_program_leaves_its_traceback_in_the_log(tmp_path):
    with pytest.raises(TypeError):
        run_script(
            "epochs",
            tmp_path,
            input={"psg": "x", "hypnogram": "y"},
            params={"about": {"recording": "x"}, "options": {}},
        )
    text = (tmp_path / "logs" / "epochs.log").read_text()
    assert "Traceback" in text and text.rstrip().splitlines()[-1].startswith("unexpected ")
