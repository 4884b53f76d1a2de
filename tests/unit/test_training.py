"""Training: learns, repeats itself, goes on after a kill as if nothing had happened, and forgets what is stale."""

import logging
import os
import signal

import numpy as np
import pytest
import torch

from hypnolens.evaluation.metrics import confusion_matrix, scores
from hypnolens.network.inference import probabilities
from hypnolens.network.model import Architecture, SEResNetBiLSTM, build
from hypnolens.recordings.epochs import read_epochs, write_epochs
from hypnolens.recordings.normalisation import normalise
from hypnolens.training import fold
from hypnolens.training.engine import Engine, TrainingError, TrainingOptions
from hypnolens.training.fold import options_of, train, training_key
from tests.conftest import make_epochs

ARCHITECTURE = Architecture(width=2, dropout=0.2, lstm_layers=1, lstm_hidden=8, head_hidden=(), window=3)
OPTIONS = TrainingOptions(passes=4, patience=None, batch_windows=16, stretch=8, learning_rate=0.01, torch_threads=1)
STAGES = np.repeat([0, 1, 2, 3, 4, 3, 2, 1], 6)
TRAINING = [make_epochs(STAGES, name=name, seed=seed, rate=20) for seed, name in enumerate("ab")]
VALIDATION = [make_epochs(STAGES[::-1].copy(), name="c", seed=9, rate=20)]


def _train(checkpoint, *, options=OPTIONS, key="key", fold=0, sides=(TRAINING, VALIDATION)):
    return train(
        *sides, build=lambda: SEResNetBiLSTM(ARCHITECTURE), options=options, fold=fold, checkpoint=checkpoint,
        key=key, name="t",
    )  # fmt: skip


def _same(first: SEResNetBiLSTM, second: SEResNetBiLSTM) -> bool:
    return all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


def _without_time(history):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


def test_it_learns_and_the_best_pass_is_kept(tmp_path):
    options = TrainingOptions(**{**OPTIONS.__dict__, "passes": 25})
    model, history = _train(tmp_path / "c.pt", options=options)
    kept = max(row["validation_macro_f1"] for row in history)
    predicted = probabilities(model, VALIDATION[0], across_gaps=False, precision="fp32").argmax(axis=1)
    score = scores(confusion_matrix(VALIDATION[0].stage, predicted))
    assert score["macro_f1"] == pytest.approx(kept) and kept > 0.6
    assert [row["windows"] for row in history] == [96] * 25
    assert not model.training


def test_the_same_seed_gives_the_same_network_and_another_does_not(tmp_path):
    first, history = _train(tmp_path / "1.pt")
    second, again = _train(tmp_path / "2.pt")
    assert _same(first, second) and _without_time(history) == _without_time(again)
    for number, other in enumerate([{"fold": 1}, {"options": TrainingOptions(**{**OPTIONS.__dict__, "seed": 1})}]):
        assert not _same(first, _train(tmp_path / f"o{number}.pt", **other)[0])


class Killed(BaseException):
    """Stands for a signal: nothing catches it."""


AVERAGED = TrainingOptions(**{**OPTIONS.__dict__, "weight_average": 0.9, "label_smoothing": 0.1})


def test_an_average_of_weights_is_another_network_and_the_one_that_is_validated(tmp_path):
    plain, history = _train(tmp_path / "p.pt")
    averaged, other = _train(tmp_path / "a.pt", options=AVERAGED)
    assert not _same(plain, averaged)
    assert [row["validation_loss"] for row in history] != [row["validation_loss"] for row in other]


@pytest.mark.parametrize("options", [OPTIONS, AVERAGED], ids=["plain", "averaged"])
@pytest.mark.parametrize("passes_before", [1, 3])
def test_a_killed_run_goes_on_and_ends_with_the_same_bits(tmp_path, monkeypatch, passes_before, options):
    whole, history = _train(tmp_path / "whole.pt", options=options)
    one_pass, calls = Engine.one_pass, []

    def killed(*args):
        calls.append(args)
        if len(calls) == passes_before + 1:
            raise Killed
        return one_pass(*args)

    monkeypatch.setattr(Engine, "one_pass", killed)
    with pytest.raises(Killed):
        _train(tmp_path / "c.pt", options=options)
    resumed, again = _train(tmp_path / "c.pt", options=options)
    assert len(calls) == OPTIONS.passes + 1  # one pass was begun twice, none was done twice
    assert _same(whole, resumed) and _without_time(history) == _without_time(again)


@pytest.mark.parametrize("name, steps_before", [
    ("SIGTERM", 3), ("SIGUSR1", 6), ("SIGUSR2", 8),
    *(pytest.param(name, steps, marks=pytest.mark.slow) for name, steps in (
        ("SIGTERM", 6), ("SIGTERM", 8), ("SIGUSR1", 3), ("SIGUSR1", 8), ("SIGUSR2", 3), ("SIGUSR2", 6),
    )),
])  # fmt: skip
def test_a_signal_keeps_the_state_in_the_middle_of_a_pass(tmp_path, monkeypatch, name, steps_before):
    whole, history = _train(tmp_path / "whole.pt")
    step, calls = Engine.step, []

    def signalled(self, *args):
        calls.append(args)
        if len(calls) == steps_before:
            os.kill(os.getpid(), getattr(signal, name))
        return step(self, *args)

    monkeypatch.setattr(Engine, "step", signalled)
    number, left = divmod(steps_before - 1, 6)
    words = rf"^t: stopped by {name} after step {left + 1} of pass {number + 1}; the state is kept in .*; run again"
    with pytest.raises(TrainingError, match=words):
        _train(tmp_path / "c.pt")
    resumed, again = _train(tmp_path / "c.pt")
    assert len(calls) == 6 * OPTIONS.passes  # no step was done twice
    assert _same(whole, resumed) and _without_time(history) == _without_time(again)
    assert signal.getsignal(getattr(signal, name)) == signal.SIG_DFL


