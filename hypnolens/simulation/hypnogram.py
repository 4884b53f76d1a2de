"""Simulated hypnograms: a semi-Markov chain on the R&K labels, bent by sleep cycles and the time of night."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hypnolens.simulation.table import LABELS, calibration

W, N1, N2, S3, S4, R, M, UNSCORED = range(8)

# Length of a sleep cycle, in epochs: 92 minutes.
CYCLE = 185


@dataclass(frozen=True)
class Sleeper:
    """How a person's nights differ from the table's mean: factors of the odds of entering a stage."""

    wake: float
    deep: float
    light: float

    @classmethod
    def draw(cls, decades: float, rng: np.random.Generator) -> "Sleeper":
        """Draw a person who is so many decades older than the mean.

        Deep sleep varies most between people (Sleep-EDF's cassette nights: sd near the mean), and falls with age.
        """
        return cls(*np.exp(rng.normal(0.0, [0.25, 0.3, 0.25]) + decades * np.array([0.06, -0.12, 0.03])))


def simulate_stages(n_epochs: int, *, sleeper: Sleeper, rng: np.random.Generator) -> list[str]:
    """Return the R&K label of each 30-s epoch of one recording.

    The recording begins and ends awake (each 6 to 9 % of it). Between, each bout's length comes from the bout
    lengths of Sleep-EDF, and the next stage from its transition counts, multiplied by weights that open deep sleep
    in the first part of a cycle and early in the night, and R in the last part of a cycle and late.

    A recording that is too short for one whole cycle gets a cycle, and bouts, compressed to fit, so that most
    recordings of an hour or more hold all five stages.

    Parameters
    ----------
    n_epochs
        Number of 30-s epochs of the recording.
    sleeper
        The person.
    rng
        Source of chance.

    Returns
    -------
    list of str
        ``n_epochs`` labels, each one of ``LABELS``.
    """
    lead_in, lead_out = (max(1, round(n_epochs * share)) for share in rng.uniform(0.06, 0.09, 2))
    asleep = n_epochs - lead_in - lead_out
    cycle = asleep / max(1, round(asleep / CYCLE))
    scale = min(1.0, cycle / CYCLE)

    codes = np.full(n_epochs, W)
    counts = np.array(calibration()["hypnogram"]["transition_counts"], dtype=np.float64)
    np.fill_diagonal(counts, 0.0)
    position, code, seen = 0, N1, set[int]()
    while position < asleep:
        length = max(1, round(_bout_length(code, rng) * scale))
        codes[lead_in + position : lead_in + min(position + length, asleep)] = code
        position += length
        number, phase = divmod(position / cycle, 1.0)
        seen = (seen | {code}) if phase * cycle >= length else {code}
        odds = counts[code]
        if code not in (S3, S4):  # what is bent is the way into deep sleep; how long it lasts is the table's
            late = min(1.0, position / asleep)
            odds = odds * _weights(phase, late, first=number == 0, seen=seen, sleeper=sleeper)
        code = int(rng.choice(len(LABELS), p=odds / odds.sum()))
    return [LABELS[code] for code in codes]


def _weights(phase: float, night: float, *, first: bool, seen: set[int], sleeper: Sleeper) -> NDArray[np.float64]:
    """Return the factor of each label's odds at a phase of the cycle and a fraction of the night, both 0 to 1."""
    weights = np.ones(len(LABELS))
    deep_time, dream_time = 0.08 < phase < 0.65, phase > 0.68
    weights[[S3, S4]] = sleeper.deep * (2.6 * (1.0 - night) if deep_time else 0.25)
    weights[R] = 1.2 + 4.0 * night if dream_time else 0.15
    weights[W] = sleeper.wake * 0.34
    weights[N1] = sleeper.light * 0.5
    weights[[M, UNSCORED]] = 0.5
    # What a cycle still lacks near the end of its time becomes urgent (in the first cycle, which may be the only
    # one, doubly so); sleep is then less ready to fall back.
    if deep_time and phase > 0.25 and S3 not in seen and night < 0.6:
        weights[S3] *= 4.0 if first else 2.0
    if dream_time and R not in seen:
        weights[R] *= 8.0 if first else 4.0
    return weights


def _bout_length(code: int, rng: np.random.Generator) -> float:
    """Draw the length of a bout, in epochs, from the quantiles of the real ones (log-linear between them)."""
    if code == W:
        # Half of the table's epochs of W lie in the two bouts at the ends of a night; these quantiles, for awakenings
        # within sleep, give the table's mean together with such ends.
        at, lengths = [0.05, 0.3, 0.55, 0.8, 0.95, 1.0], [1.0, 1.0, 2.0, 7.0, 40.0, 110.0]
        return float(np.exp(np.interp(rng.uniform(), at, np.log(lengths))))
    # The rare bouts of stage 4 of more than a quarter of an hour would decide its mean over ten people.
    limit = 30.0 if code == S4 else np.inf
    quantiles = calibration()["hypnogram"]["bout_length_epochs"][LABELS[code]]["quantiles"]
    at = [0.0, *map(float, quantiles), 1.0]
    lengths = [1.0, *quantiles.values(), quantiles["0.99"]]
    return float(min(limit, np.exp(np.interp(rng.uniform(), at, np.log(lengths)))))
