"""What measured explanations say, in sentences, each from its table: what is not shown is not said.

Verdicts rest on `hypnolens.explanations.verdicts`, so that no sentence goes by point estimates.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from hypnolens.evaluation.tables import interval_text, percent
from hypnolens.explanations.maps import GRAD_CAM, LAYER_IG
from hypnolens.explanations.verdicts import SOURCES, map_verdicts, preferred, removal_verdicts

PLURAL = {
    "spindle": "spindles", "k-complex": "K-complexes", "slow-wave": "slow waves", "alpha": "alpha bursts",
    "vertex": "vertex waves", "theta": "theta waves", "sawtooth": "sawtooth waves",
}  # fmt: skip
"""Kinds of events in words."""

FAILS = 0.5
"""A map of a random network that is as like the trained one's as this does not depend on what was learnt."""


SHOWN = (LAYER_IG, GRAD_CAM, "untrained", "band amplitude")
"""Maps that the page's table has; the file has all."""


def alignment_shown(alignment: pd.DataFrame) -> pd.DataFrame:
    """Rows of the table of alignment that the page shows: of the source that is read out, in stages of its sign."""
    return _read_out(alignment[alignment["map"].isin(SHOWN)])


def contrasts_shown(contrasts: pd.DataFrame) -> pd.DataFrame:
    """Rows of the table of contrasts that the page shows: of the default map, and as above."""
    rows = _read_out(contrasts[contrasts["map"] == LAYER_IG])
    return rows.rename(columns={"low": "difference_low", "high": "difference_high"})


def _read_out(table: pd.DataFrame) -> pd.DataFrame:
    chosen = table[table["sign"].astype(bool)]
    parts = [part[part["events"] == preferred(part["events"])]
             for _, part in chosen.groupby(["stage", "kind"], sort=False)]  # fmt: skip
    return pd.concat(parts) if parts else chosen


def on_events(alignment: pd.DataFrame, contrasts: pd.DataFrame) -> list[str]:
    """Do the default maps lie on the events that are signs of a stage?"""
    verdicts = map_verdicts(contrasts, sign=True)
    if verdicts.empty:
        return ["No event lies in an explained epoch whose sign it is, so that maps cannot be compared with any."]
    found = []
    for row in verdicts.to_dict("records"):
        rows = _maps_of(alignment, row)
        own, plain = rows[LAYER_IG], rows["band amplitude"]
        untrained = rows.get("untrained")
        said = "Too few subjects or controls: no verdict." if pd.isna(row["points"]) else (
            f"**The map points to them** (p {_p(row['p_holm'])})." if row["points"]
            else "**The map does not show that the network uses them.**"
        )  # fmt: skip
        by_chance = "" if untrained is None else f"; untrained networks: {percent(untrained['hit'])}"
        as_good = f" Plain amplitude does {row['amplitude']}." if row["amplitude"] and row["points"] is True else ""
        detects = f"{own['auroc']:.2f} (maps of other epochs: {rows[f'shuffled {LAYER_IG}']['auroc']:.2f}"
        detects += "" if untrained is None else f"; untrained networks: {untrained['auroc']:.2f}"
        found.append(
            f"{row['stage']}, {SOURCES.get(row['events'], row['events'])} {PLURAL[row['kind']]} ({own['epochs']:.0f} "
            f"epochs, {own['subjects']:.0f} subjects): the default map hits one in {percent(own['hit'])} "
            f"({percent(own['hit_low'])} to {percent(own['hit_high'])}) of epochs (a random place: "
            f"{percent(own['base'])}{by_chance}; Grad-CAM: {percent(rows[GRAD_CAM]['hit'])}; the amplitude of the "
            f"event's band: {percent(plain['hit'])}). As a detector it has an AUROC of {detects}; amplitude: "
            f"{max(plain['auroc'], rows['amplitude']['auroc']):.2f}). {said}{as_good}"
        )
    return found


def on_events_elsewhere(alignment: pd.DataFrame, contrasts: pd.DataFrame) -> list[str]:
    """Do they also follow an event in stages of which it is not typical?"""
    verdicts = map_verdicts(contrasts, sign=False)
    found = []
    for kind, part in verdicts[verdicts["points"].notna()].groupby("kind", sort=False):
        rows = [(row, _maps_of(alignment, row)[LAYER_IG]) for row in part.to_dict("records")]
        said = ", ".join(f"{row['stage']} {own['auroc']:.2f} ({own['epochs']:.0f} epochs)" for row, own in rows)
        drawn = " and ".join(row["stage"] for row, _ in rows if row["points"])
        verdict = (
            f"**in {drawn} the map lies on them too: it shows what stands out there**" if drawn
            else "that it goes to them there is not shown"
        )  # fmt: skip
        found.append(f"{PLURAL[str(kind)].capitalize()} in stages of which they are not typical, AUROC of the map: "
                     f"{said}; {verdict}.")  # fmt: skip
    return found


