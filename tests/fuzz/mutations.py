"""Broken recordings, made from whole ones: a seed and a number always give the same one, and a name says what was done.

Each mutation is a function of bytes and a source of chance. Those that leave a file which contradicts itself, its
companion or the format are *damage*: they must be refused or reported. All others (a flipped bit in a sample, a stage
that became another) must be refused, or read as an independent reader reads the same bytes.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Change = Callable[[bytes, random.Random], tuple[bytes, str]]
"""What is done to the bytes of a file: they come back changed, with a word on how."""

CHANNEL = "EEG Fpz-Cz"
"""The channel that is read of every base."""

HEAD = {
    "version": (0, 8), "patient": (8, 80), "identification": (88, 80), "date": (168, 8), "time": (176, 8),
    "header bytes": (184, 8), "reserved": (192, 44), "records": (236, 8), "duration": (244, 8), "signals": (252, 4),
}  # fmt: skip
"""Fields of the first 256 bytes of an EDF file: place and width."""

SIGNAL = {
    "label": (0, 16), "transducer": (16, 80), "dimension": (96, 8), "physical minimum": (104, 8),
    "physical maximum": (112, 8), "digital minimum": (120, 8), "digital maximum": (128, 8), "prefilter": (136, 80),
    "samples": (216, 8), "reserved of signal": (224, 32),
}  # fmt: skip
"""Fields of the signals, which follow: those of one kind stand together."""


@dataclass(frozen=True)
class Base:
    """A whole recording: a PSG in EDF and its stages in EDF+ or Profusion's XML."""

    name: str
    psg: bytes
    stages: bytes

    @property
    def xml(self) -> bool:
        return self.name == "xml"

    @property
    def plus(self) -> bool:
        """Whether the PSG itself is EDF+, whose data records say when they begin."""
        return self.psg[192:197] == b"EDF+C"


@dataclass(frozen=True)
class Case:
    """A recording of which one file was broken.

    Attributes
    ----------
    name
        Base, file and what was done to it.
    base
        What it was.
    psg, stages
        Both files.
    damage
        Whether it must be refused or reported.
    rate_lie
        Whether the header gives another rate without contradicting itself: known rates must show it.
    """

    name: str
    base: Base
    psg: bytes
    stages: bytes
    damage: bool
    rate_lie: bool = False


@dataclass(frozen=True)
class Mutation:
    """What is done to a file: ``change`` gives its bytes anew and a word on how, ``damage`` may depend on the base."""

    name: str
    files: tuple[str, ...]
    change: Change
    damage: Callable[[Base], bool]
    bases: tuple[str, ...] = ("plain", "plus", "xml")
    rate_lie: bool = False


def read_bases(folder: Path) -> list[Base]:
    """Bases from ``NAME.edf`` with ``NAME-stages.edf`` or ``NAME-stages.xml``."""
    return [
        Base(path.stem, path.read_bytes(), next(folder.glob(f"{path.stem}-stages.*")).read_bytes())
        for path in sorted(folder.glob("*.edf"))
        if not path.stem.endswith("-stages")
    ]


def make_case(bases: Sequence[Base], seed: int, number: int) -> Case:
    """One broken recording; numbers go through all mutations, bases and files in turn before any comes again."""
    named = {base.name: base for base in bases}
    every = [
        (mutation, named[base], file)
        for mutation in MUTATIONS
        for base in mutation.bases
        for file in mutation.files
        if _fits(mutation, named[base], file)
    ]
    chance = random.Random(f"order/{seed}/{number // len(every)}")
    chance.shuffle(every)
    mutation, base, file = every[number % len(every)]
    chance = random.Random(f"{seed}/{number}")
    raw = base.psg if file == "psg" else base.stages
    changed, how = mutation.change(raw, chance)
    return Case(
        name=f"{base.name}/{file}: {mutation.name}{f' ({how})' if how else ''}",
        base=base,
        psg=changed if file == "psg" else base.psg,
        stages=changed if file == "hypnogram" else base.stages,
        damage=mutation.damage(base),
        rate_lie=mutation.rate_lie,
    )


