"""Sleep microstructure: where events lie, and their waveforms, on the three channels of a simulated night."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hypnolens.simulation.spectra import STAGES
from hypnolens.simulation.table import BANDS, SPECTRUM, calibration

RATE_HZ = 100
EPOCH_SAMPLES = 30 * RATE_HZ

Signal = NDArray[np.float64]


@dataclass(frozen=True)
class Event:
    """A microstructure of the EEG: seconds from the start of the recording, and what it is."""

    onset_s: float
    duration_s: float
    kind: str


@dataclass(frozen=True)
class Traits:
    """What a person's events share over nights."""

    spindle_hz: float
    alpha_hz: float
    spindle_rate: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Traits":
        """Draw a person."""
        spindle, alpha, rate = rng.standard_normal(3).clip(-2.0, 2.0)
        return cls(13.2 + 0.4 * spindle, 10.0 + 0.6 * alpha, float(np.exp(0.25 * rate)))


@dataclass(frozen=True)
class Kind:
    """How a kind of event occurs.

    ``rates`` are events per epoch of a label; ``uv`` the range of amplitudes at Fpz-Cz, by which the waveform (within
    -1 to 1) is multiplied; ``gains`` those of Fpz-Cz, Pz-Oz and EOG. Amplitudes follow the epoch's power in
    ``band``, so that strong epochs have strong events.
    """

    name: str
    rates: dict[str, float]
    duration_s: tuple[float, float]
    uv: tuple[float, float]
    band: str
    gains: tuple[float, float, float]
    wave: Callable[[Signal, float, Traits, np.random.Generator], Signal]
    listed: bool = True


def _bell(t: Signal, centre: float, width: float) -> Signal:
    return np.asarray(np.exp(-0.5 * ((t - centre) / width) ** 2))


def _rhythm(t: Signal, length: float, hz: float, rng: np.random.Generator) -> Signal:
    """Waxing and waning oscillation."""
    return np.asarray(np.sin(np.pi * t / length) * np.sin(2.0 * np.pi * (hz * t + rng.uniform())))


def _spindle(t: Signal, length: float, traits: Traits, rng: np.random.Generator) -> Signal:
    return _rhythm(t, length, float(np.clip(rng.normal(traits.spindle_hz, 0.4), 11.5, 15.5)), rng)


def _alpha(t: Signal, length: float, traits: Traits, rng: np.random.Generator) -> Signal:
    return _rhythm(t, length, float(np.clip(rng.normal(traits.alpha_hz, 0.3), 8.3, 12.5)), rng)


def _theta(t: Signal, length: float, traits: Traits, rng: np.random.Generator) -> Signal:
    return _rhythm(t, length, rng.uniform(4.5, 7.0), rng)


def _sawtooth(t: Signal, length: float, traits: Traits, rng: np.random.Generator) -> Signal:
    teeth = 2.0 * ((rng.uniform(2.0, 4.0) * t) % 1.0) - 1.0
    return np.asarray(np.sin(np.pi * t / length) * teeth)


def _k_complex(t: Signal, length: float, traits: Traits, rng: np.random.Generator) -> Signal:
    return -_bell(t, 0.25 * length, 0.07 * length) + 0.65 * _bell(t, 0.55 * length, 0.13 * length)


def _slow_wave(t: Signal, length: float, traits: Traits, rng: np.random.Generator) -> Signal:
    phase = (t / length) ** rng.uniform(0.85, 1.2)
    return np.asarray(-np.sin(2.0 * np.pi * phase) * np.sin(np.pi * t / length) ** 0.3)


def _vertex(t: Signal, length: float, traits: Traits, rng: np.random.Generator) -> Signal:
    return -_bell(t, 0.4 * length, 0.11 * length) + 0.35 * _bell(t, 0.7 * length, 0.12 * length)


def _artefact(t: Signal, length: float, traits: Traits, rng: np.random.Generator) -> Signal:
    """Swaying electrodes with muscle on top."""
    sway = sum(np.sin(2.0 * np.pi * (hz * t + rng.uniform())) for hz in rng.uniform(0.5, 2.5, 4)) / 4.0
    muscle = np.diff(rng.standard_normal(len(t) + 1)).clip(-3.0, 3.0) / 3.0
    return np.asarray((sway + 0.12 * muscle) * np.sin(np.pi * t / length) ** 0.5)


def _blink(t: Signal, length: float, traits: Traits, rng: np.random.Generator) -> Signal:
    return _bell(t, 0.4 * length, 0.17 * length)


def _saccade(t: Signal, length: float, traits: Traits, rng: np.random.Generator) -> Signal:
    turn = np.tanh((t - 0.1 * length) / 0.02) - np.tanh((t - 0.1 * length) / 0.02).min()
    return np.asarray(rng.choice([-0.5, 0.5]) * turn * np.exp(-t / (0.4 * length)) * (1.0 - t / length))


def _rolling(t: Signal, length: float, traits: Traits, rng: np.random.Generator) -> Signal:
    return rng.choice([-1.0, 1.0]) * _rhythm(t, length, 0.3, rng)


