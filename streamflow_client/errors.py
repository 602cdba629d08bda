"""Every error of the library, in one tree.

In: a message and what the caller needs to go on. Out: exceptions that pickle and whose `str()` says
in one line what happened, where, and how far the call had come. No policy: who raises what is
decided in `session.py`.

    FlowError
    ├── DiscoveryError
    │   └── UnknownFlowError          (also AttributeError and KeyError)
    ├── FlowConnectionError           never reached the server
    ├── FlowTimeoutError              (also TimeoutError) .clock says which one fired
    ├── FlowCancelledError            cancelled or closed on our side
    ├── ProtocolError                 the server answered something that is not the protocol
    ├── StreamInterruptedError        the stream died before its result
    │   ├── StreamExpiredError        the server no longer has the stream to resume
    │   └── ReplayDivergedError       the server replayed another stream than we had
    ├── FlowValidationError           (also ValueError) .validation_error is pydantic's
    │   ├── InputValidationError      nothing was sent
    │   ├── ChunkValidationError      .raw; the stream stays usable
    │   └── OutputValidationError     .raw
    └── FlowStatusError               the flow, or its server, said no
        └── one class per canonical gRPC code: InvalidArgumentError, NotFoundError, …
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from .text import one_line, shown

if TYPE_CHECKING:
    from .ticket import Ticket
    from .timeline import Timeline

__all__ = [
    "AbortedError",
    "AlreadyExistsError",
    "ChunkValidationError",
    "Clock",
    "DataLossError",
    "DeadlineExceededError",
    "DiscoveryError",
    "FailedPreconditionError",
    "FlowCancelledError",
    "FlowConnectionError",
    "FlowError",
    "FlowStatusError",
    "FlowTimeoutError",
    "FlowValidationError",
    "InputValidationError",
    "InternalError",
    "InvalidArgumentError",
    "NotFoundError",
    "OutOfRangeError",
    "OutputValidationError",
    "PermissionDeniedError",
    "ProtocolError",
    "ReplayDivergedError",
    "ResourceExhaustedError",
    "ServerCancelledError",
    "StreamExpiredError",
    "StreamInterruptedError",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "UnknownError",
    "UnknownFlowError",
]

Clock = Literal["pool", "connect", "idle", "progress", "total"]


class FlowError(Exception):
    """Base of all errors of this library.

    Attributes:
        message: what happened, without the context that `str()` adds.
        flow: name of the flow, or None where no flow was involved.
        received: chunks delivered to the caller (or drained) before the error.
        ticket: where to go on with `flow.resume(ticket)`; None without a stream id of the server.
        work_may_have_run: True where the server may have run the flow, wholly or in part.
        timeline: attempts, phase, bytes, chunks and ages; None for errors before any request.
        advice: what to do about it, in a few words; "" where the message says it all.
    """

    def __init__(self, message: str, *, flow: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.flow = flow
        self.received: int = 0
        self.ticket: Ticket | None = None
        self.work_may_have_run: bool = False
        self.timeline: Timeline | None = None
        self.advice: str = ""

    def __str__(self) -> str:
        name = f"flow {shown(repr(self.flow), 100)}: " if self.flow else ""
        timeline = f" [{self.timeline}]" if self.timeline else ""
        advice = f"; {self.advice}" if self.advice else ""
        return f"{name}{self._summary()}{timeline}{advice}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({shown(repr(self.message))})"

    def _summary(self) -> str:
        return one_line(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.args, self._state())

    def _state(self) -> dict[str, Any]:
        return dict(self.__dict__)


def _revive(cls: type[FlowError], args: tuple[Any, ...], state: dict[str, Any]) -> FlowError:
    """Rebuild a pickled error; constructors with keyword arguments defeat pickle's default."""
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class DiscoveryError(FlowError):
    """The flows of a server could not be found out."""


class UnknownFlowError(DiscoveryError, AttributeError, KeyError):
    """The server has no flow of that name; the message names close matches."""


class FlowConnectionError(FlowError):
    """The request never reached the server: refused, unreachable, no such name, TLS, proxy."""


class FlowTimeoutError(FlowError, TimeoutError):
    """One of the clocks of `Timeout` ran out.

    Attributes:
        clock: "connect", "idle", "progress" or "total"; "pool" when a caller's own client had no
            free connection.
    """

    def __init__(self, message: str, *, clock: Clock, flow: str | None = None) -> None:
        super().__init__(message, flow=flow)
        self.clock: Clock = clock


class FlowCancelledError(FlowError):
    """The call was cancelled or closed on our side before it ended."""


class ProtocolError(FlowError):
    """The answer is not the protocol: HTML, cut JSON, too large, wrong UTF-8, a redirect."""


class StreamInterruptedError(FlowError):
    """The stream ended without a result or a failure; `received` chunks had arrived."""


class StreamExpiredError(StreamInterruptedError):
    """The server no longer knows the stream that was to be resumed."""


class ReplayDivergedError(StreamInterruptedError):
    """What the server replayed is not what had been received before."""


