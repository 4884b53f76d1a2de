"""Simulated recordings: their names and places. How they are made is in `hypnolens.simulation`."""

from collections.abc import Sequence
from pathlib import Path

from hypnolens.datasets.recording import Recording

KEYS = ("subjects", "nights", "hours", "seed", "derivations")
"""Keys of the configuration that decide what is simulated."""

USUAL = ("EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal")
"""What Sleep-EDF records, and a simulated night if nothing else is asked for."""


ANY = "EEG any"
"""A derivation that is another one each night."""


def list_recordings(
    subjects: int, nights: int, hours: float, seed: int, derivations: Sequence[str] = USUAL
) -> list[Recording]:
    """Recordings ``SIM{subject}N{night}``, in a folder that datasets of the same seed, length and channels share."""
    folder = Path(f"data/simulate/seed-{seed}_hours-{hours:g}{ending(derivations)}")
    return [
        Recording(
            name=(name := f"SIM{subject:03d}N{night}"),
            subject=f"SIM{subject:03d}",
            night=night,
            psg=folder / f"{name}-PSG.edf",
            hypnogram=folder / f"{name}-Hypnogram.edf",
            events=folder / f"{name}-events.tsv",
        )
        for subject in range(subjects)
        for night in range(1, nights + 1)
    ]


def ending(derivations: Sequence[str]) -> str:
    """What the name of a folder says of the channels in it, nothing if they are the usual ones."""
    return "" if tuple(derivations) == USUAL else "_" + "+".join(label.replace(" ", ".") for label in derivations)


def derivations_of(ending: str) -> tuple[str, ...]:
    """Channels by the `ending` of a folder."""
    return tuple(label.replace(".", " ") for label in ending.removeprefix("_").split("+")) if ending else USUAL
