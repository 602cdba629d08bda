"""The fault matrix as data: what may go wrong, and what a call then promises.

In: the faults of the stub, what its listener can refuse, what a flow itself can do. Out: `SCENARIOS`, each
with how a call ends where that differs: for the output only (a plain call never gets an id), as a stream, as
a stream with an id; and `README_ROWS`, the rows of the README's table "What happens when" that they show.
Loops, HTTP libraries and TLS change no promise, but for one, which is told where it stands. Nothing is run
here: `test_fault_matrix.py` does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from streamflow_client import (
    AbortedError,
    ChunkValidationError,
    FlowConnectionError,
    FlowError,
    FlowTimeoutError,
    InputValidationError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    OutputValidationError,
    PermissionDeniedError,
    ProtocolError,
    ReplayDivergedError,
    ResourceExhaustedError,
    Retry,
    StreamExpiredError,
    StreamInterruptedError,
    Timeout,
    UnauthenticatedError,
    UnavailableError,
)
from streamflow_client.testing import Faults
from streamflow_client.testing import faults as f

README_ROWS: dict[str, str] = {
    "not sent": "refused, no such host,",
    "busy": "429 or 503 with `Retry-After`",
    "status": "any other 4xx or 5xx",
    "broken, with id": "the connection breaks, or the body ends, before the result; the server gave",
    "broken, no id": "the same, without an id",
    "silent, with id": "the clock `idle` or `progress` runs out, the stream has an id",
    "clock": "any other clock runs out",
    "failure": "the flow fails in the middle",
    "input": "an input of the wrong type",
    "chunk": "a chunk of the wrong type",
    "output": "an output of the wrong type",
    "redirect": "a redirect",
    "HTML error": "an HTML error page",
    "nonsense": "HTML with status 200,",
    "expired": "the server does not know the stream",
    "diverged": "it replays fewer chunks",
}
"""Key -> how the row begins. The rows are compared with the README's, and with the cells that name them."""

LENGTH = 4  # chunks of the flow, 0 to 3; then its output, 4
SILENCE = 0.1  # seconds, of a clock that is to run out
SLOW, MANY = 0.03, 12  # seconds before each of many chunks: each is soon there, all together are not
LONG = 60.0  # seconds, that nobody waits for
GUARD = 5.0  # seconds after which a cell hangs: the total deadline where a scenario sets none
GUARDED = Timeout(connect=GUARD, idle=GUARD, total=GUARD)
ATTEMPTS = 3
SOON = Retry(attempts=ATTEMPTS, wait_initial=0.001)
LIMIT = 2000  # of one event and of a plain response, in bytes

Transport = Literal["plain", "TLS"]
BOTH: tuple[Transport, ...] = ("plain", "TLS")
Listener = Literal["refuses", "stalls TLS", "has no name", "is not trusted"]


@dataclass(frozen=True)
class Ends:
    """How a call ends, and what it cost.

    Attributes:
        shows: the row of the README that tells it, a key of `README_ROWS`; "" where there is nothing to tell.
        error: None for the output.
        chunks: what is delivered; a class stands for an error of it among the chunks.
        ran: `work_may_have_run` of the error.
        ticket: whether the error has one.
        clock: of a time-out. http_status: of a status error.
        runs: of the flow on the server. requests: that the server read.
        attempts: of the client; None: as many as requests.
    """

    shows: str = ""
    error: type[FlowError] | None = None
    chunks: tuple[Any, ...] = (0, 1, 2, 3)
    ran: bool = True
    ticket: bool = False
    clock: str | None = None
    http_status: int | None = None
    runs: int = 1
    requests: int = 1
    attempts: int | None = None


@dataclass(frozen=True)
class Scenario:
    """One thing that goes wrong.

    Attributes:
        unary: for the output only, from a flow with or without ids.
        stream: chunks and output; without an id, and with one unless `durable` tells otherwise.
        on_callers_client: of a stream with an id, on `Client` with an `http_client` of the caller's own: that
            shows us no header before all have come, so a time-out is noticed when there is an id, too.
        faults: of the first requests, one each.
        then: of every further one.
        listener: what the server's port does, in the attempts `on_attempts`; in all, if that is empty.
        before: of calls that go before and end well, so that the connection is a kept-alive one.
        flow: "count", or "fail": two chunks, then a failure.
        input, types: what the caller asks for; `types` are of input, chunk and output.
        only: over plain connections, over TLS, or both; `why_only` says why not both.
    """

    unary: Ends
    stream: Ends
    durable: Ends | None = None
    on_callers_client: Ends | None = None
    faults: tuple[Faults, ...] = ()
    then: Faults = None
    listener: Listener | None = None
    on_attempts: tuple[int, ...] = ()
    before: tuple[Faults, ...] = ()
    flow: Literal["count", "fail"] = "count"
    input: Any = LENGTH
    types: tuple[Any, Any, Any] = (int, int, int)
    timeout: Timeout = GUARDED
    retry: Retry | None = SOON
    only: tuple[Transport, ...] = BOTH
    why_only: str = ""


