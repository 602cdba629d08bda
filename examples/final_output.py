"""Call several flows at once and take only their final outputs; tell failures apart.

    python examples/final_output.py http://localhost:3400    # your server, or examples/server.py
    python examples/final_output.py                          # against a stub of its own

The server has a flow `menu`: {"theme": "pirate"} → {"title", "total"}, which fails for the theme
"space".
"""

import asyncio
import sys
from typing import Any

from pydantic import BaseModel

from streamflow_client import AsyncClient, AsyncFlow, FlowDef, FlowError, FlowStatusError
from streamflow_client.testing import FlowFailure, StubServer


class MenuRequest(BaseModel):
    """What a caller asks for."""

    theme: str


class Menu(BaseModel):
    """The output."""

    title: str
    total: float


MENU = FlowDef("menu", input=MenuRequest, output=Menu)


async def line(flow: AsyncFlow[MenuRequest, Any, Menu], theme: str) -> str:
    try:
        menu = await flow(MenuRequest(theme=theme))  # one plain request, no streaming
    except FlowStatusError as error:  # the flow, or its server, said no
        return f"{theme}: {error.status}, {error.message}"
    except FlowError as error:  # everything else: no connection, a time-out, an odd answer …
        return f"{theme}: {error}"
    return f"{theme}: {menu.title}, {menu.total:.2f}"


async def main(url: str) -> None:
    async with AsyncClient(url, timeout=30) as client:
        flow = client.flow(MENU)
        for text in await asyncio.gather(*(line(flow, theme) for theme in ("pirate", "space"))):
            print(text)


def sample_server() -> StubServer:
    """What stands in for a server where no URL is given."""
    stub = StubServer()

    @stub.flow
    def menu(request: MenuRequest) -> Menu:
        if request.theme == "space":
            raise FlowFailure("FAILED_PRECONDITION", "no kitchen up there")
        return Menu(title=f"The {request.theme} menu", total=22.0)

    return stub


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(sys.argv[1]))
    else:
        with sample_server() as server:
            asyncio.run(main(server.url))
