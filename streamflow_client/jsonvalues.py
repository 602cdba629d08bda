"""JSON as servers really write it, and what kind of value a parsed one is.

In: bytes; a parsed JSON value. Out: a parsed value; yes or no, which type checkers understand. Out of place
here: everything else.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import from_json
from typing_extensions import TypeIs

__all__ = ["is_list", "is_object", "read_json", "with_whole_characters"]

# In this order: a pair, half a pair, any other escape (so that `\\\\ud83d` is a backslash and letters).
_ESCAPE = re.compile(rb"(\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|(\\u[dD][89a-fA-F]..)|\\.", re.DOTALL)


def with_whole_characters(text: bytes) -> bytes:
    """JSON in which half a character (`"\\ud83d"`) is U+FFFD, as it is wherever text cannot hold it.

    RFC 8259, section 8.2, allows such escapes; JavaScript writes them where a text was cut within an emoji.
    """
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[2] else found[0], text)


def read_json(text: bytes) -> Any:
    """Raises: ValueError: it is no JSON."""
    try:
        return from_json(text)
    except ValueError:
        whole = with_whole_characters(text)
        if whole == text:
            raise
        return from_json(whole)


def is_list(value: Any) -> TypeIs[list[Any]]:
    """Whether a parsed JSON value is an array."""
    return isinstance(value, list)


def is_object(value: Any) -> TypeIs[dict[str, Any]]:
    """Whether a parsed JSON value is an object."""
    return isinstance(value, dict)
