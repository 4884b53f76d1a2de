"""A recording as the plan knows it: names and paths, nothing read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    source
        The table that says from where its files were fetched; `None` where they were at hand.
    rates
        Sampling rates in Hz that its channels of EEG may have; empty where any will do.
    events
        A table of its events: the true ones of a simulated night, or experts' marks; `None` where there is none.
    lights_off
        Clock time at which the lights went off, ``hh:mm:ss``, where a table of the dataset knows it.
    sha1
        Published SHA-1 of ``psg`` and ``hypnogram``, where files at hand are to be compared with them.
    """

    name: str
    subject: str
    night: int
    psg: Path | None
    hypnogram: Path | None
    source: Path | None = None
    rates: tuple[float, ...] = ()
    events: Path | None = None
    lights_off: str = ""
    sha1: Mapping[str, str] = field(default_factory=dict)
