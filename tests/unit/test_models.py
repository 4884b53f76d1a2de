"""Networks as files: written, read back, passed on, and refused when they are not what they say."""

import hashlib
import json
import os
import pickle
import zipfile

import pytest
import torch
from safetensors.torch import load, save

from hypnolens.baselines.classifiers import write_card
from hypnolens.errors import DamagedError, HypnolensError
from hypnolens.network import files
from hypnolens.network.cards import DEMO, RESEARCH, card_of, read_card
from hypnolens.network.files import SHIPPED, load_models, read_model, read_weights, write_model
from hypnolens.network.model import build
from hypnolens.network.training_range import training_range_of
from tests.conftest import make_epochs
from tests.rules.conftest import EXPERIMENT

ORIGIN = {"kind": "sleepedf", "licence": "ODC-BY 1.0", "citation": "Kemp et al. 2000"}
HISTORY = [{"pass": 1, "best": 1.0}, {"pass": 2, "best": 1.0}, {"pass": 3, "best": 0.0}]


def saved(folder, *, fold=0, origin=ORIGIN, **experiment):
    torch.manual_seed(fold)
    options = {**EXPERIMENT, **experiment}
    network = build(options, 100.0)
    card = card_of(
        about={"dataset": "d", "experiment_name": "e", "fold": fold}, experiment=options, origin=origin, rate=100.0,
        highpass_hz=None, kept_when_turned=1.0, temperature=1.0, subjects=1,
        usual=training_range_of([make_epochs([0] * 10)]),
        recordings={"train": ["a"], "validation": ["b"], "test": ["c"]}, history=HISTORY, made={"commit": "abc"},
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    write_model(network, card, weights=folder / "model.safetensors", path=folder / "model.json")
    return network.eval()


def _same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_a_network_comes_back_from_its_folder_its_file_and_its_pipeline(tmp_path):
    network = saved(tmp_path)
    assert _same(network, load_models(tmp_path, ensemble=False)[0].network)
    assert _same(network, load_models(tmp_path / "model.safetensors", ensemble=False)[0].network)
    assert _same(network, read_model(tmp_path / "model.safetensors", tmp_path / "model.json"))
    (tmp_path / "mine.safetensors").write_bytes((tmp_path / "model.safetensors").read_bytes())
    (tmp_path / "mine.json").write_bytes((tmp_path / "model.json").read_bytes())
    assert _same(network, load_models(tmp_path / "mine.safetensors", ensemble=False)[0].network)


def test_the_temperature_is_kept_with_the_weights_and_no_card_changes_it(tmp_path):
    network = saved(tmp_path)
    assert load_models(tmp_path, ensemble=False)[0].network.temperature == 1.0
    network.temperature = 2.5
    card = json.loads((tmp_path / "model.json").read_text())
    for key in ("format", "n_parameters", "weights_sha256", "cell_step", "cell_field", "card_sha256"):
        del card[key]
    files = {"weights": tmp_path / "model.safetensors", "path": tmp_path / "model.json"}
    write_model(network, {**card, "temperature": 8.0}, **files)
    for found in (read_model(*files.values()), load_models(tmp_path, ensemble=False)[0].network):
        assert found.temperature == 2.5 and _same(found, network)
    for odd in (0.0, -1.0, 1e6, float("nan")):
        network.temperature = odd
        write_model(network, card, **files)
        with pytest.raises(HypnolensError, match=r"temperature.*train it again"):
            load_models(tmp_path, ensemble=False)


def test_folds_come_in_the_order_of_their_numbers(tmp_path):
    networks = [saved(tmp_path / f"fold-{fold}", fold=fold) for fold in range(11)]
    assert _same(load_models(tmp_path, ensemble=False)[0].network, networks[0])
    found = load_models(tmp_path, ensemble=True)
    assert [scorer.card["fold"] for scorer in found] == list(range(11))
    assert all(_same(one, scorer.network) for one, scorer in zip(networks, found, strict=True))


def test_an_archive_gives_what_its_folder_gives(tmp_path):
    networks = [saved(tmp_path / f"fold-{fold}", fold=fold) for fold in range(2)]
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as archive:
        for file in sorted(tmp_path.glob("fold-*/*")):
            archive.write(file, f"d-e/{file.relative_to(tmp_path)}")
        archive.writestr("../../escaped/model.txt", "no")
    found = load_models(tmp_path / "r.zip", ensemble=True)
    assert all(_same(one, scorer.network) for one, scorer in zip(networks, found, strict=True))
    assert not (tmp_path.parent.parent / "escaped").exists()


def test_cards_say_whether_a_network_saw_real_nights(tmp_path):
    saved(tmp_path / "real")
    saved(tmp_path / "sim", origin={"kind": "simulate", "licence": "-", "citation": "-"})
    real, simulated = (load_models(tmp_path / name, ensemble=False)[0].card for name in ("real", "sim"))
    assert (real["name"], real["caution"]) == ("d-e-fold-0", RESEARCH)
    assert (simulated["name"], simulated["caution"]) == ("DEMO-simulated-nights-d-e-fold-0", DEMO)


def _changed(folder, **entries):
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**card, **entries}))


