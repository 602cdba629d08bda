"""A durable stream taken up again: in another process, by the other client, after each of its chunks, after
errors and cancellations, over everything that may go wrong meanwhile; never with an input, never run anew.

What a stream that is cut resumes by itself stands in test_failures.py and test_cut_everywhere.py.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from drivers import DRIVERS, EVERY_DRIVER, Driver, spawn
from streamflow_client import (
    FlowCancelledError,
    FlowConnectionError,
    FlowDef,
    FlowError,
    FlowTimeoutError,
    InputValidationError,
    InternalError,
    InvalidArgumentError,
    ReplayDivergedError,
    Retry,
    StreamExpiredError,
    StreamInterruptedError,
    Ticket,
    Timeout,
    UnauthenticatedError,
    UnavailableError,
)
from streamflow_client.testing import Fault, StubServer
from streamflow_client.testing import faults as f

every = pytest.mark.parametrize("driver", EVERY_DRIVER)
Send = Callable[[Any], None]

COUNT = FlowDef("count", input=int, chunk=int, output=int)
SOON = Retry(attempts=3, wait_initial=0.001, verify_replay=True)
HASTY = Timeout(idle=0.5)


@pytest.fixture
def gate() -> threading.Event:
    """The flow `slowly` waits for it after its second chunk."""
    return threading.Event()


@pytest.fixture
def stub(gate: threading.Event) -> Iterator[StubServer]:
    stub = StubServer("express")

    @stub.flow(durable=True)
    def count(n: int, send: Send) -> int:
        for number in range(n):
            send(number)
        return n

    @stub.flow(durable=True)
    def slowly(send: Send) -> str:
        for number in range(4):
            send(number)
            if number == 1:
                gate.wait(20)
        return "slowly"

    with stub:
        yield stub
        gate.set()


def ticket_after(driver: Driver, stub: StubServer, taken: int, of: int = 5) -> Ticket:
    """Of a new run, of which so many chunks were taken; the server keeps it."""
    with driver.client(stub) as client, client.flow(COUNT).stream(of) as stream:
        assert [next(stream) for _ in range(taken)] == [*range(taken)]
        ticket: Ticket = stream.ticket()
    return ticket


def rest(driver: Driver, stub: StubServer, where: Ticket | str, **options: Any) -> tuple[list[int], int, int]:
    """The chunks, the output and the number of chunks that resuming there brings."""
    options = {"retry": SOON} | options
    with driver.client(stub, **options) as client, client.flow(COUNT).resume(where) as stream:
        return [*stream], stream.result(), stream.received


# --- elsewhere --------------------------------------------------------------------------------------

SYNC = """
    from streamflow_client import Client

    with Client(url) as client:
        for where in (ticket, stream_id):
            with client.flow("count", chunk=int, output=int).resume(where) as stream:
                told.append(([*stream], stream.result(), str(stream.ticket())))
"""
ASYNC = """
    import anyio
    from streamflow_client import AsyncClient

    async def main():
        async with AsyncClient(url) as client:
            for where in (ticket, stream_id):
                async with client.flow("count", chunk=int, output=int).resume(where) as stream:
                    chunks = [chunk async for chunk in stream]
                    told.append((chunks, await stream.result(), str(stream.ticket())))

    anyio.run(main, backend=backend)
