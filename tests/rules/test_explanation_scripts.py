"""Scripts that explain: events, epochs to look at, maps and what measures them, embeddings."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from hypnolens.evaluation.predictions import PROBABILITIES
from hypnolens.explanations.attributions import FAST_METHODS, METHODS
from hypnolens.explanations.examples import read_explained, write_explained
from hypnolens.explanations.maps import ABSENT, read_maps
from hypnolens.explanations.night import read_strip
from hypnolens.io.checksums import sealed
from hypnolens.network.files import read_card, weights_of
from hypnolens.recordings.epochs import read_epochs
from hypnolens.stages import STAGES
from tests.planning import rules
from tests.rules.conftest import SUBJECTS, draw_figure, run_script, say

EXPLANATION_TABLES = list(rules()["explanation_tables"].output.keys())

SPINDLE, ALPHA, THETA = "spindle", "alpha", "theta"
KNOWN = {"N2": SPINDLE, "W": ALPHA, "R": THETA}
"""An event of a second, 10 s into every epoch of these stages, is true; what is `detected` lies 0.2 s later."""


def _write_events(chain, folder, *, any):
    """Tables of events by hand, a recording each; returns their folder."""
    folder.mkdir()
    for path in chain.epochs:
        epochs = read_epochs(Path(path))
        rows = [
            (onset + 10 + late, 1.0, KNOWN[STAGES[code]], source)
            for source, late in (("detected", 0.2), ("true", 0.0))
            for onset, code in zip(epochs.onset_s, epochs.stage, strict=True)
            if STAGES[code] in KNOWN and any
        ]
        table = pd.DataFrame(rows, columns=["onset_s", "duration_s", "kind", "source"])
        table.assign(recording=epochs.recording).to_csv(folder / f"{epochs.recording}.tsv", sep="\t", index=False)
    return folder


def test_events_are_found_and_put_beside_known_ones(chain, tmp_path):
    known = tmp_path / "a-events.tsv"
    known.write_text("onset_s\tduration_s\tkind\n95\t0.5\tk-complex\n3\t1.25\talpha\n")
    tables = {}
    for name, more in (("a", {"known": str(known)}), ("b", {})):
        out = str(tmp_path / f"{name}.tsv")
        inputs = {"epochs": str(chain.folder / f"{name}.safetensors"), **more}
        log = run_script("events", tmp_path, input=inputs, output={"events": out})
        tables[name] = pd.read_table(out)
        assert f"{(tables[name]['source'] == 'detected').sum()} detected" in log
    assert set(tables["b"]["source"]) <= {"detected"} and "2 true" not in log
    true = tables["a"].query("source == 'true'")
    assert true[["onset_s", "duration_s", "kind"]].to_numpy().tolist() == [[3, 1.25, "alpha"], [95, 0.5, "k-complex"]]
    out = str(tmp_path / "events-counted.tsv")
    paths = [str(tmp_path / f"{name}.tsv") for name in tables]
    run_script("count_events", tmp_path, input={"events": paths}, output={"counts": out})
    counted = pd.read_table(out)
    assert counted["events"].sum() == sum(map(len, tables.values()))
    assert counted.query("source == 'true'")[["recording", "kind", "events"]].to_numpy().tolist() == [
        ["a", "alpha", 1], ["a", "k-complex", 1]
    ]  # fmt: skip


@pytest.mark.parametrize("lost, any", [(None, True), ("R", False)], ids=["all right", "one stage lost, no events"])
def test_explanations_and_their_figures(chain, tmp_path, monkeypatch, lost, any):
    def stages(fold, frame):  # all are right but the second N2 of each recording, and the stage that is lost
        true = frame["stage_true"]
        wrong = (true == lost) | ((frame.groupby("stage_true").cumcount() == 1) & (true == "N2"))
        return true.where(~wrong, "N3")

    def detected(epochs):  # in place of the detectors, which tests/unit has; they see the signal as it was recorded
        np.testing.assert_array_equal(
            epochs.signal, read_epochs(chain.folder / f"{epochs.recording}.safetensors").signal
        )
        return pd.read_table(events / f"{epochs.recording}.tsv").query("source == 'detected'")

    monkeypatch.setattr("hypnolens.explanations.detectors.detect", detected)
    predictions = say(chain, tmp_path / "said", stages)
    events = _write_events(chain, tmp_path / "events", any=any)
    out = str(tmp_path / "explained.safetensors")
    inputs = {"models": chain.models, "cards": chain.cards, "predictions": predictions, "folds": chain.folds}
    log = run_script("explain", tmp_path, input=inputs, output={"explained": out}, params=chain.scoring)
    explained = {(epoch.group, epoch.stage): epoch for epoch in read_explained(Path(out))}
    own = [stage for stage in STAGES if stage != lost]
    wrong = [(f"{stage} as N3", "N3") for stage in (("N2", "R") if lost else ("N2",))]
    assert set(explained) == {(group, stage) for group in ("clearest", "least sure") for stage in own} | set(wrong)
    rows = pd.concat([pd.read_parquet(path).assign(fold=fold) for fold, path in enumerate(predictions)])
    for (group, stage), epoch in explained.items():
        true = stage if group in ("clearest", "least sure") else group[:2].strip()
        among = rows[(rows["stage_true"] == true) & (rows["stage_pred"] == stage)]
        sure = among[PROBABILITIES].max(axis=1).to_numpy()
        chosen = among.iloc[sure.argmin() if group == "least sure" else sure.argmax()]
        assert (epoch.fold, epoch.epoch_index) == (chosen["fold"], chosen["epoch_index"])
        assert epoch.probability == pytest.approx(chosen[f"p_{stage}"])
        assert f"epoch {epoch.epoch_index} ({group})" in log and epoch.recording == SUBJECTS[epoch.fold]
        recording = read_epochs(chain.folder / f"{epoch.recording}.safetensors")
        (row,) = np.flatnonzero(recording.epoch_index == epoch.epoch_index)
        np.testing.assert_allclose(epoch.signal, recording.signal[row] * recording.scale_uv, rtol=1e-6)
        known = any and true in KNOWN  # of the detected ones, which lie a little later
        assert [tuple(event) for event in epoch.events] == ([(10.2, 1.0, KNOWN[true])] if known else [])
        assert 0 <= epoch.context <= 1 and set(epoch.maps) == set(FAST_METHODS)
    draw_figure("gradcam", tmp_path, explained=out)
    svg = (tmp_path / "f.svg").read_text()
    assert len(re.findall("<!-- no correct epoch -->", svg)) == (1 if lost else 0)
    assert len(re.findall("<!-- spindle -->", svg)) == (1 if any else 0)
    draw_figure("gallery", tmp_path, explained=out)
    svg = (tmp_path / "f.svg").read_text()
    assert len(re.findall("<!-- least sure", svg)) == len(own) and "<!-- N2 as N3: " in svg


def test_an_only_correct_epoch_is_the_clearest_and_the_least_sure(chain, tmp_path, monkeypatch):
    """Of N1 there is one epoch a recording; here it is right in the first only."""
    nothing = pd.DataFrame({"onset_s": [], "duration_s": [], "kind": []})
    monkeypatch.setattr("hypnolens.explanations.detectors.detect", lambda epochs: nothing)
    predictions = say(
        chain, tmp_path, lambda fold, frame: frame["stage_true"].replace({"N1": "N1" if fold == 0 else "R"})
    )
    out = str(tmp_path / "explained.safetensors")
    inputs = {"models": chain.models, "cards": chain.cards, "predictions": predictions, "folds": chain.folds}
    run_script("explain", tmp_path, input=inputs, output={"explained": out}, params=chain.scoring)
    n1 = [epoch for epoch in read_explained(Path(out)) if epoch.stage == "N1"]
    assert [(epoch.group, epoch.recording) for epoch in n1] == [("clearest", "a"), ("least sure", "a")]


def test_a_gallery_of_nothing_says_so(chain, tmp_path):
    write_explained([], tmp_path / "explained.safetensors")
    draw_figure("gallery", tmp_path, explained=str(tmp_path / "explained.safetensors"))
    assert "<!-- no epoch -->" in (tmp_path / "f.svg").read_text()


def _unlearnt(chain, folder, fold):
    """The last fold's network in place of one that was trained on shuffled labels."""
    twin = folder / "unlearnt" / f"fold-{fold}"
    twin.mkdir(parents=True)
    card = read_card(Path(chain.cards[fold])) | {"experiment_name": "unlearnt", **weights_of(Path(chain.cards[2]))}
    (twin / "model.json").write_text(json.dumps(sealed(card, "card_sha256")))
    weights = shutil.copy(chain.models[2], twin / "model.safetensors")
    return {"label_shuffled": [str(weights)], "label_shuffled_cards": [str(twin / "model.json")]}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(True, id="events"),
        pytest.param(False, id="no event, a recording all wrong", marks=pytest.mark.slow),
    ],
)
def measured(chain, tmp_path_factory, request):
    """The scripts from maps to tables of explanations, of epochs that are staged as the expert did."""
    folder = tmp_path_factory.mktemp("explanations")
    events = _write_events(chain, folder / "events", any=request.param)
    turned = dict(zip(STAGES, np.roll(STAGES, 1), strict=True))
    wrong = () if request.param else (2,)
    predictions = say(
        chain, folder / "said",
        lambda fold, frame: frame["stage_true"].map(turned) if fold in wrong else frame["stage_true"],
    )  # fmt: skip
    of_fold = {name: [] for name in ("maps", "curves", "removal", "sanity", "controls")}
    for fold in range(3):
        network = {"model": chain.models[fold], "card": chain.cards[fold], "folds": chain.folds[fold]}
        wildcards = {"dataset": "d", "experiment": "e", "fold": str(fold)}
        out = {name: str(folder / f"{name}-{fold}") for name in of_fold}
        run_script("attribute", folder, input={**network, "predictions": predictions[fold]},
                   output={"maps": out["maps"]},
                   params={**chain.scoring, "sample": {"sample": 2, "recordings": 1, "seed": 0}},
                   wildcards=wildcards)  # fmt: skip
        network["maps"] = out["maps"]
        run_script("faithfulness", folder, input=network, output={key: out[key] for key in ("curves", "removal")},
                   params={**chain.scoring, "events": str(events)}, wildcards=wildcards)  # fmt: skip
        run_script(
            "sanity",
            folder,
            input={**network, **_unlearnt(chain, folder, fold)},
            output={"table": out["sanity"], "controls": out["controls"]},
            params=chain.scoring,
            wildcards=wildcards,
        )
        for name, path in out.items():
            of_fold[name].append(path)
    aligned = {name: str(folder / f"{name}.tsv") for name in ("alignment", "contrasts", "detectors", "bands")}
    given = {"maps": of_fold["maps"], "controls": of_fold["controls"], "folds": chain.folds}
    run_script("align", folder, input=given, output=aligned,
               params={"epochs": str(chain.folder), "events": str(events)})  # fmt: skip
    night = str(folder / "night")
    run_script("night", folder, params={"epochs": str(chain.folder)}, output={"night": night}, input={
               "maps": of_fold["maps"], "bands": aligned["bands"], "predictions": predictions, "folds": chain.folds,
               "by_recording": chain.scores["by_recording"]})  # fmt: skip
    tables = {name: str(folder / f"table-{name}.tsv") for name in EXPLANATION_TABLES}
    given = {**aligned, **of_fold, "predictions": predictions, "folds": chain.folds}
    run_script("explanation_tables", folder, input=given, output=tables)
    return SimpleNamespace(
        folder=folder, any=request.param, wrong=wrong, predictions=predictions, night=night, aligned=aligned,
        tables=tables, **of_fold,
    )  # fmt: skip


