"""TLS of the default transports: whom they trust, what they show, and how often that is worked out."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from drivers import DRIVERS, EVERY_DRIVER, Driver, spawn
from streamflow_client import (
    FlowConnectionError,
    FlowError,
    StreamInterruptedError,
    Timeout,
    default_http_client,
    testing,
)
from streamflow_client.testing import StubServer
from streamflow_client.transport import settings

CALLER = Path(__file__).parent / "certs" / "client.pem"
CERTS = Path(testing.__file__).parent / "certs"
every = pytest.mark.parametrize("driver", EVERY_DRIVER)
each_driver = pytest.mark.parametrize("driver", DRIVERS, ids=repr)


class TlsStub(StubServer):
    """A TLS stub that notes the names it is asked for, and can insist on the caller's certificate."""

    def __init__(self, *, insists: bool = False) -> None:
        super().__init__(tls=True)
        self.names: list[str | None] = []
        self._insists = insists

        @self.flow
        def echo(request: Any) -> Any:
            return request

    def _server_ssl_context(self) -> ssl.SSLContext | None:
        context = super()._server_ssl_context()
        assert context is not None
        context.sni_callback = lambda _connection, name, _context: self.names.append(name)
        if self._insists:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(CALLER)
        return context


@pytest.fixture
def stub() -> Iterator[TlsStub]:
    with TlsStub() as stub:
        yield stub


