"""A trained network as files: weights as safetensors, and a card in JSON that says how it came about.

Nothing here unpickles: a file of weights that somebody passed on can hold numbers, and no code. Nor is a card believed
that was passed on with it: what it says is compared with a schema, and the size of the network that it describes with
that of the weights, before anything is made.
"""

import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from hypnolens.errors import LONGEST, DamagedError, HypnolensError, one_line, quoted
from hypnolens.io.about import check_about
from hypnolens.io.checksums import sealed, sha256
from hypnolens.io.kinds import FILE, FOLDER, instead, kind_of
from hypnolens.io.names import number_in
from hypnolens.io.regular import check_size, read_regular
from hypnolens.network import model as own
from hypnolens.network.cards import MOST_BYTES as MOST_CARD
from hypnolens.network.cards import checked, lacking, parsed, read_card
from hypnolens.network.devices import pick_device
from hypnolens.network.folders import weights_and_cards
from hypnolens.network.model import AnyNetwork, Network, SEResNetBiLSTM, cell_geometry, n_parameters

SHIPPED = Path(__file__).parents[1] / "data" / "demo-SIMULATED-NIGHTS-not-for-real-use"
"""Folder of the networks that come with hypnolens, for trials: both folds of `carry`, made by ``make model``."""

OWN = "se-resnet-bilstm"
"""The model of an experiment that gives hypnolens's own network."""

FORMAT = 1
"""Of weights and card. A reader refuses what is newer than it knows."""

BUILT = ("experiment", "sampling_rate_hz")
"""What the card of any network says: from it the network is built again."""

NEEDED = ("name", "caution", "usual", "weights_sha256", "experiment", "sampling_rate_hz")
"""What the card of a network that stages nights says."""

ALIKE = ("normalisation", "across_gaps", "window", "model")
"""Keys of an experiment by which a network sees a night; networks that stage together must not differ in them."""

MOST_WEIGHTS = 1 << 30
"""Bytes of a network: the paper's has 0.05 of them, and one of twice its width 0.15."""

MOST_BESIDE = 1 << 20
"""Bytes of a file of weights beside its numbers: their names and places."""

TEMPERATURE, COOLEST, HOTTEST = "temperature", 0.1, 100.0
"""Name of a network's temperature among its weights, where it is not 1, and its range."""

OTHER = "the weights are of another network than the card says"

MOST_PACKED = 20
"""Times its own size to which an archive's networks may unpack. Weights give way by a tenth, a card to a tenth."""

UNREADABLE = (OSError, KeyError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)
"""What reading an archive raises that is damaged, encrypted, or packed in a way that Python does not know."""


Read = Callable[[int], bytes]
"""Reads a file whole, unless it has more bytes than are given: then a `ValueError`."""


@dataclass(frozen=True)
class Scorer:
    """A network that can stage a night: it, its card, and where it is from."""

    network: SEResNetBiLSTM
    card: Mapping[str, Any]
    source: str


def write_model(model: Network, card: Mapping[str, Any], *, weights: Path, path: Path) -> None:
    """Write weights and card.

    The card needs the keys ``experiment`` and ``sampling_rate_hz``, from which the network is built again. `FORMAT`,
    the number of parameters and the SHA-256 of the weights are added, of a SE-ResNet the step and receptive field of a
    cell of the feature map in samples, and the SHA-256 of all that (``card_sha256``).
    """
    # Some of braindecode's networks have one tensor under two names, which safetensors refuses: copies have none.
    # Written by us, as safetensors gives its files to their owner alone.
    tensors = {name: tensor.clone().contiguous() for name, tensor in model.state_dict().items()}
    if model.temperature != 1.0:  # beside them, as the card's checksum is of weights
        tensors[TEMPERATURE] = torch.tensor(model.temperature)
    content = save(tensors)
    weights.write_bytes(content)
    card = {"format": FORMAT, **card, "n_parameters": n_parameters(model), "weights_sha256": sha256(content)}
    if isinstance(model, SEResNetBiLSTM):
        _, step, field = cell_geometry(model)
        card |= {"cell_step": step, "cell_field": field}
    path.write_text(json.dumps(sealed(card, "card_sha256"), indent=2) + "\n", encoding="utf-8")


def read_model(weights: Path, card: Path, wanted: Mapping[str, Any] | None = None) -> SEResNetBiLSTM:
    """Read hypnolens's own network, see `read_network`."""
    return read_network(weights, card, own.build, wanted)


def weights_of(card: Path) -> dict[str, str]:
    """Which weights a card is of: what files say that their network made, see `hypnolens.io.about`."""
    return {"weights_sha256": read_card(card)["weights_sha256"]}


