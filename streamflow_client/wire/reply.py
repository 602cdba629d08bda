"""One HTTP response while it is being read: encoding, limits, and whether it is frames or one body.

In: status, headers, and body bytes. Out: frames as they complete; or, at the end, the whole body.
Out of place here: what a status or a frame means for the call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress

from .frames import Failure, Frame, FrameReader, Malformed, Result
from .request import WireProtocol
from .response import Inflate, Plain, body_decoder, is_html

_HEAD = 512  # bytes, enough to tell what a body is and to show how it begins


class Reply:
    """A response to one attempt.

    Args:
        streaming: frames were asked for. A server that does not stream answers with one JSON body instead,
            and one that only streams answers with frames that were not asked for.
        max_event: upper bound of one frame, in decoded bytes.
        max_body: upper bound of a body that is no stream, in decoded bytes.

    Raises:
        Malformed: the body is encoded in a way that was not asked for.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        headers: Mapping[str, str],
        protocol: WireProtocol,
        *,
        streaming: bool,
        max_event: int,
        max_body: int,
    ) -> None:
        self.status = status
        self.is_error: bool = status >= 400
        self.reason = reason
        self.headers = headers
        self._protocol = protocol
        self._max_body = max_body
        self._decoder = _decoder(headers, strict=status < 400)
        self._parts: list[bytes] = []
        self._collected = 0
        self._head = b""
        self._any_frame = False
        self._frames: FrameReader | None = None
        if (streaming or _streams_anyway(headers, protocol)) and not self.is_error:
            self._frames = protocol.frames(max_event)

    @property
    def is_stream(self) -> bool:
        return self._frames is not None

    @property
    def is_full(self) -> bool:
        """An error's body is read no further than the limit; what came of it will do."""
        return self.is_error and self._collected > self._max_body

    @property
    def comments(self) -> int:
        return 0 if self._frames is None else self._frames.comments

    def feed(self, data: bytes) -> Iterator[list[Frame]]:
        """The frames that `data` completes. Raises: Malformed, EventTooLarge."""
        for piece in self._pieces(data) if self.is_error else self._decoder.pieces(data):
            if len(self._head) < _HEAD:
                self._look_at(piece)
            if self._frames is None:
                self._collect(piece)
                continue
            frames = self._frames.feed(piece)
            if frames:
                self._any_frame = True
                yield frames
            if self._frames.broken:  # behind these frames; the next call raises
                self._frames.feed(b"")

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        """An error page whose compression is broken is as good as cut short."""
        with suppress(Malformed):
            yield from self._decoder.pieces(data)

    def _look_at(self, piece: bytes) -> None:
        """Keep the head; by its first byte, whatever its label, one JSON body is told from a stream."""
        first = not self._head.strip()
        self._head += piece[: _HEAD - len(self._head)]
        if first and self._protocol.name == "callable" and self._head.strip()[:1] in (b"{", b"["):
            self._frames = None

    def _collect(self, piece: bytes) -> None:
        self._parts.append(piece[: max(0, self._max_body - self._collected)])
        self._collected += len(piece)
        if self._collected > self._max_body and not self.is_error:
            what = f"the response is larger than max_response_bytes={self._max_body}"
            raise Malformed(what, self._head)

    def finish(self) -> list[Frame]:
        """What the end of a stream completes. Raises: Malformed, EventTooLarge."""
        assert self._frames is not None
        frames = self._frames.finish()
        if frames or self._any_frame:
            return frames
        if is_html(self._head):
            raise Malformed("the server answered with an HTML page instead of a stream", self._head)
        return []

    def body(self) -> bytes:
        """All that came of a body that is no stream."""
        return b"".join(self._parts)

    def answer(self) -> Result | Failure:
        """The one frame that a successful body is. Raises: Malformed."""
        body = self.body()
        if is_html(body):
            raise Malformed("the server answered with an HTML page instead of a result", body)
        return self._protocol.answer(body)


class _Unreadable:
    """An error's body in an encoding that was not asked for: its status must do."""

    def pieces(self, data: bytes) -> tuple[bytes, ...]:
        return ()


def _streams_anyway(headers: Mapping[str, str], protocol: WireProtocol) -> bool:
    """A server that only streams, such as an SSE endpoint of FastAPI, does so whatever was asked for."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return protocol.name == "callable" and kind == "text/event-stream"


def _decoder(headers: Mapping[str, str], *, strict: bool) -> Plain | Inflate | _Unreadable:
    try:
        return body_decoder(headers)
    except Malformed:
        if strict:
            raise
        return _Unreadable()
