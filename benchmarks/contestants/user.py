"""What a user makes of server-sent events today: each is one of three models, in one pass of pydantic.

In: events of any library. Out: chunks. How events come about belongs to the contestants.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, Protocol

from pydantic import BaseModel, TypeAdapter

from ..bodies import Item, Shape

INPUT = {"data": 1}
ACCEPT = {"Accept": "text/event-stream"}
TIMEOUT = 60  # seconds


class Token(BaseModel):
    """An event with a chunk that is a string."""

    message: str


class Thing(BaseModel):
    """An event with a chunk that is an object."""

    message: Item


class Result(BaseModel):
    """The event that ends a stream."""

    result: int


class Failure(BaseModel):
    """The event that says why a stream failed."""

    error: dict[str, Any]


FRAMES: dict[Shape, TypeAdapter[Any]] = {
    "tokens": TypeAdapter(Token | Result | Failure),
    "objects": TypeAdapter(Thing | Result | Failure),
}


class ServerError(Exception):
    """A stream failed."""


class Event(Protocol):
    """A server-sent event, as every library has it."""

    @property
    def data(self) -> str: ...


def chunks_of(events: Iterable[Event], shape: Shape) -> Iterator[object]:
    """The user's loop."""
    validate = FRAMES[shape].validate_json
    for event in events:
        frame = validate(event.data)
        if isinstance(frame, Failure):
            raise ServerError(frame.error)
        if not isinstance(frame, Result):
            yield frame.message


async def chunks_of_async(events: AsyncIterable[Event], shape: Shape) -> AsyncIterator[object]:
    """The same on an event loop."""
    validate = FRAMES[shape].validate_json
    async for event in events:
        frame = validate(event.data)
        if isinstance(frame, Failure):
            raise ServerError(frame.error)
        if not isinstance(frame, Result):
            yield frame.message
