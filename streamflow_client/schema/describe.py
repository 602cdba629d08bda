"""The model of types → text: annotations and signatures as a Python programmer writes them.

In: the model of types. Out: short text on one line. Out of place here: pydantic. Text of a server appears
in literals, defaults and names only, escaped and shortened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log10
from typing import Any, Final

from ..text import shown
from .model import (
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
    Record,
    Ref,
    Text,
    Tuple,
    Type,
    Types,
    Union,
)
from .walk import resolved

__all__ = ["LONG_NAME", "annotation", "bounds", "default_text", "number_text", "parameters", "signature"]

LONG_NAME: Final = 100  # characters of a name of a field

_LONG_DEFAULT: Final = 40  # characters of a default in a signature
_LONG_LITERAL: Final = 40
_LONG_NUMBER: Final = 128  # bits
_LONG_PARAMETER: Final = 200
_MANY: Final = 12  # values of a literal, members of a union
_MANY_PARAMETERS: Final = 50

_FORMATS: Final = {"date-time": "datetime", "date": "date", "time": "time", "uuid": "UUID"}


def annotation(type: Type) -> str:
    """A type as a Python annotation: `list[Item] | None`, `Literal['a', 1]`, `dict[str, float]`, `Any`."""
    return _ANNOTATIONS[type.__class__](type)


def signature(name: str, input: Types | None, chunk: Types | None, output: Types | None) -> str:
    """A flow on one line: `menu(theme: str, dishes: int = 3) -> Menu, streams MenuItem`."""
    result = annotation(output.root) if output is not None else "Any"
    streams = f", streams {annotation(chunk.root)}" if chunk is not None else ""
    return f"{shown(name)}({parameters(input)}) -> {result}{streams}"


def default_text(value: Any, limit: int = _LONG_DEFAULT) -> str:
    """A JSON value as Python, shortened."""
    return shown(repr(value), limit)


def bounds(type: Integer | Number) -> str:
    """What a number has to be beside a number: ` that is at least 1, a multiple of 5`; or nothing."""
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    known = {name: getattr(type, name) for name in words}
    limits = [f"{words[name]} {number_text(limit)}" for name, limit in known.items() if limit is not None]
    multiples = [f"a multiple of {number_text(multiple)}" for multiple in type.multiples]
    told = ", ".join((*limits, *multiples))
    return f" that is {told}" if told else ""


def number_text(value: float) -> str:
    """A number as Python; of a very long one, its size."""
    if isinstance(value, int) and value.bit_length() > _LONG_NUMBER:
        return f"about {'-' if value < 0 else ''}10**{int(value.bit_length() * log10(2))}"
    return repr(value)


def parameters(input: Types | None) -> str:
    """What a call takes: `theme: str, dishes: int = 3`, or `input: list[int], /`."""
    if input is None:
        return "input: Any = …, /"
    record = resolved(input.root, input.definitions)
    if isinstance(record, Record):
        required = [field for field in record.fields if field.required]
        others = [field for field in record.fields if not field.required]
        ordered = [*required, *others]
        told = [shown(_parameter(field), _LONG_PARAMETER) for field in ordered[:_MANY_PARAMETERS]]
        return ", ".join(told if len(told) == len(ordered) else [*told, "…"])
    return f"input: {annotation(input.root)}, /"


def _parameter(field: Field) -> str:
    text = f"{shown(field.python_name, LONG_NAME)}: {annotation(field.type)}"
    if field.required:
        return text
    return f"{text} = {'…' if field.default is MISSING else default_text(field.default)}"


def _text(type: Text) -> str:
    return _FORMATS.get(type.format or "", "str")


def _literals(type: Literals) -> str:
    return f"Literal[{_listed([default_text(value, _LONG_LITERAL) for value in type.values], ', ')}]"


def _listed(parts: list[str], separator: str) -> str:
    return separator.join(parts if len(parts) <= _MANY else [*parts[: _MANY - 1], "…"])


def _tuple(type: Tuple) -> str:
    rest = [] if isinstance(type.rest, Nothing) else [f"*tuple[{annotation(type.rest)}, ...]"]
    return f"tuple[{', '.join([*map(annotation, type.items), *rest]) or '()'}]"


def _union(type: Union) -> str:
    members = dict.fromkeys(annotation(member) for member in type.members if member != Null())
    null = ["None"] if Null() in type.members else []
    return _listed([*members, *null], " | ")


_ANNOTATIONS: Final[Mapping[type[Any], Callable[[Any], str]]] = {
    Anything: lambda _: "Any",
    Nothing: lambda _: "Never",
    Null: lambda _: "None",
    Boolean: lambda _: "bool",
    Integer: lambda _: "int",
    Number: lambda _: "float",
    Text: _text,
    Literals: _literals,
    Array: lambda array: f"list[{annotation(array.items)}]",
    Tuple: _tuple,
    Map: lambda map_: f"dict[str, {annotation(map_.values)}]",
    Record: lambda _: "dict[str, Any]",
    Union: _union,
    Ref: lambda ref: ref.name,
}
