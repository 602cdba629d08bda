"""What a type checker knows of discovered flows: how to call them, not their fields. Checked, never run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, assert_type

from httpx_sse import ServerSentEvent

from streamflow_client import (
    AsyncClient,
    AsyncDiscoveredFlow,
    AsyncFlow,
    AsyncFlows,
    AsyncFlowStream,
    Catalog,
    Client,
    Difference,
    DiscoveredFlow,
    Flow,
    Flows,
    FlowSpec,
    FlowStream,
    Schema,
    Ticket,
)


def flows_of_a_client(client: Client) -> None:
    assert_type(client.flows, Flows)
    assert_type(client.flows.menu, DiscoveredFlow)
    assert_type(client.discover(), Catalog)


def flows(flows: Flows) -> None:
    assert_type(flows.menu, DiscoveredFlow)
    assert_type(flows["my-flow/v2"], DiscoveredFlow)
    assert_type(list(flows), list[str])
    assert_type(len(flows), int)
    assert_type("menu" in flows, bool)
    for name in flows:
        assert_type(name, str)


def calls(flow: DiscoveredFlow, ticket: Ticket) -> None:
    assert_type(flow(), Any)
    assert_type(flow({"theme": "x"}), Any)
    assert_type(flow(None), Any)
    assert_type(flow(theme="x", dishes=3, class_=None, input=5, self=6), Any)
    assert_type(flow.stream(theme="x"), FlowStream[Any, Any])
    assert_type(flow.stream([1, 2]), FlowStream[Any, Any])
    assert_type(flow.stream_events(theme="x"), FlowStream[ServerSentEvent, None])
    assert_type(flow.stream_events(3), FlowStream[ServerSentEvent, None])
    assert_type(flow.resume(ticket), FlowStream[Any, Any])
    assert_type(flow.with_options(timeout=2.0, strict=True), DiscoveredFlow)
    assert_type(flow.spec, FlowSpec)
    with flow.stream(theme="x") as stream:
        for item in stream:
            assert_type(item, Any)
        assert_type(stream.result(), Any)
    declared: Flow[Any, Any, Any] = flow
    assert_type(declared.input_type, Any)


async def flows_of_an_async_client(client: AsyncClient) -> None:
    assert_type(client.flows, AsyncFlows)
    assert_type(client.flows.menu, AsyncDiscoveredFlow)
    assert_type(await client.discover(), Catalog)


def async_flows(flows: AsyncFlows) -> None:
    assert_type(flows.menu, AsyncDiscoveredFlow)
    assert_type(flows["my-flow/v2"], AsyncDiscoveredFlow)
    assert_type(list(flows), list[str])
    assert_type(len(flows), int)
    assert_type("menu" in flows, bool)
    for name in flows:
        assert_type(name, str)


async def async_calls(flow: AsyncDiscoveredFlow, ticket: Ticket) -> None:
    assert_type(await flow(), Any)
    assert_type(await flow({"theme": "x"}), Any)
    assert_type(await flow(None), Any)
    assert_type(await flow(theme="x", dishes=3, class_=None, input=5, self=6), Any)
    assert_type(flow.stream(theme="x"), AsyncFlowStream[Any, Any])
    assert_type(flow.stream([1, 2]), AsyncFlowStream[Any, Any])
    assert_type(flow.stream_events(theme="x"), AsyncFlowStream[ServerSentEvent, None])
    assert_type(flow.stream_events(3), AsyncFlowStream[ServerSentEvent, None])
    assert_type(flow.resume(ticket), AsyncFlowStream[Any, Any])
    assert_type(flow.with_options(timeout=None), AsyncDiscoveredFlow)
    assert_type(flow.spec, FlowSpec)
    async with flow.stream(theme="x") as stream:
        async for item in stream:
            assert_type(item, Any)
        assert_type(await stream.result(), Any)
    declared: AsyncFlow[Any, Any, Any] = flow
    assert_type(declared.output_type, Any)


def reading_catalogs() -> None:
    assert_type(Catalog.load("flows.json"), Catalog)
    assert_type(Catalog.load(Path("flows.json"), protocol="reflection", all_actions=True), Catalog)
    assert_type(Catalog.parse(b"{}", source="memory"), Catalog)
    assert_type(Catalog.parse("{}", source="memory", protocol="callable", all_actions=False), Catalog)


def catalogs(catalog: Catalog) -> None:
    assert_type(catalog["menu"], FlowSpec)
    assert_type(catalog.get("menu"), FlowSpec | None)
    assert_type(catalog.get("menu", 3), FlowSpec | int | None)
    assert_type(catalog.source, str)
    assert_type(catalog.warnings, tuple[str, ...])
    assert_type(catalog.flows, Mapping[str, FlowSpec])
    assert_type(catalog.info, Mapping[str, Any] | None)
    assert_type(catalog.save("flows.openapi.json"), None)
    assert_type(catalog.save(Path("flows.openapi.json")), None)
    assert_type(catalog.differences(catalog), tuple[Difference, ...])
    assert_type(list(catalog), list[str])
    assert_type(len(catalog), int)
    assert_type("menu" in catalog, bool)
    assert_type(dict(catalog), dict[str, FlowSpec])
    assert_type([*catalog.values()], list[FlowSpec])
    for name, spec in catalog.items():
        assert_type(name, str)
        assert_type(spec, FlowSpec)


def differences(difference: Difference) -> None:
    assert_type(difference.flow, str)
    assert_type(difference.part, Literal["flow", "input", "chunk", "output"])
    assert_type(difference.severity, Literal["compatible", "breaking"])
    assert_type(difference.rule, str)
    assert_type(difference.path, str)
    assert_type(difference.message, str)


def specs(spec: FlowSpec, schema: Schema) -> None:
    assert_type(spec.name, str)
    assert_type(spec.path, str | None)
    assert_type(spec.protocol, Literal["callable", "reflection"])
    assert_type(spec.description, str)
    assert_type(spec.input_schema, Schema | None)
    assert_type(spec.chunk_schema, Schema | None)
    assert_type(spec.output_schema, Schema | None)
    assert_type(spec.source, str)
    assert_type(schema.value, Any)
    assert_type(schema.root, Any)
    assert_type(schema.pointer, str)
