"""A caller's own HTTP client, of httpx or httpx2: its settings hold, its exceptions do not come through, the
clocks and `cancel()` reach as far as its public interfaces do."""

import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import SimpleNamespace
from typing import Any

import anyio
import httpx
import httpx2
import pytest

from drivers import CALLERS_DRIVERS, DRIVERS, OVER_AIOHTTP, TRUSTING_NONE, Blocking, Driver, spawn
from small_http2 import SmallHttp2
from small_proxy import SmallProxy
from streamflow_client import (
    AsyncClient,
    FlowCancelledError,
    FlowConnectionError,
    FlowError,
    FlowStatusError,
    FlowTimeoutError,
    ProtocolError,
    Retry,
    StreamInterruptedError,
    Timeout,
    default_async_http_client,
)
from streamflow_client.testing import Faults, StubServer, faults
from streamflow_client.transport.foreign import Watch, attach, response_socket
from test_cancellation import native, scoped, twice

SOON = 1.0  # how late a clock may be on a busy machine; test_clocks.py looks closer
each_client = pytest.mark.parametrize("driver", CALLERS_DRIVERS, ids=repr)
# where nothing is asked of it but what ours over aiohttp has, too
also_over_aiohttp = pytest.mark.parametrize("driver", [*CALLERS_DRIVERS, OVER_AIOHTTP], ids=repr)
on_httpx = pytest.mark.parametrize(  # what takes its time: in `make faults`, test_clocks.py looks at both
    "driver", [*(driver for driver in CALLERS_DRIVERS if driver.library is httpx), OVER_AIOHTTP], ids=repr
)
on_two = pytest.mark.parametrize(
    "driver",
    [driver for driver in CALLERS_DRIVERS if repr(driver) in ("sync-httpx", "asyncio-httpx")],
    ids=repr,
)
each_sync_client = pytest.mark.parametrize(
    "driver", [driver for driver in CALLERS_DRIVERS if driver.name == "sync"], ids=repr
)
each_async_client = pytest.mark.parametrize(
    "driver", [driver for driver in CALLERS_DRIVERS if driver.name != "sync"], ids=repr
)


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
        thread.join(5)  # it looks every second
        assert not thread.is_alive()


@contextmanager
def within(seconds: float, at_least: float = 0.0) -> Iterator[None]:
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert at_least - 0.01 <= took <= seconds, f"took {took:.2f} s"


# --- it works, and stays the caller's ------------------------------------------------------------------


@also_over_aiohttp
def test_calls_run_on_it_and_it_is_not_closed(driver: Driver, stub: StubServer) -> None:
    theirs = driver.http_client()
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


@also_over_aiohttp
def test_its_headers_auth_and_cookies_go_along(driver: Driver, stub: StubServer) -> None:
    own: dict[str, Any] = {"headers": {"X-Mine": "1"}, "auth": ("user", "pass"), "cookies": {"c": "1"}}
    with driver.client(stub, http_client=driver.http_client(**own)) as client:
        client.flow("echo")(1)
    with driver.client(stub, http_client=driver.http_client(**own), auth="t0ken") as client:
        client.flow("echo")(1)
    first, second = (request.headers for request in stub.requests)
    assert (first["x-mine"], first["cookie"], first["authorization"]) == ("1", "c=1", "Basic dXNlcjpwYXNz")
    assert second["x-mine"] == "1"


@also_over_aiohttp
def test_our_clocks_win_over_its_time_outs(driver: Driver, stub: StubServer) -> None:
    stub.script("echo", faults.delay_headers(0.2))
    theirs = driver.http_client(timeout=0.05, follow_redirects=True)
    with driver.client(stub, http_client=theirs) as client:
        assert client.flow("echo")(1) == 1


@also_over_aiohttp
def test_redirects_are_not_followed_even_if_it_would(driver: Driver, stub: StubServer) -> None:
    stub.script("echo", faults.status(307, headers=(("Location", f"{stub.url}/count"),)))
    theirs = driver.http_client(follow_redirects=True)
    with driver.client(stub, http_client=theirs) as client, pytest.raises(ProtocolError, match="redirect"):
        client.flow("echo")(1)
    assert len(stub.requests) == 1


