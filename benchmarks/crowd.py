"""Many streams at once in one asynchronous client: what one more costs to open, to have, and to read.

In: orders to open streams up to a number, or to let chunks flow through all of them. Out: CPU seconds, and
the memory of the process. The streams are the server's `held` ones: they wait until it is told.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from .contestants import Call, Concurrent
from .contestants.floor import address

HELD = Call("genkit/held/tokens/0")


class Crowd:
    """The streams of one contestant, each read by a task of its own."""

    def __init__(self, contestant: Concurrent) -> None:
        self._contestant = contestant
        self._readers: list[asyncio.Task[None]] = []
        self._seen = 0
        self._wanted = 0
        self._complete = asyncio.Event()

    async def open(self, count: int, last: int) -> dict[str, Any]:
        """Open streams until there are so many; what the `last` of them took."""
        for _ in range(count - last - len(self._readers)):
            await self._open_one()
        gc.collect()
        last = count - len(self._readers)
        began, cpu = perf_counter(), process_time()
        for _ in range(last):
            await self._open_one()
        return {"cpu": process_time() - cpu, "wall": perf_counter() - began, "opened": last}

    async def _open_one(self) -> None:
        self._want(1)
        self._readers.append(asyncio.create_task(self._read()))
        await self._complete.wait()

    async def flow(self, rounds: int, rate: float) -> dict[str, Any]:
        """Let every stream have so many chunks, `rate` a second in all; what they took, and the memory."""
        gc.collect()
        self._want(rounds * len(self._readers))
        began, cpu = perf_counter(), process_time()
        await self._tell(f"/go/{rounds}/{rate}")
        await self._complete.wait()
        answer = {"cpu": process_time() - cpu, "wall": perf_counter() - began, "chunks": self._wanted}
        gc.collect()
        return answer | {"bytes": resident_bytes()}

    def _want(self, chunks: int) -> None:
        self._seen, self._wanted = 0, chunks
        self._complete.clear()

    async def _read(self) -> None:
        async for _ in self._contestant.chunks(HELD):
            self._seen += 1
            if self._seen == self._wanted:
                self._complete.set()

    async def _tell(self, path: str) -> None:
        """A word to the server, past every contestant."""
        reader, writer = await asyncio.open_connection(*address(self._contestant.url))
        writer.write(b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n" % path.encode())
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async def leave(self) -> dict[str, Any]:
        """End all readers."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        self._readers.clear()
        return {}


def resident_bytes(pid: int | str = "self") -> int:
    """The memory of a process. Linux only."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def allow_many_files() -> None:
    """As many sockets as the machine allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536) if hard > 0 else 65_536, hard))
