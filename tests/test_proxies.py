"""Proxies of the environment: chosen as httpx chooses; clocks and `cancel()` reach through real ones."""

import importlib.util
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from drivers import DRIVERS, Driver, spawn
from small_proxy import SmallProxy
from streamflow_client import (
    AsyncClient,
    Client,
    FlowCancelledError,
    FlowConnectionError,
    FlowStatusError,
    FlowTimeoutError,
    StreamInterruptedError,
    Timeout,
    default_http_client,
    testing,
)
from streamflow_client.testing import StubServer, faults
from streamflow_client.transport.settings import raise_as_httpx
from streamflow_client.transport.sync import ClockedTransport
from streamflow_client.wire.chunked import BodyTap

each_driver = pytest.mark.parametrize("driver", DRIVERS, ids=repr)
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
CERTS = Path(testing.__file__).parent / "certs"
SOON = 0.3
PATIENT = Timeout(connect=60, idle=60)

needs_socks = pytest.mark.skipif(importlib.util.find_spec("socksio") is None, reason="needs httpx[socks]")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set proxy variables; none are left from outside."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def put(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name.upper(), value)

    return put


def declare(stub: StubServer) -> StubServer:
    @stub.flow
    def echo(request: Any) -> Any:
        return request

    @stub.flow
    def count(request: int, send: Callable[[int], None]) -> int:
        for number in range(request):
            send(number)
        return request

    return stub


@contextmanager
def within(seconds: float, at_least: float = 0.0) -> Iterator[None]:
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert at_least - 0.01 <= took <= seconds, f"took {took:.2f} s"


# --- which proxy ---------------------------------------------------------------------------------------

URLS = [
    f"{scheme}://{host}/flow"
    for scheme in ("http", "https")
    for host in (
        "example.com",
        "www.example.com",
        "wwwexample.com",
        "example.com:8080",
        "other.org",
        "localhost:3400",
        "LOCALHOST",
        "127.0.0.1:3400",
        "10.1.2.3",
        "[::1]:3400",
        "[::2]",
    )
]

ENVIRONMENTS: list[dict[str, str]] = [
    {},
    {"http_proxy": "http://one:1"},
    {"https_proxy": "http://one:1"},
    {"all_proxy": "http://one:1"},
    {"http_proxy": "one:1", "https_proxy": "https://two:2"},
    {"http_proxy": "http://one:1", "all_proxy": "http://three:3"},
    {"http_proxy": "http://user:p%40ss@one:1"},
    {"all_proxy": "http://one:1", "no_proxy": "*"},
    {"all_proxy": "http://one:1", "no_proxy": "example.com"},
    {"all_proxy": "http://one:1", "no_proxy": ".example.com"},
    {"all_proxy": "http://one:1", "no_proxy": "localhost,127.0.0.1,::1"},
    {"all_proxy": "http://one:1", "no_proxy": " LocalHost , 10.1.2.0/24 ,, example.com:8080"},
    {"all_proxy": "http://one:1", "no_proxy": "10.1.2.3/32, ::2"},
    {"all_proxy": "http://one:1", "no_proxy": "https://example.com"},
    {"all_proxy": "http://one:1", "no_proxy": "http://example.com, other.org, *"},
    {"http_proxy": "", "all_proxy": "http://one:1"},
    {"no_proxy": "example.com"},
]


@pytest.mark.parametrize("variables", ENVIRONMENTS, ids=str)
def test_each_url_takes_the_proxy_that_httpx_would_take(
    environment: Callable[..., None], variables: dict[str, str]
) -> None:
    environment(**variables)
    with httpx.Client(verify=ssl.create_default_context()) as theirs, default_http_client() as ours:
        for url in URLS:
            expected = _proxy_of(theirs._transport_for_url(httpx.URL(url)))
            assert _proxy_of(ours._transport_for_url(httpx.URL(url))) == expected, url


