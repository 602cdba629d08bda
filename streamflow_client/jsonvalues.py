"""What kind of JSON value a parsed one is.

In: a parsed JSON value. Out: yes or no, which type checkers understand. Out of place here: everything else.
"""

from __future__ import annotations

from typing import Any

from typing_extensions import TypeIs

__all__ = ["is_list", "is_object"]


def is_list(value: Any) -> TypeIs[list[Any]]:
    """Whether a parsed JSON value is an array."""
    return isinstance(value, list)


def is_object(value: Any) -> TypeIs[dict[str, Any]]:
    """Whether a parsed JSON value is an object."""
    return isinstance(value, dict)
