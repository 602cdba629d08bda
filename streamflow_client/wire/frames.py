"""What a server says: bytes of a response body → frames.

In: body bytes in any cut. Out: frames in order. Out of place here: types, clocks, retries, what a frame
means for a call.

A frame is one of

* `bytes`: a chunk, as the JSON of its value. The usual case, so nothing is wrapped around it.
* `Result`: the terminal frame of a success.
* `Failure`: the terminal frame of a failure.
* `Unknown`: a frame of a kind that this library does not know; it is skipped with a warning.

A chunk's bytes are cut out of their envelope without parsing it (the codec parses them, once, into the
caller's type). Should they turn out not to be one JSON value, `reframe` reads the envelope in full.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic_core import from_json, to_json

from .sse import Event, EventDecoder, EventTooLarge

__all__ = [
    "CallableFrames",
    "Failure",
    "Frame",
    "FrameReader",
    "Malformed",
    "Raw",
    "RawEvents",
    "ReflectionFrames",
    "Result",
    "Unknown",
    "callable_answer",
    "failure_of",
    "reflection_answer",
    "reframe",
]

GRPC_CODES = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND"),
    *("ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"),
    *("ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"),
    "UNAUTHENTICATED",
)


class Malformed(ValueError):
    """Bytes that are not the protocol; `sample` holds the offending ones."""

    def __init__(self, what: str, sample: bytes) -> None:
        super().__init__(what)
        self.what = what
        self.sample = sample


@dataclass(frozen=True, slots=True)
class Result:
    """The output, as JSON; None where the server wrote an empty object (JavaScript's `undefined`)."""

    payload: bytes | None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The flow's own failure. `status` is a canonical gRPC code."""

    status: str
    message: str
    details: Any = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """A frame of an unknown kind, described for the log by its JSON keys."""

    what: str


@dataclass(frozen=True, slots=True)
class Raw:
    """An event handed out as it is, for `stream_events`."""

    value: Any


Frame = bytes | Result | Failure | Unknown | Raw


class FrameReader(Protocol):
    """Both protocols read bodies through this."""

    @property
    def comments(self) -> int:
        """Comment lines so far: they are life, but no progress."""
        ...

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes. Raises: Malformed, EventTooLarge."""
        ...

    def finish(self) -> list[Frame]:
        """The frames that a clean end of the body completes."""
        ...


# --- callable protocol over server-sent events -----------------------------------------------------

_CHUNK = b'{"message":'
_CHUNK_SIZE = len(_CHUNK)
_ENVELOPE = re.compile(rb'\s*\{\s*"(message|result)"\s*:\s*')
_CLOSE = ord("}")


class CallableFrames:
    """The frames of `data: {"message": …}` … `data: {"result": …}`, in every server's dialect."""

    def __init__(self, max_event_bytes: int) -> None:
        self._events = EventDecoder(max_event_bytes)
        self._undefined = False  # `data: {}` waits for what follows: see _release

    @property
    def comments(self) -> int:
        return self._events.comments

    def feed(self, data: bytes) -> list[Frame]:
        frames: list[Frame] = []
        for event in self._events.feed(data):
            if self._undefined or type(event) is not bytes:
                frames += self._event(event)
            elif event.startswith(_CHUNK) and event[-1] == _CLOSE:
                frames.append(event[_CHUNK_SIZE:-1])
            else:
                frames += self._data(event)
        return frames

    def finish(self) -> list[Frame]:
        frames: list[Frame] = []
        for event in self._events.finish():
            if _is_whole(event):
                frames += self._event(event)
        if self._undefined:
            frames.append(Result(None))
        return frames

    def _event(self, event: bytes | Event) -> list[Frame]:
        frames = self._release()
        if isinstance(event, bytes):
            return frames + self._data(event)
        if event.data:
            frames += self._data(event.data)
        if event.error is not None:
            frames.append(_error_field(event.error))
        return frames

    def _release(self) -> list[Frame]:
        """JavaScript's `undefined` was a chunk of None, now that another frame follows it."""
        if not self._undefined:
            return []
        self._undefined = False
        return [b"null"]

    def _data(self, payload: bytes) -> list[Frame]:
        match = _ENVELOPE.match(payload)
        body = payload.rstrip()
        if match is None or body[-1] != _CLOSE:
            return self._parsed(payload)
        value = body[match.end() : -1]
        return [value if match[1] == b"message" else Result(value)]

    def _parsed(self, payload: bytes) -> list[Frame]:
        envelope = _parse(payload)
        if envelope == {}:
            self._undefined = True
            return []
        return _frames_of(envelope)


def _frames_of(envelope: Any) -> list[Frame]:
    """An envelope that was parsed in full, keys in any order, others beside them."""
    if not isinstance(envelope, dict):
        return [Unknown(type(envelope).__name__)]
    found: list[Frame] = []
    if "message" in envelope and not _is_failure(envelope):
        found.append(to_json(envelope["message"]))
    if "error" in envelope or _is_failure(envelope):
        found.append(failure_of(envelope))
    elif "result" in envelope:
        found.append(Result(to_json(envelope["result"])))
    return found or [Unknown("an object with the keys " + ", ".join(map(repr, envelope)))]


def _is_failure(envelope: dict[str, Any]) -> bool:
    return isinstance(envelope.get("status"), str) and isinstance(envelope.get("message"), str)


def reframe(payload: bytes, key: Literal["message", "result"]) -> list[Frame]:
    """Read in full the envelope that `payload` was cut from, since it is not one JSON value.

    Raises:
        Malformed: the envelope is no JSON either.
    """
    return _frames_of(_parse(b'{"%b":%b}' % (key.encode(), payload)))


def _error_field(payload: bytes) -> Failure:
    """`error: {"error": {…}}` of express and FastAPI, or `error: {…}` of Next."""
    return failure_of(_parse(payload))


def _is_whole(event: bytes | Event) -> bool:
    """An unterminated tail counts if its envelope parses: `}` cannot be half of anything longer."""
    payloads = [event] if isinstance(event, bytes) else [event.data, event.error]
    try:
        return all(isinstance(from_json(payload), dict) for payload in payloads if payload)
    except ValueError:
        return False


class RawEvents:
    """Every event as it came, wrapped by `wrap`; none is terminal."""

    def __init__(self, max_event_bytes: int, wrap: Callable[[Event], Any]) -> None:
        self._events = EventDecoder(max_event_bytes)
        self._wrap = wrap

    @property
    def comments(self) -> int:
        return self._events.comments

    def feed(self, data: bytes) -> list[Frame]:
        events = self._events.feed(data)
        return [Raw(self._wrap(Event(e) if isinstance(e, bytes) else e)) for e in events]

    def finish(self) -> list[Frame]:
        return [Raw(self._wrap(event)) for event in self._events.finish()]


# --- reflection protocol: one JSON value a line -----------------------------------------------------

_TERMINAL_KEY = re.compile(rb'"(?:result|error|telemetry)"\s*:')


class ReflectionFrames:
    """The frames of `POST /api/runAction?stream=true`: a chunk a line, the envelope last.

    A chunk may itself look like an envelope, so such a line waits for what follows, unless it carries
    the `telemetry` that only the server writes.
    """

    comments = 0

    def __init__(self, max_event_bytes: int) -> None:
        self._max = max_event_bytes
        self._pending: list[bytes] = []
        self._size = 0
        self._held: tuple[bytes, Result | Failure] | None = None

    def feed(self, data: bytes) -> list[Frame]:
        *lines, tail = data.split(b"\n")
        if lines:
            lines[0] = b"".join([*self._pending, lines[0]])
            self._pending, self._size = [], 0
        self._pending.append(tail)
        self._size += len(tail)
        frames: list[Frame] = []
        for line in lines:
            self._check(len(line), line)
            frames += self._line(line)
        self._check(self._size, b"")
        return frames

    def finish(self) -> list[Frame]:
        tail = b"".join(self._pending).strip()
        self._pending = []
        frames: list[Frame] = []
        if tail and _envelope(tail) is not None:
            frames += self._line(tail)
        if self._held is not None:
            frames.append(self._held[1])
        return frames

    def _line(self, line: bytes) -> list[Frame]:
        line = line.strip()
        if not line:
            return []
        frames: list[Frame] = [self._held[0]] if self._held else []
        self._held = None
        envelope = _envelope(line) if _TERMINAL_KEY.search(line) else None
        if envelope is None:
            return [*frames, line]
        if isinstance(envelope, Result) and envelope.trace_id is not None:
            return [*frames, envelope]
        self._held = (line, envelope)
        return frames

    def _check(self, size: int, line: bytes) -> None:
        if size > self._max:
            raise EventTooLarge(size, self._max, line or b"".join(self._pending))


def _envelope(line: bytes) -> Result | Failure | None:
    """The terminal frame that `line` may be, judged by its keys alone."""
    try:
        value = from_json(line)
    except ValueError:
        return None
    if not isinstance(value, dict) or not value.keys() <= {"result", "error", "telemetry"}:
        return None
    return _reflection_frame(value)


def _reflection_frame(value: dict[str, Any]) -> Result | Failure | None:
    telemetry = value.get("telemetry")
    trace_id = telemetry.get("traceId") if isinstance(telemetry, dict) else None
    if "error" in value:
        inner = value["error"]
        known = isinstance(inner, dict) and ("code" in inner or "status" in inner)
        return failure_of(value) if known else None
    if "result" in value:
        return Result(to_json(value["result"]), trace_id)
    return Result(None, trace_id) if trace_id is not None else None


# --- whole bodies ------------------------------------------------------------------------------------


def callable_answer(body: bytes) -> Result | Failure:
    """The answer of a unary call: `{"result": …}`, `{}`, or a failure with whatever HTTP status.

    Raises:
        Malformed: anything else.
    """
    match = _ENVELOPE.match(body)
    if match is not None and match[1] == b"result":
        return Result(body[match.end() :].rstrip()[:-1])
    return _answer(_parse(body), body)


def reflection_answer(body: bytes) -> Result | Failure:
    """The answer of `POST /api/runAction`. Raises: Malformed."""
    value = _parse(body)
    frame = _reflection_frame(value) if isinstance(value, dict) else None
    return frame or _answer(value, body)


def _answer(value: Any, body: bytes) -> Result | Failure:
    if value == {}:
        return Result(None)
    if isinstance(value, dict):
        if "error" in value or _is_failure(value):
            return failure_of(value)
        if "result" in value:
            return Result(to_json(value["result"]))
    raise Malformed("the answer is JSON, but neither a result nor an error", body)


def failure_of(value: Any) -> Failure:
    """`{"error": {…}}` or `{…}`, with `status` a name or `code` a gRPC number."""
    inner = value.get("error", value) if isinstance(value, dict) else value
    if not isinstance(inner, dict):
        return Failure("UNKNOWN", inner if isinstance(inner, str) else to_json(inner).decode())
    details = inner.get("details")
    trace = details.get("traceId") if isinstance(details, dict) else None
    return Failure(
        status=_status_name(inner),
        message=str(inner.get("message", "")),
        details=details,
        trace_id=trace if isinstance(trace, str) else None,
    )


def _status_name(inner: dict[str, Any]) -> str:
    status, code = inner.get("status"), inner.get("code")
    if isinstance(status, str):
        return status
    if isinstance(code, int) and 0 <= code < len(GRPC_CODES):
        return GRPC_CODES[code]
    return "UNKNOWN"


def _parse(payload: bytes) -> Any:
    try:
        return from_json(payload)
    except ValueError as error:
        raise Malformed(f"a frame is not JSON ({error})", payload) from None
