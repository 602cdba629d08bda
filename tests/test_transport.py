"""The default transports over real sockets: what is reused, what is closed, which clock ends a wait."""

import gzip
import math
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import anyio
import httpcore
import httpx
import pytest

from drivers import ASYNC_DRIVERS, DRIVERS, Driver, spawn
from streamflow_client import (
    Client,
    FlowCancelledError,
    FlowConnectionError,
    FlowDef,
    FlowError,
    FlowStatusError,
    FlowTimeoutError,
    ProtocolError,
    Retry,
    StreamInterruptedError,
    Timeout,
    default_async_http_client,
    default_http_client,
)
from streamflow_client.testing import Faults, StubServer, faults
from streamflow_client.transport import aio, settings, sync
from streamflow_client.transport.exchange import seconds_left, shut_down
from streamflow_client.transport.idle import IdleLanes, Origin

each_driver = pytest.mark.parametrize("driver", DRIVERS, ids=repr)
ONCE: dict[str, Any] = {"retry": None}
SOON = 0.3  # how late a clock may be


def declare(stub: StubServer) -> StubServer:
    @stub.flow
    def echo(request: Any) -> Any:
        return request

    @stub.flow
    def count(request: int, send: Callable[[int], None]) -> int:
        for number in range(request):
            send(number)
        return request

    @stub.flow
    def fail(request: int, send: Callable[[int], None]) -> int:
        send(request)
        raise ValueError("no")

    return stub


@pytest.fixture
def stub() -> Iterator[StubServer]:
    with declare(StubServer(keep_alive=60)) as stub:  # what is closed was closed by the client
        yield stub


