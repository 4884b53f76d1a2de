"""What there is to say of a scored night: ``NAME.json``, and what ``hypnolens score --json`` prints."""

from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, cast

import numpy as np

from hypnolens import __version__
from hypnolens.evaluation.metrics import confusion_matrix, scores, without_nan
from hypnolens.scoring.classes import counted
from hypnolens.scoring.names import file_names
from hypnolens.scoring.night_statistics import span_name, statistics_of, with_latencies
from hypnolens.scoring.scored import Night, Scored
from hypnolens.stages import EPOCH_S, STAGES, UNSCORED


def summary(scored: Scored, *, page: bool = True, reasons: bool = False) -> dict[str, Any]:
    """A night in numbers, texts, lists and dictionaries, as JSON has them; `None` for NaN.

    - ``hypnolens``: version; ``name``; ``models``: names of what staged; ``caution``: what their maker warns of;
      ``stager``: ``trained_on licence citation needs``, of it; ``warnings`` and ``notes``, in sentences;
    - ``file sha256 place channels rate_hz model_rate_hz``: what was read, a checksum of where it is, the channels, at
      which rate they are, and at which they were staged;
    - ``start_date start_time``: of the first sample; `None` where the file does not say;
    - ``first_s``: seconds from the first sample to the first epoch; ``lights_off_s lights_on_s``, from the first sample
      too, and ``lights_off lights_on``, times of day;
    - ``n_epochs``; ``minutes``: of each stage, and ``unusable``, in the whole recording;
    - ``statistics``: as `hypnolens.scoring.night_statistics.with_latencies` gives them, within ``statistics_span``;
      ``transitions``: counts, by the stage from and the stage to;
    - ``review``: ``below``, the confidence, and ``epochs``: ``epoch`` (counted from 1), ``onset_s stage confidence``;
    - ``unusable``: stretches, ``first_epoch last_epoch onset_s duration_s reason``;
    - ``human``: `None`, or the agreement with the human stages, over the ``n_epochs`` that both scored: ``accuracy
      kappa macro_f1``, ``f1`` by stage; and the ``statistics`` of the human stages;
    - ``classes``: `None`, or ``minutes`` of each and the agreement with the human stages, as ``human``;
    - ``files``: names of the files of `hypnolens.scoring.outputs.write_outputs`, by kind, with ``page`` and ``reasons``
      or without; ``made_from``: see `hypnolens.scoring.complete`.
    """
    night, onset, confidence = scored.night, scored.onset_s, scored.confidence
    off, on = night.lights
    counts = np.bincount(scored.stage, minlength=len(STAGES) + 1) * EPOCH_S / 60
    result = {
        "hypnolens": __version__,
        "name": night.name,
        "models": list(scored.models),
        "caution": scored.caution,
        "stager": {key: getattr(scored.card, key) for key in ("trained_on", "licence", "citation", "needs")},
        "warnings": list(scored.warnings),
        "notes": list(night.notes),
        "file": night.source,
        "sha256": night.sha256,
        "place": night.place,
        "channels": list(night.channels),
        "rate_hz": float(night.rate),
        "model_rate_hz": float(scored.rate),
        "start_date": None if night.start.year == 1 else night.start.date().isoformat(),
        "start_time": night.start.time().isoformat() if has_clock(night) else None,
        "first_s": round(float(night.first_s), 6),
        "lights_off_s": None if off is None else float(off),
        "lights_on_s": None if on is None else float(on),
        "lights_off": None if off is None or not has_clock(night) else clock(night.start, off),
        "lights_on": None if on is None or not has_clock(night) else clock(night.start, on),
        "n_epochs": scored.n_epochs,
        "minutes": dict(zip((*STAGES, "unusable"), map(float, counts), strict=True)),
        "statistics_span": span_name(night.lights),
        "statistics": _rounded(with_latencies(scored.statistics)),
        "transitions": {
            stage: {to: int(scored.transitions.loc[stage, to]) for to in STAGES}  # type: ignore[arg-type]
            for stage in STAGES
        },
        "review": {
            "below": float(scored.below),
            "epochs": [
                {
                    "epoch": int(place) + 1,
                    "onset_s": round(float(onset[place]), 6),
                    "stage": STAGES[scored.stage[place]],
                    "confidence": round(float(confidence[place]), 6),
                }
                for place in scored.review
            ],
        },
        "unusable": _stretches(scored),
        "human": None if night.human is None else _human(scored, night.human),
        "classes": counted(scored, scored.classes) if scored.classes else None,
        "files": file_names(night.name, page=page, reasons=reasons),
        "made_from": scored.made_from,
    }
    return cast(dict[str, Any], without_nan(result))


def has_clock(night: Night) -> bool:
    """Whether the time of day of the first sample is known: midnight of no day is what files have that hide it."""
    return night.start.replace(tzinfo=None) != datetime.min


def clock(start: datetime, seconds: float) -> str:
    """Time of day so many seconds after the start, ``HH:MM:SS``, with microseconds where there are any."""
    day = start.replace(year=2000, tzinfo=None)  # before the year 1 there is no day, and lights may go off before
    return (day + timedelta(seconds=round(float(seconds), 6))).time().isoformat()


def _human(scored: Scored, human: np.ndarray) -> dict[str, Any]:
    both = scored.usable & (human < len(STAGES))
    found = {name: float(value) for name, value in scores(confusion_matrix(human[both], scored.stage[both])).items()}
    if not both.any():
        found = dict.fromkeys(found, float("nan"))
    statistics, _ = statistics_of(human, first_s=scored.night.first_s, lights=scored.night.lights)
    return {
        "n_epochs": int(both.sum()),
        **_rounded({name: found[name] for name in ("accuracy", "kappa", "macro_f1")}),
        "f1": _rounded({stage: found[f"f1_{stage}"] for stage in STAGES}),
        "statistics": _rounded(with_latencies(statistics)),
    }


def _stretches(scored: Scored) -> list[dict[str, Any]]:
    """Consecutive unusable epochs with one reason."""
    bad = np.flatnonzero(scored.stage == UNSCORED)
    groups = groupby(enumerate(bad), key=lambda entry: (entry[1] - entry[0], scored.unusable[entry[1]]))
    stretches = []
    for (_, reason), members in groups:
        places = [int(place) for _, place in members]
        stretches.append(
            {
                "first_epoch": places[0] + 1,
                "last_epoch": places[-1] + 1,
                "onset_s": round(float(scored.onset_s[places[0]]), 6),
                "duration_s": float(EPOCH_S * len(places)),
                "reason": reason,
            }
        )
    return stretches


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in values.items()}
