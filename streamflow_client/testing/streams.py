"""What a run has sent so far, for any number of readers, and the shelf of streams that may be
resumed.

In: chunks as JSON bytes and one ending. Out: the same, to every reader from the first chunk on.
How they look on the wire and who reads them belongs elsewhere.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from .outcomes import Ending

if TYPE_CHECKING:
    from .running import Execution


class Tape:
    """Chunks in order, then the ending. Written from any thread, read on the stub's loop."""

    def __init__(self, schedule: Callable[[Callable[[], None]], object]) -> None:
        """`schedule` runs a function soon on the loop."""
        self.chunks: list[bytes] = []
        self.ending: Ending | None = None
        self._schedule = schedule
        self._waking = False
        self._readers: set[asyncio.Future[None]] = set()

    def put(self, payload: bytes) -> None:
        self.chunks.append(payload)
        self._wake_soon()

    def finish(self, ending: Ending) -> None:
        self.ending = ending
        self._wake_soon()

    async def beyond(self, seen: int) -> None:
        """Wait until there is more than the first `seen` chunks, or the ending."""
        while len(self.chunks) <= seen and self.ending is None:
            reader = asyncio.get_running_loop().create_future()
            self._readers.add(reader)
            try:
                await reader
            finally:
                self._readers.discard(reader)

    async def ended(self) -> Ending:
        """Wait for the ending."""
        while self.ending is None:
            await self.beyond(len(self.chunks))
        return self.ending

    def _wake_soon(self) -> None:
        # One call for many chunks: the flag falls before the readers look, so none is overlooked.
        if not self._waking:
            self._waking = True
            self._schedule(self._wake)

    def _wake(self) -> None:
        self._waking = False
        for reader in self._readers:
            if not reader.done():
                reader.set_result(None)


class Shelf:
    """The durable runs by stream id. A run is forgotten `ttl` seconds after it ended."""

    def __init__(self, ttl: float) -> None:
        self._ttl = ttl
        self._runs: dict[str, Execution] = {}

    def put(self, stream_id: str, execution: "Execution") -> None:
        self._runs[stream_id] = execution

    def find(self, stream_id: str) -> "Execution | None":
        execution = self._runs.get(stream_id)
        if execution is None or not self._expired(execution):
            return execution
        del self._runs[stream_id]
        return None

    def clear(self) -> None:
        self._runs.clear()

    def _expired(self, execution: "Execution") -> bool:
        return execution.ended_at is not None and time.monotonic() - execution.ended_at >= self._ttl
