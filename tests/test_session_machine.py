"""The session against arbitrary histories: Hypothesis plays network, server, clock and caller.

The server has a truth: chunks, then a result or a failure. Whatever happens on the way, what the caller
gets is a prefix of it, each chunk once and in order; a ticket says exactly how long that prefix is; the
call ends once; no request runs the flow again that may have run, unless the caller allowed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zlib import crc32

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streamflow_client.call import READ, Break, Call, Done, Failed, Faulty, Limits, Open, Outcome, Wait
from streamflow_client.errors import (
    ChunkValidationError,
    FlowCancelledError,
    FlowConnectionError,
    FlowError,
    FlowStatusError,
    FlowTimeoutError,
    NotFoundError,
    ProtocolError,
    ReplayDivergedError,
    StreamExpiredError,
    StreamInterruptedError,
)
from streamflow_client.options import Retry, Timeout
from streamflow_client.session import Session
from streamflow_client.ticket import Ticket
from streamflow_client.wire.codec import Codec
from streamflow_client.wire.request import PROTOCOLS

ORIGIN, KEY, INPUT = "http://h:80", "key", b'{"data":1}'
FLOW_SAYS = b'{"error":{"status":"UNAVAILABLE","message":"the flow says so"}}'
FAILURE = b'data: {"error":{"status":"NOT_FOUND","message":"no such thing"}}\n\n'
RESULT = b'data: {"result":"done"}\n\n'
WAITS = 1000.0  # no wait between two attempts is longer, and no silence that the clocks allow

# One chunk on the wire, in the ways of several servers. "word" is not of the chunk type.
FRAMES = (
    b'data: {"message":%b}\n\n',
    b'data: { "message" : %b}\r\n\r\n',
    b': ping\ndata:{"message":%b}\n\n',
    b'data: {"message":%b,"more":[1]}\n\n',
    b'event: message\ndata: {"message":\ndata: %b}\n\n',
)
payloads = st.integers(0, 999).map(b"%d".__mod__) | st.just(b'"word"')


@dataclass(frozen=True)
class Truth:
    """What the server's one run says."""

    chunks: list[bytes]
    frames: list[bytes]
    end: bytes

    def digest(self, received: int) -> int:
        return crc32(b"".join(self.chunks[:received]))

    @property
    def body(self) -> bytes:
        return b"".join(self.frames) + self.end


truths = st.builds(
    lambda pairs, end: Truth([p for p, _ in pairs], [frame % p for p, frame in pairs], end),
    st.lists(st.tuples(payloads, st.sampled_from(FRAMES)), max_size=6),
    st.sampled_from([RESULT, FAILURE]),
)
clocks = st.sampled_from([None, 5.0, 60.0])
timeouts = st.builds(Timeout, clocks, clocks, clocks, st.sampled_from([None, None, 300.0]))
retries = st.builds(
    Retry, attempts=st.sampled_from([4, 3, 2, 1]), replay=st.booleans(), verify_replay=st.booleans()
)
some_retries = st.sampled_from(range(8)).flatmap(lambda n: retries if n else st.none())


