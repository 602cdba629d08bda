"""Catalogs as files: what is written is OpenAPI 3.2, the same every time, and means what the server told."""

from __future__ import annotations

import json
import logging
import os
import stat
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV32SpecValidator
from pydantic import BaseModel

from hand_picked_schemas import HAND_PICKED
from hostile_catalogs import CORPUS
from streamflow_client import AsyncClient, Catalog, Client, DiscoveryError
from streamflow_client.schema.broken import BrokenSchema
from streamflow_client.schema.flowspec import FlowSpec
from streamflow_client.schema.model import Types
from streamflow_client.schema.names import class_name
from streamflow_client.schema.raw import Schema
from streamflow_client.schema.read import read_types
from streamflow_client.schema.saving.writing import saved
from streamflow_client.testing import StubServer
from test_catalog import app as fastapi_app
from test_schema_oracle import _Make, oracle, schemas

CAPTURES = Path(__file__).parent / "captures"
OFFICIAL = jsonschema_rs.validator_for(
    json.loads((Path(__file__).parent / "openapi-3.2-schema.json").read_bytes()), validate_formats=True
)
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
ROLES = ("input", "output", "chunk")

Json = dict[str, Any]


def parse(document: Any) -> Catalog:
    data = document if isinstance(document, bytes | str) else json.dumps(document)
    return Catalog.parse(data, source="flows.json")


def actions(**flows: Any) -> Json:
    """Genkit's list, each flow with one schema for all."""
    words = ("inputSchema", "outputSchema", "streamSchema")
    return {f"/flow/{name}": {"key": "x", **dict.fromkeys(words, schema)} for name, schema in flows.items()}


def schema(flow: FlowSpec, role: str) -> Schema | None:
    found: Schema | None = getattr(flow, f"{role}_schema")
    return found


def types_of(flow: FlowSpec, role: str) -> Types | str | None:
    """What a schema says; of a broken one, what is wrong. Warnings without their places."""
    found = schema(flow, role)
    try:
        types = None if found is None else read_types(found, name=class_name(f"{flow.name} {role}"))
    except BrokenSchema as broken:
        return broken.what
    if types is None:
        return None
    told = tuple(warning.rpartition(": `")[2] for warning in types.warnings)
    return Types(types.root, types.definitions, types.title, types.description, told)


def again(catalog: Catalog) -> tuple[Json, Catalog, tuple[str, ...]]:
    """The document, what is read from it, and warnings; after proof that nothing is lost."""
    made = saved(catalog.values(), info=catalog.info)
    document = json.loads(made.text)
    reread = parse(made.text)
    assert reread.warnings == ()
    assert list(reread) == sorted(catalog)
    for flow in catalog.values():
        assert reread[flow.name].description == flow.description
        assert reread[flow.name].protocol == "callable"
        for role in ROLES:
            assert types_of(reread[flow.name], role) == types_of(flow, role), (flow.name, role)
    assert saved(reread.values(), info=reread.info).text == made.text
    return document, reread, made.warnings


def check_valid(document: Json) -> None:
    OFFICIAL.validate(document)
    for found in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(found)
    assert [str(error) for error in OpenAPIV32SpecValidator(document).iter_errors()] == []


def at(document: Json, *keys: str) -> jsonschema_rs.Validator:
    """What stands there says, with the whole document for its references."""
    pointer = "".join("/" + quote(key.replace("~", "~0").replace("/", "~1")) for key in keys)
    whole = {"$schema": DIALECT, "$ref": f"#{pointer}", **document}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def body(document: Json, path: str) -> jsonschema_rs.Validator:
    """What the data of a flow may be."""
    place = ("requestBody", "content", "application/json", "schema", "properties", "data")
    return at(document, "paths", path, "post", *place)


# --- the document


