"""The tables of the paper's page: what was run here beside what is published, over all datasets.

All are text as a person reads it, fractions with three digits; a dataset that was not run says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from hypnolens.evaluation.tables import OVERALL, interval_text, number_text, readable_value, with_interval
from hypnolens.io.frames import read_table, read_texts
from hypnolens.stages import STAGES

NOT_RUN = "not run"

SCORES = {
    "accuracy": "accuracy", "macro_f1": "macro-F1", "kappa": "kappa",
    **{f"f1_{stage}": f"F1 {stage}" for stage in STAGES},
}  # fmt: skip
"""Columns of the scores that the paper gives, and what they are called on the page."""

PER_CENT = ("accuracy", "macro_f1", *(f"f1_{stage}" for stage in STAGES))
"""Scores that papers give in per cent."""


@dataclass(frozen=True)
class Study:
    """A dataset that was run, and what was run on it.

    Attributes
    ----------
    name
        Name of the dataset.
    runs
        Runs of each family, by the family's name; the first family is the main one.
    options
        Keys of each family's experiment.
    protocols
        On what each family was trained and how its network was chosen.
    figures
        Figures of the main family's first run.
    published
        Whether its recordings are those that the paper's tables call so: no score stands beside those of others.
    """

    name: str
    runs: Mapping[str, Sequence[str]]
    options: Mapping[str, Mapping[str, Any]]
    protocols: Mapping[str, str]
    figures: Sequence[str]
    published: bool = False

    @property
    def main(self) -> str:
        """The family with which the others are compared."""
        return next(iter(self.runs))

    @property
    def first(self) -> Path:
        """Folder of the main family's first run."""
        return Path("results") / self.name / self.runs[self.main][0]

    @property
    def trained(self) -> bool:
        """Whether a network of hypnolens's own is among them, so that there is a table of time and score."""
        return any(options["model"] == "se-resnet-bilstm" for options in self.options.values())

    def table(self, name: str) -> pd.DataFrame:
        """A table of the dataset."""
        return read_table(Path("reports") / self.name / "tables" / f"{name}.tsv")

    def path(self, name: str) -> Path:
        """File of a table of the main family's first run."""
        return Path("reports") / self.name / self.runs[self.main][0] / "tables" / f"{name}.tsv"

    def shown(self, name: str) -> pd.DataFrame:
        """The table itself."""
        return read_table(self.path(name))


def overall_table(studies: Sequence[Study], paper: pd.DataFrame) -> pd.DataFrame:
    """Each score of each dataset: the paper's, ours with its 95 % interval, the difference, and whether it holds.

    Parameters
    ----------
    studies
        What was run.
    paper
        ``config/tables/paper.tsv``: a line a dataset, accuracy and F1 in per cent.

    Returns
    -------
    DataFrame
        ``dataset score paper here ci95 difference paper_in_ci95``, the paper's datasets first. `NOT_RUN` stands for a
        dataset of the paper that was not run, ``-`` for the paper's value of one that it does not have.
    """
    rows = []
    run = {study.name: study for study in studies}
    published = {str(row["dataset"]): row for row in paper.to_dict("records")}
    for dataset in dict.fromkeys([*published, *run]):
        ours = run[dataset].table("families").iloc[0] if dataset in run else None
        known = dataset in published and (dataset not in run or run[dataset].published)
        for score, words in SCORES.items():
            value = _fraction(published[dataset], score) if known else None
            row = {"dataset": dataset, "score": words, "paper": number_text(value), "here": NOT_RUN, "ci95": "-"}
            row |= {"difference": "-", "paper_in_ci95": "-"}
            if ours is not None:
                low, high = ours[f"{score}_low"], ours[f"{score}_high"]
                row |= {"here": number_text(ours[score]), "ci95": interval_text(low, high)}
                if value is not None:
                    row["difference"] = f"{ours[score] - value:+.3f}"
                    row["paper_in_ci95"] = "yes" if low <= value <= high else "no" if low == low else "-"
            rows.append(row)
    return pd.DataFrame(rows)


