"""Types as answers are read by them: a field that has to be there, but may be null, may also be absent.

In: `Types`. Out: the same, with fewer required fields. Out of place here: inputs, for what we send has to
have every field; how an absent field is read and dumped (`core.py`).

Servers in Python leave nulls out of what they send (`exclude_none`), also those that their own schemas
require. Which member of a union a value is may show in its fields alone, so that absence tells something:
the records among which such a union chooses stay as they are, with all that lies within them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from ..jsonvalues import is_list, is_object
from .accepts import Accepting, Definitions
from .model import (
    MISSING,
    Anything,
    Array,
    Definition,
    Field,
    Literals,
    Map,
    Record,
    Ref,
    Tuple,
    Type,
    Types,
    Union,
)
from .walk import parts

__all__ = ["lenient"]

Kinds = frozenset[str]

_OBJECT: Final = Kinds({"object"})
_ARRAY: Final = Kinds({"array"})
_EITHER: Final = _OBJECT | _ARRAY
_KINDS: Final[Mapping[object, Kinds]] = {
    Anything: _EITHER,
    Array: _ARRAY,
    Tuple: _ARRAY,
    Map: _OBJECT,
    Record: _OBJECT,
}


def lenient(types: Types) -> Types:
    """The same types, for what servers answer. Names, and all that is valid by `types`, stay valid."""
    exact = _exact(types)
    accepting = Accepting(types.definitions)
    definitions = {
        name: definition if name in exact else _relaxed(definition, accepting)
        for name, definition in types.definitions.items()
    }
    return replace(types, definitions=definitions)


def _relaxed(definition: Definition, accepting: Accepting) -> Definition:
    if not isinstance(definition.type, Record):
        return definition
    fields = tuple(_relaxed_field(field, accepting) for field in definition.type.fields)
    return replace(definition, type=replace(definition.type, fields=fields))


def _relaxed_field(field: Field, accepting: Accepting) -> Field:
    """Its default goes, for the null that was left out was no default."""
    if not field.required or not accepting.accepts(None, field.type):
        return field
    return replace(field, required=False, default=MISSING)


# --- unions


def _exact(types: Types) -> set[str]:
    """The definitions that have to stay as they are."""
    known: dict[str, Kinds] = {}
    alike: list[Type] = []
    for union in _unions(types):
        kinds = [kind for member in union.members for kind in _kinds(member, types.definitions, known)]
        if union.discriminator is None and len(set(kinds)) < len(kinds):
            alike += union.members
    return _names(alike, types.definitions)


def _unions(types: Types) -> Iterator[Union]:
    waiting = [types.root, *(definition.type for definition in types.definitions.values())]
    while waiting:
        type_ = waiting.pop()
        if isinstance(type_, Union):
            yield type_
        waiting += parts(type_)


def _kinds(type_: Type, definitions: Definitions, known: dict[str, Kinds]) -> Kinds:
    """Which of the kinds of values that can hold a record a type allows; `known`: of definitions."""
    match type_:
        case Ref(name):
            if name not in known:
                known[name] = Kinds()  # for one that leads back to itself
                known[name] = _kinds(definitions[name].type, definitions, known)
            return known[name]
        case Union(members):
            return Kinds().union(*(_kinds(member, definitions, known) for member in members))
        case Literals(values):
            return _EITHER if any(is_list(value) or is_object(value) for value in values) else Kinds()
        case _:
            return _KINDS.get(type_.__class__, Kinds())


def _names(types: Iterable[Type], definitions: Definitions) -> set[str]:
    """The definitions of all that may lie within values of the types."""
    found: set[str] = set()
    waiting = list(types)
    while waiting:
        type_ = waiting.pop()
        if isinstance(type_, Ref) and type_.name not in found:
            found.add(type_.name)
            waiting.append(definitions[type_.name].type)
        waiting += parts(type_)
    return found
