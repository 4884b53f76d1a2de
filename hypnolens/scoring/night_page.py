"""The page of a scored night: one HTML file that needs no network, no server and no other file.

What it says is computed here, what it draws in `hypnolens.scoring.page_data`; how both look is in the templates of the
folder ``page``. Browsers since 2023 unpack its arrays (``DecompressionStream``). The script and the style are allowed
by their hashes and nothing else is (Content Security Policy), and templates escape all but these two and the JSON, so
that no text of a recording can become code, and no request can leave the page.
"""

import base64
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from hypnolens.evaluation.metrics import confusion_matrix, scores
from hypnolens.io.checksums import sha256
from hypnolens.scoring.night_statistics import names, statistics_of, unit, with_latencies
from hypnolens.scoring.page_data import COLUMN_S, TOP_DOWN, WINDOW_S, drawn, staged_by_both
from hypnolens.scoring.scored import Detail, Night, Scored
from hypnolens.scoring.summaries import clock, has_clock, summary
from hypnolens.stages import EPOCH_S, MOVEMENT, STAGES

METHODS = {"grad-cam": "Grad-CAM", "layer-cam": "layer-CAM"}
"""Methods of attribution that are not written as words."""

FIRST_STATISTICS = {
    "tib_min": "TIB", "unscored_min": "", "spt_min": "SPT", "tst_min": "TST", "se_percent": "SE",
    "sme_percent": "SME", "waso_min": "WASO", "waso_aasm_min": "WASO (AASM)", "sol_min": "SOL",  # codespell:ignore
}  # fmt: skip
"""The table of the night as a whole, in its order, and what sleep laboratories call its statistics."""

HUMAN_STAGES = dict(enumerate(STAGES)) | {MOVEMENT: "movement"}
"""What a human may have staged, by code."""

NONE = "–"
"""Shown for what is undefined."""


def write_page(scored: Scored, detail: Detail, path: Path) -> None:
    """Write the page of a night; the same night gives the same bytes.

    Parameters
    ----------
    scored
        The night, of at least one epoch.
    detail
        What is shown of single epochs.
    path
        The HTML file, overwritten if it is there.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    data, arrays = drawn(scored, detail)
    page = rendered(
        "page.html",
        "page",
        edit=_own("edit.js"),
        data=data,
        arrays=arrays,
        method=METHODS.get(detail.method, detail.method.replace("-", " ")),
        window_s=WINDOW_S,
        column_s=COLUMN_S,
        **_said(scored),
    )
    path.write_bytes(page)


def rendered(template: str, own: str, **values: Any) -> bytes:
    """A page from a template, with its own script and style; nothing else may run in it."""
    page = _template(template).render(script=_own(f"{own}.js"), style=_own(f"{own}.css"), **values)
    # Names of files may hold what UTF-8 cannot (bytes that the system could not decode).
    return page.encode("utf-8", "replace")


# What the page says.


def _said(scored: Scored) -> dict[str, Any]:
    """Facts, lists and tables; their values are those of `summary` before they are rounded."""
    night, told = scored.night, summary(scored)
    statistics = {"hypnolens": scored.statistics}
    if night.human is not None:
        statistics["human"] = statistics_of(night.human, first_s=night.first_s, lights=night.lights)[0]
    return {
        "night": told,
        "facts": _facts(scored, told),
        "top_down": TOP_DOWN,
        "first_statistics": FIRST_STATISTICS,
        "statistics": {scorer: with_latencies(values) for scorer, values in statistics.items()},
        "words": names(night.lights),
        "transitions": scored.transitions.loc[list(TOP_DOWN), list(TOP_DOWN)].to_numpy().tolist(),
        "agreement": None if night.human is None else _agreement(scored, night.human),
        "review": _review(scored),
        "unusable": [{**one, "time": _when(night, one["onset_s"])} for one in told["unusable"]],
    }


def _facts(scored: Scored, told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """File, time, channel and model."""
    night = scored.night
    date, time = told["start_date"], told["start_time"]
    minutes = EPOCH_S * scored.n_epochs / 60
    length = f"{minutes:g} min" if minutes < 60 else f"{int(minutes // 60)} h {int(minutes % 60):02} min"
    return [
        ("file", night.source),
        ("start", " ".join(filter(None, (date, time and time[:8]))) or "unknown"),
        ("length", f"{length}, {_many(scored.n_epochs)}"),
        (f"channel{_s(len(night.channels))}", ", ".join(night.channels)),
        ("rate", f"{night.rate:g} Hz" + (f", staged at {scored.rate:g} Hz" if scored.rate != night.rate else "")),
        *(
            (f"lights {name}", _when(night, when) + ("" if has_clock(night) else " from the start"))
            for name, when in zip(("off", "on"), night.lights, strict=True)
            if when is not None
        ),
        (f"model{_s(len(scored.models))}", ", ".join(dict.fromkeys(told["models"]))),
        ("trained on", scored.card.trained_on),
        ("cite", scored.card.citation),
        ("hypnolens", told["hypnolens"]),
    ]


def _agreement(scored: Scored, human: np.ndarray) -> dict[str, Any]:
    """Epochs that both staged, scores, and the counts of the confusion matrix in the order of a hypnogram."""
    both = staged_by_both(scored)
    confusion = confusion_matrix(human[both], scored.stage[both])
    order = [STAGES.index(stage) for stage in TOP_DOWN]
    return {"n": int(both.sum()), "counts": confusion[np.ix_(order, order)].tolist(), **scores(confusion)}


def _review(scored: Scored) -> list[dict[str, Any]]:
    night, onset, stage, confidence = scored.night, scored.onset_s, scored.stage, scored.confidence
    return [
        {
            "place": int(place),
            "time": _when(night, float(onset[place])),
            "stage": STAGES[stage[place]],
            "confidence": float(confidence[place]),
            "human": None if night.human is None else HUMAN_STAGES.get(night.human[place], NONE),
        }
        for place in scored.review
    ]


# How it is written.


def _when(night: Night, seconds: float) -> str:
    """Time of day, or hours from the start where that is unknown."""
    if has_clock(night):
        return clock(night.start, seconds)[:8]
    whole = round(abs(seconds))
    sign = "−" if seconds < 0 and whole else ""
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02} h"


def _decimal(value: float | None, places: int = 3) -> str:
    return NONE if value is None or not np.isfinite(value) else f"{value:.{places}f}"


def _percent(value: float | None, places: int = 1) -> str:
    return NONE if value is None or not np.isfinite(value) else f"{100 * value:.{places}f} %"


def _percent_below(value: float, below: float) -> str:
    """Per cent with as many digits as it takes to see that it is less than a threshold."""
    return _percent(value) if _percent(value) != _percent(below) else _percent(value, 3)


def _many(n: int) -> str:
    return f"{n:,} epoch{_s(n)}"


def _s(n: int) -> str:
    return "" if n == 1 else "s"


def _hash(text: str) -> str:
    """Hash of a script or style, as a Content Security Policy wants it."""
    return f"sha256-{base64.b64encode(bytes.fromhex(sha256(text.encode()))).decode('ascii')}"


def _own(name: str) -> str:
    return (files("hypnolens.scoring") / "page" / name).read_text(encoding="utf-8")


def _template(name: str) -> Template:
    """A template of the page: it escapes what it is given, and fails where it lacks something."""
    environment = Environment(
        loader=PackageLoader("hypnolens.scoring", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    environment.filters |= {
        "decimal": _decimal, "percent": _percent, "percent_below": _percent_below, "many": _many, "unit": unit,
        "hash": _hash,
    }  # fmt: skip
    return environment.get_template(name)
