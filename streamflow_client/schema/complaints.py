"""What pydantic says of a value that does not fit, made fit for people.

In: pydantic's errors. Out: the same with fewer lines, other locations, a title. Out of place here: checks.
All of this runs for values only that are refused anyway.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pydantic_core import (
    ErrorDetails,
    InitErrorDetails,
    PydanticCustomError,
    PydanticKnownError,
    ValidationError,
)

__all__ = ["BY_LETTER", "readable", "without_first_place"]

BY_LETTER: Final = "union_by_letter"
"""The type of a line that only says that a union is asked once more, less strictly."""

_FEW: Final = 4


def readable(error: ValidationError, title: str = "") -> ValidationError:
    """The same, without lines that tell people nothing, and with another title if one is given.

    Args:
        title: of what was validated, where that is no class, and pydantic's own would be such as
            `function-wrap[check()]`.
    """
    told = _telling_lines(error)
    if len(told) == error.error_count() and title in {"", error.title}:
        return error
    return _made(title or error.title, told)


def without_first_place(error: ValidationError, *, few: bool) -> ValidationError:
    """The same with locations that begin one step later: the first step was ours.

    Args:
        few: only those lines that are farthest within the value, where the best members gave up.
    """
    lines = _telling_lines(error)
    if few:
        lines = sorted(lines, key=lambda line: -len(line["loc"]))[:_FEW]
    for line in lines:
        line["loc"] = line["loc"][1:]
    return _made(error.title, lines)


def _telling_lines(error: ValidationError) -> list[ErrorDetails]:
    """Without those of a first try, unless there are no others."""
    lines = error.errors(include_url=False)
    return [line for line in lines if line["type"] != BY_LETTER] or lines


def _made(title: str, lines: Iterable[ErrorDetails]) -> ValidationError:
    return ValidationError.from_exception_data(title, list(map(_line, lines)))


def _line(line: ErrorDetails) -> InitErrorDetails:
    """pydantic's own error where it says the same; else one with this text."""
    context = line.get("ctx", {})
    known: Any = PydanticKnownError  # both want literals
    custom: Any = PydanticCustomError
    kind: str | PydanticCustomError = line["type"]
    try:
        same = known(kind, context or None).message() == line["msg"]
    except (KeyError, TypeError):
        same = False
    if not same:
        kind = custom(line["type"], line["msg"])
    return InitErrorDetails(type=kind, loc=line["loc"], input=line["input"], ctx=context)
