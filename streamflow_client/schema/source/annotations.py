"""Annotations → the model of types: what the classes of a generated module say. The way back of `module.py`.

In: classes of a generated module, as written or as edited since, and other annotations. Out: `Types`, and the
class of each record. Out of place here: how a value is checked (`core.py`), and the module's text.

What has no meaning here is refused: it would silently not be checked.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from itertools import chain
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Never, NoReturn, cast, get_args, get_origin, get_type_hints

import typing_extensions
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ..model import (
    MISSING,
    Anything,
    Array,
    Boolean,
    Definition,
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
from ..plain import UUID
from . import markers

__all__ = ["EXTRA", "Read", "read_form"]

EXTRA: Final = "__extra__"
"""The annotation of a class that tells the type of its extra fields."""

_ALIASES: Final[tuple[Any, ...]] = (
    typing_extensions.TypeAliasType,
    getattr(typing, "TypeAliasType", typing_extensions.TypeAliasType),  # of Python 3.12, one and the same
)
_SIMPLE: Final[Mapping[Any, Type]] = {
    Any: Anything(),
    Never: Nothing(),
    NoReturn: Nothing(),
    None: Null(),
    NoneType: Null(),
    bool: Boolean(),
    int: Integer(),
    float: Number(),
    str: Text(),
    datetime: Text(format="date-time"),
    date: Text(format="date"),
    time: Text(format="time"),
    UUID: Text(format="uuid"),
}
_BOUNDS: Final = ("ge", "gt", "le", "lt")
_LENGTHS: Final = ("min_length", "max_length")
_WORDS: Final = (*_BOUNDS, *_LENGTHS, "multiple_of", "pattern", "discriminator")
_MARKS: Final[Mapping[Any, str]] = {
    markers.patterns: "patterns",
    markers.multiples: "multiples",
    markers.formatted: "formatted",
    markers.values: "values",
    markers.members: "members",
    markers.items: "items",
}

_CODE: Final = (
    *("field_validators", "root_validators", "model_validators", "validators"),
    *("field_serializers", "model_serializers", "computed_fields"),
)

_OF_VALUES: Final = (
    "str_",
    "ser_",
    "val_",
    "strict",
    "coerce_",
    "use_enum",
    "allow_inf",
    "alias_",
    "json_enc",
)
"""How the names of pydantic's settings begin that change values."""

Said = dict[str, Any]


@dataclass(frozen=True, eq=False)
class _Given:
    """What was said of a whole, for one of its parts."""

    said: Said


@dataclass(frozen=True)
class Read:
    """What an annotation says.

    Attributes:
        classes: the class of each record among the definitions, by its name there.
    """

    types: Types
    classes: Mapping[str, type[BaseModel]]


def read_form(form: Any, base: type[BaseModel]) -> Read:
    """What an annotation says, with all that it refers to.

    Args:
        base: which classes are records.

    Raises:
        TypeError: it says something that JSON's types do not know.
    """
    reading = _Reading(base)
    root = reading.of(form, "the type")
    reading.finish()
    return Read(Types(root, reading.definitions), reading.classes)


