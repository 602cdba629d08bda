"""A schema, as it is written at another place of another document, in OpenAPI's dialect.

In: a schema as a document has it, and where the places that it refers to go. Out: the same schema in JSON
Schema 2020-12, with its references following. Out of place here: which places there are (`writing.py`), and
what a schema means: whoever moves one reads it again, and compares.

What 2020-12 writes otherwise is rewritten: tuples, draft-04's exclusive bounds, `nullable`, and what stands
beside a `$ref` where that hides it. `$schema`, `$id` and `$anchor` go: they would have tools resolve
references elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from ...jsonvalues import is_list, is_object
from ...text import shown
from ..broken import BrokenSchema
from ..refs import step, tokens

__all__ = ["HOLD_SCHEMAS", "Follow", "Move", "Unmovable", "is_plain", "moved", "way"]

ONE: Final = frozenset(
    {"not", "if", "then", "else", "items", "additionalItems", "contains", "unevaluatedItems"}
    | {"additionalProperties", "unevaluatedProperties", "propertyNames", "contentSchema"}
)
"""Keywords whose value is a schema; that of `items` may be a list of them, too."""

LISTS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
MAPS: Final = frozenset({"properties", "patternProperties", "dependentSchemas", "$defs", "definitions"})
HOLD_SCHEMAS: Final = ONE | LISTS | MAPS

ANNOTATIONS: Final = frozenset(
    {"title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly"}
    | {"$comment", "$defs", "definitions"}
)
_BESIDE_REF: Final = ANNOTATIONS | {"$ref", "nullable"}
"""What counts beside a `$ref` that hides the rest."""

_GONE: Final = frozenset({"$schema", "$id", "$anchor", "$vocabulary"})
_BOUNDS: Final = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}
_TYPES: Final = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})
_SAFE: Final = "/$&'()*+,;=:@!-._~?"  # in a URL's fragment, RFC 3986, section 3.5

Json = dict[str, Any]
Follow = Callable[[str, str], str]
"""(the text of a `$ref`, the place where it stands) → the pointer of its target in the new document."""


class Unmovable(Exception):
    """Why a schema cannot be written elsewhere."""


@dataclass(frozen=True, slots=True)
class Move:
    """How a schema moves.

    Attributes:
        follow: where its references lead; raises BrokenSchema.
        old: whether `$ref` hides what stands beside it, as up to draft-07.
        dropped: gets the places of keywords that make no sense, and are left out.
    """

    follow: Follow
    old: bool = False
    dropped: list[str] = field(default_factory=list[str])


def moved(value: Any, place: str, move: Move) -> Json | bool:
    """The schema of `place`, rewritten.

    Raises:
        Unmovable: no schema.
        BrokenSchema: a reference that leads nowhere.
    """
    if isinstance(value, bool):
        return value
    if not is_object(value):
        raise Unmovable(f"{shown('#' + place)} is no schema")
    plain = _without_old_bounds(_sensible(_counting(value, old=move.old), place, move))
    written = {_renamed(word, value): _part(word, item, place, move) for word, item in plain.items()}
    return _with_null(_with_items(written, value))


def way(value: Any, pointer: str) -> str:
    """Where what stands at `pointer` in a schema stands once it is moved: tuples have another keyword."""
    steps, found = tokens(pointer), ""
    while steps:
        word = steps.pop(0)
        found = step(found, _renamed(word, value) if is_object(value) else word)
        value = _child(value, word)
        if steps and (word in MAPS or word in LISTS or is_list(value)):
            found = step(found, steps[0])
            value = _child(value, steps.pop(0))
    return found


def _child(value: Any, token: str) -> Any:
    if is_object(value):
        return value.get(token)
    if is_list(value) and token.isascii() and token.isdigit() and int(token[:9]) < len(value):
        return value[int(token[:9])]
    return None


# which keywords stay


def _counting(schema: Json, *, old: bool) -> Json:
    """The keywords that count for somebody."""
    hidden = old and "$ref" in schema
    counting = {
        word: value
        for word, value in schema.items()
        if word not in _GONE and not (hidden and word not in _BESIDE_REF)
    }
    if is_list(counting.get("items")):
        counting.pop("prefixItems", None)  # which the older form beside it makes void
    return counting


def _sensible(schema: Json, place: str, move: Move) -> Json:
    """The keywords with values that the dialect allows. Where one is missed, reading again tells."""
    sensible = {word: value for word, value in schema.items() if _is_valid(word, value)}
    move.dropped.extend(step("#" + place, word) for word in schema if word not in sensible)
    return sensible


def _is_valid(word: str, value: Any) -> bool:
    """Whether OpenAPI's dialect allows the value, and JSON can say it."""
    check = _CHECKS.get(word)
    return (word in HOLD_SCHEMAS or is_plain(value)) and (check is None or check(value))


