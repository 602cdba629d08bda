"""A typed client for streaming flows: functions on a server that stream chunks and return one output.

from streamflow_client import Client

with Client("http://localhost:3400") as client:
    menu = client.flow("menu", input=MenuRequest, chunk=MenuItem, output=Menu)
    result = menu(MenuRequest(theme="pirate"))
"""

from . import errors as _errors
from .aio import AsyncClient, AsyncFlow, AsyncFlowStream
from .calls import Liveness
from .errors import *
from .flowdef import FlowDef
from .options import Retry, Timeout
from .sync import Client, Flow, FlowStream
from .ticket import Ticket
from .timeline import Attempt, Timeline
from .transport.defaults import default_async_http_client, default_http_client

__version__ = "0.1.0"

__all__ = [
    "AsyncClient",
    "AsyncFlow",
    "AsyncFlowStream",
    "Attempt",
    "Client",
    "Flow",
    "FlowDef",
    "FlowStream",
    "Liveness",
    "Retry",
    "Ticket",
    "Timeline",
    "Timeout",
    "default_async_http_client",
    "default_http_client",
    *_errors.__all__,
]
