"""A caller's own HTTP client, of httpx or httpx2: its settings hold, its exceptions do not come through, the
clocks and `cancel()` reach as far as its public interfaces do."""

import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import httpx
import httpx2
import pytest

from drivers import DRIVERS, Driver, spawn
from small_http2 import SmallHttp2
from streamflow_client import (
    FlowCancelledError,
    FlowConnectionError,
    FlowError,
    FlowStatusError,
    FlowTimeoutError,
    ProtocolError,
    Retry,
    StreamInterruptedError,
    Timeout,
)
from streamflow_client.testing import Faults, StubServer, faults
from streamflow_client.transport.foreign import Watch, attach, response_socket

SOON = 0.3
LIBRARIES = [httpx, httpx2]
ROWS = [(driver, library) for driver in DRIVERS for library in LIBRARIES]
each_client = pytest.mark.parametrize(
    ("driver", "library"), ROWS, ids=[f"{driver}-{library.__name__}" for driver, library in ROWS]
)
TRUSTING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # building the default one takes a while, for each client


def echo(request: Any) -> Any:
    return request


def count(request: int, send: Callable[[int], None]) -> int:
    for number in range(request):
        send(number)
    return request


def declare(stub: StubServer) -> StubServer:
    stub.flow(echo)
    stub.flow(count)
    return stub


@pytest.fixture
def stub() -> Iterator[StubServer]:
    with declare(StubServer(keep_alive=60)) as stub:  # what is closed was closed by the client
        yield stub


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    watching = [thread for thread in threading.enumerate() if thread.name == "streamflow-watch"]
    for thread in watching:
        thread.join(1)
        assert not thread.is_alive()


def make(driver: Driver, library: Any, **options: Any) -> Any:
    """Their client for this driver."""
    kind = library.Client if driver.name == "sync" else library.AsyncClient
    return kind(**({"verify": TRUSTING} | options))


@contextmanager
def within(seconds: float, at_least: float = 0.0) -> Iterator[None]:
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert at_least - 0.01 <= took <= seconds, f"took {took:.2f} s"


# --- it works, and stays the caller's ------------------------------------------------------------------


@each_client
def test_calls_run_on_it_and_it_is_not_closed(driver: Driver, library: Any, stub: StubServer) -> None:
    theirs = make(driver, library)
    with driver.client(stub, http_client=theirs) as client:
        assert client.flow("echo")({"a": 1}) == {"a": 1}
        with client.flow("count").stream(3) as stream:
            assert list(stream) == [0, 1, 2]
            assert stream.result() == 3
        stream = client.flow("count").stream(3)
        assert next(stream) == 0
        assert stream.result() == 3
        with pytest.raises(FlowStatusError):
            client.flow("no-such-flow")(1)
        assert client.flow("echo")(1) == 1
        client.close()
        assert not theirs.is_closed
    assert theirs.is_closed  # by the test
    assert [request.nth for request in stub.requests] == [1, 2, 3, 4, 5]


@each_client
def test_its_headers_auth_and_cookies_go_along(driver: Driver, library: Any, stub: StubServer) -> None:
    own = {"headers": {"X-Mine": "1"}, "auth": ("user", "pass"), "cookies": {"c": "1"}}
    with driver.client(stub, http_client=make(driver, library, **own)) as client:
        client.flow("echo")(1)
    with driver.client(stub, http_client=make(driver, library, **own), auth="t0ken") as client:
        client.flow("echo")(1)
    first, second = (request.headers for request in stub.requests)
    assert (first["x-mine"], first["cookie"], first["authorization"]) == ("1", "c=1", "Basic dXNlcjpwYXNz")
    assert second["x-mine"] == "1"


@each_client
def test_our_clocks_win_over_its_time_outs(driver: Driver, library: Any, stub: StubServer) -> None:
    stub.script("echo", faults.delay_headers(0.2))
    theirs = make(driver, library, timeout=0.05, follow_redirects=True)
    with driver.client(stub, http_client=theirs) as client:
        assert client.flow("echo")(1) == 1


