"""Both clients, on both event loops, behind one face, so that one table of scenarios runs through all.

In: what to call and with which options. Out: an `Outcome`: the chunks that came, then the output or the
error. Blocks until the call is over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import anyio

from streamflow_client import (
    AsyncClient,
    AsyncFlowStream,
    Client,
    FlowDef,
    FlowError,
    FlowStream,
    default_async_http_client,
    default_http_client,
)
from streamflow_client.testing import StubServer

Mode = Literal["unary", "stream", "result"]
NO_INPUT: Any = object()


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
        url = url or stub.url
        arguments = () if input is NO_INPUT else (input,)
        outcome = Outcome()
        if self.name == "sync":
            options = _trusting(stub, url, options, default_http_client)
            with Client(url, **options) as client:
                _run_sync(client, flow, arguments, mode, outcome)
            if "http_client" in options:
                options["http_client"].close()
        else:
            self.run(lambda: _run_async(stub, url, flow, arguments, mode, options, outcome))
        return outcome

    def run(self, main: Callable[[], Awaitable[Any]]) -> Any:
        """Run an async function on this driver's event loop."""
        return anyio.run(main, backend=self.name)


DRIVERS = [Driver("sync"), Driver("asyncio"), Driver("trio")]
ASYNC_DRIVERS = DRIVERS[1:]


def _trusting(stub: StubServer, url: str, options: dict[str, Any], make: Any) -> dict[str, Any]:
    if url.startswith("https") and "http_client" not in options:
        return options | {"http_client": make(verify=stub.client_ssl_context())}
    return options


def _run_sync(client: Client, flow: Any, arguments: Any, mode: Mode, outcome: Outcome) -> None:
    try:
        if mode == "unary":
            outcome.output = client.flow(flow)(*arguments)
            return
        with client.flow(flow).stream(*arguments) as outcome.stream:
            if mode == "stream":
                _iterate(outcome.stream, outcome)
            outcome.output = outcome.stream.result()
    except Exception as error:  # noqa: BLE001 - the caller looks at it
        outcome.error = error


def _iterate(stream: FlowStream[Any, Any], outcome: Outcome) -> None:
    while True:
        try:
            outcome.chunks.append(next(stream))
        except StopIteration:
            return
        except FlowError as error:
            if not hasattr(error, "raw"):
                raise
            outcome.chunks.append(error)


async def _run_async(
    stub: StubServer,
    url: str,
    flow: Any,
    arguments: Any,
    mode: Mode,
    options: dict[str, Any],
    outcome: Outcome,
) -> None:
    options = _trusting(stub, url, options, default_async_http_client)
    async with AsyncClient(url, **options) as client:
        try:
            if mode == "unary":
                outcome.output = await client.flow(flow)(*arguments)
                return
            async with client.flow(flow).stream(*arguments) as outcome.stream:
                if mode == "stream":
                    await _aiterate(outcome.stream, outcome)
                outcome.output = await outcome.stream.result()
        except Exception as error:  # noqa: BLE001 - the caller looks at it
            outcome.error = error
    if "http_client" in options:
        await options["http_client"].aclose()


async def _aiterate(stream: AsyncFlowStream[Any, Any], outcome: Outcome) -> None:
    while True:
        try:
            outcome.chunks.append(await anext(stream))
        except StopAsyncIteration:
            return
        except FlowError as error:
            if not hasattr(error, "raw"):
                raise
            outcome.chunks.append(error)
