"""What is to happen to each stream of the soak, and which outcomes the contract then allows.

In: a seed and a stream's number. Out: its `Plan`, the same in the server's process, which scripts the faults,
and in the client's, which judges. Out of place here: which outcome a fault must have in every combination of
clients and protocols; that is the fault matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel

from streamflow_client import (
    FlowCancelledError,
    FlowError,
    FlowStatusError,
    FlowTimeoutError,
    ProtocolError,
    ReplayDivergedError,
    StreamExpiredError,
    StreamInterruptedError,
    Timeout,
)
from streamflow_client.testing import faults
from streamflow_client.testing.faults import Faults

TIMEOUT = Timeout(connect=20, idle=30, total=60)

Lane = Literal["sync", "asyncio", "trio"]
Kind = Literal["plain", "durable", "unary"]
Reading = Literal["all", "half", "result", "ticket"]


class Order(BaseModel):
    """What a stream asks for."""

    stream: int
    chunks: int


class Chunk(BaseModel):
    """Says where it belongs."""

    stream: int
    index: int
    text: str


class Total(BaseModel):
    """The result."""

    stream: int
    chunks: int


def chunk_of(stream: int, index: int) -> Chunk:
    """The only right chunk in this place."""
    # Not ASCII alone, and too long for pydantic's cache of short texts, which would look like a leak.
    text = f"{stream}/{index} é€𝄞 " * (10 + (stream + index) % 10)
    return Chunk(stream=stream, index=index, text=text)


# --- faults -------------------------------------------------------------------------------------------

WHOLE: Final = "whole"  # all chunks, then the result, each once
LEFT = "left"  # the caller went away, so nothing more is to be seen

Promise = Literal["whole"] | type[FlowError]


@dataclass(frozen=True)
class Fault:
    """One way to spoil a stream after `at` of its chunks.

    Attributes:
        script: what the server does at this stream's first request, its second …
        promise: how each kind of stream then ends; a kind that it does not name is not spoiled so.
        early: nothing of the flow is delivered.
        lossy: what was sent before the fault need not arrive.
    """

    script: Callable[[int], list[Faults]]
    promise: dict[Kind, Promise]
    early: bool = False
    lossy: bool = False
    timeout: Timeout = TIMEOUT


def all_end(promise: Promise) -> dict[Kind, Promise]:
    """Of whatever kind they are."""
    return {"plain": promise, "durable": promise, "unary": promise}


def durable_survive(error: type[FlowError]) -> dict[Kind, Promise]:
    """The server issued no id for the others."""
    return {"plain": error, "durable": WHOLE, "unary": error}


def streams_only(promise: dict[Kind, Promise]) -> dict[Kind, Promise]:
    """The fault says nothing for a plain answer."""
    return {kind: promise[kind] for kind in ("plain", "durable")}


CUT = durable_survive(StreamInterruptedError)
SILENT = durable_survive(FlowTimeoutError)
HARMLESS = all_end(WHOLE)
NONSENSE = all_end(ProtocolError)
REFUSED = all_end(FlowStatusError)

FAULTS = {
    "drop": Fault(lambda at: [faults.drop(after_chunks=at)], CUT),
    "reset": Fault(lambda at: [faults.reset(after_chunks=at)], CUT, lossy=True),
    "cut frame": Fault(lambda at: [faults.drop(after_bytes=30 * at + 7)], CUT, lossy=True),
    "clean end": Fault(lambda at: [faults.clean_eof(after_chunks=at)], streams_only(CUT)),
    "many drops": Fault(lambda at: [faults.drop(after_chunks=n) for n in range(at + 1)], {"durable": WHOLE}),
    "drop, then busy": Fault(
        lambda at: [faults.drop(after_chunks=at), faults.status(503), faults.close_before_response()],
        {"durable": WHOLE},
    ),
    "drop, then gone": Fault(
        lambda at: [faults.drop(after_chunks=at), faults.status(204)], {"durable": StreamExpiredError}
    ),
    "drop, then another": Fault(
        lambda at: [faults.drop(after_chunks=at), faults.other_stream_id()], {"durable": ReplayDivergedError}
    ),
    "stall": Fault(
        lambda at: [faults.stall(after_chunks=at)], SILENT, lossy=True, timeout=Timeout(idle=1, total=60)
    ),
    "only pings": Fault(
        lambda at: [faults.pings(after_chunks=at)],
        streams_only(SILENT),
        lossy=True,
        timeout=Timeout(progress=1, total=60),
    ),
    "corrupt JSON": Fault(lambda at: [faults.corrupt_json(after_chunks=at)], NONSENSE),
    "wrong UTF-8": Fault(lambda at: [faults.wrong_utf8(after_chunks=at)], NONSENSE),
    "status 500": Fault(lambda _: [faults.status(500)], REFUSED, early=True),
    "error page": Fault(lambda _: [faults.html_page(502)], REFUSED, early=True),
    "login page": Fault(lambda _: [faults.html_page(200)], NONSENSE, early=True),
    "redirect": Fault(
        lambda _: [faults.status(302, headers=(("Location", "/login"),))], NONSENSE, early=True
    ),
    "no HTTP": Fault(lambda _: [faults.raw(b"SSH-2.0-soak\r\n\r\n")], NONSENSE, early=True),
    "closed": Fault(lambda _: [faults.close_before_response()], all_end(StreamInterruptedError), early=True),
    "busy": Fault(lambda _: [faults.status(503, retry_after=0)], HARMLESS),
    "late headers": Fault(lambda _: [faults.delay_headers(0.3)], HARMLESS),
    "slow headers": Fault(lambda _: [faults.trickle_headers(0.001)], HARMLESS),
    "pieces": Fault(lambda _: [faults.pieces(50)], HARMLESS),
    "slow chunks": Fault(lambda _: [faults.slow_chunks(0.01)], HARMLESS),
    "open end": Fault(lambda _: [faults.no_body_end()], streams_only(HARMLESS)),
}

# --- cancellations ------------------------------------------------------------------------------------

Place = Literal["handshake", "headers", "body", "draining", "back-off", "anywhere"]
"""Where a stream waits when it is cancelled; `anywhere`: an ordinary stream, maybe at its end already."""

Way = Literal["cancel", "close", "task", "leave", "drop"]
"""`cancel()` or `close()` by another thread or task, the cancelled scope of its own task, leaving its `with`
block, or forgetting it unclosed."""

_HANGING = {"headers": "headers", "body": "hang", "draining": "hang", "back-off": "back-off"}  # flows
PLACES: tuple[Place, ...] = ("handshake", "headers", "body", "draining", "back-off", "anywhere")


class Cancel(NamedTuple):
    """One cancellation, `after` so many seconds."""

    place: Place
    way: Way
    after: float


# --- plans --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """What is to happen to one stream.

    Attributes:
        at: chunks before its fault, or before it hangs.
        reading: iterate `all`; iterate `half` and drain; only ask for the `result`; or leave a durable
            stream half-way and go on with its `ticket`.
    """

    number: int
    lane: Lane
    tls: bool
    kind: Kind
    chunks: int
    reading: Reading
    at: int = 0
    fault: str | None = None
    cancel: Cancel | None = None

    @property
    def way(self) -> Way | None:
        """How it is cancelled, if it is."""
        return None if self.cancel is None else self.cancel.way

    @property
    def flow(self) -> str:
        """The server's flow: one of its own for a faulty stream, since faults are scripted by name."""
        if self.fault is not None:
            return f"faulty-{self.number}"
        usual = "durable" if self.kind == "durable" else "count"
        return _HANGING.get(self.cancel.place, usual) if self.cancel else usual

    @property
    def order(self) -> Order:
        """The input."""
        return Order(stream=self.number, chunks=self.at if self.flow == "hang" else self.chunks)

    @property
    def timeout(self) -> Timeout:
        return TIMEOUT if self.fault is None else FAULTS[self.fault].timeout

    @property
    def promised(self) -> set[str]:
        """Names of the outcomes that are right."""
        if self.fault is not None:
            promise = FAULTS[self.fault].promise[self.kind]
            return {promise if isinstance(promise, str) else promise.__name__}
        if self.cancel is None:
            return {WHOLE}
        stopped = FlowCancelledError.__name__ if self.way in ("cancel", "close") else LEFT
        return {stopped, WHOLE} if self.cancel.place == "anywhere" else {stopped}

    @property
    def received(self) -> range:
        """How many chunks are right where the outcome is not the whole."""
        if self.fault is not None:
            return range(0 if FAULTS[self.fault].lossy else self.at, self.at + 1)
        return range(self.at if self.way in ("leave", "drop") else 0, self.order.chunks + 1)

    def stops_at(self, received: int, *, resumed: bool) -> bool:
        """Whether its reader stops iterating after so many chunks."""
        if self.way in ("leave", "drop"):
            return received == self.at
        half = self.reading == "half" or (self.reading == "ticket" and not resumed)
        return half and received == (self.chunks + 1) // 2

    def __str__(self) -> str:
        what = self.fault or (f"{self.way} in {self.cancel.place}" if self.cancel else "healthy")
        tls = "TLS" if self.tls else "no TLS"
        return f"stream {self.number} ({self.lane}, {self.kind}, {tls}, {self.reading}, {what}, at {self.at})"


