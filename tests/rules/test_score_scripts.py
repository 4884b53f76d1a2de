"""Scripts that score, compare and look at predictions from several sides, and their figures."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hypnolens.evaluation.comparison import read_confusions
from hypnolens.evaluation.metrics import scores
from hypnolens.evaluation.tables import OVERALL
from hypnolens.network.cards import read_card
from hypnolens.stages import STAGES
from tests.conftest import ROOT
from tests.rules.conftest import SUBJECTS, draw_figure, evaluated, run_script, say

N_EPOCHS = 36
PAPER = str(ROOT / "config" / "tables" / "paper.tsv")
TABLES = ("families", "paired", "optimism", "optimism_by_fold", "published")
RUNS = {"main": ["main-seed0", "main-seed1"], "other": ["other-seed0", "other-seed1"]}
PAIRS = [["main-seed0", "other-seed0"], ["main-seed1", "other-seed1"]]


def _delayed(fold, frame):
    """The expert's stages, an epoch late: wrong in the first epoch after each change, and right in all others."""
    before = frame["stage_true"].shift()
    return before.where(frame["epoch_index"].diff() == 1, frame["stage_true"])


def _metrics(files):
    return json.loads(Path(files["metrics"]).read_text())


def test_folds_and_subjects_add_up_to_the_scores(chain, tmp_path):
    files = evaluated(say(chain, tmp_path, _delayed), chain.folds, tmp_path / "run", protocol="test-selected")
    metrics, by_fold = _metrics(files), pd.read_table(files["by_fold"])
    assert metrics["protocol"] == "test-selected" and metrics["n_epochs"] == N_EPOCHS and 0 < metrics["accuracy"] < 1
    assert by_fold["fold"].tolist() == [0, 1, 2] and by_fold["epochs"].tolist() == [11, 12, 13]
    right = (by_fold["accuracy"] * by_fold["epochs"]).sum()
    assert right == pytest.approx(metrics["accuracy"] * N_EPOCHS)
    subjects, confusions = read_confusions(files["by_subject"])
    assert subjects == list(SUBJECTS) and confusions.sum(axis=0).tolist() == metrics["confusion_matrix"]
    # A fold tests one subject here, as a recording is one.
    by_recording = pd.read_table(files["by_recording"])
    for score in OVERALL:
        of_subjects = scores(confusions)[score]
        assert by_fold[score].tolist() == pytest.approx(of_subjects.tolist())
        assert by_recording[score].tolist() == pytest.approx(of_subjects.tolist())


@pytest.fixture(scope="module")
def compared(chain, tmp_path_factory):
    """Two families of two runs each, the second with fewer errors, and the tables that compare them."""
    folder = tmp_path_factory.mktemp("compared")

    def staged(seed, wrong):
        def stages(fold, frame):
            drawn = np.random.default_rng([seed, fold])
            guess = drawn.choice(STAGES, len(frame))
            return frame["stage_true"].where(drawn.random(len(frame)) >= wrong, pd.Series(guess, frame.index))

        return stages

    made = {
        run: evaluated(
            say(chain, folder / f"said-{run}", staged(number, 0.5 if family == "main" else 0.2)),
            chain.folds,
            folder / run,
        )
        for family, runs in RUNS.items()
        for number, run in enumerate(runs)
    }
    out = {name: str(folder / f"{name}.tsv") for name in TABLES}
    inputs = {name: [files[name] for files in made.values()] for name in ("by_subject", "by_fold")}
    run_script(
        "compare", folder, input={**inputs, "paper": PAPER}, output=out,
        params={"families": RUNS, "pairs": PAIRS, "papers": True}, wildcards={"dataset": "sleep-edf-20"},
    )  # fmt: skip
    return made, out


def test_seeds_of_a_family_share_a_line(compared):
    made, out = compared
    table = pd.read_table(out["families"]).set_index("family")
    assert table.index.tolist() == list(RUNS) and (table["runs"] == 2).all() and (table["subjects"] == 3).all()
    assert (table["epochs"] == N_EPOCHS).all()
    for family, runs in RUNS.items():
        row, metrics = table.loc[family], [_metrics(made[run]) for run in runs]
        for score in OVERALL:
            values = [found[score] for found in metrics]
            assert row[score] == pytest.approx(np.mean(values)) and row[f"{score}_sd"] == pytest.approx(
                np.std(values, ddof=1)
            )
            assert row[f"{score}_low"] <= row[score] <= row[f"{score}_high"]


