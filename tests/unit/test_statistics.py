"""Sleep statistics by hand, against YASA called directly, and their agreement between expert and prediction."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import yasa
from matplotlib import pyplot as plt
from scipy.stats import t as student

from hypnolens.errors import HypnolensError
from hypnolens.evaluation.sleep_statistics import (
    FIXED,
    UNITS,
    agreement_table,
    seconds_after,
    sleep_statistics,
    statistics_table,
)
from hypnolens.plots import agreement as plot
from hypnolens.stages import STAGES

pytestmark = pytest.mark.filterwarnings("error")

NAN = float("nan")

ASLEEP = ("N1", "N2", "N3", "R")


def _of(stages, **options):
    stages = stages.split()
    index = options.pop("index", np.arange(len(stages)))
    return sleep_statistics(stages, np.array(index), **options)


def _check(found, **expected):
    assert list(found) == list(UNITS)
    assert all(type(value) is float for value in found.values())
    assert {name: found[name] for name in expected} == pytest.approx(expected, nan_ok=True, abs=1e-4)


def test_a_short_night_by_hand():
    #        0 1 2  3  4  5  6  7 8  9  10 11 12 13 14 15
    found = _of("W W N1 N1 N2 N2 N3 W N3 N2 R  R  W  R  W  W")
    _check(
        found, tib_min=8, unscored_min=0, spt_min=6, tst_min=5, waso_min=1, waso_aasm_min=2, se_percent=62.5,
        sme_percent=100 * 5 / 6,
        sol_min=1, lat_N1_min=1, lat_N2_min=2, lat_N3_min=3, lat_R_min=5, rem_latency_min=4, W_min=3, N1_min=1,
        N2_min=1.5, N3_min=1, R_min=1.5, N1_percent=20, N2_percent=30, N3_percent=20, R_percent=30,
    )  # fmt: skip


def test_a_night_awake(capfd):
    found = _of("W " * 10)
    latencies = ["sol_min", "rem_latency_min", *(f"lat_{stage}_min" for stage in ASLEEP)]
    undefined = dict.fromkeys(
        [*latencies, *(f"{stage}_percent" for stage in ASLEEP), "sme_percent", "waso_min", "waso_aasm_min"], NAN
    )
    zero = dict.fromkeys(["tst_min", "spt_min", "se_percent", *(f"{stage}_min" for stage in ASLEEP), "unscored_min"], 0)
    assert set(undefined) | set(zero) | {"tib_min", "W_min"} == set(UNITS)
    _check(found, tib_min=5, W_min=5, **undefined, **zero)
    assert capfd.readouterr() == ("", "")


def test_a_night_asleep(capfd):
    found = _of("N2 N2 N3 R")
    _check(
        found, tib_min=2, tst_min=2, spt_min=2, se_percent=100, sme_percent=100, waso_min=0, sol_min=0, W_min=0,
        lat_N2_min=0, lat_N3_min=1, rem_latency_min=1.5, lat_N1_min=NAN, N1_min=0, N1_percent=0, N2_percent=50,
    )  # fmt: skip
    assert capfd.readouterr() == ("", "")


def test_a_night_without_rem():
    found = _of("W N1 N2 W")
    _check(found, lat_R_min=NAN, rem_latency_min=NAN, R_min=0, R_percent=0, sol_min=0.5, se_percent=50)


@pytest.mark.parametrize("stage", STAGES)
def test_one_epoch(stage, capfd):
    found = _of(stage, index=[417])
    asleep = stage != "W"
    _check(found, tib_min=0.5, unscored_min=0, tst_min=0.5 * asleep, se_percent=100 * asleep)
    assert found[f"{stage}_min"] == 0.5 and np.isnan(found["sol_min"]) != asleep
    assert found["rem_latency_min"] == 0 if stage == "R" else np.isnan(found["rem_latency_min"])
    assert capfd.readouterr() == ("", "")


def test_gaps_are_in_bed_and_neither_sleep_nor_wake():
    found = _of("W N2 N2 R W", index=[3, 5, 6, 9, 10])  # 4, 7 and 8 are missing
    _check(
        found, tib_min=4, unscored_min=1.5, tst_min=1.5, spt_min=2.5, sme_percent=60, se_percent=37.5, waso_min=0,
        W_min=1, sol_min=1, lat_R_min=3, rem_latency_min=2,
    )  # fmt: skip
    shuffled = sleep_statistics(["R", "W", "N2", "W", "N2"], np.array([9, 3, 6, 10, 5]))
    assert shuffled == pytest.approx(found, nan_ok=True)  # epochs may come in any order


def test_the_span_settles_time_in_bed_and_what_counts():
    stages, index = "N1 W N2 N2 R", [10, 11, 12, 13, 14]
    wide = _of(stages, index=index, span=(8, 20))
    _check(wide, tib_min=6, unscored_min=3.5, tst_min=2, sol_min=1, lat_N2_min=2, rem_latency_min=2, waso_min=0.5)
    narrow = _of(stages, index=index, span=(11, 14))
    _check(
        narrow, tib_min=1.5, unscored_min=0, tst_min=1, sol_min=0.5, lat_N1_min=NAN, lat_R_min=NAN, N1_min=0, waso_min=0
    )
    before = _of(stages, index=index, span=(-4, 12))
    _check(before, tib_min=8, unscored_min=7, sol_min=7)


@pytest.mark.parametrize("span", [(0, 4), (4, 4), (6, 3)])
def test_a_span_without_an_epoch_has_no_statistics(span):
    found = _of("N1 N2", index=[10, 11], span=span)
    minutes = max(0, span[1] - span[0]) / 2
    _check(found, **{**dict.fromkeys(UNITS, NAN), "tib_min": minutes, "unscored_min": minutes})
    assert np.isnan(sleep_statistics([], np.array([]))["tst_min"])


@pytest.mark.parametrize("seed", range(20))
def test_statistics_are_those_of_yasa(seed):
    rng = np.random.default_rng(seed)
    stages = np.repeat(rng.choice(STAGES[: 2 + seed % 4], 60), rng.integers(1, 20, 60))
    index = np.flatnonzero(rng.random(len(stages)) > 0.05 * (seed % 3)) + 50
    kept = stages[index - 50]
    whole = np.full(index[-1] + 1 - index[0], "UNS", dtype=object)
    whole[index - index[0]] = kept
    theirs = yasa.Hypnogram(list(whole)).sleep_statistics()
    names = {"WAKE": "W", "REM": "R"}
    expected = {"tib_min": theirs["TIB"], "se_percent": theirs["SE"], "sme_percent": theirs["SME"]}  # codespell:ignore
    expected |= {f"{name.lower()}_min": theirs[name] for name in ("SPT", "TST", "WASO", "SOL")}
    expected |= {f"{names.get(stage, stage)}_min": theirs[stage] for stage in ("WAKE", "N1", "N2", "N3", "REM")}
    expected |= {f"{names.get(stage, stage)}_percent": theirs[f"%{stage}"] for stage in ("N1", "N2", "N3", "REM")}
    expected |= {"rem_latency_min": theirs["Lat_REM"] - theirs["SOL"], "unscored_min": theirs.get("UNS", 0)}
    for stage in ASLEEP:
        first = np.flatnonzero(whole == stage)
        expected[f"lat_{stage}_min"] = first[0] / 2 if len(first) else NAN
    expected["waso_aasm_min"] = np.sum(whole[round(2 * theirs["SOL"]) :] == "W") / 2
    assert set(expected) == set(UNITS)
    _check(sleep_statistics(list(kept), index), **expected)
    assert theirs["SFI"] >= 0  # else the night would have no sleep, and nothing to compare


@pytest.mark.parametrize(
    ("start", "clock", "hours"),
    [
        ("1989-04-24T16:13:00", "22:13:00", 6),
        ("1989-04-24T16:13:00", "00:43:00", 8.5),  # after midnight
        ("1989-04-24T23:30:00", "23:00", -0.5),  # the lights were off before
        ("1989-04-25T00:15:00", "23:45:00", -0.5),
        ("2001-12-31T14:00:00+00:00", "07:59:30", 18 - 1 / 120),
        ("2001-12-31T14:00:00", "08:00:00", -6),
    ],
)
def test_a_time_of_day_is_the_one_of_that_night(start, clock, hours):
    assert seconds_after(start, clock) == pytest.approx(3600 * hours)


# Tables.


def _night(true, predicted, recording="R1", subject="a", first=100, grid_s=0.0):
    index = first + np.arange(len(true.split()))
    return pd.DataFrame({
        "recording": recording, "subject": subject, "epoch_index": index, "onset_s": grid_s + 30.0 * index,
        "stage_true": true.split(), "stage_pred": predicted.split(),
    })  # fmt: skip


def test_spans_are_named_for_what_is_known():
    # Epochs 100 to 105 of a grid that begins 10 s into the recording: 3,010 to 3,190 s.
    nights = [_night("W N1 N2 N2 R W", "W W N2 N2 N2 W", name, grid_s=10.0) for name in "ABCDE"]
    lights = {"A": (2950.0, 3190.0), "B": (3050.0, None), "C": (None, 3250.0), "D": (None, None)}
    table = statistics_table(pd.concat(nights), lights)
    assert list(table.columns) == [
        "recording", "subject", "span", "unscored_min", "statistic", "unit", "true", "predicted"
    ]  # fmt: skip
    assert len(table) == 5 * (len(UNITS) - 1) and "unscored_min" not in set(table["statistic"])
    assert (table["unit"] == table["statistic"].map(UNITS)).all()
    rows = table.set_index(["recording", "statistic"])
    spans = rows.xs("tib_min", level="statistic")
    assert spans["span"].to_dict() == {
        "A": "lights off to lights on", "B": "lights off to last kept epoch", "C": "first kept epoch to lights on",
        "D": "first to last kept epoch", "E": "first to last kept epoch",
    }  # fmt: skip
    # A begins two epochs before the first; 3,050 s are nearer to the border at 3,040 than to that at 3,070.
    assert spans["true"].tolist() == spans["predicted"].tolist() == [4, 2.5, 4, 3, 3]
    assert spans["unscored_min"].tolist() == [1, 0, 1, 0, 0]
    assert rows.loc[("A", "sol_min"), ["true", "predicted"]].tolist() == [1.5, 2]
    assert rows.loc[("B", "sol_min"), ["true", "predicted"]].tolist() == [0, 0.5]
    assert rows.loc[("D", "tst_min"), ["true", "predicted"]].tolist() == [2, 1.5]
    assert rows.loc[("D", "rem_latency_min"), "true"] == 1.5 and np.isnan(
        rows.loc[("D", "rem_latency_min"), "predicted"]
    )


def test_lights_that_go_on_before_they_go_off_are_refused():
    with pytest.raises(HypnolensError, match=r"^R1: lights on \(3000 s\) are not after lights off \(3600 s\)$"):
        statistics_table(_night("W N1", "W N1"), {"R1": (3600.0, 3000.0)})


def test_lights_that_miss_the_kept_epochs_leave_no_statistics():
    table = statistics_table(_night("W N1", "W N1"), {"R1": (9000.0, 9300.0)}).set_index("statistic")
    assert table.drop("tib_min")[["true", "predicted"]].isna().all().all() and table.loc["tib_min", "true"] == 5


def _statistics(rows, statistic="tst_min"):
    """A table of statistics of which one is given, by subject, true and predicted value; the others are unknown."""
    frames = [
        pd.DataFrame({
            "recording": f"R{number}", "subject": subject, "span": "first to last kept epoch", "unscored_min": 0.0,
            "statistic": name, "unit": UNITS[name], "true": true if name == statistic else NAN,
            "predicted": predicted if name == statistic else NAN,
        }, index=[0])
        for number, (subject, true, predicted) in enumerate(rows) for name in UNITS if name != "unscored_min"
    ]  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def test_agreement_by_hand():
    rows = [
        ("a", 400.0, 410.0),
        ("b", 300.0, 304.0),
        ("c", 350.0, 348.0),
        ("d", NAN, 5.0),
        ("d", 1.0, NAN),
        ("e", NAN, NAN),
    ]
    table = agreement_table(_statistics(rows))
    assert list(table.columns) == [
        "statistic", "unit", "n", "only_true", "only_predicted", "bias", "bias_low", "bias_high", "sd", "loa_low",
        "loa_low_low", "loa_low_high", "loa_high", "loa_high_low", "loa_high_high",
    ]  # fmt: skip
    assert table["statistic"].tolist() == [name for name in UNITS if name not in FIXED]
    row = table.set_index("statistic").loc["tst_min"]
    assert (row["n"], row["only_true"], row["only_predicted"], row["unit"]) == (3, 1, 1, "min")
    # Differences 10, 4 and -2.
    assert row[["bias", "sd", "loa_low", "loa_high"]].tolist() == pytest.approx([4, 6, 4 - 11.76, 4 + 11.76])
    half = student.ppf(0.975, 2) * 6 / 3**0.5  # of means of subjects with one night each, the bootstrap knows no more
    assert [row["bias_low"], row["bias_high"]] == pytest.approx([4 - half, 4 + half], rel=0.05)
    # Bland and Altman (1986): the standard error of a limit is about that of the root of 3 / n standard deviations.
    reach = student.ppf(0.975, 2) * 6 * (1 / 3 + 1.96**2 / (2 * 2)) ** 0.5
    assert [row["loa_low_low"], row["loa_low_high"]] == pytest.approx([-7.76 - reach, -7.76 + reach], rel=0.05)
    assert row["loa_high_high"] - row["loa_high"] == pytest.approx(reach, rel=0.05)
    rest = table[table["statistic"] != "tst_min"]
    assert (rest["n"] == 0).all() and rest.loc[:, "bias":].isna().all().all()


def test_small_differences_are_not_taken_for_shares():
    """Those that all lie between 0 and 1 have the interval of the same ones elsewhere."""
    rows = [("a", 10.0, 10.0), ("b", 10.0, 10.5), ("c", 10.0, 11.0)]
    moved = [(subject, true, predicted + 100) for subject, true, predicted in rows]
    small, large = (agreement_table(_statistics(r)).set_index("statistic").loc["tst_min"] for r in (rows, moved))
    ends = ["bias_low", "bias_high"]
    assert small[ends].tolist() == pytest.approx([large[end] - 100 for end in ends], abs=2e-4)
    assert small["bias_low"] < 0


def test_nights_of_a_person_are_taken_together():
    """By an analysis of variance of statsmodels' kind, by hand: differences 2, 4 | 8, 10 | 0."""
    rows = [("a", 10.0, 12.0), ("a", 10.0, 14.0), ("b", 10.0, 18.0), ("b", 10.0, 20.0), ("c", 10.0, 10.0)]
    row = agreement_table(_statistics(rows)).set_index("statistic").loc["tst_min"]
    grand, within = 24 / 5, (1 + 1 + 1 + 1) / 2  # of five nights less three subjects
    between = (2 * (3 - grand) ** 2 + 2 * (9 - grand) ** 2 + (0 - grand) ** 2) / 2
    per_subject = (5 - 9 / 5) / 2
    assert row["sd"] == pytest.approx((within + (between - within) / per_subject) ** 0.5, abs=1e-4)
    assert row["loa_low"] == pytest.approx(grand - 1.96 * row["sd"], abs=1e-3)
    # Nights of one person that are alike tell little of others: limits are wider than those of five people.
    others = agreement_table(_statistics([(f"{n}", true, said) for n, (_, true, said) in enumerate(rows)]))
    assert row["sd"] > others.set_index("statistic").loc["tst_min", "sd"]
    # Where nights of a person differ as those of others do, it is what it would be of as many people.
    even = [("a", 0.0, 1.0), ("a", 0.0, -1.0), ("b", 0.0, 1.0), ("b", 0.0, -1.0)]
    assert agreement_table(_statistics(even)).set_index("statistic").loc["tst_min", "sd"] == pytest.approx(
        2**0.5, abs=1e-4
    )


