"""Behind real proxies, nothing is lost, doubled or taken for whole: nginx and haproxy as they come, their
time-outs, reloads and deaths; TLS, HTTP/2 and Unix sockets; and a TCP proxy that cuts at every byte."""

import gc
import re
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from drivers import CALLERS_DRIVERS, DRIVERS, Driver, Mode, Outcome, spawn
from real_proxies import PATIENCE, Address, Certificates, Haproxy, Nginx
from small_proxy import WHOLE, Bend, Ending, SmallProxy
from streamflow_client import (
    DeadlineExceededError,
    FailedPreconditionError,
    FlowCancelledError,
    FlowConnectionError,
    FlowError,
    FlowStatusError,
    FlowTimeoutError,
    ProtocolError,
    Retry,
    StreamExpiredError,
    StreamInterruptedError,
    Timeout,
    UnavailableError,
    testing,
)
from streamflow_client.testing import Call, Faults, StubServer, faults
from stub_talk import STREAM, Caller

pytestmark = pytest.mark.faults
CERTS = Path(testing.__file__).parent / "certs"

every = pytest.mark.parametrize("driver", DRIVERS + CALLERS_DRIVERS, ids=repr)
each_of_ours = pytest.mark.parametrize("driver", DRIVERS, ids=repr)
each_of_callers = pytest.mark.parametrize("driver", CALLERS_DRIVERS, ids=repr)
MODES: tuple[Mode, ...] = ("unary", "stream")
SOON = Retry(attempts=300, wait_initial=0.005, wait_max=0.02)  # however long a proxy is away

NGINX_HTTP = "limit_conn_zone $server_port zone=whole:1m;"
NGINX_RULES = """
location /plain/ {{ proxy_pass http://127.0.0.1:{server}/; }}

proxy_set_header Connection "";
location /live/  {{ proxy_pass http://127.0.0.1:{server}/; proxy_http_version 1.1; proxy_buffering off; }}
location /hasty/ {{ proxy_pass http://127.0.0.1:{server}/; proxy_http_version 1.1; proxy_buffering off;
                    proxy_read_timeout 700ms; }}
location /small/ {{ proxy_pass http://127.0.0.1:{server}/; client_max_body_size 64; }}
location /busy/  {{ proxy_pass http://127.0.0.1:{server}/; proxy_buffering off;
                    limit_conn whole 1; add_header Retry-After 1 always; }}
"""
HAPROXIES = {
    "calm": "",
    "server": "timeout server 700ms",
    "client": "timeout client 700ms",
    "tcp": "mode tcp\n    timeout client 700ms\n    timeout server 700ms",
    "tunnel": "mode tcp\n    timeout client 700ms\n    timeout server 700ms\n    timeout tunnel 1m",
}


class Site:
    """The server behind the proxies, at the same port in every test.

    `echo`; `count`, and `lasting`, which is durable; `held` and `kept` (durable) send 0, wait for the gate,
    send 1, and end with "done".
    """

    def __init__(self, port: int, **options: Any) -> None:
        self.gate = Event()
        self.stub = stub = StubServer(port=port, **options)

        @stub.flow
        def echo(request: Any) -> Any:
            return request

        @stub.flow
        def count(request: int, send: Callable[[int], None]) -> str:
            for number in range(request):
                send(number)
            return "done"

        @stub.flow
        def held(send: Callable[[int], None], call: Call) -> str:
            send(0)
            while not (self.gate.wait(0.01) or call.client_gone.is_set()):
                pass
            send(1)
            return "done"

        stub.flow("lasting", durable=True)(count)
        stub.flow("kept", durable=True)(held)


@contextmanager
def serve(address: Address, **options: Any) -> Iterator[Site]:
    site = Site(address.port, **options)
    with site.stub:
        yield site


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    address = Address()
    yield address
    address.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def an_nginx(address: Address, certificates: Certificates) -> Nginx:
    return Nginx(NGINX_RULES.format(server=address.port), certificates, http_rules=NGINX_HTTP)


@pytest.fixture(scope="module")
def nginx(address: Address, certificates: Certificates) -> Iterator[Nginx]:
    with an_nginx(address, certificates) as nginx:
        yield nginx


@pytest.fixture
def mortal_nginx(address: Address, certificates: Certificates) -> Iterator[Nginx]:
    """One for this test alone."""
    with an_nginx(address, certificates) as nginx:
        yield nginx


