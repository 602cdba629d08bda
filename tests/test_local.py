"""`Client.local()`: which server a project's runtime files name, and that nothing of it goes elsewhere."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from anyio.streams.buffered import BufferedByteReceiveStream

from drivers import DRIVERS, Blocking, Driver
from small_proxy import SmallProxy
from streamflow_client import AsyncClient, Client, DiscoveryError, Timeout, local
from streamflow_client.local import RUNTIMES, read_runtimes
from streamflow_client.testing import StubServer, faults

HEALTH = "/api/__health"
OK = faults.status(200, body=b"OK")  # as JS answers
WRONG_ID = faults.status(503, body=b"Invalid runtime ID")
SECRET = "the-secret"
EVIL = "\x1b]0;evil\x07\u202e"

each_driver = pytest.mark.parametrize("driver", DRIVERS, ids=repr)
on_posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")

Start = Callable[..., StubServer]
Put = Callable[..., Path]


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.fixture
def start(flow_stub_factory: Callable[..., StubServer]) -> Start:
    """A server in development mode, with one flow."""

    def start(**options: Any) -> StubServer:
        stub = flow_stub_factory(**options)
        stub.always(HEALTH, OK)

        @stub.flow
        def shout(text: str, send: Callable[[str], None]) -> str:
            send(text)
            return text.upper()

        return stub

    return start


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Write a runtime file as Genkit does, each newer than the one before."""
    numbers = count(1)

    def put(
        url: str | None, *, pid: int = 77, name: str | None = None, folder: Path = tmp_path, **fields: Any
    ) -> Path:
        number = next(numbers)
        told = {"id": f"id-{number}", "pid": pid, "name": name, "reflectionServerUrl": url}
        told |= {"timestamp": "2026-01-01T00:00:00.000Z", "genkitVersion": "nodejs/1.42.0"} | fields
        content = json.dumps({key: value for key, value in told.items() if value is not None})
        return write(folder, f"{number}.json", content.encode(), age=1000 - number)

    return put


def write(folder: Path, name: str, content: bytes, age: int = 0) -> Path:
    file = folder / RUNTIMES / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    os.utime(file, (2e9 - age, 2e9 - age))
    return file


def silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who says nothing is not waited for long."""
    monkeypatch.setattr(local, "CHECK", Timeout(connect=5, idle=0.5))


@contextmanager
def local_client(driver: Driver, folder: Path, **options: Any) -> Iterator[Any]:
    if driver.name == "sync":
        with Blocking(Client.local(folder, **options), None) as client:
            yield client
        return
    with (
        start_blocking_portal(driver.name) as portal,
        Blocking(portal.call(partial(AsyncClient.local, folder, **options)), portal) as client,
    ):
        yield client


def failure(folder: Any, **options: Any) -> str:
    with pytest.raises(DiscoveryError) as caught:
        Client.local(folder, **options).close()
    return str(caught.value)


def asked(stub: StubServer) -> list[str]:
    return [request.path for request in stub.requests]


# --- the one that runs ----------------------------------------------------------------------------------


@each_driver
def test_the_server_that_runs_is_asked_by_its_id_and_called_by_reflection(
    driver: Driver, start: Start, put: Put, tmp_path: Path
) -> None:
    stub = start()
    put(stub.url + "/", id="a b&c")
    with local_client(driver, tmp_path) as client:
        assert client.flows.shout("hi") == "HI"
        with client.flow("shout").stream("ho") as stream:
            assert (list(stream), stream.result()) == (["ho"], "HO")
    assert asked(stub) == [HEALTH, "/api/actions", "/api/runAction", "/api/runAction"]
    assert stub.requests[0].query == "id=a%20b%26c"
    stub.wait_until(lambda: not stub.connections.open)  # both the asking and the calling are closed


@each_driver
def test_nothing_goes_to_a_proxy_and_no_credentials_go_anywhere(
    driver: Driver, start: Start, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = start()

    @stub.flow
    def wait(seconds: float, send: Callable[[str], None]) -> None:
        send("waiting")

    put(stub.url)
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {SECRET}\ndefault login me password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("STREAMFLOW_TOKEN", SECRET)
    with SmallProxy() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://{proxy.address}")
            monkeypatch.setenv(name.upper(), f"http://{proxy.address}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        stub.always("wait", faults.stall(after_chunks=1))
        with local_client(driver, tmp_path) as client:
            assert client.flows.shout("hi") == "HI"
            with client.flow("wait").stream(1.0) as stream:
                assert next(stream) == "waiting"
                stream.cancel()
            with client.with_options(timeout=30).flow("shout").stream("ho") as stream:
                assert stream.result() == "HO"
        assert proxy.accepted == 0
    assert "/api/cancelAction" in asked(stub)  # the one that is told while the rest is closed
    for request in stub.requests:
        assert not {"authorization", "cookie", "proxy-authorization"} & set(request.headers)
        assert SECRET not in str(request)


@each_driver
def test_a_socks_proxy_that_needs_what_is_not_installed_is_no_matter(
    driver: Driver, start: Start, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = start()
    put(stub.url)
    monkeypatch.setenv("all_proxy", "gopher://nowhere")  # no proxy that a client could be made for
    with pytest.raises(ValueError, match="gopher"):
        Client(stub.url)
    with local_client(driver, tmp_path) as client:
        assert client.flow("shout")("hi") == "HI"


def test_a_subclass_stays_one(start: Start, put: Put, tmp_path: Path) -> None:
    class Mine(Client):
        pass

    put(start().url)
    with Mine.local(tmp_path) as client:
        assert type(client) is Mine


@pytest.mark.anyio
async def test_the_event_loop_goes_on_meanwhile(put: Put, tmp_path: Path) -> None:
    """The server runs on the same loop, so blocking it would end in silence."""

    async def answer(connection: anyio.abc.SocketStream) -> None:
        async with connection:
            await BufferedByteReceiveStream(connection).receive_until(b"\r\n\r\n", 10_000)
            await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK")

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, answer)
        url = f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"
        put(url)
        async with await AsyncClient.local(tmp_path) as client:
            assert repr(client) == f"AsyncClient('{url}')"
        tasks.cancel_scope.cancel()


# --- where ----------------------------------------------------------------------------------------------


def test_the_nearest_folder_upwards_counts(
    start: Start, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outer, inner = start(), start()
    deep = tmp_path / "project" / "src" / "deep"
    deep.mkdir(parents=True)
    put(outer.url)
    put(inner.url, folder=tmp_path / "project")
    (deep / ".genkit").mkdir()  # without runtimes
    file = deep / "main.py"
    file.touch()
    for folder in (deep, str(deep), tmp_path / "project", deep / ".." / "..", file):
        with Client.local(folder) as client:
            assert repr(client) == f"Client('{inner.url}')"
    with Client.local(tmp_path) as client:
        assert repr(client) == f"Client('{outer.url}')"
    monkeypatch.chdir(deep)
    with Client.local() as client:
        assert repr(client) == f"Client('{inner.url}')"


def test_a_nearer_folder_without_a_server_is_not_passed_over(start: Start, put: Put, tmp_path: Path) -> None:
    put(start().url)
    nearer = tmp_path / "project"
    (nearer / RUNTIMES).mkdir(parents=True)
    told = failure(nearer)
    assert f"({nearer / RUNTIMES}: no files): start it with `genkit start" in told


def test_where_no_folder_has_any_the_error_says_where_it_was_looked_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "RUNTIMES", Path(".no-such-folder", "runtimes"))
    told = failure(tmp_path)
    assert told.startswith(f"no Genkit dev server runs (neither {tmp_path} nor a folder above it has ")
    assert told.endswith("start it with `genkit start -- …`, or with GENKIT_ENV=dev, or give its URL")


@pytest.mark.parametrize("name", ["gone", "nul\0", "loop"])
def test_a_folder_that_cannot_be_looked_at(tmp_path: Path, name: str) -> None:
    if name == "loop":
        (tmp_path / name).symlink_to(tmp_path / name)
    told = failure(tmp_path / name)
    assert told.startswith(f"dev servers cannot be looked for in {tmp_path / name[:3]}")
    assert "\0" not in told


def test_a_current_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(cls: type[Path]) -> Path:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(Path, "cwd", classmethod(gone))
    assert failure(None).startswith("dev servers cannot be looked for in the current folder: No such file")


# --- which URLs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "bases"),
    [
        ("http://localhost:3100", ["http://127.0.0.1:3100", "http://[::1]:3100"]),
        ("http://localhost:65535/", ["http://127.0.0.1:65535", "http://[::1]:65535"]),
        ("http://127.0.0.1:1", ["http://127.0.0.1:1"]),
        ("http://127.255.0.9:3100/", ["http://127.255.0.9:3100"]),
        ("http://[::1]:3100", ["http://[::1]:3100"]),
        ("http://[0:0:0:0:0:0:0:1]:3100", ["http://[::1]:3100"]),
    ],
)
def test_loopback_is_looked_at_by_address(put: Put, tmp_path: Path, url: str, bases: list[str]) -> None:
    put(url)
    found = read_runtimes(tmp_path)
    assert ([server.bases for server in found.servers], found.refused) == ([bases], [])


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost:3100",
        "HTTP://localhost:3100",  # Genkit writes none of these
        "ws://localhost:3100",
        "file:///etc/passwd",
        "//localhost:3100",
        "localhost:3100",
        "",
        "http://",
        "http://localhost",
        "http://localhost:",
        "http://localhost:0",
        "http://localhost:03100",
        "http://localhost:65536",
        "http://localhost:99999",
        "http://localhost:-1",
        "http://localhost:+80",
        "http://localhost:3100\n",
        "http://localhost:\u0663100",
        "http://localhost.:3100",
        "http://localhost.evil.com:3100",
        "http://evil.com:3100",
        "http://evil.localhost:3100",
        "http://ip6-localhost:3100",
        "http://127.0.0.1.evil.com:3100",
        "http://127.0.0.1.:3100",
        "http://127.1:3100",
        "http://127.0.0.01:3100",
        "http://0177.0.0.1:3100",
        "http://0x7f.0.0.1:3100",
        "http://2130706433:3100",
        "http://127.0.0.256:3100",
        "http://128.0.0.1:3100",
        "http://10.0.0.1:3100",
        "http://169.254.169.254:80",
        "http://0.0.0.0:3100",
        "http://0:3100",
        "http://[::]:3100",
        "http://[::2]:3100",
        "http://::1:3100",
        "http://[::1%lo]:3100",
        "http://[::1%25lo]:3100",
        "http://[fe80::1%25eth0]:3100",
        "http://[::ffff:127.0.0.1]:3100",
        "http://[::ffff:7f00:1]:3100",
        "http://[127.0.0.1]:3100",
        "http://[localhost]:3100",
        "http://me@localhost:3100",
        "http://me:secret@127.0.0.1:3100",
        "http://@localhost:3100",
        "http://me:sec/secret/@127.0.0.1:3100",
        "http://localhost:3100@evil.com:80",
        "http://localhost\\@evil.com:3100",
        "http://localhost:3100/api",
        "http://localhost:3100//",
        "http://localhost:3100/?a=b",
        "http://localhost:3100?a=b",
        "http://localhost:3100#x",
        " http://localhost:3100",
        "http:/localhost:3100",
        "http://loc\u0430lhost:3100",
        "http://\uff4cocalhost:3100",
        None,
        3100,
        ["http://localhost:3100"],
        {},
    ],
)
def test_what_is_not_plainly_loopback_is_refused(put: Put, tmp_path: Path, url: Any) -> None:
    put(url)
    found = read_runtimes(tmp_path)
    assert found.servers == []
    why = "names no URL" if not isinstance(url, str) else "which is not http://, loopback and a port"
    assert len(found.refused) == 1
    assert found.refused[0].startswith("1.json: refused, it names")
    assert found.refused[0].endswith(why)
    assert "secret" not in found.refused[0]


@each_driver
def test_localhost_is_not_resolved(
    driver: Driver, start: Start, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = start()
    put(f"http://localhost:{stub.port}")
    real = socket.getaddrinfo

    def resolve(host: Any, *args: Any, **options: Any) -> Any:
        assert host not in ("localhost", b"localhost"), "another name service could say anything"
        return real(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with local_client(driver, tmp_path) as client:
        assert client.flow("shout")("hi") == "HI"
        assert repr(client).endswith(f"Client('{stub.url}')")


@pytest.mark.skipif(not has_ipv6(), reason="needs IPv6")
def test_localhost_may_be_the_other_loopback(start: Start, put: Put, tmp_path: Path) -> None:
    stub = start(host="::1")
    put(f"http://localhost:{stub.port}")
    with Client.local(tmp_path) as client:
        assert client.flows.shout("hi") == "HI"
        assert repr(client) == f"Client('http://[::1]:{stub.port}')"


# --- servers that are gone ------------------------------------------------------------------------------


@each_driver
def test_a_file_whose_server_is_gone_is_passed_over(
    driver: Driver, start: Start, put: Put, tmp_path: Path
) -> None:
    ended = start()
    gone = ended.url
    ended.stop()
    stub = start()
    put(gone)
    put(stub.url)
    put(gone)
    with local_client(driver, tmp_path) as client:
        assert repr(client).endswith(f"Client('{stub.url}')")


def test_where_all_are_gone_the_error_tells_each(start: Start, put: Put, tmp_path: Path) -> None:
    ended = start()
    gone = ended.url
    ended.stop()
    put(gone)
    put("http://evil.com:80")
    assert failure(tmp_path).startswith(
        f"no Genkit dev server runs ({tmp_path / RUNTIMES}: 1.json: nothing listens at {gone}; 2.json: "
    )
    for _ in range(8):
        put(gone)
    assert "and 5 more" in failure(tmp_path)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(WRONG_ID, id="another id"),
        pytest.param(faults.status(404), id="no such path"),
        pytest.param(faults.status(401), id="a password"),
        pytest.param(faults.status(204), id="no content"),
        pytest.param(faults.html_page(), id="a page for every path"),
        pytest.param(faults.status(200, body=b"\n <!doctype html>"), id="the same behind white space"),
        pytest.param(faults.status(302, headers=(("Location", "http://evil.com/"),)), id="a redirect"),
        pytest.param(faults.status(200, body=b"x" * 1025), id="too much"),
        pytest.param(faults.raw(b"220 mail.example.com ESMTP\r\n"), id="no HTTP"),
        pytest.param(faults.close_before_response(), id="no answer"),
    ],
)
def test_a_port_that_another_server_took_over_is_not_mistaken(
    start: Start, put: Put, tmp_path: Path, answer: Any
) -> None:
    stub = start()
    stub.always(HEALTH, answer)
    put(stub.url)
    assert f"1.json: another server has its port, {stub.url})" in failure(tmp_path)
    assert set(asked(stub)) == {HEALTH}


@pytest.mark.parametrize("body", [b"OK", b"", b'{"status":"OK"}'], ids=["js", "go", "python"])
def test_every_genkit_answers_otherwise(start: Start, put: Put, tmp_path: Path, body: bytes) -> None:
    stub = start()
    stub.always(HEALTH, faults.status(200, body=body))
    put(stub.url)
    Client.local(tmp_path).close()


def test_a_server_that_was_given_another_id_wants_its_own(start: Start, put: Put, tmp_path: Path) -> None:
    """GENKIT_RUNTIME_ID changes what JS and Go write, not what they look for."""
    stub = start()
    stub.script(HEALTH, WRONG_ID, OK)
    put(stub.url, id="given", pid=4711)
    Client.local(tmp_path, app="given").close()
    assert [request.query for request in stub.requests] == ["id=given", f"id=4711-{stub.port}"]


@each_driver
def test_who_says_nothing_may_be_there_and_is_not_decided_for(
    driver: Driver, start: Start, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silence(monkeypatch)
    paused = start()
    paused.always(HEALTH, faults.delay_headers(3600))
    put(paused.url, name="paused")
    with (
        pytest.raises(DiscoveryError, match=r"'paused' at .* does not answer in time"),
        local_client(driver, tmp_path),
    ):
        pass
    stub = start()
    put(stub.url, name="awake")
    with (
        pytest.raises(DiscoveryError, match=r"several .*'awake' .*'paused' .*app="),
        local_client(driver, tmp_path),
    ):
        pass
    with local_client(driver, tmp_path, app="awake") as client:
        assert client.flow("shout")("hi") == "HI"


@each_driver
def test_silent_ones_do_not_use_up_the_time_of_the_one_that_is_meant(
    driver: Driver, start: Start, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "SEARCH_SECONDS", 1.0)
    put(start().url, name="awake")
    for _ in range(3):
        paused = start()
        paused.always(HEALTH, faults.delay_headers(3600))
        put(paused.url, name="paused")
    with local_client(driver, tmp_path, app="awake") as client:
        assert client.flow("shout")("hi") == "HI"


@each_driver
def test_who_answers_for_ever_is_given_up(
    driver: Driver, start: Start, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "SEARCH_SECONDS", 0.3)
    stub = start()
    stub.always(HEALTH, faults.trickle_headers(every=0.05))
    put(stub.url)
    with pytest.raises(DiscoveryError, match="does not answer"), local_client(driver, tmp_path):
        pass


@pytest.mark.anyio
async def test_cancelling_ends_the_asking(start: Start, put: Put, tmp_path: Path) -> None:
    stub = start()
    stub.always(HEALTH, faults.delay_headers(3600))
    put(stub.url)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(AsyncClient.local, tmp_path)
        await anyio.to_thread.run_sync(lambda: stub.wait_until(lambda: stub.requests))
        tasks.cancel_scope.cancel()
    assert tasks.cancel_scope.cancelled_caught


# --- several --------------------------------------------------------------------------------------------


@each_driver
def test_several_servers_are_told_and_one_is_chosen_by_name_or_id(
    driver: Driver, start: Start, put: Put, tmp_path: Path
) -> None:
    shop, bank = start(), start()
    put(shop.url, name="shop", pid=11)
    put(bank.url, pid=12, genkitVersion="go/1.4.0")
    told = failure(tmp_path)
    assert told == (
        f"several Genkit dev servers run ({tmp_path / RUNTIMES}:"
        f" 'id-2' at {bank.url} (pid 12, go/1.4.0, 2.json);"
        f" 'shop' at {shop.url} (id 'id-1', pid 11, nodejs/1.42.0, 1.json)):"
        " choose one by its name or id, app=…, or give its URL"
    )
    for app, stub in (("shop", shop), ("id-1", shop), ("id-2", bank)):
        with local_client(driver, tmp_path, app=app) as client:
            assert repr(client).endswith(f"Client('{stub.url}')")
    told = failure(tmp_path, app="zip")
    assert told.startswith("no Genkit dev server runs as 'zip' (")
    assert f"'shop' at {shop.url} (id 'id-1', pid 11, nodejs/1.42.0, 1.json) runs" in told


def test_two_of_one_name_are_still_several(start: Start, put: Put, tmp_path: Path) -> None:
    put(start().url, name="shop")
    put(start().url, name="shop")
    told = failure(tmp_path, app="shop")
    assert "several" in told
    ids = re.findall(r"\(id '([^']*)'", told)
    assert sorted(ids) == ["id-1", "id-2"]
    for runtime_id in ids:
        Client.local(tmp_path, app=runtime_id).close()


def test_of_two_files_that_name_one_port_the_newer_counts(start: Start, put: Put, tmp_path: Path) -> None:
    """Python's servers answer to any id, and a port may be used again."""
    stub = start()
    put(stub.url, name="old")
    put(f"http://localhost:{stub.port}", name="new")
    Client.local(tmp_path, app="new").close()
    assert len(stub.requests) == 1
    assert "1.json: a newer file names its port, too" in failure(tmp_path, app="old")


