"""Statistics of one night: by hand, and against YASA called directly on random and genuine hypnograms."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import yasa

from hypnolens.errors import HypnolensError
from hypnolens.evaluation.sleep_statistics import UNITS
from hypnolens.recordings.edf import read_annotations
from hypnolens.recordings.hypnogram import read_stages
from hypnolens.scoring.night_statistics import LATENCIES, names, span_name, statistics_of, unit, with_latencies
from hypnolens.stages import CODE, MOVEMENT, STAGES, UNSCORED

pytestmark = pytest.mark.filterwarnings("error")

NAN = float("nan")

DARK = (None, None)

CODES = CODE | {"?": UNSCORED, "M": MOVEMENT}

THEIRS = {
    "tib_min": "TIB", "tst_min": "TST", "spt_min": "SPT", "waso_min": "WASO", "sol_min": "SOL", "se_percent": "SE",
    "sme_percent": "SME", "lat_R_min": "Lat_REM", "W_min": "WAKE", "N1_min": "N1", "N2_min": "N2",  # codespell:ignore
    "N3_min": "N3", "R_min": "REM", "N1_percent": "%N1", "N2_percent": "%N2", "N3_percent": "%N3", "R_percent": "%REM",
}  # fmt: skip
"""Every number that YASA gives and we do too."""


def _of(text, *, first_s=0.0, lights=DARK):
    return statistics_of(np.array([CODES[stage] for stage in text.split()], np.int8), first_s=first_s, lights=lights)


def _check(values, **expected):
    assert list(values) == list(UNITS) and all(type(value) is float for value in values.values())
    assert {name: values[name] for name in expected} == pytest.approx(expected, nan_ok=True, abs=1e-4)


def _pairs(counts):
    """Transitions that occur."""
    assert list(counts.index) == list(counts.columns) == list(STAGES) and (counts.dtypes == np.int64).all()
    assert (counts.index.name, counts.columns.name) == ("from", "to")
    stacked = counts.stack()
    return {f"{one}>{other}": n for (one, other), n in stacked[stacked > 0].items()}


# By hand.


def test_a_short_night():
    #                      0 1 2  3  4  5  6  7 8  9  10 11 12 13 14 15
    values, counts = _of("W W N1 N1 N2 N2 N3 W N3 N2 R  R  W  R  W  W")
    _check(
        values, tib_min=8, unscored_min=0, spt_min=6, tst_min=5, waso_min=1, se_percent=62.5, sme_percent=100 * 5 / 6,
        sol_min=1, lat_N1_min=1, lat_N2_min=2, lat_N3_min=3, lat_R_min=5, rem_latency_min=4, W_min=3, N1_min=1,
        N2_min=1.5, N3_min=1, R_min=1.5, N1_percent=20, N2_percent=30, N3_percent=20, R_percent=30,
    )  # fmt: skip
    assert _pairs(counts) == {
        "W>W": 2, "W>N1": 1, "N1>N1": 1, "N1>N2": 1, "N2>N2": 1, "N2>N3": 1, "N3>W": 1, "W>N3": 1, "N3>N2": 1,
        "N2>R": 1, "R>R": 1, "R>W": 2, "W>R": 1,
    }  # fmt: skip
    more = with_latencies(values)
    assert list(more) == [*UNITS, *LATENCIES] and all(type(value) is float for value in more.values())
    assert [more[name] for name in ("N1_latency_min", "N2_latency_min", "N3_latency_min")] == [0, 1, 2]


def test_a_night_without_sleep(capfd):
    values, counts = _of("W " * 10)
    _check(
        values, tib_min=5, W_min=5, tst_min=0, spt_min=0, se_percent=0, sme_percent=NAN, waso_min=NAN, sol_min=NAN,
        rem_latency_min=NAN, lat_N1_min=NAN, lat_R_min=NAN, N2_min=0, N2_percent=NAN,
    )  # fmt: skip
    assert _pairs(counts) == {"W>W": 9} and np.isnan(with_latencies(values)["N2_latency_min"])
    assert capfd.readouterr() == ("", "")


def test_a_night_without_wake(capfd):
    values, counts = _of("N2 N2 N3 R")
    _check(
        values, tib_min=2, tst_min=2, spt_min=2, se_percent=100, sme_percent=100, waso_min=0, sol_min=0, W_min=0,
        lat_N2_min=0, lat_N3_min=1, rem_latency_min=1.5, lat_N1_min=NAN, N1_percent=0, N2_percent=50,
    )  # fmt: skip
    assert _pairs(counts) == {"N2>N2": 1, "N2>N3": 1, "N3>R": 1}
    assert capfd.readouterr() == ("", "")


def test_a_night_without_rem():
    values, counts = _of("W N1 N2 W")
    _check(values, lat_R_min=NAN, rem_latency_min=NAN, R_min=0, R_percent=0, sol_min=0.5, se_percent=50)
    assert _pairs(counts) == {"W>N1": 1, "N1>N2": 1, "N2>W": 1}


@pytest.mark.parametrize("stage", STAGES)
def test_one_epoch(stage):
    values, counts = _of(stage)
    asleep = stage != "W"
    _check(values, tib_min=0.5, tst_min=0.5 * asleep, se_percent=100 * asleep, sol_min=0 if asleep else NAN)
    assert values[f"{stage}_min"] == 0.5 and _pairs(counts) == {}


@pytest.mark.parametrize("text", ["?", "? M", "? ? ? ?"])
def test_nothing_scored_is_no_sleepless_night(text):
    values, counts = _of(text)
    minutes = len(text.split()) / 2
    _check(values, **{**dict.fromkeys(UNITS, NAN), "tib_min": minutes, "unscored_min": minutes})
    assert _pairs(counts) == {}


def test_unscored_epochs_lie_in_bed_and_part_their_neighbours():
    #                      0 1 2  3 4  5  6 7 8 9 10
    values, counts = _of("? W N2 ? N2 N2 R M R W ?")
    _check(
        values, tib_min=5.5, unscored_min=2, tst_min=2.5, spt_min=3.5, waso_min=0, se_percent=100 * 2.5 / 5.5,
        sme_percent=100 * 2.5 / 3.5, sol_min=1, lat_N2_min=1, lat_R_min=3, rem_latency_min=2, W_min=1, N2_min=1.5,
        R_min=1,
    )  # fmt: skip
    assert _pairs(counts) == {"W>N2": 1, "N2>N2": 1, "N2>R": 1, "R>W": 1}


NIGHT = "N1 W W N2 N2 R R W N3"  # epochs begin at 0, 30, ... 240 s; 270 s is the end


def test_lights_cut_the_span():
    values, counts = _of(NIGHT, lights=(60.0, 210.0))  # epochs 2 to 6
    _check(
        values, tib_min=2.5, tst_min=2, spt_min=2, waso_min=0, sol_min=0.5, lat_N1_min=NAN, lat_N2_min=0.5,
        lat_N3_min=NAN, lat_R_min=1.5, rem_latency_min=1, W_min=0.5, N1_min=0, N3_min=0, se_percent=80,
    )  # fmt: skip
    assert _pairs(counts) == {"W>N2": 1, "N2>N2": 1, "N2>R": 1, "R>R": 1}


@pytest.mark.parametrize(
    ("lights", "first_s", "epochs"),
    [
        ((60.0, None), 0.0, (2, 9)),
        ((None, 210.0), 0.0, (0, 7)),
        ((74.9, None), 0.0, (2, 9)),  # to the nearest border
        ((75.1, None), 0.0, (3, 9)),
        ((None, 194.9), 0.0, (0, 6)),
        ((85.5, 214.0), 12.5, (2, 7)),  # the grid begins 12.5 s into the recording: borders at 72.5, 102.5, ...
        ((87.6, 217.6), 12.5, (3, 7)),
    ],
)
def test_lights_are_moved_to_the_nearest_border(lights, first_s, epochs):
    values, counts = _of(NIGHT, first_s=first_s, lights=lights)
    kept = NIGHT.split()[slice(*epochs)]
    _check(values, tib_min=len(kept) / 2, **{f"{stage}_min": kept.count(stage) / 2 for stage in STAGES})
    assert counts.to_numpy().sum() == len(kept) - 1


def test_lights_beyond_the_recording_lengthen_the_time_in_bed():
    values, counts = _of(NIGHT, lights=(-120.0, 330.0))  # four epochs before, two after
    whole, same = _of(NIGHT)
    _check(
        values, tib_min=7.5, unscored_min=3, tst_min=whole["tst_min"], se_percent=100 * whole["tst_min"] / 7.5,
        sol_min=2, lat_R_min=4.5, rem_latency_min=2.5, waso_min=whole["waso_min"],
    )  # fmt: skip
    assert _pairs(counts) == _pairs(same)


@pytest.mark.parametrize("lights", [(600.0, 900.0), (-900.0, -600.0), (600.0, None), (None, -600.0), (60.0, 61.0)])
def test_lights_that_leave_no_epoch_leave_no_statistics(lights):
    values, counts = _of(NIGHT, lights=lights)
    minutes = 5.0 if None not in lights and lights != (60.0, 61.0) else 0.0
    _check(values, **{**dict.fromkeys(UNITS, NAN), "tib_min": minutes, "unscored_min": minutes})
    assert _pairs(counts) == {}


@pytest.mark.parametrize("on", [3000.0, 3600.0])
def test_lights_that_go_on_before_they_go_off_are_refused(on):
    with pytest.raises(HypnolensError, match=rf"^lights on \({on:g} s\) are not after lights off \(3600 s\); correct"):
        _of(NIGHT, lights=(3600.0, on))


def test_every_statistic_has_words_and_a_unit():
    for lights, begin in ((DARK, "start of recording"), ((0.0, None), "lights off")):
        words = names(lights)
        assert set(words) == set(UNITS) | set(LATENCIES) and len(set(words.values())) == len(words)
        assert f"from {begin}" in words["sol_min"] and f"from {begin}" in words["lat_N2_min"]
        assert "from sleep onset" in words["N2_latency_min"] and "from sleep onset" in words["rem_latency_min"]
    assert {unit(name) for name in LATENCIES} == {"min"} and unit("se_percent") == "%"
    assert span_name((1.0, None)) == "lights off to end of recording" and span_name(DARK) == "whole recording"
    assert names((None, 0.0))["tib_min"] == "time in bed (start of recording to lights on)"


# Against YASA.


def _as_yasa(stage):
    """Codes as YASA's hypnogram, by its own numbers: -2 is unscored."""
    return yasa.Hypnogram.from_integers(np.where(stage < len(STAGES), stage, -2).astype(int))


