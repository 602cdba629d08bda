"""*Why did my stream die?* Each cause is told in one line: the phase, how long ago the last byte and chunk
came, the attempts, and what to do. And each attempt is one line in the log, without a secret.
"""

import logging
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest

from drivers import DRIVERS, Driver
from streamflow_client import FlowDef, FlowError, Retry, Ticket, Timeout
from streamflow_client.testing import StubServer
from streamflow_client.testing import faults as f

every = pytest.mark.parametrize("driver", DRIVERS, ids=repr)

COUNT = FlowDef("count", input=int, chunk=int, output=int)
LASTING = FlowDef("lasting", input=int, chunk=int, output=int)
TWICE = Retry(2, wait_initial=0.001, wait_max=0.001)
AGE = r"\d+\.\d\d s"


def count(n: int, send: Callable[[int], None]) -> int:
    for number in range(n):
        send(number)
    return n


@pytest.fixture
def stub() -> Iterator[StubServer]:
    with serve(StubServer()) as server:
        yield server


def serve(stub: StubServer) -> StubServer:
    stub.flow(count)
    stub.flow("lasting", durable=True)(count)
    return stub


@dataclass
class Cause:
    """What went wrong, and how its line must read: `line` is a pattern, AGE stands for seconds."""

    line: str
    fault: Any = None
    always: bool = False
    flow: FlowDef[Any, Any, Any] = COUNT
    around: Callable[[StubServer], AbstractContextManager[object]] = lambda _: nullcontext()
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    url: str | None = None
    tls: bool = False


def line(error: str, brackets: str, advice: str) -> str:
    """`{AGE}` in a text stands for seconds; the rest is meant to the letter."""
    whole = f"flow '@': {error} [{brackets}]; {advice}"
    return re.escape(whole).replace(re.escape("{AGE}"), AGE).replace("@", r"\w+").replace("¿", ".+?")


AGAIN = "the flow may have run: call again only if it may run twice, as Retry(replay=True) does"
RESUME = "go on with flow.resume(error.ticket)"
NO_ID = " (the server issued no stream id, so the stream cannot be resumed)"
TWO_CHUNKS = "42 bytes, 2 chunks, last byte {AGE} ago, last chunk {AGE} ago, new connection"

