"""What differs between two versions of one schema, place by place.

In: the types of both. Out: `Change`s, each with the rule it falls under, where, and what changed. Out of
place here: whether anything fits anything (`within.py`), who is hurt (`rules.py`), flows (`catalogs.py`).

The walk goes down both types at once, the shortest way to each place first, and asks at every step whether
the new type allows more or less than the old one. What is found below answers for what is above; where
nothing is found that does, the step itself is told. So nothing that breaks stays untold.

A place is the way to it, each reference replaced by what it means: `properties/dishes/items/properties/name`.
Where a definition is used many times, the first place stands for all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, TypeVar

from ...text import shown
from ..describe import annotation, default_text, number_text
from ..model import (
    MISSING,
    Array,
    Boolean,
    Field,
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
from ..refs import step
from ..values import identity
from ..walk import resolved
from .rules import RULES
from .within import Containment, Side, TooMuch, count_within, item, length, lower, upper

__all__ = ["Change", "changes"]

MAX_PLACES: Final = 50_000
"""Pairs of types that are looked at, in one pair of schemas."""

_SHOWN: Final = 60  # characters of a type, a name or a value in a sentence

Effects = frozenset[str]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        rule: a key of `RULES`.
        path: the place, below the schema; "" for the schema as a whole.
        what: what changed, as a clause.
    """

    rule: str
    path: str
    what: str


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """A place in both types."""

    path: str
    old: Type
    new: Type


def changes(old: Types, new: Types, by_letter: frozenset[Side] = frozenset()) -> list[Change]:
    """All differences. The same types, under whatever names, have none.

    Args:
        by_letter: as `Containment` has it.

    Raises:
        TooMuch: the schemas are too large to compare.
    """
    if _said(old) == _said(new):  # also for what could not be told to be within itself
        return []
    return _Walk(old, new, by_letter).changes()


def _said(types: Types) -> str:
    """As text, for in Python 1 == True."""
    return repr((types.root, types.definitions))


class _Walk:
    def __init__(self, old: Types, new: Types, by_letter: frozenset[Side] = frozenset()) -> None:
        self._old = old
        self._new = new
        self._containment = Containment(old.definitions, new.definitions, by_letter)
        self._waiting = deque[tuple[_Pair, Effects]]()
        self._seen: dict[tuple[int, int, Effects], _Pair] = {}
        self._found: list[Change] = []

    def changes(self) -> list[Change]:
        root = _Pair("", self._old.root, self._new.root)
        everything = frozenset({"wider", "narrower"})
        self._enter(root, everything)
        while self._waiting:
            self._look_at(*self._waiting.popleft())
        told = frozenset(chain.from_iterable(_EFFECTS[RULES[change.rule].effect] for change in self._found))
        self._found += _whole(root, self._effects(root) - told)  # never needed, and never to be missed
        return self._found

    def _effects(self, pair: _Pair) -> Effects:
        narrower = not self._containment.holds(pair.old, pair.new, "old")
        wider = not self._containment.holds(pair.new, pair.old, "new")
        return frozenset(["narrower"] * narrower + ["wider"] * wider)

    def _enter(self, pair: _Pair, allowed: Effects) -> Effects:
        """Have a pair looked at, unless it has been; gives the effects that it tells of.

        Only what also makes the types above it wider or narrower counts.
        """
        effects = self._effects(pair) & allowed
        meant = self._resolved(pair)
        key = id(meant.old), id(meant.new), effects
        if key not in self._seen:
            if len(self._seen) >= MAX_PLACES:
                raise TooMuch
            self._seen[key] = meant
            self._waiting.append((pair, effects))
        return effects

    def _resolved(self, pair: _Pair) -> _Pair:
        old = resolved(pair.old, self._old.definitions)
        return _Pair(pair.path, old, resolved(pair.new, self._new.definitions))

    def _look_at(self, pair: _Pair, effects: Effects) -> None:
        explained: set[str] = set()
        for found in self._inside(self._resolved(pair)):
            if isinstance(found, Change):
                own = _EFFECTS[RULES[found.rule].effect]
                if own <= effects:
                    self._found.append(found)
                    explained |= own
            else:
                explained |= self._enter(found, effects)
        self._found += _whole(pair, effects - explained)

    def _inside(self, pair: _Pair) -> Iterator[Change | _Pair]:  # noqa: PLR0911 - a table of kinds
        match pair.old, pair.new:
            case (Union(), _) | (_, Union()):
                return self._union(pair)
            case Record() as old, Record() as new:
                return _Fields(self._containment, pair.path, old, new).all()
            case Map() as old, Map() as new:
                return _map(pair.path, old, new)
            case ((Array() | Tuple() as old), (Array() | Tuple() as new)):
                return _list(pair.path, old, new)
            case ((Integer() | Number() as old), (Integer() | Number() as new)):
                return _number(pair.path, old, new)
            case Text() as old, Text() as new:
                return _text(pair.path, old, new)
            case ((Null() | Boolean() | Literals()), (Null() | Boolean() | Literals())):
                return _values(pair)
            case _:
                return iter(())

    # unions

    def _union(self, pair: _Pair) -> Iterator[Change | _Pair]:
        olds = list(_flat(pair.old, self._old))
        news = list(_flat(pair.new, self._new))
        if (Null() in olds) != (Null() in news):
            yield _null(pair.path, added=Null() in news)
        olds, news = ([member for member in each if member != Null()] for each in (olds, news))
        for mark in (_marks, _class_name):
            for old, new in _taken_together(olds, news, mark, self._old, self._new):
                yield _Pair(pair.path, old, new)
        if len(olds) == len(news) == 1:
            yield _Pair(pair.path, olds[0], news[0])
            return
        for member in olds:
            if not self._containment.holds(member, pair.new, "old"):
                yield Change("member-removed", pair.path, f"the union no longer allows {_type(member)}")
        for member in news:
            if not self._containment.holds(member, pair.old, "new"):
                yield Change("member-added", pair.path, f"the union allows {_type(member)} now")


