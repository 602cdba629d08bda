"""Whatever goes wrong, a caller learns what it was, how far the call came, and whether the flow may have run;
and the flow is never run a second time behind the caller's back."""

import logging
import pickle
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pydantic import BaseModel

from drivers import EVERY_DRIVER, Driver, Mode, Outcome
from streamflow_client import (
    ChunkValidationError,
    FlowConnectionError,
    FlowDef,
    FlowError,
    FlowStatusError,
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
    UnauthenticatedError,
    UnavailableError,
    UnknownError,
)
from streamflow_client.errors import STATUS_ERRORS
from streamflow_client.testing import Fault, FlowFailure, StubServer
from streamflow_client.testing import faults as f

pytestmark = pytest.mark.parametrize("driver", EVERY_DRIVER)

COUNT = FlowDef("count", input=int, chunk=int, output=int)
SOON = Retry(attempts=3, wait_initial=0.001)
LIMITS: dict[str, Any] = {"max_event_bytes": 2000, "max_response_bytes": 2000}
MODES: list[Mode] = ["unary", "stream"]


def serve(dialect: Any = "express", **options: Any) -> StubServer:
    stub = StubServer(dialect, **options)

    @stub.flow
    def count(n: int, send: Callable[[int], None]) -> int:
        for number in range(n):
            send(number)
        return n

    stub.flow("lasting", durable=True)(count)

    @stub.flow
    def fail(status: str, send: Callable[[str], None]) -> None:
        send("so far")
        raise FlowFailure(status, f"no: {status}", {"why": [status]})

    @stub.flow
    def crash(n: int, send: Callable[[int], None]) -> None:
        send(n)
        raise ZeroDivisionError("a secret of the server")

    return stub


@dataclass(frozen=True)
class Told:
    """What an error is to tell."""

    error: type[FlowError]
    words: str
    phase: str = ""  # "answered" by a status, else "reading the body"
    may_have_run: bool = True
    received: int = 0
    runs: int = 1


def check(outcome: Outcome, told: Told) -> FlowError:
    error = outcome.error
    assert isinstance(error, FlowError), outcome
    line = str(error)
    assert type(error) is told.error, line
    assert line.startswith(f"flow {error.flow!r}: ")
    assert told.words in line
    assert line.isprintable()
    assert error.timeline is not None
    phase = told.phase or ("answered" if issubclass(told.error, FlowStatusError) else "reading the body")
    assert error.timeline.phase == phase
    assert f"[{phase} after " in line
    assert error.work_may_have_run is told.may_have_run, line
    assert error.received == told.received == len(outcome.chunks)
    assert outcome.chunks == list(range(told.received))
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == line
    facts = [(e.received, e.ticket, e.work_may_have_run, e.timeline, e.args) for e in (error, again)]
    assert facts[0] == facts[1]
    return error


def gone(stub: StubServer) -> None:
    """No connection is left once the client is closed."""
    stub.wait_until(lambda: stub.connections.open == 0)


# --- one fault, one request -------------------------------------------------------------------------

LOST = Told(StreamInterruptedError, "the connection was lost")
SILENT = Told(StreamInterruptedError, "without sending a response", "waiting for headers", runs=0)
NOT_JSON = Told(ProtocolError, "not JSON")
TOO_LARGE = Told(ProtocolError, "is larger than max_")
EARLY = Told(StreamInterruptedError, "the stream ended without a result")


def refused(error: type[FlowError], words: str, *, may_have_run: bool = True) -> Told:
    """An HTTP status in place of an answer."""
    return Told(error, words, may_have_run=may_have_run, runs=0)


WELL = None
PAGE_WORDS = "Please sign in"  # of the page's body: only a 200, where it is the evidence, may show it

# fault, what a call for the output only tells, what a stream tells
Row = tuple[Fault, Told | None, Told | None]


def alike(fault: Fault, told: Told) -> Row:
    return fault, told, told