def _compare(stage):
    values, counts = statistics_of(stage, first_s=0.0, lights=DARK)
    hypnogram = _as_yasa(stage)
    theirs = hypnogram.sleep_statistics()
    expected = {ours: theirs[name] for ours, name in THEIRS.items()}
    expected |= {"rem_latency_min": theirs["Lat_REM"] - theirs["SOL"], "unscored_min": theirs.get("UNS", 0)}
    _check(values, **expected)
    assert set(UNITS) - set(expected) == {"lat_N1_min", "lat_N2_min", "lat_N3_min", "waso_aasm_min"}  # YASA has not
    asleep = np.flatnonzero(~np.isin(stage, [CODE["W"], UNSCORED, MOVEMENT]) & (stage < len(STAGES)))
    awake = (stage[asleep[0] :] == CODE["W"]).sum() / 2 if len(asleep) else NAN
    assert values["waso_aasm_min"] == pytest.approx(awake, nan_ok=True)
    for name in ("N1", "N2", "N3"):
        at = np.flatnonzero(stage == CODE[name])
        assert values[f"lat_{name}_min"] == pytest.approx(at[0] / 2 if len(at) else NAN, nan_ok=True)
    matrix = hypnogram.transition_matrix()[0].drop(index="UNS", columns="UNS", errors="ignore")
    theirs = {"WAKE": "W", "REM": "R"}
    matrix = matrix.rename(index=theirs, columns=theirs)
    pd.testing.assert_frame_equal(
        counts.loc[list(matrix.index), list(matrix.columns)], matrix, check_names=False, check_index_type=False,
        check_column_type=False,
    )  # fmt: skip
    scored = stage < len(STAGES)
    assert counts.to_numpy().sum() == matrix.to_numpy().sum() == sum(a and b for a, b in pairwise(scored))


@pytest.mark.parametrize("seed", range(40))
def test_random_nights_are_as_yasa_has_them(seed):
    rng = np.random.default_rng(seed)
    codes = rng.permutation(len(STAGES))[: 1 + seed % 5]  # also of one stage only, and with one missing
    stage = np.repeat(rng.choice(codes, 80), rng.integers(1, 1 + 5 * (1 + seed % 4), 80)).astype(np.int8)
    stage[rng.random(len(stage)) < 0.04 * (seed % 3)] = UNSCORED
    _compare(stage)


def test_genuine_nights_are_as_yasa_has_them(data):
    paths = sorted((data / "hypnograms").glob("*-Hypnogram.edf"))
    assert len(paths) == 11
    for path in paths:
        annotations = read_annotations(path, path.stem)
        end = max(onset + (duration or 0) for onset, duration, _ in annotations.entries)
        stage = read_stages(path, start=annotations.start, duration_s=end, recording=path.stem).stages
        assert len(stage) > 2000 and len(set(stage)) >= 6
        _compare(stage)