def is_plain(value: Any) -> bool:
    """Whether JSON can say it: parsers take NaN for a number, and 1e999 for infinity."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, float) and not math.isfinite(item):
            return False
        waiting += item.values() if is_object(item) else item if is_list(item) else ()
    return True


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _is_bound(value: Any) -> bool:
    return _is_number(value) or isinstance(value, bool)  # draft-04's, see `_without_old_bounds`


def _is_names(value: Any) -> bool:
    return is_list(value) and all(isinstance(name, str) for name in value) and len(set(value)) == len(value)


def _is_type(value: Any) -> bool:
    names = [value] if isinstance(value, str) else value
    return _is_names(names) and bool(names) and _TYPES.issuperset(names)


def _is_discriminator(value: Any) -> bool:
    return is_object(value) and isinstance(value.get("propertyName"), str)


def _is_many(value: Any) -> bool:
    return is_list(value) and bool(value)


_CHECKS: Final[Mapping[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("title", "description", "format", "pattern", "$comment", "$ref"), _is_text),
    **dict.fromkeys(("contentEncoding", "contentMediaType"), _is_text),
    **dict.fromkeys(("deprecated", "readOnly", "writeOnly", "uniqueItems", "nullable"), _is_truth),
    **dict.fromkeys(("minimum", "maximum"), _is_number),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), _is_bound),
    "multipleOf": lambda value: _is_number(value) and value > 0,
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _is_count),
    **dict.fromkeys(("minContains", "maxContains", "minProperties", "maxProperties"), _is_count),
    **dict.fromkeys(("enum", "examples"), is_list),
    **dict.fromkeys(("allOf", "anyOf", "oneOf"), _is_many),
    "prefixItems": is_list,
    "required": _is_names,
    "type": _is_type,
    "discriminator": _is_discriminator,
    **dict.fromkeys(("xml", "externalDocs", "dependentRequired", *MAPS), is_object),
}
"""What OpenAPI's dialect asks of keywords that hold no single schema."""


# what they become


def _part(word: str, value: Any, place: str, move: Move) -> Any:
    at = step(place, word)
    if word == "$ref":
        return _reference(move.follow(value, place))
    if word == "discriminator":
        return _discriminator(value, place, move)
    if word in MAPS:
        return {key: moved(item, step(at, key), move) for key, item in value.items()}
    if word in LISTS or (word == "items" and is_list(value)):
        return [moved(item, step(at, index), move) for index, item in enumerate(value)]
    return moved(value, at, move) if word in ONE else value


def _reference(pointer: str) -> str:
    return "#" + quote(pointer, safe=_SAFE)


def _discriminator(value: Json, place: str, move: Move) -> Json:
    """Its mapping names schemas, too, some by their names alone. What leads nowhere says nothing."""
    mapping = value.get("mapping")
    led: Json = {}
    for key, ref in mapping.items() if is_object(mapping) else ():
        try:
            if not isinstance(ref, str):
                raise Unmovable
            led[key] = _reference(move.follow(ref, place)) if "#" in ref else ref
        except (Unmovable, BrokenSchema):
            move.dropped.append(step("#" + place, "discriminator", "mapping", key))
    rest = {word: item for word, item in value.items() if word != "mapping"}
    return {**rest, "mapping": led} if led else rest


def _renamed(word: str, schema: Json) -> str:
    """2020-12 calls the first items `prefixItems`, and what follows them `items`."""
    if not is_list(schema.get("items")):
        return word
    return {"items": "prefixItems", "additionalItems": "items"}.get(word, word)


def _with_items(written: Json, schema: Json) -> Json:
    """An empty tuple is none in 2020-12; that a list is meant stays said."""
    if written.get("prefixItems") != []:
        return written
    rest = {word: item for word, item in written.items() if word != "prefixItems"}
    return rest if "items" in rest else {**rest, "items": True}


def _without_old_bounds(schema: Json) -> Json:
    """Draft-04 says `exclusiveMinimum: true` beside `minimum`."""
    plain = dict(schema)
    for word, bound in _BOUNDS.items():
        if isinstance(plain.get(word), bool):
            exclusive = plain.pop(word)
            if exclusive and bound in plain:
                plain[word] = plain.pop(bound)
    return plain


def _with_null(schema: Json) -> Json:
    """OpenAPI 3.0 says `nullable: true`; where `type` cannot say it, a union does."""
    if "nullable" not in schema:
        return schema
    plain = {word: item for word, item in schema.items() if word != "nullable"}
    if schema["nullable"] is False:
        return plain
    if isinstance(plain.get("type"), str) and not plain.keys() & {"enum", "const", "$ref", *LISTS, "not"}:
        return {**plain, "type": [plain["type"], "null"]}
    outside = {word: item for word, item in plain.items() if word in ANNOTATIONS}
    inside = {word: item for word, item in plain.items() if word not in outside or word == "title"}
    return {**outside, "anyOf": [inside, {"type": "null"}]}
