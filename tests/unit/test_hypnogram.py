"""Hypnograms: genuine ones against published counts, alignment by time, and the two trimming rules."""

import csv
from datetime import datetime, timedelta

import mne
import numpy as np
import pytest

from hypnolens.errors import RecordingError
from hypnolens.recordings.hypnogram import kept_epochs, read_stages
from hypnolens.stages import MOVEMENT, UNSCORED
from tests.conftest import RK, write_hypnogram

START = datetime(1989, 4, 24, 16, 13)


def _expected(data):
    with (data / "hypnograms" / "expected_epochs.tsv").open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_genuine_hypnograms_give_the_published_counts_under_both_rules(data):
    rows = _expected(data)
    assert len(rows) == 11
    for row in rows:
        (path,) = (data / "hypnograms").glob(f"{row['recording'][:6]}*-Hypnogram.edf")
        start = mne.io.read_raw_edf(path, verbose="error").info["meas_date"].replace(tzinfo=None)
        stages, first_s, *_ = read_stages(
            path, start=start, duration_s=30.0 * int(row["signal_epochs"]), recording=row["recording"]
        )
        assert (len(stages), first_s) == (int(row["signal_epochs"]), 0.0)
        for rule in ("drop-then-trim", "trim-then-drop"):
            kept = kept_epochs(stages, margin=60, rule=rule)
            assert len(kept) == int(row[f"epochs_{rule.replace('-', '_')}"]), (row["recording"], rule)


def test_stages_of_genuine_hypnograms_are_those_that_mne_reads(data):
    for path in sorted((data / "hypnograms").glob("*-Hypnogram.edf")):
        annotations = mne.read_annotations(path)
        start = mne.io.read_raw_edf(path, verbose="error").info["meas_date"].replace(tzinfo=None)
        stages, *_ = read_stages(path, start=start, duration_s=80000, recording=path.stem)
        letters = {"W": 0, "1": 1, "2": 2, "3": 3, "4": 3, "R": 4, "?": UNSCORED, "e": MOVEMENT}
        by_mne = np.concatenate(
            [[letters[a["description"][-1]]] * round(a["duration"] / 30) for a in annotations]
        )  # bouts follow each other without gaps in these files
        np.testing.assert_array_equal(stages, by_mne[: len(stages)])


def _stages(tmp_path, labels, *, n_epochs=None, delay=0.0, onset=0.0, texts=RK):
    path = write_hypnogram(tmp_path / "h.edf", labels, start=START + timedelta(seconds=delay), onset=onset, texts=texts)
    return read_stages(path, start=START, duration_s=30.0 * (n_epochs or len(labels)), recording="h")


def test_a_hypnogram_that_lies_mostly_beyond_its_signal_is_another_nights(tmp_path):
    with pytest.raises(RecordingError, match="have 4 of 14 scored epochs in common; pair the signal"):
        _stages(tmp_path, "WWWW2222222222", n_epochs=10, delay=180)
    # Of a whole night's, those that a part of it has are used, and it is said.
    part = _stages(tmp_path, "WWWW222222", n_epochs=4)
    assert len(part.stages) == 4 and part.flags == ["stages=+6"] and "4 of its 10 scored epochs" in part.doubts[0]
    assert len(_stages(tmp_path, "WWWW22", n_epochs=4).stages) == 4
    # Scoring of a part of the signal is no other night's, and what is not scored does not count.
    assert len(_stages(tmp_path, "W2", n_epochs=100, delay=600).stages) == 100
    assert len(_stages(tmp_path, "WW" + "?" * 100, n_epochs=3).stages) == 3


def test_every_label_has_its_stage(tmp_path):
    stages, *_ = _stages(tmp_path, "W1234RM?")
    assert stages.tolist() == [0, 1, 2, 3, 3, 4, MOVEMENT, UNSCORED]


def test_labels_beyond_the_signal_are_cut_and_missing_ones_are_unscored(tmp_path):
    assert _stages(tmp_path, "W12R", n_epochs=2)[0].tolist() == [0, 1]
    assert _stages(tmp_path, "W1", n_epochs=4)[0].tolist() == [0, 1, UNSCORED, UNSCORED]


