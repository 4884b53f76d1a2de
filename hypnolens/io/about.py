"""What a file between steps is of, said in it: a whole file in another's place must not be taken for that one.

Files of a fold say ``dataset``, ``experiment_name``, ``fold``, ``sides_sha256`` (by side, the hash of the epochs that
were read, see `hypnolens.training.folds.about_fold`) and, where a network made them, its ``weights_sha256``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypnolens.errors import OtherError


def check_about(path: str | Path, said: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Check that a file is of what it is read for.

    Parameters
    ----------
    path
        The file.
    said
        What it says of itself.
    wanted
        What it should say. Of sides it may say fewer, as no step reads all.

    Raises
    ------
    OtherError
        It is of something else, or does not say.
    """
    for key, value in wanted.items():
        found = said.get(key)
        if key == "sides_sha256":
            differing = [side for side, sha256 in (found or {"": ""}).items() if value.get(side) != sha256]
            if differing:
                raise OtherError(path, f"was made of other epochs than there are now ({differing[0] or 'no'} side)")
        elif found != value:
            is_of = "does not say of what it is" if found is None else f"is of {_words(key, found)}"
            raise OtherError(path, f"{is_of}, and should be of {_words(key, value)}")


def _words(key: str, value: Any) -> str:
    return f"the {key.removesuffix('_sha256').removesuffix('_name')} {value}"
