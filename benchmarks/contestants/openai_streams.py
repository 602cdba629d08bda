"""openai's own streams of chat completions: the server speaks their dialect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from .base import Blocking, Call, Concurrent

MESSAGES: Any = [{"role": "user", "content": "x"}]


def base_url(url: str, call: Call) -> str:
    """The same stream in the other dialect; the client puts its own path behind."""
    return f"{url}/{call.path.replace('genkit', 'openai', 1)}"


class Sync(Blocking):
    """`OpenAI`."""

    def __init__(self, url: str, *, typed: bool = True) -> None:
        from openai import OpenAI

        super().__init__(url, typed=typed)
        self._client = OpenAI(api_key="none", base_url=url, max_retries=0)

    def chunks(self, call: Call) -> Iterator[object]:
        self._client.base_url = base_url(self.url, call)
        yield from self._client.chat.completions.create(model="m", messages=MESSAGES, stream=True)


class Async(Concurrent):
    """`AsyncOpenAI`."""

    def __init__(self, url: str, *, typed: bool = True) -> None:
        from openai import AsyncOpenAI

        super().__init__(url, typed=typed)
        self._client = AsyncOpenAI(api_key="none", base_url=url, max_retries=0)

    async def chunks(self, call: Call) -> AsyncIterator[object]:
        self._client.base_url = base_url(self.url, call)
        async for chunk in await self._client.chat.completions.create(
            model="m", messages=MESSAGES, stream=True
        ):
            yield chunk

    async def close(self) -> None:
        await self._client.close()
