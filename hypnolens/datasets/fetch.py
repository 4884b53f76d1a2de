"""Files from servers: tried again where a server misbehaves, verified before they get their name.

What may be secret in an address goes to the server and nowhere else: no text of an exception of the HTTP library, which
would name the address, and no page that a server sends in place of a file is ever written.
"""

import csv
import logging
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pooch
import requests
import urllib3

from hypnolens.errors import RecordingError
from hypnolens.io.tables import read_rows, write_rows

logger = logging.getLogger(__name__)

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

    def tries(self) -> Iterator[int]:
        """Count tries from 1, waiting longer before each later one."""
        for number in range(1, self.attempts + 1):
            if number > 1:
                # Jobs that failed together must not come back together.
                time.sleep(self.wait_s * 2 ** (number - 2) * random.uniform(0.7, 1.3))
            yield number


class _Failure(Exception):
    """Why a try failed, in words that may be written, and whether another try would fail in the same way."""

    def __init__(self, words: str, *, for_good: bool = False) -> None:
        super().__init__(words)
        self.for_good = for_good


class _Stubborn(_Failure):
    """What may be an accident once, and the same twice is how it is: other bytes, or nobody there."""


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
    """Fetch the files of a recording; each gets its final name when all are there and verified.

    Until then they lie in a hidden folder beside it, where a later call finds what was verified, so that
    a failure loses no more than the file that was being fetched. A file that has its final name and is verified is left
    as it is.

    Parameters
    ----------
    files
        Checksum of each file by name, such as ``sha1:adab…`` or ``md5:…``.
    addresses, targets
        Where each file is, in order of preference, and its final path.
    source
        Table to write: from where each file came, its checksum and its size.
    recording, remedy
        For the error message.
    patience
        How often and how long to try.

    Raises
    ------
    RecordingError
        A file cannot be had from any address, or cannot be written.
    """
    waiting = source.parent / f".{recording}.partial"
    record = waiting / "source.tsv"
    part = None
    try:
        waiting.mkdir(parents=True, exist_ok=True)
        rows = _rows(record) | _rows(source)
        for name, checksum in files.items():
            here = next((path for path in (targets[name], waiting / name) if _is(path, checksum)), None)
            if here:
                logger.info("%s is here and verified", here)
                fetched = rows.get(name, {}).get("address") or "not recorded"
                size = here.stat().st_size
            else:
                part = waiting / f"{name}.part"
                fetched = _fetch(part, checksum, addresses[name], recording=recording, remedy=remedy, patience=patience)
                with part.open("rb") as file:
                    os.fsync(file.fileno())  # on the disk before it has a name that is believed
                    size = os.fstat(file.fileno()).st_size
                part.replace(waiting / name)
            rows[name] = {"file": name, "address": fetched, "checksum": checksum, "bytes": str(size)}
            write_rows(record, COLUMNS, [rows[name] for name in files if name in rows])
        for name, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            if (waiting / name).is_file():
                (waiting / name).replace(target)
        record.replace(source)
        shutil.rmtree(waiting)
    except OSError as error:
        if part:
            part.unlink(missing_ok=True)  # what it holds is room for the log, at least
        what = f"{' and '.join(files)} cannot be written below {source.parent} ({error.strerror})"
        raise RecordingError(recording, what, "make room or give yourself permission there, and run again") from None


def get_json(address: str, *, name: str, remedy: str, patience: Patience) -> Any:
    """Decoded JSON of a public address.

    Raises
    ------
    RecordingError
        It cannot be had, or is no JSON; ``name`` begins the message.
    """

    def get() -> Any:
        response = requests.get(address, timeout=(CONNECT_S, patience.timeout_s))
        response.raise_for_status()
        return response.json()

    words = ""
    for number in patience.tries():
        try:
            return _worded(get, Address(address, address), patience.timeout_s)
        except _Failure as failure:
            before, words = words, str(failure)
            logger.warning("%s %s (try %d of %d)", address, words, number, patience.attempts)
            if failure.for_good or (isinstance(failure, _Stubborn) and words == before):
                break
    raise RecordingError(name, f"{address} {words}", remedy)


def _fetch(
    part: Path, checksum: str, addresses: Sequence[Address], *, recording: str, remedy: str, patience: Patience
) -> str:
    """Fetch one file to ``part``; returns the first address that has it right, as it may be shown."""
    name = part.name.removesuffix(".part")
    reasons = []
    for address in addresses:
        host = urlsplit(address.shown).netloc
        words = ""
        for number in patience.tries():
            try:
                _worded(partial(_download, address, part, checksum, patience.timeout_s), address, patience.timeout_s)
                return address.shown
            except _Failure as failure:
                part.unlink(missing_ok=True)
                before, words = words, f"{host} {failure}"
                logger.warning("%s: %s (try %d of %d)", name, words, number, patience.attempts)
                if failure.for_good or (isinstance(failure, _Stubborn) and words == before):
                    break
        reasons.append(words)
    raise RecordingError(recording, f"{name} could not be fetched: {', '.join(reasons)}", remedy)