def of_scores(rows: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """`overall_table`, read again, as the page shows it: three lines a dataset that was run, a column a score.

    A difference has a star where the paper's value lies outside of our interval.
    """
    found = []
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        of = {row["score"]: row for row in rows if row["dataset"] == dataset}
        if next(iter(of.values()))["here"] == NOT_RUN:
            continue
        lines = {
            "the paper": {score: row["paper"] for score, row in of.items()},
            "here": {score: _with_bounds(row["here"], row["ci95"]) for score, row in of.items()},
            "difference": {
                score: f"{row['difference']}*" if row["paper_in_ci95"] == "no" else row["difference"]
                for score, row in of.items()
            },
        }
        found += [
            {"dataset": dataset, "whose": whose, **line} for whose, line in lines.items() if {*line.values()} - {"-"}
        ]
    return pd.DataFrame(found, columns=["dataset", "whose", *SCORES.values()])


def _with_bounds(value: str, bounds: str) -> str:
    """A value and its bounds as text, with as many decimals as these allow."""
    return value if bounds == "-" else readable_value(float(value), *map(float, bounds.split(" to ")))


def stages_table(studies: Sequence[Study], paper: pd.DataFrame) -> pd.DataFrame:
    """Precision, recall, specificity and F1 of each stage, by the main experiment's first run."""
    frames = [_first(read_texts(study.path("stages")), study.name) for study in studies]
    missing = [{"dataset": dataset, "stage": stage} for dataset in _not_run(studies, paper) for stage in STAGES]
    return pd.concat([*frames, pd.DataFrame(missing)], ignore_index=True).fillna(NOT_RUN)


def methods_table(studies: Sequence[Study], paper: pd.DataFrame, methods: pd.DataFrame) -> pd.DataFrame:
    """Published methods as reported, and everything that was run here that is not a variant of the main network.

    Parameters
    ----------
    studies
        What was run.
    paper, methods
        ``config/tables/paper.tsv`` and ``config/tables/methods.tsv``.
    """
    rows = []
    own = paper.assign(method="the paper", protocol="not known")
    reported = pd.concat([own, methods])
    for dataset in dict.fromkeys([*paper["dataset"], *(study.name for study in studies)]):
        study = next((study for study in studies if study.name == dataset), None)
        others = reported[reported["dataset"] == dataset] if study is None or study.published else reported.iloc[:0]
        for row in others.to_dict("records"):
            scores = {score: number_text(_fraction(row, score)) for score in OVERALL}
            origin = {"protocol": row["protocol"], "source": row["source"]}
            rows.append({"dataset": dataset, "method": row["method"], "figures": "as reported", **scores, **origin})
        if study is None:
            scores = dict.fromkeys(OVERALL, NOT_RUN)
            rows.append(
                {"dataset": dataset, "method": "-", "figures": "run here", **scores, "protocol": "-", "source": "-"}
            )
            continue
        for row in study.table("families").to_dict("records"):
            family = str(row["family"])
            if _variant(study, family):
                continue
            scores = {score: with_interval(row, score) for score in OVERALL}
            origin = {"protocol": study.protocols[family], "source": f"experiment {family}"}
            method = study.options[family]["model"]
            rows.append({"dataset": dataset, "method": method, "figures": "run here", **scores, **origin})
    return pd.DataFrame(rows)


def ablations_table(studies: Sequence[Study]) -> pd.DataFrame:
    """Variants of the main network: what was changed, scores, and the difference to the main one with its tests."""
    rows = []
    for study in studies:
        tests = study.table("paired").set_index("family")
        for row in study.table("families").to_dict("records"):
            family = str(row["family"])
            if family != study.main and not (_variant(study, family) or _probe(study, family)):
                continue
            if study.protocols[family] == "test-selected":
                continue
            found: dict[str, Any] = {"dataset": study.name, "experiment": family, "change": changes(study, family)}
            found |= {
                "seeds": row["runs"],
                "macro_f1": with_interval(row, "macro_f1"),
                "kappa": with_interval(row, "kappa"),
            }
            rows.append(found | _against(tests, family))
    columns = ["dataset", "experiment", "change", "seeds", "macro_f1", "kappa", *_against(pd.DataFrame(), "")]
    return pd.DataFrame(rows, columns=columns)


def paired_table(studies: Sequence[Study]) -> pd.DataFrame:
    """Every experiment against the main one: differences with 95 % intervals, Wilcoxon's p with Holm's correction."""
    rows = [
        {"dataset": study.name, "experiment": family, "against": study.main, **_against(tests, family)}
        for study in studies
        for tests in [study.table("paired").set_index("family")]
        for family in study.runs
        if family != study.main
    ]
    return pd.DataFrame(rows, columns=["dataset", "experiment", "against", *_against(pd.DataFrame(), "")])


def protocols_table(studies: Sequence[Study]) -> pd.DataFrame:
    """Both protocols, and how much the choice of the pass on the test fold adds to each score."""
    rows = []
    for study in studies:
        for row in study.table("optimism").to_dict("records"):
            for score in OVERALL:
                rows.append({
                    "dataset": study.name, "clean": row["clean"], "test_selected": row["test_selected"],
                    "score": SCORES[score], "clean_score": number_text(row[f"{score}_clean"]),
                    "test_selected_score": number_text(row[f"{score}_test_selected"]),
                    "optimism": f"{row[f'{score}_difference']:+.3f}",
                    "ci95": interval_text(row[f"{score}_low"], row[f"{score}_high"]),
                    "folds_below": f"{row['folds_below']} of {row['folds']}",
                })  # fmt: skip
    columns = ["dataset", "clean", "test_selected", "score", "clean_score", "test_selected_score", "optimism", "ci95"]
    return pd.DataFrame(rows, columns=[*columns, "folds_below"])


def seeds_table(studies: Sequence[Study]) -> pd.DataFrame:
    """Experiments that were run with several seeds: mean, deviation over seeds, and interval over subjects."""
    rows = [
        {"dataset": study.name, "experiment": row["family"], "seeds": row["runs"], "score": SCORES[score],
         "mean": number_text(row[score]), "sd_over_seeds": number_text(row[f"{score}_sd"]),
         "ci95_over_subjects": interval_text(row[f"{score}_low"], row[f"{score}_high"])}
        for study in studies
        for row in study.table("families").to_dict("records")
        if row["runs"] > 1
        for score in OVERALL
    ]  # fmt: skip
    columns = ["dataset", "experiment", "seeds", "score", "mean", "sd_over_seeds", "ci95_over_subjects"]
    return pd.DataFrame(rows, columns=columns)


def stacked(studies: Sequence[Study], name: str, *, of_run: bool = True) -> pd.DataFrame:
    """A table of every dataset, or of its main experiment's first run, one below the other."""
    frames = [_first(study.shown(name) if of_run else study.table(name), study.name) for study in studies]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["dataset"])


