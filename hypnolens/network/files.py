"""A trained network as files: weights as safetensors, and a card in JSON that says how it came about.

Nothing here unpickles: a file of weights that somebody passed on can hold numbers, and no code.
"""

import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from hypnolens.errors import DamagedError, HypnolensError
from hypnolens.io.checksums import sealed, sha256, unsealed
from hypnolens.network.devices import pick_device
from hypnolens.network.folders import weights_and_cards
from hypnolens.network.model import AnyNetwork, Network, SEResNetBiLSTM, build, cell_geometry, n_parameters

SHIPPED = Path(__file__).parents[1] / "data" / "demo-SIMULATED-NIGHTS-not-for-real-use.safetensors"
"""The network that comes with hypnolens, for trials: fold 0 of `demo`, made by ``make model``."""

OWN = "se-resnet-bilstm"
"""The model of an experiment that gives hypnolens's own network."""

FORMAT = 1
"""Of weights and card. A reader refuses what is newer than it knows."""

NEEDED = ("name", "caution", "usual", "weights_sha256", "experiment", "sampling_rate_hz")
"""What the card of a network that stages nights says."""

ALIKE = ("normalisation", "across_gaps", "window", "model")
"""Keys of an experiment by which a network sees a night; networks that stage together must not differ in them."""

MOST_PACKED = 20
"""Times its own size to which an archive's networks may unpack. Weights give way by a tenth, a card to a tenth."""

UNREADABLE = (OSError, KeyError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)
"""What reading an archive raises that is damaged, encrypted, or packed in a way that Python does not know."""


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
    content = save({name: tensor.clone().contiguous() for name, tensor in model.state_dict().items()})
    weights.write_bytes(content)
    card = {"format": FORMAT, **card, "n_parameters": n_parameters(model), "weights_sha256": sha256(content)}
    if isinstance(model, SEResNetBiLSTM):
        _, step, field = cell_geometry(model)
        card |= {"cell_step": step, "cell_field": field}
    path.write_text(json.dumps(sealed(card, "card_sha256"), indent=2) + "\n", encoding="utf-8")


def read_card(path: Path) -> dict[str, Any]:
    """Read a card of `write_model`.

    Raises
    ------
    DamagedError
        It is damaged, or without its checksum.
    """
    try:
        return unsealed(_card(path.read_bytes()), "card_sha256")
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedError(path, error) from error


def read_model(weights: Path, card: Path) -> SEResNetBiLSTM:
    """Read hypnolens's own network, see `read_network`."""
    return read_network(weights, card, build)


def read_network(weights: Path, card: Path, build: Callable[[Mapping[str, Any], float], AnyNetwork]) -> AnyNetwork:
    """Read a network, on the GPU if there is one, in evaluation mode.

    Parameters
    ----------
    weights, card
        Its files.
    build
        What makes a network from the keys of an experiment and a sampling rate.

    Raises
    ------
    DamagedError
        The files are damaged or do not belong together. Where training left its checkpoint, making them again repeats
        no pass.
    """
    made = read_card(card)
    try:
        return _network(weights.read_bytes(), made, build)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DamagedError(weights, error) from error


def load_models(path: Path | None, *, ensemble: bool) -> list[Scorer]:
    """Networks that somebody trained or passed on.

    Parameters
    ----------
    path
        A folder with ``model.safetensors`` and ``model.json``, one with folders ``fold-0``, ``fold-1``, ... of these, a
        release archive, or a file of weights with its card beside it (of the same name, or ``model.json``); `None` for
        the network that comes with hypnolens.
    ensemble
        Whether to take all folds, rather than the first.

    Raises
    ------
    HypnolensError
        There is no network, it is damaged or not of hypnolens's own kind, or several cannot stage together.
    """
    path = SHIPPED if path is None else path
    try:
        files = _in_archive(path) if path.suffix == ".zip" and path.is_file() else _in_folder(path)
    except UNREADABLE as error:
        raise HypnolensError(f"{path}: cannot be read ({error}); give a whole release archive") from error
    if not files:
        raise HypnolensError(
            f"{path}: no model there; give a folder with model.safetensors and model.json (or with fold-*/ of these), "
            "a release archive (.zip), or a .safetensors file"
        )
    if ensemble and len(files) == 1:
        raise HypnolensError(f"{path}: holds one network, which is no ensemble; leave --ensemble out")
    scorers = [_scorer(name, *files[name]) for name in list(files)[: None if ensemble else 1]]
    for other in scorers[1:]:
        first = scorers[0].card
        differing = [key for key in ALIKE if other.card["experiment"][key] != first["experiment"][key]]
        if differing or other.card["sampling_rate_hz"] != first["sampling_rate_hz"]:
            what = ", ".join(differing) or "sampling_rate_hz"
            raise HypnolensError(f"{path}: {other.source} differs from {scorers[0].source} in {what}; no ensemble")
    return scorers