def test_the_whole_document() -> None:
    order = {"type": "object", "properties": {"theme": {"type": "string"}}, "required": ["theme"]}
    told = {
        "/flow/team/menu": {"key": "x", "description": "Writes.", "inputSchema": order, "streamSchema": {}}
    }
    made = saved(parse(told).values()).text
    assert made.endswith("}\n")
    assert made.splitlines()[:4] == ["{", '  "openapi": "3.2.0",', '  "info": {', '    "title": "Flows",']
    document = json.loads(made)
    check_valid(document)
    (path, item), *others = document["paths"].items()
    assert (path, others, list(item)) == ("/team/menu", [], ["post"])
    operation = item["post"]
    assert (operation["operationId"], operation["description"]) == ("team_menu", "Writes.")
    sent = {"$ref": "#/components/schemas/TeamMenuInput", "x-streamflow-inline": True}
    assert operation["requestBody"] == {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"data": sent},
                    "required": ["data"],
                    "additionalProperties": False,
                }
            }
        },
    }
    result = {"type": "object", "properties": {"result": {"x-streamflow-not-told": True}}}
    failure = {"$ref": "#/components/schemas/FailureFrame"}
    content = operation["responses"]["200"]["content"]
    assert content == {
        "application/json": {"schema": result},
        "text/event-stream": {
            "itemSchema": envelope(
                "data",
                {
                    "type": "string",
                    "contentMediaType": "application/json",
                    "contentSchema": {"anyOf": [envelope("message", {}), result, failure]},
                },
            )
        },
    }
    assert document["components"]["schemas"]["TeamMenuInput"] == order


def envelope(key: str, schema: Any) -> Json:
    return {"type": "object", "properties": {key: schema}, "required": [key]}


def test_failures_are_told_by_the_http_status_of_every_code() -> None:
    from streamflow_client.testing.outcomes import STATUSES

    document = json.loads(saved(parse(actions(f={})).values()).text)
    told = document["paths"]["/f"]["post"]["responses"]
    responses = document["components"]["responses"]
    by_status = {int(status): told[status] for status in told if status not in ("200", "default")}
    assert list(by_status) == sorted(by_status)
    for name, (_, http_status) in STATUSES.items():
        if name != "OK":
            reference = by_status.pop(http_status, None) or told[str(http_status)]
            response = responses[reference["$ref"].rpartition("/")[2]]
            assert name in response["description"].rstrip(".").split(", ")
    assert by_status == {}
    fits = at(
        document, "components", "responses", "NotFound", "content", "application/json", "schema"
    ).is_valid
    failure = {"status": "NOT_FOUND", "message": "no such dish", "details": [1]}
    assert fits(failure)
    assert fits({"error": failure})
    assert not fits({"result": 1})


@pytest.mark.parametrize("name", ["actions-js-menu", "actions-js-odd", "actions-py"])
def test_captured_catalogs(name: str, tmp_path: Path) -> None:
    catalog = Catalog.load(CAPTURES / f"{name}.json", protocol="reflection")
    document, _, warnings = again(catalog)
    assert warnings == ()
    check_valid(document)
    file = tmp_path / "flows.openapi.json"
    catalog.save(file)
    assert json.loads(file.read_text("utf-8")) == document
    assert len(operations(file)) == len(catalog)


def test_the_order_of_flows_and_of_components_is_no_servers_matter() -> None:
    one, other = {"type": "array", "items": {}}, {"type": "object", "properties": {"b": {}, "a": {}}}
    made = saved(parse(actions(a=one, b=other)).values()).text
    assert made == saved(parse(actions(b=other, a=one)).values()).text
    assert list(json.loads(made)["components"]["schemas"]["BInput"]["properties"]) == ["b", "a"]


def test_nothing_is_told_of_the_place_it_came_from() -> None:
    host = Catalog.parse(json.dumps(actions(f={})), source="http://user:secret@host.example:9/api/actions")
    assert saved(host.values()).text == saved(parse(actions(f={})).values()).text


# --- fastapi and other OpenAPI


def test_components_keep_their_names_and_only_needed_ones_are_written() -> None:
    source = parse(fastapi_app.openapi())
    document, reread, warnings = again(source)
    assert warnings == ()
    check_valid(document)
    schemas = document["components"]["schemas"]
    assert schemas["Dish"] == fastapi_app.openapi()["components"]["schemas"]["Dish"]
    assert set(schemas) & set(fastapi_app.openapi()["components"]["schemas"]) == {"Dish", "Failure"}  # ours
    assert document["info"] == fastapi_app.openapi()["info"]
    chunk = reread["union"].chunk_schema
    assert chunk is not None
    assert chunk.value == {"type": "integer", "title": "Message"}


