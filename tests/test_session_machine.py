"""The session against arbitrary histories: Hypothesis plays network, server, clock and caller.

The server has a truth: chunks, then a result or a failure. Whatever happens on the way, what the caller
gets is a prefix of it, each chunk once and in order; a ticket says exactly how long that prefix is; the
call ends once; no request runs the flow again that may have run, unless the caller allowed it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from hypothesis import given, settings
from hypothesis import strategies as st

from streamflow_client.call import READ, Break, Call, Done, Failed, Faulty, Limits, Open, Outcome, Wait
from streamflow_client.errors import (
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

ERRORS = (
    FlowCancelledError,
    FlowConnectionError,
    FlowStatusError,
    FlowTimeoutError,
    ProtocolError,
    StreamInterruptedError,
)

Draw = Callable[[st.SearchStrategy[Any]], Any]
Happening = Callable[[Draw], None]


class World:
    """One call and all around it. `at` says which action the driver is about: none, or one that waits for
    an event. Methods are what may happen; those that need chance are handed `draw`.
    """

    def __init__(self, draw: Draw) -> None:
        self.truth, self.retry = draw(truths), draw(some_retries)
        resumed_at = draw(st.sampled_from([None, None, None, 0, 1, 3]))
        self.durable = draw(st.sampled_from([True, True, True, False])) or resumed_at is not None
        self.before = min(resumed_at or 0, len(self.truth.chunks))
        ticket = None
        if resumed_at is not None:
            ticket = Ticket(ORIGIN, "f", "s1", self.before, self.truth.digest(self.before))
        self.now = 1000.0
        self.at = "nothing"
        self.sent = self.drained = self.cancelled = False
        self.ran = self.ran_before = ticket is not None
        self.left = b""
        self.got: list[bytes] = []
        self.requests: list[Open] = []
        self.fruitless = self.chunks = 0
        self.ended: Outcome[Any] | None = None
        self.session: Session[Any, Any] = Session(
            Call("f", ORIGIN, "http://h/f", PROTOCOLS["callable"], INPUT, True, ticket),
            Codec[Any, Any, Any]("f", Any, int, str, strict=False),
            timeout=draw(timeouts),
            retry=self.retry,
            limits=Limits(1000, 1000),
            delay=lambda attempt: attempt / 8,
            key=KEY,
        )

    # --- the driver -----------------------------------------------------------------------------

    def go(self) -> None:
        """Ask what to do next, if there is anything to ask."""
        if self.at != "nothing" or self.session.outcome is not None or self.session.ready:
            return
        if self.session.settle(self.now):
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

    def open(self, request: Open) -> None:
        resumes = "X-Genkit-Stream-Id" in request.headers
        assert request.body == (b"{}" if resumes else INPUT)
        if not resumes:
            allowed = self.retry is not None and self.retry.replay
            assert not self.ran or (allowed and self.chunks == 0), "the flow would run again"
            assert request.headers.get("Idempotency-Key") == (KEY if allowed else None)
        assert not resumes or request.headers["X-Genkit-Stream-Id"] == "s1"
        self.resumes, self.sent, self.ran_before = resumes, False, self.ran
        self.requests.append(request)
        self.fruitless += 1
        assert self.fruitless <= (self.retry.attempts if self.retry else 1), "the budget"

    def wake(self) -> None:
        self.now += self.left_to_wait
        self.session.woke(self.now)
        self.at = "nothing"

    def wake_early(self) -> None:
        self.session.woke(self.now)
        self.at = "nothing"

    def run_out(self) -> None:
        deadline = self.session.deadline()
        if deadline is not None:
            if not self.sent:
                self.ran = self.ran_before
            self.now = max(self.now, deadline)
            self.session.expired(self.now)
            self.at = "nothing"

    def pass_time(self, draw: Draw) -> None:
        self.now += draw(st.sampled_from([0.1, 4.0, 59.0, 400.0]))

    # --- the network, before a response -----------------------------------------------------------

    def connect(self, draw: Draw) -> None:
        self.session.connected(self.now, reused=draw(st.sampled_from([True, False, None])))
        self.sent = self.ran = True

    def fail_to_connect(self) -> None:
        self.ran = self.ran_before
        self.session.broke(Break.NOT_SENT, "refused", self.now)
        self.at = "nothing"

    def fail_before_the_head(self, draw: Draw) -> None:
        self.session.broke(draw(st.sampled_from([Break.LOST, Break.GARBAGE])), "gone", self.now)
        self.at = "nothing"

    # --- the server -------------------------------------------------------------------------------

    def answer(self) -> None:
        self.reply(self.truth.body)

    def reply(self, body: bytes, stream_id: str = "s1") -> None:
        headers = {"x-genkit-stream-id": stream_id} if self.durable else {}
        self.session.head(200, "OK", headers, self.now)
        self.left = body
        self.at = "nothing"

    def refuse(self, draw: Draw) -> None:
        status = draw(st.sampled_from([503, 429, 500, 400]))
        after = draw(st.sampled_from(["3", None, "9" * 9]))
        body = draw(st.sampled_from([b"busy", FLOW_SAYS]))
        whole = draw(st.booleans())
        if (status in (429, 503) and after is not None and body == b"busy" and whole) and not self.cancelled:
            self.ran = self.ran_before
        self.session.head(status, "", {"retry-after": after} if after else {}, self.now)
        self.session.data(body, self.now)
        if whole:
            self.session.eof(self.now)
        else:
            self.session.broke(Break.LOST, "", self.now)
        self.at = "nothing"

    def forget_the_stream(self) -> None:
        self.session.head(204, "", {}, self.now)
        self.at = "nothing"
        self.ends_with(StreamExpiredError)

    def begin_another_stream(self) -> None:
        self.reply(self.truth.body, "s2")
        self.ends_with(ReplayDivergedError)

    def replay_too_little(self) -> None:
        self.reply(b"".join(self.truth.frames[: self.before + self.chunks - 1]) + RESULT)
        self.session.data(self.left, self.now)
        self.ends_with(ReplayDivergedError)

    def replay_something_else(self) -> None:
        """Only what the caller has is replayed otherwise, so nothing else may come of it."""
        self.reply(b'data: {"message":"else"}\n\n' + b"".join(self.truth.frames[1:]) + self.truth.end)

    def ends_with(self, cls: type[FlowError]) -> None:
        outcome = self.session.outcome
        assert isinstance(outcome, Failed)
        assert type(outcome.error) is (FlowCancelledError if self.cancelled else cls)

    # --- the body ---------------------------------------------------------------------------------

    def send(self, draw: Draw) -> None:
        self.send_piece(draw(st.integers(1, 120)))

    def send_piece(self, size: int) -> None:
        piece, self.left = self.left[:size], self.left[size:]
        if piece:
            self.session.data(piece, self.now)
        else:
            self.session.eof(self.now)
        self.at = "nothing"

    def ping(self) -> None:
        self.session.alive(self.now)

    def drop(self, draw: Draw) -> None:
        kind = draw(st.sampled_from([None, *Break]))
        if kind is None:
            self.session.eof(self.now)
        else:
            self.session.broke(kind, "gone", self.now)
        self.at = "nothing"

    # --- the caller -------------------------------------------------------------------------------

    def take(self) -> None:
        item = self.session.ready.popleft()
        self.got.append(item.error.raw if isinstance(item, Faulty) else b"%d" % item)

    def wait(self) -> None:
        self.session.waits(self.now)

    def rest(self) -> None:
        self.session.rests()

    def drain(self) -> None:
        self.session.drain()
        self.drained = True

    def cancel(self, draw: Draw) -> None:
        stopped = self.session.cancel("stopped", tell=draw(st.booleans()))
        assert stopped is (self.ended is None and not self.cancelled)
        if stopped:
            self.cancelled = True
            assert not self.session.ready
            assert self.drained or self.session.received == len(self.got)

    # --- what holds at every moment ---------------------------------------------------------------

    def check(self) -> None:
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
        self.check_end()

    def check_end(self) -> None:
        outcome = self.session.outcome
        assert self.ended is None or outcome is self.ended, "one outcome"
        if outcome is None or self.ended is not None:
            return
        self.ended = outcome
        if isinstance(outcome, Failed):
            self.check_error(outcome.error)
        else:
            assert isinstance(outcome, Done)
            assert outcome.output == "done"
            assert self.truth.end == RESULT
            assert self.before + self.chunks == len(self.truth.chunks), "nothing is missing"

    def check_error(self, error: FlowError) -> None:
        assert self.session.stamped(error, self.now) is error
        assert isinstance(error, FlowCancelledError) is self.cancelled
        assert isinstance(error, ERRORS)
        if isinstance(error, NotFoundError):
            assert self.before + self.chunks == len(self.truth.chunks)
        assert error.received == self.session.received
        assert error.ticket == self.session.ticket()
        assert error.work_may_have_run is self.ran
        assert error.timeline is not None
        assert len(error.timeline.attempts) == len(self.requests)
        assert str(error)

    # --- what may happen when ---------------------------------------------------------------------

    def choices(self) -> list[Happening]:
        """As often as they should: most of what happens brings the call on."""
        anytime: list[Happening] = [self.pass_time, lambda draw: self.ping()]
        if len(self.requests) > 1:
            anytime += [self.cancel, lambda draw: self.drain()]
        if self.session.ready:
            return [*anytime, *[lambda draw: self.take()] * 12]
        anytime += [lambda draw: self.wait(), lambda draw: self.rest()]
        usual: dict[str, list[Happening]] = {
            "nothing": [],
            "waiting": [*[lambda draw: self.wake()] * 12, lambda draw: self.wake_early()],
            "opening": [
                *[self.connect] * 12,
                lambda draw: self.fail_to_connect(),
                lambda draw: self.run_out(),
            ],
            "reading": [*[self.send] * 9, self.drop, self.drop, lambda draw: self.run_out()],
        }
        if self.at == "opening" and self.sent:
            return [*anytime, *self.answers()]
        return [*anytime, *usual[self.at]]

    def answers(self) -> list[Happening]:
        often: list[Happening] = [lambda draw: self.answer()] * 12
        seldom: list[Happening] = [self.fail_before_the_head, self.refuse, lambda draw: self.run_out()]
        if self.resumes:
            seldom += [lambda draw: self.forget_the_stream(), lambda draw: self.begin_another_stream()]
            if self.before + self.chunks:
                seldom += [lambda draw: self.replay_too_little()]
                often += [lambda draw: self.replay_something_else()] * 2
        return often + seldom


@settings(max_examples=1000, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_whatever_happens_the_caller_gets_a_prefix_of_the_truth_and_one_end(data: st.DataObject) -> None:
    world = World(data.draw)
    for _ in range(60):
        world.go()
        world.check()
        if world.ended is not None and not world.session.ready:
            break
        data.draw(st.sampled_from(world.choices()))(data.draw)
        world.check()
    end_well(world, data.draw)


def end_well(world: World, draw: Draw) -> None:
    """From here on all goes well: then the call ends soon."""
    for _ in range(100):
        world.go()
        world.check()
        if world.session.ready:
            world.take()
        elif world.ended is not None:
            break
        elif world.at == "waiting":
            world.wake()
        elif world.at == "reading":
            world.send_piece(99_999)
        elif world.sent:
            world.answer()
        else:
            world.connect(draw)
        world.check()
    assert world.ended is not None
    assert not world.session.ready
    if isinstance(world.ended, Done) and not world.drained:
        assert world.got == world.truth.chunks[world.before :]
