"""Files of a local copy: found by name, in whatever folders the copy has them, and never written to."""

import os
import re
from pathlib import Path

from hypnolens.errors import ConfigurationError, DatasetError
from hypnolens.io.kinds import FOLDER, instead, kind_of


def find_files(name: str, path: Path, pattern: str) -> dict[str, Path]:
    """Files below a folder whose names match, by name; the folder is walked once and no file is opened.

    Links to folders are followed, hidden folders are not looked into, and the case of an ending does not matter.

    Parameters
    ----------
    name
        Name of the dataset, for error messages.
    path
        The folder.
    pattern
        Regular expression that whole names match, with endings in lower case.

    Raises
    ------
    ConfigurationError
        No such folder, one that may not be read, or two files of one name.
    """
    where = f"datasets.{name}.path"
    if kind_of(path) != FOLDER:
        raise ConfigurationError(
            f"{where}: there is no folder '{path}'{instead(path)}; give the one with the local copy"
        )

    def unreadable(error: OSError) -> None:
        raise ConfigurationError(f"{where}: '{error.filename}' cannot be read ({error.strerror})") from error

    wanted = re.compile(pattern)
    found: dict[str, Path] = {}
    seen = set()
    for folder, folders, files in os.walk(path, followlinks=True, onerror=unreadable):
        real = os.path.realpath(folder)
        folders[:] = [] if real in seen else sorted(sub for sub in folders if not sub.startswith("."))
        if real in seen:  # a link that leads back
            continue
        seen.add(real)
        for file in files:
            if wanted.fullmatch(key := Path(file).stem + Path(file).suffix.lower()):
                if key in found:
                    raise ConfigurationError(
                        f"{where}: '{path}' has {key} twice, in '{found[key].parent}' and '{folder}'; keep one of them"
                    )
                found[key] = Path(folder, file)
    return found


def check_writable(name: str, folder: Path) -> None:
    """Refuse to plan downloads into a folder that cannot be written to.

    Raises
    ------
    DatasetError
        Neither the folder nor the nearest one above it that exists may be written to.
    """
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())
    if not os.access(existing, os.W_OK | os.X_OK):
        what = f"its files are to be fetched to {folder}, and '{existing}' cannot be written to"
        raise DatasetError(name, what, "give yourself permission there, or set path: of the dataset to a local copy")
