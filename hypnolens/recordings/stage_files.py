"""A file of stages of any kind: what it begins with, and not its name, says how it is read."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from hypnolens.errors import RecordingError
from hypnolens.io.kinds import FILE, kind_of
from hypnolens.recordings.edf import Annotations, read_annotations
from hypnolens.recordings.edf_file import EDF
from hypnolens.recordings.stage_table import read_table
from hypnolens.recordings.stage_xml import read_xml
from hypnolens.recordings.vocabulary import TEXTS, numbered


def read_stage_file(
    path: Path, recording: str, *, start: datetime, codes: str | None = None
) -> Annotations | np.ndarray:
    """What a file says of stages.

    Parameters
    ----------
    path
        EDF+ file with an annotation a bout of stages, Profusion's or the NSRR's XML, or a table, see
        `hypnolens.recordings.stage_table.read_table`.
    recording
        Name for error messages.
    start
        Of the signal, from whose first sample files without a clock count.
    codes
        What numbers mean in a table, see `hypnolens.recordings.vocabulary.CODES`.

    Returns
    -------
    Annotations or numpy.ndarray
        Events with times; or codes of the signal's epochs from its first on, int8 ``(n_epochs,)``.

    Raises
    ------
    RecordingError
        No such file, a damaged one, or one of none of these kinds.
    """
    found = _read(path, recording, codes)
    if isinstance(found, Annotations):
        return with_codes(found, codes)
    return Annotations(tuple(found), start) if isinstance(found, list) else found


def with_codes(annotations: Annotations, codes: str | None) -> Annotations:
    """Annotations whose numbers are stages by one of `hypnolens.recordings.vocabulary.CODES`."""
    entries = tuple((onset, duration, numbered(text, codes)) for onset, duration, text in annotations.entries)
    return replace(annotations, entries=entries)


def texts_of(path: Path, recording: str) -> list[str]:
    """Texts of all events of a file, or those of EDF+ for the stages of one without times; see `read_stage_file`."""
    found = _read(path, recording, None)
    if isinstance(found, np.ndarray):
        return [TEXTS[code] for code in found]
    return [text for _, _, text in (found if isinstance(found, list) else found.entries)]


def _read(
    path: Path, recording: str, codes: str | None
) -> Annotations | np.ndarray | list[tuple[float, float | None, str]]:
    if (kind := kind_of(path)) != FILE:
        what = f"is {kind}, no file" if kind else "does not exist"
        raise RecordingError(recording, f"{path} {what}", "correct the path, or fetch the file")
    try:
        with path.open("rb") as file:
            begin = file.read(256)
    except OSError as error:
        what = f"{path} cannot be read ({error.strerror})"
        raise RecordingError(recording, what, "give yourself read permission") from error
    ending = path.suffix.lower()
    if begin.startswith(EDF) or ending in (".edf", ".rec"):
        return read_annotations(path, recording)
    if begin.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<" or ending == ".xml":
        return read_xml(path, recording)
    return read_table(path, recording, codes)