@each_client
def test_redirects_are_not_followed_even_if_it_would(driver: Driver, library: Any, stub: StubServer) -> None:
    stub.script("echo", faults.status(307, headers=(("Location", f"{stub.url}/count"),)))
    theirs = make(driver, library, follow_redirects=True)
    with driver.client(stub, http_client=theirs) as client, pytest.raises(ProtocolError, match="redirect"):
        client.flow("echo")(1)
    assert len(stub.requests) == 1


@each_client
def test_what_follows_the_result_is_not_waited_for(driver: Driver, library: Any, stub: StubServer) -> None:
    stub.script("count", faults.no_body_end())
    with driver.client(stub, http_client=make(driver, library)) as client:
        with within(0.1 + SOON):
            assert client.flow("count").stream(2).result() == 2
        stub.wait_until(lambda: stub.connections.open == 0)
        assert client.flow("echo")(1) == 1


# --- its exceptions -------------------------------------------------------------------------------------

FAULTS: list[tuple[str, Faults, type[FlowError], bool]] = [
    ("drop", faults.drop(after_chunks=1), StreamInterruptedError, True),
    ("reset", faults.reset(after_chunks=1), StreamInterruptedError, True),
    ("no answer", faults.close_before_response(), StreamInterruptedError, True),
    ("not HTTP", faults.raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), ProtocolError, True),
    ("silence", faults.stall(after_chunks=1), FlowTimeoutError, True),
]


@each_client
@pytest.mark.parametrize(
    ("fault", "kind", "may_have_run"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS]
)
def test_failures_of_the_network_are_ours(
    driver: Driver, library: Any, stub: StubServer, fault: Faults, kind: type[FlowError], may_have_run: bool
) -> None:
    stub.script("count", fault)
    options: dict[str, Any] = {"timeout": Timeout(idle=0.2), "retry": None}
    with driver.client(stub, http_client=make(driver, library), **options) as client:
        with pytest.raises(kind) as caught, client.flow("count").stream(2) as stream:
            list(stream)
        assert caught.value.work_may_have_run is may_have_run
        stub.wait_until(lambda: stub.connections.open == 0)
        assert client.flow("echo")(1) == 1


@each_client
def test_a_refused_connection_is_ours_and_tried_again(driver: Driver, library: Any, stub: StubServer) -> None:
    options: dict[str, Any] = {"http_client": make(driver, library), "retry": Retry(2, wait_initial=0.001)}
    with (
        driver.client(stub, **options) as client,
        stub.refusing(),
        pytest.raises(FlowConnectionError) as caught,
    ):
        client.flow("echo")(1)
    assert "2 attempts" in str(caught.value)


@each_client
@pytest.mark.parametrize(
    ("timeout", "clock"),
    [(Timeout(connect=0.15), "connect"), (Timeout(None, None, total=0.15), "total")],
    ids=str,
)
def test_a_handshake_without_an_answer_ends_by_a_clock(
    driver: Driver, library: Any, timeout: Timeout, clock: str
) -> None:
    with declare(StubServer(tls=True)) as stub, stub.tls_stall():
        theirs = make(driver, library, verify=stub.client_ssl_context())
        with (
            driver.client(stub, http_client=theirs, timeout=timeout, retry=None) as client,
            within(0.15 + SOON, at_least=0.15),
            pytest.raises(FlowTimeoutError) as caught,
        ):
            client.flow("echo")(1)
        assert caught.value.clock == clock


@each_client
def test_a_wait_for_a_free_connection_has_its_own_clock(
    driver: Driver, library: Any, stub: StubServer
) -> None:
    theirs = make(driver, library, limits=library.Limits(max_connections=1))
    stub.script("count", faults.stall(after_chunks=1))
    options: dict[str, Any] = {"http_client": theirs, "timeout": Timeout(idle=0.2), "retry": None}
    with (
        driver.client(stub, **options) as client,
        client.flow("count").stream(2),
        within(0.2 + SOON, at_least=0.2),
        pytest.raises(FlowTimeoutError) as caught,
    ):
        client.flow("echo")(1)
    assert caught.value.clock == "pool"


