"""What may be said of maps and of decisions: by paired intervals over subjects, corrected for the number of rows."""

import pandas as pd

from hypnolens.evaluation.comparison import holm
from hypnolens.explanations.alignment import LABELS, SHUFFLED, UNTRAINED
from hypnolens.explanations.maps import LAYER_IG

LEVEL = 0.05
"""Of a corrected p, below which something is said."""

SOURCES = {"true": "true (simulated)", "union": "expert-marked", "detected": "detected"}
"""Sources of events, the one that is read out first, and what it is called."""

NEEDED = (SHUFFLED + LAYER_IG, UNTRAINED)
"""Controls that a verdict needs."""


def map_verdicts(contrasts: pd.DataFrame, *, sign: bool) -> pd.DataFrame:
    """Do the default maps lie on events, more than maps that cannot know of them?

    They do where their area under the ROC curve is above that of the same maps of other epochs, above that of untrained
    networks, and above that of each network of shuffled labels. The p of a row is the greatest of these (an
    intersection-union test: Berger 1982, Technometrics 24, 295-300), and rows are corrected by Holm's method.

    Parameters
    ----------
    contrasts
        As `hypnolens.explanations.alignment.contrast_table` gives them.
    sign
        Whether of events in the stages whose sign they are, or in the others.

    Returns
    -------
    pandas.DataFrame
        A row for each stage and kind, of the source that `preferred` names: ``stage kind events p p_holm points
        amplitude``; ``points`` is true where they do, false where that is not shown, and NA where it cannot be judged;
        ``amplitude`` says how plain amplitude, of the whole signal or of the event's band, does beside them:
        ``better``, ``as well`` where it is not shown to be worse, or nothing.
    """
    chosen = contrasts[(contrasts["map"] == LAYER_IG) & (contrasts["sign"].astype(bool) == sign)]
    rows = []
    for (stage, kind), part in chosen.groupby(["stage", "kind"], sort=False):
        events = preferred(part["events"])
        of = part[part["events"] == events].set_index("control")
        against = of[of.index.isin(NEEDED) | of.index.str.startswith(LABELS)]
        p = against["p"].where(against["difference"] > 0, 1.0).where(against["p"].notna())
        known = set(NEEDED) <= set(against.index) and p.notna().all()
        plain = of[of.index.isin(["amplitude", "band amplitude"])]
        rows.append({
            "stage": stage, "kind": kind, "events": events, "p": p.max() if known else float("nan"),
            "amplitude": "better" if (plain["high"] < 0).any() else "as well" if (plain["low"] <= 0).any() else "",
        })  # fmt: skip
    return _judged(pd.DataFrame(rows, columns=["stage", "kind", "events", "p", "amplitude"]), "points")


def removal_verdicts(removal: pd.DataFrame) -> pd.DataFrame:
    """Does the decision follow an event more than as much energy of its band elsewhere in the epoch?

    Parameters
    ----------
    removal
        As `hypnolens.explanations.tables.removal_table` gives it.

    Returns
    -------
    pandas.DataFrame
        The rows of the source that `preferred` names, with ``p_holm`` and ``follows`` (true, false or NA).
    """
    parts = [
        part[part["source"] == preferred(part["source"])] for _, part in removal.groupby(["stage", "kind"], sort=False)
    ]
    chosen = pd.concat(parts, ignore_index=True) if parts else removal
    return _judged(chosen.assign(p=chosen["p"].where(~(chosen["difference"] <= 0), 1.0)), "follows")


def preferred(sources: pd.Series) -> str:
    """Which source is read out: one of `SOURCES`, as every recording has detected events or none at all."""
    return next((name for name in SOURCES if name in set(sources)), str(sources.iloc[0]))


def _judged(rows: pd.DataFrame, verdict: str) -> pd.DataFrame:
    known = rows["p"].notna()
    p_holm = pd.Series(float("nan"), index=rows.index)
    p_holm[known] = holm(rows.loc[known, "p"].to_numpy(dtype=float))
    return rows.assign(p_holm=p_holm, **{verdict: (p_holm < LEVEL).astype("boolean").where(known)})
