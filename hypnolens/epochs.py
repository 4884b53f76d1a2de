"""Epochs: a recording cut into 30-s pieces with a stage each, and the file that holds them."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import safetensors
from safetensors.numpy import save_file
from scipy.signal import resample_poly

from hypnolens.edf import Channel, read_channel
from hypnolens.errors import DatasetError, RecordingError
from hypnolens.hypnogram import kept_epochs, read_stages
from hypnolens.quality import quality_flags
from hypnolens.stages import EPOCH_S, MOVEMENT, STAGES, UNSCORED

LEAST_RATE_HZ = 20.0
"""Below this not even theta is in a signal; Sleep-EDF's channels at 1 Hz are envelopes and temperatures."""


@dataclass(frozen=True)
class Epochs:
    """Kept epochs of one recording.

    Attributes
    ----------
    signal
        int16 ``(n_epochs, n_samples)``; times ``scale_uv`` it is in µV.
    stage
        Codes 0-4, int8 ``(n_epochs,)``.
    epoch_index
        Position of each epoch in the recording, int32 ``(n_epochs,)``, ascending; a dropped epoch leaves a gap.
    scale_uv
        µV of one step of ``signal``.
    rate
        Sampling rate in Hz.
    first_s
        Seconds from the start of the recording to the epoch of index 0.
    recording, subject, night, channel, start_time, source_sha256
        Where the epochs come from; ``start_time`` is that of the file, ISO 8601.
    dropped
        Epochs dropped, by reason: ``movement``, ``unscored``, ``trimmed``.
    flags
        Quality flags, see `hypnolens.quality`.
    """

    signal: np.ndarray
    stage: np.ndarray
    epoch_index: np.ndarray
    scale_uv: float
    rate: float
    first_s: float
    recording: str
    subject: str
    night: int
    channel: str
    start_time: str
    source_sha256: str
    dropped: dict[str, int]
    flags: list[str]

    @property
    def onset_s(self) -> np.ndarray:
        """Seconds from the start of the recording to each epoch, float64 ``(n_epochs,)``."""
        return self.first_s + self.epoch_index * float(EPOCH_S)


def extract(
    psg: Path,
    hypnogram: Path,
    *,
    recording: str,
    subject: str,
    night: int,
    channel: list[str],
    sampling_rate_hz: float | str,
    trim_wake_min: float | None,
    trim_rule: str,
) -> Epochs:
    """Cut one recording into scored epochs.

    Parameters
    ----------
    psg, hypnogram
        EDF file with the signal and EDF+ file with the stages.
    channel
        Labels in order of preference.
    sampling_rate_hz
        Rate to bring the signal to by polyphase filtering, or ``"native"``.
    trim_wake_min
        Minutes of wake to keep on each side of sleep, or `None` for all.
    trim_rule
        See `hypnolens.hypnogram.kept_epochs`.

    Raises
    ------
    RecordingError
        Whatever makes the recording unusable, no scored epoch among it.
    """
    source = read_channel(psg, channel, recording)
    duration_s = len(source.signal) / source.rate
    if duration_s < EPOCH_S:
        raise RecordingError(recording, f"{psg.name} is shorter than one epoch of {EPOCH_S} s", "leave it out")
    stages, first_s = read_stages(hypnogram, start=source.start, duration_s=duration_s, recording=recording)
    margin = None if trim_wake_min is None else round(trim_wake_min * 60 / EPOCH_S)
    kept = kept_epochs(stages, margin=margin, rule=trim_rule)
    if len(kept) == 0:
        raise RecordingError(recording, f"{hypnogram.name} has no scored epoch", "leave this recording out")
    signal, rate = _resample(source, sampling_rate_hz, recording)
    cut = _cut(signal, rate, first_s, kept)
    reasons = {"movement": int((stages == MOVEMENT).sum()), "unscored": int((stages == UNSCORED).sum())}
    flags = quality_flags(cut, rate=rate, limits=source.limits, missing=int(np.ptp(kept)) + 1 - len(kept))
    scale = float(np.abs(cut).max()) / np.iinfo(np.int16).max or 1.0
    return Epochs(
        signal=np.round(cut / scale).astype(np.int16),
        stage=stages[kept].astype(np.int8),
        epoch_index=kept.astype(np.int32),
        scale_uv=scale,
        rate=rate,
        first_s=first_s,
        recording=recording,
        subject=subject,
        night=night,
        channel=source.label,
        start_time=source.start.isoformat(),
        source_sha256=_sha256(psg),
        dropped={**reasons, "trimmed": len(stages) - sum(reasons.values()) - len(kept)},
        flags=flags,
    )


