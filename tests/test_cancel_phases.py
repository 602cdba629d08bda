"""Stopped in any phase, in any way, by any driver: the reader wakes, the server sees it, nothing is left.

One table over real sockets: phases (`phases.py`), ways, drivers, plain or TLS. Run as a program, it prints
how long the reader and the server took to notice, by phase and driver:

    python tests/test_cancel_phases.py
"""

from __future__ import annotations

import asyncio
import logging
import signal
import statistics
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import anyio
import pytest
import trio

from drivers import DRIVERS, Driver, spawn
from phases import COUNT, PHASES, REFLECTED, SECONDS, Phase, World, trusting, until
from streamflow_client import AsyncClient, AsyncFlowStream, Client, FlowCancelledError, FlowStream

WAKES = 0.1  # seconds until the reader has its error
CLOSES = 0.2  # seconds until the server has seen the connection close
TRIES = 3  # of which the best counts: a machine that stands still for a moment is no fault
FDS = Path("/proc/self/fd")


@dataclass
class Scene:
    """One call that is about to be stopped, by one way.

    Attributes:
        struck, woke: when it was stopped, and when its reader got the error; monotonic seconds.
        error: what the reader got.
        seen: what the reader had got before.
    """

    phase: Phase
    world: World
    client: Any
    stream: Any
    struck: float = 0.0
    woke: float = 0.0
    error: BaseException | None = None
    seen: list[int] = field(default_factory=list[int])

    def reached(self) -> None:
        until(lambda: self.world.reached(self.stream))

    def strike(self, stop: Callable[[], object]) -> None:
        """Stop the call."""
        self.struck = monotonic()
        try:
            stop()
        finally:
            self.seen_to()

    def seen_to(self) -> None:
        """A server that did not read does so now, or it would never see the end."""
        if self.phase.says != "connecting":
            self.world.release()

    def noted(self, error: BaseException) -> None:
        self.woke, self.error = monotonic(), error

    def read(self) -> None:
        """The synchronous reader."""
        try:
            if self.phase.read == "result":
                self.stream.result()
            for chunk in self.stream:
                self.seen.append(chunk)
        except BaseException as error:
            self.noted(error)
            raise

    async def aread(self) -> None:
        """The asynchronous reader."""
        try:
            if self.phase.read == "result":
                await self.stream.result()
            async for chunk in self.stream:
                self.seen.append(chunk)
        except BaseException as error:
            self.noted(error)
            raise


@dataclass(frozen=True)
class Times:
    """How long the reader took to wake, and the server to see the connection close; seconds."""

    woke: float
    closed: float


# --- ways, synchronous --------------------------------------------------------------------------------


def cancelled(scene: Scene) -> None:
    scene.stream.cancel()


def from_a_thread(stop: Callable[[Scene], object]) -> Callable[[Scene], None]:
    """The reader is in another thread."""

    def way(scene: Scene) -> None:
        reader = spawn(scene.read)
        scene.reached()
        scene.strike(lambda: stop(scene))
        assert isinstance(reader.exception(SECONDS), FlowCancelledError)

    return way


def from_a_signal(handler: Callable[[Scene], Any], error: type[BaseException]) -> Callable[[Scene], None]:
    """The reader is in the main thread, which is where signals are handled."""

    def way(scene: Scene) -> None:
        def strike() -> None:
            scene.reached()
            scene.strike(send_signal)

        with handling(lambda *_: handler(scene)):
            striker = spawn(strike)
            with pytest.raises(error):
                scene.read()
            striker.result(SECONDS)

    return way


@contextmanager
def handling(handler: Any) -> Iterator[None]:
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)


def send_signal() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)


def ctrl_c(_: Scene) -> None:
    raise KeyboardInterrupt


SYNC_WAYS: dict[str, Callable[[Scene], None]] = {
    "cancel": from_a_thread(cancelled),
    "close": from_a_thread(lambda scene: scene.stream.close()),
    "client": from_a_thread(lambda scene: scene.client.close()),
    "signal": from_a_signal(cancelled, FlowCancelledError),
    "ctrl-c": from_a_signal(ctrl_c, KeyboardInterrupt),
}


# --- ways, asynchronous -------------------------------------------------------------------------------


async def reached(scene: Scene) -> None:
    await anyio.to_thread.run_sync(scene.reached)


