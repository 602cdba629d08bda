"""What a user writes today: an HTTP client, a decoder of server-sent events, and a `TypeAdapter`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import httpx_sse
from httpx_sse import aconnect_sse, connect_sse

from ..bodies import Shape
from .base import Blocking, Call, Concurrent
from .memory import HEADERS, AsyncBody, Body
from .user import ACCEPT, INPUT, TIMEOUT, chunks_of, chunks_of_async


class HttpxSse(Blocking):
    """httpx and httpx-sse."""

    def __init__(self, url: str, *, typed: bool = True) -> None:
        super().__init__(url, typed=typed)
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT)

    def chunks(self, call: Call) -> Iterator[object]:
        with connect_sse(self._client, "POST", call.path, json=INPUT) as source:
            yield from chunks_of(source.iter_sse(), call.shape)

    def decode(self, body: list[bytes], shape: Shape) -> int:
        source = httpx_sse.EventSource(httpx.Response(200, headers=HEADERS, stream=Body(body)))
        return sum(1 for _ in chunks_of(source.iter_sse(), shape))


class AsyncHttpxSse(Concurrent):
    """The same on an event loop. Its pool is as large as it must be."""

    def __init__(self, url: str, *, typed: bool = True) -> None:
        super().__init__(url, typed=typed)
        self._client = self.http_client(url)

    def http_client(self, url: str) -> httpx.AsyncClient:
        """The client that is used."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        return httpx.AsyncClient(base_url=url, timeout=TIMEOUT, limits=limits)

    async def chunks(self, call: Call) -> AsyncIterator[object]:
        async with aconnect_sse(self._client, "POST", call.path, json=INPUT) as source:
            async for chunk in chunks_of_async(source.aiter_sse(), call.shape):
                yield chunk

    async def count(self, call: Call) -> int:
        number = 0
        async with aconnect_sse(self._client, "POST", call.path, json=INPUT) as source:
            async for _ in chunks_of_async(source.aiter_sse(), call.shape):
                number += 1
        return number

    async def decode(self, body: list[bytes], shape: Shape) -> int:
        source = httpx_sse.EventSource(httpx.Response(200, headers=HEADERS, stream=AsyncBody(body)))
        number = 0
        async for _ in chunks_of_async(source.aiter_sse(), shape):
            number += 1
        return number

    async def close(self) -> None:
        await self._client.aclose()


class OverAiohttp(AsyncHttpxSse):
    """httpx-sse and httpx over aiohttp."""

    def http_client(self, url: str) -> httpx.AsyncClient:
        from httpx_aiohttp import HttpxAiohttpClient

        limits = httpx.Limits(max_connections=100_000)  # None would mean aiohttp's own, 100
        return HttpxAiohttpClient(base_url=url, timeout=TIMEOUT, limits=limits)


class IterRaw(Blocking):
    """httpx alone: HTTP chunks, nothing made of them."""

    def __init__(self, url: str, *, typed: bool = True) -> None:
        super().__init__(url, typed=typed)
        self._client = httpx.Client(base_url=url, timeout=TIMEOUT)

    def chunks(self, call: Call) -> Iterator[object]:
        with self._client.stream("POST", call.path, json=INPUT, headers=ACCEPT) as response:
            yield from response.iter_raw()


class AsyncIterRaw(Concurrent):
    """The same on an event loop."""

    def __init__(self, url: str, *, typed: bool = True) -> None:
        super().__init__(url, typed=typed)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        self._client = httpx.AsyncClient(base_url=url, timeout=TIMEOUT, limits=limits)

    async def chunks(self, call: Call) -> AsyncIterator[object]:
        async with self._client.stream("POST", call.path, json=INPUT, headers=ACCEPT) as response:
            async for piece in response.aiter_raw():
                yield piece

    async def close(self) -> None:
        await self._client.aclose()
