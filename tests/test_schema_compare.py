"""Two versions of a schema: what differs, and who is hurt.

The judge is tried against jsonschema-rs and against run-time types: what is called compatible refuses nothing
that was valid before.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hand_picked_schemas import DRAFT_07, HAND_PICKED
from hostile_catalogs import CORPUS
from schema_mutations import OPAQUE_CHANGES, mutated
from streamflow_client import Catalog, Difference, DiscoveryError
from streamflow_client.schema.accepts import accepts
from streamflow_client.schema.broken import BrokenSchema
from streamflow_client.schema.comparing import changes as changes_module
from streamflow_client.schema.comparing import unchecked, within
from streamflow_client.schema.comparing.catalogs import differences
from streamflow_client.schema.comparing.changes import changes
from streamflow_client.schema.comparing.rules import RULES, Part, severity
from streamflow_client.schema.flowspec import FlowSpec
from streamflow_client.schema.lenient import lenient
from streamflow_client.schema.model import Anything, Nothing, Record, Types
from streamflow_client.schema.raw import Schema
from test_schema_oracle import Ours, _Make, oracle, schemas, values

Json = Any


def spec(**parts: Json) -> dict[str, FlowSpec]:
    """A catalog of one flow."""
    told = {part: Schema(schema, schema) for part, schema in parts.items()}
    return {
        "menu": FlowSpec(
            name="menu",
            path=None,
            protocol="callable",
            description="",
            input_schema=told.get("input"),
            chunk_schema=told.get("chunk"),
            output_schema=told.get("output"),
            source="here",
        )
    }


def compared(part: Part, old: Json, new: Json) -> tuple[Difference, ...]:
    return differences(spec(**{part: old}), spec(**{part: new}))


def breaks(part: Part, old: Json, new: Json) -> bool:
    return any(difference.severity == "breaking" for difference in compared(part, old, new))


PARTS: tuple[Part, ...] = ("input", "chunk", "output")


# ------------------------------------------------------------------------------- the rules, row by row

TEXT: Json = {"type": "string"}
WHOLE: Json = {"type": "integer"}
NUMBER: Json = {"type": "number"}
NULL: Json = {"type": "null"}
CLOSED: Json = {"additionalProperties": False}


def thing(fields: dict[str, Json], *required: str, **more: Json) -> Json:
    return {"type": "object", "properties": fields, "required": list(required), **more}


def listed(items: Json, **more: Json) -> Json:
    return {"type": "array", "items": items, **more}


def pair(*items: Json, **more: Json) -> Json:
    return {"type": "array", "prefixItems": list(items), "items": False, **more}


def mapped(values: Json, **more: Json) -> Json:
    return {"type": "object", "additionalProperties": values, **more}


ONE_WAY: list[tuple[str, str, Json, Json, str]] = [
    # a rule, the rule of the same change backwards, two schemas, the place
    ("type-widened", "type-narrowed", WHOLE, NUMBER, ""),
    ("type-widened", "type-narrowed", {"const": "a"}, TEXT, ""),
    ("type-widened", "type-narrowed", {"enum": [1, 2.5]}, NUMBER, ""),
    ("type-widened", "type-narrowed", listed(TEXT), listed({}), "/items"),
    ("type-widened", "type-narrowed", False, TEXT, ""),
    ("type-widened", "type-narrowed", thing({"a": TEXT}, **CLOSED), mapped(TEXT), ""),
    ("type-widened", "type-narrowed", pair(WHOLE, WHOLE, minItems=2), listed(NUMBER), "/items/0"),
    (
        "type-widened",
        "type-narrowed",
        {"type": "integer", "minimum": 3},
        {"type": "number", "minimum": 1},
        "",
    ),
    ("type-changed", "type-changed", WHOLE, TEXT, ""),
    ("type-changed", "type-changed", listed(WHOLE), mapped(WHOLE), ""),
    ("type-changed", "type-changed", listed(WHOLE), listed(TEXT), "/items"),
    ("null-added", "null-removed", TEXT, {"type": ["string", "null"]}, ""),
    ("null-added", "null-removed", thing({"a": TEXT}), {"anyOf": [thing({"a": TEXT}), NULL]}, ""),
    ("null-added", "null-removed", TEXT, {"type": "string", "nullable": True}, ""),
    ("value-added", "value-removed", {"enum": ["a", 1]}, {"enum": [1, "b", "a"]}, ""),
    ("value-added", "value-removed", {"const": True}, {"type": "boolean"}, ""),
    ("value-added", "value-removed", {"const": 1}, {"enum": [1, True]}, ""),
    ("member-added", "member-removed", {"anyOf": [TEXT, WHOLE]}, {"anyOf": [WHOLE, listed(TEXT), TEXT]}, ""),
    ("member-added", "member-removed", TEXT, {"oneOf": [listed(WHOLE), TEXT]}, ""),
    ("bound-widened", "bound-narrowed", {**WHOLE, "minimum": 1}, WHOLE, ""),
    ("bound-widened", "bound-narrowed", {**NUMBER, "exclusiveMinimum": 1}, {**NUMBER, "minimum": 1}, ""),
    ("bound-widened", "bound-narrowed", {**WHOLE, "maximum": 5}, {**WHOLE, "exclusiveMaximum": 7}, ""),
    ("multiple-removed", "multiple-added", {**NUMBER, "multipleOf": 0.3}, {**NUMBER, "multipleOf": 0.1}, ""),
    ("multiple-removed", "multiple-added", {**WHOLE, "multipleOf": 3}, WHOLE, ""),
    ("length-widened", "length-narrowed", {**TEXT, "minLength": 1}, TEXT, ""),
    ("length-widened", "length-narrowed", {**TEXT, "maxLength": 8}, {**TEXT, "maxLength": 9}, ""),
    ("pattern-removed", "pattern-added", {**TEXT, "pattern": "^a"}, TEXT, ""),
    ("format-removed", "format-added", {**TEXT, "format": "date-time"}, TEXT, ""),
    ("format-changed", "format-changed", {**TEXT, "format": "date"}, {**TEXT, "format": "uuid"}, ""),
    ("count-widened", "count-narrowed", listed(TEXT, minItems=1), listed(TEXT), ""),
    ("count-widened", "count-narrowed", pair(TEXT), pair(TEXT, WHOLE), ""),
    ("count-widened", "count-narrowed", mapped(TEXT, maxProperties=2), mapped(TEXT), ""),
    ("unique-removed", "unique-added", listed(TEXT, uniqueItems=True), listed(TEXT), ""),
    ("keys-widened", "keys-narrowed", mapped(TEXT, propertyNames={"pattern": "^a"}), mapped(TEXT), ""),
    ("field-added", "field-removed", thing({}), thing({"a": TEXT}), "/properties/a"),
    ("required-field-added", "required-field-removed", thing({}), thing({"a": TEXT}, "a"), "/properties/a"),
    (
        *("field-added-to-closed", "field-removed-from-closed"),
        *(thing({"b": {}}, **CLOSED), thing({"a": TEXT, "b": {}}, **CLOSED)),
        "/properties/a",
    ),
    (
        *("field-fixed", "field-freed"),
        *(
            thing({"b": {}}, additionalProperties=NUMBER),
            thing({"b": {}, "a": WHOLE}, additionalProperties=NUMBER),
        ),
        "/properties/a",
    ),
    (
        "field-now-optional",
        "field-now-required",
        thing({"a": TEXT}, "a"),
        thing({"a": TEXT}),
        "/properties/a",
    ),
    (
        *("extra-opened", "extra-closed"),
        *(thing({"a": TEXT}, **CLOSED), thing({"a": TEXT}, additionalProperties=True)),
        "/additionalProperties",
    ),
    (
        *("extra-opened", "extra-closed"),
        *(thing({"a": TEXT}, additionalProperties=WHOLE), thing({"a": TEXT}, additionalProperties=NUMBER)),
        "/additionalProperties",
    ),
    (
        "default-added",
        "default-removed",
        thing({"a": TEXT}),
        thing({"a": {**TEXT, "default": "x"}}),
        "/properties/a",
    ),
    (
        *("default-changed", "default-changed"),
        *(thing({"a/~": {**WHOLE, "default": 1}}), thing({"a/~": {**WHOLE, "default": 2}})),
        "/properties/a~1~0",
    ),
    (
        "cannot-be-told",
        "cannot-be-told",
        {**TEXT, "not": {"const": "a"}},
        {**TEXT, "not": {"const": "b"}},
        "",
    ),
    ("cannot-be-told", "cannot-be-told", {"$ref": "#/nowhere"}, {"$ref": "#/elsewhere"}, ""),
]
ROWS = [(rule, old, new, path) for rule, _, old, new, path in ONE_WAY]
ROWS += [(rule, new, old, path) for _, rule, old, new, path in ONE_WAY]


@pytest.mark.parametrize(("rule", "old", "new", "path"), ROWS)
def test_a_row_of_the_table(rule: str, old: Json, new: Json, path: str) -> None:
    for part in ("input", "chunk", "output"):
        found = {(each.rule, each.path): each for each in compared(part, old, new)}
        difference = found[rule, part + path]
        assert (difference.flow, difference.part) == ("menu", part)
        assert difference.severity == severity(rule, part)
        assert difference.message.endswith(".")
    effects = {rule: RULES[rule].effect}
    if effects[rule] in ("wider", "narrower", "none"):  # nothing else is said to break
        harmless: Part = "input" if effects[rule] == "wider" else "output"
        others = [each for each in compared(harmless, old, new) if each.severity == "breaking"]
        assert not others


def test_every_rule_has_a_row() -> None:
    flows = {"flow-added", "flow-removed", "schema-told", "schema-untold"}
    assert {rule for rule, *_ in ROWS} | flows == set(RULES)


def test_fields_deep_inside_have_a_place() -> None:
    def menu(price: Json) -> Json:
        dish = thing({"price": price, "with": listed({"$ref": "#/$defs/Dish"})})
        return thing({"dishes": pair(TEXT, mapped({"$ref": "#/$defs/Dish"}))}, **{"$defs": {"Dish": dish}})

    found = compared("output", menu(WHOLE), menu(NUMBER))
    place = "output/properties/dishes/items/1/additionalProperties/properties/price"
    assert [(each.rule, each.path) for each in found] == [("type-widened", place)]
    assert found[0].message == (
        "It was `int`, and is `float` now: programs may refuse, or misread, what the server returns."
    )


def test_what_a_union_makes_up_for_is_told_elsewhere() -> None:
    """A definition that became narrower: nothing lacks in the union, for which another member stands in."""

    def menu(price: Json, *more: Json) -> Json:
        dish, one_of = {"$ref": "#/$defs/Dish"}, thing({"z": TEXT}, "z")
        defined = {"$defs": {"Dish": thing({"price": price}, "price")}}
        return thing({"any": {"anyOf": [dish, one_of, *more]}, "lists": listed(listed(dish))}, **defined)

    new = menu(WHOLE, thing({"price": NUMBER, "more": TEXT}, "price"))
    found = [each for each in compared("input", menu(NUMBER), new) if each.severity == "breaking"]
    assert [(each.rule, each.path) for each in found] == [
        ("type-narrowed", "input/properties/lists/items/items/properties/price")
    ]


def test_what_breaks_comes_first() -> None:
    old, new = thing({"a": TEXT, "b": WHOLE}), thing({"new": TEXT, "a": TEXT, "b": TEXT})
    assert [each.rule for each in compared("input", old, new)] == ["type-changed", "field-added"]


def test_text_of_servers_stays_on_one_line() -> None:
    evil = "\x1b]0;evil\x07\n" * 30
    found = compared("output", thing({evil: {"const": evil}}), thing({evil: {"const": evil + "x"}}, evil))
    assert len(found) == 3
    for difference in found:
        assert difference.message.isprintable()
        assert len(difference.message) < 300


# ------------------------------------------------------------------------------- no differences

NODE = thing({"value": WHOLE, "next": {"$ref": "#/$defs/Node"}}, "value")
SAME: dict[str, tuple[Json, Json]] = {
    "order of a union": ({"anyOf": [TEXT, WHOLE]}, {"anyOf": [WHOLE, TEXT]}),
    "order of oneOf": (
        {"oneOf": [thing({"a": TEXT}), thing({"b": TEXT}), {"minItems": 1}]},
        {"oneOf": [thing({"b": TEXT}), {"minItems": 1}, thing({"a": TEXT})]},
    ),
    "order of values": ({"enum": ["a", 1, None]}, {"enum": [None, 1.0, "a"]}),
    "order of fields": (thing({"a": TEXT, "b": WHOLE}, "a", "b"), thing({"b": WHOLE, "a": TEXT}, "b", "a")),
    "const and enum": ({"const": "a"}, {"enum": ["a"]}),
    "kinds listed": ({"type": ["string", "null"]}, {"anyOf": [NULL, TEXT]}),
    "words": (thing({"a": TEXT}), thing({"a": {**TEXT, "title": "A", "description": "a"}}, title="T")),
    "bounds of integers": ({**WHOLE, "exclusiveMinimum": 0}, {**WHOLE, "minimum": 0.5}),
    "a reference": (thing({"a": TEXT}), {"$ref": "#/$defs/A", "$defs": {"A": thing({"a": TEXT})}}),
    "a definition's name": (
        {"$ref": "#/$defs/Node", "$defs": {"Node": NODE}},
        {
            "$ref": "#/$defs/N",
            "$defs": {"N": thing({"value": WHOLE, "next": {"$ref": "#/$defs/N"}}, "value")},
        },
    ),
    "a definition unrolled": (
        {"$ref": "#/$defs/Node", "$defs": {"Node": NODE}},
        {**thing({"value": WHOLE, "next": {"$ref": "#/$defs/Node"}}, "value"), "$defs": {"Node": NODE}},
    ),
    "drafts": (
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "array",
            "items": [TEXT, {"$ref": "#/items/0"}],
            "additionalItems": False,
        },
        {"$schema": "https://json-schema.org/draft/2020-12/schema", **pair(TEXT, TEXT)},
    ),
    "allOf": ({"allOf": [thing({"a": TEXT}, "a"), thing({"b": WHOLE})]}, thing({"a": TEXT, "b": WHOLE}, "a")),
    "extra fields tolerated in so many words": (
        thing({"a": TEXT}),
        thing({"a": TEXT}, additionalProperties=True),
    ),
    "tags": (
        {"oneOf": [thing({"k": {"const": "x"}}, "k"), thing({"k": {"const": "y"}}, "k")]},
        {"anyOf": [thing({"k": {"const": "y"}}, "k"), thing({"k": {"const": "x"}}, "k")]},
    ),
    "keywords that are not compared": (
        thing({"a": {**TEXT, "not": {"enum": ["b", "a"]}, "title": "A"}}, minProperties=1),
        thing(
            {"a": {"$ref": "#/$defs/A"}},
            minProperties=1,
            **{"$defs": {"A": {**TEXT, "not": {"enum": ["a", "b"]}}}},
        ),
    ),
    "the same broken schema": ({"$ref": "#/nowhere"}, {"$ref": "#/nowhere"}),
}


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("part", PARTS)
def test_no_difference(part: Part, name: str) -> None:
    one, other = SAME[name]
    if name == "extra fields tolerated in so many words":  # which closing them would break
        assert not breaks(part, one, other)
        return
    assert compared(part, one, other) == ()
    assert compared(part, other, one) == ()


@pytest.mark.parametrize("name", HAND_PICKED)
def test_nothing_differs_from_itself(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where it is looked at part by part."""
    monkeypatch.setattr(changes_module, "_said", lambda types: object())
    schema = HAND_PICKED[name][0]
    for part in PARTS:
        assert compared(part, schema, json.loads(json.dumps(schema))) == ()


