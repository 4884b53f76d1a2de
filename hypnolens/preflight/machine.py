"""What this machine has that a run asks for: room, a GPU, conda, a token."""

import os
import shutil
import subprocess
from pathlib import Path

import torch

from hypnolens.datasets.shhs import TOKEN
from hypnolens.pipeline import gpus

PATIENCE_S = 30.0


def free_mb(folder: Path) -> float:
    """Megabytes that may be written below a folder, or where it would be made."""
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.is_dir())
    return shutil.disk_usage(existing).free / 1e6


def gpu() -> str:
    """What networks compute on here, in words."""
    if gpus.found() and not torch.cuda.is_available():
        return f"{gpus.sentence()}, but torch {torch.__version__} here is built for the CPU and uses none"
    return gpus.sentence()


def conda() -> str:
    """Which conda ``--use-conda`` would take, in words."""
    try:
        asked = subprocess.run(
            ["conda", "--version"], capture_output=True, text=True, timeout=PATIENCE_S, check=True
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return "none: leave --use-conda out where hypnolens is installed with its packages, or install Miniforge"
    return f"{asked}, for --use-conda"


def token() -> str:
    """Whether there is a token for the NSRR, in words."""
    return f"{TOKEN} is set" if os.environ.get(TOKEN, "").strip() else f"{TOKEN} is not set"
