"""Iterate the chunks of a flow as they arrive, then take its output.

    python examples/async_iteration.py http://localhost:3400    # your server, or examples/server.py
    python examples/async_iteration.py                          # against a stub of its own

The server has a flow `menu`: {"theme": "pirate"} → chunks {"name", "price"} → {"title", "total"}.
"""

import asyncio
import sys
import time
from collections.abc import Callable

from pydantic import BaseModel

from streamflow_client import AsyncClient, FlowDef
from streamflow_client.testing import StubServer


class MenuRequest(BaseModel):
    """What a caller asks for."""

    theme: str


class MenuItem(BaseModel):
    """A chunk: one dish, as soon as it is ready."""

    name: str
    price: float


class Menu(BaseModel):
    """The output."""

    title: str
    total: float


MENU = FlowDef("menu", input=MenuRequest, chunk=MenuItem, output=Menu)


async def main(url: str) -> None:
    async with (
        AsyncClient(url) as client,
        client.flow(MENU).stream(MenuRequest(theme="pirate")) as stream,
    ):
        async for item in stream:  # each item is a MenuItem
            print(f"{item.price:6.2f}  {item.name}", flush=True)
        menu = await stream.result()  # a Menu
    print(f"{menu.total:6.2f}  {menu.title}, {stream.received} dishes")


def sample_server() -> StubServer:
    """What stands in for a server where no URL is given."""
    stub = StubServer()

    @stub.flow
    def menu(request: MenuRequest, send: Callable[[MenuItem], None]) -> Menu:
        for dish, price in (("soup", 4.5), ("fish", 12.0), ("cake", 5.5)):
            time.sleep(0.2)
            send(MenuItem(name=f"{request.theme} {dish}", price=price))
        return Menu(title=f"The {request.theme} menu", total=22.0)

    return stub


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(sys.argv[1]))
    else:
        with sample_server() as server:
            asyncio.run(main(server.url))
