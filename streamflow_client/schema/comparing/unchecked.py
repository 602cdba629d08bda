"""Where two raw schemas differ in what the model of types cannot say.

In: the schema that has to allow at least as much, and the one that has to allow no more. Out: the places
where the first limits values by a keyword that the model leaves out, and the second does not do the same.
Out of place here: all that the model says (`changes.py`).

Raw schemas are taken as alike if they say the same at the same places, references followed, annotations
passed over. What is within a place that has such a keyword has to be alike unless it is a field or an item
of an object or a list that both describe plainly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ...jsonvalues import is_list, is_object
from ..graph import is_old
from ..keywords import UNCHECKED, UNCHECKED_FORMATS
from ..model import Types
from ..patterns import NoPattern, Patterns
from ..raw import Schema
from ..refs import Document, step
from ..shapes import KINDS
from ..values import identity
from .within import TooMuch

__all__ = ["is_annotation_only", "may_limit_tolerated_fields", "untold"]

MAX_STEPS: Final = 300_000
"""Values of both documents that are compared, in one pair of schemas."""

ANNOTATIONS: Final = frozenset(
    {"title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly"}
    | {"$schema", "$id", "$anchor", "$comment", "$defs", "definitions", "$vocabulary", "discriminator"}
    | {"contentMediaType", "contentEncoding", "contentSchema", "xml", "externalDocs"}
)
"""Keywords that limit nothing themselves."""

OPAQUE: Final = frozenset(UNCHECKED) | {
    *("not", "then", "else", "minContains", "maxContains"),
    *("patternProperties", "propertyNames", "minProperties", "maxProperties"),
}
"""Keywords that the model does not say, or not in all schemas."""

OF_FIELDS: Final = frozenset(
    {"patternProperties", "unevaluatedProperties", "not", "if", "then", "else"}
    | {"dependentSchemas", "dependencies", "$dynamicRef", "$recursiveRef"}
)
"""Keywords of `OPAQUE` that may speak of fields that an object does not name."""

NAMED: Final = frozenset(
    {"properties", "patternProperties", "dependentSchemas", "dependentRequired", "dependencies"}
)
"""Keywords whose values are objects of names, not of keywords."""

BESIDE: Final[Mapping[str, tuple[str, ...]]] = {
    "items": ("prefixItems",),
    "additionalItems": ("items",),
    "then": ("if",),
    "else": ("if",),
    "contains": ("minContains", "maxContains"),
    "minContains": ("contains",),
    "maxContains": ("contains",),
}
"""Keywords that mean something else where these others do."""

WHOLLY: Final = frozenset(
    {"additionalProperties", "unevaluatedProperties", "unevaluatedItems", "$dynamicRef", "$recursiveRef"}
)
"""Keywords that mean the same only in schemas that are the same, or as `_goes_down` tells."""

IN_PLACE: Final = frozenset({"allOf", "anyOf", "$ref"})
"""Keywords whose schemas speak of the value itself, not of a part of it."""

VALUES: Final = frozenset({"enum", "const", "required", "type"})
_SETS: Final = frozenset({"enum", "required", "type"})


def untold(inner: Schema, outer: Schema, outer_types: Types) -> list[tuple[str, str]]:
    """Places, below the schemas, and the keyword there of which nothing can be told.

    Args:
        inner: what has to lie within the other: an old input, a new output.
        outer: the other.

    Raises:
        TooMuch: the schemas are too large to compare.
    """
    side = _Side(outer)
    if not outer_types.warnings and not side.has_unchecked_formats:
        return []
    if repr((inner.value, inner.root)) == repr((outer.value, outer.root)):  # for in Python 1 == True
        return []
    return list(dict.fromkeys(_Walk(_Side(inner), side).found()))


def is_annotation_only(schema: Any) -> bool:
    """Whether nothing in a raw schema limits values."""
    return is_object(schema) and not _keywords(schema)


def may_limit_tolerated_fields(schema: Schema) -> bool:
    """Whether anything there that the model leaves out may say what fields are that no object names."""
    return _Side(schema).may_limit_tolerated_fields


class _Side:
    """A schema, and which of its parts hold what the model leaves out."""

    def __init__(self, schema: Schema) -> None:
        self._document = Document(schema)
        self.root = schema.value
        self._refs_stand_alone = is_old(schema.value, schema.root)
        self._patterns = Patterns()
        self.has_unchecked_formats = False
        self.may_limit_tolerated_fields = False
        self._tainted = self._all_tainted()

    def is_tainted(self, value: Any) -> bool:
        """Whether a value is, or contains, or refers to, a schema with a keyword that is left out."""
        return id(value) in self._tainted

    def followed(self, value: Any) -> Any:
        """What a schema means that is nothing but a reference."""
        for _ in range(100):
            target = (
                self.target(value["$ref"]) if is_object(value) and self.keywords(value) == {"$ref"} else None
            )
            if target is None:
                break
            value = target
        return value

    def keywords(self, schema: Mapping[str, Any]) -> set[str]:
        """Those that count: up to draft-07, none beside a reference."""
        return {"$ref"} if self._refs_stand_alone and "$ref" in schema else _keywords(schema)

    def target(self, ref: Any) -> Any:
        """What a reference leads to; None: nothing."""
        pointer = self._document.target_or_none(ref)
        return None if pointer is None else self._document.at(pointer)

    def is_opaque(self, schema: Mapping[str, Any], word: str) -> bool:
        """Whether a keyword of a schema is, or may be, left out of the model."""
        value = schema[word]
        if word == "format":
            return isinstance(value, str) and value in UNCHECKED_FORMATS
        if word == "pattern":
            return not self._is_known_pattern(value)
        if word == "additionalProperties" and "patternProperties" in schema:
            return True  # the model leaves both out
        if word == "type":
            return not {*_values(word, value)} <= {*KINDS, "integer"}
        return word == "contains" or (word in OPAQUE and value is not True and value != {})

    def leads_to_one_of(self, schema: Mapping[str, Any], word: str) -> bool:
        """Whether a keyword says of the value itself, there or further on, that exactly one of several fits.

        Where anything beside it is left out, the model takes that for a plain union (`loosen` in `read.py`).
        """
        waiting, seen = [(schema, word)], set[tuple[int, str]]()
        while waiting:
            schema, word = waiting.pop()
            if word == "oneOf":
                return True
            if word not in IN_PLACE or (id(schema), word) in seen:
                continue
            seen.add((id(schema), word))
            value = self.target(schema[word]) if word == "$ref" else schema[word]
            for part in value if is_list(value) else [value]:
                waiting += [(part, each) for each in self.keywords(part)] if is_object(part) else []
        return False

    def _is_known_pattern(self, pattern: Any) -> bool:
        if not isinstance(pattern, str):  # in a place that nobody reads
            return False
        try:
            self._patterns.rust(pattern)
        except NoPattern:
            return False
        return True

    def _all_tainted(self) -> set[int]:
        users: dict[int, list[int]] = {}
        tainted: list[int] = []
        waiting: list[tuple[Any, bool]] = [(self.root, True)]
        seen = {(id(self.root), True)}
        while waiting:
            value, is_schema = waiting.pop()
            if is_schema and is_object(value) and self._has_opaque(value):
                tainted.append(id(value))
            for part, part_is_schema in self._parts(value, is_schema=is_schema):
                users.setdefault(id(part), []).append(id(value))
                if (id(part), part_is_schema) not in seen:
                    seen.add((id(part), part_is_schema))
                    waiting.append((part, part_is_schema))
        return _reached(tainted, users)

    def _has_opaque(self, schema: Mapping[str, Any]) -> bool:
        opaque = [word for word in self.keywords(schema) if self.is_opaque(schema, word)]
        self.has_unchecked_formats |= "format" in opaque
        self.may_limit_tolerated_fields |= any(_speaks_of_fields(word, schema[word]) for word in opaque)
        return bool(opaque)

    def _parts(self, value: Any, *, is_schema: bool) -> Iterator[tuple[Any, bool]]:
        """The schemas in a value, and the one that it refers to; whether each is one, or names some."""
        if is_list(value):
            yield from ((part, True) for part in value)
        elif is_object(value) and not is_schema:
            yield from ((part, True) for part in value.values())
        elif is_object(value):
            for word in self.keywords(value) - VALUES:
                yield value[word], word not in NAMED
            yield self.target(value.get("$ref")), True


def _reached(start: list[int], users: Mapping[int, list[int]]) -> set[int]:
    found, waiting = set(start), list(start)
    while waiting:
        for user in users.get(waiting.pop(), ()):
            if user not in found:
                found.add(user)
                waiting.append(user)
    return found


class _Walk:
    """Both schemas, downwards through fields and items."""

    def __init__(self, inner: _Side, outer: _Side) -> None:
        self._inner = inner
        self._outer = outer
        self._waiting = deque[tuple[str, Any, Any]]([("", inner.root, outer.root)])
        self._left = MAX_STEPS

    def found(self) -> Iterator[tuple[str, str]]:
        seen: set[tuple[int, int]] = set()
        while self._waiting:
            path, inner, outer = self._waiting.popleft()
            inner, outer = self._inner.followed(inner), self._outer.followed(outer)
            if not self._outer.is_tainted(outer) or (id(inner), id(outer)) in seen:
                continue
            seen.add((id(inner), id(outer)))
            if not self._alike(inner, outer):
                yield from self._within(path, inner, outer)

    def _within(self, path: str, inner: Any, outer: Any) -> Iterator[tuple[str, str]]:
        plain = inner if is_object(inner) else {}
        counting = self._outer.keywords(outer)
        for word in (word for word in outer if word in counting):  # in the order of the schema
            said = self._outer.target(outer[word]) if word == "$ref" else outer[word]
            left_out = self._outer.is_opaque(outer, word) or self._outer.is_tainted(said)
            if not left_out and not self._outer.leads_to_one_of(outer, word):
                continue
            if not self._alike_in(word, plain, outer) and not self._goes_down(path, word, plain, outer):
                yield path, word

    def _goes_down(self, path: str, word: str, inner: Mapping[str, Any], outer: Mapping[str, Any]) -> bool:
        """Whether what a keyword of the outer schema says of parts is looked at part by part."""
        if word == "properties":
            return self._fields(path, inner, outer)
        if word == "items" and is_object(outer["items"]) and is_object(inner.get("items")):
            if "prefixItems" in inner or "prefixItems" in outer:
                return False
            self._waiting.append((step(path, "items"), inner["items"], outer["items"]))
            return True
        return word == "additionalProperties" and self._extra(path, inner, outer)

    def _extra(self, path: str, inner: Mapping[str, Any], outer: Mapping[str, Any]) -> bool:
        """Whether fields of other names are of other names on both sides, and are looked at, or alike."""
        word = "additionalProperties"
        if word not in inner or set(_fields_of(inner)) - set(_fields_of(outer)):
            return False
        if "patternProperties" in inner or "patternProperties" in outer:
            return self._alike_in("patternProperties", inner, outer) and self._alike(inner[word], outer[word])
        self._waiting.append((step(path, word), inner[word], outer[word]))
        return True

    def _fields(self, path: str, inner: Mapping[str, Any], outer: Mapping[str, Any]) -> bool:
        mine = _fields_of(inner)
        for name, value in _fields_of(outer).items():
            if not self._outer.is_tainted(value):
                continue
            if name in mine:
                self._waiting.append((step(path, "properties", name), mine[name], value))
            elif not _never_has(inner):
                return False
        return True

    # likeness

    def _alike_in(self, word: str, inner: Mapping[str, Any], outer: Mapping[str, Any]) -> bool:
        """Whether a keyword says the same in both schemas, which may depend on what stands beside it."""
        if word in WHOLLY:
            return False
        if word not in self._inner.keywords(inner):
            return False
        words = {word, *BESIDE.get(word, ())}
        return self._alike(*({w: each[w] for w in words & each.keys()} for each in (inner, outer)))

    def _alike(self, inner: Any, outer: Any) -> bool:
        """Whether two raw schemas say the same."""
        waiting: list[tuple[Any, Any, bool]] = [(inner, outer, True)]
        seen: set[tuple[int, int, bool]] = set()
        while waiting:
            a, b, is_schema = waiting.pop()
            if is_schema:
                a, b = self._inner.followed(a), self._outer.followed(b)
            if (id(a), id(b), is_schema) in seen:
                continue
            seen.add((id(a), id(b), is_schema))
            parts = self._parts(a, b, is_schema=is_schema)
            if parts is None:
                return False
            waiting += parts
        return True

    def _parts(self, a: Any, b: Any, *, is_schema: bool) -> list[tuple[Any, Any, bool]] | None:
        """What in two values has to be alike for them to be; None: they are not."""
        self._left -= 1
        if self._left < 0:
            raise TooMuch
        if is_list(a) and is_list(b):
            return [(*pair, True) for pair in zip(a, b, strict=True)] if len(a) == len(b) else None
        if not is_object(a) or not is_object(b):
            return [] if identity(a) == identity(b) else None
        if not is_schema:
            return [(a[name], b[name], True) for name in a] if a.keys() == b.keys() else None
        if self._inner.keywords(a) != self._outer.keywords(b):
            return None
        return self._keyword_parts(a, b)

    def _keyword_parts(
        self, a: Mapping[str, Any], b: Mapping[str, Any]
    ) -> list[tuple[Any, Any, bool]] | None:
        parts: list[tuple[Any, Any, bool]] = []
        for word in self._inner.keywords(a):
            if word in ("$dynamicRef", "$recursiveRef"):  # what these mean depends on how one got there
                return None
            if word == "$ref":
                parts.append((_meant(self._inner, a), _meant(self._outer, b), True))
            elif word in VALUES:
                if _values(word, a[word]) != _values(word, b[word]):
                    return None
            else:
                parts.append((a[word], b[word], word not in NAMED))
        return parts


def _meant(side: _Side, schema: Mapping[str, Any]) -> Any:
    """What a reference leads to, or its text, where it leads out of the document or to nothing."""
    target = side.target(schema["$ref"])
    return schema["$ref"] if target is None else target


def _keywords(schema: Mapping[str, Any]) -> set[str]:
    return {word for word in schema if not _is_annotation(word)}


def _is_annotation(word: str) -> bool:
    return word in ANNOTATIONS or word.startswith("x-")


def _speaks_of_fields(word: str, value: Any) -> bool:
    if word == "not" and is_object(value) and _keywords(value) <= VALUES - {"required"}:
        return False  # it refuses whole values
    return word in OF_FIELDS


def _values(word: str, value: Any) -> Any:
    """What has to be equal; the order of a set does not matter."""
    if word in _SETS:
        return frozenset(map(identity, value)) if is_list(value) else frozenset([identity(value)])
    return identity(value)


def _fields_of(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    fields = schema.get("properties")
    return fields if is_object(fields) else {}


def _is_plain(schema: Mapping[str, Any]) -> bool:
    """Whether all that an object says of its fields stands under `properties` and `additionalProperties`."""
    return OPAQUE.isdisjoint(schema) and {"allOf", "anyOf", "oneOf", "$ref"}.isdisjoint(schema)


def _never_has(schema: Mapping[str, Any]) -> bool:
    """Whether an object that does not name a field does not have it either, but for what it tolerates."""
    extra = schema.get("additionalProperties", True)
    return _is_plain(schema) and (extra is False or ("properties" in schema and extra in (True, {})))
