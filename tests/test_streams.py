"""The life of a stream: when its request goes out, who may read it, how it ends, what it leaves."""

import asyncio
import gc
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic
from typing import Any

import anyio
import pytest

from drivers import (
    DRIVERS,
    EACH_LOT,
    EVERY_ASYNC_DRIVER,
    EVERY_ASYNCIO_DRIVER,
    EVERY_DRIVER,
    EVERY_SYNC_DRIVER,
    REACHABLE_DRIVERS,
    Blocking,
    Driver,
    spawn,
)
from streamflow_client import (
    AsyncClient,
    ChunkValidationError,
    FlowCancelledError,
    FlowDef,
    FlowError,
    InputValidationError,
    StreamInterruptedError,
)
from streamflow_client.testing import Call, StubServer
from streamflow_client.testing import faults as f
from streamflow_client.transport.exchange import Exchange

every = pytest.mark.parametrize("driver", EVERY_DRIVER)
reachable = pytest.mark.parametrize("driver", REACHABLE_DRIVERS)
ours = pytest.mark.parametrize("driver", DRIVERS, ids=repr)
every_loop = pytest.mark.parametrize("driver", EVERY_ASYNC_DRIVER)

COUNT = FlowDef("count", input=int, chunk=int, output=int)
STUBBORN = FlowDef("stubborn", input=int, chunk=int, output=int)
HELD = FlowDef("held", input=int, chunk=int, output=int)
SECONDS = 5.0  # a bound for what should be done at once


class Gate:
    """What the flow `held` waits at after its chunks."""

    def __init__(self) -> None:
        self.open = threading.Event()


@pytest.fixture(params=["express", "go"])
def dialect(request: pytest.FixtureRequest) -> Any:
    return request.param


@contextmanager
def serve(dialect: Any = "express", **options: Any) -> Iterator[tuple[StubServer, Gate]]:
    """`count` counts to its end; `held` waits after its chunks, until its client goes or the gate opens;
    `stubborn` waits for the gate alone, so that only a cancel ends it before."""
    stub, gate = StubServer(dialect, **options), Gate()

    @stub.flow
    def count(n: int, send: Callable[[int], None]) -> int:
        for number in range(n):
            send(number)
        return n

    @stub.flow
    def held(n: int, send: Callable[[int], None], call: Call) -> int:
        for number in range(n):
            send(number)
        while not call.client_gone.is_set():
            if gate.open.wait(0.01):
                break
        return n

    @stub.flow
    def stubborn(n: int, send: Callable[[int], None]) -> int:
        send(n)
        gate.open.wait()
        return n

    stub.flow("lasting", durable=True)(count)
    with stub:
        try:
            yield stub, gate
        finally:
            gate.open.set()


def left(stub: StubServer) -> None:
    """The server sees that every client has gone."""
    stub.wait_until(lambda: stub.connections.in_use == 0)


def is_blocked(stub: StubServer, runs: int = 1) -> Callable[[], object]:
    return lambda: len(stub.runs) == runs and stub.runs[-1].chunks_sent == stub.runs[-1].input


def blocked_reader(stub: StubServer, stream: Any, read: Callable[[], Any]) -> Any:
    """A thread that reads from a stream of which nothing comes any more."""
    reader = spawn(read)

    def is_reading() -> bool:
        lock: threading.Lock = stream.inner._reader
        return lock.locked()

    stub.wait_until(is_reading)
    return reader


# --- when the request is sent -----------------------------------------------------------------------

FIRST: dict[str, Callable[[Any], Any]] = {
    "entering": lambda stream: stream.__enter__(),
    "first read": next,
    "result": lambda stream: stream.result(),
}


@every
@pytest.mark.parametrize("how", FIRST)
def test_the_request_is_sent_once_and_not_before_it_is_needed(driver: Driver, how: str) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        stream = client.flow(COUNT).stream(3)
        assert (stream.response, stream.received, stream.stream_id, stream.trace_id) == (None, 0, None, None)
        assert stub.requests == []
        FIRST[how](stream)
        assert len(stub.requests) == 1
        assert stream.result() == 3
        assert stream.result() == 3
        assert len(stub.requests) == 1
        stream.close()