def plan(seed: int, number: int) -> Plan:
    """Half the streams are synchronous; 5 % are faulty, 5 % are cancelled."""
    random = Random(f"{seed}/{number}")
    lane: Lane = "sync" if number % 2 == 0 else "asyncio" if number % 4 == 1 else "trio"
    kind: Kind = random.choices(("plain", "durable", "unary"), (6, 3, 1))[0]
    ways: tuple[Reading, ...] = ("all", "half", "result", "ticket" if kind == "durable" else "all")
    reading = random.choice(ways)
    whole = Plan(number, lane, random.random() < 0.5, kind, random.randint(1, 30), reading)
    fate = random.random()
    if fate < 0.05:
        return _spoiled(random, whole)
    return _cancelled(random, whole) if fate < 0.10 else whole


def _spoiled(random: Random, whole: Plan) -> Plan:
    name = random.choice([name for name, fault in FAULTS.items() if whole.kind in fault.promise])
    at = 0 if FAULTS[name].early or whole.kind == "unary" else random.randrange(whole.chunks)
    return replace(whole, fault=name, at=at, reading=random.choice(("all", "result")))


def _cancelled(random: Random, whole: Plan) -> Plan:
    place = random.choice(PLACES)
    ways: list[Way] = ["cancel", "close"]
    if whole.lane != "sync":
        ways.append("task")
    if place == "body":
        ways.extend(("leave", "drop"))
    way = random.choice(ways)
    return replace(
        whole,
        kind="plain" if whole.kind == "unary" and way != "task" else whole.kind,  # it has no other handle
        tls=whole.tls or place == "handshake",
        reading="result" if place == "draining" else "all",
        at=random.randint(1, whole.chunks),
        cancel=Cancel(place, way, random.uniform(0, 0.1)),
    )
