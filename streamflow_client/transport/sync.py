"""The synchronous transport: see the package's docstring; `aio.py` is its twin.

A *lane* is one connection and the exchange that uses it. A lane whose exchange did not end cleanly is
closed, never reused: that is what makes badly timed cancellation harmless.
"""

from __future__ import annotations

import math
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import suppress
from time import monotonic
from typing import Any, cast

import httpcore
import httpx

from ..wire.chunked import BodyTap
from .dial import Dial, reach
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

# A long upload asks the clocks again after each piece; httpcore waits for its every part as long.
_WRITE_SIZE = 16 * 1024

Connection = httpcore.HTTPConnection | httpcore.ConnectionPool  # a pool where a proxy is


class ClockedTransport(httpx.BaseTransport):
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

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        while True:
            lane, reused = self._take(origin_of(request.url))
            with suppress(ServerLeft):  # then nothing was written, so another lane may take the request
                return self._run(request, lane, reused=reused)

    def _run(self, request: httpx.Request, lane: _Lane, *, reused: bool) -> httpx.Response:
        try:
            lane.serve(running.get(), reused=reused)
            response = lane.connection.handle_request(core_request(request))
        except BaseException as error:
            lane.close()
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

    def close(self) -> None:
        self._most_idle = 0  # also for what is still in use
        self._sweep(math.inf)

    def _take(self, origin: Origin) -> tuple[_Lane, bool]:
        """A lane that waits, else a new one."""
        self._sweep(monotonic() - IDLE_SECONDS)
        while (lane := self._idle.take(origin)) is not None:
            if lane.is_fresh():
                return lane, True
            lane.close()
        return _Lane(origin, self._ssl_context, self._proxy), False

    def give_back(self, lane: _Lane) -> None:
        """A lane whose exchange ended cleanly waits for the next."""
        if not lane.rest():
            lane.close()
            return
        self._idle.put(lane)
        self._sweep(lane.idle_since - IDLE_SECONDS)

    def _sweep(self, oldest: float) -> None:
        for lane in self._idle.sweep(oldest, self._most_idle):
            lane.close()


class _Body(httpx.SyncByteStream):
    """A response's body; closing it frees the lane."""

    def __init__(
        self, transport: ClockedTransport, lane: _Lane, response: httpcore.Response, timeout: float | None
    ) -> None:
        self._transport = transport
        self._lane: _Lane | None = lane
        self._response = response
        self._timeout = timeout

    def __iter__(self) -> Iterator[bytes]:
        assert isinstance(self._response.stream, Iterable)
        stream = self._lane and self._lane.stream
        try:
            while stream and (data := stream.read_body(self._timeout)):
                yield data
            yield from self._response.stream
        except Exception as error:
            raise_as_httpx(error)
            raise

    def close(self) -> None:
        lane, self._lane = self._lane, None
        if lane is not None:
            try:
                self._response.close()
                self._transport.give_back(lane)
            except BaseException:  # Ctrl-C, say: h11 may be halfway to its next cycle, however idle it seems
                lane.close()
                raise


class _Lane(httpcore.NetworkBackend):
    """One connection. httpcore dials through it and so its streams know which exchange they serve."""

    def __init__(self, origin: Origin, ssl_context: ssl.SSLContext | None, proxy: httpx.Proxy | None) -> None:
        self.origin = origin
        self.idle_since: float = 0.0
        self.exchange: Exchange | None = None
        self.reused: bool = False
        self._dialled = False
        self._tls_layers = tls_layers(origin, proxy)
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
        return not self.stream.get_extra_info("is_readable")

    def close(self) -> None:
        try:
            self.connection.close()
        finally:
            if self.stream is not None:
                self.stream.close()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """In a thread of its own: neither the name's resolution nor `connect` can be interrupted."""
        self._dialled = True
        exchange = self.exchange
        if exchange is None:
            return self.adopt(reach(None, host, port, timeout), tls=False)
        return self.adopt(Dial(exchange, host, port, timeout).wait(), tls=False)

    def adopt(self, inner: httpcore.NetworkStream, *, tls: bool) -> _Stream:
        """From now on this is the lane's stream, and its socket the one that stops the exchange."""
        self._tls_layers -= tls
        within_tls = tls and self.stream is not None and isinstance(self.stream.socket, ssl.SSLSocket)
        self.stream = _Stream(self, inner, carries_request=self._tls_layers == 0, within_tls=within_tls)
        if self.exchange is not None:
            self.exchange.attach(self.stream.socket)
        return self.stream


