"""Sends one response over one connection, bent by the faults of its request.

In: a `Reply` or a `Tape` with its framing, and faults. Out: writes on a `Line`.
What the answer is belongs to `service.py`; sockets belong to `connection.py`.
"""

import asyncio
from collections.abc import Callable
from typing import NoReturn, Protocol

from . import faults as f
from .dialects import Framing
from .dialects.express import html_error_page, stream_not_found_page
from .outcomes import dump
from .streams import Tape
from .wire import LAST_CHUNK, Headers, Reply, body_headers, http_chunk, response_head

# Frames joined into one write; a bound, so that a long replay takes turns with other streams.
_AT_ONCE = 256
_PING = b": ping\n\n"
_HTML: Headers = (("Content-Type", "text/html; charset=utf-8"),)


class Line(Protocol):
    """The writing side of a connection."""

    def write(self, data: bytes) -> None: ...
    async def drain(self) -> None:
        """Wait until the kernel has taken all that was written."""
        ...

    def close(self) -> None: ...
    def reset(self) -> None: ...


class Cut(Exception):
    """A fault closed the connection in the middle of the response."""


class _Finished(Exception):
    """A fault ended the response early, but correctly."""


class Sender:
    """The way out of one response."""

    def __init__(
        self,
        line: Line,
        faults: tuple[f.Fault, ...],
        always: Headers,
        heartbeat: float | None,
        *,
        chunks: bool,
    ) -> None:
        """`always` are headers of every response on this connection, `heartbeat` is how many seconds of
        silence bring a ping. Without `chunks`, streams end with their connection, be they whole or cut.
        """
        self._line = line
        self._faults = faults
        self._always = always
        self._heartbeat = heartbeat
        self._chunks = chunks
        self._chunked = False
        self._body_bytes = 0

    async def canned(self) -> bool:
        """Answer by a fault that stands in for the flow. False: there is none. May raise `Cut`."""
        for fault in self._faults:
            match fault:
                case f.raw(data):
                    await self._write(data)
                    await self._cut()
                case f.close_before_response():
                    await self._cut()
                case f.status() | f.html_page() | f.stream_not_found_html():
                    await self.reply(_canned_reply(fault))
                    return True
                case _:
                    pass
        return False

    async def reply(self, reply: Reply) -> None:
        """Send a whole response. Raises `Cut` where a fault closes the connection."""
        missing = int(any(isinstance(fault, f.no_body_end) for fault in self._faults))
        await self._head(reply.status, body_headers(reply, missing))
        await self._strike(0)
        await self._body(reply.body)
        await self._end()

    def spoiled(self, payload: bytes, frame: Callable[[bytes], bytes]) -> bytes:
        """The payload of a plain result, or the bad one that a fault puts in its place."""
        bad = (_bad_payload(fault, frame) for fault in self._faults)
        return next((found for found in bad if found is not None), payload)

    async def stream(self, headers: Headers, tape: Tape, framing: Framing) -> None:
        """Send a tape from its first chunk to its ending. Raises `Cut` as `reply` does."""
        # RFC 9112, 6.1: no Transfer-Encoding in a response to HTTP/1.0.
        self._chunked = self._chunks
        framed: Headers = (("Transfer-Encoding", "chunked"),) if self._chunks else ()
        await self._head(200, (*headers, *framed))
        try:
            await self._strike(0, framing)
            await (self._bent_frames if self._faults else self._frames)(tape, framing)
        except _Finished:
            await self._last_chunk()
        else:
            await self._end()

    async def _frames(self, tape: Tape, framing: Framing) -> None:
        """The straight way: all that is there in one write, one HTTP chunk a frame."""
        sent = 0
        while tape.ending is None or sent < len(tape.chunks):
            await self._beyond(tape, sent)
            payloads = tape.chunks[sent : sent + _AT_ONCE]
            sent += len(payloads)
            frames = [frame for payload in payloads if (frame := framing.chunk(payload))]
            self._line.write(b"".join(map(http_chunk, frames) if self._chunks else frames))
            await self._line.drain()
        await self._body(framing.ending(tape.ending))

    async def _beyond(self, tape: Tape, seen: int) -> None:
        """Wait for more than the first `seen` chunks, or the ending, with a ping in every silence."""
        while True:
            try:
                async with asyncio.timeout(self._heartbeat):
                    await tape.beyond(seen)
            except TimeoutError:
                await self._body(_PING)
            else:
                return

    async def _bent_frames(self, tape: Tape, framing: Framing) -> None:
        """Chunk by chunk, with a look at the faults after each."""
        taken = sent = 0
        while tape.ending is None or taken < len(tape.chunks):
            await self._beyond(tape, taken)
            for payload in tape.chunks[taken : taken + 1]:
                bent = self._bent(taken, payload)
                taken += 1
                if bent is not None:
                    await self._hold_back()
                    await self._body(framing.chunk(bent))
                    sent += 1
                    await self._strike(sent, framing)
        await self._body(framing.ending(tape.ending))

    async def _hold_back(self) -> None:
        for fault in self._faults:
            if isinstance(fault, f.slow_chunks):
                await asyncio.sleep(fault.seconds)

    def _bent(self, index: int, payload: bytes) -> bytes | None:
        for fault in self._faults:
            match fault:
                case f.lose_chunk(lost) if lost == index:
                    return None
                case f.change_chunk(changed, value) if changed == index:
                    payload = dump(value)
                case _:
                    pass
        return payload

    async def _head(self, status: int, headers: Headers) -> None:
        head = response_head(status, (*self._renamed(headers), *self._always))
        for fault in self._faults:
            match fault:
                case f.delay_headers(seconds):
                    await asyncio.sleep(seconds)
                case f.trickle_headers(every):
                    while len(head) > 1:
                        await self._write(head[:1])
                        head = head[1:]
                        await asyncio.sleep(every)
                case _:
                    pass
        await self._write(head)

    def _renamed(self, headers: Headers) -> Headers:
        for fault in self._faults:
            if isinstance(fault, f.other_stream_id):
                kept = [pair for pair in headers if pair[0].lower() != "x-genkit-stream-id"]
                return (*kept, ("X-Genkit-Stream-Id", fault.stream_id))
        return headers

    async def _strike(self, chunks: int, framing: Framing | None = None) -> None:
        """Do what the faults want after that many chunks."""
        for fault in self._faults:
            if getattr(fault, "after_chunks", None) == chunks or _at_once(fault, chunks):
                await self._act(fault, framing)

    async def _act(self, fault: f.Fault, framing: Framing | None) -> None:
        match fault:
            case f.drop():
                await self._cut()
            case f.reset():
                await self._reset()
            case f.clean_eof() if framing:
                raise _Finished
            case f.stall():
                await _for_ever()
            case f.pings(every):
                await self._ping(every)
            case f.insert(data):
                await self._body(data)
            case _ if framing and (bad := _bad_payload(fault, framing.chunk)):
                await self._body(framing.chunk(bad))
            case _:
                pass

    async def _ping(self, every: float) -> NoReturn:
        while True:
            await self._body(_PING)
            await asyncio.sleep(every)

    async def _body(self, data: bytes) -> None:
        """Write body bytes, as far as the faults let them through."""
        cutter = self._cutter()
        if cutter is not None:
            data = data[: (cutter.after_bytes or 0) - self._body_bytes]
        self._body_bytes += len(data)
        if data:
            await self._write(http_chunk(data) if self._chunked else data)
        if cutter is not None and self._body_bytes == cutter.after_bytes:
            await (self._cut if isinstance(cutter, f.drop) else self._reset)()

    def _cutter(self) -> f.drop | f.reset | None:
        for fault in self._faults:
            if isinstance(fault, f.drop | f.reset) and fault.after_bytes is not None:
                return fault
        return None

    async def _end(self) -> None:
        if any(isinstance(fault, f.no_body_end) for fault in self._faults):
            await _for_ever()
        await self._last_chunk()

    async def _last_chunk(self) -> None:
        if self._chunked:
            await self._write(LAST_CHUNK)

    async def _write(self, data: bytes) -> None:
        size = next((x.size for x in self._faults if isinstance(x, f.pieces)), len(data) or 1)
        for start in range(0, len(data), size):
            self._line.write(data[start : start + size])
            await self._line.drain()

    async def _cut(self) -> NoReturn:
        await self._line.drain()
        self._line.close()
        raise Cut

    async def _reset(self) -> NoReturn:
        await self._line.drain()
        self._line.reset()
        raise Cut