"""


@pytest.mark.parametrize(
    ("driver", "program"),
    [
        pytest.param(DRIVERS[0], ASYNC.replace("backend=backend", "backend='asyncio'"), id="sync to asyncio"),
        pytest.param(DRIVERS[1], ASYNC.replace("backend=backend", "backend='trio'"), id="asyncio to trio"),
        pytest.param(DRIVERS[2], SYNC, id="trio to sync"),
    ],
)
def test_another_process_goes_on_and_hands_back(driver: Driver, program: str, stub: StubServer) -> None:
    ticket = ticket_after(driver, stub, 2)
    head = "import json, sys\nurl, ticket, stream_id = json.load(sys.stdin)\ntold = []\n"
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", head + textwrap.dedent(program) + "print(json.dumps(told))"],
        input=json.dumps([stub.url, str(ticket), ticket.stream_id]),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert child.stderr == ""
    (after, result, back), (whole, again, _) = json.loads(child.stdout)
    assert (after, result) == ([2, 3, 4], 5)
    assert (whole, again) == ([0, 1, 2, 3, 4], 5)
    assert rest(driver, stub, back) == ([], 5, 0)
    assert stub.run_count("count") == 1


@every
def test_a_discovered_flow_is_resumed_as_any_other(driver: Driver, stub: StubServer) -> None:
    """Its types may still have to be found out."""
    ticket = ticket_after(driver, stub, 2)
    with driver.client(stub) as client:
        for _ in range(2):
            with client.flows.count.resume(str(ticket)) as stream:
                assert ([*stream], stream.result(), stream.received) == ([2, 3, 4], 5, 3)
    assert stub.run_count("count") == 1


# --- at each chunk ----------------------------------------------------------------------------------


@every
def test_a_ticket_after_each_chunk_leads_to_exactly_the_rest(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub, retry=SOON) as client:
        flow = client.flow(COUNT)
        with flow.stream(5) as stream:
            tickets = [stream.ticket(), *(stream.ticket() for _ in stream)]
        assert [ticket.received for ticket in tickets] == [0, 1, 2, 3, 4, 5]
        for taken, ticket in enumerate(tickets):
            with flow.resume(ticket) as resumed:
                assert resumed.ticket() == ticket
                assert [*resumed] == [*range(taken, 5)]
                assert (resumed.result(), resumed.received) == (5, 5 - taken)
                assert resumed.ticket() == tickets[-1]
    assert stub.run_count("count") == 1


@every
def test_a_ticket_goes_from_hand_to_hand(driver: Driver, stub: StubServer) -> None:
    """A chunk each: what was received before adds up."""
    ticket, chunks = ticket_after(driver, stub, 0), []
    with driver.client(stub, retry=SOON) as client:
        for _ in range(5):
            with client.flow(COUNT).resume(ticket) as stream:
                chunks.append(next(stream))
                assert stream.received == 1
                ticket = stream.ticket()
    assert (chunks, ticket.received) == ([0, 1, 2, 3, 4], 5)


@every
def test_a_run_that_still_goes_on_is_resumed_in_its_course(
    driver: Driver, stub: StubServer, gate: threading.Event
) -> None:
    with driver.client(stub, retry=SOON) as client:
        flow = client.flow("slowly")
        with flow.stream() as stream:
            assert [next(stream), next(stream)] == [0, 1]
        with flow.resume(stream.ticket()) as resumed:
            third = spawn(lambda: next(resumed))
            stub.wait_until(lambda: len(stub.requests) == 2)
            assert not third.done()
            gate.set()
            assert third.result(10) == 2
            assert ([*resumed], resumed.result()) == ([3], "slowly")
    assert stub.run_count("slowly") == 1


# --- after errors, and after stopping ---------------------------------------------------------------

STOPS: dict[str, Callable[[Any], Any]] = {
    "cancel": lambda stream: stream.cancel(),
    "close": lambda stream: stream.close(),
}


@every
@pytest.mark.parametrize("stop", STOPS)
def test_after_stopping_the_ticket_leads_on(driver: Driver, stub: StubServer, stop: str) -> None:
    with driver.client(stub) as client:
        stream = client.flow(COUNT).stream(5)
        assert [next(stream), next(stream)] == [0, 1]
        STOPS[stop](stream)
        assert rest(driver, stub, stream.ticket()) == ([2, 3, 4], 5, 3)
        stream.close()
    assert stub.run_count("count") == 1


@every
def test_a_cancelled_read_tells_the_ticket(driver: Driver, stub: StubServer, gate: threading.Event) -> None:
    with driver.client(stub, retry=SOON) as client:
        stream = client.flow("slowly").stream()
        assert [next(stream), next(stream)] == [0, 1]
        blocked = spawn(lambda: next(stream))
        stub.wait_until(lambda: stub.open_streams == 1)
        stream.cancel()
        with pytest.raises(FlowCancelledError) as caught:
            blocked.result(10)
        gate.set()
        assert caught.value.ticket is not None
        assert caught.value.ticket.received == 2
        resumed = client.flow("slowly").resume(caught.value.ticket)
        assert ([*resumed], resumed.result()) == ([2, 3], "slowly")
    assert stub.run_count("slowly") == 1


@every
def test_the_ticket_of_an_error_leads_on(driver: Driver, stub: StubServer) -> None:
    """Also where the server was gone altogether, and where the error was raised by a resumed stream."""
    tickets: list[Ticket | None] = []
    stub.script("count", f.drop(after_chunks=2))
    with driver.client(stub, retry=None, timeout=HASTY) as client:
        flow = client.flow(COUNT)
        tickets.append(told(lambda: [*flow.stream(5)], StreamInterruptedError).ticket)
        stub.script("count", f.stall(after_chunks=3))
        tickets.append(told(lambda: [*flow.resume(tickets[-1])], FlowTimeoutError).ticket)
        with stub.refusing():
            tickets.append(told(lambda: [*flow.resume(tickets[-1])], FlowConnectionError).ticket)
        stub.script("count", f.status(401))
        tickets.append(told(lambda: [*flow.resume(tickets[-1])], UnauthenticatedError).ticket)
    assert [ticket and ticket.received for ticket in tickets] == [2, 3, 3, 3]
    assert tickets[-1] is not None
    assert rest(driver, stub, tickets[-1]) == ([3, 4], 5, 2)
    assert stub.run_count("count") == 1


def told(act: Callable[[], Any], kind: type[FlowError]) -> FlowError:
    with pytest.raises(kind) as caught:
        act()
    assert type(caught.value) is kind
    return caught.value


# --- what is sent -----------------------------------------------------------------------------------


@every
def test_a_request_that_resumes_has_the_id_and_nothing_to_run(driver: Driver, stub: StubServer) -> None:
    idempotent = replace(SOON, replay=True)
    stub.script("count", f.drop(after_chunks=2), f.drop(after_chunks=3))
    with driver.client(stub, retry=idempotent) as client:
        stream = client.flow(COUNT).stream(5)
        assert [*stream] == [0, 1, 2, 3, 4]
        assert [*client.flow(COUNT).resume(stream.ticket().stream_id)] == [0, 1, 2, 3, 4]
    first, *others = stub.requests
    assert (first.json, "x-genkit-stream-id" in first.headers) == ({"data": 5}, False)
    assert first.headers["idempotency-key"]
    assert len(others) == 3
    for request in others:
        assert request.body == b"{}"
        assert request.headers["x-genkit-stream-id"] == stub.runs[0].stream_id
        assert request.headers["accept"] == "text/event-stream"
        assert "idempotency-key" not in request.headers


@every
def test_nothing_is_sent_before_the_first_read(driver: Driver, stub: StubServer) -> None:
    ticket = ticket_after(driver, stub, 1)
    with driver.client(stub) as client:
        stream = client.flow(COUNT).resume(ticket)
        assert (stream.ticket(), stream.stream_id, stream.received) == (ticket, ticket.stream_id, 0)
        assert len(stub.requests) == 1
        assert stream.result() == 5
        assert len(stub.requests) == 2


# --- what may go wrong meanwhile --------------------------------------------------------------------

TROUBLES: dict[str, list[Fault]] = {
    "busy": [f.status(429), f.status(503, retry_after=0)],
    "down": [f.status(500), f.status(502)],
    "gone": [f.close_before_response(), f.drop()],
    "half a replay": [f.drop(after_chunks=1), f.reset(after_chunks=1)],
    "silent": [f.stall(), f.delay_headers(20)],
    "one new chunk each": [f.drop(after_chunks=n) for n in (3, 4, 5)],
    "half a frame each": [f.drop(after_bytes=n) for n in (5, 30, 70)],
    "early ends": [f.clean_eof(1), f.clean_eof(3), f.clean_eof(3), f.clean_eof(5)],
}


@every
@pytest.mark.parametrize("name", TROUBLES)
@pytest.mark.parametrize("drain", [False, True], ids=["chunks", "result"])
def test_resuming_goes_on_over_all_trouble_within_its_attempts(
    driver: Driver, stub: StubServer, name: str, drain: bool
) -> None:
    ticket = ticket_after(driver, stub, 2)
    stub.script("count", *TROUBLES[name])
    with driver.client(stub, retry=SOON, timeout=HASTY) as client:
        stream = client.flow(COUNT).resume(ticket)
        assert drain or [*stream] == [2, 3, 4]
        assert (stream.result(), stream.received) == (5, 3)
        assert [*stream] == []
    assert len(stub.requests) == 1 + len(TROUBLES[name]) + 1
    assert stub.run_count("count") == 1


@dataclass
class End:
    """How resuming after two chunks ends, and after how many requests."""

    fault: Fault | None
    error: type[FlowError]
    words: str = ""
    requests: int = 1
    retry: Retry | None = SOON


ENDS: dict[str, End] = {
    "expired": End(None, StreamExpiredError, "no longer knows this stream"),
    "expired, ESM": End(f.stream_not_found_html(), StreamExpiredError, "no longer knows this stream"),
    "busy for good": End(f.status(503), UnavailableError, requests=3),
    "down for good": End(f.status(500), InternalError, requests=3),
    "silent for good": End(f.stall(), FlowTimeoutError, "not one byte", requests=3),
    "dropped for good": End(f.drop(after_chunks=1), StreamInterruptedError, requests=3),
    "dropped, no retries": End(f.drop(after_chunks=1), StreamInterruptedError, retry=None),
    "down, no retries": End(f.status(500), InternalError, retry=None),
    "credentials refused": End(f.status(401), UnauthenticatedError),
    "another run": End(f.other_stream_id(), ReplayDivergedError, "another stream"),
    "fewer chunks": End(f.insert(b'data: {"result":9}\n\n', 1), ReplayDivergedError, "1 chunks before"),
    "other chunks": End(f.change_chunk(1, 7), ReplayDivergedError, "differ"),
    "a chunk lost": End(f.lose_chunk(0), ReplayDivergedError, "differ"),
}


@every
@pytest.mark.parametrize("name", ENDS)
def test_an_end_is_told_with_the_ticket_and_nothing_delivered(
    driver: Driver, stub: StubServer, name: str
) -> None:
    end = ENDS[name]
    ticket = ticket_after(driver, stub, 2)
    stub.always("count", end.fault)
    if end.fault is None:
        stub.expire_streams()
    before = len(stub.requests)
    timeout = HASTY if end.error is FlowTimeoutError else Timeout()
    with driver.client(stub, retry=end.retry, timeout=timeout) as client:
        stream = client.flow(COUNT).resume(ticket)
        error = told(lambda: next(stream), end.error)
        assert told(stream.result, end.error) is error
    assert end.words in str(error)
    assert (error.ticket, error.received, error.work_may_have_run) == (ticket, 0, True)
    assert ticket.stream_id not in str(error) + repr(error)
    assert len(stub.requests) - before == end.requests
    assert stub.run_count("count") == 1


@every
def test_a_difference_is_only_logged_without_verifying(
    driver: Driver, stub: StubServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Stores may reorder keys."""
    ticket = ticket_after(driver, stub, 2)
    stub.script("count", f.change_chunk(1, 7))
    assert rest(driver, stub, ticket, retry=Retry()) == ([2, 3, 4], 5, 3)
    assert [r.levelno for r in caplog.records if "replayed chunks differ" in r.message] == [logging.WARNING]


