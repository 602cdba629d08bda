"""Two versions of a schema: what differs, and who is hurt.

The judge is tried against jsonschema-rs and against run-time types: what is called compatible refuses nothing
that was valid before.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hand_picked_schemas import HAND_PICKED
from schema_mutations import mutated
from streamflow_client.schema.accepts import accepts
from streamflow_client.schema.broken import BrokenSchema
from streamflow_client.schema.changes import changes
from streamflow_client.schema.compare import Difference, differences
from streamflow_client.schema.flowspec import FlowSpec
from streamflow_client.schema.lenient import lenient
from streamflow_client.schema.model import Anything, Definition, Nothing, Record, Schema, Types
from streamflow_client.schema.read import read_types
from streamflow_client.schema.rules import RULES, Part, severity
from test_schema_oracle import Ours, _Make, oracle, schemas, values

Json = Any
import os

MAX = int(os.environ.get("MAX", "300"))
SEED = os.environ.get("SEED")


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
    ("type-widened", "type-narrowed", TEXT, {}, ""),
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
            **{"type": "array", "items": [TEXT, {"$ref": "#/items/0"}], "additionalItems": False},
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
def test_nothing_differs_from_itself(name: str) -> None:
    schema = HAND_PICKED[name][0]
    for part in PARTS:
        assert compared(part, schema, json.loads(json.dumps(schema))) == ()


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
    new = mutated(old, draw) if draw(st.integers(0, 9)) else draw(schemas())
    if "$schema" not in new:
        new["$schema"] = old["$schema"]
    instances = [draw(values)]
    for schema in (old, new):
        make = _Make(draw, "draft-07" in schema["$schema"])
        instances += [make.instance(schema, schema) for _ in range(5)]
    return old, new, instances


def test_what_is_called_compatible_refuses_nothing() -> None:
    counts = Counter[str]()

    @settings(
        max_examples=MAX,
        derandomize=not SEED,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(pairs())
    def compare(case: tuple[Json, Json, list[Json]]) -> None:
        old, new, instances = case
        try:
            ours = Ours(old), Ours(new)
        except BrokenSchema:
            return
        theirs = oracle(old), oracle(new)
        promised = [without_tolerated(each.types) for each in ours]
        inputs_fit, outputs_fit = not breaks("input", old, new), not breaks("output", old, new)
        counts["inputs fit"] += inputs_fit
        counts["outputs fit"] += outputs_fit
        counts["pairs"] += 1
        reading = Ours(lenient(ours[0].types))
        for instance in instances:
            shown = f"{json.dumps(old)}  ->  {json.dumps(new)}  <-  {json.dumps(instance)}"
            sent = theirs[0].is_valid(instance) and accepts(
                instance, promised[0].root, promised[0].definitions
            )
            if sent and inputs_fit:
                counts["sent"] += 1
                assert theirs[1].is_valid(instance), shown
            elif sent:
                counts["proven breaking"] += not theirs[1].is_valid(instance)
            given = theirs[1].is_valid(instance) and accepts(
                instance, promised[1].root, promised[1].definitions
            )
            if given and outputs_fit:
                counts["given"] += 1
                assert reading.is_valid(instance), shown

    compare()
    print(counts)
