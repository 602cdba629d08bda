"""`aiohttp_http_client`: set up as our own default is, exact where httpx-aiohttp is not. What goes wrong on
it is a column of the fault matrix; here is what the matrix does not see, and a caller's own over aiohttp.
"""

import asyncio
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import aiohttp
import anyio
import httpx
import httpx_aiohttp
import pytest

from drivers import OVER_AIOHTTP, TRUSTING_NONE, spawn
from small_proxy import SmallProxy
from streamflow_client import (
    AsyncClient,
    FlowCancelledError,
    FlowConnectionError,
    FlowDef,
    FlowError,
    FlowTimeoutError,
    ProtocolError,
    Retry,
    StreamInterruptedError,
    Timeout,
    aiohttp_http_client,
)
from streamflow_client.testing import Faults, StubServer, faults
from streamflow_client.transport import over_aiohttp

COUNT = FlowDef("count", input=int, chunk=int, output=int)
SOON = 3.0  # seconds
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"result":1}'


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def stub() -> Iterator[StubServer]:
    with StubServer(keep_alive=60) as stub:
        stub.flow(count)
        stub.flow(echo)
        yield stub


def count(n: int, send: Callable[[int], None]) -> int:
    for number in range(n):
        send(number)
    return n


def echo(given: Any) -> Any:
    return given


@contextmanager
def raw_server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """What it is given is one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connection, _ = listener.accept()
            with connection:
                serve(connection)

        serving = spawn(accept)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        serving.result(5)


def head_of(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    return data


# --- an extra ----------------------------------------------------------------------------------------


def test_importing_the_package_imports_nothing_of_aiohttp() -> None:
    code = "import sys, streamflow_client; print([name for name in sys.modules if 'aiohttp' in name])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


@pytest.mark.parametrize("missing", ["aiohttp", "httpx_aiohttp"])
def test_without_the_extra_it_says_what_to_install(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "streamflow_client.transport.over_aiohttp")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r"pip install 'streamflow-client\[aiohttp\]'"):
        aiohttp_http_client()


def test_on_trio_it_says_what_to_use() -> None:
    async def main() -> None:
        async with (
            aiohttp_http_client() as http,
            AsyncClient("http://127.0.0.1:9", http_client=http) as client,
        ):
            with pytest.raises(RuntimeError, match=r"asyncio only.*default_async_http_client"):
                await client.flow(COUNT)(1)

    anyio.run(main, backend="trio")


def test_a_second_event_loop_needs_a_client_of_its_own(stub: StubServer) -> None:
    http = aiohttp_http_client()

    async def main() -> None:
        assert await AsyncClient(stub.url, http_client=http).flow("echo")(1) == 1

    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(main())
        with pytest.raises(RuntimeError, match="another event loop; make one for each"):
            second.run(main())
        first.run(http.aclose())


# --- set up as ours is -------------------------------------------------------------------------------


async def test_there_is_no_limit_of_connections(stub: StubServer) -> None:
    """aiohttp's own is 100."""
    stub.always("count", faults.stall(after_chunks=1))
    async with aiohttp_http_client() as http, AsyncClient(stub.url, http_client=http) as client:
        streams = [client.flow(COUNT).stream(2) for _ in range(120)]
        with anyio.fail_after(20):
            assert [await anext(stream) for stream in streams] == [0] * 120


async def test_no_cookie_is_kept(stub: StubServer) -> None:
    stub.script("echo", faults.status(503, retry_after=0, headers=(("Set-Cookie", "a=1; Path=/"),)))
    async with aiohttp_http_client() as http, AsyncClient(stub.url, http_client=http) as client:
        assert await client.flow("echo")(1) == 1
        assert await client.flow("echo").with_options(headers={"Cookie": "b=2"})(1) == 1
    assert [request.headers.get("cookie") for request in stub.requests] == [None, None, "b=2"]


