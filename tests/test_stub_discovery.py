"""How the stub describes its flows: `/openapi.json` in every dialect, `/api/actions` in each runtime's words.

`openapi-3.2-schema.json` is the OpenAPI Initiative's own (https://spec.openapis.org/oas/3.2/schema/2025-11-23,
Apache-2.0), as openapi-spec-validator 0.9.0 ships it.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, get_args
from urllib.parse import quote

import jsonschema_rs
import pytest
from pydantic import BaseModel, Field

from streamflow_client.testing import FlowFailure, StubServer, faults
from streamflow_client.testing.dialects import DIALECTS, DialectName
from stub_talk import Response, ask, events, send, stream

Capture = Callable[[str], bytes]

OFFICIAL = jsonschema_rs.validator_for(
    json.loads((Path(__file__).parent / "openapi-3.2-schema.json").read_bytes()), validate_formats=True
)
EVERY_DIALECT = pytest.mark.parametrize("dialect", get_args(DialectName))


class Dish(BaseModel):
    name: str = Field(alias="dishName")
    sides: list["Dish"]


DISH: dict[str, Any] = {"dishName": "a", "sides": [{"dishName": "b", "sides": []}]}


class Order(BaseModel):
    theme: Annotated[str, Field(min_length=1)]
    dishes: list[Dish] = []


class Failure(BaseModel):
    """A model of the same name as the document's own."""

    reason: str


def serve(dialect: DialectName = "express", **options: Any) -> StubServer:
    stub = StubServer(dialect, **options)

    @stub.flow(description="Takes an order.")
    def menu(order: Order, send: Callable[[Dish], None]) -> list[Dish]:
        for dish in order.dishes:
            send(dish)
        if order.theme == "fail":
            raise FlowFailure("NOT_FOUND", "no such theme", {"theme": order.theme})
        return order.dishes

    @stub.flow
    def again(order: Order | None = None) -> Order | None:
        return order

    @stub.flow
    def mishap(failure: Failure) -> Failure:
        return failure

    @stub.flow("team/a {b}", path="/team/a {b}")
    def bare(request, send=None):  # type: ignore[no-untyped-def]
        return request

    @stub.flow
    def ping() -> None: ...

    return stub


@pytest.fixture(scope="module")
def document() -> Iterator[dict[str, Any]]:
    with serve() as stub:
        yield send(stub, "GET", "/openapi.json").json


def at(document: dict[str, Any], *keys: str) -> jsonschema_rs.Validator:
    """What the schema that stands there says, with the whole document for its references."""
    pointer = "".join("/" + quote(key.replace("~", "~0").replace("/", "~1")) for key in keys)
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return jsonschema_rs.validator_for({"$schema": dialect, "$ref": "#" + pointer, **document})


def post(document: dict[str, Any], path: str) -> dict[str, Any]:
    operation: dict[str, Any] = document["paths"][path]["post"]
    return operation


