"""What pydantic's Rust cannot check: a few functions on one value each.

In: a value on its way through a validator. Out: that value, or pydantic's error. Out of place here:
anything Rust can do, for these cost a call each.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from copy import deepcopy
from fractions import Fraction
from typing import Any, Final, cast

from pydantic import BaseModel, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import PydanticCustomError, PydanticKnownError

__all__ = [
    "ANY_MEMBER",
    "MISSING_ITEM",
    "Trial",
    "canonical",
    "equal_to",
    "exactly_one",
    "multiple_of",
    "present",
    "unique",
    "whole",
    "within",
]

MISSING_ITEM = ...  # stands in a tuple where a server sent fewer items; no JSON value is `...`


def canonical(value: Any) -> Hashable:
    """A key that is equal for equal JSON values: 1 and 1.0 are equal, 1 and true are not."""
    if isinstance(value, bool):
        return (bool, value)
    if isinstance(value, Mapping):
        fields = cast("Mapping[str, Any]", value)
        return frozenset((key, canonical(item)) for key, item in fields.items())
    if isinstance(value, list | tuple):
        return tuple(map(canonical, cast("Iterable[Any]", value)))
    if isinstance(value, BaseModel):
        return canonical(value.model_dump(by_alias=True))
    return value if isinstance(value, Hashable) else id(value)


def whole(value: float) -> int:
    """The integer that a float is, however large."""
    if not value.is_integer():
        raise PydanticKnownError("int_from_float")
    return int(value)


def multiple_of(*multiples: float) -> Callable[[float], float]:
    """Refuses what is no multiple, reckoning in decimals as people do: 0.3 is a multiple of 0.1."""
    exact = [Fraction(repr(multiple)) for multiple in multiples]

    def check(value: float) -> float:
        for multiple, fraction in zip(multiples, exact, strict=True):
            if Fraction(repr(value)) % fraction:
                raise PydanticKnownError("multiple_of", {"multiple_of": multiple})
        return value

    return check


def within(
    ge: float | None, gt: float | None, le: float | None, lt: float | None
) -> Callable[[float], float]:
    """Refuses what is beyond a bound, which may be too large to be exact as a float."""

    def check(value: float) -> float:
        if ge is not None and value < ge:
            raise PydanticKnownError("greater_than_equal", {"ge": ge})
        if gt is not None and value <= gt:
            raise PydanticKnownError("greater_than", {"gt": gt})
        if le is not None and value > le:
            raise PydanticKnownError("less_than_equal", {"le": le})
        if lt is not None and value >= lt:
            raise PydanticKnownError("less_than", {"lt": lt})
        return value

    return check


def equal_to(values: Iterable[Any]) -> Callable[[Any], Any]:
    """Refuses what equals none of these JSON values; gives a copy of the one that it equals."""
    known = {canonical(value): value for value in values}
    expected = " or ".join(map(repr, known.values()))

    def check(value: Any) -> Any:
        key = canonical(value)
        if key not in known:
            raise PydanticKnownError("literal_error", {"expected": expected})
        return deepcopy(known[key])

    return check


def unique(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Refuses a list with two equal items, as they came over the wire."""
    valid = validate(value)
    items = list(map(canonical, value))
    if len(set(items)) != len(items):
        raise PydanticCustomError("unique_items", "Input should have no two equal items")
    return valid


def present(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """A tuple without the places that no item was sent for, which are its last ones."""
    return items if MISSING_ITEM not in items[-1:] else items[: items.index(MISSING_ITEM)]


class Trial:
    """A value to be tried against one member of a union, by number, or against `ANY_MEMBER`."""

    __slots__ = ("tag", "value")

    def __init__(self, tag: int | str, value: Any) -> None:
        self.tag = tag
        self.value = value


ANY_MEMBER: Final = "oneOf"
"""Stands for the members as a union: it tells what is wrong with a value that none of them accepts. It may
also take what no member does: fields that an object knows nothing of, where the caller allows them."""


def exactly_one(count: int) -> Callable[[Any, ValidatorFunctionWrapHandler], Any]:
    """Of `count` members exactly one has to accept: `oneOf`. The validator within takes `Trial`s."""

    def one_of(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        accepted = [valid for tag in range(count) for valid in _tried(Trial(tag, value), validate)]
        if len(accepted) > 1:
            text = "Input should be of one type of the union alone, but is of {count}"
            raise PydanticCustomError("one_of", text, {"count": len(accepted)})
        return accepted[0] if accepted else validate(Trial(ANY_MEMBER, value))

    return one_of


def _tried(trial: Trial, validate: ValidatorFunctionWrapHandler) -> list[Any]:
    try:
        return [validate(trial)]
    except ValidationError:
        return []
