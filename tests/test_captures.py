"""Every recorded response of a real server decodes to what that server meant, however it was cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zlib import crc32

import pytest

from conftest import CAPTURES
from pure_calls import Heard, cuts, hear, parsed
from streamflow_client.errors import (
    FailedPreconditionError,
    FlowStatusError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    StreamExpiredError,
    UnauthenticatedError,
)
from streamflow_client.ticket import Ticket

JS = "café 日本"
JS_ITEMS = [
    {"name": f"{JS} dish {n} ünïcødé 日本\u2028x", "price": price} for n, price in enumerate((0, 1.5, 3))
]
PY_ITEMS = [{"name": f"{JS} \u2028 日本 {n}", "price": 1.5 * n} for n in range(3)]
X_ITEMS = [{"name": f"x dish {n} ünïcødé 日本\u2028x", "price": 1.5 * n} for n in range(2)]
XPY_ITEMS = [{"name": f"x \u2028 日本 {n}", "price": 1.5 * n} for n in range(2)]
INVALID = "1 validation error for Menu\ntheme\n  Input should be a valid string"


class Fails:
    """A failure: its class, HTTP status, how its message begins, its details."""

    def __init__(
        self,
        kind: type[FlowStatusError],
        http_status: int,
        message: str,
        details: Any = None,
        *,
        ran: bool = True,
    ) -> None:
        self.kind = kind
        self.facts = (http_status, details, ran)
        self.message = message

    def __eq__(self, other: object) -> bool:
        if type(other) is not self.kind or not isinstance(other, FlowStatusError):
            return False
        facts = (other.http_status, other.details, other.work_may_have_run)
        return facts == self.facts and other.message.startswith(self.message)

    __hash__ = None  # type: ignore[assignment]  # it compares with errors, which have another hash

    def __repr__(self) -> str:
        return f"Fails({self.kind.__name__}, {self.message!r}, {self.facts})"


STREAMS: dict[str, tuple[list[Any], Any]] = {
    "express-durable-stream": ([0, 1, 2, 3], "done"),
    "express-esm-stream-failed": ([0, 1], Fails(InternalError, 200, "Internal Error")),
    "express-stream": (JS_ITEMS, {"title": JS, "items": JS_ITEMS}),
    "express-stream-failed": (
        [0, 1, 2],
        Fails(FailedPreconditionError, 200, "kaboom", {"why": "test"}),
    ),
    "express-stream-undefined": ([1, None, None], None),
    "fastapi-stream": (PY_ITEMS, {"title": JS, "items": PY_ITEMS}),
    "fastapi-stream-failed": ([0, 1, 2], Fails(InternalError, 200, "None", {"stack": None})),
    "fastapi-stream-invalid": ([], Fails(InternalError, 200, INVALID, {"stack": ""})),
    "flask-stream": ([0, 1, 2], "done"),
    "flask-stream-failed": ([0, 1], Fails(InternalError, 200, "kaboom", {"stack": ""})),
    "reflection-js-stream": (X_ITEMS, {"title": "x", "items": X_ITEMS}),
    "reflection-js-stream-failed": ([0, 1], ...),
    "reflection-py-stream": (XPY_ITEMS, {"title": "x", "items": XPY_ITEMS}),
    "reflection-py-stream-failed": (
        [0, 1],
        Fails(FailedPreconditionError, 200, "kaboom", {"stack": "", "traceId": None}),
    ),
}
UNARY: dict[str, Any] = {
    "express-malformed-body": Fails(InvalidArgumentError, 400, "HTTP 400 Bad Request: Error", ran=False),
    "express-no-such-flow": Fails(NotFoundError, 404, "HTTP 404 Not Found: Error", ran=False),
    "express-unary": {"title": JS, "items": JS_ITEMS[:2]},
    "express-unary-failed": Fails(FailedPreconditionError, 400, "kaboom", {"why": "test"}),
    "express-unary-invalid": ...,
    "express-unary-unauthenticated": Fails(UnauthenticatedError, 401, "Unauthenticated"),
    "express-unary-undefined": None,
    "fastapi-unary": {
        "title": JS,
        "items": [{"name": f"{JS} \u2028 日本 {n}", "price": 1.5 * n} for n in range(2)],
    },
    "fastapi-unary-invalid": Fails(InternalError, 500, INVALID, {"stack": ""}),
    "flask-unary-failed": Fails(InternalError, 500, "kaboom", {"stack": ""}),
    "reflection-js-unary": "hi",
    "reflection-js-unary-failed": ...,
    "reflection-js-unknown": Fails(NotFoundError, 404, "action /flow/nope not found", ran=False),
}
RESUMED = {"express-durable-resumed", "express-esm-unknown-id", "express-stream-unknown-id"}

Capture = Callable[[str], bytes]


def replay(capture: Capture, name: str, *, streaming: bool, ticket: Ticket | None = None) -> Heard:
    response = parsed(capture(f"{name}.http"))
    return again(response, [response.body], name, streaming=streaming, ticket=ticket)


def again(
    response: Any, pieces: list[bytes], name: str, *, streaming: bool, ticket: Ticket | None = None
) -> Heard:
    return hear(
        pieces,
        status=response.status,
        reason=response.reason,
        headers=response.headers,
        protocol="reflection" if name.startswith("reflection") else "callable",
        streaming=streaming,
        resume=ticket,
    )


def test_every_capture_is_in_a_table() -> None:
    names = {path.stem for path in CAPTURES.glob("*.http")}
    assert names == STREAMS.keys() | UNARY.keys() | RESUMED


@pytest.mark.parametrize("name", STREAMS)
def test_streams(name: str, capture: Capture) -> None:
    chunks, end = STREAMS[name]
    heard = replay(capture, name, streaming=True)
    assert heard.chunks == chunks
    assert heard.notes == []
    if end is not ...:
        assert heard.end == end


@pytest.mark.parametrize("name", [*STREAMS, "express-durable-resumed"])
def test_streams_in_any_pieces(name: str, capture: Capture) -> None:
    ticket = _ticket(2) if name == "express-durable-resumed" else None
    whole = replay(capture, name, streaming=True, ticket=ticket)
    response = parsed(capture(f"{name}.http"))
    for pieces in cuts(response.body):
        heard = again(response, pieces, name, streaming=True, ticket=ticket)
        assert heard.same_as(whole), pieces


@pytest.mark.parametrize("name", UNARY)
def test_unary_answers(name: str, capture: Capture) -> None:
    heard = replay(capture, name, streaming=False)
    assert heard.chunks == []
    if UNARY[name] is not ...:
        assert heard.end == UNARY[name]


def test_an_invalid_input_has_details(capture: Capture) -> None:
    error = replay(capture, "express-unary-invalid", streaming=False).error
    assert isinstance(error, InvalidArgumentError)
    assert error.details["errors"] == [{"path": "theme", "message": "must be string"}]
    assert error.message.startswith("Schema validation failed. Parse Errors:\n\n- theme:")
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("name", "streaming"),
    [("reflection-js-stream-failed", True), ("reflection-js-unary-failed", False)],
)
def test_reflection_failures_tell_their_trace(name: str, streaming: bool, capture: Capture) -> None:
    error = replay(capture, name, streaming=streaming).error
    assert isinstance(error, FailedPreconditionError)
    assert error.message == "kaboom"
    assert error.details["stack"].startswith("UserFacingError")
    header = parsed(capture(f"{name}.http")).headers["x-genkit-trace-id"]
    assert error.trace_id == error.details["traceId"] == header


def test_the_trace_id_comes_from_headers_or_the_envelope(capture: Capture) -> None:
    assert replay(capture, "reflection-py-stream", streaming=True).session.trace_id == (
        "1eb9eac0593557adc5d16dc861e00071"
    )
    assert replay(capture, "express-unary", streaming=False).session.trace_id == (
        "b7de0e01ca50eff7e42c03334e34f2c0"
    )


def test_a_stream_id_makes_a_ticket(capture: Capture) -> None:
    heard = replay(capture, "express-durable-stream", streaming=True)
    ticket = heard.session.ticket()
    assert ticket is not None
    assert (ticket.stream_id, ticket.received) == ("626051ec-5868-4617-a4cb-a5997ee5de93", 0)


def _ticket(received: int) -> Ticket:
    digest = crc32(b"".join(b"%d" % n for n in range(received)))
    return Ticket("http://h:80", "f", "626051ec-5868-4617-a4cb-a5997ee5de93", received, digest)


@pytest.mark.parametrize("received", range(5))
def test_resuming_delivers_what_is_new(received: int, capture: Capture) -> None:
    heard = replay(capture, "express-durable-resumed", streaming=True, ticket=_ticket(received))
    assert (heard.chunks, heard.end) == (list(range(received, 4)), "done")
    assert heard.notes == []


@pytest.mark.parametrize("name", ["express-esm-unknown-id", "express-stream-unknown-id"])
def test_an_unknown_stream_has_expired(name: str, capture: Capture) -> None:
    heard = replay(capture, name, streaming=True, ticket=_ticket(2))
    assert isinstance(heard.end, StreamExpiredError)
    assert "node_modules" not in str(heard.end)
