"""Simulated nights of polysomnography, calibrated on Sleep-EDF: for tests, demonstrations and benchmarks.

The way through: `hypnogram` (stages) -> `spectra` (band powers of each epoch) -> `events` (microstructure) ->
`signal` (the background that makes up the rest) -> `night` (all of it from a seed) -> `files`.
"""
