"""`client.flows`: flows found by asking the server, their types, and what never causes a request."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import pydoc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from pydantic import BaseModel, Field

from drivers import ASYNC_DRIVERS, DRIVERS, Driver, spawn
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
    Timeout,
    UnknownFlowError,
)
from streamflow_client.schema import runtime
from streamflow_client.testing import StubServer
from streamflow_client.testing import faults as f

OPENAPI, ACTIONS = "/openapi.json", "/api/actions"
every = pytest.mark.parametrize("driver", DRIVERS, ids=repr)
asynchronous = pytest.mark.parametrize("driver", ASYNC_DRIVERS, ids=repr)
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
        for _ in range(2):
            with pytest.raises(InputValidationError, match="did you mean 'theme'") as caught:
                next(stream)
        assert caught.value.flow == "menu"
        with pytest.raises(InputValidationError):
            stream.result()
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
        for name in ("_private", "__wrapped__", "_repr_html_", "__deepcopy__", "_ipython_display_"):
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
        async with AsyncClient(stub.url) as client, anyio.create_task_group() as group:

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
        assert list(stream) == [1]
        stream.restart([2, 3])
        assert list(stream) == [2, 3]
        stream.close()


def test_a_flow_waits_for_nothing_when_it_is_cancelled_before_its_lookup(stub: StubServer) -> None:
    async def main() -> None:
        async with AsyncClient(stub.url) as client:
            stream = client.flows.menu.stream(theme="x")
            stream.cancel()
            with pytest.raises(FlowCancelledError):
                await anext(stream)

    anyio.run(main)
    assert stub.runs == []
