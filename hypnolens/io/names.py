"""Numbers in names of files and folders, and in cells of tables. Imported by the Snakefile."""

import re

from hypnolens.errors import quoted

DIGITS = re.compile("[0-9]{1,9}")
"""Whole numbers in names and tables. `str.isdigit` also takes '²' and digits of other scripts, and `int` refuses
thousands of digits."""


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