NAN = float("nan")
A_DISH = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "of": {"$ref": "#/components/schemas/Dish"}},
}


def openapi(data: Any, **components: Any) -> Json:
    return {
        "openapi": "3.1.0",
        "info": {"title": "Menus", "version": "7", "license": 5, "x-ours": 1, "made": "up", "x-nan": NAN},
        "components": {"schemas": components},
        "paths": {
            "/menu": {
                "post": {
                    "requestBody": {"content": {"application/json": {"schema": envelope("data", data)}}},
                    "responses": {
                        "200": {"content": {"application/json": {"schema": envelope("result", True)}}}
                    },
                }
            }
        },
    }


def test_info_is_kept_as_far_as_it_makes_sense() -> None:
    document, _, _ = again(parse(openapi({})))
    assert document["info"] == {"title": "Menus", "version": "7", "x-ours": 1}
    check_valid(document)


@pytest.mark.parametrize(
    ("data", "components", "written"),
    [
        pytest.param({"$ref": "#/components/schemas/Dish"}, {"Dish": A_DISH}, {"Dish"}, id="component"),
        pytest.param(
            {"type": "array", "items": {"$ref": "#/components/schemas/Dish"}},
            {"Dish": A_DISH, "Unused": A_DISH},
            {"Dish", "MenuInput"},
            id="beside-a-component",
        ),
        pytest.param(
            {"type": "array", "items": {"$ref": "#/components/schemas/MenuInput"}},
            {"MenuInput": {"type": "string"}},
            {"MenuInput", "MenuInput_"},
            id="name-is-taken",
        ),
        pytest.param(
            {"$ref": "#/components/schemas/Foo%20Bar"},
            {"Foo Bar": {"type": "object", "properties": {"a": {}}}},
            {"Foo_Bar"},
            id="no-key-of-a-component",
        ),
        pytest.param(
            {"$ref": "#/components/schemas/Dish/properties/name"}, {"Dish": A_DISH}, {"Dish"}, id="within-one"
        ),
    ],
)
def test_other_documents(data: Any, components: Any, written: set[str]) -> None:
    document, _, _ = again(parse(openapi(data, **components)))
    check_valid(document)
    assert set(document["components"]["schemas"]) - {"Failure", "FailureFrame"} == written


def test_several_frames_with_chunks() -> None:
    document = openapi({})
    dish = {"type": "object", "properties": {"of": {"type": "object", "properties": {"name": {}}}}}
    frames = [envelope("message", dish), envelope("message", {"type": "string"}), envelope("result", True)]
    responses = document["paths"]["/menu"]["post"]["responses"]
    responses["200"]["content"] = {"text/event-stream": {"itemSchema": {"oneOf": frames}}}
    _, reread, warnings = again(parse(document))
    types = types_of(reread["menu"], "chunk")
    assert isinstance(types, Types)
    assert set(types.definitions) == {"PropertiesMessage", "PropertiesOf"}
    assert warnings == (
        "flow 'menu': its chunk schema is written as a text: its classes or types would differ",
    )


def test_names_within_references_are_decoded() -> None:
    things = {name: {"type": "object", "properties": {name: {}}} for name in ("Foo Bar", "Egg")}
    members = [{"title": "", "$ref": "#/$defs/Foo%20Bar"}, {"title": "", "$ref": "#/$defs/Egg"}]
    both = {"properties": {"a": {"anyOf": members}}, "$defs": things}
    told = {
        "properties": {"a": {"anyOf": [{**m, "minProperties": 1, "properties": {"b": {}}} for m in members]}}
    }
    _, reread, warnings = again(parse(actions(f=both, g={**told, "$defs": things})))
    assert warnings == ()
    types = types_of(reread["g"], "input")
    assert isinstance(types, Types)
    assert {"GInput", "GInputAFooBar", "GInputAEgg"} == set(types.definitions)


