"""The asynchronous transport, for asyncio and trio: see the package's docstring; `sync.py` is its twin.

A *lane* is one connection and the exchange that uses it. Lanes wait for reuse in a deque per origin, so
that taking one costs the same however many are busy. A lane whose exchange did not end cleanly is closed,
never reused: that is what makes badly timed cancellation harmless.
"""

from __future__ import annotations

import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from time import monotonic
from typing import Any, cast

import httpcore
import httpx
from anyio import CancelScope

from .exchange import Exchange, running, seconds_left
from .settings import (
    IDLE_SECONDS,
    MOST_IDLE,
    REUSE_SECONDS,
    Origin,
    as_httpx_error,
    core_request,
    has_idle,
    is_secure,
    origin_of,
    proxy_options,
    shared_ssl_context,
)

_WRITE_SIZE = 256 * 1024  # so that a long upload asks the clocks again


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
        self._idle: defaultdict[Origin, deque[_Lane]] = defaultdict(deque)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        lane, reused = await self._take(origin_of(request.url))
        try:
            lane.serve(running.get(), reused=reused)
            response = await lane.connection.handle_async_request(core_request(request))
        except BaseException as error:
            await lane.aclose()
            raise as_httpx_error(error) from error
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(self, lane, response),
            extensions=dict(response.extensions),  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        )

    async def aclose(self) -> None:
        idle = [lane for lanes in self._idle.values() for lane in lanes]
        self._idle.clear()
        for lane in idle:
            await lane.aclose()

    async def _take(self, origin: Origin) -> tuple[_Lane, bool]:
        """The lane used last, since it is the least likely to be closed by the server; else a new one."""
        while (lane := self._pop(origin)) is not None:
            if lane.is_fresh():
                return lane, True
            await lane.aclose()
        return _Lane(origin, self._ssl_context, self._proxy), False

    def _pop(self, origin: Origin) -> _Lane | None:
        lanes = self._idle[origin]
        return lanes.pop() if lanes else None

    async def give_back(self, lane: _Lane) -> None:
        """A lane whose exchange ended cleanly waits for the next, and those that waited too long end."""
        if not lane.rest():
            await lane.aclose()
            return
        lanes = self._idle[lane.origin]
        lanes.append(lane)
        for late in [lanes.popleft() for _ in range(_overdue(lanes))]:
            await late.aclose()


def _overdue(lanes: deque[_Lane]) -> int:
    """How many on the left waited too long, or are too many."""
    oldest_allowed = monotonic() - IDLE_SECONDS
    late = 0
    for lane in lanes:
        if lane.idle_since >= oldest_allowed:
            break
        late += 1
    return max(late, len(lanes) - MOST_IDLE)


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
            raise as_httpx_error(error) from error

    async def aclose(self) -> None:
        lane, self._lane = self._lane, None
        if lane is not None:
            try:
                await self._response.aclose()
            finally:
                await self._transport.give_back(lane)


class _Lane(httpcore.AsyncNetworkBackend):
    """One connection. httpcore dials through it and so its streams know which exchange they serve."""

    def __init__(self, origin: Origin, ssl_context: ssl.SSLContext | None, proxy: httpx.Proxy | None) -> None:
        self.origin = origin
        self.idle_since = 0.0
        self.exchange: Exchange | None = None
        self.reused = False
        self._stream: _Stream | None = None
        self._backend = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())
        self.connection = _connection(origin, ssl_context, proxy, self)

    def serve(self, exchange: Exchange | None, *, reused: bool) -> None:
        self.exchange, self.reused = exchange, reused
        if exchange is not None:
            exchange.bind()
            if self._stream is not None:
                exchange.attach(self._stream.socket)

    def rest(self) -> bool:
        """Let go of the exchange; False if the connection is in no state to be used again."""
        if self.exchange is not None:
            self.exchange.detach()
            self.exchange = None
        self.idle_since = monotonic()
        return has_idle(self.connection)

    def is_fresh(self) -> bool:
        """Neither too old nor closed by the server, as far as one can see from here."""
        if monotonic() - self.idle_since >= REUSE_SECONDS or self._stream is None:
            return False
        return not self._stream.get_extra_info("is_readable")

    async def aclose(self) -> None:
        """Also when the task was cancelled: what is not closed now would never be."""
        if self.exchange is not None:
            self.exchange.detach()
        with CancelScope(shield=True):
            await self.connection.aclose()
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
        seconds = seconds_left(self.exchange, timeout, httpcore.ConnectTimeout)
        return self.adopt(await self._backend.connect_tcp(host, port, seconds), tls=False)

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError("httpcore sleeps only between retries, which are not its own here")

    def adopt(self, inner: httpcore.AsyncNetworkStream, *, tls: bool) -> _Stream:
        """From now on this is the lane's stream, and its socket the one that stops the exchange."""
        self._stream = _Stream(self, inner, carries_request=tls or not is_secure(self.origin))
        if self.exchange is not None:
            self.exchange.attach(self._stream.socket)
        return self._stream


class _Stream(httpcore.AsyncNetworkStream):
    """A network stream that asks its lane's exchange how long it may wait."""

    def __init__(self, lane: _Lane, inner: httpcore.AsyncNetworkStream, *, carries_request: bool) -> None:
        self._lane = lane
        self._inner = inner
        self._carries_request = carries_request
        self.socket: Any = inner.get_extra_info("socket")

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        exchange = self._lane.exchange
        data = await self._inner.read(max_bytes, seconds_left(exchange, timeout, httpcore.ReadTimeout))
        if exchange is not None:
            exchange.received(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        exchange = self._lane.exchange
        if exchange is not None and self._carries_request:
            exchange.sending(reused=self._lane.reused)
        for start in range(0, len(buffer), _WRITE_SIZE):
            seconds = seconds_left(exchange, timeout, httpcore.WriteTimeout)
            await self._inner.write(buffer[start : start + _WRITE_SIZE], seconds)

    async def aclose(self) -> None:
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
) -> httpcore.AsyncHTTPConnection | httpcore.AsyncConnectionPool:
    if is_secure(origin):
        ssl_context = ssl_context or shared_ssl_context()
    if proxy is None:
        return httpcore.AsyncHTTPConnection(
            httpcore.Origin(*origin), ssl_context=ssl_context, network_backend=lane
        )
    pool = httpcore.AsyncSOCKSProxy if proxy.url.scheme.startswith("socks5") else httpcore.AsyncHTTPProxy
    return pool(**proxy_options(proxy, ssl_context), network_backend=lane)
