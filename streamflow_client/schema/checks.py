"""What pydantic's Rust cannot check: a few functions on one value each.

In: a value on its way through a validator. Out: that value, or pydantic's error. Out of place here:
anything Rust can do, for these cost a call each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from copy import deepcopy
from typing import Any, Final

from pydantic import BaseModel, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import PydanticCustomError, PydanticKnownError

from .complaints import BY_LETTER, without_first_place
from .describe import number_text
from .formats import has_format
from .values import all_differ, exact, identity, is_multiple

__all__ = [
    "ANY_MEMBER",
    "Choose",
    "Trial",
    "best",
    "equal_to",
    "missing_item",
    "multiple_of",
    "of_format",
    "only_one",
    "present",
    "trials",
    "unique",
    "whole",
    "within",
]

MISSING_ITEM = ...  # stands in a tuple where a server sent fewer items; no JSON value is `...`


def whole(value: float) -> int:
    """The integer that a float is, however large."""
    if not value.is_integer():
        raise PydanticKnownError("int_from_float")
    return int(value)


def multiple_of(*multiples: float) -> Callable[[float], float]:
    """Refuses what is no multiple of each."""
    known = [(multiple, exact(multiple)) for multiple in multiples]

    def check(value: float) -> float:
        for multiple, fraction in known:
            if not is_multiple(value, fraction):
                text = "Input should be a multiple of {multiple_of}"
                raise PydanticCustomError("multiple_of", text, {"multiple_of": number_text(multiple)})
        return value

    return check


def of_format(format: str) -> Callable[[str], str]:
    """Refuses texts without one of `FORMATS`, and leaves those that have it what they are."""

    def check(text: str) -> str:
        if not has_format(text, format):
            raise PydanticCustomError("format", "Input should be a {format}", {"format": format})
        return text

    return check


def within(
    ge: float | None, gt: float | None, le: float | None, lt: float | None
) -> Callable[[float], float]:
    """Refuses what is beyond a bound, which may be of any size."""

    def check(value: float) -> float:
        fits = (
            (ge is None or value >= ge)
            and (gt is None or value > gt)
            and (le is None or value <= le)
            and (lt is None or value < lt)
        )
        if not fits:
            raise PydanticCustomError("number", "Input is beyond a bound")
        return value

    return check


def equal_to(values: Iterable[Any]) -> Callable[[Any], Any]:
    """Refuses what equals none of these JSON values; gives a copy of the one that it equals."""
    known = {identity(value): value for value in values}
    expected = " or ".join(map(repr, known.values()))

    def check(value: Any) -> Any:
        key = identity(value)
        if key not in known:
            raise PydanticKnownError("literal_error", {"expected": expected})
        return deepcopy(known[key])

    return check


def unique(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Refuses a list with two equal items, as they came over the wire."""
    valid = validate(value)
    if not all_differ(value):
        raise PydanticCustomError("unique_items", "Input should have no two equal items")
    return valid


def missing_item() -> Any:
    """`MISSING_ITEM`, as a factory, for a JSON schema cannot show it as a default."""
    return MISSING_ITEM


def present(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """A tuple without the places that no item was sent for, which are its last ones."""
    return items if MISSING_ITEM not in items[-1:] else items[: items.index(MISSING_ITEM)]


class Trial:
    """A value to be tried against one member of a union, by number, or against `ANY_MEMBER`."""

    __slots__ = ("tag", "value")

    def __init__(self, tag: int | str, value: Any) -> None:
        self.tag: int | str = tag
        self.value: Any = value


ANY_MEMBER: Final = "oneOf"
"""Stands for the members as a union: it tells what is wrong with a value that none of them accepts. It may
also take what no member does: fields that an object knows nothing of, where the caller allows them."""


Wrap = Callable[[Any, ValidatorFunctionWrapHandler], Any]
Choose = Callable[[list[Any]], Any]
"""Of what at least one member made of a value, the one that counts."""


def only_one(accepted: list[Any]) -> Any:
    """Of all members exactly one has to accept: `oneOf`."""
    if len(accepted) > 1:
        text = "Input should be of one type of the union alone, but is of {count}"
        raise PydanticCustomError("one_of", text, {"count": len(accepted)})
    return accepted[0]


def best(accepted: list[Any]) -> Any:
    """The member that knows most of an object's fields; of equals, the first.

    pydantic would count the fields of whatever lies within as well, but what is remembered has none.
    """
    return max(accepted, key=_known_fields)


def _known_fields(value: Any) -> int:
    if not isinstance(value, BaseModel):
        return 0
    return len(value.model_fields_set & value.__class__.model_fields.keys())


_Outcome = tuple[Any, ValidationError | PydanticCustomError | None]
_Found = dict[tuple[int, int], tuple[Any, _Outcome]]
_found: Final = ContextVar[_Found | None]("found", default=None)
"""What was found out of the values of the outermost validation that goes on: by check and by value. The
values stay in there, so that no other takes over their identity."""


def trials(count: int, choose: Choose, *, letter: bool, tangled: bool) -> Wrap:
    """Asks each of `count` members. The validator within takes `Trial`s.

    Args:
        letter: by the letter, which is a first try: what is wrong is told by the second.
        tangled: of each value only once within an outermost validation. A few of the complaints remain,
            for they too would double with each level of the value.
    """

    def check(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        """Nothing is recursive but this and what it calls `validate`: Python has no room for many frames."""
        found = _found.get() if tangled else {}
        if found is None:
            return _outermost(check, value, validate)
        key = id(check), id(value)
        if key not in found:
            accepted: list[Any] = []
            for tag in range(count):
                try:  # noqa: SIM105 - `suppress` would cost as much as a small member
                    accepted.append(validate(Trial(tag, value)))
                except ValidationError:
                    pass
            error: ValidationError | None = None
            if not accepted and not letter:
                try:
                    accepted.append(validate(Trial(ANY_MEMBER, value)))
                except ValidationError as wrong:
                    error = without_first_place(wrong, few=tangled)
            found[key] = value, _outcome(accepted, choose, error)
        return _given_back(found[key][1])

    return check


def _outcome(accepted: list[Any], choose: Choose, error: ValidationError | None) -> _Outcome:
    if not accepted:
        text = "Input fits no type of the union to the letter"
        return None, error or PydanticCustomError(BY_LETTER, text)
    try:
        return choose(accepted), None
    except PydanticCustomError as wrong:
        return None, wrong


def _given_back(outcome: _Outcome) -> Any:
    valid, error = outcome
    if error is not None:
        raise error.with_traceback(None)
    return valid


def _outermost(check: Wrap, value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    found: _Found = {}
    token = _found.set(found)
    try:
        return check(value, validate)
    except RecursionError:
        raise PydanticCustomError("too_deep", "Input is nested too deeply") from None
    finally:
        _found.reset(token)
        found.clear()  # errors hold frames, and these hold it
