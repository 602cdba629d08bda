"""Catalogs: which documents are read, which flows and schemas they give, and what is refused."""

from __future__ import annotations

import copy
import json
import pickle
import sys
from collections.abc import AsyncIterable, Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, RootModel

from streamflow_client.errors import DiscoveryError, UnknownFlowError
from streamflow_client.schema.catalog import Catalog, FlowSpec
from streamflow_client.schema.document import SIZE_LIMIT
from streamflow_client.schema.raw import Schema

CAPTURES = Path(__file__).parent / "captures"
SOURCE = "http://localhost:3400/openapi.json"

A, B, C = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}


def parse(document: Any, source: str = SOURCE, **options: Any) -> Catalog:
    return Catalog.parse(json.dumps(document), source=source, **options)


def value(schema: Schema | None) -> Any:
    """What the schema says; what it points at has to be the same."""
    if schema is None:
        return None
    found = schema.root
    for word in schema.pointer.split("/")[1:]:
        plain = word.replace("~1", "/").replace("~0", "~")
        found = found[int(plain)] if isinstance(found, list) else found[plain]
    assert schema.pointer == "" or found is schema.value
    return schema.value


def told(spec: FlowSpec) -> tuple[Any, Any, Any]:
    return value(spec.input_schema), value(spec.chunk_schema), value(spec.output_schema)


# --- Genkit's actions ---------------------------------------------------------------------------

CAPTURED = {
    "actions-js-menu.json": ["menu", "echo", "boom", "crash", "slow"],
    "actions-js-odd.json": ["void", "big", "sig", "my-flow/v2"],
    "actions-py.json": ["menu", "boom", "slow"],
}


@pytest.mark.parametrize("name", CAPTURED)
def test_captured_actions(name: str) -> None:
    catalog = Catalog.load(CAPTURES / name)
    assert list(catalog) == CAPTURED[name]
    assert catalog.warnings == ()
    assert catalog.source == str(CAPTURES / name)
    assert all(spec.source == catalog.source and spec.path is None for spec in catalog.values())
    assert {spec.protocol for spec in catalog.values()} == {"callable"}
    raw = json.loads((CAPTURES / name).read_bytes())
    for flow, spec in catalog.items():
        action = raw[f"/flow/{flow}"]
        assert told(spec) == (action.get("inputSchema"), None, action.get("outputSchema"))


@pytest.mark.parametrize("name", CAPTURED)
def test_all_captured_actions(name: str) -> None:
    catalog = Catalog.parse((CAPTURES / name).read_bytes(), source=name, all_actions=True)
    raw = json.loads((CAPTURES / name).read_bytes())
    assert [key.removeprefix("/flow/") for key in raw] == list(catalog)
    assert catalog["/util/generate"].protocol == "reflection"
    assert value(catalog["/util/generate"].input_schema) == raw["/util/generate"]["inputSchema"]


def test_an_actions_flow_is_called_as_its_finder_says() -> None:
    catalog = parse({"/flow/f": {"key": "/flow/f"}, "/model/m": {}}, protocol="reflection", all_actions=True)
    assert [spec.protocol for spec in catalog.values()] == ["reflection", "reflection"]
    catalog = parse({"/flow/f": {"key": "/flow/f"}, "/model/m": {}}, all_actions=True)
    assert [spec.protocol for spec in catalog.values()] == ["callable", "reflection"]


ACTIONS: dict[str, tuple[dict[str, Any], tuple[Any, Any, Any]]] = {
    "nothing told": ({}, (None, None, None)),
    "null is not told": (
        {"inputSchema": None, "outputSchema": None, "streamSchema": None},
        (None, None, None),
    ),
    "Go": ({"inputSchema": A, "streamSchema": B, "outputSchema": C}, (A, B, C)),
    "only in the metadata": ({"metadata": {"inputSchema": A, "outputSchema": C}}, (A, None, C)),
    "null, but in the metadata": ({"inputSchema": None, "metadata": {"inputSchema": A}}, (A, None, None)),
    "the action wins over metadata": ({"inputSchema": A, "metadata": {"inputSchema": B}}, (A, None, None)),
    "metadata of another kind": ({"inputSchema": A, "metadata": [1]}, (A, None, None)),
    "true and empty are told": ({"inputSchema": True, "outputSchema": {}}, (True, None, {})),
}


@pytest.mark.parametrize("case", ACTIONS)
def test_the_schemas_of_an_action(case: str) -> None:
    action, schemas = ACTIONS[case]
    catalog = parse({"/flow/f": {"key": "/flow/f", "name": "f"} | action})
    assert told(catalog["f"]) == schemas
    for schema in (catalog["f"].input_schema, catalog["f"].output_schema):
        assert schema is None or (schema.root is schema.value and schema.pointer == "")


def test_actions_may_be_wrapped() -> None:
    """As version 2 of the reflection API answers `listActions`."""
    plain = {"/flow/f": {"key": "/flow/f", "name": "f", "inputSchema": A}}
    assert told(parse({"actions": plain})["f"]) == told(parse(plain)["f"]) == (A, None, None)
    assert len(parse({"actions": {}})) == len(parse({})) == 0


