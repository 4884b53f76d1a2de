"""Which nights need not be staged again: their results are there, of the same file, stager, options and version."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypnolens import __version__
from hypnolens.io.checksums import canonical, digest_of_file, sha256
from hypnolens.scoring.files import companion, further_files, names_in
from hypnolens.scoring.folder import said_in
from hypnolens.scoring.names import file_names
from hypnolens.stagers.interface import StagerCard

if TYPE_CHECKING:
    from hypnolens.scoring.run import ScoringOptions

NO_MATTER = ("again", "model", "hypnogram")
"""Options that change no result, or whose content counts in place of their names."""


def made_from(path: Path, options: "ScoringOptions", card: StagerCard) -> str:
    """SHA-256 of all that the results of a night come from: files, stager, options, version.

    Of a file that cannot be read there is none, for whoever reads it to say.
    """
    beside = companion(path, names_in(path.parent)) if options.hypnogram is None else options.hypnogram
    files = [path, *further_files(path), *([beside] if beside else [])]
    asked = {key: value for key, value in asdict(options).items() if key not in NO_MATTER}
    about: dict[str, Any] = {
        "hypnolens": __version__, "stager": [*card.models, card.fingerprint], "options": asked,
        "beside": beside and beside.name,
    }  # fmt: skip
    try:
        return sha256(canonical({**about, "files": [digest_of_file(file) for file in files]}))
    except OSError:
        return ""


def complete(name: str, folder: Path, key: str) -> Mapping[str, Any] | None:
    """What the summary of a night says, if all its results are in a folder and come from the same; else nothing."""
    said = said_in(folder / file_names(name)["summary"])
    if not key or said.get("made_from") != key or not isinstance(said.get("files"), dict):
        return None
    return said if all((folder / str(file)).is_file() for file in said["files"].values()) else None