class Calls(RuleBasedStateMachine):
    """`at` says what the driver is doing: nothing yet, or waiting for the answer to an action."""

    @initialize(
        truth=truths,
        durable=st.sampled_from([True, True, False]),
        retry=some_retries,
        timeout=timeouts,
        resumed_at=st.none() | st.integers(0, 6),
    )
    def begin(
        self, truth: Truth, durable: bool, retry: Retry | None, timeout: Timeout, resumed_at: int | None
    ) -> None:
        self.truth, self.retry = truth, retry
        self.durable = durable or resumed_at is not None
        self.before = 0 if resumed_at is None else min(resumed_at, len(truth.chunks))
        ticket = None
        if resumed_at is not None:
            ticket = Ticket(ORIGIN, "f", "s1", self.before, truth.digest(self.before))
        self.now = 1000.0
        self.at: str = "nothing"
        self.sent = False
        self.ran = self.ran_before = ticket is not None
        self.left = b""
        self.got: list[bytes] = []
        self.drained = self.cancelled = False
        self.requests: list[Open] = []
        self.fruitless = self.chunks = 0
        self.ended: Outcome[Any] | None = None
        self.session: Session[Any, Any] = Session(
            Call("f", ORIGIN, "http://h/f", PROTOCOLS["callable"], INPUT, True, ticket),
            Codec[Any, Any, Any]("f", Any, int, str, strict=False),
            timeout=timeout,
            retry=retry,
            limits=Limits(1000, 1000),
            delay=lambda attempt: attempt / 8,
            key=KEY,
        )

    # --- the driver -----------------------------------------------------------------------------

    def is_free(self) -> bool:
        return self.at == "nothing" and self.ended is None and not self.session.ready

    def go(self) -> None:
        """Ask what to do next, if there is anything to ask."""
        if not self.is_free() or self.session.settle(self.now):
            return
        action = self.session.step(self.now)
        if isinstance(action, Open):
            self.at = "opening"
            self.open(action)
        elif isinstance(action, Wait):
            assert 0 <= action.seconds <= WAITS
            self.at = "waiting"
            self.left_to_wait = action.seconds
        else:
            assert action is READ
            self.at = "reading"

    @precondition(is_free)
    @rule(waits=st.booleans())
    def begin_to_wait(self, waits: bool) -> None:
        if waits:
            self.session.waits(self.now)
        self.go()

    def open(self, request: Open) -> None:
        resumes = "X-Genkit-Stream-Id" in request.headers
        assert request.body == (b"{}" if resumes else INPUT)
        if not resumes:
            allowed = self.retry is not None and self.retry.replay
            assert not self.ran or (allowed and self.chunks == 0), "the flow would run again"
            assert ("Idempotency-Key" in request.headers) is allowed
        assert not resumes or request.headers["X-Genkit-Stream-Id"] == "s1"
        self.resumes, self.sent, self.ran_before = resumes, False, self.ran
        self.requests.append(request)
        self.fruitless += 1
        assert self.fruitless <= (self.retry.attempts if self.retry else 1), "the budget"

    @precondition(lambda self: self.at == "waiting")
    @rule(sooner=st.booleans())
    def wake(self, sooner: bool) -> None:
        """A cancellation wakes it sooner, and so may a spurious signal."""
        self.now += 0 if sooner else self.left_to_wait
        self.session.woke(self.now)
        self.at = "nothing"

    @precondition(lambda self: self.at in ("opening", "reading"))
    @rule()
    def run_out(self) -> None:
        deadline = self.session.deadline()
        if deadline is not None:
            self.now = max(self.now, deadline)
            self.session.expired(self.now)
            self.at = "nothing"

    @rule(seconds=st.sampled_from([0.1, 4.0, 59.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    # --- the network, before a response -----------------------------------------------------------

    @precondition(lambda self: self.at == "opening" and not self.sent)
    @rule(reused=st.sampled_from([True, False, None]))
    def connect(self, reused: bool | None) -> None:
        self.session.connected(self.now, reused=reused)
        self.sent = self.ran = True

    @precondition(lambda self: self.at == "opening")
    @rule(kind=st.sampled_from([*Break]))
    def fail_before_the_head(self, kind: Break) -> None:
        if kind is Break.NOT_SENT:
            self.ran = self.ran_before
        elif not self.sent:
            self.connect(None)
        self.session.broke(kind, "gone", self.now)
        self.at = "nothing"

    # --- the server -------------------------------------------------------------------------------

    def is_asked(self) -> bool:
        return self.at == "opening" and self.sent

    def is_asked_to_resume(self) -> bool:
        return self.is_asked() and self.resumes

    @precondition(is_asked)
    @rule()
    def answer(self) -> None:
        self.reply(self.truth.body)

    def reply(self, body: bytes, stream_id: str = "s1") -> None:
        headers = {"x-genkit-stream-id": stream_id} if self.durable else {}
        self.session.head(200, "OK", headers, self.now)
        self.left = body
        self.at = "nothing"

    @precondition(is_asked)
    @rule(
        status=st.sampled_from([400, 429, 500, 503]),
        retry_after=st.sampled_from([None, "3", "9" * 9]),
        body=st.sampled_from([b"busy", FLOW_SAYS]),
        whole=st.booleans(),
    )
    def refuse(self, status: int, retry_after: str | None, body: bytes, whole: bool) -> None:
        headers = {} if retry_after is None else {"retry-after": retry_after}
        busy = status in (429, 503) and retry_after is not None and body == b"busy" and whole
        if busy and not self.cancelled:
            self.ran = self.ran_before
        self.session.head(status, "", headers, self.now)
        self.session.data(body, self.now)
        if whole:
            self.session.eof(self.now)
        else:
            self.session.broke(Break.LOST, "", self.now)
        self.at = "nothing"

    @precondition(is_asked_to_resume)
    @rule()
    def forget_the_stream(self) -> None:
        self.session.head(204, "", {}, self.now)
        self.at = "nothing"
        self.ends_with(StreamExpiredError)

    @precondition(is_asked_to_resume)
    @rule()
    def begin_another_stream(self) -> None:
        self.reply(self.truth.body, "s2")
        self.ends_with(ReplayDivergedError)

    @precondition(lambda self: self.is_asked_to_resume() and self.before + self.chunks > 0)
    @rule()
    def replay_too_little(self) -> None:
        self.reply(b"".join(self.truth.frames[: self.before + self.chunks - 1]) + RESULT)
        self.session.data(self.left, self.now)
        self.ends_with(ReplayDivergedError)

    @precondition(lambda self: self.is_asked_to_resume() and self.before + self.chunks > 0)
    @rule()
    def replay_something_else(self) -> None:
        """Only what the caller has is replayed otherwise, so nothing else may come of it."""
        self.reply(b'data: {"message":"else"}\n\n' + b"".join(self.truth.frames[1:]) + self.truth.end)

    def ends_with(self, cls: type[FlowError]) -> None:
        outcome = self.session.outcome
        assert isinstance(outcome, Failed)
        assert type(outcome.error) is (FlowCancelledError if self.cancelled else cls)

    # --- the body ---------------------------------------------------------------------------------

    def is_reading(self) -> bool:
        return self.at == "reading"

    @precondition(is_reading)
    @rule(size=st.integers(1, 200))
    def send(self, size: int) -> None:
        piece, self.left = self.left[:size], self.left[size:]
        if piece:
            self.session.data(piece, self.now)
        else:
            self.session.eof(self.now)
        self.at = "nothing"

    @precondition(is_reading)
    @rule(clean=st.booleans(), kind=st.sampled_from([*Break]))
    def drop(self, clean: bool, kind: Break) -> None:
        if clean:
            self.session.eof(self.now)
        else:
            self.session.broke(kind, "gone", self.now)
        self.at = "nothing"

    @precondition(lambda self: self.is_free() or self.at in ("opening", "waiting"))
    @rule(
        sizes=st.lists(st.integers(1, 60), min_size=1, max_size=6),
        takes=st.sampled_from([0, 1, 2, 99]),
        clean=st.booleans(),
    )
    def one_attempt(self, sizes: list[int], takes: int, clean: bool) -> None:
        """Get an answer, read some of it, lose the rest: the usual trouble in one rule."""
        self.come_to("opening")
        if self.at == "opening":
            self.answer()
        for size in sizes:
            self.come_to("reading")
            if self.at != "reading":
                return
            self.send(size)
            self.counts()
            self.ends_once()
            if self.session.ready:
                self.take(takes)
            if self.session.ready:
                return
        self.come_to("reading")
        if self.at == "reading":
            self.drop(clean, Break.LOST)

    def come_to(self, state: str) -> None:
        for _ in range(3):
            if self.at == "waiting" and state == "opening":
                self.wake(sooner=False)
            self.ends_once()
            self.go()
        if self.at == "opening" and not self.sent:
            self.connect(False)

    # --- the caller -------------------------------------------------------------------------------

    @precondition(lambda self: bool(self.session.ready))
    @rule(count=st.sampled_from([1, 2, 6]))
    def take(self, count: int) -> None:
        for _ in range(min(count, len(self.session.ready))):
            item = self.session.ready.popleft()
            self.got.append(item.error.raw if isinstance(item, Faulty) else b"%d" % item)

    @precondition(lambda self: len(self.requests) > 1)
    @rule()
    def drain(self) -> None:
        self.session.drain()
        self.drained = True

    @precondition(lambda self: len(self.requests) > 1)  # earlier, most histories would end at once
    @rule(tell=st.booleans())
    def cancel(self, tell: bool) -> None:
        received = len(self.got)
        stopped = self.session.cancel("stopped", tell=tell)
        assert stopped is (self.ended is None and not self.cancelled)
        if stopped:
            self.cancelled = True
            assert not self.session.ready
            assert self.drained or self.session.received == received

    # --- what holds at every moment ---------------------------------------------------------------

    @invariant()
    def counts(self) -> None:
        session = self.session
        assert self.got == self.truth.chunks[self.before :][: len(self.got)], "a prefix, in order, once"
        assert session.received == len(self.got) or self.drained
        received = self.before + session.received
        assert received + len(session.ready) <= len(self.truth.chunks)
        ticket = session.ticket()
        if ticket is not None:
            assert self.durable
            assert (ticket.received, ticket.digest) == (received, self.truth.digest(received))
        chunks = session.timeline(self.now).chunks
        if chunks > self.chunks:
            self.fruitless = 0
        assert chunks >= self.chunks or self.cancelled
        self.chunks = chunks
        assert not (self.drained and session.ready)

    @invariant()
    def ends_once(self) -> None:
        outcome = self.session.outcome
        assert self.ended is None or outcome is self.ended, "one outcome"
        if outcome is None or self.ended is not None:
            return
        self.ended = outcome
        if isinstance(outcome, Failed):
            self.check(outcome.error)
        else:
            assert isinstance(outcome, Done)
            assert outcome.output == "done"
            assert self.truth.end == RESULT
            assert self.before + self.chunks == len(self.truth.chunks), "nothing is missing"

    def check(self, error: FlowError) -> None:
        assert self.session.stamped(error, self.now) is error
        assert isinstance(error, FlowCancelledError) is self.cancelled
        assert isinstance(
            error,
            FlowCancelledError
            | FlowConnectionError
            | FlowStatusError
            | FlowTimeoutError
            | ProtocolError
            | StreamInterruptedError,
        )
        assert not isinstance(error, ChunkValidationError)
        if isinstance(error, NotFoundError):
            assert self.before + self.chunks == len(self.truth.chunks)
        assert error.received == self.session.received
        assert error.ticket == self.session.ticket()
        assert error.work_may_have_run is (self.ran or (self.sent and self.cancelled))
        assert error.timeline is not None
        assert len(error.timeline.attempts) == len(self.requests)
        assert str(error)

    def teardown(self) -> None:
        """From here on all goes well: then it ends soon."""
        for _ in range(100):
            if self.ended is not None:
                break
            if self.session.ready:
                self.take(99)
            elif self.at == "nothing":
                self.go()
            elif self.at == "waiting":
                self.wake(sooner=False)
            elif self.at == "reading":
                self.send(99999)
            elif self.sent:
                self.answer()
            else:
                self.connect(False)
            self.counts()
            self.ends_once()
        assert self.ended is not None
        if self.session.ready:
            self.take(99)
        self.counts()
        if isinstance(self.ended, Done) and not self.drained:
            assert self.got == self.truth.chunks[self.before :]


Calls.TestCase.settings = settings(
    max_examples=400, stateful_step_count=40, deadline=None, derandomize=True, database=None
)
TestCalls = Calls.TestCase
