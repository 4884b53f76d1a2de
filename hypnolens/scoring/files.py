"""The files that make a night. Imported by the Snakefile, so it needs only what Python brings."""

import os
import re
from collections.abc import Collection
from itertools import count, takewhile
from pathlib import Path

from hypnolens.datasets.folder import HYPNOGRAM, HYPNOGRAMS, PSG, PSG_ENDINGS
from hypnolens.io.checksums import sha256


def further_files(path: Path) -> list[Path]:
    """Files besides its own that hold a night: data and markers of BrainVision, data of EEGLAB, further files of FIF.

    Those that there are; what is missing is for the reader to say.
    """
    ending = path.suffix.lower()
    found: list[Path] = []
    if ending == ".vhdr":
        said = brainvision_header(path)
        found = [path.parent / said[key] for key in ("datafile", "markerfile") if said.get(key)]
        found.append(path.with_suffix(".vmrk"))  # what MNE takes where the file of markers was renamed
    elif ending == ".set":
        found = [path.with_suffix(".fdt")]
    elif ending in (".fif", ".gz"):
        stem, _, endings = path.name.partition(".")
        numbered = (path.with_name(f"{stem}-{number}.{endings}") for number in count(1))
        found = list(takewhile(Path.is_file, numbered))
    return [file for file in dict.fromkeys(found) if file.is_file()]


def brainvision_header(path: Path) -> dict[str, str]:
    """What a header of BrainVision says, by key in small letters; nothing of one that cannot be read."""
    try:
        content = path.read_bytes()
    except OSError:
        return {}
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    said = re.findall(r"^[ \t]*(\w+)[ \t]*=[ \t]*(.*?)[ \t]*\r?$", text, re.M)
    return {key.lower(): value.replace("$b", path.stem) for key, value in said}


def place_of(path: Path) -> str:
    """SHA-256 of where a file is, by which its new version is told from another file, and which names no folder."""
    return sha256(os.fsencode(path.parent.resolve() / path.name))


def names_in(folder: Path) -> frozenset[str]:
    """Names of the files of a folder, as they are written; none where it cannot be listed."""
    try:
        return frozenset(file.name for file in folder.iterdir())
    except OSError:
        return frozenset()


def companion(path: Path, there: Collection[str]) -> Path | None:
    """File of human stages beside a night: ``NAME-Hypnogram.edf`` of ``NAME-PSG.edf``, a table so called, or XML.

    Parameters
    ----------
    there
        `names_in` the folder. A file is looked for by its name as it is written: where a file system ignores case,
        scoring's own ``NAME-hypnogram.edf`` would be found. Endings may be in capitals.
    """
    written = {Path(name).stem + Path(name).suffix.lower(): name for name in sorted(there)}
    names = [path.stem.removesuffix(PSG) + ending for ending in (".xml", "-profusion.xml", "-nsrr.xml")]
    if path.suffix.lower() in PSG_ENDINGS and path.stem.endswith(PSG):
        stem = path.stem.removesuffix(PSG)
        if stem[:2] in ("SC", "ST") and len(stem) == 8:
            others = [name for name in written if re.fullmatch(rf"{re.escape(stem[:6])}..-Hypnogram\.edf", name)]
            names[:0] = others if len(others) == 1 else []
        names[:0] = [
            stem + one for ending in HYPNOGRAMS for one in (ending, ending.replace(HYPNOGRAM, HYPNOGRAM.upper()))
        ]
    return next((path.with_name(written[name]) for name in names if name in written), None)
