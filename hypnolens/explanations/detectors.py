"""Sleep microstructure found in a signal.

Spindles and slow waves are found by YASA (Vallat & Walker 2021, eLife 10:e70092), the other kinds here, after the
definitions of the AASM manual (Berry et al., version 2.6). The manual is for the eye: numbers that are not its own were
chosen on simulated nights, and those of spindles also with the marks of two experts in four recordings (DREAMS).
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import butter, find_peaks, sosfiltfilt

from hypnolens.explanations.events import as_table, matched
from hypnolens.recordings.epochs import NOTHING, Epochs, side_by_side
from hypnolens.recordings.quality import FLAT_UV
from hypnolens.stages import CODE, EPOCH_S

NREM = (CODE["N2"], CODE["N3"])
"""Where spindles and slow waves are looked for. YASA's codes of stages are the same as here."""

BROAD_HZ = (1.0, 30.0)
"""The band of which a rhythm's share is taken (YASA's default for spindles)."""

TOP = 0.45
"""Highest edge of a band as a part of the sampling rate: 50 Hz cannot hold 30 Hz."""

SPINDLE_HZ = (12.0, 15.0)
"""YASA's band. The AASM's 11-16 Hz finds slow spindles too, but takes six times as many from 1/f noise."""

SPINDLE_THRESHOLDS = {"rel_pow": 0.15, "corr": 0.6, "rms": 1.5}
"""A little below YASA's 0.2 and 0.65: nearly all that those find is a spindle, but more than half are missed."""

WAVE_PTP_UV = (75.0, 350.0)
"""Peak to peak of a slow wave: from 75 µV (AASM) to 350 µV, beyond which it is an artefact (YASA's default)."""

K_COMPLEX = {"freq_sw": (0.3, 4.0), "dur_neg": (0.1, 1.5)}
"""Up to 4 Hz, as Massimini et al. (2004, J Neurosci 24:6862): at 1.5 Hz, where YASA's slow waves end, the sharp
negative wave of a K-complex has lost about half of its height. Its negative half-wave may then be as short as 0.1 s."""

K_COMPLEX_S, ALONE_S = 0.5, 2.0
"""Least duration of a K-complex (AASM), and seconds without another slow wave before and after it: it stands out from
the background (AASM)."""

VERTEX_HZ = (2.0, 15.0)
"""From where a wave of 0.5 s has lost most of its height, up to where one of 0.1 s has its power."""

VERTEX_UV, VERTEX_SPREADS = 25.0, 5.0
"""Least depth of a vertex wave in that band, in µV and in robust standard deviations of N1: it is to be distinguishable
from the background (AASM)."""

VERTEX_S = (0.05, 0.5)
"""Duration of a vertex wave in that band, nine tenths of the way down to its base, where noise would decide: below
0.5 s (AASM); below 0.05 s it is muscle."""

RMS_S = 1.0
"""Length of the moving RMS: four cycles of the slowest theta, two of the slowest sawtooth waves."""


@dataclass(frozen=True)
class Burst:
    """A rhythm, and when it counts as a burst.

    Attributes
    ----------
    kind, band_hz, stages
        Its name, its band, and the stages in which it is looked for (AASM).
    share
        Least ratio of the moving RMS in the band to that in `BROAD_HZ`. Noise of a 1/f spectrum has 0.38 in the band
        of alpha, 0.45 in that of theta, and 0.57 in that of sawtooth waves; from 0.71 on a band has most of the power.
    gain
        Least ratio of the moving RMS in the band to its median over the recording.
    least_s
        Least duration of both in seconds.
    """

    kind: str
    band_hz: tuple[float, float]
    stages: tuple[str, ...]
    share: float
    gain: float
    least_s: float


BURSTS = (
    # Frontal alpha lies on slow activity and blinks and seldom dominates, but is twice as large as usual.
    Burst("alpha", (8.0, 13.0), ("W", "N1"), share=0.4, gain=2.0, least_s=0.5),
    # Low-amplitude mixed-frequency activity: theta predominates, it is not large.
    Burst("theta", (4.0, 8.0), ("N1", "R"), share=0.7, gain=1.0, least_s=1.0),
    # Trains of teeth: a single one is no train, and at 2 Hz three last 1.5 s.
    Burst("sawtooth", (2.0, 6.0), ("R",), share=0.7, gain=1.0, least_s=1.5),
)
"""Theta and sawtooth waves no larger than the background, as those of simulated nights, are mostly missed."""


def continuous(epochs: Epochs) -> tuple[np.ndarray, np.ndarray]:
    """Lay epochs out on the grid of positions, from the first kept epoch to the last.

    Returns
    -------
    signal : numpy.ndarray
        µV, float64 ``(n_positions * n_samples,)``, 0 where no epoch was kept; its first sample is that of
        ``epochs.onset_s[0]``.
    codes : numpy.ndarray
        Stages, int8 ``(n_positions,)``; -1 where no epoch was kept.
    """
    codes = side_by_side([epochs])[0]
    signal = np.zeros((len(codes), epochs.signal.shape[1]))
    signal[epochs.epoch_index - epochs.epoch_index[0]] = epochs.signal * epochs.scale_uv
    return signal.ravel(), codes


