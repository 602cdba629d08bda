"""Ways through the model of types, which several of its readers go.

In: a type, definitions. Out: the types it consists of, refers to, or may be. Out of place here: what a reader
does with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .model import Array, Definition, Map, Record, Ref, Tuple, Type, Union

__all__ = ["alternatives", "names_in", "parts", "resolved"]


def parts(type: Type) -> tuple[Type, ...]:
    """The types that a type directly consists of."""
    match type:
        case Array(items=part) | Map(values=part):
            return (part,)
        case Tuple(items=items, rest=rest):
            return (*items, rest)
        case Union(members=members):
            return members
        case Record(fields=fields, extra=extra):
            return (*(field.type for field in fields), extra)
        case _:
            return ()


def names_in(type: Type) -> Iterator[str]:
    """The definitions that a type refers to by itself."""
    if isinstance(type, Ref):
        yield type.name
    for part in parts(type):
        yield from names_in(part)


def resolved(type: Type, definitions: Mapping[str, Definition]) -> Type:
    """What a type means, references followed."""
    return resolved(definitions[type.name].type, definitions) if isinstance(type, Ref) else type


def alternatives(type: Type, definitions: Mapping[str, Definition]) -> Iterator[Type]:
    """What a type may be, references and unions resolved. No type is an alternative of itself."""
    meant = resolved(type, definitions)
    if isinstance(meant, Union):
        for member in meant.members:
            yield from alternatives(member, definitions)
    else:
        yield meant