def first(count: int) -> tuple[int, ...]:
    return tuple(range(count))


def dropped(received: int = 0, *, runs: int = 1) -> Ends:
    return Ends("broken, no id", StreamInterruptedError, first(received), runs=runs)


def timed_out(clock: str, received: int = 0) -> Ends:
    return Ends("clock", FlowTimeoutError, first(received), clock=clock)


def nonsense(received: int = 0, *, runs: int = 0) -> Ends:
    return Ends("nonsense", ProtocolError, first(received), runs=runs)


def refused(error: type[FlowError], http_status: int, *, ran: bool = True, shows: str = "status") -> Ends:
    """An HTTP status instead of an answer."""
    return Ends(shows, error, (), ran=ran, http_status=http_status, runs=0)


def with_ticket(ends: Ends) -> Ends:
    return replace(ends, ticket=True)


def without_chunks(ends: Ends) -> Ends:
    return replace(ends, chunks=())


def alike(ends: Ends, *faults: Faults, **scenario: Any) -> Scenario:
    """The same for the output only and for streams."""
    return Scenario(without_chunks(ends), ends, faults=faults, **scenario)


def streamed(stream: Ends, durable: Ends, *faults: Faults, **scenario: Any) -> Scenario:
    """What a plain JSON response cannot suffer: it has no chunks."""
    return Scenario(without_chunks(WELL), stream, durable, faults=faults, **scenario)


def garbled(received: int, fault: f.Fault) -> Scenario:
    """A bad event among the chunks; in a plain JSON response, the result."""
    ends = nonsense(received, runs=1)
    return Scenario(without_chunks(ends), ends, with_ticket(ends), faults=(fault,))


WELL = Ends()
SLOWLY = Ends(chunks=first(MANY))
RESUMED = Ends("broken, with id", requests=2)
RESUMED_AFTER_SILENCE = Ends("silent, with id", requests=2)
# The two chunks of the first request refill the attempts.
GIVEN_UP = Ends("broken, with id", StreamInterruptedError, first(2), ticket=True, requests=1 + ATTEMPTS)
NOT_SENT = Ends("not sent", FlowConnectionError, (), ran=False, runs=0, requests=0, attempts=ATTEMPTS)
LATE = replace(NOT_SENT, error=FlowTimeoutError, clock="connect")
EXPIRED = Ends("expired", StreamExpiredError, first(2), ticket=True, requests=2)
DIVERGED = Ends("diverged", ReplayDivergedError, first(2), ticket=True, requests=2)
REDIRECTED = Ends("redirect", ProtocolError, (), ran=False, runs=0)
BAD_CHUNK = Ends("chunk", chunks=(0, ChunkValidationError, 2, 3))
BAD_OUTPUT = Ends("output", OutputValidationError)
FAILED = Ends("failure", AbortedError, (0, 1), http_status=200)
TOTAL = timed_out("total", 2)

IDLE = replace(GUARDED, idle=SILENCE)
IN_TIME = replace(GUARDED, total=SILENCE)
PROGRESS = replace(GUARDED, progress=SILENCE)
CONNECT = replace(GUARDED, connect=SILENCE)
REPLAY = replace(SOON, replay=True)
VERIFY = replace(SOON, verify_replay=True)

FLOWS_503 = b'{"status":"UNAVAILABLE","message":"no table free"}'
A_DATE = "Sun, 06 Nov 1994 08:49:37 GMT"  # long ago: at once
ELSEWHERE = (("Location", "http://elsewhere.test/x"),)
NOISE = b": hi\n\nEND\nevent: x\nretry: -5\n\n"
UNKNOWN_FRAME = b'data: {"mood":"good"}\n\n'

CUT = f.drop(after_chunks=2)