def shifted(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """From now on the transports' clock is that much ahead."""
    for module in (sync, aio):
        monkeypatch.setattr(module, "monotonic", lambda: time.monotonic() + seconds)


@contextmanager
def within(seconds: float, at_least: float = 0.0) -> Iterator[None]:
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert at_least - 0.01 <= took <= seconds, f"took {took:.2f} s"


# --- what is reused ------------------------------------------------------------------------------------


def read_all(client: Any) -> None:
    with client.flow("count").stream(3) as stream:
        assert list(stream) == [0, 1, 2]


def read_all_then_result(client: Any) -> None:
    with client.flow("count").stream(3) as stream:
        assert (list(stream), stream.result()) == ([0, 1, 2], 3)


def break_then_result(client: Any) -> None:
    stream = client.flow("count").stream(3)
    for _ in stream:
        break
    assert stream.result() == 3


def only_result(client: Any) -> None:
    assert client.flow("count").stream(0).result() == 0


def unary(client: Any) -> None:
    assert client.flow("echo")("x") == "x"


def failure_frame(client: Any) -> None:
    with pytest.raises(FlowStatusError), client.flow("fail").stream(1) as stream:
        list(stream)


def refused(client: Any) -> None:
    with pytest.raises(FlowStatusError):
        client.flow("fail")(1)


def not_found(client: Any) -> None:
    with pytest.raises(FlowStatusError):
        client.flow("no-such-flow")(1)


def unfit(client: Any) -> None:
    with pytest.raises(FlowError):
        client.flow("echo", output=int)("x")


def unfit_stream(client: Any) -> None:
    with pytest.raises(FlowError):
        client.flow("count", output=str).stream(1).result()


@each_driver
@pytest.mark.parametrize(
    "call",
    [
        unary,
        only_result,
        read_all,
        read_all_then_result,
        break_then_result,
        failure_frame,
        refused,
        not_found,
        unfit,
        unfit_stream,
    ],
)
def test_a_connection_serves_again_after_a_normal_end(
    driver: Driver, stub: StubServer, call: Callable[[Any], None]
) -> None:
    with driver.client(stub) as client:
        call(client)
        call(client)
        unary(client)
    assert [(request.connection, request.nth) for request in stub.requests] == [(1, 1), (1, 2), (1, 3)]
    stub.wait_until(lambda: stub.connections.open == 0)


@each_driver
def test_a_stream_without_a_result_leaves_the_connection_usable(driver: Driver, stub: StubServer) -> None:
    stub.script("count", faults.clean_eof(1))
    with driver.client(stub) as client:
        with pytest.raises(StreamInterruptedError):
            client.flow("count").stream(3).result()
        unary(client)
    assert {request.connection for request in stub.requests} == {1}


@each_driver
def test_a_redirect_and_an_empty_answer_leave_the_connection_usable(driver: Driver, stub: StubServer) -> None:
    away = (("Location", "http://elsewhere.test/"),)
    stub.script("echo", faults.status(302, headers=away), faults.status(204), None)
    with driver.client(stub) as client:
        for _ in range(2):
            with pytest.raises(ProtocolError):
                client.flow("echo")(1)
        assert client.flow("echo")(1) == 1
    assert {request.connection for request in stub.requests} == {1}


def abandon(client: Any) -> None:
    with client.flow("count").stream(5) as stream:
        next(stream)


def cancel(client: Any) -> None:
    stream = client.flow("count").stream(5)
    next(stream)
    stream.cancel()
    with pytest.raises(FlowCancelledError):
        next(stream)


def fails_with(kind: type[FlowError]) -> Callable[[Any], None]:
    def call(client: Any) -> None:
        with pytest.raises(kind), client.flow("count").stream(5) as stream:
            list(stream)

    return call


def is_a_teapot(client: Any) -> None:
    with pytest.raises(FlowStatusError):
        client.flow("echo")(1)


ABNORMAL: list[tuple[str, Faults, Callable[[Any], None]]] = [
    ("drop", faults.drop(after_chunks=2), fails_with(StreamInterruptedError)),
    ("reset", faults.reset(after_chunks=2), fails_with(StreamInterruptedError)),
    ("no answer", faults.close_before_response(), fails_with(StreamInterruptedError)),
    ("not HTTP", faults.raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), fails_with(ProtocolError)),
    ("oversize", faults.oversize(3000, after_chunks=1), fails_with(ProtocolError)),
    ("corrupt", faults.corrupt_json(after_chunks=1), fails_with(ProtocolError)),
    ("not UTF-8", faults.wrong_utf8(after_chunks=1), fails_with(ProtocolError)),
    ("time-out", faults.stall(after_chunks=1), fails_with(FlowTimeoutError)),
    ("closed in the body", faults.stall(after_chunks=1), abandon),
    ("cancelled", faults.stall(after_chunks=1), cancel),
    ("body without end", faults.no_body_end(), read_all),
    ("body without end, result", faults.no_body_end(), break_then_result),
    ("error page without end", (faults.status(418, body=b"{}"), faults.no_body_end()), is_a_teapot),
]


@each_driver
@pytest.mark.parametrize(("fault", "call"), [row[1:] for row in ABNORMAL], ids=[row[0] for row in ABNORMAL])
def test_a_connection_is_closed_after_an_abnormal_end(
    driver: Driver, stub: StubServer, fault: Faults, call: Callable[[Any], None]
) -> None:
    stub.script("*", fault)
    options: dict[str, Any] = {"retry": None, "timeout": Timeout(idle=0.2), "max_event_bytes": 2000}
    with driver.client(stub, **options) as client:
        call(client)
        stub.wait_until(lambda: stub.connections.open == 0)
        unary(client)
        unary(client)
    found = [(request.connection, request.nth) for request in stub.requests]
    assert found == [(1, 1), (2, 1), (2, 2)]


@each_driver
def test_what_follows_the_result_is_waited_for_a_tenth_of_a_second(driver: Driver, stub: StubServer) -> None:
    stub.script("count", faults.no_body_end())
    with driver.client(stub) as client, within(0.1 + SOON, at_least=0.1):
        assert client.flow("count").stream(2).result() == 2


