"""A simulated night: hypnogram, signals and events from a seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hypnolens.datasets.simulate import USUAL
from hypnolens.simulation.derivations import derivation
from hypnolens.simulation.disturbances import disturbances, heartbeats
from hypnolens.simulation.events import EPOCH_SAMPLES, Event, Traits, simulate_events
from hypnolens.simulation.hypnogram import Sleeper, simulate_stages
from hypnolens.simulation.signal import background, swelling, swollen
from hypnolens.simulation.spectra import draw_offset, simulate_band_powers

LEAST_HOURS = 0.25

AGE_DECADES = 1.2
"""Standard deviation of people's ages, in decades, about the mean of those whose figures the table has."""


@dataclass(frozen=True)
class Night:
    """One recording.

    Attributes
    ----------
    signals
        Channel label to µV, float64 ``(n_samples,)`` at 100 Hz.
    stages
        R&K label of each 30-s epoch of the signal: ``W 1 2 3 4 R M ?``.
    events
        Microstructure of the EEG by onset: spindles, K-complexes, slow waves, alpha, theta, vertex and sawtooth
        waves, and movement artefacts.
    """

    signals: dict[str, NDArray[np.float64]]
    stages: list[str]
    events: list[Event]


def simulate_night(*, seed: int, subject: int, night: int, hours: float, derivations: Sequence[str] = USUAL) -> Night:
    """Simulate a polysomnogram whose statistics are those of Sleep-EDF's cassette nights.

    Every label is the truth of the signal below it: what makes staging hard is in the signal (people and nights
    differ, stages overlap, and sleep drifts from one into the next over a minute or two), as it is in real nights.

    Recordings of less than about three hours hold one sleep cycle, which below an hour and a half or so is compressed
    together with its bouts, and nearly all hold all five stages. They are for tests, not for statistics.

    Parameters
    ----------
    seed, subject, night
        What the night is drawn from, each 0 or more. A subject's traits depend on ``seed`` and ``subject`` only, and
        no night on how many others are simulated.
    hours
        Length of the recording, at least 0.25; rounded down to whole epochs.
    derivations
        Labels of the channels, see `derivations`. Hypnogram and events are the same whatever is recorded.

    Returns
    -------
    Night
        With a channel for each derivation.

    Raises
    ------
    ValueError
        If a number is negative, the recording is too short, or nothing is known of a derivation.
    """
    if min(seed, subject, night) < 0:
        raise ValueError(f"seed, subject and night must be 0 or more, not {seed}, {subject} and {night}")
    if not LEAST_HOURS <= hours < float("inf"):
        raise ValueError(f"hours must be {LEAST_HOURS} or more, not {hours}: a shorter recording has no room for sleep")
    n_epochs = int(hours * 120)

    person = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(subject,)))
    decades = float(person.normal(0.0, AGE_DECADES))
    sleeper, traits = Sleeper.draw(decades, person), Traits.draw(decades, person)
    offset = draw_offset("subject", person)

    # A stream for each layer, so that a change in one leaves the chance of the others alone.
    streams = np.random.SeedSequence(seed, spawn_key=(subject, night)).spawn(6)
    for_stages, for_powers, for_events, for_noise, for_derivations, for_disturbances = map(
        np.random.default_rng, streams
    )
    stages = simulate_stages(n_epochs, sleeper=sleeper, rng=for_stages)
    offset = offset + draw_offset("night", for_powers)
    powers, shares = simulate_band_powers(stages, offset=offset, rng=for_powers)
    seen = [derivation(label, for_derivations) for label in derivations]
    waves, events = simulate_events(
        stages, powers=powers, shares=shares, traits=traits, derivations=seen, rng=for_events
    )

    common = for_noise.standard_normal(n_epochs * EPOCH_SAMPLES)
    factors = swelling(n_epochs, restless=traits.restless, rng=for_noise)
    beats = heartbeats(len(common), for_disturbances)
    signals = {}
    for label, channel, wave in zip(derivations, seen, waves, strict=True):
        noise = common
        if channel.coherence < 1.0:
            own = for_noise.standard_normal(len(common))
            noise = channel.coherence * common + np.sqrt(1.0 - channel.coherence**2) * own
        target = powers + np.array(channel.background) + shares[:, :1] * np.array(channel.awake)  # W is the first
        signal = wave + background(target, events=wave, noise=swollen(noise, factors))
        signal += disturbances(len(signal), heart_uv=channel.heart_uv, beats=beats, rng=for_disturbances)
        signals[label] = signal
    return Night(signals=signals, stages=stages, events=events)
