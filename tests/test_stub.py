"""The stub server speaks as the recorded servers do, and records what happens."""

import asyncio
import json
import re
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from streamflow_client.testing import Call, FlowFailure, RunCancelled, StubServer, faults, plugin
from stub_talk import (
    STREAM,
    Caller,
    Response,
    ask,
    declare_flows,
    events,
    send,
    stream,
)

Capture = Callable[[str], bytes]

# What differs from run to run, and what stands at another place on a server without a proxy.
VOLATILE = {"date", "etag", "x-genkit-trace-id", "x-genkit-span-id", "x-genkit-stream-id"}


@pytest.fixture
def express() -> Iterator[StubServer]:
    with declare_flows(StubServer()) as stub:
        yield stub


@pytest.fixture
def go() -> Iterator[StubServer]:
    with declare_flows(StubServer("go")) as stub:
        yield stub


class Menu(BaseModel):
    theme: str
    items: Annotated[int, Field(ge=1)] = 3


def recorded(capture: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = capture.replace(b"\r\n", b"\n").partition(b"\n\n")
    first, *lines = head.decode().splitlines()
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return int(first.split()[1]), headers, body


def assert_like(response: Response, capture: bytes, *, same_body: bool = True) -> None:
    """Status, headers and body are those of a recorded response, but for what is volatile."""
    status, headers, body = recorded(capture)
    volatile = VOLATILE if same_body else {*VOLATILE, "content-length"}
    assert response.status == status
    assert response.headers.keys() == headers.keys()
    assert {k: v for k, v in response.headers.items() if k not in volatile} == {
        k: v for k, v in headers.items() if k not in volatile
    }
    if same_body:
        assert response.body == body
        assert response.headers.get("etag") == headers.get("etag")


# --- the callable protocol of Express ---


@pytest.mark.parametrize(
    ("file", "path", "value", "headers"),
    [
        ("express-stream-failed.http", "/boom", 3, {"accept": STREAM}),
        ("express-stream-undefined.http", "/void", None, {"accept": STREAM}),
        ("express-durable-stream.http", "/steady", 4, {"accept": STREAM}),
        ("express-unary-failed.http", "/boom", 3, {}),
        ("express-unary-undefined.http", "/void", None, {}),
        ("express-no-such-flow.http", "/nope", 1, {}),
    ],
)
def test_express_as_recorded(
    express: StubServer,
    capture: Capture,
    file: str,
    path: str,
    value: object,
    headers: dict[str, str],
) -> None:
    assert_like(ask(express, path, value, **headers), capture(file))


def test_express_stream_as_recorded(capture: Capture) -> None:
    stub = StubServer()

    @stub.flow
    def menu(request: Menu, send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        theme = request.theme
        items = [
            {"name": f"{theme} dish {i} ünïcødé 日本\u2028x", "price": price}
            for i, price in enumerate([0, 1.5, 3][: request.items])
        ]
        for item in items:
            send(item)
        return {"title": theme, "items": items}

    with stub:
        response = stream(stub, "/menu", {"theme": "café 日本"})
        assert_like(response, capture("express-stream.http"))
        assert response.chunks == [frame + b"\n\n" for frame in response.body.split(b"\n\n")[:-1]]
        plain = ask(stub, "/menu", {"theme": "café 日本", "items": 2})
        assert_like(plain, capture("express-unary.http"))
        assert len(plain.headers["x-genkit-trace-id"]) == 32
        assert len(plain.headers["x-genkit-span-id"]) == 16


def test_express_invalid_input_as_recorded(capture: Capture) -> None:
    stub = StubServer()

    @stub.flow
    def menu(request: Menu) -> None: ...

    with stub:
        response = ask(stub, "/menu", {"theme": 3})
        assert_like(response, capture("express-unary-invalid.http"), same_body=False)
        body, real = response.json, json.loads(recorded(capture("express-unary-invalid.http"))[2])
        assert list(body) == list(real) == ["details", "status", "message"]
        assert body["status"] == real["status"]
        assert body["details"].keys() == real["details"].keys()
        assert [e["path"] for e in body["details"]["errors"]] == ["theme"]
        opening = "Schema validation failed. Parse Errors:\n\n- theme: "
        assert body["message"].startswith(opening)
        assert real["message"].startswith(opening)
        assert '\n\nProvided data:\n\n{\n  "theme": 3\n}\n\nRequired JSON' in body["message"]
        (line,) = stream(stub, "/menu").chunks
        assert line.startswith(b'error: {"error":{"details":{"errors":[{"path":"(root)"')
        assert stub.run_count("menu") == 0


def test_express_malformed_body_as_recorded(express: StubServer, capture: Capture) -> None:
    response = send(express, "POST", "/count", b'{"data": ')
    assert_like(response, capture("express-malformed-body.http"), same_body=False)
    assert b"<pre>SyntaxError: " in response.body
    assert b"at JSON.parse" in response.body


def test_express_hides_what_is_not_public(express: StubServer, capture: Capture) -> None:
    assert recorded(capture("express-esm-stream-failed.http"))[2].endswith(stream(express, "/crash").body)
    plain = ask(express, "/crash")
    assert (plain.status, plain.json) == (
        500,
        {"message": "Internal Error", "status": "INTERNAL"},
    )


@pytest.mark.parametrize("accept", ["*/*", f"{STREAM}, */*", "Text/Event-Stream"])
def test_only_the_exact_accept_header_streams(express: StubServer, accept: str) -> None:
    response = ask(express, "/count", 2, accept=accept)
    assert response.json == {"result": "done"}
    assert not express.requests[0].streaming


def test_http_1_0_gets_a_body_that_ends_with_its_connection(express: StubServer) -> None:
    """RFC 9112, 6.1: no Transfer-Encoding for it. nginx asks its upstreams so unless told otherwise."""
    body = b'{"data":2}'
    head = f"POST /count HTTP/1.0\r\nAccept: {STREAM}\r\nContent-Length: {len(body)}\r\n\r\n"
    with Caller(express) as caller:
        caller.socket.sendall(head.encode() + body)
        while caller.more():
            pass
    answer, _, frames = caller.buffer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in answer.lower()
    assert frames == b'data: {"message":0}\n\ndata: {"message":1}\n\ndata: {"result":"done"}\n\n'


def test_gets_are_unknown(express: StubServer, go: StubServer) -> None:
    page = send(express, "GET", "/a<b>")
    assert page.status == 404
    assert b"<pre>Cannot GET /a&lt;b&gt;</pre>" in page.body
    plain = send(go, "GET", "/count")
    assert (plain.status, plain.body) == (404, b"404 page not found\n")


# --- resuming ---


def test_a_durable_stream_is_replayed_as_recorded(express: StubServer, capture: Capture) -> None:
    first = stream(express, "/steady", 4)
    stream_id = first.headers["x-genkit-stream-id"]
    again = send(express, "POST", "/steady", b"never read", accept=STREAM, x_genkit_stream_id=stream_id)
    assert_like(again, capture("express-durable-resumed.http"))
    assert again.body == first.body
    assert express.run_count("steady") == 1
    assert express.runs[0].stream_id == stream_id


@pytest.mark.parametrize("dialect", ["express", "go"])
def test_an_unknown_stream_is_no_content(dialect: Any, capture: Capture) -> None:
    with declare_flows(StubServer(dialect)) as stub:
        response = stream(stub, "/steady", x_genkit_stream_id="nope")
        assert (response.status, response.body) == (204, b"")
        assert "content-length" not in response.headers
        if dialect == "express":
            assert_like(response, capture("express-stream-unknown-id.http"))
        assert stub.runs == []


def test_streams_expire() -> None:
    with declare_flows(StubServer(stream_ttl=0)) as stub:
        old = stream(stub, "/steady", 1).headers["x-genkit-stream-id"]
        assert stream(stub, "/steady", x_genkit_stream_id=old).status == 204
    with declare_flows(StubServer()) as stub:
        fresh = stream(stub, "/steady", 1).headers["x-genkit-stream-id"]
        stub.expire_streams()
        assert stream(stub, "/steady", x_genkit_stream_id=fresh).status == 204


def test_a_flow_without_memory_runs_again(express: StubServer) -> None:
    response = stream(express, "/count", 1, x_genkit_stream_id="anything")
    assert events(response) == [{"message": 0}, {"result": "done"}]
    assert "x-genkit-stream-id" not in response.headers
    assert "x-genkit-stream-id" not in ask(express, "/steady", 1).headers


@pytest.mark.parametrize("dialect", ["express", "go"])
def test_a_durable_run_outlives_its_client_and_goes_on_live(dialect: Any) -> None:
    stub = StubServer(dialect)
    gates = [threading.Event(), threading.Event()]

    @stub.flow(durable=True)
    def slow(send: Callable[[int], None], call: Call) -> str | None:
        send(0)
        gates[0].wait(5)
        send(1)
        gates[1].wait(5)
        return None if call.client_gone.is_set() else call.stream_id

    with stub:
        with Caller(stub) as caller:
            caller.post("/slow", accept=STREAM)
            head = caller.head()
            assert caller.chunk() == b'data: {"message":0}\n\n'
        stub.wait_until(lambda: stub.runs[0].client_left)
        stream_id = head.decode().lower().split("stream-id: ")[1].split("\r\n")[0]
        with Caller(stub) as caller:
            caller.post("/slow", accept=STREAM, x_genkit_stream_id=stream_id)
            assert b"stream-id" not in caller.head().lower()
            assert caller.chunk() == b'data: {"message":0}\n\n'
            gates[0].set()
            assert caller.chunk() == b'data: {"message":1}\n\n'
            gates[1].set()
            assert caller.chunk() == b'data: {"result":"%b"}\n\n' % stream_id.encode()
        assert stub.runs[0].outcome == "finished"


# --- Go ---


def test_go_streams(go: StubServer) -> None:
    response = stream(go, "/count", 2)
    assert events(response) == [{"message": 0}, {"message": 1}, {"result": "done"}]
    assert response.headers["content-type"] == STREAM
    assert "keep-alive" not in response.headers
    assert "x-genkit-stream-id" in stream(go, "/steady", 1).headers
    # Go has no undefined
    assert stream(go, "/void").body.count(b"null") == 3


def test_go_failures(go: StubServer) -> None:
    error = {"status": "FAILED_PRECONDITION", "message": "kaboom"}
    assert events(stream(go, "/boom", 0)) == [{"error": error}]
    assert events(stream(go, "/crash")) == [{"error": {"status": "INTERNAL", "message": "internal"}}]
    plain = ask(go, "/boom", 0)
    assert (plain.status, plain.body) == (400, b"kaboom\n")
    assert plain.headers["content-type"] == "text/plain; charset=utf-8"
    assert send(go, "POST", "/count", b"{").status == 400
    assert ask(go, "/void").body == b'{"result":null}\n'


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x;ext=1\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


@pytest.mark.parametrize(("dialect", "status"), [("express", 200), ("go", 400)])
def test_chunked_request_bodies(dialect: Any, status: int) -> None:
    with declare_flows(StubServer(dialect)) as stub, Caller(stub) as caller:
        head = b"POST /count HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        data = head + chunked(b'{"data"', b": 1}")
        for start in range(0, len(data), 7):
            caller.socket.sendall(data[start : start + 7])
        assert caller.response().status == status
        assert stub.requests[0].json == {"data": 1}


# --- Python, Next, Firebase ---


def dishes(theme: str, items: int) -> list[dict[str, Any]]:
    prices = [0.0, 1.5, 3.0][:items]
    return [{"name": f"{theme} \u2028 日本 {i}", "price": price} for i, price in enumerate(prices)]


def python_server(dialect: Any) -> StubServer:
    """The flows that the recorded servers had."""
    stub = StubServer(dialect)

    @stub.flow
    def menu(request: Menu, send: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        items = dishes(request.theme, request.items)
        for item in items:
            send(item)
        return {"title": request.theme, "items": items}

    @stub.flow
    def kaboom(n: int, send: Callable[[int], None]) -> None:
        for number in range(n):
            send(number)
        raise RuntimeError("kaboom")

    return declare_flows(stub)


def any_pydantic(body: bytes) -> bytes:
    """Pydantic's errors link to the pages of its own version."""
    return re.sub(rb"errors\.pydantic\.dev/[\d.]+", b"errors.pydantic.dev/x", body)


@pytest.mark.parametrize(
    ("file", "path", "value", "accept"),
    [
        ("fastapi-stream.http", "/menu", {"theme": "café 日本"}, STREAM),
        ("fastapi-stream-failed.http", "/boom", 3, STREAM),
        ("fastapi-stream-invalid.http", "/menu", {"theme": 3}, STREAM),
        ("fastapi-unary.http", "/menu", {"theme": "café 日本", "items": 2}, "*/*"),
        ("fastapi-unary-invalid.http", "/menu", {"theme": 3}, "*/*"),
        ("flask-stream.http", "/count", 3, STREAM),
        ("flask-stream-failed.http", "/kaboom", 2, STREAM),
        ("flask-unary-failed.http", "/kaboom", 0, "*/*"),
    ],
)
def test_python_as_recorded(capture: Capture, file: str, path: str, value: object, accept: str) -> None:
    with python_server(file.partition("-")[0]) as stub:
        response = ask(stub, path, value, accept=accept)
    real = capture(file)
    assert_like(response, real, same_body=False)
    assert any_pydantic(response.body) == any_pydantic(recorded(real)[2])


UNCALLED = b'{"details":{"stack":null},"message":"None","status":"INTERNAL"}'
WRAPPED = b'flow request must be wrapped in {"data": data} object'
NOT_JSON = (
    b"<!doctype html>\n<html lang=en>\n<title>400 Bad Request</title>\n<h1>Bad Request</h1>\n"
    b"<p>The browser (or proxy) sent a request that this server could not understand.</p>\n"
)
BAD_REQUEST = b'{"error":{"message":"Bad Request","status":"INVALID_ARGUMENT"}}'
KABOOM = b'{"details":{"why":"test"},"message":"kaboom","status":"FAILED_PRECONDITION"}'
JS_KABOOM = b'{"details":{"why":"test"},"status":"FAILED_PRECONDITION","message":"kaboom"}'
JS_INTERNAL = b'{"message":"Internal Error","status":"INTERNAL"}'

# Measured at genkit-fastapi and genkit-flask 0.12.0 and firebase-functions 7.4.0, read in the source of
# genkit-plugin-fastapi 0.6.0 and @genkit-ai/next 1.42.0: (dialect, path, body, streaming) and what comes.
BEHAVIOUR: list[tuple[str, str, bytes, bool, int, bytes]] = [
    ("fastapi", "/boom", b'{"data":1}', False, 500, UNCALLED),
    (
        "fastapi",
        "/crash",
        b"{}",
        False,
        500,
        b'{"details":{"stack":""},"message":"a secret","status":"INTERNAL"}',
    ),
    ("fastapi", "/void", b"{}", False, 200, b'{"result":null}'),
    (
        "fastapi",
        "/void",
        b"{}",
        True,
        200,
        b'data: {"message":1}\n\n' + b'data: {"message":null}\n\n' * 2 + b'data: {"result":null}\n\n',
    ),
    ("fastapi", "/crash", b'{"x":1}', False, 400, UNCALLED),
    ("fastapi", "/crash", b"[1]", True, 400, UNCALLED),
    ("fastapi", "/crash", b"", False, 500, b"Internal Server Error"),
    ("fastapi", "/crash", b'{"data": ', True, 500, b"Internal Server Error"),
    ("fastapi", "/nope", b"{}", False, 404, b'{"detail":"Not Found"}'),
    (
        "fastapi-old",
        "/boom",
        b'{"data":1}',
        True,
        200,
        b'data: {"message":0}\n\nerror: {"error":%b}' % UNCALLED,
    ),
    (
        "fastapi-old",
        "/count",
        b'{"data":1}',
        True,
        200,
        b'data: {"message":0}\n\ndata: {"result":"done"}\n\n',
    ),
    ("fastapi-old", "/boom", b'{"data":1}', False, 500, UNCALLED),
    ("flask", "/boom", b'{"data":1}', False, 500, UNCALLED),
    ("flask", "/boom", b'{"data":1}', True, 200, b'data: {"message":0}\n\ndata: {"error":%b}\n\n' % UNCALLED),
    ("flask", "/count", b'{"data":1}', False, 200, b'{"result":"done"}\n'),
    ("flask", "/sorted", b'{"data":null}', False, 200, b'{"result":{"a":"\\u00e9","b":1}}\n'),
    ("flask", "/sorted", b'{"data":null}', True, 200, b'data: {"result":{"b":1,"a":"\\u00e9"}}\n\n'),
    ("flask", "/crash", b"{}", False, 400, WRAPPED),
    ("flask", "/crash", b"", False, 400, NOT_JSON),
    ("flask", "/crash", b'{"data": ', True, 400, NOT_JSON),
    ("flask", "/crash", b"[1]", True, 400, WRAPPED),
    ("next", "/count", b'{"data":1}', True, 200, b'data: {"message":0}\n\ndata: {"result":"done"}\n\nEND'),
    ("next", "/count", b'{"data":1}', False, 200, b'{"result":"done"}'),
    ("next", "/void", b"{}", False, 200, b"{}"),
    ("next", "/boom", b'{"data":1}', True, 200, b'data: {"message":0}\n\nerror: %b\n\nEND' % JS_KABOOM),
    ("next", "/boom", b'{"data":1}', False, 400, b'{"error":%b}' % JS_KABOOM),
    ("next", "/crash", b"{}", True, 200, b"error: %b\n\nEND" % JS_INTERNAL),
    ("next", "/crash", b"{}", False, 500, b'{"error":%b}' % JS_INTERNAL),
    ("next", "/crash", b"", False, 500, b""),
    ("next", "/crash", b'{"data": ', True, 500, b""),
    (
        "firebase",
        "/boom",
        b'{"data":1}',
        True,
        200,
        b'data: {"message":0}\n\ndata: {"error":%b}\n\n' % KABOOM,
    ),
    ("firebase", "/boom", b'{"data":1}', False, 400, b'{"error":%b}' % KABOOM),
    (
        "firebase",
        "/crash",
        b'{"data":1}',
        False,
        500,
        b'{"error":{"message":"INTERNAL","status":"INTERNAL"}}',
    ),
    (
        "firebase",
        "/count",
        b'{"data":"x"}',
        False,
        500,
        b'{"error":{"message":"INTERNAL","status":"INTERNAL"}}',
    ),
    (
        "firebase",
        "/count",
        b'{"data":"x"}',
        True,
        200,
        b'data: {"error":{"message":"INTERNAL","status":"INTERNAL"}}\n\n',
    ),
    ("firebase", "/void", b'{"data":null}', False, 200, b'{"result":null}'),
    ("firebase", "/crash", b"{}", False, 400, BAD_REQUEST),
    ("firebase", "/crash", b"", False, 400, BAD_REQUEST),
    ("firebase", "/crash", b"[]", False, 400, BAD_REQUEST),
    ("firebase", "/crash", b'{"data":1,"init":2}', False, 400, BAD_REQUEST),
    ("firebase", "/crash", b"{}", True, 200, b"data: %b\n\n" % BAD_REQUEST),
]


@pytest.mark.parametrize(("dialect", "path", "body", "streaming", "status", "expected"), BEHAVIOUR)
def test_each_dialect_answers_as_its_server(
    dialect: Any, path: str, body: bytes, streaming: bool, status: int, expected: bytes
) -> None:
    stub = declare_flows(StubServer(dialect))

    @stub.flow("sorted")
    def unsorted(_: None) -> dict[str, Any]:
        return {"b": 1, "a": "é"}

    with stub:
        response = send(stub, "POST", path, body, accept=STREAM if streaming else "*/*")
        assert (response.status, response.body) == (status, expected)
        assert response.complete
        assert stub.requests[0].streaming == streaming


UNKNOWN_PATHS = [
    ("express", b"<pre>Cannot POST /nope</pre>", {"x-powered-by": "Express"}),
    ("next", b"<title>404: This page could not be found.</title>", {"x-powered-by": "Next.js"}),
    ("firebase", b"<pre>Cannot POST /nope</pre>", {"x-powered-by": "Express"}),
    ("go", b"404 page not found\n", {"x-content-type-options": "nosniff"}),
    ("fastapi", b'{"detail":"Not Found"}', {"server": "uvicorn"}),
    ("fastapi-old", b'{"detail":"Not Found"}', {"server": "uvicorn"}),
    ("flask", b"<title>404 Not Found</title>", {"connection": "close"}),
]


@pytest.mark.parametrize(("dialect", "body", "headers"), UNKNOWN_PATHS)
@pytest.mark.parametrize("accept", ["*/*", STREAM])
def test_paths_without_a_flow(dialect: Any, accept: str, body: bytes, headers: dict[str, str]) -> None:
    with declare_flows(StubServer(dialect)) as stub:
        response = ask(stub, "/nope", 1, accept=accept)
        assert response.status == 404
        assert body in response.body
        assert headers.items() <= response.headers.items()
        assert stub.runs == []


CONTENT_TYPES = [
    ("next", STREAM, "application/json"),
    ("firebase", None, "application/json; charset=utf-8"),
    ("fastapi", f"{STREAM}; charset=utf-8", "application/json"),
    ("flask", "text/html; charset=utf-8", "application/json"),
]


@pytest.mark.parametrize(("dialect", "streamed", "plain"), CONTENT_TYPES)
def test_content_types(dialect: Any, streamed: str | None, plain: str) -> None:
    with declare_flows(StubServer(dialect)) as stub:
        assert stream(stub, "/count", 1).headers.get("content-type") == streamed
        assert ask(stub, "/count", 1).headers["content-type"] == plain


@pytest.mark.parametrize("dialect", ["fastapi", "fastapi-old", "flask"])
def test_python_is_not_strict_about_accept(dialect: Any) -> None:
    with declare_flows(StubServer(dialect)) as stub:
        for path, accept in (("/count", f"{STREAM}, */*"), ("/count?stream=true", "*/*")):
            assert ask(stub, path, 1, accept=accept).body.startswith(b'data: {"message":0}')
        assert ask(stub, "/count?stream=false", 1).json == {"result": "done"}


@pytest.mark.parametrize("dialect", ["next", "firebase"])
@pytest.mark.parametrize("accept", ["*/*", f"{STREAM}, */*", "Text/Event-Stream"])
def test_next_and_firebase_want_the_exact_accept_header(dialect: Any, accept: str) -> None:
    with declare_flows(StubServer(dialect)) as stub:
        assert ask(stub, "/count", 1, accept=accept).json == {"result": "done"}
        assert ask(stub, "/count?stream=true", 1).json == {"result": "done"}


DENIED = [
    ("fastapi", False, 401, b'{"detail":"Not authenticated"}'),
    ("flask", True, 401, b"<title>401 Unauthorized</title>"),
    ("next", False, 401, b'{"error":{"status":"UNAUTHENTICATED","message":"Unauthenticated"}}'),
    ("next", True, 401, b'error: {"status":"UNAUTHENTICATED","message":"Unauthenticated"}\n\nEND'),
    ("firebase", False, 401, b'{"error":{"message":"Unauthenticated","status":"UNAUTHENTICATED"}}'),
    ("firebase", True, 200, b'data: {"error":{"message":"Unauthenticated","status":"UNAUTHENTICATED"}}\n\n'),
]


@pytest.mark.parametrize(("dialect", "streaming", "status", "body"), DENIED)
def test_each_dialect_denies(dialect: Any, streaming: bool, status: int, body: bytes) -> None:
    with declare_flows(StubServer(dialect, api_key="secret")) as stub:
        response = ask(stub, "/count", 1, accept=STREAM if streaming else "*/*")
        assert response.status == status
        assert body in response.body
        allowed = ask(stub, "/count", 1, x_api_key="secret")
        assert allowed.json == {"result": "done"}


def test_next_resumes_and_wraps_only_what_it_replays() -> None:
    stub = declare_flows(StubServer("next"))

    @stub.flow(durable=True)
    def failing(send: Callable[[int], None]) -> None:
        send(0)
        raise FlowFailure("ABORTED", "no")

    error = b'{"status":"ABORTED","message":"no"}'
    with stub:
        first = stream(stub, "/failing")
        stream_id = first.headers["x-genkit-stream-id"]
        assert first.body == b'data: {"message":0}\n\nerror: %b\n\nEND' % error
        again = stream(stub, "/failing", x_genkit_stream_id=stream_id)
        assert again.body == b'data: {"message":0}\n\nerror: {"error":%b}\n\nEND' % error
        assert again.headers["x-genkit-stream-id"] == stream_id
        assert stream(stub, "/failing", x_genkit_stream_id="nope").status == 204
        assert stub.run_count("failing") == 1


@pytest.mark.parametrize("dialect", ["fastapi", "fastapi-old", "flask", "firebase"])
def test_who_cannot_resume_runs_again(dialect: Any) -> None:
    with declare_flows(StubServer(dialect)) as stub:
        for _ in range(2):
            response = stream(stub, "/steady", 1, x_genkit_stream_id="anything")
            assert events(response) == [{"message": 0}, {"result": "done"}]
            assert "x-genkit-stream-id" not in response.headers
        assert stub.run_count("steady") == 2
        assert {run.stream_id for run in stub.runs} == {None}


@pytest.mark.parametrize("fault", [None, faults.pieces(3)])
def test_firebase_pings_in_silence(fault: faults.Faults) -> None:
    stub = declare_flows(StubServer("firebase", heartbeat=0.01))
    stub.script("patient", fault)
    ping = b": ping\n\n"
    with stub, Caller(stub) as caller:
        caller.post("/patient", None, accept=STREAM)
        caller.head()
        while caller.chunk() != b'data: {"message":0}\n\n':
            pass  # it may ping before the flow begins
        assert [caller.chunk() for _ in range(3)] == [ping] * 3


@pytest.mark.parametrize("dialect", ["express", "go", "next", "fastapi", "flask"])
def test_nobody_else_pings(dialect: Any) -> None:
    stub = declare_flows(StubServer(dialect, heartbeat=0.001))
    gate = threading.Event()

    @stub.flow
    def silent(_: Any, send: Callable[[int], None]) -> None:
        send(0)
        gate.wait(5)
        send(1)

    with stub, Caller(stub) as caller:
        caller.post("/silent", None, accept=STREAM)
        caller.head()
        assert caller.chunk() == b'data: {"message":0}\n\n'
        stub.wait_until(lambda: stub.runs[0].chunks_sent == 1)
        threading.Timer(0.02, gate.set).start()
        assert caller.chunk() == b'data: {"message":1}\n\n'


def test_firebase_does_not_ping_in_reflection() -> None:
    stub = declare_flows(StubServer("firebase", heartbeat=0.001))

    @stub.flow
    def slow() -> str:
        threading.Event().wait(0.02)
        return "done"

    with stub:
        body = b'{"key":"/flow/slow"}'
        response = send(stub, "POST", "/api/runAction?stream=true", body)
        assert response.body.startswith(b'{"result":"done"')


def test_flask_closes_every_connection() -> None:
    with declare_flows(StubServer("flask")) as stub:
        for accept in ("*/*", STREAM):
            with Caller(stub) as caller:
                caller.post("/count", 1, accept=accept)
                assert caller.response().headers["connection"] == "close"
                assert caller.closed()


# --- clients that leave ---

LEAVING = [
    ("express", "patient", "finished"),
    ("express", "waiting", "finished"),
    ("go", "patient", "cancelled"),
    ("go", "waiting", "cancelled"),
    *((name, "patient", "finished") for name in ("next", "firebase", "fastapi", "flask")),
]


@pytest.mark.parametrize(("dialect", "flow", "outcome"), LEAVING)
@pytest.mark.parametrize("accept", [STREAM, "*/*"])
def test_a_client_that_leaves(dialect: Any, flow: str, outcome: str, accept: str) -> None:
    with declare_flows(StubServer(dialect)) as stub:
        with Caller(stub) as caller:
            caller.post(f"/{flow}", None, accept=accept)
            stub.wait_until(lambda: stub.runs and stub.runs[0].chunks_sent == 1)
            assert stub.runs[0].client_left is None
        stub.wait_until(lambda: stub.runs[0].outcome != "running")
        stub.wait_until(lambda: stub.connections.open == 0)
        (run,) = stub.runs
        assert run.outcome == outcome
        assert run.client_left is not None
        assert run.client_left >= stub.requests[0].at
        assert run.chunks_sent == (2 if outcome == "finished" else 1)


def test_a_client_is_missed_in_a_stall(express: StubServer) -> None:
    express.script("count", faults.stall(after_chunks=1))
    with Caller(express) as caller:
        caller.post("/count", 3, accept=STREAM)
        caller.until(b"0}\n\n")
        express.wait_until(lambda: express.runs[0].outcome == "finished")
        assert express.open_streams == 1
    express.wait_until(lambda: express.open_streams == 0)
    assert express.runs[0].client_left is not None


@pytest.mark.parametrize("tls", [False, True])
def test_a_slow_reader_gets_everything(tls: bool) -> None:
    with declare_flows(StubServer(tls=tls)) as stub:
        response = stream(stub, "/story", "x" * 10_000_000)
        assert [len(chunk) for chunk in response.chunks] == [10_000_022, 10_000_021]


def test_a_client_that_stops_reading_and_leaves(express: StubServer) -> None:
    with Caller(express) as caller:
        caller.post("/story", "x" * 20_000_000, accept=STREAM)
        express.wait_until(lambda: express.runs and express.runs[0].outcome == "finished")
        caller.head()
        assert express.open_streams == 1
    express.wait_until(lambda: express.connections.open == 0 == express.open_streams)
    assert express.runs[0].client_left is not None


def test_send_raises_in_a_cancelled_run(go: StubServer) -> None:
    raised: list[BaseException] = []

    @go.flow
    def stubborn(send: Callable[[int], None], call: Call) -> str:
        call.client_gone.wait()
        with pytest.raises(RunCancelled) as caught:
            send(0)
        raised.append(caught.value)
        return "too late"

    with Caller(go) as caller:
        caller.post("/stubborn", accept=STREAM)
        caller.head()
    go.wait_until(lambda: raised)
    assert go.runs[0].outcome == "cancelled"
    assert go.runs[0].chunks_sent == 0


# --- the Reflection API ---


def run_action(stub: StubServer, key: str, value: object, query: str = "") -> Response:
    body = json.dumps({"key": key, "input": value}).encode()
    return send(stub, "POST", f"/api/runAction{query}", body)


def without_ids(body: bytes, response: Response) -> bytes:
    return body.replace(response.headers["x-genkit-trace-id"].encode(), b"ID")


@pytest.mark.parametrize(
    ("file", "query"),
    [
        ("reflection-js-stream-failed.http", "?stream=true"),
        ("reflection-js-unary-failed.http", ""),
    ],
)
def test_reflection_failures_as_recorded(
    express: StubServer, capture: Capture, file: str, query: str
) -> None:
    response = run_action(express, "/flow/boom", 2, query)
    assert_like(response, capture(file), same_body=False)
    *chunks, last = response.body.split(b"\n")
    *real_chunks, real_last = recorded(capture(file))[2].split(b"\n")
    assert chunks == real_chunks
    error, real = json.loads(last)["error"], json.loads(real_last)["error"]
    assert list(error) == list(real)
    assert (error["code"], error["message"]) == (real["code"], real["message"])
    assert error["details"].keys() == real["details"].keys()
    assert error["details"]["traceId"] == response.headers["x-genkit-trace-id"]
    assert "kaboom" in error["details"]["stack"]


def test_reflection_results_as_recorded(express: StubServer, capture: Capture) -> None:
    streamed = run_action(express, "/flow/count", 2, "?stream=true")
    assert_like(streamed, capture("reflection-js-stream.http"), same_body=False)
    assert without_ids(streamed.body, streamed) == (b'0\n1\n{"result":"done","telemetry":{"traceId":"ID"}}')
    plain = run_action(express, "/flow/story", "hi")
    assert_like(plain, capture("reflection-js-unary.http"), same_body=False)
    assert without_ids(plain.body, plain) == b'{"result":"hi","telemetry":{"traceId":"ID"}}'
    void = run_action(express, "/flow/void", None, "?stream=true")
    assert without_ids(void.body, void) == b'1\nundefined\nnull\n{"telemetry":{"traceId":"ID"}}'


def test_reflection_unknown_as_recorded(express: StubServer, capture: Capture) -> None:
    response = run_action(express, "/flow/nope", 1)
    status, headers, body = recorded(capture("reflection-js-unknown.http"))
    assert (response.status, response.body) == (status, body)
    assert response.headers["etag"] == headers["etag"]
    assert send(express, "POST", "/api/runAction", b"[]").status == 404
    assert send(express, "POST", "/api/runAction", b"{").status == 404


def test_reflection_shows_developers_what_is_hidden_from_users(express: StubServer) -> None:
    error = run_action(express, "/flow/crash", 1).json["error"]
    assert (error["code"], error["message"]) == (13, "a secret")
    invalid = run_action(express, "/flow/count", "x").json["error"]
    assert invalid["code"] == 3
    assert invalid["message"].startswith("INVALID_ARGUMENT: Schema validation failed.")


@pytest.mark.parametrize("flow", ["patient", "waiting"])
def test_cancel_action(express: StubServer, flow: str) -> None:
    with Caller(express) as caller:
        body = json.dumps({"key": f"/flow/{flow}"}).encode()
        caller.send("POST", "/api/runAction?stream=true", body)
        head = caller.head().decode()
        trace_id = head.split("X-Genkit-Trace-Id: ")[1].split("\r\n")[0]
        assert caller.chunk() == b"0\n"
        cancel = json.dumps({"traceId": trace_id}).encode()
        response = send(express, "POST", "/api/cancelAction", cancel)
        assert response.status == 200
        assert response.json["message"] == "Action cancelled"
        assert json.loads(caller.chunk())["error"]["code"] == 1
        assert caller.chunk() == b""
    assert express.runs[0].trace_id == trace_id
    assert express.runs[0].outcome == "cancelled"
    assert express.runs[0].client_left is None
    assert send(express, "POST", "/api/cancelAction", cancel).status == 404
    assert send(express, "POST", "/api/cancelAction", b"").status == 400


class Item(BaseModel):
    name: str = Field(alias="itemName")


@pytest.mark.parametrize("dialect", ["express", "go"])
def test_actions(dialect: Any) -> None:
    stub = StubServer(dialect)

    @stub.flow("my-menu", description="Makes a menu.")
    def menu(request: Menu, send: Callable[[Item], None]) -> list[Item]:
        return [Item(itemName=request.theme)]

    @stub.flow
    def bare(request, send=None):  # type: ignore[no-untyped-def]
        return request

    with stub:
        actions = send(stub, "GET", "/api/actions").json
        assert ask(stub, "/my-menu", {"theme": "x"}).json == {"result": [{"itemName": "x"}]}
        assert ask(stub, "/bare", [1]).json == {"result": [1]}
    made = actions["/flow/my-menu"]
    assert ("streamSchema" in made) == (dialect == "go")
    assert (made["key"], made["name"]) == ("/flow/my-menu", "my-menu")
    assert made["description"] == "Makes a menu."
    assert made["inputSchema"] == Menu.model_json_schema()
    assert made["outputSchema"]["items"]["$ref"] == "#/$defs/Item"
    assert "itemName" in made["outputSchema"]["$defs"]["Item"]["properties"]
    more = {"description", "metadata"} if dialect == "go" else set()
    assert actions["/flow/bare"].keys() == {"key", "name"} | more


# --- declaring flows ---


def test_inputs() -> None:
    stub = StubServer()

    class Strict(BaseModel):
        model_config = ConfigDict(strict=True)
        pair: tuple[int, int]

    @stub.flow("sum/of pairs", path="/api/sum")
    def add(request: "Strict") -> int:
        return sum(request.pair)

    @stub.flow
    def default(request: int = 7) -> int:
        return request

    @stub.flow
    def headers(call: Call) -> list[Any]:
        return [call.headers["x-color"], call.stream_id]

    with stub:
        assert ask(stub, "/api/sum", {"pair": [1, 2]}).json == {"result": 3}
        assert ask(stub, "/sum/of%20pairs", {"pair": [1, 2]}).status == 404
        assert ask(stub, "/default").json == {"result": 7}
        assert ask(stub, "/default", 8).json == {"result": 8}
        assert send(stub, "POST", "/default", b"[1]").json == {"result": 7}
        assert send(stub, "POST", "/default").json == {"result": 7}
        assert ask(stub, "/headers", x_color="red").json == {"result": ["red", None]}
        assert stub.requests[0].flow == "sum/of pairs"
        assert [run.input for run in stub.runs[1:4]] == [None, 8, None]


def test_declarations_that_cannot_be() -> None:
    stub = StubServer()
    with pytest.raises(TypeError, match="more than one input"):

        @stub.flow
        def two(a: int, b: int) -> None: ...

    with pytest.raises(ValueError, match="not a gRPC status name"):
        FlowFailure("KABOOM", "no such status")


def test_values_without_json_fail_the_run(express: StubServer) -> None:
    @express.flow
    def odd() -> object:
        return object()

    @express.flow
    async def late() -> object:
        return object()

    @express.flow
    def leave() -> None:
        raise SystemExit

    for flow in ("odd", "late", "leave"):
        assert ask(express, f"/{flow}").status == 500
    assert [run.outcome for run in express.runs] == ["failed"] * 3


def test_an_async_flow_may_cancel_itself(express: StubServer) -> None:
    @express.flow
    async def quitting() -> None:
        raise asyncio.CancelledError

    assert ask(express, "/quitting").json["status"] == "CANCELLED"
    assert express.runs[0].outcome == "cancelled"


# --- access ---


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Bearer secret"}, 200),
        ({"x_api_key": "secret"}, 200),
    ],
)
def test_api_key(headers: dict[str, str], status: int, capture: Capture) -> None:
    with declare_flows(StubServer(api_key="secret")) as stub:
        response = ask(stub, "/count", 1, **headers)
        assert response.status == status
        if status == 401:
            assert_like(response, capture("express-unary-unauthenticated.http"))
        assert stub.run_count("count") == (status == 200)
    with declare_flows(StubServer("go", api_key="secret")) as stub:
        assert ask(stub, "/count", 1, **headers).status == status


