"""The phases in which a call can be stopped, each with real sockets: where it goes, what holds it there.

In: a phase and whether it is over TLS. Out: a `World`, which tells when a call has come to that phase, when
the server saw its connection close, and what the server was sent. Out of place here: who stops the call, and
what is expected then.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from streamflow_client import FlowDef
from streamflow_client.testing import StubServer
from streamflow_client.testing import faults as f
from streamflow_client.wire.request import ProtocolName

COUNT = FlowDef("count", input=Any, chunk=int, output=int)
LASTING = FlowDef("lasting", input=int, chunk=int, output=int)
STUBBORN = FlowDef("stubborn", input=int, chunk=int, output=int)
SECONDS = 5.0  # a bound for what should be done at once
SYN_SENT = "02"  # the state of a connection in /proc/net/tcp
UPLOAD = "x" * 20_000_000  # no socket's buffers hold as much


def until(condition: Callable[[], Any]) -> Any:
    """Block until `condition()` holds, and return what it gave."""
    deadline = monotonic() + SECONDS
    while not (found := condition()):
        assert monotonic() < deadline, "it never came to that"
        sleep(0.001)
    return found


@dataclass
class World:
    """Where one call goes.

    Attributes:
        url: the base URL of the client.
        stub: a server that still serves when the call was stopped; often the one that holds the call.
        reached: whether the reader of a stream is in the phase by now.
        left_at: when the server saw the connection close; None if not yet.
        release: lets the call go on where it cannot be woken.
        received: the bytes of requests that the server has got, once the call is over.
    """

    url: str
    stub: StubServer
    reached: Callable[[Any], Any]
    left_at: Callable[[], float | None]
    release: Callable[[], object] = field(default=lambda: None)
    received: Callable[[], int | None] = field(default=lambda: None)


@dataclass(frozen=True)
class Phase:
    """What a call is in the midst of.

    Attributes:
        place: makes its world.
        says: how errors name it.
        faults: what the stub does to the call.
        flow, input: what is called.
        first: chunks that are read before.
        read: what the reader does then: reads all chunks, or asks for the result.
        warm: a call before has left a connection to be reused.
        closes: there is a connection that the server can see closing.
        plain, tls: over which of them it is tried.
        protocol: how the flow is called.
    """

    place: Callable[[Phase, bool], AbstractContextManager[World]]
    says: str
    faults: tuple[f.Faults, ...] = ()
    flow: FlowDef[Any, Any, Any] = COUNT
    input: Any = 5
    first: int = 0
    read: str = "chunks"
    warm: bool = False
    closes: bool = True
    plain: bool = True
    tls: bool = True
    protocol: ProtocolName = "callable"


@cache
def trusting() -> ssl.SSLContext:
    """A client's context for every stub: they all show the same certificate."""
    return StubServer().client_ssl_context()


@contextmanager
def serve(*, tls: bool = False) -> Generator[StubServer]:
    """`count` counts to its end, `lasting` too, durably; `stubborn` ends only if it is cancelled."""
    stub = StubServer(tls=tls)

    async def count(n: Any, send: Callable[[int], Awaitable[None]]) -> int:
        for number in range(n):
            await send(number)
        return int(n)

    @stub.flow
    async def stubborn(n: int, send: Callable[[int], Awaitable[None]]) -> None:
        await send(n)
        await asyncio.Event().wait()

    stub.flow(count)
    stub.flow("warm")(count)
    stub.flow("lasting", durable=True)(count)
    with stub:
        yield stub


# --- worlds ------------------------------------------------------------------------------------------


def is_in(phase: Phase, stream: Any) -> bool:
    """Whether somebody is inside a read of the stream, in that phase, with a socket that can be shut down."""
    reading = stream._reader.locked() and stream._session._phase() == phase.says
    return reading and stream._exchange._socket is not None


@contextmanager
def answering(phase: Phase, tls: bool) -> Generator[World]:
    """The stub answers as the faults say."""
    with serve(tls=tls) as stub:
        stub.script(phase.flow.name, *phase.faults)

        def reached(stream: Any) -> Any:
            """The last of the faults holds the call."""
            requests = sum(request.flow == phase.flow.name for request in stub.requests)
            begun = stub.runs or not phase.closes
            return begun and requests == len(phase.faults) and is_in(phase, stream)

        yield World(stub.url, stub, reached, lambda: stub.runs[-1].client_left)