@every
def test_a_stream_that_is_never_read_sends_nothing_and_needs_no_close(driver: Driver) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        stream = client.flow(COUNT).stream(3)
        assert "0 chunks received" in repr(stream)
        del stream
        gc.collect()
        assert stub.connections.accepted == 0


# --- chunks and the result --------------------------------------------------------------------------


def _before(stream: Any) -> list[Any]:
    return [stream.result(), *stream, stream.result()]


def _during(stream: Any) -> list[Any]:
    chunks = []
    for chunk in stream:
        chunks.append(chunk)
        if chunk == 1:
            break
    return [*chunks, stream.result(), *stream, stream.result()]


def _within(stream: Any) -> list[Any]:
    chunks = []
    for chunk in stream:  # the loop goes on after `result` has drained the rest
        chunks += [chunk, stream.result()]
    return chunks


def _after(stream: Any) -> list[Any]:
    return [*stream, *stream, stream.result(), stream.result()]


@every
@pytest.mark.parametrize(
    ("read", "seen"),
    [
        (_before, [4, 4]),
        (_during, [0, 1, 4, 4]),
        (_within, [0, 4]),
        (_after, [0, 1, 2, 3, 4, 4]),
    ],
    ids=["before", "during", "within", "after"],
)
@pytest.mark.parametrize("entered", [True, False], ids=["with", "bare"])
def test_the_result_may_be_asked_for_at_any_time(
    driver: Driver, dialect: str, entered: bool, read: Callable[[Any], list[Any]], seen: list[Any]
) -> None:
    with serve(dialect) as (stub, _), driver.client(stub) as client:
        stream = client.flow(COUNT).stream(4)
        if entered:
            with stream:
                assert read(stream) == seen
        else:
            assert read(stream) == seen
        assert stream.received == 4
        assert "ended" in repr(stream)
        assert len(stub.runs) == len(stub.requests) == 1
        left(stub)


@every
def test_breaking_leaves_the_stream_open_for_its_result(driver: Driver) -> None:
    with serve() as (stub, gate), driver.client(stub) as client, client.flow(HELD).stream(3) as stream:
        for chunk in stream:
            assert chunk == 0
            break
        stub.wait_until(is_blocked(stub))
        assert (stub.connections.in_use, stub.runs[0].client_left) == (1, None)
        assert stream.received == 1
        gate.open.set()
        assert stream.result() == 3
        assert stream.received == 3
        assert list(stream) == []


@every
def test_a_result_can_be_had_after_leaving_if_it_had_come(driver: Driver) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        with client.flow(COUNT).stream(2) as stream:
            assert list(stream) == [0, 1]
        assert stream.result() == 2
        assert list(stream) == []


@every
def test_draining_does_not_validate(driver: Driver) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        stub.script("count", f.change_chunk(1, "one"))
        with client.flow(COUNT).stream(3) as stream:
            assert stream.result() == 3
            assert stream.received == 3


@every
def test_a_wrong_chunk_is_raised_in_its_place_and_the_stream_goes_on(driver: Driver, dialect: str) -> None:
    with serve(dialect) as (stub, _), driver.client(stub) as client:
        stub.script("count", (f.change_chunk(1, "one"), f.change_chunk(2, None)))
        with client.flow(COUNT).stream(4) as stream:
            assert next(stream) == 0
            for received, raw in ((2, b'"one"'), (3, b"null")):
                with pytest.raises(ChunkValidationError) as caught:
                    next(stream)
                assert (caught.value.raw, caught.value.received, stream.received) == (raw, received, received)
            assert list(stream) == [3]
            assert stream.result() == 4


READS: dict[str, Callable[[Any], Any]] = {"next": next, "result": lambda stream: stream.result()}


