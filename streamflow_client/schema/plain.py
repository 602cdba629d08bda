"""The model of types → Python annotations without checks, for help, signatures and type displays.

In: a type, and the class of each record. Out: `list[Item]`, `str | None`, `datetime`. Out of place here:
text (`describe.py`), checks (`core.py`).
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Final, Literal, Never, Unpack, cast, get_args

from pydantic import UUID4

from .model import (
    Anything,
    Array,
    Boolean,
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
    Types,
    Union,
)

__all__ = ["either", "plain_type"]

UUID: Final = get_args(UUID4)[0]  # the module `uuid` makes random numbers, so it is kept out of this room
_FORMATS: Final = {"date-time": datetime, "date": date, "time": time, "uuid": UUID}
_SIMPLE: Final[Mapping[type[Any], Any]] = {
    Anything: Any,
    Nothing: Never,
    Null: None,
    Boolean: bool,
    Integer: int,
    Number: float,
    Record: dict[str, Any],
}


def plain_type(
    type: Type, types: Types, classes: Mapping[str, Any], within: frozenset[str] = frozenset()
) -> Any:
    """The annotation of a type.

    Args:
        within: the definitions that this type is a part of. Python has no annotation that contains
            itself without a name; such a part is `Any`.
    """

    def plain(part: Type) -> Any:
        return plain_type(part, types, classes, within)

    match type:
        case Text(format=format):
            return _FORMATS.get(format or "", str)
        case Literals(values=values):
            return _literal(values)
        case Array(items=items):
            return list[plain(items)]
        case Tuple():
            return _tuple(type, plain(type.rest), [plain(item) for item in type.items])
        case Map(values=values):
            return dict[str, plain(values)]
        case Union(members=members):
            return either([plain(member) for member in members])
        case Ref(name):
            if name in classes:
                return classes[name]
            if name in within:
                return Any
            return plain_type(types.definitions[name].type, types, classes, within | {name})
        case _:
            return _SIMPLE[type.__class__]


def _literal(values: tuple[Any, ...]) -> Any:
    """`Literal` knows texts, integers, booleans and null; the rest is told by its kind."""
    known = tuple(value for value in values if isinstance(value, str | int | None))
    others = [value.__class__ for value in values if not isinstance(value, str | int | None)]
    return either([*([cast("Any", Literal)[known]] if known else []), *others])


def _tuple(type: Tuple, rest: Any, items: list[Any]) -> Any:
    if len(items) > (type.min_items or 0):
        return tuple[either([*items, rest] if rest is not Never else items), ...]
    return cast("Any", tuple)[(*items, *([] if rest is Never else [Unpack[tuple[rest, ...]]]))]


def either(members: list[Any]) -> Any:
    """A union of annotations."""
    return Any if Any in members else cast("Any", functools.reduce(operator.or_, map(_typed, members)))


def _typed(member: Any) -> Any:
    return type(None) if member is None else member
