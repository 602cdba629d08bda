"""What failures say, in the words of every server and release.

In: JSON values and texts that are failures, or may be. Out: `Failure`s, with a canonical status where one is
told. Out of place here: where in a response they stand, and what to do about them.

Releases of Genkit that say it otherwise, each seen on a running server:

* Go 1.9 names the status of a stream's failure in the text only: `{"status": "INTERNAL_SERVER_ERROR",
  "message": "stream flow error", "details": "NOT_FOUND: no such dish"}`. Without a stream that text is the
  whole body, under HTTP 500.
* The reflection API of Go 1.9 gives an HTTP status as `code`.
* Reflection APIs write a status before the text, too: `"message": "NOT_FOUND: no such dish"`. That of
  JavaScript 1.6 answers a plain call with a bare `{"code": 13, "message": …, "details": …}` of HTTP 500.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import to_json

from ..jsonvalues import is_object

__all__ = [
    "GRPC_CODES",
    "Failure",
    "failure_of",
    "is_coded",
    "is_failure",
    "named_status",
    "names_status",
    "reflected_failure",
    "status_of_http",
    "told_by_text",
    "trace_id_of",
]

# https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto, by number
GRPC_CODES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND"),
    *("ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"),
    *("ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"),
    "UNAUTHENTICATED",
)

# The same file, and for the ranges the mapping of HTTP to gRPC in grpc/grpc
# doc/http-grpc-status-mapping.md and Google's API clients.
_STATUS_OF_HTTP = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    416: "OUT_OF_RANGE",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

_OTHER_NAMES = {"INTERNAL_SERVER_ERROR": "INTERNAL"}
_SAYS_NOTHING = frozenset(
    {"INTERNAL", "UNKNOWN"}
)  # what a server says that did not look at the flow's status
_TEXT_IN_DETAILS = "stream flow error"


@dataclass(frozen=True, slots=True)
class Failure:
    """The flow's own failure. `status` is a canonical gRPC code, or whatever the server wrote."""

    status: str
    message: str
    details: Any = None
    trace_id: str | None = None


def is_failure(value: Any) -> bool:
    """`{"error": …}`, or the same unwrapped."""
    return names_status(value) or (is_object(value) and value.get("error") is not None)


def names_status(value: Any) -> bool:
    """`{"status": …, "message": …}` with a canonical status: any other could be a chunk's."""
    return (
        is_object(value) and isinstance(value.get("message"), str) and value.get("status") in GRPC_CODES[1:]
    )


def is_coded(value: dict[str, Any]) -> bool:
    """`{"code": 13, "message": …}`, with a gRPC number."""
    code = value.get("code")
    return isinstance(value.get("message"), str) and isinstance(code, int) and _status_name(code) is not None


def named_status(inner: dict[str, Any]) -> str | None:
    """What a failure's own status or code says, in the server's word; None where it has neither."""
    return _status_name(inner.get("status")) or _status_name(inner.get("code"))


def failure_of(value: Any, status: str = "UNKNOWN") -> Failure:
    """`{"error": {…}}` or `{…}`; `status` is for one that names neither a status nor a code."""
    inner = value.get("error", value) if is_object(value) else value
    if not is_object(inner):
        return Failure(status, _text(inner))
    details, told = inner.get("details"), named_status(inner) or status
    failure = Failure(
        status=_OTHER_NAMES.get(told, told),
        message=_text(inner.get("message")),
        details=details,
        trace_id=trace_id_of(details),
    )
    if failure.message == _TEXT_IN_DETAILS and isinstance(details, str) and details:
        return told_by_text(replace(failure, message=details, details=None))
    return failure


def reflected_failure(value: Any) -> Failure:
    """The failure of an answer of the reflection API, `{"error": {"code": …, "message": …}}`."""
    inner = value.get("error") if is_object(value) else None
    code = inner.get("code") if is_object(inner) else None
    status = status_of_http(code) if isinstance(code, int) and 400 <= code < 600 else "UNKNOWN"
    return told_by_text(failure_of(value, status))


def told_by_text(failure: Failure) -> Failure:
    """The failure as its text tells it: `NOT_FOUND: no such dish`.

    The status in the text counts where the server's own says nothing; where they differ, nothing is changed.
    """
    name, _, message = failure.message.partition(": ")
    status = _OTHER_NAMES.get(name, name)
    if message and status in GRPC_CODES[1:] and failure.status in _SAYS_NOTHING | {status}:
        return replace(failure, status=status, message=message)
    return failure


def status_of_http(http_status: int) -> str:
    """The canonical status for an HTTP error status."""
    default = "FAILED_PRECONDITION" if http_status < 500 else "INTERNAL"
    return _STATUS_OF_HTTP.get(http_status, default)


def _status_name(told: Any) -> str | None:
    """A name as it is; a gRPC number by its name. An HTTP status is neither, and OK no failure."""
    if isinstance(told, str):
        return told or None
    is_code = isinstance(told, int) and not isinstance(told, bool) and 0 < told < len(GRPC_CODES)
    return GRPC_CODES[told] if is_code else None


def trace_id_of(value: Any) -> str | None:
    """The trace that `telemetry`, or the details of an error, name."""
    found = value.get("traceId") if is_object(value) else None
    return found if isinstance(found, str) else None


def _text(value: Any) -> str:
    """The server's words; anything but a text as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else to_json(value).decode()
