"""Simulated nights: the same from the same seed, readable by others, and true to what their labels say."""

import csv
from itertools import pairwise

import edfio
import mne
import numpy as np
import pytest
from scipy.signal import butter, hilbert, sosfiltfilt, welch
from scipy.stats import kurtosis

from hypnolens.datasets.simulate import ANY, derivations_of, ending
from hypnolens.datasets.simulate import USUAL as CHANNELS
from hypnolens.simulation.derivations import DERIVATIONS
from hypnolens.simulation.events import Event, Traits
from hypnolens.simulation.files import write_night
from hypnolens.simulation.night import Night, simulate_night
from hypnolens.simulation.signal import background, band_powers, swelling, swollen, synthesise

FPZ = "EEG Fpz-Cz"

# AASM: the stages for which each kind is a sign. All but the largest waves are in others too, only rarer.
HOME = {
    "spindle": "234",
    "k-complex": "234",
    "slow-wave": "34",
    "alpha": "W1",
    "vertex": "1",
    "theta": "1R",
    "sawtooth": "R",
}


def write(night, folder, **options):
    paths = {
        key: folder / f"{key}.out.{suffix}" for key, suffix in [("psg", "edf"), ("hypnogram", "edf"), ("events", "tsv")]
    }
    write_night(night, **paths, **options)
    return paths


@pytest.fixture(scope="module")
def night():
    return simulate_night(seed=3, subject=1, night=1, hours=4)


@pytest.fixture(scope="module")
def files(night, tmp_path_factory):
    return write(night, tmp_path_factory.mktemp("night"), subject="SIM001", number=2)


def read_bytes(folder, **choice):
    folder.mkdir()
    return [path.read_bytes() for path in write(simulate_night(**choice), folder).values()]


def test_same_seed_same_bytes(tmp_path):
    choice = {"seed": 5, "subject": 2, "night": 1, "hours": 0.5}
    first = read_bytes(tmp_path / "first", **choice)
    assert read_bytes(tmp_path / "again", **choice) == first
    for key in ("seed", "subject", "night"):
        other = read_bytes(tmp_path / key, **choice | {key: choice[key] + 1})
        assert all(a != b for a, b in zip(first, other, strict=True)), key


def test_night_does_not_depend_on_earlier_calls():
    choice = {"seed": 0, "subject": 4, "night": 2, "hours": 0.25}
    alone = simulate_night(**choice)
    for subject in range(4):
        simulate_night(seed=0, subject=subject, night=1, hours=0.25)
    np.random.seed(1)  # noqa: NPY002 - the global state must not matter
    after = simulate_night(**choice)
    assert after.stages == alone.stages and after.events == alone.events
    assert all(np.array_equal(after.signals[label], alone.signals[label]) for label in CHANNELS)


def test_nights_of_a_subject_are_more_alike_than_subjects():
    def beta(subject, number):
        signal = simulate_night(seed=0, subject=subject, night=number, hours=1).signals[FPZ]
        hz, density = welch(signal, 100, nperseg=400)
        return np.log(np.median(density[(hz >= 13) & (hz <= 30)]))

    table = np.array([[beta(subject, number) for number in (1, 2)] for subject in range(8)])
    within = np.abs(table[:, 0] - table[:, 1]).mean()
    between = np.abs(table[:, :1] - table[:, 1]).sum() / (8 * 7) - within / 7
    assert within < between


def test_mne_reads_the_signals(night, files):
    raw = mne.io.read_raw_edf(files["psg"], preload=True, verbose="error")
    assert raw.ch_names == ["EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal"]
    assert raw.info["sfreq"] == 100
    assert raw.n_times == 4 * 3600 * 100
    assert raw.info["meas_date"].isoformat() == "2001-01-02T22:00:00+00:00"
    step = 2 * 192 / 65535
    stored = raw.get_data(picks=[FPZ])[0] * 1e6  # MNE gives volts
    np.testing.assert_allclose(stored, night.signals[FPZ].clip(-192, 192), atol=0.51 * step)