def _at_once(fault: f.Fault, chunks: int) -> bool:
    """A cut without a count, or before the first byte, comes right after the headers."""
    if chunks or not isinstance(fault, f.drop | f.reset):
        return False
    return fault.after_bytes == 0 or (fault.after_bytes is None and fault.after_chunks is None)


def _bad_payload(fault: f.Fault, frame: Callable[[bytes], bytes]) -> bytes | None:
    """The payload that makes a frame as bad as the fault wants it."""
    match fault:
        case f.corrupt_json():
            return b'{"broken":'
        case f.wrong_utf8():
            return b'"\xff\xfe"'
        case f.oversize(size):
            return b'"%b"' % (b"x" * (size - len(frame(b'""'))))
        case _:
            return None


def _canned_reply(fault: f.status | f.html_page | f.stream_not_found_html) -> Reply:
    match fault:
        case f.html_page(code):
            return Reply(code, _HTML, html_error_page("Please sign in"))
        case f.stream_not_found_html():
            return stream_not_found_page("nope")
        case f.status(code, retry_after, body, kind, headers):
            wait = () if retry_after is None else (("Retry-After", str(retry_after)),)
            return Reply(code, (("Content-Type", kind), *wait, *headers), body)


async def _for_ever() -> NoReturn:
    while True:
        await asyncio.get_running_loop().create_future()
