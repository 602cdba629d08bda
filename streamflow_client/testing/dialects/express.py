"""Genkit JS behind Express.

In: payloads, failures, paths. Out: `EXPRESS`, and what other servers in JavaScript say alike.
"""

import base64
import hashlib
import html
import secrets
from typing import Any

from ..outcomes import UNAUTHENTICATED, Ending, Failure, Result, dump
from ..wire import Headers, Reply
from .table import Dialect, Framing, Resuming, any_body, enveloped, exactly, sse_chunk, sse_result

POWERED: Headers = (("X-Powered-By", "Express"),)
_CORS: Headers = (*POWERED, ("Access-Control-Allow-Origin", "*"))
_PAGE: Headers = (
    ("Content-Security-Policy", "default-src 'none'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Type", "text/html; charset=utf-8"),
)
# The real traces lead through body-parser; their first frames are enough to look like one.
_PARSE_TRACE = (
    "<br> &nbsp; &nbsp;at JSON.parse (&lt;anonymous&gt;)"
    "<br> &nbsp; &nbsp;at parse (/srv/my_app/node_modules/body-parser/lib/types/json.js:96:19)"
    "<br> &nbsp; &nbsp;at /srv/my_app/node_modules/body-parser/lib/read.js:146:18"
)
_STREAM_TRACE = (
    "<br> &nbsp; &nbsp;at InMemoryStreamManager.subscribe "
    "(file:///srv/my_app/node_modules/@genkit-ai/core/lib/streaming.mjs:75:13)"
)


def html_error_page(text: str) -> bytes:
    """The page of Express's finalhandler around `text`, which is HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n'
        f"</head>\n<body>\n<pre>{text}</pre>\n</body>\n</html>\n"
    ).encode()


def etag(body: bytes) -> tuple[str, str]:
    """Express's weak ETag: the length in hexadecimal and 27 characters of the SHA-1."""
    digest = base64.b64encode(hashlib.sha1(body, usedforsecurity=False).digest()).decode()
    return ("ETag", f'W/"{len(body):x}-{digest[:27]}"')


def express_json(status: int, body: bytes, headers: Headers) -> Reply:
    """What `response.json()` sends after `headers`."""
    kind = ("Content-Type", "application/json; charset=utf-8")
    return Reply(status, (*headers, kind, etag(body)), body)


def callable_json(failure: Failure) -> bytes:
    """Genkit's `getCallableJSON`: only errors that it knows show what they say."""
    if not failure.public:
        return dump({"message": "Internal Error", "status": "INTERNAL"})
    fields: dict[str, Any] = {"status": failure.status, "message": failure.message}
    return dump(fields if failure.details is None else {"details": failure.details, **fields})


def no_route(headers: Headers, method: str, path: str) -> Reply:
    """Express's own 404."""
    page = html_error_page(f"Cannot {method} {html.escape(path)}")
    return Reply(404, (*headers, *_PAGE), page)


def malformed_body(reason: str) -> Reply:
    """The page of body-parser, which runs before any flow."""
    page = html_error_page(f"SyntaxError: {html.escape(reason)}{_PARSE_TRACE}")
    return Reply(400, (*POWERED, *_PAGE), page)


def stream_not_found_page(stream_id: str) -> Reply:
    """What Express answers to an unknown id where the app mixes ESM and CommonJS."""
    name = f"StreamNotFoundError: NOT_FOUND: Stream with id {html.escape(stream_id)} not found."
    return Reply(500, (*_CORS, *_PAGE), html_error_page(name + _STREAM_TRACE))


def _stream_headers(stream_id: str | None, resumed: bool) -> Headers:
    if resumed:
        return _CORS
    headers = (*_CORS, ("Content-Type", "text/plain"))
    return (*headers, ("x-genkit-stream-id", stream_id)) if stream_id else headers


def _result(payload: bytes, trace_id: str) -> Reply:
    span = (("x-genkit-trace-id", trace_id), ("x-genkit-span-id", secrets.token_hex(8)))
    return express_json(200, enveloped(b"result", payload), (*_CORS, *span))


def _failure(failure: Failure) -> Reply:
    return express_json(failure.http_status, callable_json(failure), _CORS)


def wrapped_ending(ending: Ending) -> bytes:
    """The last frame; a failure stands in a field named `error`, in an envelope of the same name."""
    if isinstance(ending, Result):
        return sse_result(ending.payload)
    return b'error: {"error":%b}\n\n' % callable_json(ending)


_FRAMING = Framing(chunk=sse_chunk, ending=wrapped_ending)

EXPRESS = Dialect(
    name="express",
    framing=_FRAMING,
    resuming=Resuming(_FRAMING, lambda _id: Reply(204, _CORS)),
    stream_headers=_stream_headers,
    result=_result,
    failure=_failure,
    denied=lambda _streaming: _failure(UNAUTHENTICATED),
    unknown_path=lambda method, path: no_route(_CORS, method, path),
    malformed_body=malformed_body,
    unfit_body=any_body,
    asks_for_stream=exactly,
    announces_keep_alive=True,
    keeps_alive=True,
    takes_empty_bodies=True,
    reads_chunked_bodies=True,
    cancels_when_client_leaves=False,
    pings=False,
)