def _sampled(measured):
    """Rows of the predictions of each fold that every method has explained."""
    for fold, path in enumerate(measured.maps):
        (maps,) = read_maps(Path(path))
        yield maps, pd.read_parquet(measured.predictions[fold]).iloc[maps.sample]


def test_maps_are_of_every_epoch_and_of_a_sample(chain, measured):
    for fold, (maps, sampled) in enumerate(_sampled(measured)):
        epochs = read_epochs(Path(chain.epochs[fold]))
        n = len(epochs.stage)
        assert (maps.recording, maps.subject) == (SUBJECTS[fold],) * 2 and maps.context.shape == (n, 3)
        assert (sampled["stage_true"] == sampled["stage_pred"]).all()
        there = np.minimum(np.bincount(epochs.stage, minlength=5), 0 if fold in measured.wrong else 2)
        assert sampled["stage_true"].value_counts().reindex(STAGES, fill_value=0).tolist() == there.tolist()
        for method, given in maps.maps.items():
            assert given.shape == ((n if method in FAST_METHODS else len(maps.sample)), 300) and (given >= 0).all()


def test_maps_are_measured_against_events_and_bands(chain, measured):
    table = pd.read_table(measured.aligned["alignment"])
    counted = {}
    for _, sampled in _sampled(measured):
        for stage in sampled["stage_true"]:
            counted[stage] = counted.get(stage, 0) + 1
    assert table.empty != measured.any
    if measured.any:
        # A kind for each of the stages; every sampled epoch of it has an event, and so for each map and control.
        assert set(table["events"]) == {"detected", "true"}
        assert set(zip(table["stage"], table["kind"], strict=True)) == set(KNOWN.items())
        others = {"random", "amplitude", "band amplitude", "untrained", "labels unlearnt"}
        assert set(table["map"]) == {*METHODS, *(f"shuffled {method}" for method in METHODS), *others}
        # Of an epoch that is the only one of its stage there is no map of another.
        whole = table[~table["map"].str.startswith("shuffled")]
        assert (whole["epochs"] == whole["stage"].map(counted)).all()
        assert table["cover"].tolist() == pytest.approx([1 / 30] * len(table), abs=1e-4, nan_ok=True)
        contrasts = pd.read_table(measured.aligned["contrasts"])
        assert set(contrasts["map"]) == set(METHODS) and {"untrained", "labels unlearnt"} <= set(contrasts["control"])
    detectors = pd.read_table(measured.aligned["detectors"], dtype={"source": str})  # pandas makes `true` a truth value
    assert detectors["kind"].tolist() == ([SPINDLE, ALPHA, THETA] if measured.any else [])
    assert (detectors["f1"] == 1).all() and set(detectors["source"]) <= {"true"}  # 0.8 s of each second overlap
    bands = pd.read_table(measured.aligned["bands"])
    assert len(bands) == len(FAST_METHODS) * 36 and bands.groupby("method").size().tolist() == [36] * 3
    assert (bands["recording"].value_counts() == [13 * 3, 12 * 3, 11 * 3]).all()


