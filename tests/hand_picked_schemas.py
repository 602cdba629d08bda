"""Schemas picked by hand, each with instances that are valid and instances that are not.

In: nothing. Out: `HAND_PICKED`, name -> (schema, valid instances, invalid instances), where our meaning is
JSON Schema's letter with formats asserted. Where it differs on purpose, the schema is no row here but stands
in `test_schema_read.py`, with the reason.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeAlias

Row: TypeAlias = tuple[Any, tuple[Any, ...], tuple[Any, ...]]

CAPTURES = Path(__file__).parent / "captures"
DRAFT_07 = "http://json-schema.org/draft-07/schema#"
DRAFT_2020 = "https://json-schema.org/draft/2020-12/schema"


def captured(file: str, action: str, part: str) -> Any:
    """A schema that a real server sent."""
    return json.loads((CAPTURES / file).read_text(encoding="utf-8"))[action][part]


def _object(properties: Any, required: list[str] | None = None, **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, **more}
    return {**schema, "required": required} if required is not None else schema


TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
UUID = "8c5b1d3e-52a5-4c1a-9b1f-0123456789ab"

HAND_PICKED: dict[str, Row] = {
    # kinds
    "null": ({"type": "null"}, (None,), (0, False, "", [], {})),
    "boolean": ({"type": "boolean"}, (True, False), (0, 1, "true", None)),
    "integer": (WHOLE, (0, -3, 2.0, 10**20), (True, "1", 1.5, None)),
    "number": ({"type": "number"}, (0, 1.5, -1e300), (False, "1.5", None, [])),
    "string": (TEXT, ("", "a", "é😀"), (1, None, True, ["a"])),
    "kinds listed": ({"type": ["string", "integer", "null"]}, ("a", 1, None), (1.5, True, [])),
    "integer and number listed": ({"type": ["integer", "number"]}, (1, 1.5), ("1", True)),
    "all kinds listed": (
        {"type": ["null", "boolean", "number", "string", "array", "object"]},
        (None, True, 1, "a", [], {}),
        (),
    ),
    "anything": ({}, (None, 1, "a", [1], {"a": 1}), ()),
    "true": (True, (None, 1, {"a": []}), ()),
    "false": (False, (), (None, 1, "a", [], {})),
    "not anything": ({"not": {}}, (), (None, 1, "a", {})),
    "not true": ({"not": True}, (), (None, 1)),
    "not false": ({"type": "string", "not": False}, ("a",), (1,)),
    # values
    "enum of mixed kinds with a format": (
        {"format": "date-time", "enum": ["2024-05-01T12:30:00Z", None, 3]},
        ("2024-05-01T12:30:00Z", None, 3),
        ("2024-05-01T12:30:01Z", False, 4, "x"),
    ),
    "enum of texts": ({"enum": ["a", "b"]}, ("a", "b"), ("c", "", None, 1)),
    "enum of mixed kinds": (
        {"enum": ["a", 1, 1.5, True, None, [1, "x"], {"k": [2]}]},
        ("a", 1, 1.0, 1.5, True, None, [1, "x"], [1.0, "x"], {"k": [2]}),
        (False, 0, "1", [1], {"k": [2, 3]}, [True, "x"]),
    ),
    "enum with a type beside it": ({"type": "string", "enum": ["a", 1, None]}, ("a",), (1, None, "b")),
    "enum within bounds": ({"enum": [1, 5, 9, "x"], "minimum": 4, "type": "integer"}, (5, 9), (1, "x")),
    "enum of objects with properties": (
        _object({"a": WHOLE}, ["a"], enum=[{"a": 1}, {"a": "x"}, {}]),
        ({"a": 1}, {"a": 1.0}),
        ({"a": "x"}, {}, {"a": 2}),
    ),
    "enum that nothing fits": ({"type": "string", "enum": [1, 2]}, (), (1, 2, "1")),
    "const text": ({"const": "x"}, ("x",), ("y", None)),
    "const number": ({"const": 2}, (2, 2.0), (True, "2", 3)),
    "const false": ({"const": False}, (False,), (0, None, "")),
    "const null": ({"const": None}, (None,), (0, False, "")),
    "const object": ({"const": {"a": [1]}}, ({"a": [1]}, {"a": [1.0]}), ({"a": [True]}, {})),
    "const among enum": ({"const": "b", "enum": ["a", "b"]}, ("b",), ("a",)),
    # constraints
    "bounds of an integer": ({"type": "integer", "minimum": 1, "maximum": 3}, (1, 2.0, 3), (0, 4, 1.5)),
    "exclusive bounds": (
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        (0.5, 1e-9),
        (0, 1, 1.0, -1),
    ),
    "both kinds of bounds": ({"type": "number", "minimum": 1, "exclusiveMinimum": 1}, (1.1,), (1, 0)),
    "fractional bound of an integer": ({"type": "integer", "minimum": 1.5}, (2, 3), (1, 1.5)),
    "large bound": ({"type": "integer", "maximum": 2**60}, (2**60, 0), (2**60 + 1,)),
    "multipleOf": ({"type": "integer", "multipleOf": 3}, (0, 3, -6, 9.0), (1, 4)),
    "multipleOf a half": ({"type": "number", "multipleOf": 0.5}, (0, 1, 1.5), (0.25, 1.2)),
    "bounds that nothing fits": ({"type": "integer", "minimum": 3, "maximum": 2}, (), (2, 3)),
    "lengths in code points": (
        {"type": "string", "minLength": 2, "maxLength": 3},
        ("ab", "😀😀", "é😀b"),
        ("", "a", "abcd", "😀"),
    ),
    "lengths as floats": ({"type": "string", "minLength": 1.0, "maxLength": 2.0}, ("a",), ("", "abc")),
    "pattern": ({"type": "string", "pattern": "^a+$"}, ("a", "aaa"), ("", "b", "aab")),
    "pattern not anchored": ({"type": "string", "pattern": "b"}, ("abc", "b"), ("ac", "")),
    "pattern with classes": ({"type": "string", "pattern": r"^[\w.-]+@\d{2}\/$"}, ("a.b-c@12/",), ("@12/",)),
    "pattern with an escape": ({"type": "string", "pattern": r"^\u0041\x42\-$"}, ("AB-",), ("ab-",)),
    "pattern and length": ({"type": "string", "pattern": "^a", "maxLength": 2}, ("ab",), ("abc", "b")),
    # formats
    "date-time": (
        {"type": "string", "format": "date-time"},
        ("2024-02-29T12:00:00Z", "2024-01-01T00:00:00.123+02:00"),
        ("2023-02-29T12:00:00Z", "2024-01-01", "2024-01-01T00:00:00", "x", 1704067200),
    ),
    "date": (
        {"type": "string", "format": "date"},
        ("2024-02-29", "1999-12-31"),
        ("2023-02-29", "2024-1-1", "2024-01-01T00:00:00Z", "", 19000),
    ),
    "time": (
        {"type": "string", "format": "time"},
        ("12:00:00Z", "23:59:59.5+01:00"),
        ("12:00:00", "24:00:00Z", "12:00", "x"),
    ),
    "uuid": (
        {"type": "string", "format": "uuid"},
        (UUID, UUID.upper()),
        (UUID.replace("-", ""), f"{{{UUID}}}", UUID[:-1], "", 1),
    ),
    "format of numbers": ({"type": "integer", "format": "int32"}, (1, 2**40), ("1", 1.5)),
    # null, or nothing at all
    "nullable by a list": ({"type": ["string", "null"], "minLength": 1}, ("a", None), ("", 1)),
    "nullable by anyOf": ({"anyOf": [WHOLE, {"type": "null"}]}, (1, None), ("a", 1.5)),
    "required, optional, nullable": (
        _object({"a": TEXT, "b": TEXT, "c": {"type": ["string", "null"]}}, ["a", "c"]),
        ({"a": "x", "c": None}, {"a": "x", "b": "y", "c": "z"}),
        ({"a": "x"}, {"a": None, "c": None}, {"a": "x", "b": None, "c": None}, {}),
    ),
    "required but not listed": (
        _object({"a": TEXT}, ["b"]),
        ({"b": 1}, {"b": None, "a": "x"}),
        ({}, {"a": "x"}),
    ),
    "required only": ({"type": "object", "required": ["a"]}, ({"a": 1}, {"a": None, "b": 2}), ({}, [])),
    # lists
    "list": ({"type": "array", "items": WHOLE}, ([], [1, 2.0]), ([1, "a"], "x", {}, None)),
    "list of anything": ({"type": "array"}, ([], [1, "a", None]), ("x", {})),
    "list with counts": (
        {"type": "array", "items": TEXT, "minItems": 1, "maxItems": 2},
        (["a"], ["a", "b"]),
        ([], ["a", "b", "c"], [1]),
    ),
    "list without repetition": (
        {"type": "array", "uniqueItems": True},
        ([], [1, True, "1"], [[1], [2]], [{"a": 1}, {"a": 2}]),
        ([1, 1], [1, 1.0], [{"a": 1, "b": 2}, {"b": 2, "a": 1}], [[1], [1]], ["a", "a"]),
    ),
    "list that must be empty": ({"type": "array", "items": False}, ([],), ([1], [None])),
    "tuple of draft-07": (
        {"$schema": DRAFT_07, "type": "array", "items": [TEXT, WHOLE]},
        ([], ["a"], ["a", 1], ["a", 1, None]),
        ([1], ["a", "b"], {}),
    ),
    "tuple of draft-07, closed": (
        {
            "$schema": DRAFT_07,
            "type": "array",
            "items": [TEXT, WHOLE],
            "additionalItems": False,
            "minItems": 2,
        },
        (["a", 1],),
        ([], ["a"], ["a", 1, 2], [1, "a"]),
    ),
    "tuple of draft-07 with a rest": (
        {"$schema": DRAFT_07, "type": "array", "items": [TEXT], "additionalItems": WHOLE},
        ([], ["a"], ["a", 1, 2]),
        (["a", "b"], [1]),
    ),
    "tuple of 2020-12": (
        {"type": "array", "prefixItems": [TEXT, WHOLE]},
        ([], ["a"], ["a", 1, None]),
        ([1], ["a", "b"]),
    ),
    "tuple of 2020-12, closed": (
        {"type": "array", "prefixItems": [TEXT, WHOLE], "items": False, "minItems": 1},
        (["a"], ["a", 1]),
        ([], ["a", 1, 2]),
    ),
    "tuple of 2020-12 with a rest": (
        {"type": "array", "prefixItems": [TEXT], "items": WHOLE, "uniqueItems": True, "maxItems": 3},
        (["a", 1, 2], []),
        (["a", 1, 1], ["a", 1, 2, 3], ["a", "b"]),
    ),
    "tuple of a fixed length": (
        {"type": "array", "prefixItems": [TEXT, WHOLE], "minItems": 2, "maxItems": 2},
        (["a", 1],),
        (["a"], ["a", 1, 1]),
    ),
    # objects
    "any object": ({"type": "object"}, ({}, {"a": 1, "": None}), ([], None, "x")),
    "open object": (
        _object({"a": TEXT}, additionalProperties=True),
        ({}, {"a": "x", "b": 1}),
        ({"a": 1},),
    ),
    "closed object": (
        _object({"a": TEXT, "b": WHOLE}, ["a"], additionalProperties=False),
        ({"a": "x"}, {"a": "x", "b": 1}),
        ({}, {"a": "x", "c": 1}, {"a": "x", "": None}),
    ),
    "closed empty object": (_object({}, additionalProperties=False), ({},), ({"a": 1}, [])),
    "object with typed rest": (
        _object({"a": TEXT}, additionalProperties=WHOLE),
        ({"a": "x", "b": 1}, {}),
        ({"b": "x"}, {"a": 1}),
    ),
    "forbidden property": (
        _object({"a": False, "b": {"not": {}}, "c": TEXT}),
        ({}, {"c": "x"}),
        ({"a": 1}, {"b": None}),
    ),
    "property that must and must not be": (_object({"a": False}, ["a"]), (), ({}, {"a": 1})),
    "map": ({"type": "object", "additionalProperties": WHOLE}, ({}, {"a": 1, "": 2}), ({"a": "x"}, [])),
    "map with counts": (
        {"type": "object", "additionalProperties": WHOLE, "minProperties": 1, "maxProperties": 2},
        ({"a": 1}, {"a": 1, "b": 2}),
        ({}, {"a": 1, "b": 2, "c": 3}),
    ),
    "map with named keys": (
        {"type": "object", "propertyNames": {"pattern": "^[a-z]+$", "maxLength": 3}},
        ({}, {"abc": 1}),
        ({"A": 1}, {"abcd": 1}, {"": 1}),
    ),
    "map with listed keys": (
        {"type": "object", "propertyNames": {"enum": ["a", "b"]}, "additionalProperties": WHOLE},
        ({}, {"a": 1, "b": 2}),
        ({"c": 1}, {"a": "x"}),
    ),
    "map by a pattern": (
        {"type": "object", "patternProperties": {"^x-": TEXT}, "additionalProperties": False},
        ({}, {"x-a": "b"}),
        ({"x-a": 1}, {"y": "b"}),
    ),
    "map by a pattern for all": (
        {"type": "object", "patternProperties": {".*": WHOLE}},
        ({"a": 1},),
        ({"a": "x"},),
    ),
    "names that are no identifiers": (
        _object(
            {
                **dict.fromkeys(
                    ("class", "foo-bar", "foo_bar", "$id", "__init__", "model_config", "self"), WHOLE
                ),
                **dict.fromkeys(
                    ("copy", "json", "1st", "_private", "", "größe", "schema", "validate"), WHOLE
                ),
            },
            ["class", "foo-bar", "foo_bar", ""],
        ),
        (
            {"class": 1, "foo-bar": 2, "foo_bar": 3, "": 4},
            {"class": 1, "foo-bar": 2, "foo_bar": 3, "": 4, "$id": 5, "__init__": 6, "größe": 7, "json": 8},
        ),
        (
            {"class": 1, "foo-bar": 2, "foo_bar": 3},
            {"class": 1, "foo-bar": 2, "foo_bar": 3, "": 4, "_private": "x"},
            {"class": 1, "foo-bar": 2, "foo_bar": 3, "": 4, "model_config": None},
        ),
    ),
    # references
    "ref to $defs": (
        {"$ref": "#/$defs/A", "$defs": {"A": _object({"n": WHOLE}, ["n"])}},
        ({"n": 1},),
        ({}, {"n": "x"}, 1),
    ),
    "ref to definitions": (
        {
            "$schema": DRAFT_07,
            **_object({"a": {"$ref": "#/definitions/A"}}),
            "definitions": {"A": {"type": "string", "maxLength": 1}},
        },
        ({"a": "x"}, {}),
        ({"a": "xy"}, {"a": 1}),
    ),
    "ref with siblings in draft-07": (
        {
            "$schema": DRAFT_07,
            **_object({"a": {"$ref": "#/definitions/A", "maxLength": 1}}),
            "definitions": {"A": TEXT},
        },
        ({"a": "xyz"},),
        ({"a": 1},),
    ),
    "ref with siblings in 2020-12": (
        {
            "$schema": DRAFT_2020,
            **_object({"a": {"$ref": "#/$defs/A", "maxLength": 1}}),
            "$defs": {"A": TEXT},
        },
        ({"a": "x"},),
        ({"a": "xyz"}, {"a": 1}),
    ),
    "ref into properties": (
        _object(
            {
                "docs": {"type": "array", "items": _object({"t": TEXT}, ["t"])},
                "first": {"$ref": "#/properties/docs/items"},
                "text": {"$ref": "#/properties/docs/items/properties/t"},
            }
        ),
        ({"docs": [{"t": "a"}], "first": {"t": "b"}, "text": "c"},),
        ({"first": {}}, {"text": 1}, {"docs": [{"t": 1}]}),
    ),
    "ref with escapes": (
        {
            "type": "array",
            "prefixItems": [{"$ref": "#/$defs/a~1b"}, {"$ref": "#/$defs/c~0d"}, {"$ref": "#/$defs/e%25%20f"}],
            "$defs": {"a/b": TEXT, "c~d": WHOLE, "e% f": {"type": "null"}},
        },
        (["x", 1, None],),
        ([1], ["x", "y"], ["x", 1, 2]),
    ),
    "ref to a ref": (
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/C"}, "C": WHOLE}},
        (1,),
        ("x", None),
    ),
    "recursion": (
        _object({"value": WHOLE, "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, ["value"]),
        ({"value": 1}, {"value": 1, "next": None}, {"value": 1, "next": {"value": 2, "next": {"value": 3}}}),
        ({"value": 1, "next": {}}, {"value": 1, "next": {"value": 2, "next": {"value": "x"}}}),
    ),
    "mutual recursion": (
        {
            "$ref": "#/$defs/Folder",
            "$defs": {
                "Folder": _object({"files": {"type": "array", "items": {"$ref": "#/$defs/File"}}}, ["files"]),
                "File": _object({"name": TEXT, "inside": {"$ref": "#/$defs/Folder"}}, ["name"]),
            },
        },
        ({"files": []}, {"files": [{"name": "a", "inside": {"files": [{"name": "b"}]}}]}),
        ({"files": [{}]}, {"files": [{"name": "a", "inside": {"files": [{"name": 1}]}}]}),
    ),
    "recursion without objects": (
        {
            "$ref": "#/$defs/Json",
            "$defs": {
                "Json": {
                    "anyOf": [
                        {"type": ["null", "boolean", "string"]},
                        {"type": "array", "items": {"$ref": "#/$defs/Json"}},
                        {"type": "object", "additionalProperties": {"$ref": "#/$defs/Json"}},
                    ]
                }
            },
        },
        (None, ["a", [True, {"k": [None]}]], {"a": {"b": "c"}}),
        (1, [1], {"a": [1.5]}, {"a": {"b": [[2]]}}),
    ),
    "recursive allOf": (
        {
            "$ref": "#/$defs/Node",
            "$defs": {
                "Base": _object({"child": {"$ref": "#/$defs/Base"}, "id": WHOLE}, ["id"]),
                "Node": {
                    "allOf": [
                        {"$ref": "#/$defs/Base"},
                        _object({"child": {"$ref": "#/$defs/Node"}, "n": TEXT}, ["n"]),
                    ]
                },
            },
        },
        ({"id": 1, "n": "x"}, {"id": 1, "n": "x", "child": {"id": 2, "n": "y"}}),
        ({"id": 1}, {"n": "x"}, {"id": 1, "n": "x", "child": {"id": 2}}),
    ),
    # allOf, anyOf, oneOf
    "allOf of objects": (
        {"allOf": [_object({"a": TEXT}, ["a"]), _object({"b": WHOLE}, ["b"])]},
        ({"a": "x", "b": 1}, {"a": "x", "b": 1, "c": None}),
        ({"a": "x"}, {"b": 1}, {"a": 1, "b": 1}),
    ),
    "allOf with siblings": (
        {"type": "integer", "minimum": 1, "allOf": [{"maximum": 5}, {"multipleOf": 2}]},
        (2, 4.0),
        (0, 3, 6, "x"),
    ),
    "allOf of the same property": (
        {"allOf": [_object({"a": {"type": "integer"}}), _object({"a": {"type": "number", "minimum": 2}})]},
        ({"a": 2}, {}),
        ({"a": 1}, {"a": 2.5}),
    ),
    "allOf with a closed object": (
        {"allOf": [_object({"a": TEXT}, additionalProperties=False), _object({"b": WHOLE})]},
        ({}, {"a": "x"}),
        ({"b": 1}, {"a": "x", "b": 1}),
    ),
    "allOf that nothing fits": ({"allOf": [TEXT, WHOLE]}, (), ("x", 1, None)),
    "allOf of patterns": (
        {"type": "string", "allOf": [{"pattern": "^a"}, {"pattern": "z$"}]},
        ("az", "abcz"),
        ("a", "z", ""),
    ),
    "allOf of a list and a tuple": (
        {
            "allOf": [
                {"type": "array", "items": {"type": "number"}},
                {"type": "array", "prefixItems": [WHOLE]},
            ]
        },
        ([1, 1.5], []),
        ([1.5], [1, "x"]),
    ),
    "allOf of anyOfs": (
        {"allOf": [{"anyOf": [TEXT, WHOLE]}, {"anyOf": [WHOLE, {"type": "null"}]}]},
        (1, 2.0),
        ("x", None),
    ),
    "anyOf": ({"anyOf": [TEXT, {"type": "integer", "minimum": 3}]}, ("", 3), (2, None, 3.5)),
    "anyOf nested": (
        {"anyOf": [{"anyOf": [TEXT, WHOLE]}, {"oneOf": [{"type": "null"}, {"type": "boolean"}]}]},
        ("a", 1, None, True),
        (1.5, [], {}),
    ),
    "anyOf of required": (
        _object({"a": TEXT, "b": TEXT}, anyOf=[{"required": ["a"]}, {"required": ["b"]}]),
        ({"a": "x"}, {"b": "x"}, {"a": "x", "b": "y"}),
        ({}, {"a": 1}, {"a": "x", "b": 1}),
    ),
    "oneOf of different kinds": ({"oneOf": [TEXT, WHOLE]}, ("a", 1), (None, 1.5)),
    "oneOf that overlaps": (
        {"oneOf": [{"type": "integer", "multipleOf": 2}, {"type": "integer", "multipleOf": 3}]},
        (2, 3, 4, 9),
        (6, 0, 1, 5),
    ),
    "oneOf of a text twice, once with a format of nobody's": (
        {"oneOf": [{"type": "string", "format": "byte"}, {"type": ["integer", "string"]}]},
        (1, 2.0),
        ("a", "", 1.5, None),
    ),
    "oneOf of the same twice": ({"oneOf": [TEXT, TEXT, WHOLE]}, (1,), ("a", None)),
    "oneOf of integer and number": ({"oneOf": [WHOLE, {"type": "number"}]}, (1.5,), (1, 2.0, "x")),
    "oneOf of open objects": (
        {"oneOf": [_object({"a": TEXT}, ["a"]), _object({"b": TEXT}, ["b"])]},
        ({"a": "x"}, {"b": "x"}, {"a": "x", "b": 1}),
        ({}, {"a": "x", "b": "y"}),
    ),
    "oneOf twice the same": ({"oneOf": [TEXT, TEXT]}, (), ("a", 1)),
    "oneOf in oneOf": (
        {"oneOf": [{"oneOf": [{"minimum": 0, "type": "number"}, {"type": "integer"}]}, {"type": "integer"}]},
        (0.5, 3, 4.0),
        (-1, -0.5, "x"),
    ),
    "discriminated by const": (
        {
            "oneOf": [
                _object({"kind": {"const": "cat"}, "lives": WHOLE}, ["kind", "lives"]),
                _object({"kind": {"const": "dog"}, "tricks": {"type": "array", "items": TEXT}}, ["kind"]),
            ]
        },
        ({"kind": "cat", "lives": 9}, {"kind": "dog"}, {"kind": "dog", "tricks": ["roll"]}),
        ({"kind": "cat"}, {"kind": "cow"}, {}, {"kind": "dog", "tricks": [1]}),
    ),
    "discriminated by OpenAPI": (
        {
            "oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}],
            "discriminator": {"propertyName": "kind"},
            "$defs": {
                "Cat": _object({"kind": {"enum": ["cat", "kitten"]}, "v": WHOLE}, ["kind"]),
                "Dog": _object({"kind": {"enum": ["dog"]}, "v": TEXT}, ["kind"]),
            },
        },
        ({"kind": "kitten", "v": 1}, {"kind": "dog", "v": "x"}),
        ({"kind": "dog", "v": 1}, {"kind": "cow"}, {"v": 1}),
    ),
    "discriminated or null": (
        {
            "anyOf": [
                _object({"t": {"const": "a"}, "x": WHOLE}, ["t", "x"]),
                _object({"t": {"const": "b"}, "y": WHOLE}, ["t", "y"]),
                {"type": "null"},
            ]
        },
        ({"t": "a", "x": 1}, {"t": "b", "y": 2}, None),
        ({"t": "a", "y": 2}, {"t": "c"}, 1),
    ),
    "common fields beside oneOf": (
        _object(
            {"id": WHOLE},
            ["id"],
            oneOf=[_object({"a": TEXT}, ["a"]), _object({"b": TEXT}, ["b"])],
        ),
        ({"id": 1, "a": "x"}, {"id": 1, "b": "x"}),
        ({"a": "x"}, {"id": 1}, {"id": "x", "a": "x"}, {"id": 1, "a": "x", "b": "y"}),
    ),
    "two types with one title": (
        _object(
            {
                "a": {"title": "Item", **_object({"n": WHOLE}, ["n"])},
                "b": {"title": "Item", **_object({"t": TEXT}, ["t"])},
            }
        ),
        ({"a": {"n": 1}, "b": {"t": "x"}},),
        ({"a": {"t": "x"}}, {"b": {"n": 1}}),
    ),
    # what real servers sent
    "captured: menu of Genkit JS": (
        captured("actions-js-menu.json", "/flow/menu", "inputSchema"),
        ({"theme": "pirate"}, {"theme": "pirate", "items": 1, "more": None}),
        ({}, {"theme": 1}, {"theme": "pirate", "items": 0}, {"theme": "pirate", "items": "3"}),
    ),
    "captured: output of Genkit JS": (
        captured("actions-js-menu.json", "/flow/menu", "outputSchema"),
        ({"title": "t", "items": [{"name": "n", "price": 1.5}]}, {"title": "", "items": []}),
        ({"title": "t"}, {"title": "t", "items": [{"name": "n"}]}),
    ),
    "captured: an odd flow of Genkit JS": (
        captured("actions-js-odd.json", "/flow/my-flow/v2", "inputSchema"),
        (
            {"class": "None", "when": None, "u": {"kind": "x", "a": 1}, "t": ["a", 1], "m": {}},
            {
                "class": "1",
                "when": "2024-01-01T00:00:00Z",
                "u": {"kind": "y", "b": ""},
                "t": ["a", 0.5],
                "m": {"k": 1},
                "foo-bar": "x",
                "any": [None],
            },
        ),
        (
            {"class": "2", "when": None, "u": {"kind": "x", "a": 1}, "t": ["a", 1], "m": {}},
            {"class": "1", "when": None, "u": {"kind": "y", "a": 1}, "t": ["a", 1], "m": {}},
            {"class": "1", "when": None, "u": {"kind": "x", "a": 1}, "t": ["a", 1, 2], "m": {}},
            {"class": "1", "when": "now", "u": {"kind": "x", "a": 1}, "t": ["a", 1], "m": {}},
            {"class": "1", "when": None, "u": {"kind": "x", "a": 1}, "t": ["a", 1], "m": {"k": "v"}},
        ),
    ),
    "captured: generate of Genkit JS": (
        captured("actions-js-odd.json", "/util/generate", "inputSchema"),
        (
            {"messages": [{"role": "user", "content": [{"text": "hi"}]}]},
            {"docs": [{"content": [{"media": {"url": "data:"}}]}], "messages": []},
        ),
        (
            {"messages": [{"role": "nobody", "content": []}]},
            {"messages": [{"role": "user"}]},
            {"docs": [{}], "messages": []},
        ),
    ),
    "captured: menu of Genkit Python": (
        captured("actions-py.json", "/flow/menu", "outputSchema"),
        ({"title": "t", "items": [{"name": "n", "price": 1}]},),
        ({"title": "t", "items": [{"name": "n"}]}, {"items": []}),
    ),
}

NAIVE = "Python servers send date-times and times without an offset, which RFC 3339 wants"

ON_PURPOSE_ACCEPTED = {
    ("date-time", "2024-01-01T00:00:00"): NAIVE,
    ("time", "12:00:00"): NAIVE,
}
"""What stands among the invalid values of `HAND_PICKED` and is accepted all the same."""
