"""A trained network as files: weights as safetensors, and a card in JSON that says how it came about."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hypnolens.devices import pick_device
from hypnolens.errors import HypnolensError
from hypnolens.model import SEResNetBiLSTM, cell_geometry
from hypnolens.training import options_of


def write_model(model: SEResNetBiLSTM, card: Mapping[str, Any], *, weights: Path, path: Path) -> None:
    """Write weights and card.

    The card needs the key ``experiment``, from which the network is built again; the step and the receptive field of
    a cell of the feature map, in samples, are added to it.
    """
    _, step, field = cell_geometry(model)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, weights)
    path.write_text(json.dumps({**card, "cell_step": step, "cell_field": field}, indent=2) + "\n", encoding="utf-8")


def read_model(weights: Path, card: Path) -> SEResNetBiLSTM:
    """Read a network, on the GPU if there is one, in evaluation mode.

    Raises
    ------
    HypnolensError
        The files are damaged or do not belong together.
    """
    try:
        architecture, _ = options_of(json.loads(card.read_text(encoding="utf-8"))["experiment"])
        model = SEResNetBiLSTM(architecture)
        model.load_state_dict(load_file(weights))
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise HypnolensError(f"{weights}: damaged ({reason}); delete it and run again, it is trained anew") from error
    return model.to(pick_device()).eval()
