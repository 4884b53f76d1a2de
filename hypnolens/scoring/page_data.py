"""What the page of a scored night draws: stages, signal, spectrogram and attribution of its first channel.

Numbers are data for JSON, arrays of many samples bytes, which are packed as gzip in base64.
"""

import base64
import gzip
from typing import Any

import numpy as np
from scipy.fft import rfft
from scipy.signal.windows import hann

from hypnolens.evaluation.metrics import without_nan
from hypnolens.plots.colours import HYPNOGRAM_ORDER, STAGE_COLOURS
from hypnolens.recordings.extraction import resample
from hypnolens.scoring.hypnograms import YEARS
from hypnolens.scoring.names import bids_name
from hypnolens.scoring.scored import Detail, Scored
from hypnolens.scoring.summaries import has_clock
from hypnolens.stagers.interface import Reasons
from hypnolens.stages import EPOCH_S, MOVEMENT, STAGES, UNSCORED

SHOWN_HZ = 100.0
"""Highest rate at which the signal is kept in the page: a screen has fewer dots than 30 s have samples."""

STEP_UV, FINEST = 0.25, 40
"""Step of the signal in the page in µV; finer where the signal is small: its spread has at least so many steps."""

GAP = np.iinfo(np.int16).min
"""Stands for a sample that is not a number."""