@every
def test_a_failure_is_raised_again_by_every_further_read(driver: Driver) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        stub.script("count", f.drop(after_chunks=1))
        stream = client.flow(COUNT).stream(3)
        assert next(stream) == 0
        with pytest.raises(StreamInterruptedError) as first:
            next(stream)
        for read in (*READS.values(), lambda stream: stream.__enter__(), next):
            with pytest.raises(StreamInterruptedError) as again:
                read(stream)
            assert again.value is first.value
        stream.close()
        with pytest.raises(StreamInterruptedError):
            next(stream)
        assert len(stub.requests) == 1


# --- cancelled, closed, left ------------------------------------------------------------------------


def _leave(stream: Any) -> None:
    stream.__exit__(None, None, None)


STOPS: dict[str, Callable[[Any], None]] = {
    "cancel": lambda stream: stream.cancel(),
    "close": lambda stream: stream.close(),
    "leave": _leave,
}


@every
@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("how", STOPS)
def test_after_a_stop_every_read_says_so_and_sends_nothing(driver: Driver, how: str, read: str) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        stream = client.flow(HELD).stream(2)
        assert next(stream) == 0
        stub.wait_until(is_blocked(stub))
        for _ in range(2):  # twice is as good as once
            STOPS[how](stream)
        with pytest.raises(FlowCancelledError):
            READS[read](stream)
        with pytest.raises(FlowCancelledError) as caught:
            READS[read](stream)
        assert caught.value.received == stream.received == 1
        assert caught.value.work_may_have_run
        stub.wait_until(lambda: stub.runs[0].client_left is not None)
        assert len(stub.requests) == 1
        assert stub.connections.accepted == 1
        assert client.flow(COUNT)(1) == 1, "the client can still be used"


@every
@pytest.mark.parametrize("how", STOPS)
def test_a_stream_stopped_before_its_first_read_sends_nothing(driver: Driver, how: str) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        stream = client.flow(COUNT).stream(2)
        STOPS[how](stream)
        for read in READS.values():
            with pytest.raises(FlowCancelledError) as caught:
                read(stream)
            assert not caught.value.work_may_have_run
        assert stub.connections.accepted == 0


@every
@pytest.mark.parametrize("how", STOPS)
def test_stopping_after_the_terminal_frame_does_nothing(driver: Driver, how: str) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        stream = client.flow(COUNT).stream(2)
        assert list(stream) == [0, 1]
        STOPS[how](stream)
        assert stream.result() == 2
        assert list(stream) == []
        assert client.flow(COUNT)(1) == 1
        assert stub.connections.accepted == 1, "the connection was kept"


@every
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("how", ["cancel", "close"])
def test_a_blocked_reader_wakes_at_once(driver: Driver, how: str, read: str, tls: bool) -> None:
    with serve(tls=tls) as (stub, _), driver.client(stub) as client:
        stream = client.flow(HELD).stream(1)
        assert next(stream) == 0
        reader = blocked_reader(stub, stream, lambda: READS[read](stream))
        began = monotonic()
        STOPS[how](stream)  # from this thread; the reader is in another, or a task on the loop
        with pytest.raises(FlowCancelledError):
            reader.result(SECONDS)
        assert monotonic() - began < 0.5
        left(stub)


@reachable
@pytest.mark.parametrize("fault", [f.delay_headers(60), f.trickle_headers(0.05)], ids=str)
def test_cancelling_works_before_the_headers(driver: Driver, fault: Any) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        stub.script("held", fault)
        stream = client.flow(HELD).stream(0)
        reader = spawn(stream.__enter__)
        stub.wait_until(lambda: stub.runs)
        stream.cancel()
        with pytest.raises(FlowCancelledError, match="waiting for headers") as caught:
            reader.result(SECONDS)
        assert caught.value.work_may_have_run
        left(stub)


