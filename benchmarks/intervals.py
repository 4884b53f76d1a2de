"""Do intervals over subjects hold the truth as often as they say? Prints JSON; fails if the bar is missed.

    python benchmarks/intervals.py > benchmarks/results/intervals.json        # some minutes on one core

Subjects are drawn from a population whose pooled score is known, in two experiments, the second a little worse. Each
has its own stages, is hard or easy to stage, and has its own rates of confusion; in the population `even` difficulty is
normal, in `skewed` most people are alike and a few much harder, and twice as far apart; the mean rates, with an N1
that is hard, are made up, of the size of those that papers show for Sleep-EDF. Coverage is the share of samples whose
95 % interval holds the score of the population: of the first experiment, and of the difference of both on the same
subjects.
`student` is hypnolens's way (`hypnolens.evaluation.metrics.interval`), `percentile` the 2.5th and 97.5th percentile of
the same draws. Limits of agreement are those of two nights of each subject, whose differences vary between and within
subjects.
"""

import argparse
import json
import sys
import time

import numpy as np
import pandas as pd

from hypnolens.evaluation import metrics
from hypnolens.evaluation.sleep_statistics import agreement_table
from hypnolens.pipeline.provenance import record
from hypnolens.stages import STAGES

SIZES = (3, 6, 10, 20, 40, 78)
OVERALL = ("accuracy", "macro_f1", "kappa")
BAR, FROM = (0.92, 0.98), 40
"""Coverage that is asked for, of `OVERALL`, from so many subjects on."""

PROPORTIONS = np.array([0.20, 0.08, 0.42, 0.13, 0.17])
"""Mean share of each stage."""

RATES = np.array([
    [0.900, 0.060, 0.020, 0.005, 0.015],
    [0.140, 0.520, 0.220, 0.003, 0.117],
    [0.010, 0.060, 0.850, 0.050, 0.030],
    [0.004, 0.001, 0.130, 0.864, 0.001],
    [0.020, 0.070, 0.060, 0.001, 0.849],
])  # fmt: skip
"""Mean share of predicted stages (columns) among the epochs of a true stage (rows)."""

OF_STAGES, OF_RATES, OF_EASE, WORSE = 20.0, 40.0, 0.35, 0.1
"""Concentration of the Dirichlet distributions of a subject's stages and rates; standard deviation among subjects of
the log-odds of a right stage, and by how much these are lower in the second experiment. Kappa then has a standard
deviation of 0.08 among subjects, and N1 an F1 of 0.48."""


OF_NIGHTS = (10.0, 14.0, 8.0)
"""Minutes: mean difference of a sleep statistic, its deviation between subjects, and between nights of one."""


def population(n_subjects: int, rng: np.random.Generator, *, skewed: bool) -> np.ndarray:
    """Confusion matrices of subjects in two experiments, int64 ``(2, n_subjects, 5, 5)``."""
    shares = _dirichlet(np.broadcast_to(OF_STAGES * PROPORTIONS, (n_subjects, 5)), rng)
    counts = rng.multinomial(rng.integers(800, 1001, n_subjects), shares)
    ease = 2 * OF_EASE * (1 - rng.exponential(1, n_subjects)) if skewed else rng.normal(0, OF_EASE, n_subjects)
    ease = ease - np.array([[0], [WORSE]])
    odds = np.where(np.eye(5, dtype=bool), RATES * np.exp(ease)[..., None, None], RATES)
    return rng.multinomial(counts, _dirichlet(OF_RATES * odds / odds.sum(axis=-1, keepdims=True), rng))


def coverage(sizes: tuple[int, ...], *, samples: int, draws: int, seed: int, skewed: bool) -> dict[str, object]:
    """What the population is like, and for each number of subjects the coverage of each interval."""
    rng = np.random.default_rng(seed)
    everyone = population(50_000, rng, skewed=skewed)
    pooled = [metrics.mean_scores(matrices) for matrices in everyone]
    truth = {name: float(value) for name, value in pooled[0].items()}
    truth |= {f"difference_{name}": float(pooled[1][name] - pooled[0][name]) for name in OVERALL}
    alone = {name: float(np.nanstd(values)) for name, values in metrics.scores(everyone[0]).items()}
    found = {}
    for n_subjects in sizes:
        held: dict[str, dict[str, list[bool]]] = {
            way: {name: [] for name in truth} for way in ("percentile", "student")
        }
        for sample in range(samples):
            for way, intervals in _intervals(
                population(n_subjects, rng, skewed=skewed), seed=sample, draws=draws
            ).items():
                for name, (low, high) in intervals.items():
                    held[way][name].append(bool(low <= truth[name] <= high))
        found[str(n_subjects)] = {
            name: {way: round(float(np.mean(held[way][name])), 4) for way in held} for name in truth
        }
    return {"truth": _rounded(truth), "deviation_of_subjects": _rounded(alone), "coverage": found}


