"""A trained network as files: weights as safetensors, and a card in JSON that says how it came about."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hypnolens.devices import pick_device
from hypnolens.errors import HypnolensError
from hypnolens.model import AnyNetwork, Network, SEResNetBiLSTM, build, cell_geometry, n_parameters


def write_model(model: Network, card: Mapping[str, Any], *, weights: Path, path: Path) -> None:
    """Write weights and card.

    The card needs the keys ``experiment`` and ``sampling_rate_hz``, from which the network is built again. Its number
    of parameters is added, and, of a SE-ResNet, the step and receptive field of a cell of the feature map in samples.
    """
    card = {**card, "n_parameters": n_parameters(model)}
    if isinstance(model, SEResNetBiLSTM):
        _, step, field = cell_geometry(model)
        card |= {"cell_step": step, "cell_field": field}
    # Some of braindecode's networks have one tensor under two names, which safetensors refuses: copies have none.
    save_file({name: tensor.clone().contiguous() for name, tensor in model.state_dict().items()}, weights)
    path.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


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
    HypnolensError
        The files are damaged or do not belong together.
    """
    try:
        made = json.loads(card.read_text(encoding="utf-8"))
        model = build(made["experiment"], made["sampling_rate_hz"])
        model.load_state_dict(load_file(weights))
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise HypnolensError(f"{weights}: damaged ({reason}); delete it and run again, it is trained anew") from error
    return model.to(pick_device()).eval()