def test_the_key_tells_the_name_and_the_description_may_be_missing() -> None:
    catalog = parse(
        {
            "/flow/a": {"key": "/flow/z", "name": "y", "description": "Says a."},
            "/flow/b": {"name": 5, "description": 5},
        }
    )
    assert {name: spec.description for name, spec in catalog.items()} == {"a": "Says a.", "b": ""}


# --- OpenAPI ------------------------------------------------------------------------------------


class Dish(BaseModel):
    name: str


class Body(BaseModel):
    data: Dish
    init: dict[str, str] | None = None


class Message(BaseModel):
    message: int


class Result(BaseModel):
    result: list[Dish]


class Failure(BaseModel):
    error: dict[str, str]


class Frame(RootModel[Message | Result | Failure]):
    pass


class Loose(BaseModel):
    message: int | None = None
    result: list[Dish] | None = None
    error: dict[str, str] | None = None


app = FastAPI()


@app.post("/union", response_class=EventSourceResponse)
async def union(body: Body) -> AsyncIterable[Message | Result | Failure]:
    """Serve a dish."""
    yield Message(message=1)


@app.post("/api/root model", response_class=EventSourceResponse, summary="Serve a frame")
async def root_model(body: Body) -> AsyncIterable[Frame]:
    yield Frame(Message(message=1))


@app.post("/optional", response_class=EventSourceResponse)
async def optional(body: Body | None = None) -> AsyncIterable[Loose]:
    yield Loose(message=1)


@app.post("/unary")
async def unary(body: Body) -> Result:
    return Result(result=[])


@app.post("/no-flow")
async def no_flow(body: Dish) -> Result:
    return Result(result=[])


@app.post("/events-only", response_class=EventSourceResponse)
async def events_only(body: Dish) -> AsyncIterable[Message]:
    yield Message(message=1)


@app.get("/health")
async def health() -> str:
    return "OK"


DISH = {"$ref": "#/components/schemas/Dish"}


def test_fastapi() -> None:
    document = app.openapi()
    catalog = parse(document)
    assert document["openapi"].startswith("3.1")
    assert catalog.warnings == ()
    assert list(catalog) == ["union", "api/root model", "optional", "unary"]
    assert catalog["union"].description == "Serve a dish."
    assert catalog["api/root model"].description == "Serve a frame"
    assert catalog["api/root model"].path == "/api/root model"
    for name in ("union", "api/root model"):
        sent, chunk, output = told(catalog[name])
        assert sent == DISH
        assert chunk == {"type": "integer", "title": "Message"}
        assert output == {"type": "array", "items": DISH, "title": "Result"}
    sent, chunk, output = told(catalog["optional"])
    assert (sent, chunk["anyOf"][0], output["anyOf"][0]["items"]) == (DISH, {"type": "integer"}, DISH)
    assert told(catalog["unary"])[:2] == (DISH, None)
    assert catalog["unary"].input_schema is not None
    assert catalog["unary"].input_schema.root == document


MESSAGE = {"type": "object", "properties": {"message": B}, "required": ["message"]}
RESULT = {"type": "object", "properties": {"result": C}, "required": ["result"]}
ERROR = {"type": "object", "properties": {"error": {}}}
ENVELOPE = {"oneOf": [MESSAGE, RESULT, ERROR]}
BODY = {"type": "object", "properties": {"data": A}, "required": ["data"]}


def json_content(schema: Any, media_type: str = "application/json") -> dict[str, Any]:
    return {"content": {media_type: {"schema": schema}}}


def events(item: Any, media_type: str = "text/event-stream") -> dict[str, Any]:
    return {"content": {media_type: {"itemSchema": item}}}


def event(payload: Any) -> dict[str, Any]:
    """The event as an object, the payload in its field `data`."""
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": payload}
    return {"type": "object", "properties": {"data": data, "event": A}, "required": ["data"]}


def operation(body: Any, responses: Any, **more: Any) -> dict[str, Any]:
    return {"post": {"requestBody": body, "responses": responses} | more}


def one(item: Any) -> dict[str, Any]:
    return operation(json_content(BODY), {"200": events(item)})


def openapi(paths: Any, **more: Any) -> dict[str, Any]:
    return {"openapi": "3.2.0", "info": {"title": "t", "version": "1"}, "paths": paths} | more


def ref(pointer: str) -> dict[str, str]:
    return {"$ref": f"#/components/{pointer}"}


COMPONENTS: dict[str, dict[str, Any]] = {
    "schemas": {
        "Body": BODY,
        "Envelope": ENVELOPE,
        "Message": MESSAGE,
        "Result": RESULT,
        "a/b~c": MESSAGE,
        "Twice": ref("schemas/Envelope"),
    },
    "requestBodies": {"Body": json_content(ref("schemas/Body"))},
    "responses": {"Events": events(ref("schemas/Twice"))},
    "mediaTypes": {"Events": {"itemSchema": ENVELOPE}},
    "pathItems": {"Flow": one(ENVELOPE)},
}

