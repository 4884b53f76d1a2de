"""Tables that a person reads, made from ``metrics.json``."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from hypnolens.stages import STAGES

OVERALL = ("accuracy", "macro_f1", "kappa")


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


def interval_text(low: float | None, high: float | None) -> str:
    """Bounds of an interval; a dash where there is none."""
    return "-" if number_text(low) == "-" else f"{number_text(low)} to {number_text(high)}"


def with_interval(row: Mapping[Any, Any], name: str) -> str:
    """A value of a row with ``name_low`` and ``name_high``: ``0.738 (0.650 to 0.790)``."""
    return f"{number_text(row[name])} ({interval_text(row[f'{name}_low'], row[f'{name}_high'])})"
