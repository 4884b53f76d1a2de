"""Files of tensors between steps: safetensors in which every tensor has its SHA-256, and so has what the header says.

safetensors has no checksum of its own. In the metadata of its header stand texts of the writer's, and beside them

- ``sha256_of``: of each tensor the SHA-256 of its type, shape and bytes, as JSON,
- ``sha256``: that of all other metadata.

So a reader who wants one tensor of many reads no other, and what is read is what was written, or refused.
"""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import safetensors
from safetensors.numpy import save

from hypnolens.errors import DamagedError

OLDER = "it has no checksum: an older hypnolens wrote it"

BLOCK = 1 << 20
"""Bytes that are read at a time to be compared. Through a map they would count as memory of the process."""


def digest(tensor: np.ndarray) -> str:
    """SHA-256 of a tensor: its type, shape and bytes."""
    found = _begun(tensor.dtype, tensor.shape)
    found.update(np.ascontiguousarray(tensor).data)
    return found.hexdigest()


def write_tensors(tensors: Mapping[str, np.ndarray], texts: Mapping[str, str], path: Path) -> None:
    """Write tensors, texts and their checksums; the same give the same bytes."""
    whole = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    metadata = {**texts, "sha256_of": json.dumps({name: digest(tensor) for name, tensor in whole.items()})}
    content = io.BytesIO(save(whole, {**metadata, "sha256": _of_texts(metadata)}))
    # safetensors has the texts in any order, and its files are their owner's alone: header and file are written here.
    header = json.dumps(_header(content), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    with Path(path).open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.write(content.getbuffer()[content.tell() :])


class Opened:
    """An opened file of `write_tensors`, whose header was compared with its checksum.

    Attributes
    ----------
    texts
        What was written beside the tensors.
    sha256_of
        `digest` of each tensor, by name.
    """

    def __init__(self, path: Path, file: Any) -> None:
        self._path, self._file = path, file
        metadata = dict(file.metadata() or {})
        if "sha256" not in metadata:
            raise ValueError(OLDER)
        if metadata.pop("sha256") != _of_texts(metadata):
            raise ValueError("the header does not have its SHA-256")
        self.sha256_of: dict[str, str] = json.loads(metadata.pop("sha256_of"))
        self.texts: dict[str, str] = metadata

    def __getitem__(self, name: str) -> np.ndarray:
        """A tensor, compared with its checksum."""
        tensor: np.ndarray = self._file.get_tensor(name)
        self._check(name, digest(tensor))
        return tensor

    def mapped(self, name: str, dtype: type[np.generic]) -> np.ndarray:
        """A tensor, compared with its checksum, that stays in its file, read-only, until rows of it are asked for."""
        with self._path.open("rb") as file:
            entry = _header(file)[name]
            start, end = (file.tell() + place for place in entry["data_offsets"])
            tensor = np.memmap(self._path, dtype, "r", start, tuple(entry["shape"]))
            found = _begun(tensor.dtype, tensor.shape)
            file.seek(start)
            while block := file.read(min(BLOCK, end - file.tell())):
                found.update(block)
        self._check(name, found.hexdigest())
        return tensor

    def _check(self, name: str, found: str) -> None:
        if found != self.sha256_of[name]:
            raise ValueError(f"'{name}' does not have its SHA-256")


@contextmanager
def opened(path: Path, *, recording: str | None = None) -> Iterator[Opened]:
    """Open a file of `write_tensors`, of one recording or of several, while a block reads it as numpy arrays.

    Raises
    ------
    DamagedError
        It is damaged, without checksums, or lacks what the block looks for.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            yield Opened(Path(path), file)
    except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise DamagedError(path, error, recording=recording) from error


def _header(file: BinaryIO) -> dict[str, Any]:
    """Read a file's header up to its end; before it stands its length, and behind it the bytes of the tensors."""
    header: dict[str, Any] = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return header


def _begun(dtype: np.dtype, shape: tuple[int, ...]) -> Any:
    return hashlib.sha256(f"{dtype.str} {list(shape)}\n".encode())


def _of_texts(texts: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()
