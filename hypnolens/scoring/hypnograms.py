"""Stages in the formats of other programs: EDF+ annotations, and the hypnogram of YASA."""

import unicodedata

import edfio
import numpy as np
import pandas as pd
import yasa

from hypnolens.recordings.vocabulary import TEXTS
from hypnolens.scoring.scored import Scored
from hypnolens.stages import EPOCH_S, STAGES

YEARS = (1985, 2084)
"""First and last year that an EDF header can hold: it has two digits for them."""

EQUIPMENT = 80 - len("Startdate 24-APR-1989 X X ")
"""Bytes that the recording field of an EDF+ header leaves for the equipment."""


def edf_hypnogram(scored: Scored) -> edfio.Edf:
    """An EDF+ file of annotations, one each epoch, unusable ones included as ``Sleep stage ?``.

    Its start is that of the recording, to the microsecond, so that onsets count from the recording's first sample. It
    has no date where the recording has none, or one that EDF cannot hold (only other formats have those). The field for
    the equipment names the model. Nothing of the patient is written.
    """
    start = scored.night.start
    dated = YEARS[0] <= start.year <= YEARS[1]
    return edfio.Edf(
        [],
        recording=edfio.Recording(startdate=start.date() if dated else None, equipment_code=_equipment(scored.model)),
        starttime=start.time(),
        annotations=[
            edfio.EdfAnnotation(round(float(onset), 6), float(EPOCH_S), TEXTS[code])
            for onset, code in zip(scored.onset_s, scored.stage, strict=True)
        ],
    )


def yasa_hypnogram(scored: Scored) -> yasa.Hypnogram:
    """The night as YASA has it: unusable epochs are ``UNS``, the model is the scorer.

    YASA wants probabilities of every epoch that add up to one, so that those of an unusable epoch are 1 for ``UNS`` and
    0 for the five stages, and there is a column ``UNS`` where an epoch is unusable. The start is that of the first
    epoch; there is none where the recording has no date, as YASA knows no time of day without one.
    """
    start = scored.night.start
    probability = pd.DataFrame(np.nan_to_num(scored.probability.astype(np.float64)), columns=list(STAGES))
    if not scored.usable.all():
        probability["UNS"] = (~scored.usable).astype(np.float64)
    return yasa.Hypnogram(
        [(*STAGES, "UNS")[code] for code in scored.stage],
        freq=f"{EPOCH_S}s",
        start=None if start.year == 1 else pd.Timestamp(start) + pd.Timedelta(seconds=round(scored.night.first_s, 6)),
        scorer=scored.model,
        proba=probability,
    )


def _equipment(model: str) -> str:
    """A name as a subfield of an EDF+ header: printable ASCII without spaces; of one too long, its two ends."""
    ascii_only = unicodedata.normalize("NFKD", model).encode("ascii", "ignore").decode()
    code = "".join(letter for letter in "_".join(ascii_only.split()) if letter.isprintable()) or "X"
    if len(code) <= EQUIPMENT:
        return code
    half = (EQUIPMENT - 3) // 2
    return f"{code[:half]}...{code[-half:]}"