# --- clocks ---------------------------------------------------------------------------------------------

CLOCKS: list[tuple[str, Faults, Timeout]] = [
    ("idle", faults.delay_headers(5), Timeout(idle=0.3)),
    ("total", faults.delay_headers(5), Timeout(total=0.3)),
    ("idle", faults.stall(after_chunks=1), Timeout(idle=0.3)),
    ("progress", faults.pings(0.05, after_chunks=1), Timeout(progress=0.3)),
    ("total", faults.pings(0.05, after_chunks=1), Timeout(total=0.3)),
    ("total", faults.pings(0.2, after_chunks=1), Timeout(total=0.3)),
    ("total", faults.slow_chunks(0.05), Timeout(total=0.3)),
    ("idle", (faults.insert(b": ping\n\n", 1), faults.stall(after_chunks=1)), Timeout(idle=0.3, progress=5)),
]


@each_client
def test_each_clock_ends_the_call_in_time(driver: Driver, library: Any, stub: StubServer) -> None:
    rows = list(CLOCKS)
    if driver.name != "sync":  # whose wait for headers cannot be ended from outside
        rows.append(("total", faults.trickle_headers(0.05), Timeout(total=0.3)))
    for number, (_, fault, _) in enumerate(rows):
        stub.script(f"/{number}", fault)

    def call(number: int, timeout: Timeout) -> FlowTimeoutError:
        flow = client.flow("count", path=f"/{number}").with_options(timeout=timeout)
        with within(0.3 + SOON, at_least=0.3), pytest.raises(FlowTimeoutError) as caught:
            flow.stream(50).result()
        return caught.value

    for number in range(len(rows)):
        stub.flow(f"count{number}", path=f"/{number}")(count)
    with driver.client(stub, http_client=make(driver, library), retry=None) as client:
        calls = [spawn(partial(call, number, row[2])) for number, row in enumerate(rows)]
        assert [call.result(5).clock for call in calls] == [row[0] for row in rows]
        stub.wait_until(lambda: stub.connections.open == 0)


@pytest.mark.parametrize("library", [httpx])
@pytest.mark.parametrize("driver", DRIVERS, ids=repr)
def test_the_time_that_the_caller_takes_does_not_count(
    driver: Driver, library: Any, stub: StubServer
) -> None:
    go_on = threading.Event()

    @stub.flow
    def patient(request: int, send: Callable[[int], None]) -> int:
        send(0)
        assert go_on.wait(5)
        send(1)
        return request

    stub.script("patient", faults.stall(after_chunks=2))
    options: dict[str, Any] = {"timeout": Timeout(idle=0.2, progress=0.2), "retry": None}
    with driver.client(stub, http_client=make(driver, library), **options) as client:
        stream = client.flow("patient").stream(1)
        assert next(stream) == 0
        time.sleep(0.3)  # longer than the clocks
        go_on.set()
        assert next(stream) == 1
        with within(0.2 + SOON, at_least=0.2), pytest.raises(FlowTimeoutError):
            next(stream)  # now the server is silent while the caller waits


# --- cancelling -----------------------------------------------------------------------------------------


@each_client
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_cancelling_wakes_a_read_of_the_body(driver: Driver, library: Any, tls: bool) -> None:
    with declare(StubServer(tls=tls)) as stub:
        stub.script("count", faults.stall(after_chunks=1))
        theirs = make(driver, library, **({"verify": stub.client_ssl_context()} if tls else {}))
        with driver.client(stub, http_client=theirs, timeout=Timeout(idle=60)) as client:
            stream = client.flow("count").stream(2)
            assert next(stream) == 0
            reading = spawn(stream.result)
            stream.cancel()
            assert isinstance(reading.exception(2), FlowCancelledError)
            stub.wait_until(lambda: stub.connections.open == 0)
            assert client.flow("echo")(1) == 1


