"""Numbers in names of files and folders, and in cells of tables. Imported by the Snakefile."""

import re

from hypnolens.errors import quoted

DIGITS = re.compile("[0-9]{1,9}")
"""A whole number that any of our tables and indices can hold. Python's own digits are also '²', which is no number, and
those of other scripts; and of thousands of them it makes none."""


def is_number(text: str) -> bool:
    """Whether a text is a whole number of at least 0, in digits."""
    return DIGITS.fullmatch(text) is not None


def number_in(text: str) -> int:
    """The whole number of at least 0 that a text is.

    Raises
    ------
    ValueError
        It is none.
    """
    if not is_number(text):
        raise ValueError(f"{quoted(text, 40)} is no whole number")
    return int(text)
