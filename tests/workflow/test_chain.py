"""The chain from EDF to report: what comes out, that it repeats itself, and what bad input does to it."""

import json
import re
import shutil
from urllib.parse import unquote

import edfio
import pandas as pd
import pytest

from hypnolens.evaluation.tables import readable_value
from hypnolens.recordings.epochs import read_epochs
from tests.conftest import RK, write_hypnogram, write_pair
from tests.workflow.conftest import OF_DATASET, OF_RUN, SIMULATED, TINY, Pipeline

EXPECTED_STAGE = {RK[label]: stage for label, stage in
                  [("W", "W"), ("1", "N1"), ("2", "N2"), ("3", "N3"), ("4", "N3"), ("R", "R")]}  # fmt: skip


def _predictions(folder, dataset, experiment="tiny"):
    paths = sorted((folder / "results" / dataset / experiment).glob("fold-*/predictions.parquet"))
    return pd.concat([pd.read_parquet(path).assign(fold=number) for number, path in enumerate(paths)])


def test_a_small_chain_from_nothing_to_scores_and_a_figure(tmp_path):
    """What `make test` runs; the chain up to the reports, `finished`, is for `make test-all`."""
    pipeline = Pipeline(tmp_path)
    pipeline.configure(datasets={"mini": {**SIMULATED, "hours": 0.25}})
    metrics, figure = "results/mini/tiny/metrics.json", "reports/mini/tiny/figures/confusion_matrix.png"
    run = pipeline.run(metrics, figure, "--verbose")
    assert run.returncode == 0, run.stdout
    # Snakemake's scheduler looks for the next step when one has ended, and not every second for each that has.
    assert run.stdout.count("Ready jobs:") <= 2 * int(re.findall(r"\d+ of (\d+) steps", run.stdout)[-1]) + 2
    predictions = _predictions(tmp_path, "mini")
    kept = pd.read_table(tmp_path / "results/mini/recordings.tsv")["epochs"].sum()
    assert 80 < kept == len(predictions) and not predictions.duplicated(["recording", "epoch_index"]).any()
    found = json.loads((tmp_path / metrics).read_text())
    right = (predictions["stage_true"] == predictions["stage_pred"]).mean()
    assert found["n_epochs"] == kept and found["n_folds"] == 3 and found["accuracy"] == pytest.approx(right)
    assert (tmp_path / figure).read_bytes().startswith(b"\x89PNG")
    assert pipeline.planned(metrics, figure) == {}


def test_everything_that_was_promised_is_there(finished):
    results, reports = finished.folder / "results" / "mini", finished.folder / "reports" / "mini"
    metrics = json.loads((results / "tiny" / "metrics.json").read_text())
    assert (metrics["n_subjects"], metrics["n_folds"]) == (3, 3)
    assert 0.0 <= metrics["macro_f1"] <= 1.0 and metrics["ci95"].keys() >= {"accuracy", "macro_f1", "kappa"}
    assert len(pd.read_table(results / "tiny" / "metrics_by_recording.tsv")) == 3
    for fold in range(3):
        folder = results / "tiny" / f"fold-{fold}"
        assert {"model.safetensors", "model.json", "history.tsv", "predictions.parquet"} <= {
            path.name for path in folder.iterdir()
        }
        history = pd.read_table(folder / "history.tsv")
        assert history["pass"].tolist() == [1, 2]
    figures = [reports / "figures" / figure for figure in OF_DATASET]
    for figure in [*figures, *(reports / "tiny" / "figures" / figure for figure in OF_RUN)]:
        assert figure.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in figure.with_suffix(".svg").read_text()
    assert (reports / "tables" / "scores.tsv").is_file() and (reports / "report.ipynb").is_file()


def test_the_report_is_one_page_that_needs_nothing_from_elsewhere(finished):
    page = (finished.folder / "reports" / "mini" / "report.html").read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)[^"']+""", page) and "<script" not in page
    assert page.count('src="data:image/png;base64,') == len(OF_DATASET) - 1 + len(OF_RUN)  # no time of one experiment
    metrics = json.loads((finished.folder / "results" / "mini" / "tiny" / "metrics.json").read_text())
    assert readable_value(metrics["macro_f1"], *metrics["ci95"]["macro_f1"]) in page and "Simulated nights" in page
    assert _dead_links(page) == [] and "Traceback" not in page


def _dead_links(page):
    """Links within a page that lead nowhere."""
    return sorted(
        {unquote(link) for link in re.findall(r'href="#([^"]+)"', page)} - {*re.findall(r'id="([^"]+)"', page)}
    )


def test_tables_have_beside_them_what_made_them(finished):
    made = json.loads((finished.folder / "reports/mini/tables/made.json").read_text())
    assert made["commit"] and made["version_torch"] and made["processor"] and made["gpu"]
    assert made["dataset"]["subjects"] == 3 and made["experiments"]["tiny"]["width"] == 1


