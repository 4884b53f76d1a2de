"""Reads broken recordings in a process of its own, with a limit on memory, and says of each what came of it.

``python -m tests.fuzz.worker FOLDER SEED`` makes case N of that seed from the bases in a folder, for every number N on
its standard input, and answers with a line of JSON. Its parent watches the clock.
"""

import hashlib
import json
import logging
import os
import re
import resource
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyedflib

from hypnolens.errors import RecordingError
from hypnolens.recordings.edf import ROUNDED, read_channel
from hypnolens.recordings.extraction import extract
from hypnolens.recordings.units import microvolts
from hypnolens.recordings.vocabulary import CODES, stage_of
from tests.fuzz.mutations import CHANNEL, HEAD, SIGNAL, Case, make_case, read_bases

MOST_BYTES = 1024**3
"""What a case may take beside the libraries that every case needs."""

LONGEST_MESSAGE = 1000

NAME = "night-7"
"""Name of the recording, which every refusal begins with."""

UNREAD = ("patient", "transducer", "prefilter", "reserved of signal")
"""Fields that pyedflib checks and that nothing here depends on."""

LOOSE = re.compile(rb" *[+-]?[0-9.]+ *")
"""Numbers with spaces before them, which pyedflib takes for damage and other readers do not."""


class Wrong(Exception):
    """What must not happen."""


