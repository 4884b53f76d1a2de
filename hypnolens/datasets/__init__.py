"""Where recordings come from: each kind of dataset lists its recordings without opening any of them.

These modules are imported while Snakemake plans, so they need the standard library only.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypnolens.datasets import folder, simulate
from hypnolens.datasets.recording import Recording
from hypnolens.errors import ConfigurationError

__all__ = ["Recording", "list_recordings"]


def list_recordings(name: str, dataset: Mapping[str, Any]) -> list[Recording]:
    """All recordings of a dataset, sorted by name.

    Parameters
    ----------
    name
        Name of the dataset, for error messages.
    dataset
        Its validated configuration.

    Raises
    ------
    ConfigurationError
        The kind of dataset cannot be had, or it has no recordings.
    """
    match dataset["kind"]:
        case "folder":
            table = dataset.get("recordings")
            recordings = folder.list_recordings(name, Path(dataset["path"]), table and Path(table))
        case "simulate":
            recordings = simulate.list_recordings(**{key: dataset[key] for key in simulate.KEYS})
        case kind:
            raise ConfigurationError(
                f"datasets.{name}: recordings of kind {kind} cannot be fetched by this version; "
                "use a local copy with kind: folder and path:, or try `--configfile config/demo.yaml`"
            )
    return sorted(recordings, key=lambda recording: recording.name)
