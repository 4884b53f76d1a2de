"""Linear evaluation: how far a network's features are linearly separable, without its BiLSTM and without neighbours."""

from collections.abc import Iterable

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from hypnolens.baselines.classifiers import check_stages, probabilities
from hypnolens.network.inference import features
from hypnolens.network.model import Network
from hypnolens.recordings.epochs import Epochs

__all__ = ["fit", "frozen", "probabilities"]

C = 1.0
"""Inverse of the strength of L2 (scikit-learn's default). Against thousands of epochs it is weak: it keeps weights
finite where features separate a stage altogether."""

ITERATIONS = 1000
"""Steps of L-BFGS, at most; features that are standardised need tens to hundreds."""

TOLERANCE = 1e-5
"""Largest component of the gradient at which L-BFGS ends. At scikit-learn's 1e-4, probabilities of a small example were
still 0.003 from those of the optimum; at 1e-5 they are within 0.0003, for a third more steps."""


def frozen(model: Network, recordings: Iterable[Epochs], *, precision: str) -> list[np.ndarray]:
    """Features that a trained network has for the epochs of recordings, float32 ``(n_epochs, C)`` each.

    Parameters
    ----------
    model
        The network, which stays as it is.
    recordings
        Epochs as the network was trained on: normalised as its experiment says.
    precision
        ``fp32`` or ``bf16``, as for scoring.
    """
    return [features(model, epochs, precision=precision).cpu().numpy() for epochs in recordings]


def fit(features: np.ndarray, stages: np.ndarray) -> Pipeline:
    """Fit multinomial logistic regression on standardised features; there is no chance in it, hence no seed.

    Parameters
    ----------
    features
        ``(n, C)``; mean and standard deviation of each feature are those of these epochs.
    stages
        Codes 0-4 ``(n,)``; stages that are absent get the probability zero.

    Raises
    ------
    HypnolensError
        All epochs are of one stage.
    """
    check_stages(stages)
    # Multinomial is what L-BFGS of scikit-learn does. In double precision, or its last steps are rounding.
    model = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=ITERATIONS, tol=TOLERANCE))
    return model.fit(features.astype(np.float64), stages)