@pytest.fixture(scope="module")
def haproxy(address: Address, certificates: Certificates) -> Iterator[Haproxy]:
    with Haproxy(address.port, HAPROXIES, certificates) as haproxy:
        yield haproxy


@pytest.fixture
def mortal_haproxy(address: Address, certificates: Certificates) -> Iterator[Haproxy]:
    with Haproxy(address.port, {"calm": ""}, certificates) as haproxy:
        yield haproxy


@pytest.fixture
def site(address: Address) -> Iterator[Site]:
    with serve(address) as site:
        yield site


def path_of(place: str, nginx: Nginx, haproxy: Haproxy) -> str:
    """The base URL of "nginx plain", "haproxy calm" and so on."""
    proxy, name = place.split()
    return f"{nginx.url}/{name}" if proxy == "nginx" else haproxy.url(name)


PLACES = ["nginx plain", "nginx live", "haproxy calm"]
through_each = pytest.mark.parametrize("place", PLACES)


def is_whole(outcome: Outcome, *chunks: int) -> None:
    assert (outcome.chunks, outcome.output, outcome.error) == (list(chunks), "done", None)


def is_told(outcome: Outcome, *chunks: int, kind: type[FlowError] = StreamInterruptedError) -> None:
    """Cut off: the chunks that came, an error, and no result."""
    assert (outcome.chunks, outcome.output) == (list(chunks), None)
    assert type(outcome.error) is kind
    assert isinstance(outcome.error, FlowError)
    assert outcome.error.work_may_have_run


# --- as they come ----------------------------------------------------------------------------------------


@every
@through_each
def test_calls_come_through(driver: Driver, place: str, site: Site, nginx: Nginx, haproxy: Haproxy) -> None:
    with driver.client(None, url=path_of(place, nginx, haproxy)) as client:
        assert client.flow("echo")({"a": [1, "é"]}) == {"a": [1, "é"]}
        for flow in ("count", "lasting"):
            with client.flow(flow).stream(300) as stream:
                assert list(stream) == [*range(300)]
                assert stream.result() == "done"
    assert [run.flow for run in site.stub.runs] == ["echo", "count", "lasting"]


ENDINGS: dict[str, Faults] = {
    "FIN": faults.drop(after_chunks=2),
    "RST": faults.reset(after_chunks=2),
    "FIN in a chunk": faults.drop(after_bytes=50),
    "RST in a chunk": faults.reset(after_bytes=50),
    "an end as HTTP wants it": faults.clean_eof(after_chunks=2),
}


@every
@through_each
def test_a_crash_of_the_server_is_told_or_mended(
    driver: Driver, place: str, site: Site, nginx: Nginx, haproxy: Haproxy
) -> None:
    with driver.client(None, url=path_of(place, nginx, haproxy), retry=SOON) as client:
        for count, (name, fault) in enumerate(ENDINGS.items(), start=1):
            site.stub.script("*", fault)
            outcome = read(client.flow("count").stream(4))
            # A reset may overtake what was sent before it.
            is_told(outcome, *[0, 1][: len(outcome.chunks) if name.startswith("RST") else 2])
            site.stub.script("*", fault)
            is_whole(read(client.flow("lasting").stream(4)), 0, 1, 2, 3)
            runs = [site.stub.run_count(flow) for flow in ("count", "lasting")]
            assert runs == [count, count], name


@each_of_ours
@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("nginx plain", "the stream ended without a result"),
        ("nginx live", "incomplete chunked read"),
        ("haproxy calm", "incomplete chunked read"),
    ],
)
def test_http_1_0_to_the_server_makes_a_crash_look_like_an_end(
    driver: Driver, place: str, words: str, site: Site, nginx: Nginx, haproxy: Haproxy
) -> None:
    """nginx asks the server by HTTP/1.0 unless it is told otherwise."""
    site.stub.script("count", faults.drop(after_chunks=2))
    outcome = driver.call(site.stub, "count", 4, url=path_of(place, nginx, haproxy))
    assert words in str(outcome.error)


@every
@through_each
@pytest.mark.parametrize(
    "fault", [faults.drop(after_bytes=5), faults.reset(after_bytes=5)], ids=["FIN", "RST"]
)
def test_half_an_answer_is_none(
    driver: Driver, place: str, fault: Faults, site: Site, nginx: Nginx, haproxy: Haproxy
) -> None:
    site.stub.script("echo", fault)
    outcome = driver.call(site.stub, "echo", 12345, url=path_of(place, nginx, haproxy), mode="unary")
    is_told(outcome)


