"""Stages as task events of BIDS, version 1.10 (Gorgolewski et al. 2016, Scientific Data 3, 160044): a table and its
description.

Of the specification's rules of tabular files, these matter here: ``onset`` and ``duration`` come first; what is missing
is ``n/a``; names of columns are in snake case; each column is described in a file of the same name in JSON.
"""

from typing import Any

import numpy as np
import pandas as pd

from hypnolens import __version__
from hypnolens.scoring.scored import Scored
from hypnolens.stages import EPOCH_S, MOVEMENT, STAGES, UNSCORED

LEVELS = {
    "W": "Wakefulness",
    "N1": "Non-REM sleep, stage N1",
    "N2": "Non-REM sleep, stage N2",
    "N3": "Non-REM sleep, stage N3",
    "R": "REM sleep",
}
"""Stages of the AASM manual in words."""

VALUES = {**dict(enumerate(STAGES)), UNSCORED: None, MOVEMENT: "MT"}
"""Codes of stages as they are written; unscored ones are missing values."""


def events(scored: Scored) -> pd.DataFrame:
    """An event each epoch, usable or not; what is missing is NaN or `None`, to be written as ``n/a``.

    Columns: ``onset duration trial_type confidence p_w p_n1 p_n2 p_n3 p_r review unusable model``, and before the last
    one ``human`` where there are human stages.
    """
    probability = np.round(scored.probability.astype(np.float64), 6)
    review = np.isin(np.arange(scored.n_epochs), scored.review)
    table: dict[str, Any] = {
        "onset": np.round(scored.onset_s, 6),
        "duration": float(EPOCH_S),
        "trial_type": _named(scored.stage),
        "confidence": np.round(scored.confidence.astype(np.float64), 6),
        **{f"p_{stage.lower()}": probability[:, code] for code, stage in enumerate(STAGES)},
        "review": [
            ("yes" if low else "no") if known else None for low, known in zip(review, scored.usable, strict=True)
        ],
        "unusable": [reason or None for reason in scored.unusable],
    }
    if scored.night.human is not None:
        table["human"] = _named(scored.night.human)
    return pd.DataFrame({**table, "model": scored.model}, index=range(scored.n_epochs))


def description(scored: Scored) -> dict[str, Any]:
    """What the columns of `events` mean.

    What made them stands at the column ``model``: the specification keeps ``GeneratedBy`` for the description of a
    dataset, and validators before 2.0 refuse it here.
    """
    stagers = ", ".join(scored.models)
    columns: dict[str, Any] = {
        "onset": {
            "Description": "Start of the epoch, from the first sample of the recording",
            "Units": "s",
        },
        "duration": {"Description": "Length of the epoch", "Units": "s"},
        "trial_type": {
            "LongName": "Sleep stage",
            "Description": "Most probable stage by the AASM manual; n/a where the signal is unusable",
            "Levels": LEVELS,
        },
        "confidence": {"Description": "Probability of the stage in trial_type, from 0 to 1"},
        **{f"p_{stage.lower()}": {"Description": f"Probability of stage {stage}, from 0 to 1"} for stage in STAGES},
        "review": {
            "Description": f"Whether the confidence is below {scored.below:g}, so that a person should look",
            "Levels": {"yes": "Low confidence", "no": "Confidence as high as that or higher"},
        },
        "unusable": {"Description": "Why the epoch has no stage; n/a where it has one"},
    }
    if scored.night.human is not None:
        columns["human"] = {
            "LongName": "Human sleep stage",
            "Description": "Stage in the hypnogram that came with the recording; n/a where unscored",
            "Levels": {**LEVELS, "MT": "Movement time"},
        }
    columns["model"] = {
        "LongName": "Model that staged",
        "Description": f"hypnolens {__version__}, stages by: {stagers}; trained on {scored.card.trained_on}; cite "
        f"{scored.card.citation}",
        "Levels": {scored.model: scored.caution or "No caution by its maker"},
    }
    return columns


def _named(codes: np.ndarray) -> list[str | None]:
    return [VALUES[int(code)] for code in codes]
