"""Simulated nights of polysomnography, calibrated on Sleep-EDF: for tests, demonstrations and benchmarks.

The way through: `hypnogram` (stages) -> `spectra` (band powers of each epoch) -> `events` (microstructure, as
`derivations` see it) -> `signal` (the background that makes up the rest) -> `disturbances` -> `night` (all of it from a
seed) -> `files`. What is calibrated on what, and what is still missing: docs/simulation.md.
"""
