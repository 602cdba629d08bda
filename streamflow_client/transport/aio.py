"""The asynchronous transport, for asyncio and trio: see the package's docstring; `sync.py` is its twin.

A *lane* is one connection and the exchange that uses it. A lane whose exchange did not end cleanly is
closed, never reused: that is what makes badly timed cancellation harmless.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import suppress
from time import monotonic
from typing import Any, cast

import httpcore
import httpx
from anyio import CancelScope

from ..wire.chunked import ChunkMerger
from .exchange import Exchange, running, seconds_left
from .idle import IdleLanes, Origin
from .settings import (
    IDLE_SECONDS,
    MOST_IDLE,
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
    shared_ssl_context,
    tls_layers,
)
from .stopping import stoppable

_WRITE_SIZE = 256 * 1024  # a long upload asks the clocks again after each piece

Connection = httpcore.AsyncHTTPConnection | httpcore.AsyncConnectionPool  # a pool where a proxy is

_BACKEND = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())


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
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(self, lane, response),
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

    def __init__(self, transport: AsyncClockedTransport, lane: _Lane, response: httpcore.Response) -> None:
        self._transport = transport
        self._lane: _Lane | None = lane
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert isinstance(self._response.stream, AsyncIterable)
        try:
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
        self._stream: _Stream | None = None
        self.connection: Connection = _connection(origin, ssl_context, proxy, self)

    def serve(self, exchange: Exchange | None, *, reused: bool) -> None:
        self.exchange, self.reused = exchange, reused
        if exchange is not None:
            exchange.bind()
            if self._stream is not None:
                exchange.attach(self._stream.socket)

    def admit_mock(self) -> None:
        """Where nobody dialled, a test's mock (respx) has answered in httpcore's place and told nothing."""
        if not self._dialled and self.exchange is not None:
            self.exchange.begin()
            self.exchange.entrust()

    def rest(self) -> bool:
        """Let go of the exchange; False if the connection is in no state to be used again.

        One whose socket was shut down is not, even if its response had been read to the end by then.
        """
        stopped = self.exchange is not None and self.exchange.stopped
        if self.exchange is not None:
            self.exchange.detach()
            self.exchange = None
        self.idle_since = monotonic()
        return not stopped and has_idle(self.connection)

    def is_fresh(self) -> bool:
        """Neither too old nor closed by the server, as far as one can see from here."""
        if monotonic() - self.idle_since >= REUSE_SECONDS or self._stream is None:
            return False
        return not self._stream.get_extra_info("is_readable")

    async def aclose(self) -> None:
        """Also when the task was cancelled: what is not closed now would never be."""
        with CancelScope(shield=True):
            try:
                await self.connection.aclose()
            finally:
                if self._stream is not None:
                    await self._stream.aclose()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """anyio tries the addresses of a name side by side."""
        self._dialled = True
        seconds = seconds_left(self.exchange, timeout, httpcore.ConnectTimeout)
        if self.exchange is None:
            return self.adopt(await _BACKEND.connect_tcp(host, port, seconds), tls=False)
        inner = await stoppable(
            self.exchange,
            lambda: _BACKEND.connect_tcp(host, port, seconds),
            lambda stream: stream.aclose(),
        )
        if inner is None:
            raise httpcore.ConnectError("stopped")
        return self.adopt(inner, tls=False)

    def adopt(self, inner: httpcore.AsyncNetworkStream, *, tls: bool) -> _Stream:
        """From now on this is the lane's stream, and its socket the one that stops the exchange."""
        self._tls_layers -= tls
        self._stream = _Stream(self, inner, carries_request=self._tls_layers == 0)
        if self.exchange is not None:
            self.exchange.attach(self._stream.socket)
        return self._stream


class _Stream(httpcore.AsyncNetworkStream):
    """A network stream that asks its lane's exchange how long it may wait."""

    def __init__(self, lane: _Lane, inner: httpcore.AsyncNetworkStream, *, carries_request: bool) -> None:
        self._lane = lane
        self._inner = inner
        self._carries_request = carries_request
        self._merger = ChunkMerger()
        self.socket: Any = inner.get_extra_info("socket")

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        exchange = self._lane.exchange
        data = await self._inner.read(max_bytes, seconds_left(exchange, timeout, httpcore.ReadTimeout))
        if exchange is not None:
            exchange.received(data)
        return self._merger.merge(data)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        exchange = self._lane.exchange
        if self._carries_request and not buffer.startswith(SOCKS_VERSIONS):
            if exchange is not None:
                if self._lane.reused and not exchange.session.was_sent and self.get_extra_info("is_readable"):
                    raise ServerLeft
                exchange.sending(reused=self._lane.reused)
            self._merger.sends(buffer)
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
