"""How a command can end.

In: an error. Out: an exit code. Words for people do not belong here.
"""

from __future__ import annotations

from enum import IntEnum

from ..errors import (
    DiscoveryError,
    FlowConnectionError,
    FlowError,
    FlowStatusError,
    FlowTimeoutError,
    FlowValidationError,
    ProtocolError,
    ReplayDivergedError,
    StreamExpiredError,
    StreamInterruptedError,
)


class ExitCode(IntEnum):
    """What the shell is told. USAGE is the number that typer uses, the last three are the shell's own."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    FLOW_FAILED = 3
    NOT_CONNECTED = 4
    TIMEOUT = 5
    INTERRUPTED = 6
    TYPES = 7
    NOT_INSTALLED = 8
    NOT_DISCOVERED = 9
    NOT_WRITTEN = 10
    UNWELL = 11
    CTRL_C = 130  # 128 + SIGINT
    CLOSED_PIPE = 141  # 128 + SIGPIPE
    TERMINATED = 143  # 128 + SIGTERM


MEANINGS = {
    ExitCode.OK: "all went well",
    ExitCode.UNEXPECTED: "an unexpected error",
    ExitCode.USAGE: "wrong usage, or bad input",
    ExitCode.FLOW_FAILED: "the flow failed, or its server refused the call",
    ExitCode.NOT_CONNECTED: "the server could not be reached",
    ExitCode.TIMEOUT: "time ran out",
    ExitCode.INTERRUPTED: "the stream broke off, or the answer is not the protocol",
    ExitCode.TYPES: "a value is not of its type",
    ExitCode.NOT_INSTALLED: "typer and rich are not installed",
    ExitCode.NOT_DISCOVERED: "no flows were found",
    ExitCode.NOT_WRITTEN: "the output cannot be written",
    ExitCode.UNWELL: "doctor found something bad",
    ExitCode.CTRL_C: "Ctrl-C",
    ExitCode.CLOSED_PIPE: "the reader of the output went away",
    ExitCode.TERMINATED: "SIGTERM",
}

_CODES: tuple[tuple[type[FlowError], ExitCode], ...] = (
    (FlowStatusError, ExitCode.FLOW_FAILED),
    (FlowConnectionError, ExitCode.NOT_CONNECTED),
    (FlowTimeoutError, ExitCode.TIMEOUT),
    (StreamInterruptedError, ExitCode.INTERRUPTED),
    (ProtocolError, ExitCode.INTERRUPTED),
    (FlowValidationError, ExitCode.TYPES),
    (DiscoveryError, ExitCode.NOT_DISCOVERED),
    (FlowError, ExitCode.UNEXPECTED),
)


def exit_code_of(error: FlowError) -> ExitCode:
    """The code of the first class in the table that the error belongs to."""
    return next(code for kind, code in _CODES if isinstance(error, kind))


def can_go_on(error: FlowError) -> bool:
    """Whether the stream may still be there, to be taken up with the error's ticket."""
    if error.ticket is None:
        return False
    if isinstance(error, FlowStatusError):  # of the flow itself, its frame comes with HTTP 200
        return error.http_status is not None and error.http_status >= 400
    return not isinstance(error, StreamExpiredError | ReplayDivergedError | FlowValidationError)


# --- of `check` alone ---

BREAKS = 1
NOT_COMPARED = 2
"""What the shell is told, in the words of other tools that compare; these two are of this command alone."""

CHECK_CODES = (
    "Exit codes: 0 nothing differs, or all that does is compatible; 1 something breaks; 2 it could not be"
    " compared: wrong usage, no server, no catalog; 130 Ctrl-C."
)

_OF_THE_SHELL = (ExitCode.CTRL_C, ExitCode.CLOSED_PIPE, ExitCode.TERMINATED)


def check_code(ended: ExitCode, code: int) -> int:
    """The exit code of this command, of how it ended and what it found."""
    if ended is ExitCode.OK:
        return code
    return ended if ended in _OF_THE_SHELL else NOT_COMPARED
