"""`client.flows`: flows found by asking the server, their types, and what never causes a request."""

from __future__ import annotations

import copy
import gc
import inspect
import json
import os
import pickle
import pydoc
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from weakref import ref

import anyio
import httpx
import pytest
from pydantic import BaseModel, Field, ValidationError

from drivers import DRIVERS, EVERY_ASYNC_DRIVER, EVERY_DRIVER, Driver, spawn
from streamflow_client import (
    AsyncClient,
    Catalog,
    ChunkValidationError,
    Client,
    DiscoveryError,
    FlowCancelledError,
    FlowConnectionError,
    FlowTimeoutError,
    InputValidationError,
    NotFoundError,
    OutputValidationError,
    PermissionDeniedError,
    StreamInterruptedError,
    Timeout,
    UnknownFlowError,
)
from streamflow_client.discovery import Discovery
from streamflow_client.schema import runtime
from streamflow_client.testing import StubServer
from streamflow_client.testing import faults as f
from streamflow_client.wire.request import BaseUrl, ProtocolName

OPENAPI, ACTIONS = "/openapi.json", "/api/actions"
every = pytest.mark.parametrize("driver", EVERY_DRIVER)
ours = pytest.mark.parametrize("driver", DRIVERS, ids=repr)
asynchronous = pytest.mark.parametrize("driver", EVERY_ASYNC_DRIVER)
Send = Callable[[Any], None]


class Request(BaseModel):
    """What menu is wanted."""

    theme: str
    dishes: int = Field(default=3, ge=1)


class Item(BaseModel):
    name: str


class Menu(BaseModel):
    title: str
    items: list[Item]


class Optional(BaseModel):
    n: int = 7


class Lists(BaseModel):
    numbers: list[int] = [1]


class Message(BaseModel):
    text: str
    when: datetime | None = None


def declared(stub: StubServer) -> StubServer:
    @stub.flow(description="Writes a menu.")
    def menu(request: Request, send: Callable[[Item], None]) -> Menu:
        items = [Item(name=f"{request.theme} {number}") for number in range(request.dishes)]
        for item in items:
            send(item)
        return Menu(title=request.theme, items=items)

    @stub.flow("my-flow/v2", durable=True)
    def second(numbers: list[int], send: Callable[[int], None]) -> int:
        for number in numbers:
            send(number)
        return sum(numbers)

    @stub.flow
    def shout(text: str) -> str:
        return text.upper()

    @stub.flow
    def bare(anything: Any, send: Send) -> Any:
        send(anything)
        return anything

    return stub


@pytest.fixture(scope="module")
def shared() -> Iterator[StubServer]:
    with declared(StubServer("go")) as stub:
        yield stub


@pytest.fixture
def stub() -> Iterator[StubServer]:
    with declared(StubServer("go")) as stub:
        yield stub


def asked(stub: StubServer) -> list[str]:
    """The documents that were asked for."""
    return [request.path for request in stub.requests if request.method == "GET"]


def known(client: Any) -> Any:
    client.discover()
    return client.flows


# --- calling -----------------------------------------------------------------------------------------


@every
def test_a_flow_is_called_by_keywords_by_a_mapping_or_as_a_stream(driver: Driver, shared: StubServer) -> None:
    with driver.client(shared) as client:
        menu = client.flows.menu(theme="pirate", dishes=1)
        assert (menu.title, menu.items[0].name) == ("pirate", "pirate 0")
        assert len(client.flows.menu({"theme": "x"}).items) == 3  # the schema's default
        with client.flows.menu.stream(theme="x", dishes=2) as stream:
            assert [item.name for item in stream] == ["x 0", "x 1"]
            assert stream.result().title == "x"
        with client.flows["my-flow/v2"].stream([1, 2]) as stream:
            assert list(stream) == [1, 2]
            assert stream.result() == 3
        assert client.flows.shout("ahoy") == "AHOY"
        assert client.flows.bare() is None
        assert client.flows.bare(any=1) == {"any": 1}
        events = list(client.flows.shout.stream_events("ahoy"))
        assert [json.loads(event.data) for event in events] == [{"result": "AHOY"}]


@every
def test_a_declared_flow_never_discovers(driver: Driver, stub: StubServer) -> None:
    assert driver.call(stub, "shout", "ahoy").output == "AHOY"
    assert asked(stub) == []


