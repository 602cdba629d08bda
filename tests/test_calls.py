"""Calls that go well: what the server receives, and what the caller gets, in every type."""

import hashlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import aiohttp
import pytest
from httpx_sse import ServerSentEvent
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from typing_extensions import TypedDict

from drivers import DRIVERS, EVERY_DRIVER, LOOPS, Driver, Mode
from streamflow_client import (
    ChunkValidationError,
    FlowDef,
    OutputValidationError,
    Retry,
    StreamInterruptedError,
    Ticket,
)
from streamflow_client.testing import UNDEFINED, Call, StubServer
from streamflow_client.testing import faults as f

pytestmark = pytest.mark.parametrize("driver", EVERY_DRIVER)

MODES: list[Mode] = ["unary", "stream", "result"]
modes = pytest.mark.parametrize("mode", MODES)
dialects = pytest.mark.parametrize("dialect", ["express", "go"])
protocols = pytest.mark.parametrize("protocol", ["callable", "reflection"])


class Item(BaseModel):
    name: str
    price: float = 1.5


class Menu(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    table_number: int
    items: list[Item] = Field(default_factory=list[Item])


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Point(TypedDict):
    x: int
    y: int


@dataclass
class Pair:
    left: int
    right: str


def serve(dialect: Any = "express", **options: Any) -> StubServer:
    """`echo` sends its input and what it is twice, and returns it; `count` counts."""
    stub = StubServer(dialect, **options)

    @stub.flow
    def echo(value: Any, send: Callable[[Any], None]) -> Any:
        send(value)
        send(value)
        return value

    stub.flow("team/a b/écho", path="/team/a b/écho")(echo)
    stub.flow("elsewhere", path="/api/v2/echo")(echo)

    @stub.flow
    def count(n: int, send: Callable[[int], None]) -> int:
        for number in range(n):
            send(number)
        return n

    stub.flow("lasting", durable=True)(count)

    @stub.flow
    def nothing(send: Callable[[Any], None]) -> Any:
        send(UNDEFINED)
        send(1)
        return UNDEFINED

    @stub.flow
    def whose(value: Any, call: Call) -> str:
        return call.headers.get("authorization", "nobody's")

    return stub


# --- types ------------------------------------------------------------------------------------------

MENU = Menu(table_number=7, items=[Item(name="rum")])
MOMENT = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
TYPES: dict[str, tuple[Any, Any, Any]] = {  # type, value, its JSON
    "model": (Menu, MENU, {"tableNumber": 7, "items": [{"name": "rum", "price": 1.5}]}),
    "union of models": (Cat | Dog, Dog(kind="dog", tricks=["sit"]), {"kind": "dog", "tricks": ["sit"]}),
    "int": (int, 5, 5),
    "float": (float, 0.25, 0.25),
    "str": (str, "ünï ☃ 𝄞\n\u2028", "ünï ☃ 𝄞\n\u2028"),
    "bool": (bool, False, False),
    "None": (None, None, None),
    "optional": (int | None, None, None),
    "union of primitives": (int | str, "5", "5"),
    "list of models": (list[Item], [Item(name="a"), Item(name="b", price=2)], ...),
    "TypedDict": (Point, {"x": 1, "y": 2}, {"x": 1, "y": 2}),
    "dataclass": (Pair, Pair(1, "r"), {"left": 1, "right": "r"}),
    "literal": (Literal["a", "b"], "b", "b"),
    "dict": (dict[str, list[int]], {"a": [1], "b": []}, {"a": [1], "b": []}),
    "tuple": (tuple[int, str], (1, "a"), [1, "a"]),
    "datetime": (datetime, MOMENT, "2024-05-06T07:08:09Z"),
    "anything": (Any, {"a": [1, None, {"b": "c"}]}, {"a": [1, None, {"b": "c"}]}),
    "large": (str, "x" * 300_000, "x" * 300_000),
}


@modes
@dialects
@pytest.mark.parametrize("kind", TYPES)
def test_every_type_there_and_back(driver: Driver, dialect: str, kind: str, mode: Mode) -> None:
    form, value, wire = TYPES[kind]
    flow: FlowDef[Any, Any, Any] = FlowDef("echo", input=form, chunk=form, output=form)
    with serve(dialect) as stub:
        outcome = driver.call(stub, flow, value, mode=mode)
        assert outcome.error is None
        assert outcome.output == value
        assert type(outcome.output) is type(value)
        assert outcome.chunks == ([value, value] if mode == "stream" else [])
        (request,) = stub.requests
        assert (request.method, request.path) == ("POST", "/echo")
        assert request.headers["content-type"] == "application/json"
        assert request.headers["accept"] == ("application/json" if mode == "unary" else "text/event-stream")
        assert request.headers["accept-encoding"] == "identity"
        assert int(request.headers["content-length"]) == len(request.body)
        if wire is not ...:
            assert request.json == {"data": wire}
        assert stub.run_count("echo") == 1


@modes
@protocols
def test_no_input_is_not_the_input_none(driver: Driver, protocol: str, mode: Mode) -> None:
    sent: list[Any] = []
    key = {"key": "/flow/echo"} if protocol == "reflection" else {}
    name = "input" if protocol == "reflection" else "data"
    with serve() as stub:
        for arguments in ((), (None,)):
            outcome = driver.call(stub, "echo", *arguments, mode=mode, protocol=protocol)
            assert (outcome.output, outcome.error) == (None, None)
            sent.append(stub.requests[-1].json)
    assert sent == [key, {**key, name: None}]


def test_undefined_is_none(driver: Driver) -> None:
    flow = FlowDef("nothing", chunk=int | None, output=None)
    with serve() as stub:
        outcome = driver.call(stub, flow)
        assert (outcome.chunks, outcome.output, outcome.error) == ([None, 1], None, None)
        assert driver.call(stub, flow, mode="unary").error is None


class Names(BaseModel):
    first_name: str = Field(alias="firstName")
    age: int = Field(default=30, serialization_alias="years")


@modes
def test_inputs_go_out_by_wire_names_with_their_defaults(driver: Driver, mode: Mode) -> None:
    flow = FlowDef("echo", input=Names)
    for value in (Names(firstName="Ann"), {"firstName": "Ann"}, {"first_name": "Ann"}):
        with serve() as stub:
            assert driver.call(stub, flow, value, mode=mode).error is None
            assert stub.requests[0].json == {"data": {"firstName": "Ann", "years": 30}}


@modes
def test_unknown_fields_are_kept_unless_strict(driver: Driver, mode: Mode) -> None:
    flow = FlowDef("echo", chunk=Item, output=Item)
    value = {"name": "rum", "price": 2.0, "origin": {"country": "JM"}}
    with serve() as stub:
        outcome = driver.call(stub, flow, value, mode=mode)
        assert outcome.error is None
        for item in (*outcome.chunks, outcome.output):
            assert isinstance(item, Item)
            assert item.model_extra == {"origin": {"country": "JM"}}
        strict = driver.call(stub, flow, value, mode=mode, strict=True)
        assert isinstance(strict.error, OutputValidationError)
        assert len(strict.chunks) == (2 if mode == "stream" else 0)
        assert all(isinstance(chunk, ChunkValidationError) for chunk in strict.chunks)


# --- names, paths, protocols ------------------------------------------------------------------------


@modes
def test_flows_elsewhere(driver: Driver, mode: Mode) -> None:
    with serve() as stub, driver.client(stub, url=stub.url + "/base/") as client:

        def call(name: str, path: str | None) -> Any:
            flow = client.flow(name, path=path)
            return flow("x") if mode == "unary" else flow.stream("x").result()

        assert call("any", "/api/v2/echo") == "x"
        assert call("any", f"{stub.url}/api/v2/echo") == "x"
        assert call("any", "/team/a b/écho") == "x"
        assert {request.path for request in stub.requests} == {"/api/v2/echo", "/team/a b/écho"}
        assert client.flow(FlowDef("any", path="/echo"))("y") == "y"


@protocols
def test_names_with_slashes(driver: Driver, protocol: str) -> None:
    with serve() as stub, driver.client(stub, protocol=protocol) as client:
        flow = client.flow("team/a b/écho")
        assert flow(1) == 1
        assert list(flow.stream(2)) == [2, 2]
        assert stub.run_count("team/a b/écho") == 2


@pytest.mark.parametrize(
    ("name", "path"),
    [("../up", None), ("a//b", None), ("", None), ("x", "//other/x"), ("x", "relative"), ("x", "ftp://h/x")],
)
def test_names_and_paths_that_lead_outside_are_refused_at_once(
    driver: Driver, name: str, path: str | None
) -> None:
    with driver.client(None, url="http://localhost:1") as client, pytest.raises(ValueError, match="flow"):
        client.flow(name, path=path)


@modes
def test_the_reflection_protocol(driver: Driver, mode: Mode) -> None:
    flow = FlowDef("count", input=int, chunk=int, output=int)
    with serve() as stub:
        outcome = driver.call(stub, flow, 3, mode=mode, protocol="reflection")
        assert (outcome.output, outcome.error) == (3, None)
        assert outcome.chunks == ([0, 1, 2] if mode == "stream" else [])
        (request,) = stub.requests
        assert (request.path, request.json) == ("/api/runAction", {"key": "/flow/count", "input": 3})
        assert request.query == ("" if mode == "unary" else "stream=true")


def test_chunks_that_look_like_endings(driver: Driver) -> None:
    values = [{"result": 1}, {"error": {"code": 3}}, {"message": "x"}, {"telemetry": {}}, {}, [], "END"]
    with serve() as stub:
        for value in values:
            for protocol in ("callable", "reflection"):
                outcome = driver.call(stub, "echo", value, protocol=protocol)
                assert outcome.error is None, (value, protocol)
                assert (outcome.chunks, outcome.output) == ([value, value], value)


# --- durable streams --------------------------------------------------------------------------------

LASTING = FlowDef("lasting", input=int, chunk=int, output=int)


@dialects
def test_a_durable_stream_is_resumed_by_ticket_and_by_id_also_by_the_other_client(
    driver: Driver, dialect: str
) -> None:
    other = DRIVERS[(LOOPS.index(driver.name) + 1) % 3]
    with serve(dialect) as stub, driver.client(stub) as client, other.client(stub) as elsewhere:
        with client.flow(LASTING).stream(4) as stream:
            assert [next(stream), next(stream)] == [0, 1]
            ticket = stream.ticket()
        text = str(ticket)
        assert text.isascii()
        again = Ticket.parse(text)
        assert (again, again.received, again.stream_id) == (ticket, 2, stub.runs[0].stream_id)
        assert ticket.stream_id not in repr(ticket)
        for who in (client, elsewhere):
            with who.flow(LASTING).resume(again) as resumed:
                assert resumed.stream_id == ticket.stream_id
                assert ([*resumed], resumed.result(), resumed.received) == ([2, 3], 4, 2)
                assert resumed.ticket().received == 4
            whole = who.flow(LASTING).resume(ticket.stream_id)
            assert ([*whole], whole.result(), whole.received) == ([0, 1, 2, 3], 4, 4)
        assert stub.run_count("lasting") == 1
        assert all(r.body == b"{}" for r in stub.requests[1:])


def test_a_ticket_of_another_flow_or_server_is_refused(driver: Driver) -> None:
    with serve() as stub, serve() as second, driver.client(stub) as client:
        with client.flow(LASTING).stream(2) as stream:
            ticket = stream.ticket()
        with pytest.raises(ValueError, match="the ticket is for flow 'lasting'"):
            client.flow("count").resume(ticket)
        with driver.client(second) as elsewhere, pytest.raises(ValueError, match="the ticket is for flow"):
            elsewhere.flow(LASTING).resume(ticket)
        with driver.client(stub, protocol="reflection") as other, pytest.raises(ValueError, match="cannot"):
            other.flow(LASTING).resume(ticket)
        assert second.requests == []


# --- raw events -------------------------------------------------------------------------------------


def test_raw_events(driver: Driver) -> None:
    raw = b"event: extra\nid: 7\nretry: 1500\ndata: two\ndata: lines\n\n: a comment\n\n"
    with serve() as stub, driver.client(stub) as client:
        stub.script("count", f.insert(raw, 1))
        with client.flow("count").stream_events(1) as events:
            seen = list(events)
            assert events.result() is None
        assert all(isinstance(event, ServerSentEvent) for event in seen)
        assert [(event.event, event.data, event.id, event.retry) for event in seen] == [
            ("message", '{"message":0}', "", None),
            ("extra", "two\nlines", "7", 1500),
            ("message", '{"result":1}', "7", None),
        ]
        stub.script("count", f.insert(b'error: {"error":{"status":"INTERNAL"}}\n\n'))
        failing = client.flow("count").stream_events(0)
        assert [event.event for event in failing] == ["error", "message"]


def test_raw_events_are_never_resumed(driver: Driver) -> None:
    with serve() as stub, driver.client(stub) as client:
        stub.script("lasting", f.drop(after_chunks=1))
        events = client.flow("lasting").stream_events(2)
        assert next(events).json() == {"message": 0}
        with pytest.raises(StreamInterruptedError):
            next(events)
        assert events.ticket() is None
        assert len(stub.requests) == 1


# --- headers and credentials ------------------------------------------------------------------------


@modes
def test_headers_are_asked_for_anew_for_each_attempt(driver: Driver, mode: Mode) -> None:
    asked: list[int] = []

    def plain() -> dict[str, str]:
        asked.append(1)
        return {"X-Token": f"t{len(asked)}"}

    async def awaited() -> dict[str, str]:
        return plain()

    for source in [plain] if driver.name == "sync" else [plain, awaited]:
        asked.clear()
        with serve() as stub:
            stub.script("count", f.status(503, retry_after=0), f.status(429, retry_after=0))
            outcome = driver.call(stub, "count", 1, mode=mode, headers=source)
            assert outcome.output == 1, outcome
            assert [request.headers["x-token"] for request in stub.requests] == ["t1", "t2", "t3"]


def test_headers_as_a_mapping_yield_to_the_protocols_own(driver: Driver) -> None:
    headers = {"X-Tenant": "one two", "accept": "text/html", "Content-Type": "text/x"}
    with serve() as stub:
        assert driver.call(stub, "count", 1, headers=headers).output == 1
        received = stub.requests[0].headers
        assert received["accept"] == "text/event-stream"
        assert received["content-type"] == "application/json"
        ours = driver.library in (None, aiohttp)
        agent = "streamflow-client" if ours else driver.http.__name__
        assert received["user-agent"].removeprefix("python-").startswith(f"{agent}/")
        assert received["x-tenant"] == "one two"


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b"])
def test_headers_that_break_out_of_their_line_are_refused(driver: Driver, value: str) -> None:
    with serve() as stub:
        with pytest.raises(ValueError, match="not one line") as caught:
            driver.call(stub, "count", 1, headers={"x-a": value})
        assert value not in str(caught.value)
        outcome = driver.call(stub, "count", 1, headers=lambda: {"x-a": value})
        assert isinstance(outcome.error, ValueError)
        assert stub.requests == []


class TwoRequests:
    """Asks the server for a challenge, then answers it; an `Auth` of either library."""

    def auth_flow(self, request: Any) -> Generator[Any, Any]:
        response = yield request
        if response.status_code == 401:
            request.headers["authorization"] = f"Answer {response.headers['x-challenge']}"
            yield request


BASIC = "Basic dXNlcjpwYXNz"
AUTHS: dict[str, tuple[Callable[[Any], Any], str]] = {  # made of the HTTP library
    "bearer": (lambda _: "s3cret", "Bearer s3cret"),
    "pair": (lambda _: ("user", "pass"), BASIC),
    "its BasicAuth": (lambda http: http.BasicAuth("user", "pass"), BASIC),
    "none": (lambda _: None, "nobody's"),
}


@modes
@pytest.mark.parametrize("name", AUTHS)
def test_credentials(driver: Driver, name: str, mode: Mode) -> None:
    auth, expected = AUTHS[name]
    with serve() as stub:
        assert driver.call(stub, "whose", 1, mode=mode, auth=auth(driver.http)).output == expected


def test_credentials_in_the_base_url(driver: Driver) -> None:
    with serve() as stub:
        url = stub.url.replace("://", "://user:pass@")
        assert driver.call(stub, "whose", 1, url=url).output == BASIC
        with driver.client(stub, url=url) as client:
            assert "pass" not in repr(client) + repr(client.flow("whose"))


@modes
def test_an_auth_that_sends_two_requests(driver: Driver, mode: Mode) -> None:
    with serve() as stub:
        stub.script("whose", f.status(401, headers=(("X-Challenge", "42"),)))
        auth = type("TwoRequests", (TwoRequests, driver.http.Auth), {})()
        outcome = driver.call(stub, "whose", 1, mode=mode, auth=auth)
        assert outcome.output == "Answer 42", outcome
        assert len(stub.requests) == 2
        assert stub.run_count("whose") == 1


def test_digest_auth(driver: Driver) -> None:
    challenge = 'Digest realm="stub", nonce="n", qop="auth", algorithm=SHA-256'
    with serve() as stub:
        stub.script("whose", f.status(401, headers=(("WWW-Authenticate", challenge),)))
        outcome = driver.call(stub, "whose", 1, auth=driver.http.DigestAuth("user", "pass"))
        assert outcome.error is None, outcome
        told = dict(part.split("=", 1) for part in outcome.output.removeprefix("Digest ").split(", "))
        fields = {name: value.strip('"') for name, value in told.items()}

        def sha(text: str) -> str:
            return hashlib.sha256(text.encode()).hexdigest()

        parts = (sha("user:stub:pass"), "n", fields["nc"], fields["cnonce"], "auth", sha("POST:/whose"))
        assert fields["response"] == sha(":".join(parts))


def test_credentials_stay_on_the_clients_origin(driver: Driver) -> None:
    with serve() as stub, serve() as second:
        headers = {"X-Secret": "s"}
        for auth in ("token", ("user", "pass")):
            with driver.client(stub, headers=headers, auth=auth) as client:
                assert client.flow("whose", path=f"{second.url}/whose")(1) == "nobody's"
                assert client.flow("whose", path=f"{stub.url}/whose")(1) != "nobody's"
        assert all("x-secret" not in request.headers for request in second.requests)
        assert all(request.headers["x-secret"] == "s" for request in stub.requests)


# --- copies, connections ----------------------------------------------------------------------------


def test_copies_have_their_own_options_and_share_the_connections(driver: Driver) -> None:
    flow = FlowDef("echo", output=Item)
    value = {"name": "a", "more": 1}
    with serve() as stub, driver.client(stub, headers={"x-who": "first"}) as client:
        copy = client.with_options(headers={"x-who": "copy"}, strict=True, retry=Retry(replay=True))
        third = client.flow(flow).with_options(headers=lambda: {"x-who": "flow"}, timeout=9.0)
        assert client.flow(flow)(value).name == "a"
        with pytest.raises(OutputValidationError):
            copy.flow(flow)(value)
        assert third(value).name == "a"
        assert copy.with_options(strict=False).flow(flow)(value).name == "a"
        assert client.with_options(headers=None).flow(flow)(value).name == "a"
        told = [request.headers.get("x-who") for request in stub.requests]
        assert told == ["first", "copy", "flow", "copy", None]
        keyed = ["idempotency-key" in request.headers for request in stub.requests]
        assert keyed == [False, True, False, True, False]
        assert stub.connections.accepted == 1
        copy.close()
        if driver.library is None:
            with pytest.raises(RuntimeError):
                client.flow(flow)(value)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_one_connection_serves_one_call_after_another(driver: Driver, tls: bool) -> None:
    with serve(tls=tls) as stub, driver.client(stub) as client:
        for number in range(3):
            assert client.flow("count")(number) == number
            assert list(client.flow("count").stream(number)) == list(range(number))
            assert client.flow("count").stream(number).result() == number
        assert stub.connections.accepted == 1
        assert {request.connection for request in stub.requests} == {1}
        streams = [client.flow("count").stream(2) for _ in range(3)]
        for stream in streams:
            stream.__enter__()
        assert [stream.result() for stream in streams] == [2, 2, 2]
        if driver.library is aiohttp:  # takes a connection back when the response has come, read or not
            assert stub.connections.accepted <= 3
        else:
            assert stub.connections.accepted == 3