@also_over_aiohttp
def test_what_follows_the_result_is_not_waited_for(driver: Driver, stub: StubServer) -> None:
    stub.script("count", faults.no_body_end())
    with driver.client(stub, http_client=driver.http_client()) as client:
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


@also_over_aiohttp
@pytest.mark.parametrize(
    ("fault", "kind", "may_have_run"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS]
)
def test_failures_of_the_network_are_ours(
    driver: Driver, stub: StubServer, fault: Faults, kind: type[FlowError], may_have_run: bool
) -> None:
    stub.script("count", fault)
    options: dict[str, Any] = {"timeout": Timeout(idle=0.2), "retry": None}
    with driver.client(stub, http_client=driver.http_client(), **options) as client:
        with pytest.raises(kind) as caught, client.flow("count").stream(2) as stream:
            list(stream)
        assert caught.value.work_may_have_run is may_have_run
        stub.wait_until(lambda: stub.connections.open == 0)
        assert client.flow("echo")(1) == 1


@also_over_aiohttp
def test_a_refused_connection_is_ours_and_tried_again(driver: Driver, stub: StubServer) -> None:
    options: dict[str, Any] = {"http_client": driver.http_client(), "retry": Retry(2, wait_initial=0.001)}
    with (
        driver.client(stub, **options) as client,
        stub.refusing(),
        pytest.raises(FlowConnectionError) as caught,
    ):
        client.flow("echo")(1)
    assert "2 attempts" in str(caught.value)


@also_over_aiohttp
@pytest.mark.parametrize(
    ("timeout", "clock"),
    [(Timeout(connect=0.15), "connect"), (Timeout(None, None, total=0.15), "total")],
    ids=str,
)
def test_a_handshake_without_an_answer_ends_by_a_clock(driver: Driver, timeout: Timeout, clock: str) -> None:
    with declare(StubServer(tls=True)) as stub, stub.tls_stall():
        theirs = driver.http_client(verify=stub.client_ssl_context())
        with (
            driver.client(stub, http_client=theirs, timeout=timeout, retry=None) as client,
            within(0.15 + SOON, at_least=0.15),
            pytest.raises(FlowTimeoutError) as caught,
        ):
            client.flow("echo")(1)
        assert caught.value.clock == clock


@each_client
def test_a_wait_for_a_free_connection_has_its_own_clock(driver: Driver, stub: StubServer) -> None:
    theirs = driver.http_client(limits=driver.http.Limits(max_connections=1))
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


@on_httpx
def test_each_clock_ends_the_call_in_time(driver: Driver, stub: StubServer) -> None:
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
    with driver.client(stub, http_client=driver.http_client(), retry=None) as client:
        calls = [spawn(partial(call, number, row[2])) for number, row in enumerate(rows)]
        assert [call.result(5).clock for call in calls] == [row[0] for row in rows]
        stub.wait_until(lambda: stub.connections.open == 0)


@on_httpx
def test_the_time_that_the_caller_takes_does_not_count(driver: Driver, stub: StubServer) -> None:
    go_on = threading.Event()

    @stub.flow
    def patient(request: int, send: Callable[[int], None]) -> int:
        send(0)
        assert go_on.wait(5)
        send(1)
        return request

    stub.script("patient", faults.stall(after_chunks=2))
    options: dict[str, Any] = {"timeout": Timeout(idle=0.2, progress=0.2), "retry": None}
    with driver.client(stub, http_client=driver.http_client(), **options) as client:
        stream = client.flow("patient").stream(1)
        assert next(stream) == 0
        time.sleep(0.3)  # longer than the clocks
        go_on.set()
        assert next(stream) == 1
        with within(0.2 + SOON, at_least=0.2), pytest.raises(FlowTimeoutError):
            next(stream)  # now the server is silent while the caller waits


HANDSHAKE = 0.3  # seconds, so much more than which no clock gives
MORE = 0.1
TRIES = 5  # of which one is enough, on a busy machine


