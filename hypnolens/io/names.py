"""Names that a run can use, and numbers in names and in cells of tables. Imported by the Snakefile."""

import re
from collections.abc import Iterable
from pathlib import Path

from hypnolens.errors import ConfigurationError, quoted

DIGITS = re.compile("[0-9]{1,9}")
"""Whole numbers in names and tables. `str.isdigit` also takes '²' and digits of other scripts, and `int` refuses
thousands of digits."""


def check_braces(where: str, paths: Iterable[Path | None]) -> None:
    """Refuse paths of files that are there already and have braces in them, which Snakemake takes for wildcards.

    Raises
    ------
    ConfigurationError
        It says ``where`` in the configuration they come from.
    """
    if odd := next((str(path) for path in paths if path and set("{}") & set(str(path))), None):
        raise ConfigurationError(
            f"{where}: {quoted(odd, 200)} has braces in it, which Snakemake takes for wildcards; rename it, or give a "
            "link to it (ln -s) that has none"
        )


def is_number(text: str) -> bool:
    """Whether a text is a whole number from 0 to 999,999,999."""
    return DIGITS.fullmatch(text) is not None


def number_in(text: str) -> int:
    """The whole number, from 0 to 999,999,999, that a text is.

    Raises
    ------
    ValueError
        It is something else.
    """
    if not is_number(text):
        raise ValueError(f"{quoted(text, 40)} is no whole number below 10^9")
    return int(text)