# --- files ----------------------------------------------------------------------------------------------

# As the real ones wrote them: Genkit JS 1.42, Go 1.4, Python 0.12.
RECORDED = {
    "13650-3100-1795379912185.json": """{
  "id": "13650-3100",
  "pid": 13650,
  "name": "shop",
  "reflectionServerUrl": "http://localhost:3100",
  "timestamp": "2026-11-22T20:38:32.185Z",
  "genkitVersion": "nodejs/1.42.0",
  "reflectionApiSpecVersion": 1
}""",
    "22418-2026-11-22T20_42_40Z.json": """{
  "id": "22418-3102",
  "pid": 22418,
  "reflectionServerUrl": "http://127.0.0.1:3102",
  "timestamp": "2026-11-22T20_42_40Z",
  "genkitVersion": "go/1.4.0",
  "reflectionApiSpecVersion": 1
}""",
    "13752-55245-1795379917672.json": '{"reflectionApiSpecVersion": 1, "id": "13752-55245", "pid": 13752,'
    ' "genkitVersion": "py/0.12.0", "reflectionServerUrl": "http://127.0.0.1:55245",'
    ' "timestamp": "2026-11-22T20:38:37.672978"}',
}


def test_the_files_of_every_genkit_are_read(tmp_path: Path) -> None:
    for age, (name, content) in enumerate(RECORDED.items()):
        write(tmp_path, name, content.encode(), age)
    found = read_runtimes(tmp_path)
    assert (found.folder, found.refused, found.more) == (tmp_path / RUNTIMES, [], 0)
    assert [(each.url, each.id, each.pid, each.name, each.genkit_version) for each in found.servers] == [
        ("http://localhost:3100", "13650-3100", 13650, "shop", "nodejs/1.42.0"),
        ("http://127.0.0.1:3102", "22418-3102", 22418, None, "go/1.4.0"),
        ("http://127.0.0.1:55245", "13752-55245", 13752, None, "py/0.12.0"),
    ]
    assert [each.timestamp for each in found.servers] == [
        json.loads(content)["timestamp"] for content in RECORDED.values()
    ]
    assert [each.ids for each in found.servers] == [[each.id] for each in found.servers]
    assert [each.file.name for each in found.servers] == list(RECORDED)


