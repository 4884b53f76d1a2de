"""How stages are shown, in figures and on pages."""

from hypnolens.stages import STAGES

STAGE_COLOURS = dict(zip(STAGES, ("#E69F00", "#56B4E9", "#009E73", "#0B3C6F", "#CC79A7"), strict=True))
"""Okabe and Ito's palette, with a dark blue for N3, so that stages differ in lightness too when printed grey."""

HYPNOGRAM_ORDER = ("N3", "N2", "N1", "R", "W")
"""Stages from bottom to top of a hypnogram, as sleep laboratories draw it."""
