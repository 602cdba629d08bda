"""A typed client for streaming flows: functions on a server that stream chunks and return one output.

from streamflow_client import Client

client = Client("http://localhost:3400")

list(client.flows)                                  # which flows has the server?
help(client.flows.menu)                             # what does this one take and give?
client.flows.menu(theme="pirate")                   # its output
with client.flows.menu.stream(theme="pirate") as stream:
    for item in stream:                             # its chunks, as they arrive
        print(item)

menu = client.flow("menu", input=MenuRequest, chunk=MenuItem, output=Menu)  # with types of your own
menu(MenuRequest(theme="pirate"))

`AsyncClient` is the same for asyncio and trio. Every error is a `FlowError`; `streamflow_client.errors`
draws their tree. `streamflow_client.testing` has a server to test against.
"""

import typing

if typing.TYPE_CHECKING:
    from .aio import AsyncClient, AsyncDiscoveredFlow, AsyncFlow, AsyncFlows, AsyncGeneratedFlow
    from .aio_stream import AsyncFlowStream
    from .calls import Liveness
    from .errors import (
        AbortedError,
        AlreadyExistsError,
        ChunkValidationError,
        Clock,
        DataLossError,
        DeadlineExceededError,
        DiscoveryError,
        FailedPreconditionError,
        FlowCancelledError,
        FlowConnectionError,
        FlowError,
        FlowStatusError,
        FlowTimeoutError,
        FlowValidationError,
        InputValidationError,
        InternalError,
        InvalidArgumentError,
        NotFoundError,
        OutOfRangeError,
        OutputValidationError,
        PermissionDeniedError,
        ProtocolError,
        ReplayDivergedError,
        ResourceExhaustedError,
        ServerCancelledError,
        StreamExpiredError,
        StreamInterruptedError,
        UnauthenticatedError,
        UnavailableError,
        UnimplementedError,
        UnknownError,
        UnknownFlowError,
    )
    from .flowdef import FlowDef
    from .options import Retry, Timeout
    from .schema.catalog import Catalog, FlowSpec
    from .schema.comparing.rules import Difference
    from .schema.raw import Schema
    from .sync import Client, DiscoveredFlow, Flow, Flows, GeneratedFlow
    from .sync_stream import FlowStream
    from .ticket import Ticket
    from .timeline import Attempt, Timeline
    from .transport.defaults import aiohttp_http_client, default_async_http_client, default_http_client

__version__ = "0.1.0"

__all__ = [
    "AbortedError",
    "AlreadyExistsError",
    "AsyncClient",
    "AsyncDiscoveredFlow",
    "AsyncFlow",
    "AsyncFlowStream",
    "AsyncFlows",
    "AsyncGeneratedFlow",
    "Attempt",
    "Catalog",
    "ChunkValidationError",
    "Client",
    "Clock",
    "DataLossError",
    "DeadlineExceededError",
    "Difference",
    "DiscoveredFlow",
    "DiscoveryError",
    "FailedPreconditionError",
    "Flow",
    "FlowCancelledError",
    "FlowConnectionError",
    "FlowDef",
    "FlowError",
    "FlowSpec",
    "FlowStatusError",
    "FlowStream",
    "FlowTimeoutError",
    "FlowValidationError",
    "Flows",
    "GeneratedFlow",
    "InputValidationError",
    "InternalError",
    "InvalidArgumentError",
    "Liveness",
    "NotFoundError",
    "OutOfRangeError",
    "OutputValidationError",
    "PermissionDeniedError",
    "ProtocolError",
    "ReplayDivergedError",
    "ResourceExhaustedError",
    "Retry",
    "Schema",
    "ServerCancelledError",
    "StreamExpiredError",
    "StreamInterruptedError",
    "Ticket",
    "Timeline",
    "Timeout",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "UnknownError",
    "UnknownFlowError",
    "aiohttp_http_client",
    "default_async_http_client",
    "default_http_client",
]

# A program that only calls flows never loads what tells catalogs apart, nor the other kind of client.
_HOMES = {
    "AsyncClient": "aio",
    "AsyncDiscoveredFlow": "aio",
    "AsyncFlow": "aio",
    "AsyncFlowStream": "aio_stream",
    "AsyncFlows": "aio",
    "AsyncGeneratedFlow": "aio",
    "Attempt": "timeline",
    "Catalog": "schema.catalog",
    "Client": "sync",
    "Difference": "schema.comparing.rules",
    "DiscoveredFlow": "sync",
    "Flow": "sync",
    "FlowDef": "flowdef",
    "FlowSpec": "schema.flowspec",
    "FlowStream": "sync_stream",
    "Flows": "sync",
    "GeneratedFlow": "sync",
    "Liveness": "calls",
    "Retry": "options",
    "Schema": "schema.raw",
    "Ticket": "ticket",
    "Timeline": "timeline",
    "Timeout": "options",
    "aiohttp_http_client": "transport.defaults",
    "default_async_http_client": "transport.defaults",
    "default_http_client": "transport.defaults",
}  # and all others are errors

if not typing.TYPE_CHECKING:  # else every wrong name would be one of type Any to checkers

    def __getattr__(name: str) -> object:
        """A public name, from the module that has it, which is imported now; or such a module."""
        from importlib import import_module

        if name == "errors" or name in _HOMES.values():
            return import_module(f"{__name__}.{name}")
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
