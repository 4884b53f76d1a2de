"""What rules ask, answered without Snakemake; and the table of figures."""

from itertools import chain
from pathlib import Path

import pytest

from hypnolens import plan
from hypnolens.errors import ConfigurationError, HypnolensError
from hypnolens.io.shipped import TABLES
from hypnolens.pipeline import configuration
from hypnolens.plots import catalogue
from tests.conftest import ROOT, write_pair

MINI = {"kind": "simulate", "subjects": 4, "hours": 0.5, "folds": {"k": 2}, "experiments": ["small"]}
EXPERIMENTS = {
    "small": {"from": "demo", "patience": None, "seeds": [0, 1]},
    "selected": {"from": "small", "seed": 0, "protocol": "test-selected"},
    "unlearnt": {"from": "small", "seed": 0, "shuffle_labels": True},
    "probe": {"model": "linear-probe", "features_of": "small"},
}


def _plan(warned=None, **given):
    config = {"run": ["mini"], "datasets": {"mini": MINI}, "experiments": EXPERIMENTS, **given}
    warn = (lambda line: None) if warned is None else warned.append
    return plan.Plan(configuration.load(config, ROOT), TABLES, warn)


def _compared(*names):
    return _plan(datasets={"mini": {**MINI, "compared": list(names)}})


def test_wildcards_are_handed_over_by_the_names_of_a_methods_parameters():
    assert plan.ask(lambda fold, dataset: (dataset, fold), {"dataset": "d", "fold": "1", "experiment": "e"}) == (
        "d",
        "1",
    )
    with pytest.raises(KeyError):
        plan.ask(lambda night: night, {"dataset": "d"})


def test_files_of_a_pattern_are_expanded_over_lists_and_what_methods_list():
    folds = {"a": (0, 1), "b": ()}
    over = {"dataset": ("a", "b"), "fold": lambda dataset: folds[dataset], "name": ["x", "y"]}
    found = plan.files_of("{dataset}/{run}/{fold}/{name}", {"run": "r"}, over)
    assert found == ["a/r/0/x", "a/r/0/y", "a/r/1/x", "a/r/1/y"]
    assert plan.files_of("{run}", {"run": "r"}, {}) == ["r"]


def test_runs_are_seeds_of_experiments_and_the_first_seed_is_shown():
    found = _compared("selected", "unlearnt", "yasa")
    assert found.runs("mini") == ["small-seed0", "small-seed1", "selected", "unlearnt", "yasa"]
    assert found.families("mini")["small"] == ["small-seed0", "small-seed1"]
    assert found.shown("mini") == found.explained("mini") == ["small-seed0"]
    assert found.own_runs("mini") == ["small-seed0", "small-seed1", "selected", "unlearnt"]
    assert found.seed("small-seed1") == 1 and found.seed("yasa") == 0
    assert found.protocol_pairs("mini") == [["small-seed0", "selected"]]
    assert found.label_shuffled("mini", "small-seed0") == ["unlearnt"]
    assert found.protocol("mini", "yasa") == "pre-trained" and found.protocol("mini", "selected") == "test-selected"


def test_a_run_of_shuffled_labels_is_not_explained_by_itself():
    shown = _plan(datasets={"mini": {**MINI, "experiments": ["small", "unlearnt"]}})
    assert shown.shown("mini") == ["small-seed0", "unlearnt"] and shown.explained("mini") == ["small-seed0"]


def test_which_rule_makes_a_run_is_settled_by_its_model():
    found = _compared("yasa")
    assert "small-seed0" in found.runs_with_model(plan.OWN).split("|")
    assert found.runs_with_model("yasa") == "yasa" and found.runs_with_model("nothing") == "(?!)"


def test_a_probe_reads_the_network_of_the_same_fold():
    found = _compared("probe")
    assert found.source("mini", "probe", "1") == {
        "model": "results/mini/small-seed0/fold-1/model.safetensors",
        "card": "results/mini/small-seed0/fold-1/model.json",
    }
    assert found.source_options("probe") == found.predict_options("small-seed0")


def test_each_recording_is_tested_in_one_fold():
    found = _plan()
    names = found.recordings("mini")
    tested = [name for fold in found.folds("mini") for name in found.tested("mini", str(fold))]
    assert len(found.folds("mini")) == 2 and sorted(tested) == names and len(names) == 4
    for fold in ("0", "1"):
        assert [path.split("/")[-1] for path in found.tested_signals("mini", fold)] == [
            f"{name}-PSG.edf" for name in found.tested("mini", fold)
        ]


