"""Keys: files that say how steps are made, so that other options, code or lists count as any other changed input does.

Snakemake keeps a step's params with its outputs. It deletes these before the step, and where that is interrupted it
knows of nothing that changed: what was once made of them seems up to date. A file that is newer stays newer, whatever
happens, also where Snakemake's records are gone.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypnolens.errors import HypnolensError


def place(rule: str, dataset: str = "", experiment: str = "") -> Path:
    """Where the key of a rule lies: of a dataset, and of a run on it, where the rule knows them."""
    return Path("results", dataset, "keys", experiment, f"{rule}.json")


def keep(path: Path, content: Mapping[str, Any]) -> None:
    """Write a key, but for one that says the same already.

    Raises
    ------
    HypnolensError
        It cannot be written.
    """
    text = json.dumps(content, indent=1, sort_keys=True, default=str) + "\n"
    try:
        if path.is_file() and path.read_bytes() == text.encode():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError as error:
        raise HypnolensError(f"{path}: cannot be written ({error.strerror}); look after the disk") from error