def beside(stop: Callable[[Scene], Awaitable[object]]) -> Callable[[Scene], Awaitable[None]]:
    """One task reads, another stops it."""

    async def read(scene: Scene) -> None:
        with pytest.raises(FlowCancelledError):
            await scene.aread()

    async def way(scene: Scene) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, scene)
            await reached(scene)
            scene.struck = monotonic()
            await stop(scene)
            scene.seen_to()

    return way


async def in_a_task(scene: Scene) -> None:
    scene.stream.cancel()


async def in_a_thread(scene: Scene) -> None:
    await anyio.to_thread.run_sync(scene.stream.cancel)


async def twice_over(scene: Scene) -> None:
    scene.stream.cancel()
    await scene.stream.aclose()
    scene.stream.cancel()


async def from_a_handler(scene: Scene) -> None:
    with handling(lambda *_: scene.stream.cancel()):
        await anyio.to_thread.run_sync(send_signal)


async def by_scope(scene: Scene) -> None:
    scope = anyio.CancelScope()

    async def read() -> None:
        with scope:
            await scene.aread()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await reached(scene)
        scene.strike(scope.cancel)
    assert scope.cancelled_caught


async def by_move_on(scene: Scene) -> None:
    await due(scene, anyio.move_on_after(60))


async def by_fail_after(scene: Scene) -> None:
    with pytest.raises(TimeoutError):
        await due(scene, anyio.fail_after(60))


async def due(scene: Scene, deadline: Any) -> None:
    """A time-out is up as soon as the reader is where it should be."""

    async def expire() -> None:
        await reached(scene)
        scene.strike(lambda: setattr(scope, "deadline", anyio.current_time()))

    with deadline as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(expire)
            await scene.aread()


async def by_task(scene: Scene, *, again: int = 0) -> None:
    task = asyncio.create_task(scene.aread())
    await reached(scene)
    scene.strike(task.cancel)
    for _ in range(again):
        await asyncio.sleep(0)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def by_task_twice(scene: Scene) -> None:
    await by_task(scene, again=2)


async def by_asyncio_timeout(scene: Scene) -> None:
    timeout = asyncio.timeout(60)

    async def expire() -> None:
        await reached(scene)
        scene.strike(lambda: timeout.reschedule(asyncio.get_running_loop().time()))

    expiring = asyncio.create_task(expire())
    with pytest.raises(TimeoutError):
        async with timeout:
            await scene.aread()
    await expiring


async def by_sibling(scene: Scene) -> None:
    async def fail() -> None:
        await reached(scene)
        scene.strike(lambda: None)
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(scene.aread())
            tasks.create_task(fail())
    assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError]


async def by_nursery(scene: Scene) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.aread)
        await reached(scene)
        scene.strike(nursery.cancel_scope.cancel)


ASYNC_WAYS: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "cancel": beside(in_a_task),
    "thread": beside(in_a_thread),
    "close": beside(lambda scene: scene.stream.aclose()),
    "client": beside(lambda scene: scene.client.aclose()),
    "twice over": beside(twice_over),
    "signal": beside(from_a_handler),
    "scope": by_scope,
    "move_on_after": by_move_on,
    "fail_after": by_fail_after,
}
ASYNCIO_WAYS = {
    "task": by_task,
    "task twice": by_task_twice,
    "asyncio.timeout": by_asyncio_timeout,
    "TaskGroup": by_sibling,
}
TRIO_WAYS = {"nursery": by_nursery}
WAYS: dict[str, dict[str, Callable[[Scene], Any]]] = {
    "sync": dict(SYNC_WAYS),
    "asyncio": ASYNC_WAYS | ASYNCIO_WAYS,
    "trio": ASYNC_WAYS | TRIO_WAYS,
}


# --- one cell of the table ----------------------------------------------------------------------------


def stopped(driver: Driver, phase: Phase, way: str, *, tls: bool) -> Times:
    """Stop a call, and look at all that is promised, but how long it took."""
    before = descriptors()
    with phase.place(phase, tls) as world:
        if driver.name == "sync":
            times = _stopped(driver, phase, way, world)
        else:
            times = driver.run(lambda: _astopped(driver, phase, way, world))
        until(lambda: world.stub.connections.open == 0)
        if phase.protocol == "reflection":
            assert was_told(world) == (way not in SILENT_WAYS)
    if phase.says == "connecting":  # what was given up ends by itself, a moment later
        until(lambda: descriptors() == before)
    assert descriptors() == before, "nothing waits for the garbage collector"
    return times