def test_curves_begin_at_the_probability_that_was_predicted(chain, measured):
    for fold, (_, sampled) in enumerate(_sampled(measured)):
        curves = pd.read_table(measured.curves[fold])
        assert curves.empty == (fold in measured.wrong)
        for stage, part in curves.groupby("stage"):
            own = sampled[sampled["stage_true"] == stage][f"p_{stage}"]
            assert (part["epochs"] == len(own)).all() and set(part["order"]) == {
                *METHODS,
                "amplitude",
                "random",
                ABSENT,
            }
            part = part[part["order"] != ABSENT]
            assert part[part["step"] == 0]["deletion"].tolist() == pytest.approx([own.mean()] * 7, abs=1e-4)
            assert part[part["step"] == 1]["insertion"].tolist() == pytest.approx([own.mean()] * 7, abs=1e-4)


def test_removal_is_of_the_sampled_epochs_with_an_event(measured):
    for fold, (_, sampled) in enumerate(_sampled(measured)):
        rows = pd.read_table(measured.removal[fold])
        kinds = {"N2": SPINDLE, "W": ALPHA} if measured.any else {}  # theta is not taken away
        expected = [
            (source, stage, kind, index)
            for source in ("detected", "true")
            for stage, kind in kinds.items()
            for index in sampled.loc[sampled["stage_true"] == stage, "epoch_index"]
        ]
        found = list(rows[["source", "stage", "kind", "epoch_index"]].itertuples(index=False, name=None))
        assert sorted(found) == sorted(expected)


