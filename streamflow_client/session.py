"""One call as a state machine without I/O: what to request next, what bytes mean, resume or give up.

In: events from a driver (`opening`, `connected`, `head`, `data`, `eof`, `broke`, `expired`, `woke`,
`cancel`), each with the driver's clock as `now`, seconds. Out: `step()`, the action to take next;
`ready`, typed chunks in order; `outcome`, how the call ended. All policy of the library is here, once;
the drivers act and nothing else. Out of place here: sockets, clocks, randomness, locks.

    IDLE ─step→ OPENING ─head→ READING ─terminal frame→ ENDED
                  │  ↑            │
                  └──┴── WAITING ←┘   (retry, or resume with the id that the server issued)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any, Generic, TypeVar
from zlib import crc32

from pydantic import ValidationError

from .errors import (
    STATUS_ERRORS,
    ChunkValidationError,
    Clock,
    FlowCancelledError,
    FlowConnectionError,
    FlowError,
    FlowStatusError,
    FlowTimeoutError,
    OutputValidationError,
    ProtocolError,
    ReplayDivergedError,
    StreamExpiredError,
    StreamInterruptedError,
    UnknownError,
)
from .options import Retry, Timeout
from .text import excerpt, one_line, shown_bytes
from .ticket import Ticket
from .timeline import Attempt, Phase, Timeline
from .wire.codec import Codec, is_not_json
from .wire.frames import Failure, Frame, FrameReader, Malformed, Raw, Result, Unknown, reframe
from .wire.request import STREAM_ID_HEADER, TRACE_ID_HEADER, WireProtocol
from .wire.response import Inflate, Plain, body_decoder, is_html, refusal_of, retry_after
from .wire.sse import EventTooLarge

ChunkT = TypeVar("ChunkT")
OutputT = TypeVar("OutputT")


@dataclass(frozen=True, slots=True)
class Call:
    """What is to be run."""

    flow: str
    origin: str
    url: str
    protocol: WireProtocol
    body: bytes
    streaming: bool
    resume: Ticket | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds in bytes, of decoded data."""

    event: int
    response: int


# --- actions: what the driver is to do next ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Open:
    """Send this request, then report `head`, `broke` or `expired`."""

    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """Read more of the body, then report `data`, `eof`, `broke` or `expired`."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Let go of the connection, wait that many seconds, then report `woke`."""

    seconds: float


READ = Read()

Action = Open | Read | Wait


class Break(Enum):
    """How a connection can fail, as far as it matters."""

    NOT_SENT = auto()  # the request was not written
    LOST = auto()  # it may have been
    GARBAGE = auto()  # the server does not speak HTTP


# --- outcomes ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Done(Generic[OutputT]):
    """The flow returned."""

    output: OutputT


@dataclass(frozen=True, slots=True)
class Unfit:
    """The flow returned something that is not its output type: `result()` raises, iterating just ends."""

    error: OutputValidationError


@dataclass(frozen=True, slots=True)
class Failed:
    """The call ended with an error."""

    error: FlowError


Outcome = Done[OutputT] | Unfit | Failed


class Faulty:
    """Stands among the chunks for one that is not of the chunk type."""

    __slots__ = ("error",)

    def __init__(self, error: ChunkValidationError) -> None:
        self.error = error


class _State(Enum):
    IDLE = auto()
    OPENING = auto()
    READING = auto()
    WAITING = auto()
    ENDED = auto()


_NO_CLOCKS: dict[Clock, float] = {}


