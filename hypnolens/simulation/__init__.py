"""Simulated nights of polysomnography, calibrated on Sleep-EDF: for tests, demonstrations and benchmarks.

The way through: `hypnogram` (stages) -> `spectra` (band powers of each epoch) -> `events` (microstructure) ->
`signal` (the background that makes up the rest) -> `night` (all of it from a seed) -> `files`.
"""

from hypnolens.simulation.events import Event
from hypnolens.simulation.files import write_night
from hypnolens.simulation.night import CHANNELS, Night, simulate_night

__all__ = ["CHANNELS", "Event", "Night", "simulate_night", "write_night"]
