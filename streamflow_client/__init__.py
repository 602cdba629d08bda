"""A typed client for streaming flows: functions on a server that stream chunks and return one output.

from streamflow_client import Client

with Client("http://localhost:3400") as client:
    menu = client.flow("menu", input=MenuRequest, chunk=MenuItem, output=Menu)
    result = menu(MenuRequest(theme="pirate"))
"""

from .aio import AsyncClient, AsyncFlow, AsyncFlowStream
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
from .sync import Client, Flow, FlowStream
from .ticket import Ticket
from .timeline import Attempt, Timeline
from .transport.defaults import default_async_http_client, default_http_client

__version__ = "0.1.0"

__all__ = [
    "AbortedError",
    "AlreadyExistsError",
    "AsyncClient",
    "AsyncFlow",
    "AsyncFlowStream",
    "Attempt",
    "ChunkValidationError",
    "Client",
    "Clock",
    "DataLossError",
    "DeadlineExceededError",
    "DiscoveryError",
    "FailedPreconditionError",
    "Flow",
    "FlowCancelledError",
    "FlowConnectionError",
    "FlowDef",
    "FlowError",
    "FlowStatusError",
    "FlowStream",
    "FlowTimeoutError",
    "FlowValidationError",
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
    "default_async_http_client",
    "default_http_client",
]