@every
def test_a_flow_sends_defaults_and_wire_names(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client:
        client.flows.menu(theme="x")
    assert stub.requests[-1].json == {"data": {"theme": "x", "dishes": 3}}


@every
def test_copies_of_a_client_share_what_was_discovered(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client:
        client.discover()
        assert client.with_options(timeout=5).flows.shout("a") == "A"
        assert client.flows.shout.with_options(timeout=5)("a") == "A"
        types = (client.flows.menu.output_type, client.with_options(strict=True).flows.menu.output_type)
    assert types[0] is types[1]
    assert asked(stub) == [OPENAPI]


@every
def test_a_durable_stream_is_resumed(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client:
        stream = client.flows["my-flow/v2"].stream([1, 2, 3])
        assert next(stream) == 1
        ticket = stream.ticket()
        stream.close()
    with driver.client(stub) as another:
        with another.flows["my-flow/v2"].resume(ticket) as rest:
            assert (list(rest), rest.result()) == ([2, 3], 6)
        with known(another)["my-flow/v2"].resume(str(ticket)) as rest:
            assert list(rest) == [2, 3]


# --- inputs that make no sense -------------------------------------------------------------------------


WRONG: list[tuple[str, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    ("menu", (), {"thme": "x"}, InputValidationError, "did you mean 'theme'"),
    ("menu", (), {"theme": "x", "q": 1}, InputValidationError, "q: Extra inputs are not permitted$"),
    ("menu", (), {"theme": 5}, InputValidationError, "theme: Input should be a valid string"),
    ("menu", (), {"theme": "x", "dishes": 0}, InputValidationError, "dishes"),
    ("menu", ("text",), {}, InputValidationError, "menu"),
    ("menu", ({"theme": "x", "dises": 2},), {}, InputValidationError, "did you mean 'dishes'"),
    ("menu", ({"theme": "x"},), {"dishes": 1}, TypeError, "not both"),
    ("shout", (), {"text": "x"}, TypeError, "no keywords"),
    ("shout", (5,), {}, InputValidationError, "valid string"),
]


@every
@pytest.mark.parametrize(("name", "args", "fields", "error", "says"), WRONG, ids=[case[4] for case in WRONG])
def test_a_wrong_input_is_told_before_anything_is_sent(
    driver: Driver,
    shared: StubServer,
    name: str,
    args: tuple[Any, ...],
    fields: dict[str, Any],
    error: type[Exception],
    says: str,
) -> None:
    with driver.client(shared) as client:
        flow = known(client)[name]
        before = len(shared.requests)
        with pytest.raises(error, match=says):
            flow(*args, **fields)
        with pytest.raises(error, match=says):
            flow.stream(*args, **fields)
    assert len(shared.requests) == before


@asynchronous
def test_before_discovery_a_wrong_input_is_told_at_the_first_read(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client:
        stream = client.flows.menu.stream(thme="x")
        assert stub.requests == []
        with pytest.raises(InputValidationError, match="did you mean 'theme'") as caught:
            next(stream)
        assert caught.value.flow == "menu"
        for again in (lambda: next(stream), stream.result):
            with pytest.raises(InputValidationError):
                again()
    assert asked(stub) == [OPENAPI]
    assert stub.runs == []


# --- looking up --------------------------------------------------------------------------------------


@every
def test_flows_are_listed_counted_and_looked_up(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client:
        flows = known(client)
        assert list(flows) == ["menu", "my-flow/v2", "shout", "bare"]
        assert len(flows) == 4
        assert "menu" in flows
        assert "other" not in flows
        assert 5 not in flows
        assert {"menu", "shout", "bare"} <= set(dir(flows))
        assert "my-flow/v2" not in dir(flows)
        assert "my-flow/v2" in repr(flows)
    assert asked(stub) == [OPENAPI]


def test_a_sync_client_discovers_when_it_is_asked_for_a_list(stub: StubServer) -> None:
    with Client(stub.url) as client:
        assert "menu" in client.flows
        assert len(client.flows) == len(list(client.flows)) == 4
    assert asked(stub) == [OPENAPI]


@asynchronous
def test_an_async_client_says_how_to_discover_first(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client:
        flow = client.flows.menu.inner
        asks: list[Callable[[], Any]] = [
            lambda: list(client.flows),
            lambda: len(client.flows),
            lambda: "menu" in client.flows,
            lambda: flow.input_type,
            lambda: flow.definition,
            lambda: flow.spec,
        ]
        for ask in asks:
            with pytest.raises(DiscoveryError, match=r"await client\.discover\(\)"):
                ask()
        assert repr(flow) == "<Flow menu, looked up by its first call>"
        assert stub.requests == []
        client.discover()
        assert flow.input_type.__name__ == "Request"
        assert flow.spec.name == "menu"
        assert client.flows.menu(theme="x").title == "x"


@every
def test_looking_around_never_asks_the_server(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client:
        flows = client.flows.inner
        for name in ("_private", "__wrapped__", "_repr_latex_", "__deepcopy__", "_ipython_display_"):
            with pytest.raises(AttributeError):
                getattr(flows, name)
        assert "not discovered yet" in repr(flows)
        assert "menu" not in dir(flows)
        assert copy.copy(flows) is not flows
        with pytest.raises(AttributeError):
            flows.menu = 3
        assert inspect.signature(type(flows)).parameters
        pydoc.render_doc(flows)
    assert stub.requests == []


@every
def test_an_unknown_flow_names_those_that_come_close(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client:
        flows = known(client)
        looks: list[Callable[[], Any]] = [lambda: flows.mneu, lambda: flows["mneu"]]
        for look in looks:
            with pytest.raises(UnknownFlowError, match="menu"):
                look()
        assert not hasattr(flows.inner, "mneu")
        with pytest.raises(KeyError):
            flows[""]


@asynchronous
def test_before_discovery_an_unknown_flow_is_told_by_its_call(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client:
        stream = client.flows.mneu.stream()
        flow = client.flows.mneu
        with pytest.raises(UnknownFlowError, match="menu"):
            next(stream)
        with pytest.raises(UnknownFlowError, match="menu"):
            flow(1)
        with pytest.raises(UnknownFlowError, match="menu"):
            stream.result()


# --- types -------------------------------------------------------------------------------------------


@every
def test_a_flow_shows_its_types(driver: Driver, shared: StubServer) -> None:
    with driver.client(shared) as client:
        menu = known(client).menu.inner
        assert menu.input_type.__name__ == "Request"
        assert menu.output_type.__name__ == "Menu"
        assert menu.chunk_type.__name__ == "Item"
        assert menu.output_type.model_fields["title"].annotation is str
        assert repr(menu) == "<Flow menu(theme: str, dishes: int = 3) -> Menu, streams Item>"
        for shown in (inspect.signature(menu), inspect.signature(menu.stream)):
            assert list(shown.parameters) == ["theme", "dishes"]
            assert shown.parameters["theme"].annotation is str
            assert shown.parameters["dishes"].default == 3
        assert inspect.signature(menu).return_annotation is menu.output_type
        text = pydoc.plain(pydoc.render_doc(menu))
        assert "theme: str" in text
        assert "Writes a menu." in text
        assert "What menu is wanted." in text
        assert str(inspect.signature(known(client).shout.inner)) == "(input: str, /) -> str"
        assert "Any" in str(inspect.signature(known(client).bare.inner))
        if driver.name != "sync":
            assert inspect.iscoroutinefunction(type(menu).__call__)


@every
def test_strict_is_to_the_letter_of_the_schema(driver: Driver, stub: StubServer) -> None:
    def closed(schema: dict[str, Any]) -> dict[str, Any]:
        return schema | {"additionalProperties": False}

    item = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    catalog = actions({"odd": {"streamSchema": closed(item), "outputSchema": closed(item)}})

    @stub.flow("odd")
    def odd(send: Send) -> Any:
        send({"a": 1, "b": 2})
        return {"a": 1, "b": 2}

    with driver.client(stub, catalog=catalog) as client:
        with client.flows.odd.stream() as stream:
            assert next(stream).model_extra == {"b": 2}
            assert stream.result().model_extra == {"b": 2}
        with client.with_options(strict=True).flows.odd.stream() as stream:
            with pytest.raises(ChunkValidationError, match="b"):
                next(stream)
            with pytest.raises(OutputValidationError, match="b"):
                stream.result()


@every
def test_an_answer_may_lack_what_is_null_and_an_input_may_not(driver: Driver, stub: StubServer) -> None:
    fields = {"n": {"type": "integer"}, "note": {"anyOf": [{"type": "string"}, {"type": "null"}]}}
    note = {"type": "object", "title": "Note", "properties": fields, "required": ["n", "note"]}
    catalog = actions({"notes": {"inputSchema": note, "streamSchema": note, "outputSchema": note}})

    @stub.flow("notes")
    def notes(given: dict[str, Any], send: Send) -> Any:
        told = {name: value for name, value in given.items() if value is not None}  # as servers in Python do
        send(told)
        return told

    with driver.client(stub, catalog=catalog) as client:
        with client.flows.notes.stream(n=1, note=None) as stream:
            answers = [next(stream), stream.result()]
        answers.append(client.with_options(strict=True).flows.notes(n=1, note=None))
        assert [(answer.note, answer.model_dump()) for answer in answers] == [(None, {"n": 1})] * 3
        with pytest.raises(InputValidationError, match="note: Field required"):
            client.flows.notes(n=1)
    assert [request.json["data"] for request in stub.requests] == [{"n": 1, "note": None}] * 2


@every
def test_a_broken_schema_spoils_its_own_flow_only(driver: Driver, stub: StubServer) -> None:
    catalog = actions({"menu": {"inputSchema": {"$ref": "#/nowhere"}}, "shout": {}})
    with driver.client(stub, catalog=catalog) as client:
        assert list(client.flows) == ["menu", "shout"]
        with pytest.raises(DiscoveryError, match=r"menu.*input schema.*nowhere.*client\.flow"):
            client.flows.menu  # noqa: B018 - looking it up is enough
        assert client.flows.shout("a") == "A"


def test_a_schema_that_cannot_be_expressed_warns_once(
    stub: StubServer, caplog: pytest.LogCaptureFixture
) -> None:
    catalog = actions({"shout": {"inputSchema": {"type": "string", "if": {"minLength": 3}, "then": False}}})
    with Client(stub.url, catalog=catalog) as client:
        assert client.flows.shout("a") == client.flows.shout("a") == "A"
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert "'shout'" in told[0]
    assert "#" in told[0]
    assert "`if`" in told[0]


def test_types_are_made_once_also_under_threads(stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    build = runtime.build
    barrier = threading.Barrier(8)

    def counted(*args: Any, name: str, **options: Any) -> runtime.Built:
        made.append(name)
        return build(*args, name=name, **options)

    monkeypatch.setattr(runtime, "build", counted)

    def look(client: Client) -> Any:
        barrier.wait()
        return client.flows.menu.output_type

    with Client(stub.url) as client, ThreadPoolExecutor(8) as pool:
        types = [future.result() for future in [pool.submit(look, client) for _ in range(8)]]
    assert len(set(map(id, types))) == 1
    assert len(made) == 3
    assert asked(stub) == [OPENAPI]


@asynchronous
def test_many_tasks_discover_once(driver: Driver, stub: StubServer) -> None:
    titles: list[str] = []

    async def main() -> None:
        async with driver.async_client(stub.url) as client, anyio.create_task_group() as group:

            async def call(number: int) -> None:
                titles.append((await client.flows.menu(theme=str(number))).title)

            for number in range(10):
                group.start_soon(call, number)

    driver.run(main)
    assert sorted(titles) == sorted(map(str, range(10)))
    assert asked(stub) == [OPENAPI]


def test_what_came_of_a_flow_pickles(stub: StubServer) -> None:
    with Client(stub.url) as client:
        menu = client.flows.menu(theme="x")
    again = pickle.loads(pickle.dumps(menu))
    assert again == menu
    assert type(again) is type(menu)


# --- where a catalog comes from ----------------------------------------------------------------------


def actions(flows: dict[str, dict[str, Any]], **options: Any) -> Catalog:
    listed = {f"/flow/{name}": {"key": f"/flow/{name}", "name": name, **told} for name, told in flows.items()}
    return Catalog.parse(json.dumps(listed), source="actions.json", **options)


@every
def test_the_reflection_api_is_asked_next_and_then_used(driver: Driver, stub: StubServer) -> None:
    stub.always(OPENAPI, f.status(404))
    with driver.client(stub) as client:
        assert client.flows.shout("ahoy") == "AHOY"
        assert [item.name for item in client.flows.menu.stream(theme="x", dishes=1)] == ["x 0"]
        with pytest.raises(ValueError, match="no server-sent events"):
            client.flows.shout.stream_events("x").result()
    assert asked(stub) == [OPENAPI, ACTIONS]
    assert {request.path for request in stub.requests if request.method == "POST"} == {"/api/runAction"}


@every
@pytest.mark.parametrize("place", [ACTIONS, "", "/"])
def test_another_server_may_describe_the_flows(driver: Driver, stub: StubServer, place: str) -> None:
    with StubServer("go") as describing:
        declared(describing)
        describing.always(OPENAPI, f.status(404))
        options: dict[str, Any] = {"headers": {"X-Secret": "s"}, "auth": "token"}
        with driver.client(stub, catalog=describing.url + place, **options) as client:
            assert client.flows.shout("ahoy") == "AHOY"
    assert asked(describing) == [*([] if place == ACTIONS else [OPENAPI]), ACTIONS]
    for request in describing.requests:  # another origin: no headers, no auth
        assert not {"x-secret", "authorization"} & set(request.headers)
    (call,) = stub.requests
    assert (call.path, call.headers["authorization"]) == ("/shout", "Bearer token")


@every
def test_a_client_of_the_callers_keeps_its_secrets_from_another_origin(
    driver: Driver, stub: StubServer
) -> None:
    kind = httpx.Client if driver.name == "sync" else httpx.AsyncClient
    own = kind(
        headers={"Authorization": "secret", "X-Own": "secret"},
        cookies={"sid": "secret"},
        params={"key": "secret"},
    )
    with StubServer("go") as other:
        declared(other)
        with driver.client(stub, catalog=other.url, http_client=own) as client:
            assert client.flows.shout("a") == "A"
            assert client.flow("shout", path=f"{other.url}/shout")("b") == "B"
    for request in other.requests:
        assert set(request.headers) <= HTTPS_OWN
        assert request.query == ""
    assert stub.requests[-1].query == "key=secret"
    assert stub.requests[-1].headers["x-own"] == "secret"


HTTPS_OWN = {
    *("accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent")
}


@every
def test_the_clients_headers_and_auth_go_to_its_own_catalog(driver: Driver, stub: StubServer) -> None:
    options: dict[str, Any] = {"headers": {"X-Secret": "s"}, "auth": "token"}
    with driver.client(stub, **options) as client:
        client.discover()
    (request,) = stub.requests
    assert (request.headers["x-secret"], request.headers["authorization"]) == ("s", "Bearer token")
    assert request.body == b""
    assert "content-type" not in request.headers


@every
def test_a_catalog_or_a_file_needs_no_request(driver: Driver, stub: StubServer, tmp_path: Path) -> None:
    catalog = actions({"shout": {"inputSchema": {"type": "string"}}})
    file = tmp_path / "flows.json"
    file.write_text('{"/flow/shout": {"key": "/flow/shout", "inputSchema": {"type": "string"}}}')
    for source in (catalog, file, str(file)):
        with driver.client(stub, catalog=source) as client:
            assert list(client.flows) == ["shout"]
            assert client.flows.shout("a") == "A"
            with pytest.raises(InputValidationError):
                client.flows.shout.stream(5)
            assert list(client.discover()) == ["shout"]
    assert asked(stub) == []


@every
def test_a_file_that_is_none_is_told_when_it_is_needed(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub, catalog="no-such-file.json") as client:
        assert client.flow("shout")("a") == "A"
        with pytest.raises(DiscoveryError, match=r"no-such-file\.json"):
            client.discover()
        with pytest.raises(DiscoveryError, match=r"no-such-file\.json"):
            client.flows.shout  # noqa: B018 - looking it up is enough


def test_an_action_that_is_no_flow_is_run_by_its_key(stub: StubServer) -> None:
    data = '{"/flow/shout": {"key": "/flow/shout"}, "/model/echo": {"key": "/model/echo"}}'
    catalog = Catalog.parse(data, source="x", all_actions=True)
    with Client(stub.url, catalog=catalog) as client, pytest.raises(NotFoundError):
        client.flows["/model/echo"]({"messages": []})
    assert stub.requests[-1].json == {"key": "/model/echo", "input": {"messages": []}}


@pytest.mark.parametrize(
    ("catalog", "error"),
    [
        (5, TypeError),
        ("http://user:secret@host/x.json", ValueError),
        ("http://", ValueError),
        ("file:///flows.json", ValueError),
        ("", ValueError),
    ],
)
def test_a_catalog_that_makes_no_sense_is_refused_at_once(catalog: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        Client("http://localhost", catalog=catalog)
    assert "secret" not in str(caught.value)


@every
def test_where_there_is_no_catalog_it_says_what_was_tried_and_what_to_do(
    driver: Driver, stub: StubServer
) -> None:
    stub.always(OPENAPI, f.html_page())
    stub.always(ACTIONS, f.status(404))
    with (
        driver.client(stub) as client,
        pytest.raises(DiscoveryError, match=r"openapi\.json: .*api/actions: .*declare.*catalog="),
    ):
        client.discover()


@every
def test_a_base_url_with_a_path_has_its_catalog_below(driver: Driver) -> None:
    with StubServer("go") as stub:
        stub.flow("echo", path="/api/v1/echo")(lambda text: text)
        stub.always("/api/v1/openapi.json", f.status(404))
        with driver.client(stub, url=stub.url + "/api/v1") as client, pytest.raises(DiscoveryError):
            client.discover()
        assert asked(stub) == ["/api/v1/openapi.json", "/api/v1/api/actions"]


@every
def test_a_catalog_does_not_move_its_flows(driver: Driver) -> None:
    with StubServer("go") as stub:
        stub.flow("echo", path="/my app/ö/a b")(lambda text: text)
        paths = {
            "/a%20b": {
                "post": {
                    "requestBody": {
                        "content": {
                            "application/json": {"schema": {"type": "object", "properties": {"data": {}}}}
                        }
                    },
                    "responses": {
                        "200": {
                            "content": {"text/event-stream": {"itemSchema": {"properties": {"message": {}}}}}
                        }
                    },
                }
            }
        }
        document = json.dumps(
            {"openapi": "3.2.0", "servers": [{"url": "http://elsewhere/x"}], "paths": paths}
        )
        catalog = Catalog.parse(document, source="x")
        with driver.client(stub, url=stub.url + "/my%20app/%C3%B6", catalog=catalog) as client:
            assert client.flows["a b"]("text") == "text"
    assert "servers" in catalog.warnings[0]


@every
def test_a_document_that_is_lost_is_asked_for_again(
    driver: Driver, stub: StubServer, caplog: pytest.LogCaptureFixture
) -> None:
    stub.script(OPENAPI, f.close_before_response(), f.status(503, retry_after=0), None)
    with driver.client(stub) as client:
        assert client.flows.shout("a") == "A"
    assert asked(stub) == [OPENAPI] * 3
    told = [record.getMessage() for record in caplog.records]
    assert [line.partition(": ")[0] for line in told] == [stub.url + OPENAPI] * 2


@every
def test_a_server_that_cannot_be_asked_is_no_server_without_flows(driver: Driver) -> None:
    with StubServer() as stub:
        url = stub.url
    with driver.client(None, url=url, retry=None) as client, pytest.raises(FlowConnectionError):
        client.discover()


@every
def test_discovery_keeps_the_clocks_and_limits(driver: Driver, stub: StubServer) -> None:
    stub.script(OPENAPI, f.stall(), None)
    with driver.client(stub, timeout=Timeout(idle=0.1), retry=None) as client:
        with pytest.raises(FlowTimeoutError) as caught:
            client.discover()
        assert caught.value.clock == "idle"
        assert not caught.value.work_may_have_run
        assert client.flows.shout("a") == "A"  # a failure is not kept
    with (
        driver.client(stub, max_response_bytes=50) as client,
        pytest.raises(DiscoveryError, match="max_response_bytes"),
    ):
        client.discover()


@every
def test_discover_asks_anew(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client:
        types = known(client).menu.output_type
        assert list(client.discover()) == list(client.flows)
        assert client.flows.menu.output_type is types  # the same catalog keeps its types
        stub.flow("later")(lambda: 1)
        assert "later" not in client.flows
        client.discover()
        assert "later" in client.flows
    assert asked(stub) == [OPENAPI] * 3


# --- stopping ----------------------------------------------------------------------------------------


@asynchronous
@pytest.mark.parametrize("how", ["cancel", "close"])
def test_a_stream_is_stopped_while_its_flow_is_looked_up(
    driver: Driver, stub: StubServer, how: Literal["cancel", "close"]
) -> None:
    stub.always(OPENAPI, f.stall())
    with driver.client(stub) as client:
        stream = client.flows.menu.stream(theme="x")
        reader = spawn(lambda: next(stream))
        stub.wait_until(lambda: asked(stub))
        getattr(stream, how)()
        with pytest.raises(FlowCancelledError):
            reader.result(5)
        with pytest.raises(FlowCancelledError):
            stream.result()
        stub.wait_until(lambda: stub.connections.open == 0)
        stub.always(OPENAPI, None)
        assert client.flows.shout("a") == "A"


@every
def test_closing_the_client_ends_a_discovery(driver: Driver, stub: StubServer) -> None:
    stub.always(OPENAPI, f.stall())
    with driver.client(stub) as client:
        finding = spawn(client.discover)
        stub.wait_until(lambda: asked(stub))
        client.close()
        with pytest.raises(FlowCancelledError):
            finding.result(5)


@asynchronous
def test_a_late_stream_restarts_once_its_flow_is_known(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client:
        stream = client.flows["my-flow/v2"].stream([1])
        with pytest.raises(DiscoveryError, match="not known yet"):
            stream.restart([2])
        stopped = client.flows["my-flow/v2"].stream([1])
        events = client.flows["my-flow/v2"].stream_events([1])
        assert list(stream) == [1]
        stream.restart([2, 3])
        assert list(stream) == [2, 3]
        stopped.cancel()
        stopped.restart([4])
        assert list(stopped) == [4]
        events.restart([5])
        assert [json.loads(event.data) for event in events] == [{"message": 5}, {"result": 5}]


def test_a_flow_waits_for_nothing_when_it_is_cancelled_before_its_lookup(stub: StubServer) -> None:
    async def main() -> None:
        async with AsyncClient(stub.url) as client:
            stream = client.flows.menu.stream(theme="x")
            stream.cancel()
            with pytest.raises(FlowCancelledError):
                await anext(stream)

    anyio.run(main)
    assert stub.runs == []


# --- what an attack found ------------------------------------------------------------------------------


@every
def test_fields_may_be_called_self_or_input(driver: Driver, stub: StubServer) -> None:
    fields = {"self": {"type": "string"}, "input": {"type": "integer"}, "flow": {"default": 2}}
    catalog = actions({"bare": {"inputSchema": {"type": "object", "properties": fields}}})
    with driver.client(stub, catalog=catalog) as client:
        flow = known(client).bare
        assert list(inspect.signature(flow.inner).parameters) == ["self", "input", "flow"]
        assert flow(self="me", input=5) == {"self": "me", "input": 5, "flow": 2}


@every
def test_without_an_input_an_object_has_its_defaults(driver: Driver, stub: StubServer) -> None:
    @stub.flow
    def optional(request: Optional) -> int:
        return request.n

    with driver.client(stub) as client:
        assert client.flows.optional() == 7
        assert stub.requests[-1].json == {"data": {"n": 7}}
        with pytest.raises(InputValidationError, match="theme: Field required"):
            known(client).menu()
    assert stub.run_count("menu") == 0


@every
def test_an_output_may_be_an_input_again(driver: Driver, stub: StubServer) -> None:
    @stub.flow
    def chat(history: list[Message]) -> Message:
        return Message(text=f"{len(history)}", when=history[-1].when if history else None)

    with driver.client(stub) as client:
        when = datetime(2026, 1, 2, tzinfo=UTC)
        reply = client.flows.chat([{"text": "a", "when": when}])
        assert reply.when == when
        again = client.flows.chat([reply, {"text": "b", "when": None}, (reply)])
        assert (again.text, again.when) == ("3", when)


def test_what_is_shown_of_a_default_is_nobodys_to_change(stub: StubServer) -> None:
    @stub.flow
    def lists(request: Lists) -> list[int]:
        return request.numbers

    with Client(stub.url) as client:
        flow = client.flows.lists
        inspect.signature(flow).parameters["numbers"].default.append(7)
        schema = flow.spec.input_schema
        assert schema is not None
        schema.root["components"]["schemas"]["Lists"]["properties"]["numbers"]["default"].append(8)
        assert flow() == client.flows.lists() == [1]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (f.status(401), "HTTP 401 .*auth"),
        (f.status(500, body=b"boom"), "HTTP 500 boom"),
        (f.status(405), "HTTP 405"),
    ],
    ids=["401", "500", "405"],
)
@every
def test_the_error_tells_how_each_address_answered(
    driver: Driver, stub: StubServer, fault: Any, says: str
) -> None:
    stub.always(OPENAPI, fault)
    stub.always(ACTIONS, f.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]"))
    with (
        driver.client(stub, retry=None) as client,
        pytest.raises(DiscoveryError, match=rf"openapi\.json: {says}.*api/actions: found") as caught,
    ):
        client.discover()
    assert str(caught.value).count(stub.url + ACTIONS) == 1


@every
def test_a_document_that_breaks_off_is_no_absent_one(driver: Driver, stub: StubServer) -> None:
    stub.always(OPENAPI, f.close_before_response())
    with driver.client(stub, retry=None) as client:
        assert client.flows.shout("a") == "A"  # the other address answers
        stub.always(ACTIONS, f.status(404))
        with pytest.raises(DiscoveryError) as caught:
            client.discover()
    assert isinstance(caught.value.__cause__, StreamInterruptedError)
    assert not caught.value.__cause__.work_may_have_run


@every
def test_an_absent_document_is_told_apart_from_a_refused_one(driver: Driver, stub: StubServer) -> None:
    stub.always(OPENAPI, f.status(404))
    for fault, cause in ((f.status(404), None), (f.status(403), PermissionDeniedError)):
        stub.always(ACTIONS, fault)
        with driver.client(stub) as client, pytest.raises(DiscoveryError) as caught:
            client.discover()
        assert type(caught.value.__cause__) is (type(None) if cause is None else cause)


@every
def test_a_flow_that_only_streams_is_called_for_its_output(driver: Driver, stub: StubServer) -> None:
    body = b'data: {"message": 1}\n\ndata: {"message": 2}\n\ndata: {"result": 3}\n\n'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\nConnection: close\r\n\r\n"
    stub.script("shout", f.raw(head + body), f.raw(head + body[:40]))
    with driver.client(stub) as client:
        assert client.flow("shout", output=int)("x") == 3
        with pytest.raises(StreamInterruptedError):
            client.flow("shout", output=int)("x")


@asynchronous
def test_a_late_flow_counts_its_lookup_in_its_own_total(driver: Driver, stub: StubServer) -> None:
    stub.always(OPENAPI, f.stall())
    with driver.client(stub, timeout=60, retry=None) as client:
        hasty = client.flows.menu.with_options(timeout=0.2)
        with pytest.raises(FlowTimeoutError) as caught:
            hasty(theme="x")
        assert caught.value.clock == "total"
        with pytest.raises(FlowTimeoutError) as caught:
            hasty.stream(theme="x").result()
        assert caught.value.clock == "total"
        stub.always(OPENAPI, f.delay_headers(0.25))
        stub.always("menu", f.delay_headers(0.25))
        with pytest.raises(FlowTimeoutError):
            client.flows.menu.with_options(timeout=0.4)(theme="x")


@every
def test_both_documents_share_one_total(driver: Driver, stub: StubServer) -> None:
    stub.always(OPENAPI, (f.delay_headers(0.2), f.status(404)))
    stub.always(ACTIONS, f.stall())
    with driver.client(stub, timeout=0.4, retry=None) as client, pytest.raises(FlowTimeoutError) as caught:
        client.discover()
    assert caught.value.clock == "total"
    assert caught.value.timeline is not None
    assert caught.value.timeline.elapsed < 0.4  # what the first one left


def test_who_waits_for_a_search_shares_its_failure(stub: StubServer) -> None:
    stub.always(OPENAPI, f.stall())
    with Client(stub.url, timeout=Timeout(idle=0.5), retry=None) as client:
        threads = [spawn(lambda: client.flows.menu) for _ in range(8)]
        errors = [thread.exception(10) for thread in threads]
    assert {type(error) for error in errors} == {FlowTimeoutError}
    assert len(set(map(id, errors))) == 8
    assert len(asked(stub)) < 8


@asynchronous
def test_tasks_that_wait_for_a_search_share_its_failure(driver: Driver, stub: StubServer) -> None:
    errors: list[Exception] = []

    async def main() -> None:
        async with driver.async_client(stub.url, timeout=Timeout(idle=0.2), retry=None) as client:

            async def call() -> None:
                try:
                    await client.flows.menu(theme="x")
                except FlowTimeoutError as error:
                    errors.append(error)

            async with anyio.create_task_group() as group:
                for _ in range(8):
                    group.start_soon(call)

    stub.always(OPENAPI, f.stall())
    driver.run(main)
    assert len(errors) == 8
    assert asked(stub) == [OPENAPI]


@every
def test_who_waits_for_a_search_waits_no_longer_than_its_own_total(driver: Driver, stub: StubServer) -> None:
    stub.always(OPENAPI, f.stall())
    with driver.client(stub) as client:
        searching = spawn(client.discover)
        stub.wait_until(lambda: asked(stub))
        with pytest.raises(FlowTimeoutError, match=r"not found out within 0\.1 s") as caught:
            client.with_options(timeout=0.1).discover()
        assert caught.value.clock == "total"
        client.close()
        with pytest.raises(FlowCancelledError):
            searching.result(10)


@ours
def test_closing_the_client_ends_every_search(driver: Driver, stub: StubServer) -> None:
    stub.always(OPENAPI, f.stall())
    with driver.client(stub) as client:
        searching = spawn(client.discover)
        stub.wait_until(lambda: asked(stub))
        waiting = spawn(client.discover)
        client.close()
        for thread in (searching, waiting):
            with pytest.raises(FlowCancelledError):
                thread.result(10)
        with pytest.raises(FlowCancelledError, match="closed"):
            client.discover()


@every
def test_a_known_flow_waits_for_no_search(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub, timeout=5) as client:
        client.discover()
        stub.always(OPENAPI, f.stall())
        searching = spawn(client.discover)
        stub.wait_until(lambda: len(asked(stub)) == 2)
        assert client.flows.shout("a") == "A"
        assert "menu" in client.flows
        assert not searching.done()
        client.close()
        with pytest.raises(FlowCancelledError):
            searching.result(10)


def test_who_has_other_options_searches_itself(stub: StubServer) -> None:
    stub.script(OPENAPI, f.stall(), None)
    with Client(stub.url, retry=None) as client:
        hasty = spawn(client.with_options(timeout=0.3).discover)
        stub.wait_until(lambda: asked(stub))
        patient = spawn(client.discover)
        with pytest.raises(FlowTimeoutError):
            hasty.result(10)
        assert "menu" in patient.result(10)


def test_a_failed_search_keeps_nothing_of_who_asked(stub: StubServer) -> None:
    class Local:
        pass

    def search(client: Client) -> ref[Local]:
        local = Local()
        with pytest.raises(DiscoveryError):
            client.discover()
        return ref(local)

    stub.always("*", f.status(404))
    with Client(stub.url) as client:
        kept = search(client)
        gc.collect()
        assert kept() is None


def test_the_same_catalog_warns_once(stub: StubServer, caplog: pytest.LogCaptureFixture) -> None:
    catalog = actions({"a?b": {}, "shout": {}})
    assert len(catalog.warnings) == 1
    with Client(stub.url, catalog=catalog) as client:
        client.discover()
        client.discover()
    assert [record.getMessage().count("a?b") for record in caplog.records] == [1]


@pytest.mark.parametrize(
    ("base", "catalog", "protocol", "places"),
    [
        (
            "http://h:1",
            None,
            "callable",
            [("http://h:1/openapi.json", "callable"), ("http://h:1/api/actions", "reflection")],
        ),
        (
            "http://h:1/x",
            "http://H:1/x/api/actions",
            "callable",
            [("http://H:1/x/api/actions", "reflection")],
        ),
        ("http://h", "http://h:80/api/actions", "callable", [("http://h:80/api/actions", "reflection")]),
        ("http://h:1", "http://h:2/api/actions", "callable", [("http://h:2/api/actions", "callable")]),
        ("http://h:1", "http://h:2/api/actions", "reflection", [("http://h:2/api/actions", "reflection")]),
        ("http://h:1", "http://h:2?v=1", "callable", [("http://h:2?v=1", "callable")]),
        (
            "http://h:1",
            "http://h:1",
            "callable",
            [("http://h:1/openapi.json", "callable"), ("http://h:1/api/actions", "reflection")],
        ),
        (
            "http://h:1",
            "http://h:2/",
            "callable",
            [("http://h:2/openapi.json", "callable"), ("http://h:2/api/actions", "callable")],
        ),
    ],
)
def test_where_a_catalog_is_looked_for(
    base: str, catalog: str | None, protocol: ProtocolName, places: list[tuple[str, str]]
) -> None:
    assert Discovery(BaseUrl.parse(base), protocol, catalog)._places() == places


def test_a_file_of_actions_is_called_as_the_client_calls(tmp_path: Path, stub: StubServer) -> None:
    file = tmp_path / "actions.json"
    file.write_text('{"/flow/shout": {"key": "/flow/shout"}, "/tool.v2/x": {"key": "/tool.v2/x"}}')
    with Client(stub.url, catalog=file, protocol="reflection") as client:
        assert client.flows.shout("a") == "A"
    assert stub.requests[-1].path == "/api/runAction"
    with (
        Client(stub.url, catalog=Catalog.load(file, all_actions=True)) as client,
        pytest.raises(NotFoundError),
    ):
        client.flows["/tool.v2/x"](1)


def test_help_shows_no_control_characters(stub: StubServer) -> None:
    catalog = actions({"shout": {"description": "a\x1b]0;evil\x07\u202e\nb"}})
    with Client(stub.url, catalog=catalog) as client:
        text = type(client.flows.shout).__doc__
    assert text is not None
    assert [line for line in text.splitlines() if not line.isprintable()] == []
    assert "\nb" in text


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_forked_during_a_search_searches_itself(stub: StubServer) -> None:
    stub.script(OPENAPI, f.stall(), None)
    with Client(stub.url) as client:
        searching = spawn(client.discover)
        stub.wait_until(lambda: asked(stub))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: threads and fork
            child = os.fork()
        if child == 0:  # pragma: no cover - another process
            signal.alarm(10)
            os._exit(0 if "menu" in client.flows else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        client.close()
        with pytest.raises(FlowCancelledError):
            searching.result(10)


def test_fields_that_an_unchecked_keyword_may_name_are_let_through(stub: StubServer) -> None:
    text = {"type": "string"}
    cond = {"type": "object", "properties": {"x": text}, "if": {}, "then": {"properties": {"y": text}}}
    open_ = {"type": "object", "properties": {"x": text}, "additionalProperties": True}
    with Client(
        stub.url, catalog=actions({"bare": {"inputSchema": cond}, "shout": {"inputSchema": open_}})
    ) as client:
        assert client.flows.bare({"x": "a", "y": "b"}) == {"x": "a", "y": "b"}
        with pytest.raises(InputValidationError, match="one mapping may hold"):
            client.flows.shout(q="a")


def test_names_that_python_reads_otherwise_are_no_attributes(stub: StubServer) -> None:
    with Client(stub.url, catalog=actions({"ﬁsh": {}, "größe": {}, "class": {}, "_x": {}})) as client:
        assert len(client.flows) == 4
        assert [name for name in dir(client.flows) if not name.startswith("_")] == ["größe"]


def test_the_schema_of_a_type_has_readable_names(stub: StubServer) -> None:
    with Client(stub.url) as client:
        assert list(client.flows.menu.output_type.model_json_schema()["$defs"]) == ["Item"]


@every
def test_a_misfit_is_told_without_our_steps(driver: Driver, stub: StubServer) -> None:
    closed = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
    other = {"type": "object", "properties": {"b": {"type": "integer"}}, "additionalProperties": False}
    catalog = actions({"shout": {"outputSchema": {"anyOf": [closed, other]}}})
    with (
        driver.client(stub, catalog=catalog, strict=True) as client,
        pytest.raises(OutputValidationError) as caught,
    ):
        client.flows.shout("x")
    assert "letter" not in str(caught.value)
    assert isinstance(caught.value.validation_error, ValidationError)
    assert caught.value.validation_error.title == "output of flow 'shout'"