def _proxy_of(transport: Any) -> tuple[Any, ...] | None:
    """Where it is, and what it is told."""
    if isinstance(transport, ClockedTransport):
        proxy = transport._proxy
        if proxy is None:
            return None
        authorization = httpx.BasicAuth(*proxy.auth)._auth_header if proxy.auth else None
        return proxy.url.raw_scheme, proxy.url.raw_host, proxy.url.port, authorization
    pool = transport._pool
    if not hasattr(pool, "_proxy_url"):
        return None
    headers = dict(pool._proxy_headers)
    authorization = headers.get(b"Proxy-Authorization", b"").decode() or None
    return pool._proxy_url.scheme, pool._proxy_url.host, pool._proxy_url.port, authorization


def test_a_variable_that_names_no_proxy_is_refused_without_its_password(
    environment: Callable[..., None],
) -> None:
    environment(http_proxy="gopher://user:s3cret@one:1")
    with pytest.raises(ValueError, match="scheme") as caught:
        Client("http://localhost:3400")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("make", [Client, AsyncClient])
def test_a_socks_proxy_without_its_package_is_told_at_once(
    environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch, make: Callable[[str], object]
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    environment(all_proxy="socks5://user:s3cret@127.0.0.1:1080")
    with pytest.raises(ImportError, match=r"pip install 'httpx\[socks\]'") as caught:
        make("http://localhost:3400")
    assert "s3cret" not in str(caught.value)


# --- through a proxy -----------------------------------------------------------------------------------


@pytest.fixture(params=["http", "https"])
def stub(request: pytest.FixtureRequest) -> Iterator[StubServer]:
    """Plain, which is forwarded, or TLS, which is tunnelled."""
    with declare(StubServer(tls=request.param == "https", keep_alive=60)) as stub:
        yield stub


def asked_for(stub: StubServer, flow: str = "echo") -> str:
    if stub.url.startswith("https"):
        return f"CONNECT localhost:{stub.port}"
    return f"POST {stub.url}/{flow}"


@each_driver
def test_calls_go_through_and_reuse_the_connection(
    driver: Driver, stub: StubServer, environment: Callable[..., None]
) -> None:
    with SmallProxy() as proxy:
        environment(all_proxy=f"http://{proxy.address}")
        with driver.client(stub) as client:
            for number in range(3):
                assert client.flow("echo")(number) == number
            with client.flow("count").stream(3) as stream:
                assert list(stream) == [0, 1, 2]
                assert stream.result() == 3
        proxy.wait_until_left()
    assert proxy.accepted == 1
    assert proxy.asked[0] == asked_for(stub)
    assert [(request.connection, request.nth) for request in stub.requests] == [(1, n) for n in (1, 2, 3, 4)]


@each_driver
def test_streams_at_once_have_a_connection_each(
    driver: Driver, stub: StubServer, environment: Callable[..., None]
) -> None:
    with SmallProxy() as proxy:
        environment(all_proxy=f"http://{proxy.address}")
        with driver.client(stub) as client, ExitStack() as stack:
            streams = [stack.enter_context(client.flow("count").stream(n)) for n in range(5)]
            assert [stream.result() for stream in streams] == list(range(5))
        proxy.wait_until_left()
    assert proxy.accepted == 5


@each_driver
def test_a_server_that_is_bypassed_is_spoken_to_directly(
    driver: Driver, stub: StubServer, environment: Callable[..., None]
) -> None:
    with SmallProxy() as proxy:
        environment(all_proxy=f"http://{proxy.address}", no_proxy="localhost,127.0.0.1")
        assert driver.call(stub, "echo", 1, mode="unary").output == 1
    assert proxy.accepted == 0


@each_driver
def test_the_proxys_credentials_go_to_the_proxy_only(
    driver: Driver, stub: StubServer, environment: Callable[..., None]
) -> None:
    with SmallProxy(auth=("user", "p@ss")) as proxy:
        environment(all_proxy=f"http://user:p%40ss@{proxy.address}")
        with driver.client(stub, auth="t0ken") as client:
            assert client.flow("echo")(1) == 1
            assert client.flow("echo")(2) == 2
    assert all("proxy-authorization" not in request.headers for request in stub.requests)
    if stub.url.startswith("https"):
        assert b"t0ken" not in b"".join(proxy.heads)  # it stays within the tunnel


@each_driver
def test_a_proxy_that_wants_other_credentials_is_an_error_without_them(
    driver: Driver, stub: StubServer, environment: Callable[..., None]
) -> None:
    with SmallProxy(auth=("user", "right")) as proxy:
        environment(all_proxy=f"http://user:wr0ng@{proxy.address}")
        with (
            driver.client(stub, retry=None) as client,
            pytest.raises((FlowConnectionError, FlowStatusError)) as caught,
        ):
            client.flow("echo")(1)
        proxy.wait_until_left()
    assert "407" in str(caught.value)
    assert "wr0ng" not in repr(caught.value) + str(caught.value)
    assert stub.requests == []
    if stub.url.startswith("https"):  # else the answer cannot be told from the server's
        assert isinstance(caught.value, FlowConnectionError)
        assert f"through the proxy http://{proxy.address}" in str(caught.value)
        assert not caught.value.work_may_have_run


@each_driver
def test_a_proxy_that_refuses_to_connect_is_an_error_of_the_connection(
    driver: Driver, environment: Callable[..., None]
) -> None:
    answer = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\nsorry"
    with declare(StubServer(tls=True)) as stub, SmallProxy(answer=answer) as proxy:
        environment(https_proxy=f"http://{proxy.address}")
        outcome = driver.call(stub, "echo", 1, mode="unary", retry=None)
        proxy.wait_until_left()
    assert isinstance(outcome.error, FlowConnectionError)
    assert "502 Bad Gateway" in str(outcome.error)
    assert not outcome.error.work_may_have_run


@each_driver
@pytest.mark.parametrize("answer", [b"SSH-2.0-nonsense\r\n\r\n", b"HTTP/1.1 20", b""], ids=repr)
def test_a_proxy_that_breaks_off_before_the_tunnel_has_not_sent_the_request(
    driver: Driver, environment: Callable[..., None], answer: bytes
) -> None:
    with declare(StubServer(tls=True)) as stub, SmallProxy(answer=answer) as proxy:
        environment(https_proxy=f"http://{proxy.address}")
        outcome = driver.call(stub, "echo", 1, mode="unary", retry=None)
        proxy.wait_until_left()
    assert isinstance(outcome.error, FlowConnectionError)
    assert not outcome.error.work_may_have_run


@each_driver
def test_a_proxy_that_is_not_there_is_named(
    driver: Driver, stub: StubServer, environment: Callable[..., None]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    environment(all_proxy=f"http://user:s3cret@{address}")
    outcome = driver.call(stub, "echo", 1, mode="unary", retry=None)
    assert isinstance(outcome.error, FlowConnectionError)
    assert f"refused (through the proxy http://{address})" in str(outcome.error)
    assert "s3cret" not in repr(outcome.error) + str(outcome.error)


@each_driver
def test_a_proxy_that_does_not_answer_ends_by_a_clock(
    driver: Driver, stub: StubServer, environment: Callable[..., None]
) -> None:
    """The way through the proxy belongs to connecting; a forwarded request was sent."""
    secure = stub.url.startswith("https")
    with SmallProxy(deaf=True) as proxy:
        environment(all_proxy=f"http://{proxy.address}")
        timeout = Timeout(connect=0.2, idle=60) if secure else Timeout(idle=0.2)
        with (
            driver.client(stub, timeout=timeout, retry=None) as client,
            within(0.2 + SOON, at_least=0.2),
            pytest.raises(FlowTimeoutError) as caught,
        ):
            client.flow("echo")(1)
        proxy.wait_until_left()
    assert caught.value.clock == ("connect" if secure else "idle")
    assert caught.value.work_may_have_run is not secure


@each_driver
def test_clocks_and_drops_behind_a_proxy_leave_nothing(
    driver: Driver, stub: StubServer, environment: Callable[..., None]
) -> None:
    with SmallProxy() as proxy:
        environment(all_proxy=f"http://{proxy.address}")
        with driver.client(stub, timeout=Timeout(idle=0.2), retry=None) as client:
            stall = faults.stall(after_chunks=1)
            stub.script("count", stall, faults.drop(after_chunks=1), stall)
            with within(0.2 + SOON, at_least=0.2), pytest.raises(FlowTimeoutError):
                client.flow("count").stream(2).result()
            with pytest.raises(StreamInterruptedError):
                client.flow("count").stream(2).result()
            stream = client.flow("count").stream(2)
            next(stream)
            stream.close()
            proxy.wait_until_left()
            assert client.flow("echo")(1) == 1
        proxy.wait_until_left()
        stub.wait_until(lambda: stub.connections.open == 0)


@each_driver
@pytest.mark.parametrize("deaf", [True, False], ids=["connecting", "headers"])
def test_cancelling_wakes_a_wait_behind_a_proxy(
    driver: Driver, stub: StubServer, environment: Callable[..., None], deaf: bool
) -> None:
    stub.script("echo", faults.delay_headers(60))
    with SmallProxy(deaf=deaf) as proxy:
        environment(all_proxy=f"http://{proxy.address}")
        with driver.client(stub, timeout=PATIENT) as client:
            stream = client.flow("echo").stream(1)
            reading = spawn(stream.result)
            proxy.wait_until_asked() if deaf else stub.wait_until(lambda: stub.requests)
            stream.cancel()
            assert isinstance(reading.exception(2), FlowCancelledError)
            proxy.wait_until_left()


# --- a proxy behind TLS ----------------------------------------------------------------------------------


def proxy_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTS / "server.pem", CERTS / "server.key")
    return context


@each_driver
@pytest.mark.usefixtures("no_ssl_context")
def test_a_proxy_behind_tls_is_checked_and_used(
    driver: Driver, stub: StubServer, environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[ssl.SSLContext] = []
    build = ssl.create_default_context

    def counted(**options: Any) -> ssl.SSLContext:
        built.append(build(**options))
        return built[-1]

    with SmallProxy(tls=proxy_context()) as proxy:
        environment(all_proxy=f"https://{proxy.address}")
        outcome = driver.call(stub, "echo", 1, mode="unary", retry=None)
        assert isinstance(outcome.error, FlowConnectionError)
        assert "certificate" in str(outcome.error).lower()
        assert proxy.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(stub.ca_file))
        with driver.client(stub) as client:
            monkeypatch.setattr(ssl, "create_default_context", counted)
            assert client.flow("echo")(1) == 1
            with client.flow("count").stream(3) as stream, client.flow("count").stream(1):
                assert list(stream) == [0, 1, 2]
        proxy.wait_until_left()
    assert len(built) == 1
    assert proxy.asked[0] == asked_for(stub)


@each_driver
@pytest.mark.usefixtures("no_ssl_context")
def test_a_tunnel_that_breaks_behind_tls_has_not_sent_the_request(
    driver: Driver, environment: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with declare(StubServer(tls=True)) as stub, SmallProxy(tls=proxy_context(), answer=b"") as proxy:
        monkeypatch.setenv("SSL_CERT_FILE", str(stub.ca_file))
        environment(all_proxy=f"https://{proxy.address}")
        outcome = driver.call(stub, "echo", 1, mode="unary", retry=None)
    assert isinstance(outcome.error, FlowConnectionError)
    assert not outcome.error.work_may_have_run


# --- SOCKS -----------------------------------------------------------------------------------------------


@needs_socks
@each_driver
def test_calls_go_through_a_socks_proxy(
    driver: Driver, stub: StubServer, environment: Callable[..., None]
) -> None:
    with SmallProxy("socks5", auth=("user", "pass")) as proxy:
        environment(all_proxy=f"socks5://user:pass@{proxy.address}")
        with driver.client(stub) as client:
            assert client.flow("echo")(1) == 1
            assert client.flow("echo")(2) == 2
        proxy.wait_until_left()
    assert len(proxy.asked) == 1
    assert [request.nth for request in stub.requests] == [1, 2]


@each_driver
@pytest.mark.usefixtures("no_ssl_context")
@pytest.mark.parametrize("kind", ["direct", "http", "https", pytest.param("socks5", marks=needs_socks)])
def test_bodies_are_taken_out_before_h11_on_every_way(
    driver: Driver,
    stub: StubServer,
    environment: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    """In plain text or within TLS, but nothing of what is said to a proxy."""
    frames = [b'data: {"message":%d}\n\n' % number for number in range(99)] + [b'data: {"result":99}\n\n']
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(frame), frame) for frame in frames)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    bodies: list[bytes] = []
    take = BodyTap.take

    def told(tap: BodyTap) -> bytes:
        bodies.append(take(tap))
        return bodies[-1]

    monkeypatch.setattr(BodyTap, "take", told)
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTS / "ca.pem"))
    stub.script("count", faults.raw(head + chunks + b"0\r\n\r\n"))
    tls = proxy_context() if kind == "https" else None
    with SmallProxy("socks5" if kind == "socks5" else "http", tls=tls) as proxy:
        if kind != "direct":
            environment(all_proxy=f"{kind}://{proxy.address}")
        outcome = driver.call(stub, "count", 99)
    assert (outcome.chunks, outcome.output) == ([*range(99)], 99)
    assert len(proxy.asked) == (kind != "direct")
    assert b"".join(bodies) == b"".join(frames)


