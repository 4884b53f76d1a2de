"""Files of tensors that the pipeline made itself: opened, or refused in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors

from hypnolens.errors import HypnolensError


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a safetensors file while a block reads it, as numpy arrays.

    Raises
    ------
    HypnolensError
        It is damaged, or lacks what the block looks for.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            yield file
    except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise HypnolensError(f"{path}: damaged ({error}); delete it and run again") from error
