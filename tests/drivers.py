"""Both clients, on both event loops and on each HTTP library, behind one face, so that one table of scenarios
runs through all.

Two ways in. `driver.call(…)` runs one whole call and tells its `Outcome`: the chunks that came, then the
output or the error. `with driver.client(…) as client:` gives the client itself, a step at a time: whatever
it or its flows and streams would have to be awaited for simply blocks.
"""

from __future__ import annotations

import inspect
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from threading import Thread
from types import ModuleType
from typing import Any, Literal, Self

import aiohttp
import anyio
import httpx
import httpx2
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from streamflow_client import (
    AsyncClient,
    AsyncFlow,
    AsyncFlows,
    AsyncFlowStream,
    Client,
    Flow,
    FlowDef,
    FlowError,
    Flows,
    FlowStream,
    aiohttp_http_client,
    default_async_http_client,
    default_http_client,
)
from streamflow_client.testing import StubServer

Mode = Literal["unary", "stream", "result"]
FACES = (Client, AsyncClient, Flows, AsyncFlows, Flow, AsyncFlow, FlowStream, AsyncFlowStream)
TRUSTING_NONE = ssl.SSLContext(
    ssl.PROTOCOL_TLS_CLIENT
)  # building a default one takes a while, for each client
NO_INPUT: Any = object()
_END = object()


@dataclass
class Outcome:
    """How a call went. A chunk that was not of its type stands among the chunks as its error."""

    chunks: list[Any] = field(default_factory=list[Any])
    output: Any = None
    error: Exception | None = None
    stream: FlowStream[Any, Any] | AsyncFlowStream[Any, Any] | None = None

    def __str__(self) -> str:
        return f"chunks={self.chunks} output={self.output!r} error={self.error}"


class Driver:
    """One client on one event loop: `sync`, `asyncio` or `trio`.

    Attributes:
        library: None for our own HTTP client; httpx or httpx2, whose client is a caller's own; or aiohttp, on
            which `aiohttp_http_client` runs.
        http: the library of its HTTP client, whose `Auth` it takes.
    """

    def __init__(self, name: Loop, library: ModuleType | None = None) -> None:
        self.name = name
        self.library = library
        self.http: Any = httpx if library in (None, aiohttp) else library

    @property
    def reachable(self) -> bool:
        """Whether a call can be stopped before its response's headers; the README says where not."""
        return self.library is None or self.name != "sync"

    def __repr__(self) -> str:
        return self.name if self.library is None else f"{self.name}-{self.library.__name__}"

    def http_client(self, verify: ssl.SSLContext | None = None, **options: Any) -> Any:
        """A new HTTP client for this driver, ours or the library's; `options` go to it."""
        if self.library is None:
            make: Any = default_http_client if self.name == "sync" else default_async_http_client
            return make(**options) if verify is None else make(verify=verify, **options)
        if self.library is aiohttp:
            client = aiohttp_http_client(verify=verify or TRUSTING_NONE)
            for name, value in options.items():
                setattr(client, name, value)
            return client
        kind = self.library.Client if self.name == "sync" else self.library.AsyncClient
        return kind(verify=verify or TRUSTING_NONE, **options)

    def call(
        self,
        stub: StubServer | None,
        flow: str | FlowDef[Any, Any, Any],
        input: Any = NO_INPUT,
        *,
        mode: Mode = "stream",
        url: str | None = None,
        **options: Any,
    ) -> Outcome:
        """Call a flow: its output only, its chunks and output, or its output over the stream.

        `options` go to the client; a TLS stub is trusted.
        """
        outcome = Outcome()
        arguments = () if input is NO_INPUT else (input,)
        with self.client(stub, url=url, **options) as client:
            try:
                if mode == "unary":
                    outcome.output = client.flow(flow)(*arguments)
                    return outcome
                with client.flow(flow).stream(*arguments) as stream:
                    outcome.stream = stream.inner
                    if mode == "stream":
                        _iterate(stream, outcome)
                    outcome.output = stream.result()
            except Exception as error:  # noqa: BLE001 - the caller looks at it
                outcome.error = error
        return outcome

    @contextmanager
    def client(self, stub: StubServer | None, *, url: str | None = None, **options: Any) -> Iterator[Any]:
        """A client of which every method blocks. `options` go to it; a TLS stub is trusted."""
        url = url or (stub.url if stub else "")
        with ExitStack() as stack:
            options = self._with_http_client(stub, url, options)
            if self.name == "sync":
                face = Blocking(Client(url, **options), None)
            else:
                portal = stack.enter_context(start_blocking_portal(self.name))
                face = Blocking(AsyncClient(url, **options), portal)
            if "http_client" in options:
                stack.callback(Blocking(options["http_client"], face.portal).close)
            yield stack.enter_context(face)

    @asynccontextmanager
    async def async_client(self, url: str, **options: Any) -> AsyncIterator[AsyncClient]:
        """The client itself, for a test that runs on the event loop."""
        async with AsyncExitStack() as stack:
            if self.library is not None:
                options["http_client"] = await stack.enter_async_context(self.http_client())
            yield await stack.enter_async_context(AsyncClient(url, **options))

    def run(self, main: Callable[[], Awaitable[Any]]) -> Any:
        """Run an async function on this driver's event loop."""
        return anyio.run(main, backend=self.name)

    def _with_http_client(self, stub: StubServer | None, url: str, options: dict[str, Any]) -> dict[str, Any]:
        secure = stub is not None and url.startswith("https")
        if "http_client" in options or (self.library is None and not secure):
            return options
        trusted = stub.client_ssl_context() if stub is not None and secure else None
        return options | {"http_client": self.http_client(trusted)}


