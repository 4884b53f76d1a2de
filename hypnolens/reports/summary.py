"""What came out, how sure that is, and how it compares with people: the first words of a page.

Agreement between people is that of a meta-analysis of eleven studies (Lee et al. 2022, Journal of Clinical Sleep
Medicine 18, 193-202).
"""

from collections.abc import Mapping
from typing import Any

from hypnolens.evaluation.metrics import covered
from hypnolens.evaluation.tables import percent, readable_value
from hypnolens.stages import STAGES

PEOPLE, PEOPLE_N1 = 0.76, 0.24
"""Cohen's kappa of two people over all stages, and of N1 alone."""

PEOPLE_LOW, PEOPLE_HIGH = 0.71, 0.81
"""Its 95 % interval."""


def sentences(metrics: Mapping[str, Any], *, simulated: bool) -> list[str]:
    """Three sentences, and a fourth where the result is of no use.

    Parameters
    ----------
    metrics
        As ``metrics.json`` of a run has them.
    simulated
        Whether the nights are.
    """
    value = {name: readable_value(metrics[name], *metrics["ci95"][name]) for name in ("accuracy", "macro_f1", "kappa")}
    nights = "simulated epochs" if simulated else "epochs"
    found = [
        f"Of {metrics['n_epochs']:,} {nights} of {metrics['n_subjects']} subjects, each staged by what was not trained "
        f"on its subject, a share of {value['accuracy']} was staged as the expert did; macro-F1 {value['macro_f1']}, "
        f"Cohen's kappa {value['kappa']}.",
        _how_sure(metrics["n_subjects"]),
        _beside_people(metrics, simulated=simulated),
    ]
    useless = _useless(metrics)
    return [useless, *found] if useless else found


def _how_sure(n_subjects: int) -> str:
    if n_subjects < 2:
        return "One subject says nothing about others: there are no intervals."
    size, low, high = covered(n_subjects)
    return (
        f"Intervals are 95 %, over {n_subjects} subjects; with {size} simulated ones such intervals held the truth in "
        f"{percent(high)} of samples, and in {percent(low)} where a few subjects are much harder than the others."
    )


def _beside_people(metrics: Mapping[str, Any], *, simulated: bool) -> str:
    people = f"Two people who stage the same nights agree with a kappa of {PEOPLE} ({PEOPLE_LOW} to {PEOPLE_HIGH}"
    people += f"; N1 alone {PEOPLE_N1})"
    if simulated:
        return f"{people}; simulated nights have one true answer, so that this cannot be compared."
    low, high = metrics["ci95"]["kappa"]
    if low is None or high is None:
        return f"{people}; of one subject nothing can be said beside that."
    if high < PEOPLE_LOW:
        return f"{people}; this is less."
    return f"{people}; this is more." if low > PEOPLE_HIGH else f"{people}; this cannot be told from that."


def _useless(metrics: Mapping[str, Any]) -> str:
    """A warning, if staging is no better than without looking at the signal."""
    counts = {stage: metrics["per_class"][stage]["support"] for stage in STAGES}
    most = max(counts, key=lambda stage: counts[stage])
    always = counts[most] / metrics["n_epochs"]
    low, kappa = metrics["ci95"]["kappa"][0], metrics["kappa"]
    if kappa is None:
        return "**There is one stage only, so that nothing can be said about staging.**"
    if (low is not None and low <= 0) or kappa <= 0:
        return (
            f"**These stages are of no use: that they agree with the expert's more than by chance is not shown (kappa "
            f"{kappa:.2f}).** Train on more recordings, or longer."
        )
    if metrics["accuracy"] <= always:
        return (
            f"**These stages are of no use: to call every epoch {most} would be right as often "
            f"({percent(always)}).** Train on more recordings, or longer."
        )
    return ""