class FlowValidationError(FlowError, ValueError):
    """A value does not have the flow's type.

    Attributes:
        validation_error: pydantic's own error, with `.errors()`, or what else a validator of yours raised;
            the message leaves input values out, for they may be secret.
    """

    def __init__(
        self,
        message: str,
        *,
        validation_error: Exception,
        flow: str | None = None,
    ) -> None:
        super().__init__(message, flow=flow)
        self.validation_error = validation_error

    def _state(self) -> dict[str, Any]:
        return self.__dict__ | {"validation_error": _portable(self.validation_error)}


def _portable(error: Exception) -> Exception:
    """`error` itself if it pickles; else what can be kept of it."""
    import pickle

    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - what was dumped right here
    except Exception:  # noqa: BLE001 - whatever the `__reduce__` of someone else's object raises
        if not isinstance(error, ValidationError):
            return ValueError(f"{type(error).__name__}: {error}")
        found = error.errors(include_input=False, include_context=False, include_url=False)
        custom: Any = PydanticCustomError  # it wants literals
        told = [
            InitErrorDetails(type=custom(line["type"], line["msg"]), loc=line["loc"], input=None)
            for line in found
        ]
        return ValidationError.from_exception_data(error.title, told)
    return error


class InputValidationError(FlowValidationError):
    """The input does not have the flow's input type. Nothing was sent."""


class ChunkValidationError(FlowValidationError):
    """One chunk does not have the flow's chunk type; the stream can be read on.

    Attributes:
        raw: the chunk's JSON as the server sent it.
    """

    raw: bytes = b""


class OutputValidationError(FlowValidationError):
    """The output does not have the flow's output type.

    Attributes:
        raw: the output's JSON as the server sent it.
    """

    raw: bytes = b""


class FlowStatusError(FlowError):
    """The flow failed, or its server refused the call. Raised as the subclass of its status.

    Source: google.rpc.Code, as Genkit's callable protocol spells it.

    Attributes:
        status: canonical gRPC code, such as "FAILED_PRECONDITION".
        message: the server's own words, whole; `str()` shows at most 200 characters of it.
        details: whatever JSON the server added, else None.
        http_status: status of the HTTP response, else None.
        trace_id: the server's trace id, where it told one.
    """

    code: ClassVar[str] = "UNKNOWN"

    def __init__(
        self,
        message: str,
        *,
        status: str,
        details: Any = None,
        http_status: int | None = None,
        trace_id: str | None = None,
        flow: str | None = None,
    ) -> None:
        super().__init__(message, flow=flow)
        self.status = status
        self.details = details
        self.http_status = http_status
        self.trace_id = trace_id

    def _summary(self) -> str:
        http = f" (HTTP {self.http_status})" if self.http_status and self.http_status >= 400 else ""
        words = self.message.removeprefix(f"HTTP {self.http_status} ")  # said already
        return f"{shown(self.status, 40)}{http}: {shown(words)}"


class ServerCancelledError(FlowStatusError):
    """CANCELLED: the server cancelled the run."""

    code = "CANCELLED"


class UnknownError(FlowStatusError):
    """UNKNOWN, and every status that is no canonical code."""

    code = "UNKNOWN"


class InvalidArgumentError(FlowStatusError):
    """INVALID_ARGUMENT: the server refused the input."""

    code = "INVALID_ARGUMENT"


class DeadlineExceededError(FlowStatusError):
    """DEADLINE_EXCEEDED: the server's own deadline passed."""

    code = "DEADLINE_EXCEEDED"


class NotFoundError(FlowStatusError):
    """NOT_FOUND: no such flow, or something the flow looked for."""

    code = "NOT_FOUND"


class AlreadyExistsError(FlowStatusError):
    """ALREADY_EXISTS: what the flow was to create is there."""

    code = "ALREADY_EXISTS"


class PermissionDeniedError(FlowStatusError):
    """PERMISSION_DENIED: known, but not allowed."""

    code = "PERMISSION_DENIED"


class UnauthenticatedError(FlowStatusError):
    """UNAUTHENTICATED: no valid credentials."""

    code = "UNAUTHENTICATED"


class ResourceExhaustedError(FlowStatusError):
    """RESOURCE_EXHAUSTED: a quota or rate limit."""

    code = "RESOURCE_EXHAUSTED"


class FailedPreconditionError(FlowStatusError):
    """FAILED_PRECONDITION: the state of things does not allow it; trying again changes nothing."""

    code = "FAILED_PRECONDITION"


class AbortedError(FlowStatusError):
    """ABORTED: it met another run, such as in a transaction; trying all of it again may help."""

    code = "ABORTED"


class OutOfRangeError(FlowStatusError):
    """OUT_OF_RANGE: past the end, such as a page that does not exist."""

    code = "OUT_OF_RANGE"


class UnimplementedError(FlowStatusError):
    """UNIMPLEMENTED: the server does not know or support the operation."""

    code = "UNIMPLEMENTED"


class InternalError(FlowStatusError):
    """INTERNAL: the flow crashed, or the server did."""

    code = "INTERNAL"


class UnavailableError(FlowStatusError):
    """UNAVAILABLE: for now; trying again later may help."""

    code = "UNAVAILABLE"


class DataLossError(FlowStatusError):
    """DATA_LOSS: data is lost or corrupted for good."""

    code = "DATA_LOSS"


STATUS_ERRORS: dict[str, type[FlowStatusError]] = {cls.code: cls for cls in FlowStatusError.__subclasses__()}