def test_maps_are_compared_with_those_of_other_networks(measured):
    for fold, path in enumerate(measured.sanity):
        table = pd.read_table(path)
        if fold in measured.wrong:
            assert table.empty
            continue
        assert list(dict.fromkeys(table["check"])) == ["parameters", "labels", "shift"]
        assert set(table.query("check == 'labels'")["level"]) == {"unlearnt"}
        unlike = 1 - table.query("check == 'labels'")["similarity"]
        assert len(unlike) and (unlike.max() < 0.01) == (fold == 2)  # there the twin is the network itself


def test_a_night_is_the_one_of_median_accuracy(chain, measured):
    scores = pd.read_table(chain.scores["by_recording"])
    strip = read_strip(Path(measured.night))
    own = scores.set_index("recording").loc[strip.recording, "accuracy"]
    assert own == scores["accuracy"].median()
    epochs = read_epochs(chain.folder / f"{strip.recording}.safetensors")
    np.testing.assert_array_equal(strip.stage_true, epochs.stage)
    said = pd.read_parquet(measured.predictions[SUBJECTS.index(strip.recording)])["stage_pred"]
    assert [STAGES[code] for code in strip.stage_pred] == said.tolist()
    assert len(strip.bands) == len(strip.context) == len(strip.power_db) == len(epochs.stage)