@every
@pytest.mark.parametrize("place", ["nginx live", "haproxy calm"])
def test_a_server_that_was_restarted_no_longer_knows_the_stream(
    driver: Driver, place: str, address: Address, nginx: Nginx, haproxy: Haproxy
) -> None:
    with driver.client(None, url=path_of(place, nginx, haproxy), retry=SOON) as client:
        with serve(address):
            streams = [client.flow(flow).stream() for flow in ("held", "kept")]
            assert [next(stream) for stream in streams] == [0, 0]
        with serve(address) as restarted:
            is_told(read(streams[0]))
            is_told(read(streams[1]), kind=StreamExpiredError)
    assert restarted.stub.runs == []


# --- live ------------------------------------------------------------------------------------------------


@every
@pytest.mark.parametrize("place", ["nginx live", "haproxy calm"])
def test_chunks_arrive_when_they_are_sent(
    driver: Driver, place: str, site: Site, nginx: Nginx, haproxy: Haproxy
) -> None:
    with (
        driver.client(None, url=path_of(place, nginx, haproxy)) as client,
        client.flow("held").stream() as stream,
    ):
        assert next(stream) == 0
        site.gate.set()
        is_whole(read(stream), 1)


@each_of_ours
def test_nginx_collects_unless_told_otherwise(driver: Driver, site: Site, nginx: Nginx) -> None:
    options: dict[str, Any] = {"timeout": Timeout(idle=0.3), "retry": None}
    outcome = driver.call(site.stub, "held", url=f"{nginx.url}/plain", **options)
    assert site.stub.runs[0].chunks_sent >= 1
    is_told(outcome, kind=FlowTimeoutError)


@every
def test_nginx_reloaded_midstream(driver: Driver, site: Site, mortal_nginx: Nginx) -> None:
    url = f"{mortal_nginx.url}/live"
    with driver.client(None, url=url) as client, client.flow("held").stream() as stream:
        assert next(stream) == 0
        mortal_nginx.reload()
        site.gate.set()
        is_whole(read(stream), 1)
        worker = stream.response.headers["x-worker"]
    # Over a connection of its own: the old worker closes the one that it had, at about this time.
    with driver.client(None, url=url) as client, client.flow("held").stream() as stream:
        is_whole(read(stream), 0, 1)
        assert stream.response.headers["x-worker"] != worker
    assert site.stub.run_count("held") == 2


@every
def test_nginx_quit_midstream_ends_what_it_began(driver: Driver, site: Site, mortal_nginx: Nginx) -> None:
    with (
        driver.client(None, url=f"{mortal_nginx.url}/live", retry=None) as client,
        client.flow("held").stream() as stream,
    ):
        assert next(stream) == 0
        mortal_nginx.quit()
        with pytest.raises(FlowConnectionError):
            client.flow("echo")(1)
        site.gate.set()
        is_whole(read(stream), 1)


@every
def test_haproxy_replaced_midstream(driver: Driver, site: Site, mortal_haproxy: Haproxy) -> None:
    url = mortal_haproxy.url("calm")
    with driver.client(None, url=url) as client, client.flow("held").stream() as stream:
        assert next(stream) == 0
        mortal_haproxy.reload()
        assert mortal_haproxy.process.replaced.poll() is None
        site.gate.set()
        is_whole(read(stream), 1)
    assert driver.call(None, "echo", 1, url=url, mode="unary").output == 1
    # Only now: it also waits for connections that are kept alive.
    assert mortal_haproxy.process.replaced.wait(PATIENCE) == 0


@every
@pytest.mark.parametrize("end", ["kill", "terminate"])
@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
def test_a_proxy_that_dies_midstream(
    driver: Driver, kind: str, end: str, site: Site, request: pytest.FixtureRequest
) -> None:
    proxy: Nginx | Haproxy = request.getfixturevalue(f"mortal_{kind}")
    url = f"{proxy.url}/live" if isinstance(proxy, Nginx) else proxy.url("calm")
    with driver.client(None, url=url, retry=SOON) as client:
        streams = [client.flow(flow).stream() for flow in ("held", "kept")]
        assert [next(stream) for stream in streams] == [0, 0]
        readers = [reading(stream) for stream in streams]
        proxy.process.kill() if end == "kill" else proxy.terminate()
        is_told(readers[0].result(PATIENCE))
        proxy.start()
        site.gate.set()
        is_whole(readers[1].result(PATIENCE), 1)
    assert [site.stub.run_count(flow) for flow in ("held", "kept")] == [1, 1]


