"""A stub flow server for tests: real sockets, scripted faults, records of what happened.

    from streamflow_client.testing import StubServer, faults

In: flows as Python functions. Out: a server that speaks as Genkit's do, bytes included.
It depends on nothing else of `streamflow_client`, so that it can judge it.
"""

from . import faults
from .faults import Fault, Faults
from .outcomes import UNDEFINED, FlowFailure, RunCancelled
from .records import Connections, Received, Run
from .running import Call
from .server import StubServer

__all__ = [
    "UNDEFINED",
    "Call",
    "Connections",
    "Fault",
    "Faults",
    "FlowFailure",
    "Received",
    "Run",
    "RunCancelled",
    "StubServer",
    "faults",
]
