"""What a start costs, told by counting: time would tell of the machine."""

from __future__ import annotations

import gc
import json
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

import httpx
import pytest

from generated_modules import forget, loaded
from streamflow_client import AsyncClient, Catalog, Client, FlowSpec, generated
from streamflow_client.call import Open
from streamflow_client.calls import make_settings, own_request
from streamflow_client.found import FlowTypes
from streamflow_client.options import Retry
from streamflow_client.schema import runtime
from streamflow_client.schema.source.annotations import read_form as read_really
from streamflow_client.schema.source.module import FlowSchemas, module_source
from streamflow_client.testing import StubServer, faults
from streamflow_client.transport.defaults import default_http_client
from streamflow_client.wire.request import BaseUrl


@contextmanager
def counted_calls() -> Iterator[Callable[[], int]]:
    """How many functions written in Python were called meanwhile."""
    count = 0

    def profile(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield lambda: count
    finally:
        sys.setprofile(before)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_costs_next_to_nothing(
    kind: type[Client] | type[AsyncClient], scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> ssl.SSLContext:
        raise AssertionError("a TLS context costs some 20 ms, so the first TLS connection makes it")

    kind("http://localhost:3400")
    monkeypatch.setattr(ssl, "SSLContext", refuse)
    monkeypatch.setattr(ssl, "create_default_context", refuse)
    with counted_calls() as calls:
        kind(f"{scheme}://localhost:3400")
    assert calls() < 1000


SETTINGS: dict[str, Any] = {
    "protocol": "callable",
    "timeout": None,
    "retry": Retry(),
    "strict": False,
    "max_event_bytes": 1,
    "max_response_bytes": 1,
    "headers": None,
    "auth": None,
}


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("given", [None, {"X-Own": "1"}, {"Host": "another", "User-Agent": "mine"}])
@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:3400/menu",
        "https://b\u00fccher.test/menu?a=b",
        "http://[::1]:80/a%20b",
        "http://h.test",
    ],
)
def test_a_request_of_ours_is_what_httpx_would_make_of_it(
    method: Any, given: dict[str, str] | None, url: str
) -> None:
    body = b'{"data":1}' if method == "POST" else b""
    action = Open(method, url, {"Accept": "application/json", "Accept-Encoding": "identity"}, body)
    ours = own_request(make_settings(url.partition("?")[0], **SETTINGS), action, given)
    with default_http_client() as client:
        theirs = client.build_request(
            method, url, headers=action.headers | (given or {}), content=body or None
        )
    assert (ours.method, ours.url, ours.content) == (theirs.method, theirs.url, theirs.content)
    assert dict(ours.headers) == dict(theirs.headers)
    assert not ours.extensions


def test_clients_of_ours_keep_no_cookies_but_those_they_are_given() -> None:
    def request(client: httpx.Client) -> httpx.Request:
        return client.build_request("GET", "http://localhost/")

    with default_http_client() as client, default_http_client() as another:
        response = httpx.Response(200, headers={"set-cookie": "a=b"}, request=request(client))
        client.cookies.extract_cookies(response)
        assert "cookie" not in request(client).headers
        client.cookies.set("c", "d")
        assert request(client).headers["cookie"] == "c=d"
        client.cookies = {"e": "f"}
        client.cookies.extract_cookies(response)
        assert request(client).headers["cookie"] == "e=f"
        assert "cookie" not in request(another).headers


FLOWS = 100


def schemas_of(spec: FlowSpec) -> FlowSchemas:
    types = FlowTypes.read(spec)
    return FlowSchemas(spec.name, "", types.input, types.chunk, types.output)


def hundred_flows() -> bytes:
    dish = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    menu = {"type": "object", "properties": {"dishes": {"type": "array", "items": dish}}}
    found = {
        f"/flow/flow{n}": {
            "key": f"/flow/flow{n}",
            "name": f"flow{n}",
            "inputSchema": menu,
            "outputSchema": menu,
        }
        for n in range(FLOWS)
    }
    return json.dumps(found).encode()


def test_types_are_made_for_the_flows_that_are_used_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def build(types: Any, *, role: Any, name: str) -> Any:
        made.append(name)
        return build_really(types, role=role, name=name)

    build_really = runtime.build
    monkeypatch.setattr(runtime, "build", build)
    with Client("http://localhost:9", catalog=Catalog.parse(hundred_flows(), source="test")) as client:
        assert len(list(client.flows)) == FLOWS
        assert repr(client.flows)
        assert "flow7" in dir(client.flows)
        assert made == []
        for _ in range(2):
            assert client.flows.flow7.spec.name == "flow7"
            assert made == ["Flow7Input", "Flow7Output"]


