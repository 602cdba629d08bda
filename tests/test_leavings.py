"""What a call may leave behind, or pass by, when its caller, his client or his own code behaves oddly."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from textwrap import dedent
from types import FrameType
from typing import Any, Self, cast

import anyio
import httpx
import pytest

from drivers import DRIVERS, TRUSTING_NONE, Driver, spawn
from streamflow_client import (
    AsyncClient,
    Client,
    FlowCancelledError,
    FlowError,
    FlowStream,
    FlowTimeoutError,
    ProtocolError,
    StreamInterruptedError,
    Timeout,
    default_async_http_client,
)
from streamflow_client.clocks import Clocks
from streamflow_client.tally import Tally
from streamflow_client.testing import StubServer, faults
from streamflow_client.transport.aio import AsyncClockedTransport

SECONDS = 10.0  # an upper bound for what happens at once


@pytest.fixture
def stub() -> Iterator[StubServer]:
    stub = StubServer()

    @stub.flow
    async def hang(request: int, send: Callable[[int], Awaitable[None]]) -> None:
        await send(request)
        await asyncio.Event().wait()

    @stub.flow
    def echo(request: int) -> int:
        return request

    with stub:
        yield stub


def watchers() -> int:
    return sum(thread.name == "streamflow-watch" for thread in threading.enumerate())


@pytest.mark.parametrize("foreign", [False, True], ids=["ours", "foreign"])
def test_forgotten_streams_leave_neither_thread_nor_entry(stub: StubServer, foreign: bool) -> None:
    http = httpx.Client() if foreign else None
    with Client(stub.url, http_client=http) as client:
        for number in range(3):
            stream = client.flow("hang", chunk=int).stream(number)
            assert next(stream) == number
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                del stream
                gc.collect()
        assert not client._http.live
        stub.wait_until(lambda: stub.connections.open == 0)
        stub.wait_until(lambda: watchers() == 0, timeout=SECONDS)
    if http is not None:
        http.close()


async def test_a_connection_that_was_shut_down_does_not_wait_for_reuse(stub: StubServer) -> None:
    """The whole answer was read at once: HTTP sees a clean end although the session gave up before."""
    body = b'data: {"broken":\n\n'
    stub.script("echo", faults.status(200, body=body, content_type="text/event-stream"))
    async with AsyncClient(stub.url) as client:
        with pytest.raises(ProtocolError):
            await client.flow("echo").stream(1).result()
        transport = client._http.client._transport
        assert isinstance(transport, AsyncClockedTransport)
        assert not transport._idle


async def test_headers_that_trickle_are_life_with_a_client_of_the_callers(stub: StubServer) -> None:
    """Only `total` ends what goes on for ever; `idle` sees every byte."""
    stub.script("echo", faults.trickle_headers(every=0.1))
    http = default_async_http_client()
    timeout = Timeout(idle=0.4, total=1.0)
    async with http, AsyncClient(stub.url, http_client=http, timeout=timeout) as client:
        with pytest.raises(FlowTimeoutError) as caught:
            await client.flow("echo")(1)
    assert caught.value.clock == "total"


def test_the_total_holds_where_nothing_else_can_end_the_wait() -> None:
    """A mock has no socket to shut down: the next byte that comes is one too many."""

    def pings() -> Iterator[bytes]:
        for _ in range(4):
            yield b": ping\n\n"
            time.sleep(0.1)
        yield b'data: {"result":1}\n\n'

    answer = httpx.MockTransport(lambda _: httpx.Response(200, content=pings()))
    with httpx.Client(transport=answer) as http, Client("http://x", http_client=http, timeout=0.2) as client:
        with pytest.raises(FlowTimeoutError) as caught:
            client.flow("f").stream().result()
        assert caught.value.clock == "total"


async def test_headers_that_never_come_do_not_hold_up_the_total(stub: StubServer) -> None:
    async def headers() -> dict[str, str]:
        await anyio.sleep(60)
        return {}

    async with AsyncClient(stub.url, headers=headers, timeout=0.2) as client:
        with pytest.raises(FlowTimeoutError) as caught:
            await client.flow("echo")(1)
    assert caught.value.clock == "total"
    assert not caught.value.work_may_have_run
    assert not stub.requests


def test_a_missing_file_of_an_auth_is_not_taken_for_the_network(stub: StubServer) -> None:
    class FromFile(httpx.Auth):
        def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
            request.headers["Authorization"] = Path("no-such-token.txt").read_text()
            yield request

    with Client(stub.url, auth=FromFile()) as client, pytest.raises(FileNotFoundError, match="no-such-token"):
        client.flow("echo")(1)
    assert not stub.requests


def test_an_auth_that_makes_an_impossible_header_is_told_without_it(stub: StubServer) -> None:
    class Broken(httpx.Auth):
        def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
            request.headers["Authorization"] = "s3cret\nx"
            yield request

    with Client(stub.url, auth=Broken()) as client:
        with pytest.raises(ValueError, match="not valid HTTP") as caught:
            client.flow("echo")(1)
        assert "s3cret" not in str(caught.value)
        assert caught.value.__cause__ is None
    assert not stub.requests


async def test_a_run_is_told_to_stop_although_its_reader_is_cancelled_too() -> None:
    stub = StubServer()

    @stub.flow
    async def hang(request: int, send: Callable[[int], Awaitable[None]]) -> None:
        await send(request)
        await asyncio.Event().wait()

    async def read(client: AsyncClient, scope: anyio.CancelScope) -> None:
        with pytest.raises(FlowCancelledError), scope:
            stream = client.flow("hang", chunk=int).stream(1)
            assert await anext(stream) == 1
            stream.cancel()
            scope.cancel()
            await anext(stream)

    with stub:
        async with AsyncClient(stub.url, protocol="reflection") as client:
            await read(client, anyio.CancelScope())
        stub.wait_until(lambda: stub.runs[0].outcome == "cancelled")


def in_a_child(work: Callable[[], bool]) -> bool:
    """Fork, and tell what the child found. It leaves without running anyone's finalizers."""
    child = os.fork()
    if child == 0:
        os._exit(0 if work() else 1)
    return os.waitpid(child, 0)[1] == 0


