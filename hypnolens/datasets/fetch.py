"""Files from servers: tried again where a server misbehaves, verified before they get their name.

What may be secret in an address goes to the server and nowhere else: no text of an exception of the HTTP library, which
would name the address, and no page that a server sends in place of a file is ever written.

urllib3's `Retry` cannot try again for us: it ends where a body begins, and so would ask again for no file that stalls,
breaks off or has other bytes. It also does not wait before the second try, and writes addresses to the log.
"""

import csv
import logging
import math
import os
import random
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import NewConnectionError, ReadTimeoutError

from hypnolens.errors import RecordingError
from hypnolens.io.checksums import digest_of_file
from hypnolens.io.tables import read_rows, write_rows

logger = logging.getLogger(__name__)

T = TypeVar("T")

CONNECT_S = 20
CHUNK = 1024
"""Bytes between two looks at a server's speed."""
SLOWEST = 1000
"""Bytes a second, on average over a few time-outs; a server that sends fewer has stalled."""
WORTH_WAITING = {408, 425, 429}
"""Answers of the 400s that may pass; the others will not change."""
COLUMNS = ("file", "address", "checksum", "bytes")


class Address(NamedTuple):
    """Where a file is: as it may be shown, and as the server is asked, which may hold a secret."""

    shown: str
    url: str


class Patience(NamedTuple):
    """Tries at each address, seconds before the second one (doubled before each later one), seconds without a byte."""

    attempts: int
    wait_s: float
    timeout_s: float

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Patience":
        """From the ``download`` section of the configuration."""
        return cls(*(options[key] for key in cls._fields))


class _Failure(Exception):
    """Why a try failed, in words that may be written; ``lasts`` times in a row the same words are how it is."""

    def __init__(self, words: str, lasts: float = math.inf) -> None:
        super().__init__(words)
        self.lasts = lasts


def fetch_files(
    files: Mapping[str, str],
    addresses: Mapping[str, Sequence[Address]],
    targets: Mapping[str, Path],
    source: Path,
    *,
    recording: str,
    remedy: str,
    patience: Patience,
) -> None:
    """Fetch the files of a recording that are not there and right; each gets its final name when all are verified.

    Until then they lie in a hidden folder beside it, where a later call finds them: a failure loses one file.

    Parameters
    ----------
    files
        Checksum of each file by name, such as ``sha1:adab…`` or ``md5:…``.
    addresses, targets
        Where each file is, in order of preference, and its final path.
    source
        Table to write: from where each file came, its checksum and its size.
    recording, remedy, patience
        For the error message; how often and how long to try.

    Raises
    ------
    RecordingError
        A file cannot be had from any address, or cannot be written.
    """
    waiting = source.parent / f".{recording}.partial"
    record = waiting / "source.tsv"
    try:
        waiting.mkdir(parents=True, exist_ok=True)
        rows = _rows(record) | _rows(source)
        for name, checksum in files.items():
            here = next(
                (path for path in (targets[name], waiting / name) if _checksum(path, checksum) == checksum), None
            )
            if here:
                logger.info("%s is here and verified", here)
                fetched = rows.get(name, {}).get("address") or "not recorded"
            else:
                here = waiting / name
                fetched = _fetch(here, checksum, addresses[name], patience)
            size = str(here.stat().st_size)
            rows[name] = {"file": name, "address": fetched, "checksum": checksum, "bytes": size}
            write_rows(record, COLUMNS, [rows[name] for name in files if name in rows])
        for name, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            if (waiting / name).is_file():
                (waiting / name).replace(target)
        record.replace(source)
        shutil.rmtree(waiting)
    except _Failure as failure:
        raise RecordingError(recording, str(failure), remedy) from None
    except OSError as error:
        what = f"{' and '.join(files)} cannot be written below {source.parent} ({error.strerror})"
        raise RecordingError(recording, what, "make room or give yourself permission there, and run again") from None


def get_json(address: str, *, name: str, remedy: str, patience: Patience) -> Any:
    """Decoded JSON of a public address.

    Raises
    ------
    RecordingError
        It cannot be had, or is no JSON; ``name`` begins the message.
    """
    try:
        return _tried(lambda: _get(address, patience.timeout_s).json(), address, Address(address, address), patience)
    except _Failure as failure:
        raise RecordingError(name, f"{address} {failure}", remedy) from None


def _fetch(path: Path, checksum: str, addresses: Sequence[Address], patience: Patience) -> str:
    """Fetch one file; returns the first address that has it right, as it may be shown."""
    reasons = []
    for address in addresses:
        host = urlsplit(address.shown).netloc
        download = partial(_download, path, checksum, address, patience.timeout_s)
        try:
            _tried(download, f"{path.name}: {host}", address, patience)
            return address.shown
        except _Failure as failure:
            reasons.append(f"{host} {failure}")
    raise _Failure(f"{path.name} could not be fetched: {', '.join(reasons)}")


