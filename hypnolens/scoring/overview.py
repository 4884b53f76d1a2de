"""The page of all nights of a folder of results: a row a night, to sort and to look through; it works from disk."""

import csv
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from hypnolens.errors import one_line
from hypnolens.scoring.folder import UNFINISHED, said_in
from hypnolens.scoring.names import OVERVIEW
from hypnolens.scoring.night_page import rendered
from hypnolens.stages import STAGES

COLUMNS = {
    "tst_min": "TST, min", "se_percent": "SE, %", "waso_min": "WASO, min", "sol_min": "SOL, min",  # codespell:ignore
    "min_n1": "N1, min", "min_n2": "N2, min", "min_n3": "N3, min", "min_r": "R, min",
}  # fmt: skip
"""What stands in a row, by names of statistics (minutes of stages by those of the summary)."""

WIDTH, HEIGHT = 240, 30
"""Of a small hypnogram, in its own units."""

LEVELS = {"W": 2, "R": 8, "N1": 14, "N2": 20, "N3": 26}


def write_overview(folder: Path) -> Path | None:
    """Write the page of all nights whose results lie in a folder, over that of before; nothing where there are none.

    Raises
    ------
    OSError
        It cannot be written.
    """
    said = {path.name: said_in(path) for path in sorted(folder.glob("*.json"))}
    nights = [_row(folder, one) for one in said.values() if {"name", "statistics", "files"} <= one.keys()]
    if not nights:
        return None
    page = rendered("nights.html", "nights", nights=nights, columns=COLUMNS, width=WIDTH, height=HEIGHT)
    # Under its name only when it is whole, as somebody may be looking at the one before.
    unfinished = folder / f"{UNFINISHED}{OVERVIEW}"
    unfinished.write_bytes(page)
    unfinished.replace(folder / OVERVIEW)
    return folder / OVERVIEW


def _row(folder: Path, said: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in the row of a night."""
    files, minutes = said["files"], said.get("minutes") or {}
    numbers = {**said["statistics"], **{f"min_{stage.lower()}": minutes.get(stage) for stage in STAGES}}
    human = said.get("human") or {}
    return {
        "name": said["name"],
        "page": files.get("page"),
        "hours": said.get("n_epochs", 0) / 120,
        "start": " ".join(str(part)[:16] for part in (said.get("start_date"), said.get("start_time")) if part),
        "channels": ", ".join(said.get("channels") or ()),
        "models": ", ".join(dict.fromkeys(said.get("models") or ())),
        "numbers": {name: numbers.get(name) for name in COLUMNS},
        "review": len((said.get("review") or {}).get("epochs") or ()),
        "unusable": minutes.get("unusable"),
        "kappa": human.get("kappa"),
        "warnings": said.get("warnings") or [],
        "runs": _runs(folder / str(files.get("stages"))),
    }


def _runs(stages: Path) -> list[dict[str, Any]]:
    """Runs of stages as rectangles of a small hypnogram; none where the table is gone or is none of ours."""
    try:
        with stages.open(encoding="utf-8", newline="") as file:
            codes = [str(row["stage"]) for row in csv.DictReader(file, delimiter="\t")]
    except (OSError, KeyError, ValueError, csv.Error):
        return []
    runs, place = [], 0
    for stage, members in groupby(codes):
        length = len(list(members))
        if stage in LEVELS:
            step = WIDTH / len(codes)
            runs.append(
                {"stage": stage, "x": round(place * step, 2), "width": round(length * step, 2), "y": LEVELS[stage]}
            )
        place += length
    return runs


def told(folder: Path) -> str:
    """One line of where the page of all nights is; empty where there is none, or why it could not be written."""
    try:
        path = write_overview(folder)
    except OSError as error:
        return one_line(f"{folder / OVERVIEW}: cannot be written ({error.strerror or type(error).__name__})")
    return "" if path is None else one_line(f"all nights: {path}")
