"""The last look at unions: flat, without repetition, and no stricter than their members make necessary.

In: types as they were read. Out: the same types, said in the simplest way that changes nothing.
Out of place here: what a schema says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations
from typing import Final

from .accepts import Definitions, accepts, identity
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
from .shapes import KINDS

MAX_COMPARED: Final = 64
"""Members that are compared in pairs; with more, `exclusive` stays: correct, if slower to check."""


def settled(root: Type, definitions: Mapping[str, Definition]) -> tuple[Type, dict[str, Definition]]:
    """The root and all definitions, settled."""
    settling = _Settling(definitions)
    return settling.type(root), {
        name: replace(definition, type=settling.type(definition.type))
        for name, definition in definitions.items()
    }


class _Settling:
    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions

    def type(self, type_: Type) -> Type:
        match type_:
            case Array(items):
                return replace(type_, items=self.type(items))
            case Tuple(items, rest):
                return replace(type_, items=tuple(self.type(item) for item in items), rest=self.type(rest))
            case Map(values):
                return replace(type_, values=self.type(values))
            case Record(fields, extra):
                settled_fields = tuple(replace(field, type=self.type(field.type)) for field in fields)
                return replace(type_, fields=settled_fields, extra=self.type(extra))
            case Union():
                return self._union(type_)
            case _:
                return type_

    def _union(self, union: Union) -> Type:
        members = tuple(m for m in map(self.type, union.members) if not isinstance(m, Nothing))
        if union.exclusive and self._overlap(members, union.discriminator):
            return _of(members, replace(union, members=members, discriminator=None))
        merged = self._merged(members, union.discriminator)
        return _of(merged, Union(merged, discriminator=self._discriminator(merged, union.discriminator)))

    def _merged(self, members: tuple[Type, ...], said: str | None) -> tuple[Type, ...]:
        """The members of nested unions too, where none of them has a discriminator to lose."""
        flat = [inner for member in members for inner in _flat(member)]
        if self._discriminator(tuple(flat), said) is None:
            flat = [inner for member in members for inner in _flat(member, keep_discriminated=True)]
        if any(isinstance(member, Anything) for member in flat):
            return (Anything(),)
        return tuple({repr(m): m for m in _joined_literals(flat)}.values())  # for Python, 1 == True

    # discriminators

    def _discriminator(self, members: tuple[Type, ...], said: str | None) -> str | None:
        records = [self._record(member) for member in members]
        first = records[0] if len(records) > 1 else None
        if first is None:
            return None
        names = [field.name for field in first.fields]
        known = [record for record in records if record is not None]
        if len(known) < len(records):
            return None
        ordered = sorted(names, key=lambda name: name != said)
        return next((name for name in ordered if _tells_apart(known, name)), None)

    def _record(self, type_: Type) -> Record | None:
        found = self._definitions[type_.name].type if isinstance(type_, Ref) else None
        return found if isinstance(found, Record) else None

    # overlaps

    def _overlap(self, members: tuple[Type, ...], said: str | None) -> bool:
        if self._discriminator(members, said) is not None:
            return False
        return len(members) > MAX_COMPARED or any(self._meet(a, b) for a, b in combinations(members, 2))

    def _meet(self, a: Type, b: Type) -> bool:
        """Whether one value can be of both; yes, if in doubt."""
        if isinstance(b, Literals):
            a, b = b, a
        if isinstance(a, Literals):
            return any(accepts(value, b, self._definitions) for value in a.values)
        if self._kinds(a, frozenset()).isdisjoint(self._kinds(b, frozenset())):
            return False
        one, other = self._record(a), self._record(b)
        return one is None or other is None or not _apart(one, other)

    def _kinds(self, type_: Type, seen: frozenset[str]) -> frozenset[str]:
        if isinstance(type_, Ref) and type_.name not in seen:
            return self._kinds(self._definitions[type_.name].type, seen | {type_.name})
        if isinstance(type_, Union):
            return frozenset(kind for member in type_.members for kind in self._kinds(member, seen))
        return _KINDS.get(type(type_), frozenset(KINDS))


_KINDS: Final[Mapping[object, frozenset[str]]] = {
    Nothing: frozenset(),
    Null: frozenset({"null"}),
    Boolean: frozenset({"boolean"}),
    Integer: frozenset({"number"}),
    Number: frozenset({"number"}),
    Text: frozenset({"string"}),
    Array: frozenset({"array"}),
    Tuple: frozenset({"array"}),
    Map: frozenset({"object"}),
    Record: frozenset({"object"}),
}


def _of(members: tuple[Type, ...], union: Type) -> Type:
    return (members[0] if members else Nothing()) if len(members) < 2 else union


def _flat(type_: Type, *, keep_discriminated: bool = False) -> Iterator[Type]:
    nested = isinstance(type_, Union) and not type_.exclusive
    if isinstance(type_, Union) and nested and not (keep_discriminated and type_.discriminator):
        for member in type_.members:
            yield from _flat(member, keep_discriminated=keep_discriminated)
    else:
        yield type_


def _joined_literals(members: list[Type]) -> Iterator[Type]:
    """All `Literals` as one, where the first of them stands."""
    values = {identity(v): v for member in members if isinstance(member, Literals) for v in member.values}
    for member in members:
        if not isinstance(member, Literals):
            yield member
        elif values:
            yield Literals(tuple(values.values()))
            values = {}


def _texts(record: Record, name: str) -> list[str] | None:
    """The texts that a required field is limited to."""
    for field in record.fields:
        if field.name == name and field.required and isinstance(field.type, Literals):
            texts = [value for value in field.type.values if isinstance(value, str)]
            return texts if len(texts) == len(field.type.values) else None
    return None


def _tells_apart(records: list[Record], name: str) -> bool:
    seen: set[str] = set()
    for record in records:
        texts = _texts(record, name)
        if texts is None or not seen.isdisjoint(texts):
            return False
        seen.update(texts)
    return True


def _apart(a: Record, b: Record) -> bool:
    """Whether no object can be both: one is closed to what the other requires, or a field tells."""
    return (
        _closed_to(a, b)
        or _closed_to(b, a)
        or any(_tells_apart([a, b], field.name) for field in a.fields if field.required)
    )


def _closed_to(a: Record, b: Record) -> bool:
    possible = {field.name for field in a.fields if not isinstance(field.type, Nothing)}
    known = {field.name for field in a.fields}
    closed = isinstance(a.extra, Nothing)
    required = (field.name for field in b.fields if field.required)
    return any(name not in possible and (closed or name in known) for name in required)
