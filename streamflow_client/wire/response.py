"""What an HTTP response without frames means: failures, error pages, encodings.

In: status, headers and body bytes. Out: a `Failure` with a canonical status, or decoded bytes.
Out of place here: what to do about it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ..jsonvalues import is_list, is_object, read_json
from ..text import shown
from .failures import (
    GRPC_CODES,
    Failure,
    failure_of,
    is_coded,
    named_status,
    names_status,
    status_of_http,
    told_by_text,
)
from .frames import Malformed

# No gRPC code becomes one of these, so the HTTP layer in front of the flow said it.
_NEVER_FLOWS = frozenset({405, 406, 411, 413, 414, 415, 417, 421, 422, 426, 431})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A response with an HTTP error status.

    `from_flow` says that the body is a failure of the callable protocol, so that the flow itself (or
    the framework on its behalf) spoke, not a proxy; `may_have_run` is False only where it cannot
    have.
    """

    failure: Failure
    from_flow: bool
    may_have_run: bool


def refusal_of(status: int, reason: str, body: bytes) -> Refusal:
    """What a response with an HTTP error status says."""
    body = body.removeprefix(_BOM)
    value = _json_object(_frame_content(body))
    if value is not None and _from_flow(value):
        return Refusal(failure_of(value, status_of_http(status)), from_flow=True, may_have_run=True)
    line = f"HTTP {status} {reason}".strip()
    page = is_html(body)
    text = "" if page else body.decode("utf-8", "replace").strip()
    if value is not None:
        message = _told(value) or line
    elif page:
        title = _title(body)
        message = f"{line}: {title}" if title else line
    else:
        message = text or line
    never_ran = status < 500 and (
        page or status in _NEVER_FLOWS or (status == 404 and _is_no_route(value, text))
    )
    failure = Failure(status_of_http(status), message, details=value)
    if value is None and not page:
        failure = told_by_text(failure)
    elif value is not None and status == 500 and is_coded(value):  # elsewhere a small number may be anyone's
        failure = told_by_text(replace(failure_of(value), message=message))
    return Refusal(failure, from_flow=False, may_have_run=not never_ran)


def _from_flow(value: dict[str, Any]) -> bool:
    """Gateways also say `error` or `status`, but not with a canonical status or a gRPC code."""
    inner = value.get("error")
    if not is_object(inner):
        return names_status(value)
    return named_status(inner) in GRPC_CODES[1:]


def _told(value: dict[str, Any]) -> str:
    """FastAPI says `detail`, others `message` or `error`."""
    inner = value.get("error")
    places = [value, inner] if is_object(inner) else [value]
    texts = [place.get(key) for place in places for key in ("detail", "message", "error")]
    return next((text for text in texts if isinstance(text, str)), "") or _complaints(value.get("detail"))


def _complaints(detail: Any) -> str:
    """FastAPI's validation of a request: `[{"loc": ["body", "data"], "msg": "Field required"}]`."""
    return "; ".join(
        f"{'.'.join(map(str, _list(line.get('loc'))))}: {line['msg']}"
        for line in _list(detail)
        if is_object(line) and isinstance(line.get("msg"), str)
    )


def _list(value: Any) -> list[Any]:
    return value if is_list(value) else []


def _is_no_route(value: dict[str, Any] | None, text: str) -> bool:
    """A 404 of the router. Go writes a flow's own NOT_FOUND as plain text too."""
    return value is not None or _NO_ROUTE.fullmatch(text) is not None


# Go's net/http; Genkit's reflection API
_NO_ROUTE = re.compile(r"404 page not found|action \S+ not found|")


_FRAME = re.compile(rb"\s*(?:error|data):(.*)")


def _frame_content(body: bytes) -> bytes:
    """Genkit's handler for Next.js refuses a stream by a frame, though its HTTP status says it too."""
    frame = _FRAME.match(body)
    return frame[1] if frame else body


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        value = read_json(body)
    except ValueError:
        return None
    return value if is_object(value) else None


_BOM = b"\xef\xbb\xbf"


def is_html(body: bytes) -> bool:
    """Judged by the first character, since servers label anything as anything."""
    return body.removeprefix(_BOM).lstrip().startswith(b"<")


_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", re.IGNORECASE)


def _title(body: bytes) -> str:
    """The title of an error page; the page itself may hold a stack trace and is never shown."""
    from html import unescape  # a table of 2,231 entities

    match = _TITLE.search(body[:4096])
    return " ".join(unescape(match[1].decode("utf-8", "replace")).split()) if match else ""


# --- headers --------------------------------------------------------------------------------------

_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# RFC 9110, 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`, the only form that may be written
_DATE = re.compile(rf"\w{{3}}, (\d\d) ({'|'.join(_MONTHS)}) (\d{{4}}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header; None where there is none that can be understood.

    A date is taken relative to the response's own Date: our clock may be another.
    """
    value = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    then, now = _date(value), _date(headers.get("date", "").strip())
    return None if then is None or now is None else max(0.0, (then - now).total_seconds())


def _date(value: str) -> datetime | None:
    match = _DATE.fullmatch(value)
    if match is None:
        return None
    day, _, year, hour, minute, second = match.groups()
    month = _MONTHS.index(match[2]) + 1
    try:
        return datetime(int(year), month, int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:  # 31 February; a leap second
        return None


# --- encodings ------------------------------------------------------------------------------------


class Plain:
    """The body as it is."""

    def pieces(self, data: bytes) -> Iterable[bytes]:
        return (data,)


_PIECE = 64 * 1024


class Inflate:
    """A compressed body that was not asked for, in pieces, so that limits hold on what comes out."""

    def __init__(self, wbits: int) -> None:
        self._wbits = wbits
        self._inflate = zlib.decompressobj(wbits)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Raises: Malformed."""
        more = bool(data)
        while more:
            if self._inflate.eof:  # RFC 1952, 2.2: a gzip file is one member after another
                self._inflate = zlib.decompressobj(self._wbits)
            try:
                piece = self._inflate.decompress(data, _PIECE)
            except zlib.error as error:
                raise Malformed(f"the compressed body is broken ({error})", data) from None
            if piece:
                yield piece
            data = self._inflate.unconsumed_tail or self._inflate.unused_data
            more = bool(data) or len(piece) == _PIECE  # zlib may hold back the rest of a match


def body_decoder(headers: Mapping[str, str]) -> Plain | Inflate:
    """Raises: Malformed: an encoding that was not asked for and is not known."""
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return Plain()
    if encoding in ("gzip", "x-gzip", "deflate"):
        return Inflate(zlib.MAX_WBITS | 32)  # 32: gzip and zlib headers are told apart
    told = shown(repr(encoding))
    raise Malformed(f"unexpected Content-Encoding {told} (identity was asked for)", b"")
