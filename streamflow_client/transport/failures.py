"""What the exceptions of httpx, httpx2, httpcore and aiohttp mean to a session. Only known here.

In: an exception that a request or a read raised. Out: an event for the session, or the exception itself
where it is not about the network. The first three name their exceptions alike, so they are told by name, and
httpx2 need not be imported; nor aiohttp, whose names are put into theirs.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

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
_OF_AIOHTTP: dict[str, frozenset[str]] = {
    "ClientConnectorError": frozenset({"ConnectError", "NetworkError"}),
    "ClientHttpProxyError": frozenset({"ProxyError"}),
    "ConnectionTimeoutError": frozenset({"ConnectTimeout", "TimeoutException"}),
    "ServerTimeoutError": frozenset({"ReadTimeout", "TimeoutException"}),
    "ClientConnectionError": frozenset({"ReadError", "NetworkError"}),
    "ClientPayloadError": frozenset({"ReadError", "NetworkError"}),
    "ClientResponseError": frozenset({"RemoteProtocolError", "ProtocolError"}),
    "InvalidURL": frozenset({"UnsupportedProtocol"}),
}
_CUT_SHORT = ("peer closed connection", "Server disconnected")  # h11's and httpcore's words for EOF


def report(error: Exception, exchange: Exchange) -> None:
    """Tell the session what went wrong.

    Raises:
        Exception: `error` itself, if it is no failure of the network but, say, of a caller's auth.
    """
    names = _names(error)
    with exchange.lock:
        if "TimeoutException" in names or exchange.timed_out:
            if names & _CLOCKS.keys():  # whichever clock of ours that was, nothing was sent
                exchange.session.was_sent = False
            not_idle = isinstance(error, NotIdle)
            exchange.session.expired(monotonic(), _named_clock(names, exchange), idle=not not_idle)
        elif "LocalProtocolError" in names and exchange.bound:
            raise ValueError("the request is not valid HTTP: look at what your auth adds") from None
        elif names & _BROKEN:
            text = _UNFIT if "LocalProtocolError" in names else _words(error)
            exchange.session.broke(_kind(names, text, exchange), text, monotonic())
        elif not exchange.session.settle(monotonic()):
            raise error


def _names(error: BaseException) -> frozenset[str]:
    """The names of its class and bases; httpx's names for an exception of aiohttp.

    What httpx-aiohttp makes of that one does not count: to it, a server that goes away after it has read the
    request is a `ConnectTimeout`.
    """
    for cls in type(_of_aiohttp(error)).__mro__:
        if cls.__name__ in _OF_AIOHTTP:
            return _OF_AIOHTTP[cls.__name__]
    return frozenset(cls.__name__ for cls in type(error).__mro__)


def _of_aiohttp(error: BaseException) -> BaseException | None:
    """The exception, or what httpx-aiohttp made it of, if it is aiohttp's."""
    for each in (error, error.__cause__):
        if type(each).__module__.partition(".")[0] == "aiohttp":
            return each
    return None


def _words(error: BaseException) -> str:
    """What an exception says, or what it was raised from: trio's say nothing themselves."""
    theirs: Any = _of_aiohttp(error)
    if theirs is not None:
        return _words_of_aiohttp(theirs)
    cause: BaseException | None = error
    while cause is not None and not str(cause):
        cause = cause.__cause__ or cause.__context__
    return str(cause or "") or type(error).__name__


def _words_of_aiohttp(error: Any) -> str:
    """Its exceptions hold what is worth telling; their own words quote headers, URLs and objects."""
    if type(error).__name__ == "ServerDisconnectedError":
        return "Server disconnected without sending a response."
    for part in ("os_error", "certificate_error", "message"):
        if getattr(error, part, None):
            return str(getattr(error, part))
    return str(error) or type(error).__name__


def _named_clock(names: frozenset[str], exchange: Exchange) -> Clock | None:
    """Our transport waits as long as the session says; a caller's client has clocks of its own.

    It waits for a connection no longer than for the call: then `total`, say, has run out, not `connect`.
    """
    named = None if exchange.bound else next(iter(names & _CLOCKS.keys()), None)
    clock = _CLOCKS[named] if named else None
    left = exchange.seconds_left()
    return None if clock == "connect" and left is not None and left <= 0 else clock


def _kind(names: frozenset[str], text: str, exchange: Exchange) -> Break:
    sent = exchange.session.was_sent
    if not sent or names & _NOT_SENT:
        return Break.NOT_SENT
    if "RemoteProtocolError" in names and not exchange.saw_eof and not text.startswith(_CUT_SHORT):
        return Break.GARBAGE
    return Break.LOST
