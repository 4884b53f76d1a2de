"""What explanations are made of and kept in: noise, maps, chosen epochs, nights, events by source, and tables."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file
from scipy.signal import welch

from hypnolens.bands import BANDS_HZ
from hypnolens.errors import HypnolensError
from hypnolens.explanations.alignment import preference_of_recording
from hypnolens.explanations.events import agreement_table, count_table, known_events, read_found, within, write_found
from hypnolens.explanations.examples import CLEAREST, N_ERRORS, UNSURE, Explained, choose, events_within, read_explained
from hypnolens.explanations.examples import write_explained as write_these
from hypnolens.explanations.maps import GRAD_CAM, LAYER_IG, RecordingMaps, neighbours_part, read_maps, write_maps
from hypnolens.explanations.night import HIGHEST_HZ, night_strip, read_strip, write_night_strip
from hypnolens.explanations.surrogates import phase_randomised
from hypnolens.stages import STAGES
from tests.conftest import make_epochs, make_predictions

RNG = np.random.default_rng(0)


# Noise in the place of a signal.


@pytest.mark.parametrize("n_samples", [3000, 2999, 3750, 7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_has_the_amplitude_spectrum_and_the_mean_of_the_signal(n_samples, dtype):
    signal = (40 * RNG.standard_normal((3, n_samples)) + [[100.0], [0.0], [-7.0]]).astype(dtype)
    noise = phase_randomised(signal, seed=1)
    assert noise.shape == signal.shape and noise.dtype == dtype
    ours, theirs = (np.abs(np.fft.rfft(x.astype(np.float64), axis=1)) for x in (noise, signal))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * theirs.max(axis=1).min())
    np.testing.assert_allclose(noise.mean(axis=1), signal.mean(axis=1), atol=1e-3)
    assert np.abs(noise - signal).mean() > 10  # and it is another signal
    turned = np.abs(np.fft.rfft(noise, axis=1) / np.fft.rfft(signal, axis=1) - 1)[:, -1] > 0.01
    assert (turned == (n_samples % 2 == 1)).all()  # the Nyquist frequency of an even number of samples has no phase


def test_each_signal_and_each_seed_has_its_own_phases():
    signal = np.repeat(RNG.standard_normal((1, 3000)), 2, axis=0)
    one, same, other = (phase_randomised(signal, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert abs(np.corrcoef(one[0], other[0])[0, 1]) < 0.1 and abs(np.corrcoef(one[0], one[1])[0, 1]) < 0.1


def test_what_was_an_event_is_spread_over_the_epoch_and_stays_in_its_band():
    time = np.arange(3000) / 100
    burst = 30 * np.exp(-0.5 * ((time - 12) / 0.2) ** 2) * np.sin(2 * np.pi * 13 * time)
    noise = phase_randomised(np.repeat(burst[None], 20, axis=0), seed=0)
    energy = (noise**2).reshape(20, 30, 100).sum(axis=2) / (burst**2).sum()
    np.testing.assert_allclose(energy.sum(axis=1), 1)
    assert (burst[1150:1250] ** 2).sum() > 0.98 * (burst**2).sum() and energy.max() < 0.3
    assert energy.mean(axis=0) == pytest.approx(np.full(30, 1 / 30), abs=0.03)  # no second is preferred
    frequency, power = welch(noise, fs=100, nperseg=200, axis=1)
    assert np.abs(frequency[power.argmax(axis=1)] - 13).max() <= 1.5


# Maps.


def _maps(name="R1", n=6, sample=(1, 4), rows=None, seed=0):
    """Maps of sizes from a thousandth to a million, two of them zero."""
    rng = np.random.default_rng(seed)
    every, some = np.arange(n), np.array(rows if rows is not None else sample, dtype=np.int64)
    maps = {
        method: (rng.random((len(of), 300)) * 10.0 ** rng.uniform(-3, 6, (len(of), 1))).astype(np.float32)
        for method, of in ((LAYER_IG, every), ("occlusion", some))
    }
    maps[LAYER_IG][2] = 0
    maps["occlusion"][:1] = 0
    context = rng.standard_normal((n, 5)).astype(np.float32)
    sample = np.array(sample, dtype=np.int64)
    return RecordingMaps(name, f"subject of {name}", context, sample, {LAYER_IG: every, "occlusion": some}, maps)


def test_maps_come_back_as_they_were_written(tmp_path):
    written = [_maps("R1"), _maps("R2", n=3, sample=(), seed=1)]
    write_maps(written, tmp_path / "maps.safetensors")
    found = read_maps(tmp_path / "maps.safetensors")
    assert [(one.recording, one.subject) for one in found] == [("R1", "subject of R1"), ("R2", "subject of R2")]
    for one, own in zip(found, written, strict=True):
        np.testing.assert_array_equal(one.context, own.context)
        np.testing.assert_array_equal(one.sample, own.sample)
        assert list(one.maps) == list(own.maps) == list(one.rows)
        for method, maps in own.maps.items():
            np.testing.assert_array_equal(one.rows[method], own.rows[method])
            assert one.maps[method].shape == maps.shape and one.maps[method].dtype == np.float32
            peak = maps.max(axis=1, keepdims=True, initial=0)
            assert (np.abs(one.maps[method] - maps) <= 1e-3 * peak).all()
            np.testing.assert_allclose(one.maps[method].max(axis=1, initial=0), peak[:, 0], rtol=1e-6)
    assert not found[0].maps[LAYER_IG][2].any() and found[0].maps[LAYER_IG][3].any()
    assert found[1].maps["occlusion"].shape == (0, 300)


def test_a_map_is_found_by_its_row():
    maps = _maps(n=10, sample=(5, 8), rows=(0, 3, 5, 8))
    np.testing.assert_array_equal(maps.of("occlusion", np.array([8, 3])), maps.maps["occlusion"][[3, 1]])
    np.testing.assert_array_equal(maps.of("occlusion", maps.sample), maps.maps["occlusion"][[2, 3]])
    np.testing.assert_array_equal(maps.of(LAYER_IG, np.array([7])), maps.maps[LAYER_IG][[7]])


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "noise", "other", "nothing said"])
def test_damaged_maps_are_refused_in_one_line(tmp_path, damage):
    path = tmp_path / "maps.safetensors"
    write_maps([_maps()], path)
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "other":  # a file of the pipeline, but of other things
        save_file({"stage": np.zeros(3)}, path, {"epochs": "[]"})
    elif damage == "nothing said":
        save_file({"stage": np.zeros(3)}, path)
    else:
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "noise": b"x" * 500}[damage])
    with pytest.raises(HypnolensError) as error:
        read_maps(path)
    assert str(error.value).startswith(f"{path}: damaged") and "make it again" in str(error.value)
    assert "\n" not in str(error.value)


# Which epochs are shown.


def _chosen(rows):
    return [(row.group, row.epoch_index) for row in choose(make_predictions(rows)).itertuples()]


def test_the_clearest_and_the_least_sure_of_each_stage_and_the_most_confident_errors():
    rows = [
        ("W", "W", 0.9), ("W", "W", 0.6), ("W", "W", 0.99), ("N2", "N2", 0.5), ("N2", "N2", 0.4), ("N2", "N2", 0.45),
        ("N1", "R", 0.7), ("N1", "R", 0.8), ("N1", "R", 0.75), ("N2", "N3", 0.95), ("N2", "N3", 0.9), ("N3", "N2", 1.0),
    ]  # fmt: skip
    assert _chosen(rows) == [
        (CLEAREST, 2), (CLEAREST, 3), (UNSURE, 1), (UNSURE, 4), ("N1 as R", 7), ("N2 as N3", 9), ("N3 as N2", 11)
    ]  # fmt: skip


def test_of_errors_the_most_frequent_kinds_are_shown():
    pairs = [(true, predicted) for true in STAGES for predicted in STAGES if true != predicted]
    counts = RNG.permutation(np.arange(1, len(pairs) + 1))
    rows = [(*pair, 0.5) for pair, count in zip(pairs, counts, strict=True) for _ in range(count)]
    found = [group for group, _ in _chosen([rows[i] for i in RNG.permutation(len(rows))])]
    expected = [pairs[i] for i in np.argsort(-counts)[:N_ERRORS]]
    assert found == [f"{true} as {predicted}" for true, predicted in expected]


def test_errors_that_are_as_frequent_come_by_name():
    rows = [("W", "R", 0.6), ("N3", "N1", 0.6), ("N1", "N2", 0.6)]
    assert [group for group, _ in _chosen(rows)] == ["N1 as N2", "N3 as N1", "W as R"]


def test_what_there_is_none_of_has_no_row():
    assert _chosen([("N1", "W", 0.5), ("N1", "W", 0.6)]) == [("N1 as W", 1)]  # no correct epoch
    assert _chosen([("R", "R", 0.9), ("R", "R", 0.3)]) == [(CLEAREST, 0), (UNSURE, 1)]  # no error


def test_events_are_cut_to_the_epoch():
    events = pd.DataFrame(
        [
            (55.0, 5.0, "a"), (59.0, 1.0, "b"), (59.0, 1.5, "c"), (60.0, 1.0, "d"), (75.25, 0.5, "e"),
            (89.5, 2.0, "f"), (90.0, 1.0, "g"), (10.0, 500.0, "h"),
        ],
        columns=["onset_s", "duration_s", "kind"],
        index=[3, 1, 4, 15, 9, 2, 6, 5],  # as after a query
    )  # fmt: skip
    assert events_within(events, 60.0) == [
        (0.0, 0.5, "c"), (0.0, 1.0, "d"), (15.25, 0.5, "e"), (29.5, 0.5, "f"), (0.0, 30.0, "h")
    ]  # fmt: skip
    assert events_within(events[:0], 60.0) == []


def _explained(group, stage):
    maps = {LAYER_IG: RNG.random(300).astype(np.float32), GRAD_CAM: np.zeros(300, dtype=np.float32)}
    events = [(0.0, 1.5, "spindle"), (12.25, 0.5, "k-complex")]
    return Explained(
        group=group, stage=stage, stage_true="N2", recording="Räume 1", subject="007", epoch_index=12, onset_s=362.5,
        fold=3, probability=0.123456789, context=float("nan"), rate=10.0, events=events,
        signal=RNG.standard_normal(300).astype(np.float32), maps=maps,
    )  # fmt: skip


def test_explained_epochs_come_back_as_they_were_written(tmp_path):
    written = [_explained(CLEAREST, "N2"), replace(_explained("N2 as R", "R"), events=[])]
    write_these(written, tmp_path / "explained.safetensors")
    found = read_explained(tmp_path / "explained.safetensors")
    assert len(found) == 2
    for one, own in zip(found, written, strict=True):
        for field in fields(Explained):
            ours, theirs = getattr(one, field.name), getattr(own, field.name)
            if field.name == "maps":
                assert list(ours) == list(theirs)
                assert all((ours[method] == theirs[method]).all() for method in theirs)
            elif field.name == "events":
                assert [tuple(event) for event in ours] == theirs
            else:
                np.testing.assert_array_equal(ours, theirs)
    write_these([], tmp_path / "none.safetensors")
    assert read_explained(tmp_path / "none.safetensors") == []


# A night.


def test_a_night_is_put_together_and_comes_back_as_it_was_written(tmp_path):
    epochs = make_epochs([0, 2, 2, 3, 4], index=[0, 1, 4, 5, 6])
    time = np.arange(3000) / 100
    epochs.signal[1] = np.round(20 * np.sqrt(2) * np.sin(2 * np.pi * 12 * time) / epochs.scale_uv)
    epochs.signal[3] = 0
    every = np.arange(5)
    maps = RecordingMaps(
        "R1", "R1", RNG.standard_normal((5, 3)).astype(np.float32), every[:0],
        dict.fromkeys((LAYER_IG, GRAD_CAM), every),
        {LAYER_IG: RNG.random((5, 300)), GRAD_CAM: np.ones((5, 300))},
    )  # fmt: skip
    preference = preference_of_recording(epochs, maps)
    others = preference.assign(recording="R0", **dict.fromkeys(BANDS_HZ, 9.0))
    shuffled = pd.concat([others, preference]).sample(frac=1, random_state=0)
    strip = night_strip(epochs, maps, shuffled, np.array([0, 2, 3, 3, 1]), method=LAYER_IG)
    assert (strip.recording, strip.method, strip.names) == ("R1", LAYER_IG, list(BANDS_HZ))
    assert strip.onset_s.tolist() == [0, 30, 120, 150, 180]
    assert strip.stage_true.tolist() == [0, 2, 2, 3, 4] and strip.stage_pred.tolist() == [0, 2, 3, 3, 1]
    own = preference[preference["method"] == LAYER_IG]
    np.testing.assert_allclose(strip.bands, own[list(BANDS_HZ)])
    assert strip.frequency_hz[0] == 0.5 and strip.frequency_hz[-1] == HIGHEST_HZ
    assert strip.power_db.shape == (5, len(strip.frequency_hz))
    # A sine of 20 µV root mean square: 400 µV² lie around 12 Hz, and 100 dB lower there is nothing else.
    assert strip.frequency_hz[strip.power_db[1].argmax()] == 12
    area = (10 ** (strip.power_db[1] / 10)).sum() * np.diff(strip.frequency_hz[:2])[0]
    assert area == pytest.approx(400, rel=0.02)
    np.testing.assert_allclose(strip.power_db[3], -60)  # a flat epoch: the floor, no infinity
    np.testing.assert_allclose(strip.context, neighbours_part(maps.context))
    write_night_strip(strip, tmp_path / "night.safetensors")
    found = read_strip(tmp_path / "night.safetensors")
    for field in fields(strip):
        ours, theirs = getattr(found, field.name), getattr(strip, field.name)
        np.testing.assert_array_equal(ours, theirs)
        assert type(ours) is type(theirs) and getattr(ours, "dtype", None) == getattr(theirs, "dtype", None)


def test_the_neighbours_part_by_hand():
    context = np.array([[1, -2, 3, 0, 4], [0, 0, 5, 0, 0], [1, 0, 0, 0, -1], [0, 0, 0, 0, 0]])
    part = neighbours_part(context)
    assert part[:3].tolist() == pytest.approx([0.7, 0, 1]) and np.isnan(part[3])
    assert neighbours_part(np.array([[-2.0], [0.5]])).tolist() == [0, 0]  # a window of one epoch


# Events of several sources.


def _events(*rows):
    table = pd.DataFrame(list(rows), columns=["onset_s", "duration_s", "kind"])
    return table.astype({"onset_s": float, "duration_s": float, "kind": str})


def test_events_of_all_sources_come_back_in_one_table(tmp_path):
    events = {
        "detected": _events((1.25, 0.5, "spindle"), (3.0004, 1.0, "alpha")),
        "E1": _events((1.0, 1.0, "spindle")),
        "union": _events(),
        "2": _events((7.0, 1.0, "spindle")),
    }
    write_found(events, tmp_path / "R1.tsv")
    found = read_found(tmp_path / "R1.tsv")
    assert [tuple(row) for row in found.itertuples(index=False)] == [
        (1.25, 0.5, "spindle", "detected"), (3.0, 1.0, "alpha", "detected"), (1.0, 1.0, "spindle", "E1"),
        (7.0, 1.0, "spindle", "2"),
    ]  # fmt: skip


def test_a_recording_without_events_has_a_table_without_rows(tmp_path):
    write_found({"detected": _events(), "true": _events()}, tmp_path / "R1.tsv")
    found = read_found(tmp_path / "R1.tsv")
    assert found.empty and list(found.columns) == ["onset_s", "duration_s", "kind", "source"]
    assert found["onset_s"].dtype == float


@pytest.mark.parametrize("name", ["NA", "nan", "None", "null"])
def test_the_name_of_an_expert_stays_text(tmp_path, name):
    write_found({"detected": _events((1.0, 1.0, "spindle")), name: _events((1.0, 1.0, "spindle"))}, tmp_path / "R1.tsv")
    assert read_found(tmp_path / "R1.tsv")["source"].tolist() == ["detected", name]


@pytest.mark.parametrize(
    "text",
    [None, "", "onset_s\tduration_s\tkind\n1\t2\tspindle\n", "onset_s\tduration_s\tkind\tsource\nlong\t1\ta\tb\n",
     "onset_s\tduration_s\tkind\tsource\n1\t1\ta\tb\n1\t1\ta\tb\tc\td\n", b"\xff\xfe\x00"],
    ids=["missing", "empty", "column", "number", "cells", "bytes"],
)  # fmt: skip
def test_a_damaged_table_of_events_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "R1.tsv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(HypnolensError) as error:
        read_found(path)
    assert str(error.value).startswith(f"{path}: damaged") and "\n" not in str(error.value)


def test_events_are_counted_by_recording_source_and_kind(tmp_path):
    paths = {name: tmp_path / f"{name}.tsv" for name in ("R1", "R2", "R3")}
    spindles = _events((1.0, 1.0, "spindle"), (5.0, 1.0, "spindle"), (9.0, 1.0, "alpha"))
    write_found({"detected": spindles, "true": spindles[:1]}, paths["R1"])
    write_found({"detected": _events()}, paths["R2"])
    write_found({"detected": spindles[1:]}, paths["R3"])
    table = count_table(paths)
    assert list(table.columns) == ["recording", "source", "kind", "events", "sha256"]
    assert table.groupby("recording")["sha256"].nunique().eq(1).all() and table["sha256"].nunique() == 2
    assert sorted(table.drop(columns="sha256").itertuples(index=False, name=None)) == [
        ("R1", "detected", "alpha", 1), ("R1", "detected", "spindle", 2), ("R1", "true", "spindle", 1),
        ("R3", "detected", "alpha", 1), ("R3", "detected", "spindle", 1),
    ]  # fmt: skip
    none = count_table({"R2": paths["R2"]})
    assert none.empty and list(none.columns) == list(table.columns)


def test_known_events_are_true_ones_or_those_of_experts(tmp_path):
    events, marks = tmp_path / "N-events.tsv", tmp_path / "N-spindles.tsv"
    events.write_text("onset_s\tduration_s\tkind\n4\t1\tk-complex\n2\t1\tspindle\n")
    marks.write_text("onset_s\tduration_s\tscorer\n2\t1\tE1\n2.5\t1\tE2\n")
    (true,) = known_events(events).items()
    assert true[0] == "true" and true[1]["kind"].tolist() == ["spindle", "k-complex"]
    by_expert = known_events(marks)
    assert set(by_expert) == {"E1", "E2", "union"} and by_expert["union"]["duration_s"].tolist() == [1.5]
    assert set(by_expert["E1"]["kind"]) == {"spindle"}


def test_agreement_is_of_all_recordings_together_but_of_each_with_itself():
    """What is found in one recording does not match what is true in another at the same time."""
    one = pd.concat([
        _events((10.0, 1.0, "spindle"), (20.0, 1.0, "spindle"), (30.0, 1.0, "alpha")).assign(source="detected"),
        _events((10.2, 1.0, "spindle"), (50.0, 1.0, "spindle"), (5.0, 1.0, "vertex")).assign(source="true"),
    ])  # fmt: skip
    two = pd.concat([
        _events((50.0, 1.0, "spindle")).assign(source="detected"),
        _events((20.0, 1.0, "spindle"), (49.8, 1.0, "spindle")).assign(source="true"),
        _events((20.0, 1.0, "spindle")).assign(source="E1"),
    ])  # fmt: skip
    table = agreement_table([one, one[:0], two])
    assert list(table.columns) == ["source", "kind", "n_true", "n_found", "recall", "precision", "f1"]
    rows = {(row.source, row.kind): row for row in table.itertuples()}
    assert set(rows) == {("true", "spindle"), ("true", "vertex"), ("E1", "spindle")}  # no kind that is never true
    spindle = rows[("true", "spindle")]
    assert (spindle.n_true, spindle.n_found) == (4, 3)
    assert (spindle.recall, spindle.precision) == pytest.approx((2 / 4, 2 / 3))
    assert spindle.f1 == pytest.approx(4 / 7)
    assert (rows[("E1", "spindle")].recall, rows[("true", "vertex")].recall) == (0, 0)
    for nothing in (one[:0], one[one["source"] == "detected"]):
        assert agreement_table([nothing]).empty and list(agreement_table([nothing]).columns) == list(table.columns)


def test_files_are_written_where_they_are_asked_for(tmp_path):
    """Names with dots and spaces, as recordings may have."""
    path = Path(tmp_path / "a b.c") / "maps.safetensors"
    path.parent.mkdir()
    write_maps([_maps("R 1.x-y")], path)
    assert read_maps(path)[0].recording == "R 1.x-y"


def test_detectors_are_judged_on_the_recordings_and_epochs_that_a_source_has_seen():
    event = {"onset_s": [10.0], "duration_s": [1.0], "kind": ["spindle"]}
    marked = pd.concat([pd.DataFrame(event).assign(source=source) for source in ("detected", "expert1")])
    (row,) = agreement_table([marked, marked[marked["source"] == "detected"]]).to_dict("records")
    assert (row["precision"], row["recall"], row["n_found"]) == (1, 1, 1)
    epochs = np.array([30.0, 60.0, 120.0])
    seen = within(pd.DataFrame({"onset_s": [29.9, 30.0, 89.9, 90.0, 119.0, 120.0, 150.0]}), epochs)
    assert seen["onset_s"].tolist() == [30.0, 89.9, 120.0]


def test_maps_of_one_recording_or_without_maps(tmp_path):
    one, path = _maps(), tmp_path / "maps.safetensors"
    write_maps([one, replace(one, recording="other")], path)
    (alone,) = read_maps(path, recording="other")
    assert alone.recording == "other" and alone.maps.keys() == one.maps.keys()
    bare = read_maps(path, maps=False)
    assert [r.maps for r in bare] == [{}, {}]
    np.testing.assert_array_equal(bare[0].context, one.context)