@pytest.mark.parametrize("threads", [50])
def test_threads_share_a_client_without_mix_ups(stub: StubServer, threads: int) -> None:
    def work(thread: int) -> list[Any]:
        found = [flow([thread, number]) for number in range(10)]
        return found + [flow.stream([thread, number]).result() for number in range(10, 20)]

    with Client(stub.url) as client:
        flow = client.flow("echo")
        with ThreadPoolExecutor(threads) as pool:
            answers = list(pool.map(work, range(threads)))
    assert answers == [[[thread, number] for number in range(20)] for thread in range(threads)]
    assert len(stub.requests) == threads * 20
    assert stub.connections.accepted <= threads
    stub.wait_until(lambda: stub.connections.open == 0)


# --- connections that wait ----------------------------------------------------------------------------


def open_streams(stack: ExitStack, client: Any, count: int) -> list[Any]:
    """Streams that are open at once, each on its own connection; ready to be read to the end."""
    return [stack.enter_context(client.flow("count").stream(1)) for _ in range(count)]


@each_driver
def test_the_connection_used_last_is_taken_first(driver: Driver, stub: StubServer) -> None:
    with driver.client(stub) as client, ExitStack() as stack:
        first, second, third = open_streams(stack, client, 3)
        for stream in (second, third, first):
            stream.result()
        with client.flow("count").stream(1), client.flow("count").stream(1):
            pass
    assert [request.connection for request in stub.requests] == [1, 2, 3, 1, 3]


@each_driver
@pytest.mark.parametrize(("age", "connection"), [(1.5, 1), (1.95, 2), (3.0, 2)])
def test_a_connection_waits_no_longer_than_two_seconds(
    driver: Driver, stub: StubServer, monkeypatch: pytest.MonkeyPatch, age: float, connection: int
) -> None:
    with driver.client(stub) as client:
        unary(client)
        shifted(monkeypatch, age)
        unary(client)
        assert stub.requests[-1].connection == connection
        stub.wait_until(lambda: stub.connections.open == 1)


