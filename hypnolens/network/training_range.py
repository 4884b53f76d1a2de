"""What the nights were like that a network was trained on, and in what another night lies outside of that."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.signal import periodogram, welch

from hypnolens.bands import BANDS_HZ, SEGMENT_S
from hypnolens.datasets.simulate import ANY
from hypnolens.recordings.epochs import Epochs
from hypnolens.recordings.quality import FLAT_UV

MOST_RECORDINGS, MOST_EPOCHS = 100, 50
"""How many recordings are looked at, and how many epochs of each, spread evenly: seconds, however large a dataset."""

NIGHT_EPOCHS = 200
"""Epochs of a night that is compared, spread evenly."""

CARDS_BEFORE_HZ = {**BANDS_HZ, "alpha": (8.0, 12.0), "sigma": (12.0, 16.0)}
"""Bands of cards that do not say theirs: they were measured with these."""

FAR = 3.0
"""Standard deviations between recordings from which a night lies outside."""

SLOW_HZ, FLOOR_HZ = ((0.2, 0.4), (0.6, 1.2)), ((20.0, 24.0), (0.5, 24.0))
FALL_HZ = ((12.0, 16.0), (20.0, 24.0))
"""Ratios of power density that tell what was done to a signal: of below a recorder's high-pass filter to above it; in
the quietest epochs, of what noise adds to all; and of the ends between which a low-pass filter lies, in the flattest
quarter of epochs. In simulated nights the first is 0.3 to 0.5, and 0.01 after a high-pass of 0.5 Hz (zero-phase, second
order). The second is 0.004 to 0.04 in these and 0.009 to 0.02 in five real half-hours, with 5 µV of white noise 0.04 to
0.12 and 0.02 to 0.1. The third is 1.5 to 3.8 and 3.5 to 7.6, after a low-pass of 15 Hz 28 and more. A network at 50 Hz
sees no higher."""

NOTHING = -3.0
"""Least of these ratios (log10): of what a filter has taken rounding is left, which is another in each night."""

QUIETEST = 10
"""Percentile of epochs that are called the quietest."""

FLATTEST = 25
"""And those that are called the flattest: the others have spindles, which are a fall of their own."""

SPREAD = {"amplitude": 0.1, "delta": 0.1, "theta": 0.13, "alpha": 0.25, "sigma": 0.25, "beta": 0.25, "slow": 0.2,
          "floor": 0.13, "fall": 0.33}  # fmt: skip
"""Standard deviations (log10) between nights that are expected before any was seen. Those of the bands above delta are
of nights and people of Sleep-EDF, relative to delta (``data/sleepedf_statistics.json``: 0.13, 0.24, 0.25); simulated
nights have 0.10 in amplitude and 0.04 in delta, which is bounded above and falls far in bad nights. Five real half-
hours have 0.14 in the floor, and 0.15 in the fall, which is 0.3 above that of simulated nights; their slow ratio is
more of the recorder than of the person."""

ABOVE = ("floor", "fall")
"""What is judged on one side: noise raises the one, a low-pass filter the other."""

WEIGHT = 10
"""Nights that `SPREAD` counts for, as four nights alone say little of the spread of others. Of sixteen simulated
nights, each beside five of other people, one is then called unusual as it is; of eight all but one are when they are
scaled by 3 or by a third, and all when as much white noise is added as there is signal."""


def training_range_of(recordings: Sequence[Epochs]) -> dict[str, Any]:
    """What a network's card says of the recordings that it was trained on.

    Parameters
    ----------
    recordings
        In µV, as they were extracted; at least one.

    Returns
    -------
    dict
        ``recordings``: how many were looked at; ``channels``, ``rate_hz`` and ``bands_hz``; and for ``amplitude`` and
        other level of `night_levels` its ``mean``, ``sd``, ``low`` and ``high`` over recordings.
    """
    places = np.unique(np.linspace(0, len(recordings) - 1, MOST_RECORDINGS).round().astype(int))
    samples = [sample for place in places if _alive(sample := _sample(recordings[place]))]
    described = [night_levels(sample, recordings[0].rate) for sample in samples]
    values = {name: np.array([one[name] for one in described]) for name in described[0]} if described else {}
    return {
        "recordings": len(samples),
        "channels": sorted({epochs.channel for epochs in recordings}),
        "rate_hz": recordings[0].rate,
        "bands_hz": {name: list(limits) for name, limits in BANDS_HZ.items()},
        **{
            name: {"mean": round(float(of.mean()), 4), "sd": round(float(of.std()), 4),
                   "low": round(float(of.min()), 4), "high": round(float(of.max()), 4)}
            for name, of in values.items()
        },
    }  # fmt: skip


def night_levels(
    signal: np.ndarray, rate: float, bands_hz: Mapping[str, Sequence[float]] = BANDS_HZ
) -> dict[str, float]:
    """What a night is like, of all epochs but flat ones.

    Parameters
    ----------
    signal
        µV ``(n_epochs, n_samples)``, at least one epoch that is not flat.
    rate
        In Hz.
    bands_hz
        Limits of each band.

    Returns
    -------
    dict
        ``amplitude``: log10 of the standard deviation in µV, and the log10 of each band's share of the power of all
        bands, medians over epochs; ``slow`` and ``floor``: log10 of the ratios of `SLOW_HZ` and `FLOOR_HZ`. What the
        rate cannot hold is left out.
    """
    spread = signal.std(axis=1)
    alive = spread >= FLAT_UV
    frequency, density = welch(signal[alive], fs=rate, nperseg=min(round(SEGMENT_S * rate), signal.shape[1]), axis=1)
    power = {
        name: density[:, (frequency >= low) & (frequency < high)].sum(axis=1)
        for name, (low, high) in bands_hz.items()
        if high <= rate / 2
    }
    # Above zero, as the bands of a card may hold no frequency.
    total = np.maximum(np.sum(list(power.values()), axis=0), np.finfo(float).tiny)
    shares = {name: float(np.median(np.log10(np.maximum(own / total, 1e-9)))) for name, own in power.items()}
    levels = {"amplitude": float(np.median(np.log10(spread[alive]))), **shares}
    fine, slow = periodogram(signal[alive], fs=rate, window="hann", axis=1)
    below, above = (_density(fine, slow, band) for band in SLOW_HZ)
    levels["slow"] = max(float(np.median(below - above)), NOTHING)
    if FLOOR_HZ[0][1] <= rate / 2:
        fast, all_of_it = (_density(frequency, density, band) for band in FLOOR_HZ)
        levels["floor"] = max(float(np.percentile(fast, QUIETEST) - np.median(all_of_it)), NOTHING)
        before, behind = (_density(frequency, density, band) for band in FALL_HZ)
        levels["fall"] = min(float(np.percentile(before - behind, FLATTEST)), -NOTHING)
    return levels


def _density(frequency: np.ndarray, density: np.ndarray, band_hz: tuple[float, float]) -> np.ndarray:
    """log10 of each epoch's mean density in a band, ``(n_epochs,)``."""
    inside = (frequency >= band_hz[0]) & (frequency < band_hz[1])
    return np.log10(np.maximum(density[:, inside].mean(axis=1), np.finfo(float).tiny))


