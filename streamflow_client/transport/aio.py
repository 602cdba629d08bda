"""The asynchronous transport, for asyncio and trio: see the package's docstring; `sync.py` is its twin.

A *lane* is one connection and the exchange that uses it. A lane whose exchange did not end cleanly is
closed, never reused: that is what makes badly timed cancellation harmless.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import suppress
from time import monotonic
from typing import Any, cast

import httpcore
import httpx
from anyio import CancelScope

from ..wire.chunked import BodyTap
from . import asyncio_net
from .exchange import Exchange, running, seconds_left
from .idle import IdleLanes, Origin
from .settings import (
    IDLE_SECONDS,
    MOST_IDLE,
    READ_SIZE,
    REUSE_SECONDS,
    SOCKS_VERSIONS,
    ServerLeft,
    core_request,
    has_idle,
    is_secure,
    is_socks,
    origin_of,
    proxy_options,
    raise_as_httpx,
    read_timeout,
    shared_ssl_context,
    tls_layers,
)
from .stopping import stoppable

_WRITE_SIZE = 256 * 1024  # a long upload asks the clocks again after each piece

Connection = httpcore.AsyncHTTPConnection | httpcore.AsyncConnectionPool  # a pool where a proxy is

_ANYIO = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())


class AsyncClockedTransport(httpx.AsyncBaseTransport):
    """An httpx transport whose waits obey the call that runs on it.

    Args:
        ssl_context: for TLS verification and client certificates; the process's shared one if None.
        proxy: the proxy to go through, if any.
    """

    def __init__(
        self, *, ssl_context: ssl.SSLContext | None = None, proxy: httpx.Proxy | None = None
    ) -> None:
        self._ssl_context = ssl_context
        self._proxy = proxy
        self._idle: IdleLanes[_Lane] = IdleLanes()
        self._most_idle = MOST_IDLE

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        while True:
            lane, reused = await self._take(origin_of(request.url))
            with suppress(ServerLeft):  # then nothing was written, so another lane may take the request
                return await self._run(request, lane, reused=reused)

    async def _run(self, request: httpx.Request, lane: _Lane, *, reused: bool) -> httpx.Response:
        try:
            lane.serve(running.get(), reused=reused)
            response = await lane.connection.handle_async_request(core_request(request))
        except BaseException as error:
            await lane.aclose()
            if isinstance(error, httpx.TransportError):
                lane.admit_mock()
            raise_as_httpx(error, self._proxy)
            raise
        lane.admit_mock()
        lane.answer()
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(self, lane, response, read_timeout(request)),
            extensions=dict(response.extensions),  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        )

    async def aclose(self) -> None:
        self._most_idle = 0  # also for what is still in use
        await self._sweep(math.inf)

    async def _take(self, origin: Origin) -> tuple[_Lane, bool]:
        """A lane that waits, else a new one."""
        await self._sweep(monotonic() - IDLE_SECONDS)
        while (lane := self._idle.take(origin)) is not None:
            if lane.is_fresh():
                return lane, True
            await lane.aclose()
        return _Lane(origin, self._ssl_context, self._proxy), False

    async def give_back(self, lane: _Lane) -> None:
        """A lane whose exchange ended cleanly waits for the next."""
        if not lane.rest():
            await lane.aclose()
            return
        self._idle.put(lane)
        await self._sweep(lane.idle_since - IDLE_SECONDS)

    async def _sweep(self, oldest: float) -> None:
        for lane in self._idle.sweep(oldest, self._most_idle):
            await lane.aclose()


class _Body(httpx.AsyncByteStream):
    """A response's body; closing it frees the lane."""

    def __init__(
        self,
        transport: AsyncClockedTransport,
        lane: _Lane,
        response: httpcore.Response,
        timeout: float | None,
    ) -> None:
        self._transport = transport
        self._lane: _Lane | None = lane
        self._response = response
        self._timeout = timeout

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert isinstance(self._response.stream, AsyncIterable)
        stream = self._lane and self._lane.stream
        try:
            while stream and (data := await stream.read_body(self._timeout)):
                yield data
            async for data in self._response.stream:
                yield data
        except Exception as error:
            raise_as_httpx(error)
            raise

    async def aclose(self) -> None:
        lane, self._lane = self._lane, None
        if lane is not None:
            try:
                await self._response.aclose()
                await self._transport.give_back(lane)
            except BaseException:  # Ctrl-C, say: h11 may be halfway to its next cycle, however idle it seems
                await lane.aclose()
                raise


