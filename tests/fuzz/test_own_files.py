"""Files that hypnolens itself wrote and somebody changed or passed on: damage is noticed, and no code is run."""

import ast
import hashlib
import logging
import os
import pickle
import random
import shutil
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from hypnolens.errors import ConfigurationError, DamagedError, HypnolensError, RecordingError
from hypnolens.evaluation.predictions import read_predictions
from hypnolens.explanations.examples import Explained, read_explained, write_explained
from hypnolens.explanations.maps import LAYER_IG, RecordingMaps, read_maps, write_maps
from hypnolens.explanations.night import NightStrip, read_strip, write_night_strip
from hypnolens.io.frames import read_table, read_texts
from hypnolens.io.parquet import write_parquet
from hypnolens.io.tables import read_json, read_rows, write_rows
from hypnolens.network.files import SHIPPED, load_models, read_network, write_model
from hypnolens.network.model import build
from hypnolens.pipeline import configuration
from hypnolens.recordings.epochs import read_epochs, read_hypnograms, write_epochs, write_hypnograms
from hypnolens.training.checkpoints import read_checkpoint, write_checkpoint
from hypnolens.training.folds import read_folds
from tests.conftest import ROOT, make_epochs, make_predictions


class Code:
    """An object whose unpickling makes a file."""

    def __init__(self, sign: Path) -> None:
        self.sign = sign

    def __reduce__(self):
        return os.mkdir, (str(self.sign),)


def _one_line(error: BaseException, path: Path) -> None:
    text = str(error)
    assert str(path) in text and text.isprintable() and len(text) < 1000, text[:300]


def _flipped(raw: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(raw))
    return raw[:place] + bytes([raw[place] ^ 1 << chance.randrange(8)]) + raw[place + 1 :]


