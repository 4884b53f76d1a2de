"""Where the pass that is kept is chosen: `clean` opens no test recording, `test-selected` nothing else but them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from hypnolens.evaluation.metrics import confusion_matrix, scores
from hypnolens.network.inference import probabilities
from hypnolens.network.model import Architecture, SEResNetBiLSTM
from hypnolens.recordings.epochs import read_epochs, write_epochs
from hypnolens.training.engine import TrainingOptions
from hypnolens.training.fold import SELECTS, train
from tests.conftest import make_epochs
from tests.rules.conftest import EXPERIMENT, ORIGIN, run_script

ARCHITECTURE = Architecture(width=2, dropout=0.2, lstm_layers=1, lstm_hidden=8, head_hidden=(), window=3)
OPTIONS = TrainingOptions(passes=4, patience=None, batch_windows=32, stretch=8, learning_rate=0.02, torch_threads=1)
STAGES = np.repeat([0, 1, 2, 3, 4, 3, 2, 1], 6)
SIDES = {"a": "train", "b": "train", "c": "validation", "d": "test", "e": "test"}


@pytest.fixture
def night(tmp_path):
    """Files of epochs of five recordings, and a table of one fold."""
    for seed, name in enumerate(SIDES):
        write_epochs(make_epochs(STAGES, name=name, seed=seed), tmp_path / f"{name}.safetensors")
    _list(tmp_path)
    return tmp_path


def _list(folder):
    """Write the table of the fold, of the epochs that there are."""
    rows = ["recording\tsubject\tfold\tsplit\tepochs_sha256\n"]
    for name, split in SIDES.items():
        epochs = read_epochs(folder / f"{name}.safetensors")
        rows.append(f"{name}\t{name}\t0\t{split}\t{epochs.sha256}\n")
    (folder / "folds.tsv").write_text("".join(rows))


def _train(folder, out, protocol):
    """Run the script; returns the weights as bytes, the history but for its times, and the card."""
    out.mkdir(exist_ok=True)
    names = {"model": "model.safetensors", "card": "model.json", "history": "history.tsv"}
    files = {key: str(out / name) for key, name in names.items()}
    params = {
        "experiment": {**EXPERIMENT, "passes": 2, "patience": None, "protocol": protocol},
        "networks": "hypnolens.network.model",
        "checkpoint": str(out / "checkpoint.pt"),
        "code": "c",
        "epochs": str(folder),
        "origin": ORIGIN,
    }
    run_script(
        "train", out, input={"folds": str(folder / "folds.tsv")}, output=files, params=params,
        wildcards={"dataset": "d", "experiment": "e", "fold": "0"},
    )  # fmt: skip
    history = [line.split("\t")[:-1] for line in (out / "history.tsv").read_text().splitlines()]
    return (out / "model.safetensors").read_bytes(), history, json.loads((out / "model.json").read_text())


def test_the_sides_on_which_a_pass_is_chosen():
    assert SELECTS == {"clean": "validation", "test-selected": "test"}


@pytest.mark.parametrize("protocol, side", [("clean", "test"), ("test-selected", "validation")])
def test_a_training_opens_the_side_on_which_it_chooses_and_not_the_other(night, protocol, side):
    for name, split in SIDES.items():
        if split == side:
            (night / f"{name}.safetensors").unlink()
    _, history, card = _train(night, night / "out", protocol)
    assert len(history) == 1 + 2 and card["recordings"][side] and card["experiment"]["protocol"] == protocol


@pytest.mark.parametrize("protocol, missing", [("clean", "c"), ("test-selected", "e")])
def test_a_missing_recording_of_that_side_is_one_line(night, protocol, missing):
    (night / f"{missing}.safetensors").unlink()
    with pytest.raises(SystemExit) as ended:
        _train(night, night / "out", protocol)
    _, *lines = (night / "out" / "logs" / "train.log").read_text().splitlines()
    assert ended.value.code == 1 and len(lines) == 1 and not (night / "out" / "model.safetensors").exists()
    assert lines[0].startswith(
        f"{missing}: {night / missing}.safetensors does not exist; make it again with `snakemake "
    )


def test_no_bit_of_a_clean_network_comes_from_the_test_recordings(night):
    before = {protocol: _train(night, night / f"{protocol}-1", protocol) for protocol in SELECTS}
    for seed, name in enumerate("de"):  # other signals, and all of one stage
        write_epochs(make_epochs(np.full(30, 4), name=name, seed=90 + seed), night / f"{name}.safetensors")
    _list(night)
    after = {protocol: _train(night, night / f"{protocol}-2", protocol) for protocol in SELECTS}
    (weights, history, _), (same_weights, same_history, _) = before["clean"], after["clean"]
    assert same_weights == weights and same_history == history
    assert after["test-selected"][1] != before["test-selected"][1]  # the change is one that can be seen


def _macro_f1(model, tested):
    predicted = [probabilities(model, epochs, across_gaps=False, precision="fp32").argmax(axis=1) for epochs in tested]
    true = np.concatenate([epochs.stage for epochs in tested])
    return float(scores(confusion_matrix(true, np.concatenate(predicted)))["macro_f1"])


@pytest.mark.slow
def test_both_protocols_train_alike_and_choosing_on_the_test_fold_never_lowers_its_score(tmp_path):
    # People differ in how loud they are, so that what suits one of them does not suit another.
    people = [
        replace(make_epochs(STAGES, name=f"p{seed}", seed=seed, rate=20), scale_uv=0.05 * gain)
        for seed, gain in enumerate([1.0, 2.0, 0.5, 1.4, 0.7, 1.2])
    ]
    gained = []
    for seed in range(2):
        options = TrainingOptions(**{**OPTIONS.__dict__, "seed": seed})
        for fold in range(3):
            turned = people[2 * fold :] + people[: 2 * fold]
            tested, validation, training = turned[:2], turned[2:3], turned[3:]
            sides = {"validation": validation, "test": tested}
            found = {}
            for protocol, side in SELECTS.items():
                found[protocol] = train(
                    training, sides[side], build=lambda: SEResNetBiLSTM(ARCHITECTURE), options=options, fold=fold,
                    checkpoint=tmp_path / f"{seed}-{fold}-{protocol}.pt", key=protocol, name="t",
                )  # fmt: skip
            losses = [[row["train_loss"] for row in history] for _, history in found.values()]
            assert losses[0] == losses[1] and len(losses[0]) == OPTIONS.passes
            clean, selected = (_macro_f1(model, tested) for model, _ in found.values())
            assert selected == max(row["validation_macro_f1"] for row in found["test-selected"][1])
            gained.append(selected - clean)
    assert min(gained) >= 0 and max(gained) > 0
