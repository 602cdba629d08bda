"""Each scripted fault does to a response what its name says."""

import asyncio
import gc
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from streamflow_client.testing import Fault, StubServer, faults
from stub_talk import STREAM, Caller, Response, ask, declare_flows, events, send, stream

FIRST, SECOND, LAST = (
    b'data: {"message":0}\n\n',
    b'data: {"message":1}\n\n',
    b'data: {"result":"done"}\n\n',
)
WHOLE = FIRST + SECOND + LAST


@pytest.fixture
def stub() -> Iterator[StubServer]:
    with declare_flows(StubServer()) as stub:
        yield stub


def bent(stub: StubServer, *fault: Fault) -> Response:
    stub.script("count", fault)
    return stream(stub, "/count", 2)


# --- the body of a stream ---

BODIES: list[tuple[Fault, bytes, bool]] = [
    (faults.drop(), b"", False),
    (faults.drop(after_chunks=0), b"", False),
    (faults.drop(after_chunks=1), FIRST, False),
    (faults.drop(after_chunks=2), FIRST + SECOND, False),
    (faults.drop(after_chunks=9), WHOLE, True),
    (faults.drop(after_bytes=0), b"", False),
    (faults.drop(after_bytes=5), FIRST[:5], False),
    (faults.drop(after_bytes=len(FIRST)), FIRST, False),
    (faults.drop(after_bytes=len(FIRST) + 3), FIRST + SECOND[:3], False),
    (faults.drop(after_bytes=len(WHOLE)), WHOLE, False),
    (faults.clean_eof(), b"", True),
    (faults.clean_eof(after_chunks=2), FIRST + SECOND, True),
    (faults.insert(b"END", after_chunks=1), FIRST + b"END" + SECOND + LAST, True),
    (
        faults.corrupt_json(after_chunks=1),
        FIRST + b'data: {"message":{"broken":}\n\n' + SECOND + LAST,
        True,
    ),
    (faults.wrong_utf8(), b'data: {"message":"\xff\xfe"}\n\n' + WHOLE, True),
    (faults.lose_chunk(0), SECOND + LAST, True),
    (faults.change_chunk(1, "x"), FIRST + b'data: {"message":"x"}\n\n' + LAST, True),
    (faults.slow_chunks(0.001), WHOLE, True),
    (faults.pieces(1), WHOLE, True),
    (faults.pieces(7), WHOLE, True),
    (faults.delay_headers(0.001), WHOLE, True),
    (faults.trickle_headers(0), WHOLE, True),
    (faults.close_idle_after(5), WHOLE, True),
]


@pytest.mark.parametrize(("fault", "body", "complete"), BODIES, ids=repr)
@pytest.mark.parametrize("tls", [False, True])
def test_stream_bodies(fault: Fault, body: bytes, complete: bool, tls: bool) -> None:
    with declare_flows(StubServer(tls=tls)) as stub:
        response = bent(stub, fault)
        assert (response.body, response.complete) == (body, complete)
        assert stream(stub, "/count", 2).body == WHOLE


@pytest.mark.parametrize(
    "fault", [faults.reset(), faults.reset(after_chunks=1), faults.reset(after_bytes=3)], ids=repr
)
def test_reset(stub: StubServer, fault: Fault) -> None:
    stub.script("count", fault)
    with Caller(stub) as caller:
        caller.post("/count", 2, accept=STREAM)
        with pytest.raises(ConnectionResetError):
            caller.rest()
    stub.wait_until(lambda: stub.connections.open == 0)


def test_the_chunks_before_a_reset_arrive(stub: StubServer) -> None:
    stub.script("count", faults.reset(after_chunks=2))
    with Caller(stub) as caller:
        caller.post("/count", 2, accept=STREAM)
        with pytest.raises(ConnectionResetError):
            caller.rest()
        assert FIRST in caller.buffer
        assert SECOND in caller.buffer


def test_oversize(stub: StubServer) -> None:
    response = bent(stub, faults.oversize(100_000, after_chunks=1))
    assert [len(chunk) for chunk in response.chunks] == [
        len(FIRST),
        100_000,
        len(SECOND),
        len(LAST),
    ]
    assert events(response)[1]["message"].strip("x") == ""


def test_pings(stub: StubServer) -> None:
    stub.script("count", faults.pings(every=0, after_chunks=1))
    with Caller(stub) as caller:
        caller.post("/count", 2, accept=STREAM)
        caller.head()
        assert [caller.chunk() for _ in range(4)] == [FIRST, *[b": ping\n\n"] * 3]
    stub.wait_until(lambda: stub.open_streams == 0)