# --- files that are none --------------------------------------------------------------------------------


def no_json(text: bytes) -> Callable[[Path], Any]:
    return lambda file: file.write_bytes(text)


def large(file: Path) -> None:
    with file.open("wb") as opened:
        opened.truncate(100 * 1024 * 1024)  # a hole: no disk is filled


GOOD = b'{"id": "i", "reflectionServerUrl": "http://localhost:3100"}'


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(no_json(b""), "it is not JSON (EOF", id="empty"),
        pytest.param(no_json(GOOD[:-1]), "it is not JSON (EOF", id="half-written"),
        pytest.param(no_json(b'{"id": "\xff\xfe"}'), "it is not JSON (invalid unicode", id="wrong UTF-8"),
        pytest.param(no_json(b"[" * 60_000), "it is not JSON (recursion limit", id="deep"),
        pytest.param(no_json(b"[1]"), "it holds no object", id="an array"),
        pytest.param(no_json(b"{}"), "it has no id", id="an empty object"),
        pytest.param(no_json(GOOD.replace(b'"i"', b"7")), "it has no id", id="an id that is no text"),
        pytest.param(no_json(GOOD.replace(b'"i"', b'""')), "it has no id", id="an empty id"),
        pytest.param(no_json(b'{"id": "i"}'), "it names no URL", id="no URL"),
        pytest.param(large, "it is larger than 64 KiB", id="100 MiB"),
        pytest.param(no_json(GOOD + b" " * 65_536), "it is larger than 64 KiB", id="a little too large"),
        pytest.param(Path.mkdir, "it is no plain file", id="a folder", marks=on_posix),
        pytest.param(os.mkfifo, "it is no plain file", id="a pipe", marks=on_posix),
        pytest.param(
            lambda file: file.symlink_to(file.with_name("2.json")), "it is a symbolic link", id="link"
        ),
    ],
)
def test_a_file_that_is_none_is_refused_and_no_other_suffers(
    start: Start, put: Put, tmp_path: Path, make: Callable[[Path], Any], why: str
) -> None:
    odd = tmp_path / RUNTIMES / "odd.json"
    odd.parent.mkdir(parents=True)
    make(odd)
    assert f"odd.json: refused, {why}" in failure(tmp_path)
    stub = start()
    put(stub.url)
    with Client.local(tmp_path) as client:
        assert repr(client) == f"Client('{stub.url}')"


