"""Stages in Compumedics Profusion's XML, as the NSRR gives them for SHHS: one number an epoch, and no time of day."""

from pathlib import Path

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from hypnolens.errors import RecordingError, quoted
from hypnolens.io.kinds import FILE, kind_of
from hypnolens.recordings.edf import FETCH_AGAIN
from hypnolens.stages import CODE, EPOCH_S, MOVEMENT, UNSCORED

CODES = {
    0: CODE["W"], 1: CODE["N1"], 2: CODE["N2"], 3: CODE["N3"], 4: CODE["N3"], 5: CODE["R"], 6: MOVEMENT, 9: UNSCORED
}  # fmt: skip
"""Numbers of Profusion. 3 and 4 of Rechtschaffen & Kales are AASM's N3."""

MOST_BYTES = 8 * 1024 * 1024
"""More than a night needs, whose stages take some 30 kB; elements take many times their bytes of memory."""

RIGHT_FILE = "take the file NAME-profusion.xml of annotations-events-profusion"


def read_profusion(path: Path, recording: str) -> np.ndarray:
    """Stage of every epoch from the start of the recording.

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
    if (kind := kind_of(path)) != FILE:
        what = f"is {kind}, no file" if kind else "does not exist"
        raise RecordingError(recording, f"{path} {what}", "correct the path, or fetch the file")
    if (size := path.stat().st_size) > MOST_BYTES:
        raise RecordingError(recording, f"{path.name} has {size / 1e6:.0f} MB, too many for stages", RIGHT_FILE)
    try:
        root = fromstring(path.read_bytes(), forbid_dtd=True)
    except DefusedXmlException as error:
        what = f"{path.name} has a document type or entities ({type(error).__name__}), which Profusion does not write"
        raise RecordingError(recording, what, RIGHT_FILE) from None
    except (ParseError, UnicodeError, ValueError, LookupError) as error:
        what = f"{path.name} is empty" if size == 0 else f"{path.name} is no readable XML ({error})"
        raise RecordingError(recording, what, FETCH_AGAIN) from None
    except OSError as error:
        what = f"{path.name} cannot be read ({error.strerror})"
        raise RecordingError(recording, what, "give yourself read permission") from error
    texts = [(element.text or "").strip() for element in root.findall("{*}SleepStages/{*}SleepStage")]
    tag = root.tag.split("}")[-1]
    if tag != "CMPStudyConfig" or not texts:
        what = f"{path.name} is not Profusion's XML with stages (it begins with {quoted(tag)})"
        raise RecordingError(recording, what, RIGHT_FILE)
    length = (root.findtext("{*}EpochLength") or "").strip()
    if length != str(EPOCH_S):
        said = f"has epochs of {quoted(length)} s" if length else "does not say how long its epochs are"
        raise RecordingError(recording, f"{path.name} {said}", f"score in epochs of {EPOCH_S} s")
    known = {str(code): stage for code, stage in CODES.items()}
    for number, text in enumerate(texts):
        if text not in known:
            what = f"{path.name} gives epoch {number} the stage {quoted(text)}"
            raise RecordingError(recording, what, f"known are {', '.join(known)}; correct or leave out the recording")
    return np.array([known[text] for text in texts], dtype=np.int8)