def test_the_papers_page_says_what_is_missing_and_how_it_was_made(finished):
    page = (finished.folder / "reports" / "paper.html").read_text()
    assert not re.findall(r"""src=["'](?!data:)""", page) and "<script" not in page
    assert page.count('src="data:image/png;base64,') == len(OF_DATASET) + len(OF_RUN)
    assert "mini: simulated nights." in page and "(not among run: of the configuration)" in page
    assert "has no such figure" not in page and page.count("not run") == 0 and _dead_links(page) == []
    assert "--configfile config.yaml" in page
    tables = finished.folder / "reports" / "tables"
    overall = pd.read_table(tables / "overall.tsv", dtype=str)
    metrics = json.loads((finished.folder / "results/mini/tiny/metrics.json").read_text())
    row = overall.set_index(["dataset", "score"]).loc[("mini", "macro-F1")]
    assert row["here"] == f"{metrics['macro_f1']:.3f}" and row["paper"] == "-"
    assert (overall.loc[overall["dataset"] == "sleep-edf-20", "here"] == "not run").all()
    assert {path.stem for path in tables.glob("*.tex")} == {path.stem for path in tables.glob("*.tsv")} != set()


def test_each_kept_epoch_is_predicted_once_by_a_network_that_never_saw_its_subject(finished):
    predictions = _predictions(finished.folder, "mini")
    kept = []
    for path in sorted((finished.folder / "results" / "mini" / "epochs").glob("*.safetensors")):
        epochs = read_epochs(path)
        kept += [(epochs.recording, index) for index in epochs.epoch_index.tolist()]
    assert sorted(zip(predictions["recording"], predictions["epoch_index"], strict=True)) == sorted(kept)
    for fold, rows in predictions.groupby("fold"):
        card = json.loads((finished.folder / f"results/mini/tiny/fold-{fold}/model.json").read_text())
        seen = {*card["recordings"]["train"], *card["recordings"]["validation"]}
        assert set(rows["recording"]) == set(card["recordings"]["test"]) and not set(rows["recording"]) & seen
    probabilities = predictions[["p_W", "p_N1", "p_N2", "p_N3", "p_R"]]
    assert (probabilities.sum(axis=1) - 1).abs().max() < 1e-5
    assert (predictions["stage_pred"] == probabilities.idxmax(axis=1).str[2:]).all()


def test_a_run_from_nothing_on_one_core_gives_the_same_predictions(finished, pipeline):
    pipeline.configure(datasets={"mini": SIMULATED})
    wanted = [f"results/mini/tiny/fold-{fold}/predictions.parquet" for fold in range(3)]
    run = pipeline.run(*wanted, cores=1)
    assert run.returncode == 0, run.stdout
    pd.testing.assert_frame_equal(_predictions(pipeline.folder, "mini"), _predictions(finished.folder, "mini"))


def test_snakemakes_own_report_has_the_figures(finished):
    run = finished.run("--report", "snakemake.html")
    assert run.returncode == 0, run.stdout
    page = (finished.folder / "snakemake.html").read_text()
    assert "confusion matrix" in page and "training curves" in page


def test_explanations_are_measured_on_request(finished):
    run = finished.run("explanations")
    assert run.returncode == 0, run.stdout
    reports = finished.folder / "reports" / "mini" / "tiny"
    page = (reports / "explanations.html").read_text()
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)[^"']+""", page) and "<script" not in page
    assert page.count('src="data:image/png;base64,') == 6 and "In plain words" in page and "Simulated nights" in page
    alignment = pd.read_table(reports / "explanations" / "tables" / "alignment.tsv")
    assert {"true", "detected"} >= set(alignment["events"].astype(str).str.lower()) and len(alignment)
    assert set(alignment["map"]) >= {"layer-integrated-gradients", "grad-cam", "occlusion", "random", "untrained"}
    assert _dead_links(page) == []
    faithfulness = pd.read_table(reports / "explanations" / "tables" / "faithfulness.tsv").set_index(["stage", "order"])
    # The areas of all orders begin and end alike, and a random one lies between.
    assert faithfulness.loc[("all", "occlusion"), "deletion"] <= faithfulness.loc[("all", "random"), "deletion"]
    events = pd.read_table(finished.folder / "results/mini/event_counts.tsv")
    assert set(events["source"].astype(str).str.lower()) == {"true", "detected"} and set(events["recording"]) == {
        "SIM000N1", "SIM001N1", "SIM002N1"}  # fmt: skip


