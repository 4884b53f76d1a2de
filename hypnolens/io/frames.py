"""Text tables as data frames."""

import io
from pathlib import Path

import pandas as pd
from pandas.api.types import is_numeric_dtype

from hypnolens.errors import DamagedError
from hypnolens.io.tables import checked_table

TEXTS = (
    "recording", "subject", "absent", "stage", "kind", "source", "events", "map", "control", "method", "order", "check",
    "level", "decision", "band", "dataset", "experiment", "family", "reference", "clean", "test_selected", "protocol",
    "quantity", "statistic", "unit", "span", "distance", "from", "to", "sampling",
)  # fmt: skip
"""Columns that hold names."""


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table of hypnolens; columns of `TEXTS` stay text, also what looks like a number, ``true`` or ``NA``.

    Raises
    ------
    DamagedError
        It is damaged, see `hypnolens.io.tables.checked_table`, or a column of numbers holds something else.
    """
    text = checked_table(path)
    columns = [str(column) for column in pd.read_table(io.StringIO(text), nrows=0)]
    texts, numbers = [c for c in columns if c in TEXTS], [c for c in columns if c not in TEXTS]
    table = pd.read_table(
        io.StringIO(text),
        dtype=dict.fromkeys(texts, str),
        keep_default_na=False,
        na_values={column: ["nan", ""] for column in numbers},
    )
    if wrong := [column for column in numbers if len(table) and not is_numeric_dtype(table[column])]:
        raise DamagedError(path, f"not every {wrong[0]} is a number")
    return table


def read_texts(path: str | Path) -> pd.DataFrame:
    """Read a table as text, digit by digit as it was written; a damaged one is refused as by `checked_table`."""
    return pd.read_table(io.StringIO(checked_table(path)), dtype=str, keep_default_na=False)