# --- records ---


def test_records(express: StubServer) -> None:
    with Caller(express) as caller:
        caller.send("POST", "/count?a=1", b'{"data":2,"init":5}', Accept=STREAM, X_A="b")
        caller.response()
        caller.send("POST", "/nope")
        caller.response()
    first, second = express.requests
    assert (first.method, first.path, first.query) == ("POST", "/count", "a=1")
    assert (first.flow, first.streaming) == ("count", True)
    assert (first.headers["x-a"], first.json["init"]) == ("b", 5)
    assert (first.connection, first.nth, second.connection, second.nth) == (1, 1, 1, 2)
    assert first.at <= second.at
    assert (second.flow, second.json, second.streaming) == (None, None, False)
    (run,) = express.runs
    assert (run.flow, run.input, run.chunks_sent, run.outcome) == ("count", 2, 2, "finished")
    assert (run.client_left, run.stream_id) == (None, None)
    express.wait_until(lambda: express.connections.open == 0)
    assert (express.connections.accepted, express.connections.in_use) == (1, 0)
    assert (express.open_streams, express.most_open_streams) == (0, 1)


def test_wait_until_tells_what_there_was(express: StubServer) -> None:
    ask(express, "/count", 1)
    with pytest.raises(AssertionError, match=r"(?s)POST /count on connection 1.*Run.*open streams"):
        express.wait_until(lambda: False, timeout=0.01)