CAUSES = {
    "nobody listens": Cause(
        line(
            "could not reach http://127.0.0.1:¿: ¿refused",
            "connecting after {AGE}, 2 attempts, 0 bytes, 0 chunks",
            "check that the server runs, and that the base URL has its host and port",
        ),
        around=lambda stub: stub.refusing(),
    ),
    "no such host": Cause(
        line(
            "could not reach http://no-such-host.invalid:80: ¿",
            "connecting after {AGE}, 2 attempts, 0 bytes, 0 chunks",
            "check the name of the host in the base URL",
        ),
        url="http://no-such-host.invalid",
    ),
    "a certificate that is not trusted": Cause(
        line(
            "could not reach https://localhost:¿: ¿CERTIFICATE_VERIFY_FAILED¿",
            "connecting after {AGE}, 2 attempts, 0 bytes, 0 chunks",
            "trust the server's CA (http_client=default_http_client(verify=context), or SSL_CERT_FILE)",
        ),
        tls=True,
    ),
    "a handshake without an answer": Cause(
        line(
            "no connection within 0.1 s",
            "connecting after {AGE}, 2 attempts, 0 bytes, 0 chunks",
            "check the host, the port and what stands between; or raise Timeout(connect=…)",
        ),
        tls=True,
        around=lambda stub: stub.tls_stall(),
        options={"timeout": Timeout(connect=0.1)},
    ),
    "silence before the first byte": Cause(
        line(
            "not one byte came within 0.1 s",
            "waiting for headers after {AGE}, 1 attempt, 0 bytes, 0 chunks, new connection",
            f"raise Timeout(idle=…), or let the server send pings (comments) while it works; {AGAIN}",
        ),
        f.delay_headers(60),
        options={"timeout": Timeout(idle=0.1)},
    ),
    "silence after two chunks": Cause(
        line(
            "not one byte came within 0.1 s",
            "reading the body after {AGE}, 1 attempt, " + TWO_CHUNKS,
            f"raise Timeout(idle=…), or let the server send pings (comments) while it works; {AGAIN}",
        ),
        f.stall(after_chunks=2),
        options={"timeout": Timeout(idle=0.1)},
    ),
    "pings but no chunk": Cause(
        line(
            "no chunk came within 0.15 s",
            "reading the body after {AGE}, 1 attempt, ¿ bytes, 1 chunk, last byte {AGE} ago, "
            "last chunk {AGE} ago, new connection",
            f"the server is alive: raise Timeout(progress=…) if a chunk may take that long; {AGAIN}",
        ),
        f.pings(0.03, after_chunks=1),
        options={"timeout": Timeout(progress=0.15)},
    ),
    "no time left": Cause(
        line(
            "the call did not end within 0.15 s",
            "reading the body after {AGE}, 1 attempt, ¿ bytes, ¿ chunk¿, last byte {AGE} ago, "
            "last chunk {AGE} ago, new connection",
            f"raise Timeout(total=…) if the call may take that long; {AGAIN}",
        ),
        (f.pieces(5), f.stall(after_chunks=2)),
        options={"timeout": 0.15},
    ),
    "a clean end without a result": Cause(
        line(
            "the stream ended without a result" + NO_ID,
            "reading the body after {AGE}, 1 attempt, " + TWO_CHUNKS,
            f"the server, or a proxy in front of it, went away: look at their logs; {AGAIN}",
        ),
        f.clean_eof(after_chunks=2),
    ),
    "a reset": Cause(
        line(
            "the connection was lost: ¿" + NO_ID,
            "reading the body after {AGE}, 1 attempt, " + TWO_CHUNKS,
            f"the server, or a proxy in front of it, went away: look at their logs; {AGAIN}",
        ),
        f.reset(after_chunks=2),
    ),
    "a durable stream that is always cut": Cause(
        line(
            "the connection was lost: ¿",
            "reading the body after {AGE}, 3 attempts, 126 bytes, 2 chunks, last byte {AGE} ago, "
            "last chunk {AGE} ago, ¿ connection",
            f"the server, or a proxy in front of it, went away: look at their logs; {RESUME}",
        ),
        f.drop(after_chunks=2),
        always=True,
        flow=LASTING,
    ),
    "a stream that the server forgot": Cause(
        line(
            "the server no longer knows this stream; start the flow anew",
            "reading the body after {AGE}, 2 attempts, 42 bytes, 2 chunks, last byte {AGE} ago, "
            "last chunk {AGE} ago, ¿ connection",
            "",
        )
        .removesuffix("; ")
        .removesuffix(r";\ "),
        [f.drop(after_chunks=2), f.status(204)],
        flow=LASTING,
    ),
    "another stream instead of the rest": Cause(
        line(
            "the server began another stream instead of resuming this one",
            "reading the body after {AGE}, 2 attempts, 42 bytes, 2 chunks, last byte {AGE} ago, "
            "last chunk {AGE} ago, ¿ connection",
            "start the flow anew, and do not use the chunks of this stream: they may be of two runs",
        ),
        [f.drop(after_chunks=2), f.other_stream_id()],
        flow=LASTING,
    ),
    "a proxy's error page": Cause(
        line(
            "UNAVAILABLE (HTTP 502): ¿",
            "answered after {AGE}, 1 attempt, ¿ bytes, 0 chunks, last byte {AGE} ago, new connection",
            "the server, or what a proxy in front of it leads to, is down or overloaded: look at their logs",
        ),
        f.html_page(502),
    ),
    "a login page": Cause(
        line(
            "the server answered with an HTML page instead of a stream; it begins with ¿",
            "reading the body after {AGE}, 1 attempt, ¿ bytes, 0 chunks, last byte {AGE} ago, new connection",
            "check the base URL: a login page, a proxy or another site may have answered",
        ),
        f.html_page(200),
    ),
    "an event that is too large": Cause(
        line(
            "an event is larger than max_event_bytes=1000; it begins with ¿",
            "reading the body after {AGE}, 1 attempt, ¿ bytes, 1 chunk, last byte {AGE} ago, "
            "last chunk {AGE} ago, new connection",
            "raise max_event_bytes=… of the client if the flow may send that much at once",
        ),
        f.oversize(5000, after_chunks=1),
        options={"max_event_bytes": 1000},
    ),
}


