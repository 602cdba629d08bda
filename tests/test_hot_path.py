"""What a chunk costs, counted and not timed: Python's instructions and calls on the path of every chunk.

A count is the same on every machine and under any load. It does not see what C code does: that a large event
is not copied or searched anew with each of its pieces is a ratio of CPU times within one run, far from its
bound.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from time import thread_time
from types import FrameType
from typing import Any

from pure_calls import hear
from streamflow_client import AsyncClient, Client
from streamflow_client.call import Limits

CHUNKS = 5_000
PIECE = 64 * 1024


@dataclass(frozen=True)
class Cost:
    """Per chunk."""

    instructions: float
    calls: float  # of functions in Python, generators that go on among them


BOUNDS = {  # 1.25 times what was counted with Python 3.11; 3.13 counts less
    "core": Cost(3.7, 0.135),
    "sync": Cost(26.5, 1.55),
    "asyncio": Cost(27.5, 1.6),
    "trio": Cost(29, 1.75),
}
ALONE = {  # of a chunk that is the only one of its read: 1.15 times
    "sync": Cost(1_800, 83),
    "asyncio": Cost(2_720, 130),
    "trio": Cost(3_920, 225),
}
EVENT_BOUND = Cost(510, 27)  # per piece of 64 KiB of a large event
LINEAR = (
    15  # times the CPU of one piece for 16,384: 2; 100 where all is searched for each, 1,000 where copied
)


# --- counting ----------------------------------------------------------------------------------------


class Counter:
    """Counts what runs in this thread, tests left out."""

    def __init__(self) -> None:
        self.instructions = 0
        self.calls = 0

    def per(self, number: int) -> Cost:
        return Cost(self.instructions / number, self.calls / number)

    def called(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any] | None:
        if frame.f_code.co_filename.startswith(TESTS):
            return None
        self.calls += 1
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self.stepped

    def stepped(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any]:
        if event == "opcode":
            self.instructions += 1
        return self.stepped


TESTS = str(Path(__file__).parent)


@contextmanager
def counting() -> Iterator[Counter]:
    counter, before = Counter(), sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # Python 3.12 has to know before
    sys.settrace(counter.called)
    try:
        yield counter
    finally:
        sys.settrace(before)


def check(cost: Cost, bound: Cost) -> None:
    assert 0 < cost.instructions <= bound.instructions, cost
    assert cost.calls <= bound.calls, cost


# --- many chunks in one read ---------------------------------------------------------------------------


def events(count: int) -> list[bytes]:
    chunks = [b'data: {"message":"tok %d"}\n\n' % index for index in range(count)]
    return [*chunks, b'data: {"result":1}\n\n']


def pieces(data: bytes, size: int = PIECE) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunked(event: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(event), event)


def test_a_chunk_costs_the_core_little() -> None:
    body = pieces(b"".join(events(CHUNKS)))
    hear(body, chunk=str, output=int)  # what is done once is done
    with counting() as counter:
        heard = hear(body, chunk=str, output=int)
    assert len(heard.chunks) == CHUNKS
    check(counter.per(CHUNKS), BOUNDS["core"])


@contextmanager
def served() -> Iterator[tuple[str, Event]]:
    """A server for two streams on one connection: each at once, and every chunk an HTTP chunk of its own.

    Gives its address, and what is set when all of a stream has left it.
    """
    sent = Event()
    body = b"".join(map(chunked, events(CHUNKS))) + b"0\r\n\r\n"

    def serve() -> None:
        sock, _ = listener.accept()
        with sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            while request := sock.recv(PIECE):
                if request.endswith(b"}"):
                    sock.sendall(HEAD + body)
                    sent.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", sent
        thread.join()


def test_a_chunk_costs_the_sync_stream_little() -> None:
    number = 0
    with served() as (url, sent), Client(url) as client:
        flow = client.flow("tokens", chunk=str, output=int)
        assert flow.stream(1).result() == 1
        sent.clear()
        with flow.stream(1) as stream:
            sent.wait()
            with counting() as counter:
                for _ in stream:
                    number += 1
    assert number == CHUNKS
    check(counter.per(CHUNKS), BOUNDS["sync"])


async def test_a_chunk_costs_the_async_stream_little(anyio_backend: str) -> None:
    number = 0
    with served() as (url, sent):
        async with AsyncClient(url) as client:
            flow = client.flow("tokens", chunk=str, output=int)
            assert await flow.stream(1).result() == 1
            sent.clear()
            async with flow.stream(1) as stream:
                sent.wait()
                with counting() as counter:
                    async for _ in stream:
                        number += 1
    assert number == CHUNKS
    check(counter.per(CHUNKS), BOUNDS[anyio_backend])


# --- a chunk alone -------------------------------------------------------------------------------------


@contextmanager
def fed() -> Iterator[tuple[str, Callable[[bytes], None]]]:
    """A server for one stream. Gives its address, and what sends an event of it, as an HTTP chunk."""
    accepted: list[socket.socket] = []

    def serve() -> None:
        sock, _ = listener.accept()
        accepted.append(sock)
        while not sock.recv(PIECE).endswith(b"}"):
            pass
        sock.sendall(HEAD)

    def send(event: bytes) -> None:
        accepted[0].sendall(chunked(event))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", send
        thread.join()
        accepted[0].close()


def test_a_chunk_that_comes_alone_costs_the_sync_stream_little() -> None:
    first, *more = events(200)[:-1]
    with fed() as (url, send), Client(url) as client, client.flow("tokens", chunk=str).stream(1) as stream:
        send(first)
        assert next(stream) == "tok 0"
        with counting() as counter:
            for event in more:
                send(event)
                next(stream)
    check(counter.per(len(more)), ALONE["sync"])


async def test_a_chunk_that_comes_alone_costs_the_async_stream_little(anyio_backend: str) -> None:
    first, *more = events(200)[:-1]
    with fed() as (url, send):
        async with AsyncClient(url) as client, client.flow("tokens", chunk=str).stream(1) as stream:
            send(first)
            assert await anext(stream) == "tok 0"
            with counting() as counter:
                for event in more:
                    send(event)
                    await anext(stream)
    check(counter.per(len(more)), ALONE[anyio_backend])


# --- large events ------------------------------------------------------------------------------------


def large(size: int) -> bytes:
    return b'data: {"message":"%b"}\n\ndata: {"result":1}\n\n' % (b"x" * size)


LIMITS = Limits(event=1 << 30, response=1 << 30)


def test_a_large_event_costs_few_instructions_per_piece() -> None:
    body = pieces(large(8 << 20))
    with counting() as counter:
        heard = hear(body, chunk=str, output=int, limits=LIMITS)
    assert len(heard.chunks[0]) == 8 << 20
    check(counter.per(len(body)), EVENT_BOUND)


def cpu_of(body: list[bytes]) -> float:
    """The best of three: other work on the machine only adds to it."""
    times: list[float] = []
    for _ in range(3):
        began = thread_time()
        hear(body, chunk=str, output=int, limits=LIMITS)
        times.append(thread_time() - began)
    return min(times)


def test_a_large_event_takes_time_in_proportion_to_its_pieces() -> None:
    whole = large(8 << 20)
    assert cpu_of(pieces(whole, 512)) <= LINEAR * cpu_of([whole])
