"""What must hold of whatever a file says: properties, with hypothesis in search of what breaks them."""

import subprocess
import sys
from datetime import datetime, timedelta

import edfio
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hypnolens.errors import RecordingError
from hypnolens.recordings.edf import Annotations, list_annotations, parse_annotations, read_channel
from hypnolens.recordings.hypnogram import place_stages
from hypnolens.recordings.stage_xml import read_profusion
from hypnolens.recordings.vocabulary import STANDARD, stage_of
from hypnolens.stages import UNSCORED
from tests.conftest import ROOT, write_profusion, write_psg
from tests.fuzz.mutations import FLOODS, HEAD, SIGNAL

# The same examples each time, so that a change of the code alone can break a test.
few = settings(
    max_examples=100, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip

START = datetime(1989, 4, 24, 16, 13)
TEXTS = st.text(st.characters(exclude_characters="\0\x14\n", exclude_categories=["Cs"]), max_size=20)
ENTRIES = st.lists(st.tuples(st.integers(0, 10**8), st.none() | st.integers(0, 10**7), TEXTS), min_size=1, max_size=20)


def _one_line(error: Exception, name: str) -> None:
    text = str(error)
    assert name in text and text.isprintable() and len(text.splitlines()) == 1 and len(text) < 1000


@few
@given(entries=ENTRIES)
def test_annotations_are_those_that_edfio_wrote_and_reads(tmp_path, entries):
    path = tmp_path / "a.edf"
    notes = [edfio.EdfAnnotation(onset / 1000, None if d is None else d / 1000, text) for onset, d, text in entries]
    edfio.Edf([], annotations=notes, starttime=START.time(), recording=edfio.Recording(startdate=START.date())).write(
        path
    )
    found = list_annotations(path, "a")
    assert found.start == START
    assert list(found.entries) == [tuple(note) for note in edfio.read_edf(path).annotations]


@few
@given(
    record=st.binary(max_size=300)
    | st.lists(st.sampled_from([b"+0", b"\x14", b"\x15", b"\0", b"30", b"W"])).map(b"".join)
)
@example(record=b"+0\x14\x14\0+0\x1530\x14Sleep stage W\x14\0")
def test_no_byte_of_annotations_is_passed_over(record):
    """A list that follows the grammar is read whole; anything else is refused in a few words."""
    try:
        found = parse_annotations(record)
    except ValueError as error:
        assert str(error).isprintable() and len(str(error)) < 200
        return
    pieces = [piece for piece in record.split(b"\0") if piece]
    assert len(found) == len(pieces)
    for (onset, duration, texts), piece in zip(found, pieces, strict=True):
        times, *rest = piece.split(b"\x14")
        assert [text.encode() for text in texts] == rest[:-1] and rest[-1] == b""
        assert [onset, *([] if duration is None else [duration])] == [float(part) for part in times.split(b"\x15")]


HANG_S = 120
"""What is read in milliseconds where each byte is looked at once takes hours where a pattern goes back."""


@pytest.mark.parametrize("name", FLOODS)
def test_no_annotations_are_a_trap(name):
    code = (
        "import sys; from tests.fuzz.mutations import FLOODS; from hypnolens.recordings.edf import parse_annotations\n"
        "record = b'+0\\x14\\x14\\0' + b'\\0'.join(FLOODS[sys.argv[1]]()) + b'\\0'\n"
        "try: parse_annotations(record)\n"
        "except ValueError as error: assert len(str(error)) < 200"
    )
    # In a process of its own, as nothing else can end a regular expression.
    subprocess.run([sys.executable, "-c", code, name], cwd=ROOT, check=True, timeout=HANG_S)


@few
@given(
    entries=st.lists(
        st.tuples(
            st.floats(-1e10, 1e10) | st.integers(-50, 50).map(lambda i: 30.0 * i),
            st.none() | st.floats(0, 1e10) | st.integers(1, 10**8).map(lambda i: 30.0 * i),
            st.sampled_from(sorted(STANDARD)),
        ),
        min_size=1, max_size=10,
    ),
    later=st.floats(-1e9, 1e9),
    duration=st.floats(0, 1e5) | st.floats(0, 1e300),
)  # fmt: skip
def test_stages_are_placed_or_refused(entries, later, duration):
    entries = sorted(entries, key=lambda entry: entry[0])
    annotations = Annotations(tuple(entries), START + timedelta(seconds=later))
    try:
        found = place_stages(annotations, "h.edf", start=START, duration_s=duration, recording="a")
    except RecordingError as error:
        _one_line(error, "a: ")
        return
    assert 0 <= found.first_s < 30
    assert found.first_s + 30 * len(found.stages) <= duration + 0.001 or len(found.stages) == 0
    given = {stage_of(text) for _, _, text in entries} | {UNSCORED}
    assert set(found.stages.tolist()) <= given


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    noise = np.random.default_rng(0).uniform(-100, 100, (2, 600))
    return write_psg(tmp_path_factory.mktemp("whole") / "w.edf", {"A": noise[0], "B": noise[1]}, rate=10.0).read_bytes()


CELLS = st.binary(max_size=8) | st.from_regex(r"[-+0-9 .eE_,]{0,8}", fullmatch=True).map(str.encode)
FIELDS = st.sampled_from([*HEAD, *SIGNAL])


@few
@given(cells=st.dictionaries(FIELDS, CELLS, min_size=1, max_size=3))
def test_whatever_a_header_says_a_channel_is_whole_or_refused(tmp_path, whole, cells):
    raw = bytearray(whole)
    for field, cell in cells.items():
        begin, width = HEAD[field] if field in HEAD else (256 + 2 * SIGNAL[field][0], SIGNAL[field][1])
        raw[begin : begin + width] = cell.ljust(width)
    path = tmp_path / "a.edf"
    path.write_bytes(raw)
    try:
        channel = read_channel(path, ["A"], "a")
    except RecordingError as error:
        _one_line(error, "a.edf")
        return
    # Both signals are as long as the file, and so is what is read of them.
    assert len(channel.signal) == 600 and np.isfinite(channel.signal).all() and 0 < channel.rate < np.inf
    assert channel.limits[0] < channel.limits[1] and channel.label == "A"


@few
@given(code=st.text(max_size=10), length=st.text(max_size=10) | st.just("30"))
def test_whatever_xml_says_stages_are_known_or_refused(tmp_path, code, length):
    path = tmp_path / "a.xml"
    try:
        write_profusion(path, [0, code], length=length)
    except UnicodeEncodeError:
        return
    try:
        stages = read_profusion(path, "a")
    except RecordingError as error:
        _one_line(error, "a.xml")
        return
    assert stages[0] == 0 and length.strip() == "30" and len(stages) >= 2
