"""Whose a stream is: its process's, its event loop's, and for a restart not its own reader's. And two ways in
which what a call needs may fail it: a name server that is silent, Ctrl-C while a connection is handed back.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import h11
import pytest

from drivers import DRIVERS, Driver, spawn
from phases import PHASES
from streamflow_client import AsyncClient, Client, FlowCancelledError, FlowStream, FlowTimeoutError, Timeout
from streamflow_client.testing import StubServer
from streamflow_client.transport import dial

SECONDS = 10.0  # a bound for what happens at once


@pytest.fixture
def stub() -> Iterator[StubServer]:
    stub, gate = StubServer(), threading.Event()

    @stub.flow
    def count(n: int, send: Callable[[int], None]) -> int:
        for number in range(n):
            send(number)
        return n

    @stub.flow
    def held(n: int, send: Callable[[int], None]) -> int:
        send(0)
        assert gate.wait(SECONDS)
        send(1)
        return n

    stub.gate = gate  # type: ignore[attr-defined]  # for those who hold it
    with stub:
        try:
            yield stub
        finally:
            gate.set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here to guard against")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize(
    "take", [next, FlowStream.result, FlowStream.restart], ids=lambda take: take.__name__
)
def test_a_forked_child_cannot_take_its_parents_chunks(
    stub: StubServer, take: Callable[[Any], object]
) -> None:
    with Client(stub.url) as client, client.flow("held").stream(5) as stream:
        assert next(stream) == 0
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                take(stream)
            except RuntimeError as error:
                os.write(theirs, str(error).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        os.close(theirs)
        with os.fdopen(ours) as told:
            assert "resume its ticket in the child" in told.read()
        stub.gate.set()  # type: ignore[attr-defined]
        assert list(stream) == [1]
        assert stream.result() == 5


@pytest.mark.parametrize("read", [anext, lambda stream: stream.result()], ids=["next", "result"])
def test_another_event_loop_is_told_and_disturbs_nobody(stub: StubServer, read: Callable[[Any], Any]) -> None:
    async def disturb(stream: Any) -> None:
        with pytest.raises(RuntimeError, match="belongs to one event loop"):
            await read(stream)

    async def main() -> list[int]:
        async with AsyncClient(stub.url) as client, client.flow("held", chunk=int).stream(1) as stream:
            chunks = [await anext(stream)]
            await asyncio.to_thread(asyncio.run, disturb(stream))
            stub.gate.set()  # type: ignore[attr-defined]
            return chunks + [chunk async for chunk in stream]

    assert asyncio.run(main()) == [0, 1]


def test_what_was_cancelled_says_so_in_every_event_loop(stub: StubServer) -> None:
    async def cancelled() -> Any:
        stream = AsyncClient(stub.url).flow("count").stream(1)
        stream.cancel()
        return stream

    async def read(stream: Any) -> None:
        with pytest.raises(FlowCancelledError):
            await stream.result()

    stream = asyncio.run(cancelled())
    for _ in range(2):
        asyncio.run(read(stream))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here that could keep a socket open")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_forked_while_a_connection_is_made_does_not_keep_its_caller_waiting(
    stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has a copy of every socket, so that closing one wakes nobody."""
    children: list[int] = []
    reach = dial.reach

    def forking(*args: Any) -> Any:
        child = os.fork()
        if child == 0:
            signal.pause()  # it lives on until it is killed
            os._exit(0)
        children.append(child)
        return reach(*args)

    monkeypatch.setattr(dial, "reach", forking)
    try:
        with Client(stub.url, timeout=Timeout(connect=None, total=None)) as client:
            calling = spawn(lambda: client.flow("count")(3))
            assert calling.result(SECONDS) == 3
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there are no such signals here")
def test_a_restart_within_a_read_says_so_and_leaves_the_stream_as_it_is(stub: StubServer) -> None:
    """By a signal handler: it would wait for the very read that it has broken into."""
    told: list[str] = []

    def restart(*_: object) -> None:
        try:
            stream.restart(2)
        except RuntimeError as error:
            told.append(str(error))
        stub.gate.set()  # type: ignore[attr-defined]

    with Client(stub.url) as client, client.flow("held").stream(1) as stream:
        assert next(stream) == 0
        before = signal.signal(signal.SIGUSR1, restart)
        reader = threading.get_ident()

        def strike() -> None:
            stub.wait_until(lambda: stream._reads_in == reader)
            signal.pthread_kill(reader, signal.SIGUSR1)

        try:
            striking = spawn(strike)
            assert next(stream) == 1
            striking.result(SECONDS)
        finally:
            signal.signal(signal.SIGUSR1, before)
        assert stream.result() == 1
    assert told == ["a stream cannot be restarted from within a read of it"]
    assert stub.run_count("held") == 1


@pytest.mark.parametrize("driver", DRIVERS, ids=repr)
@pytest.mark.parametrize(
    ("timeout", "clock"), [(Timeout(connect=0.2), "connect"), (Timeout(connect=None, total=0.2), "total")]
)
def test_a_silent_name_server_is_waited_for_no_longer_than_the_clocks_allow(
    driver: Driver, timeout: Timeout, clock: str
) -> None:
    phase = PHASES["resolving"]
    with (
        phase.place(phase, False) as world,
        driver.client(None, url=world.url, timeout=timeout, retry=None) as client,
    ):
        with pytest.raises(FlowTimeoutError) as caught:
            client.flow("count")(1)
        assert (caught.value.clock, caught.value.work_may_have_run) == (clock, False)
        world.release()


@pytest.mark.parametrize("driver", DRIVERS, ids=repr)
def test_a_connection_that_could_not_be_reset_is_not_used_again(
    driver: Driver, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Ctrl-C may do between any two lines of h11 and httpcore."""

    def interrupted(self: h11.Connection) -> None:
        raise ArithmeticError

    with driver.client(stub) as client:
        assert client.flow("count")(1) == 1
        with monkeypatch.context() as patch:
            patch.setattr(h11.Connection, "start_next_cycle", interrupted)
            assert client.flow("count")(1) == 1  # the answer was there by then
        assert client.flow("count")(1) == 1
    assert [request.nth for request in stub.requests] == [1, 2, 1]