class _Reading:
    """One walk. Classes and aliases get names where they are met first, and are read afterwards."""

    def __init__(self, base: type[BaseModel]) -> None:
        self._base = base
        self._named: dict[int, str] = {}
        self._waiting: list[tuple[str, Any]] = []
        self.definitions: dict[str, Definition] = {}
        self.classes: dict[str, type[BaseModel]] = {}

    def finish(self) -> None:
        while self._waiting:
            name, found = self._waiting.pop()
            if isinstance(found, type):
                self.definitions[name] = self._record(found)
            else:
                (form,) = _evaluated({"_": found.__value__}, found.__module__).values()
                self.definitions[name] = Definition(self.of(form, name))

    def of(self, form: Any, place: str, more: Iterable[Any] = ()) -> Type:
        """The type that an annotation means, with what stands beside it."""
        metadata = list(more)
        while get_origin(form) is Annotated:
            metadata = [*form.__metadata__, *metadata]
            form = form.__origin__
        for omitted in [mark for mark in metadata if isinstance(mark, markers.Omitted)]:
            metadata.remove(omitted)
            return self.of(omitted.form, place, metadata)
        said = _said(metadata, place)
        type_ = self._type(form, said, place)
        if said:
            told = ", ".join(sorted(said))
            raise TypeError(f"{place}: {told} has no meaning for {form!r:.200}")
        return type_

    def _type(self, form: Any, said: Said, place: str) -> Type:  # noqa: PLR0911 - a table
        """What it takes from `said`, it removes."""
        if "values" in said:
            return Literals(said.pop("values").all)
        if "members" in said or get_origin(form) in (typing.Union, UnionType):
            return self._union(form, said, place)
        if "items" in said or get_origin(form) is tuple:
            return self._tuple(form, said, place)
        simple = _SIMPLE.get(form) if _is_hashable(form) else None
        if simple is not None:
            return _scalar(simple, said)
        if get_origin(form) is Literal:
            return Literals(get_args(form))
        if form is list or get_origin(form) is list:
            (part,) = get_args(form) or (Any,)
            return Array(self.of(part, place), *_lengths(said), unique=bool(said.pop("unique", None)))
        if form is dict or get_origin(form) is dict:
            return self._map(form, said, place)
        return self._named_type(form, place)

    def _named_type(self, form: Any, place: str) -> Type:
        is_record = inspect.isclass(form) and issubclass(form, self._base)
        if not is_record and not isinstance(form, _ALIASES):
            raise TypeError(
                f"{place}: {form!r:.200} is no type of JSON that generated modules know; write such a class "
                "by hand, with pydantic.BaseModel and streamflow_client.FlowDef"
            )
        if id(form) not in self._named:
            name = form.__name__
            while name in self._named.values():  # of another module
                name += "_"
            self._named[id(form)] = name
            if is_record:
                self.classes[name] = cast("type[BaseModel]", form)
            self._waiting.append((name, form))
        return Ref(self._named[id(form)])

    def _union(self, form: Any, said: Said, place: str) -> Type:
        found: tuple[Any, ...] = said.pop("members").all if "members" in said else get_args(form)
        exclusive, discriminator = bool(said.pop("exactly_one", None)), said.pop("discriminator", None)
        others = [member for member in found if member not in (None, NoneType)]
        given: list[Any] = []
        if said and len(others) == 1:  # `int | None = Field(ge=1)` means the int
            given = [_Given(dict(said))]
            said.clear()
        parts = tuple(self.of(member, place, given if member in others else ()) for member in found)
        return Union(parts, exclusive, discriminator)

    def _tuple(self, form: Any, said: Said, place: str) -> Type:
        if "items" in said:
            mark = said.pop("items")
            first, rest = mark.all, mark.rest
            least, most = _lengths(said)
        else:
            first, rest = _parts_of_tuple(get_args(form))
            least, most = _lengths(said)
            least = len(first) if least is None and first else least
        return Tuple(
            tuple(self.of(part, place) for part in first),
            Nothing() if rest is Never else self.of(rest, place),
            least,
            most,
            bool(said.pop("unique", None)),
        )

    def _map(self, form: Any, said: Said, place: str) -> Type:
        key, value = get_args(form) or (str, Any)
        keys = self.of(key, place)
        if not isinstance(keys, Text):
            raise TypeError(f"{place}: the keys of JSON objects are texts, not {key!r:.200}")
        return Map(self.of(value, place), keys, *_lengths(said))

    # records

    def _record(self, class_: type[BaseModel]) -> Definition:
        _refuse_code(class_)
        hints = _hints(class_, self._base)
        fields = tuple(
            self._field(name, hints[name], info, f"{class_.__name__}.{name}")
            for name, info in class_.model_fields.items()
        )
        extra, extra_said = self._extra(class_, hints.get(EXTRA))
        return Definition(Record(fields, extra, extra_said), description=inspect.cleandoc(_doc(class_)))

    def _field(self, name: str, form: Any, info: FieldInfo, place: str) -> Field:
        required = info.is_required()
        omittable = get_origin(form) is Annotated and any(
            isinstance(mark, markers.Omitted) for mark in form.__metadata__
        )
        default = MISSING if required or omittable else info.get_default(call_default_factory=True)
        return Field(
            name=_wire_name(name, info, place),
            python_name=name,
            type=self.of(form, place, [info]),
            required=required,
            default=default,
            description=info.description or "",
        )

    def _extra(self, class_: type[BaseModel], form: Any) -> tuple[Type, bool]:
        if form is None:
            extra = class_.model_config.get("extra")
            return (Nothing() if extra == "forbid" else Anything()), extra in ("forbid", "allow")
        (form,) = get_args(form) if get_origin(form) is typing.ClassVar else (form,)
        metadata: tuple[Any, ...] = ()
        if get_origin(form) is Annotated:
            form, metadata = form.__origin__, form.__metadata__
        _, value = get_args(form)
        return self.of(value, f"{class_.__name__}.{EXTRA}"), markers.unsaid not in metadata