def test_a_component_that_others_refer_to_keeps_its_name() -> None:
    document, _, _ = again(parse(actions(a=TREE, menu=TREE)))
    operation = document["paths"]["/a"]["post"]
    body_ = operation["requestBody"]["content"]["application/json"]["schema"]
    body_["properties"]["data"] = {"$ref": "#/components/schemas/MenuInput"}  # by hand
    made, _, warnings = again(parse(document))
    assert warnings == ()
    assert set(made["components"]["schemas"]) == set(document["components"]["schemas"]) - {"AInput"}


# --- schemas


@pytest.mark.parametrize("name", HAND_PICKED)
def test_hand_picked_schemas_mean_the_same(name: str) -> None:
    picked, valid, invalid = HAND_PICKED[name]
    document, _, warnings = again(parse(actions(f=picked)))
    assert warnings == ()
    check_valid(document)
    theirs = body(document, "/f")
    assert all(map(theirs.is_valid, valid))
    assert not any(map(theirs.is_valid, invalid))


@st.composite
def schemas_and_instances(draw: st.DrawFn) -> tuple[Json, list[Any]]:
    drawn = draw(schemas())
    make = _Make(draw, "draft-07" in drawn["$schema"])
    return drawn, [make.instance(drawn, drawn) for _ in range(3)]


@settings(max_examples=80, deadline=None, suppress_health_check=SLOW, phases=[Phase.generate])
@given(schemas_and_instances())
def test_generated_schemas_mean_the_same(drawn: tuple[Json, list[Any]]) -> None:
    told, instances = drawn
    document, _, warnings = again(parse(actions(f=told)))
    assert not any("as a text" in warning for warning in warnings) or isinstance(
        types_of(parse(actions(f=told))["f"], "input"), str
    )
    if warnings or ("draft-07" in told["$schema"] and '"uuid"' in json.dumps(told)):
        return  # draft-07 has no such format, and lets anything pass for it
    ours, theirs = body(document, "/f"), oracle(told)
    for instance in instances:
        assert ours.is_valid(instance) == theirs.is_valid(instance), instance


@settings(max_examples=50, deadline=None, suppress_health_check=SLOW, phases=[Phase.generate])
@given(schemas())
def test_generated_components_keep_their_names(drawn: Json) -> None:
    group = "definitions" if "draft-07" in drawn["$schema"] else "$defs"
    del drawn["$schema"]
    text = json.dumps(drawn).replace(f"#/{group}/", "#/components/schemas/")
    told = json.loads(text)
    components = told.pop(group, {})
    document, _, _ = again(parse(openapi(told, **components)))
    assert set(document["components"]["schemas"]) <= {*components, "MenuInput", "Failure", "FailureFrame"}


EVIL = "\x1b]0;evil\x07\u202e\U000e0041"
DRAFT_07 = "http://json-schema.org/draft-07/schema#"
THING = {"$schema": DRAFT_07, "definitions": {"Thing": {"type": "string"}}}
TREE = {"type": "object", "properties": {"of": {"type": "array", "items": {"$ref": "#"}}}}