def test_wait_until_wakes_for_its_own_events_and_looks_at_others(express: StubServer) -> None:
    seen = threading.Event()
    threading.Timer(0.01, seen.set).start()
    express.wait_until(seen.is_set)


# --- connections ---


def test_keep_alive_and_pipelining(express: StubServer) -> None:
    with Caller(express) as caller:
        request = b"POST /default HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
        caller.socket.sendall(request * 3)
        assert [caller.response().status for _ in range(3)] == [404] * 3
        assert express.connections.accepted == 1
        express.wait_until(lambda: express.connections.idle == 1)


def test_idle_connections_are_closed() -> None:
    with declare_flows(StubServer(keep_alive=0)) as stub, Caller(stub) as caller:
        caller.post("/count", 1)
        assert caller.response().headers["keep-alive"] == "timeout=0"
        assert caller.closed()


def test_a_client_may_ask_for_a_close(express: StubServer) -> None:
    with Caller(express) as caller:
        caller.post("/count", 1, connection="close")
        assert caller.response().headers["connection"] == "close"
        assert caller.closed()


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / SPDY/3\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        b"x" * 70_000,
    ],
)
def test_bad_requests(express: StubServer, data: bytes) -> None:
    with Caller(express) as caller:
        caller.socket.sendall(data)
        assert caller.response().status == 400
        assert caller.closed()
    assert express.requests == []


