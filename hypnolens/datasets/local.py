"""Files of a local copy: found by name, in whatever folders the copy has them, and never written to."""

import os
import re
from pathlib import Path

from hypnolens.errors import ConfigurationError


def find_files(name: str, path: Path, pattern: str) -> dict[str, Path]:
    """Files below a folder whose names match, by name; the folder is walked once and no file is opened.

    Parameters
    ----------
    name
        Name of the dataset, for error messages.
    path
        The folder.
    pattern
        Regular expression that whole names match.

    Raises
    ------
    ConfigurationError
        No such folder, or two files of one name.
    """
    if not path.is_dir():
        raise ConfigurationError(f"datasets.{name}.path: there is no folder '{path}'; give the one with the local copy")
    wanted = re.compile(pattern)
    found: dict[str, Path] = {}
    for folder, folders, files in os.walk(path):
        folders.sort()
        for file in files:
            if wanted.fullmatch(file):
                if file in found:
                    raise ConfigurationError(
                        f"datasets.{name}.path: '{path}' has {file} twice, in '{found[file].parent}' and '{folder}'; "
                        "keep one of them"
                    )
                found[file] = Path(folder, file)
    return found