@reachable
def test_cancelling_works_within_a_tls_handshake(driver: Driver) -> None:
    with serve(tls=True) as (stub, _), driver.client(stub) as client, stub.tls_stall():
        stream = client.flow(HELD).stream(0)
        reader = spawn(stream.__enter__)
        stub.wait_until(lambda: stub.connections.accepted)
        stream.cancel()
        with pytest.raises(FlowCancelledError, match="connecting") as caught:
            reader.result(SECONDS)
        assert not caught.value.work_may_have_run
        assert stub.requests == []
        gc.collect()  # a socket that was left open would warn


@every
def test_cancelling_works_while_waiting_to_retry(driver: Driver) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        stub.always("count", f.status(503, retry_after=60))
        stream = client.flow(COUNT).stream(0)
        reader = spawn(stream.result)
        stub.wait_until(lambda: stub.requests and stub.connections.in_use == 0)
        stream.cancel()
        with pytest.raises(FlowCancelledError):
            reader.result(SECONDS)
        assert len(stub.requests) == 1


@every
def test_cancelling_drops_chunks_that_were_not_delivered(driver: Driver) -> None:
    with serve() as (stub, gate), driver.client(stub) as client:
        gate.open.set()
        stub.script("held", f.stall(after_chunks=5))
        with client.flow(HELD).stream(5) as stream:
            assert next(stream) == 0
            stream.cancel()
            with pytest.raises(FlowCancelledError) as caught:
                next(stream)
            assert caught.value.received == 1


@every
def test_closing_the_client_closes_its_live_streams(driver: Driver) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        streams = [client.flow(HELD).stream(1) for _ in range(3)]
        assert [next(stream) for stream in streams] == [0, 0, 0]
        reader = blocked_reader(stub, streams[0], lambda: next(streams[0]))
        client.close()
        with pytest.raises(FlowCancelledError):
            reader.result(SECONDS)
        for stream in streams[1:]:
            with pytest.raises(FlowCancelledError):
                next(stream)
        stub.wait_until(lambda: stub.connections.open == 0)
        assert len(stub.requests) == 3


@ours
@pytest.mark.parametrize("mode", ["call", "stream"])
def test_a_closed_client_says_so(driver: Driver, mode: str) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        flow = client.flow(COUNT)
        assert flow(1) == 1
        client.close()
        client.close()
        with pytest.raises(RuntimeError, match="closed"):
            flow(1) if mode == "call" else next(flow.stream(1))
        stub.wait_until(lambda: stub.connections.open == 0)
        assert len(stub.requests) == 1


@every
def test_a_second_reader_at_the_same_time_is_an_error(driver: Driver) -> None:
    with serve() as (stub, gate), driver.client(stub) as client:
        stream = client.flow(HELD).stream(1)
        assert next(stream) == 0
        reader = blocked_reader(stub, stream, lambda: list(stream))
        for read in READS.values():
            with pytest.raises(RuntimeError, match="being read already"):
                read(stream)
        gate.open.set()
        assert reader.result(SECONDS) == [], "the first reader is not disturbed"
        assert stream.result() == 1


# --- streams that are forgotten ---------------------------------------------------------------------


def forget(streams: list[Any]) -> None:
    streams.clear()
    gc.collect()


@every
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_forgotten_stream_warns_once_and_lets_the_server_know(driver: Driver, tls: bool) -> None:
    with serve(tls=tls) as (stub, _), driver.client(stub) as client:
        streams = [client.flow(HELD).stream(1)]
        assert next(streams[0]) == 0
        with pytest.warns(ResourceWarning, match="unclosed stream of flow 'held'") as warned:
            forget(streams)
        assert len([each for each in warned if each.category is ResourceWarning]) == 1
        stub.wait_until(lambda: stub.runs[0].client_left is not None)
        assert client.flow(COUNT)(2) == 2


@every
def test_a_stream_that_ended_needs_no_close(driver: Driver) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        stream = client.flow(COUNT).stream(1)
        assert list(stream) == [0]
        stub.script("count", f.drop(after_chunks=1))
        failed = client.flow(COUNT).stream(3)
        with pytest.raises(StreamInterruptedError):
            list(failed)
        del stream, failed
        gc.collect()  # a warning would be an error


