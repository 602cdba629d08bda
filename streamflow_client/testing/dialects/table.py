"""What one kind of server says in the callable protocol: the table that every dialect fills in.

In: nothing. Out: `Dialect`, `Framing`, `Resuming`, and what all dialects share. Out of place here: the bytes
of any one server, which stand in the file of its name.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ..outcomes import Ending, Failure
from ..wire import Headers, Reply

EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Framing:
    """The frames of a stream. An empty frame is not sent."""

    chunk: Callable[[bytes], bytes]
    ending: Callable[[Ending], bytes]


@dataclass(frozen=True, slots=True)
class Resuming:
    """How a durable stream is read again."""

    framing: Framing
    unknown: Callable[[str], Reply]
    """(stream id) → the answer to a resume that comes too late."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One kind of server. The functions are given payloads that are empty for JavaScript's
    `undefined`."""

    name: str
    framing: Framing
    resuming: Resuming | None
    """None where no stream can be resumed: a stream id means nothing, and the flow runs again."""
    stream_headers: Callable[[str | None, bool], Headers]
    """(stream id, resumed) → headers of a stream."""
    result: Callable[[bytes, str], Reply]
    """(payload, trace id) → a plain response."""
    failure: Callable[[Failure], Reply]
    """A plain response with a failure of the flow or of its input."""
    denied: Callable[[bool], Reply]
    """(streaming) → the answer to a call without the API key."""
    unknown_path: Callable[[str, str], Reply]
    """(method, path) → 404."""
    malformed_body: Callable[[str], Reply]
    """(reason) → the answer to a body that is no JSON."""
    unfit_body: Callable[[object, bool], Reply | None]
    """(JSON value, streaming) → the refusal of a body that is no call; None to take it."""
    asks_for_stream: Callable[[str, str], bool]
    """(Accept header, query) → whether the call streams."""
    announces_keep_alive: bool
    keeps_alive: bool
    takes_empty_bodies: bool
    reads_chunked_bodies: bool
    cancels_when_client_leaves: bool
    pings: bool
    """A silent stream gets `: ping` comments."""


def exactly(accept: str, query: str) -> bool:
    """Compared for equality, as Genkit JS, Go and Firebase do."""
    return accept == EVENT_STREAM


def any_body(value: object, streaming: bool) -> Reply | None:
    """Every JSON value is taken for a call; one without `data` calls without input."""
    return None


def enveloped(key: bytes, payload: bytes) -> bytes:
    """`{"key":payload}`; JSON.stringify leaves an undefined field out."""
    return b'{"%b":%b}' % (key, payload) if payload else b"{}"


def sse_chunk(payload: bytes) -> bytes:
    """A chunk's event, the same in every dialect but for how its JSON is written."""
    return b"data: %b\n\n" % enveloped(b"message", payload)


def sse_result(payload: bytes) -> bytes:
    """The event of the output."""
    return b"data: %b\n\n" % enveloped(b"result", payload)
