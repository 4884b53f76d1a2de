"""Stages in XML: Compumedics Profusion's, as the NSRR gives it for SHHS, and the NSRR's own.

Profusion has one number an epoch and no time of day; the NSRR has scored events in seconds from the first sample
(https://github.com/nsrr/edf-editor-translator/wiki).
"""

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from hypnolens.errors import RecordingError, quoted
from hypnolens.io.kinds import FILE, kind_of
from hypnolens.recordings.edf_file import FETCH_AGAIN
from hypnolens.recordings.vocabulary import CODES
from hypnolens.stages import EPOCH_S

PROFUSION, NSRR = "CMPStudyConfig", "PSGAnnotation"
"""Elements with which the two begin."""

MOST_BYTES = 8 * 1024 * 1024
"""More than a night needs, whose stages take some 30 kB; elements take many times their bytes of memory."""

RIGHT_FILE = "take the file NAME-profusion.xml of annotations-events-profusion"

CONCEPTS = {
    "Wake": "Sleep stage W", "Stage 1 sleep": "Sleep stage 1", "Stage 2 sleep": "Sleep stage 2",
    "Stage 3 sleep": "Sleep stage 3", "Stage 4 sleep": "Sleep stage 4", "REM sleep": "Sleep stage R",
    "Movement": "Movement time", "Unscored": "Sleep stage ?",
}  # fmt: skip
"""Concepts of the NSRR's scored events that are stages, before the ``|`` and a number, as EDF+ has them."""


def read_profusion(path: Path, recording: str) -> np.ndarray:
    """Stage of every epoch from the start of the recording, by Profusion.

    Entities, document types and files of more than 8 MB are refused, as no night needs them.

    Returns
    -------
    numpy.ndarray
        Codes, int8 ``(n_epochs,)``: 0-4, `UNSCORED` or `MOVEMENT`.

    Raises
    ------
    RecordingError
        No such file, no XML, other XML, epochs of no or another length, or codes that no stage has.
    """
    root = _root(path, recording)
    texts = [(element.text or "").strip() for element in root.findall("{*}SleepStages/{*}SleepStage")]
    if _tag(root) != PROFUSION or not texts:
        what = f"{path.name} is not Profusion's XML with stages (it begins with {quoted(_tag(root))})"
        raise RecordingError(recording, what, RIGHT_FILE)
    _check_length(root, path, recording)
    known = {str(code): stage for code, stage in CODES["rechtschaffen-kales"].items()}
    for number, text in enumerate(texts):
        if text not in known:
            what = f"{path.name} gives epoch {number} the stage {quoted(text)}"
            raise RecordingError(recording, what, f"known are {', '.join(known)}; correct or leave out the recording")
    return np.array([known[text] for text in texts], dtype=np.int8)


def read_xml(path: Path, recording: str) -> np.ndarray | list[tuple[float, float | None, str]]:
    """Stages of either XML: codes of epochs as `read_profusion` gives them, or onset and duration in s, and text, each.

    Raises
    ------
    RecordingError
        See `read_profusion`; events without a time.
    """
    root = _root(path, recording)
    if _tag(root) != NSRR:
        return read_profusion(path, recording)
    if root.find("{*}EpochLength") is not None:
        _check_length(root, path, recording)
    try:
        return list(_events(root))
    except ValueError as error:
        what = f"{path.name} has an event that does not say when it begins or how long it lasts ({error})"
        raise RecordingError(recording, what, FETCH_AGAIN) from error


def _events(root: Element) -> Iterator[tuple[float, float | None, str]]:
    for event in root.findall("{*}ScoredEvents/{*}ScoredEvent"):
        concept = (event.findtext("{*}EventConcept") or "").partition("|")[0].strip()
        if concept == "Recording Start Time":  # a time of day, and as long as the signal
            continue
        onset = _seconds(event.findtext("{*}Start") or "no Start")
        duration = _seconds(text) if (text := (event.findtext("{*}Duration") or "").strip()) else None
        if not (0 <= onset < float("inf") and 0 <= (duration or 0.0) < float("inf")):
            raise ValueError(f"{onset:g} s, {duration:g} s")
        kind = (event.findtext("{*}EventType") or "").partition("|")[0].strip()
        yield onset, duration, CONCEPTS.get(concept, f"Stage {concept}") if kind == "Stages" else concept or kind


def _seconds(text: str) -> float:
    return float(text.strip().replace(",", "."))  # some languages have a decimal comma


def _check_length(root: Element, path: Path, recording: str) -> None:
    length = (root.findtext("{*}EpochLength") or "").strip()
    if length != str(EPOCH_S):
        said = f"has epochs of {quoted(length)} s" if length else "does not say how long its epochs are"
        raise RecordingError(recording, f"{path.name} {said}", f"score in epochs of {EPOCH_S} s")


def _tag(root: Element) -> str:
    return root.tag.split("}")[-1]


def _root(path: Path, recording: str) -> Element:
    if (kind := kind_of(path)) != FILE:
        what = f"is {kind}, no file" if kind else "does not exist"
        raise RecordingError(recording, f"{path} {what}", "correct the path, or fetch the file")
    if (size := path.stat().st_size) > MOST_BYTES:
        raise RecordingError(recording, f"{path.name} has {size / 1e6:.0f} MB, too many for stages", RIGHT_FILE)
    try:
        return fromstring(path.read_bytes(), forbid_dtd=True)
    except DefusedXmlException as error:
        what = f"{path.name} has a document type or entities ({type(error).__name__}), which Profusion does not write"
        raise RecordingError(recording, what, RIGHT_FILE) from None
    except (ParseError, UnicodeError, ValueError, LookupError) as error:
        what = f"{path.name} is empty" if size == 0 else f"{path.name} is not readable XML ({error})"
        raise RecordingError(recording, what, FETCH_AGAIN) from None
    except OSError as error:
        what = f"{path.name} cannot be read ({error.strerror})"
        raise RecordingError(recording, what, "give yourself read permission") from error
