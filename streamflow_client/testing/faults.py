"""What can be made to go wrong with one response.

In: the numbers a test chooses. Out: frozen values, given to `StubServer.script` and
`StubServer.always`. Nothing is done here: `answering.py` reads these values and bends the response.

The classes are in lower case since they read as verbs in a script:
`stub.script("menu", faults.drop(after_chunks=2), None)`.
A tuple of faults in one place acts together, for example `(pieces(1), drop(after_bytes=40))`.

Chunks and bytes are counted within one response: on a resumed stream the replayed chunks count too.
A count that the response never reaches has no effect. In a plain JSON response there are no
chunks, so `after_chunks=0` means "after the headers", and the faults that insert a bad event spoil
the result instead.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class delay_headers:
    """The flow starts, but the response head is held back for `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class trickle_headers:
    """The response head is sent one byte at a time, one every `every` seconds."""

    every: float = 0.2


@dataclass(frozen=True, slots=True)
class status:
    """This HTTP status instead of an answer; the flow does not run.

    `retry_after` becomes the Retry-After header: seconds, or any text. `headers` are added.
    """

    code: int
    retry_after: int | str | None = None
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class html_page:
    """An HTML page instead of an answer, as login portals send it; the flow does not run."""

    status: int = 200


@dataclass(frozen=True, slots=True)
class stream_not_found_html:
    """The HTML 500 that Express apps mixing ESM and CommonJS answer to an unknown stream id."""


@dataclass(frozen=True, slots=True)
class raw:
    """Exactly these bytes and a close instead of a response; the flow does not run."""

    data: bytes


@dataclass(frozen=True, slots=True)
class close_before_response:
    """The request is read, then the connection is closed without a byte; the flow does not run."""


@dataclass(frozen=True, slots=True)
class drop:
    """A clean FIN in the middle of the response. `after_bytes` counts body bytes, without HTTP
    framing.

    Without a count the connection ends right after the headers.
    """

    after_chunks: int | None = None
    after_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class reset:
    """Like `drop`, but the connection is reset (RST)."""

    after_chunks: int | None = None
    after_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class clean_eof:
    """The body ends correctly after that many chunks, without the terminal frame."""

    after_chunks: int = 0


@dataclass(frozen=True, slots=True)
class stall:
    """Silence after that many chunks, until the client leaves or the stub stops."""

    after_chunks: int = 0


@dataclass(frozen=True, slots=True)
class pings:
    """Only `: ping` comments after that many chunks, one every `every` seconds, for ever."""

    every: float = 0.1
    after_chunks: int = 0


@dataclass(frozen=True, slots=True)
class pieces:
    """Every write, the head included, is cut into pieces of `size` bytes, each sent on its own."""

    size: int = 1


@dataclass(frozen=True, slots=True)
class slow_chunks:
    """Every chunk is held back for `seconds` before it is sent."""

    seconds: float


@dataclass(frozen=True, slots=True)
class insert:
    """These bytes are put into the body after that many chunks; the stream then goes on."""

    data: bytes
    after_chunks: int = 0


@dataclass(frozen=True, slots=True)
class corrupt_json:
    """An additional event whose JSON is broken, after that many chunks."""

    after_chunks: int = 0


@dataclass(frozen=True, slots=True)
class wrong_utf8:
    """An additional event that is not UTF-8, after that many chunks."""

    after_chunks: int = 0


@dataclass(frozen=True, slots=True)
class oversize:
    """An additional event of `size` bytes, its framing included, after that many chunks."""

    size: int
    after_chunks: int = 0


@dataclass(frozen=True, slots=True)
class lose_chunk:
    """The chunk with this index (from 0) is not sent: a replay with a gap."""

    index: int


@dataclass(frozen=True, slots=True)
class change_chunk:
    """The chunk with this index (from 0) is sent with another value: a replay that differs."""

    index: int
    value: Any


@dataclass(frozen=True, slots=True)
class other_stream_id:
    """The response names a stream id that is not the run's."""

    stream_id: str = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class no_body_end:
    """All frames are sent, the terminal one too, but the body never ends."""


@dataclass(frozen=True, slots=True)
class close_idle_after:
    """The kept-alive connection is closed this many seconds after the response ended."""

    seconds: float = 0.0


Fault = (
    delay_headers
    | trickle_headers
    | status
    | html_page
    | stream_not_found_html
    | raw
    | close_before_response
    | drop
    | reset
    | clean_eof
    | stall
    | pings
    | pieces
    | slow_chunks
    | insert
    | corrupt_json
    | wrong_utf8
    | oversize
    | lose_chunk
    | change_chunk
    | other_stream_id
    | no_body_end
    | close_idle_after
)
Faults = Fault | tuple[Fault, ...] | None
"""One place in a script: a fault, several at once, or None to behave."""
