"""A caller's own HTTP client: clocks and cancel as far as its public interfaces reach.

In: a response of a client that is not ours. Out: httpx time-outs for the request, and a `Watch` that shuts
the response's socket down when a clock runs out. From the headers on, that is as good as our transport.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable
from typing import Any, TypeVar

from anyio import move_on_after

from ..options import Timeout
from .exchange import Exchange

T = TypeVar("T")

_MARGIN = 0.05  # seconds
_LONGEST_LOOK = 1.0  # seconds, after which the watch of a forgotten stream notices that it is over


def time_outs(timeout: Timeout, exchange: Exchange) -> dict[str, float | None]:
    """httpx's own time-outs: upper bounds for each single wait."""
    left = exchange.seconds_left()
    limits = [seconds for seconds in (timeout.idle, left) if seconds is not None]
    wait = max(min(limits), 0.001) if limits else None
    return {"connect": _least(timeout.connect, left), "read": wait, "write": wait, "pool": wait}


def _least(first: float | None, second: float | None) -> float | None:
    return second if first is None else first if second is None else min(first, second)


def response_socket(response: Any) -> Any:
    """The socket of an HTTP/1.1 response, where the library tells it; HTTP/2 shares its socket."""
    if response.extensions.get("http_version") == b"HTTP/2":
        return None
    stream = response.extensions.get("network_stream")
    return None if stream is None else stream.get_extra_info("socket")


async def clocked(exchange: Exchange, awaitable: Awaitable[T], *, idle: bool) -> T:
    """Await a caller's own client, but no longer than the clocks allow.

    Not `idle` where bytes may come in that nobody tells us of: then httpx's own time-out counts them.

    The client's own time-outs come first where they can, for cancelling it may cost it a connection
    (httpcore issue 1093): hence the margin.

    Raises:
        TimeoutError: and `exchange.timed_out` is set.
    """
    left = exchange.seconds_left(idle=idle)
    with move_on_after(None if left is None else max(left + _MARGIN, 0)):
        return await awaitable
    exchange.timed_out = True
    raise TimeoutError


def attach(exchange: Exchange, response: Any) -> bool:
    """Let `cancel()` reach a response's socket; False where there is none to reach."""
    sock = response_socket(response)
    if sock is not None:
        exchange.attach(sock)
    return sock is not None


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
        while not self._done:
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
