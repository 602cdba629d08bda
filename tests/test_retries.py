"""The connect phase is tried again with tenacity's jittered waits, or when the server says so, and never
beyond the total deadline. (The rules are in tests/test_session.py, each fault in tests/test_failures.py.)
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import DRIVERS, Driver
from streamflow_client import FlowTimeoutError, Retry, Timeout, UnavailableError, calls
from streamflow_client.testing import StubServer
from streamflow_client.testing import faults as f

every = pytest.mark.parametrize("driver", DRIVERS, ids=repr)


@pytest.fixture
def stub() -> Iterator[StubServer]:
    server = StubServer()

    @server.flow(durable=True)
    def count(n: int, send: Callable[[int], None]) -> int:
        for number in range(n):
            send(number)
        return n

    with server:
        yield server


@given(
    attempt=st.integers(1, 2000),
    initial=st.floats(0.001, 100),
    longest=st.floats(0.001, 100),
)
def test_a_wait_is_jittered_and_doubles_up_to_its_maximum(
    attempt: int, initial: float, longest: float
) -> None:
    delay = calls._delays(Retry(wait_initial=initial, wait_max=longest))
    assert 0 <= delay(attempt) <= min(initial * 2.0 ** min(attempt - 1, 64), longest) * 1.0001


def test_waits_differ() -> None:
    delay = calls._delays(Retry())
    assert len({delay(5) for _ in range(20)}) > 10


@every
def test_a_date_to_come_again_at_is_taken_relative_to_the_servers_own(
    driver: Driver, stub: StubServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The server's clock is years off, ours does not count."""
    servers = datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)
    answer = (
        "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n"
        f"Date: {_http(servers)}\r\nRetry-After: {_http(servers + timedelta(seconds=1))}\r\n\r\n"
    )
    stub.script("count", f.raw(answer.encode()))
    outcome = driver.call(stub, "count", 2)
    assert outcome.output == 2, outcome
    assert "next in 1.00 s" in caplog.text


def _http(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


@every
@pytest.mark.parametrize("seconds", [60, _http(datetime.now(UTC) + timedelta(days=1))], ids=["s", "date"])
def test_the_total_deadline_wins_over_what_the_server_says(
    driver: Driver, stub: StubServer, seconds: Any
) -> None:
    stub.always("count", f.status(503, retry_after=seconds))
    outcome = driver.call(stub, "count", 2, timeout=5)
    assert isinstance(outcome.error, UnavailableError), outcome
    assert len(stub.requests) == 1
    assert outcome.error.timeline is not None
    assert outcome.error.timeline.elapsed < 4


@every
def test_the_total_deadline_ends_resuming(driver: Driver, stub: StubServer) -> None:
    stub.script("count", f.drop(after_chunks=1), *[f.stall(after_chunks=1)] * 50)
    outcome = driver.call(
        stub, "count", 2, timeout=Timeout(idle=0.05, total=0.4), retry=Retry(50, wait_initial=0.001)
    )
    assert isinstance(outcome.error, FlowTimeoutError), outcome
    assert outcome.error.clock in ("total", "idle")
    assert outcome.error.ticket is not None
    assert outcome.error.timeline is not None
    assert len(outcome.error.timeline.attempts) > 2
    assert stub.run_count("count") == 1


@every
def test_headers_are_asked_for_anew_for_each_attempt_that_resumes_too(
    driver: Driver, stub: StubServer
) -> None:
    stub.script("count", f.status(503, retry_after=0), f.drop(after_chunks=1), f.status(500), None)
    asked: list[str] = []

    def headers() -> dict[str, str]:
        asked.append(f"token-{len(asked)}")
        return {"X-Token": asked[-1]}

    outcome = driver.call(stub, "count", 2, headers=headers, retry=Retry(wait_initial=0.001))
    assert outcome.output == 2, outcome
    assert [request.headers["x-token"] for request in stub.requests] == asked
    assert len(asked) == 4
