"""The client's side of the soak: three lanes that run streams, and a judge for each stream.

In: plans. Out: a `Tally` of judgements. A lane is threads or tasks that share two clients, one of them with
TLS. A wrong stream is printed and counted; it never stops the run.
"""

# ruff: noqa: T201 - a program prints

from __future__ import annotations

import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
from anyio.from_thread import start_blocking_portal

from soak_plan import LEFT, TIMEOUT, WHOLE, Chunk, Lane, Plan, Total, chunk_of
from soak_server import Server
from streamflow_client import (
    AsyncClient,
    AsyncFlow,
    AsyncFlowStream,
    Client,
    Flow,
    FlowCancelledError,
    FlowStatusError,
    FlowStream,
    Retry,
    Ticket,
    default_async_http_client,
    default_http_client,
)
from streamflow_client.testing import StubServer

WORKERS = 16  # streams that a lane runs at a time
STOP_SECONDS = 10.0  # a cancelled stream that goes on longer hangs, however busy the machine is
RETRY = Retry(wait_initial=0.02, wait_max=0.2)


# --- the judge ----------------------------------------------------------------------------------------


class Judge:
    """Looks at what one stream delivers, and says what is wrong about it.

    Attributes:
        phase: what the stream was doing when it was cancelled, in its own words.
        stopping: seconds that it went on after that.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.wrong: list[str] = []
        self.outcome = LEFT
        self.phase: str | None = None
        self.stopping = 0.0
        self._cancelled_at: float | None = None
        self._seen = 0
        self._received = 0

    def chunk(self, chunk: Chunk) -> None:
        if chunk != chunk_of(self.plan.number, self._seen):
            came = f"chunk {chunk.index} of stream {chunk.stream}, {len(chunk.text)} characters"
            self.wrong.append(f"instead of chunk {self._seen} came {came}")
        self._seen += 1

    def result(self, total: Total) -> None:
        self.outcome = WHOLE
        if total != Total(stream=self.plan.number, chunks=self.plan.chunks):
            self.wrong.append(f"its result is {total!r}")

    def received(self, count: int) -> None:
        """What a stream object says that it delivered or drained; a resumed stream has two of them."""
        self._received += count

    def failed(self, error: Exception) -> None:
        status = isinstance(error, FlowStatusError)
        self.outcome = FlowStatusError.__name__ if status else type(error).__name__
        if isinstance(error, FlowCancelledError) and error.timeline is not None:
            self.phase = error.timeline.phase
        if self.outcome not in self.plan.promised:
            self.wrong.append("".join(traceback.format_exception(error)))

    def cancelled(self, at: float) -> None:
        self._cancelled_at = at

    def ends(self) -> None:
        """Compare with what was promised."""
        plan = self.plan
        if self._cancelled_at is not None:
            self.stopping = time.monotonic() - self._cancelled_at
        if self.stopping > STOP_SECONDS:
            self.wrong.append(f"it went on for {self.stopping:.1f} s after it was cancelled")
        if self.outcome not in plan.promised:
            self.wrong.append(f"its outcome is {self.outcome}, not {' or '.join(plan.promised)}")
        if plan.kind == "unary":
            return
        if self._received not in ([plan.chunks] if self.outcome == WHOLE else plan.received):
            self.wrong.append(f"{self._received} of {plan.chunks} chunks were received")
        if plan.reading in ("all", "ticket") and self._received != self._seen:
            self.wrong.append(f"{self._seen} chunks came, and it says {self._received}")


@dataclass
class Tally:
    """All judgements so far."""

    streams: Counter[str] = field(default_factory=Counter[str])
    wrong: Counter[str] = field(default_factory=Counter[str])
    outcomes: Counter[str] = field(default_factory=Counter[str])
    phases: Counter[str] = field(default_factory=Counter[str])
    dropped: int = 0
    slowest_stop: tuple[float, str] = (0.0, "none")  # seconds, and which stream it was
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, judge: Judge) -> None:
        judge.ends()
        plan = judge.plan
        fate = "faulty" if plan.fault else "cancelled" if plan.cancel else "healthy"
        groups = ("all", plan.lane, plan.kind, "TLS" if plan.tls else "no TLS", fate)
        with self.lock:
            self.streams.update(groups)
            self.outcomes[judge.outcome] += 1
            self.phases.update([judge.phase] if judge.phase else [])
            self.dropped += plan.way == "drop"
            self.slowest_stop = max(self.slowest_stop, (judge.stopping, str(plan)))
            self.wrong.update(groups if judge.wrong else [])
        if judge.wrong:
            print(f"WRONG: {plan}: {'; '.join(judge.wrong)}", flush=True)


# --- the lanes ----------------------------------------------------------------------------------------


@contextmanager
def stopping(judge: Judge, cancel: Callable[[], object], close: Callable[[], object]) -> Generator[None]:
    """Meanwhile another thread cancels or closes the stream, if that is its plan."""
    planned = judge.plan.cancel
    if planned is None or planned.way not in ("cancel", "close"):
        yield
        return

    def stop() -> None:
        judge.cancelled(time.monotonic())
        (cancel if planned.way == "cancel" else close)()

    timer = threading.Timer(planned.after, stop)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()  # not join: an event loop that waits for the thread that waits for it …


class _Lane:
    """What both kinds of lane have in common."""

    def __init__(self, name: Lane, server: Server, tally: Tally) -> None:
        self.name = name
        self.server = server
        self.tally = tally

    def flow_of(self, clients: dict[bool, Any], plan: Plan) -> Any:
        """The plan's flow, on the client for it."""
        handshake = plan.cancel is not None and plan.cancel.place == "handshake"
        path = f"{self.server.deaf}/count" if handshake else None
        client = clients[plan.tls].with_options(timeout=plan.timeout)
        return client.flow(plan.flow, chunk=Chunk, output=Total, path=path)


