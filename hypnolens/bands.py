"""The bands of sleep's EEG, as features and cards of networks count its power."""

BANDS_HZ = {
    "delta": (0.5, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 12.0),
    "sigma": (12.0, 16.0),
    "beta": (16.0, 30.0),
}
"""Bands in Hz, each without its upper edge, so that no frequency counts twice."""

SEGMENT_S = 4.0
"""Length of a Welch segment (Hann, half overlap): bins of 0.25 Hz, of which the narrowest band has fourteen."""

SPECTRUM = {
    "delta": (0.5, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 11.0),
    "sigma": (11.0, 16.0),
    "beta": (16.0, 30.0),
}
"""Bands in Hz in which maps are described; the sigma band is that of spindles."""
