"""Both clients, on both event loops, behind one face, so that one table of scenarios runs through all.

Two ways in. `driver.call(…)` runs one whole call and tells its `Outcome`: the chunks that came, then the
output or the error. `with driver.client(…) as client:` gives the client itself, a step at a time: whatever
it or its flows and streams would have to be awaited for simply blocks.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, Literal, Self

import anyio
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
    default_async_http_client,
    default_http_client,
)
from streamflow_client.testing import StubServer

Mode = Literal["unary", "stream", "result"]
FACES = (Client, AsyncClient, Flows, AsyncFlows, Flow, AsyncFlow, FlowStream, AsyncFlowStream)
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
    """One client on one event loop: `sync`, `asyncio` or `trio`."""

    def __init__(self, name: Literal["sync", "asyncio", "trio"]) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def call(
        self,
        stub: StubServer,
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
            if self.name == "sync":
                options = _trusting(stub, url, options, default_http_client)
                face = Blocking(Client(url, **options), None)
            else:
                portal = stack.enter_context(start_blocking_portal(self.name))
                options = _trusting(stub, url, options, default_async_http_client)
                face = Blocking(AsyncClient(url, **options), portal)
            if "http_client" in options:
                stack.callback(Blocking(options["http_client"], face.portal).close)
            yield stack.enter_context(face)

    def run(self, main: Callable[[], Awaitable[Any]]) -> Any:
        """Run an async function on this driver's event loop."""
        return anyio.run(main, backend=self.name)


DRIVERS = [Driver("sync"), Driver("asyncio"), Driver("trio")]
ASYNC_DRIVERS = DRIVERS[1:]


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


def _trusting(stub: StubServer | None, url: str, options: dict[str, Any], make: Any) -> dict[str, Any]:
    if stub is not None and url.startswith("https") and "http_client" not in options:
        return options | {"http_client": make(verify=stub.client_ssl_context())}
    return options


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
