"""What the report of a dataset says of its recordings and folds, in words and tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hypnolens.datasets.origins import ORIGINS
from hypnolens.evaluation.tables import OVERALL, readable_value
from hypnolens.io.tables import read_rows
from hypnolens.plots.recordings import in_words, of_stages_alone
from hypnolens.stages import STAGES
from hypnolens.training.folds import Fold, absent_stages, read_folds

SHOWN = ("experiment", "made.processor", "made.platform")
"""What is shown of the card of a run, whatever made it."""

SETTINGS = {
    "night": "night", "channel": "channel", "sampling_rate_hz": "sampling rate (Hz)", "highpass_hz": "high-pass (Hz)",
    "doubts": "odd about the file",
}  # fmt: skip
"""Columns that recordings often share, and what they are called."""

FILES = ("kind", "source", "source_sha256", "epochs_sha256", "licence", "citation")
"""Columns of the table of recordings that are for checking, not for reading."""


def contents(runs: Sequence[str]) -> list[str]:
    """Headings of the report."""
    experiments = [f"Experiment {name}" for name in runs]
    return ["Scores", "Time", "Recordings", "Folds", *experiments, "Methods", "What it took"]


def origin(kind: str) -> str:
    """What the recordings are, with licence and citation."""
    text, licence, citation = ORIGINS[kind]
    return text if licence == citation else f"{text} Licence: {licence}. Please cite {citation}."


def scores(metrics: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Scores with their intervals, a line an experiment."""
    return pd.DataFrame(
        {
            "experiment": name,
            **{score: readable_value(values[score], *values["ci95"][score]) for score in OVERALL},
            **{f"f1_{stage}": readable_value(values["per_class"][stage]["f1"], None, None) for stage in STAGES},
            "protocol": values["protocol"],
        }
        for name, values in metrics.items()
    )


def counted(recordings: Sequence[Mapping[str, str]]) -> str:
    """How many recordings, subjects and epochs there are, and how many are odd."""
    totals = {stage: sum(int(row[stage]) for row in recordings) for stage in STAGES}
    by_stage = ", ".join(f"{stage} {total:,}" for stage, total in totals.items())
    flagged = sum(row["flags"] != "none" and not of_stages_alone(row["flags"]) for row in recordings)
    odd = sum(row["doubts"] != "none" for row in recordings)
    return (
        f"{len(recordings):,} recordings of {len({row['subject'] for row in recordings}):,} subjects, "
        f"{sum(totals.values()):,} epochs ({by_stage}); {flagged:,} with something odd about the "
        f"signal, {odd:,} about the file."
    )


def alike(recordings: Sequence[Mapping[str, str]]) -> str:
    """What all recordings share, in words."""
    shared = [f"{words}: {recordings[0][name]}" for name, words in SETTINGS.items() if _shared(recordings, name)]
    return f"All recordings alike: {'; '.join(shared)}." if shared else ""


def listed(recordings: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """The table of recordings, to be read: without what all have alike, and what was not kept in one column."""
    left_out = {*FILES, *(name for name in SETTINGS if _shared(recordings, name)), "flags"}
    rows = []
    for row in recordings:
        dropped = {name.removeprefix("dropped_"): n for name, n in row.items() if name.startswith("dropped_")}
        kept = {SETTINGS.get(name, name): value for name, value in row.items() if name not in left_out}
        rows.append({
            **{name: value for name, value in kept.items() if not name.startswith("dropped_")},
            "not kept": ", ".join(f"{n} {why}" for why, n in dropped.items() if n != "0") or "-",
            "odd about the signal": in_words(row["flags"]) if row["flags"] != "none" else "-",
        })  # fmt: skip
    return pd.DataFrame(rows)


def _shared(recordings: Sequence[Mapping[str, str]], name: str) -> bool:
    return len({row[name] for row in recordings}) == 1


def beside_published(kind: str, tables: Path) -> list[str]:
    """How counts compare with published ones, and which recordings differ; nothing where none are published."""
    if kind not in ("sleepedf", "shhs"):
        return []
    every = read_rows(tables / "counts.tsv")[-1]
    differing = read_rows(tables / "differing.tsv")
    if every["published"] == "-":
        return ["There are no published counts of this set of recordings, trimmed in this way."]
    if every["difference"] == "0":
        found = [f"The number of epochs is the published one ({every['source']})."]
    else:
        found = [
            f"**The counts differ from the published ones**: {int(every['difference']):+,} epochs against "
            f"{int(every['published']):,} ({every['source']})."
        ]
        found += [] if differing else ["No single recording is known to differ."]
    named = "; ".join(" ".join(row.values()) for row in differing)
    return [*found, *[f"Recordings that differ from what is published: {named}."] * bool(differing)]


def folds(path: Path) -> list[Fold]:
    """Subjects of each fold's sides."""
    rows = read_rows(path)
    subject = {row["recording"]: row["subject"] for row in rows}
    return [
        Fold(**{s: tuple(sorted({subject[name] for name in names})) for s, names in read_folds(path, number).items()})
        for number in sorted({int(row["fold"]) for row in rows})
    ]


def sides(found: Sequence[Fold]) -> pd.DataFrame:
    """A line a fold."""
    return pd.DataFrame(
        {
            "fold": number,
            "training subjects": len(fold.train),
            "validation": " ".join(fold.validation),
            "test": " ".join(fold.test),
        }
        for number, fold in enumerate(found)
    )


def absent(found: Sequence[Fold], recordings: Sequence[Mapping[str, str]]) -> list[str]:
    """Stages that a side of a fold lacks: a network cannot learn, choose or be tested on what is not there."""
    return absent_stages(list(found), list(recordings))


def machines(made: Sequence[Mapping[str, Any]]) -> str:
    """On what fold 0 of each run was made."""
    gpus = [f"GPU {one['gpu']}" if one.get("gpu", "none") != "none" else "no GPU" for one in made]
    names = {f"{one['processor']}, {gpu}, {one['platform']}" for one, gpu in zip(made, gpus, strict=True)}
    return (
        f"Fold 0 of each run was made on {' or on '.join(sorted(names))}. Other jobs may have run elsewhere, and times "
        "depend on what else the machine did."
    )