def read(stream: Any) -> Outcome:
    """All that is left of a stream."""
    outcome = Outcome()
    try:
        for chunk in stream:
            outcome.chunks.append(chunk)
        outcome.output = stream.result()
    except FlowError as error:
        outcome.error = error
    return outcome


def reading(stream: Any) -> Future[Any]:
    return spawn(lambda: read(stream))


# --- time-outs -------------------------------------------------------------------------------------------


@every
def test_time_outs_of_proxies_midstream(driver: Driver, site: Site, nginx: Nginx, haproxy: Haproxy) -> None:
    """A silent stream is cut by nginx's proxy_read_timeout and haproxy's `timeout server`; haproxy's `timeout
    client` cuts it only in mode tcp, and there `timeout tunnel` overrides both."""

    def call(place: str, flow: str) -> Any:
        url = path_of(place, nginx, haproxy)
        return spawn(lambda: driver.call(site.stub, flow, url=url, retry=SOON))

    cut = [call(place, "held") for place in ("nginx hasty", "haproxy server", "haproxy tcp")]
    spared = [call(place, "held") for place in ("haproxy client", "haproxy tunnel")]
    resumed = [call(place, "kept") for place in ("nginx hasty", "haproxy server", "haproxy tcp")]
    for caught in cut:
        outcome = caught.result(PATIENCE)
        is_told(outcome, 0)
        age = re.search(r"last byte (\d\.\d+) s ago", str(outcome.error))
        assert age is not None
        assert float(age[1]) > 0.35  # less than the time-out, if the client was slow to read
    site.stub.wait_until(lambda: resumes(site.stub) >= 2 * len(resumed), PATIENCE)  # all are overdue by now
    site.gate.set()
    for finished in spared + resumed:
        is_whole(finished.result(PATIENCE), 0, 1)
    assert site.stub.run_count("kept") == len(resumed)


def resumes(stub: StubServer) -> int:
    return sum("x-genkit-stream-id" in request.headers for request in stub.requests)


@every
def test_pings_keep_a_stream_alive(driver: Driver, address: Address, nginx: Nginx, haproxy: Haproxy) -> None:
    with serve(address, dialect="firebase", heartbeat=0.1) as site, ExitStack() as stack:
        streams: list[Any] = []
        for place in ("nginx hasty", "haproxy server"):
            url = path_of(place, nginx, haproxy)
            client = stack.enter_context(driver.client(None, url=url, retry=None))
            streams.append(client.flow("held").stream(None))
        assert [next(stream) for stream in streams] == [0, 0]
        readers = [reading(stream) for stream in streams]
        site.stub.wait_until(lambda: min(map(pinged_for, streams)) > 0.8, PATIENCE)
        site.gate.set()
        for reader in readers:
            is_whole(reader.result(PATIENCE), 1)


def pinged_for(stream: Any) -> float:
    """Seconds between the last chunk and the last ping."""
    _, comment, chunk = stream.liveness
    return 0.0 if comment is None else comment - chunk


@every
def test_time_outs_of_proxies_before_the_headers(
    driver: Driver, site: Site, nginx: Nginx, haproxy: Haproxy
) -> None:
    def call(place: str, mode: Mode) -> Any:
        url = path_of(place, nginx, haproxy)
        return spawn(lambda: driver.call(site.stub, "echo", 1, url=url, mode=mode))

    site.stub.always("echo", faults.delay_headers(PATIENCE))
    pages = [call(place, mode) for place in ("nginx hasty", "haproxy server") for mode in MODES]
    silent = [call("haproxy tcp", mode) for mode in MODES]
    for page in pages:
        is_page(page.result(PATIENCE), DeadlineExceededError, 504, "Gateway Time-out")
    for nothing in silent:
        is_told(nothing.result(PATIENCE))
    assert len(site.stub.requests) == len(pages + silent)


# --- pages of their own ----------------------------------------------------------------------------------


def is_page(
    outcome: Outcome, kind: type[FlowStatusError], status: int, message: str, *, may_have_run: bool = True
) -> None:
    error = outcome.error
    assert type(error) is kind
    assert isinstance(error, FlowStatusError)
    assert error.http_status == status
    assert message in error.message
    assert "<" not in str(error)
    assert error.work_may_have_run is may_have_run
    assert (outcome.chunks, outcome.output) == ([], None)


