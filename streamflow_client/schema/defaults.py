"""Which defaults may be filled in: none that contains itself, and not too many one in another.

In: definitions whose defaults fit. Out: the fields whose defaults must go. Out of place here: whether a
default fits, and what is said of one that goes.

A default `{}` of a record with defaults of its own is filled in further, and so on. Where that leads back to
the field itself it would never end, and where every level has two such fields it would double.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ..jsonvalues import is_list, is_object
from .accepts import Accepting, Definitions, TooMuch
from .model import MISSING, Array, Map, Record, Ref, Tuple, Type, Union

MAX_FILLED: Final = 10_000
"""Fields that are filled in within defaults, in one schema, each default counted by itself."""

MAX_NESTED: Final = 50
"""Defaults in defaults; pydantic spends several frames on each."""

Place = tuple[str, str]
"""The name of a record, and of a field on the wire."""


def endless_defaults(definitions: Definitions, accepting: Accepting) -> set[Place]:
    """The fields whose defaults contain themselves or too many others."""
    filling = _Filling(definitions, accepting)
    for name, definition in definitions.items():
        for field in definition.type.fields if isinstance(definition.type, Record) else ():
            if field.default is not MISSING:
                filling.count((name, field.name))
    return filling.endless


class _Filling:
    def __init__(self, definitions: Definitions, accepting: Accepting) -> None:
        self._definitions = definitions
        self._accepting = accepting
        self._fields = {
            (name, field.name): field
            for name, definition in definitions.items()
            for field in (definition.type.fields if isinstance(definition.type, Record) else ())
        }
        self._fillable: dict[str, list[Place]] = {}
        for (name, wire), field in self._fields.items():
            if not (field.required or field.default is MISSING):
                self._fillable.setdefault(name, []).append((name, wire))
        self._counts: dict[Place, int] = {}
        self._open: list[Place] = []
        self._left = MAX_FILLED
        self.endless: set[Place] = set()

    def count(self, place: Place) -> int:
        """How many fields are filled in within the default of that one; 0 where it must go."""
        if place in self._open:
            self.endless.update(self._open[self._open.index(place) :])
            return 0
        if place not in self._counts:
            self._counts[place] = 0 if len(self._open) >= MAX_NESTED else self._counted(place)
            if len(self._open) >= MAX_NESTED:
                self.endless.add(place)
        return self._counts[place]

    def _counted(self, place: Place) -> int:
        self._open.append(place)
        field = self._fields[place]
        found = 0
        try:
            for inner in self._reached(field.default, field.type):
                found += self.count(inner) + (inner not in self.endless)
                if found > self._left:
                    break
        except TooMuch:
            self.endless.add(place)
        self._open.pop()
        if found > self._left:
            self.endless.add(place)
        if place in self.endless:
            return 0
        self._left -= found
        return found

    def _reached(self, value: Any, type_: Type) -> Iterator[Place]:
        """The fields that are filled in while a value is read as that type."""
        waiting: list[tuple[Any, Type]] = [(value, type_)]
        seen: set[tuple[int, str]] = set()
        while waiting:
            value, type_ = waiting.pop()
            if isinstance(type_, Ref):
                if (id(value), type_.name) in seen:
                    continue
                seen.add((id(value), type_.name))
                yield from self._filled(value, type_.name)
                type_ = self._definitions[type_.name].type
            waiting += self._parts(value, type_)

    def _filled(self, value: Any, name: str) -> Iterator[Place]:
        if is_object(value):
            yield from (place for place in self._fillable.get(name, ()) if place[1] not in value)

    def _parts(self, value: Any, type_: Type) -> list[tuple[Any, Type]]:
        match type_:
            case Union(members):
                return [(value, member) for member in members if self._accepting.accepts(value, member)]
            case Array(items) if is_list(value):
                return [(item, items) for item in value]
            case Tuple(items, rest) if is_list(value):
                return list(zip(value, (*items, *[rest] * len(value)), strict=False))
            case Map(values) if is_object(value):
                return [(item, values) for item in value.values()]
            case Record() if is_object(value):
                types, _ = self._accepting.fields(type_)
                return [(item, types.get(name, type_.extra)) for name, item in value.items()]
            case _:
                return []
