"""One way of logging for every pipeline step: into the step's own log file, errors as one line."""

import fcntl
import logging
import re
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from hypnolens.errors import HypnolensError, one_line, printable
from hypnolens.io.checksums import sha256
from hypnolens.pipeline.provenance import record
from hypnolens.terminal import say

logger = logging.getLogger("hypnolens")

FORM = "%(asctime)s %(levelname)s %(message)s"
NO_WORD = "the job ended without a word: it was killed, or the disk is full; look at Snakemake's output above"
NEVER = "the job never began: what was to start it failed; look at Snakemake's output above"

IMPORTED = time.time()
"""When Snakemake read its rules, seconds since 1970: logs that are older are of an earlier run."""


class Clean(logging.Formatter):
    """Printable lines, those of an entry after its first indented: no words from a file can pass for an entry."""

    def format(self, record: logging.LogRecord) -> str:
        """An entry of the log."""
        first, *rest = super().format(record).rstrip("\n").split("\n")
        return "\n".join([printable(first), *(f"  {printable(line)}" for line in rest)])


@contextmanager
def logged(path: str | Path, *, echo: bool = False) -> Iterator[logging.Logger]:
    """Send log messages and warnings to ``path`` while the block runs, and with ``echo`` to the terminal too.

    A :class:`HypnolensError` ends the process with status 1 and its one line as the last line of the log, without a
    traceback: the fault is in the input and the line says what to do. Any other exception is a defect of
    hypnolens, so its traceback goes to the log and the exception goes on. The log begins with what runs the step:
    versions, commit and machine.

    A step whose process outlived a killed Snakemake writes the same files as the one that is to make them anew. The
    later one waits here until the earlier has ended: one process a log.

    Raises
    ------
    SystemExit
        With status 1, after a :class:`HypnolensError`.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with _alone(Path(path)):
        handler = logging.FileHandler(path, mode="w", encoding="utf-8")
        handler.setFormatter(Clean(FORM))
        handlers: list[logging.Handler] = [handler]
        if echo:
            handlers.append(logging.StreamHandler())
            handlers[1].setFormatter(Clean())
        logging.captureWarnings(True)
        logging.raiseExceptions = False  # a log that cannot be written, as on a full disk, must not hide the reason
        sources = [logger, logging.getLogger("py.warnings")]
        for source in sources:
            source.setLevel(logging.INFO)
            for each in handlers:
                source.addHandler(each)
        try:
            logger.info("%s", ", ".join(f"{what} {of}" for what, of in record().items() if what != "time"))
            yield logger
        except HypnolensError as error:
            handler.setFormatter(Clean())
            logger.error("%s", error)
            sys.exit(1)
        except Exception as error:
            handler.setFormatter(Clean())
            logger.error("%s", traceback.format_exc())
            logger.error("unexpected %s: %s", type(error).__name__, one_line(str(error)))
            sys.excepthook = _unexpected
            raise
        finally:
            for source in sources:
                for each in handlers:
                    source.removeHandler(each)
            logging.captureWarnings(False)
            handler.close()


def _unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What Python prints of an exception that nobody caught, clean."""
    say(*"".join(traceback.format_exception(kind, error, trace)).splitlines(), file=sys.stderr)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Be the only process of a step: a lock on one byte of a file in the log's folder, as Snakemake removes the log."""
    byte = int(sha256(path.name.encode())[:14], 16)
    with (path.parent / ".running").open("ab") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except (BlockingIOError, PermissionError):
            say(f"{path}: an earlier process of this step still runs; waiting until it has ended", file=sys.stderr)
            fcntl.lockf(file, fcntl.LOCK_EX, 1, byte)
        except OSError:
            pass  # a file system without locks
        yield


def failures(*snakemake_logs: str | Path, since: float = IMPORTED) -> list[str]:
    """Last lines of the logs of all jobs that failed in a Snakemake run.

    Parameters
    ----------
    snakemake_logs
        Snakemake's own log files of the run, in which each failed job names its log.
    since
        When the run began, seconds since 1970.
    """
    marker = " (check log file(s) for error details)"
    texts = (Path(path).read_text(encoding="utf-8", errors="replace") for path in snakemake_logs)
    lines = [line for text in texts for line in text.splitlines()]
    logs = [line.strip().removeprefix("log: ").removesuffix(marker) for line in lines if line.endswith(marker)]
    last = [_last_words(Path(log), since) for log in dict.fromkeys(logs)]
    # A reason below what has none, as the last line is what people read.
    return sorted(dict.fromkeys(last), key=lambda line: not line.endswith((NO_WORD, NEVER)))


def _last_words(log: Path, since: float) -> str:
    # A job that could not be submitted leaves the log of the one before it in its place.
    if not log.is_file() or log.stat().st_mtime < since:
        return f"{log}: {NEVER}"
    return reason(log) or f"{log}: {NO_WORD}"


def reason(log: Path) -> str:
    """Last line of the log of a step that ended with an error; of any other, or if there is no log, nothing."""
    text = ""
    with suppress(OSError):
        text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    last = next((line for line in reversed(text.split("\n")) if line.strip()), "")
    # What has a time was said on the way, and what is indented belongs to a library's warning.
    return "" if re.match(r"\s|\d{4}-\d\d-\d\d [\d:,]+ [A-Z]+ ", last) else last
