"""The bands of sleep's EEG: one set of limits for features, cards of networks and descriptions of maps."""

BANDS_HZ = {
    "delta": (0.5, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 11.0),
    "sigma": (11.0, 16.0),
    "beta": (16.0, 30.0),
}
"""Bands in Hz, each without its upper edge, so that no frequency counts twice. Sigma is the band in which the AASM
manual looks for spindles, and alpha ends where it begins."""

SEGMENT_S = 4.0
"""Length of a Welch segment (Hann, half overlap): bins of 0.25 Hz, of which the narrowest band has twelve."""