def test_header_says_simulated(files):
    edf = edfio.read_edf(files["psg"])
    assert edf.data_record_duration == 30 and edf.num_data_records == 4 * 120
    assert {signal.physical_dimension for signal in edf.signals} == {"uV"}
    assert {(signal.digital_min, signal.digital_max) for signal in edf.signals} == {(-32768, 32767)}
    for key in ("psg", "hypnogram"):
        header = files[key].read_bytes()[:256]
        assert header[8:88].count(b"simulated") == 1 and header[88:168].count(b"simulated") == 1
        assert b"SIM001" in header[8:88]


def test_recorder_clips(tmp_path):
    signal = np.full(3000, 500.0)
    loud = Night(dict.fromkeys(CHANNELS, signal), ["W"], [])
    raw = mne.io.read_raw_edf(write(loud, tmp_path)["psg"], preload=True, verbose="error")
    assert raw.get_data(picks=[FPZ])[0] == pytest.approx(192e-6)
    assert raw.get_data(picks=["EOG horizontal"])[0] == pytest.approx(500e-6, rel=1e-3)


def test_hypnogram_covers_a_day_and_ends_unscored(night, files):
    annotations = mne.read_annotations(files["hypnogram"])
    ends = annotations.onset + annotations.duration
    assert annotations.onset[0] == 0 and np.array_equal(annotations.onset[1:], ends[:-1])
    assert ends[-1] == 24 * 3600
    assert not np.any(annotations.duration % 30)
    assert all(a != b for a, b in pairwise(annotations.description))
    assert annotations.description[-1] == "Sleep stage ?"
    text = {"M": "Movement time"} | {label: f"Sleep stage {label}" for label in "W1234R?"}
    epochs = np.repeat(annotations.description, (annotations.duration / 30).astype(int))
    assert list(epochs[: 4 * 120]) == [text[label] for label in night.stages]
    assert set(epochs[4 * 120 :]) == {"Sleep stage ?"}


def test_hypnogram_names_movement_and_outlasts_a_long_signal(tmp_path):
    stages = ["W", "M", "4"] + ["2"] * 2880
    quiet = Night({label: np.zeros(3000 * len(stages)) for label in CHANNELS}, stages, [])
    annotations = mne.read_annotations(write(quiet, tmp_path)["hypnogram"])
    assert list(annotations.description) == [
        "Sleep stage W", "Movement time", "Sleep stage 4", "Sleep stage 2", "Sleep stage ?",
    ]  # fmt: skip
    assert list(annotations.duration) == [30, 30, 30, 2880 * 30, 30]