def read_network(
    weights: Path,
    card: Path,
    build: Callable[[Mapping[str, Any], float], AnyNetwork],
    wanted: Mapping[str, Any] | None = None,
) -> AnyNetwork:
    """Read a network, on the GPU if there is one, in evaluation mode.

    Parameters
    ----------
    weights, card
        Its files.
    build
        What makes a network from the keys of an experiment and a sampling rate.
    wanted
        What it should be of, see `hypnolens.io.about`.

    Raises
    ------
    DamagedError
        The files are damaged or do not belong together. Where training left its checkpoint, making them again repeats
        no pass.
    OtherError
        They are of another fold, or of other epochs.
    """
    made = read_card(card)
    check_about(card, made, wanted or {})
    try:
        return _network(partial(read_regular, weights), made, build)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DamagedError(weights, error) from error


def read_weights(weights: Path, card: Mapping[str, Any]) -> bytes:
    """The file of weights of hypnolens's own network, which its card, already read, describes.

    Raises
    ------
    DamagedError
        It is damaged, or of another network.
    """
    try:
        return _weights(partial(read_regular, weights), card, _sketch(card, own.build)[1])
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DamagedError(weights, error) from error


def untrained(card: Path) -> SEResNetBiLSTM:
    """The network that a card of the pipeline's describes, freshly initialised.

    Raises
    ------
    DamagedError
        The card is damaged, or describes no network of hypnolens's own kind.
    """
    made = read_card(card, needed=BUILT)
    try:
        _sketch(made, own.build)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DamagedError(card, error) from error
    return own.build(made["experiment"], made["sampling_rate_hz"])


def load_models(path: Path | None, *, ensemble: bool) -> list[Scorer]:
    """Networks that somebody trained or passed on.

    Parameters
    ----------
    path
        A folder with ``model.safetensors`` and ``model.json``, one with folders ``fold-0``, ``fold-1``, ... of these, a
        release archive, or a file of weights with its card beside it (of the same name, or ``model.json``); `None` for
        the networks that come with hypnolens.
    ensemble
        Whether to take all folds, rather than the first.

    Raises
    ------
    HypnolensError
        There is no network, it is damaged or not of hypnolens's own kind, or several cannot stage together.
    """
    path = SHIPPED if path is None else path
    try:
        with _opened(path) as files:
            return _load(path, files, ensemble=ensemble)
    except UNREADABLE as error:
        reason = getattr(error, "strerror", None) or error
        raise HypnolensError(f"{path}: cannot be read ({reason}); give a whole release archive") from error


def _load(path: Path, files: Mapping[str, tuple[Read, Read]], *, ensemble: bool) -> list[Scorer]:
    if not files:
        what = "no model there" + ("" if kind_of(path) == FOLDER else instead(path))
        raise HypnolensError(
            f"{path}: {what}; give a folder with model.safetensors and model.json (or with fold-*/ of these), "
            "a release archive (.zip), or a .safetensors file"
        )
    if ensemble and len(files) == 1:
        raise HypnolensError(f"{path}: holds one network, which is no ensemble; leave --ensemble out")
    scorers = [_scorer(name, *files[name]) for name in list(files)[: None if ensemble else 1]]
    for other in scorers[1:]:
        first = scorers[0].card
        differing = [key for key in ALIKE if other.card["experiment"][key] != first["experiment"][key]]
        differing += [key for key in ("sampling_rate_hz", "highpass_hz") if other.card.get(key) != first.get(key)]
        if differing:
            what = ", ".join(differing)
            raise HypnolensError(f"{path}: {other.source} differs from {scorers[0].source} in {what}; no ensemble")
    return scorers


def _scorer(source: str, weights: Read, card: Read) -> Scorer:
    try:
        made = parsed(card(MOST_CARD))
        version = made.get("format", FORMAT)
        if isinstance(version, int) and version > FORMAT:
            maker = f"hypnolens {quoted(str(made['hypnolens']))[1:-1]}" if "hypnolens" in made else "a newer hypnolens"
            raise HypnolensError(f"{source}: made by {maker}, in a form that this one does not know; update hypnolens")
        checked(made)
        experiment = made.get("experiment", {})
        if (model := experiment.get("model", OWN)) != OWN:
            raise HypnolensError(f"{source}: a network of kind '{model}'; only {OWN} can score nights")
        absent = lacking(made, NEEDED) or lacking(experiment, ALIKE)
        if absent := absent or lacking(made["usual"], ("channels", "rate_hz", "recordings")):
            raise HypnolensError(f"{source}: its card has no {', '.join(absent)}; train it with this hypnolens")
        return Scorer(_network(weights, made, own.build), made, source)
    except HypnolensError:
        raise
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = one_line(str(error))[:LONGEST] or type(error).__name__
        raise HypnolensError(f"{source}: damaged ({reason}); fetch or train it again") from error


