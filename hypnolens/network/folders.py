"""Where a model's files lie. Imported by the Snakefile, so it needs only what Python brings."""

from pathlib import Path


def weights_and_cards(path: Path) -> list[tuple[Path, Path]]:
    """Weights of a model, each with its card, in no order, whether or not these are there.

    Parameters
    ----------
    path
        A file of weights (its card is of the same name, or ``model.json``), a folder that holds ``model.safetensors``,
        or one with folders ``fold-*`` that do.
    """
    if path.suffix == ".safetensors" and not path.is_dir():
        own = path.with_suffix(".json")
        return [(path, own if own.is_file() else path.with_name("model.json"))]
    whole = path / "model.safetensors"
    every = [whole] if whole.exists() else path.glob("fold-*/model.safetensors")
    return [(file, file.with_name("model.json")) for file in every]
