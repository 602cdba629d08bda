"""Genkit JS behind Next's route handlers (@genkit-ai/next).

In: payloads, failures, paths. Out: `NEXT`.
"""

from ..outcomes import UNAUTHENTICATED, Ending, Failure, Result
from ..wire import Headers, Reply
from .express import callable_json, wrapped_ending
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

_JSON: Headers = (("Content-Type", "application/json"),)
_TEXT: Headers = (("Content-Type", "text/plain;charset=UTF-8"),)
_HTML: Headers = (("X-Powered-By", "Next.js"), ("Content-Type", "text/html; charset=utf-8"))
# The real page carries its scripts; its title is what tells it.
_NOT_FOUND = (
    b'<!DOCTYPE html><html lang="en"><head><meta charSet="utf-8"/>'
    b"<title>404: This page could not be found.</title></head><body><h1>404</h1>"
    b"<h2>This page could not be found.</h2></body></html>"
)
_END = b"END"


def _stream_headers(stream_id: str | None, resumed: bool) -> Headers:
    headers = (("Content-Type", EVENT_STREAM), ("Cache-Control", "no-cache"))
    return (*headers, ("x-genkit-stream-id", stream_id)) if stream_id else headers


def _result(payload: bytes, trace_id: str) -> Reply:
    return Reply(200, _JSON, enveloped(b"result", payload))


def _failure(failure: Failure) -> Reply:
    return Reply(failure.http_status, _JSON, b'{"error":%b}' % callable_json(failure))


def _bare_failure(failure: Failure) -> bytes:
    return b"error: %b\n\n" % callable_json(failure) + _END


def _denied(streaming: bool) -> Reply:
    if not streaming:
        return _failure(UNAUTHENTICATED)
    return Reply(UNAUTHENTICATED.http_status, _TEXT, _bare_failure(UNAUTHENTICATED))


def _ending(ending: Ending) -> bytes:
    return sse_result(ending.payload) + _END if isinstance(ending, Result) else _bare_failure(ending)


# Only a resumed stream wraps its failure.
_REPLAY = Framing(chunk=sse_chunk, ending=lambda ending: wrapped_ending(ending) + _END)

NEXT = Dialect(
    name="next",
    framing=Framing(chunk=sse_chunk, ending=_ending),
    resuming=Resuming(_REPLAY, lambda _id: Reply(204)),
    stream_headers=_stream_headers,
    result=_result,
    failure=_failure,
    denied=_denied,
    unknown_path=lambda _method, _path: Reply(404, _HTML, _NOT_FOUND),
    # `await req.json()` stands outside of every `try`, and Next answers to what a route throws.
    malformed_body=lambda _reason: Reply(500),
    unfit_body=any_body,
    asks_for_stream=exactly,
    announces_keep_alive=True,
    keeps_alive=True,
    takes_empty_bodies=False,
    reads_chunked_bodies=True,
    # The flow's abort signal is set (`call.client_gone`); the flow itself goes on.
    cancels_when_client_leaves=False,
    pings=False,
)
