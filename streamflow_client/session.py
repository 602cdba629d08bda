"""One call as a state machine without I/O: what to request next, what bytes mean, resume or give up.

In: events from a driver (`bound`, `connected`, `alive`, `head`, `data`, `eof`, `broke`, `expired`, `woke`,
`cancel`), each with the driver's time as `now`, seconds. Out: `step()`, the action to take next; `ready`,
typed chunks in order; `outcome`, how the call ended. All policy of the library is here, once; the drivers
act and nothing else. Out of place here: sockets, clocks, randomness, locks.

    IDLE ─step→ OPENING ─head→ READING ─terminal frame→ ENDED
     ↑             │              │
     └──woke── WAITING ←──────────┘   (retry, or resume with the id that the server issued)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import Enum, auto
from math import inf
from typing import Any, Generic, Literal, TypeVar

from pydantic_core import ValidationError, from_json

from .advice import BEGINS, advice, on_refusal, on_too_long_a_wait
from .call import READ, Action, Break, Call, Done, Failed, Faulty, Limits, Note, Open, Outcome, Unfit, Wait
from .clocks import LONGEST_WAIT, SAYS, Clocks
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
from .jsonvalues import with_whole_characters
from .options import Retry, Timeout
from .tally import Tally
from .text import shown, shown_bytes, without_secrets
from .ticket import Ticket
from .timeline import Attempt, Phase, Timeline
from .wire.codec import Decoder, is_not_json
from .wire.frames import Failure, Frame, Malformed, Raw, Result, Run, Unknown, reframe
from .wire.reply import Reply
from .wire.request import STREAM_ID_HEADER, TRACE_ID_HEADER
from .wire.response import refusal_of, retry_after
from .wire.sse import EventTooLarge

ChunkT = TypeVar("ChunkT")
OutputT = TypeVar("OutputT")


Standing = Literal["not started", "running", "ended", "cancelled", "failed"]


# Chunks decoded ahead of the reader: so few that the garbage collector does not look at them (its youngest
# generation is 700 objects or more), and so many that asking for the next portion costs next to nothing.
_PORTION = 200


class _State(Enum):
    IDLE = auto()
    OPENING = auto()
    READING = auto()
    WAITING = auto()
    ENDED = auto()


class Session(Generic[ChunkT, OutputT]):
    """One call. See the module's docstring.

    Attributes:
        ready: decoded chunks that the caller has not taken yet; the driver pops them from the left.
        outcome: None while the call goes on.
        clean: the response ended as it should, so that its connection may serve another call.
        was_sent: whether the first byte of this attempt's request was written.
        notes: lines for the log, to be emptied by the driver.
    """

    __slots__ = (
        "_attempt",
        "_attempts",
        "_bytes",
        "_cancelled",
        "_clocks",
        "_codec",
        "_comments",
        "_delay",
        "_draining",
        "_incoming",
        "_key",
        "_last_phase",
        "_limits",
        "_ran_before",
        "_reply",
        "_resuming",
        "_retry",
        "_spared",
        "_state",
        "_taking",
        "_tally",
        "_tell",
        "_tries",
        "_tries_left",
        "_wakes",
        "_warned_unknown",
        "call",
        "clean",
        "notes",
        "outcome",
        "ready",
        "stream_id",
        "trace_id",
        "was_sent",
    )  # one more attribute than 30, and a dict of them takes 1 KiB more

    def __init__(
        self,
        call: Call,
        codec: Decoder[ChunkT, OutputT],
        *,
        timeout: Timeout,
        retry: Retry | None,
        limits: Limits,
        delay: Callable[[int], float],
        key: str,
    ) -> None:
        self.ready: deque[ChunkT | Faulty] = deque()
        self.outcome: Outcome[OutputT] | None = None
        self.clean: bool = False
        self.was_sent: bool = False
        self.notes: list[Note] = []
        self.trace_id: str | None = None
        self._retry = retry
        self._limits = limits
        self._delay = delay
        self._key = key
        self._state = _State.IDLE
        self._last_phase: Phase = "connecting"
        self._clocks = Clocks(timeout, streaming=call.streaming)
        self._attempts: list[Attempt] = []  # those before the newest
        self._attempt: dict[str, Any] = {}  # what is known of the newest
        self._bytes = 0  # of the newest attempt's body
        self._comments = 0  # in it
        self._incoming: Iterator[Frame] | None = None  # what came and was not taken yet
        self._tries_left = retry.attempts if retry else 1
        self._tries = 0
        self._wakes = 0.0
        self._resuming = False  # this attempt's request resumes
        self._spared = False  # its response says that it ran nothing
        self._reply: Reply | None = None
        self._draining = False
        self._taking = False  # a body's bytes, that is; only re-entrant calls see it
        self._warned_unknown = False
        self._cancelled: FlowCancelledError | None = None
        self._tell = False
        self._set_call(call, codec)

    def _set_call(self, call: Call, codec: Decoder[ChunkT, OutputT]) -> None:
        self.call: Call = call
        self.stream_id = call.resume.stream_id if call.resume else None
        self._codec = codec
        self._tally = Tally(call.resume)
        self._ran_before = call.resume is not None

    # --- what the driver and the stream ask ----------------------------------------------------------

    @property
    def subject(self) -> str:
        """What the log calls it."""
        return f"flow {self.call.flow!r}" if self.call.flow else without_secrets(self.call.url)

    def __str__(self) -> str:
        """One line for people: `'menu', running, 3 chunks received`."""
        chunks = "chunk" if self.received == 1 else "chunks"
        return f"{shown(repr(self.call.flow), 100)}, {self.state}, {self.received} {chunks} received"

    @property
    def state(self) -> Standing:
        """Where the call stands, for people. One that ended may have chunks that nobody took yet."""
        if isinstance(self.outcome, Done):
            return "ended"
        if self._cancelled is not None:  # maybe not settled yet
            return "cancelled"
        if self.outcome is not None:
            return "failed"
        return "not started" if self._clocks.began is None else "running"

    @property
    def is_answering(self) -> bool:
        """Whether a response is there, and it is no error."""
        return self._state is _State.READING and not self._response.is_error

    @property
    def wants_telling(self) -> bool:
        """Whether the server should hear that its run was cancelled, and can."""
        return self._tell and self.trace_id is not None and self.call.protocol.name == "reflection"

    @property
    def received(self) -> int:
        """Chunks that the caller took, or that were drained, since this object began."""
        return self._tally.seen - len(self.ready) - self._tally.before

    @property
    def liveness(self) -> tuple[float | None, float | None, float | None]:
        """When the last byte, comment and chunk came."""
        return self._clocks.last_byte, self._clocks.last_comment, self._clocks.last_chunk

    def waits(self, now: float) -> None:
        """The caller begins to wait for what comes next."""
        self._clocks.waiting(now)

    def rests(self) -> None:
        """The caller has what it waited for: until it waits again, silence of the server is no fault."""
        self._clocks.resting()

    def step(self, now: float) -> Action | None:
        """What to do next. Only to be asked while `outcome` is None and `ready` is empty.

        None: nothing, but look again. There was more in the bytes that came than was taken at once, or the
        call was cancelled.
        """
        if self._cancelled is not None:
            self.settle(now)
        elif self._state is _State.IDLE:
            return self._open(now)
        elif self._state is _State.WAITING:
            return Wait(max(0.0, self._wakes - now))
        elif self._incoming is None:
            return READ
        else:
            self._take_in(self._clocks.last_byte or now, most=_PORTION)
            self.settle(now)  # a validator, or a signal handler, may have cancelled meanwhile
        return None

    def deadline(self, *, idle: bool = True) -> float | None:
        """The moment at which the first clock, `idle` among them or not, will have run out."""
        return self._clocks.deadline(idle=idle)

    def ticket(self) -> Ticket | None:
        """Where to go on after the chunks that were taken; None without a stream id."""
        if self.stream_id is None or not self.call.protocol.resumable:
            return None
        waiting = len(self.ready)
        received, digest = self._tally.seen - waiting, self._tally.digest(waiting)
        return Ticket(self.call.origin, self.call.flow, self.stream_id, received, digest)

    def drain(self) -> None:
        """From now on only the output is wanted: chunks are counted, not validated and not kept."""
        self._draining = True
        self.ready.clear()

    def stamped(self, error: FlowError, now: float) -> FlowError:
        """Tell an error how far the call had come, at the moment it is raised."""
        error.flow = self.call.flow or None
        error.received = self.received
        error.ticket = self.ticket()
        error.work_may_have_run = self._may_have_run
        error.timeline = error.timeline or self.timeline(now)
        error.advice = error.advice or advice(error, error.timeline)
        return error.with_traceback(None)  # one that is raised again would grow

    def timeline(self, now: float) -> Timeline:
        """What happened so far."""
        clocks = self._clocks
        attempts = (*self._attempts, self._newest()) if self._attempt else ()
        return Timeline(
            attempts=attempts,
            phase=self._phase(),
            elapsed=0.0 if clocks.began is None else now - clocks.began,
            bytes=sum(attempt.bytes for attempt in attempts),
            chunks=self._tally.seen - self._tally.before,
            last_byte_age=None if clocks.last_byte is None else now - clocks.last_byte,
            last_chunk_age=None if clocks.last_chunk is None else now - clocks.last_chunk,
        )

    # --- events: opening -----------------------------------------------------------------------------

    def preparing(self) -> None:
        """The caller makes up the request's headers: only `total` runs."""
        self._clocks.pausing()

    def connected(self, now: float, *, reused: bool | None) -> None:
        """A connection is there, or is left to a caller's own client; the request is about to be written."""
        self._clocks.connected(now)
        if self._attempt:
            self._attempt["reused"] = reused
        self.was_sent = True

    def bound(self, now: float) -> None:
        """A transport that tells about its connection has taken the request: it will say `connected`."""
        self._clocks.opening(now)
        self.was_sent = False

    def alive(self, now: float) -> None:
        """Bytes of any kind came in: headers, comments, chunks."""
        self._clocks.last_byte = now

    def head(self, status: int, reason: str, headers: Mapping[str, str], now: float) -> None:
        """The response's status line and headers are there."""
        self.alive(now)
        if not self._hears(now, _State.OPENING):
            return
        self._state = _State.READING
        self._attempt["http_status"] = status
        self.trace_id = headers.get(TRACE_ID_HEADER) or self.trace_id
        if status == 204 or 300 <= status < 400:
            self.clean = True
            self._no_body(status, headers)
        else:
            self._read(status, reason, headers)

    # --- events: the body ----------------------------------------------------------------------------

    def data(self, data: bytes, now: float) -> None:
        """Bytes of the body."""
        self._clocks.last_byte = now
        if not self._hears(now, _State.READING):
            return
        if self._clocks.is_over(now):  # a caller's own client may not know this clock
            self.expired(now, "total")
            return
        if self._incoming is not None:
            self._take_in(now)
        self._bytes += len(data)
        if self._state is _State.READING:
            reply = self._response
            self._incoming = _portions(reply.feed(data))
            self._take_in(now, most=_PORTION)
            if reply.comments != self._comments:
                self._comments, self._clocks.last_comment = reply.comments, now
        if self._cancelled is not None:
            self.settle(now)

    def eof(self, now: float) -> None:
        """The body ended as HTTP says it should."""
        if not self._hears(now, _State.READING):
            return
        self.clean = True
        self._take_in(now)
        if self._state is _State.READING:
            self._incoming = self._last_frames(self._response, now)
            self._take_in(now)
        if self._state is _State.READING:
            self._ended_early(now)
        self.settle(now)

    def broke(self, kind: Break, text: str, now: float) -> None:
        """The connection failed, in the words of the transport."""
        if not self._hears(now, _State.OPENING, _State.READING):
            return
        lost = f"the connection was lost: {shown(text)}"
        if self._state is _State.READING:
            if self._response.is_error:  # an error page that was cut short still tells its status
                self._refused(self._response, now, whole=False)
            else:
                self._dropped(lost, now)
        elif kind is Break.NOT_SENT:
            self.was_sent = False  # a caller's own client does not say when it has connected
            self._try_again(FlowConnectionError(f"could not reach {self.call.origin}: {shown(text)}"), now)
        elif kind is Break.LOST or self._has_id:
            self._dropped(lost, now)
        else:
            self._fail(ProtocolError(f"the server does not speak HTTP: {shown(text)}"))

    def expired(self, now: float, clock: Clock | None = None, *, idle: bool = True) -> None:
        """A clock has run out: the one that `deadline` told, unless the transport names it."""
        if not self._hears(now, _State.OPENING, _State.READING):
            return
        clock = clock or self._clocks.due(idle=idle)
        error = self._timeout_error(clock)
        if clock in ("connect", "pool"):
            self.was_sent = False
            self._try_again(error, now)
        elif clock != "total" and self._reply is not None and self._reply.is_error:
            self._refused(self._reply, now, whole=False)  # a page that stalls still tells its status
        elif clock != "total" and (self._has_id or (self._replays and not self._runs_nothing)):
            self._try_again(error, now)
        else:
            self._fail(error)

    def woke(self, now: float) -> None:
        """The wait that `Wait` asked for is over."""
        if not self._hears(now, _State.WAITING):
            return
        if self._clocks.fits(0.0, now):
            self._state = _State.IDLE
        else:  # the caller took its time before it let us wait
            self._fail(self._timeout_error("total"))

    # --- events: the caller --------------------------------------------------------------------------

    def begin(self, now: float) -> None:
        """The call begins before its first step: its flow has to be found out."""
        self._clocks.begin(now)

    def become(self, found: Session[ChunkT, OutputT]) -> None:
        """Run what another one, not begun, would: a flow's types and place may be found out late."""
        self._set_call(found.call, found._codec)
        self._clocks.streaming = found.call.streaming

    def refuse(self, error: FlowError) -> None:
        """The call cannot be made at all."""
        if self.outcome is None:
            self._fail(error)

    def cancel(self, why: str, *, tell: bool) -> bool:
        """Stop: nothing more is delivered. False where the call had ended before.

        `tell`: the run is to stop too, if its server can be told.
        """
        if self.outcome is not None or self._cancelled is not None:
            return False
        if not self._taking:  # else a signal handler or a validator came in between, and `settle` does it
            self._forget_ready()
        self._tell = tell
        self._cancelled = FlowCancelledError(why)
        return True

    def settle(self, now: float) -> bool:
        """Let a cancellation take effect; what the network still says does not count. True if so."""
        if self._cancelled is None:
            return False
        if self.outcome is None:
            self._forget_ready()  # what was decoded while another thread cancelled
            self._cancelled.timeline = self.timeline(now)
            self._fail(self._cancelled)
        return True

    def _hears(self, now: float, *states: _State) -> bool:
        """Whether an event counts: not after a cancellation, nor where it comes too late."""
        return (self._cancelled is None or not self.settle(now)) and self._state in states

    def _forget_ready(self) -> None:
        """One by one, from the end: a reader in another thread may be taking from the beginning."""
        forgotten = 0
        with suppress(IndexError):
            while True:
                self.ready.pop()
                forgotten += 1
        self._tally.forget(forgotten)

    # --- opening -------------------------------------------------------------------------------------

    def _open(self, now: float) -> Open:
        self._clocks.opening(now)
        if self._attempt:
            self._attempts.append(self._newest())
        self._reply = self._incoming = None
        self._ran_before = self._may_have_run
        self._resuming = self._has_id
        self.clean = self.was_sent = self._spared = False
        self._tries += 1
        self._tries_left -= 1
        began = now if self._clocks.began is None else self._clocks.began
        self._bytes = self._comments = 0
        self._attempt = {"number": len(self._attempts) + 1, "started": now - began}
        self._state = _State.OPENING  # not before: Ctrl-C may come between, and ends the newest attempt
        if not self._resuming:
            return self._request(self.call.body)
        self._tally.begin_replay()
        return self._request(b"{}")

    def _request(self, body: bytes) -> Open:
        return Open(self.call.protocol.method, self.call.url, self._request_headers(), body)

    @property
    def _has_id(self) -> bool:
        """With an id that the server issued, a further request resumes: it runs nothing."""
        return self.stream_id is not None and self.call.protocol.resumable

    @property
    def _may_have_run(self) -> bool:
        """Whether the server may have run the flow, in whichever attempt."""
        sent = self.was_sent and not self._spared
        return self._ran_before or (sent and not self._runs_nothing)

    @property
    def _runs_nothing(self) -> bool:
        """Whether a document is just read, as often as need be."""
        return self.call.protocol.method == "GET"

    def _request_headers(self) -> dict[str, str]:
        headers = {
            "Accept": "text/event-stream" if self.call.streaming else "application/json",
            "Accept-Encoding": "identity",
        }
        if self._runs_nothing:
            return headers
        headers["Content-Type"] = "application/json"
        if self._resuming:
            headers["X-Genkit-Stream-Id"] = self.stream_id or ""
        elif self._retry is not None and self._retry.replay:
            headers["Idempotency-Key"] = self._key
        return headers

    def _no_body(self, status: int, headers: Mapping[str, str]) -> None:
        if status == 304:
            what = "instead of a result; a request header of yours, or a proxy, asks for that"
            self._fail(ProtocolError(f"the server answered 304 Not Modified {what}"))
        elif status != 204:
            self._spared = True
            target = shown(without_secrets(headers.get("location", "nowhere")))
            self._fail(
                ProtocolError(
                    f"the server redirects (HTTP {status}) to {target}; redirects are never followed, "
                    "so give that address as the base URL if it is the right one"
                )
            )
        elif self._resuming:
            self._fail(_expired_error())
        else:
            self._fail(ProtocolError("the server answered 204 No Content instead of a result"))

    def _read(self, status: int, reason: str, headers: Mapping[str, str]) -> None:
        try:
            self._reply = Reply(
                status,
                reason,
                headers,
                self.call.protocol,
                streaming=self.call.streaming,
                max_event=self._limits.event,
                max_body=self._limits.response,
            )
        except Malformed as error:
            self._protocol_error(error)
            return
        told = headers.get(STREAM_ID_HEADER) or None
        if told is not None and not told.isascii():
            self.notes.append(Note("the server's stream id is not ASCII text, so it is not used"))
            told = None
        if told is None or not self._reply.is_stream:
            return
        if not self.call.streaming:  # a server that only streams; from here on it is as if asked to
            self._stream_on()
        if self._resuming and told != self.stream_id:
            what = "the server began another stream instead of resuming this one"
            self._fail(ReplayDivergedError(what))
        self.stream_id = self.stream_id or told

    def _stream_on(self) -> None:
        self.call = replace(self.call, streaming=True)
        self._clocks.streaming = True

    # --- the body ------------------------------------------------------------------------------------

    def _take_in(self, now: float, *, most: float = inf) -> None:
        """Take of what came: until `most` chunks are ready, or all was taken, or the attempt has ended."""
        self._taking = True
        try:
            while self._incoming is not None and self._state is _State.READING and len(self.ready) < most:
                frame = next(self._incoming, None)
                if frame is None:
                    self._taken_in(now)
                else:
                    self._take([frame], now)
        except (Malformed, EventTooLarge) as error:
            self._protocol_error(error)
        finally:
            self._taking = False

    def _taken_in(self, now: float) -> None:
        self._incoming = None
        reply = self._response
        if reply.is_error and reply.is_full and self._state is _State.READING:
            self._refused(reply, now, whole=False)

    def _take(self, frames: Iterable[Frame], now: float) -> None:
        """Payloads become typed chunks, a terminal frame ends the call."""
        before = self._tally.seen
        for frame in frames:
            if not isinstance(frame, list):
                self._not_a_chunk(frame, now)
            elif self._draining or self._tally.to_skip:
                self._pass_over(frame, now)
            else:
                self._chunks(frame, now)
            if self._state is not _State.READING:
                break
        if self._tally.seen != before:
            self._progress(now)

    def _chunks(self, payloads: Run, now: float) -> None:
        """The hot loop is `map`: nothing but the decoder runs per chunk."""
        rest, taken = iter(payloads), 0
        while taken < len(payloads) and self._state is _State.READING:
            chunks: list[ChunkT] = []
            error: Exception | None = None
            try:
                chunks.extend(map(self._codec.chunk, rest))  # on an error, those before it are kept
            except Exception as caught:  # noqa: BLE001 - a validator of the caller's may raise anything
                error = caught
            good = payloads[taken : taken + len(chunks)]
            taken += len(chunks)
            self._deliver(good, chunks)
            if taken < len(payloads):
                # Without an error it was a StopIteration, which `map` passes on as its own end.
                self._odd_chunk(payloads[taken], error or StopIteration(), now)
                taken += 1

    def _deliver(self, payloads: Run, chunks: Sequence[ChunkT | Faulty]) -> None:
        if self.stream_id is not None:
            self._tally.count(payloads, chunks, self.ready)
            return
        tally, deliver = self._tally, self.ready.extend
        seen = tally.seen + len(chunks)
        tally.seen = seen  # nothing comes between this and the next: see `Tally.count`
        deliver(chunks)

    def _progress(self, now: float) -> None:
        self._clocks.last_chunk = now
        if self._retry is not None:
            self._tries_left = self._retry.attempts
            self._tries = 1

    def _pass_over(self, payloads: Run, now: float) -> None:
        """Chunks that nobody wants, or not again: a replay repeats them, or only the output is waited for."""
        for at, payload in enumerate(payloads):
            if not _is_json(payload):  # it may hold more than a chunk, a failure even
                self._reframed(payload, "message", now)
            elif self._tally.to_skip:
                self._replayed(payload, now)
            elif self._draining:
                self._tally.count([payload], [], self.ready)
            else:
                self._chunks(payloads[at:], now)
                break
            if self._state is not _State.READING:
                break

    def _replayed(self, payload: bytes, now: float) -> None:
        self._clocks.last_chunk = now
        if self._tally.replayed(payload):
            return
        if self._retry is not None and self._retry.verify_replay:
            self._fail(ReplayDivergedError("the replayed chunks differ from those received before"))
        else:
            self.notes.append(Note("replayed chunks differ in their bytes from those received before"))

    def _odd_chunk(self, payload: bytes, error: Exception, now: float) -> None:
        """Not of the chunk type; or an envelope with more in it than its first key."""
        if isinstance(error, ValidationError) and is_not_json(error):
            self._reframed(payload, "message", now)
            return
        error = self._codec.told(error, "chunk")
        fault = ChunkValidationError(
            f"a chunk is not of the flow's chunk type: {reasons(error)}", validation_error=error
        )
        fault.raw = payload
        self._deliver([payload], [Faulty(fault)])

    def _reframed(self, payload: bytes, key: Literal["message", "result"], now: float) -> None:
        whole = with_whole_characters(payload)
        if whole != payload:
            self._take([[whole] if key == "message" else Result(whole)], now)
        elif self.call.protocol.name == "reflection":
            raise Malformed("a line is not JSON", payload)
        else:
            self._take(reframe(payload, key), now)

    def _not_a_chunk(self, frame: Frame, now: float) -> None:
        if isinstance(frame, Raw):
            if not self._draining:
                self.ready.append(frame.value)
            self._tally.seen += 1
        elif isinstance(frame, Result):
            self._result(frame, now)
        elif isinstance(frame, Failure):
            self._failure(frame)
        elif isinstance(frame, Unknown) and not self._warned_unknown:
            self._warned_unknown = True
            self.notes.append(Note(f"skipped a frame of unknown kind: {shown(frame.what)}"))

    def _failure(self, frame: Failure) -> None:
        self.clean = True
        self._fail(self._status_error(frame, self._attempt["http_status"]))

    def _result(self, frame: Result, now: float) -> None:
        self.trace_id = frame.trace_id or self.trace_id
        if self._tally.to_skip:
            what = f"the replay ended {self._tally.to_skip} chunks before what was received"
            self._fail(ReplayDivergedError(what))
            return
        if self._resuming and not self._response.is_stream:
            what = "the server answered with one JSON body instead of resuming the stream"
            self._fail(ReplayDivergedError(what))
            return
        try:
            output = self._codec.output(b"null" if frame.payload is None else frame.payload)
        except Exception as error:  # noqa: BLE001 - as above
            self._odd_output(frame, error, now)
        else:
            self._end(Done(output))

    def _odd_output(self, frame: Result, error: Exception, now: float) -> None:
        """Not of the output type; JavaScript's `undefined`; or an envelope with more in it."""
        if frame.payload is None and frame.trace_id is None and self._response.is_stream:
            # `data: {}` at the end of a stream: a drop just as well, unless None is an output
            self._dropped("the stream ended without a result", now)
        elif frame.payload is not None and isinstance(error, ValidationError) and is_not_json(error):
            self._reframed(frame.payload, "result", now)
        else:
            self._end(Unfit(_unfit(frame.payload or b"", self._codec.told(error, "output"))))

    @property
    def _response(self) -> Reply:
        """The response that is being read."""
        assert self._reply is not None, "every response that is read has one"
        return self._reply

    # --- the end of the body -------------------------------------------------------------------------

    def _last_frames(self, reply: Reply, now: float) -> Iterator[Frame]:
        """What the end of a body completes; an HTTP error is over with it."""
        if reply.is_error:
            self._refused(reply, now, whole=True)
        elif reply.is_stream:
            yield from reply.finish()
        else:
            yield reply.answer()

    def _ended_early(self, now: float) -> None:
        if self.call.protocol.name == "events":
            self._result(Result(b"null"), now)
        else:
            self._dropped("the stream ended without a result", now)

    def _refused(self, reply: Reply, now: float, *, whole: bool) -> None:
        """An HTTP error: the table's rows for 4xx and 5xx. Half a body may be half a flow's failure."""
        body = reply.body()
        if self._resuming and b"StreamNotFoundError" in body:
            self._fail(_expired_error())
            return
        refusal = refusal_of(reply.status, reply.reason, body)
        error = self._status_error(refusal.failure, reply.status)
        if not refusal.from_flow:
            error.advice = on_refusal(reply.status, may_have_run=refusal.may_have_run)
        wait = retry_after(reply.headers)
        busy = reply.status in (429, 503) and wait is not None and whole and not refusal.from_flow
        self._spared = busy or not refusal.may_have_run
        if self._may_repeat(reply.status, busy):
            self._try_again(error, now, wait)
        else:
            self._fail(error)

    def _may_repeat(self, status: int, busy: bool) -> bool:
        if self._resuming:
            return status == 429 or status >= 500
        return busy or (self._replays and status in (408, 429, 500, 502, 503, 504))

    @property
    def _replays(self) -> bool:
        """Whether the same may be asked once more, and nothing of it was delivered.

        A flow, where the caller allowed to run it again; a document, where there are retries at all.
        """
        nothing_seen = self._tally.seen == self._tally.before
        allowed = self._retry is not None and (self._retry.replay or self._runs_nothing)
        return allowed and nothing_seen

    # --- giving up, trying again ---------------------------------------------------------------------

    def _dropped(self, text: str, now: float) -> None:
        """The body ended, or the connection died, before a terminal frame."""
        advice = ""
        if self.call.streaming and self.stream_id is None:
            advice = " (the server issued no stream id, so the stream cannot be resumed)"
        error = StreamInterruptedError(text + advice)
        if self._has_id or self._replays:
            self._try_again(error, now)
        else:
            self._fail(error)

    def _try_again(self, error: FlowError, now: float, wait: float | None = None) -> None:
        """Within the budget of attempts and the total deadline; else `error` is how the call ends."""
        seconds = max(0.0, min(self._delay(self._tries), LONGEST_WAIT) if wait is None else wait)
        may_try = self._tries_left > 0
        if not may_try or not self._clocks.fits(seconds, now):
            if may_try and wait is not None:
                error.advice = on_too_long_a_wait(wait)
            self._fail(error)
            return
        why = shown(error.message)
        self._attempt["ended"] = why
        self.notes.append(Note(f"{self._newest()}; next in {seconds:.2f} s"))
        self._state, self._wakes = _State.WAITING, now + seconds
        self._clocks.pausing()

    def _timeout_error(self, clock: Clock) -> FlowTimeoutError:
        seconds: float | None = getattr(self._clocks.timeout, clock, None)  # None: a clock of the http_client
        within = "" if seconds is None else f" within {round(seconds, 3):g} s"
        return FlowTimeoutError(SAYS[clock] + within, clock=clock)

    # --- ending --------------------------------------------------------------------------------------

    def _protocol_error(self, error: Malformed | EventTooLarge) -> None:
        self.clean = False
        if isinstance(error, EventTooLarge):
            what, sample = f"an event is larger than max_event_bytes={error.limit}", error.head
        else:
            what, sample = error.what, error.sample
        begins = BEGINS + shown_bytes(sample) if sample else ""
        self._fail(ProtocolError(what + begins))

    def _status_error(self, failure: Failure, http_status: int | None) -> FlowStatusError:
        cls = STATUS_ERRORS.get(failure.status, UnknownError)
        return cls(
            failure.message,
            status=failure.status,
            details=failure.details,
            http_status=http_status,
            trace_id=failure.trace_id or self.trace_id,
        )

    def _fail(self, error: FlowError) -> None:
        self._end(Failed(error))

    def _end(self, outcome: Outcome[OutputT]) -> None:
        told = self.clean and isinstance(outcome, Failed) and isinstance(outcome.error, FlowStatusError)
        self._last_phase = "answered" if told else self._phase()
        if self._state in (_State.OPENING, _State.READING):  # else the newest attempt has had its line
            self._attempt["ended"] = _ending(outcome)
            self.notes.append(Note(self._newest(), warns=False))
        self._state = _State.ENDED
        self._incoming = None
        self._clocks.pausing()
        self.clean = self.clean or not isinstance(outcome, Failed)
        self.outcome = outcome

    def _newest(self) -> Attempt:
        return Attempt(**self._attempt, bytes=self._bytes)

    def _phase(self) -> Phase:
        if self._state is _State.OPENING:
            return "waiting for headers" if self.was_sent else "connecting"
        if self._state is _State.READING:
            return "reading the body"
        if self._state is _State.ENDED:
            return self._last_phase
        return "waiting to retry" if self._attempt else "connecting"