@every
@pytest.mark.parametrize("mode", MODES)
def test_a_server_that_is_down(
    driver: Driver, mode: Mode, site: Site, nginx: Nginx, haproxy: Haproxy
) -> None:
    """The flow may have run: a proxy may answer 502 or 503 for a server that died at work."""
    with site.stub.refusing():
        bad = driver.call(site.stub, "echo", 1, url=f"{nginx.url}/live", mode=mode)
        gone = driver.call(site.stub, "echo", 1, url=haproxy.url("calm"), mode=mode)
    is_page(bad, UnavailableError, 502, "502 Bad Gateway")
    is_page(gone, UnavailableError, 503, "Service Unavailable")
    assert [len(o.error.timeline.attempts) for o in (bad, gone)] == [1, 1]  # type: ignore[union-attr]


@every
@through_each
def test_a_server_that_dies_before_it_answers(
    driver: Driver, place: str, site: Site, nginx: Nginx, haproxy: Haproxy
) -> None:
    site.stub.script("echo", faults.close_before_response())
    outcome = driver.call(site.stub, "echo", 1, url=path_of(place, nginx, haproxy), mode="unary")
    is_page(outcome, UnavailableError, 502, "Bad Gateway")
    assert len(site.stub.requests) == 1  # the proxies do not repeat a POST either


@every
def test_a_server_that_is_down_while_a_stream_resumes(
    driver: Driver, site: Site, mortal_nginx: Nginx
) -> None:
    process = mortal_nginx.process
    with driver.client(None, url=f"{mortal_nginx.url}/live", retry=SOON) as client:
        site.stub.script("lasting", faults.drop(after_chunks=2))
        with client.flow("lasting").stream(4) as stream:
            assert next(stream) == 0
            with site.stub.refusing():
                reader = reading(stream)
                process.wait_until(lambda: "connect() failed" in process.log())
            is_whole(reader.result(PATIENCE), 1, 2, 3)
    assert site.stub.run_count("lasting") == 1


@every
@pytest.mark.parametrize("mode", MODES)
def test_an_input_that_is_too_large_for_nginx(driver: Driver, mode: Mode, site: Site, nginx: Nginx) -> None:
    outcome = driver.call(site.stub, "echo", "x" * 100, url=f"{nginx.url}/small", mode=mode)
    is_page(outcome, FailedPreconditionError, 413, "413 Request Entity Too Large", may_have_run=False)
    assert site.stub.requests == []


@each_of_ours
def test_nginx_that_is_busy_is_asked_again(driver: Driver, site: Site, mortal_nginx: Nginx) -> None:
    process = mortal_nginx.process
    with driver.client(None, url=f"{mortal_nginx.url}/busy") as client:
        with client.flow("held").stream() as stream:
            assert next(stream) == 0
            calling = spawn(lambda: client.flow("echo")(1))
            process.wait_until(lambda: "limiting connections" in process.log())
            site.gate.set()
            is_whole(read(stream), 1)
        assert calling.result(PATIENCE) == 1
    assert site.stub.run_count("echo") == 1


# --- TLS -------------------------------------------------------------------------------------------------


@pytest.fixture(params=["nginx", "haproxy"])
def tls_url(request: pytest.FixtureRequest) -> str:
    if request.param == "nginx":
        nginx: Nginx = request.getfixturevalue("nginx")
        return f"{nginx.tls_url}/live"
    haproxy: Haproxy = request.getfixturevalue("haproxy")
    return haproxy.tls_url("calm")


@every
def test_a_ca_of_ones_own(driver: Driver, site: Site, tls_url: str, certificates: Certificates) -> None:
    http = driver.http_client(certificates.trusting())
    with driver.client(None, url=tls_url, http_client=http) as client:
        assert client.flow("echo")(1) == 1
        is_whole(read(client.flow("count").stream(3)), 0, 1, 2)
        is_whole(read(client.flow("lasting").stream(3)), 0, 1, 2)
    assert len(site.stub.requests) == 3


@every
def test_a_ca_that_is_not_trusted(driver: Driver, site: Site, tls_url: str) -> None:
    with driver.client(None, url=tls_url, retry=None, auth="t0ken") as client:
        for mode in MODES:
            outcome = call(client, mode)
            is_unsent(outcome)
            assert re.search(r"(?i)certificate", str(outcome.error))
    assert site.stub.requests == []