def test_the_state_is_kept_in_long_passes(tmp_path, monkeypatch):
    monkeypatch.setattr("hypnolens.training.fold.SAVE_S", 0.0)
    whole, _ = _train(tmp_path / "c.pt")
    assert _same(whole, _train(tmp_path / "d.pt")[0])


def test_a_kill_after_training_repeats_no_pass(tmp_path, monkeypatch):
    whole, _ = _train(tmp_path / "c.pt")
    monkeypatch.setattr(Engine, "one_pass", lambda *args: pytest.fail("a pass was repeated"))
    assert _same(whole, _train(tmp_path / "c.pt")[0])


@pytest.mark.parametrize("damage", ["key", "cut", "pickle"])
def test_a_stale_or_damaged_checkpoint_is_discarded_with_a_line(tmp_path, caplog, damage):
    fresh, _ = _train(tmp_path / "fresh.pt", key="new")
    path = tmp_path / "c.pt"
    _train(path, key="old", options=TrainingOptions(**{**OPTIONS.__dict__, "seed": 7}))
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "pickle":
        path.write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with caplog.at_level(logging.WARNING, logger="hypnolens"):
        model, _ = _train(path, key="new")
    assert _same(model, fresh)
    assert [r.getMessage() for r in caplog.records if "checkpoint discarded" in r.getMessage()]


def test_the_key_changes_with_all_that_decides():
    experiment = {"width": 2}
    sides = [TRAINING, VALIDATION]
    base = training_key(experiment, 0, "code", sides)
    assert base == training_key(dict(experiment), 0, "code", [list(TRAINING), list(VALIDATION)])
    changed = make_epochs(STAGES, name="a", seed=5, rate=20)
    others = [
        training_key({"width": 3}, 0, "code", sides),
        training_key(experiment, 1, "code", sides),
        training_key(experiment, 0, "edoc", sides),
        training_key(experiment, 0, "code", [TRAINING, TRAINING]),
        training_key(experiment, 0, "code", [VALIDATION, TRAINING]),
        training_key(experiment, 0, "code", [[changed, TRAINING[1]], VALIDATION]),
    ]
    assert len({base, *others}) == 7


def test_the_key_takes_the_hash_of_epochs_that_were_read(tmp_path):
    """However they were read, and whatever was made of them since: no signal is hashed twice."""
    path = tmp_path / "a.safetensors"
    write_epochs(TRAINING[0], path)
    key = training_key({}, 0, "code", [[read_epochs(path)]])
    for options in ({"mapped": True}, {"signal": False}):
        assert training_key({}, 0, "code", [[read_epochs(path, **options)]]) == key
    other = make_epochs(STAGES, name="a", seed=5, rate=20)
    write_epochs(other, path)
    another = training_key({}, 0, "code", [[read_epochs(path)]])
    assert another != key
    seen = [normalise(read_epochs(path, mapped=mapped), "spectrum") for mapped in (False, True)]
    keys = {training_key({}, 0, "code", [[epochs]]) for epochs in seen}
    assert len(keys) == 1 and keys.isdisjoint({key, another})
    write_epochs(TRAINING[0], path)
    assert training_key({}, 0, "code", [[normalise(read_epochs(path), "spectrum")]]) not in keys


def test_early_stopping_waits_for_its_patience(tmp_path):
    options = TrainingOptions(**{**OPTIONS.__dict__, "passes": 50, "patience": 2, "learning_rate": 1e-12})
    _, history = _train(tmp_path / "c.pt", options=options)
    last_best = max(row["pass"] for row in history if row["best"])
    assert len(history) == last_best + 2 < 50


def test_a_loss_that_explodes_stops_with_a_clear_line(tmp_path):
    broken = make_epochs(STAGES, name="a", rate=20)
    object.__setattr__(broken, "scale_uv", float("nan"))
    with pytest.raises(TrainingError, match=r"t: the loss is nan in pass 1; lower learning_rate"):
        _train(tmp_path / "c.pt", sides=([broken], VALIDATION))


def test_the_cosine_falls_from_the_rate_to_nearly_nothing():
    options = TrainingOptions(passes=10, learning_rate=0.1, schedule="cosine")
    rates = [fold._rate(options, number) for number in range(1, 11)]
    assert rates[0] == 0.1 and rates == sorted(rates, reverse=True) and 0 < rates[-1] < 0.003
    assert fold._rate(TrainingOptions(learning_rate=0.1), 9) == 0.1


def test_keys_of_an_experiment_reach_network_and_training():
    experiment = {"width": 3, "window": 7, "passes": 2, "seed": 5, "noise": 0.5, "model": "se-resnet-bilstm"}
    architecture, options = build(experiment, 100.0).architecture, options_of(experiment)
    assert (architecture.width, architecture.window, options.passes, options.seed) == (3, 7, 2, 5)
    assert options.noise == 0.5


def test_weights_of_stages_are_one_for_an_average_epoch():
    training_side = [make_epochs([0] * 16 + [1] * 4 + [2], rate=1)]
    counts = np.array([16, 4, 1, 0, 0])
    for kind, ratio in (("none", 1.0), ("sqrt", 2.0), ("balanced", 4.0)):
        weights = fold.class_weights(training_side, kind).numpy()
        assert weights[1] / weights[0] == pytest.approx(ratio) and weights[2] / weights[1] == pytest.approx(ratio)
        assert (weights * counts).sum() / 21 == pytest.approx(1) and not weights[3:].any()
