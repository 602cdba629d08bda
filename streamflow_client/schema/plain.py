"""The model of types → Python annotations without checks, for help, signatures and type displays.

In: a type, and the class of each record. Out: `list[Item]`, `str | None`, `datetime`. Out of place here:
text (`describe.py`), checks (`core.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any, Final, Literal, Never, get_args

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

    result: Any = _SIMPLE.get(type.__class__)
    match type:
        case Text(format=format):
            result = _FORMATS.get(format or "", str)
        case Literals(values=values):
            result = _literal(values)
        case Array(items=items):
            result = _of(list, plain(items))
        case Tuple():
            result = _tuple(type, plain(type.rest), [plain(item) for item in type.items])
        case Map(values=values):
            result = _of(dict, (str, plain(values)))
        case Union(members=members):
            result = either([plain(member) for member in members])
        case Ref(name):
            result = classes.get(name) or _inlined(name, types, classes, within)
        case _:
            pass
    return result


def _inlined(name: str, types: Types, classes: Mapping[str, Any], within: frozenset[str]) -> Any:
    if name in within:
        return Any
    return plain_type(types.definitions[name].type, types, classes, within | {name})


def _literal(values: tuple[Any, ...]) -> Any:
    """`Literal` knows texts, integers, booleans and null; the rest is told by its kind."""
    known = tuple(value for value in values if isinstance(value, str | int | None))
    others = [value.__class__ for value in values if not isinstance(value, str | int | None)]
    return either([*([_of(Literal, known)] if known else []), *others])


def _tuple(type: Tuple, rest: Any, items: list[Any]) -> Any:
    more = [] if rest is Never else [rest]
    if len(items) > (type.min_items or 0):  # which Python cannot say more exactly
        return _of(tuple, (either([*items, *more]), ...))
    return _of(tuple, (*items, *(star for part in more for star in _of(tuple, (part, ...)))))


def _of(generic: Any, arguments: Any) -> Any:
    """`generic[arguments]`, out of the sight of type checkers: these types are made at run time."""
    return generic[arguments]


def either(members: list[Any]) -> Any:
    """A union of annotations."""
    if Any in members:
        return Any
    result, *others = (type(None) if member is None else member for member in members)
    for member in others:
        result = result | member
    return result
