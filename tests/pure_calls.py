"""Calls through the pure core alone: a response goes in, what a caller would see comes out.

No socket, no clock: the response's bytes are handed to a `Session` in whatever pieces a test wants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from hypothesis import settings

from streamflow_client.call import Call, Done, Failed, Faulty, Limits, Unfit
from streamflow_client.errors import FlowError
from streamflow_client.options import Retry, Timeout
from streamflow_client.session import Session
from streamflow_client.ticket import Ticket
from streamflow_client.wire.codec import Codec
from streamflow_client.wire.request import PROTOCOLS, ProtocolName

repeatable = settings(derandomize=True, deadline=None)  # a property tries the same examples every time
LIMITS = Limits(event=1 << 20, response=1 << 20)


@dataclass
class Heard:
    """What a caller hears: chunks (an error for one of another type), then an output or an error."""

    chunks: list[Any]
    end: Any
    notes: list[str]
    session: Session[Any, Any]

    @property
    def error(self) -> FlowError:
        assert isinstance(self.end, FlowError), self.end
        return self.end

    def same_as(self, other: Heard) -> bool:
        return (self.told, self.notes) == (other.told, other.notes)

    @property
    def told(self) -> tuple[Any, ...]:
        """All of it as values that compare, errors by what they say."""
        return [_plain(chunk) for chunk in self.chunks], _plain(self.end)


def _plain(value: Any) -> Any:
    if not isinstance(value, FlowError):
        return value
    facts = {key: item for key, item in vars(value).items() if key not in NOT_COMPARED}
    return type(value).__name__, facts


NOT_COMPARED = {"timeline", "validation_error"}


def flat(found: Iterable[Any]) -> list[Any]:
    """Events or frames one by one: a run of plain ones is a list."""
    return [each for item in found for each in (item if isinstance(item, list) else [item])]


class Response(NamedTuple):
    """A response whose body needs no more decoding."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


def parsed(raw: bytes) -> Response:
    """A recorded response: status line, headers, and a body without HTTP/1.1's chunking."""
    head, _, body = raw.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    _, status, reason = line.split(" ", 2)
    headers = dict(field.split(": ", 1) for field in fields)
    return Response(int(status), reason, {k.lower(): v for k, v in headers.items()}, body)


def hear(
    pieces: Iterable[bytes],
    *,
    status: int = 200,
    reason: str = "OK",
    headers: Mapping[str, str] | None = None,
    protocol: ProtocolName = "callable",
    streaming: bool = True,
    chunk: Any = Any,
    output: Any = Any,
    strict: bool = False,
    resume: Ticket | None = None,
    retry: Retry | None = None,
    limits: Limits = LIMITS,
    drain: bool = False,
) -> Heard:
    """One call whose response is this."""
    call = Call("f", "http://h:80", "http://h/f", PROTOCOLS[protocol], b"{}", streaming, resume)
    codec = Codec[Any, Any, Any]("f", Any, chunk, output, strict=strict)
    session = Session(
        call,
        codec,
        timeout=Timeout(),
        retry=retry,
        limits=limits,
        delay=lambda attempt: 0.0,
        key="",
    )
    session.step(0.0)
    session.connected(0.0, reused=False)
    if drain:
        session.drain()
    session.head(status, reason, headers or {}, 0.0)
    for piece in pieces:
        if session.outcome is None:
            session.data(piece, 0.0)
    if session.outcome is None:
        session.eof(0.0)
    chunks = [item.error if isinstance(item, Faulty) else item for item in session.ready]
    return Heard(chunks, _end(session), [str(note.text) for note in session.notes if note.warns], session)


def _end(session: Session[Any, Any]) -> Any:
    outcome = session.outcome
    assert outcome is not None, "the call goes on"
    match outcome:
        case Done(output=output):
            return output
        case Unfit(error=unfit):
            return unfit
        case Failed(error=error):
            return session.stamped(error, 0.0)


def cuts(data: bytes) -> Iterable[list[bytes]]:
    """`data` in two pieces, cut at every offset, and byte by byte."""
    yield from ([data[:at], data[at:]] for at in range(len(data) + 1))
    yield [data[at : at + 1] for at in range(len(data))]


def cut_at(data: bytes, points: Iterable[int]) -> list[bytes]:
    """`data` in pieces, cut at these points, each taken modulo its length."""
    places = sorted({0, len(data), *(point % (len(data) + 1) for point in points)})
    return [data[a:b] for a, b in pairwise(places)]