def test_a_hypnogram_that_starts_later_is_aligned_by_time(tmp_path):
    assert _stages(tmp_path, "12", n_epochs=4, delay=60)[0].tolist() == [UNSCORED, UNSCORED, 1, 2]
    assert _stages(tmp_path, "W123", n_epochs=3, delay=-60)[0].tolist() == [2, 3, UNSCORED]


def test_epochs_lie_on_the_grid_of_the_hypnogram(tmp_path):
    stages, first_s, *_ = _stages(tmp_path, "12R", n_epochs=4, delay=10)
    assert (stages.tolist(), first_s) == ([1, 2, 4], 10.0)
    stages, first_s, *_ = _stages(tmp_path, "12R", n_epochs=4, onset=40.0)
    assert (stages.tolist(), first_s) == ([UNSCORED, 1, 2], 10.0)


@pytest.mark.parametrize(
    "labels, options, words",
    [
        (
            "XY",
            {"texts": {"X": "Wach", "Y": "Stadium 7"}},
            "holds no stages; 2 annotations look like stages and are not read: 'Stadium 7' 1, 'Wach' 1",
        ),
        ("WW", {"delay": 3600 * 9}, "have 0 of 2 scored epochs in common"),
    ],
)
def test_what_cannot_be_understood_is_refused(tmp_path, labels, options, words):
    with pytest.raises(RecordingError, match=words):
        _stages(tmp_path, labels, **options)


def test_what_looks_like_a_stage_and_is_none_is_unscored_and_named(tmp_path):
    found = _stages(tmp_path, "WX2", texts={**RK, "X": "Sleep stage 7"})
    assert found.stages.tolist() == [0, UNSCORED, 2]
    assert found.doubts == ["h.edf: 1 annotations look like stages and are not read: 'Sleep stage 7' 1"]


def test_stages_of_half_epochs_and_contradictions_are_refused(tmp_path):
    import edfio

    for entries, words in [
        ([(0, 45.0, RK["W"])], "lasts 45 s"),
        ([(0, None, RK["W"]), (12, None, RK["1"]), (30, None, RK["2"])], "lasts 12 s"),
        ([(0, 30.0, RK["W"]), (45, 30.0, RK["2"])], "begins at 45 s, not a whole"),
        ([(0, 60.0, RK["W"]), (30, 30.0, RK["2"])], "two stages to one epoch"),
    ]:
        path = tmp_path / "h.edf"
        edfio.Edf([], annotations=[edfio.EdfAnnotation(*entry) for entry in entries]).write(path)
        with pytest.raises(RecordingError, match=words):
            read_stages(path, start=datetime(1985, 1, 1), duration_s=300, recording="h")


def test_the_two_rules_differ_where_movement_stands_apart_from_sleep():
    stages = np.array([0] * 10 + [MOVEMENT] + [0] * 10 + [2, 2] + [0] * 10)
    dropped_first = kept_epochs(stages, margin=3, rule="drop-then-trim")
    assert dropped_first.tolist() == [18, 19, 20, 21, 22, 23, 24, 25]
    trimmed_first = kept_epochs(stages, margin=3, rule="trim-then-drop")
    assert trimmed_first.tolist() == [7, 8, 9, *range(11, 26)]


def test_the_margin_of_drop_then_trim_counts_kept_epochs():
    stages = np.array([0, 0, UNSCORED, 0, 2, 0])
    assert kept_epochs(stages, margin=2, rule="drop-then-trim").tolist() == [1, 3, 4, 5]


def test_without_margin_or_sleep_all_scored_epochs_stay():
    assert kept_epochs(np.array([0, 0, 2, 0, UNSCORED]), margin=None, rule="drop-then-trim").tolist() == [0, 1, 2, 3]
    assert kept_epochs(np.array([0, UNSCORED, 0]), margin=1, rule="trim-then-drop").size >= 1
    assert kept_epochs(np.zeros(5, int), margin=1, rule="drop-then-trim").tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("onset", [0.01, 0.1, 0.38, 1.3, 29.99])
def test_fractions_of_a_second_do_not_break_a_whole_night(tmp_path, onset):
    stages, first_s, *_ = _stages(tmp_path, "W12R" * 225, n_epochs=901, onset=onset)
    assert stages.tolist() == [0, 1, 2, 4] * 225 and first_s == pytest.approx(onset)
