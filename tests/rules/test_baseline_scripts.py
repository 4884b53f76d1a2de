"""Scripts of the baselines, run as Snakemake runs them, each compared with what the library gives step by step."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression

from hypnolens.baselines import boosting
from hypnolens.baselines.band_features import features_of
from hypnolens.errors import HypnolensError
from hypnolens.evaluation.predictions import PROBABILITIES, mean_predictions
from hypnolens.io.parquet import write_parquet
from hypnolens.network.model import build, to_microvolts
from hypnolens.recordings.epochs import read_epochs
from hypnolens.recordings.normalisation import normalise
from hypnolens.stagers.yasa_stager import of_recording
from hypnolens.stages import STAGES
from hypnolens.training.folds import about_fold, of_sides
from tests.rules.conftest import EXPERIMENT, run_script

WILDCARDS = {"dataset": "d", "experiment": "e", "fold": "1"}
TESTED = "b"
COLUMNS = ["recording", "subject", "epoch_index", "onset_s", "stage_true", "stage_pred", *PROBABILITIES]


def _epochs(chain, name=TESTED):
    return read_epochs(chain.folder / f"{name}.safetensors")


def _trained(chain):
    """The recording on the training side; the one on the validation side is not used."""
    sides = pd.read_table(chain.files["folds.tsv"]).query("fold == 1")
    (name,) = sides.loc[sides["split"] == "train", "recording"]
    return _epochs(chain, name)


def _psg(chain):
    return str(chain.folder / f"{TESTED}-PSG.edf")


def _checked_run(script, chain, folder, *, params, **files):
    """Probabilities ``(n_epochs, 5)`` and card that a script leaves, if both say what they should."""
    out = {"predictions": str(folder / "predictions.parquet"), "card": str(folder / "model.json")}
    run_script(script, folder, input={"folds": chain.folds[1], **files}, output=out,
               params={"epochs": str(chain.folder), **params}, wildcards=WILDCARDS)  # fmt: skip
    rows, epochs = pd.read_parquet(out["predictions"]), _epochs(chain)
    assert list(rows.columns) == COLUMNS and (rows["recording"] == TESTED).all()
    assert rows["epoch_index"].tolist() == epochs.epoch_index.tolist()
    assert rows["stage_true"].tolist() == [STAGES[code] for code in epochs.stage]
    found = rows[PROBABILITIES].to_numpy()
    assert rows["stage_pred"].tolist() == [STAGES[code] for code in found.argmax(axis=1)]
    card = json.loads(Path(out["card"]).read_text())
    assert (card["dataset"], card["fold"], card["sampling_rate_hz"]) == ("d", 1, 100)
    assert card["experiment"] == params["experiment"] and card["recordings"]["test"] == [TESTED]
    assert "version_numpy" in card["made"]
    return found, card


def test_trees_are_grown_on_the_training_side(chain, tmp_path):
    features = str(tmp_path / "features.parquet")
    run_script("features", tmp_path, input={"recordings": chain.files["recordings.tsv"]},
               output={"features": features}, params={"epochs": str(chain.folder)})  # fmt: skip
    table = pd.read_parquet(features)
    assert table["recording"].value_counts().to_dict() == {"a": 11, "b": 12, "c": 13}
    assert (table.dtypes.iloc[3:] == np.float32).all()
    params = {"experiment": {"model": "gradient-boosting", "seed": 3}}
    found, card = _checked_run("train_boosting", chain, tmp_path, params=params, features=features)
    trained = _trained(chain)
    model = boosting.fit(features_of(trained), trained.stage, seed=3)
    expected = model.predict_proba(features_of(_epochs(chain)))
    np.testing.assert_allclose(found[:, model.classes_], expected, rtol=1e-6)
    assert card["recordings"]["train"] == [trained.recording]


@pytest.mark.parametrize("kind", ["none", "spectrum"])
def test_a_probe_reads_the_frozen_features_of_a_network(chain, tmp_path, kind):
    source = {"normalisation": kind, "precision": "fp32", "torch_threads": 1, "across_gaps": False}
    params = {"experiment": {"model": "linear-probe", "features_of": "e", "seed": 0}, "source": source}
    files = {"model": chain.models[1], "card": chain.cards[1]}
    found, _ = _checked_run("train_probe", chain, tmp_path, params=params, **files)
    network = build(EXPERIMENT, 100.0)
    network.load_state_dict(load_file(chain.models[1]))
    network.eval()

    def features(epochs):  # an epoch at a time
        seen = normalise(epochs, kind)
        with torch.no_grad():
            rows = [
                network.features(to_microvolts(row[None], seen.scale_uv, torch.device("cpu"))) for row in seen.signal
            ]
        return torch.cat(rows).double().numpy()

    trained = features(_trained(chain))
    spread = trained.std(axis=0)
    spread[spread == 0] = 1
    standard = [(x - trained.mean(axis=0)) / spread for x in (trained, features(_epochs(chain)))]
    model = LogisticRegression(max_iter=1000, tol=1e-6).fit(standard[0], _trained(chain).stage)
    np.testing.assert_allclose(found[:, model.classes_], model.predict_proba(standard[1]), atol=1e-3)


def test_yasa_stages_the_files_of_the_test_side(chain, tmp_path):
    params = {"experiment": {"model": "yasa"}, "recordings": [TESTED]}
    found, card = _checked_run("stage_yasa", chain, tmp_path, params=params, psg=[_psg(chain)])
    np.testing.assert_array_equal(found, of_recording(Path(_psg(chain)), _epochs(chain)))
    assert card["pretrained"].startswith("YASA 0.") and card["recordings"] == {"test": [TESTED]}
    assert len((tmp_path / "logs" / "stage_yasa.log").read_text().splitlines()) == 1


def test_a_recording_that_yasa_cannot_read_is_one_line(chain, tmp_path):
    params = {"epochs": str(chain.folder), "experiment": {"model": "yasa"}, "recordings": [TESTED]}
    files = {"folds": chain.folds[1], "psg": [str(tmp_path / "gone-PSG.edf")]}
    with pytest.raises(SystemExit):
        run_script("stage_yasa", tmp_path, input=files, params=params, wildcards=WILDCARDS)
    (_, line) = (tmp_path / "logs" / "stage_yasa.log").read_text().splitlines()
    assert line.startswith("b: ") and line.endswith("does not exist; correct the path, or fetch the file")


def test_an_ensemble_is_the_mean_probability_of_its_members(chain, tmp_path):
    """Of the network, and of one that says the stages turned by one; rows of the second in another order."""
    frame = pd.read_parquet(chain.predictions[1])
    turned = frame.assign(
        **dict(zip(PROBABILITIES, np.roll(frame[PROBABILITIES].to_numpy(), 1, axis=1).T, strict=True))
    )
    about = about_fold(chain.folds[1], WILDCARDS)
    paths = []
    for name, rows in (("one", frame), ("other", turned.iloc[::-1])):
        paths.append(str(tmp_path / f"{name}.parquet"))
        write_parquet(rows, paths[-1], {**of_sides(about, "test"), "experiment_name": name})
    experiment = {"model": "ensemble", "members": ["one", "other"]}
    given = {"predictions": paths, "card": chain.cards[1]}
    found, card = _checked_run("ensemble", chain, tmp_path, **given,
                               params={"experiment": experiment, "members": experiment["members"]})  # fmt: skip
    p = frame[PROBABILITIES].to_numpy()
    np.testing.assert_allclose(found, (p + np.roll(p, 1, axis=1)) / 2, atol=1e-6)
    assert card["recordings"] == {"test": [TESTED]}


def test_members_of_other_epochs_are_no_ensemble(chain):
    frame = pd.read_parquet(chain.predictions[1])
    assert mean_predictions([frame, frame]).equals(frame)
    for other in (frame.iloc[1:], frame.assign(epoch_index=frame["epoch_index"] + 1000),
                  frame.assign(stage_true=np.roll(frame["stage_true"], 1))):  # fmt: skip
        with pytest.raises(HypnolensError, match="members of an ensemble staged other epochs"):
            mean_predictions([frame, other])