def test_repeated_headers_are_joined(express: StubServer) -> None:
    with Caller(express) as caller:
        caller.socket.sendall(b"GET / HTTP/1.1\r\nX-A: 1\r\nx-a: 2\r\n\r\n")
        caller.response()
    assert express.requests[0].headers == {"x-a": "1, 2"}


def test_refusing(express: StubServer) -> None:
    with Caller(express) as caller:
        caller.post("/count", 1)
        caller.response()
        with express.refusing():
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", express.port), timeout=5)
            caller.post("/count", 1)
            assert caller.response().status == 200
    assert ask(express, "/count", 1).status == 200


def test_ipv6() -> None:
    try:
        stub = declare_flows(StubServer(host="::1")).start()
    except OSError:  # no IPv6 here
        return
    assert stub.url == f"http://[::1]:{stub.port}"
    socket.create_connection(("::1", stub.port), timeout=5).close()
    stub.stop()


def test_a_thousand_streams_at_once() -> None:
    stub = StubServer()
    gate = threading.Event()

    @stub.flow
    def held(send: Callable[[int], None]) -> str:
        send(0)
        gate.wait(20)
        return "done"

    @stub.flow
    async def light(send: Callable[[int], Awaitable[None]], call: Call) -> None:
        await send(0)
        await call.wait_gone()

    with stub:
        callers = [Caller(stub) for _ in range(1000)]
        for number, caller in enumerate(callers):
            caller.post("/light" if number % 2 else "/held", accept=STREAM)
        stub.wait_until(lambda: stub.open_streams == 1000, timeout=20)
        gate.set()
        stub.wait_until(lambda: stub.open_streams == 500, timeout=20)
        assert callers[0].response().body.endswith(b'{"result":"done"}\n\n')
        assert stub.most_open_streams == stub.connections.accepted == 1000
        assert stub.run_count("held") == 500
        for caller in callers:
            caller.socket.close()
        stub.wait_until(lambda: stub.connections.open == 0, timeout=20)