def test_events_file(night, files):
    with files["events"].open(newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    assert list(rows[0]) == ["onset_s", "duration_s", "kind"]
    read = [Event(float(row["onset_s"]), float(row["duration_s"]), row["kind"]) for row in rows]
    assert read == night.events


def test_events_lie_in_the_recording_and_do_not_overlap(night):
    onsets = [event.onset_s for event in night.events]
    assert onsets == sorted(onsets)
    for event in night.events:
        assert event.onset_s >= 0 and event.onset_s + event.duration_s <= 30 * len(night.stages)
        if event.kind == "spindle":
            assert 0.49 <= event.duration_s <= 1.61  # AASM: at least 0.5 s; onsets and ends are rounded to samples
    for kind in HOME:
        for one, two in pairwise([event for event in night.events if event.kind == kind]):
            assert one.onset_s + one.duration_s <= two.onset_s + 0.005


def test_events_are_signs_of_a_stage_and_no_proof():
    nights = [simulate_night(seed=1, subject=subject, night=1, hours=8) for subject in range(3)]
    for kind, home in HOME.items():
        inside = outside = epochs_inside = epochs_outside = 0
        for night in nights:
            at_home = np.array([stage in home for stage in night.stages])
            found = np.array([int(event.onset_s // 30) for event in night.events if event.kind == kind])
            inside, outside = inside + at_home[found].sum(), outside + (~at_home[found]).sum()
            epochs_inside, epochs_outside = epochs_inside + at_home.sum(), epochs_outside + (~at_home).sum()
        assert inside / epochs_inside > 1.5 * outside / epochs_outside, kind
        assert outside > 0, kind
    spindles = [night.stages[int(e.onset_s // 30)] for night in nights for e in night.events if e.kind == "spindle"]
    assert {"W", "1", "2", "3", "R"} <= set(spindles)


def middle(event):
    return slice(
        round(100 * (event.onset_s + 0.25 * event.duration_s)), round(100 * (event.onset_s + 0.75 * event.duration_s))
    )


def inside_and_outside(night, envelope, kind, stages):
    """Mean of an envelope in the middle of the events, and in the same stages far from any event of the kind."""
    outside = np.repeat([label in stages for label in night.stages], 3000)
    inside = []
    for event in night.events:
        if event.kind == kind:
            inside.append(envelope[middle(event)].mean())
            outside[round(100 * event.onset_s) - 50 : round(100 * (event.onset_s + event.duration_s)) + 50] = False
    return np.array(inside), float(envelope[outside].mean())


@pytest.mark.parametrize(("kind", "stages", "band"), [("spindle", "2", (11, 16)), ("alpha", "W", (8, 13))])
def test_rhythms_are_where_they_are_said_to_be(night, kind, stages, band):
    channel = "EEG Pz-Oz" if kind == "alpha" else FPZ  # alpha is occipital
    filtered = sosfiltfilt(butter(4, band, "bandpass", fs=100, output="sos"), night.signals[channel])
    inside, outside = inside_and_outside(night, np.abs(hilbert(filtered)), kind, stages)
    assert len(inside) > 20
    assert np.mean(inside > 1.5 * outside) > 0.6  # the smallest are little above what swells anyway
    # A list of events that is two seconds late would not do.
    late = Night(night.signals, night.stages, [Event(e.onset_s + 2, e.duration_s, e.kind) for e in night.events])
    shifted, _ = inside_and_outside(late, np.abs(hilbert(filtered)), kind, stages)
    assert shifted.mean() < 0.7 * inside.mean()


def test_slow_waves_and_k_complexes_are_large(night):
    slow = sosfiltfilt(butter(2, (0.4, 5), "bandpass", fs=100, output="sos"), night.signals[FPZ])
    sizes = {"slow-wave": [], "k-complex": []}
    for event in night.events:
        if event.kind in sizes:
            sizes[event.kind].append(
                np.ptp(slow[round(100 * event.onset_s) : round(100 * (event.onset_s + event.duration_s))])
            )
    for kind, found in sizes.items():
        assert np.mean(np.array(found) > 75) > 0.75, kind  # AASM's criterion of slow waves, from peak to peak


def test_deep_sleep_is_slow_and_channels_are_related(night):
    stage = np.array(night.stages)
    hz, density = welch(night.signals[FPZ].reshape(-1, 3000), 100, nperseg=256)
    delta = density[:, (hz >= 0.5) & (hz <= 4)].mean(axis=1)
    assert (
        np.median(delta[np.isin(stage, ["3", "4"])])
        > 2 * np.median(delta[stage == "2"])
        > 2 * np.median(delta[stage == "R"])
    )
    epochs = {label: night.signals[label].reshape(-1, 3000)[stage == "2"].ravel() for label in CHANNELS}
    assert 0.3 < np.corrcoef(epochs[FPZ], epochs["EEG Pz-Oz"])[0, 1] < 0.9


def test_synthesis_has_the_powers_asked_for_and_no_steps():
    rng = np.random.default_rng(0)
    # Deep sleep and wakefulness by turns: the largest change that a night has.
    powers = 10.0 ** np.tile([[2.2, 0.9, 0.3, -0.5, -1.3], [1.7, 0.7, 0.2, -0.2, -0.4]], (50, 1))
    signal = synthesise(powers, rng.standard_normal(100 * 3000))
    hz, density = welch(signal.reshape(-1, 3000)[:, 500:-500], 100, nperseg=500)
    for band, (low, high) in enumerate([(0.5, 4), (4, 8), (8, 13), (13, 30), (30, 50)]):
        found = density[:, (hz >= low) & (hz <= high)].mean(axis=1).reshape(-1, 2).mean(axis=0)
        np.testing.assert_allclose(np.log10(found), np.log10(powers[:2, band]), atol=0.06)
    jumps = np.abs(np.diff(signal))
    boundaries = jumps[2999::3000]
    assert boundaries.mean() < 1.5 * jumps.mean()


@pytest.mark.parametrize("hours", [0.25, 1, 2])
def test_short_recordings_hold_all_stages(hours):
    nights = [simulate_night(seed=0, subject=subject, night=1, hours=hours) for subject in range(10)]
    assert all(len(night.stages) == 120 * hours and night.stages[0] == night.stages[-1] == "W" for night in nights)
    assert all(len(night.signals[label]) == 360_000 * hours for night in nights for label in CHANNELS)
    complete = [{"W", "1", "2", "R"} <= set(night.stages) and {"3", "4"} & set(night.stages) for night in nights]
    assert sum(map(bool, complete)) >= 8
    assert all(np.isfinite(night.signals[label]).all() for night in nights for label in CHANNELS)


def test_swelling_keeps_power_and_knows_no_stage():
    rng = np.random.default_rng(0)
    factors = swelling(400, restless=1.0, rng=rng)
    assert factors.shape == (4, 400 * 300) and (factors > 0).all()
    np.testing.assert_allclose((factors**2).mean(axis=1), 1.0, atol=0.03)
    white = rng.standard_normal(400 * 3000)
    swelled = swollen(white, factors)
    hz, density = welch(swelled, 100, nperseg=1000)
    assert np.abs(np.log10(density[(hz > 1) & (hz < 48)] / 0.02)).max() < 0.05
    # Sigma swells and fades within epochs, where stationary noise does not.
    kurtoses = [np.median(kurtosis(sigma(x).reshape(-1, 3000), axis=1)) for x in (white, swelled)]
    assert abs(kurtoses[0]) < 0.15 and kurtoses[1] > 0.5


def sigma(signal):
    return sosfiltfilt(butter(4, (11, 16), "bandpass", fs=100, output="sos"), signal)


def test_what_is_no_event_makes_up_the_rest_of_the_power():
    rng = np.random.default_rng(0)
    target = np.tile([1.6, 0.7, 0.2, -0.3, -1.3], (60, 1))
    t = np.arange(60 * 3000) / 100
    events = 8 * np.sin(2 * np.pi * 2 * t)
    made = events + background(target, events=events, noise=rng.standard_normal(len(t)))
    np.testing.assert_allclose(np.log10(band_powers(made)).mean(axis=0), target[0], atol=0.05)


def test_with_age_alpha_slows_and_spindles_grow_few_and_small():
    def draw(decades):
        return Traits.draw(decades, np.random.default_rng(0))

    young, old = draw(-2.0), draw(3.0)
    assert old.alpha_hz < young.alpha_hz
    assert old.rates["spindle"] < young.rates["spindle"] and old.sizes["spindle"] < young.sizes["spindle"]
    assert old.sizes["slow-wave"] < young.sizes["slow-wave"]


def test_other_derivations_show_the_same_night(tmp_path):
    choice = {"seed": 2, "subject": 1, "night": 1, "hours": 1}
    usual = simulate_night(**choice)
    labels = ("EEG C4-M1", "EEG Cz-A1", ANY)
    other = simulate_night(**choice, derivations=labels)
    assert other.stages == usual.stages and other.events == usual.events and tuple(other.signals) == labels
    # One that is drawn is another one each night.
    again = simulate_night(**choice | {"subject": 2}, derivations=(ANY,)).signals[ANY]
    alone = simulate_night(**choice, derivations=(ANY,)).signals[ANY]
    assert np.isfinite(again).all() and alone.std() != pytest.approx(again.std(), rel=0.02)
    raw = mne.io.read_raw_edf(write(other, tmp_path)["psg"], verbose="error")
    assert raw.ch_names == list(labels)
    with pytest.raises(ValueError, match="no simulated derivation is called 'EEG O9'"):
        simulate_night(**choice, derivations=("EEG O9",))


def test_names_of_folders_tell_the_derivations():
    assert ending(CHANNELS) == "" and derivations_of("") == CHANNELS
    assert set(CHANNELS) <= set(DERIVATIONS)
    for labels in [(ANY,), ("EEG C4-M1", "EEG Cz-A1")]:
        assert derivations_of(ending(labels)) == labels


@pytest.mark.parametrize(
    ("change", "words"),
    [({"hours": 0.2}, "0.25 or more"), ({"hours": float("nan")}, "0.25 or more"), ({"subject": -1}, "0 or more")],
)
def test_impossible_requests(change, words):
    with pytest.raises(ValueError, match=words):
        simulate_night(**{"seed": 0, "subject": 0, "night": 1, "hours": 1} | change)
