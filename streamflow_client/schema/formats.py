"""The formats of texts that are checked: what each looks like, and what pydantic makes of it.

In: the name of a format, a text. Out: core schemas, and whether a text has the format. Out of place here:
formats that are annotations only.

The one table of formats: what fits an `enum` or is filled in as a default is what run-time types take.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pydantic_core import CoreSchema, SchemaValidator, ValidationError, core_schema

__all__ = ["FORMATS", "Format", "has_format"]


@dataclass(frozen=True, slots=True)
class Format:
    """What a format means.

    Attributes:
        pattern: of the texts. pydantic would also take a number, or a string of digits, for a timestamp.
        value: makes the core schema of what is meant, such as a day; not every text of the pattern is one.
        example: a text that has the format.
    """

    pattern: str
    value: Callable[..., CoreSchema]
    example: str

    def parsed(self) -> CoreSchema:
        """From a text to what it means."""
        text = core_schema.str_schema(strict=True, pattern=self.pattern)
        return core_schema.chain_schema([text, self.value()])


# RFC 3339; but Python's servers leave the offset away, and its times have no leap second.
_DATE: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME: Final = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?"

FORMATS: Final[Mapping[str, Format]] = {
    "date-time": Format(f"^{_DATE}[Tt ]{_TIME}$", core_schema.datetime_schema, "2024-05-01T12:30:00Z"),
    "date": Format(f"^{_DATE}$", core_schema.date_schema, "2024-05-01"),
    "time": Format(f"^{_TIME}$", core_schema.time_schema, "12:30:00Z"),
    "uuid": Format(
        "^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
        core_schema.uuid_schema,
        "123e4567-e89b-12d3-a456-426614174000",
    ),
}


def has_format(text: str, format: str) -> bool:
    """Whether a text has one of `FORMATS`."""
    try:
        _validator(format).validate_python(text)
    except ValidationError:
        return False
    return True


@lru_cache
def _validator(format: str) -> SchemaValidator:
    return SchemaValidator(FORMATS[format].parsed())
