"""What somebody wrote, compared with a schema: the first thing that is wrong, in words.

Imported by the Snakefile, so it needs only what Snakemake itself brings.
"""

import sys
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator, TypeChecker, validators


def _number(_checker: TypeChecker, value: object) -> bool:
    # NaN compares with nothing, infinities are larger, and so are whole numbers that no float can hold.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


# JSON counts 8.0 among the integers, which no width or seed is; and YAML knows numbers that are none.
TYPES = Draft202012Validator.TYPE_CHECKER.redefine_many(
    {"integer": lambda _, value: isinstance(value, int) and not isinstance(value, bool), "number": _number}
)
Validator = validators.extend(Draft202012Validator, type_checker=TYPES)

LONGEST = 80
"""Characters that are told of a value, or of where it stands."""


def allowed(schema: Mapping[str, Any]) -> str:
    """What a schema allows, in words."""
    if "enum" in schema:
        return f"allowed are {', '.join(map(str, schema['enum']))}"
    return f"allowed: {schema.get('description', schema.get('type', 'see config/README.md'))}"


def check(content: Any, schema: Mapping[str, Any]) -> None:
    """Compare content with a schema whose parts say in their ``description`` what they allow.

    Raises
    ------
    ValueError
        The first place that is wrong, what stands there, and what is allowed.
    """
    error = next(Validator(schema).iter_errors(content), None)
    if error is None:
        return
    place = ".".join(map(str, error.absolute_path))[:LONGEST]
    if error.validator == "required":
        raise ValueError(f"key {place}: {error.message}" if place else error.message)
    raise ValueError(f"key {place} is {shown(error.instance)}; {allowed(error.schema)}")


def shown(value: Any) -> str:
    """The beginning of a value, as Python writes it."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