# ------------------------------------------------------------------------------- what lies within what

ODD: Json = {"enum": ["x", None, True, [1], {"z": 1}]}
XOR: Json = {"oneOf": [thing({"a": TEXT}), thing({"b": TEXT}), WHOLE, ODD]}
WITHIN: list[tuple[Json, Json, bool]] = [
    # numbers
    ({**NUMBER, "multipleOf": 2}, WHOLE, True),
    ({**NUMBER, "multipleOf": 0.5}, WHOLE, False),
    (WHOLE, {**NUMBER, "multipleOf": 0.5}, True),
    ({**WHOLE, "multipleOf": 6}, {**WHOLE, "multipleOf": 4}, False),
    ({**WHOLE, "exclusiveMinimum": 0, "exclusiveMaximum": 9}, {**NUMBER, "minimum": 1, "maximum": 8}, True),
    ({**NUMBER, "exclusiveMinimum": 0}, {**NUMBER, "minimum": 1}, False),
    ({**NUMBER, "minimum": 10**30 + 1}, {**NUMBER, "minimum": 10**30}, True),
    ({**NUMBER, "minimum": 10**30}, {**NUMBER, "minimum": 10**30 + 1}, False),
    # values
    ({"enum": [1, None, "a"]}, {"anyOf": [NUMBER, NULL, TEXT]}, True),
    ({"const": {"a": 1}}, thing({"a": WHOLE}), True),
    ({"const": {"a": "1"}}, thing({"a": WHOLE}), False),
    ({"type": "boolean"}, {"enum": [False, 1, True]}, True),
    ({"type": "boolean"}, {"enum": [0, 1, True]}, False),
    (NULL, {"enum": [0, ""]}, False),
    (TEXT, {"enum": ["a"]}, False),
    # lists
    (listed(TEXT, maxItems=0), listed(WHOLE), True),
    (listed(TEXT, maxItems=1), listed(TEXT, uniqueItems=True), True),
    (pair(TEXT, WHOLE), {"type": "array", "prefixItems": [TEXT], "items": NUMBER}, True),
    (pair(TEXT, WHOLE), {"type": "array", "prefixItems": [TEXT, {}, TEXT], "items": TEXT}, True),
    (listed(TEXT), pair(TEXT, TEXT), False),
    (listed(TEXT, maxItems=2), pair(TEXT, TEXT), True),
    (pair(TEXT), pair(TEXT, minItems=1), False),
    # objects
    (thing({"a": TEXT}, "a", **CLOSED), mapped(TEXT, minProperties=1, maxProperties=1), True),
    (thing({"a": TEXT}, **CLOSED), mapped(TEXT, minProperties=1), False),
    (thing({"a": TEXT, "b": TEXT}, **CLOSED), mapped(TEXT, maxProperties=1), False),
    (thing({"a": TEXT, "b": False}, **CLOSED), mapped(TEXT, maxProperties=1), True),
    (thing({"a": TEXT}, **CLOSED), mapped({}, propertyNames={"pattern": "^b"}), False),
    (thing({"b": TEXT}, additionalProperties=TEXT), mapped({}, propertyNames={"pattern": "^b"}), False),
    (thing({"a": TEXT}, additionalProperties=WHOLE), mapped(TEXT), False),
    (mapped(TEXT), thing({"a": TEXT}, additionalProperties=TEXT), True),
    (mapped(TEXT), thing({"a": TEXT}, "a", additionalProperties=TEXT), False),
    (mapped(TEXT), thing({"a": WHOLE}, additionalProperties=TEXT), False),
    (mapped(TEXT, propertyNames={"maxLength": 1}), thing({"ab": WHOLE}, additionalProperties=TEXT), True),
    (mapped(TEXT, propertyNames={"maxLength": 1}), mapped(TEXT, propertyNames={"maxLength": 2}), True),
    (thing({"a": WHOLE}), thing({"a": NUMBER, "b": TEXT}, additionalProperties=False), True),
    (thing({"a": WHOLE}, additionalProperties=TEXT), thing({"a": NUMBER, "b": WHOLE}), False),
    # of one type alone
    (XOR, {"oneOf": [*XOR["oneOf"][::-1]]}, True),
    (XOR, {"oneOf": [*XOR["oneOf"][1:], thing({"c": TEXT})]}, False),
    (XOR, {"oneOf": [*XOR["oneOf"][1:], thing({"a": TEXT}, **CLOSED)]}, False),
    ({"anyOf": [XOR, listed(TEXT)]}, {"anyOf": [listed(TEXT), {"type": "boolean"}, XOR]}, True),
    (XOR, {"oneOf": [*XOR["oneOf"][1:]]}, False),
    # of one type or another
    (
        {"anyOf": [thing({"a": NUMBER}, "a"), thing({"z": TEXT}, "z")]},
        {"anyOf": [thing({"a": WHOLE}, "a"), thing({"z": TEXT}, "z"), thing({"a": NUMBER, "c": TEXT}, "a")]},
        True,
    ),
    ({"enum": [1, 2]}, {"enum": [True, 2]}, False),
    (XOR, {"oneOf": [*XOR["oneOf"], thing({"c": TEXT})]}, False),
    (
        {"oneOf": [thing({"a": {"const": "x"}}), thing({"b": TEXT}), WHOLE, ODD]},
        XOR,
        False,
    ),  # {"a": "y", "b": "z"}
    (WHOLE, XOR, True),
    (
        WHOLE,
        {"oneOf": [WHOLE, {"enum": [1.5, "x"]}, thing({"a": TEXT}), thing({"b": TEXT})]},
        False,
    ),  # in doubt
    ({"anyOf": [WHOLE, {"const": "x"}]}, XOR, True),
    ({"anyOf": [WHOLE, {"const": "y"}]}, XOR, False),
    (thing({"a": TEXT}), XOR, False),  # it may be the second, too
    (XOR, {"anyOf": XOR["oneOf"]}, True),
    ({"anyOf": XOR["oneOf"]}, XOR, False),
]