class SlowTls(StubServer):
    """A TLS stub that takes its time for each handshake."""

    def __init__(self) -> None:
        super().__init__(tls=True)
        declare(self)

    def _server_ssl_context(self) -> ssl.SSLContext | None:
        context = super()._server_ssl_context()
        assert context is not None
        context.sni_callback = lambda *_: time.sleep(HANDSHAKE)
        return context


@on_two
@pytest.mark.parametrize("by", ["direct", "proxy"])
def test_a_slow_handshake_does_not_put_off_the_end_of_the_call(driver: Driver, by: str) -> None:
    """`total` began before it; else the wait for headers would have as much once more."""
    total = HANDSHAKE + MORE
    with SlowTls() as stub, SmallProxy() as proxy:
        stub.always("echo", faults.delay_headers(60))
        through: dict[str, Any] = {"proxy": f"http://{proxy.address}"} if by == "proxy" else {}

        def seconds() -> float:
            theirs = driver.http_client(verify=stub.client_ssl_context(), **through)
            error = driver.call(stub, "echo", 1, http_client=theirs, timeout=total, retry=None).error
            assert isinstance(error, FlowTimeoutError)
            assert error.clock == "total"
            assert error.timeline is not None
            return error.timeline.elapsed

        assert any(seconds() < HANDSHAKE + total for _ in range(TRIES))
        assert bool(proxy.asked) is (by == "proxy")


@on_two
def test_a_slow_handshake_is_no_lack_of_progress(driver: Driver) -> None:
    """`progress` begins when the request goes out."""
    timeout = Timeout(idle=None, progress=HANDSHAKE + MORE)
    with SlowTls() as stub:
        stub.always("count", faults.delay_headers(2 * MORE))

        def succeeds() -> bool:
            theirs = driver.http_client(verify=stub.client_ssl_context())
            outcome = driver.call(stub, "count", 1, http_client=theirs, timeout=timeout, retry=None)
            assert outcome.error is None or isinstance(outcome.error, FlowTimeoutError)
            return outcome.chunks == [0]

        assert any(succeeds() for _ in range(TRIES))


# --- headers that take their time -----------------------------------------------------------------------

all_drivers = pytest.mark.parametrize("driver", [*DRIVERS, *CALLERS_DRIVERS, OVER_AIOHTTP], ids=repr)


@all_drivers
def test_while_the_caller_makes_up_headers_nothing_is_connected_or_sent(
    driver: Driver, stub: StubServer
) -> None:
    """However long it takes, only `total` may end it; again for each attempt."""
    seen: list[tuple[float | None, str, bool]] = []

    def look() -> dict[str, str]:
        session = stream.inner._session
        seen.append(
            (stream.inner._exchange.seconds_left(), session.timeline(0.0).phase, session._may_have_run)
        )
        return {"X-Mine": "1"}

    async def alook() -> dict[str, str]:
        return look()

    stub.script("count", faults.status(503, retry_after=0))
    headers = look if driver.name == "sync" else alook
    options: dict[str, Any] = {"timeout": Timeout(connect=9, idle=9, progress=9), "retry": Retry(2)}
    with driver.client(stub, headers=headers, **options) as client:
        stream = client.flow("count").stream(2)
        assert list(stream) == [0, 1]
    assert seen == [(None, "connecting", False)] * 2
    assert [request.headers["x-mine"] for request in stub.requests] == ["1", "1"]


@all_drivers
def test_headers_that_take_all_the_time_there_is_are_told_so(driver: Driver, stub: StubServer) -> None:
    def slow() -> dict[str, str]:
        time.sleep(0.06)
        return {}

    async def aslow() -> dict[str, str]:
        await anyio.sleep(60)
        return {}

    headers = slow if driver.name == "sync" else aslow
    error = driver.call(stub, "echo", 1, headers=headers, timeout=Timeout(connect=0.02, total=0.05)).error
    assert isinstance(error, FlowTimeoutError)
    assert error.timeline is not None
    told = (error.clock, error.timeline.phase, len(error.timeline.attempts), error.work_may_have_run)
    assert told == ("total", "connecting", 1, False)
    assert stub.requests == []


# --- cancelling -----------------------------------------------------------------------------------------


