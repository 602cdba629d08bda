"""httpx2 with its own `EventSource`, and a `TypeAdapter`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx2

from .base import Blocking, Call, Concurrent
from .user import INPUT, TIMEOUT, chunks_of, chunks_of_async


class Sync(Blocking):
    """`httpx2.Client`."""

    def __init__(self, url: str, *, typed: bool = True) -> None:
        super().__init__(url, typed=typed)
        self._client = httpx2.Client(base_url=url, timeout=TIMEOUT)

    def chunks(self, call: Call) -> Iterator[object]:
        with self._client.sse(call.path, method="POST", json=INPUT, max_event_size=None) as events:
            yield from chunks_of(events, call.shape)


class Async(Concurrent):
    """`httpx2.AsyncClient`."""

    def __init__(self, url: str, *, typed: bool = True) -> None:
        super().__init__(url, typed=typed)
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=20)
        self._client = httpx2.AsyncClient(base_url=url, timeout=TIMEOUT, limits=limits)

    async def chunks(self, call: Call) -> AsyncIterator[object]:
        async with self._client.sse(call.path, method="POST", json=INPUT, max_event_size=None) as events:
            async for chunk in chunks_of_async(events, call.shape):
                yield chunk

    async def count(self, call: Call) -> int:
        number = 0
        async with self._client.sse(call.path, method="POST", json=INPUT, max_event_size=None) as events:
            async for _ in chunks_of_async(events, call.shape):
                number += 1
        return number

    async def close(self) -> None:
        await self._client.aclose()
