"""A stand-in flow server: something for the README and the other examples to call.

It is the stub server of `streamflow_client.testing`, with three flows: `menu` sends objects and can
be resumed, `story` sends words, `ticks` counts until its client leaves. Run it in a terminal:

    python examples/server.py          # http://localhost:3400, until Ctrl-C
    python examples/server.py 8080     # another port
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from threading import Event

from pydantic import BaseModel

from streamflow_client.testing import Call, FlowFailure, StubServer


class MenuRequest(BaseModel):
    """What a caller asks for."""

    theme: str
    courses: int = 3


class MenuItem(BaseModel):
    """A chunk: one dish, as soon as it is ready."""

    name: str
    price: float


class Menu(BaseModel):
    """The output."""

    title: str
    total: float


DISHES = [("soup", 4.5), ("fish", 12.0), ("cake", 5.5), ("cheese", 7.0), ("coffee", 2.5)]


def build(*, port: int = 0, pace: float = 0.3) -> StubServer:
    """The server, not yet started. `pace` is the pause before each chunk, in seconds."""
    stub = StubServer(port=port)

    @stub.flow(durable=True)
    def menu(request: MenuRequest, send: Callable[[MenuItem], None]) -> Menu:
        if request.theme == "space":
            raise FlowFailure("FAILED_PRECONDITION", "no kitchen up there", {"try": "pirate"})
        dishes = DISHES[: request.courses]
        for dish, price in dishes:
            time.sleep(pace)
            send(MenuItem(name=f"{request.theme} {dish}", price=price))
        return Menu(title=f"The {request.theme} menu", total=sum(price for _, price in dishes))

    @stub.flow
    def story(topic: str, send: Callable[[str], None]) -> str:
        words = f"Once upon a time there was {topic}.".split()
        for word in words:
            time.sleep(pace)
            send(word)
        return " ".join(words)

    @stub.flow
    async def ticks(send: Callable[[int], Awaitable[None]], call: Call) -> None:
        number = 0
        while not call.client_gone.is_set():
            number += 1
            await send(number)
            with suppress(TimeoutError):
                await asyncio.wait_for(call.wait_gone(), pace or 0.01)

    return stub


def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 3400
    with build(port=port) as stub:
        print(f"http://localhost:{stub.port} serves menu, story, ticks; Ctrl-C ends", flush=True)
        with suppress(KeyboardInterrupt):
            Event().wait()


if __name__ == "__main__":
    main()
