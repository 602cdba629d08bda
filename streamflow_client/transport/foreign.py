"""A caller's own HTTP client: clocks and cancel as far as its public interfaces reach.

In: requests and responses of a client that is not ours. Out: httpx time-outs and a trace for the request, and
a `Watch` that shuts the response's socket down when a clock runs out. From the headers on, that is as good as
our transport. What only asynchronous clients need is in `foreign_aio.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import httpx

from ..options import Timeout
from .exchange import Exchange

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


class NotIdle(TimeoutError):
    """Another clock than `idle` has run out."""


def response_socket(response: Any) -> Any:
    """The socket of an HTTP/1.1 response, where the library tells it; HTTP/2 shares its socket."""
    if response.extensions.get("http_version") == b"HTTP/2":
        return None
    stream = response.extensions.get("network_stream")
    sock = None if stream is None else stream.get_extra_info("socket")
    return None if type(sock).__module__.startswith("uvloop") else sock  # which cannot be shut down


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
