"""Genkit Go behind net/http, as since 1.12: failures have no details, and only public ones their own words.

In: payloads, failures, paths. Out: `GO`.
"""

from ..outcomes import UNAUTHENTICATED, Ending, Failure, Result, dump
from ..wire import Headers, Reply
from .table import (
    EVENT_STREAM,
    Dialect,
    Framing,
    Resuming,
    any_body,
    enveloped,
    exactly,
    sse_chunk,
    sse_result,
)


def _plain_text(status: int, text: str) -> Reply:
    """Go's http.Error."""
    headers = (
        ("Content-Type", "text/plain; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
    )
    return Reply(status, headers, f"{text}\n".encode())


def _stream_headers(stream_id: str | None, resumed: bool) -> Headers:
    headers = (("Cache-Control", "no-cache"), ("Content-Type", EVENT_STREAM))
    return (*headers, ("X-Genkit-Stream-Id", stream_id)) if stream_id and not resumed else headers


def _result(payload: bytes, trace_id: str) -> Reply:
    # A Go nil is null; there is no undefined.
    body = enveloped(b"result", payload or b"null") + b"\n"
    return Reply(200, (("Content-Type", "application/json"),), body)


def _failure(failure: Failure) -> Reply:
    return _plain_text(failure.http_status, _words(failure))


def _words(failure: Failure) -> str:
    if failure.public and not failure.python:
        return failure.message
    return failure.status.lower().replace("_", " ")


def _ending(ending: Ending) -> bytes:
    if isinstance(ending, Result):
        return sse_result(ending.payload or b"null")
    return b'data: {"error":%b}\n\n' % dump({"status": ending.status, "message": _words(ending)})


_FRAMING = Framing(chunk=lambda payload: sse_chunk(payload or b"null"), ending=_ending)

GO = Dialect(
    name="go",
    framing=_FRAMING,
    resuming=Resuming(_FRAMING, lambda _id: Reply(204)),
    stream_headers=_stream_headers,
    result=_result,
    failure=_failure,
    denied=lambda _streaming: _failure(UNAUTHENTICATED),
    unknown_path=lambda _method, _path: _plain_text(404, "404 page not found"),
    malformed_body=lambda reason: _plain_text(400, reason),
    unfit_body=any_body,
    asks_for_stream=exactly,
    announces_keep_alive=False,
    keeps_alive=True,
    takes_empty_bodies=True,
    reads_chunked_bodies=False,
    cancels_when_client_leaves=True,
    pings=False,
)
