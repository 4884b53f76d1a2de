"""Sleep microstructure: where events lie, and their waveforms, on the channels of a simulated night."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hypnolens.simulation.derivations import Derivation, gains
from hypnolens.simulation.spectra import STAGES
from hypnolens.simulation.table import BANDS, calibration

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
    """What a person's events share over nights.

    Attributes
    ----------
    spindle_hz, alpha_hz
        Frequencies of their spindles and of their alpha.
    rates
        Factors of the rates of some kinds of event.
    sizes
        Factors of their amplitudes.
    restless
        Factor of how far bands swell and fade, see `signal.swelling`.
    """

    spindle_hz: float
    alpha_hz: float
    rates: Mapping[str, float]
    sizes: Mapping[str, float]
    restless: float

    @classmethod
    def draw(cls, decades: float, rng: np.random.Generator) -> "Traits":
        """Draw a person who is so many decades older than the mean.

        With age alpha slows, spindles become fewer and smaller, slow waves and K-complexes smaller.
        """
        spindle, alpha, *others = rng.standard_normal(8).clip(-2.0, 2.0)
        rate, size, alphas, complexes, large, restless = np.exp(np.array([0.2, 0.15, 0.4, 0.3, 0.15, 0.2]) * others)
        return cls(
            spindle_hz=13.2 + 0.4 * spindle + 0.05 * decades,
            alpha_hz=10.0 + 0.6 * alpha - 0.1 * decades,
            rates={"spindle": rate * 0.92**decades, "alpha": alphas, "k-complex": complexes * 0.95**decades},
            sizes={"spindle": size * 0.96**decades, "k-complex": large * 0.96**decades,
                   "slow-wave": large * 0.95**decades},
            restless=restless,
        )  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """How a kind of event occurs.

    Attributes
    ----------
    rates
        Events in an epoch that is wholly of a stage; movement is a stage of its own here. What a scorer takes for the
        sign of one stage is in others too, only rarer: spindles where experts mark them outside of N2, alpha in R.
    duration_s
        Range, of which all lengths are as likely.
    uv
        Median amplitude at Fpz-Cz, by which the waveform (within -1 to 1) is multiplied, and the standard deviation of
        its logarithm. Amplitudes follow the epoch's power in ``band``, so that strong epochs have strong events.
    least_uv
        Smaller ones are in the signal, but an expert would not mark them: not listed.
    """

    name: str
    rates: dict[str, float]
    duration_s: tuple[float, float]
    uv: tuple[float, float]
    band: str
    wave: Callable[[Signal, float, Traits, np.random.Generator], Signal]
    least_uv: float = 0.0
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


# Rates and amplitudes after the AASM manual's definitions and usual descriptions of sleep; of spindles after the
# experts' marks in DREAMS, where up to 1.8 an epoch are in W and 1.3 in N1. The energy of each kind stays a fraction of
# the band power that the table gives its stage. Eye movements belong to the picture that a network sees (blinks and
# saccades reach Fpz-Cz) but are no events of the EEG: not listed.
KINDS: tuple[Kind, ...] = (
    Kind("spindle", {"W": 0.8, "N1": 1.0, "N2": 4.3, "N3": 2.0, "R": 0.4}, (0.5, 1.6), (8.3, 0.3), "beta", _spindle,
         6.5),
    Kind("k-complex", {"W": 0.03, "N1": 0.2, "N2": 1.2, "N3": 0.8, "R": 0.02}, (0.7, 1.2), (50.0, 0.35), "delta",
         _k_complex, 40.0),
    Kind("slow-wave", {"W": 0.05, "N1": 0.1, "N2": 1.2, "N3": 14.0, "R": 0.02}, (0.6, 1.8), (42.0, 0.35), "delta",
         _slow_wave, 37.5),
    Kind("alpha", {"W": 2.2, "N1": 3.0, "N2": 0.4, "N3": 0.1, "R": 0.8}, (0.8, 4.0), (5.0, 0.4), "alpha", _alpha, 4.5),
    Kind("vertex", {"W": 0.01, "N1": 2.5, "N2": 0.05, "N3": 0.02, "R": 0.01}, (0.25, 0.45), (45.0, 0.3), "delta",
         _vertex, 35.0),
    Kind("theta", {"W": 0.3, "N1": 3.0, "N2": 0.4, "N3": 0.2, "R": 0.8}, (1.0, 3.0), (7.0, 0.35), "theta", _theta, 6.0),
    Kind("sawtooth", {"N1": 0.1, "N2": 0.05, "R": 0.7}, (1.0, 4.0), (10.0, 0.3), "theta", _sawtooth, 8.0),
    Kind("artefact", {"W": 0.25, "N1": 0.04, "N2": 0.02, "N3": 0.01, "R": 0.015, "M": 5.0}, (1.5, 7.0), (80.0, 0.3),
         "delta", _artefact),
    Kind("blink", {"W": 2.0, "N1": 0.1, "R": 0.1}, (0.3, 0.5), (65.0, 0.3), "delta", _blink, listed=False),
    Kind("saccade", {"W": 2.0, "N1": 0.5, "N2": 0.1, "R": 2.2}, (0.5, 1.2), (14.0, 0.3), "delta", _saccade,
         listed=False),
    Kind("rolling", {"W": 0.3, "N1": 1.2, "N2": 0.1, "R": 0.2}, (3.0, 6.0), (7.0, 0.3), "delta", _rolling,
         listed=False),
)  # fmt: skip


def simulate_events(
    stages: list[str],
    *,
    powers: NDArray[np.float64],
    shares: NDArray[np.float64],
    traits: Traits,
    derivations: list[Derivation],
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
        Share of each stage in each epoch, ``(n_epochs, 5)``: epochs that drift have events of both stages.
    traits
        The person.
    derivations
        What is recorded.
    rng
        Source of chance.

    Returns
    -------
    signal : ndarray
        µV, ``(n_derivations, n_samples)``: the events, nothing else.
    events : list of Event
        Those of the EEG that an expert would see, by onset. No two of a kind overlap.
    """
    signal = np.zeros((len(derivations), len(stages) * EPOCH_SAMPLES))
    events = []
    means = np.array([calibration()["spectra"]["stages"][stage]["mean"] for stage in STAGES])
    excess = powers - np.einsum("es,sb->eb", shares, means)
    moving = np.isin(stages, ["M"])
    apart = shares**2  # between two stages there are fewer signs of either
    for kind in KINDS:
        strength = excess[:, list(BANDS).index(kind.band)]
        rates = np.einsum("es,s->e", apart, np.array([kind.rates.get(stage, 0.0) for stage in STAGES]))
        rates = np.where(moving, kind.rates.get("M", rates), rates) * traits.rates.get(kind.name, 1.0)
        if kind.name == "slow-wave":  # more of them, rather than larger ones, make deep sleep deeper
            rates *= 10.0**strength
        elif kind.name != "artefact":  # events come in clusters: many epochs have none
            rates *= rng.gamma(1.5, 1.0 / 1.5, len(stages))
        seen = gains(kind.name, derivations)
        free = 0.0
        for onset in _onsets(rates.clip(0.0, 16.0), rng):
            length = float(rng.uniform(*kind.duration_s))
            start, stop = round(onset * RATE_HZ), round((onset + length) * RATE_HZ)
            if onset < free or stop > signal.shape[1]:
                continue
            free = onset + length + 0.1
            median, spread = kind.uv
            size = median * traits.sizes.get(kind.name, 1.0) * float(np.exp(spread * np.clip(rng.normal(), -2.0, 2.0)))
            if kind.name != "slow-wave":
                size *= float(np.clip(10.0 ** (0.5 * strength[start // EPOCH_SAMPLES]), 0.6, 2.5))
            wave = size * kind.wave(np.arange(stop - start) / RATE_HZ, length, traits, rng)
            signal[:, start:stop] += seen[:, None] * wave
            if kind.listed and size >= kind.least_uv:
                events.append(Event(start / RATE_HZ, (stop - start) / RATE_HZ, kind.name))
    return signal, sorted(events, key=lambda event: (event.onset_s, event.kind))


def _onsets(rates: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw sorted onsets, in seconds, at so many an epoch."""
    epochs = np.repeat(np.arange(len(rates)), rng.poisson(rates))
    return np.asarray(np.sort(30.0 * (epochs + rng.uniform(0.0, 1.0, len(epochs)))))