@also_over_aiohttp
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_cancelling_wakes_a_read_of_the_body(driver: Driver, tls: bool) -> None:
    with declare(StubServer(tls=tls)) as stub:
        stub.script("count", faults.stall(after_chunks=1))
        theirs = driver.http_client(**({"verify": stub.client_ssl_context()} if tls else {}))
        with driver.client(stub, http_client=theirs, timeout=Timeout(idle=60)) as client:
            stream = client.flow("count").stream(2)
            assert next(stream) == 0
            reading = spawn(stream.result)
            stream.cancel()
            assert isinstance(reading.exception(2), FlowCancelledError)
            stub.wait_until(lambda: stub.connections.open == 0)
            assert client.flow("echo")(1) == 1


@each_async_client
def test_cancelling_ends_the_wait_for_headers_and_frees_the_connection(
    driver: Driver, stub: StubServer
) -> None:
    theirs = driver.http_client(limits=driver.http.Limits(max_connections=1))
    stub.script("echo", faults.delay_headers(60))
    with driver.client(stub, http_client=theirs, timeout=Timeout(total=20)) as client:
        stream = client.flow("echo").stream(1)
        reading = spawn(stream.result)
        stub.wait_until(lambda: stub.requests)
        stream.cancel()
        assert isinstance(reading.exception(2), FlowCancelledError)
        stub.wait_until(lambda: stub.connections.open == 0)
        assert client.flow("echo")(1) == 1


@each_sync_client
def test_cancelling_takes_effect_when_the_headers_come(driver: Driver, stub: StubServer) -> None:
    """What the README says of a caller's own `Client`."""
    go_on = threading.Event()

    @stub.flow
    def late(request: int) -> int:
        assert go_on.wait(5)
        return request

    with driver.client(stub, http_client=driver.http_client()) as client:
        stream = client.flow("late").stream(1)
        reading = spawn(stream.result)
        stub.wait_until(lambda: stub.runs)
        stream.cancel()
        go_on.set()
        assert isinstance(reading.exception(5), FlowCancelledError)
        stub.wait_until(lambda: stub.connections.open == 0)
        assert client.flow("echo")(1) == 1


@also_over_aiohttp
def test_it_is_told_whether_the_request_went_out_and_over_what(driver: Driver, stub: StubServer) -> None:
    stub.script("echo", None, faults.close_before_response())
    with driver.client(stub, http_client=driver.http_client(), retry=None) as client:
        assert client.flow("echo")(1) == 1
        with pytest.raises(StreamInterruptedError, match="reused connection") as caught:
            client.flow("echo")(1)
        assert caught.value.work_may_have_run
        stub.script("echo", faults.close_before_response())
        with pytest.raises(StreamInterruptedError, match="new connection"):
            client.flow("echo")(1)
    with declare(StubServer(tls=True)) as secure, secure.tls_stall():
        theirs = driver.http_client(verify=secure.client_ssl_context())
        with (
            driver.client(secure, http_client=theirs, timeout=0.2, retry=None) as client,
            pytest.raises(FlowTimeoutError, match="connecting after") as silent,
        ):
            client.flow("echo")(1)
        assert not silent.value.work_may_have_run


@each_client
def test_a_connection_through_socks_is_new_once(driver: Driver, stub: StubServer) -> None:
    fault = faults.close_before_response()
    stub.script("echo", fault, None, fault)
    with SmallProxy("socks5") as proxy:
        theirs = driver.http_client(proxy=f"socks5://{proxy.address}")
        with driver.client(stub, http_client=theirs, retry=None) as client:
            with pytest.raises(StreamInterruptedError, match="new connection"):
                client.flow("echo")(1)
            assert client.flow("echo")(1) == 1
            with pytest.raises(StreamInterruptedError, match="reused connection"):
                client.flow("echo")(1)
        assert proxy.asked == [f"SOCKS 127.0.0.1:{stub.port}"] * 2


@each_client
def test_closing_a_stream_early_frees_the_connection(driver: Driver, stub: StubServer) -> None:
    theirs = driver.http_client(limits=driver.http.Limits(max_connections=1))
    with driver.client(stub, http_client=theirs, timeout=Timeout(total=5)) as client:
        stub.script("count", *[faults.stall(after_chunks=1)] * 3)
        for _ in range(3):
            with client.flow("count").stream(2) as stream:
                next(stream)
        assert client.flow("echo")(1) == 1


