"""asyncio's own network stream, over real sockets, on asyncio's loop and on uvloop."""

import asyncio
import gc
import os
import random
import socket
import ssl
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import anyio
import httpcore
import httpx
import pytest
import trio

from drivers import spawn
from phases import trusting
from small_proxy import RESETS, SmallProxy
from streamflow_client import AsyncClient, FlowCancelledError, default_async_http_client
from streamflow_client.testing import StubServer, faults
from streamflow_client.transport import aio, asyncio_net
from streamflow_client.transport.exchange import shut_down

SECONDS = 5.0  # after which something hangs
LONG = b"".join(b"%d " % number for number in range(400_000))
FDS = Path("/proc/self/fd")


@pytest.fixture(scope="module", params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    if request.param:
        pytest.importorskip("uvloop")
    return "asyncio", {"use_uvloop": request.param}


@asynccontextmanager
async def connected() -> AsyncGenerator[tuple[asyncio_net.Stream, socket.socket]]:
    """A stream, and the blocking socket at its other end."""
    with socket.create_server(("127.0.0.1", 0)) as server, anyio.fail_after(SECONDS):
        stream = await asyncio_net.connect("127.0.0.1", server.getsockname()[1], SECONDS)
        peer, _ = server.accept()
        assert isinstance(stream, asyncio_net.Stream)
        with peer:
            peer.settimeout(SECONDS)
            try:
                yield stream, peer
            finally:
                await stream.aclose()


async def turns(number: int = 20) -> None:
    """So many turns of the loop, in which it reads what has come."""
    for _ in range(number):
        await asyncio.sleep(0)


async def until(condition: Callable[[], Any]) -> None:
    while not condition():  # noqa: ASYNC110 - what it waits for has no event
        await asyncio.sleep(0.001)


def open_files() -> int:
    return len(list(FDS.iterdir()))


async def everything(stream: httpcore.AsyncNetworkStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = await stream.read(65536)
        assert piece, "the stream has ended"
        data += piece
    return data


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS)
    peer.close()


def root(error: BaseException) -> BaseException:
    """What an exception was raised from at first."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


# --- reading -----------------------------------------------------------------------------------------


async def test_a_read_gives_what_came_and_no_more_than_it_was_asked_for() -> None:
    async with connected() as (stream, peer):
        peer.sendall(b"abcdef")
        assert [await stream.read(2), await stream.read(1), await stream.read(9)] == [b"ab", b"c", b"def"]


async def test_what_came_in_pieces_is_read_as_one() -> None:
    async with connected() as (stream, peer):
        for piece in (b"a", b"b", b"c"):
            peer.sendall(piece)
            await turns()
        assert await stream.read(9) == b"abc"


async def test_after_the_last_bytes_every_read_says_that_it_is_the_end() -> None:
    async with connected() as (stream, peer):
        peer.sendall(b"a")
        peer.shutdown(socket.SHUT_WR)
        assert [await stream.read(9) for _ in range(3)] == [b"a", b"", b""]


async def test_a_peer_that_has_ended_its_half_can_still_be_written_to() -> None:
    async with connected() as (stream, peer):
        peer.shutdown(socket.SHUT_WR)
        assert await stream.read(9) == b""
        await stream.write(b"late")
        assert peer.recv(9) == b"late"


async def test_what_came_before_a_reset_is_read_before_the_error() -> None:
    async with connected() as (stream, peer):
        peer.sendall(b"ab")
        assert await stream.read(1) == b"a"
        reset(peer)
        await until(lambda: stream._wire._lost)
        assert await stream.read(9) == b"b"
        for _ in range(2):
            with pytest.raises(httpcore.ReadError) as caught:
                await stream.read(9)
            assert isinstance(root(caught.value), ConnectionResetError)


async def test_a_reset_wakes_the_reader() -> None:
    async with connected() as (stream, peer):
        reading = asyncio.create_task(stream.read(9))
        await turns()
        reset(peer)
        with pytest.raises(httpcore.ReadError):
            await reading


async def test_a_read_of_a_closed_stream_fails() -> None:
    async with connected() as (stream, _):
        await stream.aclose()
        with pytest.raises(httpcore.ReadError):
            await stream.read(9)
        with pytest.raises(httpcore.WriteError):
            await stream.write(b"a")
        await stream.aclose()


async def test_a_second_reader_is_refused_and_takes_nothing_from_the_first() -> None:
    async with connected() as (stream, peer):
        reading = asyncio.create_task(stream.read(9))
        await turns()
        with pytest.raises(RuntimeError, match="another task"):
            await stream.read(9)
        peer.sendall(b"a")
        assert await reading == b"a"


# --- deadlines ---------------------------------------------------------------------------------------


async def test_a_read_ends_at_its_deadline_and_loses_nothing() -> None:
    async with connected() as (stream, peer):
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(9, 0.001)
        peer.sendall(b"a")
        assert await stream.read(9, SECONDS) == b"a"


@pytest.mark.parametrize("before", [[0.001], [100.0], [0.002, 100.0, 0.001]], ids=str)
async def test_a_deadline_that_is_put_off_or_brought_forward_holds(before: list[float]) -> None:
    """The timer of an earlier read rings too early, or would ring too late."""
    async with connected() as (stream, peer):
        for seconds in before:
            reading = asyncio.create_task(stream.read(9, seconds))
            await asyncio.sleep(0)
            peer.sendall(b"a")
            with suppress(httpcore.ReadTimeout):
                await reading
        await turns()
        stream._wire._unread.clear()
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(9, 0.02)


async def test_the_same_deadline_told_again_needs_no_new_timer() -> None:
    async with connected() as (stream, _):
        wire, soon = stream._wire, monotonic() + 1.0
        timers = list[asyncio.TimerHandle | None]()
        for deadline in (soon, soon - 1e-6, soon + 1.0, soon - 0.5):
            wire._set_alarm(deadline)
            timers.append(wire._alarm)
        assert timers[0] is timers[1] is timers[2] is not timers[3]


async def test_a_deadline_further_off_than_a_timer_is_set_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio_net, "_LOOKS_AGAIN", 0.001)
    async with connected() as (stream, _):
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(9, 0.02)


async def test_a_timer_that_rings_before_the_deadline_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio_net, "_LOOKS_AGAIN", 0.001)
    async with connected() as (stream, peer):
        reading = asyncio.create_task(stream.read(9, 100.0))
        await turns()
        alarms = set[asyncio.TimerHandle | None]()

        def has_rung() -> bool:
            alarms.add(stream._wire._alarm)
            return len(alarms) > 3

        await until(has_rung)
        peer.sendall(b"a")
        assert await reading == b"a"


async def test_no_timer_is_left_for_long_when_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio_net, "_LOOKS_AGAIN", 0.001)
    async with connected() as (stream, peer):
        reading = asyncio.create_task(stream.read(9, 100.0))
        await asyncio.sleep(0)
        peer.sendall(b"a")
        await reading
        await until(lambda: stream._wire._alarm is None)


async def test_a_timer_of_an_earlier_read_leaves_one_without_deadline_alone() -> None:
    async with connected() as (stream, peer):
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(9, 0.001)
        reading = asyncio.create_task(stream.read(9, 0.01))
        await asyncio.sleep(0)
        peer.sendall(b"a")
        with suppress(httpcore.ReadTimeout):
            await reading
        stream._wire._unread.clear()
        reading = asyncio.create_task(stream.read(9))
        await until(lambda: stream._wire._alarm is None)
        peer.sendall(b"b")
        assert b"b" in await reading


async def test_many_reads_have_one_timer() -> None:
    async with connected() as (stream, peer):
        timers = set[asyncio.TimerHandle | None]()
        for seconds in (100.0, 2.0, 2.0 - 1e-6, 2.0 - 2e-6, 100.0):
            reading = asyncio.create_task(stream.read(9, seconds))
            await asyncio.sleep(0)
            timers.add(stream._wire._alarm)
            peer.sendall(b"a")
            await reading
        assert len(timers) == 2, "one for each deadline that was brought forward"
        alarm = stream._wire._alarm
        await stream.aclose()
        await turns()
        assert alarm is not None
        assert alarm.cancelled(), "it would hold the connection to its end"


# --- cancellation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("late", range(8))
async def test_a_cancelled_read_keeps_its_bytes(late: int) -> None:
    """Cancelled after each number of turns: while it waits, and when it was woken and has not run yet."""
    async with connected() as (stream, peer):
        for number in range(5):
            sent = b"%d" % number
            reading = asyncio.create_task(stream.read(9))
            await asyncio.sleep(0)
            peer.sendall(sent)
            await turns(late)
            reading.cancel()
            (got,) = await asyncio.gather(reading, return_exceptions=True)
            if not isinstance(got, bytes):
                assert isinstance(got, asyncio.CancelledError)
                got = await stream.read(9)
            assert got == sent


async def test_a_read_woken_and_cancelled_in_one_turn_keeps_its_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = asyncio_net._Wire.buffer_updated

    def buffer_updated(wire: asyncio_net._Wire, nbytes: int) -> None:
        taken(wire, nbytes)
        reading.cancel()

    monkeypatch.setattr(asyncio_net._Wire, "buffer_updated", buffer_updated)
    async with connected() as (stream, peer):
        reading = asyncio.create_task(stream.read(9))
        await turns()
        peer.sendall(b"a")
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await stream.read(9) == b"a"


async def test_a_read_in_a_cancelled_scope_keeps_its_bytes() -> None:
    async with connected() as (stream, peer):
        with anyio.move_on_after(0.001) as scope:
            await stream.read(9)
        assert scope.cancelled_caught
        peer.sendall(b"a")
        assert await stream.read(9) == b"a"


async def test_a_cancelled_write_leaves_nothing_waiting() -> None:
    async with connected() as (stream, peer):
        with anyio.move_on_after(0.01) as scope:
            await stream.write(LONG * 10)
        assert scope.cancelled_caught
        writing = asyncio.create_task(stream.write(b"end"))
        peer.setblocking(False)
        got = bytearray()

        def ends() -> bool:
            with suppress(BlockingIOError):
                while data := peer.recv(1 << 20):
                    got.extend(data)
            return bytes(got[-3:]) == b"end"

        await until(ends)
        await writing


# --- how much waits ----------------------------------------------------------------------------------


async def test_a_stream_that_nobody_reads_takes_a_bounded_amount_and_goes_on_later() -> None:
    async with connected() as (stream, peer):
        sending = spawn(lambda: peer.sendall(LONG * 4))
        wire = stream._wire
        await until(lambda: wire._full)
        await turns(200)
        assert asyncio_net._MOST_UNREAD <= len(wire._unread) < 2 * asyncio_net._MOST_UNREAD
        assert not sending.done()
        assert await everything(stream, 4 * len(LONG)) == LONG * 4
        sending.result(SECONDS)
        assert not wire._full


async def test_an_idle_stream_keeps_no_buffer() -> None:
    async with connected() as (stream, peer):
        peer.sendall(LONG[:100_000])
        await everything(stream, 100_000)
        assert (stream._wire._lent, len(stream._wire._unread)) == (None, 0)
        assert asyncio_net._buffers, "the next to come in need not make one"


@pytest.mark.parametrize("end", [socket.socket.close, lambda peer: peer.shutdown(socket.SHUT_WR)])
async def test_a_stream_at_its_end_keeps_no_buffer(end: Callable[[socket.socket], object]) -> None:
    async with connected() as (stream, peer):
        end(peer)
        assert await stream.read(10, SECONDS) == b""
        assert stream._wire._lent is None


async def test_random_reads_give_what_was_sent() -> None:
    rng = random.Random(7)
    async with connected() as (stream, peer):
        sending = spawn(lambda: peer.sendall(LONG))
        got = b""
        while len(got) < len(LONG):
            got += await stream.read(rng.randrange(1, 100_000), SECONDS)
        assert got == LONG
        sending.result(SECONDS)


# --- writing -----------------------------------------------------------------------------------------


async def test_all_of_a_long_write_arrives() -> None:
    async with connected() as (stream, peer):
        receiving = spawn(lambda: b"".join(iter(lambda: peer.recv(1 << 20), b"")))
        for _ in range(3):
            await stream.write(LONG, SECONDS)
        await stream.aclose()
        assert receiving.result(SECONDS) == LONG * 3


async def test_a_write_that_nobody_takes_ends_at_its_deadline() -> None:
    async with connected() as (stream, _):
        with pytest.raises(httpcore.WriteTimeout):
            await stream.write(LONG * 10, 0.01)


async def test_what_is_written_is_the_systems_and_not_the_loops() -> None:
    async with connected() as (stream, _):
        with pytest.raises(httpcore.WriteTimeout):
            while True:
                await stream.write(bytes(1000), 0.01)
        assert stream._wire._transport.get_write_buffer_size() <= 1000


async def test_a_write_to_a_connection_that_is_gone_says_why() -> None:
    async with connected() as (stream, peer):
        reset(peer)
        with pytest.raises(httpcore.WriteError) as caught:
            for _ in range(100):
                await stream.write(LONG)
        assert isinstance(root(caught.value), ConnectionError)


async def test_a_peer_that_leaves_wakes_the_writer() -> None:
    async with connected() as (stream, peer):
        writing = asyncio.create_task(stream.write(LONG * 10))
        await until(lambda: stream._wire._stuck)
        reset(peer)
        with pytest.raises(httpcore.WriteError):
            await writing


# --- stopping and closing ----------------------------------------------------------------------------


async def test_a_thread_that_shuts_the_socket_down_wakes_the_reader() -> None:
    async with connected() as (stream, _):
        reading = asyncio.create_task(stream.read(9))
        await turns()
        threading.Thread(target=shut_down, args=[stream.get_extra_info("socket")]).start()
        assert await reading == b""


async def test_a_thread_that_shuts_the_socket_down_wakes_the_writer() -> None:
    async with connected() as (stream, _):
        writing = asyncio.create_task(stream.write(LONG * 10))
        await until(lambda: stream._wire._stuck)
        threading.Thread(target=shut_down, args=[stream.get_extra_info("socket")]).start()
        with pytest.raises(httpcore.WriteError):
            await writing


@pytest.mark.skipif(not FDS.exists(), reason="counts in /proc")
async def test_a_closed_stream_has_given_its_file_descriptor_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        counts = set[int]()
        for _ in range(10):
            await (await asyncio_net.connect("127.0.0.1", port, SECONDS)).aclose()
            counts.add(open_files())
        assert len(counts) == 1


async def test_a_forgotten_stream_warns_and_closes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stream = await asyncio_net.connect("127.0.0.1", server.getsockname()[1], SECONDS)
        peer, _ = server.accept()
        with peer:
            peer.settimeout(SECONDS)
            forgotten = [stream]
            del stream
            with pytest.warns(ResourceWarning, match="unclosed connection"):
                forgotten.clear()
            await turns()
            assert peer.recv(9) == b""


# --- what is told of a stream ------------------------------------------------------------------------


async def test_a_stream_is_readable_when_a_read_would_not_wait() -> None:
    async with connected() as (stream, peer):
        assert not stream.get_extra_info("is_readable")
        peer.sendall(b"ab")
        assert stream.get_extra_info("is_readable"), "though the loop has not seen it yet"
        await turns()
        assert stream.get_extra_info("is_readable")
        assert await stream.read(9) == b"ab"
        assert not stream.get_extra_info("is_readable")
        peer.close()
        assert stream.get_extra_info("is_readable")
        await turns()
        assert stream.get_extra_info("is_readable")
        await stream.aclose()
        assert stream.get_extra_info("is_readable")


async def test_a_closed_stream_is_readable() -> None:
    async with connected() as (stream, _):
        await stream.aclose()
        assert stream.get_extra_info("is_readable")


async def test_a_stream_tells_its_addresses_and_its_socket() -> None:
    async with connected() as (stream, peer):
        assert stream.get_extra_info("client_addr") == peer.getpeername()
        assert stream.get_extra_info("server_addr") == peer.getsockname()
        sock = stream.get_extra_info("socket")
        assert isinstance(sock, socket.socket)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert stream.get_extra_info("ssl_object") is stream.get_extra_info("anything else") is None


# --- connecting --------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def test_a_refusal_says_so() -> None:
    with pytest.raises(httpcore.ConnectError) as caught:
        await asyncio_net.connect("127.0.0.1", free_port(), SECONDS)
    assert isinstance(root(caught.value), ConnectionRefusedError)


async def test_a_name_that_is_none_says_so() -> None:
    with pytest.raises(httpcore.ConnectError) as caught:
        await asyncio_net.connect("a" * 64, 80, SECONDS)
    assert isinstance(root(caught.value), socket.gaierror)


async def test_a_name_is_looked_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stream = await asyncio_net.connect("localhost", server.getsockname()[1], SECONDS)
        await stream.aclose()


def test_the_kinds_of_addresses_take_turns() -> None:
    found = [(family, socket.SOCK_STREAM, 6, "", number) for number, family in enumerate([6, 6, 6, 4, 4])]
    assert [address[-1] for address in asyncio_net._by_turns(found)] == [0, 3, 1, 4, 2]  # type: ignore[arg-type]


Dial = Callable[[Any], Awaitable[socket.socket]]


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[socket.socket]]:
    """A name stands for some addresses, which answer in their ways; gives the sockets that connected."""

    def has(*ways: Callable[[], Awaitable[None]]) -> list[socket.socket]:
        made: list[socket.socket] = []

        async def resolve(host: str, port: int) -> list[Any]:
            return list(ways)

        async def dial(way: Callable[[], Awaitable[None]]) -> socket.socket:
            await way()
            made.append(socket.socket())
            return made[-1]

        monkeypatch.setattr(asyncio_net, "_resolve", resolve)
        monkeypatch.setattr(asyncio_net, "_dial", dial)
        monkeypatch.setattr(asyncio_net, "_HEAD_START", 0.001)
        return made

    return has


async def refuses() -> None:
    raise ConnectionRefusedError(111, "refused")


async def fails() -> None:
    raise OSError(113, "no route")


async def answers() -> None:
    await asyncio.sleep(0)


async def says_nothing() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    "ways", [[answers], [refuses, answers], [says_nothing, answers], [says_nothing, fails, answers]]
)
async def test_the_first_address_that_answers_is_taken(addresses: Any, ways: list[Any]) -> None:
    made = addresses(*ways)
    sock = await asyncio_net._reach(await asyncio_net._resolve("name", 80))
    assert [sock] == made
    sock.close()


async def test_of_two_that_answer_at_once_one_is_closed(addresses: Any) -> None:
    meet = anyio.Event()

    async def late() -> None:
        with anyio.CancelScope(shield=True):
            await meet.wait()

    async def last() -> None:
        meet.set()
        await late()

    made = addresses(late, last)
    sock = await asyncio_net._reach(await asyncio_net._resolve("name", 80))
    assert len(made) == 2
    assert [each.fileno() == -1 for each in made] == [each is not sock for each in made]
    sock.close()


async def test_the_last_refusal_is_what_is_told(addresses: Any) -> None:
    addresses(fails, refuses)
    with pytest.raises(httpcore.ConnectError) as caught:
        await asyncio_net.connect("name", 80, SECONDS)
    assert isinstance(root(caught.value), ConnectionRefusedError)


async def test_a_connection_that_is_not_made_in_time_leaves_nothing(addresses: Any) -> None:
    made = addresses(says_nothing, says_nothing)
    with pytest.raises(httpcore.ConnectTimeout):
        await asyncio_net.connect("name", 80, 0.01)
    assert made == []


@pytest.mark.parametrize("late", range(10))
async def test_a_cancelled_connect_leaves_nothing(late: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        connecting = asyncio.create_task(asyncio_net.connect("127.0.0.1", server.getsockname()[1], SECONDS))
        await turns(late)
        connecting.cancel()
        (got,) = await asyncio.gather(connecting, return_exceptions=True)
        if isinstance(got, asyncio_net.Stream):
            await got.aclose()
        else:
            assert isinstance(got, asyncio.CancelledError)
        del got, connecting
        await turns()
        gc.collect()  # a socket left open warns, and so fails the test


# --- TLS ---------------------------------------------------------------------------------------------


class Secure:
    """A TLS server for one connection, in a thread."""

    def __init__(self, talk: Callable[[ssl.SSLSocket], object]) -> None:
        context = StubServer(tls=True)._server_ssl_context()
        assert context is not None
        self._context = context
        self._talk = talk
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self.done = spawn(self._serve)

    def _serve(self) -> object:
        with self._server, self._server.accept()[0] as sock:
            sock.settimeout(SECONDS)
            with self._context.wrap_socket(sock, server_side=True) as secure:
                return self._talk(secure)


async def secured(port: int) -> httpcore.AsyncNetworkStream:
    stream = await asyncio_net.connect("127.0.0.1", port, SECONDS)
    return await stream.start_tls(trusting(), "localhost", SECONDS)


async def test_tls_carries_bytes_both_ways() -> None:
    def echo(peer: ssl.SSLSocket) -> None:
        while data := peer.recv(65536):
            peer.sendall(data)

    server = Secure(echo)
    stream = await secured(server.port)
    assert isinstance(stream.get_extra_info("ssl_object"), ssl.SSLObject)
    writing = asyncio.create_task(stream.write(LONG[:50_000], SECONDS))
    assert await everything(stream, 50_000) == LONG[:50_000]
    await writing
    with pytest.raises(httpcore.ReadTimeout):
        await stream.read(9, 0.001)
    await stream.write(b"again")
    assert await stream.read(9, SECONDS) == b"again"
    await stream.aclose()
    with suppress(OSError):
        server.done.result(SECONDS)


@pytest.mark.parametrize("polite", [True, False])
async def test_the_end_of_tls_is_the_end_with_or_without_a_word(polite: bool) -> None:
    def leave(peer: ssl.SSLSocket) -> None:
        peer.sendall(b"bye")
        if polite:
            with suppress(OSError):
                peer.unwrap()

    server = Secure(leave)
    stream = await secured(server.port)
    assert [await stream.read(9, SECONDS) for _ in range(3)] == [b"bye", b"", b""]
    await stream.aclose()
    server.done.result(SECONDS)


async def test_rubbish_within_tls_is_a_read_error() -> None:
    def spoil(peer: ssl.SSLSocket) -> None:
        with socket.socket(fileno=os.dup(peer.fileno())) as plain:
            plain.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
            plain.settimeout(SECONDS)
            plain.recv(65536)

    server = Secure(spoil)
    stream = await secured(server.port)
    with pytest.raises(httpcore.ReadError) as caught:
        await stream.read(9, SECONDS)
    assert isinstance(root(caught.value), ssl.SSLError)
    await stream.aclose()
    server.done.result(SECONDS)


async def test_a_thread_that_shuts_the_socket_down_wakes_the_reader_of_tls() -> None:
    over = threading.Event()
    server = Secure(lambda _: over.wait(SECONDS))
    stream = await secured(server.port)
    reading = asyncio.create_task(stream.read(9))
    await turns()
    threading.Thread(target=shut_down, args=[stream.get_extra_info("socket")]).start()
    with suppress(httpcore.ReadError):  # where the server's tickets come too late, the system resets
        assert await reading == b""
    await stream.aclose()
    over.set()
    server.done.result(SECONDS)


async def test_a_certificate_that_is_not_trusted_is_a_connect_error_and_closes() -> None:
    server = Secure(lambda peer: peer.recv(9))
    stream = await asyncio_net.connect("127.0.0.1", server.port, SECONDS)
    with pytest.raises(httpcore.ConnectError) as caught:
        await stream.start_tls(ssl.create_default_context(), "localhost", SECONDS)
    assert isinstance(root(caught.value), ssl.SSLCertVerificationError)
    assert stream.get_extra_info("socket").fileno() == -1
    with suppress(OSError):
        server.done.result(SECONDS)


@pytest.mark.parametrize(
    ("answer", "error"),
    [(b"", httpcore.ConnectTimeout), (b"HTTP/1.1 400 Bad\r\n\r\n", httpcore.ConnectError)],
    ids=["silence", "HTTP"],
)
async def test_a_handshake_that_fails_closes_the_stream(answer: bytes, error: type[Exception]) -> None:
    async with connected() as (stream, peer):
        peer.sendall(answer)
        with pytest.raises(error):
            await stream.start_tls(trusting(), "localhost", SECONDS if answer else 0.01)
        assert stream.get_extra_info("socket").fileno() == -1


async def test_a_peer_that_leaves_within_the_handshake_is_a_connect_error() -> None:
    async with connected() as (stream, peer):
        handshake = asyncio.create_task(stream.start_tls(trusting(), "localhost", SECONDS))
        await turns()
        peer.recv(65536)
        peer.close()
        with pytest.raises(httpcore.ConnectError):
            await handshake


async def test_a_cancelled_handshake_closes_the_stream() -> None:
    async with connected() as (stream, _):
        with anyio.move_on_after(0.01) as scope:
            await stream.start_tls(trusting(), "localhost", SECONDS)
        assert scope.cancelled_caught
        assert stream.get_extra_info("socket").fileno() == -1


# --- in its place ------------------------------------------------------------------------------------


def test_only_tasks_of_asyncio_get_this_stream() -> None:
    told = dict[str, bool]()

    async def within(name: str) -> None:
        told[name] = aio._on_asyncio()
        if name == "asyncio":
            loop, over = asyncio.get_running_loop(), asyncio.Event()
            trio.lowlevel.start_guest_run(
                within,
                "trio, asyncio's guest",
                run_sync_soon_threadsafe=loop.call_soon_threadsafe,
                done_callback=lambda _: over.set(),
            )
            await over.wait()

    asyncio.run(within("asyncio"))
    trio.run(within, "trio")
    assert told == {"asyncio": True, "trio": False, "trio, asyncio's guest": False}


@contextmanager
def counting(*, tls: bool) -> Generator[StubServer]:
    with StubServer(tls=tls) as stub:

        @stub.flow
        async def count(request: int, send: Callable[[int], Awaitable[None]]) -> int:
            for number in range(request):
                await send(number)
            return request

        yield stub


@pytest.fixture
def stub() -> Iterator[StubServer]:
    with counting(tls=True) as stub:
        yield stub


async def test_tls_goes_through_tls_of_a_proxy(stub: StubServer) -> None:
    context = StubServer(tls=True)._server_ssl_context()
    with SmallProxy(tls=context) as proxy:
        http = httpx.AsyncClient(
            transport=aio.AsyncClockedTransport(
                ssl_context=trusting(),
                proxy=httpx.Proxy(f"https://localhost:{proxy.address.split(':')[1]}", ssl_context=trusting()),
            )
        )
        async with http, AsyncClient(stub.url, http_client=http) as client:
            for _ in range(2):
                async with client.flow("count", chunk=int, output=int).stream(2000) as stream:
                    assert [chunk async for chunk in stream] == list(range(2000))
                    assert await stream.result() == 2000
        assert len(proxy.asked) == 1, "the tunnel was used again"


async def test_a_connection_that_is_kept_keeps_nothing_of_the_calls_it_served() -> None:
    with counting(tls=False) as stub:
        async with AsyncClient(stub.url) as client:
            for _ in range(2):
                stream = client.flow("count", chunk=int, output=int).stream(9)
                assert await stream.result() == 9
                exchange = weakref.ref(stream._exchange)
                del stream
                gc.collect()
                assert exchange() is None
            assert stub.connections.accepted == 1


async def test_a_call_can_be_cancelled_from_a_thread(stub: StubServer) -> None:
    stub.script("count", faults.stall(after_chunks=1))
    http = default_async_http_client(verify=trusting())
    async with http, AsyncClient(stub.url, http_client=http) as client:
        stream = client.flow("count", chunk=int, output=int).stream(9)
        assert await anext(stream) == 0
        reading = asyncio.create_task(anext(stream))
        await turns()
        threading.Thread(target=stream.cancel).start()
        with pytest.raises(FlowCancelledError):
            await reading