def test_options_of_a_step_are_what_it_reads_and_nothing_more():
    found = _plan()
    assert found.predict_options("small-seed0").keys() == {"normalisation", "across_gaps", "precision", "torch_threads"}
    assert found.fold_options("mini") == {"folds": {"k": 2}, "validation": 0.1, "fold_seed": 0}
    name = found.recordings("mini")[0]
    assert found.about_recording("mini", name).keys() == {"recording", "subject", "night", "rates", "sha1"}
    assert found.signal_options("mini").keys() == {
        "channel", "sampling_rate_hz", "highpass_hz", "trim_wake_min", "trim_rule", "stage_codes"
    }  # fmt: skip
    assert found.samplings("mini")["small-seed1"] == {"sampling": "shared", "stride": 1}


def test_a_file_that_may_be_missing_is_one_path_or_none():
    """Of a list, Snakemake would hand on a list to the script."""
    found = _plan()
    name = found.recordings("mini")[0]
    assert str(found.known_events("mini", name)).endswith(f"{name}-events.tsv") and found.fold_table("mini") == []
    assert _plan(run=["sleep-edf-20"]).fold_table("sleep-edf-20") == str(TABLES / "folds-sleep-edf-20.tsv")


def test_braces_in_paths_are_refused_by_name(tmp_path):
    """Snakemake takes them for wildcards, however they are written."""
    write_pair(tmp_path / "{a}", "one", "W12")
    own = {"kind": "folder", "path": str(tmp_path / "{a}"), "experiments": ["small"]}
    with pytest.raises(HypnolensError, match=r"datasets\.own: '.*/\{a\}/one-PSG\.edf' has braces in it"):
        _plan(run=["own"], datasets={"own": own}).recordings("own")
    with pytest.raises(HypnolensError, match=r"score\.nights: .* has braces in it"):
        _plan(run=[], score={"nights": str(tmp_path / "{a}")}).nights()


def test_a_dataset_that_cannot_be_had_is_left_out_with_one_line(monkeypatch):
    monkeypatch.delenv("NSRR_TOKEN", raising=False)
    warned = []
    found = _plan(warned, run=["mini", "shhs"])
    assert found.run == ["mini"] and found.run == ["mini"]  # said once
    assert len(warned) == 1 and warned[0].startswith("left out: shhs: ")
    assert found.missing_datasets()["sleep-edf-20"] == "not among run: of the configuration"
    assert "NSRR_TOKEN" in found.missing_datasets()["shhs"]
    with pytest.raises(HypnolensError, match=r"^nothing to run: shhs: "):
        _ = _plan(run=["shhs"]).run
    with pytest.raises(HypnolensError, match=r"^shhs: "):
        _plan().recordings("shhs")
    assert _plan(run=[]).run == [] and _plan(run=[]).pages() == []


def test_nights_of_ones_own(tmp_path):
    with pytest.raises(HypnolensError, match=r"score\.nights: no night to score"):
        _plan().nights()
    (tmp_path / "one.edf").touch()
    found = _plan(score={"nights": str(tmp_path), "model": "m.zip"})
    assert found.nights() == ["one"] and found.score_tables() == ["scores"]
    assert found.night_files("one") == {"night": f"{tmp_path}/one.edf", "beside": [], "model": ["m.zip"]}
    assert "nights" not in found.score_options()
    with pytest.raises(HypnolensError, match="there is no night 'two' among them"):
        found.night_files("two")


def _score(tmp_path, model=None):
    return _plan(score={"nights": str(tmp_path / "nights"), "model": model and str(model)}).night_files


def test_what_is_read_beside_a_night_is_an_input(tmp_path):
    nights = tmp_path / "nights"
    nights.mkdir()
    for name in ("a-PSG.edf", "a-Hypnogram.edf", "b.vhdr", "b.eeg", "b.vmrk", "c.edf", "c.xml", "d.edf"):
        (nights / name).touch()
    (nights / "b.vhdr").write_text("[Common Infos]\nDataFile=b.eeg\nMarkerFile=b.vmrk\n")
    files = _score(tmp_path)
    beside = {name: [Path(path).name for path in files(name)["beside"]] for name in "abcd"}
    assert beside == {"a": ["a-Hypnogram.edf"], "b": ["b.eeg", "b.vmrk"], "c": ["c.xml"], "d": []}
    assert files("a")["night"] == f"{nights}/a-PSG.edf"