class _Said(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def _options(rates: tuple[float, ...] = ()) -> dict[str, Any]:
    return {
        "recording": NAME, "subject": "s7", "night": 1, "source": "here", "rates": rates, "channel": [CHANNEL],
        "sampling_rate_hz": "native", "highpass_hz": None, "trim_wake_min": None, "trim_rule": "drop-then-trim",
    }  # fmt: skip


def check(case: Case, folder: Path, sha1: dict[str, str], unscored: int) -> tuple[str, str]:
    """What came of a case, and details; `Wrong` if it should not have."""
    psg = folder / "night-7.edf"
    stages = folder / f"night-7-stages.{'xml' if case.base.xml else 'edf'}"
    psg.write_bytes(case.psg)
    stages.write_bytes(case.stages)
    said = _Said()
    log = logging.getLogger("hypnolens")
    log.handlers = [said]
    log.propagate = False
    try:
        epochs = extract(psg, stages, sha1=sha1, **_options())
    except RecordingError as error:
        return "refused", _one_line(str(error))
    for line in said.lines:
        _one_line(line)
    unchanged = case.psg == case.base.psg and case.stages == case.base.stages
    if unchanged != all(not flag.startswith("other-file=") for flag in epochs.flags):
        raise Wrong(f"a known checksum did not show the change ({epochs.flags})")
    if case.rate_lie and not unchanged:
        try:
            extract(psg, stages, sha1={}, **_options((100.0,)))
        except RecordingError:
            pass
        else:
            raise Wrong("a rate that is known to be another was read")
    reports = [flag for flag in epochs.flags if not flag.startswith("other-file=")] + said.lines
    if epochs.dropped["unscored"] > unscored:
        reports.append(f"{epochs.dropped['unscored']} epochs unscored")
    reason = _compare(case, psg, epochs, said.lines)
    if case.damage and not unchanged and not reports:
        raise Wrong("damaged, and read without a word")
    if reason:
        return f"read, pyedflib refuses: {reason}", "; ".join(reports)
    return ("read as by pyedflib, reported" if reports else "read as by pyedflib"), "; ".join(reports)


def _one_line(text: str) -> str:
    if not text.startswith(f"{NAME}: ") or len(text.splitlines()) != 1 or not text.isprintable():
        raise Wrong(f"not one printable line that names the recording: {text[:200]!r}")
    if len(text) > LONGEST_MESSAGE:
        raise Wrong(f"a message of {len(text)} characters")
    return text


def _compare(case: Case, psg: Path, epochs: Any, said: list[str]) -> str:
    """Compare all values with pyedflib's; why it refuses what was read here, or nothing."""
    channel = read_channel(psg, [CHANNEL], NAME)
    reader, reasons = _opened(case.base.psg, case.psg, psg.with_name("for-pyedflib.edf"))
    with reader:
        number = [label.strip() for label in reader.getSignalLabels()].index(CHANNEL)
        rate = reader.samples_in_datarecord(number) / reader.datarecord_duration
        values = reader.readSignal(number) * (microvolts(reader.getPhysicalDimension(number).strip()) or 1.0)
        start = _start(reader)
    if abs(channel.rate - rate) > ROUNDED * rate or channel.start.time() != start.time():
        raise Wrong(f"rate {channel.rate}, not {rate}, or start {channel.start}, not {start}")
    if channel.start != start and not any("date" in line for line in said):
        raise Wrong(f"start {channel.start}, not {start}")
    if wrong := re.search(r"multiplied by ([0-9.e+-]+),", " ".join(said)):
        values = values * float(wrong[1])
    scale = np.abs(channel.limits).max()
    if len(channel.signal) != len(values):
        if not any("the header promises" in line for line in said):
            raise Wrong(f"{len(channel.signal)} samples, not {len(values)}, and not a word of it")
        values = values[: len(channel.signal)]
    # Of a file with more data records than promised pyedflib reads a part, which has another median.
    median = np.median(values if len(values) == len(channel.signal) else channel.signal)
    np.testing.assert_allclose(channel.signal[: len(values)], values, rtol=1e-5, atol=2e-6 * scale)
    n_samples = epochs.signal.shape[1]
    for row, place in zip(epochs.signal, epochs.epoch_index, strict=True):
        first = int((epochs.first_s + 30 * place) * rate + 1e-6)
        expected = (values - median)[first : first + n_samples]
        if len(expected) < n_samples <= len(channel.signal) - first:
            break
        np.testing.assert_allclose(row * epochs.scale_uv, expected, atol=epochs.scale_uv * 0.51 + 2e-6 * scale)
    if case.base.xml:
        found = {30_000 * place: stage for place, stage in enumerate(_codes(case.stages))}
        _compare_stages(found, channel, epochs)
        return reasons
    reader, more = _opened(case.base.stages, case.stages, psg.with_name("for-pyedflib.edf"))
    with reader:
        # By time of day where one of the two has no date, which was reported.
        begin = _start(reader)
        offset = (begin - channel.start).total_seconds()
        if abs(offset) > 43_200 and any("date" in line for line in said):
            offset = (offset + 43_200) % 86_400 - 43_200
        moments: dict[int, int] = {}
        for onset, length, text in zip(*reader.readAnnotations(), strict=True):
            if (code := stage_of(str(text))) is not None:
                for k in range(min(round(float(length) / 30), 1000)):  # many more than the signal has
                    moments[round(1000 * (offset + float(onset) + 30 * k))] = code
    _compare_stages(moments, channel, epochs)
    return "; ".join(sorted({reason for reason in (reasons, more) if reason}))


def _compare_stages(moments: dict[int, int], channel: Any, epochs: Any) -> None:
    """Stages by the moments at which epochs begin, in ms from the first sample."""
    places = zip(epochs.epoch_index, epochs.stage, strict=True)
    here = {round(1000 * (epochs.first_s + 30 * int(place))): int(stage) for place, stage in places}
    end = 1000 * (len(channel.signal) / channel.rate - 30) + 1
    there = {moment: stage for moment, stage in moments.items() if stage < 5 and 0 <= moment <= end}
    if here != there:
        raise Wrong(f"stages {here}, not {there}")


def _opened(base: bytes, changed: bytes, path: Path) -> tuple[pyedflib.EdfReader, str]:
    """A file as pyedflib reads it, if need be without what it alone takes exception to, and what that was.

    One that hides being EDF+ is read as EDF+ here, which is reported.
    """
    begin, width = HEAD["reserved"]
    if base[begin : begin + 4] == b"EDF+" != changed[begin : begin + 4]:
        changed = changed[:begin] + base[begin : begin + width] + changed[begin + width :]
    for repair, reasons in (
        (changed, []),
        _repaired(base, changed, reported=False),
        _repaired(base, changed, reported=True),
    ):
        path.write_bytes(repair)
        try:
            reader = pyedflib.EdfReader(str(path), pyedflib.READ_ALL_ANNOTATIONS, pyedflib.DO_NOT_CHECK_FILE_SIZE)
        except OSError as error:
            refusal = str(error).rpartition(": ")[2]
            continue
        try:
            _start(reader)
        except ValueError as error:  # a day such as 31 February
            refusal = str(error)
            reader.close()
        else:
            return reader, ", ".join(reasons)
    raise Wrong(f"read, though pyedflib refuses it ({refusal}), even without {reasons}")


def _repaired(base: bytes, changed: bytes, *, reported: bool) -> tuple[bytes, list[str]]:
    """A file with those fields set right that may be wrong for the reader here, and for what reasons they may.

    With ``reported`` also those that may be wrong as long as a line in the log says so.
    """
    n = int(base[252:256])
    cells = [(name, 0, begin, width) for name, (begin, width) in HEAD.items()]
    for name, (begin, width) in SIGNAL.items():
        cells += [(name, k, 256 + n * begin + k * width, width) for k in range(n)]
    repaired, reasons = bytearray(changed), set()
    for name, number, begin, width in cells:
        old, new = base[begin : begin + width], changed[begin : begin + width]
        right, why = new, ""
        if reported and b"\0" in new:
            new = new.replace(b"\0", b" ")
            right, why = new, "reported"
        if name in UNREAD:
            right, why = old, "a field that is not read"
        elif name == "records" and new.strip() == b"-1" and reported:
            right, why = old, "reported"
        elif name in ("duration", "physical minimum", "physical maximum") and b"," in new and reported:
            right, why = new.replace(b",", b"."), "reported"
        elif name in ("label", "dimension") or name.startswith(("physical", "digital")):
            # Of the annotations' signal its label is read, of signals that are not wanted nothing that counts.
            if number > 0 or (n == 1 and name != "label"):
                right, why = old, "a signal that is not read"
            elif name == "dimension":
                other = microvolts(new.decode("latin-1").strip()) == 1.0
                right, why = (b"uV".ljust(width), "µ") if other else (right, why)
        elif name in ("date", "time"):
            right, why = re.sub(rb"[:'/ -]", b".", new.rstrip()).ljust(8), "another separator"
            if name == "date" and reported:
                right, why = old, "reported"
        elif name == "identification" and reported:
            right, why = old, "reported"
        elif name == "reserved" and new.startswith((b"EDF+C", b"EDF+D")):
            right = b"EDF+C".ljust(width)
            why = "EDF+D without a gap" if new.startswith(b"EDF+D") else "a field that is not read"
            if reported and old != right:
                right, why = old, "reported"
        elif name == "reserved" and old != new:
            right, why = b"".ljust(width), "reported" if old.startswith(b"EDF+") else "a field that is not read"
        if right == new and name not in ("label", "reserved") and LOOSE.fullmatch(new):
            right, why = new.strip(b" ").ljust(width), "spaces before a number"
        if right != changed[begin : begin + width]:
            repaired[begin : begin + width] = right
            reasons.add(why)
    return bytes(repaired), sorted(reasons)


def _start(reader: pyedflib.EdfReader) -> datetime:
    # pyedflib counts units of 100 ns and gives a tenth of the microseconds.
    return reader.getStartdatetime().replace(microsecond=round(reader.starttime_subsecond / 10))


def _codes(raw: bytes) -> list[int]:
    """Stages in XML, found without a parser."""
    text = raw.decode("utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8")
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"&#(\d+);", lambda match: chr(int(match[1])), text)
    return [
        CODES["rechtschaffen-kales"][int(code)]
        for code in re.findall(r"<SleepStage\b[^>]*>\s*(\d+)\s*</SleepStage", text)
    ]


