"""The asynchronous transport over aiohttp, whose parser is C: asyncio only, and an extra.

In: httpx requests. Out: httpx responses, of httpx-aiohttp, whose waits obey the call that runs on them. A
*passage* is one request on its way: aiohttp's hooks tell it what happens. Out of place here: what a response
means, what aiohttp's exceptions mean (failures.py), and any private attribute of aiohttp or httpx-aiohttp.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, cast
from weakref import WeakValueDictionary

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from yarl import URL

from .exchange import Exchange, running
from .foreign_aio import AsyncWatch, clocked, event_loop, is_asyncio
from .settings import REUSE_SECONDS, shared_ssl_context

# A body that asyncio takes at once; a longer one is held up by a server that does not read.
_BUFFERED = 32 * 1024
_PIECE = 256 * 1024  # of what is sent
_READ_SIZE = 256 * 1024  # of what asyncio reads; aiohttp stops at twice as much that nobody took
_HEADER_SIZE = 100 * 1024  # of one line, as httpcore takes

# By their numbers. uvloop lends no socket that can be shut down; these can, and know when they are closed.
_sockets: WeakValueDictionary[int, socket.socket] = WeakValueDictionary()

_passing: ContextVar[_Passage] = ContextVar("streamflow_passage")


class AiohttpClockedTransport(httpx.AsyncBaseTransport):
    """An httpx transport over aiohttp whose waits obey the call that runs on it.

    Args:
        ssl_context: for TLS verification and client certificates; the process's shared one if None.
    """

    def __init__(self, *, ssl_context: ssl.SSLContext | None = None) -> None:
        self._ssl_context = ssl_context
        self._inner: dict[str, AiohttpTransport] = {}
        self._loop: Any = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._check_loop()
        passage = _Passage(request, running.get())
        token = _passing.set(passage)
        try:
            # so that the loop hears, before one is chosen, which idle connections their server has closed
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            response = await passage.open(self._transport(request.url.scheme))
        finally:
            _passing.reset(token)
        if passage.exchange is not None and passage.answer is not None:
            response.stream = _Body(response.stream, passage.answer, passage.exchange)
        return response

    async def aclose(self) -> None:
        for transport in self._inner.values():
            await transport.aclose()

    def _check_loop(self) -> None:
        """Raises: RuntimeError: not asyncio, or not the loop that has the connections."""
        loop = event_loop()
        if not is_asyncio(loop):
            raise RuntimeError(
                "aiohttp runs on asyncio only; on trio leave http_client out, or give "
                "default_async_http_client()"
            )
        self._loop = self._loop or loop
        if loop is not self._loop:
            raise RuntimeError("this HTTP client belongs to another event loop; make one for each loop")

    def _transport(self, scheme: str) -> AiohttpTransport:
        """One for TLS and one without, which needs no certificates: reading them takes a while."""
        if scheme not in self._inner:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            if scheme == "https":
                context = self._ssl_context or shared_ssl_context()
            self._inner[scheme] = AiohttpTransport(verify=context, client=partial(_session, context))
        return self._inner[scheme]


def _session(context: ssl.SSLContext) -> aiohttp.ClientSession:
    """Set up as our own transport is: no limit, the system's resolver, nothing kept but connections."""
    tracing = aiohttp.TraceConfig()
    tracing.on_connection_create_start.append(_dials)
    tracing.on_request_headers_sent.append(_sends)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0,
            keepalive_timeout=REUSE_SECONDS,
            resolver=aiohttp.ThreadedResolver(),
            socket_factory=_make_socket,
            use_dns_cache=False,
            ssl=context,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[tracing],
        middlewares=[_passes],
        request_class=_Request,
        read_bufsize=_READ_SIZE,
        max_line_size=_HEADER_SIZE,
        max_field_size=_HEADER_SIZE,
    )


def _make_socket(address: Any) -> socket.socket:
    made = socket.socket(*address[:3])
    _sockets[made.fileno()] = made
    return made


# --- what aiohttp tells ------------------------------------------------------------------------------


