"""The session against every row of the failure table, without a socket or a clock.

A `Driver` does what the two real ones do, from a script: a list of attempts, each a list of events. Its
clock moves only where a script says so, and `delay(n)` is n seconds, so that waits tell their numbers.
"""

from __future__ import annotations

import gzip
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar
from zlib import crc32

import pytest
from pydantic import AfterValidator, BaseModel, field_validator

from streamflow_client import session as session_module
from streamflow_client.call import READ, Break, Call, Done, Failed, Faulty, Limits, Open, Unfit, Wait
from streamflow_client.errors import (
    ChunkValidationError,
    Clock,
    FailedPreconditionError,
    FlowCancelledError,
    FlowConnectionError,
    FlowError,
    FlowStatusError,
    FlowTimeoutError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    OutputValidationError,
    ProtocolError,
    ReplayDivergedError,
    ResourceExhaustedError,
    StreamExpiredError,
    StreamInterruptedError,
    UnavailableError,
    UnknownError,
)
from streamflow_client.options import Retry, Timeout
from streamflow_client.session import Session
from streamflow_client.ticket import Ticket
from streamflow_client.wire.codec import Codec
from streamflow_client.wire.request import PROTOCOLS, WireProtocol, raw_events

ORIGIN = "http://h:80"
INPUT = b'{"data":1}'
KEY = "the-key"
LIMITS = Limits(event=1000, response=1000)
Options = dict[str, Any]


