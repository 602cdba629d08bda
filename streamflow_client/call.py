"""What goes into a session and what comes out of it, as plain values.

In: nothing. Out: `Call` and `Limits`, which a session is made from; actions, which it asks a driver to
take; outcomes, with which it ends. No logic. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, Literal, NamedTuple, TypeVar

from .errors import ChunkValidationError, FlowError, OutputValidationError
from .ticket import Ticket
from .wire.request import WireProtocol

OutputT = TypeVar("OutputT")


@dataclass(frozen=True, slots=True)
class Call:
    """What is to be run."""

    flow: str
    origin: str
    url: str
    protocol: WireProtocol
    body: bytes
    streaming: bool
    resume: Ticket | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds in bytes, of decoded data."""

    event: int
    response: int


# --- actions: what the driver is to do next ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Open:
    """Send this request, then report `head`, `broke` or `expired`."""

    method: Literal["GET", "POST"]
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """Read more of the body, then report `data`, `eof`, `broke` or `expired`."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Let go of the connection, wait that many seconds, then report `woke`."""

    seconds: float


READ = Read()

Action = Open | Read | Wait


class Break(Enum):
    """How a connection can fail, as far as it matters."""

    NOT_SENT = auto()  # the request was not written
    LOST = auto()  # it may have been
    GARBAGE = auto()  # the server does not speak HTTP


# --- outcomes ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Done(Generic[OutputT]):
    """The flow returned."""

    output: OutputT


@dataclass(frozen=True, slots=True)
class Unfit:
    """The flow returned something that is not its output type: `result()` raises, iterating just ends."""

    error: OutputValidationError


@dataclass(frozen=True, slots=True)
class Failed:
    """The call ended with an error."""

    error: FlowError


Outcome = Done[OutputT] | Unfit | Failed


class Note(NamedTuple):
    """A line for the log, made of `text` where it is written; one that `warns` tells of something that the
    caller may not see otherwise."""

    text: object
    warns: bool = True


class Faulty:
    """Stands among the chunks for one that is not of the chunk type."""

    __slots__ = ("error",)

    def __init__(self, error: ChunkValidationError) -> None:
        self.error: ChunkValidationError = error