# --- restart ----------------------------------------------------------------------------------------


@every
def test_a_restart_leaves_nothing_of_the_old_answer(driver: Driver) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        stub.script("held", f.stall(after_chunks=5))
        with client.flow(HELD).stream(5) as stream:
            assert next(stream) == 0  # four more of them lie ready
            stub.wait_until(is_blocked(stub))
            stream.restart(3)
            assert (stream.received, stream.response, stream.liveness.byte) == (0, None, None)
            assert len(stub.requests) == 1, "the new request waits for the first read"
            assert [next(stream), next(stream), next(stream)] == [0, 1, 2]
            assert stream.received == 3
        assert [run.input for run in stub.runs] == [5, 3]
        left(stub)
        assert all(run.client_left is not None for run in stub.runs)


@every
def test_a_stream_can_be_restarted_after_its_end_and_after_a_failure(driver: Driver) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        stub.script("count", None, f.drop(after_chunks=1))
        with client.flow(COUNT).stream(1) as stream:
            assert ([*stream], stream.result()) == ([0], 1)
            stream.restart(2)
            with pytest.raises(StreamInterruptedError):
                list(stream)
            stream.restart(3)
            stream.cancel()
            stream.restart(4)
            assert ([*stream], stream.result(), stream.received) == ([0, 1, 2, 3], 4, 4)
        assert [run.input for run in stub.runs] == [1, 2, 4]


@every
def test_a_restart_that_cannot_be_leaves_the_stream_as_it_is(driver: Driver) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        with client.flow(COUNT).stream(2) as stream:
            assert next(stream) == 0
            with pytest.raises(InputValidationError):
                stream.restart("not a number")
            assert ([*stream], stream.result()) == ([1], 2)
        assert len(stub.requests) == 1


@every
def test_raw_events_restart_too(driver: Driver) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        stream = client.flow(COUNT).stream_events(5)
        next(stream)
        stream.restart(1)
        assert [event.data for event in stream] == ['{"message":0}', '{"result":1}']


@every
def test_a_restart_wakes_a_reader_with_a_cancellation(driver: Driver) -> None:
    with serve() as (stub, gate), driver.client(stub) as client:
        stream = client.flow(HELD).stream(1)
        assert next(stream) == 0
        reader = blocked_reader(stub, stream, lambda: next(stream))
        stream.restart(2)
        with pytest.raises(FlowCancelledError):
            reader.result(SECONDS)
        gate.open.set()
        assert ([*stream], stream.result()) == ([0, 1], 2)


# --- what a stream knows ----------------------------------------------------------------------------


@every
def test_what_a_stream_knows(driver: Driver) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        began = monotonic()
        with client.flow(FlowDef("lasting", chunk=int, output=int)).stream(3) as stream:
            assert stream.response.status_code == 200
            assert stream.response.headers["x-powered-by"] == "Express"
            assert stream.stream_id == stub.runs[0].stream_id
            assert stream.ticket().received == 0
            assert next(stream) == 0
            ticket = stream.ticket()
            assert (ticket.flow, ticket.stream_id, ticket.received) == ("lasting", stream.stream_id, 1)
            assert ticket.origin == stub.url
            assert began <= stream.liveness.chunk <= stream.liveness.byte + 0.1 <= monotonic() + 0.1
            assert stream.liveness.comment is None
            assert stream.result() == 3
            assert (stream.received, stream.ticket().received) == (3, 3)


@every
def test_comments_are_life_but_no_chunks(driver: Driver) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        stub.script("count", f.insert(b": ping\n\n"))
        with client.flow(COUNT).stream(1) as stream:
            assert stream.result() == 1
            assert stream.liveness.comment is not None
            assert (stream.stream_id, stream.ticket(), stream.trace_id) == (None, None, None)


