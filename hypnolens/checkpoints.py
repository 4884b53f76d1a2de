"""Checkpoints: the state of a training, of which a kill at any moment leaves a whole one."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hypnolens.logs import logger


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Replace the checkpoint in one step: a kill at any moment leaves the old one or the new one, whole."""
    partial = path.with_suffix(".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("wb") as file:
        torch.save(dict(state), file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_checkpoint(path: Path, key: str, name: str) -> dict[str, Any] | None:
    """State of a training with this key, or `None`; a damaged or stale one is discarded with a line in the log."""
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = state["key"]
    except Exception as error:  # a damaged file can make torch raise nearly anything; the fold is trained anew
        logger.warning("%s: checkpoint discarded: it is damaged (%s)", name, type(error).__name__)
        return None
    if found != key:
        logger.warning("%s: checkpoint discarded: experiment, folds, code or inputs have changed since", name)
        return None
    done = state["progress"]
    logger.info("%s: going on after pass %d, step %d of a checkpoint", name, len(done["history"]), done["step"])
    return state
