"""One accepted connection: bytes from the socket become requests, one answered after the other.

In: a transport's callbacks. Out: calls of an `Answer`, and the writes it makes.
What a request means belongs to `service.py`, how a response is bent to `answering.py`.
"""

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from .answering import Cut
from .records import Connections
from .wire import BadRequest, RawRequest, Reply, RequestReader, body_headers, response_head


class Answer(Protocol):
    """Answers one request; returns how many seconds the connection may then be idle."""

    def __call__(self, request: RawRequest, line: "Connection", /) -> Awaitable[float]: ...


class Connection(asyncio.Protocol):
    """Reads while it writes, so that a client that leaves is noticed at once."""

    def __init__(
        self,
        number: int,
        answer: Answer,
        counts: Connections,
        on_end: Callable[["Connection"], None],
    ) -> None:
        self.number = number
        self.requests: int = 0
        self.deaf = False
        self.client_left_at: float | None = None
        self._answer = answer
        self._counts = counts
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._reader = RequestReader()
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._drained: asyncio.Future[None] | None = None
        self._secure = False
        self._ended = False

    # --- called by the transport ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        # Then "drained" means that the kernel has every byte, and a fault may cut exactly there.
        # (A TLS transport pauses at its mark, a plain one above it.)
        self._secure = transport.get_extra_info("sslcontext") is not None
        transport.set_write_buffer_limits(high=int(self._secure), low=0)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self.deaf:
            self._reader.feed(data)
            self._advance()

    def eof_received(self) -> None:
        # As Node does: half a connection is none. Not only close(), which waits for unread writes.
        self._client_left()
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._client_left()
        self._loop.call_soon(self.end)  # asyncio closes the socket only after this call

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    # --- called by those who answer (`answering.Line`) ---

    def write(self, data: bytes) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():  # asyncio complains of every write after the connection's end
            self._transport.write(data)

    async def drain(self) -> None:
        assert self._transport is not None
        # A turn of the loop, in which the end is heard of: it cancels the answer. A transport of TLS does not
        # even know before that turn that its socket is closed.
        if self._secure or self._transport.is_closing():
            await asyncio.sleep(0)
        if self._drained is not None:
            await self._drained

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        assert self._transport is not None
        raw: socket.socket = self._transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    # --- called by the listener ---

    def abort(self) -> None:
        """Cut the connection and the answer in course, without blaming the client."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        if self._transport is not None:
            self._transport.abort()

    def end(self) -> None:
        """Nothing comes any more; also called when the TLS handshake failed."""
        if self._ended:
            return
        self._ended = True
        self._stop_waiting()
        if self._task is not None:
            self._task.cancel()
        self._on_end(self)

    # --- requests, one after the other ---

    def _advance(self) -> None:
        if self._task is not None or self._ended:
            return
        try:
            request = self._reader.next()
        except BadRequest as error:
            self._refuse(error)
            return
        if request is not None:
            self._stop_waiting()
            self.requests += 1
            self._counts.in_use += 1
            self._task = self._loop.create_task(self._serve(request))

    async def _serve(self, request: RawRequest) -> None:
        seconds: float | None = None
        try:
            seconds = await self._answer(request, self)
        except Cut:
            pass
        except Exception:
            # A script that cannot be followed, say: asyncio reports it, and no client hangs.
            self.close()
            raise
        finally:
            self._counts.in_use -= 1
            self._task = None
        if seconds is not None and not self._ended:
            self._idle = self._loop.call_later(seconds, self.close)
            self._advance()

    def _refuse(self, error: BadRequest) -> None:
        reply = Reply(400, (("Connection", "close"),), str(error).encode())
        self.write(response_head(reply.status, body_headers(reply)) + reply.body)
        self.close()

    def _client_left(self) -> None:
        if self._task is not None and self.client_left_at is None:
            self.client_left_at = time.monotonic()

    def _stop_waiting(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