def test_a_generated_module_reads_the_annotations_of_the_flow_that_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []

    def read_form(form: Any, base: type) -> Any:
        read.append(getattr(form, "__name__", str(form)))
        return read_really(form, base)

    monkeypatch.setattr(generated, "read_form", read_form)
    catalog = Catalog.parse(hundred_flows(), source="test")
    module = loaded(module_source([schemas_of(spec) for spec in catalog.values()]))
    try:
        flows = module.Flows(Client("http://localhost:9"))
        assert read == []
        assert flows.flow7.definition is module.FLOW7
        assert set(read) == {"Flow7Input", "Flow7Output"}
    finally:
        forget(module)


@pytest.fixture
def stub(flow_stub: StubServer) -> StubServer:
    @flow_stub.flow
    def menu(request: dict[str, str], send: Callable[[object], object]) -> str:
        send(request["theme"])
        return request["theme"]

    return flow_stub


HEADERS = {"Accept": "text/event-stream", "Content-Type": "application/json"}
BODY = b'{"data":{"theme":"pirate"}}'


def sync_calls(stub: StubServer) -> tuple[int, int]:
    """Until the first chunk, over a connection that was used before: ours, httpx's own."""
    counts: list[int] = []
    with Client(stub.url) as client, httpx.Client(verify=False) as bare:
        flow, url = client.flow("menu"), f"{stub.url}/menu"
        for _ in range(10):  # turns of the event loop are a matter of luck: the fewest count
            with counted_calls() as calls, flow.stream({"theme": "pirate"}) as stream:
                next(stream)
                counts.append(calls())
                stream.result()
            with (
                counted_calls() as calls,
                bare.stream("POST", url, content=BODY, headers=HEADERS) as response,
            ):
                chunks = response.iter_bytes()
                next(chunks)
                counts.append(calls())
                list(chunks)
    return min(counts[2::2]), min(counts[3::2])


async def async_calls(stub: StubServer) -> tuple[int, int]:
    counts: list[int] = []
    async with AsyncClient(stub.url) as client, httpx.AsyncClient(verify=False) as bare:
        flow, url = client.flow("menu"), f"{stub.url}/menu"
        for _ in range(10):  # turns of the event loop are a matter of luck: the fewest count
            with counted_calls() as calls:
                async with flow.stream({"theme": "pirate"}) as stream:
                    await anext(stream)
                    counts.append(calls())
                    await stream.result()
            with counted_calls() as calls:
                async with bare.stream("POST", url, content=BODY, headers=HEADERS) as response:
                    chunks = response.aiter_bytes()
                    await anext(chunks)
                    counts.append(calls())
                    async for _ in chunks:
                        pass
    return min(counts[2::2]), min(counts[3::2])


def test_a_warm_call_comes_to_its_first_chunk_as_directly_as_httpx(stub: StubServer) -> None:
    ours, theirs = sync_calls(stub)
    assert ours <= 1.1 * theirs, (ours, theirs)


async def test_an_async_one_too(stub: StubServer, anyio_backend_name: str) -> None:
    """trio's turns differ from run to run."""
    ours, theirs = await async_calls(stub)
    assert ours <= (1.2 if anyio_backend_name == "trio" else 1.1) * theirs, (ours, theirs)


def test_opening_costs_the_same_however_many_are_open(stub: StubServer) -> None:
    stub.always("menu", faults.stall(after_chunks=1))
    with ExitStack() as streams, Client(stub.url) as client:
        flow = client.flow("menu")

        def calls_to_open() -> int:
            stream = flow.stream({"theme": "pirate"})
            with counted_calls() as calls:
                streams.enter_context(stream)
                return calls()

        calls_to_open()
        alone, *_, among_many = [calls_to_open() for _ in range(30)]
    assert abs(among_many - alone) <= 10


def test_the_password_of_an_address_is_gone_with_its_client() -> None:
    with Client("http://user:hunter2@localhost:3400") as client:
        client.flow("f").stream()
    del client
    gc.collect()
    bases = [base for base in gc.get_objects() if isinstance(base, BaseUrl)]
    assert [base.userinfo for base in bases if base.userinfo and "hunter2" in base.userinfo] == []