def _flip(folder):
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-3] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def _pickled(folder):
    class Evil:
        def __reduce__(self):
            return (open, (str(folder / "evil"), "w"))

    (folder / "model.safetensors").write_bytes(pickle.dumps(Evil()))


DAMAGE = {
    "a flipped bit": (_flip, "SHA-256"),
    "a pickle in place of weights": (_pickled, "SHA-256"),
    "cut short": (lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:99]), "SHA"),
    "a card of another width": (lambda f: _changed(f, experiment={**EXPERIMENT, "width": 2}), "damaged"),
    "a card that is no JSON": (lambda f: (f / "model.json").write_text("{"), "damaged"),
    "a card that is a list": (lambda f: (f / "model.json").write_text("[]"), "no JSON object"),
    "no card": (lambda f: (f / "model.json").unlink(), "weights need their card"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "no model there"),
    "an older card": (lambda f: _changed(f, experiment={**EXPERIMENT, "model": "usleep"}), "kind 'usleep'"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_is_damaged_is_refused_in_one_line(tmp_path, name):
    saved(tmp_path)
    damage, words = DAMAGE[name]
    damage(tmp_path)
    with pytest.raises(HypnolensError, match=words) as found:
        load_models(tmp_path, ensemble=False)
    assert "\n" not in str(found.value) and not (tmp_path / "evil").exists()


def test_weights_that_are_a_pickle_are_never_unpickled_even_with_a_matching_checksum(tmp_path):
    saved(tmp_path)
    _pickled(tmp_path)
    _changed(tmp_path, weights_sha256=hashlib.sha256((tmp_path / "model.safetensors").read_bytes()).hexdigest())
    with pytest.raises(HypnolensError, match="damaged"):
        load_models(tmp_path, ensemble=False)
    assert not (tmp_path / "evil").exists()


def test_a_card_without_what_scoring_needs_is_refused(tmp_path):
    saved(tmp_path)
    card = json.loads((tmp_path / "model.json").read_text())
    del card["usual"]
    (tmp_path / "model.json").write_text(json.dumps(card))
    with pytest.raises(HypnolensError, match="its card has no usual"):
        load_models(tmp_path, ensemble=False)


def test_a_card_that_knows_its_epochs_knows_their_filter_and_a_baselines_has_none(tmp_path):
    saved(tmp_path)
    path = tmp_path / "model.json"
    card = {**json.loads(path.read_text()), "sides_sha256": {"train": "0" * 64}}
    del card["card_sha256"]
    path.write_text(json.dumps(card))
    assert read_card(path, sealed=False)["highpass_hz"] is None
    del card["highpass_hz"]
    path.write_text(json.dumps(card))
    with pytest.raises(HypnolensError, match=r"damaged \('highpass_hz' is a required property\)"):
        read_card(path, sealed=False)
    write_card(path, {"sides_sha256": card["sides_sha256"], "experiment": card["experiment"]})
    assert "architecture" not in read_card(path, sealed=False)


def _without(key):
    def change(folder):
        experiment = json.loads((folder / "model.json").read_text())["experiment"]
        _changed(folder, experiment={name: value for name, value in experiment.items() if name != key})

    return change


@pytest.mark.parametrize(
    "change, words",
    [
        (_without("normalisation"), "its card has no normalisation"),
        (lambda folder: _changed(folder, usual={}), "its card has no channels, rate_hz, recordings"),
        (lambda folder: _changed(folder, format=files.FORMAT + 1, hypnolens="9.9"), "made by hypnolens 9.9.* update"),
        (lambda folder: _changed(folder, experiment={**EXPERIMENT, "width": 2}), "of another network than the card"),
    ],
)
def test_a_card_that_cannot_be_used_is_refused_with_the_reason(tmp_path, change, words):
    saved(tmp_path)
    change(tmp_path)
    with pytest.raises(HypnolensError, match=words):
        load_models(tmp_path, ensemble=False)


def _weights(folder, change):
    """Replace weights by others that the card knows."""
    tensors = load((folder / "model.safetensors").read_bytes())
    change(tensors)
    content = save(tensors)
    (folder / "model.safetensors").write_bytes(content)
    _changed(folder, weights_sha256=hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda tensors: tensors["head.0.bias"].fill_(float("nan")), "'head.0.bias' holds values that are not finite"),
        (lambda tensors: tensors["head.0.bias"].fill_(float("inf")), "not finite"),
        (lambda tensors: tensors.update({"head.0.bias": tensors["head.0.bias"].half()}), "of another network"),
        (lambda tensors: tensors.update({"head.0.bias": tensors["head.0.bias"][None]}), "of another network"),
        (lambda tensors: tensors.update(more=torch.zeros(1)), "of another network"),
        (lambda tensors: tensors.pop("head.0.bias"), "of another network"),
    ],
)
def test_weights_that_are_no_numbers_or_not_of_the_card_are_refused(tmp_path, change, words):
    saved(tmp_path)
    _weights(tmp_path, change)
    with pytest.raises(HypnolensError, match=words):
        load_models(tmp_path, ensemble=False)


