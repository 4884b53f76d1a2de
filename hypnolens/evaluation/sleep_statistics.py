"""Sleep statistics of a night, as a sleep laboratory reports them, and how far those of predicted stages agree.

YASA makes them (Vallat & Walker 2021, eLife 10, e70092), by the rules of the AASM manual. It wants a hypnogram without
gaps; positions of the 30-s grid without an epoch are ``UNS`` there, unscored: they are part of the time in bed and of
the sleep period, and neither sleep nor wake.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, time

import numpy as np
import pandas as pd
import yasa
from scipy.special import stdtrit

from hypnolens.errors import HypnolensError
from hypnolens.evaluation.metrics import subject_interval
from hypnolens.stages import EPOCH_S, STAGES

ASLEEP = tuple(stage for stage in STAGES if stage != "W")

UNITS = {
    "tib_min": "min",
    "unscored_min": "min",
    "tst_min": "min",
    "se_percent": "%",
    "spt_min": "min",
    "sme_percent": "%",
    "waso_min": "min",
    "waso_aasm_min": "min",
    "sol_min": "min",
    "rem_latency_min": "min",
    **{f"lat_{stage}_min": "min" for stage in ASLEEP},
    **{f"{stage}_min": "min" for stage in STAGES},
    **{f"{stage}_percent": "%" for stage in ASLEEP},
}
"""What `sleep_statistics` gives, and in which unit:

- ``tib_min``: time in bed, the whole span; ``unscored_min``: positions of it without an epoch;
- ``tst_min``: total sleep time; ``se_percent``: sleep efficiency, its part of the time in bed;
- ``spt_min``: sleep period, from the first epoch of sleep to the last; ``sme_percent``: sleep maintenance efficiency,
  the part of it asleep; ``waso_min``: wake in it, which YASA and most software call wake after sleep onset;
