"""JSON Schema to the model of types: every feature, every refusal, every limit."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from hand_picked_schemas import CAPTURES, HAND_PICKED, ON_PURPOSE_ACCEPTED
from streamflow_client.schema.accepts import Accepting, accepts
from streamflow_client.schema.model import (
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
    Types,
    Union,
)
from streamflow_client.schema.patterns import NoPattern, Patterns, finds
from streamflow_client.schema.raw import Schema
from streamflow_client.schema.read import BrokenSchema, read_types
from streamflow_client.schema.runtime import Role, build

TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}
INF = float("inf")
OLD = "http://json-schema.org/draft-07/schema#"


def read(schema: Any, name: str = "Root") -> Types:
    return read_types(Schema(schema, schema), name=name)


def record(types: Types, name: str = "Root") -> Record:
    found = types.definitions[name].type
    assert isinstance(found, Record)
    return found


def field(types: Types, wire: str, name: str = "Root") -> Field:
    return next(field for field in record(types, name).fields if field.name == wire)


def _doubling(word: str, levels: int) -> dict[str, Any]:
    """2 ** levels ways from the first definition to the last."""
    twice = {f"L{n}": {word: [{"$ref": f"#/$defs/L{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/L0", "$defs": twice | {f"L{levels}": TEXT}}


def objects(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def nested(levels: int, key: str, inner: Any = True) -> Any:
    for _ in range(levels):
        inner = {"properties": {"a": inner}} if key == "properties" else {key: inner}
    return inner


@pytest.mark.parametrize("name", HAND_PICKED)
def test_hand_picked_schemas_mean_what_json_schema_says(name: str) -> None:
    schema, valid, invalid = HAND_PICKED[name]
    oracle = jsonschema_rs.validator_for(schema, validate_formats=True)
    types = read(schema)
    assert not types.warnings
    for value, expected in [*((value, True) for value in valid), *((value, False) for value in invalid)]:
        assert oracle.is_valid(value) is expected, value  # the table itself
        on_purpose = isinstance(value, str) and (name, value) in ON_PURPOSE_ACCEPTED
        assert accepts(value, types.root, types.definitions) is (expected or on_purpose), value


TYPES: dict[str, tuple[Any, Any]] = {
    "anything": ({}, Anything()),
    "true": (True, Anything()),
    "false": (False, Nothing()),
    "not anything": ({"not": {}}, Nothing()),
    "null": ({"type": "null"}, Null()),
    "const null": ({"const": None}, Null()),
    "all kinds": ({"type": ["null", "boolean", "number", "string", "array", "object"]}, Anything()),
    "format beyond ours": ({"type": "string", "format": "email"}, Text()),
    "format of a number": ({"type": "number", "format": "double"}, Number()),
    "format alone": ({"format": "uuid"}, Text(format="uuid")),
    "encoding": ({"type": "string", "contentEncoding": "base64"}, Text()),
    "draft-04 bounds": (
        {"type": "integer", "minimum": 1, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": False},
        Integer(gt=1, le=9),
    ),
    "tighter bound": ({"type": "number", "minimum": 1, "exclusiveMinimum": 2}, Number(gt=2)),
    "untyped number": ({"minimum": 1}, Number(ge=1)),
    "untyped string": ({"minLength": 1}, Text(min_length=1)),
    "untyped list": ({"items": WHOLE}, Array(Integer())),
    "untyped, two kinds": ({"items": WHOLE, "minLength": 1}, Union((Array(Integer()), Text(min_length=1)))),
    "untyped beside a type": (
        {"type": ["string", "null"], "allOf": [{"minLength": 1}]},
        Union((Text(1), Null())),
    ),
    "nullable": ({"type": "string", "nullable": True}, Union((Text(), Null()))),
    "nullable enum": ({"enum": ["a"], "nullable": True}, Union((Literals(("a",)), Null()))),
    "nullable ref": (
        {"$ref": "#/$defs/A", "nullable": True, "$defs": {"A": WHOLE}},
        Union((Integer(), Null())),
    ),
    "enum filtered": ({"enum": ["a", "bc", 1], "minLength": 2, "type": "string"}, Literals(("bc",))),
    "enum of nothing": ({"enum": []}, Nothing()),
    "enum of lists and objects": (
        {
            "enum": [[1, "a"], [1], ["a", "a"], [1, 2], {"k": None}, {"k": 1}, {"l": None}, {}, "x", True],
            "anyOf": [
                {"type": "array", "prefixItems": [WHOLE], "items": {"enum": ["a", 3]}, "minItems": 2},
                {
                    "type": "object",
                    "properties": {"k": {"type": "null"}},
                    "minProperties": 1,
                    "required": ["k"],
                },
                {"type": "boolean"},
            ],
        },
        Literals(([1, "a"], {"k": None}, True)),
    ),
    "enum of lists without repetition": (
        {"enum": [[1], [1, 1], []], "type": "array", "uniqueItems": True, "maxItems": 1},
        Literals(([1], [])),
    ),
    "enum repeated": ({"enum": [1, 1.0, True]}, Literals((1, True))),
    "consts joined": ({"oneOf": [{"const": "a", "title": "A"}, {"const": "b"}]}, Literals(("a", "b"))),
    "map": ({"type": "object"}, Map(Anything())),
    "map of any said": (objects() | {"additionalProperties": True}, Map(Anything())),
    "map with a pattern": (
        {"type": "object", "patternProperties": {r"^\d$": WHOLE}, "additionalProperties": False},
        Map(Integer(), Text(patterns=("^[0-9]$",))),
    ),
    "map by .*": ({"patternProperties": {".*": WHOLE}}, Map(Integer())),
    "draft-07 tuple": (
        {"type": "array", "items": [TEXT], "additionalItems": False, "minItems": 1},
        Tuple((Text(),), Nothing(), min_items=1),
    ),
    "tuple cut by maxItems": (
        {"type": "array", "prefixItems": [TEXT, WHOLE], "maxItems": 1},
        Tuple((Text(),), Nothing()),
    ),
    "record that cannot be": (objects(a={"allOf": [TEXT, WHOLE]}) | {"required": ["a"]}, Nothing()),
    "unions flattened": (
        {"anyOf": [{"anyOf": [TEXT, WHOLE]}, {"type": ["null", "string"]}]},
        Union((Text(), Integer(), Null())),
    ),
    "union with anything": ({"anyOf": [TEXT, {}]}, Anything()),
    "union of one": ({"anyOf": [TEXT, False]}, Text()),
    "oneOf apart": ({"oneOf": [TEXT, WHOLE]}, Union((Text(), Integer()))),
    "oneOf overlapping": (
        {"oneOf": [WHOLE, {"type": "number"}]},
        Union((Integer(), Number()), exclusive=True),
    ),
    "oneOf twice": ({"oneOf": [TEXT, TEXT]}, Nothing()),
    "oneOf beside a format that nobody checks": (
        {"oneOf": [{"type": "string", "format": "byte"}, {"type": ["integer", "string"]}]},
        Union((Text(), Union((Text(), Integer()))), exclusive=True),
    ),
    "oneOf twice among others": (
        {"oneOf": [TEXT, WHOLE, TEXT, TEXT]},
        Union((Text(), Integer(), Text()), exclusive=True),
    ),
    "oneOf beside an unchecked format": (
        {"oneOf": [{"type": "string", "format": "email"}, {"type": "string", "minLength": 3}]},
        Union((Text(), Text(3))),
    ),
    "list of 1 is no list of true": (
        {"anyOf": [{"items": {"const": 1}}, {"items": {"const": True}}]},
        Union((Array(Literals((1,))), Array(Literals((True,))))),
    ),
    "allOf": ({"allOf": [{"type": "number", "minimum": 1}, WHOLE, {"maximum": 3}]}, Integer(ge=1, le=3)),
    "allOf of formats": (
        {"type": "string", "format": "date", "allOf": [{"maxLength": 3}]},
        Text(None, 3, (), "date"),
    ),
    "ref ignores siblings in draft-07": ({"$schema": OLD, "$ref": "#/d", "maxLength": 1, "d": TEXT}, Text()),
    "ref minds siblings": ({"$ref": "#/d", "maxLength": 1, "d": TEXT}, Text(max_length=1)),
    "ref with ~01": ({"$ref": "#/$defs/a~01", "$defs": {"a~1": WHOLE, "a/": TEXT}}, Integer()),
    "ref to an anchor": ({"$ref": "#x", "$defs": {"X": {"$anchor": "x", **WHOLE}}}, Integer()),
    "ref by the root's own id": (
        {"$id": "http://x/s", "$ref": "http://x/s#/$defs/A", "$defs": {"A": WHOLE}},
        Integer(),
    ),
    "huge lengths": ({"type": "string", "minLength": 1e300, "maxLength": 10**400}, Text(2**53, 2**53)),
    "huge bounds": ({"type": "integer", "minimum": 10**400}, Integer(ge=10**400)),
}


@pytest.mark.parametrize("name", TYPES)
def test_schemas_without_records(name: str) -> None:
    schema, expected = TYPES[name]
    types = read(schema)
    assert repr(types.root) == repr(expected)  # for Python, Literals((1,)) == Literals((True,))
    assert not types.warnings
    assert not types.definitions


def test_required_optional_and_nullable_are_three_things() -> None:
    types = read(objects(a=TEXT, b={"type": ["string", "null"]}) | {"required": ["b", "c"]})
    assert types.root == Ref("Root")
    assert record(types).fields == (
        Field("a", "a", Text(), required=False),
        Field("b", "b", Union((Text(), Null())), required=True),
        Field("c", "c", Anything(), required=True),
    )


@pytest.mark.parametrize(
    ("said", "extra", "extra_said"),
    [
        ({}, Anything(), False),
        ({"additionalProperties": True}, Anything(), True),
        ({"additionalProperties": False}, Nothing(), True),
        ({"additionalProperties": WHOLE}, Integer(), True),
    ],
    ids=["nothing", "open", "closed", "typed"],
)
def test_what_else_an_object_may_hold(said: Any, extra: Any, extra_said: bool) -> None:
    found = record(read(objects(a=TEXT) | said))
    assert (found.extra, found.extra_said) == (extra, extra_said)


def test_an_empty_object_that_says_so_is_a_record() -> None:
    assert record(read(objects())) == Record((), Anything(), extra_said=False)
    assert record(read({"type": "object", "additionalProperties": False})) == Record(
        (), Nothing(), extra_said=True
    )


def test_an_object_that_can_have_no_names_is_closed() -> None:
    found = record(read({"propertyNames": WHOLE, "additionalProperties": TEXT}))
    assert found == Record((), Nothing(), extra_said=True)


def test_a_pattern_for_names_holds_for_fields_of_another_schema() -> None:
    named = {"patternProperties": {"^x": WHOLE}, "additionalProperties": False}
    types = read({"allOf": [named, objects(xa={"minimum": 1}, y=WHOLE)]})
    assert (field(types, "xa").type, field(types, "y").type) == (Integer(ge=1), Nothing())
    assert types.warnings == ("#: the names of unknown properties are not checked",)


def test_listed_names_make_fields() -> None:
    found = record(read({"propertyNames": {"enum": ["a", "b"]}, "additionalProperties": WHOLE}))
    assert [f.name for f in found.fields] == ["a", "b"]
    assert found.extra == Nothing()
    assert all(f.type == Integer() and not f.required for f in found.fields)


def test_words_of_fields_definitions_and_roots() -> None:
    item = {
        "title": "The Item",
        "description": "of it",
        **objects(n=WHOLE | {"title": "N", "description": 3}),
    }
    types = read(
        objects(a={"$ref": "#/$defs/A", "description": "here"}, b={"$ref": "#/$defs/A"})
        | {"title": "Menu", "description": "whole", "$defs": {"A": item}}
    )
    assert (types.title, types.description) == ("Menu", "whole")
    assert (types.definitions["TheItem"].title, types.definitions["TheItem"].description) == (
        "The Item",
        "of it",
    )
    assert field(types, "a", "Menu").description == "here"
    assert field(types, "b", "Menu").description == "of it"
    assert (field(types, "n", "TheItem").title, field(types, "n", "TheItem").description) == ("N", "")


@pytest.mark.parametrize(
    ("schema", "default", "warned"),
    [
        (WHOLE | {"default": 3}, 3, False),
        (WHOLE | {"default": None}, MISSING, False),
        ({"type": ["integer", "null"], "default": None}, None, False),
        (WHOLE | {"default": "3"}, MISSING, True),
        (WHOLE | {"minimum": 1, "default": 0}, MISSING, True),
        ({"type": "array", "items": TEXT, "default": ["a"]}, ["a"], False),
        ({"$ref": "#/properties/other"}, {"k": 1}, False),
        # what Python servers write for `datetime(2024, 1, 1)` and `time(9)`
        (TEXT | {"format": "date-time", "default": "2024-01-01T00:00:00"}, "2024-01-01T00:00:00", False),
        (TEXT | {"format": "time", "default": "09:00:00"}, "09:00:00", False),
        (TEXT | {"format": "date-time", "default": "2016-12-31T23:59:60Z"}, MISSING, True),
    ],
    ids=str,
)
def test_defaults_are_kept_where_they_fit(schema: Any, default: Any, warned: bool) -> None:
    other = objects(k=WHOLE) | {"required": ["k"], "default": {"k": 1}}
    types = read(objects(a=schema, other=other))
    assert field(types, "a").default == default
    assert types.warnings == (("#/properties/a: `default` does not fit, and is not used",) if warned else ())


@pytest.mark.parametrize("default", [INF, [float("nan")], {"k": -INF}], ids=repr)
def test_defaults_that_are_no_json_are_not_kept(default: Any) -> None:
    types = read(objects(a={"default": default}))
    assert field(types, "a").default is MISSING
    assert types.warnings == ("#/properties/a: `default` does not fit, and is not used",)


def test_defaults_that_contain_themselves_are_not_kept() -> None:
    node = {"$ref": "#/$defs/Node"}
    nodes = {"type": "array", "items": node}
    fields = {
        "child": node | {"default": {}},
        "children": nodes | {"default": [{"n": 1}, {}]},
        "either": {"anyOf": [nodes, node], "default": {"n": 1}},
        "end": nodes | {"default": []},
        "n": WHOLE | {"default": 3},
        "other": node | {"default": {}},
    }
    root = objects(tree=node | {"default": {}}, empty=WHOLE)
    types = read(root | {"$defs": {"Node": objects(**fields)}})
    assert field(types, "tree").default == {}
    assert {f.name: f.default for f in record(types, "Node").fields if f.default is not MISSING} == {
        "end": [],
        "n": 3,
    }
    assert types.warnings == tuple(
        f"#/$defs/Node/properties/{name}: `default` contains itself, or too many others, and is not used"
        for name in ("child", "children", "either", "other")
    )


def test_defaults_that_contain_each_other_are_not_kept() -> None:
    a, b = {"$ref": "#/$defs/A", "default": {}}, {"$ref": "#/$defs/B", "default": {}}
    types = read(objects(a=a) | {"$defs": {"A": objects(b=b, n={"default": 1}), "B": objects(a=a)}})
    assert [field(types, "a").default, field(types, "n", "A").default] == [{}, 1]
    assert [field(types, "b", "A").default, field(types, "a", "B").default] == [MISSING, MISSING]


def test_a_default_that_names_its_child_ends_there() -> None:
    """What the value itself says is not filled in."""
    node = {"anyOf": [{"$ref": "#"}, {"type": "null"}], "default": {"child": None}}
    types = read(objects(child=node), "Node")
    assert field(types, "child", "Node").default == {"child": None}
    assert not types.warnings


def test_defaults_that_double_at_every_level_are_kept_only_below() -> None:
    levels = {
        f"L{n}": objects(**{name: {"$ref": f"#/$defs/L{n + 1}", "default": {}} for name in ("a", "b")})
        for n in range(40)
    }
    types = read({"$ref": "#/$defs/L0", "$defs": levels | {"L40": objects(n=WHOLE | {"default": 1})}})
    assert field(types, "a", "L39").default == {}
    assert 0 < sum("too many others" in warning for warning in types.warnings) < 40


def test_defaults_are_nested_to_a_limit() -> None:
    levels = {f"L{n}": objects(a={"$ref": f"#/$defs/L{n + 1}", "default": {}}) for n in range(60)}
    types = read({"$ref": "#/$defs/L0", "$defs": levels | {"L60": objects(n=WHOLE)}})
    assert [n for n in range(60) if field(types, "a", f"L{n}").default is MISSING] == [50]


# unions of records


def test_a_common_text_discriminates() -> None:
    cat = objects(n=TEXT, kind={"const": "cat"}, mood={"enum": ["x"]}) | {"required": ["kind", "mood"]}
    dog = objects(n=TEXT, kind={"enum": ["dog", "pup"]}, mood={"enum": ["x"]}) | {
        "required": ["kind", "mood"]
    }
    types = read({"oneOf": [cat, dog]}, name="Pet")
    assert types.root == Union((Ref("PetCat"), Ref("PetOption2")), discriminator="kind")


def test_a_discriminator_is_believed_only_if_the_members_bear_it_out() -> None:
    def member(kind: str, tag: str, **more: Any) -> dict[str, Any]:
        return objects(tag={"const": tag}, kind={"const": kind}, **more) | {"required": ["tag", "kind"]}

    union = {"oneOf": [member("a", "x"), member("b", "y")]}
    assert getattr(read(union).root, "discriminator", None) == "tag"
    said = union | {"discriminator": {"propertyName": "kind"}}
    assert getattr(read(said).root, "discriminator", None) == "kind"
    wrong = union | {"discriminator": {"propertyName": "nothing"}}
    assert getattr(read(wrong).root, "discriminator", None) == "tag"
    same = {"anyOf": [member("a", "x", v=TEXT), member("a", "x", v=WHOLE)]}
    assert getattr(read(same).root, "discriminator", "?") is None


def test_a_discriminated_union_keeps_its_discriminator_beside_null() -> None:
    members = [objects(t={"const": text}) | {"required": ["t"]} for text in ("a", "b")]
    root = read({"anyOf": [{"oneOf": members}, {"type": "null"}]}).root
    assert root == Union((Union((Ref("RootA"), Ref("RootB")), discriminator="t"), Null()))


def test_what_stands_beside_a_union_holds_for_each_member() -> None:
    types = read(
        objects(id=WHOLE)
        | {"anyOf": [{"required": ["a"]}, {"$ref": "#/$defs/B"}], "$defs": {"B": objects(b=TEXT)}}
    )
    assert types.root == Union((Ref("RootA"), Ref("RootB")))
    assert [f.name for f in record(types, "RootA").fields] == ["id", "a"]
    assert [f.name for f in record(types, "RootB").fields] == ["id", "b"]


# references and recursion


def test_recursion_through_records_and_without() -> None:
    types = read(objects(next={"$ref": "#"}, all={"type": "array", "items": {"$ref": "#"}}), name="Node")
    assert field(types, "next", "Node").type == Ref("Node")
    assert field(types, "all", "Node").type == Array(Ref("Node"))
    tree = {"$ref": "#/$defs/Tree", "$defs": {"Tree": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}}
    types = read(tree)
    assert types.root == Ref("Tree")
    assert types.definitions["Tree"].type == Array(Ref("Tree"))


def test_recursive_all_of_ends() -> None:
    base = objects(child={"$ref": "#/$defs/Base"}, x=WHOLE)
    more = {"allOf": [{"$ref": "#/$defs/Base"}, objects(child={"$ref": "#/$defs/More"}, y=WHOLE)]}
    types = read({"$ref": "#/$defs/More", "$defs": {"Base": base, "More": more}})
    assert list(types.definitions) == ["More"]
    assert field(types, "child", "More").type == Ref("More")
    assert [f.name for f in record(types, "More").fields] == ["child", "x", "y"]


def test_references_from_within_a_larger_document() -> None:
    document = {
        "paths": {"/a": objects(n={"$ref": "#/components/schemas/N"}, o=objects(x=TEXT))},
        "components": {"schemas": {"N": objects(s=TEXT)}},
    }
    types = read_types(Schema(document["paths"]["/a"], document, "/paths/~1a"), name="In")
    assert list(types.definitions) == ["In", "N", "InO"]
    broken = Schema({"properties": {"a": {"type": 5}}}, {"x": {"properties": {"a": {"type": 5}}}}, "/x")
    with pytest.raises(BrokenSchema, match="#/x/properties/a/type"):
        read_types(broken, name="In")


# names of definitions


def test_places_that_are_no_usual_ones_have_names_too() -> None:
    odd = {"$ref": "#/anyOf/²", "anyOf": {"²": objects(a=TEXT)}}
    with pytest.raises(BrokenSchema):
        read(odd)
    types = read(objects(b={"$ref": "#/x/anyOf/²"}) | {"x": {"anyOf": {"²": objects(a=TEXT), "y": 1}}})
    assert len(types.definitions) == 2


def test_definitions_are_named_after_titles_keys_and_parents() -> None:
    item = objects(n=WHOLE)
    schema = objects(
        titled={"title": "Dish", **item},
        keyed={"$ref": "#/$defs/side_dish"},
        again={"$ref": "#/$defs/side_dish"},
        list={"type": "array", "title": "List", "items": item},
        map={"type": "object", "additionalProperties": item},
        sentence={"title": "A dish that is served on a very large plate", **item},
        other={"title": "Dish", **objects(m=TEXT)},
        shadow={"title": "Any", **item},
    ) | {"$defs": {"side_dish": item}}
    types = read(schema, "menu input")
    assert list(types.definitions) == [
        *("MenuInput", "Dish", "SideDish", "MenuInputListItem", "MenuInputMapValue", "MenuInputSentence"),
        *("Dish2", "Any_"),
    ]


# what is not checked

WARNINGS: list[tuple[Any, str]] = [
    ({"if": TEXT, "then": {"maxLength": 1}}, "`if` is not checked"),
    (TEXT | {"not": {"const": "a"}}, "`not` is not checked"),
    ({"type": "array", "contains": TEXT}, "`contains` is not checked"),
    ({"type": "object", "dependentRequired": {"a": ["b"]}}, "`dependentRequired` is not checked"),
    ({"type": "object", "dependencies": {"a": ["b"]}}, "`dependencies` is not checked"),
    ({"type": "object", "unevaluatedProperties": False}, "`unevaluatedProperties` is not checked"),
    ({"$dynamicRef": "#node"}, "`$dynamicRef` is not checked"),
    ({"type": ["string", "date"]}, "`type` names 'date', which is not known, and is not checked"),
    ({"type": "object", "patternProperties": {"a": TEXT, "b": WHOLE}}, "`patternProperties` is not checked"),
    (objects(a=TEXT) | {"patternProperties": {"^x": TEXT}}, "`patternProperties` is not checked"),
    (objects(a=TEXT) | {"minProperties": 1}, "`minProperties` is not checked"),
    (objects(a=TEXT) | {"maxProperties": 3}, "`maxProperties` is not checked"),
    (
        objects(a=TEXT) | {"propertyNames": {"maxLength": 3}},
        "the names of unknown properties are not checked",
    ),
    ({"propertyNames": {"anyOf": [TEXT, {"maxLength": 1}]}}, "`propertyNames` is not checked"),
    ({"type": "string", "pattern": "(?=a)"}, "`pattern` is not checked: it has a look-around"),
]


@pytest.mark.parametrize(("schema", "warning"), WARNINGS, ids=[warning for _, warning in WARNINGS])
def test_what_cannot_be_said_is_one_warning(schema: Any, warning: str) -> None:
    types = read(objects(x=schema, y={"$ref": "#/properties/x"}))
    assert len(types.warnings) == 1
    assert types.warnings[0].startswith(f"#/properties/x: {warning}")


def test_unknown_keywords_are_no_warning() -> None:
    said = {
        "x-order": 1,
        "examples": ["a"],
        "$comment": "c",
        "deprecated": True,
        "readOnly": True,
        "if": TEXT,
    }
    assert read(TEXT | said) == read(TEXT)


@pytest.mark.parametrize(
    ("schema", "value", "reason"),
    [
        ({"properties": {"a": TEXT}}, 5, "`properties` alone is meant for objects"),
        ({"minLength": 1}, None, "`minLength` alone is meant for strings"),
        ({"required": ["a"]}, "x", "`required` alone is meant for objects"),
    ],
    ids=["properties", "minLength", "required"],
)
def test_where_we_are_stricter_than_the_letter(schema: Any, value: Any, reason: str) -> None:
    types = read(schema)
    assert jsonschema_rs.validator_for(schema).is_valid(value), reason
    assert not accepts(value, types.root, types.definitions), reason


# what is broken

BROKEN: dict[str, tuple[Any, str, str]] = {
    "schema": (3, "#", "a schema is an object"),
    "schema null": (None, "#", "a schema is an object"),
    "properties": ({"properties": 3}, "#/properties", "not an object of schemas"),
    "property": (objects(a=[1]), "#/properties/a", "a schema is an object"),
    "type": ({"type": 5}, "#/type", "neither a name nor a list"),
    "no type": ({"type": []}, "#/type", "neither a name nor a list"),
    "types": ({"type": ["string", 1]}, "#/type", "neither a name nor a list"),
    "required": ({"required": "a"}, "#/required", "not a list of names"),
    "required names": ({"required": [1]}, "#/required", "not a list of names"),
    "enum": ({"enum": {}}, "#/enum", "not a list of values"),
    "anyOf": ({"anyOf": {}}, "#/anyOf", "not a list of schemas"),
    "empty oneOf": ({"oneOf": []}, "#/oneOf", "not a list of schemas"),
    "allOf": ({"allOf": TEXT}, "#/allOf", "not a list of schemas"),
    "branch": ({"allOf": [TEXT, "x"]}, "#/allOf/1", "a schema is an object"),
    "not": ({"not": "x"}, "#/not", "a schema is an object"),
    "items": ({"items": 3}, "#/items", "a schema is an object"),
    "prefixItems": ({"prefixItems": {}}, "#/prefixItems", "not a list of schemas"),
    "minLength": ({"minLength": "3"}, "#/minLength", "not a number"),
    "minLength true": ({"minLength": True}, "#/minLength", "not a number"),
    "minItems": ({"minItems": -1}, "#/minItems", "not a whole number"),
    "maxItems": ({"maxItems": 1.5}, "#/maxItems", "not a whole number"),
    "maximum": ({"maximum": [1]}, "#/maximum", "not a number"),
    "enum of no number": ({"enum": [1, float("nan")]}, "#/enum", "a number that JSON does not have"),
    "const of no number": ({"const": {"a": [INF]}}, "#/const", "a number that JSON does not have"),
    "infinite bound": ({"maximum": INF}, "#/maximum", "not a finite number"),
    "infinite multiple": ({"multipleOf": INF}, "#/multipleOf", "not a finite number"),
    "nan": ({"minimum": float("nan")}, "#/minimum", "not a finite number"),
    "infinite length": ({"minLength": float("inf")}, "#/minLength", "not a finite number"),
    "multipleOf": ({"multipleOf": 0}, "#/multipleOf", "not above zero"),
    "pattern": ({"pattern": 3}, "#/pattern", "not a text"),
    "uniqueItems": ({"uniqueItems": 1}, "#/uniqueItems", "neither true nor false"),
    "patternProperties": ({"patternProperties": []}, "#/patternProperties", "not an object of schemas"),
    "ref": ({"$ref": 3}, "#/$ref", "not a text"),
    "ref to a file": ({"$ref": "other.json"}, "#/$ref", "only references within the document"),
    "ref to a URL": (
        objects(a={"$ref": "https://x.test/s#/a"}),
        "#/properties/a/$ref",
        "only references within",
    ),
    "empty ref": ({"$ref": ""}, "#/$ref", "only references within the document"),
    "ref to nothing": ({"$ref": "#/$defs/No"}, "#/$ref", "nothing at '#/$defs/No'"),
    "ref to no index": ({"$ref": "#/a/-1", "a": [1]}, "#/$ref", "nothing at"),
    "ref to no anchor": ({"$ref": "#no"}, "#/$ref", "no definition has the anchor"),
    "ref to no schema": ({"$ref": "#/title", "title": "x"}, "#/title", "a schema is an object"),
    "ref loop": ({"$ref": "#/a", "a": {"$ref": "#/b"}, "b": {"$ref": "#/a"}}, "#/a", "refers to itself"),
    "union loop": ({"anyOf": [{"$ref": "#"}, TEXT]}, "#", "refers to itself"),
    "enum in a loop": ({"enum": ["b"], "oneOf": [{"$ref": "#"}, TEXT]}, "#", "refers to itself"),
    "nullable loop": ({"nullable": True, "$ref": "#"}, "#", "refers to itself"),
    "allOf loop": ({"allOf": [{"$ref": "#"}]}, "#", "refers to itself"),
}


FORGED = "a\nCRITICAL root forged \x1b[31m" + "b" * 500


def test_names_of_a_server_forge_no_line_of_a_log() -> None:
    """In warnings, which are logged, and in what is said of a broken schema."""
    (warning,) = read(objects(**{FORGED: TEXT | {"not": TEXT}, FORGED + "c": TEXT})).warnings
    assert warning.startswith(r"#/properties/a\nCRITICAL root forged \x1b[31mbbb")
    assert warning.endswith("…: `not` is not checked")
    assert warning.isprintable()
    assert len(warning) < 230
    with pytest.raises(BrokenSchema) as caught:
        read(objects(**{FORGED: {"type": 5}}))
    assert caught.value.path.startswith(r"#/properties/a\nCRITICAL root forged \x1b[31mbbb")
    assert str(caught.value).isprintable()
    assert len(caught.value.path) == 200


def test_places_that_look_alike_when_shortened_are_all_warned_of() -> None:
    assert len(read(objects(**{FORGED + end: TEXT | {"not": TEXT} for end in "xyz"})).warnings) == 3


@pytest.mark.parametrize("name", BROKEN)
def test_broken_schemas_say_where(name: str) -> None:
    schema, path, what = BROKEN[name]
    with pytest.raises(BrokenSchema) as caught:
        read(schema)
    assert caught.value.path == path
    assert what in caught.value.what
    assert path in str(caught.value)
    assert what in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


# limits


def _refs(levels: int, schema: Any) -> dict[str, Any]:
    """A chain of definitions, each made by `schema` of a reference to the next."""
    chain = {f"a{i}": schema({"$ref": f"#/$defs/a{i + 1}"}) for i in range(levels)}
    return {"$ref": "#/$defs/a0", "$defs": chain | {f"a{levels}": TEXT}}


TOO_MUCH: dict[str, Any] = {
    **{f"deep {key}": nested(1000, key) for key in ("items", "properties", "additionalProperties")},
    "deep propertyNames": nested(1000, "propertyNames"),
    "deep anyOf": _refs(1000, lambda ref: {"anyOf": [ref, WHOLE]}),
    "deep allOf": _refs(1000, lambda ref: {"allOf": [ref]}),
    "deep refs": _refs(1000, lambda ref: ref),
    "deep lists of refs": _refs(1000, lambda ref: {"items": ref}),
    "deep records of refs": _refs(1000, lambda ref: objects(a=ref)),
    "deep const": {"const": json.loads("[" * 900 + "]" * 900)},
    "deep default": objects(a={"default": json.loads("[" * 900 + "]" * 900)}),
    "values": {"enum": list(range(10_001))},
    "members": {"anyOf": [{"const": i} for i in range(2_001)]},
    **{
        f"doubling {key}": _refs(40, lambda ref, key=key: {key: [ref, {"items": ref}]})
        for key in ("prefixItems", "anyOf", "oneOf")
    },
    "fields": {"required": [f"r{i}" for i in range(50_000)]},
    "fields of many records": objects(
        **{f"r{i}": objects(**{f"p{n}": True for n in range(100)}) for i in range(201)}
    ),
    "fields in all members": objects(**{f"p{i}": True for i in range(500)})
    | {"anyOf": [{"required": [f"p{i}"]} for i in range(500)]},
    "values to compare": {
        "enum": list(range(10_000)),
        "anyOf": [{"type": "integer", "maximum": -1 - n} for n in range(100)],
    },
    "product of two unions": {
        "allOf": [{"anyOf": [{"required": [f"{u}{i}"]} for i in range(50)]} for u in "ab"]
    },
    "product of unions": {
        "allOf": [{"anyOf": [{"required": [f"a{i}"]}, {"required": [f"b{i}"]}]} for i in range(40)]
    },
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_is_too_much_is_refused(name: str) -> None:
    with pytest.raises(BrokenSchema, match=r"more than [\d,]+"):
        read(TOO_MUCH[name])


@pytest.mark.parametrize("key", ["items", "properties", "additionalProperties"])
def test_what_is_deep_but_allowed_survives_its_users(key: str) -> None:
    types = read(nested(95, key))
    assert repr(pickle.loads(pickle.dumps(types))) == repr(types)


def test_what_is_large_but_allowed() -> None:
    types = read(objects(**{f"p{i}": TEXT | {"default": "x"} for i in range(10_000)}))
    assert len(record(types).fields) == 10_000
    assert len(getattr(read({"enum": list(range(10_000))}).root, "values", ())) == 10_000
    assert len(record(read({"required": [f"r{i}" for i in range(10_000)]})).fields) == 10_000
    halves = [objects(**{f"p{i}": TEXT}) for i in range(1_000)]
    assert len(record(read({"allOf": halves})).fields) == 1_000


@pytest.mark.parametrize(("key", "levels"), [("prefixItems", 12), ("anyOf", 12), ("allOf", 40)])
def test_references_that_double_at_every_level_do_not_explode(key: str, levels: int) -> None:
    types = read(_refs(levels, lambda ref: {key: [ref, ref if key == "allOf" else {"items": ref}]}))
    assert len(repr(types)) < 100_000


def test_members_that_double_at_every_level_exclude_each_other() -> None:
    types = read(_doubling("oneOf", 60))
    assert not accepts("a", types.root, types.definitions)
    types = read(_doubling("anyOf", 60))
    assert accepts("a", types.root, types.definitions)
    assert not accepts(1, types.root, types.definitions)


def test_defaults_that_take_too_long_to_compare_are_not_kept() -> None:
    items = {"anyOf": [{"type": "integer", "maximum": most} for most in (*range(100), 20_000)]}
    types = read(objects(a={"type": "array", "items": items, "default": [*range(1_000, 11_000)]}))
    assert field(types, "a").default is MISSING
    assert types.warnings == ("#/properties/a: `default` does not fit, and is not used",)


def test_members_that_take_too_long_to_compare_stay_exclusive() -> None:
    longer = {"anyOf": [{"type": "string", "minLength": 9 + n} for n in range(60)]}
    root = read({"oneOf": [{"enum": [f"v{n}" for n in range(10_000)]}, longer]}).root
    assert isinstance(root, Union)
    assert root.exclusive
    root = read({"oneOf": [{"enum": ["v"]}, longer]}).root
    assert isinstance(root, Union)
    assert not root.exclusive


def test_what_types_that_double_accept_is_found_out_once() -> None:
    levels = 40
    definitions = {
        f"L{n}": Definition(Union((Ref(f"L{n + 1}"), Array(Ref(f"L{n + 1}"))))) for n in range(levels)
    }
    value: Any = "x"
    for _ in range(20):
        value = [value]
    accepting = Accepting(definitions | {f"L{levels}": Definition(Integer())}, 10_000)
    assert not accepting.accepts(value, Ref("L0"))  # or TooMuch: the ways are 40 over 20


def test_patterns_together_have_a_limit() -> None:
    types = read(
        objects(**{f"p{i}": {"type": "string", "pattern": rf"[^\s]{{{1000 + i}}}"} for i in range(200)})
    )
    assert types.warnings[-1] == (
        "#/properties/p199: `pattern` is not checked: all patterns together are too large"
    )


# patterns


@pytest.mark.parametrize(
    ("pattern", "found", "not_found"),
    [
        (r"^\d+$", "12", "\u0661"),
        (r"^[\w-]+$", "a-", "é"),
        (r"^[^\W]$", "a", "-"),
        (r"\s", "\u2028", "x"),
        (r"^.$", "a", "\r"),
        (r"^a$", "a", "a\n"),
        (r"^a\/b$", "a/b", "ab"),
        (r"\cJ", "\n", "J"),
        (r"\u0041\x42", "AB", "ab"),
        (r"\ud83d\ude00", "😀", "x"),
        (r"\u{1F600}", "😀", "x"),
        (r"(?<n>a)b", "ab", "b"),
        (r"[a&&b]", "&", "c"),
        (r"[[]", "[", "a"),
        (r"[^]", "\n", ""),
        (r"[\d-a]", "-", "b"),
        (r"[a-c-e]", "-", "d"),
        (r"[\b]", "\b", "b"),
        (r"\bfoo\b", "a foo b", "xfoo"),
        (r"\<", "<", "a"),
        (r"x{,3}", "x{,3}", "xxx"),
        (r"^\p{Lu}$", "É", "é"),
        (r"(?i)^a", "Ab", "b"),
        (r"\0", "\0", "0"),
        (r"^(ab|c){2,3}?$", "abc", "ab"),
        (r"^\$\.\*$", "$.*", "a"),
    ],
)
def test_patterns_mean_what_ecma_says(pattern: str, found: str, not_found: str) -> None:
    rust = Patterns().rust(pattern)
    assert finds(rust, found)
    assert not finds(rust, not_found)


def test_an_empty_class_is_found_nowhere() -> None:
    assert not finds(Patterns().rust("[]"), "a")


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?#x)",
        r"(a)\1",
        r"(?<n>a)\k<n>",
        "(",
        ")",
        "[a",
        "*",
        "a{2,1}",
        "\\",
        r"\q",
        *(r"\p", r"\p{Nope}", r"\ud800", "\ud800", "((a{99}){99})", "a" * 5_001, r"\p{L}{2000}"),
    ],
    ids=lambda pattern: ascii(pattern[:12]),
)
def test_patterns_that_cannot_be_had(pattern: str) -> None:
    with pytest.raises(NoPattern):
        Patterns().rust(pattern)


@given(st.text(alphabet="ab01()[]{}^$.*+?|\\-&~dwsbpcux,<:=!kP ", max_size=12))
def test_no_pattern_breaks_the_translation(pattern: str) -> None:
    try:
        rust = Patterns().rust(pattern)
    except NoPattern:
        return
    finds(rust, "ab")


# whatever comes

ROLES: tuple[Role, ...] = ("input", "chunk", "output")
CAPTURED = [
    (file.name, action, part)
    for file in sorted(Path(CAPTURES).glob("actions-*.json"))
    for action, said in json.loads(file.read_text(encoding="utf-8")).items()
    for part in ("inputSchema", "outputSchema")
    if said.get(part) is not None
]


@pytest.mark.parametrize(("file", "action", "part"), CAPTURED)
def test_captured_actions_are_read_without_a_warning(file: str, action: str, part: str) -> None:
    schema = json.loads((CAPTURES / file).read_text(encoding="utf-8"))[action][part]
    types = read(schema, f"{action} {part}")
    assert not types.warnings
    assert all(name.isidentifier() and len(name) < 80 for name in types.definitions)
    assert not isinstance(types.root, Anything | Nothing)
    for role in ROLES:
        adapter = TypeAdapter[Any](build(types, role=role, name=action).form)
        with pytest.raises(ValidationError):
            adapter.validate_python(object())


KEYS = st.sampled_from(
    (
        *(
            "type",
            "properties",
            "items",
            "prefixItems",
            "allOf",
            "anyOf",
            "oneOf",
            "not",
            "$ref",
            "enum",
            "a",
        ),
        *("required", "additionalProperties", "patternProperties", "propertyNames", "minLength", "minimum"),
        *("multipleOf", "pattern", "format", "default", "title", "nullable", "$defs", "uniqueItems", "const"),
        *("discriminator", "minProperties", "if", "then", "exclusiveMaximum", "$schema", "maxItems", "b", ""),
    )
)
WORDS = st.sampled_from(
    (
        *("string", "integer", "object", "array", "null", "#", "#/$defs/a", "#/properties/a", "#/items"),
        *("#/anyOf/0", "^a", "(", "date", "a", "b", "#a", "http://x/#", OLD, "#/%7Ea~1", "\ud800"),
    )
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 5) | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, JSON, min_size=1, max_size=5) | JSON)
def test_whatever_comes_is_read_or_refused_and_always_alike(schema: Any) -> None:
    try:
        types = read(schema)
    except BrokenSchema:
        with pytest.raises(BrokenSchema, match=r"^#"):
            read(schema)
    else:
        assert repr(read(schema)) == repr(types)
        for definition in types.definitions.values():
            for known in definition.type.fields if isinstance(definition.type, Record) else ():
                assert known.default is MISSING or accepts(known.default, known.type, types.definitions)


def test_booleans_are_read_as_booleans() -> None:
    assert read({"type": "boolean"}).root == Boolean()