@pytest.fixture
def built(no_ssl_context: None, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every default context that is built from here on, beginning with none; httpx builds its with this."""
    calls: list[dict[str, Any]] = []
    real = ssl.create_default_context

    def create(*args: Any, **options: Any) -> ssl.SSLContext:
        calls.append(options)
        return real(*args, **options)

    monkeypatch.setattr(ssl, "create_default_context", create)
    return calls


def untrusting(driver: Driver, stub: StubServer, url: str, **options: Any) -> Any:
    """A client with the default trust, whatever the drivers usually do for TLS stubs."""
    return driver.client(None, url=url, retry=None, **options)


@every
def test_an_unknown_authority_is_refused_and_nothing_is_sent(driver: Driver, stub: TlsStub) -> None:
    with untrusting(driver, stub, stub.url, auth="t0ken") as client:
        with pytest.raises(FlowConnectionError, match=r"(?i)certificate") as caught:
            client.flow("echo")(1)
        stub.wait_until(lambda: stub.connections.open == 0)
    assert not caught.value.work_may_have_run
    assert stub.requests == []


@every
def test_a_certificate_for_another_name_is_refused(
    driver: Driver, stub: TlsStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host in ("other.test", b"other.test") else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    url = f"https://other.test:{stub.port}"
    with (
        driver.client(stub, url=url, retry=None) as client,
        pytest.raises(FlowConnectionError, match=r"(?i)hostname mismatch"),
    ):
        client.flow("echo")(1)
    assert stub.names == ["other.test"]
    assert stub.requests == []


@every
def test_the_server_is_told_its_name(driver: Driver, stub: TlsStub) -> None:
    with driver.client(stub) as client:
        assert client.flow("echo")(1) == 1
        assert client.flow("echo")(2) == 2
    assert stub.names == ["localhost"]
    with driver.client(stub, url=f"https://127.0.0.1:{stub.port}") as client:
        assert client.flow("echo")(1) == 1  # an address is no name: RFC 6066


@every
def test_a_client_certificate_is_shown(driver: Driver) -> None:
    with TlsStub(insists=True) as stub, ExitStack() as stack:
        context = stub.client_ssl_context()
        context.load_cert_chain(CALLER)
        client = stack.enter_context(driver.client(stub, http_client=driver.http_client(context)))
        assert client.flow("echo")(1) == 1
        without = stack.enter_context(driver.client(stub, retry=None))
        with pytest.raises(FlowError, match=r"(?i)certificate required|connection was lost"):
            without.flow("echo")(1)
    assert len(stub.requests) == 1


def test_a_plain_httpx_request_is_served_too(stub: TlsStub) -> None:
    with default_http_client(verify=stub.client_ssl_context()) as http:
        assert http.post(f"{stub.url}/echo", json={"data": 1}).json() == {"result": 1}


@every
def test_what_is_not_tls_in_the_midst_of_it_is_a_lost_connection(driver: Driver) -> None:
    """anyio lets an SSLError through where a socket raises an OSError."""

    def serve(listener: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTS / "server.pem", CERTS / "server.key")
        connection, _ = listener.accept()
        with connection, context.wrap_socket(connection.dup(), server_side=True) as secure:
            secure.recv(65536)
            secure.sendall(b'HTTP/1.1 200 OK\r\n\r\ndata: {"message": 1}\n\n')
            assert arrived.wait(5)
            connection.sendall(b"HTTP/1.1 plain text\r\n" * 20)
            connection.shutdown(socket.SHUT_WR)
            secure.unwrap() if secure.pending() else connection.recv(1)

    arrived = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = spawn(lambda: serve(listener))
        url = f"https://localhost:{listener.getsockname()[1]}"
        with driver.client(TlsStub(), url=url, retry=None) as client:
            stream = client.flow("count").stream()
            assert next(stream) == 1
            arrived.set()
            with pytest.raises(StreamInterruptedError, match="connection was lost"):
                next(stream)
        serving.exception(5)


# --- one context ---------------------------------------------------------------------------------------


@each_driver
def test_plain_http_builds_no_context(driver: Driver, built: list[dict[str, Any]]) -> None:
    with StubServer() as stub:
        stub.flow("echo")(lambda request: request)
        assert driver.call(stub, "echo", 1, mode="unary").output == 1
    assert built == []


@each_driver
def test_clients_share_one_context_built_when_first_needed(
    driver: Driver, stub: TlsStub, built: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(stub.ca_file))
    for _ in range(2):
        with untrusting(driver, stub, stub.url) as client:
            assert client.flow("echo")(1) == 1
            with client.flow("echo").stream(2) as stream, client.flow("echo").stream(3) as other:
                assert (stream.result(), other.result()) == (2, 3)
    assert built == [{"cafile": str(stub.ca_file)}]
    assert settings.shared_ssl_context() is settings.shared_ssl_context()


def test_threads_that_come_first_together_build_one_context(built: list[dict[str, Any]]) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: settings.shared_ssl_context(), range(32)))
    assert len({id(context) for context in found}) == 1
    assert len(built) == 1


def test_a_context_is_shared_by_those_with_the_same_certificates(
    stub: TlsStub, built: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = settings.shared_ssl_context()
    with monkeypatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(stub.ca_file))
        assert settings.shared_ssl_context() is not first
    assert settings.shared_ssl_context() is first
    assert len(built) == 2


@each_driver
def test_nothing_of_ours_is_used_where_a_context_is_given(
    driver: Driver, stub: TlsStub, built: list[dict[str, Any]]
) -> None:
    trusted = stub.client_ssl_context()
    del built[:]
    with driver.client(stub, http_client=driver.http_client(trusted), timeout=Timeout(total=5)) as calling:
        assert calling.flow("echo")(1) == 1
    assert built == []


# --- what nobody asked for -----------------------------------------------------------------------------


def two_records(connection: socket.socket, context: ssl.SSLContext) -> None:
    """Answer one request twice, by two records of TLS in one packet, and wait until the client leaves."""
    come, go = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(come, go, server_side=True)

    def until(step: Callable[[], bytes | None]) -> bytes:
        while True:
            try:
                return step() or b""
            except ssl.SSLWantReadError:
                connection.sendall(go.read())
                come.write(connection.recv(65536))

    until(tls.do_handshake)
    request = b""
    while b"}" not in request:
        request += until(lambda: tls.read(65536))
    for number in (1, 2):
        tls.write(b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"result":%d}' % number)
    connection.sendall(go.read())
    with suppress(ConnectionError):  # it may not have read all
        connection.recv(1)


@each_driver
@pytest.mark.usefixtures("no_ssl_context")
def test_a_second_answer_in_a_record_of_its_own_is_not_the_next_calls(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """anyio reads both from the socket, and hands out one."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTS / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTS / "server.pem", CERTS / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    two_records(connection, context)

        serving = spawn(serve)
        url = f"https://localhost:{listener.getsockname()[1]}"
        with driver.client(None, url=url) as client:
            assert [client.flow("f")(), client.flow("f")()] == [1, 1]
        serving.result(5)
