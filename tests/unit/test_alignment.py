"""Maps against events: measures as scikit-learn and a loop give them, controls at chance, bands that maps lie on."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from hypnolens.bands import BANDS_HZ
from hypnolens.evaluation.metrics import paired_difference
from hypnolens.explanations.alignment import (
    MEASURES,
    N_BINS,
    Key,
    align_recording,
    alignment_table,
    contrast_table,
    controls,
    envelope,
    means_over_epochs,
    measures,
    pooled,
    preference_of_recording,
    shuffled,
)
from hypnolens.explanations.events import KIND_BANDS_HZ, KIND_STAGES, KINDS
from hypnolens.explanations.maps import GRAD_CAM, LAYER_IG, RecordingMaps, binned
from hypnolens.explanations.verdicts import map_verdicts
from hypnolens.stages import CODE
from tests.conftest import make_epochs

RNG = np.random.default_rng(0)

OTHERS = f"shuffled {LAYER_IG}"


@pytest.mark.parametrize("rate", [100, 125, 128, 200, 256])
def test_each_sample_is_in_one_bin_that_is_of_its_time(rate):
    n_samples = 30 * rate
    wide, narrow = -(-n_samples // N_BINS), n_samples // N_BINS
    bins = binned(np.eye(n_samples, dtype=np.float32), N_BINS)  # one sample at a time is lit
    assert bins.shape == (n_samples, N_BINS) and (np.count_nonzero(bins, axis=1) == 1).all()
    widths = np.count_nonzero(bins, axis=0)
    assert set(widths) <= {wide, narrow} and widths.sum() == n_samples
    np.testing.assert_allclose(bins.sum(axis=0), 1)  # a bin holds the mean of its samples, not their sum
    middle = (np.arange(n_samples) + 0.5) / rate
    outside = np.abs(middle - 0.1 * (bins.argmax(axis=1) + 0.5)) - 0.05
    assert outside.max() < 1 / rate  # a bin ends at a sample: no sample is further outside than its own length


@pytest.mark.parametrize("rate", [100, 125])
def test_bins_keep_the_mean_and_the_slope(rate):
    maps = RNG.random((4, 30 * rate)).astype(np.float32)
    widths = np.bincount(binned(np.eye(30 * rate), N_BINS).argmax(axis=1))
    np.testing.assert_allclose(binned(maps, N_BINS) @ widths / widths.sum(), maps.mean(axis=1, dtype=float), rtol=1e-12)
    assert binned(np.full((1, 30 * rate), 0.7), N_BINS) == pytest.approx(np.full((1, N_BINS), 0.7))
    seconds = np.arange(30 * rate)[None] / rate
    np.testing.assert_allclose(binned(seconds, N_BINS)[0], 0.1 * np.arange(N_BINS) + 0.05, atol=1 / rate)


def _ties(n, n_bins):
    """Maps of many equal values, some of them of one value only, and events of any extent but none and all."""
    maps = RNG.integers(0, 4, (n, n_bins)).astype(float)
    maps[0], maps[1] = 2.0, 0.0
    inside = RNG.random((n, n_bins)) < RNG.uniform(0.1, 0.9, (n, 1))
    inside[:, 0], inside[:, 1] = True, False
    return maps, inside


@pytest.mark.parametrize("draw", [_ties, lambda n, m: (RNG.random((n, m)), _ties(n, m)[1])], ids=["ties", "no ties"])
@pytest.mark.parametrize("n_bins", [2, 7, 60])
def test_detection_is_scored_as_scikit_learn_does(draw, n_bins):
    maps, inside = draw(40, n_bins)
    found = measures(maps, inside, inside)
    for row in range(40):
        assert found["auroc"][row] == pytest.approx(roc_auc_score(inside[row], maps[row]), abs=1e-12)
        expected = average_precision_score(inside[row], maps[row])
        assert found["average_precision"][row] == pytest.approx(expected, abs=1e-12)


def test_shares_and_hits_are_those_of_a_loop():
    maps, inside = RNG.random((30, 50)), RNG.random((30, 50)) < 0.2
    inside[:, 0], inside[:, 1] = True, False
    near = inside | np.roll(inside, 1, axis=1)
    found = measures(maps, inside, near)
    assert tuple(found) == MEASURES
    for row in range(30):
        total = sum(maps[row])
        share = sum(value for value, there in zip(maps[row], inside[row], strict=True) if there) / total
        cover = sum(inside[row]) / 50
        best = max(range(50), key=lambda place, row=row: maps[row, place])
        expected = (share, cover, share / cover, float(near[row, best]), sum(near[row]) / 50)
        assert [found[name][row] for name in MEASURES[:5]] == pytest.approx(expected)
    assert set(found["hit"]) == {0.0, 1.0}


def test_measures_by_hand():
    inside = np.array([[0, 1, 1, 0, 0, 0, 0, 0]], dtype=bool)
    near = np.array([[1, 1, 1, 1, 0, 0, 0, 0]], dtype=bool)
    found = measures(np.array([[4, 2, 1, 0, 0, 0, 0, 1]]), inside, near)
    # The four of the maximum is beside the event: near, not inside.
    assert {name: values[0] for name, values in found.items()} == pytest.approx({
        "share": 3 / 8, "cover": 1 / 4, "ratio": 3 / 2, "hit": 1, "base": 1 / 2,
        # The 2 is above five of six bins outside; the 1 is above four and equal to one.
        "auroc": (5 + 4.5) / 12,
        # One of two at the threshold of 2, two of four at that of 1.
        "average_precision": 0.5 * 1 / 2 + 0.5 * 2 / 4,
    })  # fmt: skip


def test_a_map_of_zeros_holds_nothing_and_hits_nothing():
    inside = np.zeros((1, 10), dtype=bool)
    inside[0, :4] = True  # where the first of equal values is
    found = {name: values[0] for name, values in measures(np.zeros((1, 10)), inside, inside).items()}
    assert (found["share"], found["ratio"], found["hit"]) == (0, 0, 0)
    assert (found["cover"], found["base"], found["auroc"], found["average_precision"]) == (0.4, 0.4, 0.5, 0.4)


@pytest.mark.parametrize("covered", [False, True])
def test_nothing_is_measured_where_an_epoch_is_covered_wholly_or_not_at_all(covered):
    inside = np.full((2, 10), covered)
    inside[1, :3] = ~inside[1, :3]
    found = measures(RNG.random((2, 10)), inside, inside)
    assert all(np.isnan(values[0]) and np.isfinite(values[1]) for values in found.values())


@pytest.mark.parametrize("n", [2, 3, 7, 50])
def test_a_shuffled_map_is_of_another_epoch_and_each_is_used_once(n):
    maps = np.arange(n)[:, None] + np.linspace(0, 0.5, N_BINS)
    for seed in range(10):
        found = shuffled(maps, seed=seed)
        given = found[:, 0].astype(int)
        assert sorted(given) == list(range(n)) and (given != np.arange(n)).all()
        np.testing.assert_array_equal(found, maps[given])  # whole maps: their order in time is kept


def test_one_epoch_has_no_other_to_be_shuffled_with():
    given = shuffled(RNG.random((1, N_BINS)), seed=0)
    inside = np.arange(N_BINS)[None] < 30
    assert all(np.isnan(values).all() for values in measures(given, inside, inside).values())


def test_random_maps_are_drawn_with_the_seed_and_as_smooth_as_an_envelope():
    signal = RNG.standard_normal((200, 3000))
    first, again, other = (controls(signal, N_BINS, 100.0, "spindle", seed=seed)["random"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other) and (first >= 0).all()
    middle = first[:, 50:-50] - first[:, 50:-50].mean()
    correlation = [(middle[:, lag:] * middle[:, : middle.shape[1] - lag]).mean() / middle.var() for lag in (1, 5)]
    assert correlation == pytest.approx([0.8, 0.0], abs=0.05)  # of the mean of five


@pytest.mark.parametrize("rate", [100.0, 256.0])
def test_band_amplitude_is_high_at_a_spindle_and_broadband_is_not(rate):
    """A small spindle beside a large slow wave."""
    time = np.arange(round(30 * rate)) / rate
    signal = RNG.standard_normal((1, len(time))) + 10 * np.sin(2 * np.pi * 0.7 * time)
    signal += 80 * np.exp(-0.5 * ((time - 22) / 0.4) ** 2)
    signal += 12 * np.exp(-0.5 * ((time - 8) / 0.4) ** 2) * np.sin(2 * np.pi * 13 * time)
    given = controls(signal, N_BINS, rate, "spindle", seed=0)
    assert abs(given["band amplitude"].argmax() - 80) <= 3 and abs(given["amplitude"].argmax() - 220) <= 5
    spindle, wave = given["band amplitude"][0, 80], given["band amplitude"][0, 220]
    assert spindle > 10 * wave and given["amplitude"][0, 80] < 0.3 * given["amplitude"][0, 220]


def test_an_envelope_is_the_amplitude_of_a_sine_and_nothing_outside_its_band():
    time = np.arange(3000) / 100
    signal = 7 * np.sin(2 * np.pi * 13 * time)[None] + 90 * np.sin(2 * np.pi * 1 * time)[None]
    middle = slice(500, 2500)
    assert envelope(signal, 100.0, KIND_BANDS_HZ["spindle"])[0, middle] == pytest.approx(7, rel=0.03)
    assert envelope(signal, 100.0, KIND_BANDS_HZ["slow-wave"])[0, middle] == pytest.approx(90, rel=0.1)
    mean = np.abs(signal).mean()
    assert envelope(signal, 100.0).mean() == pytest.approx(mean, rel=0.01)
    # At 30 Hz no filter reaches 16 Hz: the band ends below half the rate.
    assert np.isfinite(envelope(RNG.standard_normal((1, 900)), 30.0, KIND_BANDS_HZ["spindle"])).all()


def test_every_kind_of_event_has_a_band_and_stages():
    assert set(KIND_BANDS_HZ) == set(KIND_STAGES) == set(KINDS)
    assert {stage for stages in KIND_STAGES.values() for stage in stages} == set(CODE)


def test_a_summary_weighs_epochs_alike_and_knows_no_interval_of_one_subject():
    values = {name: np.array([1.0, 2.0, 6.0, np.nan]) for name in MEASURES}
    row = means_over_epochs(values, np.array(["a", "a", "b", "c"]))
    assert (row["epochs"], row["subjects"], row["hit"]) == (3, 2, 3)
    # A quarter of samples has a twice, half of them both, a quarter b twice.
    reach = stats.t.ppf(0.975, 1) * np.std([1.5, 3, 3, 6]) * np.sqrt(2) / 3
    assert np.log([row["ratio_low"] / 3, row["ratio_high"] / 3]) == pytest.approx([-reach, reach], rel=0.03)
    shares = means_over_epochs({name: column / 10 for name, column in values.items()}, np.array(["a", "a", "b", "c"]))
    assert 0 < shares["hit_low"] < 0.3 < shares["hit_high"] < 1
    alone = means_over_epochs({name: column[:2] for name, column in values.items()}, np.array(["a", "a"]))
    assert alone["ratio"] == 1.5 and np.isnan(alone["ratio_low"]) and np.isnan(alone["ratio_high"])


STAGES_OF_NIGHT = [CODE["W"]] * 6 + [CODE["N2"]] * 60 + [CODE["N3"]] * 6


def _spindle(seconds):
    return 40 * np.sin(np.pi * np.arange(100) / 100) * np.sin(2 * np.pi * 13 * seconds[:100])


def _night(name, seed):
    """Epochs of noise with a spindle of 1 s in each of N2 and W, maps on them, and the events.

    N3 has K-complexes, for which it is the wrong stage, in the table of events.
    """
    rng = np.random.default_rng(seed)
    epochs = make_epochs(STAGES_OF_NIGHT, name=name)
    n = len(epochs.stage)
    begin = rng.integers(0, 290, n)  # bins
    signal = 5 * rng.standard_normal((n, 3000))
    maps = np.zeros((n, N_BINS))
    for row, at in enumerate(begin):
        signal[row, 10 * at : 10 * at + 100] += _spindle(np.arange(3000) / 100)
        maps[row, at : at + 10] = 1
    epochs = replace(epochs, signal=np.round(signal / epochs.scale_uv).astype(np.int16))
    kinds = np.where(epochs.stage == CODE["N3"], "k-complex", "spindle")
    onset = epochs.onset_s + begin / 10
    events = pd.DataFrame({"onset_s": onset, "duration_s": 1.0, "kind": kinds, "source": "true"})
    every = np.arange(n)
    flat = np.ones((n, N_BINS))
    recorded = RecordingMaps(
        name, name, np.zeros((n, 3)), every, {LAYER_IG: every, GRAD_CAM: every}, {LAYER_IG: maps, GRAD_CAM: flat}
    )
    return epochs, recorded, events


def _others(maps, seed):
    """Maps of networks that know nothing of events: two that are drawn, and one of shuffled labels."""
    rng = np.random.default_rng(100 + seed)
    names = ("untrained 1", "untrained 2", "labels other")
    return RecordingMaps(
        maps.recording, maps.subject, np.empty((0, 3)), maps.sample, dict.fromkeys(names, maps.sample),
        {name: rng.random((len(maps.sample), N_BINS)).astype(np.float32) for name in names},
    )  # fmt: skip


@pytest.fixture(scope="module")
def aligned():
    """Two subjects with one night each: the table, and the pieces that it is made of."""
    pieces = []
    for seed, name in enumerate("ab"):
        epochs, maps, events = _night(name, seed)
        aside = np.where(events["onset_s"] % 30 < 15, 3.0, -3.0)  # in the same epoch
        late = events.assign(onset_s=events["onset_s"] + aside, source="X").query("kind == 'spindle'")
        both = pd.concat([events, late], ignore_index=True)
        pieces.append((name, align_recording(epochs, maps, _others(maps, seed), both, seed=seed)))
    table = alignment_table(pooled(pieces))
    return table.set_index(["events", "stage", "kind", "map"]), pieces


def test_maps_that_lie_on_events_have_all_of_themselves_there(aligned):
    table, _ = aligned
    own = table.loc[("true", "N2", "spindle", LAYER_IG)]
    assert (own["epochs"], own["subjects"]) == (120, 2)
    expected = {"share": 1, "cover": 1 / 30, "ratio": 30, "hit": 1, "auroc": 1, "average_precision": 1}
    assert own[list(expected)].to_dict() == pytest.approx(expected, abs=1e-3)
    # Of two alike subjects no more is known than that six in seven people may be otherwise.
    assert (own["ratio_low"], own["hit_low"]) == pytest.approx((30 * 0.025**0.5, 0.025**0.5), abs=1e-3)
    assert (own["ratio_high"], own["hit_high"]) == (np.inf, 1)
    # A second and a half second on either side, less where the epoch ends.
    assert 0.06 < own["base"] <= 2 / 30 + 1e-4


def test_controls_know_what_they_should(aligned):
    table, _ = aligned
    rows = table.loc[("true", "N2", "spindle")]
    others = ["random", "amplitude", "band amplitude", "untrained", "labels other"]
    assert list(rows.index) == sorted([LAYER_IG, GRAD_CAM, OTHERS, f"shuffled {GRAD_CAM}", *others])
    for name in ("untrained", "labels other"):
        assert rows.loc[name, "auroc"] == pytest.approx(0.5, abs=0.05)
    assert rows.loc[GRAD_CAM, ["ratio", "auroc"]].tolist() == pytest.approx([1, 0.5])  # a flat map is chance itself
    assert rows.loc["random", "ratio"] == pytest.approx(1, abs=0.1)
    assert rows.loc["random", "auroc"] == pytest.approx(0.5, abs=0.03)
    assert rows.loc["random", "hit"] == pytest.approx(rows.loc["random", "base"], abs=0.07)
    assert rows.loc[OTHERS, "auroc"] == pytest.approx(0.5, abs=0.05)
    assert rows.loc[OTHERS, "hit"] < 0.2
    assert rows.loc["band amplitude", "hit"] > 0.95 and rows.loc["band amplitude", "auroc"] > 0.95


def test_sources_are_compared_each_by_itself(aligned):
    table, _ = aligned
    missed = table.loc[("X", "N2", "spindle", LAYER_IG)]
    assert (missed["ratio"], missed["hit"]) == (0, 0)  # marks 3 s beside the maps
    assert 0.4 < missed["auroc"] < 0.5  # the map's ten bins are above what is inside


def test_a_kind_is_looked_for_in_every_stage_and_the_table_says_whose_sign_it_is(aligned):
    table, _ = aligned
    spindles = {(source, stage, "spindle") for source in ("X", "true") for stage in ("N2", "W")}
    assert set(table.index.droplevel("map")) == {*spindles, ("true", "N3", "k-complex")}
    signs = table["sign"].groupby(["stage", "kind"]).first()
    assert signs.to_dict() == {("N2", "spindle"): True, ("W", "spindle"): False, ("N3", "k-complex"): False}
    assert table.loc[("true", "W", "spindle", LAYER_IG), "ratio"] == pytest.approx(30, abs=1e-3)


def test_a_table_pools_epochs_of_all_recordings(aligned):
    table, pieces = aligned
    for key, row in table.drop("untrained", level="map").iterrows():
        values = np.concatenate([found[Key(*key)]["auroc"] for _, found in pieces])
        assert row["epochs"] == len(values) and row["auroc"] == pytest.approx(values.mean(), abs=1e-4)


def test_untrained_networks_are_one_row_with_their_mean(aligned):
    table, pieces = aligned
    of = [
        np.concatenate([found[Key("true", "N2", "spindle", f"untrained {n}")]["hit"] for _, found in pieces])
        for n in (1, 2)
    ]
    row = table.loc[("true", "N2", "spindle", "untrained")]
    assert (row["epochs"], row["hit"]) == (120, pytest.approx(np.mean(of), abs=1e-4))
    assert not [name for name in table.index.get_level_values("map") if name.startswith("untrained ")]


def test_maps_are_compared_on_the_same_epochs_with_all_that_cannot_know(aligned):
    _, pieces = aligned
    table = contrast_table(pooled(pieces)).set_index(["events", "stage", "kind", "map", "control"])
    rows = table.loc[("true", "N2", "spindle")]
    assert rows.loc[GRAD_CAM].index.tolist() == [f"shuffled {GRAD_CAM}"]
    named = {OTHERS, "amplitude", "band amplitude", "untrained", "labels other"}
    assert set(rows.loc[LAYER_IG].index) == named and set(rows.index.get_level_values("map")) == {LAYER_IG, GRAD_CAM}
    own = [found[Key("true", "N2", "spindle", LAYER_IG)]["auroc"] for _, found in pieces]
    other = [found[Key("true", "N2", "spindle", OTHERS)]["auroc"] for _, found in pieces]
    row = rows.loc[(LAYER_IG, OTHERS)]
    differences = np.concatenate(own) - np.concatenate(other)
    expected = paired_difference(differences, np.repeat(["a", "b"], 60), seed=0)
    assert row[["difference", "low", "high", "p"]].tolist() == pytest.approx(list(expected))
    assert row["difference"] > 0.4 and row["p"] < 0.05 and row["auroc"] == 1
    assert rows.loc[(GRAD_CAM, f"shuffled {GRAD_CAM}"), "difference"] == 0  # flat maps


def _contrasts(**of):
    """Contrasts of the default map on N2 spindles: differences and p by control, and AUROC low of amplitudes."""
    rows = [
        {"events": "true", "stage": "N2", "kind": kind, "map": LAYER_IG, "sign": True, "control": control,
         "difference": difference, "low": difference - 0.1, "high": difference + 0.1, "p": p}
        for kind, controls in of.items() for control, (difference, p) in controls.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


GOOD = {OTHERS: (0.3, 1e-4), "untrained": (0.3, 1e-4), "labels other": (0.3, 1e-4), "amplitude": (0.3, 1e-4)}


@pytest.mark.parametrize(
    ("changed", "points"),
    [
        ({}, True),
        ({OTHERS: (0.3, 0.2)}, False),
        ({"untrained": (0.01, 0.2)}, False),
        ({"labels other": (0.3, 0.2)}, False),
        ({OTHERS: (-0.3, 1e-4)}, False),  # it avoids them
        ({"amplitude": (-0.3, 1e-4)}, True),  # that amplitude finds them better does not say that the map does not
        ({OTHERS: (0.3, np.nan)}, None),
        ({"untrained": (np.nan, np.nan)}, None),
    ],
)
def test_a_map_points_to_events_only_if_it_beats_all_that_cannot_know(changed, points):
    (row,) = map_verdicts(_contrasts(spindle={**GOOD, **changed}), sign=True).to_dict("records")
    assert (row["points"] is points) if points is not None else pd.isna(row["points"])
    assert row["amplitude"] == ("better" if changed.get("amplitude", (1,))[0] < 0 else "")
    assert map_verdicts(_contrasts(spindle=GOOD), sign=False).empty


def test_verdicts_are_corrected_for_their_number():
    weak = dict.fromkeys(GOOD, (0.3, 0.03))
    kinds = ("spindle", "k-complex", "vertex")
    assert map_verdicts(_contrasts(spindle=weak), sign=True)["points"].tolist() == [True]
    assert map_verdicts(_contrasts(**dict.fromkeys(kinds, weak)), sign=True)["points"].tolist() == [False] * 3
    without = {name: value for name, value in GOOD.items() if name != "untrained"}
    several = map_verdicts(_contrasts(**dict.fromkeys(kinds[:2], without), vertex=weak), sign=True)
    assert several["points"].isna().tolist() == [True, True, False]  # what is not judged does not count


def test_only_sampled_epochs_that_have_an_event_count():
    epochs, maps, events = _night("a", 0)
    few = replace(maps, sample=np.array([3, 9, 10, 11, 70]))
    found = align_recording(epochs, few, _others(few, 0), events[10:])
    own = found[Key("true", "N2", "spindle", LAYER_IG)]
    assert own["hit"].tolist() == [1, 1]  # epochs 10 and 11: 9 and 3 have no event, 70 is of another stage


def test_a_method_that_explains_a_sample_is_matched_by_row():
    epochs, maps, events = _night("a", 0)
    sample = np.array([7, 20, 33])
    part = RecordingMaps(
        "a", "a", maps.context, sample, {LAYER_IG: maps.rows[LAYER_IG], "occlusion": np.array([2, 7, 20, 33])},
        {LAYER_IG: maps.maps[LAYER_IG], "occlusion": maps.maps[LAYER_IG][[2, 7, 20, 33]]},
    )  # fmt: skip
    found = {key.map: values for key, values in align_recording(epochs, part, _others(part, 0), events).items()}
    assert found["occlusion"]["hit"].tolist() == found[LAYER_IG]["hit"].tolist() == [1, 1, 1]


def test_without_events_or_correct_epochs_the_table_has_columns_and_no_row():
    epochs, maps, events = _night("a", 0)
    none = replace(maps, sample=np.array([], dtype=np.int64))
    found = [
        align_recording(epochs, maps, _others(maps, 0), events[:0]),
        align_recording(epochs, none, _others(none, 0), events),
    ]
    assert found == [{}, {}]
    table = alignment_table(pooled(("a", one) for one in found))
    assert table.empty and list(table.columns[:7]) == ["events", "stage", "kind", "map", "sign", "epochs", "subjects"]
    assert set(table.columns[7:]) == {f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")}


def test_a_map_on_a_spindle_prefers_sigma():
    epochs, maps, _ = _night("a", 0)
    zero = maps.maps[LAYER_IG].copy()
    zero[2] = 0
    rows = {LAYER_IG: maps.rows[LAYER_IG], GRAD_CAM: maps.rows[GRAD_CAM], "occlusion": np.array([0, 1])}
    maps = replace(maps, rows=rows, maps={LAYER_IG: zero, GRAD_CAM: maps.maps[GRAD_CAM], "occlusion": zero[:2]})
    table = preference_of_recording(epochs, maps)
    assert list(table.columns) == ["recording", "subject", "epoch_index", "stage", "method", *BANDS_HZ]
    assert set(table["method"]) == {LAYER_IG, GRAD_CAM}  # a method that explains a sample only is left out
    own, flat = (table[table["method"] == method] for method in (LAYER_IG, GRAD_CAM))
    assert own["epoch_index"].tolist() == epochs.epoch_index.tolist()
    assert own["stage"].tolist() == ["W"] * 6 + ["N2"] * 60 + ["N3"] * 6
    np.testing.assert_allclose(flat[list(BANDS_HZ)], 1)
    assert own.iloc[2][list(BANDS_HZ)].isna().all()
    known = own.drop(own.index[2])[list(BANDS_HZ)]
    assert (known["sigma"] > 3).all() and known.mean().idxmax() == "sigma"
    assert known["delta"].mean() == pytest.approx(1, abs=0.2)
    # 30 s of amplitude by hand: the mean where the map is, over the mean.
    amplitude = binned(envelope(epochs.signal[:1] * epochs.scale_uv, 100.0, BANDS_HZ["sigma"]), N_BINS)[0]
    there = zero[0] == 1
    assert own.iloc[0]["sigma"] == pytest.approx(amplitude[there].mean() / amplitude.mean())


def test_a_band_beyond_the_sampling_rate_is_not_known():
    epochs = make_epochs([2, 3], rate=32.0)
    every = np.arange(2)
    maps = RecordingMaps("R1", "R1", np.zeros((2, 3)), every, {LAYER_IG: every}, {LAYER_IG: RNG.random((2, N_BINS))})
    table = preference_of_recording(epochs, maps)
    assert table["beta"].isna().all() and table["sigma"].notna().all()