def test_five_real_recordings_run_to_the_report(data, pipeline):
    real = {"kind": "folder", "path": str(data / "real"), "channel": ["C3-A1", "CZ-A1", "EEG"], "experiments": ["tiny"]}
    pipeline.configure(datasets={"real": real})
    run = pipeline.run()
    assert run.returncode == 0, run.stdout
    predictions = _predictions(pipeline.folder, "real")
    assert len(predictions) == 407
    for recording, rows in predictions.groupby("recording"):
        # The expert's stage of every epoch, spelled out from the file by another reader.
        hypnogram = edfio.read_edf(data / "real" / f"{recording}-Hypnogram.edf")
        by_expert = [EXPECTED_STAGE[a.text] for a in hypnogram.annotations for _ in range(round(a.duration / 30))]
        assert rows["epoch_index"].tolist() == list(range(len(by_expert)))
        assert rows["stage_true"].tolist() == by_expert
        assert rows["onset_s"].tolist() == [30.0 * i for i in range(len(by_expert))]
        assert read_epochs(pipeline.folder / f"results/real/epochs/{recording}.safetensors").signal.shape[1] == 3000
    assert "fold 4: no epoch of R on the train side" in (pipeline.folder / "reports/real/report.html").read_text()


def _missing_partner(folder):
    (folder / "bad-Hypnogram.edf").unlink()


def _missing_psg(folder):
    (folder / "bad-PSG.edf").unlink()


def _cut_short(folder):
    path = folder / "bad-PSG.edf"
    path.write_bytes(path.read_bytes()[:-5000])


def _empty(folder):
    (folder / "bad-PSG.edf").write_bytes(b"")


def _unscored(folder):
    write_hypnogram(folder / "bad-Hypnogram.edf", "????")


def _other_channel(folder):
    path = folder / "bad-PSG.edf"
    path.write_bytes(path.read_bytes().replace(b"EEG Fpz-Cz", b"EEG Pz-Oz "))


@pytest.mark.parametrize(
    "damage, words",
    [
        (_missing_partner, "has no hypnogram to go with bad-PSG.edf"),
        (_missing_psg, "has no psg to go with bad-Hypnogram.edf"),
        (_cut_short, "is cut short"),
        (_empty, "is empty"),
        (_unscored, "has no scored epoch"),
        (_other_channel, "has 'EEG Pz-Oz'"),
    ],
)
def test_a_bad_recording_is_the_last_line_and_the_others_are_kept(pipeline, damage, words):
    folder = pipeline.folder / "psg"
    for number, name in enumerate(["bad", "good1", "good2"]):
        write_pair(folder, name, "W122R3", seed=number)
    damage(folder)
    mine = {"kind": "folder", "path": "psg", "experiments": ["tiny"]}
    pipeline.configure(datasets={"mine": mine})
    run = pipeline.run("results/mine/recordings.tsv")
    last = run.stdout.splitlines()[-1]
    assert run.returncode != 0 and last.startswith("bad: ") and words in last and "; " in last
    assert "Traceback" not in run.stdout
    log = (pipeline.folder / "results/mine/logs/epochs/bad.log").read_text().splitlines()
    assert log[-1] == last and not any("Traceback" in line for line in log)
    kept = {path.stem for path in (pipeline.folder / "results/mine/epochs").glob("*")}
    assert kept == {"good1", "good2"}


def test_after_a_bad_recording_is_mended_only_it_is_extracted(pipeline):
    folder = pipeline.folder / "psg"
    for number, name in enumerate(["bad", "good1", "good2"]):
        write_pair(folder, name, "W122R3", seed=number)
    shutil.move(folder / "bad-Hypnogram.edf", folder / "elsewhere.edf")
    pipeline.configure(datasets={"mine": {"kind": "folder", "path": "psg", "experiments": ["tiny"]}})
    assert pipeline.run("results/mine/recordings.tsv").returncode != 0
    shutil.move(folder / "elsewhere.edf", folder / "bad-Hypnogram.edf")
    assert pipeline.planned("results/mine/recordings.tsv") == {"epochs": 1, "recordings": 1}


def test_an_edited_table_of_folds_makes_the_folds_anew(pipeline):
    for number, name in enumerate("abc"):
        write_pair(pipeline.folder / "psg", name, "W122R3", seed=number)
    table = pipeline.folder / "folds.tsv"
    table.write_text("subject\tfold\na\t0\nb\t1\nc\t2\n")
    mine = {"kind": "folder", "path": "psg", "folds": "folds.tsv", "experiments": ["tiny"]}
    pipeline.configure(datasets={"mine": mine})
    assert pipeline.run("results/mine/folds.tsv").returncode == 0
    assert pipeline.planned("results/mine/folds.tsv") == {}
    table.write_text("subject\tfold\na\t0\nb\t1\nc\t1\n")
    assert pipeline.planned("results/mine/folds.tsv") == {"folds": 1}


def test_tiny_networks_are_told_apart_by_their_experiment(finished):
    card = json.loads((finished.folder / "results/mini/tiny/fold-0/model.json").read_text())
    assert {key: card["experiment"][key] for key in TINY if key != "from"} == {
        k: v for k, v in TINY.items() if k != "from"
    }
    assert {"commit", "version_torch", "platform"} <= card["made"].keys()