@every
def test_reflection_tells_the_trace_id(driver: Driver) -> None:
    with serve() as (stub, _), driver.client(stub, protocol="reflection") as client:
        with client.flow(COUNT).stream(1) as stream:
            assert stream.trace_id == stub.runs[0].trace_id
            assert stream.result() == 1
        assert stream.trace_id == stub.runs[0].trace_id


@every
def test_a_reflection_server_hears_of_a_cancel(driver: Driver) -> None:
    with serve() as (stub, _), driver.client(stub, protocol="reflection") as client:
        with client.flow(STUBBORN).stream(0) as stream:
            assert next(stream) == 0
            reader = blocked_reader(stub, stream, lambda: next(stream))
            stream.cancel()
            with pytest.raises(FlowCancelledError):
                reader.result(SECONDS)
        stub.wait_until(lambda: stub.runs[0].outcome == "cancelled")
        assert [request.path for request in stub.requests] == ["/api/runAction", "/api/cancelAction"]


@every
def test_a_reflection_server_does_not_hear_of_a_close(driver: Driver) -> None:
    with serve() as (stub, gate), driver.client(stub, protocol="reflection") as client:
        with client.flow(STUBBORN).stream(0) as stream:
            assert next(stream) == 0
        stub.wait_until(lambda: stub.runs[0].client_left is not None)
        gate.open.set()
        stub.wait_until(lambda: stub.runs[0].outcome == "finished")
        assert [request.path for request in stub.requests] == ["/api/runAction"]


@pytest.mark.parametrize("drivers", EACH_LOT)
def test_a_server_that_does_not_listen_is_told_for_no_longer_than_two_seconds(drivers: list[Driver]) -> None:
    def cancel(driver: Driver) -> None:
        with driver.client(stub, protocol="reflection") as client:
            stream = client.flow(STUBBORN).stream(0)
            assert next(stream) == 0
            began = monotonic()
            stream.cancel()
            with pytest.raises(FlowCancelledError):
                next(stream)
            assert 1.9 < monotonic() - began < 3

    with serve() as (stub, _), ThreadPoolExecutor() as threads:
        stub.always("/api/cancelAction", f.delay_headers(60))
        for future in [threads.submit(cancel, driver) for driver in drivers]:
            future.result()


# --- interruptions ----------------------------------------------------------------------------------


PHASES: dict[str, Any] = {"headers": f.delay_headers(60), "body": f.stall(after_chunks=1)}
phases = pytest.mark.parametrize("phase", PHASES)


def is_stuck(stub: StubServer) -> bool:
    """The flow has done its part, and its client waits."""
    return bool(stub.runs) and stub.runs[0].chunks_sent == 2


@contextmanager
def interrupted_soon(stub: StubServer) -> Generator[None]:
    """Ctrl-C in the main thread, once the call is stuck."""

    def strike() -> None:
        stub.wait_until(lambda: is_stuck(stub))
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=strike)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@phases
@pytest.mark.parametrize("read", ["iterate", "result", "call"])
@pytest.mark.parametrize("driver", EVERY_SYNC_DRIVER)
def test_ctrl_c_ends_the_call_and_leaves_the_client_usable(driver: Driver, phase: str, read: str) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        stub.script("held", f.delay_headers(60) if read == "call" else PHASES[phase])
        stream = client.flow(HELD).stream(2)
        act: dict[str, Callable[[], Any]] = {
            "iterate": lambda: list(stream),
            "result": stream.result,
            "call": lambda: client.flow(HELD)(2),
        }
        with interrupted_soon(stub), pytest.raises(KeyboardInterrupt):
            act[read]()
        if read != "call":
            with pytest.raises(FlowCancelledError):
                next(stream)
        stub.wait_until(lambda: stub.runs[0].client_left is not None)
        assert len(stub.requests) == 1
        assert client.flow(COUNT)(3) == 3