def test_experiments_are_compared_with_the_first_one_subject_by_subject(compared):
    _, out = compared
    families, paired = pd.read_table(out["families"]).set_index("family"), pd.read_table(out["paired"])
    assert paired["family"].tolist() == ["other"] and paired["reference"].tolist() == ["main"]
    for score in OVERALL:
        assert paired.loc[0, f"{score}_difference"] == pytest.approx(
            families.loc["other", score] - families.loc["main", score]
        )
    assert paired.loc[0, "kappa_p"] == pytest.approx(0.25)  # three subjects, all better: the least that there can be


def test_pairs_of_protocols_are_compared_by_fold(compared):
    made, out = compared
    optimism = pd.read_table(out["optimism"])
    assert optimism[["clean", "test_selected"]].to_numpy().tolist() == PAIRS
    by_fold = pd.read_table(out["optimism_by_fold"])
    assert len(by_fold) == 6 and by_fold["fold"].tolist() == [0, 1, 2] * 2
    for row, (clean, selected) in zip(optimism.to_dict("records"), PAIRS, strict=True):
        part = by_fold[by_fold["clean"] == clean]
        for score in OVERALL:
            both = _metrics(made[clean])[score], _metrics(made[selected])[score]
            assert [row[f"{score}_clean"], row[f"{score}_test_selected"]] == pytest.approx(both)
            assert row[f"{score}_difference"] == pytest.approx(both[1] - both[0])
            assert part[f"{score}_clean"].tolist() == pytest.approx(
                pd.read_table(made[clean]["by_fold"])[score].tolist()
            )
        assert row["folds"] == 3 and row["folds_below"] == (part["macro_f1_difference"] < 0).sum()


def test_the_papers_scores_of_the_dataset_stand_beside_ours(compared, tmp_path):
    _, out = compared
    published = pd.read_table(out["published"])
    assert published["dataset"].tolist() == ["sleep-edf-20"] and published["macro_f1"].tolist() == [82.5]
    draw_figure("f1_bars", tmp_path, families=out["families"], paper=out["published"])
    published.head(0).to_csv(tmp_path / "none.tsv", sep="\t", index=False)
    draw_figure("f1_bars", tmp_path, families=out["families"], paper=str(tmp_path / "none.tsv"))


def test_without_anything_to_compare_with_tables_have_their_columns(chain, tmp_path):
    one = evaluated(chain.predictions, chain.folds, tmp_path / "one")
    out = {name: str(tmp_path / f"{name}.tsv") for name in TABLES}
    inputs = {"by_subject": [one["by_subject"]], "by_fold": [one["by_fold"]], "paper": PAPER}
    params = {"families": {"one": ["one"]}, "pairs": [], "papers": False}
    run_script("compare", tmp_path, input=inputs, output=out, params=params, wildcards={"dataset": "mine"})
    tables = {name: pd.read_table(path) for name, path in out.items()}
    assert len(tables.pop("families")) == 1 and all(table.empty and len(table.columns) for table in tables.values())
    draw_figure("f1_bars", tmp_path, families=out["families"], paper=out["published"])


