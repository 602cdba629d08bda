"""What a server says: bytes of a response body → frames.

In: body bytes in any cut. Out: frames in order. Out of place here: types, clocks, retries, what a
frame means for a call.

A frame is one of

* a `Run`, a list of `bytes`: chunks that follow each other, each as the JSON of its value. The usual case,
  so nothing is wrapped around it.
* `Result`: the terminal frame of a success.
* `Failure`: the terminal frame of a failure.
* `Unknown`: a frame of a kind that this library does not know; it is skipped with a warning.

A chunk's bytes are cut out of their envelope without parsing it (the codec parses them, once, into
the caller's type). Should they turn out not to be one JSON value, `reframe` reads the envelope in
full.

How the bytes were cut makes no difference: what is whole before a broken frame comes out first, and
the call after that one raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic_core import to_json

from ..jsonvalues import is_object, read_json
from .failures import Failure, failure_of, is_failure, names_status, reflected_failure, trace_id_of
from .sse import Event, EventDecoder, EventTooLarge, Run

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
    "Run",
    "Unknown",
    "callable_answer",
    "reflection_answer",
    "reframe",
]


class Malformed(ValueError):
    """Bytes that are not the protocol; `sample` holds the offending ones."""

    def __init__(self, what: str, sample: bytes) -> None:
        super().__init__(what)
        self.what = what
        self.sample = sample


@dataclass(frozen=True, slots=True)
class Result:
    """The output, as JSON; None where the server wrote `{}` (JavaScript's `undefined`)."""

    payload: bytes | None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """A frame of an unknown kind, described for the log in the server's words."""

    what: str


@dataclass(frozen=True, slots=True)
class Raw:
    """An event handed out as it is, for `stream_events`."""

    value: Any


Frame = Run | Result | Failure | Unknown | Raw


class FrameReader(Protocol):
    """Both protocols read bodies through this.

    Attributes:
        broken: what follows the frames given last is no such thing: the next call raises.
    """

    broken: bool

    @property
    def comments(self) -> int:
        """Comment lines so far: they are life, but no progress."""
        ...

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes. Raises: Malformed, EventTooLarge."""
        ...

    def finish(self) -> list[Frame]:
        """The frames that a clean end of the body completes. Raises: Malformed, EventTooLarge."""
        ...


# --- callable protocol over server-sent events ----------------------------------------------------

_CLOSE = ord("}")
_ENVELOPE = re.compile(rb'\s*\{\s*"(message|result)"\s*:\s*')


class CallableFrames:
    """The frames of `data: {"message": …}` … `data: {"result": …}`, in every server's dialect."""

    def __init__(self, max_event_bytes: int) -> None:
        self._events = EventDecoder(max_event_bytes, opening=b'{"message":', closing=b"}")
        self._undefined = False  # `data: {}` waits for what follows: see _release
        self._malformed: Malformed | None = None
        self.broken: bool = False

    @property
    def comments(self) -> int:
        return self._events.comments

    def feed(self, data: bytes) -> list[Frame]:
        if self._malformed is not None:
            raise self._malformed
        frames: list[Frame] = []
        try:
            for event in self._events.feed(data):
                if isinstance(event, Event):
                    self._read(event, frames)
                else:
                    if self._undefined:
                        self._release(frames)
                    frames.append(event)
        except Malformed as error:
            self._malformed = error
            if not frames:
                raise
        self.broken = self._events.broken or self._malformed is not None
        return frames

    def finish(self) -> list[Frame]:
        if self._malformed is not None:
            raise self._malformed
        frames: list[Frame] = []
        for event in self._events.finish():
            self._release(frames)  # also before half a frame: the server had more to say
            if _is_whole(event):
                self._read(event, frames)
        if self._undefined:
            frames.append(Result(None))
        return frames

    def _read(self, event: Event, frames: list[Frame]) -> None:
        if not event.data and event.error is None:
            return  # an empty event is a heartbeat
        self._release(frames)
        if event.data:
            self._data(event, frames)
        if event.error is not None:  # `error: {"error": {…}}`, and `error: {…}` of Next
            frames.append(failure_of(_parse(event.error)))

    def _release(self, frames: list[Frame]) -> None:
        """JavaScript's `undefined` was a chunk of None, now that another frame follows it."""
        if self._undefined:
            self._undefined = False
            frames.append([b"null"])

    def _data(self, event: Event, frames: list[Frame]) -> None:
        cut = _cut(event.data)
        if cut is not None:
            frames.append(cut)
        elif event.event in ("", "message"):
            envelope = _parse(event.data)
            self._undefined = envelope == {}
            frames += [] if self._undefined else _frames_of(envelope)
        else:
            frames += _frames_of_named(event)


def _cut(payload: bytes) -> Run | Result | None:
    """The value inside an envelope that has one key, as far as can be seen without parsing it."""
    match = _ENVELOPE.match(payload)
    body = payload.rstrip()
    if match is None or body[-1] != _CLOSE:
        return None
    value = body[match.end() : -1]
    return [value] if match[1] == b"message" else Result(value)


def _frames_of(envelope: Any) -> list[Frame]:
    """An envelope that was parsed in full, keys in any order, others beside them."""
    if not is_object(envelope):
        return [Unknown("a bare value instead of an object")]
    found: list[Frame] = []
    failed = is_failure(envelope)
    # One model for all kinds of frames is written as `{"message": {…}, "result": null, "error": null}`.
    message, result = envelope.get("message"), envelope.get("result")
    has_no_chunk = message is None and (failed or "result" in envelope)
    if "message" in envelope and not names_status(envelope) and not has_no_chunk:
        found.append([to_json(message)])
    if failed:
        found.append(failure_of(envelope))
    elif "result" in envelope and (result is not None or message is None):
        found.append(Result(to_json(result)))
    return found or [Unknown("an object with the keys " + ", ".join(map(repr, envelope)))]


def _frames_of_named(event: Event) -> list[Frame]:
    """No known server names its events, so one that is no envelope either is of an unknown kind."""
    try:
        frames = _frames_of(read_json(event.data))
    except ValueError:
        frames = []
    if not frames or isinstance(frames[0], Unknown):
        return [Unknown(f"an event of the type {event.event!r}")]
    return frames


def reframe(payload: bytes, key: Literal["message", "result"]) -> list[Frame]:
    """Read in full the envelope that `payload` was cut from, since it is not one JSON value.

    Raises:
        Malformed: the envelope is no JSON either; or it holds that one value after all.
    """
    frames = _frames_of(_parse(b'{"%b":%b}' % (key.encode(), payload)))
    if frames in ([[payload]], [Result(payload)]):
        raise Malformed("a value cannot be decoded", payload)
    return frames


def _is_whole(event: Event) -> bool:
    """An unterminated tail counts if its envelope parses: `}` cannot be half of anything longer."""
    try:
        payloads = [read_json(part) for part in (event.data, event.error) if part]
    except ValueError:
        return False
    return all(map(is_object, payloads))


class RawEvents:
    """Every event as it came, wrapped by `wrap`; none is terminal."""

    def __init__(self, max_event_bytes: int, wrap: Callable[[Event], Any]) -> None:
        self._events = EventDecoder(max_event_bytes)
        self._wrap = wrap
        self.broken: bool = False

    @property
    def comments(self) -> int:
        return self._events.comments

    def feed(self, data: bytes) -> list[Frame]:
        frames: list[Frame] = []
        for found in self._events.feed(data):
            events = [found] if isinstance(found, Event) else map(Event, found)
            frames += [Raw(self._wrap(event)) for event in events]
        self.broken = self._events.broken
        return frames

    def finish(self) -> list[Frame]:
        return [Raw(self._wrap(event)) for event in self._events.finish()]


# --- reflection protocol: one JSON value a line ---------------------------------------------------

_TERMINAL_KEY = re.compile(rb'"(?:result|error|telemetry)"\s*:')


class ReflectionFrames:
    """The frames of `POST /api/runAction?stream=true`: a chunk a line, the envelope last.

    A chunk may itself look like an envelope, so such a line waits for what follows, unless it
    carries the `telemetry` that only the server writes.
    """

    comments = 0

    def __init__(self, max_event_bytes: int) -> None:
        self._max = max_event_bytes
        self._partial = bytearray()
        self._held: tuple[bytes, Result | Failure] | None = None
        self._refused: EventTooLarge | None = None
        self.broken: bool = False

    def feed(self, data: bytes) -> list[Frame]:
        if self._refused is not None:
            raise self._refused
        frames: list[Frame] = []
        *lines, tail = data.split(b"\n")
        try:
            for line in lines:
                self._extend(line)
                whole, self._partial = bytes(self._partial), bytearray()
                self._line(whole.strip(), frames)
            self._extend(tail)
        except EventTooLarge as error:
            self._refused = error
            self.broken = True
            self._release(frames)
            if not frames:
                raise
        return frames

    def finish(self) -> list[Frame]:
        if self._refused is not None:
            raise self._refused
        frames: list[Frame] = []
        tail = bytes(self._partial).strip()
        if tail and _envelope(tail) is None:
            self._release(frames)  # `12` may be half of `123`, but a line follows the held one
        else:
            self._line(tail, frames)
        if self._held is not None:
            frames.append(self._held[1])
        return frames

    def _extend(self, part: bytes) -> None:
        self._partial += part
        if len(self._partial) > self._max:
            raise EventTooLarge(len(self._partial), self._max, bytes(self._partial[:200]))

    def _line(self, line: bytes, frames: list[Frame]) -> None:
        if not line:
            return
        self._release(frames)
        if line == b"undefined":  # what JavaScript's JSON.stringify makes of it
            line = b"null"
        found = _envelope(line) if _TERMINAL_KEY.search(line) else None
        if found is None:
            frames.append([line])
        elif found[1]:
            frames.append(found[0])
        else:
            self._held = (line, found[0])

    def _release(self, frames: list[Frame]) -> None:
        """What looked like the envelope was a chunk, now that a line follows it."""
        if self._held is not None:
            frames.append([self._held[0]])
            self._held = None


def _envelope(line: bytes) -> tuple[Result | Failure, bool] | None:
    """The terminal frame that `line` may be, judged by its keys alone, and whether it surely is.

    Keys of its own make a chunk of it, unless a trace is told beside a result or an error: then they
    are news of the server.
    """
    try:
        value = read_json(line)
    except ValueError:
        return None
    if not is_object(value):
        return None
    traced = trace_id_of(value.get("telemetry")) is not None
    if not (
        value.keys() <= {"result", "error", "telemetry"} or (traced and value.keys() & {"result", "error"})
    ):
        return None
    frame = _reflection_frame(value)
    return None if frame is None else (frame, traced)


def _reflection_frame(value: dict[str, Any]) -> Result | Failure | None:
    trace_id = trace_id_of(value.get("telemetry"))
    if "error" in value:
        inner = value["error"]
        known = is_object(inner) and ("code" in inner or "status" in inner)
        return reflected_failure(value) if known else None
    if "result" in value:
        return Result(to_json(value["result"]), trace_id)
    return Result(None, trace_id) if trace_id is not None else None


# --- whole bodies ---------------------------------------------------------------------------------


def callable_answer(body: bytes) -> Result | Failure:
    """The answer of a unary call: `{"result": …}`, `{}`, or a failure with whatever HTTP status.

    Raises:
        Malformed: anything else.
    """
    cut = _cut(body)
    return cut if isinstance(cut, Result) else _answer(_parse(body), body)


def reflection_answer(body: bytes) -> Result | Failure:
    """The answer of `POST /api/runAction`. Raises: Malformed."""
    value = _parse(body)
    frame = _reflection_frame(value) if is_object(value) else None
    return frame or _answer(value, body)


def _answer(value: Any, body: bytes) -> Result | Failure:
    if value == {}:
        return Result(None)
    if is_failure(value):
        return failure_of(value)
    if is_object(value) and "result" in value:
        return Result(to_json(value["result"]))
    raise Malformed("the answer is JSON, but neither a result nor an error", body)


def _parse(payload: bytes) -> Any:
    try:
        return read_json(payload)
    except ValueError as error:
        raise Malformed(f"a frame is not JSON ({error})", payload) from None
