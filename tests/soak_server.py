"""The server of the soak: a process of its own, so that what the other one holds is the client's alone.

In: the seed and the number of streams, from which it scripts each stream's faults. Out: its addresses, and
`Seen`, as often as it is asked.
"""

from __future__ import annotations

import logging
import multiprocessing
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import NamedTuple

from soak_plan import FAULTS, Chunk, Order, Plan, Total, chunk_of, plan
from streamflow_client.testing import Call, StubServer, faults

Send = Callable[[Chunk], Awaitable[None]]


class Seen(NamedTuple):
    """Connections that are busy or still silent, all that are open, and streams that were run twice."""

    busy: int
    open: int
    twice: list[int]


class Server:
    """The server as the client's process sees it.

    Attributes:
        urls: without and with TLS.
        deaf: another one with TLS, which takes connections and never says a word.
    """

    def __init__(self, seed: int, streams: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, seed, streams), daemon=True)
        self._process.start()
        theirs.close()
        self.urls, self.deaf = self._pipe.recv()

    def seen(self, *, runs: bool = False) -> Seen:
        """What it sees now; whether streams were run twice only if asked for, since that takes a while."""
        self._pipe.send(runs)
        seen: Seen = self._pipe.recv()
        return seen

    def stop(self) -> None:
        self._pipe.close()
        self._process.join()


def _serve(pipe: Connection, seed: int, streams: int) -> None:
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it warns of writes to clients that have left
    # No idle connection is closed here: every socket that the client has open, this side has too.
    stubs = {tls: StubServer(tls=tls, keep_alive=3600) for tls in (False, True)}
    deaf = StubServer(tls=True)
    for stub in stubs.values():
        _add_flows(stub)
    for number in range(streams):
        _add_faults(stubs, plan(seed, number))
    with ExitStack() as stack:
        for stub in (*stubs.values(), deaf):
            stack.enter_context(stub)
        stack.enter_context(deaf.tls_stall())
        pipe.send(({tls: stub.url for tls, stub in stubs.items()}, deaf.url))
        try:
            while True:
                pipe.send(_seen(list(stubs.values()), deaf, runs=pipe.recv()))
        except EOFError:
            return  # the other process has closed the pipe, or is gone


async def _count(order: Order, send: Send) -> Total:
    for index in range(order.chunks):
        await send(chunk_of(order.stream, index))
    return Total(stream=order.stream, chunks=order.chunks)


async def _hang(order: Order, send: Send, call: Call) -> Total:
    total = await _count(order, send)
    await call.wait_gone()
    return total


async def _ping() -> None:
    """Nothing to do."""


def _add_flows(stub: StubServer) -> None:
    for name in ("count", "headers", "back-off"):
        stub.flow(name)(_count)
    stub.flow("durable", durable=True)(_count)
    stub.flow("hang")(_hang)
    stub.flow("ping")(_ping)
    stub.always("headers", faults.delay_headers(60))
    stub.always("back-off", faults.status(503, retry_after=30))


def _add_faults(stubs: dict[bool, StubServer], plan: Plan) -> None:
    if plan.fault is not None:
        stubs[plan.tls].flow(plan.flow, durable=plan.kind == "durable")(_count)
        stubs[plan.tls].script(plan.flow, *FAULTS[plan.fault].script(plan.at))


def _seen(stubs: list[StubServer], deaf: StubServer, *, runs: bool) -> Seen:
    connections = [stub.connections for stub in stubs]
    times = Counter(run.input["stream"] for stub in stubs for run in stub.runs if runs and run.flow != "ping")
    return Seen(
        busy=sum(each.in_use for each in connections) + deaf.connections.open,
        open=sum(each.open for each in connections) + deaf.connections.open,
        twice=[stream for stream, ran in times.items() if ran > 1],
    )