@pytest.fixture(params=[200, 1], ids=["", "one by one"])
def portion(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many chunks are decoded ahead."""
    monkeypatch.setattr(session_module, "_PORTION", request.param)


# --- events -------------------------------------------------------------------------------------

Event = Callable[["Driver"], bool]  # True: the driver's present step is over


def event(act: Callable[[Driver], None], *, ends: bool = True) -> Event:
    def happen(driver: Driver) -> bool:
        act(driver)
        return ends

    return happen


def sent(*, reused: bool | None = False) -> Event:
    return event(lambda d: d.session.connected(d.now, reused=reused), ends=False)


def after(seconds: float) -> Event:
    return event(lambda d: d.sleep(seconds), ends=False)


def head(status: int = 200, headers: Mapping[str, str] | None = None) -> Event:
    return event(lambda d: d.session.head(status, "Why", headers or {}, d.now))


def data(piece: bytes) -> Event:
    return event(lambda d: d.session.data(piece, d.now))


def eof() -> Event:
    return event(lambda d: d.session.eof(d.now))


def broke(kind: Break, text: str = "gone") -> Event:
    return event(lambda d: d.session.broke(kind, text, d.now))


def expired(clock: Clock | None = None) -> Event:
    return event(lambda d: d.session.expired(d.now, clock))


REFUSED = [broke(Break.NOT_SENT, "[Errno 111] refused")]
LOST = broke(Break.LOST, "reset by peer")
ID = {"x-genkit-stream-id": "s1"}


def chunk(*numbers: int) -> bytes:
    return b"".join(b'data: {"message":%d}\n\n' % number for number in numbers)


DONE = b'data: {"result":"done"}\n\n'
FLOW_FAILED = b'{"error":{"status":"UNAVAILABLE","message":"model down"}}'


def reply(
    *pieces: bytes, status: int = 200, headers: Mapping[str, str] | None = None, end: Event | None = None
) -> list[Event]:
    """An attempt with a response; it ends cleanly unless `end` says how else."""
    return [sent(), head(status, headers), *map(data, pieces), end or eof()]


def durable(*pieces: bytes, end: Event | None = None) -> list[Event]:
    return reply(*pieces, headers=ID, end=end)


def come_again(status: int, body: bytes = b"", after: str = "7") -> list[Event]:
    return reply(body, status=status, headers={"retry-after": after})


# --- the driver ---------------------------------------------------------------------------------


class Driver:
    def __init__(
        self,
        *attempts: list[Event],
        retry: Retry | None = Retry(),
        timeout: Timeout = Timeout(),
        streaming: bool = True,
        protocol: WireProtocol = PROTOCOLS["callable"],
        resume: Ticket | None = None,
        chunk: Any = Any,
        output: Any = Any,
        limits: Limits = LIMITS,
        delay: Callable[[int], float] = float,
    ) -> None:
        self.now = 100.0
        self.requests: list[Open] = []
        self.trace: list[str] = []
        self.notes: list[str] = []  # those that warn
        self.log: list[str] = []
        call = Call("f", ORIGIN, "http://h/f", protocol, INPUT, streaming, resume)
        codec = Codec[Any, Any, Any]("f", Any, chunk, output, strict=False)
        self.session: Session[Any, Any] = Session(
            call, codec, timeout=timeout, retry=retry, limits=limits, delay=delay, key=KEY
        )
        self._attempts = list(attempts)
        self._events: list[Event] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def __iter__(self) -> Driver:
        return self

    def __next__(self) -> Any:
        self.wait_for(lambda session: bool(session.ready))
        if self.session.ready:
            item = self.session.ready.popleft()
            if isinstance(item, Faulty):
                raise self.stamped(item.error)
            return item
        if isinstance(self.session.outcome, Failed):
            raise self.stamped(self.session.outcome.error)
        raise StopIteration

    def result(self) -> Any:
        self.session.drain()
        self.wait_for(lambda session: False)
        outcome = self.session.outcome
        if isinstance(outcome, Done):
            return outcome.output
        assert isinstance(outcome, Failed | Unfit)
        raise self.stamped(outcome.error)

    def wait_for(self, enough: Callable[[Session[Any, Any]], bool]) -> None:
        self.session.waits(self.now)
        while self.session.outcome is None and not enough(self.session):
            self.step()
        self.session.rests()

    def step(self) -> None:
        """One action, as `_step` of the drivers."""
        if self.session.settle(self.now):
            return
        action = self.session.step(self.now)
        if isinstance(action, Wait):
            self.trace.append(f"{action.seconds:g}")
            self.sleep(action.seconds)
            self.session.woke(self.now)
        elif action is not None:
            if isinstance(action, Open):
                self.requests.append(action)
                self.trace.append(_kind(action))
                self._events = list(self._attempts.pop(0))
            while not self._events.pop(0)(self):
                pass
        self.notes += [str(note.text) for note in self.session.notes if note.warns]
        self.log += [str(note.text) for note in self.session.notes]
        self.session.notes.clear()

    def take(self, count: int) -> list[Any]:
        return [next(self) for _ in range(count)]

    def stamped(self, error: FlowError) -> FlowError:
        return self.session.stamped(error, self.now)

    def heard(self) -> tuple[list[Any], Any]:
        """All that a caller who iterates and then asks for the result gets to hear."""
        chunks: list[Any] = []
        while True:
            try:
                chunks.append(next(self))
            except ChunkValidationError as error:
                chunks.append(error)
            except StopIteration:
                break
            except FlowError as error:
                return chunks, self.told_again(error)
        try:
            return chunks, self.result()
        except FlowError as error:
            return chunks, error

    def told_again(self, error: FlowError) -> FlowError:
        with pytest.raises(type(error)) as again:
            self.result()
        assert again.value is error
        return error

    @property
    def did(self) -> str:
        """R for a request that runs the flow, S for one that resumes, seconds for a wait between them."""
        return " ".join(self.trace)


def _kind(request: Open) -> str:
    resumes = "X-Genkit-Stream-Id" in request.headers
    assert request.body == (b"{}" if resumes else INPUT)
    return "S" if resumes else "R"


def ticket(received: int, digest: int = 0, stream_id: str = "s1") -> Ticket:
    return Ticket(ORIGIN, "f", stream_id, received, digest)


# --- many chunks in one read ----------------------------------------------------------------------

MANY = 1000  # more than are decoded at once


class Picky(BaseModel):
    """Takes any number but those divisible by 7; these raise what they are told to."""

    raises: ClassVar[Exception] = ValueError("seven")
    n: int

    @field_validator("n")
    @classmethod
    def _not_seven(cls, n: int) -> int:
        if n % 7 == 0:
            raise cls.raises
        return n


def many(*after: bytes) -> bytes:
    return b"".join(b'data: {"message":{"n":%d}}\n\n' % n for n in range(MANY)) + b"".join(after)


@pytest.mark.parametrize("raises", [ValueError("seven"), StopIteration("seven"), OSError("seven")])
@pytest.mark.parametrize("opening", [reply, durable], ids=["", "durable"])
def test_chunks_of_another_type_among_many_stand_in_their_place(
    monkeypatch: pytest.MonkeyPatch, raises: Exception, opening: Callable[..., list[Event]]
) -> None:
    """A StopIteration, too, which C code takes for an end."""
    monkeypatch.setattr(Picky, "raises", raises)
    driver = Driver(opening(many(DONE)), chunk=Picky)
    for n in range(MANY):
        assert driver.session.received == n
        if n % 7:
            assert next(driver) == Picky.model_construct(n=n)
        else:
            with pytest.raises(ChunkValidationError) as caught:
                next(driver)
            assert (caught.value.raw, caught.value.received) == (b'{"n":%d}' % n, n + 1)
    assert driver.result() == "done"


def test_few_chunks_are_decoded_before_they_are_wanted() -> None:
    """What is decoded and waits is garbage collection's and a stopped reader's work for nothing."""
    driver = Driver(reply(many(DONE)), chunk=Picky)
    with suppress(ChunkValidationError):
        next(driver)
    assert 0 < len(driver.session.ready) < 300
    assert driver.result() == "done", "and the others are never decoded"
    assert driver.session.received == MANY


def test_many_chunks_need_few_steps() -> None:
    driver = Driver(reply(many(DONE)), chunk=Any)
    chunks = steps = 0
    while driver.session.outcome is None:
        driver.step()
        steps += 1
        chunks += len(driver.session.ready)
        driver.session.ready.clear()
    assert (chunks, steps < 10) == (MANY, True)


@pytest.mark.parametrize("taken", [0, 1, 199, 200, 201, MANY - 1])
def test_a_ticket_counts_what_was_taken_of_many(taken: int) -> None:
    driver = Driver(durable(many(), end=LOST), retry=None)
    chunks = driver.take(taken)
    found = driver.session.ticket()
    payloads = [b'{"n":%d}' % n for n in range(taken)]
    assert chunks == [{"n": n} for n in range(taken)]
    assert found == (None if taken == 0 else ticket(taken, crc32(b"".join(payloads))))


def test_a_replay_of_many_goes_on_behind_what_was_received() -> None:
    driver = Driver(durable(many()[: MANY * 10], end=LOST), durable(many(DONE)))
    chunks, output = driver.heard()
    assert chunks == [{"n": n} for n in range(MANY)]
    assert output == "done"


@pytest.mark.parametrize("taken", [1, 200, 250])
def test_cancelling_drops_what_came_and_was_not_taken(taken: int) -> None:
    driver = Driver(reply(many(DONE)))
    driver.take(taken)
    driver.session.cancel("stopped", tell=False)
    with pytest.raises(FlowCancelledError) as caught:
        next(driver)
    assert caught.value.received == taken


@pytest.mark.parametrize("end", [LOST, after(1000)], ids=["lost", "nothing more"])
def test_what_came_is_delivered_before_what_is_wrong_behind_it(end: Event) -> None:
    driver = Driver(reply(many(b"data: {\n\n"), end=end))
    chunks, error = driver.heard()
    assert len(chunks) == MANY
    assert isinstance(error, ProtocolError)


@pytest.mark.parametrize("at", [0, 1, 199, 200, 250, 777])
@pytest.mark.parametrize("opening", [reply, durable], ids=["", "durable"])
def test_a_validator_that_cancels_stops_the_delivery(opening: Callable[..., list[Event]], at: int) -> None:
    """Of the portion in which it does so nothing is delivered."""

    def cancels(value: Any) -> Any:
        if value == {"n": at}:
            driver.session.cancel("stopped", tell=False)
        return value

    driver = Driver(opening(many(DONE)), chunk=Annotated[Any, AfterValidator(cancels)])
    chunks, error = driver.heard()
    assert isinstance(error, FlowCancelledError)
    assert error.received == len(chunks) <= at
    assert at - len(chunks) < 200


@pytest.mark.parametrize("opening", [reply, durable], ids=["", "durable"])
def test_what_a_signal_handler_sees_adds_up_at_any_moment(opening: Callable[..., list[Event]]) -> None:
    """CPython runs handlers where a function begins, and behind a call."""
    driver = Driver(opening(many(DONE)))
    seen: set[tuple[int, int]] = set()

    def look(frame: object, event: str, arg: object) -> None:
        if event in ("call", "c_return"):
            found = driver.session.ticket()
            received = driver.session.received
            seen.add((received, received if found is None else found.received))

    sys.setprofile(look)
    try:
        driver.take(300)
    finally:
        sys.setprofile(None)
    assert seen == {(received, received) for received in range(301)}


@pytest.mark.parametrize("after", [b"", DONE, chunk(1), b"data: {\n\n"])
def test_a_comment_counts_whatever_comes_with_it(after: bytes) -> None:
    driver = Driver(reply(chunk(0) + b": ping\n\n" + after))
    driver.step()
    driver.sleep(1)
    driver.step()
    assert driver.session.liveness == (101.0, 101.0, 101.0)


def test_bytes_may_come_before_those_before_are_taken() -> None:
    """A driver need not ask for a step between two reads."""
    driver = Driver([sent(), head(200), data(many()), data(many(DONE)), eof()])
    chunks, output = driver.heard()
    assert chunks == [{"n": n} for n in range(MANY)] * 2
    assert output == "done"


# --- the failure table --------------------------------------------------------------------------


@dataclass
class Row:
    """What happens, and what the contract promises of it."""

    name: str
    attempts: list[list[Event]]
    end: Any  # the output, or the class of the error
    chunks: list[Any] = field(default_factory=list)
    did: str = "R"
    ran: bool = True
    says: str = ""
    at: int | None = None  # chunks that the error's ticket counts; None for no ticket
    options: dict[str, Any] = field(default_factory=dict)


UNARY: Options = {"streaming": False}
REPLAY: Options = {"retry": Retry(replay=True)}
NEVER: Options = {"retry": None}
TWICE: Options = {"retry": Retry(attempts=2)}
VERIFY: Options = {"retry": Retry(verify_replay=True)}
TOTAL_5: Options = {"timeout": Timeout(total=5)}
INTS: Options = {"chunk": int}
OK = reply(chunk(0), DONE)
PAGE = b"<!DOCTYPE html><title>Oh &amp; no</title><pre>at secret.js:1"
REFLECTION: Options = {"protocol": PROTOCOLS["reflection"]}
GZIP = {"content-encoding": "gzip"}
PLAIN_JSON = {"content-type": "application/json"}
CUT = durable(chunk(0, 1), end=LOST)
ONE_CHUNK = [sent(), head(200, ID), data(chunk(0))]

ROWS = [
    # the request was not written
    Row("refused, then not", [REFUSED, OK], "done", [0], "R 1 R"),
    Row("refused for good", [REFUSED] * 4, FlowConnectionError, [], "R 1 R 2 R 3 R", ran=False),
    Row("refused, no retries", [REFUSED], FlowConnectionError, ran=False, says="refused", options=NEVER),
    Row("a budget of two", [REFUSED] * 2, FlowConnectionError, [], "R 1 R", ran=False, options=TWICE),
    Row(
        "refused by way of a caller's own client, which counts as sent",
        [[sent(reused=None), *REFUSED]],
        FlowConnectionError,
        ran=False,
        options=NEVER,
    ),
    Row(
        "refused until the total deadline comes too near",
        [REFUSED, [after(2), *REFUSED]],
        FlowConnectionError,
        [],
        "R 1 R",
        ran=False,
        options=TOTAL_5,
    ),
    Row("connect time-out", [[after(5), expired()], OK], "done", [0], "R 1 R"),
    Row(
        "connect time-out for good",
        [[after(5), expired()]] * 4,
        FlowTimeoutError,
        [],
        "R 1 R 2 R 3 R",
        ran=False,
        says="no connection within 5 s",
    ),
    Row(
        "the pool of a caller's own client is empty",
        [[sent(reused=None), expired("pool")]] * 4,
        FlowTimeoutError,
        [],
        "R 1 R 2 R 3 R",
        ran=False,
        says="no free connection.*1093",
    ),
    # come again later
    *(
        Row(f"{status} with Retry-After", [come_again(status), OK], "done", [0], "R 7 R")
        for status in (429, 503)
    ),
    Row(
        "503 with Retry-After, a page",
        [come_again(503, PAGE)] * 2,
        UnavailableError,
        [],
        "R 7 R",
        ran=False,
        says="503 Why: Oh & no",
        options=TWICE,
    ),
    Row(
        "503 with Retry-After, its body lost",
        [reply(b"bu", status=503, headers={"retry-after": "1"}, end=LOST)],
        UnavailableError,
        says="bu",
    ),
    Row(
        "503 with Retry-After, its body too large to tell whose it is",
        [come_again(503, b"x" * 1001)],
        UnavailableError,
    ),
    Row("503 with Retry-After, but the flow spoke", [come_again(503, FLOW_FAILED)], UnavailableError),
    Row("429 without Retry-After", [reply(b"slow down", status=429)], ResourceExhaustedError),
    Row("500 with Retry-After", [come_again(500)], InternalError),
    Row("Retry-After no clock can read", [come_again(503, after="soon")], UnavailableError),
    Row("Retry-After of nothing", [come_again(503, after="0"), OK], "done", [0], "R 0 R"),
    Row("Retry-After of an hour", [come_again(503, after="3600"), OK], "done", [0], "R 3600 R"),
    Row("Retry-After of years", [come_again(503, after="999999999")], UnavailableError, ran=False),
    Row(
        "Retry-After of hours, within a deadline",
        [come_again(503, after="7200"), OK],
        "done",
        [0],
        "R 7200 R",
        options={"timeout": Timeout(total=7201)},
    ),
    Row(
        "Retry-After at the deadline",
        [come_again(503, after="5")],
        UnavailableError,
        ran=False,
        options=TOTAL_5,
    ),
    Row("Retry-After, no retries", [come_again(503)], UnavailableError, ran=False, options=NEVER),
    Row(
        "Retry-After, and then the request is lost",
        [come_again(503), [sent(), LOST]],
        StreamInterruptedError,
        [],
        "R 7 R",
    ),
    # other errors of HTTP
    Row("400 of the flow", [reply(FLOW_FAILED, status=400)], UnavailableError, says="model down"),
    Row("404 of the router", [reply(b"404 page not found\n", status=404)], NotFoundError, ran=False),
    Row("500", [reply(b"boom", status=500)], InternalError, says="boom"),
    Row("500, its body lost", [reply(b"boo", status=500, end=LOST)], InternalError, says="boo"),
    Row("500, a page", [reply(PAGE, status=500)], InternalError, says="HTTP 500 Why: Oh & no$"),
    Row(
        "302", [reply(status=302, headers={"location": "/x\x1b"})], ProtocolError, ran=False, says=r"/x\\x1b"
    ),
    Row("300, leading nowhere", [reply(status=300)], ProtocolError, ran=False, says="nowhere"),
    Row("304", [reply(status=304)], ProtocolError, says="304 Not Modified instead of a result"),
    Row("204", [reply(status=204)], ProtocolError, says="204"),
    Row(
        "no HTTP", [[sent(), broke(Break.GARBAGE, "SSH-2.0")]], ProtocolError, says="not speak HTTP: SSH-2.0"
    ),
    # drops without an id
    Row("lost before the head", [[sent(), LOST]], StreamInterruptedError, says="no stream id"),
    Row("a kept-alive connection closes", [[sent(reused=True), LOST]], StreamInterruptedError, options=UNARY),
    Row("lost before any frame", [reply(end=LOST)], StreamInterruptedError),
    Row("lost mid-stream", [reply(chunk(0), end=LOST)], StreamInterruptedError, [0], says="reset by peer"),
    Row("a clean end mid-stream", [reply(chunk(0))], StreamInterruptedError, [0], says="ended without"),
    Row("broken HTTP mid-stream", [reply(chunk(0), end=broke(Break.GARBAGE))], StreamInterruptedError, [0]),
    Row("not sent, after a head", [reply(chunk(0), end=REFUSED[0])], StreamInterruptedError, [0]),
    Row("a unary answer is lost", [reply(b'{"res', end=LOST)], StreamInterruptedError, options=UNARY),
    Row("silence", [[sent(), after(300), expired()]], FlowTimeoutError, says="not one byte.*300 s"),
    # replaying, where the caller allows it
    Row("replay: lost before any frame", [reply(end=LOST), OK], "done", [0], "R 1 R", options=REPLAY),
    Row("replay: lost before the head", [[sent(), LOST], OK], "done", [0], "R 1 R", options=REPLAY),
    Row("replay: silence", [[sent(), after(300), expired()], OK], "done", [0], "R 1 R", options=REPLAY),
    *(
        Row(f"replay: {status}", [reply(status=status), OK], "done", [0], "R 1 R", options=REPLAY)
        for status in (408, 429, 500, 502, 503, 504)
    ),
    *(
        Row(f"replay: {status} would fail again", [reply(status=status)], FlowStatusError, options=REPLAY)
        for status in (400, 409, 501)
    ),
    Row("replay: not after a chunk", [reply(chunk(0))], StreamInterruptedError, [0], options=REPLAY),
    Row(
        "replay: may have run, though the last attempt was refused",
        [[sent(), LOST], *[REFUSED] * 3],
        FlowConnectionError,
        [],
        "R 1 R 2 R 3 R",
        options=REPLAY,
    ),
    Row(
        "replay: a budget",
        [[sent(), LOST]] * 4,
        StreamInterruptedError,
        [],
        "R 1 R 2 R 3 R",
        options=REPLAY,
    ),
    # resuming
    Row("lost", [CUT, durable(chunk(0, 1, 2), DONE)], "done", [0, 1, 2], "R 1 S"),
    Row("a clean end", [durable(chunk(0)), durable(chunk(0, 1), DONE)], "done", [0, 1], "R 1 S"),
    Row("no id told again", [CUT, reply(chunk(0, 1), DONE)], "done", [0, 1], "R 1 S"),
    Row("lost before any frame", [durable(end=LOST), durable(chunk(0), DONE)], "done", [0], "R 1 S"),
    Row(
        "broken HTTP mid-stream",
        [durable(chunk(0), end=broke(Break.GARBAGE)), durable(chunk(0), DONE)],
        "done",
        [0],
        "R 1 S",
    ),
    Row("silence", [[*ONE_CHUNK, after(300), expired()], durable(chunk(0), DONE)], "done", [0], "R 1 S"),
    Row(
        "comments only",
        [[*ONE_CHUNK, after(9), data(b": ping\n"), after(1), expired()], durable(chunk(0), DONE)],
        "done",
        [0],
        "R 1 S",
        options={"timeout": Timeout(progress=10)},
    ),
    Row(
        "the total deadline never resumes",
        [[*ONE_CHUNK, after(5), expired()]],
        FlowTimeoutError,
        [0],
        at=1,
        says="did not end within 5 s",
        options=TOTAL_5,
    ),
    Row("a total deadline of the transport", [[*ONE_CHUNK, expired("total")]], FlowTimeoutError, [0], at=1),
    Row(
        "all that may go wrong meanwhile",
        [
            CUT,
            REFUSED,
            [sent(), after(300), expired()],
            reply(status=429, headers={"retry-after": "3"}),
            durable(chunk(0, 1, 2), DONE),
        ],
        "done",
        [0, 1, 2],
        "R 1 S 2 S 3 S 3 S",
    ),
    *(
        Row(
            f"{what} while resuming",
            [CUT, trouble, durable(chunk(0, 1), DONE)],
            "done",
            [0, 1],
            "R 1 S 2 S",
        )
        for what, trouble in {
            "refused": REFUSED,
            "connect time-out": [after(5), expired()],
            "lost before the head": [sent(), LOST],
            "no HTTP": [sent(), broke(Break.GARBAGE)],
            "lost in the replay": durable(chunk(0), end=LOST),
            "500": reply(b"oops", status=500),
            "503 of the flow": reply(FLOW_FAILED, status=503),
            "429": reply(status=429),
        }.items()
    ),
    *(
        Row(f"{status} on resuming", [CUT, reply(b"no", status=status)], cls, [0, 1], "R 1 S", at=2)
        for status, cls in {400: InvalidArgumentError, 404: NotFoundError}.items()
    ),
    Row(
        "refused for good after the stream began",
        [CUT, *[REFUSED] * 4],
        FlowConnectionError,
        [0, 1],
        "R 1 S 2 S 3 S 4 S",
        at=2,
    ),
    Row(
        "a new chunk refills the budget",
        [CUT, REFUSED, durable(chunk(0, 1, 2), end=LOST), REFUSED, durable(chunk(0, 1, 2), end=LOST)],
        StreamInterruptedError,
        [0, 1, 2],
        "R 1 S 2 S 1 S 2 S",
        at=3,
        options=TWICE,
    ),
    Row("retry=None does not resume", [CUT], StreamInterruptedError, [0, 1], at=2, options=NEVER),
    Row(
        "replay resumes where it can",
        [CUT, durable(chunk(0, 1), DONE)],
        "done",
        [0, 1],
        "R 1 S",
        options=REPLAY,
    ),
    Row("204 on resuming", [CUT, reply(status=204)], StreamExpiredError, [0, 1], "R 1 S", at=2),
    Row(
        "500 naming StreamNotFoundError",
        [CUT, reply(b"<pre>StreamNotFoundError: x", status=500)],
        StreamExpiredError,
        [0, 1],
        "R 1 S",
        at=2,
    ),
    Row("the same words without resuming", [reply(b"StreamNotFoundError", status=500)], InternalError),
    Row("a shorter replay", [CUT, durable(chunk(0), DONE)], ReplayDivergedError, [0, 1], "R 1 S", at=2),
    *(
        Row(
            f"a stream with the id {other!r}",
            [CUT, reply(chunk(0, 1), DONE, headers={"x-genkit-stream-id": other})],
            ReplayDivergedError,
            [0, 1],
            "R 1 S",
            at=2,
            says="another stream",
        )
        for other in ("s2", "S1")
    ),
    Row(
        "a JSON answer is another run",
        [durable(end=LOST), reply(b'{"result":"other"}', headers=PLAIN_JSON)],
        ReplayDivergedError,
        [],
        "R 1 S",
        at=0,
        says="one JSON body",
    ),
    Row(
        "a JSON failure",
        [CUT, reply(FLOW_FAILED, headers=PLAIN_JSON)],
        UnavailableError,
        [0, 1],
        "R 1 S",
        at=2,
    ),
    Row(
        "a failure instead of the replay",
        [CUT, durable(b"data: " + FLOW_FAILED + b"\n\n")],
        UnavailableError,
        [0, 1],
        "R 1 S",
        at=2,
    ),
    Row(
        "another digest, verified",
        [CUT, durable(chunk(0, 7, 2), DONE)],
        ReplayDivergedError,
        [0, 1],
        "R 1 S",
        at=2,
        says="differ",
        options=VERIFY,
    ),
    Row("another digest", [CUT, durable(chunk(0, 7, 2), DONE)], "done", [0, 1, 2], "R 1 S"),
    Row("the same digest", [CUT, durable(chunk(0, 1, 2), DONE)], "done", [0, 1, 2], "R 1 S", options=VERIFY),
    # failures, and values of other types
    Row(
        "a failure frame",
        [reply(chunk(0), b'data: {"error":{"status":"FAILED_PRECONDITION","message":"no"}}\n\n')],
        FailedPreconditionError,
        [0],
        says="no",
    ),
    Row(
        "a failure frame of a durable stream",
        [durable(chunk(0), b'error: {"error":{"status":"MADE_UP","message":"no"}}\n\n')],
        UnknownError,
        [0],
        at=1,
    ),
    Row("a failure with 200", [reply(FLOW_FAILED)], UnavailableError, options=UNARY),
    Row("a failure with 201", [reply(FLOW_FAILED, status=201)], UnavailableError, options=UNARY),
    Row("an output of another type", [OK], OutputValidationError, [0], options={"output": int}),
    # what is not the protocol
    Row("HTML with 200", [reply(PAGE)], ProtocolError, says="HTML page instead of a stream.*DOCTYPE"),
    Row("HTML with 200, unary", [reply(PAGE)], ProtocolError, says="instead of a result", options=UNARY),
    Row("cut JSON", [reply(chunk(0), b'data: {"message": {"a\n\n')], ProtocolError, [0], says="not JSON"),
    Row("cut JSON, unary", [reply(b'{"result": [1')], ProtocolError, says="not JSON", options=UNARY),
    Row("cut JSON, the envelope whole", [reply(b'data: {"message":[}\n\n')], ProtocolError, says=r"\["),
    Row(
        "a cut line of reflection", [reply(b"[1,\n2]\n")], ProtocolError, says="not JSON", options=REFLECTION
    ),
    Row(
        "a cut line of reflection like half an envelope",
        [reply(b'1,"result":2\n')],
        ProtocolError,
        says="not JSON",
        options=REFLECTION,
    ),
    Row("a cut result", [reply(chunk(0), b'data: {"result":[}\n\n')], ProtocolError, [0], says="not JSON"),
    Row("wrong UTF-8", [reply(b'data: {"message":"\xff"}\n\n')], ProtocolError, says=r"\\xff"),
    Row(
        "an event too large",
        [reply(chunk(0), b"data: " + b"x" * 1001)],
        ProtocolError,
        [0],
        says="max_event_bytes=1000.*data: xxx",
    ),
    Row("an event too large at the end", [reply(b"data: [" + b"x" * 990 + b"\n" + b"y" * 9)], ProtocolError),
    Row(
        "an answer too large",
        [reply(b"[" * 1001)],
        ProtocolError,
        says="max_response_bytes=1000",
        options=UNARY,
    ),
    Row(
        "an error page that is too large, and then broken",
        [reply(gzip.compress(b"x" * 70_000)[:-8] + b"12345678", status=500, headers=GZIP)],
        InternalError,
        says="xxx",
    ),
    Row(
        "an error in an odd encoding",
        [reply(b"x", status=503, headers={"content-encoding": "br"})],
        UnavailableError,
    ),
    Row("an odd encoding", [reply(b"x", headers={"content-encoding": "br"})], ProtocolError, says="'br'"),
    Row(
        "a compressed body that is broken",
        [reply(b"no gzip", headers=GZIP)],
        ProtocolError,
        says="compressed",
    ),
    # what passes
    Row("a stream", [OK], "done", [0]),
    Row("a unary answer", [reply(b'{"result":[1]}')], [1], options=UNARY),
    Row("one JSON body instead of a stream", [reply(b'{"result":[1]}', headers=PLAIN_JSON)], [1]),
    Row("one JSON body with an id", [reply(b'{"result":[1]}', headers=PLAIN_JSON | ID)], [1]),
    Row("`data: {}` at the end is None", [reply(chunk(0), b"data: {}\n\n")], None, [0]),
    Row("`data: {}` before another frame is a chunk", [reply(b"data: {}\n\n", DONE)], "done", [None]),
    Row(
        "`data: {}` where None is no output",
        [reply(chunk(0), b"data: {}\n\n")],
        StreamInterruptedError,
        [0],
        options={"output": str},
    ),
    Row(
        "`data: {}` where None is no output, with an id",
        [durable(chunk(0), b"data: {}\n\n"), durable(chunk(0), DONE)],
        "done",
        [0],
        "R 1 S",
        options={"output": str},
    ),
    Row(
        "`{}` where None is no output, unary",
        [reply(b"{}")],
        OutputValidationError,
        options=UNARY | {"output": str},
    ),
    Row("an envelope with more keys", [reply(b'data: {"message":[0],"n":1}\n\n', DONE)], "done", [[0]]),
    Row("a result with more keys", [reply(chunk(0), b'data: {"result":"done","n":1}\n\n')], "done", [0]),
    Row(
        "an envelope with more keys, durable and replayed",
        [
            durable(b'data: {"message": [0] ,"n":1}\n\n', end=LOST),
            durable(b'data: {"message": [0] ,"n":1}\n\n', DONE),
        ],
        "done",
        [[0]],
        "R 1 S",
        options=VERIFY,
    ),
    Row("what follows the result is nothing", [reply(DONE + chunk(9) + DONE)], "done"),
    Row(
        "what follows the result is nothing, in another piece of a compressed body either",
        [reply(gzip.compress(DONE + b": x\n" * 20_000 + chunk(9)), headers=GZIP)],
        "done",
    ),
    Row("reflection", [reply(b'0\n{"result":"done"}')], "done", [0], options=REFLECTION),
    Row("the trailing END of Next", [reply(chunk(0), DONE, b"END")], "done", [0]),
]


@pytest.mark.usefixtures("portion")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_failure_table(row: Row) -> None:
    driver = Driver(*row.attempts, **row.options)
    chunks, end = driver.heard()
    assert chunks == row.chunks
    assert driver.did == row.did
    if not isinstance(row.end, type):
        assert end == row.end
        return
    assert isinstance(end, FlowError)
    assert type(end) is row.end or (row.end is FlowStatusError and isinstance(end, FlowStatusError))
    assert re.search(row.says, end.message), end.message
    assert end.work_may_have_run is row.ran
    assert end.flow == "f"
    assert end.received == len(row.chunks)
    assert (end.ticket and end.ticket.received) == row.at
    assert end.timeline is not None
    assert len(end.timeline.attempts) == len(driver.requests)
    assert end.timeline.chunks == len(row.chunks)


@pytest.mark.parametrize(
    ("after", "options", "told"), [("7200", {}, 7200), ("5", TOTAL_5, 5), ("7", {}, 0), ("7200", NEVER, 0)]
)
def test_a_wait_that_is_too_long_is_told(after: str, options: Options, told: int) -> None:
    _, error = Driver(*[come_again(503, after=after)] * 4, **options).heard()
    assert isinstance(error, UnavailableError)
    if told:
        assert error.advice.startswith(f"the server asks to wait for {told} s, and a call waits no")
    else:
        assert "waits no longer" not in error.advice


def test_every_request_says_what_it_wants() -> None:
    common = {"Accept-Encoding": "identity", "Content-Type": "application/json"}
    stream, unary = Driver(OK), Driver(reply(b"{}"), streaming=False)
    stream.heard()
    unary.heard()
    assert stream.requests[0].headers == common | {"Accept": "text/event-stream"}
    assert unary.requests[0].headers == common | {"Accept": "application/json"}
    resumed = Driver(CUT, durable(chunk(0, 1), DONE))
    resumed.heard()
    assert resumed.requests[1].headers == common | {"Accept": "text/event-stream", "X-Genkit-Stream-Id": "s1"}
    assert {request.url for request in resumed.requests} == {"http://h/f"}


def test_one_idempotency_key_goes_over_all_attempts_that_run() -> None:
    driver = Driver(REFUSED, reply(status=503), durable(end=LOST), durable(DONE), **REPLAY)
    driver.heard()
    assert driver.did == "R 1 R 2 R 3 S"
    assert [request.headers.get("Idempotency-Key") for request in driver.requests] == [KEY, KEY, KEY, None]
    without = Driver(OK)
    without.heard()
    assert "Idempotency-Key" not in without.requests[0].headers


def test_an_id_on_a_unary_answer_means_nothing() -> None:
    driver = Driver(reply(b'{"resu', headers=ID, end=LOST), streaming=False)
    _, error = driver.heard()
    assert type(error) is StreamInterruptedError
    assert (error.ticket, driver.session.stream_id, driver.did) == (None, None, "R")


def test_a_stream_that_answers_a_unary_call_is_resumed_like_any_other() -> None:
    streams = {"content-type": "text/event-stream; charset=utf-8"}
    first = reply(chunk(0, 1), headers=ID | streams, end=LOST)
    driver = Driver(first, reply(chunk(0, 1, 2), DONE), streaming=False)
    assert driver.result() == "done"
    assert driver.did == "R 1 S"
    assert [request.headers["Accept"] for request in driver.requests] == [
        "application/json",
        "text/event-stream",
    ]
    given_up = Driver(first, streaming=False, retry=None)
    with pytest.raises(StreamInterruptedError) as caught:
        given_up.result()
    assert caught.value.ticket is not None
    assert caught.value.ticket.received == 2


def test_an_id_on_an_error_means_nothing() -> None:
    driver = Driver(reply(status=500, headers=ID))
    _, error = driver.heard()
    assert error.ticket is None


def test_protocols_that_cannot_resume_do_not() -> None:
    driver = Driver(reply(b"0\n1\n", headers=ID, end=LOST), **REFLECTION)
    chunks, error = driver.heard()
    assert chunks == [0, 1]
    assert type(error) is StreamInterruptedError
    assert error.ticket is None


# --- a ticket of another process ----------------------------------------------------------------


def test_a_ticket_yields_exactly_the_chunks_after_it() -> None:
    first = Driver(durable(chunk(0, 1, 2)), **NEVER)
    first.take(2)
    where = first.session.ticket()
    assert where is not None
    second = Driver(durable(chunk(0, 1, 2, 3), DONE), resume=where, **VERIFY)
    assert second.heard() == ([2, 3], "done")
    assert second.did == "S"
    assert second.session.received == 2
    last = second.session.ticket()
    assert last is not None
    assert last.received == 4
    assert Driver(durable(chunk(0, 1, 2, 3), DONE), resume=last, **VERIFY).heard() == ([], "done")


def test_a_ticket_without_chunks_yields_all() -> None:
    assert Driver(durable(chunk(0, 1), DONE), resume=ticket(0), **VERIFY).heard() == ([0, 1], "done")


def test_what_a_ticket_is_for_may_have_run_though_nothing_was_sent() -> None:
    driver = Driver(REFUSED, resume=ticket(1), **NEVER)
    _, error = driver.heard()
    assert error.work_may_have_run
    assert error.received == 0
    assert error.ticket == ticket(1)


def test_resuming_by_ticket_is_tried_again_like_any_other() -> None:
    driver = Driver(REFUSED, reply(status=500), durable(chunk(0, 1), DONE), resume=ticket(1))
    assert driver.heard() == ([1], "done")
    assert driver.did == "S 1 S 2 S"


def test_a_difference_without_verifying_is_told_in_the_log() -> None:
    driver = Driver(CUT, durable(chunk(0, 7, 2), DONE))
    driver.heard()
    assert [note for note in driver.notes if "differ" in note]
    assert not [note for note in driver.notes if "differ" in note and "attempt" in note]


# --- chunks of another type ---------------------------------------------------------------------

WORD = b'data: {"message":"word"}\n\n'


@pytest.mark.parametrize("headers", [{}, ID], ids=["plain", "durable"])
def test_a_chunk_of_another_type_is_raised_in_its_place(headers: Mapping[str, str]) -> None:
    driver = Driver(reply(chunk(0), WORD, chunk(2) + WORD + chunk(4), DONE, headers=headers), **INTS)
    (zero, word, two, again, four), end = driver.heard()
    assert (zero, two, four, end) == (0, 2, 4, "done")
    assert type(word) is type(again) is ChunkValidationError
    assert word.raw == b'"word"'
    assert [word.received, again.received] == [2, 4]
    assert word.work_may_have_run
    assert "word" not in word.message
    assert "valid integer" in str(word.validation_error)
    assert word.timeline is not None
    assert (word.ticket and word.ticket.received) == (2 if headers else None)


HALF = rb'"\ud83d"'  # as JavaScript writes a text that was cut within an emoji


@pytest.mark.parametrize("headers", [{}, ID], ids=["plain", "durable"])
@pytest.mark.parametrize("frame", [b'data: {"message":%b}\n\n', b'data: {"a":0,"message":%b}\n\n'])
def test_half_a_character_is_delivered_as_none(headers: Mapping[str, str], frame: bytes) -> None:
    done = b'data: {"result":%b}\n\n' % HALF
    driver = Driver(reply(frame % HALF, chunk(1), done, headers=headers), chunk=str | int, output=str)
    assert driver.heard() == (["\ufffd", 1], "\ufffd")


def test_half_a_character_of_reflection_and_of_a_plain_answer() -> None:
    body = HALF + b'\n{"result":%b,"telemetry":{"traceId":"t"}}' % HALF
    assert Driver(reply(body), **REFLECTION).heard() == (["\ufffd"], "\ufffd")
    assert Driver(reply(b'{"result":%b}' % HALF), streaming=False).result() == "\ufffd"


def test_half_a_character_is_the_same_in_a_replay() -> None:
    half = b'data: {"message":%b}\n\n' % HALF
    driver = Driver(durable(half, end=LOST), durable(half, chunk(1), DONE), **VERIFY)
    assert driver.heard() == (["\ufffd", 1], "done")
    drained = Driver(durable(half, end=LOST), durable(half, DONE), **VERIFY)
    assert drained.result() == "done"


def test_an_output_of_another_type_keeps_its_json() -> None:
    driver = Driver(OK, output=int)
    assert list(driver) == [0], "iterating ends normally"
    with pytest.raises(OutputValidationError) as caught:
        driver.result()
    error = caught.value
    assert (error.raw, error.received, error.work_may_have_run) == (b'"done"', 1, True)
    assert "done" not in error.message
    assert driver.session.clean
    nothing = Driver(reply(b"{}"), streaming=False, output=int)
    with pytest.raises(OutputValidationError) as caught:
        nothing.result()
    assert caught.value.raw == b""


def test_the_place_within_a_value_is_told_but_not_the_value() -> None:
    driver = Driver(reply(b'{"result":{"a":[1,"secret"]}}'), streaming=False, output=dict[str, list[int]])
    with pytest.raises(OutputValidationError, match=r"a\.1: Input should be a valid integer") as caught:
        driver.result()
    assert "secret" not in str(caught.value)


def test_a_chunk_of_another_type_counts_in_the_digest() -> None:
    driver = Driver(durable(WORD, end=LOST), durable(WORD + chunk(1), DONE), **INTS, **VERIFY)
    (word, one), end = driver.heard()
    assert (type(word), one, end) == (ChunkValidationError, 1, "done")


# --- notes for the log --------------------------------------------------------------------------


def test_unknown_frames_are_skipped_with_one_note() -> None:
    odd = b'data: {"new\x1b":1}\n\n'.replace(b"\x1b", b"\\u001b")
    driver = Driver(reply(chunk(0), odd, odd + chunk(1), b"event: x\ndata: 5\n\n", DONE))
    assert driver.heard() == ([0, 1], "done")
    assert len(driver.notes) == 1
    assert driver.notes[0].startswith("skipped a frame of unknown kind")
    assert "\x1b" not in driver.notes[0]


def test_each_attempt_that_fails_is_one_note() -> None:
    driver = Driver(REFUSED, come_again(503, b"line\n\x1b" + b"x" * 900), OK)
    driver.heard()
    first, second = driver.notes
    assert (
        first
        == f"attempt 1 (at 0.00 s, 0 bytes): could not reach {ORIGIN}: [Errno 111] refused; next in 1.00 s"
    )
    assert re.fullmatch(
        r"attempt 2 \(at 1.00 s, new connection, HTTP 503, 906 bytes\): "
        r"line\\n\\x1bx{100,200}…; next in 7.00 s",
        second,
    )
    assert driver.log == [first, second, "attempt 3 (at 8.00 s, new connection, HTTP 200, 46 bytes): result"]


def test_an_attempt_keeps_its_end_when_the_wait_after_it_is_cancelled() -> None:
    driver = Driver(REFUSED)
    driver.step()
    driver.session.cancel("stopped", tell=False)
    driver.session.settle(driver.now)
    assert [attempt.ended for attempt in driver.session.timeline(driver.now).attempts] == [
        f"could not reach {ORIGIN}: [Errno 111] refused"
    ]
    assert driver.log == driver.notes, "the attempt has had its line"


# --- what an error knows ------------------------------------------------------------------------


def test_an_error_tells_how_far_the_call_had_come() -> None:
    first = [
        after(1),
        sent(reused=True),
        after(1),
        head(200, ID),
        after(2),
        data(chunk(0, 1)),
        after(3),
        LOST,
    ]
    refused = [after(1), *REFUSED]
    last = [sent(), after(1), head(), data(chunk(0)), after(1), data(chunk(1, 2) + b": x\n"), after(4), eof()]
    driver = Driver(first, refused, last, refused, refused, **TWICE)
    assert driver.take(3) == [0, 1, 2]
    driver.now += 10  # what a caller does with a chunk takes time
    with pytest.raises(FlowConnectionError) as caught:
        next(driver)
    error = caught.value
    assert (error.received, error.work_may_have_run) == (3, True)
    assert error.ticket is not None
    assert error.ticket.received == 3
    timeline = error.timeline
    assert timeline is not None
    one, two, three, four, five = timeline.attempts
    assert [attempt.number for attempt in timeline.attempts] == [1, 2, 3, 4, 5]
    assert (one.http_status, one.bytes, one.reused) == (200, 2 * len(chunk(0)), True)
    assert one.ended == "the connection was lost: reset by peer"
    assert (two.started, two.http_status, two.bytes, two.reused) == (8, None, 0, None)
    assert (three.started, three.bytes) == (11, 3 * len(chunk(0)) + 4)
    assert three.ended == "the stream ended without a result"
    assert four.ended == five.ended == error.message
    assert timeline.phase == "connecting"
    assert timeline.bytes == one.bytes + three.bytes
    assert timeline.chunks == 3
    assert timeline.elapsed == driver.now - 100
    assert timeline.last_chunk_age == driver.now - 113
    assert timeline.last_byte_age == driver.now - 113
    assert driver.session.liveness == (113, 113, 113)


def test_a_timeline_is_of_the_first_time_that_the_error_is_raised() -> None:
    driver = Driver(reply(chunk(0, 1), end=LOST))
    assert next(driver) == 0
    driver.now += 5
    assert next(driver) == 1
    with pytest.raises(StreamInterruptedError) as caught:
        next(driver)
    driver.now += 5
    with pytest.raises(StreamInterruptedError) as again:
        driver.result()
    assert again.value is caught.value
    assert again.value.timeline is not None
    assert again.value.timeline.elapsed == 5


@pytest.mark.parametrize(
    ("events", "phase", "reused"),
    [
        ([], "connecting", None),
        ([sent(reused=True)], "waiting for headers", True),
        ([sent(), head()], "reading the body", False),
        ([sent(), head(), eof()], "reading the body", False),
        (REFUSED, "waiting to retry", None),
    ],
)
def test_the_phase_is_told(events: list[Event], phase: str, reused: bool | None) -> None:
    driver = Driver()
    assert driver.session.timeline(driver.now).phase == "connecting"
    assert driver.session.timeline(driver.now).attempts == ()
    driver.session.step(driver.now)
    for event in events:
        event(driver)
    timeline = driver.session.timeline(driver.now)
    assert (timeline.phase, timeline.attempts[0].reused) == (phase, reused)
    assert timeline.last_chunk_age is None
    assert (timeline.last_byte_age is None) == (head() in events or phase != "reading the body")


def test_the_phase_after_a_wait_is_still_waiting() -> None:
    driver = Driver(REFUSED)
    driver.step()
    driver.step()
    assert driver.session.timeline(driver.now).phase == "waiting to retry"


def test_the_trace_id_of_the_server_is_told() -> None:
    headers = {"x-genkit-trace-id": "t1"}
    driver = Driver(reply(b"no", status=400, headers=headers))
    _, error = driver.heard()
    assert (driver.session.trace_id, error.trace_id, error.http_status) == ("t1", "t1", 400)
    frame = b'data: {"error":{"message":"no","details":{"traceId":"t2"}}}\n\n'
    _, error = Driver(reply(frame, headers=headers)).heard()
    assert (error.trace_id, error.details) == ("t2", {"traceId": "t2"})
    line = b'{"result":1,"telemetry":{"traceId":"t3"}}'
    told = Driver(reply(line), **REFLECTION)
    assert told.heard() == ([], 1)
    assert told.session.trace_id == "t3"


def test_of_reflection_an_output_that_is_undefined_is_none() -> None:
    line = b'{"telemetry":{"traceId":"t"}}'
    assert Driver(reply(line), **REFLECTION).heard() == ([], None)
    _, error = Driver(reply(line), output=int, **REFLECTION).heard()
    assert type(error) is OutputValidationError


# --- the connection afterwards ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempt", "clean"),
    [
        (OK, True),
        (reply(chunk(0), b"data: " + FLOW_FAILED + b"\n\n"), True),
        (reply(FLOW_FAILED, status=400), True),
        (reply(status=302), True),
        (reply(status=204), True),
        (reply(b"boom", status=500, end=LOST), False),
        (reply(b"x" * 1001, status=500), False),
        (reply(chunk(0), end=LOST), False),
        (reply(chunk(0)), True),
        (reply(b"data: x\n\n"), False),
        (reply(PAGE), False),
        (reply(b"x", headers={"content-encoding": "br"}), False),
    ],
)
def test_a_connection_is_clean_only_after_an_end_as_it_should_be(attempt: list[Event], clean: bool) -> None:
    driver = Driver(attempt)
    driver.heard()
    assert driver.session.clean is clean


def test_each_attempt_has_a_connection_of_its_own() -> None:
    driver = Driver(durable(chunk(0)), [])
    next(driver)
    driver.step()
    assert driver.session.clean, "the body ended"
    driver.step()
    driver.session.step(driver.now)
    assert (driver.session.clean, driver.session.was_sent) == (False, False)
    driver.session.connected(driver.now, reused=False)
    assert (driver.session.clean, driver.session.was_sent) == (False, True)
    driver.session.bound(driver.now)
    assert (driver.session.clean, driver.session.was_sent) == (False, False)


def test_a_response_is_there_from_its_head_to_its_end() -> None:
    driver = Driver(CUT, [])
    seen = [driver.session.is_answering]
    for _ in range(3):
        driver.step()
        seen.append(driver.session.is_answering)
    assert seen == [False, True, True, False]


# --- drain --------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, ID], ids=["plain", "durable"])
@pytest.mark.parametrize("taken", [0, 1, 3])
def test_draining_counts_and_neither_validates_nor_keeps(headers: Mapping[str, str], taken: int) -> None:
    driver = Driver(reply(chunk(0, 1), chunk(2) + WORD, WORD, DONE, headers=headers), **INTS)
    driver.take(taken)
    assert driver.result() == "done"
    assert driver.session.received == 5
    assert list(driver) == []
    where = driver.session.ticket()
    assert (where and where.received) == (5 if headers else None)
    if where:
        later = Driver(durable(chunk(0, 1, 2), WORD, WORD, chunk(5), DONE), resume=where, **VERIFY)
        assert later.heard() == ([5], "done")


def test_draining_drops_what_was_ready() -> None:
    driver = Driver(durable(chunk(0, 1, 2), end=LOST), durable(chunk(0, 1, 2), DONE), **VERIFY)
    assert next(driver) == 0
    driver.session.drain()
    assert driver.session.received == 3
    assert driver.result() == "done"


def test_draining_sees_a_failure_in_a_frame_that_begins_like_a_chunk() -> None:
    frame = b'data: {"message":"no","status":"NOT_FOUND"}\n\n'
    for headers in ({}, ID):
        with pytest.raises(NotFoundError) as caught:
            Driver(reply(chunk(0), frame, headers=headers)).result()
        assert caught.value.received == 1
    chunks, error = Driver(CUT, durable(frame)).heard()
    assert (chunks, type(error)) == ([0, 1], NotFoundError)


def test_draining_notices_cut_json() -> None:
    with pytest.raises(ProtocolError, match="not JSON"):
        Driver(reply(chunk(0), b'data: {"message":[}\n\n', DONE)).result()


def test_draining_goes_on_over_drops() -> None:
    driver = Driver(CUT, durable(chunk(0, 1, 2), end=LOST), durable(chunk(0, 1, 2, 3), DONE), **VERIFY)
    assert driver.result() == "done"
    assert (driver.session.received, driver.did) == (4, "R 1 S 1 S")


EVENTS = raw_events(lambda event: event.data)


def test_raw_events_are_handed_out_as_they_are_and_a_clean_end_is_theirs() -> None:
    driver = Driver(reply(chunk(0), b"data: x\n\n" + DONE, b"data: y\n"), protocol=EVENTS)
    assert driver.heard() == ([b'{"message":0}', b"x", b'{"result":"done"}', b"y"], None)
    assert driver.session.received == 4


def test_raw_events_that_break_off() -> None:
    chunks, error = Driver(reply(chunk(0), headers=ID, end=LOST), protocol=EVENTS).heard()
    assert (len(chunks), type(error), error.ticket) == (1, StreamInterruptedError, None)


def test_draining_raw_events_counts_and_keeps_none() -> None:
    driver = Driver(reply(chunk(0), chunk(1, 2)), protocol=EVENTS)
    assert driver.result() is None
    assert driver.session.received == 3
    assert list(driver) == []


# --- cancelling ---------------------------------------------------------------------------------


def advance(driver: Driver, state: str) -> None:
    """Bring a session of `durable(chunk(0, 1, 2), …)` into a state."""
    steps = {"idle": 0, "opening": 0, "sent": 0, "reading": 1, "ready": 2, "waiting": 3}[state]
    if state in ("opening", "sent"):
        driver.session.step(driver.now)
        if state == "sent":
            driver.session.connected(driver.now, reused=True)
    for _ in range(steps):
        driver.step()


@pytest.mark.parametrize(
    ("state", "ran", "phase"),
    [
        ("idle", False, "connecting"),
        ("opening", False, "connecting"),
        ("sent", True, "waiting for headers"),
        ("reading", True, "reading the body"),
        ("ready", True, "reading the body"),
        ("waiting", True, "waiting to retry"),
    ],
)
@pytest.mark.parametrize("tell", [True, False])
def test_a_cancelled_call_delivers_nothing_more(state: str, ran: bool, phase: str, tell: bool) -> None:
    driver = Driver(durable(chunk(0, 1, 2), end=LOST))
    advance(driver, state)
    got = driver.take(1) if state == "ready" else []
    assert driver.session.cancel("stopped", tell=tell)
    assert not driver.session.cancel("twice", tell=not tell)
    assert not driver.session.ready
    assert driver.session.received == len(got)
    requests = len(driver.requests)
    with pytest.raises(FlowCancelledError, match="stopped") as caught:
        next(driver)
    error = caught.value
    for _ in range(2):
        assert driver.told_again(error) is error
        with pytest.raises(FlowCancelledError):
            next(driver)
    assert (error.received, error.work_may_have_run) == (len(got), ran)
    assert error.timeline is not None
    assert error.timeline.phase == phase
    assert len(driver.requests) == requests, "no new request"
    assert not driver.session.clean


EVERY_EVENT: dict[str, Event] = {
    "head": head(200, ID),
    "data": data(chunk(0, 1) + DONE),
    "eof": eof(),
    "lost": LOST,
    "not sent": REFUSED[0],
    "expired": expired(),
    "woke": event(lambda d: d.session.woke(d.now)),
}


@pytest.mark.parametrize("event", EVERY_EVENT.values(), ids=EVERY_EVENT)
@pytest.mark.parametrize("state", ["idle", "opening", "sent", "reading", "ready", "waiting"])
def test_what_the_network_says_after_a_cancellation_does_not_count(state: str, event: Event) -> None:
    driver = Driver(durable(chunk(0, 1, 2), end=LOST))
    advance(driver, state)
    driver.session.cancel("stopped", tell=False)
    for _ in range(2):
        event(driver)
        assert isinstance(driver.session.outcome, Failed)
        assert type(driver.session.outcome.error) is FlowCancelledError
    assert not driver.session.ready
    assert driver.session.received == 0
    assert driver.session.settle(driver.now)


@pytest.mark.parametrize("event", EVERY_EVENT.values(), ids=EVERY_EVENT)
def test_what_the_network_says_after_the_end_does_not_count(event: Event) -> None:
    for attempt in (OK, [sent(), LOST], reply(status=302), reply(b"x" * 1001, status=500)):
        driver = Driver(attempt)
        chunks, end = driver.heard()
        event(driver)
        assert driver.heard() == ([], end)
        assert driver.session.received == len(chunks)


@pytest.mark.parametrize("name", sorted(EVERY_EVENT.keys() - {"woke"}))
def test_what_comes_after_an_attempt_was_given_up_does_not_count(name: str) -> None:
    driver = Driver(REFUSED, OK)
    driver.step()
    EVERY_EVENT[name](driver)
    assert driver.heard() == ([0], "done")
    assert driver.did == "R 1 R"


def test_only_a_wait_can_be_over() -> None:
    driver = Driver([sent(), head(), data(chunk(0)), data(DONE)])
    driver.session.step(driver.now)
    driver.session.woke(driver.now)
    driver.session.head(200, "OK", {}, driver.now)
    driver.session.woke(driver.now)
    assert driver.session.step(driver.now) is READ


@pytest.mark.parametrize("taken", range(5))
@pytest.mark.parametrize("together", [True, False])
def test_after_a_cancellation_the_ticket_leads_to_exactly_the_rest(taken: int, together: bool) -> None:
    numbers = range(5)
    pieces = [chunk(*numbers)] if together else [chunk(0, 1), chunk(2), chunk(3, 4)]
    driver = Driver(durable(*pieces, end=LOST), durable(chunk(*numbers), DONE))
    driver.take(taken)
    driver.session.cancel("stopped", tell=False)
    where = driver.session.ticket()
    with pytest.raises(FlowCancelledError) as caught:
        next(driver)
    assert caught.value.ticket == where == driver.session.ticket()
    assert where is None or where.received == taken
    if where is not None:
        rest = Driver(durable(chunk(*numbers), DONE), resume=where, **VERIFY)
        assert rest.heard() == (list(numbers)[taken:], "done")


def test_a_reader_may_take_while_another_thread_cancels() -> None:
    """The reader pops without a lock: what it took just before counts as delivered, and is not dropped."""
    driver = Driver(durable(chunk(0, 1, 2), end=LOST))
    advance(driver, "ready")
    session = driver.session

    class Raced(type(session.ready)):  # type: ignore[misc]
        def pop(self) -> Any:
            if len(self) == 3:
                got.append(self.popleft())
            return super().pop()

    got: list[Any] = []
    session.ready = Raced(session.ready)
    session.cancel("stopped", tell=False)
    assert (got, session.received) == ([0], 1)
    where = session.ticket()
    assert where is not None
    assert Driver(durable(chunk(0, 1, 2), DONE), resume=where, **VERIFY).heard() == ([1, 2], "done")


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("end", [LOST, eof()])
@pytest.mark.parametrize("at", range(1, 5))
def test_a_cancellation_in_the_middle_of_decoding_leaves_no_gap(at: int, end: Event, together: bool) -> None:
    """By a signal handler, or a validator of the caller's: in the very thread that decodes."""

    def strike(value: int) -> int:
        if value == at:
            assert driver.session.cancel("the stream was cancelled", tell=False)
        return value

    pieces = [chunk(0), chunk(1, 2, 3, 4)]
    driver = Driver(
        durable(*([b"".join(pieces)] if together else pieces), end=end),
        chunk=Annotated[int, AfterValidator(strike)],
    )
    chunks, error = driver.heard()
    assert chunks == ([] if together else [0])
    assert type(error) is FlowCancelledError
    where = driver.session.ticket()
    assert where is not None
    assert where.received == len(chunks)
    rest = Driver(durable(chunk(0, 1, 2, 3, 4), DONE), resume=where, **VERIFY)
    assert rest.heard() == ([0, 1, 2, 3, 4][len(chunks) :], "done")


def test_what_was_decoded_after_a_cancellation_is_dropped_too() -> None:
    driver = Driver(durable(chunk(0), end=LOST))
    advance(driver, "ready")
    driver.session.cancel("stopped", tell=False)
    driver.session._tally.count([b"1"], [1], driver.session.ready)
    driver.session.settle(driver.now)
    assert (list(driver.session.ready), driver.session.received) == ([], 0)


def test_after_the_terminal_frame_cancelling_does_nothing() -> None:
    driver = Driver(durable(chunk(0, 1) + DONE))
    assert next(driver) == 0
    assert not driver.session.cancel("late", tell=True)
    assert not driver.session.settle(driver.now)
    assert not driver.session.wants_telling
    assert driver.heard() == ([1], "done")
    failed = Driver(reply(b"boom", status=500))
    _, error = failed.heard()
    assert not failed.session.cancel("late", tell=True)
    assert failed.heard() == ([], error)


@pytest.mark.parametrize("tell", [True, False])
@pytest.mark.parametrize("trace", [True, False])
@pytest.mark.parametrize("protocol", [PROTOCOLS["reflection"], PROTOCOLS["callable"]], ids=["refl", "call"])
def test_only_reflection_can_be_told_and_only_by_trace(
    tell: bool, trace: bool, protocol: WireProtocol
) -> None:
    headers = {"x-genkit-trace-id": "t1"} if trace else {}
    driver = Driver(reply(headers=headers), protocol=protocol)
    driver.step()
    assert not driver.session.wants_telling
    driver.session.cancel("stopped", tell=tell)
    assert driver.session.wants_telling is (tell and trace and protocol.name == "reflection")


# --- time ---------------------------------------------------------------------------------------


def test_the_deadline_follows_the_call() -> None:
    driver = Driver(timeout=Timeout(connect=5, idle=30, progress=60, total=200))
    session = driver.session
    session.waits(50)
    assert session.deadline() is None, "nothing was sent"
    assert session.step(60) == driver_open(session)
    assert session.deadline() == 65
    session.bound(61)
    assert session.deadline() == 66
    session.connected(62, reused=False)
    assert session.deadline() == 92
    session.head(200, "OK", ID, 70)
    assert session.deadline() == 100
    session.alive(80)
    assert session.deadline() == 110
    session.data(b": ping\n", 100)
    assert session.deadline() == 122, "a comment is life, but no progress"
    session.data(chunk(0), 101)
    assert session.deadline() == 131
    session.rests()
    assert session.deadline() == 260, "the caller has something to do"
    session.ready.clear()
    session.waits(140)
    assert session.step(140) is READ
    assert session.deadline() == 170
    session.broke(Break.LOST, "", 141)
    assert session.deadline() == 260, "between two attempts only `total` runs"
    assert session.step(141) == Wait(1)


def driver_open(session: Session[Any, Any]) -> Open:
    return Open("POST", session.call.url, session._request_headers(), session.call.body)


@pytest.mark.parametrize(
    ("timeout", "seconds", "clock"),
    [
        (Timeout(idle=3), 3, "idle"),
        (Timeout(idle=3, progress=2), 2, "progress"),
        (Timeout(idle=3, progress=2, total=1), 1, "total"),
        (Timeout(idle=None, progress=2), 2, "progress"),
    ],
)
def test_the_clock_that_ran_out_is_named(timeout: Timeout, seconds: float, clock: Clock) -> None:
    driver = Driver([sent(), head(), after(seconds), expired()], timeout=timeout)
    _, error = driver.heard()
    assert isinstance(error, FlowTimeoutError)
    assert error.clock == clock
    assert f"within {seconds} s" in error.message
    assert isinstance(error, TimeoutError)


@pytest.mark.parametrize("clock", ["pool", "connect", "idle", "total", None])
def test_a_clock_of_the_callers_own_client_may_run_out_where_ours_are_off(clock: Clock | None) -> None:
    off = Timeout(connect=None, idle=None)
    for events in ([expired(clock)], [sent(), expired(clock)], [sent(), head(), expired(clock)]):
        _, error = Driver(events, timeout=off, **NEVER).heard()
        assert isinstance(error, FlowTimeoutError)
        assert error.clock == clock or (clock is None and error.clock in ("connect", "idle"))


def test_a_unary_call_makes_no_progress_and_needs_none() -> None:
    driver = Driver([sent()], timeout=Timeout(idle=30, progress=1), streaming=False)
    driver.session.step(0)
    driver.session.connected(0, reused=None)
    assert driver.session.deadline() == 30


def test_replayed_chunks_are_progress_to_the_clock_but_refill_no_budget() -> None:
    slow = [sent(), head(), after(9), data(chunk(0)), after(9), data(chunk(1)), after(9), LOST]
    driver = Driver(CUT, slow, slow, slow, slow, timeout=Timeout(progress=10))
    assert driver.take(2) == [0, 1]
    driver.session.waits(driver.now)
    for _ in range(5):  # lost; waited; opened, two chunks
        driver.step()
    assert driver.session.timeline(driver.now).bytes == 2 * len(chunk(0, 1))
    assert driver.session.deadline() == driver.now + 10
    with pytest.raises(StreamInterruptedError):
        next(driver)
    assert driver.did == "R 1 S 2 S 3 S 4 S"


def test_a_wait_that_the_caller_slept_through_is_over() -> None:
    driver = Driver(durable(chunk(0)), durable(chunk(0), DONE), timeout=Timeout(total=5))
    driver.session.waits(driver.now)
    for _ in range(3):
        driver.step()
    assert driver.session.ready.popleft() == 0
    driver.now += 2
    assert driver.heard() == ([], "done")
    assert driver.did == "R 0 S"


def test_a_deadline_that_the_caller_slept_through_is_over_too() -> None:
    driver = Driver(durable(chunk(0)), timeout=Timeout(total=5))
    for _ in range(3):
        driver.step()
    assert driver.session.ready.popleft() == 0
    driver.now += 5
    _, error = driver.heard()
    assert isinstance(error, FlowTimeoutError)
    assert (error.clock, driver.did) == ("total", "R 0")


@pytest.mark.parametrize(
    ("seconds", "waits"), [(-1.0, 0.0), (float("nan"), 0.0), (float("inf"), 3600.0), (1e12, 3600.0)]
)
def test_a_delay_that_makes_no_sense_is_bounded(seconds: float, waits: float) -> None:
    driver = Driver(REFUSED, OK, delay=lambda attempt: seconds)
    assert driver.heard() == ([0], "done")
    assert driver.did == f"R {waits:g} R"


def test_delays_are_numbered_from_one_and_anew_after_progress() -> None:
    driver = Driver(
        REFUSED,
        REFUSED,
        CUT,
        durable(chunk(0, 1)),
        REFUSED,
        durable(chunk(0, 1, 2)),
        durable(chunk(0, 1, 2), DONE),
    )
    driver.heard()
    assert driver.did == "R 1 R 2 R 1 S 2 S 3 S 1 S"


# --- what the core makes of any cut -------------------------------------------------------------


def test_a_stream_cut_at_every_byte_is_the_same() -> None:
    body = b": hi\n\n" + chunk(0, 1) + b'data: {"message":{"a":1}}\r\n\r\n' + DONE
    for at in range(len(body) + 1):
        driver = Driver(durable(body[:at], body[at:]), **VERIFY)
        assert driver.heard() == ([0, 1, {"a": 1}], "done")


def test_a_durable_stream_lost_at_every_byte_is_the_same() -> None:
    body = chunk(*range(4)) + DONE
    for at in range(len(body)):
        driver = Driver(durable(body[:at], end=LOST), durable(body))
        assert driver.heard() == ([0, 1, 2, 3], "done")
        assert driver.session.stream_id == "s1"
