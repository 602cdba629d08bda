"""Whether every value of one type is a value of another: the one judge of what is compatible.

In: two types and their definitions. Out: yes or no; no, if in doubt. Out of place here: saying what differs
(`changes.py`).

Types may contain themselves, so the question is coinductive: a pair of definitions is taken to hold until
something in it fails, and what relied on it is then looked at again. Each pair fails at most once, so this
ends; nothing recurses through definitions, so no stack is spent on them.

An object that merely tolerates fields beyond those it names (`additionalProperties: true`, or nothing said)
does not count as having any under a name that the other type has a field of. By the letter it could, and no
field could ever be added to anything.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..accepts import Accepting, Definitions, TooMuch, text_fits
from ..model import (
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
    Union,
)
from ..values import exact
from ..walk import alternatives, resolved

__all__ = ["Containment", "Side", "TooMuch", "count_within", "length", "lower", "upper"]

MAX_STEPS: Final = 500_000
"""Comparisons of two types, in one pair of schemas: some seconds."""

MAX_VALUE_STEPS: Final = 1_000_000
"""Comparisons of single values with types, likewise."""

MAX_TWINS: Final = 64
"""Members of a union of which exactly one has to fit; more are not put in another order."""

Side = Literal["old", "new"]
_Key = tuple[int, int, Side, bool]


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """Is every value of `a`, a type of `side`, one of `b`, a type of the other side?

    Attributes:
        letter: whether tolerated fields count like all others, as they have to where exactly one member of
            a union may fit.
    """

    a: Type
    b: Type
    side: Side
    letter: bool


class Containment:
    """Answers for the types of two schemas, in both directions, with a memory.

    Args:
        by_letter: sides of which tolerated fields count like all others, for a keyword that types cannot say
            may speak of these.
    """

    def __init__(self, old: Definitions, new: Definitions, by_letter: frozenset[Side] = frozenset()) -> None:
        self._by_letter = by_letter
        self._definitions: dict[Side, Definitions] = {"old": old, "new": new}
        self._accepting = {
            "old": Accepting(old, MAX_VALUE_STEPS),
            "new": Accepting(new, MAX_VALUE_STEPS),
        }
        self._questions: dict[_Key, _Question] = {}
        self._holds: dict[_Key, bool] = {}
        self._users: dict[_Key, set[_Key]] = {}
        self._waiting = OrderedDict[
            _Key, None
        ]()  # what relied on something comes after all that it relies on
        self._at: _Key | None = None
        self._left = MAX_STEPS

    def holds(self, a: Type, b: Type, side: Side) -> bool:
        """Whether every value of `a`, a type of that side, is one of `b`, a type of the other side.

        Raises:
            TooMuch: that takes more steps than are allowed.
        """
        key = self._key(_Question(a, b, side, letter=side in self._by_letter))
        while self._waiting:
            at = self._waiting.popitem(last=False)[0]
            if self._holds[at] and not self._answer(at):
                self._holds[at] = False
                self._waiting.update(dict.fromkeys(self._users.pop(at, ())))
        return self._holds[key]

    def promised(self, record: Record, side: Side) -> Type:
        """What may stand under a name that only the other type has a field of."""
        return record.extra if side in self._by_letter else _promised(record)

    def _answer(self, key: _Key) -> bool:
        self._at = key
        return self._within(self._questions[key])

    def _key(self, question: _Question) -> _Key:
        key = id(question.a), id(question.b), question.side, question.letter
        if key not in self._holds:
            self._questions[key] = question  # which keeps the types, lest their ids be used anew
            self._holds[key] = True
            self._waiting[key] = None
        return key

    def _ask(self, a: Type, b: Type, asked: _Question, *, turned: bool = False) -> bool:
        """A question within the one that is being answered; of a definition, only as far as it is known."""
        self._left -= 1
        if self._left < 0:
            raise TooMuch
        side = _OTHER[asked.side] if turned else asked.side
        meant_a = resolved(a, self._definitions[side])
        meant_b = resolved(b, self._definitions[_OTHER[side]])
        question = _Question(meant_a, meant_b, side, asked.letter)
        if meant_a is a and meant_b is b and not isinstance(a, Record) and not isinstance(b, Record):
            return self._within(question)
        key = self._key(question)
        if self._holds[key]:
            assert self._at is not None
            self._users.setdefault(key, set()).add(self._at)
        return self._holds[key]

    # the answer

    def _within(self, q: _Question) -> bool:  # noqa: PLR0911 - a table of pairs of kinds
        match q.a, q.b:
            case (Nothing(), _) | (_, Anything()):
                return True
            case (Ref(), _) | (_, Ref()):
                return self._ask(q.a, q.b, q)
            case (Null() | Boolean() | Literals(), _):
                accepting = self._accepting[_OTHER[q.side]]
                return all(accepting.accepts(value, q.b) for value in _values(q.a))
            case (Union(), _) | (_, Union()):
                return self._union_within(q)
            case (Integer() | Number(), Integer() | Number()):
                return _number_within(q.a, q.b)
            case (Text(), Text()):
                return _text_within(q.a, q.b)
            case (Array() | Tuple(), Array() | Tuple()):
                return self._list_within(q.a, q.b, q)
            case (Map() | Record(), Map() | Record()):
                return self._object_within(q.a, q.b, q)
            case _:
                return False

    def _union_within(self, q: _Question) -> bool:
        a, b = q.a, q.b
        if isinstance(b, Union) and b.exclusive:
            if isinstance(a, Union) and a.exclusive:
                return self._one_to_one(a, b, q)
            return self._of_one_alone(b, q)
        whole = not isinstance(a, Union) or a.exclusive  # else its members may be of different ones
        if whole and isinstance(b, Union) and any(self._ask(a, member, q) for member in b.members):
            return True
        return isinstance(a, Union) and all(self._ask(member, b, q) for member in a.members)

    def _of_one_alone(self, b: Union, q: _Question) -> bool:
        """Whether all of `a` is of one member, and nothing of it of another."""
        if isinstance(q.a, Union):
            return all(self._ask(member, b, q) for member in q.a.members)
        kinds = self._kinds(q.a, q.side)
        meeting = [m for m in b.members if not kinds.isdisjoint(self._kinds(m, _OTHER[q.side]))]
        return len(meeting) == 1 and self._ask(q.a, meeting[0], q)

    def _one_to_one(self, a: Union, b: Union, q: _Question) -> bool:
        """Whether the members are the same, in whatever order: by the letter, each within its twin.

        Some twins are only taken for such so far, so the first one free need not be the right one.
        """
        if len(a.members) != len(b.members) or len(a.members) > MAX_TWINS:
            return False
        letter = _Question(q.a, q.b, q.side, letter=True)
        twins = [
            [place for place, other in enumerate(b.members) if self._same(member, other, letter)]
            for member in a.members
        ]
        return _can_be_matched(twins)

    def _same(self, a: Type, b: Type, q: _Question) -> bool:
        return self._ask(a, b, q) and self._ask(b, a, q, turned=True)

    def _kinds(self, type_: Type, side: Side) -> frozenset[str]:
        found: set[str] = set()
        for each in alternatives(type_, self._definitions[side]):
            if isinstance(each, Literals):
                found.update(_kind_of(value) for value in each.values)
            else:
                found |= _KINDS[type(each)]
        return frozenset(found)

    def _list_within(self, a: Array | Tuple, b: Array | Tuple, q: _Question) -> bool:
        most = length(a)[1]
        if not count_within(length(a), (b.min_items or 0, b.max_items)):
            return False
        if b.unique and not a.unique and (most is None or most > 1):
            return False
        known = max(len(_items(a)), len(_items(b))) + 1  # one more stands for all the rest
        return all(
            self._ask(item(a, index), item(b, index), q)
            for index in range(known if most is None else min(known, most))
        )

    # objects

    def _object_within(self, a: Map | Record, b: Map | Record, q: _Question) -> bool:
        match a, b:
            case Map(), Map():
                counts = count_within((a.min_items or 0, a.max_items), (b.min_items or 0, b.max_items))
                return counts and _text_within(a.keys, b.keys) and self._ask(a.values, b.values, q)
            case Map(), Record():
                return self._map_within(a, b, q)
            case Record(), Map():
                return self._record_within_map(a, b, q)
            case _:
                assert isinstance(a, Record)
                assert isinstance(b, Record)
                return self._record_within(a, b, q)

    def _map_within(self, a: Map, b: Record, q: _Question) -> bool:
        if any(field.required for field in b.fields):
            return False
        types = [field.type for field in b.fields if text_fits(field.name, a.keys)]
        return all(self._ask(a.values, type_, q) for type_ in (*types, b.extra))

    def _record_within_map(self, a: Record, b: Map, q: _Question) -> bool:
        fields = [field for field in a.fields if not isinstance(field.type, Nothing)]
        extra = self._extra(a, q)
        closed = isinstance(extra, Nothing)
        least = sum(field.required for field in a.fields)
        if not count_within((least, len(fields) if closed else None), (b.min_items or 0, b.max_items)):
            return False
        if not all(text_fits(field.name, b.keys) for field in fields):
            return False
        if not closed and not _text_within(Text(), b.keys):
            return False
        return all(self._ask(type_, b.values, q) for type_ in (*(field.type for field in fields), extra))

    def _record_within(self, a: Record, b: Record, q: _Question) -> bool:
        mine = {field.name: field for field in a.fields}
        theirs = {field.name: field for field in b.fields}
        promise = a.extra if q.letter else _promised(a)
        for name, field in theirs.items():
            if field.required and not (name in mine and mine[name].required):
                return False
            if not self._ask(mine[name].type if name in mine else promise, field.type, q):
                return False
        others = [field.type for name, field in mine.items() if name not in theirs]
        return all(self._ask(type_, b.extra, q) for type_ in (*others, self._extra(a, q)))

    def _extra(self, record: Record, q: _Question) -> Type:
        """What may stand under names that neither type knows."""
        return record.extra if q.letter or record.extra_said else Nothing()


_OTHER: Final[dict[Side, Side]] = {"old": "new", "new": "old"}

_KINDS: Final[dict[type[Any], frozenset[str]]] = {
    Anything: frozenset({"null", "boolean", "number", "string", "array", "object"}),
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


def _promised(record: Record) -> Type:
    """Nothing that is merely tolerated."""
    return Nothing() if isinstance(record.extra, Anything) else record.extra


def _can_be_matched(choices: list[list[int]]) -> bool:
    """Whether each can have one of its choices alone (Kuhn's augmenting paths)."""
    taken: dict[int, int] = {}

    def found(one: int, tried: set[int]) -> bool:
        for place in choices[one]:
            if place not in tried:
                tried.add(place)
                if place not in taken or found(taken[place], tried):
                    taken[place] = one
                    return True
        return False

    return all(found(one, set()) for one in range(len(choices)))


def _values(type_: Null | Boolean | Literals) -> Iterator[Any]:
    match type_:
        case Null():
            yield None
        case Boolean():
            yield from (True, False)
        case Literals(values):
            yield from values


def _kind_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int() | float():
            return "number"
        case list():
            return "array"
        case _:
            return "object"


# --- numbers and texts


def _number_within(a: Integer | Number, b: Integer | Number) -> bool:
    if isinstance(b, Integer) and not _is_whole(a):
        return False
    return lower(a) >= lower(b) and upper(a) <= upper(b) and all(_is_multiple(a, m) for m in b.multiples)


def _is_whole(type_: Integer | Number) -> bool:
    return isinstance(type_, Integer) or any(exact(m).denominator == 1 for m in type_.multiples)


def _is_multiple(type_: Integer | Number, multiple: float) -> bool:
    known = [*map(exact, type_.multiples), *([exact(1)] if isinstance(type_, Integer) else [])]
    return any(each % exact(multiple) == 0 for each in known)


def lower(type_: Integer | Number) -> tuple[float, bool]:
    """The lower bound, and whether it is itself excluded: the larger, the tighter."""
    if type_.gt is None:
        low = -math.inf if type_.ge is None else type_.ge
        return (math.ceil(low) if isinstance(type_, Integer) and type_.ge is not None else low), False
    return (math.floor(type_.gt) + 1, False) if isinstance(type_, Integer) else (type_.gt, True)


def upper(type_: Integer | Number) -> tuple[float, bool]:
    """The upper bound, and whether it is included: the smaller, the tighter."""
    if type_.lt is None:
        high = math.inf if type_.le is None else type_.le
        return (math.floor(high) if isinstance(type_, Integer) and type_.le is not None else high), True
    return (math.ceil(type_.lt) - 1, True) if isinstance(type_, Integer) else (type_.lt, False)


def _text_within(a: Text, b: Text) -> bool:
    return (
        count_within((a.min_length or 0, a.max_length), (b.min_length or 0, b.max_length))
        and set(b.patterns) <= set(a.patterns)
        and b.format in (None, a.format)
    )


# --- lists


def count_within(a: tuple[int, int | None], b: tuple[int, int | None]) -> bool:
    """Whether all counts from the least to the most of `a` are within those of `b`; None: without end."""
    return a[0] >= b[0] and (b[1] is None or (a[1] is not None and a[1] <= b[1]))


def length(type_: Array | Tuple) -> tuple[int, int | None]:
    """How many items there may be: the least, and the most or None."""
    items = _items(type_)
    end = len(items) if isinstance(item(type_, len(items)), Nothing) else None
    ends = [each for each in (end, type_.max_items) if each is not None]
    return type_.min_items or 0, min(ends, default=None)


def item(type_: Array | Tuple, index: int) -> Type:
    """The type of the item at that place."""
    items = _items(type_)
    if index < len(items):
        return items[index]
    return type_.rest if isinstance(type_, Tuple) else type_.items


def _items(type_: Array | Tuple) -> tuple[Type, ...]:
    return type_.items if isinstance(type_, Tuple) else ()
