"""What a type checker knows of errors: an `except` tells which attributes there are. Checked, never run."""

from typing import Any, assert_type

from streamflow_client import (
    AbortedError,
    AlreadyExistsError,
    ChunkValidationError,
    Client,
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
    Ticket,
    Timeline,
    UnauthenticatedError,
    UnavailableError,
    UnimplementedError,
    UnknownError,
    UnknownFlowError,
)


def every_error(client: Client) -> None:
    """Each before its base, or pyright would say that it is never reached."""
    try:
        client.flows.menu()
    except UnknownFlowError as error:
        assert_type(error, UnknownFlowError)
    except DiscoveryError as error:
        assert_type(error, DiscoveryError)
    except FlowConnectionError as error:
        assert_type(error, FlowConnectionError)
    except FlowTimeoutError as error:
        assert_type(error, FlowTimeoutError)
        assert_type(error.clock, Clock)
    except FlowCancelledError as error:
        assert_type(error, FlowCancelledError)
    except ProtocolError as error:
        assert_type(error, ProtocolError)
    except StreamExpiredError as error:
        assert_type(error, StreamExpiredError)
    except ReplayDivergedError as error:
        assert_type(error, ReplayDivergedError)
    except StreamInterruptedError as error:
        assert_type(error, StreamInterruptedError)
        assert_type(error.ticket, Ticket | None)
    except InputValidationError as error:
        assert_type(error, InputValidationError)
        assert_type(error.validation_error, Exception)
    except ChunkValidationError as error:
        assert_type(error, ChunkValidationError)
        assert_type(error.raw, bytes)
    except OutputValidationError as error:
        assert_type(error, OutputValidationError)
        assert_type(error.raw, bytes)
    except FlowValidationError as error:
        assert_type(error, FlowValidationError)
    except FlowStatusError as error:
        assert_type(error, FlowStatusError)
        assert_type(error.status, str)
    except FlowError as error:
        assert_type(error, FlowError)


def every_status(client: Client) -> None:
    try:
        client.flows.menu()
    except ServerCancelledError as error:
        assert_type(error, ServerCancelledError)
    except UnknownError as error:
        assert_type(error, UnknownError)
    except InvalidArgumentError as error:
        assert_type(error, InvalidArgumentError)
        assert_type(error.details, Any)
    except DeadlineExceededError as error:
        assert_type(error, DeadlineExceededError)
    except NotFoundError as error:
        assert_type(error, NotFoundError)
    except AlreadyExistsError as error:
        assert_type(error, AlreadyExistsError)
    except PermissionDeniedError as error:
        assert_type(error, PermissionDeniedError)
    except UnauthenticatedError as error:
        assert_type(error, UnauthenticatedError)
    except ResourceExhaustedError as error:
        assert_type(error, ResourceExhaustedError)
    except FailedPreconditionError as error:
        assert_type(error, FailedPreconditionError)
    except AbortedError as error:
        assert_type(error, AbortedError)
    except OutOfRangeError as error:
        assert_type(error, OutOfRangeError)
    except UnimplementedError as error:
        assert_type(error, UnimplementedError)
    except InternalError as error:
        assert_type(error, InternalError)
    except UnavailableError as error:
        assert_type(error, UnavailableError)
    except DataLossError as error:
        assert_type(error, DataLossError)


def several_at_once(client: Client) -> None:
    try:
        client.flows.menu()
    except (ChunkValidationError, OutputValidationError) as error:
        assert_type(error, ChunkValidationError | OutputValidationError)
        assert_type(error.raw, bytes)
    except (UnavailableError, ResourceExhaustedError) as error:
        assert_type(error.http_status, int | None)


def what_all_tell(error: FlowError) -> None:
    assert_type(error.message, str)
    assert_type(error.flow, str | None)
    assert_type(error.received, int)
    assert_type(error.ticket, Ticket | None)
    assert_type(error.work_may_have_run, bool)
    assert_type(error.timeline, Timeline | None)
    assert_type(error.advice, str)


def what_some_tell(
    late: FlowTimeoutError,
    status: FlowStatusError,
    invalid: FlowValidationError,
    chunk: ChunkValidationError,
    output: OutputValidationError,
) -> None:
    assert_type(late.clock, Clock)
    assert_type(status.status, str)
    assert_type(status.details, Any)
    assert_type(status.http_status, int | None)
    assert_type(status.trace_id, str | None)
    assert_type(status.code, str)
    assert_type(invalid.validation_error, Exception)
    assert_type(chunk.raw, bytes)
    assert_type(output.raw, bytes)


def a_condition_narrows(error: FlowError) -> None:
    if isinstance(error, FlowTimeoutError):
        assert_type(error, FlowTimeoutError)
        assert_type(error.clock, Clock)
    if error.ticket:
        assert_type(error.ticket, Ticket)
    match error:
        case ChunkValidationError(raw=raw):
            assert_type(raw, bytes)
        case _:
            pass


def for_tests_of_ones_own() -> None:
    assert_type(FlowError("m", flow="menu"), FlowError)
    assert_type(FlowTimeoutError("m", clock="idle"), FlowTimeoutError)
    assert_type(FlowValidationError("m", validation_error=ValueError()), FlowValidationError)
    assert_type(
        FlowStatusError("m", status="ABORTED", details={}, http_status=409, trace_id="t", flow="menu"),
        FlowStatusError,
    )
    assert_type(NotFoundError("m", status="NOT_FOUND"), NotFoundError)


def what_they_are_too(
    unknown: UnknownFlowError, late: FlowTimeoutError, invalid: FlowValidationError, any_one: FlowError
) -> tuple[AttributeError, KeyError, TimeoutError, ValueError, Exception]:
    return unknown, unknown, late, invalid, any_one