def _portions(found: Iterable[list[Frame]]) -> Iterator[Frame]:
    """Frame by frame, long runs of chunks cut into portions."""
    for frames in found:
        for frame in frames:
            if isinstance(frame, list) and len(frame) > _PORTION:
                yield from (frame[at : at + _PORTION] for at in range(0, len(frame), _PORTION))
            else:
                yield frame


def _is_json(payload: bytes) -> bool:
    try:
        from_json(payload)
    except ValueError:
        return False
    return True


def _expired_error() -> StreamExpiredError:
    return StreamExpiredError("the server no longer knows this stream; start the flow anew")


def _unfit(payload: bytes, error: Exception) -> OutputValidationError:
    unfit = OutputValidationError(
        f"the output is not of the flow's output type: {reasons(error)}", validation_error=error
    )
    unfit.raw = payload
    return unfit


def reasons(error: Exception) -> str:
    """Where and why a value is not of a type, without the values themselves, which may be secret."""
    if not isinstance(error, ValidationError):
        return f"its validator raised {type(error).__name__}"
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return shown("; ".join(f"{'.'.join(map(str, item['loc'])) or 'value'}: {item['msg']}" for item in found))


def _ending(outcome: Outcome[Any]) -> str:
    return shown(outcome.error.message) if isinstance(outcome, Failed) else "result"
