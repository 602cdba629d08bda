"""One contestant in a process of its own: takes orders as lines of JSON, answers with what they cost.

In: orders on standard input. Out: a line each on standard output. The process does nothing else, so that its
CPU time is the contestant's. Which orders, how often, and what comes of them belongs to `rounds.py`.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Awaitable, Callable
from time import perf_counter, process_time
from typing import Any

from .bodies import Shape, events, pieces
from .contestants import ENTRIES, Blocking, Call, Concurrent, make
from .crowd import Crowd, allow_many_files

Answer = dict[str, Any]


class BlockingWorker:
    """Orders, carried out by a synchronous contestant."""

    def __init__(self, contestant: Blocking) -> None:
        self._contestant = contestant

    def count(self, path: str, shape: Shape, times: int) -> Answer:
        call = Call(path, shape)
        return timed(lambda: self._contestant.count(call), times)

    def decode(self, shape: Shape, count: int, times: int) -> Answer:
        body = list(pieces(events(shape, count)))
        return timed(lambda: self._contestant.decode(body, shape), times)

    def first(self, path: str, shape: Shape, times: int) -> Answer:
        call, waits = Call(path, shape), []
        cpu = process_time()
        for _ in range(times):
            began = perf_counter()
            chunks = self._contestant.chunks(call)
            next(chunks)
            waits.append(perf_counter() - began)
            for _ in chunks:
                pass
        return {"waits": waits, "cpu": process_time() - cpu}


class ConcurrentWorker:
    """The same for one on an event loop."""

    def __init__(self, contestant: Concurrent, run: Callable[[Any], Any]) -> None:
        self._contestant = contestant
        self._run = run
        self._crowd = Crowd(contestant)

    def open(self, count: int, last: int) -> Answer:
        answer: Answer = self._run(self._crowd.open(count, last))
        return answer

    def flow(self, rounds: int, rate: float) -> Answer:
        answer: Answer = self._run(self._crowd.flow(rounds, rate))
        return answer

    def leave(self) -> Answer:
        answer: Answer = self._run(self._crowd.leave())
        return answer

    def count(self, path: str, shape: Shape, times: int) -> Answer:
        call = Call(path, shape)
        return self._timed(lambda: self._contestant.count(call), times)

    def decode(self, shape: Shape, count: int, times: int) -> Answer:
        body = list(pieces(events(shape, count)))
        return self._timed(lambda: self._contestant.decode(body, shape), times)

    def first(self, path: str, shape: Shape, times: int) -> Answer:
        answer: Answer = self._run(self._first(Call(path, shape), times))
        return answer

    async def _first(self, call: Call, times: int) -> Answer:
        waits: list[float] = []
        cpu = process_time()
        for _ in range(times):
            began = perf_counter()
            chunks = self._contestant.chunks(call)
            await anext(chunks)
            waits.append(perf_counter() - began)
            async for _ in chunks:
                pass
        return {"waits": waits, "cpu": process_time() - cpu}

    def _timed(self, work: Callable[[], Awaitable[int]], times: int) -> Answer:
        async def inside() -> Answer:
            gc.collect()
            chunks, began, cpu = 0, perf_counter(), process_time()
            for _ in range(times):
                chunks += await work()
            return {"cpu": process_time() - cpu, "wall": perf_counter() - began, "chunks": chunks}

        answer: Answer = self._run(inside())
        return answer


def timed(work: Callable[[], int], times: int) -> Answer:
    """What some rounds of it cost: CPU and wall seconds, and how many chunks there were."""
    gc.collect()
    chunks, began, cpu = 0, perf_counter(), process_time()
    for _ in range(times):
        chunks += work()
    return {"cpu": process_time() - cpu, "wall": perf_counter() - began, "chunks": chunks}


def obey(worker: BlockingWorker | ConcurrentWorker) -> None:
    """Carry out one order after the other, until standard input ends."""
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(getattr(worker, order.pop("do"))(**order)), flush=True)


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """What makes the event loop of that name."""
    if name == "uvloop":
        import uvloop

        factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
        return factory
    return asyncio.new_event_loop


def main(name: str, url: str) -> None:
    """Serve as the contestant of that name."""
    allow_many_files()
    entry = ENTRIES[name]
    if entry.loop is None:
        contestant = make(entry, url)
        assert isinstance(contestant, Blocking)
        obey(BlockingWorker(contestant))
        return
    with asyncio.Runner(loop_factory=loop_factory(entry.loop)) as runner:

        async def made() -> Blocking | Concurrent:
            return make(entry, url)

        concurrent = runner.run(made())
        assert isinstance(concurrent, Concurrent)
        obey(ConcurrentWorker(concurrent, runner.run))
        runner.run(concurrent.close())


if __name__ == "__main__":
    main(*sys.argv[1:])