@needs_socks
@each_driver
@pytest.mark.parametrize("answer", [None, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x05\xff", b""], ids=repr)
def test_a_socks_proxy_that_does_not_let_through_has_not_sent_the_request(
    driver: Driver, stub: StubServer, environment: Callable[..., None], answer: bytes | None
) -> None:
    with SmallProxy("socks5", auth=("user", "right"), answer=answer) as proxy:
        environment(all_proxy=f"socks5://user:wr0ng@{proxy.address}")
        with (
            driver.client(stub, retry=None) as client,
            pytest.raises(FlowConnectionError, match="through the proxy socks5://127") as caught,
        ):
            client.flow("echo")(1)
        proxy.wait_until_left()
    assert not caught.value.work_may_have_run
    assert "wr0ng" not in str(caught.value)


@needs_socks
@each_driver
def test_a_socks_proxy_that_does_not_answer_ends_by_the_connect_clock(
    driver: Driver, stub: StubServer, environment: Callable[..., None]
) -> None:
    with SmallProxy("socks5", deaf=True) as proxy:
        environment(all_proxy=f"socks5://{proxy.address}")
        with (
            driver.client(stub, timeout=Timeout(connect=0.2, idle=60), retry=None) as client,
            within(0.2 + SOON, at_least=0.2),
            pytest.raises(FlowTimeoutError) as caught,
        ):
            client.flow("echo")(1)
        proxy.wait_until_left()
    assert caught.value.clock == "connect"


def test_what_a_socks_proxy_makes_httpcore_raise_is_an_error_of_the_proxy() -> None:
    proxy = httpx.Proxy("socks5://user:s3cret@127.0.0.1:1080")
    told = r"the proxy does not speak SOCKS5 \(through the proxy socks5://127.0.0.1:1080\)$"
    with pytest.raises(httpx.ProxyError, match=told):
        raise_as_httpx(AssertionError(), proxy)
    for other in (httpx.Proxy("http://127.0.0.1:1"), None):
        raise_as_httpx(AssertionError(), other)  # not ours to judge
