"""What stands at a path that somebody gave, which may be anything."""

import errno
import stat
from pathlib import Path

FILE, FOLDER = "a file", "a folder"

KINDS = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: FOLDER,
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def kind_of(path: str | Path) -> str:
    """`FILE`, `FOLDER`, or in words what else it is, such as ``a named pipe``; an empty text where nothing is.

    Nothing is opened: a pipe or a device would be waited for.
    """
    path = Path(path)
    try:
        return KINDS.get(stat.S_IFMT(path.stat().st_mode), "of no known kind")
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "a loop of links"
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return "a link to nothing" if path.is_symlink() else ""
        return f"out of reach ({error.strerror})"
    except ValueError:  # a character that no path has
        return ""


def instead(path: str | Path) -> str:
    """What to add to words that say that something is not there: what is there in its place, if anything."""
    kind = kind_of(path)
    return f": it is {kind}" if kind else ""