SILENT: list[tuple[Fault, bytes]] = [
    (faults.stall(), b"\r\n\r\n"),
    (faults.stall(after_chunks=2), b'{"message":1}\n\n\r\n'),
    (faults.no_body_end(), b'{"result":"done"}\n\n\r\n'),
    (faults.delay_headers(60), b""),
    (faults.trickle_headers(60), b"H"),
]


@pytest.mark.parametrize(("fault", "seen"), SILENT, ids=repr)
def test_silence(stub: StubServer, fault: Fault, seen: bytes) -> None:
    stub.script("count", fault)
    with Caller(stub) as caller:
        caller.post("/count", 2, accept=STREAM)
        stub.wait_until(lambda: stub.runs and stub.runs[0].outcome == "finished")
        assert not seen or caller.until(seen)
        caller.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            caller.more()
        assert caller.buffer == b""
    stub.wait_until(lambda: stub.connections.open == 0)


def test_other_stream_id(stub: StubServer) -> None:
    stub.script("steady", faults.other_stream_id("another"))
    assert stream(stub, "/steady", 1).headers["x-genkit-stream-id"] == "another"
    assert bent(stub, faults.other_stream_id()).headers["x-genkit-stream-id"].startswith("0000")


def test_a_script_that_cannot_be_followed_ends_the_connection(
    stub: StubServer, caplog: pytest.LogCaptureFixture
) -> None:
    response = bent(stub, faults.change_chunk(1, object()))
    assert (response.body, response.complete) == (FIRST, False)
    stub.stop()
    gc.collect()
    assert "PydanticSerializationError" in caplog.text


def test_faults_on_a_resumed_stream(stub: StubServer) -> None:
    stream_id = stream(stub, "/steady", 2).headers["x-genkit-stream-id"]
    stub.script("steady", faults.lose_chunk(0), faults.stream_not_found_html(), faults.drop())
    gap, page, cut, whole = (stream(stub, "/steady", x_genkit_stream_id=stream_id) for _ in range(4))
    assert gap.body == SECOND + LAST
    assert page.status == 500
    assert (cut.body, cut.complete) == (b"", False)
    assert whole.body == WHOLE


def test_stream_not_found_page_as_recorded(stub: StubServer, capture: Callable[[str], bytes]) -> None:
    page = bent(stub, faults.stream_not_found_html())
    real = capture("express-esm-unknown-id.http").replace(b"\r\n", b"\n").partition(b"\n\n")[2]
    opening = real.split(b"<br>", 1)[0]
    assert page.body.startswith(opening + b"<br> &nbsp; &nbsp;at InMemoryStreamManager.subscribe")
    assert page.headers["content-type"] == "text/html; charset=utf-8"


def test_several_at_once(stub: StubServer) -> None:
    response = bent(stub, faults.pieces(3), faults.insert(b"!"), faults.drop(after_chunks=1))
    assert (response.body, response.complete) == (b"!" + FIRST, False)


# --- plain responses ---

RESULT = b'{"result":"done"}'


@pytest.mark.parametrize(
    ("fault", "body", "complete"),
    [
        (faults.drop(), b"", False),
        (faults.drop(after_bytes=4), RESULT[:4], False),
        (faults.drop(after_chunks=1), RESULT, True),
        (faults.clean_eof(), RESULT, True),
        (faults.corrupt_json(), b'{"result":{"broken":}', True),
        (faults.wrong_utf8(), b'{"result":"\xff\xfe"}', True),
        (faults.oversize(20), b'{"result":"xxxxxxx"}', True),
        (faults.pieces(2), RESULT, True),
    ],
    ids=repr,
)
def test_plain_bodies(stub: StubServer, fault: Fault, body: bytes, complete: bool) -> None:
    stub.script("count", fault)
    response = ask(stub, "/count", 1)
    assert (response.body, response.complete) == (body, complete)
    assert stub.run_count("count") == 1


def test_a_plain_body_that_never_ends(stub: StubServer) -> None:
    stub.script("count", faults.no_body_end())
    with Caller(stub) as caller:
        caller.post("/count", 1)
        assert f"Content-Length: {len(RESULT) + 1}\r\n".encode() in caller.head()
        assert caller.until(b"}") == RESULT


def test_faults_on_reflection(stub: StubServer) -> None:
    body = b'{"key":"/flow/count","input":1}'
    stub.script("count", faults.corrupt_json(after_chunks=1), faults.oversize(10))
    path = "/api/runAction?stream=true"
    assert send(stub, "POST", path, body).body.startswith(b'0\n{"broken":\n{"result"')
    assert send(stub, "POST", path, body).chunks[0] == b'"xxxxxxx"\n'


