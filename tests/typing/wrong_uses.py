"""What both type checkers refuse: one wrong use a line, with the rule of each. Checked, never run.

An ignore that a checker does not need, or that names another rule, is an error: so every line here proves
that mypy and pyright see it.
"""

# What only follows from an error, or from looking at a thing and no more, is left out:
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnusedExpression=false

from collections.abc import Callable

from pydantic import BaseModel

from streamflow_client import (
    AsyncClient,
    AsyncFlow,
    AsyncFlowStream,
    Client,
    Flow,
    FlowDef,
    FlowError,
    FlowStatusError,
    FlowStream,
    FlowTimeoutError,
    Ticket,
)


class Request(BaseModel):
    """An input."""

    theme: str


class Item(BaseModel):
    """A chunk."""

    name: str


MENU = FlowDef("menu", input=Request, chunk=Item, output=int)
FORMS = FlowDef("forms", input=int | None, chunk=Item | None, output=str | None)

Menu = Flow[Request, Item, int]
AsyncMenu = AsyncFlow[Request, Item, int]
MenuStream = FlowStream[Item, int]
AsyncMenuStream = AsyncFlowStream[Item, int]


# --- inputs of another type, or given in another way ---


def wrong_inputs(menu: Menu, stream: MenuStream, forms: Flow[int | None, Item, str]) -> None:
    menu({"theme": "x"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    menu("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    menu(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    menu(Item(name="x"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    menu(theme="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    menu(Request(theme="x"), 5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    menu(Request())  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    menu.stream("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    menu.stream(theme="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    menu.stream_events("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    menu.resume(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    menu.resume(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    menu.resume()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    menu.resume(stream.ticket())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    forms("5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    forms(5.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def wrong_async_inputs(menu: AsyncMenu, stream: AsyncMenuStream) -> None:
    await menu({"theme": "x"})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await menu("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await menu(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await menu(theme="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    menu.stream("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    menu.stream_events("x")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    menu.resume(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    menu.resume(stream.ticket())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await stream.restart(1, 2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def wrong_inputs_by_name(client: Client, other: AsyncClient) -> None:
    client.flow("x", input=bool)("no")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.flow("x", input=None)(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.flow("x", input=int | str)(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.flow("x", input=list[int])(["a"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    other.flow("x", input=bool).stream("no")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# --- chunks and outputs taken for something else ---


def wrong_chunks(menu: Menu, stream: MenuStream, forms: FlowStream[Item | None, str | None]) -> None:
    for item in stream:
        item.nope  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        item["name"]  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
        item + 1  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
        number: int = item  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
        print(number)
    for maybe in forms:
        maybe.name  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    next(stream).nope  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    texts: list[str] = list(stream)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    print(texts)
    text: str = stream.result()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(text)
    stream.result().name  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    forms.result().upper()  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    menu(Request(theme="x")).name  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    stream[0]  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
    len(stream)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    for event in menu.stream_events():
        event.name  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


async def wrong_async_chunks(menu: AsyncMenu, stream: AsyncMenuStream) -> None:
    async for item in stream:
        item.nope  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        number: int = item  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
        print(number)
    (await anext(stream)).nope  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    text: str = await stream.result()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(text)
    (await menu(Request(theme="x"))).name  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def wrong_output(menu: Menu) -> str:
    return menu()  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


async def wrong_async_output(menu: AsyncMenu) -> str:
    return await menu()  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


def wrong_stream(menu: Menu) -> FlowStream[str, int]:
    return menu.stream()  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


def wrong_helper(take: Callable[[Flow[Request, str, int]], None], menu: Menu) -> None:
    take(menu)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# --- the synchronous client used as the asynchronous one ---


async def sync_as_async(client: Client, menu: Menu, stream: MenuStream) -> None:
    await menu(Request(theme="x"))  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    await menu.stream()  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    await stream.result()  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    await stream.restart()  # type: ignore[func-returns-value, misc]  # pyright: ignore[reportGeneralTypeIssues]
    await stream.close()  # type: ignore[func-returns-value, misc]  # pyright: ignore[reportGeneralTypeIssues]
    await stream.aclose()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    await anext(stream)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    await client.discover()  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    await client.close()  # type: ignore[func-returns-value, misc]  # pyright: ignore[reportGeneralTypeIssues]
    await client.aclose()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    await Client.local()  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]
    async for _ in stream:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    async with stream:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    async with client:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    async with menu.stream() as _:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    _ = [chunk async for chunk in stream]  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]


# --- the asynchronous client used as the synchronous one ---


async def async_as_sync(client: AsyncClient, menu: AsyncMenu, stream: AsyncMenuStream) -> None:
    for _ in stream:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    with stream:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    with client:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    with menu.stream() as _:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    list(stream)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    next(stream)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    stream.close()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    client.close()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


# --- what was not awaited ---


async def not_awaited(client: AsyncClient, menu: AsyncMenu, stream: AsyncMenuStream) -> None:
    menu(Request(theme="x"))  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    stream.result()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    stream.restart()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    stream.aclose()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    client.discover()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    client.aclose()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    AsyncClient.local()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]


async def not_awaited_but_used(client: AsyncClient, menu: AsyncMenu, stream: AsyncMenuStream) -> None:
    number: int = menu(Request(theme="x"))  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(number)
    stream.result().bit_length()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    print(menu() + 1)  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
    len(client.discover())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.discover().warnings  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    AsyncClient.local().flows  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    with AsyncClient.local():  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    anext(stream).name  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


# --- one client's things given to the other ---


def mixed_kinds(client: Client, other: AsyncClient) -> None:
    flow: Menu = other.flow(MENU)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(flow)
    async_flow: AsyncMenu = client.flow(MENU)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(async_flow)
    stream: MenuStream = other.flow(MENU).stream()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(stream)
    async_stream: AsyncMenuStream = client.flow(MENU).stream()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(async_stream)
    a_client: Client = other  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(a_client)


# --- discovered flows ---


async def wrong_discovered(client: Client, other: AsyncClient) -> None:
    client.flows.menu({"theme": "x"}, 5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.flows[5]  # type: ignore[index]  # pyright: ignore[reportArgumentType]
    client.flows[5] = 3  # type: ignore[call-arg]  # pyright: ignore[reportIndexIssue]
    client.flows.menu.spec.nope  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    client.flows.menu.stream().nope  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    await client.flows.menu()  # fine: the output may be anything
    async for _ in client.flows.menu.stream():  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    async with client.flows.menu.stream():  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    for _ in other.flows.menu.stream():  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    with other.flows.menu.stream():  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    other.flows.menu()  # type: ignore[unused-coroutine]  # pyright: ignore[reportUnusedCoroutine]
    print(other.flows.menu() + 1)  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
    async for _ in other.flows:  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass


# --- what is read-only, and what is not there ---


def wrong_assignment(client: Client) -> None:
    client.flows.menu = client.flows.other  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


def wrong_attributes(menu: Menu, stream: MenuStream, ticket: Ticket) -> None:
    menu.definition = MENU  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    menu.input_type = int  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    menu.nope  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    stream.received = 3  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    stream.liveness = None  # type: ignore[assignment, misc]  # pyright: ignore[reportAttributeAccessIssue]
    stream.nope  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    stream.liveness.byte = 1.0  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    stream.ticket().received  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    stream.response.status_code  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    ticket.received = 3  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    ticket.nope  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    ticket < ticket  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]


def wrong_errors(client: Client) -> None:
    try:
        client.flows.menu()
    except FlowTimeoutError as error:
        error.status  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        error.clock == "never"  # type: ignore[comparison-overlap]  # pyright: ignore[reportUnnecessaryComparison]
    except FlowStatusError as error:
        error.raw  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        error.timeline.phase  # type: ignore[union-attr]  # pyright: ignore[reportOptionalMemberAccess]
    except FlowError as error:
        error.clock  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        client.flow(MENU).resume(error.ticket)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    FlowTimeoutError("m")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    FlowTimeoutError("m", clock="never")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    FlowStatusError("m")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
