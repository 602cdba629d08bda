"""Cancelled at every point where a task can be: nothing leaks, and the connections that are left still serve.

httpx's own pool loses a slot for some of these cancellations until it serves nobody (httpcore issue 1093).
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from streamflow_client import AsyncClient, default_async_http_client
from streamflow_client.testing import StubServer, faults
from streamflow_client.transport import exchange

FDS = Path("/proc/self/fd")
tls_or_not = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])


class Stepped:
    """Awaits a coroutine and calls `at_step` within its step number `step`, the first being 1.

    What is cancelled there hits the very await that ends this step.
    """

    def __init__(self, coroutine: Any, step: int, at_step: Callable[[], object]) -> None:
        self._coroutine = coroutine
        self._step = step
        self._at_step = at_step
        self.steps = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        inner = self._coroutine.__await__()
        send, value = inner.send, None
        while True:
            self.steps += 1
            try:
                waited_for = send(value)
            except StopIteration as end:
                return end.value
            if self.steps == self._step:
                self._at_step()
            try:
                send, value = inner.send, (yield waited_for)
            except BaseException as error:  # noqa: BLE001 - the coroutine gets it
                send, value = inner.throw, error


async def scoped(coroutine: Any, step: int) -> bool:
    """Cancelled as anyio and trio do. False where the coroutine took fewer steps."""
    scope = anyio.CancelScope()
    stepped = Stepped(coroutine, step, scope.cancel)
    with scope:
        await stepped
    return stepped.steps >= step


async def native(coroutine: Any, step: int) -> bool:
    """Cancelled as asyncio does."""
    return await _native(coroutine, step, None)


def twice(gap: int) -> Callable[[Any, int], Awaitable[bool]]:
    """Cancelled as asyncio does, and once more some turns of the loop later, while it cleans up."""

    async def cancelled(coroutine: Any, step: int) -> bool:
        return await _native(coroutine, step, gap)

    return cancelled


async def _native(coroutine: Any, step: int, gap: int | None) -> bool:
    loop = asyncio.get_running_loop()

    def cancel() -> None:
        task.cancel()
        if gap is not None:
            again(gap)

    def again(turns: int) -> None:
        if turns:
            loop.call_soon(again, turns - 1)
        else:
            task.cancel()

    async def run() -> None:
        await stepped

    stepped = Stepped(coroutine, step, cancel)
    task = asyncio.create_task(run())
    with suppress(asyncio.CancelledError):
        await task
    return stepped.steps >= step


@asynccontextmanager
async def served(tls: bool) -> AsyncIterator[tuple[StubServer, AsyncClient]]:
    """A stub and a client; at the end no connection and no descriptor is left."""
    stub = StubServer(tls=tls)

    @stub.flow
    async def count(request: int, send: Callable[[int], Awaitable[None]]) -> int:
        for number in range(request):
            await send(number)
        return request

    with stub:
        http_client = default_async_http_client(verify=stub.client_ssl_context()) if tls else None
        async with AsyncClient(stub.url, http_client=http_client) as client:
            before = descriptors()
            yield stub, client
        if http_client is not None:
            await http_client.aclose()
        await settled(lambda: stub.wait_until(lambda: stub.connections.open == 0))
        gc.collect()
        assert descriptors() <= before


def descriptors() -> int:
    return len(list(FDS.iterdir())) if FDS.is_dir() else 0


async def settled(look: Callable[[], None]) -> None:
    await anyio.to_thread.run_sync(look)


async def stream(client: AsyncClient) -> None:
    flow = client.flow("count", input=int, chunk=int, output=int)
    async with flow.stream(3) as numbers:
        assert [number async for number in numbers] == [0, 1, 2]
        assert await numbers.result() == 3


async def unary(client: AsyncClient) -> None:
    assert await client.flow("count")(2) == 2


async def early_result(client: AsyncClient) -> None:
    numbers = client.flow("count").stream(3)
    async for _ in numbers:
        break
    assert await numbers.result() == 3


async def cancelled_at_every_step(
    tls: bool,
    call: Callable[[AsyncClient], Any],
    cancelled: Callable[[Any, int], Awaitable[bool]],
    *,
    fault: Any = None,
    warm: bool = False,
) -> None:
    async with served(tls) as (stub, client):
        step, hit = 1, True
        while hit:
            if warm:
                await unary(client)
            else:
                await client._http.client._transport.aclose()  # no connection waits: make one
                client._http.client._transport._most_idle = 100  # type: ignore[attr-defined]
            if fault is not None:
                stub.script("count", fault)
            hit = await cancelled(call(client), step)
            stub._service.scripts.queues["count"].clear()
            for _ in range(3):
                await unary(client)
            first, second, third = stub.requests[-3:]
            assert first.connection == second.connection == third.connection, step
            await settled(lambda: stub.wait_until(lambda: stub.connections.open <= 1))
            step += 1
        assert step > 5, "the harness must hit something to mean anything"


@tls_or_not
@pytest.mark.parametrize("warm", [False, True], ids=["new", "reused"])
@pytest.mark.parametrize("call", [stream, early_result])
async def test_a_cancelled_scope_leaks_nothing_wherever_it_hits(
    tls: bool, call: Callable[[AsyncClient], Any], warm: bool
) -> None:
    await cancelled_at_every_step(tls, call, scoped, warm=warm)


@tls_or_not
@pytest.mark.parametrize("call", [stream, early_result])
async def test_nor_while_it_waits_for_the_end_of_the_body(
    tls: bool, call: Callable[[AsyncClient], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "DRAIN_SECONDS", 0.02)
    await cancelled_at_every_step(tls, call, scoped, fault=(faults.pieces(20), faults.no_body_end()))


@tls_or_not
@pytest.mark.parametrize("warm", [False, True], ids=["new", "reused"])
@pytest.mark.parametrize(
    "cancelled", [native, twice(0), twice(1), twice(2), twice(3)], ids=["once", "0", "1", "2", "3"]
)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancelled_task_leaks_nothing_wherever_it_hits(
    tls: bool, cancelled: Callable[[Any, int], Awaitable[bool]], warm: bool
) -> None:
    await cancelled_at_every_step(tls, stream, cancelled, warm=warm)


@pytest.mark.parametrize("gap", range(0, 15, 2))
@pytest.mark.parametrize("mode", ["iterate", "result"])
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_run_is_told_to_stop_although_its_task_is_cancelled_twice(mode: str, gap: int) -> None:
    """Also where no `async with` would come back to it."""
    stub = StubServer()

    @stub.flow
    async def hang(request: int, send: Callable[[int], Awaitable[None]]) -> None:
        await send(request)
        await asyncio.Event().wait()

    async def work(client: AsyncClient) -> None:
        stream = client.flow("hang", chunk=int).stream(1)
        async for chunk in stream:
            assert chunk == 1
            reading.set()

    with stub:
        async with AsyncClient(stub.url, protocol="reflection") as client:
            reading = asyncio.Event()
            if mode == "iterate":
                task = asyncio.create_task(work(client))
                await reading.wait()
            else:
                task = asyncio.create_task(client.flow("hang").stream(1).result())
                await settled(lambda: stub.wait_until(lambda: stub.runs and stub.runs[0].chunks_sent))
            await anyio.wait_all_tasks_blocked()
            task.cancel()
            for _ in range(gap):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await settled(lambda: stub.wait_until(lambda: stub.runs[0].outcome == "cancelled"))
            assert [request.path for request in stub.requests] == ["/api/runAction", "/api/cancelAction"]


async def discovered(client: AsyncClient) -> None:
    numbers = client.flows.count.stream(3)
    assert await numbers.result() == 3


@pytest.mark.parametrize(
    "cancelled", [scoped, native, twice(0), twice(2)], ids=["scope", "task", "twice 0", "twice 2"]
)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_flow_that_is_being_found_out_leaks_nothing_wherever_its_call_is_cancelled(
    cancelled: Callable[[Any, int], Awaitable[bool]],
) -> None:
    await cancelled_while_it_is_found_out(cancelled)


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_nor_does_it_on_trio() -> None:
    await cancelled_while_it_is_found_out(scoped)


async def cancelled_while_it_is_found_out(cancelled: Callable[[Any, int], Awaitable[bool]]) -> None:
    async with served(tls=False) as (stub, _):
        step, hit = 1, True
        while hit:
            async with AsyncClient(stub.url) as client:
                hit = await cancelled(discovered(client), step)
                await discovered(client)
            await settled(lambda: stub.wait_until(lambda: stub.connections.open == 0))
            step += 1
        assert step > 5, "the harness must hit something to mean anything"
