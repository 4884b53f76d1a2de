"""Epochs by stage beside the published counts of the same set of recordings, and which recordings differ."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from hypnolens.io.tables import read_rows
from hypnolens.stages import STAGES

MARGIN_MIN = 30
"""Minutes of wake on each side of sleep in all published counts."""


PAPERS = {"sleep-edf-20": "sleep-edf-20", "sleep-edf-78": "sleep-edf-78", "shhs1-329": "shhs"}
"""What the paper's tables call the published sets of recordings."""


class Published(NamedTuple):
    """What is published of a set of recordings.

    Attributes
    ----------
    name
        Of the set, such as ``sleep-edf-20``.
    counts
        Epochs of each stage under the trimming rule in use; empty where no source gives them.
    source
        Who counted.
    by_recording
        Epochs of those single recordings whose number is known.
    """

    name: str
    counts: dict[str, int]
    source: str
    by_recording: dict[str, int]


def published(name: str | None, *, trim_rule: str, trim_wake_min: float | None, tables: Path) -> Published | None:
    """Published counts of a set of recordings, or `None` where none are for this trimming.

    Parameters
    ----------
    name
        Name of the set, or `None`.
    trim_rule, trim_wake_min
        As configured.
    tables
        Folder of the tables that come with hypnolens.
    """
    rows = read_rows(tables / "published-counts.tsv")
    row = next((row for row in rows if (row["dataset"], row["trim_rule"]) == (name, trim_rule)), None)
    if name is None or row is None or trim_wake_min != MARGIN_MIN:
        return None
    known = {}
    if name.startswith("sleep-edf"):
        column = f"epochs_{trim_rule.replace('-', '_')}"
        known = {r["recording"]: int(r[column]) for r in read_rows(tables / "sleep-edf.tsv") if r[column] != "-"}
    return Published(name, {stage: int(row[stage]) for stage in STAGES}, row["source"], known)


def stage_counts(recordings: Sequence[Mapping[str, str]], reference: Published | None) -> list[dict[str, object]]:
    """A line a stage, and one for all: epochs here, their share, published epochs, the difference, and who counted.

    Parameters
    ----------
    recordings
        Rows of ``recordings.tsv``.
    reference
        Published counts; without them the last columns are ``-``.
    """
    here = {stage: sum(int(row[stage]) for row in recordings) for stage in STAGES}
    there = dict(reference.counts) if reference else {}
    total = sum(here.values())
    here["all"] = total
    if there:
        there["all"] = sum(there.values())
    return [
        {
            "stage": stage,
            "epochs": n,
            "per_cent": f"{100 * n / total:.1f}",
            "published": there.get(stage, "-"),
            "difference": n - there[stage] if there else "-",
            "source": f"{reference.name}: {reference.source}" if reference else "-",
        }
        for stage, n in here.items()
    ]


def differing(
    recordings: Sequence[Mapping[str, str]], missing: Sequence[str], reference: Published | None
) -> list[dict[str, str]]:
    """Recordings that differ from what is published: a line each, with what differs.

    Parameters
    ----------
    recordings
        Rows of ``recordings.tsv``.
    missing
        Names of recordings of the set that are not here.
    reference
        Published counts.
    """
    rows = [{"recording": name, "what": "not here"} for name in missing]
    for row in recordings:
        words = [flag for flag in row["flags"].split() if flag.startswith(("other-file=", "stages="))]
        known = reference.by_recording.get(row["recording"]) if reference else None
        if known not in (None, int(row["epochs"])):
            words.append(f"{row['epochs']} epochs, published {known}")
        if words:
            rows.append({"recording": row["recording"], "what": "; ".join(words)})
    return rows
