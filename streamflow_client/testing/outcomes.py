"""How a run can end, and values as JSON bytes.

In: what a flow returned, sent or raised. Out: `Result` or `Failure`, holding bytes and text only.
How an ending looks on the wire belongs to `dialects` and `reflection`.
"""

import traceback
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from pydantic_core import to_json

# https://grpc.github.io/grpc/core/md_doc_statuscodes.html: name → (number, HTTP status as Genkit
# maps it)
STATUSES: Final[dict[str, tuple[int, int]]] = {
    "OK": (0, 200),
    "CANCELLED": (1, 499),
    "UNKNOWN": (2, 500),
    "INVALID_ARGUMENT": (3, 400),
    "DEADLINE_EXCEEDED": (4, 504),
    "NOT_FOUND": (5, 404),
    "ALREADY_EXISTS": (6, 409),
    "PERMISSION_DENIED": (7, 403),
    "RESOURCE_EXHAUSTED": (8, 429),
    "FAILED_PRECONDITION": (9, 400),
    "ABORTED": (10, 409),
    "OUT_OF_RANGE": (11, 400),
    "UNIMPLEMENTED": (12, 501),
    "INTERNAL": (13, 500),
    "UNAVAILABLE": (14, 503),
    "DATA_LOSS": (15, 500),
    "UNAUTHENTICATED": (16, 401),
}


class _Undefined(Enum):
    UNDEFINED = "undefined"


UNDEFINED: Final = _Undefined.UNDEFINED
"""JavaScript's `undefined`: a flow that sends or returns it leaves `data: {}` on the wire."""


class FlowFailure(Exception):
    """Raised by a flow: a public failure with a canonical gRPC status name, shown to the client."""

    def __init__(self, status: str, message: str, details: Any = None) -> None:
        """`details` is any value with a JSON form; None leaves it out."""
        if status not in STATUSES:
            raise ValueError(f"not a gRPC status name: {status!r}")
        super().__init__(status, message, details)
        self.status = status
        self.message = message
        self.details = details


class RunCancelled(Exception):
    """Raised by `send`: the client left or cancelled the run, or the stub stops."""


@dataclass(frozen=True, slots=True)
class Result:
    """The flow returned; `payload` is JSON, empty for `undefined`."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """The flow failed. A failure that is not `public` shows its message to developers only."""

    status: str
    message: str
    details: Any = None
    public: bool = True
    stack: str = ""
    python: str = ""
    """What Python says of the exception, where it was none of ours: a Python server tells it."""

    @property
    def code(self) -> int:
        """The gRPC number of the status."""
        return STATUSES[self.status][0]

    @property
    def http_status(self) -> int:
        """The HTTP status of a plain response with this failure."""
        return STATUSES[self.status][1]


Ending = Result | Failure

CANCELLED: Final = Failure("CANCELLED", "The run was cancelled")
UNAUTHENTICATED: Final = Failure("UNAUTHENTICATED", "Unauthenticated")


def dump(value: object) -> bytes:
    """A value as compact JSON in UTF-8, by wire names; `UNDEFINED` is empty."""
    return b"" if value is UNDEFINED else to_json(value, by_alias=True)


def failure_of(error: BaseException) -> Failure:
    """What a client may learn of an exception that a flow raised."""
    stack = "".join(traceback.format_exception(error))
    if isinstance(error, FlowFailure):
        return Failure(error.status, error.message, error.details, stack=stack)
    return Failure("INTERNAL", str(error), public=False, stack=stack, python=repr(error))
