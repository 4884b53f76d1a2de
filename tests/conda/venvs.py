"""Virtual environments that hold exactly what some pins and their dependencies name, and nothing else.

Distributions come from the environment in which the tests run, file by file as its records list them: hard links, so
that an environment with torch takes a second and no space. pip would take minutes, and gigabytes where the index has
CUDA builds; that it chooses the same distributions is a test of its own.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

BUILT_WITH = Path(sys._base_executable)
"""The Python below the tests' own environment."""


class PinError(Exception):
    """A pin that the environment of the tests does not satisfy."""


def closure(pins: Iterable[str]) -> dict[str, metadata.Distribution]:
    """Distributions that pins name, and all that these require on this platform, by normalised name.

    Raises
    ------
    PinError
        One is not installed where the tests run, or in another version.
    """
    wanted, extras, found = [Requirement(pin) for pin in pins], {}, {}
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        try:
            found[name] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            raise PinError(f"{requirement} is not installed where the tests run") from None
        if not requirement.specifier.contains(found[name].version, prereleases=True):
            raise PinError(f"{requirement}, but the tests run {found[name].version}")
        seen = extras.get(name)
        extras[name] = {*(seen or ()), *requirement.extras}
        if seen == extras[name]:
            continue
        for line in found[name].requires or []:
            needed = Requirement(line)
            if any(needed.marker is None or needed.marker.evaluate({"extra": e}) for e in ("", *extras[name])):
                wanted.append(needed)
    return found


def build(prefix: Path, pins: Iterable[str]) -> list[str]:
    """Make a virtual environment of pins and what they require; returns `name==version` of all that it holds."""
    distributions = closure(pins)
    subprocess.run([BUILT_WITH, "-m", "venv", "--without-pip", prefix], check=True)
    (site,) = prefix.glob("lib/python*/site-packages")
    for distribution in distributions.values():
        if distribution.files is None:
            raise PinError(f"{distribution.name} has no list of its files where the tests run")
        for file in distribution.files:
            target = Path(os.path.normpath(site / file))
            # Commands name the Python that they were installed for; a step calls none.
            if target.is_relative_to(prefix) and prefix / "bin" not in target.parents:
                _link(Path(file.locate()), target)
    return sorted(f"{name}=={distribution.version}" for name, distribution in distributions.items())


def _link(source: Path, target: Path) -> None:
    if not source.is_file():  # a record may list compiled files that were never written
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)
