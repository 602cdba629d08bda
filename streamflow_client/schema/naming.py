"""What the types of a schema are called.

In: the place of a schema, and the words on the way to it. Out: a class name, not yet unique.
Out of place here: what Python allows (`names.py`).

A title names its type, if it is short enough for a name; else the key under `$defs` and the like does;
else the parent and the way from it: the items of `MenuInput.dishes` are `MenuInputDishesItem`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote

from ..jsonvalues import is_list, is_object
from .names import class_name
from .refs import step, tokens

MAX_TITLE: Final = 40  # characters; longer titles are sentences
MAX_NAME: Final = 80

GROUPS: Final = ("$defs", "definitions", "schemas")

_SINGLE: Final[Mapping[str, str]] = {
    "items": "Item",
    "additionalItems": "Item",
    "additionalProperties": "Value",
    "propertyNames": "Name",
    "not": "Not",
}


class Naming:
    """Names of the places in one document.

    `schema` gives the object at a place, `start` is where the whole schema stands, `name` what it is called.
    """

    def __init__(self, schema: Callable[[str], Mapping[str, Any]], start: str, name: str) -> None:
        self._schema = schema
        self._start = start
        self._name = name

    def of(self, place: str) -> str:
        """The class name for what stands at `place`."""
        own = title_name(self._schema(place)) if place.startswith("/") or not place else ""
        return own or class_name(self._way(place))[:MAX_NAME]

    def _way(self, place: str) -> str:
        """The names from the nearest ancestor that has one of its own down to `place`."""
        at, name, rest = self._beginning(place)
        while rest:
            word, *rest = rest
            if word in _SINGLE and not is_list(self._schema(at).get(word)):
                at, suffix = step(at, word), _SINGLE[word]
            elif rest:
                key, *rest = rest
                at, suffix = step(at, word, key), self._suffix(at, word, key)
            else:
                at, suffix = step(at, word), word
            name = self._parent_name(at) if rest and self._parent_name(at) else f"{name} {suffix}"
        return name

    def _beginning(self, place: str) -> tuple[str, str, list[str]]:
        inside = place == self._start or place.startswith(self._start + "/")
        at, name = (self._start, title_name(self._schema(self._start)) or self._name) if inside else ("", "")
        rest = tokens(place[len(at) :])
        for index in reversed(range(len(rest) - 1)):
            if rest[index] in GROUPS:
                at = step(at, *rest[: index + 2])
                return at, title_name(self._schema(at)) or rest[index + 1], rest[index + 2 :]
        return (at, name, rest) if inside else (place, " ".join(rest[-2:]), [])

    def _parent_name(self, at: str) -> str:
        """The title of an object with fields; those of other places speak of the field that they fill."""
        schema = self._schema(at)
        return title_name(schema) if "properties" in schema else ""

    def _suffix(self, at: str, word: str, key: str) -> str:
        if word == "properties":
            return key
        if word in ("anyOf", "oneOf", "allOf"):
            return self._branch(at, word, _index(key) or 0)
        index = _index(key)
        return "Value" if index is None else f"Item{index + 1}"

    def _branch(self, at: str, word: str, index: int) -> str:
        """What tells this branch from the others, in a word; nothing where it is the only one but null."""
        branches: Any = self._schema(at).get(word)
        listed = branches if is_list(branches) else []
        if word == "allOf" or sum(branch != {"type": "null"} for branch in listed) < 2:
            return ""
        return _mark(self._schema(step(at, word, index))) or f"Option{index + 1}"


def _index(key: str) -> int | None:
    return int(key) if key.isascii() and key.isdigit() and len(key) < 10 else None


def title_name(schema: Mapping[str, Any]) -> str:
    """The class name that a title makes; "" where it makes none."""
    title = schema.get("title")
    short = isinstance(title, str) and len(title) <= MAX_TITLE and any(c.isalpha() for c in title)
    return class_name(title) if short and isinstance(title, str) else ""


def _mark(schema: Mapping[str, Any]) -> str:
    """A title, the name that a `$ref` ends in, the text that a field must be, or the only required field."""
    ref, properties, required = (schema.get(word) for word in ("$ref", "properties", "required"))
    if named := title_name(schema):
        return named
    if isinstance(ref, str) and ref.startswith("#/"):
        return tokens(unquote(ref))[-1]
    if not is_list(required):
        return ""
    for name in required:
        field: Any = properties.get(name) if is_object(properties) and isinstance(name, str) else None
        const: Any = field.get("const") if is_object(field) else None
        if isinstance(const, str) and 0 < len(const) <= MAX_TITLE:
            return const
    return str(required[0]) if len(required) == 1 else ""
