"""The whole library against every dialect of the stub: what a caller sees, whichever server is behind.

How each server words its failures stands in one table; everything else is the same for all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast, get_args

import pytest

from drivers import DRIVERS, Driver, Mode, Outcome
from streamflow_client import (
    FailedPreconditionError,
    FlowDef,
    FlowError,
    FlowStatusError,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    Retry,
    StreamExpiredError,
    StreamInterruptedError,
    UnauthenticatedError,
)
from streamflow_client.testing import UNDEFINED, FlowFailure, StubServer
from streamflow_client.testing import faults as f
from streamflow_client.testing.dialects import DialectName

NAMES: tuple[DialectName, ...] = get_args(DialectName)
RESUMING: list[DialectName] = ["express", "next", "go"]
FORGETFUL: list[DialectName] = [name for name in NAMES if name not in RESUMING]
BOTH: list[Mode] = ["unary", "stream"]

drivers = pytest.mark.parametrize("driver", DRIVERS[:2], ids=repr)
dialects = pytest.mark.parametrize("stub", NAMES, indirect=True)
protocols = pytest.mark.parametrize("protocol", ["callable", "reflection"])

SOON = Retry(wait_initial=0.001)
COUNT = FlowDef("count", input=int, chunk=int, output=str)


@dataclass(frozen=True)
class Told:
    """One failure: its class, words, details, and the HTTP status of a plain response."""

    cls: type[FlowStatusError]
    message: str
    details: Any
    http: int


@dataclass(frozen=True)
class Words:
    """How a server tells a flow's own failure, an exception, and input that its schema refuses."""

    failure: Told
    crash: Told
    refusal: Told


WHY = {"why": "test"}
FAILURE = Told(FailedPreconditionError, "kaboom", WHY, 400)
HIDDEN = Told(InternalError, "Internal Error", None, 500)
REFUSAL = Told(InvalidArgumentError, "Schema validation failed. Parse Errors:", ..., 400)
JAVASCRIPT = Words(FAILURE, HIDDEN, REFUSAL)
FIREBASE = Words(
    FAILURE, Told(InternalError, "INTERNAL", None, 500), Told(InternalError, "INTERNAL", None, 500)
)
GO = Words(
    Told(FailedPreconditionError, "kaboom", None, 400),
    Told(InternalError, "internal", None, 500),
    Told(InvalidArgumentError, "invalid argument", None, 400),
)
PYTHON = Words(
    # Genkit Python shows the cause of its own errors, and these have none.
    Told(InternalError, "None", {"stack": None}, 500),
    Told(InternalError, "a secret", {"stack": ""}, 500),
    Told(InternalError, "1 validation error for int", {"stack": ""}, 500),
)
WORDS: dict[DialectName, Words] = {
    "express": JAVASCRIPT,
    "next": JAVASCRIPT,
    "firebase": FIREBASE,
    "go": GO,
    "fastapi": PYTHON,
    "fastapi-old": PYTHON,
    "flask": PYTHON,
}


@pytest.fixture
def stub(request: pytest.FixtureRequest) -> Iterator[StubServer]:
    with serve(request.param) as stub:
        yield stub


def serve(dialect: DialectName, **options: Any) -> StubServer:
    stub = StubServer(dialect, **options)

    @stub.flow
    def count(n: int, send: Callable[[int], None]) -> str:
        for number in range(n):
            send(number)
        return "done"

    stub.flow("steady", durable=True)(count)

    @stub.flow
    def boom(n: int, send: Callable[[int], None]) -> str:
        count(n, send)
        raise FlowFailure("FAILED_PRECONDITION", "kaboom", WHY)

    @stub.flow
    def crash(n: int, send: Callable[[int], None]) -> str:
        count(n, send)
        raise RuntimeError("a secret")

    @stub.flow
    def void(chunks: list[Any], send: Callable[[Any], None]) -> Any:
        for chunk in chunks:
            send(UNDEFINED if chunk == "undefined" else chunk)
        return UNDEFINED

    @stub.flow
    def echo(value: Any, send: Callable[[Any], None]) -> Any:
        send(value)
        return value

    return stub


def name_of(stub: StubServer) -> DialectName:
    return cast("DialectName", stub._service.dialect.name)


def failed(outcome: Outcome, told: Told, http: int, chunks: list[Any]) -> None:
    error = outcome.error
    assert isinstance(error, FlowStatusError), outcome
    assert (type(error), error.http_status) == (told.cls, http)
    assert error.message.startswith(told.message)
    assert told.details is ... or error.details == told.details
    assert outcome.chunks == chunks
    assert error.received == len(chunks)
    assert error.work_may_have_run


def error_of(outcome: Outcome) -> FlowError:
    assert isinstance(outcome.error, FlowError), outcome
    return outcome.error


# --- success ----------------------------------------------------------------------------------------


