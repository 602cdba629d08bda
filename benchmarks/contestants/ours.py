"""Our own clients, in every way that a user has them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx

from streamflow_client import AsyncClient, Client, aiohttp_http_client
from streamflow_client.aio import AsyncFlow
from streamflow_client.sync import Flow

from ..bodies import Item, Shape
from .base import Blocking, Call, Concurrent
from .memory import AsyncBody, Body

HUGE = 1 << 30  # the largest event that is let through: larger than any here
TYPES: dict[Shape, Any] = {"tokens": str, "objects": Item}


class Sync(Blocking):
    """`Client`."""

    def __init__(self, url: str, *, typed: bool = True) -> None:
        super().__init__(url, typed=typed)
        self._client = Client(url, max_event_bytes=HUGE)
        self._flows: dict[Call, Flow[Any, Any, Any]] = {}

    def _flow(self, client: Client, path: str, shape: Shape) -> Flow[Any, Any, Any]:
        if self.typed:
            return client.flow(path, chunk=TYPES[shape], output=int)
        return client.flow(path)

    def chunks(self, call: Call) -> Iterator[object]:
        flow = self._flows.get(call)
        if flow is None:  # as users do, it is made once
            flow = self._flows[call] = self._flow(self._client, call.path, call.shape)
        return flow.stream(1)

    def decode(self, body: list[bytes], shape: Shape) -> int:
        number = 0
        with httpx.Client(transport=Body(body)) as http, Client("http://memory", http_client=http) as client:
            for _ in self._flow(client, "memory", shape).stream(1):
                number += 1
        return number


class Async(Concurrent):
    """`AsyncClient`."""

    def __init__(self, url: str, *, typed: bool = True) -> None:
        super().__init__(url, typed=typed)
        self._http = self.http_client()
        self._client = AsyncClient(url, max_event_bytes=HUGE, http_client=self._http)
        self._flows: dict[Call, AsyncFlow[Any, Any, Any]] = {}

    def http_client(self) -> httpx.AsyncClient | None:
        """The HTTP client that is given to ours."""
        return None

    def _flow(self, client: AsyncClient, path: str, shape: Shape) -> AsyncFlow[Any, Any, Any]:
        if self.typed:
            return client.flow(path, chunk=TYPES[shape], output=int)
        return client.flow(path)

    def chunks(self, call: Call) -> AsyncIterator[object]:
        flow = self._flows.get(call)
        if flow is None:  # as users do, it is made once
            flow = self._flows[call] = self._flow(self._client, call.path, call.shape)
        return flow.stream(1)

    async def decode(self, body: list[bytes], shape: Shape) -> int:
        number = 0
        async with (
            httpx.AsyncClient(transport=AsyncBody(body)) as http,
            AsyncClient("http://memory", http_client=http) as client,
        ):
            async for _ in self._flow(client, "memory", shape).stream(1):
                number += 1
        return number

    async def close(self) -> None:
        await self._client.aclose()
        if self._http is not None:
            await self._http.aclose()


class OverAiohttp(Async):
    """`AsyncClient` over aiohttp."""

    def http_client(self) -> httpx.AsyncClient:
        return aiohttp_http_client()
