"""The paper's page: what its notebook shows over all datasets that were run, beside what is published."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hypnolens.datasets.published import PAPERS
from hypnolens.evaluation.tables import title
from hypnolens.io.frames import read_texts
from hypnolens.io.tables import read_json
from hypnolens.network.cards import read_card
from hypnolens.reports.pages import note, say, show_figure, show_table
from hypnolens.reports.paper_tables import NOT_RUN, Study

SECTIONS = (
    "What was run", "The paper's scores and ours", "By stage", "Nights", "Other methods", "Where the pass is chosen",
    "Seeds", "Ablations", "Paired tests", "Time and stride", "Calibration", "Around transitions", "Sleep statistics",
    "Features", "Explained epochs", "Training", "Network", "Methods",
)  # fmt: skip
"""Headings of the page, in order."""


def not_run(missing: Mapping[str, str]) -> list[str]:
    """One sentence on the paper's datasets that were not run."""
    return ["Not run: " + "; ".join(f"{name} ({why})" for name, why in missing.items()) + "."] if missing else []


def sizes(studies: Sequence[Study], datasets: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Datasets and how much was run on each."""
    rows = []
    for study in studies:
        metrics, kind = read_json(study.first / "metrics.json"), datasets[study.name]["kind"]
        other = study.name in PAPERS.values() and not study.published
        rows.append({
            "dataset": study.name, "kind": f"{kind}; not the paper's recordings" if other else kind,
            "subjects": metrics["n_subjects"], "recordings": metrics["n_recordings"], "epochs": metrics["n_epochs"],
            "folds": metrics["n_folds"], "experiments": len(study.runs),
            "runs": sum(len(runs) for runs in study.runs.values()), "main experiment": study.main,
        })  # fmt: skip
    return pd.DataFrame(rows)


def table(path: Path) -> pd.DataFrame:
    """A table of text to be read: without what was not run, values with an interval being numbers."""
    found = read_texts(path)
    found = found[~found.isin([NOT_RUN]).any(axis=1)].rename(columns={"low": "value_low", "high": "value_high"})
    for name in {"quantity", "statistic"} & {*found}:
        found[name] = found[name].map(title)
    for low in [str(name) for name in found if str(name).endswith("_low")]:
        value = low.removesuffix("_low")
        for name in (value, low, f"{value}_high") if value in found else ():
            found[name] = pd.to_numeric(found[name], errors="coerce")
    return found


def show_or(path: Path, empty: str) -> None:
    """Display a table of text, or words where it has no lines."""
    found = table(path)
    if found.empty:
        say(empty)
    else:
        show_table(found)


def figures_of_datasets(studies: Sequence[Study], *names: str) -> None:
    """Display figures of each dataset."""
    for study in studies:
        for name in names:
            show_figure(name, dataset=study.name)


def figures_of_main(studies: Sequence[Study], *names: str) -> None:
    """Display figures of each main experiment's first run; what stages without a network has not all of them."""
    for study in studies:
        card, found = card_of(study), [name for name in names if name in study.figures]
        for name in found:
            show_figure(name, dataset=study.name, experiment=study.first.name, note=note(name, card))
        if not found:
            say(f"{study.name}: {study.main} has no such figure.")


def card_of(study: Study) -> dict[str, Any]:
    """Card of the main family's first run, fold 0."""
    options = study.options[study.main]
    needed = ["experiment", *(f"experiment.{key}" for key in options), "made", "recordings", "sampling_rate_hz"]
    needed += ["n_parameters"] * ("width" in options)
    return read_card(study.first / "fold-0" / "model.json", needed=needed, sealed=False)


def spans(studies: Sequence[Study]) -> list[str]:
    """From when to when a night was counted."""
    found = {study.name: sorted(set(study.shown("statistics")["span"])) for study in studies}
    return ["Span: " + "; ".join(f"{name}: {', '.join(of)}" for name, of in found.items()) + "."]