def test_what_tells_of_the_trimming_is_left_out():
    night = _night("W W N1 N2 N2 W R W W", "W N1 N1 N2 N2 W R W W", "R1", "S1", first=0)
    of = {lights: statistics_table(night, {"R1": lights}, trimmed=True).set_index("statistic")["true"]
          for lights in ((None, None), (0.0, None), (None, 270.0), (0.0, 270.0))}  # fmt: skip
    begin, end = ["sol_min", *(f"lat_{stage}_min" for stage in ASLEEP if stage != "N3")], ["waso_aasm_min"]
    for (off, on), values in of.items():
        assert values[begin].isna().all() == (off is None) and values[end].isna().all() == (on is None)
        assert np.isnan(values["se_percent"]) == (off is None or on is None)
        assert values[["tst_min", "waso_min", "rem_latency_min", "N2_min"]].tolist() == [2, 0.5, 2, 1]
    whole = statistics_table(night, {}).set_index("statistic")["true"]
    assert whole[["sol_min", "waso_aasm_min"]].tolist() == [1, 1.5]


def test_both_wakes_after_sleep_onset_are_given():
    """Forty minutes awake in the morning are wake after sleep onset by the AASM manual, and not by most software."""
    found = _of("W " * 4 + "N2 " * 20 + "W " * 20 + "R " * 10 + "W " * 60)
    assert (found["waso_min"], found["waso_aasm_min"]) == (10, 40)
    assert found["waso_aasm_min"] == found["tib_min"] - found["sol_min"] - found["tst_min"]


