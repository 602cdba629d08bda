"""What an HTTP response without frames means: failures, error pages, encodings.

In: status, headers and body bytes. Out: a `Failure` with a canonical status, or decoded bytes.
Out of place here: what to do about it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any

from pydantic_core import from_json

from .frames import Failure, Malformed, failure_of

# https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto, and for the ranges the
# mapping of HTTP to gRPC in grpc/grpc doc/http-grpc-status-mapping.md and Google's API clients.
_STATUS_OF_HTTP = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    416: "OUT_OF_RANGE",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

# Answers of the HTTP layer in front of the flow: it did not run.
_NEVER_RAN = frozenset({404, 405, 406, 411, 413, 414, 415, 417, 421, 426, 431})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A response with an HTTP error status.

    `from_flow` says that the body is a failure of the callable protocol, so that the flow itself (or
    the framework on its behalf) spoke, not a proxy; `may_have_run` is False only where it cannot have.
    """

    failure: Failure
    from_flow: bool
    may_have_run: bool


def refusal_of(status: int, reason: str, body: bytes) -> Refusal:
    """What a response with an HTTP error status says."""
    line = f"HTTP {status} {reason}".strip()
    value = _json_object(body)
    if value is not None and _is_failure(value):
        return Refusal(failure_of(value), from_flow=True, may_have_run=True)
    html = is_html(body)
    if value is not None:
        failure = Failure(_status(status), _told(value) or line, details=value)
    elif html:
        failure = Failure(_status(status), f"{line}: {_title(body)}" if _title(body) else line)
    else:
        failure = Failure(_status(status), body.decode("utf-8", "replace").strip() or line)
    never = status < 500 and (html or status in _NEVER_RAN)
    return Refusal(failure, from_flow=False, may_have_run=not never)


def _status(http_status: int) -> str:
    default = "FAILED_PRECONDITION" if http_status < 500 else "INTERNAL"
    return _STATUS_OF_HTTP.get(http_status, default)


def _is_failure(value: dict[str, Any]) -> bool:
    return isinstance(value.get("error"), dict) or (
        isinstance(value.get("status"), str) and isinstance(value.get("message"), str)
    )


def _told(value: dict[str, Any]) -> str:
    """FastAPI says `detail`, others `message` or `error`."""
    texts = (value.get(key) for key in ("detail", "message", "error"))
    return next((text for text in texts if isinstance(text, str)), "")


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        value = from_json(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def is_html(body: bytes) -> bool:
    """Judged by the first character, since servers label anything as anything."""
    return body.lstrip().startswith(b"<")


_TITLE = re.compile(rb"<title[^>]*>\s*([^<]{1,200})", re.IGNORECASE)


def _title(body: bytes) -> str:
    """The title of an error page; the page itself may hold a stack trace and is never shown."""
    match = _TITLE.search(body[:4096])
    return unescape(match[1].decode("utf-8", "replace").strip()) if match else ""


_DIGITS = re.compile(r"\d{1,9}", re.ASCII)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header given as a number; None where there is none."""
    value = headers.get("retry-after", "").strip()
    return float(value) if _DIGITS.fullmatch(value) else None


class Plain:
    """The body as it is."""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield data


_PIECE = 64 * 1024


class Inflate:
    """A compressed body that was not asked for, decoded in pieces so that limits hold on what comes out."""

    def __init__(self, wbits: int) -> None:
        self._inflate = zlib.decompressobj(wbits)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Raises: Malformed."""
        while data:
            try:
                piece = self._inflate.decompress(data, _PIECE)
            except zlib.error as error:
                raise Malformed(f"the compressed body is broken ({error})", data) from None
            if piece:
                yield piece
            data = self._inflate.unconsumed_tail


def body_decoder(headers: Mapping[str, str]) -> Plain | Inflate:
    """Raises: Malformed: an encoding that was not asked for and is not known."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return Plain()
    if encoding in ("gzip", "x-gzip", "deflate"):
        return Inflate(zlib.MAX_WBITS | 32)  # 32: gzip and zlib headers are told apart
    raise Malformed(f"unexpected Content-Encoding {encoding!r} (identity was asked for)", b"")