def of_agreement(sizes: tuple[int, ...], *, samples: int, seed: int) -> dict[str, float]:
    """Coverage of both limits of agreement, for each number of subjects with two nights each."""
    rng, found = np.random.default_rng(seed), {}
    mean, between, within = OF_NIGHTS
    truth = [mean + sign * 1.96 * (between**2 + within**2) ** 0.5 for sign in (-1, 1)]
    for n_subjects in sizes:
        held = []
        for _ in range(samples):
            differences = rng.normal(mean, between, n_subjects).repeat(2) + rng.normal(0, within, 2 * n_subjects)
            subjects = [f"S{number}" for number in np.arange(n_subjects).repeat(2)]
            rows = {"statistic": "tst_min", "true": 0.0, "predicted": differences, "subject": subjects}
            table = agreement_table(pd.DataFrame(rows)).set_index("statistic").loc["tst_min"]
            ends = zip(("loa_low", "loa_high"), truth, strict=True)
            held += [table[f"{name}_low"] <= value <= table[f"{name}_high"] for name, value in ends]
        found[str(n_subjects)] = round(float(np.mean(held)), 4)
    return found


def missed(found: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """Where hypnolens's intervals miss the bar."""
    return [
        f"{name}, {n_subjects} subjects: {of_score[name]['student']}"
        for n_subjects, of_score in found.items()
        for name in OVERALL
        if int(n_subjects) >= FROM and not BAR[0] <= of_score[name]["student"] <= BAR[1]
    ]


def _intervals(confusions: np.ndarray, *, seed: int, draws: int) -> dict[str, dict[str, tuple[float, float]]]:
    n_subjects = confusions.shape[1]
    estimates = [metrics.mean_scores(matrices) for matrices in confusions]
    drawn = [metrics.drawn_scores(matrices, seed=seed, draws=draws) for matrices in confusions]
    names = [*OVERALL, *(f"f1_{stage}" for stage in STAGES)]
    student = metrics.bootstrap_intervals(confusions[0], seed=seed, draws=draws)
    percentile = {name: _percentiles(drawn[0][name]) for name in names}
    for name in OVERALL:
        differences = drawn[1][name] - drawn[0][name]
        difference = float(estimates[1][name] - estimates[0][name])
        student[f"difference_{name}"] = metrics.interval(difference, differences, n_subjects)
        percentile[f"difference_{name}"] = _percentiles(differences)
    return {"percentile": percentile, "student": student}


def _dirichlet(alpha: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    gammas = rng.standard_gamma(alpha)
    return gammas / gammas.sum(axis=-1, keepdims=True)


def _percentiles(drawn: np.ndarray) -> tuple[float, float]:
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return (float(low), float(high))


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=2000, help="samples of subjects, for each number of them")
    parser.add_argument("--draws", type=int, default=2000, help="bootstrap samples of each")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    began = time.perf_counter()
    given = vars(arguments)
    even, skewed = (coverage(SIZES, skewed=skewed, **given) for skewed in (False, True))
    limits = of_agreement(SIZES, samples=arguments.samples // 4, seed=arguments.seed)
    short = missed(even["coverage"])  # type: ignore[arg-type]
    short += [
        f"limits of agreement, {n}: {held}" for n, held in limits.items() if not BAR[0] <= held and int(n) >= FROM
    ]
    seconds = round(time.perf_counter() - began)
    print(json.dumps({"device": record()["processor"], "seconds": seconds, **given, "even": even, "skewed": skewed,
                      "limits_of_agreement": limits, "missed": short}, indent=1))  # fmt: skip
    return int(bool(short))


if __name__ == "__main__":
    sys.exit(main())
