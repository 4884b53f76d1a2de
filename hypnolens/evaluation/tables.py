"""Tables that a person reads, made from ``metrics.json``."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from hypnolens.stages import STAGES

OVERALL = ("accuracy", "macro_f1", "kappa")

TITLES = {
    "f1_ci95": "F1, 95 % interval", "macro_f1": "macro-F1", "f1": "F1", "p_holm": "p (Holm)", "auroc": "AUROC",
    "loa": "limit of agreement,", "memory_mb": "memory (MB)", "wall_s": "wall time (s)", "cpu_s": "CPU time (s)",
    "ci95": "95 % interval", "ece": "ECE", "nll": "negative log-likelihood", "brier": "Brier score",
}  # fmt: skip
"""Parts of names of columns, and what they are in words; else an underscore is a space."""

DIGITS = ((20.0, 0), (2.0, 1), (0.02, 2))
"""Widths of an interval from which on so many decimals say all that is known; of a narrower one three do."""


def score_table(metrics: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Accuracy, macro-F1, kappa with 95 % intervals, and the F1 of each stage: a line an experiment."""
    return pd.DataFrame([{"experiment": name, **_row(values)} for name, values in metrics.items()])


def stage_table(metrics: Mapping[str, Any]) -> pd.DataFrame:
    """Precision, recall, specificity, F1 with its 95 % interval, and number of true epochs: a line a stage."""
    rows = []
    for stage in STAGES:
        values = metrics["per_class"][stage]
        row = {
            "stage": stage,
            **{name: number_text(values[name]) for name in ("precision", "recall", "specificity", "f1")},
        }
        rows.append({**row, "f1_ci95": interval_text(*metrics["ci95"][f"f1_{stage}"]), "epochs": values["support"]})
    return pd.DataFrame(rows)


def confusion_table(metrics: Mapping[str, Any]) -> pd.DataFrame:
    """Counts of true (rows) against predicted (columns) stages."""
    table = pd.DataFrame(metrics["confusion_matrix"], index=list(STAGES), columns=list(STAGES))
    return table.rename_axis(index="true \\ predicted")


def ranked(by_recording: pd.DataFrame) -> pd.DataFrame:
    """Recordings from the best accuracy to the worst; equal ones by name."""
    return by_recording.sort_values(["accuracy", "recording"], ascending=[False, True], ignore_index=True)


def median_recording(by_recording: pd.DataFrame) -> str:
    """Name of the recording of median accuracy, the better one of two."""
    return str(ranked(by_recording)["recording"].iloc[(len(by_recording) - 1) // 2])


def _row(metrics: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name in OVERALL:
        row[name] = number_text(metrics[name])
        row[f"{name}_ci95"] = interval_text(*metrics["ci95"][name])
    for stage in STAGES:
        row[f"f1_{stage}"] = number_text(metrics["per_class"][stage]["f1"])
    return {**row, "epochs": metrics["n_epochs"], "subjects": metrics["n_subjects"], "protocol": metrics["protocol"]}


def number_text(value: float | None) -> str:
    """Three digits; a dash for what is not defined."""
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"


def percent(share: float) -> str:
    """A share as whole per cent; a dash for what is not defined."""
    return "-" if math.isnan(share) else f"{100 * share:.0f} %"


def interval_text(low: float | None, high: float | None) -> str:
    """Bounds of an interval; a dash where there is none."""
    return "-" if number_text(low) == "-" else f"{number_text(low)} to {number_text(high)}"


def with_interval(row: Mapping[Any, Any], name: str) -> str:
    """A value of a row with ``name_low`` and ``name_high``: ``0.738 (0.650 to 0.790)``."""
    return f"{number_text(row[name])} ({interval_text(row[f'{name}_low'], row[f'{name}_high'])})"


def readable(table: pd.DataFrame, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """A table as a person reads it: names in words, each value with its interval in brackets.

    Parameters
    ----------
    table
        Columns ``NAME_low`` and ``NAME_high`` are the interval of ``NAME``.
    columns
        Which of them, without those of intervals; all by default.
    """
    names = [str(name) for name in table]
    values = [name for name in names if not (name.endswith(("_low", "_high")) and name.rsplit("_", 1)[0] in names)]
    rows = table.to_dict("records")
    return pd.DataFrame({
        title(name): [_in_words(row, name) for row in rows] for name in (values if columns is None else columns)
    })  # fmt: skip


def title(name: str) -> str:
    """Name of a column, or of a quantity, in words."""
    for part, words in TITLES.items():
        name = re.sub(rf"(?<![a-z0-9]){part}(?![a-z0-9])", words, name)
    return name.replace("_", " ")


def _in_words(row: Mapping[Any, Any], name: str) -> str:
    value, low, high = (row.get(key) for key in (name, f"{name}_low", f"{name}_high"))
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if name == "p" or name.startswith("p_") or name.endswith(("_p", "_p_holm")):
        return "< 0.001" if value < 0.001 else f"{value:.3f}"
    if low is None or high is None or math.isnan(low):
        return f"{value:,}" if isinstance(value, int) else _short(value)
    return readable_value(value, low, high)


def _short(value: float) -> str:
    """A number without an interval, to about three digits."""
    text = f"{value:,.{3 if abs(value) < 1 else 2 if abs(value) < 10 else 1}f}"
    return text.rstrip("0").rstrip(".") if abs(value) >= 1 else text


def readable_value(value: float | None, low: float | None, high: float | None) -> str:
    """A value with its interval in brackets, decimals as far as that allows; a dash for what does not exist."""
    if value is None or low is None or high is None:
        return number_text(value)
    digits = next((n for width, n in DIGITS if high - low >= width), 3)
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