def _stopped(driver: Driver, phase: Phase, way: str, world: World) -> Times:
    with calling(driver, phase, world) as client:
        stream = begun(client, phase)
        scene = Scene(phase, world, client, stream)
        for _ in range(phase.first):
            next(stream)
        SYNC_WAYS[way](scene)
        with pytest.raises(FlowCancelledError) as caught:
            next(stream)
        for _ in range(2):
            with pytest.raises(FlowCancelledError):
                stream.result()
            with pytest.raises(FlowCancelledError):
                next(stream)
        times = checked(scene, caught.value)
        if way != "client":
            assert elsewhere(client, world)(3) == 3, "the client can still be used"
        return times


async def _astopped(driver: Driver, phase: Phase, way: str, world: World) -> Times:
    async with acalling(driver, phase, world) as client:
        stream = await abegun(client, phase)
        scene = Scene(phase, world, client, stream)
        for _ in range(phase.first):
            await anext(stream)
        await WAYS[driver.name][way](scene)
        with pytest.raises(FlowCancelledError) as caught:
            await anext(stream)
        for _ in range(2):
            with pytest.raises(FlowCancelledError):
                await stream.result()
            with pytest.raises(FlowCancelledError):
                await anext(stream)
        times = checked(scene, caught.value)
        if way != "client":
            assert await elsewhere(client, world)(3) == 3, "the client can still be used"
        if driver.name == "asyncio":
            assert asyncio.all_tasks() == {asyncio.current_task()}, "no task is left"
        return times


@contextmanager
def calling(driver: Driver, phase: Phase, world: World) -> Iterator[Client]:
    if not world.url.startswith("https"):
        with Client(world.url, protocol=phase.protocol) as client:
            yield client
    else:
        with driver.http_client(trusting()) as http, Client(world.url, http_client=http) as client:
            yield client


@asynccontextmanager
async def acalling(driver: Driver, phase: Phase, world: World) -> AsyncIterator[AsyncClient]:
    if not world.url.startswith("https"):
        async with AsyncClient(world.url, protocol=phase.protocol) as client:
            yield client
    else:
        http = driver.http_client(trusting())
        async with http, AsyncClient(world.url, http_client=http) as client:
            yield client


def begun(client: Client, phase: Phase) -> FlowStream[Any, Any]:
    if phase.warm:
        client.flow("warm")(0)
    return client.flow(phase.flow).stream(phase.input)


async def abegun(client: AsyncClient, phase: Phase) -> AsyncFlowStream[Any, Any]:
    if phase.warm:
        await client.flow("warm")(0)
    return client.flow(phase.flow).stream(phase.input)


def elsewhere(client: Any, world: World) -> Any:
    """A flow that is served, wherever the stopped one went."""
    return client.flow(COUNT.name, path=f"{world.stub.url}/{COUNT.name}")


def checked(scene: Scene, error: FlowCancelledError) -> Times:
    """What the call has left behind, on this side and on the server's."""
    phase, world = scene.phase, scene.world
    if phase.says == "connecting":
        world.release()  # not before: stopping has woken the reader by itself
    assert phase.says in str(error)
    assert error.received == scene.stream.received
    refused = phase is PHASES["retry"]
    assert error.work_may_have_run == (phase.says != "connecting" and not refused)
    calls = [request for request in world.stub.requests if request.path != "/api/cancelAction"]
    assert len(calls) == len(phase.faults) + phase.warm, "none was made after it"
    closed = until(world.left_at) - scene.struck if phase.closes else 0.0
    got = world.received()
    if got is not None:
        assert got == 0 if phase.says == "connecting" else got < len(phase.input)
    return Times(scene.woke - scene.struck, closed)


def was_told(world: World) -> bool:
    """Whether the server was asked to end the run, and did. It was asked once, if at all."""
    told = [request for request in world.stub.requests if request.path == "/api/cancelAction"]
    assert len(told) <= 1
    return bool(told) and world.stub.runs[0].outcome == "cancelled"


def descriptors() -> int:
    return len(list(FDS.iterdir())) if FDS.is_dir() else 0


# --- the table ----------------------------------------------------------------------------------------

SILENT_WAYS = ("close", "client")  # they let go of a run without telling its server
QUICK_PHASES = ("resolving", "upload", "headers", "headers, reused", "body", "retry")
QUICK_WAYS = ("cancel", "scope", "task")


def cells() -> Iterator[tuple[str, bool, Driver, str]]:
    for name, phase in PHASES.items():
        for tls in [False] * phase.plain + [True] * phase.tls:
            for driver in DRIVERS:
                for way in WAYS[driver.name]:
                    yield name, tls, driver, way


