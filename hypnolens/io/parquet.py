"""Parquet files between steps, each with the SHA-256 of all its bytes.

Parquet can give every page a checksum, and its footer none. Here the footer's metadata hold a place of 64 digits, and
in it the SHA-256 of the file with zeros in that place: no bit of it can change unnoticed, and a file that did change
is refused before anything else reads it.
"""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from hypnolens.errors import DamagedError
from hypnolens.io.about import check_about
from hypnolens.io.checksums import OLDER, OTHER, sha256

NAME = "hypnolens_sha256"
"""The checksum's name among the attributes of the frame, which pandas keeps as JSON in the footer."""

ZEROS = "0" * 64


def write_parquet(frame: pd.DataFrame, path: str | Path, about: Mapping[str, Any] | None = None) -> None:
    """Write a table without its index, and what it is of; the same table gives the same bytes."""
    marked = frame.copy(deep=False)
    marked.attrs = {"about": dict(about or {}), NAME: ZEROS}
    content = bytearray(marked.to_parquet(index=False))
    place = _place(content)
    content[place] = sha256(content).encode()
    Path(path).write_bytes(content)


def read_parquet(path: str | Path, wanted: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Read what `write_parquet` wrote.

    Raises
    ------
    DamagedError
        It is damaged, or without a checksum.
    OtherError
        It is not of what is ``wanted``, see `hypnolens.io.about`.
    """
    try:
        content = bytearray(Path(path).read_bytes())
        place = _place(content)
        found = bytes(content[place])
        content[place] = ZEROS.encode()
        if sha256(content).encode() != found:
            raise ValueError(OTHER.format("it"))
    except (OSError, ValueError) as error:
        raise DamagedError(path, error) from error
    frame = pd.read_parquet(BytesIO(content))
    check_about(path, frame.attrs.get("about", {}), wanted or {})
    frame.attrs = {}
    return frame


def _place(content: bytearray) -> slice:
    """Where the checksum stands."""
    mark = f'"{NAME}": "'.encode()
    place = content.rfind(mark) + len(mark)
    if place < len(mark):
        raise ValueError(OLDER)
    return slice(place, place + len(ZEROS))
