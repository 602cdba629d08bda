"""Changes that people make to schemas: one schema in, another out.

In: a schema, and hypothesis' choices. Out: a copy with one or a few changes. Out of place here: what any of
them means for a client.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

Json = Any
One = Callable[[Any], Any]  # picks one of several

PARTS: list[Json] = [
    {"type": "string"},
    {"type": "integer"},
    {"type": "number", "minimum": 0},
    {"type": "null"},
    {"enum": ["a", 1, None]},
    {"type": "array", "items": {"type": "integer"}},
    {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    {},
]


Fits = Callable[[Json], bool]
Change = Callable[[Json, One], None]


def mutated(schema: Json, draw: st.DrawFn, changes: list[tuple[Change, Fits]] | None = None) -> Json:
    """A copy with one to three changes."""
    made = copy.deepcopy(schema)

    def one(options: Any) -> Any:
        return draw(st.sampled_from(options))

    for _ in range(one([1, 1, 1, 2, 3])):
        place = one(list(_schemas(made)))
        fitting = [change for change, fits in changes or CHANGES if fits(place)]
        one(fitting)(place, one)
    return made


def _schemas(schema: Json) -> Iterator[dict[str, Any]]:
    """All objects of keywords."""
    if isinstance(schema, dict):
        yield schema
        for word in ("properties", "$defs", "definitions"):
            for part in schema.get(word, {}).values():
                yield from _schemas(part)
        for word in ("items", "additionalProperties", "additionalItems", "propertyNames"):
            yield from _schemas(schema.get(word))
        for word in ("anyOf", "oneOf", "allOf", "prefixItems", "items"):
            parts = schema.get(word)
            for part in parts if isinstance(parts, list) else ():
                yield from _schemas(part)


def _always(schema: Json) -> bool:
    return True


def _of_type(*names: str) -> Fits:
    return lambda schema: schema.get("type") in names


def _has(*words: str) -> Fits:
    return lambda schema: any(word in schema for word in words)


def _is_object(schema: Json) -> bool:
    return schema.get("type") == "object" and "properties" in schema


def _put(word: str, *options: Any) -> Change:
    return lambda schema, one: schema.update({word: copy.deepcopy(one(options))})


def _drop(*words: str) -> Change:
    def change(schema: Json, one: One) -> None:
        del schema[one([word for word in words if word in schema])]

    return change


def _another(schema: Json, one: One) -> None:
    kept = {word: schema[word] for word in ("$schema", "$defs", "definitions") if word in schema}
    part = copy.deepcopy(one(PARTS))
    schema.clear()
    schema.update(part | kept)


def _nullable(schema: Json, one: One) -> None:
    kept = {word: schema.pop(word) for word in ("$schema", "$defs", "definitions") if word in schema}
    inner = dict(schema)
    schema.clear()
    schema.update({one(["anyOf", "oneOf"]): [inner, {"type": "null"}], **kept})


def _add_field(schema: Json, one: One) -> None:
    name = one(["a", "b", "new"])
    schema["properties"][name] = copy.deepcopy(one(PARTS))
    if one([True, False]):
        schema["required"] = sorted({*schema.get("required", []), name})


def _drop_field(schema: Json, one: One) -> None:
    if schema["properties"]:
        name = one(sorted(schema["properties"]))
        del schema["properties"][name]
        schema["required"] = [each for each in schema.get("required", []) if each != name]


def _flip_required(schema: Json, one: One) -> None:
    if schema["properties"]:
        schema["required"] = sorted({*schema.get("required", [])} ^ {one(sorted(schema["properties"]))})


def _flip_default(schema: Json, one: One) -> None:
    if schema["properties"]:
        part = schema["properties"][one(sorted(schema["properties"]))]
        if isinstance(part, dict):
            part["default"] = one([1, 2, "a", None])


def _members(schema: Json, one: One) -> None:
    word = one([word for word in ("anyOf", "oneOf") if word in schema])
    parts = schema[word]
    match one(["add", "drop", "turn"]):
        case "add":
            parts.append(copy.deepcopy(one(PARTS)))
        case "drop" if len(parts) > 1:
            parts.remove(one(parts))
        case _:
            parts.reverse()


def _values(schema: Json, one: One) -> None:
    values = schema["enum"]
    match one(["add", "drop", "turn"]):
        case "add" if "z" not in values:
            values.append("z")
        case "drop" if len(values) > 1:
            values.pop(one(range(len(values))))
        case _:
            values.reverse()


CHANGES: list[tuple[Change, Fits]] = [
    (_another, _always),
    (_nullable, _always),
    (_put("not", {"const": 1}, {"type": "string"}), _always),
    (_put("description", "words"), _always),
    (_put("type", "number", "integer", "string", ["integer", "null"]), _of_type("integer", "number")),
    (_put("minimum", 0, 1, 2.5), _of_type("integer", "number")),
    (_put("exclusiveMaximum", 7, 5.5), _of_type("integer", "number")),
    (_put("multipleOf", 1, 2, 6, 0.5), _of_type("integer", "number")),
    (_drop("minimum", "exclusiveMaximum", "multipleOf"), _has("minimum", "exclusiveMaximum", "multipleOf")),
    (_put("minLength", 0, 1, 3), _of_type("string")),
    (_put("maxLength", 3, 8, 20), _of_type("string")),
    (_put("pattern", "^a", "b$", "(?=a)"), _of_type("string")),
    (_put("format", "date-time", "date", "email", "uuid"), _of_type("string")),
    (_drop("pattern", "format", "minLength"), _has("pattern", "format", "minLength")),
    (_put("minItems", 0, 1, 2), _of_type("array")),
    (_put("maxItems", 1, 2, 3), _of_type("array")),
    (_put("uniqueItems", True, False), _of_type("array")),
    (_put("contains", {"type": "integer"}), _of_type("array")),
    (_drop("minItems", "maxItems", "uniqueItems"), _has("minItems", "maxItems", "uniqueItems")),
    (_put("additionalProperties", False, True, {"type": "integer"}, {}), _of_type("object")),
    (_put("patternProperties", {"^a": {"type": "integer"}}), _of_type("object")),
    (_put("minProperties", 0, 1, 2), _of_type("object")),
    (
        _put("propertyNames", {"maxLength": 1}, {"pattern": "^[a-c]"}, {"not": {"const": "a"}}),
        _of_type("object"),
    ),
    (_put("dependentRequired", {"a": ["b"]}), _of_type("object")),
    (_put("items", {"not": {"const": 1}}, {"not": {"type": "string"}}), _of_type("array")),
    (_drop("not", "contains", "patternProperties"), _has("not", "contains", "patternProperties")),
    (_add_field, _is_object),
    (_drop_field, _is_object),
    (_flip_required, _is_object),
    (_flip_default, _is_object),
    (_members, _has("anyOf", "oneOf")),
    (_values, _has("enum")),
]


OPAQUE_CHANGES: list[tuple[Change, Fits]] = [
    (_put("not", {"const": 1}, {"type": "string"}, {"const": "a"}), _always),
    (_put("format", "email", "ipv4"), _of_type("string")),
    (_put("pattern", "(?=a)", "(?!b)"), _of_type("string")),
    (_put("contains", {"type": "integer"}, {"const": "a"}), _of_type("array")),
    (
        _put("patternProperties", {"^a": {"type": "integer"}}, {"b": {"not": {"const": 1}}}),
        _of_type("object"),
    ),
    (_put("additionalProperties", {"not": {"const": 1}}, {"not": {"type": "string"}}), _of_type("object")),
    (_put("minProperties", 1, 2), _of_type("object")),
    (_put("dependentRequired", {"a": ["b"]}, {"b": ["a"]}), _of_type("object")),
]
"""What types cannot say."""