def _cuts(raw: bytes, chance: random.Random) -> list[bytes]:
    return [b"", raw[:1], raw[:-1], raw[: len(raw) // 2], *(raw[: chance.randrange(len(raw))] for _ in range(20))]


# Checkpoints

STATE = {
    "key": "k", "progress": {"history": [1.0], "step": 3},
    "network": {"a": torch.arange(5000.0), "b": torch.ones(100, 10)},
}  # fmt: skip


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "c.pt"
    write_checkpoint(path, STATE)
    assert _same(read_checkpoint(path, "k", "t"))
    return path


def _same(state) -> bool:
    tensors = STATE["network"]
    return {**state, "network": 0} == {**STATE, "network": 0} and all(
        torch.equal(state["network"][name], tensors[name]) for name in tensors
    )


def _with_checksum(path):
    """As `write_checkpoint` would have left it: nobody is kept out by a checksum that anybody can make."""
    path.write_bytes(path.read_bytes() + hashlib.sha256(path.read_bytes()).digest())


@pytest.mark.parametrize("form", ["zip", "before torch 1.6", "pickle"])
def test_a_checkpoint_runs_no_code(tmp_path, caplog, form):
    path, sign = tmp_path / "c.pt", tmp_path / "sign"
    state = {**STATE, "network": Code(sign)}
    if form == "pickle":
        path.write_bytes(pickle.dumps(state))
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    _with_checksum(path)
    assert read_checkpoint(path, "k", "fold 3") is None
    assert not sign.exists()
    assert [r.getMessage() for r in caplog.records if r.getMessage().startswith("fold 3: checkpoint discarded: it is")]
    # The same file does make it where nobody takes care.
    torch.load(path, weights_only=False) if form != "pickle" else pickle.loads(path.read_bytes())
    assert sign.is_dir()


def test_a_checkpoint_that_ends_early_is_discarded_and_named(checkpoint, caplog):
    for cut in _cuts(checkpoint.read_bytes(), random.Random(0)):
        checkpoint.write_bytes(cut)
        caplog.clear()
        assert read_checkpoint(checkpoint, "k", "fold 3") is None
        (record,) = [r for r in caplog.records if r.name.startswith("hypnolens")]
        assert record.levelno == logging.WARNING and record.getMessage().startswith("fold 3: checkpoint discarded")


def test_a_flipped_bit_of_a_checkpoint_is_noticed(checkpoint):
    raw, chance = checkpoint.read_bytes(), random.Random(0)
    for _ in range(100):
        checkpoint.write_bytes(_flipped(raw, chance))
        assert read_checkpoint(checkpoint, "k", "fold 3") is None


def test_a_flipped_bit_of_a_checkpoints_directory_is_noticed(checkpoint):
    """torch alone takes an entry that the directory calls a folder for an empty one, and leaves its tensor unset."""
    raw = checkpoint.read_bytes()
    begin = raw.index(b"PK\x01\x02")
    for place in range(begin, len(raw)):
        checkpoint.write_bytes(raw[:place] + bytes([raw[place] ^ 16]) + raw[place + 1 :])
        assert read_checkpoint(checkpoint, "k", "fold 3") is None


@pytest.mark.parametrize("state", [[1], 3, {}, {"key": "another"}])
def test_what_is_no_checkpoint_is_discarded(tmp_path, state):
    torch.save(state, tmp_path / "c.pt")
    _with_checksum(tmp_path / "c.pt")
    assert read_checkpoint(tmp_path / "c.pt", "k", "fold 3") is None


@pytest.mark.parametrize("state", [{}, {"progress": 3}, {"progress": {"history": None, "step": 1}}])
def test_a_checkpoint_that_lacks_its_progress_is_discarded(tmp_path, state):
    torch.save({"key": "k", **state}, tmp_path / "c.pt")
    _with_checksum(tmp_path / "c.pt")
    assert read_checkpoint(tmp_path / "c.pt", "k", "fold 3") is None


def _flips(path, read, *, n=100):
    """Flip bits of a file, one at a time: each is refused in a line that names it and says how to make it again."""
    raw, chance = path.read_bytes(), random.Random(0)
    for _ in range(n):
        path.write_bytes(_flipped(raw, chance))
        with pytest.raises(DamagedError) as caught:
            read(path)
        _one_line(caught.value, path)
        assert f"`snakemake --force {path}`" in str(caught.value)
    path.write_bytes(raw)
    read(path)


# Epochs and predictions


@pytest.fixture
def epochs(tmp_path):
    path = tmp_path / "R1.safetensors"
    write_epochs(make_epochs([0, 1, 2, 3, 4] * 4), path)
    return path


@pytest.mark.parametrize("options", [{}, {"mapped": True}, {"signal": False}])
def test_epochs_that_end_early_are_refused(epochs, options):
    for cut in _cuts(epochs.read_bytes(), random.Random(0)):
        epochs.write_bytes(cut)
        with pytest.raises(HypnolensError) as caught:
            read_epochs(epochs, **options)
        _one_line(caught.value, epochs)


def test_a_damaged_header_of_epochs_is_refused_or_harmless(epochs):
    """Whatever the length and the JSON at the beginning say, what comes back has the shape of epochs."""
    raw, chance = epochs.read_bytes(), random.Random(0)
    end = 8 + int.from_bytes(raw[:8], "little")
    for _ in range(200):
        epochs.write_bytes(_flipped(raw[:end], chance) + raw[end:])
        for mapped in (False, True):
            try:
                found = read_epochs(epochs, mapped=mapped)
            except HypnolensError as error:
                _one_line(error, epochs)
            else:
                assert len(found.signal) == len(found.stage) == len(found.epoch_index)


@pytest.mark.parametrize("mapped", [False, True])
def test_a_flipped_bit_of_epochs_is_noticed(epochs, mapped):
    _flips(epochs, lambda path: read_epochs(path, mapped=mapped))


def test_stages_are_read_without_the_signal_and_not_believed_where_they_are_damaged(epochs):
    raw = epochs.read_bytes()
    before = read_epochs(epochs, signal=False)
    epochs.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))  # safetensors puts int32 first and int8 last
    with pytest.raises(DamagedError, match="'stage' does not have"):
        read_epochs(epochs, signal=False)
    middle = raw.index(make_epochs([0, 1, 2, 3, 4] * 4).signal.tobytes()) + 1000
    epochs.write_bytes(raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :])
    assert np.array_equal(read_epochs(epochs, signal=False).stage, before.stage)
    with pytest.raises(DamagedError, match="'signal' does not have"):
        read_epochs(epochs)


def _texts_swapped(path):
    """A file whose tensors are all as they were, and whose header says something else."""
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b'"night": "1"', b'"night": "2"'))
    assert path.read_bytes() != raw


def test_what_the_header_says_is_not_believed_without_its_checksum(epochs):
    _texts_swapped(epochs)
    with pytest.raises(DamagedError, match="the header does not have its SHA-256"):
        read_epochs(epochs, signal=False)