@pytest.mark.parametrize(
    ("told", "written"),
    [
        ({"type": "array", "items": [{}], "additionalItems": False}, {"prefixItems": [{}], "items": False}),
        ({"items": [], "prefixItems": [{}]}, {"items": True}),
        ({"items": [], "additionalItems": {"type": "null"}}, {"items": {"type": "null"}}),
        ({"items": {}, "additionalItems": False}, {"items": {}, "additionalItems": False}),
        ({"items": {}, "minimum": 1, "exclusiveMinimum": True}, {"items": {}, "exclusiveMinimum": 1}),
        ({"items": {}, "maximum": 1, "exclusiveMaximum": False}, {"items": {}, "maximum": 1}),
        ({**TREE, "$id": "urn:x", "$anchor": "a"}, {}),
        ({"$id": "urn:x", "items": {"$ref": "urn:x#"}}, {"items": {"$ref": "#/components/schemas/FInput"}}),
        ({"properties": {"a": {"$anchor": "x"}}, "items": {"$ref": "#/properties/a"}}, {}),
        (
            {"$defs": {"A": {"$anchor": "x"}}, "items": {"$ref": "#x"}},
            {"$defs": {"A": {}}, "items": {"$ref": "#/components/schemas/FInput/$defs/A"}},
        ),
        (
            {**THING, "items": {"$ref": "#/definitions/Thing", "maxLength": 1, "description": "d"}},
            {"items": {"$ref": "#/components/schemas/FInput/definitions/Thing", "description": "d"}},
        ),
        (
            {
                "items": [{"type": "object", "properties": {"a": {}}}],
                "additionalItems": {"$ref": "#/items/0"},
            },
            {"items": {"$ref": "#/components/schemas/FInput/prefixItems/0"}},
        ),
        ({"const": {"$ref": "#/nowhere"}, "items": {}}, {"const": {"$ref": "#/nowhere"}}),
        ({"properties": {"$ref": {"type": "string"}}}, {"properties": {"$ref": {"type": "string"}}}),
        ({"type": "array", "nullable": True, "items": {}}, {"type": ["array", "null"], "items": {}}),
        (
            {"enum": ["a"], "nullable": True, "title": "Letter", "description": "d"},
            {"description": "d", "anyOf": [{"enum": ["a"], "title": "Letter"}, {"type": "null"}]},
        ),
        (
            {
                "oneOf": [{"$ref": "#/$defs/A"}],
                "discriminator": {"propertyName": "k", "mapping": {"a": "#/$defs/A", "b": "A"}},
                "$defs": {"A": {"type": "object"}},
            },
            {
                "discriminator": {
                    "propertyName": "k",
                    "mapping": {"a": "#/components/schemas/FInput/$defs/A", "b": "A"},
                }
            },
        ),
    ],
)
def test_what_2020_12_writes_otherwise(told: Json, written: Json) -> None:
    document, _, warnings = again(parse(actions(f=told)))
    assert warnings == ()
    check_valid(document)
    made = document["components"]["schemas"]["FInput"]
    assert {word: made[word] for word in written} == written
    assert not {"$schema", "$id", "$anchor", "nullable"} & set(made)


@pytest.mark.parametrize(
    ("told", "dropped"),
    [
        ({"type": "object", "title": 5}, "#/title"),
        ({"type": "string", "required": True}, "#/required"),
        ({"type": "array", "items": {"type": "null", "maxLength": -1}}, "#/items/maxLength"),
        ({"type": "array", "examples": [float("nan")]}, "#/examples"),
        ({"discriminator": {"propertyName": "k", "mapping": {"c": 1}}}, "#/discriminator/mapping/c"),
        ({"discriminator": {"propertyName": "k", "mapping": {"c": "#/x"}}}, "#/discriminator/mapping/c"),
    ],
)
def test_what_makes_no_sense_is_left_out_with_a_warning(told: Json, dropped: str) -> None:
    document, _, warnings = again(parse(actions(f=told)))
    assert len(warnings) == 3
    assert f"flow 'f': its input schema is written without what makes no sense: {dropped}" in warnings
    check_valid(document)


def nested(levels: int) -> Any:
    return {} if levels == 0 else {"items": nested(levels - 1)}


def test_what_cannot_be_seen_is_escaped() -> None:
    catalog = parse(actions(f={"description": f"a{EVIL} é 😀", "items": {}}))
    text = saved(catalog.values()).text
    assert r'"description": "a\u001b]0;evil\u0007\u202e\udb40\udc41 é 😀"' in text
    again(catalog)


def test_deep_schemas_that_nobody_reads() -> None:
    _, _, warnings = again(parse(actions(f={"type": "object", "$defs": {"A": nested(140)}})))
    assert warnings == ()


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"$ref": "#/nowhere"}, "it is broken"),
        ({"type": "object", "properties": 5}, "it is broken"),
        ({"type": "any", "x-why": "nobody knows the type"}, "would differ"),
        ({"type": "object", "default": {}, "not": {"$ref": "#/nowhere"}}, "nothing at '#/nowhere'"),
        ({"type": "object", "$defs": {"A": 5}}, "#/$defs/A is no schema"),
        ({"type": "object", "examples": [nested(170)]}, "nested more than 150"),
        ({"type": "object", "$defs": {EVIL: 5}}, "is no schema"),
    ],
)
def test_what_openapi_cannot_hold_is_kept_as_a_text(told: Json, why: str) -> None:
    document, reread, warnings = again(parse(actions(f=told)))
    assert len(warnings) == 3
    assert warnings[0].startswith("flow 'f': its input schema is written as a text: ")
    assert why in warnings[0]
    assert warnings[0].isprintable()
    check_valid(document)
    found = reread["f"].input_schema
    assert found is not None
    assert (found.value, found.root, found.pointer) == (told, told, "")
    assert body(document, "/f").is_valid({"anything": 1})  # to other tools