def schemas_in(value: Any) -> Iterator[Any]:
    """Every schema of a document, wherever it stands."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("schema", "itemSchema"):
                yield inner
            elif key == "schemas":
                yield from inner.values()
            else:
                yield from schemas_in(inner)


# --- /openapi.json ----------------------------------------------------------------------------------


@EVERY_DIALECT
def test_every_dialect_serves_the_same_valid_openapi_3_2(
    dialect: DialectName, document: dict[str, Any]
) -> None:
    with serve(dialect) as stub:
        response = send(stub, "GET", "/openapi.json")
        assert (response.status, response.headers["content-type"]) == (200, "application/json")
        assert response.json == document
        assert [(r.method, r.path, r.flow) for r in stub.requests] == [("GET", "/openapi.json", None)]
    OFFICIAL.validate(document)
    assert document["openapi"].startswith("3.2.")
    found = list(schemas_in(document))
    assert len(found) > 10
    for schema in found:
        jsonschema_rs.meta.validate(schema)


def test_the_official_schema_is_no_formality(document: dict[str, Any]) -> None:
    for wrong in (
        {**document, "openapi": "3.1.0"},
        {key: value for key, value in document.items() if key != "info"},
        {**document, "paths": {"menu": {}}},
        {**document, "paths": {"/menu": {"post": {"responses": {"200": {"content": {"a/b": []}}}}}}},
        {**document, "components": {"schemas": {"a b": {}}}},
    ):
        assert not OFFICIAL.is_valid(wrong)


def test_a_flow_is_a_post_at_its_path(document: dict[str, Any]) -> None:
    assert list(document["paths"]) == ["/menu", "/again", "/mishap", "/team/a%20%7Bb%7D", "/ping"]
    assert all(list(item) == ["post"] for item in document["paths"].values())
    menu = post(document, "/menu")
    assert (menu["operationId"], menu["description"]) == ("menu", "Takes an order.")
    assert "description" not in post(document, "/again")
    assert post(document, "/team/a%20%7Bb%7D")["operationId"] == "team/a {b}"


def test_models_stand_once_and_go_by_their_wire_names(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    # A field with a default may be left out of an input, but never is of an output; pydantic tells
    # recursive models apart in any case.
    both = [f"{name}-{mode}" for name in ("Dish", "Order") for mode in ("Input", "Output")]
    assert sorted(schemas) == sorted([*both, "Failure", "Failure_"])
    assert "dishName" in schemas["Dish-Input"]["properties"]
    assert schemas["Dish-Input"]["properties"]["sides"]["items"] == {
        "$ref": "#/components/schemas/Dish-Input"
    }
    text = json.dumps(document)
    assert "$defs" not in text
    assert schemas["Failure"]["required"] == ["reason"]
    assert schemas["Failure_"]["required"] == ["status", "message"]


def test_what_is_not_annotated_is_left_open(document: dict[str, Any]) -> None:
    bare = post(document, "/team/a%20%7Bb%7D")
    content = bare["responses"]["200"]["content"]
    assert bare["requestBody"]["content"]["application/json"]["schema"] == {
        "type": "object",
        "properties": {"data": {}},
    }
    assert content["application/json"]["schema"]["properties"] == {"result": {}}
    message, result, _ = content["text/event-stream"]["itemSchema"]["oneOf"]
    assert (message["properties"], result["properties"]) == ({"message": {}}, {"result": {}})


@pytest.mark.parametrize(
    ("path", "valid", "invalid"),
    [
        ("/menu", [{"data": {"theme": "x", "dishes": [DISH]}}], [{}, {"data": {"theme": ""}}]),
        ("/again", [{}, {"data": None}, {"data": {"theme": "x"}}], [{"data": 1}]),
        ("/team/a%20%7Bb%7D", [{}, {"data": [1]}], [[], 1]),
        ("/ping", [{}, {"data": 1}], [None]),
    ],
)
def test_the_body_is_data(document: dict[str, Any], path: str, valid: list[Any], invalid: list[Any]) -> None:
    schema = at(document, "paths", path, "post", "requestBody", "content", "application/json", "schema")
    assert [body for body in valid if not schema.is_valid(body)] == []
    assert [body for body in invalid if schema.is_valid(body)] == []


def test_answers_are_as_described(document: dict[str, Any]) -> None:
    ok = ("paths", "/menu", "post", "responses", "200", "content")
    item = at(document, *ok, "text/event-stream", "itemSchema")
    result = at(document, *ok, "application/json", "schema")
    failed = at(document, "components", "responses", "Failed", "content", "application/json", "schema")
    order = {"theme": "x", "dishes": [DISH, DISH]}
    with serve() as stub:
        frames = events(stream(stub, "/menu", order))
        assert [list(frame) for frame in frames] == [["message"], ["message"], ["result"]]
        assert all(map(item.is_valid, frames))
        assert result.is_valid(ask(stub, "/menu", order).json)
        bad = {"theme": "fail"}
        assert failed.is_valid(ask(stub, "/menu", bad).json)
        assert item.is_valid(json.loads(stream(stub, "/menu", bad).body.removeprefix(b"error: ")))
    with serve("next") as stub:
        assert failed.is_valid(ask(stub, "/menu", bad).json)
    for frame in ({"message": {"name": "a"}}, {"result": 1}, {"error": "x"}, {}, {"other": 1}):
        assert not item.is_valid(frame)
    assert not result.is_valid({})
    assert not failed.is_valid({"detail": "Not Found"})


@pytest.mark.parametrize("path", ["/openapi.json", "/api/actions"])
def test_discovery_can_be_switched_off_and_spoiled(path: str) -> None:
    with serve() as stub:
        stub.always(path, faults.status(404))
        stub.script(path, faults.html_page(), faults.corrupt_json(), faults.drop(after_bytes=9))
        seen = [send(stub, "GET", path) for _ in range(5)]
        assert [response.status for response in seen] == [200, 200, 200, 404, 404]
        assert seen[0].body.startswith(b"<!DOCTYPE html>")
        assert seen[1].complete
        assert not seen[2].complete
        assert ask(stub, "/ping").status == 200, "flows are untouched"
        stub.always(path, None)
        assert send(stub, "GET", path).json
        assert [r.path for r in stub.requests].count(path) == 6


@pytest.mark.parametrize("path", ["/openapi.json", "/api/actions"])
def test_discovery_wants_the_key_as_flows_do(path: str) -> None:
    with serve(api_key="secret") as stub:
        assert send(stub, "GET", path).status == 401
        assert send(stub, "GET", path, authorization="Bearer secret").status == 200


def test_flows_declared_later_are_described_too() -> None:
    with StubServer() as stub:
        assert send(stub, "GET", "/openapi.json").json["paths"] == {}
        stub.flow("late")(lambda: None)
        assert list(send(stub, "GET", "/openapi.json").json["paths"]) == ["/late"]


# --- /api/actions -----------------------------------------------------------------------------------


def shape(action: dict[str, Any]) -> dict[str, Any]:
    """The keys, and those of `metadata`."""
    return {key: list(value) if key == "metadata" else None for key, value in action.items()}


@pytest.mark.parametrize(
    ("dialect", "file", "flow"),
    [
        ("express", "actions-js-menu.json", "menu"),
        ("express", "actions-js-odd.json", "void"),
        ("next", "actions-js-menu.json", "menu"),
        ("firebase", "actions-js-menu.json", "menu"),
        ("fastapi", "actions-py.json", "menu"),
        ("fastapi-old", "actions-py.json", "menu"),
        ("flask", "actions-py.json", "menu"),
    ],
)
def test_actions_have_the_shape_of_recorded_ones(
    dialect: DialectName, file: str, flow: str, capture: Capture
) -> None:
    stub = StubServer(dialect)

    @stub.flow
    def menu(request: Order, send: Callable[[Dish], None]) -> Order:
        return request

    @stub.flow
    def void(request, send=None):  # type: ignore[no-untyped-def]
        return request

    key = f"/flow/{flow}"
    with stub:
        response = send(stub, "GET", "/api/actions")
    made, real = response.json[key], json.loads(capture(file))[key]
    assert shape(made) == shape(real)
    assert (made["key"], made["name"]) == (real["key"], real["name"])
    assert response.headers["x-genkit-version"]


def test_only_go_tells_the_type_of_the_chunks() -> None:
    for dialect in DIALECTS:
        with serve(dialect) as stub:
            action = send(stub, "GET", "/api/actions").json["/flow/menu"]
            assert action["description"] == "Takes an order."
            assert action["inputSchema"] == Order.model_json_schema()
            assert ("streamSchema" in action) == (dialect == "go")
            if dialect == "go":
                assert action["streamSchema"] == Dish.model_json_schema(mode="serialization")
                assert action["metadata"].keys() == {"inputSchema", "outputSchema", "streamSchema"}


# --- the Reflection API -----------------------------------------------------------------------------


def run_action(stub: StubServer, name: str, value: object, query: str = "") -> Response:
    body = json.dumps({"key": f"/flow/{name}", "input": value}).encode()
    return send(stub, "POST", f"/api/runAction{query}", body)


def reflecting(dialect: DialectName) -> StubServer:
    stub = StubServer(dialect)

    class Item(BaseModel):
        name: str
        price: float

    @stub.flow
    def menu(theme: str, send: Callable[[Item], None]) -> dict[str, Any]:
        items = [Item(name=f"{theme} \u2028 日本 {i}", price=price) for i, price in enumerate((0.0, 1.5))]
        for item in items:
            send(item)
        return {"title": theme, "items": items}

    @stub.flow
    def boom(n: int, send: Callable[[int], None]) -> str:
        for number in range(n):
            send(number)
        raise FlowFailure("FAILED_PRECONDITION", "kaboom")

    @stub.flow
    def crash(n: int) -> str:
        raise RuntimeError("a secret")

    return stub


def recorded(capture: bytes, response: Response) -> tuple[dict[str, str], bytes]:
    """Headers and body of a capture, with the ids and the date of `response`."""
    head, _, body = capture.replace(b"\r\n", b"\n").partition(b"\n\n")
    pairs = (line.split(": ", 1) for line in head.decode().splitlines()[1:])
    headers = {name.lower(): value for name, value in pairs}
    for name in ("x-genkit-trace-id", "x-genkit-span-id"):
        body = body.replace(headers[name].encode(), response.headers[name].encode())
        headers[name] = response.headers[name]
    return {**headers, "date": response.headers["date"]}, body


@pytest.mark.parametrize("dialect", ["fastapi", "fastapi-old"])
@pytest.mark.parametrize(
    ("file", "flow", "value"),
    [
        ("reflection-py-stream.http", "menu", "x"),
        ("reflection-py-stream-failed.http", "boom", 2),
    ],
)
def test_python_reflects_as_recorded(
    dialect: DialectName, file: str, flow: str, value: Any, capture: Capture
) -> None:
    with reflecting(dialect) as stub:
        response = run_action(stub, flow, value, "?stream=true")
        assert (response.headers, response.body) == recorded(capture(file), response)


TRACE = "x-genkit-trace-id"

# What was measured at Genkit Python 0.12.0 and read in the source of Genkit Go, ids cut out.
TOLD: list[tuple[DialectName, str, Any, int, bytes]] = [
    (
        "fastapi",
        "crash",
        1,
        200,
        (
            b'{"error": {"details": {"stack": "", "traceId": "ID"}, '
            b'"message": "Error while running action crash: RuntimeError(\'a secret\')", "code": 13}}'
        ),
    ),
    ("fastapi", "nope", 1, 404, b'{"error":"Action not found: /flow/nope"}'),
    (
        "go",
        "nope",
        1,
        200,
        (
            b'{"error": {"details":{"stack":"goroutine 1 [running]:"},'
            b'"message":"action \\"/flow/nope\\" not found","code":5} }'
        ),
    ),
]


@pytest.mark.parametrize(("dialect", "flow", "value", "status", "body"), TOLD)
def test_failures_in_each_runtimes_words(
    dialect: DialectName, flow: str, value: Any, status: int, body: bytes
) -> None:
    with reflecting(dialect) as stub:
        response = run_action(stub, flow, value)
        told = response.body.replace(response.headers.get(TRACE, "none").encode(), b"ID")
        assert (response.status, told) == (status, body)


def test_python_tells_of_invalid_input_and_of_details() -> None:
    stub = reflecting("flask")

    @stub.flow
    def detailed() -> None:
        raise FlowFailure("ABORTED", "why not", {"why": "test"})

    with stub:
        error = run_action(stub, "boom", "x").json["error"]
        assert error["code"] == 3
        assert error["message"].startswith("Invalid input for action 'boom': 1 validation error for int\n")
        assert error["details"] == {"stack": "", "traceId": None, "reason": "INVALID_INPUT"}
        error = run_action(stub, "detailed", None).json["error"]
        assert error == {
            "details": {"stack": "", "traceId": None, "why": "test"},
            "message": "why not",
            "code": 10,
        }


def test_go_puts_spaces_around_its_failures() -> None:
    with reflecting("go") as stub:
        response = run_action(stub, "boom", 1, "?stream=true")
        chunk, last = response.body.split(b"\n")
        assert chunk == b"0"
        assert last.startswith(b'{"error": {"details":{"stack":')
        assert last.endswith(b'"message":"kaboom","code":9} }')
        assert json.loads(last)["error"]["details"]["traceId"] == response.headers[TRACE]


# (answer, the rest of the stream's body) of a cancelled run; the answers to an unknown run and to no id
CANCELS: dict[DialectName, tuple[bytes, bytes, tuple[int, bytes], tuple[int, bytes]]] = {
    "express": (
        b'{"message":"Action cancelled"}',
        (
            b'{"error":{"code":1,"message":"CANCELLED: The run was cancelled",'
            b'"details":{"stack":"","traceId":"ID"}}}'
        ),
        (404, b'{"message":"Action not found or already completed"}'),
        (400, b'{"error":"traceId is required"}'),
    ),
    "fastapi": (
        b'{"message":"Cancelled"}',
        b"",
        (404, b'{"message":"Not found"}'),
        (400, b'{"error":"traceId required"}'),
    ),
    "go": (
        b'{"message":"Action cancelled"}',
        b'{"error":{"details":{"traceId":"ID"},"message":"Action was cancelled","code":1}}\n',
        (404, b'{"error":"Action not found or already completed"}'),
        (400, b'{"message":"traceId is required","code":3}'),
    ),
}


@pytest.mark.parametrize("dialect", CANCELS)
def test_cancelling_in_each_runtimes_words(dialect: DialectName) -> None:
    answer, ending, unknown, missing = CANCELS[dialect]
    stub = StubServer(dialect)

    @stub.flow
    def cancelled(send: Callable[[int], None]) -> str:
        send(0)
        body = json.dumps({"traceId": stub.runs[0].trace_id}).encode()
        response = send_to(stub, body)
        assert (response.status, response.body) == (200, answer)
        return "too late"

    with stub:
        response = run_action(stub, "cancelled", None, "?stream=true")
        rest = response.body.replace(response.headers[TRACE].encode(), b"ID")
        assert rest == b"0\n" + ending
        for body, expected in ((b'{"traceId":"x"}', unknown), (b"{}", missing), (b"", missing)):
            response = send_to(stub, body)
            assert (response.status, response.body) == expected
        stub.wait_until(lambda: not stub._service.live)


def send_to(stub: StubServer, body: bytes) -> Response:
    return send(stub, "POST", "/api/cancelAction", body)
