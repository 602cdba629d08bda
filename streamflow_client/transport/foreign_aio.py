"""A caller's own asynchronous HTTP client: what `foreign.py` is to the synchronous side.

In: requests and responses of a client that is not ours. Out: a trace for the request, and a watch that shuts
the response's socket down when a clock runs out. Where no socket can be reached, or on trio, each wait is
`clocked`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf
from typing import Any, TypeVar

from anyio import CancelScope, current_time
from anyio.lowlevel import current_token

from .exchange import Exchange
from .foreign import NotIdle, attach, tracer

T = TypeVar("T")

_MARGIN = 0.05  # seconds


def atracer(
    exchange: Exchange, timeouts: dict[str, float | None], anew: Callable[[], dict[str, float | None]]
) -> Callable[[str, object], Awaitable[None]]:
    """`tracer` for an asynchronous client; it also closes what httpcore forgets of a cancelled handshake."""
    trace = tracer(exchange, timeouts, anew)
    stream: Any = None

    async def atrace(event: str, info: Any) -> None:
        nonlocal stream
        trace(event, info)
        if event == "connection.connect_tcp.complete":
            stream = info.get("return_value")
        elif event == "connection.start_tls.failed" and stream is not None:
            with CancelScope(shield=True), suppress(Exception):
                await stream.aclose()

    return atrace


async def clocked(exchange: Exchange, awaitable: Awaitable[T], *, idle: bool) -> T:
    """Await a caller's own client, but no longer than the clocks allow.

    Not `idle` where bytes may come in that nobody tells us of: then httpx's own time-out counts them. A read
    of a body, which is `idle`, is also ended by stopping the call where no socket of it can be reached.

    The client's own time-outs come first where they can, for cancelling it may cost it a connection
    (httpcore issue 1093): hence the margin.

    Raises:
        TimeoutError: and `exchange.timed_out` is set; `NotIdle` where `idle` was not to count.
        ConnectionError: the call was stopped.
    """

    def look() -> None:
        left = exchange.seconds_left(idle=idle)
        scope.deadline = inf if left is None else current_time() + left + _MARGIN

    scope = CancelScope()
    alarm = _Alarm(scope) if idle and not exchange.reachable else None
    look()
    exchange.on_hurry = look  # a connection is there, say, so that another clock counts
    try:
        with scope:
            if alarm is not None:
                exchange.attach(alarm)
            return await awaitable
    finally:
        exchange.on_hurry = None
        if alarm is not None:
            exchange.detach(alarm)
    if alarm is not None and exchange.stopped:
        raise ConnectionError("the call was stopped")
    exchange.timed_out = True
    raise TimeoutError if idle else NotIdle


class _Alarm:
    """In place of a socket: shutting it down, from any thread, cancels a scope."""

    def __init__(self, scope: CancelScope) -> None:
        loop = event_loop()
        self._soon = loop.call_soon_threadsafe if is_asyncio(loop) else loop.run_sync_soon
        self._scope = scope

    def shutdown(self, _: int) -> None:
        self._soon(self._scope.cancel)


def event_loop() -> Any:
    """What runs here: asyncio's event loop, or trio's token."""
    token = current_token()
    return getattr(token, "native_token", token)  # anyio 4.11 wraps it


def is_asyncio(loop: Any) -> bool:
    """Whether it is asyncio's, or one like it."""
    return isinstance(loop, asyncio.AbstractEventLoop)


def watch(exchange: Exchange, response: Any) -> AsyncWatch | None:
    """Let `cancel()` reach a response's socket, and on asyncio the clocks; else its reads are `clocked`."""
    return AsyncWatch(exchange) if attach(exchange, response) and is_asyncio(event_loop()) else None


class AsyncWatch:
    """A `Watch` for asyncio: one timer, which is set anew when it fires, not at every byte.

    So a read costs nothing, whatever clocks there are. Everything here runs in the event loop.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._fired = False
        exchange.on_hurry = self._hurried
        self._look()

    def stop(self) -> None:
        self._exchange.on_hurry = None
        if self._timer is not None:
            self._timer.cancel()

    def _hurried(self) -> None:
        """The caller waits again, or only what follows the end is waited for.

        Of the clocks that ran when the timer was set none ends earlier now. When it fired the caller may have
        been away: then some did not run.
        """
        if self._fired or self._exchange.session.clean:
            self._fired = False
            self._look()

    def _fires(self) -> None:
        self._fired = True
        left = self._exchange.seconds_left()
        if left is None or left > 0:
            self._look()
        elif not self._exchange.stopped:
            self._exchange.expire()

    def _look(self) -> None:
        left = self._exchange.seconds_left()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if left is None else self._loop.call_later(left, self._fires)