def test_many_chunks(express: StubServer) -> None:
    response = stream(express, "/count", 3000)
    assert [event.get("message") for event in events(response)[:-1]] == list(range(3000))
    assert len(response.chunks) == 3001


@pytest.mark.parametrize("tls", [False, True])
def test_nothing_is_written_to_a_client_that_left(tls: bool, caplog: pytest.LogCaptureFixture) -> None:
    """asyncio tells of such a write in its log, and a test's output would be full of it.

    The stub's loop is held until the client is gone, so that it learns so only by writing.
    """
    stub = StubServer(tls=tls)
    begun, left = threading.Event(), threading.Event()

    @stub.flow
    async def holding() -> str:
        begun.set()
        left.wait(5)
        return "x" * 10_000

    stub.script("holding", faults.pieces(1))
    with stub:
        caller = Caller(stub)
        caller.post("/holding")
        assert begun.wait(5)
        # RST, which ends a connection at once; a TLS socket is closed without a goodbye
        caller.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        caller.socket.close()
        left.set()
        stub.wait_until(lambda: stub.connections.open == 0)
    assert caplog.messages == []


# --- TLS ---


@pytest.fixture
def secure() -> Iterator[StubServer]:
    with declare_flows(StubServer(tls=True)) as stub:
        yield stub


