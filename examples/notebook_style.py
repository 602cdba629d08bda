"""Explore the flows of a server as in a notebook. Each `# %%` begins a cell, for editors that know cells.

    python examples/notebook_style.py http://localhost:3400    # your server, or examples/server.py
    python examples/notebook_style.py                          # against a stub of its own

In a real notebook the last line of a cell is shown without `print`: `client.flows`, a catalog and a stream as
tables. Tab completes `client.flows.` once the flows are known, and `await client.flows.menu(…)` works in a
cell with an `AsyncClient`.
"""

# %% A server: put the URL of yours here

import inspect
import json
import sys
from collections.abc import Callable

from pydantic import BaseModel

from streamflow_client import Client, FlowError
from streamflow_client.testing import StubServer


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


stub = StubServer()


@stub.flow("menu")
def write_menu(request: MenuRequest, send: Callable[[MenuItem], None]) -> Menu:
    dishes = [("soup", 4.5), ("fish", 12.0), ("cake", 5.5)][: request.courses]
    for dish, price in dishes:
        send(MenuItem(name=f"{request.theme} {dish}", price=price))
    return Menu(title=f"The {request.theme} menu", total=sum(price for _, price in dishes))


# A notebook's own arguments are no URLs.
URL = next((word for word in sys.argv[1:] if word.startswith("http")), None) or stub.start().url

# %% A client. Nothing is asked yet

client = Client(URL)
print(repr(client.flows))

# %% Which flows are there?

print(list(client.flows))

# %% What does this one take and give?

menu = client.flows.menu
print(menu)
help(menu)

# %% Its types are pydantic models, made from the server's schemas

print(inspect.signature(menu.output_type))
print(json.dumps(menu.input_type.model_json_schema(), indent=2))

# %% Call it by keywords

result = menu(theme="pirate")
print(repr(result), result.total)

# %% Watch its chunks

with menu.stream(theme="pirate", courses=2) as stream:
    for item in stream:
        print(repr(item))
    print(stream.result().title)

# %% A result as plain data, by the names on the wire

print(result.model_dump(by_alias=True))

# %% Mistakes are told before anything is sent

for mistake in ({"thme": "pirate"}, {"theme": "pirate", "courses": "many"}):
    try:
        menu(**mistake)
    except FlowError as error:
        print(error)

# %% Done

client.close()
stub.stop()
