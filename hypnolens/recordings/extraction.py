"""Extraction: from a signal's file and its hypnogram's to scored epochs."""

import csv
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from hypnolens.errors import RecordingError
from hypnolens.io.checksums import digest_of_file, unchanged
from hypnolens.io.tables import read_rows
from hypnolens.recordings.drift import without_drift
from hypnolens.recordings.edf import Channel, read_channel
from hypnolens.recordings.epochs import Epochs, Typical
from hypnolens.recordings.hypnogram import kept_epochs, read_stages
from hypnolens.recordings.quality import quality_flags
from hypnolens.recordings.typical import span_of_sleep, typical_of
from hypnolens.stages import CODE, EPOCH_S, MOVEMENT, UNSCORED

LEAST_RATE_HZ = 20.0
"""Below this not even theta is in a signal; Sleep-EDF's channels at 1 Hz are envelopes and temperatures."""


def read_source(table: str | None, psg: Path, recording: str) -> str:
    """From where a signal was fetched, by the table that its download wrote; its path where it was at hand.

    Raises
    ------
    RecordingError
        The table is damaged or says nothing of this file.
    """
    if not table:
        return str(psg)
    try:
        return next(row["address"] for row in read_rows(Path(table)) if row["file"] == psg.name)
    except (KeyError, StopIteration, ValueError, csv.Error) as error:
        raise RecordingError(recording, f"{table} is damaged", "delete it and run again") from error


def extract(
    psg: Path,
    hypnogram: Path,
    *,
    recording: str,
    subject: str,
    night: int,
    source: str,
    rates: Sequence[float],
    sha1: Mapping[str, str],
    channel: list[str],
    sampling_rate_hz: float | str,
    highpass_hz: float | None,
    trim_wake_min: float | None,
    trim_rule: str,
    stage_codes: str | None = None,
) -> Epochs:
    """Cut one recording into scored epochs.

    Parameters
    ----------
    psg, hypnogram
        EDF file with the signal, and a file of stages, see `hypnolens.recordings.stage_files.read_stage_file`.
    source
        From where the signal is.
    rates
        Rates in Hz that the channel may have; empty for any.
    sha1
        Published SHA-1 of ``psg`` and ``hypnogram``; a file that differs gets the flag ``other-file=…``.
    channel
        Labels in order of preference, see `hypnolens.recordings.edf.read_channel`.
    sampling_rate_hz
        Rate to bring the signal to by polyphase filtering, or ``"native"``.
    highpass_hz
        See `hypnolens.recordings.drift.without_drift`.
    trim_wake_min
        Minutes of wake to keep on each side of sleep, or `None` for all.
    trim_rule
        See `hypnolens.recordings.hypnogram.kept_epochs`.
    stage_codes
        What numbers mean in a table of stages, see `hypnolens.recordings.vocabulary.CODES`.

    Raises
    ------
    RecordingError
        Whatever makes the recording unusable, no scored epoch among it.
    """
    with unchanged(recording) as sha256_of:
        source_sha256, _ = sha256_of(psg), sha256_of(hypnogram)
        found = read_channel(psg, channel, recording)
        if rates and found.rate not in rates:
            expected = " or ".join(f"{rate:g}" for rate in rates)
            what = f"channel '{found.label}' of {psg.name} has {found.rate:g} Hz; this dataset has {expected} Hz"
            raise RecordingError(recording, what, "take the archive's own file, or kind: folder for a converted copy")
        duration_s = len(found.signal) / found.rate
        if duration_s < EPOCH_S:
            raise RecordingError(
                recording, f"{psg.name} is shorter than one epoch of {EPOCH_S} s", "leave it out with exclude:"
            )
        stages, first_s, flags, doubts, _ = read_stages(
            hypnogram,
            start=found.start,
            duration_s=duration_s,
            recording=recording,
            codes=stage_codes,
            pauses=found.pauses,
        )
        paths = {"psg": psg, "hypnogram": hypnogram}
        other = [file for file, published in sha1.items() if digest_of_file(paths[file], "sha1") != published]
    reasons = {"movement": int((stages == MOVEMENT).sum()), "unscored": int((stages == UNSCORED).sum())}
    reached = touched(found.pauses, len(stages), first_s)
    paused = reached & (stages < len(CODE))
    stages[paused] = UNSCORED
    reasons["paused"] = int(paused.sum())
    margin = None if trim_wake_min is None else round(trim_wake_min * 60 / EPOCH_S)
    kept = kept_epochs(stages, margin=margin, rule=trim_rule)
    if len(kept) == 0:
        raise RecordingError(
            recording, f"{hypnogram.name} has no scored epoch", "leave this recording out with exclude:"
        )
    signal, rate = _resample(found, sampling_rate_hz, recording)
    # As float32: 16 bits of the file need no more.
    stored_uv = cut(signal, rate, first_s)[kept].astype(np.float32)
    if found.excess:
        flags = [*flags, f"records={found.excess:+d}"]
    if other:
        flags = [*flags, f"other-file={'+'.join(other)}"]
    flags += quality_flags(stored_uv, rate=rate, limits=found.limits, missing=int(np.ptp(kept)) + 1 - len(kept))
    signal = without_drift(signal, rate, highpass_hz)
    every = cut(signal, rate, first_s)[: len(stages)].astype(np.float32, copy=False)
    kept_uv = every[kept]
    scale = float(np.abs(kept_uv).max()) / np.iinfo(np.int16).max or 1.0
    return Epochs(
        signal=np.round(kept_uv / scale).astype(np.int16),
        stage=stages[kept].astype(np.int8),
        epoch_index=kept.astype(np.int32),
        scale_uv=scale,
        rate=rate,
        first_s=first_s,
        recording=recording,
        subject=subject,
        night=night,
        channel=found.label,
        highpass_hz=highpass_hz,
        typical=_typical(found, every, rate, first_s, ~reached),
        start_time=found.start.isoformat(),
        source=source,
        source_sha256=source_sha256,
        dropped={**reasons, "trimmed": len(stages) - sum(reasons.values()) - len(kept)},
        flags=flags,
        doubts=[*found.doubts, *doubts],
    )


