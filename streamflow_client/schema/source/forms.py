"""The model of types → annotations as source: `list[Item]`, `int = Field(default=3, ge=1)`.

In: a type, a field. Out: expressions. Out of place here: lines (`text.py`), classes and modules
(`module.py`). What is written here `annotations.py` reads back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, Final

from ..model import (
    MISSING,
    Anything,
    Array,
    Boolean,
    Field,
    Integer,
    Literals,
    Map,
    Nothing,
    Null,
    Number,
    Ref,
    Text,
    Tuple,
    Type,
    Union,
)
from .text import Expr, call, either, name, starred, subscript, text_literal, value

__all__ = ["annotation", "field_parts"]

_FORMATS: Final = {"date-time": "datetime", "date": "date", "time": "time", "uuid": "UUID"}


@dataclass(slots=True)
class _Said:
    """A type as Python says it: its annotation, what `Field` says of it, and marks."""

    plain: Expr
    limits: dict[str, Expr] = field(default_factory=dict[str, Expr])
    marks: list[Expr] = field(default_factory=list[Expr])

    def marked(self) -> Expr:
        """With its marks, but without limits."""
        return subscript("Annotated", [self.plain, *self.marks]) if self.marks else self.plain

    def whole(self) -> Expr:
        limits = [call("Field", named=self.limits)] if self.limits else []
        beside = [*limits, *self.marks]
        return subscript("Annotated", [self.plain, *beside]) if beside else self.plain


def annotation(type: Type) -> Expr:
    """A type as an annotation that stands alone."""
    return _said(type).whole()


def field_parts(found: Field) -> tuple[Expr, Expr | None]:
    """The annotation of a field, and what it is set to, if anything."""
    said = _said(found.type)
    absent = not found.required and found.default is MISSING
    shown = subscript("Omittable", [said.marked()]) if absent else said.marked()
    told = dict(said.limits)
    if found.name != found.python_name:
        wire = Expr(text_literal(found.name))
        told |= {"validation_alias": wire, "serialization_alias": wire}
    if found.description:
        told["description"] = Expr(text_literal(found.description))
    if found.required:
        return shown, call("Field", named=told) if told else None
    default = Expr("None") if absent else value(found.default)
    alone = not told and (_is_of(found.default, found.type) or _is_empty(found.default, found.type))
    if absent or _is_of(found.default, found.type) or alone:
        return shown, call("Field", named={"default": default, **told}) if told else default
    return shown, call("Field", named={"default": default, "validate_default": Expr("True"), **told})


def _is_empty(default: Any, type: Type) -> bool:
    return (isinstance(type, Array) and default == []) or (isinstance(type, Map) and default == {})


def _is_of(default: Any, type: Type) -> bool:
    """Whether a type checker sees that a default is of its type; else the default says it is validated."""
    kind = default.__class__
    match type:
        case Union(members=members):
            return any(_is_of(default, member) for member in members)
        case Literals(values=values):
            known = [(each.__class__, each) for each in values]
            return (kind, default) in known and all(each in _LITERAL for each, _ in known)
        case Text(format=str()):
            return False
        case _:
            return kind in _CHECKED.get(type.__class__, ())


_LITERAL: Final = (str, int, bool, NoneType)
_CHECKED: Final[Mapping[Any, tuple[Any, ...]]] = {
    Anything: (*_LITERAL, float),
    Null: (NoneType,),
    Boolean: (bool,),
    Integer: (int,),
    Number: (int, float),
    Text: (str,),
}


def _said(type: Type) -> _Said:
    return _SAID[type.__class__](type)


def _limits(**found: Any) -> dict[str, Expr]:
    return {label: value(limit) for label, limit in found.items() if limit is not None}


def _number(plain: str) -> Callable[[Any], _Said]:
    def said(type: Integer | Number) -> _Said:
        limits = _limits(ge=type.ge, gt=type.gt, le=type.le, lt=type.lt)
        limits |= _limits(multiple_of=type.multiples[0]) if len(type.multiples) == 1 else {}
        several = [call("multiples", map(value, type.multiples))] if len(type.multiples) > 1 else []
        return _Said(name(plain), limits, several)

    return said


def _text(type: Text) -> _Said:
    said = _key(type)
    if type.format is not None:
        said.plain = name(_FORMATS[type.format])
        said.marks.pop()
    return said


def _key(type: Text) -> _Said:
    limits = _limits(min_length=type.min_length, max_length=type.max_length)
    limits |= _limits(pattern=type.patterns[0]) if len(type.patterns) == 1 else {}
    marks = [call("patterns", map(value, type.patterns))] if len(type.patterns) > 1 else []
    marks += [call("formatted", [value(type.format)])] if type.format is not None else []
    return _Said(name("str"), limits, marks)


def _literals(type: Literals) -> _Said:
    known = [each for each in type.values if _is_literal(each)]
    kinds = dict.fromkeys(each.__class__ for each in type.values if not _is_literal(each))
    plain = [subscript("Literal", map(value, known))] if known else []
    plain += [_KINDS[kind] for kind in kinds]
    marks = [call("values", map(value, type.values))] if kinds else []
    return _Said(either(plain), marks=marks)


def _is_literal(each: Any) -> bool:
    """Whether `Literal` can hold it: mypy reads no integers of more than 64 bits there."""
    return abs(each) < 2**63 if isinstance(each, int) else isinstance(each, str | None)


def _array(type: Array) -> _Said:
    limits = _limits(min_length=type.min_items, max_length=type.max_items)
    return _Said(subscript("list", [annotation(type.items)]), limits, _unique(type))


def _map(type: Map) -> _Said:
    limits = _limits(min_length=type.min_items, max_length=type.max_items)
    return _Said(subscript("dict", [_key(type.keys).whole(), annotation(type.values)]), limits)


def _tuple(type: Tuple) -> _Said:
    first = list(map(annotation, type.items))
    rest = [] if type.rest == Nothing() else [annotation(type.rest)]
    least = type.min_items or 0
    if not first or least < len(first):
        forms = dict.fromkeys([*first, *rest]) or [name("Never")]
        limits = _limits(min_length=type.min_items, max_length=type.max_items)
        mark = call("items", first, {"rest": rest[0] if rest else name("Never")})
        return _Said(subscript("tuple", [either(forms), Expr("...")]), limits, [mark, *_unique(type)])
    limits = _limits(min_length=None if least == len(first) else least, max_length=type.max_items)
    more = [starred(subscript("tuple", [part, Expr("...")])) for part in rest]
    return _Said(subscript("tuple", [*first, *more]), limits, _unique(type))


def _unique(type: Array | Tuple) -> list[Expr]:
    return [name("unique")] if type.unique else []


def _union(type: Union) -> _Said:
    parts = list(map(annotation, type.members))
    limits = _limits(discriminator=type.discriminator)
    marks = [name("exactly_one")] if type.exclusive else []
    if _is_joined(type.members):
        marks.insert(0, call("members", parts))
        flattened = [each for member in type.members for each in _alternatives(member)]
        parts = list(dict.fromkeys(_said(each).plain for each in flattened))
    return _Said(either(parts), limits, marks)


def _is_joined(members: tuple[Type, ...]) -> bool:
    """Whether Python would make fewer members of these."""
    return any(isinstance(member, Union) or member in members[:at] for at, member in enumerate(members))


def _alternatives(type: Type) -> list[Type]:
    if not isinstance(type, Union):
        return [type]
    return [each for member in type.members for each in _alternatives(member)]


_KINDS: Final[Mapping[Any, Expr]] = {
    int: name("int"),
    float: name("float"),
    list: subscript("list", [name("Any")]),
    dict: subscript("dict", [name("str"), name("Any")]),
}
_SAID: Final[Mapping[Any, Callable[[Any], _Said]]] = {
    Anything: lambda _: _Said(name("Any")),
    Nothing: lambda _: _Said(name("Never")),
    Null: lambda _: _Said(Expr("None")),
    Boolean: lambda _: _Said(name("bool")),
    Integer: _number("int"),
    Number: _number("float"),
    Text: _text,
    Literals: _literals,
    Array: _array,
    Tuple: _tuple,
    Map: _map,
    Union: _union,
    Ref: lambda ref: _Said(name(ref.name)),
}