def out_of_range(
    signal: np.ndarray, rate: float, *, file_rate: float, channel: str, usual: Mapping[str, Any]
) -> list[str]:
    """In what a night lies outside of what a network was trained on, in sentences.

    Parameters
    ----------
    signal
        µV ``(n_epochs, n_samples)``, epochs that carry an EEG.
    rate
        Its rate in Hz, that of the network.
    file_rate
        Rate of the file in Hz.
    channel
        Name of the channel.
    usual
        As `training_range_of` gives it.
    """
    found = []
    if ANY not in usual["channels"] and _plain(channel) not in map(_plain, usual["channels"]):
        found.append(f"the model was trained on {', '.join(usual['channels'])}, not on this channel")
    if file_rate < usual["rate_hz"]:
        found.append(
            f"the file has {file_rate:g} Hz, fewer than the {usual['rate_hz']:g} Hz of the model: what it reads above "
            f"{file_rate / 2:g} Hz is missing"
        )
    signal = signal[signal.std(axis=1) >= FLAT_UV]
    if len(signal) == 0:
        return [*found, f"nothing of the signal is left at the {rate:g} Hz of the model"]
    n = max(usual["recordings"], 1)
    rows = np.unique(np.linspace(0, len(signal) - 1, NIGHT_EPOCHS).round().astype(int))
    bands_hz = usual.get("bands_hz", CARDS_BEFORE_HZ)
    highest = {**{name: limits[1] for name, limits in bands_hz.items()}, **dict.fromkeys(ABOVE, FLOOR_HZ[0][1])}
    for name, value in night_levels(signal[rows], rate, bands_hz).items():
        if name not in usual or name not in SPREAD or highest.get(name, 0.0) > file_rate / 2:
            continue
        its = usual[name]
        # Of one more night, given the mean of n and what is believed of the spread.
        variance = (n * its["sd"] ** 2 + WEIGHT * SPREAD[name] ** 2) / (n + WEIGHT)
        above = value - its["mean"]
        if (above if name in ABOVE else abs(above)) > FAR * np.sqrt(variance * (1 + 1 / n)):
            found.append(_sentence(name, bands_hz.get(name), 10**value, 10 ** its["low"], 10 ** its["high"]))
    return found


def _plain(channel: str) -> str:
    """A channel's name without case, separators and the word EEG, which files have or lack."""
    letters = "".join(letter for letter in channel.lower() if letter.isalnum())
    return letters.removeprefix("eeg") or letters


def _sentence(name: str, band_hz: Sequence[float] | None, value: float, low: float, high: float) -> str:
    if name == "amplitude":
        return f"median amplitude {value:.3g} µV; nights of the training had {low:.3g} to {high:.3g} µV"
    if name == "slow":
        return (
            f"{span_words(*SLOW_HZ)} is {value:.2g}; nights of the training had {low:.2g} to {high:.2g}: another "
            "high-pass filter, or slow artefacts"
        )
    if name == "floor":
        return (
            f"in its quietest epochs {span_words(*FLOOR_HZ)} is {value:.2g}; nights of the training had {low:.2g} to "
            f"{high:.2g}: noise"
        )
    if name == "fall":
        return (
            f"in its flattest epochs {span_words(*FALL_HZ)} is {value:.2g}; nights of the training had {low:.2g} to "
            f"{high:.2g}: another low-pass filter"
        )
    band = f"{name} ({band_hz[0]:g} to {band_hz[1]:g} Hz)" if band_hz else name
    shares = f"nights of the training had {100 * low:.2g} to {100 * high:.2g} %"
    return f"{100 * value:.2g} % of the power are in {band}; {shares}"


def span_words(one: tuple[float, float], other: tuple[float, float]) -> str:
    """A ratio of densities in two bands in Hz, in words."""
    return f"the ratio of density from {one[0]:g} to {one[1]:g} Hz to that from {other[0]:g} to {other[1]:g} Hz"


def _sample(epochs: Epochs) -> np.ndarray:
    rows = np.unique(np.linspace(0, len(epochs.signal) - 1, MOST_EPOCHS).round().astype(int))
    return epochs.signal[rows].astype(np.float32) * np.float32(epochs.scale_uv)


def _alive(sample: np.ndarray) -> bool:
    return bool((sample.std(axis=1) >= FLAT_UV).any())