@pytest.mark.parametrize(
    "text, words",
    [
        ('{"experiment": NaN}', "NaN is no number"),
        ('{"fold": 1, "fold": 2}', "'fold' twice"),
        ('{"fold": ' + "9" * 5000 + "}", "4300"),
        ('{"fold": ' + "[" * 50 + "]" * 50 + "}", "nested too deeply"),
        ('{"fold": "1"}', "key fold is '1'; allowed: a whole number"),
        ('{"caution": "\\u001b[2J"}', r"key caution is '\\x1b\[2J'; allowed: a text"),
        ('{"experiment": {"width": 1e999}}', "key experiment.width is inf; .*from 1 to 1024"),
        ('{"experiment": {"lstm_layers": 1' + "0" * 30 + "}}", "key experiment.lstm_layers is 10+; .*from 1 to 16"),
        ('{"sampling_rate_hz": 99.99}', "no whole number of samples"),
        ('{"sampling_rate_hz": 100, "usual": {"rate_hz": 50}}', "usual.rate_hz: 50 Hz, where .* is 100 Hz"),
        ('{"usual": {"bands_hz": {"delta": [4, 1]}}}', "'delta' begins at 4 Hz and ends at 1 Hz"),
        (" " * 5_000_000 + "{}", "5,000,002 bytes, of which there are 4,194,304 at most"),
    ],
)
def test_what_a_card_cannot_say_is_refused_with_what_it_may_say(tmp_path, text, words):
    saved(tmp_path)
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(HypnolensError, match=words):
        load_models(tmp_path, ensemble=False)
    with pytest.raises(DamagedError):
        read_card(tmp_path / "model.json", sealed=False)


def test_a_card_may_say_more_than_is_known(tmp_path):
    saved(tmp_path)
    _changed(tmp_path, colour="blue", experiment={**EXPERIMENT, "gears": [3, {"x": None}]})
    assert load_models(tmp_path, ensemble=False)[0].card["colour"] == "blue"


def test_a_card_describes_no_network_larger_than_there_are(tmp_path):
    saved(tmp_path)
    _changed(tmp_path, experiment={**EXPERIMENT, "width": 1024, "lstm_hidden": 8192, "head_hidden": [65536] * 16})
    with pytest.raises(HypnolensError, match="describes a network of .* bytes, of which there are 1,073,741,824"):
        load_models(tmp_path, ensemble=False)


def test_weights_larger_than_their_network_are_not_read(tmp_path):
    network = saved(tmp_path)
    with (tmp_path / "model.safetensors").open("r+b") as file:
        file.truncate(200 * 10**9)  # a hole
    most = 2**20 + sum(tensor.nbytes for tensor in network.state_dict().values())
    words = f"it has 200,000,000,000 bytes, of which there are {most:,} at most"
    with pytest.raises(HypnolensError, match=words):
        load_models(tmp_path, ensemble=False)
    with pytest.raises(DamagedError, match=words):
        read_model(tmp_path / "model.safetensors", tmp_path / "model.json")
    with pytest.raises(DamagedError, match=words):
        read_weights(tmp_path / "model.safetensors", read_card(tmp_path / "model.json"))


NO_FILES = {
    "a pipe": os.mkfifo, "a folder": os.mkdir, "a device": lambda path: path.symlink_to("/dev/zero"),
    "a loop": lambda path: path.symlink_to(path),
}  # fmt: skip


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_not_waited_for(tmp_path, kind, name):
    saved(tmp_path / "fold-0")
    path = tmp_path / "fold-0" / name
    path.unlink()
    NO_FILES[kind](path)
    for given in (tmp_path, tmp_path / "fold-0", tmp_path / "fold-0" / "model.safetensors"):
        with pytest.raises(HypnolensError):
            load_models(given, ensemble=False)
    with pytest.raises(DamagedError):
        read_model(tmp_path / "fold-0" / "model.safetensors", tmp_path / "fold-0" / "model.json")


NO_FOLDS = ["fold-²", "fold-٣", "fold-0-old", "fold-", "fold--1", "fold-" + "9" * 200, "fold-1\n"]


