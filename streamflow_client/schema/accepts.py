"""Whether a JSON value is of a type, exactly as run-time types of that type decide.

In: a JSON value, a type, the definitions it refers to. Out: yes or no. Out of place here: converting
values, and saying what is wrong with them.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

from ..jsonvalues import is_list, is_object
from .formats import has_format
from .model import (
    Anything,
    Array,
    Boolean,
    Definition,
    Integer,
    Literals,
    Map,
    Nothing,
    Null,
    Number,
    Record,
    Ref,
    Text,
    Tuple,
    Type,
    Union,
)
from .patterns import finds
from .values import all_differ, count_fits, exact, identity, is_multiple

Definitions = Mapping[str, Definition]
Scalar = Anything | Nothing | Null | Boolean | Integer | Number | Text


class TooMuch(Exception):
    """Telling whether values fit takes more comparisons than were allowed."""


def accepts(value: Any, type_: Type, definitions: Definitions) -> bool:
    """Whether `value` is of that type. Both are nested no deeper than `read.MAX_DEPTH`."""
    return Accepting(definitions).accepts(value, type_)


class Accepting:
    """The same for many values and types, with a memory: types that use each other twice do not double.

    `limit` is how many comparisons may be made, of all values together; TooMuch is raised beyond it.
    """

    def __init__(self, definitions: Definitions, limit: int | None = None) -> None:
        self._definitions = definitions
        self._left = limit
        self._known: dict[tuple[int, str], tuple[Any, bool]] = {}  # with the value, lest its id be used anew
        self._records: dict[int, tuple[Record, Mapping[str, Type], tuple[str, ...]]] = {}
        self._literals: dict[int, tuple[Literals, frozenset[Hashable]]] = {}

    def accepts(self, value: Any, type_: Type) -> bool:
        """Whether `value` is of that type."""
        self._spend()
        match type_:
            case Ref(name):
                return self._ref_fits(value, name)
            case Union(members, exclusive):
                fitting = (self.accepts(value, member) for member in members)
                return sum(fitting) == 1 if exclusive else any(fitting)
            case Array() | Tuple():
                return is_list(value) and self._list_fits(value, type_)
            case Map() | Record():
                return is_object(value) and self._object_fits(value, type_)
            case Literals():
                return identity(value) in self.identities(type_)
            case _:
                return _scalar_fits(value, type_)

    def identities(self, literals: Literals) -> frozenset[Hashable]:
        """What the values of `literals` are equal by."""
        if id(literals) not in self._literals:
            self._literals[id(literals)] = literals, frozenset(identity(value) for value in literals.values)
        return self._literals[id(literals)][1]

    def fields(self, record: Record) -> tuple[Mapping[str, Type], tuple[str, ...]]:
        """The types of the fields, and which of them are required."""
        if id(record) not in self._records:
            types = {field.name: field.type for field in record.fields}
            required = tuple(field.name for field in record.fields if field.required)
            self._records[id(record)] = record, types, required
        return self._records[id(record)][1:]

    def _spend(self) -> None:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise TooMuch

    def _ref_fits(self, value: Any, name: str) -> bool:
        key = id(value), name
        if key not in self._known:
            self._known[key] = value, self.accepts(value, self._definitions[name].type)
        return self._known[key][1]

    def _list_fits(self, value: list[Any], type_: Array | Tuple) -> bool:
        if not count_fits(len(value), type_.min_items, type_.max_items):
            return False
        if type_.unique and not all_differ(value):
            return False
        known = type_.items if isinstance(type_, Tuple) else ()
        rest = type_.rest if isinstance(type_, Tuple) else type_.items
        return all(
            self.accepts(item, known[index] if index < len(known) else rest)
            for index, item in enumerate(value)
        )

    def _object_fits(self, value: dict[str, Any], type_: Map | Record) -> bool:
        if isinstance(type_, Map):
            return count_fits(len(value), type_.min_items, type_.max_items) and all(
                text_fits(name, type_.keys) and self.accepts(item, type_.values)
                for name, item in value.items()
            )
        types, required = self.fields(type_)
        return all(name in value for name in required) and all(
            self.accepts(item, types.get(name, type_.extra)) for name, item in value.items()
        )


def _scalar_fits(value: Any, type_: Scalar) -> bool:
    match type_:
        case Integer() | Number():
            return _is_number(value) and _number_fits(value, type_)
        case Text():
            return isinstance(value, str) and text_fits(value, type_)
        case Boolean():
            return isinstance(value, bool)
        case _:
            return isinstance(type_, Anything) or (isinstance(type_, Null) and value is None)


def _is_number(value: Any) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole or (isinstance(value, float) and math.isfinite(value))


def _number_fits(value: float, type_: Integer | Number) -> bool:
    return (
        (isinstance(type_, Number) or isinstance(value, int) or value.is_integer())
        and (type_.ge is None or value >= type_.ge)
        and (type_.gt is None or value > type_.gt)
        and (type_.le is None or value <= type_.le)
        and (type_.lt is None or value < type_.lt)
        and all(is_multiple(value, exact(multiple)) for multiple in type_.multiples)
    )


def text_fits(value: str, type_: Text) -> bool:
    """Whether a text has the length, the patterns and the format that the type demands."""
    return (
        count_fits(len(value), type_.min_length, type_.max_length)
        and all(finds(pattern, value) for pattern in type_.patterns)
        and (type_.format is None or has_format(value, type_.format))
    )