class _Lane(httpcore.AsyncNetworkBackend):
    """One connection. httpcore dials through it and so its streams know which exchange they serve."""

    def __init__(self, origin: Origin, ssl_context: ssl.SSLContext | None, proxy: httpx.Proxy | None) -> None:
        self.origin = origin
        self.idle_since: float = 0.0
        self.exchange: Exchange | None = None
        self.reused: bool = False
        self._dialled = False
        self._tls_layers = tls_layers(origin, proxy)
        self._speaks_tls = False
        self.stream: _Stream | None = None
        self.connection: Connection = _connection(origin, ssl_context, proxy, self)

    def serve(self, exchange: Exchange | None, *, reused: bool) -> None:
        self.exchange, self.reused = exchange, reused
        if exchange is not None:
            exchange.bind()
            if self.stream is not None:
                exchange.attach(self.stream.socket)

    def answer(self) -> None:
        """The response is there: the call may read its body past what httpx wraps around it."""
        if self.exchange is not None and self.stream is not None:
            self.exchange.source = self.stream.read_body

    def admit_mock(self) -> None:
        """Where nobody dialled, a test's mock (respx) has answered in httpcore's place and told nothing."""
        if not self._dialled and self.exchange is not None:
            self.exchange.begin()
            self.exchange.entrust()

    def rest(self) -> bool:
        """Let go of the exchange; False if the connection is in no state to be used again.

        One whose socket was shut down is not, even if its response had been read to the end by then; nor
        one on which more came than that, or where one cannot tell: it would be the next call's answer.
        """
        stopped = self.exchange is not None and self.exchange.stopped
        if self.exchange is not None:
            self.exchange.detach()
            self.exchange = None
        self.idle_since = monotonic()
        sound = self.stream is None or self.stream.tap.is_between
        return sound and not stopped and has_idle(self.connection)

    def is_fresh(self) -> bool:
        """Neither too old nor closed by the server, as far as one can see from here."""
        if monotonic() - self.idle_since >= REUSE_SECONDS or self.stream is None:
            return False
        return not (self.stream.get_extra_info("is_readable") or self._holds_more())

    def _holds_more(self) -> bool:
        """Whether TLS has read more than it gave: anyio keeps that, and the socket knows nothing of it."""
        if self.stream is None or not self._speaks_tls:
            return False
        try:
            self.stream.get_extra_info("ssl_object").read(1)
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            pass
        return True

    async def aclose(self) -> None:
        """Also when the task was cancelled: what is not closed now would never be."""
        with CancelScope(shield=True):
            try:
                await self.connection.aclose()
            finally:
                if self.stream is not None:
                    await self.stream.aclose()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """The addresses of a name are tried side by side."""
        self._dialled = True
        seconds = seconds_left(self.exchange, timeout, httpcore.ConnectTimeout)
        if self.exchange is None:
            return self.adopt(await _connect(host, port, seconds), tls=False)
        inner = await stoppable(
            self.exchange,
            lambda: _connect(host, port, seconds),
            lambda stream: stream.aclose(),
        )
        if inner is None:
            raise httpcore.ConnectError("stopped")
        return self.adopt(inner, tls=False)

    def adopt(self, inner: httpcore.AsyncNetworkStream, *, tls: bool) -> _Stream:
        """From now on this is the lane's stream, and its socket the one that stops the exchange."""
        self._tls_layers -= tls
        self._speaks_tls = tls
        self.stream = _Stream(self, inner, carries_request=self._tls_layers == 0)
        if self.exchange is not None:
            self.exchange.attach(self.stream.socket)
        return self.stream


class _Stream(httpcore.AsyncNetworkStream):
    """A network stream that asks its lane's exchange how long it may wait."""

    def __init__(self, lane: _Lane, inner: httpcore.AsyncNetworkStream, *, carries_request: bool) -> None:
        self._lane = lane
        self._inner = inner
        self._carries_request = carries_request
        self.tap: BodyTap = BodyTap()
        self._for_h11: list[bytes] = []  # at most one: what came with the end of a body
        self.socket: Any = inner.get_extra_info("socket")

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """For h11: all but chunked bodies."""
        if self._for_h11:
            return self._for_h11.pop()
        return self.tap.receive(await self._receive(max_bytes, timeout))

    async def read_body(self, timeout: float | None = None) -> bytes:
        """What comes next of a chunked body; empty where h11 is to be asked."""
        tap = self.tap
        while not (body := tap.take()) and tap.is_open:
            data = await self._receive(READ_SIZE, timeout)
            share = tap.receive(data)
            if share or not data:
                self._for_h11.append(share)
        return body

    async def _receive(self, max_bytes: int, timeout: float | None) -> bytes:
        exchange = self._lane.exchange
        data = await self._inner.read(max_bytes, seconds_left(exchange, timeout, httpcore.ReadTimeout))
        if exchange is not None:
            exchange.received(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        exchange = self._lane.exchange
        if self._carries_request and not buffer.startswith(SOCKS_VERSIONS):
            if exchange is not None:
                if self._lane.reused and not exchange.session.was_sent and self.get_extra_info("is_readable"):
                    raise ServerLeft
                exchange.sending(reused=self._lane.reused)
            self.tap.sends(buffer)
        for start in range(0, len(buffer), _WRITE_SIZE):
            seconds = seconds_left(exchange, timeout, httpcore.WriteTimeout)
            await self._inner.write(buffer[start : start + _WRITE_SIZE], seconds)

    async def aclose(self) -> None:
        """Not under the hands of a thread that shuts the socket down: its number may soon be another's."""
        if self._lane.exchange is not None:
            self._lane.exchange.detach(self.socket)
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        seconds = seconds_left(self._lane.exchange, timeout, httpcore.ConnectTimeout)
        inner = await self._inner.start_tls(ssl_context, server_hostname, seconds)
        return self._lane.adopt(inner, tls=True)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


async def _connect(host: str, port: int, timeout: float | None) -> httpcore.AsyncNetworkStream:
    """In a task of its own where a call runs: the context stays with the connection, the call must not."""
    running.set(None)
    connect = asyncio_net.connect if _on_asyncio() else _ANYIO.connect_tcp
    return await connect(host, port, timeout)


def _on_asyncio() -> bool:
    """Not just whether its loop runs here: trio can be a guest of it, with tasks of its own."""
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


def _connection(
    origin: Origin, ssl_context: ssl.SSLContext | None, proxy: httpx.Proxy | None, lane: _Lane
) -> Connection:
    if is_secure(origin):
        ssl_context = ssl_context or shared_ssl_context()
    if proxy is None:
        return httpcore.AsyncHTTPConnection(
            httpcore.Origin(*origin), ssl_context=ssl_context, network_backend=lane
        )
    pool = httpcore.AsyncSOCKSProxy if is_socks(proxy) else httpcore.AsyncHTTPProxy
    return pool(**proxy_options(proxy, ssl_context), network_backend=lane)
