"""Events: planted in noise and found again, at any rate; masks and agreement as a loop or a pencil gives them."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hypnolens.errors import HypnolensError
from hypnolens.explanations.detectors import continuous, detect
from hypnolens.explanations.events import KIND_STAGES, KINDS, agreement, mask, read_events, read_marks
from hypnolens.recordings.extraction import extract
from hypnolens.simulation.files import write_night
from hypnolens.simulation.night import simulate_night
from hypnolens.stages import STAGES
from tests.conftest import make_epochs

CODES = {name: code for code, name in enumerate(STAGES)}

HEADER = "onset_s\tduration_s\tkind\n"

# What is planted where: kind, epoch, seconds into it, duration.
NIGHT = ["W"] * 3 + ["N1"] * 3 + ["N2"] * 5 + ["N3"] * 3 + ["R"] * 4
PLANTED = [
    ("alpha", 1, 10.0, 2.0),
    ("theta", 3, 12.0, 2.0),
    ("vertex", 4, 8.0, 0.35),
    ("spindle", 7, 6.0, 1.0),
    ("k-complex", 8, 14.0, 0.8),
    ("spindle", 9, 20.0, 0.8),
    ("slow-wave", 12, 10.0, 1.2),
    ("slow-wave", 12, 11.2, 1.2),
    ("theta", 14, 12.0, 2.0),
    ("sawtooth", 16, 9.0, 3.0),
]


def waveform(kind, t, length):
    """µV at ``t`` seconds from the onset of an event."""
    bell = lambda centre, width: np.exp(-0.5 * ((t - centre * length) / (width * length)) ** 2)  # noqa: E731
    swell = np.sin(np.pi * t / length)
    return {
        "spindle": lambda: 30 * swell * np.sin(2 * np.pi * 13 * t),
        "alpha": lambda: 30 * swell * np.sin(2 * np.pi * 10 * t),
        "theta": lambda: 35 * swell * np.sin(2 * np.pi * 6 * t),
        "sawtooth": lambda: 40 * swell * (2 * ((3 * t) % 1) - 1),
        "vertex": lambda: -80 * bell(0.5, 0.15),
        "k-complex": lambda: -110 * bell(0.3, 0.1) + 70 * bell(0.65, 0.15),
        "slow-wave": lambda: -80 * np.sin(2 * np.pi * t / length),
    }[kind]()


def pink(n, rate, rng, uv=5.0):
    """Noise with a 1/f spectrum from 0.5 Hz on."""
    frequency = np.fft.rfftfreq(n, 1 / rate)
    spectrum = np.fft.rfft(rng.standard_normal(n)) / np.sqrt(np.maximum(frequency, 0.5))
    noise = np.fft.irfft(spectrum, n)
    return uv * noise / noise.std()


def plant(stages, events, *, rate=100.0, index=None, first_s=0.0, seed=0, offset=0.0):
    """Epochs of noise with events ``(kind, epoch, seconds into it, duration)`` added."""
    epochs = make_epochs([CODES[stage] for stage in stages], rate=rate, index=index)
    n_samples = epochs.signal.shape[1]
    signal = pink(len(stages) * n_samples, rate, np.random.default_rng(seed)) + offset
    for kind, epoch, into, length in events:
        first = epoch * n_samples + round(into * rate)
        t = np.arange(round(length * rate)) / rate
        signal[first : first + len(t)] += waveform(kind, t, length)
    signal = np.round(signal.reshape(len(stages), n_samples) / epochs.scale_uv).astype(np.int16)
    return replace(epochs, signal=signal, first_s=first_s)


def table(*rows):
    return pd.DataFrame(list(rows), columns=["onset_s", "duration_s", "kind"])


def near(found, kind, onset, tolerance):
    return (np.abs(found[found["kind"] == kind]["onset_s"] - onset) <= tolerance).any()


@pytest.mark.parametrize("rate", [50.0, 100.0, 125.0, 128.0, 200.0, 256.0])
def test_planted_events_are_found_at_any_rate(rate):
    found = detect(plant(NIGHT, PLANTED, rate=rate, index=np.arange(len(NIGHT)) + 40, first_s=7.5, offset=300.0))
    for kind, epoch, into, _ in PLANTED:
        # The moving RMS widens a burst by half its window, and noise beside it may do the rest.
        tolerance = {"spindle": 0.3, "vertex": 0.3, "k-complex": 0.5, "slow-wave": 0.3}.get(kind, 1.0)
        assert near(found, kind, 7.5 + 30 * (40 + epoch) + into, tolerance), (kind, epoch)
    assert set(found["kind"]) == set(KINDS)
    assert found["onset_s"].is_monotonic_increasing
    assert list(found.columns) == ["onset_s", "duration_s", "kind"]
    # Little else: the noise has a few spindle-like and theta-like stretches of its own.
    assert len(found) <= 1.5 * len(PLANTED)


@pytest.mark.parametrize(
    ("kind", "home", "elsewhere"),
    [("spindle", "N2", "W"), ("spindle", "N3", "R"), ("alpha", "W", "N2"), ("alpha", "N1", "R"), ("theta", "R", "N3"),
     ("sawtooth", "R", "N1"), ("vertex", "N1", "N2"), ("k-complex", "N2", "N3"), ("slow-wave", "N3", "N1")],
)  # fmt: skip
def test_a_kind_is_looked_for_in_its_stages_only(kind, home, elsewhere):
    length = {"vertex": 0.35, "k-complex": 0.8, "sawtooth": 3.0}.get(kind, 1.2)
    planted = [(kind, 4, 12.0, length)]
    assert near(detect(plant([home] * 8, planted)), kind, 132.0, 0.6)
    assert not near(detect(plant([elsewhere] * 8, planted)), kind, 132.0, 0.6)


def test_a_k_complex_stands_alone():
    one = detect(plant(["N2"] * 8, [("k-complex", 4, 12.0, 0.8)]))
    assert near(one, "k-complex", 132.0, 0.3)
    assert not near(one, "slow-wave", 132.0, 1.0)  # an event has one name
    train = detect(plant(["N2"] * 8, [("slow-wave", 4, 5 + 1.2 * i, 1.2) for i in range(10)]))
    assert "k-complex" not in set(train["kind"])
    assert (train["kind"] == "slow-wave").sum() >= 8


def test_a_vertex_wave_is_short_and_negative():
    slow = plant(["N1"] * 8, [("vertex", 4, 12.0, 0.8)])
    assert not near(detect(slow), "vertex", 132.4, 0.5)
    short = plant(["N1"] * 8, [("vertex", 4, 12.0, 0.35)])
    assert near(detect(short), "vertex", 132.0, 0.3)
    assert not near(detect(replace(short, signal=-short.signal)), "vertex", 132.0, 0.3)


def test_events_lie_in_kept_epochs():
    stages = ["N3"] * 6 + ["N1"] * 6
    index = np.array([10, 11, 12, 20, 21, 22, 30, 31, 35, 36, 37, 50])
    # One wave ends in a gap, one before it.
    events = [("slow-wave", 2, 28.95, 1.2), ("slow-wave", 5, 27.0, 1.2)]
    found = detect(plant(stages, events, index=index))
    assert near(found, "slow-wave", 22 * 30 + 27.0, 0.3)
    assert not near(found, "slow-wave", 12 * 30 + 28.95, 1.0)
    for onset, duration in found[["onset_s", "duration_s"]].to_numpy():
        assert duration > 0
        assert {int(onset // 30), int((onset + duration - 1e-9) // 30)} <= set(index.tolist())


def test_gaps_may_outweigh_what_is_kept():
    index = 50 * np.arange(12)
    found = detect(plant(["N2"] * 12, [("spindle", i, 10.0, 1.0) for i in range(12)], index=index))
    assert sum(near(found, "spindle", 30 * position + 10.0, 0.3) for position in index) >= 10


@pytest.mark.parametrize("rate", [20.0, 50.0, 100.0])
@pytest.mark.parametrize("stages", [[stage] for stage in STAGES] + [list(STAGES), list(STAGES) * 3])
def test_flat_and_short_recordings(stages, rate, caplog):
    codes = [CODES[stage] for stage in stages]
    noise = make_epochs(codes, rate=rate, index=3 * np.arange(len(codes)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value in (0, 1000, -32768):
            assert detect(replace(noise, signal=np.full_like(noise.signal, value))).empty
        half = noise.signal.copy()
        half[:, : half.shape[1] // 2] = 0
        for epochs in (noise, replace(noise, signal=half)):
            found = detect(epochs)
            assert list(found.columns) == ["onset_s", "duration_s", "kind"]
            assert np.isfinite(found["onset_s"]).all()
    assert not caplog.records


def test_continuous_leaves_gaps():
    epochs = make_epochs([2, 0, 4], index=[5, 6, 9])
    signal, codes = continuous(epochs)
    assert codes.tolist() == [2, 0, -1, -1, 4]
    signal = signal.reshape(5, 3000)
    np.testing.assert_array_equal(signal[[0, 1, 4]], epochs.signal.astype(float) * 0.05)
    assert not signal[2:4].any()
    assert signal.dtype == np.float64


@pytest.mark.parametrize("margin", [0.0, 0.07, 2.0])
@pytest.mark.parametrize("rate", [100.0, 128.0])
def test_mask_as_a_loop_gives_it(rate, margin):
    rng = np.random.default_rng(1)
    # Samples and events on a grid of whole samples, where edges coincide; some events overlap, some are beyond.
    starts, lengths = np.sort(rng.integers(0, 60_000, 300)), rng.integers(1, 500, 300)
    kinds = rng.choice(["spindle", "alpha"], 300)
    events = table(*zip(starts / rate, lengths / rate, kinds, strict=True))
    onset_s = rng.permutation(np.arange(20)) * 30.0
    n_samples = int(30 * rate)
    found = mask(events, onset_s, n_samples, rate, kind="spindle", margin_s=margin)
    expected = np.zeros((20, n_samples), dtype=bool)
    for onset, duration, kind in events.itertuples(index=False):
        if kind == "spindle":
            first, last = round(onset * rate) - margin * rate, round((onset + duration) * rate) + margin * rate
            for row, start in zip(expected, onset_s, strict=True):
                sample = round(start * rate) + np.arange(n_samples)
                row |= (sample >= first - 1e-6) & (sample < last - 1e-6)
    np.testing.assert_array_equal(found, expected)
    assert 0 < found.mean() < 1
    assert not mask(events, onset_s, n_samples, rate, kind="vertex").any()


def test_agreement_by_hand():
    true = table((0.0, 1.0, "spindle"), (10.0, 2.0, "spindle"), (20.0, 1.0, "spindle"), (5.0, 1.0, "alpha"))
    found = table(
        (0.5, 4.0, "spindle"),  # half of the first, which is the shorter
        (10.1, 0.4, "spindle"),  # within the second
        (11.6, 1.0, "spindle"),  # 0.4 s of its own second with it: too little
        (5.0, 1.0, "theta"),
    )
    rows = {row["kind"]: row for row in agreement(found, true)}
    assert list(rows) == ["alpha", "spindle", "theta"]
    spindle = rows["spindle"]
    assert (spindle["n_true"], spindle["n_found"]) == (3, 3)
    assert spindle["recall"] == pytest.approx(2 / 3)
    assert spindle["precision"] == pytest.approx(2 / 3)
    assert spindle["f1"] == pytest.approx(2 / 3)
    assert (rows["alpha"]["recall"], rows["alpha"]["f1"]) == (0, 0) and np.isnan(rows["alpha"]["precision"])
    assert (rows["theta"]["precision"], rows["theta"]["f1"]) == (0, 0) and np.isnan(rows["theta"]["recall"])
    (nothing,) = agreement(found, true, kinds=["vertex"])
    assert (nothing["n_true"], nothing["n_found"]) == (0, 0)
    assert np.isnan([nothing["recall"], nothing["precision"], nothing["f1"]]).all()


def test_agreement_as_a_double_loop_gives_it():
    rng = np.random.default_rng(2)
    one, two = (
        table(*[(t, d, "alpha") for t, d in zip(np.sort(rng.uniform(0, 300, 80)), rng.exponential(2, 80), strict=True)])
        for _ in range(2)
    )

    def matches(a, b):
        overlap = min(a.onset_s + a.duration_s, b.onset_s + b.duration_s) - max(a.onset_s, b.onset_s)
        return overlap >= 0.5 * min(a.duration_s, b.duration_s)

    (row,) = agreement(one, two)
    assert row["recall"] == np.mean([any(matches(a, b) for b in one.itertuples()) for a in two.itertuples()])
    assert row["precision"] == np.mean([any(matches(a, b) for b in two.itertuples()) for a in one.itertuples()])
    assert 0.2 < row["recall"] < 0.9


def test_marks_by_hand(tmp_path):
    path = tmp_path / "R1-spindles.tsv"
    rows = [(30, 1, "B"), (2, 1.5, "A"), (3, 2, "B"), (4.5, 1, "A"), (10, 1, "A"), (11, 0.5, "B"), (30.2, 0.3, "A")]
    path.write_text("onset_s\tduration_s\tscorer\n" + "".join(f"{o}\t{d}\t{s}\n" for o, d, s in rows))
    marks = read_marks(path)
    assert set(marks) == {"A", "B", "union"}
    assert marks["A"]["onset_s"].tolist() == [2, 4.5, 10, 30.2]
    assert marks["B"]["duration_s"].tolist() == [2, 0.5, 1]
    union = marks["union"]
    assert union["onset_s"].tolist() == [2, 10, 30]
    assert union["duration_s"].tolist() == [3.5, 1.5, 1]
    assert set(union["kind"]) == {"spindle"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (None, "no table"),
        ("onset_s\tduration_s\n1\t2\n", "no column kind"),
        (HEADER + "1\t2\tspindle\n1\tlong\tspindle\n", "line 3"),
        (HEADER + "-1\t2\tspindle\n", "line 2"),
        (HEADER + "1\tinf\tspindle\n", "line 2"),
        (HEADER + "1\t2\t\n", "no kind"),
        (HEADER + "1\t2\tspindle\t3\n", "too many"),
    ],
)
def test_a_damaged_table_is_refused_in_one_line(tmp_path, text, what):
    path = tmp_path / "SIM000N1-events.tsv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(HypnolensError, match=what) as error:
        read_events(path)
    assert str(path) in str(error.value) and "snakemake" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_table_without_a_row_has_no_events(tmp_path):
    path = tmp_path / "SIM000N1-events.tsv"
    path.write_text(HEADER)
    assert read_events(path).empty


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """A simulated night of eight hours: its epochs, its truth, and what is found."""
    folder = tmp_path_factory.mktemp("night")
    psg, hypnogram, events = (folder / name for name in ("N-PSG.edf", "N-Hypnogram.edf", "N-events.tsv"))
    night = simulate_night(seed=7, subject=1, night=1, hours=8)
    write_night(night, psg=psg, hypnogram=hypnogram, events=events)
    epochs = cut(psg, hypnogram, "EEG Fpz-Cz")
    return night, epochs, read_events(events), detect(epochs)


def cut(psg, hypnogram, channel):
    return extract(
        psg, hypnogram, recording="R", subject="R", night=1, source="", rates=[], sha1={}, channel=[channel],
        sampling_rate_hz="native", highpass_hz=None, trim_wake_min=None, trim_rule="drop-then-trim",
    )  # fmt: skip


def test_truth_is_read_as_simulated(simulated):
    night, _, true, _ = simulated
    assert len(true) == len(night.events)
    for row, event in zip(true.itertuples(index=False), night.events, strict=True):
        assert (row.onset_s, row.kind) == (pytest.approx(event.onset_s), event.kind)
        assert row.duration_s == pytest.approx(event.duration_s)


LEAST_F1 = {"spindle": 0.3, "alpha": 0.3, "vertex": 0.3, "k-complex": 0.15, "slow-wave": 0.2}


def test_simulated_events_are_found_better_than_by_chance(simulated):
    _, epochs, true, found = simulated
    stage = [
        STAGES[epochs.stage[np.searchsorted(epochs.onset_s, onset, side="right") - 1]] for onset in true["onset_s"]
    ]
    # Detectors look in the stages whose sign a kind is; those elsewhere they leave.
    true = true[[one in KIND_STAGES.get(kind, ()) for one, kind in zip(stage, true["kind"], strict=True)]]
    late = true.assign(onset_s=true["onset_s"] + 7.0)  # nearly always still in the same stage
    scores, chance = (
        {row["kind"]: row["f1"] for row in agreement(found, events, kinds=KINDS)} for events in (true, late)
    )
    # Most events are hardly larger than what swells around them, as in real nights.
    assert all(scores[kind] > least for kind, least in LEAST_F1.items()), scores
    # In N3 one wave follows another, and any shift of them matches many.
    assert scores["slow-wave"] > 1.25 * chance["slow-wave"]
    assert all(scores[kind] > 3 * chance[kind] for kind in ("spindle", "k-complex", "alpha", "vertex")), chance


def test_simulated_epochs_are_masked_where_events_are(simulated):
    _, epochs, true, _ = simulated
    inside = mask(true, epochs.onset_s, 3000, epochs.rate, kind="spindle")
    in_stage = {STAGES[code] for code in np.unique(epochs.stage[inside.any(axis=1)])}
    assert in_stage == set(STAGES)  # they are a sign of N2 and no proof


@pytest.mark.parametrize(("name", "channel"), [("dreams1", "C3-A1"), ("dreams2", "CZ-A1"), ("dreams3", "C3-A1")])
def test_real_spindles_are_found_as_experts_mark_them(data, name, channel):
    real = data / "real"
    marks = read_marks(real / f"{name}-spindles.tsv")
    by_hand = pd.read_csv(real / f"{name}-spindles.tsv", sep="\t")
    milliseconds = np.zeros(1_900_000, dtype=bool)
    for start, length in by_hand[["onset_s", "duration_s"]].to_numpy():
        milliseconds[round(1000 * start) : round(1000 * (start + length))] = True
    assert marks["union"]["duration_s"].sum() == pytest.approx(milliseconds.sum() / 1000, abs=0.1)
    found = detect(cut(real / f"{name}-PSG.edf", real / f"{name}-Hypnogram.edf", channel))
    (row,) = agreement(found, marks["union"], kinds=["spindle"])
    assert row["precision"] > 0.8 and row["f1"] > 0.45, row  # two experts agree by an F1 of 0.2 to 0.6