async def _passes(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """A middleware: the URL exactly as httpx has it, and the response before anyone reads it."""
    passage = _passing.get()
    request.url = URL(passage.url, encoded=True)  # aiohttp would take %2E%2E for a step up
    try:
        response = await _over_a_sound_connection(request, handler)
    except aiohttp.ClientConnectorError as error:
        raise httpx.ConnectError(str(error)) from error
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise httpx.ReadError(str(error)) from error  # else aiohttp would send a GET once more, untold
    passage.answered(response)
    return response


async def _over_a_sound_connection(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    while True:  # each that is not sound is closed
        with suppress(_Unsound):
            return await handler(request)


class _Unsound(Exception):
    """More came on a connection than answers to the requests. Nothing was written."""


class _Request(aiohttp.ClientRequest):
    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        """Not where something has come already: aiohttp would take it for the answer."""
        if conn.protocol is not None and conn.protocol.should_close:
            conn.close()
            raise _Unsound
        return await super().send(conn)


async def _dials(*_: object) -> None:
    _passing.get().dialled = True


async def _sends(*_: object) -> None:
    """Not a byte is written yet, and none is if this raises."""
    _passing.get().sends()


class _Passage:
    """One request on its way.

    Attributes:
        exchange: the call that it is for; None where someone uses the HTTP client for himself.
        dialled: whether its connection is a new one.
        answer: aiohttp's response, once its headers are there.
    """

    def __init__(self, request: httpx.Request, exchange: Exchange | None) -> None:
        self.request = request
        self.url = str(request.url)
        self.exchange = exchange
        self.dialled: bool = False
        self.answer: aiohttp.ClientResponse | None = None

    async def open(self, transport: AiohttpTransport) -> httpx.Response:
        """The response, as soon as its headers are there.

        `connect`, `progress` and `total` are watched by whoever sends. `idle` is aiohttp's, which sees each
        byte of the headers, but only once the request is written and only where httpx was told it.
        """
        short = _is_short(self.request)
        request = self.request if short else _in_pieces(self.request)
        if self.exchange is None:
            return await transport.handle_async_request(request)
        self.exchange.bind()
        given = request.extensions.get("timeout", {})
        counts = short and "read" in given
        request.extensions = {**request.extensions, "timeout": {"read": given["read"]} if counts else {}}
        opening = transport.handle_async_request(request)
        return await (opening if counts else clocked(self.exchange, opening, idle=True))

    def sends(self) -> None:
        """Raises: httpx.ReadError: the call was stopped meanwhile."""
        if self.exchange is not None:
            if self.exchange.stopped:
                raise httpx.ReadError("stopped")
            self.exchange.sending(reused=not self.dialled)

    def answered(self, response: aiohttp.ClientResponse) -> None:
        """From now on a `Watch` has an eye on the clocks, and stopping the call shuts the socket down: until
        aiohttp takes the connection back, which it does before the body's end is read."""
        connection = response.connection
        self.answer = response
        if self.exchange is None or connection is None:
            return
        if connection.protocol is not None:
            connection.protocol.read_timeout = None
            connection.protocol.start_timeout()  # which ends the one that runs
        if connection.transport is not None:
            lent = connection.transport.get_extra_info("socket")
            sock = _sockets.get(lent.fileno(), lent)
            self.exchange.attach(sock)
            connection.add_callback(partial(self.exchange.detach, sock))


def _is_short(request: httpx.Request) -> bool:
    try:
        return len(request.content) <= _BUFFERED
    except httpx.RequestNotRead:  # a request of a caller's auth, streamed
        return False


def _in_pieces(request: httpx.Request) -> httpx.Request:
    """aiohttp warns of a body above 1 MiB that is given whole."""
    try:
        stream = _Pieces(request.content)
    except httpx.RequestNotRead:
        return request
    extensions = request.extensions
    return httpx.Request(
        request.method, request.url, headers=request.headers, stream=stream, extensions=extensions
    )


class _Pieces(httpx.AsyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), _PIECE):
            yield self._content[start : start + _PIECE]


class _Body(httpx.AsyncByteStream):
    """A response's body, as long as the call's clocks allow."""

    def __init__(self, inner: Any, answer: aiohttp.ClientResponse, exchange: Exchange) -> None:
        self._inner = inner
        self._content = answer.content
        self._protocol = _protocol_that_ends(answer)
        self._exchange = exchange
        self._closed = _told_of_closing(answer)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Raises: aiohttp.ClientError: the connection broke. httpx.ReadError: the call was stopped."""
        exchange, content, watch = self._exchange, self._content, AsyncWatch(self._exchange)
        try:
            while not exchange.stopped:
                try:
                    data = await content.readany()
                except Exception:
                    data = _left_over(content)
                    if not data:
                        raise
                if not data:
                    self._check_end()
                    return
                yield data
        finally:
            watch.stop()
        raise httpx.ReadError("stopped")

    def _check_end(self) -> None:
        """Raises: OSError: the connection was reset, say, which aiohttp takes for the end."""
        error = None if self._protocol is None else self._protocol.exception()
        if isinstance(error, OSError):
            raise error

    async def aclose(self) -> None:
        self._closed()
        await self._inner.aclose()


def _told_of_closing(answer: aiohttp.ClientResponse) -> Callable[[], object]:
    """Wake who reads when the connection is closed before the body's end; gives what undoes that.

    Where aiohttp closes it itself, since a chunk is malformed, it tells nobody, and there is no socket any
    more that a clock or `cancel()` could shut down.
    """
    content = answer.content
    protocol = None if answer.connection is None else answer.connection.protocol
    closed = None if protocol is None else protocol.closed
    if protocol is None or closed is None:
        return _nothing

    def tell(future: asyncio.Future[None]) -> None:
        future.exception()  # has been looked at
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError(str(protocol.exception() or "it was closed")))

    closed.add_done_callback(tell)
    return partial(closed.remove_done_callback, tell)


def _nothing() -> None:
    pass


def _left_over(content: aiohttp.StreamReader) -> bytes:
    """What came before the connection broke: aiohttp raises first, and keeps it."""
    error = content.exception()
    if error is None:
        return b""
    content.set_exception(cast("Exception", None))
    try:
        return content.read_nowait()
    finally:
        content.set_exception(error)


def _protocol_that_ends(answer: aiohttp.ClientResponse) -> Any:
    """What knows how the connection ended, if the body has no other end, as in HTTP/1.0."""
    if "content-length" in answer.headers or "transfer-encoding" in answer.headers:
        return None
    return None if answer.connection is None else answer.connection.protocol
