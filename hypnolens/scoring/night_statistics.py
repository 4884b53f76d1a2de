"""Sleep statistics of one scored night: those of `evaluation.sleep_statistics`, from lights off to lights on.

The paper's table takes lights that are not known from the kept epochs. A night that is scored as a whole has no kept
epochs, only usable ones, so that its own first and last epoch stand in for them.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import yasa

from hypnolens.errors import HypnolensError
from hypnolens.evaluation.sleep_statistics import ASLEEP, UNITS, sleep_statistics
from hypnolens.stages import EPOCH_S, STAGES

LATENCIES = {f"{stage}_latency_min": stage for stage in ASLEEP if stage != "R"}
"""Latencies from sleep onset that `UNITS` has not: those of N1, N2 and N3, beside its ``rem_latency_min``."""

YASA = dict(zip(("WAKE", "N1", "N2", "N3", "REM", "UNS"), (*STAGES, "?"), strict=True))
"""YASA's names of the stages, in the order of their codes and of `hypnolens.stages.UNSCORED`, and ours."""

SPANS = {
    (True, True): "lights off to lights on",
    (True, False): "lights off to end of recording",
    (False, True): "start of recording to lights on",
    (False, False): "whole recording",
}
"""What statistics are of, by whether lights off and lights on are known."""


def statistics_of(
    stage: np.ndarray, *, first_s: float, lights: tuple[float | None, float | None]
) -> tuple[dict[str, float], pd.DataFrame]:
    """Sleep statistics and transitions of a night, from lights off to lights on.

    Lights off, and on, are moved to the nearest border between epochs. Where one is unknown, the night begins with its
    first epoch or ends with its last, whether or not they are scored. Lights off before the recording, and on after it,
    lengthen the time in bed by what nobody recorded: it is unscored.

    Parameters
    ----------
    stage
        Codes of every epoch, int ``(n_epochs,)``: 0-4; all others, such as `hypnolens.stages.UNSCORED` and
        `hypnolens.stages.MOVEMENT`, count as unscored.
    first_s
        Seconds from the first sample to the first epoch.
    lights
        Lights off and lights on in seconds from the first sample, `None` where unknown.

    Returns
    -------
    statistics
        A value for each of `hypnolens.evaluation.sleep_statistics.UNITS`, NaN where undefined, see
        `hypnolens.evaluation.sleep_statistics.sleep_statistics`.
    transitions
        Counts of what follows what, int64 ``(5, 5)``: rows from, columns to, in the order of
        `hypnolens.stages.STAGES`. Only of epochs that lie side by side, are both scored, and both from lights off to
        lights on; a stage that goes on is counted too.

    Raises
    ------
    HypnolensError
        The lights go on before they go off.
    """
    stage = np.asarray(stage)
    first, last = span_of(len(stage), first_s=first_s, lights=lights)
    scored = np.flatnonzero(stage < len(STAGES))
    values = sleep_statistics([STAGES[code] for code in stage[scored]], scored, span=(first, last))
    inside = np.minimum(stage[max(first, 0) : max(last, 0)], len(STAGES))
    theirs = list(YASA)
    if len(inside):  # YASA has rows and columns of those that occur only
        counts = yasa.Hypnogram([theirs[code] for code in inside]).transition_matrix()[0]
    else:
        counts = pd.DataFrame(index=[], columns=[])
    counts = counts.reindex(index=theirs, columns=theirs, fill_value=0).astype(np.int64)
    counts = counts.rename(index=YASA, columns=YASA).loc[list(STAGES), list(STAGES)]
    return values, counts.rename_axis(index="from", columns="to")


def span_of(n_epochs: int, *, first_s: float, lights: tuple[float | None, float | None]) -> tuple[int, int]:
    """Position of the first epoch after lights off, and of the one after the last before lights on.

    They may lie outside of ``range(n_epochs)``. Parameters, and what is raised, are those of `statistics_of`.
    """
    off, on = lights
    if off is not None and on is not None and on <= off:
        raise HypnolensError(f"lights on ({on:g} s) are not after lights off ({off:g} s); correct one of them")
    first = 0 if off is None else int(np.floor((off - first_s) / EPOCH_S + 0.5))
    last = n_epochs if on is None else int(np.floor((on - first_s) / EPOCH_S + 0.5))
    return first, last


def span_name(lights: tuple[float | None, float | None]) -> str:
    """The span of a night in words."""
    return SPANS[lights[0] is not None, lights[1] is not None]


def with_latencies(values: Mapping[str, float]) -> dict[str, float]:
    """Statistics as `statistics_of` gives them, with `LATENCIES`."""
    more = {name: values[f"lat_{stage}_min"] - values["sol_min"] for name, stage in LATENCIES.items()}
    return {**{name: float(values[name]) for name in UNITS}, **more}


def names(lights: tuple[float | None, float | None]) -> dict[str, str]:
    """What each statistic of `with_latencies` is, in words."""
    begin = "start of recording" if lights[0] is None else "lights off"
    return {
        "tib_min": f"time in bed ({span_name(lights)})",
        "unscored_min": "unscored part of the time in bed",
        "tst_min": "total sleep time",
        "se_percent": "sleep efficiency (total sleep time in the time in bed)",
        "spt_min": "sleep period (first to last epoch of sleep)",
        "sme_percent": "sleep maintenance efficiency (total sleep time in the sleep period)",
        "waso_min": "wake after sleep onset (within the sleep period)",
        "waso_aasm_min": f"wake after sleep onset (to {'end of recording' if lights[1] is None else 'lights on'})",
        "sol_min": f"sleep onset latency (from {begin})",
        "rem_latency_min": "latency of R (from sleep onset)",
        **{f"lat_{stage}_min": f"latency of {stage} (from {begin})" for stage in ASLEEP},
        **{f"{stage}_min": f"{stage} in the time in bed" for stage in STAGES},
        **{f"{stage}_percent": f"{stage} in the total sleep time" for stage in ASLEEP},
        **{name: f"latency of {stage} (from sleep onset)" for name, stage in LATENCIES.items()},
    }


def unit(statistic: str) -> str:
    """Unit of a statistic of `with_latencies`."""
    return UNITS.get(statistic, "min")