# Rates and amplitudes after the AASM manual's definitions and usual descriptions of young adults' sleep; the
# energy of each kind stays a fraction of the band power that the table gives its stage. Eye movements belong to the
# picture that a network sees (blinks and saccades reach Fpz-Cz) but are no events of the EEG: not listed.
KINDS: tuple[Kind, ...] = (
    Kind("spindle", {"2": 1.9, "3": 0.8, "4": 0.3}, (0.5, 1.5), (10, 19), "beta", (1.0, 0.6, 0.1), _spindle),
    Kind("k-complex", {"2": 0.8}, (0.7, 1.2), (55, 85), "delta", (1.0, 0.45, 0.3), _k_complex),
    Kind("slow-wave", {"3": 9.0, "4": 13.0}, (0.6, 1.8), (40, 65), "delta", (1.0, 0.6, 0.3), _slow_wave),
    Kind("alpha", {"W": 1.6, "1": 0.4}, (1.0, 4.0), (5, 10), "alpha", (1.0, 2.2, 0.2), _alpha),
    Kind("vertex", {"1": 0.35}, (0.25, 0.45), (40, 65), "delta", (1.0, 0.4, 0.1), _vertex),
    Kind("theta", {"1": 0.7}, (1.0, 3.0), (6, 11), "theta", (1.0, 0.8, 0.2), _theta),
    Kind("sawtooth", {"R": 0.4}, (1.0, 4.0), (8, 14), "theta", (1.0, 0.5, 0.1), _sawtooth),
    Kind("artefact", {"W": 0.25, "1": 0.02, "2": 0.02, "3": 0.01, "R": 0.02, "M": 5.0, "?": 1.0},
         (1.5, 7.0), (60, 110), "delta", (1.0, 0.8, 0.9), _artefact),
    Kind("blink", {"W": 2.0, "?": 2.0}, (0.3, 0.5), (50, 90), "delta", (1.0, 0.05, 1.2), _blink, listed=False),
    Kind("saccade", {"W": 2.0, "R": 2.2}, (0.5, 1.2), (12, 30), "delta", (1.0, 0.05, 5.0), _saccade, listed=False),
    Kind("rolling", {"1": 1.2, "W": 0.2}, (3.0, 6.0), (5, 9), "delta", (1.0, 0.1, 8.0), _rolling, listed=False),
)  # fmt: skip


def simulate_events(
    stages: list[str],
    *,
    powers: NDArray[np.float64],
    shares: NDArray[np.float64],
    traits: Traits,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], list[Event]]:
    """Place the events of a night and draw their waveforms.

    Parameters
    ----------
    stages
        R&K label of each epoch.
    powers
        log10 band powers of each epoch, ``(n_epochs, 5)``.
    shares
        Share of each stage in each epoch, ``(n_epochs, 5)``: epochs that drift have fewer of their stage's events.
    traits
        The person.
    rng
        Source of chance.

    Returns
    -------
    signal : ndarray
        µV, ``(3, n_samples)``: the events on Fpz-Cz, Pz-Oz and EOG, nothing else.
    events : list of Event
        Those of the EEG, by onset. Each lies wholly in epochs of a label that has its kind, and no two of a kind
        overlap.
    """
    signal = np.zeros((3, len(stages) * EPOCH_SAMPLES))
    events = []
    excess = powers - np.array([calibration()["spectra"]["stages"][SPECTRUM[label]]["mean"] for label in stages])
    purity = shares[np.arange(len(stages)), [STAGES.index(SPECTRUM[label]) for label in stages]]
    for kind in KINDS:
        strength = excess[:, list(BANDS).index(kind.band)]
        rates = np.array([kind.rates.get(label, 0.0) for label in stages]) * purity
        if kind.name == "spindle":
            rates *= traits.spindle_rate
        if kind.name == "slow-wave":  # more of them, rather than larger ones, make deep sleep deeper
            rates *= 10.0**strength
        elif kind.name != "artefact":  # events come in clusters: many epochs have none
            rates *= rng.gamma(1.5, 1.0 / 1.5, len(stages))
        free = 0.0
        for onset in _onsets(rates.clip(0.0, 16.0), rng):
            length = float(rng.uniform(*kind.duration_s))
            start, stop = round(onset * RATE_HZ), round((onset + length) * RATE_HZ)
            first, last = start // EPOCH_SAMPLES, (stop - 1) // EPOCH_SAMPLES
            if onset < free or last >= len(stages) or not {stages[first], stages[last]} <= kind.rates.keys():
                continue
            free = onset + length + 0.1
            factor = 1.0 if kind.name == "slow-wave" else float(np.clip(10.0 ** (0.5 * strength[first]), 0.6, 2.5))
            amplitude = rng.uniform(*kind.uv) * factor
            t = np.arange(stop - start) / RATE_HZ
            wave = amplitude * kind.wave(t, length, traits, rng)
            for channel, gain in enumerate(kind.gains):
                signal[channel, start:stop] += gain * wave
            if kind.listed:
                events.append(Event(start / RATE_HZ, (stop - start) / RATE_HZ, kind.name))
    return signal, sorted(events, key=lambda event: (event.onset_s, event.kind))


def _onsets(rates: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw sorted onsets, in seconds, at so many an epoch."""
    epochs = np.repeat(np.arange(len(rates)), rng.poisson(rates))
    return np.asarray(np.sort(30.0 * (epochs + rng.uniform(0.0, 1.0, len(epochs)))))