def test_all_files_of_a_model_are_inputs(tmp_path):
    (tmp_path / "nights").mkdir()
    (tmp_path / "nights" / "n.edf").touch()
    folders = [tmp_path / "one", *(tmp_path / "all" / f"fold-{fold}" for fold in (0, 1, 10))]
    for folder in folders:
        folder.mkdir(parents=True)
        for name in ("model.safetensors", "model.json", "history.tsv"):
            (folder / name).touch()
    pairs = [[str(folder / "model.json"), str(folder / "model.safetensors")] for folder in folders]
    assert _score(tmp_path, tmp_path / "one")("n")["model"] == pairs[0]
    assert sorted(_score(tmp_path, tmp_path / "all")("n")["model"]) == sorted(chain(*pairs[1:]))
    assert sorted(_score(tmp_path, tmp_path / "one" / "model.safetensors")("n")["model"]) == pairs[0]
    # What a rule may make, and what nobody can.
    assert _score(tmp_path, "results/d/e/fold-0/model.safetensors")("n")["model"] == [
        "results/d/e/fold-0/model.safetensors"
    ]
    assert _score(tmp_path, tmp_path / "nowhere")("n")["model"] == _score(tmp_path)("n")["model"] == []


def test_a_folder_with_networks_is_no_order_to_train_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nights").mkdir()
    (tmp_path / "nights" / "n.edf").touch()
    folder = Path("results/mini/small-seed0/fold-0")
    folder.mkdir(parents=True)
    (folder / "model.safetensors").touch()
    assert _score(tmp_path, folder)("n")["model"] == [str(tmp_path / folder / "model.safetensors")]


def test_figures_are_those_that_a_model_can_show():
    found = _compared("yasa", "chambon2018", "boosting")
    assert set(found.figures("small-seed0")) == {f.name for f in catalogue.FIGURES if f.of == "run"}
    assert set(found.figures("chambon2018")) - set(found.figures("yasa")) == {"training_curves"}
    files = found.figures_of_dataset("mini")
    assert "reports/mini/figures/cost.png" in files and "reports/mini/small-seed0/figures/tsne.png" in files
    trees = _plan(datasets={"mini": {**MINI, "experiments": ["boosting"]}})
    assert "reports/mini/figures/cost.png" not in trees.figures_of_dataset("mini") and not trees.cost_table("mini")


@pytest.mark.parametrize("figure", catalogue.FIGURES, ids=lambda figure: figure.name)
def test_a_figure_is_a_module_a_row_and_a_caption(figure):
    assert (ROOT / "hypnolens" / "plots" / f"{figure.name}.py").is_file()
    assert figure.of in catalogue.FOLDERS and figure.models in ("any", "trained", "own")
    words = catalogue.caption(figure.name)
    assert words.endswith((".", ":")) and "{" not in words


def test_captions_and_rows_belong_together():
    names = [figure.name for figure in catalogue.FIGURES]
    assert len(set(names)) == len(names)
    assert sorted(names) == sorted(path.stem for path in catalogue.CAPTIONS.glob("*.rst"))


def test_a_figure_without_a_caption_is_an_error_that_says_what_to_write():
    figure = catalogue.Figure("mine", "run", "mine", {})
    with pytest.raises(
        ConfigurationError, match=r"figure 'mine' has no caption; write workflow/report/figures/mine\.rst"
    ):
        _ = figure.caption


def test_only_the_published_sets_stand_beside_the_papers_scores():
    some = {"kind": "sleepedf", "subjects": "0-3", "folds": {"k": 2}}
    datasets = {"sleep-edf-20": some, "mine": {**some, "subjects": "0-19"}}
    few = _plan(run=["sleep-edf-20", "sleep-edf-78", "mine"], datasets=datasets)
    assert [few.is_the_papers(name) for name in ("sleep-edf-20", "sleep-edf-78", "mine", "shhs")] == [
        False, True, False, True
    ]  # fmt: skip
    assert [study["published"] for study in few.studies()] == [False, True, False]