class SyncLane(_Lane):
    """Threads that share two clients. `AsyncLane` is its twin."""

    def __init__(self, server: Server, tally: Tally, stack: ExitStack) -> None:
        super().__init__("sync", server, tally)
        trusting = stack.enter_context(default_http_client(verify=StubServer().client_ssl_context()))
        self._clients = {
            tls: stack.enter_context(
                Client(url, http_client=trusting if tls else None, timeout=TIMEOUT, retry=RETRY)
            )
            for tls, url in server.urls.items()
        }
        self._threads = stack.enter_context(ThreadPoolExecutor(WORKERS))

    def start(self, plans: Iterator[Plan], until: float) -> list[Future[None]]:
        """Run these streams; none is begun after `until`."""
        return [self._threads.submit(self._work, plans, until) for _ in range(WORKERS)]

    def ping(self) -> None:
        """A call on each client, which buries what finalizers left."""
        for client in self._clients.values():
            client.flow("ping")(None)

    def tasks(self) -> int:
        return 0

    def _work(self, plans: Iterator[Plan], until: float) -> None:
        for plan in plans:
            judge = Judge(plan)
            try:
                self._run(judge)
            except Exception as error:  # noqa: BLE001 - the judge looks at it
                judge.failed(error)
            self.tally.add(judge)
            if time.monotonic() > until:
                return

    def _run(self, judge: Judge) -> None:
        flow: Flow[Any, Chunk, Total] = self.flow_of(self._clients, judge.plan)
        if judge.plan.kind == "unary":
            judge.result(flow(judge.plan.order))
            return
        stream = flow.stream(judge.plan.order)
        if judge.plan.way == "drop":
            self._iterate(stream, judge)
            return
        with stopping(judge, stream.cancel, stream.close):
            ticket = self._read(stream, judge)
        if ticket is not None:
            self._read(flow.resume(ticket), judge, resumed=True)

    def _read(
        self, stream: FlowStream[Chunk, Total], judge: Judge, *, resumed: bool = False
    ) -> Ticket | None:
        plan = judge.plan
        try:
            with stream:
                if plan.reading != "result":
                    self._iterate(stream, judge, resumed=resumed)
                if plan.reading == "ticket" and not resumed:
                    return stream.ticket()
                if plan.way != "leave":
                    judge.result(stream.result())
                return None
        finally:
            judge.received(stream.received)

    def _iterate(self, stream: FlowStream[Chunk, Total], judge: Judge, *, resumed: bool = False) -> None:
        for chunk in stream:
            judge.chunk(chunk)
            if judge.plan.stops_at(stream.received, resumed=resumed):
                break
        if judge.plan.way == "drop":
            judge.received(stream.received)