HALF_UV = (1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
"""What the amplitude scale can reach up and down, in µV."""

FIRST_SCALE = 99.5
"""Per cent of samples that the scale shows at first."""

SPECTRUM_HZ, SPECTRUM_STEP_HZ = (0.5, 30.0), 0.5
"""Band of the spectrogram, and its step."""

WINDOW_S, COLUMN_S = 4.0, 5.0
"""Window of a spectrum, and width of a column, the mean of the spectra of its seconds."""

CHUNK = 2048
"""Spectra made at a time."""

LEVELS_DB = (2.0, 99.0)
"""Per cent of the spectrogram's values between which its colours lie."""

NO_SHARE, WHOLE_SHARE = 255, 254
"""Bytes of a map: no value, and the epoch's maximum."""

REASON_STEP, LEVEL_STEP, REASONS_SHOWN = 0.001, 0.1, 8
"""Steps of log-odds and of standard deviations in the page, and how many features of an epoch are shown."""

EVENTS = {
    "spindle": ("spindle", "sp", "#0072B2"),
    "k-complex": ("K-complex", "K", "#7B2D8B"),
    "slow-wave": ("slow wave", "SW", "#0B7A75"),
    "alpha": ("alpha", "α", "#A65E00"),
    "vertex": ("vertex wave", "V", "#B0004E"),
    "theta": ("theta", "θ", "#4B6B00"),
    "sawtooth": ("sawtooth waves", "saw", "#5A5A5A"),
}
"""Kinds of events: name, short name, and a colour dark enough to read on white."""

TOP_DOWN = tuple(reversed(HYPNOGRAM_ORDER))
"""Stages from top to bottom of a hypnogram."""


def drawn(scored: Scored, detail: Detail) -> tuple[dict[str, Any], dict[str, str]]:
    """All that a page draws, of what `hypnolens.scoring.night_page.write_page` is given.

    Returns
    -------
    data
        What JSON can hold: of the night, and of each array how it is read.
    arrays
        The arrays ``signal`` and ``spectrogram``, and ``maps`` and ``reasons`` where there are any, as gzip in base64.
    """
    made = {"signal": signal_of(scored), "spectrogram": spectrogram_of(scored)}
    if detail.maps is not None:
        made["maps"] = maps_of(detail.maps)
    if detail.reasons is not None:
        made["reasons"] = reasons_of(detail.reasons)
    data = _data(scored, detail) | {"maps": None, "reasons": None} | {name: about for name, (_, about) in made.items()}
    packed = {name: gzip.compress(content, 6, mtime=0) for name, (content, _) in made.items()}
    return data, {name: base64.b64encode(content).decode("ascii") for name, content in packed.items()}


def _data(scored: Scored, detail: Detail) -> dict[str, Any]:
    """All that is no array of many samples."""
    night, human = scored.night, scored.night.human
    events = detail.events.sort_values("onset_s", kind="stable")
    kinds = sorted({str(kind) for kind in events["kind"]})
    start = night.start
    since_midnight = start.hour * 3600 + start.minute * 60 + start.second + start.microsecond / 1e6
    both = staged_by_both(scored)
    return {
        "n": scored.n_epochs,
        "epochS": EPOCH_S,
        "channel": night.channels[0],
        "nChannels": len(night.channels),
        "firstS": float(night.first_s),
        "startS": since_midnight if has_clock(night) else None,
        "lights": list(night.lights),
        "stages": list(STAGES),
        "topDown": [STAGES.index(stage) for stage in TOP_DOWN],
        "colours": [STAGE_COLOURS[stage] for stage in STAGES],
        "movement": MOVEMENT,
        "unscored": UNSCORED,
        "name": night.name,
        "bids": bids_name(night.name),
        "models": list(scored.models),
        "startDate": start.date().isoformat() if YEARS[0] <= start.year <= YEARS[1] else None,
        "stage": scored.stage.tolist(),
        "probability": without_nan(np.round(scored.probability.astype(np.float64), 5).tolist()),
        "confidence": without_nan(np.round(scored.confidence.astype(np.float64), 5).tolist()),
        "unusable": list(scored.unusable),
        "below": float(scored.below),
        "review": scored.review.tolist(),
        "human": None if human is None else human.tolist(),
        "differs": [] if human is None else np.flatnonzero(both & (human != scored.stage)).tolist(),
        "kinds": [EVENTS.get(kind, (kind, kind[:3], "#444444")) for kind in kinds],
        "events": [
            [round(float(onset), 3), round(float(duration), 3), kinds.index(str(kind))]
            for onset, duration, kind in zip(events["onset_s"], events["duration_s"], events["kind"], strict=True)
        ],
    }


def signal_of(scored: Scored) -> tuple[bytes, dict[str, Any]]:
    """The first channel as bytes, and what they are.

    Steps are differences from sample to sample, zigzag-coded (0, -1, 1, -2 … as 0, 1, 2, 3 …), first the lower bytes
    of all, then the higher ones: an EEG packs to half of what its samples do.
    """
    whole = scored.signal[0].reshape(-1)
    rate = min(SHOWN_HZ, scored.rate)
    n_samples = round(rate * EPOCH_S)
    missing = ~np.isfinite(whole)
    shown = resample(np.where(missing, 0, whole), scored.rate, rate)[: scored.n_epochs * n_samples]
    places = np.round(np.arange(len(shown)) * scored.rate / rate).astype(int)
    missing = missing[np.minimum(places, len(whole) - 1)]
    amplitude = np.abs(_off_centre(shown, missing, scored))
    spread = float(np.median(amplitude)) if len(amplitude) else 0.0
    most = float(np.abs(shown).max(initial=0.0))
    step = max(min(STEP_UV, spread / FINEST) or STEP_UV, most / -(GAP + 1))
    steps = np.where(missing, GAP, np.round(shown / step)).astype(np.int16)
    difference = np.diff(steps, prepend=np.int16(0))  # wraps around, and back again in the browser
    zigzag = ((difference << 1) ^ (difference >> 15)).view(np.uint16)
    reach = float(np.percentile(amplitude, FIRST_SCALE)) if len(amplitude) else 0.0
    about = {
        "rate": n_samples / EPOCH_S,
        "samples": n_samples,
        "stepUv": step,
        "gap": int(GAP),
        "halves": HALF_UV,
        "half": next((half for half in HALF_UV if half >= reach), HALF_UV[-1]),
    }
    return np.concatenate([zigzag & 0xFF, zigzag >> 8]).astype(np.uint8).tobytes(), about


def _off_centre(shown: np.ndarray, missing: np.ndarray, scored: Scored) -> np.ndarray:
    """Samples of usable epochs, of all where there are none, each without the median of its epoch."""
    epochs = np.where(missing, np.nan, shown).reshape(scored.n_epochs, -1)
    chosen = epochs[scored.usable] if scored.usable.any() else epochs
    there = chosen[np.isfinite(chosen).any(axis=1)]
    centred = (there - np.nanmedian(there, axis=1, keepdims=True)).ravel()
    return centred[np.isfinite(centred)]


def spectrogram_of(scored: Scored) -> tuple[bytes, dict[str, Any]]:
    """Power of the first channel as bytes, row by row from the lowest frequency on, and what they are.

    Spectra of Hann windows of `WINDOW_S` around the middle of each second, their mean over `COLUMN_S`, in dB of
    1 µV²/Hz. 0 stands for no value, 1 to 255 for the range of the colours.
    """
    signal, rate = scored.signal[0].reshape(-1), scored.rate
    length = round(WINDOW_S * rate)
    n_columns = round(EPOCH_S / COLUMN_S) * scored.n_epochs
    margin = length // 2
    padded = np.pad(signal, (margin, margin + 1), mode="reflect").astype(np.float32)
    window = hann(length, sym=False).astype(np.float32)
    middle = (np.arange(n_columns * round(COLUMN_S)) + 0.5) * rate
    begins = np.minimum(np.round(middle).astype(int), len(padded) - length)
    rows, centres = _rows(length, rate)
    power = np.empty((len(begins), len(centres)), dtype=np.float32)
    for first in range(0, len(begins), CHUNK):
        part = slice(first, first + CHUNK)
        cut = padded[begins[part, None] + np.arange(length)]
        with np.errstate(invalid="ignore"):  # a sample that is no number spoils its window, as it must
            centred = cut - cut.mean(axis=1, keepdims=True)
            density = 2 * np.abs(rfft(centred * window, axis=1)) ** 2 / (rate * np.sum(window**2))
            power[part] = density @ rows
    power = power.reshape(n_columns, -1, len(centres)).mean(axis=1)
    there = np.isfinite(power).all(axis=1)
    decibels = 10 * np.log10(np.maximum(np.where(there[:, None], power, 1), 1e-6))
    usable = there & scored.usable.repeat(n_columns // scored.n_epochs)
    typical = decibels[usable if usable.any() else there]
    low, high = (float(level) for level in np.percentile(typical, LEVELS_DB)) if typical.size else (0.0, 1.0)
    low, high = float(np.floor(low)), float(np.ceil(high))
    high = max(high, low + 1)
    levels = 1 + np.round(254 * np.clip((decibels - low) / (high - low), 0, 1))
    about = {
        "perEpoch": n_columns // scored.n_epochs,
        "rows": len(centres),
        "lowHz": float(centres[0]) - SPECTRUM_STEP_HZ / 2,
        "stepHz": SPECTRUM_STEP_HZ,
        "lowDb": low,
        "highDb": high,
    }
    return np.where(there[:, None], levels, 0).astype(np.uint8).T.tobytes(), about


def _rows(length: int, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights that average frequencies of a spectrum into rows ``(n_frequencies, n_rows)``, and the rows' middles."""
    frequency = np.arange(length // 2 + 1) * rate / length
    top = min(SPECTRUM_HZ[1], rate / 2)
    edges = np.arange(SPECTRUM_HZ[0], top + 1e-9, SPECTRUM_STEP_HZ)
    inside = (frequency[:, None] >= edges[:-1] - 1e-9) & (frequency[:, None] < edges[1:] - 1e-9)
    return (inside / inside.sum(axis=0)).astype(np.float32), (edges[:-1] + edges[1:]) / 2


def maps_of(given: np.ndarray) -> tuple[bytes, dict[str, Any]]:
    """Maps as bytes, shares of their epoch's maximum, and what they are."""
    maps = np.asarray(given, dtype=np.float64)
    there = np.isfinite(maps)
    peak = np.where(there, maps, 0).max(axis=1, initial=0.0)
    shares = np.divide(maps, peak[:, None], out=np.zeros_like(maps), where=there & (peak[:, None] > 0))
    levels = np.where(there, np.round(WHOLE_SHARE * shares), NO_SHARE).astype(np.uint8)
    known = [bool(row.any()) for row in there]
    peaks = [float(f"{value:.4g}") if is_known else None for value, is_known in zip(peak, known, strict=True)]
    return levels.tobytes(), {"bins": maps.shape[1], "none": NO_SHARE, "whole": WHOLE_SHARE, "peak": peaks}


def reasons_of(reasons: Reasons) -> tuple[bytes, dict[str, Any]]:
    """What features add to log-odds, and how far they are from the night's median, as bytes, and what they are.

    First the former of all epochs, two bytes each, the lower one first, then the latter, one byte each.
    """
    least, most = np.iinfo(np.int8).min, np.iinfo(np.int8).max
    share = np.round(np.nan_to_num(reasons.share) / REASON_STEP).clip(-32767, 32767).astype("<i2")
    level = np.round(np.nan_to_num(reasons.level) / LEVEL_STEP).clip(least + 1, most)
    level = np.where(np.isfinite(reasons.level), level, least).astype(np.int8)
    about = {
        "features": list(zip(reasons.words, reasons.groups, strict=True)),
        "groups": list(dict.fromkeys(reasons.groups)),
        "base": without_nan(np.round(reasons.base.astype(np.float64), 4).tolist()),
        "second": reasons.second.tolist(),
        "step": REASON_STEP,
        "levelStep": LEVEL_STEP,
        "none": int(least),
        "shown": REASONS_SHOWN,
    }
    return share.tobytes() + level.tobytes(), about


def staged_by_both(scored: Scored) -> np.ndarray:
    """Epochs that have a stage of both, bool ``(n_epochs,)``; none where nobody else staged."""
    human = scored.night.human
    return np.zeros(scored.n_epochs, dtype=bool) if human is None else scored.usable & (human < len(STAGES))