def test_agreement_of_one_night_and_of_one_subject():
    one = agreement_table(_statistics([("a", 10.0, 12.0)])).set_index("statistic").loc["tst_min"]
    assert (one["n"], one["bias"]) == (1, 2) and one[["bias_low", "sd", "loa_low"]].isna().all()
    two = agreement_table(_statistics([("a", 10.0, 12.0), ("a", 10.0, 16.0)])).set_index("statistic").loc["tst_min"]
    assert two["sd"] == pytest.approx(8**0.5, abs=1e-4) and two[["bias_low", "bias_high"]].isna().all()
    same = agreement_table(_statistics([("a", 1.0, 3.0), ("b", 2.0, 4.0)])).set_index("statistic").loc["tst_min"]
    assert same[["bias", "bias_low", "bias_high", "sd", "loa_low", "loa_high"]].tolist() == [2, 2, 2, 0, 2, 2]


# The figure.


def _many(n, *, rem=True, seed=0):
    rng = np.random.default_rng(seed)
    stages = STAGES if rem else STAGES[:4]
    nights = []
    for number in range(n):
        true = np.repeat(rng.choice(stages, 40), rng.integers(1, 12, 40))
        predicted = np.where(rng.random(len(true)) < 0.1, rng.choice(stages, len(true)), true)
        nights.append(_night(" ".join(true), " ".join(predicted), f"R{number:03d}", f"S{number // 2}"))
    return statistics_table(pd.concat(nights), {"R000": (2900.0, None), "R003": (None, 12000.0)})