class _Stream(httpcore.NetworkStream):
    """A network stream that asks its lane's exchange how long it may wait."""

    def __init__(
        self, lane: _Lane, inner: httpcore.NetworkStream, *, carries_request: bool, within_tls: bool
    ) -> None:
        self._lane = lane
        self._inner = inner
        self._carries_request = carries_request
        self.tap: BodyTap = BodyTap()
        self._for_h11: list[bytes] = []  # at most one: what came with the end of a body
        self.socket: socket.socket = inner.get_extra_info("socket")
        # TLS inside of TLS is spoken without a socket of its own.
        self._within_tls = within_tls

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """For h11: all but chunked bodies."""
        if self._for_h11:
            return self._for_h11.pop()
        return self.tap.receive(self._receive(max_bytes, timeout))

    def read_body(self, timeout: float | None = None) -> bytes:
        """What comes next of a chunked body; empty where h11 is to be asked."""
        tap = self.tap
        while not (body := tap.take()) and tap.is_open:
            data = self._receive(READ_SIZE, timeout)
            share = tap.receive(data)
            if share or not data:
                self._for_h11.append(share)
        return body

    def _receive(self, max_bytes: int, timeout: float | None) -> bytes:
        exchange = self._lane.exchange
        data = self._read(max_bytes, seconds_left(exchange, timeout, httpcore.ReadTimeout))
        if exchange is not None:
            exchange.received(data)
        return data

    def _read(self, max_bytes: int, timeout: float | None) -> bytes:
        """As httpcore's own stream, but for its way to map exceptions, which costs more than the read."""
        if self._within_tls:
            return self._inner.read(max_bytes, timeout)
        try:
            self.socket.settimeout(timeout)
            return self.socket.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(error) from error
        except OSError as error:
            raise httpcore.ReadError(error) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        exchange = self._lane.exchange
        if self._carries_request and not buffer.startswith(SOCKS_VERSIONS):
            if exchange is not None:
                if self._lane.reused and not exchange.session.was_sent and self.get_extra_info("is_readable"):
                    raise ServerLeft
                exchange.sending(reused=self._lane.reused)
            self.tap.sends(buffer)
        for start in range(0, len(buffer), _WRITE_SIZE):
            seconds = seconds_left(exchange, timeout, httpcore.WriteTimeout)
            self._inner.write(buffer[start : start + _WRITE_SIZE], seconds)

    def close(self) -> None:
        """Not under the hands of a thread that shuts the socket down: its number may soon be another's."""
        if self._lane.exchange is not None:
            self._lane.exchange.detach(self.socket)
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        seconds = seconds_left(self._lane.exchange, timeout, httpcore.ConnectTimeout)
        if not isinstance(self.socket, ssl.SSLSocket):  # else TLS is spoken inside of TLS, without a socket
            ssl_context = cast("ssl.SSLContext", _Handshake(ssl_context, self._lane.exchange))
        return self._lane.adopt(self._inner.start_tls(ssl_context, server_hostname, seconds), tls=True)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Handshake:
    """What httpcore uses of an SSL context: it wraps a socket so that the call can be stopped meanwhile.

    Wrapping takes the descriptor away from the socket that would be shut down. And Ctrl-C leaves the
    wrapped one to the garbage collector: `ssl` closes it only for exceptions of its own.
    """

    def __init__(self, context: ssl.SSLContext, exchange: Exchange | None) -> None:
        self._context = context
        self._exchange = exchange

    def wrap_socket(self, sock: socket.socket, server_hostname: str | None) -> ssl.SSLSocket:
        sock.getpeername()  # fails where the server has reset it: there `ssl` would leave a socket unclosed
        wrapped: ssl.SSLSocket | None = None
        try:
            wrapped = self._context.wrap_socket(
                sock, server_hostname=server_hostname, do_handshake_on_connect=False
            )
            if self._exchange is not None:
                self._exchange.attach(wrapped)
            wrapped.do_handshake()
        except BaseException as error:
            wrapped = wrapped or _half_made(error)
            if self._exchange is not None:
                self._exchange.detach(wrapped)
            if wrapped is not None:
                wrapped.close()
            raise
        return wrapped


def _half_made(error: BaseException) -> ssl.SSLSocket | None:
    """The socket that `ssl` was making when Ctrl-C came: only the traceback has it, and it the descriptor."""
    trace = error.__traceback__
    while trace is not None:
        made = trace.tb_frame.f_locals.get("self")
        if isinstance(made, ssl.SSLSocket):
            return made
        trace = trace.tb_next
    return None


def _connection(
    origin: Origin, ssl_context: ssl.SSLContext | None, proxy: httpx.Proxy | None, lane: _Lane
) -> Connection:
    if is_secure(origin):
        ssl_context = ssl_context or shared_ssl_context()
    if proxy is None:
        return httpcore.HTTPConnection(
            httpcore.Origin(*origin), ssl_context=ssl_context, network_backend=lane
        )
    pool = httpcore.SOCKSProxy if is_socks(proxy) else httpcore.HTTPProxy
    return pool(**proxy_options(proxy, ssl_context), network_backend=lane)