def _typical(source: Channel, epochs: np.ndarray, rate: float, first_s: float, good: np.ndarray) -> Typical:
    """What the recording is like where it was not paused; where sleep is, its file's own rate tells best."""
    span = None
    if source.rate != rate:
        own = cut(source.signal, source.rate, first_s)[: len(good)]
        span = np.pad(span_of_sleep(own, source.rate), (0, len(good) - len(own)), mode="edge")
    if good.all():
        return typical_of(epochs, rate, span)
    return typical_of(epochs[good], rate, None if span is None else span[good])


def _resample(source: Channel, wanted: float | str, recording: str) -> tuple[np.ndarray, float]:
    rate = source.rate if wanted == "native" else float(wanted)
    if source.rate < LEAST_RATE_HZ:
        raise RecordingError(
            recording, f"channel '{source.label}' has {source.rate:g} Hz, too few for an EEG", "choose another channel:"
        )
    if abs(rate * EPOCH_S - round(rate * EPOCH_S)) > 1e-6:
        raise RecordingError(
            recording,
            f"{rate:g} Hz gives no whole number of samples in {EPOCH_S} s",
            "set sampling_rate_hz: of the dataset to 100",
        )
    return resample(source.signal, source.rate, rate), rate


def resample(signal: np.ndarray, rate: float, wanted: float) -> np.ndarray:
    """Bring a signal ``(..., n_samples)`` from one rate in Hz to another, by polyphase filtering."""
    if wanted == rate:
        return signal
    ratio = Fraction(wanted / rate).limit_denominator(10_000)
    # `line` extends the signal by its trend, so that an offset makes no step at the two ends.
    return resample_poly(signal, ratio.numerator, ratio.denominator, axis=-1, padtype="line")


def touched(pauses: Sequence[tuple[float, float]], n_epochs: int, first_s: float) -> np.ndarray:
    """Which epochs a pause touches, bool ``(n_epochs,)``; pauses are in seconds from the first sample."""
    reached = np.zeros(n_epochs, dtype=bool)
    for begin, end in pauses:
        span = slice(max(int((begin - first_s) // EPOCH_S), 0), max(math.ceil((end - first_s) / EPOCH_S), 0))
        reached[span] = True
    return reached


def cut(signal: np.ndarray, rate: float, first_s: float) -> np.ndarray:
    """Cut whole epochs ``(..., n_epochs, n_samples)`` from a signal ``(..., n_samples)``, the first at ``first_s``."""
    n_samples = round(rate * EPOCH_S)
    begin = int(first_s * rate + 1e-6)
    whole = (signal.shape[-1] - begin) // n_samples
    return signal[..., begin : begin + whole * n_samples].reshape(*signal.shape[:-1], whole, n_samples)
