"""Tables of measured explanations, against sums by hand, and their intervals over subjects."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit, logit

from hypnolens.bands import BANDS_HZ
from hypnolens.evaluation.metrics import RATIO, paired_difference, subject_interval
from hypnolens.explanations import tables as make
from hypnolens.explanations.maps import ABSENT, RecordingMaps
from hypnolens.stages import CODE, STAGES
from tests.conftest import make_predictions

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("weighed", [False, True])
def test_intervals_draw_subjects_as_a_loop_does(weighed):
    subjects = np.array(list("ccaabbbbd"))
    values = RNG.standard_normal(9)
    weights = RNG.integers(1, 9, 9) if weighed else None
    drawn = np.random.default_rng(4).integers(4, size=(500, 4))
    means = []
    for draw in drawn:
        rows = np.concatenate([np.flatnonzero(subjects == "abcd"[number]) for number in draw])
        means.append(np.average(values[rows], weights=None if weights is None else weights[rows]))
    low, high = subject_interval(values, subjects, seed=4, weights=weights, draws=500)
    mean = np.average(values, weights=weights)
    reach = stats.t.ppf(0.975, 3) * np.std(means) * np.sqrt(4 / 3)
    assert (low, high) == pytest.approx((mean - reach, mean + reach), abs=1e-12)


def test_an_interval_needs_two_subjects():
    assert np.isnan(subject_interval(np.array([1.0, 2.0]), np.array(["a", "a"]), seed=0)).all()
    assert np.isnan(subject_interval(np.array([]), np.array([]), seed=0)).all()
    assert subject_interval(np.array([1.0, 1.0]), np.array(["a", "b"]), seed=0) == (1, 1)


@pytest.mark.parametrize("n", [2, 6, 20, 78])
def test_at_a_limit_the_interval_is_that_of_clopper_and_pearson(n):
    subjects = np.arange(n)
    for hits, limits in ((n, (0, 1)), (0, (0, 1))):
        values = np.full(n, float(hits > 0))
        exact = stats.binomtest(hits, n).proportion_ci(0.95, "exact")
        found = subject_interval(values, subjects, seed=0, limits=limits)
        assert found == pytest.approx((exact.low, exact.high))


def test_a_ratio_stays_above_zero_and_its_interval_is_symmetric_by_factors():
    ratios, subjects = np.array([0.1, 0.1, 6.0]), np.arange(3)
    assert subject_interval(ratios, subjects, seed=0)[0] < 0  # what is symmetric by differences does not
    low, high = subject_interval(ratios, subjects, seed=0, limits=RATIO)
    assert 0 < low < ratios.mean() < high and ratios.mean() / low == pytest.approx(high / ratios.mean())


def test_a_difference_is_tested_as_by_a_paired_t_test():
    differences, subjects = RNG.normal(0.4, 1, 12), np.arange(12)
    found, expected = paired_difference(differences, subjects, seed=0, draws=50_000), stats.ttest_1samp(differences, 0)
    bounds = expected.confidence_interval()
    assert found == pytest.approx((differences.mean(), bounds.low, bounds.high, expected.pvalue), abs=0.01)
    assert paired_difference(np.zeros(4), np.arange(4), seed=0) == (0, 0, 0, 1)
    assert np.isnan(paired_difference(differences, np.zeros(12), seed=0)[1:]).all()
    assert np.isnan(paired_difference(np.stack([differences] * 3), np.zeros(12), seed=0)[1:]).all()


def test_networks_that_are_drawn_are_a_sample_too():
    """One of six alike networks against the five others: subjects alone would call it better or worse in most draws."""
    positive = {"subjects alone": 0, "both": 0}
    for draw in range(200):
        rng = np.random.default_rng(draw)
        networks = rng.normal(0, 0.1, (6, 1)) + rng.normal(0, 0.05, (6, 8))
        differences = networks[0] - networks[1:]
        alone = paired_difference(differences.mean(axis=0), np.arange(8), seed=0, draws=200)
        both = paired_difference(differences, np.arange(8), seed=0, draws=200)
        assert both.difference == pytest.approx(alone.difference) and both.p >= alone.p
        positive["subjects alone"] += alone.p < 0.05
        positive["both"] += both.p < 0.05
    assert positive["subjects alone"] > 100 and positive["both"] <= 20


def _interval_of_two(first, second, both, *, shares=False, ratios=False):
    """Interval of the mean ``both`` of two subjects: a sample has the first twice, each once, or the second twice."""
    drawn = np.random.default_rng(0).integers(2, size=(2000, 2)).sum(axis=1)
    reach = stats.t.ppf(0.975, 1) * np.std(np.array([first, both, second])[drawn]) * np.sqrt(2) * np.array([-1, 1])
    bounds = expit(logit(both) + reach / (both * (1 - both))) if shares else both + reach
    bounds = both * np.exp(reach / both) if ratios else bounds
    return pytest.approx(bounds, abs=1e-4)  # tables have four digits


def _curves(subject, stage, order, epochs, deletion, insertion):
    return pd.DataFrame({
        "recording": f"R{subject}", "subject": subject, "stage": stage, "order": order, "epochs": epochs,
        "step": [0.0, 0.5, 1.0], "deletion": deletion, "insertion": insertion,
    })  # fmt: skip


CURVES = pd.concat([
    _curves("a", "N2", "map", 3, [1.0, 0.0, 0.0], [0.0, 1.0, 1.0]),  # areas 0.25 and 0.75
    _curves("a", "W", "map", 1, [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]),  # 1 and 1
    _curves("a", "N2", "random", 3, [1.0, 0.5, 0.0], [0.0, 0.5, 1.0]),  # 0.5 and 0.5
    _curves("b", "N2", "map", 1, [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]),  # 0.5 and 0
])  # fmt: skip


def test_areas_under_curves_by_hand():
    table = make.faithfulness_table(CURVES)
    assert list(zip(table["stage"], table["order"], strict=True)) == [
        ("W", "map"), ("N2", "map"), ("N2", "random"), ("all", "map"), ("all", "random")
    ]  # fmt: skip
    rows = table.set_index(["stage", "order"])
    assert rows["epochs"].tolist() == [1, 4, 3, 5, 3] and rows["subjects"].tolist() == [1, 2, 1, 2, 1]
    # Means weigh epochs: three of 0.25 and one of 0.5.
    assert rows["deletion"].tolist() == pytest.approx([1, 1.25 / 4, 0.5, 2.25 / 5, 0.5], abs=1e-4)
    assert rows["insertion"].tolist() == pytest.approx([1, 2.25 / 4, 0.5, 3.25 / 5, 0.5], abs=1e-4)
    n2 = rows.loc[("N2", "map")]
    assert [n2["deletion_low"], n2["deletion_high"]] == _interval_of_two(0.25, 0.5, 1.25 / 4, shares=True)
    assert [n2["insertion_low"], n2["insertion_high"]] == _interval_of_two(0.75, 0, 2.25 / 4, shares=True)
    # Of all stages subject a has three of 0.25 and one of 1.
    every = rows.loc[("all", "map"), ["deletion_low", "deletion_high"]].tolist()
    assert every == _interval_of_two(1.75 / 4, 0.5, 2.25 / 5, shares=True)
    one = rows[rows["subjects"] == 1].filter(regex="_low|_high")
    assert one.size == 24 and one.isna().all().all()


def test_gains_are_differences_to_a_random_order_on_the_same_epochs():
    more = pd.concat(
        [
            CURVES,
            _curves("a", "W", "random", 1, [1.0, 0.5, 1.0], [0.0, 0.5, 1.0]),  # 0.75 and 0.5
            _curves("b", "N2", "random", 1, [0.0, 0.5, 0.0], [1.0, 0.5, 0.0]),
        ]
    )  # 0.25 and 0.5
    rows = make.faithfulness_table(more).set_index(["stage", "order"])
    assert rows.loc[("N2", "map"), "deletion_gain"] == pytest.approx((3 * 0.25 - 0.25) / 4)
    assert rows.loc[("N2", "map"), "insertion_gain"] == pytest.approx((3 * 0.25 - 0.5) / 4, abs=1e-4)
    every = rows.loc[("all", "map")]
    assert every["deletion_gain"] == pytest.approx((3 * 0.25 - 0.25 - 0.25) / 5)
    a, b = (3 * 0.25 - 0.25) / 4, -0.25
    assert [every["deletion_gain_low"], every["deletion_gain_high"]] == _interval_of_two(a, b, (4 * a + b) / 5)
    own = rows.loc[("all", "random"), ["deletion_gain", "deletion_gain_low", "insertion_gain"]]
    assert own.tolist() == [0, 0, 0]


def test_what_the_spectrum_keeps_is_measured_above_the_neighbours():
    curves = [
        _curves(subject, "N2", order, epochs, deletion, deletion)
        for subject, epochs, whole, noise, absent in (("a", 3, 0.9, 0.7, 0.5), ("b", 1, 0.7, 0.5, 0.5))
        for order, deletion in (("map", [whole, 0.0, noise]), ("random", [whole, 0.4, noise]), (ABSENT, [absent] * 3))
    ]
    (row,) = make.spectrum_table(pd.concat(curves)).to_dict("records")
    expected = {"whole": 0.85, "noise": 0.65, "neighbours": 0.5, "own": 0.35, "half": 0.65 - 0.675, "kept": 0.15 / 0.35}
    assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-4)
    assert [row["own_low"], row["own_high"]] == _interval_of_two(0.4, 0.2, 0.35)
    assert [row["half_low"], row["half_high"]] == _interval_of_two(0.0, -0.1, -0.025)
    assert (row["epochs"], row["subjects"]) == (4, 2)


def test_curves_are_means_over_epochs_of_all_stages():
    table = make.curve_table(CURVES).set_index(["order", "step"])
    assert table.loc["map", "deletion"].tolist() == pytest.approx([4 / 5, 2 / 5, 1 / 5])
    assert table.loc["map", "insertion"].tolist() == pytest.approx([1 / 5, 4 / 5, 4 / 5])
    assert table.loc["map", "epochs"].tolist() == [5] * 3 and table.loc["random", "epochs"].tolist() == [3] * 3


def test_removal_by_hand():
    rows = [
        ("true", "N2", "spindle", "a", 2.0, 1.0, 0.0, 0.9, 0.5, 0.1, 0.05),
        ("true", "N2", "spindle", "a", 4.0, 3.0, 1.0, 0.5, 0.7, 0.2, 0.05),
        ("true", "N2", "spindle", "b", 0.0, 0.5, 2.0, 0.1, 0.3, 0.0, 0.2),
        ("detected", "W", "alpha", "a", 1.0, 0.5, -1.0, 0.1, 0.5, 0.5, 0.1),
    ]
    names = ["source", "stage", "kind", "subject", "at_event", "matched_at_event", "matched_elsewhere", "matched",
             "share_before", "share_after", "cover"]  # fmt: skip
    given = pd.DataFrame(rows, columns=names).assign(recording="R", epoch_index=0)
    table = make.removal_table(given).set_index(["source", "stage", "kind"])
    spindle, alpha = table.loc[("true", "N2", "spindle")], table.loc[("detected", "W", "alpha")]
    assert (spindle["epochs"], spindle["subjects"], alpha["epochs"]) == (3, 2, 1)
    assert spindle[names[4:]].tolist() == pytest.approx([2, 1.5, 1, 0.5, 0.5, 0.1, 0.1])
    assert [spindle["at_event_low"], spindle["at_event_high"]] == _interval_of_two(3, 0, 2)
    assert spindle["difference"] == 0.5  # of 1, 2 and -1.5
    assert [spindle["difference_low"], spindle["difference_high"]] == _interval_of_two(1.5, -1.5, 0.5)
    assert [spindle["matched_low"], spindle["matched_high"]] == _interval_of_two(0.7, 0.1, 0.5, shares=True)
    assert alpha["matched_elsewhere"] == -1 and np.isnan(alpha["difference_low"]) and np.isnan(alpha["p"])
    beside_nothing = pd.concat([given[:0].astype(object), given.astype(object)])  # as of a fold without such an epoch
    pd.testing.assert_frame_equal(make.removal_table(beside_nothing), table.reset_index(), check_dtype=False)
    empty = make.removal_table(given[:0])
    assert empty.empty and list(empty.columns) == [*table.index.names, *table.columns]


def test_sanity_by_hand():
    rows = [
        ("parameters", "head", "m", "a", 0.5, 1),
        ("parameters", "stem", "m", "a", 0.25, 3),
        ("shift", "-0.1", "m", "a", 0.75, 1),
        ("parameters", "head", "m", "b", 0.9, 3),
        ("labels", "x", "m", "b", 0.0, 1),
    ]
    table = make.sanity_table(
        pd.DataFrame(rows, columns=["check", "level", "method", "subject", "similarity", "epochs"])
    )
    assert list(zip(table["check"], table["level"], strict=True)) == [
        ("parameters", "head"), ("parameters", "stem"), ("shift", "-0.1"), ("labels", "x")
    ]  # fmt: skip
    head = table.iloc[0]
    assert (head["similarity"], head["epochs"], head["subjects"]) == (pytest.approx(0.8), 4, 2)
    assert [head["similarity_low"], head["similarity_high"]] == _interval_of_two(0.5, 0.9, 0.8)


def test_preference_for_bands_by_hand():
    given = pd.DataFrame({
        "recording": "R", "subject": list("aabb"), "stage": ["N2", "N2", "N2", "W"], "method": "m",
        "delta": [1.0, 2.0, np.nan, 3.0], "theta": [1.0, 1.0, 4.0, 1.0], "alpha": 1.0, "sigma": 2.0, "beta": np.nan,
    })  # fmt: skip
    rows = make.band_table(given).set_index(["stage", "band"])
    assert set(rows.index) == {(stage, band) for stage in ("N2", "W") for band in BANDS_HZ if band != "beta"}
    delta, theta = rows.loc[("N2", "delta")], rows.loc[("N2", "theta")]
    assert (delta["preference"], delta["epochs"], delta["subjects"]) == (1.5, 2, 1) and np.isnan(
        delta["preference_low"]
    )
    assert theta["preference"] == 2
    assert [theta["preference_low"], theta["preference_high"]] == _interval_of_two(1, 4, 2, ratios=True)
    assert rows.loc[("W", "delta"), "preference"] == 3


def test_context_by_predicted_stage_for_right_and_wrong_decisions():
    every = np.arange(4)
    context = np.array([[1, 1, 2], [0, 4, 0], [3, 0, 0], [0, 0, 0]], dtype=float)  # 3/4, 0, 1, none
    one = RecordingMaps("R1", "a", context, every, {}, {})
    two = RecordingMaps("R2", "b", context[:1], every[:1], {}, {})
    predictions = pd.concat([
        make_predictions([("N1", "N2", 0.9)]).assign(recording="R2"),
        # Rows of a file may be in any order; maps are in that of the night.
        make_predictions([("N2", "N2", 0.9), ("R", "N2", 0.9), ("W", "W", 0.9), ("W", "W", 0.9)])[::-1],
    ])  # fmt: skip
    table = make.context_table([two, one], predictions)
    assert [tuple(row) for row in table[["stage", "decision", "epochs"]].itertuples(index=False)] == [
        ("W", "right", 1), ("N2", "right", 1), ("N2", "wrong", 2)
    ]  # fmt: skip
    assert table["neighbours"].tolist() == pytest.approx([1, 0.75, 0.375])
    assert np.isnan(table["neighbours_low"][:2]).all()
    low_high = table.loc[2, ["neighbours_low", "neighbours_high"]].tolist()
    assert low_high == _interval_of_two(0, 0.75, 0.375, shares=True)


@pytest.mark.parametrize("position", range(5))
def test_stages_come_in_their_order(position):
    stages = list(np.roll(STAGES, position))
    curves = pd.concat([_curves("a", stage, "map", 1, [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]) for stage in stages])
    assert make.faithfulness_table(curves)["stage"].tolist() == [*STAGES, "all"]
    assert sorted(CODE, key=CODE.get) == list(STAGES)
