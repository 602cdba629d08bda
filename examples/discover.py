"""Call the flows of a server of which you know nothing but the URL: their types come from its schemas.

    python examples/discover.py http://localhost:3400    # your server, or examples/server.py
    python examples/discover.py                          # against a stub of its own

The server has a flow `menu`: {"theme": "pirate"} → chunks {"name", "price"} → {"title", "total"}. It tells
so at /openapi.json, or as Genkit does at /api/actions.
"""

import inspect
import sys
from collections.abc import Callable

from pydantic import BaseModel

from streamflow_client import Client, InputValidationError
from streamflow_client.testing import StubServer


def main(url: str) -> None:
    with Client(url) as client:
        for name in client.flows:  # asks the server, once
            print(client.flows[name])

        menu = client.flows.menu
        print(inspect.signature(menu.stream))

        print(menu(theme="pirate", courses=1).title)

        with menu.stream(theme="farm", courses=2) as stream:
            for item in stream:  # an object with the fields of the server's schema
                print(f"{item.price:6.2f}  {item.name}")
            print(f"{stream.result().total:6.2f}")

        try:
            menu(thme="pirate")
        except InputValidationError as error:  # before anything is sent
            print(error)


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


def sample_server() -> StubServer:
    """What stands in for a server where no URL is given."""
    stub = StubServer()

    @stub.flow
    def menu(request: MenuRequest, send: Callable[[MenuItem], None]) -> Menu:
        dishes = [("soup", 4.5), ("fish", 12.0), ("cake", 5.5)][: request.courses]
        for dish, price in dishes:
            send(MenuItem(name=f"{request.theme} {dish}", price=price))
        return Menu(title=f"The {request.theme} menu", total=sum(price for _, price in dishes))

    @stub.flow
    def story(topic: str, send: Callable[[str], None]) -> str:
        send(topic)
        return topic

    @stub.flow
    def ticks(send: Callable[[int], None]) -> None:
        send(1)

    return stub


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with sample_server() as server:
            main(server.url)
