"""Scripts around nights of one's own: release, score, scores."""

import zipfile

import pandas as pd
import pytest

from hypnolens.network.files import load_models
from tests.conftest import ROOT, pink, write_psg
from tests.rules.conftest import run_script

OPTIONS = {
    "model": None, "ensemble": False, "channel": [], "lights_off": None, "lights_on": None, "review_below": 0.6,
    "precision": "fp32", "method": "grad-cam",
}  # fmt: skip


@pytest.fixture(scope="module")
def released(chain, tmp_path_factory):
    """The archive of the chain's three folds."""
    folder = tmp_path_factory.mktemp("release")
    run_script(
        "release", folder,
        input={
            "models": chain.models, "cards": chain.cards, "predictions": chain.predictions,
            "metrics": chain.scores["metrics"], "folds": chain.files["folds.tsv"],
            "recordings": chain.files["recordings.tsv"], "project": [str(ROOT / "LICENSE")],
        },
        output={"release": str(folder / "release.zip")},
    )  # fmt: skip
    return folder / "release.zip"


def test_a_release_of_the_chain_scores(released):
    assert len(load_models(released, ensemble=True)) == 3
    with zipfile.ZipFile(released) as archive:
        card = archive.read("d-e/MODEL_CARD.md").decode()
    assert "dataset `d` and experiment `e`" in card


def test_nights_are_scored_and_put_into_one_table(released, tmp_path):
    summaries = []
    for name, uv in (("one", 20.0), ("two", 40.0)):
        night = write_psg(tmp_path / f"{name}.edf", {"EEG": pink(12, uv=uv).clip(-190, 190)})
        out = {"summary": str(tmp_path / name / f"{name}.json")}
        log = run_script(
            "score", tmp_path, input={"night": str(night)}, output=out,
            params={"options": {**OPTIONS, "model": str(released), "ensemble": True}},
        )  # fmt: skip
        assert "the only EEG channel" in log and "Not a medical device" in log
        assert (tmp_path / name / f"{name}.html").exists() and (tmp_path / name / f"{name}-stages.tsv").exists()
        summaries.append(out["summary"])
    run_script("scores", tmp_path, input={"summaries": summaries}, output={"table": str(tmp_path / "scores.tsv")})
    table = pd.read_csv(tmp_path / "scores.tsv", sep="\t")
    assert table["night"].tolist() == ["one", "two"] and table["tib_min"].tolist() == [6, 6]
    assert table["model"].str.contains("d-e-fold-2").all()