# --- instead of an answer ---


@pytest.mark.parametrize(
    ("fault", "status", "headers"),
    [
        (faults.status(503), 503, {"content-length": "0"}),
        (faults.status(429, retry_after=2, body=b"wait"), 429, {"retry-after": "2"}),
        (faults.status(503, retry_after="soon"), 503, {"retry-after": "soon"}),
        (faults.status(302, headers=(("Location", "/x"),)), 302, {"location": "/x"}),
        (faults.status(799, content_type="a/b"), 799, {"content-type": "a/b"}),
        (faults.html_page(), 200, {"content-type": "text/html; charset=utf-8"}),
        (faults.html_page(502), 502, {}),
    ],
    ids=repr,
)
def test_canned_answers(stub: StubServer, fault: Fault, status: int, headers: dict[str, str]) -> None:
    response = bent(stub, fault)
    assert response.status == status
    assert headers.items() <= response.headers.items()
    assert response.complete
    assert stub.runs == []


def test_canned_bodies(stub: StubServer) -> None:
    assert bent(stub, faults.status(429, body=b"wait")).body == b"wait"
    assert bent(stub, faults.html_page()).body.startswith(b"<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("fault", "seen"),
    [(faults.raw(b"SSH-2.0\r\n"), b"SSH-2.0\r\n"), (faults.close_before_response(), b"")],
    ids=repr,
)
def test_no_http_at_all(stub: StubServer, fault: Fault, seen: bytes) -> None:
    stub.script("count", fault)
    with Caller(stub) as caller:
        caller.post("/count", 1)
        assert caller.rest() == seen
    assert len(stub.requests) == 1
    assert stub.runs == []


def test_close_idle_after(stub: StubServer) -> None:
    stub.script("count", faults.close_idle_after(0))
    with Caller(stub) as caller:
        caller.post("/count", 1)
        assert caller.response().headers["connection"] == "keep-alive"
        assert caller.closed()


def test_a_clean_eof_keeps_the_connection(stub: StubServer) -> None:
    stub.script("count", faults.clean_eof(1))
    with Caller(stub) as caller:
        for body in (FIRST, WHOLE):
            caller.post("/count", 2, accept=STREAM)
            assert caller.response().body == body
    assert stub.connections.accepted == 1


# --- scripts ---


def test_the_order_of_scripts(stub: StubServer) -> None:
    stub.script("count", faults.status(501), None)
    stub.script("/count", faults.status(502))
    stub.script("*", faults.status(503))
    stub.always("count", faults.status(504))
    stub.always("*", faults.status(505))
    assert [ask(stub, "/count", 1).status for _ in range(6)] == [501, 200, 502, 503, 504, 504]
    stub.always("count", None)
    assert ask(stub, "/count", 1).status == 200
    assert send(stub, "GET", "/openapi.json").status == 505


@pytest.mark.parametrize(("dialect", "outcome"), [("express", "running"), ("go", "cancelled")])
def test_a_cut_is_a_client_that_left(dialect: Any, outcome: str) -> None:
    with declare_flows(StubServer(dialect)) as stub:

        @stub.flow
        async def held(send: Callable[[int], Any]) -> None:
            await send(0)
            await asyncio.get_running_loop().create_future()

        stub.script("held", faults.drop(after_chunks=1))
        assert stream(stub, "/held").body == FIRST
        assert stub.runs[0].outcome == outcome
        assert stub.runs[0].client_left is None
        # A call that failed before it ran has nothing to cancel.
        stub.script("count", faults.drop())
        assert not stream(stub, "/count", "x").complete


def test_a_client_that_leaves_before_its_flow_ran(stub: StubServer) -> None:
    stub.script("count", faults.stall())
    with Caller(stub) as caller:
        caller.post("/count", "x", accept=STREAM)
        caller.head()
    stub.wait_until(lambda: stub.connections.open == 0)
    assert stub.runs == []


def test_stopping_leaves_nothing_behind_whatever_went_wrong() -> None:
    every: list[Fault] = [fault for fault, *_ in BODIES] + [fault for fault, _ in SILENT]
    with ExitStack() as callers, declare_flows(StubServer()) as stub:
        stub.script("count", *every)
        for _ in every:
            callers.enter_context(Caller(stub)).post("/count", 2, accept=STREAM)
        stub.wait_until(lambda: len(stub.requests) == len(every))
    assert stub.connections.open == stub.connections.in_use == stub.open_streams == 0


def test_a_port_is_free_after_the_stop(stub: StubServer) -> None:
    bent(stub, faults.drop())
    port = stub.port
    stub.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
