"""A release holds what it says, and nothing of the machine on which it was made."""

import hashlib
import json
import zipfile

import pandas as pd
import pytest

from hypnolens.errors import HypnolensError
from hypnolens.evaluation.scores import evaluate
from hypnolens.io.parquet import write_parquet
from hypnolens.network.cards import model_card
from hypnolens.network.files import SHIPPED, load_models, weights_of
from hypnolens.network.release import ship, write_release
from hypnolens.stages import STAGES
from tests.conftest import ROOT, make_predictions
from tests.unit.test_models import ORIGIN, saved


def _release(folder, *, name="release.zip", origin=ORIGIN):
    cards, weights, predictions = [], [], []
    for fold in range(2):
        saved(folder / f"fold-{fold}", fold=fold, origin=origin)
        cards.append(folder / f"fold-{fold}/model.json")
        weights.append(folder / f"fold-{fold}/model.safetensors")
        rows = [(stage, stage if place % 3 else "W", 0.8) for place, stage in enumerate(STAGES * 4)]
        frame = make_predictions(rows).assign(recording=f"R{fold}", subject=f"s{fold}").drop(columns="fold")
        about = {"dataset": "d", "experiment_name": "e", "fold": fold, **weights_of(cards[-1])}
        write_parquet(frame, folder / f"fold-{fold}/predictions.parquet", about)
        predictions.append(folder / f"fold-{fold}/predictions.parquet")
    every = pd.concat([pd.read_parquet(path).assign(fold=fold) for fold, path in enumerate(predictions)])
    (folder / "metrics.json").write_text(json.dumps(evaluate(every, seed=0, protocol="clean")))
    (folder / "folds.tsv").write_text("recording\tsubject\tfold\tsplit\nR0\ts0\t0\ttest\n")
    (folder / "recordings.tsv").write_text("recording\tsubject\tsource\nR0\ts0\t/home/somebody/R0.edf\n")
    write_release(
        folder / name, models=weights, cards=cards, predictions=predictions, metrics=folder / "metrics.json",
        folds=folder / "folds.tsv", recordings=folder / "recordings.tsv", root=ROOT,
        project=[ROOT / "LICENSE", ROOT / "requirements.lock", ROOT / "envs/train.yaml"],
    )  # fmt: skip
    return folder / name


def _content(path):
    with zipfile.ZipFile(path) as archive:
        return {name.removeprefix("d-e/"): archive.read(name) for name in archive.namelist()}


def test_a_release_holds_all_that_was_promised(tmp_path):
    content = _content(_release(tmp_path))
    assert set(content) == {
        "MODEL_CARD.md", "SHA256SUMS", "LICENSE", "requirements.lock", "envs/train.yaml", "metrics.json", "folds.tsv",
        "recordings.tsv", *(f"fold-{fold}/model.{end}" for fold in (0, 1) for end in ("safetensors", "json")),
        "predictions/fold-0.parquet", "predictions/fold-1.parquet",
    }  # fmt: skip


def test_stages_that_experts_gave_stay_at_home_where_data_are_not_for_all(tmp_path):
    content = _content(_release(tmp_path, origin={"kind": "shhs", "licence": "not onward", "citation": "-"}))
    assert not [name for name in content if name.startswith("predictions/")]
    assert content["recordings.tsv"].splitlines()[0].split(b"\t")[-2:] == [b"epochs", b"source_sha256"]
    assert b"not here, as the data are not for all" in content["MODEL_CARD.md"]


def test_files_unpack_readable_into_one_folder(tmp_path):
    with zipfile.ZipFile(_release(tmp_path)) as archive:
        for entry in archive.infolist():
            assert entry.external_attr >> 16 == 0o644 and entry.filename.startswith("d-e/")


def test_each_stage_has_its_interval_and_a_pass_chosen_on_the_test_side_is_said(tmp_path):
    card = json.loads(_content(_release(tmp_path))["fold-0/model.json"])
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert card["metrics_of_all_folds"]["macro_f1"] == metrics["macro_f1"]
    for protocol, said in (("clean", False), ("test-selected", True)):
        text = model_card(card, {**metrics, "protocol": protocol}, n_folds=2, use="x", also="y")
        assert ("ON THE TEST RECORDINGS" in text) == said
        for stage in STAGES:
            low, high = metrics["ci95"][f"f1_{stage}"]
            assert f"| {low:.3f} to {high:.3f} | {metrics['per_class'][stage]['support']} |" in text


def test_every_file_has_its_checksum(tmp_path):
    content = _content(_release(tmp_path))
    lines = content["SHA256SUMS"].decode().splitlines()
    sums = {line[66:]: line[:64] for line in lines}
    assert sums == {name: hashlib.sha256(its).hexdigest() for name, its in content.items() if name != "SHA256SUMS"}


def test_the_same_files_give_the_same_bytes(tmp_path):
    first = _release(tmp_path).read_bytes()
    assert _release(tmp_path).read_bytes() == first


def test_private_paths_stay_at_home(tmp_path):
    content = _content(_release(tmp_path))
    assert not [name for name, its in content.items() if b"somebody" in its]
    assert content["recordings.tsv"].startswith(b"recording\tsubject\t")


def test_it_can_be_scored_with_and_its_cards_have_the_scores_of_their_folds(tmp_path):
    scorers = load_models(_release(tmp_path), ensemble=True)
    assert len(scorers) == 2 and scorers[1].card["metrics"]["n_epochs"] == 20
    # A third of the epochs were called W, of which a fifth are.
    wrong = sum(1 for place, stage in enumerate(STAGES * 4) if place % 3 == 0 and stage != "W")
    assert scorers[0].card["metrics"]["accuracy"] == pytest.approx(1 - wrong / 20)


def test_the_card_for_people_has_the_scores_and_the_caution(tmp_path):
    text = _content(_release(tmp_path))["MODEL_CARD.md"].decode()
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert f"{metrics['macro_f1']:.3f}" in text and "Not a medical device" in text and "ODC-BY 1.0" in text
    assert "--model release.zip --ensemble" in text and "{" not in text


def test_only_networks_of_simulated_nights_are_shipped(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "out").mkdir()
    with pytest.raises(HypnolensError, match="not shipped"):
        ship(_release(tmp_path / "a"), tmp_path / "out")
    release = _release(tmp_path / "b", origin={"kind": "simulate", "licence": "-", "citation": "-"})
    with zipfile.ZipFile(release) as archive:
        weights = next(archive.read(name) for name in archive.namelist() if name.endswith("fold-0/model.safetensors"))
    ship(release, tmp_path / "out")
    shipped = tmp_path / "out" / SHIPPED.name
    assert (shipped / "fold-0" / "model.safetensors").read_bytes() == weights
    assert "NOT fit" in (shipped / "MODEL_CARD.md").read_text()
    assert len(load_models(shipped, ensemble=True)) == len(load_models(release, ensemble=True)) > 1
