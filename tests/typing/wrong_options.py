"""Options, definitions and catalogs that both type checkers refuse; see `wrong_uses.py`."""

# What only follows from an error, or from looking at a thing and no more, is left out:
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnusedExpression=false

from collections.abc import Mapping

import httpx
import httpx2

from streamflow_client import (
    AsyncClient,
    AsyncFlow,
    Catalog,
    Client,
    Flow,
    FlowDef,
    Retry,
    Ticket,
    Timeout,
    aiohttp_http_client,
    default_async_http_client,
    default_http_client,
)
from streamflow_client.testing import StubServer, faults


def token() -> dict[str, str]:
    return {}


async def fresh_token() -> Mapping[str, str]:
    return {}


def token_for(origin: str) -> dict[str, str]:
    return {"Authorization": origin}


def wrong_clients() -> None:
    Client()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Client(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client(b"http://localhost")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Client("x", timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", timeout=httpx.Timeout(5))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", timeout=(1, 2))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", retry=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", retry=True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", protocol="other")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", strict="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", max_event_bytes="1MB")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", max_response_bytes=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", auth=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", auth=("u", "p", "q"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", auth=("u", b"p"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", headers="a: b")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", headers={"a": 1})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    Client("x", headers=[("a", "b")])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", headers=token())()  # type: ignore[operator]  # pyright: ignore[reportCallIssue]
    Client("x", headers=token_for)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", headers=fresh_token)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", headers=fresh_token())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", base_path="/api")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def wrong_async_clients() -> None:
    AsyncClient()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    AsyncClient("x", timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncClient("x", retry=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncClient("x", protocol="other")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncClient("x", auth=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncClient("x", headers={"a": 1})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    AsyncClient("x", headers=token_for)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncClient("x", headers=fresh_token())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def wrong_http_clients() -> None:
    Client("x", http_client=httpx.AsyncClient())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", http_client=httpx2.AsyncClient())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", http_client=default_async_http_client())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", http_client=httpx.Client)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", http_client=default_http_client)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", http_client=httpx.HTTPTransport())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", http_client="http://proxy")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncClient("x", http_client=httpx.Client())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncClient("x", http_client=httpx2.Client())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncClient("x", http_client=default_http_client())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncClient("x", http_client=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    default_http_client(verify=False)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    default_http_client(verify="ca.pem")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", http_client=aiohttp_http_client())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    aiohttp_http_client(verify=False)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    default_async_http_client(verify=False)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def wrong_catalogs(catalog: Catalog) -> None:
    Client("x", catalog=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", catalog=b"flows.json")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Client("x", catalog={})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    AsyncClient("x", catalog={})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Catalog.parse({}, source="x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Catalog.parse(b"{}")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Catalog.parse(b"{}", source="x", protocol="other")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Catalog.load(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Catalog.load("x", "callable")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    catalog["menu"] = 3  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
    catalog[5]  # type: ignore[index]  # pyright: ignore[reportArgumentType]
    catalog.menu  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    catalog["menu"].path = "/x"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    catalog["menu"].input_schema.value  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]


def wrong_copies(client: Client, other: AsyncClient, flow: Flow[int], async_flow: AsyncFlow[int]) -> None:
    client.with_options(5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.with_options(timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.with_options(retry=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.with_options(headers=fresh_token)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.with_options(strict=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.with_options(auth="token")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    other.with_options(timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    other.with_options(headers=token_for)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    flow.with_options(retry=3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    flow.with_options(headers=fresh_token)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async_flow.with_options(timeout="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async_flow.with_options(headers=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def wrong_definitions(client: Client, other: AsyncClient) -> None:
    FlowDef()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    FlowDef(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    FlowDef("x", int, str, float)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    FlowDef("x", input=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    FlowDef("x", chunk=[int, str])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    FlowDef("x", output="nowhere to be found")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    FlowDef("x", path=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    FlowDef("x", stream=int)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.flow(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    client.flow("x", int)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    client.flow("x", input=5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    client.flow(FlowDef("x"), input=int)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    other.flow(5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    other.flow("x", output=5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]


def wrong_values(retry: Retry, timeout: Timeout) -> None:
    Timeout(connect="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Timeout(read=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    timeout.total = 3  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    Retry(attempts=1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Retry(attempts=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Retry(backoff=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    retry.attempts = 3  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    Ticket.parse(b"sft1.")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Ticket("origin", "flow", "id")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def wrong_stubs(stub: StubServer) -> None:
    StubServer("tomcat")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    StubServer(tls="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    stub.script("menu", faults.drop)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    stub.script("menu", "drop")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    stub.always("menu", [faults.drop()])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    stub.requests = []  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    faults.drop(after_chunks="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    faults.status()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