def write_epochs(epochs: Epochs, path: Path) -> None:
    """Write epochs as safetensors: three tensors, and everything else as metadata of the header."""
    metadata = {
        "scale_uv": repr(epochs.scale_uv),
        "sampling_rate_hz": repr(epochs.rate),
        "first_s": repr(epochs.first_s),
        "recording": epochs.recording,
        "subject": epochs.subject,
        "night": str(epochs.night),
        "channel": epochs.channel,
        "start_time": epochs.start_time,
        "source_sha256": epochs.source_sha256,
        "dropped": json.dumps(epochs.dropped),
        "flags": json.dumps(epochs.flags),
    }
    tensors = {"signal": epochs.signal, "stage": epochs.stage, "epoch_index": epochs.epoch_index}
    save_file(tensors, path, metadata)


def read_epochs(path: Path, *, signal: bool = True) -> Epochs:
    """Read epochs; without ``signal`` only the stages and the header, and ``signal`` is then ``(0, 0)``.

    Raises
    ------
    RecordingError
        The file is damaged or no file of epochs.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
            return Epochs(
                signal=file.get_tensor("signal") if signal else np.empty((0, 0), dtype=np.int16),
                stage=file.get_tensor("stage"),
                epoch_index=file.get_tensor("epoch_index"),
                scale_uv=float(metadata["scale_uv"]),
                rate=float(metadata["sampling_rate_hz"]),
                first_s=float(metadata["first_s"]),
                recording=metadata["recording"],
                subject=metadata["subject"],
                night=int(metadata["night"]),
                channel=metadata["channel"],
                start_time=metadata["start_time"],
                source_sha256=metadata["source_sha256"],
                dropped=json.loads(metadata["dropped"]),
                flags=json.loads(metadata["flags"]),
            )
    except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise RecordingError(
            Path(path).stem, f"{path} is damaged ({error})", "delete it and run again; it is extracted anew"
        ) from error


def summary(epochs: Epochs) -> dict[str, object]:
    """One line of ``recordings.tsv``: epochs kept by stage, dropped by reason, quality flags."""
    counts = np.bincount(epochs.stage, minlength=len(STAGES))
    return {
        "recording": epochs.recording,
        "subject": epochs.subject,
        "night": epochs.night,
        "channel": epochs.channel,
        "sampling_rate_hz": epochs.rate,
        "epochs": len(epochs.stage),
        **dict(zip(STAGES, counts.tolist(), strict=True)),
        **{f"dropped_{reason}": n for reason, n in epochs.dropped.items()},
        "flags": " ".join(epochs.flags) or "none",
        "source_sha256": epochs.source_sha256,
    }


def check_rates(rows: Sequence[Mapping[str, object]], dataset: str) -> None:
    """Check that all recordings of a dataset have epochs of one length.

    Raises
    ------
    DatasetError
        Rates differ, which ``sampling_rate_hz: native`` allows but no network.
    """
    rates = sorted({float(str(row["sampling_rate_hz"])) for row in rows})
    if len(rates) > 1:
        raise DatasetError(
            dataset,
            f"its recordings have different sampling rates ({', '.join(f'{rate:g}' for rate in rates)} Hz)",
            "set sampling_rate_hz: of the dataset to 100",
        )


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
    if rate == source.rate:
        return source.signal, rate
    ratio = Fraction(rate / source.rate).limit_denominator(10_000)
    # `line` extends the signal by its trend, so that an offset makes no step at the two ends.
    return resample_poly(source.signal, ratio.numerator, ratio.denominator, padtype="line"), rate


def _cut(signal: np.ndarray, rate: float, first_s: float, kept: np.ndarray) -> np.ndarray:
    """Epochs in µV ``(n_kept, n_samples)``, as float32: 16 bits of the file need no more."""
    n_samples = round(rate * EPOCH_S)
    begin = int(first_s * rate + 1e-6)
    whole = (len(signal) - begin) // n_samples
    return signal[begin : begin + whole * n_samples].reshape(whole, n_samples)[kept].astype(np.float32)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