class Session(Generic[ChunkT, OutputT]):
    """One call. See the module's docstring.

    Attributes:
        ready: decoded chunks that the caller has not taken yet; the driver pops them from the left.
        outcome: None while the call goes on.
        clean: the response ended as it should, so that its connection may serve another call.
        seen: chunks decoded; those taken are `received`.
        notes: lines for the log, to be emptied by the driver.
    """

    def __init__(
        self,
        call: Call,
        codec: Codec[Any, ChunkT, OutputT],
        *,
        timeout: Timeout,
        retry: Retry | None,
        limits: Limits,
        delay: Callable[[int], float],
        key: str,
    ) -> None:
        self.call = call
        self.ready: deque[ChunkT | Faulty] = deque()
        self.outcome: Outcome[OutputT] | None = None
        self.clean = False
        self.seen = 0
        self.notes: deque[str] = deque()
        self.stream_id = call.resume.stream_id if call.resume else None
        self.trace_id: str | None = None
        self._codec = codec
        self._timeout = timeout
        self._retry = retry
        self._limits = limits
        self._delay = delay
        self._key = key
        self._state = _State.IDLE
        self._draining = False
        self._cancelled: FlowCancelledError | None = None
        self._tell = False
        self._warned_unknown = False
        # this attempt
        self._tries_left = retry.attempts if retry else 1
        self._tries = 0
        self._skip = 0
        self._status = 0
        self._reason = ""
        self._headers: Mapping[str, str] = {}
        self._frames: FrameReader | None = None
        self._body: list[bytes] = []
        self._body_size = 0
        self._head = b""
        self._any_frame = False
        self._decoder: Plain | Inflate = Plain()
        self._wait = 0.0
        # digests: crc after each chunk from the last taken one on, where a stream id was issued
        self._crcs: deque[int] = deque()
        self._crc = call.resume.digest if call.resume else 0
        self._replayed_crc = 0
        if call.resume:
            self.seen = call.resume.received
            self._resume_from = call.resume.received
        else:
            self._resume_from = 0
        # clocks and the timeline
        self._began: float | None = None
        self._bytes = 0
        self._connected = False
        self._sent = False
        self._opened = 0.0  # when this attempt, or its connection, began
        self._waiting = 0.0  # when the caller began to wait for what comes next
        self._phase_at_end: Phase = "ended"
        self._last_byte: float | None = None
        self._last_chunk: float | None = None
        self._last_comment: float | None = None
        self._attempts: list[Attempt] = []

    # --- what the driver and the stream ask ---------------------------------------------------------

    @property
    def opened(self) -> bool:
        """Whether a response is there to be read."""
        return self._state is _State.READING

    @property
    def wants_telling(self) -> bool:
        """Whether the server should hear that its run was cancelled, and can."""
        return self._tell and self.trace_id is not None and self.call.protocol.name == "reflection"

    @property
    def ended(self) -> bool:
        return self.outcome is not None

    @property
    def was_sent(self) -> bool:
        """Whether the first byte of this attempt's request was written."""
        return self._sent

    @property
    def received(self) -> int:
        """Chunks that the caller took, or that were drained, since this object began."""
        return self.seen - len(self.ready) - self._resume_from

    @property
    def liveness(self) -> tuple[float | None, float | None, float | None]:
        """When the last byte, comment and chunk came."""
        return self._last_byte, self._last_comment, self._last_chunk

    def waits(self, now: float) -> None:
        """The caller begins to wait: clocks run only while it does (`connect` and `total` always)."""
        self._waiting = now

    def step(self, now: float) -> Action:
        """What to do next. Only to be asked while `outcome` is None and `ready` is empty."""
        if self._state is _State.IDLE:
            return self._open(now)
        if self._state is _State.WAITING:
            return Wait(self._wait)
        return READ

    def deadline(self) -> float | None:
        """The moment at which the first clock will have run out, in the driver's time."""
        return min(self._clocks().values(), default=None)

    def ticket(self) -> Ticket | None:
        """Where to go on after the chunks that were taken; None without a stream id."""
        if self.stream_id is None or not self.call.protocol.resumable:
            return None
        received = self.received + self._resume_from
        return Ticket(self.call.origin, self.call.flow, self.stream_id, received, self._digest())

    def drain(self) -> None:
        """From now on only the output is wanted: chunks are counted, not validated and not kept."""
        self._draining = True
        self.ready.clear()

    def stamped(self, error: FlowError, now: float) -> FlowError:
        """Tell an error how far the call had come, at the moment it is raised."""
        error.flow = self.call.flow
        error.received = self.received
        error.ticket = self.ticket()
        error.timeline = error.timeline or self.timeline(now)
        return error

    def timeline(self, now: float) -> Timeline:
        """What happened so far."""
        self._amend()
        began = now if self._began is None else self._began
        return Timeline(
            attempts=tuple(self._attempts),
            phase=self._phase(),
            elapsed=now - began,
            bytes=sum(attempt.bytes for attempt in self._attempts),
            chunks=self.seen - self._resume_from,
            last_byte_age=None if self._last_byte is None else now - self._last_byte,
            last_chunk_age=None if self._last_chunk is None else now - self._last_chunk,
        )

    # --- events: opening ----------------------------------------------------------------------------

    def connected(self, now: float, *, reused: bool | None) -> None:
        """A connection is there, or is left to a caller's own client; the request is about to be written."""
        self._connected = True
        self._opened = now
        self._amend(reused=reused)

    def unconnected(self, now: float) -> None:
        """A transport that tells about its connection has taken the request."""
        self._connected = self._sent = False
        self._opened = now

    def sent(self) -> None:
        """The first byte of the request was written."""
        self._sent = True

    def alive(self, now: float) -> None:
        """Bytes of any kind came in: headers, TLS, comments, chunks."""
        self._last_byte = now

    def head(self, status: int, reason: str, headers: Mapping[str, str], now: float) -> None:
        """The response's status line and headers are there."""
        self._sent = True
        self._last_byte = now
        self._state = _State.READING
        self._status, self._reason, self._headers = status, reason, headers
        self._amend(http_status=status)
        if self._settled_cancel(now):
            return
        self.trace_id = headers.get(TRACE_ID_HEADER) or self.trace_id
        self._judge_head(now)

    # --- events: the body ---------------------------------------------------------------------------

    def data(self, data: bytes, now: float) -> None:
        """Bytes of the body."""
        self._last_byte = now
        if self._settled_cancel(now):
            return
        self._bytes += len(data)
        try:
            for piece in self._decoder.pieces(data):
                self._piece(piece, now)
        except (Malformed, EventTooLarge) as error:
            self._protocol_error(error)

    def eof(self, now: float) -> None:
        """The body ended as HTTP says it should."""
        if self._settled_cancel(now):
            return
        self.clean = True
        try:
            self._finish(now)
        except (Malformed, EventTooLarge) as error:
            self._protocol_error(error)

    def broke(self, kind: Break, text: str, now: float) -> None:
        """The connection failed, in the words of the transport."""
        if self._settled_cancel(now):
            return
        if kind is Break.NOT_SENT:
            self._unreachable(text, now)
        elif kind is Break.GARBAGE:
            self._fail(ProtocolError(f"the server does not speak HTTP: {text}"))
        elif self._refused_status():
            self._refused(now)  # an error page that was cut short still tells its status
        else:
            self._dropped(f"the connection was lost: {text}", now)

    def expired(self, now: float, clock: Clock | None = None) -> None:
        """A clock has run out: the one that `deadline` told, unless the transport names it."""
        if self._settled_cancel(now):
            return
        clock = clock or self._due_clock()
        error = self._timeout_error(clock)
        if clock in ("connect", "pool"):
            self._try_again(error, now, wait=None)
        elif clock == "total" or not self._can_resume():
            self._fail(error)
        else:
            self._try_again(error, now, wait=None)

    def woke(self, now: float) -> None:
        """The wait that `Wait` asked for is over."""
        if not self._settled_cancel(now):
            self._state = _State.IDLE

    # --- events: the caller -------------------------------------------------------------------------

    def cancel(self, why: str, *, tell: bool) -> bool:
        """Stop: nothing more is delivered. False where the call had ended before.

        `tell`: the run is to stop too, if its server can be told.
        """
        if self.outcome is not None or self._cancelled is not None:
            return False
        self.seen -= len(self.ready)
        self.ready.clear()
        self._tell = tell
        self._cancelled = FlowCancelledError(why)
        self._cancelled.work_may_have_run = self._sent
        return True

    @property
    def cancelled(self) -> bool:
        return self._cancelled is not None

    def _settled_cancel(self, now: float) -> bool:
        """Whether the call was cancelled; what the network then still says does not count."""
        if self._cancelled is None:
            return False
        if self.outcome is None:
            self.seen -= len(self.ready)  # what was decoded while another thread cancelled
            self.ready.clear()
            self._cancelled.timeline = self.timeline(now)
            self._fail(self._cancelled)
        return True

    def settle(self, now: float) -> bool:
        """Let a cancellation take effect; True where there was one."""
        return self._settled_cancel(now)

    # --- opening ------------------------------------------------------------------------------------

    def _open(self, now: float) -> Open:
        if self._began is None:
            self._began = now
        self._state = _State.OPENING
        self._opened = now
        self._bytes = 0
        self._connected = self._sent = self._any_frame = self.clean = False
        self._skip = self.seen if self._resuming() else 0
        self._replayed_crc = 0
        self._frames, self._body, self._body_size, self._head = None, [], 0, b""
        self._last_byte = None
        self._tries += 1
        self._tries_left -= 1
        self._attempts.append(Attempt(len(self._attempts) + 1, now - self._began))
        body = b"{}" if self._resuming() else self.call.body
        return Open(self.call.url, self._request_headers(), body)

    def _request_headers(self) -> dict[str, str]:
        accept = "text/event-stream" if self.call.streaming else "application/json"
        headers = {
            "Accept": accept,
            "Accept-Encoding": "identity",
            "Content-Type": "application/json",
        }
        if self._resuming():
            headers["X-Genkit-Stream-Id"] = self.stream_id or ""
        elif self._retry is not None and self._retry.replay:
            headers["Idempotency-Key"] = self._key
        return headers

    def _resuming(self) -> bool:
        return self.stream_id is not None and self.call.protocol.resumable

    def _judge_head(self, now: float) -> None:
        """Errors are judged when their body is there; everything else is read at once."""
        if self._status == 204:
            self.clean = True
            self._no_content()
        elif 300 <= self._status < 400:
            self._redirected()
        else:
            self._read_body()
            self._check_stream_id(now)

    def _no_content(self) -> None:
        if self._resuming():
            self._fail(_expired_error())
        else:
            self._fail(ProtocolError("the server answered 204 No Content instead of a result"))

    def _redirected(self) -> None:
        target = excerpt(one_line(self._headers.get("location", "nowhere")))
        self._fail(
            ProtocolError(
                f"the server redirects (HTTP {self._status}) to {target}; redirects are never "
                "followed, so give that address as the base URL if it is the right one"
            )
        )

    def _read_body(self) -> None:
        try:
            self._decoder = body_decoder(self._headers)
        except Malformed as error:
            self._protocol_error(error)
            return
        if self.call.streaming and self._status < 300 and not self._is_one_answer():
            self._frames = self.call.protocol.frames(self._limits.event)

    def _is_one_answer(self) -> bool:
        """A server that does not stream answers a streaming call with one JSON body, and says so."""
        return self._headers.get("content-type", "").startswith("application/json")

    def _check_stream_id(self, now: float) -> None:
        told = self._headers.get(STREAM_ID_HEADER)
        if told is None or self._status >= 300:
            return
        if self._resuming() and told != self.stream_id:
            self._fail(
                ReplayDivergedError("the server began another stream instead of resuming this one")
            )
        elif self.call.streaming:
            self.stream_id = told

    # --- the body -----------------------------------------------------------------------------------

    def _piece(self, piece: bytes, now: float) -> None:
        if self._state is not _State.READING:
            return
        if len(self._head) < 512:
            self._head += piece[:512]
        if self._frames is None:
            self._collect(piece, now)
            return
        comments = self._frames.comments
        self._take(self._frames.feed(piece), now)
        if self._frames.comments != comments:
            self._last_comment = now

    def _collect(self, piece: bytes, now: float) -> None:
        self._body.append(piece)
        self._body_size += len(piece)
        if self._body_size <= self._limits.response:
            return
        if self._refused_status():
            self._refused(now)
        else:
            raise Malformed(
                f"the response is larger than max_response_bytes={self._limits.response}",
                self._head,
            )

    def _take(self, frames: list[Frame], now: float) -> None:
        """The hot loop: payloads become typed chunks, a terminal frame ends the call."""
        before = self.seen
        ready, decode = self.ready, self._codec.chunk
        quick = not (self._draining or self._skip or self.stream_id)
        for frame in frames:
            if type(frame) is bytes and quick:
                try:
                    ready.append(decode(frame))
                    self.seen += 1
                except ValidationError as error:
                    self._odd_chunk(frame, error, now)
            elif isinstance(frame, bytes):
                self._chunk(frame, now)
            else:
                self._not_a_chunk(frame, now)
            if self.outcome is not None:
                break
        if frames:
            self._any_frame = True
        if self.seen != before:
            self._progress(now)

    def _progress(self, now: float) -> None:
        self._last_chunk = now
        if self._retry:
            self._tries_left = self._retry.attempts
            self._tries = 0

    def _chunk(self, payload: bytes, now: float) -> None:
        """A chunk where more is to do than to validate it: replayed, drained, or of a durable stream."""
        if self._skip:
            self._replayed(payload)
            return
        if not self._draining:
            try:
                self.ready.append(self._codec.chunk(payload))
            except ValidationError as error:
                self._odd_chunk(payload, error, now)
                return
        self._count(payload)

    def _count(self, payload: bytes) -> None:
        self.seen += 1
        if self.stream_id is not None:
            self._crc = crc32(payload, self._crc)
            self._crcs.append(self._crc)
            while len(self._crcs) > len(self.ready) + 1:
                self._crcs.popleft()

    def _digest(self) -> int:
        """The digest of the chunks that were taken, which lag behind those decoded."""
        waiting = len(self.ready)
        if waiting < len(self._crcs):
            return self._crcs[-1 - waiting]
        return self.call.resume.digest if self.call.resume else 0

    def _replayed(self, payload: bytes) -> None:
        self._skip -= 1
        self._replayed_crc = crc32(payload, self._replayed_crc)
        if self._skip or self._replayed_crc == self._crc:
            return
        if self._retry is not None and self._retry.verify_replay:
            self._fail(ReplayDivergedError("the replayed chunks differ from those received before"))
        else:
            self.notes.append("replayed chunks differ in their bytes from those received before")

    def _odd_chunk(self, payload: bytes, error: ValidationError, now: float) -> None:
        """Not of the chunk type; or an envelope with more in it than its first key."""
        if is_not_json(error):
            self._reframed(payload, "message", now)
            return
        fault = ChunkValidationError(
            f"a chunk is not of the flow's chunk type: {reasons(error)}", validation_error=error
        )
        fault.raw = payload
        self.ready.append(Faulty(fault))
        self._count(payload)

    def _reframed(self, payload: bytes, key: Any, now: float) -> None:
        if self.call.protocol.name == "reflection":
            raise Malformed("a line is not JSON", payload)
        self._take(reframe(payload, key), now)

    def _not_a_chunk(self, frame: Frame, now: float) -> None:
        if isinstance(frame, Raw):
            self.ready.append(frame.value)
            self.seen += 1
        elif isinstance(frame, Result):
            self._result(frame, now)
        elif isinstance(frame, Failure):
            self.clean = True
            self._fail(self._status_error(frame, http_status=self._status))
        elif isinstance(frame, Unknown) and not self._warned_unknown:
            self._warned_unknown = True
            self.notes.append(f"skipped a frame of unknown kind: {excerpt(one_line(frame.what))}")

    def _result(self, frame: Result, now: float) -> None:
        self.trace_id = frame.trace_id or self.trace_id
        if self._skip:
            self._fail(
                ReplayDivergedError(
                    f"the replay ended {self._skip} chunks before what was received"
                )
            )
            return
        try:
            output = self._codec.output(b"null" if frame.payload is None else frame.payload)
        except ValidationError as error:
            self._odd_output(frame, error, now)
        else:
            self._end(Done(output))

    def _odd_output(self, frame: Result, error: ValidationError, now: float) -> None:
        if frame.payload is None:
            self._no_output(error, now)
        elif is_not_json(error):
            self._reframed(frame.payload, "result", now)
        else:
            self._end(Unfit(_unfit(frame.payload, error)))

    def _no_output(self, error: ValidationError, now: float) -> None:
        """JavaScript's `undefined`: in a stream indistinguishable from a drop, unless None is an output."""
        if self._frames is None or self.call.protocol.name == "reflection":
            self._end(Unfit(_unfit(b"", error)))
        else:
            self._dropped("the stream ended without a result", now)

    # --- the end of the body ------------------------------------------------------------------------

    def _finish(self, now: float) -> None:
        if self._refused_status():
            self._refused(now)
        elif self._frames is None:
            self._answer(b"".join(self._body), now)
        else:
            self._take(self._frames.finish(), now)
            if self.outcome is None:
                self._ended_early(now)

    def _ended_early(self, now: float) -> None:
        if not self._any_frame and is_html(self._head):
            raise Malformed("the server answered with an HTML page instead of a stream", self._head)
        if self.call.protocol.name == "events":
            self._result(Result(b"null"), now)
            return
        self._dropped("the stream ended without a result", now)

    def _answer(self, body: bytes, now: float) -> None:
        if is_html(body):
            raise Malformed("the server answered with an HTML page instead of a result", body)
        frame = self.call.protocol.answer(body)
        if isinstance(frame, Failure):
            self._fail(self._status_error(frame, http_status=self._status))
        else:
            self._result(frame, now)

    def _refused_status(self) -> bool:
        return self._state is _State.READING and self._status >= 400

    def _refused(self, now: float) -> None:
        """An HTTP error: the table's rows for 4xx and 5xx."""
        body = b"".join(self._body)
        if self._resuming() and b"StreamNotFoundError" in body:
            self._fail(_expired_error())
            return
        refusal = refusal_of(self._status, self._reason, body)
        error = self._status_error(refusal.failure, http_status=self._status)
        error.work_may_have_run = refusal.may_have_run
        wait = retry_after(self._headers)
        if self._may_repeat(refusal.from_flow, wait):
            self._try_again(error, now, wait=wait)
        else:
            self._fail(error)

    def _may_repeat(self, from_flow: bool, wait: float | None) -> bool:
        busy = self._status in (429, 503)
        if self._resuming():
            return busy or self._status >= 500  # resuming runs nothing
        if busy and wait is not None and not from_flow:
            return True
        return self._replays() and (busy or self._status in (408, 500, 502, 504))

    def _replays(self) -> bool:
        return self._retry is not None and self._retry.replay and self.seen == self._resume_from

    # --- giving up, trying again, resuming ----------------------------------------------------------

    def _unreachable(self, text: str, now: float) -> None:
        error = FlowConnectionError(f"could not reach {self.call.origin}: {text}")
        self._try_again(error, now, wait=None)

    def _dropped(self, text: str, now: float) -> None:
        """The body ended, or the connection died, before a terminal frame."""
        error = StreamInterruptedError(f"{text}{self._advice()}")
        error.work_may_have_run = True
        if self._can_resume() or self._replays():
            self._try_again(error, now, wait=None)
        else:
            self._fail(error)

    def _advice(self) -> str:
        if not self.call.streaming or self.stream_id is not None:
            return ""
        return " (the server issued no stream id, so the stream cannot be resumed)"

    def _can_resume(self) -> bool:
        """Only a call that resumes may be repeated: a server without the stream runs nothing."""
        return self._resuming() and self._retry is not None

    def _try_again(self, error: FlowError, now: float, *, wait: float | None) -> None:
        """Within the budget of attempts and the total deadline; else `error` is how the call ends."""
        seconds = self._delay(self._tries) if wait is None else wait
        self._amend(ended=excerpt(one_line(error.message), 80))
        if self._tries_left <= 0 or not self._fits(seconds, now):
            self._fail(error)
            return
        self.notes.append(
            f"attempt {len(self._attempts)}: {error.message}; next in {seconds:.2f} s"
        )
        self._state, self._wait = _State.WAITING, seconds

    def _fits(self, seconds: float, now: float) -> bool:
        total = self._timeout.total
        return total is None or self._began is None or now + seconds < self._began + total

    # --- clocks -------------------------------------------------------------------------------------

    def _clocks(self) -> dict[Clock, float]:
        """When each clock that runs now will run out."""
        if self._began is None or self.outcome is not None:
            return _NO_CLOCKS
        clocks: dict[Clock, float] = {}
        timeout = self._timeout
        if timeout.total is not None:
            clocks["total"] = self._began + timeout.total
        if self._state is _State.OPENING and not self._connected:
            _run(clocks, "connect", self._opened, timeout.connect)
        elif self._state in (_State.OPENING, _State.READING):
            _run(clocks, "idle", self._since(self._last_byte), timeout.idle)
            if self.call.streaming:
                _run(clocks, "progress", self._since(self._last_chunk), timeout.progress)
        return clocks

    def _since(self, event: float | None) -> float:
        """A clock runs only while the caller waits: time spent between two reads does not count."""
        return max(self._opened, self._waiting, event or 0.0)

    def _due_clock(self) -> Clock:
        clocks = self._clocks()
        return min(clocks, key=clocks.__getitem__, default="total")

    def _timeout_error(self, clock: Clock) -> FlowTimeoutError:
        if clock == "pool":
            error = FlowTimeoutError("the http_client had no free connection", clock=clock)
        else:
            seconds = getattr(self._timeout, clock)
            error = FlowTimeoutError(f"{_CLOCK_SAYS[clock]} within {seconds:g} s", clock=clock)
        error.work_may_have_run = self._sent
        return error

    # --- ending -------------------------------------------------------------------------------------

    def _protocol_error(self, error: Malformed | EventTooLarge) -> None:
        self.clean = False
        if isinstance(error, EventTooLarge):
            what = f"an event is larger than max_event_bytes={error.limit}"
            self._fail(ProtocolError(f"{what}; it begins with {shown_bytes(error.head)}"))
        elif error.sample:
            self._fail(ProtocolError(f"{error.what}; it begins with {shown_bytes(error.sample)}"))
        else:
            self._fail(ProtocolError(error.what))

    def _status_error(self, failure: Failure, http_status: int) -> FlowStatusError:
        cls = STATUS_ERRORS.get(failure.status, UnknownError)
        error = cls(
            failure.message,
            status=failure.status,
            details=failure.details,
            http_status=http_status,
            trace_id=failure.trace_id or self.trace_id,
        )
        error.work_may_have_run = True
        return error

    def _fail(self, error: FlowError) -> None:
        if isinstance(error, ProtocolError | StreamInterruptedError):
            error.work_may_have_run = self._sent
        self._end(Failed(error))

    def _end(self, outcome: Outcome[OutputT]) -> None:
        self._amend(ended=_ending(outcome))
        self.outcome = outcome
        self._phase_at_end = self._phase()
        self._state = _State.ENDED
        if isinstance(outcome, Done | Unfit):
            self.clean = True

    def _amend(self, **facts: Any) -> None:
        if self._attempts:
            self._attempts[-1] = replace(self._attempts[-1], bytes=self._bytes, **facts)

    def _phase(self) -> Phase:
        if self._state is _State.OPENING:
            return "waiting for headers" if self._connected else "connecting"
        if self._state is _State.READING:
            return "reading the body"
        if self._state is _State.ENDED:
            return self._phase_at_end
        return "waiting to retry" if self._attempts else "connecting"


_CLOCK_SAYS: dict[Clock, str] = {
    "connect": "no connection",
    "idle": "not one byte came",
    "progress": "no chunk came",
    "total": "the call did not end",
}


def _run(clocks: dict[Clock, float], clock: Clock, since: float, seconds: float | None) -> None:
    if seconds is not None:
        clocks[clock] = since + seconds


def _expired_error() -> StreamExpiredError:
    return StreamExpiredError("the server no longer knows this stream; start the flow anew")


def _unfit(payload: bytes, error: ValidationError) -> OutputValidationError:
    unfit = OutputValidationError(
        f"the output is not of the flow's output type: {reasons(error)}", validation_error=error
    )
    unfit.raw = payload
    return unfit


def reasons(error: ValidationError) -> str:
    """Where and why, without the values themselves, which may be secret."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    reasons = [f"{'.'.join(map(str, item['loc'])) or 'value'}: {item['msg']}" for item in found]
    return excerpt(one_line("; ".join(reasons)), 500)


def _ending(outcome: Outcome[Any]) -> str:
    if isinstance(outcome, Failed):
        return excerpt(one_line(outcome.error.message), 80)
    return "result"