def as_parameters() -> Iterator[Any]:
    """The short table runs everywhere; all of it only by `make faults`."""
    for name, tls, driver, way in cells():
        quick = not tls and name in QUICK_PHASES
        quick = quick or (way in QUICK_WAYS and (not tls or name == "handshake"))
        where = "tls" if tls else "plain"
        marks = [] if quick else [pytest.mark.faults]
        yield pytest.param(name, tls, driver, way, id=f"{name}-{where}-{driver}-{way}", marks=marks)


@pytest.mark.parametrize(("phase", "tls", "driver", "way"), list(as_parameters()))
def test_a_stopped_call_wakes_its_reader_and_the_server_and_leaves_nothing(
    phase: str, tls: bool, driver: Driver, way: str
) -> None:
    in_time(PHASES[phase], driver, way, tls=tls)


@pytest.mark.parametrize(
    ("driver", "way"),
    [pytest.param(driver, way, id=f"{driver}-{way}") for driver in DRIVERS for way in WAYS[driver.name]],
)
def test_a_server_that_can_be_told_ends_the_run_too(driver: Driver, way: str) -> None:
    in_time(REFLECTED, driver, way, tls=False)


def in_time(phase: Phase, driver: Driver, way: str, *, tls: bool) -> None:
    tries: list[Times] = []
    while len(tries) < TRIES:
        tries.append(stopped(driver, phase, way, tls=tls))
        if tries[-1].woke < WAKES and tries[-1].closed < CLOSES:
            return
    raise AssertionError(f"too slow each time: {tries}")


# --- restarted ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS, ids=repr)
@pytest.mark.parametrize("phase", [name for name in PHASES if name not in ("connecting", "upload")])
def test_a_restart_in_any_phase_leaves_nothing_of_the_old_answer(driver: Driver, phase: str) -> None:
    before = descriptors()
    where = PHASES[phase]
    with where.place(where, not where.plain) as world:
        if driver.name == "sync":
            found = _restarted(driver, where, world)
        else:
            found = driver.run(lambda: _arestarted(driver, where, world))
        until(lambda: world.stub.connections.open == 0)
        assert found == ([0, 1, 2], 3, 3)
        assert world.stub.runs[-1].input == 3
        assert len(world.stub.requests) == len(where.faults) + where.warm + 1
    assert descriptors() == before


def _restarted(driver: Driver, phase: Phase, world: World) -> Any:
    with calling(driver, phase, world) as client:
        stream = begun(client, phase)
        scene = Scene(phase, world, client, stream)
        for _ in range(phase.first):
            next(stream)
        reader = spawn(scene.read)
        scene.reached()
        running = stream._exchange
        restarting = spawn(lambda: stream.restart(3))
        until(lambda: running.stopped)
        world.release()
        assert isinstance(reader.exception(SECONDS), FlowCancelledError)
        restarting.result(SECONDS)
        return list(stream), stream.result(), stream.received


async def _arestarted(driver: Driver, phase: Phase, world: World) -> Any:
    async with acalling(driver, phase, world) as client:
        stream = await abegun(client, phase)
        scene = Scene(phase, world, client, stream)
        for _ in range(phase.first):
            await anext(stream)

        async def read() -> None:
            with pytest.raises(FlowCancelledError):
                await scene.aread()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await reached(scene)
            tasks.start_soon(stream.restart, 3)
            await anyio.lowlevel.checkpoint()
            world.release()
        return [chunk async for chunk in stream], await stream.result(), stream.received


# --- as a program: how long it took --------------------------------------------------------------------


def main() -> None:
    """Print the median and the longest time, in milliseconds, that reader and server took."""
    logging.disable()
    found: dict[tuple[str, str], list[Times]] = {}
    for name, tls, driver, way in cells():
        row = found.setdefault((f"{name} (TLS)" if tls else name, repr(driver)), [])
        row.append(stopped(driver, PHASES[name], way, tls=tls))
    write = sys.stdout.write
    write("phase                   driver  stops     reader: median, max     server: median, max\n")
    for (name, who), times in found.items():
        both = [time.woke * 1e3 for time in times], [time.closed * 1e3 for time in times]
        columns = "".join(f"{statistics.median(each):16.1f} {max(each):7.1f}" for each in both)
        write(f"{name:23} {who:7} {len(times):5}{columns}\n")


if __name__ == "__main__":
    main()
