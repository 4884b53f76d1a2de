"""Tab-separated tables: the project's own, and those that a user wrote, read or refused in one sentence."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a table that the project wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


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
    if not path.is_file():
        raise ValueError(f"there is no table '{path}'")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t")
            absent = [column for column in required if column not in (reader.fieldnames or [])]
            rows = list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
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
            if column in numbers and not (cell.isascii() and cell.isdigit()):
                raise ValueError(f"{column} '{cell}' in line {number} of '{path}' is no whole number")
    return rows
