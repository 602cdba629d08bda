"""*Why did my stream die?* Each cause is told in one line: the phase, how long ago the last byte and chunk
came, the attempts, and what to do; the advice is about the cause, not about words that look like one. And
each attempt is one line in the log, without a secret.
"""

import logging
import re
import socket
import ssl
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest

from drivers import CALLERS_DRIVERS, DRIVERS, Driver
from streamflow_client import FlowConnectionError, FlowDef, FlowError, Retry, Ticket, Timeout
from streamflow_client.call import Break
from streamflow_client.testing import StubServer
from streamflow_client.testing import faults as f
from test_session import LOST, Event, after, broke, chunk, data, durable, head, reply, sent
from test_session import Driver as Script

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
            "the call did not end within 0.5 s",
            "reading the body after {AGE}, 1 attempt, ¿ bytes, ¿ chunk¿, last byte {AGE} ago, "
            "last chunk {AGE} ago, new connection",
            f"raise Timeout(total=…) if the call may take that long; {AGAIN}",
        ),
        (f.pieces(5), f.stall(after_chunks=2)),
        options={"timeout": 0.5},
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


# --- the cause, not words that look like one ----------------------------------------------------------


ROUTES = "compare the base URL and the flow's name or path with the routes of the server"
NAMED = "use a host that the certificate names, as the message tells"
OF_FLOWS = "check that the base URL and protocol=… are those of a server of flows"
LOGS = "look at the logs of the server"
DOWN = "the server, or what a proxy in front of it leads to, is down or overloaded: look at their logs"
LEFT = "the server, or a proxy in front of it, went away: look at their logs"
SILENT = "something on the way may end silent connections: let the server send pings (comments)"
KEPT = "the server closed a kept-alive connection in that very moment"
TLS = "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: "  # OpenSSL's words


def unreached(words: str) -> list[Event]:
    return [broke(Break.NOT_SENT, words)]


def refused(status: int, body: bytes = b"") -> list[Event]:
    return reply(body, status=status)


def lost(*before: Event, reused: bool = False) -> list[Event]:
    return [sent(reused=reused), *before, LOST]


ADVICE: dict[str, tuple[list[list[Event]], str]] = {
    "a certificate for another name": (
        [unreached(TLS + "Hostname mismatch, certificate is not valid for 'h'. (_ssl.c:1)")],
        NAMED,
    ),
    "a certificate for another address": (
        [unreached(TLS + "IP address mismatch, certificate is not valid for '1.2.3.4'. (_ssl.c:1)")],
        NAMED,
    ),
    "an old certificate": (
        [unreached(TLS + "certificate has expired (_ssl.c:1)")],
        "the server needs a new certificate, or this machine the right time",
    ),
    "a certificate of nobody": (
        [unreached(TLS + "self-signed certificate (_ssl.c:1)")],
        "trust the server's CA (http_client=default_http_client(verify=context), or SSL_CERT_FILE)",
    ),
    "a proxy that refuses": (
        [unreached("Proxy Server could not connect: 5")],
        "check the proxy and the variables HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY",
    ),
    "a broken first chunk": ([reply(b'data: {"message":"a\n\n')], OF_FLOWS),
    "a broken first chunk about HTML": ([reply(b'data: {"message":"HTML\n\n')], OF_FLOWS),
    "a broken first chunk that redirects": (
        [reply(b'data: {"message":"the server redirects\n\n')],
        OF_FLOWS,
    ),
    "a broken first chunk about a limit": ([reply(b'data: {"message":"max_event_bytes\n\n')], OF_FLOWS),
    "a broken later chunk": ([reply(chunk(0), b'data: {"message":"a\n\n')], ""),
    "a broken later chunk about HTML": ([reply(chunk(0), b'data: {"message":"HTML\n\n')], ""),
    "a broken answer about HTML": ([reply(b'{"result":"HTML', headers={"content-type": "a/json"})], OF_FLOWS),
    "a page": (
        [reply(b"<html>", headers={"content-type": "text/html"})],
        "check the base URL: a login page, a proxy or another site may have answered",
    ),
    "a redirect to a page of HTML": ([[sent(), head(302, {"location": "/HTML"})]], ""),
    "404 in plain text, as a flow for Go says": ([refused(404, b"no such customer 17")], ""),
    "404 of Go's router": ([refused(404, b"404 page not found\n")], ROUTES),
    "404 in JSON that is no flow's": ([refused(404, b'{"detail":"Not Found"}')], ROUTES),
    "404 as a page": ([refused(404, b"<html>")], ROUTES),
    "429": ([refused(429)], "call less often"),  # not "raise Retry": it would not be tried again
    "500": ([refused(500)], LOGS),
    "501": ([refused(501, b"<html>")], LOGS),
    "502": ([refused(502)], DOWN),
    "503": ([refused(503)], DOWN),
    "504": ([refused(504)], DOWN),
    "a new connection lost at once": ([lost()], f"{LEFT}; {AGAIN}"),
    "a kept one lost at once": ([lost(reused=True)], f"{KEPT}; {AGAIN}"),
    "a new one lost after silence": ([lost(after(5))], f"{SILENT}; {AGAIN}"),
    "a kept one lost after silence": ([lost(after(5), reused=True)], f"{SILENT}; {AGAIN}"),
    "lost within the body after silence": (
        [[sent(), head(), data(chunk(0)), after(5), LOST]],
        f"{SILENT}; {AGAIN}",
    ),
    "lost within the body soon after a byte": (
        [[sent(), after(5), head(), data(chunk(0)), LOST]],
        f"{LEFT}; {AGAIN}",
    ),
    "lost at once after a long wait to retry": ([durable(chunk(0), end=LOST), lost()], f"{LEFT}; {RESUME}"),
    "a kept one lost at once after a long wait to retry": (
        [durable(chunk(0), end=LOST), lost(reused=True)],
        f"{KEPT}; {RESUME}",
    ),
}