FORMS: dict[str, tuple[dict[str, Any], tuple[Any, Any, Any]]] = {
    "the payload is the item": (one(ENVELOPE), (A, B, C)),
    "the payload is in the event": (one(event(ENVELOPE)), (A, B, C)),
    "contentSchema alone": (one({"type": "string", "contentSchema": ENVELOPE}), (A, B, C)),
    "the event's data is no string": (one({"properties": {"data": ENVELOPE, "id": A}}), (A, B, C)),
    "a union of events": (one({"oneOf": [event(MESSAGE), event(RESULT)]}), (A, B, C)),
    "anyOf": (one({"anyOf": [MESSAGE, RESULT]}), (A, B, C)),
    "nested unions": (one({"anyOf": [{"oneOf": [MESSAGE, ERROR]}, {"allOf": [RESULT]}]}), (A, B, C)),
    "one object": (one({"properties": {"message": B, "result": C, "error": {}}}), (A, B, C)),
    "no result": (one(MESSAGE), (A, B, None)),
    "no chunk": (one(event(RESULT)), (A, None, C)),
    "references": (
        operation(ref("requestBodies/Body"), {"200": ref("responses/Events")}),
        (A, B, C),
    ),
    "a path item by reference": (ref("pathItems/Flow"), (A, B, C)),
    "a media type by reference": (
        operation(json_content(BODY), {"200": {"content": {"text/event-stream": ref("mediaTypes/Events")}}}),
        (A, B, C),
    ),
    "escapes in references": (one({"anyOf": [ref("schemas/a~1b~0c"), ref("schemas/Result")]}), (A, B, C)),
    "percent escapes too": (one({"anyOf": [ref("schemas/a%7E1b~0c")]}), (A, B, None)),
    "a reference into a list": (one({"$ref": "#/components/schemas/Envelope/oneOf/0"}), (A, B, None)),
    "a discriminator changes nothing": (
        one(ENVELOPE | {"discriminator": {"propertyName": "kind"}}),
        (A, B, C),
    ),
    "201": (operation(json_content(BODY), {"422": events(MESSAGE), "201": events(ENVELOPE)}), (A, B, C)),
    "2XX": (operation(json_content(BODY), {"2XX": events(ENVELOPE)}), (A, B, C)),
    "default": (operation(json_content(BODY), {"default": events(ENVELOPE)}), (A, B, C)),
    "200 wins over default": (
        operation(json_content(BODY), {"default": events(RESULT), "200": events(MESSAGE)}),
        (A, B, None),
    ),
    "parameters and case of media types": (
        operation(
            json_content(BODY, "Application/JSON; charset=utf-8"),
            {"200": events(ENVELOPE, "TEXT/event-stream;charset=utf-8")},
        ),
        (A, B, C),
    ),
    "`schema` in the place of `itemSchema`": (
        operation(json_content(BODY), {"200": json_content(ENVELOPE, "text/event-stream")}),
        (A, B, C),
    ),
    "plain JSON": (operation(json_content(BODY), {"200": json_content(RESULT)}), (A, None, C)),
    "plain JSON tells the output": (
        operation(
            json_content(BODY),
            {"200": {"content": {**json_content(RESULT)["content"], **events(MESSAGE)["content"]}}},
        ),
        (A, B, C),
    ),
    "the event stream wins": (
        operation(
            json_content(BODY),
            {
                "200": {
                    "content": {
                        **json_content({"properties": {"result": A}})["content"],
                        **events(ENVELOPE)["content"],
                    }
                }
            },
        ),
        (A, B, C),
    ),
    "a body that may be null": (
        operation(json_content({"anyOf": [BODY, {"type": "null"}]}), {"200": events(ENVELOPE)}),
        (A, B, C),
    ),
    "init beside data": (
        operation(
            json_content({"properties": {"data": A, "init": B}, "required": ["data", "init"]}),
            {"200": events(ENVELOPE)},
        ),
        (A, B, C),
    ),
    "booleans are schemas": (
        operation(
            json_content({"properties": {"data": True}}), {"200": events({"properties": {"result": False}})}
        ),
        (True, None, False),
    ),
}


@pytest.mark.parametrize("case", FORMS)
def test_forms_of_a_flow(case: str) -> None:
    item, schemas = FORMS[case]
    catalog = parse(openapi({"/f": item}, components=COMPONENTS))
    assert catalog.warnings == ()
    assert told(catalog["f"]) == schemas
    assert catalog["f"].protocol == "callable"


def test_frames_of_one_kind_become_a_union() -> None:
    text = {"properties": {"message": A}}
    catalog = parse(openapi({"/a b": one({"anyOf": [MESSAGE, text, RESULT]})}))
    chunk = catalog["a b"].chunk_schema
    assert chunk is not None
    place = "#/paths/~1a%20b/post/responses/200/content/text~1event-stream/itemSchema/anyOf"
    assert chunk.value == {
        "anyOf": [{"$ref": f"{place}/0/properties/message"}, {"$ref": f"{place}/1/properties/message"}]
    }
    assert chunk.root["paths"]


