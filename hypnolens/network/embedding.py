"""The network's features in two dimensions, to look at."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from hypnolens.network.inference import features
from hypnolens.network.model import SEResNetBiLSTM
from hypnolens.recordings.epochs import Epochs
from hypnolens.stages import STAGES

PERPLEXITY = 30.0
MOST = 5000
"""Epochs at most: more take t-SNE minutes and make a scatter plot no clearer."""


def embed_recordings(model: SEResNetBiLSTM, recordings: Iterable[Epochs], *, precision: str) -> pd.DataFrame:
    """t-SNE of the features of recordings: ``recording epoch_index stage x y perplexity``.

    All features must come from one network: those of two have no axes in common. Beyond 5,000 epochs, evenly
    spaced ones are taken.
    """
    extracted, frames = [], []
    for epochs in recordings:
        extracted.append(features(model, epochs, precision=precision).cpu().numpy())
        stages = np.array(STAGES)[epochs.stage]
        frames.append(pd.DataFrame({"recording": epochs.recording, "epoch_index": epochs.epoch_index, "stage": stages}))
    table = pd.concat(frames, ignore_index=True)
    rows = np.unique(np.linspace(0, len(table) - 1, min(len(table), MOST)).round().astype(int))
    points, perplexity = embed(np.concatenate(extracted)[rows])
    return table.iloc[rows].assign(x=points[:, 0], y=points[:, 1], perplexity=perplexity)


def embed(points: np.ndarray) -> tuple[np.ndarray, float]:
    """PCA to at most 50 dimensions, then t-SNE (van der Maaten & Hinton 2008) to two, seeded.

    Parameters
    ----------
    points
        ``(n, C)``

    Returns
    -------
    embedded, perplexity
        ``(n, 2)``, and the perplexity: 30, or less where there are too few points for it. With fewer than four
        points there are no neighbourhoods, and the result is zero.
    """
    if len(points) < 4:
        return np.zeros((len(points), 2)), 0.0
    reduced = PCA(min(50, *points.shape), svd_solver="full").fit_transform(points)
    perplexity = min(PERPLEXITY, (len(points) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(reduced), perplexity