# httpx and httpcore nest generators and leave the inner ones to the garbage collector: trio complains.
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
@each_client
def test_http_2_streams_share_a_connection_that_none_of_them_closes(driver: Driver) -> None:
    with SmallHttp2() as server:
        theirs = driver.http_client(http2=True, verify=server.client_ssl_context())
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


@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
@each_async_client
def test_cancelling_wakes_a_read_over_http_2(driver: Driver) -> None:
    """Of which no socket can be shut down, for others share it."""
    with SmallHttp2() as server:
        theirs = driver.http_client(http2=True, verify=server.client_ssl_context())
        with driver.client(None, url=server.url, http_client=theirs, timeout=Timeout(idle=60)) as client:
            stream = client.flow("slow").stream()
            assert next(stream) == 1
            reading = spawn(stream.result)
            stream.cancel()
            assert isinstance(reading.exception(5), FlowCancelledError)
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
        stopped=False,
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
def test_a_mock_transport_will_do(driver: Driver) -> None:
    def answer(request: Any) -> Any:
        if "text/event-stream" in request.headers["accept"]:
            return driver.http.Response(200, content=b'data: {"message": 1}\n\ndata: {"result": 2}\n\n')
        return driver.http.Response(200, json={"result": request.url.path})

    theirs = driver.http_client(transport=driver.http.MockTransport(answer))
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
def test_no_exception_of_its_library_comes_through(driver: Driver, name: str, kind: type[FlowError]) -> None:
    def answer(request: Any) -> Any:
        raise getattr(driver.http, name)("told")

    theirs = driver.http_client(transport=driver.http.MockTransport(answer))
    with driver.client(None, url="http://flows.test", http_client=theirs, retry=None) as client:
        with pytest.raises(kind) as caught:
            client.flow("echo")(1)
        with pytest.raises(kind):
            client.flow("count").stream(1).result()
    assert caught.value.work_may_have_run is (name not in NOT_SENT)
    if kind is FlowTimeoutError:
        assert caught.value.clock == {"ConnectTimeout": "connect", "PoolTimeout": "pool"}.get(name, "idle")  # type: ignore[attr-defined]


@each_client
def test_an_exception_of_the_callers_own_goes_through(driver: Driver) -> None:
    def answer(request: Any) -> Any:
        raise KeyError("mine")

    theirs = driver.http_client(transport=driver.http.MockTransport(answer))
    with (
        driver.client(None, url="http://flows.test", http_client=theirs) as client,
        pytest.raises(KeyError, match="mine"),
    ):
        client.flow("echo")(1)


@each_sync_client
def test_after_a_cancel_it_does_not_matter_what_is_raised(driver: Driver) -> None:
    asked, cancelled = threading.Event(), threading.Event()

    def answer(request: Any) -> Any:
        asked.set()
        assert cancelled.wait(5)
        raise KeyError("late")

    theirs = driver.http_client(transport=driver.http.MockTransport(answer))
    with driver.client(None, url="http://flows.test", http_client=theirs) as client:
        stream = client.flow("echo").stream(1)
        reading = spawn(stream.result)
        assert asked.wait(5)
        stream.cancel()
        cancelled.set()
        assert isinstance(reading.exception(5), FlowCancelledError)


@each_async_client
def test_an_app_is_called_in_the_same_process(driver: Driver) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        streaming = dict(scope["headers"])[b"accept"] == b"text/event-stream"
        body = b'data: {"message": 1}\n\ndata: {"result": 2}\n\n' if streaming else b'{"result": 3}'
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    theirs = driver.http_client(transport=driver.http.ASGITransport(app=app))
    with driver.client(None, url="http://flows.test", http_client=theirs) as client:
        assert client.flow("echo")(1) == 3
        with client.flow("count").stream(1) as stream:
            assert list(stream) == [1]
            assert stream.result() == 2


