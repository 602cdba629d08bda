"""JSON values among themselves: which are equal, and which are multiples of others.

In: JSON values; also what run-time types made of them. Out: keys, yes or no. Out of place here: types.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from fractions import Fraction
from typing import Any, Final, cast

from pydantic import BaseModel

__all__ = ["EXACT", "all_differ", "count_fits", "exact", "identity", "is_multiple"]

EXACT: Final = 2.0**53
"""Integers beyond are not all exact as a float, and stay integers."""


def identity(value: Any) -> Hashable:
    """What is equal for values that JSON Schema calls equal: 1 and 1.0 are, 1 and true are not."""
    if isinstance(value, bool):
        return ("boolean", value)
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple):
        return ("array", *map(identity, cast("Iterable[Any]", value)))
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        return frozenset((name, identity(item)) for name, item in fields.items())
    if isinstance(value, BaseModel):
        return identity(value.model_dump(by_alias=True))
    return value if isinstance(value, Hashable) else id(value)


def all_differ(values: Iterable[Any]) -> bool:
    """Whether no two of the values are equal."""
    keys = list(map(identity, values))
    return len(set(keys)) == len(keys)


def count_fits(count: int, least: int | None, most: int | None) -> bool:
    """Whether a length or number of items lies within its bounds."""
    return (least is None or count >= least) and (most is None or count <= most)


def is_multiple(value: float, of: Fraction) -> bool:
    """Whether a number is a multiple, reckoning in decimals as people do: 0.3 is a multiple of 0.1."""
    return exact(value) % of == 0


def exact(number: float) -> Fraction:
    """As it is written; where floats are wider apart than integers, the integer that it is."""
    whole = isinstance(number, int) or abs(number) >= EXACT
    return Fraction(number if whole else repr(number))
