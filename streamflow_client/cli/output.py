"""Standard output and standard error of the commands.

In: values, errors, lines. Out: what people or programs read. Whatever a server said passes through
`terminal.py` first. Calls and exit codes do not belong here.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn, Protocol, TextIO

from rich.console import Console
from rich.text import Text

from ..calls import log
from ..discovery import DISCOVERY_LOG
from ..errors import FlowError, FlowStatusError, FlowTimeoutError
from ..text import shown
from ..ticket import Ticket
from .exits import can_go_on
from .terminal import readable, safe_json, safe_line

STDOUT = "-"  # in the place of a file


class Printer(Protocol):
    """Writes what a flow gives to standard output.

    Attributes:
        place: where a durable stream goes on after the chunks that were printed to their end; kept by
            whoever has them printed.
    """

    place: Ticket | None

    def chunk(self, value: Any) -> None: ...
    def result(self, value: Any) -> None: ...
    def failure(self, error: FlowError) -> None: ...
    def cancelled(self, ticket: Ticket) -> None: ...


class TextPrinter:
    """For people: a chunk a line, the result below a rule unless it comes alone."""

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self.place: Ticket | None = None

    def chunk(self, value: Any) -> None:
        emit(readable(value))

    def result(self, value: Any) -> None:
        if not self._alone:
            PipedConsole().rule("result", align="left", style="dim")
        emit(readable(value, indent=2 if sys.stdout.isatty() else None))

    def failure(self, error: FlowError) -> None:
        """Standard error is enough."""

    def cancelled(self, ticket: Ticket) -> None:
        """Likewise."""


class JsonPrinter:
    """For programs: one JSON object a line."""

    def __init__(self) -> None:
        self.place: Ticket | None = None

    def chunk(self, value: Any) -> None:
        emit(safe_json({"chunk": value}))

    def result(self, value: Any) -> None:
        emit(safe_json({"result": value}))

    def failure(self, error: FlowError) -> None:
        emit(safe_json({"error": error_fields(error)}))

    def cancelled(self, ticket: Ticket) -> None:
        emit(safe_json({"cancelled": {"ticket": str(ticket)}}))


def error_fields(error: FlowError) -> dict[str, Any]:
    """What a program needs to know of an error; the ticket only if it leads on, for it is a secret."""
    fields: dict[str, Any] = {
        "type": type(error).__name__,
        "message": error.message,
        "received": error.received,
        "work_may_have_run": error.work_may_have_run,
    }
    if isinstance(error, FlowStatusError):
        names = ("status", "details", "http_status", "trace_id")
        fields |= {name: getattr(error, name) for name in names}
    if isinstance(error, FlowTimeoutError):
        fields["clock"] = error.clock
    if can_go_on(error):
        fields["ticket"] = str(error.ticket)
    return fields


def way_on(ticket: Ticket) -> str:
    """Printed for whoever ran the command, and nowhere else: who has the ticket can read the stream."""
    return f"go on with: --resume {ticket}"


class OutputError(Exception):
    """What a command gives cannot be written, for another reason than a reader who went away."""


@contextmanager
def written() -> Generator[None]:
    """Raises: OutputError. BrokenPipeError: there is no reader any more."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"the output cannot be written: {error.strerror or error}") from error


@contextmanager
def writing(file: str) -> Generator[None]:
    """The same, for a file. Raises: OutputError, which names it."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise OutputError(f"{shown(file)} cannot be written: {reason}") from error


class PipedConsole(Console):
    """A console that raises BrokenPipeError, as `print` does, where rich would end the process."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Raises: OutputError."""
        with written():
            super().print(*objects, **options)

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


def emit(text: str) -> None:
    """One piece of output, at once: whoever reads it may wait for it.

    Raises:
        OutputError: a full disk, say.
    """
    with written():
        print(text, flush=True)


def complain(line: str, prefix: str = "", style: str = "bold red") -> None:
    """One line on standard error; where that cannot be written, the exit code has to do."""
    try:
        text = Text.assemble((prefix, style), safe_line(line))
        PipedConsole(stderr=True).print(text, soft_wrap=True)
    except (BrokenPipeError, OutputError):
        let_go_of(sys.stderr)


@contextmanager
def warnings_told(*, of_catalogs: bool) -> Generator[None]:
    """What the library logs meanwhile, such as a second attempt, becomes a line on standard error.

    Args:
        of_catalogs: also what is odd in catalogs and schemas.
    """
    handler = _Complaints(logging.WARNING)
    handler.addFilter(lambda record: of_catalogs or record.name != DISCOVERY_LOG)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class _Complaints(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        complain(record.getMessage(), "warning: ", "yellow")


def prepare_stdout(*, for_programs: bool) -> None:
    """JSON is UTF-8 whatever the locale; text for people has escapes for what the locale lacks.

    Where the shell closed it, there is none, and what is written goes nowhere.
    """
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", closefd=False)
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8" if for_programs else None, errors="backslashreplace")


def let_go_of(stream: TextIO) -> None:
    """What is still in its buffer has no reader; Python would complain about it at its end."""
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