@each_client
def test_a_stream_of_its_own_making_is_read_and_closed(driver: Driver) -> None:
    class Body(driver.http.SyncByteStream, driver.http.AsyncByteStream):  # type: ignore[misc,name-defined]
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
    theirs = driver.http_client(
        transport=driver.http.MockTransport(lambda request: driver.http.Response(200, stream=body)),
    )
    with (
        driver.client(None, url="http://flows.test", http_client=theirs) as client,
        client.flow("count").stream(1) as stream,
    ):
        assert list(stream) == [1]
        assert stream.result() == 2
    assert body.closed == 1


# --- its own ways to go wrong ---------------------------------------------------------------------------


class Mine(Exception):
    """What only the caller's own code raises."""


def raising(driver: Driver) -> Callable[[Any], Any]:
    """A hook for its events, of the kind that it wants."""

    def hook(_: Any) -> None:
        if armed:
            armed.pop()
            raise Mine

    async def ahook(_: Any) -> None:
        hook(_)

    armed = [True]
    return hook if driver.name == "sync" else ahook


def raising_auth(driver: Driver) -> Any:
    armed = [True]

    def auth_flow(self: Any, request: Any) -> Iterator[Any]:
        yield request
        if armed:
            armed.pop()
            raise Mine

    return type("RaisingAuth", (driver.http.Auth,), {"auth_flow": auth_flow})()


OWN_CODE: dict[str, Callable[[Driver], dict[str, Any]]] = {
    "a hook before the request": lambda driver: {"event_hooks": {"request": [raising(driver)]}},
    "a hook after the headers": lambda driver: {"event_hooks": {"response": [raising(driver)]}},
    "its auth, after the headers": lambda driver: {"auth": raising_auth(driver)},
}


@each_client
@pytest.mark.parametrize("mode", ["unary", "stream"])
@pytest.mark.parametrize("what", OWN_CODE)
def test_what_its_own_code_raises_comes_through_and_leaves_nothing(
    driver: Driver, stub: StubServer, what: str, mode: str
) -> None:
    theirs = driver.http_client(limits=driver.http.Limits(max_connections=1), **OWN_CODE[what](driver))
    with driver.client(stub, http_client=theirs, timeout=5.0) as client:
        stream = client.flow("count").stream(2)
        with pytest.raises(Mine):
            stream.result() if mode == "stream" else client.flow("count")(2)
        if mode == "stream":
            with pytest.raises(FlowCancelledError):
                stream.result()
        stub.wait_until(lambda: stub.connections.in_use == 0)
        assert client.flow("count").stream(2).result() == 2


ODD: list[type[Exception]] = [Mine, ValueError, NotImplementedError, TimeoutError, StopIteration]


@each_client
@pytest.mark.parametrize("odd", ODD)
def test_what_its_body_raises_comes_through_and_the_body_is_closed(
    driver: Driver, odd: type[Exception]
) -> None:
    class Body(driver.http.SyncByteStream, driver.http.AsyncByteStream):  # type: ignore[misc,name-defined]
        closed = 0

        def __iter__(self) -> Iterator[bytes]:
            yield b'data: {"message": 1}\n\n'
            raise odd

        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b'data: {"message": 1}\n\n'
            raise odd

        def close(self) -> None:
            self.closed += 1

        async def aclose(self) -> None:
            self.closed += 1

    body = Body()
    theirs = driver.http_client(
        transport=driver.http.MockTransport(lambda request: driver.http.Response(200, stream=body))
    )
    with driver.client(None, url="http://flows.test", http_client=theirs) as client:
        stream = client.flow("count").stream(1)
        assert next(stream) == 1
        # Python makes a RuntimeError of a StopIteration that a generator raises
        with pytest.raises(RuntimeError if odd is StopIteration else odd):
            next(stream)
        assert body.closed == 1
        with pytest.raises(FlowCancelledError):
            next(stream)


@also_over_aiohttp
def test_a_client_of_theirs_that_is_closed_says_so(driver: Driver, stub: StubServer) -> None:
    theirs = driver.http_client()
    with driver.client(stub, http_client=theirs) as client:
        assert client.flow("echo")(1) == 1
        Blocking(theirs, client.portal).close()
        with pytest.raises(RuntimeError, match="the client has been closed"):
            client.flow("echo")(1)
        with pytest.raises(RuntimeError, match="the client has been closed"):
            client.flow("count").stream(1).result()
    assert len(stub.requests) == 1