@on_posix
def test_a_link_that_is_put_there_meanwhile_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the opening, that is: the look is made blind here."""
    target = write(tmp_path, "target", GOOD)
    target.with_name("odd.json").symlink_to(target)
    monkeypatch.setattr(Path, "is_symlink", lambda self: False)
    found = read_runtimes(tmp_path)
    assert found.servers == []
    assert len(found.refused) == 1


@on_posix
def test_what_cannot_be_opened_is_told(put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(file))

    put("http://localhost:3100")
    monkeypatch.setattr(local, "_contents", refuse)
    assert read_runtimes(tmp_path).refused == ["1.json: refused, Permission denied"]


@on_posix
def test_another_users_file_is_refused(put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder where anyone may write, such as /tmp, a stranger could name a server of theirs."""
    file = put("http://localhost:3100")
    owner = file.stat().st_uid
    real = os.fstat

    def of_user(user: int) -> Callable[[int], Any]:
        return lambda descriptor: os.stat_result((*real(descriptor)[:4], user, *real(descriptor)[5:10]))

    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    monkeypatch.setattr(os, "fstat", of_user(4712))
    assert read_runtimes(tmp_path).refused == ["1.json: refused, it belongs to another user"]
    for trusted in (4711, 0):
        monkeypatch.setattr(os, "fstat", of_user(trusted))
        assert len(read_runtimes(tmp_path).servers) == 1
    assert owner == file.stat().st_uid