@contextmanager
def _opened(path: Path) -> Iterator[dict[str, tuple[Read, Read]]]:
    """Weights and cards by name, to be read while a block runs."""
    if path.suffix == ".zip" and path.is_file():
        with zipfile.ZipFile(path) as archive:
            yield _in_archive(path, archive)
    else:
        yield _in_folder(path)


def _in_folder(path: Path) -> dict[str, tuple[Read, Read]]:
    """Weights and cards by name: of a file, of a folder, or of its folders of folds in the order of their numbers."""
    weights = sorted(weights_and_cards(path), key=lambda pair: _number(path, pair[0].parent.name))
    for file in (file for pair in weights for file in pair if kind_of(file) != FILE):
        raise HypnolensError(f"{file}: there is no such file{instead(file)}; weights need their card")
    return {str(file): (partial(read_regular, file), partial(read_regular, card)) for file, card in weights}


def _in_archive(path: Path, archive: zipfile.ZipFile) -> dict[str, tuple[Read, Read]]:
    """The same of a release; nothing is written anywhere, so that no name in it can lead out of a folder."""
    names = [name for name in map(PurePosixPath, archive.namelist()) if name.name == "model.safetensors"]
    for name in (str(name) for name in names if len(str(name)) > LONGEST):
        raise HypnolensError(f"{path}: no release has names of {len(name):,} characters, as {quoted(name)}")
    names.sort(key=lambda name: _number(path, name.parent.name))
    pairs = {name: [archive.getinfo(str(file)) for file in (name, name.with_name("model.json"))] for name in names}
    if sum(entry.file_size for pair in pairs.values() for entry in pair) > MOST_PACKED * path.stat().st_size:
        raise HypnolensError(f"{path}: no release unpacks to {MOST_PACKED} times its size; give a whole one")
    return {
        f"{path}/{name}": (partial(_entry, archive, pair[0]), partial(_entry, archive, pair[1]))
        for name, pair in pairs.items()
    }


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    """The bytes of an entry, and no more of them than it says that it has."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack all that they are given
        raise NotImplementedError("packed in a way that releases are not")
    check_size(entry.file_size, most)
    with archive.open(entry) as file:
        return file.read(entry.file_size)


def _network(
    weights: Read, card: Mapping[str, Any], build: Callable[[Mapping[str, Any], float], AnyNetwork]
) -> AnyNetwork:
    """The network of a card that was `checked`, with weights that are its own.

    Of hypnolens's own kind a card can describe any size, so that at first only the shapes are made. Published networks
    are as large as they are.
    """
    model, size = _sketch(card, build)
    wanted = model.state_dict()
    tensors = load(_weights(weights, card, size))
    temperature = float(tensors.pop(TEMPERATURE, torch.ones(())))
    if not COOLEST <= temperature <= HOTTEST:
        raise ValueError(f"a temperature of {temperature:g}; there are those from {COOLEST:g} to {HOTTEST:g}")
    if _shapes(tensors) != _shapes(wanted):
        raise ValueError(OTHER)
    if odd := sorted(name for name, tensor in tensors.items() if not tensor.isfinite().all()):
        raise ValueError(f"{quoted(odd[0])} holds values that are not finite, as after a training that diverged")
    if any(tensor.is_meta for tensor in wanted.values()):
        model = model.to_empty(device="cpu")
    model.load_state_dict(tensors)
    model.temperature = temperature
    return model.to(pick_device()).eval()


def _sketch(card: Mapping[str, Any], build: Callable[[Mapping[str, Any], float], AnyNetwork]) -> tuple[AnyNetwork, int]:
    """The network of a card, and its bytes; one of hypnolens's own kind has shapes and nothing else."""
    with torch.device("meta" if build is own.build else "cpu"):
        model = build(card["experiment"], card["sampling_rate_hz"])
    size = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
    if size > MOST_WEIGHTS:
        raise ValueError(f"its card describes a network of {size:,} bytes, of which there are {MOST_WEIGHTS:,} at most")
    return model, size


def _weights(weights: Read, card: Mapping[str, Any], size: int) -> bytes:
    """A file of weights, of about the size that they have in memory, and that its card means."""
    content = weights(size + MOST_BESIDE)
    if "weights_sha256" in card and sha256(content) != card["weights_sha256"]:
        raise ValueError("the SHA-256 of the weights is not the one in the card")
    if len(content) < size:
        raise ValueError(f"{OTHER}: {len(content):,} bytes in place of {size:,}")
    return content


def _shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def _number(path: Path, folder: str) -> tuple[int, str]:
    """By what the network in a folder is sorted: its fold; those of no fold come first."""
    if not folder.startswith("fold-"):
        return -1, folder
    try:
        return number_in(folder.removeprefix("fold-")), folder
    except ValueError as error:
        raise HypnolensError(f"{path}: {quoted(folder)} is no folder of a fold ({error}); call it fold-0, …") from error
