"""What a type checker knows of the stub server for tests, its faults and fixtures. Checked, never run."""

import ssl
import threading
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Literal, assert_type

from pydantic import BaseModel

from streamflow_client.testing import (
    UNDEFINED,
    Call,
    Connections,
    Fault,
    Faults,
    FlowFailure,
    Received,
    Run,
    RunCancelled,
    StubServer,
    faults,
)


class Request(BaseModel):
    """An input."""

    theme: str


def fixtures(flow_stub: StubServer, flow_stub_factory: Callable[..., StubServer]) -> None:
    assert_type(flow_stub, StubServer)
    assert_type(flow_stub_factory("go", tls=True), StubServer)


def servers() -> None:
    assert_type(StubServer(), StubServer)
    assert_type(StubServer("go", tls=True, api_key="key", host="::1", port=1), StubServer)
    assert_type(StubServer("firebase", stream_ttl=1, keep_alive=1, heartbeat=1), StubServer)


def a_server(stub: StubServer) -> None:
    assert_type(stub.start(), StubServer)
    with stub as entered:
        assert_type(entered, StubServer)
    assert_type(stub.port, int)
    assert_type(stub.url, str)
    assert_type(stub.ca_file, Path)
    assert_type(stub.client_ssl_context(), ssl.SSLContext)
    assert_type(stub.stop(), None)


def flows(stub: StubServer) -> None:
    """A decorated function keeps its own type."""

    @stub.flow
    def menu(request: Request, send: Callable[[str], None], call: Call) -> int:
        send("x")
        return len(call.headers)

    @stub.flow("other/name", durable=True, description="d", path="/x")
    async def other(request: int, send: Callable[[str], Awaitable[None]]) -> None:
        await send("x")

    @stub.flow()
    def third() -> str:
        raise FlowFailure("NOT_FOUND", "no such menu", {"why": 1})

    stub.flow("again")(other)
    assert_type(stub.flow(third), Callable[[], str])
    assert_type(menu(Request(theme="x"), print, Call({}, None)), int)
    assert_type(third(), str)


def scripts(stub: StubServer, fault: Fault, several: Faults) -> None:
    assert_type(stub.script("menu", faults.drop(after_chunks=2), None), None)
    assert_type(stub.script("*", (faults.pieces(1), faults.drop(after_bytes=40)), several), None)
    assert_type(stub.always("menu", fault), None)
    assert_type(stub.always("menu", None), None)
    assert_type(stub.expire_streams(), None)
    with stub.refusing() as nothing:
        assert_type(nothing, None)
    with stub.tls_stall() as nothing:
        assert_type(nothing, None)
    assert_type(fault, Fault)
    assert_type(several, Faults)


def records(stub: StubServer) -> None:
    assert_type(stub.requests, list[Received])
    assert_type(stub.runs, list[Run])
    assert_type(stub.run_count("menu"), int)
    assert_type(stub.connections, Connections)
    assert_type(stub.open_streams, int)
    assert_type(stub.most_open_streams, int)
    assert_type(stub.wait_until(lambda: stub.open_streams == 0, timeout=1), None)


def what_is_recorded(received: Received, run: Run, connections: Connections) -> None:
    assert_type(received.method, str)
    assert_type(received.path, str)
    assert_type(received.query, str)
    assert_type(received.headers, dict[str, str])
    assert_type(received.body, bytes)
    assert_type(received.json, Any)
    assert_type(received.flow, str | None)
    assert_type(received.streaming, bool)
    assert_type(received.connection, int)
    assert_type(received.nth, int)
    assert_type(received.at, float)
    assert_type(run.flow, str)
    assert_type(run.input, Any)
    assert_type(run.trace_id, str)
    assert_type(run.stream_id, str | None)
    assert_type(run.chunks_sent, int)
    assert_type(run.outcome, Literal["running", "finished", "failed", "cancelled"])
    assert_type(run.client_left, float | None)
    assert_type(connections.open, int)
    assert_type(connections.in_use, int)
    assert_type(connections.accepted, int)
    assert_type(connections.idle, int)


async def within_a_flow(call: Call) -> None:
    assert_type(call.headers, Mapping[str, str])
    assert_type(call.stream_id, str | None)
    assert_type(call.client_gone, threading.Event)
    assert_type(await call.wait_gone(), None)
    assert_type(call.gone(), None)


