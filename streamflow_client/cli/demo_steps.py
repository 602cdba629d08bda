"""The steps of the demo, as a program would write them. The demo shows their docstring and source.

In: a client, and a `print` that writes to the demo's stage. Out: calls of flows. So that what is shown is
what runs, nothing stands here that a program of one's own would not hold.
"""

from __future__ import annotations

import asyncio
import json
from itertools import islice
from typing import Protocol

from ..aio import AsyncClient
from ..errors import FailedPreconditionError, FlowCancelledError, InputValidationError
from ..sync import Client
from ..ticket import Ticket
from .demo_flows import BREAD, MENU, STORY, TABLE, TEA, MenuRequest, StoryRequest, TableRequest


class Print(Protocol):
    """The built-in `print`, as far as the steps use it."""

    def __call__(self, *values: object, sep: str = " ", end: str = "\n") -> None: ...


def discover(client: Client, print: Print) -> None:
    """What a server has: its flows, with types made from its schemas."""
    for name in client.flows:  # asks the server, once
        print(client.flows[name])
    menu = client.flows.menu(theme="harbour", dishes=2)
    print(f"\n{menu.title}: {menu.items[0].name}, {menu.items[1].name}")


def story(client: Client, print: Print) -> None:
    """A story, word by word as it is told."""
    request = StoryRequest(hero="Ada", place="the lighthouse")
    with client.flow(STORY).stream(request) as stream:
        for word in stream:
            print(word, end="")
        result = stream.result()  # a Story
    print(f"\n\n{result.title}, {result.words} words")


def menu(client: Client, print: Print) -> None:
    """Only the final output, typed."""
    menu = client.flow(MENU)(MenuRequest(theme="pirate"))  # a Menu
    for item in menu.items:
        print(f"{item.name:16}{item.price:6.2f}")


async def menus(client: AsyncClient, print: Print) -> None:
    """Two typed streams at once, async."""

    async def order(theme: str) -> str:
        async with client.flow(MENU).stream(MenuRequest(theme=theme)) as stream:
            async for item in stream:  # each a MenuItem
                print(f"{item.name:16}{item.price:6.2f}")
            return (await stream.result()).title

    print(*await asyncio.gather(order("winter"), order("desert")), sep=" and ")


def invalid(client: Client, print: Print) -> None:
    """Bad input, caught before anything is sent."""
    order = json.loads('{"theme": "pirate", "dishes": 99}')
    try:
        client.flow(MENU)(order)
    except InputValidationError as error:
        print(error)


def failure(client: Client, print: Print) -> None:
    """A flow that fails: a typed exception."""
    try:
        with client.flow(TABLE).stream(TableRequest(guests=4, at="22:30")) as stream:
            for news in stream:
                print(news)
    except FailedPreconditionError as error:  # one class per status
        print(f"status    {error.status}")
        print(f"message   {error.message}")
        print(f"timeline  {error.timeline}")


def cancel(client: Client, print: Print) -> None:
    """A cancellation that reaches the server."""
    try:
        with client.flow(BREAD).stream() as stream:
            for minute in stream:
                print(minute)
                if stream.received == 4:
                    stream.cancel()  # from any thread or task
    except FlowCancelledError as error:
        print(error)


def resume(client: Client, print: Print) -> None:
    """A durable stream, taken up again by its ticket."""
    with client.flow(TEA).stream() as stream:
        for step in islice(stream, 2):
            print(step)
        saved = str(stream.ticket())  # a text, to keep wherever you like
    print("… the connection is gone; later, in any process:")
    with client.flow(TEA).resume(Ticket.parse(saved)) as stream:
        for step in stream:
            print(step)
        print(stream.result())