def _flat(type_: Type, types: Types) -> Iterator[Type]:
    """The members of a union and of those in it; references stay, for their names tell members apart."""
    meant = resolved(type_, types.definitions)
    if isinstance(meant, Union):
        for member in meant.members:
            yield from _flat(member, types)
    else:
        yield type_ if isinstance(meant, Record) else meant


def _taken_together(
    olds: list[Type], news: list[Type], mark: Callable[[Type, Types], str], old: Types, new: Types
) -> Iterator[tuple[Type, Type]]:
    """Members of the same mark, which are taken out of both lists."""
    free: dict[str, deque[Type]] = {}
    for member in news:
        free.setdefault(mark(member, new), deque()).append(member)
    left: list[Type] = []
    for member in olds:
        same = free.get(mark(member, old))
        if same:
            yield member, same.popleft()
        else:
            left.append(member)
    olds[:] = left
    news[:] = [member for members in free.values() for member in members]


def _marks(member: Type, types: Types) -> str:
    """What tells a member from the others: its kind, and of an object its tags, or else its fields."""
    meant = resolved(member, types.definitions)
    if not isinstance(meant, Record):
        return _KINDS.get(type(meant), type(meant).__name__)
    tags = {field.name: repr(field.type) for field in meant.fields if field.required and _is_tag(field.type)}
    return repr(sorted(tags.items() if tags else (field.name for field in meant.fields)))


_KINDS: Final[dict[type[Any], str]] = {Integer: "number", Number: "number", Array: "array", Tuple: "array"}


def _class_name(member: Type, types: Types) -> str:
    return member.name if isinstance(member, Ref) else _marks(member, types)


def _is_tag(type_: Type) -> bool:
    return isinstance(type_, Literals) and len(type_.values) == 1 and isinstance(type_.values[0], str)


def _null(path: str, *, added: bool) -> Change:
    if added:
        return Change("null-added", path, "it may be null now")
    return Change("null-removed", path, "it may no longer be null")


# --- the step itself


def _whole(pair: _Pair, effects: Effects) -> Iterator[Change]:
    if not effects:
        return
    rule = _WHOLE[effects]
    old, new = _type(pair.old), _type(pair.new)
    if old == new:
        verbs = {"type-widened": "more", "type-narrowed": "less", "type-changed": "other things"}
        yield Change(rule, pair.path, f"it allows {verbs[rule]} than it did, within {new}")
    else:
        yield _became(rule, pair.path, pair.old, pair.new)


def _became(rule: str, path: str, old: Type, new: Type) -> Change:
    return Change(rule, path, f"it was {_type(old)}, and is {_type(new)} now")


_EFFECTS: Final[dict[str, Effects]] = {
    "none": frozenset(),
    "wider": frozenset({"wider"}),
    "narrower": frozenset({"narrower"}),
    "both": frozenset({"wider", "narrower"}),
}
_WHOLE: Final[dict[Effects, str]] = {
    _EFFECTS["wider"]: "type-widened",
    _EFFECTS["narrower"]: "type-narrowed",
    _EFFECTS["both"]: "type-changed",
}


