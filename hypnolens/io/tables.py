"""Text files: tables and JSON, the project's own and those that a user wrote, read or refused in one sentence.

They have no checksums, so that people may edit them. Of damage to the project's own a cut in the middle of a line is
noticed, and what is no table any more; another digit, or lines gone from the end, are not.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypnolens.errors import DamagedError, quoted
from hypnolens.io.kinds import FILE, instead, kind_of
from hypnolens.io.names import is_number


def read_rows(path: str | Path) -> list[dict[str, str]]:
    """Rows of a table that the project wrote; a damaged one is refused as by `checked_table`."""
    return list(csv.DictReader(io.StringIO(checked_table(path), newline=""), delimiter="\t"))


def checked_table(path: str | Path) -> str:
    """Text of a table that the project wrote: it has a header, as many cells in every line, and ends with a line's end.

    Raises
    ------
    DamagedError
        It is damaged.
    """
    content = _content(path)
    try:
        text = content.decode("utf-8")
        header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter="\t") if text else [[]]
        if not header or not all(header):
            raise ValueError("it has no header")
        for number, row in enumerate(rows, start=2):
            if len(row) != len(header):
                raise ValueError(f"line {number} has {len(row)} cells, the header {len(header)}")
        if not text.endswith("\n"):
            raise ValueError("it ends in the middle of a line")
    except (ValueError, csv.Error) as error:
        raise DamagedError(path, error) from error
    return text


def read_json(path: str | Path) -> dict[str, Any]:
    """What a file of JSON that the project wrote says.

    Raises
    ------
    DamagedError
        It is damaged.
    """
    content = _content(path)
    try:
        said = json.loads(content)
        if not isinstance(said, dict):
            raise ValueError("it is no JSON object")
    except (ValueError, RecursionError) as error:
        raise DamagedError(path, error) from error
    return said


def _content(path: str | Path) -> bytes:
    if (kind := kind_of(path)) not in (FILE, ""):  # a pipe would be waited for
        raise DamagedError(path, f"it is {kind}")
    return Path(path).read_bytes()


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a table; its rows have exactly these columns."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_user_table(
    path: Path, *, required: Sequence[str], numbers: Sequence[str], empty: bool = False
) -> list[dict[str, str]]:
    """Rows of a table with a header, every cell filled.

    Parameters
    ----------
    path
        The table, in UTF-8, with or without a byte order mark.
    required
        Columns that must be there.
    numbers
        Columns whose cells must be whole numbers of at least 0.
    empty
        Whether a table without a row will do.

    Raises
    ------
    ValueError
        What is wrong with the table, beginning with its path.
    """
    if kind_of(path) != FILE:
        raise ValueError(f"there is no table '{path}'{instead(path)}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t")
            absent = [column for column in required if column not in (reader.fieldnames or [])]
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"'{path}' is no table in UTF-8 ({error})") from error
    if absent:
        raise ValueError(f"'{path}' has no column {', '.join(absent)}; needed are {', '.join(required)}, tab-separated")
    if not rows and not empty:
        raise ValueError(f"'{path}' has no row")
    for number, row in enumerate(rows, start=2):
        for column, cell in row.items():
            if column is None or not (cell or "").strip():
                raise ValueError(
                    f"line {number} of '{path}' has {'too many cells' if column is None else 'no ' + column}"
                )
            row[column] = cell = cell.strip()
            if column in numbers and not is_number(cell):
                raise ValueError(f"{column} {quoted(cell)} in line {number} of '{path}' is no whole number below 10^9")
    return rows
