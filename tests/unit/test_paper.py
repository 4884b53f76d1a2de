"""The tables of the paper's page, from files that the functions of the pipeline write."""

import json
import re
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from hypnolens.evaluation.calibration import with_correction
from hypnolens.evaluation.comparison import family_table, optimism_table, paired_table, write_confusions
from hypnolens.evaluation.cost import cost_table
from hypnolens.evaluation.predictions import PROBABILITIES
from hypnolens.evaluation.scores import confusions_by_subject, evaluate, evaluate_folds
from hypnolens.evaluation.sleep_statistics import agreement_table, statistics_table
from hypnolens.evaluation.tables import OVERALL, readable_value, stage_table
from hypnolens.evaluation.transitions import transition_table
from hypnolens.io.frames import read_table
from hypnolens.io.tables import write_rows
from hypnolens.pipeline import configuration
from hypnolens.pipeline.jobs import RULE_COLUMNS, by_rule, read_jobs
from hypnolens.reports import paper, paper_tables
from hypnolens.stages import STAGES
from tests.conftest import ROOT
from tests.notebooks import shown
from tests.planning import rules

TABLES = ROOT / "config" / "tables"
METHODS = read_table(TABLES / "methods.tsv")
PAPER = read_table(TABLES / "paper.tsv")

MAIN = {"model": "se-resnet-bilstm", "width": 8, "se": True, "patience": None, "stride": 1, "protocol": "clean"}
OPTIONS = {
    "main": MAIN | {"seed": 0},
    "without-se": MAIN | {"width": 16, "se": False, "patience": 5, "seed": 3},
    "selected": MAIN | {"protocol": "test-selected", "seed": 0},
    "probe": {"model": "linear-probe", "features_of": "main-seed0", "seed": 0},
    "chambon": {"model": "chambon2018", "window": 9, "stride": 1, "protocol": "clean", "seed": 0},
    "yasa": {"model": "yasa"},
    "boosting": {"model": "gradient-boosting", "seed": 0},
}
RUNS = {name: ["main-seed0", "main-seed1"] if name == "main" else [name] for name in OPTIONS}
PROTOCOLS = {name: options.get("protocol", "clean") for name, options in OPTIONS.items()} | {"yasa": "pre-trained"}


def _predictions(seed, wrong):
    """Four nights of a subject each in two folds: stages in bouts, of which a share is guessed."""
    rng, frames = np.random.default_rng(seed), []
    truth = np.random.default_rng(0)
    for number in range(4):
        true = np.repeat(truth.choice(STAGES, 20), 4)
        said = np.where(rng.random(len(true)) < wrong, rng.choice(STAGES, len(true)), true)
        sure = 0.2 + 0.7 * (said[:, None] == np.array(STAGES))
        frame = pd.DataFrame(dict(zip(PROBABILITIES, (sure / sure.sum(axis=1, keepdims=True)).T, strict=True)))
        index = np.arange(len(true))
        frames.append(frame.assign(
            recording=f"r{number}", subject=f"s{number}", fold=number // 2, epoch_index=index, onset_s=30.0 * index,
            stage_true=true, stage_pred=said,
        ))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _write(table, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep="\t", index=False, na_rep="nan")