def _maps_of(name):
    maps = np.random.default_rng(0).random((4, 300)).astype(np.float32)
    return RecordingMaps(
        name, "s", np.ones((6, 3), np.float32), np.arange(3), {LAYER_IG: np.arange(4)}, {LAYER_IG: maps}
    )


def test_a_flipped_bit_of_maps_is_noticed(tmp_path):
    path = tmp_path / "maps.safetensors"
    write_maps([_maps_of("a"), _maps_of("b")], path)
    _flips(path, read_maps)


def test_a_flipped_bit_of_hypnograms_is_noticed(tmp_path):
    path = tmp_path / "hypnograms.safetensors"
    write_hypnograms(np.arange(60, dtype=np.int8).reshape(3, 20), path)
    _flips(path, read_hypnograms)


def test_a_flipped_bit_of_an_explained_epoch_is_noticed(tmp_path):
    path = tmp_path / "explained.safetensors"
    numbers = {"epoch_index": 3, "onset_s": 90.0, "fold": 0, "probability": 0.9, "context": 0.1, "rate": 100.0}
    words = {"group": "clearest", "stage": "N2", "stage_true": "N2", "recording": "a", "subject": "s"}
    signal = np.arange(3000, dtype=np.float32)
    write_explained([Explained(**words, **numbers, events=[], signal=signal, maps={LAYER_IG: signal})], path)
    _flips(path, read_explained)


def test_a_flipped_bit_of_a_night_is_noticed(tmp_path):
    path = tmp_path / "night.safetensors"
    arrays = ("onset_s", "stage_true", "stage_pred", "frequency_hz", "power_db", "bands", "context")
    write_night_strip(NightStrip("a", LAYER_IG, ["delta"], **{name: np.arange(9.0) for name in arrays}), path)
    _flips(path, read_strip)


@pytest.fixture
def predictions(tmp_path):
    path = tmp_path / "predictions.parquet"
    stages = ["W", "N1", "N2", "N3", "R"] * 100
    write_parquet(make_predictions([(stage, stage, 0.9) for stage in stages]), path, {"fold": 0})
    return path


def test_predictions_that_end_early_are_refused(predictions):
    for cut in _cuts(predictions.read_bytes(), random.Random(0)):
        predictions.write_bytes(cut)
        with pytest.raises(HypnolensError) as caught:
            read_predictions([predictions])
        _one_line(caught.value, predictions)


def test_a_flipped_bit_of_predictions_is_noticed(predictions):
    _flips(predictions, lambda path: read_predictions([path]))


def test_predictions_of_an_older_hypnolens_are_refused(predictions):
    pd.read_parquet(predictions).to_parquet(predictions, index=False)
    with pytest.raises(DamagedError, match="does not have its SHA-256"):
        read_predictions([predictions])
    frame = pd.read_parquet(predictions)
    frame.attrs = {}
    frame.to_parquet(predictions, index=False)
    with pytest.raises(DamagedError, match="it has no checksum"):
        read_predictions([predictions])


def test_the_same_predictions_are_the_same_bytes_and_read_by_pandas(predictions, tmp_path):
    frame = read_predictions([predictions])
    write_parquet(frame, tmp_path / "again.parquet", {"fold": 0})
    assert (tmp_path / "again.parquet").read_bytes() == predictions.read_bytes()
    assert pd.read_parquet(predictions).equals(frame) and not frame.attrs


# Tables and JSON, which have no checksum

ROWS = [{"recording": "a", "epochs": 10, "flags": "none"}, {"recording": "b", "epochs": 200, "flags": "flat=2"}]


@pytest.mark.parametrize("read", [read_rows, read_table, read_texts])
def test_a_table_that_ends_in_the_middle_of_a_line_is_refused(tmp_path, read):
    path = tmp_path / "t.tsv"
    write_rows(path, list(ROWS[0]), [{**row, "flags": row["epochs"]} for row in ROWS])
    raw = path.read_bytes()
    for end in range(len(raw)):
        path.write_bytes(raw[:end])
        if raw[:end].endswith(b"\n"):
            assert len(read(path)) == raw[:end].count(b"\n") - 1
            continue
        with pytest.raises(DamagedError) as caught:
            read(path)
        _one_line(caught.value, path)


@pytest.mark.parametrize(
    "text", [b"\xff\n", b"a\tb\n1\n", b"a\tb\n1\t2\t3\n", b"\n", b"a\t\n1\t2\n", b"a\n\x00\x1b[2J\tx\n"]
)
def test_what_is_no_table_is_refused(tmp_path, text):
    path = tmp_path / "t.tsv"
    path.write_bytes(text)
    for read in (read_rows, read_table, read_texts):
        with pytest.raises(DamagedError) as caught:
            read(path)
        _one_line(caught.value, path)


