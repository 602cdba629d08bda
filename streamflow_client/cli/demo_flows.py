"""The flows of the demo: what a server offers, with the types that both sides share.

In: requests. Out: a stub server that has the flows, and their definitions for clients. Nothing here calls
a flow or prints.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count

from pydantic import BaseModel, Field

from ..flowdef import FlowDef
from ..testing import FlowFailure, StubServer


class StoryRequest(BaseModel):
    """What the story is about."""

    hero: str
    place: str


class Story(BaseModel):
    """A told story."""

    title: str
    words: int


class MenuRequest(BaseModel):
    """What menu is wanted."""

    theme: str
    dishes: int = Field(default=3, ge=1, le=4)


class MenuItem(BaseModel):
    """One dish."""

    name: str
    price: float


class Menu(BaseModel):
    """All dishes of a menu."""

    title: str
    items: list[MenuItem]


class TableRequest(BaseModel):
    """A table for tonight."""

    guests: int
    at: str


STORY = FlowDef("story", input=StoryRequest, chunk=str, output=Story)
MENU = FlowDef("menu", input=MenuRequest, chunk=MenuItem, output=Menu)
TABLE = FlowDef("table", input=TableRequest, chunk=str, output=str)
BREAD = FlowDef("bread", chunk=str, output=str)
TEA = FlowDef("tea", chunk=str, output=str)

_STORY = (
    "Every evening {hero} climbed the stairs of {place} and lit the lamp. One night the fog was so"
    " thick that the light came back, knocked at the window, and asked whether it might stay inside."
    ' "Only," said {hero}, "if you tell me what you have seen." It talked until morning.'
)
_DISHES = (("soup", 6.5), ("pie", 12.0), ("pudding", 5.25), ("punch", 4.0))
_TEA = ("water boils", "pot is warm", "leaves are in", "three minutes", "leaves are out", "tea!")

Send = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Flows:
    """Flows that take their time; `pace` stretches it, 1 is as people like to watch."""

    pace: float

    async def story(self, request: StoryRequest, send: Send) -> Story:
        words = _STORY.format(hero=request.hero, place=request.place).split()
        for word in words:
            await self._rest(0.035)
            await send(f"{word} ")
        return Story(title=f"The lamp of {request.hero}", words=len(words))

    async def menu(self, request: MenuRequest, send: Callable[[MenuItem], Awaitable[None]]) -> Menu:
        items = [
            MenuItem(name=f"{request.theme} {dish}", price=price) for dish, price in _DISHES[: request.dishes]
        ]
        for item in items:
            await self._rest(0.12)
            await send(item)
        return Menu(title=f"Tonight: {request.theme}", items=items)

    async def table(self, request: TableRequest, send: Send) -> str:
        await send(f"looking for a table for {request.guests} at {request.at} …")
        await self._rest(0.4)
        raise FlowFailure("FAILED_PRECONDITION", "The kitchen closes at 22:00")

    async def bread(self, send: Send) -> str:
        """Never done: only a cancellation ends it."""
        minutes = count(1)
        while True:
            await send(f"minute {next(minutes)}: still baking")
            await self._rest(0.2)

    async def tea(self, send: Send) -> str:
        for step in _TEA:
            await send(step)
            await self._rest(0.15)
        return "a cup of tea"

    async def _rest(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self.pace)


def make_server(pace: float) -> StubServer:
    """A server with all flows, not started. It stops a run when its client leaves, as Go's does."""
    stub = StubServer("go")
    flows = Flows(pace)
    stub.flow("story")(flows.story)
    stub.flow("menu")(flows.menu)
    stub.flow("table")(flows.table)
    stub.flow("bread")(flows.bread)
    stub.flow("tea", durable=True)(flows.tea)
    return stub
