"""Files from elsewhere, read whole: only what is a file, and no more of it than there can be."""

import os
import stat
from pathlib import Path

NO_FILE = "it is a folder, a pipe or a device, and no file"


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
        It is no file, or larger; then nothing was read.
    """
    # Looked at before, as to open some devices does something, and after, as it may have been replaced in between.
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(NO_FILE)
    with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(NO_FILE)
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
