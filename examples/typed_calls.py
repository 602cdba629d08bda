"""Call flows through a generated module: editors and type checkers know every field, chunk and output.

    python examples/typed_calls.py http://localhost:3400    # your server, or examples/server.py
    python examples/typed_calls.py                          # against a stub of its own

The module beside this file was written from that server:

    streamflow-client generate http://localhost:3400 -o examples/menu_flows.py

Write it again when the server's types have changed; with `--check` the command tells whether they have.
"""

import asyncio
import sys

import server
from menu_flows import Flows, MenuItem, MenuRequest

from streamflow_client import AsyncClient, Client


def blocking(url: str) -> None:
    with Client(url) as client:
        flows = Flows(client)
        print(flows.menu(theme="pirate", courses=2).title)  # `them=` would be an error in the editor

        with flows.menu.stream(MenuRequest(theme="farm", courses=1)) as stream:
            for item in stream:  # a MenuItem
                print(f"{item.price:6.2f}  {item.name}")
            print(f"{stream.result().total:6.2f}")


async def waiting(url: str) -> None:
    async with AsyncClient(url) as client:
        flows = Flows(client)  # the same class, for either client
        async with flows.menu.stream(theme="space pirate", courses=2) as stream:
            dishes: list[MenuItem] = [item async for item in stream]
        print(", ".join(dish.name for dish in dishes))


def main(url: str) -> None:
    blocking(url)
    asyncio.run(waiting(url))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with server.build() as stub:
            main(stub.url)
