"""Responses of httpx whose bodies lie in memory already: what decoding costs without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx

HEADERS = {"Content-Type": "text/event-stream"}


class Body(httpx.BaseTransport, httpx.SyncByteStream):
    """Answers every request with the same pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=HEADERS, stream=self, request=request)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)


class AsyncBody(httpx.AsyncBaseTransport, httpx.AsyncByteStream):
    """The same on an event loop."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=HEADERS, stream=self, request=request)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