def closing(stream: FlowStream[Any, Any]) -> Callable[[], bool]:
    def close() -> bool:
        stream.close()
        return True

    return close


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_neither_shares_nor_ends_its_parents_connections(stub: StubServer) -> None:
    with Client(stub.url) as client:
        echo, hang = client.flow("echo"), client.flow("hang", chunk=int)
        assert echo(0) == 0  # leaves a connection to be reused
        with hang.stream(7) as stream:
            assert next(stream) == 7
            assert in_a_child(lambda: echo(1) == 1)
            assert in_a_child(closing(stream))
            assert echo(2) == 2
            assert stub.open_streams == 1
    first, *_, last = [request for request in stub.requests if request.flow == "echo"]
    assert (first.connection, first.nth, last.connection) == (1, 1, last.connection)
    childs = [request.connection for request in stub.requests if request.json == {"data": 1}]
    assert childs not in ([first.connection], [last.connection])


@pytest.mark.parametrize("told", ["", "id\u00ff"])
def test_a_stream_id_that_is_none_is_not_used(stub: StubServer, told: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nX-Genkit-Stream-Id: {told}\r\nContent-Length: 99\r\n\r\n".encode("latin-1")
    stub.script("echo", faults.raw(head + b'data: {"message":1}\n\n'))
    with Client(stub.url) as client, client.flow("echo").stream(1) as stream:
        assert next(stream) == 1
        with pytest.raises(StreamInterruptedError) as caught:
            next(stream)
    assert caught.value.ticket is None
    assert len(stub.requests) == 1


@pytest.mark.parametrize("make", [Client, AsyncClient])
@pytest.mark.parametrize(
    "option",
    [
        {"retry": False},
        {"auth": 5},
        {"headers": [("a", "b")]},
        {"http_client": 5},
    ],
    ids=str,
)
def test_an_argument_of_the_wrong_type_is_told_at_once(make: type[Any], option: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=next(iter(option))):
        make("http://localhost:3400", **option)


def test_each_client_takes_its_own_kind(stub: StubServer) -> None:
    async def headers() -> dict[str, str]:
        return {}

    with pytest.raises(TypeError, match=r"httpx\.Client"):
        Client(stub.url, http_client=httpx.AsyncClient())  # type: ignore[arg-type]
    with httpx.Client() as http, pytest.raises(TypeError, match=r"httpx\.AsyncClient"):
        AsyncClient(stub.url, http_client=http)  # type: ignore[arg-type]
    with Client(stub.url) as client, pytest.raises(TypeError, match="flow is FlowDef or str"):
        client.flow(cast("str", 5))


async def test_a_client_that_closes_starts_no_further_stream(stub: StubServer) -> None:
    """Not even when the reader of a stream that it closes begins another one at once."""
    async with AsyncClient(stub.url) as client:
        flow = client.flow("hang", chunk=int)
        read, *unread = [flow.stream(number) for number in range(20)]
        assert [await anext(stream) for stream in (read, *unread)] == list(range(20))

        async def go_on() -> None:
            with pytest.raises(FlowCancelledError):
                await anext(read)
            with pytest.raises(RuntimeError, match="closed"):
                await anext(flow.stream(20))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(go_on)
            await anyio.wait_all_tasks_blocked()
            await client.aclose()  # to let go of those that nobody reads takes many turns
        await anyio.to_thread.run_sync(stub.wait_until, lambda: stub.connections.open == 0)
    assert len(stub.requests) == 20


@pytest.mark.parametrize("driver", DRIVERS, ids=repr)
def test_a_cancelled_run_is_told_to_stop_although_the_client_closes(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub, protocol="reflection") as client:
        stream = client.flow("hang", chunk=int).stream(1)
        assert next(stream) == 1
        reader = spawn(stream.__next__)
        stub.wait_until(stream.inner._reader.locked)
        stream.cancel()
        client.close()
        assert isinstance(reader.exception(SECONDS), FlowCancelledError)
        stub.wait_until(lambda: stub.runs[0].outcome == "cancelled")
    stub.wait_until(lambda: stub.connections.open == 0)


@pytest.mark.parametrize("driver", DRIVERS, ids=repr)
def test_closing_the_client_stops_a_plain_call_too(driver: Driver, stub: StubServer) -> None:
    stub.script("echo", faults.delay_headers(60))
    with driver.client(stub) as client:
        calling = spawn(lambda: client.flow("echo")(1))
        stub.wait_until(lambda: stub.runs)
        client.close()
        assert isinstance(calling.exception(SECONDS), FlowCancelledError)
        stub.wait_until(lambda: stub.connections.open == 0)


@pytest.mark.parametrize("driver", DRIVERS, ids=repr)
def test_closing_the_client_stops_a_search_and_who_waits_for_it(driver: Driver, stub: StubServer) -> None:
    stub.script("/openapi.json", faults.delay_headers(60))
    with driver.client(stub) as client:
        searching = spawn(lambda: client.flows.echo(1))
        stub.wait_until(lambda: stub.requests)
        waiting = [spawn(lambda: client.flows.echo(2)) for _ in range(2)]
        client.close()
        for each in (searching, *waiting):
            assert isinstance(each.exception(SECONDS), FlowCancelledError)
        stub.wait_until(lambda: stub.connections.open == 0)
    assert len(stub.requests) == 1


async def test_who_waits_for_anothers_search_can_be_cancelled_alone(stub: StubServer) -> None:
    stub.script("/openapi.json", faults.delay_headers(0.3))
    async with AsyncClient(stub.url) as client:
        first, second = client.flows.echo.stream(1), client.flows.echo.stream(2)

        async def wait() -> None:
            with pytest.raises(FlowCancelledError):
                await second.result()
            stopped.set()

        stopped = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first.result)
            await anyio.to_thread.run_sync(stub.wait_until, lambda: stub.requests)
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            second.cancel()
            await stopped.wait()
            assert not stub.runs, "the other one goes on searching"
        assert await first.result() == 1
    assert [run.input for run in stub.runs] == [1]


