"""A durable stream of 200 chunks, cut wherever it can be cut, is the same stream.

In each of the three drivers, and in each of three ways (a FIN in the middle of the body, a reset, and a body
that ends correctly, as behind a proxy that speaks HTTP/1.0): 701 cuts, at every one of the 201 frame
boundaries and at 500 random bytes. The callers' own HTTP clients get every 24th of these cuts. What is
proven of each: every chunk once, in order, counted rightly; the result; one run on the server; one more
request, with the stream's id and without input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import accumulate
from random import Random
from typing import Any

import httpx
import pytest

from drivers import CALLERS_DRIVERS, DRIVERS, Blocking, Driver
from streamflow_client import FlowDef, Retry, StreamInterruptedError
from streamflow_client.testing import Fault, StubServer
from streamflow_client.testing import faults as f
from streamflow_client.testing.outcomes import dump

pytestmark = pytest.mark.faults

Send = Callable[[Any], Any]
Cut = Callable[[StubServer, int], Fault]

STORY = FlowDef("story", input=int, chunk=dict[str, Any], output=dict[str, int])
CHUNKS = [{"n": n, "text": "é日\n\n👍 data: {}"[: n % 12] * (n % 5)} for n in range(200)]
RESULT = {"told": 200}
FRAMES = [
    *(b'data: {"message":%b}\n\n' % dump(chunk) for chunk in CHUNKS),
    b'data: {"result":{"told":200}}\n\n',
]
BODY = b"".join(FRAMES)
BOUNDARIES = [0, *accumulate(map(len, FRAMES[:-1]))]
COMPLETE = len(BODY) - len(b"\n\n")  # so many bytes hold the whole result: nothing is missing
INSIDE = sorted(Random(200).sample(range(1, COMPLETE), 500))
CUTS = BOUNDARIES + INSIDE
SOON = Retry(attempts=2, wait_initial=0.001, verify_replay=True)
PATIENT = replace(SOON, attempts=len(BOUNDARIES) + 1, wait_max=0.001)
PARTS = 24


@pytest.fixture(scope="module")
def stub() -> Iterator[StubServer]:
    stub = StubServer("express")

    @stub.flow(durable=True)
    async def story(chunks: int, send: Send) -> dict[str, int]:
        for chunk in CHUNKS[:chunks]:
            await send(chunk)
        return {"told": chunks}

    with stub:
        yield stub


def fin(_: StubServer, cut: int) -> Fault:
    """The connection ends, the body does not."""
    return f.drop(after_bytes=cut)


def reset(_: StubServer, cut: int) -> Fault:
    """The connection is reset, which may also destroy what was sent just before."""
    return f.reset(after_bytes=cut)


def end(stub: StubServer, cut: int) -> Fault:
    """The body ends as HTTP/1.0 says. The stub's own can't do so at a byte, so the run must be there."""
    head = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nX-Genkit-Stream-Id: "
    return f.raw(f"{head}{stub.runs[-1].stream_id}\r\n\r\n".encode() + BODY[:cut])


WAYS = [pytest.param(way, id=way.__name__) for way in (fin, reset, end)]
SAMPLE = 3  # a part like any other
PLACES = [
    *(pytest.param(driver, part, id=f"{driver!r}-{part}") for driver in DRIVERS for part in range(PARTS)),
    *(pytest.param(driver, SAMPLE, id=f"{driver!r}-{SAMPLE}") for driver in CALLERS_DRIVERS),
]
every_driver = pytest.mark.parametrize("driver", [*DRIVERS, *CALLERS_DRIVERS], ids=repr)


def heard(stream: Blocking) -> tuple[list[tuple[Any, int]], Any]:
    """Each chunk with the number of chunks received when it came; and the result."""
    if stream.portal is None:
        return [(chunk, stream.inner.received) for chunk in stream.inner], stream.inner.result()
    told: tuple[list[tuple[Any, int]], Any] = stream.portal.call(_heard, stream.inner)
    return told


async def _heard(stream: Any) -> tuple[list[tuple[Any, int]], Any]:
    return [(chunk, stream.received) async for chunk in stream], await stream.result()


WHOLE = ([(chunk, number) for number, chunk in enumerate(CHUNKS, 1)], RESULT)


def test_the_stream_and_its_cuts_are_what_the_others_take_them_for(stub: StubServer) -> None:
    body = httpx.post(
        f"{stub.url}/story", headers={"Accept": "text/event-stream"}, json={"data": 200}
    ).content
    assert body == BODY
    assert (len(FRAMES), len(set(BOUNDARIES)), len(set(INSIDE))) == (201, 201, 500)
    assert all(BODY[:cut].endswith(b"\n\n") for cut in BOUNDARIES[1:])
    assert any(BODY[cut] & 0xC0 == 0x80 for cut in INSIDE), "in the middle of a character, too"
    assert sorted(cut for part in range(PARTS) for cut in CUTS[part::PARTS]) == sorted(CUTS)
    assert len(CUTS) == 701


@pytest.mark.parametrize(("driver", "part"), PLACES)
@pytest.mark.parametrize("way", WAYS)
def test_a_stream_cut_anywhere_is_the_same(driver: Driver, part: int, way: Cut, stub: StubServer) -> None:
    with driver.client(stub, retry=SOON) as client:
        flow = client.flow(STORY)
        assert heard(flow.stream(200)) == WHOLE
        for cut in CUTS[part::PARTS]:
            runs, requests = len(stub.runs), len(stub.requests)
            stub.script("story", way(stub, cut))
            assert heard(flow.stream(200)) == WHOLE, cut
            assert len(stub.runs) - runs == (way is not end), cut
            _, resume = stub.requests[requests:]
            assert resume.headers["x-genkit-stream-id"] == stub.runs[-1].stream_id
            assert resume.body == b"{}"


@every_driver
@pytest.mark.parametrize(
    ("way", "cut"), [(fin, len(BODY)), (end, COMPLETE), (end, COMPLETE + 1), (end, len(BODY))]
)
def test_a_cut_behind_the_result_is_none(driver: Driver, way: Cut, cut: int, stub: StubServer) -> None:
    with driver.client(stub, retry=SOON) as client:
        assert heard(client.flow(STORY).stream(200)) == WHOLE
        requests = len(stub.requests)
        stub.script("story", way(stub, cut))
        assert heard(client.flow(STORY).stream(200)) == WHOLE
    assert len(stub.requests) - requests == 1


@every_driver
@pytest.mark.parametrize("way", WAYS[:2])
def test_a_stream_survives_any_number_of_cuts_while_it_makes_progress(
    driver: Driver, way: Cut, stub: StubServer
) -> None:
    """Cut at every boundary in turn: each of 201 connections but the first brings one chunk. By FIN, two
    attempts in a row without a chunk would be the end."""
    runs, requests = len(stub.runs), len(stub.requests)
    stub.script("story", *(way(stub, cut) for cut in BOUNDARIES))
    with driver.client(stub, retry=SOON if way is fin else PATIENT) as client:
        assert heard(client.flow(STORY).stream(200)) == WHOLE
    assert (len(stub.runs) - runs, len(stub.requests) - requests) == (1, 202)


@every_driver
@pytest.mark.parametrize("seed", range(2))
def test_cuts_anywhere_one_after_the_other_in_replays_too(
    driver: Driver, seed: int, stub: StubServer
) -> None:
    """Twenty cuts, each further on, and before each of them two within what was received already."""
    random = Random(seed)
    further = sorted(random.sample(range(1, COMPLETE), 20))
    cuts = [cut for new in further for cut in (random.randrange(new), random.randrange(new), new)]
    runs, requests = len(stub.runs), len(stub.requests)
    stub.script("story", *(random.choice([fin, reset])(stub, cut) for cut in cuts))
    with driver.client(stub, retry=PATIENT) as client:
        assert heard(client.flow(STORY).stream(200)) == WHOLE
    assert (len(stub.runs) - runs, len(stub.requests) - requests) == (1, 61)


@pytest.mark.parametrize("driver", DRIVERS, ids=repr)
@pytest.mark.parametrize("way", WAYS[:2])
@pytest.mark.parametrize("cut", [0, BOUNDARIES[100], BOUNDARIES[100] + 9, COMPLETE - 1])
def test_a_server_that_always_cuts_at_one_place_is_given_up(
    driver: Driver, cut: int, way: Cut, stub: StubServer
) -> None:
    runs, requests = len(stub.runs), len(stub.requests)
    stub.always("story", way(stub, cut))
    with driver.client(stub, retry=Retry(wait_initial=0.001)) as client:
        stream = client.flow(STORY).stream(200)
        with pytest.raises(StreamInterruptedError) as caught:
            heard(stream)
        tries = len(stub.requests) - requests
        stub.always("story", None)
        error, ticket = caught.value, caught.value.ticket
        assert ticket is not None
        rest = [(chunk, number) for number, chunk in enumerate(CHUNKS[ticket.received :], 1)]
        assert heard(client.flow(STORY).resume(ticket)) == (rest, RESULT)
    assert (error.received, stream.received) == (ticket.received, ticket.received)
    assert (ticket.stream_id, len(stub.runs) - runs) == (stub.runs[-1].stream_id, 1)
    if way is fin:
        chunks = sum(boundary <= cut for boundary in BOUNDARIES[1:])
        assert ticket.received == chunks
        assert tries == (4 if chunks == 0 else 1 + 4), "the attempts, and the one that brought chunks"