Loop = Literal["sync", "asyncio", "trio"]
LOOPS: tuple[Loop, ...] = ("sync", "asyncio", "trio")
DRIVERS = [Driver(name) for name in LOOPS]
ASYNC_DRIVERS = DRIVERS[1:]
CALLERS_DRIVERS = [Driver(name, library) for library in (httpx, httpx2) for name in LOOPS]
OVER_AIOHTTP = Driver("asyncio", aiohttp)
# Where a write breaks off, httpx leaves a generator to the garbage collector: trio complains.
OF_CALLERS = [pytest.mark.faults, pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")]


def rows(drivers: list[Driver]) -> list[Any]:
    """For `parametrize`: callers' own clients run in `make faults` only."""
    return [
        pytest.param(driver, id=repr(driver), marks=OF_CALLERS if driver.library else [])
        for driver in drivers
    ]


EVERY = [*DRIVERS, *CALLERS_DRIVERS, OVER_AIOHTTP]
# The suites of behaviour run on every driver. Two promises are not made for a caller's own HTTP client:
# - that nothing can be called once ours is closed, for theirs stays open: such tests run on `DRIVERS`;
# - on `Client`, that a call can be stopped before its headers come: such tests run on `REACHABLE_DRIVERS`.
EVERY_DRIVER = rows(EVERY)
EVERY_SYNC_DRIVER = rows([driver for driver in EVERY if driver.name == "sync"])
EVERY_ASYNC_DRIVER = rows([driver for driver in EVERY if driver.name != "sync"])
EVERY_ASYNCIO_DRIVER = rows([driver for driver in EVERY if driver.name == "asyncio"])
REACHABLE_DRIVERS = rows([driver for driver in EVERY if driver.reachable])
# For tests that run drivers side by side.
EACH_LOT = [
    pytest.param(DRIVERS, id="ours"),
    pytest.param(CALLERS_DRIVERS, id="callers", marks=pytest.mark.faults),
]


class Blocking:
    """A client, flow or stream of either kind: what must be awaited is waited for.

    Attributes:
        inner: the object itself.
        portal: where its coroutines run; None for a sync one.
    """

    def __init__(self, inner: Any, portal: BlockingPortal | None) -> None:
        self.inner = inner
        self.portal = portal

    def __getattr__(self, name: str) -> Any:
        if name == "close" and self.portal is not None:
            name = "aclose"
        value = getattr(self.inner, name)
        if isinstance(value, FACES):
            return Blocking(value, self.portal)
        return self._wrapped(value) if callable(value) and not isinstance(value, type) else value

    def __getitem__(self, name: str) -> Any:
        return Blocking(self.inner[name], self.portal)

    def __contains__(self, name: object) -> bool:
        return name in self.inner

    def __len__(self) -> int:
        return len(self.inner)

    def __dir__(self) -> list[str]:
        return dir(self.inner)

    def __repr__(self) -> str:
        return repr(self.inner)

    def __call__(self, /, *args: Any, **options: Any) -> Any:
        return self._wrapped(self.inner)(*args, **options)

    def __iter__(self) -> Any:
        return iter(self.inner) if isinstance(self.inner, Flows | AsyncFlows) else self

    def __next__(self) -> Any:
        if self.portal is None:
            return next(self.inner)
        item = self.portal.call(_next, self.inner)
        if item is _END:
            raise StopIteration
        return item

    def __enter__(self) -> Self:
        self._wrapped(self.inner.__enter__ if self.portal is None else self.inner.__aenter__)()
        return self

    def __exit__(self, *why: Any) -> None:
        self._wrapped(self.inner.__exit__ if self.portal is None else self.inner.__aexit__)(*why)

    def _wrapped(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def blocking(*args: Any, **options: Any) -> Any:
            value = function(*args, **options)
            if self.portal is not None and inspect.isawaitable(value):
                value = self.portal.call(_awaited, value)
            if isinstance(value, FACES):
                return Blocking(value, self.portal)
            return value

        return blocking


def spawn(function: Callable[[], Any]) -> Future[Any]:
    """Run it in a thread of its own: a read that is to be blocked, for example."""
    future = Future[Any]()

    def work() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)

    Thread(target=work, daemon=True).start()
    return future


async def _next(stream: Any) -> Any:
    return await anext(stream, _END)


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value


def _iterate(stream: Any, outcome: Outcome) -> None:
    while True:
        try:
            outcome.chunks.append(next(stream))
        except StopIteration:
            return
        except FlowError as error:
            if not hasattr(error, "raw"):
                raise
            outcome.chunks.append(error)