# --- streams that are dropped --------------------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS, ids=repr)
def test_a_stream_in_a_cycle_warns_once_and_frees_its_connection(driver: Driver, stub: StubServer) -> None:
    class Owner:
        stream: Any
        itself: Any

    def drop() -> None:
        owner = Owner()
        owner.itself, owner.stream = owner, client.flow("hang", chunk=int).stream(1)
        assert next(owner.stream) == 1

    with driver.client(stub) as client:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            drop()
            gc.collect()
        assert [str(each.message) for each in caught] == ["unclosed stream of flow 'hang'"]
        stub.wait_until(lambda: stub.runs[0].client_left is not None)
        assert client.flow("echo")(2) == 2
    stub.wait_until(lambda: stub.connections.open == 0)


def test_a_generator_around_a_stream_may_be_closed_or_dropped(stub: StubServer) -> None:
    def chunks() -> Iterator[int]:
        with client.flow("hang", chunk=int).stream(1) as stream:
            yield from stream

    with Client(stub.url) as client:
        closed, dropped = chunks(), chunks()
        assert (next(closed), next(dropped)) == (1, 1)
        cast("Any", closed).close()
        del dropped
        stub.wait_until(lambda: stub.connections.open == 0)


async def test_an_async_generator_around_a_stream_may_be_closed_early(stub: StubServer) -> None:
    async def chunks() -> AsyncGenerator[int]:
        async with client.flow("hang", chunk=int).stream(1) as stream:
            async for chunk in stream:
                yield chunk

    async with AsyncClient(stub.url) as client:
        async with aclosing(chunks()) as closing_it:
            async for _ in closing_it:
                break
        with anyio.CancelScope() as scope:
            async with aclosing(chunks()) as cancelled:
                async for _ in cancelled:
                    scope.cancel()  # hits the next chunk
        await anyio.to_thread.run_sync(stub.wait_until, lambda: stub.connections.open == 0)
        assert await client.flow("echo")(2) == 2


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio gives a warning of its own for the generator
async def test_an_async_generator_around_a_stream_may_be_dropped(stub: StubServer) -> None:
    async def chunks() -> AsyncGenerator[int]:
        async with client.flow("hang", chunk=int).stream(1) as stream:
            async for chunk in stream:
                yield chunk

    async with AsyncClient(stub.url) as client:
        async for _ in chunks():
            break
        await anyio.to_thread.run_sync(stub.wait_until, lambda: stub.connections.open == 0)
        assert await client.flow("echo")(2) == 2