@each_client
def test_closing_a_stream_early_frees_the_connection(driver: Driver, library: Any, stub: StubServer) -> None:
    theirs = make(driver, library, limits=library.Limits(max_connections=1))
    with driver.client(stub, http_client=theirs, timeout=Timeout(total=5)) as client:
        stub.script("count", *[faults.stall(after_chunks=1)] * 3)
        for _ in range(3):
            with client.flow("count").stream(2) as stream:
                next(stream)
        assert client.flow("echo")(1) == 1


# httpx and httpcore nest generators and leave the inner ones to the garbage collector: trio complains.
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
@each_client
def test_http_2_streams_share_a_connection_that_none_of_them_closes(driver: Driver, library: Any) -> None:
    with SmallHttp2() as server:
        theirs = make(driver, library, http2=True, verify=server.client_ssl_context())
        timeout = Timeout(idle=10, total=20)
        with driver.client(None, url=server.url, http_client=theirs, timeout=timeout) as client:
            left, cancelled = (client.flow("slow").stream() for _ in range(2))
            with client.flow("quick").stream() as stream:
                assert (next(left), next(cancelled)) == (1, 1)
                left.close()
                cancelled.cancel()
                with pytest.raises(FlowCancelledError):
                    next(cancelled)
                assert list(stream) == [1]
                assert stream.response.http_version == "HTTP/2"
            assert client.flow("quick").stream().result() == 2
        assert server.connections == 1


def test_http_2_lends_no_socket_since_it_is_shared() -> None:
    sock = object()
    stream = SimpleNamespace(get_extra_info=lambda name: sock if name == "socket" else None)

    def response(**extensions: Any) -> Any:
        return SimpleNamespace(extensions=extensions)

    assert response_socket(response(http_version=b"HTTP/1.1", network_stream=stream)) is sock
    assert response_socket(response(http_version=b"HTTP/2", network_stream=stream)) is None
    assert response_socket(response(http_version=b"HTTP/1.1")) is None
    exchange: Any = SimpleNamespace(attach=lambda _: pytest.fail("attached"))
    assert not attach(exchange, response(http_version=b"HTTP/2", network_stream=stream))


def test_a_watch_that_was_stopped_does_not_touch_the_next_attempts_socket() -> None:
    """Its clock runs out in the very moment in which it is stopped."""
    made, expired = threading.Event(), list[str]()
    watches: list[Watch] = []

    def seconds_left() -> float:
        assert made.wait(2)
        watches[0].stop()
        return 0.0

    exchange: Any = SimpleNamespace(
        lock=threading.RLock(),
        attach=lambda _: None,
        seconds_left=seconds_left,
        expire=lambda: expired.append("expired"),
        on_hurry=None,
    )
    stream = SimpleNamespace(get_extra_info=lambda _: object())
    watches.append(Watch(exchange, SimpleNamespace(extensions={"network_stream": stream})))
    made.set()
    for thread in threading.enumerate():
        if thread.name == "streamflow-watch":
            thread.join(2)
    assert expired == []
    assert exchange.on_hurry is None


# --- without a network ----------------------------------------------------------------------------------


@each_client
def test_a_mock_transport_will_do(driver: Driver, library: Any) -> None:
    def answer(request: Any) -> Any:
        if "text/event-stream" in request.headers["accept"]:
            return library.Response(200, content=b'data: {"message": 1}\n\ndata: {"result": 2}\n\n')
        return library.Response(200, json={"result": request.url.path})

    theirs = make(driver, library, transport=library.MockTransport(answer))
    with driver.client(None, url="http://flows.test", http_client=theirs) as client:
        assert client.flow("echo")(1) == "/echo"
        with client.flow("count").stream(1) as stream:
            assert list(stream) == [1]
            assert stream.result() == 2
        stream = client.flow("count").stream(1)
        next(stream)
        stream.close()


