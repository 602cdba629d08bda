"""What a type checker knows of discovered flows: how to call them, not their fields. Checked, never run."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from pathlib import Path
from typing import Any, assert_type

from httpx_sse import ServerSentEvent

from streamflow_client import (
    AsyncClient,
    AsyncDiscoveredFlow,
    AsyncFlow,
    AsyncFlows,
    AsyncFlowStream,
    Catalog,
    Client,
    DiscoveredFlow,
    Flow,
    Flows,
    FlowSpec,
    FlowStream,
    Schema,
    Ticket,
)


def calls(client: Client, ticket: Ticket) -> None:
    assert_type(client.flows, Flows)
    menu = client.flows.menu
    assert_type(menu, DiscoveredFlow)
    assert_type(client.flows["my-flow/v2"], DiscoveredFlow)
    assert_type(menu(), Any)
    assert_type(menu({"theme": "x"}), Any)
    assert_type(menu(None), Any)
    assert_type(menu(theme="x", dishes=3, class_=None, input=5, self=6), Any)
    assert_type(menu.stream(theme="x"), FlowStream[Any, Any])
    assert_type(menu.stream([1, 2]), FlowStream[Any, Any])
    assert_type(menu.stream_events(theme="x"), FlowStream[ServerSentEvent, None])
    assert_type(menu.resume(ticket), FlowStream[Any, Any])
    assert_type(menu.with_options(timeout=2.0, strict=True), DiscoveredFlow)
    with menu.stream(theme="x") as stream:
        for item in stream:
            assert_type(item, Any)
        assert_type(stream.result(), Any)
    flow: Flow[Any, Any, Any] = menu
    assert_type(flow.input_type, Any)


def looking_around(client: Client) -> None:
    assert_type(list(client.flows), list[str])
    assert_type(len(client.flows), int)
    assert_type("menu" in client.flows, bool)
    spec = client.flows.menu.spec
    assert_type(spec, FlowSpec)
    assert_type(spec.input_schema, Schema | None)
    assert_type(spec.description, str)


def catalogs(client: Client) -> None:
    catalog = client.discover()
    assert_type(catalog, Catalog)
    assert_type(catalog["menu"], FlowSpec)
    assert_type(list(catalog), list[str])
    assert_type(catalog.warnings, tuple[str, ...])
    assert_type(Catalog.load("flows.json"), Catalog)
    assert_type(Catalog.load(Path("flows.json")), Catalog)
    assert_type(Catalog.parse(b"{}", source="memory"), Catalog)
    assert_type(Client("x", catalog=catalog), Client)
    assert_type(Client("x", catalog="flows.json"), Client)
    assert_type(Client("x", catalog=Path("flows.json")), Client)
    assert_type(Client("x", catalog=None), Client)
    assert_type(AsyncClient("x", catalog=catalog), AsyncClient)
    assert_type(AsyncClient("x", catalog=Path("flows.json")), AsyncClient)


async def async_calls(client: AsyncClient, ticket: Ticket) -> None:
    assert_type(client.flows, AsyncFlows)
    menu = client.flows.menu
    assert_type(menu, AsyncDiscoveredFlow)
    assert_type(client.flows["my-flow/v2"], AsyncDiscoveredFlow)
    assert_type(await menu(), Any)
    assert_type(await menu({"theme": "x"}), Any)
    assert_type(await menu(theme="x", dishes=3), Any)
    assert_type(menu.stream(theme="x"), AsyncFlowStream[Any, Any])
    assert_type(menu.stream_events(theme="x"), AsyncFlowStream[ServerSentEvent, None])
    assert_type(menu.resume(ticket), AsyncFlowStream[Any, Any])
    assert_type(menu.with_options(timeout=None), AsyncDiscoveredFlow)
    async with menu.stream(theme="x") as stream:
        async for item in stream:
            assert_type(item, Any)
        assert_type(await stream.result(), Any)
    assert_type(await client.discover(), Catalog)
    assert_type(list(client.flows), list[str])
    flow: AsyncFlow[Any, Any, Any] = menu
    assert_type(flow.output_type, Any)


def wrong_uses(client: Client, other: AsyncClient) -> None:
    client.flows.menu({"theme": "x"}, 5)  # type: ignore[call-arg]
    client.flows[5]  # type: ignore[index]
    client.flows.menu = client.flows.other  # type: ignore[attr-defined]
    Client("x", catalog=5)  # type: ignore[arg-type]
    Client("x", catalog=b"{}")  # type: ignore[arg-type]
    for _ in other.flows.menu.stream():  # type: ignore[attr-defined]
        pass
    with other.flows.menu.stream():  # type: ignore[attr-defined]
        pass


async def wrong_async_uses(client: Client, other: AsyncClient) -> None:
    await client.discover()  # type: ignore[misc]
    async for _ in client.flows.menu.stream():  # type: ignore[attr-defined]
        pass
    assert other.discover().warnings  # type: ignore[attr-defined]
