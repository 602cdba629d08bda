"""What a type checker knows of declared flows: `FlowDef`, or a name with types. Checked, never run."""

from inspect import Signature
from typing import Any, Literal, assert_type

from httpx_sse import ServerSentEvent
from pydantic import BaseModel
from typing_extensions import TypedDict

from streamflow_client import (
    AsyncClient,
    AsyncFlow,
    AsyncFlowStream,
    Client,
    Flow,
    FlowDef,
    FlowStream,
    Ticket,
)


class Request(BaseModel):
    """An input."""

    theme: str


class Item(BaseModel):
    """A chunk."""

    name: str


class Menu(TypedDict):
    """An output."""

    items: list[str]


MODELS = FlowDef("models", input=Request, chunk=Item, output=Menu)
FORMS = FlowDef("forms", input=int | None, chunk=Item | str, output=list[Item] | None)
SIMPLE = FlowDef("simple", input=str, chunk=Literal["a", "b"], output=None)
LOOSE = FlowDef("loose")


def definitions(definition: FlowDef[Request, Item, Menu]) -> None:
    assert_type(FlowDef("f", input=int, chunk=str, output=None, path="/api/f"), FlowDef[int, str, None])
    assert_type(definition.name, str)
    assert_type(definition.path, str | None)
    assert_type(definition.input, Any)
    assert_type(definition.chunk, Any)
    assert_type(definition.output, Any)
    assert_type(definition.input_fields(), list[str])
    assert_type(definition.signature(), Signature)


def flows_of_a_client(client: Client) -> None:
    assert_type(client.flow(MODELS), Flow[Request, Item, Menu])
    assert_type(client.flow("menu", input=Request, output=int | str), Flow[Request, Any, int | str])
    assert_type(client.flow(LOOSE), Flow[Any, Any, Any])


def calls(flow: Flow[Request, Item, Menu], ticket: Ticket) -> None:
    assert_type(flow(Request(theme="x")), Menu)
    assert_type(flow(), Menu)
    assert_type(flow.stream(Request(theme="x")), FlowStream[Item, Menu])
    assert_type(flow.stream(), FlowStream[Item, Menu])
    assert_type(flow.stream_events(Request(theme="x")), FlowStream[ServerSentEvent, None])
    assert_type(flow.stream_events(), FlowStream[ServerSentEvent, None])
    assert_type(flow.resume(ticket), FlowStream[Item, Menu])
    assert_type(flow.resume("id"), FlowStream[Item, Menu])
    assert_type(
        flow.with_options(timeout=2.0, retry=None, headers={}, strict=True), Flow[Request, Item, Menu]
    )
    assert_type(flow.with_options(), Flow[Request, Item, Menu])
    assert_type(flow.definition, FlowDef[Request, Item, Menu])
    assert_type(flow.input_type, Any)
    assert_type(flow.chunk_type, Any)
    assert_type(flow.output_type, Any)


def calls_of_other_forms(client: Client) -> None:
    forms = client.flow(FORMS)
    assert_type(forms(None), list[Item] | None)
    assert_type(forms(5), list[Item] | None)
    assert_type(list(forms.stream(1)), list[Item | str])
    assert_type(client.flow(SIMPLE)("x"), None)
    assert_type(next(client.flow(SIMPLE).stream("x")), Literal["a", "b"])
    assert_type(client.flow(LOOSE)({"anything": 1}), Any)
    assert_type(client.flow("menu", output=dict[str, int], path="/x")(1), dict[str, int])
    for event in forms.stream_events(1):
        assert_type(event, ServerSentEvent)


def a_helper_of_ones_own(flow: Flow[str, Item, Menu]) -> list[Item]:
    with flow.stream("x") as stream:
        return [*stream]


def flows_of_an_async_client(client: AsyncClient) -> None:
    assert_type(client.flow(MODELS), AsyncFlow[Request, Item, Menu])
    assert_type(client.flow("menu", input=Request, output=int | str), AsyncFlow[Request, Any, int | str])
    assert_type(client.flow(LOOSE), AsyncFlow[Any, Any, Any])


async def async_calls(flow: AsyncFlow[Request, Item, Menu], ticket: Ticket) -> None:
    assert_type(await flow(Request(theme="x")), Menu)
    assert_type(await flow(), Menu)
    assert_type(flow.stream(Request(theme="x")), AsyncFlowStream[Item, Menu])
    assert_type(flow.stream(), AsyncFlowStream[Item, Menu])
    assert_type(flow.stream_events(Request(theme="x")), AsyncFlowStream[ServerSentEvent, None])
    assert_type(flow.stream_events(), AsyncFlowStream[ServerSentEvent, None])
    assert_type(flow.resume(ticket), AsyncFlowStream[Item, Menu])
    assert_type(flow.resume("id"), AsyncFlowStream[Item, Menu])
    assert_type(flow.with_options(timeout=None, retry=None, strict=True), AsyncFlow[Request, Item, Menu])
    assert_type(flow.with_options(), AsyncFlow[Request, Item, Menu])
    assert_type(flow.definition, FlowDef[Request, Item, Menu])
    assert_type(flow.input_type, Any)
    assert_type(flow.chunk_type, Any)
    assert_type(flow.output_type, Any)


async def async_calls_of_other_forms(client: AsyncClient) -> None:
    forms = client.flow(FORMS)
    assert_type(await forms(None), list[Item] | None)
    assert_type([chunk async for chunk in forms.stream(1)], list[Item | str])
    assert_type(await client.flow(SIMPLE)("x"), None)
    assert_type(await anext(client.flow(SIMPLE).stream("x")), Literal["a", "b"])
    assert_type(await client.flow(LOOSE)({"anything": 1}), Any)
    async for event in forms.stream_events(1):
        assert_type(event, ServerSentEvent)


async def an_async_helper_of_ones_own(flow: AsyncFlow[str, Item, Menu]) -> list[Item]:
    async with flow.stream("x") as stream:
        return [item async for item in stream]