def test_a_broken_component_is_kept_with_all_that_it_takes() -> None:
    told = openapi(
        {"$ref": "#/components/schemas/A"}, A={"items": {"$ref": "#/components/schemas/B"}}, B=5, C=6
    )
    document, reread, (warning,) = again(parse(told))
    assert "it is broken" in warning
    check_valid(document)
    found = reread["menu"].input_schema
    assert found is not None
    assert found.root["components"]["schemas"] == {"A": told["components"]["schemas"]["A"], "B": 5}


@pytest.mark.parametrize(
    ("extension", "reason"),
    [
        ({"x-streamflow-text": "{"}, "is JSON that was cut short"),
        ({"x-streamflow-text": 5}, "not both strings"),
        ({"x-streamflow-text": "5"}, "a schema is a number"),
        ({"x-streamflow-text": "{}", "x-streamflow-at": "/a"}, "leads nowhere"),
        ({"x-streamflow-text": "{}", "x-streamflow-at": 5}, "not both strings"),
        ({"x-streamflow-inline": True, "$ref": "#/nowhere"}, "leads nowhere"),
    ],
)
def test_extensions_that_are_damaged(extension: Json, reason: str) -> None:
    (warning,) = parse(openapi(extension)).warnings
    assert reason in warning


def test_what_is_not_told_stays_so() -> None:
    _, reread, _ = again(parse({"/flow/a": {"key": "x"}, "/flow/b": {"key": "x", "outputSchema": {}}}))
    assert [schema(reread["a"], role) for role in ROLES] == [None, None, None]
    assert [schema(reread["b"], role) is None for role in ROLES] == [True, False, True]


def test_not_told_with_anything_beside_it_is_told() -> None:
    (flow,) = parse(openapi({"x-streamflow-not-told": True, "type": "string"})).values()
    assert flow.input_schema is not None
    (flow,) = parse(openapi({"x-streamflow-not-told": True, "description": "Nobody knows."})).values()
    assert flow.input_schema is None


@cache
def hostile() -> list[str]:
    """Every twelfth document, and none that takes long for its size."""
    return [name for name, data in CORPUS.items() if len(data) < 100_000][::12]


def test_hostile_catalogs_come_back_whole() -> None:
    tried = 0
    for name in hostile():
        try:
            catalog = parse(CORPUS[name])
        except DiscoveryError:
            continue
        made = saved(catalog.values(), info=catalog.info)
        assert made.text.replace("\n", "").isprintable(), name
        assert all(warning.isprintable() and len(warning) < 1000 for warning in made.warnings), name
        document, _, _ = again(catalog)
        OFFICIAL.validate(document)
        tried += 1
    assert tried > 60


# --- names


@pytest.mark.parametrize(
    ("name", "path", "id_"),
    [
        ("my-flow/v2", "/my-flow/v2", "my-flow_v2"),
        ("a b", "/a%20b", "a_b"),
        ("größe", "/gr%C3%B6%C3%9Fe", "gr__e"),
        ("{x}", "/%7Bx%7D", "_x_"),
        ("100%25", "/100%2525", "100_25"),
        ("a+b;c=d", "/a+b;c=d", "a_b_c_d"),
    ],
)
def test_names_become_paths(name: str, path: str, id_: str) -> None:
    document, _, _ = again(parse(actions(**{name: TREE})))
    check_valid(document)
    assert list(document["paths"]) == [path]
    assert document["paths"][path]["post"]["operationId"] == id_


