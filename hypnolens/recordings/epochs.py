"""Epochs: a recording cut into 30-s pieces with a stage each, and the file that holds them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hypnolens.errors import DatasetError, OtherError, quoted
from hypnolens.io.checksums import canonical, sha256
from hypnolens.io.tensors import opened, write_tensors
from hypnolens.stages import EPOCH_S, STAGES

NOTHING = -1
"""Where a table of hypnograms has no epoch."""

NO_SIGNAL = np.empty((0, 0), dtype=np.int16)

READ = (
    "scale_uv", "sampling_rate_hz", "first_s", "highpass_hz", "recording", "subject", "night", "channel", "start_time",
)  # fmt: skip
"""Texts of the file that later steps read, besides those that tell where it comes from and what was dropped."""

SEGMENT = 256
"""Samples of a Welch segment: the gain it gives is smooth, so that epochs can be filtered one by one."""


class Typical(NamedTuple):
    """Of the span of sleep of a recording, which `hypnolens.recordings.typical` finds.

    Attributes
    ----------
    log_power
        Mean of the natural logarithm of the power in µV²/Hz, float64 ``(n_frequencies,)``, by Welch's method with
        segments of `SEGMENT` samples.
    mean, sd
        Of all samples in µV.
    """

    log_power: np.ndarray
    mean: float
    sd: float


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
    recording, subject, night, channel, start_time, source, source_sha256
        Where the epochs come from; ``start_time`` is that of the file, ISO 8601, and ``source`` the address from which
        the signal was fetched, or its path.
    dropped
        Epochs dropped, by reason: ``movement``, ``unscored``, ``paused`` (the recorder was), ``trimmed``.
    flags
        Quality flags, see `hypnolens.recordings.quality`.
    doubts
        What was odd about the file and how it was settled, in sentences.
    highpass_hz
        What was taken off besides the median, see `hypnolens.recordings.drift.without_drift`.
    typical
        What the whole recording is like, by which it is normalised; `None` where these epochs are all of it.
    sha256
        Hash of all that later steps read of the file that was read, also after the signal was normalised; empty where
        there is no file. It is what tables of recordings list, and what a training is known by.
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
    source: str
    source_sha256: str
    dropped: dict[str, int]
    flags: list[str]
    doubts: list[str] = field(default_factory=list)
    highpass_hz: float | None = None
    typical: Typical | None = None
    sha256: str = ""

    @property
    def onset_s(self) -> np.ndarray:
        """Seconds from the start of the recording to each epoch, float64 ``(n_epochs,)``."""
        return self.first_s + self.epoch_index * float(EPOCH_S)


def write_epochs(epochs: Epochs, path: Path) -> None:
    """Write epochs as tensors, and everything else as texts beside them."""
    texts = {
        "scale_uv": repr(epochs.scale_uv),
        "sampling_rate_hz": repr(epochs.rate),
        "first_s": repr(epochs.first_s),
        "highpass_hz": json.dumps(epochs.highpass_hz),
        "recording": epochs.recording,
        "subject": epochs.subject,
        "night": str(epochs.night),
        "channel": epochs.channel,
        "start_time": epochs.start_time,
        "source": epochs.source,
        "source_sha256": epochs.source_sha256,
        "dropped": json.dumps(epochs.dropped),
        "flags": json.dumps(epochs.flags),
        "doubts": json.dumps(epochs.doubts),
    }
    tensors = {"signal": epochs.signal, "stage": epochs.stage, "epoch_index": epochs.epoch_index}
    typical = epochs.typical
    tensors["typical"] = np.array([] if typical is None else [typical.mean, typical.sd, *typical.log_power])
    write_tensors(tensors, texts, path)


def read_epochs(path: Path, *, signal: bool = True, mapped: bool = False) -> Epochs:
    """Read epochs; without ``signal`` only the stages and the header, and ``signal`` is then ``(0, 0)``.

    What is read is compared with its checksum. A ``mapped`` signal is too, and stays in its file until rows of it are
    asked for, see `hypnolens.io.tensors.Stored`.

    Raises
    ------
    DamagedError
        The file is damaged, of an older hypnolens, or not there.
    OtherError
        It holds epochs of another recording than it is called after.
    """
    with opened(path, recording=Path(path).stem) as file:
        texts = file.texts
        if texts["recording"] != Path(path).stem:
            raise OtherError(path, f"holds the epochs of {quoted(texts['recording'])}")
        return Epochs(
            signal=file.stored("signal") if mapped else file["signal"] if signal else NO_SIGNAL,
            stage=file["stage"],
            epoch_index=file["epoch_index"],
            scale_uv=float(texts["scale_uv"]),
            rate=float(texts["sampling_rate_hz"]),
            first_s=float(texts["first_s"]),
            recording=texts["recording"],
            subject=texts["subject"],
            night=int(texts["night"]),
            channel=texts["channel"],
            start_time=texts["start_time"],
            source=texts["source"],
            source_sha256=texts["source_sha256"],
            dropped=json.loads(texts["dropped"]),
            flags=json.loads(texts["flags"]),
            doubts=json.loads(texts["doubts"]),
            highpass_hz=json.loads(texts["highpass_hz"]),
            typical=_typical(file["typical"]),
            sha256=sha256(canonical([file.sha256_of, {name: texts[name] for name in READ}])),
        )


def _typical(stored: np.ndarray) -> Typical | None:
    return Typical(stored[2:], float(stored[0]), float(stored[1])) if len(stored) else None


def recording_row(epochs: Epochs) -> dict[str, object]:
    """One line of ``recordings.tsv``: epochs kept by stage, dropped by reason, quality flags."""
    counts = np.bincount(epochs.stage, minlength=len(STAGES))
    return {
        "recording": epochs.recording,
        "subject": epochs.subject,
        "night": epochs.night,
        "channel": epochs.channel,
        "sampling_rate_hz": epochs.rate,
        "highpass_hz": "none" if epochs.highpass_hz is None else epochs.highpass_hz,
        "epochs": len(epochs.stage),
        **dict(zip(STAGES, counts.tolist(), strict=True)),
        **{f"dropped_{reason}": n for reason, n in epochs.dropped.items()},
        "flags": " ".join(epochs.flags) or "none",
        "doubts": "; ".join(epochs.doubts) or "none",
        "source": epochs.source,
        "source_sha256": epochs.source_sha256,
        "epochs_sha256": epochs.sha256,
    }


def side_by_side(recordings: Sequence[Epochs]) -> np.ndarray:
    """Stages of many recordings, each from its first kept epoch on.

    Returns
    -------
    numpy.ndarray
        Codes, int8 ``(n_recordings, longest span)``; `NOTHING` where no epoch was kept.
    """
    spans = [int(np.ptp(epochs.epoch_index)) + 1 for epochs in recordings]
    stages = np.full((len(recordings), max(spans)), NOTHING, dtype=np.int8)
    for row, epochs in zip(stages, recordings, strict=True):
        row[epochs.epoch_index - epochs.epoch_index[0]] = epochs.stage
    return stages


def write_hypnograms(stages: np.ndarray, path: Path) -> None:
    """Write what `side_by_side` gives; rows are those of ``recordings.tsv``."""
    write_tensors({"stage": stages}, {}, path)


def read_hypnograms(path: Path) -> np.ndarray:
    """Stages of many recordings as `side_by_side` gives them; a damaged file is refused as by `read_epochs`."""
    with opened(path) as file:
        return file["stage"]


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