class AsyncLane(_Lane):
    """Tasks of one event loop that share two clients. `SyncLane` is its twin."""

    def __init__(self, name: Lane, server: Server, tally: Tally, stack: ExitStack) -> None:
        super().__init__(name, server, tally)
        self._portal = stack.enter_context(start_blocking_portal(name))
        enter = self._portal.wrap_async_context_manager
        trusting = default_async_http_client(verify=StubServer().client_ssl_context())
        stack.enter_context(enter(trusting))
        self._clients = {
            tls: stack.enter_context(
                enter(AsyncClient(url, http_client=trusting if tls else None, timeout=TIMEOUT, retry=RETRY))
            )
            for tls, url in server.urls.items()
        }
        self._usual_tasks = 0
        self._usual_tasks = self.tasks()

    def start(self, plans: Iterator[Plan], until: float) -> list[Future[None]]:
        """Run these streams; none is begun after `until`."""
        return [self._portal.start_task_soon(self._work, plans, until) for _ in range(WORKERS)]

    def ping(self) -> None:
        """A call on each client, which buries what finalizers left."""
        for client in self._clients.values():
            self._portal.call(client.flow("ping"), None)

    def tasks(self) -> int:
        """How many there are, but for those that always are."""
        return len(self._portal.call(anyio.get_running_tasks)) - self._usual_tasks

    async def _work(self, plans: Iterator[Plan], until: float) -> None:
        for plan in plans:
            judge = Judge(plan)
            try:
                await self._run_in_scope(judge)
            except Exception as error:  # noqa: BLE001 - the judge looks at it
                judge.failed(error)
            self.tally.add(judge)
            if time.monotonic() > until:
                return

    async def _run_in_scope(self, judge: Judge) -> None:
        planned = judge.plan.cancel
        if planned is None or planned.way != "task":
            await self._run(judge)
            return
        with anyio.move_on_after(planned.after):
            judge.cancelled(time.monotonic() + planned.after)
            await self._run(judge)

    async def _run(self, judge: Judge) -> None:
        flow: AsyncFlow[Any, Chunk, Total] = self.flow_of(self._clients, judge.plan)
        if judge.plan.kind == "unary":
            judge.result(await flow(judge.plan.order))
            return
        stream = flow.stream(judge.plan.order)
        if judge.plan.way == "drop":
            await self._iterate(stream, judge)
            return
        with stopping(judge, stream.cancel, partial(self._portal.start_task_soon, stream.aclose)):
            ticket = await self._read(stream, judge)
        if ticket is not None:
            await self._read(flow.resume(ticket), judge, resumed=True)

    async def _read(
        self, stream: AsyncFlowStream[Chunk, Total], judge: Judge, *, resumed: bool = False
    ) -> Ticket | None:
        plan = judge.plan
        try:
            async with stream:
                if plan.reading != "result":
                    await self._iterate(stream, judge, resumed=resumed)
                if plan.reading == "ticket" and not resumed:
                    return stream.ticket()
                if plan.way != "leave":
                    judge.result(await stream.result())
                return None
        finally:
            judge.received(stream.received)

    async def _iterate(
        self, stream: AsyncFlowStream[Chunk, Total], judge: Judge, *, resumed: bool = False
    ) -> None:
        async for chunk in stream:
            judge.chunk(chunk)
            if judge.plan.stops_at(stream.received, resumed=resumed):
                break
        if judge.plan.way == "drop":
            judge.received(stream.received)