def _type(type_: Type) -> str:
    return f"`{shown(annotation(type_), _SHOWN)}`"


def _name(name: str) -> str:
    return shown(repr(name), _SHOWN)


# --- values, numbers, texts


def _values(pair: _Pair) -> Iterator[Change]:
    old, new = _by_identity(pair.old), _by_identity(pair.new)
    for key, value in old.items():
        if key not in new:
            yield Change("value-removed", pair.path, f"{default_text(value)} is no longer allowed")
    for key, value in new.items():
        if key not in old:
            yield Change("value-added", pair.path, f"{default_text(value)} is allowed now")


def _by_identity(type_: Type) -> dict[Any, Any]:
    match type_:
        case Literals(values):
            return {identity(value): value for value in values}
        case Boolean():
            return {identity(value): value for value in (False, True)}
        case _:
            return {None: None}


def _number(path: str, old: Integer | Number, new: Integer | Number) -> Iterator[Change]:
    if type(old) is not type(new):
        rule = "type-widened" if isinstance(new, Number) else "type-narrowed"
        yield _became(rule, path, old, new)
    if (old.ge, old.gt) != (new.ge, new.gt):
        yield _bound(path, "lower", (old.ge, old.gt), (new.ge, new.gt), narrower=lower(new) > lower(old))
    if (old.le, old.lt) != (new.le, new.lt):
        yield _bound(path, "upper", (old.le, old.lt), (new.le, new.lt), narrower=upper(new) < upper(old))
    for multiple in _only_in(old.multiples, new.multiples):
        told = f"it need not be a multiple of {number_text(multiple)} any more"
        yield Change("multiple-removed", path, told)
    for multiple in _only_in(new.multiples, old.multiples):
        yield Change("multiple-added", path, f"it has to be a multiple of {number_text(multiple)} now")


Bound = tuple[float | None, float | None]


def _bound(path: str, side: str, old: Bound, new: Bound, *, narrower: bool) -> Change:
    told = f"the {side} bound was {_bound_text(*old)}, and is {_bound_text(*new)} now"
    return Change("bound-narrowed" if narrower else "bound-widened", path, told)


def _bound_text(included: float | None, excluded: float | None) -> str:
    if included is None:
        return "none" if excluded is None else f"{number_text(excluded)} (excluded)"
    return number_text(included)


def _text(path: str, old: Text, new: Text) -> Iterator[Change]:
    lengths = (old.min_length or 0, old.max_length), (new.min_length or 0, new.max_length)
    yield from _counts(path, *lengths, "length", "characters")
    for pattern in _only_in(old.patterns, new.patterns):
        yield Change("pattern-removed", path, f"it need not match {_name(pattern)} any more")
    for pattern in _only_in(new.patterns, old.patterns):
        yield Change("pattern-added", path, f"it has to match {_name(pattern)} now")
    yield from _format(path, old.format, new.format)


def _format(path: str, old: str | None, new: str | None) -> Iterator[Change]:
    if old == new:
        return
    if new is None:
        yield Change("format-removed", path, f"it need not be a {old} any more")
    elif old is None:
        yield Change("format-added", path, f"it has to be a {new} now")
    else:
        yield Change("format-changed", path, f"it was a {old}, and has to be a {new} now")


def _counts(
    path: str, old: tuple[int, int | None], new: tuple[int, int | None], rule: str, noun: str
) -> Iterator[Change]:
    """Both ends of a range, each by itself."""
    for word, was, now in (("least", (old[0], None), (new[0], None)), ("most", (0, old[1]), (0, new[1]))):
        if was != now:
            narrower = count_within(now, was)
            end = [each[0] if word == "least" else each[1] for each in (was, now)]
            before, after = ("any number" if each is None else str(each) for each in end)
            told = f"there were {before} {noun} at {word}, and are {after} now"
            yield Change(f"{rule}-{'narrowed' if narrower else 'widened'}", path, told)


def _only_in(these: Sequence[T], those: Sequence[T]) -> list[T]:
    known = set(those)
    return [each for each in these if each not in known]


# --- lists and maps


def _list(path: str, old: Array | Tuple, new: Array | Tuple) -> Iterator[Change | _Pair]:
    yield from _counts(path, length(old), length(new), "count", "items")
    if old.unique != new.unique:
        rule, verb = ("unique-removed", "need not") if old.unique else ("unique-added", "have to")
        yield Change(rule, path, f"items {verb} differ from each other now")
    known = max(len(each.items) if isinstance(each, Tuple) else 0 for each in (old, new))
    for index in range(known):
        yield _Pair(step(path, "items", index), item(old, index), item(new, index))
    rest = item(old, known), item(new, known)
    if not any(isinstance(each, Nothing) for each in rest):  # else the count says it
        yield _Pair(step(path, "items"), *rest)