def test_a_column_of_numbers_holds_numbers(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("recording\taccuracy\na\t0.5\nb\tnan\n")
    assert read_table(path)["accuracy"].isna().tolist() == [False, True]
    path.write_text("recording\taccuracy\na\t0.5\nb\tq.5\n")
    with pytest.raises(DamagedError, match="not every accuracy is a number"):
        read_table(path)


def test_folds_without_a_side_are_refused(tmp_path):
    path = tmp_path / "folds.tsv"
    rows = [{"recording": name, "subject": name, "fold": 0, "split": split}
            for name, split in (("a", "train"), ("b", "validation"), ("c", "test"))]  # fmt: skip
    write_rows(path, list(rows[0]), rows)
    assert read_folds(path, 0) == {"train": ["a"], "validation": ["b"], "test": ["c"]}
    whole = path.read_text()
    for text, words in (
        (whole.replace("c\tc\t0\ttest\n", ""), "no recording on its test side"),
        (whole.replace("0\tval", "q\tval"), "invalid literal"),
        (whole.replace("split", "splat"), "it has no 'split'"),
    ):
        path.write_text(text)
        with pytest.raises(DamagedError, match=words) as caught:
            read_folds(path, 0)
        _one_line(caught.value, path)


@pytest.mark.parametrize("text", ["", "[]", '{"a": ', "{" * 100_000, '{"a": 1}}', "\x00"])
def test_json_that_is_damaged_is_refused(tmp_path, text):
    path = tmp_path / "metrics.json"
    path.write_text(text)
    with pytest.raises(DamagedError) as caught:
        read_json(path)
    _one_line(caught.value, path)


def test_what_no_step_makes_is_not_to_be_made_by_snakemake():
    assert "snakemake" not in str(DamagedError(ROOT / "config/tables/paper.tsv", "x"))
    assert "`snakemake --force 'results/a b.tsv'`" in str(DamagedError("results/a b.tsv", "x"))


@pytest.mark.parametrize("kind", [HypnolensError, ConfigurationError, lambda text: RecordingError(text, text, text),
                                  lambda text: DamagedError(text, OSError(text))])  # fmt: skip
def test_every_error_is_one_printable_line(kind):
    text = "".join(map(chr, range(0x300))) + "\u2028\udc80\U000e0001"
    said = str(kind(text))
    assert said.isprintable() and "\\x1b" in said and "é" in said
    from_elsewhere = pickle.loads(pickle.dumps(kind(text)))
    assert str(from_elsewhere) == said and type(from_elsewhere) is type(kind(text))


# Models that somebody passed on


@pytest.fixture
def model(tmp_path):
    folder = shutil.copytree(SHIPPED / "fold-0", tmp_path / "model")
    assert len(load_models(folder, ensemble=False)) == 1
    return folder


def test_a_flipped_bit_of_weights_is_refused(model):
    weights, chance = model / "model.safetensors", random.Random(0)
    raw = weights.read_bytes()
    for broken in [*_cuts(raw, chance), *(_flipped(raw, chance) for _ in range(50))]:
        weights.write_bytes(broken)
        with pytest.raises(HypnolensError) as caught:
            load_models(model, ensemble=False)
        _one_line(caught.value, weights)


def test_a_flipped_bit_of_a_card_of_the_pipelines_is_noticed(tmp_path):
    weights, card = tmp_path / "model.safetensors", tmp_path / "model.json"
    experiment = {**configuration.load({}, ROOT).experiments["demo"], "width": 1, "lstm_hidden": 4}
    write_model(
        build(experiment, 100.0), {"experiment": experiment, "sampling_rate_hz": 100.0}, weights=weights, path=card
    )
    _flips(card, lambda path: read_network(weights, path, build))
    _flips(weights, lambda path: read_network(path, card, build), n=30)


CARDS = [
    b"", b"[]", b"null", b"NaN", b"{}", b"[" * 200_000, b"\xff", b"\xef\xbb\xbf{}", b'{"experiment": 3}',
    b'{"experiment":{"model":"se-resnet-bilstm"},"name":1,"caution":1,"usual":1,"weights_sha256":1,"sampling_rate_hz":1}',
    b'{"experiment":[],"name":1,"caution":1,"usual":1,"weights_sha256":1,"sampling_rate_hz":' + b"9" * 5000 + b"}",
]  # fmt: skip


@pytest.mark.parametrize("card", CARDS, ids=range(len(CARDS)))
def test_cards_that_are_none_are_refused(model, card):
    (model / "model.json").write_bytes(card)
    with pytest.raises(HypnolensError) as caught:
        load_models(model, ensemble=False)
    _one_line(caught.value, model)


def test_names_in_an_archive_write_nothing_outside(model, tmp_path):
    path = tmp_path / "deep" / "release.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for file in model.iterdir():
            archive.write(file, f"../../{file.name}")
            archive.write(file, f"/tmp/../{file.name}")
    before = sorted(tmp_path.rglob("*"))
    load_models(path, ensemble=False)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("packed", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_an_archive_that_unpacks_to_much_more_than_it_is_is_refused_unread(tmp_path, packed):
    path = tmp_path / "release.zip"
    with zipfile.ZipFile(path, "w", packed) as archive:
        archive.writestr("a/model.safetensors", bytes(200_000_000))
        archive.writestr("a/model.json", "{}")
    tracemalloc.start()
    with pytest.raises(HypnolensError, match="no release unpacks to 20 times its size") as caught:
        load_models(path, ensemble=False)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    _one_line(caught.value, path)
    assert most < 5e6


@pytest.mark.parametrize("packed", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_an_archive_that_lies_about_what_it_unpacks_to_is_refused(tmp_path, packed):
    path, n = tmp_path / "release.zip", 50_000_000
    with zipfile.ZipFile(path, "w", packed) as archive:
        archive.writestr("model.safetensors", bytes(n))
        archive.writestr("model.json", "{}")
    path.write_bytes(path.read_bytes().replace(n.to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    tracemalloc.start()
    with pytest.raises(HypnolensError):
        load_models(path, ensemble=False)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 5e6


# The code itself

UNPICKLING = {"pickle", "_pickle", "cPickle", "joblib", "dill", "cloudpickle", "shelve", "marshal", "jsonpickle"}


def test_nothing_in_the_project_unpickles():
    """No module that unpickles is imported, and what can unpickle is called so that it cannot."""
    files = [*(ROOT / "hypnolens").rglob("*.py"), *(ROOT / "workflow").rglob("*.py")]
    assert len(files) > 100
    found = []
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name.partition(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [(node.module or "").partition(".")[0]]
            found += [f"{file.name}: import {name}" for name in names if name in UNPICKLING]
            if isinstance(node, ast.Call):
                call = ast.unparse(node.func)
                keys = {key.arg: ast.unparse(key.value) for key in node.keywords}
                known = file.name == "gssc_stager.py"  # whose SHA-256 it has compared, see the test below
                if call == "torch.load" and keys.get("weights_only") != "True" and not known:
                    found.append(f"{file.name}: {ast.unparse(node)}")
                if call in ("pd.read_pickle", "np.load", "numpy.load", "yaml.load", "eval", "exec", "torch.jit.load"):
                    found.append(f"{file.name}: {ast.unparse(node)}")
    assert found == []


def test_of_gssc_only_the_known_pickles_are_read(monkeypatch, tmp_path):
    from hypnolens.stagers import gssc_stager

    for name in gssc_stager.WEIGHTS:
        (tmp_path / name).write_bytes(pickle.dumps({}))
    monkeypatch.setattr(gssc_stager, "files", lambda package: tmp_path)
    monkeypatch.setattr(gssc_stager, "version", lambda package: "0.0.9")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("was unpickled"))
    with pytest.raises(HypnolensError, match="a pickle that is not known is not read"):
        _ = gssc_stager.GsscStager()._networks


def test_the_only_pickle_is_yasas_classifier_from_its_own_package(monkeypatch):
    import joblib
    import yasa  # takes seconds

    from hypnolens.stagers.yasa_stager import StagedNight

    loaded, load = [], joblib.load
    monkeypatch.setattr("yasa.staging.joblib.load", lambda path, *rest, **options: (loaded.append(path), load(path))[1])
    noise = np.random.default_rng(0).normal(0, 20, 30_000).astype(np.float32)
    night = StagedNight(noise, 100.0, "EEG", first_s=0.0, usable=np.ones(10, dtype=bool))
    assert night.probability.shape == (10, 5)
    package = Path(yasa.__file__).parent
    assert loaded and all(Path(path).resolve().is_relative_to(package.resolve()) for path in loaded)
