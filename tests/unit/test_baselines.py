"""Baselines: features worked out by hand, classifiers as optimisers and loops give them, YASA as by hand."""

import warnings
from dataclasses import replace
from datetime import datetime

import mne
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.signal import get_window
from scipy.special import log_softmax, softmax

from hypnolens.baselines import boosting, linear_probe, yasa_stager
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
from hypnolens.recordings.extraction import extract
from hypnolens.stages import STAGES
from tests.conftest import make_epochs, write_hypnogram, write_psg

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


def _extract(psg, hypnogram, channel, **options):
    name = psg.name.removesuffix("-PSG.edf")
    options = {"sampling_rate_hz": 100, "highpass_hz": None, "trim_wake_min": 5, **options}
    return extract(
        psg, hypnogram, recording=name, subject=name, night=1, source="-", rates=(), sha1={},
        channel=[channel], trim_rule="drop-then-trim", **options,
    )  # fmt: skip


def _yasa(raw, channel):
    """Stages and probabilities of a whole recording, as YASA's documentation does it."""
    import yasa

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hypnogram = yasa.SleepStaging(raw, eeg_name=channel).predict()
    stages = hypnogram.hypno.astype(str).replace({"WAKE": "W", "REM": "R"}).to_numpy()
    return stages, hypnogram.proba.rename(columns={"WAKE": "W", "REM": "R"})[list(STAGES)].to_numpy()


def _alike(found, by_hand):
    """YASA is not continuous: see `hypnolens.baselines.yasa_stager`. Most epochs are the same to single precision."""
    off = np.abs(found - by_hand).max(axis=1)
    return off.max() < 0.01 and np.mean(off < 1e-6) > 0.8


@pytest.mark.parametrize("name", ["dreams1", "dreams2", "dreams4", "dynamo1"])
@pytest.mark.parametrize("native", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_yasa_stages_real_recordings_as_by_hand(data, name, native, capfd):
    psg, hypnogram = (data / "real" / f"{name}-{kind}.edf" for kind in ("PSG", "Hypnogram"))
    raw = mne.io.read_raw_edf(psg, verbose="error")
    (channel,) = raw.ch_names
    epochs = _extract(psg, hypnogram, channel, **({"sampling_rate_hz": "native"} if native else {}))
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = yasa_stager.probabilities(psg, epochs)
    assert capfd.readouterr() == ("", "")
    stages, by_hand = _yasa(raw, channel)
    assert found.shape == (len(epochs.stage), 5) and found.dtype == np.float32
    assert _alike(found, by_hand[epochs.epoch_index])
    assert np.array(STAGES)[found.argmax(axis=1)].tolist() == stages[epochs.epoch_index].tolist()


def test_yasa_refuses_a_rate_that_is_too_low(data):
    psg = data / "real" / "dreams3-PSG.edf"
    epochs = _extract(psg, data / "real" / "dreams3-Hypnogram.edf", "C3-A1")
    assert epochs.rate == 100  # resampling makes no frequencies that were not recorded
    with pytest.raises(RecordingError, match="^dreams3: channel 'C3-A1' has 50 Hz, .* more than 80 Hz; leave it out"):
        yasa_stager.probabilities(psg, epochs)


@pytest.mark.parametrize("late", [0.0, 7.0, 67.5])
def test_yasa_begins_where_the_hypnogram_does(data, tmp_path, late):
    """The hypnogram begins later than the signal, and of an epoch only the grid of the hypnogram counts."""
    raw = mne.io.read_raw_edf(data / "real" / "dynamo1-PSG.edf", verbose="error")
    signal = raw.get_data()[0, :90_000] * 1e6
    psg = write_psg(tmp_path / "late-PSG.edf", {"EEG": signal}, limits=(signal.min(), signal.max()))
    start = datetime(1989, 4, 24, 16, 13, int(late) % 60).replace(minute=13 + int(late) // 60)
    labels = "W122M33R" * 3
    hypnogram = write_hypnogram(tmp_path / "late-Hypnogram.edf", labels, start=start, onset=late % 1)
    epochs = _extract(psg, hypnogram, "EEG")
    cropped = mne.io.read_raw_edf(psg, verbose="error").crop(tmin=late % 30)
    rows = np.round((epochs.onset_s - late % 30) / 30).astype(int)
    assert len(rows) == 21 and not np.array_equal(np.diff(rows), np.ones(20))
    stages, by_hand = _yasa(cropped, "EEG")
    found = yasa_stager.probabilities(psg, epochs)
    assert _alike(found, by_hand[rows])
    assert np.array(STAGES)[found.argmax(axis=1)].tolist() == stages[rows].tolist()


def test_a_grid_is_the_same_from_any_of_its_epochs():
    noise = np.random.default_rng(0).normal(0, 20, 100 * 400)
    given = [yasa_stager.stage(noise, 100.0, "E", first_s=first_s, recording="r") for first_s in (5.0, 35.0, -25.0)]
    assert given[0].shape == (13, 5)
    np.testing.assert_array_equal(given[0], given[1])
    np.testing.assert_array_equal(given[0], given[2])


def test_yasa_refuses_less_than_five_minutes():
    noise = np.random.default_rng(0).normal(0, 20, 100 * 301)
    assert len(yasa_stager.stage(noise, 100.0, "E", first_s=1.0, recording="r")) == 10
    with pytest.raises(RecordingError, match="^r: 299 s of signal, and YASA's stager needs 300 s; leave it out"):
        yasa_stager.stage(noise, 100.0, "E", first_s=2.0, recording="r")


def test_yasa_says_so_where_epochs_are_not_of_the_file(data):
    psg = data / "real" / "dreams1-PSG.edf"
    epochs = _extract(psg, data / "real" / "dreams1-Hypnogram.edf", "C3-A1")
    with pytest.raises(RecordingError, match="^dreams1: dreams1-PSG.edf ends before its last kept epoch; delete"):
        yasa_stager.probabilities(psg, replace(epochs, epoch_index=epochs.epoch_index + 1))


@pytest.mark.parametrize("dead", [slice(30_000, 36_000), slice(None)], ids=["two minutes", "throughout"])
def test_yasa_stages_a_flat_signal_too(dead):
    signal = np.random.default_rng(0).normal(0, 20, 100 * 600)
    signal[dead] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = yasa_stager.stage(signal, 100.0, "E", first_s=0.0, recording="r")
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
