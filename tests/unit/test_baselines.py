"""Baselines: features worked out by hand, classifiers as optimisers and loops give them."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.signal import get_window
from scipy.special import log_softmax, softmax

from hypnolens.baselines import boosting, linear_probe
from hypnolens.baselines.band_features import (
    BANDS_HZ,
    FEATURES,
    NEIGHBOURS,
    OWN,
    features_of,
    own_features,
    read_features,
    table_of,
    with_neighbours,
)
from hypnolens.errors import HypnolensError, RecordingError
from hypnolens.io.parquet import write_parquet
from tests.conftest import make_epochs

LABELS = np.random.default_rng(3).integers(0, 5, 30)


def _by_hand(x, rate):
    """Features of one epoch in µV ``(n_samples,)``, from their definitions."""
    x = x - x.mean()
    n = round(4 * rate)
    window = get_window("hann", n)
    parts = [x[i : i + n] for i in range(0, len(x) - n + 1, n - n // 2)]
    density = np.mean([np.abs(np.fft.rfft((part - part.mean()) * window)) ** 2 for part in parts], axis=0)
    density *= 2 / (rate * np.sum(window**2))
    hz = np.fft.rfftfreq(n, 1 / rate)
    powers = np.array([density[(hz >= low) & (hz < high)].sum() * hz[1] for low, high in BANDS_HZ.values()])
    slope, bend = np.diff(x), np.diff(np.diff(x))
    mobility = np.sqrt(slope.var() / x.var())
    others = [np.log10(x.var()), mobility * rate, np.sqrt(bend.var() / slope.var()) / mobility]
    return [*np.log10(powers), *np.log10(powers / powers.sum()), *others, np.mean(x**4) / np.mean(x**2) ** 2 - 3]


@pytest.mark.parametrize("rate", [100.0, 128.0, 204.8])
def test_own_features_are_those_of_their_definitions_standardised(rate):
    epochs = make_epochs(LABELS, rate=rate)
    expected = np.array([_by_hand(x * epochs.scale_uv, rate) for x in epochs.signal.astype(float)])
    expected = (expected - expected.mean(axis=0)) / expected.std(axis=0)
    found = own_features(epochs)
    assert found.dtype == np.float32 and found.shape == (len(LABELS), len(OWN))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_features_of_neighbours_are_at_their_positions_and_missing_where_there_is_no_epoch():
    index = np.array([0, 1, 2, 5, 6, 40])
    epochs = make_epochs(LABELS[:6], index=index)
    own, row = own_features(epochs), {position: number for number, position in enumerate(index)}
    table = pd.DataFrame(features_of(epochs), columns=FEATURES)
    assert table.shape == (6, len(OWN) * (2 * NEIGHBOURS + 1)) and (table.dtypes == np.float32).all()
    for number, position in enumerate(index):
        for place in range(-4, 5):
            for column, name in enumerate(OWN):
                there = row.get(position + place)
                expected = np.nan if there is None else own[there, column]
                np.testing.assert_equal(table[f"{name}{place:+d}"][number], np.float32(expected))


def test_a_flat_epoch_has_no_features_and_leaves_the_others_theirs():
    epochs = make_epochs(LABELS)
    signal = epochs.signal.copy()
    signal[4], signal[9] = 1234, 0
    signal[9, ::2] = 1  # the last bit of the converter is no EEG
    kept = np.delete(np.arange(len(LABELS)), [4, 9])
    found = own_features(replace(epochs, signal=signal))
    assert np.isnan(found[[4, 9]]).all()
    np.testing.assert_allclose(
        found[kept], own_features(replace(epochs, signal=epochs.signal[kept])), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("signal", [0, 7], ids=["zero", "constant"])
def test_a_recording_that_is_flat_throughout_has_no_features(signal):
    epochs = make_epochs(LABELS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(features_of(replace(epochs, signal=np.full_like(epochs.signal, signal)))).all()


@pytest.mark.parametrize("rate, absent", [(20.0, {"sigma", "beta"}), (50.0, set())])
def test_a_band_that_a_rate_cannot_hold_has_no_features(rate, absent):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = pd.DataFrame(own_features(make_epochs(LABELS, rate=rate)), columns=OWN)
    gone = {f"log_{kind}{band}" for band in absent for kind in ("", "relative_")}
    assert set(found.columns[found.isna().any()]) == gone and not np.isinf(found).any().any()


def test_an_epoch_alone_in_its_recording_does_not_differ_from_its_mean():
    found = features_of(make_epochs([2]))
    assert np.nansum(np.abs(found)) == 0 and np.isfinite(found).sum() == len(OWN)


def test_features_read_back_are_those_of_the_epochs(tmp_path):
    recordings = [make_epochs(LABELS, name=name, seed=seed) for seed, name in enumerate(("NA", "b", "a"))]
    path = tmp_path / "features.parquet"
    write_parquet(pd.concat([table_of(epochs) for epochs in recordings], ignore_index=True), path)
    assert list(pd.read_parquet(path).columns) == ["recording", "epoch_index", "epochs_sha256", *OWN]
    wanted = [recordings[2], recordings[0]]
    for epochs, found in zip(wanted, read_features(path, wanted), strict=True):
        np.testing.assert_array_equal(found, features_of(epochs))
    others = make_epochs(LABELS, name="c"), make_epochs(LABELS[:9], name="a"), replace(recordings[2], sha256="0")
    for other in others:
        with pytest.raises(RecordingError, match=f"{other.recording}: .* features of other epochs; make it again"):
            read_features(path, [other])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(HypnolensError, match="features.parquet: damaged .*; make it again with `snakemake --force"):
        read_features(path, wanted)


def test_neighbours_of_any_features():
    found = with_neighbours(np.arange(3.0)[:, None], np.array([7, 8, 9]))
    np.testing.assert_array_equal(found[1], [np.nan] * 3 + [0, 1, 2] + [np.nan] * 3)


@pytest.fixture(scope="module")
def points():
    """Features of five stages, of which N3 does not occur, some missing; and their stages."""
    rng = np.random.default_rng(0)
    stages = rng.choice([0, 1, 2, 4], 600).astype(np.int8)
    features = rng.normal(size=(600, 6)) + stages[:, None] * [1, -1, 0.5, 0, 0, 0]
    return features, stages


def test_trees_learn_from_features_with_holes_and_know_no_stage_that_was_absent(points):
    features, stages = points
    holes = np.where(np.random.default_rng(1).random(features.shape) < 0.1, np.nan, features)
    holes[:, 5] = np.nan  # a band above half the sampling rate
    models = [boosting.fit(holes[:400], stages[:400], seed=seed) for seed in (0, 0, 1)]
    found, again, other = (boosting.probabilities(model, holes[400:]) for model in models)
    assert found.dtype == np.float32 and found.shape == (200, 5)
    assert (found[:, 3] == 0).all() and (found[:, [0, 1, 2, 4]] > 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    assert np.mean(found.argmax(axis=1) == stages[400:]) > 0.6
    np.testing.assert_array_equal(found, again)
    assert not np.array_equal(found, other)


@pytest.mark.parametrize("fit", [lambda x, y: boosting.fit(x, y, seed=0), linear_probe.fit])
def test_one_stage_is_nothing_to_tell_apart(fit, points):
    with pytest.raises(HypnolensError, match="have epochs of N2 only; add recordings"):
        fit(points[0], np.full(600, 2))


def test_a_probe_is_penalised_multinomial_regression(points):
    features, stages = points
    standard = (features - features.mean(axis=0)) / features.std(axis=0)
    true = stages[:, None] == [0, 1, 2, 4]

    def loss(flat):
        weights, bias = flat[:24].reshape(6, 4), flat[24:]
        return (weights**2).sum() / 2 - log_softmax(standard @ weights + bias, axis=1)[true].sum()

    best = minimize(loss, np.zeros(28), method="BFGS", options={"gtol": 1e-4}).x
    expected = softmax(standard @ best[:24].reshape(6, 4) + best[24:], axis=1)
    found = linear_probe.probabilities(linear_probe.fit(features.astype(np.float32), stages), features)
    assert found.dtype == np.float32 and (found[:, 3] == 0).all()
    np.testing.assert_allclose(found[:, [0, 1, 2, 4]], expected, atol=1e-3)
