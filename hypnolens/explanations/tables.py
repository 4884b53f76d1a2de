"""Tables of measured explanations, with intervals over subjects."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from hypnolens.bands import BANDS_HZ
from hypnolens.errors import HypnolensError
from hypnolens.evaluation.metrics import RATIO, SHARE, paired_difference, subject_interval
from hypnolens.evaluation.predictions import codes
from hypnolens.explanations.maps import ABSENT, RecordingMaps, neighbours_part
from hypnolens.stages import CODE, STAGES


def faithfulness_table(curves: pd.DataFrame) -> pd.DataFrame:
    """Areas under deletion and insertion curves by stage and for all stages, a row each order.

    ``deletion_gain`` is the area of the random order minus that of the order, and ``insertion_gain`` the other way
    round, so that both are above 0 where the order is a better one: means over the same epochs, with 95 % intervals
    over subjects.

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
    keys, areas = ["recording", "subject", "stage", "order", "epochs"], ["deletion", "insertion"]
    table = pd.DataFrame([
        {**dict(zip(keys, key, strict=True)), **{name: np.trapezoid(part[name], part["step"]) for name in areas}}
        for key, part in curves.groupby(keys, sort=False)
    ])  # fmt: skip
    chance = table[table["order"] == "random"].set_index(["recording", "stage"])[areas].add_suffix("_chance")
    table = table.join(chance, on=["recording", "stage"])
    table["deletion_gain"] = table["deletion_chance"] - table["deletion"]
    table["insertion_gain"] = table["insertion"] - table["insertion_chance"]
    rows = []
    for (stage, order), part in pd.concat([table, table.assign(stage="all")]).groupby(["stage", "order"], sort=False):
        gains = _means(part, [f"{name}_gain" for name in areas])
        rows.append({"stage": stage, "order": order, **_means(part, areas, limits=SHARE), **gains})
    return _by_stage(pd.DataFrame(rows)).round(4)


def spectrum_table(curves: pd.DataFrame) -> pd.DataFrame:
    """What is left of a stage's probability when the epoch is noise of its own spectrum, above what neighbours give.

    Returns
    -------
    pandas.DataFrame
        One row: ``epochs subjects``; the probability of the stage of the ``whole`` epoch, of ``noise`` of its spectrum
        in its place, and where it is absent (``neighbours``); ``own``, the whole minus absent; ``half``, noise minus
        the middle of the others, which is above 0 where more than half of its own is kept. Each with its 95 % interval
        over subjects. ``kept`` is that share, noise minus absent of own; below 0 where noise speaks against the stage.
    """
    ends = curves[curves["order"].isin(["random", ABSENT])]
    keys = ["recording", "subject", "stage", "epochs"]
    places = {"whole": ("random", ends["step"].min()), "noise": ("random", ends["step"].max()),
              "neighbours": (ABSENT, ends["step"].max())}  # fmt: skip
    series = {
        name: ends[(ends["order"] == order) & (ends["step"] == step)].set_index(keys)["deletion"]
        for name, (order, step) in places.items()
    }
    table = pd.DataFrame(series).reset_index()
    table["own"] = table["whole"] - table["neighbours"]
    table["half"] = table["noise"] - (table["whole"] + table["neighbours"]) / 2
    row = {**_means(table, ("whole", "noise", "neighbours"), limits=SHARE), **_means(table, ("own", "half"))}
    with np.errstate(invalid="ignore", divide="ignore"):
        row["kept"] = float(np.float64(row["half"]) / row["own"] + 0.5)
    return pd.DataFrame([row]).round(4)


def curve_table(curves: pd.DataFrame) -> pd.DataFrame:
    """Mean deletion and insertion curves over all epochs: ``order step epochs deletion insertion``."""
    rows = [
        {"order": order, "step": step, **_means(part, ("deletion", "insertion"), limits=SHARE)}
        for (order, step), part in curves.groupby(["order", "step"], sort=False)
    ]
    return pd.DataFrame(rows).round(4)


def removal_table(removal: pd.DataFrame) -> pd.DataFrame:
    """What removing events costs the stage, beside removing the same energy elsewhere, and whether the map follows.

    ``difference``: the log-odds lost at the events minus those lost elsewhere, energies being equal, with its interval
    and two-sided ``p`` over subjects (`hypnolens.evaluation.metrics.paired_difference`).
    """
    losses = ("at_event", "matched_at_event", "matched_elsewhere")
    shares = ("matched", "share_before", "share_after", "cover")
    rows = []
    for key, part in removal.assign(epochs=1).groupby(["source", "stage", "kind"], sort=True):
        differences = (part["matched_at_event"] - part["matched_elsewhere"]).to_numpy()
        found = paired_difference(differences, part["subject"].to_numpy(), seed=0)
        rows.append({
            "source": key[0], "stage": key[1], "kind": key[2], **_means(part, losses),
            **_means(part, shares, limits=SHARE), "difference": found.difference, "difference_low": found.low,
            "difference_high": found.high, "p": found.p,
        })  # fmt: skip
    names = [f"{name}{end}" for name in (*losses, *shares, "difference") for end in ("", "_low", "_high")]
    table = pd.DataFrame(rows, columns=["source", "stage", "kind", "epochs", "subjects", *names, "p"])
    return table.round(dict.fromkeys(names, 4))


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
                rows.append(
                    {"method": method, "stage": stage, "band": band, **_means(known, ("preference",), limits=RATIO)}
                )
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