NAMES: list[tuple[str, type[FlowError]]] = [
    ("ConnectError", FlowConnectionError),
    ("ProxyError", FlowConnectionError),
    ("UnsupportedProtocol", FlowConnectionError),
    ("LocalProtocolError", FlowConnectionError),
    ("ReadError", StreamInterruptedError),
    ("WriteError", StreamInterruptedError),
    ("CloseError", StreamInterruptedError),
    ("RemoteProtocolError", ProtocolError),
    ("ConnectTimeout", FlowTimeoutError),
    ("ReadTimeout", FlowTimeoutError),
    ("WriteTimeout", FlowTimeoutError),
    ("PoolTimeout", FlowTimeoutError),
]
NOT_SENT = {name for name, kind in NAMES if kind is FlowConnectionError} | {"ConnectTimeout", "PoolTimeout"}


@each_client
@pytest.mark.parametrize(("name", "kind"), NAMES, ids=[row[0] for row in NAMES])
def test_no_exception_of_its_library_comes_through(
    driver: Driver, library: Any, name: str, kind: type[FlowError]
) -> None:
    def answer(request: Any) -> Any:
        raise getattr(library, name)("told")

    theirs = make(driver, library, transport=library.MockTransport(answer))
    with driver.client(None, url="http://flows.test", http_client=theirs, retry=None) as client:
        with pytest.raises(kind) as caught:
            client.flow("echo")(1)
        with pytest.raises(kind):
            client.flow("count").stream(1).result()
    assert caught.value.work_may_have_run is (name not in NOT_SENT)
    if kind is FlowTimeoutError:
        assert caught.value.clock == {"ConnectTimeout": "connect", "PoolTimeout": "pool"}.get(name, "idle")  # type: ignore[attr-defined]


@each_client
def test_an_exception_of_the_callers_own_goes_through(driver: Driver, library: Any) -> None:
    def answer(request: Any) -> Any:
        raise KeyError("mine")

    theirs = make(driver, library, transport=library.MockTransport(answer))
    with (
        driver.client(None, url="http://flows.test", http_client=theirs) as client,
        pytest.raises(KeyError, match="mine"),
    ):
        client.flow("echo")(1)


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.__name__)
def test_after_a_cancel_it_does_not_matter_what_is_raised(library: Any) -> None:
    asked, cancelled = threading.Event(), threading.Event()

    def answer(request: Any) -> Any:
        asked.set()
        assert cancelled.wait(5)
        raise KeyError("late")

    driver = DRIVERS[0]
    theirs = make(driver, library, transport=library.MockTransport(answer))
    with driver.client(None, url="http://flows.test", http_client=theirs) as client:
        stream = client.flow("echo").stream(1)
        reading = spawn(stream.result)
        assert asked.wait(5)
        stream.cancel()
        cancelled.set()
        assert isinstance(reading.exception(5), FlowCancelledError)


@pytest.mark.parametrize(("driver", "library"), [row for row in ROWS if row[0].name != "sync"], ids=str)
def test_an_app_is_called_in_the_same_process(driver: Driver, library: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        streaming = dict(scope["headers"])[b"accept"] == b"text/event-stream"
        body = b'data: {"message": 1}\n\ndata: {"result": 2}\n\n' if streaming else b'{"result": 3}'
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    theirs = make(driver, library, transport=library.ASGITransport(app=app))
    with driver.client(None, url="http://flows.test", http_client=theirs) as client:
        assert client.flow("echo")(1) == 3
        with client.flow("count").stream(1) as stream:
            assert list(stream) == [1]
            assert stream.result() == 2


@each_client
def test_a_stream_of_its_own_making_is_read_and_closed(driver: Driver, library: Any) -> None:
    class Body(library.SyncByteStream, library.AsyncByteStream):  # type: ignore[misc]
        closed = 0

        def __iter__(self) -> Iterator[bytes]:
            yield b'data: {"message": 1}\n\n'
            yield b'data: {"result": 2}\n\n'

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in self:
                yield piece

        def close(self) -> None:
            self.closed += 1

        async def aclose(self) -> None:
            self.closed += 1

    body = Body()
    theirs = make(
        driver, library, transport=library.MockTransport(lambda request: library.Response(200, stream=body))
    )
    with (
        driver.client(None, url="http://flows.test", http_client=theirs) as client,
        client.flow("count").stream(1) as stream,
    ):
        assert list(stream) == [1]
        assert stream.result() == 2
    assert body.closed == 1
