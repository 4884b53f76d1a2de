"""Files from elsewhere, read whole: regular files only, up to the size that they may have."""

import os
import stat
from pathlib import Path

from hypnolens.io.kinds import FILE, kind_of


def read_regular(path: Path, most: int) -> bytes:
    """Bytes of a file.

    Parameters
    ----------
    path
        The file. A pipe, which waits for its writer for ever, and a device, which may have no end, are not opened.
    most
        Bytes that it may have.

    Raises
    ------
    OSError
        It cannot be opened.
    ValueError
        It is something else, or larger; then nothing was read.
    """
    # Looked at before, as to open some devices does something, and after, as it may have been replaced in between.
    if (kind := kind_of(path)) not in (FILE, ""):
        raise ValueError(f"it is {kind}")
    with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it was replaced while it was opened")
        check_size(found.st_size, most)
        return file.read(found.st_size)


def check_size(size: int, most: int) -> None:
    """Refuse a size in bytes.

    Raises
    ------
    ValueError
        It is larger than it may be.
    """
    if size > most:
        raise ValueError(f"it has {size:,} bytes, of which there are {most:,} at most")