def _fits(mutation: Mutation, base: Base, file: str) -> bool:
    """XML takes what is meant for XML or for any bytes, EDF what is meant for EDF or for any bytes."""
    kind = "xml" if file == "hypnogram" and base.xml else "edf"
    return mutation.name.startswith((kind, "bytes"))


def _put(raw: bytes, place: int, cell: bytes, width: int) -> bytes:
    return raw[:place] + cell[:width].ljust(width) + raw[place + width :]


def _head(field: str, *cells: bytes) -> Change:
    """Write one of the cells into a field of the file."""

    def change(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
        begin, width = HEAD[field]
        cell = chance.choice(cells)
        return _put(raw, begin, cell, width), repr(cell)[1:]

    return change


def _signal(field: str, number: int, *cells: bytes) -> Change:
    """Write one of the cells into a field of a signal."""

    def change(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
        begin, width = SIGNAL[field]
        cell = chance.choice(cells)
        return _put(raw, 256 + int(raw[252:256]) * begin + number * width, cell, width), repr(cell)[1:]

    return change


def _cell(raw: bytes, field: str, number: int) -> bytes:
    begin, width = SIGNAL[field]
    start = 256 + int(raw[252:256]) * begin + number * width
    return raw[start : start + width]


# Any bytes


def _flip(where: str) -> Change:
    def change(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
        n_header = int(raw[184:192]) if raw.startswith(b"0   ") else 0
        begin, end = (0, n_header or len(raw)) if where == "header" else (n_header, len(raw))
        place, bit = chance.randrange(begin, end), chance.randrange(8)
        return raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :], f"bit {bit} of byte {place}"

    return change


def _scatter(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
    changed = bytearray(raw)
    places = sorted(chance.randrange(len(raw)) for _ in range(chance.randint(2, 40)))
    for place in places:
        changed[place] = chance.randrange(256)
    return bytes(changed), f"{len(places)} bytes from {places[0]}"


def _printable(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
    """Other characters in the header, of the kind that header fields are made of."""
    changed = bytearray(raw)
    end = int(raw[184:192]) if raw.startswith(b"0   ") else len(raw)
    place = chance.randrange(end)
    changed[place] = chance.choice(b"0123456789 +-._eE,X\x00")
    return bytes(changed), f"{chr(changed[place])!r} at {place}"


def _block(what: str) -> Change:
    def change(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
        begin = chance.randrange(len(raw) - 1)
        end = min(len(raw), begin + chance.choice([1, 2, 7, 256, 2000]))
        block = raw[begin:end]
        new = {
            "zeros": bytes(len(block)),
            "ones": b"\xff" * len(block),
            "deleted": b"",
            "doubled": block + block,
            "noise": chance.randbytes(len(block)),
            "inserted": chance.randbytes(len(block)) + block,
        }[what]
        return raw[:begin] + new + raw[end:], f"{begin} to {end}"

    return change


def _cut(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
    ends = [
        0,
        1,
        255,
        256,
        len(raw) // 2,
        len(raw) - 1,
        len(raw) - 2,
        chance.randrange(len(raw)),
        chance.randrange(1024),
    ]
    end = chance.choice([end for end in ends if end < len(raw)])
    return raw[:end], f"after {end} bytes"


def _longer(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
    more = chance.choice([b"\0", b"\n\0", bytes(6000), chance.randbytes(100), raw])
    return raw + more, f"by {len(more)} bytes"


def _another(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
    other = {
        "text": b"epoch\tstage\n0\tW\n" * 40,
        "noise": chance.randbytes(5000),
        "zeros": bytes(5000),
        "a BDF file": b"\xffBIOSEMI" + raw[8:],
        "a zip": b"PK\x03\x04" + chance.randbytes(2000),
        "a pickle": b"\x80\x04\x95" + chance.randbytes(600),
        "a web page": b"<!DOCTYPE html><html><body>Sign in</body></html>" * 20,
        "UTF-16": raw[:4000].decode("latin-1").encode("utf-16"),
    }
    name = chance.choice(sorted(other))
    return other[name], name


# EDF


def _rearranged(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
    """As many samples in all, shared out otherwise between two signals: another rate, and nothing shows it."""
    first, second = int(_cell(raw, "samples", 0)), int(_cell(raw, "samples", 1))
    moved = chance.choice([first // 3, first // 2, 300])
    raw, _ = _signal("samples", 0, b"%d" % (first - moved))(raw, chance)
    raw, _ = _signal("samples", 1, b"%d" % (second + moved))(raw, chance)
    return raw, f"{first - moved} and {second + moved}"


def _both_dates(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
    """Another date, written consistently."""
    day = chance.randint(10, 28)
    raw = _put(raw, 168, b"%d.11.02" % day, 8)
    return _put(raw, 88, b"Startdate %d-NOV-2002 X X X" % day, 80), ""


def _records_short(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
    """A whole data record is missing, and the header knows: only the hypnogram shows it."""
    n = int(raw[236:244])
    size = (len(raw) - int(raw[184:192])) // n
    return _put(raw[:-size], 236, b"%d" % (n - 1), 8), ""


def _fewer_records(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
    n = int(raw[236:244])
    cell = chance.choice([b"%d" % (n - 1), b"%d" % (n + 1), b"%d" % (n * 2), b"%d" % -n])
    return _put(raw, 236, cell, 8), cell.decode()


def _onset_of_record(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
    """The time of a data record, of which EDF+ has one at the beginning of each annotation signal's part."""
    places = [match.start() for match in re.finditer(rb"\+\d+(\.\d+)?\x14\x14\0", raw)]
    place = chance.choice(places[1:])
    new = raw[: place + 1] + bytes([raw[place + 1] ^ 1]) + raw[place + 2 :]
    return new, f"byte {place + 1}"


def _many_signals(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
    """As many signals as the header has digits for, the wanted one among them, each as long as the recording."""
    n = 9999
    texts = {
        "label": b"x", "dimension": b"uV", "physical minimum": b"-1", "physical maximum": b"1",
        "digital minimum": b"-9", "digital maximum": b"9", "samples": b"1",
    }  # fmt: skip
    fields = b"".join(texts.get(name, b"").ljust(width) * n for name, (_, width) in SIGNAL.items())
    fields = CHANNEL.encode().ljust(16) + fields[16:]
    head = _put(_put(raw[:256], 184, b"%d" % (256 * (n + 1)), 8), 252, b"%d" % n, 4)
    return head + fields + bytes(2 * n * 10), ""


def _many_records(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
    """300,000 data records of two samples of the wanted signal and their times, one of which is wrong."""
    n, wrong = 300_000, chance.randrange(1, 300_000)
    cells = {name: [_cell(raw, name, 0), _cell(raw, name, 3)] for name in SIGNAL} | {"samples": [b"2", b"8"]}
    fields = b"".join(cell.ljust(width) for name, (_, width) in SIGNAL.items() for cell in cells[name])
    head = raw[:256]
    for place, cell, width in ((184, b"768", 8), (236, b"%d" % n, 8), (244, b"0.02", 8), (252, b"2", 4)):
        head = _put(head, place, cell, width)
    times = (b"+%.2f\x14\x14\0" % (0.02 * place + (place == wrong)) for place in range(n))
    return head + fields + b"".join(bytes(4) + moment.ljust(16, b"\0") for moment in times), f"record {wrong}"


# Annotations


def _lists(raw: bytes) -> list[bytes]:
    """The lists of annotations of a file that holds nothing else, without the one that tells the time of the record."""
    return [piece for piece in raw[int(raw[184:192]) :].split(b"\0") if piece][1:]


def _with_lists(raw: bytes, lists: Sequence[bytes], *, first: bytes = b"+0\x14\x14") -> bytes:
    """The file with other lists, its header adapted."""
    data = b"\0".join([first, *lists]) + b"\0"
    data += bytes(len(data) % 2)
    header, _ = _signal("samples", 0, b"%d" % (len(data) // 2))(raw[: int(raw[184:192])], random.Random(0))
    return header + data


def _one_list(edit: Callable[[bytes, random.Random], bytes]) -> Change:
    """Edit one of the annotations."""

    def change(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
        lists = _lists(raw)
        place = chance.randrange(1, len(lists) - 1)
        old = lists[place]
        lists[place] = edit(old, chance)
        return _with_lists(raw, [piece for piece in lists if piece]), f"{lists[place][:40]!r}"

    return change


def _text(*texts: bytes) -> Callable[[bytes, random.Random], bytes]:
    return lambda old, chance: re.sub(rb"\x14.*\x14", lambda _: b"\x14" + chance.choice(texts) + b"\x14", old)


def _onset(*onsets: bytes) -> Callable[[bytes, random.Random], bytes]:
    return lambda old, chance: re.sub(rb"^\+\d+", lambda _: chance.choice(onsets), old)


def _length(*lengths: bytes) -> Callable[[bytes, random.Random], bytes]:
    return lambda old, chance: re.sub(rb"\x15\d+", lambda _: chance.choice(lengths), old)


FLOODS = {
    "digits": lambda: [b"+" + b"1" * 500_000],
    "digits and an end": lambda: [b"+" + b"1" * 500_000 + b"\x1530\x14Sleep stage W\x14"],
    "fraction": lambda: [b"+1." + b"0" * 500_000 + b"\x1530\x14Sleep stage W\x14"],
    "open lists": lambda: [b"+1\x14" * 120_000],
    "ends": lambda: [b"+1" + b"\x14" * 500_000],
    "one text": lambda: [b"+0\x1530\x14" + b"Z" * 500_000 + b"\x14"],
    "many lists": lambda: [b"+%d\x1530\x14Sleep stage %d\x14" % (30 * i, i % 4) for i in range(20_000)],
    "many times one epoch": lambda: [b"+0\x1530\x14Sleep stage W\x14"] * 20_000,
    "many long bouts": lambda: [b"+0\x159999999990\x14Sleep stage W\x14"] * 20_000,
    "separators": lambda: [b"\x15" * 500_000],
}
"""Half a megabyte of annotations on which a careless pattern takes hours."""


def _flood(name: str) -> Change:
    return lambda raw, chance: (_with_lists(raw, FLOODS[name]()), "")


def _no_time(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
    first = chance.choice(
        [b"+0\x14W\x14", b"0\x14\x14", b"+\x14\x14", b"+0\x1530\x14\x14", b"+0\x14", b"\x14\x14", b"+nan\x14\x14"]
    )
    return _with_lists(raw, _lists(raw), first=first), repr(first)[1:]


def _padding(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
    lists = _lists(raw)
    junk = chance.choice([b"x", b"\x14", b"\0\0rest of an older file", b"+30", b"\xff" * 20])
    return _with_lists(raw, [*lists, junk]), repr(junk)[1:]


# XML


def _replaced(*pairs: tuple[bytes, bytes]) -> Change:
    """Write one thing for another, everywhere."""

    def change(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
        old, new = chance.choice(pairs)
        return raw.replace(old, new), f"{old[:30]!r} is {new[:30]!r}, {len(new)} bytes"

    return change


def _stage_text(*texts: bytes) -> Change:
    """Write something else for one stage."""

    def change(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
        spots = list(re.finditer(rb"<SleepStage>(.*?)</SleepStage>", raw))
        spot, text = chance.choice(spots), chance.choice(texts)
        return raw[: spot.start(1)] + text + raw[spot.end(1) :], repr(text[:30])[1:]

    return change


def _stage_count(change_by: int) -> Change:
    def change(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
        spot = chance.choice(list(re.finditer(rb"<SleepStage>.*?</SleepStage>", raw)))
        return raw[: spot.start()] + spot[0] * (1 + change_by) + raw[spot.end() :], f"{change_by:+d}"

    return change


def _inside(text: Callable[[], bytes]) -> Callable[[bytes], bytes]:
    """Something that is no stage, where events may stand."""
    return lambda body: body.replace(b"<ScoredEvents/>", text())


HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "entities that grow": lambda body: (
        b'<!DOCTYPE x [<!ENTITY a "00000"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>' + body.replace(b">2<", b">&b;<")
    ),
    "a file from outside": lambda body: (
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>' + body.replace(b">2<", b">&a;<")
    ),
    "a document type": lambda body: b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">' + body,
    "an unknown entity": lambda body: body.replace(b">0<", b">&zero;<", 1),
    "100,000 levels": lambda body: b"<a>" * 100_000 + b"</a>" * 100_000,
    "100,000 levels inside": _inside(lambda: b"<a>" * 100_000 + b"</a>" * 100_000),
    "open levels": lambda body: b"<a>" * 300_000,
    "an attribute of 7 MB": _inside(lambda: b'<ScoredEvents x="' + b"y" * 7_000_000 + b'"/>'),
    "a tag of 7 MB": lambda body: b"<" + b"y" * 7_000_000 + b"/>",
    "9 MB": _inside(lambda: b"<a/>" * 2_250_000),
    "two million elements": _inside(lambda: b"<a/>" * 2_000_000),
    "600,000 stages": lambda body: body.replace(b"<SleepStages>", b"<SleepStages>" + b"<SleepStage/>" * 600_000),
    "100,000 attributes": _inside(lambda: b"<ScoredEvents " + b" ".join(b'a%d=""' % i for i in range(100_000)) + b"/>"),
    "one attribute twice": _inside(lambda: b'<ScoredEvents a="1" a="2"/>'),
}
"""What XML can be made to do to its readers."""


def _hostile(name: str) -> Change:
    return lambda raw, chance: (HOSTILE[name](raw[raw.index(b"<CMPStudyConfig>") :]), "")


def _encoding(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
    name = chance.choice(
        [b"utf-16", b"utf-7", b"hex", b"rot13", b"idna", b"unicode_escape", b"shift_jis", b"", b"x" * 300]
    )
    return raw.replace(b'"utf-8"', b'"' + name + b'"'), repr(name[:20])[1:]


def _same_xml(raw: bytes, chance: random.Random) -> tuple[bytes, str]:
    """The same content in another form, which must be read."""
    forms = {
        "BOM": b"\xef\xbb\xbf" + raw,
        "UTF-16": raw.decode().replace('"utf-8"', '"utf-16"').encode("utf-16"),
        "namespace": raw.replace(b"<CMPStudyConfig>", b'<CMPStudyConfig xmlns="urn:x">'),
        "comment": raw.replace(b"<SleepStages>", b"<!-- <SleepStage>7</SleepStage> --><SleepStages>"),
        "spaces": raw.replace(b"</SleepStage>", b" </SleepStage>\r\n"),
        "attributes": raw.replace(b"<SleepStage>", b'<SleepStage x="1">'),
    }
    name = chance.choice(sorted(forms))
    return forms[name], name


BOTH = ("psg", "hypnogram")
PSG, STAGES = ("psg",), ("hypnogram",)


def _always(base: Base) -> bool:
    return True


def _never(base: Base) -> bool:
    return False


def _by_time(base: Base) -> bool:
    """Stages that are placed by time show that the time is wrong."""
    return not base.xml


def _edf_plus(base: Base) -> bool:
    return base.plus


NO_NUMBERS = (b"", b"x", b"1_0", b"0x10", b"\xb2", b"1 0", b"10\0", b"--1", b"\t9")

MUTATIONS: tuple[Mutation, ...] = (
    Mutation("bytes flipped in the header", BOTH, _flip("header"), _never),
    Mutation("bytes flipped in the data", BOTH, _flip("data"), _never),
    Mutation("bytes replaced here and there", BOTH, _scatter, _never),
    Mutation("bytes of numbers in the header", BOTH, _printable, _never),
    Mutation("bytes of a block are zeros", BOTH, _block("zeros"), _never),
    Mutation("bytes of a block are ones", BOTH, _block("ones"), _never),
    Mutation("bytes of a block are noise", BOTH, _block("noise"), _never),
    Mutation("bytes deleted", BOTH, _block("deleted"), _never),
    Mutation("bytes doubled", BOTH, _block("doubled"), _never),
    Mutation("bytes inserted", BOTH, _block("inserted"), _never),
    Mutation("bytes end early", BOTH, _cut, _always),
    Mutation("bytes added at the end", BOTH, _longer, _never),
    Mutation("bytes of something else", BOTH, _another, _always),
    # Header lies of the file
    Mutation("edf version", BOTH, _head("version", b"1", b"", b"0.0", b"\xffBIOSEMI", b"0\0\0\0\0\0\0\0"), _always),
    Mutation(
        "edf header bytes",
        BOTH,
        _head("header bytes", b"0", b"-1", b"256", b"99999999", b"1024.0", *NO_NUMBERS),
        _always,
    ),
    Mutation("edf records", BOTH, _head("records", b"0", b"-1", b"99999999", b"1e1", b"10.0", *NO_NUMBERS), _always),
    Mutation("edf records, a few", BOTH, _fewer_records, _always),
    Mutation(
        "edf duration",
        PSG,
        _head("duration", b"0", b"-30", b"nan", b"inf", b"1e9", b"1e-9", b"99999999", b"30,0", b".", *NO_NUMBERS),
        _always,
    ),
    Mutation(
        "edf duration of stages",
        STAGES,
        _head("duration", b"-1", b"nan", b"inf", b"1e300", b"99999999", *NO_NUMBERS),
        _always,
        ("plain", "plus"),
    ),
    Mutation(
        "edf duration that is another",
        PSG,
        _head("duration", b"31", b"15", b"60", b"29.5", b"10", b"7.5", b".001", b"3000"),
        _edf_plus,
        rate_lie=True,
    ),
    Mutation(
        "edf number of signals", BOTH, _head("signals", b"0", b"-1", b"9999", b"7", b"1.0", b"\xb2", b"", b"x"), _always
    ),
    Mutation(
        "edf date impossible",
        BOTH,
        _head(
            "date",
            b"32.01.99",
            b"31.02.01",
            b"00.00.00",
            b"xx.yy.zz",
            b"",
            b"1.1.1999",
            b"-1.01.01",
            b"24.04.1",
            b"\xb2\xb2.04.89",
        ),
        _always,
    ),
    Mutation(
        "edf date that is another", BOTH, _head("date", b"25.04.89", b"01.01.85", b"24.04.88", b"31.12.84"), _always
    ),
    Mutation("edf dates that are others", BOTH, _both_dates, _by_time),
    Mutation(
        "edf time impossible",
        BOTH,
        _head("time", b"24.00.00", b"25.61.61", b"xx.yy.zz", b"", b"-1.00.00", b"16.13", b"16.13.0\xb2", b"161300"),
        _always,
    ),
    Mutation(
        "edf time that is another",
        BOTH,
        _head("time", b"16.13.10", b"16.13.30", b"16.14.00", b"04.13.00", b"16.12.31", b"16.08.00", b"00.00.00"),
        _by_time,
    ),
    Mutation(
        "edf identification",
        BOTH,
        _head(
            "identification",
            b"Startdate 99-FOO-1989 X X X",
            b"Startdate 24-APR-89 X X X",
            b"Startdate 25-APR-1989 X X X",
            b"Startdate 31-FEB-1989 X X X",
            b"Startdate 24-AP\xb5-1989 X X X",
            b"Startdate \xb2\xb2-APR-1989 X X X",
        ),
        _always,
    ),
    Mutation(
        "edf identification of EDF+ gone", PSG, _head("identification", b"", b"somebody", b"Startdate"), _edf_plus
    ),
    Mutation("edf patient", BOTH, _head("patient", b"J\xf6rg\x1b[2J\n\0", b"", b"\xff" * 80), _never),
    Mutation("edf that says it has gaps", BOTH, _head("reserved", b"EDF+D"), _never, ("plus",)),
    Mutation(
        "edf that hides being EDF+",
        BOTH,
        _head("reserved", b"", b"EDG+C", b"edf+c", b" EDF+C", b"\0"),
        _always,
        ("plus",),
    ),
    Mutation("edf that says it is EDF+", PSG, _head("reserved", b"EDF+C", b"EDF+D"), _always, ("plain", "xml")),
    # Header lies of signals
    Mutation(
        "edf label",
        PSG,
        _signal(
            "label",
            0,
            b"",
            b"\xb5\xff EEG",
            b"EEG\x1b[2JFpz",
            b"EEG\nFpz-Cz",
            b"EEG Fpz-Cz\0",
            b"EDF Annotations",
            b"eeg fpz-cz",
            b"\x85\x1c\r",
            b"'\";{}%s",
        ),
        _always,
    ),
    Mutation("edf label of another", PSG, _signal("label", 1, b"", b"\xb5\xff", b"\x1b[2J", b"EOG\0", b"\n"), _never),
    Mutation("edf label twice", PSG, _signal("label", 1, b"EEG Fpz-Cz", b" EEG Fpz-Cz"), _always),
    Mutation(
        "edf label of annotations",
        STAGES,
        _signal(
            "label", 0, b"", b"EDF Annotation", b"EDF ANNOTATIONS", b"EEG Fpz-Cz", b"EDF Annotations\0", b"\xff" * 16
        ),
        _always,
        ("plain", "plus"),
    ),
    Mutation(
        "edf dimension",
        PSG,
        _signal("dimension", 0, b"degC", b"", b"%", b"kV", b"\x1b[2J", b"u V", b"uV\0", b"\xff\xff"),
        _always,
    ),
    Mutation(
        "edf dimension that is another", PSG, _signal("dimension", 0, b"mV", b"V", b"nV", b"\xb5V", b"uv"), _never
    ),
    Mutation("edf dimension of another", PSG, _signal("dimension", 1, b"degC", b"\xb5V", b"\n"), _never),
    Mutation(
        "edf physical minimum",
        PSG,
        _signal("physical minimum", 0, b"200", b"nan", b"-inf", b"1e999", b"-1e300", b"-200,5", *NO_NUMBERS),
        _always,
    ),
    Mutation(
        "edf physical maximum",
        PSG,
        _signal("physical maximum", 0, b"-200", b"nan", b"inf", b"-2e2", b"1e39", b"0x1p3", *NO_NUMBERS),
        _always,
    ),
    Mutation(
        "edf physical range that is another",
        PSG,
        _signal("physical maximum", 0, b"100", b"-300", b"2e2", b"+200.5", b".5", b"1e-9", b"1e9", b"7."),
        _never,
    ),
    Mutation(
        "edf digital minimum",
        PSG,
        _signal("digital minimum", 0, b"32767", b"99999", b"-32769", b"-1.5", b"-3e4", *NO_NUMBERS),
        _always,
    ),
    Mutation(
        "edf digital maximum",
        PSG,
        _signal("digital maximum", 0, b"-32768", b"32768", b"-99999", b"nan", b"3_767", *NO_NUMBERS),
        _always,
    ),
    Mutation(
        "edf digital range that is another", PSG, _signal("digital maximum", 0, b"2047", b"-32767", b"0", b"+1"), _never
    ),
    Mutation("edf ranges of another", PSG, _signal("digital maximum", 1, b"-32768", b"x", b"nan", b""), _never),
    Mutation(
        "edf samples",
        BOTH,
        _signal("samples", 0, b"0", b"-1", b"3001", b"1", b"99999999", b"3e3", b"3_00", *NO_NUMBERS),
        _always,
    ),
    Mutation("edf samples shared out otherwise", PSG, _rearranged, _never, rate_lie=True),
    Mutation("edf data record gone, and the header knows", PSG, _records_short, _always),
    Mutation("edf time of a data record", PSG, _onset_of_record, _always, ("plus",)),
    Mutation("edf of 9,999 signals", PSG, _many_signals, _always, ("plain",)),
    Mutation("edf of 300,000 data records", PSG, _many_records, _always, ("plus",)),
    # Annotations
    Mutation("edf list without its sign", STAGES, _one_list(lambda old, _: old[1:]), _always, ("plain", "plus")),
    Mutation("edf list without its end", STAGES, _one_list(lambda old, _: old[:-1]), _always, ("plain", "plus")),
    Mutation(
        "edf list cut",
        STAGES,
        _one_list(lambda old, chance: old[: chance.randrange(1, len(old))]),
        _always,
        ("plain", "plus"),
    ),
    Mutation("edf list gone", STAGES, _one_list(lambda old, _: b""), _always, ("plain", "plus")),
    Mutation("edf list twice", STAGES, _one_list(lambda old, _: old + b"\0" + old), _never, ("plain", "plus")),
    Mutation(
        "edf list with two texts",
        STAGES,
        _one_list(lambda old, _: old + b"Sleep stage ?\x14"),
        _always,
        ("plain", "plus"),
    ),
    Mutation(
        "edf text",
        STAGES,
        _one_list(
            _text(
                b"Sleep stage \xff",
                b"Sleep stage 2\n",
                b"",
                b"\x1b[2J\x1b[31m",
                b"Lights off",
                b"Sleep stage \xef\xbc\x92",
                b"'; DROP TABLE",
                b"\xe2\x80\xae",
            )
        ),
        _always,
        ("plain", "plus"),
    ),
    Mutation(
        "edf text that is another",
        STAGES,
        _one_list(
            _text(
                b"Sleep stage 1",
                b"Sleep stage R",
                b"Sleep stage N3",
                b"sleep stage 2 ",
                b"Sleep stage 5",
                b"Sleep\xc2\xa0stage 2",
            )
        ),
        _never,
        ("plain", "plus"),
    ),
    Mutation(
        "edf onset",
        STAGES,
        _one_list(
            _onset(
                b"+31",
                b"+1e1",
                b"+nan",
                b"+inf",
                b"+0x1e",
                b"-30",
                b"+ 30",
                b"+30.",
                b"+3_0",
                b"++30",
                b"+99999999999999999999",
                b"+" + b"9" * 400,
                b"+0.0001e5",
                b"+\xb2",
                b"+9999999990",
                b"-9999999990",
            )
        ),
        _always,
        ("plain", "plus"),
    ),
    Mutation(
        "edf length",
        STAGES,
        _one_list(
            _length(
                b"\x150",
                b"\x1520",
                b"\x15-30",
                b"\x15nan",
                b"\x15inf",
                b"\x153e1",
                b"",
                b"\x15",
                b"\x15" + b"9" * 400,
                b"\x159999999990",
                b"\x1530.5",
                b"\x15+30",
            )
        ),
        _always,
        ("plain", "plus"),
    ),
    Mutation("edf time of the record of stages", STAGES, _no_time, _always, ("plain", "plus")),
    Mutation("edf padding", STAGES, _padding, _always, ("plain", "plus")),
    *(Mutation(f"edf flood of annotations: {name}", STAGES, _flood(name), _always, ("plain",)) for name in FLOODS),
    # XML
    Mutation(
        "xml tag",
        STAGES,
        _replaced(
            (b"<SleepStage>", b"<SleepStagf>"),
            (b"SleepStages>", b"SleepStage>"),
            (b"SleepStage>", b"Stage>"),
            (b"</CMPStudyConfig>", b""),
            (b"CMPStudyConfig", b"PSGAnnotation"),
            (b"SleepStages>", b"x" * 5000 + b">"),
            (b"CMPStudyConfig", b"x" * 5000),
            (b"CMPStudyConfig", b"\xc2\x85\xe2\x80\xa8"),
        ),
        _always,
        ("xml",),
    ),
    Mutation(
        "xml length of epochs",
        STAGES,
        _replaced(
            (b">30<", b">20<"),
            (b">30<", b"><"),
            (b">30<", b">30.0<"),
            (b">30<", b">thirty<"),
            (b">30<", b">\xef\xbc\x93\xef\xbc\x90<"),
            (b">30<", b">-30<"),
            (b"<EpochLength>30</EpochLength>", b""),
            (b">30<", b">" + b"3" * 5000 + b"<"),
        ),
        _always,
        ("xml",),
    ),
    Mutation(
        "xml code",
        STAGES,
        _stage_text(
            b"7",
            b"8",
            b"10",
            b"-1",
            b"N2",
            b"",
            b"2.0",
            b"\xc2\xb2",
            b"\xef\xbc\x92",
            b"0x1",
            b"<a/>2",
            b"2" * 5000,
            b"\xe2\x80\xa8",
            b"\xc2\x9b2J",
            b"&#27;",
        ),
        _always,
        ("xml",),
    ),
    Mutation(
        "xml code that is another", STAGES, _stage_text(b"0", b"5", b"9", b"6", b" 2\n", b"&#50;"), _never, ("xml",)
    ),
    Mutation("xml stage gone", STAGES, _stage_count(-1), _always, ("xml",)),
    Mutation("xml stage twice", STAGES, _stage_count(1), _always, ("xml",)),
    Mutation("xml stage many times", STAGES, _stage_count(500), _always, ("xml",)),
    *(Mutation(f"xml with {name}", STAGES, _hostile(name), _never, ("xml",)) for name in HOSTILE),
    Mutation("xml encoding", STAGES, _encoding, _never, ("xml",)),
    Mutation("xml in another form", STAGES, _same_xml, _never, ("xml",)),
)