@every
@pytest.mark.parametrize("ending", ["cut", "reset"])
def test_tls_that_ends_without_a_goodbye(
    driver: Driver, ending: Ending, site: Site, nginx: Nginx, certificates: Certificates
) -> None:
    with SmallProxy("tcp", server=nginx.tls_port) as between:
        url = f"https://localhost:{between.address.split(':')[1]}/live"
        http = driver.http_client(certificates.trusting())
        with driver.client(None, url=url, http_client=http, retry=SOON) as client:
            streams = [client.flow(flow).stream() for flow in ("held", "kept")]
            assert [next(stream) for stream in streams] == [0, 0]
            readers = [reading(stream) for stream in streams]
            between.end(ending)
            is_told(readers[0].result(PATIENCE))
            site.gate.set()
            is_whole(readers[1].result(PATIENCE), 1)
    assert [site.stub.run_count(flow) for flow in ("held", "kept")] == [1, 1]


@every
@pytest.mark.parametrize("ending", ["cut", "reset"])
def test_a_handshake_that_is_cut_short(driver: Driver, ending: Ending, site: Site, nginx: Nginx) -> None:
    with SmallProxy("tcp", server=nginx.tls_port) as between:
        url = f"https://localhost:{between.address.split(':')[1]}/live"
        for after in (0, 3, 5, 100, 500):
            between.bends.append((WHOLE, Bend(after, ending)))
            is_unsent(driver.call(site.stub, "echo", 1, url=url, mode="unary", retry=None))
    assert between.accepted == 5
    assert site.stub.requests == []


def is_unsent(outcome: Outcome) -> None:
    assert isinstance(outcome.error, FlowConnectionError)
    assert not outcome.error.work_may_have_run


# --- HTTP/2 ----------------------------------------------------------------------------------------------


@contextmanager
def http2_client(driver: Driver, url: str, certificates: Certificates, **options: Any) -> Iterator[Any]:
    http = driver.http_client(certificates.trusting(), http2=True)
    with driver.client(None, url=url, http_client=http, **options) as client:
        yield client


@each_of_callers
# httpx leaves a generator unclosed where a stream is left early; trio says so.
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
def test_streams_share_an_http_2_connection(
    driver: Driver, site: Site, nginx: Nginx, certificates: Certificates
) -> None:
    with http2_client(driver, f"{nginx.tls_url}/live", certificates) as client:
        streams = [client.flow("held").stream() for _ in range(5)]
        assert [next(stream) for stream in streams] == [0] * 5
        streams[2].cancel()
        with pytest.raises(FlowCancelledError):
            next(streams[2])
        streams.append(client.flow("count").stream(3))
        assert list(streams[5]) == [0, 1, 2]
        site.gate.set()
        for stream in (*streams[:2], *streams[3:5]):
            is_whole(read(stream), 1)
        connections = {stream.response.headers["x-connection"] for stream in streams}
        assert len(connections) == 1, "all share one"


def each_ending_is_told_or_mended(site: Site, client: Any) -> None:
    for count, (name, fault) in enumerate(ENDINGS.items(), start=1):
        site.stub.script("*", fault)
        outcome = read(client.flow("count").stream(4))
        is_told(outcome, *[0, 1][: len(outcome.chunks)])
        site.stub.script("*", fault)
        is_whole(read(client.flow("lasting").stream(4)), 0, 1, 2, 3)
        assert site.stub.run_count("lasting") == count, name


@each_of_callers
def test_http_2_through_haproxy(
    driver: Driver, site: Site, haproxy: Haproxy, certificates: Certificates
) -> None:
    with http2_client(driver, haproxy.tls_url("calm"), certificates, retry=SOON) as client:
        assert client.flow("echo")(1) == 1
        each_ending_is_told_or_mended(site, client)


@each_of_callers
def test_a_crash_behind_http_2_is_told_or_mended(
    driver: Driver, site: Site, nginx: Nginx, certificates: Certificates
) -> None:
    with http2_client(driver, f"{nginx.tls_url}/live", certificates, retry=SOON) as client:
        each_ending_is_told_or_mended(site, client)