def _refuse_code(class_: type[BaseModel]) -> None:
    """Raises: TypeError: what is added would not run, or have no effect: the schema's own checks do all."""
    found = class_.__pydantic_decorators__
    added = [*chain.from_iterable(getattr(found, word) for word in _CODE), *class_.__private_attributes__]
    added += ["model_post_init"] * (class_.model_post_init is not BaseModel.model_post_init)
    added += [f"model_config[{name!r}]" for name in class_.model_config if name.startswith(_OF_VALUES)]
    for name in added:
        raise TypeError(
            f"{class_.__name__}.{name}: generated classes have no validators, serializers, computed fields, "
            "private attributes, or settings of how values are read and written; write such a class by hand, "
            "with pydantic.BaseModel and streamflow_client.FlowDef"
        )


def _doc(class_: type[BaseModel]) -> str:
    return vars(class_).get("__doc__") or ""


def _hints(class_: type[BaseModel], base: type[BaseModel]) -> dict[str, Any]:
    """The annotations of a class and of those it inherits from, evaluated where each was written."""
    found: dict[str, Any] = {}
    for each in reversed(class_.__mro__):
        if issubclass(each, base) and each is not base:
            own = inspect.get_annotations(each)
            wanted = {
                name: value for name, value in own.items() if name in class_.model_fields or name == EXTRA
            }
            found |= _evaluated(wanted, each.__module__, {each.__name__: each})
    return found


def _evaluated(
    annotations: dict[str, Any], module: str, names: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    holder = type("Holder", (), {"__annotations__": annotations})
    known = vars(sys.modules[module])
    return get_type_hints(holder, {**(names or {}), **known}, {}, include_extras=True)


def _wire_name(name: str, info: FieldInfo, place: str) -> str:
    alias = info.serialization_alias or info.validation_alias or info.alias
    alias = info.serialization_alias if info.serialization_alias is not None else alias
    if alias is None:
        return name
    if not isinstance(alias, str) or info.validation_alias not in (None, alias):
        raise TypeError(f"{place}: the name on the wire is one text, for both directions")
    return alias


def _is_hashable(form: Any) -> bool:
    try:
        hash(form)
    except TypeError:
        return False
    return True


def _said(metadata: Iterable[Any], place: str) -> Said:
    said: Said = {}
    for found in metadata:
        words = dict(_words(found))
        if not words and not isinstance(found, FieldInfo):
            raise TypeError(f"{place}: {found!r:.200} has no meaning in generated modules")
        said |= words
    return said


def _words(found: Any) -> Iterator[tuple[str, Any]]:
    if found in (markers.exactly_one, markers.unique):
        yield found.name, True
    elif found.__class__ in _MARKS:
        yield _MARKS[found.__class__], found
    elif isinstance(found, _Given):
        yield from found.said.items()
    elif isinstance(found, FieldInfo):
        if found.discriminator is not None:
            yield "discriminator", found.discriminator
        for part in found.metadata:
            yield from _words(part)
    else:
        for word in _WORDS:
            value = getattr(found, word, None)
            if value is not None:
                yield word, value


def _scalar(type_: Type, said: Said) -> Type:
    if isinstance(type_, Integer | Number):
        bounds = {word: said.pop(word) for word in _BOUNDS if word in said}
        single = (said.pop("multiple_of"),) if "multiple_of" in said else ()
        several = said.pop("multiples").all if "multiples" in said else single
        return replace(type_, **bounds, multiples=several)
    if isinstance(type_, Text):
        least, most = _lengths(said)
        one = (said.pop("pattern"),) if "pattern" in said else ()
        several = said.pop("patterns").all if "patterns" in said else one
        format_ = said.pop("formatted").format if "formatted" in said else type_.format
        return Text(least, most, several, format_)
    return type_


def _lengths(said: Said) -> tuple[int | None, int | None]:
    return said.pop("min_length", None), said.pop("max_length", None)


def _parts_of_tuple(arguments: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any]:
    """The types of the first items, and of the rest."""
    if len(arguments) == 2 and arguments[1] is ...:
        return (), arguments[0]
    if arguments and (inner := _unpacked(arguments[-1])):
        return arguments[:-1], inner[0]
    return arguments, Never


def _unpacked(form: Any) -> tuple[Any, ...]:
    """The arguments of `*tuple[int, ...]`."""
    if getattr(form, "__unpacked__", False):
        return get_args(form)
    if get_origin(form) in (typing.Unpack, typing_extensions.Unpack):
        return get_args(get_args(form)[0])
    return ()