# What a program leaves open when it ends, and the ResourceWarnings of ours that it then gets.
PROGRAMS: dict[str, tuple[int, str]] = {
    "a stream of the module": (
        1,
        """
        client = Client(url)
        stream = begun(client)
        """,
    ),
    "a stream in a cycle with its client": (
        1,
        """
        cycle = [client := Client(url), begun(client)]
        cycle.append(cycle)
        del cycle, client
        """,
    ),
    "a stream in a cycle with its client, older than its socket": (  # which is finalized first
        1,
        """
        import gc
        cycle = [client := Client(url), stream := client.flow("hang").stream(1)]
        gc.collect(0)
        gc.disable()
        next(stream)
        cycle.append(cycle)
        del cycle, client, stream
        """,
    ),
    "a stream of a closed client": (
        0,
        """
        with Client(url) as client:
            stream = begun(client)
        """,
    ),
    "a stream left by SystemExit": (
        0,
        """
        with begun(Client(url)):
            sys.exit(0)
        """,
    ),
    "a thread that reads": (
        0,
        """
        stream = begun(Client(url))
        threading.Thread(target=next, args=[stream], daemon=True).start()
        while not stream._reader.locked():
            time.sleep(0.001)
        """,
    ),
    "an async stream of a closed client": (
        0,
        """
        async def main():
            async with AsyncClient(url) as client:
                globals()["stream"] = await abegun(client)
        asyncio.run(main())
        """,
    ),
    "an async stream that was dropped": (
        1,
        """
        async def main():
            async with AsyncClient(url) as client:
                await abegun(client)
        asyncio.run(main())
        """,
    ),
    "a task that reads": (
        0,
        """
        async def main():
            stream = await abegun(AsyncClient(url))
            task = asyncio.create_task(stream.result())
            while not stream._reader.locked():
                await asyncio.sleep(0.001)
        asyncio.run(main())
        """,
    ),
}
PREAMBLE = """
import asyncio, sys, threading, time
from streamflow_client import AsyncClient, Client
url = sys.argv[1]
def begun(client):
    stream = client.flow("hang").stream(1)
    next(stream)
    return stream
async def abegun(client):
    stream = client.flow("hang").stream(1)
    await anext(stream)
    return stream
"""
# What Python adds to a warning: the line that gave it, and how to find out more; and what asyncio tells of a
# slow machine.
ADDITIONS = ("warnings.warn(", "ResourceWarning: Enable tracemalloc", "Executing <")