@each_of_callers
def test_http_2_reloaded_midstream(
    driver: Driver, site: Site, mortal_nginx: Nginx, certificates: Certificates
) -> None:
    """GOAWAY: what was begun could end, but httpx and httpx2 give it up. What is new gets a new
    connection."""
    with http2_client(driver, f"{mortal_nginx.tls_url}/live", certificates, retry=SOON) as client:
        streams = [client.flow(flow).stream() for flow in ("held", "kept")]
        assert [next(stream) for stream in streams] == [0, 0]
        mortal_nginx.reload()
        site.gate.set()
        outcome = read(streams[0])
        if outcome.error is None:
            is_whole(outcome, 1)
        else:
            is_told(outcome)
        is_whole(read(streams[1]), 1)
        is_whole(read(client.flow("count").stream(2)), 0, 1)
    assert [run.flow for run in site.stub.runs] == ["held", "kept", "count"]


@each_of_callers
@pytest.mark.parametrize("end", ["kill", "terminate"])
# One request fails to connect, another then connects in its place: httpx's pool forgets that connection.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_http_2_that_dies_midstream(
    driver: Driver, end: str, site: Site, mortal_nginx: Nginx, certificates: Certificates
) -> None:
    with http2_client(driver, f"{mortal_nginx.tls_url}/live", certificates, retry=SOON) as client:
        streams = [client.flow(flow).stream() for flow in ("held", "kept", "kept")]
        assert [next(stream) for stream in streams] == [0, 0, 0]
        readers = [reading(stream) for stream in streams]
        mortal_nginx.process.kill() if end == "kill" else mortal_nginx.terminate()
        is_told(readers[0].result(PATIENCE))
        mortal_nginx.start()
        site.gate.set()
        for reader in readers[1:]:
            is_whole(reader.result(PATIENCE), 1)
    assert [site.stub.run_count(flow) for flow in ("held", "kept")] == [1, 2]
    del client, streams, readers
    gc.collect()  # what was forgotten, while its warning is ignored


# --- a Unix socket ---------------------------------------------------------------------------------------


@each_of_callers
def test_a_unix_socket(driver: Driver, site: Site, nginx: Nginx) -> None:
    library: Any = driver.library
    kind = library.HTTPTransport if driver.name == "sync" else library.AsyncHTTPTransport
    http = driver.http_client(transport=kind(uds=str(nginx.socket), verify=False))
    with driver.client(None, url="http://flows/live", http_client=http, retry=SOON) as client:
        assert client.flow("echo")(1) == 1
        site.stub.script("*", faults.drop(after_chunks=2))
        is_told(read(client.flow("count").stream(4)), 0, 1)
        site.stub.script("*", faults.drop(after_chunks=2))
        is_whole(read(client.flow("lasting").stream(4)), 0, 1, 2, 3)
    assert [site.stub.run_count(flow) for flow in ("count", "lasting")] == [1, 1]


# --- cut at every byte -----------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
FRAMES = [b'data: {"message": "a }"}\n\n', b'data: {"message": 12}\n\n', b'data: {"result": "x\\n y"}\n\n']
ANSWER = b'{"result": "x\\n y"}'


@dataclass(frozen=True)
class Case:
    """A response, and how many of its bytes a client needs for its result."""

    mode: Mode
    data: bytes
    needed: int


def chunked(frames: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(frame), frame) for frame in frames)


def measured(body: bytes) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


IN_CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(FRAMES)
UNTIL_CLOSE = HEAD + b"Connection: close\r\n\r\n"
CASES = {
    "stream in chunks": Case("stream", IN_CHUNKS + b"0\r\n\r\n", len(IN_CHUNKS) - len(b"\r\n")),
    # Without the blank line, the envelope itself says that it is whole.
    "stream until close": Case(
        "stream", UNTIL_CLOSE + b"".join(FRAMES), len(UNTIL_CLOSE + b"".join(FRAMES)) - len(b"\n\n")
    ),
    "unary with a length": Case("unary", measured(ANSWER), len(measured(ANSWER))),
    "unary until close": Case("unary", UNTIL_CLOSE + ANSWER, len(UNTIL_CLOSE + ANSWER)),
}


@contextmanager
def between(site: Site, *, tls: bool) -> Iterator[tuple[SmallProxy, str]]:
    """A TCP proxy before the server; with TLS, it is the one that speaks it, and cuts what it carries."""
    proxy = SmallProxy("tcp", server=site.stub.port, tls=server_side() if tls else None)
    with proxy:
        port = proxy.address.split(":")[1]
        yield proxy, f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"