def on_faithfulness(faithfulness: pd.DataFrame) -> str:
    """Do the default maps order what matters to the network?"""
    (row,) = faithfulness.query(f"stage == 'all' and order == '{LAYER_IG}'").to_dict("records")
    lows, highs = ([row[f"{name}_gain_{end}"] for name in ("deletion", "insertion")] for end in ("low", "high"))
    if any(pd.isna(lows)):
        verdict = "one subject, no verdict"
    elif min(lows) > 0:
        verdict = "what the maps point to matters to it more than other places do"
    elif max(highs) < 0:
        verdict = "**the maps point to what matters to it less than other places**"
    else:
        verdict = "**that the maps order what matters to it is not shown**"
    return (
        f"Taking away first what the default map points to, instead of half seconds in a random order, lowers the area "
        f"under the probability of the stage by {row['deletion_gain']:.3f} ({_span(row, 'deletion_gain')}); putting it "
        f"back first raises it by {row['insertion_gain']:.3f} ({_span(row, 'insertion_gain')}): {verdict}."
    )


def on_spectrum(spectrum: pd.DataFrame) -> str:
    """Does the network go by the spectrum of an epoch or by its waveforms, above what the neighbours give?"""
    (row,) = spectrum.to_dict("records")
    known = not pd.isna(row["own_low"])
    if known and row["own_low"] <= 0:
        verdict = "**that the epoch's own signal matters beside its neighbours is not shown**"
    else:
        kept = f"of what the epoch itself adds, its spectrum alone keeps {percent(row['kept'])}"
        more = (
            "one subject, no verdict" if not known
            else "the spectrum is more than half of it; events are part of a spectrum" if row["half_low"] > 0
            else "waveforms, and where they lie, are more than half of it" if row["half_high"] < 0
            else "which of spectrum and waveforms is more of it cannot be told"
        )  # fmt: skip
        verdict = f"{kept}: {more}"
    return (
        f"The stage's probability is {row['whole']:.2f} for the whole epoch, {row['noise']:.2f} when noise of its "
        f"spectrum stands in its place, and {row['neighbours']:.2f} by its neighbours alone, which is the floor; "
        f"{verdict}."
    )


def on_removal(removal: pd.DataFrame) -> list[str]:
    """Does the decision follow the events?"""
    found = []
    for row in removal_verdicts(removal).to_dict("records"):
        if pd.isna(row["follows"]):
            verdict = "Too few subjects: no verdict."
        elif row["follows"]:
            verdict = f"The decision follows the event (p {_p(row['p_holm'])})."
        else:
            verdict = "**That the decision follows the event is not shown.**"
        found.append(
            f"Without its {PLURAL[row['kind']]} an epoch of {row['stage']} loses {row['at_event']:.2f} of its "
            f"log-odds. With equal energy taken from their band ({percent(row['matched'])} of theirs), "
            f"{row['matched_at_event']:.2f} at the events and {row['matched_elsewhere']:.2f} at all other places "
            f"(difference {row['difference']:.2f}; {_span(row, 'difference')}). The map's share there goes from "
            f"{percent(row['share_before'])} to {percent(row['share_after'])}. {verdict}"
        )
    return found


def on_sanity(sanity: pd.DataFrame) -> list[str]:
    """Do maps depend on what the network has learnt, and move with the signal?"""
    compared = sanity[(sanity["check"] == "labels") | ((sanity["check"] == "parameters") & (sanity["level"] == "stem"))]
    found = []
    for (check, level), rows in compared.groupby(["check", "level"], sort=False):
        other = "a network all of whose parameters are random" if check == "parameters" else f"'{level}'"
        alike = dict(zip(rows["method"], rows["similarity"], strict=True))
        failing = [method for method, value in alike.items() if value > FAILS]
        said = ", ".join(f"{method} {value:.2f}" for method, value in alike.items())
        verdict = f"**{', '.join(failing)} fails this check**" if failing else "none stays as it was"
        found.append(f"Rank correlation of the maps with those of {other}: {said}; {verdict}.")
    if "labels" not in set(sanity["check"]):
        found.append("Not compared with a network of shuffled labels: no experiment here is one (`shuffle_labels`).")
    shift = sanity[(sanity["check"] == "shift") & (sanity["method"] == LAYER_IG)]
    said = ", ".join(f"{row['similarity']:.2f} for {row['level']} s" for row in shift.to_dict("records"))
    moving = ", ".join(shift["level"][shift["similarity"] < FAILS])
    verdict = f"**shifts of {moving} s change it**" if moving else "it moves along"
    return [*found, f"Shifted in time and back, the default map's rank correlation with itself is {said}: {verdict}."]


def _maps_of(alignment: pd.DataFrame, row: Mapping[Any, Any]) -> dict[str, Any]:
    """Rows of the table of alignment by map, of the stage, kind and source of a verdict."""
    same = (alignment[["stage", "kind", "events"]] == [row["stage"], row["kind"], row["events"]]).all(axis=1)
    return {of_map["map"]: of_map for of_map in alignment[same].to_dict("records")}


def _p(p: float) -> str:
    return "below 0.001" if p < 0.001 else f"{p:.3f}"


def _span(row: Mapping[Any, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "one subject" if pd.isna(low) else interval_text(low, high)
