"""Waits of the asynchronous side that can be stopped from any thread, or that nothing can break into.

In: something to await, and the exchange that it is for. Out: its value, or None where the call was stopped.
Out of place here: what is awaited, and why the call stops.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import TypeVar

from anyio import CancelScope, create_task_group, wait_readable

from .exchange import Exchange, shut_down

T = TypeVar("T")


async def stoppable(
    exchange: Exchange,
    begin: Callable[[], Awaitable[T]],
    undo: Callable[[T], Awaitable[None]] | None = None,
) -> T | None:
    """Await what waits on no socket of ours; None where the call is stopped before it ends.

    Stopping shuts a socket down that nobody writes to. The work has a task of its own, which only a scope
    cancels: asyncio's `Task.cancel()` may hit a task whose wait is over already, and that is what costs
    httpx's pool a connection for good (httpcore issue 1093).

    Args:
        undo: for what was there already when the waiting task was cancelled.
    """
    ours, theirs = socket.socketpair()
    outcome: list[T] = []
    failure: list[Exception] = []

    async def work() -> None:
        try:
            outcome.append(await begin())
        except Exception as error:  # noqa: BLE001 - raised below, where it is in no group
            failure.append(error)
        shut_down(theirs)  # wakes who waits for `ours`; to cancel a scope costs several times as much

    with ours, theirs:
        ours.setblocking(False)
        exchange.attach(ours)
        try:
            async with create_task_group() as group:
                group.start_soon(work)
                await wait_readable(ours)
                if not (outcome or failure):
                    group.cancel_scope.cancel()
        except BaseException:
            if outcome and undo is not None:
                await sheltered(undo(outcome[0]))
            raise
        finally:
            exchange.detach(ours)
    if failure:
        raise failure[0]
    return outcome[0] if outcome else None


async def sheltered(awaitable: Awaitable[None]) -> None:
    """Await it to its end, into which not even `Task.cancel()` breaks."""

    async def work() -> None:
        with CancelScope(shield=True):
            await awaitable

    async with create_task_group() as group:
        group.start_soon(work)