def _get(url: str, timeout_s: float) -> requests.Response:
    response = requests.get(url, stream=True, timeout=(CONNECT_S, timeout_s))
    response.raise_for_status()
    return response


def _tried(call: Callable[[], T], what: str, address: Address, patience: Patience) -> T:
    """Call until a try succeeds; raise `_Failure` when there is none left, or another would fail in the same way."""
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)  # its warnings name addresses
    words, times = "", 0
    for number in range(1, patience.attempts + 1):
        try:
            return call()
        except Exception as error:
            failure = _worded(error, address, patience.timeout_s)
        times = times + 1 if str(failure) == words else 1
        words = str(failure)
        logger.warning("%s %s (try %d of %d)", what, words, number, patience.attempts)
        if times >= failure.lasts or number == patience.attempts:
            break
        # Jobs that failed together must not come back together.
        time.sleep(patience.wait_s * 2 ** (number - 1) * random.uniform(0.7, 1.3))
    raise failure


def _download(path: Path, checksum: str, address: Address, timeout_s: float) -> None:
    """Download a file beside its path, where it lies when it is verified and on the disk."""
    name, host = path.name, urlsplit(address.shown).netloc
    part = path.with_name(f"{name}.part")
    begun = said = now = time.monotonic()
    done = 0
    try:
        with _get(address.url, timeout_s) as response, part.open("wb") as file:
            if "html" in response.headers.get("content-type", ""):
                raise _Failure(f"sent a web page in place of the file{_about_token(address)}", lasts=1)
            total = int(response.headers.get("content-length", 0))
            for chunk in response.iter_content(CHUNK):
                done += file.write(chunk)
                now = time.monotonic()
                if now - begun > 5 * timeout_s and done < SLOWEST * (now - begun):
                    raise _Failure(f"sent less than {SLOWEST} bytes a second")
                if now - said > 10:
                    said = now
                    logger.info(
                        "%s: %.1f of %.1f MB in %.0f s from %s", name, done / 1e6, total / 1e6, now - begun, host
                    )
            file.flush()
            os.fsync(file.fileno())  # on the disk before it has a name that is believed
        if (found := _checksum(part, checksum)) != checksum:
            raise _Failure(f"sent other bytes ({found}, expected {checksum})", lasts=2)
        part.replace(path)
        logger.info("%s: %.1f MB verified in %.1f s from %s", name, done / 1e6, now - begun, host)
    finally:
        part.unlink(missing_ok=True)  # a secret may stand in it, and what it holds is room for the log


def _worded(error: Exception, address: Address, timeout_s: float) -> _Failure:
    """Put what a try raised into words without addresses; what the system says of the disk is raised again."""
    cause = next(iter(error.args), None)
    match error, getattr(cause, "reason", cause):
        case _Failure(), _:
            return error
        case requests.HTTPError(), _:
            status = error.response.status_code
            words = f"answered {status}{_about_token(address) if status in (401, 403) else ''}"
            return _Failure(words, math.inf if status >= 500 or status in WORTH_WAITING else 1)
        case requests.ConnectTimeout(), _:
            return _Failure(f"did not accept a connection within {CONNECT_S} s", lasts=2)
        case (requests.Timeout(), _) | (requests.ConnectionError(), ReadTimeoutError()):
            return _Failure(f"was silent for {timeout_s:g} s")
        case requests.ConnectionError(), NewConnectionError():
            return _Failure("could not be reached", lasts=2)
        case requests.exceptions.SSLError(), _ if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return _Failure("has a certificate that is not trusted (behind a proxy, set REQUESTS_CA_BUNDLE)", lasts=1)
        case ((requests.ConnectionError() | ConnectionError() | TimeoutError()), _):
            return _Failure("closed the connection")
        case requests.exceptions.ChunkedEncodingError(), _:
            return _Failure("broke off in the middle of the file")
        case requests.exceptions.JSONDecodeError(), _:
            return _Failure("answered something that is no JSON")
        case OSError(errno=int()), _ if not isinstance(error, requests.RequestException):
            raise error
    # An OSError without a number is not the system's: a bundle of certificates that is not there, for example.
    return _Failure(f"failed ({type(error).__name__})", lasts=1)


def _rows(table: Path) -> dict[str, dict[str, str]]:
    """What a table of an earlier download says of each file; nothing if it is damaged."""
    try:
        return {row["file"]: row for row in read_rows(table)}
    except (OSError, KeyError, ValueError, csv.Error):
        return {}


def _checksum(path: Path, like: str) -> str:
    """Checksum of a file by the algorithm of another checksum; empty if there is no file."""
    algorithm = like.partition(":")[0]
    return f"{algorithm}:{digest_of_file(path, algorithm)}" if path.is_file() else ""


def _about_token(address: Address) -> str:
    return ": the token is wrong, expired, or gives no access to this dataset" if address.url != address.shown else ""
