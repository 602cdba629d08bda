"""What a type checker knows of generated flows: everything, keywords too. Checked, never run.

An `ignore` that a checker does not need is an error.
"""

# pyright: strict

from datetime import date, datetime
from typing import Any, Literal, assert_type
from uuid import UUID

from httpx_sse import ServerSentEvent

from streamflow_client import (
    AsyncClient,
    AsyncFlow,
    AsyncFlowStream,
    AsyncGeneratedFlow,
    Client,
    Flow,
    FlowStream,
    GeneratedFlow,
    Ticket,
)

from .generated_flows import (
    MENU,
    ChatV2Output,
    Dish,
    Flows,
    MediaPart,
    Menu,
    MenuRequest,
    Message,
    TextPart,
    Tree,
)


def calls(client: Client, ticket: Ticket) -> None:
    flows = Flows(client)
    assert_type(flows, Flows[Client])
    assert_type(flows.menu(theme="pirate"), Menu)
    assert_type(flows.menu(theme="pirate", courses=3, serve_at=None, class_="B", budget=1), Menu)
    assert_type(flows.menu(theme="pirate", diet="vegan", date=date.today()), Menu)  # noqa: DTZ011
    request = MenuRequest(theme="pirate", until=date.today(), serve_at=datetime.now())  # noqa: DTZ005, DTZ011
    assert_type(flows.menu(request), Menu)
    with flows.menu.stream(theme="pirate") as stream:
        assert_type(stream, FlowStream[Dish, Menu])
        for dish in stream:
            assert_type(dish.price, float)
        assert_type(stream.result().note, str | None)
    assert_type(flows.menu.stream(request), FlowStream[Dish, Menu])
    assert_type(flows.menu.stream_events(theme="pirate"), FlowStream[ServerSentEvent, None])
    assert_type(flows.menu.resume(ticket), FlowStream[Dish, Menu])
    assert_type(flows.menu.with_options(timeout=5)(theme="pirate"), Menu)
    assert_type(flows.story, Flow[str, str, str])
    assert_type(flows.story("a cat"), str)
    assert_type(flows.anything(), Any)
    assert_type(flows.odd(either=3, one=None, pair=("a",), codes={}, both=12), UUID | bool | None)
    assert_type(flows.measureShapes([]), dict[str, float])
    assert_type(client.flow(MENU), Flow[MenuRequest, Dish, Menu])
    assert_type(client.flow(Flows.menu)(request), Menu)


def parts(client: Client) -> None:
    chat = Flows(client).chat_v2
    answer = chat(history=[Message(role="user", parts=[TextPart(text="hello")])])
    assert_type(answer, ChatV2Output)
    assert_type(answer.message.role, Literal["user", "model"])
    assert_type(answer.message.parts, list[TextPart | MediaPart])
    chat(history=[answer.message])


def recursion(client: Client, tree: Tree) -> None:
    assert_type(Flows(client).tree(["a", ["b", []]]), tuple[int, bool])
    assert_type(Flows(client).tree(tree), tuple[int, bool])


async def async_calls(client: AsyncClient, ticket: Ticket) -> None:
    flows = Flows(client)
    assert_type(await flows.menu(theme="pirate"), Menu)
    assert_type(await flows.menu(MenuRequest(theme="pirate")), Menu)
    async with flows.menu.stream(theme="pirate") as stream:
        assert_type(stream, AsyncFlowStream[Dish, Menu])
        async for dish in stream:
            assert_type(dish, Dish)
        assert_type(await stream.result(), Menu)
    assert_type(flows.menu.stream_events(theme="x"), AsyncFlowStream[ServerSentEvent, None])
    assert_type(flows.menu.resume(ticket), AsyncFlowStream[Dish, Menu])
    assert_type(await flows.menu.with_options(retry=None)(theme="pirate"), Menu)
    assert_type(flows.story, AsyncFlow[str, str, str])


def handed_over(menu: GeneratedFlow[..., MenuRequest, Dish, Menu], request: MenuRequest) -> None:
    assert_type(menu(request), Menu)
    assert_type(menu.stream(request), FlowStream[Dish, Menu])
    assert_type(menu.stream_events(request), FlowStream[ServerSentEvent, None])
    assert_type(menu.with_options(timeout=5), GeneratedFlow[..., MenuRequest, Dish, Menu])


async def handed_over_async(
    menu: AsyncGeneratedFlow[..., MenuRequest, Dish, Menu], request: MenuRequest
) -> None:
    assert_type(await menu(request), Menu)
    assert_type(menu.stream(request), AsyncFlowStream[Dish, Menu])
    assert_type(menu.stream_events(request), AsyncFlowStream[ServerSentEvent, None])
    assert_type(menu.with_options(timeout=5), AsyncGeneratedFlow[..., MenuRequest, Dish, Menu])


def anything_that_calls(flow: Flow[MenuRequest, Dish, Menu], request: MenuRequest) -> Menu:
    return flow(request)


def passed_on(client: Client) -> None:
    anything_that_calls(Flows(client).menu, MenuRequest(theme="pirate"))


def wrong(client: Client, other: AsyncClient) -> None:
    flows = Flows(client)
    flows.menu()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    flows.menu(them="pirate")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    flows.menu(theme=5)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    flows.menu("pirate")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    flows.menu(theme="pirate", diet="meat")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    flows.menu.stream(courses=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    flows.menu.stream_events(theme=None)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    flows.story(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    flows.story(text="a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    flows.measureShapes([Dish(name="a", price=1)])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    flows.menus(theme="pirate")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    _ = flows.menu(theme="pirate").price  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    MenuRequest(theme="pirate", serve_at=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Dish(name="a")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    with Flows(other).menu.stream(theme="pirate"):  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
        pass
    Flows("http://localhost:3400")  # type: ignore[type-var]  # pyright: ignore[reportArgumentType]


async def wrong_async(client: AsyncClient) -> None:
    flows = Flows(client)
    await flows.menu(them="pirate")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    _ = flows.menu(theme="pirate").title  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    for _ in flows.menu.stream(theme="pirate"):  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
        pass