@drivers
@dialects
@protocols
def test_every_mode_gives_the_output(driver: Driver, stub: StubServer, protocol: str) -> None:
    modes: list[tuple[Mode, list[int]]] = [("unary", []), ("stream", [0, 1, 2]), ("result", [])]
    for mode, chunks in modes:
        outcome = driver.call(stub, COUNT, 3, mode=mode, protocol=protocol)
        assert (outcome.chunks, outcome.output, outcome.error) == (chunks, "done", None)
    assert [request.streaming for request in stub.requests] == [False, True, True]
    assert stub.run_count("count") == 3


@drivers
@dialects
@protocols
def test_no_chunks_and_any_json(driver: Driver, stub: StubServer, protocol: str) -> None:
    outcome = driver.call(stub, COUNT, 0, protocol=protocol)
    assert (outcome.chunks, outcome.output) == ([], "done")
    value = {"b": [1.5, None, True], "a": "ünï \u2028 日本 \U0001f3f4 \x00", "": {"result": 1}}
    outcome = driver.call(stub, "echo", value, protocol=protocol)
    assert (outcome.chunks, outcome.output) == ([value], value)


@drivers
@dialects
@protocols
def test_an_output_of_none(driver: Driver, stub: StubServer, protocol: str) -> None:
    for chunks in ([], [1, None]):
        outcome = driver.call(stub, "void", chunks, protocol=protocol)
        assert (outcome.chunks, outcome.output, outcome.error) == (chunks, None, None)
        plain = driver.call(stub, "void", chunks, mode="unary", protocol=protocol)
        assert (plain.output, plain.error) == (None, None)


@drivers
@dialects
@protocols
def test_undefined_chunks_are_none(driver: Driver, stub: StubServer, protocol: str) -> None:
    outcome = driver.call(stub, "void", ["undefined", 1, "undefined"], protocol=protocol)
    assert (outcome.chunks, outcome.output, outcome.error) == ([None, 1, None], None, None)


# --- failures ---------------------------------------------------------------------------------------


@drivers
@dialects
@pytest.mark.parametrize("mode", ["unary", "stream"])
def test_failures_before_any_chunk(driver: Driver, stub: StubServer, mode: Mode) -> None:
    words = WORDS[name_of(stub)]
    plain_text = name_of(stub) == "go" and mode == "unary"
    for flow, value, words_of in (
        ("boom", 0, words.failure),
        ("crash", 0, words.crash),
        ("count", "three", words.refusal),
    ):
        told = as_plain_text(words_of) if plain_text else words_of
        failed(driver.call(stub, flow, value, mode=mode), told, told.http if mode == "unary" else 200, [])
    assert [run.flow for run in stub.runs] == ["boom", "crash"]


def as_plain_text(told: Told) -> Told:
    """Go sends only the message: the HTTP status must do for the rest."""
    cls = InvalidArgumentError if told.http == 400 else told.cls
    return Told(cls, told.message, None, told.http)


@drivers
@dialects
def test_failures_after_chunks(driver: Driver, stub: StubServer) -> None:
    words = WORDS[name_of(stub)]
    failed(driver.call(stub, "boom", 2), words.failure, 200, [0, 1])
    failed(driver.call(stub, "crash", 1), words.crash, 200, [0])
    assert error_of(driver.call(stub, "boom", 2, mode="result")).received == 2
    assert stub.run_count("boom") == 2


@drivers
@dialects
def test_reflection_tells_every_status(driver: Driver, stub: StubServer) -> None:
    rows: list[tuple[str, Any, type[FlowStatusError], str]] = [
        ("boom", 0, FailedPreconditionError, "kaboom"),
        ("crash", 0, InternalError, "a secret"),
        ("count", "three", InvalidArgumentError, "valid"),
    ]
    for mode in BOTH:
        for flow, value, cls, words in rows:
            error = error_of(driver.call(stub, flow, value, mode=mode, protocol="reflection"))
            assert isinstance(error, cls)
            assert words in error.message


@drivers
@dialects
def test_an_unknown_flow_never_ran(driver: Driver, stub: StubServer) -> None:
    for mode in BOTH:
        error = error_of(driver.call(stub, "nope", 1, mode=mode))
        assert isinstance(error, NotFoundError)
        assert (error.http_status, error.work_may_have_run, stub.runs) == (404, False, [])
        assert "<" not in str(error)
        error = error_of(driver.call(stub, "nope", 1, mode=mode, protocol="reflection"))
        assert isinstance(error, NotFoundError)
        # Go tells it with HTTP status 200, as it tells a flow's own NOT_FOUND.
        assert error.work_may_have_run == (name_of(stub) == "go")


