"""The bytes of the streams that the benchmarks read. Pure.

In: a shape and a number. Out: events, whole or as the HTTP chunks that carry them. Who sends them, and how
fast, belongs to `server.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import BaseModel

Dialect = Literal["genkit", "openai"]
Shape = Literal["tokens", "objects"]

PIECE = 64 * 1024
END = b"0\r\n\r\n"


class Item(BaseModel):
    """A small object: what a chunk of the shape `objects` is."""

    id: int
    name: str
    price: float
    tags: list[str]


def event(dialect: Dialect, shape: Shape, index: int) -> bytes:
    """One chunk as a server-sent event."""
    value: object = f"tok {index}"
    if shape == "objects":
        value = {"id": index, "name": f"item {index}", "price": 1.5, "tags": ["new", "small"]}
    return _data({"message": value}) if dialect == "genkit" else _completion({"content": value})


def last_event(dialect: Dialect) -> bytes:
    """What ends a stream."""
    return _data({"result": 1}) if dialect == "genkit" else b"data: [DONE]\n\n"


def _completion(delta: object) -> bytes:
    """A chunk of OpenAI's chat completions."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
    return _data(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": "m",
            "choices": [choice],
        }
    )


def _data(value: object) -> bytes:
    return b"data: %b\n\n" % json.dumps(value, separators=(",", ":")).encode()


def events(shape: Shape, count: int) -> list[bytes]:
    """A whole stream of Genkit's."""
    return [event("genkit", shape, index) for index in range(count)] + [last_event("genkit")]


def pieces(parts: Iterable[bytes], size: int = PIECE) -> Iterator[bytes]:
    """The same bytes, cut as reads of a fast connection are."""
    whole = b"".join(parts)
    for start in range(0, len(whole), size):
        yield whole[start : start + size]


def huge(size: int) -> list[bytes]:
    """One event with a string of `size` bytes, and the end."""
    return [b'data: {"message":"%b"}\n\n' % (b"x" * size), last_event("genkit")]


def chunked(part: bytes) -> bytes:
    """As one HTTP/1.1 chunk."""
    return b"%x\r\n%b\r\n" % (len(part), part)
