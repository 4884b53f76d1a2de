"""Files of tensors between steps: safetensors in which every tensor has its SHA-256, and so has what the header says.

safetensors has no checksum of its own. In the metadata of its header stand texts of the writer's, and beside them

- ``sha256_of``: of each tensor the SHA-256 of its type, shape and bytes, as JSON,
- ``sha256``: that of all other metadata.

So a reader who wants one tensor of many reads no other, and what is read is what was written, or refused.

Files are read and never mapped: whoever touches a map whose file has become shorter is killed without a word.
"""

import io
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
from safetensors.numpy import save

from hypnolens.errors import DamagedError
from hypnolens.io.about import check_about
from hypnolens.io.checksums import OTHER, blocks, sealed, sha256_of_parts, unsealed

DTYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8",
    "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
"""Types of safetensors, as NumPy calls them."""

LONGEST_HEADER = 100_000_000
"""Bytes that safetensors allows a header."""


def digest(tensor: np.ndarray) -> str:
    """SHA-256 of a tensor: its type, shape and bytes."""
    return sha256_of_parts([_kind(tensor.dtype, tensor.shape), np.ascontiguousarray(tensor).data])


def write_tensors(
    tensors: Mapping[str, np.ndarray], texts: Mapping[str, str], path: Path, about: Mapping[str, Any] | None = None
) -> None:
    """Write tensors, texts, what they are of, and their checksums; the same give the same bytes."""
    texts = {**texts, "about": json.dumps(about)} if about else texts
    whole = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    metadata = {**texts, "sha256_of": json.dumps({name: digest(tensor) for name, tensor in whole.items()})}
    content = io.BytesIO(save(whole, sealed(metadata, "sha256")))
    # safetensors has the texts in any order, and its files are their owner's alone: header and file are written here.
    header = json.dumps(_header(content), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    with Path(path).open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.write(content.getbuffer()[content.tell() :])


class _Place(NamedTuple):
    """Where a tensor lies in its file, from one byte to before another, and what it is."""

    begin: int
    end: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def kind(self) -> bytes:
        return _kind(self.dtype, self.shape)


class Opened:
    """An opened file of `write_tensors`, whose header was compared with its checksum.

    Attributes
    ----------
    texts
        What was written beside the tensors.
    sha256_of
        `digest` of each tensor, by name.
    """

    def __init__(self, path: Path, file: io.BufferedReader) -> None:
        self._path, self._file = path, file
        size = os.fstat(file.fileno()).st_size
        if int.from_bytes(file.read(8), "little") > min(size, LONGEST_HEADER):
            raise ValueError("it ends within its header")
        file.seek(0)
        header = _header(file)
        self.texts: dict[str, str] = unsealed(header.pop("__metadata__", {}), "sha256", what="the header")
        self.sha256_of: dict[str, str] = json.loads(self.texts.pop("sha256_of"))
        self._places = {name: _place(entry, file.tell(), size) for name, entry in header.items()}
        if size != max((place.end for place in self._places.values()), default=file.tell()):
            raise ValueError("it does not end where its header says")

    def __getitem__(self, name: str) -> np.ndarray:
        """A tensor, compared with its checksum."""
        place = self._places[name]
        content = bytearray(place.end - place.begin)
        self._file.seek(place.begin)
        if self._file.readinto(content) != len(content):
            raise ValueError("it became shorter while it was read")
        if sha256_of_parts([place.kind(), content]) != self.sha256_of[name]:
            raise ValueError(OTHER.format(f"'{name}'"))
        return np.frombuffer(content, place.dtype).reshape(place.shape)

    def stored(self, name: str) -> np.ndarray:
        """A tensor, compared with its checksum, that stays in its file until rows of it are asked for: a `Stored`."""
        return cast(np.ndarray, Stored(self._path, name, self._places[name], self.sha256_of[name]))


class Stored:
    """A tensor in a file, of which rows are read when they are asked for, where an array is read-only.

    The file is not kept open, as a training may have thousands of them. Where it was written to in between, the tensor
    is compared with its checksum once more.

    Raises
    ------
    DamagedError
        When rows are asked for: the file is gone, or holds something else by now.
    """

    def __init__(self, path: Path, name: str, place: _Place, sha256: str) -> None:
        self.dtype, self.shape, self.nbytes = place.dtype, place.shape, place.end - place.begin
        self._path, self._name, self._place, self._sha256 = path, name, place, sha256
        with path.open("rb") as file:
            self._check(file)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Rows by number, an array of them, or a slice."""
        wanted = np.arange(len(self))[rows]
        width = self.nbytes // max(len(self), 1)
        try:
            with self._path.open("rb", buffering=0) as file:
                if _stamp(file) != self._stamp:
                    self._check(file)
                places = self._place.begin + width * wanted.ravel()
                content = b"".join(os.pread(file.fileno(), width, place) for place in places.tolist())
            return np.frombuffer(content, self.dtype).reshape(*wanted.shape, *self.shape[1:])
        except (OSError, ValueError) as error:
            raise DamagedError(self._path, error) from error

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.astype(dtype or self.dtype)

    def astype(self, dtype: Any) -> np.ndarray:
        """All rows as an array."""
        return self[:].astype(dtype)

    def _check(self, file: Any) -> None:
        self._stamp = _stamp(file)
        file.seek(self._place.begin)
        if sha256_of_parts(chain([self._place.kind()], blocks(file, self._place.end))) != self._sha256:
            raise ValueError(OTHER.format(f"'{self._name}'"))


@contextmanager
def opened(path: Path, *, recording: str | None = None, wanted: Mapping[str, Any] | None = None) -> Iterator[Opened]:
    """Open a file of `write_tensors`, of one recording or of several, while a block reads it as numpy arrays.

    Raises
    ------
    DamagedError
        It is damaged, without checksums, or lacks what the block looks for.
    OtherError
        It is not of what is ``wanted``, see `hypnolens.io.about`.
    """
    try:
        with Path(path).open("rb") as file:
            found = Opened(Path(path), file)
            check_about(path, json.loads(found.texts.get("about", "{}")), wanted or {})
            yield found
    except DamagedError:
        raise
    except (OSError, KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
        raise DamagedError(path, error, recording=recording) from error


def _header(file: BinaryIO) -> dict[str, Any]:
    """Read a file's header up to its end; before it stands its length, and behind it the bytes of the tensors."""
    header: dict[str, Any] = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return header


def _place(entry: Mapping[str, Any], origin: int, size: int) -> _Place:
    """Where a tensor lies, by its entry in the header, in a file of so many bytes whose tensors begin at ``origin``."""
    begin, end = (origin + offset for offset in entry["data_offsets"])
    dtype, shape = np.dtype(DTYPES[entry["dtype"]]), tuple(entry["shape"])
    if not origin <= begin <= end <= size or math.prod(shape, start=dtype.itemsize) != end - begin:
        raise ValueError("a tensor lies outside of the file, or is not as long as its shape says")
    return _Place(begin, end, dtype, shape)


def _stamp(file: io.IOBase) -> tuple[int, ...]:
    """What is another where a file was replaced or written to."""
    found = os.fstat(file.fileno())
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _kind(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    return f"{dtype.str} {list(shape)}\n".encode()
