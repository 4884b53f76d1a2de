"""A recording as the plan knows it: names and paths, nothing read."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Recording:
    """One recording of one night.

    Attributes
    ----------
    name, subject, night
        What it is called, whose it is, and which night of this subject's.
    psg, hypnogram
        Its files; `None` for the half of a pair that is not there, which stops its extraction with a clear line.
    """

    name: str
    subject: str
    night: int
    psg: Path | None
    hypnogram: Path | None