def main() -> None:
    """Answer numbers with outcomes until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # pyedflib writes what it thinks to standard output
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    bases = read_bases(folder)
    known = {}
    with tempfile.TemporaryDirectory() as scratch:
        # Whole files first: they must be read, and all that every case needs is then in memory.
        for base in bases:
            case = Case("whole", base, base.psg, base.stages, damage=False)
            sha1 = {"psg": hashlib.sha1(base.psg).hexdigest(), "hypnogram": hashlib.sha1(base.stages).hexdigest()}
            outcome, said = check(case, Path(scratch), sha1, 0)
            if outcome != "read as by pyedflib" or said:
                raise SystemExit(f"a whole file is not read: {base.name}: {outcome} ({said})")
            known[base.name] = sha1
        if sys.platform == "linux":
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limit = pages * resource.getpagesize() + MOST_BYTES
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        print(json.dumps({"ready": True}), file=answers, flush=True)
        for line in sys.stdin:
            number = int(line)
            case = make_case(bases, seed, number)
            begun = time.process_time()
            try:
                outcome, said = check(case, Path(scratch), known[case.base.name], 0)
            except Exception as error:  # whatever it is, it is not what a broken file should lead to
                outcome, said = "wrong", f"{type(error).__name__}: {str(error)[:500]}"
            answer = {
                "number": number,
                "name": case.name,
                "outcome": outcome,
                "said": said,
                "seconds": time.process_time() - begun,
                "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            }
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