def _download(address: Address, part: Path, checksum: str, timeout_s: float) -> None:
    def look(response: requests.Response, **_: Any) -> None:
        """Refuse a page that is sent in place of a file before a byte of it is written."""
        if response.ok and not response.is_redirect and "html" in response.headers.get("content-type", ""):
            raise _Failure(f"sent a web page in place of the file{_about_token(address)}", for_good=True)

    progress = _Progress(part.name.removesuffix(".part"), urlsplit(address.shown).netloc, 5 * timeout_s)
    download = pooch.HTTPDownloader(
        timeout=(CONNECT_S, timeout_s), chunk_size=CHUNK, progressbar=progress, hooks={"response": look}
    )
    download(address.url, str(part), None)
    found = _checksum(part, checksum)
    if found != checksum:
        raise _Stubborn(f"sent other bytes ({found}, expected {checksum})")
    progress.say("verified")


def _worded(call: Callable[[], Any], address: Address, timeout_s: float) -> Any:
    """Call, and turn whatever the HTTP library raises into words without addresses."""
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)  # its warnings name addresses
    try:
        return call()
    except _Failure:
        raise
    except requests.HTTPError as error:
        status = error.response.status_code
        for_good = status < 500 and status not in WORTH_WAITING
        about = _about_token(address) if status in (401, 403) else ""
        raise _Failure(f"answered {status}{about}", for_good=for_good) from None
    except requests.ConnectTimeout:
        raise _Stubborn(f"did not accept a connection within {CONNECT_S} s") from None
    except requests.Timeout:
        raise _Failure(f"was silent for {timeout_s:g} s") from None
    except requests.exceptions.SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            words = "has a certificate that is not trusted (behind a proxy, set REQUESTS_CA_BUNDLE)"
            raise _Failure(words, for_good=True) from None
        raise _Failure("closed the connection") from None
    except requests.exceptions.JSONDecodeError:
        raise _Failure("answered something that is no JSON") from None
    except (ConnectionError, TimeoutError, requests.ConnectionError) as error:
        causes = [*error.args, *(getattr(cause, "reason", None) for cause in error.args)]
        if any(isinstance(cause, urllib3.exceptions.NewConnectionError) for cause in causes):
            raise _Stubborn("could not be reached") from None
        stalled = any(isinstance(cause, urllib3.exceptions.ReadTimeoutError) for cause in causes)
        raise _Failure(f"was silent for {timeout_s:g} s" if stalled else "closed the connection") from None
    except requests.exceptions.ChunkedEncodingError:
        raise _Failure("broke off in the middle of the file") from None
    except requests.RequestException as error:
        raise _Failure(f"failed ({type(error).__name__})", for_good=True) from None
    except OSError as error:
        if error.errno is None:  # not the system's, but for example a bundle of certificates that is not there
            raise _Failure(f"failed ({type(error).__name__})", for_good=True) from None
        raise
    except Exception as error:  # its words might name the address
        raise _Failure(f"failed ({type(error).__name__})", for_good=True) from None


def _rows(table: Path) -> dict[str, dict[str, str]]:
    """What a table of an earlier download says of each file; nothing if it is damaged."""
    try:
        return {row["file"]: row for row in read_rows(table)}
    except (OSError, KeyError, ValueError, csv.Error):
        return {}


def _is(path: Path, checksum: str) -> bool:
    return path.is_file() and _checksum(path, checksum) == checksum


def _checksum(path: Path, like: str) -> str:
    algorithm = like.split(":", 1)[0]
    return f"{algorithm}:{pooch.file_hash(str(path), alg=algorithm)}"


def _about_token(address: Address) -> str:
    return ": the token is wrong, expired, or gives no access to this dataset" if address.url != address.shown else ""


class _Progress:
    """What pooch asks of a progress bar: a line every ten seconds, and the end of a server that all but stalls."""

    def __init__(self, name: str, host: str, patience_s: float) -> None:
        self.name, self.host, self.patience_s = name, host, patience_s
        self.total, self.done = 0, 0
        self.begun = self.said = time.monotonic()

    def update(self, n: int) -> None:
        self.done += n
        now = time.monotonic()
        if now - self.begun > self.patience_s and self.done < SLOWEST * (now - self.begun):
            raise _Failure(f"sent less than {SLOWEST} bytes a second")
        if now - self.said > 10:
            self.said = now
            self.say("so far")

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        pass

    def say(self, how: str) -> None:
        done = min(self.done, self.total) if self.total else self.done
        seconds = max(time.monotonic() - self.begun, 1e-3)
        logger.info(
            "%s: %.1f of %.1f MB %s, %.1f MB/s, from %s",
            self.name, done / 1e6, self.total / 1e6, how, done / 1e6 / seconds, self.host,
        )  # fmt: skip