@every_loop
@phases
def test_ctrl_c_in_an_event_loop_ends_the_call(driver: Driver, phase: str) -> None:
    with serve() as (stub, _):
        stub.script("held", PHASES[phase])

        async def main() -> None:
            async with driver.async_client(stub.url) as client, client.flow(HELD).stream(2) as stream:
                async for _ in stream:
                    pass

        with interrupted_soon(stub), pytest.raises(KeyboardInterrupt):
            try:
                driver.run(main)
            except BaseExceptionGroup as group:
                raise group.exceptions[0] from None
        stub.wait_until(lambda: stub.connections.open == 0)


@every_loop
@phases
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("how", ["scope", "deadline"])
def test_a_cancelled_scope_frees_the_connection(driver: Driver, phase: str, tls: bool, how: str) -> None:
    with serve(tls=tls) as (stub, _), driver.client(stub) as face:
        client: AsyncClient = face.inner
        stub.script("held", PHASES[phase])
        stream = client.flow(HELD).stream(2)
        seen: list[int] = []

        def is_due() -> bool:
            return is_stuck(stub) and (phase == "headers" or bool(seen))

        async def read() -> bool:
            scope = anyio.CancelScope()

            async def cancel_when_stuck() -> None:
                await anyio.to_thread.run_sync(stub.wait_until, is_due)
                if how == "deadline":
                    scope.deadline = anyio.current_time()
                else:
                    scope.cancel()

            async with anyio.create_task_group() as tasks:
                with scope:
                    tasks.start_soon(cancel_when_stuck)
                    async with stream:
                        async for chunk in stream:
                            seen.append(chunk)  # noqa: PERF401 - looked at while it grows
            return scope.cancelled_caught

        assert face.portal.call(read)
        assert seen == ([] if phase == "headers" else [0])
        for reading in READS.values():
            with pytest.raises(FlowCancelledError, match="the read was interrupted"):
                reading(Blocking(stream, face.portal))
        stub.wait_until(lambda: stub.runs[0].client_left is not None)
        assert face.flow(COUNT)(3) == 3
        assert len(stub.requests) == 2


@phases
@pytest.mark.parametrize("driver", EVERY_ASYNCIO_DRIVER)
def test_a_cancelled_task_and_asyncio_timeout(driver: Driver, phase: str) -> None:
    with serve() as (stub, _):
        stub.always("held", PHASES[phase])

        async def main() -> None:
            async with driver.async_client(stub.url) as client:
                stream = client.flow(HELD).stream(2)

                async def read() -> list[int]:
                    return [chunk async for chunk in stream]

                task = asyncio.create_task(read())
                await asyncio.to_thread(stub.wait_until, lambda: is_stuck(stub))
                task.cancel()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                with pytest.raises(FlowCancelledError):
                    await anext(stream)
                timely = client.flow(HELD).stream(2)
                with pytest.raises(TimeoutError) as caught:
                    async with asyncio.timeout(0.2), timely:
                        async for _ in timely:
                            pass
                assert type(caught.value) is TimeoutError
                assert await client.flow(COUNT)(3) == 3

        driver.run(main)
        stub.wait_until(lambda: stub.connections.open == 0)
        assert all(run.client_left for run in stub.runs if run.flow == "held")


@every_loop
def test_a_task_may_cancel_the_stream_that_another_reads(driver: Driver) -> None:
    with serve() as (stub, _):

        async def main() -> None:
            async with driver.async_client(stub.url) as client, client.flow(HELD).stream(1) as stream:

                async def read() -> None:
                    with pytest.raises(FlowCancelledError):
                        async for _ in stream:
                            arrived.set()

                arrived = anyio.Event()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(read)
                    await arrived.wait()
                    with pytest.raises(RuntimeError, match="being read already"):
                        await stream.result()
                    stream.cancel()

        driver.run(main)
        left(stub)


@every_loop
def test_a_cancelled_reflection_read_tells_the_server(driver: Driver) -> None:
    with serve() as (stub, _):

        async def main() -> None:
            async with driver.async_client(stub.url, protocol="reflection") as client:
                with anyio.move_on_after(0.2):
                    async with client.flow(STUBBORN).stream(0) as stream:
                        async for _ in stream:
                            pass
                await anyio.to_thread.run_sync(stub.wait_until, lambda: stub.runs[0].outcome == "cancelled")

        driver.run(main)