@pytest.mark.faults
def test_programs_that_end_say_no_more_than_they_should(stub: StubServer) -> None:
    """All at once, since most of the time goes into starting Python."""
    running = {
        name: subprocess.Popen(
            [sys.executable, "-X", "dev", "-c", PREAMBLE + dedent(program), stub.url],
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, (_, program) in PROGRAMS.items()
    }
    for name, process in running.items():
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        lines = [line for line in said.splitlines() if not line.strip().startswith(ADDITIONS)]
        assert len(lines) == PROGRAMS[name][0], f"{name}: {said}"
        assert all("ResourceWarning: unclosed stream of flow 'hang'" in line for line in lines)
    stub.wait_until(lambda: stub.connections.open == 0)


@pytest.mark.parametrize("driver", DRIVERS, ids=repr)
def test_ctrl_c_before_the_first_attempt_counts_ends_the_call(
    driver: Driver, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may come between any two lines: here, while a request is being made up."""

    def interrupt(*_: object) -> None:
        raise ArithmeticError

    with driver.client(stub) as client:
        stream = client.flow("echo").stream(1)
        with monkeypatch.context() as patch:
            patch.setattr(Clocks, "opening", interrupt)
            with pytest.raises(ArithmeticError):  # a KeyboardInterrupt would end the event loop as well
                next(stream)
        with pytest.raises(FlowCancelledError):
            next(stream)
        assert client.flow("echo")(2) == 2
    assert len(stub.requests) == 1


# --- what is asked while another thread cancels ---------------------------------------------------------


class ToldLock:
    """A lock that tells when somebody has to wait for it."""

    def __init__(self, waited_for: threading.Event) -> None:
        self._lock = threading.RLock()
        self._waited_for = waited_for

    def __enter__(self) -> Self:
        if not self._lock.acquire(blocking=False):
            self._waited_for.set()
            self._lock.acquire()
        return self

    def __exit__(self, *why: object) -> None:
        self._lock.release()


RECEIVED: dict[str, Callable[[Any], int]] = {
    "received": lambda stream: stream.received,
    "ticket": lambda stream: stream.ticket().received,
    "an error": lambda stream: stream._stamped(FlowError("told")).received,
    "an error's ticket": lambda stream: stream._stamped(FlowError("told")).ticket.received,
}


@pytest.mark.parametrize("driver", DRIVERS, ids=repr)
@pytest.mark.parametrize("asked", RECEIVED)
def test_what_is_told_while_another_thread_cancels_counts_no_chunk_that_it_drops(
    driver: Driver, asked: str, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ticket that says more was received than was would lose chunks where one goes on with it."""
    body = b"".join(b'data: {"message":%d}\n\n' % number for number in range(3))
    headers = (("X-Genkit-Stream-Id", "s1"),)
    stub.script("echo", faults.status(200, body=body, content_type="text/event-stream", headers=headers))
    half_done, told, real = threading.Event(), threading.Event(), Tally.forget

    def forget(tally: Tally, count: int) -> None:
        """Chunks were dropped and still count: until somebody has asked, or has to wait for the answer."""
        half_done.set()
        assert told.wait(SECONDS)
        real(tally, count)

    def ask() -> int:
        try:
            return RECEIVED[asked](stream.inner)
        finally:
            told.set()

    with driver.client(stub) as client:
        stream = client.flow("echo").stream(1)
        assert next(stream) == 0
        assert list(stream.inner._ready) == [1, 2]
        monkeypatch.setattr(stream.inner._exchange, "lock", ToldLock(told))
        monkeypatch.setattr(Tally, "forget", forget)
        cancelling = spawn(stream.cancel)
        assert half_done.wait(SECONDS)
        asking = spawn(ask)
        assert cancelling.exception(SECONDS) is None
        assert asking.result(SECONDS) == 1
        assert RECEIVED[asked](stream.inner) == 1
        stream.close()


# --- Ctrl-C while letting go ----------------------------------------------------------------------------

LETTING_GO = ("sync_stream.py", "exchange.py", "transport/sync.py", "foreign.py")


class CtrlC:
    """KeyboardInterrupt at the `nth` moment, from here on, at which Python may look for one in what lets go:
    where a function begins, and where one that is written in C has returned.

    Not within httpcore where the client is a caller's: what it then forgets, nobody else can close.

    Attributes:
        hit: where that was; None where there were not as many moments.
    """

    def __init__(self, nth: int, *, foreign: bool) -> None:
        self.hit: str | None = None
        self._left = nth
        self._foreign = foreign

    def __enter__(self) -> Self:
        self._before = sys.getprofile()
        sys.setprofile(self._look)
        return self

    def __exit__(self, kind: type[BaseException] | None, *why: object) -> bool:
        sys.setprofile(self._before)
        return kind is KeyboardInterrupt

    def _look(self, frame: FrameType, event: str, argument: object) -> None:
        if self.hit or event not in ("call", "c_return") or not self._counts(frame):
            return
        self._left -= 1
        if self._left == 0:
            self.hit = f"{event} at {frame.f_code.co_qualname}:{frame.f_lineno}"
            raise KeyboardInterrupt

    def _counts(self, frame: FrameType) -> bool:
        path = frame.f_code.co_filename
        if not path.endswith(LETTING_GO) or "streamflow_client" not in path:
            return False
        outer = frame.f_back if self._foreign else None
        while outer is not None and "httpcore" not in outer.f_code.co_filename:
            outer = outer.f_back
        return outer is None


# which flow, how its stream ends
ENDINGS: dict[str, tuple[str, Callable[[FlowStream[Any, Any]], Any]]] = {
    "closed early": ("hang", FlowStream.close),
    "read to the end": ("echo", FlowStream.result),
}


@pytest.fixture
def _quick_to_collect() -> Iterator[None]:
    """What is there already is not looked at again and again."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("_quick_to_collect")
@pytest.mark.parametrize("foreign", [False, True], ids=["ours", "callers"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_ctrl_c_at_any_moment_of_letting_go_leaves_nothing(
    ending: str, foreign: bool, stub: StubServer
) -> None:
    moments = 0
    while interrupted(moments + 1, stub, ending, foreign=foreign):
        moments += 1
    assert moments > 10, "the harness must hit something to mean anything"


def interrupted(nth: int, stub: StubServer, ending: str, *, foreign: bool) -> bool:
    """Let go of a stream, broken off at that moment, and drop it; False where it was over before."""
    name, end = ENDINGS[ending]
    http = httpx.Client(verify=TRUSTING_NONE, limits=httpx.Limits(max_connections=1)) if foreign else None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Client(stub.url, http_client=http, timeout=5) as client:
            stream = client.flow(name, chunk=int).stream(1)
            stream.__enter__()
            with CtrlC(nth, foreign=foreign) as ctrl_c:
                end(stream)
            assert not stream._reader.locked(), ctrl_c.hit
            del stream
            gc.collect()
            assert client.flow("echo")(2) == 2, ctrl_c.hit
            assert not client._http.live, ctrl_c.hit
        if http is not None:
            http.close()
        gc.collect()
    told = [str(each.message) for each in caught]  # where nothing was let go of yet, that is right
    assert told in ([], [f"unclosed stream of flow {name!r}"]), f"{ctrl_c.hit}: {told}"
    stub.wait_until(lambda: stub.connections.open == 0)
    return ctrl_c.hit is not None