@contextmanager
def resolving(phase: Phase, tls: bool) -> Generator[World]:
    """The server's name is being looked up, and that takes its time."""
    asked, answer, real = threading.Event(), threading.Event(), socket.getaddrinfo

    def getaddrinfo(
        host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> Any:
        if host not in ("held.test", b"held.test"):
            return real(host, port, family, type, proto, flags)
        if flags & socket.AI_NUMERICHOST:  # what trio asks first, in the event loop
            raise socket.gaierror(socket.EAI_NONAME, "no number")
        asked.set()
        answer.wait(SECONDS)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    with serve() as stub:
        socket.getaddrinfo = getaddrinfo
        try:
            url = f"http://held.test:{stub.port}"
            yield World(
                url,
                stub,
                lambda _: asked.is_set(),
                lambda: monotonic() if stub.connections.open == 0 else None,
                answer.set,
                lambda: len(stub.requests),
            )
        finally:
            answer.set()
            socket.getaddrinfo = real


@contextmanager
def connecting(phase: Phase, tls: bool) -> Generator[World]:
    """The listener's queue is full, so that Linux drops what asks to connect, until it asks once more."""
    with serve() as stub, ExitStack() as queue, socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address: tuple[str, int] = listener.getsockname()
        waiting = [f"{address[1]:04X}", SYN_SENT]
        while not _held(waiting):
            filler = queue.enter_context(socket.socket())
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(address)
            sleep(0.001)
        listener.setblocking(False)

        def release() -> None:
            queue.close()
            taken()

        def taken() -> int:
            """The bytes of all that has connected by now."""
            got = 0
            with suppress(BlockingIOError):
                while True:
                    with listener.accept()[0] as sock:
                        sock.settimeout(SECONDS)
                        got += len(sock.recv(100))
            return got

        url = f"http://{address[0]}:{address[1]}"
        yield World(url, stub, lambda _: _held(waiting) > 1, lambda: None, release, taken)


def _held(words: list[str]) -> int:
    """How many connections of this machine go to that port and are in that state."""
    port, state = words
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[2].endswith(f":{port}") and line[3] == state for line in lines)


@contextmanager
def greeting(phase: Phase, tls: bool) -> Generator[World]:
    """The server has taken the connection, and does not answer to its TLS handshake."""
    with serve(tls=True) as stub, ExitStack() as deaf:
        deaf.enter_context(stub.tls_stall())
        yield World(
            stub.url,
            stub,
            lambda _: stub.connections.accepted,
            lambda: monotonic() if stub.connections.open == 0 else None,
            deaf.close,
            lambda: len(stub.requests),
        )


@contextmanager
def uploading(phase: Phase, tls: bool) -> Generator[World]:
    """The server reads nothing of a large request, until the call is stopped."""
    with serve(tls=tls) as stub, ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.settimeout(SECONDS)
        accepted: list[socket.socket] = []
        got, left = [0], list[float]()

        def accept() -> None:
            sock = listener.accept()[0]
            if tls:
                sock = _server_context(stub).wrap_socket(sock, server_side=True)
            accepted.append(stack.enter_context(sock))

        def read() -> None:
            sock = accepted[0]
            sock.settimeout(SECONDS)
            with suppress(OSError):
                while data := sock.recv(1 << 20):
                    got[0] += len(data)
            left.append(monotonic())

        def start(work: Callable[[], None]) -> None:
            thread = threading.Thread(target=work)
            thread.start()
            stack.callback(thread.join)

        start(accept)
        scheme = "https" if tls else "http"
        yield World(
            f"{scheme}://localhost:{listener.getsockname()[1]}",
            stub,
            lambda _: accepted and select.select(accepted, [], [], 0)[0],
            lambda: left[0] if left else None,
            lambda: start(read),
            lambda: got[0],
        )


def _server_context(stub: StubServer) -> ssl.SSLContext:
    context = stub._server_ssl_context()
    assert context is not None, "the stub serves TLS"
    return context


PHASES = {
    "resolving": Phase(resolving, "connecting", tls=False),
    "connecting": Phase(connecting, "connecting", closes=False, tls=False),
    "handshake": Phase(greeting, "connecting", plain=False),
    "upload": Phase(uploading, "waiting for headers", input=UPLOAD),
    "headers": Phase(answering, "waiting for headers", (f.delay_headers(60),)),
    "headers, reused": Phase(answering, "waiting for headers", (f.delay_headers(60),), warm=True),
    "headers trickle": Phase(answering, "waiting for headers", (f.trickle_headers(0.05),)),
    "body": Phase(answering, "reading the body", (f.stall(after_chunks=1),), first=1),
    "body, reused": Phase(answering, "reading the body", (f.stall(after_chunks=1),), first=1, warm=True),
    "body flows": Phase(answering, "reading the body", (f.slow_chunks(0.002),), input=2000, first=1),
    "pings": Phase(answering, "reading the body", (f.pings(0.01, after_chunks=1),), first=1),
    "result": Phase(answering, "reading the body", (f.stall(after_chunks=2),), read="result"),
    "result flows": Phase(answering, "reading the body", (f.slow_chunks(0.002),), input=2000, read="result"),
    "retry": Phase(answering, "waiting to retry", (f.status(503, retry_after=60),), closes=False),
    "resume": Phase(
        answering,
        "waiting to retry",
        (f.drop(after_chunks=2), f.status(503, retry_after=60)),
        flow=LASTING,
        first=2,
        closes=False,
    ),
    "replay": Phase(
        answering,
        "reading the body",
        (f.drop(after_chunks=3), f.stall(after_chunks=2)),
        flow=LASTING,
        first=3,
    ),
}

# The server can be told to end the run: only that ends it.
REFLECTED = Phase(
    answering, "reading the body", (None,), flow=STUBBORN, first=1, protocol="reflection", tls=False
)