@every_loop
def test_a_client_on_another_loop_says_so(driver: Driver) -> None:
    with serve() as (stub, _), driver.client(stub) as face:
        assert face.flow(COUNT)(1) == 1

        async def elsewhere() -> None:
            with pytest.raises(RuntimeError, match="belongs to one event loop"):
                await face.inner.flow(COUNT)(1)

        driver.run(elsewhere)
        assert face.flow(COUNT)(2) == 2
        assert len(stub.requests) == 2


@every
def test_an_exception_of_the_callers_code_ends_the_call(driver: Driver) -> None:
    class Mine(Exception):
        pass

    def headers() -> dict[str, str]:
        raise Mine

    with serve() as (stub, _), driver.client(stub, headers=headers) as client:
        stream = client.flow(COUNT).stream(1)
        with pytest.raises(Mine):
            next(stream)
        with pytest.raises(FlowCancelledError):
            next(stream)
        assert client.with_options(headers=None).flow(COUNT)(1) == 1
        with pytest.raises(ZeroDivisionError), client.with_options(headers=None).flow(HELD).stream(1) as left:
            next(left)
            raise ZeroDivisionError
        stub.wait_until(lambda: stub.runs[-1].client_left is not None)


@every
def test_a_reader_interrupted_within_a_read_leaves_nothing_open(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C may come between any two lines: here, right after the network's read."""
    from streamflow_client.session import Session

    with serve() as (stub, _), driver.client(stub) as client:
        stream = client.flow(HELD).stream(2)
        with monkeypatch.context() as patch:
            patch.setattr(Session, "data", _interrupt)
            if driver.name == "sync":
                with pytest.raises(KeyboardInterrupt):
                    next(stream)
            else:

                async def read() -> None:
                    with pytest.raises(KeyboardInterrupt):
                        await anext(stream.inner)

                client.portal.call(read)
        with pytest.raises(FlowCancelledError):
            next(stream)
        stub.wait_until(lambda: stub.runs[0].client_left is not None)
        assert client.flow(COUNT)(3) == 3


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@every
def test_a_cancellation_that_takes_the_chunk_away_is_no_end(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve() as (stub, _), driver.client(stub) as client, client.flow(HELD).stream(3) as stream:
        rests = Exchange.rests

        def cancelled_just_then(exchange: Exchange) -> None:
            rests(exchange)
            exchange.cancel("just then")

        monkeypatch.setattr(Exchange, "rests", cancelled_just_then)
        with pytest.raises(FlowCancelledError):
            list(stream)


@every
def test_a_stream_that_was_cancelled_and_dropped_does_not_warn(driver: Driver) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        stream = client.flow(HELD).stream(1)
        assert next(stream) == 0
        stream.cancel()
        del stream
        gc.collect()
        stub.wait_until(lambda: stub.connections.open == 0)


@every
def test_a_failure_that_is_read_again_does_not_grow(driver: Driver) -> None:
    with serve() as (stub, _), driver.client(stub) as client:
        stream = client.flow("nowhere").stream(1)
        lengths = set[int]()
        for _ in range(3):
            with pytest.raises(FlowError) as caught:
                next(stream)
            lengths.add(len(caught.traceback))
        assert max(lengths) - min(lengths) <= 2


@every
def test_after_a_read_that_is_broken_into_at_its_very_end_nobody_waits_for_it(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Ctrl-C may do."""

    def struck(self: Exchange) -> None:
        raise ZeroDivisionError

    with serve() as (stub, _), driver.client(stub) as client:
        stream = client.flow(HELD).stream(2)
        with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
            patch.setattr(Exchange, "rests", struck)
            next(stream)
        stream.close()
        with pytest.raises(FlowCancelledError):
            spawn(stream.result).result(SECONDS)
        left(stub)