NO_FLOWS: dict[str, Any] = {
    "another method": {"get": one(ENVELOPE)["post"], "put": one(ENVELOPE)["post"]},
    "no body": {"post": {"responses": {"200": events(ENVELOPE)}}},
    "another body": operation(json_content(A), {"200": events(ENVELOPE)}),
    "a body with more in it": operation(
        json_content(BODY | {"required": ["data", "user"]}), {"200": events(ENVELOPE)}
    ),
    "a form": operation(json_content(BODY, "multipart/form-data"), {"200": events(ENVELOPE)}),
    "another answer": operation(json_content(BODY), {"200": json_content(A)}),
    "other events": one(event(A)),
    "events of which nothing is told": one(event({})),
    "only errors": one(ERROR),
    "only failures are told": operation(json_content(BODY), {"404": events(ENVELOPE)}),
    "a template that is no flow": {"post": {"parameters": []}},
    "nothing": {},
}


@pytest.mark.parametrize("case", NO_FLOWS)
def test_other_operations_are_passed_over_silently(case: str) -> None:
    catalog = parse(openapi({"/f": NO_FLOWS[case], "/ok": one(ENVELOPE)}))
    assert (list(catalog), catalog.warnings) == (["ok"], ())


BROKEN: dict[str, tuple[Any, str]] = {
    "a dangling reference": (one(ref("schemas/Nowhere")), "'#/components/schemas/Nowhere' leads nowhere"),
    "an index that is none": (one(ref("schemas/Envelope/oneOf/01")), "leads nowhere"),
    "an index beyond": (one(ref("schemas/Envelope/oneOf/3")), "leads nowhere"),
    "a file": (
        one({"$ref": "file:///etc/passwd"}),
        "'file:///etc/passwd' is no reference within the document",
    ),
    "another document": (one({"$ref": "../x.json#/A"}), "is no reference within the document"),
    "a URL": (one({"$ref": "http://evil/x.json"}), "is no reference within the document"),
    "an endless reference": (one({"$ref": "#/" + "a/" * 5000}), "is no reference within the document"),
    "a reference that is no string": (one({"$ref": ["#/components"]}), "a '$ref' is a list, not a string"),
    "a circle": (one(ref("schemas/Circle")), "its references lead in a circle"),
    "a union that is none": (one({"anyOf": MESSAGE}), "its 'anyOf' is an object, not a list"),
    "too many frames": (one({"anyOf": [MESSAGE] * 17}), "its envelope is made of more than 16 schemas"),
    "an input that is no schema": (
        operation(json_content({"properties": {"data": [A]}}), {"200": events(ENVELOPE)}),
        "a schema is a list, not an object",
    ),
    "a chunk that is no schema": (one({"properties": {"message": "string"}}), "a schema is a string"),
    "an output that is no schema": (one({"properties": {"result": 1}}), "a schema is a number"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_part_spoils_its_own_flow_only(case: str) -> None:
    item, reason = BROKEN[case]
    schemas = COMPONENTS["schemas"] | {"Circle": ref("schemas/Circle")}
    catalog = parse(
        openapi({"/bad": item, "/ok": one(ENVELOPE)}, components=COMPONENTS | {"schemas": schemas})
    )
    assert list(catalog) == ["ok"]
    [warning] = catalog.warnings
    assert warning.startswith("POST '/bad' is skipped: ")
    assert reason in warning


def test_a_recursive_envelope_ends() -> None:
    """A union that contains itself says what its other members say."""
    again = {"anyOf": [MESSAGE, ref("schemas/Again"), RESULT]}
    document = openapi({"/f": one(ref("schemas/Again"))}, components={"schemas": {"Again": again}})
    assert told(parse(document)["f"]) == (A, B, C)


def test_the_version_decides_nothing_but_2_0_is_refused() -> None:
    for version in ("3.0.3", "3.1.0", "3.2.0", "4", None):
        assert list(parse({"openapi": version, "paths": {"/f": one(ENVELOPE)}})) == ["f"]
    with pytest.raises(DiscoveryError, match=r"found a Swagger 2\.0 document: convert it to OpenAPI 3"):
        parse({"swagger": "2.0", "paths": {"/f": one(ENVELOPE)}})


# --- names --------------------------------------------------------------------------------------

PATHS = {
    "/menu": "menu",
    "/my-flow/v2": "my-flow/v2",
    "/my%20flow": "my flow",
    "/caf%C3%A9": "café",
    "/__class__": "__class__",
    "/1st": "1st",
    "/100%": "100%",
    "/a:b@c": "a:b@c",
    "/...": "...",
}


@pytest.mark.parametrize("path", PATHS)
def test_names_from_paths(path: str) -> None:
    catalog = parse(openapi({path: one(ENVELOPE)}))
    assert (list(catalog), catalog.warnings) == ([PATHS[path]], ())
    assert catalog[PATHS[path]].path == f"/{PATHS[path]}"


REFUSED_PATHS: dict[str, str] = {
    "": "does not begin with a single '/'",
    "menu": "does not begin with a single '/'",
    "//evil/x": "does not begin with a single '/'",
    "http://evil/x": "does not begin with a single '/'",
    "/{id}": "is a template",
    "/a/{id}/b": "is a template",
    "/": "empty, '.' or '..' segment",
    "/a/": "empty, '.' or '..' segment",
    "/a//b": "empty, '.' or '..' segment",
    "/./a": "empty, '.' or '..' segment",
    "/../a": "empty, '.' or '..' segment",
    "/a/%2e%2E/b": "empty, '.' or '..' segment",
    "/a%2fb": "an encoded slash",
    "/a?b": "a control character, '\\', '?', '#'",
    "/a#b": "a control character, '\\', '?', '#'",
    "/a%3Fb": "a control character, '\\', '?', '#'",
    "/a\\b": "a control character, '\\', '?', '#'",
    "/a\nb": "a control character",
    "/a%00b": "a control character",
    "/a\x1b[2Jb": "a control character",
    "/a\x9bb": "a control character",
    "/a\ud800b": "what is no text",
    "/%ff": "is not UTF-8",
    "/" + "a" * 1001: "has 1001 characters, more than 1000",
}


@pytest.mark.parametrize("path", REFUSED_PATHS, ids=[repr(path)[:30] for path in REFUSED_PATHS])
def test_refused_paths(path: str) -> None:
    catalog = parse(openapi({path: one(ENVELOPE), "/ok": one(ENVELOPE)}))
    assert list(catalog) == ["ok"]
    [warning] = catalog.warnings
    assert REFUSED_PATHS[path] in warning
    assert warning.isprintable()
    assert len(warning) < 300


REFUSED_KEYS = ["", "..", "a/../b", "a//b", "/a", "a/", "a\0b", "a\nb", "\ud800", "a\\b", "a" * 1_000_000]


@pytest.mark.parametrize("name", REFUSED_KEYS, ids=[repr(name)[:30] for name in REFUSED_KEYS])
def test_refused_names_of_actions(name: str) -> None:
    catalog = parse({f"/flow/{name}": {"key": "x"}, "/flow/ok": {}, f"/model/{name}": {}}, all_actions=True)
    assert list(catalog) == ["ok"]
    assert len(catalog.warnings) == 2
    assert all(len(warning) < 300 and warning.isprintable() for warning in catalog.warnings)


def test_refused_actions() -> None:
    broken = {
        "/flow/a": [1],
        "/flow/b": {"inputSchema": [A]},
        "/flow/c": None,
        "no/slash": {},
        "/flow/ok": {"key": ""},
    }
    catalog = parse(broken, all_actions=True)
    assert list(catalog) == ["ok"]
    assert catalog.warnings == (
        "action '/flow/a' is skipped: it is a list, not an object",
        "action '/flow/b' is skipped: a schema is a list, not an object",
        "action '/flow/c' is skipped: it is null, not an object",
        "action 'no/slash' is skipped: its key does not begin with '/'",
    )


def test_the_first_of_two_flows_of_one_name_wins() -> None:
    catalog = parse(openapi({"/a": one(ENVELOPE), "/%61": one(MESSAGE)}))
    assert told(catalog["a"]) == (A, B, C)
    assert catalog.warnings == ("a second flow 'a' is skipped: names are unique",)


# --- servers ------------------------------------------------------------------------------------

SERVERS: dict[str, tuple[Any, str | None]] = {
    "relative": ([{"url": "/"}, {"url": "/v1"}, {"url": "v1"}, {"url": ""}], None),
    "the document's own": ([{"url": "http://localhost:3400/v1"}], None),
    "another": ([{"url": "/"}, {"url": "https://evil.example/v1"}], "https://evil.example/v1"),
    "another port": ([{"url": "http://localhost:3401"}], "http://localhost:3401"),
    "no scheme": ([{"url": "//evil.example"}], "//evil.example"),
    "a template": ([{"url": "https://{host}/v1"}], "https://{host}/v1"),
    "no secrets": ([{"url": "https://u:p@evil.example/v1?key=secret"}], "https://evil.example/v1"),
    "wrong kinds": ([1, {"url": 2}, {}, None], None),
    "no list": ({"url": "https://evil.example"}, None),
}


@pytest.mark.parametrize("case", SERVERS)
def test_servers_are_never_followed(case: str) -> None:
    servers, named = SERVERS[case]
    expected = f"`servers` is ignored: flows are called on the client's base URL, not on {named!r}"
    for document in (
        openapi({"/f": one(ENVELOPE)}, servers=servers),
        openapi({"/f": one(ENVELOPE) | {"servers": servers}, "/g": one(ENVELOPE) | {"servers": servers}}),
        openapi({"/f": operation(json_content(BODY), {"200": events(ENVELOPE)}, servers=servers)}),
    ):
        catalog = parse(document)
        assert catalog["f"].path == "/f"
        assert catalog.warnings == ((expected,) if named else ())


# --- what is no catalog -------------------------------------------------------------------------

EXPECTED = "expected an OpenAPI 3 document or the answer of Genkit's /api/actions, as JSON"

NO_CATALOGS: dict[str, tuple[bytes, str]] = {
    "nothing": (b" \n", "nothing: it is empty"),
    "HTML": (b"<!doctype html><html><title>Log in\x1b</title>", r"an HTML page titled 'Log in\x1b'"),
    "HTML without a title": (b"\n<html>", "an HTML page"),
    "XML": (b"<?xml version='1.0'?>", "HTML or XML"),
    "YAML": (b"openapi: 3.2.0\npaths: {}", "YAML, it seems: convert it to JSON"),
    "a list": (b"[]", "JSON that is a list"),
    "a number": (b"12", "JSON that is a number"),
    "null": (b"null", "JSON that is null"),
    "a string": (b'"x"', "JSON that is a string"),
    "an error": (b'{"detail":"Not Found"}', "an object with the keys 'detail'"),
    "no paths": (b'{"openapi":"3.1.0"}', "an OpenAPI document without 'paths'"),
    "paths of another kind": (
        b'{"openapi":"3.1.0","paths":[]}',
        "an OpenAPI document whose 'paths' is no object",
    ),
    "cut short": (
        b'{"openapi":"3.1.0","pa',
        "JSON that was cut short (EOF while parsing a string at line 1 column 22)",
    ),
    "a typo": (b'{"a":1,}', "no JSON (trailing comma at line 1 column 8)"),
    "deep": (b'{"a":' * 300 + b"1" + b"}" * 300, "JSON nested too deeply (recursion limit exceeded"),
    "very deep": (b"[" * 1_000_000, "JSON nested too deeply (recursion limit exceeded"),
    "deep, and a surrogate": (b'["\\ud800",' + b"[" * 1000, "JSON nested too deeply"),
    "binary": (b"\x80\x81\x00", "no JSON (expected value at line 1 column 1)"),
    "a huge number": (b'{"openapi":' + b"9" * 100_000, "no JSON (number out of range"),
    "objects that are no actions": (b'{"a":{"name":"x"}}', "an object with the keys 'a'"),
}


@pytest.mark.parametrize("case", NO_CATALOGS)
def test_what_is_no_catalog(case: str) -> None:
    data, found = NO_CATALOGS[case]
    with pytest.raises(DiscoveryError) as raised:
        Catalog.parse(data, source="http://u:p@host/x?key=secret")
    message = str(raised.value)
    assert message.startswith(f"http://host/x: found {found}")
    assert message.endswith(EXPECTED)
    assert "secret" not in message
    assert message.isprintable()
    with pytest.raises(DiscoveryError):
        Catalog.parse(data.decode(errors="replace"), source="x")


def test_size_is_limited() -> None:
    with pytest.raises(DiscoveryError, match="found more than 32 MiB; expected"):
        Catalog.parse(b" " * (SIZE_LIMIT + 1), source="x")
    assert len(Catalog.parse(b"{}" + b" " * (SIZE_LIMIT - 2), source="x")) == 0


TEXT = '{"/flow/é\\ud83d\\ude00":{"key":"k"}}'

ENCODINGS: dict[str, bytes | str] = {
    "UTF-8": TEXT.encode(),
    "with a byte order mark": TEXT.encode("utf-8-sig"),
    "UTF-16, as PowerShell writes": TEXT.encode("utf-16"),
    "UTF-16, big endian": b"\xfe\xff" + TEXT.encode("utf-16-be"),
    "text": TEXT,
    "text with a byte order mark": "\ufeff" + TEXT,
}


@pytest.mark.parametrize("case", ENCODINGS)
def test_encodings(case: str) -> None:
    assert list(Catalog.parse(ENCODINGS[case], source="x")) == ["é😀"]


def test_a_lone_surrogate_spoils_nothing_beside_it() -> None:
    r"""JavaScript writes them as `\ud800`. What follows a backslash that is a character is no escape."""
    text = r'{"/flow/ok":{"key":"","description":"\ud800 \ud83d\ude00 \\ud800 \udc00"},"/flow/\udfff":{}}'
    catalog = Catalog.parse(text, source="x")
    assert catalog["ok"].description == "\ufffd 😀 \\ud800 \ufffd"
    assert list(catalog) == ["ok"]
    raw = Catalog.parse('{"/flow/ok":{"key":"","description":"\ud800"}}', source="x")
    assert raw["ok"].description == "\ufffd"


def test_nan_spoils_nothing() -> None:
    """Python's `json` writes it."""
    catalog = Catalog.parse('{"/flow/f":{"key":"","inputSchema":{"default":NaN}}}', source="x")
    assert list(catalog) == ["f"]


# --- files --------------------------------------------------------------------------------------


def test_load(tmp_path: Path) -> None:
    file = tmp_path / "flows#1?.json"
    file.write_text(json.dumps({"/flow/f": {"key": ""}, "/model/m": {}}))
    assert Catalog.load(file).source == str(file)
    assert list(Catalog.load(str(file), all_actions=True)) == ["f", "/model/m"]


MISSING: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no file": (lambda folder: folder / "none.json", "No such file or directory"),
    "a directory": (lambda folder: folder, "Is a directory"),
    "NUL": (lambda _: "a\0b", "embedded null byte"),
}


@pytest.mark.parametrize("case", MISSING)
def test_what_cannot_be_loaded(case: str, tmp_path: Path) -> None:
    path, reason = MISSING[case]
    with pytest.raises(DiscoveryError) as raised:
        Catalog.load(path(tmp_path))
    assert f": {reason}; a catalog is the path of a JSON file" in str(raised.value)
    assert str(raised.value).isprintable()


def test_load_reads_no_more_than_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "large.json"
    with file.open("wb") as writing:
        writing.truncate(SIZE_LIMIT + 1)
    with pytest.raises(DiscoveryError, match="found more than 32 MiB"):
        Catalog.load(file)


# --- the catalog itself -------------------------------------------------------------------------


def actions(*names: str) -> dict[str, Any]:
    return {f"/flow/{name}": {"key": f"/flow/{name}", "inputSchema": A} for name in names}


def test_a_catalog_is_a_mapping() -> None:
    catalog = parse(actions("b", "a", "c/d"))
    assert list(catalog) == list(catalog.flows) == ["b", "a", "c/d"]
    assert len(catalog) == 3
    assert "a" in catalog
    assert "x" not in catalog
    assert catalog.get("a") is catalog["a"] is catalog.flows["a"]
    assert catalog.get("x") is None
    assert catalog.get("x", 5) == 5
    assert dict(catalog) == dict(catalog.flows)


def test_a_catalog_never_changes() -> None:
    catalog: Any = parse(actions("a"))
    for change in (
        lambda: setattr(catalog, "source", "x"),
        lambda: setattr(catalog["a"], "name", "x"),
        lambda: catalog.flows.update(b=1),
        lambda: catalog.flows.__setitem__("b", 1),
    ):
        with pytest.raises((AttributeError, TypeError)):
            change()


def test_equality_is_by_content() -> None:
    catalog = parse(actions("a"))
    assert catalog == parse(actions("a"))
    assert catalog != parse(actions("b"))
    assert catalog != parse(actions("a"), source="elsewhere")
    assert catalog != parse(actions("a"), protocol="reflection")
    assert catalog != dict(catalog)


@pytest.mark.parametrize("copied", [lambda c: pickle.loads(pickle.dumps(c)), copy.copy, copy.deepcopy])
def test_copies_are_equal(copied: Callable[[Catalog], Catalog]) -> None:
    for document in (actions("a"), openapi({"/f": one(ENVELOPE), "//g": one(ENVELOPE)})):
        catalog = parse(document, protocol="reflection")
        again = copied(catalog)
        assert again == catalog
        assert (again.flows, again.source, again.warnings) == (
            catalog.flows,
            catalog.source,
            catalog.warnings,
        )


def test_the_document_is_not_copied_for_each_flow() -> None:
    catalog = parse(openapi({f"/f{n}": one(ENVELOPE) for n in range(3)}))
    assert len({id(spec.input_schema.root) for spec in catalog.values() if spec.input_schema}) == 1


REPRS = {
    "none": ([], "Catalog('http://localhost:3400/openapi.json', 0 flows)"),
    "one": (["menu"], "Catalog('http://localhost:3400/openapi.json', 1 flow: menu)"),
    "three": (
        ["echo", "menu", "my-flow/v2"],
        "Catalog('http://localhost:3400/openapi.json', 3 flows: echo, menu, my-flow/v2)",
    ),
    "an escape": (["a\u2028b"], r"Catalog('http://localhost:3400/openapi.json', 1 flow: a\u2028b)"),
}


@pytest.mark.parametrize("case", REPRS)
def test_repr(case: str) -> None:
    names, expected = REPRS[case]
    assert repr(parse(actions(*names))) == expected


def test_repr_is_short() -> None:
    long = repr(parse(actions(*(f"flow-{n}" * 10 for n in range(100))), source="s" * 1000))
    assert len(long) < 350
    assert ", 100 flows: flow-0flow-0" in long


UNKNOWN: dict[str, tuple[list[str], str, str]] = {
    "no flows": ([], "x", f"no flow 'x' in {SOURCE}, which has none"),
    "few": (
        ["menu", "echo"],
        "manu",
        f"no flow 'manu' in {SOURCE}, which has menu, echo; did you mean 'menu'?",
    ),
    "close": (
        ["menu", *(f"flow-{n}" for n in range(20))],
        "manu",
        f"no flow 'manu' in {SOURCE} among 21; did you mean 'menu'?",
    ),
    "three close ones": (
        ["my-flow", "my_flow", "myflow", "my-flows", *(f"x{n}" for n in range(20))],
        "my.flow",
        f"no flow 'my.flow' in {SOURCE} among 24; did you mean 'myflow' or 'my_flow' or 'my-flow'?",
    ),
    "nothing like it": (
        [f"x{n}" for n in range(20)],
        "menu",
        f"no flow 'menu' in {SOURCE} among 20; and none like it",
    ),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_unknown_flows(case: str) -> None:
    names, asked, message = UNKNOWN[case]
    catalog = parse(actions(*names))
    with pytest.raises(UnknownFlowError) as raised:
        catalog[asked]
    assert str(raised.value) == message
    assert isinstance(raised.value, KeyError)
    assert isinstance(raised.value, AttributeError)


# --- speed --------------------------------------------------------------------------------------


def large(flows: int) -> bytes:
    schemas = {f"In{n}": {"type": "object", "properties": {"a": A, "b": B, "c": C}} for n in range(flows)}
    frames = {"anyOf": [ref("schemas/Message"), ref("schemas/Result")]}
    paths = {
        f"/flow-{n}": operation(
            json_content({"properties": {"data": ref(f"schemas/In{n}")}}), {"200": events(event(frames))}
        )
        for n in range(flows)
    }
    return json.dumps(openapi(paths, components={"schemas": schemas | COMPONENTS["schemas"]})).encode()


def calls(run: Callable[[], Any]) -> int:
    """How often functions are entered and left: the same on every machine, unlike seconds."""
    count = 0

    def add(*_: object) -> None:
        nonlocal count
        count += 1

    before = sys.getprofile()
    sys.setprofile(add)
    try:
        run()
    finally:
        sys.setprofile(before)
    return count


def test_many_flows_take_linear_time() -> None:
    """Measured, without coverage: 0.75 s for 10,000."""
    few, many = large(250), large(2_500)
    assert len(parse(json.loads(many))) == 2_500
    took = calls(lambda: Catalog.parse(many, source="x"))
    assert took < 11 * calls(lambda: Catalog.parse(few, source="x"))


def test_what_many_flows_share_is_cheap() -> None:
    """A small document cannot cost much more than its flows are many."""
    chain = {f"H{n}{hop}": ref(f"schemas/H{n}{hop + 1}") for n in range(7) for hop in range(3)}
    ends = {f"H{n}3": {"properties": {"data": A, "message": B, "result": C}} for n in range(7)}
    all_of = {"All": {"anyOf": [ref(f"schemas/H{n}0") for n in range(7)]}}
    shared = operation(json_content(ref("schemas/All")), {"200": events({"anyOf": [ref("schemas/All")]})})
    components = {"schemas": chain | ends | all_of, "pathItems": {"Flow": shared}}
    document = json.dumps(
        openapi({f"/f{n}": ref("pathItems/Flow") for n in range(500)}, components=components)
    )
    assert len(Catalog.parse(document, source="x")) == 500
    assert calls(lambda: Catalog.parse(document, source="x")) < 500 * 10_000


@pytest.mark.parametrize("asked", ["flow-99999", "ab" * 500, "zzz"])
def test_an_unknown_flow_among_many_is_no_wait(asked: str) -> None:
    """Names that differ little are what `difflib` is slowest with."""
    names = [f"{n:b}".translate(str.maketrans("01", "ab")).rjust(16, "a") * 40 for n in range(10_000)]
    catalog = parse(actions(*names))

    def look_up() -> None:
        with pytest.raises(UnknownFlowError):
            catalog[asked]

    assert calls(look_up) < 3_000_000


# --- whatever the JSON --------------------------------------------------------------------------

WORDS = [
    *(
        "openapi",
        "paths",
        "/f",
        "/{x}",
        "post",
        "servers",
        "url",
        "requestBody",
        "content",
        "application/json",
    ),
    *(
        "schema",
        "properties",
        "data",
        "message",
        "result",
        "error",
        "responses",
        "200",
        "default",
        "required",
    ),
    *("text/event-stream", "itemSchema", "contentSchema", "oneOf", "anyOf", "allOf", "$ref", "components"),
    *("/flow/a", "/flow/b", "/model/m", "key", "name", "description", "inputSchema", "metadata", "actions"),
    *("#", "#/paths", "#/components/schemas/A", "#/paths/~1f/post", "http://evil/", ""),
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=20,
)


def spoilt(node: Any, path: list[int], junk: Any) -> Any:
    """A copy in which one part is something else."""
    if not path or not isinstance(node, dict | list) or not node:
        return junk
    at = path[0] % len(node)
    if isinstance(node, list):
        return [*node[:at], spoilt(node[at], path[1:], junk), *node[at + 1 :]]
    key = list(node)[at]
    return node | {key: spoilt(node[key], path[1:], junk)}


GOOD = [
    openapi({"/f": one(event(ENVELOPE)), "/g": FORMS["references"][0]}, components=COMPONENTS),
    actions("a", "b"),
    json.loads((CAPTURES / "actions-py.json").read_bytes()),
]
SPOILT = st.builds(
    spoilt, st.sampled_from(GOOD), st.lists(st.integers(0, 5), min_size=1, max_size=14), ANYTHING
)


def parsed(data: bytes | str) -> Catalog | None:
    """None: no catalog, which the error says in one short line."""
    try:
        return Catalog.parse(data, source=SOURCE, all_actions=True)
    except DiscoveryError as error:
        message = str(error)
    assert message.isprintable()
    assert len(message) < 600
    return None


def parses_or_says_why(document: Any) -> None:
    catalog = parsed(json.dumps(document))
    if catalog is None:
        return
    assert repr(catalog).isprintable()
    assert all(warning.isprintable() and len(warning) < 400 for warning in catalog.warnings)
    for spec in catalog.values():
        for schema in (spec.input_schema, spec.chunk_schema, spec.output_schema):
            assert schema is None or isinstance(schema.value, dict | bool)


@given(ANYTHING)
def test_any_json_parses_or_says_why(document: Any) -> None:
    parses_or_says_why(document)


@given(SPOILT)
def test_a_spoilt_document_parses_or_says_why(document: Any) -> None:
    parses_or_says_why(document)


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_say_why(data: bytes) -> None:
    parsed(data)


@pytest.mark.parametrize("data", [[], 5, None])
def test_what_is_neither_bytes_nor_text_is_refused(data: Any) -> None:
    with pytest.raises(TypeError, match="bytes or text"):
        Catalog.parse(data, source="x")