@every
@pytest.mark.parametrize("name", CAUSES)
def test_a_stream_that_dies_says_why_in_one_line(driver: Driver, name: str) -> None:
    cause = CAUSES[name]
    with serve(StubServer(tls=cause.tls)) as stub:
        if cause.always:
            stub.always(cause.flow.name, cause.fault)
        elif cause.fault is not None:
            stub.script(cause.flow.name, *_listed(cause.fault))
        options: dict[str, Any] = {"retry": TWICE} | cause.options
        if cause.tls:
            context = stub.client_ssl_context() if cause.options else ssl.create_default_context()
            options["http_client"] = driver.http_client(context)
        with cause.around(stub):
            outcome = driver.call(stub, cause.flow, 3, url=cause.url, **options)
    assert isinstance(outcome.error, FlowError), outcome
    assert "\n" not in str(outcome.error)
    assert re.fullmatch(cause.line, str(outcome.error)), f"{outcome.error}\n{cause.line}"


def _listed(fault: Any) -> list[Any]:
    return fault if isinstance(fault, list) else [fault]


@every
def test_a_kept_connection_that_closed_in_that_moment_is_told(driver: Driver, stub: StubServer) -> None:
    stub.script("count", None, f.close_before_response())
    with driver.client(stub, retry=None) as client:
        client.flow(COUNT).stream(2).result()
        with pytest.raises(FlowError) as caught:
            client.flow(COUNT)(2)
    assert "reused connection]; the server closed a kept-alive connection in that very moment; " in str(
        caught.value
    )


def test_a_failure_of_the_flow_itself_needs_no_advice(stub: StubServer) -> None:
    @stub.flow
    def boom(_: Any) -> None:
        raise ValueError

    error = DRIVERS[0].call(stub, "boom", 1).error
    assert isinstance(error, FlowError)
    assert (error.advice, str(error)[-1]) == ("", "]")


# --- the log ------------------------------------------------------------------------------------------


@every
def test_each_attempt_is_one_line_in_the_log_and_one_in_the_timeline(
    driver: Driver, stub: StubServer, caplog: pytest.LogCaptureFixture
) -> None:
    stub.script(
        "lasting", f.drop(after_chunks=1), f.status(503, retry_after=0), f.reset(after_chunks=2), None
    )
    with caplog.at_level(logging.DEBUG, "streamflow_client"), driver.client(stub, retry=TWICE) as client:
        stream = client.flow(LASTING).stream(3)
        assert list(stream) == [0, 1, 2]
        stream.result()
        attempts = stream.inner._session.timeline(0.0).attempts
    lines = [record for record in caplog.records if record.name == "streamflow_client"]
    assert [line.levelname for line in lines] == ["WARNING", "WARNING", "WARNING", "DEBUG"]
    assert [line.getMessage().partition("; next in ")[0] for line in lines] == [
        f"flow 'lasting': {attempt}" for attempt in attempts
    ]
    assert lines[-1].getMessage().endswith("HTTP 200, 83 bytes): result")


SECRETS: dict[str, Any] = {"auth": "t0ken-secret", "headers": {"X-Key": "k3y-secret"}}


@every
@pytest.mark.parametrize(
    "fault",
    [
        f.drop(after_chunks=1),
        f.status(500, body=b'{"you sent":"t0ken-secret and k3y-secret"}', content_type="application/json"),
        f.insert(b'data: {"odd":1}\n\n'),
        f.status(307, headers=(("Location", "http://user:p4ss-secret@h/?key=k3y-secret"),)),
    ],
    ids=["drop", "error", "odd", "redirect"],
)
def test_no_secret_is_logged_by_us(
    driver: Driver, stub: StubServer, fault: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stub.script("lasting", fault)
    with caplog.at_level(logging.DEBUG, "streamflow_client"):
        outcome = driver.call(stub, LASTING, 3, retry=TWICE, **SECRETS)
    told = [record.getMessage() for record in caplog.records if record.name == "streamflow_client"]
    assert told
    text = "\n".join([*told, str(outcome.error), repr(outcome.error)])
    ids = (
        [Ticket.parse(str(outcome.stream.ticket())).stream_id]
        if outcome.stream and outcome.stream.ticket()
        else []
    )
    for secret in ("t0ken-secret", "k3y-secret", "p4ss-secret", *ids):
        assert secret not in text, text
