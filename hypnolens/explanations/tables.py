"""Tables of measured explanations, with intervals over subjects."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from hypnolens.bands import BANDS_HZ
from hypnolens.errors import HypnolensError
from hypnolens.evaluation.metrics import SHARE, subject_interval
from hypnolens.evaluation.predictions import codes
from hypnolens.explanations.maps import RecordingMaps, neighbours_part
from hypnolens.stages import CODE, STAGES


def faithfulness_table(curves: pd.DataFrame) -> pd.DataFrame:
    """Areas under deletion and insertion curves by stage and for all stages, a row each order.

    Parameters
    ----------
    curves
        Rows of `hypnolens.explanations.faithfulness.measure_curves` of all recordings.

    Raises
    ------
    HypnolensError
        There is none: no epoch was staged right.
    """
    if curves.empty:
        what = "no test epoch was staged as the expert did, so that there is nothing to explain"
        raise HypnolensError(f"{what}; train longer, or on more recordings")
    keys = ["recording", "subject", "stage", "order", "epochs"]
    areas = [
        {
            **dict(zip(keys, key, strict=True)),
            **{n: np.trapezoid(part[n], part["step"]) for n in ("deletion", "insertion")},
        }
        for key, part in curves.groupby(keys, sort=False)
    ]
    table = pd.DataFrame(areas, columns=[*keys, "deletion", "insertion"])
    everything = pd.concat([table, table.assign(stage="all")])
    rows = [
        {"stage": stage, "order": order, **_means(part, ("deletion", "insertion"), limits=SHARE)}
        for (stage, order), part in everything.groupby(["stage", "order"], sort=False)
    ]
    return _by_stage(pd.DataFrame(rows)).round(4)


def curve_table(curves: pd.DataFrame) -> pd.DataFrame:
    """Mean deletion and insertion curves over all epochs: ``order step epochs deletion insertion``."""
    rows = [
        {"order": order, "step": step, **_means(part, ("deletion", "insertion"), limits=SHARE)}
        for (order, step), part in curves.groupby(["order", "step"], sort=False)
    ]
    return pd.DataFrame(rows).round(4)


def removal_table(removal: pd.DataFrame) -> pd.DataFrame:
    """What removing events costs the stage, beside removing as much elsewhere, and whether the map follows."""
    columns = ("at_event", "elsewhere", "share_before", "share_after", "cover")
    rows = [
        {**dict(zip(("source", "stage", "kind"), key, strict=True)), **_means(part.assign(epochs=1), columns)}
        for key, part in removal.groupby(["source", "stage", "kind"], sort=True)
    ]
    names = [f"{name}{end}" for name in columns for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["source", "stage", "kind", "epochs", "subjects", *names]).round(4)


def sanity_table(sanity: pd.DataFrame) -> pd.DataFrame:
    """Similarity of maps by check, level and method."""
    rows = [
        {**dict(zip(("check", "level", "method"), key, strict=True)), **_means(part, ("similarity",))}
        for key, part in sanity.groupby(["check", "level", "method"], sort=False)
    ]
    return pd.DataFrame(rows).round(4)


def band_table(bands: pd.DataFrame) -> pd.DataFrame:
    """Mean preference of maps for each band, by method and stage.

    Parameters
    ----------
    bands
        Rows of `hypnolens.explanations.alignment.preference_of_recording` of all recordings.
    """
    rows = []
    for (method, stage), part in bands.groupby(["method", "stage"], sort=False):
        for band in BANDS_HZ:
            known = part[part[band].notna()].rename(columns={band: "preference"}).assign(epochs=1)
            if len(known):
                rows.append({"method": method, "stage": stage, "band": band, **_means(known, ("preference",))})
    return pd.DataFrame(rows).round(4)


def context_table(maps: Iterable[RecordingMaps], predictions: pd.DataFrame) -> pd.DataFrame:
    """Share of the window's neighbours in decisions, by predicted stage, for right and wrong ones.

    Parameters
    ----------
    maps
        Maps of all recordings.
    predictions
        As `hypnolens.evaluation.predictions.read_predictions` gives them.
    """
    frames = []
    by_recording = dict(iter(predictions.sort_values("epoch_index").groupby("recording")))
    for one in maps:
        rows = by_recording[one.recording]
        right = codes(rows["stage_pred"]) == codes(rows["stage_true"])
        frames.append(pd.DataFrame({
            "subject": one.subject, "stage": rows["stage_pred"].to_numpy(),
            "decision": np.where(right, "right", "wrong"), "neighbours": neighbours_part(one.context),
        }))  # fmt: skip
    table = pd.concat(frames).dropna().assign(epochs=1)
    found = [
        {"stage": stage, "decision": decision, **_means(part, ("neighbours",), limits=SHARE)}
        for (stage, decision), part in table.groupby(["stage", "decision"], sort=True)
    ]
    return _by_stage(pd.DataFrame(found)).round(4)


def _means(
    part: pd.DataFrame, columns: Iterable[str], *, limits: tuple[float, float] | None = None
) -> dict[str, float]:
    """Means weighed by ``epochs``, each with its interval over subjects."""
    weights, subjects = part["epochs"].to_numpy(), part["subject"].to_numpy()
    row: dict[str, float] = {"epochs": int(weights.sum()), "subjects": len(np.unique(subjects))}
    for name in columns:
        values = part[name].to_numpy(dtype=np.float64)
        low, high = subject_interval(values, subjects, seed=0, weights=weights, limits=limits)
        row |= {name: float(np.average(values, weights=weights)), f"{name}_low": low, f"{name}_high": high}
    return row


def _by_stage(table: pd.DataFrame) -> pd.DataFrame:
    order = {**CODE, "all": len(STAGES)}
    return table.sort_values("stage", key=lambda stages: stages.map(order), kind="stable", ignore_index=True)