@each_client
def test_what_is_no_client_of_the_right_kind_is_refused_at_once(driver: Driver) -> None:
    kinds: list[Any] = [driver.http.Client, driver.http.AsyncClient]
    wrong: Any = kinds[driver.name == "sync"](verify=TRUSTING_NONE)
    kind = r"an httpx\.Client" if driver.name == "sync" else r"an httpx\.AsyncClient"
    for odd in (*kinds, wrong, "http://localhost", object()):
        with (
            pytest.raises(TypeError, match=rf"http_client is {kind} \(or httpx2's\) or None, got "),
            driver.client(None, url="http://localhost", http_client=odd),
        ):
            pass
    anyio.run(wrong.aclose) if driver.name == "sync" else wrong.close()


@each_client
def test_a_client_of_a_kind_of_their_own_will_do(driver: Driver, stub: StubServer) -> None:
    """With whatever it was made: a base URL is not used, the rest goes along."""
    kind: Any = driver.http.Client if driver.name == "sync" else driver.http.AsyncClient
    theirs = type("Theirs", (kind,), {})(
        base_url="http://elsewhere.test/base",
        params={"tenant": "a b"},
        cookies={"c": "1"},
        headers={"X-Mine": "1", "Accept": "text/html"},
        http1=True,
        http2=True,
        trust_env=False,
        verify=TRUSTING_NONE,
    )
    with driver.client(stub, http_client=theirs) as client:
        assert client.flow("echo")(1) == 1
        with client.flow("count").stream(2) as stream:
            assert (list(stream), stream.result()) == ([0, 1], 2)
            assert stream.response.http_version == "HTTP/1.1"
    for request, path in zip(stub.requests, ("/echo", "/count"), strict=True):
        assert (request.path, request.query) == (path, "tenant=a+b")
        assert (request.headers["cookie"], request.headers["x-mine"]) == ("c=1", "1")
    assert stub.requests[1].headers["accept"] == "text/event-stream"


@each_sync_client
def test_an_app_of_the_older_kind_is_called_in_the_same_process(driver: Driver) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/broken":
            raise Mine
        streaming = environ["HTTP_ACCEPT"] == "text/event-stream"
        start_response("200 OK", [("Content-Type", "text/event-stream" if streaming else "application/json")])
        return [b'data: {"message": 1}\n\n', b'data: {"result": 2}\n\n'] if streaming else [b'{"result": 3}']

    theirs = driver.http_client(transport=driver.http.WSGITransport(app=app))
    with driver.client(None, url="http://flows.test", http_client=theirs) as client:
        assert client.flow("echo")(1) == 3
        with client.flow("count").stream(1) as stream:
            assert (list(stream), stream.result()) == ([1], 2)
        with pytest.raises(Mine):
            client.flow("broken")(1)


# --- a pool that has lost its connections ---------------------------------------------------------------


async def cancelled_until_it_answers_no_more(url: str, http: Any, library: Any, rounds: int) -> bool:
    """Use an HTTP client by itself, cancelled at each step in turn, again and again: is it wedged?"""

    async def use() -> None:
        time_outs = library.Timeout(5, pool=0.05)
        async with http.stream("POST", f"{url}/count", json={"data": 2}, timeout=time_outs) as response:
            await response.aread()

    async def still_answers() -> bool:
        try:
            await http.post(f"{url}/echo", json={"data": 1}, timeout=library.Timeout(5, pool=0.05))
        except library.PoolTimeout:
            return False
        return True

    for _ in range(rounds):
        step, hit = 1, True
        while hit:
            with suppress(library.PoolTimeout):
                hit = await native(use(), step)
            step += 1
            if not await still_answers():
                return True
    return False


