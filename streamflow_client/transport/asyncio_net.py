"""asyncio's network: httpcore's network stream on an asyncio protocol of our own.

In: an address. Out: what httpcore's own stream over anyio would be, for less: reading goes on between reads,
so that none of them stops or starts it, and neither a read nor a write makes a cancel scope or a timer. One
task at a time reads or writes, as HTTP/1.1 does. The sockets are ours too: uvloop's own cannot be shut down.
Out of place here: what a call is, and which of its clocks runs; trio, which anyio serves.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
import ssl
import warnings
from collections import defaultdict, deque
from collections.abc import Sequence
from contextvars import copy_context
from itertools import count
from time import monotonic
from typing import Any, cast

import httpcore
from anyio import (
    BrokenResourceError,
    ClosedResourceError,
    EndOfStream,
    Event,
    create_task_group,
    move_on_after,
)
from anyio.abc import ByteStream
from anyio.streams.tls import TLSAttribute, TLSStream

from .exchange import shut_down
from .settings import READ_SIZE

_MOST_UNREAD = 256 * 1024  # then reading stops until some of it is read
_HEAD_START = 0.25  # seconds before the next address of a name is tried, too (RFC 8305, section 5)
_SLACK = 0.001  # seconds: the same deadline, told as what is left of it, is never the same to the last digit
# How far ahead a timer is set, in seconds. It outlives the wait that it was set for, and so long asyncio
# keeps what was cancelled behind it, contexts included.
_LOOKS_AGAIN = 5.0

# What sockets are read into. Each belongs to one connection while the loop has it: no longer than one call on
# any loop we know, so that few are enough for thousands of connections.
_buffers = deque[bytearray](maxlen=16)

_BROKEN = (BrokenResourceError, ClosedResourceError, ssl.SSLError)

_Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]


class _Late(Exception):
    """The deadline passed. No `TimeoutError`: that is an OSError, and to anyio's TLS a broken connection."""


async def connect(host: str, port: int, timeout: float | None) -> httpcore.AsyncNetworkStream:
    """A connection to the first address of a name that answers.

    Raises:
        httpcore.ConnectError: none does.
        httpcore.ConnectTimeout: none did in time.
    """
    with move_on_after(timeout):
        try:
            return await _open(host, port)
        except OSError as error:
            raise httpcore.ConnectError(error) from error
    raise httpcore.ConnectTimeout("no connection in time")


async def _open(host: str, port: int) -> Stream:
    loop = asyncio.get_running_loop()
    sock = await _reach(await _resolve(host, port))
    _, wire = await loop.create_connection(lambda: _Wire(sock, loop), sock=sock)
    return Stream(wire, wire)


async def _resolve(host: str, port: int) -> Sequence[_Address]:
    """The addresses of a name, in the order to try them. A name that is one already needs no thread."""
    name = host.encode("ascii")  # bytes, for Python would make a second sort of IDNA out of a text
    try:
        return socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return _by_turns(found)


def _by_turns(found: Sequence[_Address]) -> Sequence[_Address]:
    """The first of each kind, then the second, and so on: one kind may lead nowhere."""
    turns = defaultdict[int, "count[int]"](count)
    return sorted(found, key=lambda address: next(turns[address[0]]))


async def _reach(addresses: Sequence[_Address]) -> socket.socket:
    """A socket connected to one of them; each but the first waits until those before failed, or are slow."""
    if len(addresses) == 1:
        return await _dial(addresses[0])
    connected: list[socket.socket] = []
    failed: list[OSError] = []

    async def attempt(address: _Address, ended: Event) -> None:
        try:
            connected.append(await _dial(address))
            group.cancel_scope.cancel()
        except OSError as error:
            failed.append(error)
        ended.set()

    try:
        async with create_task_group() as group:
            for address in addresses:
                ended = Event()
                group.start_soon(attempt, address, ended)
                with move_on_after(_HEAD_START):
                    await ended.wait()
        if not connected:
            raise failed[-1]
        return connected.pop()
    finally:
        for late in connected:
            late.close()


async def _dial(address: _Address) -> socket.socket:
    family, kind, proto, _, where = address
    sock = socket.socket(family, kind, proto)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, where)
    except BaseException:
        sock.close()
        raise
    return sock