def test_a_file_that_vanishes_meanwhile_is_no_matter(
    start: Start, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = start()
    put(stub.url)
    real = local._newest
    monkeypatch.setattr(local, "_newest", lambda folder: (["gone.json", *real(folder)[0]], 0))
    assert [server.file.name for server in read_runtimes(tmp_path).servers] == ["1.json"]
    assert read_runtimes(tmp_path).refused == []


def test_only_the_newest_of_many_files_are_read(
    start: Start, put: Put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "MOST_FILES", 6)
    for number in range(10):
        write(tmp_path, f"{number:02}.json", b"{}", age=number)
    write(tmp_path, "note.txt", GOOD)
    found = read_runtimes(tmp_path)
    assert (len(found.refused), found.more) == (6, 4)
    assert [line[:7] for line in found.refused] == [f"{number:02}.json" for number in range(6)]
    assert "05.json" not in failure(tmp_path)
    assert "; and 1 more; 4 older files were not read)" in failure(tmp_path)
    monkeypatch.setattr(local, "MOST_ENTRIES", 5)
    assert len(read_runtimes(tmp_path).refused) <= 5


def test_what_a_file_says_is_shown_short_and_harmless(start: Start, put: Put, tmp_path: Path) -> None:
    stub = start()
    put("http://evil.com/" + EVIL + "x" * 5000)
    put(stub.url, name=EVIL + "n" * 5000, genkitVersion=EVIL + "v" * 5000)
    put(start().url, id=EVIL + "i" * 5000)
    for app in (None, EVIL + "a" * 5000):
        told = failure(tmp_path, app=app)
        assert told.isprintable()
        assert "\\x1b" in told
        for letter in "xnvia":
            assert letter * 201 not in told


def test_a_number_that_no_process_has_is_none(put: Put, tmp_path: Path) -> None:
    for pid in (0, -1, 2**32, 10**4000, True, 1.5, "7"):
        put("http://localhost:3100", pid=pid)
    servers = read_runtimes(tmp_path).servers
    assert [server.pid for server in servers] == [None] * 7
    assert all(server.ids == [server.id] for server in servers)
