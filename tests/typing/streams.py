"""What a type checker knows of running streams. Checked, never run."""

from typing import assert_type

import httpx
from httpx_sse import ServerSentEvent
from pydantic import BaseModel

from streamflow_client import AsyncFlowStream, FlowStream, Liveness, Ticket


class Item(BaseModel):
    """A chunk."""

    name: str


class Menu(BaseModel):
    """An output."""

    items: list[Item]


def reading(stream: FlowStream[Item, Menu]) -> None:
    with stream as entered:
        assert_type(entered, FlowStream[Item, Menu])
        for item in entered:
            assert_type(item, Item)
            assert_type(item.name, str)
    for chunk in stream:
        assert_type(chunk, Item)
    assert_type(iter(stream), FlowStream[Item, Menu])
    assert_type(next(stream), Item)
    assert_type(next(stream, None), Item | None)
    assert_type(list(stream), list[Item])
    assert_type(dict(enumerate(stream)), dict[int, Item])
    assert_type(stream.result(), Menu)
    assert_type(stream.result().items[0].name, str)
    assert_type(stream.restart({"theme": "y"}), None)
    assert_type(stream.restart(), None)
    assert_type(stream.cancel(), None)
    assert_type(stream.close(), None)


def looking(stream: FlowStream[Item, Menu]) -> None:
    assert_type(stream.received, int)
    assert_type(stream.stream_id, str | None)
    assert_type(stream.trace_id, str | None)
    assert_type(stream.response, httpx.Response | None)
    assert_type(stream.liveness, Liveness)
    assert_type(stream.ticket(), Ticket | None)


async def async_reading(stream: AsyncFlowStream[Item, Menu]) -> None:
    async with stream as entered:
        assert_type(entered, AsyncFlowStream[Item, Menu])
        async for item in entered:
            assert_type(item, Item)
            assert_type(item.name, str)
    async for chunk in stream:
        assert_type(chunk, Item)
    assert_type(aiter(stream), AsyncFlowStream[Item, Menu])
    assert_type(await anext(stream), Item)
    assert_type(await anext(stream, None), Item | None)
    assert_type([item async for item in stream], list[Item])
    assert_type(await stream.result(), Menu)
    assert_type((await stream.result()).items[0].name, str)
    assert_type(await stream.restart({"theme": "y"}), None)
    assert_type(await stream.restart(), None)
    assert_type(stream.cancel(), None)
    assert_type(await stream.aclose(), None)


def async_looking(stream: AsyncFlowStream[Item, Menu]) -> None:
    assert_type(stream.received, int)
    assert_type(stream.stream_id, str | None)
    assert_type(stream.trace_id, str | None)
    assert_type(stream.response, httpx.Response | None)
    assert_type(stream.liveness, Liveness)
    assert_type(stream.ticket(), Ticket | None)


def events(stream: FlowStream[ServerSentEvent, None]) -> None:
    assert_type(next(stream).data, str)
    assert_type(stream.result(), None)


def liveness(liveness: Liveness) -> None:
    assert_type(liveness.byte, float | None)
    assert_type(liveness.comment, float | None)
    assert_type(liveness.chunk, float | None)


def tickets(ticket: Ticket) -> None:
    assert_type(Ticket("https://host:443", "menu", "id", 3, 0), Ticket)
    assert_type(Ticket.parse("text"), Ticket)
    assert_type(str(ticket), str)
    assert_type(ticket.origin, str)
    assert_type(ticket.flow, str)
    assert_type(ticket.stream_id, str)
    assert_type(ticket.received, int)
    assert_type(ticket.digest, int)