@each_driver
def test_late_connections_are_closed_at_the_next_occasion_whatever_their_origin(
    driver: Driver, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with declare(StubServer()) as other, driver.client(stub) as client, ExitStack() as stack:
        for stream in open_streams(stack, client, 3):
            stream.result()
        assert stub.connections.open == 3
        shifted(monkeypatch, 3)
        with client.flow("count", path=f"{other.url}/count").stream(1):
            stub.wait_until(lambda: stub.connections.open == 0)


@each_driver
def test_a_bounded_number_of_connections_waits(
    driver: Driver, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (settings.MOST_IDLE, settings.IDLE_SECONDS) == (100, 2.0)
    for module in (sync, aio):
        monkeypatch.setattr(module, "MOST_IDLE", 3)
    with driver.client(stub) as client, ExitStack() as stack:
        for stream in open_streams(stack, client, 5):
            stream.result()
        stub.wait_until(lambda: stub.connections.open == 3)
        unary(client)
    assert stub.requests[-1].connection == 5


@each_driver
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_connection_that_the_server_closed_is_not_reused(driver: Driver, tls: bool) -> None:
    with declare(StubServer(tls=tls)) as stub:
        stub.script("echo", faults.close_idle_after(0))
        with driver.client(stub, retry=None) as client:
            unary(client)
            stub.wait_until(lambda: stub.connections.open == 0)
            unary(client)
        assert [request.connection for request in stub.requests] == [1, 2]
        assert stub.run_count("echo") == 2


@each_driver
def test_a_connection_that_the_server_closes_after_the_look_at_it_is_not_written_to(
    driver: Driver, stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for lane in (sync._Lane, aio._Lane):
        monkeypatch.setattr(lane, "is_fresh", lambda _: True)
    stub.script("echo", faults.close_idle_after(0))
    with driver.client(stub, retry=None) as client:
        unary(client)
        stub.wait_until(lambda: stub.connections.open == 0)
        unary(client)
    assert [request.connection for request in stub.requests] == [1, 2]
    assert stub.run_count("echo") == 2


def test_idle_lanes_are_given_up_oldest_first_over_all_origins() -> None:
    class Lane:
        def __init__(self, origin: str, idle_since: float) -> None:
            self.origin: Origin = (b"http", origin.encode(), 80)
            self.idle_since = idle_since

    idle = IdleLanes[Lane]()
    one, two, three, four = Lane("a", 1), Lane("b", 2), Lane("a", 3), Lane("b", 4)
    for lane in (one, two, three, four):
        idle.put(lane)
    assert idle.sweep(0, 10) == []
    assert idle.sweep(1, 10) == [one]
    assert idle.sweep(0, 2) == [two]
    assert idle.take(one.origin) is three
    assert idle.take(one.origin) is None
    assert idle.sweep(math.inf, 10) == [four]
    assert not idle  # no origin is remembered for ever


# --- on its own ---------------------------------------------------------------------------------------


def test_it_serves_plain_httpx_requests_with_httpx_time_outs(stub: StubServer) -> None:
    stub.script("echo", None, None, faults.delay_headers(5))
    with default_http_client() as http:
        for _ in range(2):
            assert http.post(f"{stub.url}/echo", json={"data": 1}).json() == {"result": 1}
        with pytest.raises(httpx.ReadTimeout):
            http.post(f"{stub.url}/echo", json={"data": 1}, timeout=0.1)
        with pytest.raises(httpx.ConnectError, match="refused"):
            http.post("http://127.0.0.1:9/")
    assert [request.connection for request in stub.requests] == [1, 1, 1]


@pytest.mark.parametrize("driver", ASYNC_DRIVERS, ids=repr)
def test_it_serves_plain_httpx_requests_in_async_too(driver: Driver, stub: StubServer) -> None:
    stub.script("echo", None, None, faults.delay_headers(5))

    async def main() -> None:
        async with default_async_http_client() as http:
            for _ in range(2):
                reply = await http.post(f"{stub.url}/echo", json={"data": 1})
                assert reply.json() == {"result": 1}
            with pytest.raises(httpx.ReadTimeout):
                await http.post(f"{stub.url}/echo", json={"data": 1}, timeout=0.1)
            with pytest.raises(httpx.ConnectError, match="refused"):
                await http.post("http://127.0.0.1:9/")

    driver.run(main)
    assert [request.connection for request in stub.requests] == [1, 1, 1]


def test_nothing_waits_in_a_transport_that_was_closed(stub: StubServer) -> None:
    http = default_http_client()
    with http.stream("POST", f"{stub.url}/echo", json={"data": 1}) as reply:
        reply.read()
        http.close()
        for _ in range(2):  # the second time does nothing
            reply.stream.close()  # type: ignore[union-attr]  # httpx types it for both kinds
    stub.wait_until(lambda: stub.connections.open == 0)


@pytest.mark.parametrize("driver", ASYNC_DRIVERS, ids=repr)
def test_nothing_waits_in_an_async_transport_that_was_closed(driver: Driver, stub: StubServer) -> None:
    async def main() -> None:
        http = default_async_http_client()
        async with http.stream("POST", f"{stub.url}/echo", json={"data": 1}) as reply:
            await http.aclose()
            await reply.aread()
            for _ in range(2):  # the second time does nothing
                await reply.stream.aclose()  # type: ignore[union-attr]  # httpx types it for both kinds
        await anyio.to_thread.run_sync(lambda: stub.wait_until(lambda: stub.connections.open == 0))

    driver.run(main)


def test_what_has_run_out_is_not_waited_for() -> None:
    exchange: Any = SimpleNamespace(stopped=False, seconds_left=lambda: 0.0)
    with pytest.raises(httpcore.WriteTimeout):
        seconds_left(exchange, None, httpcore.WriteTimeout)
    assert seconds_left(None, 7.0, httpcore.WriteTimeout) == 7.0


@each_driver
def test_an_error_of_the_callers_auth_goes_through_unchanged(driver: Driver, stub: StubServer) -> None:
    class Broken(httpx.Auth):
        def auth_flow(self, request: httpx.Request) -> Any:
            request.stream = Stumbling()
            del request._content
            yield request

    class Stumbling(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b"{"
            raise KeyError("mine")

        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"{"
            raise KeyError("mine")

    with driver.client(stub, auth=Broken(), retry=None) as client:
        with pytest.raises(KeyError, match="mine") as caught:
            client.flow("echo")(1)
        assert caught.value.__cause__ is None
        stub.wait_until(lambda: stub.connections.open == 0)


def test_shutting_down_what_cannot_be_shut_down_is_no_error() -> None:
    sock = socket.socket()
    shut_down(sock)  # not connected
    sock.close()
    shut_down(sock)


# --- clocks -------------------------------------------------------------------------------------------


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Addresses by name: names of one's own, found by every driver."""
    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in known:
            return real(host, port, *args, **options)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[name]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


@contextmanager
def blackhole(address: str, port: int) -> Iterator[None]:
    """There, nobody answers: the listener's queue is full, so that Linux drops what asks to connect."""
    with ExitStack() as stack:
        try:
            listener = stack.enter_context(socket.create_server((address, port), backlog=0))
        except OSError:
            pytest.skip(f"{address} is not to be had here")
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        yield


@each_driver
def test_all_addresses_of_a_name_are_tried(
    driver: Driver, stub: StubServer, hosts: dict[str, list[str]]
) -> None:
    hosts["server.test"] = ["127.0.0.2", "127.0.0.1"]  # nobody listens on the first
    url = f"http://server.test:{stub.port}"
    assert driver.call(stub, "echo", 1, mode="unary", url=url, retry=None).output == 1
    hosts["server.test"] = ["127.0.0.2", "127.0.0.4"]
    error = driver.call(stub, "echo", 1, mode="unary", url=url, retry=None).error
    assert isinstance(error, FlowConnectionError)
    assert "refused" in str(error)


@each_driver
def test_addresses_that_do_not_answer_share_one_connect_deadline(
    driver: Driver, stub: StubServer, hosts: dict[str, list[str]]
) -> None:
    hosts["server.test"] = ["127.0.0.3", "127.0.0.1"]
    hosts["nowhere.test"] = ["127.0.0.3", "127.0.0.3", "127.0.0.3"]
    options: dict[str, Any] = {"retry": None, "timeout": Timeout(connect=0.45)}
    with blackhole("127.0.0.3", stub.port):
        with within(0.45):
            url = f"http://server.test:{stub.port}"
            assert driver.call(stub, "echo", 1, mode="unary", url=url, **options).output == 1
        with within(0.45 + SOON, at_least=0.45):
            url = f"http://nowhere.test:{stub.port}"
            error = driver.call(stub, "echo", 1, mode="unary", url=url, **options).error
    assert isinstance(error, FlowTimeoutError)
    assert error.clock == "connect"
    assert not error.work_may_have_run


@each_driver
@pytest.mark.parametrize("host", ["a" * 64 + ".test", ".test", "a..test"])
def test_a_name_that_is_none_is_a_connection_error(driver: Driver, host: str) -> None:
    with driver.client(None, url=f"http://{host}", retry=None) as client, pytest.raises(FlowConnectionError):
        client.flow("echo")(1)


@each_driver
@pytest.mark.parametrize("timeout", [Timeout(connect=0.2), Timeout(connect=None, total=0.2)], ids=str)
def test_a_handshake_that_is_not_answered_ends_by_a_clock(driver: Driver, timeout: Timeout) -> None:
    with declare(StubServer(tls=True)) as stub, stub.tls_stall():
        with (
            driver.client(stub, timeout=timeout, retry=None) as client,
            within(0.2 + SOON, at_least=0.2),
            pytest.raises(FlowTimeoutError) as caught,
        ):
            client.flow("echo")(1)
        stub.wait_until(lambda: stub.connections.open == 0)
    assert caught.value.clock == ("total" if timeout.total else "connect")
    assert not caught.value.work_may_have_run


@each_driver
@pytest.mark.parametrize("fault", [faults.trickle_headers(0.05), faults.delay_headers(5)], ids=str)
def test_the_total_clock_ends_a_wait_for_headers(driver: Driver, stub: StubServer, fault: Faults) -> None:
    stub.script("echo", fault)
    with (
        driver.client(stub, timeout=Timeout(total=0.2), retry=None) as client,
        within(0.2 + SOON, at_least=0.2),
        pytest.raises(FlowTimeoutError) as caught,
    ):
        client.flow("echo")(1)
    assert caught.value.clock == "total"
    assert caught.value.work_may_have_run


@contextmanager
def raw_server(serve: Callable[[socket.socket], object]) -> Iterator[str]:
    """A server of one connection, in a thread; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                serve(connection)

        served = spawn(work)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        served.result(5)


@each_driver
def test_a_server_that_does_not_read_ends_an_upload_by_the_idle_clock(driver: Driver) -> None:
    over = threading.Event()
    with raw_server(lambda _: over.wait(5)) as url:
        with driver.client(None, url=url, timeout=Timeout(idle=0.3), retry=None) as client:
            upload = "x" * 20_000_000
            with within(0.3 + 2 * SOON, at_least=0.3), pytest.raises(FlowTimeoutError) as caught:
                client.flow("echo")(upload)
        over.set()
    assert caught.value.clock == "idle"
    assert caught.value.work_may_have_run


@each_driver
def test_a_server_that_reads_slowly_does_not_stretch_the_total_clock(driver: Driver) -> None:
    def sip(connection: socket.socket) -> None:
        while not over.wait(0.01):
            connection.recv(65536)

    over = threading.Event()
    with raw_server(sip) as url:
        with driver.client(None, url=url, timeout=Timeout(total=0.3), retry=None) as client:
            upload = "x" * 40_000_000  # would take six seconds or more
            with within(3.0, at_least=0.3), pytest.raises(FlowTimeoutError) as caught:
                client.flow("echo")(upload)
        over.set()
    assert caught.value.clock == "total"


@each_driver
def test_a_server_may_answer_before_it_has_read_all(driver: Driver) -> None:
    def hasty(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        while connection.recv(1 << 20):
            pass

    with raw_server(hasty) as url:
        outcome = driver.call(StubServer(), "echo", "x" * 3_000_000, mode="unary", url=url, retry=None)
    assert isinstance(outcome.error, FlowStatusError)
    assert outcome.error.http_status == 413


@each_driver
@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 12\r\n\r\n%b",
        b"Content-Length: 12, 12\r\n\r\n%b",
        b"X: a\r\n b\r\nContent-Length: 12\r\n\r\n%b",
        b"Content-Length: 12\n\n%b",
        b"Transfer-Encoding: chunked\r\n\r\nc\r\n%b\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nc;x\r\n%b\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nc\r\n%b\r\n0;x\r\n\r\n",
    ],
)
def test_a_connection_on_which_the_server_said_too_much_is_not_reused(driver: Driver, body: bytes) -> None:
    """Or the rest would be taken for the answer to the next call."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + body
    left = threading.Event()

    def garrulous(connection: socket.socket) -> None:
        while not connection.recv(65536).endswith(b"}"):
            pass
        connection.sendall(answer % b'{"result":1}' + answer % b'{"result":2}')
        assert connection.recv(1) == b""
        left.set()

    with raw_server(garrulous) as url, driver.client(None, url=url) as client:
        assert client.flow("echo")(1) == 1
        assert left.wait(5)


@each_driver
def test_a_server_that_closes_during_an_upload_is_an_error_of_the_network(driver: Driver) -> None:
    with raw_server(lambda connection: connection.recv(1000)) as url:
        outcome = driver.call(StubServer(), "echo", "x" * 20_000_000, mode="unary", url=url, retry=None)
    assert isinstance(outcome.error, StreamInterruptedError)
    assert outcome.error.work_may_have_run


# --- cancelling from another thread -------------------------------------------------------------------

PATIENT: dict[str, Any] = {"timeout": Timeout(connect=60, idle=60), "retry": Retry()}


def cancelled_soon(stream: Any, ready: Callable[[], None] = lambda: None) -> FlowError:
    """The error of a read that another thread waits in while this one cancels."""
    reading = spawn(stream.result)
    ready()
    stream.cancel()
    error = reading.exception(2)
    assert isinstance(error, FlowCancelledError)
    return error


@each_driver
def test_cancelling_wakes_a_tls_handshake(driver: Driver) -> None:
    with declare(StubServer(tls=True)) as stub, stub.tls_stall(), driver.client(stub, **PATIENT) as client:
        stream = client.flow("echo").stream(1)
        error = cancelled_soon(stream, lambda: stub.wait_until(lambda: stub.connections.open == 1))
        assert not error.work_may_have_run
        stub.wait_until(lambda: stub.connections.open == 0)


@each_driver
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("reused", [False, True], ids=["new", "reused"])
def test_cancelling_wakes_a_wait_for_headers(driver: Driver, tls: bool, reused: bool) -> None:
    with declare(StubServer(tls=tls)) as stub, driver.client(stub, **PATIENT) as client:
        if reused:
            unary(client)
        stub.script("echo", faults.delay_headers(60))
        stream = client.flow("echo").stream(1)
        error = cancelled_soon(stream, lambda: stub.wait_until(lambda: len(stub.requests) == 1 + reused))
        assert error.work_may_have_run
        assert stub.requests[-1].nth == 1 + reused
        stub.wait_until(lambda: stub.connections.open == 0)


@each_driver
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_cancelling_wakes_a_read_of_the_body(driver: Driver, tls: bool) -> None:
    with declare(StubServer(tls=tls)) as stub, driver.client(stub, **PATIENT) as client:
        stub.script("count", faults.stall(after_chunks=1))
        stream = client.flow("count").stream(2)
        assert next(stream) == 0
        assert cancelled_soon(stream).received == 1
        stub.wait_until(lambda: stub.connections.open == 0)


@each_driver
def test_cancelling_wakes_a_wait_before_the_next_attempt(driver: Driver, stub: StubServer) -> None:
    stub.script("echo", faults.status(503, retry_after=60))
    with driver.client(stub, **PATIENT) as client:
        stream = client.flow("echo").stream(1)
        cancelled_soon(stream, lambda: stub.wait_until(lambda: stub.requests and not stub.connections.in_use))
    assert len(stub.requests) == 1


@each_driver
def test_nothing_is_sent_by_a_call_that_was_cancelled_while_it_connected(
    driver: Driver, stub: StubServer, hosts: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving, go_on = threading.Event(), threading.Event()
    hosts["server.test"] = ["127.0.0.1"]
    known = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        if host in ("server.test", b"server.test"):
            resolving.set()
            go_on.wait(5)
        return known(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with driver.client(None, url=f"http://server.test:{stub.port}", **PATIENT) as client:
        stream = client.flow("echo").stream(1)
        reading = spawn(stream.result)
        assert resolving.wait(5)
        stream.cancel()
        go_on.set()
        assert isinstance(reading.exception(2), FlowCancelledError)
        assert stub.requests == []
        stub.wait_until(lambda: stub.connections.open == 0)


@each_driver
def test_closing_wakes_a_reader_too(driver: Driver, stub: StubServer) -> None:
    stub.script("echo", faults.delay_headers(60))
    with driver.client(stub, **PATIENT) as client:
        stream = client.flow("echo").stream(1)
        reading = spawn(stream.result)
        stub.wait_until(lambda: stub.requests)
        stream.close()
        assert isinstance(reading.exception(2), FlowCancelledError)
        stub.wait_until(lambda: stub.connections.open == 0)


# --- whose credentials go where -----------------------------------------------------------------------


@each_driver
def test_headers_and_credentials_go_to_the_clients_own_origin_only(driver: Driver, stub: StubServer) -> None:
    with declare(StubServer()) as other:
        away = FlowDef("echo", path=f"{other.url}/echo")
        for auth in ("t0ken", ("user", "t0ken")):
            with driver.client(stub, headers={"X-Api-Key": "k3y"}, auth=auth) as client:
                assert client.flow("echo")(1) == client.flow(away)(1) == 1
        assert all("authorization" in request.headers for request in stub.requests)
        assert all(request.headers["x-api-key"] == "k3y" for request in stub.requests)
        for request in other.requests:
            assert not {"authorization", "x-api-key", "cookie"} & set(request.headers)


@each_driver
def test_userinfo_becomes_auth_and_is_never_shown(driver: Driver, stub: StubServer) -> None:
    url = stub.url.replace("//", "//user:s3cret@")
    stub.script("echo", None, faults.raw(b"nonsense\r\n\r\n"))
    with driver.client(stub, url=url, retry=None) as client:
        assert client.flow("echo")(1) == 1
        with pytest.raises(FlowError) as caught:
            client.flow("echo")(1)
        shown = f"{client.inner!r} {client.flow('echo').inner!r} {caught.value!r} {caught.value}"
    assert stub.requests[0].headers["authorization"] == "Basic dXNlcjpzM2NyZXQ="
    assert "s3cret" not in shown
    assert "dXNlcjpzM2NyZXQ" not in shown


@each_driver
def test_cookies_are_not_kept_since_callers_share_a_client(driver: Driver, stub: StubServer) -> None:
    cookie = faults.status(400, body=b"{}", headers=(("Set-Cookie", "session=alices; Path=/"),))
    stub.script("echo", cookie, None, None)
    with driver.client(stub, retry=None) as client:
        with pytest.raises(FlowError):
            client.flow("echo")(1)
        client.flow("echo")(1)
        client.with_options(headers={"Cookie": "mine=1"}).flow("echo")(1)
    assert [request.headers.get("cookie") for request in stub.requests] == [None, None, "mine=1"]


@each_driver
def test_a_redirect_is_not_followed(driver: Driver, stub: StubServer) -> None:
    with declare(StubServer()) as other:
        for code in (301, 302, 303, 307, 308):
            stub.script("echo", faults.status(code, headers=(("Location", f"{other.url}/echo"),)))
            outcome = driver.call(stub, "echo", 1, mode="unary", auth="t0ken")
            assert isinstance(outcome.error, ProtocolError)
            assert other.url in str(outcome.error)
        assert other.requests == []


@each_driver
@pytest.mark.parametrize("value", ["a\r\nX-Other: 1", "a\nb", "a\0b"], ids=repr)
def test_a_header_cannot_break_out_of_its_line(driver: Driver, stub: StubServer, value: str) -> None:
    with pytest.raises(ValueError, match="x-one") as caught, driver.client(stub, headers={"x-one": value}):
        pass
    assert value not in str(caught.value)
    with (
        driver.client(stub, headers=lambda: {"x-one": value}) as client,
        pytest.raises(ValueError, match="x-one"),
    ):
        client.flow("echo")(1)
    assert stub.requests == []


@each_driver
def test_answers_come_as_they_are_or_are_decoded_within_limits(driver: Driver, stub: StubServer) -> None:
    def zipped(data: bytes) -> Faults:
        return faults.status(
            200,
            body=gzip.compress(data),
            content_type="application/json",
            headers=(("Content-Encoding", "gzip"),),
        )

    stub.script("echo", zipped(b'{"result": 7}'), zipped(b'{"result": "%b"}' % (b"x" * 5_000_000)))
    with driver.client(stub, retry=None, max_response_bytes=100_000) as client:
        assert client.flow("echo")(1) == 7
        with pytest.raises(ProtocolError, match="larger than max_response_bytes"):
            client.flow("echo")(1)
    assert {request.headers["accept-encoding"] for request in stub.requests} == {"identity"}