def changes(study: Study, family: str) -> str:
    """Keys in which an experiment differs from the main one, in words: ``width 16, se false``."""
    if family == study.main:
        return "-"
    main, own = study.options[study.main], study.options[family]
    keys = [key for key in own if key != "seed" and own[key] != main.get(key)]
    return ", ".join(f"{key} {_word(own[key])}" for key in keys) or "-"


def tables(studies: Sequence[Study], paper: pd.DataFrame, methods: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """All tables of the page, by name."""
    trained = [study for study in studies if study.trained]
    return {
        "overall": overall_table(studies, paper),
        "stages": stages_table(studies, paper),
        "methods": methods_table(studies, paper, methods),
        "protocols": protocols_table(studies),
        "seeds": seeds_table(studies),
        "ablations": ablations_table(studies),
        "paired": paired_table(studies),
        "stride": stacked(trained, "cost", of_run=False),
        "calibration": stacked(studies, "calibration"),
        "transitions": stacked(studies, "transitions"),
        "sleep_statistics": stacked(studies, "agreement"),
    }


def write_latex(table: pd.DataFrame, path: Path) -> None:
    """Write a table as LaTeX with the rules of the package booktabs; caption and label are of the file's name."""
    named = table.rename(columns=lambda column: column.replace("_", " "))
    form = "l" * len(table.columns)
    caption, label = path.stem.replace("_", " ").capitalize(), f"tab:{path.stem}"
    latex = named.to_latex(index=False, escape=True, na_rep="-", column_format=form, caption=caption, label=label)
    path.write_text(latex, encoding="utf-8")


def _first(table: pd.DataFrame, dataset: str) -> pd.DataFrame:
    table = table.drop(columns="dataset", errors="ignore")
    table.insert(0, "dataset", dataset)
    return table


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "none" if value is None else str(value)


def _fraction(row: Mapping[Any, Any], score: str) -> float:
    return float(row[score]) / 100 if score in PER_CENT else float(row[score])


def _not_run(studies: Sequence[Study], paper: pd.DataFrame) -> list[str]:
    return [dataset for dataset in paper["dataset"] if dataset not in {study.name for study in studies}]


def _variant(study: Study, family: str) -> bool:
    """Whether a family is the main one's network with other options."""
    return family != study.main and study.options[family]["model"] == study.options[study.main]["model"]


def _probe(study: Study, family: str) -> bool:
    return study.options[family]["model"] == "linear-probe"


def _against(tests: pd.DataFrame, family: str) -> dict[str, str]:
    """Difference to the main experiment; dashes for the main one itself."""
    row = tests.loc[family] if family in tests.index else None
    found = {}
    for score in ("macro_f1", "kappa"):
        found[f"{score}_difference"] = (
            "-"
            if row is None
            else f"{row[f'{score}_difference']:+.3f} ({row[f'{score}_low']:+.3f} to {row[f'{score}_high']:+.3f})"
        )
        found[f"{score}_p_holm"] = "-" if row is None else f"{row[f'{score}_p_holm']:.3f}"
    return found
