"""The closed vocabulary of sleep stages, and the epoch that every other module counts in."""

EPOCH_S = 30
"""Length of an epoch in seconds (AASM, and Rechtschaffen & Kales before it)."""

STAGES = ("W", "N1", "N2", "N3", "R")
"""The five AASM stages in the order of their codes 0-4."""

UNSCORED = 5
"""Code of an epoch without a stage (``?`` in Sleep-EDF, or not covered by any annotation)."""

MOVEMENT = 6
"""Code of movement time, a class of Rechtschaffen & Kales that AASM scoring gave up."""

CODE = {stage: code for code, stage in enumerate(STAGES)}
"""Stage name to code."""
