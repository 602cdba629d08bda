"""Genkit Python behind FastAPI and uvicorn, of today and up to release 0.6.

In: payloads, failures, paths. Out: `FASTAPI`, `FASTAPI_OLD`.
"""

from dataclasses import replace

from ..outcomes import Failure, dump
from ..wire import Headers, Reply
from .python import FRAMING, OLD_FRAMING, failure_json, loosely
from .table import EVENT_STREAM, Dialect, enveloped

SERVER: Headers = (("server", "uvicorn"),)
_NO_CALL = Failure("INVALID_ARGUMENT", 'Action request must be wrapped in {"data": ...} object')


def uvicorn_json(status: int, body: bytes, headers: Headers = ()) -> Reply:
    """What Starlette's JSONResponse sends."""
    return Reply(status, (*SERVER, *headers, ("content-type", "application/json")), body)


def uvicorn_error() -> Reply:
    """What Starlette answers to an exception that nobody caught."""
    return Reply(500, (*SERVER, ("content-type", "text/plain; charset=utf-8")), b"Internal Server Error")


def _denied(_streaming: bool) -> Reply:
    body = dump({"detail": "Not authenticated"})
    return uvicorn_json(401, body, (("www-authenticate", "Bearer"),))


def _unfit_body(value: object, _streaming: bool) -> Reply | None:
    """`{}` calls without input; anything else needs `data`."""
    if isinstance(value, dict) and (not value or "data" in value):
        return None
    return uvicorn_json(400, failure_json(_NO_CALL))


FASTAPI = Dialect(
    name="fastapi",
    framing=FRAMING,
    resuming=None,
    stream_headers=lambda _id, _resumed: (*SERVER, ("content-type", f"{EVENT_STREAM}; charset=utf-8")),
    result=lambda payload, _trace: uvicorn_json(200, enveloped(b"result", payload or b"null")),
    failure=lambda failure: uvicorn_json(500, failure_json(failure)),
    denied=_denied,
    unknown_path=lambda _method, _path: uvicorn_json(404, dump({"detail": "Not Found"})),
    malformed_body=lambda _reason: uvicorn_error(),
    unfit_body=_unfit_body,
    asks_for_stream=loosely,
    announces_keep_alive=False,
    keeps_alive=True,
    takes_empty_bodies=False,
    reads_chunked_bodies=True,
    # Starlette ends the response, but the flow is a task of its own, which goes on to its end.
    cancels_when_client_leaves=False,
    pings=False,
)

FASTAPI_OLD = replace(FASTAPI, name="fastapi-old", framing=OLD_FRAMING)
