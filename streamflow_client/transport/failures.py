"""What the exceptions of httpx, httpx2 and httpcore mean to a session. The only place that knows them.

In: an exception that a request or a read raised. Out: an event for the session, or the exception itself
where it is not about the network. The three libraries name their exceptions alike, so they are told by
name, and httpx2 need not be imported.
"""

from __future__ import annotations

from time import monotonic

from ..call import Break
from ..errors import Clock
from .exchange import Exchange
from .foreign import NotIdle

_CLOCKS: dict[str, Clock] = {"ConnectTimeout": "connect", "PoolTimeout": "pool"}
_BROKEN = frozenset(
    {"NetworkError", "ProtocolError", "ProxyError", "UnsupportedProtocol", "ConnectionError", "SSLError"}
)
_NOT_SENT = frozenset({"ConnectError", "ProxyError", "UnsupportedProtocol", "LocalProtocolError"})
_UNFIT = "the HTTP library refuses the request, or the state of its connection"  # its words quote headers
_CUT_SHORT = ("peer closed connection", "Server disconnected")  # h11's and httpcore's words for EOF


def report(error: Exception, exchange: Exchange) -> None:
    """Tell the session what went wrong.

    Raises:
        Exception: `error` itself, if it is no failure of the network but, say, of a caller's auth.
    """
    names = {cls.__name__ for cls in type(error).__mro__}
    with exchange.lock:
        if "TimeoutException" in names or exchange.timed_out:
            if type(error).__name__ in _CLOCKS:  # whichever clock of ours that was, nothing was sent
                exchange.session.was_sent = False
            not_idle = isinstance(error, NotIdle)
            exchange.session.expired(monotonic(), _named_clock(error, exchange), idle=not not_idle)
        elif "LocalProtocolError" in names and exchange.bound:
            raise ValueError("the request is not valid HTTP: look at what your auth adds") from None
        elif names & _BROKEN:
            text = _UNFIT if "LocalProtocolError" in names else _words(error)
            exchange.session.broke(_kind(names, text, exchange), text, monotonic())
        elif not exchange.session.settle(monotonic()):
            raise error


def _words(error: BaseException) -> str:
    """What an exception says, or what it was raised from: trio's say nothing themselves."""
    cause: BaseException | None = error
    while cause is not None and not str(cause):
        cause = cause.__cause__ or cause.__context__
    return str(cause or "") or type(error).__name__


def _named_clock(error: Exception, exchange: Exchange) -> Clock | None:
    """Our transport waits as long as the session says; a caller's client has clocks of its own.

    It waits for a connection no longer than for the call: then `total`, say, has run out, not `connect`.
    """
    clock = None if exchange.bound else _CLOCKS.get(type(error).__name__)
    left = exchange.seconds_left()
    return None if clock == "connect" and left is not None and left <= 0 else clock


def _kind(names: set[str], text: str, exchange: Exchange) -> Break:
    sent = exchange.session.was_sent
    if not sent or names & _NOT_SENT:
        return Break.NOT_SENT
    if "RemoteProtocolError" in names and not exchange.saw_eof and not text.startswith(_CUT_SHORT):
        return Break.GARBAGE
    return Break.LOST