def _drawn(statistics, folder):
    paths = [str(folder / name) for name in ("statistics.tsv", "agreement.tsv")]
    for path, table in zip(paths, (statistics, agreement_table(statistics)), strict=True):
        table.to_csv(path, sep="\t", index=False, na_rep="nan")
    figure = plot.draw(statistics=paths[0], agreement=paths[1])
    figure.canvas.draw()
    return figure


@pytest.mark.parametrize("n", [1, 6, 300])
def test_panels_say_of_how_many_recordings_they_are(tmp_path, n):
    statistics = _many(n)
    figure = _drawn(statistics, tmp_path)
    people = {1: "1 recording of 1 subject;", 6: "6 recordings of 3 subjects;", 300: "300 recordings of 150 subjects;"}
    title = figure.get_suptitle()
    assert title.startswith(people[n]) and "lights off to last kept epoch: 1" in title
    assert len(figure.axes) == plot.N_PANELS
    agreement = agreement_table(statistics).set_index("statistic")
    for axis, (statistic, name) in zip(figure.axes, plot.chosen(agreement_table(statistics)).items(), strict=True):
        row = agreement.loc[statistic]
        assert axis.get_title(loc="left").startswith(f"{name} ({UNITS[statistic]})\nn = {row['n']:,}")
        numbers = [text.get_text() for text in axis.texts]
        known = ("loa_high", "bias", "loa_low") if n > 1 else ("bias",)
        assert numbers == [f"{row[column]:+.1f}".replace("-", "−") for column in known]
        heights = [text.xy[1] for text in axis.texts]
        assert all(above - below >= 0.09 for above, below in pairwise(heights))
    plt.close(figure)


def test_a_panel_without_a_value_says_so(tmp_path):
    figure = _drawn(_many(2, rem=False), tmp_path)
    assert not any("R (min)" in axis.get_title(loc="left") for axis in figure.axes)  # in its place is what there is
    assert not any("undefined" in text.get_text() for axis in figure.axes for text in axis.texts)
    plt.close(figure)
    figure = _drawn(_statistics([("a", 300.0, NAN)], "rem_latency_min"), tmp_path)
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    (place,) = [number for number, title in enumerate(titles) if title.startswith("REM latency")]
    (text,) = figure.axes[place].texts
    assert text.get_text() == "undefined in one of both\nfor all n = 1 recording"
    assert titles[place].endswith("(in one only: 1)")
    plt.close(figure)
