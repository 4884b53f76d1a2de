"""Noise in the place of a signal: what is put where something is taken away, so that no other band appears instead."""

import numpy as np


def phase_randomised(signals: np.ndarray, *, seed: int) -> np.ndarray:
    """Noise with the amplitude spectrum of each signal (Theiler et al. 1992): what was an event is spread out.

    Parameters
    ----------
    signals
        ``(n, n_samples)``, any unit.
    seed
        Seed of the phases; every signal has its own.

    Returns
    -------
    numpy.ndarray
        Of the shape and type of ``signals``, with the mean of each.
    """
    spectrum = np.fft.rfft(signals, axis=1)
    turned = spectrum * np.exp(2j * np.pi * np.random.default_rng(seed).random(spectrum.shape))
    turned[:, 0] = spectrum[:, 0]
    if signals.shape[1] % 2 == 0:
        turned[:, -1] = spectrum[:, -1]  # the Nyquist frequency has no phase
    return np.fft.irfft(turned, n=signals.shape[1], axis=1).astype(signals.dtype)
