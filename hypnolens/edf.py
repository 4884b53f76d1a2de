"""EDF and EDF+ files: one channel in microvolts, and annotations, with the damage found before it does harm."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import edfio
import numpy as np

from hypnolens.errors import RecordingError

MICROVOLTS = {"uV": 1.0, "µV": 1.0, "μV": 1.0, "mV": 1e3, "V": 1e6, "nV": 1e-3}
"""Physical dimensions of EDF headers, in µV. The two letters that look like µ are different characters."""

FETCH_AGAIN = "fetch the file again, or leave this recording out with exclude:"


@dataclass(frozen=True)
class Channel:
    """One channel of a recording.

    Attributes
    ----------
    signal
        Samples in µV, float32 ``(n_samples,)``.
    rate
        Sampling rate in Hz.
    label
        Label of the channel in the file.
    limits
        Lowest and highest value in µV that the file can hold: a signal that stays there is clipped.
    start
        Date and time of the first sample; the year is 1 where the file gives no date.
    unit
        Physical dimension by the file's header.
    """

    signal: np.ndarray
    rate: float
    label: str
    limits: tuple[float, float]
    start: datetime
    unit: str


@dataclass(frozen=True)
class Annotations:
    """Annotations of an EDF+ file: ``(onset in s, duration in s or None, text)`` each, and the file's start."""

    entries: tuple[tuple[float, float | None, str], ...]
    start: datetime


def read_channel(path: Path, labels: Sequence[str], recording: str) -> Channel:
    """Read the first of the wanted channels that a file has; the others stay on disk.

    Parameters
    ----------
    path
        EDF or EDF+ file (continuous).
    labels
        Labels in order of preference, compared exactly.
    recording
        Name for error messages.

    Raises
    ------
    RecordingError
        No such file or channel; a damaged file; a unit that is not a voltage; a recording with gaps (EDF+D).
    """
    edf = _open(path, recording)
    present = [label.strip() for label in edf.labels]
    label = next((label for label in labels if label in present), None)
    if label is None:
        wanted = " or ".join(f"'{label}'" for label in labels)
        found = ", ".join(f"'{label}'" for label in present) or "no signal at all"
        raise RecordingError(
            recording,
            f"channel {wanted} not found; {path.name} has {found}",
            "set channel: of the dataset to one of these",
        )
    if present.count(label) > 1:
        raise RecordingError(
            recording, f"{path.name} has {present.count(label)} channels '{label}'", "rename all but one of them"
        )
    return _channel(edf, present.index(label), path, recording)


def list_channels(path: Path, recording: str) -> list[str]:
    """Labels of the signals of a file, in its order; for what is raised see `read_channel`."""
    return [label.strip() for label in _open(path, recording).labels]


def read_place(path: Path, place: int, recording: str) -> Channel:
    """Read the channel at a place of `list_channels`, as `read_channel` does.

    A unit that is no voltage is taken for µV: it is for the caller to look at `Channel.unit` and at the values.
    """
    return _channel(_open(path, recording), place, path, recording, any_unit=True)


def _channel(edf: edfio.Edf, place: int, path: Path, recording: str, *, any_unit: bool = False) -> Channel:
    if not _continuous(edf):
        raise RecordingError(
            recording, f"{path.name} is discontinuous (EDF+D)", "export it as one continuous recording"
        )
    source = edf.signals[place]
    label, unit = source.label.strip(), source.physical_dimension.strip()
    if unit not in MICROVOLTS and not any_unit:
        raise RecordingError(
            recording,
            f"channel '{label}' is in '{unit}', which is no voltage",
            f"correct the header of {path.name} to one of {', '.join(MICROVOLTS)}",
        )
    try:
        low, high = source.digital_range
        bottom, top = source.physical_range
    except ValueError as error:
        what = f"channel '{label}' of {path.name} has a range that is no number ({error})"
        raise RecordingError(recording, what, FETCH_AGAIN) from error
    if not -32768 <= low < high <= 32767 or bottom == top:
        raise RecordingError(
            recording, f"channel '{label}' of {path.name} has an empty or impossible range", FETCH_AGAIN
        )
    factor = MICROVOLTS.get(unit, 1.0)
    ends = sorted((bottom * factor, top * factor))
    if not np.isfinite(ends).all():
        raise RecordingError(recording, f"channel '{label}' of {path.name} has an infinite range", FETCH_AGAIN)
    gain = (top - bottom) / (high - low) * factor
    # In place and in single precision, which holds 16 bits exactly: a day at 100 Hz is 8 million samples.
    signal = source.digital.astype(np.float32)
    signal *= gain
    signal += bottom * factor - low * gain
    return Channel(signal, source.sampling_frequency, label, (ends[0], ends[1]), _start(edf, path, recording), unit)