@pytest.mark.parametrize("name", NO_FOLDS)
def test_a_folder_of_no_fold_is_named(tmp_path, name):
    saved(tmp_path / "r" / "fold-0")
    saved(tmp_path / "r" / name)
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as archive:
        for file in sorted((tmp_path / "r").glob("fold-*/*")):
            archive.write(file, f"d-e/{file.relative_to(tmp_path / 'r')}")
    for path in (tmp_path / "r", tmp_path / "r.zip"):
        with pytest.raises(HypnolensError, match="is no folder of a fold .*; call it fold-0") as found:
            load_models(path, ensemble=False)
        assert str(found.value).isprintable()


@pytest.mark.parametrize("folder", ["fold-" + "9" * 5000, "a" * 50_000])
def test_folders_in_an_archive_with_thousands_of_letters_or_digits_are_refused(tmp_path, folder):
    saved(tmp_path)
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as archive:
        for file in ("model.safetensors", "model.json"):
            archive.write(tmp_path / file, f"{folder}/{file}")
    with pytest.raises(HypnolensError, match="no release has names of") as found:
        load_models(tmp_path / "r.zip", ensemble=False)
    assert len(str(found.value)) < 1000


def _zipped(folder, name):
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.glob("model.*")):
            archive.write(file, file.name)
    return folder / name


def test_an_archive_without_a_folder_in_it_is_read(tmp_path):
    network = saved(tmp_path)
    assert _same(network, load_models(_zipped(tmp_path, "r.zip"), ensemble=False)[0].network)


def test_whatever_byte_of_an_archive_is_damaged_it_is_refused_or_gives_the_same(tmp_path):
    network = saved(tmp_path)
    whole = _zipped(tmp_path, "r.zip").read_bytes()
    refused = 0
    for place in range(7, len(whole), len(whole) // 60):
        broken = bytearray(whole)
        broken[place] ^= 16
        (tmp_path / "b.zip").write_bytes(broken)
        try:
            assert _same(network, load_models(tmp_path / "b.zip", ensemble=False)[0].network)
        except HypnolensError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 50


def test_an_archive_under_a_password_is_refused(tmp_path):
    saved(tmp_path)
    content = bytearray(_zipped(tmp_path, "r.zip").read_bytes())
    # Bit 0 of the flags, 6 bytes into each entry's own header and 8 into its line of the directory.
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(mark)
        while place >= 0:
            content[place + flags] |= 1
            place = content.find(mark, place + 4)
    (tmp_path / "r.zip").write_bytes(content)
    with pytest.raises(HypnolensError, match="encrypted"):
        load_models(tmp_path / "r.zip", ensemble=False)


def test_whoever_may_read_the_card_may_read_the_weights(tmp_path):
    saved(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_mode == (tmp_path / "model.json").stat().st_mode


def test_a_card_says_what_was_built_and_of_what(tmp_path):
    saved(tmp_path)
    card = json.loads((tmp_path / "model.json").read_text())
    assert card["architecture"].startswith("a one-dimensional SE-ResNet-18 of width 1 and a BiLSTM of 1 layer over 3")
    assert card["training"] == {
        "subjects": 1, "recordings_train": 1, "recordings_validation": 1, "recordings_test": 1, "channels": ["EEG"],
        "passes": 3, "kept_pass": 2, "licence": "ODC-BY 1.0", "citation": "Kemp et al. 2000",
    }  # fmt: skip


def test_folds_that_see_recordings_differently_are_no_ensemble(tmp_path):
    saved(tmp_path / "fold-0")
    saved(tmp_path / "fold-1", fold=1, normalisation="none")
    with pytest.raises(HypnolensError, match="differs from .* in normalisation"):
        load_models(tmp_path, ensemble=True)


@pytest.mark.parametrize("what", ["nothing", "empty folder", "broken.zip", "one"])
def test_what_is_no_model_is_refused(tmp_path, what):
    path = tmp_path / what
    if what == "empty folder":
        path.mkdir()
    if what == "broken.zip":
        path.write_bytes(b"PK\x03\x04 broken")
    if what == "one":
        saved(path)
    with pytest.raises(HypnolensError):
        load_models(path, ensemble=what == "one")


def test_the_shipped_networks_are_whole_small_and_say_what_they_are():
    scorers = load_models(None, ensemble=True)
    assert "SIMULATED" in SHIPPED.name and len(scorers) == 2
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) < 4e6
    assert "NOT fit for real use" in (SHIPPED / "MODEL_CARD.md").read_text()
    for scorer in scorers:
        assert "DEMO" in scorer.card["name"] and not scorer.card["made"]["commit"].endswith("-dirty")
        assert "NOT fit for real use" in scorer.card["caution"] and scorer.card["kind"] == "simulate"
        assert set(scorer.card["made"]).isdisjoint({"processor", "platform"})
        assert scorer.card["metrics"]["n_epochs"] > 500