FAULTS: dict[str, Row] = {
    "late headers": (f.delay_headers(0.05), WELL, WELL),
    "byte by byte": (f.pieces(1), WELL, WELL),
    "noise": (f.insert(b": hi\n\nEND\nevent: x\nretry: -5\n\n", 1), WELL, WELL),
    "400": alike(f.status(400), refused(InvalidArgumentError, "(HTTP 400): Bad Request")),
    "401": alike(f.status(401), refused(UnauthenticatedError, "(HTTP 401): ")),
    "403": alike(f.status(403), refused(PermissionDeniedError, "(HTTP 403): ")),
    "404": alike(f.status(404), refused(NotFoundError, "(HTTP 404): ", may_have_run=False)),
    "405": alike(f.status(405), refused(STATUS_ERRORS["FAILED_PRECONDITION"], "405", may_have_run=False)),
    "429": alike(f.status(429), refused(ResourceExhaustedError, "RESOURCE_EXHAUSTED (HTTP 429): ")),
    "499": alike(f.status(499), refused(STATUS_ERRORS["CANCELLED"], "CANCELLED (HTTP 499): ")),
    "500": alike(f.status(500, body=b"no\nway\x1b[2J"), refused(InternalError, r"no\nway\x1b[2J [")),
    "502": alike(f.status(502), refused(UnavailableError, "UNAVAILABLE (HTTP 502): ")),
    "503": alike(f.status(503), refused(UnavailableError, "UNAVAILABLE (HTTP 503): ")),
    "504": alike(f.status(504), refused(STATUS_ERRORS["DEADLINE_EXCEEDED"], "(HTTP 504): ")),
    "large 500": alike(
        f.status(500, body=b"x" * 5000),
        replace(refused(InternalError, "INTERNAL (HTTP 500): xxx"), phase="reading the body"),
    ),
    "other JSON": alike(f.status(500, body=b'{"detail": "db"}'), refused(InternalError, "500): db [")),
    "503 of a flow, to be tried later": alike(
        f.status(503, retry_after=0, body=b'{"status":"UNAVAILABLE","message":"full"}'),
        refused(UnavailableError, "UNAVAILABLE (HTTP 503): full"),
    ),
    "204": alike(f.status(204), refused(ProtocolError, "204 No Content")),
    "HTML 200": alike(f.html_page(), Told(ProtocolError, "HTML page instead of a", runs=0)),
    "HTML 403": alike(
        f.html_page(403), refused(PermissionDeniedError, "(HTTP 403): Forbidden: Error [", may_have_run=False)
    ),
    "HTML 502": alike(f.html_page(502), refused(UnavailableError, "(HTTP 502): Bad Gateway: Error [")),
    **{
        str(code): alike(
            f.status(code, headers=(("Location", "http://elsewhere.test/x"),)),
            Told(ProtocolError, f"(HTTP {code}) to http://elsewhere.test/x;", may_have_run=False, runs=0),
        )
        for code in (301, 302, 303, 307, 308)
    },
    "closed before a byte": alike(f.close_before_response(), SILENT),
    "half a head": alike(f.raw(b"HTTP/1.1 200 OK\r\nContent-Le"), SILENT),
    "no HTTP": alike(
        f.raw(b"220 mail ESMTP\r\n\r\n"),
        Told(ProtocolError, "does not speak HTTP", "waiting for headers", runs=0),
    ),
    "body too short": alike(
        f.raw(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"res'), replace(LOST, runs=0)
    ),
    "JSON cut short": (
        f.raw(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{"res'),
        replace(NOT_JSON, runs=0),
        replace(NOT_JSON, runs=0),
    ),
    "not an envelope": (
        f.status(200, body=b'["result"]', content_type="application/json"),
        refused(ProtocolError, "it begins with '[\"result\"]'"),
        refused(ProtocolError, "it begins with '[\"result\"]'"),
    ),
    "dropped after the headers": alike(f.drop(), LOST),
    "dropped within a frame": (f.drop(after_bytes=30), WELL, replace(LOST, received=1)),
    "dropped after 2 chunks": (f.drop(after_chunks=2), WELL, replace(LOST, received=2)),
    "reset after the headers": alike(f.reset(), LOST),
    "reset after 7 bytes": alike(f.reset(after_bytes=7), LOST),
    "clean end at once": (f.clean_eof(), WELL, EARLY),
    "clean end after 3 chunks": (f.clean_eof(3), WELL, replace(EARLY, received=3)),
    "broken JSON": (f.corrupt_json(1), NOT_JSON, replace(NOT_JSON, received=1)),
    "wrong UTF-8": (f.wrong_utf8(2), NOT_JSON, replace(NOT_JSON, received=2)),
    "too large": (f.oversize(3000, 1), TOO_LARGE, replace(TOO_LARGE, received=1)),
}


def run_row(driver: Driver, stub: StubServer, name: str) -> None:
    fault, *tolds = FAULTS[name]
    for mode, told in zip(MODES, tolds, strict=True):
        runs, requests = len(stub.runs), len(stub.requests)
        stub.script("count", fault)
        outcome = driver.call(stub, COUNT, 3, mode=mode, retry=SOON, **LIMITS)
        if told is None:
            assert outcome.error is None, outcome
            assert (outcome.output, outcome.chunks) == (3, [] if mode == "unary" else [0, 1, 2])
        else:
            error = check(outcome, told)
            assert error.ticket is None
            if "200" not in name:
                assert PAGE_WORDS not in str(error) + error.message
        assert len(stub.runs) - runs == (1 if told is None else told.runs)
        assert len(stub.requests) - requests == 1, "never a second request"
        gone(stub)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_and_never_costs_a_second_run(driver: Driver, name: str) -> None:
    with serve() as stub:
        run_row(driver, stub, name)


@pytest.mark.parametrize("name", ["500", "dropped within a frame", "clean end at once", "wrong UTF-8"])
def test_faults_are_told_alike_over_tls_and_by_go(driver: Driver, name: str) -> None:
    with serve("go", tls=True) as stub:
        run_row(driver, stub, name)


def test_a_connection_cut_without_a_tls_goodbye_is_a_drop(driver: Driver) -> None:
    with serve(tls=True) as stub:
        stub.script("count", f.reset(after_chunks=1))
        check(driver.call(stub, COUNT, 3), replace(LOST, received=1))


# --- failures of flows ------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["express", "go"])
def test_a_failure_frame_becomes_the_error_of_its_status_after_its_chunks(
    driver: Driver, dialect: str
) -> None:
    with serve(dialect) as stub, driver.client(stub) as client:
        for status, cls in STATUS_ERRORS.items():
            with client.flow("fail").stream(status) as stream:
                assert next(stream) == "so far"
                with pytest.raises(cls) as caught:
                    next(stream)
            error = caught.value
            assert type(error) is cls
            assert (error.status, error.message) == (status, f"no: {status}")
            details = {"why": [status]} if dialect == "express" else None  # Go tells none
            assert (error.details, error.http_status, error.received) == (details, 200, 1)
            assert error.work_may_have_run
            assert pickle.loads(pickle.dumps(error)).details == details
        assert stub.run_count("fail") == len(STATUS_ERRORS) == len(stub.requests)
        assert stub.connections.accepted == 1, "a failure frame is a clean end"


def test_a_failure_without_a_stream_has_its_status_and_details(driver: Driver) -> None:
    with serve() as stub, driver.client(stub) as client:
        for status, cls in STATUS_ERRORS.items():
            with pytest.raises(cls) as caught:
                client.flow("fail")(status)
            error = caught.value
            assert (type(error), error.status, error.message) == (cls, status, f"no: {status}")
            assert error.details == {"why": [status]}
            assert error.http_status is not None
            assert error.http_status >= 400
            assert error.work_may_have_run


def test_go_tells_the_message_of_a_failure_as_plain_text(driver: Driver) -> None:
    with serve("go") as stub:
        outcome = driver.call(stub, "fail", "PERMISSION_DENIED", mode="unary")
        error = check(outcome, Told(PermissionDeniedError, "(HTTP 403): no: PERMISSION_DENIED ["))
        assert error.message == "no: PERMISSION_DENIED"


def test_a_crash_tells_no_more_than_the_server_does(driver: Driver) -> None:
    with serve() as stub:
        for mode, received in (("unary", 0), ("stream", 1)):
            outcome = driver.call(stub, "crash", 0, mode=mode)  # type: ignore[arg-type]
            error = check(outcome, Told(InternalError, "Internal Error", received=received))
            assert "secret" not in str(error)


def test_an_unknown_status_is_unknown(driver: Driver) -> None:
    frame = b'error: {"error":{"status":"TEAPOT","message":"short"}}\n\n'
    with serve() as stub:
        stub.script("count", f.insert(frame, 1))
        error = check(driver.call(stub, COUNT, 2), Told(UnknownError, "TEAPOT: short", received=1))
        assert isinstance(error, FlowStatusError)
        assert error.status == "TEAPOT"


@pytest.mark.parametrize("dialect", ["express", "go"])
@pytest.mark.parametrize("mode", MODES)
def test_a_flow_that_does_not_exist_cannot_have_run(driver: Driver, mode: Mode, dialect: str) -> None:
    with serve(dialect) as stub:
        told = Told(NotFoundError, "NOT_FOUND (HTTP 404): ", may_have_run=False, runs=0)
        error = check(driver.call(stub, "nowhere", 1, mode=mode), told)
        assert "<" not in error.message


@pytest.mark.parametrize("mode", MODES)
def test_a_missing_or_wrong_key_is_unauthenticated(driver: Driver, mode: Mode) -> None:
    with serve(api_key="right") as stub:
        for auth in (None, "wrong-key"):
            outcome = driver.call(stub, COUNT, 1, mode=mode, auth=auth)
            error = check(outcome, Told(UnauthenticatedError, "UNAUTHENTICATED (HTTP 401): Unauthenticated"))
            assert b"wrong-key" not in pickle.dumps(error)
            assert "wrong-key" not in repr(error) + str(error)
        assert stub.runs == []
        assert driver.call(stub, COUNT, 1, mode=mode, auth="right").output == 1


# --- the reflection protocol ------------------------------------------------------------------------


def test_reflection_tells_the_code_of_a_failure(driver: Driver) -> None:
    with serve() as stub, driver.client(stub, protocol="reflection") as client:
        for status, cls in STATUS_ERRORS.items():
            with pytest.raises(cls) as caught:
                client.flow("fail")(status)
            assert type(caught.value) is cls
            assert caught.value.message == f"no: {status}"
            assert caught.value.trace_id == stub.runs[-1].trace_id
            with client.flow("fail").stream(status) as stream:
                assert next(stream) == "so far"
                with pytest.raises(cls) as caught:
                    stream.result()
            assert caught.value.received == 1
            assert caught.value.trace_id == stub.runs[-1].trace_id


REFLECTION_FAULTS: dict[str, Row] = {
    "500": alike(f.status(500), refused(InternalError, "(HTTP 500)")),
    "HTML": alike(f.html_page(), refused(ProtocolError, "begins with '<!DOCTYPE html>")),
    "dropped": alike(f.drop(), LOST),
    "dropped after 1 chunk": (f.drop(after_chunks=1), WELL, replace(LOST, received=1)),
    "clean end": (f.clean_eof(2), WELL, replace(EARLY, received=2)),
    "broken JSON": (f.insert(b'{"broken":\n', 1), WELL, replace(NOT_JSON, received=1)),
}


@pytest.mark.parametrize("name", REFLECTION_FAULTS)
def test_faults_of_a_reflection_server_are_told(driver: Driver, name: str) -> None:
    fault, *tolds = REFLECTION_FAULTS[name]
    for mode, told in zip(MODES, tolds, strict=True):
        with serve() as stub:
            if told is not None:  # a plain call never comes to this fault
                stub.script("count", fault)
                check(driver.call(stub, COUNT, 3, mode=mode, protocol="reflection", retry=SOON), told)
                assert len(stub.requests) == 1
                gone(stub)


@pytest.mark.parametrize("mode", MODES)
def test_an_action_that_does_not_exist_cannot_have_run(driver: Driver, mode: Mode) -> None:
    with serve() as stub:
        outcome = driver.call(stub, "nowhere", 1, mode=mode, protocol="reflection")
        check(outcome, Told(NotFoundError, "action /flow/nowhere not found", may_have_run=False, runs=0))


# --- values that do not fit -------------------------------------------------------------------------


class Word(BaseModel):
    word: str


@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_input_is_told_before_anything_is_sent(driver: Driver, mode: Mode) -> None:
    with serve() as stub:
        outcome = driver.call(stub, FlowDef("count", input=Word), {"word": 5}, mode=mode)
        error = outcome.error
        assert isinstance(error, InputValidationError)
        assert isinstance(error, ValueError)
        assert "word: Input should be a valid string" in str(error)
        assert not error.work_may_have_run
        assert pickle.loads(pickle.dumps(error)).validation_error.errors()[0]["loc"] == ("word",)
        assert stub.requests == []
        assert stub.connections.accepted == 0


def test_a_wrong_output_is_told_with_what_came(driver: Driver) -> None:
    flow = FlowDef("count", input=int, chunk=int, output=list[int])
    with serve() as stub, driver.client(stub) as client:
        for stream in (False, True):
            with pytest.raises(OutputValidationError) as caught:
                client.flow(flow).stream(2).result() if stream else client.flow(flow)(2)
            error = caught.value
            assert error.raw == b"2"
            assert error.work_may_have_run
            assert pickle.loads(pickle.dumps(error)).raw == b"2"
        assert stub.connections.accepted == 1, "the response was read to its end"


def test_a_wrong_chunk_is_told_in_its_place(driver: Driver) -> None:
    with serve() as stub:
        stub.script("count", f.change_chunk(1, "one"))
        outcome = driver.call(stub, COUNT, 3)
        assert (outcome.chunks[0], outcome.chunks[2], outcome.output) == (0, 2, 3)
        error = outcome.chunks[1]
        assert isinstance(error, ChunkValidationError)
        assert (error.raw, error.received) == (b'"one"', 2)
        assert pickle.loads(pickle.dumps(error)).raw == b'"one"'


def test_an_error_counts_the_chunks_that_were_taken_not_those_that_came(driver: Driver) -> None:
    frames = b"".join(b'data: {"message":%b}\n\n' % value for value in (b"0", b'"one"', b"2", b"3"))
    with serve() as stub, driver.client(stub) as client:
        stub.script("count", f.raw(b"HTTP/1.1 200 OK\r\n\r\n" + frames))  # all in one read
        stream = client.flow(COUNT).stream(4)
        assert next(stream) == 0
        with pytest.raises(ChunkValidationError) as odd:
            next(stream)
        assert (odd.value.received, stream.received) == (2, 2)
        assert [next(stream), next(stream)] == [2, 3]
        with pytest.raises(StreamInterruptedError) as end:
            next(stream)
        assert end.value.received == 4


# --- tried again, where nothing can have run --------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_refused_connection_is_tried_again_then_told(driver: Driver, mode: Mode, tls: bool) -> None:
    with serve(tls=tls) as stub, stub.refusing():
        told = Told(FlowConnectionError, "could not reach ", "connecting", may_have_run=False, runs=0)
        error = check(driver.call(stub, COUNT, 1, mode=mode, retry=SOON), told)
        assert error.timeline is not None
        assert len(error.timeline.attempts) == 3
        error = check(driver.call(stub, COUNT, 1, mode=mode, retry=None), told)
        assert error.timeline is not None
        assert len(error.timeline.attempts) == 1
    assert stub.requests == []


@pytest.mark.parametrize("mode", MODES)
def test_a_server_that_comes_back_is_reached(driver: Driver, mode: Mode) -> None:
    with serve() as stub, ExitStack() as refusing:
        refusing.enter_context(stub.refusing())
        asked: list[int] = []

        def headers() -> dict[str, str]:  # asked anew for each attempt
            asked.append(1)
            if len(asked) == 2:
                refusing.close()
            return {"x-attempt": str(len(asked))}

        outcome = driver.call(stub, COUNT, 2, mode=mode, retry=SOON, headers=headers)
        assert outcome.output == 2, outcome
        assert [request.headers["x-attempt"] for request in stub.requests] == ["2"]


def test_a_name_that_does_not_resolve_was_never_reached(driver: Driver) -> None:
    with serve() as stub:
        outcome = driver.call(stub, COUNT, 1, url="http://no-such-host.invalid", retry=None)
        check(outcome, Told(FlowConnectionError, "no-such-host.invalid", "connecting", may_have_run=False))


def test_a_certificate_that_is_not_trusted_was_never_reached(driver: Driver) -> None:
    with serve(tls=True) as stub, driver.client(None, url=stub.url, retry=None) as client:
        with pytest.raises(FlowConnectionError, match="CERTIFICATE_VERIFY_FAILED") as caught:
            client.flow(COUNT)(1)
        assert not caught.value.work_may_have_run
        assert stub.requests == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("code", [429, 503])
def test_a_server_that_says_when_is_asked_again(
    driver: Driver, code: int, mode: Mode, caplog: pytest.LogCaptureFixture
) -> None:
    with serve() as stub:
        stub.script("count", f.status(code, retry_after=0))
        with caplog.at_level(logging.WARNING, "streamflow_client"):
            outcome = driver.call(stub, COUNT, 2, mode=mode)
        assert outcome.output == 2, outcome
        assert (len(stub.requests), stub.run_count("count")) == (2, 1)
        assert caplog.text.count("flow 'count': attempt 1 (") == 1
        assert f"HTTP {code}" in caplog.text


@pytest.mark.parametrize("mode", MODES)
def test_a_server_that_always_says_later_is_given_up(driver: Driver, mode: Mode) -> None:
    with serve() as stub:
        stub.always("count", f.status(503, retry_after=0))
        told = refused(UnavailableError, "3 attempts", may_have_run=False)
        error = check(driver.call(stub, COUNT, 2, mode=mode, retry=SOON), told)
        assert error.timeline is not None
        assert [attempt.http_status for attempt in error.timeline.attempts] == [503] * 3
        assert len(stub.requests) == 3
        driver.call(stub, COUNT, 2, mode=mode, retry=None)
        assert len(stub.requests) == 4


def test_a_wait_beyond_the_total_deadline_is_not_begun(driver: Driver) -> None:
    with serve() as stub:
        stub.script("count", f.status(503, retry_after=60))
        told = refused(UnavailableError, "1 attempt,", may_have_run=False)
        error = check(driver.call(stub, COUNT, 2, timeout=30.0), told)
        assert error.timeline is not None
        assert error.timeline.elapsed < 5


# --- tried again, where the caller allows it --------------------------------------------------------

REPLAY = Retry(attempts=3, wait_initial=0.001, replay=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fault", [f.status(500), f.close_before_response(), f.drop()], ids=str)
def test_an_idempotent_flow_is_called_again_with_one_key(driver: Driver, fault: Fault, mode: Mode) -> None:
    with serve() as stub:
        stub.script("count", fault, fault)
        outcome = driver.call(stub, COUNT, 2, mode=mode, retry=REPLAY)
        assert outcome.output == 2, outcome
        assert len(stub.requests) == 3
        assert len({request.headers["idempotency-key"] for request in stub.requests}) == 1


def test_an_idempotent_flow_is_not_called_again_once_a_chunk_came(driver: Driver) -> None:
    with serve() as stub:
        stub.script("count", f.drop(after_chunks=1))
        check(driver.call(stub, COUNT, 2, retry=REPLAY), replace(LOST, received=1))
        assert len(stub.requests) == 1


# --- connections that were kept ---------------------------------------------------------------------


def test_a_kept_connection_that_closes_before_a_byte_is_not_tried_again(driver: Driver) -> None:
    with serve() as stub, driver.client(stub) as client:
        assert client.flow(COUNT)(1) == 1
        stub.script("count", f.close_before_response())
        with pytest.raises(StreamInterruptedError, match="reused connection") as caught:
            client.flow(COUNT)(1)
        assert caught.value.work_may_have_run
        assert len(stub.requests) == 2
        assert client.flow(COUNT)(1) == 1


def test_a_connection_that_the_server_closed_is_not_used_again(driver: Driver) -> None:
    with serve() as stub, driver.client(stub, retry=None) as client:
        stub.always("count", f.close_idle_after(0))
        for number in range(3):
            assert client.flow(COUNT)(number) == number
            stub.wait_until(lambda: stub.connections.open == 0)
        assert stub.connections.accepted == 3


# --- durable streams --------------------------------------------------------------------------------

LASTING = FlowDef("lasting", input=int, chunk=int, output=int)


@pytest.mark.parametrize(
    "fault", [f.drop(after_chunks=2), f.reset(after_chunks=2), f.clean_eof(2), f.drop()], ids=str
)
@pytest.mark.parametrize("dialect", ["express", "go"])
def test_a_durable_stream_goes_on_where_it_was_cut(driver: Driver, dialect: str, fault: Fault) -> None:
    with serve(dialect) as stub:
        stub.script("lasting", fault, f.status(503), f.close_before_response(), fault)
        outcome = driver.call(stub, LASTING, 5, retry=replace(SOON, attempts=6))
        assert (outcome.chunks, outcome.output, outcome.error) == ([0, 1, 2, 3, 4], 5, None)
        assert stub.run_count("lasting") == 1
        first, *others = stub.requests
        assert "x-genkit-stream-id" not in first.headers
        assert len(others) == 4
        assert {(r.headers["x-genkit-stream-id"], r.body) for r in others} == {
            (stub.runs[0].stream_id, b"{}")
        }


def test_every_new_chunk_refills_the_attempts(driver: Driver) -> None:
    twice = replace(SOON, attempts=2)
    with serve() as stub:
        stub.script("lasting", *(f.drop(after_chunks=n) for n in (1, 2, 3, 4)))
        outcome = driver.call(stub, LASTING, 5, retry=twice)
        assert (outcome.chunks, outcome.output, outcome.error) == ([0, 1, 2, 3, 4], 5, None)
        stub.always("lasting", f.drop(after_chunks=2))
        error = check(driver.call(stub, LASTING, 5, retry=twice), replace(LOST, received=2))
        assert error.ticket is not None
        assert error.ticket.received == 2
        assert len(stub.requests) == 5 + 1 + 2, "with progress, then twice without"
        assert stub.run_count("lasting") == 2


def test_without_retries_a_cut_stream_gives_a_ticket(driver: Driver) -> None:
    with serve() as stub:
        stub.script("lasting", f.drop(after_chunks=2))
        error = check(driver.call(stub, LASTING, 5, retry=None), replace(LOST, received=2))
        assert error.ticket is not None
        assert (error.ticket.stream_id, error.ticket.received) == (stub.runs[0].stream_id, 2)
        assert str(stub.runs[0].stream_id) not in str(error) + repr(error)
        with driver.client(stub) as client:
            assert list(client.flow(LASTING).resume(error.ticket)) == [2, 3, 4]
        assert stub.run_count("lasting") == 1


DIVERGED = Told(ReplayDivergedError, "", received=2)
RESUMED: dict[str, tuple[Fault | None, Retry, Told | None]] = {
    "expired": (None, SOON, Told(StreamExpiredError, "no longer knows this stream", received=2)),
    "expired, ESM": (
        f.stream_not_found_html(),
        SOON,
        Told(StreamExpiredError, "no longer knows this stream", received=2),
    ),
    "another run": (f.other_stream_id(), SOON, replace(DIVERGED, words="another stream")),
    "an empty replay": (
        f.insert(b'data: {"result":9}\n\n'),
        SOON,
        replace(DIVERGED, words="ended 2 chunks before"),
    ),
    "a changed chunk": (
        f.change_chunk(0, 7),
        replace(SOON, verify_replay=True),
        replace(DIVERGED, words="differ"),
    ),
    "a changed chunk, not verified": (f.change_chunk(0, 7), SOON, WELL),
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_replay_that_is_not_the_stream_is_told(
    driver: Driver, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    fault, retry, told = RESUMED[name]
    with serve() as stub:
        stub.script("lasting", f.drop(after_chunks=2), fault)
        with driver.client(stub, retry=retry) as client, client.flow(LASTING).stream(5) as stream:
            chunks = [next(stream), next(stream)]
            if name == "expired":
                stub.expire_streams()
            if told is None:
                assert [*chunks, *stream] == [0, 1, 2, 3, 4]
                assert "replayed chunks differ" in caplog.text
            else:
                with pytest.raises(told.error) as caught:
                    next(stream)
                check(Outcome(chunks, error=caught.value), told)
        assert stub.run_count("lasting") == 1
