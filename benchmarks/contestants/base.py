"""What a contestant is asked to do: read streams, as a user of its library would.

In: the address of the server, a call. Out: chunks, each as its type wants it. The loop of the user is
`count`: where it matters that nothing stands between it and the library, a contestant writes its own. What is
measured, and how, does not belong here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from ..bodies import Shape


@dataclass(frozen=True)
class Call:
    """A stream to read: its path at the server, and what its chunks are."""

    path: str
    shape: Shape = "tokens"


class Blocking(ABC):
    """A synchronous contestant."""

    def __init__(self, url: str, *, typed: bool = True) -> None:
        self.url = url
        self.typed = typed

    @abstractmethod
    def chunks(self, call: Call) -> Iterator[object]:
        """The chunks of a stream; at the end its connection is free for another."""

    def count(self, call: Call) -> int:
        """How many there are."""
        number = 0
        for _ in self.chunks(call):
            number += 1
        return number

    def decode(self, body: list[bytes], shape: Shape) -> int:
        """The same of a body that lies in memory."""
        raise NotImplementedError


class Concurrent(ABC):
    """An asynchronous contestant. It is made, and runs, on one event loop of asyncio."""

    def __init__(self, url: str, *, typed: bool = True) -> None:
        self.url = url
        self.typed = typed

    @abstractmethod
    def chunks(self, call: Call) -> AsyncIterator[object]:
        """As `Blocking.chunks`."""

    async def count(self, call: Call) -> int:
        """As `Blocking.count`."""
        number = 0
        async for _ in self.chunks(call):
            number += 1
        return number

    async def decode(self, body: list[bytes], shape: Shape) -> int:
        """As `Blocking.decode`."""
        raise NotImplementedError

    @abstractmethod
    async def close(self) -> None:
        """Let go of every connection."""
