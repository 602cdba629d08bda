"""The flows, with Genkit.

In: nothing. Out: `ai` and `FLOWS`, each an action of Genkit. How they are served does not belong here.

Genkit describes no chunks: the types of chunks stand nowhere but in this code.
"""

import asyncio
from typing import Annotated, cast

import models
from genkit import Action, ActionRunContext, Genkit, PublicError
from genkit.plugin_api import StatusName
from models import Boom, Crash, Menu, Node, OddWithoutDate, Order, Size, Slow
from pydantic import Field
from runs import noted

ai = Genkit()


class Odd(OddWithoutDate):
    # A date as text: what Genkit streams goes through `json.dumps`, which knows no `datetime`.
    when: Annotated[str, Field(json_schema_extra={"format": "date-time"})]


@ai.flow()
async def menu(order: Order, ctx: ActionRunContext) -> Menu:
    """Dishes of a theme."""
    with noted(order.run) as run:
        for index in range(order.count):
            ctx.send_chunk(models.item(order.theme, index))
            run.sent += 1
    return models.menu(order.theme, order.count)


@ai.flow()
async def echo(text: str) -> str:
    """The text itself."""
    return text


@ai.flow()
async def void(_: None, ctx: ActionRunContext) -> None:
    """Nothing at all, and two chunks of it."""
    ctx.send_chunk(None)
    ctx.send_chunk(None)


@ai.flow()
async def boom(asked: Boom, ctx: ActionRunContext) -> None:
    """A failure that callers may read."""
    for index in range(asked.n):
        ctx.send_chunk(index)
    status = cast(StatusName, asked.status)
    raise PublicError(status, f"boom after {asked.n}", {"n": asked.n, "why": "asked for"})


@ai.flow()
async def crash(asked: Crash, ctx: ActionRunContext) -> None:
    """A failure that callers may not read."""
    for index in range(asked.n):
        ctx.send_chunk(index)
    raise RuntimeError("secret-of-the-server")


@ai.flow()
async def slow(asked: Slow, ctx: ActionRunContext) -> int:
    """A number every 50 ms."""
    with noted(asked.run) as run:
        for index in range(asked.n):
            await asyncio.sleep(0.05)
            if ctx.abort_signal.is_set():
                raise asyncio.CancelledError
            ctx.send_chunk(index)
            run.sent += 1
    return asked.n


@ai.flow()
async def big(asked: Size, ctx: ActionRunContext) -> int:
    """One long chunk."""
    ctx.send_chunk("x" * asked.size)
    return asked.size


@ai.flow()
async def tree(root: Node, ctx: ActionRunContext) -> Node:
    """Every node, and the tree in capitals."""
    for node in models.preorder(root):
        ctx.send_chunk(node)
    return models.upper(root)


@ai.flow()
async def odd(value: Odd, ctx: ActionRunContext) -> Odd:
    """Names and types that languages differ in."""
    ctx.send_chunk(value)
    return value


@ai.flow()
async def secure(name: str) -> str:
    """A greeting for those who may; who may, the server says."""
    return f"hello {name}"


FLOWS: list[Action] = [menu, echo, void, boom, crash, slow, big, tree, odd]
