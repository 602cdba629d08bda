"""The same chunks over WebSocket, read with the `websockets` library."""

from __future__ import annotations

from collections.abc import AsyncIterator

from websockets.asyncio.client import connect

from .base import Call, Concurrent
from .user import FRAMES


class Plain(Concurrent):
    """Without compression."""

    compression: str | None = None

    async def chunks(self, call: Call) -> AsyncIterator[object]:
        validate = FRAMES[call.shape].validate_json
        url = f"{self.url.replace('http', 'ws', 1)}/socket?compress={int(self.compression is not None)}"
        async with connect(url, compression=self.compression) as socket:
            await socket.send('{"data":1}')
            async for message in socket:
                yield validate(message).message

    async def close(self) -> None:
        """Each connection is closed where it was opened."""


class Compressed(Plain):
    """With it, which is the default."""

    compression = "deflate"
