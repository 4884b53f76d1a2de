"""Simulated recordings: their names and places. How they are made is in `hypnolens.simulation`."""

from pathlib import Path

from hypnolens.datasets.recording import Recording

KEYS = ("subjects", "nights", "hours", "seed")
"""Keys of the configuration that decide what is simulated."""


def list_recordings(subjects: int, nights: int, hours: float, seed: int) -> list[Recording]:
    """Recordings ``SIM{subject}N{night}``, in a folder that all datasets of the same seed and length share."""
    folder = Path(f"data/simulate/seed-{seed}_hours-{hours:g}")
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