@drivers
@pytest.mark.parametrize("dialect", NAMES)
def test_a_call_without_the_key_is_unauthenticated(driver: Driver, dialect: DialectName) -> None:
    with serve(dialect, api_key="secret") as stub:
        for mode in BOTH:
            assert isinstance(driver.call(stub, COUNT, 1, mode=mode).error, UnauthenticatedError)
        assert stub.runs == []
        assert driver.call(stub, COUNT, 1, auth="secret").output == "done"


NO_INPUT: dict[DialectName, str | None] = {
    **dict.fromkeys(NAMES),
    "firebase": "Bad Request",
    "flask": 'flow request must be wrapped in {"data": data} object',
}


@drivers
@pytest.mark.parametrize("dialect", NAMES)
def test_a_call_without_input(driver: Driver, dialect: DialectName) -> None:
    stub = serve(dialect)
    stub.flow("ready")(lambda: "yes")
    refusal = NO_INPUT[dialect]
    with stub:
        for mode in BOTH:
            outcome = driver.call(stub, "ready", mode=mode)
            if refusal is None:
                assert (outcome.output, outcome.error) == ("yes", None)
            else:
                error = error_of(outcome)
                assert isinstance(error, InvalidArgumentError)
                assert error.message == refusal
        assert driver.call(stub, "ready", None).output == "yes"


# --- cuts and resuming ------------------------------------------------------------------------------

CUTS: list[f.Fault] = [f.drop(after_chunks=2), f.reset(after_chunks=2), f.clean_eof(after_chunks=2)]


@drivers
@pytest.mark.parametrize("stub", FORGETFUL, indirect=True)
@pytest.mark.parametrize("cut", CUTS, ids=repr)
def test_a_cut_is_told_where_nothing_can_be_resumed(driver: Driver, stub: StubServer, cut: f.Fault) -> None:
    for flow in ("count", "steady"):
        stub.script(flow, cut)
        outcome = driver.call(stub, flow, 4)
        error = error_of(outcome)
        assert type(error) is StreamInterruptedError
        assert (error.received, error.ticket, error.work_may_have_run) == (2, None, True)
        assert outcome.chunks == [0, 1]
        assert stub.run_count(flow) == 1, "never a second run"


@drivers
@pytest.mark.parametrize("stub", RESUMING, indirect=True)
@pytest.mark.parametrize("cut", CUTS, ids=repr)
def test_a_cut_is_resumed_where_that_is_possible(driver: Driver, stub: StubServer, cut: f.Fault) -> None:
    stub.script("count", cut)
    error = error_of(driver.call(stub, "count", 4))
    assert type(error) is StreamInterruptedError
    stub.script("steady", cut)
    outcome = driver.call(stub, "steady", 4, retry=SOON)
    assert (outcome.chunks, outcome.output, outcome.error) == ([0, 1, 2, 3], "done", None)
    assert stub.run_count("steady") == 1
    assert stub.requests[-1].json == {}


@drivers
@pytest.mark.parametrize("stub", RESUMING, indirect=True)
def test_a_failure_is_told_alike_after_a_resume(driver: Driver, stub: StubServer) -> None:
    @stub.flow("boom again", durable=True, path="/again")
    def boom(n: int, send: Callable[[int], None]) -> str:
        send(n)
        raise FlowFailure("FAILED_PRECONDITION", "kaboom", WHY)

    stub.script("boom again", f.drop(after_chunks=1))
    outcome = driver.call(stub, FlowDef("again"), 7, retry=SOON)
    failed(outcome, WORDS[name_of(stub)].failure, 200, [7])
    assert [request.path for request in stub.requests] == ["/again"] * 2
    assert stub.run_count("boom again") == 1


@drivers
@pytest.mark.parametrize("stub", RESUMING, indirect=True)
def test_a_stream_that_the_server_forgot(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client:
        stub.script("steady", f.stall(after_chunks=1))
        stream = client.flow("steady").stream(2)
        assert next(stream) == 0
        ticket = stream.ticket()
        stream.close()
        assert list(client.flow("steady").resume(ticket)) == [1]
        stub.expire_streams()
        with pytest.raises(StreamExpiredError):
            client.flow("steady").resume(ticket).result()
    assert stub.run_count("steady") == 1


@drivers
def test_firebase_pings_are_life_but_no_chunks(driver: Driver) -> None:
    stub = serve("firebase", heartbeat=0.01)
    seen: list[Any] = []

    def pinged() -> bool:
        life = seen[0].liveness
        return life.chunk is not None and life.comment is not None and life.comment > life.chunk

    @stub.flow
    def patient(_: None, send: Callable[[int], None]) -> str:
        send(0)
        stub.wait_until(lambda: seen and pinged())
        send(1)
        return "done"

    with stub, driver.client(stub) as client, client.flow("patient").stream(None) as stream:
        seen.append(stream)
        assert list(stream) == [0, 1]
        assert stream.result() == "done"