def test_calibration_and_its_figure(chain, tmp_path):
    out = {name: str(tmp_path / f"{name}.tsv") for name in ("reliability", "calibration", "abstention")}
    given = {"predictions": chain.predictions, "folds": chain.folds, "cards": chain.cards}
    run_script("calibration", tmp_path, input=given, output=out)
    bins = pd.read_table(out["reliability"])
    frame = pd.concat([pd.read_parquet(path) for path in chain.predictions])
    right = (frame["stage_true"] == frame["stage_pred"]).mean()
    assert bins["epochs"].sum() == N_EPOCHS
    assert (bins["accuracy"] * bins["epochs"]).sum() / N_EPOCHS == pytest.approx(right, abs=1e-4)
    every = pd.read_table(out["calibration"])
    table = every[every["corrected"] == 0].set_index(["quantity", "stage"])["value"]
    # A temperature a fold, of validation subjects: no stage changes, and neither does their share.
    found = [read_card(Path(card))["correction"] for card in chain.cards]
    after = every[every["corrected"] == 1].set_index(["quantity", "stage"])["value"]
    assert after["temperature", "all"] == pytest.approx(np.mean(found), abs=1e-4) and len(after) == len(table) + 1
    kept = pd.read_table(out["abstention"])
    assert kept["accuracy"].iloc[-1] == pytest.approx(right, abs=1e-4) and kept["epochs"].iloc[-1] == N_EPOCHS
    probabilities = frame[[f"p_{stage}" for stage in STAGES]].to_numpy(dtype=float)
    confidence = probabilities.max(axis=1).mean()
    assert table["overconfidence", "all"] == pytest.approx(confidence - right, abs=1e-4)
    truth = frame["stage_true"].to_numpy()[:, None] == np.array(STAGES)
    assert table["brier", "all"] == pytest.approx(((probabilities - truth) ** 2).sum(axis=1).mean(), abs=1e-4)
    assert table["nll", "all"] == pytest.approx(-np.log(probabilities[truth]).mean(), abs=1e-4)
    draw_figure("abstention", tmp_path, abstention=out.pop("abstention"))
    draw_figure("calibration", tmp_path, **out)


def test_transitions_and_their_figure(chain, tmp_path):
    out = {name: str(tmp_path / f"{name}.tsv") for name in ("transitions", "pairs")}
    given = {"predictions": say(chain, tmp_path, _delayed), "folds": chain.folds}
    run_script("transitions", tmp_path, input=given, output=out)
    table = pd.read_table(out["transitions"], dtype={"distance": str}).set_index("distance")
    alone = table.loc[["0", "1", "2", "3", "4", "5+"]]
    assert alone["epochs"].sum() == N_EPOCHS and alone["share"].sum() == pytest.approx(1, abs=1e-3)
    assert table.loc["0", "accuracy"] < 1 and (alone["accuracy"].iloc[1:].dropna() == 1).all()
    pairs = pd.read_table(out["pairs"])
    assert (pairs["after"] == 0).all() and (pairs["both"] == 0).all() and (pairs["epochs"] % 2 == 0).all()
    # W122 M 3344RRW and none, one or two epochs of N2: stage 3 and 4 are one, and what follows the gap is no change.
    assert pairs[["from", "to", "epochs"]].to_numpy().tolist() == [
        ["W", "N1", 6], ["W", "N2", 4], ["N1", "N2", 6], ["N3", "R", 6], ["R", "W", 6],
    ]  # fmt: skip
    draw_figure("transitions", tmp_path, transitions=out["transitions"])


def test_sleep_statistics_and_their_figure(chain, tmp_path):
    """Recordings start at 16:13:00; of one it is known that the lights went off a minute later."""
    out = {name: str(tmp_path / f"{name}.tsv") for name in ("statistics", "agreement")}
    right = say(chain, tmp_path, lambda fold, frame: frame["stage_true"])
    run_script("statistics", tmp_path, input={"predictions": right, "folds": chain.folds}, output=out,
               params={"lights_off": {"b": "16:14:00"}, "trimmed": False, "epochs": str(chain.folder)})  # fmt: skip
    table = pd.read_table(out["statistics"])
    spans = table.groupby("recording")["span"].first().to_dict()
    kept = "first to last kept epoch"
    assert spans == {"a": kept, "b": "lights off to last kept epoch", "c": kept}
    values = table.set_index(["statistic", "recording"])["true"]
    assert [values["tib_min", name] for name in SUBJECTS] == [6.0, 5.5, 7.0]
    assert [values["sol_min", name] for name in SUBJECTS] == [0.5, 0.0, 0.5]
    assert [values["tst_min", name] for name in SUBJECTS] == [4.5, 4.5, 5.5]
    assert (table.loc[table["recording"] == "b", "unscored_min"] == 0.5).all()
    agreement = pd.read_table(out["agreement"]).set_index("statistic")
    assert agreement.loc["tst_min", ["n", "bias", "loa_low", "loa_high"]].tolist() == [3, 0, 0, 0]
    draw_figure("agreement", tmp_path, **out)