def _study(name, families=tuple(OPTIONS), wrong=0.3):
    """A dataset with files in the current folder, as the rules write them."""
    runs = {family: RUNS[family] for family in families}
    results, reports = Path("results") / name, Path("reports") / name
    confusions, folds, metrics, histories = {}, {}, {}, {}
    for number, run in enumerate(run for its in runs.values() for run in its):
        predictions = _predictions(number, wrong)
        of_run = reports / run / "tables"
        confusions[run], folds[run] = results / run / "subjects.tsv", results / run / "folds.tsv"
        _write(evaluate_folds(predictions), folds[run])
        write_confusions(*confusions_by_subject(predictions), confusions[run])
        found = evaluate(predictions, seed=0, protocol="clean")
        metrics[run], histories[run] = results / run / "metrics.json", [results / run / "history.tsv"]
        metrics[run].write_text(json.dumps(found))
        _write(pd.DataFrame({"windows": [100], "seconds": [1.5]}), histories[run][0])
        _write(stage_table(found), of_run / "stages.tsv")
        _write(with_correction(predictions, {}, seed=0), of_run / "calibration.tsv")
        _write(transition_table(predictions, seed=0), of_run / "transitions.tsv")
        _write(agreement_table(statistics_table(predictions, {})), of_run / "agreement.tsv")
    paths = {family: [confusions[run] for run in its] for family, its in runs.items()}
    pairs = [("main-seed0", "selected")] if "selected" in families else []
    one_each = {run: [path] for run, path in confusions.items()}
    _write(family_table(paths, seed=0), reports / "tables" / "families.tsv")
    _write(paired_table(paths, families[0], seed=0), reports / "tables" / "paired.tsv")
    by_fold = {run: [path] for run, path in folds.items()}
    _write(optimism_table(pairs, one_each, by_fold, seed=0), reports / "tables" / "optimism.tsv")
    own = {run: OPTIONS[family] | {"sampling": "shared"} for family, its in runs.items() for run in its
           if OPTIONS[family]["model"] == "se-resnet-bilstm"}  # fmt: skip
    if own:
        _write(cost_table(own, histories, metrics), reports / "tables" / "cost.tsv")
    return paper_tables.Study(
        name, runs, {family: OPTIONS[family] for family in families},
        {family: PROTOCOLS[family] for family in families}, ["confusion_matrix"], published=name != "mine",
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One of the paper's datasets, and one that it does not have; the paper's others were not run."""
    folder = tmp_path_factory.mktemp("paper")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder, [_study("sleep-edf-20"), _study("mine", ("main", "probe"))]


def test_other_recordings_under_one_of_the_papers_names_stand_beside_no_score_of_others(studies):
    ours = replace(studies[0], published=False)
    overall = paper_tables.overall_table([ours], PAPER)
    row = overall[overall["dataset"] == "sleep-edf-20"].iloc[0]
    assert (row["paper"], row["difference"], row["paper_in_ci95"]) == ("-", "-", "-") and row["here"] != "-"
    methods = paper_tables.methods_table([ours], PAPER, METHODS)
    here = methods[methods["dataset"] == "sleep-edf-20"]
    assert set(here["figures"]) == {"run here"}
    both = paper_tables.methods_table(studies, PAPER, METHODS)
    assert "as reported" in set(both[both["dataset"] == "sleep-edf-20"]["figures"])


@pytest.fixture
def studies(made, monkeypatch):
    """Both, from their folder."""
    monkeypatch.chdir(made[0])
    return made[1]


def _families(study):
    return study.table("families").set_index("family")


def test_the_papers_scores_stand_beside_ours(studies):
    ours = _families(studies[0]).loc["main"]
    inside, below = 100 * ours["accuracy"], 100 * ours["macro_f1_low"] - 1
    published = PAPER.assign(accuracy=inside + 1e-3, macro_f1=below)
    table = paper_tables.overall_table(studies, published)
    assert list(dict.fromkeys(table["dataset"])) == ["sleep-edf-20", "sleep-edf-78", "shhs", "mine"]
    rows = table.set_index(["dataset", "score"])
    row = rows.loc[("sleep-edf-20", "accuracy")]
    assert row["here"] == row["paper"] == f"{ours['accuracy']:.3f}" and row["paper_in_ci95"] == "yes"
    assert row["ci95"] == f"{ours['accuracy_low']:.3f} to {ours['accuracy_high']:.3f}" and row["difference"] == "-0.000"
    row = rows.loc[("sleep-edf-20", "macro-F1")]
    assert row["difference"] == f"{ours['macro_f1'] - below / 100:+.3f}" and row["paper_in_ci95"] == "no"
    kappa = rows.loc[("sleep-edf-20", "kappa")]  # which no paper gives in per cent
    assert kappa["paper"] == "0.820" and kappa["difference"] == f"{ours['kappa'] - 0.82:+.3f}"


def test_the_page_has_a_line_for_what_there_is_and_a_column_a_score(studies):
    overall = paper_tables.overall_table(studies, PAPER)
    shown = paper_tables.of_scores(overall.to_dict("records"))
    assert list(shown) == ["dataset", "whose", *paper_tables.SCORES.values()]
    assert list(zip(shown["dataset"], shown["whose"], strict=True)) == [
        ("sleep-edf-20", "the paper"), ("sleep-edf-20", "here"), ("sleep-edf-20", "difference"), ("mine", "here")
    ]  # fmt: skip
    rows, of = shown.set_index(["dataset", "whose"]), overall.set_index(["dataset", "score"])
    row = of.loc[("sleep-edf-20", "kappa")]
    assert rows.loc[("sleep-edf-20", "the paper"), "kappa"] == row["paper"]
    low, high = map(float, row["ci95"].split(" to "))
    assert rows.loc[("sleep-edf-20", "here"), "kappa"] == readable_value(float(row["here"]), low, high)
    outside = not low <= float(row["paper"]) <= high
    assert rows.loc[("sleep-edf-20", "difference"), "kappa"] == row["difference"] + "*" * outside


def test_what_was_not_run_says_so_in_every_row(studies):
    table = paper_tables.overall_table(studies, PAPER)
    for dataset in ("sleep-edf-78", "shhs"):
        rows = table[table["dataset"] == dataset]
        assert rows["score"].tolist() == list(paper_tables.SCORES.values()) and (rows["here"] == "not run").all()
        assert (rows[["ci95", "difference", "paper_in_ci95"]] == "-").all(axis=None) and (rows["paper"] != "-").all()
        stages = paper_tables.stages_table(studies, PAPER)
        rows = stages[stages["dataset"] == dataset]
        assert rows["stage"].tolist() == list(STAGES) and (rows.drop(columns=["dataset", "stage"]) == "not run").all(
            axis=None
        )
        methods = paper_tables.methods_table(studies, PAPER, METHODS)
        rows = methods[(methods["dataset"] == dataset) & (methods["figures"] == "run here")]
        assert len(rows) == 1 and (rows[list(OVERALL)] == "not run").all(axis=None)


def test_a_dataset_that_the_paper_does_not_have_has_dashes_for_it(studies):
    table = paper_tables.overall_table(studies, PAPER)
    rows = table[table["dataset"] == "mine"]
    assert (rows[["paper", "difference", "paper_in_ci95"]] == "-").all(axis=None) and not (
        rows["here"] == "not run"
    ).any()
    methods = paper_tables.methods_table(studies, PAPER, METHODS)
    assert set(methods.loc[methods["dataset"] == "mine", "figures"]) == {"run here"}


def test_one_subject_has_no_interval_that_a_value_could_lie_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = _study("shhs", ("main",))
    families = study.table("families")
    families[[column for column in families if column.endswith(("_low", "_high"))]] = np.nan
    _write(families, Path("reports/shhs/tables/families.tsv"))
    rows = paper_tables.overall_table([study], PAPER).query("dataset == 'shhs'")
    assert (rows[["ci95", "paper_in_ci95"]] == "-").all(axis=None) and (rows["difference"] != "-").all()


def test_methods_are_as_reported_or_run_here_and_no_variants(studies):
    table = paper_tables.methods_table(studies, PAPER, METHODS)
    rows = table[table["dataset"] == "sleep-edf-20"]
    reported, here = rows[rows["figures"] == "as reported"], rows[rows["figures"] == "run here"]
    assert reported["method"].tolist() == ["the paper", *METHODS.loc[METHODS["dataset"] == "sleep-edf-20", "method"]]
    assert reported.iloc[0][list(OVERALL)].tolist() == ["0.875", "0.825", "0.820"]
    assert here["source"].tolist() == [
        f"experiment {name}" for name in ("main", "probe", "chambon", "yasa", "boosting")
    ]
    assert here["method"].tolist() == ["se-resnet-bilstm", "linear-probe", "chambon2018", "yasa", "gradient-boosting"]
    assert here["protocol"].tolist() == ["clean", "clean", "clean", "pre-trained", "clean"]
    ours = _families(studies[0]).loc["yasa"]
    assert here["accuracy"].iloc[3] == (
        f"{ours['accuracy']:.3f} ({ours['accuracy_low']:.3f} to {ours['accuracy_high']:.3f})"
    )
    # A score that a paper does not give is a dash.
    shhs = table[(table["dataset"] == "shhs") & (table["method"] == "AttnSleep")]
    assert shhs["macro_f1"].tolist() == ["-"] and shhs["accuracy"].tolist() == ["0.842"]


def test_ablations_name_what_was_changed(studies):
    study = studies[0]
    assert paper_tables.changes(study, "main") == "-"
    assert paper_tables.changes(study, "without-se") == "width 16, se false, patience 5"
    assert paper_tables.changes(study, "selected") == "protocol test-selected"
    assert paper_tables.changes(study, "probe") == "model linear-probe, features_of main-seed0"
    back = paper_tables.Study("x", {"a": ["a"], "b": ["b"]}, {"a": {"patience": 5}, "b": {"patience": None}}, {}, [])
    assert paper_tables.changes(back, "b") == "patience none"
    table = paper_tables.ablations_table(studies)
    assert table[["dataset", "experiment"]].to_numpy().tolist() == [
        ["sleep-edf-20", "main"], ["sleep-edf-20", "without-se"], ["sleep-edf-20", "probe"],
        ["mine", "main"], ["mine", "probe"],
    ]  # fmt: skip
    assert table["seeds"].tolist() == [2, 1, 1, 2, 1]
    tests = study.table("paired").set_index("family").loc["without-se"]
    row = table.iloc[1]
    assert row["kappa_p_holm"] == f"{tests['kappa_p_holm']:.3f}"
    assert row["macro_f1_difference"] == "{:+.3f} ({:+.3f} to {:+.3f})".format(
        *(tests[f"macro_f1_{end}"] for end in ("difference", "low", "high"))
    )
    assert (table[table["experiment"] == "main"].iloc[:, 6:] == "-").all(axis=None)


def test_every_other_experiment_is_tested_against_the_main_one(studies):
    table = paper_tables.paired_table(studies)
    others = table.loc[table["dataset"] == "sleep-edf-20", "experiment"].tolist()
    assert (
        others == ["without-se", "selected", "probe", "chambon", "yasa", "boosting"]
        and (table["against"] == "main").all()
    )
    assert len(table) == 7 and not (table == "-").any(axis=None)
    assert paper_tables.paired_table([]).columns.tolist() == table.columns.tolist()


def test_protocols_are_of_one_seed_each(studies):
    table = paper_tables.protocols_table(studies)
    assert table["score"].tolist() == ["accuracy", "macro-F1", "kappa"] and set(table["dataset"]) == {"sleep-edf-20"}
    assert (table["clean"] == "main-seed0").all() and (table["test_selected"] == "selected").all()
    of_run = [
        json.loads(Path(f"results/sleep-edf-20/{run}/metrics.json").read_text()) for run in ("main-seed0", "selected")
    ]
    for row, score in zip(table.to_dict("records"), OVERALL, strict=True):
        clean, selected = (found[score] for found in of_run)
        assert (row["clean_score"], row["test_selected_score"]) == (f"{clean:.3f}", f"{selected:.3f}")
        assert row["optimism"] == f"{selected - clean:+.3f}" and re.fullmatch("[012] of 2", row["folds_below"])
    assert paper_tables.protocols_table(studies[1:]).columns.tolist() == table.columns.tolist()


def test_only_experiments_of_several_seeds_are_in_the_table_of_seeds(studies):
    table = paper_tables.seeds_table(studies)
    assert table["experiment"].tolist() == ["main"] * 6 and (table["seeds"] == 2).all()
    ours = _families(studies[0]).loc["main"]
    assert table.iloc[0][["mean", "sd_over_seeds"]].tolist() == [
        f"{ours['accuracy']:.3f}",
        f"{ours['accuracy_sd']:.3f}",
    ]
    assert paper_tables.seeds_table([]).columns.tolist() == table.columns.tolist()


def test_every_table_is_there_and_tables_of_datasets_are_one_below_the_other(studies):
    tables = paper_tables.tables(studies, PAPER, METHODS)
    assert list(tables) == [Path(path).stem for path in rules()["paper"].output.tables]
    for name in ("stride", "calibration", "transitions", "sleep_statistics"):
        assert list(dict.fromkeys(tables[name]["dataset"])) == ["sleep-edf-20", "mine"] and not tables[name].empty
    assert (
        tables["stride"]["experiment"].tolist() == ["main-seed0", "main-seed1", "without-se", "selected"] + RUNS["main"]
    )


@pytest.mark.parametrize("main, others", [("yasa", ()), ("chambon", ()), ("yasa", ("main",)), ("probe", ("main",))])
def test_any_model_may_be_the_main_one(tmp_path, monkeypatch, main, others):
    """Time and stride are known where a network of hypnolens's own was trained, the main one or not."""
    monkeypatch.chdir(tmp_path)
    tables = paper_tables.tables([_study("mine", (main, *others))], PAPER, METHODS)
    here = tables["methods"].query("dataset == 'mine'")
    assert here["method"].tolist() == [OPTIONS[name]["model"] for name in (main, *others)]
    assert tables["stride"].get("experiment", pd.Series(dtype=str)).tolist() == (RUNS["main"] if others else [])


def _cells(latex):
    """Rows of a tabular, and its column format."""
    (form,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", latex)
    body = latex.split(r"\toprule")[1].split(r"\bottomrule")[0].replace(r"\midrule", "")
    rows = [line.strip().removesuffix(r"\\") for line in body.splitlines() if line.strip()]
    return form, [[cell.strip() for cell in re.split(r"(?<!\\)&", row)] for row in rows]


def test_latex_has_all_rows_and_columns(studies, tmp_path):
    for name, table in paper_tables.tables(studies, PAPER, METHODS).items():
        paper_tables.write_latex(table, tmp_path / f"{name}.tex")
        latex = (tmp_path / f"{name}.tex").read_text()
        form, rows = _cells(latex)
        assert form == "l" * len(table.columns) and rf"\label{{tab:{name}}}" in latex, name
        assert len(rows) == 1 + len(table) and {len(row) for row in rows} == {len(form)}, name
        assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 1
        assert not re.search(r"(?<!\\)[%_#$]", re.sub(r"\\(?:label|begin|end)\{[^}]*\}", "", latex)), name


def test_latex_escapes_what_is_special_and_fills_what_is_not_there(tmp_path):
    table = pd.DataFrame({"macro_f1": [0.5, None], "what": ["50 % of R&D, a_b #1 $x {y} ~z ^w \\v", "plain"]})
    paper_tables.write_latex(table, tmp_path / "special.tex")
    form, rows = _cells((tmp_path / "special.tex").read_text())
    assert form == "ll" and rows[0] == ["macro f1", "what"] and rows[2] == ["-", "plain"]
    for written in (r"50 \% of R\&D", r"a\_b", r"\#1", r"\$x", r"\{y\}"):
        assert written in rows[1][1]


@pytest.mark.parametrize("name, least, greatest", [("paper", 40, 95), ("methods", 70, 92)])
def test_published_figures_are_plausible(name, least, greatest):
    table = read_table(TABLES / f"{name}.tsv")
    known = {path.stem for path in (ROOT / "config" / "datasets").glob("*.yaml")}
    assert set(table["dataset"]) <= known and table["source"].str.len().gt(10).all()
    for column in table.columns.intersection(["accuracy", "macro_f1", *(f"f1_{stage}" for stage in STAGES)]):
        values = table[column].dropna()
        assert values.between(least, greatest).all(), column
    assert table["kappa"].between(0.7, 0.9).all()
    # Scores of a row belong together: chance-corrected, accuracy is less, and N1 is what all find hardest.
    assert (table["kappa"] < table["accuracy"] / 100).all() and not (table["macro_f1"] > table["accuracy"]).any()
    if name == "paper":
        assert table["dataset"].is_unique
        assert (table[[f"f1_{stage}" for stage in STAGES]].idxmin(axis=1) == "f1_N1").all()
    else:
        assert not table.duplicated(["dataset", "method"]).any() and set(PAPER["dataset"]) == set(table["dataset"])


def _benchmarks(folder):
    """Benchmark files as Snakemake leaves them, and their table: a figure, and a job too short to be seen."""
    for name, line in {"figures/recordings": "3.5\t210.0\t2.0", "folds": "0.2\t6.0\t0.0"}.items():
        path = folder / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\tmax_rss\tcpu_time\n{line}\n")
    rows = by_rule(read_jobs(folder, runs=[], recordings=[], n_folds=0))
    assert [(row["rule"], row["memory_mb"]) for row in rows] == [("figure_recordings", "210.0"), ("folds", "-")]
    return rows


@pytest.mark.parametrize("families", [("main", "selected"), ("yasa",), ("chambon",), ("boosting", "main")])
def test_the_page_is_shown_to_its_end_whatever_the_main_model(tmp_path, monkeypatch, families):
    """With the files that the pipeline has for such a dataset, and no others."""
    monkeypatch.chdir(tmp_path)
    study = _study("mine", families)
    tables = paper_tables.tables([study], PAPER, METHODS)
    for name, table in tables.items():
        _write(table, Path("reports/tables") / f"{name}.tsv")
    Path("reports/tables/made.json").write_text('{"python": "3"}')
    own = any(OPTIONS[family]["model"] == "se-resnet-bilstm" for family in families)
    for name in ("recordings", "stages", "f1_bars", *["cost"] * own):
        path = Path("reports/mine/figures") / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        plt.imsave(path, np.zeros((2, 2)))
    run = RUNS[families[0]][0]
    # A figure of the run, and one that another configuration left there.
    for name in ("confusion_matrix", "gradcam"):
        path = Path("reports/mine") / run / "figures" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        plt.imsave(path, np.zeros((2, 2)))
    took = _benchmarks(Path("results/mine/benchmarks"))
    write_rows(Path("reports/mine/tables/jobs.tsv"), RULE_COLUMNS, took)
    # YASA's card knows no side but the test side.
    sides = {"train": ["a", "b"], "validation": ["c"], "test": ["d"]}
    recordings = {"test": ["d"]} if families[0] == "yasa" else sides
    experiment = configuration.load({}, ROOT).experiments["paper"] if families[0] == "main" else OPTIONS[families[0]]
    card = {"experiment": dict(experiment), "recordings": recordings, "sampling_rate_hz": 100.0, "n_parameters": 7}
    folder = Path("results/mine") / run / "fold-0"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps({**card, "made": {"commit": "c"}}))
    _write(statistics_table(_predictions(0, 0.3), {}), Path("reports/mine") / run / "tables" / "statistics.tsv")
    dataset = {"kind": "simulate", "trim_wake_min": 30, "trim_rule": "r", "folds": {"k": 2}, "channel": ["EEG"]}
    parts = shown(
        "paper", monkeypatch, tables="reports/tables", studies=[vars(study)], datasets={"mine": dataset},
        missing={"shhs": "why"}, command="snakemake --cores 2",
    )  # fmt: skip
    text = "\n".join(part for part in parts if isinstance(part, str))
    assert [title for title in paper.SECTIONS if f"## {title}\n" not in f"{text}\n"] == []
    assert "Not run: shhs (why)." in text and "snakemake --cores 2" in text and "mine: simulated nights." in text
    assert "not run" not in text.replace("were not run", "")  # one sentence, and no row
    # What jobs took, in the words of the report's own table, from the same benchmark files.
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in text.split("<tr>")]
    begin = rows.index([str(value) for value in took[0].values()])
    assert rows[begin : begin + 2] == [[str(value) for value in row.values()] for row in took]
    assert not any(row[:1] == ["figures"] for row in rows)
    assert sum(isinstance(part, bytes) for part in parts) == 3 + own + 1