@pytest.mark.faults
@pytest.mark.parametrize("connections", [1, 2])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_wedged_pool_says_what_happened_and_what_to_do(connections: int, stub: StubServer) -> None:
    """httpcore issue 1093, on the caller's own `httpx.AsyncClient` and by the caller's own cancellations."""
    limits = httpx.Limits(max_connections=connections)
    own = httpx.Timeout(None, pool=0.1)
    async with httpx.AsyncClient(verify=TRUSTING_NONE, limits=limits, timeout=own) as theirs:
        assert await cancelled_until_it_answers_no_more(stub.url, theirs, httpx, 20)
        runs = len(stub.runs)
        for timeout in (
            Timeout(),
            None,
            60.0,
            Timeout(idle=0.1),
        ):  # of ours, none, or a longer or shorter one
            client = AsyncClient(
                stub.url, http_client=theirs, timeout=timeout, retry=Retry(2, wait_max=0.001)
            )
            with (
                anyio.fail_after(20),
                within(0.2 + SOON, at_least=0.2),
                pytest.raises(FlowTimeoutError) as caught,
            ):
                await client.flow("echo")(1)
            error = caught.value
            assert (error.clock, error.work_may_have_run) == ("pool", False)
            assert error.timeline is not None
            assert len(error.timeline.attempts) == 2
            for words in ("no free connection", "its limit is reached", "issue 1093", "a new client"):
                assert words in str(error)
        assert len(stub.runs) == runs
    async with httpx.AsyncClient(verify=TRUSTING_NONE, limits=limits) as another:  # what it says helps
        assert await AsyncClient(stub.url, http_client=another).flow("echo")(1) == 1


@pytest.mark.faults
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_httpx2_and_ours_are_not_wedged_by_that(stub: StubServer) -> None:
    one = httpx2.Limits(max_connections=1)
    async with httpx2.AsyncClient(verify=TRUSTING_NONE, limits=one) as theirs:
        assert not await cancelled_until_it_answers_no_more(stub.url, theirs, httpx2, 3)
        assert await AsyncClient(stub.url, http_client=theirs).flow("echo")(1) == 1
    async with default_async_http_client() as ours:
        assert not await cancelled_until_it_answers_no_more(stub.url, ours, httpx, 3)
        assert await AsyncClient(stub.url, http_client=ours).flow("echo")(1) == 1


CANCELLED: dict[str, Any] = {"scope": scoped, "once": native, **{f"twice {n}": twice(n) for n in range(4)}}
# httpx's clean-up within a read of the body is the one step that a second `Task.cancel()` can still break.
HARMLESS = [(httpx, how) for how in ("scope", "once")] + [(httpx2, how) for how in CANCELLED]


@pytest.mark.faults
@pytest.mark.parametrize(
    ("library", "how"), HARMLESS, ids=[f"{row[0].__name__}-{row[1]}" for row in HARMLESS]
)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_calls_that_are_cancelled_do_not_wedge_it(library: Any, how: str, tls: bool) -> None:
    """A client's calls run where only a scope cancels them, and that does it no harm."""
    with declare(StubServer(tls=tls)) as stub:
        verify = stub.client_ssl_context() if tls else TRUSTING_NONE
        step, hit = 1, True
        while hit:
            limits = library.Limits(max_connections=1)
            async with (
                library.AsyncClient(verify=verify, limits=limits) as theirs,
                AsyncClient(stub.url, http_client=theirs, timeout=5.0) as client,
            ):
                hit = await CANCELLED[how](read_through(client), step)
                assert await client.flow("echo")(1) == 1, step
            step += 1
        assert step > 4, "the harness must hit something to mean anything"
        stub.wait_until(lambda: stub.connections.open == 0)


async def read_through(client: AsyncClient) -> None:
    async with client.flow("count").stream(3) as stream:
        assert [number async for number in stream] == [0, 1, 2]
        assert await stream.result() == 3


@on_httpx
def test_the_total_also_ends_the_second_request_of_an_auth(driver: Driver, stub: StubServer) -> None:
    class Twice(httpx.Auth):  # as digest authentication does
        def auth_flow(self, request: Any) -> Any:
            yield request
            yield request

    stub.script("echo", faults.delay_headers(0.6), faults.delay_headers(60))
    with (
        driver.client(stub, http_client=driver.http_client(auth=Twice()), timeout=1.0) as client,
        within(1.45, at_least=1.0),
        pytest.raises(FlowTimeoutError) as caught,
    ):
        client.flow("echo")(1)
    assert caught.value.clock == "total"