def how_a_flow_fails(failure: FlowFailure) -> None:
    assert_type(FlowFailure("NOT_FOUND", "m"), FlowFailure)
    assert_type(FlowFailure("NOT_FOUND", "m", details={}), FlowFailure)
    assert_type(failure.status, str)
    assert_type(failure.message, str)
    assert_type(failure.details, Any)
    assert_type(RunCancelled("m"), RunCancelled)
    assert_type(len(UNDEFINED.value), int)


def every_fault() -> None:
    assert_type(faults.delay_headers(0.1), faults.delay_headers)
    assert_type(faults.delay_headers(1).seconds, float)
    assert_type(faults.trickle_headers(), faults.trickle_headers)
    assert_type(faults.trickle_headers(every=1).every, float)
    assert_type(faults.status(503, 2, b"", "text/plain", (("a", "b"),)), faults.status)
    assert_type(faults.status(503).code, int)
    assert_type(faults.status(503, retry_after="soon").retry_after, int | str | None)
    assert_type(faults.status(503, body=b"busy").body, bytes)
    assert_type(faults.status(503, content_type="text/html").content_type, str)
    assert_type(faults.status(503, headers=()).headers, tuple[tuple[str, str], ...])
    assert_type(faults.html_page(), faults.html_page)
    assert_type(faults.html_page(status=500).status, int)
    assert_type(faults.stream_not_found_html(), faults.stream_not_found_html)
    assert_type(faults.raw(b"HTTP/1.1 200 OK"), faults.raw)
    assert_type(faults.raw(b"").data, bytes)
    assert_type(faults.close_before_response(), faults.close_before_response)
    assert_type(faults.drop(), faults.drop)
    assert_type(faults.drop(after_chunks=1).after_chunks, int | None)
    assert_type(faults.drop(after_bytes=1).after_bytes, int | None)
    assert_type(faults.reset(), faults.reset)
    assert_type(faults.reset(after_chunks=1).after_chunks, int | None)
    assert_type(faults.reset(after_bytes=1).after_bytes, int | None)
    assert_type(faults.clean_eof(), faults.clean_eof)
    assert_type(faults.clean_eof(after_chunks=1).after_chunks, int)
    assert_type(faults.stall(), faults.stall)
    assert_type(faults.stall(after_chunks=1).after_chunks, int)
    assert_type(faults.pings(), faults.pings)
    assert_type(faults.pings(every=1).every, float)
    assert_type(faults.pings(after_chunks=1).after_chunks, int)
    assert_type(faults.pieces(), faults.pieces)
    assert_type(faults.pieces(7).size, int)
    assert_type(faults.slow_chunks(0.1), faults.slow_chunks)
    assert_type(faults.slow_chunks(1).seconds, float)
    assert_type(faults.insert(b": ping\n\n"), faults.insert)
    assert_type(faults.insert(b"").data, bytes)
    assert_type(faults.insert(b"", after_chunks=1).after_chunks, int)
    assert_type(faults.corrupt_json(), faults.corrupt_json)
    assert_type(faults.corrupt_json(after_chunks=1).after_chunks, int)
    assert_type(faults.wrong_utf8(), faults.wrong_utf8)
    assert_type(faults.wrong_utf8(after_chunks=1).after_chunks, int)
    assert_type(faults.oversize(99), faults.oversize)
    assert_type(faults.oversize(99).size, int)
    assert_type(faults.oversize(99, after_chunks=1).after_chunks, int)
    assert_type(faults.lose_chunk(1), faults.lose_chunk)
    assert_type(faults.lose_chunk(index=1).index, int)
    assert_type(faults.change_chunk(1, {}), faults.change_chunk)
    assert_type(faults.change_chunk(1, "x").index, int)
    assert_type(faults.change_chunk(1, "x").value, Any)
    assert_type(faults.other_stream_id(), faults.other_stream_id)
    assert_type(faults.other_stream_id("id").stream_id, str)
    assert_type(faults.no_body_end(), faults.no_body_end)
    assert_type(faults.close_idle_after(), faults.close_idle_after)
    assert_type(faults.close_idle_after(1).seconds, float)
