"""Who takes part: a row each, and where its code is. Nobody's library is imported before its turn.

In: a name. Out: the contestant, made in this process.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from .base import Blocking, Call, Concurrent

__all__ = ["ENTRIES", "Blocking", "Call", "Concurrent", "Entry", "chosen", "make"]


@dataclass(frozen=True)
class Entry:
    """A contestant.

    Attributes:
        name: as commands have it.
        label: as readers have it.
        source: its module and class; of the JavaScript client, the script.
        does: what it takes part in.
        loop: the event loop of an asynchronous one; None for the others.
        packages: whose versions matter.
        slow: it is given fewer chunks, lest it take most of the time.
        warm_up: rounds before those that count: a compiler that learns while it runs needs many.
        anew: each round is in a process of its own, after its warm-up.
        quadratic: 64 MiB in one event would take it a minute, so it is not given that.
    """

    name: str
    label: str
    source: str
    does: frozenset[str]
    loop: Literal["asyncio", "uvloop"] | None = None
    typed: bool = True
    packages: tuple[str, ...] = ()
    slow: bool = False
    quadratic: bool = False
    warm_up: int = 1
    anew: bool = False


def _does(words: str) -> frozenset[str]:
    return frozenset(words.split())


_OURS = ("streamflow-client", "httpx", "httpcore", "h11", "pydantic")
_SSE = ("httpx", "httpx-sse", "pydantic")

_ALL = (
    Entry("floor-sync", "raw socket (the floor)", "floor:Sync", _does("decode bulk paced first huge")),
    Entry(
        "floor-async",
        "raw asyncio (the floor)",
        "floor:Async",
        _does("bulk paced first huge many websocket"),
        "asyncio",
    ),
    Entry("ours-sync", "ours, Client", "ours:Sync", _does("decode bulk paced first huge"), packages=_OURS),
    Entry(
        "ours-async",
        "ours, AsyncClient",
        "ours:Async",
        _does("decode bulk paced first huge many websocket"),
        "asyncio",
        packages=_OURS,
    ),
    Entry("ours-any-sync", "ours, Client, untyped", "ours:Sync", _does("decode bulk"), typed=False),
    Entry(
        "ours-any-async",
        "ours, AsyncClient, untyped",
        "ours:Async",
        _does("decode bulk"),
        "asyncio",
        typed=False,
    ),
    Entry(
        "ours-aiohttp",
        "ours, AsyncClient over aiohttp",
        "ours:OverAiohttp",
        _does("bulk paced first many"),
        "asyncio",
        packages=("aiohttp", "httpx-aiohttp"),
    ),
    Entry(
        "ours-uvloop",
        "ours, AsyncClient on uvloop",
        "ours:Async",
        _does("bulk paced first many"),
        "uvloop",
        packages=("uvloop",),
    ),
    Entry(
        "ours-aiohttp-uvloop",
        "ours, AsyncClient over aiohttp on uvloop",
        "ours:OverAiohttp",
        _does("bulk paced first"),
        "uvloop",
    ),
    Entry(
        "httpx-sse-sync",
        "httpx + httpx-sse + TypeAdapter",
        "sse_libraries:HttpxSse",
        _does("decode bulk paced first huge"),
        packages=_SSE,
    ),
    Entry(
        "httpx-sse-async",
        "httpx + httpx-sse + TypeAdapter, async",
        "sse_libraries:AsyncHttpxSse",
        _does("decode bulk paced first huge many"),
        "asyncio",
    ),
    Entry(
        "iter-raw-sync", "httpx iter_raw, nothing decoded", "sse_libraries:IterRaw", _does("bulk paced first")
    ),
    Entry(
        "iter-raw-async",
        "httpx aiter_raw, nothing decoded",
        "sse_libraries:AsyncIterRaw",
        _does("bulk paced first many"),
        "asyncio",
    ),
    Entry(
        "httpx2-sync",
        "httpx2 EventSource + TypeAdapter",
        "httpx2_events:Sync",
        _does("bulk paced first huge"),
        packages=("httpx2",),
    ),
    Entry(
        "httpx2-async",
        "httpx2 EventSource + TypeAdapter, async",
        "httpx2_events:Async",
        _does("bulk paced first many"),
        "asyncio",
    ),
    Entry(
        "httpx-aiohttp",
        "httpx over aiohttp + httpx-sse + TypeAdapter",
        "sse_libraries:OverAiohttp",
        _does("bulk paced first many"),
        "asyncio",
        packages=("aiohttp", "httpx-aiohttp"),
    ),
    Entry(
        "requests",
        "requests + sseclient-py + TypeAdapter",
        "older:Requests",
        _does("bulk paced first"),
        packages=("requests", "sseclient-py"),
    ),
    Entry(
        "urllib3",
        "urllib3 + TypeAdapter",
        "older:Urllib3",
        _does("bulk paced first huge"),
        packages=("urllib3",),
        quadratic=True,
    ),
    Entry(
        "genkit-js-first",
        "Genkit's JavaScript client (JSON only), second stream of a process",
        "genkit.mjs",
        _does("bulk"),
        typed=False,
        anew=True,
    ),
    Entry(
        "genkit-js",
        "Genkit's JavaScript client (JSON only), after 20 streams",
        "genkit.mjs",
        _does("bulk paced first"),
        typed=False,
        warm_up=20,
    ),
    Entry("sink", "a socket that only reads", "floor:Sink", _does("bulk paced")),
    Entry(
        "websockets",
        "WebSocket, websockets",
        "websocket:Plain",
        _does("websocket"),
        "asyncio",
        packages=("websockets",),
    ),
    Entry(
        "websockets-deflate",
        "WebSocket, websockets, compressed (its default)",
        "websocket:Compressed",
        _does("websocket"),
        "asyncio",
    ),
    Entry(
        "openai-sync",
        "openai Stream",
        "openai_streams:Sync",
        _does("bulk paced first"),
        packages=("openai",),
        slow=True,
    ),
    Entry(
        "openai-async",
        "openai AsyncStream",
        "openai_streams:Async",
        _does("bulk paced first"),
        "asyncio",
        slow=True,
    ),
)

ENTRIES = {entry.name: entry for entry in _ALL}


def chosen(names: str, workload: str) -> list[Entry]:
    """The entries that take part, in the order of the table; of `ours`, all that begin with `ours-`.

    Raises:
        ValueError: one of the names is of nobody.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if not any(_fits(known, name) for known in ENTRIES):
            raise ValueError(f"no contestant {name!r}; there are {', '.join(ENTRIES)}")
    return [
        entry
        for entry in _ALL
        if workload in entry.does and (not wanted or any(_fits(entry.name, name) for name in wanted))
    ]


def _fits(known: str, wanted: str) -> bool:
    return known == wanted or known.startswith(wanted + "-")


def make(entry: Entry, url: str) -> Blocking | Concurrent:
    """The contestant, its library imported; on its event loop, if it has one."""
    module, _, name = entry.source.partition(":")
    made: Blocking | Concurrent = getattr(import_module(f".{module}", __name__), name)(url, typed=entry.typed)
    return made