def detect(epochs: Epochs) -> pd.DataFrame:
    """Find the events of a recording.

    Each kind is looked for in its own stages: spindles and slow waves in N2 and N3, K-complexes in N2, alpha in W and
    N1, vertex waves in N1, theta in N1 and R, sawtooth waves in R. Events that reach into a gap are left out. A flat
    signal has none.
    """
    n_samples = epochs.signal.shape[1]
    signal, codes = continuous(epochs)
    # Of a gap one epoch is enough, and YASA takes a signal that is mostly zeros for one in the wrong unit.
    places = np.flatnonzero((codes != NOTHING) | (np.append(NOTHING, codes[:-1]) != NOTHING))
    signal, codes = signal.reshape(-1, n_samples)[places].ravel(), codes[places]
    kept = (codes != NOTHING).repeat(n_samples)
    signal[kept] -= np.median(signal[kept])  # an offset would make a step at each gap
    stage = codes.repeat(n_samples).astype(np.int64)
    finders = (_spindles, _slow_waves, _vertex_waves, _bursts)
    found = [events for finder in finders for events in finder(signal, stage, epochs.rate)]
    kinds = np.repeat([kind for kind, _ in found], [spans.shape[1] for _, spans in found])
    spans = np.concatenate([spans for _, spans in found], axis=1)
    gaps = np.append(0, np.cumsum(codes == NOTHING))
    first, last = np.floor(spans[0] / EPOCH_S).astype(int), np.ceil(spans[1] / EPOCH_S).astype(int)
    inside = gaps[np.minimum(last, len(codes))] == gaps[first]
    left_out = EPOCH_S * (places[first] - first)
    return as_table(kinds[inside], (spans + left_out)[:, inside] + epochs.onset_s[0])


# Below, events of one kind are spans: where they start and stop in seconds, (2, n_events), by onset.
Found = Iterator[tuple[str, np.ndarray]]


def _spindles(signal: np.ndarray, stage: np.ndarray, rate: float) -> Found:
    if TOP * rate > SPINDLE_HZ[1] + 1.5:  # the edge of YASA's filter
        broad = (BROAD_HZ[0], min(BROAD_HZ[1], TOP * rate))
        bands = {"freq_sp": SPINDLE_HZ, "freq_broad": broad}
        yield "spindle", _yasa("spindles_detect", signal, stage, rate, thresh=SPINDLE_THRESHOLDS, **bands)[:2]


def _slow_waves(signal: np.ndarray, stage: np.ndarray, rate: float) -> Found:
    *(start, stop), code = _yasa("sw_detect", signal, stage, rate, amp_ptp=WAVE_PTP_UV, **K_COMPLEX)
    pause = np.concatenate([[np.inf], start[1:] - stop[:-1], [np.inf]])
    alone = np.minimum(pause[:-1], pause[1:]) >= ALONE_S
    complexes = np.stack([start, stop])[:, alone & (code == CODE["N2"]) & (stop - start >= K_COMPLEX_S)]
    yield "k-complex", complexes
    waves = _yasa("sw_detect", signal, stage, rate, amp_ptp=WAVE_PTP_UV)[:2]
    yield "slow-wave", waves[:, ~matched(waves, complexes)]


def _vertex_waves(signal: np.ndarray, stage: np.ndarray, rate: float) -> Found:
    n1 = stage == CODE["N1"]
    if n1.any():
        wave = _band(signal, rate, VERTEX_HZ)
        depth = max(VERTEX_UV, VERTEX_SPREADS * 1.4826 * float(np.median(np.abs(wave[n1]))))
        width, around = np.array(VERTEX_S) * rate, round(2 * VERTEX_S[1] * rate)
        peak, its = find_peaks(-wave, height=depth, width=width, rel_height=0.9, wlen=around)
        # The filter surrounds a positive wave, such as a blink, by two negative ones; those are smaller than it.
        true = n1[peak] & (its["peak_heights"] >= maximum_filter1d(wave, around)[peak])
        yield "vertex", np.stack([its["left_ips"], its["right_ips"]])[:, true] / rate


def _bursts(signal: np.ndarray, stage: np.ndarray, rate: float) -> Found:
    kept = stage != NOTHING
    broad = _rms(_band(signal, rate, BROAD_HZ), rate)
    for burst in BURSTS:
        rms = _rms(_band(signal, rate, burst.band_hz), rate)
        usual = max(FLAT_UV, float(np.median(rms[kept])))  # in a flat signal nothing stands out
        at = np.isin(stage, [CODE[name] for name in burst.stages])
        at &= (rms >= burst.share * broad) & (rms >= burst.gain * usual)
        spans = np.flatnonzero(np.diff(at, prepend=False, append=False)).reshape(-1, 2).T / rate
        yield burst.kind, spans[:, spans[1] - spans[0] >= burst.least_s]


def _yasa(function: str, signal: np.ndarray, stage: np.ndarray, rate: float, **options: object) -> np.ndarray:
    """Start, stop and stage ``(3, n_events)`` of what a detector of YASA finds in N2 and N3, by onset."""
    if not np.isin(stage, NREM).any():
        return np.empty((3, 0))
    import yasa  # takes seconds, as it brings MNE and Numba: only who detects should wait

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ratios in gaps, where there is no power
        found = getattr(yasa, function)(signal, rate, hypno=stage, include=NREM, verbose="critical", **options)
    if found is None:
        return np.empty((3, 0))
    return found.summary().sort_values("Start")[["Start", "End", "Stage"]].to_numpy(dtype=float).T


def _band(signal: np.ndarray, rate: float, band_hz: tuple[float, float]) -> np.ndarray:
    sos = butter(4, [band_hz[0], min(band_hz[1], TOP * rate)], "bandpass", fs=rate, output="sos")
    return sosfiltfilt(sos, signal)


def _rms(signal: np.ndarray, rate: float) -> np.ndarray:
    power = uniform_filter1d(signal**2, round(RMS_S * rate), mode="constant")
    return np.sqrt(np.maximum(power, 0.0))  # the running sum may end a little below zero
