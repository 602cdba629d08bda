"""The floor: sockets and one validation of each envelope, nothing else.

No headers are read, no error is noticed, nothing is ever late: no client could be made of this. It says what
the machine, the interpreter and pydantic cost by themselves.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from ..bodies import END, Item, Shape
from .base import Blocking, Call, Concurrent

READ = 64 * 1024
BODY = b'{"data":1}'


class _Token(TypedDict, total=False):
    message: str
    result: int


class _Thing(TypedDict, total=False):
    message: Item
    result: int


VALIDATE: dict[Shape, Callable[[bytes], Any]] = {
    "tokens": TypeAdapter(_Token).validator.validate_json,
    "objects": TypeAdapter(_Thing).validator.validate_json,
}


def request(path: str) -> bytes:
    """What asks for a stream."""
    return (
        b"POST /%b HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (path.encode(), len(BODY), BODY)
    )


class Reader:
    """Takes apart what one read brought: HTTP chunks by their sizes, then events by blank lines."""

    def __init__(self, shape: Shape) -> None:
        self.ended = False
        self._validate = VALIDATE[shape]
        self._head: bytes | None = b""  # None once the body has begun
        self._line = b""  # the beginning of a chunk's size
        self._size = -1  # of the chunk that began last; the one of 0 bytes is the end
        self._missing = 0  # bytes of it, its line end included
        self._event: list[bytes] = []  # the beginning of one

    def feed(self, data: bytes) -> list[object]:
        """The chunks of the stream that it completes."""
        if self._head is not None:
            data = self._after_head(self._head + data)
        self._event.append(self._dechunked(data))
        if len(self._event) > 1 and b"\n" not in self._event[-1]:
            return []
        *events, rest = b"".join(self._event).split(b"\n\n")
        self._event = [rest]
        validate = self._validate
        values = [validate(event[6:]) for event in events]
        if values and "result" in values[-1]:
            values.pop()
        return values

    def _after_head(self, data: bytes) -> bytes:
        head, blank, body = data.partition(b"\r\n\r\n")
        self._head = None if blank else head
        return body

    def _dechunked(self, data: bytes) -> bytes:
        data, self._line = self._line + data, b""
        parts, pos, have = [data[: max(0, self._missing - 2)]], self._missing, len(data)
        size = self._size
        while pos < have:
            end = data.find(b"\r\n", pos)
            if end < 0:
                self._line = data[pos:]
                break
            size = int(data[pos:end], 16)
            parts.append(data[end + 2 : end + 2 + size])
            pos = end + 4 + size
        self._size, self._missing = size, 0 if self._line else pos - have
        self.ended = size == 0 and not self._missing
        return b"".join(parts)


class Sync(Blocking):
    """A socket that blocks."""

    def __init__(self, url: str, *, typed: bool = True) -> None:
        super().__init__(url, typed=typed)
        self._socket = connected(url)

    def _reads(self, call: Call) -> Iterator[list[object]]:
        self._socket.sendall(request(call.path))
        reader = Reader(call.shape)
        while not reader.ended:
            yield reader.feed(self._socket.recv(READ))

    def chunks(self, call: Call) -> Iterator[object]:
        for values in self._reads(call):
            yield from values

    def count(self, call: Call) -> int:
        number = 0
        for values in self._reads(call):
            for _ in values:
                number += 1
        return number

    def decode(self, body: list[bytes], shape: Shape) -> int:
        validate = VALIDATE[shape]
        number, rest = 0, b""
        for piece in body:
            *events, rest = (rest + piece).split(b"\n\n")
            number += len([validate(event[6:]) for event in events])
        return number - 1  # the result


class Sink(Sync):
    """Reads and looks at nothing: how fast the server can be."""

    def count(self, call: Call) -> int:
        self._socket.sendall(request(call.path))
        last = b""
        while not last.endswith(END):
            last = (last + self._socket.recv(READ))[-len(END) :]
        return int(call.path.rpartition("/")[2])


class _Connection(asyncio.BufferedProtocol):
    """One connection on an event loop, read into a buffer that all share; its reads wait in a list."""

    def __init__(self, buffer: bytearray) -> None:
        self._buffer = buffer
        self._reads: list[bytes] = []
        self._reader: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._reads.append(bytes(memoryview(self._buffer)[:nbytes]))
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def read(self) -> bytes:
        """All that came since."""
        if not self._reads:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        data = b"".join(self._reads)
        self._reads.clear()
        return data


class Async(Concurrent):
    """A protocol of asyncio's, without its streams."""

    def __init__(self, url: str, *, typed: bool = True) -> None:
        super().__init__(url, typed=typed)
        self._address = address(url)
        self._buffer = bytearray(READ)
        self._idle: list[_Connection] = []

    async def _reads(self, call: Call) -> AsyncIterator[list[object]]:
        connection = self._idle.pop() if self._idle else await self._connected()
        connection.transport.write(request(call.path))
        reader = Reader(call.shape)
        while not reader.ended:
            yield reader.feed(await connection.read())
        self._idle.append(connection)

    async def _connected(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: _Connection(self._buffer), *self._address)
        return connection

    async def chunks(self, call: Call) -> AsyncIterator[object]:
        async for values in self._reads(call):
            for value in values:
                yield value

    async def count(self, call: Call) -> int:
        number = 0
        async for values in self._reads(call):
            for _ in values:
                number += 1
        return number

    async def close(self) -> None:
        for connection in self._idle:
            connection.transport.close()


def address(url: str) -> tuple[str, int]:
    """Host and port."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def connected(url: str) -> socket.socket:
    """A connection to the server, on which small requests do not wait."""
    sock = socket.create_connection(address(url))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