def server_side() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTS / "server.pem", CERTS / "server.key")
    return context


plain_and_tls = pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
cut_and_reset = pytest.mark.parametrize("ending", ["cut", "reset"])


def offsets(size: int, head: int, *, tls: bool) -> list[int]:
    """Every byte of the body, some of the head; a handshake each makes TLS dear."""
    return [*range(1, head, 25), *range(head, size, 4 if tls else 1), *range(size - 8, size)]


@each_of_ours
@plain_and_tls
@cut_and_reset
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_response_cut_anywhere_has_no_result(
    driver: Driver, tls: bool, ending: Ending, case: Case, site: Site
) -> None:
    site.stub.always("*", faults.raw(case.data))
    head = case.data.index(b"\r\n\r\n") + 4
    with between(site, tls=tls) as (proxy, url), trusting_client(driver, url, retry=None) as client:
        for after in offsets(len(case.data), head, tls=tls):
            proxy.bends.append((WHOLE, Bend(after, ending)))
            outcome = call(client, case.mode)
            if outcome.error is None:
                assert after >= case.needed, after
                assert outcome.output == "x\n y"
                assert outcome.chunks == (["a }", 12] if case.mode == "stream" else [])
            else:
                assert after < case.needed or ending == "reset", after
                assert isinstance(outcome.error, StreamInterruptedError | ProtocolError)
                assert outcome.error.work_may_have_run
                assert outcome.chunks == ["a }", 12][: len(outcome.chunks)]


def call(client: Any, mode: Mode) -> Outcome:
    """Of `count`, or `echo` where there are no chunks."""
    if mode == "stream":
        return read(client.flow("count").stream(2))
    outcome = Outcome()
    try:
        outcome.output = client.flow("echo")(1)
    except FlowError as error:
        outcome.error = error
    return outcome


@contextmanager
def trusting_client(driver: Driver, url: str, **options: Any) -> Iterator[Any]:
    """It trusts the CA of the stub."""
    http = driver.http_client(ssl.create_default_context(cafile=CERTS / "ca.pem"))
    with driver.client(None, url=url, http_client=http, **options) as client:
        yield client


@each_of_ours
@plain_and_tls
@cut_and_reset
def test_a_durable_stream_cut_anywhere_is_resumed(
    driver: Driver, tls: bool, ending: Ending, site: Site
) -> None:
    with Caller(site.stub) as caller:
        caller.post("/lasting", 3, accept=STREAM)
        head = len(caller.head())
        size = head + len(caller.until(b"0\r\n\r\n"))
    calls = 0
    with between(site, tls=tls) as (proxy, url), trusting_client(driver, url, retry=SOON) as client:
        for after in offsets(size, head, tls=tls):
            proxy.bends.append((WHOLE, Bend(after, ending)))
            outcome = read(client.flow("lasting").stream(3))
            calls += 1
            if after >= head:
                is_whole(outcome, 0, 1, 2)
            else:  # its id is not known yet
                is_told(outcome)
    assert site.stub.run_count("lasting") == calls + 1


@each_of_ours
@plain_and_tls
@cut_and_reset
def test_a_request_cut_anywhere_runs_nothing_and_is_told(
    driver: Driver, tls: bool, ending: Ending, site: Site
) -> None:
    with between(site, tls=tls) as (proxy, url):
        with trusting_client(driver, url) as client:
            client.flow("count").stream(3).result()
        proxy.wait_until_left()
        (size,) = proxy.carried
        runs = len(site.stub.runs)
        with trusting_client(driver, url, retry=None) as client:
            for after in [*range(1, size, 9), size - 1]:
                proxy.bends.append((Bend(after, ending), WHOLE))
                is_told(read(client.flow("count").stream(3)))
    assert len(site.stub.runs) == runs


@every
@plain_and_tls
def test_bytes_that_come_in_small_late_pieces(driver: Driver, tls: bool, site: Site) -> None:
    slow = Bend(piece=7, delay=0.001)
    with between(site, tls=tls) as (proxy, url), trusting_client(driver, url) as client:
        proxy.bends.append((slow, slow))
        assert client.flow("echo")({"text": "é" * 20}) == {"text": "é" * 20}
        for flow in ("count", "lasting"):
            is_whole(read(client.flow(flow).stream(3)), 0, 1, 2)
    assert len(site.stub.runs) == 3