def test_tls(secure: StubServer) -> None:
    assert secure.url == f"https://localhost:{secure.port}"
    assert secure.ca_file.is_file()
    with Caller(secure) as caller:
        for _ in range(2):
            caller.post("/count", 2, accept=STREAM)
            assert events(caller.response())[-1] == {"result": "done"}
    secure.wait_until(lambda: secure.connections.open == 0)


@pytest.mark.parametrize("name", ["127.0.0.1", "::1", "localhost"])
def test_the_certificate_is_for(secure: StubServer, name: str) -> None:
    with (
        socket.create_connection(("127.0.0.1", secure.port), timeout=5) as plain,
        secure.client_ssl_context().wrap_socket(plain, server_hostname=name) as wrapped,
    ):
        assert wrapped.version()


def test_a_failed_handshake(secure: StubServer) -> None:
    with (
        socket.create_connection(("127.0.0.1", secure.port), timeout=5) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
    secure.wait_until(lambda: secure.connections.accepted == 1 and secure.connections.open == 0)


def test_tls_stall(secure: StubServer) -> None:
    with secure.tls_stall(), socket.create_connection(("127.0.0.1", secure.port)) as plain:
        plain.settimeout(0.05)
        with pytest.raises(TimeoutError):
            secure.client_ssl_context().wrap_socket(plain, server_hostname="localhost")
    assert ask(secure, "/count", 1).status == 200


def test_stopping_in_a_handshake(secure: StubServer) -> None:
    with socket.create_connection(("127.0.0.1", secure.port), timeout=5) as plain:
        secure.wait_until(lambda: secure.connections.open == 1)
        secure.stop()
        assert plain.recv(1) == b""


# --- starting and stopping ---


@pytest.mark.parametrize("tls", [False, True])
def test_stopping_cuts_everything(tls: bool) -> None:
    before = threading.active_count()
    stub = declare_flows(StubServer(tls=tls)).start()
    stub.script("count", faults.stall())
    with Caller(stub) as idle, Caller(stub) as one, Caller(stub) as two, Caller(stub) as three:
        idle.post("/count", 1, accept="x")
        for caller, path in ((one, "/patient"), (two, "/waiting"), (three, "/count")):
            caller.post(path, 1, accept=STREAM)
        stub.wait_until(lambda: stub.open_streams >= 2)
        stub.wait_until(lambda: sum(run.chunks_sent for run in stub.runs) >= 2)
        stub.stop()
        for caller in (one, two):
            with pytest.raises((EOFError, OSError)):
                caller.until(b"result")
    assert threading.active_count() == before
    outcomes = {run.flow: run.outcome for run in stub.runs}
    assert (outcomes["patient"], outcomes["waiting"]) == ("cancelled", "cancelled")
    assert all(run.client_left is None for run in stub.runs)
    assert stub.connections.open == 0
    stub.stop()


def test_a_flow_that_does_not_listen_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamflow_client.testing.listener._GRACE", 0.01)
    stub = StubServer()
    gate = threading.Event()

    @stub.flow
    def deaf() -> None:
        gate.wait(5)

    stub.start()
    with Caller(stub) as caller:
        caller.post("/deaf")
        stub.wait_until(lambda: stub.runs)
        with pytest.warns(ResourceWarning, match="'flow deaf' goes on"):
            stub.stop()
    gate.set()
    for thread in threading.enumerate():
        if thread.name == "flow deaf":
            thread.join(5)


def test_starting_twice_and_not_at_all(express: StubServer) -> None:
    with pytest.raises(RuntimeError, match="runs already"):
        express.start()
    with pytest.raises(RuntimeError, match="does not run"):
        _ = StubServer().url
    with pytest.raises(OSError, match="in use"):
        StubServer(port=express.port).start()


def test_a_stub_may_start_again(express: StubServer) -> None:
    old = stream(express, "/steady", 2)
    express.stop()
    express.start()
    again = stream(express, "/steady", x_genkit_stream_id=old.headers["x-genkit-stream-id"])
    assert again.body == old.body


def test_two_stubs_side_by_side(express: StubServer, go: StubServer) -> None:
    assert express.port != go.port
    ask(express, "/count", 1)
    ask(go, "/boom", 1)
    assert [run.flow for run in (*express.runs, *go.runs)] == ["count", "boom"]


# --- the pytest plugin ---


def test_the_fixture(flow_stub: StubServer) -> None:
    declare_flows(flow_stub)
    assert ask(flow_stub, "/story", "hi").headers["x-powered-by"] == "Express"


def test_the_factory(flow_stub_factory: Callable[..., StubServer]) -> None:
    one, two = flow_stub_factory("go"), flow_stub_factory(tls=True)
    assert send(one, "GET", "/").body == b"404 page not found\n"
    assert two.url.startswith("https://")


def test_the_plugin_imports_the_stub_late() -> None:
    source = Path(plugin.__file__).read_text("utf-8")
    eager = [line for line in source.splitlines() if line.startswith(("import", "from"))]
    assert not [line for line in eager if "from ." in line]


def test_a_dialect_that_does_not_exist_is_told() -> None:
    with pytest.raises(ValueError, match=r"express.*not 'nope'"):
        StubServer("nope")  # type: ignore[arg-type]
