"""How each kind of server speaks the callable protocol: one table of functions a dialect.

In: payloads as JSON bytes, failures, paths. Out: frames and replies as bytes.
A new dialect is a `replace(EXPRESS, …)` of a few lines. Sockets, flows and faults do not belong
here.
"""

import base64
import hashlib
import html
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from .outcomes import Ending, Failure, Result, dump
from .wire import Headers, Reply

DialectName = Literal["express", "go"]


@dataclass(frozen=True, slots=True)
class Framing:
    """The frames of a stream. An empty frame is not sent."""

    chunk: Callable[[bytes], bytes]
    ending: Callable[[Ending], bytes]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One kind of server. The functions are given payloads that are empty for JavaScript's
    `undefined`."""

    name: str
    framing: Framing
    stream_headers: Callable[[str | None, bool], Headers]
    """(stream id, resumed) → headers of a stream."""
    result: Callable[[bytes, str], Reply]
    """(payload, trace id) → a plain response."""
    failure: Callable[[Failure], Reply]
    unknown_path: Callable[[str, str], Reply]
    """(method, path) → 404."""
    malformed_body: Callable[[str], Reply]
    """(reason) → 400."""
    unknown_stream: Callable[[str], Reply]
    """(stream id) → the answer to a resume that comes too late."""
    announces_keep_alive: bool
    reads_chunked_bodies: bool
    cancels_when_client_leaves: bool
    describes_chunks: bool
    """/api/actions holds a streamSchema."""


def enveloped(key: bytes, payload: bytes) -> bytes:
    """`{"key":payload}`; JSON.stringify leaves an undefined field out."""
    return b'{"%b":%b}' % (key, payload) if payload else b"{}"


def _failure_fields(failure: Failure) -> dict[str, Any]:
    fields = {"status": failure.status, "message": failure.message}
    return fields if failure.details is None else {"details": failure.details, **fields}


def html_error_page(text: str) -> bytes:
    """The page of Express's finalhandler around `text`, which is HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n'
        f"</head>\n<body>\n<pre>{text}</pre>\n</body>\n</html>\n"
    ).encode()


# --- Express (Genkit JS) ---

_EXPRESS: Headers = (("X-Powered-By", "Express"),)
_CORS: Headers = (*_EXPRESS, ("Access-Control-Allow-Origin", "*"))
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


def etag(body: bytes) -> tuple[str, str]:
    """Express's weak ETag: the length in hexadecimal and 27 characters of the SHA-1."""
    digest = base64.b64encode(hashlib.sha1(body, usedforsecurity=False).digest()).decode()
    return ("ETag", f'W/"{len(body):x}-{digest[:27]}"')


def _express_json(status: int, body: bytes, extra: Headers = ()) -> Reply:
    kind = ("Content-Type", "application/json; charset=utf-8")
    return Reply(status, (*_CORS, *extra, kind, etag(body)), body)


def _express_failure_json(failure: Failure) -> bytes:
    if failure.public:
        return dump(_failure_fields(failure))
    return dump({"message": "Internal Error", "status": "INTERNAL"})


def _express_stream_headers(stream_id: str | None, resumed: bool) -> Headers:
    if resumed:
        return _CORS
    headers = (*_CORS, ("Content-Type", "text/plain"))
    return (*headers, ("x-genkit-stream-id", stream_id)) if stream_id else headers


def _express_result(payload: bytes, trace_id: str) -> Reply:
    span = (("x-genkit-trace-id", trace_id), ("x-genkit-span-id", secrets.token_hex(8)))
    return _express_json(200, enveloped(b"result", payload), span)


def _express_failure(failure: Failure) -> Reply:
    return _express_json(failure.http_status, _express_failure_json(failure))


def _express_unknown_path(method: str, path: str) -> Reply:
    page = html_error_page(f"Cannot {method} {html.escape(path)}")
    return Reply(404, (*_CORS, *_PAGE), page)


def _express_malformed_body(reason: str) -> Reply:
    page = html_error_page(f"SyntaxError: {html.escape(reason)}{_PARSE_TRACE}")
    return Reply(400, (*_EXPRESS, *_PAGE), page)


def _express_ending(ending: Ending) -> bytes:
    if isinstance(ending, Result):
        return b"data: %b\n\n" % enveloped(b"result", ending.payload)
    return b'error: {"error":%b}\n\n' % _express_failure_json(ending)


def sse_chunk(payload: bytes) -> bytes:
    """A chunk's event, the same in every dialect."""
    return b"data: %b\n\n" % enveloped(b"message", payload)


def stream_not_found_page(stream_id: str) -> Reply:
    """What Express answers to an unknown id where the app mixes ESM and CommonJS."""
    name = f"StreamNotFoundError: NOT_FOUND: Stream with id {html.escape(stream_id)} not found."
    return Reply(500, (*_CORS, *_PAGE), html_error_page(name + _STREAM_TRACE))


EXPRESS = Dialect(
    name="express",
    framing=Framing(chunk=sse_chunk, ending=_express_ending),
    stream_headers=_express_stream_headers,
    result=_express_result,
    failure=_express_failure,
    unknown_path=_express_unknown_path,
    malformed_body=_express_malformed_body,
    unknown_stream=lambda _: Reply(204, _CORS),
    announces_keep_alive=True,
    reads_chunked_bodies=True,
    cancels_when_client_leaves=False,
    describes_chunks=False,
)


# --- Go (net/http) ---


def plain_text(status: int, text: str) -> Reply:
    """Go's http.Error."""
    headers = (
        ("Content-Type", "text/plain; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
    )
    return Reply(status, headers, f"{text}\n".encode())


def _go_stream_headers(stream_id: str | None, resumed: bool) -> Headers:
    headers = (("Cache-Control", "no-cache"), ("Content-Type", "text/event-stream"))
    return (*headers, ("X-Genkit-Stream-Id", stream_id)) if stream_id and not resumed else headers


def _go_result(payload: bytes, trace_id: str) -> Reply:
    # A Go nil is null; there is no undefined.
    body = enveloped(b"result", payload or b"null") + b"\n"
    return Reply(200, (("Content-Type", "application/json"),), body)


def _go_ending(ending: Ending) -> bytes:
    if isinstance(ending, Result):
        return b"data: %b\n\n" % enveloped(b"result", ending.payload or b"null")
    return b'data: {"error":%b}\n\n' % dump(_go_failure_fields(ending))


def _go_failure_fields(failure: Failure) -> dict[str, Any]:
    fields = {"status": failure.status, "message": failure.message}
    return fields if failure.details is None else {**fields, "details": failure.details}


GO = Dialect(
    name="go",
    framing=Framing(chunk=lambda payload: sse_chunk(payload or b"null"), ending=_go_ending),
    stream_headers=_go_stream_headers,
    result=_go_result,
    failure=lambda failure: plain_text(failure.http_status, failure.message),
    unknown_path=lambda _method, _path: plain_text(404, "404 page not found"),
    malformed_body=lambda reason: plain_text(400, reason),
    unknown_stream=lambda _: Reply(204),
    announces_keep_alive=False,
    reads_chunked_bodies=False,
    cancels_when_client_leaves=True,
    describes_chunks=True,
)

DIALECTS: dict[DialectName, Dialect] = {"express": EXPRESS, "go": GO}