HEADERS: dict[str, Scenario] = {
    "late headers": alike(WELL, f.delay_headers(0.02)),
    "no headers, idle": alike(timed_out("idle"), f.delay_headers(LONG), timeout=IDLE),
    "no headers, total": alike(timed_out("total"), f.delay_headers(LONG), timeout=IN_TIME),
    "trickling headers, idle": alike(WELL, f.trickle_headers(0.001), timeout=IDLE),
    "trickling headers, total": replace(
        alike(timed_out("total"), f.trickle_headers(0.002), timeout=IN_TIME),
        on_callers_client=with_ticket(timed_out("total")),
    ),
    "in pieces of a byte": alike(WELL, f.pieces(1)),
    "in pieces of 7 bytes": alike(WELL, f.pieces(7)),
}

STATUSES: dict[str, Scenario] = {
    "400": alike(refused(InvalidArgumentError, 400), f.status(400)),
    "401": alike(refused(UnauthenticatedError, 401), f.status(401)),
    "403": alike(refused(PermissionDeniedError, 403), f.status(403)),
    "404": alike(refused(NotFoundError, 404, ran=False), f.status(404)),
    "429": alike(refused(ResourceExhaustedError, 429), f.status(429)),
    "500": alike(refused(InternalError, 500), f.status(500, body=b"no")),
    "502": alike(refused(UnavailableError, 502), f.status(502)),
    "503": alike(refused(UnavailableError, 503), f.status(503)),
    "429, later": alike(Ends("busy", requests=2), f.status(429, retry_after=0)),
    "503, later, as a date": alike(Ends("busy", requests=2), f.status(503, retry_after=A_DATE)),
    "503, always later": alike(
        replace(refused(UnavailableError, 503, ran=False, shows="busy"), requests=ATTEMPTS),
        then=f.status(503, retry_after=0),
    ),
    "429, much later than the deadline": alike(
        refused(ResourceExhaustedError, 429, ran=False, shows="busy"),
        f.status(429, retry_after=3600),
    ),
    "503 of the flow itself, later": alike(
        refused(UnavailableError, 503), f.status(503, retry_after=0, body=FLOWS_503)
    ),
    "500, replayed": alike(Ends(requests=2), f.status(500), retry=REPLAY),
    "204": alike(nonsense(), f.status(204)),
    "302": alike(REDIRECTED, f.status(302, headers=ELSEWHERE)),
    "307": alike(REDIRECTED, f.status(307, headers=ELSEWHERE)),
    "an HTML page": alike(nonsense(), f.html_page()),
    "an HTML page, 403": alike(
        refused(PermissionDeniedError, 403, ran=False, shows="HTML error"), f.html_page(403)
    ),
    "an HTML page, 502": alike(refused(UnavailableError, 502, shows="HTML error"), f.html_page(502)),
    "an HTML page, no stream": alike(
        refused(InternalError, 500, shows="HTML error"), f.stream_not_found_html()
    ),
    "not HTTP": alike(nonsense(), f.raw(b"220 mail ESMTP\r\n\r\n")),
    "half a head": alike(dropped(runs=0), f.raw(b"HTTP/1.1 200 OK\r\nContent-Le")),
    "a body shorter than it says": alike(
        dropped(runs=0), f.raw(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"res')
    ),
    "cut JSON": alike(nonsense(), f.status(200, body=b'{"res', content_type="application/json")),
}

CUTS: dict[str, Scenario] = {
    "closed before a byte": alike(dropped(runs=0), f.close_before_response()),
    "closed before a byte, kept alive": alike(dropped(runs=0), f.close_before_response(), before=(None,)),
    "closed before a byte, replayed": alike(Ends(requests=2), f.close_before_response(), retry=REPLAY),
    "drop after the headers": Scenario(dropped(), dropped(), RESUMED, faults=(f.drop(),)),
    "drop after 2 chunks": streamed(dropped(2), RESUMED, CUT),
    "drop after the last chunk": streamed(dropped(4), RESUMED, f.drop(after_chunks=4)),
    "drop in the first frame": Scenario(dropped(), dropped(), RESUMED, faults=(f.drop(after_bytes=9),)),
    "drop in the second frame": streamed(dropped(1), RESUMED, f.drop(after_bytes=30)),
    "drop, drop, drop": streamed(
        dropped(1), replace(RESUMED, requests=4), *(f.drop(after_chunks=n) for n in (1, 2, 3))
    ),
    "always drop": streamed(dropped(2), GIVEN_UP, then=CUT),
    "drop, no retries": streamed(
        dropped(2), replace(with_ticket(dropped(2)), shows="broken, with id"), CUT, retry=None
    ),
    "reset after the headers": Scenario(dropped(), dropped(), RESUMED, faults=(f.reset(),)),
    "reset after 2 chunks": streamed(dropped(2), RESUMED, f.reset(after_chunks=2)),
    "reset in the first frame": Scenario(dropped(), dropped(), RESUMED, faults=(f.reset(after_bytes=9),)),
    "always reset": streamed(dropped(2), GIVEN_UP, then=f.reset(after_chunks=2)),
    "early end, no chunk": streamed(dropped(), RESUMED, f.clean_eof()),
    "early end after 2 chunks": streamed(dropped(2), RESUMED, f.clean_eof(2)),
    "early end after the last chunk": streamed(dropped(4), RESUMED, f.clean_eof(4)),
    "always an early end": streamed(dropped(2), GIVEN_UP, then=f.clean_eof(2)),
    "closed while idle": alike(WELL, before=(f.close_idle_after(),)),
    "no end of the body": Scenario(timed_out("idle"), WELL, faults=(f.no_body_end(),), timeout=IDLE),
}

SILENCES: dict[str, Scenario] = {
    "silent after the headers": Scenario(
        timed_out("idle"), timed_out("idle"), RESUMED_AFTER_SILENCE, faults=(f.stall(),), timeout=IDLE
    ),
    "silent after 2 chunks": streamed(timed_out("idle", 2), RESUMED_AFTER_SILENCE, f.stall(2), timeout=IDLE),
    "always silent": streamed(
        timed_out("idle", 2),
        replace(GIVEN_UP, shows="silent, with id", error=FlowTimeoutError, clock="idle"),
        then=f.stall(2),
        timeout=IDLE,
    ),
    "silent until the deadline": streamed(TOTAL, with_ticket(TOTAL), f.stall(2), timeout=IN_TIME),
    "no time at all": alike(
        replace(timed_out("total"), ran=False, runs=0, requests=0, attempts=1),
        timeout=replace(GUARDED, total=1e-9),
    ),
    "pings only": streamed(
        timed_out("progress", 2), RESUMED_AFTER_SILENCE, f.pings(0.02, 2), timeout=PROGRESS
    ),
    "pings only, until the deadline": streamed(
        TOTAL, with_ticket(TOTAL), f.pings(0.02, 2), timeout=replace(IDLE, total=2 * SILENCE)
    ),
    "slow chunks, idle": streamed(SLOWLY, SLOWLY, f.slow_chunks(SLOW), input=MANY, timeout=IDLE),
    "slow chunks, progress": streamed(SLOWLY, SLOWLY, f.slow_chunks(SLOW), input=MANY, timeout=PROGRESS),
}

FRAMES: dict[str, Scenario] = {
    "noise": streamed(WELL, WELL, f.insert(NOISE, 1)),
    "a frame of an unknown kind": streamed(WELL, WELL, f.insert(UNKNOWN_FRAME, 2)),
    "broken JSON": garbled(1, f.corrupt_json(1)),
    "wrong UTF-8": garbled(2, f.wrong_utf8(2)),
    "too large": garbled(1, f.oversize(LIMIT + 1000, 1)),
    "a chunk of the wrong type": streamed(BAD_CHUNK, BAD_CHUNK, f.change_chunk(1, "one")),
    "an output of the wrong type": Scenario(
        without_chunks(BAD_OUTPUT), BAD_OUTPUT, with_ticket(BAD_OUTPUT), types=(int, int, str)
    ),
    "an input of the wrong type": alike(
        Ends("input", InputValidationError, (), ran=False, runs=0, requests=0), input="four"
    ),
    "the flow fails": Scenario(
        Ends("status", AbortedError, (), http_status=409),
        FAILED,
        with_ticket(FAILED),
        flow="fail",
    ),
    "the flow fails after a drop": Scenario(
        Ends("status", AbortedError, (), http_status=409),
        dropped(1),
        replace(FAILED, ticket=True, requests=2),
        faults=(f.drop(after_chunks=1),),
        flow="fail",
    ),
}


def resuming(durable: Ends, *faults: Faults, **scenario: Any) -> Scenario:
    """A drop after two chunks, then what happens to the requests that resume."""
    return streamed(dropped(2), durable, CUT, *faults, **scenario)


def while_resuming(ends: Ends) -> Ends:
    """What happens to a call happens to the request that resumes it."""
    return replace(ends, chunks=first(2), ran=True, ticket=True, runs=1, requests=2)


REFUSED_AT_LAST = replace(GIVEN_UP, error=UnavailableError, http_status=503)
RESUMED_LATER = replace(RESUMED, requests=3)

REPLAYS: dict[str, Scenario] = {
    **{f"resuming, {code}": resuming(RESUMED_LATER, f.status(code)) for code in (429, 500, 502, 503, 504)},
    "resuming, always 503": resuming(REFUSED_AT_LAST, then=f.status(503)),
    "resuming, 503, later": resuming(RESUMED_LATER, f.status(503, retry_after=0)),
    "resuming, 400": resuming(while_resuming(refused(InvalidArgumentError, 400)), f.status(400)),
    "resuming, 307": resuming(while_resuming(REDIRECTED), f.status(307, headers=ELSEWHERE)),
    "resuming, closed before a byte": resuming(RESUMED_LATER, f.close_before_response()),
    "resuming, not HTTP": resuming(RESUMED_LATER, f.raw(b"220 mail ESMTP\r\n\r\n")),
    "resuming, an HTML page": resuming(while_resuming(nonsense()), f.html_page()),
    "resuming, an HTML page, 502": resuming(RESUMED_LATER, f.html_page(502)),
    "resuming, no headers": resuming(
        replace(RESUMED_AFTER_SILENCE, requests=3), f.delay_headers(LONG), timeout=IDLE
    ),
    "resuming, reset": resuming(RESUMED_LATER, f.reset(after_chunks=1)),
    "resuming, an early end": resuming(RESUMED_LATER, f.clean_eof(1)),
    "resuming, in pieces of a byte": resuming(RESUMED, f.pieces(1)),
    "resuming, broken JSON": resuming(while_resuming(nonsense()), f.corrupt_json(1)),
    "resuming, 204": resuming(EXPIRED, f.status(204)),
    "resuming, no stream": resuming(EXPIRED, f.stream_not_found_html()),
    "resuming an id that the server does not know": streamed(
        # The server has no ids, but shows one: what resumes brings no input, and is refused.
        while_resuming(Ends("failure", InvalidArgumentError, http_status=200)),
        EXPIRED,
        (f.other_stream_id(), CUT),
    ),
    "resuming, another stream": resuming(DIVERGED, f.other_stream_id()),
    "resuming, too few chunks": streamed(
        dropped(4),
        replace(DIVERGED, chunks=first(4)),
        f.drop(after_chunks=4),
        f.lose_chunk(0),
    ),
    "resuming, other chunks, verified": resuming(DIVERGED, f.change_chunk(1, 9), retry=VERIFY),
    "resuming, a gap, verified": resuming(DIVERGED, f.lose_chunk(0), retry=VERIFY),
    # Stores may write the same chunk in other bytes: a difference is logged, and the counts are trusted.
    "resuming, other chunks": resuming(RESUMED, f.change_chunk(1, 9)),
    "resuming, a gap": resuming(replace(RESUMED, chunks=(0, 1, 3)), f.lose_chunk(0)),
}

TLS_ONLY: dict[str, Any] = {
    "only": ("TLS",),
    "why_only": "a plain connection has no handshake and no certificate",
}

LISTENING: dict[str, Scenario] = {
    "refused": alike(NOT_SENT, listener="refuses"),
    "refused, no retries": alike(replace(NOT_SENT, attempts=1), listener="refuses", retry=None),
    "refused once": alike(Ends("not sent", attempts=2), listener="refuses", on_attempts=(1,)),
    "resuming, refused once": resuming(replace(RESUMED, attempts=3), listener="refuses", on_attempts=(2,)),
    "no such host": alike(NOT_SENT, listener="has no name"),
    "an untrusted certificate": alike(NOT_SENT, listener="is not trusted", **TLS_ONLY),
    "a silent handshake": alike(
        replace(LATE, attempts=2),
        listener="stalls TLS",
        timeout=CONNECT,
        retry=replace(SOON, attempts=2),
        **TLS_ONLY,
    ),
    "a silent handshake once": alike(
        Ends("not sent", attempts=2), listener="stalls TLS", on_attempts=(1,), timeout=CONNECT, **TLS_ONLY
    ),
    "a silent handshake until the deadline": alike(
        replace(LATE, shows="clock", clock="total", attempts=1),
        listener="stalls TLS",
        timeout=IN_TIME,
        **TLS_ONLY,
    ),
}

SCENARIOS: dict[str, Scenario] = HEADERS | STATUSES | CUTS | SILENCES | FRAMES | REPLAYS | LISTENING
