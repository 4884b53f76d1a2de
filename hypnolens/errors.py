"""Errors that a user can act on. Each is one printable line: whom it concerns, what is wrong, what to do."""

import shlex
from collections.abc import Callable
from pathlib import Path

TABLES = ("config", "tables")
"""Folder of the tables that come with hypnolens, which no step makes."""

LONGEST = 300
"""Characters that are told of what a library says."""


def printable(text: str) -> str:
    """A text in which control characters and other invisible ones are escapes, such as ``\\x1b``.

    Words out of files may hold what a terminal obeys, what ends a line, and what turns the direction of reading.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else _visible(c) for c in text)


def one_line(text: str) -> str:
    """A text on one line of printable characters."""
    return printable(" ".join(text.split()))


def quoted(text: str, most: int = 100) -> str:
    """The beginning of a text out of a file, in quotes, on one line whatever is in it."""
    return repr(text if len(text) <= most else f"{text[:most]}…")


def again(path: str | Path) -> str:
    """What to do about a file between steps that is damaged or gone: a command that makes it whatever is there."""
    if Path(path).parts[-3:-1] == TABLES:
        return "take it anew from hypnolens, with which it came"
    return f"make it again with `snakemake --force {shlex.quote(str(path))}` and the options of this run"


class HypnolensError(Exception):
    """Base of every error that is the input's fault rather than the program's."""

    def __init__(self, line: str) -> None:
        super().__init__(one_line(line))

    def __reduce__(self) -> tuple[Callable[..., "HypnolensError"], tuple[type, str]]:
        """Let it come out of another process as it went in: kinds differ in what they are made of."""
        return _as_it_was, (type(self), str(self))


def _as_it_was(kind: type[HypnolensError], line: str) -> HypnolensError:
    return kind.__new__(kind, line)


class RecordingError(HypnolensError):
    """A recording (or one of its files) cannot be used."""

    def __init__(self, recording: str, what: str, remedy: str) -> None:
        super().__init__(f"{recording}: {what}; {remedy}")


class DatasetError(RecordingError):
    """A dataset as a whole cannot be used, for example because it has too few subjects."""


class ConfigurationError(HypnolensError):
    """The configuration asks for something that does not exist or does not fit."""

    def __init__(self, what: str) -> None:
        super().__init__(f"configuration: {what}")


class DamagedError(HypnolensError, ValueError):
    """A file that one step wrote and another reads is damaged, is of an older hypnolens, or is gone.

    A `ValueError` too, as what parses such files raises: who looks for that finds both.

    Parameters
    ----------
    path
        The file.
    reason
        What was found, or the exception that it led to.
    recording
        The recording whose file it is, where it is of one.
    """

    def __init__(self, path: str | Path, reason: str | BaseException, *, recording: str | None = None) -> None:
        what = f"{path}: damaged ({_words(reason)})"
        if recording is not None:
            gone = isinstance(reason, FileNotFoundError)
            what = f"{recording}: {path} " + ("does not exist" if gone else f"is damaged ({_words(reason)})")
        super().__init__(f"{what}; {again(path)}")


class OtherError(HypnolensError):
    """A file that one step wrote and another reads is whole, but not that which belongs in its place.

    Parameters
    ----------
    path
        The file.
    what
        What is wrong, as the end of a sentence about it.
    """

    def __init__(self, path: str | Path, what: str) -> None:
        super().__init__(f"{path}: {what}; {again(path)}")


def _visible(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _words(reason: str | BaseException) -> str:
    if isinstance(reason, FileNotFoundError):
        return "there is no such file"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    if isinstance(reason, KeyError):
        return f"it has no {reason}"
    words = one_line(str(reason)) or type(reason).__name__
    return words if len(words) <= LONGEST else f"{words[:LONGEST]} …"
