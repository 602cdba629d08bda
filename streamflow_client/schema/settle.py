"""The last look at unions: flat, without repetition, and no stricter than their members make necessary.

In: types as they were read. Out: the same types, said in the simplest way that changes nothing.
Out of place here: what a schema says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

from .accepts import Accepting, Definitions, TooMuch
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
from .values import identity

MAX_COMPARED: Final = 64
"""Members that are compared in pairs; with more, `exclusive` stays: correct, if slower to check."""


MAX_OVERLAP_COMPARISONS: Final = 300_000
"""Of values with types, in one schema; beyond it, too, `exclusive` stays."""


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
        self._accepting = Accepting(definitions, MAX_OVERLAP_COMPARISONS)
        self._known: dict[str, _Facts | None] = {}

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
            return _exclusive(members)
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
        known = [facts for member in members if (facts := self._facts(member))]
        if len(known) < max(len(members), 2):
            return None
        ordered = sorted(known[0].texts, key=lambda name: name != said)
        return next((name for name in ordered if _tells_apart(known, name)), None)

    def _facts(self, type_: Type) -> _Facts | None:
        if not isinstance(type_, Ref):
            return None
        if type_.name not in self._known:
            found = self._definitions[type_.name].type
            self._known[type_.name] = _Facts.of(found) if isinstance(found, Record) else None
        return self._known[type_.name]

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
            return self._any_fits(a, b)
        if self._kinds(a).isdisjoint(self._kinds(b)):
            return False
        one, other = self._facts(a), self._facts(b)
        return one is None or other is None or not _apart(one, other)

    def _any_fits(self, literals: Literals, type_: Type) -> bool:
        if isinstance(type_, Literals):
            identities = self._accepting.identities
            return not identities(literals).isdisjoint(identities(type_))
        try:
            return any(self._accepting.accepts(value, type_) for value in literals.values)
        except TooMuch:
            return True

    def _kinds(self, type_: Type) -> frozenset[str]:
        """The kinds of all that can be reached without entering a list or an object."""
        found: set[str] = set()
        waiting, seen = [type_], set[str]()
        while waiting and len(found) < len(KINDS):
            match waiting.pop():
                case Ref(name):
                    waiting += [self._definitions[name].type] if name not in seen else []
                    seen.add(name)
                case Union(members):
                    waiting += members
                case other:
                    found |= _KINDS.get(type(other), frozenset(KINDS))
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What tells the objects of one record from those of another, by the names of its fields.

    Attributes:
        texts: those that a required field is limited to.
        closed: whether there can be no other names than `known` ones.
    """

    known: frozenset[str]
    possible: frozenset[str]
    required: tuple[str, ...]
    texts: Mapping[str, frozenset[str]]
    closed: bool

    @classmethod
    def of(cls, record: Record) -> _Facts:
        told = {field.name: _texts(field.type) for field in record.fields if field.required}
        return cls(
            known=frozenset(field.name for field in record.fields),
            possible=frozenset(f.name for f in record.fields if not isinstance(f.type, Nothing)),
            required=tuple(told),
            texts={name: texts for name, texts in told.items() if texts},
            closed=isinstance(record.extra, Nothing),
        )


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


def _exclusive(members: tuple[Type, ...]) -> Type:
    """Of two members that are the same a value is of both or of neither; a third changes nothing more."""
    copies = Counter[str]()
    kept: list[Type] = []
    for member in members:
        said = repr(member)  # for Python, Literals((1,)) == Literals((True,))
        copies[said] += 1
        if copies[said] < 3:
            kept.append(member)
    if len(copies) == 1 and len(members) > 1:
        return Nothing()
    return _of(tuple(kept), Union(tuple(kept), exclusive=True))


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


def _texts(type_: Type) -> frozenset[str]:
    """The texts that a type is limited to; none where it allows anything else."""
    if not isinstance(type_, Literals):
        return frozenset()
    texts = frozenset(value for value in type_.values if isinstance(value, str))
    return texts if len(texts) == len(type_.values) else frozenset()


def _tells_apart(records: list[_Facts], name: str) -> bool:
    seen: set[str] = set()
    for record in records:
        texts = record.texts.get(name)
        if texts is None or not seen.isdisjoint(texts):
            return False
        seen.update(texts)
    return True


def _apart(a: _Facts, b: _Facts) -> bool:
    """Whether no object can be both: one is closed to what the other requires, or a field tells."""
    return _closed_to(a, b) or _closed_to(b, a) or any(_tells_apart([a, b], name) for name in a.texts)


def _closed_to(a: _Facts, b: _Facts) -> bool:
    return any(name not in a.possible and (a.closed or name in a.known) for name in b.required)