def test_operation_ids_and_components_of_like_names_differ() -> None:
    document, reread, _ = again(parse(actions(**{"a.b": TREE, "a b": TREE, "a_b": TREE, "größe": TREE})))
    check_valid(document)
    ids = [item["post"]["operationId"] for item in document["paths"].values()]
    assert len(set(ids)) == 4
    assert len(document["components"]["schemas"]) == 4 * 3 + 2
    assert types_of(reread["a b"], "input") == types_of(reread["a_b"], "input")


def test_what_only_reflection_calls_is_left_out() -> None:
    told = {"/flow/menu": {"key": "x"}, "/model/echo": {"key": "x"}}
    catalog = Catalog.parse(json.dumps(told), source="x", all_actions=True, protocol="reflection")
    made = saved(catalog.values())
    assert list(parse(made.text)) == ["menu"]
    assert made.warnings == ("'/model/echo' is left out: it is called through the reflection API alone",)


# --- files


def test_save_and_load(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "flows.openapi.json"
    catalog = parse(actions(menu=TREE, odd={"$ref": "#/nowhere"}))
    with caplog.at_level(logging.WARNING, "streamflow_client.discovery"):
        catalog.save(file)
    assert len(caplog.messages) == 3
    assert "catalog flows.json: flow 'odd': its input schema is written as a text" in caplog.messages[0]
    loaded = Catalog.load(file)
    assert list(loaded) == ["menu", "odd"]
    before = file.read_bytes()
    loaded.save(str(file))
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_is_replaced_whole_and_keeps_its_mode_and_its_links(tmp_path: Path) -> None:
    file, link = tmp_path / "flows.json", tmp_path / "link.json"
    file.write_text("before")
    file.chmod(0o640)
    link.symlink_to(file.name)
    parse(actions(f={})).save(link)
    assert link.is_symlink()
    assert list(Catalog.load(file)) == ["f"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    new = tmp_path / "new.json"
    parse(actions(f={})).save(new)
    reference = tmp_path / "reference"
    reference.touch()
    assert new.stat().st_mode == reference.stat().st_mode


def test_nobody_reads_a_private_file_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, modes = tmp_path / ("漢" * 80 + ".json"), list[int]()
    file.touch(mode=0o600)
    monkeypatch.setattr(os, "fsync", lambda opened: modes.append(stat.S_IMODE(os.fstat(opened).st_mode)))
    parse(actions(f={})).save(file)
    assert modes == [0o600]
    assert list(Catalog.load(file)) == ["f"]


@pytest.mark.parametrize("fails", ["open", "fsync", "chmod", "replace"])
def test_nothing_half_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    file = tmp_path / "flows.json"
    file.write_text("before")
    with pytest.raises(OSError, match="No space left") as raised, monkeypatch.context() as patched:
        patched.setattr(os if fails == "fsync" else Path, fails, full)
        parse(actions(f={})).save(file)
    assert raised.value.filename == str(file)
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("flows.json", "before")]


def test_where_no_file_can_be(tmp_path: Path) -> None:
    catalog = parse(actions(f={}))
    with pytest.raises(FileNotFoundError) as raised:
        catalog.save(tmp_path / "nowhere" / "flows.json")
    assert raised.value.filename == str(tmp_path / "nowhere" / "flows.json")
    with pytest.raises(IsADirectoryError):
        catalog.save(tmp_path)
    with pytest.raises(ValueError, match="null byte"):
        catalog.save("a\0b")


def test_a_pipe_is_written_to() -> None:
    catalog = parse(actions(f={}))
    catalog.save("/dev/null")
    assert Path("/dev/null").is_char_device()
    read, write = os.pipe()
    catalog.save(f"/dev/fd/{write}")
    os.close(write)
    with os.fdopen(read, "rb") as end:
        assert end.read() == saved(catalog.values()).text.encode()


def test_many_components_are_called_like_ours() -> None:
    names = [f"Failure{'_' * count}" for count in range(1_200)]
    data = {"properties": {name: {"$ref": f"#/components/schemas/{name}"} for name in names}}
    document = openapi(data, **{name: {"properties": {"a": {}}} for name in names})
    made = json.loads(saved(parse(document).values()).text)
    assert f"Failure{'_' * 1_200}" in made["components"]["schemas"]


def test_what_would_be_referred_to_by_too_long_a_name_is_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamflow_client.schema.openapi._REFERENCE", 40)
    fields = {"type": "object", "properties": {"a": {"type": "string"}}}
    _, reread, warnings = again(parse(actions(short=fields, **{"x" * 40: fields})))
    assert len(reread) == 2
    assert len([warning for warning in warnings if "its input schema is written as a text" in warning]) == 1


def test_too_large_to_be_read_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("streamflow_client.schema.saving.writing.SIZE_LIMIT", 1000)
    with pytest.raises(DiscoveryError, match="could not be read again"):
        parse(actions(f={})).save(tmp_path / "flows.json")
    assert list(tmp_path.iterdir()) == []


# --- in use


class Order(BaseModel):
    theme: str
    dishes: int = 3


class Dish(BaseModel):
    name: str
    sides: list[Dish] = []


def serving(stub: StubServer) -> StubServer:
    @stub.flow(description="Writes a menu.")
    def menu(order: Order, send: Callable[[Dish], None]) -> list[Dish]:
        send(Dish(name=order.theme))
        return [Dish(name="b", sides=[Dish(name=str(order.dishes))])]

    @stub.flow("team/größe")
    def size(text: str) -> int:
        return len(text)

    return stub


@pytest.fixture
def stub(flow_stub_factory: Callable[..., StubServer]) -> StubServer:
    return serving(flow_stub_factory("go"))


async def test_a_saved_catalog_needs_no_discovery(stub: StubServer, tmp_path: Path) -> None:
    file = tmp_path / "flows.openapi.json"
    with Client(stub.url, catalog=f"{stub.url}/api/actions") as client:
        catalog = client.discover()
        assert catalog["menu"].protocol == "reflection"
        catalog.save(file)
    before = len(stub.requests)
    with Client(stub.url, catalog=file) as client:
        with client.flows.menu.stream(theme="a") as stream:
            assert [chunk.name for chunk in stream] == ["a"]
            assert stream.result()[0].sides[0].name == "3"
        assert client.flows["team/größe"]("abc") == 3
    async with AsyncClient(stub.url, catalog=str(file)) as client:
        assert (await client.flows.menu(theme="a"))[0].name == "b"
    asked = [(request.method, request.path) for request in stub.requests[before:]]
    assert asked == [("POST", "/menu"), ("POST", "/team/größe"), ("POST", "/menu")]


@pytest.mark.parametrize("document", ["/openapi.json", "/api/actions"])
@pytest.mark.parametrize("dialect", ["express", "next", "firebase", "go", "fastapi", "flask"])
def test_schemathesis_finds_no_mismatch(
    flow_stub_factory: Callable[..., StubServer], tmp_path: Path, dialect: str, document: str
) -> None:
    """What the document says can be sent is accepted, and answers are what it says."""
    stub, file = serving(flow_stub_factory(dialect)), tmp_path / "flows.openapi.json"
    with Client(stub.url, catalog=stub.url + document) as client:
        client.discover().save(file)
    # As JSON; and as a stream, where the server gives that its media type.
    asks = ["*/*", "text/event-stream"] if dialect in ("next", "go", "fastapi") else ["*/*"]
    codes = [code for each in operations(file) for ask in asks for code in answers(each, stub.url, ask)]
    assert len(codes) >= 8
    assert set(codes) == {200}


def operations(file: Path) -> list[Any]:
    """Those that schemathesis would test; it raises where it cannot."""
    described: Any = schemathesis.openapi.from_path(str(file))
    return [found.ok() for found in described.get_all_operations()]


def answers(operation: Any, url: str, accept: str) -> list[int]:
    codes: list[int] = []

    @settings(max_examples=5, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    @given(case=operation.as_strategy())
    def call(case: Any) -> None:
        answer = case.call_and_validate(base_url=url, headers={"Accept": accept})
        assert answer.headers["content-type"][0].startswith(
            "text/event-stream" if accept == "text/event-stream" else "application/json"
        )
        codes.append(answer.status_code)

    call()
    return codes
