"""Chunk schemas from chunks: every sample fits, more of them only widen, and what was seen comes back."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamflow_client.schema.saving.infer import (
    MAX_DEPTH,
    MAX_FIELDS,
    MAX_PARTS,
    NOTHING,
    both,
    schema_of,
    seen,
    seen_by,
)

Json = Any


def inferred(*values: Json) -> Json:
    return schema_of(seen(values))


TABLE: list[tuple[list[Json], Json]] = [
    ([], {}),
    (["a", "b"], {"type": "string"}),
    ([1, 2], {"type": "integer"}),
    ([1, 2.5], {"type": "number"}),
    ([1.0], {"type": "number"}),  # Python's servers write a float so
    ([True], {"type": "boolean"}),
    ([True, 1], {"type": ["integer", "boolean"]}),
    ([None, "a"], {"type": ["string", "null"]}),
    ([[]], {"type": "array"}),
    ([[], [1]], {"type": "array", "items": {"type": "integer"}}),
    ([[1, "a"], [None]], {"type": "array", "items": {"type": ["string", "integer", "null"]}}),
    ([{}], {"type": "object"}),
    ([{"a": 1}], {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}),
    (
        [{"a": 1, "b": 2}, {"b": None, "c": "x"}],
        {
            "type": "object",
            "properties": {
                "a": {"type": "integer"},
                "b": {"type": ["integer", "null"]},
                "c": {"type": "string"},
            },
            "required": ["b"],
        },
    ),
    ([{"a": 1}, {}], {"type": "object", "properties": {"a": {"type": "integer"}}}),
    (
        ["text", {"a": [{}]}],
        {
            "type": ["object", "string"],
            "properties": {"a": {"type": "array", "items": {"type": "object"}}},
            "required": ["a"],
        },
    ),
    ([{str(n): n for n in range(100)}], {"type": "object", "additionalProperties": {"type": "integer"}}),
    (
        [{str(n): n} for n in range(100)] + [{"a": "x"}],
        {"type": "object", "additionalProperties": {"type": ["string", "integer"]}},
    ),
    (
        [{str(n): n for n in range(100)}, {}, {"x": None}],
        {"type": "object", "additionalProperties": {"type": ["integer", "null"]}},
    ),
]


@pytest.mark.parametrize(("values", "expected"), TABLE)
def test_what_is_inferred(values: list[Json], expected: Json) -> None:
    assert inferred(*values) == expected
    assert list(inferred(*values)) == list(expected)  # the order, too: files are compared as bytes


def test_the_last_number_of_fields_before_a_map() -> None:
    assert len(inferred({str(n): n for n in range(MAX_FIELDS)})["properties"]) == MAX_FIELDS
    assert "properties" not in inferred({str(n): n for n in range(MAX_FIELDS + 1)})


def test_no_schema_is_larger_than_it_may_be() -> None:
    wide: Json = 0
    for _ in range(4):
        wide = {f"k{n}": wide for n in range(20)}
    made = inferred(wide)
    assert parts(made) <= MAX_PARTS
    assert parts(made) > 20 * 20  # as deep as fits
    assert jsonschema_rs.is_valid(made, wide)


def test_deep_values() -> None:
    deep: Json = 0
    for _ in range(MAX_DEPTH * 2):
        deep = [deep]
    made = inferred(deep)
    assert json.dumps(made).count("array") == MAX_DEPTH
    assert jsonschema_rs.is_valid(made, deep)
    assert seen_by(made) == seen([deep])


def parts(schema: Json) -> int:
    inner = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    return 1 + sum(parts(each) for each in inner if each is not None)


keys = st.sampled_from(["a", "b", "c", "", "$ref", "type"]) | st.text(max_size=2)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
samples = st.lists(values, max_size=5)


@given(samples)
def test_every_sample_fits(chunks: list[Json]) -> None:
    made = inferred(*chunks)
    jsonschema_rs.meta.validate(made)
    assert all(jsonschema_rs.is_valid(made, chunk) for chunk in chunks)


def closed(schema: Json) -> Json:
    """The same where nothing is allowed that was not seen."""
    if not schema:
        return schema
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    shut: Json = {**schema}
    if "array" in kinds:
        shut["items"] = closed(schema["items"]) if "items" in schema else False
    if "object" in kinds:
        shut["properties"] = {name: closed(part) for name, part in schema.get("properties", {}).items()}
        values = schema.get("additionalProperties")
        shut["additionalProperties"] = False if values is None else closed(values)
    return shut


@given(samples, samples, st.lists(values, max_size=8))
def test_more_samples_only_widen(chunks: list[Json], more: list[Json], tried: list[Json]) -> None:
    """As far as a schema speaks: of fields and items that it never saw it says nothing, and more may."""
    narrow = jsonschema_rs.validator_for(closed(inferred(*chunks)))
    wide = jsonschema_rs.validator_for(inferred(*chunks, *more))
    assert all(wide.is_valid(value) for value in tried if chunks and narrow.is_valid(value))
    assert both(seen(chunks), seen(more)) == seen([*chunks, *more])


@given(samples)
def test_what_was_seen_comes_back_from_the_schema(chunks: list[Json]) -> None:
    if chunks:
        again = seen_by(json.loads(json.dumps(inferred(*chunks))))
        assert again is not None
        assert schema_of(again) == inferred(*chunks)
        assert schema_of(both(again, seen(chunks))) == inferred(*chunks)
    assert both(seen(chunks), NOTHING) == seen(chunks)


@pytest.mark.parametrize(
    "schema",
    [
        True,
        5,
        {"type": "string", "description": "by hand"},
        {"type": 5},
        {"type": "string", "minLength": 1},
        {"type": "any"},
        {"type": ["string", "object"]},  # another order
        {"type": "object", "required": ["a"]},
        {"type": "object", "required": 5},
        {"type": "object", "properties": 5},
        {"type": "object", "properties": {"a": {"enum": [1]}}},
        {"type": "array", "items": {"$ref": "#"}},
        {"type": "object", "properties": {"a": {}}, "additionalProperties": {}},
        {"enum": ["a"]},
    ],
)
def test_what_was_not_inferred(schema: Json) -> None:
    assert seen_by(schema) is None
