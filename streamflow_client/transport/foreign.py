"""A caller's own HTTP client: clocks and cancel as far as its public interfaces reach.

In: requests and responses of a client that is not ours. Out: httpx time-outs and a trace for the request, and
a watch that shuts the response's socket down when a clock runs out. Where no socket can be reached, or on
trio, each async wait is `clocked`. From the headers on, that is as good as our transport.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Any, TypeVar

import httpx
from anyio import CancelScope, current_time
from anyio.lowlevel import current_token

from ..options import Timeout
from .exchange import Exchange

T = TypeVar("T")

_MARGIN = 0.05  # seconds
_DIALLING = ("connection.", "proxy.", "socks.")  # what httpcore's events are called until a request goes out
_MOMENT = 0.001  # seconds: less than nothing is a ValueError to time-outs
_LONGEST_LOOK = 1.0  # seconds, after which the watch of a forgotten stream notices that it is over


def time_outs(timeout: Timeout, exchange: Exchange, client: Any) -> dict[str, float | None]:
    """httpx's own time-outs: upper bounds for each single wait.

    No clock of ours is about a free connection: for that the client's own time-out holds, too.
    """
    left = exchange.seconds_left()
    wait = _least(timeout.idle, left)
    return {
        "connect": _least(timeout.connect, left),
        "read": wait,
        "write": wait,
        "pool": _least(wait, client.timeout.pool),
    }


def check_time(exchange: Exchange) -> None:
    """Nothing is sent where no time is left: to their time-outs, less than nothing is a ValueError.

    Raises:
        httpx.ConnectTimeout: as they would.
    """
    left = exchange.seconds_left()
    if left is not None and left <= 0:
        raise httpx.ConnectTimeout("no time is left")


def _least(first: float | None, second: float | None) -> float | None:
    return second if first is None else first if second is None else min(first, second)


def _at_least(seconds: float | None) -> float | None:
    return None if seconds is None else max(seconds, _MOMENT)


def tracer(
    exchange: Exchange, timeouts: dict[str, float | None], anew: Callable[[], dict[str, float | None]]
) -> Callable[[str, object], None]:
    """httpcore's `trace`: tells the session when the request goes out, and whether over a new connection.

    Until the response's headers are there, each wait gets what time is left then: `anew` gives the
    `timeouts`, which httpcore looks up at each wait. (In the body a `Watch`, or `clocked`, has an eye on the
    clocks.) While a connection is being made, nothing is sent. Whatever else happens, or happens untold,
    counts as sent: the names of events may change, and a flow must not run twice for that.
    """
    session, dialled, told, answered = exchange.session, False, False, False
    given = dict(timeouts)

    def trace(event: str, info: object) -> None:
        nonlocal dialled, told, answered
        if exchange.bound:  # our own transport, in the caller's hands, knows better
            return
        with exchange.lock:
            if event.startswith(_DIALLING) and not event.endswith(".complete"):
                dialled, answered = True, False  # answered was, if anything, what a proxy was asked
                session.bound(monotonic())
            elif not (told and session.was_sent):
                session.connected(monotonic(), reused=not dialled)
            told = True
        exchange.hurry()
        if event.endswith("receive_response_headers.complete"):
            answered = True
            timeouts.update(given)
            return
        if event.endswith("send_request_headers.started"):  # maybe an auth's second request
            answered = False
        if not answered and event.endswith(".started"):
            timeouts.update((clock, _at_least(left)) for clock, left in anew().items())

    return trace


def atracer(
    exchange: Exchange, timeouts: dict[str, float | None], anew: Callable[[], dict[str, float | None]]
) -> Callable[[str, object], Awaitable[None]]:
    """The same for an asynchronous client; it also closes what httpcore forgets of a cancelled handshake."""
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


def response_socket(response: Any) -> Any:
    """The socket of an HTTP/1.1 response, where the library tells it; HTTP/2 shares its socket."""
    if response.extensions.get("http_version") == b"HTTP/2":
        return None
    stream = response.extensions.get("network_stream")
    sock = None if stream is None else stream.get_extra_info("socket")
    return None if type(sock).__module__.startswith("uvloop") else sock  # which cannot be shut down


class NotIdle(TimeoutError):
    """Another clock than `idle` has run out."""


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


def attach(exchange: Exchange, response: Any) -> bool:
    """Let `cancel()` reach a response's socket; False where there is none to reach."""
    sock = response_socket(response)
    if sock is not None:
        exchange.attach(sock)
    return sock is not None


def watch(exchange: Exchange, response: Any) -> AsyncWatch | None:
    """Let `cancel()` reach a response's socket, and on asyncio the clocks; else its reads are `clocked`."""
    return AsyncWatch(exchange) if attach(exchange, response) and is_asyncio(event_loop()) else None


class Watch:
    """Shuts a response's socket down when a clock runs out: one thread, as long as the body lasts."""

    def __init__(self, exchange: Exchange, response: Any) -> None:
        self._exchange = exchange
        self._done = False
        self._changed = threading.Event()
        if attach(exchange, response):
            exchange.on_hurry = self._changed.set
            threading.Thread(target=self._watch, name="streamflow-watch", daemon=True).start()

    def forget(self) -> None:
        """For finalizers, which may take no lock: the thread ends within a second."""
        self._done = True

    def stop(self) -> None:
        with self._exchange.lock:
            self._done = True
            self._exchange.on_hurry = None
        self._changed.set()

    def _watch(self) -> None:
        # stopped: its socket is shut down, and Ctrl-C may have come before anyone knew of this watch
        while not (self._done or self._exchange.stopped):
            left = self._exchange.seconds_left()
            if left is not None and left <= 0:
                self._expire()
                return
            self._changed.wait(_LONGEST_LOOK if left is None else min(left, _LONGEST_LOOK))
            self._changed.clear()

    def _expire(self) -> None:
        """Not when it was stopped meanwhile: the exchange may have another socket by then."""
        with self._exchange.lock:
            if not self._done:
                self._exchange.expire()


class AsyncWatch:
    """The same for asyncio: one timer, which is set anew when it fires, not at every byte.

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
