"""A whole night: hypnogram, spectrogram, and the bands on which the map of each epoch lies."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from hypnolens.explanations.night import read_strip
from hypnolens.plots.style import hypnogram, new
from hypnolens.stages import EPOCH_S, STAGES


def draw(night: str) -> Figure:
    """Draw from the night of `hypnolens.explanations.night.write_night_strip`."""
    strip = read_strip(Path(night))
    hours = strip.onset_s / 3600
    figure, axes = new(6.2, nrows=5, sharex=True, gridspec_kw={"height_ratios": [1, 1, 1.5, 1.3, 0.9]})
    for axis, codes, label in ((axes[0], strip.stage_true, "expert"), (axes[1], strip.stage_pred, "predicted")):
        hypnogram(axis, list(hours), [STAGES[code] for code in codes])
        axis.set_ylabel(label)
    # The grid of positions: a dropped epoch is a white column.
    index = np.rint((strip.onset_s - strip.onset_s[0]) / EPOCH_S).astype(int)
    extent = (hours[0], hours[0] + (index[-1] + 1) * EPOCH_S / 3600)
    spectrogram, bands = (np.full((values.shape[1], index[-1] + 1), np.nan) for values in (strip.power_db, strip.bands))
    spectrogram[:, index], bands[:, index] = strip.power_db.T, np.log2(strip.bands.T)
    low, high = np.nanpercentile(spectrogram, [5, 98])
    image = axes[2].imshow(
        spectrogram, origin="lower", aspect="auto", cmap="viridis", vmin=low, vmax=high, interpolation="nearest",
        extent=(*extent, strip.frequency_hz[0], strip.frequency_hz[-1]), rasterized=True,
    )  # fmt: skip
    figure.colorbar(image, ax=axes[2], pad=0.01, label="dB (µV²/Hz)")
    axes[2].set_ylabel("Hz")
    image = axes[3].imshow(
        bands, origin="lower", aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest",
        extent=(*extent, -0.5, len(strip.names) - 0.5), rasterized=True,
    )  # fmt: skip
    figure.colorbar(image, ax=axes[3], pad=0.01, label="log2 ratio")
    axes[3].set_yticks(range(len(strip.names)), strip.names)
    axes[3].set_ylabel("map on band")
    axes[4].plot(hours, 100 * strip.context, ".", color="#0072B2", markersize=1.5)
    axes[4].set(ylabel="context, %", ylim=(0, 100), xlabel="hours from the start of the recording", xlim=extent)
    axes[0].set_title(f"{strip.recording}, {len(hours):,} epochs, {strip.method}", fontsize="medium", loc="left")
    figure.align_ylabels(axes)
    return figure
