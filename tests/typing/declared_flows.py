"""What a type checker knows of declared flows: `FlowDef`, or a name with types. Checked, never run."""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

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
    Liveness,
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
CHUNKS = FlowDef("chunks", chunk=float)
LOOSE = FlowDef("loose")

assert_type(MODELS, FlowDef[Request, Item, Menu])
assert_type(FORMS, FlowDef[int | None, Item | str, list[Item] | None])
assert_type(SIMPLE, FlowDef[str, Literal["a", "b"], None])
assert_type(LOOSE, FlowDef[Any, Any, Any])
assert_type(MODELS.name, str)
assert_type(MODELS.path, str | None)


def calls(client: Client) -> None:
    menu = client.flow(MODELS)
    assert_type(menu, Flow[Request, Item, Menu])
    assert_type(menu(Request(theme="x")), Menu)
    assert_type(menu.definition, FlowDef[Request, Item, Menu])
    assert_type(
        menu.with_options(timeout=2.0, retry=None, headers={}, strict=True), Flow[Request, Item, Menu]
    )

    forms = client.flow(FORMS)
    assert_type(forms(None), list[Item] | None)
    assert_type(forms(5), list[Item] | None)
    assert_type(forms(), list[Item] | None)

    assert_type(client.flow(SIMPLE)("x"), None)
    assert_type(client.flow(CHUNKS), Flow[Any, float, Any])
    assert_type(client.flow(LOOSE), Flow[Any, Any, Any])
    assert_type(client.flow(LOOSE)({"anything": 1}), Any)


def calls_by_name(client: Client) -> None:
    named = client.flow("menu", input=Request, chunk=Item | None, output=int | str)
    assert_type(named, Flow[Request, Item | None, int | str])
    assert_type(named(Request(theme="x")), int | str)
    assert_type(client.flow("menu"), Flow[Any, Any, Any])
    assert_type(client.flow("menu", output=bool), Flow[Any, Any, bool])
    assert_type(client.flow("menu", output=dict[str, int], path="/x")(1), dict[str, int])


def streams(client: Client, ticket: Ticket) -> None:
    menu = client.flow(MODELS)
    stream = menu.stream(Request(theme="x"))
    assert_type(stream, FlowStream[Item, Menu])
    with stream as entered:
        assert_type(entered, FlowStream[Item, Menu])
        for item in entered:
            assert_type(item, Item)
        assert_type(entered.result(), Menu)
    assert_type(next(stream), Item)
    assert_type(menu.resume(ticket), FlowStream[Item, Menu])
    assert_type(menu.resume("id"), FlowStream[Item, Menu])
    assert_type(menu.stream_events(Request(theme="x")), FlowStream[ServerSentEvent, None])
    assert_type(list(client.flow(FORMS).stream(1)), list[Item | str])
    assert_type(next(client.flow(SIMPLE).stream("x")), Literal["a", "b"])
    assert_type(stream.received, int)
    assert_type(stream.ticket(), Ticket | None)
    assert_type(stream.stream_id, str | None)
    assert_type(stream.trace_id, str | None)
    assert_type(stream.liveness, Liveness)
    assert_type(stream.liveness.chunk, float | None)


async def async_calls(client: AsyncClient) -> None:
    menu = client.flow(MODELS)
    assert_type(menu, AsyncFlow[Request, Item, Menu])
    assert_type(await menu(Request(theme="x")), Menu)
    assert_type(menu.with_options(timeout=None, retry=None), AsyncFlow[Request, Item, Menu])
    assert_type(await client.flow(FORMS)(None), list[Item] | None)
    assert_type(await client.flow(FORMS)(), list[Item] | None)
    assert_type(await client.flow(LOOSE)(3), Any)
    named = client.flow("menu", input=Request, chunk=Item | None, output=int | str)
    assert_type(named, AsyncFlow[Request, Item | None, int | str])
    assert_type(await named(Request(theme="x")), int | str)
    assert_type(client.flow("menu"), AsyncFlow[Any, Any, Any])
    assert_type(client.flow("menu", output=bool), AsyncFlow[Any, Any, bool])


async def async_streams(client: AsyncClient, ticket: Ticket) -> None:
    menu = client.flow(MODELS)
    stream = menu.stream(Request(theme="x"))
    assert_type(stream, AsyncFlowStream[Item, Menu])
    async with stream as entered:
        assert_type(entered, AsyncFlowStream[Item, Menu])
        async for item in entered:
            assert_type(item, Item)
        assert_type(await entered.result(), Menu)
    assert_type(await anext(stream), Item)
    assert_type(menu.resume(ticket), AsyncFlowStream[Item, Menu])
    assert_type(menu.stream_events(Request(theme="x")), AsyncFlowStream[ServerSentEvent, None])
    assert_type([chunk async for chunk in client.flow(FORMS).stream(1)], list[Item | str])
    assert_type(stream.ticket(), Ticket | None)
    assert_type(stream.liveness, Liveness)
    await stream.restart(Request(theme="y"))
    await stream.aclose()
