"""Where the network computes, and in which arithmetic."""

import fcntl
import logging
import os
import tempfile
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import IO

import torch

logger = logging.getLogger(__name__)

MOST_SHARING = 16
"""Processes on one GPU among which this one looks for a place."""

_held: list[IO[str]] = []


@cache
def pick_device() -> torch.device:
    """The GPU that the fewest processes of hypnolens compute on, held until this one ends; the CPU if there is none.

    Of the GPUs that ``CUDA_VISIBLE_DEVICES`` leaves, a process takes one that nobody holds; where all are held it is
    the second on one of them, and so on. How many trainings run at once is Snakemake's affair
    (``--resources gpu=N``): with N above the number of GPUs several folds share one.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    torch.set_float32_matmul_precision("high")  # TF32 where fp32 is asked for
    number, place = claim([_name(number) for number in range(torch.cuda.device_count())])
    logger.info("GPU %d of those visible, as number %d on it", number, place + 1)
    return torch.device("cuda", number)


def claim(names: list[str]) -> tuple[int, int]:
    """Hold a place on the device with the fewest holders, by a lock that ends with the process.

    Returns
    -------
    number, place
        Which of ``names``, and how many others were there first.
    """
    folder = Path(tempfile.gettempdir()) / f"hypnolens-devices-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for place in range(MOST_SHARING):
        for number, name in enumerate(names):
            lock = (folder / f"{name}.{place}").open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            _held.append(lock)
            return number, place
    return 0, MOST_SHARING


def arithmetic(device: torch.device, precision: str) -> AbstractContextManager:
    """Context in which the network computes: ``fp32``, ``bf16``, or ``auto`` (bf16 on a GPU, fp32 on a CPU)."""
    reduced = precision == "bf16" or (precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, torch.bfloat16, enabled=reduced)


def _name(number: int) -> str:
    uuid = getattr(torch.cuda.get_device_properties(number), "uuid", None)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return str(uuid or (visible[number] if number < len(visible) and visible[number] else number))
