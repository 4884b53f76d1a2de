"""From band powers to a continuous signal, by filtering noise frame by frame."""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft, rfftfreq
from scipy.signal import butter, sosfiltfilt, welch

from hypnolens.simulation.events import EPOCH_SAMPLES, RATE_HZ
from hypnolens.simulation.table import BANDS

FRAME, HOP = 500, 250
FREQUENCIES = rfftfreq(FRAME, 1.0 / RATE_HZ)
CENTRES = np.array([np.sqrt(low * high) for low, high in BANDS.values()])

LEAST = 0.5
"""Least share of an epoch's band power that stays background, however many events it has: where spindles alone have a
band's power, what is beside their frequency does not vanish. With 0.15 density fell by a factor of 100 and more from 12
to 24 Hz in many epochs of some nights, of five real people in none."""

STEEPEST = 0.5
"""How far (natural logarithm) a knot of an epoch's spectrum may lie below its band's mean, for the same reason."""

# Edges in Hz of the bands that swell and fade each for itself, and how quickly: slow activity in seconds, sigma as
# spindles do. Most of what an epoch has of a burst stays below what an expert would mark.
SWELLING_HZ = (4.0, 11.0, 16.0)
TEMPO_HZ = (0.2, 0.4, 0.5, 0.4)
DEPTH = (0.2, 0.22, 0.25, 0.24)
"""Standard deviation of the logarithm of a band's amplitude within an epoch: the same in all stages."""
DEPTH_SPREAD = 0.3
"""Of the logarithm of the depth, from epoch to epoch."""
STEP_S = 0.1


def swelling(n_epochs: int, *, restless: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw by what factor the amplitude of each band swells and fades, ``(4, n_steps)``, ten times a second.

    Its square is 1 on average, so that powers stay. Nothing of it depends on the stage.

    Parameters
    ----------
    n_epochs
        How many.
    restless
        Factor of the depth.
    rng
        Source of chance.
    """
    per_epoch = round(EPOCH_SAMPLES / RATE_HZ / STEP_S)
    factors = []
    for tempo_hz, depth in zip(TEMPO_HZ, DEPTH, strict=True):
        sos = butter(2, tempo_hz, fs=1 / STEP_S, output="sos")
        course = sosfiltfilt(sos, rng.standard_normal(n_epochs * per_epoch))
        depths = restless * depth * np.exp(DEPTH_SPREAD * rng.standard_normal(n_epochs).clip(-2.0, 2.0))
        centres = per_epoch * (np.arange(n_epochs) + 0.5)
        smooth = np.interp(np.arange(n_epochs * per_epoch), centres, depths)
        factors.append(np.exp(smooth * course / course.std() - smooth**2))
    return np.array(factors)


def swollen(noise: NDArray[np.float64], factors: NDArray[np.float64]) -> NDArray[np.float64]:
    """White noise ``(n_samples,)`` whose bands swell and fade by `swelling`."""
    frequency, spectrum = rfftfreq(len(noise), 1.0 / RATE_HZ), rfft(noise)
    limits = (-1.0, *SWELLING_HZ, np.inf)
    at, known = np.arange(len(noise)) / RATE_HZ, (np.arange(factors.shape[1]) + 0.5) * STEP_S
    total = np.zeros(len(noise))
    for low, high, factor in zip(limits[:-1], limits[1:], factors, strict=True):
        band = irfft(np.where((frequency > low) & (frequency <= high), spectrum, 0.0), n=len(noise))
        total += band * np.interp(at, known, factor)
    return total


def synthesise(powers: NDArray[np.float64], noise: NDArray[np.float64]) -> NDArray[np.float64]:
    """Filter white noise so that each epoch has the given band powers.

    Frames of 5 s overlap by half under sine windows, whose squares add up to one: the spectrum cross-fades over 5 s
    about the boundary of two epochs, and nothing steps.

    Parameters
    ----------
    powers
        Mean power density in the five bands, µV²/Hz, ``(n_epochs, 5)``, above 0.
    noise
        Standard normal, ``(n_samples,)``, ``n_samples = 3000 n_epochs``.

    Returns
    -------
    ndarray
        µV, ``(n_samples,)``.
    """
    per_epoch = EPOCH_SAMPLES // HOP
    # White noise of unit variance has a density of 2 / rate.
    gains = np.sqrt(_densities(powers) * RATE_HZ / 2.0)
    gains = np.repeat(gains, per_epoch, axis=0)
    # A frame lies half before and half after its centre: those at a boundary belong to both epochs.
    gains = 0.5 * (np.vstack([gains[:1], gains]) + np.vstack([gains, gains[-1:]]))
    window = np.sin(np.pi * (np.arange(FRAME) + 0.5) / FRAME)
    padded = np.pad(noise, HOP)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    shaped = irfft(rfft(frames * window, axis=1) * gains, n=FRAME, axis=1) * window
    # Each hop is the second half of one frame and the first half of the next.
    return np.asarray((shaped[1:, :HOP] + shaped[:-1, HOP:]).ravel())


def background(
    target: NDArray[np.float64], *, events: NDArray[np.float64], noise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Synthesise what, added to the events, has the target's log10 band powers ``(n_epochs, 5)``."""
    total = 10.0**target
    return synthesise(np.maximum(total - band_powers(events), LEAST * total), noise)


def band_powers(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean Welch density of each epoch in the five bands, µV²/Hz, ``(n_epochs, 5)``."""
    frequencies, density = welch(signal.reshape(-1, EPOCH_SAMPLES), RATE_HZ, nperseg=256, axis=1)
    return np.stack(
        [density[:, (frequencies >= low) & (frequencies <= high)].mean(axis=1) for low, high in BANDS.values()], axis=1
    )


def _densities(powers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return densities ``(n_epochs, n_frequencies)`` that are straight between the bands on log-log axes."""
    # Weight of each band's knot at each frequency: the interpolation is linear in the knots.
    position = np.log(np.maximum(FREQUENCIES, 0.3))
    weights = np.stack([np.interp(position, np.log(CENTRES), knot) for knot in np.eye(len(CENTRES))])
    # The recorder's high-pass at 0.5 Hz.
    recorder = np.minimum(1.0, (FREQUENCIES / 0.5) ** 2)
    inside = np.stack([(low <= FREQUENCIES) & (high >= FREQUENCIES) for low, high in BANDS.values()])
    average = inside / inside.sum(axis=1, keepdims=True)
    knots = np.log(powers)
    for _ in range(4):  # move the knots until each band's mean is right
        density = np.exp(np.einsum("eb,bf->ef", knots, weights)) * recorder
        knots += np.log(powers) - np.log(np.einsum("ef,bf->eb", density, average))
        knots = np.maximum(knots, np.log(powers) - STEEPEST)
    return np.asarray(np.exp(np.einsum("eb,bf->ef", knots, weights)) * recorder)
