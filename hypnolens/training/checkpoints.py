"""Checkpoints: the state of a training, of which a kill at any moment leaves a whole one.

torch does not compare the checksums of its archives, and not all that it reads has one: where a bit of its directory
was flipped, it gave what happened to be in memory as a tensor. So the SHA-256 of the archive stands behind it.
"""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hypnolens.io.checksums import is_sealed, seal_file

logger = logging.getLogger(__name__)


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Replace the checkpoint in one step: a kill at any moment leaves the old one or the new one, whole."""
    partial = path.with_suffix(".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("w+b") as file:
        torch.save(dict(state), file)
        seal_file(file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_checkpoint(path: Path, key: str, name: str) -> dict[str, Any] | None:
    """State of a training with this key, or `None`; a damaged or stale one is discarded with a line in the log."""
    if not path.is_file():
        return None
    try:
        if not is_sealed(path):
            raise ValueError
        state = torch.load(path, map_location="cpu", weights_only=True)
        found, done = state["key"], state["progress"]
        passes, step = len(done["history"]), done["step"]
    except Exception as error:  # a file of another make can make torch raise nearly anything; the fold is trained anew
        logger.warning("%s: checkpoint discarded: it is damaged (%s); beginning anew", name, type(error).__name__)
        return None
    if found != key:
        logger.warning("%s: checkpoint discarded: experiment, folds, code or inputs have changed since", name)
        return None
    logger.info("%s: going on after pass %d, step %d of a checkpoint", name, passes, step)
    return state