def _map(path: str, old: Map, new: Map) -> Iterator[Change | _Pair]:
    counts = (old.min_items or 0, old.max_items), (new.min_items or 0, new.max_items)
    yield from _counts(path, *counts, "count", "entries")
    for change in _text(path, old.keys, new.keys):
        effect = RULES[change.rule].effect
        for each in ("wider", "narrower") if effect == "both" else (effect,):
            rule = "keys-widened" if each == "wider" else "keys-narrowed"
            yield Change(rule, path, f"of each key: {change.what}")
    yield _Pair(step(path, "additionalProperties"), old.values, new.values)


# --- objects


class _Fields:
    """The fields of two objects."""

    def __init__(self, containment: Containment, path: str, old: Record, new: Record) -> None:
        self._containment = containment
        self._path = path
        self._old = old
        self._new = new

    def all(self) -> Iterator[Change | _Pair]:
        old = {field.name: field for field in self._old.fields}
        new = {field.name: field for field in self._new.fields}
        for name in dict.fromkeys((*old, *new)):
            path = step(self._path, "properties", name)
            if name not in new:
                yield from self._removed(path, old[name])
            elif name not in old:
                yield from self._added(path, new[name])
            else:
                yield from _field(path, old[name], new[name])
        yield from self._extra()

    def _added(self, path: str, field: Field) -> Iterator[Change]:
        told, found = f"the field {_name(field.name)} is new", False
        if field.required:
            yield Change("required-field-added", path, f"{told}, and has to be there")
            found = True
        elif not self._containment.holds(self._containment.promised(self._old, "old"), field.type, "old"):
            what = f"{told}; so far its name could hold any {_type(self._old.extra)}"
            yield Change("field-fixed", path, what)
            found = True
        if not self._containment.holds(field.type, self._old.extra, "new"):
            yield Change("field-added-to-closed", path, f"{told}, in an object that had no room for it")
        elif not found:
            yield Change("field-added", path, told)

    def _removed(self, path: str, field: Field) -> Iterator[Change]:
        told, found = f"the field {_name(field.name)} is gone", False
        if field.required:
            yield Change("required-field-removed", path, f"{told}, which had to be there")
            found = True
        elif not self._containment.holds(self._containment.promised(self._new, "new"), field.type, "new"):
            what = f"{told}; its name may hold any {_type(self._new.extra)} now"
            yield Change("field-freed", path, what)
            found = True
        if not self._containment.holds(field.type, self._new.extra, "old"):
            yield Change("field-removed-from-closed", path, f"{told}, and the object has no room for it")
        elif not found:
            yield Change("field-removed", path, told)

    def _extra(self) -> Iterator[Change | _Pair]:
        """What stands under names that neither knows."""
        old, new = self._old, self._new
        path = step(self._path, "additionalProperties")
        if old.extra_said and not self._containment.holds(old.extra, new.extra, "old"):
            told = f"fields that the schema does not name could be {_type(old.extra)}"
            yield Change("extra-closed", path, f"{told}, and now {_allowed(new.extra)}")
        if new.extra_said and not self._containment.holds(new.extra, old.extra, "new"):
            told = f"fields that the schema does not name may be {_type(new.extra)} now"
            yield Change("extra-opened", path, f"{told}; so far {_allowed(old.extra)}")


def _allowed(extra: Type) -> str:
    return "there may be none" if isinstance(extra, Nothing) else f"only {_type(extra)}"


def _field(path: str, old: Field, new: Field) -> Iterator[Change | _Pair]:
    if old.required != new.required:
        rule = "field-now-required" if new.required else "field-now-optional"
        told = "has to be there now" if new.required else "may be absent now"
        yield Change(rule, path, f"the field {_name(old.name)} {told}")
    yield from _default(path, old, new)
    yield _Pair(path, old.type, new.type)


def _default(path: str, old: Field, new: Field) -> Iterator[Change]:
    was, now = old.default, new.default
    if was is MISSING and now is MISSING:
        return
    if was is MISSING:
        yield Change("default-added", path, f"it has the default {default_text(now)} now")
    elif now is MISSING:
        yield Change("default-removed", path, f"its default, {default_text(was)}, is gone")
    elif identity(was) != identity(now):
        told = f"its default was {default_text(was)}, and is {default_text(now)} now"
        yield Change("default-changed", path, told)