# --- a server that keeps no streams any more --------------------------------------------------------


def forgets(stub: StubServer, *chunks: Any) -> None:
    """From now on the flow runs whatever the id says, as where a server lost its stream store."""

    @stub.flow
    def count(send: Send) -> Any:
        for chunk in chunks:
            send(chunk)
        return len(chunks)


@every
@pytest.mark.parametrize("chunks", [(0,), (7, 8, 9)], ids=["fewer", "others"])
def test_a_new_run_without_an_id_is_told_by_its_chunks(
    driver: Driver, stub: StubServer, chunks: tuple[int, ...]
) -> None:
    """Express tells no id for a stream that it resumes, so a reply without one may be either."""
    ticket = ticket_after(driver, stub, 2)
    forgets(stub, *chunks)
    with driver.client(stub, retry=SOON) as client:
        stream = client.flow(COUNT).resume(ticket)
        assert told(lambda: next(stream), ReplayDivergedError).ticket == ticket
    assert len(stub.requests) == 2


@every
def test_a_flow_that_needs_an_input_refuses_to_run_anew(driver: Driver, stub: StubServer) -> None:
    """For nothing of the old input goes along."""
    ticket = ticket_after(driver, stub, 2)

    @stub.flow
    def count(n: int) -> int:
        raise AssertionError("it ran")

    with driver.client(stub, retry=SOON) as client:
        stream = client.flow(COUNT).resume(ticket)
        assert told(lambda: next(stream), InvalidArgumentError).received == 0
    assert len(stub.runs) == 1


# --- starting anew ----------------------------------------------------------------------------------


@every
def test_restarting_a_resumed_stream_runs_the_flow_with_the_new_input(
    driver: Driver, stub: StubServer
) -> None:
    ticket = ticket_after(driver, stub, 2)
    with driver.client(stub) as client, client.flow(COUNT).resume(ticket) as stream:
        assert next(stream) == 2
        with pytest.raises(InputValidationError):
            stream.restart("no number")
        assert next(stream) == 3
        stream.restart(3)
        assert ([*stream], stream.result(), stream.received) == ([0, 1, 2], 3, 3)
        assert stream.stream_id == stub.runs[1].stream_id != ticket.stream_id
        assert stream.ticket().received == 3
    assert [run.input for run in stub.runs] == [5, 3]
    assert "x-genkit-stream-id" not in stub.requests[-1].headers