@pytest.mark.parametrize(("inner", "outer", "fits"), WITHIN)
def test_what_lies_within_what(inner: Json, outer: Json, fits: bool) -> None:
    assert breaks("input", inner, outer) is not fits
    assert breaks("output", outer, inner) is not fits


def test_outputs_are_read_as_the_client_reads_them() -> None:
    """Servers in Python leave nulls out, though their schemas require them."""
    nullable = {"type": ["string", "null"]}
    old, new = thing({"a": nullable}, "a"), thing({"a": nullable})
    for part in ("output", "chunk"):
        assert compared(part, old, new) == ()
        assert breaks(part, thing({"a": TEXT}, "a"), thing({"a": TEXT}))
    assert breaks("input", new, old)
    assert breaks(
        "output", {"anyOf": [old, mapped(TEXT)]}, {"anyOf": [new, mapped(TEXT)]}
    )  # fields tell which


# ------------------------------------------------------------------------------- what the model cannot say

ALIKE = {"not": {"enum": ["b", "a"]}}
WHOLE_OR_TEXT: Json = {"type": ["integer", "string"]}
A_OR_B: Json = {"a": {**TEXT, **ALIKE}, "b": TEXT}

UNCOMPARED: list[tuple[Json, Json, list[str]]] = [
    # two schemas, and the places of which nothing can be told, as the input of a flow
    ({**TEXT, "not": {"const": "a"}}, TEXT, []),  # one limit less
    (TEXT, {**TEXT, "not": {"const": "a"}}, [""]),
    ({**TEXT, "not": {"const": 1}}, {**TEXT, "not": {"const": True}}, [""]),
    (thing({"a": TEXT}), thing({"a": TEXT}, minProperties=1), [""]),
    (thing({"a": TEXT}, minProperties=1), thing({"a": TEXT, "b": WHOLE}, minProperties=1), []),
    (thing({"a": {**TEXT, **ALIKE}}), thing({"a": {**TEXT, **ALIKE}, "b": WHOLE}), []),
    (thing({"a": {**TEXT, **ALIKE}}), thing({"a": {**TEXT, "not": {}}}), []),  # `not: {}` is a type: nothing
    (thing({"a": TEXT}), thing({"a": TEXT, "b": {**TEXT, **ALIKE}}), []),  # nobody sends it yet
    (mapped({}), thing({"b": {**ALIKE}}, additionalProperties=True), [""]),
    (
        thing({"a": TEXT}, additionalProperties=TEXT),
        thing({"a": TEXT, "b": ALIKE}, **CLOSED),
        [""],
    ),
    (listed(listed(TEXT)), listed(listed(TEXT, contains={"const": 1})), ["/items"]),
    (mapped(TEXT), mapped({**TEXT, "format": "email"}), ["/additionalProperties"]),
    (mapped({**TEXT, "format": "email"}), mapped({**TEXT, "format": "email"}, title="x"), []),
    (mapped({**TEXT, "format": "email"}), mapped({**TEXT, "format": "uri"}), ["/additionalProperties"]),
    ({**TEXT, "format": "colour"}, {**TEXT, "format": "shape"}, []),
    ({**TEXT, "pattern": "(?=a)"}, {**TEXT, "pattern": "(?=a)", "maxLength": 9}, []),
    ({**TEXT, "pattern": "(?=a)"}, {**TEXT, "pattern": "(?=b)"}, [""]),
    (pair(TEXT), pair({**TEXT, **ALIKE}), [""]),
    (thing({}, **{"if": {}, "then": ALIKE}), thing({}, **{"if": {}, "then": {}}), []),
    (thing({}, **{"if": {}, "then": {}}), thing({}, **{"if": {}, "then": ALIKE}), [""]),
    ({"allOf": [thing({"a": TEXT})]}, thing({"a": {**TEXT, **ALIKE}}), [""]),
    (thing({}, allOf=[thing({"a": TEXT})]), thing({"a": {**TEXT, **ALIKE}}), [""]),
    ({"anyOf": [TEXT, ALIKE]}, {"anyOf": [TEXT, ALIKE], "title": "x"}, []),
    ({"anyOf": [ALIKE, TEXT]}, {"anyOf": [TEXT, ALIKE]}, [""]),  # which is the same, but not seen to be
    (
        {"$ref": "#/$defs/N", "$defs": {"N": thing({"next": {"$ref": "#/$defs/N"}, "v": ALIKE})}},
        {"$ref": "#/$defs/M", "$defs": {"M": thing({"next": {"$ref": "#/$defs/M"}, "v": ALIKE, "w": TEXT})}},
        [],
    ),
    (
        {"$ref": "#/$defs/N", "$defs": {"N": thing({"next": {"$ref": "#/$defs/N"}, "v": TEXT})}},
        {"$ref": "#/$defs/M", "$defs": {"M": thing({"next": {"$ref": "#/$defs/M"}, "v": {**TEXT, **ALIKE}})}},
        ["/properties/v"],
    ),
    (thing({"default": ALIKE, "title": TEXT}), thing({"title": TEXT, "default": ALIKE, "x": {}}), []),
    (thing({"title": TEXT}), thing({"title": {**TEXT, **ALIKE}}), ["/properties/title"]),
    ({"enum": [{"not": 1}], **ALIKE}, {"enum": [{"not": 1}], **ALIKE, "title": "x"}, []),
    ({"type": "file"}, {"type": "other"}, [""]),
    ({"not": {"$ref": "http://there/a"}}, {"not": {"$ref": "http://there/b"}}, [""]),
    ({"not": {"$ref": "http://there/a"}}, {"not": {"$ref": "http://there/a"}, "title": "x"}, []),
    (
        {"not": {"$ref": "#"}},
        {"not": {"$ref": "#/$defs/a"}, "$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}},
        [],
    ),
    (listed({}), listed({}, contains={}), [""]),  # which is a list with an item at least
    ({}, {"$ref": "#/$defs/a", "minItems": 0, "$defs": {"a": ALIKE}}, [""]),
    ({"not": {"pattern": 5}}, {"not": {"pattern": 6}}, [""]),
    (
        {"not": {"$ref": "#/$defs/a", "type": "null"}, "$defs": {"a": TEXT}},
        {"not": {"$ref": "#/$defs/a", "type": "null"}, "$defs": {"a": WHOLE}},
        [""],
    ),
    (
        {"type": "array", "prefixItems": [TEXT], "items": {"not": {"const": 1}}},
        {"type": "array", "prefixItems": [TEXT], "items": {"not": {"const": 2}}},
        [""],
    ),
    (mapped(TEXT, properties={"a": TEXT}), mapped({"format": "email"}), [""]),
    (mapped(ALIKE, properties={"a": {}}), mapped(ALIKE), [""]),  # a field that is an unknown one there
    (mapped(ALIKE, properties={"a": {}}), mapped(ALIKE, properties={"a": {}, "b": {}}), []),
    (mapped(ALIKE, allOf=[{"properties": {"a": {}}}]), mapped(ALIKE), []),
    (mapped(TEXT, patternProperties={"^a": WHOLE}), mapped(WHOLE, patternProperties={"^a": WHOLE}), [""]),
    (mapped(TEXT, patternProperties={"^a": WHOLE}), mapped(TEXT, patternProperties={"^b": WHOLE}), ["", ""]),
    (
        mapped(TEXT, patternProperties={"^a": {}}),
        mapped(TEXT, patternProperties={"^a": {}}, minItems=0),
        [],
    ),
    (
        {"$schema": DRAFT_07, "$ref": "#/definitions/a", **ALIKE, "definitions": {"a": TEXT}},
        {"$ref": "#/$defs/a", **ALIKE, "$defs": {"a": TEXT}},
        [""],
    ),
    ({"anyOf": [TEXT, WHOLE], **ALIKE}, {"oneOf": [TEXT, WHOLE_OR_TEXT], **ALIKE}, [""]),
    ({"oneOf": [TEXT, WHOLE], **ALIKE}, {"oneOf": [TEXT, WHOLE_OR_TEXT], **ALIKE}, [""]),
    ({"oneOf": [TEXT, WHOLE], **ALIKE, "maxLength": 9}, {"oneOf": [TEXT, WHOLE], **ALIKE}, []),
    (thing(A_OR_B), thing(A_OR_B, oneOf=[{"required": ["a"]}, {"required": ["b"]}]), [""]),
    (thing(A_OR_B), thing(A_OR_B, allOf=[{"oneOf": [{"required": ["a"]}, {}]}]), [""]),
    (thing(A_OR_B), thing(A_OR_B, **{"$ref": "#/$defs/x", "$defs": {"x": {"oneOf": [{}, {}]}}}), [""]),
    (thing(A_OR_B), thing(A_OR_B, allOf=[{"minItems": 1}]), []),
    ({"prefixItems": [{}], "items": ALIKE}, {"items": ALIKE}, [""]),
    ({"items": ALIKE}, {"items": ALIKE, "minItems": 0}, []),
    ({"prefixItems": [{}], "items": ALIKE}, {"prefixItems": [{}], "items": ALIKE, "title": "x"}, []),
    ({"prefixItems": [{}], "items": ALIKE}, {"prefixItems": [{}], "items": ALIKE, "minItems": 0}, []),
    ({"contains": TEXT, "minContains": 0}, {"contains": TEXT}, [""]),
    ({"if": TEXT, "then": ALIKE}, {"if": TEXT, "then": ALIKE, "minimum": 0}, []),
    ({"if": WHOLE, "then": ALIKE}, {"if": TEXT, "then": ALIKE}, ["", ""]),
    (
        thing({"a": {}}, unevaluatedProperties=False, title="x"),
        thing({}, unevaluatedProperties=False),
        [""],
    ),
    ({"$dynamicRef": "#a", "$defs": {"a": {"$dynamicAnchor": "a"}}}, {"$dynamicRef": "#a"}, [""]),
    ({"$dynamicRef": "#a"}, {"$dynamicRef": "#a"}, []),
    ({"dependentRequired": {"title": ["a"]}}, {"dependentRequired": {"title": ["b"]}}, [""]),
    ({"dependentRequired": {"title": ["a"]}}, {"dependentRequired": {"title": ["a"]}, "title": "x"}, []),
]


X_INTEGER = thing({"c": TEXT, "x": WHOLE})
LIMITS_X = [
    thing({"c": TEXT}, patternProperties={"^x": TEXT}, additionalProperties=False),
    thing({"c": TEXT}, unevaluatedProperties=TEXT),
    thing({"c": TEXT}, **{"if": {"required": ["x"]}, "then": {"properties": {"x": TEXT}}}),
    thing({"c": TEXT}, dependentSchemas={"x": {"properties": {"x": TEXT}}}),
    thing({"c": TEXT}, **{"not": {"properties": {"x": WHOLE}, "required": ["x"]}}),
]


@pytest.mark.parametrize("limits", LIMITS_X)
def test_a_field_is_not_merely_tolerated_where_a_keyword_that_is_left_out_speaks_of_it(limits: Json) -> None:
    """`{"c": "a", "x": "s"}` is valid by one, not by the other."""
    assert {each.severity for each in compared("input", limits, X_INTEGER)} >= {"breaking"}
    assert {each.severity for each in compared("output", X_INTEGER, limits)} >= {"breaking"}


@pytest.mark.parametrize(("old", "new", "places"), UNCOMPARED)
def test_keywords_that_are_not_compared(old: Json, new: Json, places: list[str]) -> None:
    for part, (was, now) in {"input": (old, new), "output": (new, old)}.items():
        found = [each for each in compared(part, was, now) if each.rule == "cannot-be-told"]  # type: ignore[arg-type]
        assert [each.path for each in found] == [part + place for place in places]
        assert all(each.severity == "breaking" for each in found)


# ------------------------------------------------------------------------------- flows


def catalog(**flows: dict[str, Json]) -> Catalog:
    words = {"input": "inputSchema", "chunk": "streamSchema", "output": "outputSchema"}
    document = {
        f"/flow/{name}": {"key": f"/flow/{name}", **{words[part]: schema for part, schema in parts.items()}}
        for name, parts in flows.items()
    }
    return Catalog.parse(json.dumps(document), source="here")


WHOLE_FLOWS: dict[str, tuple[Catalog, Catalog, list[tuple[str, str, str, str]]]] = {
    "a flow comes, a flow goes": (
        catalog(a={}, b={"input": TEXT}),
        catalog(b={"input": TEXT}, c={"input": TEXT}),
        [("a", "flow", "breaking", "flow-removed"), ("c", "flow", "compatible", "flow-added")],
    ),
    "an input is told": (
        catalog(a={}),
        catalog(a={"input": TEXT}),
        [("a", "input", "breaking", "type-narrowed")],
    ),
    "an input is no longer told": (
        catalog(a={"input": TEXT}),
        catalog(a={}),
        [("a", "input", "compatible", "type-widened")],
    ),
    "an output is told": (
        catalog(a={}),
        catalog(a={"output": TEXT}),
        [("a", "output", "compatible", "schema-told")],
    ),
    "an output is no longer told": (
        catalog(a={"output": TEXT}),
        catalog(a={}),
        [("a", "output", "breaking", "type-widened")],
    ),
    "chunks are told": (
        catalog(a={}),
        catalog(a={"chunk": TEXT}),
        [("a", "chunk", "compatible", "schema-told")],
    ),
    "chunks that were declared in the file": (catalog(a={"chunk": TEXT}), catalog(a={}), []),
    "chunks that were declared, of a server that tells of any": (
        catalog(a={"chunk": TEXT}),
        catalog(a={"chunk": {"title": "Chunk", "x-note": 1}}),
        [],
    ),
    "chunks are no longer told by a server that tells": (
        catalog(a={"chunk": TEXT}, b={"chunk": TEXT}, c={}),
        catalog(a={}, b={"chunk": TEXT}, c={}),
        [("a", "chunk", "compatible", "schema-untold")],
    ),
    "a schema that allows anything": (catalog(a={"input": {}, "output": True}), catalog(a={}), []),
    "and the other way round": (
        catalog(a={}),
        catalog(a={"input": {}, "output": True}),
        [],
    ),
}


@pytest.mark.parametrize("name", WHOLE_FLOWS)
def test_flows(name: str) -> None:
    file, server, expected = WHOLE_FLOWS[name]
    found = file.differences(server)
    assert [(each.flow, each.part, each.severity, each.rule) for each in found] == expected


def test_a_catalog_of_another_kind_makes_no_difference() -> None:
    """What a Genkit server tells, and what an OpenAPI document says of the same flow."""
    order = thing({"theme": TEXT, "dish": {"$ref": "#/properties/theme"}}, "theme")
    actions = catalog(menu={"input": order, "output": listed(TEXT), "chunk": TEXT})
    body = {"properties": {"data": thing({"theme": TEXT, "dish": TEXT}, "theme")}, "required": ["data"]}
    frames = {"properties": {"message": TEXT, "result": {"$ref": "#/components/schemas/Menu"}}}
    operation = {
        "requestBody": {"content": {"application/json": {"schema": body}}},
        "responses": {"200": {"content": {"text/event-stream": {"itemSchema": frames}}}},
    }
    document = {
        "openapi": "3.2.0",
        "paths": {"/menu": {"post": operation}},
        "components": {"schemas": {"Menu": listed(TEXT, title="Menu")}},
    }
    openapi = Catalog.parse(json.dumps(document), source="there")
    assert actions.differences(openapi) == openapi.differences(actions) == ()


# ------------------------------------------------------------------------------- nothing takes long


def ring(size: int, value: Json) -> Json:
    """Objects that contain each other in a circle; one of them has this value."""
    made = {
        f"N{place}": thing(
            {"next": {"$ref": f"#/$defs/N{(place + 1) % size}"}, "value": TEXT if place else value}
        )
        for place in range(size)
    }
    return {"$ref": "#/$defs/N0", "$defs": made}


def test_circles_of_different_lengths() -> None:
    assert compared("input", ring(16, TEXT), ring(15, TEXT)) == ()
    assert {each.rule for each in compared("input", ring(16, TEXT), ring(15, WHOLE))} == {"type-changed"}


@pytest.mark.parametrize(
    ("module", "limit"),
    [
        (within, "MAX_STEPS"),
        (within, "MAX_VALUE_STEPS"),
        (changes_module, "MAX_PLACES"),
        (unchecked, "MAX_STEPS"),
    ],
)
def test_what_is_too_large_to_compare_is_not_called_compatible(
    module: ModuleType, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {str(number): {"enum": [number, "a"]} for number in range(20)}
    old, new = thing(many, **ALIKE), thing({**many, "more": TEXT}, **ALIKE)
    assert not breaks("input", old, new)
    monkeypatch.setattr(module, limit, 1)
    assert [(each.rule, each.path) for each in compared("input", old, new)] == [("cannot-be-told", "input")]


def test_hostile_catalogs_are_compared() -> None:
    last = Catalog.parse("{}", source="none")
    for name, document in list(CORPUS.items())[::25]:
        try:
            hostile = Catalog.parse(document, source="there")
        except DiscoveryError:
            continue
        again = Catalog.parse(document, source="again")
        assert "NaN" in name or hostile.differences(again) == (), name
        for difference in hostile.differences(last):
            assert difference.message.isprintable()
        last = hostile


# ------------------------------------------------------------------------------- against the oracle


def without_tolerated(types: Types) -> Types:
    """The same where objects have no fields but those that the schema means."""
    definitions = {
        name: replace(definition, type=_closed(definition.type))
        for name, definition in types.definitions.items()
    }
    return replace(types, definitions=definitions)


def _closed(type_: Any) -> Any:
    if isinstance(type_, Record) and isinstance(type_.extra, Anything):
        return replace(type_, extra=Nothing())
    return type_


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Json, Json, list[Json]]:
    """A schema, another or the same one changed, and instances that nearly fit one of them."""
    old = draw(schemas())
    if draw(st.booleans()):  # with keywords that types cannot say, then, in both
        old = mutated(old, draw, OPAQUE_CHANGES)
    new = mutated(old, draw) if draw(st.integers(0, 9)) else draw(schemas())
    if "$schema" not in new:
        new["$schema"] = old["$schema"]
    instances = [draw(values)]
    for schema in (old, new):
        make = _Make(draw, "draft-07" in schema["$schema"])
        instances += [make.instance(schema, schema) for _ in range(5)]
    return old, new, instances


def test_what_is_called_compatible_refuses_nothing() -> None:
    """Of an input, nothing that the old schema allowed; of an output, nothing that the new one allows."""
    counts = Counter[str]()

    @settings(
        max_examples=250,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
    @given(pairs())
    def compare(case: tuple[Json, Json, list[Json]]) -> None:
        old, new, instances = case
        try:
            before, after = Ours(old), Ours(new)
        except BrokenSchema:
            return
        check_symmetry(before.types, after.types)
        reading = Ours(lenient(before.types))
        inputs_fit, outputs_fit = not breaks("input", old, new), not breaks("output", old, new)
        for instance in instances:
            shown = f"{json.dumps(old)}  ->  {json.dumps(new)}  <-  {json.dumps(instance)}"
            if is_meant(instance, old, before.types):
                accepted = oracle(new).is_valid(instance)
                counts[f"sent, fits {inputs_fit}, accepted {accepted}"] += 1
                assert accepted or not inputs_fit, shown
            if is_meant(instance, new, after.types):
                accepted = reading.is_valid(instance)
                counts[f"given, fits {outputs_fit}, accepted {accepted}"] += 1
                assert accepted or not outputs_fit, shown

    compare()
    for role in ("sent", "given"):
        assert counts[f"{role}, fits True, accepted True"] > 300, counts
        assert counts[f"{role}, fits False, accepted False"] > 100, counts


def is_meant(instance: Json, schema: Json, types: Types) -> bool:
    """Valid by jsonschema-rs, and without fields that are merely tolerated."""
    closed = without_tolerated(types)
    return accepts(instance, closed.root, closed.definitions) and oracle(schema).is_valid(instance)


def check_symmetry(old: Types, new: Types) -> None:
    """What is wider one way is narrower the other way."""
    there = {RULES[change.rule].effect for change in changes(old, new)}
    back = {RULES[change.rule].effect for change in changes(new, old)}
    assert bool(there & {"wider", "both"}) == bool(back & {"narrower", "both"})
    assert bool(there & {"narrower", "both"}) == bool(back & {"wider", "both"})
    for types in (old, new):  # even where it is looked at part by part
        assert changes_module._Walk(types, types).changes() == []