def read_annotations(path: Path, recording: str) -> Annotations:
    """Read the annotations of an EDF+ file, in order of onset.

    Raises
    ------
    RecordingError
        No such file, a damaged file, or one without annotations.
    """
    found = list_annotations(path, recording)
    if not found.entries:
        raise RecordingError(recording, f"{path.name} holds no annotations", "give the EDF+ file that holds the stages")
    return found


def list_annotations(path: Path, recording: str) -> Annotations:
    """Read the annotations of a file, of which there may be none, otherwise as `read_annotations`."""
    edf = _open(path, recording)
    try:
        entries = tuple((entry.onset, entry.duration, entry.text) for entry in edf.annotations)
    except Exception as error:  # whatever a damaged annotation makes the reader raise
        raise RecordingError(recording, f"annotations of {path.name} are damaged ({error})", FETCH_AGAIN) from error
    return Annotations(entries, _start(edf, path, recording))


def _open(path: Path, recording: str) -> edfio.Edf:
    """Open a file and refuse it if its header and its size disagree; no sample is read."""
    if not path.is_file():
        raise RecordingError(recording, f"{path} does not exist", "correct the path, or fetch the file")
    try:
        size = path.stat().st_size
        if size < 256:
            raise RecordingError(
                recording, f"{path.name} is {'empty' if size == 0 else 'shorter than an EDF header'}", FETCH_AGAIN
            )
        _check_size(path, size, recording)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # Latin-1 decodes every byte, so that a µ in a unit (outside the standard, yet common) is no damage.
            edf = edfio.read_edf(path, header_encoding="latin-1")
            if any(not signal.sampling_frequency > 0 for signal in edf.signals):
                raise ValueError("a sampling rate is not positive")
            return edf
    except PermissionError as error:
        raise RecordingError(recording, f"{path} may not be read", "give yourself read permission") from error
    except (RecordingError, MemoryError):
        raise
    except Exception as error:  # a damaged header makes the reader raise anything from ValueError to KeyError
        what = f"{path.name} is not a readable EDF file ({type(error).__name__}: {error})"
        raise RecordingError(recording, what, FETCH_AGAIN) from error


def check_bdf(path: Path, recording: str) -> None:
    """Refuse a BDF file (EDF of 24 bits) that its header contradicts, or that has gaps.

    Raises
    ------
    RecordingError
        The header makes no sense, its number of data records is not that of the file, or the file is discontinuous.
    """
    try:
        _check_size(path, path.stat().st_size, recording, magic=b"\xffBIOSEMI", sample_bytes=3)
    except (OSError, ValueError) as error:
        raise RecordingError(recording, f"{path.name} is not a readable BDF file ({error})", FETCH_AGAIN) from error
    with path.open("rb") as file:
        if file.read(256)[192:197] == b"BDF+D":
            raise RecordingError(
                recording, f"{path.name} is discontinuous (BDF+D)", "export it as one continuous recording"
            )


def _check_size(path: Path, size: int, recording: str, **form: Any) -> None:
    declared, actual = _records(path, size, **form)
    if declared != actual:
        raise RecordingError(
            recording,
            f"{path.name} is {'cut short' if actual < declared else 'longer than its header says'}: the header "
            f"promises {declared} data records, the file holds {actual:g}",
            FETCH_AGAIN,
        )


def _records(path: Path, size: int, *, magic: bytes = b"0       ", sample_bytes: int = 2) -> tuple[int, float]:
    """Data records that the header declares, and those that the size of the file makes room for."""
    with path.open("rb") as file:
        head = file.read(256)
        if not head.startswith(magic):
            raise ValueError("it does not begin as EDF does" if sample_bytes == 2 else "it does not begin as BDF does")
        header, declared, n_signals = int(head[184:192]), int(head[236:244]), int(head[252:256])
        if n_signals < 1 or header != 256 * (1 + n_signals) or declared < 0 or float(head[244:252]) < 0:
            raise ValueError("header size, number of records, their duration and number of signals do not fit")
        file.seek(256 + 216 * n_signals)
        samples = [int(file.read(8)) for _ in range(n_signals)]
    if min(samples) < 1:
        raise ValueError("a signal without samples")
    return declared, (size - header) / (sample_bytes * sum(samples))


def _continuous(edf: edfio.Edf) -> bool:
    return not edf.reserved.startswith("EDF+D") or edf.is_continuous


def _start(edf: edfio.Edf, path: Path, recording: str) -> datetime:
    try:
        return edf.startdatetime
    except Exception:  # anonymised or impossible dates: the time of day is all that alignment needs
        try:
            return datetime.combine(datetime.min.date(), edf.starttime)
        except Exception as error:
            what = f"{path.name} has no readable start time, without which it cannot be aligned ({error})"
            raise RecordingError(recording, what, "correct the time in its header") from error