def _scorer(source: str, weights: bytes, card: bytes) -> Scorer:
    try:
        made = _card(card)
        if made.get("format", FORMAT) > FORMAT:
            maker = f"hypnolens {made['hypnolens']}" if "hypnolens" in made else "a newer hypnolens"
            raise HypnolensError(f"{source}: made by {maker}, in a form that this one does not know; update hypnolens")
        experiment = made.get("experiment", {})
        if (model := experiment.get("model", OWN)) != OWN:
            raise HypnolensError(f"{source}: a network of kind '{model}'; only {OWN} can score nights")
        absent = [key for key in NEEDED if key not in made] or [key for key in ALIKE if key not in experiment]
        if absent := absent or [key for key in ("channels", "rate_hz", "recordings") if key not in made["usual"]]:
            raise HypnolensError(f"{source}: its card has no {', '.join(absent)}; train it with this hypnolens")
        return Scorer(_network(weights, made, build), made, source)
    except HypnolensError:
        raise
    except (SafetensorError, KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise HypnolensError(f"{source}: damaged ({reason}); fetch or train it again") from error


def _in_folder(path: Path) -> dict[str, tuple[bytes, bytes]]:
    """Weights and cards by name: of a file, of a folder, or of its folders of folds in the order of their numbers."""
    weights = sorted(weights_and_cards(path), key=lambda pair: _number(pair[0].parent.name))
    for file, card in weights:
        if not file.is_file() or not card.is_file():
            raise HypnolensError(f"{card if file.is_file() else file}: there is no such file; weights need their card")
    return {str(file): (file.read_bytes(), card.read_bytes()) for file, card in weights}


def _in_archive(path: Path) -> dict[str, tuple[bytes, bytes]]:
    """The same of a release; nothing is written anywhere, so that no name in it can lead out of a folder."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in map(PurePosixPath, archive.namelist()) if name.name == "model.safetensors"]
        names.sort(key=lambda name: _number(name.parent.name))
        pairs = {name: [archive.getinfo(str(file)) for file in (name, name.with_name("model.json"))] for name in names}
        if sum(entry.file_size for pair in pairs.values() for entry in pair) > MOST_PACKED * path.stat().st_size:
            raise HypnolensError(f"{path}: no release unpacks to {MOST_PACKED} times its size; give a whole one")
        return {f"{path}/{name}": (_entry(archive, pair[0]), _entry(archive, pair[1])) for name, pair in pairs.items()}


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The bytes of an entry, and no more of them than it says that it has."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack all that they are given
        raise NotImplementedError("packed in a way that releases are not")
    with archive.open(entry) as file:
        return file.read(entry.file_size)


def _network(
    weights: bytes, card: Mapping[str, Any], build: Callable[[Mapping[str, Any], float], AnyNetwork]
) -> AnyNetwork:
    if "weights_sha256" in card and sha256(weights) != card["weights_sha256"]:
        raise ValueError("the SHA-256 of the weights is not the one in the card")
    model = build(card["experiment"], card["sampling_rate_hz"])
    tensors = load(weights)
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:  # of many lines, the first of which says nothing
        raise ValueError("the weights are of another network than the card says") from error
    return model.to(pick_device()).eval()


def _card(text: bytes) -> dict[str, Any]:
    card = json.loads(text.decode("utf-8"))
    if not isinstance(card, dict):
        raise ValueError("its card is no JSON object")
    return card


def _number(folder: str) -> tuple[int, str]:
    digits = folder.rpartition("-")[2]
    return (int(digits) if digits.isdigit() else -1, folder)
