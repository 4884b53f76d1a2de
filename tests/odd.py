"""EDF files written byte by byte, so that they can be as odd as those that people have."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

LIMITS = ("-500", "500")


def record_times(n: int, record_s: float, decimals: int = 6) -> list[bytes]:
    """The annotation with which each of ``n`` data records of EDF+ begins."""
    onsets = [f"{number * record_s:.{decimals}f}".rstrip("0").rstrip(".") for number in range(n)]
    return [f"+{onset}".encode() + b"\x14\x14\0" for onset in onsets]


def annotation(onset: float, duration: float | None, text: str) -> bytes:
    """An annotation as EDF+ writes it."""
    length = b"" if duration is None else b"\x15" + f"{duration:g}".encode()
    return f"{onset:+g}".encode() + length + b"\x14" + text.encode() + b"\x14\0"


def write_odd(
    path: Path,
    signals: Sequence[tuple[str, np.ndarray]],
    n_samples: int,
    *,
    record_s: str = "1",
    unit: str | bytes = "uV",
    limits: tuple[str, str] = LIMITS,
    digital: tuple[int, int] = (-32_768, 32_767),
    units: Sequence[str | bytes] = (),
    reserved: str = "",
    n_records: int | None = None,
    annotations: Sequence[bytes] = (),
    date: str = "24.04.20",
    clock: str = "22.00.00",
    identification: str = "Startdate 24-APR-2020 X X X",
    fill: bytes = b" ",
    patient: str = "X X X X",
    first: bool = False,
) -> Path:
    """Write an EDF file.

    Parameters
    ----------
    signals
        Label and µV of each, as many samples as fill whole data records of ``n_samples``.
    record_s, limits, unit, units, reserved, date, clock, identification
        Cells of the header as they are written; ``units`` for each signal, or ``unit`` for all.
    digital
        Values of the file between which those of the signals lie, as wide as its ``limits``.
    patient
        What the header says of the person.
    first
        Whether annotations stand before the signals.
    n_records
        As the header says it; by default as many as there are.
    annotations
        Bytes of a signal of annotations, one a data record, or none.
    fill
        What cells are filled with.
    """
    n = len(signals[0][1]) // n_samples if signals else len(annotations)
    low, high = (float(cell.replace(",", ".")) for cell in limits)
    columns = [
        np.round((x[: n * n_samples] - low) / (high - low) * (digital[1] - digital[0]) + digital[0])
        .astype("<i2")
        .reshape(n, n_samples)
        for _, x in signals
    ]
    cells = [[label, "", one, *limits, *map(str, digital), "", str(n_samples), ""]
             for (label, _), one in zip(signals, units or [unit] * len(signals), strict=True)]  # fmt: skip
    if annotations:
        width = 2 * ((max(map(len, annotations)) + 3) // 2)
        raw = b"".join(one.ljust(width, b"\0") for one in annotations)
        columns.append(np.frombuffer(raw, "<i2").reshape(n, width // 2))
        cells.append(["EDF Annotations", "", "", "-1", "1", "-32768", "32767", "", str(width // 2), ""])

        if first:
            columns, cells = [columns[-1], *columns[:-1]], [cells[-1], *cells[:-1]]

    def cell(text: str | bytes, width: int) -> bytes:
        return (text if isinstance(text, bytes) else text.encode("latin-1")).ljust(width, fill)[:width]

    count = len(cells)
    head = [cell("0", 8), cell(patient, 80), cell(identification, 80), cell(date, 8), cell(clock, 8),
            cell(str(256 * (count + 1)), 8), cell(reserved, 44), cell(str(n if n_records is None else n_records), 8),
            cell(record_s, 8), cell(str(count), 4)]  # fmt: skip
    for place, width in enumerate((16, 80, 8, 8, 8, 8, 8, 80, 8, 32)):
        head += [cell(row[place], width) for row in cells]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(head) + np.concatenate(columns, axis=1).tobytes())
    return path
