"""What one object of keywords allows, kind by kind, and the intersection of two such shapes.

In: shapes as `keywords.py` reads them. Out: the shape of values that fit both; that is how `allOf` and the
siblings of `$ref` vanish. Out of place here: the schemas of items and properties, which are only named by
their places; unions, enumerations and references.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from .accepts import text_fits
from .model import Integer, Number, Text

ANY_TEXT: Final = Text()
ANY_NUMBER: Final = Number()

Places = tuple[str, ...]
"""Pointers to schemas that a value has to fit all; no place at all: any value does."""

NOWHERE: Final = "false"  # no pointer: those are empty or begin with a slash
NEVER: Final[Places] = (NOWHERE,)
ANY: Final[Places] = ()

KINDS: Final = ("null", "boolean", "number", "string", "array", "object")


@dataclass(frozen=True, slots=True)
class Items:
    """A list: the places of its first items, and of the rest."""

    first: tuple[Places, ...] = ()
    rest: Places = ANY
    least: int = 0
    most: int | None = None
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Entries:
    """An object.

    Attributes:
        fields: by name; `keys` does not restrict their names.
        listed: whether `properties` was said, be it empty.
        required: in order; also names that are not among the fields.
        extra: what stands under other names, which have to fit `keys`.
        extra_said: whether the schema speaks of other names at all.
    """

    fields: Mapping[str, Places] = field(default_factory=dict[str, Places])
    listed: bool = False
    required: tuple[str, ...] = ()
    extra: Places = ANY
    extra_said: bool = False
    keys: Text = ANY_TEXT
    least: int = 0
    most: int | None = None

    def at(self, name: str) -> Places:
        """Where the schemas are that the value under this name has to fit."""
        if name in self.fields:
            return self.fields[name]
        return self.extra if text_fits(name, self.keys) else NEVER


@dataclass(frozen=True, slots=True)
class Shape:
    """What is allowed of each kind; None: nothing of that kind.

    Attributes:
        typed: whether `type` was said. If nothing that applies says it, the keywords do: `minLength`
            alone is meant for strings only, though by the letter it lets all other kinds pass.
        hinted: the kinds that the keywords speak of.
    """

    null: bool = True
    boolean: bool = True
    number: Integer | Number | None = ANY_NUMBER
    string: Text | None = ANY_TEXT
    array: Items | None = Items()
    object: Entries | None = Entries()
    typed: bool = False
    hinted: frozenset[str] = frozenset()

    def is_empty(self) -> bool:
        """Whether no kind is left."""
        scalars = self.null or self.boolean or self.number or self.string
        return not (scalars or self.array or self.object)


def both(a: Shape, b: Shape) -> Shape:
    """The values that fit both."""
    return Shape(
        null=a.null and b.null,
        boolean=a.boolean and b.boolean,
        number=_numbers(a.number, b.number) if a.number and b.number else None,
        string=both_texts(a.string, b.string) if a.string and b.string else None,
        array=_items(a.array, b.array) if a.array and b.array else None,
        object=_entries(a.object, b.object) if a.object and b.object else None,
        typed=a.typed or b.typed,
        hinted=a.hinted | b.hinted,
    )


def meant(shape: Shape) -> Shape:
    """The shape without the kinds that were not meant, and without those that nothing can fit."""
    kinds = KINDS if shape.typed or not shape.hinted else shape.hinted
    number, string, array, entries = shape.number, shape.string, shape.array, shape.object
    return replace(
        shape,
        null=shape.null and "null" in kinds,
        boolean=shape.boolean and "boolean" in kinds,
        number=number if number and "number" in kinds and _has_numbers(number) else None,
        string=string if string and "string" in kinds and _has_texts(string) else None,
        array=_tidy_items(array) if array and "array" in kinds else None,
        object=entries if entries and "object" in kinds and _has_entries(entries) else None,
    )


def both_places(a: Places, b: Places) -> Places:
    """Places that a value has to fit all."""
    return a if a == b else tuple(dict.fromkeys(a + b))


def _larger(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else max(a, b)


def _smaller(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else min(a, b)


def _fewer(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else min(a, b)


def _numbers(a: Integer | Number, b: Integer | Number) -> Integer | Number:
    """The tighter bound of each side; an exclusive one wins over an equal inclusive one."""
    ge, gt = _larger(a.ge, b.ge), _larger(a.gt, b.gt)
    le, lt = _smaller(a.le, b.le), _smaller(a.lt, b.lt)
    if ge is not None and gt is not None:
        ge, gt = (None, gt) if gt >= ge else (ge, None)
    if le is not None and lt is not None:
        le, lt = (None, lt) if lt <= le else (le, None)
    whole = isinstance(a, Integer) or isinstance(b, Integer)
    multiples = tuple(dict.fromkeys(a.multiples + b.multiples))
    return (Integer if whole else Number)(ge=ge, gt=gt, le=le, lt=lt, multiples=multiples)


def both_texts(a: Text, b: Text) -> Text:
    """The texts that fit both. Of two formats the first stays: no text we know of has two."""
    least, most = _larger(a.min_length, b.min_length), _fewer(a.max_length, b.max_length)
    return Text(
        min_length=None if least is None else int(least),
        max_length=most,
        patterns=tuple(dict.fromkeys(a.patterns + b.patterns)),
        format=a.format or b.format,
    )


def _items(a: Items, b: Items) -> Items:
    length = max(len(a.first), len(b.first))
    return Items(
        first=tuple(both_places(_item(a, index), _item(b, index)) for index in range(length)),
        rest=both_places(a.rest, b.rest),
        least=max(a.least, b.least),
        most=_fewer(a.most, b.most),
        unique=a.unique or b.unique,
    )


def _item(items: Items, index: int) -> Places:
    return items.first[index] if index < len(items.first) else items.rest


def _entries(a: Entries, b: Entries) -> Entries:
    names = dict.fromkeys((*a.fields, *b.fields))
    return Entries(
        fields={name: both_places(a.at(name), b.at(name)) for name in names},
        listed=a.listed or b.listed,
        required=tuple(dict.fromkeys(a.required + b.required)),
        extra=both_places(a.extra, b.extra),
        extra_said=a.extra_said or b.extra_said,
        keys=both_texts(a.keys, b.keys),
        least=max(a.least, b.least),
        most=_fewer(a.most, b.most),
    )


def _has_numbers(number: Integer | Number) -> bool:
    low = _larger(number.ge, number.gt)
    high = _smaller(number.le, number.lt)
    if low is None or high is None or low < high:
        return True
    return low == high and number.gt is None and number.lt is None


def _has_texts(text: Text) -> bool:
    return text.max_length is None or (text.min_length or 0) <= text.max_length


def _has_entries(entries: Entries) -> bool:
    """Whether not too much is required; what a required field's own schema allows is not looked at."""
    most = len(entries.fields) if NOWHERE in entries.extra else entries.most
    if entries.most is not None and most is not None:
        most = min(most, entries.most)
    least = max(entries.least, len(entries.required))
    return (most is None or least <= most) and not any(NOWHERE in entries.at(n) for n in entries.required)


def _tidy_items(items: Items) -> Items | None:
    """Each fact said once: what cannot be there is not among the first, and `most` is not the rest's job."""
    most = items.most
    closed = NOWHERE in items.rest
    if closed and (most is None or most >= len(items.first)):
        most = len(items.first)
    if most is not None and items.least > most:
        return None
    if most is not None and most <= len(items.first) and items.first:
        return replace(items, first=items.first[:most], rest=NEVER, most=None) if most else _empty(items)
    return _empty(items) if most == 0 else replace(items, most=most)


def _empty(items: Items) -> Items:
    return replace(items, first=(), rest=NEVER, most=None)
