"""Deletion, insertion and removal where the answer is known: a network that looks at the energy of half a second."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.signal import periodogram

from hypnolens.explanations import faithfulness
from hypnolens.explanations.attributions import Decisions, log_odds
from hypnolens.explanations.faithfulness import (
    REMOVAL_COLUMNS,
    REMOVED,
    SEGMENTS,
    STEPS,
    curves,
    in_band,
    matched,
    measure_curves,
    measure_removal,
    probabilities_of,
)
from hypnolens.explanations.maps import ABSENT, LAYER_IG, RecordingMaps
from hypnolens.explanations.surrogates import phase_randomised
from hypnolens.network.model import Architecture, SEResNetBiLSTM
from hypnolens.stages import CODE
from tests.conftest import make_epochs

N2 = CODE["N2"]
PLACE = 17
"""The half second that the made-up network looks at."""

COLUMNS = ["onset_s", "duration_s", "kind", "source"]


class Looks:
    """Decisions whose logit of N2 grows with the energy of one half second, and which know nothing else."""

    def __init__(self, epochs, *, place=PLACE, gain=4.0, rate=100):
        part = slice(place * rate // 2, (place + 1) * rate // 2)
        self.epochs, self.features = epochs, torch.zeros(len(epochs.signal), 1)
        self.model = SimpleNamespace(features=lambda x: gain * x[:, part].square().mean(dim=1, keepdim=True))

    def logits(self, own, rows, offset=0):
        return torch.nn.functional.pad(own, (N2, len(CODE) - N2 - 1))


def _epochs(stages, *, seed=0, noise=0.02):
    """Quiet epochs, in µV of a size near 1, with a burst of 14 Hz in the half second that is looked at."""
    epochs = make_epochs(stages)
    signal = noise * np.random.default_rng(seed).standard_normal(epochs.signal.shape)
    time = np.arange(50) / 100
    signal[:, PLACE * 50 : (PLACE + 1) * 50] += np.sqrt(2) * np.sin(2 * np.pi * 14 * time)
    return replace(epochs, signal=np.round(signal * 5000).astype(np.int16), scale_uv=1 / 5000)


def _softmax(n2):
    """Probability of N2 by its logit, the four others being 0."""
    return np.exp(n2) / (np.exp(n2) + 4)


def test_probabilities_are_those_of_the_logits_in_any_number_of_chunks():
    epochs = _epochs([N2] * 300)
    signal = np.random.default_rng(0).standard_normal((300, 3000)).astype(np.float32)
    logits, given = probabilities_of(Looks(epochs), signal, np.arange(300))
    assert logits.shape == given.shape == (300, 5)
    expected = 4 * (signal[:, PLACE * 50 : PLACE * 50 + 50] ** 2).mean(axis=1)
    np.testing.assert_allclose(logits[:, N2], expected, rtol=1e-5)
    np.testing.assert_allclose(given[:, N2], _softmax(expected), rtol=1e-5)


@pytest.fixture(scope="module")
def looked():
    """Six epochs, their deletion and insertion in the right, the wrong and a random order, and the orders."""
    epochs = _epochs([N2] * 6)
    decisions, rows, stages = Looks(epochs), np.arange(6), np.full(6, N2)
    signal = epochs.signal * np.float32(epochs.scale_uv)
    right = np.zeros((6, 300))
    right[:, PLACE * 5 : PLACE * 5 + 5] = 1
    orders = {"right": right, "wrong": -right, "random": np.random.default_rng(3).random((6, SEGMENTS))}
    found = {name: curves(decisions, signal, rows, stages, order, seed=5) for name, order in orders.items()}
    return SimpleNamespace(
        decisions=decisions, rows=rows, signal=signal, fill=phase_randomised(signal, seed=5), orders=orders, found=found
    )


@pytest.mark.parametrize("order", ["right", "wrong", "random"])
def test_curves_begin_and_end_with_the_whole_signal_and_with_noise(looked, order):
    deletion, insertion = looked.found[order]
    assert deletion.shape == insertion.shape == (6, STEPS + 1)
    whole, noise = (probabilities_of(looked.decisions, x, looked.rows)[1][:, N2] for x in (looked.signal, looked.fill))
    assert (whole > 0.9).all() and (noise < 0.3).all()
    for curve, ends in ((deletion, (whole, noise)), (insertion, (noise, whole))):
        np.testing.assert_allclose(curve[:, 0], ends[0], rtol=1e-6)
        np.testing.assert_allclose(curve[:, -1], ends[1], rtol=1e-6)


@pytest.mark.parametrize("order", ["right", "wrong", "random"])
def test_the_probability_changes_once_when_the_half_second_goes(looked, order):
    """In three half seconds a step: the step is known from how many of higher value there are."""
    deletion, insertion = looked.found[order]
    values = looked.orders[order]
    values = values.reshape(6, SEGMENTS, -1).mean(axis=2)
    before = (values > values[:, [PLACE]]).sum(axis=1)
    for row in range(6):
        at = before[row] // 3 + 1
        for curve in (deletion[row], insertion[row]):
            np.testing.assert_allclose(curve[:at], curve[0], rtol=1e-6)
            np.testing.assert_allclose(curve[at:], curve[-1], rtol=1e-6)
    assert {"right": set(before) == {0}, "wrong": set(before) == {59}, "random": len(set(before)) > 2}[order]


def test_areas_tell_the_right_order_from_a_random_and_from_the_wrong_one(looked):
    step = np.linspace(0, 1, STEPS + 1)
    right, random, wrong = (
        [np.trapezoid(curve.mean(axis=0), step) for curve in looked.found[order]]
        for order in ("right", "random", "wrong")
    )
    assert right[0] < random[0] - 0.1 and random[0] < wrong[0] - 0.1
    assert right[1] > random[1] + 0.1 and random[1] > wrong[1] + 0.1


def test_without_an_order_the_first_half_seconds_go_first(looked):
    deletion, _ = curves(looked.decisions, looked.signal, looked.rows, np.full(6, N2), np.ones((6, 300)), seed=5)
    np.testing.assert_allclose(deletion[:, : PLACE // 3 + 1], deletion[:, [0]].repeat(PLACE // 3 + 1, axis=1))
    np.testing.assert_allclose(deletion[:, PLACE // 3 + 1], deletion[:, -1])


def test_curves_of_a_rate_that_half_seconds_do_not_divide():
    epochs = make_epochs([N2] * 2, rate=125.0)
    signal = 0.02 * np.random.default_rng(0).standard_normal((2, 3750)).astype(np.float32)
    decisions = Looks(epochs, rate=125)
    signal[:, PLACE * 125 // 2 : (PLACE + 1) * 125 // 2] = 1
    order = np.zeros((2, 3750))
    order[:, PLACE * 125 // 2 : (PLACE + 1) * 125 // 2] = 1
    deletion, insertion = curves(decisions, signal, np.arange(2), np.full(2, N2), order)
    assert (deletion[:, 0] > 0.9).all() and (deletion[:, 1:] < 0.35).all()
    assert (insertion[:, 0] < 0.35).all() and (insertion[:, 1:] > 0.9).all()


def without_band(signal, inside, rate, band):
    """Signals without what is to be taken away of them."""
    return (signal - in_band(signal, inside, rate, band)).astype(signal.dtype)


def _power(signal, low, high):
    frequency, power = periodogram(signal, fs=100)
    return power[..., (frequency >= low) & (frequency <= high)].sum(axis=-1)


def test_a_band_is_taken_away_inside_and_nothing_else():
    rng = np.random.default_rng(0)
    time = np.arange(3000) / 100
    slow, fast = 30 * np.sin(2 * np.pi * 1.0 * time), 20 * np.sin(2 * np.pi * 13 * time)
    signal = (slow + fast + rng.standard_normal((2, 3000))).astype(np.float32)
    inside = np.zeros((2, 3000), dtype=bool)
    inside[0, 1000:1400] = True
    less = without_band(signal, inside, 100.0, (11.0, 16.0))
    assert less.dtype == np.float32
    np.testing.assert_array_equal(less[1], signal[1])  # no event
    # The taper reaches 0.1 s beyond an event and 0.1 s into it.
    np.testing.assert_array_equal(less[0, :990], signal[0, :990])
    np.testing.assert_array_equal(less[0, 1411:], signal[0, 1411:])
    middle = slice(1050, 1350)
    assert _power(less[0, middle], 12, 14) < 0.01 * _power(signal[0, middle], 12, 14)
    assert _power(less[0, middle], 0.3, 3) == pytest.approx(_power(signal[0, middle], 0.3, 3), rel=0.01)
    # Slow waves are still there sample by sample, give or take the noise.
    np.testing.assert_allclose(less[0, middle], slow[middle], atol=6)


def test_a_removal_fades_in_and_out():
    """By a Hann window of 0.2 s: a half of the band is gone where an event begins and ends."""
    signal = np.cos(2 * np.pi * 10 * np.arange(3000) / 100)[None]  # of amplitude 1 every 5 samples
    inside = np.zeros((1, 3000), dtype=bool)
    inside[0, 1000:1500] = True
    gone = np.abs(signal - without_band(signal, inside, 100.0, (8.0, 13.0)))[0, ::5]
    for edge, side in ((200, 1), (300, -1)):
        fade = gone[edge - 2 * side : edge + 3 * side : side]
        assert fade.tolist() == pytest.approx([0, 0.1, 0.5, 0.9, 1], abs=0.1)
        assert (np.diff(fade) > 0.05).all()


@pytest.mark.parametrize("rate", [64.0, 125.0, 256.0])
def test_a_band_is_taken_away_at_any_rate(rate):
    time = np.arange(round(30 * rate)) / rate
    signal = np.sin(2 * np.pi * 2 * time)[None]
    inside = ((time >= 10) & (time < 20))[None]
    less = without_band(signal, inside, rate, (0.5, 4.0))[0]
    taper = 0.1 + 1 / rate
    away, kept = (time > 10 + taper) & (time < 20 - taper), (time < 10 - taper) | (time > 20 + taper)
    assert np.abs(less[away]).max() < 0.05
    np.testing.assert_array_equal(less[kept], signal[0, kept])


def test_two_parts_are_made_smaller_to_one_energy():
    rng = np.random.default_rng(0)
    here, there = rng.standard_normal((4, 3000)), rng.standard_normal((4, 3000))
    here[0] *= 5  # an event: 25 times the energy
    here[1] /= 4
    here[2] = 0
    at, rest, share = matched(here, there)
    energies = [(part**2).sum(axis=1) for part in (here, there, at, rest)]
    np.testing.assert_allclose(energies[2], energies[3])
    np.testing.assert_allclose(energies[2], np.minimum(energies[0], energies[1]))
    assert share.tolist() == pytest.approx([1 / 25, 1, 0, 1], rel=0.1) and not rest[2].any()
    factor = at[0] / here[0]
    np.testing.assert_allclose(factor, factor[0])  # the same part, only smaller


def _recorded(epochs, sample, methods=(LAYER_IG,)):
    n, every = len(epochs.stage), np.arange(len(epochs.stage))
    maps = np.random.default_rng(0).random((n, 300)).astype(np.float32)
    return RecordingMaps(
        "R1", "s1", np.zeros((n, 3)), np.asarray(sample, dtype=np.int64), dict.fromkeys(methods, every),
        dict.fromkeys(methods, maps),
    )  # fmt: skip


def _shares(decisions, rows, stages, *, signal):
    """A map that is the energy in 11 to 16 Hz, by sample: what the made-up network does look at."""
    spectrum = np.fft.rfft(signal, axis=1)
    frequency = np.fft.rfftfreq(signal.shape[1], 1 / 100)
    spectrum[:, (frequency < 11) | (frequency > 16)] = 0
    found = np.zeros(signal.shape)
    part = slice(PLACE * 50, PLACE * 50 + 50)
    found[:, part] = np.fft.irfft(spectrum, signal.shape[1], axis=1)[:, part] ** 2
    return found + 1e-3


def test_the_decision_follows_the_event_and_not_another_place(monkeypatch):
    epochs = _epochs([N2, 0, N2, 3, N2, N2])
    monkeypatch.setattr(faithfulness, "attribute", _shares)
    begin = PLACE * 0.5 - 0.25
    events = pd.DataFrame(
        [(30.0 * row + begin, 1.0, "spindle", "true") for row in (0, 1, 2, 4)]
        # What is marked of epoch 2 covers most of it: there is no elsewhere. Epoch 3 is of no stage for spindles.
        + [(60.0, 16.0, "spindle", "true"), (92.0, 1.0, "spindle", "true")]
        + [(30.0 * 4 + 20.0, 1.0, "spindle", "X")],  # where nothing is
        columns=COLUMNS,
    )  # fmt: skip
    found = measure_removal(Looks(epochs), _recorded(epochs, [0, 1, 2, 3, 4]), events)
    assert list(found.columns) == list(REMOVAL_COLUMNS)
    assert set(zip(found["recording"], found["subject"], found["stage"], found["kind"], strict=True)) == {
        ("R1", "R1", "N2", "spindle")
    }
    true, other = found[found["source"] == "true"], found[found["source"] == "X"]
    assert true["epoch_index"].tolist() == [0, 4] and other["epoch_index"].tolist() == [4]
    # The logit of a burst of mean square 1 is 4, less what the filter cannot take: nearly all goes.
    assert (true["at_event"] > 3).all() and (true["matched_elsewhere"].abs() < 0.05).all()
    assert (other["at_event"].abs() < 0.05).all()
    # At the burst there is far more of the band than in all the rest, so that little of it is a match.
    assert (true["matched"] < 0.05).all() and (true["matched_at_event"] > 3 * true["matched_elsewhere"].abs()).all()
    # Where nothing is, the rest of the epoch has all that there is to match, and the burst with it.
    assert (other["matched"] > 0.99).all() and (other["matched_at_event"].abs() < 0.05).all()
    assert true["cover"].tolist() == other["cover"].tolist() * 2 == [pytest.approx(1 / 30)] * 2
    assert (true["share_before"] > 0.9).all() and (true["share_after"] < 0.5 * true["share_before"]).all()
    assert (other["share_before"] < 0.1).all()


def test_what_is_lost_is_the_difference_of_log_odds(monkeypatch):
    epochs = _epochs([N2] * 3)
    decisions = Looks(epochs)
    monkeypatch.setattr(faithfulness, "attribute", _shares)
    events = pd.DataFrame([(30.0 * row + 8.5, 0.5, "spindle", "true") for row in range(3)], columns=COLUMNS)
    found = measure_removal(decisions, _recorded(epochs, [0, 1, 2]), events)
    signal = epochs.signal * epochs.scale_uv
    inside = np.zeros((3, 3000), dtype=bool)
    inside[:, 850:900] = True
    energy = [(x[:, 850:900] ** 2).mean(axis=1) for x in (signal, without_band(signal, inside, 100.0, (11.0, 16.0)))]
    # Four logits of 0 leave a logit as log-odds, but for log 4.
    np.testing.assert_allclose(found["at_event"], 4 * (energy[0] - energy[1]), rtol=1e-4)


def test_without_events_there_is_a_table_without_rows():
    epochs = _epochs([N2, N2])
    empty = pd.DataFrame({"onset_s": [], "duration_s": [], "kind": pd.Series([], dtype=str), "source": []})
    found = measure_removal(Looks(epochs), _recorded(epochs, [0, 1]), empty)
    assert found.empty and list(found.columns) == list(REMOVAL_COLUMNS)
    far = pd.DataFrame([(1000.0, 1.0, "spindle", "true"), (5.0, 1.0, "vertex", "true")], columns=COLUMNS)
    assert measure_removal(Looks(epochs), _recorded(epochs, [0, 1]), far).empty
    near = pd.DataFrame([(5.0, 1.0, "spindle", "true")], columns=COLUMNS)
    assert measure_removal(Looks(epochs), _recorded(epochs, []), near).empty


@pytest.mark.parametrize(("kind", "stages"), REMOVED.items())
def test_kinds_are_removed_from_their_stages(monkeypatch, kind, stages):
    monkeypatch.setattr(faithfulness, "attribute", lambda d, rows, codes, signal: np.ones(signal.shape))
    epochs = _epochs(range(5))
    events = pd.DataFrame([(30.0 * row + 5, 1.0, kind, "true") for row in range(5)], columns=COLUMNS)
    found = measure_removal(Looks(epochs), _recorded(epochs, range(5)), events)
    assert tuple(found["stage"]) == stages and found["epoch_index"].tolist() == [CODE[stage] for stage in stages]
    np.testing.assert_allclose(found[["share_before", "share_after"]], 1 / 30)


def test_curves_are_measured_by_stage_and_order():
    epochs = _epochs([N2, N2, N2, 0, 3, 3, N2])
    maps = _recorded(epochs, [0, 2, 3, 4, 6], methods=(LAYER_IG, "occlusion"))
    for row in maps.maps[LAYER_IG]:
        row[PLACE * 5 : PLACE * 5 + 5] += 1  # the right order
    table = measure_curves(Looks(epochs), maps)
    assert list(table.columns) == ["recording", "subject", "stage", "order", "epochs", "step", "deletion", "insertion"]
    assert set(table["order"]) == {LAYER_IG, "occlusion", "amplitude", "random", ABSENT}
    counts = table.groupby(["order", "stage"])["epochs"].unique().map(list).unstack()
    assert all((counts[stage] == [[n]] * 5).all() for stage, n in (("N2", 3), ("W", 1), ("N3", 1)))
    for _, part in table.groupby(["order", "stage"]):
        np.testing.assert_allclose(part["step"], np.linspace(0, 1, STEPS + 1))
    of_n2 = table[(table["stage"] == "N2")].set_index("order")
    for order in (LAYER_IG, "amplitude"):  # the burst is what is loud
        assert (of_n2.loc[order, "deletion"][1:] < 0.3).all() and (of_n2.loc[order, "insertion"][1:] > 0.9).all()
    assert of_n2.loc["random", "deletion"].iloc[1] > 0.6
    # The mean features of the recording say nothing: five logits of 0.
    np.testing.assert_allclose(table[table["order"] == ABSENT][["deletion", "insertion"]], 0.2)
    # Of the other stages the probability goes up as what speaks for N2 goes.
    assert (table[(table["stage"] == "W") & (table["order"] == LAYER_IG)]["deletion"].diff().dropna() >= 0).all()


def test_curves_are_means_over_epochs():
    epochs = _epochs([N2, N2, N2])
    signal = epochs.signal * np.float32(epochs.scale_uv)
    epochs.signal[2] //= 4  # one that is less sure
    signal[2] = epochs.signal[2] * np.float32(epochs.scale_uv)
    maps = _recorded(epochs, [0, 1, 2])
    table = measure_curves(Looks(epochs), maps, seed=9)
    rows, stages = np.arange(3), np.full(3, N2)
    deletion, insertion = curves(Looks(epochs), signal, rows, stages, maps.maps[LAYER_IG], seed=9)
    own = table[table["order"] == LAYER_IG]
    np.testing.assert_allclose(own["deletion"], deletion.mean(axis=0))
    np.testing.assert_allclose(own["insertion"], insertion.mean(axis=0))


def test_a_recording_without_correct_epochs_has_no_curve():
    epochs = _epochs([N2, N2])
    table = measure_curves(Looks(epochs), _recorded(epochs, []))
    assert table.empty
    assert list(table.columns) == ["recording", "subject", "stage", "order", "epochs", "step", "deletion", "insertion"]


def test_of_a_network_the_whole_signal_gives_its_own_predictions():
    """The genuine `Decisions`: a window's other epochs are held."""
    torch.manual_seed(0)
    model = SEResNetBiLSTM(
        Architecture(**{"width": 2, "lstm_layers": 1, "lstm_hidden": 3, "head_hidden": (), "window": 3})
    )
    for parameter in (*model.lstm.parameters(), *model.head.parameters()):
        torch.nn.init.normal_(parameter, std=0.5)
    epochs = make_epochs([0, 1, 2, 3, 4, 2], index=[0, 1, 2, 4, 5, 6])
    decisions = Decisions(model, epochs, across_gaps=False)
    same = np.repeat(epochs.signal[:1] * np.float32(epochs.scale_uv), 6, axis=0)
    assert (np.ptp(probabilities_of(decisions, same, np.arange(6))[0], axis=0) > 0.1).all()  # neighbours do matter
    rows = np.array([0, 2, 5])
    logits, given = probabilities_of(decisions, epochs.signal[rows] * np.float32(epochs.scale_uv), rows)
    with torch.no_grad():
        x = torch.from_numpy(epochs.signal.astype(np.float32)) * epochs.scale_uv
        expected = model.eval()(x, decisions.positions)[rows]
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    np.testing.assert_allclose(given, expected.softmax(dim=1), atol=1e-5)
    stages = np.array([0, 2, 2])
    signal = epochs.signal[rows] * np.float32(epochs.scale_uv)
    deletion, insertion = curves(decisions, signal, rows, stages, np.random.default_rng(0).random((3, 300)))
    own = given[np.arange(3), stages]
    np.testing.assert_allclose(deletion[:, 0], own, atol=1e-6)
    np.testing.assert_allclose(insertion[:, -1], own, atol=1e-6)
    odds = np.log(own / (1 - own))
    np.testing.assert_allclose(log_odds(torch.from_numpy(logits), torch.from_numpy(stages)), odds, atol=1e-5)
    maps = _recorded(epochs, [2, 5])
    events = pd.DataFrame([(65.0, 2.0, "spindle", "true"), (185.0, 2.0, "spindle", "true")], columns=COLUMNS)
    found = measure_removal(decisions, maps, events)
    assert found["epoch_index"].tolist() == [2, 6]
    assert np.isfinite(found[["at_event", "matched_at_event", "matched_elsewhere"]]).all().all()
    assert ((found["share_before"] >= 0) & (found["share_before"] <= 1)).all()
