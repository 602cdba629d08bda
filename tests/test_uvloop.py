"""uvloop instead of asyncio's own event loop: whatever HTTP client carries the calls, they stream, end in
time, and stop from any thread. uvloop lends no socket that can be shut down."""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import anyio
import httpx
import pytest

from drivers import TRUSTING_NONE
from streamflow_client import (
    AsyncClient,
    FlowCancelledError,
    FlowDef,
    FlowTimeoutError,
    Timeout,
    aiohttp_http_client,
    default_async_http_client,
)
from streamflow_client.testing import StubServer, faults

pytest.importorskip("uvloop")  # there is none for Windows

COUNT = FlowDef("count", input=int, chunk=int, output=int)
SOON = 2.0  # seconds
MAKES: dict[str, Callable[..., httpx.AsyncClient]] = {
    "ours": default_async_http_client,
    "aiohttp": aiohttp_http_client,
    "httpx": lambda verify=None: httpx.AsyncClient(verify=verify or TRUSTING_NONE),
}
each_client = pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
each_transport = pytest.mark.parametrize("stub", [False, True], ids=["plain", "TLS"], indirect=True)


@pytest.fixture
def stub(request: pytest.FixtureRequest) -> Iterator[StubServer]:
    with StubServer(tls=getattr(request, "param", False), keep_alive=60) as stub:

        @stub.flow
        def count(n: int, send: Callable[[int], None]) -> int:
            for number in range(n):
                send(number)
            return n

        yield stub


def run(
    stub: StubServer, make: Callable[..., httpx.AsyncClient], main: Callable[[AsyncClient], Awaitable[None]]
) -> None:
    async def with_client() -> None:
        async with make(verify=stub.client_ssl_context()) as http:
            with anyio.fail_after(20):
                await main(AsyncClient(stub.url, http_client=http, retry=None))

    options: dict[str, Any] = {"use_uvloop": True}
    anyio.run(with_client, backend_options=options)
    stub.wait_until(lambda: stub.connections.open == 0)


@each_client
@each_transport
def test_calls_and_streams_go_well(stub: StubServer, make: Callable[..., httpx.AsyncClient]) -> None:
    async def main(client: AsyncClient) -> None:
        for _ in range(2):
            assert await client.flow(COUNT)(2) == 2
            async with client.flow(COUNT).stream(3) as stream:
                assert [number async for number in stream] == [0, 1, 2]
                assert await stream.result() == 3

    run(stub, make, main)
    assert stub.connections.accepted == 1


@each_client
@each_transport
def test_a_thread_stops_a_read_of_the_body(stub: StubServer, make: Callable[..., httpx.AsyncClient]) -> None:
    async def main(client: AsyncClient) -> None:
        stub.script("count", faults.stall(after_chunks=1))
        stream = client.flow(COUNT).stream(2)
        assert await anext(stream) == 0
        await cancelled_by_a_thread(stream)
        assert await client.flow(COUNT)(1) == 1

    run(stub, make, main)


@each_client
@each_transport
def test_a_thread_stops_the_wait_for_headers(
    stub: StubServer, make: Callable[..., httpx.AsyncClient]
) -> None:
    async def main(client: AsyncClient) -> None:
        stub.script("count", faults.delay_headers(60))
        await cancelled_by_a_thread(
            client.flow(COUNT).stream(2), partial(stub.wait_until, lambda: stub.requests)
        )
        assert await client.flow(COUNT)(1) == 1

    run(stub, make, main)


async def cancelled_by_a_thread(stream: Any, first: Callable[[], object] = lambda: None) -> None:
    def cancel() -> None:
        first()
        stream.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, cancel)
        with anyio.fail_after(SOON), pytest.raises(FlowCancelledError):
            await stream.result()


@each_client
@each_transport
@pytest.mark.parametrize(
    ("timeout", "fault", "clock"),
    [
        (Timeout(idle=0.1), faults.stall(after_chunks=1), "idle"),
        (Timeout(idle=0.1), faults.delay_headers(60), "idle"),
        (Timeout(total=0.1), faults.pings(0.02, after_chunks=1), "total"),
        (Timeout(progress=0.1), faults.pings(0.02, after_chunks=1), "progress"),
    ],
    ids=["idle", "idle, no headers", "total", "progress"],
)
def test_clocks_end_a_call(
    stub: StubServer,
    make: Callable[..., httpx.AsyncClient],
    timeout: Timeout,
    fault: faults.Fault,
    clock: str,
) -> None:
    async def main(client: AsyncClient) -> None:
        stub.script("count", fault)
        with anyio.fail_after(0.1 + SOON), pytest.raises(FlowTimeoutError) as caught:
            await client.flow(COUNT).with_options(timeout=timeout).stream(2).result()
        assert caught.value.clock == clock
        assert await client.flow(COUNT)(1) == 1

    run(stub, make, main)