class _Wire(asyncio.BufferedProtocol, ByteStream):
    """A connected socket: what the event loop tells of it, and the one task that waits for that.

    Attributes:
        socket: the socket itself.
        deadline: when to stop waiting, in seconds of `time.monotonic`; asked before each wait.
    """

    _transport: asyncio.Transport

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self.socket = sock
        self.deadline: float | None = None
        self._loop = loop
        self._context = copy_context()  # a timer keeps its own, and may outlive the call that set it
        self._lent: bytearray | None = None  # what the loop reads into
        self._unread = bytearray()
        self._full = False  # so much is unread that reading stopped
        self._stuck = False  # so is what was written
        self._eof = False
        self._lost = False
        self._error: Exception | None = None
        self._forgotten = False
        self._waiter: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0.0

    # --- for the event loop -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(0)  # a write ends when the system has all of it

    def get_buffer(self, sizehint: int) -> bytearray:
        if self._lent is None:
            try:
                self._lent = _buffers.pop()
            except IndexError:
                self._lent = bytearray(READ_SIZE)
        return self._lent

    def buffer_updated(self, nbytes: int) -> None:
        lent, self._lent = self._lent, None
        assert lent is not None, "the loop asked for it"
        self._unread += memoryview(lent)[:nbytes]
        _buffers.append(lent)
        if len(self._unread) >= _MOST_UNREAD:
            self._full = True
            self._transport.pause_reading()
        self._wake()

    def _give_back(self) -> None:
        """At the end the loop asks for a buffer, and puts nothing into it."""
        if self._lent is not None:
            _buffers.append(self._lent)
            self._lent = None

    def eof_received(self) -> bool:
        """True keeps the socket open: other threads know it, and its number may soon be another's."""
        self._give_back()
        self._eof = True
        self._wake()
        return not self._forgotten

    def connection_lost(self, exc: Exception | None) -> None:
        self._give_back()
        self._lost = True
        self._error = exc
        if self._alarm is not None:
            self._alarm.cancel()
        self._wake()

    def pause_writing(self) -> None:
        self._stuck = True

    def resume_writing(self) -> None:
        self._stuck = False
        self._wake()

    # --- for the task that reads or writes ----------------------------------------------------------

    async def receive(self, max_bytes: int = READ_SIZE) -> bytes:
        while not self._unread:
            if self._eof:
                raise EndOfStream
            if self._lost:
                raise BrokenResourceError from self._error
            await self._happening()
        return self._take(max_bytes)

    def _take(self, most: int) -> bytes:
        data = bytes(self._unread) if len(self._unread) <= most else bytes(self._unread[:most])
        del self._unread[: len(data)]
        if self._full and len(self._unread) < _MOST_UNREAD // 2:
            self._full = False
            self._transport.resume_reading()
        return data

    async def send(self, item: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(item)
        while self._stuck or self._transport.is_closing():
            if self._lost:
                raise BrokenResourceError from self._error
            await self._happening()

    async def send_eof(self) -> None:
        """HTTP needs none."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Without a word to the peer, as TLS would like: it may not listen."""
        self._transport.abort()
        await asyncio.sleep(0)  # the loop closes the socket in its next turn

    def forget(self) -> None:
        """Close, from any thread. What the loop reads from it keeps, whoever else has let go of it."""
        self._forgotten = True
        shut_down(self.socket)

    @property
    def is_readable(self) -> bool:
        """Whether there is anything to read: bytes, the end, or an error."""
        return bool(self._unread) or self._eof or self._transport.is_closing() or _is_readable(self.socket)

    # --- waiting ------------------------------------------------------------------------------------

    async def _happening(self) -> None:
        """Wait for whatever the loop tells next.

        Raises:
            _Late: the deadline came first.
        """
        if self._waiter is not None:
            raise RuntimeError("another task waits for this connection")
        self._waiter = self._loop.create_future()
        try:
            if self.deadline is not None:
                self._set_alarm(self.deadline)
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _set_alarm(self, deadline: float) -> None:
        """One timer serves many reads: most put their deadline off, and it looks when it rings."""
        if self._alarm is not None:
            if self._alarm_at <= deadline + _SLACK:
                return
            self._alarm.cancel()
        now = monotonic()
        self._alarm_at = min(deadline, now + _LOOKS_AGAIN)
        self._alarm = self._loop.call_later(self._alarm_at - now, self._ring, context=self._context)

    def _ring(self) -> None:
        self._alarm = None
        if self._waiter is None or self._waiter.done() or self.deadline is None:
            return
        if monotonic() < self.deadline:
            self._set_alarm(self.deadline)
        else:
            self._waiter.set_exception(_Late())


class Stream(httpcore.AsyncNetworkStream):
    """httpcore's view of a wire, or of TLS over it."""

    def __init__(self, wire: _Wire, channel: ByteStream) -> None:
        self._wire = wire
        self._channel = channel  # the wire itself, or TLS over it
        self._is_open = True  # and nobody else's to close

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._wire.deadline = _deadline(timeout)
        try:
            return await self._channel.receive(max_bytes)
        except EndOfStream:
            return b""
        except _Late as late:
            raise httpcore.ReadTimeout("nothing came in time") from late
        except _BROKEN as error:
            raise httpcore.ReadError(error) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._wire.deadline = _deadline(timeout)
        try:
            await self._channel.send(buffer)
        except _Late as late:
            raise httpcore.WriteTimeout("not all was taken in time") from late
        except _BROKEN as error:
            raise httpcore.WriteError(error) from error

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self._wire.deadline = _deadline(timeout)
        try:
            channel = await TLSStream.wrap(
                self._channel,
                server_side=False,
                hostname=server_hostname,
                ssl_context=ssl_context,
                standard_compatible=False,  # as HTTP: most servers leave without a word
            )
        except BaseException as error:
            await self.aclose()
            if isinstance(error, _Late):
                raise httpcore.ConnectTimeout("no TLS in time") from error
            if isinstance(error, (EndOfStream, *_BROKEN)):
                raise httpcore.ConnectError(error) from error
            raise
        self._is_open = False
        return Stream(self._wire, channel)

    async def aclose(self) -> None:
        self._is_open = False
        await self._wire.aclose()

    def get_extra_info(self, info: str) -> Any:
        match info:
            case "socket":
                return self._wire.socket
            case "is_readable":
                return self._wire.is_readable
            case "client_addr":
                return self._wire.socket.getsockname()
            case "server_addr":
                return self._wire.socket.getpeername()
            case "ssl_object":
                return self._channel.extra(TLSAttribute.ssl_object, None)  # noqa: S610 - not Django's
            case _:
                return None

    def __del__(self) -> None:
        if self._is_open and self._wire.socket.fileno() >= 0:
            self._wire.forget()
            warnings.warn(f"unclosed connection {self._wire.socket!r}", ResourceWarning, stacklevel=1)


def _deadline(seconds: float | None) -> float | None:
    return None if seconds is None else monotonic() + seconds


def _is_readable(sock: socket.socket) -> bool:
    """`poll()` where there is one: `select()` cannot tell of file descriptors above 1023."""
    with getattr(selectors, "PollSelector", selectors.SelectSelector)() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(0))
