"""Genkit JS behind Firebase's `onCallGenkit` (firebase-functions).

In: payloads, failures, paths. Out: `FIREBASE`.
"""

from typing import Any

from ..outcomes import UNAUTHENTICATED, Ending, Failure, Result, dump
from ..wire import Headers, Reply
from .express import POWERED, express_json, malformed_body, no_route
from .table import Dialect, Framing, enveloped, exactly, sse_chunk, sse_result

_HEADERS: Headers = (*POWERED, ("Vary", "Origin"))
_BAD_REQUEST = Failure("INVALID_ARGUMENT", "Bad Request")


def _failure_json(failure: Failure) -> bytes:
    """Only Firebase's HttpsError is shown, for which a flow's own failure stands here; Genkit's refusal of
    an input is as internal as any exception."""
    if not failure.public or failure.python:
        return dump({"error": {"message": "INTERNAL", "status": "INTERNAL"}})
    fields: dict[str, Any] = {"message": failure.message, "status": failure.status}
    return dump({"error": fields if failure.details is None else {"details": failure.details, **fields}})


def _failure(failure: Failure) -> Reply:
    status = 500 if failure.python else failure.http_status
    return express_json(status, _failure_json(failure), _HEADERS)


def _refused(failure: Failure, streaming: bool) -> Reply:
    """A stream's refusal is a stream, its status 200."""
    return Reply(200, _HEADERS, _ending(failure)) if streaming else _failure(failure)


def _unfit_body(value: object, streaming: bool) -> Reply | None:
    """`data`, which may be null, and nothing else beside it."""
    fits = isinstance(value, dict) and value.keys() == {"data"}
    return None if fits else _refused(_BAD_REQUEST, streaming)


def _ending(ending: Ending) -> bytes:
    if isinstance(ending, Result):
        return sse_result(ending.payload or b"null")
    return b"data: %b\n\n" % _failure_json(ending)


FIREBASE = Dialect(
    name="firebase",
    framing=Framing(chunk=sse_chunk, ending=_ending),
    resuming=None,
    stream_headers=lambda _id, _resumed: _HEADERS,
    result=lambda payload, _trace: express_json(200, enveloped(b"result", payload or b"null"), _HEADERS),
    failure=_failure,
    denied=lambda streaming: _refused(UNAUTHENTICATED, streaming),
    unknown_path=lambda method, path: no_route(POWERED, method, path),
    malformed_body=malformed_body,
    unfit_body=_unfit_body,
    asks_for_stream=exactly,
    announces_keep_alive=True,
    keeps_alive=True,
    takes_empty_bodies=True,
    reads_chunked_bodies=True,
    # The flow is given no signal, and goes on.
    cancels_when_client_leaves=False,
    pings=True,
)
