"""Gradient-boosted trees on band features: what can be had without a network, in seconds."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from hypnolens.baselines.classifiers import check_stages, probabilities

__all__ = ["fit", "probabilities"]

ITERATIONS = 150
"""Trees of each stage."""

LEARNING_RATE = 0.1
"""scikit-learn's default."""

LEAVES = 15
"""Leaves of a tree, at most: half of scikit-learn's default, as neighbouring epochs are no independent samples."""

L2 = 1.0
"""Regularisation of a leaf's value."""

FEATURE_SHARE = 0.2
"""Share of the features among which a split is chosen, as most of the 126 say nearly the same. It is what the seed
draws; without it, runs with different seeds would be one run."""


def fit(features: np.ndarray, stages: np.ndarray, *, seed: int) -> HistGradientBoostingClassifier:
    """Grow trees (scikit-learn's HistGradientBoostingClassifier, which has a place for missing values).

    No epochs are held back to stop early: they would be drawn from the people trained on, neighbours of what was
    learnt. Stages count as they occur.

    Parameters
    ----------
    features
        ``(n, n_features)``; NaN where there is no value.
    stages
        Codes 0-4 ``(n,)``; stages that are absent get the probability zero.
    seed
        Seed of the features among which splits are chosen.

    Raises
    ------
    HypnolensError
        All epochs are of one stage.
    """
    check_stages(stages)
    model = HistGradientBoostingClassifier(
        max_iter=ITERATIONS,
        learning_rate=LEARNING_RATE,
        max_leaf_nodes=LEAVES,
        l2_regularization=L2,
        max_features=FEATURE_SHARE,
        early_stopping=False,
        random_state=seed,
    )
    # scikit-learn cannot bin a column without any value; one that is constant is never split.
    empty = np.isnan(features).all(axis=0)
    return model.fit(np.where(empty, features.dtype.type(0), features), stages)
