"""Checkpoints: the state of a training, of which a kill at any moment leaves a whole one.

torch does not compare the checksums of its archives, and not all that it reads has one: where a bit of its directory
was flipped, it gave what happened to be in memory as a tensor. So the SHA-256 of the archive stands behind it.
"""

import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

logger = logging.getLogger(__name__)

SHA256_BYTES = 32


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Replace the checkpoint in one step: a kill at any moment leaves the old one or the new one, whole."""
    partial = path.with_suffix(".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with partial.open("w+b") as file:
        torch.save(dict(state), file)
        file.seek(0)
        file.write(hashlib.file_digest(file, "sha256").digest())
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_checkpoint(path: Path, key: str, name: str) -> dict[str, Any] | None:
    """State of a training with this key, or `None`; a damaged or stale one is discarded with a line in the log."""
    if not path.is_file():
        return None
    try:
        if not _is_whole(path):
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


def _is_whole(path: Path) -> bool:
    content = memoryview(path.read_bytes())
    return hashlib.sha256(content[:-SHA256_BYTES]).digest() == content[-SHA256_BYTES:]