- ``waso_aasm_min``: wake from sleep onset to the end of the span, as the AASM manual defines it;
- ``sol_min``: sleep onset latency, from the start of the span to the first epoch of sleep;
- ``rem_latency_min``: from the first epoch of sleep to the first of REM, as the AASM manual defines it;
- ``lat_N1_min`` to ``lat_R_min``: from the start of the span to the first epoch of a stage;
- ``W_min`` to ``R_min``: minutes of each stage; ``N1_percent`` to ``R_percent``: per cent of the total sleep time.
"""

FIXED = ("tib_min", "unscored_min")
"""What the span alone settles, and no stage."""

BY_TRIMMING = {
    "begin": ("sol_min", *(f"lat_{stage}_min" for stage in ASLEEP)), "end": ("waso_aasm_min",), "both": ("se_percent",),
}  # fmt: skip
"""What depends on where the night begins or ends: of a night whose wake was trimmed to so many minutes and whose lights
are not known, it would tell of the trimming."""

DAY_S, EARLIEST_S = 86_400, 6 * 3_600
"""Seconds of a day, and how long before the start of a recording the lights may have gone off."""

SPANS = {
    (True, True): "lights off to lights on",
    (True, False): "lights off to last kept epoch",
    (False, True): "first kept epoch to lights on",
    (False, False): "first to last kept epoch",
}
"""Names of the span of a recording, by whether its lights off and its lights on are known."""

FROM_YASA = {
    "sme_percent": "SME",  # codespell:ignore
    "tib_min": "TIB", "tst_min": "TST", "se_percent": "SE", "spt_min": "SPT", "waso_min": "WASO", "sol_min": "SOL",
    "W_min": "WAKE", "N1_min": "N1", "N2_min": "N2", "N3_min": "N3", "R_min": "REM",
    "N1_percent": "%N1", "N2_percent": "%N2", "N3_percent": "%N3", "R_percent": "%REM", "lat_R_min": "Lat_REM",
}  # fmt: skip
"""Names here and in YASA."""


def sleep_statistics(
    stages: Sequence[str], epoch_index: np.ndarray, *, span: tuple[int, int] | None = None
) -> dict[str, float]:
    """Sleep statistics of one hypnogram.

    Parameters
    ----------
    stages
        Stage of each epoch, of `hypnolens.stages.STAGES`.
    epoch_index
        Position of each epoch on the recording's grid of 30-s epochs, int ``(n,)``.
    span
        First position, and the one after the last, of the time in bed; they may lie before the first epoch and after
        the last. From the first epoch to the last by default. Epochs outside do not count.

    Returns
    -------
    dict
        A value for each of `UNITS`, in this unit. NaN where it is undefined: the latency of a stage that does not
        occur, per cents of no sleep, all of a night without sleep but its time in bed, minutes (0) and efficiency (0),
        and all but `FIXED` where no epoch lies in the span.
    """
    index = np.asarray(epoch_index, dtype=np.int64)
    if span is None:
        span = (int(index.min()), int(index.max()) + 1) if len(index) else (0, 0)
    first, last = span
    night = np.full(max(0, last - first), "UNS", dtype=object)
    inside = (index >= first) & (index < last)
    night[index[inside] - first] = np.asarray(stages, dtype=object)[inside]
    minute = 60 / EPOCH_S
    fixed = {"tib_min": len(night) / minute, "unscored_min": float(np.sum(night == "UNS")) / minute}
    if not inside.any():  # YASA refuses a night without a position, and calls one without an epoch sleepless
        return dict.fromkeys(UNITS, float("nan")) | fixed
    found = yasa.Hypnogram(night, n_stages=5, freq=f"{EPOCH_S}s").sleep_statistics()
    values = {name: float(found[theirs]) for name, theirs in FROM_YASA.items()} | fixed
    onset = round(values["sol_min"] * minute) if np.isfinite(values["sol_min"]) else None
    values["waso_aasm_min"] = float("nan") if onset is None else float(np.sum(night[onset:] == "W")) / minute
    values["rem_latency_min"] = values["lat_R_min"] - values["sol_min"]
    for stage in ASLEEP[:-1]:  # YASA knows the latency of REM only
        places = np.flatnonzero(night == stage)
        values[f"lat_{stage}_min"] = float(places[0]) / minute if len(places) else float("nan")
    return {name: values[name] for name in UNITS}


def statistics_table(
    predictions: pd.DataFrame, lights: Mapping[str, tuple[float | None, float | None]], *, trimmed: bool = False
) -> pd.DataFrame:
    """Sleep statistics of each recording, of the expert's stages and of the predicted ones.

    The span of a recording reaches from lights off to lights on as far as they are known, and else from the first or to
    the last kept epoch; `SPANS` names it. Lights off, and on, are moved to the nearest border between epochs. What lies
    within the span and was not kept stays unscored and is not guessed. That includes wake between lights off
    and the first kept epoch, where epochs were trimmed to so many minutes around sleep: it counts for the time in bed
    and for latencies, but not for the minutes of wake, and no prediction could call it sleep. ``unscored_min`` says how
    much it is. What depends on a beginning or an end that is unknown and was trimmed is left out, see `BY_TRIMMING`.

    Parameters
    ----------
    predictions
        As `hypnolens.evaluation.predictions.read_predictions` gives them.
    lights
        Lights off and lights on of each recording, seconds from the start of the recording; `None` where one is
        unknown. Of a recording that is not named both are.
    trimmed
        Whether wake around sleep was trimmed.

    Returns
    -------
    pandas.DataFrame
        A line a recording and statistic of `UNITS` but ``unscored_min``, which is a column. Columns ``recording subject
        span unscored_min statistic unit true predicted``.

    Raises
    ------
    HypnolensError
        The lights of a recording go on before they go off.
    """
    rows = []
    for (recording, subject), night in predictions.groupby(["recording", "subject"], sort=True):
        off, on = lights.get(str(recording), (None, None))
        span, name = _span(night, off, on)
        unknown = {"begin": off is None, "end": on is None, "both": off is None or on is None}
        of_trimming = [name for end, names in BY_TRIMMING.items() if trimmed and unknown[end] for name in names]
        left_out = dict.fromkeys(of_trimming, float("nan"))
        index = night["epoch_index"].to_numpy()
        true, predicted = (
            sleep_statistics(list(night[column]), index, span=span) | left_out
            for column in ("stage_true", "stage_pred")
        )
        same = {"recording": recording, "subject": subject, "span": name, "unscored_min": true["unscored_min"]}
        rows += [
            {**same, "statistic": statistic, "unit": unit, "true": true[statistic], "predicted": predicted[statistic]}
            for statistic, unit in UNITS.items()
            if statistic != "unscored_min"
        ]
    return pd.DataFrame(rows).round(4)


def agreement_table(statistics: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """How far statistics of predicted stages are from the expert's (Bland & Altman 1986, The Lancet 327, 307-310).

    Parameters
    ----------
    statistics
        As `statistics_table` gives them.
    seed
        Seed of the bootstrap of subjects.

    Returns
    -------
    pandas.DataFrame
        A line a statistic of `UNITS` but `FIXED`. Columns:

        - ``statistic unit``;
        - ``n``: recordings in which both are defined; ``only_true``, ``only_predicted``: in which one of them alone
          is, such as the REM latency of a night of which no epoch was predicted as REM. They have no difference, and
          limits are too narrow by what they hide;
        - ``bias``: mean of predicted minus true, ``bias_low bias_high`` its 95 % interval over subjects;
        - ``sd``: standard deviation of the difference of one more night of one more subject, nights of a subject
          taken together (Bland & Altman 2007, Journal of Biopharmaceutical Statistics 17, 571-582): the root of the
          variances between and within subjects; ``loa_low loa_high``: limits of agreement, the bias minus and plus
          1.96 of it, each with its own 95 % interval ``_low`` and ``_high``.

        What is undefined is NaN: the bias of no recording, the rest of one.
    """
    rows = []
    for statistic, unit in UNITS.items():
        if statistic in FIXED:
            continue
        part = statistics[statistics["statistic"] == statistic]
        has_true, has_predicted = part["true"].notna(), part["predicted"].notna()
        both = part[has_true & has_predicted]
        difference = (both["predicted"] - both["true"]).to_numpy(dtype=np.float64)
        n = len(difference)
        bias = float(difference.mean()) if n else float("nan")
        low, high = subject_interval(difference, both["subject"].to_numpy(), seed=seed)
        sd, reach = _deviation(difference, both["subject"].to_numpy(), of_bias=(high - low) / 2)
        limits = {"loa_low": bias - 1.96 * sd, "loa_high": bias + 1.96 * sd}
        rows.append({
            "statistic": statistic, "unit": unit, "n": n, "only_true": int((has_true & ~has_predicted).sum()),
            "only_predicted": int((has_predicted & ~has_true).sum()), "bias": bias, "bias_low": low, "bias_high": high,
            "sd": sd,
            **{f"{name}{end}": value + sign * reach
               for name, value in limits.items() for end, sign in (("", 0), ("_low", -1), ("_high", 1)) },
        })  # fmt: skip
    return pd.DataFrame(rows).round(4)


def _deviation(differences: np.ndarray, subjects: np.ndarray, *, of_bias: float) -> tuple[float, float]:
    """Standard deviation of one difference of one more subject, and how far its limits of agreement reach (95 %).

    Variances between and within subjects are those of a one-way analysis of variance with random subjects. The error of
    a limit is that of the bias, whose half interval is ``of_bias``, and of 1.96 standard deviations, whose degrees of
    freedom are Satterthwaite's.
    """
    names, of, nights = np.unique(subjects, return_inverse=True, return_counts=True)
    n, n_subjects = len(differences), len(names)
    if n < 2:
        return float("nan"), float("nan")
    if n_subjects < 2:  # nothing is known of other subjects
        return float(differences.std(ddof=1)), float("nan")
    means = np.bincount(of, weights=differences) / nights
    between = float((nights * (means - differences.mean()) ** 2).sum()) / (n_subjects - 1)
    more = n > n_subjects
    within = float(((differences - means[of]) ** 2).sum()) / (n - n_subjects) if more else 0.0
    per_subject = (n - float((nights**2).sum()) / n) / (n_subjects - 1)
    of_between, of_within = between / per_subject, within * (1 - 1 / per_subject)
    if between < within:  # no more than chance makes of one kind of night
        of_between, of_within = 0.0, within
    variance = of_between + of_within
    parts = of_between**2 / (n_subjects - 1) + (of_within**2 / (n - n_subjects) if more else 0.0)
    if not parts > 0:
        return 0.0, of_bias
    t = float(stdtrit(n_subjects - 1, 0.975))
    error = 1.96 * (parts / (2 * variance)) ** 0.5  # of a standard deviation with variance**2 / parts degrees
    return float(variance**0.5), float(((of_bias / t) ** 2 + error**2) ** 0.5 * t)


def seconds_after(start: str, clock: str) -> float:
    """Seconds from the start of a recording to a time of day, such as that at which the lights went off.

    Tables give no date. The time meant is the one from 6 h before the start to 18 h after it: a recording may begin in
    the afternoon, and the lights may have gone off before it began.

    Parameters
    ----------
    start
        Date and time of the start, ISO 8601, as `hypnolens.recordings.epochs.Epochs.start_time`.
    clock
        Time of day, ``HH:MM:SS`` or ``HH:MM``.
    """
    begun = datetime.fromisoformat(start).replace(tzinfo=None)
    after = (datetime.combine(begun.date(), time.fromisoformat(clock)) - begun).total_seconds()
    return (after + EARLIEST_S) % DAY_S - EARLIEST_S


def _span(night: pd.DataFrame, off_s: float | None, on_s: float | None) -> tuple[tuple[int, int], str]:
    """First position and the one after the last of a recording's time in bed, and what to call it."""
    index, onset = night["epoch_index"].to_numpy(), night["onset_s"].to_numpy()
    grid_s = float(onset[0] - EPOCH_S * index[0])  # where the grid begins in the recording
    if off_s is not None and on_s is not None and on_s <= off_s:
        raise HypnolensError(
            f"{night['recording'].iloc[0]}: lights on ({on_s:g} s) are not after lights off ({off_s:g} s)"
        )
    first = int(index.min()) if off_s is None else int(np.floor((off_s - grid_s) / EPOCH_S + 0.5))
    last = int(index.max()) + 1 if on_s is None else int(np.floor((on_s - grid_s) / EPOCH_S + 0.5))
    return (first, last), SPANS[off_s is not None, on_s is not None]
