"""Checksums in hexadecimal digits: of bytes, of files, and of what holds its own.

Standard library only: Snakemake itself imports this, and so does what runs in an environment for downloads alone.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from hypnolens.errors import RecordingError

OLDER = "it has no checksum: an older hypnolens wrote it, or something else"
OTHER = "{} does not have its SHA-256"

BLOCK = 1 << 20
"""Bytes that are read at a time."""

SHA256_BYTES = 32


def sha256(content: bytes | bytearray | memoryview) -> str:
    """SHA-256 of bytes."""
    return sha256_of_parts([content])


def sha256_of_parts(parts: Iterable[bytes | bytearray | memoryview]) -> str:
    """SHA-256 of parts, one after the other, of which only one at a time is looked at."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.hexdigest()


def digest_of_file(path: Path, algorithm: str = "sha256") -> str:
    """Digest of a file; by another algorithm to compare it with what its publisher gives, which proves no origin."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.new, algorithm, usedforsecurity=False)).hexdigest()


@contextmanager
def unchanged(recording: str) -> Iterator[Callable[..., str]]:
    """While a block reads files of a recording, see that what it reads is what their SHA-256 is of.

    The block is given a function. It takes files, and is called before they are read. It gives the SHA-256 of one file,
    and of several (a header and its data) that of all their SHA-256, one after the other; a file counts once. At the
    end of the block all files that it was called with are looked at again.

    Raises
    ------
    RecordingError
        At the end: a file is another than it was.
    """
    known: dict[str, tuple[Path, str]] = {}

    def sha256_of(*files: Path) -> str:
        places = {os.path.realpath(file): file for file in files}
        for place, file in places.items():
            if place not in known:
                known[place] = file, _digest_or_nothing(file)
        sums = [known[place][1] for place in places]
        return sums[0] if len(sums) == 1 else sha256("".join(sums).encode())

    yield sha256_of
    for file, before in known.values():
        if _digest_or_nothing(file) != before:
            what = f"{file.name} was changed while it was read"
            raise RecordingError(recording, what, "try again when nothing writes to it")


def _digest_or_nothing(file: Path) -> str:
    """Of a file that cannot be read there is nothing, for whoever reads it to say."""
    try:
        return digest_of_file(file) if file.is_file() else ""
    except OSError:
        return ""


def blocks(file: BinaryIO, end: int) -> Iterator[bytes]:
    """Bytes of a file from where it stands up to the place ``end``, a block at a time."""
    while block := file.read(max(0, min(BLOCK, end - file.tell()))):
        yield block


def canonical(content: Any) -> bytes:
    """What JSON says of something, in the one form of which a checksum is taken."""
    return json.dumps(json.loads(json.dumps(content)), sort_keys=True).encode()


def sealed(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Content that JSON can say, and under a key of its own the SHA-256 of the rest."""
    return {**content, key: sha256(canonical(content))}


def unsealed(content: Mapping[str, Any], key: str, *, what: str = "it") -> dict[str, Any]:
    """Content as it was before it was `sealed`; ``what`` it is begins the message.

    Raises
    ------
    ValueError
        It has no checksum, or another.
    """
    rest = dict(content)
    if key not in rest:
        raise ValueError(OLDER)
    if rest.pop(key) != sha256(canonical(rest)):
        raise ValueError(OTHER.format(what))
    return rest


def seal_file(file: BinaryIO) -> None:
    """Write the SHA-256 of a file, open to be read and written, behind all that it holds."""
    file.seek(0)
    file.write(hashlib.file_digest(file, "sha256").digest())  # type: ignore[arg-type]


def is_sealed(path: Path) -> bool:
    """Whether the last bytes of a file are the SHA-256 of all before them."""
    with path.open("rb") as file:
        found = sha256_of_parts(blocks(file, os.fstat(file.fileno()).st_size - SHA256_BYTES))
        return bytes.fromhex(found) == file.read()
