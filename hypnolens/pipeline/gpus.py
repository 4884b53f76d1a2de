"""GPUs as torch finds them, without torch, which Snakemake's own environment need not have.

torch asks CUDA's driver, and so does this: what the driver sees counts, not the names of device files, which differ in
containers (a lone ``/dev/nvidia3``) and are absent in WSL2. ``CUDA_VISIBLE_DEVICES`` holds here as there.
"""

import platform
import subprocess
import sys
from functools import cache

_ASK = """
import ctypes
driver, number, name = ctypes.CDLL("libcuda.so.1"), ctypes.c_int(), ctypes.create_string_buffer(256)
assert driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(number)) == 0
for place in range(number.value):
    device = ctypes.c_int()
    assert driver.cuDeviceGet(ctypes.byref(device), place) == 0
    assert driver.cuDeviceGetName(name, len(name), device) == 0
    print(name.value.decode("utf-8", "replace"))
"""

PATIENCE_S = 30.0
"""A driver that is asked for the first time after a start takes seconds."""


@cache
def found() -> tuple[str, ...]:
    """Names of the GPUs that networks can compute on; asked in a process of its own, which a driver may take along."""
    try:
        asked = subprocess.run(
            [sys.executable, "-I", "-c", _ASK], capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(asked.stdout.splitlines())


def wanted() -> int:
    """GPUs that a step that trains asks Snakemake for: one where there is any."""
    return min(len(found()), 1)


def sentence() -> str:
    """What was found, in words."""
    if names := found():
        return f"{len(names)} ({', '.join(dict.fromkeys(names))})"
    if (platform.system(), platform.machine()) == ("Darwin", "arm64"):
        return "none that is used (Apple's is not); networks train on the CPU"
    return "none found by CUDA's driver; networks train on the CPU"