def test_tables_of_explanations_hold_all_folds(measured):
    tables = {name: pd.read_table(path) for name, path in measured.tables.items()}
    counted = pd.concat([sampled for _, sampled in _sampled(measured)])["stage_true"].value_counts()
    areas = tables["faithfulness"].set_index("order").loc["random"]
    stages = areas["stage"].tolist()
    assert stages == [stage for stage in (*STAGES, "all") if stage == "all" or stage in counted]
    assert areas["epochs"].tolist() == [counted.get(stage, counted.sum()) for stage in stages]
    assert (tables["curves"]["epochs"] == counted.sum()).all() and len(tables["curves"]) == 8 * 21
    assert tables["removal"].empty == tables["alignment"].empty == tables["detectors"].empty == (not measured.any)
    assert {"source", "stage", "kind", "at_event", "matched_elsewhere", "share_before"} <= set(
        tables["removal"].columns
    )
    if measured.any:
        assert tables["removal"]["epochs"].tolist() == [counted["N2"], counted["W"]] * 2
    assert set(tables["sanity"]["subjects"]) <= {1, 2, 3} and set(tables["bands"]["method"]) == set(FAST_METHODS)
    context = tables["context"]
    assert context["epochs"].sum() == 36 and context["neighbours"].between(0, 1).all()
    assert (context[context["decision"] == "wrong"]["epochs"].sum() == 13) == bool(measured.wrong)


def test_figures_of_explanations(measured):
    draw_figure("faithfulness", measured.folder, curves=measured.tables["curves"])
    draw_figure("sanity", measured.folder, sanity=measured.tables["sanity"])
    draw_figure("bands", measured.folder, bands=measured.tables["bands"])
    draw_figure("night", measured.folder, night=measured.night)


def test_a_level_at_which_a_method_has_no_map_is_left_out_of_thedraw_figure(measured, tmp_path):
    table = pd.read_table(measured.tables["sanity"], dtype={"level": str})
    first = table["method"].iloc[0]
    less = table[(table["method"] != first) | (table["level"] != "stage 3")]
    assert len(less) == len(table) - 1
    less.to_csv(tmp_path / "sanity.tsv", sep="\t", index=False)
    draw_figure("sanity", tmp_path, sanity=str(tmp_path / "sanity.tsv"))


def test_a_source_stays_text_in_tables_of_explanations(measured):
    """A column that says ``true`` in every row is no column of truth values."""
    sources = pd.read_table(measured.tables["detectors"], dtype=str)["source"]
    assert set(sources) == ({"true"} if measured.any else set())


def test_names_stay_text_in_tables_of_explanations(measured, chain, tmp_path):
    """A subject or an experiment may be called ``NA`` or ``null``."""
    given = {name: measured.aligned[name] for name in ("alignment", "contrasts", "detectors")}
    for name in ("curves", "removal", "sanity", "bands"):
        path = measured.aligned["bands"] if name == "bands" else getattr(measured, name)[0]
        table = pd.read_table(path, dtype={"level": str}).replace({"level": {"unlearnt": "null"}})
        given[name] = str(tmp_path / f"{name}.tsv") if name == "bands" else [str(tmp_path / f"{name}.tsv")]
        table.assign(subject="NA").to_csv(tmp_path / f"{name}.tsv", sep="\t", index=False, na_rep="nan")
    out = {name: str(tmp_path / f"table-{name}.tsv") for name in EXPLANATION_TABLES}
    run_script("explanation_tables", tmp_path, output=out, input={
               **given, "maps": measured.maps, "predictions": measured.predictions, "folds": chain.folds})  # fmt: skip
    sanity = pd.read_table(out["sanity"], dtype=str, keep_default_na=False)
    assert "null" in set(sanity["level"]) and set(sanity["subjects"]) == {"1"}
    assert (pd.read_table(out["faithfulness"])["subjects"] == 1).all()
    assert pd.read_table(out["bands"])["epochs"].max() > 1


def test_embedding_and_itsdraw_figure(chain, tmp_path):
    out = str(tmp_path / "embedding.tsv")
    inputs = {"folds": chain.folds[0], "model": chain.models[0], "card": chain.cards[0]}
    run_script("embedding", tmp_path, input=inputs, output={"table": out}, params=chain.scoring)
    table = pd.read_table(out)
    assert len(table) == 11 and table[["x", "y"]].notna().all().all()
    draw_figure("tsne", tmp_path, embedding=out)


def test_a_network_is_described_as_it_was_trained(chain, tmp_path):
    out = str(tmp_path / "architecture.json")
    run_script("architecture", tmp_path, input={"card": chain.cards[0]}, output={"architecture": out})
    described, card = (json.loads(Path(path).read_text()) for path in (out, chain.cards[0]))
    assert described["totals"]["parameters"] == card["n_parameters"]
    assert described["window"] == card["experiment"]["window"] and described["sampling_rate_hz"] == 100
    draw_figure("architecture", tmp_path, architecture=out)