async def test_a_connection_that_was_idle_too_long_is_not_used_again(
    stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(over_aiohttp, "REUSE_SECONDS", 1e-9)
    async with aiohttp_http_client() as http, AsyncClient(stub.url, http_client=http) as client:
        for _ in range(2):
            assert await client.flow("echo")(1) == 1
    assert stub.connections.accepted == 2


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
async def test_a_connection_that_its_server_closes_while_the_loop_is_busy_is_not_used_again(
    tls: bool,
) -> None:
    with StubServer(tls=tls) as stub:
        stub.flow(echo)
        stub.script("echo", faults.close_idle_after(0.1))
        async with aiohttp_http_client(verify=stub.client_ssl_context()) as http:
            client = AsyncClient(stub.url, http_client=http, retry=None)
            assert await client.flow("echo")(1) == 1
            stub.wait_until(lambda: stub.connections.open == 0)  # the loop stands still
            assert await client.flow("echo")(1) == 1


async def test_proxies_of_the_environment_are_used(stub: StubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("http", "socks5"):
        with SmallProxy(kind) as proxy:
            monkeypatch.setenv("HTTP_PROXY", f"{kind}://{proxy.address}")
            monkeypatch.setenv("NO_PROXY", "")
            async with aiohttp_http_client() as http, AsyncClient(stub.url, http_client=http) as client:
                assert [number async for number in client.flow(COUNT).stream(2)] == [0, 1]
            assert len(proxy.asked) == 1


async def test_reading_certificates_is_left_until_a_server_needs_them(
    stub: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = list[ssl.SSLContext]()

    def shared() -> ssl.SSLContext:
        read.append(TRUSTING_NONE)
        return TRUSTING_NONE

    monkeypatch.setattr(over_aiohttp, "shared_ssl_context", shared)
    async with aiohttp_http_client() as http:
        async with AsyncClient(stub.url, http_client=http) as client:
            assert await client.flow("echo")(1) == 1
        assert read == []
        with StubServer(tls=True) as secure:
            async with AsyncClient(secure.url, http_client=http, retry=None) as client:
                with pytest.raises(FlowConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
                    await client.flow("echo")(1)
        assert read == [TRUSTING_NONE]


async def test_tls_takes_a_callers_context() -> None:
    with StubServer(tls=True) as stub:
        stub.flow(echo)
        async with aiohttp_http_client(verify=stub.client_ssl_context()) as http:
            assert await AsyncClient(stub.url, http_client=http).flow("echo")("ü") == "ü"


async def test_a_url_goes_out_as_it_is() -> None:
    """Whatever aiohttp thinks of it: it would take %2E%2E for a step up."""
    heads = list[bytes]()

    def serve(connection: socket.socket) -> None:
        heads.append(head_of(connection))
        connection.sendall(ANSWER)

    path = "/a%2Fb/%2E%2E/%7Ec;d?e=%2F+%26&f=[1]"
    with raw_server(serve) as url:
        async with aiohttp_http_client() as http:
            assert (await http.post(url + path)).json() == {"result": 1}
    assert heads[0].startswith(f"POST {path} HTTP/1.1\r\n".encode())


async def test_long_header_lines_are_taken() -> None:
    def serve(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(ANSWER.replace(b"\r\n", b"\r\nX-Long: " + b"x" * 60_000 + b"\r\n", 1))

    with raw_server(serve) as url:
        async with aiohttp_http_client() as http:
            assert await AsyncClient(url, http_client=http).flow("x")() == 1


async def test_a_large_input_and_a_large_output_come_through(stub: StubServer) -> None:
    large = "x" * 3_000_000
    async with aiohttp_http_client() as http, AsyncClient(stub.url, http_client=http) as client:
        assert await client.flow("echo")(large) == large
        assert await client.flow("echo").stream(large).result() == large


async def test_it_can_be_used_by_itself(stub: StubServer) -> None:
    async with aiohttp_http_client() as http:
        response = await http.post(f"{stub.url}/echo", json={"data": 1})
        assert response.json() == {"result": 1}
        stub.script("echo", faults.delay_headers(5))
        with pytest.raises(httpx.ReadTimeout):
            await http.post(f"{stub.url}/echo", json={"data": 1}, timeout=0.05)
    assert stub.requests[0].headers["user-agent"].startswith("streamflow-client/")


async def test_a_body_that_is_made_as_it_goes_is_sent(stub: StubServer) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"data": '
        yield b'"made"}'

    async with aiohttp_http_client() as http:
        response = await http.post(f"{stub.url}/echo", content=pieces())
        assert response.json() == {"result": "made"}


# --- connections that break --------------------------------------------------------------------------

CHUNK = b'data: {"message": 0}\n\n'
HALVES = {
    "cut": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(CHUNK), CHUNK),
    "reset, no other end": b"HTTP/1.0 200 OK\r\n\r\n" + CHUNK,
}


@pytest.mark.parametrize("how", HALVES)
async def test_what_came_before_is_delivered(how: str) -> None:
    """aiohttp raises first, and takes a reset for the end of a body that has no other."""
    read = threading.Event()

    def serve(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(HALVES[how])
        if how != "cut":
            assert read.wait(5)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with raw_server(serve) as url:
        async with aiohttp_http_client() as http:
            stream = AsyncClient(url, http_client=http).flow(COUNT).stream(2)
            async with stream:
                if how == "cut":
                    await asyncio.sleep(0.05)  # by now aiohttp knows that the connection is gone
                assert await anext(stream) == 0
                read.set()
                with pytest.raises(StreamInterruptedError, match="connection was lost") as caught:
                    await anext(stream)
    assert caught.value.received == 1


# --- clocks and cancelling ---------------------------------------------------------------------------


async def test_a_server_that_does_not_read_is_no_reason_to_wait_forever() -> None:
    over = threading.Event()

    def serve(_: socket.socket) -> None:
        over.wait(20)

    with raw_server(serve) as url:
        async with aiohttp_http_client() as http:
            client = AsyncClient(url, http_client=http, timeout=Timeout(idle=0.2), retry=None)
            with anyio.fail_after(10), pytest.raises(FlowTimeoutError) as caught:
                await client.flow("echo")("x" * 20_000_000)  # more than sockets hold
        over.set()
    assert caught.value.clock == "idle"
    assert caught.value.work_may_have_run


async def test_a_stopped_call_does_not_touch_a_connection_that_serves_another_by_now(
    stub: StubServer,
) -> None:
    """aiohttp takes a connection back as soon as the response has come, read or not."""
    stub.script("count", None, faults.stall(after_chunks=1))
    async with aiohttp_http_client() as http, AsyncClient(stub.url, http_client=http, retry=None) as client:
        first = client.flow(COUNT).stream(2)
        await first.__aenter__()
        await anyio.to_thread.run_sync(lambda: stub.wait_until(lambda: stub.connections.in_use == 0))
        for _ in range(5):
            await asyncio.sleep(0)
        second = client.flow(COUNT).stream(2)
        assert await anext(second) == 0
        assert stub.requests[1].connection == stub.requests[0].connection
        first.cancel()
        with pytest.raises(FlowCancelledError):
            await first.result()
        with anyio.move_on_after(0.05) as waited:
            await anext(second)
        assert waited.cancelled_caught


async def test_a_call_that_is_stopped_while_it_connects_sends_nothing(stub: StubServer) -> None:
    exchange: Any = SimpleNamespace(stopped=True)
    passage = over_aiohttp._Passage(httpx.Request("POST", stub.url), exchange)
    with pytest.raises(httpx.ReadError, match="stopped"):
        passage.sends()


async def test_a_forgotten_stream_is_closed_and_told(stub: StubServer) -> None:
    stub.script("count", faults.stall(after_chunks=1))
    async with aiohttp_http_client() as http, AsyncClient(stub.url, http_client=http) as client:
        stream = client.flow(COUNT).stream(2)
        assert await anext(stream) == 0
        with pytest.warns(ResourceWarning, match="unclosed stream of flow 'count'"):
            del stream
        assert await client.flow("echo")(1) == 1
        await anyio.to_thread.run_sync(lambda: stub.wait_until(lambda: stub.connections.open == 1))


CLOCKS = {"idle": Timeout(idle=0.2), "progress": Timeout(progress=0.2), "total": Timeout(total=0.2)}


@pytest.mark.parametrize("clock", CLOCKS)
async def test_a_clock_that_stood_still_while_the_caller_was_away_runs_again(
    stub: StubServer, clock: str
) -> None:
    stub.script("count", faults.stall(after_chunks=1))
    async with (
        aiohttp_http_client() as http,
        AsyncClient(stub.url, http_client=http, timeout=CLOCKS[clock], retry=None) as client,
        client.flow(COUNT).stream(2) as stream,
    ):
        assert await anext(stream) == 0
        await asyncio.sleep(0.25)  # longer than it
        with anyio.fail_after(SOON), pytest.raises(FlowTimeoutError) as caught:
            await anext(stream)
        assert caught.value.clock == clock


# --- a caller's own client over aiohttp --------------------------------------------------------------

FAULTS: list[tuple[str, Faults, type[FlowError]]] = [
    ("no answer", faults.close_before_response(), StreamInterruptedError),
    ("reset", faults.reset(after_chunks=1), StreamInterruptedError),
    ("drop", faults.drop(after_chunks=1), StreamInterruptedError),
    ("not HTTP", faults.raw(b"220 mail ESMTP\r\n\r\n"), ProtocolError),
    ("silence", faults.stall(after_chunks=1), FlowTimeoutError),
]


@pytest.mark.parametrize(("fault", "kind"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
async def test_what_breaks_there_is_told_rightly_and_runs_nothing_again(
    stub: StubServer, fault: Faults, kind: type[FlowError]
) -> None:
    """httpx-aiohttp calls a server that goes away a `ConnectTimeout`: as if nothing had been sent."""
    stub.script("count", fault)
    async with httpx_aiohttp.HttpxAiohttpClient(verify=TRUSTING_NONE) as http:
        client = AsyncClient(stub.url, http_client=http, timeout=Timeout(idle=0.5))
        with pytest.raises(kind) as caught:
            await client.flow(COUNT).stream(2).result()
        assert type(caught.value) is kind
        assert len(stub.requests) == 1
        assert await client.flow("echo")(1) == 1


async def test_a_server_that_refuses_is_not_reached() -> None:
    with StubServer() as gone:
        url = gone.url
    for make in (aiohttp_http_client, lambda: httpx_aiohttp.HttpxAiohttpClient(verify=TRUSTING_NONE)):
        async with make() as http:
            client = AsyncClient(url, http_client=http, retry=Retry(2, wait_initial=0.001))
            with pytest.raises(FlowConnectionError, match=r"2 attempts") as caught:
                await client.flow("echo")(1)
        assert type(caught.value) is FlowConnectionError


async def test_cancelling_wakes_a_read_of_which_no_socket_is_known(stub: StubServer) -> None:
    stub.script("count", faults.stall(after_chunks=1))
    async with httpx_aiohttp.HttpxAiohttpClient(verify=TRUSTING_NONE) as http:
        client = AsyncClient(stub.url, http_client=http)
        stream = client.flow(COUNT).stream(2)
        assert await anext(stream) == 0
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: anyio.to_thread.run_sync(stream.cancel))
            with anyio.fail_after(SOON), pytest.raises(FlowCancelledError):
                await stream.result()


def test_its_driver_is_on_asyncio() -> None:
    assert (repr(OVER_AIOHTTP), OVER_AIOHTTP.library) == ("asyncio-aiohttp", aiohttp)


# --- what is malformed -------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [b"zz\r\n", b" 5\r\n", b"1\r\nab", b"-1\r\n"])
async def test_a_malformed_chunk_behind_good_ones_ends_the_stream(wrong: bytes) -> None:
    """aiohttp closes the connection then, and tells nobody."""
    taken = threading.Event()
    chunk = b'data: {"message":1}\n\n'

    def malformed(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        taken.wait(5)
        connection.sendall(wrong)
        connection.recv(1)

    with raw_server(malformed) as url:
        async with (
            aiohttp_http_client() as http,
            AsyncClient(url, http_client=http, retry=None, timeout=5) as client,
            client.flow("f").stream() as stream,
        ):
            assert await anext(stream) == 1
            taken.set()
            with pytest.raises(StreamInterruptedError, match="the connection was lost"):
                await anext(stream)


async def test_an_answer_that_nobody_asked_for_is_not_the_next_calls() -> None:
    """aiohttp takes it for that, where it came while the connection waited."""
    told, sent = threading.Event(), threading.Event()
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"result":%d}'
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                head_of(connection)
                connection.sendall(answer % 1)
                told.wait(5)
                connection.sendall(answer % 2)
                sent.set()
                other, _ = listener.accept()
                with other:
                    head_of(other)
                    other.sendall(answer % 3)
                    other.recv(65536)

        serving = spawn(serve)
        async with (
            aiohttp_http_client() as http,
            AsyncClient(f"http://127.0.0.1:{listener.getsockname()[1]}", http_client=http) as client,
        ):
            assert await client.flow("f")() == 1
            told.set()
            assert await asyncio.to_thread(sent.wait, 5)
            assert await client.flow("f")() == 3
        serving.result(5)
