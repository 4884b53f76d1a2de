"""Files of tensors between steps: safetensors in which every tensor has its SHA-256, and so has what the header says.

safetensors has no checksum of its own. In the metadata of its header stand texts of the writer's, and beside them

- ``sha256_of``: of each tensor the SHA-256 of its type, shape and bytes, as JSON,
- ``sha256``: that of all other metadata.

So a reader who wants one tensor of many reads no other, and what is read is what was written, or refused.
"""

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import safetensors
from safetensors.numpy import save

from hypnolens.errors import DamagedError
from hypnolens.io.about import check_about
from hypnolens.io.checksums import blocks, sealed, sha256_of_parts, unsealed


def digest(tensor: np.ndarray) -> str:
    """SHA-256 of a tensor: its type, shape and bytes."""
    return sha256_of_parts([_kind(tensor), np.ascontiguousarray(tensor).data])


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
        self.texts: dict[str, str] = unsealed(file.metadata() or {}, "sha256", what="the header")
        self.sha256_of: dict[str, str] = json.loads(self.texts.pop("sha256_of"))

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
            file.seek(start)
            # From the file: what is read through the map would count as memory of the process.
            found = sha256_of_parts(chain([_kind(tensor)], blocks(file, end)))
        self._check(name, found)
        return tensor

    def _check(self, name: str, found: str) -> None:
        if found != self.sha256_of[name]:
            raise ValueError(f"'{name}' does not have its SHA-256")


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
        with safetensors.safe_open(path, framework="numpy") as file:
            found = Opened(Path(path), file)
            check_about(path, json.loads(found.texts.get("about", "{}")), wanted or {})
            yield found
    except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise DamagedError(path, error, recording=recording) from error


def _header(file: BinaryIO) -> dict[str, Any]:
    """Read a file's header up to its end; before it stands its length, and behind it the bytes of the tensors."""
    header: dict[str, Any] = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return header


def _kind(tensor: np.ndarray) -> bytes:
    return f"{tensor.dtype.str} {list(tensor.shape)}\n".encode()
