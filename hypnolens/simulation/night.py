"""A simulated night: hypnogram, signals and events from a seed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hypnolens.simulation.events import EPOCH_SAMPLES, Event, Traits, simulate_events
from hypnolens.simulation.hypnogram import Sleeper, simulate_stages
from hypnolens.simulation.signal import background
from hypnolens.simulation.spectra import draw_offset, simulate_band_powers

CHANNELS = ("EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal")

# log10 band powers of the background relative to Fpz-Cz (delta to gamma): the occiput has less slow activity and, awake
# with eyes closed, more alpha; the EOG sees frontal slow waves and little else besides eye movements.
TOPOGRAPHY = {
    "EEG Fpz-Cz": (0.0, 0.0, 0.0, 0.0, 0.0),
    "EEG Pz-Oz": (-0.35, -0.15, 0.05, -0.05, -0.15),
    "EOG horizontal": (-0.2, -0.45, -0.6, -0.35, -0.1),
}
# Correlation of the background with that at Fpz-Cz, before the difference in spectrum.
COHERENCE = {"EEG Fpz-Cz": 1.0, "EEG Pz-Oz": 0.55, "EOG horizontal": 0.4}

LEAST_HOURS = 0.25


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


def simulate_night(*, seed: int, subject: int, night: int, hours: float) -> Night:
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

    Returns
    -------
    Night
        Channels ``EEG Fpz-Cz``, ``EEG Pz-Oz`` and ``EOG horizontal``.

    Raises
    ------
    ValueError
        If a number is negative or the recording is too short.
    """
    if min(seed, subject, night) < 0:
        raise ValueError(f"seed, subject and night must be 0 or more, not {seed}, {subject} and {night}")
    if not LEAST_HOURS <= hours < float("inf"):
        raise ValueError(f"hours must be {LEAST_HOURS} or more, not {hours}: a shorter recording has no room for sleep")
    n_epochs = int(hours * 120)

    person = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(subject,)))
    sleeper, traits, offset = Sleeper.draw(person), Traits.draw(person), draw_offset("subject", person)

    # A stream for each layer, so that a change in one leaves the chance of the others alone.
    streams = np.random.SeedSequence(seed, spawn_key=(subject, night)).spawn(4)
    for_stages, for_powers, for_events, for_noise = map(np.random.default_rng, streams)
    stages = simulate_stages(n_epochs, sleeper=sleeper, rng=for_stages)
    offset = offset + draw_offset("night", for_powers)
    powers, shares = simulate_band_powers(stages, offset=offset, rng=for_powers)
    waves, events = simulate_events(stages, powers=powers, shares=shares, traits=traits, rng=for_events)

    common = for_noise.standard_normal(n_epochs * EPOCH_SAMPLES)
    signals = {}
    for channel, wave in zip(CHANNELS, waves, strict=True):
        coherence = COHERENCE[channel]
        noise = common
        if coherence < 1.0:
            own = for_noise.standard_normal(len(common))
            noise = coherence * common + np.sqrt(1.0 - coherence**2) * own
        target = powers + np.array(TOPOGRAPHY[channel])
        signals[channel] = wave + background(target, events=wave, noise=noise)
    return Night(signals=signals, stages=stages, events=events)