@pytest.mark.parametrize("name", ADVICE)
def test_advice_is_about_the_cause(name: str) -> None:
    attempts, advice = ADVICE[name]
    script = Script(*attempts, retry=Retry(1), delay=lambda _: 10.0)
    _, error = script.heard()
    assert isinstance(error, FlowError)
    assert error.advice == advice, error


@every
@pytest.mark.parametrize(
    ("name", "tls", "advice"),
    [
        pytest.param(
            "proxy.test",
            False,
            "check that the server runs, and that the base URL has its host and port",
            id="a host that is called proxy",
        ),
        pytest.param("other.test", True, NAMED, id="a certificate for another host"),
    ],
)
def test_advice_is_about_what_the_network_says_and_not_about_the_hosts_name(
    driver: Driver, name: str, tls: bool, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host in (name, name.encode()) else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with serve(StubServer(tls=tls)) as stub, nullcontext() if tls else stub.refusing():
        url = f"http{'s' * tls}://{name}:{stub.port}"
        error = driver.call(stub, COUNT, 1, url=url, retry=None).error
    assert isinstance(error, FlowConnectionError)
    assert name in str(error)
    assert error.advice == advice


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
        f.insert(b'data: {"odd":1}\n\n'),
        f.status(307, headers=(("Location", "http://user:p4ss-secret@h/?key=k3y-secret"),)),
    ],
    ids=["drop", "odd", "redirect"],
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


@pytest.mark.parametrize("driver", CALLERS_DRIVERS, ids=repr)
def test_a_header_that_its_library_refuses_is_told_to_nobody(
    driver: Driver, stub: StubServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The libraries quote it: a caller's own client takes whatever headers he gives it."""
    theirs = driver.http_client(headers={"Authorization": "Bearer t0ken-secret\n"})
    with caplog.at_level(logging.DEBUG, "streamflow_client"):
        outcome = driver.call(stub, LASTING, 3, retry=TWICE, http_client=theirs)
    assert isinstance(outcome.error, FlowConnectionError)
    told = [record.getMessage() for record in caplog.records if record.name == "streamflow_client"]
    assert len(told) == 2
    text = "\n".join([*told, repr(outcome.error), *traceback.format_exception(outcome.error)])
    assert "the HTTP library refuses the request" in text
    assert outcome.error.advice == "look at the headers that your http_client adds"
    assert "t0ken-secret" not in text, text
    assert not stub.requests
